/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The client of liuhen-media against the real program: small files made here, every attempt to get out of the lock, every way to die, and
 * every kind of lie. The attempts exist in INJECT builds only.
 */
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/fd.h"
#include "media/probe-facts.h"
#include "media/probe.h"

static char worker[4096];

static int memory_file(const void *data, size_t size)
{
    int fd = memfd_create("probe", MFD_CLOEXEC);

    assert_true(fd >= 0);
    assert_int_equal(fd_write_full(fd, data, size), 0);
    return fd;
}

static struct probe_options options_of(int64_t deadline_usec)
{
    return (struct probe_options){.worker = worker, .deadline_usec = deadline_usec, .nice = 5};
}

static void probe_bytes(const void *data, size_t size, struct probe_result *ret)
{
    const struct probe_options o = options_of(20 * USEC_PER_SEC);
    _cleanup_close_ int fd = memory_file(data, size);
    struct error err = ERROR_INIT;
    int r = probe_file(fd, &o, ret, &err);

    if (r < 0)
        print_error("%s: %s\n", err.object, err.text);
    assert_int_equal(r, 0);
    assert_int_equal(lseek(fd, 0, SEEK_CUR), (off_t)size); /* where the writing left it */
}

static const char pdf[] = "%PDF-1.4\n1 0 obj<</Type/Catalog>>endobj\nxref\n0 2\n0000000000 65535 f \n"
                          "0000000009 00000 n \ntrailer<</Size 2/Root 1 0 R>>\nstartxref\n40\n%%EOF\n";
static const char mdat_only[] = "\0\0\0\x18"
                                "ftypisom\0\0\0\1isomavc1"
                                "\0\0\1\0mdatabcdefgh";
static const char wave[] =
    "RIFF\x2c\0\0\0WAVEfmt \x10\0\0\0\1\0\1\0\x40\x1f\0\0\x80\x3e\0\0\2\0\x10\0data\x08\0\0\0\1\0\2\0\3\0\4";
/* a photo whose DateTimeOriginal is "0001:01:01 00:00:00" at +08:00: an instant before the year 1 */
static const char year_one[] = "\xFF\xD8\xFF\xE1\0["
                               "Exif\0\0"
                               "II*\0\x08\0\0\0"
                               "\x01\0i\x87\x04\0\x01\0\0\0\x1A\0\0\0\0\0\0\0"
                               "\x02\0"
                               "\x03\x90\x02\0\x14\0\0\08\0\0\0"
                               "\x11\x90\x02\0\x07\0\0\0L\0\0\0"
                               "\0\0\0\0"
                               "0001:01:01 00:00:00\0"
                               "+08:00\0"
                               "\xFF\xD9";

static const struct {
    const char *data;
    size_t size;
    enum probe_status status;
    const char *kind, *message; /* message: a part of it */
} files[] = {
    {"", 0, PROBE_DAMAGED, "data", "empty file"},
    {"\0\0\0\0\0\0\0\0\0\0\0\0", 12, PROBE_DAMAGED, "data", "nothing but zeros"},
    {"officer's note", 14, PROBE_UNKNOWN, "data", "not a form of"},
    {pdf, sizeof pdf - 1, PROBE_OK, "document", ""},
    {pdf, sizeof pdf - 8, PROBE_DAMAGED, "document", "no end mark"},
    {pdf, 9, PROBE_DAMAGED, "document", "cut off"},
    {mdat_only, sizeof mdat_only - 1, PROBE_DAMAGED, "video", "no moov box"},
    {wave, sizeof wave, PROBE_OK, "audio", ""},
    {wave, sizeof wave - 4, PROBE_DAMAGED, "audio", "cut off"},
    {"\xFF\xD8\xFF\xE0\0\4ab", 8, PROBE_DAMAGED, "photo", "cut off"},
    {"\xFF\xD8\xFF\xD9", 4, PROBE_OK, "photo", ""},
    {year_one, sizeof year_one - 1, PROBE_OK, "photo", ""},
    {"\x89PNG\r\n\x1A\n\0\0\0\rIHDR", 16, PROBE_DAMAGED, "photo", "cut off"},
    {"\x1A\x45\xDF\xA3", 4, PROBE_DAMAGED, "video", "cannot be read as matroska"},
};

