/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Keeping the policy in force (see policy-keeper.h). Invariant 7 is kept twice: every recording is compared through a read
 * connection in portions, so that intake goes on meanwhile; and inside the transaction that adopts, what was touched since the
 * comparison began is compared again. Deciding anew resumes by itself after a crash: it looks for decisions of other versions.
 */
#include "cases/policy-keeper.h"

#include <errno.h>
#include <pthread.h>
#include <string.h>

#include "base/encode.h"
#include "base/log.h"
#include "cases/decide.h"
#include "catalogue/deciding.h"
#include "catalogue/ids.h"
#include "catalogue/recordings.h"
#include "catalogue/schema.h"

#define COMPARE_AT_ONCE 1000
#define DECIDE_AT_ONCE  500
#define SHOWN_MAX       3           /* ids named in a refusal */
#define TEXT_MAX        (48 * 1024) /* of a policy inside an act */

enum {
    KEEPER_E_SHORTENS = 1301, /* the new policy would keep something less long */
};

/* A policy that is or was in force. */
struct kept {
    struct kept *next;
    struct policy *policy;
};

struct policy_keeper {
    struct writer *writer;
    char *dsn;
    pthread_mutex_t lock;    /* current, all, trouble */
    pthread_mutex_t reloads; /* one at a time */
    const struct policy *current;
    struct kept *all;
    char trouble[800];
};

/* What a comparison found. */
struct shortened {
    uint64_t n;
    char shown[SHOWN_MAX][ULID_LENGTH + 1];
};

struct policy_keeper *policy_keeper_free(struct policy_keeper *k)
{
    if (!k)
        return NULL;
    for (struct kept *x = k->all, *next; x; x = next) {
        next = x->next;
        policy_free(x->policy);
        free(x);
    }
    pthread_mutex_destroy(&k->lock);
    pthread_mutex_destroy(&k->reloads);
    free(k->dsn);
    free(k);
    return NULL;
}

const struct policy *policy_keeper_current(struct policy_keeper *k)
{
    const struct policy *p;

    pthread_mutex_lock(&k->lock);
    p = k->current;
    pthread_mutex_unlock(&k->lock);
    return p;
}

void policy_keeper_trouble(struct policy_keeper *k, char *buf, size_t size)
{
    pthread_mutex_lock(&k->lock);
    snprintf(buf, size, "%s", k->trouble);
    utf8_repair(buf, size);
    pthread_mutex_unlock(&k->lock);
}

static void set_trouble(struct policy_keeper *k, const char *text)
{
    pthread_mutex_lock(&k->lock);
    snprintf(k->trouble, sizeof k->trouble, "%s", text);
    utf8_repair(k->trouble, sizeof k->trouble);
    pthread_mutex_unlock(&k->lock);
}

/* Takes the policy and makes it the one in force. */
static int install(struct policy_keeper *k, struct policy *policy)
{
    struct kept *x = calloc(1, sizeof *x);

    if (!x) {
        policy_free(policy);
        return -ENOMEM;
    }
    x->policy = policy;
    pthread_mutex_lock(&k->lock);
    x->next = k->all;
    k->all = x;
    k->current = policy;
    pthread_mutex_unlock(&k->lock);
    return 0;
}

/* ---- reading a policy text ---- */

struct faults {
    unsigned n;
    char first[600];
};

static void on_fault(void *userdata, const struct error *fault)
{
    struct faults *f = userdata;

    if (f->n++ == 0)
        error_format(fault, f->first, sizeof f->first);
}

/* Parses; a faulty text gives -EINVAL with its first fault in err. */
static int parse(const char *text, size_t size, const char *file, struct policy **ret, struct error *err)
{
    struct faults faults = {0};
    int r = policy_parse(text, size, file, on_fault, &faults, ret);

    if (r != -EINVAL)
        return r;
    if (faults.n > 1)
        return error_set(err, r, "", "%s (and %u more faults)", faults.first, faults.n - 1);
    return error_set(err, r, "", "%s", faults.n ? faults.first : "the policy is faulty");
}

static int load_in_force(struct policy_keeper *k, struct error *err)
{
    _cleanup_(db_closep) struct db *db = NULL;
    _cleanup_free_ char *version = NULL, *text = NULL;
    struct policy *policy;
    int r = catalogue_open(k->dsn, DB_READ, &db, err);

    r = r != 0 ? r : policy_in_force(db, &version, &text, err);
    if (r != 0 || !text)
        return r;
    r = parse(text, strlen(text), version, &policy, err);
    if (r == -EINVAL) {
        error_prefix(
            err,
            "the policy in force, version %s, is not understood by this program; use the one that adopted it",
            version);
        return -EPROTO;
    }
    return r < 0 ? r : install(k, policy);
}

