/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Reading and checking the plan of a redaction (see redaction.h). Strict on purpose: a key that is not understood could have meant
 * something that must be hidden, so nothing is passed over.
 */
#include "media/redaction.h"

#include <errno.h>
#include <stdarg.h>
#include <string.h>

#define PERMILLE_LEAST (-1000) /* a region may come in from outside of the picture */
#define PERMILLE_MOST  2000
#define SIZE_MOST      3000

/* Where in the plan we are, for messages: "regions[2].keyframes[17]". */
struct where {
    char text[96];
};

static struct where below(const struct where *w, const char *format, ...) _printf_(2, 3);
static struct where below(const struct where *w, const char *format, ...)
{
    struct where r = *w;
    size_t n = strlen(r.text);
    va_list ap;

    va_start(ap, format);
    vsnprintf(r.text + n, sizeof r.text - n, format, ap);
    va_end(ap);
    return r;
}

/* What people ask of video editors and what footage must not undergo. */
static const struct {
    const char *key, *what;
} altering[] = {
    {"cut", "cuts"},
    {"cuts", "cuts"},
    {"trim", "cuts"},
    {"delete", "cuts"},
    {"remove", "cuts"},
    {"skip", "cuts"},
    {"segments", "cuts and another order"},
    {"concat", "cuts and another order"},
    {"order", "another order"},
    {"reorder", "another order"},
    {"reverse", "another order"},
    {"loop", "repeated footage"},
    {"speed", "another speed"},
    {"rate", "another speed"},
    {"slow", "another speed"},
    {"freeze", "stopped pictures"},
    {"insert", "inserted footage"},
    {"replace", "replaced footage"},
};

static int refuse_altering(const char *key, const struct where *w, struct error *err)
{
    for (size_t i = 0; i < ARRAY_SIZE(altering); i++)
        if (strcmp(key, altering[i].key) == 0)
            return error_set(err, -EINVAL, below(w, "%s%.32s", w->text[0] ? "." : "", key).text,
                             "%s are refused: footage keeps its whole time line; cover the stretch with "
                             "\"whole\" and silence it "
                             "with \"mute\" instead",
                             altering[i].what);
    return 0;
}

/* Whether word is one of those in list ("a b c"). */
static bool is_one_of(const char *word, const char *list)
{
    size_t n = strlen(word);

    while (*list) {
        size_t length = strcspn(list, " ");

        if (length == n && memcmp(list, word, n) == 0)
            return true;
        list += length + strspn(list + length, " ");
    }
    return false;
}

/* Every key of object must be in allowed ("a b c"). */
static int check_keys(const json_t *object, const char *allowed, const struct where *w, struct error *err)
{
    const char *key;
    json_t *value;

    if (!json_is_object(object))
        return error_set(err, -EINVAL, w->text, "is not an object; it would have the keys %s", allowed);
    json_object_foreach ((json_t *)object, key, value) {
        int r;

        if (is_one_of(key, allowed))
            continue;
        r = refuse_altering(key, w, err);
        if (r == 0)
            r = error_set(err, -EINVAL, w->text, "has the unknown key \"%.64s\"; there are only %s", key,
                          allowed);
        return r;
    }
    return 0;
}

/* An integer within [least, most]; absent gives *ret as it stands unless required. */
static int read_integer(const json_t *object, const char *key, bool required, int64_t least, int64_t most,
                        const struct where *w, int64_t *ret, struct error *err)
{
    const json_t *v = json_object_get(object, key);
    struct where here = below(w, "%s%s", w->text[0] ? "." : "", key);

    if (!v && !required)
        return 0;
    if (!v)
        return error_set(err, -EINVAL, here.text, "is missing; a whole number from %lld to %lld is needed",
                         (long long)least, (long long)most);
    if (!json_is_integer(v))
        return error_set(err, -EINVAL, here.text, "is not a whole number; one from %lld to %lld is needed",
                         (long long)least, (long long)most);
    if (json_integer_value(v) < least || json_integer_value(v) > most)
        return error_set(err, -EINVAL, here.text, "is %lld; it must lie from %lld to %lld",
                         (long long)json_integer_value(v), (long long)least, (long long)most);
    *ret = json_integer_value(v);
    return 0;
}

