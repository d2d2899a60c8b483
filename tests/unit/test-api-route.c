/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The API without a daemon around it: reading targets, finding routes, and whole requests against a real catalogue, ledger and store
 * in a temporary folder, by raw HTTP over the unix socket.
 */
#include "api-house.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>

#include "api/handlers.h"
#include "api/route.h"
#include "catalogue/case-rows.h"
#include "catalogue/recordings.h"
#include "ledger/receipt.h"

/* ---- targets ------------------------------------------------------------------------------------------------------------- */

static void target_is_decoded_once(void **state)
{
    struct error err = ERROR_INIT;
    struct target t;

    assert_int_equal(target_parse("/v1/cases/a%2Fb%25?x=1&y=%E6%9C%AC&z", &t, &err), 0);
    assert_int_equal(t.n_segments, 3);
    assert_string_equal(t.segments[0], "v1");
    assert_string_equal(t.segments[2], "a/b%");
    assert_string_equal(target_param(&t, "x"), "1");
    assert_string_equal(target_param(&t, "y"), "本");
    assert_string_equal(target_param(&t, "z"), "");
    assert_null(target_param(&t, "w"));
    target_done(&t);
    assert_int_equal(target_parse("/", &t, &err), 0);
    assert_int_equal(t.n_segments, 0);
    target_done(&t);
    assert_int_equal(target_parse("/a?x=a+b=c&", &t, &err), -EINVAL); /* an empty parameter */
    assert_int_equal(target_parse("/a?x=a+b=c", &t, &err), 0);
    assert_string_equal(target_param(&t, "x"), "a+b=c"); /* '+' is a plus */
    target_done(&t);
}

static void bad_targets_are_refused(void **state)
{
    static const char *const bad[] = {"",        "v1",        "*",       "http://h/v1", "//v1",
                                      "/v1/",    "/v1//x",    "/./v1",   "/../v1",      "/v1/%2e%2e",
                                      "/v1/%",   "/v1/%4",    "/v1/%zz", "/v1/%00",     "/v1/%0a",
                                      "/%ff",    "/\xff",     "/v1#x",   "/v1?x=1&x=2", "/v1?=1",
                                      "/v1?x=%", "/v1?x=%01", "/v1?%80", "/a\x7f",      "/v1?&"};
    char longest[TARGET_BYTES_MAX + 8];

    for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
        struct error err = ERROR_INIT;
        struct target t;
        if (target_parse(bad[i], &t, &err) != -EINVAL || !*err.text)
            fail_msg("taken, or refused without a word: %s", bad[i]);
    }
    memset(longest, 'a', sizeof longest);
    longest[0] = '/';
    longest[sizeof longest - 1] = '\0';
    assert_int_equal(target_parse(longest, &(struct target){0}, NULL), -ENAMETOOLONG);
}

/* ---- routes -------------------------------------------------------------------------------------------------------------- */

struct found {
    const struct route *route;
    char allow[64], args[ROUTE_ARGS_MAX][64];
};

static struct found find_as(const char *method, const char *override, const char *raw)
{
    struct found f = {0};
    struct route_match m;
    struct target t;

    assert_int_equal(target_parse(raw, &t, NULL), 0);
    assert_int_equal(route_find(method, override, &t, &m), 0);
    f.route = m.route;
    snprintf(f.allow, sizeof f.allow, "%s", m.allow);
    for (size_t i = 0; i < ROUTE_ARGS_MAX; i++)
        snprintf(f.args[i], sizeof f.args[i], "%s", m.route && m.args[i] ? m.args[i] : "");
    route_match_done(&m);
    target_done(&t);
    return f;
}

static struct found find(const char *method, const char *raw)
{
    return find_as(method, NULL, raw);
}

static void routes_are_found(void **state)
{
    struct found f = find("GET", "/v1/recordings/01K/explain");

    assert_ptr_equal(f.route->handle, handle_explain);
    assert_string_equal(f.args[0], "01K");
    f = find("HEAD", "/v1/recordings/01K/explain");
    assert_ptr_equal(f.route->handle, handle_explain);
    assert_string_equal(f.args[0], "01K");
    f = find("PATCH", "/v1/cases/a%2Fb");
    assert_ptr_equal(f.route->handle, handle_case_set);
    assert_string_equal(f.args[0], "a/b");
    f = find("PUT", "/v1/cases/1");
    assert_null(f.route);
    assert_string_equal(f.allow, "GET, HEAD, PATCH");
    assert_null(find("GET", "/v1/nothing").route);
    assert_string_equal(find("GET", "/v1/nothing").allow, "");
    assert_null(find("GET", "/v1/recordings/01K/explain/more").route);
    assert_string_equal(find("GET", "/v1/recordings/01K/explain/more").allow, "");
}

