/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * multipart/form-data: whatever comes is read the same whole and in pieces that the input itself chooses, names of files never hold
 * what could lead out of a folder, and limits hold. The first byte seeds the pieces, the line after it is the Content-Type, the rest
 * the body.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/digest.h"
#include "http/multipart.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* All that was read, in one digest, so that any difference shows. */
struct reading {
    struct hasher *hasher;
    size_t parts, fields;
    bool is_field;
    bool in_part, ended;
    int result;
};

static void note(struct reading *r, const char *text)
{
    if (text)
        hasher_update(r->hasher, text, strlen(text) + 1);
    else
        hasher_update(r->hasher, "\xFF", 1);
}

static void check_name(const struct multipart_part *part)
{
    if (!part->name || !part->type || !part->filename != !part->path)
        abort();
    if (!part->filename)
        return;
    if (strchr(part->filename, '/') || strcmp(part->filename, "..") == 0 || strcmp(part->filename, ".") == 0)
        abort();
    if (*part->path == '/' || strcmp(part->path, "..") == 0 || strncmp(part->path, "../", 3) == 0 ||
        strstr(part->path, "/../") || strstr(part->path, "//"))
        abort();
    for (const char *c = part->path; *c; c++)
        if ((unsigned char)*c < 0x20 || *c == 0x7F)
            abort();
}

static int on_part_begin(void *userdata, const struct multipart_part *part, struct error *err)
{
    struct reading *r = userdata;

    if (r->in_part || r->ended || ++r->parts > MULTIPART_PARTS_MAX)
        abort();
    check_name(part);
    r->in_part = true;
    r->is_field = !part->filename;
    note(r, "part");
    note(r, part->name);
    note(r, part->filename);
    note(r, part->path);
    note(r, part->type);
    note(r, multipart_header(part, "Content-MD5"));
    return 0;
}

static int on_part_data(void *userdata, const void *data, size_t size, struct error *err)
{
    struct reading *r = userdata;

    if (!r->in_part || size == 0)
        abort();
    r->fields += r->is_field ? size : 0;
    if (r->fields > MULTIPART_FIELDS_MAX)
        abort();
    hasher_update(r->hasher, data, size);
    return 0;
}

static int on_part_end(void *userdata, struct error *err)
{
    struct reading *r = userdata;

    if (!r->in_part)
        abort();
    r->in_part = false;
    note(r, "end");
    return 0;
}

static int on_end(void *userdata, struct error *err)
{
    struct reading *r = userdata;

    if (r->in_part || r->ended)
        abort();
    r->ended = true;
    return 0;
}

/* Pieces of 1 to 16 bytes, rarely more; whole: one piece. */
static size_t piece_size(uint32_t *seed, size_t left, bool whole)
{
    size_t n;

    *seed = *seed * 1664525u + 1013904223u;
    n = *seed >> 28 == 0 ? (*seed >> 8 & 1023) + 1 : (*seed >> 24 & 15) + 1;
    return whole || n > left ? left : n;
}

static bool read_form(const char *type, const uint8_t *body, size_t size, uint32_t seed, bool whole,
                      struct digest_pair *ret, struct reading *r)
{
    struct multipart_events events = {on_part_begin, on_part_data, on_part_end, on_end, r};
    struct multipart *m = NULL;
    struct error err = ERROR_INIT;

    memset(r, 0, sizeof *r);
    if (multipart_new(type, &events, &m, &err) != 0) {
        if (!err.text[0])
            abort();
        return false;
    }
    if (hasher_new(false, &r->hasher) != 0)
        abort();
    for (size_t at = 0, n; r->result == 0 && at < size; at += n) {
        n = piece_size(&seed, size - at, whole);
        r->result = multipart_feed(m, body + at, n, &err);
    }
    if (r->result == 0)
        r->result = multipart_finish(m, &err);
    if ((r->result == 0) != r->ended && r->result == 0)
        abort();
    if (r->result != 0 && (!err.text[0] || err.code != r->result))
        abort();
    multipart_free(m);
    hasher_final(r->hasher, ret);
    hasher_free(r->hasher);
    return true;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const uint8_t *line = size > 1 ? memchr(data + 1, '\n', size - 1) : NULL;
    struct reading a, b;
    struct digest_pair one, other;
    char *type;

    if (!line || line - data > 400)
        return 0;
    type = strndup((const char *)data + 1, (size_t)(line - data - 1));
    if (!type)
        abort();
    size -= (size_t)(line + 1 - data);
    if (read_form(type, line + 1, size, 0, true, &one, &a)) {
        if (!read_form(type, line + 1, size, data[0], false, &other, &b))
            abort();
        if (a.result != b.result || !digest_equal(&one.sha256, &other.sha256))
            abort();
    }
    free(type);
    return 0;
}
