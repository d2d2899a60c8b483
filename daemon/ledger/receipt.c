/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Receipts (see receipt.h). Form:
 *   c2sp.org/tlog-proof@v1 · extra <base64 of the entry> · index <n> · one base64 hash a line · empty line · checkpoint
 */
#include "ledger/receipt.h"

#include <errno.h>
#include <string.h>

#include "base/encode.h"
#include "ledger/key.h"
#include "ledger/merkle.h"
#include "ledger/note.h"

#define MAGIC "c2sp.org/tlog-proof@v1\n"

void receipt_done(struct receipt *r)
{
    free(r->entry);
    free(r->origin);
    *r = (struct receipt){0};
}

int receipt_make(uint64_t index, const void *entry, size_t entry_size, const struct digest *proof, size_t n,
                 const char *checkpoint, char **ret)
{
    _cleanup_free_ char *extra = encode_base64(entry, entry_size), *text = NULL;
    size_t size;
    FILE *f = open_memstream(&text, &size);
    bool failed = !extra;

    if (!f)
        return -ENOMEM;
    fprintf(f, MAGIC "extra %s\nindex %llu\n", extra ? extra : "", (unsigned long long)index);
    for (size_t i = 0; i < n; i++) {
        _cleanup_free_ char *hash = encode_base64(proof[i].bytes, DIGEST_BYTES);
        failed = failed || !hash;
        fprintf(f, "%s\n", hash ? hash : "");
    }
    fprintf(f, "\n%s", checkpoint);
    failed = ferror(f) || failed;
    if (fclose(f) != 0 || failed)
        return -ENOMEM;
    *ret = TAKE_PTR(text);
    return 0;
}

static int refuse(struct error *err, const char *why)
{
    return error_set(err, -EINVAL, "", "not a receipt: %s", why);
}

/* The rest of the line at *text after word; NULL when it begins otherwise or does not end. Moves *text behind it. */
static const char *take_line(const char **text, const char *end, const char *word, size_t *ret_length)
{
    const char *start = *text, *newline = memchr(start, '\n', (size_t)(end - start));
    size_t n = strlen(word);

    if (!newline || (size_t)(newline - start) < n || memcmp(start, word, n) != 0)
        return NULL;
    *text = newline + 1;
    *ret_length = (size_t)(newline - start) - n;
    return start + n;
}

static int parse_entry(const char **text, const char *end, struct receipt *ret, struct error *err)
{
    _cleanup_free_ uint8_t *raw = NULL;
    size_t length, size;
    const char *word = take_line(text, end, "extra ", &length);
    int r;

    if (!word)
        return refuse(err, "its second line must be 'extra' and the entry, or it proves nothing by itself");
    r = decode_base64(word, length, &raw, &size);
    if (r == -ENOMEM)
        return error_errno(err, r, "", "cannot read the receipt");
    if (r < 0 || size == 0 || size > MERKLE_ENTRY_MAX)
        return refuse(err, "its entry is not base64 of 1 to 65535 bytes");
    ret->entry = malloc(size + 1);
    if (!ret->entry)
        return error_errno(err, -ENOMEM, "", "cannot read the receipt");
    memcpy(ret->entry, raw, size);
    ret->entry[size] = 0;
    ret->entry_size = size;
    return 0;
}

static int parse_proof(const char **text, const char *end, struct digest proof[MERKLE_PROOF_MAX],
                       size_t *ret_n, struct error *err)
{
    size_t length;

    for (*ret_n = 0;; ++*ret_n) {
        const char *line = take_line(text, end, "", &length);
        int r;
        if (!line)
            return refuse(err, "it ends before its checkpoint");
        if (length == 0)
            return 0;
        if (*ret_n == MERKLE_PROOF_MAX)
            return refuse(err, "its proof is too long");
        r = note_parse_hash(line, length, &proof[*ret_n]);
        if (r == -ENOMEM)
            return error_errno(err, r, "", "cannot read the receipt");
        if (r < 0)
            return refuse(err, "a line of its proof is not a hash in base64");
    }
}

int receipt_verify(const char *text, size_t size, const struct verifier_key *key, struct receipt *ret,
                   struct error *err)
{
    _cleanup_(receipt_done) struct receipt out = {0};
    _cleanup_(checkpoint_done) struct checkpoint checkpoint = {0};
    struct digest proof[MERKLE_PROOF_MAX], leaf;
    const char *end = text + size, *word;
    size_t length, n;
    int r;

    if (size > RECEIPT_MAX)
        return refuse(err, "it is larger than any receipt");
    if (size < strlen(MAGIC) || memcmp(text, MAGIC, strlen(MAGIC)) != 0)
        return refuse(err, "its first line must be c2sp.org/tlog-proof@v1");
    text += strlen(MAGIC);
    r = parse_entry(&text, end, &out, err);
    if (r < 0)
        return r;
    word = take_line(&text, end, "index ", &length);
    if (!word || note_parse_number(word, length, &out.index) < 0)
        return refuse(err, "its third line must be 'index' and the number of its leaf");
    r = parse_proof(&text, end, proof, &n, err);
    if (r < 0)
        return r;
    r = checkpoint_parse(text, (size_t)(end - text), key, &checkpoint, err);
    if (r < 0)
        return r;
    merkle_hash_leaf(out.entry, out.entry_size, &leaf);
    if (!merkle_check_inclusion(out.index, checkpoint.size, &leaf, proof, n, &checkpoint.root))
        return error_set(err, -EBADMSG, "",
                         "the receipt does not prove its entry: entry, index or proof was changed");
    out.size = checkpoint.size;
    out.root = checkpoint.root;
    out.origin = TAKE_PTR(checkpoint.origin);
    *ret = out;
    out = (struct receipt){0};
    return 0;
}
