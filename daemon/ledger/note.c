/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Checkpoints as signed notes (see note.h). The signed text is everything up to and including the newline before the last
 * empty line.
 */
#include "ledger/note.h"

#include <errno.h>
#include <string.h>

#include "base/encode.h"

#define EM_DASH         "\xE2\x80\x94 " /* U+2014 and a space begin a signature line */
#define SIGNATURE_BYTES 64
#define ID_BYTES        4
#define SIGNATURES_MAX  64

void checkpoint_done(struct checkpoint *c)
{
    free(c->origin);
    *c = (struct checkpoint){0};
}

int checkpoint_sign(const struct signing_key *key, uint64_t size, const struct digest *root, char **ret)
{
    const struct verifier_key *verifier = signing_key_verifier(key);
    _cleanup_free_ char *body = NULL, *root64 = encode_base64(root->bytes, DIGEST_BYTES), *sig64 = NULL;
    uint8_t signature[ID_BYTES + SIGNATURE_BYTES];
    char *out;
    int r;

    if (!root64)
        return -ENOMEM;
    if (asprintf(&body, "%s\n%llu\n%s\n", verifier_key_name(verifier), (unsigned long long)size, root64) <
        0) {
        body = NULL;
        return -ENOMEM;
    }
    memcpy(signature, verifier_key_id(verifier), ID_BYTES);
    r = signing_key_sign(key, body, strlen(body), signature + ID_BYTES);
    if (r < 0)
        return r;
    sig64 = encode_base64(signature, sizeof signature);
    if (!sig64 || asprintf(&out, "%s\n" EM_DASH "%s %s\n", body, verifier_key_name(verifier), sig64) < 0)
        return -ENOMEM;
    *ret = out;
    return 0;
}

int note_parse_number(const char *text, size_t length, uint64_t *ret)
{
    uint64_t n = 0;

    if (length == 0 || length > 19 || (length > 1 && text[0] == '0'))
        return -EINVAL;
    for (size_t i = 0; i < length; i++) {
        if (text[i] < '0' || text[i] > '9')
            return -EINVAL;
        n = n * 10 + (uint64_t)(text[i] - '0');
    }
    if (n > INT64_MAX)
        return -EINVAL;
    *ret = n;
    return 0;
}

int note_parse_hash(const char *text, size_t length, struct digest *ret)
{
    _cleanup_free_ uint8_t *raw = NULL;
    size_t size;
    int r = decode_base64(text, length, &raw, &size);

    if (r < 0)
        return r;
    if (size != DIGEST_BYTES)
        return -EINVAL;
    memcpy(ret->bytes, raw, DIGEST_BYTES);
    return 0;
}

static int refuse(struct error *err, const char *why)
{
    return error_set(err, -EINVAL, "", "not a checkpoint: %s", why);
}

/* Takes one line off the front of *text; the newline is not part of it. false at the end or when no newline is left. */
static bool next_line(const char **text, size_t *left, const char **ret_line, size_t *ret_length)
{
    const char *end = *left > 0 ? memchr(*text, '\n', *left) : NULL;

    if (!end)
        return false;
    *ret_line = *text;
    *ret_length = (size_t)(end - *text);
    *left -= *ret_length + 1;
    *text = end + 1;
    return true;
}

static int parse_body(const char *text, size_t size, struct checkpoint *c, struct error *err)
{
    const char *line;
    size_t length;
    int r;

    if (!next_line(&text, &size, &line, &length) || length == 0)
        return refuse(err, "its first line must name the log");
    c->origin = strndup(line, length);
    if (!c->origin)
        return error_errno(err, -ENOMEM, "", "cannot read the checkpoint");
    if (!next_line(&text, &size, &line, &length) || note_parse_number(line, length, &c->size) < 0)
        return refuse(err, "its second line must be the number of leaves, without leading zeros");
    if (!next_line(&text, &size, &line, &length))
        return refuse(err, "its third line must be the root");
    r = note_parse_hash(line, length, &c->root);
    if (r == -ENOMEM)
        return error_errno(err, r, "", "cannot read the checkpoint");
    if (r < 0)
        return refuse(err, "its third line must be the root, 32 bytes in base64");
    return size == 0 ? 0 : refuse(err, "more lines follow the root, where the signatures should be");
}

