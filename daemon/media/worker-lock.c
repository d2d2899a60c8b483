/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The lock around the worker (see worker-lock.h). The system calls listed are those seen while probing and decoding with glibc
 * and libav, and nothing more. Opening and stat answer EACCES instead of killing, because iconv inside demuxers and C++
 * start-up code look for files and get along without; making a thread or a process kills.
 */
#include "media/worker-lock.h"

#include <errno.h>
#include <linux/landlock.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <seccomp.h>

#include "base/inject.h"
#include "media/worker-facts.h"

static int set_limit(int what, uint64_t value)
{
    struct rlimit now, limit = {value, value};

    if (getrlimit(what, &now) < 0)
        return -errno;
    if (now.rlim_max < value)
        limit = (struct rlimit){now.rlim_max, now.rlim_max};
    return setrlimit(what, &limit) < 0 ? -errno : 0;
}

/* 0 to 2 are closed as well, but for error output under the sanitizer, whose reports go there. */
static int close_all_but_ours(void)
{
    close(STDIN_FILENO);
    close(STDOUT_FILENO);
    if (!UNDER_ASAN)
        close(STDERR_FILENO);
    return close_range(WORKER_FD_OUTPUT + 1, ~0U, 0) < 0 ? -errno : 0;
}

int lock_limits(const struct lock_limits *limits)
{
    const struct {
        int what;
        uint64_t value;
    } rows[] = {
        {RLIMIT_CORE, 0},
        {RLIMIT_NOFILE, WORKER_FD_OUTPUT + 1},
        {RLIMIT_NPROC, 0},
        {RLIMIT_FSIZE, 0},
        {RLIMIT_MEMLOCK, 0},
        {RLIMIT_MSGQUEUE, 0},
        {RLIMIT_AS, UNDER_ASAN ? RLIM_INFINITY : limits->memory_bytes},
        {RLIMIT_CPU, limits->cpu_seconds},
    };
    int r = close_all_but_ours();

    if (r < 0)
        return r;
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        r = set_limit(rows[i].what, rows[i].value);
        if (r < 0)
            return r;
    }
    if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0 || prctl(PR_SET_DUMPABLE, 0) < 0 ||
        prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
        return -errno;
    return 0;
}

/* As the kernel has it since ABI 6; the header at hand may be older. */
struct ruleset {
    uint64_t fs, net, scoped;
};

/* Forbids every kind of access that this kernel's Landlock knows, with no rule that allows any. */
static int lock_landlock(bool *ret_landlock)
{
    static const int fs_bits[] = {0, 13, 14, 15, 15, 16}; /* rights known in ABI 1, 2, 3, 4, 5 and later */
    struct ruleset rules = {0};
    int off = inject_point("lock.landlock");
    long abi = off < 0 ? off : syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);
    size_t size = abi >= 6 ? sizeof rules : abi >= 4 ? 16 : 8;
    int fd, r;

    *ret_landlock = false;
    if (off < 0)
        errno = -off;
    if (abi < 1)
        return errno == ENOSYS || errno == EOPNOTSUPP ? 0 : -errno;
    rules.fs = (UINT64_C(1) << fs_bits[MIN(abi, 5)]) - 1;
    rules.net = abi >= 4 ? 3 : 0;    /* bind and connect, TCP */
    rules.scoped = abi >= 6 ? 3 : 0; /* abstract sockets and signals beyond this process */
    fd = (int)syscall(SYS_landlock_create_ruleset, &rules, size, 0);
    if (fd < 0)
        return -errno;
    r = syscall(SYS_landlock_restrict_self, fd, 0) < 0 ? -errno : 0;
    close(fd);
    *ret_landlock = r == 0;
    return r;
}

