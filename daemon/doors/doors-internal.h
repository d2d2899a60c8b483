/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * What the files of the doors' core share: who was denied (alarm.c), what a device has used up (limits.c), who has signed in
 * (session.c). Each has a lock of its own; nothing is asked of the catalogue under it.
 */
#ifndef LIUHEN_DOORS_DOORS_INTERNAL_H
#define LIUHEN_DOORS_DOORS_INTERNAL_H

#include <stdatomic.h>

#include "doors/door.h"

/* Retry-After of a paused intake or a busy catalogue: long enough not to press, short enough for a dock in use. */
#define DOORS_RETRY_SECONDS 10

/* ---- alarm.c ------------------------------------------------------------------------------------------------------------ */

struct denials;

int denials_new(struct denials **ret);
struct denials *denials_free(struct denials *d);
DEFINE_CLEANUP(struct denials *, denials_free)

/* Counts a denial of somebody: "address 192.0.2.7", "device DOCK-7". Return: true when it is the one that raises an alarm; *ret_n is
 * how many there were within the time of the settings. */
bool denials_count(struct denials *d, const struct settings *s, const char *who, int64_t now_usec,
                   int64_t *ret_n);
/* The alarms of the last day, [{who, denials, since, last}]; new array. */
json_t *denials_alarms(struct denials *d, int64_t now_usec);

/* ---- limits.c ----------------------------------------------------------------------------------------------------------- */

struct limits;

int limits_new(struct limits **ret);
struct limits *limits_free(struct limits *l);
DEFINE_CLEANUP(struct limits *, limits_free)

/* Takes one request from the device's allowance of this minute. Return: 0, or after how many seconds there is one again. */
int64_t limits_request(struct limits *l, const char *device, uint64_t per_minute, int64_t now_usec);

/* The bytes that a device has delivered since its midnight. Return: true; false when not known yet for this day: then the catalogue is
 * asked, and limits_set_used told with the same *ret_seen; it says false when something was counted meanwhile: ask again. */
bool limits_used(struct limits *l, const char *device, int64_t midnight_usec, uint64_t *ret_bytes,
                 uint64_t *ret_seen);
bool limits_set_used(struct limits *l, const char *device, int64_t midnight_usec, uint64_t bytes,
                     uint64_t seen);
/* Whether bytes, in place of *held, fit into left beside what other requests of the device hold; then *held is made bytes. held NULL:
 * nothing is held, and nothing will be. */
bool limits_hold(struct limits *l, const char *device, uint64_t left, uint64_t bytes, uint64_t *held);
void limits_release(struct limits *l, const char *device, uint64_t bytes);
void limits_count(struct limits *l, const char *device, int64_t midnight_usec, uint64_t bytes);

/* ---- session.c ---------------------------------------------------------------------------------------------------------- */

struct sessions;

int sessions_new(struct sessions **ret);
struct sessions *sessions_free(struct sessions *s);
DEFINE_CLEANUP(struct sessions *, sessions_free)

int sessions_open(struct sessions *s, const char *serial, const char *token, int64_t now_usec,
                  int64_t lifetime_usec, char ret[DOORS_SESSION_SIZE]);
/* The serial and token behind a session; new strings. Return: 0, -ENOENT (not known, or over), -ENOMEM. */
int sessions_find(struct sessions *s, const char *session, int64_t now_usec, char **ret_serial,
                  char **ret_token);
/* Whether a text looks like one of ours. */
bool session_is_formed(const char *text);

/* ---- clock.c ------------------------------------------------------------------------------------------------------------ */

/* How far the sender's clock is from ours, sender minus us, from X-Device-Time (RFC 3339) or Date (RFC 9110 §5.6.7); INT64_MIN when
 * it says nothing that can be read. */
int64_t clock_offset_of(const struct http_request *r, int64_t now_usec);
/* IMF-fixdate, RFC 850 and asctime dates. Return: 0 or -EINVAL. */
int http_date_parse(const char *text, int64_t *ret_usec);

/* ---- proxy.c ------------------------------------------------------------------------------------------------------------ */

/* The sender's address: the peer's, or the one that a proxy on this machine speaks for; "" = a program on the unix socket. */
#define DOORS_ADDRESS_SIZE 48
const char *doors_address(const struct http_request *r, char buf[DOORS_ADDRESS_SIZE]);
/* "http" or "https", as the sender spoke to us or to such a proxy. */
const char *doors_scheme(const struct http_request *r);

/* ---- doors.c ------------------------------------------------------------------------------------------------------------ */

struct doors {
    struct doors_context context;
    struct denials *denials;
    atomic_llong denied;
    struct limits *limits;
    struct sessions *sessions;
};

const struct settings *doors_settings(const struct doors *d);

#endif
