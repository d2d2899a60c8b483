/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Uploads killed after every step, and with every step failing once: after the next start fsck is clean, what was acknowledged is
 * there, nothing is half-taken, nothing is there twice, and nothing is left in staging that nobody waits for.
 */
#include "upload-site.h"

#include <libgen.h>

/* ---- what a client does; in a process of its own ------------------------------------------------------------------------ */

#define TRIES 60

/* Notes beside the archive what the client was told. */
static void note(struct site *s, const char *name, const char *text)
{
    char path[700];
    int fd;

    snprintf(path, sizeof path, "%s.%s", s->archive, name);
    fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    assert_int_equal(fd_write_full(fd, text, strlen(text)), 0);
    close(fd);
}

/* "" when nothing was noted. */
static void noted(struct site *s, const char *name, char *text, size_t size)
{
    _cleanup_free_ char *data = NULL;
    char path[700];

    snprintf(path, sizeof path, "%s.%s", s->archive, name);
    text[0] = 0;
    if (fd_read_file_at(AT_FDCWD, path, size - 1, &data, NULL) == 0)
        snprintf(text, size, "%s", data);
}

/* What may come back from a failure, and then it is tried again. */
static bool may_try_again(int r)
{
    return r == -EAGAIN || r == -ENOSPC || r == -EIO || r == -ENOMEM || r == UPLOAD_E_BUSY;
}

static void pause_after(struct site *s, const char *what, int r, int tries)
{
    if (!may_try_again(r) || tries >= TRIES) {
        fprintf(stderr, "%s: %d: %s: %s\n", what, r, s->err.object, s->err.text);
        _exit(3);
    }
    usleep(50000);
}

static int try_plain(struct site *s, const char *data)
{
    struct upload_origin o = origin(LARGE);
    struct upload_result result = {0};
    struct upload *u = NULL;
    int r = upload_new(s->in, &o, &u, &s->err);

    for (size_t at = 0; r == 0 && at < LARGE; at += 1000000)
        r = upload_write(u, data + at, MIN((size_t)1000000, LARGE - at), &s->err);
    r = r ? r : upload_seal(u, &result, &s->err);
    upload_free(u);
    if (r == 0)
        assert_receipt(s, &result);
    upload_result_done(&result);
    return r;
}

static void client_plain(struct site *s)
{
    int r;

    for (int i = 0; (r = try_plain(s, large_bytes())) != 0; i++)
        pause_after(s, "plain", r, i);
    note(s, "sealed", "yes");
}

static int try_create(struct site *s, int64_t bytes, bool partial, char id[ULID_LENGTH + 1])
{
    struct upload_origin o = origin(bytes);
    struct upload *u = NULL;
    int r = upload_create(s->in, &o, "filename Y2xpcC5tcDQ=", partial, &u, &s->err);

    if (r == 0)
        memcpy(id, upload_id(u), ULID_LENGTH + 1);
    upload_free(u);
    return r;
}

static int try_piece(struct site *s, const char *id, const char *data, int64_t offset, size_t size,
                     bool partial)
{
    struct upload_result result = {0};
    struct upload *u = NULL;
    struct digest d;
    int r = upload_resume(s->in, id, OWNER, offset, &u, &s->err);

    digest_of(data + offset, size, &d);
    r = r ? r : upload_expect(u, "sha256", d.bytes, sizeof d.bytes, &s->err);
    for (size_t at = 0; r == 0 && at < size; at += 500000)
        r = upload_write(u, data + offset + at, MIN((size_t)500000, size - at), &s->err);
    r = r ? r : upload_pause(u, &s->err);
    if (r == 0 && !partial && upload_is_whole(u)) {
        r = upload_seal(u, &result, &s->err);
        if (r == 0)
            assert_receipt(s, &result);
        upload_result_done(&result);
    }
    upload_free(u);
    return r;
}

