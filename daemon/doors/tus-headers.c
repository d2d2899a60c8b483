/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Reading tus headers (see tus-headers.h).
 */
#include "doors/tus-headers.h"

#include <errno.h>
#include <string.h>
#include <strings.h>

#include "base/calendar.h"
#include "base/encode.h"

/* ---- Upload-Metadata ---- */

void tus_metadata_done(struct tus_metadata *m)
{
    for (size_t i = 0; i < m->n; i++) {
        free(m->pairs[i].key);
        free(m->pairs[i].value);
    }
    m->n = 0;
}

static int check_key(const struct tus_metadata *m, const char *key, size_t size, struct error *err)
{
    if (size == 0)
        return error_set(err, -EINVAL, "Upload-Metadata",
                         "has a pair without a key; write 'key base64,key base64'");
    for (size_t i = 0; i < size; i++)
        if (key[i] <= 0x20 || key[i] >= 0x7f)
            return error_set(err, -EINVAL, "Upload-Metadata",
                             "has a key that is not printable ASCII; only values may be any text, in base64");
    for (size_t i = 0; i < m->n; i++)
        if (strlen(m->pairs[i].key) == size && memcmp(m->pairs[i].key, key, size) == 0)
            return error_set(err, -EINVAL, "Upload-Metadata", "has the key '%.*s' twice; give it once",
                             (int)MIN(size, 100u), key);
    return 0;
}

/* "key" or "key base64", without blanks around. */
static int add_pair(struct tus_metadata *m, const char *text, size_t size, struct error *err)
{
    const char *space = memchr(text, ' ', size);
    size_t key_size = space ? (size_t)(space - text) : size;
    struct tus_pair *pair = &m->pairs[m->n];
    int r;

    if (m->n == TUS_PAIRS_MAX)
        return error_set(err, -EINVAL, "Upload-Metadata", "has more than %d pairs", TUS_PAIRS_MAX);
    r = check_key(m, text, key_size, err);
    if (r < 0)
        return r;
    r = decode_base64(space ? space + 1 : "", space ? size - key_size - 1 : 0, &pair->value, &pair->size);
    if (r == -EINVAL)
        return error_set(err, r, "Upload-Metadata",
                         "has a value for '%.*s' that is no base64 (RFC 4648 section 4, with padding)",
                         (int)MIN(key_size, 100u), text);
    if (r < 0)
        return r;
    pair->key = strndup(text, key_size);
    if (!pair->key) {
        freep(&pair->value);
        return -ENOMEM;
    }
    m->n++;
    return 0;
}

int tus_metadata_parse(const char *value, struct tus_metadata *ret, struct error *err)
{
    _cleanup_(tus_metadata_done) struct tus_metadata m = {.n = 0};
    size_t size = strnlen(value, TUS_METADATA_MAX + 1);
    const char *end = value + size, *pair = value;

    if (size > TUS_METADATA_MAX)
        return error_set(err, -EINVAL, "Upload-Metadata", "is longer than %u bytes", TUS_METADATA_MAX);
    if (strspn(value, " ") == size) {
        *ret = m;
        return 0;
    }
    for (const char *comma; pair; pair = comma ? comma + 1 : NULL) {
        const char *from = pair, *to;
        int r;

        comma = memchr(pair, ',', (size_t)(end - pair));
        to = comma ? comma : end;
        while (from < to && *from == ' ')
            from++;
        while (to > from && to[-1] == ' ')
            to--;
        r = add_pair(&m, from, (size_t)(to - from), err);
        if (r < 0)
            return r;
    }
    *ret = m;
    m.n = 0;
    return 0;
}

/* ---- Upload-Concat ---- */

void tus_concat_done(struct tus_concat *c)
{
    free(TAKE_PTR(c->ids));
    c->n = 0;
}

