/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Intervals between pictures as they are shown, and the rate that they come to (see worker-cadence.h). Times of decoding say nothing about
 * the rate: encoders space them as they like. Memory is bounded whatever the length: intervals are counted by value, and as many times wait
 * as pictures can be out of order.
 */
#include "media/worker-cadence.h"

#include <stdlib.h>
#include <string.h>

#include "base/macro.h"

#define SUM_LIMIT_USEC (INT64_C(1) << 61)

void intervals_count(struct intervals *l, int64_t usec)
{
    size_t i = (size_t)((uint64_t)usec * UINT64_C(0x9E3779B97F4A7C15) >> 54) % INTERVAL_SLOTS;

    while (l->values[i].count && l->values[i].usec != usec)
        i = (i + 1) % INTERVAL_SLOTS;
    if (!l->values[i].count && l->n_values == INTERVAL_VALUES)
        return;
    l->n_values += !l->values[i].count;
    l->values[i].usec = usec;
    l->values[i].count++;
}

/* The earliest of those that wait is next. Twice the same time is once. */
static void pop(struct intervals *l)
{
    int64_t at = l->order[0], step = at - l->last_usec;

    memmove(l->order, l->order + 1, --l->n_order * sizeof l->order[0]);
    if (l->has_last && step <= 0)
        return;
    if (l->has_last && step < SUM_LIMIT_USEC - l->steps_usec) {
        intervals_count(l, step);
        l->steps++;
        l->steps_usec += step;
    }
    l->has_last = true;
    l->last_usec = at;
}

void intervals_take(struct intervals *l, int64_t shown_usec)
{
    size_t i = l->n_order++;

    for (; i > 0 && l->order[i - 1] > shown_usec; i--)
        l->order[i] = l->order[i - 1];
    l->order[i] = shown_usec;
    if (l->n_order > REORDER_MOST)
        pop(l);
}

void intervals_break(struct intervals *l)
{
    while (l->n_order > 0)
        pop(l);
    l->has_last = false;
}

static int by_value(const void *a, const void *b)
{
    const struct interval *x = a, *y = b;

    return x->usec < y->usec ? -1 : x->usec > y->usec;
}

int64_t intervals_median(const struct intervals *l)
{
    struct interval sorted[INTERVAL_VALUES];
    uint64_t total = 0, seen = 0;
    size_t n = 0;

    for (size_t i = 0; i < INTERVAL_SLOTS; i++)
        if (l->values[i].count) {
            sorted[n++] = l->values[i];
            total += l->values[i].count;
        }
    qsort(sorted, n, sizeof *sorted, by_value);
    for (size_t i = 0; i < n; i++) {
        seen += sorted[i].count;
        if (seen * 2 >= total)
            return sorted[i].usec;
    }
    return 0;
}

bool intervals_constant(const struct intervals *l, int64_t tick_usec, uint64_t *ret_steps, int64_t *ret_usec)
{
    /* many phones round to whole milliseconds before they count in finer ticks */
    int64_t median = intervals_median(l), usec = 0,
            slack = tick_usec + 1 + MAX(median / 50, MIN(USEC_PER_MSEC, median / 20));
    uint64_t alike = 0;

    for (size_t i = 0; i < INTERVAL_SLOTS; i++)
        if (l->values[i].count && llabs(l->values[i].usec - median) <= slack) {
            alike += l->values[i].count;
            usec += (int64_t)l->values[i].count * l->values[i].usec;
        }
    *ret_steps = alike;
    *ret_usec = usec;
    /* a picture dropped now and then makes no variable rate */
    return l->steps - alike <= MAX(l->steps / 100, (uint64_t)1);
}

void cadence_rate(uint64_t steps, int64_t usec, int64_t tick_usec, int64_t *ret_num, int64_t *ret_den)
{
    static const int odd[][2] = {{25, 2}, {15, 2}, {25, 3}, {5, 2}, {25, 4}, {1, 2}};
    double rate = (double)steps * 1e6 / (double)usec, best;
    double slack = rate * (0.0002 + 2.0 * (double)tick_usec / (double)usec);

    *ret_num = (int64_t)(rate * 1000 + 0.5);
    *ret_den = 1000;
    best = slack;
    for (int i = 1; i <= 240; i++)
        for (int k = 0; k < 2; k++) {
            double off = rate - (k ? i * 1000.0 / 1001 : i);

            off = off < 0 ? -off : off;
            if (off < best) {
                best = off;
                *ret_num = k ? i * 1000 : i;
                *ret_den = k ? 1001 : 1;
            }
        }
    for (size_t i = 0; i < ARRAY_SIZE(odd); i++) {
        double off = rate - (double)odd[i][0] / odd[i][1];

        off = off < 0 ? -off : off;
        if (off < best) {
            best = off;
            *ret_num = odd[i][0];
            *ret_den = odd[i][1];
        }
    }
}
