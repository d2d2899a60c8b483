/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * What a docking station asks before it begins (cli/dock-site.c): whether it may wipe cards, and what time it is here. Asked anew before
 * every wiping, so that an administrator's no counts at once.
 */
#include <errno.h>

#include "api/handlers.h"
#include "base/clock.h"

int handle_dock_policy(struct call *c)
{
    const char *zone = c->device && *c->device->zone ? c->device->zone : c->settings->site.timezone;

    c->answer = json_object();
    if (json_set_bool(c->answer, "wipe", c->settings->devices.wipe) != 0 ||
        json_set_string(c->answer, "zone", zone) != 0 ||
        json_set_integer(c->answer, "time", clock_now_usec()) != 0)
        return -ENOMEM;
    return 0;
}
