/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The client of the locked programs against the real ones: every attempt to get out of each profile of the lock, every way to die or hang, every
 * lie, and the limits, pauses and shares that it keeps. The attempts exist in INJECT builds only (worker-escape.h).
 */
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/fd.h"
#include "media/run-pace.h"
#include "media/run.h"

static char worker[4096];

static int memory_file(const void *data, size_t size)
{
    int fd = memfd_create("run", MFD_CLOEXEC);

    assert_true(fd >= 0);
    assert_int_equal(fd_write_full(fd, data, size), 0);
    return fd;
}

static int read_only(const char *text)
{
    _cleanup_close_ int fd = memory_file(text, strlen(text));
    char path[40];
    int copy;

    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    copy = open(path, O_RDONLY | O_CLOEXEC);
    assert_true(copy >= 0);
    return copy;
}

static void test_missing_programs(void **state)
{
    struct media_request q = {.verb = "probe", .input = -1};
    struct media_result r;
    struct error err = ERROR_INIT;

    assert_int_equal(media_run("/nonexistent/liuhen-media", &q, &r, &err), -ENOENT);
    assert_string_equal(err.object, "/nonexistent/liuhen-media");
    error_clear(&err);
    q.program = MEDIA_STILLS;
    assert_int_equal(media_run("/nonexistent/liuhen-media", &q, &r, &err), -ENOENT);
    assert_string_equal(err.object, "/nonexistent/liuhen-stills");
    error_clear(&err);
    assert_int_equal(media_check(worker, &err), 0);
    assert_int_equal(media_check("/bin/true", &err), -ENOENT);
    assert_string_equal(err.object, "/bin/liuhen-stills");
    assert_non_null(strstr(err.text, "media.worker"));
}

static void test_requests_that_cannot_be(void **state)
{
    _cleanup_close_ int fd = memory_file("x", 1), dir = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    _cleanup_json_ json_t *two = json_pack("{s:[ss]}", "files", "a", "b");
    struct media_request q = {.verb = "derive", .input = fd, .plan = two, .files = &fd, .n_files = 1};
    struct media_result r;
    struct error err = ERROR_INIT;

    assert_int_equal(media_run(worker, &q, &r, &err), -EINVAL); /* the plan names two files */
    q = (struct media_request){.verb = "probe", .input = dir};
    assert_int_equal(media_run(worker, &q, &r, NULL), -EINVAL);
    q = (struct media_request){.verb = "paint", .input = fd}; /* a verb that there is not */
    error_clear(&err);
    assert_int_equal(media_run(worker, &q, &r, &err), -ENOEXEC);
    assert_non_null(strstr(err.text, "not a media worker"));
    q.verb = "probe";
    q.input = -1; /* a verb that wants a recording */
    assert_int_equal(media_run(worker, &q, &r, NULL), -ENOEXEC);
}

static void test_a_file_for_the_other_program(void **state)
{
    static const char heic[] = "\0\0\0\x18"
                               "ftypheic\0\0\0\0mif1heic";
    _cleanup_close_ int fd = memory_file(heic, sizeof heic - 1);
    struct media_request q = {.verb = "probe", .input = fd};
    _cleanup_(media_result_done) struct media_result r = {0};

    assert_int_equal(media_run(worker, &q, &r, NULL), 0);
    assert_true(r.elsewhere);
    assert_null(r.answer);
    q.program = MEDIA_STILLS;
    assert_int_equal(media_run(worker, &q, &r, NULL), 0);
    assert_false(r.elsewhere);
    assert_int_equal(r.status, MEDIA_DAMAGED);
    assert_string_equal(json_get_string(r.answer, "kind"), "photo");
}

#ifdef LIUHEN_INJECT

/* A run of an attempt, with a file to be filled and one that is only read. */
struct trial {
    enum media_program program;
    const char *verb;
    struct media_limits limits;
    bool (*may_run)(void *userdata);
    void (*on_progress)(void *userdata, unsigned permille, int64_t at_usec);
    void *userdata;
    int stop_fd, returned;
    off_t input_size, file_size;
    struct error err;
};

