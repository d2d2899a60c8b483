/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Reading multipart/form-data (see multipart.h).
 *
 * Parts are divided by the delimiter CRLF "--" boundary. Its first byte, CR, stands nowhere else in it, so finding it over pieces
 * needs no buffer: `matched` says how much of it the last bytes are, and when the next byte does not go on with it, those bytes
 * were data, equal to the delimiter's, and only a CR can begin anew.
 *
 * The CRLF belongs to the delimiter, but at the very start of a body there is none, and that of an empty part is the line end of its
 * headers: there matching begins behind it, with `borrowed` bytes that are not given out as data.
 */
#include "http/multipart.h"

#include <errno.h>
#include <string.h>
#include <strings.h>

#include "http/params.h"

#define CRLF_BYTES    2
#define DELIMITER_MAX (CRLF_BYTES + 2 + MULTIPART_BOUNDARY_MAX)

enum state {
    STATE_PREAMBLE, /* before the first boundary */
    STATE_BEHIND,   /* behind a boundary: "--", or blanks and CRLF */
    STATE_DASH,     /* behind its first '-' */
    STATE_BLANKS,
    STATE_LF, /* behind the CR that ends a boundary line */
    STATE_HEADERS,
    STATE_DATA,
    STATE_EPILOGUE, /* behind the last boundary */
};

struct header_line {
    const char *name, *value;
};

/* What is known of the part at hand. */
struct part {
    size_t size; /* of headers */
    char headers[MULTIPART_HEADERS_MAX + 1];
    size_t n_lines;
    struct header_line lines[MULTIPART_HEADER_LINES_MAX];
    struct params disposition;
    char *filename, *path;
    struct multipart_part seen; /* what the events see */
};

struct multipart {
    struct multipart_events events;
    char delimiter[DELIMITER_MAX + 1];
    size_t delimiter_size, matched, borrowed;
    enum state state;
    int failed; /* what feed returned when it gave up */
    size_t n_parts, n_around, n_blanks;
    uint64_t field_bytes;
    struct part part;
};

/* ---- headers of a part ---- */

static void part_done(struct part *p)
{
    params_done(&p->disposition);
    free(TAKE_PTR(p->filename));
    free(TAKE_PTR(p->path));
    p->size = p->n_lines = 0;
}

const char *multipart_header(const struct multipart_part *seen, const char *name)
{
    const struct part *p = seen->impl;

    for (size_t i = 0; i < p->n_lines; i++)
        if (strcasecmp(p->lines[i].name, name) == 0)
            return p->lines[i].value;
    return NULL;
}

static bool is_token(const char *text)
{
    static const char more[] = "!#$%&'*+-.^_`|~"; /* RFC 9110 §5.6.2 */

    for (const char *c = text; *c; c++)
        if (!strchr(more, *c) && !(*c >= '0' && *c <= '9') && !((*c | 0x20) >= 'a' && (*c | 0x20) <= 'z'))
            return false;
    return *text != '\0';
}

/* line: without its end. */
static int read_line(struct part *p, char *line, struct error *err)
{
    char *colon = strchr(line, ':'), *value, *end;

    if (!colon)
        return error_set(err, -EINVAL, "", "a header of a part has no ':'; write Name: value");
    *colon = '\0';
    if (!is_token(line))
        return error_set(err, -EINVAL, "", "the name of a part's header holds what no name may hold");
    if (multipart_header(&p->seen, line))
        return error_set(err, -EINVAL, line, "is given twice in one part; give it once");
    if (p->n_lines == MULTIPART_HEADER_LINES_MAX)
        return error_set(err, -EFBIG, "", "a part has more than %d headers", MULTIPART_HEADER_LINES_MAX);
    value = colon + 1 + strspn(colon + 1, " \t");
    for (end = value + strlen(value); end > value && (end[-1] == ' ' || end[-1] == '\t'); end--)
        ;
    *end = '\0';
    p->lines[p->n_lines++] = (struct header_line){line, value};
    return 0;
}