/* One word of a list ("black", "blur", …), NULL-terminated; absent gives fallback, or is refused when that is negative. */
static int read_word(const json_t *object, const char *key, const char *const *words, int fallback,
                     const struct where *w, int *ret, struct error *err)
{
    const json_t *v = json_object_get(object, key);
    struct where here = below(w, "%s%s", w->text[0] ? "." : "", key);
    char list[64] = "";
    size_t n = 0;

    for (int i = 0; words[i]; i++) {
        if (json_is_string(v) && strcmp(json_string_value(v), words[i]) == 0)
            return *ret = i, 0;
        n += (size_t)snprintf(list + n, sizeof list - n, "%s%s", i ? ", " : "", words[i]);
    }
    if (!v && fallback >= 0)
        return *ret = fallback, 0;
    if (!json_is_string(v))
        return error_set(err, -EINVAL, here.text, "%s; one of %s is needed",
                         v ? "is not a text" : "is missing", list);
    return error_set(err, -EINVAL, here.text, "is \"%.32s\"; it must be one of %s", json_string_value(v),
                     list);
}

static int check_label(const json_t *object, const struct where *w, struct error *err)
{
    const json_t *v = json_object_get(object, "label");

    if (!v || (json_is_string(v) && json_string_length(v) <= REDACTION_LABEL_MAX))
        return 0;
    return error_set(err, -EINVAL, below(w, ".label").text, "must be a text of at most %d bytes",
                     REDACTION_LABEL_MAX);
}

/* An array of at most max elements; absent is empty. Gives zeroed memory for them. */
static int read_array(const json_t *object, const char *key, size_t max, size_t size, const struct where *w,
                      const json_t **ret_array, void **ret_rows, struct error *err)
{
    const json_t *v = json_object_get(object, key);
    struct where here = below(w, "%s%s", w->text[0] ? "." : "", key);

    *ret_array = NULL;
    *ret_rows = NULL;
    if (!v)
        return 0;
    if (!json_is_array(v))
        return error_set(err, -EINVAL, here.text, "is not a list; [{…}, …] is needed");
    if (json_array_size(v) > max)
        return error_set(err, -EINVAL, here.text, "has %zu entries; at most %zu are taken",
                         json_array_size(v), max);
    *ret_rows = calloc(MAX(json_array_size(v), 1u), size);
    if (!*ret_rows)
        return error_set(err, -ENOMEM, here.text, "out of memory");
    *ret_array = v;
    return 0;
}

static int read_place(const json_t *object, const struct where *w, struct place_in_picture *ret,
                      struct error *err)
{
    int64_t x = 0, y = 0, width = 0, height = 0;
    int r = read_integer(object, "x", true, PERMILLE_LEAST, PERMILLE_MOST, w, &x, err);

    if (r == 0)
        r = read_integer(object, "y", true, PERMILLE_LEAST, PERMILLE_MOST, w, &y, err);
    if (r == 0)
        r = read_integer(object, "w", true, 1, SIZE_MOST, w, &width, err);
    if (r == 0)
        r = read_integer(object, "h", true, 1, SIZE_MOST, w, &height, err);
    if (r == 0)
        *ret = (struct place_in_picture){(int32_t)x, (int32_t)y, (int32_t)width, (int32_t)height};
    return r;
}

/* from_msec (0 when absent) and until_msec (the end when absent). */
static int read_stretch(const json_t *object, const struct where *w, int64_t *ret_from, int64_t *ret_until,
                        struct error *err)
{
    int64_t from = 0, until = -1;
    int r = read_integer(object, "from_msec", false, 0, REDACTION_MSEC_MAX, w, &from, err);

    if (r == 0)
        r = read_integer(object, "until_msec", false, 0, REDACTION_MSEC_MAX, w, &until, err);
    if (r < 0)
        return r;
    if (until >= 0 && until <= from)
        return error_set(err, -EINVAL, below(w, ".until_msec").text, "is %lld, not after from_msec %lld",
                         (long long)until, (long long)from);
    *ret_from = from * USEC_PER_MSEC;
    *ret_until = until < 0 ? REDACTION_TO_THE_END : until * USEC_PER_MSEC;
    return 0;
}

static const char *const kinds[] = {"black", "blur", "pixelate", NULL};
static const char *const shapes[] = {"rectangle", "ellipse", NULL};

