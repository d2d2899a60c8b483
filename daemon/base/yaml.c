/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * YAML trees over libyaml's event parser (see yaml.h). The event interface is used, not libyaml's own documents, because there
 * anchors and aliases are seen as such and nothing is built before its depth and number are known to be small.
 */
#include "base/yaml.h"

#include <errno.h>
#include <stdarg.h>
#include <string.h>
#include <yaml.h>

#include "base/encode.h"

#define FAULTS_MAX 200 /* more than a person reads at once */

#define _cleanup_event_ _cleanup_(yaml_event_delete)

struct builder {
    yaml_parser_t parser;
    struct yaml_faults *faults;
    const char *text;
    size_t size, nodes;
};

/* --- faults --- */

static void _printf_(4, 0)
    fault_at(struct yaml_faults *f, int line, int column, const char *format, va_list ap)
{
    struct error e = ERROR_INIT;
    char where[sizeof e.object], text[sizeof e.text];

    f->count++;
    if (!f->on_fault || f->count > FAULTS_MAX)
        return;
    if (line > 0)
        snprintf(where, sizeof where, "%.200s:%d:%d", f->file, line, column);
    else
        snprintf(where, sizeof where, "%.255s", f->file);
    vsnprintf(text, sizeof text, format, ap);
    if (f->count == FAULTS_MAX)
        snprintf(text, sizeof text, "there are more faults than the %d above; mend those first",
                 FAULTS_MAX - 1);
    error_set(&e, -EINVAL, where, "%s", text);
    f->on_fault(f->userdata, &e);
}

int yaml_fault(struct yaml_faults *f, const struct yaml_node *at, const char *format, ...)
{
    va_list ap;

    va_start(ap, format);
    fault_at(f, at ? at->line : 0, at ? at->column : 0, format, ap);
    va_end(ap);
    return -EINVAL;
}

static int _printf_(4, 5) fault_line(struct yaml_faults *f, int line, int column, const char *format, ...)
{
    va_list ap;

    va_start(ap, format);
    fault_at(f, line, column, format, ap);
    va_end(ap);
    return -EINVAL;
}

int yaml_no_memory(struct yaml_faults *f)
{
    f->no_memory = true;
    return -ENOMEM;
}

int yaml_faults_result(const struct yaml_faults *f)
{
    return f->no_memory ? -ENOMEM : f->count > 0 ? -EINVAL : 0;
}

/* libyaml's words, and what to do about each. */
static const struct {
    const char *problem, *context, *advice;
    bool at_context; /* the place where it began is the place to look at */
} syntax_advice[] = {
    {"mapping values are not allowed", NULL,
     "a ':' is not expected here; put a text that holds ': ' in quotes, and each key on a line of its own",
     false},
    {"block sequence entries are not allowed", NULL,
     "'- ' is not expected here; begin each entry of a list on a line of its own", false},
    {"could not find expected ':'", NULL, "a key without ':'; write 'key: value'", true},
    {"did not find expected key", NULL,
     "the indentation does not fit; the keys of one table stand in one column, deeper than the key above "
     "them",
     false},
    {"did not find expected '-' indicator", NULL,
     "the indentation does not fit; the entries of a list begin with '- ' in one column", false},
    {"did not find expected ',' or ']'", NULL,
     "a list in [ ] is not ended; write [a, b] with a comma between entries", true},
    {"did not find expected ',' or '}'", NULL,
     "a table in { } is not ended; write { key: value, other: value } with commas", true},
    {"did not find expected node content", NULL,
     "a value is missing here; write one, or [] for an empty list", false},
    {"did not find expected alphabetic or numeric", NULL,
     "a text that begins with '*', '&' or '!' must stand in quotes", true},
    {"found unexpected end of stream", "quoted scalar", "the closing quote is missing", true},
    {"found unexpected document indicator", NULL, "the closing quote is missing before '---' or '...'", true},
    {"found unknown escape character", NULL,
     "unknown escape after '\\'; in double quotes write \\\\ for a backslash, or use single quotes", false},
    {"found a tab character", NULL, "a tab character; use spaces", false},
    {"did not find expected <document start>", NULL,
     "text after the end of the document; one document is read", false},
};

/* A tab in the white space that begins the line; its column, or 0. */
static int tab_in_indent(const struct builder *b, size_t line)
{
    const char *p = b->text, *end = b->text + b->size;

    for (; line > 0 && p < end; p++)
        line -= *p == '\n';
    for (const char *start = p; p < end && (*p == ' ' || *p == '\t'); p++)
        if (*p == '\t')
            return (int)(p - start) + 1;
    return 0;
}

