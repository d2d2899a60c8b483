/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Acts as sentences that a person can read aloud. One row a kind; in the text {x} is the fact x, {x|y} y where there is no x,
 * {x@} that fact as a time, [ … ] is left out when a fact in it is missing.
 */
#include <string.h>

#include "api/handlers.h"

static const struct {
    const char *kind, *text;
} sentences[] = {
    {"ledger.started", "the ledger was started"},
    {"policy.adopted", "policy version {version} was adopted"},
    {"recording.sealed", "sealed: {name}, {bytes} bytes, SHA-256 {digest}"},
    {"recording.arrived-again", "the same bytes arrived again"},
    {"recording.examined", "examined: {status}[, {kind}][: {message}]"},
    {"recording.placed",
     "placed[: device {place.device.value}][, officer {place.officer.value}][, recorded from "
     "{place.started.value@}]"},
    {"recording.decided",
     "decided: class {class}, ending {ending}[, kept until {until@}], by policy version {version}"},
    {"case.added", "case {number} was opened[: {title}]"},
    {"case.set", "the case was corrected[: number {number}][, title {title}][, procedure "
                 "{procedure}][, opened {opened@}]"},
    {"case.ended", "the case ended on {ended@}"},
    {"case.filed", "the case was filed on {filed@}"},
    {"case.reopened", "the case was opened again"},
    {"link.added", "linked to case {number|case} as {role}[, step {step}]"},
    {"link.removed", "taken from case {number|case}"},
    {"hold.added", "hold placed[ on case {number}], ground {ground}[, matter {matter}][: {reason}]"},
    {"hold.lifted", "hold lifted[: {reason}]"},
    {"item.quarantined", "put into quarantine: {reason}"},
};

/* Writes the fact that a dotted path names. Return: false when it is missing. */
static bool write_path(FILE *out, const struct zone *zone, const json_t *facts, const char *path, size_t n)
{
    bool is_time = n > 0 && path[n - 1] == '@';
    char key[64], when[CALENDAR_TEXT_SIZE];

    n -= is_time;
    while (facts && n > 0) {
        size_t part = MIN(strcspn(path, ".}@"), n);
        snprintf(key, sizeof key, "%.*s", (int)part, path);
        facts = json_object_get(facts, key);
        path += part + (part < n);
        n -= part + (part < n);
    }
    if (json_is_string(facts)) {
        fputs(json_string_value(facts), out);
    } else if (json_is_integer(facts)) {
        if (is_time)
            calendar_format(zone, json_integer_value(facts), when);
        else
            snprintf(when, sizeof when, "%lld", (long long)json_integer_value(facts));
        fputs(when, out);
    } else {
        return false;
    }
    return true;
}

/* The same for "x|y". */
static bool write_fact(FILE *out, const struct zone *zone, const json_t *facts, const char *names, size_t n)
{
    size_t first = MIN(strcspn(names, "|"), n);

    return write_path(out, zone, facts, names, first) ||
           (first < n && write_path(out, zone, facts, names + first + 1, n - first - 1));
}

/* Whether all facts named between [ and ] are there. */
static bool has_facts(const struct zone *zone, const json_t *facts, const char *part)
{
    char sink[8];
    FILE *out = fmemopen(sink, sizeof sink, "w");
    bool there = out;

    for (; there && *part != ']'; part++)
        if (*part == '{')
            there = write_fact(out, zone, facts, part + 1, strcspn(part + 1, "}"));
    if (out)
        fclose(out);
    return there;
}

char *act_sentence(const struct zone *zone, const char *kind, const json_t *facts)
{
    const char *p = kind;
    char *text = NULL;
    size_t size;
    FILE *out = open_memstream(&text, &size);

    if (!out)
        return NULL;
    for (size_t i = 0; i < ARRAY_SIZE(sentences); i++)
        if (strcmp(sentences[i].kind, kind) == 0)
            p = sentences[i].text;
    for (; *p; p++) {
        if (*p == '[' && !has_facts(zone, facts, p)) {
            p = strchr(p, ']');
        } else if (*p == '{') {
            size_t n = strcspn(p + 1, "}");
            if (!write_fact(out, zone, facts, p + 1, n))
                fputs("?", out);
            p += n + 1;
        } else if (*p != '[' && *p != ']') {
            fputc(*p, out);
        }
    }
    if (fclose(out) != 0) {
        free(text);
        return NULL;
    }
    return text;
}
