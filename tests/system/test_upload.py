# SPDX-License-Identifier: GPL-3.0-or-later
"""PUT and POST /upload with real curl: what cameras and people send, what becomes of it, and receipts that verify offline. What goes
wrong stands in test_upload_trouble.py."""
import base64
import csv
import hashlib
import json
import os
import random
import subprocess
import urllib.parse
import zlib

import pytest

from archive_view import assert_fsck_clean, originals
from conftest import SHARED, succeeded
from upload_client import FORM, Raw, content, curl, form, part, post_form, put, staging, wait_no_staging

DATA = random.Random(3).randbytes(300_000)


@pytest.fixture(name="clip")
def clip_file(work):
    path = work / "clip.bin"
    path.write_bytes(DATA)
    return path


def assert_receipt(daemon, receipt, data):
    """A receipt as JSON: it names these bytes, they are in the store, and `liuhen verify` believes it without the daemon."""
    assert receipt["sha256"] == hashlib.sha256(data).hexdigest() and receipt["bytes"] == len(data)
    assert content(daemon, receipt["recording"]) == data
    proof, copy = daemon.work / "r.tlog-proof", daemon.work / "copy"
    proof.write_text(receipt["receipt"], encoding="utf-8")
    copy.write_bytes(data)
    succeeded(subprocess.run([daemon.build / "liuhen", "--socket", "/nowhere", "verify", proof, copy, "--key",
                              daemon.archive / "ledger/ledger.pub"], capture_output=True, text=True, check=False))
    copy.write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
    assert subprocess.run([daemon.build / "liuhen", "verify", proof, copy, "--key", daemon.archive / "ledger/ledger.pub"],
                          capture_output=True, check=False).returncode != 0


def place(daemon, recording):
    """What is known of where a recording belongs: key → value."""
    daemon.wait_idle()
    shown = daemon.cli("show", recording)
    return {key: fact["value"] for key, fact in shown["place"].items() if isinstance(fact, dict) and "value" in fact}


def arrival_of(daemon, recording):
    return daemon.cli("show", recording)["arrival"]


# ---- one file ----

def test_put(daemon, clip):
    answer = put(daemon, clip, "clip.bin")
    assert answer.status == 201, answer
    assert answer.headers["location"] == f"/v1/recordings/{answer.json['recording']}"
    assert_receipt(daemon, answer.json, DATA)
    assert [r["name"] for r in daemon.ls()] == ["clip.bin"] and staging(daemon) == []
    assert_fsck_clean(daemon)


def test_same_bytes_again_have_the_first_receipt(daemon, clip):
    first = put(daemon, clip).json
    for again in (put(daemon, clip, "other-name.bin"), curl(daemon, "--data-binary", f"@{clip}", "/upload"),
                  curl(daemon, "-F", f"file=@{clip}", "/upload")):
        assert again.status == 200, again
        receipt = again.json["files"][0] if "files" in again.json else again.json
        assert receipt["again"] and (receipt["recording"], receipt["leaf"]) == (first["recording"], first["leaf"])
        assert_receipt(daemon, receipt, DATA)
    assert len(daemon.ls()) == 1 and len(daemon.cli("show", first["recording"])["arrivals"]) == 4
    assert_fsck_clean(daemon)


@pytest.mark.parametrize("words", [["-H", "Transfer-Encoding: chunked"], ["--limit-rate", "400k"], ["-H", "Expect:"],
                                   ["-H", "Expect: 100-continue"], ["--http1.0"], ["-H", "Connection: close"]])
def test_ways_of_sending(daemon, clip, words):
    answer = put(daemon, clip, "clip.bin", *words)
    assert answer.status == 201, answer
    assert_receipt(daemon, answer.json, DATA)


def test_from_a_pipe(daemon):
    """curl does not know the length then, and sends chunks."""
    done = subprocess.run(["curl", "-sS", "--unix-socket", daemon.socket, "-T", "-", "http://x/upload/pipe.bin"], input=DATA,
                          capture_output=True, check=False)
    assert_receipt(daemon, json.loads(done.stdout), DATA)


def test_one_byte_at_a_time(daemon):
    """Each chunk and each byte of it in a packet of its own."""
    with Raw(daemon) as c:
        c.head("PUT", "/upload/slow.bin", "Transfer-Encoding: chunked")
        for i in range(40):
            for byte in b"1\r\n" + DATA[i:i + 1] + b"\r\n":
                c.send(bytes([byte]))
        answer = c.send(b"0\r\n\r\n").answer()
    assert answer.status == 201
    assert_receipt(daemon, answer.json, DATA[:40])


