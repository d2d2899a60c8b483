/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Fields of a delivery (see fields.h): one table says what each is.
 */
#include "doors/fields.h"

#include <errno.h>
#include <string.h>

#include "base/calendar.h"
#include "base/encode.h"
#include "http/params.h"

enum kind { FILENAME, NAME, PATH, TEXT, TIME, OFFSET };

static const struct row {
    const char *name;
    enum kind kind;
    const char *key; /* in the sidecar */
} rows[] = {
    {"filename", FILENAME, NULL}, /* the first: see SAID_FILENAME */
    {"name", NAME, NULL},           {"path", PATH, NULL},          {"filetype", TEXT, "type"},
    {"type", TEXT, "type"},         {"device", TEXT, "device"},    {"officer", TEXT, "officer"},
    {"unit", TEXT, "unit"},         {"case", TEXT, "case"},        {"role", TEXT, "role"},
    {"step", TEXT, "step"},         {"started", TEXT, "started"},  {"ended", TEXT, "ended"},
    {"channel", TEXT, "channel"},   {"seq", TEXT, "seq"},          {"mtime", TIME, NULL},
    {"clock_offset", OFFSET, NULL}, {"recorded", TEXT, "started"}, {"clock_method", TEXT, "clock_method"},
};

#define SAID_FILENAME 1u
#define OFFSET_MAX    (INT64_C(36600) * USEC_PER_DAY) /* a century: beyond it no clock was ever set */

void fields_done(struct fields *f)
{
    freep(&f->name);
    freep(&f->path);
    json_decref(TAKE_PTR(f->sidecar));
}

/* Word for word where it is clean UTF-8, else percent-encoded. NULL = no memory. */
static char *keep_text(const char *value, size_t size)
{
    bool clean = utf8_is_valid(value, size);

    for (size_t i = 0, n; clean && i < size; i += n) {
        n = utf8_sequence_length((const uint8_t *)value + i, size - i);
        clean = n > 0 && !utf8_is_control((const uint8_t *)value + i, n);
    }
    return clean ? strndup(value, size) : encode_percent(value, size);
}

/* Names of files keep their bytes (the arrival encodes them), but no C string holds a NUL. NULL = no memory. */
static char *keep_bytes(const char *value, size_t size)
{
    return memchr(value, 0, size) ? encode_percent(value, size) : strndup(value, size);
}

/* A file name has no '/': what comes as a path gives its last part, and the whole as the path where none was said. */
static int set_name(struct fields *f, const char *text)
{
    char *name, *path;
    int r = filename_split(text, &name, &path);

    if (r < 0)
        return r;
    free(f->name);
    f->name = name;
    if (f->path || strcmp(path, name) == 0)
        free(path);
    else
        f->path = path;
    return 0;
}

static int set_path(struct fields *f, const char *text)
{
    _cleanup_free_ char *name = NULL;
    char *path;
    int r = filename_split(text, &name, &path);

    if (r == 0) {
        free(f->path);
        f->path = path;
    }
    return r;
}

/* Two names mean the same ("started" and "recorded"): they may not differ, but for types, which browsers guess. */
static int set_sidecar(struct fields *f, const struct row *row, const char *text, struct error *err)
{
    const char *said;

    if (!f->sidecar)
        f->sidecar = json_object();
    if (!f->sidecar)
        return -ENOMEM;
    said = json_get_string(f->sidecar, row->key);
    if (said && strcmp(said, text) != 0 && strcmp(row->key, "type") != 0)
        return error_set(err, -EINVAL, row->name, "differs from '%.200s'; say '%s' once", said, row->key);
    return said ? 0 : json_set_string(f->sidecar, row->key, text);
}

static int set_text(struct fields *f, const struct row *row, const void *value, size_t size,
                    struct error *err)
{
    _cleanup_free_ char *text = row->kind == TEXT ? keep_text(value, size) : keep_bytes(value, size);

    if (!text)
        return -ENOMEM;
    switch (row->kind) {
    case NAME:
        return f->seen & SAID_FILENAME ? 0 : set_name(f, text);
    case FILENAME:
        return set_name(f, text);
    case PATH:
        return set_path(f, text);
    default:
        return set_sidecar(f, row, text, err);
    }
}

/* An optional sign and up to 18 digits, nothing else. */
static int read_integer(const char *text, int64_t *ret)
{
    const char *digits = text + (*text == '-' || *text == '+');
    size_t n = strspn(digits, "0123456789");

    if (n == 0 || n > 18 || digits[n])
        return -EINVAL;
    *ret = strtoll(text, NULL, 10);
    return 0;
}

static int set_number(struct fields *f, const struct row *row, const void *value, size_t size,
                      const struct zone *zone, struct error *err)
{
    char text[64] = "";
    int64_t v = 0;
    int r = -EINVAL;

    if (size < sizeof text && !memchr(value, 0, size)) {
        memcpy(text, value, size);
        r = read_integer(text, &v);
    }
    if (row->kind == OFFSET) {
        if (r < 0 || v > OFFSET_MAX || v < -OFFSET_MAX)
            return error_set(err, -EINVAL, row->name, "must be microseconds, such as -1500000");
        f->clock_offset_usec = v;
        return 0;
    }
    if (r < 0 && calendar_parse(zone, text, &v, NULL) < 0)
        return error_set(err, -EINVAL, row->name,
                         "must be microseconds since 1970 or a time such as 2026-11-23T09:05:07+08:00");
    f->mtime_usec = v;
    return 0;
}

static const struct row *find_row(const char *name)
{
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
        if (strcmp(rows[i].name, name) == 0)
            return &rows[i];
    return NULL;
}

int fields_set(struct fields *f, const char *name, const void *value, size_t size, const struct zone *zone,
               struct error *err)
{
    const struct row *row = find_row(name);
    size_t most;
    unsigned bit;
    int r;

    if (!row)
        return 1;
    bit = 1u << (row - rows);
    most = row->kind == PATH ? FIELD_PATH_MAX : FIELD_TEXT_MAX;
    if (f->seen & bit)
        return error_set(err, -EINVAL, row->name, "is given twice; give it once");
    if (size > most)
        return error_set(err, -EINVAL, row->name, "is longer than %zu bytes", most);
    if (size == 0)
        r = 0;
    else if (row->kind == TIME || row->kind == OFFSET)
        r = set_number(f, row, value, size, zone, err);
    else
        r = set_text(f, row, value, size, err);
    if (r == 0)
        f->seen |= bit;
    return r;
}

int fields_allow(const struct fields *f, const struct device *device, struct error *err)
{
    const char *said = f->sidecar ? json_get_string(f->sidecar, "device") : NULL;

    if (!device || !said || strcmp(said, device->serial) == 0)
        return 0;
    if (strcmp(device->kind, "dock") == 0 || strcmp(device->kind, "system") == 0)
        return 0;
    return error_set(err, -EACCES, "device",
                     "is not the one that signed in; a device delivers its own recordings only, leave the "
                     "field out or give its serial number");
}

int fields_facts(const struct fields *f, json_t *facts)
{
    int r = 0;

    if (f->sidecar)
        r = json_set_take(facts, "sidecar", json_deep_copy(f->sidecar));
    if (r == 0 && f->clock_offset_usec != INT64_MIN)
        r = json_set_integer(facts, "clock_offset", f->clock_offset_usec);
    return r;
}

int fields_origin(const struct fields *f, struct upload_origin *origin)
{
    if (f->name)
        origin->name = f->name;
    if (f->path)
        origin->path = f->path;
    if (f->mtime_usec)
        origin->mtime_usec = f->mtime_usec;
    return fields_facts(f, origin->facts);
}
