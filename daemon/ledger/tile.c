/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Names and reading of tiles and entry bundles (see tile.h). Stateless, so safe in any thread.
 */
#include "ledger/tile.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "base/fd.h"
#include "ledger/merkle.h"

#define BUNDLE_FILE_MAX ((size_t)TILE_WIDTH * (2 + MERKLE_ENTRY_MAX))

void tile_path(int level, uint64_t index, unsigned width, char out[TILE_PATH_SIZE])
{
    unsigned parts[8];
    int n = 0, at;

    do {
        parts[n++] = (unsigned)(index % 1000);
        index /= 1000;
    } while (index > 0);
    at = level == TILE_ENTRIES ? snprintf(out, TILE_PATH_SIZE, "tile/entries")
                               : snprintf(out, TILE_PATH_SIZE, "tile/%d", level);
    for (; n > 0; n--)
        at += snprintf(out + at, TILE_PATH_SIZE - (size_t)at, n > 1 ? "/x%03u" : "/%03u", parts[n - 1]);
    if (width < TILE_WIDTH)
        at += snprintf(out + at, TILE_PATH_SIZE - (size_t)at, ".p/%u", width);
    assert(at < TILE_PATH_SIZE);
}

uint64_t tile_hashes(int level, uint64_t size)
{
    return level == TILE_ENTRIES ? size : size >> (8 * level);
}

unsigned tile_width(int level, uint64_t index, uint64_t size)
{
    uint64_t hashes = tile_hashes(level, size);

    if (index > hashes / TILE_WIDTH)
        return 0;
    return index < hashes / TILE_WIDTH ? TILE_WIDTH : (unsigned)(hashes % TILE_WIDTH);
}

uint64_t tile_count(int level, uint64_t size)
{
    uint64_t hashes = tile_hashes(level, size);

    return hashes / TILE_WIDTH + (hashes % TILE_WIDTH > 0);
}

/* The smallest partial tile at least width wide that lies there; 0 when none does. */
static unsigned find_wider(int dirfd, int level, uint64_t index, unsigned width)
{
    char path[TILE_PATH_SIZE];
    _cleanup_close_ int fd = -1;
    _cleanup_dir_ DIR *dir = NULL;
    unsigned best = 0;

    tile_path(level, index, width, path);
    *strrchr(path, '/') = 0;
    fd = fd_open_beneath(dirfd, path, O_RDONLY | O_DIRECTORY, 0);
    dir = fd >= 0 ? fdopendir(fd) : NULL;
    if (!dir)
        return 0;
    fd = -1;
    for (struct dirent *e; (e = readdir(dir));) {
        char name[8];
        unsigned w = (unsigned)strtoul(e->d_name, NULL, 10);
        snprintf(name, sizeof name, "%u", w % 1000);
        if (w >= width && w < TILE_WIDTH && strcmp(name, e->d_name) == 0 && (best == 0 || w < best))
            best = w;
    }
    return best;
}

/* The file that begins with the wanted tile: it, the full one, or a wider partial one. *ret_width = its width. */
static int read_file(int dirfd, int level, uint64_t index, unsigned width, char path[TILE_PATH_SIZE],
                     char **ret_data, size_t *ret_size, unsigned *ret_width)
{
    size_t max = level == TILE_ENTRIES ? BUNDLE_FILE_MAX : TILE_WIDTH * DIGEST_BYTES;
    int r = -ENOENT;

    /* A publisher may remove the wider one that was found before it is opened; then there is a wider one yet */
    for (int tries = 0; tries < 8 && r == -ENOENT; tries++) {
        unsigned wider = width;
        if (tries > 0 && width < TILE_WIDTH)
            wider = tries % 2 ? TILE_WIDTH : find_wider(dirfd, level, index, width);
        if (wider == 0 || (tries > 0 && width == TILE_WIDTH))
            continue;
        tile_path(level, index, wider, path);
        r = fd_read_file_at(dirfd, path, max, ret_data, ret_size);
        *ret_width = wider;
    }
    if (r == -ENOENT)
        tile_path(level, index, width, path);
    return r;
}

static int explain_read(int r, const char *path, struct error *err)
{
    if (r == -EFBIG || r == -EISDIR || r == -EINVAL)
        return error_set(err, -EBADMSG, path, "not a file of the ledger: too large, or not a regular file");
    return error_errno(err, r, path, "cannot read this file of the ledger");
}

int tile_read(int dirfd, int level, uint64_t index, unsigned width, struct digest *ret_hashes,
              struct error *err)
{
    _cleanup_free_ char *data = NULL;
    char path[TILE_PATH_SIZE];
    unsigned file_width;
    size_t size;
    int r;

    assert(level >= 0 && width > 0 && width <= TILE_WIDTH);
    r = read_file(dirfd, level, index, width, path, &data, &size, &file_width);
    if (r < 0)
        return explain_read(r, path, err);
    if (size != (size_t)file_width * DIGEST_BYTES)
        return error_set(err, -EBADMSG, path, "the tile has %zu bytes, right would be %u", size,
                         file_width * DIGEST_BYTES);
    memcpy(ret_hashes, data, (size_t)width * DIGEST_BYTES);
    return 0;
}

void bundle_done(struct bundle *b)
{
    free(TAKE_PTR(b->data));
    b->n = 0;
}

/* Finds the n entries that must fill data exactly. */
static int split_entries(const char *data, size_t size, unsigned n, uint32_t *start)
{
    size_t at = 0;

    for (unsigned i = 0; i < n; i++) {
        size_t length;
        if (size - at < 2)
            return -EBADMSG;
        length = (size_t)(uint8_t)data[at] << 8 | (uint8_t)data[at + 1];
        at += 2;
        if (length > size - at)
            return -EBADMSG;
        start[i] = (uint32_t)at;
        at += length;
    }
    start[n] = (uint32_t)at + 2;
    return at == size ? 0 : -EBADMSG;
}

int bundle_read(int dirfd, uint64_t index, unsigned width, struct bundle *ret, struct error *err)
{
    char path[TILE_PATH_SIZE];
    unsigned file_width;
    char *data;
    size_t size;
    int r;

    assert(width > 0 && width <= TILE_WIDTH);
    r = read_file(dirfd, TILE_ENTRIES, index, width, path, &data, &size, &file_width);
    if (r < 0)
        return explain_read(r, path, err);
    if (split_entries(data, size, file_width, ret->start) < 0) {
        free(data);
        return error_set(err, -EBADMSG, path,
                         "the bundle does not hold exactly %u entries with their lengths", file_width);
    }
    ret->data = data;
    ret->n = width;
    return 0;
}

const char *bundle_entry(const struct bundle *b, unsigned i, size_t *ret_size)
{
    assert(i < b->n);
    *ret_size = b->start[i + 1] - b->start[i] - 2;
    return b->data + b->start[i];
}
