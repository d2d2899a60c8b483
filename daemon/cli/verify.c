/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Receipts and keys: fetching them from the daemon, and verifying a receipt offline. Verifying trusts nothing but the public key
 * that the caller names.
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
#include "ledger/key.h"
#include "ledger/receipt.h"

/* Writes text to the file that --output names (durable, replaced whole) or to standard output. */
static int deliver(const char *output, const char *text)
{
    int r;

    if (!output || strcmp(output, "-") == 0) {
        fputs(text, stdout);
        return CLI_OK;
    }
    r = durable_write_file(AT_FDCWD, output, 0644, text, strlen(text));
    return r < 0 ? cli_fail(CLI_REFUSED, output, "cannot be written: %s", strerror(-r)) : CLI_OK;
}

/* The same for a JSON answer. */
static int deliver_json(const char *output, const json_t *value)
{
    _cleanup_free_ char *text = NULL, *line = NULL;

    if (json_canonical(value, &text) < 0 || asprintf(&line, "%s\n", text) < 0)
        return cli_fail(CLI_BUSY, "", "out of memory");
    return deliver(output, line);
}

int cli_receipt(struct cli *c, int argc, char **argv)
{
    _cleanup_free_ char *target = client_target("/v1/recordings/", argv[0], "/receipt");
    _cleanup_json_ json_t *answer = NULL;
    _cleanup_free_ char *text = NULL;
    int r = cli_ask_text(c, target, &text);

    if (r != CLI_OK)
        return r;
    if (!c->json)
        return deliver(cli_option(c, "output"), text);
    answer = json_object();
    if (json_set_string(answer, "receipt", text) < 0)
        return cli_fail(CLI_REFUSED, argv[0], "the daemon's answer is no receipt");
    return deliver_json(cli_option(c, "output"), answer);
}

int cli_key(struct cli *c, int argc, char **argv)
{
    _cleanup_json_ json_t *answer = NULL;
    _cleanup_free_ char *line = NULL;
    int r = cli_ask(c, "GET", "/v1/ledger/key", NULL, &answer);

    if (r != CLI_OK || c->json)
        return r == CLI_OK ? deliver_json(cli_option(c, "output"), answer) : r;
    if (asprintf(&line, "%s\n", json_get_string(answer, "key") ? json_get_string(answer, "key") : "") < 0)
        return cli_fail(CLI_BUSY, "", "out of memory");
    return deliver(cli_option(c, "output"), line);
}

/* ---- verify -------------------------------------------------------------------------------------------------------------- */

static int load_key(const char *given, struct verifier_key **ret)
{
    _cleanup_free_ char *text = NULL;
    struct error err = ERROR_INIT;
    int r;

    if (!given)
        return cli_fail(CLI_USAGE, "--key",
                        "is missing; give the site's public key (ledger/ledger.pub of the archive, or what "
                        "`liuhen key` prints)");
    r = fd_read_file_at(AT_FDCWD, given, 64 * 1024, &text, NULL);
    if (r < 0 && !strchr(given, '+'))
        return cli_fail(r == -ENOENT ? CLI_MISSING : CLI_REFUSED, given, "cannot be read as a key: %s",
                        strerror(-r));
    if (r < 0)
        text = strdup(given);
    if (!text)
        return cli_fail(CLI_BUSY, "", "out of memory");
    text[strcspn(text, "\r\n")] = '\0';
    if (verifier_key_parse(text, ret, &err) < 0)
        return cli_fail(CLI_REFUSED, given, "%s", err.text);
    return CLI_OK;
}

/* What is found out, for people and for --json. */
struct finding {
    struct receipt receipt;
    json_t *act; /* the entry as JSON; NULL when it is none */
    json_t *files;
    bool all_match;
};

static void finding_done(struct finding *f)
{
    receipt_done(&f->receipt);
    json_decref(f->act);
    json_decref(f->files);
}

static void say_receipt(const struct finding *f, const struct verifier_key *key)
{
    const json_t *facts = json_get_object(f->act, "facts");
    const char *kind = json_get_string(f->act, "kind"), *name = json_get_string(facts, "name");
    char hex[9], when[CALENDAR_TEXT_SIZE], size[PRINT_SIZE_SIZE];
    _cleanup_free_ char *text = NULL, *safe = NULL;

    encode_hex(verifier_key_id(key), 4, hex);
    printf("%sGenuine.%s Signed by %s with key %s; leaf %llu of %llu in its ledger.\n",
           colour_on(COLOUR_GREEN), colour_off(), f->receipt.origin, hex,
           (unsigned long long)f->receipt.index, (unsigned long long)f->receipt.size);
    calendar_format_utc(json_get_integer(f->act, "time", 0), when);
    if (kind && strcmp(kind, "recording.sealed") == 0) {
        if (asprintf(&text, "It proves that recording %s (\"%s\", %s, SHA-256 %s) was sealed at %s by %s.",
                     json_get_string(f->act, "subject"), name ? name : "-",
                     print_size(json_get_integer(facts, "bytes", 0), size), json_get_string(facts, "digest"),
                     when, json_get_string(f->act, "actor")) < 0)
            text = NULL;
    } else if (asprintf(&text, "It proves that the act %s about %s was recorded at %s by %s.",
                        kind ? kind : "(unreadable)",
                        json_get_string(f->act, "subject") ? json_get_string(f->act, "subject") : "-", when,
                        json_get_string(f->act, "actor") ? json_get_string(f->act, "actor") : "-") < 0) {
        text = NULL;
    }
    safe = print_safe(text);
    print_wrapped(0, "", safe);
}

