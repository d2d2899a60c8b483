/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * A copy that leaves the house: asked for with a reason, waited for, fetched, and compared with the digest that the ledger has of it.
 * Nothing is left of one that is not whole.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/digest.h"
#include "base/durable.h"
#include "base/fd.h"
#include "cli/cli.h"
#include "cli/print.h"

#define WAIT_USEC 300000
#define PLAN_MAX  (1u << 20)

static int add_plan(const struct cli *c, json_t *body)
{
    const char *path = cli_option(c, "plan");
    _cleanup_free_ char *text = NULL;
    struct error err = ERROR_INIT;
    json_t *plan = NULL;
    size_t size;
    int r;

    if (!path)
        return CLI_OK;
    r = fd_read_file_at(AT_FDCWD, path, PLAN_MAX, &text, &size);
    if (r < 0)
        return cli_fail(CLI_MISSING, path, "cannot be read: %s", strerror(-r));
    if (json_parse(text, size, path, &plan, &err) != 0)
        return cli_fail(CLI_REFUSED, err.object, "%s", err.text);
    return json_set_take(body, "plan", plan) < 0 ? cli_fail(CLI_BUSY, "", "out of memory") : CLI_OK;
}

/* "line|line" is a list of lines. */
static int add_mark(const struct cli *c, json_t *body)
{
    const char *mark = cli_option(c, "mark");
    json_t *lines;

    if (!mark || !*mark)
        return CLI_OK;
    lines = print_must(json_array());
    for (const char *p = mark; *p; p += strcspn(p, "|"), p += *p == '|')
        if (json_array_append_new(lines, json_stringn(p, strcspn(p, "|"))) < 0) {
            json_decref(lines);
            return cli_fail(CLI_USAGE, "mark", "is not UTF-8; set the terminal to UTF-8");
        }
    return json_set_take(body, "mark", lines) < 0 ? cli_fail(CLI_BUSY, "", "out of memory") : CLI_OK;
}

static void say_progress(const json_t *job)
{
    if (isatty(STDERR_FILENO))
        fprintf(stderr, "\r%s, %lld %% ", print_text(job, "state"),
                (long long)(json_get_integer(job, "progress_permille", 0) / 10));
}

/* Waits until the copy is made; *job is what is known then. */
static int wait_made(struct cli *c, json_t **job)
{
    _cleanup_free_ char *target = print_must(client_target("/v1/copies/", print_text(*job, "id"), NULL));
    int r = CLI_OK;

    while (r == CLI_OK && (strcmp(print_text(*job, "state"), "waiting") == 0 ||
                           strcmp(print_text(*job, "state"), "running") == 0)) {
        json_t *now = NULL;

        say_progress(*job);
        usleep(WAIT_USEC);
        r = cli_ask(c, "GET", target, NULL, &now);
        if (r == CLI_OK) {
            json_decref(*job);
            *job = now;
        }
    }
    if (isatty(STDERR_FILENO))
        fputs("\r                    \r", stderr);
    if (r == CLI_OK && strcmp(print_text(*job, "state"), "done") != 0)
        r = cli_fail(CLI_NO, print_text(*job, "id"), "the copy was not made (%s): %s",
                     print_text(*job, "state"), print_text(*job, "message"));
    return r;
}

struct fetching {
    struct hasher *hasher;
    struct durable file;
};

static int on_data(void *userdata, const void *data, size_t size)
{
    struct fetching *f = userdata;

    hasher_update(f->hasher, data, size);
    durable_write(&f->file, data, size);
    return f->file.status;
}

static int receive(struct cli *c, const json_t *job, struct fetching *f)
{
    _cleanup_free_ char *target = print_must(client_target("/v1/copies/", print_text(job, "id"), "/content")),
                        *text = NULL;
    const char *digest = print_text(json_get_object(job, "file"), "sha256");
    struct error err = ERROR_INIT;
    struct digest_pair found;
    char hex[DIGEST_HEX_SIZE];
    unsigned status = 0;
    int r = client_fetch(c->client, target, on_data, f, &status, &text, &err);

    if (r == 0 && status != 200)
        return cli_refused(status, text);
    if (f->file.status < 0)
        return cli_fail(CLI_REFUSED, f->file.target, "cannot be written: %s", strerror(-f->file.status));
    if (r != 0)
        return cli_unreachable(r, &err);
    hasher_final(f->hasher, &found);
    digest_to_hex(&found.sha256, hex);
    return strcmp(hex, digest) == 0
               ? CLI_OK
               : cli_fail(CLI_NO, print_text(job, "id"),
                          "what came is not the copy that was made: SHA-256 %s instead of %s", hex, digest);
}