static void doors_are_found(void **state)
{
    struct found f = find("PUT", "/upload/DCIM/100/a%20b.mp4");

    assert_ptr_equal(f.route->door, &door_put);
    assert_string_equal(f.args[0], "DCIM/100/a b.mp4");
    f = find("PUT", "/upload/a.mp4");
    assert_string_equal(f.args[0], "a.mp4");
    assert_null(find("PUT", "/upload").route);
    assert_string_equal(find("PUT", "/upload").allow, "POST");
    assert_non_null(find("OPTIONS", "/tus").route->door);
    assert_non_null(find("HEAD", "/tus/01K").route->door);
    f = find("PUT", "/v1/AUTH_site/c");
    assert_ptr_equal(f.route->door, &door_container);
    assert_string_equal(f.args[0], "AUTH_site");
    assert_string_equal(f.args[1], "c");
    f = find("GET", "/v1/AUTH_site/c/a/b%2Fc");
    assert_ptr_equal(f.route->door, &door_object);
    assert_string_equal(f.args[2], "a/b/c");
    /* never ours, nor ours theirs */
    assert_null(find("PUT", "/v1/AUTH_/c").route);
    assert_null(find("PUT", "/v1/auth_x/c").route);
    assert_ptr_equal(find("GET", "/v1/cases/1").route->handle, handle_case);
}

/* Only tus, and the method that was sent does not count then (tus 1.0.0, X-HTTP-Method-Override). */
static void methods_are_overridden(void **state)
{
    struct found f = find_as("POST", "PATCH", "/tus/01K");

    assert_string_equal(f.route->method, "PATCH");
    assert_string_equal(f.args[0], "01K");
    assert_null(find_as("POST", "BREW", "/tus/01K").route);
    assert_string_equal(find_as("POST", "BREW", "/tus/01K").allow, "OPTIONS, HEAD, PATCH, DELETE, GET");
    assert_string_equal(find_as("GET", "PATCH", "/v1/cases/1").route->method, "GET");
    assert_null(find_as("POST", "PUT", "/upload/a").route);
}

/* Every route has a permission that the table of people knows, a handler and help; no two are the same. */
static void table_is_complete(void **state)
{
    for (size_t i = 0; i < n_api_routes; i++) {
        const struct route *r = &api_routes[i];
        const struct people_act *a = people_acts;

        while (a->act && strcmp(a->act, r->act) != 0)
            a++;
        if (!a->act)
            fail_msg("%s %s: nobody knows the act %s", r->method, r->path, r->act);
        assert_true((r->handle != NULL) != (r->door != NULL));
        assert_true(*r->answer);
        assert_true(*r->help);
        for (size_t k = 0; k < i; k++)
            assert_false(strcmp(r->path, api_routes[k].path) == 0 &&
                         strcmp(r->method, api_routes[k].method) == 0);
    }
}

static void sentences_are_filled(void **state)
{
    _cleanup_(zone_freep) struct zone *z = NULL;
    _cleanup_json_ json_t *facts =
        json_pack("{s:s, s:s, s:I}", "class", "routine", "ending", "date", "until", (json_int_t)86400000000);
    _cleanup_free_ char *a = NULL, *b = NULL, *c = NULL;

    assert_int_equal(zone_new("UTC", &z), 0);
    a = act_sentence(z, "recording.decided", facts);
    assert_string_equal(
        a, "decided: class routine, ending date, kept until 1970-01-02 00:00:00 +00:00, by policy version ?");
    json_object_del(facts, "until");
    b = act_sentence(z, "recording.decided", facts);
    assert_string_equal(b, "decided: class routine, ending date, by policy version ?");
    c = act_sentence(z, "something.new", facts);
    assert_string_equal(c, "something.new");
}

/* ---- a whole API --------------------------------------------------------------------------------------------------------- */

