/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Attempts to get out of the lock, for tests (see worker-escape.h). Raw system calls where glibc would ask for something else first. Not part of
 * a release build.
 */
#include "media/worker-escape.h"

#ifdef LIUHEN_INJECT
#include <errno.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <linux/io_uring.h>
#include <linux/perf_event.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <unistd.h>

#include "media/messages.h"

#define TRY(name, expression)                                                                                \
    static long try_##name(void)                                                                             \
    {                                                                                                        \
        return (expression);                                                                                 \
    }

static long map(int prot, int flags, int fd)
{
    return mmap(NULL, 4096, prot, flags, fd, 0) == MAP_FAILED ? -1 : 0;
}

/* Paths. */
TRY(open, open("/etc/passwd", O_RDONLY))
TRY(open_proc, open("/proc/self/mem", O_RDWR))
TRY(open_font_folder, open("/etc/fonts", O_RDONLY | O_DIRECTORY))
TRY(open_beside_fonts, open("/etc/fonts/../passwd", O_RDONLY))
TRY(open_to_write, open("/etc/fonts/fonts.conf", O_WRONLY))
TRY(create, open("/var/cache/fontconfig/x", O_RDONLY | O_CREAT, 0600))
TRY(tmpfile, open("/tmp", O_RDWR | O_TMPFILE, 0600))
TRY(openat2, syscall(SYS_openat2, AT_FDCWD, "/etc/passwd", (uint64_t[3]){O_RDONLY}, 24))
TRY(unlink, unlink("/etc/passwd-"))
TRY(by_handle, syscall(SYS_open_by_handle_at, AT_FDCWD, NULL, O_RDONLY))
TRY(chroot, chroot("/"))
TRY(mount, syscall(SYS_mount, "none", "/", "tmpfs", 0, NULL))
static long try_stat(void)
{
    struct stat st;

    return syscall(SYS_newfstatat, AT_FDCWD, "/etc/passwd", &st, AT_EMPTY_PATH);
}

/* A folder that may be read, watched: whatever happens in it then sends any signal to any process of the user, the daemon too. */
static long try_watch(void)
{
    int folder = open("/etc/fonts", O_RDONLY | O_DIRECTORY);

    return fcntl(folder, F_SETSIG, SIGKILL) < 0 || fcntl(folder, F_SETOWN, getpid()) < 0 ||
                   fcntl(folder, F_NOTIFY, DN_ACCESS | DN_MULTISHOT) < 0
               ? -1
               : 0;
}

TRY(owner, fcntl(WORKER_FD_FILES + 2, F_SETOWN, getpid()))
TRY(lease, fcntl(WORKER_FD_FILES + 2, F_SETLEASE, F_RDLCK))
TRY(reopen_input, open("/proc/self/fd/3", O_RDWR))
TRY(reopen_to_read, open("/proc/self/fd/3", O_RDONLY))
TRY(sparse, ftruncate(WORKER_FD_FILES, INT64_MAX))
TRY(sparse_write, pwrite(WORKER_FD_FILES, "x", 1, INT64_MAX - 1))
TRY(fallocate_file, fallocate(WORKER_FD_FILES, 0, 0, 1 << 20))
TRY(fcntl_pipe, syscall(SYS_fcntl, WORKER_FD_OUTPUT, F_SETPIPE_SZ, 1 << 20))

/* Sockets, kernel objects. */
TRY(socket, socket(AF_UNIX, SOCK_STREAM, 0))
TRY(socket_inet, socket(AF_INET, SOCK_DGRAM, 0))
TRY(socketpair, socketpair(AF_UNIX, SOCK_STREAM, 0, (int[2]){0}))
TRY(connect_abstract, syscall(SYS_connect, WORKER_FD_OUTPUT, &(struct sockaddr_un){AF_UNIX, "\0abstract"},
                              sizeof(struct sockaddr_un)))
TRY(memfd, memfd_create("x", 0))
TRY(io_uring, syscall(SYS_io_uring_setup, 4, &(struct io_uring_params){0}))
TRY(keyctl, syscall(SYS_keyctl, 0, -3, 1))
TRY(add_key, syscall(SYS_add_key, "user", "x", "y", 1, -3))
TRY(bpf, syscall(SYS_bpf, BPF_MAP_CREATE, &(union bpf_attr){0}, sizeof(union bpf_attr)))
TRY(perf, syscall(SYS_perf_event_open, &(struct perf_event_attr){0}, 0, -1, -1, 0))
TRY(userfaultfd, syscall(SYS_userfaultfd, 0))
TRY(shm, syscall(SYS_shmget, 0, 4096, 0600))
TRY(pipe, pipe((int[2]){0}))
TRY(dup, dup(WORKER_FD_INPUT))
TRY(splice, syscall(SYS_splice, WORKER_FD_INPUT, NULL, WORKER_FD_OUTPUT, NULL, 1, 0))
TRY(ioctl, syscall(SYS_ioctl, WORKER_FD_OUTPUT, 0x541B, NULL))