static int fetch(struct cli *c, const json_t *job, const char *to)
{
    struct fetching f = {.file = DURABLE_INIT};
    int r = hasher_new(false, &f.hasher) < 0 ? cli_fail(CLI_BUSY, "", "out of memory") : CLI_OK;

    if (r == CLI_OK && durable_open(&f.file, AT_FDCWD, to, 0640) < 0)
        r = cli_fail(CLI_REFUSED, to, "cannot be written: %s", strerror(-f.file.status));
    r = r != CLI_OK ? r : receive(c, job, &f);
    if (r == CLI_OK && durable_commit(&f.file) < 0)
        r = cli_fail(CLI_REFUSED, to, "cannot be written: %s", strerror(-f.file.status));
    durable_done(&f.file);
    hasher_free(f.hasher);
    return r;
}

/* Whether the copy could be written: else one would be made, and the ledger would say so, that nobody gets. */
static int check_place(const char *to)
{
    const char *slash = strrchr(to, '/');
    _cleanup_free_ char *folder = print_must(slash ? strndup(to, (size_t)MAX(slash - to, 1)) : strdup("."));

    if (slash && !slash[1])
        return cli_fail(CLI_REFUSED, to, "is a folder; name the file in it");
    if (faccessat(AT_FDCWD, to, F_OK, AT_SYMLINK_NOFOLLOW) == 0)
        return cli_fail(CLI_REFUSED, to, "is there already; name another file, or move it away");
    if (faccessat(AT_FDCWD, folder, W_OK | X_OK, AT_EACCESS) < 0)
        return cli_fail(CLI_REFUSED, to,
                        "cannot be written: %s; name a file in a folder that is there and that you may "
                        "write to. Nothing was asked for",
                        strerror(errno));
    return CLI_OK;
}

static int make_body(const struct cli *c, json_t *body)
{
    static const char *const needed[][2] = {
        {"form", "is missing; write --form preserve, release or redact"},
        {"reason",
         "is missing; write --reason and why it leaves the house, and for whom: the ledger keeps it"},
        {"to", "is missing; write --to and the file to write it to"}};
    int r = CLI_OK;

    for (size_t i = 0; i < ARRAY_SIZE(needed) && r == CLI_OK; i++)
        if (!cli_option(c, needed[i][0]) || !*cli_option(c, needed[i][0]))
            r = cli_fail(CLI_USAGE, needed[i][0], "%s", needed[i][1]);
    r = r != CLI_OK ? r : check_place(cli_option(c, "to"));
    r = r != CLI_OK ? r : cli_put(body, "form", cli_option(c, "form"));
    r = r != CLI_OK ? r : cli_put(body, "reason", cli_option(c, "reason"));
    r = r != CLI_OK ? r : add_plan(c, body);
    return r != CLI_OK ? r : add_mark(c, body);
}

int cli_copy(struct cli *c, int argc, char **argv)
{
    _cleanup_free_ char *target = print_must(client_target("/v1/recordings/", argv[0], "/copies"));
    _cleanup_json_ json_t *body = print_must(json_object()), *job = NULL;
    const char *to = cli_option(c, "to"), *message;
    int r = make_body(c, body);

    r = r != CLI_OK ? r : cli_ask(c, "POST", target, TAKE_PTR(body), &job);
    r = r != CLI_OK ? r : wait_made(c, &job);
    r = r != CLI_OK ? r : fetch(c, job, to);
    if (r != CLI_OK || c->json)
        return r == CLI_OK ? cli_print_json(job) : r;
    message = print_text(json_get_object(job, "file"), "message");
    printf("%s: %lld bytes, SHA-256 %s; the ledger says who has it and why\n", to,
           (long long)json_get_integer(json_get_object(job, "file"), "bytes", 0),
           print_text(json_get_object(job, "file"), "sha256"));
    if (*message) /* what is not as it was: black pictures, tracks left out */
        printf("%s\n", message);
    return CLI_OK;
}