/* The status, and an error in all three parts. */
static void refused(const struct house *h, const char *method, const char *target, const char *body,
                    int status, const char *says)
{
    _cleanup_json_ json_t *answer = NULL;
    int got = ask(h, method, target, body, &answer);
    const json_t *e = json_get_object(answer, "error");

    if (got != status || !json_get_string(e, "what") || !*json_get_string(e, "what") ||
        !json_get_string(e, "object") || !json_get_string(e, "right")) {
        _cleanup_free_ char *text = json_dumps(answer, 0);
        fail_msg("%s %s: %d (not %d) %s", method, target, got, status, text);
    }
    if (says && !strstr(json_get_string(e, "what"), says) && !strstr(json_get_string(e, "right"), says) &&
        !strstr(json_get_string(e, "object"), says))
        fail_msg("%s %s says \"%s; %s\", not \"%s\"", method, target, json_get_string(e, "what"),
                 json_get_string(e, "right"), says);
}

static void looking(void **state)
{
    struct house *h = *state;
    _cleanup_json_ json_t *list = NULL, *one = NULL, *status = NULL, *key = NULL, *page = NULL;
    _cleanup_free_ char *target = NULL;
    const json_t *rows;

    assert_int_equal(ask(h, "GET", "/v1/recordings", NULL, &list), 200);
    rows = json_get_array(list, "recordings");
    assert_int_equal(json_array_size(rows), 2);
    assert_string_equal(json_get_string(json_array_get(rows, 0), "id"), id_b);
    assert_string_equal(json_get_string(list, "zone"), "Asia/Shanghai");
    assert_int_equal(ask(h, "GET", "/v1/recordings?limit=1", NULL, &page), 200);
    assert_int_equal(json_array_size(json_get_array(page, "recordings")), 1);
    assert_true(asprintf(&target, "/v1/recordings?limit=1&after=%s", json_get_string(page, "next")) > 0);
    json_decref(page);
    assert_int_equal(ask(h, "GET", target, NULL, &page), 200);
    assert_string_equal(json_get_string(json_array_get(json_get_array(page, "recordings"), 0), "id"), id_a);
    assert_null(json_get_string(page, "next"));
    assert_int_equal(ask(h, "GET", "/v1/recordings/01JA0000000000000000000001", NULL, &one), 200);
    assert_string_equal(json_get_string(one, "name"), "a%0Ab.mp4");
    assert_int_equal(ask(h, "GET", "/v1/status", NULL, &status), 200);
    assert_false(json_get_bool(status, "idle", true)); /* two are to be examined */
    assert_int_equal(json_get_integer(json_get_object(status, "counts"), "recordings", 0), 2);
    assert_int_equal(ask(h, "GET", "/v1/ledger/key", NULL, &key), 200);
    assert_string_equal(json_get_string(key, "key"), verifier_key_text(signing_key_verifier(h->key)));
}

static void receipts_verify(void **state)
{
    struct house *h = *state;
    static const char text[] = "GET /v1/recordings/01JA0000000000000000000001/receipt HTTP/1.1\r\nHost: "
                               "x\r\nConnection: close\r\n\r\n";
    _cleanup_free_ char *body = NULL;
    struct receipt receipt;
    struct error err = ERROR_INIT;

    assert_int_equal(raw(h, text, strlen(text), &body), 200);
    assert_int_equal(receipt_verify(body, strlen(body), signing_key_verifier(h->key), &receipt, &err), 0);
    assert_non_null(strstr(receipt.entry, id_a));
    receipt_done(&receipt);
}

