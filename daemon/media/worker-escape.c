/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Attempts to get out of the lock, and ways to die, for tests (see worker-escape.h). Not part of a release build.
 */
#include "media/worker-escape.h"

#ifdef LIUHEN_INJECT
#include <errno.h>
#include <fcntl.h>
#include <linux/io_uring.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "media/worker-facts.h"
#include "media/worker-say.h"

static long try_open(void)
{
    return open("/etc/passwd", O_RDONLY);
}

static long try_socket(void)
{
    return socket(AF_UNIX, SOCK_STREAM, 0);
}

static long try_exec(void)
{
    char *argv[] = {(char *)"/bin/true", NULL};

    return execv(argv[0], argv);
}

static long try_fork(void)
{
    return syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0);
}

static long try_ptrace(void)
{
    return ptrace(PTRACE_ATTACH, getpid(), NULL, NULL);
}

static long try_mprotect_exec(void)
{
    void *p = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    return p == MAP_FAILED ? -1 : mprotect(p, 4096, PROT_READ | PROT_EXEC);
}

static long try_mmap_exec(void)
{
    return mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) == MAP_FAILED ? -1 : 0;
}

static long try_mmap_file(void)
{
    return mmap(NULL, 4096, PROT_READ, MAP_PRIVATE, WORKER_FD_INPUT, 0) == MAP_FAILED ? -1 : 0;
}

static long try_stat(void)
{
    struct stat st;

    return syscall(SYS_newfstatat, AT_FDCWD, "/etc/passwd", &st, AT_EMPTY_PATH);
}

static long try_io_uring(void)
{
    struct io_uring_params p = {0};

    return syscall(SYS_io_uring_setup, 4, &p);
}

static long try_memfd(void)
{
    return memfd_create("x", 0);
}

static long try_write_input(void)
{
    return write(WORKER_FD_INPUT, "x", 1);
}

static long try_truncate_input(void)
{
    return ftruncate(WORKER_FD_INPUT, 0);
}

static long try_kill_parent(void)
{
    return kill(getppid(), 0);
}

static long try_unlock(void)
{
    return syscall(SYS_seccomp, 0, 0, NULL);
}

static long die_crash(void)
{
    volatile int *volatile nowhere = NULL;

    return *nowhere;
}

static long die_abort(void)
{
    abort();
}

static long die_loop(void)
{
    volatile bool forever = true;

    while (forever)
        ;
    return 0;
}

static long die_stop(void)
{
    return raise(SIGSTOP);
}

static long die_memory(void)
{
    for (;;) {
        char *p = malloc((size_t)16 << 20);

        if (!p)
            _exit(WORKER_EXIT_MEMORY);
        memset(p, 1, (size_t)16 << 20);
    }
}

static long die_flood(void)
{
    static char block[8192];

    memset(block, '[', sizeof block);
    while (write(WORKER_FD_OUTPUT, block, sizeof block) > 0)
        ;
    return 0;
}

static long answer(const char *text)
{
    say_answer(text, strlen(text));
    return 0;
}

static long lie_silent(void)
{
    return 0;
}

static long lie_garbage(void)
{
    return answer("this is not JSON");
}

static long lie_real(void)
{
    return answer("{\"kind\":\"video\",\"media\":{\"bytes\":1.5},\"message\":\"\",\"status\":\"ok\"}");
}

static long lie_key(void)
{
    return answer("{\"kind\":\"video\",\"media\":{\"owner\":\"me\"},\"message\":\"\",\"status\":\"ok\"}");
}

static long lie_kind(void)
{
    return answer("{\"kind\":\"ledger\",\"media\":{},\"message\":\"\",\"status\":\"ok\"}");
}

static long lie_range(void)
{
    return answer("{\"kind\":\"photo\",\"media\":{\"gps\":{\"lat_e7\":900000001,\"lon_e7\":0}},\"message\":"
                  "\"\",\"status\":\"ok\"}");
}

static const struct {
    const char *name;
    long (*attempt)(void);
} attempts[] = {
    {"open", try_open},
    {"socket", try_socket},
    {"exec", try_exec},
    {"fork", try_fork},
    {"ptrace", try_ptrace},
    {"mprotect-exec", try_mprotect_exec},
    {"mmap-exec", try_mmap_exec},
    {"mmap-file", try_mmap_file},
    {"stat-empty-path", try_stat},
    {"io_uring", try_io_uring},
    {"memfd", try_memfd},
    {"write-input", try_write_input},
    {"truncate-input", try_truncate_input},
    {"kill-parent", try_kill_parent},
    {"unlock", try_unlock},
    {"crash", die_crash},
    {"abort", die_abort},
    {"loop", die_loop},
    {"stop", die_stop},
    {"memory", die_memory},
    {"flood", die_flood},
    {"silent", lie_silent},
    {"garbage", lie_garbage},
    {"real", lie_real},
    {"key", lie_key},
    {"kind", lie_kind},
    {"range", lie_range},
};

int escape_attempt(const char *what)
{
    for (size_t i = 0; i < ARRAY_SIZE(attempts); i++)
        if (strcmp(what, attempts[i].name) == 0)
            return attempts[i].attempt() < 0 ? 1 : 0;
    return 2;
}

bool escape_wanted(struct input *in, char what[ESCAPE_NAME_MAX])
{
    static const char magic[] = "LIUHEN-TEST-ESCAPE ";
    char head[sizeof magic + ESCAPE_NAME_MAX] = "";

    if (input_pread(in, head, sizeof head - 1, 0) < (ssize_t)sizeof magic ||
        strncmp(head, magic, sizeof magic - 1) != 0)
        return false;
    snprintf(what, ESCAPE_NAME_MAX, "%.*s", (int)strcspn(head + sizeof magic - 1, "\n"),
             head + sizeof magic - 1);
    return true;
}
#else
typedef int escape_is_off;
#endif
