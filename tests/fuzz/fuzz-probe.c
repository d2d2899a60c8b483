/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Fuzzes the whole look at a file, from its first bytes to the answer, over memory and without the lock. What comes out must be an
 * answer that the client's own check accepts.
 */
#include <string.h>

#include "media/probe-facts.h"
#include "media/worker-probe.h"

#define BUDGET_USEC (2 * USEC_PER_SEC)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    _cleanup_free_ char *text = NULL;
    struct probe_result result = {0};
    struct error err = ERROR_INIT;
    struct facts f;
    struct input in;

    input_init_memory(&in, data, size, BUDGET_USEC);
    if (facts_init(&f, INT64_C(1800000000) * USEC_PER_SEC) < 0)
        return 0;
    worker_probe(&in, &f);
    if (facts_answer(&f, &text) == 0) {
        if (probe_facts_read(text, strlen(text), &result, &err) < 0) {
            fprintf(stderr, "%s\n%s\n", err.text, text);
            abort();
        }
        probe_result_done(&result);
    }
    facts_done(&f);
    return 0;
}
