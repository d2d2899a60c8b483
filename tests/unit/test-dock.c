/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The parts of `liuhen dock` that decide: what is on a card, what is remembered, what an answer means, what a receipt proves, and above
 * all what may be removed. Cards are folders here; tests/system/test_dock*.py has images and a real daemon.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <sys/time.h>

#include "base/durable.h"
#include "cli/dock-file.h"
#include "cli/dock-receipt.h"
#include "cli/dock.h"
#include "cli/print.h"
#include "ledger/ledger.h"
#include "temp-folder.h"

#define SUBJECT "01KARC4M000000000000000000"

/* ---- a station ------------------------------------------------------------------------------------------------------------ */

static struct dock_state state = DOCK_STATE_INIT;
static struct signing_key *key, *other_key;
static struct ledger *ledger;
static struct dock_card card = DOCK_CARD_INIT;
static uint64_t leaves;

static void path_in(const struct temp_folder *t, const char *name, char out[700])
{
    snprintf(out, 700, "%s/%s", t->path, name);
}

static int setup(void **s)
{
    struct error err = ERROR_INIT;
    struct temp_folder *t;
    char path[700];

    if (temp_folder_setup(s) != 0)
        return -1;
    t = *s;
    path_in(t, "state", path);
    assert_int_equal(dock_state_open(path, &state, &err), 0);
    path_in(t, "key", path);
    assert_int_equal(signing_key_load(path, "site.example", true, &key, &err), 0);
    path_in(t, "other", path);
    assert_int_equal(signing_key_load(path, "site.example", true, &other_key, &err), 0);
    path_in(t, "ledger", path);
    assert_int_equal(ledger_open(path, key, NULL, &ledger, &err), 0);
    leaves = 0;
    path_in(t, "card", path);
    assert_int_equal(mkdir(path, 0700), 0);
    card = (struct dock_card){.source = path,
                              .fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC),
                              .id = (char *)"card x",
                              .device = (char *)"BWC0421",
                              .serial = (char *)"1"};
    card.source = (char *)"card";
    assert_true(card.fd >= 0);
    return 0;
}

static int teardown(void **s)
{
    dock_state_done(&state);
    ledger = ledger_close(ledger);
    key = signing_key_free(key);
    other_key = signing_key_free(other_key);
    zone_free(card.zone);
    fd_closep(&card.fd);
    return temp_folder_teardown(s);
}