/* ---- comparing ---- */

/* Compares the decisions of both policies on a list of recordings. */
static int compare_list(struct db *db, const struct policy *old, const struct policy *new,
                        const struct recording_ids *list, struct shortened *s, struct error *err)
{
    struct decision a, b;
    int r = 0;

    for (size_t i = 0; r == 0 && i < list->n; i++) {
        _cleanup_(deciding_done) struct deciding known = {0};

        r = deciding_read(db, &list->ids[i], &known, err);
        if (r == RECORDINGS_E_NONE) {
            r = 0;
            continue;
        }
        r = r != 0 ? r : decide_known(&known, old, &a);
        r = r != 0 ? r : decide_known(&known, new, &b);
        if (r == 0 && policy_compare_terms(b.ending, b.until_usec, a.ending, a.until_usec) < 0) {
            if (s->n < SHOWN_MAX)
                memcpy(s->shown[s->n], list->ids[i].text, sizeof s->shown[0]);
            s->n++;
        }
    }
    return r;
}

static int refuse_shortening(const struct shortened *s, const struct policy *old, struct error *err)
{
    char ids[SHOWN_MAX * (ULID_LENGTH + 2) + 1] = "";
    size_t n = 0;

    for (size_t i = 0; i < MIN(s->n, SHOWN_MAX); i++)
        n += (size_t)snprintf(ids + n, sizeof ids - n, "%s%s", i ? ", " : "", s->shown[i]);
    return error_set(
        err, KEEPER_E_SHORTENS, "",
        "it would keep %llu recording%s less long than version %s does (%s%s); right would be a policy that "
        "keeps each at least as long",
        (unsigned long long)s->n, s->n == 1 ? "" : "s", policy_version(old), ids,
        s->n > SHOWN_MAX ? ", …" : "");
}

/* Compares every recording. *ret_first: acts from this index on were not seen. */
static int compare_all(struct policy_keeper *k, const struct policy *old, const struct policy *new,
                       int64_t *ret_first, struct error *err)
{
    _cleanup_(db_closep) struct db *db = NULL;
    struct shortened s = {0};
    char after[ULID_LENGTH + 1] = "";
    size_t n = COMPARE_AT_ONCE;
    int r = catalogue_open(k->dsn, DB_READ, &db, err);

    r = r != 0 ? r : acts_next_index(db, ret_first, err);
    while (r == 0 && n == COMPARE_AT_ONCE) {
        _cleanup_ids_ struct recording_ids list = RECORDING_IDS_INIT;

        if (writer_is_stopping(k->writer))
            return error_set(err, -ECANCELED, "", "the daemon is stopping");
        r = ids_after(db, after, COMPARE_AT_ONCE, &list, err);
        n = list.n;
        if (r == 0 && n > 0) {
            memcpy(after, list.ids[n - 1].text, sizeof after);
            r = compare_list(db, old, new, &list, &s, err);
        }
    }
    return r == 0 && s.n > 0 ? refuse_shortening(&s, old, err) : r;
}

/* ---- adopting ---- */

struct adoption {
    const struct policy *old; /* NULL: the first */
    const struct policy *new;
    const char *text, *note;
    size_t size;
    int64_t first; /* acts from here on are compared inside the transaction */
};

static int adopt(struct txn *t, void *userdata, struct error *err)
{
    const struct adoption *a = userdata;
    _cleanup_ids_ struct recording_ids touched = RECORDING_IDS_INIT;
    struct shortened s = {0};
    struct digest digest;
    char hex[DIGEST_HEX_SIZE];
    int r = a->old ? ids_touched_since(txn_db(t), a->first, &touched, err) : 0;

    if (r == 0 && a->old)
        r = compare_list(txn_db(t), a->old, a->new, &touched, &s, err);
    if (r == 0 && s.n > 0)
        r = refuse_shortening(&s, a->old, err);
    if (r != 0)
        return r;
    digest_of(a->text, a->size, &digest);
    digest_to_hex(&digest, hex);
    return txn_act(t, "policy.adopted", "system", policy_name(a->new), 0,
                   json_pack("{s:s, s:s, s:s, s:s}", "version", policy_version(a->new), "digest", hex, "text",
                             a->text, "note", a->note),
                   NULL, err);
}

struct portion {
    const struct policy *policy;
    size_t n, changed;
};

static int decide_portion(struct txn *t, void *userdata, struct error *err)
{
    struct portion *p = userdata;
    _cleanup_ids_ struct recording_ids list = RECORDING_IDS_INIT;
    int r = ids_decided_otherwise(txn_db(t), policy_version(p->policy), DECIDE_AT_ONCE, &list, err);

    p->n = list.n;
    p->changed = 0;
    for (size_t i = 0; r == 0 && i < list.n; i++) {
        bool changed;

        r = decide_recording(t, p->policy, &list.ids[i], &changed, err);
        p->changed += r == 0 && changed;
    }
    return r;
}

