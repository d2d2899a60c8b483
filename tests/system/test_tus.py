# SPDX-License-Identifier: GPL-3.0-or-later
"""tus 1.0.0 rule by rule, with requests that say exactly what the test says (tests/system/test_tus_client.py has the real client)."""
import hashlib
import json
import os
import random
import socket

import pytest

from tus_client import OFFSET, Tus, checksum, metadata

DATA = random.Random(4).randbytes(300_000)
DIGEST = hashlib.sha256(DATA).hexdigest()
EXTENSIONS = {"creation", "creation-with-upload", "creation-defer-length", "checksum", "termination", "expiration", "concatenation"}
MAX = 64 << 20
NOBODY = "/tus/01JD0000000000000000000001"


@pytest.fixture(scope="module", name="shared")
def shared_daemon(build, tmp_path_factory):
    """One daemon for all tests that leave nothing behind that others would see."""
    from conftest import ROOT, Daemon, remove_tree
    (ROOT / "build/tmp").mkdir(parents=True, exist_ok=True)
    work = ROOT / "build/tmp" / f"tus-{os.getpid()}"
    work.mkdir()
    daemon = Daemon(build, work, {"uploads": {"max": "64 MiB"}, "http": {"origins": ["https://console.example"]}}).start()
    yield daemon
    daemon.close()
    remove_tree(work)


@pytest.fixture(name="tus")
def shared_client(shared):
    return Tus(shared)


def assert_receipt(tus, url, data):
    """GET gives the receipt of these bytes; returns the recording's id."""
    answer = tus.get(url)
    assert answer.status == 200, answer
    receipt = json.loads(answer.body)
    assert receipt["sha256"] == hashlib.sha256(data).hexdigest() and receipt["bytes"] == len(data)
    assert "c2sp.org/tlog-proof" in receipt["receipt"]
    return receipt["recording"]


def error_of(answer):
    """The error of an answer, in its one form."""
    error = json.loads(answer.body)["error"]
    assert error["what"] and set(error) == {"what", "object", "right"}
    return error


# ---- what is offered ----

@pytest.mark.parametrize("path", ["/tus", NOBODY])
def test_options(tus, path):
    answer = tus.request("OPTIONS", path, version=None)
    assert answer.status == 204 and answer.body == b""
    assert answer["Tus-Resumable"] is None
    assert answer["Tus-Version"] == "1.0.0"
    assert set(answer["Tus-Extension"].split(",")) == EXTENSIONS
    assert answer["Tus-Max-Size"] == str(MAX)
    assert set(answer["Tus-Checksum-Algorithm"].split(",")) == {"sha1", "md5", "sha256", "sha512", "crc32"}


@pytest.mark.parametrize("path", ["/tus", NOBODY])
@pytest.mark.parametrize("chunked", [False, True])
def test_options_with_a_body(shared, tus, path, chunked):
    """Nobody is asked who they are for OPTIONS; a body is refused, and the daemon lives on."""
    framing, body = ("Transfer-Encoding: chunked", b"5\r\nhello\r\n0\r\n\r\n") if chunked else ("Content-Length: 5", b"hello")
    with socket.socket(socket.AF_UNIX) as s:
        s.connect(str(shared.socket))
        s.sendall(f"OPTIONS {path} HTTP/1.1\r\nHost: x\r\n{framing}\r\n\r\n".encode() + body)
        assert s.recv(100).startswith(b"HTTP/1.1 415 ")
    assert shared.running() and tus.request("OPTIONS", path).status == 204


def test_preflight(tus):
    answer = tus.request("OPTIONS", "/tus", version=None, Origin="https://console.example", Access_Control_Request_Method="POST",
                         Access_Control_Request_Headers="tus-resumable,upload-length,upload-metadata")
    assert answer.status == 204
    assert answer["Access-Control-Allow-Origin"] == "https://console.example"
    methods = {m.strip() for m in answer["Access-Control-Allow-Methods"].split(",")}
    assert {"POST", "HEAD", "PATCH", "DELETE", "OPTIONS", "GET"} <= methods
    allowed = {h.strip().lower() for h in answer["Access-Control-Allow-Headers"].split(",")}
    assert {"authorization", "content-type", "x-http-method-override", "x-requested-with", "x-request-id", "tus-resumable",
            "upload-length", "upload-offset", "upload-metadata", "upload-concat", "upload-defer-length", "upload-checksum"} <= allowed
    assert "Origin" in answer["Vary"]


