/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Fuzzes the reader of a program's messages and of the form of its answer. The first byte is how many bytes come at once. What is taken must
 * not depend on that, and must keep to the bounds.
 */
#include <string.h>

#include "media/run-answer.h"
#include "media/run-messages.h"

#define WRITABLE 5 /* files 0 and 2 */

static bool take(struct messages *m, const uint8_t *data, size_t size, size_t piece)
{
    memset(m, 0, sizeof *m);
    m->may_elsewhere = true;
    m->writable = WRITABLE;
    for (size_t at = 0; at < size; at += piece)
        if (!messages_take(m, data + at, MIN(piece, size - at), 0))
            return false;
    return messages_end(m);
}

static void must(bool truth)
{
    if (!truth)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct messages a, b;
    struct media_result result = {0};
    struct error err = ERROR_INIT;
    const char *text;
    size_t length;

    if (size < 1)
        return 0;
    must(take(&a, data + 1, size - 1, (size_t)data[0] + 1) == take(&b, data + 1, size - 1, size));
    must(strcmp(a.fault, b.fault) == 0);
    must(a.permille <= 1000 && a.at_usec >= 0 && a.count <= MESSAGES_AT_ONCE + 1);
    for (size_t i = 0; i < WORKER_FILES_MAX; i++)
        must(a.bytes[i] == 0 || (WRITABLE >> i & 1));
    if (a.fault[0])
        return 0;
    must(a.locked && a.answered);
    text = messages_answer(&a, &length);
    must(length <= MESSAGE_ANSWER_MAX);
    if (!a.elsewhere && run_answer_read(text, length, &result, &err) == 0)
        media_result_done(&result);
    return 0;
}
