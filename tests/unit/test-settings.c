/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Liuhen's own settings: defaults without a file, the sample file, derived fields, rules between keys, overrides, the dump and the
 * manual page, files that cannot be read.
 */
#include "base/settings.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "base/durable.h"
#include "base/log.h"
#include "base/settings-table.h"
#include "faults.h"
#include "temp-folder.h"

static struct fault_list list;

static int parse(const char *text, struct settings **ret)
{
    memset(&list, 0, sizeof list);
    *ret = NULL;
    return settings_parse(text, strlen(text), "r.yaml", on_fault, &list, ret);
}

static void name_row(void *userdata, const struct config_row *row)
{
    strcat(userdata, row->path);
    strcat(userdata, " ");
}

static void assert_same(const struct settings *a, const struct settings *b)
{
    char diff[1000] = "";

    config_diff(&settings_table, a, b, name_row, diff);
    assert_string_equal(diff, "");
}

static void test_defaults(void **state)
{
    _cleanup_(settings_freep) struct settings *s = NULL;

    assert_int_equal(settings_load(NULL, on_fault, &list, &s), 0);
    assert_string_equal(s->file, "(defaults)");
    assert_string_equal(s->site.name, "liuhen.local/log");
    assert_string_equal(zone_name(s->site.zone), "Asia/Shanghai");
    assert_string_equal(s->archive.path, "/var/lib/liuhen");
    assert_string_equal(s->catalogue.dsn, "/var/lib/liuhen/catalogue.db");
    assert_string_equal(s->socket.path, "/run/liuhen/liuhen.sock");
    assert_int_equal(s->socket.mode, 0660);
    assert_int_equal(s->store.immutable, STORE_IMMUTABLE_AUTO);
    assert_int_equal(s->store.reserve_bytes, 1u << 30);
    assert_int_equal(s->n_folders + s->n_people + s->n_place, 0);
    assert_string_equal(s->policy, "cn-health-enforcement");
    assert_int_equal(s->media.deadline_usec, 60 * USEC_PER_SEC);
    assert_int_equal(s->intake.batch, 512);
    assert_int_equal(s->intake.takes_gap_usec, 5 * USEC_PER_SEC);
    assert_int_equal(s->log.level, LOG_LEVEL_INFO);
    assert_non_null(strstr(s->media.worker, "liuhen-media"));
}

static void test_full(void **state)
{
    _cleanup_(settings_freep) struct settings *s = NULL;

    assert_int_equal(parse("site: { name: records.example.cn/log, timezone: Asia/Urumqi }\n"
                           "archive: { path: /srv/a/ }\n"
                           "socket: { path: '', mode: 0600 }\n"
                           "folders:\n"
                           "  - path: /srv/in/cam\n"
                           "    after: move\n"
                           "    settle: 500 ms\n"
                           "  - { path: /srv/in/dock, name: 坞站, timezone: UTC, complete: .done, ignore: "
                           "[], receipts: true }\n"
                           "people:\n"
                           "  - { user: li.na, name: 李娜, roles: [records, officer] }\n"
                           "  - { user: w, roles: [legal] }\n"
                           "place:\n"
                           "  - name: x\n"
                           "    match: '^(?<device>\\d+)'\n"
                           "    folder: 坞站\n"
                           "    case: 本溪卫医罚〔2026〕12号\n"
                           "policy: /etc/p.yaml\n",
                           &s),
                     0);
    assert_string_equal(s->archive.path, "/srv/a");
    assert_string_equal(s->socket.path, "/srv/a/liuhen.sock");
    assert_string_equal(s->catalogue.dsn, "/srv/a/catalogue.db");
    assert_int_equal(s->n_folders, 2);
    assert_string_equal(s->folders[0].name, "cam");
    assert_string_equal(zone_name(s->folders[0].zone), "Asia/Urumqi");
    assert_int_equal(s->folders[0].after, FOLDER_AFTER_MOVE);
    assert_int_equal(s->folders[0].settle_usec, 500 * USEC_PER_MSEC);
    assert_int_equal(s->folders[0].ignore.n, 6);
    assert_string_equal(s->folders[0].sidecar, ".json");
    assert_true(s->folders[0].recursive);
    assert_string_equal(zone_name(s->folders[1].zone), "UTC");
    assert_int_equal(s->folders[1].ignore.n, 0);
    assert_string_equal(s->folders[1].complete, ".done");
    assert_true(s->folders[1].receipts);
    assert_int_equal(s->people[0].roles, 1u << ROLE_RECORDS | 1u << ROLE_OFFICER);
    assert_string_equal(s->people[1].name, "w");
    assert_string_equal(s->place[0].match, "^(?<device>\\d+)");
    assert_string_equal(s->place[0].case_number, "本溪卫医罚〔2026〕12号");
    assert_int_equal(s->place[0].certainty, PLACE_PROBABLE);
    assert_int_equal(s->place[0].on, PLACE_ON_NAME);
    assert_string_equal(s->policy_file, "/etc/p.yaml");

    char where[300];
    settings_place_where(s, &s->place[0], where, sizeof where);
    assert_string_equal(where, "r.yaml:14:12");
}

