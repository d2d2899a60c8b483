/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The file under examination: positioned reads from one descriptor (or from memory, for fuzzing), with the first read error and the
 * soft deadline kept. Everything in the worker reads through here, so that a bad sector is noticed once and for all.
 */
#ifndef LIUHEN_MEDIA_WORKER_INPUT_H
#define LIUHEN_MEDIA_WORKER_INPUT_H

#include <stdbool.h>
#include <sys/types.h>

#include "base/macro.h"

/* A part of the source that is read as a NAL unit behind a start code (ITU-T H.264 annex B); at is where the start code stands. */
struct input_piece {
    uint64_t at, from, size;
};
#define PIECE_START_BYTES 4

struct input {
    int fd;                /* -1: memory */
    const uint8_t *memory; /* borrowed */
    uint64_t size;
    int64_t deadline_usec; /* monotonic; 0 = none */
    int read_errno;        /* first read error, positive; 0 = none */
    uint64_t read_error_at;
    /* Not the source itself but pieces of it, in order and without gaps, size bytes with their start codes (worker-salvage.c). */
    struct input *source;
    const struct input_piece *pieces;
    size_t n_pieces;
    void (*beat)(void); /* called whenever something is read: the work goes on; may be NULL */
};

/* budget_usec: the soft deadline from now, 0 = none. Return: 0, -EINVAL (not a regular file), other negative errno. Call before the lock: it uses fstat. */
int input_init_fd(struct input *in, int fd, int64_t budget_usec);
void input_init_memory(struct input *in, const void *data, size_t size, int64_t budget_usec);

/* Return: bytes read (less than size only at the end of the file) or negative errno. */
ssize_t input_pread(struct input *in, void *buf, size_t size, uint64_t offset);

/* Whether exactly size bytes could be read. */
bool input_get(struct input *in, void *buf, size_t size, uint64_t offset);

/* Whether the soft deadline has passed: finish with what is known. Ask often: time for which the process was stopped does not count, and is
 * taken to have begun when this was last asked. */
bool input_expired(const struct input *in);

/* Tells that the process was stopped and goes on (SIGCONT); callable from a signal handler. */
void input_was_stopped(void);

/* Whether [from, to) holds nothing but zeros where looked at: all of it up to 1 MiB, else both ends and 32 places between. */
bool input_is_zero(struct input *in, uint64_t from, uint64_t to);

uint64_t be64_at(const uint8_t *p);
uint32_t be32_at(const uint8_t *p);
uint32_t be16_at(const uint8_t *p);
uint32_t le32_at(const uint8_t *p);

#endif