static void put(const char *path, const void *data, size_t size, time_t mtime)
{
    _cleanup_close_ int fd = -1;
    const char *slash = strrchr(path, '/');
    struct timespec times[2] = {{mtime, 0}, {mtime, 0}};

    if (slash) {
        _cleanup_free_ char *folder = strndup(path, (size_t)(slash - path));
        assert_int_equal(fd_mkdir_beneath(card.fd, folder, 0700, false), 0);
    }
    fd = openat(card.fd, path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    assert_int_equal(fd_write_full(fd, data, size), 0);
    assert_int_equal(futimens(fd, times), 0);
}

static struct dock_file file_of(const char *path)
{
    struct dock_file f = {.card = &card, .path = (char *)path, .outcome = DOCK_SEALED, .recording = SUBJECT};
    struct stat st;
    _cleanup_close_ int fd = dock_open_file(card.fd, path, &st);

    assert_true(fd >= 0);
    f.bytes = (uint64_t)st.st_size;
    f.mtime_nsec = dock_nsec(st.st_mtim);
    assert_int_equal(dock_digest(fd, f.bytes, false, NULL, NULL, &f.sha256), 0);
    return f;
}

/* A receipt of an act about these bytes, by a real ledger; new string. */
static char *receipt_of(const char *kind, const struct digest *d, uint64_t bytes)
{
    char hex[DIGEST_HEX_SIZE], entry[400], *text = NULL;
    struct ledger_entry e = {entry, 0};
    struct error err = ERROR_INIT;

    digest_to_hex(d, hex);
    e.size = (size_t)snprintf(entry, sizeof entry,
                              "{\"actor\":\"device:x\",\"facts\":{\"bytes\":%llu,\"digest\":\"%s\"},\"kind\":"
                              "\"%s\",\"subject\":\"%s\"}",
                              (unsigned long long)bytes, hex, kind, SUBJECT);
    assert_int_equal(ledger_publish(ledger, leaves, &e, 1, &err), 0);
    assert_int_equal(ledger_receipt(ledger, leaves++, &text, &err), 0);
    return text;
}

/* ---- scanning ------------------------------------------------------------------------------------------------------------ */

struct seen {
    char text[4000];
};

static int on_file(void *userdata, const struct dock_found *found)
{
    struct seen *s = userdata;
    size_t n = strlen(s->text);

    snprintf(s->text + n, sizeof s->text - n, "%s%s%s\n", found->path, found->fault ? " !" : "",
             found->odd ? "odd" : "");
    return 0;
}

static void test_scan(void **s)
{
    char *ignored[] = {(char *)".*", (char *)"*.tmp", (char *)"system volume information"};
    struct config_strings ignore = {ARRAY_SIZE(ignored), ignored};
    struct error err = ERROR_INIT;
    struct seen seen = {""};

    put("DCIM/100/b.mp4", "bb", 2, 1000);
    put("DCIM/100/a.mp4", "a", 1, 1000);
    put("DCIM/100/\xc6\xd4.mp4", "gbk", 3, 1000); /* GBK */
    put("DCIM/100/x.TMP", "t", 1, 1000);
    put("System Volume Information/i", "t", 1, 1000);
    put(".Trash/a", "t", 1, 1000);
    put("empty", "", 0, 1000);
    assert_int_equal(symlinkat("/etc/passwd", card.fd, "link"), 0);
    assert_int_equal(symlinkat("/etc", card.fd, "linked folder"), 0);
    assert_int_equal(mkfifoat(card.fd, "pipe", 0600), 0);
    assert_int_equal(dock_scan(card.fd, &ignore, on_file, &seen, &err), 0);
    assert_string_equal(seen.text, "DCIM/100/a.mp4\nDCIM/100/b.mp4\nDCIM/100/\xc6\xd4.mp4\nempty\nlink "
                                   "!odd\nlinked folder !odd\npipe !odd\n");
}

/* Folders without end, as a damaged card may have them. */
static void test_scan_deep(void **s)
{
    struct config_strings ignore = {0};
    struct error err = ERROR_INIT;
    struct seen seen = {""};
    char path[200] = "";

    for (int i = 0; i < DOCK_DEPTH_MAX + 3; i++)
        strcat(path, "d/");
    strcat(path, "f");
    put(path, "x", 1, 1000);
    assert_int_equal(dock_scan(card.fd, &ignore, on_file, &seen, &err), 0);
    assert_non_null(strstr(seen.text, "d !"));
    assert_null(strstr(seen.text, "/f"));
}

static void test_scan_gone(void **s)
{
    struct config_strings ignore = {0};
    struct error err = ERROR_INIT;
    struct seen seen = {""};
    struct temp_folder *t = *s;

    assert_false(dock_is_unplugged(card.fd, -ENOENT));
    assert_true(dock_is_unplugged(card.fd, -ENODEV));
    assert_false(dock_is_unplugged(card.fd, -EACCES));
    assert_int_equal(unlinkat(t->fd, "card", AT_REMOVEDIR), 0);
    assert_true(dock_is_unplugged(card.fd, -ENOENT));
    assert_true(dock_is_unplugged(card.fd, -EIO));
    assert_int_equal(dock_scan(card.fd, &ignore, on_file, &seen, &err),
                     0); /* an empty folder that has no name any more */
    assert_string_equal(seen.text, "");
}

/* ---- reading ------------------------------------------------------------------------------------------------------------- */

static int stop_at_once(void *userdata, uint64_t done)
{
    return -ECANCELED;
}

static void test_digest(void **s)
{
    static uint8_t data[300000];
    struct digest a, d;
    struct stat st;
    _cleanup_close_ int fd = -1;

    for (size_t i = 0; i < sizeof data; i++)
        data[i] = (uint8_t)(i * 7);
    put("f", data, sizeof data, 1000);
    fd = dock_open_file(card.fd, "f", &st);
    digest_of(data, sizeof data, &a);
    assert_int_equal(dock_digest(fd, sizeof data, true, NULL, NULL, &d), 0);
    assert_true(digest_equal(&a, &d));
    assert_int_equal(dock_digest(fd, sizeof data - 1, false, NULL, NULL, &d), -ESTALE);
    assert_int_equal(dock_digest(fd, sizeof data + 1, false, NULL, NULL, &d), -ESTALE);
    assert_int_equal(dock_digest(fd, sizeof data, false, stop_at_once, NULL, &d), -ECANCELED);
    assert_int_equal(dock_open_file(card.fd, "none", &st), -ENOENT);
    assert_int_equal(dock_open_file(card.fd, "../key", &st), -EXDEV);
}

/* ---- memory -------------------------------------------------------------------------------------------------------------- */

static bool nothing_is_there(void *userdata, const char *path)
{
    return strcmp(path, "stays") == 0;
}

static void test_state(void **s)
{
    struct dock_entry e = {.bytes = 12, .server = (char *)"https://x:1", .url = (char *)"/tus/1"}, back;
    const char *odd = "DCIM/\xc6\xd4 %41/x";

    digest_of("f", 1, &e.sha256);
    assert_int_equal(dock_state_read(&state, card.id, odd, &back), -ENOENT);
    assert_true(dock_state_lock(&state, card.id) >= 0);
    assert_int_equal(dock_state_write(&state, card.id, odd, &e), 0);
    assert_int_equal(dock_state_read(&state, card.id, odd, &back), 0);
    assert_int_equal(back.bytes, 12);
    assert_string_equal(back.url, "/tus/1");
    assert_string_equal(back.server, "https://x:1");
    assert_true(digest_equal(&back.sha256, &e.sha256));
    dock_entry_done(&back);
    assert_int_equal(dock_state_read(&state, "another card", odd, &back), -ENOENT);
    assert_int_equal(dock_state_read(&state, card.id, "DCIM", &back), -ENOENT);
    /* under way: it stays even when its file is gone for now; with nothing to go on with, it goes with the file */
    assert_int_equal(dock_state_sweep(&state, card.id, nothing_is_there, NULL), 0);
    e.url = NULL;
    assert_int_equal(dock_state_write(&state, card.id, odd, &e), 0);
    assert_int_equal(dock_state_write(&state, card.id, "stays", &e), 0);
    assert_int_equal(dock_state_sweep(&state, card.id, nothing_is_there, NULL), 1);
    assert_int_equal(dock_state_read(&state, card.id, odd, &back), -ENOENT);
    assert_int_equal(dock_state_read(&state, card.id, "stays", &back), 0);
    dock_entry_done(&back);
    assert_int_equal(dock_state_forget(&state, card.id, "stays"), 0);
    assert_int_equal(dock_state_forget(&state, card.id, "stays"), 0);
    assert_int_equal(dock_state_read(&state, card.id, "stays", &back), -ENOENT);
}

/* Finds the one .json file below state/cards and replaces its text. */
static void damage_entry(const struct temp_folder *t, const char *text)
{
    char command[1600];

    snprintf(command, sizeof command,
             "for f in '%s'/state/cards/*/*.json; do printf '%%s' '%s' > \"$f\"; done", t->path, text);
    assert_int_equal(system(command), 0);
}

static void test_state_damaged(void **s)
{
    static const char *const texts[] = {
        "",
        "{",
        "[]",
        "{\"path\":\"f\"}",
        "{\"path\":\"f\",\"bytes\":-1,\"sha256\":\"\"}",
        "{\"path\":\"f\",\"bytes\":1,\"sha256\":\"e3b0c44298fc1c149afbf4c8996fb9"
        "2427ae41e4649b934ca495991b7852b855\",\"url\":\"@elsewhere/tus/1\"}",
        "{\"path\":\"g\",\"bytes\":1}"};
    struct dock_entry e = {.bytes = 1}, back;

    assert_true(dock_state_lock(&state, card.id) >= 0);
    for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
        assert_int_equal(dock_state_write(&state, card.id, "f", &e), 0);
        damage_entry(*s, texts[i]);
        assert_int_equal(dock_state_read(&state, card.id, "f", &back), -ENOENT);
    }
}

