/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The ledger on disk: tile names and widths, publishing in groups of all kinds, proofs between all kinds of sizes, what stays and
 * what is removed, failures and kills between the durable steps (INJECT builds), damage, and readers beside a writer.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <ftw.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/wait.h>

#include "base/encode.h"
#include "child.h"
#include "ledger/edge.h"
#include "ledger/ledger.h"
#include "ledger/merkle.h"
#include "ledger/receipt.h"
#include "ledger/tile.h"
#include "temp-folder.h"

struct place {
    struct signing_key *key;
    char path[600];
};

static void place_init(struct place *p, void **state)
{
    const struct temp_folder *t = *state;
    struct error err = ERROR_INIT;
    char key[600];

    snprintf(key, sizeof key, "%s/key", t->path);
    snprintf(p->path, sizeof p->path, "%s/ledger", t->path);
    assert_int_equal(signing_key_load(key, "site.example", true, &p->key, &err), 0);
}

static void place_done(struct place *p)
{
    p->key = signing_key_free(p->key);
}

static struct ledger *open_ledger(const struct place *p, bool write)
{
    struct ledger *l = NULL;
    struct error err = ERROR_INIT;
    int r = ledger_open(p->path, write ? p->key : NULL, signing_key_verifier(p->key), &l, &err);

    if (r < 0)
        print_message("%s: %s\n", err.object, err.text);
    assert_int_equal(r, 0);
    return l;
}

static int open_fails(const struct place *p, bool write)
{
    struct ledger *l = NULL;
    struct error err = ERROR_INIT;
    int r = ledger_open(p->path, write ? p->key : NULL, signing_key_verifier(p->key), &l, &err);

    assert_null(l);
    assert_int_equal(err.code, r);
    assert_true(err.text[0]);
    return r;
}

static void entry_text(uint64_t index, char out[32])
{
    snprintf(out, 32, "entry %llu", (unsigned long long)index);
}

static int publish(struct ledger *l, size_t n, struct error *err)
{
    uint64_t first = ledger_size(l);
    struct ledger_entry *entries = calloc(n + 1, sizeof *entries);
    char(*texts)[32] = calloc(n + 1, sizeof *texts);
    int r;

    for (size_t i = 0; i < n; i++) {
        entry_text(first + i, texts[i]);
        entries[i] = (struct ledger_entry){texts[i], strlen(texts[i])};
    }
    r = ledger_publish(l, first, entries, n, err);
    free(entries);
    free(texts);
    return r;
}

static void must_publish(struct ledger *l, size_t n)
{
    struct error err = ERROR_INIT;
    int r = publish(l, n, &err);

    if (r < 0)
        print_message("%s: %s\n", err.object, err.text);
    assert_int_equal(r, 0);
}

/* The root from the definition, without edges or tiles. */
static void slow_root(uint64_t size, struct digest *ret)
{
    struct digest *leaves = calloc(size + 1, sizeof *leaves);
    char text[32];

    for (uint64_t i = 0; i < size; i++) {
        entry_text(i, text);
        merkle_hash_leaf(text, strlen(text), &leaves[i]);
    }
    if (size > 0)
        merkle_hash_tree(leaves, size, ret);
    else
        merkle_hash_empty(ret);
    free(leaves);
}

static void assert_root(struct ledger *l, uint64_t size)
{
    struct digest want, have;

    assert_int_equal(ledger_size(l), size);
    slow_root(size, &want);
    ledger_root(l, &have);
    assert_true(digest_equal(&want, &have));
}

static char first_fault[1100];

static void on_fault(void *userdata, const struct error *fault)
{
    int *count = userdata;

    if ((*count)++ == 0)
        error_format(fault, first_fault, sizeof first_fault);
}

static int count_faults(struct ledger *l)
{
    struct error err = ERROR_INIT;
    int n = 0, r;

    first_fault[0] = 0;
    r = ledger_verify(l, on_fault, &n, &err);
    assert_int_equal(r, n ? -EBADMSG : 0);
    return n;
}