static const struct {
    const char *text, *wanted;
} faulty[] = {
    {"archiv:\n  path: /x\n", "r.yaml:1:1: unknown key 'archiv'; did you mean 'archive'?"},
    {"site: { name: 'a b' }",
     "r.yaml:1:15: site.name: 'a b' is not allowed; write a name without spaces and '+'"},
    {"site: { name: a+b }", "site.name: 'a+b' is not allowed"},
    {"site: { name: 本溪 }", "write it in plain ASCII"},
    {"policy: sub/p",
     "policy: 'sub/p' is not allowed; write the name of a set in the policies folder, or an absolute path"},
    {"archive: { path: lib }", "archive.path: 'lib' is not an absolute path"},
    {"folders:\n- path: /var/lib/liuhen/in",
     "r.yaml:2:9: folders[].path: /var/lib/liuhen/in and the archive /var/lib/liuhen lie in"},
    {"folders:\n- path: /var\n",
     "r.yaml:2:9: folders[].path: /var and the archive /var/lib/liuhen lie in each other"},
    {"folders:\n- path: /\n", "folders[].path: / and the archive"},
    {"folders: [{ path: /a }, { path: /a/b }]", "r.yaml:1:33: folders[].path: /a/b and /a lie in each other"},
    {"folders: [{ path: /a/x }, { path: /b/x }]", "r.yaml:1:27: folders[].name: two folders are named 'x'"},
    {"folders: [{ name: a }]", "r.yaml:1:11: folders[].path is missing; write 'path: …' (absolute path)"},
    {"folders: [{ path: /a, complete: x/y }]", "folders[].complete: 'x/y' is not allowed"},
    {"people: [{ user: a, roles: [legal] }, { user: a, roles: [officer] }]",
     "r.yaml:1:47: people[].user: 'a' stands twice"},
    {"people: [{ user: a }]", "people[].roles is missing"},
    {"people: [{ user: a, roles: [] }]", "people[].roles: needs at least 1"},
    {"people: [{ user: a, roles: [ofcer] }]", "people[].roles: 'ofcer' is unknown; did you mean 'officer'?"},
    {"place: [{ name: a, match: x, folder: z }]", "r.yaml:1:38: place[].folder: no drop folder is named 'z'"},
    {"place: [{ name: a, match: x }, { name: a, match: y }]", "place[].name: two rules are named 'a'"},
    {"place: [{ name: a, match: x, on: qr, certainty: certain }]",
     "place[].certainty: a rule on QR codes cannot be certain"},
    {"store: { immutable: maybe }", "store.immutable: 'maybe' is unknown; write one of: auto, yes, no"},
    {"intake: { threads: 0 }", "intake.threads: 0 is out of range; write a number from 1 to 64"},
    {"log: { level: inof }", "log.level: 'inof' is unknown; did you mean 'info'?"},
    {"http: { loopback: '8480' }", "r.yaml:1:19: http.loopback: '8480' is not an address and a port"},
    {"http: { loopback: 'localhost:8480' }",
     "is not an address and a port; write for example 127.0.0.1:8480"},
    {"http: { loopback: '127.0.0.1:65536' }", "http.loopback: '127.0.0.1:65536' is not"},
    {"http: { loopback: '127.0.0.1:' }", "http.loopback: '127.0.0.1:' is not"},
    {"http: { loopback: '::1:8480' }", "http.loopback: '::1:8480' is not"},
    {"http: { loopback: '[::1:8480' }", "http.loopback: '[::1:8480' is not"},
    {"http: { loopback: '[:8480' }", "http.loopback: '[:8480' is not"},
    {"http: { loopback: '[127.0.0.1]:8480' }", "http.loopback: '[127.0.0.1]:8480' is not"},
    {"http: { loopback: '0.0.0.0:8480' }",
     "r.yaml:1:19: http.loopback: 0.0.0.0:8480 is reached from other machines"},
    {"http: { loopback: '[::]:8480' }", "http.loopback: [::]:8480 is reached from other machines"},
    {"http: { tls: '8443' }", "r.yaml:1:14: http.tls: '8443' is not an address and a port"},
    {"http: { names: ['https://a.example.cn'] }",
     "r.yaml:1:16: http.names: 'https://a.example.cn' is no host name or address"},
    {"http: { names: [a.example.cn, 'a.example.cn:8443'] }",
     "http.names: 'a.example.cn:8443' is no host name"},
    {"http: { names: ['::1', '[::1]'] }", "http.names: '[::1]' is no host name"},
    {"http: { origins: [page.example.cn] }", "r.yaml:1:18: http.origins: 'page.example.cn' is no origin"},
    {"http: { origins: ['*', 'https://page.example.cn/'] }",
     "http.origins: 'https://page.example.cn/' is no origin"},
    {"http: { certificate: /c.pem }", "r.yaml:1:22: http.certificate: is given without http.key"},
    {"http: { key: /k.pem }", "r.yaml:1:14: http.key: is given without http.certificate"},
    {"a: &x 1", "r.yaml:1:4: anchor"},
    {"\tarchive: 1", "r.yaml:1:1: a tab character in the indentation"},
};

