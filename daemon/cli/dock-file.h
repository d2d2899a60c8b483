/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Files on a camera's card: finding them, telling whether one is still the same, reading them. A card is outside input: its folders may
 * be damaged (loops, millions of names), its names any bytes, and it may be pulled out at any moment. Nothing is followed: no links, no
 * other mounts' devices or pipes. Errors of the card itself (unplugged, I/O) are told apart from those of one file.
 */
#ifndef LIUHEN_CLI_DOCK_FILE_H
#define LIUHEN_CLI_DOCK_FILE_H

#include <stdbool.h>
#include <sys/stat.h>

#include "base/config.h"
#include "base/digest.h"
#include "base/error.h"

#define DOCK_DEPTH_MAX 16     /* folders in folders; cameras use two or three */
#define DOCK_FILES_MAX 200000 /* a card has some thousands */

/* One file as the scan has found it. */
struct dock_found {
    const char *path; /* below the card, bytes as they are */
    uint64_t bytes;
    struct timespec mtime;
    const char *fault; /* NULL = a file that can be taken; else why this name cannot */
    bool odd; /* with fault: it is no file at all (a link, a device), and nothing is lost by leaving it */
};

/* Walks the card in the order of names. on_file: Return 0, or negative errno to stop with it. Return: 0, -ENODEV (the card is gone),
 * -E2BIG (more than DOCK_FILES_MAX), other negative errno of the top folder; err set. */
int dock_scan(int cardfd, const struct config_strings *ignore,
              int (*on_file)(void *userdata, const struct dock_found *found), void *userdata,
              struct error *err);

/* Whether an errno means that the card itself is gone or does not answer, rather than that a file is bad. */
bool dock_is_unplugged(int cardfd, int code);

int64_t dock_nsec(struct timespec t);

/* Opens a file on the card, never following a link; *ret_stat as it is now. Return: fd, -ENOENT, -ELOOP, -EINVAL (no regular file) … */
int dock_open_file(int cardfd, const char *path, struct stat *ret_stat);

/* SHA-256 of exactly bytes from the start, read from the card and not from memory when fresh is set. on_bytes may be NULL; a negative
 * return from it stops. Return: 0, -ESTALE (it is shorter or longer), other negative errno. */
int dock_digest(int fd, uint64_t bytes, bool fresh, int (*on_bytes)(void *userdata, uint64_t done),
                void *userdata, struct digest *ret);

#endif