def test_cors_on_every_answer(tus):
    """Errors too, or scripts see only that something failed."""
    url = tus.made(5)
    answers = [tus.create(5, Origin="https://console.example"), tus.head(url, Origin="https://console.example"),
               tus.head(NOBODY, Origin="https://console.example"), tus.patch(url, 3, b"x", Origin="https://console.example"),
               tus.request("PUT", url, Origin="https://console.example"), tus.get(url, Origin="https://console.example"),
               tus.request("POST", "/tus", version="0.2.2", Origin="https://console.example"),
               tus.patch(url, 0, b"x", Content_Type="text/plain", Origin="https://console.example")]
    assert [a.status for a in answers] == [201, 200, 404, 409, 405, 409, 412, 415]
    for answer in answers:
        assert answer["Access-Control-Allow-Origin"] == "https://console.example", answer
        exposed = {h.strip() for h in answer["Access-Control-Expose-Headers"].split(",")}
        assert {"Location", "Upload-Offset", "Upload-Length", "Upload-Metadata", "Upload-Expires", "Upload-Concat", "Tus-Version",
                "Tus-Resumable", "Tus-Max-Size", "Tus-Extension", "Tus-Checksum-Algorithm"} <= exposed
        assert answer["Tus-Resumable"] == "1.0.0"


@pytest.mark.parametrize("origin", ["https://elsewhere.example", "null", "https://console.example.evil.example"])
def test_other_origins(tus, origin):
    for answer in (tus.request("OPTIONS", "/tus", version=None, Origin=origin), tus.create(5, Origin=origin)):
        assert answer.status in (201, 204)
        assert answer["Access-Control-Allow-Origin"] is None and "Origin" in answer["Vary"]


# ---- the version ----

@pytest.mark.parametrize("version", [None, "0.2.2", "1.0", "2.0.0", "1.0.0,2.0.0", ""])
def test_version(tus, version):
    url = tus.made(5)
    for answer in (tus.create(5, version=version), tus.patch(url, 0, b"hello", version=version),
                   tus.head(url, version=version), tus.delete(url, version=version)):
        assert answer.status == 412 and answer["Tus-Version"] == "1.0.0", answer
    assert tus.offset(url) == 0


# ---- creation ----

CREATIONS = [
    ({"Upload_Length": 10}, 201),
    ({"Upload_Defer_Length": "1"}, 201),
    ({"Upload_Length": 10, "Upload_Metadata": ""}, 201),
    ({"Upload_Length": MAX}, 201),
    ({}, 400),
    ({"Upload_Length": 0}, 400),
    ({"Upload_Length": "-1"}, 400),
    ({"Upload_Length": "+1"}, 400),
    ({"Upload_Length": "1.5"}, 400),
    ({"Upload_Length": "0x10"}, 400),
    ({"Upload_Length": "ten"}, 400),
    ({"Upload_Length": ""}, 400),
    ({"Upload_Length": "99999999999999999999"}, 400),
    ({"Upload_Length": MAX + 1}, 413),
    ({"Upload_Length": 1 << 60}, 413),
    ({"Upload_Defer_Length": "0"}, 400),
    ({"Upload_Defer_Length": "true"}, 400),
    ({"Upload_Length": 10, "Upload_Defer_Length": "1"}, 400),
    ({"Upload_Length": 10, "Upload_Concat": "Partial"}, 400),
    ({"Upload_Length": 10, "Upload_Concat": "final;" + NOBODY}, 400),
    ({"Upload_Concat": "final;"}, 400),
    ({"Upload_Concat": "final;" + NOBODY}, 404),
    ({"Upload_Concat": "final;/elsewhere/01JD0000000000000000000001"}, 400),
    ({"Upload_Length": 10, "Upload_Metadata": "a AA==,a AA=="}, 400),
    ({"Upload_Length": 10, "Upload_Metadata": "a !!!!"}, 400),
    ({"Upload_Length": 10, "Upload_Metadata": "a AA"}, 400),
    ({"Upload_Length": 10, "Upload_Metadata": ",a AA=="}, 400),
    ({"Upload_Length": 10, "Upload_Metadata": "a " + "A" * 16384}, 400),
    ({"Upload_Length": 10, "Upload_Metadata": "a " + "A" * 16380}, 201),
    ({"Upload_Length": 10, "Upload_Metadata": metadata(name="a" * 600)}, 400),
    ({"Upload_Length": 10, "Upload_Metadata": metadata(mtime="yesterday")}, 400),
    ({"Upload_Length": 10, "Upload_Metadata": metadata(clock_offset="1.5")}, 400),
]


