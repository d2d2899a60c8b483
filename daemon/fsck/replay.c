/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Replaying the ledger (see replay.h).
 */
#include "fsck/replay.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "base/fd.h"
#include "catalogue/act.h"

#define PORTION 2000

int replay_open_ledger(const char *archive, struct verifier_key **ret_key, struct ledger **ret,
                       struct error *err)
{
    _cleanup_(verifier_key_freep) struct verifier_key *key = NULL;
    _cleanup_free_ char *path = NULL, *pub = NULL, *text = NULL;
    int r;

    if (asprintf(&path, "%s/ledger", archive) < 0 || asprintf(&pub, "%s/ledger/ledger.pub", archive) < 0)
        return -ENOMEM;
    r = fd_read_file_at(AT_FDCWD, pub, 4096, &text, NULL);
    if (r < 0)
        return error_errno(err, r, pub, "the ledger's public key cannot be read");
    text[strcspn(text, "\r\n")] = 0;
    r = verifier_key_parse(text, &key, err);
    r = r < 0 ? r : ledger_open(path, NULL, key, ret, err);
    if (r < 0)
        return r;
    *ret_key = TAKE_PTR(key);
    return 0;
}

int replay_entry(struct replay *r, const char *data, size_t size, struct error *err)
{
    _cleanup_json_ json_t *root = NULL;
    struct act act;
    int q = 0;

    if (r->done % PORTION == 0)
        q = db_begin(r->db, err);
    q = q != 0 ? q : act_decode(data, size, &act, &root, err);
    q = q != 0 ? q : act_apply(r->db, r->done, &act, err);
    if (q != 0) {
        error_prefix(err, "leaf %llu", (unsigned long long)r->done);
        return q;
    }
    r->done++;
    if (r->done % PORTION == 0) {
        q = db_commit(r->db, err);
        if (r->on_progress)
            r->on_progress(r->userdata, "replaying the ledger", r->done);
    }
    return q;
}

struct each {
    struct replay *r;
    struct error *err;
};

static int on_entry(void *userdata, uint64_t index, const char *data, size_t size)
{
    struct each *e = userdata;

    return replay_entry(e->r, data, size, e->err);
}

int replay_ledger(struct replay *r, struct ledger *ledger, uint64_t end, struct error *err)
{
    struct each e = {r, err};

    return end > r->done ? ledger_each_entry(ledger, r->done, end - r->done, on_entry, &e, err) : 0;
}

int replay_finish(struct replay *r, struct error *err)
{
    return r->done % PORTION ? db_commit(r->db, err) : 0;
}
