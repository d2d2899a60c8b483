/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The table of routes: what can be asked, who may, with what, and what is answered. Dispatch, permissions and openapi.yaml read it; a
 * test holds that every act in it is in the table of permissions (cases/people.c).
 */
#include "api/handlers.h"

#define RECORDING_PARAMS                                                                                     \
    "case device officer unit kind class take from to damaged unlinked held undecided limit after"

#define DEVICE_MEMBERS "serial name kind unit timezone quota rate"

/* clang-format off */
#define ASK(path, act, flags, params, handle, answer, help) \
    {"GET", path, act, flags, params, handle, help, NULL, answer, NULL}
#define DO(method, path, act, params, takes, handle, answer, help) \
    {method, path, act, ROUTE_BODY, params, handle, help, NULL, answer, takes}
#define DO_READ(path, act, params, takes, handle, answer, help) \
    {"POST", path, act, ROUTE_BODY | ROUTE_READS, params, handle, help, NULL, answer, takes}
#define BYTES "application/octet-stream"
/* What may be said of a file (doors/fields.h), also as headers Liuhen-… and, of a form's files, as its fields. */
#define FIELDS "name path type device officer unit case role step started ended recorded channel seq mtime clock_offset"
#define FILES(method, path, takes, door, answer, help) \
    {method, path, "upload", 0, FIELDS, NULL, help, &door, answer, takes}
#define DOOR(method, path, flags, takes, door, answer, help) \
    {method, path, "upload", flags, "", NULL, help, &door, answer, takes}