static void test_small_files(void **state)
{
    for (size_t i = 0; i < ARRAY_SIZE(files); i++) {
        _cleanup_(probe_result_done) struct probe_result r = {0};

        probe_bytes(files[i].data, files[i].size, &r);
        if (r.status != files[i].status || !strstr(r.message, files[i].message))
            print_error("file %zu: %s, %s\n", i, probe_status_name(r.status), r.message);
        assert_int_equal(r.status, files[i].status);
        assert_string_equal(r.kind, files[i].kind);
        assert_non_null(strstr(r.message, files[i].message));
        assert_int_equal(json_get_integer(r.media, "bytes", -1), (json_int_t)files[i].size);
        assert_non_null(json_get_string(r.media, "lock"));
    }
}

static void test_sparse_file_is_not_read_whole(void **state)
{
    const struct probe_options o = options_of(20 * USEC_PER_SEC);
    _cleanup_(probe_result_done) struct probe_result r = {0};
    _cleanup_close_ int fd = memory_file(mdat_only, sizeof mdat_only - 1);
    int64_t began = clock_monotonic_usec();

    assert_int_equal(ftruncate(fd, (off_t)100 << 30), 0);
    assert_int_equal(probe_file(fd, &o, &r, NULL), 0);
    assert_int_equal(r.status, PROBE_DAMAGED);
    assert_true(clock_monotonic_usec() - began < 10 * USEC_PER_SEC);
}

static void test_refuses_what_is_no_file(void **state)
{
    const struct probe_options o = options_of(0);
    _cleanup_close_ int dir = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    struct probe_result r = {0};
    struct error err = ERROR_INIT;

    assert_int_equal(probe_file(dir, &o, &r, &err), -EINVAL);
    assert_non_null(strstr(err.text, "regular file"));
    assert_int_equal(probe_file(-1, &o, &r, NULL), -EBADF);
}

static void test_missing_worker_is_not_the_files_fault(void **state)
{
    struct probe_options o = options_of(0);
    _cleanup_close_ int fd = memory_file("x", 1);
    struct probe_result r = {0};
    struct error err = ERROR_INIT;

    o.worker = "/nonexistent/liuhen-media";
    assert_int_equal(probe_file(fd, &o, &r, &err), -ENOENT);
    assert_string_equal(err.object, o.worker);
    o.worker = "/bin/false"; /* runs, and gives no answer: that one counts against the file */
    assert_int_equal(probe_file(fd, &o, &r, &err), 0);
    assert_int_equal(r.status, PROBE_DAMAGED);
    assert_non_null(strstr(r.message, "exit status 1"));
    probe_result_done(&r);
}

static size_t count_fds(void)
{
    _cleanup_dir_ DIR *d = opendir("/proc/self/fd");
    size_t n = 0;

    while (readdir(d))
        n++;
    return n;
}

static void *probe_many(void *userdata)
{
    for (int i = 0; i < 4; i++) {
        struct probe_result r = {0};

        probe_bytes(files[3].data, files[3].size, &r);
        assert_int_equal(r.status, PROBE_OK);
        probe_result_done(&r);
    }
    return NULL;
}

static void test_several_at_once(void **state)
{
    size_t before = count_fds();
    pthread_t threads[4];

    for (size_t i = 0; i < ARRAY_SIZE(threads); i++)
        assert_int_equal(pthread_create(&threads[i], NULL, probe_many, NULL), 0);
    for (size_t i = 0; i < ARRAY_SIZE(threads); i++)
        pthread_join(threads[i], NULL);
    assert_int_equal(count_fds(), before);
}

/* A shell script that stands in for the worker, in a new folder. */
static void script_worker(const char *body, char folder[64], char path[96])
{
    char text[512];
    int out;

    snprintf(folder, 64, "/tmp/liuhen-probe-XXXXXX");
    assert_non_null(mkdtemp(folder));
    snprintf(path, 96, "%s/worker", folder);
    snprintf(text, sizeof text, "#!/bin/sh\n%s\n", body);
    out = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0700);
    assert_int_equal(fd_write_full(out, text, strlen(text)), 0);
    close(out);
}

static void test_worker_that_cannot_lock(void **state)
{
    static const struct {
        const char *body;
        int result;
        const char *text;
    } rows[] = {{"exit 70", -ENOSYS, "could not lock itself in"},
                {"exit 64", -ENOEXEC, "not a media worker"},
                {"exit 127", -ENOEXEC, "not a media worker"}};

    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct probe_options o = options_of(5 * USEC_PER_SEC);
        _cleanup_close_ int fd = memory_file("x", 1);
        struct error err = ERROR_INIT;
        struct probe_result r = {0};
        char folder[64], path[96];

        script_worker(rows[i].body, folder, path);
        o.worker = path;
        assert_int_equal(probe_file(fd, &o, &r, &err), rows[i].result);
        assert_non_null(strstr(err.text, rows[i].text));
        fd_remove_tree_at(AT_FDCWD, folder);
    }
}

