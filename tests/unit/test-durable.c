/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Durable replacement: the old file stands until the new one is whole, whatever fails in between, and nothing is left over.
 * Failures and kills are injected, in a child process each, as the plan is read once a process.
 */
#include "base/durable.h"

#include <dirent.h>
#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>

#include <cmocka.h>

#include "child.h"
#include "temp-folder.h"

static void assert_content(int dirfd, const char *name, const char *want)
{
    _cleanup_free_ char *data = NULL;

    assert_int_equal(fd_read_file_at(dirfd, name, 1000, &data, NULL), 0);
    assert_string_equal(data, want);
}

static int entries(int dirfd)
{
    _cleanup_dir_ DIR *dir = fdopendir(openat(dirfd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    int n = 0;

    for (struct dirent *de; (de = readdir(dir));)
        n += de->d_name[0] != '.';
    return n;
}

static void test_new_and_replaced(void **state)
{
    struct temp_folder *t = *state;
    struct stat st;

    assert_int_equal(durable_write_file(t->fd, "f", 0400, "one", 3), 0);
    assert_content(t->fd, "f", "one");
    assert_int_equal(fstatat(t->fd, "f", &st, 0), 0);
    assert_int_equal(st.st_mode & 0777, 0400);
    assert_int_equal(durable_write_file(t->fd, "f", 0600, "second", 6), 0);
    assert_content(t->fd, "f", "second");
    assert_int_equal(mkdirat(t->fd, "sub", 0700), 0);
    assert_int_equal(durable_write_file(t->fd, "sub/g", 0600, "", 0), 0);
    assert_content(t->fd, "sub/g", "");
    assert_int_equal(entries(t->fd), 2);
}

static void test_uncommitted_leaves_nothing(void **state)
{
    struct temp_folder *t = *state;
    struct durable d = DURABLE_INIT;

    assert_int_equal(durable_write_file(t->fd, "f", 0600, "old", 3), 0);
    assert_int_equal(durable_open(&d, t->fd, "f", 0600), 0);
    durable_write(&d, "new", 3);
    assert_int_equal(entries(t->fd), 2);
    durable_done(&d);
    durable_done(&d); /* twice is nothing */
    assert_content(t->fd, "f", "old");
    assert_int_equal(entries(t->fd), 1);
}

static void test_errors_stick(void **state)
{
    struct temp_folder *t = *state;
    struct durable d = DURABLE_INIT;

    durable_done(&d);
    assert_int_equal(durable_open(&d, t->fd, "none/f", 0600), -ENOENT);
    durable_write(&d, "x", 1);
    assert_int_equal(durable_commit(&d), -ENOENT);
    durable_done(&d);
    assert_int_equal(mkdirat(t->fd, "folder", 0700), 0);
    assert_int_equal(durable_write_file(t->fd, "folder", 0600, "x", 1), -EISDIR);
    assert_int_equal(entries(t->fd), 1);
}

/* A symbolic link as target is replaced, not written through. */
static void test_link_is_replaced(void **state)
{
    struct temp_folder *t = *state;

    assert_int_equal(durable_write_file(t->fd, "victim", 0600, "safe", 4), 0);
    assert_int_equal(symlinkat("victim", t->fd, "f"), 0);
    assert_int_equal(durable_write_file(t->fd, "f", 0600, "new", 3), 0);
    assert_content(t->fd, "victim", "safe");
    assert_content(t->fd, "f", "new");
}

#ifdef LIUHEN_INJECT
/* Writes "new" over "old" in a program of its own (this one, see main) with one variable set; returns its wait status
 * (exit code = -result). */
static int write_in_child(int dirfd, const char *variable, const char *value)
{
    char folder[16];

    snprintf(folder, sizeof folder, "%d", dirfd);
    assert_int_equal(fcntl(dirfd, F_SETFD, 0), 0);
    return run_again(variable, value, (const char *const[]){"test-durable", "write", folder, NULL});
}

static void test_each_step_fails_once(void **state)
{
    static const struct {
        const char *plan;
        int code;
    } before[] = {{"fd.write=ENOSPC", ENOSPC}, {"fd.sync=EIO", EIO}, {"durable.rename=EROFS", EROFS}};
    struct temp_folder *t = *state;

    for (size_t i = 0; i < ARRAY_SIZE(before); i++) {
        int status;
        assert_int_equal(durable_write_file(t->fd, "f", 0600, "old", 3), 0);
        status = write_in_child(t->fd, "LIUHEN_FAIL_AT", before[i].plan);
        assert_true(WIFEXITED(status) && WEXITSTATUS(status) == before[i].code);
        assert_content(t->fd, "f", "old");
        assert_int_equal(entries(t->fd), 1);
    }
    /* the folder's own sync fails: the new file is there, but its durability was not promised */
    assert_int_equal(WEXITSTATUS(write_in_child(t->fd, "LIUHEN_FAIL_AT", "fd.sync=EIO:2")), EIO);
    assert_content(t->fd, "f", "new");
}

static void test_killed_before_rename(void **state)
{
    struct temp_folder *t = *state;
    int status;

    assert_int_equal(durable_write_file(t->fd, "f", 0600, "old", 3), 0);
    status = write_in_child(t->fd, "LIUHEN_KILL_AT", "durable.rename");
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
    assert_content(t->fd, "f", "old");
    assert_int_equal(durable_write_file(t->fd, "f", 0600, "third", 5), 0);
    assert_content(t->fd, "f", "third");
}
#endif

int main(int argc, char **argv)
{
    if (argc == 3 && strcmp(argv[1], "write") == 0)
        return -durable_write_file(atoi(argv[2]), "f", 0600, "new", 3) & 0xFF;

    const struct CMUnitTest tests[] = {
        temp_folder_test(test_new_and_replaced),     temp_folder_test(test_uncommitted_leaves_nothing),
        temp_folder_test(test_errors_stick),         temp_folder_test(test_link_is_replaced),
#ifdef LIUHEN_INJECT
        temp_folder_test(test_each_step_fails_once), temp_folder_test(test_killed_before_rename),
#endif
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
