/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The feed as a stream of lines (`liuhen watch`). Whether the watcher still may is asked again whenever the settings have changed.
 */
#include <errno.h>
#include <string.h>

#include "api/visit.h"
#include "cases/people.h"

#define STREAM_WAIT_USEC                                                                                     \
    (300 * USEC_PER_MSEC) /* a watcher that goes, and a daemon that stops, are seen so late */

struct watcher {
    const struct api_context *context;
    const struct settings *settings; /* under which they may */
    uid_t uid;
    uint64_t position;
    bool greeted;
};

/* Whether they may still, under settings that came after they began. */
static bool may_watch(struct watcher *w)
{
    const struct settings *now = w->context->settings(w->context->userdata);
    struct error ignored = ERROR_INIT;

    if (now != w->settings && people_may(now, w->uid, "watch", NULL, &ignored) != 0)
        return false;
    w->settings = now;
    return true;
}

static int watcher_next(void *userdata, char **ret_text)
{
    struct watcher *w = userdata;
    _cleanup_free_ char *line = NULL;
    uint64_t missed = 0;
    int r, n;

    if (!w->greeted) {
        /* from here on nothing escapes the watcher */
        w->greeted = true;
        *ret_text = strdup("{\"event\":\"watching\"}\n");
        return *ret_text ? 1 : -ENOMEM;
    }
    r = feed_next(w->context->feed, &w->position, STREAM_WAIT_USEC, &line, &missed);
    if (!may_watch(w))
        return -EACCES;
    if (r <= 0)
        return r;
    n = missed ? asprintf(ret_text, "{\"event\":\"missed\",\"lines\":%llu}\n%s\n", (unsigned long long)missed,
                          line)
               : asprintf(ret_text, "%s\n", line);
    return n < 0 ? -ENOMEM : 1;
}

int watch_start(const struct api_context *context, uid_t uid, struct http_answer *answer)
{
    struct watcher *w = calloc(1, sizeof *w);

    if (!w)
        return -ENOMEM;
    w->context = context;
    w->uid = uid; /* settings stay NULL: asked again at the first line */
    w->position = feed_position(context->feed);
    http_answer_text(answer, 200, "application/x-ndjson; charset=utf-8", NULL);
    answer->next = watcher_next;
    answer->on_close = free;
    answer->userdata = w;
    return 0;
}
