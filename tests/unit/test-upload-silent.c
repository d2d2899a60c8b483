/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * A request that holds an upload and has fallen silent gives way to the next one of the same owner (upload_relieve). Who is silent, the
 * server knows; here a callback says so, and a thread of the test does what the request's own thread would do.
 */
#include "upload-site.h"

#include <pthread.h>

#define LONG_USEC (3600 * USEC_PER_SEC) /* no test waits for it */

/* A request that writes. */
struct writer {
    struct upload *upload;
    bool silent;
    unsigned asked;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    bool cut;
};

#define WRITER_INIT                                                                                          \
    {                                                                                                        \
        .lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER                               \
    }

static bool on_cut(void *userdata)
{
    struct writer *w = userdata;

    pthread_mutex_lock(&w->lock);
    w->asked++;
    w->cut = w->silent;
    pthread_cond_broadcast(&w->changed);
    pthread_mutex_unlock(&w->lock);
    return w->silent;
}

/* As the thread of a connection: it ends the request when it has been cut. */
static void *leave_when_cut(void *userdata)
{
    struct writer *w = userdata;

    pthread_mutex_lock(&w->lock);
    while (!w->cut)
        pthread_cond_wait(&w->changed, &w->lock);
    pthread_mutex_unlock(&w->lock);
    upload_free(w->upload);
    return NULL;
}

static void begin_writing(struct site *s, const char *id, const char *text, struct writer *w)
{
    w->upload = resume(s, id, 0);
    upload_set_cut(w->upload, on_cut, w);
    OK(upload_write(w->upload, text, strlen(text), &s->err));
}

static void assert_busy(struct site *s, const char *id)
{
    struct upload *other;

    GIVES(UPLOAD_E_BUSY, upload_resume(s->in, id, OWNER, 0, &other, &s->err));
}

static void test_one_that_brings_bytes_stays(void **state)
{
    struct site *s = *state;
    struct writer w = WRITER_INIT;
    char id[ULID_LENGTH + 1];

    create(s, 10, id);
    upload_relieve(s->in, id, OWNER, LONG_USEC); /* nobody is there */
    upload_relieve(s->in, "01M84RD71AC1MXW62P6DYGX468", OWNER, LONG_USEC);
    upload_relieve(s->in, "../../ledger", OWNER, LONG_USEC);
    begin_writing(s, id, "abc", &w);
    upload_relieve(s->in, id, OWNER, LONG_USEC);
    assert_int_equal(w.asked, 1);
    assert_busy(s, id);
    w.silent = true;
    upload_relieve(s->in, id, "user:wang", LONG_USEC); /* none of theirs */
    assert_int_equal(w.asked, 1);
    upload_relieve(s->in, id, OWNER, 1); /* cut, but it does not give it back: no endless wait */
    assert_true(w.cut);
    assert_busy(s, id);
    upload_free(w.upload);
    assert_int_equal(offset_of(s, id), 3);
}

static void test_silent_one_gives_way(void **state)
{
    struct site *s = *state;
    struct writer w = WRITER_INIT;
    char id[ULID_LENGTH + 1];
    pthread_t thread;
    unsigned asked;

    create(s, 10, id);
    begin_writing(s, id, "abc", &w);
    w.silent = true;
    assert_int_equal(pthread_create(&thread, NULL, leave_when_cut, &w), 0);
    upload_relieve(s->in, id, OWNER, LONG_USEC);
    assert_int_equal(offset_of(s, id), 3); /* held no more, and what came is there */
    pthread_join(thread, NULL);
    asked = w.asked;
    w.upload = resume(s, id, 3);
    upload_relieve(s->in, id, OWNER, LONG_USEC); /* the newcomer is not asked in the name of the old one */
    assert_int_equal(w.asked, asked);
    upload_free(w.upload);
    finish(s, id, "abcdefghij", 3, 10);
    assert_sealed_once(s, "abcdefghij", 10);
}

/* Of a request that was to be compared with a digest nothing is kept. */
static void test_silent_one_with_a_digest(void **state)
{
    struct site *s = *state;
    struct writer w = WRITER_INIT;
    char id[ULID_LENGTH + 1];
    struct digest d;
    pthread_t thread;

    create(s, 10, id);
    digest_of("abcdefghij", 10, &d);
    w.upload = resume(s, id, 0);
    w.silent = true;
    upload_set_cut(w.upload, on_cut, &w);
    OK(upload_expect(w.upload, "sha256", d.bytes, sizeof d.bytes, &s->err));
    OK(upload_write(w.upload, "abc", 3, &s->err));
    assert_int_equal(pthread_create(&thread, NULL, leave_when_cut, &w), 0);
    upload_relieve(s->in, id, OWNER, LONG_USEC);
    assert_int_equal(offset_of(s, id), 0);
    pthread_join(thread, NULL);
    finish(s, id, "abcdefghij", 0, 10);
}

struct newcomer {
    struct site *site;
    const char *id;
};

static void *relieve(void *userdata)
{
    struct newcomer *n = userdata;

    upload_relieve(n->site->in, n->id, OWNER, LONG_USEC);
    return NULL;
}

/* Several come at once: all are let go when it is given back. */
static void test_several_newcomers(void **state)
{
    struct site *s = *state;
    struct writer w = WRITER_INIT;
    char id[ULID_LENGTH + 1];
    struct newcomer n = {s, id};
    pthread_t threads[4], writer;

    create(s, 10, id);
    begin_writing(s, id, "abc", &w);
    w.silent = true;
    for (size_t i = 0; i < ARRAY_SIZE(threads); i++)
        assert_int_equal(pthread_create(&threads[i], NULL, relieve, &n), 0);
    assert_int_equal(pthread_create(&writer, NULL, leave_when_cut, &w), 0);
    for (size_t i = 0; i < ARRAY_SIZE(threads); i++)
        pthread_join(threads[i], NULL);
    assert_int_equal(offset_of(s, id), 3);
    pthread_join(writer, NULL);
}

static void test_stopping_ends_the_wait(void **state)
{
    struct site *s = *state;
    struct writer w = WRITER_INIT;
    char id[ULID_LENGTH + 1];
    struct newcomer n = {s, id};
    pthread_t thread;

    create(s, 10, id);
    begin_writing(s, id, "abc", &w);
    w.silent = true;
    assert_int_equal(pthread_create(&thread, NULL, relieve, &n), 0);
    pthread_mutex_lock(&w.lock);
    while (!w.cut)
        pthread_cond_wait(&w.changed, &w.lock);
    pthread_mutex_unlock(&w.lock);
    intake_hurry(s->in);
    pthread_join(thread, NULL);
    upload_free(w.upload);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        site_test(test_one_that_brings_bytes_stays), site_test(test_silent_one_gives_way),
        site_test(test_silent_one_with_a_digest),    site_test(test_several_newcomers),
        site_test(test_stopping_ends_the_wait),
    };

    return cmocka_run_group_tests_name("upload-silent", tests, NULL, NULL);
}
