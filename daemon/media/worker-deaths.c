/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Ways to die, to hang and to lie, and honest work of a known size, for tests (see worker-escape.h). Not part of a release build.
 */
#include "media/worker-escape.h"

#ifdef LIUHEN_INJECT
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/fd.h"
#include "media/worker-say.h"

#define MIB (1 << 20)

static volatile bool forever = true;

static long die_crash(void)
{
    volatile int *volatile nowhere = NULL;

    return *nowhere;
}

static long die_abort(void)
{
    abort();
}

static long die_loop(void)
{
    while (forever)
        ;
    return 0;
}

static long die_loop_with_beat(void)
{
    while (forever)
        say_beat();
    return 0;
}

static long die_stop(void)
{
    return raise(SIGSTOP);
}

static long die_hang(void)
{
    const struct timespec hour = {.tv_sec = 3600};

    while (forever)
        nanosleep(&hour, NULL);
    return 0;
}

static long die_memory(void)
{
    for (;;) {
        char *p = malloc((size_t)16 * MIB);

        if (!p)
            _exit(WORKER_EXIT_MEMORY);
        memset(p, 1, (size_t)16 * MIB);
    }
}

static void *sleep_on(void *userdata)
{
    die_hang();
    return NULL;
}

/* As many threads as it can get, on small stacks. */
static long die_threads(void)
{
    pthread_attr_t a;
    pthread_t t;

    pthread_attr_init(&a);
    pthread_attr_setstacksize(&a, 65536);
    for (int i = 0; i < 200 && pthread_create(&t, &a, sleep_on, NULL) == 0; i++)
        ;
    return die_hang();
}

static long die_files(void)
{
    static char block[65536];
    off_t at = 0;

    while (pwrite(WORKER_FD_FILES, block, sizeof block, at) > 0)
        at += sizeof block;
    _exit(errno == EFBIG ? WORKER_EXIT_OUTPUT : 3);
}

static long die_no_room(void)
{
    _exit(WORKER_EXIT_OUTPUT);
}

static long die_usage(void)
{
    _exit(WORKER_EXIT_USAGE);
}

static long die_lock(void)
{
    _exit(WORKER_EXIT_LOCK);
}

/* Messages as they should not be. */
static void send_raw(unsigned type, unsigned length, const void *payload, size_t size)
{
    uint8_t head[MESSAGE_HEAD_BYTES] = {
        (uint8_t)type,          0, 0, 0, (uint8_t)length, (uint8_t)(length >> 8), (uint8_t)(length >> 16),
        (uint8_t)(length >> 24)};

    if (fd_write_full(WORKER_FD_OUTPUT, head, sizeof head) < 0 ||
        fd_write_full(WORKER_FD_OUTPUT, payload, size) < 0)
        _exit(WORKER_EXIT_OUTPUT);
}

static long lie_flood(void)
{
    static char block[8192];

    memset(block, '[', sizeof block);
    while (write(WORKER_FD_OUTPUT, block, sizeof block) > 0)
        ;
    return 0;
}

static long lie_flood_of_beats(void)
{
    while (forever)
        send_raw(MESSAGE_BEAT, 0, "", 0);
    return 0;
}

static const char good[] = "{\"kind\":\"video\",\"media\":{},\"message\":\"\",\"status\":\"ok\"}";

static long answer(const char *text)
{
    say_answer(text, strlen(text));
    return 0;
}

static long lie_silent(void)
{
    return 0;
}

static long lie_cut(void)
{
    send_raw(MESSAGE_ANSWER, 100, good, 50);
    return 0;
}

static long lie_long(void)
{
    send_raw(MESSAGE_ANSWER, MESSAGE_ANSWER_MAX + 1, "", 0);
    return die_hang();
}

static long lie_locked_twice(void)
{
    say_locked(true);
    return answer(good);
}

static long lie_after_answer(void)
{
    answer(good);
    send_raw(MESSAGE_BEAT, 0, "", 0);
    return 0;
}

static long lie_two_answers(void)
{
    answer(good);
    return answer(good);
}

static long lie_exit_after_answer(void)
{
    answer(good);
    _exit(9);
}

static long die_after_answer(void)
{
    answer(good);
    return die_hang();
}

static long lie_elsewhere(void)
{
    send_raw(MESSAGE_ELSEWHERE, 4, "disc", 4);
    return 0;
}

