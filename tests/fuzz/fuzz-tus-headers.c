/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Headers of tus, as anybody may send them. The first byte says which: m Upload-Metadata (and each pair as a field of the delivery),
 * c Upload-Concat, k Upload-Checksum, n Upload-Offset and Upload-Length. What is taken must read the same when it is written again.
 */
#include <errno.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/encode.h"
#include "doors/fields.h"
#include "doors/tus-headers.h"
#include "http/headers.h"

#define CHECK(condition)                                                                                     \
    do {                                                                                                     \
        if (!(condition))                                                                                    \
            abort();                                                                                         \
    } while (0)

/* What the pairs say must fit into one act, whatever it is (64 KiB; see daemon/ARCHITECTURE.md, Acts). */
static void check_fields(const struct tus_metadata *m)
{
    _cleanup_(fields_done) struct fields f = FIELDS_INIT;
    _cleanup_json_ json_t *facts = json_object();
    struct upload_origin origin = {.facts = facts};
    _cleanup_free_ char *text = NULL;
    struct error err = ERROR_INIT;

    for (size_t i = 0; i < m->n; i++) {
        int r = fields_set(&f, m->pairs[i].key, m->pairs[i].value, m->pairs[i].size, NULL, &err);

        CHECK(r == 0 || r == 1 || (r == -EINVAL && err.code == r && err.text[0]));
    }
    CHECK(fields_origin(&f, &origin) == 0 && json_canonical(facts, &text) == 0);
    CHECK(strlen(text) < 60000);
    CHECK(!origin.name || !strchr(origin.name, '/'));
    CHECK(!origin.path ||
          (*origin.path != '/' && strncmp(origin.path, "../", 3) != 0 && !strstr(origin.path, "/../")));
}

static void check_metadata(const char *value)
{
    _cleanup_(tus_metadata_done) struct tus_metadata m = {.n = 0}, again = {.n = 0};
    char text[2 * TUS_METADATA_MAX + 2 * TUS_PAIRS_MAX + 1] = "";
    struct error err = ERROR_INIT;
    size_t at = 0;

    if (tus_metadata_parse(value, &m, &err) != 0) {
        CHECK(err.code == -EINVAL && err.text[0] && m.n == 0);
        return;
    }
    check_fields(&m);
    for (size_t i = 0; i < m.n; i++) {
        _cleanup_free_ char *b64 = encode_base64(m.pairs[i].value, m.pairs[i].size);

        at += (size_t)snprintf(text + at, sizeof text - at, "%s%s %s", i ? "," : "", m.pairs[i].key, b64);
        CHECK(at < sizeof text);
    }
    if (at > TUS_METADATA_MAX)
        return;
    CHECK(tus_metadata_parse(text, &again, &err) == 0 && again.n == m.n);
    for (size_t i = 0; i < m.n; i++)
        CHECK(strcmp(m.pairs[i].key, again.pairs[i].key) == 0 && m.pairs[i].size == again.pairs[i].size &&
              memcmp(m.pairs[i].value, again.pairs[i].value, m.pairs[i].size) == 0);
}

static void check_concat(const char *value)
{
    _cleanup_(tus_concat_done) struct tus_concat c = {.n = 0};
    struct error err = ERROR_INIT;

    if (tus_concat_parse(value, &c, &err) != 0) {
        CHECK(err.code == -EINVAL && err.text[0] && !c.ids);
        return;
    }
    CHECK((c.kind == TUS_FINAL) == (c.n > 0) && c.n <= TUS_PARTS_MAX);
    for (size_t i = 0; i < c.n; i++) {
        CHECK(ulid_is_valid(c.ids[i]) && strstr(value, c.ids[i]));
        for (size_t k = 0; k < i; k++)
            CHECK(strcmp(c.ids[i], c.ids[k]) != 0);
    }
}

static void check_checksum(const char *value)
{
    static const struct {
        const char *name;
        size_t size;
    } known[] = {{"md5", 16}, {"sha1", 20}, {"sha256", 32}, {"sha512", 64}, {"crc32", 4}};
    struct header_digest d = {.size = 0};
    struct error err = ERROR_INIT;
    int r = header_upload_checksum(value, &d, &err);

    CHECK(r == 0 || ((r == -EINVAL || r == -EOPNOTSUPP) && err.code == r && err.text[0]));
    for (size_t i = 0; r == 0 && i < ARRAY_SIZE(known); i++)
        if (strcmp(d.algorithm, known[i].name) == 0) {
            CHECK(d.size == known[i].size);
            return;
        }
    CHECK(r != 0);
}

static void check_number(const char *value)
{
    int64_t v = -7;
    int r = header_number(value, &v);
    char text[24];

    CHECK((r == 0 && v >= 0) || (r == -EINVAL && v == -7));
    if (r != 0)
        return;
    snprintf(text, sizeof text, "%lld", (long long)v);
    value += strspn(value, "0");
    CHECK(strcmp(*value ? value : "0", text) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    _cleanup_free_ char *value = NULL;
    char date[TUS_DATE_SIZE];
    int64_t usec;

    if (size == 0)
        return 0;
    value = strndup((const char *)data + 1, size - 1);
    switch (data[0]) {
    case 'm':
        check_metadata(value);
        break;
    case 'c':
        check_concat(value);
        break;
    case 'k':
        check_checksum(value);
        break;
    case 'n':
        check_number(value);
        break;
    case 'd':
        memset(&usec, 0, sizeof usec);
        memcpy(&usec, data + 1, MIN(size - 1, sizeof usec));
        tus_date(usec, date);
        CHECK(strlen(date) == TUS_DATE_SIZE - 1 && strcmp(date + 25, " GMT") == 0);
        break;
    }
    return 0;
}
