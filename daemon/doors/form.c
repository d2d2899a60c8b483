/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * A delivery as multipart/form-data (see form.h). Each file is an upload that is open until the form ends, so a form holds at most
 * MULTIPART_PARTS_MAX file descriptors.
 */
#include "doors/form.h"

#include <errno.h>
#include <string.h>

#include "base/encode.h"
#include "doors/delivery.h"
#include "doors/doors-internal.h"
#include "http/multipart.h"

struct file {
    char *name; /* as it is shown: percent-encoded where it is not UTF-8 */
    struct upload *upload;
    uint64_t bytes;
    bool blank;     /* a form's file input that was left empty */
    bool has_mtime; /* of its own */
    int code;       /* why it is not taken; 0: nothing yet */
    struct error *err;
    struct upload_result result; /* with a receipt: it is sealed */
};

/* The field at hand. */
struct field {
    char *name; /* NULL: a file is at hand */
    char *value;
    size_t size;
};

struct form {
    struct knock *k;
    struct delivery said;
    struct multipart *parser;
    uint64_t body_bytes, held;             /* held: of the device's quota */
    struct checker *checkers[DIGESTS_MAX]; /* of the body's digests */
    struct field field;
    size_t n_files;
    struct file files[MULTIPART_PARTS_MAX];
};

/* ---- one file ---- */

static void file_done(struct file *file)
{
    free(file->name);
    upload_free(file->upload);
    free(file->err);
    upload_result_done(&file->result);
    *file = (struct file){0};
}

/* Whether a failure is the file's own, so that others may still be taken. */
static bool is_own_fault(int code)
{
    return code == UPLOAD_E_EMPTY || code == UPLOAD_E_CHECKSUM || code == -EINVAL || code == -ENAMETOOLONG ||
           code == -E2BIG || code == -EFBIG || code == -EUCLEAN;
}

/* Notes why a file is not taken; its bytes go at once. Return: 0, or code where the form is to end with it. */
static int fail_file(struct file *file, int code, const struct error *err)
{
    file->upload = upload_free(file->upload);
    if (!is_own_fault(code))
        return code;
    file->code = code;
    file->err = malloc(sizeof *err);
    if (!file->err)
        return -ENOMEM;
    *file->err = *err;
    return 0;
}

static int open_file(struct form *f, struct file *file, const struct multipart_part *part, struct error *err)
{
    static const char *const headers[] = {"Content-MD5", "Digest", "Repr-Digest", "Content-Digest"};
    const char *modified = multipart_header(part, "Last-Modified");
    struct digests digests = {0};
    int64_t mtime = 0;
    int r = 0;

    if (modified && http_date_parse(modified, &mtime) == 0)
        file->has_mtime = true;
    for (size_t i = 0; r == 0 && i < ARRAY_SIZE(headers); i++)
        if (multipart_header(part, headers[i]))
            r = digests_add(&digests, headers[i], multipart_header(part, headers[i]), err);
    r = r != 0 ? r
               : delivery_upload(&f->said, "post", part->filename, part->path, mtime, -1, &file->upload, err);
    return r != 0 ? r : digests_expect(&digests, file->upload, err);
}

static int begin_file(struct form *f, const struct multipart_part *part, struct error *err)
{
    struct file *file = &f->files[f->n_files++]; /* as many as parts at most */
    int r;

    file->blank = !*part->filename;
    file->name = utf8_is_valid(part->filename, strlen(part->filename))
                     ? strdup(part->filename)
                     : encode_percent(part->filename, strlen(part->filename));
    if (!file->name)
        return -ENOMEM;
    r = open_file(f, file, part, err);
    return r == 0 ? 0 : fail_file(file, r, err);
}

static int end_file(struct form *f, struct file *file)
{
    struct error err;

    if (file->bytes > 0)
        return 0;
    if (file->blank) {
        file_done(file);
        f->n_files--;
        return 0;
    }
    if (file->code != 0)
        return 0;
    error_set(&err, UPLOAD_E_EMPTY, file->name, "has no bytes; send those of a recording");
    return fail_file(file, UPLOAD_E_EMPTY, &err);
}

/* ---- what the parser finds ---- */

