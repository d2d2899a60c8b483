/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Drop folders: one thread that knows which files wait and when each is tried. A file that was closed or moved in is tried at once
 * (the lease tells whether somebody still writes); one that was not ready is tried again later, ever more slowly, or when an event
 * says it changed. Nothing waiting = no wake-ups.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <search.h>
#include <string.h>
#include <strings.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/encode.h"
#include "base/fd.h"
#include "base/log.h"
#include "intake/drop-internal.h"

#define MISSING_RETRY_USEC (5 * USEC_PER_SEC)
#define PAUSED_RETRY_USEC  (2 * USEC_PER_SEC)
#define LATER_MAX_USEC     (30 * USEC_PER_SEC)
#define SIDECAR_PATIENCE   15 /* times the settle time */
#define LATER_MIN_USEC     (200 * USEC_PER_MSEC)

/* ---- candidates --------------------------------------------------------------------------------------------------------- */

static int compare(const void *a, const void *b)
{
    const struct candidate *x = a, *y = b;

    if (x->folder != y->folder)
        return x->folder < y->folder ? -1 : 1;
    return strcmp(x->path, y->path);
}

static void make_ready(struct drop *d, struct candidate *c)
{
    c->state = CANDIDATE_READY;
    c->next = NULL;
    *d->ready_end = c;
    d->ready_end = &c->next;
}

static void delay(struct drop *d, struct candidate *c, int64_t usec)
{
    c->state = CANDIDATE_DELAYED;
    c->due_usec = clock_monotonic_usec() + usec;
    c->next = d->delayed;
    d->delayed = c;
}

static void unlist(struct candidate **list, const struct candidate *c)
{
    while (*list && *list != c)
        list = &(*list)->next;
    if (*list)
        *list = c->next;
}

static void forget(struct drop *d, struct candidate *c)
{
    tdelete(c, &d->tree, compare);
    d->n_candidates--;
    c->folder->waiting--;
    free(c->path);
    free(c);
}

static bool ends_with(const char *s, const char *suffix)
{
    size_t n = strlen(s), m = strlen(suffix);

    return m > 0 && n > m && strcasecmp(s + n - m, suffix) == 0;
}

static bool ends_exactly(const char *s, const char *suffix)
{
    size_t n = strlen(s), m = strlen(suffix);

    return m > 0 && n > m && strcmp(s + n - m, suffix) == 0;
}

static bool is_sidecar(const struct folder *f, const char *name)
{
    return ends_with(name, f->settings->sidecar);
}

/* How long a new name waits before it is tried: a sidecar may have come before its clip, which must find it. */
static int64_t first_wait(const struct folder *f, const char *name)
{
    int64_t settle = MAX(f->settings->settle_usec, LATER_MIN_USEC);
    bool waits = is_sidecar(f, name) && f->settings->after != FOLDER_AFTER_KEEP;

    return waits ? SIDECAR_PATIENCE * settle : settle;
}

static struct candidate *find_or_add(struct drop *d, struct folder *f, const char *dir, const char *name)
{
    struct candidate *c = calloc(1, sizeof *c), **slot;

    if (!c || asprintf(&c->path, "%s%s%s", dir, *dir ? "/" : "", name) < 0) {
        free(c);
        watch_later(f);
        return NULL;
    }
    c->folder = f;
    c->state = CANDIDATE_IN_HAND; /* until listed */
    slot = tsearch(c, &d->tree, compare);
    if (!slot || *slot != c) {
        free(c->path);
        free(c);
        if (!slot)
            watch_later(f);
        return slot ? *slot : NULL;
    }
    d->n_candidates++;
    f->waiting++;
    c->due_usec = -1; /* new */
    return c;
}

