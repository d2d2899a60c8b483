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
    {"recording.viewed", "the recording was looked at"},
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
    {"device.added", "device {serial} ({kind}) was registered[: {name}][, unit {unit}]"},
    {"device.set",
     "the device was changed[: name {name}][, kind {kind}][, unit {unit}][, time zone {zone}][, "
     "{quota} bytes a day][, {rate} requests a minute]"},
    {"device.assigned", "assigned to {officer|to} from {from@}[ until {until@}]"},
    {"device.unassigned", "the assignment from {from@} was taken back"},
    {"device.key-added", "a {kind} was made, key {key}[: {label}][, good until {expires@}]"},
    {"device.key-revoked", "key {key} was revoked[: {reason}]"},
    {"device.retired", "the device was taken out of use[: {reason}]"},
    {"device.returned", "the device was taken back into use"},
    {"bodyworn.container",
     "the camera system said of {name}[: {status}][, recorded by {metadata.bwcserialnumber}]"},
    {"bodyworn.object", "the camera system brought or described {name}, a {kind}[, category "
                        "{metadata.categoryname}][: {detail.text}]"},
    {"item.quarantined", "put into quarantine: {reason}"},
};

/* The fact that the n bytes of a dotted path name: a string or an integer, NULL when it is missing. */
static const json_t *find_path(const json_t *facts, const char *path, size_t n)
{
    char key[64];

    while (facts && n > 0) {
        size_t part = MIN(strcspn(path, ".}@"), n);
        snprintf(key, sizeof key, "%.*s", (int)part, path);
        facts = json_object_get(facts, key);
        path += part + (part < n);
        n -= part + (part < n);
    }
    return json_is_string(facts) || json_is_integer(facts) ? facts : NULL;
}

/* The same for "x|y". */
static const json_t *find_fact(const json_t *facts, const char *names, size_t n)
{
    size_t first = MIN(strcspn(names, "|"), n);
    const json_t *fact = find_path(facts, names, first);

    return !fact && first < n ? find_path(facts, names + first + 1, n - first - 1) : fact;
}

/* Whether all facts named between [ and ] are there. */
static bool has_facts(const json_t *facts, const char *part)
{
    for (; *part != ']'; part++)
        if (*part == '{' && !find_fact(facts, part + 1, strcspn(part + 1, "}")))
            return false;
    return true;
}

static void write_fact(FILE *out, const struct zone *zone, const json_t *facts, const char *names, size_t n)
{
    const json_t *fact = find_fact(facts, names, n);
    char when[CALENDAR_TEXT_SIZE];

    if (json_is_string(fact)) {
        fputs(json_string_value(fact), out);
    } else if (json_is_integer(fact) && names[n - 1] == '@') {
        calendar_format(zone, json_integer_value(fact), when);
        fputs(when, out);
    } else if (json_is_integer(fact)) {
        fprintf(out, "%lld", (long long)json_integer_value(fact));
    } else {
        fputs("?", out);
    }
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
        if (*p == '[' && !has_facts(facts, p)) {
            p = strchr(p, ']');
        } else if (*p == '{') {
            size_t n = strcspn(p + 1, "}");
            write_fact(out, zone, facts, p + 1, n);
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