/* Digests a file and compares. Return: CLI_OK also when it differs. */
static int check_file(struct finding *f, const char *path, bool quiet)
{
    const json_t *facts = json_get_object(f->act, "facts");
    const char *expected = json_get_string(facts, "digest"), *sm3 = json_get_string(facts, "sm3");
    _cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    _cleanup_free_ char *safe = print_safe(path), *encoded = encode_percent(path, strlen(path));
    char hex[DIGEST_HEX_SIZE], sm3_hex[DIGEST_HEX_SIZE];
    struct digest_pair d;
    uint64_t bytes;
    bool match;
    json_t *row;
    int r = fd < 0 ? -errno : digest_of_fd(fd, sm3 != NULL, NULL, NULL, &d, &bytes);

    if (r < 0)
        return cli_fail(r == -ENOENT ? CLI_MISSING : CLI_REFUSED, path, "cannot be read: %s", strerror(-r));
    digest_to_hex(&d.sha256, hex);
    encode_hex(d.sm3, sm3 ? DIGEST_BYTES : 0, sm3_hex);
    match = strcmp(hex, expected) == 0 && (!sm3 || strcmp(sm3_hex, sm3) == 0);
    f->all_match = f->all_match && match;
    row = json_object();
    if (!encoded || json_set_string(row, "file", encoded) < 0 || json_set_string(row, "sha256", hex) < 0 ||
        json_set_bool(row, "match", match) < 0 || json_array_append_new(f->files, row) < 0)
        return cli_fail(CLI_BUSY, "", "out of memory");
    if (!quiet && match)
        printf("%sThe same bytes:%s %s is that recording; not one bit differs.\n", colour_on(COLOUR_GREEN),
               colour_off(), safe);
    else if (!quiet)
        printf("%sNOT the same:%s %s (%llu bytes) has SHA-256 %s.\n", colour_on(COLOUR_RED), colour_off(),
               safe, (unsigned long long)bytes, hex);
    return CLI_OK;
}

static int print_finding(const struct finding *f, const struct verifier_key *key)
{
    char root[DIGEST_HEX_SIZE];
    _cleanup_json_ json_t *o = json_object();
    int r;

    digest_to_hex(&f->receipt.root, root);
    r = json_set_bool(o, "verified", f->all_match);
    r = r != 0 ? r : json_set_string(o, "origin", f->receipt.origin);
    r = r != 0 ? r : json_set_string(o, "key", verifier_key_text(key));
    r = r != 0 ? r : json_set_integer(o, "index", (int64_t)f->receipt.index);
    r = r != 0 ? r : json_set_integer(o, "size", (int64_t)f->receipt.size);
    r = r != 0 ? r : json_set_string(o, "root", root);
    r = r != 0 ? r : json_set_take(o, "files", json_incref(f->files));
    if (r == 0 && f->act)
        r = json_set_take(o, "act", json_incref(f->act));
    return r != 0 ? cli_fail(CLI_BUSY, "", "out of memory") : cli_print_json(o);
}

/* The receipt does not verify: an answer, not a mishap. */
static int not_genuine(const struct cli *c, const char *path, int code, const struct error *err)
{
    if (code != -EINVAL && code != -EBADMSG && code != -ENOKEY)
        return cli_fail(CLI_REFUSED, path, "%s", *err->text ? err->text : strerror(-code));
    if (c->json) {
        _cleanup_json_ json_t *o = json_object();
        if (json_set_bool(o, "verified", false) == 0 && json_set_string(o, "why", err->text) == 0)
            cli_print_json(o);
    }
    return cli_fail(CLI_NO, path, "NOT verified: %s", err->text);
}

int cli_verify(struct cli *c, int argc, char **argv)
{
    _cleanup_(verifier_key_freep) struct verifier_key *key = NULL;
    _cleanup_(finding_done) struct finding f = {.all_match = true};
    _cleanup_free_ char *text = NULL;
    struct error err = ERROR_INIT;
    const char *kind;
    size_t size;
    int r = load_key(cli_option(c, "key"), &key);

    if (r != CLI_OK)
        return r;
    r = fd_read_file_at(AT_FDCWD, argv[0], RECEIPT_MAX, &text, &size);
    if (r < 0)
        return cli_fail(r == -ENOENT ? CLI_MISSING : CLI_REFUSED, argv[0], "cannot be read as a receipt: %s",
                        strerror(-r));
    r = receipt_verify(text, size, key, &f.receipt, &err);
    if (r < 0)
        return not_genuine(c, argv[0], r, &err);
    if (json_parse(f.receipt.entry, f.receipt.entry_size, "entry", &f.act, NULL) < 0)
        f.act = NULL;
    f.files = json_array();
    if (!c->json)
        say_receipt(&f, key);
    kind = json_get_string(f.act, "kind");
    if (argc > 1 && (!kind || strcmp(kind, "recording.sealed") != 0 ||
                     !json_get_string(json_get_object(f.act, "facts"), "digest")))
        return cli_fail(CLI_REFUSED, argv[0],
                        "is about no file's seal, so there is nothing to compare files with");
    for (int i = 1; i < argc; i++) {
        r = check_file(&f, argv[i], c->json);
        if (r != CLI_OK)
            return r;
    }
    r = c->json ? print_finding(&f, key) : CLI_OK;
    return r != CLI_OK ? r : f.all_match ? CLI_OK : CLI_NO;
}
