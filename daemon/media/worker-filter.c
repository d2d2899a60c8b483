/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The seccomp filter (see worker-filter.h). What is listed are the system calls seen with glibc, libav and x264 at work, and nothing more.
 * Opening and stat answer EACCES instead of killing, because iconv inside demuxers and C++ start-up code look for files and get along
 * without. A rule on an argument compares all 64 bits where the kernel looks at 32 of a descriptor: so descriptors are listed one by one, and
 * a call with other bits set is none of them and kills ("greater than" would let it pass).
 */
#include "media/worker-filter.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <seccomp.h>

#include "base/inject.h"
#include "media/messages.h"

struct filter {
    scmp_filter_ctx ctx;
    const struct lock_limits *limits;
    bool may_open;
    int result; /* sticky: the first rule that could not be added */
};

static const int allowed[] = {
    SCMP_SYS(close),
    SCMP_SYS(fstat),
    SCMP_SYS(brk),
    SCMP_SYS(munmap),
    SCMP_SYS(mremap),
    SCMP_SYS(madvise),
    SCMP_SYS(futex),
    SCMP_SYS(rt_sigprocmask),
    SCMP_SYS(rt_sigaction),
    SCMP_SYS(rt_sigreturn),
    SCMP_SYS(restart_syscall),
    SCMP_SYS(sigaltstack),
    SCMP_SYS(getpid),
    SCMP_SYS(gettid),
    SCMP_SYS(getrusage),
    SCMP_SYS(sched_yield),
    SCMP_SYS(sched_getaffinity),
    SCMP_SYS(sysinfo),
    SCMP_SYS(clock_gettime),
    SCMP_SYS(gettimeofday),
    SCMP_SYS(clock_nanosleep),
    SCMP_SYS(nanosleep),
    SCMP_SYS(getrandom),
    SCMP_SYS(poll),
    SCMP_SYS(exit),
    SCMP_SYS(exit_group),
};

/* Also where threads may be started. */
static const int allowed_threads[] = {SCMP_SYS(set_robust_list), SCMP_SYS(rseq), SCMP_SYS(set_tid_address)};

struct refusal {
    int call, error;
};

static const struct refusal refused[] = {
    {SCMP_SYS(clone3), ENOSYS}, /* glibc then asks clone, whose flags can be seen */
    {SCMP_SYS(prlimit64), EPERM},
    {SCMP_SYS(getrlimit), EPERM},
};

/* Looking for files. */
static const struct refusal refused_files[] = {
    {SCMP_SYS(open), EACCES},       {SCMP_SYS(openat), EACCES},   {SCMP_SYS(openat2), EACCES},
    {SCMP_SYS(stat), EACCES},       {SCMP_SYS(lstat), EACCES},    {SCMP_SYS(newfstatat), EACCES},
    {SCMP_SYS(statx), EACCES},      {SCMP_SYS(access), EACCES},   {SCMP_SYS(faccessat), EACCES},
    {SCMP_SYS(faccessat2), EACCES}, {SCMP_SYS(readlink), EACCES}, {SCMP_SYS(readlinkat), EACCES},
};

/* Once opening is possible: what fontconfig needs to find its fonts. Landlock does not stop stat: that a path exists, and its size, can be
 * seen by this profile (and told to nobody but the answer, which is checked). */
static const int allowed_fonts[] = {
    SCMP_SYS(getdents64), SCMP_SYS(stat),       SCMP_SYS(lstat),     SCMP_SYS(newfstatat),
    SCMP_SYS(statx),      SCMP_SYS(access),     SCMP_SYS(faccessat), SCMP_SYS(faccessat2),
    SCMP_SYS(readlink),   SCMP_SYS(readlinkat), SCMP_SYS(fstatfs),   SCMP_SYS(statfs),
};
/* and what it tries in order to renew its cache, which it can do without */
static const struct refusal refused_fonts[] = {
    {SCMP_SYS(openat2), EACCES}, {SCMP_SYS(mkdir), EACCES},    {SCMP_SYS(mkdirat), EACCES},
    {SCMP_SYS(unlink), EACCES},  {SCMP_SYS(unlinkat), EACCES}, {SCMP_SYS(rename), EACCES},
    {SCMP_SYS(link), EACCES},    {SCMP_SYS(chmod), EACCES},    {SCMP_SYS(utimensat), EACCES},
};

static void rule(struct filter *f, uint32_t action, int call, unsigned n, const struct scmp_arg_cmp *args)
{
    if (f->result == 0)
        f->result = seccomp_rule_add_array(f->ctx, action, call, n, args);
}

static void allow(struct filter *f, const int *calls, size_t n)
{
    for (size_t i = 0; i < n; i++)
        rule(f, SCMP_ACT_ALLOW, calls[i], 0, NULL);
}

static void refuse(struct filter *f, const struct refusal *rows, size_t n)
{
    for (size_t i = 0; i < n; i++)
        rule(f, SCMP_ACT_ERRNO((uint32_t)rows[i].error), rows[i].call, 0, NULL);
}

