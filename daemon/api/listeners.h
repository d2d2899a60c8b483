/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The sockets that the daemon listens on: handed over by socket activation, the others made as the settings say, and what TLS needs.
 */
#ifndef LIUHEN_API_LISTENERS_H
#define LIUHEN_API_LISTENERS_H

#include <sys/stat.h>

#include "api/api.h"

#define LISTENERS_MAX 16

struct listeners {
    struct http_listener list[LISTENERS_MAX];
    size_t n;
    char *path; /* of a unix socket that we made; NULL when it was handed over */
    struct stat made;
    char *certificate, *key, *client_ca; /* PEM texts; NULL without TLS */
};

/* Opens all. Owns the fds that are handed over, also on failure. Return: 0, -EINVAL, other negative errno; listeners_done in any case. */
int listeners_open(struct listeners *l, const struct settings *s, const struct api_handed *handed,
                   size_t n_handed, struct error *err);
/* What devices and people may call: ["/run/liuhen/liuhen.sock", "http://127.0.0.1:8480", "https://[::]:8443"]. Return: new array, or NULL. */
json_t *listeners_addresses(const struct listeners *l);
/* The sockets are somebody else's from here on. Return: how many. */
size_t listeners_take(struct listeners *l);
/* Removes the name of a unix socket that we made, if it is still ours. */
void listeners_unlink(struct listeners *l);
void listeners_done(struct listeners *l);

#endif
