/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The reader of a program's messages (messages.h). The sender may have been taken over: type, length, order, number and content of each
 * message are checked, and the first that is not as it must be ends it all.
 */
#ifndef LIUHEN_MEDIA_RUN_MESSAGES_H
#define LIUHEN_MEDIA_RUN_MESSAGES_H

#include <stdbool.h>
#include <stddef.h>

#include "media/messages.h"

/* BEAT and PROGRESS come at most ten times a second; twice that, and some at once after a pause, are still honest. */
#define MESSAGES_AT_ONCE  100
#define MESSAGES_A_SECOND 20

struct messages {
    /* What may be said; set before the first byte. */
    bool may_elsewhere;
    uint32_t writable; /* files that can be told as whole, as bits */
    /* What was said. */
    bool locked, landlock, elsewhere, answered;
    bool progressed; /* since the reader last looked; it takes it back */
    unsigned permille;
    int64_t at_usec;
    uint64_t bytes[WORKER_FILES_MAX]; /* 0: not told */
    uint64_t count;
    char fault[160]; /* "": none; else in words, for a message to people */
    /* Inner: the message that is coming in. */
    size_t have, payload;
    uint8_t buffer[MESSAGE_HEAD_BYTES + MESSAGE_ANSWER_MAX];
};

/* Takes bytes as they come. after_usec: since the start. Return: false after a fault; nothing more is taken then. */
bool messages_take(struct messages *m, const void *data, size_t size, int64_t after_usec);

/* The sender has ended. Return: whether all was said that must be. */
bool messages_end(struct messages *m);

/* The answer's text once it is there; borrowed, size in *ret_size. */
const char *messages_answer(const struct messages *m, size_t *ret_size);

#endif
