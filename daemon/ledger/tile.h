/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Tiles and entry bundles as files (C2SP tlog-tiles): their names, their widths for a log of a given size, and reading them.
 * A reader may hold an older checkpoint than the files: when a partial tile is gone, a wider one or the full one begins with
 * the same hashes, so reading falls back to it. What is read is checked for form here, for truth by the caller.
 */
#ifndef LIUHEN_LEDGER_TILE_H
#define LIUHEN_LEDGER_TILE_H

#include "base/digest.h"
#include "base/error.h"

#define TILE_WIDTH     256
#define TILE_LEVELS    8    /* 256^8 leaves are more than 2^63 */
#define TILE_ENTRIES   (-1) /* the "level" of entry bundles */
#define TILE_PATH_SIZE 80

/* tile/<level>/<index>[.p/<width>]; width 256 names the full tile. */
void tile_path(int level, uint64_t index, unsigned width, char out[TILE_PATH_SIZE]);

/* How many hashes a level has in a log of size leaves: its full nodes of 256^level leaves, or the entries. */
uint64_t tile_hashes(int level, uint64_t size);

/* How many hashes tile index of a level has in a log of size leaves: 0 (no such tile), 1–255 (partial), 256. */
unsigned tile_width(int level, uint64_t index, uint64_t size);

/* How many tiles of a level there are, the partial one included. */
uint64_t tile_count(int level, uint64_t size);

/* Reads the first width hashes of a tile. Return: 0, -ENOENT, -EBADMSG (wrong length), other negative errno. */
int tile_read(int dirfd, int level, uint64_t index, unsigned width, struct digest *ret_hashes,
              struct error *err);

/* A bundle of n entries: entry i is at data + start[i], start[i + 1] - start[i] - 2 bytes long (2 bytes of length lie between). */
struct bundle {
    char *data;
    unsigned n;
    uint32_t start[TILE_WIDTH + 1];
};

void bundle_done(struct bundle *b);

/* Reads the first width entries of a bundle. Return: 0, -ENOENT, -EBADMSG (does not hold together), other negative errno. */
int bundle_read(int dirfd, uint64_t index, unsigned width, struct bundle *ret, struct error *err);

/* Entry i, borrowed. */
const char *bundle_entry(const struct bundle *b, unsigned i, size_t *ret_size);

#endif
