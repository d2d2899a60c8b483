/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Lines of text as coverage (8 bit, 255: all of the pixel), for the mark on released copies: who, when, why. Any script that a font is there for,
 * shaped and ordered by Pango. The rim that makes it readable on light and on dark is the painter's (worker-mark.c), as it depends on the size.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <fontconfig/fontconfig.h>
#include <pango/pangocairo.h>
#undef MIN /* GLib has its own, the same */
#undef MAX

#include "base/encode.h"
#include "media/stills.h"
#include "media/worker-say.h"

#define LINES_MAX    16
#define LINE_BYTES   512
#define HEIGHT_LEAST 8
#define HEIGHT_MOST  128
#define SIDE_MAX     4096 /* of the picture, as worker-mark.c takes it */
#define MARGIN       4

/* Settings and caches only. Pango asks for fonts in threads of its own, and those may not begin before the lock. */
int stills_prepare_fonts(struct job *job)
{
    return FcInit() ? 0 : -ENOSYS;
}

/* The lines as one text. Return: 0, -EINVAL, -ENOMEM. */
static int read_lines(const json_t *plan, char **ret)
{
    const json_t *lines = json_get_array(plan, "lines");
    size_t n = json_array_size(lines), at = 0;
    _cleanup_free_ char *text = malloc(LINES_MAX * (LINE_BYTES + 1) + 1);

    if (!text)
        return -ENOMEM;
    if (n < 1 || n > LINES_MAX)
        return -EINVAL;
    for (size_t i = 0; i < n; i++) {
        const json_t *line = json_array_get(lines, i);
        const char *s = json_string_value(line);
        size_t size = json_string_length(line);

        if (!s || size > LINE_BYTES || !utf8_is_valid(s, size))
            return -EINVAL;
        for (size_t k = 0; k < size; k++) /* no line breaks but ours, no control characters */
            text[at++] = (uint8_t)s[k] < 0x20 || s[k] == 0x7F ? ' ' : s[k];
        text[at++] = '\n';
    }
    text[at - 1] = 0;
    *ret = TAKE_PTR(text);
    return 0;
}

static PangoLayout *lay_out(cairo_t *cairo, const char *text, int height)
{
    PangoLayout *layout = pango_cairo_create_layout(cairo);
    PangoFontDescription *font = pango_font_description_from_string("Sans Bold");

    pango_font_description_set_absolute_size(font, (double)height * PANGO_SCALE);
    pango_layout_set_font_description(layout, font);
    pango_font_description_free(font);
    pango_layout_set_width(layout, (SIDE_MAX - 2 * MARGIN) * PANGO_SCALE);
    pango_layout_set_wrap(layout, PANGO_WRAP_WORD_CHAR);
    pango_layout_set_text(layout, text, -1);
    return layout;
}

static void note_missing(char *out, size_t size, PangoGlyph glyph)
{
    gunichar c = glyph & ~PANGO_GLYPH_UNKNOWN_FLAG;
    char one[24], utf8[8] = "";
    size_t n = strlen(out);

    if (!g_unichar_validate(c) || !g_unichar_isprint(c))
        return;
    utf8[g_unichar_to_utf8(c, utf8)] = 0;
    snprintf(one, sizeof one, "%sU+%04X %s", n ? ", " : "", c, utf8);
    if (n + strlen(one) < size && !strstr(out, utf8))
        strcpy(out + n, one);
}

/* Characters that no font has, as a text; empty: all are there. */
static void find_missing(PangoLayout *layout, char *out, size_t size)
{
    PangoLayoutIter *i;

    out[0] = 0;
    if (pango_layout_get_unknown_glyphs_count(layout) == 0)
        return;
    i = pango_layout_get_iter(layout);
    do {
        const PangoLayoutRun *run = pango_layout_iter_get_run_readonly(i);

        for (int k = 0; run && k < run->glyphs->num_glyphs; k++)
            if (run->glyphs->glyphs[k].glyph & PANGO_GLYPH_UNKNOWN_FLAG)
                note_missing(out, size, run->glyphs->glyphs[k].glyph);
    } while (pango_layout_iter_next_run(i));
    pango_layout_iter_free(i);
}

/* Writes the coverage without cairo's padding. */
static int write_coverage(struct job *job, cairo_surface_t *surface, int w, int h)
{
    const uint8_t *data = cairo_image_surface_get_data(surface);
    int stride = cairo_image_surface_get_stride(surface);
    _cleanup_free_ uint8_t *out = malloc((size_t)w * (size_t)h);
    json_t *file = facts_file(&job->facts, "mark.gray");

    if (!out || !file || json_set_integer(file, "width", w) < 0 || json_set_integer(file, "height", h) < 0 ||
        json_set_string(file, "how", "lettered") < 0)
        return -ENOMEM;
    for (int y = 0; y < h; y++)
        memcpy(out + (size_t)y * (size_t)w, data + (size_t)y * (size_t)stride, (size_t)w);
    return job_write_file(job, "mark.gray", out, (size_t)w * (size_t)h);
}

static int draw(struct job *job, PangoLayout *layout)
{
    PangoRectangle ink, logical;
    cairo_surface_t *surface;
    cairo_t *cairo;
    int w, h, r;

    pango_layout_get_pixel_extents(layout, &ink, &logical);
    w = MAX(logical.width, ink.width) + 2 * MARGIN;
    h = MAX(logical.height, ink.height) + 2 * MARGIN;
    if (w > SIDE_MAX || h > SIDE_MAX)
        return -E2BIG;
    surface = cairo_image_surface_create(CAIRO_FORMAT_A8, w, h);
    cairo = cairo_create(surface);
    cairo_move_to(cairo, MARGIN - MIN(ink.x, 0), MARGIN - MIN(ink.y, 0));
    pango_cairo_show_layout(cairo, layout);
    cairo_surface_flush(surface);
    r = cairo_status(cairo) == CAIRO_STATUS_SUCCESS ? write_coverage(job, surface, w, h) : -ENOMEM;
    cairo_destroy(cairo);
    cairo_surface_destroy(surface);
    return r;
}

/* Nothing there to measure with: a surface of one pixel. */
static int letter(struct job *job, const char *text, int height)
{
    cairo_surface_t *surface = cairo_image_surface_create(CAIRO_FORMAT_A8, 1, 1);
    cairo_t *cairo = cairo_create(surface);
    PangoLayout *layout = lay_out(cairo, text, height);
    char missing[120];
    int r = draw(job, layout);

    find_missing(layout, missing, sizeof missing);
    if (missing[0])
        facts_file_message(&job->facts, "mark.gray",
                           "no font here has %s: boxes with their numbers stand for them", missing);
    g_object_unref(layout);
    cairo_destroy(cairo);
    cairo_surface_destroy(surface);
    return r;
}

static void on_log(const gchar *domain, GLogLevelFlags level, const gchar *text, gpointer userdata)
{
}

int stills_letter(struct job *job)
{
    const json_t *plan = json_get_object(job->plan, "letter");
    int64_t height = json_get_integer(plan, "height", 0);
    _cleanup_free_ char *text = NULL;
    int r;

    if (!plan || height < HEIGHT_LEAST || height > HEIGHT_MOST || plan_file(job->plan, "mark.gray") < 0)
        return -EINVAL;
    r = read_lines(plan, &text);
    if (r < 0)
        return r;
    g_log_set_default_handler(on_log, NULL);
    job->facts.kind = "data";
    return letter(job, text, (int)height);
}
