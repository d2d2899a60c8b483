/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Uploads while something is wrong: a seal that takes longer than a sender waits, a sync that fails, a pause, power cuts one after
 * the other.
 */
#include "upload-site.h"

#include <pthread.h>
#include <semaphore.h>

/* Notes why, as no test runs in a child. */
#define WANT(condition)                                                                                      \
    do {                                                                                                     \
        if (!(condition)) {                                                                                  \
            fprintf(stderr, "line %d: %s: %s: %s\n", __LINE__, #condition, s->err.object, s->err.text);      \
            _exit(3);                                                                                        \
        }                                                                                                    \
    } while (0)

/* ---- power cuts --------------------------------------------------------------------------------------------------------- */

static void append(struct site *s, const char *id, const char *text)
{
    int fd = open(upload_file(s, id, "data"), O_WRONLY | O_APPEND);

    assert_int_equal(fd_write_full(fd, text, strlen(text)), 0);
    close(fd);
}

static void test_crashes_and_power_cuts_in_turn(void **state)
{
    struct site *s = *state;
    char id[ULID_LENGTH + 1];

    create(s, 20, id);
    patch(s, id, "abcdefghijklmnopqrst", 0, 5);
    for (int i = 0; i < 3; i++) {
        site_stop(s);
        append(s, id, "torn");
        cut_power(s, id);
        site_start(s);
        assert_int_equal(offset_of(s, id), 5); /* as it was acknowledged */
        site_stop(s);
        append(s, id, "fgh"); /* came before a crash of the process */
        site_start(s);
        assert_int_equal(offset_of(s, id), 8);
    }
    finish(s, id, "abcdefghijklmnopqrst", 8, 20);
    assert_sealed_once(s, "abcdefghijklmnopqrst", 20);
}

#ifdef LIUHEN_INJECT

/* ---- in a process of its own, where something fails ---------------------------------------------------------------------- */

struct blocked {
    sem_t begun, may_end;
    struct site *s;
};

static int hold_writer(struct txn *t, void *userdata, struct error *err)
{
    struct blocked *b = userdata;

    (void)t, (void)err;
    sem_post(&b->begun);
    sem_wait(&b->may_end);
    return 0;
}

static void *blocking_thread(void *userdata)
{
    struct blocked *b = userdata;
    struct error err = ERROR_INIT;

    (void)writer_run(b->s->writer, false, hold_writer, b, &err);
    return NULL;
}

/* The catalogue takes longer than the sender has patience: the seal goes on without them. */
static void child_patience(struct site *s)
{
    struct blocked b = {.s = s};
    struct upload_origin o = origin(5);
    struct upload_result result = {0};
    struct upload *u = NULL;
    pthread_t thread;
    char id[ULID_LENGTH + 1];

    sem_init(&b.begun, 0, 0);
    sem_init(&b.may_end, 0, 0);
    create(s, LARGE, id);
    WANT(pthread_create(&thread, NULL, blocking_thread, &b) == 0);
    sem_wait(&b.begun);
    WANT(upload_new(s->in, &o, &u, &s->err) == 0 && upload_write(u, "abcde", 5, &s->err) == 0);
    WANT(upload_seal(u, &result, &s->err) == -EAGAIN);
    WANT(strstr(s->err.text, "carried on by itself"));
    upload_free(u);
    u = resume(s, id, 0);
    WANT(upload_write(u, large_bytes(), LARGE, &s->err) == 0 && upload_pause(u, &s->err) == 0);
    WANT(upload_seal(u, &result, &s->err) == -EAGAIN);
    upload_free(u);
    sem_post(&b.may_end);
    pthread_join(thread, NULL);
    wait_sealed(s, id);
    WANT(count(s, "SELECT count(*) FROM recordings") == 2);
    WANT(count(s, "SELECT count(*) FROM acts WHERE kind = 'recording.arrived-again'") == 0);
}

/* The sync of the seal fails, and what it should have written is not what the disk has (fsync(2) tells that once only). */
static void child_lost_pages(struct site *s)
{
    char *data = large_bytes(), id[ULID_LENGTH + 1];
    struct upload_result result = {0};
    struct upload_state st = {0};
    struct upload *u;
    int fd, r;

    create(s, LARGE, id);
    u = resume(s, id, 0);
    WANT(upload_write(u, data, LARGE, &s->err) == 0 && upload_pause(u, &s->err) == 0);
    r = upload_seal(u, &result, &s->err);
    WANT(r == -EAGAIN);
    fd = open(upload_file(s, id, "data"), O_WRONLY);
    WANT(fd >= 0 && pwrite(fd, "lost", 4, 4096) == 4);
    close(fd);
    upload_free(u);
    for (int i = 0; i < 3000 && (r = upload_state(s->in, id, OWNER, &st, &s->err)) != 0; i++) {
        WANT(r == UPLOAD_E_BUSY && !st.sealed);
        upload_state_done(&st);
        usleep(10000);
    }
    WANT(r == 0 && !st.sealed && st.offset == 0);
    upload_state_done(&st);
    finish(s, id, data, 0, LARGE);
}

/* An upload brings about a pause while a drop folder has a file that is never done: it must end all the same. */
static void child_pause(struct site *s)
{
    char path[700], id[ULID_LENGTH + 1];
    struct upload_result result = {0};
    struct upload *u;
    int fd;

    snprintf(path, sizeof path, "%s.in/clip.mp4", s->archive);
    fd = open(path, O_WRONLY | O_CREAT, 0600);
    WANT(fd >= 0 && write(fd, "still recording", 15) == 15);
    create(s, 5, id);
    u = resume(s, id, 0);
    WANT(upload_write(u, "abcde", 5, &s->err) == 0 && upload_pause(u, &s->err) == 0);
    WANT(upload_seal(u, &result, &s->err) == -EAGAIN);
    upload_free(u);
    wait_sealed(s, id);
    WANT(count(s, "SELECT count(*) FROM recordings") == 1);
    close(fd);
}

static const struct {
    const char *name;
    void (*run)(struct site *s);
} children[] = {{"patience", child_patience}, {"lost-pages", child_lost_pages}, {"pause", child_pause}};

/* test-upload-trouble child ARCHIVE NAME */
static int child(const char *archive, const char *name)
{
    struct site *s = calloc(1, sizeof *s);
    char more[1000];

    if (!s)
        return 9;
    log_set_level(LOG_LEVEL_ERROR);
    snprintf(s->archive, sizeof s->archive, "%s", archive);
    snprintf(more, sizeof more, "folders:\n- { path: \"%s.in\", name: in, settle: 1h }\n", archive);
    site_use(s, more);
    site_start(s);
    for (size_t i = 0; i < ARRAY_SIZE(children); i++)
        if (!strcmp(children[i].name, name))
            children[i].run(s);
    site_stop(s);
    placer_free(s->placer);
    settings_free(s->settings);
    free(s);
    return 0;
}

static void run(struct site *s, const char *plan, const char *name)
{
    const char *const arguments[] = {"test-upload-trouble", "child", s->archive, name, NULL};
    char in[700];
    int status;

    snprintf(in, sizeof in, "%s.in", s->archive);
    assert_int_equal(mkdir(in, 0700), 0);
    site_start(s);
    site_stop(s);
    status = run_again("LIUHEN_FAIL_AT", plan, arguments);
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
        fail_msg("%s: status %x", name, status);
    site_start(s);
    assert_fsck_clean(s);
    site_stop(s);
}

static void test_seal_outlasts_patience(void **state)
{
    run(*state, "upload.patience=EIO:1+", "patience");
}

static void test_failed_sync_is_not_believed_later(void **state)
{
    run(*state, "store.sync=EIO", "lost-pages");
}

static void test_pause_ends_beside_a_file_that_never_is_done(void **state)
{
    run(*state, "store.sync=EIO", "pause");
}
#else
static void test_nothing_is_injected(void **state)
{
    skip();
}
#endif

int main(int argc, char *argv[])
{
    const struct CMUnitTest tests[] = {
        site_test(test_crashes_and_power_cuts_in_turn),
#ifdef LIUHEN_INJECT
        stopped_site_test(test_seal_outlasts_patience),
        stopped_site_test(test_failed_sync_is_not_believed_later),
        stopped_site_test(test_pause_ends_beside_a_file_that_never_is_done),
#else
        cmocka_unit_test(test_nothing_is_injected),
#endif
    };

#ifdef LIUHEN_INJECT
    if (argc == 4 && !strcmp(argv[1], "child"))
        return child(argv[2], argv[3]);
#else
    (void)argc, (void)argv;
#endif
    return cmocka_run_group_tests_name("upload-trouble", tests, NULL, NULL);
}