static void try_it(const char *what, struct trial *t, struct media_result *ret)
{
    char text[80];
    struct media_request q = {.program = t->program,
                              .verb = t->verb,
                              .n_files = 2,
                              .limits = t->limits,
                              .stop_fd = t->stop_fd,
                              .may_run = t->may_run,
                              .on_progress = t->on_progress,
                              .userdata = t->userdata};
    _cleanup_json_ json_t *plan = json_pack("{s:[ss]}", "files", "proxy.mp4", "mark.gray");
    _cleanup_close_ int file = memory_file("", 0), mark = read_only("grey");
    const int files[] = {file, mark};
    struct stat st;

    if (!q.limits.deadline_usec)
        q.limits.deadline_usec = 60 * USEC_PER_SEC;
    if (!q.limits.file_bytes)
        q.limits.file_bytes = 1 << 20;
    snprintf(text, sizeof text, "LIUHEN-TEST-ESCAPE %s\n", what);
    q.input = memory_file(text, strlen(text)); /* open both ways: only the lock keeps it from being written */
    q.files = files;
    q.plan = plan;
    t->returned = media_run(worker, &q, ret, &t->err);
    assert_int_equal(fstat(q.input, &st), 0);
    t->input_size = st.st_size - (off_t)strlen(text);
    assert_int_equal(lseek(q.input, 0, SEEK_CUR), (off_t)strlen(text));
    close(q.input);
    assert_int_equal(fstat(file, &st), 0);
    t->file_size = st.st_size;
}

#define KILLED  "SIGSYS (forbidden system call)"
#define REFUSED "exit status 1"
#define DONE    "ended without an answer" /* it was possible, and exit status 0 */
#define SAME    NULL

/* How each attempt ends in each profile; SAME as in the one before it. Whatever is not listed kills in all. */
static const struct {
    const char *what, *probe, *encode, *stills, *hardware;
} attempts[] = {
    {"open", REFUSED, SAME, SAME, SAME},
    {"open-proc", REFUSED, SAME, SAME, SAME},
    {"open-font-folder", REFUSED, SAME, DONE, REFUSED},
    {"open-beside-fonts", REFUSED, SAME, SAME, SAME},
    {"open-to-write", REFUSED, SAME, SAME, SAME},
    {"create", REFUSED, SAME, SAME, SAME},
    {"tmpfile", REFUSED, SAME, SAME, SAME},
    {"openat2", REFUSED, SAME, SAME, SAME},
    {"unlink", KILLED, SAME, REFUSED, KILLED},
    {"stat-empty-path", REFUSED, SAME, DONE, REFUSED},
    {"ioctl", REFUSED, SAME, SAME, SAME},
    {"clone3", REFUSED, SAME, SAME, SAME},
    {"thread", KILLED, DONE, SAME, SAME},
    {"mmap-file", KILLED, SAME, DONE, KILLED},
    {"pwrite-file", KILLED, DONE, SAME, SAME},
    {"truncate-file", KILLED, DONE, SAME, SAME},
    {"pread-second", DONE, SAME, SAME, SAME},
    {"seek-input", KILLED, SAME, SAME, SAME},
    {"prctl-seccomp", REFUSED, SAME, SAME, SAME},
    {"prctl-dumpable", REFUSED, SAME, SAME, SAME},
    {"prctl-name", REFUSED, DONE, SAME, SAME},
    {"prlimit", REFUSED, SAME, SAME, SAME},
    {"watch", KILLED, SAME, SAME, SAME},
    {"owner", KILLED, SAME, SAME, SAME},
    {"lease", KILLED, SAME, SAME, SAME},
    {"reopen-input", REFUSED, SAME, SAME, SAME},
    /* the recording is memory here, which has no path that Landlock could refuse; and it may be read */
    {"reopen-to-read", REFUSED, SAME, DONE, REFUSED},
    {"sparse", KILLED, REFUSED, SAME, SAME},
    {"sparse-write", KILLED, REFUSED, SAME, SAME},
    {"fallocate-file", KILLED, SAME, SAME, SAME},
    {"fcntl-pipe", KILLED, SAME, SAME, SAME},
    {"by-handle", KILLED, SAME, SAME, SAME},
    {"chroot", KILLED, SAME, SAME, SAME},
    {"mount", KILLED, SAME, SAME, SAME},
    {"socket", KILLED, SAME, SAME, SAME},
    {"socket-inet", KILLED, SAME, SAME, SAME},
    {"socketpair", KILLED, SAME, SAME, SAME},
    {"connect-abstract", KILLED, SAME, SAME, SAME},
    {"memfd", KILLED, SAME, SAME, SAME},
    {"io_uring", KILLED, SAME, SAME, SAME},
    {"keyctl", KILLED, SAME, SAME, SAME},
    {"add-key", KILLED, SAME, SAME, SAME},
    {"bpf", KILLED, SAME, SAME, SAME},
    {"perf", KILLED, SAME, SAME, SAME},
    {"userfaultfd", KILLED, SAME, SAME, SAME},
    {"shm", KILLED, SAME, SAME, SAME},
    {"pipe", KILLED, SAME, SAME, SAME},
    {"dup", KILLED, SAME, SAME, SAME},
    {"splice", KILLED, SAME, SAME, SAME},
    {"exec", KILLED, SAME, SAME, SAME},
    {"execveat", KILLED, SAME, SAME, SAME},
    {"fork", KILLED, SAME, SAME, SAME},
    {"real-fork", KILLED, SAME, SAME, SAME},
    {"vfork-clone", KILLED, SAME, SAME, SAME},
    {"namespace", KILLED, SAME, SAME, SAME},
    {"unshare", KILLED, SAME, SAME, SAME},
    {"clone-flags", KILLED, SAME, SAME, SAME},
    {"ptrace", KILLED, SAME, SAME, SAME},
    {"vm-readv", KILLED, SAME, SAME, SAME},
    {"pidfd-open", KILLED, SAME, SAME, SAME},
    {"pidfd-getfd", KILLED, SAME, SAME, SAME},
    {"kill-parent", KILLED, SAME, SAME, SAME},
    {"tgkill-other", KILLED, SAME, SAME, SAME},
    {"sigqueue", KILLED, SAME, SAME, SAME},
    {"setscheduler", KILLED, SAME, SAME, SAME},
    {"setpriority", KILLED, SAME, SAME, SAME},
    {"mmap-exec", KILLED, SAME, SAME, SAME},
    {"mmap-write-exec", KILLED, SAME, SAME, SAME},
    {"mmap-shared", KILLED, SAME, SAME, SAME},
    {"mmap-file-exec", KILLED, SAME, SAME, SAME},
    {"mprotect-exec", KILLED, SAME, SAME, SAME},
    {"pkey-mprotect", KILLED, SAME, SAME, SAME},
    {"personality", KILLED, SAME, SAME, SAME},
    {"write-input", KILLED, SAME, SAME, SAME},
    {"pwrite-input", KILLED, SAME, SAME, SAME},
    {"truncate-input", KILLED, SAME, SAME, SAME},
    {"fcntl-input", KILLED, SAME, REFUSED, SAME},
    {"fallocate-input", KILLED, SAME, SAME, SAME},
    {"pwrite-plan", KILLED, SAME, SAME, SAME},
    {"pwrite-second", KILLED, SAME, SAME, SAME},
    {"write-second", KILLED, SAME, SAME, SAME},
    {"pwrite-beyond", KILLED, SAME, SAME, SAME},
    {"write-high-bits", KILLED, SAME, SAME, SAME},
    {"unlock", KILLED, SAME, SAME, SAME},
    {"setrlimit", KILLED, SAME, SAME, SAME},
    {"landlock", KILLED, SAME, SAME, SAME},
#ifdef __x86_64__
    {"int80", KILLED, SAME, SAME, SAME},
    {"x32", KILLED, SAME, SAME, SAME},
#endif
};

