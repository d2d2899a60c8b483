/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The file under examination (see worker-input.h). One thread.
 */
#include "media/worker-input.h"

#include <errno.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"

#define ZERO_BLOCK  4096
#define ZERO_WHOLE  (1u << 20)
#define ZERO_PLACES 32

int input_init_fd(struct input *in, int fd, int64_t budget_usec)
{
    struct stat st;

    if (fstat(fd, &st) < 0)
        return -errno;
    if (!S_ISREG(st.st_mode))
        return -EINVAL;
    *in = (struct input){.fd = fd, .size = (uint64_t)st.st_size};
    if (budget_usec > 0)
        in->deadline_usec = clock_monotonic_usec() + budget_usec;
    return 0;
}

void input_init_memory(struct input *in, const void *data, size_t size, int64_t budget_usec)
{
    *in = (struct input){.fd = -1, .memory = data, .size = size};
    if (budget_usec > 0)
        in->deadline_usec = clock_monotonic_usec() + budget_usec;
}

static const struct input_piece *piece_at(const struct input *in, uint64_t offset)
{
    size_t low = 0, high = in->n_pieces;

    while (high - low > 1) {
        size_t middle = low + (high - low) / 2;

        if (in->pieces[middle].at <= offset)
            low = middle;
        else
            high = middle;
    }
    return &in->pieces[low];
}

static ssize_t read_pieces(struct input *in, uint8_t *buf, size_t size, uint64_t offset)
{
    static const uint8_t start[PIECE_START_BYTES] = {0, 0, 0, 1};
    const struct input_piece *p = piece_at(in, offset), *end = in->pieces + in->n_pieces;
    size_t done = 0;

    while (done < size && p < end) {
        uint64_t skip = offset + done - p->at;
        ssize_t n;

        if (skip < PIECE_START_BYTES) {
            buf[done++] = start[skip];
            continue;
        }
        skip -= PIECE_START_BYTES;
        if (skip >= p->size) {
            p++;
            continue;
        }
        n = input_pread(in->source, buf + done, (size_t)MIN(p->size - skip, (uint64_t)(size - done)),
                        p->from + skip);
        if (n <= 0)
            return n < 0 ? n : (ssize_t)done;
        done += (size_t)n;
    }
    return (ssize_t)done;
}

ssize_t input_pread(struct input *in, void *buf, size_t size, uint64_t offset)
{
    size_t done = 0;

    if (offset >= in->size || size == 0)
        return 0;
    if (size > in->size - offset)
        size = (size_t)(in->size - offset);
    if (in->beat)
        in->beat();
    if (in->pieces)
        return read_pieces(in, buf, size, offset);
    if (in->fd < 0) {
        memcpy(buf, in->memory + offset, size);
        return (ssize_t)size;
    }
    while (done < size) {
        ssize_t n = pread(in->fd, (char *)buf + done, size - done, (off_t)(offset + done));

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0) {
            if (!in->read_errno) {
                in->read_errno = errno;
                in->read_error_at = offset + done;
            }
            return -errno;
        }
        if (n == 0)
            break;
        done += (size_t)n;
    }
    return (ssize_t)done;
}

bool input_get(struct input *in, void *buf, size_t size, uint64_t offset)
{
    return input_pread(in, buf, size, offset) == (ssize_t)size;
}

/* The client stops a process to keep its share of the processor, or until a better hour (run.c). There is one input a process. */
static atomic_bool was_stopped;
static _Atomic int64_t stopped_usec, asked_usec;

void input_was_stopped(void)
{
    atomic_store(&was_stopped, true);
}

bool input_expired(const struct input *in)
{
    int64_t now, before;

    if (!in->deadline_usec)
        return false;
    now = clock_monotonic_usec();
    before = atomic_exchange(&asked_usec, now);
    if (atomic_exchange(&was_stopped, false) && before > 0)
        atomic_fetch_add(&stopped_usec, now - before);
    return now - atomic_load(&stopped_usec) >= in->deadline_usec;
}

static bool block_is_zero(struct input *in, uint64_t from, size_t size)
{
    uint8_t block[ZERO_BLOCK];

    if (!input_get(in, block, size, from))
        return false;
    for (size_t i = 0; i < size; i++)
        if (block[i])
            return false;
    return true;
}

bool input_is_zero(struct input *in, uint64_t from, uint64_t to)
{
    uint64_t step;

    if (to > in->size)
        to = in->size;
    if (from >= to)
        return false;
    step = to - from <= ZERO_WHOLE ? ZERO_BLOCK : (to - from - ZERO_BLOCK) / ZERO_PLACES;
    for (uint64_t at = from; at < to; at += step)
        if (!block_is_zero(in, at, (size_t)MIN(to - at, (uint64_t)ZERO_BLOCK)))
            return false;
    return to - from <= ZERO_BLOCK || block_is_zero(in, to - ZERO_BLOCK, ZERO_BLOCK);
}

uint32_t be16_at(const uint8_t *p)
{
    return (uint32_t)p[0] << 8 | p[1];
}

uint32_t be32_at(const uint8_t *p)
{
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

uint64_t be64_at(const uint8_t *p)
{
    return (uint64_t)be32_at(p) << 32 | be32_at(p + 4);
}

uint32_t le32_at(const uint8_t *p)
{
    return (uint32_t)p[3] << 24 | (uint32_t)p[2] << 16 | (uint32_t)p[1] << 8 | p[0];
}
