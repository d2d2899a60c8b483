/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Fuzzes policy texts and, under each policy that is taken, decisions on facts made from the input's first bytes: never below the
 * floor, never ended while a hold stands, reasons readable.
 */
#include <string.h>

#include "base/encode.h"
#include "policy/policy.h"

#define FACT_BYTES 8

static void on_fault(void *userdata, const struct error *fault)
{
    if (!fault->object[0] || !fault->text[0])
        abort();
    ++*(int *)userdata;
}

static void check_decision(const struct policy *p, const uint8_t *b)
{
    static const char *const kinds[] = {"video", "audio", "photo", "document", "data"};
    int64_t received = INT64_C(1700000000) * USEC_PER_SEC + b[0] * 40 * USEC_PER_DAY + b[1] * USEC_PER_HOUR;
    struct policy_link link = {
        .role = (enum link_role)(1 + b[2] % 2),
        .procedure = (enum procedure)(b[3] % 3),
        .state = (enum case_state)(1 + b[4] % 3),
        .filed_usec = b[4] % 3 == 2 ? received + b[5] * USEC_PER_DAY : 0,
        .case_number = "本溪卫医罚〔2026〕12号",
    };
    struct policy_facts f = {
        .kind = kinds[b[6] % ARRAY_SIZE(kinds)],
        .received_usec = received,
        .ended_usec = received + (b[5] - 128) * USEC_PER_HOUR,
        .ended_certain = b[3] & 16,
        .links = &link,
        .n_links = b[2] & 8 ? 1 : 0,
        .holds = (b[7] & 1 ? 1u << b[7] % HOLD_GROUND_COUNT : 0),
    };
    struct decision d;

    policy_decide(p, &f, &d);
    if (d.n_reasons == 0 || d.n_reasons > POLICY_REASONS_MAX || (f.holds && d.ending == ENDING_DATE))
        abort();
    if (d.until_usec < calendar_add_months(policy_zone(p), received, 6))
        abort();
    for (size_t i = 0; i < d.n_reasons; i++)
        if (!d.reasons[i].text[0] || !utf8_is_valid(d.reasons[i].text, strlen(d.reasons[i].text)))
            abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    _cleanup_(policy_freep) struct policy *p = NULL;
    int r, n = 0;

    if (size < FACT_BYTES)
        return 0;
    r = policy_parse((const char *)data + FACT_BYTES, size - FACT_BYTES, "f", on_fault, &n, &p);
    if ((r < 0) != (n > 0))
        abort();
    if (r == 0)
        check_decision(p, data);
    return 0;
}