/* Return: whether it ended otherwise than it must. */
static bool wrong_end(enum media_program program, const char *verb, const char *what, const char *expected)
{
    struct trial t = {
        .program = program, .verb = verb, .limits = {.threads = strcmp(verb, "test-probe") ? 4 : 0}};
    _cleanup_(media_result_done) struct media_result r = {0};

    try_it(what, &t, &r);
    if (t.returned == 0 && r.status == MEDIA_FAILED && strstr(r.message, expected) && t.input_size == 0 &&
        !r.bytes[0])
        return false;
    print_error("%s %s: %d, %s, not %s\n", verb, what, t.returned, r.message, expected);
    return true;
}

static void test_escapes(void **state)
{
    static const char *const verbs[] = {"test-probe", "test-encode", "test-stills", "test-hardware"};
    unsigned wrong = 0;

    for (size_t i = 0; i < ARRAY_SIZE(attempts); i++) {
        const char *const columns[] = {attempts[i].probe, attempts[i].encode, attempts[i].stills,
                                       attempts[i].hardware};
        const char *expected = NULL;

        for (size_t v = 0; v < ARRAY_SIZE(verbs); v++) {
            expected = columns[v] ? columns[v] : expected;
            wrong += wrong_end(v == 2 ? MEDIA_STILLS : MEDIA_AV, verbs[v], attempts[i].what, expected);
        }
    }
    assert_int_equal(wrong, 0);
}