/* Asks where it is and goes on from there, until it is whole (and sealed). */
static void go_on(struct site *s, const char *id, const char *data, int64_t size, size_t piece, bool partial)
{
    char text[32];

    for (int i = 0;; i++) {
        struct upload_state st = {0};
        int r = upload_state(s->in, id, OWNER, &st, &s->err);
        int64_t offset = st.offset;
        bool done = st.sealed || (partial && offset == size);

        upload_state_done(&st);
        if (r == 0 && done)
            return;
        if (r == 0)
            r = try_piece(s, id, data, offset, MIN(piece, (size_t)(size - offset)), partial);
        if (r != 0 && r != UPLOAD_E_OFFSET && r != UPLOAD_E_SEALED)
            pause_after(s, "piece", r, i);
        if (r == 0) {
            snprintf(text, sizeof text, "%lld", (long long)MIN(offset + (int64_t)piece, size));
            note(s, "told", text);
        }
    }
}

static void create_until(struct site *s, int64_t bytes, bool partial, char id[ULID_LENGTH + 1])
{
    int r;

    for (int i = 0; (r = try_create(s, bytes, partial, id)) != 0; i++)
        pause_after(s, "create", r, i);
}

static void client_resumable(struct site *s)
{
    char id[ULID_LENGTH + 1];

    create_until(s, LARGE, false, id);
    note(s, "id", id);
    go_on(s, id, large_bytes(), LARGE, 1100000, false);
    note(s, "sealed", "yes");
}

static int try_concat(struct site *s, const char *a, const char *b)
{
    struct upload_origin o = origin(-1);
    const char *const ids[] = {a, b};
    struct upload_result result = {0};
    struct upload *u = NULL;
    int r = upload_concat(s->in, &o, NULL, "final;a b", ids, 2, &u, &s->err);

    r = r ? r : upload_seal(u, &result, &s->err);
    if (r == 0)
        assert_receipt(s, &result);
    upload_result_done(&result);
    upload_free(u);
    return r;
}

static void wait_staging(struct site *s, unsigned wanted)
{
    char names[4096];

    for (int i = 0; i < 1000 && staging_entries(s, names, sizeof names) > wanted; i++)
        usleep(10000);
    if (staging_entries(s, names, sizeof names) > wanted)
        fail_msg("staging still has %s", names);
}

static void client_concat(struct site *s)
{
    char *data = large_bytes(), a[ULID_LENGTH + 1], b[ULID_LENGTH + 1];
    int r;

    create_until(s, 1500000, true, a);
    go_on(s, a, data, 1500000, 1500000, true);
    create_until(s, LARGE - 1500000, true, b);
    go_on(s, b, data + 1500000, LARGE - 1500000, LARGE, true);
    note(s, "id", a);
    note(s, "id2", b);
    for (int i = 0; (r = try_concat(s, a, b)) != 0; i++)
        pause_after(s, "concat", r, i);
    note(s, "sealed", "yes");
    wait_staging(s, 1); /* the parts go by themselves */
}

static const struct {
    const char *name;
    void (*run)(struct site *s);
} clients[] = {{"plain", client_plain}, {"resumable", client_resumable}, {"concat", client_concat}};

/* test-upload-crash child ARCHIVE CLIENT */
static int child(const char *archive, const char *client)
{
    struct site *s = calloc(1, sizeof *s);

    log_set_level(LOG_LEVEL_ERROR);
    snprintf(s->archive, sizeof s->archive, "%s", archive);
    site_use(s, "");
    site_start(s);
    for (size_t i = 0; i < ARRAY_SIZE(clients); i++)
        if (!strcmp(clients[i].name, client))
            clients[i].run(s);
    site_stop(s);
    placer_free(s->placer);
    settings_free(s->settings);
    free(s);
    return 0;
}

/* ---- the parent --------------------------------------------------------------------------------------------------------- */

static int run_child(struct site *s, const char *variable, const char *value, const char *client)
{
    const char *const arguments[] = {"test-upload-crash", "child", s->archive, client, NULL};

    return run_again(variable, value, arguments);
}

static void forget_notes(struct site *s)
{
    static const char *const names[] = {"id", "id2", "told", "sealed"};
    char path[700];

    for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
        snprintf(path, sizeof path, "%s.%s", s->archive, names[i]);
        (void)unlink(path);
    }
}

/* A fresh archive after its first start, so that no first act is counted. */
static void fresh(struct site *s)
{
    (void)fd_remove_tree_at(AT_FDCWD, s->archive);
    forget_notes(s);
    site_start(s);
    site_stop(s);
}

