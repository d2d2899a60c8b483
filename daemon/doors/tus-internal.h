/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * What the two doors of tus share: /tus (door-tus-new.c) makes uploads, /tus/{id} (door-tus.c) goes on with them. tus-common.c has the
 * way that both end, and what every answer carries.
 */
#ifndef LIUHEN_DOORS_TUS_INTERNAL_H
#define LIUHEN_DOORS_TUS_INTERNAL_H

#include <stdbool.h>

#include "doors/door.h"
#include "http/headers.h"

/* A request in hand: knock.state. */
struct tus {
    struct upload *upload; /* open for writing; NULL: this request writes none */
    bool created;  /* by this request: ended again if it fails, as its sender does not know where it is */
    bool takes;    /* its body is bytes of the upload */
    bool deferred; /* nobody has said how long it will be: its bytes count for the quota as they come */
    uint64_t came, held; /* in this request; of the device's quota */
};

/* Makes knock.state. Return: false with the answer filled. */
bool tus_open(struct knock *k, struct http_answer *answer);
void tus_close(struct knock *k, bool whole);
/* Lets others write to the upload, before this request is answered: who has seen the answer may come again at once. failed: what this
 * request has created goes, as its sender will never know where it is. */
void tus_let_go(struct knock *k, bool failed);

/* Answers what a function returned. Return: always false, for begin and take. */
bool tus_fail(struct http_answer *answer, int code, const struct error *err);

/* Whether the client speaks this version (tus, Tus-Resumable). Return: false with 412. */
bool tus_speaks(const struct knock *k, struct http_answer *answer);

/* A header that may be there once. *ret NULL: it is not there. Return: false with 400. */
bool tus_header(const struct knock *k, const char *name, const char **ret, struct http_answer *answer);
/* The same for a number; *ret -1: it is not there. */
bool tus_number(const struct knock *k, const char *name, int64_t *ret, struct http_answer *answer);

/* Whether the body is bytes of an upload: Content-Type application/offset+octet-stream (RFC 9110 §8.3.1: without case, parameters are
 * none of its own). */
bool tus_is_bytes(const struct knock *k);

/* Lets the upload compare Upload-Checksum, where it is given. Return: false with 400. */
bool tus_expect(struct knock *k, struct http_answer *answer);

/* Where the upload stands: Upload-Offset, and Upload-Expires while it is unfinished. Return: 0 or -ENOMEM. */
int tus_say_offset(const struct knock *k, int64_t offset, struct http_answer *answer);

/* Which recording the upload became: Liuhen-Recording, Liuhen-Sha256. */
int tus_say_recording(const struct upload_result *result, struct http_answer *answer);

bool tus_take(struct knock *k, const void *data, size_t size, struct http_answer *answer);

/* Ends the writing of this request, seals an upload that is whole, and fills the answer with status. */
void tus_conclude(struct knock *k, unsigned status, struct http_answer *answer);

/* Seals the upload of the knock, which is whole. Return: 0 with *ret filled (and the device's account charged), or as upload_seal. */
int tus_seal(struct knock *k, struct upload_result *ret, struct error *err);

void tus_decorate(const struct settings *settings, const struct http_request *request,
                  struct http_answer *answer);
/* Answers OPTIONS: what is spoken here. */
void tus_options(const struct knock *k, struct http_answer *answer);

#endif