static void test_state_lock_and_pin(void **s)
{
    _cleanup_free_ char *text = NULL;
    int64_t nsec;
    int first = dock_state_lock(&state, card.id), second;

    assert_true(first >= 0);
    assert_int_equal(dock_state_lock(&state, card.id), -EBUSY);
    second = dock_state_lock(&state, "another");
    assert_true(second >= 0);
    fd_closep(&second);
    fd_closep(&first);
    first = dock_state_lock(&state, card.id);
    assert_true(first >= 0);
    assert_int_equal(dock_state_load_key(&state, &text), -ENOENT);
    assert_int_equal(dock_state_pin_key(&state, "one"), 0);
    assert_int_equal(dock_state_pin_key(&state, "two"), -EEXIST);
    assert_int_equal(dock_state_load_key(&state, &text), 0);
    assert_string_equal(text, "one");
    assert_int_equal(dock_state_load_clock(&state, card.id, &nsec), -ENOENT);
    assert_int_equal(dock_state_save_clock(&state, card.id, -7), 0);
    assert_int_equal(dock_state_load_clock(&state, card.id, &nsec), 0);
    assert_int_equal(nsec, -7);
    fd_closep(&first);
}

/* ---- receipts ------------------------------------------------------------------------------------------------------------ */

static void test_receipt(void **s)
{
    const struct verifier_key *ours = signing_key_verifier(key), *theirs = signing_key_verifier(other_key);
    _cleanup_free_ char *good = NULL, *placed = NULL;
    struct error err = ERROR_INIT;
    char recording[ULID_LENGTH + 1] = "";
    struct digest d, other;

    digest_of("clip", 4, &d);
    digest_of("clop", 4, &other);
    good = receipt_of("recording.sealed", &d, 4);
    placed = receipt_of("recording.placed", &d, 4);
    assert_int_equal(dock_receipt_check(good, strlen(good), ours, &d, 4, recording, &err), 0);
    assert_string_equal(recording, SUBJECT);
    assert_int_equal(dock_receipt_check(good, strlen(good), ours, &other, 4, recording, &err), -EBADMSG);
    assert_non_null(strstr(err.text, "other bytes"));
    assert_int_equal(dock_receipt_check(good, strlen(good), ours, &d, 5, recording, &err), -EBADMSG);
    assert_int_equal(dock_receipt_check(good, strlen(good), theirs, &d, 4, recording, &err), -EBADMSG);
    assert_non_null(strstr(err.text, "does not verify"));
    assert_int_equal(dock_receipt_check(placed, strlen(placed), ours, &d, 4, recording, &err), -EBADMSG);
    assert_non_null(strstr(err.text, "not about a file's seal"));
    assert_int_equal(dock_receipt_check("", 0, ours, &d, 4, recording, &err), -EBADMSG);
    good[strlen(good) / 2] ^= 1;
    assert_int_equal(dock_receipt_check(good, strlen(good), ours, &d, 4, recording, &err), -EBADMSG);
}

