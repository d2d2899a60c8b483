/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * File descriptors: whole reads and writes, and that nothing opened below a folder ever leaves it.
 */
#include "base/fd.h"

#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include "temp-folder.h"

static void put(int dirfd, const char *name, const char *text)
{
    _cleanup_close_ int fd = openat(dirfd, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

    assert_true(fd >= 0);
    assert_int_equal(fd_write_full(fd, text, strlen(text)), 0);
}

static void test_read_full_and_pread(void **state)
{
    struct temp_folder *t = *state;
    _cleanup_close_ int fd = -1;
    char buf[16] = "";

    put(t->fd, "f", "0123456789");
    fd = fd_open_beneath(t->fd, "f", O_RDONLY, 0);
    assert_true(fd >= 0);
    assert_int_equal(fd_read_full(fd, buf, 4), 4);
    assert_int_equal(fd_pread_full(fd, buf, sizeof buf, 8), 2);
    assert_memory_equal(buf, "89", 2);
    assert_int_equal(fd_read_full(fd, buf, sizeof buf), 6);
    assert_int_equal(fd_read_full(fd, buf, sizeof buf), 0);
    assert_int_equal(fd_write_full(fd, "x", 1), -EBADF);
    assert_int_equal(fd_read_full(-1, buf, 1), -EBADF);
    assert_int_equal(fd_pread_full(-1, buf, 1, 0), -EBADF);
}

#define PIPE_BYTES 300000

static void *write_to_pipe(void *p)
{
    static char data[PIPE_BYTES];

    memset(data, 'z', sizeof data);
    return (void *)(intptr_t)fd_write_full(*(int *)p, data, sizeof data);
}

/* More than a pipe holds: short writes and reads are taken up again. */
static void test_short_counts(void **state)
{
    static char data[PIPE_BYTES];
    pthread_t thread;
    void *result;
    int p[2];

    assert_int_equal(pipe2(p, O_CLOEXEC), 0);
    assert_int_equal(pthread_create(&thread, NULL, write_to_pipe, &p[1]), 0);
    assert_int_equal(fd_read_full(p[0], data, sizeof data), sizeof data);
    pthread_join(thread, &result);
    assert_null(result);
    assert_int_equal(data[PIPE_BYTES - 1], 'z');
    close(p[0]);
    close(p[1]);
}

static void test_closep(void **state)
{
    int fd = open("/dev/null", O_RDONLY | O_CLOEXEC), copy = fd;

    errno = EXDEV;
    fd_closep(&fd);
    assert_int_equal(fd, -1);
    assert_int_equal(fcntl(copy, F_GETFD), -1);
    errno = EXDEV;
    fd_closep(&fd);
    assert_int_equal(errno, EXDEV);
}

static void test_beneath_refuses_ways_out(void **state)
{
    struct temp_folder *t = *state;

    assert_int_equal(fd_mkdir_beneath(t->fd, "in/deep", 0700, true), 0);
    put(t->fd, "secret", "s");
    assert_int_equal(symlinkat("../secret", t->fd, "in/link"), 0);
    assert_int_equal(symlinkat("deep", t->fd, "in/dirlink"), 0);
    assert_int_equal(symlinkat("/", t->fd, "in/root"), 0);
    put(t->fd, "in/deep/f", "f");
    {
        _cleanup_close_ int in = fd_open_beneath(t->fd, "in", O_RDONLY | O_DIRECTORY, 0);
        _cleanup_close_ int ok = fd_open_beneath(in, "deep/f", O_RDONLY, 0);
        assert_true(ok >= 0);
        assert_int_equal(fcntl(ok, F_GETFD), FD_CLOEXEC);
        assert_int_equal(fd_open_beneath(in, "link", O_RDONLY, 0), -ELOOP);
        assert_int_equal(fd_open_beneath(in, "dirlink/f", O_RDONLY, 0), -ELOOP);
        assert_int_equal(fd_open_beneath(in, "root/etc", O_RDONLY, 0), -ELOOP);
        assert_int_equal(fd_open_beneath(in, "../secret", O_RDONLY, 0), -EXDEV);
        assert_int_equal(fd_open_beneath(in, "deep/../../secret", O_RDONLY, 0), -EXDEV);
        assert_int_equal(fd_open_beneath(in, "/etc/passwd", O_RDONLY, 0), -EXDEV);
        assert_int_equal(fd_open_beneath(in, "nothing", O_RDONLY, 0), -ENOENT);
        assert_int_equal(fd_mkdir_beneath(in, "../out", 0700, false), -EXDEV);
        assert_int_equal(fd_mkdir_beneath(in, "root/out", 0700, false), -ELOOP);
        assert_int_equal(fd_mkdir_beneath(in, "dirlink/out", 0700, false), -ELOOP);
    }
}

static void test_mkdir_beneath(void **state)
{
    struct temp_folder *t = *state;
    struct stat st;

    assert_int_equal(fd_mkdir_beneath(t->fd, "a/b/c", 0750, true), 0);
    assert_int_equal(fd_mkdir_beneath(t->fd, "a/b/c", 0750, true), 0);
    assert_int_equal(fd_mkdir_beneath(t->fd, "a//d", 0750, false), 0);
    assert_int_equal(fd_mkdir_beneath(t->fd, "a/e//", 0750, false), 0);
    assert_int_equal(fstatat(t->fd, "a/e", &st, 0), 0);
    assert_int_equal(fstatat(t->fd, "a/d", &st, 0), 0);
    put(t->fd, "a/file", "x");
    assert_int_equal(fd_mkdir_beneath(t->fd, "a/file", 0750, false), -ENOTDIR);
    assert_int_equal(fd_mkdir_beneath(t->fd, "a/file/x", 0750, false), -ENOTDIR);
}

static void test_rename_noreplace(void **state)
{
    struct temp_folder *t = *state;
    _cleanup_free_ char *data = NULL;

    put(t->fd, "a", "a");
    put(t->fd, "b", "b");
    assert_int_equal(fd_rename_noreplace(t->fd, "a", t->fd, "b"), -EEXIST);
    assert_int_equal(fd_rename_noreplace(t->fd, "none", t->fd, "c"), -ENOENT);
    assert_int_equal(fd_rename_noreplace(t->fd, "a", t->fd, "c"), 0);
    assert_int_equal(fd_read_file_at(t->fd, "b", 10, &data, NULL), 0);
    assert_string_equal(data, "b");
}

static void test_read_file(void **state)
{
    struct temp_folder *t = *state;
    _cleanup_free_ char *data = NULL;
    size_t size;

    put(t->fd, "f", "0123456789");
    assert_int_equal(fd_read_file_at(t->fd, "f", 9, &data, &size), -EFBIG);
    assert_null(data);
    assert_int_equal(fd_read_file_at(t->fd, "f", 10, &data, &size), 0);
    assert_int_equal(size, 10);
    assert_string_equal(data, "0123456789");
    free(TAKE_PTR(data));
    assert_int_equal(fd_read_file_at(t->fd, ".", 10, &data, &size), -EISDIR);
    assert_int_equal(fd_read_file_at(t->fd, "none", 10, &data, &size), -ENOENT);
    assert_int_equal(mkfifoat(t->fd, "fifo", 0600), 0);
    assert_int_equal(fd_read_file_at(t->fd, "fifo", 10, &data, &size),
                     -EINVAL); /* and does not wait for a writer */
}

/* Folders without write permission are opened up; links are removed, never followed. */
static void test_remove_tree(void **state)
{
    struct temp_folder *t = *state;
    struct stat st;

    put(t->fd, "outside", "o");
    assert_int_equal(fd_mkdir_beneath(t->fd, "tree/a/b", 0700, false), 0);
    put(t->fd, "tree/a/b/f", "f");
    assert_int_equal(symlinkat("../../outside", t->fd, "tree/a/link"), 0);
    assert_int_equal(symlinkat("..", t->fd, "tree/up"), 0);
    assert_int_equal(fchmodat(t->fd, "tree/a/b", 0500, 0), 0);
    assert_int_equal(fchmodat(t->fd, "tree/a", 0500, 0), 0);
    assert_int_equal(fd_remove_tree_at(t->fd, "tree"), 0);
    assert_int_equal(fstatat(t->fd, "tree", &st, 0), -1);
    assert_int_equal(fstatat(t->fd, "outside", &st, 0), 0);
    assert_int_equal(fd_remove_tree_at(t->fd, "outside"), 0);
    assert_int_equal(fd_remove_tree_at(t->fd, "outside"), -ENOENT);
}

static void test_sync(void **state)
{
    struct temp_folder *t = *state;

    assert_int_equal(fd_sync(t->fd), 0);
    assert_int_equal(fd_syncfs(t->fd), 0);
    assert_int_equal(fd_sync(-1), -EBADF);
    assert_int_equal(fd_syncfs(-1), -EBADF);
    assert_int_equal(fd_sync_dir_at(t->fd, "."), 0);
    assert_int_equal(fd_sync_dir_at(t->fd, "none"), -ENOENT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        temp_folder_test(test_read_full_and_pread),
        cmocka_unit_test(test_short_counts),
        cmocka_unit_test(test_closep),
        temp_folder_test(test_beneath_refuses_ways_out),
        temp_folder_test(test_mkdir_beneath),
        temp_folder_test(test_rename_noreplace),
        temp_folder_test(test_read_file),
        temp_folder_test(test_remove_tree),
        temp_folder_test(test_sync),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
