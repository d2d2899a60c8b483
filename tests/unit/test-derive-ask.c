/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * What others ask of derive, on a whole archive with the real locked programs: a photo or a clip (made by ffmpeg) comes through a drop folder, is
 * examined and derived; its derivatives are listed, opened, lost, asked for again; a copy is refused, made, opened and in the ledger.
 */
#define SITE_DERIVES "true, load: 0, nice: 0"
#include "site.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>

#include "base/clock.h"
#include "catalogue/recordings.h"
#include "catalogue/sql.h"
#include "derive/derive.h"

static struct derive *derive;
static char cache[700];

static void on_examined(void *userdata)
{
    derive_kick(userdata);
}

static void start(struct site *s, bool moving)
{
    char yaml[1000], folder[700], command[2400];
    struct derive_context c;

    snprintf(folder, sizeof folder, "%.600s", s->archive);
    strcpy(strrchr(folder, '/'), "/drop");
    assert_int_equal(mkdir(folder, 0755), 0);
    snprintf(yaml, sizeof yaml, "folders: [ { path: \"%s\", name: drop } ]\n", folder);
    site_use(s, yaml);
    site_start(s);
    snprintf(cache, sizeof cache, "%s/cache", s->archive);
    c = (struct derive_context){s->store, s->writer, s->in, s->feed, cache, s->settings, "here"};
    OK(derive_new(&c, &derive, &s->err));
    intake_on_examined(s->in, on_examined, derive);
    snprintf(command, sizeof command,
             "ffmpeg -nostdin -v error -y -f lavfi -i testsrc2=size=320x180 -frames:v %d '%s/.p.%s' && "
             "mv '%s/.p.%s' '%s/'p.%s",
             moving ? 25 : 1, folder, moving ? "mp4" : "jpg", folder, moving ? "mp4" : "jpg", folder,
             moving ? "mp4" : "jpg");
    assert_int_equal(system(command), 0);
}

static int stop(void **state)
{
    struct site *s = *state;

    if (s->in)
        intake_on_examined(s->in, NULL, NULL);
    derive = derive_free(derive);
    return site_tear_down(state);
}

static struct recording_id wait_examined(struct site *s)
{
    struct recording_id id = {""};

    for (int i = 0; i < 6000 && !id.text[0]; i++, usleep(10000)) {
        _cleanup_json_ json_t *page = NULL;
        _cleanup_free_ char *next = NULL;
        struct recordings_filter all = {0};

        OK(recordings_list(s->db, &all, NULL, 1, &page, &next, &s->err));
        if (json_array_size(page) == 1 &&
            strcmp(json_get_string(json_array_get(page, 0), "status"), "new") != 0)
            OK(recording_id_parse(json_get_string(json_array_get(page, 0), "id"), &id));
    }
    assert_true(id.text[0]);
    return id;
}

/* Asks until it is there, or there never will be one. */
static int open_patiently(struct site *s, const struct recording_id *id, const char *job,
                          struct derivative *d, int *fd)
{
    int r = DERIVE_E_NOT_YET;

    for (int i = 0; i < 6000 && r == DERIVE_E_NOT_YET; i++) {
        r = job ? derive_copy_open(derive, job, d, fd, &s->err)
                : derive_open(derive, id, "photo-small.jpg", d, fd, &s->err);
        if (r == DERIVE_E_NOT_YET)
            usleep(10000);
    }
    return r;
}

