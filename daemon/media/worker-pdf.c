/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * PDF (ISO 32000-1 §7.5) from outside only: version, and whether the end with its cross-reference is there. Nothing inside is
 * interpreted.
 */
#include "media/worker-inspect.h"

#include <inttypes.h>
#include <string.h>

#define END_BYTES 2048

static void read_version(struct input *in, struct facts *f, uint64_t *ret_start)
{
    uint8_t head[1032];
    ssize_t n = input_pread(in, head, sizeof head, 0);
    const uint8_t *p = n > 8 ? memmem(head, (size_t)n, "%PDF-", 5) : NULL;

    *ret_start = 0;
    if (!p || p + 8 > head + n)
        return;
    *ret_start = (uint64_t)(p - head);
    if (p[5] >= '1' && p[5] <= '2' && p[6] == '.' && p[7] >= '0' && p[7] <= '9')
        facts_text(f, f->media, "version", (const char *)p + 5, 3);
}

static const char *last_of(const char *text, size_t size, const char *word)
{
    size_t n = strlen(word);

    for (size_t i = size >= n ? size - n + 1 : 0; i-- > 0;)
        if (memcmp(text + i, word, n) == 0)
            return text + i;
    return NULL;
}

/* Whether a cross-reference table ("xref") or stream ("12 0 obj") stands at the offset. */
static bool is_cross_reference(struct input *in, uint64_t at)
{
    char text[33];
    ssize_t n = input_pread(in, text, sizeof text - 1, at);
    size_t skip;

    if (n <= 0)
        return false;
    text[n] = 0;
    skip = strspn(text, " \t\r\n");
    return strncmp(text + skip, "xref", 4) == 0 ||
           (text[skip] >= '0' && text[skip] <= '9' && strstr(text, " obj"));
}

bool inspect_pdf(struct input *in, struct facts *f)
{
    char tail[END_BYTES + 1];
    uint64_t from = in->size > END_BYTES ? in->size - END_BYTES : 0, start, at;
    ssize_t n = input_pread(in, tail, END_BYTES, from);
    const char *p;

    read_version(in, f, &start);
    if (n < 0)
        return false;
    tail[n] = 0;
    if (!last_of(tail, (size_t)n, "%%EOF"))
        facts_damage(f, "cut off: no end mark (%%%%EOF)");
    p = last_of(tail, (size_t)n, "startxref");
    if (!p) {
        facts_damage(f, "cut off: nothing says where the cross-reference is (no startxref)");
        return false;
    }
    at = strtoull(p + 9, NULL, 10);
    if (!is_cross_reference(in, at) && !is_cross_reference(in, at + start))
        facts_damage(f, "the cross-reference is not at byte %" PRIu64 " where the end says it is", at);
    return false;
}
