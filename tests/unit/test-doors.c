/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The doors' core: what is counted and when it is too much, with clocks as arguments; and who knocks, asked over a real server by a
 * real archive's devices.
 */
#include "site.h"

#include <errno.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/encode.h"
#include "base/fd.h"
#include "catalogue/readers.h"
#include "doors/doors-internal.h"

#define MIN_USEC USEC_PER_MIN

/* ---- denials ------------------------------------------------------------------------------------------------------------- */

static struct settings *settings_with(const char *text)
{
    struct settings *s = NULL;

    assert_int_equal(settings_parse(text, strlen(text), "t.yaml", NULL, NULL, &s), 0);
    return s;
}

static bool denied(struct denials *d, const struct settings *s, const char *who, int64_t now, int64_t n)
{
    int64_t counted;
    bool raised = denials_count(d, s, who, now, &counted);

    assert_int_equal(counted, n);
    return raised;
}

/* Three within ten minutes, whenever the minutes begin. */
static void test_denials_within(void **state)
{
    _cleanup_(settings_freep) struct settings *s =
        settings_with("devices: {denials: 3, denials_within: 10 min}");
    _cleanup_(denials_freep) struct denials *d = NULL;
    _cleanup_json_ json_t *alarms = NULL, *later = NULL;
    int64_t t = 1000 * MIN_USEC;

    assert_int_equal(denials_new(&d), 0);
    assert_false(denied(d, s, "a", t, 1));
    assert_false(denied(d, s, "a", t + 9 * MIN_USEC, 2));
    assert_false(denied(d, s, "a", t + 11 * MIN_USEC, 2)); /* the first is too old */
    assert_false(denied(d, s, "b", t + 11 * MIN_USEC, 1));
    assert_true(denied(d, s, "a", t + 12 * MIN_USEC, 3));
    assert_false(denied(d, s, "a", t + 13 * MIN_USEC, 3)); /* said already */
    assert_false(denied(d, s, "a", t + 40 * MIN_USEC, 1));
    assert_false(denied(d, s, "a", t + 41 * MIN_USEC, 2));
    assert_true(denied(d, s, "a", t + 42 * MIN_USEC, 3)); /* again, after it was quiet */
    alarms = denials_alarms(d, t + 43 * MIN_USEC);
    assert_int_equal(json_array_size(alarms), 1);
    assert_string_equal(json_get_string(json_array_get(alarms, 0), "who"), "a");
    assert_int_equal(json_get_integer(json_array_get(alarms, 0), "denials", 0), 8);
    later = denials_alarms(d, t + 42 * MIN_USEC + USEC_PER_DAY);
    assert_int_equal(json_array_size(later), 0);
}

/* However many there are, those that go on are counted. */
static void test_denials_of_many(void **state)
{
    _cleanup_(settings_freep) struct settings *s =
        settings_with("devices: {denials: 3, denials_within: 10 min}");
    _cleanup_(denials_freep) struct denials *d = NULL;
    _cleanup_json_ json_t *alarms = NULL;
    int64_t t = 1000 * MIN_USEC;
    char who[40];

    assert_int_equal(denials_new(&d), 0);
    for (int64_t i = 1; i <= 3; i++) /* one that ends before the many come: its alarm stays in sight */
        (void)denials_count(d, s, "ended", t - 4 + i, &(int64_t){0});
    for (int64_t i = t; i < t + 5000; i++) {
        snprintf(who, sizeof who, "address %lld", (long long)i);
        assert_false(denied(d, s, who, i, 1));
        if (i % 500 == 0)
            (void)denials_count(d, s, "persistent", i, &(int64_t){0});
    }
    alarms = denials_alarms(d, t + 5000);
    assert_int_equal(json_array_size(alarms), 2);
}

/* ---- limits -------------------------------------------------------------------------------------------------------------- */

