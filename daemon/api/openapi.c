/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Writing openapi.yaml (see openapi.h). The file in the tree is what `liuhend --dump-openapi` prints; a test holds that they are equal.
 * Texts are written in double quotes, where YAML knows the escapes of JSON.
 */
#include "api/openapi.h"

#include <ctype.h>
#include <errno.h>
#include <string.h>

#include "api/route.h"

#define EMBED(name, path)                                                                                    \
    __asm__(".section .rodata\n.balign 16\n.global " #name "\n" #name ":\n.incbin \"" path                   \
            "\"\n.byte 0\n.previous\n");                                                                     \
    extern const char name[] __attribute__((visibility("hidden")))
EMBED(openapi_components, "daemon/api/components.yaml");

static const char header[] =
    "# Written by `liuhend --dump-openapi` from the daemon's table of routes; do not edit.\n"
    "openapi: 3.1.0\n"
    "info:\n"
    "  title: Liuhen\n"
    "  version: \"" LIUHEN_VERSION "\"\n"
    "  license: { name: GPL-3.0-or-later, identifier: GPL-3.0-or-later }\n"
    "  description: |\n"
    "    Keeps what enforcement officers' cameras record. People are known on the daemon's unix socket by "
    "their user; devices bring a\n"
    "    token or a client certificate, on that socket, on loopback or over TLS. Times are microseconds "
    "since 1970-01-01 UTC; names\n"
    "    and paths are percent-encoded.\n"
    "servers:\n"
    "  - url: http://localhost\n"
    "    description: the unix socket (socket.path)\n"
    "  - url: http://127.0.0.1:8480\n"
    "    description: http.loopback\n"
    "  - url: https://{host}:8443\n"
    "    description: http.tls\n"
    "    variables: { host: { default: localhost } }\n"
    "paths:\n";

