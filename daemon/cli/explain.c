/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * `liuhen explain`: why a recording is kept, as a text that can be read aloud.
 */
#include <string.h>

#include "cli/cli.h"
#include "cli/print.h"

static void heading(const char *text)
{
    printf("\n%s%s%s\n", colour_on(COLOUR_BOLD), text, colour_off());
}

/* A paragraph from a format, made safe. */
static void say(unsigned indent, const char *first, const char *format, ...) _printf_(3, 4);

static void say(unsigned indent, const char *first, const char *format, ...)
{
    _cleanup_free_ char *text = NULL, *safe = NULL;
    va_list ap;

    va_start(ap, format);
    if (vasprintf(&text, format, ap) < 0)
        text = NULL;
    va_end(ap);
    safe = print_safe(text);
    print_wrapped(indent, first, safe);
}

/* "until 2027-05-24 00:00:00 +08:00", "permanently", "as long as the case file": completes "kept …". */
static const char *ending_of(const struct cli *c, const json_t *o, char *out, size_t size)
{
    const char *ending = json_get_string(o, "ending");
    char when[CALENDAR_TEXT_SIZE];

    if (!ending)
        snprintf(out, size, "for a time not decided yet");
    else if (strcmp(ending, "date") == 0)
        snprintf(out, size, "until %s", print_time(c->zone, json_get_integer(o, "until", 0), true, when));
    else if (strcmp(ending, "case") == 0)
        snprintf(out, size, "as long as its case file; the case is not filed, so there is no end yet");
    else
        snprintf(out, size, "permanently");
    return out;
}

static void explain_decision(const struct cli *c, const json_t *s)
{
    const json_t *decision = json_get_object(s, "decision"), *today = json_get_object(s, "today"), *reason;
    const char *cite = NULL;
    char text[160], when[CALENDAR_TEXT_SIZE];
    size_t i;

    if (!json_get_string(decision, "class")) {
        say(0, "",
            "No decision is recorded yet: the recording has to be examined first. Nothing without a decision "
            "is ever erased.");
        return;
    }
    json_array_foreach (json_get_array(decision, "reasons"), i, reason)
        if (!cite && strcmp(print_text(reason, "class"), print_text(decision, "class")) == 0)
            cite = json_get_string(reason, "cite");
    say(0, "", "It is kept %s. The class that decides is %s%s%s.", ending_of(c, decision, text, sizeof text),
        print_text(decision, "class"), cite ? ", by " : "", cite ? cite : "");
    if (json_object_get(decision, "disc_due"))
        say(0, "", "Permanent discs of it are due by %s.",
            print_time(c->zone, json_get_integer(decision, "disc_due", 0), true, when));
    if (!json_get_bool(today, "stands", true))
        say(0, "",
            "Today the policy in force (%s) would say: class %s, kept %s. It is decided again at the next "
            "change.",
            print_text(today, "policy"), print_text(today, "class"), ending_of(c, today, text, sizeof text));
    heading("Why");
    json_array_foreach (json_get_array(decision, "reasons"), i, reason)
        say(4, "- ", "%s (%s)", print_text(reason, "text"), print_text(reason, "cite"));
    say(4, "- ", "decided by policy version %s", print_text(decision, "policy"));
}

static void explain_facts(const struct cli *c, const json_t *facts)
{
    char when[CALENDAR_TEXT_SIZE];
    const json_t *fact;
    size_t i;

    heading("What is known, and from where");
    json_array_foreach (facts, i, fact) {
        const json_t *value = json_object_get(fact, "value");
        const char *shown = json_is_integer(value)
                                ? print_time(c->zone, json_integer_value(value), true, when)
                                : json_string_value(value);
        const char *certainty = json_get_string(fact, "certainty");
        say(4, "- ", "%s: %s (from %s%s%s)", print_text(fact, "name"), shown ? shown : "-",
            print_text(fact, "source"), certainty ? ", " : "", certainty ? certainty : "");
    }
}

