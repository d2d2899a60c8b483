/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * An API without a daemon around it: a real catalogue, ledger and store in a temporary folder, and raw HTTP over the unix socket.
 */
#ifndef LIUHEN_TESTS_API_HOUSE_H
#define LIUHEN_TESTS_API_HOUSE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "api/api.h"
#include "base/fd.h"
#include "base/log.h"

struct house {
    char folder[64];
    struct settings *settings;
    struct signing_key *key;
    struct ledger *ledger;
    struct store *store;
    struct writer *writer;
    struct policy_keeper *policy;
    struct feed *feed;
    struct readers *readers;
    struct doors *doors;
    struct api *api;
};

static _unused_ const char id_a[] = "01JA0000000000000000000001", id_b[] = "01JA0000000000000000000002";

static const struct settings *settings_of(void *userdata)
{
    return ((struct house *)userdata)->settings;
}

static json_t *status_of(void *userdata)
{
    return json_pack("{s:s, s:{s:s, s:i}}", "version", "test", "intake", "state", "running", "waiting", 0);
}

static int seal(struct txn *t, const char *id, char fill, struct error *err)
{
    char digest[DIGEST_HEX_SIZE];

    memset(digest, fill, 64);
    digest[64] = '\0';
    return txn_act(t, "recording.sealed", "door:drop", id, 0,
                   json_pack("{s:s, s:i, s:s, s:s, s:s, s:{s:s, s:s, s:s}}", "digest", digest, "bytes", 5,
                             "name", "a%0Ab.mp4", "content", "a.mp4", "kind", "video", "arrival", "door",
                             "drop:d", "path", "a.mp4", "zone", "UTC"),
                   NULL, err);
}

static int seal_two(struct txn *t, void *userdata, struct error *err)
{
    int r = seal(t, id_a, 'a', err);

    return r != 0 ? r : seal(t, id_b, 'b', err);
}

static const char *const policy_text =
    "policy: test\neffective: 2026-01-01\ntimezone: UTC\nfloor: 6 months\nclasses:\n"
    "  routine: { cite: Art. 17(1), keep: 6 months }\n"
    "  evidence: { cite: Art. 17(3), when: { link.role: evidence }, keep: case }\n"
    "  disputed: { cite: Art. 18, when: { hold.ground: [complaint] }, keep: permanent }\n"
    "case_files:\n  general: { keep: 30 years, from: filed }\n"
    "  summary: { keep: 10 years, from: filed }\n"
    "disposal: { notice: 14 days, approvals: [records, legal] }\n";

static void make_settings(struct house *h)
{
    char text[1200], path[128];
    int fd;

    snprintf(path, sizeof path, "%s/test.yaml", h->folder);
    fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
    assert_true(fd >= 0);
    assert_int_equal(fd_write_full(fd, policy_text, strlen(policy_text)), 0);
    close(fd);
    snprintf(text, sizeof text,
             "site: {name: t/log, timezone: Asia/Shanghai}\narchive: {path: %s/a}\nsocket: {path: %s/s, "
             "mode: 0600}\n"
             "policy: %s/test.yaml\n",
             h->folder, h->folder, h->folder);
    assert_int_equal(settings_parse(text, strlen(text), "t", NULL, NULL, &h->settings), 0);
}

static _unused_ struct api_context context_of(struct house *h)
{
    return (struct api_context){.writer = h->writer,
                                .ledger = h->ledger,
                                .store = h->store,
                                .policy = h->policy,
                                .feed = h->feed,
                                .readers = h->readers,
                                .doors = h->doors,
                                .settings = settings_of,
                                .status = status_of,
                                .userdata = h};
}

static _unused_ int setup(void **state)
{
    struct house *h = calloc(1, sizeof *h);
    struct store_options options = {.create = true, .immutable = STORE_IMMUTABLE_NO};
    struct doors_context doors;
    struct api_context context;
    struct error err = ERROR_INIT;
    char path[128], key[128];

    log_set_level(LOG_LEVEL_ERROR);
    strcpy(h->folder, "/tmp/lh-api-XXXXXX");
    assert_non_null(mkdtemp(h->folder));
    make_settings(h);
    assert_int_equal(store_open_local(h->settings->archive.path, &options, &h->store, &err), 0);
    snprintf(path, sizeof path, "%s/a/ledger", h->folder);
    snprintf(key, sizeof key, "%s/k", h->folder);
    assert_int_equal(signing_key_load(key, "t/log", true, &h->key, &err), 0);
    assert_int_equal(ledger_open(path, h->key, signing_key_verifier(h->key), &h->ledger, &err), 0);
    assert_int_equal(writer_new(h->settings->catalogue.dsn, h->ledger, "node", &h->writer, &err), 0);
    if (policy_keeper_new(h->writer, h->settings->catalogue.dsn, h->settings, &h->policy, &err) != 0)
        fail_msg("policy: %s %s", err.object, err.text);
    assert_int_equal(writer_run(h->writer, false, seal_two, NULL, &err), 0);
    assert_int_equal(feed_new(&h->feed), 0);
    assert_int_equal(readers_new(h->settings->catalogue.dsn, &h->readers), 0);
    doors = (struct doors_context){NULL, h->writer, h->ledger, h->feed, h->readers, settings_of, h};
    assert_int_equal(doors_new(&doors, &h->doors, &err), 0);
    context = context_of(h);
    assert_int_equal(api_new(&context, NULL, 0, &h->api, &err), 0);
    *state = h;
    return 0;
}

static _unused_ int teardown(void **state)
{
    struct house *h = *state;

    api_free(h->api);
    doors_free(h->doors);
    readers_free(h->readers);
    feed_free(h->feed);
    policy_keeper_free(h->policy);
    writer_free(h->writer);
    ledger_close(h->ledger);
    signing_key_free(h->key);
    store_close(h->store);
    settings_free(h->settings);
    fd_remove_tree_at(AT_FDCWD, h->folder);
    free(h);
    return 0;
}

static int dial(const struct house *h)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    snprintf(address.sun_path, sizeof address.sun_path, "%s/s", h->folder);
    assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof address), 0);
    return fd;
}

/* Sends raw bytes and reads until the server closes; returns the status, *ret_body the body as text (freed by the caller). */
static _unused_ int raw(const struct house *h, const char *text, size_t size, char **ret_body)
{
    char *answer = calloc(1, 1 << 20), *body;
    int fd = dial(h), status;

    (void)fd_write_full(fd, text, size);
    shutdown(fd, SHUT_WR);
    assert_true(fd_read_full(fd, answer, (1 << 20) - 1) >= 0);
    close(fd);
    status = strncmp(answer, "HTTP/1.1 ", 9) == 0 ? atoi(answer + 9) : 0;
    body = strstr(answer, "\r\n\r\n");
    if (ret_body)
        *ret_body = strdup(body ? body + 4 : "");
    free(answer);
    return status;
}

static _unused_ int ask(const struct house *h, const char *method, const char *target, const char *body,
                        json_t **ret)
{
    _cleanup_free_ char *text = NULL, *answer = NULL;
    int n, status;

    if (body)
        n = asprintf(&text,
                     "%s %s HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Type: "
                     "application/json\r\nContent-Length: %zu\r\n\r\n%s",
                     method, target, strlen(body), body);
    else
        n = asprintf(&text, "%s %s HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", method, target);
    status = raw(h, text, (size_t)n, &answer);
    if (ret) {
        *ret = json_loads(answer, 0, NULL);
        if (!*ret)
            fail_msg("%s %s: not JSON: %s", method, target, answer);
    }
    return status;
}

#endif