static int64_t unfinished(struct site *s)
{
    _cleanup_json_ json_t *o = uploads_of_status(s);

    return json_get_integer(o, "unfinished", -1);
}

/* Nothing is left but what is remembered of sealed ones; then not even that. */
static void assert_tidy(struct site *s, unsigned remembered)
{
    for (int i = 0; i < 1000 && unfinished(s) > 0; i++)
        usleep(10000); /* parts are going */
    wait_staging(s, remembered);
    assert_int_equal(count(s, "SELECT count(*) FROM recordings"), 1);
    assert_int_equal(count(s, "SELECT count(*) FROM acts WHERE kind = 'item.quarantined'"), 0);
    assert_status(s, 0, 0, 0);
    assert_fsck_clean(s);
}

static void after_plain(struct site *s)
{
    char sealed[8];

    noted(s, "sealed", sealed, sizeof sealed);
    assert_staging_empty(s);
    if (*sealed) /* acknowledged, so it is there */
        assert_int_equal(count(s, "SELECT count(*) FROM recordings"), 1);
    assert_int_equal(try_plain(s, large_bytes()), 0);
    assert_tidy(s, 0);
}

static void after_resumable(struct site *s)
{
    char id[64], told[32];
    struct upload_state st = {0};
    int r;

    noted(s, "id", id, sizeof id);
    noted(s, "told", told, sizeof told);
    if (!*id) { /* nobody was told of it: it expires */
        char names[4096];

        assert_true(staging_entries(s, names, sizeof names) <= 1);
        client_resumable(s);
        return;
    }
    r = upload_state(s->in, id, OWNER, &st, &s->err);
    assert_true(r == 0 || r == UPLOAD_E_BUSY);
    assert_true(st.offset >= (*told ? atoll(told) : 0));
    upload_state_done(&st);
    go_on(s, id, large_bytes(), LARGE, 1100000, false);
    assert_tidy(s, 1);
    OK(upload_end(s->in, id, OWNER, &s->err));
    assert_staging_empty(s);
}

static void after_concat(struct site *s)
{
    char a[64], b[64];

    noted(s, "id", a, sizeof a);
    noted(s, "id2", b, sizeof b);
    if (!*b)
        return;
    for (int i = 0; i < TRIES; i++) {
        int r = try_concat(s, a, b);

        if (r == 0)
            break;
        if (!may_try_again(r))
            fail_msg("concat: %d: %s", r, s->err.text);
        usleep(50000);
    }
    assert_tidy(s, 1);
}

static void look_after(struct site *s, const char *client)
{
    assert_fsck_clean(s); /* what recovery will finish is no fault */
    site_start(s);
    if (!strcmp(client, "plain"))
        after_plain(s);
    else if (!strcmp(client, "resumable"))
        after_resumable(s);
    else
        after_concat(s);
    site_stop(s);
}

#ifdef LIUHEN_INJECT

#define SEAL_STEPS                                                                                           \
    "seal.taken", "store.stage", "store.finish", "seal.staged", "store.intent", "seal.intent", "store.sync", \
        "seal.synced", "store.adopt", "seal.moved", "store.own", "store.rename", "store.harden",             \
        "seal.stored", "store.commit-sync", "seal.stored-synced", "db.commit", "seal.committed",             \
        "ledger.bundles", "ledger.checkpoint", "seal.published", "seal.source", "store.intent-remove",       \
        "seal.done"

static void kill_at(struct site *s, const char *point, const char *client)
{
    int status;

    print_message("%s killed at %s\n", client, point);
    fresh(s);
    status = run_child(s, "LIUHEN_KILL_AT", point, client);
    if (!WIFSIGNALED(status) || WTERMSIG(status) != SIGKILL)
        fail_msg("%s was not killed at %s: status %x", client, point, status);
    look_after(s, client);
}

static void test_plain_killed(void **state)
{
    static const char *const points[] = {"upload.open",    "upload.created", "upload.write",
                                         "upload.write:3", "upload.data",    SEAL_STEPS};

    for (size_t i = 0; i < ARRAY_SIZE(points); i++)
        kill_at(*state, points[i], "plain");
}

