# SPDX-License-Identifier: GPL-3.0-or-later
"""Derivatives: what is made of recordings after they came, by whom, when, and what happens when something fails on the way."""
import hashlib
import json
import pathlib
import sqlite3
import subprocess

import pytest
from ports import free_port

DERIVE = {"enabled": True, "load": 0, "nice": 0}
ON = {"media": {"derive": DERIVE}}
SWEEP = {"LIUHEN_FAIL_AT": "derive.sweep=EIO"}  # the first one at once
VIDEO = {"proxy.mp4", "poster.jpg", "sprite.jpg", "sprite.vtt", "peaks.json"}


def rows(daemon, query, *values):
    """What the catalogue says, read beside the daemon."""
    db = sqlite3.connect(f"file:{daemon.archive}/catalogue.db?mode=ro", uri=True, timeout=20)
    try:
        db.row_factory = sqlite3.Row
        return [dict(r) for r in db.execute(query, values)]
    finally:
        db.close()


def jobs(daemon):
    return rows(daemon, "SELECT * FROM jobs ORDER BY id")


def wait_jobs(daemon, count, *states):
    """Waits until there are so many jobs and all of them are in one of the states."""
    def ended():
        found = jobs(daemon)
        return found if len(found) >= count and all(j["state"] in states for j in found) else None
    return daemon.wait(ended, f"{count} jobs in {states}")


def derivatives(daemon):
    return {d["name"]: d for d in rows(daemon, "SELECT * FROM derivatives ORDER BY name")}


def path_of(daemon, row):
    return pathlib.Path(daemon.archive, "cache/derivatives", row["recording"][-2:], row["recording"], row["file"])


def files(daemon):
    cache = pathlib.Path(daemon.archive, "cache")
    return {p for p in cache.rglob("*") if p.is_file() and p != cache / "node"}


def assert_whole(daemon):
    """Every row has its file, with the length and the bytes that it says, and no file is there without a row."""
    found = rows(daemon, "SELECT * FROM derivatives")
    for row in found:
        data = path_of(daemon, row).read_bytes()
        assert (len(data), hashlib.sha256(data).hexdigest()) == (row["size_bytes"], row["etag"])
    daemon.wait(lambda: files(daemon) == {path_of(daemon, r) for r in found}, "a clean cache")  # just behind the job's end


@pytest.mark.parametrize("kind,names", [("photo", {"photo-large.jpg", "photo-small.jpg"}), ("video", VIDEO),
                                        ("audio", {"proxy.mp4", "peaks.json"}), ("pdf", {"page-1.jpg"})])
def test_what_each_kind_gets(make_daemon, media, kind, names):
    daemon = make_daemon(ON).start()
    daemon.drop(f"clip{media(kind).suffix}", media(kind))
    job, = wait_jobs(daemon, 1, "done", "failed")
    assert (job["state"], job["message"]) == ("done", None)
    assert set(derivatives(daemon)) == names
    assert_whole(daemon)
    assert daemon.cli("status")["derive"]["jobs"] == {"waiting": 0, "running": 0, "failed": 0}
    daemon.assert_clean()


def test_nothing_is_made_of_what_is_no_medium_nor_when_it_is_off(make_daemon, media):
    daemon = make_daemon(ON).start()
    daemon.drop("a.bin", b"no medium at all")
    daemon.wait_sealed(1)
    daemon.wait_idle()
    assert jobs(daemon) == []
    daemon.write_config(media={"derive": {"enabled": False}})
    daemon.reload()
    daemon.drop("p.jpg", media("photo"))
    daemon.wait_sealed(2)
    daemon.wait_idle()
    assert jobs(daemon) == []
    daemon.write_config(media={"derive": {"enabled": True, "load": 0}})  # what came meanwhile is found by the sweep after a reload
    daemon.reload()
    job, = wait_jobs(daemon, 1, "done")
    assert job["priority"] == 2


