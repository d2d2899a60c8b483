/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * What a docking station shows. On a terminal: a line a file in flight and one for the whole, drawn anew in place, and above them a line
 * for whatever needs a person's eye. Elsewhere, and with --json: a JSON line an event, so that a journal or a program can follow.
 */
#include <inttypes.h>
#include <stdarg.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/encode.h"
#include "base/json.h"
#include "cli/cli.h"
#include "cli/dock.h"
#include "cli/print.h"

#define JSON_EVERY_USEC (5 * USEC_PER_SEC)
#define RATE_USEC       (10 * USEC_PER_SEC) /* rates are those of the last seconds */
#define BAR_CELLS       20u
#define SAMPLES         32

/* Of this process; under dock.lock like the drawing itself. */
static struct {
    unsigned lines, columns; /* that stand on the terminal now, and how wide it was then */
    unsigned widths[DOCK_JOBS_MAX + 1];
    int64_t json_usec;
    struct {
        int64_t usec;
        uint64_t bytes;
    } samples[SAMPLES];
    size_t n_samples;
} screen;

static bool on_terminal(const struct dock *d)
{
    return print_is_terminal() && !d->json;
}

/* ---- a line -------------------------------------------------------------------------------------------------------------- */

/* The text in exactly so many columns: shortened in the middle with "…", so that the ending stays, or filled with blanks. */
static char *fit(const char *text, unsigned columns)
{
    _cleanup_free_ char *safe = print_safe(text);
    unsigned width = print_width(safe), head, used = 0;
    const char *tail;
    char *out;
    size_t n, bytes = 0;

    if (width <= columns) {
        if (asprintf(&out, "%s%*s", safe, (int)(columns - width), "") < 0)
            out = NULL;
        return print_must(out);
    }
    head = (columns - 1) / 2;
    for (unsigned w; used + (w = print_character_width(safe + bytes, &n)) <= head; used += w)
        bytes += n;
    for (tail = safe + bytes; used + 1 + print_width(tail) > columns; tail += n)
        print_character_width(tail, &n);
    if (asprintf(&out, "%.*s…%s%*s", (int)bytes, safe, tail, (int)(columns - used - 1 - print_width(tail)),
                 "") < 0)
        out = NULL;
    return print_must(out);
}

char *dock_bar_line(const char *name, uint64_t done, uint64_t total, const char *rest, unsigned columns)
{
    unsigned percent = total ? (unsigned)(MIN(done, total) * 100.0 / (double)total) : 0,
             cells = columns >= 60   ? BAR_CELLS
                     : columns >= 40 ? 10
                                     : 0,
             filled = cells * percent / 100;
    char tail[80], *line;
    unsigned taken;
    _cleanup_free_ char *label = NULL, *text = fit(rest, (unsigned)MIN(print_width(rest), columns / 3));

    if (cells)
        snprintf(tail, sizeof tail, " [%.*s%.*s] %3u%% ", (int)filled, "####################",
                 (int)(cells - filled), "....................", percent);
    else
        snprintf(tail, sizeof tail, " %3u%% ", percent);
    taken = (unsigned)strlen(tail) + print_width(text);
    label = fit(name, columns > taken + 4 ? columns - taken : 4);
    if (asprintf(&line, "%s%s%s", label, tail, text) < 0)
        line = NULL;
    return print_must(line);
}

/* ---- rates --------------------------------------------------------------------------------------------------------------- */

/* Bytes a second over the last seconds; 0 until it can be said. */
static uint64_t rate_of(uint64_t bytes)
{
    int64_t now = clock_monotonic_usec();
    size_t last = screen.n_samples;

    if (last == 0 || now - screen.samples[last - 1].usec >= RATE_USEC / (SAMPLES - 2)) {
        if (last == SAMPLES)
            memmove(screen.samples, screen.samples + 1, (--last) * sizeof *screen.samples);
        screen.samples[last].usec = now;
        screen.samples[last].bytes = bytes;
        screen.n_samples = last + 1;
    }
    if (now - screen.samples[0].usec < USEC_PER_SEC)
        return 0;
    return (uint64_t)((double)(bytes - screen.samples[0].bytes) * USEC_PER_SEC /
                      (double)(now - screen.samples[0].usec));
}

static const char *say_duration(int64_t seconds, char out[32])
{
    if (seconds < 90)
        snprintf(out, 32, "%" PRId64 " s", seconds);
    else if (seconds < 90 * 60)
        snprintf(out, 32, "%" PRId64 " min", (seconds + 30) / 60);
    else
        snprintf(out, 32, "%" PRId64 " h %" PRId64 " min", seconds / 3600, seconds % 3600 / 60);
    return out;
}

/* ---- the terminal -------------------------------------------------------------------------------------------------------- */

static void screen_size(unsigned *ret_columns, unsigned *ret_rows)
{
    struct winsize w;
    bool known =
        ioctl(STDOUT_FILENO, TIOCGWINSZ, &w) == 0 && w.ws_col > 0; /* windows are resized while we run */

    *ret_columns = MAX(known ? w.ws_col : print_columns(), 20);
    *ret_rows = known && w.ws_row > 3 ? w.ws_row : 24;
}

