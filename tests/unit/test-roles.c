/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Who may what: one table of every route and every role, asked of the whole API over its real sockets. The tables of routes and of
 * acts (api/routes.c, cases/people.c) say it in two steps; here it stands as a person would say it, so that a route under the wrong
 * act, or an act for one role too many, is seen.
 */
#include "api-house.h"

#include <grp.h>
#include <netinet/in.h>
#include <pwd.h>
#include <signal.h>
#include <sys/prctl.h>

#include "api/route.h"

/* y = may, o = only for recordings of their own, - = 403 (over TCP: 401)
 *
 * Columns: officer, records, legal office, administrator, somebody without a role, and whoever comes over TCP without credentials. */
static const struct {
    const char *route, *may;
} wanted[] = {
    {"GET /openapi.yaml", "yyyy-y"},
    {"GET /v1/status", "yyyy--"},
    {"GET /v1/ledger/key", "yyyy-y"},
    {"GET /v1/watch", "-yyy--"},
    {"GET /v1/quarantine", "-yyy--"},

    /* recordings, and looking at them */
    {"GET /v1/recordings", "oyyy--"},
    {"GET /v1/recordings/{recording}", "oyyy--"},
    {"GET /v1/recordings/{recording}/explain", "oyyy--"},
    {"GET /v1/recordings/{recording}/receipt", "oyyy--"},
    {"GET /v1/recordings/{recording}/history", "oyyy--"},
    {"GET /v1/recordings/{recording}/content", "oyyy--"},
    {"GET /v1/recordings/{recording}/derivatives", "oyyy--"},
    {"GET /v1/recordings/{recording}/derivatives/{derivative}", "oyyy--"},
    {"POST /v1/recordings/{recording}/open", "oyyy--"},
    {"GET /open/{ticket}/{name}", "oyyy-y"}, /* the ticket says for whom */
    {"GET /v1/receipts/{sha256}", "oyyy--"},

    /* copies and the work behind them */
    {"POST /v1/recordings/{recording}/copies", "-y----"},
    {"GET /v1/copies/{copy}", "-yyy--"},
    {"GET /v1/copies/{copy}/content", "-y----"},
    {"GET /v1/jobs", "-yyy--"},
    {"GET /v1/jobs/{job}", "-yyy--"},
    {"POST /v1/jobs/{job}/cancel", "-y-y--"},
    {"POST /v1/recordings/{recording}/again", "-y-y--"},

    /* cases, links, holds */
    {"GET /v1/cases", "-yyy--"},
    {"POST /v1/cases", "-y----"},
    {"GET /v1/cases/{case}", "-yyy--"},
    {"PATCH /v1/cases/{case}", "-y----"},
    {"POST /v1/cases/{case}/end", "-y----"},
    {"POST /v1/cases/{case}/file", "-y----"},
    {"POST /v1/cases/{case}/reopen", "-y----"},
    {"POST /v1/links", "-y----"},
    {"DELETE /v1/links", "-y----"},
    {"GET /v1/holds", "-yyy--"},
    {"POST /v1/holds", "-y----"},
    {"POST /v1/holds/{hold}/lift", "-y----"},
    {"GET /v1/disposals/eligible", "-yyy--"},
    {"GET /v1/disposals", "-yyy--"},
    {"POST /v1/disposals", "-y----"},
    {"GET /v1/disposals/{batch}", "-yyy--"},
    {"POST /v1/disposals/{batch}/notice", "-y----"},
    {"POST /v1/disposals/{batch}/approve", "-yyy--"},
    {"POST /v1/disposals/{batch}/withdraw", "-yyy--"},
    {"POST /v1/disposals/{batch}/cancel", "-y----"},
    {"POST /v1/disposals/{batch}/execute", "-y----"},

    /* devices */
    {"GET /v1/devices", "-yyy--"},
    {"POST /v1/devices", "---y--"},
    {"GET /v1/devices/{device}", "-yyy--"},
    {"PATCH /v1/devices/{device}", "---y--"},
    {"GET /v1/devices/{device}/gaps", "-yyy--"},
    {"POST /v1/devices/{device}/assign", "---y--"},
    {"POST /v1/devices/{device}/unassign", "---y--"},
    {"POST /v1/devices/{device}/token", "---y--"},
    {"POST /v1/devices/{device}/certificate", "---y--"},
    {"POST /v1/devices/{device}/connection-file", "---y--"},
    {"POST /v1/devices/{device}/revoke", "---y--"},
    {"POST /v1/devices/{device}/retire", "---y--"},
    {"POST /v1/devices/{device}/return", "---y--"},

    /* delivering; a device signs in, which somebody without a role is asked to do as well: 401 */
    {"GET /v1/dock-policy", "yy-y--"},
    {"PUT /upload/{name...}", "yy-y--"},
    {"POST /upload", "yy-y--"},
    {"OPTIONS /tus", "yyyyyy"},
    {"POST /tus", "yy-y--"},
    {"OPTIONS /tus/{upload}", "yyyyyy"},
    {"HEAD /tus/{upload}", "yy-y--"},
    {"PATCH /tus/{upload}", "yy-y--"},
    {"DELETE /tus/{upload}", "yy-y--"},
    {"GET /tus/{upload}", "yy-y--"},
    {"GET /auth/v1.0", "yyyyyy"}, /* where a system says who it is */
    /* only for body-worn systems, which are devices */
    {"HEAD /v1/AUTH_{account}", "------"},
    {"GET /v1/AUTH_{account}", "------"},
    {"PUT /v1/AUTH_{account}/{container}", "------"},
    {"POST /v1/AUTH_{account}/{container}", "------"},
    {"GET /v1/AUTH_{account}/{container}", "------"},
    {"HEAD /v1/AUTH_{account}/{container}", "------"},
    {"DELETE /v1/AUTH_{account}/{container}", "------"},
    {"PUT /v1/AUTH_{account}/{container}/{object...}", "------"},
    {"POST /v1/AUTH_{account}/{container}/{object...}", "------"},
    {"GET /v1/AUTH_{account}/{container}/{object...}", "------"},
    {"HEAD /v1/AUTH_{account}/{container}/{object...}", "------"},
    {"DELETE /v1/AUTH_{account}/{container}/{object...}", "------"},
};