/* ---- answers ------------------------------------------------------------------------------------------------------------- */

static void test_judge(void **s)
{
    static const struct {
        enum dock_request request;
        unsigned status;
        enum dock_next next;
    } rows[] = {
        {DOCK_CREATE, 201, NEXT_OK},    {DOCK_CREATE, 401, NEXT_STOP},  {DOCK_CREATE, 403, NEXT_STOP},
        {DOCK_CREATE, 404, NEXT_STOP},  {DOCK_CREATE, 501, NEXT_STOP},  {DOCK_CREATE, 413, NEXT_FAIL},
        {DOCK_CREATE, 429, NEXT_WAIT},  {DOCK_CREATE, 460, NEXT_AGAIN}, {DOCK_CREATE, 503, NEXT_WAIT},
        {DOCK_CREATE, 507, NEXT_WAIT},  {DOCK_CREATE, 400, NEXT_FAIL},  {DOCK_HEAD, 200, NEXT_OK},
        {DOCK_HEAD, 404, NEXT_ANEW},    {DOCK_HEAD, 410, NEXT_ANEW},    {DOCK_HEAD, 403, NEXT_ANEW},
        {DOCK_HEAD, 423, NEXT_WAIT},    {DOCK_HEAD, 401, NEXT_STOP},    {DOCK_HEAD, 400, NEXT_ANEW},
        {DOCK_PATCH, 204, NEXT_OK},     {DOCK_PATCH, 409, NEXT_HEAD},   {DOCK_PATCH, 460, NEXT_AGAIN},
        {DOCK_PATCH, 423, NEXT_WAIT},   {DOCK_PATCH, 404, NEXT_ANEW},   {DOCK_PATCH, 507, NEXT_WAIT},
        {DOCK_PATCH, 413, NEXT_FAIL},   {DOCK_FETCH, 409, NEXT_HEAD},   {DOCK_FETCH, 404, NEXT_ANEW},
        {DOCK_FETCH, 200, NEXT_OK},     {DOCK_RECEIPT, 404, NEXT_NONE}, {DOCK_RECEIPT, 200, NEXT_OK},
        {DOCK_RECEIPT, 403, NEXT_NONE}, {DOCK_RECEIPT, 401, NEXT_STOP}, {DOCK_RECEIPT, 503, NEXT_WAIT},
        {DOCK_RECEIPT, 400, NEXT_FAIL}, {DOCK_PATCH, 302, NEXT_FAIL},   {DOCK_CREATE, 100, NEXT_FAIL},
    };

    for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
        assert_int_equal(dock_judge(rows[i].request, rows[i].status), rows[i].next);
    assert_int_equal(dock_wait_seconds(0, -1), 1);
    assert_int_equal(dock_wait_seconds(3, -1), 8);
    assert_int_equal(dock_wait_seconds(200, -1), 60);
    assert_int_equal(dock_wait_seconds(0, 120), 120);
    assert_int_equal(dock_wait_seconds(9, 0), 1);
}

