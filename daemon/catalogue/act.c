/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Acts: encoding and decoding (see act.h); applying is in apply.c.
 */
#include "catalogue/act.h"

#include <errno.h>
#include <string.h>

#include "base/encode.h"
#include "ledger/ledger.h"

int act_encode(const struct act *act, char **ret, size_t *ret_size, struct error *err)
{
    _cleanup_json_ json_t *root = json_object();
    _cleanup_free_ char *text = NULL;
    size_t size;
    int r;

    if (!root)
        return -ENOMEM;
    r = json_set_string(root, "actor", act->actor);
    r = r < 0 ? r : json_set_string(root, "kind", act->kind);
    r = r < 0 ? r : json_set_string(root, "node", act->node);
    r = r < 0 ? r : json_set_string(root, "subject", act->subject);
    r = r < 0 ? r : json_set_integer(root, "time", act->time_usec);
    r = r < 0 ? r : json_set_take(root, "facts", json_incref(act->facts));
    r = r < 0 ? r : json_canonical(root, &text);
    if (r < 0)
        return error_set(err, r, act->kind, "cannot be written down as JSON");
    size = strlen(text);
    if (size > LEDGER_ENTRY_MAX)
        return error_set(err, -EMSGSIZE, act->kind, "takes %zu bytes; a ledger entry has at most %d", size,
                         LEDGER_ENTRY_MAX);
    *ret = TAKE_PTR(text);
    if (ret_size)
        *ret_size = size;
    return 0;
}

int act_decode(const char *entry, size_t size, struct act *ret, json_t **ret_root, struct error *err)
{
    _cleanup_json_ json_t *root = NULL;
    struct act act;
    int r = json_parse(entry, size, "ledger entry", &root, err);

    if (r < 0)
        return r;
    act = (struct act){
        .kind = json_get_string(root, "kind"),
        .time_usec = json_get_integer(root, "time", INT64_MIN),
        .actor = json_get_string(root, "actor"),
        .node = json_get_string(root, "node"),
        .subject = json_get_string(root, "subject"),
        .facts = json_get_object(root, "facts"),
    };
    if (!act.kind || !act.actor || !act.node || !act.subject || !act.facts || act.time_usec == INT64_MIN)
        return error_set(err, -EINVAL, "ledger entry",
                         "lacks one of kind, time, actor, node, subject, facts");
    *ret = act;
    *ret_root = TAKE_PTR(root);
    return 0;
}

/* One code point of case-number folding: returns the replacement, 0 to drop it. */
static uint32_t fold_char(uint32_t c)
{
    static const uint32_t open[] = {'[',    '{',    '<',    0x3014, 0x3010, 0x3016,
                                    0x300A, 0x3008, 0xFF08, 0xFF3B, 0x2768},
                          close[] = {']',    '}',    '>',    0x3015, 0x3011, 0x3017,
                                     0x300B, 0x3009, 0xFF09, 0xFF3D, 0x2769};

    if (c <= ' ' || c == 0xA0 || c == 0x3000 || c == 0x200B || c == 0xFEFF)
        return 0;
    for (size_t i = 0; i < ARRAY_SIZE(open); i++) {
        if (c == open[i])
            return '(';
        if (c == close[i])
            return ')';
    }
    if (c >= 0xFF01 && c <= 0xFF5E)
        c -= 0xFEE0; /* full-width forms */
    if (c == 0x2010 || c == 0x2011 || c == 0x2013 || c == 0x2014 || c == 0x2212)
        c = '-';
    if (c >= 'A' && c <= 'Z')
        c += 'a' - 'A';
    return c;
}

static uint32_t decode_char(const uint8_t *s, size_t n)
{
    uint32_t c = n == 1 ? s[0] : s[0] & (0x7Fu >> n);

    for (size_t i = 1; i < n; i++)
        c = c << 6 | (s[i] & 0x3F);
    return c;
}

char *case_number_fold(const char *number)
{
    size_t size = strlen(number);
    _cleanup_free_ char *out = malloc(size + 1);
    char *p = out;

    if (!out)
        return NULL;
    for (size_t i = 0; i < size;) {
        const uint8_t *s = (const uint8_t *)number + i;
        size_t n = utf8_sequence_length(s, size - i);
        uint32_t c, folded;

        if (n == 0)
            return NULL;
        i += n;
        c = decode_char(s, n);
        folded = fold_char(c);
        if (folded == 0)
            continue;
        if (folded < 0x80) {
            *p++ = (char)folded;
        } else {
            memcpy(p, s, n);
            p += n;
        }
    }
    *p = 0;
    return TAKE_PTR(out);
}
