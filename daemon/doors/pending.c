/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Doors that are in the table of routes and not built yet. Whoever builds one takes its line out of here.
 */
#include <errno.h>

#include "doors/door.h"

static void not_yet(struct knock *k, struct http_answer *answer)
{
    struct error err = ERROR_INIT;

    error_set(&err, -ENOSYS, k->request->target, "is not built yet; use a drop folder");
    doors_fail(answer, -ENOSYS, 400, &err);
    answer->status = 501;
}

extern const struct door door_tus_pending; /* until resumable uploads can be linked: api/routes.c says so */
const struct door door_tus_pending = {.name = "tus", .finish = not_yet};
