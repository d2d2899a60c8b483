/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Pages of recordings (see recordings.h). A list is driven by one of its filters, for which there is an index in list order, and
 * the others are conditions on what the index gives. Which one drives is decided by counting, up to a limit, how many recordings
 * each would give: with the rarest in front a page costs little whatever the mix. The indexes carry the columns of the other
 * filters, so that a row is only fetched once it is known to be wanted. Condition texts are fixed; values are always bound.
 */
#include <assert.h>
#include <errno.h>
#include <stdarg.h>

#include "catalogue/recordings.h"
#include "catalogue/row.h"

#define TEXT_SIZE  4096
#define VALUES_MAX 24
#define COUNT_FEW  500  /* rows that are walked in no time: no need to find a rarer filter */
#define COUNT_MANY 8000 /* filters with more are all the same: then their order below decides */

/* In order of preference. */
enum term {
    TERM_CASE,
    TERM_TAKE,
    TERM_DEVICE,
    TERM_OFFICER,
    TERM_UNDECIDED,
    TERM_DAMAGED,
    TERM_HELD,
    TERM_CLASS,
    TERM_UNIT,
    TERM_UNLINKED,
    TERM_KIND,
    TERM_COUNT,
    TERM_NONE = TERM_COUNT, /* nothing but the time */
};

/* A statement being written, with its values. */
struct query {
    char text[TEXT_SIZE];
    size_t used;
    int n;
    struct {
        const char *text; /* NULL: the integer */
        int64_t integer;
    } values[VALUES_MAX];
};

struct page {
    const struct recordings_filter *f;
    int64_t from, to, cursor_sort; /* cursor_sort is at most to */
    const char *cursor_id;
    int64_t limit;
};

static void put(struct query *q, const char *format, ...) _printf_(2, 3);

static void put(struct query *q, const char *format, ...)
{
    va_list ap;

    va_start(ap, format);
    q->used += (size_t)vsnprintf(q->text + q->used, sizeof q->text - q->used, format, ap);
    va_end(ap);
    assert(q->used < sizeof q->text); /* the longest of our own texts fits */
}

/* The number of the parameter that the value gets. */
static int text_value(struct query *q, const char *value)
{
    q->values[q->n].text = value;
    return ++q->n;
}

static int integer_value(struct query *q, int64_t value)
{
    q->values[q->n].text = NULL;
    q->values[q->n].integer = value;
    return ++q->n;
}

static int start(struct db *db, const struct query *q, struct db_stmt **ret, bool *ret_row, struct error *err)
{
    int r = db_prepare(db, q->text, ret, err);

    if (r != 0)
        return r;
    for (int i = 0; i < q->n; i++) {
        if (q->values[i].text)
            db_bind_text(*ret, i + 1, q->values[i].text);
        else
            db_bind_integer(*ret, i + 1, q->values[i].integer);
    }
    return db_step(*ret, ret_row, err);
}

/* ---- filters -------------------------------------------------------------------------------------------------------------- */

static bool is_given(const char *s)
{
    return s && *s;
}

/* The value of a filter that has one; NULL when it does not narrow. */
static const char *term_value(const struct recordings_filter *f, enum term term)
{
    const char *const values[TERM_COUNT] = {
        [TERM_CASE] = f->case_id,     [TERM_TAKE] = f->take, [TERM_DEVICE] = f->device,
        [TERM_OFFICER] = f->officer,  [TERM_UNIT] = f->unit, [TERM_KIND] = f->kind,
        [TERM_CLASS] = f->class_name,
    };

    return is_given(values[term]) ? values[term] : NULL;
}

static bool term_is_set(const struct recordings_filter *f, enum term term)
{
    switch (term) {
    case TERM_UNDECIDED:
        return f->undecided;
    case TERM_DAMAGED:
        return f->damaged;
    case TERM_HELD:
        return f->held;
    case TERM_UNLINKED:
        return f->unlinked;
    default:
        return term_value(f, term) != NULL;
    }
}

static const char *const columns[TERM_COUNT] = {
    [TERM_TAKE] = "take", [TERM_DEVICE] = "device", [TERM_OFFICER] = "officer",
    [TERM_UNIT] = "unit", [TERM_KIND] = "kind",     [TERM_CLASS] = "class",
};

/* The condition as the index knows it. */
static void put_driver(struct query *q, enum term term, const char *value)
{
    switch (term) {
    case TERM_NONE:
        put(q, "1 = 1");
        return;
    case TERM_CASE:
        put(q, "l.case_id = $%d", text_value(q, value));
        return;
    case TERM_UNDECIDED:
        put(q, "r.class IS NULL");
        return;
    case TERM_DAMAGED:
        put(q, "r.status = 'damaged'");
        return;
    case TERM_HELD:
        put(q, "r.held > 0");
        return;
    case TERM_UNLINKED:
        put(q, "r.links = 0");
        return;
    default:
        put(q, "r.%s = $%d", columns[term], text_value(q, value));
    }
}

/* The same condition, written so that SQLite, which knows no statistics here, does not take its index for it; PostgreSQL sees through
 * that and estimates it well. */
static void put_condition(struct query *q, enum term term, const char *value)
{
    switch (term) {
    case TERM_CASE:
        put(q, " AND EXISTS (SELECT 1 FROM links x WHERE x.recording = r.id AND x.case_id = $%d)",
            text_value(q, value));
        return;
    case TERM_UNDECIDED:
        put(q, " AND NOT (r.class IS NOT NULL)");
        return;
    case TERM_DAMAGED:
        put(q, " AND NOT (r.status <> 'damaged')");
        return;
    case TERM_HELD:
        put(q, " AND NOT (r.held <= 0)");
        return;
    case TERM_UNLINKED:
        put(q, " AND NOT (r.links <> 0)");
        return;
    default:
        put(q, " AND NOT (r.%s <> $%d)", columns[term], text_value(q, value));
    }
}

