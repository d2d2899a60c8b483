/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * A fresh folder for one test, on the disk that holds the build (TMPDIR, or the current folder's build/tmp), removed with all
 * that is in it.
 */
#ifndef LIUHEN_TESTS_TEMP_FOLDER_H
#define LIUHEN_TESTS_TEMP_FOLDER_H

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/macro.h"

struct temp_folder {
    char path[512];
    int fd;
};

/* For cmocka_unit_test_setup_teardown; *state is the struct temp_folder. Return: 0 or -1. */
static inline _unused_ int temp_folder_setup(void **state)
{
    struct temp_folder *t = calloc(1, sizeof *t);
    const char *base = getenv("TMPDIR");

    if (!t)
        return -1;
    if (!base) {
        base = "build/tmp";
        (void)mkdir("build", 0755);
        (void)mkdir("build/tmp", 0755);
    }
    snprintf(t->path, sizeof t->path, "%s/unit-XXXXXX", base);
    if (!mkdtemp(t->path)) {
        free(t);
        return -1;
    }
    t->fd = open(t->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    *state = t;
    return t->fd < 0 ? -1 : 0;
}

static inline _unused_ int temp_folder_teardown(void **state)
{
    struct temp_folder *t = *state;

    close(t->fd);
    (void)fd_remove_tree_at(AT_FDCWD, t->path);
    free(t);
    return 0;
}

#define temp_folder_test(f) cmocka_unit_test_setup_teardown(f, temp_folder_setup, temp_folder_teardown)

#endif
