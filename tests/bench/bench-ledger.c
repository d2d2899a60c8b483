/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * How fast the ledger is: bench-ledger FOLDER [LEAVES [GROUP]]. Makes FOLDER/ledger and FOLDER/ledger.key, publishes LEAVES
 * (1,000,000) entries of about 600 bytes in groups of GROUP (500), makes receipts, verifies all; prints `name value unit` lines.
 * Leaves the ledger and FOLDER/receipt.tlog-proof (of the middle leaf) behind for tests/system/test_ledger_files.py.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/durable.h"
#include "base/fd.h"
#include "ledger/ledger.h"

#define PROOFS 2000

static double cpu_seconds(void)
{
    struct rusage u;

    getrusage(RUSAGE_SELF, &u);
    return (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) +
           (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec) / 1e6;
}

static double seconds_since(int64_t start)
{
    return (double)(clock_monotonic_usec() - start) / USEC_PER_SEC;
}

static int fail(const struct error *err)
{
    char text[1200];

    fprintf(stderr, "bench-ledger: %s\n", error_format(err, text, sizeof text));
    return 1;
}

/* An entry that looks like the act of a seal. */
static int make_entry(uint64_t index, char **ret)
{
    return asprintf(
        ret,
        "{\"actor\":\"daemon\",\"facts\":{\"bytes\":%llu,\"name\":\"%0*llu.mp4\",\"sha256\":\"%064llx\"},"
        "\"kind\":\"recording.sealed\",\"node\":\"bench\",\"subject\":\"%026llu\",\"time\":%llu}",
        (unsigned long long)(index * 4096), 350, (unsigned long long)index,
        (unsigned long long)(index * 2654435761u), (unsigned long long)index,
        (unsigned long long)(1764000000000000 + index));
}

static int publish_all(struct ledger *l, uint64_t leaves, uint64_t group, struct error *err)
{
    _cleanup_free_ struct ledger_entry *entries = calloc(group, sizeof *entries);
    double cpu = cpu_seconds(), seconds;
    int64_t start = clock_monotonic_usec();
    uint64_t first = ledger_size(l);
    int r = entries ? 0 : -ENOMEM;

    for (uint64_t at = first; at < first + leaves && r == 0; at += group) {
        uint64_t n = MIN(group, first + leaves - at);
        for (uint64_t i = 0; i < n; i++) {
            char *text;
            int size = make_entry(at + i, &text);
            if (size < 0)
                return error_errno(err, -ENOMEM, "", "cannot make entries");
            entries[i] = (struct ledger_entry){text, (size_t)size};
        }
        r = ledger_publish(l, at, entries, n, err);
        for (uint64_t i = 0; i < n; i++)
            free((char *)entries[i].data);
    }
    seconds = seconds_since(start);
    printf("ledger_publish %.0f leaves/s\n", (double)leaves / seconds);
    printf("ledger_publish_group %llu leaves\n", (unsigned long long)group);
    printf("ledger_publish_cpu %.2f s\n", cpu_seconds() - cpu);
    return r;
}

static int compare_times(const void *a, const void *b)
{
    const int64_t *x = a, *y = b;

    return (*x > *y) - (*x < *y);
}

static int prove_some(struct ledger *l, struct error *err)
{
    static int64_t times[PROOFS];
    uint64_t size = ledger_size(l), state = 88172645463325252u;

    for (int i = 0; i < PROOFS; i++) {
        _cleanup_free_ char *text = NULL;
        int64_t start;
        int r;
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        start = clock_monotonic_usec();
        r = ledger_receipt(l, state % size, &text, err);
        times[i] = clock_monotonic_usec() - start;
        if (r < 0)
            return r;
    }
    qsort(times, PROOFS, sizeof *times, compare_times);
    printf("ledger_proof_p50 %.3f ms\n", (double)times[PROOFS / 2] / USEC_PER_MSEC);
    printf("ledger_proof_p99 %.3f ms\n", (double)times[PROOFS * 99 / 100] / USEC_PER_MSEC);
    return 0;
}

static int verify_all(struct ledger *l, struct error *err)
{
    double cpu = cpu_seconds();
    int64_t start = clock_monotonic_usec();
    int r = ledger_verify(l, NULL, NULL, err);

    printf("ledger_verify %.2f s\n", seconds_since(start));
    printf("ledger_verify_cpu %.2f s\n", cpu_seconds() - cpu);
    return r;
}

static int leave_receipt(struct ledger *l, const char *folder, struct error *err)
{
    _cleanup_close_ int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    _cleanup_free_ char *text = NULL;
    int r = ledger_receipt(l, ledger_size(l) / 2, &text, err);

    if (r < 0)
        return r;
    r = durable_write_file(fd, "receipt.tlog-proof", 0644, text, strlen(text));
    return r < 0 ? error_errno(err, r, folder, "cannot write the receipt") : 0;
}

int main(int argc, char **argv)
{
    _cleanup_(signing_key_freep) struct signing_key *key = NULL;
    _cleanup_(ledger_closep) struct ledger *l = NULL;
    _cleanup_free_ char *key_path = NULL, *path = NULL;
    struct error err = ERROR_INIT;
    uint64_t leaves = argc > 2 ? strtoull(argv[2], NULL, 10) : 1000000;
    uint64_t group = argc > 3 ? strtoull(argv[3], NULL, 10) : 500;

    if (argc < 2 || leaves == 0 || group == 0) {
        fprintf(stderr, "usage: bench-ledger FOLDER [LEAVES [GROUP]]\n");
        return 2;
    }
    (void)mkdir(argv[1], 0755);
    if (asprintf(&key_path, "%s/ledger.key", argv[1]) < 0 || asprintf(&path, "%s/ledger", argv[1]) < 0)
        return 1;
    if (signing_key_load(key_path, "bench.example/ledger", true, &key, &err) < 0 ||
        ledger_open(path, key, NULL, &l, &err) < 0 || publish_all(l, leaves, group, &err) < 0 ||
        prove_some(l, &err) < 0 || verify_all(l, &err) < 0 || leave_receipt(l, argv[1], &err) < 0)
        return fail(&err);
    return 0;
}
