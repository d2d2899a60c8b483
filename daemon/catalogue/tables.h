/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The tables that are a function of the ledger, for comparing catalogues: every column, in key order.
 */
#ifndef LIUHEN_CATALOGUE_TABLES_H
#define LIUHEN_CATALOGUE_TABLES_H

struct table_columns {
    const char *name;
    const char *types;  /* a letter a column: i integer, t text, b blob; the first is the key */
    const char *select; /* all columns, ordered by the key */
};

/* Ends with a row whose name is NULL. */
const struct table_columns *catalogue_tables(void);

#endif
