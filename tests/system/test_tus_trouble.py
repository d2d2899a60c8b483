# SPDX-License-Identifier: GPL-3.0-or-later
"""tus when things go wrong: two writers, clients that vanish, a daemon killed at any step and at any byte, restarts, expiry, no room, no
catalogue, other people's uploads."""
import hashlib
import http.client
import json
import os
import pathlib
import random
import re
import subprocess
import threading
import time
from email.utils import parsedate_to_datetime
from urllib.parse import unquote_to_bytes

import pytest

from conftest import ROOT
from tus_client import OFFSET, Tus, checksum, metadata, was_read

DATA = random.Random(5).randbytes(3_000_000)


def digests(daemon):
    """The digests of all sealed recordings."""
    return sorted(r["digest"] for r in daemon.ls())


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
    daemon.write_config(uploads={"silent": "1 h"})  # test_tus_stall.py has those that are cut
    daemon.reload()
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
    daemon.write_config(uploads={"silent": "1 h"})  # on a busy machine bytes may wait longer than that to be read
    daemon.reload()
    tus = Tus(daemon)
    url = tus.made(len(DATA))
    with tus.begin("PATCH", url, {"Upload-Offset": 0, "Content-Type": OFFSET, "Content-Length": len(DATA)}, DATA[:sent]) as sock:
        if sent:
            daemon.wait(lambda: tus.head(url).status == 423 and was_read(sock), "a writer that has all")
    assert tus.offset(url) == sent
    finish(tus, url, DATA)
    assert digests(daemon) == [sha256(DATA)]


def test_client_gone_before_its_checksum_could_be_compared(daemon):
    daemon.write_config(uploads={"silent": "1 h"})
    daemon.reload()
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
    again = json.loads(tus.get(url).body)
    assert again.pop("receipt") and receipt.pop("receipt")  # by the checkpoint of today
    assert again == receipt
    daemon.wait_idle()
    daemon.assert_clean()


SEAL = [f"seal.{step}" for step in ("staged", "intent", "synced", "moved", "stored", "stored-synced", "committed", "published",
                                    "source", "done")]


def kill_cases():
    """(stop, how) for every stop on the way of a resumable upload, found in the source so that none is forgotten."""
    text = "".join(p.read_text(encoding="utf-8") for p in sorted((ROOT / "daemon/intake").glob("upload*.c")))
    points = sorted(set(re.findall(r'inject_point\("(upload\.[a-z-]+)"\)', text)))
    assert len(points) > 5
    cases = [(point, how) for point in points for how in ("whole", "parts")]
    cases += [(f"upload.{step}:{n}", "whole") for step in ("info", "sync", "write", "open") for n in (2, 4)]
    return cases + [(point, how) for point in SEAL for how in ("whole", "parts")] + [("upload.data>db.commit", "whole"), ("upload.created>fd.sync", "parts")]


class Gone(Exception):
    """The daemon was killed."""


class Sender:
    """A good client, which remembers what it was told and goes on there, however often the daemon dies."""

    def __init__(self, tus):
        self.tus, self.urls, self.final = tus, {}, None

    def bytes(self, key, data, **more):
        """Brings one upload to its end: pieces of 1 MB, of each the first time a wrong one that its checksum shows."""
        if key not in self.urls:
            self.urls[key] = self.tus.made(len(data), **more)
        while (at := self.tus.offset(self.urls[key])) is not None and at < len(data):
            piece = data[at:at + 1_000_000]
            answer = self.tus.patch(self.urls[key], at, piece[:-1] + b"?", Upload_Checksum=checksum("sha1", piece))
            assert answer.status in (460, 204), answer
            answer = self.tus.patch(self.urls[key], at, piece, Upload_Checksum=checksum("sha1", piece))
            assert answer.status in (204, 409, 423), answer
        if at is None:
            del self.urls[key]
        return at is not None

    def receipt(self, url):
        answer = None

        def given():
            nonlocal answer
            answer = self.tus.get(url)
            return answer.status == 200
        self.tus.daemon.wait(given, "a receipt")
        return json.loads(answer.body)

    def whole(self):
        while not self.bytes("whole", DATA):
            pass
        return self.receipt(self.urls["whole"])

    def parts(self):
        while not self.final:
            if self.bytes("first", DATA[:1_700_000], Upload_Concat="partial") and \
                    self.bytes("second", DATA[1_700_000:], Upload_Concat="partial"):
                answer = self.tus.create(Upload_Concat=f"final;{self.urls['first']} {self.urls['second']}")
                assert answer.status in (201, 404, 423), answer
                self.final = answer["Location"]
        return self.receipt(self.final)

    def send(self, how):
        try:
            return getattr(self, how)()
        except (OSError, http.client.HTTPException, AssertionError) as fault:
            try:
                self.tus.daemon.process.wait(5)
            except subprocess.TimeoutExpired:
                raise fault from None
            raise Gone from None


