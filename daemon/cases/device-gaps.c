/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Finding missing numbers (see device-gaps.h).
 */
#include "cases/device-gaps.h"

#include <errno.h>
#include <string.h>

#include "catalogue/device-rows.h"

#define DIGITS_MAX 18

/* One counter: of one channel of one device. */
struct counter {
    struct counter *next;
    char *channel;
    int64_t last, when;
};

struct search {
    char device[DEVICE_TEXT];
    struct counter *counters; /* of this device */
    json_t *gaps;
    int64_t missing, recordings;
};

static void forget_counters(struct search *s)
{
    for (struct counter *c = s->counters, *next; c; c = next) {
        next = c->next;
        free(c->channel);
        free(c);
    }
    s->counters = NULL;
}

static void search_done(struct search *s)
{
    forget_counters(s);
    json_decrefp(&s->gaps);
}

/* The counter of a channel; a new one has counted nothing (last -1). */
static struct counter *counter_of(struct search *s, const char *channel)
{
    struct counter *c = s->counters;

    while (c && strcmp(c->channel, channel) != 0)
        c = c->next;
    if (c)
        return c;
    c = calloc(1, sizeof *c);
    if (!c || !(c->channel = strdup(channel))) {
        free(c);
        return NULL;
    }
    c->last = -1;
    c->next = s->counters;
    return s->counters = c;
}

static int add_gap(struct search *s, const struct counter *c, int64_t number, int64_t when)
{
    json_t *gap;

    s->missing += number - c->last - 1;
    if (json_array_size(s->gaps) >= DEVICE_GAPS_MAX)
        return 0;
    gap = json_pack("{s:s, s:s*, s:I, s:I, s:I, s:I, s:I}", "device", s->device, "channel",
                    *c->channel ? c->channel : NULL, "from", (json_int_t)(c->last + 1), "to",
                    (json_int_t)(number - 1), "missing", (json_int_t)(number - c->last - 1), "after",
                    (json_int_t)c->when, "before", (json_int_t)when);
    return json_array_append_new(s->gaps, gap) < 0 ? -ENOMEM : 0;
}

static int on_number(void *userdata, const struct device_number *n)
{
    struct search *s = userdata;
    struct counter *c;
    int64_t number;
    int r = 0;

    s->recordings++;
    if (!*n->seq || strlen(n->seq) > DIGITS_MAX || n->seq[strspn(n->seq, "0123456789")])
        return 0; /* no number */
    if (strcmp(s->device, n->device) != 0) {
        forget_counters(s);
        snprintf(s->device, sizeof s->device, "%s", n->device);
    }
    c = counter_of(s, n->channel);
    if (!c)
        return -ENOMEM;
    number = strtoll(n->seq, NULL, 10);
    if (c->last >= 0 && number > c->last + 1)
        r = add_gap(s, c, number, n->sort_usec);
    c->last = number;
    c->when = n->sort_usec;
    return r;
}

int device_gaps(struct db *db, const char *serial, int64_t since_usec, int64_t limit, json_t **ret,
                struct error *err)
{
    _cleanup_(search_done) struct search s = {.gaps = json_array()};
    _cleanup_json_ json_t *o = json_object();
    int r = s.gaps && o ? device_numbers_read(db, serial, since_usec, limit, on_number, &s, err) : -ENOMEM;

    if (r == 0 && json_array_size(s.gaps) >= DEVICE_GAPS_MAX)
        r = json_set_bool(o, "more", true);
    r = r != 0 ? r : json_set_take(o, "gaps", TAKE_PTR(s.gaps));
    r = r != 0 ? r : json_set_integer(o, "missing", s.missing);
    r = r != 0 ? r : json_set_integer(o, "recordings", s.recordings);
    if (r == 0)
        *ret = TAKE_PTR(o);
    return r;
}