static void test_server(void **s)
{
    static const char *const good[] = {"https://records.example.cn:8443", "http://127.0.0.1:8480",
                                       "https://[::1]:8443", "/run/x"};
    static const char *const bad[] = {"records.example.cn",
                                      "https://",
                                      "https://a/b",
                                      "https://u:p@h",
                                      "ftp://x",
                                      "",
                                      "http://192.0.2.1:80",
                                      "http://127.example.cn",
                                      "http://localhost.example.cn",
                                      "http://[::2]:80",
                                      "https://a b",
                                      "https://a\nb",
                                      "https://h#f",
                                      "https://h?x"};

    for (size_t i = 0; i < ARRAY_SIZE(good); i++)
        assert_null(transfer_check_server(good[i]));
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
        assert_non_null(transfer_check_server(bad[i]));
}

/* ---- metadata and time --------------------------------------------------------------------------------------------------- */

static void test_metadata(void **s)
{
    struct dock_clock none = {0}, ahead = {DOCK_CLOCK_FUTURE, 3000000};
    struct dock_file f = {.card = &card, .path = (char *)"D/\xc6.mp4", .mtime_nsec = 1500000};
    _cleanup_free_ char *text = dock_metadata(&f, &none), *more = dock_metadata(&f, &ahead);

    /* D/Æ in GBK byte for byte; 1500 µs */
    assert_string_equal(text, "filename xi5tcDQ=,path RC/GLm1wNA==,mtime MTUwMA==,device QldDMDQyMQ==");
    assert_non_null(strstr(more, ",clock_offset MzAwMDAwMA==,clock_method ZnV0dXJlLWZpbGU="));
}