/* A case from its opening to its filing, a link, holds; explain follows. */
static void changing(void **state)
{
    struct house *h = *state;
    _cleanup_json_ json_t *made = NULL, *explained = NULL, *hold = NULL, *filed = NULL, *holds = NULL;
    _cleanup_free_ char *lift = NULL;

    assert_int_equal(ask(h, "POST", "/v1/cases",
                         "{\"number\":\"卫〔2026〕1号\",\"procedure\":\"general\",\"opened\":\"2026-01-05\"}",
                         &made),
                     201);
    assert_string_equal(json_get_string(made, "state"), "open");
    assert_int_equal(ask(h, "POST", "/v1/links",
                         "{\"recording\":\"01JA0000000000000000000001\",\"case\":\"卫[2026]1号\"}", NULL),
                     200);
    assert_int_equal(ask(h, "POST", "/v1/holds",
                         "{\"recording\":\"01JA0000000000000000000001\",\"ground\":\"complaint\"}", &hold),
                     201);
    assert_int_equal(ask(h, "GET", "/v1/recordings/01JA0000000000000000000001/explain", NULL, &explained),
                     200);
    assert_string_equal(json_get_string(json_get_object(explained, "decision"), "class"), "disputed");
    assert_true(json_get_bool(json_get_object(explained, "today"), "stands", false));
    assert_int_equal(json_array_size(json_get_array(json_get_object(explained, "decision"), "reasons")), 3);
    /* lifting the hold is what would change it; filing the case would not */
    assert_int_equal(json_array_size(json_get_array(explained, "would_change")), 1);
    assert_string_equal(
        json_get_string(json_array_get(json_get_array(explained, "would_change"), 0), "class"), "evidence");
    assert_true(json_array_size(json_get_array(explained, "history")) >= 4);
    assert_int_equal(ask(h, "GET", "/v1/holds?case=%E5%8D%AB%E3%80%942026%E3%80%951%E5%8F%B7", NULL, NULL),
                     200);
    assert_int_equal(ask(h, "GET", "/v1/holds?recording=01JA0000000000000000000001", NULL, &holds), 200);
    assert_int_equal(json_array_size(json_get_array(holds, "holds")), 1);
    assert_true(asprintf(&lift, "/v1/holds/%s/lift", json_get_string(hold, "id")) > 0);
    assert_int_equal(ask(h, "POST", lift, "{\"reason\":\"settled\"}", NULL), 200);
    refused(h, "POST", lift, "{\"reason\":\"settled\"}", 409, "lifted already");
    refused(h, "POST", "/v1/cases/%E5%8D%AB%E3%80%942026%E3%80%951%E5%8F%B7/file", "{}", 409,
            "only an ended case");
    assert_int_equal(ask(h, "POST", "/v1/cases/%E5%8D%AB%E3%80%942026%E3%80%951%E5%8F%B7/end",
                         "{\"date\":\"2026-02-01\"}", NULL),
                     200);
    assert_int_equal(ask(h, "POST", "/v1/cases/%E5%8D%AB%E3%80%942026%E3%80%951%E5%8F%B7/file",
                         "{\"date\":\"2026-03-01\"}", &filed),
                     200);
    assert_string_equal(json_get_string(filed, "state"), "filed");
    assert_int_equal(
        ask(h, "PATCH", "/v1/cases/%E5%8D%AB%E3%80%942026%E3%80%951%E5%8F%B7", "{\"title\":\"t\"}", NULL),
        200);
    assert_int_equal(ask(h, "DELETE", "/v1/links",
                         "{\"recording\":\"01JA0000000000000000000001\",\"case\":\"卫〔2026〕1号\"}", NULL),
                     200);
    refused(h, "POST", "/v1/cases", "{\"number\":\"卫(2026)1号\"}", 409, "another case");
}