static void test_faults(void **state)
{
    for (size_t i = 0; i < ARRAY_SIZE(faulty); i++) {
        struct settings *s;

        assert_int_equal(parse(faulty[i].text, &s), -EINVAL);
        assert_null(s);
        assert_true(has_fault(&list, faulty[i].wanted));
        assert_int_equal(list.n, 1);
    }
}

static void test_neighbours_are_apart(void **state)
{
    _cleanup_(settings_freep) struct settings *s = NULL;

    assert_int_equal(
        parse("folders: [{ path: /var/lib/liuhen-in }, { path: /srv/a }, { path: /srv/ab }]", &s), 0);
}

static void test_addresses(void **state)
{
    static const char *const good[] = {"127.0.0.1:8480", "127.9.9.9:0", "[::1]:8480", "[::ffff:127.0.0.1]:1"};
    char text[200];

    for (size_t i = 0; i < ARRAY_SIZE(good); i++) {
        _cleanup_(settings_freep) struct settings *s = NULL;

        snprintf(text, sizeof text, "http: { loopback: '%s', tls: '[::]:8443', certificate: /c, key: /k }",
                 good[i]);
        assert_int_equal(parse(text, &s), 0);
    }
}

static void test_long_socket(void **state)
{
    char text[400], dir[300];
    struct settings *s;

    memset(dir, 'd', 120);
    dir[120] = 0;
    snprintf(text, sizeof text, "archive: { path: /%s }\nsocket: { path: '' }\n", dir);
    assert_int_equal(parse(text, &s), -EINVAL);
    assert_true(has_fault(&list, "is too long for a socket (107 bytes at most); set a shorter one"));
}

