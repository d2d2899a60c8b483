/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Commands on an archive's folder itself, without the daemon: fsck and rebuild. Faults go to standard output as they are found,
 * progress to standard error where that is a terminal.
 */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "cli/cli.h"
#include "cli/print.h"
#include "fsck/fsck.h"

#define PROGRESS_EVERY_USEC (100 * USEC_PER_MSEC)

struct checking {
    json_t *faults; /* with --json: all of them; else NULL */
    int64_t said_usec;
    bool line_shown;
};

static void on_progress(void *userdata, const char *step, uint64_t n)
{
    struct checking *k = userdata;
    int64_t now = clock_monotonic_usec();

    if (now - k->said_usec < PROGRESS_EVERY_USEC)
        return;
    k->said_usec = now;
    if (!isatty(STDERR_FILENO)) /* asked so often only, not for every recording */
        return;
    fprintf(stderr, "\r\033[K%s: %llu", step, (unsigned long long)n);
    k->line_shown = true;
}

static void clear_progress(struct checking *k)
{
    if (k->line_shown)
        fputs("\r\033[K", stderr);
    k->line_shown = false;
}

static void on_fault(void *userdata, int invariant, const char *object, const char *text)
{
    _cleanup_free_ char *safe_object = print_safe(object), *safe_text = print_safe(text);
    struct checking *k = userdata;
    json_t *o;

    clear_progress(k);
    if (!k->faults) {
        printf("%sinvariant %d%s  %s%s%s\n", colour_on(COLOUR_RED), invariant, colour_off(), safe_object,
               *safe_object ? ": " : "", safe_text);
        return;
    }
    o = json_object();
    if (json_set_integer(o, "invariant", invariant) < 0 || json_set_string(o, "object", safe_object) < 0 ||
        json_set_string(o, "text", safe_text) < 0 || json_array_append_new(k->faults, o) < 0)
        exit(cli_fail(CLI_BUSY, "", "out of memory"));
}

/* Why it could not be done. */
static int not_done(int r, const struct error *err)
{
    int code = r == -ENOENT                                                            ? CLI_MISSING
               : r == -EACCES || r == -EPERM                                           ? CLI_DENIED
               : r == -EBUSY || r == -EAGAIN || r == -ENOSPC || r == 1 /* DB_E_BUSY */ ? CLI_BUSY
                                                                                       : CLI_REFUSED;

    return cli_fail(code, err->object, "%s", *err->text ? err->text : strerror(r < 0 ? -r : EIO));
}

static void say_result(const struct fsck_result *f)
{
    printf("%llu objects, %llu recordings, %llu acts: ", (unsigned long long)f->objects,
           (unsigned long long)f->recordings, (unsigned long long)f->acts);
    if (f->faults == 0) {
        printf("%severything holds together%s\n", colour_on(COLOUR_GREEN), colour_off());
        return;
    }
    printf("%s%llu faults%s\n", colour_on(COLOUR_RED), (unsigned long long)f->faults, colour_off());
    for (int i = 1; i <= FSCK_INVARIANTS; i++)
        if (f->broken[i])
            printf("  %llu against invariant %d: %s\n", (unsigned long long)f->broken[i], i,
                   fsck_invariant_text(i));
}

static int print_result(const struct fsck_result *f, json_t *faults)
{
    _cleanup_json_ json_t *o = json_object();
    int r = json_set_bool(o, "clean", f->faults == 0);

    r = r != 0 ? r : json_set_integer(o, "objects", (int64_t)f->objects);
    r = r != 0 ? r : json_set_integer(o, "recordings", (int64_t)f->recordings);
    r = r != 0 ? r : json_set_integer(o, "acts", (int64_t)f->acts);
    r = r != 0 ? r : json_set_take(o, "faults", json_incref(faults));
    return r != 0 ? cli_fail(CLI_BUSY, "", "out of memory") : cli_print_json(o);
}

int cli_fsck(struct cli *c, int argc, char **argv)
{
    _cleanup_json_ json_t *faults = c->json ? json_array() : NULL;
    struct checking k = {.faults = faults};
    struct fsck_options options = {.archive = cli_option(c, "archive"),
                                   .dsn = cli_option(c, "catalogue"),
                                   .quick = cli_option(c, "quick"),
                                   .deep = cli_option(c, "deep"),
                                   .on_fault = on_fault,
                                   .on_progress = on_progress,
                                   .userdata = &k};
    struct fsck_result result = {0};
    struct error err = ERROR_INIT;
    int r;

    if (!options.archive)
        return cli_fail(CLI_USAGE, "fsck", "--archive DIR is missing");
    r = fsck_run(&options, &result, &err);
    clear_progress(&k);
    if (r != 0)
        return not_done(r, &err);
    if (!c->json)
        say_result(&result);
    r = c->json ? print_result(&result, faults) : CLI_OK;
    return r != CLI_OK ? r : result.faults ? CLI_NO : CLI_OK;
}

int cli_rebuild(struct cli *c, int argc, char **argv)
{
    struct checking k = {0};
    struct rebuild_options options = {.archive = cli_option(c, "archive"),
                                      .dsn = cli_option(c, "to"),
                                      .on_progress = on_progress,
                                      .userdata = &k};
    struct rebuild_result result = {0};
    struct error err = ERROR_INIT;
    int r;

    if (!options.archive || !options.dsn)
        return cli_fail(CLI_USAGE, "rebuild", "--archive DIR and --to DSN are needed");
    r = rebuild_run(&options, &result, &err);
    clear_progress(&k);
    if (r != 0)
        return not_done(r, &err);
    if (c->json) {
        printf("{\"acts\":%llu,\"recordings\":%llu,\"without_act\":%llu,\"without_object\":%llu}\n",
               (unsigned long long)result.acts, (unsigned long long)result.recordings,
               (unsigned long long)result.without_act, (unsigned long long)result.without_object);
        return CLI_OK;
    }
    printf("rebuilt %s: %llu acts, %llu recordings\n", options.dsn, (unsigned long long)result.acts,
           (unsigned long long)result.recordings);
    if (result.without_act)
        printf("%llu objects in the store are named by no act: start the daemon, then run fsck\n",
               (unsigned long long)result.without_act);
    if (result.without_object)
        printf("%llu recordings have no object in the store: run fsck\n",
               (unsigned long long)result.without_object);
    return CLI_OK;
}
