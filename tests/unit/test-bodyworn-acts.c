/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Acts of body-worn systems on both engines: what they do to the rows and what they refuse, how the rows are read and listed, and how
 * recordings are placed by them.
 */
#include "cases-fixture.h"

#include "cases/place-bodyworn.h"
#include "catalogue/bodyworn-rows.h"
#include "catalogue/ids.h"

#define DEVICE "01ARZ3NDEKTSV4RRFFQ69G5FD1"
#define OTHER  "01ARZ3NDEKTSV4RRFFQ69G5FD2"
#define BOX    "01ARZ3NDEKTSV4RRFFQ69G5FC1"
#define USERS  "01ARZ3NDEKTSV4RRFFQ69G5FC2"
#define NAME   "u-1_CAM1_20261110T010507Z"
#define ETAG   "d41d8cd98f00b204e9800998ecf8427e"

static json_t *box_facts(const char *device, const char *name, const char *kind, const char *status,
                         json_t *metadata)
{
    return json_pack("{s:s, s:s, s:s, s:s*, s:o}", "device", device, "name", name, "kind", kind, "status",
                     status, "metadata", metadata);
}

static json_t *object_facts(const char *box, const char *name, const char *kind, const char *recording,
                            json_t *metadata)
{
    return json_pack("{s:s, s:s, s:s, s:s*, s:i, s:s, s:o}", "container", box, "name", name, "kind", kind,
                     "recording", recording, "bytes", 5, "etag", ETAG, "metadata", metadata);
}

static void make_box(struct world *w, const char *id, const char *name, const char *kind, json_t *metadata)
{
    OK(act(w, "bodyworn.container", id, 5, box_facts(DEVICE, name, kind, "transferring", metadata)));
}

static void make_object(struct world *w, const char *id, const char *box, const char *name, const char *kind,
                        const char *recording, json_t *metadata)
{
    OK(act(w, "bodyworn.object", id, 6, object_facts(box, name, kind, recording, metadata)));
}

/* Ids that are told apart by their last letter. */
static const char *object_id(char letter)
{
    static char text[ULID_LENGTH + 1];

    snprintf(text, sizeof text, "01ARZ3NDEKTSV4RRFFQ69G5FB%c", letter);
    return text;
}

static json_t *bodyworn_arrival(const char *path)
{
    return json_pack("{s:s, s:s, s:s, s:s, s:s, s:s}", "door", "bodyworn", "folder", "", "path", path, "zone",
                     "UTC", "device", "DOCK-SERIAL", "device_id", DEVICE);
}

static void test_containers(void **state)
{
    struct world *w = take(state);
    _cleanup_(bodyworn_container_done) struct bodyworn_container c = {0}, again = {0};

    make_box(w, BOX, NAME, "recording", json_pack("{s:s}", "userid", "u-1"));
    OK(bodyworn_container_find(w->db, DEVICE, NAME, &c, &w->err));
    assert_string_equal(c.id, BOX);
    assert_string_equal(c.status, "transferring");
    assert_string_equal(json_get_string(c.metadata, "userid"), "u-1");
    GIVES(BODYWORN_E_NONE, bodyworn_container_find(w->db, OTHER, NAME, &c, &w->err));
    OK(act(w, "bodyworn.container", BOX, 70,
           box_facts(DEVICE, NAME, "recording", "complete", json_object())));
    OK(act(w, "bodyworn.container", BOX, 80,
           box_facts(DEVICE, NAME, "recording", "complete", json_object())));
    OK(bodyworn_container_read(w->db, BOX, &again, &w->err));
    assert_string_equal(again.status, "complete");
    assert_int_equal(json_object_size(again.metadata), 0);
    assert_int_equal(count(w, "SELECT closed_usec FROM bodyworn_containers"), 70); /* the first time counts */
    assert_int_equal(count(w, "SELECT opened_usec FROM bodyworn_containers"), 5);
    assert_int_equal(count(w, "SELECT leaf FROM bodyworn_containers"), 0);
}

static void test_refused_containers(void **state)
{
    struct world *w = take(state);

    make_box(w, BOX, NAME, "recording", json_object());
    GIVES(ACT_E_REFUSED,
          act(w, "bodyworn.container", USERS, 0, box_facts(DEVICE, NAME, "recording", NULL, json_object())));
    SAYS("another container");
    GIVES(ACT_E_REFUSED,
          act(w, "bodyworn.container", USERS, 0, box_facts(DEVICE, "x", "chest", NULL, json_object())));
    GIVES(ACT_E_REFUSED,
          act(w, "bodyworn.container", USERS, 0, box_facts(DEVICE, "x", "other", "half", json_object())));
    GIVES(ACT_E_REFUSED,
          act(w, "bodyworn.container", "box", 0, box_facts(DEVICE, "x", "other", NULL, json_object())));
    GIVES(ACT_E_REFUSED, act(w, "bodyworn.container", USERS, 0, json_pack("{s:s}", "name", "x")));
    OK(act(w, "bodyworn.container", USERS, 0, box_facts(OTHER, NAME, "recording", NULL, json_object())));
    assert_int_equal(count(w, "SELECT count(*) FROM bodyworn_containers"), 2);
}