static void test_override(void **state)
{
    _cleanup_(settings_freep) struct settings *s = NULL;
    struct error err = ERROR_INIT;

    assert_int_equal(parse("folders: [{ path: /srv/in }]\nsocket: { path: '' }", &s), 0);
    assert_int_equal(settings_override(s, "archive.path=/x", &err), 0);
    assert_string_equal(s->archive.path, "/x");
    assert_string_equal(s->catalogue.dsn, "/x/catalogue.db");
    assert_string_equal(s->socket.path, "/x/liuhen.sock");
    assert_int_equal(settings_override(s, "site.timezone=UTC", &err), 0);
    assert_string_equal(zone_name(s->folders[0].zone), "UTC");
    assert_int_equal(settings_override(s, "catalogue.dsn=host=/tmp dbname=a", &err), 0);
    assert_string_equal(s->catalogue.dsn, "host=/tmp dbname=a");
    assert_int_equal(settings_override(s, "media.nice=7", &err), 0);
    assert_int_equal(s->media.nice, 7);

    assert_int_equal(settings_override(s, "archive.path", &err), -EINVAL);
    assert_non_null(strstr(err.text, "write KEY=VALUE"));
    assert_int_equal(settings_override(s, "archiv.path=/y", &err), -EINVAL);
    assert_non_null(strstr(err.text, "did you mean 'archive.path'?"));
    assert_int_equal(settings_override(s, "media.nice=99", &err), -EINVAL);
    assert_int_equal(s->media.nice, 7);
    /* a value that is good alone but not beside the others leaves everything as it was */
    assert_int_equal(settings_override(s, "archive.path=/srv", &err), -EINVAL);
    assert_non_null(strstr(err.text, "lie in each other"));
    assert_string_equal(s->archive.path, "/x");
    assert_string_equal(s->socket.path, "/x/liuhen.sock");
}

static void test_dump(void **state)
{
    _cleanup_(settings_freep) struct settings *a = NULL, *b = NULL, *c = NULL, *d = NULL;
    _cleanup_free_ char *text = NULL, *again = NULL;

    assert_int_equal(settings_load(NULL, on_fault, &list, &a), 0);
    assert_int_equal(settings_dump(a, &text), 0);
    assert_int_equal(parse(text, &b), 0);
    assert_same(a, b);
    assert_int_equal(
        parse("folders: [{ path: '/a b', name: '#1', ignore: ['*', \"\\\"\"] }]\npeople: [{ user: y, roles: "
              "[legal] }]\n"
              "place: [{ name: n, match: '^\\d: [x]$', folder: '#1' }]\nstore: { immutable: no }\n",
              &c),
        0);
    assert_int_equal(settings_dump(c, &again), 0);
    assert_int_equal(parse(again, &d), 0);
    assert_same(c, d);
    assert_int_equal(d->store.immutable, STORE_IMMUTABLE_NO);
    for (size_t i = 0; i < settings_table.n; i++)
        assert_non_null(strstr(again, strrchr(settings_table.rows[i].path, '.')
                                          ? strrchr(settings_table.rows[i].path, '.') + 1
                                          : settings_table.rows[i].path));
}

static void test_man(void **state)
{
    _cleanup_free_ char *text = NULL;

    assert_int_equal(settings_man(&text), 0);
    for (size_t i = 0; i < settings_table.n; i++)
        assert_non_null(strstr(text, settings_table.rows[i].path));
    assert_non_null(strstr(text, ".TH RETENTION.YAML 5"));
}

/* Takes the marks "#|" away and drops what they replace: empty lists, and the sections up to the empty line behind them. */
static char *with_examples(const char *text)
{
    char *out = calloc(1, strlen(text) + 1), *p = out;
    bool replaced = false;

    for (const char *line = text; *line;) {
        size_t n = strcspn(line, "\n") + 1;
        const char *from = strncmp(line, "#|", 2) == 0 ? line + 2 : line;
        bool empty = strncmp(line, "folders: []", 11) == 0 || strncmp(line, "place: []", 9) == 0 ||
                     strncmp(line, "people: []", 10) == 0;

        replaced = *line != '\n' && *line != '#' &&
                   (replaced || strncmp(line, "http:\n", 6) == 0 || strncmp(line, "uploads:\n", 9) == 0 ||
                    strncmp(line, "devices:\n", 9) == 0);
        if (!empty && !replaced) {
            memcpy(p, from, n - (size_t)(from - line));
            p += n - (size_t)(from - line);
        }
        line += n;
    }
    return out;
}

