/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The local store when something is wrong: checking of objects and of the walk over them, what recovery finds in staging, torn
 * inventories, intents, quarantine.
 */
#include "store-box.h"

/* ---- checking ---- */

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

static int note_upload(void *userdata, enum store_staging_kind kind, const char *name)
{
    strcat(userdata, kind == STORE_STAGING_UPLOAD ? name : "!");
    return 0;
}

static void test_uploads_in_staging(void **state)
{
    struct box *b = *state;
    char a[ULID_LENGTH + 1], c[ULID_LENGTH + 1], name[64], found[200] = "";

    ulid_make(clock_now_usec(), a);
    ulid_make(clock_now_usec(), c);
    assert_ok(store_upload_new(b->store, a, &err));
    assert_int_equal(store_upload_new(b->store, a, &err), STORE_E_EXISTS);
    assert_int_equal(store_upload_new(b->store, "../x", &err), -EINVAL);
    snprintf(name, sizeof name, "%s.upload/data", a);
    touch(b, name);
    snprintf(name, sizeof name, "%s.upload", c);
    touch(b, name); /* a plain one is a file */
    touch(b, "holiday.upload");
    assert_ok(store_each_staging(b->store, note_upload, found, &err));
    assert_int_equal(strlen(found), 2 * ULID_LENGTH + 1); /* the third is foreign */
    assert_non_null(strstr(found, a));
    assert_non_null(strstr(found, c));
    for (int i = 0; i < 2; i++) { /* gone already is well */
        assert_ok(store_upload_remove(b->store, a, &err));
        assert_ok(store_upload_remove(b->store, c, &err));
    }
    assert_int_equal(store_upload_remove(b->store, "..", &err), -EINVAL);
    found[0] = 0;
    assert_ok(store_each_staging(b->store, note_upload, found, &err));
    assert_string_equal(found, "!");
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
    assert_true(strlen(kept) <= ULID_LENGTH + 1 + 160); /* leaves room for what is put behind it */
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_check_content),
        TEST(test_check_rest),
        TEST(test_foreign),
        TEST(test_unknown),
        TEST(test_reopen_copy),
        TEST(test_reopen_move),
        TEST(test_reopen_torn),
        TEST(test_commit_again),
        TEST(test_staging_entries),
        TEST(test_uploads_in_staging),
        TEST(test_intents),
        TEST(test_quarantine),
        TEST(test_quarantine_other_fs),
    };

    return cmocka_run_group_tests_name("store-recover", tests, NULL, NULL);
}