static void assert_no_faults(struct ledger *l)
{
    int n = count_faults(l);

    if (n)
        print_message("%s\n", first_fault);
    assert_int_equal(n, 0);
}

static void assert_receipt(const struct place *p, struct ledger *l, uint64_t index)
{
    _cleanup_(receipt_done) struct receipt receipt = {0};
    struct error err = ERROR_INIT;
    _cleanup_free_ char *text = NULL;
    char want[32];

    assert_int_equal(ledger_receipt(l, index, &text, &err), 0);
    assert_int_equal(receipt_verify(text, strlen(text), signing_key_verifier(p->key), &receipt, &err), 0);
    entry_text(index, want);
    assert_string_equal(receipt.entry, want);
    assert_int_equal(receipt.index, index);
}

static int files_seen;
static char odd_file[600];

static int on_file(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    if (type != FTW_F)
        return 0;
    files_seen++;
    if ((st->st_mode & 07777) != 0444 || strstr(path, ".tmp-"))
        snprintf(odd_file, sizeof odd_file, "%s", path);
    return 0;
}

/* How many files the ledger's folder holds; all must be 0444 and none temporary. */
static int count_files(const struct place *p)
{
    files_seen = 0;
    odd_file[0] = 0;
    assert_int_equal(nftw(p->path, on_file, 16, FTW_PHYS), 0);
    assert_string_equal(odd_file, "");
    return files_seen;
}

/* Files that a log of size leaves needs: checkpoint, key, tiles, bundles. */
static int needed_files(uint64_t size)
{
    int n = 2 + (int)tile_count(TILE_ENTRIES, size);

    for (int level = 0; level < TILE_LEVELS; level++)
        n += (int)tile_count(level, size);
    return n;
}

static bool exists(const struct place *p, const char *file)
{
    char path[800];

    snprintf(path, sizeof path, "%s/%s", p->path, file);
    return access(path, F_OK) == 0;
}

static void test_paths(void **state)
{
    static const struct {
        int level;
        uint64_t index;
        unsigned width;
        const char *path;
    } cases[] = {
        {0, 1234067, 256, "tile/0/x001/x234/067"},
        {0, 0, 256, "tile/0/000"},
        {1, 5, 17, "tile/1/005.p/17"},
        {2, 1000, 1, "tile/2/x001/000.p/1"},
        {TILE_ENTRIES, 273, 112, "tile/entries/273.p/112"},
        {TILE_ENTRIES, 999999, 256, "tile/entries/x999/999"},
        {0, UINT64_MAX / 256, 255, "tile/0/x072/x057/x594/x037/x927/935.p/255"},
    };
    char path[TILE_PATH_SIZE];

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        tile_path(cases[i].level, cases[i].index, cases[i].width, path);
        assert_string_equal(path, cases[i].path);
    }
}

static void test_widths(void **state)
{
    static const struct {
        uint64_t size;
        int level;
        uint64_t full;
        unsigned partial;
    } cases[] = {
        {0, 0, 0, 0},     {1, 0, 0, 1},     {255, 0, 0, 255},     {256, 0, 1, 0},
        {256, 1, 0, 1},   {257, 0, 1, 1},   {70000, 0, 273, 112}, {70000, 1, 1, 17},
        {70000, 2, 0, 1}, {70000, 3, 0, 0}, {65536, 1, 1, 0},     {65536, 2, 0, 1},
    };

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        uint64_t full = cases[i].full;
        if (full > 0)
            assert_int_equal(tile_width(cases[i].level, full - 1, cases[i].size), 256);
        assert_int_equal(tile_width(cases[i].level, full, cases[i].size), cases[i].partial);
        assert_int_equal(tile_width(cases[i].level, full + 1, cases[i].size), 0);
        assert_int_equal(tile_count(cases[i].level, cases[i].size), full + (cases[i].partial > 0));
    }
    assert_int_equal(tile_width(TILE_ENTRIES, 273, 70000), 112);
}

