/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Speaking to the daemon: HTTP over its unix socket. The only user of libcurl.
 */
#ifndef LIUHEN_CLI_CLIENT_H
#define LIUHEN_CLI_CLIENT_H

#include "base/error.h"
#include "base/macro.h"

struct client;

/* socket: path, borrowed. Return: 0 or -ENOMEM. */
int client_new(const char *socket, struct client **ret);
struct client *client_free(struct client *c);
DEFINE_CLEANUP(struct client *, client_free)

/* Sends a request; body NULL for none. Return: 0 with the HTTP status and the answer's text (new string), -ENOENT, -ECONNREFUSED,
 * -EACCES (the socket), other negative errno; err says it for people. */
int client_call(struct client *c, const char *method, const char *target, const char *body,
                unsigned *ret_status, char **ret_text, struct error *err);

/* Follows a stream of lines until it ends or a callback returns non-zero, which is returned. on_tick comes at least every
 * tick_msec. A status other than 200 ends it: *ret_status and the text of the answer are given. */
struct client_stream {
    int (*on_line)(void *userdata, const char *line);
    int (*on_tick)(void *userdata);
    void *userdata;
    int tick_msec;
};
int client_follow(struct client *c, const char *target, const struct client_stream *stream,
                  unsigned *ret_status, char **ret_text, struct error *err);

/* Fetches bytes: on_data gets them as they come while the status is 200; what it returns other than 0 ends it and is returned. Another
 * status: *ret_status and the text of the answer. Return: also -ECONNRESET when they break off. */
int client_fetch(struct client *c, const char *target,
                 int (*on_data)(void *userdata, const void *data, size_t size), void *userdata,
                 unsigned *ret_status, char **ret_text, struct error *err);

/* "/v1/cases/" and a segment, percent-encoded; new string, NULL = out of memory. */
char *client_target(const char *prefix, const char *segment, const char *suffix);

/* Appends "?name=value" or "&name=value" to *target (a malloc'ed string); a NULL value appends nothing. Return: 0, -ENOMEM. */
int client_add_param(char **target, const char *name, const char *value);

#endif
