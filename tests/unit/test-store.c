/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The local store: whole seals by copy and by move, names of any bytes, sources that change, collisions, failures at every durable
 * step (a child process with the failure injected), recovery helpers, checking, quarantine. With LIUHEN_STORE_KEEP=DIR a store
 * of many kinds of objects is left in DIR for the readers in tests/system.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "store/store.h"
#include "temp-folder.h"

#define ARRIVAL "{\"door\":\"test\"}"
#define SEALED  INT64_C(1795000000123456)

struct box {
    char folder[512], archive[528], drop[528];
    int drop_fd;
    struct temp_folder *temp;
    struct store *store;
};

static struct error err; /* the last message; shown when an assertion fails */

#define assert_ok(call)                                                                                      \
    do {                                                                                                     \
        int _r = (call);                                                                                     \
        if (_r != 0)                                                                                         \
            fail_msg("%s: %d %s: %s", #call, _r, err.object, err.text);                                      \
    } while (0)

static void open_store(struct box *b, bool lock)
{
    const struct store_options o = {.create = true, .lock = lock, .immutable = STORE_IMMUTABLE_NO};

    assert_ok(store_open_local(b->archive, &o, &b->store, &err));
}

static int setup(void **state)
{
    struct box *b = calloc(1, sizeof *b);

    assert_non_null(b);
    if (temp_folder_setup((void **)&b->temp) < 0)
        return -1;
    snprintf(b->folder, sizeof b->folder, "%s", b->temp->path);
    snprintf(b->archive, sizeof b->archive, "%s/archive", b->folder);
    snprintf(b->drop, sizeof b->drop, "%s/drop", b->folder);
    assert_int_equal(mkdir(b->drop, 0700), 0);
    b->drop_fd = open(b->drop, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    open_store(b, false);
    *state = b;
    return 0;
}

static int teardown(void **state)
{
    struct box *b = *state;

    store_close(b->store);
    close(b->drop_fd);
    (void)temp_folder_teardown((void **)&b->temp);
    free(b);
    return 0;
}

static struct recording_id new_id(void)
{
    struct recording_id id;

    ulid_make(clock_now_usec(), id.text);
    return id;
}

static void digests_of(const void *data, size_t size, bool sm3, struct digest_pair *ret)
{
    struct hasher *h;

    assert_int_equal(hasher_new(sm3, &h), 0);
    hasher_update(h, data, size);
    hasher_final(h, ret);
    hasher_free(h);
}

/* Stages a copy of data; finished. */
static struct store_staged *stage_copy(struct store *s, struct recording_id *id, const void *name,
                                       size_t name_size, const char *data, bool sm3)
{
    struct store_staged *t = NULL;
    struct digest_pair d;
    int fd = -1;

    *id = new_id();
    digests_of(data, strlen(data), sm3, &d);
    assert_ok(store_stage_new(s, id, STORE_COPY, name, name_size, &t, &err));
    assert_ok(store_stage_content(t, &fd, &err));
    assert_int_equal(fd_write_full(fd, data, strlen(data)), 0);
    close(fd);
    assert_ok(store_stage_finish(t, &d, strlen(data), ARRIVAL, SEALED, &err));
    return t;
}

static struct recording_id seal_copy(struct store *s, const void *name, size_t name_size, const char *data,
                                     bool sm3)
{
    struct recording_id id;
    struct store_staged *t = stage_copy(s, &id, name, name_size, data, sm3);

    assert_ok(store_stage_sync(s, &t, 1, NULL, &err));
    assert_ok(store_stage_commit(t, &err));
    assert_ok(store_commit_sync(s, &t, 1, &err));
    store_staged_free(t);
    return id;
}

static void drop_file(const struct box *b, const char *name, const char *data)
{
    int fd = openat(b->drop_fd, name, O_WRONLY | O_CREAT | O_TRUNC, 0644);

    assert_true(fd >= 0);
    assert_int_equal(fd_write_full(fd, data, strlen(data)), 0);
    close(fd);
}

/* Stages the move of a dropped file; finished; *ret_fd is the open source. */
static struct store_staged *stage_move(const struct box *b, struct recording_id *id, const char *name,
                                       struct stat *ret_st, int *ret_fd)
{
    struct store_staged *t = NULL;
    struct digest_pair d;
    uint64_t bytes;

    *id = new_id();
    *ret_fd = openat(b->drop_fd, name, O_RDONLY | O_CLOEXEC);
    assert_true(*ret_fd >= 0);
    assert_int_equal(fstat(*ret_fd, ret_st), 0);
    assert_int_equal(digest_of_fd(*ret_fd, false, NULL, NULL, &d, &bytes), 0);
    assert_ok(store_stage_new(b->store, id, STORE_MOVE, name, strlen(name), &t, &err));
    store_stage_source(t, *ret_fd);
    assert_ok(store_stage_finish(t, &d, bytes, ARRIVAL, SEALED, &err));
    return t;
}

/* ---- counting ---- */

struct faults {
    int count;
    unsigned kinds;
    char text[2048];
};

static int on_fault(void *userdata, enum store_fault_kind kind, const char *path, const char *text)
{
    struct faults *f = userdata;
    size_t n = strlen(f->text);

    f->count++;
    f->kinds |= 1u << kind;
    snprintf(f->text + n, sizeof f->text - n, "%s %s\n", path, text);
    return 0;
}

static struct faults check(struct store *s, const struct recording_id *id, const struct store_expect *expect)
{
    struct faults f = {0};

    assert_ok(store_check_object(s, id, expect, true, on_fault, &f, &err));
    return f;
}

#define assert_sound(s, id)                                                                                  \
    do {                                                                                                     \
        struct faults _f = check(s, id, NULL);                                                               \
        if (_f.count)                                                                                        \
            fail_msg("faults: %s", _f.text);                                                                 \
    } while (0)

struct found {
    int objects, foreign, staged, intents, temps, other;
    char last[512];
};

static int on_object(void *userdata, const struct recording_id *id)
{
    struct found *f = userdata;

    f->objects++;
    snprintf(f->last, sizeof f->last, "%s", id->text);
    return 0;
}

static int on_foreign(void *userdata, const char *path, const char *why)
{
    struct found *f = userdata;

    f->foreign++;
    snprintf(f->last, sizeof f->last, "%s: %s", path, why);
    return 0;
}

static int on_staging(void *userdata, enum store_staging_kind kind, const char *name)
{
    struct found *f = userdata;

    (void)name;
    *(kind == STORE_STAGING_OBJECT   ? &f->staged
      : kind == STORE_STAGING_INTENT ? &f->intents
      : kind == STORE_STAGING_TEMP   ? &f->temps
                                     : &f->other) += 1;
    return 0;
}

static struct found look(struct store *s)
{
    struct found f = {0};

    assert_ok(store_each_object(s, on_object, on_foreign, &f, &err));
    assert_ok(store_each_staging(s, on_staging, &f, &err));
    return f;
}

struct kept {
    int count;
    char name[300], reason[512];
    uint64_t bytes;
};

static int on_kept(void *userdata, const char *name, uint64_t bytes, const char *reason)
{
    struct kept *k = userdata;

    k->count++;
    k->bytes = bytes;
    snprintf(k->name, sizeof k->name, "%s", name);
    snprintf(k->reason, sizeof k->reason, "%s", reason ? reason : "");
    return 0;
}

static struct kept quarantined(struct store *s)
{
    struct kept k = {0};

    assert_ok(store_quarantine_list(s, on_kept, &k, &err));
    return k;
}

static char *content_of(struct store *s, const struct recording_id *id, const char *name)
{
    static char text[4096];
    int fd = -1;
    ssize_t n;

    assert_ok(store_open_content(s, id, name, &fd, &err));
    n = fd_read_full(fd, text, sizeof text - 1);
    assert_true(n >= 0);
    text[n] = 0;
    close(fd);
    return text;
}

/* ---- whole seals ---- */

static void test_copy(void **state)
{
    struct box *b = *state;
    struct recording_id id = seal_copy(b->store, "VID 0001.mp4", 12, "frames", true);
    struct store_object o;
    struct digest_pair d;
    char *text = NULL;
    bool has = false;
    struct found f;

    assert_ok(store_has(b->store, &id, &has, &err));
    assert_true(has);
    assert_sound(b->store, &id);
    assert_string_equal(content_of(b->store, &id, "VID 0001.mp4"), "frames");
    assert_string_equal(content_of(b->store, &id, NULL), "frames");
    assert_ok(store_read_arrival(b->store, &id, &text, &err));
    assert_string_equal(text, ARRIVAL);
    free(text);
    digests_of("frames", 6, true, &d);
    assert_ok(store_describe_object(b->store, &id, &o, &err));
    assert_true(digest_equal(&o.sha256, &d.sha256));
    assert_true(o.have_sm3 && memcmp(o.sm3, d.sm3, DIGEST_BYTES) == 0);
    assert_int_equal(o.bytes, 6);
    f = look(b->store);
    assert_int_equal(f.objects, 1);
    assert_int_equal(f.foreign + f.staged + f.other, 0);
    assert_string_equal(f.last, id.text);
}

static void test_move(void **state)
{
    struct box *b = *state;
    struct recording_id id;
    struct store_staged *t;
    struct stat st, in;
    bool has = true;
    int fd;

    drop_file(b, "a.jpg", "picture");
    t = stage_move(b, &id, "a.jpg", &st, &fd);
    assert_int_equal(store_stage_commit(t, &err), STORE_E_UNKNOWN); /* no content yet */
    assert_ok(store_staged_has_content(t, &has, &err));
    assert_false(has);
    assert_ok(store_stage_sync(b->store, &t, 1, NULL, &err));
    assert_ok(store_stage_adopt(t, b->drop_fd, "a.jpg", &st, &err));
    assert_ok(store_stage_adopt(t, b->drop_fd, "a.jpg", &st, &err)); /* again: nothing to do */
    assert_ok(store_staged_verify(t, &err));
    assert_ok(store_stage_commit(t, &err));
    assert_ok(store_stage_commit(t, &err)); /* again: nothing to do */
    assert_ok(store_commit_sync(b->store, &t, 1, &err));
    assert_int_equal(store_stage_abort(t, -1, NULL, &err), -EINVAL);
    store_staged_free(t);
    assert_int_equal(fstat(fd, &in), 0);
    assert_int_equal(in.st_ino, st.st_ino); /* not copied */
    assert_int_equal(in.st_mode & 07777, 0400);
    close(fd);
    assert_int_equal(faccessat(b->drop_fd, "a.jpg", F_OK, 0), -1);
    assert_sound(b->store, &id);
    assert_int_equal(look(b->store).staged, 0);
}

static void test_group(void **state)
{
    struct box *b = *state;
    struct store_staged *t[8];
    struct recording_id id[8];
    char name[32];

    for (int i = 0; i < 8; i++) {
        snprintf(name, sizeof name, "IMG_%d.JPG", i);
        t[i] = stage_copy(b->store, &id[i], name, strlen(name), name, false);
    }
    assert_ok(store_intent_write(b->store, "batch", "text", false, &err));
    assert_ok(store_stage_sync(b->store, t, 8, "batch", &err));
    for (int i = 0; i < 8; i++)
        assert_ok(store_stage_commit(t[i], &err));
    assert_ok(store_commit_sync(b->store, t, 8, &err));
    assert_ok(store_intent_remove(b->store, "batch", &err));
    for (int i = 0; i < 8; i++) {
        assert_sound(b->store, &id[i]);
        store_staged_free(t[i]);
    }
    assert_int_equal(look(b->store).objects, 8);
}

static void test_clone(void **state)
{
    struct box *b = *state;
    struct recording_id id = new_id();
    struct store_staged *t = NULL;
    struct digest_pair d;
    int fd, out = -1, r;

    drop_file(b, "c.mp4", "cloned");
    digests_of("cloned", 6, false, &d);
    fd = openat(b->drop_fd, "c.mp4", O_RDONLY);
    assert_ok(store_stage_new(b->store, &id, STORE_COPY, "c.mp4", 5, &t, &err));
    r = store_stage_clone(t, fd, &err);
    close(fd);
    if (r == -EOPNOTSUPP || r == -EXDEV) { /* nothing was made: writing still works */
        assert_ok(store_stage_content(t, &out, &err));
        assert_int_equal(fd_write_full(out, "cloned", 6), 0);
        close(out);
        r = 0;
    }
    assert_ok(r);
    assert_ok(store_stage_finish(t, &d, 6, ARRIVAL, SEALED, &err));
    assert_ok(store_stage_commit(t, &err));
    store_staged_free(t);
    assert_sound(b->store, &id);
}

static void test_equal_bytes(void **state)
{
    struct box *b = *state;
    /* content that is the very text of arrival.json: one digest, two paths */
    struct recording_id id = seal_copy(b->store, "x.json", 6, ARRIVAL, true);

    assert_sound(b->store, &id);
    assert_string_equal(content_of(b->store, &id, NULL), ARRIVAL);
}

/* ---- names ---- */

static const struct {
    const char *bytes;
    size_t size;
} odd_names[] = {
    {"line\nbreak.mp4", 14},
    {"bad\xff\xfe utf8\x80.jpg", 15},
    {"..", 2},
    {".", 1},
    {"../../etc/passwd", 16},
    {"caf\xc3\xa9.wav", 9},   /* NFC */
    {"cafe\xcc\x81.wav", 10}, /* NFD: another name, another object */
    {"arrival.json", 12},
    {"quote\"back\\slash", 16},
    {".hidden", 7},
    {"-rf", 3},
    {"100%41.txt", 10},
    {"", 0},
    {"\xe7\x8e\xb0\xe5\x9c\xba\xe8\xae\xb0\xe5\xbd\x95.mp4", 16},
};

static void seal_odd_names(struct store *s)
{
    char longest[255];

    for (size_t i = 0; i < ARRAY_SIZE(odd_names); i++) {
        struct recording_id id = seal_copy(s, odd_names[i].bytes, odd_names[i].size, "odd", i % 2);
        assert_sound(s, &id);
    }
    memset(longest, 0xe9, sizeof longest); /* three bytes each on disk */
    struct recording_id id = seal_copy(s, longest, sizeof longest, "long", false);
    assert_sound(s, &id);
    memset(longest, 'n', sizeof longest);
    id = seal_copy(s, longest, sizeof longest, "long", false);
    assert_sound(s, &id);
}

static void test_names(void **state)
{
    struct box *b = *state;

    seal_odd_names(b->store);
    assert_int_equal(look(b->store).objects, ARRAY_SIZE(odd_names) + 2);
    assert_int_equal(look(b->store).foreign, 0);
}

/* ---- changed sources ---- */

static void expect_changed(struct box *b, struct store_staged *t, const struct stat *st, const char *name,
                           int fd)
{
    bool has = true;

    assert_int_equal(store_stage_adopt(t, b->drop_fd, name, st, &err), STORE_E_CHANGED);
    assert_true(err.text[0]);
    assert_ok(store_staged_has_content(t, &has, &err));
    assert_false(has);
    assert_ok(store_stage_abort(t, b->drop_fd, name, &err));
    store_staged_free(t);
    close(fd);
    assert_int_equal(look(b->store).staged + look(b->store).objects, 0);
    assert_int_equal(quarantined(b->store).count, 0);
}

static void test_source_grows(void **state)
{
    struct box *b = *state;
    struct recording_id id;
    struct stat st;
    int fd;

    drop_file(b, "g", "one");
    struct store_staged *t = stage_move(b, &id, "g", &st, &fd);
    drop_file(b, "g", "one and more");
    expect_changed(b, t, &st, "g", fd);
    assert_int_equal(faccessat(b->drop_fd, "g", F_OK, 0), 0);
}

static void test_source_replaced(void **state)
{
    struct box *b = *state;
    struct recording_id id;
    struct stat st;
    char *data;
    int fd;

    drop_file(b, "g", "one");
    struct store_staged *t = stage_move(b, &id, "g", &st, &fd);
    /* the held file keeps one link under another name; a stranger has the name */
    assert_int_equal(renameat(b->drop_fd, "g", b->drop_fd, "h"), 0);
    drop_file(b, "g", "two");
    expect_changed(b, t, &st, "g", fd);
    assert_int_equal(fd_read_file_at(b->drop_fd, "g", 100, &data, NULL), 0);
    assert_string_equal(data, "two"); /* given back untouched */
    free(data);
}

static void test_source_linked_or_gone(void **state)
{
    struct box *b = *state;
    struct recording_id id;
    struct stat st;
    int fd;

    drop_file(b, "g", "one");
    struct store_staged *t = stage_move(b, &id, "g", &st, &fd);
    assert_int_equal(linkat(b->drop_fd, "g", b->drop_fd, "h", 0), 0);
    expect_changed(b, t, &st, "g", fd);
    assert_int_equal(unlinkat(b->drop_fd, "h", 0), 0);
    t = stage_move(b, &id, "g", &st, &fd);
    assert_int_equal(unlinkat(b->drop_fd, "g", 0), 0);
    expect_changed(b, t, &st, "g", fd);
    drop_file(b, "g", "one");
    t = stage_move(b, &id, "g", &st, &fd);
    assert_int_equal(store_stage_adopt(t, b->drop_fd, "../drop/g", &st, &err), -EINVAL);
    assert_ok(store_stage_abort(t, -1, NULL, &err));
    store_staged_free(t);
    close(fd);
}

static void test_abort_gives_back(void **state)
{
    struct box *b = *state;
    struct recording_id id;
    struct stat st, back;
    struct kept k;
    int fd;

    drop_file(b, "g", "original");
    struct store_staged *t = stage_move(b, &id, "g", &st, &fd);
    assert_ok(store_stage_adopt(t, b->drop_fd, "g", &st, &err));
    assert_ok(store_stage_abort(t, b->drop_fd, "g", &err));
    store_staged_free(t);
    assert_int_equal(fstatat(b->drop_fd, "g", &back, 0), 0);
    assert_int_equal(back.st_ino, st.st_ino);
    assert_int_equal(back.st_mode, st.st_mode);
    close(fd);
    /* its name is taken meanwhile: quarantine, and the stranger stays */
    t = stage_move(b, &id, "g", &st, &fd);
    assert_ok(store_stage_adopt(t, b->drop_fd, "g", &st, &err));
    drop_file(b, "g", "stranger");
    assert_ok(store_stage_abort(t, b->drop_fd, "g", &err));
    store_staged_free(t);
    close(fd);
    k = quarantined(b->store);
    assert_int_equal(k.count, 1);
    assert_int_equal(k.bytes, 8);
    assert_non_null(strstr(k.reason, id.text));
    assert_int_equal(look(b->store).staged, 0);
}

/* ---- collisions ---- */

static void test_collisions(void **state)
{
    struct box *b = *state;
    struct recording_id id = seal_copy(b->store, "a", 1, "first", false), other;
    struct store_staged *t = NULL, *twice = NULL;
    char path[STORE_PATH_SIZE], parent[STORE_PATH_SIZE + 16];

    assert_int_equal(store_stage_new(b->store, &id, STORE_COPY, "a", 1, &t, &err), STORE_E_EXISTS);
    t = stage_copy(b->store, &other, "b", 1, "second", false);
    assert_int_equal(store_stage_new(b->store, &other, STORE_COPY, "b", 1, &twice, &err), STORE_E_EXISTS);
    assert_int_equal(store_stage_new(b->store, &other, STORE_MOVE, "b", 1, &twice, &err), STORE_E_EXISTS);
    /* something lies where the object must go: neither is touched */
    store_object_path(b->store, &other, path);
    snprintf(parent, sizeof parent, "%s/in-the-way", path);
    assert_int_equal(fd_mkdir_beneath(store_archive_fd(b->store), parent, 0700, false), 0);
    assert_int_equal(store_stage_commit(t, &err), STORE_E_EXISTS);
    assert_int_equal(faccessat(store_archive_fd(b->store), parent, F_OK, 0), 0);
    assert_int_equal(look(b->store).staged, 1);
    assert_int_equal(look(b->store).foreign, 1);
    assert_ok(store_stage_abort(t, -1, NULL, &err));
    store_staged_free(t);
    assert_sound(b->store, &id);
}

static void test_wrong_size(void **state)
{
    struct box *b = *state;
    struct recording_id id = new_id();
    struct store_staged *t = NULL;
    struct digest_pair d;
    int fd;

    digests_of("abc", 3, false, &d);
    assert_ok(store_stage_new(b->store, &id, STORE_COPY, "a", 1, &t, &err));
    assert_ok(store_stage_content(t, &fd, &err));
    assert_int_equal(fd_write_full(fd, "ab", 2), 0);
    close(fd);
    assert_int_equal(store_stage_finish(t, &d, 3, ARRIVAL, SEALED, &err), STORE_E_CHANGED);
    assert_int_equal(store_stage_commit(t, &err), -EINVAL);
    assert_ok(store_stage_abort(t, -1, NULL, &err));
    store_staged_free(t);
}

/* ---- opening ---- */

static void test_lock(void **state)
{
    struct box *b = *state;
    const struct store_options o = {.lock = true};
    struct store *second = NULL, *third = NULL;

    assert_ok(store_open_local(b->archive, &o, &second, &err));
    assert_int_equal(store_open_local(b->archive, &o, &third, &err), STORE_E_LOCKED);
    assert_non_null(strstr(err.text, "another daemon"));
    store_close(second);
    assert_ok(store_open_local(b->archive, &o, &third, &err));
    store_close(third);
}

static void test_opening(void **state)
{
    struct box *b = *state;
    const struct store_options make = {.create = true};
    struct store *s = NULL;
    char path[600];
    uint64_t bytes, inodes;

    snprintf(path, sizeof path, "%s/none", b->folder);
    assert_int_equal(store_open_local(path, NULL, &s, &err), -ENOENT);
    assert_int_equal(mkdir(path, 0700), 0);
    assert_int_equal(store_open_local(path, NULL, &s, &err), -ENOENT);
    strcat(path, "/objects");
    assert_int_equal(mkdir(path, 0700), 0);
    strcat(path, "/holiday");
    assert_int_equal(mkdir(path, 0700), 0);
    snprintf(path, sizeof path, "%s/none", b->folder);
    assert_int_equal(store_open_local(path, &make, &s, &err), -EPROTO); /* somebody else's folder */
    assert_int_equal(unlinkat(AT_FDCWD, strcat(path, "/objects/holiday"), AT_REMOVEDIR), 0);
    snprintf(path, sizeof path, "%s/none", b->folder);
    assert_ok(store_open_local(path, &make, &s, &err));
    assert_ok(store_space(s, &bytes, &inodes, &err));
    assert_true(bytes > 0 && inodes > 0);
    store_close(s);
    assert_null(store_close(NULL));
}

static void test_other_layout(void **state)
{
    struct box *b = *state;
    static const char config[] =
        "{\"extensionName\":\"0004-hashed-n-tuple-storage-layout\",\"digestAlgorithm\":\"sha256\","
        "\"tupleSize\":2,\"numberOfTuples\":3,\"shortObjectRoot\":true}";
    char path[700], object[STORE_PATH_SIZE];
    struct recording_id id;
    int fd;

    snprintf(path, sizeof path, "%s/objects/extensions/0004-hashed-n-tuple-storage-layout/config.json",
             b->archive);
    assert_int_equal(unlink(path), 0);
    fd = open(path, O_WRONLY | O_CREAT, 0600);
    assert_int_equal(fd_write_full(fd, config, strlen(config)), 0);
    close(fd);
    store_close(b->store);
    open_store(b, false);
    id = seal_copy(b->store, "a", 1, "elsewhere", false);
    store_object_path(b->store, &id, object);
    assert_int_equal(strlen(object), strlen("objects/") + 9 + 64 - 6);
    assert_sound(b->store, &id);
    assert_int_equal(look(b->store).objects, 1);
    assert_int_equal(look(b->store).foreign, 0);
}

/* ---- checking ---- */

static void object_file(struct box *b, const struct recording_id *id, const char *rest, char out[1200])
{
    char path[STORE_PATH_SIZE];

    store_object_path(b->store, id, path);
    snprintf(out, 1200, "%s/%s/%s", b->archive, path, rest);
}

static void rewrite(const char *path, const char *text)
{
    int fd;

    assert_int_equal(chmod(path, 0600), 0);
    fd = open(path, O_WRONLY | O_TRUNC);
    assert_true(fd >= 0);
    assert_int_equal(fd_write_full(fd, text, strlen(text)), 0);
    close(fd);
    assert_int_equal(chmod(path, 0400), 0);
}

static void expect_kind(struct box *b, const struct recording_id *id, enum store_fault_kind kind)
{
    struct faults f = check(b->store, id, NULL);

    if (!(f.kinds & (1u << kind)))
        fail_msg("fault %d not seen: %s", (int)kind, f.text);
}

static void test_check_content(void **state)
{
    struct box *b = *state;
    struct recording_id id = seal_copy(b->store, "a.mp4", 5, "truth", true);
    struct digest_pair d;
    struct store_expect e = STORE_EXPECT_NONE;
    char path[1200];

    digests_of("truth", 5, false, &d);
    e = (struct store_expect){&d.sha256, 5, "a.mp4"};
    assert_int_equal(check(b->store, &id, &e).count, 0);
    e.bytes = 6;
    assert_int_equal(check(b->store, &id, &e).kinds, 1u << STORE_FAULT_SIZE);
    e = (struct store_expect){&d.sha256, 5, "b.mp4"};
    assert_int_equal(check(b->store, &id, &e).kinds, 1u << STORE_FAULT_INVENTORY);
    digests_of("lies", 4, false, &d);
    e.content_name = NULL;
    assert_int_equal(check(b->store, &id, &e).kinds, 1u << STORE_FAULT_DIGEST);
    object_file(b, &id, "v1/content/a.mp4", path);
    rewrite(path, "trutH");
    assert_int_equal(check(b->store, &id, NULL).kinds, 1u << STORE_FAULT_DIGEST);
    rewrite(path, "truth");
    assert_sound(b->store, &id);
    assert_int_equal(chmod(path, 0640), 0);
    assert_int_equal(check(b->store, &id, NULL).kinds, 1u << STORE_FAULT_WRITABLE);
    assert_int_equal(chmod(path, 0400), 0);
    object_file(b, &id, "v1/content", path);
    assert_int_equal(chmod(path, 0700), 0);
    expect_kind(b, &id, STORE_FAULT_WRITABLE);
    object_file(b, &id, "v1/content/a.mp4", path);
    assert_int_equal(unlink(path), 0);
    expect_kind(b, &id, STORE_FAULT_MISSING);
}

static void test_check_rest(void **state)
{
    struct box *b = *state;
    static const char *const files[] = {"0=ocfl_object_1.1",        "inventory.json",
                                        "inventory.json.sha256",    "v1/inventory.json",
                                        "v1/inventory.json.sha256", "v1/content/arrival.json"};
    char path[1200];
    struct recording_id id, none = new_id();

    for (size_t i = 0; i < ARRAY_SIZE(files); i++) {
        id = seal_copy(b->store, "a.mp4", 5, "truth", false);
        object_file(b, &id, files[i], path);
        rewrite(path, "{}\n");
        expect_kind(b, &id, i == 5 ? STORE_FAULT_DIGEST : STORE_FAULT_INVENTORY);
        object_file(b, &id, "", path);
        assert_int_equal(chmod(path, 0700), 0);
        object_file(b, &id, "v1", path);
        assert_int_equal(chmod(path, 0700), 0);
        object_file(b, &id, "v1/content", path);
        assert_int_equal(chmod(path, 0700), 0);
        object_file(b, &id, files[i], path);
        assert_int_equal(unlink(path), 0);
        expect_kind(b, &id, STORE_FAULT_MISSING);
        assert_int_equal(symlink("/etc/passwd", path), 0);
        expect_kind(b, &id, STORE_FAULT_EXTRA);
    }
    id = seal_copy(b->store, "a.mp4", 5, "truth", false);
    object_file(b, &id, "v1/content/more", path);
    object_file(b, &id, "v1/content", path);
    assert_int_equal(chmod(path, 0700), 0);
    strcat(path, "/more");
    close(open(path, O_WRONLY | O_CREAT, 0400));
    expect_kind(b, &id, STORE_FAULT_EXTRA);
    expect_kind(b, &none, STORE_FAULT_MISSING);
}

static void test_foreign(void **state)
{
    struct box *b = *state;
    struct recording_id id = seal_copy(b->store, "a", 1, "x", false);
    char path[1200], object[STORE_PATH_SIZE];
    struct found f;

    snprintf(path, sizeof path, "%s/objects/holiday\n.jpg", b->archive);
    close(open(path, O_WRONLY | O_CREAT, 0600));
    f = look(b->store);
    assert_int_equal(f.foreign, 1);
    assert_string_equal(f.last, "objects/holiday%0A.jpg: does not belong in the storage root");
    assert_int_equal(unlink(path), 0);
    snprintf(path, sizeof path, "%s/objects/zzz", b->archive);
    assert_int_equal(mkdir(path, 0700), 0);
    assert_int_equal(look(b->store).foreign, 1);
    assert_int_equal(rmdir(path), 0);
    snprintf(path, sizeof path, "%s/objects/000", b->archive);
    if (mkdir(path, 0700) == 0) {
        assert_int_equal(look(b->store).foreign, 1);
        assert_int_equal(rmdir(path), 0);
    }
    /* an object in the wrong place is not the object of its id */
    store_object_path(b->store, &id, object);
    snprintf(path, sizeof path, "%s/%s", b->archive, object);
    assert_int_equal(chmod(path, 0700), 0);
    path[strlen(path) - 1] = path[strlen(path) - 1] == '0' ? '1' : '0';
    assert_int_equal(renameat(store_archive_fd(b->store), object, AT_FDCWD, path), 0);
    f = look(b->store);
    assert_int_equal(f.objects, 0);
    assert_int_equal(f.foreign, 1);
    assert_non_null(strstr(f.last, "is not where its id belongs"));
}

static void test_unknown(void **state)
{
    struct box *b = *state;
    struct recording_id id = new_id();
    struct store_staged *t = NULL;
    struct store_object o;
    char *text = NULL;
    int fd = -1;

    assert_int_equal(store_open_content(b->store, &id, "a", &fd, &err), STORE_E_UNKNOWN);
    assert_int_equal(store_open_content(b->store, &id, NULL, &fd, &err), STORE_E_UNKNOWN);
    assert_int_equal(store_open_content(b->store, &id, "../a", &fd, &err), -EINVAL);
    assert_int_equal(store_read_arrival(b->store, &id, &text, &err), STORE_E_UNKNOWN);
    assert_int_equal(store_describe_object(b->store, &id, &o, &err), STORE_E_UNKNOWN);
    assert_int_equal(store_stage_reopen(b->store, &id, &t, &err), STORE_E_UNKNOWN);
    assert_int_equal(store_commit_again(b->store, &id, &err), STORE_E_UNKNOWN);
    assert_int_equal(fd, -1);
}

/* ---- recovery ---- */

static void test_reopen_copy(void **state)
{
    struct box *b = *state;
    struct recording_id id;
    struct store_staged *t = stage_copy(b->store, &id, "a.mp4", 5, "frames", false);
    char path[700];

    store_staged_free(t);
    assert_ok(store_stage_reopen(b->store, &id, &t, &err));
    assert_true(store_staged_is_finished(t));
    assert_int_equal(store_staged_how(t), STORE_COPY);
    assert_string_equal(store_staged_content_name(t), "a.mp4");
    assert_ok(store_staged_verify(t, &err));
    snprintf(path, sizeof path, "%s/staging/%s/v1/content/a.mp4", b->archive, id.text);
    rewrite(path, "framez");
    assert_int_equal(store_staged_verify(t, &err), STORE_E_DAMAGED);
    rewrite(path, "frames");
    assert_ok(store_stage_commit(t, &err));
    store_staged_free(t);
    assert_sound(b->store, &id);
}

static void test_reopen_move(void **state)
{
    struct box *b = *state;
    struct recording_id id;
    struct store_staged *t;
    struct stat st;
    int fd;

    drop_file(b, "m", "moved");
    t = stage_move(b, &id, "m", &st, &fd);
    store_staged_free(t);
    close(fd);
    assert_ok(store_stage_reopen(b->store, &id, &t, &err));
    assert_int_equal(store_staged_how(t), STORE_MOVE);
    assert_ok(store_staged_verify(t, &err)); /* content not in yet is no damage */
    assert_ok(store_stage_adopt(t, b->drop_fd, "m", &st, &err));
    store_staged_free(t);
    assert_ok(store_stage_reopen(b->store, &id, &t, &err));
    assert_ok(store_staged_verify(t, &err));
    assert_ok(store_stage_commit(t, &err));
    store_staged_free(t);
    assert_sound(b->store, &id);
}

static void test_reopen_torn(void **state)
{
    struct box *b = *state;
    struct recording_id id;
    struct store_staged *t;
    struct stat st;
    char path[700];
    int fd;

    /* a power cut can leave an empty inventory; the moved-in original must still survive the abort */
    drop_file(b, "m", "original");
    t = stage_move(b, &id, "m", &st, &fd);
    assert_ok(store_stage_adopt(t, b->drop_fd, "m", &st, &err));
    store_staged_free(t);
    close(fd);
    snprintf(path, sizeof path, "%s/staging/%s.move/v1/inventory.json", b->archive, id.text);
    rewrite(path, "");
    assert_ok(store_stage_reopen(b->store, &id, &t, &err));
    assert_false(store_staged_is_finished(t));
    assert_int_equal(store_stage_commit(t, &err), -EINVAL);
    assert_ok(store_stage_abort(t, -1, NULL, &err));
    store_staged_free(t);
    assert_int_equal(quarantined(b->store).count, 1);
    assert_int_equal(quarantined(b->store).bytes, 8);
    assert_int_equal(look(b->store).staged, 0);
    t = stage_copy(b->store, &id, "c", 1, "copy", false);
    store_staged_free(t);
    snprintf(path, sizeof path, "%s/staging/%s/0=ocfl_object_1.1", b->archive, id.text);
    assert_int_equal(unlink(path), 0);
    assert_ok(store_stage_reopen(b->store, &id, &t, &err));
    assert_false(store_staged_is_finished(t));
    assert_ok(store_stage_abort(t, -1, NULL, &err));
    store_staged_free(t);
    assert_int_equal(quarantined(b->store).count, 1); /* a copy is thrown away */
}

static void test_commit_again(void **state)
{
    struct box *b = *state;
    struct recording_id id = seal_copy(b->store, "a", 1, "x", false);
    char path[1200];

    object_file(b, &id, "", path);
    assert_int_equal(chmod(path, 0700), 0);
    object_file(b, &id, "v1/content", path);
    assert_int_equal(chmod(path, 0700), 0);
    object_file(b, &id, "v1/content/a", path);
    assert_int_equal(chmod(path, 0644), 0);
    assert_int_equal(check(b->store, &id, NULL).count, 3);
    assert_ok(store_commit_again(b->store, &id, &err));
    assert_ok(store_commit_again(b->store, &id, &err));
    assert_sound(b->store, &id);
}

static void touch(const struct box *b, const char *name)
{
    char path[700];

    snprintf(path, sizeof path, "%s/staging/%s", b->archive, name);
    close(open(path, O_WRONLY | O_CREAT, 0600));
}

static void test_staging_entries(void **state)
{
    struct box *b = *state;
    struct recording_id id;
    struct found f;
    char name[64];

    store_staged_free(stage_copy(b->store, &id, "a", 1, "x", false));
    assert_ok(store_intent_write(b->store, "batch-1", "t", true, &err));
    touch(b, "batch-2.intent.tmp-123-4");
    touch(b, "holiday.jpg");
    touch(b, "bad name.intent");
    ulid_make(clock_now_usec(), name);
    touch(b, name); /* a file of an object's name */
    f = look(b->store);
    assert_int_equal(f.staged, 1);
    assert_int_equal(f.intents, 1);
    assert_int_equal(f.temps, 1);
    assert_int_equal(f.other, 3);
    assert_int_equal(store_staging_remove_temp(b->store, "holiday.jpg", &err), -EINVAL);
    assert_int_equal(store_staging_remove_temp(b->store, "batch-1.intent", &err), -EINVAL);
    assert_ok(store_staging_remove_temp(b->store, "batch-2.intent.tmp-123-4", &err));
    assert_ok(store_quarantine(b->store, store_staging_fd(b->store), "holiday.jpg", "{}", NULL, &err));
    f = look(b->store);
    assert_int_equal(f.temps, 0);
    assert_int_equal(f.other, 2);
}

static void test_intents(void **state)
{
    struct box *b = *state;
    char *text = NULL;

    assert_int_equal(store_intent_write(b->store, "../x", "t", true, &err), -EINVAL);
    assert_int_equal(store_intent_write(b->store, "", "t", true, &err), -EINVAL);
    assert_int_equal(store_intent_read(b->store, "b1", &text, &err), STORE_E_UNKNOWN);
    assert_ok(store_intent_write(b->store, "b1", "one", true, &err));
    assert_ok(store_intent_write(b->store, "b1", "two", false, &err));
    assert_ok(store_intent_read(b->store, "b1", &text, &err));
    assert_string_equal(text, "two");
    free(text);
    assert_ok(store_intent_remove(b->store, "b1", &err));
    assert_ok(store_intent_remove(b->store, "b1", &err));
    assert_int_equal(look(b->store).intents, 0);
}

/* ---- quarantine ---- */

static void test_quarantine(void **state)
{
    struct box *b = *state;
    char longest[256], *kept = NULL;
    struct recording_id id = seal_copy(b->store, "a", 1, "x", false);
    char path[1200], parent[1200], *slash;
    struct stat st;
    int dirfd;

    memset(longest, 0xe9, 255);
    longest[255] = 0;
    drop_file(b, longest, "bytes");
    assert_ok(store_quarantine(b->store, b->drop_fd, longest, "{\"reason\":\"r\"}", &kept, &err));
    assert_string_equal(quarantined(b->store).name, kept);
    assert_string_equal(quarantined(b->store).reason, "{\"reason\":\"r\"}");
    free(kept);
    drop_file(b, "x.reason.json", "not a reason");
    assert_ok(store_quarantine(b->store, b->drop_fd, "x.reason.json", "{}", &kept, &err));
    assert_int_equal(quarantined(b->store).count, 2);
    assert_string_equal(quarantined(b->store).reason, "{}");
    free(kept);
    assert_int_equal(symlinkat("/etc/passwd", b->drop_fd, "link"), 0);
    assert_ok(store_quarantine(b->store, b->drop_fd, "link", "{}", &kept, &err));
    assert_int_equal(fstatat(b->drop_fd, "link", &st, AT_SYMLINK_NOFOLLOW), -1);
    free(kept);
    assert_int_equal(store_quarantine(b->store, b->drop_fd, "none", "{}", NULL, &err), STORE_E_UNKNOWN);
    assert_int_equal(store_quarantine(b->store, b->drop_fd, "..", "{}", NULL, &err), -EINVAL);
    /* a whole object, read-only folders and all */
    object_file(b, &id, "", path);
    path[strlen(path) - 1] = 0;
    strcpy(parent, path);
    slash = strrchr(parent, '/');
    *slash = 0;
    dirfd = open(parent, O_RDONLY | O_DIRECTORY);
    assert_ok(store_quarantine(b->store, dirfd, slash + 1, "{}", &kept, &err));
    close(dirfd);
    free(kept);
    assert_int_equal(quarantined(b->store).count, 4);
}

static void test_quarantine_other_fs(void **state)
{
    struct box *b = *state;
    char folder[] = "/dev/shm/test-store-XXXXXX", *kept = NULL;
    struct stat here, there;
    int fd;

    if (!mkdtemp(folder))
        skip();
    fd = open(folder, O_RDONLY | O_DIRECTORY);
    assert_int_equal(fstat(fd, &there) | fstat(b->drop_fd, &here), 0);
    if (here.st_dev == there.st_dev) {
        close(fd);
        rmdir(folder);
        print_message("needs /dev/shm on another file system\n");
        skip();
    }
    int out = openat(fd, "f", O_WRONLY | O_CREAT, 0600);
    assert_int_equal(fd_write_full(out, "far away", 8), 0);
    close(out);
    assert_ok(store_quarantine(b->store, fd, "f", "{}", &kept, &err));
    free(kept);
    assert_int_equal(quarantined(b->store).bytes, 8);
    assert_int_equal(faccessat(fd, "f", F_OK, 0), -1);
    assert_int_equal(mkdirat(fd, "tree", 0700), 0);
    assert_int_equal(store_quarantine(b->store, fd, "tree", "{}", NULL, &err), -EXDEV);
    assert_int_equal(quarantined(b->store).count, 1);
    assert_int_equal(look(b->store).temps, 0);
    close(fd);
    assert_int_equal(fd_remove_tree_at(AT_FDCWD, folder), 0);
}

/* ---- failures at every step ---- */

#ifdef LIUHEN_INJECT
static int error_written(int r)
{
    return r < 0 ? error_errno(&err, r, "content", "cannot write") : 0;
}

/* The seal of one copy, one move and a quarantine, as far as it goes. Returns at the first failure after undoing. */
static int seal_some(struct box *b)
{
    struct store_staged *t[2] = {NULL, NULL};
    struct recording_id id[2] = {new_id(), new_id()};
    struct digest_pair d;
    struct stat st;
    int fd = -1, src = openat(b->drop_fd, "m", O_RDONLY), r;

    if (src < 0 || fstat(src, &st) < 0)
        return 200;
    digests_of("same", 4, false, &d);
    if ((r = store_stage_new(b->store, &id[0], STORE_COPY, "c", 1, &t[0], &err)) != 0 ||
        (r = store_stage_content(t[0], &fd, &err)) != 0 ||
        (r = error_written(fd_write_full(fd, "same", 4))) != 0 ||
        (r = store_stage_finish(t[0], &d, 4, ARRIVAL, SEALED, &err)) != 0 ||
        (r = store_stage_new(b->store, &id[1], STORE_MOVE, "m", 1, &t[1], &err)) != 0)
        goto undo;
    store_stage_source(t[1], src);
    if ((r = store_stage_finish(t[1], &d, 4, ARRIVAL, SEALED, &err)) != 0 ||
        (r = store_intent_write(b->store, "i", "x", true, &err)) != 0 ||
        (r = store_stage_sync(b->store, t, 2, "i", &err)) != 0 ||
        (r = store_stage_adopt(t[1], b->drop_fd, "m", &st, &err)) != 0 ||
        (r = store_stage_commit(t[0], &err)) != 0 || (r = store_stage_commit(t[1], &err)) != 0 ||
        (r = store_commit_sync(b->store, t, 2, &err)) != 0 ||
        (r = store_intent_remove(b->store, "i", &err)) != 0)
        goto undo;
    r = store_quarantine(b->store, b->drop_fd, "q", "{}", NULL, &err);
undo:
    for (int i = 0; r != 0 && i < 2; i++)
        if (t[i])
            (void)store_stage_abort(t[i], b->drop_fd, "m", NULL);
    for (int i = 0; i < 2; i++)
        store_staged_free(t[i]);
    close(src);
    return r;
}

/* Runs seal_some in a child process with the plan set (the plan is read once a process, so it is started anew); its exit
 * status: 0 done, CHILD_FAILED with the errno asked for and said so, else wrong (sanitizers end with 1). */
#define CHILD_FAILED 7
static int run_child(struct box *b, const char *variable, const char *plan)
{
    pid_t pid = fork();
    int status = 0;

    assert_true(pid >= 0);
    if (pid == 0) {
        setenv(variable, plan, 1);
        execl("/proc/self/exe", "test-store", "--seal", b->archive, b->drop, (char *)NULL);
        _exit(101);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    return status;
}

static int child_main(const char *archive, const char *drop)
{
    struct box b = {.drop_fd = open(drop, O_RDONLY | O_DIRECTORY | O_CLOEXEC)};
    int r = store_open_local(archive, NULL, &b.store, &err);

    if (r == 0)
        r = seal_some(&b);
    store_close(b.store);
    if (r != 0 && !(r == -ENOSPC && err.code == r && strstr(err.text, "No space left")))
        fprintf(stderr, "%d %d %s: %s\n", r, err.code, err.object, err.text);
    return r == 0                                                               ? 0
           : r == -ENOSPC && err.code == r && strstr(err.text, "No space left") ? CHILD_FAILED
                                                                                : 100;
}

static const char *const points[] = {
    "store.stage",       "store.finish", "store.sync",          "store.adopt",
    "store.own",         "store.rename", "store.tuples",        "store.harden",
    "store.commit-sync", "store.intent", "store.intent-remove", "store.quarantine",
    "fd.write",          "fd.sync",      "fd.rename",           "durable.rename"};

static void clean(struct box *b)
{
    store_close(b->store);
    assert_int_equal(fd_remove_tree_at(AT_FDCWD, b->archive), 0);
    open_store(b, false);
    (void)unlinkat(b->drop_fd, "m", 0);
    (void)unlinkat(b->drop_fd, "q", 0);
    drop_file(b, "m", "same");
    drop_file(b, "q", "bad");
}

static int on_object_whole(void *userdata, const struct recording_id *id)
{
    struct box *b = userdata;
    struct faults f = check(b->store, id, NULL);

    /* a failure between rename and hardening leaves modes to store_commit_again, and nothing else */
    if (f.kinds & ~(1u << STORE_FAULT_WRITABLE))
        fail_msg("half an object in its place: %s", f.text);
    assert_ok(store_commit_again(b->store, id, &err));
    assert_sound(b->store, id);
    return 0;
}

static int count_bytes(struct box *b)
{
    struct stat st;
    struct kept k = quarantined(b->store);

    return (fstatat(b->drop_fd, "m", &st, 0) == 0) + (fstatat(b->drop_fd, "q", &st, 0) == 0) + k.count;
}

static void test_fail_everywhere(void **state)
{
    struct box *b = *state;
    int failures = 0;

    for (size_t i = 0; i < ARRAY_SIZE(points); i++)
        for (int nth = 1; nth < 40; nth++) {
            char plan[64];
            struct found f = {0};
            int status;

            clean(b);
            snprintf(plan, sizeof plan, "%s=ENOSPC:%d", points[i], nth);
            status = run_child(b, "LIUHEN_FAIL_AT", plan);
            assert_true(WIFEXITED(status));
            if (WEXITSTATUS(status) != 0 && WEXITSTATUS(status) != CHILD_FAILED)
                fail_msg("%s: exit %d", plan, WEXITSTATUS(status));
            assert_ok(store_each_object(b->store, on_object_whole, on_foreign, b, &err));
            f = look(b->store);
            if (f.foreign)
                fail_msg("%s leaves %s", plan, f.last);
            /* m: in the drop folder, quarantine or as one of two objects; q: in the drop folder or quarantine */
            if (f.objects + count_bytes(b) < 2)
                fail_msg("%s: something is lost", plan);
            if (WEXITSTATUS(status) == 0)
                break;
            failures++;
        }
    assert_true(failures >= 25);
}

static void test_kill_everywhere(void **state)
{
    struct box *b = *state;
    int kills = 0;

    for (size_t i = 0; i < ARRAY_SIZE(points); i++)
        for (int nth = 1; nth < 40; nth++) {
            char plan[64];
            int status;

            clean(b);
            snprintf(plan, sizeof plan, "%s:%d", points[i], nth);
            status = run_child(b, "LIUHEN_KILL_AT", plan);
            if (!WIFSIGNALED(status))
                break;
            kills++;
            assert_ok(store_each_object(b->store, on_object_whole, NULL, b, &err));
            assert_int_equal(look(b->store).other, 0); /* all that is left in staging is known as ours */
        }
    assert_true(kills >= 25);
}
#endif

/* ---- the store that stays for other readers ---- */

static void test_keep(void **state)
{
    const char *folder = getenv("LIUHEN_STORE_KEEP");
    const struct store_options o = {
        .create = true, .user_name = "liuhend \"test\"", .immutable = STORE_IMMUTABLE_NO};
    char name[32], data[64];
    struct store *s = NULL;

    (void)state;
    if (!folder) {
        print_message("LIUHEN_STORE_KEEP is not set: nothing is left behind\n");
        skip();
    }
    assert_ok(store_open_local(folder, &o, &s, &err));
    seal_odd_names(s);
    seal_copy(s, "same.json", 9, ARRIVAL, true);
    seal_copy(s, "empty.bin", 9, "", false);
    for (int i = 0; i < 60; i++) {
        snprintf(name, sizeof name, "IMG_%04d.JPG", i);
        snprintf(data, sizeof data, "picture %d", i);
        seal_copy(s, name, strlen(name), data, i % 3 == 0);
    }
    store_close(s);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(int argc, char **argv)
{
#ifdef LIUHEN_INJECT
    if (argc == 4 && strcmp(argv[1], "--seal") == 0)
        return child_main(argv[2], argv[3]);
#endif
    const struct CMUnitTest tests[] = {
        TEST(test_copy),
        TEST(test_move),
        TEST(test_group),
        TEST(test_clone),
        TEST(test_equal_bytes),
        TEST(test_names),
        TEST(test_source_grows),
        TEST(test_source_replaced),
        TEST(test_source_linked_or_gone),
        TEST(test_abort_gives_back),
        TEST(test_collisions),
        TEST(test_wrong_size),
        TEST(test_lock),
        TEST(test_opening),
        TEST(test_other_layout),
        TEST(test_check_content),
        TEST(test_check_rest),
        TEST(test_foreign),
        TEST(test_unknown),
        TEST(test_reopen_copy),
        TEST(test_reopen_move),
        TEST(test_reopen_torn),
        TEST(test_commit_again),
        TEST(test_staging_entries),
        TEST(test_intents),
        TEST(test_quarantine),
        TEST(test_quarantine_other_fs),
#ifdef LIUHEN_INJECT
        TEST(test_fail_everywhere),
        TEST(test_kill_everywhere),
#endif
        TEST(test_keep),
    };

    /* only what LIUHEN_STORE_KEEP asks for; the other tests have their own run */
    if (argc == 2 && strcmp(argv[1], "--keep") == 0)
        cmocka_set_test_filter("test_keep");
    return cmocka_run_group_tests_name("store", tests, NULL, NULL);
}