static const char *const columns[] = {
    "officer", "records", "legal", "administrator", "somebody without a role", "whoever comes over TCP"};
#define NO_ROLE 4
#define TCP     5

static uint16_t port;

/* ---- asking -------------------------------------------------------------------------------------------------------------- */

/* From now on we are somebody with this role; NULL: nobody is named but somebody else. */
static void become(struct house *h, const char *role)
{
    const struct passwd *me = getpwuid(geteuid());
    char text[1000];

    assert_non_null(me);
    settings_free(h->settings);
    snprintf(text, sizeof text,
             "site: {name: t/log}\narchive: {path: %s/a}\nsocket: {path: %s/s, mode: 0600}\npolicy: "
             "%s/test.yaml\npeople: [{user: %s, roles: [%s]}]\n",
             h->folder, h->folder, h->folder, role ? me->pw_name : "somebody-else", role ? role : "records");
    assert_int_equal(settings_parse(text, strlen(text), "t", NULL, NULL, &h->settings), 0);
}

static int dial_tcp(void)
{
    struct sockaddr_in address = {
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr = {htonl(INADDR_LOOPBACK)}};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof address), 0);
    return fd;
}

/* A request; its status. announce: of its body only the length, which is asked for (100) where whoever asks is let in. */
static int ask_on(int fd, const char *method, const char *target, bool announce)
{
    char text[600], answer[4096] = "";

    snprintf(text, sizeof text, "%s %s HTTP/1.1\r\nHost: x\r\nConnection: close\r\n%s\r\n", method, target,
             announce ? "Expect: 100-continue\r\nContent-Length: 5\r\n" : "");
    assert_int_equal(fd_write_full(fd, text, strlen(text)), 0);
    shutdown(fd, SHUT_WR);
    (void)fd_read_full(fd, answer, sizeof answer - 1);
    close(fd);
    return strncmp(answer, "HTTP/1.1 ", 9) == 0 ? atoi(answer + 9) : 0;
}

/* The path with an argument in place of each {…}, and a parameter that no handler knows, so that none is run: those whom the route
 * is for hear 400 of it. */
static void make_target(const char *path, const char *end, char *out, size_t size)
{
    size_t n = 0;

    for (const char *p = path; *p && n + 40 < size; p++)
        if (*p == '{') {
            n += (size_t)snprintf(out + n, size - n, "%s", id_a);
            p = strchr(p, '}');
        } else {
            out[n++] = *p;
        }
    snprintf(out + n, size - n, "%s", end);
}