/* Parameters and members by name: JSON schema and help. */
static const struct word {
    const char *name, *schema, *help;
} words[] = {
#define TEXT   "{ type: string }"
#define SWITCH "{ enum: [\"0\", \"1\", \"\"] }"
    /* in paths */
    {"recording", TEXT, "a recording's id, or the beginning of it that no other has"},
    {"case", TEXT, "a case's number or id"},
    {"hold", TEXT, "a hold's id"},
    {"batch", TEXT, "a batch of disposal, by its id"},
    {"device", TEXT, "a device's serial or id"},
    {"key", TEXT, "a key's id"},
    {"sha256", "{ type: string, pattern: \"^[0-9a-fA-F]{64}$\" }", "SHA-256 of the bytes"},
    {"name", TEXT, "the file's name, folders may stand before it; of a device: what people call it"},
    {"upload", TEXT, "a resumable upload's id"},
    {"account", TEXT, "the account, as the sign-in said it"},
    {"container", TEXT, "the container"},
    {"object", TEXT, "the object's name, slashes included"},
    {"derivative", TEXT, "a derivative's name, such as proxy.mp4"},
    {"copy", TEXT, "a copy's id, as asking for it gave it"},
    {"job", TEXT, "a job's id"},
    {"ticket", TEXT, "what asking for the address gave"},
    /* in queries */
    {"officer", TEXT, "the officer, as placed"},
    {"unit", TEXT, "the unit, as placed"},
    {"kind", TEXT, "what it is"},
    {"class", TEXT, "the retention class"},
    {"take", TEXT, "a take's id"},
    {"from", TEXT, "from this time on: 2026-11-23, 2026-11-23 14:30 or RFC 3339"},
    {"to", TEXT, "up to this time; a date alone means its end"},
    {"damaged", SWITCH, "only what is damaged"},
    {"unlinked", SWITCH, "only what is linked to no case"},
    {"held", SWITCH, "only what is held"},
    {"undecided", SWITCH, "only what is not decided yet"},
    {"lifted", SWITCH, "also those that were lifted"},
    {"retired", SWITCH, "also those out of use"},
    {"limit", "{ type: integer, minimum: 1, maximum: 1000 }", "at most so many"},
    {"after", TEXT, "the mark `next` of the page before"},
    {"state", TEXT, "of a case: open, ended or filed; of a job: waiting, running, done, failed or cancelled"},
    /* of files */
    {"path", TEXT, "how the sender calls the file: DCIM/100/clip.mp4"},
    {"type", TEXT, "its media type"},
    {"channel", TEXT, "the camera's channel"},
    {"seq", TEXT, "its number in the camera's sequence"},
    {"started", TEXT, "when recording began: RFC 3339, or by the device's clock without an offset"},
    {"ended", TEXT, "when it ended"},
    {"recorded", TEXT, "the same as started"},
    {"mtime", TEXT, "when the file was changed last, a time or µs since 1970 UTC"},
    {"clock_offset", TEXT, "the camera's clock minus the right time, µs"},
    /* in bodies */
    {"procedure", "{ enum: [general, summary, none] }", "the procedure"},
    {"number", TEXT, "the case's number"},
    {"title", TEXT, "what it is about"},
    {"opened", TEXT, "when the matter began"},
    {"date", TEXT, "the day"},
    {"role", "{ enum: [evidence, context] }", "what it is to the case"},
    {"step", TEXT, "the procedural step"},
    {"ground", TEXT, "the ground of the hold"},
    {"matter", TEXT, "the matter it is about"},
    {"reason", TEXT, "why"},
    {"recordings", "{ type: array, items: { type: string } }", "ids of recordings, or their beginnings"},
    {"digest", TEXT, "the digest of the list, as it was noticed"},
    {"before", TEXT, "whose time was over before"},
    {"url", TEXT, "how the body-worn system reaches this machine"},
    {"public_key", TEXT, "for which it encrypts, PEM"},
    {"public_key_id", TEXT, "what that key is called"},
    {"serial", TEXT, "what stands on the device; recordings name it"},
    {"timezone", TEXT, "the time zone of its clock, an IANA name"},
    {"quota", TEXT, "bytes a day, as in 20 GiB; empty: no limit"},
    {"rate", TEXT, "requests a minute; empty: no limit"},
    {"until", TEXT, "up to this time; a date alone means its end"},
    {"since", TEXT, "from this time on"},
    {"label", TEXT, "what people call the key"},
    {"expires", TEXT, "the last day or the time from which on it is not good"},
    {"form", "{ enum: [preserve, release, redact] }", "what the copy is for"},
    {"plan", "{ type: object }", "what is hidden and muted, and where (redact)"},
    {"mark", "{ type: array, items: { type: string } }", "lines of the watermark"},
    {"request", TEXT, "a certificate request (PKCS #10, PEM)"},
    {"days", TEXT, "for how many days the certificate is good"},
    {"fingerprint", TEXT, "SHA-256 of the certificate's DER form in hex"},
#undef TEXT
#undef SWITCH
};

static const struct word *find_word(const char *name, size_t n)
{
    for (size_t i = 0; i < ARRAY_SIZE(words); i++)
        if (strlen(words[i].name) == n && memcmp(words[i].name, name, n) == 0)
            return &words[i];
    return NULL;
}

/* A text in double quotes. */
static void write_quoted(FILE *out, const char *text)
{
    fputc('"', out);
    for (; *text; text++) {
        if (*text == '"' || *text == '\\')
            fputc('\\', out);
        fputc(*text, out);
    }
    fputc('"', out);
}

/* A path as OpenAPI writes it: "{name...}" is "{name}". */
static void write_path(FILE *out, const char *path)
{
    for (const char *p = path; *p; p++)
        if (strncmp(p, "...}", 4) == 0) {
            fputc('}', out);
            p += 3;
        } else {
            fputc(*p, out);
        }
}

static int write_parameter(FILE *out, const char *in, const char *name, size_t n)
{
    const struct word *w = find_word(name, n);

    if (!w)
        return -ENOENT;
    fprintf(out, "{ name: %s, in: %s%s, schema: %s, description: ", w->name, in,
            strcmp(in, "path") == 0 ? ", required: true" : "", w->schema);
    write_quoted(out, w->help);
    fputs(" }\n", out);
    return 0;
}

static int write_path_parameters(FILE *out, const char *path)
{
    const char *p = strchr(path, '{');
    int r = 0;

    if (p)
        fputs("    parameters:\n", out);
    for (; p && r == 0; p = strchr(p + 1, '{')) {
        fputs("      - ", out);
        r = write_parameter(out, "path", p + 1, strcspn(p + 1, ".}"));
    }
    return r;
}

