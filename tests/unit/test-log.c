/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The table of events is complete: every text uses only fields that its row declares and every declared field, names are well
 * formed; lines, levels, repeats and counts come out as promised.
 */
#include "base/log.h"

#include <ctype.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/macro.h"

/* Whether word of n bytes stands in the space-separated list. */
static bool has_word(const char *text, const char *word, size_t n)
{
    for (const char *p = text; *p;) {
        size_t length = strcspn(p, " ");
        if (length == n && strncmp(p, word, n) == 0)
            return true;
        p += length + (p[length] == ' ');
    }
    return false;
}

static void test_texts_use_declared_fields(void **state)
{
    for (unsigned e = 0; e < EVENT_COUNT; e++) {
        const struct event_row *row = event_row(e);

        for (const char *p = row->text; (p = strchr(p, '{')); p++) {
            const char *end = strchr(p, '}');
            if (!end)
                fail_msg("%s: '{' without '}'", row->id);
            if (!has_word(row->fields, p + 1, (size_t)(end - p - 1)))
                fail_msg("%s: the text uses %.*s, which its row does not declare", row->id,
                         (int)(end - p + 1), p);
        }
    }
}

static void test_rows_are_well_formed(void **state)
{
    for (unsigned e = 0; e < EVENT_COUNT; e++) {
        const struct event_row *row = event_row(e);

        assert_true(row->level >= LOG_LEVEL_ERROR && row->level <= LOG_LEVEL_DEBUG);
        for (const char *p = row->fields; *p; p++)
            assert_true(isupper((unsigned char)*p) || *p == '_' || *p == ' ');
        for (const char *p = row->id; *p; p++)
            assert_true(isupper((unsigned char)*p) || *p == '_');
        for (const char *p = row->fields; *p;) { /* a mandatory field that nobody reads is a mistake */
            size_t n = strcspn(p, " ");
            char mark[64];

            assert_true(n > 0 && n < 60);
            snprintf(mark, sizeof mark, "{%.*s}", (int)n, p);
            if (!strstr(row->text, mark))
                fail_msg("%s: field %s is declared but not in the text", row->id, mark);
            p += n + (p[n] == ' ');
        }
        for (unsigned other = 0; other < e; other++)
            assert_string_not_equal(row->id, event_row(other)->id);
    }
    assert_null(event_row(EVENT_COUNT));
}

/* What a job writes to standard error. */
static char *captured(void (*job)(void))
{
    static char text[64 * 1024];
    int saved = dup(STDERR_FILENO), fd = open("/tmp", O_RDWR | O_TMPFILE | O_CLOEXEC, 0600);
    ssize_t n;

    assert_true(saved >= 0 && fd >= 0);
    assert_true(dup2(fd, STDERR_FILENO) >= 0);
    job();
    assert_true(dup2(saved, STDERR_FILENO) >= 0);
    close(saved);
    n = pread(fd, text, sizeof text - 1, 0);
    close(fd);
    assert_true(n >= 0);
    text[n] = 0;
    return text;
}

static void some_events(void)
{
    log_event(EVENT_RECORDING_SEALED, "RECORDING", "01ABC", "FILE", "a\nb.mp4", "BYTES", "12", NULL);
    log_event(EVENT_DAEMON_FATAL, "REASON", NULL, NULL);
    log_event(EVENT_FOLDER_MISSING, "FOLDER", "dock", NULL);
    /* nothing acts on a terminal: 8-bit and UTF-8 C1, escapes, halves of characters; whole characters pass */
    log_event(EVENT_DAEMON_FATAL, "REASON",
              "\x1b[2J \x9b"
              "31m \xc2\x9b"
              "31m \xff \xe6\x9c 本溪",
              NULL);
}

static void test_lines(void **state)
{
    assert_string_equal(captured(some_events),
                        "liuhend: sealed a?b.mp4 as 01ABC (12 bytes)\n"
                        "liuhend: error: cannot go on: -\n"
                        "liuhend: error: drop folder dock is not there: -; watching for its return\n"
                        "liuhend: error: cannot go on: ?[2J ?31m ?31m ? ?? 本溪\n");
}

static void quiet_event(void)
{
    log_set_level(LOG_LEVEL_ERROR);
    log_event(EVENT_RECORDING_EXAMINED, "RECORDING", "x", "STATUS", "ok", NULL);
    log_set_level(LOG_LEVEL_INFO);
}

static void test_level(void **state)
{
    uint64_t before = log_count(EVENT_RECORDING_EXAMINED);

    assert_string_equal(captured(quiet_event), "");
    assert_int_equal(log_count(EVENT_RECORDING_EXAMINED), before + 1);
    assert_int_equal(log_level_from_name("error"), LOG_LEVEL_ERROR);
    assert_int_equal(log_level_from_name("Debug"), LOG_LEVEL_DEBUG);
    assert_int_equal(log_level_from_name("loud"), -1);
}

static void many_events(void)
{
    for (int i = 0; i < 500; i++)
        log_event(EVENT_CATALOGUE_BUSY, "REASON", "locked", NULL);
}

/* A minute's repeats are cut to 20 (40 when the minute turns meanwhile, plus the confession). */
static void test_repeats(void **state)
{
    int lines = 0;

    for (const char *p = captured(many_events); *p; p++)
        lines += *p == '\n';
    assert_true(lines == 20 || lines == 41);
    assert_int_equal(log_count(EVENT_CATALOGUE_BUSY), 500);
}

static void long_event(void)
{
    static char name[5000];

    memset(name, 'n', sizeof name - 1);
    log_event(EVENT_FILE_REFUSED, "FILE", name, "REASON", name, NULL);
}

/* A line is cut rather than run over, and still ends. */
static void test_long(void **state)
{
    char *text = captured(long_event);

    assert_true(strlen(text) < 2048);
    assert_int_equal(text[strlen(text) - 1], '\n');
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_texts_use_declared_fields),
        cmocka_unit_test(test_rows_are_well_formed),
        cmocka_unit_test(test_lines),
        cmocka_unit_test(test_level),
        cmocka_unit_test(test_repeats),
        cmocka_unit_test(test_long),
    };

    unsetenv("JOURNAL_STREAM");
    return cmocka_run_group_tests(tests, NULL, NULL);
}