/* Processes. */
TRY(exec, execv("/bin/true", (char *[]){(char *)"/bin/true", NULL}))
TRY(execveat, syscall(SYS_execveat, WORKER_FD_INPUT, "", NULL, NULL, AT_EMPTY_PATH))
TRY(fork, syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0))
TRY(real_fork, syscall(SYS_fork))
TRY(vfork_clone, syscall(SYS_clone, CLONE_VM | CLONE_FILES | SIGCHLD, 0, 0, 0, 0))
TRY(namespace, syscall(SYS_clone, CLONE_NEWUSER | SIGCHLD, 0, 0, 0, 0))
TRY(unshare, unshare(CLONE_NEWUSER))
TRY(clone3, syscall(SYS_clone3, (uint64_t[11]){0}, 88))
TRY(ptrace, ptrace(PTRACE_ATTACH, getppid(), NULL, NULL))
TRY(vm_readv, syscall(SYS_process_vm_readv, getpid(), NULL, 0, NULL, 0, 0))
TRY(pidfd_open, syscall(SYS_pidfd_open, getpid(), 0))
TRY(pidfd_getfd, syscall(SYS_pidfd_getfd, WORKER_FD_INPUT, 0, 0))
TRY(kill_parent, kill(1, 0))
TRY(tgkill_other, syscall(SYS_tgkill, 1, 1, 0))
TRY(sigqueue, syscall(SYS_rt_sigqueueinfo, 1, 0, NULL))
TRY(setscheduler, syscall(SYS_sched_setscheduler, 0, 0, NULL))
TRY(setpriority, setpriority(PRIO_PROCESS, 0, 0))
static void *nothing(void *userdata)
{
    return userdata;
}

static long try_thread(void)
{
    pthread_t t;

    return pthread_create(&t, NULL, nothing, NULL) == 0 && pthread_join(t, NULL) == 0 ? 0 : -1;
}

/* The flags of a thread, and one more. */
TRY(clone_flags, syscall(SYS_clone,
                         CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SYSVSEM | CLONE_SIGHAND | CLONE_THREAD |
                             CLONE_SETTLS | CLONE_PARENT_SETTID | CLONE_CHILD_CLEARTID | CLONE_UNTRACED,
                         0, 0, 0, 0))

/* Memory. */
TRY(mmap_exec, map(PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1))
TRY(mmap_write_exec, map(PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1))
TRY(mmap_file, map(PROT_READ, MAP_PRIVATE, WORKER_FD_INPUT))
TRY(mmap_shared, map(PROT_READ, MAP_SHARED, WORKER_FD_INPUT))
TRY(mmap_file_exec, map(PROT_READ | PROT_EXEC, MAP_PRIVATE, WORKER_FD_INPUT))
static long try_mprotect_exec(void)
{
    void *p = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    return p == MAP_FAILED ? -1 : mprotect(p, 4096, PROT_READ | PROT_EXEC);
}

TRY(pkey_mprotect,
    syscall(SYS_pkey_mprotect, (uintptr_t)try_mprotect_exec & ~(uintptr_t)4095, 4096, PROT_EXEC, -1))
TRY(personality, syscall(SYS_personality, 0x0400000)) /* READ_IMPLIES_EXEC */

/* Descriptors that are not ours to change. */
TRY(write_input, write(WORKER_FD_INPUT, "x", 1))
TRY(pwrite_input, pwrite(WORKER_FD_INPUT, "x", 1, 0))
TRY(truncate_input, ftruncate(WORKER_FD_INPUT, 0))
TRY(seek_input, lseek(WORKER_FD_INPUT, 0, SEEK_SET))
TRY(fcntl_input, syscall(SYS_fcntl, WORKER_FD_INPUT, F_SETFL, O_NONBLOCK))
TRY(fallocate_input, fallocate(WORKER_FD_INPUT, 0, 0, 1))
TRY(pwrite_plan, pwrite(WORKER_FD_PLAN, "x", 1, 0))
TRY(pwrite_file, pwrite(WORKER_FD_FILES, "x", 1, 0))
TRY(truncate_file, ftruncate(WORKER_FD_FILES, 10))
TRY(pwrite_second, pwrite(WORKER_FD_FILES + 1, "x", 1, 0))
TRY(write_second, write(WORKER_FD_FILES + 1, "x", 1))
TRY(pread_second, pread(WORKER_FD_FILES + 1, (char[1]){0}, 1, 0))
TRY(pwrite_beyond, pwrite(WORKER_FD_FILES + 2, "x", 1, 0))
TRY(write_high_bits, syscall(SYS_write, (INT64_C(1) << 32) | WORKER_FD_OUTPUT, "x", 1))