/* Headers that say more of a request: of what brings bytes, and of what gives them out. */
static const char *headers_of(const struct route *route)
{
    if (route->door && route->takes)
        return "deviceTime";
    return !route->door && strcmp(route->answer, "200 bytes") == 0 ? "range ifNoneMatch" : "";
}

static void write_query(FILE *out, const struct route *route)
{
    const char *const lists[] = {route->flags & ROUTE_BODY ? "" : route->params, headers_of(route)};

    if (*lists[0] || *lists[1])
        fputs("      parameters:\n", out);
    for (size_t i = 0; i < ARRAY_SIZE(lists); i++)
        for (const char *p = lists[i]; *p; p += strcspn(p, " "), p += *p == ' ')
            fprintf(out, "        - { $ref: \"#/components/parameters/%.*s\" }\n", (int)strcspn(p, " "), p);
}

static bool is_asked_before(size_t route, const char *param, const char *name, size_t n)
{
    for (size_t i = 0; i <= route; i++) {
        if (api_routes[i].flags & ROUTE_BODY)
            continue;
        for (const char *p = api_routes[i].params; *p && (i < route || p != param);
             p += strcspn(p, " "), p += *p == ' ')
            if (strcspn(p, " ") == n && memcmp(p, name, n) == 0)
                return true;
    }
    return false;
}

/* The parameters of queries, each once. */
static int write_components(FILE *out)
{
    int r = 0;

    fputs("components:\n  parameters:\n"
          "    deviceTime: { name: X-Device-Time, in: header, schema: { type: string, format: date-time }, "
          "description: \"the sender's clock at this moment (RFC 3339); how far it is off is kept with the "
          "arrival\" }\n"
          "    range: { name: Range, in: header, schema: { type: string }, description: \"one range is "
          "answered with 206\" "
          "}\n"
          "    ifNoneMatch: { name: If-None-Match, in: header, schema: { type: string }, description: \"the "
          "ETag is the "
          "SHA-256 of the content\" }\n",
          out);
    for (size_t i = 0; i < n_api_routes; i++) {
        if (api_routes[i].flags & ROUTE_BODY)
            continue;
        for (const char *p = api_routes[i].params; *p && r == 0; p += strcspn(p, " "), p += *p == ' ') {
            size_t n = strcspn(p, " ");

            if (is_asked_before(i, p, p, n))
                continue;
            fprintf(out, "    %.*s: ", (int)n, p);
            r = write_parameter(out, "query", p, n);
        }
    }
    fputs(openapi_components, out);
    return r;
}

static int write_body(FILE *out, const struct route *route)
{
    fprintf(out,
            "      requestBody:\n        required: %s\n        content:\n          application/json:\n       "
            "     "
            "schema:\n              type: object\n              additionalProperties: false\n",
            *route->takes ? "true" : "false");
    if (*route->params)
        fputs("              properties:\n", out);
    for (const char *p = route->params; *p; p += strcspn(p, " "), p += *p == ' ') {
        const struct word *w = find_word(p, strcspn(p, " "));

        if (!w)
            return -ENOENT;
        fprintf(out, "                %s: %s\n", w->name, w->schema);
    }
    if (*route->takes) {
        fputs("              required: [", out);
        for (const char *p = route->takes; *p; p++)
            fputs(*p == ' ' ? ", " : (char[]){*p, '\0'}, out);
        fputs("]\n", out);
    }
    return 0;
}

/* "200 Recording": status and what the answer is. */
static void write_answer(FILE *out, const char *answer, bool with_body)
{
    static const struct {
        const char *word, *type;
    } types[] = {
        {"text", "text/plain"},
        {"lines", "application/x-ndjson"},
        {"bytes", "application/octet-stream"},
        {"yaml", "application/yaml"},
        {"page", "text/html"},
    };
    const char *word = answer[3] == ' ' ? answer + 4 : NULL, *type = NULL;

    fprintf(out, "      responses:\n        \"%.3s\":\n          description: done\n", answer);
    if (word && with_body) {
        for (size_t i = 0; i < ARRAY_SIZE(types); i++)
            if (strcmp(types[i].word, word) == 0)
                type = types[i].type;
        if (type)
            fprintf(out, "          content: { %s: {} }\n", type);
        else
            fprintf(out,
                    "          content: { application/json: { schema: { $ref: \"#/components/schemas/%s\" } "
                    "} }\n",
                    word);
    }
    fputs("        default: { $ref: \"#/components/responses/Error\" }\n", out);
}