static int syntax_fault(struct builder *b)
{
    const yaml_parser_t *p = &b->parser;
    int line = (int)p->problem_mark.line + 1, column = (int)p->problem_mark.column + 1;
    int tab = tab_in_indent(b, p->problem_mark.line);
    const char *problem = p->problem ? p->problem : "not YAML";

    if (p->error == YAML_MEMORY_ERROR)
        return yaml_no_memory(b->faults);
    if (tab > 0)
        return fault_line(b->faults, line, tab, "a tab character in the indentation; indent with spaces");
    for (size_t i = 0; i < ARRAY_SIZE(syntax_advice); i++) {
        if (!strstr(problem, syntax_advice[i].problem) ||
            (syntax_advice[i].context && (!p->context || !strstr(p->context, syntax_advice[i].context))))
            continue;
        if (syntax_advice[i].at_context && p->context) {
            line = (int)p->context_mark.line + 1;
            column = (int)p->context_mark.column + 1;
        }
        return fault_line(b->faults, line, column, "%s", syntax_advice[i].advice);
    }
    if (strstr(problem, "cannot start any token"))
        return fault_line(b->faults, line, column,
                          "a value cannot begin with this character; put the value in quotes");
    return fault_line(b->faults, line, column, "not YAML: %s%s%s; mend it as YAML 1.1 wants it",
                      p->context ? p->context : "", p->context ? ", " : "", problem);
}

/* --- before libyaml sees it --- */

/* Control characters that YAML does not know (tab, line feed and carriage return are known). */
static bool is_bad_control(uint8_t c)
{
    return (c < 0x20 && c != '\t' && c != '\n' && c != '\r') || c == 0x7F;
}

/* Every byte must be good UTF-8 without NUL and control characters: said here with line and column, which libyaml's reader
 * does not know. */
static int check_bytes(const char *text, size_t size, struct yaml_faults *f)
{
    int line = 1, column = 1;

    for (size_t i = 0; i < size;) {
        uint8_t c = (uint8_t)text[i];
        size_t n = utf8_sequence_length((const uint8_t *)text + i, size - i);

        if (n == 0)
            return fault_line(f, line, column, "byte 0x%02X is not UTF-8; save the file as UTF-8", c);
        if (c == 0)
            return fault_line(f, line, column, "a NUL byte; the file must be text");
        if (is_bad_control(c))
            return fault_line(f, line, column, "control character 0x%02X; the file must be plain text", c);
        column++;
        if (c == '\n') {
            line++;
            column = 1;
        }
        i += n;
    }
    return 0;
}

/* --- building --- */

static struct yaml_node *node_new(struct builder *b, enum yaml_kind kind, const yaml_mark_t *mark)
{
    struct yaml_node *n = calloc(1, sizeof *n);

    if (!n) {
        yaml_no_memory(b->faults);
        return NULL;
    }
    n->kind = kind;
    n->line = (int)mark->line + 1;
    n->column = (int)mark->column + 1;
    return n;
}

struct yaml_node *yaml_node_free(struct yaml_node *n)
{
    if (!n)
        return NULL;
    for (size_t i = 0; i < n->n; i++) {
        if (n->keys)
            yaml_node_free(n->keys[i]);
        yaml_node_free(n->items[i]);
    }
    free(n->keys);
    free(n->items);
    free(n->text);
    free(n);
    return NULL;
}

static int next_event(struct builder *b, yaml_event_t *ev)
{
    if (!yaml_parser_parse(&b->parser, ev)) {
        memset(ev, 0, sizeof *ev);
        return syntax_fault(b);
    }
    return 0;
}

/* Anchors and tags are faults, but the tree can still be built, so that further faults are found. */
static void check_decoration(struct builder *b, const yaml_event_t *ev, const yaml_char_t *anchor,
                             const yaml_char_t *tag)
{
    int line = (int)ev->start_mark.line + 1, column = (int)ev->start_mark.column + 1;

    if (anchor)
        fault_line(b->faults, line, column,
                   "anchor '&%.60s': anchors are not used here; write the value out at each place",
                   (const char *)anchor);
    if (tag)
        fault_line(b->faults, line, column,
                   "tag '%.60s': tags are not used here; leave it out, or put the text in quotes",
                   (const char *)tag);
}

static int scalar_text(struct builder *b, struct yaml_node *n, const yaml_event_t *ev)
{
    const char *value = (const char *)ev->data.scalar.value;
    size_t length = ev->data.scalar.length;

    n->plain = ev->data.scalar.style == YAML_PLAIN_SCALAR_STYLE;
    if (memchr(value, 0, length)) {
        fault_line(b->faults, n->line, n->column, "a text with a NUL (\\0) inside; leave it out");
        length = strlen(value);
    }
    n->text = strndup(value, length);
    return n->text ? 0 : yaml_no_memory(b->faults);
}