static void test_requests_a_minute(void **state)
{
    _cleanup_(limits_freep) struct limits *l = NULL;
    int64_t t = 5 * MIN_USEC;

    assert_int_equal(limits_new(&l), 0);
    for (int i = 0; i < 6; i++)
        assert_int_equal(limits_request(l, "dock", 6, t), 0);
    assert_int_equal(limits_request(l, "dock", 6, t), 10); /* one every ten seconds comes back */
    assert_int_equal(limits_request(l, "dock", 6, t + 7 * USEC_PER_SEC), 3);
    assert_int_equal(limits_request(l, "other", 6, t), 0);
    assert_int_equal(limits_request(l, "dock", 6, t + 10 * USEC_PER_SEC), 0);
    assert_int_equal(limits_request(l, "dock", 6, t + 10 * USEC_PER_SEC), 10);
    for (int i = 0; i < 6; i++) /* never more than a minute's worth */
        assert_int_equal(limits_request(l, "dock", 6, t + 600 * MIN_USEC), 0);
    assert_int_not_equal(limits_request(l, "dock", 6, t + 600 * MIN_USEC), 0);
    for (int i = 0; i < 100; i++)
        assert_int_equal(limits_request(l, "free", 0, t), 0);
}

static void test_bytes_of_a_day(void **state)
{
    _cleanup_(limits_freep) struct limits *l = NULL;
    uint64_t bytes, seen;

    assert_int_equal(limits_new(&l), 0);
    assert_false(limits_used(l, "d", 1, &bytes, &seen));
    limits_count(l, "d", 1, 10); /* while the catalogue is asked */
    assert_false(limits_set_used(l, "d", 1, 100, seen));
    assert_false(limits_used(l, "d", 1, &bytes, &seen));
    assert_true(limits_set_used(l, "d", 1, 110, seen));
    limits_count(l, "d", 1, 5);
    assert_true(limits_used(l, "d", 1, &bytes, &seen));
    assert_int_equal(bytes, 115);
    assert_false(limits_used(l, "d", 2, &bytes, &seen)); /* midnight */
    for (int i = 0; i < 100; i++) {
        char name[16];
        snprintf(name, sizeof name, "%d", i);
        limits_count(l, name, 1, 1);
    }
    assert_true(limits_used(l, "d", 1, &bytes, &seen));
}

/* ---- sessions ------------------------------------------------------------------------------------------------------------ */

/* What requests in hand hold counts for the others, never for themselves, and comes back. */
static void test_quota_in_hand(void **state)
{
    _cleanup_(limits_freep) struct limits *l = NULL;
    uint64_t one = 0, other = 0;

    assert_int_equal(limits_new(&l), 0);
    assert_true(limits_hold(l, "d", 100, 60, &one));
    assert_int_equal(one, 60);
    assert_false(limits_hold(l, "d", 100, 41, &other));
    assert_false(limits_hold(l, "d", 100, 41, NULL));
    assert_int_equal(other, 0);
    assert_true(limits_hold(l, "d", 100, 40, NULL)); /* only asked */
    assert_true(limits_hold(l, "d", 100, 40, &other));
    assert_true(limits_hold(l, "d", 100, 60, &one));
    assert_false(limits_hold(l, "d", 100, 61, &one));
    assert_false(limits_hold(l, "d", 30, 1, &one)); /* the others alone hold more */
    assert_int_equal(one, 60);
    assert_true(limits_hold(l, "e", 100, 100, NULL));
    limits_release(l, "d", other);
    assert_true(limits_hold(l, "d", 100, 100, &one));
    limits_release(l, "d", one);
    assert_true(limits_hold(l, "d", 100, 100, NULL));
}

static void test_sessions(void **state)
{
    _cleanup_(sessions_freep) struct sessions *s = NULL;
    _cleanup_free_ char *serial = NULL, *token = NULL;
    char one[DOORS_SESSION_SIZE], other[DOORS_SESSION_SIZE], longest[400];

    assert_int_equal(sessions_new(&s), 0);
    assert_int_equal(sessions_open(s, "BWS-1", "lh_x", 100, 50, one), 0);
    assert_true(session_is_formed(one));
    assert_int_equal(sessions_find(s, one, 149, &serial, &token), 0);
    assert_string_equal(serial, "BWS-1");
    assert_string_equal(token, "lh_x");
    assert_int_equal(sessions_find(s, one, 150, &serial, &token), -ENOENT); /* over */
    memcpy(other, one, sizeof one);
    other[20] = other[20] == 'a' ? 'b' : 'a';
    assert_int_equal(sessions_find(s, other, 120, &serial, &token), -ENOENT);
    assert_int_equal(sessions_find(s, "", 120, &serial, &token), -ENOENT);
    memset(longest, 'a', sizeof longest - 1);
    longest[sizeof longest - 1] = '\0';
    memcpy(longest, one, 7);
    assert_int_equal(sessions_find(s, longest, 120, &serial, &token), -ENOENT);
}