static void test_open_and_lose(void **state)
{
    struct site *s = *state;
    struct recording_id id, none;
    struct derivative d, again;
    _cleanup_json_ json_t *list = NULL, *after = NULL, *all = NULL;
    char command[800];
    int fd = -1;

    start(s, false);
    id = wait_examined(s);
    OK(open_patiently(s, &id, NULL, &d, &fd));
    close(fd);
    assert_string_equal(d.type, "image/jpeg");
    assert_true(d.bytes > 0 && strlen(d.etag) == 64);
    OK(derive_list(derive, &id, true, &list, &s->err));
    assert_string_equal(json_get_string(list, "state"), "ready");
    assert_int_equal(json_array_size(json_object_get(list, "files")), 2);
    GIVES(DERIVE_E_NEVER, derive_open(derive, &id, "proxy.mp4", &again, &fd, &s->err));
    GIVES(DERIVE_E_NEVER, derive_open(derive, &id, "../../x", &again, &fd, &s->err));
    OK(recording_id_parse("01ARZ3NDEKTSV4RRFFQ69G5FAV", &none));
    GIVES(DERIVE_E_NEVER, derive_open(derive, &none, "proxy.mp4", &again, &fd, &s->err));
    GIVES(-ENOENT, derive_again(derive, &none, &s->err));
    snprintf(command, sizeof command, "rm -r '%s/derivatives'", cache);
    assert_int_equal(system(command), 0);
    GIVES(DERIVE_E_NOT_YET, derive_open(derive, &id, "photo-small.jpg", &again, &fd, &s->err));
    OK(open_patiently(s, &id, NULL, &again, &fd));
    close(fd);
    assert_string_equal(again.etag, d.etag); /* the same of the same */
    OK(derive_again(derive, &id, &s->err));
    OK(derive_jobs(derive, NULL, NULL, 10, &all, &s->err));
    assert_int_equal(json_array_size(all), 1);
    GIVES(-ENOENT, derive_cancel(derive, "nonsense", &s->err));
    OK(open_patiently(s, &id, NULL, &again, &fd));
    close(fd);
}

static void test_copy(void **state)
{
    struct site *s = *state;
    const char *const mark[] = {"给 Li", "bad\nline"};
    _cleanup_json_ json_t *plan = json_pack("{s:[]}", "cuts"), *job = NULL;
    struct copy_request q = {
        .form = "release", .actor = "user:li", .reason = "申请 12", .mark = mark, .n_mark = 1};
    char id[ULID_LENGTH + 1];
    struct derivative d;
    int64_t acts = 0;
    int fd = -1;

    start(s, true);
    q.recording = wait_examined(s);
    q.form = "other";
    GIVES(-EINVAL, derive_copy(derive, &q, id, &s->err));
    q.form = "preserve"; /* takes no mark */
    GIVES(-EINVAL, derive_copy(derive, &q, id, &s->err));
    q.form = "redact"; /* without a plan */
    GIVES(-EINVAL, derive_copy(derive, &q, id, &s->err));
    q.plan = plan;
    GIVES(-EINVAL, derive_copy(derive, &q, id, &s->err));
    q.plan = NULL;
    q.form = "release";
    q.reason = "";
    GIVES(-EINVAL, derive_copy(derive, &q, id, &s->err));
    q.reason = "申请 12";
    q.n_mark = 2;
    GIVES(-EINVAL, derive_copy(derive, &q, id, &s->err));
    q.n_mark = 1;
    OK(derive_copy(derive, &q, id, &s->err));
    OK(open_patiently(s, NULL, id, &d, &fd));
    close(fd);
    assert_string_equal(d.name, "copy.mp4");
    OK(sql_integer(s->db, &acts, -1, &s->err,
                   "SELECT count(*) FROM acts WHERE kind = 'recording.copied' AND actor = 'user:li'", ""));
    assert_int_equal(acts, 1);
    OK(derive_job(derive, id, &job, &s->err));
    assert_string_equal(json_get_string(json_get_object(job, "file"), "sha256"), d.etag);
    assert_string_equal(json_get_string(job, "reason"), "申请 12");
    GIVES(DERIVE_E_NEVER, derive_copy_open(derive, "01ARZ3NDEKTSV4RRFFQ69G5FAV", &d, &fd, &s->err));
}

/* ---- whose a running job is ------------------------------------------------------------------------------------------------ */