const struct route api_routes[] = {
    ASK("/v1/status", "status", ROUTE_READS, "", handle_status, "200 Status", "state of the daemon, counts, troubles"),
    ASK("/v1/recordings", "ls", ROUTE_READS, RECORDING_PARAMS, handle_recordings, "200 Recordings",
        "a page of recordings, newest first"),
    ASK("/v1/recordings/{recording}", "show", ROUTE_READS, "", handle_recording, "200 Recording",
        "one recording; its id or the beginning of it"),
    ASK("/v1/recordings/{recording}/explain", "explain", ROUTE_READS, "", handle_explain, "200 Explanation",
        "why it is kept, until when"),
    ASK("/v1/recordings/{recording}/receipt", "receipt", ROUTE_READS, "", handle_receipt, "200 text",
        "receipt of its seal, .tlog-proof"),
    ASK("/v1/recordings/{recording}/history", "history", ROUTE_READS, "limit after", handle_history, "200 History",
        "acts about it"),
    ASK("/v1/recordings/{recording}/content", "view", ROUTE_READS, "", handle_content, "200 bytes",
        "the original; ranges are answered, each view is recorded in the ledger"),
    ASK("/v1/recordings/{recording}/derivatives", "show", ROUTE_READS, "", handle_derivatives, "200 Derivatives",
        "what there is of it to look at, and how far the rest is"),
    ASK("/v1/recordings/{recording}/derivatives/{derivative}", "view", ROUTE_READS, "", handle_derivative, "200 bytes",
        "one of them, ranges are answered; 503 with Retry-After while it is being made; views are recorded as with the original"),
    DO_READ("/v1/recordings/{recording}/again", "job.write", "", "", handle_make_again, "202 Derivatives",
            "makes all of them anew"),
    DO_READ("/v1/recordings/{recording}/open", "view", "name", "", handle_open, "201 Open",
            "an address that a browser can open without signing in"),
    DO_READ("/v1/recordings/{recording}/copies", "copy", "form reason plan mark", "form reason", handle_copy,
            "202 Copy", "makes a copy that leaves the house: to preserve, released or redacted"),
    ASK("/v1/copies/{copy}", "job.read", ROUTE_READS, "", handle_copy_state, "200 Copy", "how far a copy is"),
    ASK("/v1/copies/{copy}/content", "copy", ROUTE_READS, "", handle_copy_content, "200 bytes",
        "the copy; 503 with Retry-After while it is being made"),
    ASK("/v1/jobs", "job.read", 0, "state limit after", handle_jobs, "200 Jobs", "work on recordings, waiting, running and done"),
    ASK("/v1/jobs/{job}", "job.read", 0, "", handle_job, "200 Job", "one piece of work on a recording"),
    DO("POST", "/v1/jobs/{job}/cancel", "job.write", "", "", handle_job_cancel, "200 Job", "gives a job up"),
    ASK("/open/{ticket}/{name}", "view", ROUTE_READS | ROUTE_OPEN, "", handle_ticket, "200 page",
        "one recording in a browser: the page, and what it shows"),
    ASK("/v1/receipts/{sha256}", "receipt", ROUTE_READS | ROUTE_DEVICES, "", handle_receipt_of_bytes, "200 Receipt",
        "whether these bytes are here, and their receipt"),
    ASK("/v1/cases", "case.read", ROUTE_READS, "state procedure limit after", handle_cases, "200 Cases",
        "a page of cases"),
    DO("POST", "/v1/cases", "case.write", "number title procedure opened", "number", handle_case_add, "201 Case",
       "a new case"),
    ASK("/v1/cases/{case}", "case.read", ROUTE_READS, "", handle_case, "200 Case", "one case by number or id"),
    DO("PATCH", "/v1/cases/{case}", "case.write", "number title procedure opened", "", handle_case_set, "200 Case",
       "corrects a case"),
    DO("POST", "/v1/cases/{case}/end", "case.write", "date", "", handle_case_end, "200 Case",
       "the enforcement act has ended"),
    DO("POST", "/v1/cases/{case}/file", "case.write", "date", "", handle_case_file, "200 Case",
       "the case has been filed"),
    DO("POST", "/v1/cases/{case}/reopen", "case.write", "", "", handle_case_reopen, "200 Case", "an ended case goes on"),
    DO("POST", "/v1/links", "link.write", "recording case role step", "recording case", handle_link, "200 Link",
       "ties a recording to a case"),
    DO("DELETE", "/v1/links", "link.write", "recording case", "recording case", handle_unlink, "200 Link",
       "takes it from a case"),
    ASK("/v1/holds", "hold.read", ROUTE_READS, "recording case lifted limit after", handle_holds, "200 Holds",
        "a page of holds that stand, or all"),
    DO("POST", "/v1/holds", "hold.add", "recording case ground matter reason", "ground", handle_hold_add, "201 HoldChange",
       "a new hold"),
    DO("POST", "/v1/holds/{hold}/lift", "hold.lift", "reason", "", handle_hold_lift, "200 HoldChange", "lifts a hold"),
    ASK("/v1/disposals/eligible", "dispose.read", ROUTE_READS, "class before unit limit", handle_eligible, "200 Eligible",
        "what may be disposed of: its time is over by the policy in force, and no hold stands"),
    ASK("/v1/disposals", "dispose.read", ROUTE_READS, "", handle_disposals, "200 Disposals", "batches of disposal"),
    DO("POST", "/v1/disposals", "dispose.write", "recordings reason", "recordings reason", handle_disposal_propose,
       "201 Disposal", "proposes a batch of eligible recordings"),
    ASK("/v1/disposals/{batch}", "dispose.read", ROUTE_READS, "", handle_disposal, "200 Disposal",
        "a batch with its list and approvals"),
    DO("POST", "/v1/disposals/{batch}/notice", "dispose.write", "", "", handle_disposal_notice, "200 Disposal",
       "freezes its list and begins the notice"),
    DO("POST", "/v1/disposals/{batch}/approve", "dispose.approve", "digest", "digest", handle_disposal_approve,
       "200 Disposal", "approves the list with this digest"),
    DO("POST", "/v1/disposals/{batch}/withdraw", "dispose.approve", "reason", "reason", handle_disposal_withdraw,
       "200 Disposal", "takes one's approval back"),
    DO("POST", "/v1/disposals/{batch}/cancel", "dispose.write", "reason", "reason", handle_disposal_cancel,
       "200 Disposal", "gives a batch up; all of it stays"),
    DO("POST", "/v1/disposals/{batch}/execute", "dispose.write", "", "", handle_disposal_execute, "202 Disposal",
       "has it carried out; each recording is checked again"),
    ASK("/v1/quarantine", "watch", 0, "", handle_quarantine, "200 Quarantine", "what could not be taken in"),
    ASK("/v1/ledger/key", "key", ROUTE_OPEN, "", handle_key, "200 Key", "the ledger's public key"),
    ASK("/v1/dock-policy", "upload", ROUTE_DEVICES, "", handle_dock_policy, "200 DockPolicy",
        "what a docking station must know: may it wipe cards, the cameras' zone, the time"),
    ASK("/v1/watch", "watch", 0, "", handle_watch, "200 lines", "what happens from now on, JSON lines without end"),

    ASK("/v1/devices", "device.read", ROUTE_READS, "", handle_devices, "200 Devices", "all devices"),
    DO("POST", "/v1/devices", "device.write", DEVICE_MEMBERS, "serial", handle_device_add, "201 Device", "registers a device"),
    ASK("/v1/devices/{device}", "device.read", ROUTE_READS, "", handle_device, "200 Device",
        "one device by serial or id, with assignments and keys"),
    DO("PATCH", "/v1/devices/{device}", "device.write", DEVICE_MEMBERS, "", handle_device_set, "200 Device",
       "changes what is given"),
    ASK("/v1/devices/{device}/gaps", "device.read", ROUTE_READS, "since", handle_device_gaps, "200 Gaps",
        "numbers that are missing in what it delivered"),
    DO("POST", "/v1/devices/{device}/assign", "device.write", "officer from until", "officer", handle_device_assign, "200 Device",
       "who has it from then on"),
    DO("POST", "/v1/devices/{device}/unassign", "device.write", "from", "from", handle_device_unassign, "200 Device",
       "takes an assignment back"),
    DO("POST", "/v1/devices/{device}/token", "device.write", "label expires", "", handle_device_token, "201 Token",
       "a new token, shown this once"),
    {"POST", "/v1/devices/{device}/certificate", "device.write", ROUTE_BODY | ROUTE_READS,
     "request days fingerprint expires label",
       handle_device_certificate, "signs a request, or notes the certificate of another authority", NULL, "201 Certificate", ""},
    {"POST", "/v1/devices/{device}/connection-file", "device.write", ROUTE_BODY | ROUTE_READS,
     "url container public_key public_key_id", handle_connection_file,
     "what a body-worn system needs to reach us, with a new token", NULL, "201 ConnectionFile", ""},
    DO("POST", "/v1/devices/{device}/revoke", "device.write", "key reason", "key", handle_device_revoke, "200 Device",
       "revokes a token or certificate"),
    DO("POST", "/v1/devices/{device}/retire", "device.write", "reason", "", handle_device_retire, "200 Device",
       "takes it out of use"),
    DO("POST", "/v1/devices/{device}/return", "device.write", "", "", handle_device_return, "200 Device",
       "takes it back into use"),

    ASK("/openapi.yaml", "status", ROUTE_OPEN, "", handle_openapi, "200 yaml", "this description"),

    FILES("PUT", "/upload/{name...}", BYTES, door_put, "201 Receipt", "delivers one file"),
    FILES("POST", "/upload", "multipart/form-data", door_post, "201 Receipts", "delivers files as multipart/form-data"),
    DOOR("OPTIONS", "/tus", ROUTE_OPEN | ROUTE_OVERRIDE, NULL, door_tus_new, "204", "what tus 1.0.0 can do here"),
    DOOR("POST", "/tus", ROUTE_OVERRIDE, "application/offset+octet-stream", door_tus_new, "201", "begins a resumable upload"),
    DOOR("OPTIONS", "/tus/{upload}", ROUTE_OPEN | ROUTE_OVERRIDE, NULL, door_tus, "204", "what tus 1.0.0 can do here"),
    DOOR("HEAD", "/tus/{upload}", ROUTE_OVERRIDE, NULL, door_tus, "200", "how far a resumable upload has come"),
    DOOR("PATCH", "/tus/{upload}", ROUTE_OVERRIDE, "application/offset+octet-stream", door_tus, "204", "goes on with it"),
    DOOR("DELETE", "/tus/{upload}", ROUTE_OVERRIDE, NULL, door_tus, "204", "ends it; its bytes go"),
    DOOR("GET", "/tus/{upload}", ROUTE_OVERRIDE, NULL, door_tus, "200 Receipt", "the receipt of one that is sealed"),
    DOOR("GET", "/auth/v1.0", ROUTE_OPEN, NULL, door_sign_in, "200", "signs a body-worn system in (Swift)"),
    DOOR("HEAD", "/v1/AUTH_{account}", 0, NULL, door_container, "204", "how much there is (Swift)"),
    DOOR("GET", "/v1/AUTH_{account}", 0, NULL, door_container, "200 text", "the containers of a body-worn system (Swift)"),
    DOOR("PUT", "/v1/AUTH_{account}/{container}", 0, NULL, door_container, "201", "makes a container (Swift)"),
    DOOR("POST", "/v1/AUTH_{account}/{container}", 0, NULL, door_container, "204", "sets its metadata"),
    DOOR("GET", "/v1/AUTH_{account}/{container}", 0, NULL, door_container, "200 text", "what is in it"),
    DOOR("HEAD", "/v1/AUTH_{account}/{container}", 0, NULL, door_container, "204", "its metadata"),
    DOOR("DELETE", "/v1/AUTH_{account}/{container}", 0, NULL, door_container, "403", "nothing is deleted"),
    DOOR("PUT", "/v1/AUTH_{account}/{container}/{object...}", 0, BYTES, door_object, "201", "delivers an object (Swift)"),
    DOOR("POST", "/v1/AUTH_{account}/{container}/{object...}", 0, NULL, door_object, "202", "replaces its metadata"),
    DOOR("GET", "/v1/AUTH_{account}/{container}/{object...}", 0, NULL, door_object, "200 bytes", "the object"),
    DOOR("HEAD", "/v1/AUTH_{account}/{container}/{object...}", 0, NULL, door_object, "200", "its metadata"),
    DOOR("DELETE", "/v1/AUTH_{account}/{container}/{object...}", 0, NULL, door_object, "403", "nothing is deleted"),
};
/* clang-format on */

const size_t n_api_routes = ARRAY_SIZE(api_routes);
