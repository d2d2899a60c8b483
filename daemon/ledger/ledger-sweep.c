/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Removing files that no reader needs: partial tiles that have grown, and what a killed writer left. Only names that this
 * ledger itself gives are touched, and never a full tile or bundle.
 */
#include "ledger/ledger-impl.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"

#define TILES_A_FOLDER 1000

/* The tile at the right edge of a level, partial or not there yet. */
static uint64_t edge_index(int level, uint64_t size)
{
    return tile_hashes(level, size) / TILE_WIDTH;
}

void ledger_clean(int dirfd, uint64_t old_size, uint64_t size1, uint64_t size2)
{
    for (int level = TILE_ENTRIES; level < TILE_LEVELS; level++) {
        uint64_t index = edge_index(level, old_size);
        unsigned width = tile_width(level, index, old_size);
        char path[TILE_PATH_SIZE];
        if (width == 0 || width == TILE_WIDTH || width == tile_width(level, index, size1) ||
            width == tile_width(level, index, size2))
            continue;
        tile_path(level, index, width, path);
        (void)unlinkat(dirfd, path, 0);
        *strrchr(path, '/') = 0;
        (void)unlinkat(dirfd, path, AT_REMOVEDIR); /* only when it is empty */
    }
}

/* Opens a folder below parent for reading its names. Return: 0, -ENOENT, other negative errno. */
static int open_dir(int parent, const char *path, DIR **ret)
{
    _cleanup_close_ int fd = fd_open_beneath(parent, path, O_RDONLY | O_DIRECTORY, 0);

    if (fd < 0)
        return fd;
    *ret = fdopendir(fd);
    if (!*ret)
        return -errno;
    fd = -1;
    return 0;
}

static bool is_temporary(const char *name)
{
    return strstr(name, ".tmp-") != NULL;
}

static int remove_file(DIR *dir, const char *name)
{
    return unlinkat(dirfd(dir), name, 0) < 0 && errno != ENOENT ? -errno : 0;
}

/* Removes the partial tiles narrower than what the log has of this tile, and the folder when nothing is left. Wider ones stay: they
 * are of leaves that no checkpoint names yet, or the checkpoint is an old copy and they are all there is. */
static int sweep_partial(DIR *parent, const char *name, unsigned have)
{
    _cleanup_dir_ DIR *dir = NULL;
    int r = open_dir(dirfd(parent), name, &dir);

    if (r < 0)
        return r;
    for (struct dirent *e; r == 0 && (e = readdir(dir));)
        if (is_temporary(e->d_name) ||
            (isdigit((unsigned char)e->d_name[0]) && strtoul(e->d_name, NULL, 10) < have))
            r = remove_file(dir, e->d_name);
    (void)unlinkat(dirfd(parent), name, AT_REMOVEDIR);
    return r;
}

/* The number before ".p" in "067.p"; -1 for any other name. */
static int partial_number(const char *name)
{
    if (strlen(name) != 5 || strcmp(name + 3, ".p") != 0 || strspn(name, "0123456789") != 3)
        return -1;
    return (int)strtol(name, NULL, 10);
}

/* One folder of up to 1,000 tiles. Return: 0, -ENOENT (no such folder), other negative errno. */
static int sweep_folder(int root, int level, uint64_t folder, uint64_t size)
{
    char path[TILE_PATH_SIZE];
    _cleanup_dir_ DIR *dir = NULL;
    int r;

    tile_path(level, folder * TILES_A_FOLDER, TILE_WIDTH, path);
    *strrchr(path, '/') = 0;
    r = open_dir(root, path, &dir);
    for (struct dirent *e; r == 0 && (e = readdir(dir));) {
        int number = partial_number(e->d_name);
        if (is_temporary(e->d_name))
            r = remove_file(dir, e->d_name);
        else if (number >= 0)
            r = sweep_partial(dir, e->d_name,
                              tile_width(level, folder * TILES_A_FOLDER + (uint64_t)number, size));
    }
    return r;
}

static int sweep_root(int root)
{
    _cleanup_dir_ DIR *dir = NULL;
    int r = open_dir(root, ".", &dir);

    for (struct dirent *e; r == 0 && (e = readdir(dir));)
        if (is_temporary(e->d_name))
            r = remove_file(dir, e->d_name);
    return r;
}

int ledger_sweep(int dirfd, uint64_t size, struct error *err)
{
    int r = sweep_root(dirfd);

    /* A writer works at the right edge only: look there, one folder back, and onward as far as folders go */
    for (int level = TILE_ENTRIES; level < TILE_LEVELS && r == 0; level++) {
        uint64_t at = edge_index(level, size) / TILES_A_FOLDER;
        uint64_t folder = at > 0 ? at - 1 : 0;
        do
            r = sweep_folder(dirfd, level, folder, size);
        while ((r == 0 || (r == -ENOENT && folder < at)) && folder++ < UINT64_MAX);
        r = r == -ENOENT ? 0 : r;
    }
    return r < 0 ? error_errno(err, r, "", "cannot clean up the ledger's folder") : 0;
}