void candidate_seen(struct drop *d, struct folder *f, const char *dir, const char *name, bool settled)
{
    const char *sentinel = f->settings->complete;
    struct candidate *c;
    char stem[NAME_MAX + 1];

    if (*sentinel && sentinel[0] == '.' &&
        ends_exactly(name, sentinel)) { /* clip.mp4.done speaks for clip.mp4 */
        snprintf(stem, sizeof stem, "%.*s", (int)(strlen(name) - strlen(sentinel)), name);
        name = stem;
        settled = true;
    } else if (*sentinel && strcmp(name, sentinel) == 0) { /* COMPLETE speaks for its folder */
        f->again = true;
        return;
    }
    if (!watch_wants(f, name))
        return;
    if (d->n_candidates >= CANDIDATES_MAX) {
        f->again = true;
        return;
    }
    c = find_or_add(d, f, dir, name);
    if (!c)
        return;
    if (c->due_usec == -1) {
        c->due_usec = 0;
        if (settled && !is_sidecar(f, name))
            make_ready(d, c);
        else
            delay(d, c, first_wait(f, name));
    } else if (c->state == CANDIDATE_IN_HAND) {
        c->changed = true;
    } else if (c->state == CANDIDATE_DELAYED && settled && !is_sidecar(f, name)) {
        unlist(&d->delayed, c);
        c->attempts = 0;
        make_ready(d, c);
    }
}

/* ---- may it be tried? --------------------------------------------------------------------------------------------------- */

static int open_dir_of(const struct candidate *c, const char **ret_name)
{
    return source_open_folder(c->folder->settings->path, c->path, ret_name);
}

static bool sentinel_is_there(const struct candidate *c)
{
    const char *sentinel = c->folder->settings->complete, *name;
    _cleanup_close_ int dir = -1;
    _cleanup_free_ char *wanted = NULL;
    struct stat st;

    if (!*sentinel || c->released)
        return true;
    dir = open_dir_of(c, &name);
    if (dir < 0 || asprintf(&wanted, "%s%s", sentinel[0] == '.' ? name : "", sentinel) < 0) {
        wanted = dir < 0 ? wanted : NULL;
        return false;
    }
    return fstatat(dir, wanted, &st, AT_SYMLINK_NOFOLLOW) == 0;
}

/* A sidecar is read together with its clip, so it waits while the clip is there; where sources are kept both stay, in any order. */
static bool clip_is_there(const struct candidate *c)
{
    const char *suffix = c->folder->settings->sidecar, *sentinel = c->folder->settings->complete, *name;
    size_t stem;
    int fd;

    if (c->folder->settings->after == FOLDER_AFTER_KEEP || !ends_with(c->path, suffix))
        return false;
    fd = open_dir_of(c, &name);
    if (fd < 0)
        return false;
    stem = strlen(name) - strlen(suffix);
    _cleanup_dir_ DIR *dir = fdopendir(fd);
    if (!dir) {
        close(fd);
        return false;
    }
    for (const struct dirent *de; (de = readdir(dir));) {
        if (strncmp(de->d_name, name, stem) != 0 || !strcmp(de->d_name, name) ||
            (sentinel[0] == '.' && ends_exactly(de->d_name, sentinel)))
            continue;
        if (de->d_name[stem] == 0 ||
            (de->d_name[stem] == '.' && watch_wants(c->folder, de->d_name) && !ends_with(de->d_name, suffix)))
            return true;
    }
    return false;
}

static void remove_sentinel(const struct candidate *c)
{
    const char *sentinel = c->folder->settings->complete, *name;
    _cleanup_close_ int dir = -1;
    _cleanup_free_ char *file = NULL;
    struct stat st;

    if (sentinel[0] != '.' || c->folder->settings->after == FOLDER_AFTER_KEEP)
        return;
    dir = open_dir_of(c, &name);
    if (dir < 0 || asprintf(&file, "%s%s", name, sentinel) < 0) {
        file = dir < 0 ? file : NULL;
        return;
    }
    if (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) == 0 || errno != ENOENT)
        return; /* the next file of that name is there, and this may be its own */
    if (fstatat(dir, file, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISREG(st.st_mode) && st.st_size == 0)
        (void)unlinkat(dir, file, 0);
}

