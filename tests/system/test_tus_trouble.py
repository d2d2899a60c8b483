# SPDX-License-Identifier: GPL-3.0-or-later
"""tus when things go wrong: two writers, clients that vanish, a daemon killed at any step and at any byte, restarts, expiry, no room, no
catalogue, other people's uploads."""
import hashlib
import json
import os
import pathlib
import random
import re
import threading
import time

import pytest

from conftest import ROOT
from tus_client import OFFSET, Tus, checksum, metadata

DATA = random.Random(5).randbytes(3_000_000)


def digests(daemon):
    """The digests of all sealed recordings."""
    return sorted(r["sha256"] for r in daemon.ls())


def sha256(data):
    return hashlib.sha256(data).hexdigest()


def finish(tus, url, data):
    """Goes on where the upload stands; returns the receipt."""
    at = tus.offset(url)
    assert at is not None and at <= len(data)
    answer = tus.patch(url, at, data[at:])
    assert answer.status == 204, answer
    assert answer["Liuhen-Sha256"] == sha256(data)
    return json.loads(tus.get(url).body)


def staging(daemon):
    """What lies in staging."""
    return sorted(os.listdir(daemon.archive / "staging"))


# ---- two at once, and nobody ----

def test_two_writers(daemon):
    tus = Tus(daemon)
    url = tus.made(len(DATA))
    with tus.begin("PATCH", url, {"Upload-Offset": 0, "Content-Type": OFFSET, "Content-Length": len(DATA)}, DATA[:100_000]) as first:
        daemon.wait(lambda: tus.head(url).status == 423, "a writer")
        for answer in (tus.patch(url, 0, DATA), tus.patch(url, 100_000, DATA[100_000:]), tus.delete(url)):
            assert answer.status == 423, answer
        assert tus.get(url).status == 409
        first.sendall(DATA[100_000:])
        assert first.recv(4096).startswith(b"HTTP/1.1 204")
    assert tus.offset(url) == len(DATA)
    assert digests(daemon) == [sha256(DATA)]