static void start_idle(struct site *s, const char *folder, struct derive **ret)
{
    struct derive_context c = {s->store, s->writer, s->in, s->feed, folder, s->settings, NULL};

    if (mkdir(folder, 0755) < 0)
        assert_int_equal(errno, EEXIST);
    OK(derive_new(&c, ret, &s->err));
}

struct taking {
    char node[200];
    int64_t until_usec;
    const char *recording;
    bool taken;
};

static int take_as(struct txn *t, void *userdata, struct error *err)
{
    struct taking *k = userdata;
    char lease[ULID_LENGTH + 1];
    struct job_taking taking = {k->node, lease, clock_now_usec(), k->until_usec, JOB_LATER, false};
    struct recording_id id;
    struct job job = {0};
    int64_t due;
    int r;

    assert_int_equal(recording_id_parse(k->recording, &id), 0);
    ulid_make(taking.now_usec, lease);
    r = jobs_want_again(txn_db(t), &id, JOB_USUAL, taking.now_usec, err);
    r = r != 0 ? r : jobs_take(txn_db(t), &taking, &job, &k->taken, &due, err);
    job_done(&job);
    return r;
}

/* How many jobs are. */
static int64_t state_is(struct site *s, const char *state)
{
    int64_t n = -1;

    OK(sql_integer(s->db, &n, -1, &s->err, "SELECT count(*) FROM jobs WHERE state = $1", "t", state));
    return n;
}

/* Takes the recording's job as the process that has this cache. */
static void take_for(struct site *s, const char *folder, const struct recording_id *id, int64_t until_usec)
{
    struct taking k = {.until_usec = until_usec, .recording = id->text};
    _cleanup_free_ char *node = NULL;
    char path[800];
    int fd;

    snprintf(path, sizeof path, "%s/node", folder);
    fd = open(path, O_RDONLY | O_CLOEXEC);
    assert_true(fd >= 0 && read(fd, k.node, sizeof k.node - 1) > 0);
    close(fd);
    OK(writer_run(s->writer, true, take_as, &k, &s->err));
    assert_true(k.taken);
}

/* Two processes on machines of one name: what the one has in hand is not the other's, is its own again after it died, and anybody's when
 * its lease has ended. */
static void test_two_of_one_name(void **state)
{
    struct site *s = *state;
    _cleanup_(derive_freep) struct derive *other = NULL;
    char theirs[800];
    struct recording_id id;
    struct derivative d;
    int fd = -1;

    start(s, false);
    id = wait_examined(s);
    OK(open_patiently(s, &id, NULL, &d, &fd));
    close(fd);
    derive = derive_free(derive);
    s->settings->media.derive.enabled = false; /* they take nothing by themselves */
    start_idle(s, cache, &derive);
    take_for(s, cache, &id, clock_now_usec() + USEC_PER_DAY);
    snprintf(theirs, sizeof theirs, "%s-theirs", cache);
    start_idle(s, theirs, &other); /* the other machine starts */
    assert_int_equal(state_is(s, "running"), 1);
    other = derive_free(other);
    start_idle(s, theirs, &other); /* and again */
    assert_int_equal(state_is(s, "running"), 1);
    derive = derive_free(derive); /* as if it had died: it knows nothing of that job */
    assert_int_equal(state_is(s, "running"), 1);
    start_idle(s, cache, &derive);
    assert_int_equal(state_is(s, "running"), 0);
    take_for(s, cache, &id, clock_now_usec() - USEC_PER_SEC); /* and died again, a while ago */
    other = derive_free(other);
    derive = derive_free(derive);
    s->settings->media.derive.enabled = true;
    start_idle(s, theirs, &other);
    for (int i = 0; i < 6000 && state_is(s, "done") == 0; i++)
        usleep(10000);
    assert_int_equal(state_is(s, "done"), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_open_and_lose, site_set_up_only, stop),
        cmocka_unit_test_setup_teardown(test_copy, site_set_up_only, stop),
        cmocka_unit_test_setup_teardown(test_two_of_one_name, site_set_up_only, stop),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