/* The lock itself. */
TRY(unlock, syscall(SYS_seccomp, 0, 0, NULL))
TRY(prctl_seccomp, syscall(SYS_prctl, PR_SET_SECCOMP, SECCOMP_MODE_STRICT, 0, 0, 0))
TRY(prctl_dumpable, syscall(SYS_prctl, PR_SET_DUMPABLE, 1, 0, 0, 0))
TRY(prctl_name, syscall(SYS_prctl, PR_SET_NAME, "x", 0, 0, 0))
TRY(setrlimit, syscall(SYS_setrlimit, RLIMIT_FSIZE, NULL))
TRY(prlimit, syscall(SYS_prlimit64, 0, RLIMIT_AS, &(struct rlimit){1 << 30, 1 << 30}, NULL))
TRY(landlock, syscall(SYS_landlock_restrict_self, 0, 0))
#ifdef __x86_64__
/* Numbers of other architectures mean other calls: 20 is getpid there, writev here. */
static long try_int80(void)
{
    long r;

    __asm__ volatile("int $0x80" : "=a"(r) : "a"(20) : "memory");
    return r;
}

TRY(x32, syscall(0x40000000 | SYS_getpid))
#endif

static const struct escape attempts[] = {
    {"open", try_open},
    {"open-proc", try_open_proc},
    {"open-font-folder", try_open_font_folder},
    {"open-beside-fonts", try_open_beside_fonts},
    {"open-to-write", try_open_to_write},
    {"create", try_create},
    {"tmpfile", try_tmpfile},
    {"openat2", try_openat2},
    {"unlink", try_unlink},
    {"by-handle", try_by_handle},
    {"chroot", try_chroot},
    {"mount", try_mount},
    {"stat-empty-path", try_stat},
    {"watch", try_watch},
    {"owner", try_owner},
    {"lease", try_lease},
    {"reopen-input", try_reopen_input},
    {"reopen-to-read", try_reopen_to_read},
    {"sparse", try_sparse},
    {"sparse-write", try_sparse_write},
    {"fallocate-file", try_fallocate_file},
    {"fcntl-pipe", try_fcntl_pipe},
    {"socket", try_socket},
    {"socket-inet", try_socket_inet},
    {"socketpair", try_socketpair},
    {"connect-abstract", try_connect_abstract},
    {"memfd", try_memfd},
    {"io_uring", try_io_uring},
    {"keyctl", try_keyctl},
    {"add-key", try_add_key},
    {"bpf", try_bpf},
    {"perf", try_perf},
    {"userfaultfd", try_userfaultfd},
    {"shm", try_shm},
    {"pipe", try_pipe},
    {"dup", try_dup},
    {"splice", try_splice},
    {"ioctl", try_ioctl},
    {"exec", try_exec},
    {"execveat", try_execveat},
    {"fork", try_fork},
    {"real-fork", try_real_fork},
    {"vfork-clone", try_vfork_clone},
    {"namespace", try_namespace},
    {"unshare", try_unshare},
    {"clone3", try_clone3},
    {"clone-flags", try_clone_flags},
    {"thread", try_thread},
    {"ptrace", try_ptrace},
    {"vm-readv", try_vm_readv},
    {"pidfd-open", try_pidfd_open},
    {"pidfd-getfd", try_pidfd_getfd},
    {"kill-parent", try_kill_parent},
    {"tgkill-other", try_tgkill_other},
    {"sigqueue", try_sigqueue},
    {"setscheduler", try_setscheduler},
    {"setpriority", try_setpriority},
    {"mmap-exec", try_mmap_exec},
    {"mmap-write-exec", try_mmap_write_exec},
    {"mmap-file", try_mmap_file},
    {"mmap-shared", try_mmap_shared},
    {"mmap-file-exec", try_mmap_file_exec},
    {"mprotect-exec", try_mprotect_exec},
    {"pkey-mprotect", try_pkey_mprotect},
    {"personality", try_personality},
    {"write-input", try_write_input},
    {"pwrite-input", try_pwrite_input},
    {"truncate-input", try_truncate_input},
    {"seek-input", try_seek_input},
    {"fcntl-input", try_fcntl_input},
    {"fallocate-input", try_fallocate_input},
    {"pwrite-plan", try_pwrite_plan},
    {"pwrite-file", try_pwrite_file},
    {"truncate-file", try_truncate_file},
    {"pwrite-second", try_pwrite_second},
    {"write-second", try_write_second},
    {"pread-second", try_pread_second},
    {"pwrite-beyond", try_pwrite_beyond},
    {"write-high-bits", try_write_high_bits},
    {"unlock", try_unlock},
    {"prctl-seccomp", try_prctl_seccomp},
    {"prctl-dumpable", try_prctl_dumpable},
    {"prctl-name", try_prctl_name},
    {"setrlimit", try_setrlimit},
    {"prlimit", try_prlimit},
    {"landlock", try_landlock},
#ifdef __x86_64__
    {"int80", try_int80},
    {"x32", try_x32},
#endif
    {NULL, NULL},
};