static void test_sessions_that_are_many(void **state)
{
    _cleanup_(sessions_freep) struct sessions *s = NULL;
    _cleanup_free_ char *serial = NULL, *token = NULL;
    char one[DOORS_SESSION_SIZE], first[DOORS_SESSION_SIZE], other[DOORS_SESSION_SIZE], name[16];

    assert_int_equal(sessions_new(&s), 0);
    assert_int_equal(sessions_open(s, "BWS-1", "lh_x", 100, 50, one), 0);
    /* who signs in over and over ends its own sessions only */
    assert_int_equal(sessions_open(s, "BWS-2", "t", 120, 999, first), 0);
    for (int i = 0; i < 2000; i++)
        assert_int_equal(sessions_open(s, "BWS-2", "t", 120, 1000 + i, other), 0);
    assert_int_equal(sessions_find(s, first, 121, &serial, &token), -ENOENT);
    assert_int_equal(sessions_find(s, one, 121, &serial, &token), 0);
    /* of many, the oldest make room */
    for (int i = 0; i < 1024; i++) {
        snprintf(name, sizeof name, "BWS-%d", 3 + i);
        assert_int_equal(sessions_open(s, name, "t", 120, 1000 + i, other), 0);
    }
    free(TAKE_PTR(serial));
    free(TAKE_PTR(token));
    assert_int_equal(sessions_find(s, one, 121, &serial, &token), -ENOENT);
}

/* ---- answers ------------------------------------------------------------------------------------------------------------- */

static const char *header_of(const struct http_answer *a, const char *name)
{
    for (size_t i = 0; i < a->n_headers; i++)
        if (strcasecmp(a->headers[i].name, name) == 0)
            return a->headers[i].value;
    return "";
}

static void test_failures_say_what_to_do(void **state)
{
    static const struct {
        int code;
        unsigned status;
        const char *header; /* that must be there */
    } cases[] = {
        {UPLOAD_E_NONE, 404, ""},
        {UPLOAD_E_BUSY, 423, ""},
        {UPLOAD_E_OFFSET, 409, ""},
        {UPLOAD_E_CHECKSUM, 460, ""},
        {UPLOAD_E_EMPTY, 400, ""},
        {UPLOAD_E_SEALED, 403, ""},
        {UPLOAD_E_DENIED, 403, ""},
        {DEVICES_E_UNKNOWN, 401, "WWW-Authenticate"},
        {DEVICES_E_REVOKED, 403, ""},
        {DEVICES_E_RETIRED, 403, ""},
        {DEVICES_E_INPUT, 422, ""},
        {-ENOSPC, 507, ""},
        {-EFBIG, 413, ""},
        {-EAGAIN, 503, "Retry-After"},
        {-ECANCELED, 503, "Retry-After"},
        {DB_E_BUSY, 503, "Retry-After"},
        {-ENOMEM, 503, "Retry-After"},
        {-EMFILE, 503, "Retry-After"},
        {-EPROTO, 400, ""},
        {-EINVAL, 400, ""},
        {-EBADMSG, 500, ""},
    };

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct http_answer a = HTTP_ANSWER_INIT;
        struct error err = ERROR_INIT;
        _cleanup_json_ json_t *root = NULL;

        error_set(&err, cases[i].code, "thing", "is wrong; make it right");
        doors_fail(&a, cases[i].code, 460, &err);
        if (a.status != cases[i].status)
            fail_msg("%d: %u, not %u", cases[i].code, a.status, cases[i].status);
        assert_true(!*cases[i].header || *header_of(&a, cases[i].header));
        assert_int_equal(json_parse(a.body, a.body_size, "body", &root, NULL), 0);
        assert_string_equal(json_get_string(json_get_object(root, "error"), "what"), "is wrong");
        assert_string_equal(json_get_string(json_get_object(root, "error"), "object"), "thing");
        assert_string_equal(json_get_string(json_get_object(root, "error"), "right"), "make it right");
        http_answer_done(&a);
    }
}