/* ---- work in hand ------------------------------------------------------------------------------------------------------- */

/* Any thread: the item comes back with its outcome. */
static void on_done(struct item *item)
{
    struct drop *d = item->in->drop;

    pthread_mutex_lock(&d->lock);
    item->next = d->finished;
    d->finished = item;
    pthread_mutex_unlock(&d->lock);
    drop_kick(d);
}

static void run_take(void *userdata)
{
    struct item *item = userdata;

    take_item(item);
    if (item->outcome == OUTCOME_DONE && item->staged)
        sealer_add(item->in->sealer, item);
    else
        item->on_done(item);
}

static int64_t later(const struct candidate *c)
{
    int64_t base = MAX(c->folder->settings->settle_usec, LATER_MIN_USEC);

    return MIN(base << MIN(c->attempts, 6u), MAX(base, LATER_MAX_USEC));
}

static void try_candidate(struct drop *d, struct candidate *c)
{
    struct folder *f = c->folder;
    bool has_sentinel = sentinel_is_there(c);
    struct item *item;

    if (!has_sentinel && (f->settings->after == FOLDER_AFTER_KEEP || !is_sidecar(f, c->path))) {
        forget(d, c); /* the sentinel's own event brings it back */
        watch_check_root(d, f);
        return;
    }
    if (clip_is_there(c)) {
        delay(d, c, later(c));
        c->attempts++;
        return;
    }
    item = calloc(1, sizeof *item);
    if (item)
        *item = (struct item){.in = d->in,
                              .folder = c->folder->settings,
                              .path = strdup(c->path),
                              .token = c,
                              .on_done = on_done,
                              .is_orphan =
                                  !has_sentinel, /* its clip was sealed just before a stop, or never came */
                              .seen = c->seen,
                              .seen_usec = c->seen_usec,
                              .source_fd = -1,
                              .source_dirfd = -1};
    if (!item || !item->path || pool_add(d->in->pool, run_take, item) < 0) {
        item_free(item);
        delay(d, c, PAUSED_RETRY_USEC);
        return;
    }
    c->state = CANDIDATE_IN_HAND;
    c->changed = false;
    d->in_hand++;
    atomic_fetch_add(&d->in->in_hand, 1);
}

static void say_refused(const struct candidate *c, const struct error *err)
{
    if (err->text[0])
        watch_refuse(c->folder, c->path, err->text);
}

