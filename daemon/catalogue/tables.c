/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The tables that are a function of the ledger (see tables.h); tests/unit/test-tables.c holds them against the schema.
 */
#include "catalogue/tables.h"

#include <stddef.h>

static const struct table_columns tables[] = {
    {"acts", "iitttt", "SELECT idx, time_usec, kind, actor, subject, object FROM acts ORDER BY idx"},
    {"recordings", "tibbitttitttttiitittiiittiitii",
     "SELECT id, leaf, digest, sm3, size_bytes, name, content_name, kind, received_usec, door, status, "
     "device, officer, unit, "
     "started_usec, ended_usec, certainty, sort_usec, take, case_key, links, holds, held, class, ending, "
     "until_usec, "
     "disc_due_usec, policy, decided_leaf, disposed_leaf FROM recordings ORDER BY id"},
    {"recording_facts", "ttttttt",
     "SELECT recording, arrival, message, media, place, reasons, decoded FROM recording_facts ORDER BY "
     "recording"},
    {"arrivals", "itittt",
     "SELECT leaf, recording, time_usec, door, path, arrival FROM arrivals ORDER BY leaf"},
    {"cases", "titttttiii",
     "SELECT id, leaf, number, number_key, title, procedure, state, opened_usec, ended_usec, filed_usec FROM "
     "cases "
     "ORDER BY id"},
    {"links", "itttti", "SELECT leaf, recording, case_id, role, step, sort_usec FROM links ORDER BY leaf"},
    {"holds", "titttttititi",
     "SELECT id, leaf, recording, case_id, ground, matter, reason, placed_usec, placed_by, lifted_usec, "
     "lifted_by, "
     "lifted_leaf FROM holds ORDER BY id"},
    {"policies", "ttitit",
     "SELECT version, name, leaf, text, adopted_usec, adopted_by FROM policies ORDER BY version"},
    {"quarantined", "tiittt", "SELECT id, leaf, time_usec, door, path, reason FROM quarantined ORDER BY id"},
    {"tombstones", "tiiitttti",
     "SELECT recording, leaf, disposed_usec, noticed_usec, approved_records, approved_legal, policy, batch, "
     "erased_leaf FROM "
     "tombstones "
     "ORDER BY recording"},
    {"disposal_batches", "tittittiiiti",
     "SELECT id, leaf, state, reason, proposed_usec, proposed_by, digest, noticed_usec, notice_ends_usec, "
     "begun_usec, begun_by, closed_usec FROM disposal_batches ORDER BY id"},
    {"disposal_items", "tttti",
     "SELECT batch, recording, state, reason, leaf FROM disposal_items ORDER BY batch, recording"},
    {"disposal_approvals", "itttii",
     "SELECT leaf, batch, role, actor, approved_usec, withdrawn_usec FROM disposal_approvals ORDER BY leaf"},
    {"devices", "titttttiiiiiiii",
     "SELECT id, leaf, serial, name, kind, unit, zone, quota_bytes, rate_requests, added_usec, retired_usec, "
     "arrivals, last_arrival_usec, clock_offset_usec, clock_usec FROM devices ORDER BY id"},
    {"device_assignments", "ittii",
     "SELECT leaf, device, officer, from_usec, until_usec FROM device_assignments ORDER BY leaf"},
    {"device_keys", "tittbtitiit",
     "SELECT id, leaf, device, kind, digest, label, added_usec, added_by, expires_usec, revoked_usec, "
     "revoked_by FROM device_keys ORDER BY id"},
    {"bodyworn_containers", "titttttii",
     "SELECT id, leaf, device_id, name, kind, status, metadata, opened_usec, closed_usec FROM "
     "bodyworn_containers ORDER BY id"},
    {"bodyworn_objects", "tittttitttttiii",
     "SELECT id, leaf, container, name, kind, recording, size_bytes, etag, type, metadata, content, detail, "
     "stored_usec, changed_usec, replaced_leaf FROM bodyworn_objects ORDER BY id"},
    {NULL, NULL, NULL},
};

const struct table_columns *catalogue_tables(void)
{
    return tables;
}