def test_plain_post(daemon, clip):
    for i, (words, name) in enumerate([
            (["/upload?name=a.jpg"], "a.jpg"),
            (["-H", 'Content-Disposition: attachment; filename="b c.jpg"', "/upload"], "b c.jpg"),
            (["-H", "Content-Disposition: attachment; filename*=UTF-8''%E6%9C%AC.jpg", "-H", "Content-Type: image/jpeg", "/upload"],
             "本.jpg"),
            (["/upload"], "upload")]):
        clip.write_bytes(DATA + bytes([i]))
        answer = curl(daemon, "--data-binary", f"@{clip}", *words)
        assert answer.status == 201, answer
        assert daemon.cli("show", answer.json["recording"])["name"] == name
        assert_receipt(daemon, answer.json, DATA + bytes([i]))


# ---- what is said of it ----

FIELDS = {"officer": "li", "device": "CAM7", "unit": "本溪", "case": "2026-1", "channel": "2", "seq": "0012",
          "started": "2026-11-23T09:05:07+08:00"}


def assert_fields(daemon, recording):
    wanted = {**FIELDS, "case_number": FIELDS["case"], "started": 1795395907000000}
    del wanted["case"]
    found = place(daemon, recording)
    assert {key: found.get(key) for key in wanted} == wanted


def test_fields_in_the_query(daemon, clip):
    query = "&".join(f"{k}={urllib.parse.quote(v)}" for k, v in FIELDS.items())
    answer = put(daemon, clip, "a.bin", query=f"?{query}")
    assert answer.status == 201, answer
    assert_fields(daemon, answer.json["recording"])


def test_fields_in_headers(daemon, clip):
    words = [w for k, v in FIELDS.items() for w in ("-H", f"liuhen-{k.title()}: {v}")]
    answer = put(daemon, clip, "a.bin", *words)
    assert answer.status == 201, answer
    assert_fields(daemon, answer.json["recording"])


def test_case_and_role_become_a_link(daemon, clip):
    daemon.cli("case", "add", "2026-7", "--procedure", "general", json=False)
    answer = put(daemon, clip, "a.bin", query="?case=2026-7&role=evidence&step=service-left")
    daemon.wait_idle()
    cases = daemon.cli("show", answer.json["recording"])["cases"]
    assert [(case["number"], case["role"], case["step"]) for case in cases] == [("2026-7", "evidence", "service-left")]


@pytest.mark.parametrize("words, mtime", [
    (["-H", "Last-Modified: Mon, 23 Nov 2026 01:05:07 GMT"], 1795395907000000),
    (["-H", "Last-Modified: yesterday"], None),
    (["-H", "Liuhen-Mtime: 2026-11-23T09:05:07"], 1795395907000000),
    (["-H", "Liuhen-Mtime: 1795395907000000", "-H", "Last-Modified: Tue, 24 Nov 2026 01:05:07 GMT"], 1795395907000000)])
def test_mtime(daemon, clip, words, mtime):
    answer = put(daemon, clip, "a.bin", *words)
    assert arrival_of(daemon, answer.json["recording"]).get("mtime") == mtime


def test_who_sent_it(daemon, clip):
    arrival = arrival_of(daemon, put(daemon, clip, "DCIM/100/a.bin").json["recording"])
    assert arrival["door"] == "put" and arrival["path"] == "DCIM/100/a.bin" and arrival["peer"].startswith("user:")


# ---- forms ----