@pytest.mark.parametrize("headers,status", CREATIONS, ids=[str(h)[:60] for h, _ in CREATIONS])
def test_creation(tus, headers, status):
    answer = tus.request("POST", "/tus", **headers)
    assert answer.status == status, answer
    if status != 201:
        assert answer["Location"] is None
        error_of(answer)
        return
    assert answer["Location"].startswith("/tus/") and answer["Upload-Expires"].endswith(" GMT")
    head = tus.head(answer["Location"])
    assert head.status == 200 and head["Upload-Offset"] == "0" and head["Cache-Control"] == "no-store"
    assert head["Upload-Length"] == (str(headers["Upload_Length"]) if "Upload_Length" in headers else None)
    assert head["Upload-Defer-Length"] == headers.get("Upload_Defer_Length")
    assert head["Upload-Metadata"] == (headers.get("Upload_Metadata") or None)
    assert tus.delete(answer["Location"]).status == 204


@pytest.mark.parametrize("name,value", [("Upload-Length", "10"), ("Upload-Metadata", "a AA=="), ("Upload-Concat", "partial"),
                                        ("Tus-Resumable", "1.0.0")])
def test_header_twice(tus, name, value):
    headers = [("Upload-Length", "10")] if name != "Upload-Length" else []
    assert tus.request("POST", "/tus", headers + [(name, value), (name, value)], version="1.0.0" if name != "Tus-Resumable"
                       else None).status == 400


def test_creation_with_upload(tus):
    answer = tus.create(len(DATA), DATA, Upload_Metadata=metadata(filename="现场 1.mp4"))
    assert answer.status == 201 and answer["Upload-Offset"] == str(len(DATA))
    assert answer["Liuhen-Sha256"] == DIGEST and answer["Upload-Expires"] is None
    assert assert_receipt(tus, answer["Location"], DATA) == answer["Liuhen-Recording"]


def test_creation_with_a_part(tus):
    data = DATA[1:]
    answer = tus.create(len(data), data[:1000])
    assert answer.status == 201 and answer["Upload-Offset"] == "1000" and answer["Liuhen-Recording"] is None
    answer = tus.patch(answer["Location"], 1000, data[1000:])
    assert answer.status == 204 and answer["Liuhen-Sha256"] == hashlib.sha256(data).hexdigest()


def test_creation_with_upload_refused(tus):
    """Nobody knows of an upload that was not answered: none is left."""
    before = set(os.listdir(tus.daemon.archive / "staging"))
    assert tus.create(10, b"0123456789", Content_Type="video/mp4").status == 415
    assert tus.create(10, [b"0123456789"], Content_Type="video/mp4").status == 415
    assert tus.create(5, b"0123456789").status == 413
    assert tus.create(5, [b"0123", b"456789"]).status == 413
    assert tus.create(10, b"0123456789", Upload_Checksum=checksum("sha1", b"other")).status == 460
    assert tus.create(10, b"0123456789", Upload_Checksum="sha3 AAAA").status == 400
    assert tus.create(body=b"0123456789", Upload_Concat=f"final;{NOBODY}").status == 400
    assert not set(os.listdir(tus.daemon.archive / "staging")) - before