/* Takes the lines of headers apart. Folded ones (RFC 5322 §2.2.3) become one. */
static int read_lines(struct part *p, struct error *err)
{
    char *at = p->headers, *end = p->headers + p->size;
    int r = 0;

    for (char *c = at; c < end; c++) {
        bool line_end = c[0] == '\r' && c[1] == '\n';

        if (line_end && (c[2] == ' ' || c[2] == '\t'))
            c[0] = c[1] = ' ';
        else if (line_end)
            c++;
        else if (((unsigned char)*c < 0x20 && *c != '\t') || *c == 0x7F)
            return error_set(err, -EINVAL, "", "a header of a part holds a control character; leave it out");
    }
    *end = '\0';
    while (r == 0 && at < end) {
        char *line = at, *cr = strchr(at, '\r');

        *cr = '\0'; /* each line has one: headers end with CRLF */
        at = cr + CRLF_BYTES;
        r = read_line(p, line, err);
    }
    return r;
}

/* Refuses what would make the bytes of a part something else than the file. */
static int check_codings(const struct part *p, struct error *err)
{
    static const char *const harmless[] = {"binary", "8bit", "7bit"};
    const char *coding = multipart_header(&p->seen, "Content-Transfer-Encoding");
    bool good = !coding;

    if (strncasecmp(p->seen.type, "multipart/", strlen("multipart/")) == 0)
        return error_set(err, -EINVAL, "", "a part is itself multipart; send each file as a part of its own");
    for (size_t i = 0; coding && i < ARRAY_SIZE(harmless); i++)
        good = good || strcasecmp(coding, harmless[i]) == 0;
    return good ? 0
                : error_set(err, -EINVAL, "Content-Transfer-Encoding",
                            "must be binary: send the bytes of a file as they are (RFC 7578 §4.7)");
}

static int read_disposition(struct part *p, struct error *err)
{
    _cleanup_free_ char *sent = NULL;
    const char *text = multipart_header(&p->seen, "Content-Disposition"), *name;
    int r;

    if (!text)
        return error_set(err, -EINVAL, "",
                         "a part has no Content-Disposition; write form-data; name=\"…\" (RFC 7578 §4.2)");
    r = params_parse(text, &p->disposition, err);
    if (r < 0)
        return error_prefix(err, "Content-Disposition"), r;
    r = params_filename(&p->disposition, &sent, err);
    r = r < 0 || !sent ? r : filename_split(sent, &p->filename, &p->path);
    if (r < 0)
        return r;
    name = params_get(&p->disposition, "name");
    if (strcasecmp(p->disposition.value, "form-data") != 0 || (!name && !p->filename))
        return error_set(err, -EINVAL, "Content-Disposition", "must be form-data with a name");
    p->seen.name = name ? name : "";
    p->seen.filename = p->filename;
    p->seen.path = p->path;
    return 0;
}

static int begin_part(struct multipart *m, struct error *err)
{
    struct part *p = &m->part;
    const char *type;
    int r;

    p->seen = (struct multipart_part){.name = "", .impl = p};
    r = read_lines(p, err);
    if (r < 0)
        return r;
    type = multipart_header(&p->seen, "Content-Type");
    p->seen.type = type ? type : "";
    r = check_codings(p, err);
    r = r < 0 ? r : read_disposition(p, err);
    if (r < 0)
        return r;
    m->state = STATE_DATA;
    m->matched = m->borrowed = CRLF_BYTES;
    return m->events.on_part_begin(m->events.userdata, &p->seen, err);
}