static void test_new_ledger(void **state)
{
    struct place p;
    struct ledger *l;
    struct error err = ERROR_INIT;
    _cleanup_free_ char *text = NULL, *data = NULL;
    size_t size;

    place_init(&p, state);
    assert_int_equal(open_fails(&p, false), -ENOENT);
    l = open_ledger(&p, true);
    assert_root(l, 0);
    assert_no_faults(l);
    assert_int_equal(count_files(&p), 2);
    assert_true(exists(&p, "ledger.pub"));
    assert_int_equal(ledger_read_entry(l, 0, &data, &size, &err), -ENOENT);
    assert_int_equal(ledger_read_entry(l, UINT64_MAX, &data, &size, &err), -ENOENT);
    assert_int_equal(ledger_receipt(l, 0, &text, &err), -ENOENT);
    must_publish(l, 0);
    assert_root(l, 0);
    ledger_close(l);
    l = open_ledger(&p, false);
    assert_root(l, 0);
    assert_int_equal(publish(l, 1, &err), -EROFS);
    ledger_close(l);
    place_done(&p);
}

/* Groups of all sizes around the borders, reopened in between, each time against the root from the definition. */
static void test_growth(void **state)
{
    static const size_t groups[] = {1, 1, 253, 1, 1, 255, 256, 257, 512, 3, 1000, 63000, 1, 200, 1500};
    struct place p;
    struct ledger *l, *reader;
    uint64_t size = 0;

    place_init(&p, state);
    l = open_ledger(&p, true);
    for (size_t i = 0; i < ARRAY_SIZE(groups); i++) {
        must_publish(l, groups[i]);
        size += groups[i];
        assert_root(l, size);
        reader = open_ledger(&p, false);
        assert_root(reader, size);
        assert_receipt(&p, reader, size - 1);
        assert_receipt(&p, reader, size / 2);
        assert_receipt(&p, reader, 0);
        ledger_close(reader);
        if (i % 4 == 3) {
            ledger_close(l);
            l = open_ledger(&p, true);
            assert_int_equal(count_files(&p), needed_files(size));
        }
    }
    assert_no_faults(l);
    ledger_close(l);
    place_done(&p);
}

static void test_kept_partials(void **state)
{
    struct place p;
    struct ledger *l;

    place_init(&p, state);
    l = open_ledger(&p, true);
    must_publish(l, 3);
    must_publish(l, 4);
    assert_true(exists(&p, "tile/0/000.p/3")); /* the checkpoint before needs it */
    assert_true(exists(&p, "tile/entries/000.p/3"));
    must_publish(l, 4);
    assert_false(exists(&p, "tile/0/000.p/3"));
    assert_false(exists(&p, "tile/entries/000.p/3"));
    assert_true(exists(&p, "tile/0/000.p/7"));
    must_publish(l, 260);
    assert_true(exists(&p, "tile/0/000.p/11"));
    must_publish(l, 1);
    assert_false(exists(&p, "tile/0/000.p"));
    assert_false(exists(&p, "tile/entries/000.p"));
    assert_true(exists(&p, "tile/0/001.p/15"));
    assert_true(exists(&p, "tile/1/000.p/1"));
    assert_int_equal(count_files(&p), needed_files(272) + 2);
    must_publish(l, 256);
    assert_true(exists(&p, "tile/1/000.p/1")); /* of 271 leaves, but that of 272 is the same */
    must_publish(l, 1);
    assert_false(exists(&p, "tile/1/000.p/1"));
    assert_true(exists(&p, "tile/1/000.p/2"));
    ledger_close(l);
    place_done(&p);
}