/* One signature line. Return: 1 = by key and good, 0 = by somebody else, negative = refused. */
static int check_signature(const char *line, size_t length, const char *body, size_t body_size,
                           const struct verifier_key *key, struct error *err)
{
    const size_t dash = strlen(EM_DASH);
    _cleanup_free_ uint8_t *raw = NULL;
    const char *name = line + dash, *space;
    size_t name_length, raw_size;
    int r;

    if (length < dash || memcmp(line, EM_DASH, dash) != 0)
        return refuse(err, "a signature line must begin with an em dash and a space");
    space = memchr(name, ' ', length - dash);
    if (!space || !key_name_is_valid(name, (size_t)(space - name)))
        return refuse(err, "a signature line must have a key name and a signature");
    name_length = (size_t)(space - name);
    r = decode_base64(space + 1, length - dash - name_length - 1, &raw, &raw_size);
    if (r == -ENOMEM)
        return error_errno(err, r, "", "cannot read the checkpoint");
    if (r < 0 || raw_size <= ID_BYTES)
        return refuse(err, "a signature is not base64 of a key id and a signature");
    if (name_length != strlen(verifier_key_name(key)) ||
        memcmp(name, verifier_key_name(key), name_length) != 0 ||
        memcmp(raw, verifier_key_id(key), ID_BYTES) != 0)
        return 0;
    if (raw_size != ID_BYTES + SIGNATURE_BYTES || !verifier_key_check(key, body, body_size, raw + ID_BYTES))
        return error_set(err, -EBADMSG, "",
                         "the checkpoint's signature by %s is wrong: it was changed after signing",
                         verifier_key_name(key));
    return 1;
}

static int check_signatures(const char *text, size_t size, const char *body, size_t body_size,
                            const struct verifier_key *key, struct error *err)
{
    const char *line;
    size_t length;
    int n = 0, good = 0;

    while (size > 0) {
        int r;
        if (!next_line(&text, &size, &line, &length))
            return refuse(err, "its last line does not end");
        if (++n > SIGNATURES_MAX)
            return refuse(err, "too many signatures");
        r = check_signature(line, length, body, body_size, key, err);
        if (r < 0)
            return r;
        good += r;
    }
    if (n == 0)
        return refuse(err, "it has no signature");
    if (good == 0)
        return error_set(err, -ENOKEY, "", "the checkpoint is not signed by this key (%s)",
                         verifier_key_text(key));
    return 0;
}

static bool has_control_characters(const char *text, size_t size)
{
    for (size_t i = 0; i < size; i++)
        if (((unsigned char)text[i] < 0x20 && text[i] != '\n') || text[i] == 0x7F)
            return true;
    return false;
}

int checkpoint_parse(const char *text, size_t size, const struct verifier_key *key, struct checkpoint *ret,
                     struct error *err)
{
    _cleanup_(checkpoint_done) struct checkpoint c = {0};
    const char *gap = NULL;
    size_t body_size;
    int r;

    if (size > NOTE_MAX)
        return refuse(err, "it is too large");
    if (!utf8_is_valid(text, size) || has_control_characters(text, size))
        return refuse(err, "it must be UTF-8 text without control characters");
    for (const char *p = text; size > 0 && (p = memmem(p, size - (size_t)(p - text), "\n\n", 2)); p++)
        gap = p;
    if (!gap)
        return refuse(err, "no empty line stands between the text and the signatures");
    body_size = (size_t)(gap - text) + 1;
    r = parse_body(text, body_size, &c, err);
    if (r < 0)
        return r;
    r = check_signatures(gap + 2, size - body_size - 1, text, body_size, key, err);
    if (r < 0)
        return r;
    if (strcmp(c.origin, verifier_key_name(key)) != 0)
        return error_set(err, -EBADMSG, "", "the checkpoint is of the log %s, the key is of %s", c.origin,
                         verifier_key_name(key));
    *ret = c;
    c.origin = NULL;
    return 0;
}
