/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * POST /upload: a form with files (doors/form.h), or a body that is one file, its name in ?name= or Content-Disposition.
 */
#include <errno.h>
#include <string.h>
#include <strings.h>

#include "doors/delivery.h"
#include "doors/form.h"
#include "http/params.h"

struct posting {
    struct form *form; /* one of them */
    struct single *single;
};

/* The file name of the request's own Content-Disposition (RFC 6266); NULL: there is none. */
static int read_name(const struct http_request *r, char **ret, struct error *err)
{
    _cleanup_(params_done) struct params p = {0};
    const char *disposition = http_header(r, "Content-Disposition");
    int result;

    if (!disposition)
        return 0;
    result = params_parse(disposition, &p, err);
    result = result < 0 ? result : params_filename(&p, ret, err);
    if (result == -EINVAL)
        error_prefix(err, "Content-Disposition");
    return result;
}

static bool begin_single(struct knock *k, struct posting *p, struct http_answer *answer)
{
    _cleanup_free_ char *name = NULL;
    struct error err = ERROR_INIT;
    int r = read_name(k->request, &name, &err);

    if (r < 0)
        return delivery_refuse(answer, r, &err);
    return single_begin(k, "post", name, answer, &p->single);
}

static bool post_begin(struct knock *k, struct http_answer *answer)
{
    const char *type = http_header(k->request, "Content-Type");
    struct posting *p = calloc(1, sizeof *p);
    struct error err = ERROR_INIT;

    k->state = p;
    if (!p)
        return delivery_refuse(answer, -ENOMEM, &err);
    if (!type || strncasecmp(type, "multipart/", strlen("multipart/")) != 0)
        return begin_single(k, p, answer);
    if (strncasecmp(type, "multipart/form-data", strlen("multipart/form-data")) == 0)
        return form_begin(k, type, answer, &p->form);
    error_set(&err, -EOPNOTSUPP, "Content-Type", "is no form; send multipart/form-data, or the file alone");
    return delivery_refuse(answer, err.code, &err);
}

static bool post_take(struct knock *k, const void *data, size_t size, struct http_answer *answer)
{
    struct posting *p = k->state;

    return p->form ? form_take(p->form, data, size, answer) : single_take(p->single, data, size, answer);
}

static void post_finish(struct knock *k, struct http_answer *answer)
{
    struct posting *p = k->state;

    if (p->form)
        form_finish(p->form, answer);
    else
        single_finish(p->single, answer);
}

static void post_close(struct knock *k, bool whole)
{
    struct posting *p = k->state;

    if (!p)
        return;
    form_free(p->form);
    single_free(p->single);
    free(p);
    k->state = NULL;
}

const struct door door_post = {
    .name = "post", .begin = post_begin, .take = post_take, .finish = post_finish, .close = post_close};