static void errors_say_what_where_and_what_would_be_right(void **state)
{
    struct house *h = *state;

    refused(h, "GET", "/v1/recordings/01ZZZZ", NULL, 404, "no such recording");
    refused(h, "GET", "/v1/recordings/01JA", NULL, 409, "more than one");
    refused(h, "GET", "/nothing", NULL, 404, "/v1/");
    refused(h, "PUT", "/v1/cases", "{}", 405, "GET, HEAD, POST");
    refused(h, "GET", "/v1/recordings?colour=red", NULL, 400, "colour");
    refused(h, "GET", "/v1/recordings?limit=0", NULL, 400, "limit");
    refused(h, "GET", "/v1/recordings?limit=1001", NULL, 400, "1000");
    refused(h, "GET", "/v1/recordings?from=yesterday", NULL, 400, "yesterday");
    refused(h, "GET", "/v1/recordings?after=x", NULL, 400, "page mark");
    refused(h, "GET", "/v1/recordings?damaged=yes", NULL, 400, "damaged");
    refused(h, "GET", "/v1/recordings?case=9", NULL, 404, "no such case");
    refused(h, "GET", "/v1/cases?state=lost", NULL, 400, "state");
    refused(h, "GET", "/v1/%zz", NULL, 400, "hex");
    refused(h, "GET", "/v1/status", "{}", 400, "no body");
    refused(h, "POST", "/v1/cases", "{", 400, "not JSON");
    refused(h, "POST", "/v1/cases", "{\"number\":\"1\",\"number\":\"2\"}", 400, "not JSON");
    refused(h, "POST", "/v1/cases", "[1]", 400, "object");
    refused(h, "POST", "/v1/cases", "{}", 400, "number");
    refused(h, "POST", "/v1/cases", "{\"number\":7}", 400, "text");
    refused(h, "POST", "/v1/cases", "{\"number\":\"a\\u0000b\"}", 400, NULL);
    refused(h, "POST", "/v1/cases", "{\"number\":\"1\",\"nummer\":\"1\"}", 400, "nummer");
    refused(h, "POST", "/v1/cases?number=1", "{\"number\":\"1\"}", 400, "JSON object");
    refused(h, "POST", "/v1/cases", "{\"number\":\"1\",\"procedure\":\"quick\"}", 422, "procedure");
    refused(h, "POST", "/v1/holds", "{\"ground\":\"whim\",\"recording\":\"01JA0000000000000000000001\"}", 422,
            "ground");
    refused(h, "POST", "/v1/holds", "{\"ground\":\"other\",\"recording\":\"01JA0000000000000000000001\"}",
            422, "reason");
    refused(h, "DELETE", "/v1/links", "{\"recording\":\"01JA0000000000000000000001\",\"case\":\"x\"}", 404,
            "case");
}

/* What the HTTP library would let pass. */
static void strict_framing(void **state)
{
    static const struct {
        int status;
        const char *text;
    } cases[] = {
        {400, "POST /v1/cases HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nContent-Length: 2\r\n\r\n{}"},
        {400, "POST /v1/cases HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nTransfer-Encoding: "
              "chunked\r\n\r\n0\r\n\r\n"},
        {400, "POST /v1/cases HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip\r\n\r\n{}"},
        {400, "POST /v1/cases HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n"},
        {400, "POST /v1/cases HTTP/1.1\r\nHost: x\r\nContent-Length: +2\r\n\r\n{}"},
        {413, "POST /v1/cases HTTP/1.1\r\nHost: x\r\nContent-Length: 1048577\r\n\r\n"},
        {413, "POST /v1/cases HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999\r\n\r\n"},
        {415, "POST /v1/cases HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 2\r\n\r\n{}"},
        {415, "POST /v1/cases HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Type: "
              "text/plain\r\nContent-Length: 2\r\n\r\n{}"},
        {201, "POST /v1/cases HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Type: application/json; "
              "charset=utf-8\r\n"
              "Transfer-Encoding: chunked\r\n\r\n9\r\n{\"number\"\r\n7\r\n:\"c-1\"}\r\n0\r\n\r\n"},
    };
    struct house *h = *state;
    struct api_context context;

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        int status = raw(h, cases[i].text, strlen(cases[i].text), NULL);
        if (status != cases[i].status)
            fail_msg("%d, not %d: %s", status, cases[i].status, cases[i].text);
    }
    /* still alive, and a living socket is not taken over */
    assert_int_equal(ask(h, "GET", "/v1/status", NULL, NULL), 200);
    context = context_of(h);
    assert_int_equal(api_new(&context, NULL, 0, &(struct api *){NULL}, &(struct error)ERROR_INIT),
                     -EADDRINUSE);
}

static void too_large_in_chunks(void **state)
{
    struct house *h = *state;
    size_t size = (2u << 20) + 400, n;
    _cleanup_free_ char *text = malloc(size);

    n = (size_t)sprintf(text, "POST /v1/cases HTTP/1.1\r\nHost: x\r\nContent-Type: "
                              "application/json\r\nTransfer-Encoding: chunked\r\n\r\n200000\r\n");
    memset(text + n, ' ', 2u << 20);
    n += 2u << 20;
    n += (size_t)sprintf(text + n, "\r\n0\r\n\r\n");
    assert_int_equal(raw(h, text, n, NULL), 413);
}