def test_form_of_several_files(daemon, clip, work):
    """Fields between and behind the files count for all of them; a camera's other fields do no harm."""
    (work / "second.bin").write_bytes(DATA[:1000])
    answer = curl(daemon, "-F", f"video=@{clip};filename=C:\\DCIM\\a.mp4;type=video/mp4", "-F", "officer=li", "-F", "token=whatever",
                  "-F", f"photo=@{work / 'second.bin'};filename=b.jpg", "-F", "device=CAM7", "-F", "case=2026-1", "-F",
                  "started=2026-11-23 09:05:07", "-F", "mtime=1795395907000000", "/upload")
    assert answer.status == 201, answer
    files = answer.json["files"]
    assert [(f["name"], f["status"], f["again"]) for f in files] == [("a.mp4", 201, False), ("b.jpg", 201, False)]
    assert_receipt(daemon, files[0], DATA)
    assert_receipt(daemon, files[1], DATA[:1000])
    for f in files:
        found = place(daemon, f["recording"])
        assert (found["officer"], found["device"], found["case_number"]) == ("li", "CAM7", "2026-1")
        assert found["started"] == 1795395907000000
        arrival = arrival_of(daemon, f["recording"])
        assert arrival["mtime"] == 1795395907000000 and arrival["door"] == "post"
    assert arrival_of(daemon, files[0]["recording"])["path"] == "DCIM/a.mp4"
    assert staging(daemon) == []
    assert_fsck_clean(daemon)


@pytest.mark.parametrize("piece", [1, 7, 1000])
def test_form_in_any_pieces(daemon, piece):
    almost = b"\r\n--X\r\n--\r\r\n--XXZ\r\n-"
    body = form(part(b"li", "officer"), part(almost, "f", "a.bin"), part(DATA[:5000], "f", "b.bin"), boundary="XX-")
    with Raw(daemon) as c:
        c.head("POST", "/upload", FORM + "-", length=len(body))
        for at in range(0, len(body), piece):
            c.send(body[at:at + piece])
        answer = c.answer()
    assert answer.status == 201, answer
    assert [content(daemon, f["recording"]) for f in answer.json["files"]] == [almost, DATA[:5000]]


@pytest.mark.parametrize("sent, name", [
    ('a"b.mp4', 'a"b.mp4'), ("a%22b.mp4", 'a"b.mp4'), ("本溪 现场.mp4", "本溪 现场.mp4"), ("%E6%9C%AC.mp4", "本.mp4"),
    ("C:\\x\\clip.mp4", "clip.mp4"), ("\\\\server\\share\\clip.mp4", "clip.mp4"), ("../../etc/passwd", "passwd"),
    ("..%2F..%2Fetc%2Fpasswd", "passwd"), ("..", "upload"), ("/", "upload"), ("50%.mp4", "50%25.mp4"),
    (b"\xb1\xbe.mp4".decode("utf-8", "surrogateescape"), "%B1%BE.mp4"),
    (b"\xd5\x5c.mp4".decode("utf-8", "surrogateescape"), "%D5\\.mp4")])
def test_names_in_forms(daemon, sent, name):
    quoted = sent.replace('"', '\\"')
    answer = post_form(daemon, form(part(DATA[:99], "f", quoted)))
    assert answer.status == 201, answer
    recording = answer.json["files"][0]["recording"]
    assert daemon.cli("show", recording)["name"] == name
    assert content(daemon, recording) == DATA[:99] and ".." not in arrival_of(daemon, recording)["path"].split("/")
    assert_fsck_clean(daemon)


def test_browser_forms(daemon):
    """A file input that was left empty is no file; with nothing else the form is refused."""
    empty = part(b"", "f", "", "Content-Type: application/octet-stream")
    answer = post_form(daemon, form(empty, part(DATA[:50], "g", "a.bin"), part(b"Send", "submit")))
    assert answer.status == 201 and [f["name"] for f in answer.json["files"]] == ["a.bin"]
    answer = post_form(daemon, form(empty, part(b"Send", "submit")))
    assert answer.status == 400 and "no file" in answer.error["what"]


# ---- digests ----

def b64(data):
    return base64.b64encode(data).decode()


def digest_headers(data):
    """Every digest that a sender may say, right for data."""
    md5, sha1, sha256, sha512 = (hashlib.new(a, data).digest() for a in ("md5", "sha1", "sha256", "sha512"))
    return {"Content-MD5": [b64(md5)],
            "Digest": [f"SHA-256={b64(sha256)}", f"MD5={b64(md5)},SHA={b64(sha1)}", f"sha-512={b64(sha512)}"],
            "Repr-Digest": [f"sha-256=:{b64(sha256)}:", f"sha-512=:{b64(sha512)}:, md5=:{b64(md5)}:"],
            "Content-Digest": [f"sha-256=:{b64(sha256)}:"]}


DIGESTS = [(header, i) for header, values in digest_headers(b"").items() for i in range(len(values))]


