/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * What the doors of body-worn systems share (door-swift*.c).
 *
 * Statuses are those that camera systems know: 400 what can never be stored (the system gives up on it, so it is said of malformed
 * requests only), 401, 403, 404, 422 the bytes are not those of the ETag, 500, 503 try again soon, 507 full (also a quota). 402 is never
 * said: there are no licences.
 */
#ifndef LIUHEN_DOORS_SWIFT_INTERNAL_H
#define LIUHEN_DOORS_SWIFT_INTERNAL_H

#include "catalogue/bodyworn-rows.h"
#include "doors/bodyworn-store.h"
#include "doors/door.h"
#include "doors/swift-names.h"

/* Fills the answer to what went wrong while something was looked up or stored: never a status by which a system would give up what it
 * sends. Return: false, so that a door can end with it. */
bool swift_fail(struct http_answer *answer, int code, const struct error *err);
/* The same for what a parser of requests returned: 400, 403; 503 without memory. */
bool swift_malformed(struct http_answer *answer, int code, const struct error *err);

/* Every answer has an id that people can name to each other. */
void swift_decorate(const struct settings *settings, const struct http_request *request,
                    struct http_answer *answer);

/* Who may ask for this: a device of kind "system", for its own account. Return: true, or false with the answer filled. */
bool swift_enter(const struct knock *k, struct swift_path *ret, struct http_answer *answer);

/* The metadata of a request's headers that begin with prefix; X-Remove-… of the same become empty texts. New object. Where the container
 * holds footage nothing is refused for them, as its system would give it up: what cannot be kept is counted under BODYWORN_LEFT_OUT.
 * Return: 0, -EINVAL (err), -ENOMEM. */
int swift_metadata(const struct http_request *r, const char *prefix, const char *container, json_t **ret,
                   struct error *err);

/* Begins a request that only says more: the device's rate, and its metadata. Return: false with the answer filled. */
bool swift_said(const struct knock *k, const char *prefix, const char *container, json_t **ret,
                struct http_answer *answer);

/* Sets a header for each value of metadata. */
int swift_say_metadata(struct http_answer *answer, const char *prefix, const json_t *metadata);

/* An answer without a body. */
void swift_answer(struct http_answer *answer, unsigned status);

/* Whether the device may make one more request now and deliver so many bytes (-1: not known yet; 0: it only says something, which costs no
 * quota). 413 and 429 are words that camera systems do not know: 507 and 503. Return: true, or false with the answer filled. */
bool swift_admit(const struct knock *k, int64_t bytes, struct http_answer *answer);
bool swift_hold(const struct knock *k, uint64_t bytes, uint64_t *held, struct http_answer *answer);

/* Reads on a connection of its own. Return: 0 or what fn or the connection gave. */
int swift_read(const struct knock *k, int (*fn)(struct db *db, void *userdata, struct error *err),
               void *userdata, struct error *err);

struct bodyworn_keep swift_keep(const struct knock *k);

/* MD5 of a text in hex, which Swift calls its Etag. Return: 0 or -ENOMEM. */
int swift_etag(const void *data, size_t size, char out[33]);

/* swift-published.c: what System holds without anybody having put it there ("Capabilities.json", "Categories.json"). New string. Return: 0, -ENOENT (it is
 * none of them), -ENOMEM. */
bool swift_is_published(const char *container, const char *object);
int swift_published(const struct policy *policy, const char *object, char **ret);

#endif
