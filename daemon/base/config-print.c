/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * What a configuration table says about itself: the YAML dump of values in force with the help as comments, and the rows of the
 * manual page (see config.h). Both come from the same rows, so that neither can be forgotten.
 */
#include <errno.h>
#include <string.h>

#include "base/config-value.h"
#include "base/config.h"

static const char *type_words(const struct config_row *row)
{
    return row->type == CONFIG_SECTION ? "table"
           : row->type == CONFIG_LIST  ? "list of tables"
                                       : config_type_ops(row->type)->what;
}

/* "absolute path, default /x, taken at a restart" */
static void facts_text(const struct config_row *row, char *out, size_t size)
{
    bool in_list = strstr(row->path, "[]") != NULL;
    char bounds[256];

    config_bounds_text(row, bounds, sizeof bounds);
    snprintf(out, size, "%s%s%s%s; %s%s%s", type_words(row), bounds[0] ? " (" : "", bounds,
             bounds[0] ? ")" : "",
             row->type == CONFIG_LIST ? "none by default"
             : row->fallback          ? "default "
                                      : "must be given",
             row->fallback ? row->fallback : "",
             in_list           ? ""
             : row->reloadable ? "; a reload takes it"
                               : "; only a restart takes it");
}

/* Each line of text as a comment, with `first` after the mark of the first and `rest` after that of the others. */
static void put_comment(FILE *out, int indent, const char *first, const char *rest, const char *text)
{
    const char *lead = first;

    for (const char *p = text; *p; lead = rest) {
        size_t n = strcspn(p, "\n");
        fprintf(out, "%*s# %s%.*s\n", indent, "", lead, (int)n, p);
        p += n + (p[n] == '\n');
    }
}

static int dump_value(const struct config_row *row, const char *name, const void *base, int indent,
                      const char *dash, FILE *out)
{
    _cleanup_free_ char *value = config_value_text(row, base);

    if (!value)
        return -ENOMEM;
    fprintf(out, "%*s%s%s: %s\n", indent, "", dash, name, value);
    return 0;
}

static int dump_list(const struct config_table *t, const struct config_row *list, const char *name,
                     const void *base, FILE *out)
{
    char prefix[CONFIG_PREFIX_SIZE], facts[512];
    const char *items;
    size_t n;
    int r = 0;

    config_prefix_below(list, prefix);
    fprintf(out, "# Keys of an entry:\n");
    for (const struct config_row *row = t->rows; row < t->rows + t->n; row++) {
        const char *key = config_child_name(row, prefix);
        char lead[64];
        if (!key)
            continue;
        snprintf(lead, sizeof lead, "  %s: ", key);
        facts_text(row, facts, sizeof facts);
        put_comment(out, 0, lead, "      ", row->help);
        put_comment(out, 0, "      ", "      ", facts);
    }
    items = config_list_items(list, base, &n);
    fprintf(out, "%s:%s\n", name, n ? "" : " []");
    for (size_t i = 0; i < n && r == 0; i++) {
        const char *dash = "- ";
        for (const struct config_row *row = t->rows; row < t->rows + t->n && r == 0; row++) {
            const char *key = config_child_name(row, prefix);
            if (!key)
                continue;
            r = dump_value(row, key, items + i * list->item_size, 2, dash, out);
            dash = "  ";
        }
    }
    return r;
}

static int dump_below(const struct config_table *t, const void *base, const char *prefix, int indent,
                      FILE *out)
{
    char next[CONFIG_PREFIX_SIZE], facts[512];
    int r = 0;

    for (const struct config_row *row = t->rows; row < t->rows + t->n && r == 0; row++) {
        const char *name = config_child_name(row, prefix);

        if (!name)
            continue;
        if (indent == 0)
            fputc('\n', out);
        put_comment(out, indent, "", "", row->help);
        if (row->type == CONFIG_SECTION) {
            fprintf(out, "%*s%s:\n", indent, "", name);
            r = dump_below(t, base, config_prefix_below(row, next), indent + 2, out);
            continue;
        }
        facts_text(row, facts, sizeof facts);
        put_comment(out, indent, "", "", facts);
        r = row->type == CONFIG_LIST ? dump_list(t, row, name, base, out)
                                     : dump_value(row, name, base, indent, "", out);
    }
    return r;
}

int config_dump(const struct config_table *t, const void *target, FILE *out)
{
    int r = dump_below(t, target, "", 0, out);

    return r < 0 ? r : ferror(out) ? -EIO : 0;
}

/* Text as troff: no line begins a request, backslashes and hyphens stand for themselves. */
static void put_troff(FILE *out, const char *text)
{
    bool line_start = true;

    for (; *text; text++) {
        if (line_start && (*text == '.' || *text == '\''))
            fputs("\\&", out);
        line_start = *text == '\n';
        if (*text == '\\')
            fputs("\\e", out);
        else if (*text == '-')
            fputs("\\-", out);
        else
            fputc(*text, out);
    }
}

int config_man(const struct config_table *t, FILE *out)
{
    char facts[512];

    for (const struct config_row *row = t->rows; row < t->rows + t->n; row++) {
        fputs(row->type == CONFIG_SECTION || row->type == CONFIG_LIST ? ".SS " : ".TP\n.B ", out);
        put_troff(out, row->path);
        fputc('\n', out);
        put_troff(out, row->help);
        fputc('\n', out);
        if (row->type == CONFIG_SECTION)
            continue;
        facts_text(row, facts, sizeof facts);
        fputs(".br\n", out);
        put_troff(out, facts);
        fputs(".\n", out);
    }
    return ferror(out) ? -EIO : 0;
}
