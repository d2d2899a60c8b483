/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Types of configuration values (see config-value.h): one row of functions a type. A message says what is wrong with the value
 * and what would be right; the key's path is put in front by the callers.
 */
#include "base/config-value.h"

#include <errno.h>
#include <stdarg.h>
#include <string.h>

#include "base/calendar.h"
#include "base/encode.h"

#define WHY(...) (snprintf(why, CONFIG_WHY_SIZE, __VA_ARGS__), -EINVAL)

/* --- texts --- */

static int store_text(const char *text, void *slot)
{
    char *copy = strdup(text);

    if (!copy)
        return -ENOMEM;
    *(char **)slot = copy;
    return 0;
}

static int parse_string(const struct config_row *row, const char *text, void *slot, char *why)
{
    size_t length = strlen(text);
    const char *right;

    if (!utf8_is_valid(text, length))
        return WHY("is not UTF-8; write it in UTF-8");
    for (const char *p = text; *p; p++)
        if ((unsigned char)*p < 0x20 || *p == 0x7F)
            return WHY("holds a control character or a line break; write it on one line");
    if ((int64_t)length < row->min)
        return WHY("must not be %s", length == 0 ? "empty" : "so short");
    if ((int64_t)length > row->max)
        return WHY("is %zu bytes long; at most %lld are allowed", length, (long long)row->max);
    right = row->check && length > 0 ? row->check(text) : NULL;
    if (right)
        return WHY("'%.100s' is not allowed; %s", text, right);
    return store_text(text, slot);
}

/* Whether a component of the path is "..". */
static bool has_dotdot(const char *path)
{
    for (const char *p = path; (p = strstr(p, "..")); p += 2)
        if ((p == path || p[-1] == '/') && (p[2] == 0 || p[2] == '/'))
            return true;
    return false;
}

static int parse_path(const struct config_row *row, const char *text, void *slot, char *why)
{
    char *copy = NULL;
    size_t n;
    int r;

    if (*text && *text != '/')
        return WHY("'%.100s' is not an absolute path; begin it with '/'", text);
    if (has_dotdot(text))
        return WHY("'%.100s' holds '..'; write the path without it", text);
    r = parse_string(row, text, &copy, why);
    if (r < 0)
        return r;
    for (n = strlen(copy); n > 1 && copy[n - 1] == '/'; n--)
        copy[n - 1] = 0;
    *(char **)slot = copy;
    return 0;
}

static int parse_zone(const struct config_row *row, const char *text, void *slot, char *why)
{
    _cleanup_(zone_freep) struct zone *z = NULL;
    int r;

    if (!*text && row->min == 0)
        return store_text(text, slot);
    r = zone_new(text, &z);
    if (r == -ENOMEM)
        return r;
    if (r < 0)
        return WHY("'%.60s' is not a known time zone; write an IANA name such as Asia/Shanghai or UTC", text);
    return store_text(text, slot);
}

static char *print_text(const struct config_row *row, const void *slot)
{
    return yaml_quote(*(char *const *)slot);
}

static bool equal_text(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b) == 0;
}

static void done_text(void *slot)
{
    free(*(char **)slot);
    *(char **)slot = NULL;
}

/* --- numbers --- */

static int parse_bool(const struct config_row *row, const char *text, void *slot, char *why)
{
    if (strcmp(text, "true") != 0 && strcmp(text, "false") != 0)
        return WHY("'%.60s' is neither true nor false; write one of these", text);
    *(bool *)slot = text[0] == 't';
    return 0;
}

static char *print_bool(const struct config_row *row, const void *slot)
{
    return strdup(*(const bool *)slot ? "true" : "false");
}

static bool equal_bool(const void *a, const void *b)
{
    return *(const bool *)a == *(const bool *)b;
}

