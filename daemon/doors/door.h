/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Doors: the ways in over HTTP (PUT, POST, tus, body-worn systems). A door is four functions over one request; who knocks has been
 * identified before it is asked. Every door ends in intake/upload.h and has no way of its own into the store.
 */
#ifndef LIUHEN_DOORS_DOOR_H
#define LIUHEN_DOORS_DOOR_H

#include "base/settings.h"
#include "cases/devices.h"
#include "catalogue/readers.h"
#include "http/http.h"
#include "http/target.h"
#include "intake/upload.h"
#include "ledger/ledger.h"

struct doors;

struct doors_context {
    struct intake *intake;
    struct writer *writer;
    struct ledger *ledger;
    struct feed *feed;
    struct readers *readers;
    const struct settings *(*settings)(void *userdata); /* in force; valid until the daemon ends */
    void *userdata;
};

int doors_new(const struct doors_context *context, struct doors **ret, struct error *err);
struct doors *doors_free(struct doors *d); /* no request may be in hand any more */
DEFINE_CLEANUP(struct doors *, doors_free)
/* {alarms: […], denied: n …} for `status`; new object. */
json_t *doors_status(struct doors *d);

const struct doors_context *doors_context_of(const struct doors *d);

#define KNOCK_ARGS_MAX 3

/* One request at a door. */
struct knock {
    struct doors *doors;
    const struct doors_context *context;
    const struct settings *settings;
    const struct http_request *request;
    const struct target *target;
    const char *method; /* after X-HTTP-Method-Override, where the door honours it */
    /* What stood for {…} in the path, decoded; NULL beyond. /upload/{name}; /tus/{id}; /v1/{account}/{container}/{object…}: the
     * account with its "AUTH_", the object with its slashes. */
    const char *args[KNOCK_ARGS_MAX];
    const struct device
        *device;    /* NULL: a person over the unix socket, or nobody was asked for (OPTIONS, sign-in) */
    char owner[80]; /* device ULID or "user:li", for upload_*; "" when nobody was asked for */
    void *state;    /* the door's own */
};

/* What a door does with a request: as http_service, with a knock. Any may be NULL but finish. begin: true = the body is wanted.
 * close is called exactly once for each begin: before the answer goes out, or when the client has gone. OPTIONS requests and /auth/v1.0 are not asked who they are. */
struct door {
    const char *name;
    bool (*begin)(struct knock *k, struct http_answer *answer);
    bool (*take)(struct knock *k, const void *data, size_t size, struct http_answer *answer);
    void (*finish)(struct knock *k, struct http_answer *answer);
    void (*close)(struct knock *k, bool whole);
    /* Adds to every answer of the door's paths, also those it did not fill itself (401, 405, 413 …): CORS. */
    void (*decorate)(const struct settings *settings, const struct http_request *request,
                     struct http_answer *answer);
};

extern const struct door door_put;       /* PUT /upload/{name} */
extern const struct door door_post;      /* POST /upload, multipart/form-data */
extern const struct door door_tus_new;   /* OPTIONS, POST /tus */
extern const struct door door_tus;       /* OPTIONS, HEAD, PATCH, DELETE, GET /tus/{id} */
extern const struct door door_sign_in;   /* GET /auth/v1.0 */
extern const struct door door_container; /* /v1/{account}/{container} */
extern const struct door door_object;    /* /v1/{account}/{container}/{object} */

/* Whether a request brings anything by which a device could be known; on the unix socket it is a person's otherwise. */
bool doors_has_credentials(const struct http_request *r);

/* Which device knocks: Authorization (Bearer token; Basic with the serial as user and the token as password), X-Auth-Token (of
 * doors_session_open), else the client certificate. Denials are counted and logged; repeated ones raise an alarm. Return: true, or
 * false with the answer filled (401, 403, 503). */
bool doors_identify(struct doors *d, const struct http_request *r, struct device *ret,
                    struct http_answer *answer);

/* The same for a serial and a token that stand elsewhere (X-Auth-User, X-Auth-Key). */
bool doors_sign_in(struct doors *d, const struct http_request *r, const char *serial, const char *token,
                   struct device *ret, struct http_answer *answer);

/* A session for a device that has signed in: a text for X-Auth-Token, good for lifetime_usec or until its token is revoked; the
 * oldest goes when there are too many, all go with the daemon (the device is answered 401 then and signs in again).
 * Return: 0 or -ENOMEM, -EIO. */
#define DOORS_SESSION_SIZE 80
int doors_session_open(struct doors *d, const struct device *device, const char *token, int64_t lifetime_usec,
                       char ret[DOORS_SESSION_SIZE]);

/* Quota and rate of the device for an upload of bytes (-1: not known yet), and uploads.max; once a request. device NULL (a person): only
 * uploads.max. Return: true, or false with 413 or 429 and Retry-After. */
bool doors_admit(struct doors *d, const struct device *device, int64_t bytes, struct http_answer *answer);
/* Makes what a request in hand holds of the device's quota bytes: all that it announces, or what has come so far where it announces
 * nothing. So several at once do not slip past the quota together. Return: as doors_admit; false changes nothing. */
bool doors_hold(struct doors *d, const struct device *device, uint64_t bytes, uint64_t *held,
                struct http_answer *answer);
/* Gives it back, after doors_account. */
void doors_release(struct doors *d, const struct device *device, uint64_t *held);
/* The bytes of an upload that was sealed just now, for the quota: once for each, also when they were here already. device may be
 * NULL. What is under way is known from upload_unfinished. */
void doors_account(struct doors *d, const struct device *device, uint64_t bytes);

/* {"error":{"what","object","right"}} with the status for what an upload_* or device_* function returned. checksum_status: what
 * UPLOAD_E_CHECKSUM means here (460 for tus, 400 elsewhere). Retry-After goes with 429 and 503. */
void doors_fail(struct http_answer *answer, int code, unsigned checksum_status, const struct error *err);
/* The same with a status of one's own and words, "what; what would be right". Return: always false, for begin and take. */
bool doors_refuse(struct http_answer *answer, unsigned status, const char *object, const char *format, ...)
    _printf_(4, 5);
/* 201 (200 when again) with {"recording","sha256","bytes","again","leaf","receipt"} as JSON. */
void doors_receipt(struct http_answer *answer, unsigned status, const struct upload_result *result);

/* What the two above are made of, for doors that answer for several files at once: the status that code means, {"what","object",
 * "right"}, and the receipt. New objects; NULL: no memory. */
unsigned doors_status_of(int code, unsigned checksum_status);
json_t *doors_error_json(const struct error *err);
json_t *doors_receipt_json(const struct upload_result *result);

/* The origin's share of the knock: owner, zone, facts (device, peer, clock offset from the Date header the sender set, where it did).
 * facts: new reference, the caller's. Return: 0 or -ENOMEM. */
int doors_origin(const struct knock *k, const char *door, struct upload_origin *ret);

#endif
