/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * What a docking station asks the site before it begins: whose receipts count, the cameras' zone, the time, and whether cards may be
 * wiped. The site's key is pinned at the first use: from then on another key is never accepted, whatever the server says.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/json.h"
#include "cli/cli.h"
#include "cli/dock-receipt.h"
#include "cli/dock.h"

#define KEY_FILE_MAX (64u * 1024)

/* One question; *ret is NULL where the server does not know the path. */
static int ask_over(struct dock *d, struct transfer *t, const char *target, json_t **ret,
                    unsigned *ret_status, int64_t *ret_retry, struct error *err)
{
    _cleanup_(transfer_answer_done) struct transfer_answer a = {0};
    struct transfer_request q = {.method = "GET", .target = target};
    int r;

    *ret = NULL;
    *ret_retry = -1;
    r = transfer_do(t, &q, &a, err);
    if (r != 0)
        return r;
    *ret_status = a.status;
    *ret_retry = a.retry_seconds;
    if (a.status == 200 && (json_parse(a.text, a.size, target, ret, NULL) < 0 || !json_is_object(*ret)))
        return error_set(err, -EPROTO, d->site.server, "its answer to %s is not what a Liuhen server says",
                         target);
    return 0;
}

static int ask(struct dock *d, const char *target, json_t **ret, unsigned *ret_status, int64_t *ret_retry,
               struct error *err)
{
    _cleanup_(transfer_freep) struct transfer *t = NULL;
    int r = transfer_new(&d->site, &t);

    return r < 0 ? r : ask_over(d, t, target, ret, ret_status, ret_retry, err);
}

/* Asks until there is an answer, or once. Return: enum exit_code. */
static int ask_patiently(struct dock *d, const char *target, json_t **ret, unsigned *ret_status)
{
    for (unsigned n = 0;; n++) {
        struct error err = ERROR_INIT;
        int64_t retry = -1;
        int r = ask(d, target, ret, ret_status, &retry, &err);
        bool later = r == TRANSFER_E_UNREACHABLE || r == TRANSFER_E_BROKEN ||
                     (r == 0 && dock_judge(DOCK_RECEIPT, *ret_status) == NEXT_WAIT);

        if (r == 0 && !later)
            return CLI_OK;
        if (r == 0)
            error_set(&err, CLI_BUSY, d->site.server, "it is busy (status %u)", *ret_status);
        if (r < 0)
            return cli_fail(CLI_REFUSED, err.object, "%s", *err.text ? err.text : strerror(-r));
        if (r == TRANSFER_E_TRUST)
            return cli_fail(CLI_DENIED, err.object, "%s", err.text);
        if (d->once || !later)
            return cli_fail(r == 0 ? CLI_BUSY : CLI_UNREACHABLE, err.object, "%s", err.text);
        if (n == 0)
            dock_show_note(d, "waiting", err.object, "%s", err.text);
        if (!dock_sleep(d, dock_wait_seconds(n, retry)))
            return cli_fail(CLI_UNREACHABLE, err.object, "stopped; %s", err.text);
    }
}

static int refused(const struct dock *d, const char *target, unsigned status)
{
    switch (status) {
    case 401:
        return cli_fail(
            CLI_DENIED, d->site.server,
            "it does not know this station: the token or certificate is wrong or was revoked (status 401)");
    case 403:
        return cli_fail(CLI_DENIED, d->site.server, "it does not let this station in (status 403)");
    default:
        return cli_fail(CLI_REFUSED, d->site.server, "it answers %s with status %u; is it a Liuhen server?",
                        target, status);
    }
}

/* ---- the key ------------------------------------------------------------------------------------------------------------- */

static int use_key(struct dock *d, const char *text, const char *object)
{
    struct error err = ERROR_INIT;

    return verifier_key_parse(text, &d->key, &err) < 0 ? cli_fail(CLI_REFUSED, object, "%s", err.text)
                                                       : CLI_OK;
}

static int key_from_file(struct dock *d)
{
    _cleanup_free_ char *text = NULL;
    int r = fd_read_file_at(AT_FDCWD, d->config->key_file, KEY_FILE_MAX, &text, NULL);

    if (r < 0)
        return cli_fail(r == -ENOENT ? CLI_MISSING : CLI_REFUSED, d->config->key_file,
                        "cannot be read as a key: %s", strerror(-r));
    text[strcspn(text, "\r\n")] = '\0';
    return use_key(d, text, d->config->key_file);
}