static void test_receipts(void **state)
{
    struct upload_result result = {.bytes = 7, .leaf = 3, .receipt = (char *)"c2sp.org/tlog-proof@v1\n"};
    struct http_answer a = HTTP_ANSWER_INIT;
    _cleanup_json_ json_t *o = NULL;

    strcpy(result.recording.text, "01JA0000000000000000000001");
    doors_receipt(&a, 201, &result);
    assert_int_equal(a.status, 201);
    assert_string_equal(header_of(&a, "Location"), "/v1/recordings/01JA0000000000000000000001");
    assert_int_equal(json_parse(a.body, a.body_size, "body", &o, NULL), 0);
    assert_int_equal(json_get_integer(o, "bytes", 0), 7);
    assert_int_equal(json_get_integer(o, "leaf", 0), 3);
    assert_false(json_get_bool(o, "again", true));
    assert_int_equal(strlen(json_get_string(o, "sha256")), 64);
    assert_string_equal(json_get_string(o, "receipt"), result.receipt);
    http_answer_done(&a);
    result.again = true;
    doors_receipt(&a, 201, &result);
    assert_int_equal(a.status, 200);
    http_answer_done(&a);
}

static void test_dates(void **state)
{
    static const char *const same[] = {"Sun, 06 Nov 1994 08:49:37 GMT", "Sunday, 06-Nov-94 08:49:37 GMT",
                                       "Sun Nov  6 08:49:37 1994"};
    static const char *const bad[] = {"",
                                      "yesterday",
                                      "Sun, 06 Nov 1994 08:49:37",
                                      "Sun, 06 Nov 1994 08:49:37 GMT, Sun, 06 Nov 1994 08:49:37 GMT",
                                      "Sun, 06 Nov 1994 25:49:37 GMT",
                                      "Sun, 32 Nov 1994 08:49:37 GMT",
                                      "Sun, 06 Nov 1904 08:49:37 GMT",
                                      "784111777"};
    int64_t usec = 0;

    for (size_t i = 0; i < ARRAY_SIZE(same); i++) {
        assert_int_equal(http_date_parse(same[i], &usec), 0);
        assert_int_equal(usec, INT64_C(784111777) * USEC_PER_SEC);
    }
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
        if (http_date_parse(bad[i], &usec) != -EINVAL)
            fail_msg("taken as a date: %s", bad[i]);
}

/* ---- who knocks ---------------------------------------------------------------------------------------------------------- */

struct house {
    struct site *s;
    struct readers *readers;
    struct doors *doors;
    struct http_server *server;
    uint16_t port;
    char dock[ULID_LENGTH + 1], token[DEVICE_TOKEN_SIZE], key[ULID_LENGTH + 1];
};

static const struct settings *settings_of(void *userdata)
{
    return ((struct house *)userdata)->s->settings;
}

/* /admit/BYTES, /sign-in, /origin and /session; all after identify, but the second. */
/* What an arrival says of a person: "peer|officer|owner". The request is a real one, but from the unix socket. */
static void say_origin_of_person(struct house *h, const struct http_request *r, const char *owner,
                                 struct http_answer *answer)
{
    struct http_request local = *r;
    struct knock k = {.doors = h->doors, .settings = h->s->settings, .request = &local};
    struct upload_origin origin = {0};
    const char *officer;
    char *text = NULL;

    local.peer = (struct http_peer){.kind = HTTP_UNIX};
    snprintf(k.owner, sizeof k.owner, "%s", owner);
    assert_int_equal(doors_origin(&k, "put", &origin), 0);
    officer = json_get_string(origin.facts, "officer");
    assert_true(asprintf(&text, "%s|%s|%s", json_get_string(origin.facts, "peer"), officer ? officer : "",
                         origin.owner) > 0);
    json_decref(origin.facts);
    http_answer_text(answer, 200, "text/plain", text);
}

