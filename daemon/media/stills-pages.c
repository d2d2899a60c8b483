/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The first pages of a PDF (ISO 32000-1) as pictures, through poppler and cairo. Nothing in the document is run, followed or opened: no script,
 * no link, no attachment. A page is as large as the plan says, whatever its box claims. What can be drawn is drawn; poppler draws a page of a
 * broken document as far as it understands it, and says nothing about the rest.
 */
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "media/stills-stream.h"

#include <poppler.h>

#include "media/stills.h"
#include "media/worker-say.h"

#define WIDTH_LEAST 16
#define WIDTH_MOST  4096
#define TALL_MOST   4 /* times as high as wide; what is beyond that is made smaller */
#define COUNT_MOST  WORKER_FILES_MAX

static void unref_object(void *object)
{
    GObject **o = object;

    if (*o)
        g_object_unref(*o);
}

static void free_error(GError **e)
{
    g_clear_error(e);
}

static void destroy_surface(cairo_surface_t **s)
{
    if (*s)
        cairo_surface_destroy(*s);
}

static void destroy_cairo(cairo_t **c)
{
    if (*c)
        cairo_destroy(*c);
}

/* The size to draw at, and the factor that makes the page that large. */
static double page_scale(PopplerPage *page, int width, int *ret_width, int *ret_height)
{
    double w, h, scale;

    poppler_page_get_size(page, &w, &h);
    if (!isfinite(w) || !isfinite(h) || w < 1e-3 || h < 1e-3 || w > 1e9 || h > 1e9) { /* no size: A4 */
        w = 595;
        h = 842;
    }
    scale = MIN(width / w, (double)TALL_MOST * width / h);
    *ret_width = MAX((int)lround(w * scale), 1);
    *ret_height = MAX((int)lround(h * scale), 1);
    return scale;
}

/* From cairo's pixels (a machine word each: 0RGB). */
static int take_pixels(cairo_surface_t *surface, struct picture *ret)
{
    int w = cairo_image_surface_get_width(surface), h = cairo_image_surface_get_height(surface);
    const uint8_t *data = cairo_image_surface_get_data(surface);
    ptrdiff_t stride = cairo_image_surface_get_stride(surface);
    uint8_t *out = malloc((size_t)w * (size_t)h * 3);

    if (!out)
        return -ENOMEM;
    *ret = (struct picture){(uint32_t)w, (uint32_t)h, out, NULL};
    for (int y = 0; y < h; y++)
        for (int x = 0; x < w; x++, out += 3) {
            uint32_t v;

            memcpy(&v, data + y * stride + (ptrdiff_t)x * 4, 4);
            out[0] = (uint8_t)(v >> 16);
            out[1] = (uint8_t)(v >> 8);
            out[2] = (uint8_t)v;
        }
    return 0;
}

/* Return: 0, -EBADMSG (cannot be drawn), -ENOMEM. */
static int draw_page(PopplerPage *page, int width, struct picture *ret)
{
    _cleanup_(destroy_surface) cairo_surface_t *surface = NULL;
    _cleanup_(destroy_cairo) cairo_t *cairo = NULL;
    int w, h;
    double scale = page_scale(page, width, &w, &h);

    surface = cairo_image_surface_create(CAIRO_FORMAT_RGB24, w, h);
    if (cairo_surface_status(surface) != CAIRO_STATUS_SUCCESS)
        return -ENOMEM;
    cairo = cairo_create(surface);
    cairo_set_source_rgb(cairo, 1, 1, 1);
    cairo_paint(cairo);
    cairo_scale(cairo, scale, scale);
    poppler_page_render(page, cairo);
    if (cairo_status(cairo) == CAIRO_STATUS_NO_MEMORY)
        return -ENOMEM;
    cairo_surface_flush(surface);
    return take_pixels(surface, ret);
}