/* The id at the end of one of our URLs, ULID_LENGTH bytes; NULL: it is none of ours. */
static const char *id_of_url(const char *url, size_t size)
{
    static const char before[] = "/tus/";
    const size_t least = strlen(before) + ULID_LENGTH;
    char id[ULID_LENGTH + 1] = "";
    const char *path = url;

    for (size_t i = 0; i < size; i++)
        if (url[i] <= 0x20 || url[i] >= 0x7f || strchr("?#%\\,;", url[i]))
            return NULL;
    if (size > 8 && (strncasecmp(url, "http://", 7) == 0 || strncasecmp(url, "https://", 8) == 0)) {
        const char *host = strchr(url, ':') + 3;

        path = memchr(host, '/', (size_t)(url + size - host));
        if (!path || path == host)
            return NULL;
    }
    /* a path that has it twice would be two parts that something glued together */
    if (*path != '/' || (size_t)(url + size - path) < least ||
        memmem(path, (size_t)(url + size - path), before, strlen(before)) != url + size - least)
        return NULL;
    memcpy(id, url + size - ULID_LENGTH, ULID_LENGTH);
    return ulid_is_valid(id) ? url + size - ULID_LENGTH : NULL;
}

/* Counts the words of a list, and copies the ids to ids when it is not NULL. Return: how many, or -EINVAL. */
static int read_urls(const char *list, char (*ids)[ULID_LENGTH + 1], struct error *err)
{
    int n = 0;

    for (const char *url = list + strspn(list, " "); *url; url += strspn(url, " ")) {
        size_t size = strcspn(url, " ");
        const char *id = id_of_url(url, size);

        if (!id)
            return error_set(
                err, -EINVAL, "Upload-Concat",
                "names something that is no upload here; after 'final;' give the Location of each part, "
                "/tus/<id>, with blanks between");
        if (n == TUS_PARTS_MAX)
            return error_set(err, -EINVAL, "Upload-Concat", "names more than %d parts", TUS_PARTS_MAX);
        if (ids) {
            memcpy(ids[n], id, ULID_LENGTH);
            ids[n][ULID_LENGTH] = '\0';
        }
        n++;
        url += size;
    }
    return n > 0 ? n : error_set(err, -EINVAL, "Upload-Concat", "names no parts behind 'final;'");
}

static int check_once(const char *const *ids, size_t n, struct error *err)
{
    for (size_t i = 1; i < n; i++)
        for (size_t k = 0; k < i; k++)
            if (strcmp(ids[i], ids[k]) == 0)
                return error_set(err, -EINVAL, "Upload-Concat",
                                 "names the part %s twice; name each once, in order", ids[i]);
    return 0;
}

int tus_concat_parse(const char *value, struct tus_concat *ret, struct error *err)
{
    _cleanup_(tus_concat_done) struct tus_concat c = {.kind = TUS_FINAL};
    char(*texts)[ULID_LENGTH + 1];
    int n, r;

    if (strcmp(value, "partial") == 0) {
        *ret = (struct tus_concat){.kind = TUS_PARTIAL};
        return 0;
    }
    if (strncmp(value, "final;", 6) != 0)
        return error_set(err, -EINVAL, "Upload-Concat", "must be 'partial' or 'final;' and the parts");
    n = read_urls(value + 6, NULL, err);
    if (n < 0)
        return n;
    c.n = (size_t)n;
    c.ids = malloc(c.n * (sizeof *c.ids + sizeof *texts));
    if (!c.ids)
        return -ENOMEM;
    texts = (char(*)[ULID_LENGTH + 1])(c.ids + c.n);
    for (size_t i = 0; i < c.n; i++)
        c.ids[i] = texts[i];
    r = read_urls(value + 6, texts, err);
    r = r < 0 ? r : check_once(c.ids, c.n, err);
    if (r < 0)
        return r;
    *ret = c;
    c.ids = NULL;
    return 0;
}

/* ---- times ---- */

void tus_date(int64_t usec, char out[TUS_DATE_SIZE])
{
    static const char days[][4] = {"Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"}; /* 1970-01-01 was one */
    static const char months[][4] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                     "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
    struct civil c;

    usec = MIN(MAX(usec, 0), INT64_C(253402214400) * USEC_PER_SEC); /* 9999-12-31 */
    civil_from_usec(NULL, usec, &c);
    snprintf(out, TUS_DATE_SIZE, "%s, %02d %s %04d %02d:%02d:%02d GMT", days[usec / USEC_PER_DAY % 7], c.day,
             months[c.month - 1], c.year, c.hour, c.minute, c.second);
}
