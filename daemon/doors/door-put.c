/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * PUT /upload/{name}: the body is one file. A name with slashes is its path at the sender; the last part is the file's name.
 */
#include "doors/delivery.h"

static bool put_begin(struct knock *k, struct http_answer *answer)
{
    return single_begin(k, "put", k->args[0], answer, (struct single **)&k->state);
}

static bool put_take(struct knock *k, const void *data, size_t size, struct http_answer *answer)
{
    return single_take(k->state, data, size, answer);
}

static void put_finish(struct knock *k, struct http_answer *answer)
{
    single_finish(k->state, answer);
}

static void put_close(struct knock *k, bool whole)
{
    k->state = single_free(k->state);
}

const struct door door_put = {
    .name = "put", .begin = put_begin, .take = put_take, .finish = put_finish, .close = put_close};