/* Whether the client has seen this program die of the page. */
static bool is_left_out(const struct job *job, int number)
{
    json_t *v;
    size_t i;

    json_array_foreach (json_get_array(json_get_object(job->plan, "pages"), "skip"), i, v)
        if (json_integer_value(v) == number + 1)
            return true;
    return false;
}

static int make_page(struct job *job, PopplerDocument *document, int number, int width)
{
    bool left_out = is_left_out(job, number);
    _cleanup_(unref_object) PopplerPage *page = left_out ? NULL : poppler_document_get_page(document, number);
    struct picture p = {0};
    char name[24];
    int r;

    snprintf(name, sizeof name, "page-%d.jpg", number + 1);
    if (plan_file(job->plan, name) < 0)
        return 0;
    say_beat();
    r = page ? draw_page(page, width, &p) : -EBADMSG;
    if (r == -EBADMSG) {
        facts_file_message(&job->facts, name,
                           left_out ? "left out: trying to draw it ended the program"
                                    : "the page cannot be drawn");
        facts_damage(&job->facts, "page %d cannot be drawn", number + 1);
        return 0;
    }
    if (r == 0)
        r = picture_write(job, &p, name, NULL);
    picture_done(&p);
    return r;
}

/* Why the document cannot be opened. One that wants a password is not damaged. */
static void say_closed(struct job *job, const GError *error)
{
    struct facts *f = &job->facts;

    if (error && g_error_matches(error, POPPLER_ERROR, POPPLER_ERROR_ENCRYPTED)) {
        snprintf(f->message, sizeof f->message, "the document is encrypted; it needs a password to be read");
        facts_file_message(f, "page-1.jpg", "%s", f->message);
        if (json_set_integer(facts_decoded(f), "encrypted", 1) < 0)
            f->failed = true;
        return;
    }
    facts_damage(f, "the document cannot be opened: %s", error ? error->message : "no reason is known");
    facts_file_message(f, "page-1.jpg", "the document cannot be opened");
}

static int make_pages(struct job *job, PopplerDocument *document)
{
    const json_t *plan = json_get_object(job->plan, "pages");
    int64_t width = json_get_integer(plan, "width", 0), count = json_get_integer(plan, "count", 0);
    int pages = poppler_document_get_n_pages(document), r = 0;

    if (!plan || width < WIDTH_LEAST || width > WIDTH_MOST || count < 0)
        return -EINVAL;
    if (json_set_integer(facts_decoded(&job->facts), "pages", MAX(pages, 0)) < 0)
        return -ENOMEM;
    if (pages < 1) {
        facts_damage(&job->facts, "the document has no page that can be found");
        facts_file_message(&job->facts, "page-1.jpg", "the document has no page that can be found");
    }
    for (int i = 0; r == 0 && i < MIN(pages, (int)MIN(count, (int64_t)COUNT_MOST)); i++) {
        if (input_expired(&job->in)) {
            facts_file_message(&job->facts, "page-1.jpg",
                               "drawing took too long: pages are missing from the %dth on", i + 1);
            break;
        }
        r = make_page(job, document, i, (int)width);
    }
    return r;
}

/* What libraries have to say goes nowhere: there is no standard error here. */
static void on_log(const gchar *domain, GLogLevelFlags level, const gchar *text, gpointer userdata)
{
}

int stills_pages(struct job *job)
{
    _cleanup_(unref_object) GInputStream *stream = NULL;
    _cleanup_(unref_object) PopplerDocument *document = NULL;
    _cleanup_(free_error) GError *error = NULL;
    int r = 0;

    g_log_set_default_handler(on_log, NULL);
    job->facts.kind = "document";
    facts_integer(&job->facts, "bytes", (int64_t)job->in.size);
    facts_text(&job->facts, job->facts.media, "container", "pdf", 3);
    stream = input_stream_new(&job->in);
    document = poppler_document_new_from_stream(stream, (goffset)job->in.size, NULL, NULL, &error);
    if (document)
        r = make_pages(job, document);
    else
        say_closed(job, error);
    facts_reading(&job->facts, &job->in);
    return r;
}