static void test_objects(void **state)
{
    struct world *w = take(state);
    _cleanup_(bodyworn_object_done) struct bodyworn_object o = {0}, newer = {0}, again = {0};
    struct recording_id first, second;
    _cleanup_ids_ struct recording_ids ids = RECORDING_IDS_INIT;

    make_box(w, BOX, NAME, "recording", json_object());
    first = seal(w, "a");
    second = seal(w, "b");
    make_object(w, object_id('1'), BOX, "x.mkv", "clip", first.text, json_pack("{s:s}", "a", "1"));
    OK(act(w, "bodyworn.object", object_id('1'), 9,
           object_facts(BOX, "x.mkv", "clip", first.text, json_pack("{s:s}", "b", "2"))));
    OK(bodyworn_object_find(w->db, BOX, "x.mkv", &o, &w->err));
    assert_string_equal(o.recording, first.text);
    assert_null(json_object_get(o.metadata, "a"));
    assert_string_equal(json_get_string(o.metadata, "b"), "2");
    assert_int_equal(o.stored_usec, 6);
    assert_int_equal(o.changed_usec, 9);
    make_object(w, object_id('2'), BOX, "x.mkv", "clip", second.text, json_object());
    OK(bodyworn_object_find(w->db, BOX, "x.mkv", &newer, &w->err));
    assert_string_equal(newer.recording, second.text);
    assert_int_equal(count(w, "SELECT count(*) FROM bodyworn_objects WHERE replaced_leaf IS NOT NULL"), 1);
    OK(act(w, "bodyworn.object", object_id('1'),
           10, /* the older one is described once more: it stays the older one */
           object_facts(BOX, "x.mkv", "clip", first.text, json_object())));
    OK(bodyworn_object_of(w->db, first.text, NULL, &again, &w->err));
    assert_string_equal(again.id, object_id('1'));
    assert_int_equal(count(w, "SELECT count(*) FROM bodyworn_objects WHERE replaced_leaf IS NOT NULL"), 1);
    OK(ids_of_container(w->db, BOX, &ids, &w->err));
    assert_int_equal(ids.n, 2);
}

static void test_refused_objects(void **state)
{
    struct world *w = take(state);
    json_t *facts;

    GIVES(ACT_E_REFUSED,
          act(w, "bodyworn.object", object_id('1'), 0, object_facts(BOX, "x", "file", NULL, json_object())));
    make_box(w, BOX, NAME, "recording", json_object());
    GIVES(ACT_E_REFUSED,
          act(w, "bodyworn.object", object_id('1'), 0, object_facts(BOX, "x", "file", OTHER, json_object())));
    GIVES(ACT_E_REFUSED,
          act(w, "bodyworn.object", object_id('1'), 0, object_facts(BOX, "x", "film", NULL, json_object())));
    GIVES(ACT_E_REFUSED,
          act(w, "bodyworn.object", "x", 0, object_facts(BOX, "x", "file", NULL, json_object())));
    facts = object_facts(BOX, "x", "file", NULL, json_object());
    assert_int_equal(json_set_string(facts, "etag", "short"), 0);
    GIVES(ACT_E_REFUSED, act(w, "bodyworn.object", object_id('1'), 0, facts));
    facts = object_facts(BOX, "x", "file", NULL, json_object());
    assert_int_equal(json_set_integer(facts, "bytes", -1), 0);
    GIVES(ACT_E_REFUSED, act(w, "bodyworn.object", object_id('1'), 0, facts));
    assert_int_equal(count(w, "SELECT count(*) FROM bodyworn_objects"), 0);
}

/* The names of a listing, joined by spaces. */
static const char *names_of(struct world *w, struct bodyworn_range range)
{
    static char text[300];
    _cleanup_json_ json_t *list = NULL;
    const json_t *one;
    size_t i, n = 0;

    range.limit = range.limit ? range.limit : 100;
    OK(bodyworn_objects_list(w->db, BOX, &range, &list, &w->err));
    *text = 0;
    json_array_foreach (list, i, one)
        n += (size_t)snprintf(text + n, sizeof text - n, "%s%s", i ? " " : "", json_get_string(one, "name"));
    return text;
}