/* A reader that knows an old checkpoint reads on although its partial tiles have gone. */
static void test_old_reader(void **state)
{
    struct place p;
    struct ledger *l, *old;

    place_init(&p, state);
    l = open_ledger(&p, true);
    must_publish(l, 5);
    old = open_ledger(&p, false);
    for (int i = 0; i < 4; i++) {
        must_publish(l, 7);
        assert_receipt(&p, old, 4);
        assert_no_faults(old);
    }
    must_publish(l, 600);
    must_publish(l, 600);
    assert_receipt(&p, old, 4);
    assert_int_equal(ledger_size(old), 5);
    assert_receipt(&p, old, 700); /* looks for the newer checkpoint */
    assert_int_equal(ledger_size(old), 1233);
    ledger_close(old);
    ledger_close(l);
    place_done(&p);
}

static void test_consistency(void **state)
{
    static const uint64_t sizes[] = {1, 2, 3, 7, 8, 255, 256, 257, 511, 700, 1023, 1024, 1337};
    struct place p;
    struct ledger *l;
    struct error err = ERROR_INIT;
    struct digest *hashes = NULL;
    size_t n;

    place_init(&p, state);
    l = open_ledger(&p, true);
    must_publish(l, 1337);
    for (size_t i = 0; i < ARRAY_SIZE(sizes); i++)
        for (size_t j = i; j < ARRAY_SIZE(sizes); j++) {
            struct digest root1, root2;
            assert_int_equal(ledger_consistency(l, sizes[i], sizes[j], &hashes, &n, &err), 0);
            slow_root(sizes[i], &root1);
            slow_root(sizes[j], &root2);
            assert_true(merkle_check_consistency(sizes[i], sizes[j], &root1, &root2, hashes, n));
            free(TAKE_PTR(hashes));
        }
    assert_int_equal(ledger_consistency(l, 0, 5, &hashes, &n, &err), -EINVAL);
    assert_int_equal(ledger_consistency(l, 6, 5, &hashes, &n, &err), -EINVAL);
    assert_int_equal(ledger_consistency(l, 5, 1338, &hashes, &n, &err), -ENOENT);
    ledger_close(l);
    place_done(&p);
}

static int on_entry(void *userdata, uint64_t index, const char *data, size_t size)
{
    uint64_t *next = userdata;
    char want[32];

    entry_text(index, want);
    assert_int_equal(index, *next);
    assert_int_equal(size, strlen(want));
    assert_memory_equal(data, want, size);
    ++*next;
    return index == 400 ? 77 : 0;
}

static void test_entries(void **state)
{
    static char big[LEDGER_ENTRY_MAX + 1];
    struct ledger_entry entry = {big, sizeof big - 1}, wrong[] = {{"x", 0}, {big, sizeof big}};
    struct place p;
    struct ledger *l;
    struct error err = ERROR_INIT;
    _cleanup_free_ char *data = NULL;
    uint64_t next = 250;
    size_t size;

    place_init(&p, state);
    l = open_ledger(&p, true);
    must_publish(l, 600);
    assert_int_equal(ledger_each_entry(l, 250, 100, on_entry, &next, &err), 0);
    assert_int_equal(next, 350);
    assert_int_equal(ledger_each_entry(l, 350, 250, on_entry, &next, &err), 77);
    assert_int_equal(next, 401);
    assert_int_equal(ledger_each_entry(l, 590, 11, on_entry, &next, &err), -ENOENT);
    assert_int_equal(ledger_each_entry(l, 590, UINT64_MAX, on_entry, &next, &err), -EINVAL);
    assert_int_equal(ledger_each_entry(l, 600, 0, on_entry, &next, &err), 0);
    for (size_t i = 0; i < 2; i++)
        assert_int_equal(ledger_publish(l, 600, &wrong[i], 1, &err), -EINVAL);
    assert_int_equal(ledger_publish(l, 599, &entry, 1, &err), -EINVAL);
    assert_int_equal(ledger_publish(l, 601, &entry, 1, &err), -EINVAL);
    memset(big, 0xA5, sizeof big);
    assert_int_equal(ledger_publish(l, 600, &entry, 1, &err), 0);
    assert_int_equal(ledger_read_entry(l, 600, &data, &size, &err), 0);
    assert_int_equal(size, LEDGER_ENTRY_MAX);
    assert_memory_equal(data, big, size);
    assert_no_faults(l);
    ledger_close(l);
    place_done(&p);
}