@pytest.mark.parametrize("stop,how", kill_cases())
def test_killed_at_a_step(make_daemon, stop, how):
    daemon = make_daemon().start()
    daemon.stop()
    daemon.start(env={"LIUHEN_KILL_AT": stop})
    sender = Sender(Tus(daemon))
    try:
        sender.send(how)
        daemon.stop()  # it does not come by there (so often)
    except Gone:
        assert daemon.wait_end() == -9, daemon.log()
    daemon.start()
    assert sender.send(how)["sha256"] == sha256(DATA)
    assert digests(daemon) == [sha256(DATA)]
    daemon.wait_idle()
    if how == "whole":  # at most an empty one, of whose making nobody was told
        assert sum(path.stat().st_size for path in (daemon.archive / "staging").glob("*.upload/data")) == 0
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
    before = parsedate_to_datetime(tus.patch(old, 0, DATA[:1000])["Upload-Expires"])
    assert before == parsedate_to_datetime(tus.head(old)["Upload-Expires"])
    daemon.stop()
    daemon.start(env={"LIUHEN_CLOCK_OFFSET_SEC": "5400"})
    assert tus.offset(part) == 1000
    later = parsedate_to_datetime(tus.patch(old, 1000, DATA[1000:2000])["Upload-Expires"])
    assert 5400 <= (later - before).total_seconds() < 5400 + 600  # its time begins anew with each byte
    daemon.stop()
    daemon.start(env={"LIUHEN_CLOCK_OFFSET_SEC": "20000"})
    daemon.wait(lambda: all(tus.head(url).status in (404, 410) for url in (old, part)), "end of both")
    assert tus.patch(old, 2000, DATA[2000:]).status in (404, 410)
    daemon.wait(lambda: not [n for n in staging(daemon) if n[:26] in (old[5:], part[5:])], "an empty staging")
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
    daemon.start(env={"LIUHEN_FAIL_AT": "upload.data>db.commit=EIO:1+"})
    tus = Tus(daemon)
    url, answers = tus.made(len(DATA)), []
    sender = threading.Thread(target=lambda: answers.append(tus.patch(url, 0, DATA)))
    sender.start()
    head = None

    def whole():
        nonlocal head
        head = tus.head(url)
        return head["Upload-Offset"] == str(len(DATA))
    daemon.wait(whole, "the last byte")
    assert head.status == 423 and head["Upload-Length"] == str(len(DATA))  # 200 would say that it is done
    assert tus.get(url).status in (409, 503) and tus.delete(url).status == 423
    daemon.wait_log("does not take writes")
    answer = tus.create(len(DATA))
    assert answer.status == 503 and answer["Retry-After"], answer  # before a byte is taken
    assert len([name for name in staging(daemon) if name.endswith(".upload")]) == 1
    daemon.stop()  # waits no longer for the catalogue
    sender.join()
    assert answers[0].status == 503 and answers[0]["Retry-After"] and answers[0]["Upload-Offset"] == str(len(DATA)), answers
    daemon.start()
    daemon.wait(lambda: tus.get(url).status == 200, "a receipt")
    assert tus.head(url).status == 200
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
    assert unquote_to_bytes(arrival["arrival"]["path"]) == name
    assert arrival["arrival"]["sidecar"] == {"officer": "%FF%FE"}


def test_the_same_bytes_again(daemon):
    tus = Tus(daemon)
    first, again = tus.create(len(DATA), DATA), tus.create(len(DATA), DATA)
    assert first["Liuhen-Recording"] == again["Liuhen-Recording"] and first["Location"] != again["Location"]
    receipts = [json.loads(tus.get(answer["Location"]).body) for answer in (first, again)]
    assert [r["again"] for r in receipts] == [False, True]
    assert receipts[0]["leaf"] == receipts[1]["leaf"]
    assert digests(daemon) == [sha256(DATA)]
