/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Watching devices: one that has delivered and then is not heard of for devices.silent is said in the log and the feed once, and again
 * when it is back; one whose clock is off by more than devices.clock is said once a day. A thread of its own that sleeps for good
 * while there are no devices, else until the next one would be silent, at most for devices.silent and an hour.
 *
 * When a device was heard of is its last arrival (the ledger knows) or its last sign-in (kept here, in memory, for all of the process).
 */
#ifndef LIUHEN_CASES_DEVICE_WATCH_H
#define LIUHEN_CASES_DEVICE_WATCH_H

#include "base/feed.h"
#include "base/settings.h"
#include "catalogue/device-rows.h"
#include "catalogue/readers.h"

/* A device has signed in. Any thread. */
void devices_seen(const char *id, int64_t now_usec);
/* When it did last; 0 = not since this program began. */
int64_t devices_last_seen(const char *id);
/* A device was added or returned: looks again now. Any thread. */
void devices_changed(void);

/* Whether a device is silent, and whether its clock is off by too much, at now_usec. */
bool device_is_silent(const struct device_row *row, const struct settings *s, int64_t now_usec);
bool device_clock_is_off(const struct device_row *row, const struct settings *s);

struct device_watch;

struct device_watch_context {
    struct readers *readers;
    struct feed *feed;
    const struct settings *(*settings)(void *userdata);
    void *userdata;
};

/* Return: 0, -ENOMEM, negative errno of pthread_create. */
int device_watch_new(const struct device_watch_context *context, struct device_watch **ret);
struct device_watch *device_watch_free(struct device_watch *w);
DEFINE_CLEANUP(struct device_watch *, device_watch_free)

#endif