static void test_one_writer(void **state)
{
    _cleanup_(signing_key_freep) struct signing_key *other = NULL;
    struct error err = ERROR_INIT;
    struct place p;
    struct ledger *l, *l2 = NULL;
    char path[700];

    place_init(&p, state);
    l = open_ledger(&p, true);
    assert_int_equal(open_fails(&p, true), -EBUSY);
    ledger_close(l);
    snprintf(path, sizeof path, "%s-other-key", p.path);
    assert_int_equal(signing_key_load(path, "site.example", true, &other, &err), 0);
    assert_int_equal(ledger_open(p.path, other, NULL, &l2, &err), -EBADMSG);
    assert_non_null(strstr(err.text, "another key"));
    assert_int_equal(ledger_open(p.path, NULL, signing_key_verifier(other), &l2, &err), -EBADMSG);
    assert_string_equal(err.object, "checkpoint");
    l = open_ledger(&p, true);
    ledger_close(l);
    place_done(&p);
}

/* Flips a bit of a file at an offset (negative: from its end). */
static void flip(const struct place *p, const char *file, off_t offset)
{
    char path[800];
    uint8_t byte;
    int fd;

    snprintf(path, sizeof path, "%s/%s", p->path, file);
    assert_int_equal(chmod(path, 0644), 0);
    fd = open(path, O_RDWR | O_CLOEXEC);
    assert_true(fd >= 0);
    offset = offset < 0 ? lseek(fd, 0, SEEK_END) + offset : offset;
    assert_int_equal(pread(fd, &byte, 1, offset), 1);
    byte ^= 0x10;
    assert_int_equal(pwrite(fd, &byte, 1, offset), 1);
    close(fd);
}

static void test_damage(void **state)
{
    static const struct {
        const char *file, *says;
        off_t offset;
        bool opens; /* a reader opens all the same: the right edge is whole */
    } cases[] = {
        {"tile/entries/000", "entry 0 does not hash", 5, true},
        {"tile/entries/000", "with their lengths", 0, true},
        {"tile/entries/002.p/88", "entry 599 does not hash", -1, true},
        {"tile/0/001", "entry 257 does not hash", 40, true},
        {"tile/0/002.p/88", "entry 512 does not hash", 0, false},
        {"tile/1/000.p/2", "hash 1 is not that of tile 1 of level 0", 32, false},
        {"checkpoint", "signature", 20, false},
    };
    struct place p;
    struct ledger *l;

    place_init(&p, state);
    l = open_ledger(&p, true);
    must_publish(l, 600);
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        flip(&p, cases[i].file, cases[i].offset);
        assert_true(count_faults(l) > 0);
        if (!strstr(first_fault, cases[i].says))
            fail_msg("%s: %s", cases[i].file, first_fault);
        if (cases[i].opens) {
            struct ledger *reader = open_ledger(&p, false);
            assert_true(count_faults(reader) > 0);
            ledger_close(reader);
        } else {
            assert_int_equal(open_fails(&p, false), -EBADMSG);
        }
        flip(&p, cases[i].file, cases[i].offset);
        assert_no_faults(l);
    }
    ledger_close(l);
    place_done(&p);
}