def test_damaged_media_end_their_job_with_a_reason(make_daemon, media):
    daemon = make_daemon(ON).start()
    whole = media("video").read_bytes()
    daemon.drop("cut.mp4", whole[:whole.index(b"moov") - 4])
    job, = wait_jobs(daemon, 1, "done", "failed")
    assert job["message"]
    daemon.wait(lambda: not list(pathlib.Path(daemon.archive, "cache/making").glob("*")), "nothing half made")
    assert_whole(daemon)
    daemon.assert_clean()


def document(pages):
    """A PDF; a page is a blue square, or, where a number is given, one in a colour whose function opens so many braces, which
    poppler follows down its stack until there is none left."""
    objects = [b"<< /Type /Catalog /Pages 2 0 R >>", b""]

    def add(data):
        objects.append(data)
        return b"%d 0 R" % len(objects)

    def stream(head, data):
        return add(b"<< %s /Length %d >>\nstream\n%s\nendstream" % (head, len(data), data))

    kids = []
    for braces in pages:
        content = stream(b"", b"/K cs 0.5 scn 10 10 50 50 re f" if braces else b"0 0 1 rg 10 10 50 50 re f")
        function = stream(b"/FunctionType 4 /Domain [0 1] /Range [0 1 0 1 0 1]", b"{" * braces)
        kids.append(add(b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 100 100] /Contents %s /Resources << /ColorSpace << /K "
                        b"[/Separation /X /DeviceRGB %s] >> >> >>" % (content, function)))
    objects[1] = b"<< /Type /Pages /Count %d /Kids [%s] >>" % (len(kids), b" ".join(kids))
    out, places = b"%PDF-1.4\n", []
    for i, data in enumerate(objects):
        places.append(len(out))
        out += b"%d 0 obj\n%s\nendobj\n" % (i + 1, data)
    return out + (b"xref\n0 %d\n0000000000 65535 f \n" % (len(places) + 1) + b"".join(b"%010d 00000 n \n" % p for p in places) +
                  b"trailer << /Size %d /Root 1 0 R >>\nstartxref\n%d\n%%%%EOF\n" % (len(places) + 1, len(out)))


BRACES = 1000000


@pytest.mark.parametrize("pages,made", [([0, 0, BRACES, 0], [1, 2, 4]), ([BRACES, 0, BRACES, 0], [2, 4]),
                                        ([0, BRACES, BRACES, BRACES, 0], [1])])
def test_a_page_that_kills_is_left_out_and_the_others_are_shown(make_daemon, pages, made):
    daemon = make_daemon(ON).start()
    daemon.drop("letter.pdf", document(pages))
    job, = wait_jobs(daemon, 1, "done", "failed")
    assert (job["state"], job["tries"]) == ("done", 1)
    assert sorted(derivatives(daemon)) == [f"page-{n}.jpg" for n in made]
    missing = {m["name"] for m in json.loads(job["missing"])}
    assert missing == {f"page-{n}.jpg" for n in range(1, len(pages) + 1) if n not in made}
    assert_whole(daemon)
    daemon.assert_clean()


POINTS = ["derive.taken", "derive.run", "derive.made", "derive.renamed", "derive.renamed:2", "derive.kept",
          "derive.taken>db.commit", "derive.made>db.commit", "derive.committed", "derive.ended"]


@pytest.mark.parametrize("point", POINTS)
def test_killed_at_any_point_it_is_made_all_the_same(make_daemon, media, point):
    daemon = make_daemon(ON)
    daemon.start(env={"LIUHEN_KILL_AT": point})
    daemon.drop("p.jpg", media("photo"))
    assert daemon.wait_end() == -9
    daemon.start()
    job, = wait_jobs(daemon, 1, "done", "failed")
    assert (job["state"], job["tries"]) == ("done", 0)
    assert set(derivatives(daemon)) == {"photo-large.jpg", "photo-small.jpg"}
    assert_whole(daemon)
    assert daemon.stop() == 0
    assert list(pathlib.Path(daemon.archive, "cache/making").glob("*")) == []
    daemon.assert_clean()