static int key_changed(const struct dock *d, const char *server_key)
{
    _cleanup_(verifier_key_freep) struct verifier_key *other = NULL;
    struct error err = ERROR_INIT;

    if (verifier_key_parse(server_key, &other, &err) == 0 &&
        strcmp(verifier_key_text(other), verifier_key_text(d->key)) == 0)
        return CLI_OK;
    return cli_fail(CLI_NO, d->site.server,
                    "the server names another ledger key than %s: nothing is sent and nothing is wiped. If "
                    "the site really has a "
                    "new key, put it in place of the old one by hand",
                    *d->config->key_file ? d->config->key_file
                                         : "the one that was pinned (site.key in the state folder)");
}

static int pin(struct dock *d, const char *server_key)
{
    int r = use_key(d, server_key, d->site.server);

    if (r != CLI_OK)
        return r;
    r = dock_state_pin_key(&d->state, verifier_key_text(d->key));
    if (r == 0)
        dock_show_note(d, "pinned", d->site.server,
                       "its key is %s from now on; compare it with `liuhen key` there",
                       verifier_key_text(d->key));
    if (r == 0 || r == -EEXIST)
        return CLI_OK;
    return cli_fail(CLI_BUSY, d->state.path, "the site's key cannot be kept: %s", strerror(-r));
}

static int learn_key(struct dock *d, const char *server_key)
{
    _cleanup_free_ char *pinned = NULL;
    int r;

    if (*d->config->key_file) {
        r = key_from_file(d);
        return r == CLI_OK ? key_changed(d, server_key) : r;
    }
    r = dock_state_load_key(&d->state, &pinned);
    if (r == -ENOENT) {
        r = pin(d, server_key);
        if (r != CLI_OK)
            return r;
        /* another run may have been faster: what is pinned counts */
        d->key = verifier_key_free(d->key);
        r = dock_state_load_key(&d->state, &pinned);
    }
    if (r < 0)
        return cli_fail(CLI_BUSY, d->state.path, "the pinned key of the site (site.key) cannot be read: %s",
                        strerror(-r));
    r = use_key(d, pinned, "site.key");
    return r == CLI_OK ? key_changed(d, server_key) : r;
}

/* ---- all of it ----------------------------------------------------------------------------------------------------------- */

int dock_site_open(struct dock *d)
{
    _cleanup_json_ json_t *key = NULL, *policy = NULL;
    const char *text, *zone;
    unsigned status = 0;
    const int64_t began = clock_monotonic_usec();
    int r = ask_patiently(d, "/v1/ledger/key", &key, &status);

    if (r != CLI_OK)
        return r;
    text = json_get_string(key, "key");
    if (status != 200 || !text)
        return refused(d, "/v1/ledger/key", status);
    r = learn_key(d, text);
    r = r != CLI_OK ? r : ask_patiently(d, "/v1/dock-policy", &policy, &status);
    if (r != CLI_OK)
        return r;
    if (status != 200)
        return refused(d, "/v1/dock-policy", status);
    zone = json_get_string(policy, "zone");
    d->zone = zone ? strdup(zone) : NULL;
    d->ahead_usec = json_get_integer(policy, "time", clock_now_usec()) - clock_now_usec();
    /* however long the site was waited for, and whatever was done to this machine's clock meanwhile */
    d->plug_usec = clock_now_usec() + d->ahead_usec - (clock_monotonic_usec() - began);
    return CLI_OK;
}

int dock_site_may_wipe(struct dock *d, struct error *err)
{
    _cleanup_json_ json_t *policy = NULL;
    unsigned status = 0;
    int64_t retry;
    int r = ask(d, "/v1/dock-policy", &policy, &status, &retry, err);

    if (r == 0 && status != 200)
        r = error_set(err, -EPROTO, d->site.server, "it does not say whether cards may be wiped (status %u)",
                      status);
    return r != 0 ? r : json_get_bool(policy, "wipe", false);
}

int dock_site_has(struct dock *d, struct transfer *t, const struct digest *sha256, uint64_t bytes,
                  struct error *err)
{
    _cleanup_json_ json_t *answer = NULL;
    char hex[DIGEST_HEX_SIZE], target[DIGEST_HEX_SIZE + 32], recording[ULID_LENGTH + 1];
    const char *receipt;
    unsigned status = 0;
    int64_t retry;
    int r;

    digest_to_hex(sha256, hex);
    snprintf(target, sizeof target, "/v1/receipts/%s", hex);
    r = ask_over(d, t, target, &answer, &status, &retry, err);
    if (r != 0)
        return r;
    receipt = json_get_string(answer, "receipt");
    if (!receipt)
        return error_set(err, -ENOENT, "", "the site does not say that it still has it (status %u)", status);
    return dock_receipt_check(receipt, strlen(receipt), d->key, sha256, bytes, recording, err);
}