static void test_damaged_reads(void **state)
{
    struct place p;
    struct ledger *l;
    struct error err = ERROR_INIT;
    char *text = NULL, path[800];
    size_t size, n;
    struct digest *hashes = NULL;

    place_init(&p, state);
    l = open_ledger(&p, true);
    must_publish(l, 600);
    flip(&p, "tile/entries/000", 5);
    assert_int_equal(ledger_read_entry(l, 0, &text, &size, &err), -EBADMSG);
    assert_int_equal(ledger_receipt(l, 0, &text, &err), -EBADMSG);
    assert_receipt(&p, l, 1);
    flip(&p, "tile/0/001", 40);
    assert_int_equal(ledger_receipt(l, 300, &text, &err), -EBADMSG);
    assert_int_equal(ledger_consistency(l, 300, 600, &hashes, &n, &err), -EBADMSG);
    snprintf(path, sizeof path, "%s/tile/entries/001", p.path);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(ledger_read_entry(l, 300, &text, &size, &err), -EBADMSG);
    assert_string_equal(err.object, "tile/entries/001");
    ledger_close(l);
    /* the bundle at the edge is needed for writing */
    flip(&p, "tile/entries/002.p/88", 5);
    assert_int_equal(open_fails(&p, true), -EBADMSG);
    place_done(&p);
}

static void test_lost_checkpoint(void **state)
{
    struct place p;
    struct ledger *l;
    char path[800];

    place_init(&p, state);
    l = open_ledger(&p, true);
    must_publish(l, 5);
    ledger_close(l);
    snprintf(path, sizeof path, "%s/checkpoint", p.path);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(open_fails(&p, true), -EBADMSG);
    assert_int_equal(access(path, F_OK), -1);
    place_done(&p);
}

/* A checkpoint brought back from a copy: signed and whole, but older. A reader that saw more says so. */
static void test_taken_back(void **state)
{
    struct place p;
    struct ledger *l, *reader;
    struct error err = ERROR_INIT;
    _cleanup_free_ char *old = NULL;
    char *text = NULL, path[800];
    FILE *f;

    place_init(&p, state);
    l = open_ledger(&p, true);
    must_publish(l, 5);
    assert_int_equal(ledger_checkpoint(l, &old, &err), 0);
    must_publish(l, 5);
    reader = open_ledger(&p, false);
    snprintf(path, sizeof path, "%s/checkpoint", p.path);
    assert_int_equal(unlink(path), 0);
    f = fopen(path, "we");
    fputs(old, f);
    fclose(f);
    assert_true(count_faults(reader) > 0);
    assert_non_null(strstr(first_fault, "went back from 10 to 5"));
    assert_int_equal(ledger_receipt(reader, 10, &text, &err), -EBADMSG);
    assert_non_null(strstr(err.text, "went back"));
    ledger_close(reader);
    ledger_close(l);
    place_done(&p);
}

struct shared {
    const struct place *place;
    struct ledger *ledger;
    atomic_bool stop;
    atomic_int receipts, failed;
};

static void *read_on(void *userdata)
{
    struct shared *s = userdata;
    uint64_t state = (uintptr_t)&state | 1;

    while (!s->stop) {
        _cleanup_(receipt_done) struct receipt receipt = {0};
        _cleanup_free_ char *text = NULL;
        struct error err = ERROR_INIT;
        char want[32];
        uint64_t size = ledger_size(s->ledger), index;
        state = state * 6364136223846793005u + 1442695040888963407u;
        index = (state >> 33) % size;
        entry_text(index, want);
        if (ledger_receipt(s->ledger, index, &text, &err) < 0 ||
            receipt_verify(text, strlen(text), signing_key_verifier(s->place->key), &receipt, &err) < 0 ||
            strcmp(receipt.entry, want) != 0 || receipt.size < size)
            s->failed++;
        s->receipts++;
    }
    return NULL;
}

static void test_threads(void **state)
{
    struct place p;
    struct shared writer_side = {0}, reader_side = {0};
    pthread_t threads[4];

    place_init(&p, state);
    writer_side.place = reader_side.place = &p;
    writer_side.ledger = open_ledger(&p, true);
    must_publish(writer_side.ledger, 100);
    reader_side.ledger = open_ledger(&p, false);
    for (int i = 0; i < 4; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, read_on, i % 2 ? &reader_side : &writer_side), 0);
    for (int i = 0; i < 150; i++)
        must_publish(writer_side.ledger, 1 + (size_t)i % 40);
    while (writer_side.receipts < 50 || reader_side.receipts < 50)
        usleep(1000);
    writer_side.stop = reader_side.stop = true;
    for (int i = 0; i < 4; i++)
        pthread_join(threads[i], NULL);
    assert_int_equal(writer_side.failed, 0);
    assert_int_equal(reader_side.failed, 0);
    ledger_close(reader_side.ledger);
    ledger_close(writer_side.ledger);
    place_done(&p);
}