/* The clip is sealed and has taken its sidecar's facts along: the sidecar need not wait any longer, nor for a sentinel of its own. */
static void release_sidecar(struct drop *d, const struct candidate *clip, const char *stem, size_t n)
{
    struct folder *f = clip->folder;
    const char *slash = strrchr(clip->path, '/'), *ignored;
    _cleanup_free_ char *name = NULL,
                        *dir = slash ? strndup(clip->path, (size_t)(slash - clip->path)) : strdup("");
    _cleanup_close_ int fd = open_dir_of(clip, &ignored);
    struct candidate *c;
    struct stat st;

    if (!dir || fd < 0 || asprintf(&name, "%.*s%s", (int)n, stem, f->settings->sidecar) < 0) {
        name = dir && fd >= 0 ? NULL : name;
        return;
    }
    if (!watch_wants(f, name) || fstatat(fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0 || !S_ISREG(st.st_mode))
        return;
    c = find_or_add(d, f, dir, name);
    if (!c || c->state == CANDIDATE_READY)
        return;
    c->released = true;
    if (c->due_usec == -1)
        c->due_usec = 0;
    else if (c->state == CANDIDATE_DELAYED)
        unlist(&d->delayed, c);
    else
        return;
    make_ready(d, c);
}

static void release_sidecars(struct drop *d, const struct candidate *clip)
{
    const char *slash = strrchr(clip->path, '/'), *name = slash ? slash + 1 : clip->path,
               *dot = strrchr(name, '.');

    if (!*clip->folder->settings->sidecar || is_sidecar(clip->folder, name))
        return;
    release_sidecar(d, clip, name, strlen(name));
    if (dot)
        release_sidecar(d, clip, name, (size_t)(dot - name));
}

static void finish_candidate(struct drop *d, struct candidate *c, struct item *item)
{
    struct folder *f = c->folder;
    bool again = c->changed;

    c->seen = item->seen;
    c->seen_usec = item->seen_usec;
    c->is_short = item->outcome == OUTCOME_RESOURCE;
    if (item->outcome != OUTCOME_RESOURCE)
        d->next_try_usec = 0; /* in a pause the next may try at once: this one found nothing short */

    switch (item->outcome) {
    case OUTCOME_DONE:
        intake_resume(d->in);
        remove_sentinel(c);
        release_sidecars(d, c);
        break;
    case OUTCOME_GONE:
        break;
    case OUTCOME_UNREADABLE:
        if (!c->said_unreadable)
            say_refused(c, &item->err);
        c->said_unreadable = true;
        delay(d, c, later(c));
        c->attempts++;
        return;
    case OUTCOME_LATER:
        delay(d, c, again ? LATER_MIN_USEC : later(c));
        c->attempts++;
        return;
    case OUTCOME_RESOURCE:
        intake_pause(d->in, &item->err);
        delay(d, c, PAUSED_RETRY_USEC);
        return;
    case OUTCOME_LEAVE:
        say_refused(c, &item->err);
        break;
    }
    if (again)
        delay(d, c, LATER_MIN_USEC);
    else
        forget(d, c);
    if (item->outcome == OUTCOME_GONE)
        watch_check_root(d, f); /* or the whole folder is gone */
}

static void take_finished(struct drop *d)
{
    struct item *list;

    pthread_mutex_lock(&d->lock);
    list = d->finished;
    d->finished = NULL;
    pthread_mutex_unlock(&d->lock);
    for (struct item *next; list; list = next) {
        next = list->next;
        d->in_hand--;
        atomic_fetch_sub(&d->in->in_hand, 1);
        finish_candidate(d, list->token, list);
        item_free(list);
    }
}

void drop_kick(struct drop *d)
{
    (void)eventfd_write(d->wake_fd, 1);
}

/* ---- the thread --------------------------------------------------------------------------------------------------------- */

static void wake_delayed(struct drop *d)
{
    int64_t now = clock_monotonic_usec();

    for (struct candidate **p = &d->delayed; *p;) {
        struct candidate *c = *p;
        if (c->due_usec > now) {
            p = &c->next;
            continue;
        }
        *p = c->next;
        make_ready(d, c);
    }
}

/* Each item in hand holds two descriptors; half of what the process may have is left to everybody else. */
static size_t in_hand_max(const struct drop *d)
{
    size_t wanted = 2 * (size_t)atomic_load(&d->in->settings)->intake.batch;
    struct rlimit l;

    return getrlimit(RLIMIT_NOFILE, &l) < 0 ? wanted : MIN(wanted, MAX((size_t)l.rlim_cur / 4, 1));
}

/* Whether a file will find out if things are well again. Those that are not ready for reasons of their own never may: an upload's
 * pause must not wait for them. */
static bool anyone_tries(const struct drop *d)
{
    for (const struct candidate *c = d->delayed; c; c = c->next)
        if (c->is_short)
            return true;
    return d->ready || d->in_hand > 0;
}

static int write_nothing(struct txn *t, void *userdata, struct error *err)
{
    return 0;
}

/* Whether the catalogue takes writes: asked when no file is there that would find out. */
static bool catalogue_is_well(struct drop *d)
{
    struct error err;

    return writer_run(d->in->writer, false, write_nothing, NULL, &err) == 0;
}

static void try_ready(struct drop *d)
{
    size_t limit = in_hand_max(d);
    int64_t now = clock_monotonic_usec();

    if (intake_is_paused(d->in)) {
        struct error err;
        if (now < d->next_try_usec)
            return;
        d->next_try_usec = now + PAUSED_RETRY_USEC;
        if (!intake_has_room(d->in, 0, &err))
            return;
        if (!anyone_tries(d)) { /* what could not be taken is not there any more, or was an upload */
            if (catalogue_is_well(d))
                intake_resume(d->in);
            return;
        }
        limit = 1; /* one file tries whether things are well again */
    }
    while (d->ready && d->in_hand < limit) {
        struct candidate *c = d->ready;
        d->ready = c->next;
        if (!d->ready)
            d->ready_end = &d->ready;
        try_candidate(d, c);
    }
}

static bool wants_walk(const struct drop *d, const struct folder *f)
{
    return f->again && f->present && d->n_candidates < CANDIDATES_MAX / 2;
}

static void walk_again(struct drop *d)
{
    int64_t now = clock_monotonic_usec();

    for (size_t i = 0; i < d->n_folders; i++)
        if (wants_walk(d, &d->folders[i]) && d->folders[i].again_usec <= now)
            watch_folder(d, &d->folders[i]);
}

static void look_for_missing(struct drop *d)
{
    struct stat st;

    for (size_t i = 0; i < d->n_folders; i++)
        if (!d->folders[i].present && stat(d->folders[i].settings->path, &st) == 0)
            watch_folder(d, &d->folders[i]);
}

static int timeout_msec(const struct drop *d)
{
    int64_t due = INT64_MAX, now = clock_monotonic_usec();

    for (const struct candidate *c = d->delayed; c; c = c->next)
        due = MIN(due, c->due_usec);
    for (size_t i = 0; i < d->n_folders; i++)
        if (!d->folders[i].present)
            due = MIN(due, now + MISSING_RETRY_USEC);
        else if (wants_walk(d, &d->folders[i]))
            due = MIN(due, d->folders[i].again_usec);
    if (intake_is_paused(d->in))
        due = MIN(due, MAX(d->next_try_usec, now + 100 * USEC_PER_MSEC));
    if (due == INT64_MAX)
        return -1;
    return due <= now ? 0 : (int)MIN((due - now) / USEC_PER_MSEC + 1, 60000);
}

static void load_folders(struct drop *d)
{
    const struct settings *s = atomic_load(&d->in->settings);

    d->folders = calloc(MAX(s->n_folders, 1), sizeof *d->folders);
    d->n_folders = d->folders ? s->n_folders : 0;
    for (size_t i = 0; i < d->n_folders; i++) {
        d->folders[i].settings = &s->folders[i];
        watch_folder(d, &d->folders[i]);
    }
}

static void free_candidate(void *node)
{
    struct candidate *c = node;

    free(c->path);
    free(c);
}

static void unload_folders(struct drop *d)
{
    watch_forget_all(d);
    tdestroy(d->tree, free_candidate);
    d->tree = NULL;
    d->n_candidates = 0;
    d->ready = d->delayed = NULL;
    d->ready_end = &d->ready;
    free(d->folders);
    d->folders = NULL;
    d->n_folders = 0;
}

/* New settings: what is in hand is finished first, as candidates point to their folders. */
static void reload(struct drop *d)
{
    struct pollfd p = {.fd = d->wake_fd, .events = POLLIN};
    eventfd_t ignored;

    while (d->in_hand > 0) {
        (void)poll(&p, 1, 1000);
        (void)eventfd_read(d->wake_fd, &ignored);
        take_finished(d);
    }
    unload_folders(d);
    load_folders(d);
}

static void publish_status(struct drop *d)
{
    json_t *o = json_object(), *list = json_array(), *old;
    int r = o && list ? 0 : -ENOMEM;

    for (size_t i = 0; r == 0 && i < d->n_folders; i++) {
        json_t *f = json_object();
        r = json_array_append_new(list, f) < 0 ? -ENOMEM : 0;
        r = r < 0 ? r : json_set_string(f, "name", d->folders[i].settings->name);
        r = r < 0 ? r : json_set_string(f, "path", d->folders[i].settings->path);
        r = r < 0 ? r : json_set_bool(f, "present", d->folders[i].present);
        r = r < 0 ? r : json_set_integer(f, "waiting", (int64_t)d->folders[i].waiting);
    }
    r = r < 0 ? r : json_set_take(o, "folders", list);
    r = r < 0 ? r : json_set_integer(o, "waiting", (int64_t)d->n_candidates);
    r = r < 0 ? r : json_set_integer(o, "in_hand", (int64_t)d->in_hand);
    if (r < 0) {
        json_decref(o);
        return;
    }
    pthread_mutex_lock(&d->lock);
    old = d->status;
    d->status = o;
    pthread_mutex_unlock(&d->lock);
    json_decref(old);
}

void drop_status(struct drop *d, json_t *status)
{
    pthread_mutex_lock(&d->lock);
    if (d->status)
        json_object_update(status, d->status);
    pthread_mutex_unlock(&d->lock);
}

static void *drop_thread(void *userdata)
{
    struct drop *d = userdata;
    struct pollfd fds[3] = {{.fd = d->inotify_fd, .events = POLLIN},
                            {.fd = d->wake_fd, .events = POLLIN},
                            {.fd = d->mounts_fd, .events = POLLPRI}};
    eventfd_t ignored;

    load_folders(d);
    while (!atomic_load(&d->in->stopping)) {
        wake_delayed(d);
        try_ready(d);
        publish_status(d);
        (void)poll(fds, ARRAY_SIZE(fds),
                   d->ready && !intake_is_paused(d->in) && d->in_hand == 0 ? 0 : timeout_msec(d));
        (void)eventfd_read(d->wake_fd, &ignored);
        watch_read_events(d);
        for (size_t i = 0; fds[2].revents && i < d->n_folders; i++)
            watch_check_root(d, &d->folders[i]);
        take_finished(d);
        if (atomic_exchange(&d->reload_asked, false))
            reload(d);
        look_for_missing(d);
        walk_again(d);
    }
    return NULL;
}

void drop_reload(struct drop *d)
{
    atomic_store(&d->reload_asked, true);
    drop_kick(d);
}

int drop_new(struct intake *in, struct drop **ret, struct error *err)
{
    struct drop *d = calloc(1, sizeof *d);
    int r;

    if (!d)
        return -ENOMEM;
    d->in = in;
    d->ready_end = &d->ready;
    pthread_mutex_init(&d->lock, NULL);
    d->mounts_fd =
        open("/proc/self/mountinfo", O_RDONLY | O_CLOEXEC); /* readable (POLLPRI) when mounts change */
    d->inotify_fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
    d->wake_fd = d->inotify_fd < 0 ? -1 : eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (d->wake_fd < 0) {
        r = error_errno(err, -errno, "drop folders", "cannot be watched");
        drop_free(d);
        return r;
    }
    *ret = d;
    in->drop = d; /* the pool and the sealer give back to it */
    r = -pthread_create(&d->thread, NULL, drop_thread, d);
    d->started = r == 0;
    return r;
}

void drop_stop(struct drop *d)
{
    if (!d || !d->started)
        return;
    drop_kick(d);
    pthread_join(d->thread, NULL);
    d->started = false;
}

struct drop *drop_free(struct drop *d)
{
    if (!d)
        return NULL;
    for (struct item *i = d->finished, *next; i; i = next) {
        next = i->next;
        item_free(i);
    }
    unload_folders(d);
    fd_closep(&d->inotify_fd);
    fd_closep(&d->wake_fd);
    fd_closep(&d->mounts_fd);
    json_decref(d->status);
    pthread_mutex_destroy(&d->lock);
    free(d);
    return NULL;
}