static int read_keyframes(const json_t *region, const struct where *w, struct region *ret, struct error *err)
{
    const json_t *array;
    void *rows;
    int r = read_array(region, "keyframes", REDACTION_KEYFRAMES_MAX, sizeof *ret->keyframes, w, &array, &rows,
                       err);

    if (r < 0)
        return r;
    ret->keyframes = rows;
    if (json_array_size(array) == 0)
        return error_set(err, -EINVAL, below(w, ".keyframes").text,
                         "is missing or empty; at least one {at_msec, x, y, w, h} says where the region is");
    for (size_t i = 0; r == 0 && i < json_array_size(array); i++) {
        const json_t *k = json_array_get(array, i);
        struct where here = below(w, ".keyframes[%zu]", i);
        int64_t at = 0;

        r = check_keys(k, "at_msec x y w h", &here, err);
        if (r == 0)
            r = read_integer(k, "at_msec", true, 0, REDACTION_MSEC_MAX, &here, &at, err);
        if (r == 0)
            r = read_place(k, &here, &ret->keyframes[i].place, err);
        if (r == 0 && i > 0 && at * USEC_PER_MSEC <= ret->keyframes[i - 1].at_usec)
            r = error_set(err, -EINVAL, below(&here, ".at_msec").text,
                          "is %lld, not after the keyframe before it; keyframes ascend", (long long)at);
        ret->keyframes[i].at_usec = at * USEC_PER_MSEC;
        ret->n_keyframes = i + 1;
    }
    return r;
}

static int read_region(const json_t *region, const struct where *w, struct region *ret, struct error *err)
{
    int shape = 0, kind = 0;
    int r = check_keys(region, "shape kind from_msec until_msec keyframes label", w, err);

    if (r == 0)
        r = read_word(region, "shape", shapes, SHAPE_RECTANGLE, w, &shape, err);
    if (r == 0)
        r = read_word(region, "kind", kinds, -1, w, &kind, err);
    if (r == 0)
        r = read_stretch(region, w, &ret->from_usec, &ret->until_usec, err);
    if (r == 0)
        r = check_label(region, w, err);
    if (r == 0)
        r = read_keyframes(region, w, ret, err);
    ret->shape = (enum cover_shape)shape;
    ret->kind = (enum cover_kind)kind;
    return r;
}

static int read_regions(const json_t *plan, const struct where *w, struct redaction *ret, struct error *err)
{
    const json_t *array;
    void *rows;
    int r = read_array(plan, "regions", REDACTION_REGIONS_MAX, sizeof *ret->regions, w, &array, &rows, err);

    if (r < 0)
        return r;
    ret->regions = rows;
    for (size_t i = 0; r == 0 && i < json_array_size(array); i++) {
        struct where here = below(w, "regions[%zu]", i);

        ret->n_regions = i + 1;
        r = read_region(json_array_get(array, i), &here, &ret->regions[i], err);
    }
    return r;
}

/* "whole" has a kind, "mute" has none. */
static int read_stretches(const json_t *plan, const char *key, bool with_kind, size_t max,
                          const struct where *w, struct stretch **ret_rows, size_t *ret_n, struct error *err)
{
    const json_t *array;
    void *rows;
    int r = read_array(plan, key, max, sizeof **ret_rows, w, &array, &rows, err);

    if (r < 0)
        return r;
    *ret_rows = rows;
    for (size_t i = 0; r == 0 && i < json_array_size(array); i++) {
        const json_t *s = json_array_get(array, i);
        struct where here = below(w, "%s[%zu]", key, i);
        struct stretch *row = &(*ret_rows)[i];
        int kind = COVER_BLACK;

        r = check_keys(s, with_kind ? "kind from_msec until_msec label" : "from_msec until_msec label", &here,
                       err);
        if (r == 0 && with_kind)
            r = read_word(s, "kind", kinds, -1, &here, &kind, err);
        if (r == 0)
            r = read_stretch(s, &here, &row->from_usec, &row->until_usec, err);
        if (r == 0)
            r = check_label(s, &here, err);
        row->kind = (enum cover_kind)kind;
        *ret_n = i + 1;
    }
    return r;
}

static int by_start(const void *a, const void *b)
{
    const struct stretch *x = a, *y = b;

    return x->from_usec < y->from_usec ? -1 : x->from_usec > y->from_usec;
}