static bool is_turned_away(int status)
{
    return status == 401 || status == 403;
}

static const char *find_wanted(const char *method, const char *path)
{
    for (size_t i = 0; i < ARRAY_SIZE(wanted); i++) {
        const char *blank = strchr(wanted[i].route, ' ');

        if (strncmp(wanted[i].route, method, (size_t)(blank - wanted[i].route)) == 0 &&
            strcmp(blank + 1, path) == 0)
            return wanted[i].may;
    }
    fail_msg("%s %s is in nobody's table: name it here, and say who may", method, path);
    return NULL;
}

/* ---- the tests ----------------------------------------------------------------------------------------------------------- */

/* What one of them hears of one route; whether that is what the table says. */
static bool check_route(const struct house *h, const struct route *r, size_t who)
{
    const char *may = find_wanted(r->method, r->path);
    bool announce = r->door && !strstr(r->path, "AUTH_"); /* the others store; nothing is to be stored here */
    char target[200];
    int status;

    make_target(r->path, "?no-such-parameter=1", target, sizeof target);
    status = ask_on(who == TCP ? dial_tcp() : dial(h), r->method, target, announce);
    if (status > 0 && status < 500 && is_turned_away(status) == (may[who] == '-'))
        return true;
    print_error("%s %s for %s: %d, in the table %c\n", r->method, r->path, columns[who], status, may[who]);
    return false;
}

static void test_every_route_for_every_role(void **state)
{
    struct house *h = *state;
    size_t faults = 0;

    for (size_t who = 0; who < ARRAY_SIZE(columns); who++) {
        become(h, who < NO_ROLE ? columns[who] : NULL);
        for (size_t i = 0; i < n_api_routes; i++)
            faults += !check_route(h, &api_routes[i], who);
    }
    assert_int_equal(faults, 0);
    assert_int_equal(n_api_routes, ARRAY_SIZE(wanted)); /* none is named that is no more */
}

/* What is only for one's own. */
static void test_not_their_own(void **state)
{
    struct house *h = *state;
    _cleanup_json_ json_t *list = NULL;
    char target[200];
    size_t asked = 0;

    become(h, "officer");
    assert_int_equal(ask(h, "GET", "/v1/recordings", NULL, &list), 200);
    assert_int_equal(json_array_size(json_get_array(list, "recordings")), 0);
    for (size_t i = 0; i < n_api_routes; i++) {
        const struct route *r = &api_routes[i];

        if (*find_wanted(r->method, r->path) != 'o' || !strstr(r->path, "{recording}"))
            continue;
        make_target(r->path, "", target, sizeof target);
        if (ask_on(dial(h), r->method, target, false) != 403)
            fail_msg("%s %s: shows what is somebody else's", r->method, r->path);
        asked++;
    }
    assert_true(asked >= 8);
    become(h, "records");
    make_target("/v1/recordings/{recording}", "", target, sizeof target);
    assert_int_equal(ask_on(dial(h), "GET", target, false), 200); /* it is there */
}

/* The house, with a loopback listener beside its socket. */
static int setup_both(void **state)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    struct api_handed handed = {socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), "loopback"};
    socklen_t size = sizeof address;
    struct error err = ERROR_INIT;
    struct api_context context;
    struct house *h;

    setup(state);
    h = *state;
    assert_int_equal(bind(handed.fd, (struct sockaddr *)&address, size), 0);
    assert_int_equal(listen(handed.fd, 100), 0);
    assert_int_equal(getsockname(handed.fd, (struct sockaddr *)&address, &size), 0);
    port = ntohs(address.sin_port);
    h->api = api_free(h->api);
    context = context_of(h);
    if (api_new(&context, &handed, 1, &h->api, &err) != 0)
        fail_msg("%s %s", err.object, err.text);
    return 0;
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_every_route_for_every_role, setup_both, teardown),
        cmocka_unit_test_setup_teardown(test_not_their_own, setup_both, teardown),
    };

    signal(SIGPIPE, SIG_IGN);
    /* root is always an administrator as well */
    if (geteuid() == 0 && (setgroups(0, NULL) != 0 || setgid(65534) != 0 || setuid(65534) != 0))
        return 1;
    prctl(PR_SET_DUMPABLE, 1); /* for sanitizers */
    return cmocka_run_group_tests_name("roles", tests, NULL, NULL);
}
