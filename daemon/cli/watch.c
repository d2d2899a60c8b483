/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * `liuhen watch`: a line an event; on a terminal a status line below them. The status is asked for on a second connection while the
 * stream runs. Idle means: twice in a row nothing waits, nothing is in hand, and no event came in between.
 */
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "cli/cli.h"
#include "cli/print.h"

#define TICK_MSEC         100
#define STATUS_EVERY_USEC (250 * USEC_PER_MSEC)
#define ENDED             1 /* from a callback: all is done */

struct watching {
    struct cli *cli;
    bool until_idle, watching, idle_before, line_shown;
    int exit_code;
    int64_t asked_usec;
    uint64_t sealed, examined, damaged, bytes;
    uint64_t events, events_before;
    char state[200];
};

static volatile sig_atomic_t interrupted;

static void on_signal(int number)
{
    interrupted = 1;
}

static void clear_line(struct watching *w)
{
    if (w->line_shown)
        fputs("\r\033[K", stdout);
    w->line_shown = false;
}

static bool has_line(const struct watching *w)
{
    return print_is_terminal() && !w->cli->json;
}

static void show_line(struct watching *w)
{
    char size[PRINT_SIZE_SIZE], text[400];

    if (!has_line(w))
        return;
    clear_line(w);
    snprintf(text, sizeof text, "%llu sealed (%s) · %llu examined · %llu damaged · %s",
             (unsigned long long)w->sealed, print_size((int64_t)w->bytes, size),
             (unsigned long long)w->examined, (unsigned long long)w->damaged, w->state);
    while (print_width(text) >= print_columns()) { /* never two lines */
        size_t n = strlen(text) - 1;
        while ((text[n] & 0xc0) == 0x80)
            n--;
        text[n] = '\0';
    }
    printf("%s%s%s", colour_on(COLOUR_BOLD), text, colour_off());
    fflush(stdout);
    w->line_shown = true;
}

static void count(struct watching *w, const char *event, const json_t *o)
{
    const char *status = json_get_string(o, "status");

    w->events++;
    if (strcmp(event, "sealed") == 0) {
        w->sealed++;
        w->bytes += (uint64_t)json_get_integer(o, "bytes", 0);
    }
    w->examined += strcmp(event, "examined") == 0;
    w->damaged += status && strcmp(status, "damaged") == 0;
}

/* "sealed  01K…  clip.mp4  folder drop, 1.2 MiB": known members in order, others as name=value. */
static void print_event(const char *event, const json_t *o)
{
    static const char *const known[] = {"recording", "file",   "folder", "kind",   "device",
                                        "who",       "status", "reason", "message"};
    char size[PRINT_SIZE_SIZE];

    printf("%-12s", event);
    for (size_t i = 0; i < ARRAY_SIZE(known); i++) {
        _cleanup_free_ char *safe = print_safe(json_get_string(o, known[i]));
        if (*safe)
            printf("  %s", safe);
    }
    if (json_object_get(o, "bytes"))
        printf("  %s", print_size(json_get_integer(o, "bytes", 0), size));
    if (json_object_get(o, "lines"))
        printf("  %lld lines were missed", (long long)json_get_integer(o, "lines", 0));
    putchar('\n');
    fflush(stdout);
}

static int on_line(void *userdata, const char *line)
{
    struct watching *w = userdata;
    _cleanup_json_ json_t *o = NULL;
    const char *event;

    if (json_parse(line, strlen(line), "event", &o, NULL) < 0 || !(event = json_get_string(o, "event")))
        return 0;
    if (strcmp(event, "watching") == 0) {
        w->watching = true;
        return 0;
    }
    count(w, event, o);
    if (w->cli->json) {
        puts(line);
        fflush(stdout);
    } else {
        clear_line(w);
        print_event(event, o);
        show_line(w);
    }
    return ferror(stdout) ? ENDED : 0;
}

/* Return: 0, or ENDED when idle or failed. */
static int ask_status(struct watching *w)
{
    _cleanup_json_ json_t *s = NULL;
    _cleanup_free_ char *reason = NULL;
    const json_t *intake;
    bool idle;
    int r = cli_ask(w->cli, "GET", "/v1/status", NULL, &s);

    if (r != CLI_OK) {
        w->exit_code = r;
        return ENDED;
    }
    intake = json_get_object(s, "intake");
    reason = print_safe(json_get_string(intake, "reason"));
    snprintf(w->state, sizeof w->state, "%lld waiting · %lld to examine%s%.100s",
             (long long)(json_get_integer(intake, "waiting", 0) + json_get_integer(intake, "in_hand", 0)),
             (long long)json_get_integer(json_get_object(s, "counts"), "to_examine", 0),
             *reason ? " · paused: " : "", reason);
    idle = json_get_bool(s, "idle", false) && w->events == w->events_before;
    if (w->until_idle && idle && w->idle_before)
        return ENDED;
    w->idle_before = idle;
    w->events_before = w->events;
    return 0;
}

static int on_tick(void *userdata)
{
    struct watching *w = userdata;
    int64_t now = clock_monotonic_usec();
    int r = 0;

    if (interrupted)
        return ENDED;
    if (!w->watching || now - w->asked_usec < STATUS_EVERY_USEC)
        return 0;
    if (w->until_idle || has_line(w))
        r = ask_status(w);
    w->asked_usec = clock_monotonic_usec();
    show_line(w);
    return r;
}

int cli_watch(struct cli *c, int argc, char **argv)
{
    struct watching w = {.cli = c, .until_idle = cli_option(c, "until-idle")};
    const struct client_stream stream = {on_line, on_tick, &w, TICK_MSEC};
    _cleanup_(client_freep) struct client *client = NULL;
    _cleanup_free_ char *text = NULL;
    struct error err = ERROR_INIT;
    unsigned status = 0;
    int r;

    if (client_new(c->socket, &client) < 0)
        return cli_fail(CLI_BUSY, "", "out of memory");
    signal(SIGINT, on_signal);
    signal(SIGTERM, on_signal);
    r = client_follow(client, "/v1/watch", &stream, &status, &text, &err);
    if (w.line_shown)
        putchar('\n');
    if (r == ENDED)
        return w.exit_code;
    if (r < 0)
        return cli_unreachable(r, &err);
    if (status != 200)
        return cli_refused(status, text ? text : "");
    return w.until_idle ? cli_fail(CLI_UNREACHABLE, c->socket, "the daemon stopped before it was idle")
                        : CLI_OK;
}