/* Room for one more entry: capacity is the next power of two. */
static int grow(struct builder *b, struct yaml_node *n)
{
    size_t room = n->n ? 2 * n->n : 1;
    void *p;

    if (n->n & (n->n - 1))
        return 0;
    p = realloc(n->items, room * sizeof *n->items);
    if (!p)
        return yaml_no_memory(b->faults);
    n->items = p;
    if (n->kind != YAML_MAPPING)
        return 0;
    p = realloc(n->keys, room * sizeof *n->keys);
    if (!p)
        return yaml_no_memory(b->faults);
    n->keys = p;
    return 0;
}

static int compare_keys(const void *a, const void *b)
{
    const struct yaml_node *x = *(struct yaml_node *const *)a, *y = *(struct yaml_node *const *)b;
    int r = strcmp(x->text, y->text);

    if (r == 0)
        r = x->line != y->line ? x->line - y->line : x->column - y->column;
    return r;
}

static int check_duplicates(struct builder *b, const struct yaml_node *n)
{
    _cleanup_free_ const struct yaml_node **sorted = NULL;

    if (n->n < 2)
        return 0;
    sorted = malloc(n->n * sizeof *sorted);
    if (!sorted)
        return yaml_no_memory(b->faults);
    memcpy(sorted, n->keys, n->n * sizeof *sorted);
    qsort(sorted, n->n, sizeof *sorted, compare_keys);
    for (size_t i = 1; i < n->n; i++)
        if (strcmp(sorted[i - 1]->text, sorted[i]->text) == 0)
            yaml_fault(b->faults, sorted[i], "key '%.60s' is given twice, first in line %d; keep one of them",
                       sorted[i]->text, sorted[i - 1]->line);
    return 0;
}

static int build(struct builder *b, const yaml_event_t *ev, int depth, struct yaml_node **ret);

/* Reads a key; a key that is a list or a table is reported, read over, and replaced by an unlikely text. */
static int build_key(struct builder *b, const yaml_event_t *ev, int depth, struct yaml_node **ret)
{
    _cleanup_(yaml_node_freep) struct yaml_node *key = NULL;
    int r = build(b, ev, depth, &key);

    if (r < 0)
        return r;
    if (key->kind != YAML_SCALAR) {
        _cleanup_(yaml_node_freep) struct yaml_node *complex = TAKE_PTR(key);
        yaml_mark_t mark = {0, (size_t)complex->line - 1, (size_t)complex->column - 1};

        yaml_fault(b->faults, complex, "a key must be a single word, not %s", yaml_kind_name(complex));
        key = node_new(b, YAML_SCALAR, &mark);
        if (!key)
            return -ENOMEM;
        key->text = strdup("?");
        if (!key->text)
            return yaml_no_memory(b->faults);
    }
    *ret = TAKE_PTR(key);
    return 0;
}

static int build_entries(struct builder *b, struct yaml_node *n, int depth)
{
    for (;;) {
        _cleanup_event_ yaml_event_t ev, value_ev = {0};
        _cleanup_(yaml_node_freep) struct yaml_node *key = NULL;
        int r = next_event(b, &ev);

        if (r < 0)
            return r;
        if (ev.type == YAML_SEQUENCE_END_EVENT || ev.type == YAML_MAPPING_END_EVENT)
            return n->kind == YAML_MAPPING ? check_duplicates(b, n) : 0;
        r = grow(b, n);
        if (r == 0 && n->kind == YAML_MAPPING) {
            r = build_key(b, &ev, depth, &key);
            r = r < 0 ? r : next_event(b, &value_ev);
        }
        r = r < 0 ? r : build(b, key ? &value_ev : &ev, depth, &n->items[n->n]);
        if (r < 0)
            return r;
        if (key)
            n->keys[n->n] = TAKE_PTR(key);
        n->n++;
    }
}