/* A whole decimal number and nothing else. */
static int whole_number(const char *text, int64_t *ret)
{
    const char *digits = *text == '-' ? text + 1 : text;
    char *end;

    if (*digits < '0' || *digits > '9' || strlen(text) > 20)
        return -EINVAL;
    errno = 0;
    *ret = strtoll(text, &end, 10);
    return errno || *end ? -EINVAL : 0;
}

static int parse_integer(const struct config_row *row, const char *text, void *slot, char *why)
{
    int64_t v;

    if (whole_number(text, &v) < 0)
        return WHY("'%.60s' is not a whole number; write one from %lld to %lld", text, (long long)row->min,
                   (long long)row->max);
    if (v < row->min || v > row->max)
        return WHY("%lld is out of range; write a number from %lld to %lld", (long long)v,
                   (long long)row->min, (long long)row->max);
    *(int64_t *)slot = v;
    return 0;
}

static char *_printf_(1, 2) format(const char *fmt, ...)
{
    va_list ap;
    char *out;
    int n;

    va_start(ap, fmt);
    n = vasprintf(&out, fmt, ap);
    va_end(ap);
    return n < 0 ? NULL : out;
}

static char *print_integer(const struct config_row *row, const void *slot)
{
    return format("%lld", (long long)*(const int64_t *)slot);
}

static bool equal_integer(const void *a, const void *b)
{
    return *(const int64_t *)a == *(const int64_t *)b;
}

static int parse_mode(const struct config_row *row, const char *text, void *slot, char *why)
{
    size_t length = strlen(text);
    unsigned v = 0;

    if (length < 3 || length > 4 || strspn(text, "01234567") != length)
        return WHY("'%.60s' is not a file mode; write octal digits such as 0660", text);
    for (const char *p = text; *p; p++)
        v = v * 8 + (unsigned)(*p - '0');
    if (v & ~(unsigned)row->max)
        return WHY("mode %04o allows more than %04o; write a part of that", v, (unsigned)row->max);
    *(unsigned *)slot = v;
    return 0;
}

static char *print_mode(const struct config_row *row, const void *slot)
{
    return format("%04o", *(const unsigned *)slot);
}

static bool equal_unsigned(const void *a, const void *b)
{
    return *(const unsigned *)a == *(const unsigned *)b;
}

struct unit {
    const char *name;
    int64_t factor;
};

static const struct unit size_units[] = {
    {"B", 1}, {"KiB", 1LL << 10}, {"MiB", 1LL << 20}, {"GiB", 1LL << 30}, {"TiB", 1LL << 40},
};
static const struct unit duration_units[] = {
    {"ms", USEC_PER_MSEC}, {"s", USEC_PER_SEC},    {"min", USEC_PER_MIN},
    {"h", USEC_PER_HOUR},  {"days", USEC_PER_DAY},
};

/* In the largest unit that leaves no rest. */
static char *print_units(int64_t v, const struct unit *units, size_t n)
{
    size_t best = 0;

    for (size_t i = 0; i < n; i++)
        if (v % units[i].factor == 0 && (v != 0 || i == 0 || units[i].factor == USEC_PER_SEC))
            best = i;
    return format("%lld %s", (long long)(v / units[best].factor), units[best].name);
}

static int parse_size(const struct config_row *row, const char *text, void *slot, char *why)
{
    _cleanup_free_ char *low = print_units(row->min, size_units, ARRAY_SIZE(size_units));
    _cleanup_free_ char *high = print_units(row->max, size_units, ARRAY_SIZE(size_units));
    const char *unit = text + strspn(text, "0123456789");
    size_t digits = (size_t)(unit - text);
    int64_t v = 0;
    bool known = false;

    if (!low || !high)
        return -ENOMEM;
    unit += strspn(unit, " ");
    for (size_t i = 0; i < ARRAY_SIZE(size_units); i++) {
        if (strcmp(unit, size_units[i].name) != 0)
            continue;
        known = true;
        if (__builtin_mul_overflow((int64_t)strtoll(text, NULL, 10), size_units[i].factor, &v))
            v = INT64_MAX;
    }
    if (digits == 0 || digits > 18 || !known)
        return WHY("'%.60s' is not a size; write a number and B, KiB, MiB, GiB or TiB, such as 512 MiB",
                   text);
    if (v < row->min || v > row->max)
        return WHY("%.60s is out of range; write a size from %s to %s", text, low, high);
    *(uint64_t *)slot = (uint64_t)v;
    return 0;
}