static int on_part_begin(void *userdata, const struct multipart_part *part, struct error *err)
{
    struct form *f = userdata;

    if (part->filename)
        return begin_file(f, part, err);
    f->field.name = strdup(part->name);
    return f->field.name ? 0 : -ENOMEM;
}

/* The parser bounds all fields together. */
static int add_to_field(struct field *field, const void *data, size_t size)
{
    char *value = realloc(field->value, field->size + size);

    if (!value)
        return -ENOMEM;
    memcpy(value + field->size, data, size);
    field->value = value;
    field->size += size;
    return 0;
}

static int on_part_data(void *userdata, const void *data, size_t size, struct error *err)
{
    struct form *f = userdata;
    struct file *file;
    int r;

    if (f->field.name)
        return add_to_field(&f->field, data, size);
    file = &f->files[f->n_files - 1];
    file->bytes += size;
    if (!file->upload) /* it has failed already */
        return 0;
    r = upload_write(file->upload, data, size, err);
    return r == 0 ? 0 : fail_file(file, r, err);
}

static void field_done(struct field *field)
{
    free(TAKE_PTR(field->name));
    free(TAKE_PTR(field->value));
    field->size = 0;
}

/* Fields that are none of ours are the camera's own affair. */
static int on_part_end(void *userdata, struct error *err)
{
    struct form *f = userdata;
    int r;

    if (!f->field.name)
        return end_file(f, &f->files[f->n_files - 1]);
    r = delivery_set(&f->said, f->field.name, f->field.size ? f->field.value : "", f->field.size, err);
    field_done(&f->field);
    return r == 1 ? 0 : r;
}

static int on_end(void *userdata, struct error *err)
{
    return 0;
}

/* ---- the request ---- */

static int begin_checks(struct form *f)
{
    int r = 0;

    for (size_t i = 0; r == 0 && i < f->said.digests.n; i++)
        r = checker_new(f->said.digests.each[i].algorithm, &f->checkers[i]);
    return r;
}

static int open_form(struct form *f, const char *content_type, struct error *err)
{
    struct multipart_events events = {on_part_begin, on_part_data, on_part_end, on_end, f};
    int64_t bytes = f->k->request->body_bytes;
    int r = upload_may_begin(f->k->context->intake, bytes > 0 ? (uint64_t)bytes : 0, err);

    r = r != 0 ? r : multipart_new(content_type, &events, &f->parser, err);
    return r != 0 ? r : begin_checks(f);
}

bool form_begin(struct knock *k, const char *content_type, struct http_answer *answer, struct form **ret)
{
    struct form *f = calloc(1, sizeof *f);
    struct error err = ERROR_INIT;
    int r;

    if (!f)
        return delivery_refuse(answer, -ENOMEM, &err);
    *ret = f;
    f->k = k;
    r = delivery_read(&f->said, k, NULL, &err);
    if (r != 0)
        return delivery_refuse(answer, r, &err);
    if (!delivery_admit(k, &f->held, answer))
        return false;
    r = open_form(f, content_type, &err);
    return r == 0 || delivery_refuse(answer, r, &err);
}

/* A chunked form may not be larger than one whose length is announced (doors_admit). */
static int check_size(const struct form *f, struct error *err)
{
    uint64_t max = f->k->settings->uploads.max_bytes;

    return f->body_bytes <= max ? 0
                                : error_set(err, -EFBIG, "",
                                            "the form is larger than the %llu bytes of uploads.max; "
                                            "send its files one by one",
                                            (unsigned long long)max);
}

bool form_take(struct form *f, const void *data, size_t size, struct http_answer *answer)
{
    struct error err = ERROR_INIT;
    int r;

    f->body_bytes += size;
    if (!doors_hold(f->k->doors, f->k->device, f->body_bytes, &f->held, answer))
        return false;
    for (size_t i = 0; i < f->said.digests.n; i++)
        checker_update(f->checkers[i], data, size);
    r = check_size(f, &err);
    r = r != 0 ? r : multipart_feed(f->parser, data, size, &err);
    return r == 0 || delivery_refuse(answer, r, &err);
}

