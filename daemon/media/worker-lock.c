/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Descriptors, limits and the order of the lock (see worker-lock.h); what seccomp lets through is in worker-filter.c.
 */
#include "media/worker-lock.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/landlock.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/inject.h"
#include "media/messages.h"
#include "media/worker-filter.h"

/* RLIMIT_NPROC counts all threads of the user, the daemon's too, so it only keeps a flood of threads from filling the machine; the
 * client counts those of this process (run.c). */
#define USER_THREADS_MAX 4096

static int set_limit(int what, uint64_t value)
{
    struct rlimit now, limit = {value, value};

    if (getrlimit(what, &now) < 0)
        return -errno;
    if (now.rlim_max < value)
        limit = (struct rlimit){now.rlim_max, now.rlim_max};
    return setrlimit(what, &limit) < 0 ? -errno : 0;
}

/* One second more before SIGKILL: SIGXCPU, which comes first, tells the client why. */
static int set_cpu_limit(uint64_t seconds)
{
    struct rlimit now, limit = {seconds, seconds + 1};

    if (getrlimit(RLIMIT_CPU, &now) < 0)
        return -errno;
    limit.rlim_max = MIN(limit.rlim_max, now.rlim_max);
    limit.rlim_cur = MIN(limit.rlim_cur, limit.rlim_max);
    return setrlimit(RLIMIT_CPU, &limit) < 0 ? -errno : 0;
}

/* 0 to 2 are closed as well, but for error output under the sanitizer, whose reports go there. What a verb's prepare() has opened stays only
 * where the profile is made for it: nothing else is above the files, as the client starts us without it. */
static int close_all_but_ours(const struct lock_limits *limits)
{
    unsigned above = WORKER_FD_FILES + limits->n_files;

    close(STDIN_FILENO);
    close(STDOUT_FILENO);
    if (!UNDER_ASAN)
        close(STDERR_FILENO);
    if (limits->profile == LOCK_HARDWARE)
        return 0;
    return close_range(above, ~0U, 0) < 0 ? -errno : 0;
}

static uint64_t most_fds(const struct lock_limits *limits)
{
    uint64_t fixed = WORKER_FD_FILES + limits->n_files;

    switch (limits->profile) {
    case LOCK_STILLS:
        return fixed + LOCK_FONT_FDS;
    case LOCK_HARDWARE:
        return fixed + LOCK_DEVICE_FDS;
    default:
        return fixed;
    }
}

/* What a driver has mapped by now: often more than there is memory, as it only sets addresses aside. */
static uint64_t mapped_already(void)
{
    _cleanup_close_ int fd = open("/proc/self/statm", O_RDONLY | O_CLOEXEC);
    char text[64] = "";

    if (fd < 0 || read(fd, text, sizeof text - 1) <= 0)
        return 0;
    return strtoull(text, NULL, 10) * (uint64_t)sysconf(_SC_PAGESIZE);
}

int lock_limits(const struct lock_limits *limits)
{
    uint64_t drivers = limits->profile == LOCK_HARDWARE ? mapped_already() : 0;
    const struct {
        int what;
        uint64_t value;
    } rows[] = {
        {RLIMIT_CORE, 0},
        {RLIMIT_NOFILE, most_fds(limits)},
        {RLIMIT_NPROC, limits->threads ? USER_THREADS_MAX : 0},
        {RLIMIT_FSIZE, limits->writable ? limits->file_bytes : 0},
        {RLIMIT_MEMLOCK, 0},
        {RLIMIT_MSGQUEUE, 0},
        {RLIMIT_AS, UNDER_ASAN ? RLIM_INFINITY : limits->memory_bytes + drivers},
    };
    int r = close_all_but_ours(limits);

    r = r < 0 ? r : set_cpu_limit(limits->cpu_seconds);
    if (r < 0)
        return r;
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        r = set_limit(rows[i].what, rows[i].value);
        if (r < 0)
            return r;
    }
    /* a file that grows too long is an error of its write, so that the others can still be finished */
    if (signal(SIGXFSZ, SIG_IGN) == SIG_ERR)
        return -errno;
    if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0 || prctl(PR_SET_DUMPABLE, 0) < 0 ||
        prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
        return -errno;
    return 0;
}

/* As the kernel has it since ABI 6; the header at hand may be older. */
struct ruleset {
    uint64_t fs, net, scoped;
};

/* Where fonts, their settings and the tables of documents' encodings lie. */
static int allow_fonts(int ruleset)
{
    static const char *const folders[] = {
        "/usr/share/fonts", "/usr/local/share/fonts", "/usr/share/fontconfig", "/usr/share/poppler",
        "/etc/fonts",       "/var/cache/fontconfig"};

    for (size_t i = 0; i < ARRAY_SIZE(folders); i++) {
        _cleanup_close_ int folder = open(folders[i], O_PATH | O_DIRECTORY | O_CLOEXEC);
        const struct landlock_path_beneath_attr rule = {.allowed_access = LANDLOCK_ACCESS_FS_READ_FILE |
                                                                          LANDLOCK_ACCESS_FS_READ_DIR,
                                                        .parent_fd = folder};

        if (folder < 0 && (errno == ENOENT || errno == EACCES))
            continue;
        if (folder < 0 || syscall(SYS_landlock_add_rule, ruleset, LANDLOCK_RULE_PATH_BENEATH, &rule, 0) < 0)
            return -errno;
    }
    return 0;
}

/* Forbids every kind of access that this kernel's Landlock knows; only the profile for stills has rules that allow any. */
static int lock_landlock(const struct lock_limits *limits, bool *ret_landlock)
{
    static const int fs_bits[] = {0, 13, 14, 15, 15, 16}; /* rights known in ABI 1, 2, 3, 4, 5 and later */
    struct ruleset rules = {0};
    int off = inject_point("lock.landlock");
    long abi = off < 0 ? off : syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);
    size_t size = abi >= 6 ? sizeof rules : abi >= 4 ? 16 : 8;
    _cleanup_close_ int fd = -1;
    int r;

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
    r = limits->profile == LOCK_STILLS ? allow_fonts(fd) : 0;
    if (r == 0)
        r = syscall(SYS_landlock_restrict_self, fd, 0) < 0 ? -errno : 0;
    *ret_landlock = r == 0;
    return r;
}

int lock_in(const struct lock_limits *limits, bool *ret_landlock)
{
    int r = lock_landlock(limits, ret_landlock);

    return r < 0 ? r : filter_load(limits, *ret_landlock);
}