static char *print_size(const struct config_row *row, const void *slot)
{
    return print_units((int64_t) * (const uint64_t *)slot, size_units, ARRAY_SIZE(size_units));
}

static int parse_duration(const struct config_row *row, const char *text, void *slot, char *why)
{
    _cleanup_free_ char *low = print_units(row->min, duration_units, ARRAY_SIZE(duration_units));
    _cleanup_free_ char *high = print_units(row->max, duration_units, ARRAY_SIZE(duration_units));
    int64_t v;

    if (!low || !high)
        return -ENOMEM;
    if (duration_parse(text, &v) < 0)
        return WHY("'%.60s' is not a duration; write a number and ms, s, min, h, days or weeks, such as 2 s",
                   text);
    if (v < row->min || v > row->max)
        return WHY("%.60s is out of range; write a duration from %s to %s", text, low, high);
    *(int64_t *)slot = v;
    return 0;
}

static char *print_duration(const struct config_row *row, const void *slot)
{
    return print_units(*(const int64_t *)slot, duration_units, ARRAY_SIZE(duration_units));
}

/* --- choices --- */

static size_t count_names(const struct config_row *row)
{
    size_t n = 0;

    while (row->names[n])
        n++;
    return n;
}

static int find_name(const struct config_row *row, const char *text, size_t *ret, char *why)
{
    size_t n = count_names(row);
    const char *near;
    char all[256];

    for (size_t i = 0; i < n; i++)
        if (strcmp(text, row->names[i]) == 0) {
            *ret = i;
            return 0;
        }
    yaml_words(row->names, n, all, sizeof all);
    near = yaml_nearest(text, row->names, n);
    return near ? WHY("'%.60s' is unknown; did you mean '%s'? (known: %s)", text, near, all)
                : WHY("'%.60s' is unknown; write one of: %s", text, all);
}

static int parse_enum(const struct config_row *row, const char *text, void *slot, char *why)
{
    size_t i;
    int r = find_name(row, text, &i, why);

    if (r < 0)
        return r;
    *(int *)slot = row->base + (int)i;
    return 0;
}

static char *print_enum(const struct config_row *row, const void *slot)
{
    return strdup(row->names[*(const int *)slot - row->base]);
}

static bool equal_enum(const void *a, const void *b)
{
    return *(const int *)a == *(const int *)b;
}

/* --- lists --- */

/* Appends a quoted entry to "[a, b"; consumes *text. */
static int append_entry(char **text, const char *entry)
{
    _cleanup_free_ char *quoted = yaml_quote(entry), *old = TAKE_PTR(*text);

    if (!quoted || !old)
        return -ENOMEM;
    *text = format("%s%s%s", old, old[1] ? ", " : "", quoted);
    return *text ? 0 : -ENOMEM;
}

static char *print_flags(const struct config_row *row, const void *slot)
{
    _cleanup_free_ char *text = strdup("[");
    unsigned bits = *(const unsigned *)slot;

    for (size_t i = 0; row->names[i]; i++)
        if (bits & 1u << i && append_entry(&text, row->names[i]) < 0)
            return NULL;
    return text ? format("%s]", text) : NULL;
}

static char *print_strings(const struct config_row *row, const void *slot)
{
    const struct config_strings *s = slot;
    _cleanup_free_ char *text = strdup("[");

    for (size_t i = 0; i < s->n; i++)
        if (append_entry(&text, s->items[i]) < 0)
            return NULL;
    return text ? format("%s]", text) : NULL;
}

