/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The program's side of the messages (see worker-say.h). Nothing is said before say_locked, so that tests and fuzzers, which call the same
 * parsers without a lock, write to nobody's descriptor.
 */
#include "media/worker-say.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"

#define PROGRESS_EVERY (USEC_PER_SEC / 10)
#define BEAT_EVERY                                                                                           \
    (USEC_PER_SEC /                                                                                          \
     2) /* since anything was said: reading beats, and must not keep progress from being told */

static bool speaking;
static int64_t said_usec, progress_usec; /* monotonic: the last message, the last PROGRESS */

static void put_le(uint8_t *to, uint64_t value, size_t bytes)
{
    for (size_t i = 0; i < bytes; i++)
        to[i] = (uint8_t)(value >> 8 * i);
}

static void say(enum message_type type, const void *payload, size_t size)
{
    uint8_t message[MESSAGE_HEAD_BYTES + MESSAGE_SMALL_MAX] = {(uint8_t)type};
    bool small = size <= MESSAGE_SMALL_MAX;

    if (!speaking)
        return;
    put_le(message + 4, size, 4);
    if (small && size)
        memcpy(message + MESSAGE_HEAD_BYTES, payload, size);
    if (fd_write_full(WORKER_FD_OUTPUT, message, MESSAGE_HEAD_BYTES + (small ? size : 0)) < 0 ||
        (!small && fd_write_full(WORKER_FD_OUTPUT, payload, size) < 0))
        _exit(WORKER_EXIT_OUTPUT);
}

void say_locked(bool landlock)
{
    const char *text = landlock ? "full" : "no-landlock";

    speaking = true;
    say(MESSAGE_LOCKED, text, strlen(text));
}

void say_progress(int64_t at_usec, int64_t total_usec)
{
    uint8_t p[sizeof(struct message_progress)];
    int64_t at = MAX(at_usec, 0), now = clock_monotonic_usec();

    if (now - progress_usec < PROGRESS_EVERY)
        return;
    progress_usec = said_usec = now;
    put_le(p, total_usec > 0 ? (uint64_t)((double)MIN(at, total_usec) / (double)total_usec * 1000) : 0, 4);
    put_le(p + 4, (uint64_t)at, 8);
    say(MESSAGE_PROGRESS, p, sizeof p);
}

void say_beat(void)
{
    int64_t now = clock_monotonic_usec();

    if (now - said_usec < BEAT_EVERY)
        return;
    said_usec = now;
    say(MESSAGE_BEAT, NULL, 0);
}

void say_output(unsigned file, uint64_t bytes)
{
    uint8_t p[sizeof(struct message_output)];

    put_le(p, file, 4);
    put_le(p + 4, bytes, 8);
    say(MESSAGE_OUTPUT, p, sizeof p);
}

void say_answer(const char *json, size_t size)
{
    if (size > MESSAGE_ANSWER_MAX)
        _exit(WORKER_EXIT_OUTPUT);
    say(MESSAGE_ANSWER, json, size);
}

void say_elsewhere(void)
{
    say(MESSAGE_ELSEWHERE, "stills", strlen("stills"));
}

int plan_read(json_t **ret)
{
    _cleanup_free_ char *text = malloc(WORKER_PLAN_BYTES_MAX + 1);
    json_t *plan;
    ssize_t n;

    if (!text)
        return -ENOMEM;
    n = fd_pread_full(WORKER_FD_PLAN, text, WORKER_PLAN_BYTES_MAX + 1, 0);
    if (n < 0)
        return -EINVAL;
    if (n > (ssize_t)WORKER_PLAN_BYTES_MAX)
        return -E2BIG;
    /* longer than json_parse takes: the regions of a redaction */
    plan = json_loadb(text, (size_t)n, JSON_REJECT_DUPLICATES, NULL);
    if (!json_is_object(plan)) {
        json_decref(plan);
        return -EINVAL;
    }
    *ret = plan;
    return 0;
}

int plan_file(const json_t *plan, const char *name)
{
    const json_t *files = json_get_array(plan, "files");
    json_t *v;
    size_t i;

    json_array_foreach (files, i, v)
        if (json_is_string(v) && strcmp(json_string_value(v), name) == 0)
            return i < WORKER_FILES_MAX ? (int)i : -1;
    return -1;
}
