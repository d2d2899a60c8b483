/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * A camera's card: a folder, or a block device that is mounted for this run alone. The mount is read-only, nosuid, nodev, noexec and
 * attached nowhere (fsmount(2)): nobody else sees it, and it goes with the process, however that ends.
 */
#ifndef LIUHEN_CLI_DOCK_CARD_H
#define LIUHEN_CLI_DOCK_CARD_H

#include <stdbool.h>

#include "base/calendar.h"
#include "cli/dock-config.h"

struct dock_card {
    char *source; /* as it was given */
    int fd;       /* its top folder */
    int mount; /* by us, -1 for a folder: it ends when this is closed; read-only until dock_card_writable */
    bool wall; /* its times are the camera's wall clock, as FAT keeps them */
    char *serial;      /* of the camera; "" = not known */
    char *device;      /* serial under which the site knows it; "" = not known */
    char *id;          /* what the station's memory calls the card */
    struct zone *zone; /* of the camera's clock; NULL = UTC */
};
#define DOCK_CARD_INIT                                                                                       \
    {                                                                                                        \
        .fd = -1, .mount = -1                                                                                \
    }

/* Opens a folder or device. serial: given by hand, NULL = to be found out. zone: name of the site's; NULL = not known. Return: 0,
 * -ENOENT (there is no such thing), -ENODEV (unplugged), -ENOTDIR (no folder and no device), -EMEDIUMTYPE (no card: no file system
 * that we mount, or it lacks card.folder), -EPERM (mounting takes root), -EBUSY (mounted by somebody else), other negative errno. */
int dock_card_open(const char *source, const char *serial, const char *zone, const struct dock_config *config,
                   struct dock_card *ret, struct error *err);
void dock_card_done(struct dock_card *c);

/* Makes what we have mounted writable, or read-only again after everything is on the card. A folder is as it is. */
int dock_card_writable(const struct dock_card *c, bool writable, struct error *err);

/* The instant of a time on the card, µs since 1970 UTC. */
int64_t dock_card_usec(const struct dock_card *c, int64_t nsec);

/* ---- the camera's clock ------------------------------------------------------------------------------------------------ */

enum dock_clock_how { DOCK_CLOCK_UNKNOWN, DOCK_CLOCK_FILE, DOCK_CLOCK_FUTURE };

struct dock_clock {
    enum dock_clock_how how;
    int64_t offset_usec; /* camera minus us; for DOCK_CLOCK_FUTURE at least so much */
};

struct dock_clock_facts {
    int64_t now_usec;    /* of our clock */
    int64_t plug_usec;   /* when the card was plugged in */
    int64_t newest_usec; /* the newest file of the card; INT64_MIN = none */
    int64_t file_usec;   /* the clock file as it is now; INT64_MIN = none */
    int64_t before_usec; /* the clock file as it was at the last visit; INT64_MIN = never seen */
};

/* What can be said honestly. A clock file counts only where it has changed since the last visit: then the camera has written it when
 * it was plugged in now. Without one, a file of the future proves that the clock runs ahead by at least that; a clock that is late
 * cannot be told from a camera that was not used. */
struct dock_clock dock_clock_measure(const struct dock_clock_facts *f);

/* Whether the camera writes this file when it is plugged in (card.clock_file; without regard to case, '*' does not pass a '/'). */
bool dock_is_clock_file(const struct dock_config *config, const char *path);

/* "plug-in-file", "future-file": for the metadata. */
const char *dock_clock_name(enum dock_clock_how how);

#endif