/* Decides anew all that another version decided. */
static int decide_all(struct policy_keeper *k, struct error *err)
{
    struct portion p = {policy_keeper_current(k), 0, 0};
    int r;

    do {
        if (writer_is_stopping(k->writer))
            return error_set(err, -ECANCELED, "", "the daemon is stopping");
        r = writer_run(k->writer, true, decide_portion, &p, err);
        if (r == 0 && p.n > 0 && p.changed == 0)
            r = error_set(err, -EPROTO, "", "%zu recordings keep the decision of another policy version",
                          p.n);
    } while (r == 0 && p.n == DECIDE_AT_ONCE);
    return r;
}

/* The comparison goes before; both only where a policy is in force. Takes the policy. */
static int compare_and_adopt(struct policy_keeper *k, struct policy *policy, const char *text, size_t size,
                             struct error *err)
{
    const struct policy *old = policy_keeper_current(k);
    struct adoption a = {old, policy, text, old ? "changed file, shortens nothing" : "first policy", size, 0};
    int r = old ? compare_all(k, old, policy, &a.first, err) : 0;

    r = r != 0 ? r : writer_run(k->writer, true, adopt, &a, err);
    if (r != 0) {
        policy_free(policy);
        return r;
    }
    r = install(k, policy);
    if (r == 0)
        log_event(EVENT_POLICY_ADOPTED, "POLICY", policy_name(policy), "VERSION", policy_version(policy),
                  NULL);
    return r;
}

/* Says why the file is not in force; the version before stays. */
static int refuse(struct policy_keeper *k, const char *file, const struct error *err)
{
    char why[700];

    error_format(err, why, sizeof why);
    set_trouble(k, why);
    log_event(EVENT_POLICY_REFUSED, "POLICY", file, "REASON", why, NULL);
    return 0;
}

/* Whether the file's text is the one in force. */
static bool is_in_force(struct policy_keeper *k, const struct policy *policy)
{
    const struct policy *current = policy_keeper_current(k);

    return current && strcmp(policy_version(current), policy_version(policy)) == 0 &&
           strcmp(policy_name(current), policy_name(policy)) == 0;
}

static int look_at_file(struct policy_keeper *k, const struct settings *settings, struct error *err)
{
    _cleanup_free_ char *text = NULL, *file = NULL;
    const char *name = settings->policy_file ? settings->policy_file : settings->policy;
    bool first = !policy_keeper_current(k);
    struct policy *policy;
    size_t size;
    int r = settings_read_policy(settings, &text, &size, &file, err);

    if (r == 0 && size > TEXT_MAX)
        r = error_set(err, -EINVAL, file,
                      "has %zu bytes; a policy has at most %d, because it goes into the ledger", size,
                      TEXT_MAX);
    r = r < 0 ? r : parse(text, size, file, &policy, err);
    if (r == -ENOMEM || (r < 0 && first))
        return r;
    if (r < 0)
        return refuse(k, name, err);
    if (is_in_force(k, policy)) {
        policy_free(policy);
        set_trouble(k, "");
        return 0;
    }
    r = compare_and_adopt(k, policy, text, size, err);
    if (r == KEEPER_E_SHORTENS || r == -EMSGSIZE || r == ACT_E_REFUSED)
        return first ? -EINVAL : refuse(k, name, err);
    if (r == 0)
        set_trouble(k, "");
    return r;
}

int policy_keeper_reload(struct policy_keeper *k, const struct settings *settings, struct error *err)
{
    int r;

    pthread_mutex_lock(&k->reloads);
    r = look_at_file(k, settings, err);
    r = r != 0 ? r : decide_all(k, err);
    pthread_mutex_unlock(&k->reloads);
    return r;
}

int policy_keeper_new(struct writer *writer, const char *dsn, const struct settings *settings,
                      struct policy_keeper **ret, struct error *err)
{
    _cleanup_(policy_keeper_freep) struct policy_keeper *k = calloc(1, sizeof *k);
    int r;

    if (!k)
        return -ENOMEM;
    pthread_mutex_init(&k->lock, NULL);
    pthread_mutex_init(&k->reloads, NULL);
    k->writer = writer;
    k->dsn = strdup(dsn);
    if (!k->dsn)
        return -ENOMEM;
    r = load_in_force(k, err);
    r = r != 0 ? r : policy_keeper_reload(k, settings, err);
    if (r == 0)
        *ret = TAKE_PTR(k);
    return r;
}