static bool on_begin(void *userdata, const struct http_request *r, void **state, struct http_answer *answer)
{
    struct house *h = userdata;
    struct device device;
    bool is_person = strncmp(r->target, "/person/", 8) == 0;
    bool ok = is_person ? false
              : strcmp(r->target, "/sign-in") == 0
                  ? doors_sign_in(h->doors, r, http_header(r, "X-Auth-User"), http_header(r, "X-Auth-Key"),
                                  &device, answer)
                  : doors_identify(h->doors, r, &device, answer);
    struct knock k = {.doors = h->doors, .request = r, .device = &device};
    struct upload_origin origin = {0};
    char *text = NULL, session[DOORS_SESSION_SIZE];

    if (is_person)
        say_origin_of_person(h, r, r->target + 8, answer);
    if (!ok)
        return false;
    snprintf(k.owner, sizeof k.owner, "%s", device.id);
    if (strncmp(r->target, "/admit/", 7) == 0 &&
        !doors_admit(h->doors, &device, atoll(r->target + 7), answer))
        return false;
    if (strcmp(r->target, "/session") == 0) {
        assert_int_equal(doors_session_open(h->doors, &device, h->token, USEC_PER_HOUR, session), 0);
        text = strdup(session);
    } else if (strcmp(r->target, "/origin") == 0) {
        assert_int_equal(doors_origin(&k, "put", &origin), 0);
        assert_string_equal(origin.owner, device.id);
        assert_int_equal(json_canonical(origin.facts, &text), 0);
        json_decref(origin.facts);
    } else {
        text = strdup(device.serial);
    }
    http_answer_text(answer, 200, "text/plain", text);
    return false;
}

static void on_close(void *userdata, void *state, bool whole)
{
}

static void on_refused(void *userdata, unsigned status, const struct error *err, struct http_answer *answer)
{
    http_answer_text(answer, status, "text/plain", NULL);
}

static int register_devices(struct txn *t, void *userdata, struct error *err)
{
    struct house *h = userdata;
    struct device_context c = {"user:test", h->s->settings->site.zone};
    struct device_input dock = {.serial = "DOCK-1", .kind = "dock", .quota = "1000 B", .rate = "100"};
    struct device_input old = {.serial = "OLD-1"};
    char id[ULID_LENGTH + 1];
    int r = device_add(t, &c, &dock, h->dock, err);

    r = r != 0 ? r : device_token_add(t, &c, "DOCK-1", "t", NULL, h->key, h->token, err);
    return r != 0 ? r : device_add(t, &c, &old, id, err);
}

static int revoke_key(struct txn *t, void *userdata, struct error *err)
{
    struct house *h = userdata;
    struct device_context c = {"user:test", h->s->settings->site.zone};

    return device_key_revoke(t, &c, "DOCK-1", h->key, "lost", err);
}

static int set_up(void **state)
{
    struct house *h = calloc(1, sizeof *h);
    struct sockaddr_in address = {.sin_family = AF_INET};
    socklen_t size = sizeof address;
    struct http_service service = {.begin = on_begin, .close = on_close, .refuse = on_refused, .userdata = h};
    struct http_options options = {.connections = 20, .connections_per_address = 20, .header_usec = MIN_USEC};
    struct doors_context context;
    struct http_listener listener = {-1, HTTP_LOOPBACK};
    struct site *s;

    assert_int_equal(site_set_up_only((void **)&h->s), 0);
    s = h->s;
    site_use(
        s, "devices: {denials: 3}\nuploads: {max: 1 MiB}\n"
           "people: [{user: li, name: Li Wei, roles: [officer]}, {user: wang, roles: [officer, records]}]\n");
    site_start(s);
    OK(writer_run(s->writer, false, register_devices, h, &s->err));
    OK(readers_new(s->settings->catalogue.dsn, &h->readers));
    context = (struct doors_context){s->in, s->writer, s->ledger, s->feed, h->readers, settings_of, h};
    OK(doors_new(&context, &h->doors, &s->err));
    listener.fd = http_listen_tcp("127.0.0.1:0", true, &s->err);
    assert_true(listener.fd >= 0);
    assert_int_equal(getsockname(listener.fd, (struct sockaddr *)&address, &size), 0);
    h->port = ntohs(address.sin_port);
    OK(http_server_new(&listener, 1, &options, &service, &h->server, &s->err));
    *state = h;
    return 0;
}

static int tear_down(void **state)
{
    struct house *h = *state;

    http_server_free(h->server);
    doors_free(h->doors);
    readers_free(h->readers);
    (void)site_tear_down((void **)&h->s);
    free(h);
    return 0;
}

