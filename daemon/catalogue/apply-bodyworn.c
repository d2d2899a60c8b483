/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Applying the acts of body-worn systems (see apply.c). Each act says the whole state of its container or object, so that applying
 * it needs no thought; the first one about an id makes the row.
 *
 *   bodyworn.container  subject: ULID of the container
 *                       device, name, kind, status?, metadata {}
 *   bodyworn.object     subject: ULID of the object
 *                       container, name, kind, recording?, bytes, etag, type?, metadata {}, content?, detail?
 */
#include "catalogue/apply-internal.h"

#include <string.h>

#include "base/ulid.h"

static int apply_container(const struct applying *c)
{
    const char *status = apply_text(c, "status");
    bool complete = status && strcmp(status, "complete") == 0;
    _cleanup_free_ char *metadata = NULL;
    int r = apply_member_text(c, "metadata", &metadata);

    if (r < 0)
        return r;
    if (!metadata || !apply_text(c, "device") || !apply_text(c, "name") || !ulid_is_valid(c->act->subject))
        return apply_refuse(c, "bodyworn.container lacks its id, device, name or metadata");
    r = sql_run(
        c->db, c->err,
        "INSERT INTO bodyworn_containers (id, leaf, device_id, name, kind, status, metadata, opened_usec, "
        "closed_usec) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) ON CONFLICT (id) DO UPDATE SET status = "
        "excluded.status, metadata = excluded.metadata, closed_usec = CASE WHEN excluded.closed_usec IS NULL "
        "THEN NULL ELSE COALESCE(bodyworn_containers.closed_usec, excluded.closed_usec) END",
        "titttttio", c->act->subject, c->leaf, apply_text(c, "device"), apply_text(c, "name"),
        apply_text(c, "kind"), status, metadata, c->act->time_usec, complete ? &c->act->time_usec : NULL);
    return r == DB_E_CONSTRAINT
               ? apply_refuse(c, "the device has another container of this name, or its kind "
                                 "or status is unknown")
               : r;
}

/* What bore this name until now is there still, but not the newest any more. */
static int replace_object(const struct applying *c)
{
    return sql_run(
        c->db, c->err,
        "UPDATE bodyworn_objects SET replaced_leaf = $4 WHERE container = $1 AND name = $2 AND id <> $3 "
        "AND replaced_leaf IS NULL AND NOT EXISTS (SELECT 1 FROM bodyworn_objects o WHERE o.id = $3)",
        "ttti", apply_text(c, "container"), apply_text(c, "name"), c->act->subject, c->leaf);
}

static int apply_object(const struct applying *c)
{
    _cleanup_free_ char *metadata = NULL, *detail = NULL;
    int r = apply_member_text(c, "metadata", &metadata);

    r = r < 0 ? r : apply_member_text(c, "detail", &detail);
    if (r < 0)
        return r;
    if (!metadata || !apply_text(c, "container") || !apply_text(c, "name") || !apply_text(c, "etag") ||
        !ulid_is_valid(c->act->subject))
        return apply_refuse(c, "bodyworn.object lacks its id, container, name, etag or metadata");
    r = replace_object(c);
    if (r == 0)
        r = sql_run(
            c->db, c->err,
            "INSERT INTO bodyworn_objects (id, leaf, container, name, kind, recording, size_bytes, etag, "
            "type, "
            "metadata, content, detail, stored_usec, changed_usec) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, "
            "$9, "
            "$10, $11, $12, $13, $13) ON CONFLICT (id) DO UPDATE SET type = excluded.type, metadata = "
            "excluded.metadata, changed_usec = excluded.changed_usec",
            "tittttittttti", c->act->subject, c->leaf, apply_text(c, "container"), apply_text(c, "name"),
            apply_text(c, "kind"), apply_text(c, "recording"), json_get_integer(c->facts, "bytes", -1),
            apply_text(c, "etag"), apply_text(c, "type"), metadata, apply_text(c, "content"), detail,
            c->act->time_usec);
    return r == DB_E_CONSTRAINT ? apply_refuse(c, "no such container or recording, or its kind is unknown")
                                : r;
}

const struct apply_handler apply_bodyworn_handlers[] = {
    {"bodyworn.container", apply_container, "device"},
    {"bodyworn.object", apply_object, "recording"},
    {NULL, NULL, NULL},
};
