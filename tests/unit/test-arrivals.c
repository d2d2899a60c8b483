/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Arrivals by device: what a quota counts after a restart, and who may ask for a receipt; on both engines.
 */
#include "cases-fixture.h"

#include "catalogue/arrivals.h"

#define DOCK "01JD0000000000000000000000"

struct seal {
    const char *id, *device;
    char fill;
    int bytes;
    int64_t time_usec;
};

static int seal_from(struct txn *t, void *userdata, struct error *err)
{
    struct seal *x = userdata;
    char digest[DIGEST_HEX_SIZE];

    memset(digest, x->fill, 64);
    digest[64] = '\0';
    return txn_act(t, "recording.sealed", "door:put", x->id, x->time_usec,
                   json_pack("{s:s, s:i, s:s, s:s, s:s, s:{s:s, s:s, s:s, s:s, s:{s:s}}}", "digest", digest,
                             "bytes", x->bytes, "name", "a.mp4", "content", "a.mp4", "kind", "video",
                             "arrival", "door", "put", "path", "a.mp4", "zone", "UTC", "device_id", x->device,
                             "sidecar", "device_id", "01JD0000000000000000000009"),
                   NULL, err);
}

/* A file may say what it likes of itself: whose it is is known from who delivered it. */
static void bytes_are_whose_who_delivered(void **state)
{
    struct world *w = take(state);
    int64_t now = clock_now_usec();
    struct seal seals[] = {
        {"01JA0000000000000000000001", DOCK, 'a', 100, now},
        {"01JA0000000000000000000002", DOCK, 'b', 20, now + USEC_PER_HOUR},
        {"01JA0000000000000000000003", "01JD0000000000000000000001", 'c', 3, now + USEC_PER_HOUR},
        {"01JA0000000000000000000004", DOCK, 'd', 4, now + 2 * USEC_PER_HOUR}};
    uint64_t bytes;
    bool has;

    for (size_t i = 0; i < ARRAY_SIZE(seals); i++)
        OK(writer_run(w->writer, false, seal_from, &seals[i], &w->err));
    OK(arrivals_bytes_since(w->db, DOCK, now, &bytes, &w->err));
    assert_int_equal(bytes, 124);
    OK(arrivals_bytes_since(w->db, DOCK, now + USEC_PER_HOUR, &bytes, &w->err));
    assert_int_equal(bytes, 24);
    OK(arrivals_bytes_since(w->db, DOCK, now + 3 * USEC_PER_HOUR, &bytes, &w->err));
    assert_int_equal(bytes, 0);
    OK(arrivals_bytes_since(w->db, "01JD0000000000000000000009", 0, &bytes, &w->err));
    assert_int_equal(bytes, 0);
    OK(arrivals_has_device(w->db, seals[0].id, DOCK, &has, &w->err));
    assert_true(has);
    OK(arrivals_has_device(w->db, seals[0].id, "01JD0000000000000000000009", &has, &w->err));
    assert_false(has);
    OK(arrivals_has_device(w->db, seals[2].id, DOCK, &has, &w->err));
    assert_false(has);
}

int main(void)
{
    const struct CMUnitTest tests[] = {BOTH(bytes_are_whose_who_delivered)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