static long lie_elsewhere_again(void)
{
    say_elsewhere();
    return 0;
}

static long lie_file_range(void)
{
    say_output(7, 1);
    return answer(good);
}

static long lie_file_twice(void)
{
    if (pwrite(WORKER_FD_FILES, "x", 1, 0) != 1)
        return -1;
    say_output(0, 1);
    say_output(0, 1);
    return answer(good);
}

static long lie_file_length(void)
{
    if (pwrite(WORKER_FD_FILES, "x", 1, 0) != 1)
        return -1;
    say_output(0, 2);
    return answer(good);
}

static long lie_file_read_only(void)
{
    say_output(1, 1);
    return answer(good);
}

static long lie_file_empty(void)
{
    say_output(0, 0);
    return answer(good);
}

static long lie_progress(void)
{
    static const uint8_t beyond[sizeof(struct message_progress)] = {0xE9, 3}; /* 1001 */

    send_raw(MESSAGE_PROGRESS, sizeof beyond, beyond, sizeof beyond);
    return answer(good);
}

static long lie_garbage(void)
{
    return answer("this is not JSON");
}

static long lie_real(void)
{
    return answer("{\"kind\":\"video\",\"media\":{\"bytes\":1.5},\"message\":\"\",\"status\":\"ok\"}");
}

static long lie_member(void)
{
    return answer("{\"kind\":\"video\",\"media\":{},\"message\":\"\",\"status\":\"ok\",\"owner\":1}");
}

static long lie_key(void)
{
    return answer("{\"kind\":\"video\",\"media\":{\"owner\":\"me\"},\"message\":\"\",\"status\":\"ok\"}");
}

static long lie_kind(void)
{
    return answer("{\"kind\":\"ledger\",\"media\":{},\"message\":\"\",\"status\":\"ok\"}");
}

static long lie_range(void)
{
    return answer("{\"kind\":\"photo\",\"media\":{\"gps\":{\"lat_e7\":900000001,\"lon_e7\":0}},\"message\":"
                  "\"\",\"status\":\"ok\"}");
}

/* Honest work. */
static long work_good(void)
{
    if (pwrite(WORKER_FD_FILES, "whole", 5, 0) != 5)
        return -1;
    say_progress(500, 1000);
    say_output(0, 5);
    return answer(good);
}

static long work_processor(void)
{
    struct timespec t;

    do
        clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    while (t.tv_sec == 0 && t.tv_nsec < 200000000);
    return answer(good);
}

static long work_memory(void)
{
    size_t size = (size_t)96 * MIB;
    volatile char *p = malloc(size);

    if (!p)
        _exit(WORKER_EXIT_MEMORY);
    for (size_t i = 0; i < size; i += 4096)
        p[i] = 1;
    return answer(good);
}

const struct escape escape_deaths[] = {
    {"crash", die_crash},
    {"abort", die_abort},
    {"loop", die_loop},
    {"loop-with-beat", die_loop_with_beat},
    {"stop", die_stop},
    {"hang", die_hang},
    {"memory", die_memory},
    {"threads", die_threads},
    {"files", die_files},
    {"no-room", die_no_room},
    {"usage", die_usage},
    {"lock", die_lock},
    {"flood", lie_flood},
    {"flood-of-beats", lie_flood_of_beats},
    {"silent", lie_silent},
    {"cut", lie_cut},
    {"long", lie_long},
    {"locked-twice", lie_locked_twice},
    {"after-answer", lie_after_answer},
    {"two-answers", lie_two_answers},
    {"hang-after-answer", die_after_answer},
    {"exit-after-answer", lie_exit_after_answer},
    {"elsewhere-text", lie_elsewhere},
    {"elsewhere", lie_elsewhere_again},
    {"file-range", lie_file_range},
    {"file-twice", lie_file_twice},
    {"file-length", lie_file_length},
    {"file-read-only", lie_file_read_only},
    {"file-empty", lie_file_empty},
    {"progress-range", lie_progress},
    {"garbage", lie_garbage},
    {"real", lie_real},
    {"member", lie_member},
    {"key", lie_key},
    {"kind", lie_kind},
    {"range", lie_range},
    {"work", work_good},
    {"work-processor", work_processor},
    {"work-memory", work_memory},
    {NULL, NULL},
};
#else
typedef int deaths_are_off;
#endif
