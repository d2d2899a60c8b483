/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * What the daemon and its locked media programs (liuhen-media, liuhen-stills) have in common: descriptors, endings, and the messages
 * that a program sends over its one pipe. All of it is checked by the reader (run.c): the sender may have been taken over.
 *
 * A message is a head of 8 bytes and a payload: type (u8), three zero bytes, length of the payload (u32, little-endian). Its type bounds
 * the length. Order: LOCKED first; then BEAT, PROGRESS and OUTPUT as they come; ANSWER or ELSEWHERE last. Whatever else is a fault of
 * the program, and all that it made is thrown away.
 */
#ifndef LIUHEN_MEDIA_MESSAGES_H
#define LIUHEN_MEDIA_MESSAGES_H

#include <stdint.h>

#include "base/macro.h"

/* A build with AddressSanitizer maps terabytes and reports to standard error: some limits do not apply to it. */
#if defined(__SANITIZE_ADDRESS__)
#define UNDER_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define UNDER_ASAN 1
#endif
#endif
#ifndef UNDER_ASAN
#define UNDER_ASAN 0
#endif

/* Descriptors a program starts with; nothing else is open. */
#define WORKER_FD_INPUT  3 /* the recording, read-only */
#define WORKER_FD_OUTPUT 4 /* the pipe of messages */
#define WORKER_FD_PLAN   5 /* what to do, JSON, sealed; always there */
#define WORKER_FD_FILES                                                                                      \
    6 /* first of the files, in the order of the plan's "files": to be made (open both ways, empty) or read (read-only) */
#define WORKER_FILES_MAX      24
#define WORKER_PLAN_BYTES_MAX (4u << 20)

/* How a program ends. Anything else is a crash. */
enum worker_exit {
    WORKER_EXIT_OK = 0,
    WORKER_EXIT_USAGE = 64,    /* arguments, descriptors or plan are not as they should be */
    WORKER_EXIT_FAULT = 69,    /* an inner fault: the verb gave up */
    WORKER_EXIT_LOCK = 70,     /* the lock could not be made: nothing was read */
    WORKER_EXIT_MEMORY = 71,   /* out of memory within the limit */
    WORKER_EXIT_HARDWARE = 72, /* the device that decodes or encodes failed */
    WORKER_EXIT_OUTPUT =
        74, /* a message or a file could not be written (for a file: no space, or more than its limit) */
};

enum message_type {
    MESSAGE_LOCKED = 1, /* "full" | "no-landlock": the lock holds, nothing of the recording was read before */
    MESSAGE_BEAT, /* empty; at least every second while work goes on, at most ten a second with PROGRESS */
    MESSAGE_PROGRESS,  /* struct message_progress */
    MESSAGE_OUTPUT,    /* struct message_output: that file is whole */
    MESSAGE_ANSWER,    /* canonical JSON (worker-facts.h), at most MESSAGE_ANSWER_MAX */
    MESSAGE_ELSEWHERE, /* "stills": the file is for the other program */
};
#define MESSAGE_HEAD_BYTES 8
#define MESSAGE_SMALL_MAX  64
#define MESSAGE_ANSWER_MAX 65536

/* Payloads, little-endian, without padding. */
struct _packed_ message_progress {
    uint32_t permille; /* 0 – 1000 of the work, as well as it is known */
    uint64_t at_usec;  /* how far into the footage */
};
struct _packed_ message_output {
    uint32_t file;  /* index into the plan's "files" */
    uint64_t bytes; /* its length */
};

#endif
