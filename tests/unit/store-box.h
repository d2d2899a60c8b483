/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * What the tests of the store share: a fresh archive with a drop folder beside it, sealing by copy and by move, and looking at what
 * is there afterwards.
 */
#ifndef LIUHEN_TESTS_STORE_BOX_H
#define LIUHEN_TESTS_STORE_BOX_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <limits.h>
#include <linux/fs.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
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

static _unused_ struct error err; /* the last message; shown when an assertion fails */

#define assert_ok(call)                                                                                      \
    do {                                                                                                     \
        int _r = (call);                                                                                     \
        if (_r != 0)                                                                                         \
            fail_msg("%s: %d %s: %s", #call, _r, err.object, err.text);                                      \
    } while (0)

static inline _unused_ void open_store(struct box *b, bool lock)
{
    const struct store_options o = {.create = true, .lock = lock, .immutable = STORE_IMMUTABLE_NO};

    assert_ok(store_open_local(b->archive, &o, &b->store, &err));
}

static inline _unused_ int setup(void **state)
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

static inline _unused_ int teardown(void **state)
{
    struct box *b = *state;

    store_close(b->store);
    close(b->drop_fd);
    (void)temp_folder_teardown((void **)&b->temp);
    free(b);
    return 0;
}

static inline _unused_ struct recording_id new_id(void)
{
    struct recording_id id;

    ulid_make(clock_now_usec(), id.text);
    return id;
}

static inline _unused_ void digests_of(const void *data, size_t size, bool sm3, struct digest_pair *ret)
{
    struct hasher *h;

    assert_int_equal(hasher_new(sm3, &h), 0);
    hasher_update(h, data, size);
    hasher_final(h, ret);
    hasher_free(h);
}

/* Stages a copy of data; finished. */
static inline _unused_ struct store_staged *stage_copy(struct store *s, struct recording_id *id,
                                                       const void *name, size_t name_size, const char *data,
                                                       bool sm3)
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

static inline _unused_ struct recording_id seal_copy(struct store *s, const void *name, size_t name_size,
                                                     const char *data, bool sm3)
{
    struct recording_id id;
    struct store_staged *t = stage_copy(s, &id, name, name_size, data, sm3);

    assert_ok(store_stage_sync(s, &t, 1, NULL, &err));
    assert_ok(store_stage_commit(t, &err));
    assert_ok(store_commit_sync(s, &t, 1, &err));
    store_staged_free(t);
    return id;
}

static inline _unused_ void drop_file(const struct box *b, const char *name, const char *data)
{
    int fd = openat(b->drop_fd, name, O_WRONLY | O_CREAT | O_TRUNC, 0644);

    assert_true(fd >= 0);
    assert_int_equal(fd_write_full(fd, data, strlen(data)), 0);
    close(fd);
}

/* Stages the move of a dropped file; finished; *ret_fd is the open source. */
static inline _unused_ struct store_staged *stage_move(const struct box *b, struct recording_id *id,
                                                       const char *name, struct stat *ret_st, int *ret_fd)
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

static inline _unused_ int on_fault(void *userdata, enum store_fault_kind kind, const char *path,
                                    const char *text)
{
    struct faults *f = userdata;
    size_t n = strlen(f->text);

    f->count++;
    f->kinds |= 1u << kind;
    snprintf(f->text + n, sizeof f->text - n, "%s %s\n", path, text);
    return 0;
}

static inline _unused_ struct faults check(struct store *s, const struct recording_id *id,
                                           const struct store_expect *expect)
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

static inline _unused_ int on_object(void *userdata, const struct recording_id *id)
{
    struct found *f = userdata;

    f->objects++;
    snprintf(f->last, sizeof f->last, "%s", id->text);
    return 0;
}

static inline _unused_ int on_foreign(void *userdata, const char *path, const char *why)
{
    struct found *f = userdata;

    f->foreign++;
    snprintf(f->last, sizeof f->last, "%s: %s", path, why);
    return 0;
}

static inline _unused_ int on_staging(void *userdata, enum store_staging_kind kind, const char *name)
{
    struct found *f = userdata;

    (void)name;
    *(kind == STORE_STAGING_OBJECT   ? &f->staged
      : kind == STORE_STAGING_INTENT ? &f->intents
      : kind == STORE_STAGING_TEMP   ? &f->temps
                                     : &f->other) += 1;
    return 0;
}

static inline _unused_ struct found look(struct store *s)
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

static inline _unused_ int on_kept(void *userdata, const char *name, uint64_t bytes, const char *reason)
{
    struct kept *k = userdata;

    k->count++;
    k->bytes = bytes;
    snprintf(k->name, sizeof k->name, "%s", name);
    snprintf(k->reason, sizeof k->reason, "%s", reason ? reason : "");
    return 0;
}

static inline _unused_ struct kept quarantined(struct store *s)
{
    struct kept k = {0};

    assert_ok(store_quarantine_list(s, on_kept, &k, &err));
    return k;
}

static inline _unused_ char *content_of(struct store *s, const struct recording_id *id, const char *name)
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

/* The path of a file of an object in its place. */
static inline _unused_ void object_file(struct box *b, const struct recording_id *id, const char *rest,
                                        char out[1200])
{
    char path[STORE_PATH_SIZE];

    store_object_path(b->store, id, path);
    snprintf(out, 1200, "%s/%s/%s", b->archive, path, rest);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

#endif