static void allow_if(struct filter *f, int call, struct scmp_arg_cmp arg)
{
    rule(f, SCMP_ACT_ALLOW, call, 1, &arg);
}

static void allow_fd(struct filter *f, int call, int fd)
{
    allow_if(f, call, SCMP_A0(SCMP_CMP_EQ, (scmp_datum_t)fd));
}

/* Codecs that complain to standard output or error find it closed, as it is; they do not die of it. */
static void printing(struct filter *f)
{
    static const int calls[] = {SCMP_SYS(write), SCMP_SYS(writev)};

    for (size_t i = 0; i < ARRAY_SIZE(calls); i++)
        for (int fd = STDOUT_FILENO; fd <= STDERR_FILENO; fd++)
            rule(f, UNDER_ASAN && fd == STDERR_FILENO ? SCMP_ACT_ALLOW : SCMP_ACT_ERRNO(EBADF), calls[i], 1,
                 (struct scmp_arg_cmp[]){SCMP_A0(SCMP_CMP_EQ, (scmp_datum_t)fd)});
}

/* Reading in place from the recording, the plan and the files; writing to the pipe and to the files that are to be filled. The offset of the
 * recording's descriptor is the daemon's as well, so neither read nor lseek touch it. */
static void descriptors(struct filter *f)
{
    static const int reading[] = {SCMP_SYS(pread64), SCMP_SYS(read), SCMP_SYS(lseek)};
    static const int writing[] = {SCMP_SYS(pwrite64), SCMP_SYS(write), SCMP_SYS(ftruncate)};

    allow_fd(f, SCMP_SYS(pread64), WORKER_FD_INPUT);
    allow_fd(f, SCMP_SYS(pread64), WORKER_FD_PLAN);
    allow_fd(f, SCMP_SYS(write), WORKER_FD_OUTPUT);
    printing(f);
    for (unsigned i = 0; i < f->limits->n_files; i++) {
        int fd = WORKER_FD_FILES + (int)i;

        for (size_t c = 0; c < ARRAY_SIZE(reading); c++)
            allow_fd(f, reading[c], fd);
        for (size_t c = 0; (f->limits->writable >> i & 1) && c < ARRAY_SIZE(writing); c++)
            allow_fd(f, writing[c], fd);
    }
}

/* Memory only anonymous and never executable, so that nothing written can be run; signals only to itself. */
static void memory_and_signals(struct filter *f)
{
    const struct scmp_arg_cmp anonymous[] = {SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0),
                                             SCMP_A3(SCMP_CMP_MASKED_EQ, MAP_ANONYMOUS, MAP_ANONYMOUS)};

    rule(f, SCMP_ACT_ALLOW, SCMP_SYS(mmap), ARRAY_SIZE(anonymous), anonymous);
    allow_if(f, SCMP_SYS(mprotect), SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0));
    allow_if(f, SCMP_SYS(tgkill), SCMP_A0(SCMP_CMP_EQ, (scmp_datum_t)getpid()));
}

/* Threads as pthread_create makes them: any other set of flags is a process, or a thread with something of its own. */
static void threads(struct filter *f)
{
    const uint64_t flags = CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SYSVSEM | CLONE_SIGHAND | CLONE_THREAD |
                           CLONE_SETTLS | CLONE_PARENT_SETTID | CLONE_CHILD_CLEARTID;

    if (f->limits->threads == 0) {
        rule(f, SCMP_ACT_ERRNO(EPERM), SCMP_SYS(prctl), 0, NULL);
        return;
    }
    allow(f, allowed_threads, ARRAY_SIZE(allowed_threads));
    allow_if(f, SCMP_SYS(clone), SCMP_A0(SCMP_CMP_EQ, flags));
    allow_if(f, SCMP_SYS(prctl), SCMP_A0(SCMP_CMP_EQ, PR_SET_NAME));
    rule(f, SCMP_ACT_ERRNO(EPERM), SCMP_SYS(prctl), 1,
         (struct scmp_arg_cmp[]){SCMP_A0(SCMP_CMP_NE, PR_SET_NAME)});
}

/* Opening read-only, where Landlock allows it; in every other way it is refused. arg: which argument has the flags. */
static void opening(struct filter *f, int call, unsigned arg)
{
    const struct {
        uint64_t mask, value;
        uint32_t action;
    } rows[] = {{O_ACCMODE | O_CREAT | O_TRUNC, O_RDONLY, SCMP_ACT_ALLOW},
                {O_ACCMODE | O_CREAT, O_RDONLY | O_CREAT, SCMP_ACT_ERRNO(EACCES)},
                {O_ACCMODE, O_WRONLY, SCMP_ACT_ERRNO(EACCES)},
                {O_ACCMODE, O_RDWR, SCMP_ACT_ERRNO(EACCES)}};

    for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
        rule(f, rows[i].action, call, 1,
             (struct scmp_arg_cmp[]){SCMP_CMP(arg, SCMP_CMP_MASKED_EQ, rows[i].mask, rows[i].value)});
}

