/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Reads messages from a sender that is not believed (see run-messages.h). One thread.
 */
#include "media/run-messages.h"

#include <inttypes.h>
#include <stdarg.h>
#include <string.h>

static bool fault(struct messages *m, const char *format, ...) _printf_(2, 3);
static bool fault(struct messages *m, const char *format, ...)
{
    va_list ap;

    va_start(ap, format);
    vsnprintf(m->fault, sizeof m->fault, format, ap);
    va_end(ap);
    return false;
}

static uint64_t get_le(const uint8_t *p, size_t bytes)
{
    uint64_t v = 0;

    for (size_t i = bytes; i > 0; i--)
        v = v << 8 | p[i - 1];
    return v;
}

static bool is_text(const struct messages *m, const char *text)
{
    return m->payload == strlen(text) && memcmp(m->buffer + MESSAGE_HEAD_BYTES, text, m->payload) == 0;
}

static bool take_locked(struct messages *m, const uint8_t *payload)
{
    m->landlock = is_text(m, "full");
    if (!m->landlock && !is_text(m, "no-landlock"))
        return fault(m, "said that it is locked in a way that is not known");
    m->locked = true;
    return true;
}

static bool take_beat(struct messages *m, const uint8_t *payload)
{
    return true;
}

static bool take_progress(struct messages *m, const uint8_t *payload)
{
    uint64_t permille = get_le(payload, 4), at = get_le(payload + 4, 8);

    if (permille > 1000 || at > INT64_MAX)
        return fault(m, "told impossible progress");
    m->permille = (unsigned)permille;
    m->at_usec = (int64_t)at;
    m->progressed = true;
    return true;
}

static bool take_output(struct messages *m, const uint8_t *payload)
{
    uint64_t file = get_le(payload, 4), bytes = get_le(payload + 4, 8);

    if (file >= WORKER_FILES_MAX || !(m->writable >> file & 1))
        return fault(m, "told of file %" PRIu64 ", which it was not given to fill", file);
    if (m->bytes[file])
        return fault(m, "told twice that file %" PRIu64 " is whole", file);
    if (bytes == 0 || bytes > INT64_MAX)
        return fault(m, "told an impossible length of file %" PRIu64, file);
    m->bytes[file] = bytes;
    return true;
}

static bool take_answer(struct messages *m, const uint8_t *payload)
{
    m->answered = true;
    return true;
}

static bool take_elsewhere(struct messages *m, const uint8_t *payload)
{
    if (!m->may_elsewhere || !is_text(m, "stills"))
        return fault(m, "named a program that it cannot name");
    m->elsewhere = m->answered = true;
    return true;
}

static const struct {
    uint32_t least, most; /* bytes of the payload */
    bool (*take)(struct messages *m, const uint8_t *payload);
} types[] = {
    [MESSAGE_LOCKED] = {1, MESSAGE_SMALL_MAX, take_locked},
    [MESSAGE_BEAT] = {0, 0, take_beat},
    [MESSAGE_PROGRESS] = {sizeof(struct message_progress), sizeof(struct message_progress), take_progress},
    [MESSAGE_OUTPUT] = {sizeof(struct message_output), sizeof(struct message_output), take_output},
    [MESSAGE_ANSWER] = {1, MESSAGE_ANSWER_MAX, take_answer},
    [MESSAGE_ELSEWHERE] = {1, MESSAGE_SMALL_MAX, take_elsewhere},
};

/* Judges a head as soon as it is whole, so that nothing longer than its type allows is ever taken in. */
static bool check_head(struct messages *m)
{
    uint32_t type = m->buffer[0], length = (uint32_t)get_le(m->buffer + 4, 4);

    if (type >= ARRAY_SIZE(types) || !types[type].take || get_le(m->buffer + 1, 3) != 0)
        return fault(m, "sent a message of type %" PRIu64 ", which there is not", get_le(m->buffer, 4));
    if (length < types[type].least || length > types[type].most)
        return fault(m, "sent a message of type %" PRIu32 " with %" PRIu32 " bytes", type, length);
    if (m->answered)
        return fault(m, "went on speaking after its answer");
    if ((type == MESSAGE_LOCKED) == m->locked)
        return fault(m, m->locked ? "said twice that it is locked in" : "spoke before it was locked in");
    m->payload = length;
    return true;
}

static bool check_count(struct messages *m, int64_t after_usec)
{
    m->count++;
    if (m->count > MESSAGES_AT_ONCE + (uint64_t)after_usec * MESSAGES_A_SECOND / USEC_PER_SEC)
        return fault(m, "sent a flood of messages (%" PRIu64 ")", m->count);
    return true;
}

bool messages_take(struct messages *m, const void *data, size_t size, int64_t after_usec)
{
    const uint8_t *p = data, *end = p + size;

    while (!m->fault[0]) {
        size_t want = m->have < MESSAGE_HEAD_BYTES ? MESSAGE_HEAD_BYTES : MESSAGE_HEAD_BYTES + m->payload;
        size_t n = MIN(want - m->have, (size_t)(end - p));

        memcpy(m->buffer + m->have, p, n);
        m->have += n;
        p += n;
        if (m->have < want)
            return true;
        if (want == MESSAGE_HEAD_BYTES && (!check_count(m, after_usec) || !check_head(m)))
            return false;
        if (m->have < MESSAGE_HEAD_BYTES + m->payload)
            continue;
        if (!types[m->buffer[0]].take(m, m->buffer + MESSAGE_HEAD_BYTES))
            return false;
        if (m->answered) /* the answer stays in the buffer, and only the end may follow */
            return p == end || fault(m, "went on speaking after its answer");
        m->have = m->payload = 0;
    }
    return false;
}

bool messages_end(struct messages *m)
{
    if (m->fault[0])
        return false;
    if (m->answered)
        return true;
    return fault(m, m->have ? "ended in the middle of a message" : "ended without an answer");
}

const char *messages_answer(const struct messages *m, size_t *ret_size)
{
    *ret_size = m->payload;
    return (const char *)m->buffer + MESSAGE_HEAD_BYTES;
}