/* Calls that nothing needs, in the profile with devices: beside its list, only stills have more, what looks for fonts. */
static const char *const calls[] = {
    "timer_create",
    "setitimer",
    "timerfd_create",
    "eventfd2",
    "signalfd4",
    "epoll_create1",
    "inotify_init1",
    "fanotify_init",
    "mq_open",
    "msgget",
    "semget",
    "shmat",
    "sendto",
    "sendmsg",
    "recvmsg",
    "bind",
    "listen",
    "accept4",
    "process_vm_writev",
    "process_madvise",
    "process_mrelease",
    "kcmp",
    "rt_tgsigqueueinfo",
    "pidfd_send_signal",
    "tkill",
    "setuid",
    "setgid",
    "setresuid",
    "capset",
    "setsid",
    "setpgid",
    "setns",
    "pivot_root",
    "open_tree",
    "fsopen",
    "move_mount",
    "mount_setattr",
    "umount2",
    "mknodat",
    "symlinkat",
    "linkat",
    "renameat2",
    "fchmod",
    "fchmodat",
    "fchown",
    "fsetxattr",
    "truncate",
    "copy_file_range",
    "sendfile",
    "tee",
    "vmsplice",
    "dup3",
    "preadv",
    "pwritev",
    "preadv2",
    "pwritev2",
    "readv",
    "fsync",
    "flock",
    "ioprio_set",
    "sched_setaffinity",
    "mlock2",
    "mbind",
    "remap_file_pages",
    "memfd_secret",
    "init_module",
    "kexec_load",
    "reboot",
    "syslog",
    "swapon",
    "acct",
    "settimeofday",
    "clock_settime",
    "quotactl",
    "name_to_handle_at",
    "landlock_create_ruleset",
    "getppid",
    "io_setup",
#ifdef __x86_64__
    "alarm",
    "dup2",
    "arch_prctl",
    "modify_ldt",
    "iopl",
#endif
};

static void test_calls_that_nothing_needs(void **state)
{
    unsigned wrong = 0;

    for (size_t i = 0; i < ARRAY_SIZE(calls); i++) {
        char what[40];

        snprintf(what, sizeof what, "call %s", calls[i]);
        wrong += wrong_end(MEDIA_AV, "test-hardware", what, KILLED);
    }
    assert_int_equal(wrong, 0);
}

/* Deaths, hangs and lies, and the words for them. */
static const struct {
    const char *what, *message;
} ends[] = {
    {"hang", "gave no sign of life for 2 s"},
    {"stop", "gave no sign of life for 2 s"},
    {"loop", "gave no sign of life for 2 s"},
    {"threads", " threads where 5 are allowed"},
    {"files", "could not write what it made (1 MiB a file allowed)"},
    {"no-room", "could not write what it made"},
    {"usage", "does not understand its plan"},
    {"lock", "exit status 70"}, /* it was locked in already: not to be believed */
    {"hang-after-answer", "gave no sign of life for 2 s"},
    {"silent", "ended without an answer"},
    {"cut", "ended in the middle of a message"},
    {"flood", "sent a message of type 1532713819, which there is not"},
    {"flood-of-beats", "sent a flood of messages"},
    {"long", "sent a message of type 5 with 65537 bytes"},
    {"locked-twice", "said twice that it is locked in"},
    {"after-answer", "went on speaking after its answer"},
    {"two-answers", "went on speaking after its answer"},
    {"exit-after-answer", "exit status 9"},
    {"elsewhere-text", "named a program that it cannot name"},
    {"file-range", "told of file 7, which it was not given to fill"},
    {"file-twice", "told twice that file 0 is whole"},
    {"file-length", "told a wrong length of file 0"},
    {"file-read-only", "told of file 1, which it was not given to fill"},
    {"file-empty", "told an impossible length of file 0"},
    {"progress-range", "told impossible progress"},
    {"garbage", "no valid answer: not JSON"},
    {"real", "no valid answer: it cannot be written as canonical JSON"},
    {"member", "no valid answer: a member is not known"},
#if !UNDER_ASAN /* which has its own ways to die of these */
    {"crash", "SIGSEGV (bad memory access)"},
    {"abort", "SIGABRT"},
    {"memory", "ran out of memory (256 MiB allowed)"},
#endif
};