def test_what_is_only_copied_is_there_before_the_rest(make_daemon, media):
    """Killed between the two runs: what is there is served, and the rest is made when it starts again."""
    daemon = make_daemon(ON)
    daemon.start(env={"LIUHEN_KILL_AT": "derive.early"})
    daemon.drop("clip.mp4", media("video"))
    assert daemon.wait_end() == -9
    early = derivatives(daemon)
    assert set(early) == {"proxy.mp4", "poster.jpg"}
    daemon.start()
    job, = wait_jobs(daemon, 1, "done", "failed")
    assert (job["state"], job["tries"]) == ("done", 0)
    assert set(derivatives(daemon)) > {"proxy.mp4", "poster.jpg", "sprite.jpg", "sprite.vtt"}
    assert_whole(daemon)
    daemon.assert_clean()


@pytest.mark.parametrize("point", ["derive.early=EIO", "derive.renamed=ENOSPC:2", "derive.renamed=EIO:4"])
def test_a_fault_between_the_copy_and_the_rest(make_daemon, media, point):
    daemon = make_daemon(ON)
    daemon.start(env={"LIUHEN_FAIL_AT": point})
    daemon.drop("clip.mp4", media("video"))
    daemon.wait_log("are made later")
    job, = wait_jobs(daemon, 1, "done", "failed")
    assert (job["state"], job["tries"]) == ("done", 0)
    assert_whole(daemon)
    daemon.assert_clean()


