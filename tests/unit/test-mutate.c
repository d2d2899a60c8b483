/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The mutation campaign: good files with flipped bits, cut, with blocks doubled, swapped and zeroed and with numbers edited, each looked at
 * by the locked program as the daemon does it. None may kill the daemon's side, none may make the program try what its lock forbids
 * (SIGSYS), and each has to end within its deadline, with a reason where it is not well. Seeded: a fault is found again by its number.
 *
 *   make mutate N=10000 [MUTATE_SEED=1] [MUTATE_FOLDER=../shared/samples]
 *   MUTATE_ONLY=915 MUTATE_KEEP=found.wav …/test-mutate        that one again, and its bytes in a file
 *
 * Without these one or two of each kind on each of the small clips that ffmpeg makes, as they run with every check: starting a program that is
 * instrumented takes long. Every tenth is derived or salvaged, the others are probed.
 */
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <libgen.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/fd.h"
#include "media/run.h"

#define FILES_MAX 512
#define BYTES_MAX (4u << 20)
#define DEADLINE  (20 * USEC_PER_SEC)
#define EDITS_MAX 6
#define KINDS     7
#define ROUNDS    (UNDER_ASAN ? 1 : 2) /* of each kind on each file, when nobody says how many */

static char worker[4096];
static char *files[FILES_MAX];
static size_t n_files;
static uint64_t state;

static uint64_t draw(uint64_t limit)
{
    state ^= state << 13; /* xorshift64 */
    state ^= state >> 7;
    state ^= state << 17;
    return limit ? state % limit : 0;
}

