/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Looking in a browser. People are known on the unix socket only, so there they ask for an address with a ticket in it (tickets.h),
 * and with that a browser gets one recording: a small page (page/) and what it shows. The ticket is good while its person may
 * still see that recording, which is asked at each request; views are recorded for that person. A browser whose address does not
 * lead there (any more) gets a page that says why, and what to do.
 *
 * Names and texts from recordings go to the page as JSON only, and its script puts them in as text; nothing of them is ever markup.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "api/handlers.h"
#include "api/tickets.h"
#include "base/clock.h"

#define EMBED(name, path)                                                                                    \
    __asm__(".section .rodata\n.balign 16\n.global " #name "\n" #name ":\n.incbin \"" path                   \
            "\"\n.byte 0\n.previous\n");                                                                     \
    extern const char name[] __attribute__((visibility("hidden")))
EMBED(page_html, "daemon/api/page/page.html");
EMBED(page_ended, "daemon/api/page/ended.html");
EMBED(page_css, "daemon/api/page/page.css");
EMBED(page_js, "daemon/api/page/page.js");
EMBED(page_icon, "daemon/api/page/icon.svg");
EMBED(page_words, "daemon/api/page/words.js");
EMBED(page_sentences, "daemon/api/page/sentences.js");

#define PAGE     "page"
#define ABOUT    "about.json"
#define ORIGINAL "original"

static const struct {
    const char *name, *type, *text;
} files[] = {
    {PAGE, "text/html; charset=utf-8", page_html},
    {"icon.svg", "image/svg+xml", page_icon},
    {"page.css", "text/css; charset=utf-8", page_css},
    {"page.js", "text/javascript; charset=utf-8", page_js},
    {"words.js", "text/javascript; charset=utf-8", page_words},
    {"sentences.js", "text/javascript; charset=utf-8", page_sentences},
};

/* ---- asking for an address ---------------------------------------------------------------------------------------------- */

/* The port of "https://[::]:8443" where the host is a wildcard: no browser opens that. NULL: the address can be opened as it is. */
static const char *wildcard_port(const char *address)
{
    static const char *const wild[] = {"://[::]:", "://0.0.0.0:"};

    for (size_t i = 0; i < ARRAY_SIZE(wild); i++) {
        const char *at = strstr(address, wild[i]);
        if (at)
            return at + strlen(wild[i]);
    }
    return NULL;
}

/* The address to begin with: plain HTTP on loopback where there is one, as every browser trusts it. */
static const char *choose_address(const json_t *listens)
{
    const char *best = NULL;
    const json_t *one;
    size_t i;

    json_array_foreach (listens, i, one) {
        const char *address = json_string_value(one);
        if (strncmp(address, "http://", 7) == 0)
            return address;
        if (!best && strncmp(address, "https://", 8) == 0)
            best = address;
    }
    return best;
}

static json_t *make_url(const struct call *c, const char *address, const char *ticket, const char *name)
{
    const struct config_strings *names = &c->settings->http.names;
    const char *port = wildcard_port(address);

    if (!port)
        return json_sprintf("%s/open/%s/%s", address, ticket, name);
    return json_sprintf("https://%s:%s/open/%s/%s", names->n ? names->items[0] : "localhost", port, ticket,
                        name);
}

static int issue(struct call *c, const struct recording_id *id, const char *name)
{
    struct ticket_time now = {clock_now_usec(), clock_boottime_usec()};
    struct ticket ticket = {*id, c->who->uid, now.wall_usec + c->settings->http.open_usec};
    const char *address = choose_address(c->context->listens);
    char text[TICKET_SIZE];
    int r;

    if (!address)
        return error_set(
            &c->err, ACT_E_REFUSED, "http.loopback",
            "is not set, and neither is http.tls: nothing listens for browsers; put http: {loopback: "
            "\"127.0.0.1:8480\"} into retention.yaml and restart the daemon");
    r = tickets_issue(c->context->tickets, &ticket, now, text, &c->err);
    if (r != 0)
        return r;
    c->answer = json_object();
    c->status = 201;
    r = json_set_take(c->answer, "url", make_url(c, address, text, name && *name ? name : PAGE));
    r = r != 0 ? r : json_set_string(c->answer, "recording", id->text);
    r = r != 0 ? r : json_set_integer(c->answer, "expires", ticket.expires_usec);
    explicit_bzero(text, sizeof text);
    return r != 0 ? r : answer_zone(c);
}