/* Return: the status; the whole answer goes to out. */
static int ask(struct house *h, char out[8192], const char *target, const char *headers, ...)
{
    struct sockaddr_in address = {
        .sin_family = AF_INET, .sin_port = htons(h->port), .sin_addr = {htonl(INADDR_LOOPBACK)}};
    char extra[2000], text[3000];
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    ssize_t n;
    va_list ap;

    va_start(ap, headers);
    vsnprintf(extra, sizeof extra, headers, ap);
    va_end(ap);
    assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof address), 0);
    n = snprintf(text, sizeof text, "GET %s HTTP/1.1\r\nHost: x\r\nConnection: close\r\n%s\r\n", target,
                 extra);
    assert_int_equal(fd_write_full(fd, text, (size_t)n), 0);
    n = fd_read_full(fd, out, 8191);
    assert_true(n > 0);
    out[n] = '\0';
    close(fd);
    assert_int_equal(strncmp(out, "HTTP/1.1 ", 9), 0);
    return atoi(out + 9);
}

static int64_t total_denied(struct house *h)
{
    _cleanup_json_ json_t *o = doors_status(h->doors);

    return json_get_integer(o, "denied", -1);
}

static char *basic(const char *user, const char *secret)
{
    char plain[300], *out;
    _cleanup_free_ char *encoded = NULL;

    snprintf(plain, sizeof plain, "%s:%s", user, secret);
    encoded = encode_base64(plain, strlen(plain));
    assert_true(asprintf(&out, "Authorization: Basic %s\r\n", encoded) > 0);
    return out;
}

static void test_identify(void **state)
{
    struct house *h = *state;
    _cleanup_free_ char *good = basic("DOCK-1", h->token), *swapped = basic("OLD-1", h->token),
                        *wrong = basic("DOCK-1", "lh_no");
    char out[8192];

    assert_int_equal(ask(h, out, "/", "Authorization: Bearer %s\r\n", h->token), 200);
    assert_non_null(strstr(out, "\r\n\r\nDOCK-1"));
    assert_int_equal(ask(h, out, "/", "%s", good), 200);
    assert_int_equal(ask(h, out, "/sign-in", "X-Auth-User: DOCK-1\r\nX-Auth-Key: %s\r\n", h->token), 200);
    /* nothing at all is a question, not an attempt */
    assert_int_equal(ask(h, out, "/", "%s", ""), 401);
    assert_non_null(strstr(out, "WWW-Authenticate: Basic"));
    assert_int_equal(total_denied(h), 0);
    assert_int_equal(ask(h, out, "/", "%s", swapped), 401);
    assert_non_null(strstr(out, "do not belong together"));
    assert_int_equal(ask(h, out, "/", "%s", wrong), 401);
    assert_int_equal(ask(h, out, "/", "Authorization: Bearer\r\n"), 401);
    assert_int_equal(ask(h, out, "/", "Authorization: Negotiate abc\r\n"), 401);
    assert_int_equal(ask(h, out, "/", "X-Auth-Token: guess\r\n"), 401);
    assert_int_equal(ask(h, out, "/sign-in", "X-Auth-User: OLD-1\r\nX-Auth-Key: %s\r\n", h->token), 401);
    assert_int_equal(ask(h, out, "/sign-in", "%s", ""), 401);
    assert_int_equal(total_denied(h), 7);
}

static void test_alarm(void **state)
{
    struct house *h = *state;
    _cleanup_free_ char *wrong = basic("DOCK-1", "lh_no"), *line = NULL;
    _cleanup_json_ json_t *status = NULL, *event = NULL;
    uint64_t from = feed_position(h->s->feed), missed;
    uint64_t logged = log_count(EVENT_DEVICE_ALARM);
    char out[8192];

    for (int i = 0; i < 4; i++)
        assert_int_equal(ask(h, out, "/", "%s", wrong), 401);
    status = doors_status(h->doors);
    assert_int_equal(json_array_size(json_get_array(status, "alarms")), 2); /* the address and the device */
    assert_int_equal(log_count(EVENT_DEVICE_ALARM), logged + 2);
    assert_int_equal(feed_next(h->s->feed, &from, 0, &line, &missed), 1);
    assert_int_equal(json_parse(line, strlen(line), "line", &event, NULL), 0);
    assert_string_equal(json_get_string(event, "event"), "alarm");
    assert_string_equal(json_get_string(event, "who"), "address 127.0.0.1");
    assert_int_equal(json_get_integer(event, "denials", 0), 3);
}

