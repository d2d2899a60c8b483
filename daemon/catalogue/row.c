/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * From rows to JSON objects and pages of them (see row.h).
 */
#include "catalogue/row.h"

#include <errno.h>

#include "base/digest.h"
#include "base/encode.h"
#include "base/ulid.h"

const struct row_column row_recording[] = {
    {"id", 't'},     {"leaf", 'i'},          {"digest", 'h'},  {"sm3", 'h'},   {"bytes", 'i'},
    {"name", 't'},   {"content", 't'},       {"kind", 't'},    {"door", 't'},  {"received", 'i'},
    {"status", 't'}, {"device", 't'},        {"officer", 't'}, {"unit", 't'},  {"started", 'i'},
    {"ended", 'i'},  {"certainty", 't'},     {"sort", 'i'},    {"take", 't'},  {"links", 'i'},
    {"holds", 'i'},  {"class", 't'},         {"ending", 't'},  {"until", 'i'}, {"disc_due", 'i'},
    {"policy", 't'}, {"disposed_leaf", 'i'}, {"held", 'i'},    {NULL, 0}};

int row_set_text(json_t *o, const char *key, struct db_stmt *st, int column)
{
    return db_is_null(st, column) ? 0 : json_set_string(o, key, db_text(st, column));
}

static int set_number(json_t *o, const char *key, struct db_stmt *st, int column)
{
    return db_is_null(st, column) ? 0 : json_set_integer(o, key, db_integer(st, column));
}

static int set_hex(json_t *o, const char *key, struct db_stmt *st, int column)
{
    char hex[DIGEST_HEX_SIZE];
    size_t size;
    const void *data = db_blob(st, column, &size);

    if (!data || size != DIGEST_BYTES)
        return 0;
    encode_hex(data, size, hex);
    return json_set_string(o, key, hex);
}

int row_object(struct db_stmt *st, const struct row_column *columns, json_t **ret)
{
    _cleanup_json_ json_t *o = json_object();
    int r = o ? 0 : -ENOMEM;

    for (int i = 0; r == 0 && columns[i].key; i++) {
        const char *key = columns[i].key;
        r = columns[i].type == 't'   ? row_set_text(o, key, st, i)
            : columns[i].type == 'i' ? set_number(o, key, st, i)
                                     : set_hex(o, key, st, i);
    }
    if (r == 0)
        *ret = TAKE_PTR(o);
    return r;
}

int row_list(struct db_stmt *st, bool row, const struct row_column *columns, size_t limit, json_t *list,
             bool *ret_more, struct error *err)
{
    int r = 0;

    for (size_t n = 0; r == 0 && row && n < limit; n++) {
        json_t *o = NULL;

        r = row_object(st, columns, &o);
        if (r == 0 && json_array_append_new(list, o) < 0)
            r = -ENOMEM;
        r = r != 0 ? r : db_step(st, &row, err);
    }
    if (r == 0 && ret_more)
        *ret_more = row;
    return r;
}

int row_mark_parse(const char *mark, int code, int64_t *ret_time, const char **ret_id, struct error *err)
{
    char *end;

    errno = 0;
    *ret_time = strtoll(mark, &end, 10);
    if (errno || end == mark || *end != '.' || !ulid_is_valid(end + 1))
        return error_set(err, code, mark, "is not a page mark; use the one the last page gave");
    *ret_id = end + 1;
    return 0;
}

int row_mark_make(const json_t *page, const char *time_key, char **ret)
{
    const json_t *last = json_array_get(page, json_array_size(page) - 1);
    char *mark;

    if (asprintf(&mark, "%lld.%s", (long long)json_get_integer(last, time_key, 0),
                 json_get_string(last, "id")) < 0)
        return -ENOMEM;
    *ret = mark;
    return 0;
}