/* Somebody is about to look: what is missing is made first. The address is good without it. */
static void look_soon(struct call *c, const struct recording_id *id)
{
    struct error ignored = ERROR_INIT;
    json_t *state = NULL;

    (void)derive_list(c->context->derive, id, true, &state, &ignored);
    json_decref(state);
}

int handle_open(struct call *c)
{
    _cleanup_json_ json_t *row = NULL;
    const char *name = NULL;
    struct recording_id id;
    int r = read_member(c, "name", &name);

    if (r == 0 && name && strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789-.") != strlen(name))
        return error_set(&c->err, -EINVAL, "name",
                         "is the name of a derivative, such as proxy.mp4, or \"original\"");
    r = r != 0 ? r : find_recording(c, &id, &row);
    r = r != 0 ? r : issue(c, &id, name);
    if (r == 0)
        look_soon(c, &id);
    return r;
}

/* ---- what the page says ------------------------------------------------------------------------------------------------- */

/* Of a recording's row what the page shows. */
static int add_row(json_t *about, const json_t *row)
{
    static const char *const members[] = {"id",      "name",  "kind",     "status", "message",
                                          "digest",  "bytes", "received", "place",  "media",
                                          "decoded", "sm3",   "certainty"};
    int r = 0;

    for (size_t i = 0; i < ARRAY_SIZE(members) && r == 0; i++)
        if (json_object_get(row, members[i]))
            r = json_set_take(about, members[i], json_incref(json_object_get(row, members[i])));
    return r;
}

static int about(struct call *c, const struct recording_id *id, const json_t *row)
{
    json_t *derived = NULL;
    int r;

    c->answer = json_object();
    r = c->answer ? add_row(c->answer, row) : -ENOMEM;
    r = r != 0 ? r : derive_list(c->context->derive, id, true, &derived, &c->err);
    r = r != 0 ? r : json_set_take(c->answer, "derived", derived);
    r = r != 0 ? r : json_set_string(c->answer, "original_type", original_type(json_get_string(row, "name")));
    r = r != 0 ? r : json_set_string(c->answer, "viewer", c->who->name);
    return r != 0 ? r : answer_zone(c);
}

/* ---- opening an address ------------------------------------------------------------------------------------------------- */

/* The weight of one part of a list, "zh-CN;q=0.8", in thousandths (RFC 9110 §12.4.2); 1000 where it says none. */
static int weight_of(const char *part, size_t n)
{
    const char *at = memchr(part, ';', n), *end = part + n;
    int weight = 0, place = 1000;

    while (at && at < end && strchr("; \t", *at))
        at++;
    if (!at || end - at < 3 || memcmp(at, "q=", 2) != 0)
        return 1000;
    for (at += 2; at < end && place > 0 && ((*at >= '0' && *at <= '9') || *at == '.'); at++)
        if (*at != '.') {
            weight += (*at - '0') * place;
            place /= 10;
        }
    return MIN(weight, 1000);
}

/* Whether Chinese stands before English in Accept-Language (RFC 9110 §12.5.4). */
static bool wants_chinese(const struct http_request *request)
{
    const char *p = http_header(request, "Accept-Language");
    int chinese = 0, english = 0;

    while (p && *p) {
        size_t n;

        p += strspn(p, " \t,");
        n = strcspn(p, ",");
        if (strncasecmp(p, "zh", 2) == 0)
            chinese = MAX(chinese, weight_of(p, n));
        else if (strncasecmp(p, "en", 2) == 0)
            english = MAX(english, weight_of(p, n));
        p += n;
    }
    return chinese > english;
}

/* The text with each "@KEY@" of the pairs {key, value, …, NULL} replaced. New string. */
static char *fill_in(const char *text, const char *const *pairs)
{
    char *out = NULL;
    size_t size = 0;
    FILE *f = open_memstream(&out, &size);

    while (f && *text) {
        size_t n = strcspn(text, "@");
        const char *const *p = pairs;

        fwrite(text, 1, n, f);
        text += n;
        while (*p && strncmp(*p, text, strlen(*p)) != 0)
            p += 2;
        if (*text) {
            fputs(*p ? p[1] : "@", f);
            text += *p ? strlen(*p) : 1;
        }
    }
    if (!f || fclose(f) != 0) {
        free(out);
        return NULL;
    }
    return out;
}

/* The page in the language that the browser asks for: its words come from words.js by <html lang>. New string. */
static char *page_text(const struct call *c)
{
    const char *const pairs[] = {"@LANG@", wants_chinese(c->request) ? "zh-CN" : "en", NULL};

    return fill_in(page_html, pairs);
}

/* Nothing from elsewhere, no address of ours in a referrer, nothing kept by caches on the way. Answers that say otherwise of Cache-Control (files, by
 * their tags) keep it. */
static int add_headers(struct http_answer *a, bool is_file)
{
    int r = http_answer_header(a, "Referrer-Policy", "no-referrer");

    r = r != 0 ? r : http_answer_header(a, "X-Content-Type-Options", "nosniff");
    r = r != 0 ? r : http_answer_header(a, "Cross-Origin-Resource-Policy", "same-origin");
    r = r != 0 ? r
               : http_answer_header(
                     a, "Content-Security-Policy", "%s",
                     is_file ? "default-src 'none'; sandbox; frame-ancestors 'none'"
                             : "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
                               "media-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; "
                               "frame-ancestors 'none'");
    return r != 0 || is_file ? r : http_answer_header(a, "Cache-Control", "private, no-store");
}

static int answer_text(struct call *c, unsigned status, const char *type, char *text)
{
    if (!text)
        return -ENOMEM;
    http_answer_text(c->whole, status, type, text);
    c->is_whole = true;
    return http_answer_header(c->whole, "Vary", "Accept-Language");
}

static int answer_about(struct call *c, const struct recording_id *id, const json_t *row)
{
    char *text = NULL;
    int r = about(c, id, row);

    r = r != 0 ? r : json_canonical(c->answer, &text);
    return r != 0 ? r : answer_text(c, 200, "application/json; charset=utf-8", text);
}

static int answer_name(struct call *c, const struct recording_id *id, const json_t *row, const char *name)
{
    bool is_file = false;
    int r = -ENOENT;

    for (size_t i = 0; i < ARRAY_SIZE(files) && r == -ENOENT; i++)
        if (strcmp(files[i].name, name) == 0)
            r = answer_text(c, 200, files[i].type, i == 0 ? page_text(c) : strdup(files[i].text));
    if (r == -ENOENT && strcmp(name, ABOUT) == 0)
        r = answer_about(c, id, row);
    if (r == -ENOENT) {
        is_file = true;
        r = strcmp(name, ORIGINAL) == 0 ? answer_original(c, id, row) : answer_derivative(c, id, name);
    }
    return r != 0 ? r : add_headers(c->whole, is_file && c->whole->status != 503);
}

/* ---- addresses that lead nowhere ----------------------------------------------------------------------------------------- */

enum dead_end { NOWHERE, OVER, ANOTHERS, DENIED };

struct words {
    const char *title, *why, *help;
};

#define ASK_EN "Ask for a new one: <code>liuhen open RECORDING</code>."
#define ASK_ZH "请用 <code>liuhen open 记录编号</code> 重新获取。"

static const struct {
    int code;
    const char *what; /* for programs */
    struct words en, zh;
} dead_ends[] = {
    [NOWHERE] = {ROUTE_E_NOT_HERE,
                 "this address leads nowhere: it is not whole, or the daemon was started anew since; ask for "
                 "a new one with "
                 "`liuhen open`",
                 {"This address leads nowhere",
                  "It is not whole, or it was given out before the daemon was last started.", ASK_EN},
                 {"此链接无效", "链接不完整，或在服务重新启动之前发出。", ASK_ZH}},
    [OVER] = {ROUTE_E_GONE,
              "this address has ended; ask for a new one with `liuhen open`",
              {"This address has ended", "Addresses are good for a limited time, and this one’s is over.",
               ASK_EN},
              {"此链接已失效", "链接只在限定时间内有效，此链接的时间已过。", ASK_ZH}},
    [ANOTHERS] = {PEOPLE_E_DENIED,
                  "this address was given to somebody else; ask for one of your own with `liuhen open`",
                  {"This address is somebody else’s",
                   "An address is for the person who asked for it: looking is recorded in the ledger under "
                   "that person’s name.",
                   ASK_EN},
                  {"此链接属于他人", "链接只供申请人使用：观看行为以其名义记入台账。", ASK_ZH}},
    [DENIED] =
        {PEOPLE_E_DENIED,
         "the person whom this address was given to may not see this recording any more; ask records staff",
         {"This recording may not be seen any more",
          "The person whom this address was given to may not see this recording now.", "Ask records staff."},
         {"不再有权观看此记录", "此链接的申请人目前无权观看此记录。", "请与档案管理员联系。"}},
};

static bool wants_page(const struct call *c, const char *name)
{
    const char *accept = http_header(c->request, "Accept");

    return strcmp(name, PAGE) == 0 || (accept && strstr(accept, "text/html"));
}

static int answer_dead_end_page(struct call *c, enum dead_end why)
{
    bool zh = wants_chinese(c->request);
    const struct words *w = zh ? &dead_ends[why].zh : &dead_ends[why].en;
    const char *const pairs[] = {
        "@LANG@", zh ? "zh-CN" : "en", "@TITLE@", w->title, "@WHY@", w->why, "@HELP@", w->help, NULL};
    int r = answer_text(c, route_status(dead_ends[why].code), files[0].type, fill_in(page_ended, pairs));

    return r != 0 ? r : add_headers(c->whole, false);
}

/* A person sees a page, which needs its style. */
static int answer_dead_end(struct call *c, const char *name, enum dead_end why)
{
    for (size_t i = 0; i < ARRAY_SIZE(files); i++)
        if (i != 0 && strcmp(files[i].name, name) == 0) {
            int r = answer_text(c, 200, files[i].type, strdup(files[i].text));
            return r != 0 ? r : add_headers(c->whole, false);
        }
    if (wants_page(c, name))
        return answer_dead_end_page(c, why);
    return error_set(&c->err, dead_ends[why].code, "", "%s", dead_ends[why].what);
}

/* ---- a request ----------------------------------------------------------------------------------------------------------- */

/* Whether its person may still see the recording, *ret_row then; else the ticket has ended for good. */
static int check_person(struct call *c, const struct ticket *ticket, struct person *who, json_t **ret_row)
{
    struct recording_id id;
    int r = people_may(c->settings, ticket->uid, "view", who, &c->err);

    c->who = who;
    c->args[0] = ticket->recording.text;
    return r != 0 ? r : find_recording(c, &id, ret_row);
}

int handle_ticket(struct call *c)
{
    const char *text = c->args[0], *name = c->args[1];
    const struct person *caller = c->who; /* on the unix socket */
    struct ticket_time now = {clock_now_usec(), clock_boottime_usec()};
    _cleanup_json_ json_t *row = NULL;
    enum ticket_state state;
    struct ticket ticket;
    struct person who;
    int r;

    state = tickets_find(c->context->tickets, text, now, &ticket);
    if (state != TICKET_GOOD)
        return answer_dead_end(c, name, state == TICKET_ENDED ? OVER : NOWHERE);
    if (caller && caller->uid != ticket.uid)
        return answer_dead_end(c, name, ANOTHERS);
    r = check_person(c, &ticket, &who, &row);
    if (r == 0) {
        r = answer_name(c, &ticket.recording, row, name);
    } else if (r == PEOPLE_E_DENIED) {
        tickets_revoke(c->context->tickets, text);
        error_clear(&c->err);
        r = answer_dead_end(c, name, DENIED);
    }
    c->who = caller;
    return r;
}
