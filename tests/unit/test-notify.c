/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Words to the service manager: they arrive by path and by abstract address, and a manager that does not read holds nobody up.
 */
#include "base/notify.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

static int manager(const char *path)
{
    struct sockaddr_un at = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    size_t n = strlen(path);

    assert_true(fd >= 0 && n < sizeof at.sun_path);
    memcpy(at.sun_path, path, n);
    if (path[0] == '@')
        at.sun_path[0] = 0;
    assert_int_equal(bind(fd, (struct sockaddr *)&at,
                          (socklen_t)(offsetof(struct sockaddr_un, sun_path) + n + (path[0] == '/'))),
                     0);
    setenv("NOTIFY_SOCKET", path, 1);
    return fd;
}

static void assert_heard(int fd, const char *wanted)
{
    char text[200] = "";

    assert_true(recv(fd, text, sizeof text - 1, 0) >= 0);
    assert_string_equal(text, wanted);
}

static void test_both_kinds_of_address(void **state)
{
    char folder[] = "/tmp/liuhen-XXXXXX", path[100]; /* short: an address holds 107 bytes */
    int fd;

    assert_non_null(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/notify", folder);
    fd = manager(path);
    notify_status("STATUS=%d files", 3);
    assert_int_equal(notify_state("READY=1"), 1);
    assert_heard(fd, "STATUS=3 files");
    assert_heard(fd, "READY=1");
    close(fd);
    unlink(path);
    rmdir(folder);
    snprintf(path, sizeof path, "@liuhen-test-%d", (int)getpid());
    fd = manager(path);
    assert_int_equal(notify_state("STOPPING=1"), 1);
    assert_heard(fd, "STOPPING=1");
    close(fd);
}

static void test_nobody_asked(void **state)
{
    unsetenv("NOTIFY_SOCKET");
    assert_int_equal(notify_state("READY=1"), 0);
    setenv("NOTIFY_SOCKET", "no/absolute/path", 1);
    assert_int_equal(notify_state("READY=1"), -EINVAL);
    setenv("NOTIFY_SOCKET", "/there/is/nobody", 1);
    assert_int_equal(notify_state("READY=1"), -ENOENT);
    notify_status("STATUS=lost");
}

/* More words than any queue of datagrams holds: this test would never end if one of them waited. */
static void test_manager_does_not_read(void **state)
{
    char path[100], text[200];
    int fd, heard = 0;

    snprintf(path, sizeof path, "@liuhen-full-%d", (int)getpid());
    fd = manager(path);
    for (int i = 0; i < 5000; i++)
        notify_status("STATUS=%d", i);
    assert_int_equal(notify_state("READY=1"), -EAGAIN);
    while (recv(fd, text, sizeof text, 0) >= 0)
        heard++;
    assert_true(heard > 0 && heard < 5000);
    assert_int_equal(notify_state("READY=1"), 1);
    assert_heard(fd, "READY=1");
    close(fd);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_both_kinds_of_address),
        cmocka_unit_test(test_nobody_asked),
        cmocka_unit_test(test_manager_does_not_read),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