def test_a_copy_is_taken_back_when_pictures_turn_out_broken(make_daemon, tmp_path):
    """Players stop where a decoder of ours goes on: what was copied at once is replaced by what is encoded."""
    subprocess.run(["ffmpeg", "-v", "error", "-f", "lavfi", "-i", "testsrc2=s=640x480:r=10:d=6,noise=alls=20", "-c:v", "libx264", "-g", "10", "-preset", "ultrafast",
                    "-movflags", "faststart", str(tmp_path / "a.mp4")], check=True, stdin=subprocess.DEVNULL)
    data = bytearray((tmp_path / "a.mp4").read_bytes())
    listed = subprocess.run(["ffprobe", "-v", "error", "-show_entries", "packet=pos,size,flags", "-of", "csv=p=0", str(tmp_path / "a.mp4")], check=True,
                            capture_output=True, text=True).stdout.split()
    keys = [tuple(map(int, line.split(",")[:2])) for line in listed if "K" in line]
    size, at = keys[4]
    data[at + size // 2:at + size // 2 + 200] = bytes(200)
    daemon = make_daemon(ON).start()
    daemon.drop("a.mp4", bytes(data))
    job, = wait_jobs(daemon, 1, "done", "failed")
    assert job["state"] == "done"
    assert derivatives(daemon)["proxy.mp4"]["how"] == "encoded"
    assert_whole(daemon)
    daemon.assert_clean()


@pytest.mark.parametrize("point", ["derive.run=ENOSPC", "derive.made=EIO", "derive.renamed=ENOSPC:2", "derive.kept=EIO"])
def test_what_is_our_fault_is_put_off_and_not_held_against_it(make_daemon, media, point):
    daemon = make_daemon(ON)
    daemon.start(env={"LIUHEN_FAIL_AT": point})
    daemon.drop("p.jpg", media("photo"))
    daemon.wait_log("are made later")
    assert "No space left" in daemon.log() or "Input/output error" in daemon.log()
    job, = wait_jobs(daemon, 1, "done", "failed")
    assert (job["state"], job["tries"]) == ("done", 0)
    assert_whole(daemon)


def test_a_fault_that_strikes_all_is_not_tried_on_each_at_once(make_daemon, media):
    """Else a million jobs would be taken, put off and logged, over and over, on a disk that is full."""
    daemon = make_daemon(ON)
    daemon.start(env={"LIUHEN_FAIL_AT": "derive.run=ENOSPC"})  # the first one only
    data = media("photo").read_bytes()
    daemon.drop("first.jpg", data)
    daemon.wait_log("are made later")
    daemon.stop()
    daemon.start(env={"LIUHEN_FAIL_AT": "derive.run=ENOSPC:1+"})
    for i in range(12):
        daemon.drop(f"p{i}.jpg", data + bytes([i]))
    daemon.wait(lambda: len(jobs(daemon)) == 13, "the jobs")
    daemon.wait(lambda: len([j for j in jobs(daemon) if j["troubles"] > 0]) >= 3, "three that were put off")
    assert [j for j in jobs(daemon) if j["troubles"] == 0], "all of them were taken one after the other"
    assert {j["state"] for j in jobs(daemon)} == {"waiting"}


def test_what_was_kept_for_nothing_goes(make_daemon, media):
    daemon = make_daemon(ON)
    daemon.start(env={"LIUHEN_FAIL_AT": "derive.kept=EIO:1+"})
    daemon.drop("p.jpg", media("photo"))
    daemon.wait(lambda: [j for j in jobs(daemon) if j["troubles"] >= 2], "two that came to nothing")
    daemon.wait(lambda: files(daemon) == set(), "nothing that no row names")


def test_what_is_being_made_gives_way_when_the_disk_fills_up(make_daemon, media):
    daemon = make_daemon({"media": {"derive": {**DERIVE, "cpu": 1}}})
    daemon.start(env={"LIUHEN_FAIL_AT": "derive.space=ENOSPC:2"})  # there is room when it begins, and then none
    daemon.drop("v.mp4", media("video", seconds=3))
    daemon.wait_log("disk nearly full")
    job, = jobs(daemon)
    assert (job["tries"], job["state"]) != (1, "failed") and job["troubles"] == 1
    daemon.write_config(media={"derive": {"cpu": 0}})
    daemon.reload()
    job, = wait_jobs(daemon, 1, "done", "failed")
    assert (job["state"], job["tries"]) == ("done", 0)
    assert_whole(daemon)


def test_what_somebody_waits_for_is_made_out_of_hours_also_when_asked_before_it_was_examined(make_daemon, media):
    daemon = make_daemon({"http": {"loopback": f"127.0.0.1:{free_port()}"},
                          "media": {"derive": {**DERIVE, "hours": "00:00-00:01"}}}).start()
    if not daemon.cli("status")["derive"].get("paused"):
        pytest.skip("it is just that minute")
    daemon.drop("p.jpg", media("photo"))
    recording = daemon.wait_sealed(1)[0]["id"]
    daemon.cli("open", recording, "--wait")  # mostly it is still to be examined
    daemon.drop("q.jpg", media("photo").read_bytes() + b"x")
    daemon.wait(lambda: [j for j in jobs(daemon) if j["state"] == "waiting"], "one that waits for its hour")
    other, = {r["id"] for r in daemon.wait_sealed(2)} - {recording}
    daemon.cli("open", other, "--wait")
    wait_jobs(daemon, 2, "done")


def test_no_worker_is_our_fault(make_daemon, media, work):
    daemon = make_daemon(ON).start()
    daemon.drop("p.jpg", media("photo"))
    wait_jobs(daemon, 1, "done")
    for path in files(daemon):
        path.unlink()
    daemon.write_config(media={"worker": str(work / "nowhere")})
    daemon.reload()  # sweeps
    job, = daemon.wait(lambda: [j for j in jobs(daemon) if j["troubles"] > 0], "trouble")
    assert (job["tries"], job["state"]) == (0, "waiting")
    assert "trouble" in daemon.cli("status")["derive"]
    daemon.write_config(media={"worker": str(daemon.build / "liuhen-media")})
    daemon.reload()
    wait_jobs(daemon, 1, "done")
    assert_whole(daemon)


def test_the_sweep_finds_what_is_missing_and_what_is_nobodys(make_daemon, media):
    daemon = make_daemon(ON).start()
    daemon.drop("p.jpg", media("photo"))
    wait_jobs(daemon, 1, "done")
    before = derivatives(daemon)
    path_of(daemon, before["photo-small.jpg"]).unlink()
    stranger = pathlib.Path(daemon.archive, "cache/derivatives/AV/01ARZ3NDEKTSV4RRFFQ69G5FAV/x-proxy.mp4")
    stranger.parent.mkdir(parents=True)
    stranger.write_bytes(b"of nobody")
    pathlib.Path(daemon.archive, "cache/copies/01ARZ3NDEKTSV4RRFFQ69G5FAV").mkdir(parents=True)
    daemon.stop()
    daemon.start(env=SWEEP)
    daemon.wait(lambda: derivatives(daemon)["photo-small.jpg"]["file"] != before["photo-small.jpg"]["file"], "it made anew")
    daemon.wait(lambda: not stranger.parent.exists(), "the stranger gone")
    daemon.wait(lambda: not pathlib.Path(daemon.archive, "cache/copies/01ARZ3NDEKTSV4RRFFQ69G5FAV").exists(), "the copy gone")
    assert_whole(daemon)


def test_another_recipe_makes_anew_and_the_old_is_there_meanwhile(make_daemon, media):
    daemon = make_daemon(ON).start()
    daemon.drop("v.mp4", media("video"))
    job, = wait_jobs(daemon, 1, "done")
    old = derivatives(daemon)
    assert set(old) == VIDEO
    daemon.write_config(media={"derive": {"hours": "00:00-00:01", "height": 144}})
    if daemon.cli("status")["derive"].get("paused"):
        pytest.skip("it is just that minute")
    daemon.reload()
    again, = daemon.wait(lambda: [j for j in jobs(daemon) if j["state"] == "waiting"], "a job that waits")
    assert again["id"] == job["id"] and again["priority"] == 3
    assert derivatives(daemon) == old  # until the new ones are whole
    assert_whole(daemon)
    assert "it is not the time" in daemon.wait(lambda: daemon.cli("status")["derive"].get("paused"), "a pause")
    daemon.write_config(media={"derive": {"hours": ""}})
    daemon.reload()
    last, = wait_jobs(daemon, 1, "done")
    assert last["recipe"] != job["recipe"]
    assert derivatives(daemon)["proxy.mp4"]["file"] != old["proxy.mp4"]["file"]
    assert_whole(daemon)


def test_after_a_rebuild_everything_is_made_again(make_daemon, media):
    daemon = make_daemon(ON).start()
    daemon.drop("p.jpg", media("photo"))
    wait_jobs(daemon, 1, "done")
    daemon.stop()
    for name in ("catalogue.db", "catalogue.db-wal", "catalogue.db-shm"):
        pathlib.Path(daemon.archive, name).unlink(missing_ok=True)
    done = daemon.run("rebuild", "--archive", daemon.archive, "--to", pathlib.Path(daemon.archive, "catalogue.db"))
    assert done.returncode == 0, done.stderr
    daemon.start(env=SWEEP)
    wait_jobs(daemon, 1, "done")
    assert_whole(daemon)
    daemon.assert_clean()


def test_stopping_gives_up_what_is_being_made_and_goes_on_later(make_daemon, media):
    daemon = make_daemon({"media": {"derive": {**DERIVE, "cpu": 1}}}).start()  # of one processor, a hundredth
    daemon.drop("v.mp4", media("video", seconds=3))
    daemon.wait(lambda: [j for j in jobs(daemon) if j["state"] == "running"], "a job that runs")
    assert daemon.stop() == 0
    job, = jobs(daemon)
    assert (job["state"], job["tries"], job["starts"]) == ("waiting", 0, 0)
    daemon.write_config(media={"derive": {"cpu": 0}})
    daemon.start()
    wait_jobs(daemon, 1, "done")
    assert_whole(daemon)


def test_postgres(make_daemon, media, postgres):
    daemon = make_daemon({**ON, "catalogue": {"dsn": postgres}}).start()
    daemon.drop("p.jpg", media("photo"))
    daemon.wait_log("are made: ok")
    daemon.wait(lambda: len(files(daemon)) == 2, "both files")
    assert daemon.cli("status")["derive"]["jobs"] == {"waiting": 0, "running": 0, "failed": 0}
    daemon.stop()
    for path in files(daemon):
        path.unlink()
    daemon.start(env=SWEEP)
    daemon.wait(lambda: len(files(daemon)) == 2, "both files again")