/* The worker gets its three descriptors and no environment. */
static void test_what_the_worker_inherits(void **state)
{
    struct probe_options o = options_of(5 * USEC_PER_SEC);
    _cleanup_(probe_result_done) struct probe_result r = {0};
    _cleanup_close_ int fd = memory_file("x", 1),
                        leak = open("/etc/passwd", O_RDONLY); /* not close-on-exec */
    char folder[64], path[96];

    setenv("LIUHEN_SECRET", "x", 1);
    script_worker("[ -e /proc/$$/fd/3 ] && [ -e /proc/$$/fd/4 ] && [ -e /proc/$$/fd/5 ] || exit 11\n"
                  "for n in 0 1 6 7 8 9; do [ -e /proc/$$/fd/$n ] && exit 12; done\n"
                  "[ -z \"$LIUHEN_SECRET\" ] || exit 13\nexit 42",
                  folder, path);
    o.worker = path;
    assert_int_equal(probe_file(fd, &o, &r, NULL), 0);
    assert_string_equal(r.message, "media worker ended with exit status 42");
    fd_remove_tree_at(AT_FDCWD, folder);
}

static void test_stop(void **state)
{
    struct probe_options o = options_of(60 * USEC_PER_SEC);
    _cleanup_close_ int fd = memory_file("x", 1), stop = eventfd(1, EFD_CLOEXEC);
    int64_t began = clock_monotonic_usec();
    struct probe_result r = {0};
    char folder[64], path[96];

    script_worker("exec sleep 60", folder, path);
    o.worker = path;
    o.stop_fd = stop;
    assert_int_equal(probe_file(fd, &o, &r, NULL), -ECANCELED);
    assert_true(clock_monotonic_usec() - began < 10 * USEC_PER_SEC);
    fd_remove_tree_at(AT_FDCWD, folder);
}

/* A worker that counts its starts and dies: there must be two, and no third. */
static void test_one_retry(void **state)
{
    char folder[64], path[96];
    struct probe_options o = options_of(5 * USEC_PER_SEC);
    _cleanup_(probe_result_done) struct probe_result r = {0};
    _cleanup_close_ int fd = memory_file("x", 1);
    _cleanup_free_ char *seen = NULL;
    char counter[96];

    script_worker("printf x >>${0%/*}/count\nkill -SEGV $$", folder, path);
    snprintf(counter, sizeof counter, "%s/count", folder);
    o.worker = path;
    assert_int_equal(probe_file(fd, &o, &r, NULL), 0);
    assert_string_equal(r.message, "media worker was killed by SIGSEGV (bad memory access)");
    assert_int_equal(fd_read_file_at(AT_FDCWD, counter, 100, &seen, NULL), 0);
    assert_string_equal(seen, "xx");
    fd_remove_tree_at(AT_FDCWD, folder);
}

#ifdef LIUHEN_INJECT
static const struct {
    const char *what, *message;
} attempts[] = {
    {"open", "exit status 1"},
    {"stat-empty-path", "exit status 1"},
    {"socket", "SIGSYS (forbidden system call)"},
    {"exec", "SIGSYS"},
    {"fork", "SIGSYS"},
    {"ptrace", "SIGSYS"},
    {"mprotect-exec", "SIGSYS"},
    {"mmap-exec", "SIGSYS"},
    {"mmap-file", "SIGSYS"},
    {"io_uring", "SIGSYS"},
    {"memfd", "SIGSYS"},
    {"write-input", "SIGSYS"},
    {"truncate-input", "SIGSYS"},
    {"kill-parent", "SIGSYS"},
    {"unlock", "SIGSYS"},
    {"flood", "sent a message of type 1532713819, which there is not"},
    {"silent", "ended without an answer"},
    {"garbage", "no valid answer: not JSON"},
    {"real", "no valid answer: it cannot be written as canonical JSON"},
    {"key", "no valid answer: media fact not as it must be: a key that is not known"},
    {"kind", "no valid answer: status, kind"},
    {"range", "no valid answer: media fact not as it must be: gps"},
    {"loop", "did not finish within 2 s"},
    {"stop", "did not finish within 2 s"},
#if !UNDER_ASAN /* which has its own ways to die of these */
    {"crash", "SIGSEGV (bad memory access)"},
    {"abort", "SIGABRT"},
    {"memory", "ran out of memory (256 MiB allowed)"},
#endif
};

