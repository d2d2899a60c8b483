/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Patterns over names (see place-rule.h), with PCRE2. Names are any bytes: PCRE2_MATCH_INVALID_UTF steps over those that are not
 * UTF-8, so a group never holds a broken character. The limits are far above what a sensible pattern needs for a path.
 */
#include "cases/place-rule.h"

#include <errno.h>
#include <string.h>

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include "base/encode.h"
#include "base/yaml.h"

#define MATCH_STEPS_MAX 200000
#define MATCH_DEPTH_MAX 2000
#define MATCH_HEAP_KIB  2048
#define NAMES_MAX       64

static const char *const group_names[PLACE_GROUP_COUNT] = {
    [PLACE_DEVICE] = "device",     [PLACE_OFFICER] = "officer",   [PLACE_UNIT] = "unit",
    [PLACE_CASE] = "case",         [PLACE_CHANNEL] = "channel",   [PLACE_SEQ] = "seq",
    [PLACE_DATE] = "date",         [PLACE_TIME] = "time",         [PLACE_END_DATE] = "end_date",
    [PLACE_END_TIME] = "end_time", [PLACE_DATETIME] = "datetime", [PLACE_START] = "start",
    [PLACE_END] = "end",           [PLACE_YEAR] = "year",         [PLACE_MONTH] = "month",
    [PLACE_DAY] = "day",           [PLACE_HOUR] = "hour",         [PLACE_MINUTE] = "minute",
    [PLACE_SECOND] = "second",     [PLACE_EPOCH] = "epoch",
};

struct place_rule {
    pcre2_code *code;
    pcre2_match_context *limits;
    struct {
        uint32_t number;
        enum place_group group;
    } names[NAMES_MAX];
    size_t n_names;
};

DEFINE_CLEANUP(pcre2_match_data *, pcre2_match_data_free)

struct place_rule *place_rule_free(struct place_rule *r)
{
    if (!r)
        return NULL;
    pcre2_code_free(r->code);
    pcre2_match_context_free(r->limits);
    free(r);
    return NULL;
}

static int group_of(const char *name, enum place_group *ret)
{
    for (size_t i = 0; i < PLACE_GROUP_COUNT; i++)
        if (strcmp(group_names[i], name) == 0) {
            *ret = (enum place_group)i;
            return 0;
        }
    return -EINVAL;
}

/* Reads the pattern's table of names: two bytes of number, then the name, in entries of one size. */
static int read_names(struct place_rule *r, struct error *err)
{
    PCRE2_SPTR table;
    uint32_t count, entry;

    pcre2_pattern_info(r->code, PCRE2_INFO_NAMECOUNT, &count);
    pcre2_pattern_info(r->code, PCRE2_INFO_NAMEENTRYSIZE, &entry);
    pcre2_pattern_info(r->code, PCRE2_INFO_NAMETABLE, &table);
    if (count > NAMES_MAX)
        return error_set(err, -EINVAL, "", "the pattern has %u named groups; at most %d are read", count,
                         NAMES_MAX);
    for (uint32_t i = 0; i < count; i++, table += entry) {
        const char *name = (const char *)table + 2;
        char known[300];

        if (group_of(name, &r->names[i].group) < 0)
            return error_set(err, -EINVAL, "", "the pattern has a group named %s; known are %s", name,
                             yaml_words(group_names, PLACE_GROUP_COUNT, known, sizeof known));
        r->names[i].number = (uint32_t)table[0] << 8 | table[1];
        r->n_names++;
    }
    return 0;
}

int place_rule_compile(const char *pattern, struct place_rule **ret, struct error *err)
{
    _cleanup_(place_rule_freep) struct place_rule *rule = calloc(1, sizeof *rule);
    PCRE2_SIZE offset;
    int code, r;

    if (!rule)
        return -ENOMEM;
    rule->limits = pcre2_match_context_create(NULL);
    if (!rule->limits)
        return -ENOMEM;
    pcre2_set_match_limit(rule->limits, MATCH_STEPS_MAX);
    pcre2_set_depth_limit(rule->limits, MATCH_DEPTH_MAX);
    pcre2_set_heap_limit(rule->limits, MATCH_HEAP_KIB);
    rule->code =
        pcre2_compile((PCRE2_SPTR)pattern, PCRE2_ZERO_TERMINATED,
                      PCRE2_UTF | PCRE2_MATCH_INVALID_UTF | PCRE2_NEVER_BACKSLASH_C, &code, &offset, NULL);
    if (!rule->code) {
        PCRE2_UCHAR why[200];

        pcre2_get_error_message(code, why, sizeof why);
        return error_set(err, -EINVAL, "", "the pattern is not understood at character %zu: %s", offset + 1,
                         (char *)why);
    }
    r = read_names(rule, err);
    if (r < 0)
        return r;
    (void)pcre2_jit_compile(rule->code, PCRE2_JIT_COMPLETE); /* only faster; not every system lets us */
    *ret = TAKE_PTR(rule);
    return 0;
}

bool place_rule_has_groups(const struct place_rule *r)
{
    return r->n_names > 0;
}

void place_match_done(struct place_match *m)
{
    for (size_t i = 0; i < PLACE_GROUP_COUNT; i++)
        free(TAKE_PTR(m->values[i]));
}

bool place_value_is_clean(const char *text, size_t size)
{
    if (size == 0 || size > PLACE_VALUE_MAX || !utf8_is_valid(text, size))
        return false;
    for (size_t i = 0; i < size; i++)
        if ((unsigned char)text[i] < 0x20 || text[i] == 0x7F)
            return false;
    return true;
}

/* Copies a group's text into *slot unless an alternative's group of the same name filled it. */
static int take_group(struct place_match *m, char **slot, const char *text, size_t size)
{
    if (size == 0 || *slot)
        return 0;
    if (!place_value_is_clean(text, size)) {
        m->cut = true;
        return 0;
    }
    *slot = strndup(text, size);
    return *slot ? 0 : -ENOMEM;
}

int place_rule_match(const struct place_rule *r, const char *subject, size_t size, struct place_match *ret)
{
    _cleanup_(pcre2_match_data_freep) pcre2_match_data *data =
        pcre2_match_data_create_from_pattern(r->code, NULL);
    _cleanup_(place_match_done) struct place_match m = {{NULL}, false};
    const PCRE2_SIZE *ends;
    int groups;

    if (!data)
        return -ENOMEM;
    groups = pcre2_match(r->code, (PCRE2_SPTR)subject, size, 0, 0, data, r->limits);
    if (groups == PCRE2_ERROR_NOMATCH)
        return 0;
    if (groups == PCRE2_ERROR_NOMEMORY)
        return -ENOMEM;
    if (groups < 0)
        return -ELOOP;
    ends = pcre2_get_ovector_pointer(data);
    for (size_t i = 0; i < r->n_names; i++) {
        uint32_t n = r->names[i].number;

        if (n >= (uint32_t)groups || ends[2 * n] == PCRE2_UNSET || ends[2 * n + 1] < ends[2 * n])
            continue;
        if (take_group(&m, &m.values[r->names[i].group], subject + ends[2 * n],
                       ends[2 * n + 1] - ends[2 * n]) < 0)
            return -ENOMEM;
    }
    *ret = m;
    m = (struct place_match){{NULL}, false};
    return 1;
}