/* One byte of a part's headers, which end with an empty line. */
static int take_header_byte(struct multipart *m, char c, struct error *err)
{
    struct part *p = &m->part;

    if (p->size == MULTIPART_HEADERS_MAX)
        return error_set(err, -EFBIG, "", "the headers of a part are larger than %u bytes",
                         MULTIPART_HEADERS_MAX);
    p->headers[p->size++] = c;
    if (c != '\n')
        return 0;
    if (p->size == 1 || p->headers[p->size - 2] != '\r')
        return error_set(err, -EINVAL, "", "a header of a part ends with LF alone; end lines with CRLF");
    if (p->size == CRLF_BYTES)
        p->size = 0; /* no headers at all */
    else if (p->size >= 2 * CRLF_BYTES && memcmp(p->headers + p->size - 2 * CRLF_BYTES, "\r\n\r\n", 4) == 0)
        p->size -= CRLF_BYTES;
    else
        return 0;
    return begin_part(m, err);
}

/* ---- framing ---- */

/* Bytes that lie in a part, or before the first boundary. */
static int give(struct multipart *m, const char *data, size_t size, struct error *err)
{
    if (size == 0)
        return 0;
    if (m->state == STATE_PREAMBLE) {
        m->n_around += size;
        return m->n_around <= MULTIPART_AROUND_MAX
                   ? 0
                   : error_set(err, -EFBIG, "", "more than %u bytes stand before the first boundary",
                               MULTIPART_AROUND_MAX);
    }
    if (!m->part.seen.filename) {
        m->field_bytes += size;
        if (m->field_bytes > MULTIPART_FIELDS_MAX)
            return error_set(err, -EFBIG, m->part.seen.name,
                             "the fields of the form are larger than %u bytes; send files with a filename",
                             MULTIPART_FIELDS_MAX);
    }
    return m->events.on_part_data(m->events.userdata, data, size, err);
}

/* The delimiter is whole. */
static int take_delimiter(struct multipart *m, struct error *err)
{
    int r = 0;

    if (m->state == STATE_DATA) {
        r = m->events.on_part_end(m->events.userdata, err);
        part_done(&m->part);
    }
    m->state = STATE_BEHIND;
    m->n_blanks = 0;
    return r;
}

/* What was matched of the delimiter is none: it was data. */
static int give_matched(struct multipart *m, struct error *err)
{
    size_t from = m->borrowed, size = m->matched - from;

    m->matched = m->borrowed = 0;
    return give(m, m->delimiter + from, size, err);
}

/* Takes bytes of a part or of the preamble up to the next delimiter. *at moves over what was taken. */
static int take_data(struct multipart *m, const char **at, const char *end, struct error *err)
{
    int r;

    while (*at < end && m->matched < m->delimiter_size) {
        if (**at == m->delimiter[m->matched]) {
            m->matched++;
            (*at)++;
        } else if (m->matched > 0) {
            r = give_matched(m, err);
            if (r != 0)
                return r;
        } else {
            const char *from = *at, *cr = memchr(from, '\r', (size_t)(end - from));

            *at = cr ? cr : end;
            r = give(m, from, (size_t)(*at - from), err);
            if (r != 0)
                return r;
        }
    }
    return m->matched == m->delimiter_size ? take_delimiter(m, err) : 0;
}

static int begin_headers(struct multipart *m, struct error *err)
{
    if (m->n_parts++ == MULTIPART_PARTS_MAX)
        return error_set(err, -EFBIG, "", "the form has more than %d parts; send the rest in another request",
                         MULTIPART_PARTS_MAX);
    m->state = STATE_HEADERS;
    return 0;
}

static int bad_boundary_line(struct error *err)
{
    return error_set(err, -EINVAL, "", "text follows a boundary on its line; choose one that no file holds");
}