def test_refused_before_a_byte_is_sent(tus):
    """Who waits for 100 Continue sends nothing of what would be refused."""
    url = tus.made(10)
    for method, path, headers, status in (
            ("POST", "/tus", {"Upload-Length": 10}, b"413"), ("POST", "/tus", {"Upload-Length": MAX + 1}, b"413"),
            ("PATCH", url, {"Upload-Offset": 0}, b"413"), ("PATCH", url, {"Upload-Offset": 1}, b"409"),
            ("PATCH", url, {"Upload-Offset": 0, "Upload-Checksum": "sha3 AAAA"}, b"413"),
            ("PATCH", NOBODY, {"Upload-Offset": 0}, b"404")):
        with tus.begin(method, path, {**headers, "Content-Type": OFFSET, "Content-Length": 11, "Expect": "100-continue"}) as sock:
            assert sock.recv(4096).startswith(b"HTTP/1.1 " + status), (method, headers)
    with tus.begin("PATCH", url, {"Upload-Offset": 0, "Content-Type": OFFSET, "Content-Length": 10, "Expect": "100-continue"}) as sock:
        assert sock.recv(4096).startswith(b"HTTP/1.1 100")
        sock.sendall(b"0123456789")
        assert sock.recv(4096).startswith(b"HTTP/1.1 204")


# ---- PATCH ----

def test_patch(tus):
    data = DATA[2:]
    url = tus.made(len(data), Upload_Metadata=metadata(filename="a.mp4"))
    for at in range(0, len(data), 100_000):
        assert tus.offset(url) == at
        answer = tus.patch(url, at, data[at:at + 100_000])
        assert answer.status == 204 and answer.body == b"", answer
        assert answer["Upload-Offset"] == str(min(at + 100_000, len(data)))
    assert answer["Liuhen-Sha256"] == hashlib.sha256(data).hexdigest() and answer["Upload-Expires"] is None
    recording = assert_receipt(tus, url, data)
    assert recording == answer["Liuhen-Recording"]
    head = tus.head(url)
    assert head["Upload-Offset"] == head["Upload-Length"] == str(len(data)) and head["Liuhen-Recording"] == recording
    assert tus.patch(url, len(data)).status == 204  # asked again, nothing to add
    assert tus.patch(url, len(data))["Liuhen-Recording"] == recording
    assert tus.patch(url, len(data), b"x").status == 413
    assert tus.patch(url, 0, data).status == 409


def test_patch_chunked_and_overridden(tus):
    data = DATA[3:]
    url = tus.made(len(data))
    assert tus.patch(url, 0, [data[:7], data[7:1000]]).status == 204
    answer = tus.request("POST", url, body=data[1000:], X_HTTP_Method_Override="PATCH", Upload_Offset=1000, Content_Type=OFFSET)
    assert answer.status == 204 and answer["Upload-Offset"] == str(len(data))
    assert_receipt(tus, url, data)
    assert tus.request("POST", url, X_HTTP_Method_Override="DELETE").status == 204
    assert tus.head(url).status == 404
    assert tus.request("POST", url).status == 405


@pytest.mark.parametrize("headers,status", [
    ({"Content_Type": "application/octet-stream"}, 415), ({"Content_Type": None}, 415), ({"Content_Type": "application/offset"}, 415),
    ({"offset": None}, 400), ({"offset": "-3"}, 400), ({"offset": "x"}, 400), ({"offset": "3.0"}, 400),
    ({"offset": 2}, 409), ({"offset": 4}, 409), ({"offset": "9223372036854775807"}, 409), ({"body": b"12345678"}, 413),
    ({"body": [b"1234567", b"8"]}, 413), ({"Upload_Length": 11}, 400), ({"Upload_Checksum": "sha3 AAAA"}, 400),
    ({"Upload_Checksum": "sha1 AAAA"}, 400), ({"Upload_Checksum": "sha1"}, 400), ({"Upload_Checksum": ""}, 400),
    ({"Upload_Length": "x"}, 400), ({"Content_Type": "Application/Offset+Octet-Stream"}, 204), ({"Upload_Length": 10}, 204)])