static void add_margins(struct stretch *rows, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        rows[i].from_usec = MAX(rows[i].from_usec - MUTE_MARGIN_USEC, 0);
        if (rows[i].until_usec != REDACTION_TO_THE_END)
            rows[i].until_usec += MUTE_MARGIN_USEC;
    }
}

/* Puts ranges in order and makes those one that overlap or touch. */
static void join_stretches(struct stretch *rows, size_t *n)
{
    size_t last = 0;

    if (*n == 0)
        return;
    qsort(rows, *n, sizeof *rows, by_start);
    for (size_t i = 1; i < *n; i++) {
        if (rows[i].from_usec <= rows[last].until_usec)
            rows[last].until_usec = MAX(rows[last].until_usec, rows[i].until_usec);
        else
            rows[++last] = rows[i];
    }
    *n = last + 1;
}

static int read_keep(const json_t *array, const struct where *w, struct redaction *ret, struct error *err)
{
    int r = 0;

    if (!array)
        return 0;
    if (!json_is_array(array))
        return error_set(err, -EINVAL, w->text, "is not a list; [{x, y, w, h}, …] is needed");
    if (json_array_size(array) > REDACTION_KEEP_MAX)
        return error_set(err, -EINVAL, w->text, "has %zu entries; at most %d are taken",
                         json_array_size(array), REDACTION_KEEP_MAX);
    for (size_t i = 0; r == 0 && i < json_array_size(array); i++) {
        const json_t *k = json_array_get(array, i);
        struct where here = below(w, "[%zu]", i);

        r = check_keys(k, "x y w h label", &here, err);
        if (r == 0)
            r = check_label(k, &here, err);
        if (r == 0)
            r = read_place(k, &here, &ret->keep[i], err);
        ret->n_keep = i + 1;
    }
    return r;
}

static int digest_plan(const json_t *plan, struct redaction *ret, struct error *err)
{
    _cleanup_free_ char *text = NULL;
    struct digest d;
    int r = json_canonical(plan, &text);

    if (r < 0) /* all values were looked at: only memory can be short */
        return error_set(err, r, "", "the plan cannot be written as canonical JSON");
    digest_of(text, strlen(text), &d);
    digest_to_hex(&d, ret->digest);
    return 0;
}

int redaction_read(const json_t *plan, struct redaction *ret, struct error *err)
{
    _cleanup_(redaction_done) struct redaction p = {0};
    const struct where top = {""}, keep = {"keep"};
    int64_t version = 1;
    int r = check_keys(plan, "version regions whole mute keep label", &top, err);

    if (r == 0)
        r = read_integer(plan, "version", false, 1, 1, &top, &version, err);
    if (r == 0)
        r = check_label(plan, &top, err);
    if (r == 0)
        r = read_regions(plan, &top, &p, err);
    if (r == 0)
        r = read_stretches(plan, "whole", true, REDACTION_WHOLE_MAX, &top, &p.whole, &p.n_whole, err);
    if (r == 0)
        r = read_stretches(plan, "mute", false, REDACTION_MUTE_MAX, &top, &p.mute, &p.n_mute, err);
    if (r == 0)
        r = read_keep(json_object_get(plan, "keep"), &keep, &p, err);
    if (r == 0 && p.n_regions + p.n_whole + p.n_mute == 0)
        r = error_set(err, -EINVAL, "",
                      "covers and silences nothing; name regions, whole or mute, or ask for a released copy");
    if (r == 0)
        r = digest_plan(plan, &p, err);
    if (r < 0)
        return r;
    *ret = p;
    add_margins(ret->mute, ret->n_mute);
    join_stretches(ret->mute, &ret->n_mute);
    p = (struct redaction){0};
    return 0;
}

int redaction_read_keep(const json_t *keep, struct redaction *ret, struct error *err)
{
    struct redaction p = {0};
    const struct where w = {"keep"};
    int r = read_keep(keep, &w, &p, err);

    if (r == 0)
        *ret = p;
    return r;
}

void redaction_done(struct redaction *r)
{
    for (size_t i = 0; i < r->n_regions; i++)
        free(r->regions[i].keyframes);
    free(r->regions);
    free(r->whole);
    free(r->mute);
    *r = (struct redaction){0};
}