static void write_roles(FILE *out, const char *prefix, unsigned roles, const char *suffix)
{
    const char *between = prefix;

    for (int i = 0; i < ROLE_COUNT; i++)
        if (roles & 1u << i) {
            fprintf(out, "%s%s", between, role_name((enum role)i));
            between = ", ";
        }
    if (roles)
        fputs(suffix, out);
}

/* Who may: from the table of permissions, and how they say who they are. */
static void write_security(FILE *out, const struct route *route)
{
    const struct people_act *a = people_acts;
    bool devices = route->door || (route->flags & ROUTE_DEVICES);

    while (a->act && strcmp(a->act, route->act) != 0)
        a++;
    if (route->door && (route->flags & ROUTE_OPEN)) {
        fputs("      description: \"For: everybody\"\n      security: []\n", out);
        return;
    }
    fprintf(out, "      description: \"For: %s%s", devices ? "devices" : "",
            route->flags & ROUTE_OPEN ? "everybody over TCP" : "");
    write_roles(out, devices || (route->flags & ROUTE_OPEN) ? "; " : "", a->all, "");
    write_roles(out, "; their own only: ", a->own, "");
    fputs("\"\n      security:\n        - unixSocket: []\n", out);
    if (devices)
        fputs("        - token: []\n        - basic: []\n        - session: []\n        - certificate: []\n",
              out);
    if (route->flags & ROUTE_OPEN)
        fputs("        - {}\n", out);
}

/* getRecordingsRecordingReceipt */
static void write_id(FILE *out, const char *method, const char *path)
{
    bool upper = true;

    fputs("      operationId: ", out);
    for (; *method; method++)
        fputc(tolower((unsigned char)*method), out);
    for (; *path; path++) {
        if (isalnum((unsigned char)*path)) {
            fputc(upper ? toupper((unsigned char)*path) : *path, out);
            upper = false;
        } else {
            upper = true;
        }
    }
    fputc('\n', out);
}

static int write_operation(FILE *out, const struct route *route, const char *method)
{
    bool head = strcmp(method, "HEAD") == 0;
    int r = 0;

    fputs("    ", out);
    for (const char *p = method; *p; p++)
        fputc(tolower((unsigned char)*p), out);
    fputs(":\n", out);
    write_id(out, method, route->path);
    fputs("      summary: ", out);
    write_quoted(out, head && !route->door ? "as GET, the headers only" : route->help);
    fputc('\n', out);
    write_security(out, route);
    if (route->flags & ROUTE_BODY)
        r = write_body(out, route);
    write_query(out, route);
    if (route->door && route->takes)
        fprintf(out, "      requestBody: { content: { %s: {} } }\n", route->takes);
    write_answer(out, route->answer, !head);
    return r;
}

/* All methods of a path. */
static int write_item(FILE *out, const char *path)
{
    int r;

    fputs("  ", out);
    write_path(out, path);
    fputs(":\n", out);
    r = write_path_parameters(out, path);
    for (size_t i = 0; i < n_api_routes && r == 0; i++) {
        const struct route *route = &api_routes[i];

        if (strcmp(route->path, path) != 0)
            continue;
        r = write_operation(out, route, route->method);
        if (r == 0 && !route->door && strcmp(route->method, "GET") == 0)
            r = write_operation(out, route, "HEAD");
    }
    return r;
}

static bool is_first(size_t at)
{
    for (size_t i = 0; i < at; i++)
        if (strcmp(api_routes[i].path, api_routes[at].path) == 0)
            return false;
    return true;
}

int openapi_text(char **ret, struct error *err)
{
    char *text = NULL;
    size_t size;
    FILE *out = open_memstream(&text, &size);
    int r = 0;

    if (!out)
        return -ENOMEM;
    fputs(header, out);
    for (size_t i = 0; i < n_api_routes && r == 0; i++) {
        if (is_first(i))
            r = write_item(out, api_routes[i].path);
        if (r == -ENOENT)
            error_set(err, r, api_routes[i].path,
                      "has a parameter without a description; put it into `words`");
    }
    r = r != 0 ? r : write_components(out);
    if (fclose(out) != 0 && r == 0)
        r = -ENOMEM;
    if (r < 0) {
        free(text);
        return r;
    }
    *ret = text;
    return 0;
}