static void test_resumable_killed(void **state)
{
    static const char *const points[] = {
        "store.upload",      "upload.created", "upload.info",    "durable.rename",
        "upload.registered", "upload.open:2",  "upload.write:2", "upload.write:5",
        "upload.sync",       "upload.info:2",  "upload.paused",  "upload.sync:2",
        "upload.paused:2",   "upload.data",    SEAL_STEPS,       "upload.sealed"};

    for (size_t i = 0; i < ARRAY_SIZE(points); i++)
        kill_at(*state, points[i], "resumable");
}

static void test_concat_killed(void **state)
{
    static const char *const points[] = {
        "upload.append", "upload.append:2",     "upload.concat",        "upload.registered:3", "seal.staged",
        "seal.synced",   "seal.moved",          "seal.stored-synced",   "seal.published",      "seal.done",
        "upload.sealed", "store.upload-remove", "store.upload-remove:2"};

    for (size_t i = 0; i < ARRAY_SIZE(points); i++)
        kill_at(*state, points[i], "concat");
}

static void fail_at(struct site *s, const char *plan, const char *client)
{
    int status;

    print_message("%s with %s\n", client, plan);
    fresh(s);
    status = run_child(s, "LIUHEN_FAIL_AT", plan, client);
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
        fail_msg("%s with %s: status %x", client, plan, status);
    look_after(s, client);
}

static void test_every_step_fails_once(void **state)
{
    static const char *const points[] = {
        "upload.open",   "upload.created", "upload.write:2",    "upload.data",
        "upload.sync",   "upload.info:2",  "upload.paused",     "upload.cut",
        "upload.read",   "store.upload",   "fd.write:9",        "fd.sync:5",
        "upload.append", "upload.concat",  "upload.registered", SEAL_STEPS};
    static const char *const codes[] = {"ENOSPC", "EIO"};
    char plan[100];

    for (size_t i = 0; i < ARRAY_SIZE(points); i++)
        for (size_t c = 0; c < ARRAY_SIZE(clients); c++) {
            const char *colon = strchr(points[i], ':');
            int n = colon ? (int)(colon - points[i]) : (int)strlen(points[i]);

            if (strncmp(points[i], "upload.", 7) != 0 && i % ARRAY_SIZE(clients) != c)
                continue; /* the seal is the same for all: they take turns */
            snprintf(plan, sizeof plan, "%.*s=%s%s", n, points[i], codes[(i + c) % 2], colon ? colon : "");
            fail_at(*state, plan, clients[c].name);
        }
}
#else
static void test_nothing_is_injected(void **state)
{
    skip();
}
#endif

/* ---- want of memory ------------------------------------------------------------------------------------------------------ */

/* The sanitizers have allocators of their own. gcc says that they are there by macros, clang by features. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define SANITIZED 1
#endif
#endif

#ifndef SANITIZED
/* Of this thread the nth allocation from now on fails; 0: none. */
static __thread unsigned fail_in;

void *__libc_malloc(size_t size);
void *__libc_calloc(size_t n, size_t size);
void *__libc_realloc(void *p, size_t size);
void *malloc(size_t size);
void *calloc(size_t n, size_t size);
void *realloc(void *p, size_t size);

static bool fails(void)
{
    if (fail_in == 0 || --fail_in > 0)
        return false;
    errno = ENOMEM;
    return true;
}

void *malloc(size_t size)
{
    return fails() ? NULL : __libc_malloc(size);
}

void *calloc(size_t n, size_t size)
{
    return fails() ? NULL : __libc_calloc(n, size);
}

void *realloc(void *p, size_t size)
{
    return fails() ? NULL : __libc_realloc(p, size);
}