/* Every line of the dump behind its head stands in the sample, so that types, bounds and defaults in it are the present ones. */
static void assert_has_dump(const char *sample, const struct settings *s)
{
    _cleanup_free_ char *dump = NULL;
    const char *line;

    assert_int_equal(settings_dump(s, &dump), 0);
    line = strstr(dump, "\n\n");
    assert_non_null(line);
    for (const char *end; (end = strchr(++line, '\n')); line = end) {
        _cleanup_free_ char *whole = NULL;

        assert_true(asprintf(&whole, "\n%.*s\n", (int)(end - line), line) > 0);
        if (!strstr(sample, whole))
            fail_msg("retention.yaml.sample lacks the line:%s", whole);
    }
}

/* The node of "a.b.c", NULL when there is none. */
static const struct yaml_node *at_path(const struct yaml_node *node, const char *path)
{
    while (node && path) {
        const char *dot = strchr(path, '.');
        _cleanup_free_ char *key = strndup(path, dot ? (size_t)(dot - path) : strlen(path));

        node = yaml_get(node, key);
        path = dot ? dot + 1 : NULL;
    }
    return node;
}

/* retention.yaml.sample: as it stands it is the defaults; with its examples it loads; every key stands in it with its help. */
static void test_sample(void **state)
{
    _cleanup_(settings_freep) struct settings *defaults = NULL, *sample = NULL, *full = NULL;
    _cleanup_free_ char *text = NULL, *examples = NULL;
    struct yaml_faults faults = {.file = "sample"};
    _cleanup_(yaml_node_freep) struct yaml_node *root = NULL;
    size_t size;

    assert_int_equal(fd_read_file_at(AT_FDCWD, "retention.yaml.sample", SETTINGS_BYTES_MAX, &text, &size), 0);
    assert_int_equal(settings_load(NULL, NULL, NULL, &defaults), 0);
    assert_int_equal(settings_load("retention.yaml.sample", on_fault, &list, &sample), 0);
    assert_same(defaults, sample);
    assert_has_dump(text, defaults);
    assert_int_equal(yaml_parse(text, size, size, &faults, &root), 0);
    for (const struct config_row *row = settings_table.rows; row < settings_table.rows + settings_table.n;
         row++) {
        char help[80];

        snprintf(help, sizeof help, "%.*s", (int)MIN(strcspn(row->help, "\n"), sizeof help - 1), row->help);
        if (!strstr(text, help))
            fail_msg("retention.yaml.sample lacks the help of %s: %s", row->path, help);
        if (strstr(row->path, "[]"))
            continue;
        if (!at_path(root, row->path))
            fail_msg("retention.yaml.sample lacks the key %s", row->path);
    }
    examples = with_examples(text);
    if (parse(examples, &full) < 0)
        fail_msg("%s", list.text);
    assert_int_equal(full->n_folders, 3);
    assert_int_equal(full->n_place, 4);
    assert_int_equal(full->n_people, 4);
    assert_int_equal(full->http.names.n, 2);
    assert_int_equal(full->uploads.max_bytes, UINT64_C(32) << 30);
    assert_true(full->devices.wipe);
}