/* Calls that nothing needs, whatever they are given. */
#define CALL(name)                                                                                           \
    {                                                                                                        \
#name, SYS_##name                                                                                    \
    }
static const struct {
    const char *name;
    long number;
} calls[] = {
    CALL(timer_create),
    CALL(setitimer),
    CALL(timerfd_create),
    CALL(eventfd2),
    CALL(signalfd4),
    CALL(epoll_create1),
    CALL(inotify_init1),
    CALL(fanotify_init),
    CALL(mq_open),
    CALL(msgget),
    CALL(semget),
    CALL(shmat),
    CALL(sendto),
    CALL(sendmsg),
    CALL(recvmsg),
    CALL(bind),
    CALL(listen),
    CALL(accept4),
    CALL(process_vm_writev),
    CALL(process_madvise),
    CALL(process_mrelease),
    CALL(kcmp),
    CALL(rt_tgsigqueueinfo),
    CALL(pidfd_send_signal),
    CALL(tkill),
    CALL(setuid),
    CALL(setgid),
    CALL(setresuid),
    CALL(capset),
    CALL(setsid),
    CALL(setpgid),
    CALL(setns),
    CALL(pivot_root),
    CALL(open_tree),
    CALL(fsopen),
    CALL(move_mount),
    CALL(mount_setattr),
    CALL(umount2),
    CALL(mknodat),
    CALL(symlinkat),
    CALL(linkat),
    CALL(renameat2),
    CALL(fchmod),
    CALL(fchmodat),
    CALL(fchown),
    CALL(fsetxattr),
    CALL(truncate),
    CALL(copy_file_range),
    CALL(sendfile),
    CALL(tee),
    CALL(vmsplice),
    CALL(dup3),
    CALL(preadv),
    CALL(pwritev),
    CALL(preadv2),
    CALL(pwritev2),
    CALL(readv),
    CALL(fsync),
    CALL(flock),
    CALL(ioprio_set),
    CALL(sched_setaffinity),
    CALL(mlock2),
    CALL(mbind),
    CALL(remap_file_pages),
    CALL(memfd_secret),
    CALL(init_module),
    CALL(kexec_load),
    CALL(reboot),
    CALL(syslog),
    CALL(swapon),
    CALL(acct),
    CALL(settimeofday),
    CALL(clock_settime),
    CALL(quotactl),
    CALL(name_to_handle_at),
    CALL(landlock_create_ruleset),
    CALL(getppid),
    CALL(io_setup),
#ifdef __x86_64__
    CALL(alarm),
    CALL(dup2),
    CALL(arch_prctl),
    CALL(modify_ldt),
    CALL(iopl),
#endif
};

static int call_of(const char *name)
{
    for (size_t i = 0; i < ARRAY_SIZE(calls); i++)
        if (strcmp(name, calls[i].name) == 0)
            return syscall(calls[i].number, -1, 0, 0, 0, 0, 0) < 0 ? 1 : 0;
    return 2;
}

static int attempt_of(const struct escape *list, const char *what)
{
    for (; list->name; list++)
        if (strcmp(what, list->name) == 0)
            return list->attempt() < 0 ? 1 : 0;
    return 2;
}

int escape_attempt(const char *what)
{
    int r = attempt_of(attempts, what);

    if (r == 2)
        r = attempt_of(escape_deaths, what);
    return r == 2 && strncmp(what, "call ", 5) == 0 ? call_of(what + 5) : r;
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