static int memory_plain(struct site *s, unsigned n)
{
    _cleanup_json_ json_t *facts = json_pack("{s:s}", "device", "GX-7");
    struct upload_origin o = origin(-1);
    struct upload_result result = {0};
    struct upload *u = NULL;
    char bytes[16];
    int r;

    snprintf(bytes, sizeof bytes, "memory %u", n);
    o.facts = facts;
    fail_in = n;
    r = upload_new(s->in, &o, &u, &s->err);
    r = r ? r : upload_want_md5(u);
    r = r ? r : upload_expect(u, "crc32", "0123", 4, &s->err);
    r = r ? r : upload_add_facts(u, facts);
    r = r ? r : upload_write(u, bytes, strlen(bytes), &s->err);
    if (r == 0 && n % 2) { /* every other one without the check */
        upload_free(u);
        u = NULL;
        o.door = "post";
        r = upload_new(s->in, &o, &u, &s->err);
        r = r ? r : upload_write(u, bytes, strlen(bytes), &s->err);
        r = r ? r : upload_seal(u, &result, &s->err);
    } else if (r == 0) {
        r = upload_seal(u, &result, &s->err);
        r = r == UPLOAD_E_CHECKSUM ? 0 : r;
    }
    fail_in = 0;
    upload_free(u);
    upload_result_done(&result);
    return r;
}

static int memory_resumable(struct site *s, unsigned n)
{
    struct upload_state st = {0};
    struct upload_origin o = origin(-1);
    struct upload_result result = {0};
    struct upload *u = NULL;
    char bytes[32], id[ULID_LENGTH + 1] = "";
    struct digest d;
    int r;

    snprintf(bytes, sizeof bytes, "resumable %u", n);
    digest_of(bytes, 5, &d);
    fail_in = n;
    r = upload_create(s->in, &o, "filename Y2xpcC5tcDQ=", false, &u, &s->err);
    if (r == 0) {
        memcpy(id, upload_id(u), sizeof id);
        r = upload_expect(u, "sha256", d.bytes, sizeof d.bytes, &s->err);
        r = r ? r : upload_write(u, bytes, 5, &s->err);
        r = r ? r : upload_pause(u, &s->err);
        upload_free(u);
        u = NULL;
    }
    r = r ? r : upload_state(s->in, id, OWNER, &st, &s->err);
    r = r ? r : upload_resume(s->in, id, OWNER, 5, &u, &s->err);
    r = r ? r : upload_set_bytes(u, (int64_t)strlen(bytes), &s->err);
    r = r ? r : upload_write(u, bytes + 5, strlen(bytes) - 5, &s->err);
    r = r ? r : upload_pause(u, &s->err);
    r = r ? r : upload_seal(u, &result, &s->err);
    fail_in = 0;
    upload_free(u);
    upload_state_done(&st);
    upload_result_done(&result);
    for (int i = 0; *id && i < 1000 && upload_end(s->in, id, OWNER, &s->err) == UPLOAD_E_BUSY; i++)
        usleep(10000); /* left whole, it is sealed by itself at the moment */
    return r;
}

static void try_all(struct site *s, int (*run)(struct site *s, unsigned n))
{
    unsigned n = 1, well = 0;

    for (; well < 2; n++) {
        int r = run(s, n);

        if (r != 0 && r != -ENOMEM && r != -EAGAIN)
            fail_msg("allocation %u: %d: %s", n, r, s->err.text);
        well = r == 0 ? well + 1 : 0;
    }
    assert_true(n > 50);
    assert_staging_empty(s);
    assert_status(s, 0, 0, 0);
    assert_fsck_clean(s);
}

static void test_want_of_memory_resumable(void **state)
{
    try_all(*state, memory_resumable);
}

static void test_want_of_memory_plain(void **state)
{
    try_all(*state, memory_plain);
}
#endif

int main(int argc, char *argv[])
{
    const struct CMUnitTest tests[] = {
#ifdef LIUHEN_INJECT
        stopped_site_test(test_plain_killed),  stopped_site_test(test_resumable_killed),
        stopped_site_test(test_concat_killed), stopped_site_test(test_every_step_fails_once),
#else
        cmocka_unit_test(test_nothing_is_injected),
#endif
#ifndef SANITIZED
        site_test(test_want_of_memory_plain),  site_test(test_want_of_memory_resumable),
#endif
    };

    if (argc == 4 && !strcmp(argv[1], "child"))
        return child(argv[2], argv[3]);
    return cmocka_run_group_tests_name("upload-crash", tests, NULL, NULL);
}