static bool equal_strings(const void *a, const void *b)
{
    const struct config_strings *x = a, *y = b;

    if (x->n != y->n)
        return false;
    for (size_t i = 0; i < x->n; i++)
        if (strcmp(x->items[i], y->items[i]) != 0)
            return false;
    return true;
}

static void done_strings(void *slot)
{
    struct config_strings *s = slot;

    for (size_t i = 0; i < s->n; i++)
        free(s->items[i]);
    free(s->items);
    *s = (struct config_strings){0};
}

static void read_flags(const struct config_row *row, const struct yaml_node *node, unsigned *ret,
                       struct yaml_faults *faults)
{
    char why[CONFIG_WHY_SIZE];
    unsigned bits = 0;
    size_t bit;

    for (size_t i = 0; i < node->n; i++) {
        const struct yaml_node *item = node->items[i];

        if (item->kind != YAML_SCALAR)
            yaml_fault(faults, item, "%s: %s is not a name; write names only", row->path,
                       yaml_kind_name(item));
        else if (find_name(row, item->text, &bit, why) < 0)
            yaml_fault(faults, item, "%s: %s", row->path, why);
        else
            bits |= 1u << bit;
    }
    if (node->n < (size_t)row->min)
        yaml_fault(faults, node, "%s: needs at least %lld of its names", row->path, (long long)row->min);
    *ret = bits;
}

static void read_strings(const struct config_row *row, const struct yaml_node *node, struct config_strings *s,
                         struct yaml_faults *faults)
{
    const struct config_row entry = {.min = 1, .max = 255, .check = row->check};
    char why[CONFIG_WHY_SIZE];

    if ((int64_t)node->n > row->max) {
        yaml_fault(faults, node, "%s: %zu entries; at most %lld are allowed", row->path, node->n,
                   (long long)row->max);
        return;
    }
    done_strings(s);
    s->items = calloc(node->n + 1, sizeof *s->items);
    if (!s->items) {
        yaml_no_memory(faults);
        return;
    }
    for (size_t i = 0; i < node->n; i++) {
        const struct yaml_node *item = node->items[i];
        int r = item->kind == YAML_SCALAR ? parse_string(&entry, item->text, &s->items[s->n], why)
                                          : WHY("is %s; write a text", yaml_kind_name(item));

        if (r == 0)
            s->n++;
        else if (r == -ENOMEM)
            yaml_no_memory(faults);
        else
            yaml_fault(faults, item, "%s: entry %s", row->path, why);
    }
}

/* --- the table --- */

static const struct config_type_ops ops[] = {
    [CONFIG_STRING] = {"text", true, sizeof(char *), parse_string, print_text, equal_text, done_text},
    [CONFIG_PATH] = {"absolute path", true, sizeof(char *), parse_path, print_text, equal_text, done_text},
    [CONFIG_ZONE] = {"time zone", true, sizeof(char *), parse_zone, print_text, equal_text, done_text},
    [CONFIG_BOOL] = {"true or false", true, sizeof(bool), parse_bool, print_bool, equal_bool, NULL},
    [CONFIG_INTEGER] = {"whole number", true, sizeof(int64_t), parse_integer, print_integer, equal_integer,
                        NULL},
    [CONFIG_MODE] = {"file mode", true, sizeof(unsigned), parse_mode, print_mode, equal_unsigned, NULL},
    [CONFIG_SIZE] = {"size", true, sizeof(uint64_t), parse_size, print_size, equal_integer, NULL},
    [CONFIG_DURATION] = {"duration", true, sizeof(int64_t), parse_duration, print_duration, equal_integer,
                         NULL},
    [CONFIG_ENUM] = {"choice", true, sizeof(int), parse_enum, print_enum, equal_enum, NULL},
    [CONFIG_FLAGS] = {"list of names", false, sizeof(unsigned), NULL, print_flags, equal_unsigned, NULL},
    [CONFIG_STRINGS] = {"list of texts", false, sizeof(struct config_strings), NULL, print_strings,
                        equal_strings, done_strings},
};