/* Names that somebody gives are shown so that nobody is misled by them, and hide no other alarm. */
static void test_names_from_outside(void **state)
{
    struct house *h = *state;
    _cleanup_free_ char *bad = basic("\xff\xfe\x01", h->token);
    char out[8192], longest[200];
    _cleanup_free_ char *lengthy = NULL;
    _cleanup_json_ json_t *status = NULL;
    bool address = false;
    const json_t *alarm;
    size_t i;

    memset(longest, 0xe6, sizeof longest - 1);
    longest[sizeof longest - 1] = '\0';
    lengthy = basic(longest, h->token);
    for (i = 0; i < 4; i++) {
        assert_int_equal(ask(h, out, "/", "%s", bad), 401);
        assert_int_equal(ask(h, out, "/", "%s", lengthy), 401);
        assert_non_null(strstr(out, "\"what\""));
        assert_int_equal(ask(h, out, "/sign-in", "X-Auth-User: \xff\r\nX-Auth-Key: %s\r\n", h->token), 401);
        assert_non_null(strstr(out, "\"what\""));
    }
    status = doors_status(h->doors);
    json_array_foreach (json_get_array(status, "alarms"), i, alarm)
        address |= strcmp(json_get_string(alarm, "who"), "address 127.0.0.1") == 0;
    assert_true(address);
    assert_true(json_array_size(json_get_array(status, "alarms")) >= 2);
}

static void test_revoked(void **state)
{
    struct house *h = *state;
    struct site *s = h->s;
    char out[8192], session[DOORS_SESSION_SIZE];

    assert_int_equal(ask(h, out, "/session", "Authorization: Bearer %s\r\n", h->token), 200);
    snprintf(session, sizeof session, "%s", strstr(out, "\r\n\r\n") + 4);
    assert_int_equal(ask(h, out, "/", "X-Auth-Token: %s\r\n", session), 200);
    assert_non_null(strstr(out, "\r\n\r\nDOCK-1"));
    OK(writer_run(s->writer, false, revoke_key, h, &s->err));
    assert_int_equal(ask(h, out, "/", "Authorization: Bearer %s\r\n", h->token), 403);
    assert_int_equal(ask(h, out, "/", "X-Auth-Token: %s\r\n", session), 403); /* and its sessions */
    assert_int_equal(total_denied(h), 2);
    /* one of before a restart: signing in again helps, so it is no attack */
    session[10] = session[10] == 'a' ? 'b' : 'a';
    assert_int_equal(ask(h, out, "/", "X-Auth-Token: %s\r\n", session), 401);
    assert_int_equal(total_denied(h), 2);
}

/* Without a catalogue nobody is turned away for good. */
static void test_catalogue_gone(void **state)
{
    struct house *h = *state;
    char out[8192];
    struct doors_context context = *doors_context_of(h->doors);
    struct readers *broken;
    struct doors *doors, *whole = h->doors;

    assert_int_equal(readers_new("/nowhere/at/all.db", &broken), 0);
    context.readers = broken;
    assert_int_equal(doors_new(&context, &doors, NULL), 0);
    h->doors = doors;
    assert_int_equal(ask(h, out, "/", "Authorization: Bearer %s\r\n", h->token), 503);
    assert_non_null(strstr(out, "Retry-After: "));
    assert_int_equal(total_denied(h), 0);
    h->doors = whole;
    doors_free(doors);
    readers_free(broken);
}

static void test_origin(void **state)
{
    struct house *h = *state;
    char out[8192], now[CALENDAR_TEXT_SIZE];
    _cleanup_json_ json_t *plain = NULL, *exact = NULL, *rough = NULL, *nonsense = NULL;

    assert_int_equal(ask(h, out, "/origin", "Authorization: Bearer %s\r\n", h->token), 200);
    plain = json_loads(strstr(out, "\r\n\r\n") + 4, 0, NULL);
    assert_string_equal(json_get_string(plain, "device"), "DOCK-1");
    assert_string_equal(json_get_string(plain, "device_id"), h->dock);
    assert_string_equal(json_get_string(plain, "peer"), "127.0.0.1");
    assert_null(json_object_get(plain, "clock_offset"));
    calendar_format_utc(clock_now_usec() - 100 * USEC_PER_SEC, now);
    assert_int_equal(
        ask(h, out, "/origin",
            "Authorization: Bearer %s\r\nX-Device-Time: %s\r\nDate: Sun, 06 Nov 1994 08:49:37 GMT\r\n",
            h->token, now),
        200);
    exact = json_loads(strstr(out, "\r\n\r\n") + 4, 0, NULL);
    assert_in_range(-json_get_integer(exact, "clock_offset", 0), 100 * USEC_PER_SEC, 160 * USEC_PER_SEC);
    assert_int_equal(ask(h, out, "/origin",
                         "Authorization: Bearer %s\r\nDate: Sun, 06 Nov 1994 08:49:37 GMT\r\n", h->token),
                     200);
    rough = json_loads(strstr(out, "\r\n\r\n") + 4, 0, NULL);
    assert_true(json_get_integer(rough, "clock_offset", 0) < -30 * 365 * USEC_PER_DAY);
    assert_int_equal(ask(h, out, "/origin",
                         "Authorization: Bearer %s\r\nX-Device-Time: 2026-11-23 12:00\r\nDate: now\r\n",
                         h->token),
                     200);
    nonsense = json_loads(strstr(out, "\r\n\r\n") + 4, 0, NULL);
    assert_null(json_object_get(nonsense, "clock_offset"));
}