/* Whatever is opened lands on one of these: 0 to 2 are free, and so are those above the files. */
static void allow_free_fds(struct filter *f, int call, int n)
{
    const int above = WORKER_FD_FILES + (int)f->limits->n_files;

    for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
        allow_fd(f, call, fd);
    for (int fd = above; fd < above + n; fd++)
        allow_fd(f, call, fd);
}

/* Only what is asked of a descriptor itself. Others of fcntl's commands name a process, any of this user's, and a signal for it (F_SETOWN,
 * F_SETSIG), and F_NOTIFY sends it as soon as a folder is read. What libraries may try is refused, the rest kills. */
static void commands(struct filter *f)
{
    static const int harmless[] = {F_GETFD, F_SETFD, F_GETFL};

    for (size_t i = 0; i < ARRAY_SIZE(harmless); i++)
        allow_if(f, SCMP_SYS(fcntl), SCMP_A1(SCMP_CMP_EQ, (scmp_datum_t)harmless[i]));
    rule(f, SCMP_ACT_ERRNO(EPERM), SCMP_SYS(fcntl), 1,
         (struct scmp_arg_cmp[]){SCMP_A1(SCMP_CMP_EQ, F_SETFL)});
    rule(f, SCMP_ACT_ERRNO(EPERM), SCMP_SYS(fcntl), 1,
         (struct scmp_arg_cmp[]){SCMP_A1(SCMP_CMP_EQ, F_SETLKW)});
}

static void fonts(struct filter *f)
{
    static const int reading[] = {SCMP_SYS(pread64), SCMP_SYS(read), SCMP_SYS(lseek)};
    const struct scmp_arg_cmp mapped[] = {SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0),
                                          SCMP_A3(SCMP_CMP_MASKED_EQ, MAP_TYPE, MAP_PRIVATE)};

    allow(f, allowed_fonts, ARRAY_SIZE(allowed_fonts));
    refuse(f, refused_fonts, ARRAY_SIZE(refused_fonts));
    opening(f, SCMP_SYS(open), 1);
    opening(f, SCMP_SYS(openat), 2);
    rule(f, SCMP_ACT_ALLOW, SCMP_SYS(mmap), ARRAY_SIZE(mapped), mapped);
    for (size_t i = 0; i < ARRAY_SIZE(reading); i++)
        allow_free_fds(f, reading[i], LOCK_FONT_FDS);
    commands(f);
}

/* Devices lie above the files: what prepare() left open. They are driven by ioctl and shared memory. */
static void devices(struct filter *f)
{
    const int above = WORKER_FD_FILES + (int)f->limits->n_files;

    for (int fd = above; fd < above + LOCK_DEVICE_FDS; fd++) {
        const struct scmp_arg_cmp mapped[] = {SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0),
                                              SCMP_A4(SCMP_CMP_EQ, (scmp_datum_t)fd)};

        allow_fd(f, SCMP_SYS(ioctl), fd);
        rule(f, SCMP_ACT_ALLOW, SCMP_SYS(fcntl), 2,
             (struct scmp_arg_cmp[]){SCMP_A0(SCMP_CMP_EQ, (scmp_datum_t)fd),
                                     SCMP_A1(SCMP_CMP_EQ, F_DUPFD_CLOEXEC)});
        rule(f, SCMP_ACT_ALLOW, SCMP_SYS(mmap), ARRAY_SIZE(mapped), mapped);
    }
    commands(f);
    for (int fd = 0; fd < above; fd++)
        rule(f, SCMP_ACT_ERRNO(ENOTTY), SCMP_SYS(ioctl), 1,
             (struct scmp_arg_cmp[]){SCMP_A0(SCMP_CMP_EQ, (scmp_datum_t)fd)});
}

static int fill(struct filter *f)
{
    allow(f, allowed, ARRAY_SIZE(allowed));
    refuse(f, refused, ARRAY_SIZE(refused));
    descriptors(f);
    memory_and_signals(f);
    threads(f);
    if (f->may_open)
        fonts(f);
    else
        refuse(f, refused_files, ARRAY_SIZE(refused_files));
    if (f->limits->profile == LOCK_HARDWARE)
        devices(f);
    else
        rule(f, SCMP_ACT_ERRNO(ENOTTY), SCMP_SYS(ioctl), 0, NULL);
    return f->result;
}

int filter_load(const struct lock_limits *limits, bool landlock)
{
    struct filter f = {.limits = limits, .may_open = limits->profile == LOCK_STILLS && landlock};
    int r = inject_point("lock.seccomp");

    if (r < 0)
        return r;
    f.ctx = seccomp_init(SCMP_ACT_KILL_PROCESS);
    if (!f.ctx)
        return -ENOMEM;
    r = seccomp_attr_set(f.ctx, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_KILL_PROCESS);
    if (r == 0 && limits->profile == LOCK_HARDWARE) /* drivers have threads by now */
        r = seccomp_attr_set(f.ctx, SCMP_FLTATR_CTL_TSYNC, 1);
    if (r == 0)
        r = fill(&f);
    if (r == 0)
        r = seccomp_load(f.ctx);
    seccomp_release(f.ctx);
    return r;
}
