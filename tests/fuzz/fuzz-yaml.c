/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Fuzzes YAML and settings: no text may crash or hang the parser; every refusal says where; what is taken as settings dumps to a
 * text that is taken again and dumps the same.
 */
#include <string.h>

#include "base/encode.h"
#include "base/settings.h"

static void on_fault(void *userdata, const struct error *fault)
{
    if (!fault->object[0] || !fault->text[0])
        abort();
    ++*(int *)userdata;
}

/* Every text of a tree is valid UTF-8, and its quoted form reads back as itself. */
static void check_tree(const struct yaml_node *n)
{
    if (n->kind == YAML_SCALAR) {
        _cleanup_free_ char *quoted = yaml_quote(n->text);
        _cleanup_(yaml_node_freep) struct yaml_node *back = NULL;
        struct yaml_faults faults = {.file = "quoted"};

        if (!utf8_is_valid(n->text, strlen(n->text)) || !quoted)
            abort();
        if (yaml_parse(quoted, strlen(quoted), SIZE_MAX, &faults, &back) < 0 || back->kind != YAML_SCALAR ||
            strcmp(back->text, n->text) != 0)
            abort();
    }
    for (size_t i = 0; i < n->n; i++) {
        if (n->keys)
            check_tree(n->keys[i]);
        check_tree(n->items[i]);
    }
}

static void check_settings(const struct settings *s)
{
    _cleanup_(settings_freep) struct settings *again = NULL;
    _cleanup_free_ char *a = NULL, *b = NULL;
    int faults = 0;

    if (settings_dump(s, &a) < 0 || settings_parse(a, strlen(a), s->file, on_fault, &faults, &again) < 0 ||
        settings_dump(again, &b) < 0 || strcmp(a, b) != 0)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct yaml_faults faults = {.file = "f"};
    _cleanup_(yaml_node_freep) struct yaml_node *root = NULL;
    _cleanup_(settings_freep) struct settings *s = NULL;
    int r, n = 0;

    r = yaml_parse((const char *)data, size, SETTINGS_BYTES_MAX, &faults, &root);
    if ((r < 0) != (faults.count > 0))
        abort();
    if (r == 0)
        check_tree(root);
    r = settings_parse((const char *)data, size, "f", on_fault, &n, &s);
    if ((r < 0) != (n > 0))
        abort();
    if (r == 0)
        check_settings(s);
    return 0;
}
