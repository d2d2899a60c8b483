/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * A fixed number of threads that run queued functions in order. Used for hashing.
 */
#ifndef LIUHEN_INTAKE_POOL_H
#define LIUHEN_INTAKE_POOL_H

#include "base/macro.h"

struct pool;

int pool_new(unsigned threads, struct pool **ret); /* 0, -ENOMEM, -EAGAIN */
/* Runs what is queued to its end (the functions look at their own stop flag) and joins. */
struct pool *pool_free(struct pool *p);
int pool_add(struct pool *p, void (*run)(void *userdata), void *userdata); /* 0 or -ENOMEM */

#endif