static void test_wall_time(void **s)
{
    const int64_t noon = INT64_C(1795435200) * 1000000; /* 2026-11-23 12:00 UTC */

    assert_int_equal(dock_card_usec(&card, noon * 1000), noon);
    assert_int_equal(zone_new("Asia/Shanghai", &card.zone), 0);
    assert_int_equal(dock_card_usec(&card, noon * 1000), noon); /* not a card that keeps wall clocks */
    card.wall = true;
    assert_int_equal(dock_card_usec(&card, noon * 1000), noon - 8 * USEC_PER_HOUR);
    assert_int_equal(dock_card_usec(&card, -1000), -1 - 8 * USEC_PER_HOUR); /* before 1970 too */
}

static void test_clock(void **s)
{
    const int64_t now = 1000 * USEC_PER_SEC, none = INT64_MIN;
    struct dock_clock_facts f = {now, now - USEC_PER_SEC, none, none, none};

    assert_int_equal(dock_clock_measure(&f).how, DOCK_CLOCK_UNKNOWN);
    f.newest_usec = now - 500 * USEC_PER_SEC; /* an old file says nothing */
    assert_int_equal(dock_clock_measure(&f).how, DOCK_CLOCK_UNKNOWN);
    f.newest_usec = now + 2 * USEC_PER_SEC; /* nor does FAT's rounding */
    assert_int_equal(dock_clock_measure(&f).how, DOCK_CLOCK_UNKNOWN);
    f.newest_usec = now + 60 * USEC_PER_SEC;
    assert_int_equal(dock_clock_measure(&f).how, DOCK_CLOCK_FUTURE);
    assert_int_equal(dock_clock_measure(&f).offset_usec, 60 * USEC_PER_SEC);
    f.file_usec = now - 100 * USEC_PER_SEC; /* seen for the first time: it may be of last year */
    assert_int_equal(dock_clock_measure(&f).how, DOCK_CLOCK_FUTURE);
    f.before_usec = f.file_usec; /* not written now */
    assert_int_equal(dock_clock_measure(&f).how, DOCK_CLOCK_FUTURE);
    f.before_usec = f.file_usec - 3600 * USEC_PER_SEC;
    assert_int_equal(dock_clock_measure(&f).how, DOCK_CLOCK_FILE);
    assert_int_equal(dock_clock_measure(&f).offset_usec, -99 * USEC_PER_SEC);
}

/* ---- wiping -------------------------------------------------------------------------------------------------------------- */

static int check(const struct dock_file *f, struct stat *st, struct error *err)
{
    return dock_wipe_check(&state, signing_key_verifier(key), f, st, err);
}