#ifdef LIUHEN_INJECT

static const char *const steps[] = {"ledger.bundles", "ledger.tiles", "ledger.checkpoint", "ledger.cleaned",
                                    "durable.rename", "fd.sync",      "fd.write"};

/* What runs in a process of its own, since the plan of failures is read once: test-ledger injected WORK FOLDER GROUP. Returns
 * 0, DONE_AGAIN when the injected failure came and the call was made again, else the line of what was wrong. */
#define DONE_AGAIN 1
#define MUST(x)                                                                                              \
    do {                                                                                                     \
        if (!(x))                                                                                            \
            return __LINE__ % 200 + 50;                                                                      \
    } while (0)

static int publish_and_again(struct ledger *l, size_t n)
{
    struct error err = ERROR_INIT;
    uint64_t size = ledger_size(l);
    int r = publish(l, n, &err);

    if (r == 0)
        return 0;
    MUST(r == -ENOSPC && err.code == -ENOSPC && err.text[0]);
    MUST(ledger_size(l) == size && ledger_verify(l, NULL, NULL, &err) == 0);
    MUST(publish(l, n + n % 3, &err) == 0);
    MUST(ledger_size(l) == size + n + n % 3 && ledger_verify(l, NULL, NULL, &err) == 0);
    return DONE_AGAIN;
}

/* A checkpoint that went out although the call failed is not taken back by a smaller group. */
static int publish_less(struct ledger *l, size_t n)
{
    struct error err = ERROR_INIT;

    MUST(publish(l, n, &err) == -EIO);
    MUST(publish(l, n - 1, &err) == -EINVAL);
    MUST(publish(l, n, &err) == 0);
    return DONE_AGAIN;
}

static int injected(const char *work, const char *folder, size_t n)
{
    _cleanup_(signing_key_freep) struct signing_key *key = NULL;
    _cleanup_(ledger_closep) struct ledger *l = NULL;
    struct error err = ERROR_INIT;
    char path[700];

    snprintf(path, sizeof path, "%s/key", folder);
    MUST(signing_key_load(path, "site.example", false, &key, &err) == 0);
    snprintf(path, sizeof path, "%s/ledger", folder);
    MUST(ledger_open(path, key, NULL, &l, &err) == 0);
    return strcmp(work, "less") == 0 ? publish_less(l, n) : publish_and_again(l, n);
}

/* Return: the exit status of wait(2). */
static int run_injected(void **state, const char *variable, const char *plan, const char *work, size_t n)
{
    const struct temp_folder *t = *state;
    char group[24];

    snprintf(group, sizeof group, "%zu", n);
    return run_again(variable, plan,
                     (const char *const[]){"test-ledger", "injected", work, t->path, group, NULL});
}

/* Publishes past all that failed groups have left, and opens the ledger again: what they left is gone then. */
static struct ledger *outgrow(const struct place *p)
{
    struct ledger *l = open_ledger(p, true);

    must_publish(l, 1000);
    must_publish(l, 1);
    ledger_close(l);
    return open_ledger(p, true);
}