/* Builds the node that begins with ev. Stops (negative) where going on makes no sense: syntax, depth, number, memory. */
static int build(struct builder *b, const yaml_event_t *ev, int depth, struct yaml_node **ret)
{
    _cleanup_(yaml_node_freep) struct yaml_node *n = NULL;
    int line = (int)ev->start_mark.line + 1, column = (int)ev->start_mark.column + 1;
    enum yaml_kind kind = ev->type == YAML_MAPPING_START_EVENT    ? YAML_MAPPING
                          : ev->type == YAML_SEQUENCE_START_EVENT ? YAML_SEQUENCE
                                                                  : YAML_SCALAR;
    int r;

    if (kind != YAML_SCALAR && depth >= YAML_DEPTH_MAX)
        return fault_line(b->faults, line, column, "nested deeper than %d levels; flatten it",
                          YAML_DEPTH_MAX);
    if (++b->nodes > YAML_NODES_MAX)
        return fault_line(b->faults, line, column, "more than %d values; make the file smaller",
                          YAML_NODES_MAX);
    n = node_new(b, kind, &ev->start_mark);
    if (!n)
        return -ENOMEM;
    if (kind == YAML_MAPPING) {
        check_decoration(b, ev, ev->data.mapping_start.anchor, ev->data.mapping_start.tag);
    } else if (kind == YAML_SEQUENCE) {
        check_decoration(b, ev, ev->data.sequence_start.anchor, ev->data.sequence_start.tag);
    } else if (ev->type == YAML_ALIAS_EVENT) {
        fault_line(
            b->faults, line, column,
            "alias '*%.60s': aliases are not used here; write the value out, or put the text in quotes",
            (const char *)ev->data.alias.anchor);
        n->text = strdup("");
        r = n->text ? 0 : yaml_no_memory(b->faults);
    } else {
        check_decoration(b, ev, ev->data.scalar.anchor, ev->data.scalar.tag);
        r = scalar_text(b, n, ev);
    }
    if (kind != YAML_SCALAR)
        r = build_entries(b, n, depth + 1);
    if (r < 0)
        return r;
    *ret = TAKE_PTR(n);
    return 0;
}

/* Stream start, one document, stream end. */
static int build_document(struct builder *b, struct yaml_node **ret)
{
    _cleanup_(yaml_node_freep) struct yaml_node *root = NULL;
    int r = 0;

    for (;;) {
        _cleanup_event_ yaml_event_t ev;

        r = next_event(b, &ev);
        if (r < 0)
            return r;
        if (ev.type == YAML_STREAM_END_EVENT)
            break;
        if (ev.type == YAML_STREAM_START_EVENT || ev.type == YAML_DOCUMENT_END_EVENT)
            continue;
        if (root)
            return fault_line(b->faults, (int)ev.start_mark.line + 1, (int)ev.start_mark.column + 1,
                              "a second document ('---'); one document is read");
        if (ev.type != YAML_DOCUMENT_START_EVENT)
            r = build(b, &ev, 0, &root);
        if (r < 0)
            return r;
    }
    if (!root || yaml_is_null(root)) {
        root = yaml_node_free(root);
        root = node_new(b, YAML_MAPPING, &(yaml_mark_t){0});
        if (!root)
            return -ENOMEM;
    }
    *ret = TAKE_PTR(root);
    return 0;
}

int yaml_parse(const char *text, size_t size, size_t max, struct yaml_faults *faults, struct yaml_node **ret)
{
    _cleanup_(yaml_node_freep) struct yaml_node *root = NULL;
    struct builder b = {.faults = faults};
    unsigned before = faults->count;
    int r;

    if (size >= 3 && memcmp(text, "\xEF\xBB\xBF", 3) == 0) { /* the byte order mark of some editors */
        text += 3;
        size -= 3;
    }
    b.text = text;
    b.size = size;
    if (size > max) {
        yaml_fault(faults, NULL, "the text has %zu bytes; at most %zu are read", size, max);
        return -EFBIG;
    }
    r = check_bytes(text, size, faults);
    if (r < 0)
        return r;
    if (!yaml_parser_initialize(&b.parser))
        return yaml_no_memory(faults);
    yaml_parser_set_encoding(&b.parser, YAML_UTF8_ENCODING);
    yaml_parser_set_input_string(&b.parser, (const unsigned char *)text, size);
    r = build_document(&b, &root);
    yaml_parser_delete(&b.parser);
    if (r < 0)
        return r;
    if (faults->count > before)
        return -EINVAL;
    *ret = TAKE_PTR(root);
    return 0;
}

const struct yaml_node *yaml_get(const struct yaml_node *node, const char *key)
{
    if (!node || node->kind != YAML_MAPPING)
        return NULL;
    for (size_t i = 0; i < node->n; i++)
        if (strcmp(node->keys[i]->text, key) == 0)
            return node->items[i];
    return NULL;
}

bool yaml_is_null(const struct yaml_node *node)
{
    static const char *const words[] = {"", "~", "null", "Null", "NULL"};

    if (node->kind != YAML_SCALAR || !node->plain)
        return false;
    for (size_t i = 0; i < ARRAY_SIZE(words); i++)
        if (strcmp(node->text, words[i]) == 0)
            return true;
    return false;
}

const char *yaml_kind_name(const struct yaml_node *node)
{
    static const char *const names[] = {"a text", "a list", "a table"};

    return names[node->kind];
}