static bool reads_line(int fd, const char *part)
{
    char buf[4096] = "";
    size_t n = 0;

    for (int i = 0; i < 100 && n + 1 < sizeof buf; i++) {
        struct pollfd p = {fd, POLLIN, 0};
        ssize_t got;

        if (poll(&p, 1, 100) <= 0)
            continue;
        got = read(fd, buf + n, sizeof buf - 1 - n);
        if (got <= 0)
            return false;
        n += (size_t)got;
        if (strstr(buf, part))
            return true;
    }
    return false;
}

static void watching(void **state)
{
    struct house *h = *state;
    static const char text[] = "GET /v1/watch HTTP/1.1\r\nHost: x\r\n\r\n";
    int fd = dial(h);

    assert_int_equal(fd_write_full(fd, text, strlen(text)), 0);
    assert_true(reads_line(fd, "\"watching\""));
    feed_add(h->feed, json_pack("{s:s}", "event", "sealed"));
    assert_true(reads_line(fd, "{\"event\":\"sealed\"}\n"));
    /* stopping cuts the stream and removes the socket */
    h->api = api_free(h->api);
    assert_false(reads_line(fd, "never"));
    close(fd);
    assert_int_equal(faccessat(AT_FDCWD, h->settings->socket.path, F_OK, 0), -1);
}

/* Somebody who is not named may nothing, an administrator may not decide about evidence. */
static void permissions(void **state)
{
    struct house *h = *state;
    struct settings *old = h->settings;
    char text[1000];

    snprintf(text, sizeof text,
             "site: {name: t/log}\narchive: {path: %s/a}\npeople: [{user: nobody-here, roles: [records]}]\n",
             h->folder);
    assert_int_equal(settings_parse(text, strlen(text), "t", NULL, NULL, &h->settings), 0);
    if (geteuid() == 0) {
        assert_int_equal(ask(h, "GET", "/v1/status", NULL, NULL), 200);
        refused(h, "POST", "/v1/cases", "{\"number\":\"p\"}", 403, "records");
        refused(h, "POST", "/v1/cases", "not even JSON", 403, "records");
    } else {
        refused(h, "GET", "/v1/status", NULL, 403, "people");
    }
    settings_free(h->settings);
    h->settings = old;
}

static void a_stale_socket_is_replaced(void **state)
{
    struct house *h = *state;
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    struct error err = ERROR_INIT;
    char path[100], longest[200];
    struct stat st;
    int fd;

    snprintf(path, sizeof path, "%s/stale", h->folder);
    snprintf(address.sun_path, sizeof address.sun_path, "%s", path);
    fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof address), 0);
    close(fd);
    fd = http_listen_unix(path, 0620, &err);
    assert_true(fd >= 0);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0620);
    assert_int_equal(http_listen_unix(path, 0600, &err), -EADDRINUSE);
    close(fd);
    unlink(path);
    close(open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
    assert_int_equal(http_listen_unix(path, 0600, &err), -EEXIST);
    memset(longest, 'x', sizeof longest);
    longest[199] = '\0';
    assert_int_equal(http_listen_unix(longest, 0600, &err), -ENAMETOOLONG);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(target_is_decoded_once),
        cmocka_unit_test(bad_targets_are_refused),
        cmocka_unit_test(routes_are_found),
        cmocka_unit_test(doors_are_found),
        cmocka_unit_test(methods_are_overridden),
        cmocka_unit_test(table_is_complete),
        cmocka_unit_test(sentences_are_filled),
        cmocka_unit_test_setup_teardown(looking, setup, teardown),
        cmocka_unit_test_setup_teardown(receipts_verify, setup, teardown),
        cmocka_unit_test_setup_teardown(changing, setup, teardown),
        cmocka_unit_test_setup_teardown(errors_say_what_where_and_what_would_be_right, setup, teardown),
        cmocka_unit_test_setup_teardown(strict_framing, setup, teardown),
        cmocka_unit_test_setup_teardown(too_large_in_chunks, setup, teardown),
        cmocka_unit_test_setup_teardown(watching, setup, teardown),
        cmocka_unit_test_setup_teardown(permissions, setup, teardown),
        cmocka_unit_test_setup_teardown(a_stale_socket_is_replaced, setup, teardown),
    };

    signal(SIGPIPE, SIG_IGN); /* a connection that is cut is an answer too */
    return cmocka_run_group_tests(tests, NULL, NULL);
}