/* What an officer delivers by hand is theirs; others deliver for others. */
static void test_origin_of_people(void **state)
{
    struct house *h = *state;
    static const char *const rows[][2] = {{"user:li", "user:li|Li Wei|user:li"},
                                          {"user:wang", "user:wang||user:wang"},
                                          {"user:zhao", "user:zhao||user:zhao"}};
    char out[8192], target[64];

    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        snprintf(target, sizeof target, "/person/%s", rows[i][0]);
        assert_int_equal(ask(h, out, target, "%s", ""), 200);
        assert_string_equal(strstr(out, "\r\n\r\n") + 4, rows[i][1]);
    }
    /* whatever they say of themselves */
    assert_int_equal(ask(h, out, "/person/user:li", "X-Forwarded-For: 198.51.100.9, 192.0.2.7\r\n"), 200);
    assert_string_equal(strstr(out, "\r\n\r\n") + 4, rows[0][1]);
}

static void test_quota(void **state)
{
    struct house *h = *state;
    struct device dock = {.quota_bytes = 1000};
    char out[8192];
    const char *wait;

    memcpy(dock.id, h->dock, sizeof dock.id);
    assert_int_equal(ask(h, out, "/admit/1048577", "Authorization: Bearer %s\r\n", h->token), 413);
    assert_non_null(strstr(out, "uploads.max"));
    assert_int_equal(ask(h, out, "/admit/1001", "Authorization: Bearer %s\r\n", h->token), 413);
    assert_null(strstr(out, "Retry-After"));
    assert_int_equal(ask(h, out, "/admit/1000", "Authorization: Bearer %s\r\n", h->token), 200);
    doors_account(h->doors, &dock, 600);
    assert_int_equal(ask(h, out, "/admit/400", "Authorization: Bearer %s\r\n", h->token), 200);
    assert_int_equal(ask(h, out, "/admit/401", "Authorization: Bearer %s\r\n", h->token), 429);
    wait = strstr(out, "Retry-After: ");
    assert_non_null(wait);
    assert_in_range(atoi(wait + 13), 1, 86401);
    doors_account(h->doors, &dock, 400);
    assert_int_equal(ask(h, out, "/admit/-1", "Authorization: Bearer %s\r\n", h->token), 429);
}

static void test_rate(void **state)
{
    struct house *h = *state;
    char out[8192];
    int refused = 0;

    for (int i = 0; i < 104; i++)
        refused += ask(h, out, "/admit/1", "Authorization: Bearer %s\r\n", h->token) == 429;
    assert_in_range(refused, 1, 4); /* the minute goes on meanwhile */
    assert_non_null(strstr(out, "Retry-After: "));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_denials_within),
        cmocka_unit_test(test_denials_of_many),
        cmocka_unit_test(test_requests_a_minute),
        cmocka_unit_test(test_bytes_of_a_day),
        cmocka_unit_test(test_quota_in_hand),
        cmocka_unit_test(test_sessions),
        cmocka_unit_test(test_sessions_that_are_many),
        cmocka_unit_test(test_failures_say_what_to_do),
        cmocka_unit_test(test_receipts),
        cmocka_unit_test(test_dates),
        cmocka_unit_test_setup_teardown(test_identify, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_alarm, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_names_from_outside, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_revoked, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_catalogue_gone, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_origin, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_origin_of_people, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_quota, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_rate, set_up, tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
