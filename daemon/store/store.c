/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The interface: operations on objects in their place go to the kind of store (struct store_ops), and small helpers that all
 * files of store/ use.
 */
#include "store/store.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "store/store-internal.h"

struct store *store_close(struct store *s)
{
    if (!s)
        return NULL;
    if (s->ops)
        s->ops->close(s);
    fd_closep(&s->staging_fd);
    fd_closep(&s->quarantine_fd);
    fd_closep(&s->archive_fd);
    fd_closep(&s->lock_fd);
    free(s->archive);
    free(s->user);
    free(s);
    return NULL;
}

int store_archive_fd(const struct store *s)
{
    return s->archive_fd;
}

int store_staging_fd(const struct store *s)
{
    return s->staging_fd;
}

int store_stage_commit(struct store_staged *t, struct error *err)
{
    return t->store->ops->commit(t->store, t, err);
}

int store_commit_sync(struct store *s, struct store_staged *const *staged, size_t n, struct error *err)
{
    return s->ops->commit_sync(s, staged, n, err);
}

int store_commit_again(struct store *s, const struct recording_id *id, struct error *err)
{
    return s->ops->commit_again(s, id, err);
}

int store_erase(struct store *s, const struct recording_id *id, struct error *err)
{
    return s->ops->erase(s, id, err);
}

int store_has(struct store *s, const struct recording_id *id, bool *ret, struct error *err)
{
    return s->ops->has(s, id, ret, err);
}

int store_open_content(struct store *s, const struct recording_id *id, const char *content_name, int *ret_fd,
                       struct error *err)
{
    return s->ops->open_content(s, id, content_name, ret_fd, err);
}

int store_read_arrival(struct store *s, const struct recording_id *id, char **ret_text, struct error *err)
{
    return s->ops->read_arrival(s, id, ret_text, err);
}

int store_describe_object(struct store *s, const struct recording_id *id, struct store_object *ret,
                          struct error *err)
{
    return s->ops->describe(s, id, ret, err);
}

void store_object_path(const struct store *s, const struct recording_id *id, char out[STORE_PATH_SIZE])
{
    s->ops->object_path(s, id, out);
}

int store_each_object(struct store *s, store_on_object on_object, store_on_foreign on_foreign, void *userdata,
                      struct error *err)
{
    return s->ops->each_object(s, on_object, on_foreign, userdata, err);
}

int store_check_object(struct store *s, const struct recording_id *id, const struct store_expect *expect,
                       bool deep, store_on_fault on_fault, void *userdata, struct error *err)
{
    return s->ops->check_object(s, id, expect, deep, on_fault, userdata, err);
}

bool store_is_plain_name(const char *name)
{
    return *name && !strchr(name, '/') && strcmp(name, ".") != 0 && strcmp(name, "..") != 0;
}

bool store_same_file(const struct stat *a, const struct stat *b)
{
    return a->st_dev == b->st_dev && a->st_ino == b->st_ino;
}

bool store_same_version(const struct stat *a, const struct stat *b)
{
    return a->st_size == b->st_size && a->st_mtim.tv_sec == b->st_mtim.tv_sec &&
           a->st_mtim.tv_nsec == b->st_mtim.tv_nsec;
}

void store_content_path(const char *object, const char *content_name, char out[OBJECT_PATH_SIZE])
{
    snprintf(out, OBJECT_PATH_SIZE, "%s/v1/content/%s", object, content_name);
}

static int by_name(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

void store_names_done(struct store_names *n)
{
    for (size_t i = 0; i < n->count; i++)
        free(n->names[i]);
    free(n->names);
    *n = (struct store_names){0};
}

static int names_add(struct store_names *n, size_t *room, const char *name)
{
    if (n->count == *room) {
        size_t more = *room ? *room * 2 : 16;
        char **names = realloc(n->names, more * sizeof *names);

        if (!names)
            return -ENOMEM;
        n->names = names;
        *room = more;
    }
    n->names[n->count] = strdup(name);
    return n->names[n->count] ? (n->count++, 0) : -ENOMEM;
}

int store_names_read(int dirfd, const char *path, struct store_names *ret)
{
    _cleanup_(store_names_done) struct store_names n = {0};
    _cleanup_close_ int fd = openat(dirfd, path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    _cleanup_dir_ DIR *dir = fd < 0 ? NULL : fdopendir(fd);
    struct dirent *de;
    size_t room = 0;

    if (!dir)
        return -errno;
    fd = -1; /* dir owns it */
    for (errno = 0; (de = readdir(dir)); errno = 0) {
        int r;

        if (strcmp(de->d_name, ".") == 0 || strcmp(de->d_name, "..") == 0)
            continue;
        r = names_add(&n, &room, de->d_name);
        if (r < 0)
            return r;
    }
    if (errno)
        return -errno;
    if (n.count)
        qsort(n.names, n.count, sizeof *n.names, by_name);
    *ret = n;
    n = (struct store_names){0};
    return 0;
}
