/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * What a docking station remembers between runs, each thing a small file written durably (base/durable.h), so that a kill or a power cut
 * at any byte leaves the old or the new one:
 *
 *   site.key                          the site's verifier key, pinned at first use
 *   receipts/<sha256>.tlog-proof      receipts, verified before they were put there
 *   cards/<card>/<path>.json          a file under way: size, digest, where its upload goes on
 *   cards/<card>/clock                the clock file of the card as it was seen last
 *   cards/<card>/lock                 held while a run is at the card
 *   wiped.log                         what was removed from cards, a JSON line each, written before the removal
 *
 * <card> and <path> are digests of what they stand for: names on cards may be anything. Nothing in here is believed without a check: an
 * entry saves sending what the server has, never a proof. That is why receipts are not synced one by one: dock_state_sync does it for
 * all, at the end and before anything is wiped; what a power cut takes before is asked for again. Threads: every call is on its own.
 */
#ifndef LIUHEN_CLI_DOCK_STATE_H
#define LIUHEN_CLI_DOCK_STATE_H

#include "base/digest.h"
#include "base/error.h"
#include "base/json.h"

struct dock_state {
    int dirfd;
    char *path;
};
#define DOCK_STATE_INIT                                                                                      \
    {                                                                                                        \
        .dirfd = -1                                                                                          \
    }

/* Opens the folder, making it where needed (0700). Return: 0, negative errno (err set). */
int dock_state_open(const char *path, struct dock_state *ret, struct error *err);
void dock_state_done(struct dock_state *s);

/* Makes everything that was written durable. Return: 0 or negative errno. */
int dock_state_sync(const struct dock_state *s);

/* Holds the card for this process until the fd is closed. Return: fd, -EBUSY (another run is at it), other negative errno. */
int dock_state_lock(const struct dock_state *s, const char *card);

struct dock_entry {
    uint64_t bytes;
    struct digest sha256;
    char *server, *url; /* where its upload goes on; NULL = there is none */
};
void dock_entry_done(struct dock_entry *e);

/* path: bytes as they are on the card. Return: 0, -ENOENT (nothing known; also when what is there cannot be understood), -ENOMEM, other
 * negative errno. */
int dock_state_read(const struct dock_state *s, const char *card, const char *path, struct dock_entry *ret);
int dock_state_write(const struct dock_state *s, const char *card, const char *path,
                     const struct dock_entry *entry);
int dock_state_forget(const struct dock_state *s, const char *card,
                      const char *path); /* 0 also when not there */

/* Forgets what is known of files that the card does not have any more, but for uploads under way. is_there: whether the path is on the
 * card. Return: how many were forgotten, or negative errno. */
int dock_state_sweep(const struct dock_state *s, const char *card,
                     bool (*is_there)(void *userdata, const char *path), void *userdata);

int dock_state_save_receipt(const struct dock_state *s, const struct digest *sha256, const char *text);
/* Return: 0, -ENOENT, -EFBIG, other negative errno. */
int dock_state_load_receipt(const struct dock_state *s, const struct digest *sha256, char **ret_text,
                            size_t *ret_size);

/* The pinned key's text, one line. Return: 0, -ENOENT, other negative errno. */
int dock_state_load_key(const struct dock_state *s, char **ret);
/* Return: 0, -EEXIST (there is one already; it stays), other negative errno. */
int dock_state_pin_key(const struct dock_state *s, const char *text);

/* The clock file's time as it was last seen. Return: 0, -ENOENT. */
int dock_state_load_clock(const struct dock_state *s, const char *card, int64_t *ret_nsec);
int dock_state_save_clock(const struct dock_state *s, const char *card, int64_t nsec);

/* Adds a line to wiped.log, durably. Return: 0 or negative errno. */
int dock_state_log_wipe(const struct dock_state *s, const json_t *line);

#endif
