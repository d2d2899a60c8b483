/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The table of routes: what can be asked, who may, with what. Dispatch and permissions read it; a test holds that every act in it is in
 * the table of permissions (cases/people.c).
 */
#include "api/handlers.h"

#define RECORDING_PARAMS                                                                                     \
    "case device officer unit kind class take from to damaged unlinked held undecided limit after"

const struct route api_routes[] = {
    {"GET", "/v1/status", "status", ROUTE_READS, "", handle_status, "state of the daemon, counts, troubles"},
    {"GET", "/v1/recordings", "ls", ROUTE_READS, RECORDING_PARAMS, handle_recordings,
     "a page of recordings, newest first"},
    {"GET", "/v1/recordings/{}", "show", ROUTE_READS, "", handle_recording,
     "one recording; its id or the beginning of it"},
    {"GET", "/v1/recordings/{}/explain", "explain", ROUTE_READS, "", handle_explain,
     "why it is kept, until when"},
    {"GET", "/v1/recordings/{}/receipt", "receipt", ROUTE_READS, "", handle_receipt,
     "receipt of its seal, .tlog-proof"},
    {"GET", "/v1/recordings/{}/history", "history", ROUTE_READS, "limit after", handle_history,
     "acts about it"},
    {"GET", "/v1/cases", "case.read", ROUTE_READS, "state procedure limit after", handle_cases,
     "a page of cases"},
    {"POST", "/v1/cases", "case.write", ROUTE_BODY, "number title procedure opened", handle_case_add,
     "a new case"},
    {"GET", "/v1/cases/{}", "case.read", ROUTE_READS, "", handle_case, "one case by number or id"},
    {"PATCH", "/v1/cases/{}", "case.write", ROUTE_BODY, "number title procedure opened", handle_case_set,
     "corrects a case"},
    {"POST", "/v1/cases/{}/end", "case.write", ROUTE_BODY, "date", handle_case_end,
     "the enforcement act has ended"},
    {"POST", "/v1/cases/{}/file", "case.write", ROUTE_BODY, "date", handle_case_file,
     "the case has been filed"},
    {"POST", "/v1/cases/{}/reopen", "case.write", ROUTE_BODY, "", handle_case_reopen,
     "an ended case goes on"},
    {"POST", "/v1/links", "link.write", ROUTE_BODY, "recording case role step", handle_link,
     "ties a recording to a case"},
    {"DELETE", "/v1/links", "link.write", ROUTE_BODY, "recording case", handle_unlink,
     "takes it from a case"},
    {"GET", "/v1/holds", "hold.read", ROUTE_READS, "recording case lifted limit after", handle_holds,
     "a page of holds that stand, or all"},
    {"POST", "/v1/holds", "hold.add", ROUTE_BODY, "recording case ground matter reason", handle_hold_add,
     "a new hold"},
    {"POST", "/v1/holds/{}/lift", "hold.lift", ROUTE_BODY, "reason", handle_hold_lift, "lifts a hold"},
    {"GET", "/v1/quarantine", "watch", 0, "", handle_quarantine, "what could not be taken in"},
    {"GET", "/v1/ledger/key", "key", 0, "", handle_key, "the ledger's public key"},
    {"GET", "/v1/watch", "watch", 0, "", handle_watch, "what happens from now on, JSON lines without end"},
};

const size_t n_api_routes = ARRAY_SIZE(api_routes);