/* Back to where the lines begin that were drawn last. A window that was made narrower has broken them into more. */
static void go_back(unsigned columns)
{
    unsigned rows = 0;

    for (unsigned i = 0; i < screen.lines; i++)
        rows += columns < screen.columns && screen.widths[i] > columns
                    ? (screen.widths[i] + columns - 1) / columns
                    : 1;
    if (rows > 0)
        printf("\r\033[%uA\033[J", rows);
    screen.lines = 0;
}

/* Prints a line of the display and notes how wide it is without the blanks at its end. */
static void put_row(const char *line, enum colour colour)
{
    size_t n = strlen(line);

    while (n > 0 && line[n - 1] == ' ')
        n--;
    printf("%s%.*s%s\033[K\n", colour_on(colour), (int)n, line, colour_off());
    if (screen.lines < ARRAY_SIZE(screen.widths)) {
        _cleanup_free_ char *shown = print_must(strndup(line, n));
        screen.widths[screen.lines] = print_width(shown);
    }
    screen.lines++;
}

void dock_show_clear(struct dock *d)
{
    unsigned columns, rows;

    screen_size(&columns, &rows);
    go_back(columns);
    fflush(stdout);
}

static const char *phase_name(enum dock_phase phase)
{
    static const char *const names[] = {"", "reading", "asking", "sending", "sealing", "waiting"};

    return names[phase];
}

static void draw_slot(const struct dock_slot *s, unsigned columns)
{
    _cleanup_free_ char *rest = NULL, *encoded = NULL, *line = NULL;

    encoded = print_must(encode_percent(s->file->path, strlen(s->file->path)));
    if (asprintf(&rest, "%s%s%s", phase_name(s->phase), s->phase == PHASE_PAUSING ? ": " : "",
                 s->phase == PHASE_PAUSING ? s->why : "") < 0)
        rest = NULL;
    line = dock_bar_line(encoded, s->done, s->file->bytes, print_must(rest), columns - 1);
    put_row(line, COLOUR_NONE);
}

/* Bytes that are through, those of files in flight included. */
static uint64_t bytes_done(const struct dock *d)
{
    uint64_t done = d->done_bytes;

    for (size_t i = 0; i < DOCK_JOBS_MAX; i++)
        if (d->slots[i].phase == PHASE_SENDING || d->slots[i].phase == PHASE_SEALING)
            done += d->slots[i].done;
    return MIN(done, d->total_bytes);
}

static void draw_total(const struct dock *d, unsigned columns)
{
    uint64_t done = bytes_done(d), rate = rate_of(done);
    char a[PRINT_SIZE_SIZE], b[PRINT_SIZE_SIZE], c[PRINT_SIZE_SIZE], left[32], text[200];
    _cleanup_free_ char *line = NULL;
    int n = snprintf(text, sizeof text, "%zu of %zu files · %s of %s", d->n_through, d->n_wanted,
                     print_size((int64_t)done, a), print_size((int64_t)d->total_bytes, b));

    if (rate > 0)
        snprintf(text + n, sizeof text - (size_t)n, " · %s/s · %s left", print_size((int64_t)rate, c),
                 say_duration((int64_t)((d->total_bytes - done) / rate), left));
    line = fit(text, columns - 1);
    put_row(line, COLOUR_BOLD);
}

static void draw(struct dock *d)
{
    unsigned columns, rows;

    screen_size(&columns, &rows);
    if (columns < screen.columns)
        go_back(columns);
    else if (screen.lines > 0)
        printf("\r\033[%uA", screen.lines);
    screen.lines = 0;
    for (size_t i = 0; i < DOCK_JOBS_MAX && screen.lines + 3 < rows; i++)
        if (d->slots[i].phase != PHASE_IDLE && d->slots[i].file)
            draw_slot(&d->slots[i], columns);
    draw_total(d, columns);
    printf("\033[J");
    screen.columns = columns;
    fflush(stdout);
}

/* ---- JSON lines ---------------------------------------------------------------------------------------------------------- */

static void put_line(json_t *o)
{
    cli_print_json(o);
    fflush(stdout);
    json_decref(o);
}

static void set_path(json_t *o, const char *key, const char *path)
{
    _cleanup_free_ char *encoded = print_must(encode_percent(path, strlen(path)));

    (void)json_set_string(o, key, encoded);
}

static void progress_json(struct dock *d)
{
    int64_t now = clock_monotonic_usec();
    uint64_t done = bytes_done(d), rate = rate_of(done);

    if (screen.json_usec == 0)
        screen.json_usec = now; /* the first one after some seconds only */
    if (now - screen.json_usec < JSON_EVERY_USEC)
        return;
    screen.json_usec = now;
    put_line(json_pack("{s:s,s:I,s:I,s:I,s:I,s:I}", "event", "progress", "files", (json_int_t)d->n_through,
                       "of", (json_int_t)d->n_wanted, "bytes", (json_int_t)done, "of_bytes",
                       (json_int_t)d->total_bytes, "rate", (json_int_t)rate));
}