static int on_file(const char *path, const struct stat *st, int type, struct FTW *at)
{
    if (type == FTW_F && st->st_size > 16 && st->st_size <= BYTES_MAX && n_files < FILES_MAX)
        files[n_files++] = strdup(path);
    return 0;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static void edit_number(uint8_t *p, size_t size)
{
    static const uint32_t values[] = {0, 1, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF, 0xFFFF, 0x10000, 0x40000000};
    size_t at = draw(size - 8), n = 1u << draw(3);
    uint32_t v = draw(2) ? values[draw(ARRAY_SIZE(values))] : (uint32_t)draw(UINT32_MAX);

    for (size_t i = 0; i < n; i++)
        p[at + i] = (uint8_t)(v >> (8 * (n - 1 - i)));
}

/* kind: of the first edit. */
static size_t mutate(uint8_t *p, size_t size, uint64_t kind)
{
    for (uint64_t i = 1 + draw(EDITS_MAX); i > 0; i--, kind = draw(KINDS)) {
        size_t length = 1 + draw(MIN(size / 4, (size_t)4096)), from = draw(size - length),
               to = draw(size - length);
        size_t head = MIN(size, (size_t)2048); /* where the lengths are */

        switch (kind) {
        case 0:
            p[draw(size)] ^= (uint8_t)(1u << draw(8));
            break;
        case 1:
            p[draw(head)] = (uint8_t)draw(256);
            break;
        case 2:
            edit_number(p, draw(2) ? head : size);
            break;
        case 3:
            memmove(p + to, p + from, length); /* doubled */
            break;
        case 4:
            for (size_t k = 0; k < length; k++) { /* swapped, as far as they do not overlap */
                uint8_t b = p[from + k];

                p[from + k] = p[to + k];
                p[to + k] = b;
            }
            break;
        case 5:
            memset(p + from, 0, length);
            break;
        default:
            size = MAX(size - draw(size / 2), (size_t)64);
        }
    }
    return size;
}

/* Return: bytes of a mutation of a file, in a memfd. */
static int make(const char *path, uint64_t kind)
{
    static uint8_t buffer[BYTES_MAX];
    const char *keep = getenv("MUTATE_KEEP");
    _cleanup_close_ int kept = keep ? open(keep, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600) : -1;
    size_t left;
    _cleanup_close_ int in = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t size = in < 0 ? -1 : read(in, buffer, sizeof buffer);
    int fd = memfd_create("mutation", MFD_CLOEXEC);

    assert_true(size > 16 && fd >= 0);
    left = mutate(buffer, (size_t)size, kind);
    assert_int_equal(fd_write_full(fd, buffer, left), 0);
    if (kept >= 0)
        assert_int_equal(fd_write_full(kept, buffer, left), 0);
    return fd;
}

static void judge(uint64_t i, const char *path, const char *verb, const struct media_result *r)
{
    bool escape = strstr(r->message, "SIGSYS") || strstr(r->message, "forbidden system call");
    bool late = strstr(r->message, "did not finish");

    if (r->elsewhere)
        return;
    if (r->status == MEDIA_FAILED || escape || late)
        print_message("mutation %llu of %s, %s: %s\n", (unsigned long long)i, path, verb, r->message);
    assert_false(escape);
    assert_false(late);
    if (!r->elsewhere && r->status != MEDIA_OK)
        assert_true(r->message[0]);
}

static void run_one(uint64_t i, bool heavy, unsigned counts[4])
{
    static const char *const names[] = {"proxy.mp4", "poster.jpg"};
    const char *path = files[i % n_files], *verb = !heavy ? "probe" : draw(2) ? "derive" : "salvage";
    _cleanup_close_ int fd = make(path, i / n_files % KINDS), a = memfd_create("a", MFD_CLOEXEC),
                        b = memfd_create("b", MFD_CLOEXEC);
    _cleanup_json_ json_t *plan =
        heavy
            ? json_pack("{s:[ss], s:{s:i, s:i, s:s}, s:{s:i}, s:i}", "files", names[0], names[1], "proxy",
                        "height", 240, "crf", 30, "preset", "ultrafast", "poster", "width", 160, "threads", 1)
            : json_object();
    const int outputs[] = {a, b};
    struct media_request q = {
        .verb = verb, .input = fd, .plan = plan, .files = outputs, .n_files = heavy ? 2 : 0};
    _cleanup_(media_result_done) struct media_result r = {0};
    struct error err = ERROR_INIT;

    q.limits =
        (struct media_limits){.deadline_usec = DEADLINE, .file_bytes = 64u << 20, .threads = heavy ? 4 : 0};
    for (int k = 0; k < 2; k++, q.program = MEDIA_STILLS, q.verb = "probe", q.n_files = 0, q.plan = NULL) {
        media_result_done(&r);
        r = (struct media_result){0};
        assert_int_equal(media_run(worker, &q, &r, &err), 0);
        judge(i, path, q.verb, &r);
        if (!r.elsewhere)
            break;
    }
    counts[r.status]++;
}

static void test_campaign(void **unused)
{
    const char *n = getenv("MUTATE_N"), *seed = getenv("MUTATE_SEED"), *share = getenv("MUTATE_DERIVE");
    const char *only = getenv("MUTATE_ONLY");
    uint64_t first = only ? strtoull(only, NULL, 10) : 0, each = share ? strtoull(share, NULL, 10) : 10,
             total = n ? strtoull(n, NULL, 10) : ROUNDS * KINDS * n_files;
    unsigned counts[4] = {0};

    if (n_files == 0)
        skip(); /* no ffmpeg to make any */
    for (uint64_t i = first; i < (only ? first + 1 : total); i++) {
        state = ((seed ? strtoull(seed, NULL, 10) : 1) * UINT64_C(0x9E3779B97F4A7C15)) ^
                ((i + 1) * UINT64_C(0xBF58476D1CE4E5B9));
        run_one(i, each && (i + i / n_files) % each == 0, counts);
    }
    print_message("%llu mutations of %zu files: %u ok, %u damaged, %u unknown, %u where the program died or "
                  "was ended with a reason\n",
                  (unsigned long long)total, n_files, counts[MEDIA_OK], counts[MEDIA_DAMAGED],
                  counts[MEDIA_UNKNOWN], counts[MEDIA_FAILED]);
}

static int set_up(void **unused)
{
    static const char *const names[] = {"a.mp4", "a.mkv", "a.ts",  "a.avi", "a.flv",
                                        "a.mpg", "a.wav", "a.jpg", "a.png"};
    static char folder[] = "/tmp/liuhen-mutate-XXXXXX";
    const char *given = getenv("MUTATE_FOLDER");
    char command[512];

    if (!given && mkdtemp(folder))
        for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
            bool still = strstr(names[i], ".jpg") || strstr(names[i], ".png");

            snprintf(command, sizeof command,
                     "ffmpeg -v error -f lavfi -i testsrc2=s=160x120:r=25:d=0.4 -f lavfi -i sine=d=0.4 %s "
                     "%s/%s 2>/dev/null",
                     still ? "-frames:v 1 -map 0" : "-c:a pcm_s16le -c:a:0 aac", folder, names[i]);
            if (strstr(names[i], ".wav"))
                snprintf(command, sizeof command, "ffmpeg -v error -f lavfi -i sine=d=0.4 %s/%s", folder,
                         names[i]);
            if (strstr(names[i], ".mpg") || strstr(names[i], ".avi"))
                snprintf(command, sizeof command,
                         "ffmpeg -v error -f lavfi -i testsrc2=s=160x120:r=25:d=0.4 %s/%s", folder, names[i]);
            if (system(command) != 0)
                continue;
        }
    if (nftw(given ? given : folder, on_file, 16, FTW_PHYS) < 0)
        return -1;
    qsort(files, n_files, sizeof *files, by_name); /* so that a number means the same on every machine */
    return 0;
}

static int on_remove(const char *path, const struct stat *st, int type, struct FTW *at)
{
    return remove(path);
}

static int tear_down(void **unused)
{
    char folder[4096];

    if (!getenv("MUTATE_FOLDER") && n_files) {
        snprintf(folder, sizeof folder, "%s", files[0]);
        nftw(dirname(folder), on_remove, 16, FTW_PHYS | FTW_DEPTH);
    }
    for (size_t i = 0; i < n_files; i++)
        free(files[i]);
    return 0;
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_campaign)};
    ssize_t n = readlink("/proc/self/exe", worker, sizeof worker - 40);

    if (n < 0)
        return 1;
    worker[n] = 0;
    snprintf(strrchr(worker, '/'), 40, "/../liuhen-media");
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