/* ---- which one drives ------------------------------------------------------------------------------------------------------- */

static const char *source_of(enum term driver)
{
    return driver == TERM_CASE ? "links l" : "recordings r";
}

static char table_of(enum term driver)
{
    return driver == TERM_CASE ? 'l' : 'r';
}

/* How many recordings the filter gives within the time asked for, at most limit. */
static int count_up_to(struct db *db, const struct page *p, enum term term, int64_t limit, int64_t *ret,
                       struct error *err)
{
    _cleanup_stmt_ struct db_stmt *st = NULL;
    struct query q = {.used = 0};
    bool row;
    int r;

    put(&q, "SELECT count(*) FROM (SELECT 1 FROM %s WHERE ", source_of(term));
    put_driver(&q, term, term_value(p->f, term));
    put(&q, " AND %c.sort_usec >= $%d", table_of(term), integer_value(&q, p->from));
    put(&q, " AND %c.sort_usec < $%d", table_of(term), integer_value(&q, p->to));
    put(&q, " LIMIT $%d) x", integer_value(&q, limit));
    r = start(db, &q, &st, &row, err);
    if (r == 0)
        *ret = row ? db_integer(st, 0) : 0;
    return r;
}

/* Among candidates, the one that gives least; ties go to the first. */
static int rarest(struct db *db, const struct page *p, const enum term *candidates, size_t n, int64_t limit,
                  enum term *ret, int64_t *ret_count, struct error *err)
{
    int64_t least = INT64_MAX;

    for (size_t i = 0; i < n && least > 0; i++) {
        int64_t count;
        int r = count_up_to(db, p, candidates[i], limit, &count, err);
        if (r != 0)
            return r;
        if (count < least) {
            least = count;
            *ret = candidates[i];
        }
    }
    *ret_count = least;
    return 0;
}

static int choose_driver(struct db *db, const struct page *p, enum term *ret, struct error *err)
{
    enum term candidates[TERM_COUNT];
    int64_t count = 0;
    size_t n = 0;
    int r = 0;

    for (enum term t = 0; t < TERM_COUNT; t++)
        if (term_is_set(p->f, t))
            candidates[n++] = t;
    *ret = n > 0 ? candidates[0] : TERM_NONE;
    if (n < 2 || *ret == TERM_TAKE) /* takes are short */
        return 0;
    r = rarest(db, p, candidates, n, COUNT_FEW, ret, &count, err);
    return r == 0 && count == COUNT_FEW ? rarest(db, p, candidates, n, COUNT_MANY, ret, &count, err) : r;
}

/* ---- the page --------------------------------------------------------------------------------------------------------------- */

static void write_query(struct query *q, const struct page *p, enum term driver)
{
    char t = table_of(driver);
    const char *id = driver == TERM_CASE ? "l.recording" : "r.id";

    put(q, "SELECT " ROW_RECORDING " FROM %s%s WHERE ", source_of(driver),
        driver == TERM_CASE ? " JOIN recordings r ON r.id = l.recording" : "");
    put_driver(q, driver, driver == TERM_NONE ? NULL : term_value(p->f, driver));
    put(q, " AND (%c.sort_usec, %s) < ($%d", t, id, integer_value(q, p->cursor_sort));
    put(q, ", $%d)", text_value(q, p->cursor_id));
    if (p->from > INT64_MIN)
        put(q, " AND %c.sort_usec >= $%d", t, integer_value(q, p->from));
    for (enum term term = 0; term < TERM_COUNT; term++)
        if (term != driver && term_is_set(p->f, term))
            put_condition(q, term, term_value(p->f, term));
    put(q, " ORDER BY %c.sort_usec DESC, %s DESC LIMIT $%d", t, id, integer_value(q, p->limit + 1));
}

int recordings_list(struct db *db, const struct recordings_filter *f, const char *cursor, int limit,
                    json_t **ret_page, char **ret_next, struct error *err)
{
    struct page p = {.f = f,
                     .from = f->from_usec ? f->from_usec : INT64_MIN,
                     .to = f->to_usec ? f->to_usec : INT64_MAX,
                     .cursor_id = "",
                     .limit = MAX(1, MIN(limit, RECORDINGS_PAGE_MAX))};
    _cleanup_json_ json_t *list = json_array();
    _cleanup_stmt_ struct db_stmt *st = NULL;
    struct query q = {.used = 0};
    enum term driver;
    bool row, more = false;
    int r;

    p.cursor_sort = p.to;
    r = cursor ? row_mark_parse(cursor, RECORDINGS_E_CURSOR, &p.cursor_sort, &p.cursor_id, err) : 0;
    if (r != 0 || !list)
        return r != 0 ? r : -ENOMEM;
    if (p.cursor_sort >=
        p.to) { /* so that the index is entered at the end of the period, not walked down to it */
        p.cursor_sort = p.to;
        p.cursor_id = "";
    }
    r = choose_driver(db, &p, &driver, err);
    if (r != 0)
        return r;
    write_query(&q, &p, driver);
    *ret_next = NULL;
    r = start(db, &q, &st, &row, err);
    r = r != 0 ? r : row_list(st, row, row_recording, (size_t)p.limit, list, &more, err);
    if (r == 0 && more)
        r = row_mark_make(list, "sort", ret_next);
    if (r != 0)
        return r;
    *ret_page = TAKE_PTR(list);
    return 0;
}
