/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * From columns to members of a JSON object (see row.h).
 */
#include "catalogue/row.h"

#include <errno.h>

#include "base/digest.h"
#include "base/encode.h"

int row_set_text(json_t *o, const char *key, struct db_stmt *st, int column)
{
    return db_is_null(st, column) ? 0 : json_set_string(o, key, db_text(st, column));
}

int row_set_number(json_t *o, const char *key, struct db_stmt *st, int column)
{
    return db_is_null(st, column) ? 0 : json_set_integer(o, key, db_integer(st, column));
}

int row_set_hex(json_t *o, const char *key, struct db_stmt *st, int column)
{
    char hex[DIGEST_HEX_SIZE];
    size_t size;
    const void *data = db_blob(st, column, &size);

    if (!data || size != DIGEST_BYTES)
        return 0;
    encode_hex(data, size, hex);
    return json_set_string(o, key, hex);
}

int row_recording(struct db_stmt *st, json_t **ret)
{
    static const struct {
        const char *key;
        char type;
    } columns[] = {{"id", 't'},        {"leaf", 'i'},     {"digest", 'h'},        {"sm3", 'h'},
                   {"bytes", 'i'},     {"name", 't'},     {"content", 't'},       {"kind", 't'},
                   {"door", 't'},      {"received", 'i'}, {"status", 't'},        {"device", 't'},
                   {"officer", 't'},   {"unit", 't'},     {"started", 'i'},       {"ended", 'i'},
                   {"certainty", 't'}, {"sort", 'i'},     {"take", 't'},          {"links", 'i'},
                   {"holds", 'i'},     {"class", 't'},    {"ending", 't'},        {"until", 'i'},
                   {"disc_due", 'i'},  {"policy", 't'},   {"disposed_leaf", 'i'}, {"held", 'i'}};
    _cleanup_json_ json_t *o = json_object();
    int r = o ? 0 : -ENOMEM;

    for (int i = 0; r == 0 && i < (int)ARRAY_SIZE(columns); i++) {
        const char *key = columns[i].key;
        r = columns[i].type == 't'   ? row_set_text(o, key, st, i)
            : columns[i].type == 'i' ? row_set_number(o, key, st, i)
                                     : row_set_hex(o, key, st, i);
    }
    if (r == 0)
        *ret = TAKE_PTR(o);
    return r;
}
