/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * What the leases of this process are known by: the machine's name, for people, and a ULID of its own. The name alone would not do: two
 * daemons in containers, or on a machine and its clone, bear the same one, and each would take the other's running jobs for its own of
 * before. The name of the last process is kept in cache/node, so that at the next start its jobs are begun anew at once; where that is lost
 * they are taken when their leases end.
 */
#include <string.h>
#include <sys/utsname.h>

#include "base/clock.h"
#include "base/durable.h"
#include "base/fd.h"
#include "base/log.h"
#include "derive/derive-internal.h"

#define NODE_FILE "node"

struct naming {
    const char *last;
};

static int release(struct txn *t, void *userdata, struct error *err)
{
    const struct naming *n = userdata;

    return jobs_release_node(txn_db(t), n->last, clock_now_usec(), err);
}

/* The last process' name as it was written; "" when it is not known. */
static void read_last(struct derive *d, char out[DERIVE_NODE_SIZE])
{
    _cleanup_free_ char *text = NULL;

    out[0] = 0;
    if (fd_read_file_at(d->cache_fd, NODE_FILE, DERIVE_NODE_SIZE - 1, &text, NULL) == 0)
        snprintf(out, DERIVE_NODE_SIZE, "%.*s", (int)strcspn(text, "\n"), text);
}

int derive_node_begin(struct derive *d, const char *machine, struct error *err)
{
    char last[DERIVE_NODE_SIZE], unique[ULID_LENGTH + 1];
    struct naming n = {last};
    struct utsname host;
    int r = 0;

    uname(&host);
    ulid_make(clock_now_usec(), unique);
    snprintf(d->node, sizeof d->node, "%.64s %s", machine ? machine : host.nodename, unique);
    read_last(d, last);
    if (last[0])
        r = writer_run(d->writer, true, release, &n, err);
    if (r != 0)
        return r;
    r = durable_write_file(d->cache_fd, NODE_FILE, 0640, d->node, strlen(d->node));
    if (r < 0) /* no reason not to start: leases end by themselves */
        log_event(EVENT_DERIVE_SWEEP, "REASON", strerror(-r), NULL);
    return 0;
}