static void explain_cases(const struct cli *c, const json_t *s)
{
    const json_t *one;
    char when[CALENDAR_TEXT_SIZE], lifted[CALENDAR_TEXT_SIZE];
    size_t i;

    heading("Cases");
    json_array_foreach (json_get_array(s, "cases"), i, one)
        say(4, "- ", "%s, as %s%s%s; %s procedure, the case is %s", print_text(one, "number"),
            print_text(one, "role"), json_get_string(one, "step") ? " for step " : "",
            json_get_string(one, "step") ? json_get_string(one, "step") : "", print_text(one, "procedure"),
            print_text(one, "state"));
    if (i == 0)
        say(4, "- ", "linked to no case");
    heading("Holds");
    json_array_foreach (json_get_array(s, "hold_list"), i, one) {
        const char *matter = json_get_string(one, "matter"), *reason = json_get_string(one, "reason");
        bool gone = json_object_get(one, "lifted");
        say(4, "- ", "%s, placed %s by %s%s%s%s%s%s%s%s", print_text(one, "ground"),
            print_time(c->zone, json_get_integer(one, "placed", 0), false, when),
            print_text(one, "placed_by"), matter ? ", matter " : "", matter ? matter : "", reason ? ": " : "",
            reason ? reason : "", json_get_string(one, "case") ? " (on its case)" : "",
            gone ? "; lifted " : "; it stands",
            gone ? print_time(c->zone, json_get_integer(one, "lifted", 0), false, lifted) : "");
    }
    if (i == 0)
        say(4, "- ", "none");
}

static void explain_changes(const struct cli *c, const json_t *changes)
{
    const json_t *one;
    char text[160];
    size_t i;

    heading("What would change it");
    json_array_foreach (changes, i, one)
        say(4, "- ", "If %s: kept %s (class %s).", print_text(one, "change"),
            ending_of(c, one, text, sizeof text), print_text(one, "class"));
    if (i == 0)
        say(4, "- ",
            "Nothing that is asked for here: hold, lifted hold, link, filed case all leave it as it is.");
}

static void explain_history(const struct cli *c, const json_t *history, bool more)
{
    char when[CALENDAR_TEXT_SIZE];
    const json_t *act;
    size_t i;

    heading("What was done, from the ledger");
    json_array_foreach (history, i, act)
        say(4, "- ", "%s, %s, leaf %lld: %s",
            print_time(c->zone, json_get_integer(act, "time", 0), true, when), print_text(act, "actor"),
            (long long)json_get_integer(act, "index", 0), print_text(act, "text"));
    if (more)
        say(4, "- ", "… and more; `liuhen history` lists them");
}

int cli_explain(struct cli *c, int argc, char **argv)
{
    _cleanup_free_ char *target = client_target("/v1/recordings/", argv[0], "/explain");
    _cleanup_json_ json_t *s = NULL;
    const char *status;
    char size[PRINT_SIZE_SIZE];
    int r = cli_ask(c, "GET", target, NULL, &s);

    if (r != CLI_OK || c->json)
        return r == CLI_OK ? cli_print_json(s) : r;
    status = print_text(s, "status");
    say(0, "", "Recording %s, \"%s\", kind %s, %s%s%s.", print_text(s, "id"), print_text(s, "name"),
        print_text(s, "kind"), print_size(json_get_integer(s, "bytes", 0), size),
        strcmp(status, "damaged") == 0 ? "; it is damaged and kept as it came: " : "",
        strcmp(status, "damaged") == 0 ? print_text(s, "message") : "");
    explain_decision(c, s);
    explain_facts(c, json_get_array(s, "facts"));
    explain_cases(c, s);
    explain_changes(c, json_get_array(s, "would_change"));
    explain_history(c, json_get_array(s, "history"), json_get_bool(s, "history_more", false));
    return CLI_OK;
}