/* One byte of a boundary line behind the boundary: nothing, blanks (RFC 2046 §5.1.1: transport padding), or "--" for the last. */
static int take_line_byte(struct multipart *m, char c, struct error *err)
{
    switch (m->state) {
    case STATE_DASH:
        if (c != '-')
            return bad_boundary_line(err);
        m->state = STATE_EPILOGUE;
        m->n_around = 0;
        return m->events.on_end(m->events.userdata, err);
    case STATE_LF:
        return c == '\n' ? begin_headers(m, err) : bad_boundary_line(err);
    default:
        if (c == '\r')
            m->state = STATE_LF;
        else if (c == '-' && m->state == STATE_BEHIND)
            m->state = STATE_DASH;
        else if ((c == ' ' || c == '\t') && m->n_blanks++ < MULTIPART_BOUNDARY_MAX)
            m->state = STATE_BLANKS;
        else
            return bad_boundary_line(err);
        return 0;
    }
}

static int take_epilogue(struct multipart *m, size_t size, struct error *err)
{
    if (size > MULTIPART_AROUND_MAX - m->n_around)
        return error_set(err, -EFBIG, "", "more than %u bytes follow the last boundary",
                         MULTIPART_AROUND_MAX);
    m->n_around += size;
    return 0;
}

int multipart_feed(struct multipart *m, const void *data, size_t size, struct error *err)
{
    const char *at = data, *end = at + size;
    int r = m->failed;

    if (r != 0)
        return error_set(err, r, "", "the form was given up before");
    while (r == 0 && at < end) {
        switch (m->state) {
        case STATE_PREAMBLE:
        case STATE_DATA:
            r = take_data(m, &at, end, err);
            break;
        case STATE_HEADERS:
            r = take_header_byte(m, *at++, err);
            break;
        case STATE_EPILOGUE:
            r = take_epilogue(m, (size_t)(end - at), err);
            at = end;
            break;
        default:
            r = take_line_byte(m, *at++, err);
        }
    }
    m->failed = r;
    return r;
}

int multipart_finish(struct multipart *m, struct error *err)
{
    if (m->failed != 0)
        return error_set(err, m->failed, "", "the form was given up before");
    if (m->state == STATE_EPILOGUE)
        return 0;
    m->failed = -EINVAL;
    return error_set(err, m->failed, "",
                     m->state == STATE_PREAMBLE
                         ? "the form holds no part; each begins with the boundary that Content-Type names"
                         : "the form ends before its last boundary; it was cut off");
}

/* ---- beginning ---- */

/* RFC 2046 §5.1.1: 1 to 70 of these, the last one no blank. */
static bool is_boundary(const char *text)
{
    static const char more[] = "'()+_,-./:=? ";
    size_t n = strlen(text);

    for (size_t i = 0; i < n; i++)
        if (!strchr(more, text[i]) && !(text[i] >= '0' && text[i] <= '9') &&
            !((text[i] | 0x20) >= 'a' && (text[i] | 0x20) <= 'z'))
            return false;
    return n > 0 && n <= MULTIPART_BOUNDARY_MAX && text[n - 1] != ' ';
}

int multipart_new(const char *content_type, const struct multipart_events *events, struct multipart **ret,
                  struct error *err)
{
    _cleanup_(params_done) struct params p = {0};
    const char *boundary;
    struct multipart *m;
    int r = params_parse(content_type, &p, err);

    if (r < 0)
        return error_prefix(err, "Content-Type"), r;
    if (strcasecmp(p.value, "multipart/form-data") != 0)
        return error_set(err, -EINVAL, "Content-Type", "must be multipart/form-data");
    boundary = params_get(&p, "boundary");
    if (!boundary || !is_boundary(boundary))
        return error_set(err, -EINVAL, "Content-Type",
                         "needs boundary=, 1 to %d letters, digits and '()+_,-./:=?", MULTIPART_BOUNDARY_MAX);
    m = calloc(1, sizeof *m);
    if (!m)
        return -ENOMEM;
    m->events = *events;
    m->delimiter_size = (size_t)snprintf(m->delimiter, sizeof m->delimiter, "\r\n--%s", boundary);
    m->matched = m->borrowed = CRLF_BYTES;
    *ret = m;
    return 0;
}

struct multipart *multipart_free(struct multipart *m)
{
    if (m)
        part_done(&m->part);
    free(m);
    return NULL;
}