static void test_unreadable(void **state)
{
    struct temp_folder *t = *state;
    struct settings *s = NULL;
    char path[600], big[600];
    FILE *f;

    memset(&list, 0, sizeof list);
    snprintf(path, sizeof path, "%s/none.yaml", t->path);
    assert_int_equal(settings_load(path, on_fault, &list, &s), -ENOENT);
    assert_true(has_fault(&list, "none.yaml: cannot read the settings: No such file or directory"));
    assert_int_equal(settings_load(t->path, on_fault, &list, &s), -EISDIR);
    assert_true(has_fault(&list, "is a folder; name the file itself"));
    assert_int_equal(settings_load("/dev/zero", on_fault, &list, &s), -EINVAL);
    snprintf(big, sizeof big, "%s/big.yaml", t->path);
    f = fopen(big, "w");
    assert_int_equal(ftruncate(fileno(f), 10 << 20), 0);
    fclose(f);
    assert_int_equal(settings_load(big, on_fault, &list, &s), -EFBIG);
    assert_true(has_fault(&list, "big.yaml: is larger than 1048576 bytes"));
    assert_null(s);
}

static void count_key(void *userdata, const char *key)
{
    strcat(userdata, key);
    strcat(userdata, " ");
}

static void test_diff_restart(void **state)
{
    _cleanup_(settings_freep) struct settings *a = NULL, *b = NULL;
    char keys[200] = "";

    assert_int_equal(parse("log: { level: info }", &a), 0);
    assert_int_equal(
        parse("log: { level: debug }\narchive: { path: /y }\nintake: { threads: 4 }\nfolders: [{ path: /z }]",
              &b),
        0);
    assert_int_equal(settings_diff_restart(a, b, count_key, keys), 2);
    assert_string_equal(keys, "archive.path intake.threads ");
}

static void test_roles(void **state)
{
    enum role r;

    for (int i = 0; i < ROLE_COUNT; i++) {
        assert_int_equal(role_parse(role_name((enum role)i), &r), 0);
        assert_int_equal(r, i);
    }
    assert_int_equal(role_parse("king", &r), -EINVAL);
    assert_string_equal(folder_after_name(FOLDER_AFTER_MOVE), "move");
}

/* The built-in policy is found when nothing is installed, another name is not, and a file wins. */
static void test_read_policy(void **state)
{
    struct temp_folder *t = *state;
    struct settings *s = NULL;
    struct error err = ERROR_INIT;
    char *text = NULL, *file = NULL, arg[700];
    size_t size;

    assert_int_equal(parse("", &s), 0);
    assert_int_equal(settings_read_policy(s, &text, &size, &file, &err), 0);
    assert_int_equal(strlen(text), size);
    assert_non_null(strstr(text, "policy: cn-health-enforcement"));
    free(text);
    free(file);
    assert_int_equal(settings_override(s, "policy=other", &err), 0);
    assert_int_equal(settings_read_policy(s, &text, &size, &file, &err), -ENOENT);
    assert_non_null(strstr(err.text, "cannot read the policy"));
    assert_int_equal(fd_read_file_at(t->fd, "x.yaml", 10, &text, &size), -ENOENT);
    assert_int_equal(durable_write_file(t->fd, "other.yaml", 0600, "policy: x\n", 10), 0);
    char *full = realpath(t->path, NULL);
    snprintf(arg, sizeof arg, "policies=%s", full);
    free(full);
    assert_int_equal(settings_override(s, arg, &err), 0);
    assert_int_equal(settings_read_policy(s, &text, &size, &file, &err), 0);
    assert_string_equal(text, "policy: x\n");
    free(text);
    free(file);
    settings_free(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_defaults),
        cmocka_unit_test(test_full),
        cmocka_unit_test(test_faults),
        cmocka_unit_test(test_neighbours_are_apart),
        cmocka_unit_test(test_addresses),
        cmocka_unit_test(test_long_socket),
        cmocka_unit_test(test_override),
        cmocka_unit_test(test_dump),
        cmocka_unit_test(test_man),
        cmocka_unit_test(test_sample),
        cmocka_unit_test_setup_teardown(test_unreadable, temp_folder_setup, temp_folder_teardown),
        cmocka_unit_test(test_diff_restart),
        cmocka_unit_test(test_roles),
        cmocka_unit_test_setup_teardown(test_read_policy, temp_folder_setup, temp_folder_teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
