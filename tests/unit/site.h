/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * For tests of intake: a whole archive in a fresh folder, with its store, ledger, catalogue, writer, policy and intake, that can be
 * stopped and started again (also by another process, after a kill).
 */
#ifndef LIUHEN_TESTS_SITE_H
#define LIUHEN_TESTS_SITE_H

#include <libgen.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/log.h"
#include "base/settings.h"
#include "cases/place.h"
#include "cases/policy-keeper.h"
#include "catalogue/schema.h"
#include "catalogue/writer.h"
#include "intake/intake.h"
#include "store/store.h"
#include "temp-folder.h"

#ifndef SITE_DERIVES
#define SITE_DERIVES "false" /* a test that is about derivatives says otherwise before it includes this */
#endif

struct site {
    struct temp_folder *temp;
    char archive[600];
    struct signing_key *key;
    struct settings *settings;
    struct placer *placer;
    struct store *store;
    struct ledger *ledger;
    struct writer *writer;
    struct policy_keeper *policy;
    struct feed *feed;
    struct intake *in;
    struct db *db; /* reads */
    struct error err;
};

#define GIVES(code, call)                                                                                    \
    do {                                                                                                     \
        int _r = (call);                                                                                     \
        if (_r != (code))                                                                                    \
            fail_msg("line %d: %s returned %d, wanted %d: %s: %s", __LINE__, #call, _r, (int)(code),         \
                     s->err.object, s->err.text);                                                            \
    } while (0)
#define OK(call) GIVES(0, call)
#define SAYS(words)                                                                                          \
    do {                                                                                                     \
        if (!strstr(s->err.text, (words)))                                                                   \
            fail_msg("line %d: wanted \"%s\" in \"%s\"", __LINE__, (words), s->err.text);                    \
    } while (0)

/* more: settings as YAML beside the archive's; its path is "archive" in the test's folder. */
static _unused_ void site_use(struct site *s, const char *more)
{
    char yaml[8192], self[4096] = "";

    s->placer = placer_free(s->placer);
    s->settings = settings_free(s->settings);
    assert_true(readlink("/proc/self/exe", self, sizeof self - 1) > 0);
    snprintf(yaml, sizeof yaml,
             "site: { name: test.example/log, timezone: Asia/Shanghai }\narchive: { path: \"%s\" }\n"
             "media: { worker: \"%s/liuhen-media\", derive: { enabled: %s } }\n%s",
             s->archive, dirname(dirname(self)), SITE_DERIVES, more);
    OK(settings_parse(yaml, strlen(yaml), "test.yaml", NULL, NULL, &s->settings));
    OK(placer_new(s->settings, NULL, NULL, &s->placer));
}

static _unused_ void site_start(struct site *s)
{
    struct store_options o = {.create = true, .lock = true, .immutable = STORE_IMMUTABLE_NO};
    struct intake_context c;
    char path[700];

    error_clear(&s->err);
    OK(store_open_local(s->archive, &o, &s->store, &s->err));
    snprintf(path, sizeof path, "%s/keys", s->archive);
    (void)mkdir(path, 0700);
    snprintf(path, sizeof path, "%s/keys/ledger.key", s->archive);
    OK(signing_key_load(path, s->settings->site.name, true, &s->key, &s->err));
    snprintf(path, sizeof path, "%s/ledger", s->archive);
    OK(ledger_open(path, s->key, signing_key_verifier(s->key), &s->ledger, &s->err));
    OK(writer_new(s->settings->catalogue.dsn, s->ledger, "node1", &s->writer, &s->err));
    OK(catalogue_open(s->settings->catalogue.dsn, DB_READ, &s->db, &s->err));
    OK(feed_new(&s->feed));
    OK(policy_keeper_new(s->writer, s->settings->catalogue.dsn, s->settings, &s->policy, &s->err));
    c = (struct intake_context){s->store, s->writer, s->ledger, s->policy, s->feed, s->settings, s->placer};
    OK(intake_new(&c, &s->in, &s->err));
}

static _unused_ void site_stop(struct site *s)
{
    s->in = intake_free(s->in);
    s->policy = policy_keeper_free(s->policy);
    s->db = db_close(s->db);
    s->writer = writer_free(s->writer);
    s->ledger = ledger_close(s->ledger);
    s->key = signing_key_free(s->key);
    s->store = store_close(s->store);
    s->feed = feed_free(s->feed);
}

static _unused_ int site_set_up_only(void **state)
{
    struct site *s = calloc(1, sizeof *s);
    char *absolute;

    assert_non_null(s);
    log_set_level(LOG_LEVEL_ERROR);
    assert_int_equal(temp_folder_setup((void **)&s->temp), 0);
    absolute = realpath(s->temp->path, NULL);
    assert_non_null(absolute);
    snprintf(s->archive, sizeof s->archive, "%s/archive", absolute);
    free(absolute);
    site_use(s, "");
    *state = s;
    return 0;
}

static _unused_ int site_set_up(void **state)
{
    (void)site_set_up_only(state);
    site_start(*state);
    return 0;
}

static _unused_ int site_tear_down(void **state)
{
    struct site *s = *state;

    site_stop(s);
    placer_free(s->placer);
    settings_free(s->settings);
    (void)temp_folder_teardown((void **)&s->temp);
    free(s);
    return 0;
}

#define site_test(f)         cmocka_unit_test_setup_teardown(f, site_set_up, site_tear_down)
#define stopped_site_test(f) cmocka_unit_test_setup_teardown(f, site_set_up_only, site_tear_down)

/* How many entries staging has; their names in names. */
static _unused_ unsigned staging_entries(struct site *s, char *names, size_t size)
{
    int fd = openat(store_staging_fd(s->store), ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *dir = fdopendir(fd);
    unsigned n = 0;

    assert_non_null(dir);
    names[0] = 0;
    for (const struct dirent *de; (de = readdir(dir));)
        if (strcmp(de->d_name, ".") != 0 && strcmp(de->d_name, "..") != 0) {
            size_t at = strlen(names);

            n++;
            snprintf(names + at, size - at, "%s ", de->d_name);
        }
    closedir(dir);
    return n;
}

static _unused_ void assert_staging_empty(struct site *s)
{
    char names[4096];

    if (staging_entries(s, names, sizeof names) != 0)
        fail_msg("staging still has %s", names);
}

#endif
