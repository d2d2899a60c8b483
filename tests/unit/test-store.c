/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The local store at work: whole seals by copy and by move, names of any bytes, sources that change, collisions, opening, and
 * failures and kills at every durable step (in a child process with the plan injected). With LIUHEN_STORE_KEEP=DIR a store of
 * many kinds of objects is left in DIR for the readers in tests/system (argument --keep: nothing else is done).
 */
#include "child.h"
#include "store-box.h"

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

static int flags_of(const char *path, int set)
{
    int fd = open(path, O_RDONLY), flags = 0;

    if (fd < 0 || ioctl(fd, FS_IOC_GETFLAGS, &flags) < 0)
        flags = -1;
    else if (set >= 0 && ioctl(fd, FS_IOC_SETFLAGS, &set) < 0)
        flags = -1;
    if (fd >= 0)
        close(fd);
    return flags;
}

static void test_immutable(void **state)
{
    static const char *const files[] = {
        "0=ocfl_object_1.1",        "inventory.json",          "inventory.json.sha256", "v1/inventory.json",
        "v1/inventory.json.sha256", "v1/content/arrival.json", "v1/content/a.mp4"};
    const struct store_options o = {.immutable = STORE_IMMUTABLE_YES};
    struct box *b = *state;
    char path[1200];
    int set = 0, clear;

    store_close(b->store);
    assert_ok(store_open_local(b->archive, &o, &b->store, &err));
    struct recording_id id = seal_copy(b->store, "a.mp4", 5, "truth", false);
    assert_ok(store_commit_again(b->store, &id, &err)); /* also over files that nobody may change */
    assert_sound(b->store, &id);
    for (size_t i = 0; i < ARRAY_SIZE(files); i++) {
        object_file(b, &id, files[i], path);
        clear = flags_of(path, -1);
        if (clear >= 0 && (clear & FS_IMMUTABLE_FL)) {
            set++;
            assert_int_equal(chmod(path, 0600), -1);
            assert_true(flags_of(path, clear & ~FS_IMMUTABLE_FL) >= 0);
        }
    }
    if (set == 0) {
        print_message("no right to set the immutable flag, or no such flag here\n");
        skip();
    }
    assert_int_equal(set, ARRAY_SIZE(files));
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
    /* grown, and its time put back */
    t = stage_move(b, &id, "g", &st, &fd);
    drop_file(b, "g", "one and more and more");
    const struct timespec times[2] = {st.st_atim, st.st_mtim};
    assert_int_equal(utimensat(b->drop_fd, "g", times, 0), 0);
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

/* What a daemon without capabilities meets: a file of somebody else's, then a folder of somebody else's. Return: exit code. */
static int act_as_nobody(struct box *b)
{
    const struct store_options make = {.create = true};
    struct recording_id id = new_id();
    struct store_staged *t = NULL;
    struct digest_pair d;
    struct stat st, now;
    int r;

    digests_of("root's", 6, false, &d);
    if (setgroups(0, NULL) < 0 || setegid(65534) < 0 || seteuid(65534) < 0)
        return 10;
    if (store_open_local(b->archive, &make, &b->store, &err) != 0)
        return 77; /* the path to the test's folder is closed to others */
    if (fstatat(b->drop_fd, "theirs", &st, 0) < 0 ||
        store_stage_new(b->store, &id, STORE_MOVE, "theirs", 6, &t, &err) != 0 ||
        store_stage_finish(t, &d, 6, ARRIVAL, SEALED, &err) != 0)
        return 11;
    r = store_stage_adopt(t, b->drop_fd, "theirs", &st, &err);
    if (r != -EPERM || err.code != r || fstatat(b->drop_fd, "theirs", &now, 0) < 0 || now.st_ino != st.st_ino)
        return 12;
    if (store_stage_abort(t, b->drop_fd, "theirs", &err) != 0 || quarantined(b->store).count != 0)
        return 13;
    store_staged_free(t);
    if (seteuid(0) < 0 || fchmod(b->drop_fd, 0755) < 0 || seteuid(65534) < 0)
        return 14;
    r = store_quarantine(b->store, b->drop_fd, "theirs", "{}", NULL, &err);
    if (r != STORE_E_STAYS || quarantined(b->store).count != 1 || quarantined(b->store).bytes != 6 ||
        fstatat(b->drop_fd, "theirs", &now, 0) < 0)
        return 15;
    b->store = store_close(b->store);
    return seteuid(0) < 0 ? 16 : 0;
}

static void test_not_ours(void **state)
{
    struct box *b = *state;
    int status = 0;
    pid_t pid;

    if (geteuid() != 0) {
        print_message("needs root, to be somebody else\n");
        skip();
    }
    drop_file(b, "theirs", "root's");
    b->store = store_close(b->store);
    assert_int_equal(fd_remove_tree_at(AT_FDCWD, b->archive), 0);
    assert_int_equal(chmod(b->folder, 0777) | chmod(b->drop, 0777), 0);
    pid = fork();
    if (pid == 0)
        _exit(act_as_nobody(b));
    assert_int_equal(waitpid(pid, &status, 0), pid);
    if (WIFEXITED(status) && WEXITSTATUS(status) == 77)
        skip();
    assert_int_equal(WIFEXITED(status) ? WEXITSTATUS(status) : -1, 0);
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

/* Runs seal_some in a child process with the plan set; its exit status: 0 done, CHILD_FAILED with the errno asked for and said so, else wrong (sanitizers end with 1). */
#define CHILD_FAILED 7
static int run_child(struct box *b, const char *variable, const char *plan)
{
    return run_again(variable, plan,
                     (const char *const[]){"test-store", "--seal", b->archive, b->drop, NULL});
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
        TEST(test_immutable),
        TEST(test_names),
        TEST(test_source_grows),
        TEST(test_source_replaced),
        TEST(test_source_linked_or_gone),
        TEST(test_abort_gives_back),
        TEST(test_not_ours),
        TEST(test_collisions),
        TEST(test_wrong_size),
        TEST(test_lock),
        TEST(test_opening),
        TEST(test_other_layout),
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