/* By bytes on both engines, whatever the database's language: upper case before lower, other scripts behind. */
static void test_listings(void **state)
{
    struct world *w = take(state);
    static const char *const names[] = {"b", "李", "a/2", "B", "a", "a/1", "ab", "é"};
    _cleanup_json_ json_t *boxes = NULL;
    struct bodyworn_range all = {.limit = 10};
    int64_t containers, objects, bytes, before;

    make_box(w, BOX, NAME, "recording", json_object());
    for (size_t i = 0; i < ARRAY_SIZE(names); i++)
        make_object(w, object_id((char)('0' + i)), BOX, names[i], "clip", NULL, json_object());
    make_object(w, object_id('9'), BOX, "b", "clip", NULL, json_object()); /* a newer b */
    assert_string_equal(names_of(w, (struct bodyworn_range){0}), "B a a/1 a/2 ab b é 李");
    assert_string_equal(names_of(w, (struct bodyworn_range){.prefix = "a/"}), "a/1 a/2");
    assert_string_equal(names_of(w, (struct bodyworn_range){.marker = "a/1", .limit = 2}), "a/2 ab");
    assert_string_equal(names_of(w, (struct bodyworn_range){.marker = "ab", .end_marker = "é"}), "b");
    assert_string_equal(names_of(w, (struct bodyworn_range){.prefix = "a", .marker = "a/2"}), "ab");
    assert_string_equal(names_of(w, (struct bodyworn_range){.prefix = "x"}), "");
    OK(bodyworn_containers_list(w->db, DEVICE, &all, &boxes, &w->err));
    assert_int_equal(json_array_size(boxes), 1);
    assert_int_equal(json_get_integer(json_array_get(boxes, 0), "count", 0), 8);
    assert_int_equal(json_get_integer(json_array_get(boxes, 0), "bytes", 0), 40);
    OK(bodyworn_account_sum(w->db, DEVICE, &containers, &objects, &bytes, &w->err));
    assert_int_equal(containers, 1);
    assert_int_equal(objects, 8);
    assert_int_equal(bytes, 40);
    OK(bodyworn_account_sum(w->db, OTHER, &containers, &objects, &bytes, &w->err));
    assert_int_equal(containers + objects + bytes, 0);
    OK(bodyworn_clips_before(w->db, BOX, "ab", &before, &w->err));
    assert_int_equal(before, 4);
}

/* A clip is placed by what the system says of it, of its recording and of the officer; its take is the container. */
static void test_placing(void **state)
{
    struct world *w = take(state);
    struct recording_id clip = seal_as(w, bodyworn_arrival(NAME "/20261110_010600_a.mkv"), "video", 0);
    struct recording_id loose = seal_as(w, bodyworn_arrival("box/x.mkv"), "video", 0);
    _cleanup_json_ json_t *shown = NULL, *other = NULL;

    make_box(w, BOX, NAME, "recording", json_pack("{s:s, s:s}", "bwcserialnumber", "CAM9", "userid", "u-1"));
    make_box(w, USERS, "Users", "users", json_object());
    make_object(w, object_id('1'), USERS, "u-1", "setting", NULL, json_pack("{s:s}", "name", "李"));
    make_object(w, object_id('2'), BOX, "20261110_010600_a.mkv", "clip", clip.text,
                json_pack("{s:s, s:s}", "starttime", "1794272760", "stoptime", "1794272770"));
    make_object(w, object_id('3'), BOX, "20261110_010600_a.key", "key", NULL, json_object());
    make_object(w, object_id('4'), BOX, "20261110_010500_a.mkv", "clip", NULL, json_object());
    make_object(w, object_id('5'), BOX, "bookmark_1_1", "bookmark", NULL,
                json_pack("{s:s}", "categoryid", "hold-abuse"));
    place_it(w, clip);
    place_it(w, loose);
    shown = show(w, clip);
    assert_string_equal(json_get_string(shown, "take"), BOX);
    assert_string_equal(json_get_string(shown, "device"), "CAM9");
    assert_string_equal(json_get_string(shown, "officer"), "李");
    assert_true(json_get_integer(shown, "started", 0) == INT64_C(1794272760000000));
    assert_true(json_get_integer(shown, "ended", 0) == INT64_C(1794272770000000));
    assert_string_equal(json_get_string(shown, "certainty"), "certain");
    assert_string_equal(json_get_string(json_get_object(json_get_object(shown, "place"), "seq"), "value"),
                        "2");
    assert_int_equal(json_array_size(json_get_array(json_get_object(shown, "place"), "proposals")), 1);
    assert_int_equal(json_array_size(json_get_array(json_get_object(shown, "place"), "notes")), 1);
    other = show(w, loose); /* nothing was said of it yet */
    assert_null(json_get_string(other, "take"));
    assert_string_equal(json_get_string(other, "device"), "DOCK-SERIAL");
}

