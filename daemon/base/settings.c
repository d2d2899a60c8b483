/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Loading, deriving, overriding and describing the site's settings (see settings.h). The table of keys is settings-table.c; what
 * holds between keys is settings-check.c.
 */
#include "base/settings.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/settings-table.h"

#define POLICY_BUILT_IN "cn-health-enforcement"

/* The policy set of this regulation, so that a program without any installed file still knows the law. */
#define EMBED(name, path)                                                                                    \
    __asm__(".section .rodata\n.balign 16\n.global " #name "\n" #name ":\n.incbin \"" path                   \
            "\"\n.byte 0\n.global " #name "_end\n" #name "_end:\n.previous\n");                              \
    extern const char name[] __attribute__((visibility("hidden")));                                          \
    extern const char name##_end[] __attribute__((visibility("hidden")))
EMBED(settings_policy_built_in, "policies/cn-health-enforcement.yaml");

const char *role_name(enum role r)
{
    return (unsigned)r < ROLE_COUNT ? settings_role_names[r] : NULL;
}

int role_parse(const char *name, enum role *ret)
{
    for (int i = 0; i < ROLE_COUNT; i++) {
        if (strcmp(name, settings_role_names[i]) != 0)
            continue;
        *ret = (enum role)i;
        return 0;
    }
    return -EINVAL;
}

static int minute_parse(const char *text, size_t size, int *ret)
{
    int hour, minute;

    if (size != 5 || text[2] != ':')
        return -EINVAL;
    for (size_t i = 0; i < 5; i++)
        if (i != 2 && (text[i] < '0' || text[i] > '9'))
            return -EINVAL;
    hour = (text[0] - '0') * 10 + text[1] - '0';
    minute = (text[3] - '0') * 10 + text[4] - '0';
    if (minute > 59 || hour * 60 + minute > 24 * 60)
        return -EINVAL;
    *ret = (hour * 60 + minute) % (24 * 60); /* 24:00 is the next day's 00:00 */
    return 0;
}

int settings_hours_parse(const char *text, int *ret_from, int *ret_to)
{
    const char *dash = strchr(text, '-');
    int from, to;

    if (!dash || minute_parse(text, (size_t)(dash - text), &from) < 0 ||
        minute_parse(dash + 1, strlen(dash + 1), &to) < 0 || from == to)
        return -EINVAL;
    *ret_from = from;
    *ret_to = to;
    return 0;
}

const char *folder_after_name(enum folder_after a)
{
    return a <= FOLDER_AFTER_KEEP ? settings_after_names[a] : NULL;
}

struct settings *settings_free(struct settings *s)
{
    if (!s)
        return NULL;
    for (size_t i = 0; i < s->n_folders; i++)
        zone_free(s->folders[i].zone);
    zone_free(s->site.zone);
    free(s->catalogue.dsn);
    free(s->socket.path);
    free(s->policies);
    free(s->policy_file);
    free(s->media.worker);
    free(s->file);
    config_done(&settings_table, s);
    free(s);
    return NULL;
}

/* --- derived fields --- */

static int replace_text(char **slot, char *value)
{
    if (!value)
        return -ENOMEM;
    free(*slot);
    *slot = value;
    return 0;
}

static char *join(const char *a, const char *b)
{
    char *out;

    return asprintf(&out, "%s%s", a, b) < 0 ? NULL : out;
}

/* The folder this program's file stands in, so that a tree can be moved as a whole. */
static char *program_folder(void)
{
    char path[4096];
    ssize_t n = readlink("/proc/self/exe", path, sizeof path - 1);
    char *slash;

    if (n <= 0)
        return strdup("/usr/local/sbin");
    path[n] = 0;
    slash = strrchr(path, '/');
    *(slash ? slash : path) = 0;
    return strdup(path);
}

/* liuhen-media: beside the program (a build tree), else where `make install` puts it. */
static char *find_worker(const char *folder)
{
    _cleanup_free_ char *beside = join(folder, "/liuhen-media");

    if (!beside || access(beside, X_OK) == 0)
        return TAKE_PTR(beside);
    return join(folder, "/../libexec/liuhen/liuhen-media");
}

static int derive_paths(struct settings *s)
{
    _cleanup_free_ char *folder = program_folder();
    char *file;
    const char *dsn = s->catalogue.dsn_given, *sock = s->socket.path_given, *policies = s->policies_given;
    int r;

    if (!folder)
        return -ENOMEM;
    r = replace_text(&s->catalogue.dsn, *dsn ? strdup(dsn) : join(s->archive.path, "/catalogue.db"));
    r = r < 0 ? r
              : replace_text(&s->socket.path, *sock ? strdup(sock) : join(s->archive.path, "/liuhen.sock"));
    r = r < 0 ? r
              : replace_text(&s->media.worker,
                             *s->media.worker_given ? strdup(s->media.worker_given) : find_worker(folder));
    r = r < 0 ? r
              : replace_text(&s->policies,
                             *policies ? strdup(policies) : join(folder, "/../share/liuhen/policies"));
    if (r < 0)
        return r;
    if (s->policy[0] == '/')
        return replace_text(&s->policy_file, strdup(s->policy));
    if (asprintf(&file, "%s/%s.yaml", s->policies, s->policy) < 0)
        return -ENOMEM;
    return replace_text(&s->policy_file, file);
}

static int derive_zone(const char *name, struct zone **slot)
{
    struct zone *z;
    int r = zone_new(name, &z);

    if (r < 0)
        return r;
    zone_free(*slot);
    *slot = z;
    return 0;
}

static int derive(struct settings *s)
{
    int r = derive_paths(s);

    r = r < 0 ? r : derive_zone(s->site.timezone, &s->site.zone);
    for (size_t i = 0; i < s->n_folders && r == 0; i++) {
        struct settings_folder *f = &s->folders[i];

        r = derive_zone(*f->timezone ? f->timezone : s->site.timezone, &f->zone);
        if (r == 0 && !*f->name) {
            const char *slash = strrchr(f->path, '/');
            r = replace_text(&f->name, strdup(slash && slash[1] ? slash + 1 : "root"));
        }
    }
    for (size_t i = 0; i < s->n_people && r == 0; i++)
        if (!*s->people[i].name)
            r = replace_text(&s->people[i].name, strdup(s->people[i].user));
    return r;
}

/* --- loading --- */

/* Remembers where each place rule stands, for faults that only the pattern compiler can find. */
static void note_places(struct settings *s, const struct yaml_node *root)
{
    const struct yaml_node *list = yaml_get(root, "place");

    for (size_t i = 0; list && i < s->n_place && i < list->n; i++) {
        const struct yaml_node *match = yaml_get(list->items[i], "match");
        s->place[i].line = match ? match->line : list->items[i]->line;
        s->place[i].column = match ? match->column : list->items[i]->column;
    }
}

static int parse_into(struct settings *s, const char *text, size_t size, struct yaml_faults *faults)
{
    _cleanup_(yaml_node_freep) struct yaml_node *root = NULL;
    int r;

    r = config_defaults(&settings_table, s, faults);
    r = r < 0 ? r : yaml_parse(text, size, SETTINGS_BYTES_MAX, faults, &root);
    if (r < 0)
        return r;
    config_apply(&settings_table, root, s, faults);
    r = yaml_faults_result(faults);
    if (r == -ENOMEM)
        return r;
    if (r == 0)
        r = derive(s);
    if (r == 0)
        settings_check(s, root, faults);
    note_places(s, root);
    return r < 0 ? r : yaml_faults_result(faults);
}

int settings_parse(const char *text, size_t size, const char *file, config_on_fault on_fault, void *userdata,
                   struct settings **ret)
{
    struct yaml_faults faults = {.file = file, .on_fault = on_fault, .userdata = userdata};
    _cleanup_(settings_freep) struct settings *s = calloc(1, sizeof *s);
    int r;

    if (!s)
        return -ENOMEM;
    s->file = strdup(file);
    if (!s->file)
        return -ENOMEM;
    r = parse_into(s, text, size, &faults);
    if (r < 0)
        return r;
    *ret = TAKE_PTR(s);
    return 0;
}

static int report_unreadable(const char *path, int r, config_on_fault on_fault, void *userdata)
{
    struct error e = ERROR_INIT;

    if (r == -EFBIG)
        error_set(&e, r, path,
                  "is larger than %u bytes; settings are never that large, is it the right file?",
                  SETTINGS_BYTES_MAX);
    else if (r == -EISDIR)
        error_set(&e, r, path, "is a folder; name the file itself");
    else if (r == -EINVAL)
        error_set(&e, r, path, "is not a plain file; name a plain file");
    else
        error_errno(&e, r, path, "cannot read the settings");
    if (on_fault)
        on_fault(userdata, &e);
    return r;
}

/* An editor that has emptied the file and not written it yet must not take away all folders. */
static int report_empty(const char *path, config_on_fault on_fault, void *userdata)
{
    struct yaml_faults faults = {.file = path, .on_fault = on_fault, .userdata = userdata};
    const struct yaml_node start = {.line = 1, .column = 1};

    return yaml_fault(
        &faults, &start,
        "the file is empty; right would be settings, or at least a comment to run on the defaults");
}

int settings_load(const char *path, config_on_fault on_fault, void *userdata, struct settings **ret)
{
    _cleanup_free_ char *text = NULL;
    size_t size;
    int r;

    if (!path)
        return settings_parse("", 0, "(defaults)", on_fault, userdata, ret);
    r = fd_read_file_at(AT_FDCWD, path, SETTINGS_BYTES_MAX, &text, &size);
    if (r < 0)
        return report_unreadable(path, r, on_fault, userdata);
    if (size == 0)
        return report_empty(path, on_fault, userdata);
    return settings_parse(text, size, path, on_fault, userdata, ret);
}

/* --- one value from the command line --- */

static void keep_fault(void *userdata, const struct error *fault)
{
    struct error *err = userdata;

    if (err && err->code == 0)
        *err = *fault;
}

int settings_override(struct settings *s, const char *assignment, struct error *err)
{
    const char *eq = strchr(assignment, '=');
    _cleanup_free_ char *key = eq ? strndup(assignment, (size_t)(eq - assignment)) : NULL;
    _cleanup_free_ char *old = NULL;
    struct error fault = ERROR_INIT;
    struct yaml_faults faults = {.file = "--set", .on_fault = keep_fault, .userdata = &fault};
    int r;

    if (!eq)
        return error_set(err, -EINVAL, assignment,
                         "is not an assignment; write KEY=VALUE, such as archive.path=/srv/liuhen");
    if (!key)
        return error_errno(err, -ENOMEM, assignment, "cannot set it");
    old = config_get(&settings_table, s, key);
    r = config_set(&settings_table, s, key, eq + 1, err);
    if (r < 0)
        return r;
    r = derive(s);
    if (r == 0)
        settings_check(s, NULL, &faults);
    r = r < 0 ? r : yaml_faults_result(&faults);
    if (r == 0)
        return 0;
    if (old && config_set(&settings_table, s, key, old, NULL) == 0)
        (void)derive(s); /* only memory can be short here, and the caller stops on any failure */
    return error_set(err, r, key, "%s", fault.code ? fault.text : strerror(-r));
}

void settings_place_where(const struct settings *s, const struct settings_place *rule, char *out, size_t size)
{
    snprintf(out, size, "%s:%d:%d", s->file, rule->line, rule->column);
}

int settings_read_policy(const struct settings *s, char **ret_text, size_t *ret_size, char **ret_file,
                         struct error *err)
{
    _cleanup_free_ char *text = NULL, *file = strdup(s->policy_file);
    size_t size = 0;
    int r;

    if (!file)
        return error_errno(err, -ENOMEM, s->policy_file, "cannot read the policy");
    r = fd_read_file_at(AT_FDCWD, file, POLICY_BYTES_MAX, &text, &size);
    if (r == -ENOENT && strcmp(s->policy, POLICY_BUILT_IN) == 0 && !*s->policies_given) {
        size = (size_t)(settings_policy_built_in_end - settings_policy_built_in) - 1;
        text = strndup(settings_policy_built_in, size);
        r = text ? replace_text(&file, strdup("(built in) " POLICY_BUILT_IN ".yaml")) : -ENOMEM;
    }
    if (r == -EFBIG)
        return error_set(err, r, file,
                         "is larger than %u bytes; a policy is never that large, is it the right file?",
                         POLICY_BYTES_MAX);
    if (r < 0)
        return error_errno(err, r, file, "cannot read the policy");
    *ret_text = TAKE_PTR(text);
    *ret_file = TAKE_PTR(file);
    *ret_size = size;
    return 0;
}