def test_many_writers_of_one(daemon):
    """However they race, the bytes are right and the recording is there once."""
    tus, url = Tus(daemon), None
    url = tus.made(len(DATA))
    statuses = []

    def write():
        while True:
            at = tus.head(url)
            if at.status == 200 and at["Upload-Offset"] == str(len(DATA)):
                return
            if at.status == 200:
                offset = int(at["Upload-Offset"])
                statuses.append(tus.patch(url, offset, DATA[offset:offset + 400_000]).status)
            else:
                time.sleep(0.01)
    threads = [threading.Thread(target=write) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert set(statuses) <= {204, 409, 423, 413} and statuses.count(204) >= 8
    assert digests(daemon) == [sha256(DATA)]


@pytest.mark.parametrize("sent", [0, 1, 65_535, 65_536, 1_000_003, len(DATA) - 1])
def test_client_gone(daemon, sent):
    """What came stays, and the upload goes on behind it."""
    tus = Tus(daemon)
    url = tus.made(len(DATA))
    with tus.begin("PATCH", url, {"Upload-Offset": 0, "Content-Type": OFFSET, "Content-Length": len(DATA)}, DATA[:sent]):
        if sent:
            daemon.wait(lambda: tus.head(url).status == 423, "a writer")
    assert tus.offset(url) == sent
    finish(tus, url, DATA)
    assert digests(daemon) == [sha256(DATA)]


def test_client_gone_before_its_checksum_could_be_compared(daemon):
    tus = Tus(daemon)
    url = tus.made(len(DATA))
    assert tus.patch(url, 0, DATA[:5000]).status == 204
    with tus.begin("PATCH", url, {"Upload-Offset": 5000, "Content-Type": OFFSET, "Content-Length": 900_000,
                                  "Upload-Checksum": checksum("sha1", DATA[5000:905_000])}, DATA[5000:800_000]):
        daemon.wait(lambda: tus.head(url).status == 423, "a writer")
    assert tus.offset(url) == 5000
    finish(tus, url, DATA)


# ---- restarts and kills ----

def test_restart(daemon):
    tus = Tus(daemon)
    url = tus.made(len(DATA), Upload_Metadata=metadata(filename="现场.mp4", officer="李"))
    deferred = tus.made(Upload_Defer_Length="1")
    part = tus.create(1000, DATA[:1000], Upload_Concat="partial")["Location"]
    assert tus.patch(url, 0, DATA[:1_234_567]).status == 204
    assert tus.patch(deferred, 0, DATA[:77]).status == 204
    before = tus.head(url)
    daemon.restart()
    after = tus.head(url)
    for name in ("Upload-Offset", "Upload-Length", "Upload-Metadata", "Upload-Expires"):
        assert after[name] == before[name]
    assert after["Upload-Offset"] == "1234567"
    assert tus.head(deferred)["Upload-Defer-Length"] == "1" and tus.offset(deferred) == 77
    assert tus.head(part)["Upload-Concat"] == "partial" and tus.offset(part) == 1000
    receipt = finish(tus, url, DATA)
    assert tus.patch(deferred, 77, DATA[77:5000], Upload_Length=5000).status == 204
    answer = tus.create(Upload_Concat=f"final;{part}")
    assert answer.status == 201 and answer["Liuhen-Sha256"] == sha256(DATA[:1000])
    assert digests(daemon) == sorted(map(sha256, (DATA, DATA[:1000], DATA[:5000])))
    daemon.restart()
    assert json.loads(tus.get(url).body) == receipt
    daemon.wait_idle()
    daemon.assert_clean()


def kill_points():
    """Every stop on the way of a resumable upload."""
    text = "".join(p.read_text(encoding="utf-8") for p in sorted((ROOT / "daemon/intake").glob("upload*.c")))
    points = sorted(set(re.findall(r'inject_point\("(upload\.[a-z-]+)"\)', text)))
    assert points
    return points + [f"seal.{step}" for step in ("staged", "intent", "synced", "moved", "stored", "stored-synced", "committed",
                                                 "published", "source", "done")] + ["db.commit", "fd.sync", "fd.rename"]


def persist(tus, data, url=None, **more):
    """What a client does that never gives up but once the daemon is gone: returns the upload's URL, None when there is none yet."""
    try:
        if url is None:
            url = tus.made(len(data), **more)
        while True:
            at = tus.offset(url)
            if at is None:
                return None
            if at == len(data):
                return url
            tus.patch(url, at, data[at:at + 1_000_000])
    except (OSError, AssertionError):
        if tus.daemon.process is None or tus.daemon.process.poll() is None:
            raise
        return url


@pytest.mark.parametrize("stop", kill_points())
@pytest.mark.parametrize("nth", [1, 2])
def test_killed_at_a_step(make_daemon, stop, nth):
    daemon = make_daemon().start()
    daemon.stop()
    daemon.start(ready=False, env={"LIUHEN_KILL_AT": f"{stop}:{nth}"})
    tus = Tus(daemon)
    daemon.wait(lambda: daemon.socket.exists() or not daemon.running(), "the socket") if daemon.running() else None
    url = persist(tus, DATA)
    if daemon.running():
        daemon.stop()  # it never came by so often
    else:
        assert daemon.wait_end() == -9, daemon.log()
    daemon.start()
    url = persist(tus, DATA, url) or persist(tus, DATA)
    daemon.wait(lambda: tus.get(url).status == 200, "a receipt")
    assert json.loads(tus.get(url).body)["sha256"] == sha256(DATA)
    assert digests(daemon) == [sha256(DATA)]
    daemon.wait_idle()
    daemon.assert_clean()


@pytest.mark.parametrize("seed", range(6))
def test_killed_at_any_byte(daemon, seed):
    """SIGKILL while bytes come, again and again: not one that was there before is asked for again after a crash of the daemon."""
    chance, tus = random.Random(seed), Tus(daemon)
    url, at = tus.made(len(DATA)), 0
    for _ in range(4):
        upto = chance.randrange(at, len(DATA))
        with tus.begin("PATCH", url, {"Upload-Offset": at, "Content-Type": OFFSET, "Content-Length": len(DATA) - at}, DATA[at:upto]):
            if chance.random() < 0.5:
                path = next(pathlib.Path(daemon.archive / "staging").glob("*.upload")) / "data"
                daemon.wait(lambda: path.stat().st_size == upto, "bytes in staging")  # pylint: disable=cell-var-from-loop
                least = upto
            else:
                least = at
            daemon.kill()
        daemon.start()
        at = tus.offset(url)
        assert least <= at <= upto
    finish(tus, url, DATA)
    assert digests(daemon) == [sha256(DATA)]
    daemon.wait_idle()
    daemon.assert_clean()


# ---- expiry ----

def test_expiry(make_daemon):
    daemon = make_daemon({"uploads": {"expire": "2 h"}}).start()
    tus = Tus(daemon)
    old, whole = tus.made(len(DATA)), tus.create(5, b"hello")["Location"]
    part = tus.create(1000, DATA[:1000], Upload_Concat="partial")["Location"]
    assert tus.patch(old, 0, DATA[:1000]).status == 204
    daemon.stop()
    daemon.start(env={"LIUHEN_CLOCK_OFFSET_SEC": "5400"})
    fresh = tus.made(len(DATA))
    assert tus.patch(old, 1000, DATA[1000:2000]).status == 204  # its time begins anew
    daemon.stop()
    daemon.start(env={"LIUHEN_CLOCK_OFFSET_SEC": "9000"})
    daemon.wait(lambda: tus.head(part).status in (404, 410), "end of the part")
    assert tus.offset(old) == 2000 and tus.offset(fresh) == 0
    daemon.stop()
    daemon.start(env={"LIUHEN_CLOCK_OFFSET_SEC": "20000"})
    daemon.wait(lambda: tus.head(old).status in (404, 410) and tus.head(fresh).status in (404, 410), "end of both")
    assert tus.patch(old, 2000, DATA[2000:]).status in (404, 410)
    daemon.wait(lambda: not [n for n in staging(daemon) if n[:26] in (old[5:], fresh[5:], part[5:])], "an empty staging")
    assert digests(daemon) == [sha256(b"hello")]
    assert tus.get(whole).status in (200, 404, 410)


# ---- no room, no catalogue ----

def test_no_room_for_what_is_announced(make_daemon):
    """507 before a single byte, and again when others have reserved what there was."""
    daemon = make_daemon({"uploads": {"max": "1000 TiB"}}).start()
    tus = Tus(daemon)
    disk = os.statvfs(daemon.archive)
    free = disk.f_bavail * disk.f_frsize
    answer = tus.create(free + (1 << 30))
    assert answer.status == 507 and answer["Location"] is None, answer
    assert not [n for n in staging(daemon) if n.endswith(".upload")]
    with tus.begin("POST", "/tus", {"Upload-Length": free + (1 << 30), "Content-Type": OFFSET, "Expect": "100-continue",
                                    "Content-Length": free + (1 << 30)}) as sock:
        assert sock.recv(4096).startswith(b"HTTP/1.1 507")
    half = tus.made(free * 6 // 10)
    assert tus.create(free * 6 // 10).status == 507
    daemon.restart()
    assert tus.create(free * 6 // 10).status == 507  # still reserved
    assert tus.delete(half).status == 204
    assert tus.create(free * 6 // 10).status == 201


def test_full_while_bytes_come(make_daemon):
    """What came stays; the rest comes when there is room again."""
    daemon = make_daemon().start()
    daemon.stop()
    daemon.start(env={"LIUHEN_FAIL_AT": "upload.write=ENOSPC:3"})
    tus = Tus(daemon)
    url = tus.made(len(DATA))
    answer = tus.patch(url, 0, DATA)
    if answer.status == 204:
        pytest.fail("upload.write is no stop any more")
    assert answer.status == 507, answer
    assert 0 < tus.offset(url) < len(DATA)
    finish(tus, url, DATA)
    assert digests(daemon) == [sha256(DATA)]


def test_catalogue_down_at_the_seal(make_daemon):
    """The upload stays whole, and asking again seals it: no byte is sent twice."""
    daemon = make_daemon().start()
    daemon.stop()
    daemon.start(env={"LIUHEN_FAIL_AT": "db.commit=EIO:1+"})
    tus = Tus(daemon)
    url = None
    answer = tus.create(len(DATA))
    if answer.status == 503:  # known before anything was taken
        assert "Retry-After" in answer.headers and not [n for n in staging(daemon) if n.endswith(".upload")]
        return
    url = answer["Location"]
    answer = tus.patch(url, 0, DATA)
    assert answer.status == 503 and answer["Retry-After"] and answer["Upload-Offset"] == str(len(DATA)), answer
    head = tus.head(url)
    assert head.status == 423 or head["Upload-Offset"] == head["Upload-Length"]
    daemon.restart()
    daemon.wait(lambda: tus.get(url).status == 200, "a receipt")
    answer = tus.patch(url, len(DATA))
    assert answer.status == 204 and answer["Liuhen-Sha256"] == sha256(DATA)
    assert digests(daemon) == [sha256(DATA)]


# ---- what it says of itself ----

def test_metadata_become_facts(daemon):
    tus = Tus(daemon)
    answer = tus.create(5, b"hello", Upload_Metadata=metadata(
        filename="clip 1.mp4", filetype="video/mp4", device="CAM-9", officer="李警官", case="卫2026-12", role="evidence", step="送达",
        started="2026-11-20T09:05:07+08:00", ended="2026-11-20T09:06:07+08:00", channel="2", seq="17", mtime="1700000000000000",
        clock_offset="-2500000", path="DCIM/100/clip 1.mp4", relativePath="null"))
    assert answer.status == 201, answer
    daemon.wait_idle()
    row = next(r for r in daemon.ls() if r["id"] == answer["Liuhen-Recording"])
    assert (row["name"], row["device"], row["officer"]) == ("clip 1.mp4", "CAM-9", "李警官")
    arrival = json.loads(next((daemon.archive / "objects").rglob("arrival.json")).read_text(encoding="utf-8"))["arrival"]
    assert arrival["door"] == "tus" and arrival["path"] == "DCIM/100/clip 1.mp4" and arrival["mtime"] == 1700000000000000
    assert arrival["clock_offset"] == -2500000
    assert arrival["sidecar"] == {"type": "video/mp4", "device": "CAM-9", "officer": "李警官", "case": "卫2026-12", "role": "evidence",
                                  "step": "送达", "started": "2026-11-20T09:05:07+08:00", "ended": "2026-11-20T09:06:07+08:00",
                                  "channel": "2", "seq": "17"}


def test_names_in_any_bytes(daemon):
    """A name that is no UTF-8 is kept to the last byte, percent-encoded, also over a restart."""
    tus = Tus(daemon)
    name = "现场.mp4".encode("gb18030")
    url = tus.made(5, Upload_Metadata=metadata(filename=name, officer=b"\xff\xfe"))
    assert tus.patch(url, 0, b"he").status == 204
    daemon.restart()
    assert tus.patch(url, 2, b"llo").status == 204
    arrival = json.loads(next((daemon.archive / "objects").rglob("arrival.json")).read_text(encoding="utf-8"))
    encoded = "".join(chr(b) if 0x20 <= b < 0x7f and b != 0x25 else f"%{b:02X}" for b in name)
    assert arrival["arrival"]["path"] == encoded
    assert arrival["arrival"]["sidecar"] == {"officer": "%FF%FE"}


def test_the_same_bytes_again(daemon):
    tus = Tus(daemon)
    first, again = tus.create(len(DATA), DATA), tus.create(len(DATA), DATA)
    assert first["Liuhen-Recording"] == again["Liuhen-Recording"] and first["Location"] != again["Location"]
    receipts = [json.loads(tus.get(answer["Location"]).body) for answer in (first, again)]
    assert [r["again"] for r in receipts] == [False, True]
    assert receipts[0]["leaf"] == receipts[1]["leaf"]
    assert digests(daemon) == [sha256(DATA)]