/* Each call fails once at each place; the old state stands, and the call made again succeeds. */
static void test_failures(void **state)
{
    static const size_t groups[] = {300, 610, 520, 601, 340};
    struct place p;
    struct ledger *l;
    int failures = 0;

    place_init(&p, state);
    l = open_ledger(&p, true);
    must_publish(l, 20);
    ledger_close(l);
    for (size_t s = 0; s < ARRAY_SIZE(steps); s++)
        for (int nth = 1, again = 1; again && nth < 40; nth++) {
            char plan[64];
            int status;
            snprintf(plan, sizeof plan, "%s=ENOSPC:%d", steps[s], nth);
            status = run_injected(state, "LIUHEN_FAIL_AT", plan, "again",
                                  groups[(size_t)nth % ARRAY_SIZE(groups)]);
            again = WIFEXITED(status) && WEXITSTATUS(status) == DONE_AGAIN;
            if (!again && (!WIFEXITED(status) || WEXITSTATUS(status) != 0))
                fail_msg("%s: status %#x", plan, (unsigned)status);
            failures += again;
        }
    print_message("%d failures\n", failures);
    assert_true(failures > 30);
    l = outgrow(&p);
    assert_root(l, ledger_size(l));
    assert_no_faults(l);
    assert_int_equal(count_files(&p), needed_files(ledger_size(l)));
    ledger_close(l);
    place_done(&p);
}

static void test_not_taken_back(void **state)
{
    struct place p;
    struct ledger *l;
    int status;

    place_init(&p, state);
    ledger_close(open_ledger(&p, true));
    status = run_injected(state, "LIUHEN_FAIL_AT", "ledger.checkpoint=EIO", "less", 10);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), DONE_AGAIN);
    l = open_ledger(&p, true);
    assert_root(l, 10);
    ledger_close(l);
    place_done(&p);
}

/* Killed after every step; the next start finds a whole log and nothing else, and publishes on. */
static void test_kills(void **state)
{
    struct place p;
    struct ledger *l;
    uint64_t size = 0;
    int kills = 0;

    place_init(&p, state);
    ledger_close(open_ledger(&p, true));
    for (size_t s = 0; s < ARRAY_SIZE(steps); s++)
        for (int nth = 1, killed = 1; killed && nth < 40; nth++) {
            size_t n = (size_t)(nth * 37) % 600 + 1;
            char plan[64];
            int status;
            snprintf(plan, sizeof plan, "%s:%d", steps[s], nth);
            status = run_injected(state, "LIUHEN_KILL_AT", plan, "again", n);
            killed = WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL;
            assert_true(killed || (WIFEXITED(status) && WEXITSTATUS(status) == 0));
            kills += killed;
            l = open_ledger(&p, true);
            assert_true(ledger_size(l) == size || ledger_size(l) == size + n);
            assert_true(count_files(&p) >= needed_files(ledger_size(l)));
            assert_no_faults(l);
            must_publish(l, 2);
            size = ledger_size(l);
            assert_root(l, size);
            ledger_close(l);
        }
    print_message("%d kills\n", kills);
    assert_true(kills > 30);
    l = outgrow(&p);
    assert_no_faults(l);
    assert_int_equal(count_files(&p), needed_files(ledger_size(l)));
    ledger_close(l);
    place_done(&p);
}

#endif

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_paths),         cmocka_unit_test(test_widths),
        temp_folder_test(test_new_ledger),    temp_folder_test(test_growth),
        temp_folder_test(test_kept_partials), temp_folder_test(test_old_reader),
        temp_folder_test(test_consistency),   temp_folder_test(test_entries),
        temp_folder_test(test_one_writer),    temp_folder_test(test_damage),
        temp_folder_test(test_damaged_reads), temp_folder_test(test_lost_checkpoint),
        temp_folder_test(test_taken_back),    temp_folder_test(test_threads),
#ifdef LIUHEN_INJECT
        temp_folder_test(test_failures),      temp_folder_test(test_not_taken_back),
        temp_folder_test(test_kills),
#endif
    };

#ifdef LIUHEN_INJECT
    if (argc == 5 && strcmp(argv[1], "injected") == 0)
        return injected(argv[2], argv[3], strtoul(argv[4], NULL, 10));
#endif
    return cmocka_run_group_tests(tests, NULL, NULL);
}