/* A recording of the same camera that touches one in a container joins no take that the system has said. */
static void test_takes_are_closed(void **state)
{
    struct world *w = take(state);
    struct recording_id clip = seal_as(w, bodyworn_arrival(NAME "/20261110_010600_a.mkv"), "video", 0), near;
    _cleanup_json_ json_t *shown = NULL;
    json_t *arrival = arrival_of("b.mp4");

    make_box(w, BOX, NAME, "recording", json_pack("{s:s}", "bwcserialnumber", "CAM9"));
    make_object(w, object_id('2'), BOX, "20261110_010600_a.mkv", "clip", clip.text,
                json_pack("{s:s, s:s}", "starttime", "1794272760", "stoptime", "1794272770"));
    place_it(w, clip);
    assert_int_equal(
        json_set_take(arrival, "sidecar",
                      json_pack("{s:s, s:s, s:s, s:s}", "device", "CAM9", "started", "2026-11-10T01:06:10Z",
                                "ended", "2026-11-10T01:06:20Z", "take", BOX)),
        0);
    near = seal_as(w, arrival, "video", 0);
    place_it(w, near);
    shown = show(w, near);
    assert_non_null(json_get_string(shown, "take"));
    assert_string_not_equal(json_get_string(shown, "take"), BOX); /* neither by being near nor by saying so */
}

static int run_again(struct txn *t, void *userdata, struct error *err)
{
    struct on_recording *o = userdata;

    return place_recording_again(t, o->w->placer, &o->id, err);
}

/* Placing again is an act only when something comes out otherwise. */
static void test_placing_again(void **state)
{
    struct world *w = take(state);
    struct recording_id clip = seal_as(w, bodyworn_arrival(NAME "/20261110_010600_a.mkv"), "video", 0);
    struct on_recording o = {w, clip, false};
    uint64_t leaves;

    make_box(w, BOX, NAME, "recording", json_object());
    make_object(w, object_id('2'), BOX, "20261110_010600_a.mkv", "clip", clip.text, json_object());
    place_it(w, clip);
    leaves = ledger_size(w->ledger);
    OK(writer_run(w->writer, false, run_again, &o, &w->err));
    assert_int_equal(ledger_size(w->ledger), leaves);
    OK(act(w, "bodyworn.container", BOX, 0,
           box_facts(DEVICE, NAME, "recording", NULL, json_pack("{s:s}", "bwcserialnumber", "CAM2"))));
    OK(writer_run(w->writer, false, run_again, &o, &w->err));
    assert_int_equal(ledger_size(w->ledger), leaves + 2);
}

static void test_show(void **state)
{
    struct world *w = take(state);
    struct recording_id clip = seal(w, "a"), stranger = seal(w, "b");
    _cleanup_json_ json_t *o = json_object(), *none = json_object();
    const json_t *b;

    make_box(w, BOX, NAME, "recording",
             json_pack("{s:s, s:s, s:s}", "triggeron", "Button", "triggerontime", "1794272760",
                       "triggeronlocation", "1 2"));
    make_object(w, object_id('1'), BOX, "a.mkv", "clip", clip.text, json_object());
    make_object(w, object_id('2'), BOX, "bookmark_1", "bookmark", NULL, json_pack("{s:s}", "tags", "k:v"));
    OK(bodyworn_show(w->db, clip.text, o, &w->err));
    OK(bodyworn_show(w->db, stranger.text, none, &w->err));
    b = json_get_object(o, "bodyworn");
    assert_string_equal(json_get_string(b, "container"), NAME);
    assert_string_equal(json_get_string(json_get_object(b, "trigger_on"), "why"), "Button");
    assert_int_equal(
        json_get_integer(json_get_object(json_get_object(b, "trigger_on"), "location"), "latitude", 0),
        10000000);
    assert_null(json_object_get(b, "trigger_off"));
    assert_null(json_object_get(b, "trails"));
    assert_int_equal(json_array_size(json_get_array(b, "clips")), 1);
    assert_string_equal(
        json_get_string(json_get_object(json_array_get(json_get_array(b, "bookmarks"), 0), "tags"), "k"),
        "v");
    assert_int_equal(json_object_size(none), 0);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        BOTH(test_containers),       BOTH(test_refused_containers), BOTH(test_objects),
        BOTH(test_refused_objects),  BOTH(test_listings),           BOTH(test_placing),
        BOTH(test_takes_are_closed), BOTH(test_placing_again),      BOTH(test_show),
    };

    return cmocka_run_group_tests_name("bodyworn-acts", tests, NULL, NULL);
}
