/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * What the settings say about themselves: --dump-config, the manual page, and which changes need a restart (see settings.h).
 */
#include <errno.h>
#include <string.h>

#include "base/settings-table.h"

/* Takes the stream's buffer: a failed write or dump frees it. */
static int finish(FILE *out, char **text, int r, char **ret)
{
    if (fclose(out) != 0 && r == 0)
        r = -ENOMEM;
    if (r < 0) {
        free(*text);
        return r;
    }
    *ret = *text;
    return 0;
}

int settings_dump(const struct settings *s, char **ret)
{
    char *text = NULL;
    size_t size;
    FILE *out = open_memstream(&text, &size);
    int r;

    if (!out)
        return -ENOMEM;
    fprintf(out,
            "# Liuhen settings in force, read from %s. This text is itself a valid settings file.\n"
            "# Worked out from them:\n"
            "#   catalogue   %s\n"
            "#   socket      %s\n"
            "#   policy      %s\n"
            "#   worker      %s\n",
            s->file, s->catalogue.dsn_given[0] ? "as catalogue.dsn says" : s->catalogue.dsn, s->socket.path,
            s->policy_file, s->media.worker);
    r = config_dump(&settings_table, s, out);
    return finish(out, &text, r, ret);
}

int settings_man(char **ret)
{
    char *text = NULL;
    size_t size;
    FILE *out = open_memstream(&text, &size);
    int r;

    if (!out)
        return -ENOMEM;
    fputs(
        ".\\\" Made from the table of settings by liuhend; do not edit.\n"
        ".TH RETENTION.YAML 5 \"\" \"Liuhen " LIUHEN_VERSION "\" \"Liuhen\"\n"
        ".SH NAME\nretention.yaml \\- settings of the Liuhen daemon\n"
        ".SH DESCRIPTION\n"
        ".BR liuhend (8)\nreads this YAML file at its start and again on SIGHUP. Every key has a default; no "
        "file is needed.\n"
        "Anchors, aliases, tags, duplicate and unknown keys are refused. All faults are reported at once as\n"
        ".IR file : line : column ,\n"
        "and the daemon then ends with exit code 78, or, at a reload, keeps the settings it had.\n"
        ".PP\n"
        "Times are written as a number and ms, s, min, h or days; sizes as a number and B, KiB, MiB, GiB or "
        "TiB.\n"
        ".SH KEYS\n",
        out);
    r = config_man(&settings_table, out);
    fputs(".SH SEE ALSO\n.BR liuhend (8),\n.BR liuhen (1)\n", out);
    return finish(out, &text, r, ret);
}

struct restart {
    void (*on_key)(void *userdata, const char *key);
    void *userdata;
    int n;
};

static void on_changed(void *userdata, const struct config_row *row)
{
    struct restart *r = userdata;

    if (row->reloadable)
        return;
    r->n++;
    r->on_key(r->userdata, row->path);
}

int settings_diff_restart(const struct settings *old, const struct settings *new,
                          void (*on_key)(void *userdata, const char *key), void *userdata)
{
    struct restart r = {on_key, userdata, 0};

    config_diff(&settings_table, old, new, on_changed, &r);
    return r.n;
}
