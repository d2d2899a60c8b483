/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Scripts of several statements with lines for one engine only (see db_script in db.h): the schema and its migrations. A
 * statement ends where a line's code ends with ';'; comments and quoted texts may hold any ';'. Comments inside a statement
 * are handed on, SQLite keeps them in its schema.
 */
#include <errno.h>
#include <string.h>

#include "catalogue/db-internal.h"

struct script {
    struct db *db;
    char *text; /* the statement being gathered */
    size_t size;
    size_t room;
    bool code;   /* text holds more than comments and blanks */
    bool quoted; /* inside '…', which may span lines */
    int line, first_line;
};

/* Looks at one line: is there code in it, and does a statement end with it? */
static bool scan_line(struct script *s, const char *line, size_t length)
{
    char last = 0;

    for (size_t i = 0; i < length; i++) {
        char c = line[i];

        if (!s->quoted && c == '-' && i + 1 < length && line[i + 1] == '-')
            break;
        if (c == '\'')
            s->quoted = !s->quoted;
        if (c != ' ' && c != '\t' && c != '\r')
            last = c;
    }
    if (last && !s->code) {
        s->code = true;
        s->first_line = s->line;
    }
    return last == ';' && !s->quoted;
}

static int append(struct script *s, const char *line, size_t length)
{
    if (s->size + length + 2 > s->room) {
        size_t room = (s->size + length + 2) * 2;
        char *text = realloc(s->text, room);

        if (!text)
            return -ENOMEM;
        s->text = text;
        s->room = room;
    }
    memcpy(s->text + s->size, line, length);
    s->size += length;
    s->text[s->size++] = '\n';
    s->text[s->size] = 0;
    return 0;
}

static int run(struct script *s, struct error *err)
{
    int r = s->code ? db_exec(s->db, s->text, err) : 0;

    if (r != 0)
        return error_prefix(err, "script line %d", s->first_line), r;
    s->size = 0;
    s->code = false;
    return 0;
}

/* Takes the mark off a line that is for this engine. Return: whether the line counts here at all. */
static bool take_dialect(const struct db_engine *engine, const char **line, size_t *length)
{
    static const struct db_engine *const engines[] = {&db_sqlite_engine, &db_pg_engine};

    for (size_t i = 0; i < ARRAY_SIZE(engines); i++) {
        size_t n = strlen(engines[i]->script_mark);

        if (*length < n || strncmp(*line, engines[i]->script_mark, n) != 0)
            continue;
        *line += n;
        *length -= n;
        return engines[i] == engine;
    }
    return true;
}

static int take_line(struct script *s, const char *line, size_t length, struct error *err)
{
    if (!s->quoted && !take_dialect(s->db->engine, &line, &length))
        return 0;
    if (append(s, line, length) < 0)
        return error_set(err, -ENOMEM, s->db->name, "out of memory for a script");
    return scan_line(s, line, length) ? run(s, err) : 0;
}

int db_script(struct db *db, const char *script, struct error *err)
{
    struct script s = {.db = db};
    int r = 0;

    while (r == 0 && *script) {
        size_t length = strcspn(script, "\n");

        s.line++;
        r = take_line(&s, script, length, err);
        script += length + (script[length] == '\n');
    }
    if (r == 0)
        r = run(&s, err); /* the last statement needs no ';' */
    free(s.text);
    if (r == 0)
        db->engine->schema_changed(db);
    return r;
}