static int check_body(struct form *f, struct error *err)
{
    uint8_t out[CHECKER_BYTES_MAX];
    int r = multipart_finish(f->parser, err);

    for (size_t i = 0; r == 0 && i < f->said.digests.n; i++) {
        const struct header_digest *wanted = &f->said.digests.each[i];

        if (checker_final(f->checkers[i], out) != wanted->size ||
            memcmp(out, wanted->bytes, wanted->size) != 0)
            r = error_set(err, UPLOAD_E_CHECKSUM, wanted->algorithm,
                          "the bytes of the form are not those whose digest was given; send them again");
    }
    if (r == 0 && f->n_files == 0)
        r = error_set(err, -EINVAL, "", "the form holds no file; send it as a part with a filename");
    return r;
}

static int seal_file(struct form *f, struct file *file, struct error *err)
{
    _cleanup_json_ json_t *facts = json_object();
    int r = facts ? fields_facts(&f->said.fields, facts) : -ENOMEM;

    if (!file->has_mtime && f->said.fields.mtime_usec)
        upload_set_mtime(file->upload, f->said.fields.mtime_usec);
    r = r < 0 ? r : upload_add_facts(file->upload, facts);
    if (r == -E2BIG)
        error_set(err, r, file->name, "more is said of it than can be kept; shorten the fields");
    r = r != 0 ? r : upload_seal(file->upload, &file->result, err);
    if (r == 0)
        doors_account(f->k->doors, f->k->device, file->bytes);
    return r;
}

/* Seals one after another. What is no file's own fault is not tried again with the next. */
static void seal_files(struct form *f)
{
    struct error err = ERROR_INIT;
    int common = 0;

    for (size_t i = 0; i < f->n_files; i++) {
        struct file *file = &f->files[i];
        int r = file->code;

        if (r == 0)
            r = common ? common : seal_file(f, file, &err);
        if (r == 0 || file->code != 0)
            continue;
        file->code = r;
        common = is_own_fault(r) ? common : r;
        file->err = malloc(sizeof err);
        if (file->err)
            *file->err = err;
    }
}

static unsigned file_status(const struct file *file)
{
    if (file->code != 0)
        return doors_status_of(file->code, 400);
    return file->result.again ? 200 : 201;
}

static json_t *file_json(const struct file *file)
{
    static const struct error unknown = ERROR_INIT;
    _cleanup_json_ json_t *o = file->code == 0 ? doors_receipt_json(&file->result) : json_object();
    int r = o ? json_set_string(o, "name", file->name) : -ENOMEM;

    r = r < 0 ? r : json_set_integer(o, "status", file_status(file));
    if (file->code != 0)
        r = r < 0 ? r : json_set_take(o, "error", doors_error_json(file->err ? file->err : &unknown));
    return r < 0 ? NULL : TAKE_PTR(o);
}

static int form_json(const struct form *f, char **ret)
{
    _cleanup_json_ json_t *o = json_object(), *files = json_array();

    if (!o || !files)
        return -ENOMEM;
    for (size_t i = 0; i < f->n_files; i++)
        if (json_array_append_new(files, file_json(&f->files[i])) < 0)
            return -ENOMEM;
    if (json_object_set(o, "files", files) < 0)
        return -ENOMEM;
    return json_canonical(o, ret);
}

/* The worst; 200 only when all were here already. */
static unsigned form_status(const struct form *f)
{
    unsigned status = 200;

    for (size_t i = 0; i < f->n_files; i++)
        status = MAX(status, file_status(&f->files[i]));
    return status;
}

void form_finish(struct form *f, struct http_answer *answer)
{
    struct error err = ERROR_INIT;
    char *text = NULL;
    int r = check_body(f, &err);

    if (r == 0) {
        seal_files(f);
        r = form_json(f, &text);
    }
    if (r < 0 || r > 0) {
        (void)delivery_refuse(answer, r, &err);
        return;
    }
    http_answer_text(answer, form_status(f), "application/json; charset=utf-8", text);
    if (answer->status == 503)
        (void)http_answer_header(answer, "Retry-After", "%d", DOORS_RETRY_SECONDS);
}

struct form *form_free(struct form *f)
{
    if (!f)
        return NULL;
    doors_release(f->k->doors, f->k->device, &f->held);
    multipart_free(f->parser);
    for (size_t i = 0; i < f->n_files; i++)
        file_done(&f->files[i]);
    for (size_t i = 0; i < DIGESTS_MAX; i++)
        checker_free(f->checkers[i]);
    field_done(&f->field);
    delivery_done(&f->said);
    free(f);
    return NULL;
}
