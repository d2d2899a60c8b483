/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Asks liuhen-media what it was linked with (see run.h). It looks at nothing then, so it is not locked.
 */
#include "media/run.h"

#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fd.h"

static int spawn_version(const char *path, int output, pid_t *ret)
{
    char *argv[] = {(char *)path, (char *)"--version", NULL}, *envp[] = {NULL};
    posix_spawn_file_actions_t actions;
    int r = posix_spawn_file_actions_init(&actions);

    if (r != 0)
        return -r;
    r = posix_spawn_file_actions_adddup2(&actions, output, STDOUT_FILENO);
    if (r == 0)
        r = posix_spawn(ret, path, &actions, NULL, argv, envp);
    posix_spawn_file_actions_destroy(&actions);
    return -r;
}

int media_version(const char *path, char *ret, size_t size)
{
    _cleanup_close_ int reader = -1, writer = -1;
    int ends[2], status = 0, r;
    size_t n = 0;
    ssize_t got;
    pid_t pid;

    if (pipe2(ends, O_CLOEXEC) < 0)
        return -errno;
    reader = ends[0];
    writer = ends[1];
    r = spawn_version(path, writer, &pid);
    if (r < 0)
        return r;
    close(TAKE_FD(writer));
    while (n + 1 < size && ((got = read(reader, ret + n, size - 1 - n)) > 0 || (got < 0 && errno == EINTR)))
        n += got > 0 ? (size_t)got : 0;
    ret[n] = 0;
    ret[strcspn(ret, "\n")] = 0;
    close(TAKE_FD(reader)); /* one that says more than fits does not wait for us */
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
        ;
    return WIFEXITED(status) && WEXITSTATUS(status) == 0 && ret[0] ? 0 : -ENOEXEC;
}