static void test_escapes_deaths_and_lies(void **state)
{
    struct probe_options o = options_of(0);

#if !UNDER_ASAN
    o.memory_bytes = (uint64_t)256 << 20;
#endif
    for (size_t i = 0; i < ARRAY_SIZE(attempts); i++) {
        _cleanup_(probe_result_done) struct probe_result r = {0};
        _cleanup_close_ int fd = -1;
        char text[64];

        o.deadline_usec = strstr(attempts[i].message, "2 s") ? 2 * USEC_PER_SEC : 30 * USEC_PER_SEC;
        snprintf(text, sizeof text, "LIUHEN-TEST-ESCAPE %s\n", attempts[i].what);
        fd = memory_file(text, strlen(text));
        assert_int_equal(probe_file(fd, &o, &r, NULL), 0);
        if (!strstr(r.message, attempts[i].message))
            print_error("%s: %s\n", attempts[i].what, r.message);
        assert_int_equal(r.status, PROBE_DAMAGED);
        assert_non_null(strstr(r.message, attempts[i].message));
        assert_int_equal(json_object_size(r.media), 0);
    }
}
#endif

static void test_answers(void **state)
{
    static const struct {
        const char *text;
        int result;
    } rows[] = {
        {"{\"kind\":\"photo\",\"media\":{},\"message\":\"\",\"status\":\"ok\"}", 0},
        {"{\"kind\":\"video\",\"media\":{\"streams\":[{\"type\":\"video\",\"width\":1}]},\"message\":\"\","
         "\"status\":\"ok\"}",
         0},
        {"{\"kind\":\"video\",\"media\":{\"streams\":[{\"type\":\"video\",\"width\":0}]},\"message\":\"\","
         "\"status\":\"ok\"}",
         -EINVAL},
        {"{\"kind\":\"video\",\"media\":{\"streams\":[7]},\"message\":\"\",\"status\":\"ok\"}", -EINVAL},
        {"{\"kind\":\"video\",\"media\":{\"streams\":{}},\"message\":\"\",\"status\":\"ok\"}", -EINVAL},
        {"{\"kind\":\"video\",\"media\":{\"damage\":[\"a\\u001bb\"]},\"message\":\"\",\"status\":\"ok\"}",
         -EINVAL},
        {"{\"kind\":\"video\",\"media\":{\"tags\":{\"a b\":\"x\"}},\"message\":\"\",\"status\":\"ok\"}",
         -EINVAL},
        {"{\"kind\":\"video\",\"media\":{\"tags\":{\"title\":\"\xFF\"}},\"message\":\"\",\"status\":\"ok\"}",
         -EINVAL},
        {"{\"kind\":\"video\",\"media\":{},\"message\":\"\",\"status\":\"fine\"}", -EINVAL},
        {"{\"kind\":\"video\",\"media\":[],\"message\":\"\",\"status\":\"ok\"}", -EINVAL},
        {"{\"kind\":\"video\",\"media\":{},\"message\":\"\",\"status\":\"ok\",\"x\":1}", -EINVAL},
        {"{\"kind\":\"video\",\"media\":{},\"message\":\"\",\"status\":\"ok\"}{}", -EINVAL},
        {"[]", -EINVAL},
        {"", -EINVAL},
    };

    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct probe_result r = {0};
        struct error err = ERROR_INIT;

        if (probe_facts_read(rows[i].text, strlen(rows[i].text), &r, &err) != rows[i].result)
            fail_msg("%s: not %d (%s)", rows[i].text, rows[i].result, err.text);
        probe_result_done(&r);
    }
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_small_files),
        cmocka_unit_test(test_sparse_file_is_not_read_whole),
        cmocka_unit_test(test_refuses_what_is_no_file),
        cmocka_unit_test(test_missing_worker_is_not_the_files_fault),
        cmocka_unit_test(test_several_at_once),
        cmocka_unit_test(test_worker_that_cannot_lock),
        cmocka_unit_test(test_what_the_worker_inherits),
        cmocka_unit_test(test_stop),
        cmocka_unit_test(test_one_retry),
#ifdef LIUHEN_INJECT
        cmocka_unit_test(test_escapes_deaths_and_lies),
#endif
        cmocka_unit_test(test_answers),
    };
    char path[3072];
    ssize_t n = readlink("/proc/self/exe", path, sizeof path - 1);

    if (n < 0)
        return 1;
    path[n] = 0;
    snprintf(worker, sizeof worker, "%s/../liuhen-media", dirname(path));
    return cmocka_run_group_tests(tests, NULL, NULL);
}