void dock_show_progress(struct dock *d)
{
    if (on_terminal(d))
        draw(d);
    else
        progress_json(d);
}

static const char *event_of(const struct dock_file *f)
{
    static const char *const names[] = {"waiting", "sealed", "known", "left", "failed"};

    return f->wiped                                                            ? "wiped"
           : f->why && (f->outcome == DOCK_SEALED || f->outcome == DOCK_KNOWN) ? "kept"
                                                                               : names[f->outcome];
}

static void file_json(const struct dock_file *f)
{
    char hex[DIGEST_HEX_SIZE];
    json_t *o = print_must(json_object());

    (void)json_set_string(o, "event", event_of(f));
    set_path(o, "path", f->path);
    set_path(o, "card", f->card->source);
    (void)json_set_integer(o, "bytes", (int64_t)f->bytes);
    if (f->outcome == DOCK_SEALED || f->outcome == DOCK_KNOWN) {
        digest_to_hex(&f->sha256, hex);
        (void)json_set_string(o, "sha256", hex);
        (void)json_set_string(o, "recording", f->recording);
    }
    if (f->why)
        set_path(o, "why", f->why);
    put_line(o);
}

void dock_show_file(struct dock *d, const struct dock_file *f)
{
    pthread_mutex_lock(&d->lock);
    if (!on_terminal(d)) {
        file_json(f);
    } else if (f->why && !atomic_load(&d->stop)) {
        _cleanup_free_ char *path = print_must(encode_percent(f->path, strlen(f->path))),
                            *safe = print_safe(path), *why = print_safe(f->why);
        dock_show_clear(d);
        printf("%s%s%s  %s: %s\n", colour_on(f->outcome == DOCK_FAILED ? COLOUR_RED : COLOUR_NONE),
               event_of(f), colour_off(), safe, why);
        fflush(stdout);
    }
    pthread_mutex_unlock(&d->lock);
}

void dock_show_note(struct dock *d, const char *event, const char *object, const char *format, ...)
{
    _cleanup_free_ char *text = NULL;
    va_list ap;

    va_start(ap, format);
    if (vasprintf(&text, format, ap) < 0)
        text = NULL;
    va_end(ap);
    print_must(text);
    pthread_mutex_lock(&d->lock);
    if (on_terminal(d)) {
        _cleanup_free_ char *safe = print_safe(text), *about = print_safe(object);
        dock_show_clear(d);
        printf("%s  %s%s%s\n", event, about, *about ? ": " : "", safe);
        fflush(stdout);
    } else {
        json_t *o = print_must(json_object());
        (void)json_set_string(o, "event", event);
        if (*object)
            set_path(o, "object", object);
        set_path(o, "text", text);
        put_line(o);
    }
    pthread_mutex_unlock(&d->lock);
}

/* ---- the end ------------------------------------------------------------------------------------------------------------- */

struct sums {
    size_t sealed, known, failed, waiting, left, wiped, kept;
};

static struct sums sum_up(const struct dock *d)
{
    struct sums s = {0};

    for (size_t i = 0; i < d->n_files; i++) {
        const struct dock_file *f = &d->files[i];
        s.sealed += f->outcome == DOCK_SEALED;
        s.known += f->outcome == DOCK_KNOWN;
        s.failed += f->outcome == DOCK_FAILED;
        s.waiting += f->outcome == DOCK_WAITING;
        s.left += f->outcome == DOCK_LEFT;
        s.wiped += f->wiped;
        s.kept += !f->wiped;
    }
    return s;
}

void dock_show_summary(struct dock *d)
{
    struct sums s = sum_up(d);
    char size[PRINT_SIZE_SIZE];

    if (!on_terminal(d)) {
        put_line(json_pack("{s:s,s:I,s:I,s:I,s:I,s:I,s:I,s:I,s:I}", "event", "summary", "sealed",
                           (json_int_t)s.sealed, "known", (json_int_t)s.known, "failed", (json_int_t)s.failed,
                           "waiting", (json_int_t)s.waiting, "left", (json_int_t)s.left, "wiped",
                           (json_int_t)s.wiped, "kept", (json_int_t)s.kept, "sent_bytes",
                           (json_int_t)d->sent_bytes));
        return;
    }
    printf("%s%zu sealed%s (%s sent) · %zu known already · ",
           s.failed + s.waiting ? "" : colour_on(COLOUR_GREEN), s.sealed, colour_off(),
           print_size((int64_t)d->sent_bytes, size), s.known);
    printf("%s%zu failed%s · %zu not sent yet · %zu left alone · %zu wiped · %zu kept\n",
           s.failed ? colour_on(COLOUR_RED) : "", s.failed, colour_off(), s.waiting, s.left, s.wiped, s.kept);
}