static void test_deaths_and_lies(void **state)
{
    for (size_t i = 0; i < ARRAY_SIZE(ends); i++) {
        struct trial t = {.verb = "derive", .limits = {.threads = 4}};
        _cleanup_(media_result_done) struct media_result r = {0};

        if (strstr(ends[i].message, "no sign of life"))
            t.limits.silence_usec = 2 * USEC_PER_SEC;
#if !UNDER_ASAN
        if (strcmp(ends[i].what, "memory") == 0)
            t.limits.memory_bytes = (uint64_t)256 << 20;
#endif
        try_it(ends[i].what, &t, &r);
        if (!strstr(r.message, ends[i].message))
            print_error("%s: %s\n", ends[i].what, r.message);
        assert_int_equal(t.returned, 0);
        assert_int_equal(r.status, MEDIA_FAILED);
        assert_non_null(strstr(r.message, ends[i].message));
        assert_null(r.answer);
        assert_int_equal(r.bytes[0], 0);
        assert_true(t.file_size <= 1 << 20);
    }
}

static void test_deadline(void **state)
{
    struct trial t = {.verb = "derive", .limits = {.deadline_usec = USEC_PER_SEC}};
    _cleanup_(media_result_done) struct media_result r = {0};

    try_it("loop-with-beat", &t, &r);
    assert_int_equal(r.status, MEDIA_FAILED);
    assert_non_null(strstr(r.message, "did not finish within 1 s"));
    assert_true(r.cpu_usec > 0);
}

/* A program that names itself as the other one would go round in circles. */
static void test_stills_name_nobody(void **state)
{
    struct trial t = {.program = MEDIA_STILLS, .verb = "test-stills"};
    _cleanup_(media_result_done) struct media_result r = {0};

    try_it("elsewhere", &t, &r);
    assert_int_equal(r.status, MEDIA_FAILED);
    assert_non_null(strstr(r.message, "named a program that it cannot name"));
    t = (struct trial){.program = MEDIA_AV, .verb = "test-probe"};
    try_it("elsewhere", &t, &r);
    assert_true(r.elsewhere);
}

static void keep_progress(void *userdata, unsigned permille, int64_t at_usec)
{
    *(int64_t *)userdata = permille * 1000000 + at_usec;
}

static void test_good_work(void **state)
{
    int64_t progress = 0;
    struct trial t = {.verb = "derive", .on_progress = keep_progress, .userdata = &progress};
    _cleanup_(media_result_done) struct media_result r = {0};

    try_it("work", &t, &r);
    assert_int_equal(t.returned, 0);
    assert_int_equal(r.status, MEDIA_OK);
    assert_string_equal(r.message, "");
    assert_int_equal(r.bytes[0], 5);
    assert_int_equal(r.bytes[1], 0);
    assert_int_equal(t.file_size, 5);
    assert_int_equal(progress, 500 * 1000000 + 500);
    assert_string_equal(json_get_string(r.answer, "kind"), "video");
}

static void test_what_was_used(void **state)
{
    struct trial t = {.verb = "derive"};
    struct media_result r = {0};

    try_it("work-processor", &t, &r);
    assert_int_equal(r.status, MEDIA_OK);
    assert_true(r.cpu_usec >= 200 * USEC_PER_MSEC);
    media_result_done(&r);
    try_it("work-memory", &t, &r);
    assert_int_equal(r.status, MEDIA_OK);
    assert_true(r.memory_peak_bytes >= (uint64_t)96 << 20);
    media_result_done(&r);
}

/* Says no for so many times. */
static bool not_yet(void *userdata)
{
    int *left = userdata;

    return --*left < 0;
}

/* Longer stopped than it may take or be silent: neither counts. */
static void test_pause(void **state)
{
    int left = 30;
    struct trial t = {.verb = "derive",
                      .limits = {.deadline_usec = 6 * USEC_PER_SEC, .silence_usec = 6 * USEC_PER_SEC},
                      .may_run = not_yet,
                      .userdata = &left};
    _cleanup_(media_result_done) struct media_result r = {0};
    int64_t began = clock_monotonic_usec();

    try_it("work-processor", &t, &r);
    assert_string_equal(r.message, "");
    assert_int_equal(r.status, MEDIA_OK);
    assert_true(left < 0);
    assert_true(clock_monotonic_usec() - began > 6 * USEC_PER_SEC); /* else nothing was tested */
}

static bool never(void *userdata)
{
    return false;
}

