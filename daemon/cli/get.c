/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Fetching an original: its bytes are digested as they come and must be what was sealed, else no file is left. The daemon writes an act
 * that this person has looked at it.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/digest.h"
#include "base/durable.h"
#include "base/encode.h"
#include "base/fd.h"
#include "cli/cli.h"
#include "cli/print.h"

struct getting {
    struct hasher *hasher;
    struct durable *file; /* NULL: standard output */
    uint64_t bytes;
};

static int on_data(void *userdata, const void *data, size_t size)
{
    struct getting *g = userdata;

    hasher_update(g->hasher, data, size);
    g->bytes += size;
    if (!g->file)
        return fd_write_full(STDOUT_FILENO, data, size);
    durable_write(g->file, data, size);
    return g->file->status;
}

/* Where to: what --output names, else the recording's own name made safe, in this folder. New string; NULL = no memory. */
static char *output_of(const struct cli *c, const json_t *shown)
{
    _cleanup_free_ char *name = NULL;
    const char *output = cli_option(c, "output");
    size_t size;

    if (output && *output)
        return strdup(output);
    return decode_percent(print_text(shown, "name"), &name, &size) == 0 ? encode_safe_name(name, size) : NULL;
}

/* Receives the bytes. Return: an exit code; CLI_OK when they are what was sealed. */
static int receive(struct cli *c, const char *target, const json_t *shown, struct getting *g)
{
    _cleanup_free_ char *text = NULL;
    struct error err = ERROR_INIT;
    struct digest_pair digest;
    char hex[DIGEST_HEX_SIZE];
    unsigned status = 0;
    int r = hasher_new(false, &g->hasher);

    if (r == 0)
        r = client_fetch(c->client, target, on_data, g, &status, &text, &err);
    if (r == 0 && status != 200)
        return cli_refused(status, text);
    if (g->file && g->file->status < 0)
        return cli_fail(CLI_REFUSED, g->file->target, "cannot be written: %s", strerror(-g->file->status));
    if (r != 0)
        return cli_unreachable(r, &err);
    hasher_final(g->hasher, &digest);
    digest_to_hex(&digest.sha256, hex);
    if (strcmp(hex, print_text(shown, "digest")) != 0)
        return cli_fail(
            CLI_NO, print_text(shown, "id"),
            "what came is not what was sealed: SHA-256 %s instead of %s; tell the administrator, who "
            "runs `liuhen fsck --deep`",
            hex, print_text(shown, "digest"));
    return CLI_OK;
}

static int say(const struct cli *c, const json_t *shown, const char *output, uint64_t bytes)
{
    _cleanup_json_ json_t *o = json_object();

    if (!c->json) {
        if (strcmp(output, "-") != 0)
            printf("%s: %llu bytes, SHA-256 %s as sealed\n", output, (unsigned long long)bytes,
                   print_text(shown, "digest"));
        return CLI_OK;
    }
    if (json_set_string(o, "recording", print_text(shown, "id")) < 0 ||
        json_set_string(o, "file", output) < 0 ||
        json_set_string(o, "sha256", print_text(shown, "digest")) < 0 ||
        json_set_integer(o, "bytes", (int64_t)bytes) < 0)
        return cli_fail(CLI_BUSY, "", "out of memory");
    return cli_print_json(o);
}

int cli_get(struct cli *c, int argc, char **argv)
{
    _cleanup_free_ char *about = client_target("/v1/recordings/", argv[0], NULL), *output = NULL,
                        *target = NULL;
    _cleanup_json_ json_t *shown = NULL;
    struct durable file = DURABLE_INIT;
    struct getting g = {0};
    bool to_stdout;
    int r = cli_ask(c, "GET", about, NULL, &shown);

    if (r != CLI_OK)
        return r;
    output = output_of(c, shown);
    target = client_target("/v1/recordings/", print_text(shown, "id"), "/content");
    if (!output || !target)
        return cli_fail(CLI_BUSY, "", "out of memory");
    to_stdout = strcmp(output, "-") == 0;
    if (to_stdout && c->json)
        return cli_fail(CLI_USAGE, "--json", "and the bytes cannot both go to standard output; name a file");
    if (!to_stdout && faccessat(AT_FDCWD, output, F_OK, AT_SYMLINK_NOFOLLOW) == 0)
        return cli_fail(CLI_REFUSED, output, "is there already; name another with --output, or move it away");
    if (!to_stdout && durable_open(&file, AT_FDCWD, output, 0640) < 0)
        r = cli_fail(CLI_REFUSED, output, "cannot be written: %s", strerror(-file.status));
    g.file = to_stdout ? NULL : &file;
    r = r != CLI_OK ? r : receive(c, target, shown, &g);
    if (r == CLI_OK && !to_stdout && durable_commit(&file) < 0)
        r = cli_fail(CLI_REFUSED, output, "cannot be written: %s", strerror(-file.status));
    durable_done(&file);
    hasher_free(g.hasher);
    return r == CLI_OK ? say(c, shown, output, g.bytes) : r;
}
