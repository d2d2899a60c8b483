/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The handlers of the routes (routes.c), by family: read.c looks, explain.c says why, change.c changes through the writer.
 */
#ifndef LIUHEN_API_HANDLERS_H
#define LIUHEN_API_HANDLERS_H

#include "api/route.h"
#include "base/ulid.h"

int handle_status(struct call *c);
int handle_recordings(struct call *c);
int handle_recording(struct call *c);
int handle_explain(struct call *c);
int handle_receipt(struct call *c);
int handle_history(struct call *c);
int handle_cases(struct call *c);
int handle_case(struct call *c);
int handle_holds(struct call *c);
int handle_quarantine(struct call *c);
int handle_key(struct call *c);
int handle_content(struct call *c);
int handle_receipt_of_bytes(struct call *c);
int handle_openapi(struct call *c);
int handle_dock_policy(struct call *c);
int handle_watch(struct call *c);

int handle_case_add(struct call *c);
int handle_case_set(struct call *c);
int handle_case_end(struct call *c);
int handle_case_file(struct call *c);
int handle_case_reopen(struct call *c);
int handle_link(struct call *c);
int handle_unlink(struct call *c);
int handle_hold_add(struct call *c);
int handle_hold_lift(struct call *c);

int handle_devices(struct call *c);
int handle_device(struct call *c);
int handle_device_gaps(struct call *c);
int handle_device_add(struct call *c);
int handle_device_set(struct call *c);
int handle_device_assign(struct call *c);
int handle_device_unassign(struct call *c);
int handle_connection_file(struct call *c);
int handle_device_token(struct call *c);
int handle_device_certificate(struct call *c);
int handle_device_revoke(struct call *c);
int handle_device_retire(struct call *c);
int handle_device_return(struct call *c);

int handle_eligible(struct call *c);
int handle_disposals(struct call *c);
int handle_disposal(struct call *c);
int handle_disposal_propose(struct call *c);
int handle_disposal_notice(struct call *c);
int handle_disposal_approve(struct call *c);
int handle_disposal_withdraw(struct call *c);
int handle_disposal_cancel(struct call *c);
int handle_disposal_execute(struct call *c);

int handle_derivatives(struct call *c);
int handle_derivative(struct call *c);
int handle_make_again(struct call *c);
int handle_jobs(struct call *c);
int handle_job(struct call *c);
int handle_job_cancel(struct call *c);
int handle_copy(struct call *c);
int handle_copy_state(struct call *c);
int handle_copy_content(struct call *c);
int handle_open(struct call *c);
int handle_ticket(struct call *c);

/* Puts "devices" into c->answer: {silent, clock: serials; gaps: [{device, missing}] of late}; and what of that a person should look at,
 * in words, into troubles. */
int add_device_overview(struct call *c);
int add_device_troubles(const json_t *overview, json_t *troubles);

/* A member of the body that must be a string. Return: 0 (*ret NULL when absent or null; borrowed), -EINVAL. */
int read_member(struct call *c, const char *name, const char **ret);

/* Reads members by name into texts; the first `needed` of them must be there and not empty. */
int read_members(struct call *c, const char *const *names, size_t n, size_t needed, const char **texts);

/* Puts "zone" into c->answer, which was just made. Return: 0 or -ENOMEM. */
int answer_zone(struct call *c);

/* A point in time as people give it, in the site's zone; is_end: a date alone means the end of that day. Return: 0, -EINVAL. */
int read_time(struct call *c, const char *name, const char *text, bool is_end, int64_t *ret);

/* The recording that the path names, where the caller may see it: its id and its row as recordings_show gives it. */
int find_recording(struct call *c, struct recording_id *ret_id, json_t **ret);

/* Answers with the original's bytes, or with a derivative of that name, as the request asks for them (ranges, conditions); whoever
 * sees the recording by that is in the ledger first. c->who must be set. */
int answer_original(struct call *c, const struct recording_id *id, const json_t *row);
int answer_derivative(struct call *c, const struct recording_id *id, const char *name);

/* What browsers and players know how to show, by the name of an original; the rest is bytes. */
const char *original_type(const char *name);

/* A page's limit from the query, fallback where it was not given. Return: 0, -EINVAL. */
int read_limit(struct call *c, int fallback, int max, int *ret);

/* What the policy in force says today, {class, ending, until?, policy}, and what would change how long the recording is kept:
 * {change, class, ending, until?} for each change with another outcome. */
int what_if(struct call *c, const struct recording_id *id, json_t **ret_today, json_t **ret_changes);

/* The acts about an id with what the ledger says of each: {index, time, kind, actor, subject, object?, facts, text}. */
int history_of(struct call *c, const char *id, int64_t after, int limit, json_t **ret);

/* One sentence for an act, in plain words; new string. */
char *act_sentence(const struct zone *zone, const char *kind, const json_t *facts);

#endif
