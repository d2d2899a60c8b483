/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * HEIC and AVIF through libheif: dimensions, EXIF and XMP; pixels are not decoded, so no plugin and no thread is needed. That the
 * picture data are there is checked on the boxes.
 */
#include <string.h>

#include "media/stills-heif.h"
#include "media/worker-inspect.h"
#include "media/worker-verbs.h"

#define ITEM_BYTES_MAX (1u << 20)
#define ITEMS_MAX      8
#define SIDE_MAX       65535

static int64_t on_position(void *userdata)
{
    return ((struct heif_file *)userdata)->at;
}

static int on_read(void *data, size_t size, void *userdata)
{
    struct heif_file *r = userdata;

    if (!input_get(r->in, data, size, (uint64_t)r->at))
        return 1;
    r->at += (int64_t)size;
    return 0;
}

static int on_seek(int64_t position, void *userdata)
{
    struct heif_file *r = userdata;

    if (position < 0 || (uint64_t)position > r->in->size)
        return 1;
    r->at = position;
    return 0;
}

static enum heif_reader_grow_status on_wait(int64_t target, void *userdata)
{
    const struct heif_file *r = userdata;

    return target >= 0 && (uint64_t)target <= r->in->size ? heif_reader_grow_status_size_reached
                                                          : heif_reader_grow_status_size_beyond_eof;
}

static const struct heif_reader reader_calls = {
    .reader_api_version = 1,
    .get_position = on_position,
    .read = on_read,
    .seek = on_seek,
    .wait_for_file_size = on_wait,
};

/* The first item of that type, and of that content where it is MIME, in new memory. Return: whether there is one. */
static bool read_item(const struct heif_image_handle *h, struct facts *f, const char *type,
                      const char *content, uint8_t **ret, size_t *ret_size)
{
    heif_item_id ids[ITEMS_MAX];
    int n = heif_image_handle_get_list_of_metadata_block_IDs(h, type, ids, ITEMS_MAX);

    for (int i = 0; i < n; i++) {
        const char *is = heif_image_handle_get_metadata_content_type(h, ids[i]);
        size_t size = heif_image_handle_get_metadata_size(h, ids[i]);

        if ((content && (!is || strcmp(is, content) != 0)) || size == 0 || size > ITEM_BYTES_MAX)
            continue;
        *ret = malloc(size);
        f->failed |= !*ret;
        *ret_size = size;
        return *ret && heif_image_handle_get_metadata(h, ids[i], *ret).code == heif_error_Ok;
    }
    return false;
}

/* A HEIF Exif item begins with the offset of the TIFF header (ISO/IEC 23008-12 annex A.2.1). */
static void read_exif(const struct heif_image_handle *h, struct facts *f)
{
    _cleanup_free_ uint8_t *data = NULL;
    uint64_t skip;
    size_t size;

    if (!read_item(h, f, "Exif", NULL, &data, &size) || size < 12)
        return;
    skip = 4 + (uint64_t)be32_at(data);
    if (skip + 8 > size)
        return;
    exif_facts(f, data + skip, size - (size_t)skip);
}

static void read_xmp(const struct heif_image_handle *h, struct facts *f)
{
    _cleanup_free_ uint8_t *data = NULL;
    size_t size;

    if (read_item(h, f, "mime", "application/rdf+xml", &data, &size))
        xmp_facts(f, (const char *)data, size);
}

bool heif_says_size(const struct heif_error *e, char *why, size_t why_size)
{
    const char *at =
        e->subcode == heif_suberror_Security_limit_exceeded ? strstr(e->message, "Image size ") : NULL;
    unsigned width, height;

    if (!at || sscanf(at, "Image size %ux%u", &width, &height) != 2)
        return false;
    snprintf(why, why_size, "%u × %u pixels are more than is taken into memory", width, height);
    return true;
}

static void open_file(struct heif_file *h, struct facts *f)
{
    struct heif_error e;
    char why[100];

    if (!(boxes_walk(h->in, f) & BOX_META)) {
        if (!input_expired(h->in))
            facts_damage(f, "no meta box: nothing says what pictures the file holds");
        return;
    }
    h->context = heif_context_alloc();
    if (!h->context) {
        f->failed = true;
        return;
    }
    heif_context_set_max_decoding_threads(h->context, 0);
    heif_context_set_maximum_image_size_limit(h->context, SIDE_MAX);
    e = heif_context_read_from_reader(h->context, &reader_calls, h, NULL);
    if (e.code == heif_error_Ok)
        e = heif_context_get_primary_image_handle(h->context, &h->primary);
    if (e.code != heif_error_Ok && heif_says_size(&e, why, sizeof why)) {
        facts_damage(f, "%s", why);
        return;
    }
    if (e.code != heif_error_Ok) {
        facts_damage(f, "the picture's description is broken: %s", e.message);
        return;
    }
    facts_integer(f, "width", heif_image_handle_get_ispe_width(h->primary));
    facts_integer(f, "height", heif_image_handle_get_ispe_height(h->primary));
    read_exif(h->primary, f);
    read_xmp(h->primary, f);
}

void heif_file_open(struct heif_file *h, struct input *in, struct facts *f)
{
    *h = (struct heif_file){.in = in};
    f->kind = "photo";
    facts_integer(f, "bytes", (int64_t)in->size);
    facts_text(f, f->media, "container", "heif", strlen("heif"));
    open_file(h, f);
    facts_reading(f, in);
}

void heif_file_close(struct heif_file *h)
{
    if (h->primary)
        heif_image_handle_release(h->primary);
    if (h->context)
        heif_context_free(h->context);
    *h = (struct heif_file){0};
}

int stills_probe(struct job *job)
{
    struct heif_file h;

    heif_file_open(&h, &job->in, &job->facts);
    heif_file_close(&h);
    return 0;
}