static const int allowed[] = {
    SCMP_SYS(pread64),        SCMP_SYS(read),
    SCMP_SYS(lseek),          SCMP_SYS(close),
    SCMP_SYS(fstat),          SCMP_SYS(brk),
    SCMP_SYS(munmap),         SCMP_SYS(mremap),
    SCMP_SYS(madvise),        SCMP_SYS(futex),
    SCMP_SYS(rt_sigprocmask), SCMP_SYS(rt_sigaction),
    SCMP_SYS(rt_sigreturn),   SCMP_SYS(restart_syscall),
    SCMP_SYS(sigaltstack),    SCMP_SYS(getpid),
    SCMP_SYS(gettid),         SCMP_SYS(getrusage),
    SCMP_SYS(sched_yield),    SCMP_SYS(sched_getaffinity),
    SCMP_SYS(sysinfo),        SCMP_SYS(clock_gettime),
    SCMP_SYS(gettimeofday),   SCMP_SYS(clock_nanosleep),
    SCMP_SYS(nanosleep),      SCMP_SYS(getrandom),
    SCMP_SYS(poll),           SCMP_SYS(exit),
    SCMP_SYS(exit_group),
};

static const struct {
    int call;
    int error;
} refused[] = {
    {SCMP_SYS(open), EACCES},       {SCMP_SYS(openat), EACCES},   {SCMP_SYS(openat2), EACCES},
    {SCMP_SYS(stat), EACCES},       {SCMP_SYS(lstat), EACCES},    {SCMP_SYS(newfstatat), EACCES},
    {SCMP_SYS(statx), EACCES},      {SCMP_SYS(access), EACCES},   {SCMP_SYS(faccessat), EACCES},
    {SCMP_SYS(faccessat2), EACCES}, {SCMP_SYS(readlink), EACCES}, {SCMP_SYS(readlinkat), EACCES},
    {SCMP_SYS(ioctl), ENOTTY},      {SCMP_SYS(clone3), ENOSYS},   {SCMP_SYS(prctl), EPERM},
    {SCMP_SYS(prlimit64), EPERM},   {SCMP_SYS(getrlimit), EPERM},
};

/* Rules on arguments: writing only to the answer's pipe, memory only anonymous and never executable, signals only to itself. */
static int add_argument_rules(scmp_filter_ctx ctx)
{
    pid_t self = getpid();
    int r = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(write), 1, SCMP_A0(SCMP_CMP_EQ, WORKER_FD_OUTPUT));

    if (r == 0 && UNDER_ASAN)
        r = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(write), 1, SCMP_A0(SCMP_CMP_EQ, STDERR_FILENO));
    if (r == 0)
        r = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(mmap), 2,
                             SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0),
                             SCMP_A3(SCMP_CMP_MASKED_EQ, MAP_ANONYMOUS, MAP_ANONYMOUS));
    if (r == 0)
        r = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(mprotect), 1,
                             SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0));
    if (r == 0)
        r = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(tgkill), 1,
                             SCMP_A0(SCMP_CMP_EQ, (scmp_datum_t)self));
    return r;
}

static int lock_seccomp(void)
{
    scmp_filter_ctx ctx = NULL;
    int r = inject_point("lock.seccomp");

    if (r < 0)
        return r;
    ctx = seccomp_init(SCMP_ACT_KILL_PROCESS);
    if (!ctx)
        return -ENOMEM;
    r = seccomp_attr_set(ctx, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_KILL_PROCESS);
    for (size_t i = 0; r == 0 && i < ARRAY_SIZE(allowed); i++)
        r = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, allowed[i], 0);
    for (size_t i = 0; r == 0 && i < ARRAY_SIZE(refused); i++)
        r = seccomp_rule_add(ctx, SCMP_ACT_ERRNO((uint32_t)refused[i].error), refused[i].call, 0);
    if (r == 0)
        r = add_argument_rules(ctx);
    if (r == 0)
        r = seccomp_load(ctx);
    seccomp_release(ctx);
    return r;
}

int lock_in(bool *ret_landlock)
{
    int r = lock_landlock(ret_landlock);

    return r < 0 ? r : lock_seccomp();
}
