/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Collects faults that a parser reports, each as one line "file:line:column: text", so that a test can look for them.
 */
#ifndef LIUHEN_TESTS_FAULTS_H
#define LIUHEN_TESTS_FAULTS_H

#include <string.h>

#include "base/error.h"

struct fault_list {
    unsigned n;
    char text[64 * 1024];
};

static inline _unused_ void on_fault(void *userdata, const struct error *fault)
{
    struct fault_list *l = userdata;
    size_t at = strlen(l->text);

    l->n++;
    if (fault->object[0] == 0 || fault->text[0] == 0)
        abort(); /* a fault always says where and what */
    snprintf(l->text + at, sizeof l->text - at, "%s: %s\n", fault->object, fault->text);
}

/* Says what was reported when the wanted line is not among it. */
static inline _unused_ int has_fault(const struct fault_list *l, const char *wanted)
{
    if (strstr(l->text, wanted))
        return 1;
    fprintf(stderr, "wanted: %s\nreported:\n%s", wanted, l->text);
    return 0;
}

#endif