static bool on_card(const char *path)
{
    return faccessat(card.fd, path, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

static void test_wipe(void **s)
{
    struct error err = ERROR_INIT;
    _cleanup_free_ char *receipt = NULL, *log = NULL;
    struct temp_folder *t = *s;
    struct dock_file f;
    struct stat st;

    put("DCIM/a.mp4", "clip", 4, 1000);
    put("DCIM/b.mp4", "other", 5, 1000);
    f = file_of("DCIM/a.mp4");
    assert_int_equal(check(&f, &st, &err), -ENOENT); /* no receipt, no removal */
    receipt = receipt_of("recording.sealed", &f.sha256, f.bytes);
    assert_int_equal(dock_state_save_receipt(&state, &f.sha256, receipt), 0);
    assert_int_equal(check(&f, &st, &err), 0);
    assert_int_equal(dock_wipe_file(&state, &f, &st, &err), 0);
    assert_false(on_card("DCIM/a.mp4"));
    assert_true(on_card("DCIM/b.mp4"));
    assert_int_equal(fd_read_file_at(t->fd, "state/wiped.log", 10000, &log, NULL), 0);
    assert_non_null(strstr(log, "\"event\":\"wipe\""));
    assert_non_null(strstr(log, "\"path\":\"DCIM/a.mp4\""));
    assert_int_equal(dock_wipe_file(&state, &f, &st, &err), -ESTALE); /* gone already */
}

static void test_wipe_refused(void **s)
{
    struct error err = ERROR_INIT;
    _cleanup_free_ char *receipt = NULL, *wrong = NULL;
    struct dock_file f;
    struct digest other;
    struct stat st;

    put("a.mp4", "clip", 4, 1000);
    f = file_of("a.mp4");
    digest_of("clop", 4, &other);
    /* a receipt of other bytes under this name: a state folder that was meddled with */
    wrong = receipt_of("recording.sealed", &other, 4);
    assert_int_equal(dock_state_save_receipt(&state, &f.sha256, wrong), 0);
    assert_int_equal(check(&f, &st, &err), -EBADMSG);
    /* the right one, and another key than the pinned one */
    receipt = receipt_of("recording.sealed", &f.sha256, 4);
    assert_int_equal(dock_state_save_receipt(&state, &f.sha256, receipt), 0);
    assert_int_equal(dock_wipe_check(&state, signing_key_verifier(other_key), &f, &st, &err), -EBADMSG);
    /* other bytes with the same size and time, even where there is a receipt of them from another day */
    put("a.mp4", "clop", 4, 1000);
    assert_int_equal(check(&f, &st, &err), -ESTALE);
    assert_int_equal(dock_state_save_receipt(&state, &other, wrong), 0);
    assert_int_equal(check(&f, &st, &err), -ESTALE);
    /* another time, another size */
    put("a.mp4", "clip", 4, 1001);
    assert_int_equal(check(&f, &st, &err), -ESTALE);
    put("a.mp4", "clips", 5, 1000);
    assert_int_equal(check(&f, &st, &err), -ESTALE);
    /* the same bytes, but changed between check and removal, to whatever */
    put("a.mp4", "clip", 4, 1000);
    assert_int_equal(check(&f, &st, &err), 0);
    put("a.mp4", "clop", 4, 1000); /* the time of its change tells */
    assert_int_equal(dock_wipe_file(&state, &f, &st, &err), -ESTALE);
    assert_true(on_card("a.mp4"));
    /* a link in its place */
    assert_int_equal(unlinkat(card.fd, "a.mp4", 0), 0);
    assert_int_equal(symlinkat("/etc/passwd", card.fd, "a.mp4"), 0);
    assert_true(check(&f, &st, &err) < 0);
    assert_int_equal(dock_wipe_file(&state, &f, &st, &err), -ESTALE);
}

/* Where wiped.log cannot be written, nothing is removed. */
static void test_wipe_without_log(void **s)
{
    struct error err = ERROR_INIT;
    _cleanup_free_ char *receipt = NULL;
    struct temp_folder *t = *s;
    struct dock_file f;
    struct stat st;

    put("a.mp4", "clip", 4, 1000);
    f = file_of("a.mp4");
    receipt = receipt_of("recording.sealed", &f.sha256, 4);
    assert_int_equal(dock_state_save_receipt(&state, &f.sha256, receipt), 0);
    assert_int_equal(check(&f, &st, &err), 0);
    assert_int_equal(mkdirat(t->fd, "state/wiped.log", 0700), 0);
    assert_true(dock_wipe_file(&state, &f, &st, &err) < 0);
    assert_true(on_card("a.mp4"));
}

/* ---- display and settings -------------------------------------------------------------------------------------------------- */

static void test_bar_line(void **s)
{
    static const char *const names[] = {
        "DCIM/100/IMG_0001.MP4",
        "a",
        "",
        "目录/执法记录仪/本溪市卫生健康委员会/现场检查.mp4",
        "a very long name that goes on and on and on and on and on and on until it stops.mp4",
        "e\u0301\u0301.mp4"};

    print_init();
    for (unsigned columns = 20; columns < 200; columns++)
        for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
            _cleanup_free_ char *line =
                dock_bar_line(names[i], 50, 100, "waiting: 服务器不回答 no answer", columns);
            assert_true(print_width(line) <= columns);
            assert_non_null(strstr(line, " 50% "));
        }
    {
        _cleanup_free_ char *line = dock_bar_line("DCIM/100/IMG_0001.MP4", 7, 10, "sending", 79);
        assert_string_equal(
            line, "DCIM/100/IMG_0001.MP4                       [##############......]  70% sending");
    }
    {
        _cleanup_free_ char *line = dock_bar_line("x", 20, 10, "", 79),
                            *none = dock_bar_line("x", 0, 0, "", 79);
        assert_non_null(strstr(line, "100%")); /* a file that grew */
        assert_non_null(strstr(none, "  0%"));
    }
}

static char faults[2000];
static void on_fault(void *userdata, const struct error *fault)
{
    size_t n = strlen(faults);

    snprintf(faults + n, sizeof faults - n, "%s: %s\n", fault->object, fault->text);
}

static void test_config(void **s)
{
    _cleanup_(dock_config_freep) struct dock_config *c = NULL, *d = NULL;
    struct error err = ERROR_INIT;
    struct temp_folder *t = *s;
    char path[700];
    static const char text[] = "servr: x\ncard: {folder: ../up}\njobs: 99\n";

    assert_int_equal(dock_config_load("contrib/dock.yaml.sample", on_fault, NULL, &c), 0);
    assert_string_equal(c->server, "https://records.example.cn:8443");
    assert_string_equal(dock_config_camera(c, "000000264001")->device, "BWC0421");
    assert_null(dock_config_camera(c, "x"));
    assert_true(dock_is_clock_file(c, "log/a.txt"));
    assert_false(dock_is_clock_file(c, "log/b/a.txt"));
    assert_false(c->wipe);
    assert_int_equal(dock_config_set(c, "server", "nonsense", &err), -EINVAL);
    faults[0] = '\0';
    path_in(t, "bad.yaml", path);
    assert_int_equal(durable_write_file(t->fd, "bad.yaml", 0600, text, strlen(text)), 0);
    assert_int_equal(dock_config_load(path, on_fault, NULL, &d), -EINVAL);
    assert_non_null(strstr(faults, "bad.yaml:1:1: "));
    assert_non_null(strstr(faults, "server"));
    assert_non_null(strstr(faults, "bad.yaml:2:"));
    assert_non_null(strstr(faults, "bad.yaml:3:"));
    assert_int_equal(dock_config_load("/nonexistent/dock.yaml", on_fault, NULL, &d), -ENOENT);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_scan),
        TEST(test_scan_deep),
        TEST(test_scan_gone),
        TEST(test_digest),
        TEST(test_state),
        TEST(test_state_damaged),
        TEST(test_state_lock_and_pin),
        TEST(test_receipt),
        TEST(test_judge),
        TEST(test_server),
        TEST(test_metadata),
        TEST(test_wall_time),
        TEST(test_clock),
        TEST(test_wipe),
        TEST(test_wipe_refused),
        TEST(test_wipe_without_log),
        TEST(test_bar_line),
        TEST(test_config),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