static void test_cancel(void **state)
{
    _cleanup_close_ int stop = eventfd(1, EFD_CLOEXEC);
    struct trial t = {.verb = "derive", .stop_fd = stop};
    struct media_result r = {0};

    try_it("hang", &t, &r);
    assert_int_equal(t.returned, -ECANCELED);
    t.may_run = never; /* also while it is stopped */
    try_it("hang", &t, &r);
    assert_int_equal(t.returned, -ECANCELED);
}

/* The kernel's word counts, not the program's: see no-room above, where there is room. */
static void test_no_room(void **state)
{
    char *argv[] = {(char *)"test-run", (char *)"--no-room", NULL},
         *envp[] = {(char *)"LIUHEN_FAIL_AT=media.room=ENOSPC", NULL};
    pid_t child = fork();
    int status;

    assert_true(child >= 0);
    if (child == 0) {
        execve("/proc/self/exe", argv, envp);
        _exit(127);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
}

static int no_room(void)
{
    struct trial t = {.verb = "derive"};
    struct media_result r = {0};

    try_it("no-room", &t, &r);
    return t.returned == -ENOSPC && strstr(t.err.text, "no room") ? 0 : 1;
}
#endif

/* A process that uses the processor until it is killed. */
static pid_t start_burner(void)
{
    pid_t pid = fork();
    volatile bool forever = true;

    assert_true(pid >= 0);
    if (pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL); /* stopped, it would outlive a test that fails */
        while (forever)
            ;
    }
    return pid;
}

static int64_t used_by(pid_t pid)
{
    struct timespec t;
    clockid_t clock;

    assert_int_equal(clock_getcpuclockid(pid, &clock), 0);
    assert_int_equal(clock_gettime(clock, &t), 0);
    return t.tv_sec * USEC_PER_SEC + t.tv_nsec / NSEC_PER_USEC;
}

/* The clock is ours, the processor time is real. */
static void test_share(void **state)
{
    pid_t pid = start_burner();
    struct pace pace;
    int status;

    pace_init(&pace, pid, 100, 2, 0); /* a sanitizer may have a thread of its own */
    while (used_by(pid) < 50 * USEC_PER_MSEC)
        usleep(1000);
    assert_false(pace_look(&pace, 100 * USEC_PER_MSEC, true)); /* 10 ms were its share */
    assert_true(pace.stopped);
    assert_false(pace_crowded(&pace));
    assert_int_equal(waitpid(pid, &status, WUNTRACED), pid);
    assert_true(WIFSTOPPED(status));
    assert_false(pace_look(&pace, 200 * USEC_PER_MSEC, true)); /* not yet */
    assert_true(pace.stopped);
    assert_true(pace_look(&pace, 100 * USEC_PER_SEC, true));
    assert_int_equal(waitpid(pid, &status, WCONTINUED), pid);
    assert_true(WIFCONTINUED(status));
    /* the long rest earned 10 ms, not ten seconds */
    int64_t then = used_by(pid);

    while (used_by(pid) < then + 50 * USEC_PER_MSEC)
        usleep(1000);
    pace_look(&pace, 100 * USEC_PER_SEC + 1, true);
    assert_true(pace.stopped);
    assert_false(pace_look(&pace, 200 * USEC_PER_SEC, false)); /* has credit, and may not */
    assert_true(pace.stopped);
    assert_true(pace_look(&pace, 201 * USEC_PER_SEC, true));
    pace_done(&pace);
    kill(pid, SIGKILL);
    waitpid(pid, &status, 0);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_missing_programs),
        cmocka_unit_test(test_requests_that_cannot_be),
        cmocka_unit_test(test_a_file_for_the_other_program),
#ifdef LIUHEN_INJECT
        cmocka_unit_test(test_escapes),
        cmocka_unit_test(test_calls_that_nothing_needs),
        cmocka_unit_test(test_deaths_and_lies),
        cmocka_unit_test(test_deadline),
        cmocka_unit_test(test_stills_name_nobody),
        cmocka_unit_test(test_good_work),
        cmocka_unit_test(test_what_was_used),
        cmocka_unit_test(test_pause),
        cmocka_unit_test(test_cancel),
        cmocka_unit_test(test_no_room),
#endif
        cmocka_unit_test(test_share),
    };
    char path[3072];
    ssize_t n = readlink("/proc/self/exe", path, sizeof path - 1);

    if (n < 0)
        return 1;
    path[n] = 0;
    snprintf(worker, sizeof worker, "%s/../liuhen-media", dirname(path));
#ifdef LIUHEN_INJECT
    if (argc > 1)
        return no_room();
#endif
    return cmocka_run_group_tests(tests, NULL, NULL);
}