@pytest.mark.parametrize("header, which", DIGESTS)
def test_digests(daemon, clip, header, which):
    good, bad = digest_headers(DATA)[header][which], digest_headers(DATA[1:])[header][which]
    answer = put(daemon, clip, "a.bin", "-H", f"{header}: {bad}")
    assert answer.status == 400 and "digest" in answer.error["what"], answer
    assert staging(daemon) == [] and daemon.ls() == [] and not originals(daemon.archive / "objects")
    answer = put(daemon, clip, "a.bin", "-H", f"{header}: {good}")
    assert answer.status == 201, answer
    assert_receipt(daemon, answer.json, DATA)


def test_digests_together(daemon, clip):
    """One that is wrong is enough; what nobody knows is passed over."""
    good, bad = digest_headers(DATA), digest_headers(DATA[1:])
    words = [w for header in good for w in ("-H", f"{header}: {good[header][0]}")]
    assert put(daemon, clip, "a.bin", *words, "-H", f"Digest: {bad['Digest'][1]}").status == 400
    crc = base64.b64encode(zlib.crc32(DATA).to_bytes(4, "big")).decode()
    assert daemon.ls() == []
    unknown = ["-H", "Repr-Digest: whirlpool=:AAAA:", "-H", "Digest: id-sha-3=xyz", "-H", f"Content-Digest: crc32=:{crc}:"]
    assert put(daemon, clip, "a.bin", *words, *unknown).status == 201


@pytest.mark.parametrize("header, value", [
    ("Content-MD5", "AAAA"), ("Content-MD5", "no base64!"), ("Digest", "SHA-256=AAAA"), ("Repr-Digest", "sha-256=AAAA"),
    ("Repr-Digest", "sha-256=:AAAA:"), ("Content-Digest", "sha-256=:not base64:")])
def test_digests_that_cannot_be_read(daemon, clip, header, value):
    """They are refused before the body: nobody could say that they hold."""
    answer = put(daemon, clip, "a.bin", "-H", f"{header}: {value}", "-H", "Expect: 100-continue")
    assert answer.status == 400 and answer.sent == 0, answer


def test_digests_of_parts_and_of_the_form(daemon):
    good, bad = digest_headers(DATA)["Content-MD5"][0], digest_headers(DATA[1:])["Content-MD5"][0]
    body = form(part(DATA, "f", "good.bin", f"Content-MD5: {good}"), part(DATA[:9], "f", "bad.bin", f"Content-MD5: {bad}"))
    answer = post_form(daemon, body)
    assert answer.status == 400 and [f["status"] for f in answer.json["files"]] == [201, 400], answer
    assert_receipt(daemon, answer.json["files"][0], DATA)
    assert "digest" in answer.json["files"][1]["error"]["what"]
    body = form(part(DATA[:10], "f", "c.bin"))
    for header, values in digest_headers(body).items():
        for value, wrong in zip(values, digest_headers(DATA)[header]):
            answer = post_form(daemon, body, f"{header}: {wrong}")
            assert answer.status == 400 and "digest" in answer.error["what"]
            assert post_form(daemon, body, f"{header}: {value}").status in (200, 201)
    assert len(daemon.ls()) == 2 and staging(daemon) == []


# ---- real media ----

def test_real_media(daemon, samples):
    """A few of each kind, by PUT and as one form: what is in the store is what was sent, and it is examined as from a folder."""
    with open(samples / "MANIFEST.tsv", encoding="utf-8") as f:
        rows = [r for r in csv.DictReader(f, delimiter="\t") if int(r["bytes"]) < 2_000_000]
    seen, chosen = set(), []
    for row in rows:
        if (folder := row["path"].split("/")[0]) not in seen:
            seen.add(folder)
            chosen.append(row)
    assert len(chosen) >= 10, SHARED
    half = len(chosen) // 2
    for row in chosen[:half]:
        answer = put(daemon, samples / row["path"], os.path.basename(row["path"]))
        assert answer.status == 201 and answer.json["sha256"] == row["sha256"], answer
    words = [w for row in chosen[half:] for w in ("-F", f"f=@{samples / row['path']}")]
    answer = curl(daemon, *words, "/upload")
    assert answer.status == 201, answer
    assert [f["sha256"] for f in answer.json["files"]] == [row["sha256"] for row in chosen[half:]]
    daemon.wait_idle()
    assert {r["status"] for r in daemon.ls()} <= {"ok", "damaged", "unknown"}
    wait_no_staging(daemon)
    assert_fsck_clean(daemon)