def test_patch_rules(tus, headers, status):
    url = tus.made(10)
    assert tus.patch(url, 0, b"abc").status == 204
    args = {"offset": 3, "body": b"defg", **headers}
    answer = tus.patch(url, args.pop("offset"), args.pop("body"), **args)
    assert answer.status == status, answer
    if status == 409:
        assert answer["Upload-Offset"] == "3"
    if status != 204:
        assert tus.offset(url) == 3
    assert tus.delete(url).status == 204


@pytest.mark.parametrize("path", [NOBODY, "/tus/x", "/tus/01jd0000000000000000000001", "/tus/%2e%2e%2f%2e%2e", "/tus/..", "/tus/",
                                  "/tus/01JD0000000000000000000001%00", "/tus/" + "0" * 4000])
def test_unknown_upload(tus, path):
    for answer in (tus.head(path), tus.patch(path, 0, b"x"), tus.get(path), tus.delete(path)):
        assert answer.status in (400, 404), answer
    assert tus.head(NOBODY).status == 404


# ---- deferred length ----

def test_deferred_length(tus):
    data = DATA[4:]
    url = tus.made(Upload_Defer_Length="1")
    assert tus.patch(url, 0, data[:5000]).status == 204
    head = tus.head(url)
    assert head["Upload-Offset"] == "5000" and head["Upload-Length"] is None and head["Upload-Defer-Length"] == "1"
    assert tus.patch(url, 5000, data[5000:6000], Upload_Length=5999).status == 413
    assert tus.head(url)["Upload-Length"] == "5999"  # announced is announced
    assert tus.patch(url, 5000, data[5000:5100], Upload_Length=len(data)).status == 400
    url = tus.made(Upload_Defer_Length="1")
    assert tus.patch(url, 0, data[:5000]).status == 204
    assert tus.patch(url, 5000, data[5000:6000], Upload_Length=4999).status == 400
    assert tus.patch(url, 5000, data[5000:6000], Upload_Length=MAX + 1).status == 413
    assert tus.patch(url, 5000, data[5000:6000], Upload_Length=len(data)).status == 204
    assert tus.patch(url, 6000, data[6000:], Upload_Length=len(data)).status == 204
    assert_receipt(tus, url, data)


def test_deferred_length_said_at_the_end(tus):
    data = DATA[5:]
    url = tus.made(Upload_Defer_Length="1")
    assert tus.patch(url, 0, data).status == 204
    assert tus.get(url).status == 409
    answer = tus.patch(url, len(data), b"", Upload_Length=len(data))
    assert answer.status == 204 and answer["Liuhen-Sha256"] == hashlib.sha256(data).hexdigest()


# ---- checksums ----

@pytest.mark.parametrize("algorithm", ["sha1", "md5", "sha256", "sha512", "crc32"])
def test_checksum(tus, algorithm):
    import base64
    import zlib

    def said(data):
        if algorithm == "crc32":
            return "crc32 " + base64.b64encode(zlib.crc32(data).to_bytes(4, "big")).decode()
        return checksum(algorithm, data)
    data = algorithm.encode() + DATA
    url = tus.made(len(data))
    assert tus.patch(url, 0, data[:9000], Upload_Checksum=said(data[:9000])).status == 204
    answer = tus.patch(url, 9000, data[9000:], Upload_Checksum=said(data))
    assert answer.status == 460, answer
    assert tus.offset(url) == 9000
    assert tus.patch(url, 9000, data[9000:20000], Upload_Checksum=said(data[9000:20001])).status == 460
    assert tus.patch(url, 9000, data[9000:], Upload_Checksum=said(data[9000:])).status == 204
    assert_receipt(tus, url, data)


# ---- ending ----

def test_termination(tus):
    url = tus.made(len(DATA))
    assert tus.patch(url, 0, DATA[:1000]).status == 204
    assert tus.delete(url).status == 204
    for answer in (tus.head(url), tus.patch(url, 1000, DATA[1000:]), tus.delete(url), tus.get(url)):
        assert answer.status in (404, 410)
    assert not (tus.daemon.archive / "staging" / f"{url[5:]}.upload").exists()