const struct config_type_ops *config_type_ops(enum config_type type)
{
    return &ops[type];
}

static void read_scalar(const struct config_row *row, const struct yaml_node *node, void *slot,
                        struct yaml_faults *faults)
{
    const struct config_type_ops *o = &ops[row->type];
    char why[CONFIG_WHY_SIZE];
    union config_slot fresh = {0};
    int r = o->parse(row, node->text, &fresh, why);

    if (r == -ENOMEM) {
        yaml_no_memory(faults);
        return;
    }
    if (r < 0) {
        yaml_fault(faults, node, "%s: %s", row->path, why);
        return;
    }
    if (o->done)
        o->done(slot);
    memcpy(slot, &fresh, o->size);
}

void config_value_read(const struct config_row *row, const struct yaml_node *node, void *slot,
                       struct yaml_faults *faults)
{
    const struct config_type_ops *o = &ops[row->type];

    if (yaml_is_null(node))
        yaml_fault(faults, node, "%s: no value; write %s%s or leave the key out", row->path,
                   o->is_scalar ? "a " : "[] or a ", o->what);
    else if (o->is_scalar && node->kind != YAML_SCALAR)
        yaml_fault(faults, node, "%s: %s where one value belongs; write a %s", row->path,
                   yaml_kind_name(node), o->what);
    else if (!o->is_scalar && node->kind != YAML_SEQUENCE)
        yaml_fault(faults, node, "%s: %s where a list belongs; write [a, b]", row->path,
                   yaml_kind_name(node));
    else if (row->type == CONFIG_FLAGS)
        read_flags(row, node, slot, faults);
    else if (row->type == CONFIG_STRINGS)
        read_strings(row, node, slot, faults);
    else
        read_scalar(row, node, slot, faults);
}

const char *config_bounds_text(const struct config_row *row, char *out, size_t size)
{
    _cleanup_free_ char *low = NULL, *high = NULL;
    const struct unit *units = row->type == CONFIG_SIZE ? size_units : duration_units;
    size_t n = row->type == CONFIG_SIZE ? ARRAY_SIZE(size_units) : ARRAY_SIZE(duration_units);

    out[0] = 0;
    if (row->type == CONFIG_INTEGER)
        snprintf(out, size, "%lld to %lld", (long long)row->min, (long long)row->max);
    if (row->type == CONFIG_SIZE || row->type == CONFIG_DURATION) {
        low = print_units(row->min, units, n);
        high = print_units(row->max, units, n);
        snprintf(out, size, "%s to %s", low ? low : "?", high ? high : "?");
    }
    if (row->type == CONFIG_LIST || row->type == CONFIG_STRINGS)
        snprintf(out, size, "at most %lld entries", (long long)row->max);
    if (row->type == CONFIG_ENUM || row->type == CONFIG_FLAGS)
        yaml_words(row->names, count_names(row), out, size);
    return out;
}

const char *config_child_name(const struct config_row *row, const char *prefix)
{
    size_t n = strlen(prefix);

    if (strncmp(row->path, prefix, n) != 0 || strpbrk(row->path + n, ".["))
        return NULL;
    return row->path + n;
}

const char *config_prefix_below(const struct config_row *row, char out[CONFIG_PREFIX_SIZE])
{
    snprintf(out, CONFIG_PREFIX_SIZE, "%s%s.", row->path, row->type == CONFIG_LIST ? "[]" : "");
    return out;
}

void *config_list_items(const struct config_row *row, const void *base, size_t *ret_n)
{
    void *items;

    memcpy(&items, (const char *)base + row->offset, sizeof items);
    memcpy(ret_n, (const char *)base + row->count_offset, sizeof *ret_n);
    return items;
}