def test_termination_of_a_sealed_one(tus):
    data = DATA[6:]
    url = tus.create(len(data), data)["Location"]
    recording = assert_receipt(tus, url, data)
    assert tus.delete(url).status == 204
    assert tus.head(url).status == 404
    assert recording in {r["id"] for r in tus.daemon.ls()}
    tus.daemon.wait_idle()
    tus.daemon.assert_clean()


# ---- concatenation ----

def test_concatenation(tus):
    data = DATA[7:]
    cuts = [0, 100_000, 100_001, 250_000, len(data)]
    urls = [tus.made(b - a, Upload_Concat="partial") for a, b in zip(cuts, cuts[1:])]
    for i in (2, 0, 3, 1):  # in any order
        part = data[cuts[i]:cuts[i + 1]]
        assert tus.patch(urls[i], 0, part[:len(part) // 2]).status == 204
        answer = tus.create(Upload_Concat="final;" + " ".join(urls))
        assert 400 <= answer.status < 500 and answer["Location"] is None, answer
        answer = tus.patch(urls[i], len(part) // 2, part[len(part) // 2:])
        assert answer.status == 204 and answer["Liuhen-Recording"] is None
        head = tus.head(urls[i])
        assert head["Upload-Concat"] == "partial" and head["Upload-Offset"] == head["Upload-Length"]
        assert tus.get(urls[i]).status == 409  # a part is no recording
    concat = f"final;{urls[0]} http://localhost{urls[1]} {urls[2]} https://archive.example:8443/behind{urls[3]}"
    answer = tus.create(Upload_Concat=concat, Upload_Metadata=metadata(filename="joined.mp4"))
    assert answer.status == 201 and answer["Liuhen-Sha256"] == hashlib.sha256(data).hexdigest(), answer
    final = answer["Location"]
    head = tus.head(final)
    assert head["Upload-Concat"] == concat and head["Upload-Offset"] == head["Upload-Length"] == str(len(data))
    assert head["Upload-Metadata"] == metadata(filename="joined.mp4")
    assert tus.patch(final, len(data), b"x").status == 403
    assert_receipt(tus, final, data)
    assert [r["name"] for r in tus.daemon.ls() if r["id"] == answer["Liuhen-Recording"]] == ["joined.mp4"]


def test_concatenation_of_what_was_created_with_its_bytes(tus):
    data = DATA[8:]
    urls = [tus.create(150_000, data[:150_000], Upload_Concat="partial")["Location"],
            tus.create(0, Upload_Concat="partial")["Location"],
            tus.create(len(data) - 150_000, data[150_000:], Upload_Concat="partial")["Location"]]
    assert tus.create(Upload_Concat=f"final;{urls[0]} {urls[0]}").status == 400
    whole = tus.made(5)
    assert 400 <= tus.create(Upload_Concat=f"final;{urls[0]} {whole}").status < 500  # no partial one
    answer = tus.create(Upload_Concat="final;" + " ".join(urls))
    assert answer.status == 201 and answer["Liuhen-Sha256"] == hashlib.sha256(data).hexdigest(), answer


def test_concatenation_of_many(tus):
    data = DATA[9:]
    step = len(data) // 60 + 1
    urls = [tus.create(len(data[at:at + step]), data[at:at + step], Upload_Concat="partial")["Location"]
            for at in range(0, len(data), step)]
    answer = tus.create(Upload_Concat="final;" + " ".join("https://archive.example:8443" + url for url in urls))
    assert answer.status == 201 and answer["Liuhen-Sha256"] == hashlib.sha256(data).hexdigest(), answer


def test_concatenation_of_nothing(tus):
    urls = [tus.create(0, Upload_Concat="partial")["Location"] for _ in range(2)]
    before = set(os.listdir(tus.daemon.archive / "staging"))
    assert tus.create(Upload_Concat="final;" + " ".join(urls)).status == 400
    assert not set(os.listdir(tus.daemon.archive / "staging")) - before
