# SPDX-License-Identifier: GPL-3.0-or-later
"""PUT and POST /upload when something is wrong: refusals before the body, bodies shorter and longer than said, clients that go, bad
names, bombs, a full disk, a catalogue that is down, a daemon that is killed. Whatever comes, nothing half-taken stays."""
import contextlib
import hashlib
import os
import random
import subprocess
import time

import pytest

from archive_view import assert_fsck_clean, locked, originals, sha256
from conftest import ROOT, TIMEOUT
from upload_client import FORM, Raw, content, curl, form, part, post_form, put, staging, wait_no_staging

DATA = random.Random(4).randbytes(300_000)


@pytest.fixture(name="clip")
def clip_file(work):
    path = work / "clip.bin"
    path.write_bytes(DATA)
    return path


def assert_nothing_taken(daemon):
    wait_no_staging(daemon)
    assert daemon.ls() == [] and not originals(daemon.archive / "objects")


def assert_works(daemon, clip):
    """The daemon still takes what is right."""
    answer = put(daemon, clip)
    assert answer.status in (200, 201) and content(daemon, answer.json["recording"]) == DATA, answer
    wait_no_staging(daemon)
    assert_fsck_clean(daemon)


# ---- refused before the body ----

@pytest.mark.parametrize("words, status, said", [
    (["/upload/a.bin?oficer=li"], 400, "oficer"),
    (["/upload/a.bin?clock_offset=soon"], 400, "clock_offset"),
    (["/upload/a.bin?mtime=then"], 400, "mtime"),
    (["/upload/a.bin?started=2026-11-23&recorded=2026-11-24"], 400, "started"),
    (["/upload/a.bin?officer=li", "-H", "Liuhen-Officer: li"], 400, "officer"),
    (["/upload/a.bin", "-H", "Liuhen-Oficer: li"], 400, "oficer"),
    (["/upload/a.bin", "-H", "Liuhen-Officer: 50%"], 400, "%25"),
    (["/upload/a.bin", "-H", "Content-Range: bytes 0-99/300000"], 400, "Content-Range"),
    (["/upload/a.bin", "-H", "Content-Encoding: gzip"], 415, "Content-Encoding"),
    (["/upload/a.bin", "-H", "Transfer-Encoding: gzip, chunked"], 400, "chunked"),
    (["/upload"], 405, ""), (["/nowhere/a.bin"], 404, "")])
def test_refusals_come_before_the_body(daemon, clip, words, status, said):
    answer = curl(daemon, "-T", clip, "-H", "Expect: 100-continue", "--expect100-timeout", TIMEOUT, *words)
    assert answer.status == status and answer.sent == 0, answer
    assert said in str(answer.error), answer
    assert_nothing_taken(daemon)


@pytest.mark.parametrize("words, status", [
    (["-H", "Content-Type: multipart/mixed; boundary=XX"], 415), (["-H", "Content-Type: multipart/form-data"], 400),
    (["-H", "Content-Type: multipart/form-data; boundary=" + 71 * "x"], 400),
    (["-H", 'Content-Type: multipart/form-data; boundary="a'], 400),
    (["-H", 'Content-Disposition: attachment; filename="a'], 400),
    (["-H", "Content-Disposition: attachment; filename*=UTF-8''%zz"], 400)])
def test_refused_posts(daemon, clip, words, status):
    answer = curl(daemon, "--data-binary", f"@{clip}", "-H", "Expect: 100-continue", "--expect100-timeout", TIMEOUT, *words,
                  "/upload")
    assert answer.status == status and answer.sent == 0 and answer.error["what"], answer
    assert_nothing_taken(daemon)


def test_sender_that_waits_is_asked_for_the_body(daemon):
    with Raw(daemon) as c:
        c.head("PUT", "/upload/a.bin", "Expect: 100-continue", length=5).until(b"HTTP/1.1 100 ")
        assert c.send(b"12345").answer().status == 201


def test_zero_length(daemon, clip):
    clip.write_bytes(b"")
    with Raw(daemon) as c:  # curl never ends a chunked body without bytes
        chunked = c.head("PUT", "/upload/a", "Transfer-Encoding: chunked").send(b"0\r\n\r\n").answer()
    for answer in (put(daemon, clip), chunked, curl(daemon, "-X", "POST", "/upload"),
                   curl(daemon, "--data-binary", f"@{clip}", "/upload")):
        assert answer.status == 400 and answer.error["what"], answer
    answer = post_form(daemon, form(part(b"", "f", "empty.mp4")))
    assert answer.status == 400 and answer.json["files"][0]["status"] == 400
    assert "no bytes" in answer.json["files"][0]["error"]["what"] and answer.json["files"][0]["name"] == "empty.mp4"
    assert_nothing_taken(daemon)


def test_a_bad_file_loses_no_other(daemon):
    """And the answer is no 2xx: a camera that looks at nothing else must not delete the one that is missing."""
    body = form(part(DATA, "f", "a.bin"), part(b"", "f", "b.bin"), part(DATA[1:], "f", "c.bin"))
    answer = post_form(daemon, body)
    assert answer.status == 400 and [f["status"] for f in answer.json["files"]] == [201, 400, 201], answer
    assert len(daemon.ls()) == 2 and staging(daemon) == []
    answer = post_form(daemon, body)
    assert [f["status"] for f in answer.json["files"]] == [200, 400, 200]
    assert_fsck_clean(daemon)


# ---- framing ----

@pytest.mark.parametrize("sent", [0, 1, 4095, 65536, 299_999])
@pytest.mark.parametrize("chunked", [False, True])
def test_body_shorter_than_announced(daemon, clip, sent, chunked):
    with Raw(daemon) as c:
        if chunked:
            c.head("PUT", "/upload/a.bin", "Transfer-Encoding: chunked").send(b"%x\r\n" % len(DATA) + DATA[:sent])
        else:
            c.head("PUT", "/upload/a.bin", length=len(DATA)).send(DATA[:sent])
    assert_nothing_taken(daemon)
    assert_works(daemon, clip)


def test_body_longer_than_announced(daemon):
    """What is too much would be the next request; it is none."""
    with Raw(daemon) as c:
        c.head("PUT", "/upload/a.bin", length=1000).send(DATA[:1500])
        answer = c.answer()
        assert answer.status == 201 and content(daemon, answer.json["recording"]) == DATA[:1000]
        following = c.answer()
        assert following is None or following.status >= 400
    assert len(daemon.ls()) == 1


@pytest.mark.parametrize("headers", [
    ["Content-Length: 5", "Content-Length: 6"], ["Content-Length: 5", "Content-Length: 5"], ["Content-Length: -5"],
    ["Content-Length: +5"], ["Content-Length: 0x5"], ["Content-Length: 99999999999999999999"], ["Content-Length: "],
    ["Content-Length: 5", "Transfer-Encoding: chunked"], ["Transfer-Encoding: identity"], ["Transfer-Encoding: chunked, chunked"]])
def test_framing_that_says_two_things(daemon, headers):
    with Raw(daemon) as c:
        answer = c.head("PUT", "/upload/a.bin", *headers).send(b"12345").answer()
    assert answer is None or answer.status in (400, 413, 501), answer
    assert_nothing_taken(daemon)


@pytest.mark.parametrize("chunks", [b"zz\r\n", b"-1\r\n", b"5;\x01\r\n12345\r\n", b"5\r\n123456\r\n0\r\n\r\n",
                                    b"ffffffffffffffffff\r\n", b"5\n12345"])
def test_bad_chunks(daemon, clip, chunks):
    with Raw(daemon) as c:
        c.head("PUT", "/upload/a.bin", "Transfer-Encoding: chunked").send(chunks)
        c.socket.shutdown(1)
        answer = c.answer()
    assert answer is None or answer.status >= 400, answer
    assert_nothing_taken(daemon)
    assert_works(daemon, clip)


# ---- clients that go ----

def form_body():
    return form(part(b"li", "officer"), part(DATA[:200_000], "f", "a.bin"), part(DATA[200_000:], "f", "b.bin"))


@pytest.mark.parametrize("how", ["close", "kill"])
def test_client_goes_at_any_byte(daemon, clip, how):
    """While it sends a form: by closing its socket, and curl by SIGKILL."""
    body = form_body()
    points = random.Random(5).sample(range(1, len(body)), 25) + [1, len(body) - 1, len(body) - 3]
    for point in points if how == "close" else points[:6]:
        if how == "close":
            with Raw(daemon) as c:
                c.head("POST", "/upload", FORM, length=len(body)).send(body[:point])
            continue
        sender = subprocess.Popen(["curl", "-sS", "--unix-socket", daemon.socket, "-H", FORM, "-H", "Transfer-Encoding: chunked",
                                   "-T", "-", "-X", "POST", "http://x/upload"], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL)
        sender.stdin.write(body[:point])
        sender.stdin.flush()
        sender.kill()
        sender.wait()
        with contextlib.suppress(BrokenPipeError):
            sender.stdin.close()
    assert_nothing_taken(daemon)
    assert_works(daemon, clip)


def test_client_goes_behind_the_last_byte(daemon, clip):
    """It waits for no receipt: its file is there whole or not at all, and sent again it has one."""
    for i in range(10):
        data = DATA + bytes([i])
        with Raw(daemon) as c:
            c.head("PUT", "/upload/clip.bin", length=len(data)).send(data)
    wait_no_staging(daemon)
    assert set(originals(daemon.archive / "objects")) <= {hashlib.sha256(DATA + bytes([i])).hexdigest() for i in range(10)}
    assert_works(daemon, clip)


# ---- names and paths ----

@pytest.mark.parametrize("path, status, name", [
    ("a%2Fb.bin", 201, "b.bin"), ("..%2F..%2Fetc%2Fpasswd", 201, "passwd"), ("a/../b.bin", 400, None), ("%2e%2e/b.bin", 400, None),
    ("..", 400, None), ("%2E%2E", 400, None), ("a/%2e%2e%2fb.bin", 201, "b.bin"), ("%2F", 201, "upload"), ("..%2F", 201, "upload"),
    ("a%00b.bin", 400, None), ("a%0Ab.bin", 400, None), ("a%0d%0aX-Y:%20z", 400, None), ("a%7Fb", 400, None), ("a%", 400, None),
    ("a%2", 400, None), ("a%ZZ", 400, None), ("a%FFb.bin", 400, None), ("a%252Fb.bin", 201, "a%252Fb.bin"),
    ("C:%5Cx%5Cclip.mp4", 201, "clip.mp4"), ("arrival.json", 201, "arrival.json"), ("inventory.json", 201, "inventory.json"),
    ("", 400, None), (".hidden", 201, ".hidden"), ("-rf", 201, "-rf"), ("CON", 201, "CON"), ("a" * 500, 201, "a" * 500), ("a" * 501, 400, None), ("a" * 5000, 400, None),
    ("%E6%9C%AC" * 166, 201, "本" * 166), ("a/" * 70 + "b", 400, None), ("a" * 9000, 414, None)])
def test_names_in_the_path(daemon, path, status, name):
    with Raw(daemon) as c:  # curl writes some of these anew
        answer = c.head("PUT", f"/upload/{path}", length=len(DATA)).send(DATA).answer()
    assert answer.status == status, answer
    if status != 201:
        assert_nothing_taken(daemon)
        return
    shown = daemon.cli("show", answer.json["recording"])
    assert shown["name"] == name and ".." not in shown["arrival"]["path"].split("/")
    assert content(daemon, answer.json["recording"]) == DATA
    inside = {p.resolve() for p in daemon.archive.rglob("*")}
    assert all(str(p).startswith(str(daemon.archive.resolve())) for p in inside)
    assert_fsck_clean(daemon)


@pytest.mark.parametrize("name", [b"a\0b", b"a\x01b", b"a\nb", b"a\r\nX: y", b"a\x7fb"])
def test_control_characters_in_names_of_forms(daemon, name):
    body = b'--XX\r\nContent-Disposition: form-data; name="f"; filename="' + name + b'"\r\n\r\n123\r\n--XX--\r\n'
    answer = post_form(daemon, body)
    if answer.status == 201:  # a whole header line more: it is one of the part's, and the name is cut where its quote ends
        pytest.fail(f"{name!r} was taken: {answer}")
    assert answer.status == 400
    assert_nothing_taken(daemon)


def test_names_too_long_in_forms(daemon):
    answer = post_form(daemon, form(part(b"123", "f", "a" * 5000), part(b"1234", "f", "b.bin")))
    assert answer.status == 414 and [f["status"] for f in answer.json["files"]] == [414, 201], answer
    answer = post_form(daemon, form(part(b"12", "f", "a" * 9000), part(b"1234", "f", "b.bin")))
    assert answer.status == 413 and answer.error["what"]
    wait_no_staging(daemon)
    assert len(daemon.ls()) == 1


@pytest.mark.parametrize("size", [64 << 10, 1 << 20])
def test_huge_headers(daemon, clip, size):
    with Raw(daemon) as c:
        answer = c.head("PUT", "/upload/a.bin", "X-Much: " + "x" * size, length=5).send(b"12345").answer()
    assert answer is None or answer.status in (400, 413, 431), answer
    assert_nothing_taken(daemon)
    assert_works(daemon, clip)


# ---- bombs ----

BOMBS = {
    "parts": (form(*[part(b"x", "f", f"{i}.bin") for i in range(10_000)]), 413),
    "fields": (form(*[part(b"x", f"f{i}") for i in range(10_000)]), 413),
    "large field": (form(part(b"x" * 70_000, "note"), part(DATA, "f", "a.bin")), 413),
    "many fields": (form(*[part(b"x" * 900, f"f{i}") for i in range(90)], part(DATA, "f", "a.bin")), 413),
    "header lines": (form(part(b"x", "f", "a.bin", *[f"X{i}: y" for i in range(5000)])), 413),
    "header": (form(part(b"x", "f", "a.bin", "X: " + "y" * 100_000)), 413),
    "preamble": (b"x" * 10_000_000, 413),
    "preamble of almost boundaries": (b"\r\n--X" * 100_000, 413),
    "epilogue": (form(part(b"x", "f", "a.bin")) + b"x" * 200_000, 413),
    "nested": (form(part(form(part(b"x", "g", "b.bin"), boundary="YY"), "f", None, "Content-Type: multipart/mixed; boundary=YY")), 400),
    "base64": (form(part(b"eHg=", "f", "a.bin", "Content-Transfer-Encoding: base64")), 400),
    "no end": (form(part(DATA, "f", "a.bin"))[:-8], 400),
    "no parts": (b"--XX--\r\n", 400),
    "nothing": (b"", 400),
    "not this boundary": (form(part(DATA, "f", "a.bin"), boundary="YY"), 413),
    "field twice": (form(part(b"a", "officer"), part(b"b", "officer"), part(DATA, "f", "a.bin")), 400),
    "field too long": (form(part(DATA, "f", "a.bin"), part(b"x" * 2000, "officer")), 400),
}


@pytest.mark.parametrize("bomb", BOMBS)
def test_bombs(daemon, clip, bomb):
    body, status = BOMBS[bomb]
    answer = post_form(daemon, body)
    assert answer.status == status and answer.error["what"], answer
    assert_nothing_taken(daemon)
    assert_works(daemon, clip)


def memory(daemon):
    """Resident kilobytes of the daemon."""
    with open(f"/proc/{daemon.pid}/status", encoding="ascii") as f:
        return next(int(line.split()[1]) for line in f if line.startswith("VmRSS"))


def test_no_body_is_held_in_memory(daemon):
    """A file of 64 MiB in a form, and an endless preamble that is refused."""
    before = memory(daemon)
    block = random.Random(6).randbytes(1 << 20)
    start, end = form(part(b"@@", "f", "big.bin")).split(b"@@")
    with Raw(daemon) as c:
        c.head("POST", "/upload", FORM, length=len(start) + (64 << 20) + len(end)).send(start)
        for _ in range(64):
            c.send(block)
        assert memory(daemon) - before < 16 << 10
        assert c.send(end).answer().status == 201
    with Raw(daemon) as c:
        c.head("POST", "/upload", FORM, "Transfer-Encoding: chunked").send(b"%x\r\n" % len(block) + block + b"\r\n")
        assert c.answer().status == 413
    assert staging(daemon) == []


# ---- no room ----

def test_more_than_an_upload_may_have(make_daemon, clip):
    daemon = make_daemon({"uploads": {"max": "1 MiB"}}).start()
    with Raw(daemon) as c:
        assert c.head("PUT", "/upload/a.bin", "Expect: 100-continue", length=2 << 20).answer().status == 413
    clip.write_bytes(DATA * 8)
    answer = put(daemon, clip, "a.bin", "-H", "Transfer-Encoding: chunked", "-H", "Expect:")
    assert answer.status == 413, answer
    answer = post_form(daemon, form(part(DATA * 8, "f", "a.bin")))
    assert answer.status == 413, answer
    answer = curl(daemon, "-F", f"f=@{clip}", "-H", "Transfer-Encoding: chunked", "-H", "Expect:", "/upload")
    assert answer.status == 413, answer
    both = form(part(DATA[:200_000] * 3, "f", "a.bin"), part(DATA[1:200_000] * 3, "f", "b.bin"))  # each would be let in
    for headers, body in (([f"Content-Length: {len(both)}"], both),
                          (["Transfer-Encoding: chunked"], b"%x\r\n%s\r\n0\r\n\r\n" % (len(both), both))):
        with Raw(daemon) as c:
            answer = c.head("POST", "/upload", FORM, *headers).send(body).answer()
        assert answer.status == 413 and "uploads.max" in str(answer.error), answer
    assert_nothing_taken(daemon)
    clip.write_bytes(DATA)
    assert_works(daemon, clip)


@pytest.mark.parametrize("path", ["/upload/a.bin", "/upload"])
def test_more_announced_than_the_disk_has(daemon, clip, path):
    """507 at once, without a byte of the body."""
    free = os.statvfs(daemon.archive)
    much = max(100 << 30, free.f_bavail * free.f_frsize + (1 << 30))
    with Raw(daemon) as c:
        answer = c.head("PUT" if path != "/upload" else "POST", path, *([FORM] if path == "/upload" else []), "Expect: 100-continue",
                        length=much).answer()
    if much > 100 << 30:
        assert answer.status in (413, 507), answer  # uploads.max may be less
    else:
        assert answer.status == 507, answer
    assert_nothing_taken(daemon)
    assert_works(daemon, clip)


@pytest.mark.parametrize("path", ["/upload/a.bin", "/upload"])
def test_reserve_is_kept(make_daemon, clip, path):
    """With less free than the reserve nothing is begun; room again, and it goes on."""
    daemon = make_daemon({"store": {"reserve": "900 TiB"}}).start()
    with Raw(daemon) as c:
        answer = c.head("PUT" if path != "/upload" else "POST", path, *([FORM] if path == "/upload" else []), "Expect: 100-continue",
                        length=1000).answer()
    assert answer.status == 507 and answer.error["what"], answer
    assert staging(daemon) == []
    daemon.write_config(store={"reserve": "1 GiB"})
    daemon.reload()
    assert_works(daemon, clip)


@pytest.fixture(name="small_disk")
def small_file_system(work):
    """A file system of 64 MiB, gone after the test."""
    folder = work / "small"
    folder.mkdir()
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64m", "tmpfs", folder], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        pytest.skip(f"no file system can be mounted here: {done.stderr.strip()}")
    yield folder
    subprocess.run(["umount", "-l", folder], check=False)


def test_disk_fills_up_under_an_upload(make_daemon, small_disk, clip):
    """A body whose length nobody announced: 507 when the reserve is reached, and its bytes make room again."""
    daemon = make_daemon({"archive": {"path": str(small_disk / "archive")}, "store": {"reserve": "8 MiB"}})
    daemon.archive = small_disk / "archive"
    daemon.start()
    block = random.Random(7).randbytes(1 << 20)
    with Raw(daemon) as c:
        c.head("PUT", "/upload/a.bin", "Transfer-Encoding: chunked")
        for _ in range(100):
            c.send(b"100000\r\n" + block + b"\r\n")
        answer = c.answer()
    assert answer is None or answer.status == 507, answer
    with Raw(daemon) as c:
        answer = c.head("PUT", "/upload/a.bin", "Expect: 100-continue", length=60 << 20).answer()
    assert answer.status == 507, answer
    wait_no_staging(daemon)
    daemon.wait(lambda: put(daemon, clip).status in (200, 201), "an upload after there is room again")
    assert_fsck_clean(daemon)


@pytest.mark.parametrize("fault, status", [
    ("upload.created=ENOSPC", 507), ("upload.created=EMFILE", 503), ("upload.write=ENOSPC", 507), ("upload.write=EIO", 503),
    ("upload.data=EIO", 503), ("seal.taken=ENOMEM", 503), ("store.stage=EDQUOT", 507)])
@pytest.mark.parametrize("nth", [1, 2])
def test_disk_fails_under_a_form(make_daemon, clip, fault, status, nth):
    """Under its first file or its second one: the form is answered so that its sender tries again, and then all of it arrives."""
    daemon = make_daemon(env={"LIUHEN_FAIL_AT": f"{fault}:{nth}"}).start()
    answer = post_form(daemon, form_body())
    assert answer.status == status, answer
    if "files" in answer.json:  # the first was sealed already
        assert [f["status"] for f in answer.json["files"]] == [201, status] if nth == 2 else [status, status], answer
    assert (status == 503) == ("retry-after" in answer.headers), answer
    wait_no_staging(daemon)
    assert len(daemon.ls()) == (nth - 1 if "files" in answer.json else 0)
    answer = daemon.wait(lambda: (a := post_form(daemon, form_body())).status in (200, 201) and a, "the form on another try")
    assert [content(daemon, f["recording"]) for f in answer.json["files"]] == [DATA[:200_000], DATA[200_000:]]
    assert_works(daemon, clip)


# ---- the catalogue is down ----

def refused_at_once(daemon):
    """The answer to the headers of an upload when it is refused before the body; None when the body is asked for."""
    with Raw(daemon) as c:
        c.head("PUT", "/upload/other.bin", "Expect: 100-continue", length=1000)
        raw = c.socket.recv(65536)
        return c.answer(raw) if b"100 Continue" not in raw else None


def test_catalogue_locked(daemon, clip):
    """Somebody else holds the SQLite catalogue. Who has sent all waits for its receipt; who comes now hears 503 before the body; then
    all goes on by itself."""
    with Raw(daemon) as waiting:
        with locked(daemon.archive):
            waiting.head("PUT", "/upload/clip.bin", length=len(DATA)).send(DATA)
            answer = daemon.wait(lambda: refused_at_once(daemon), "a refusal")
            assert answer.status == 503 and int(answer.headers["retry-after"]) > 0 and answer.error["what"], answer
            answer = curl(daemon, "-F", f"f=@{clip}", "-H", "Expect: 100-continue", "--expect100-timeout", TIMEOUT, "/upload")
            assert answer.status == 503 and int(answer.headers["retry-after"]) > 0, answer
        answer = waiting.answer()
        assert answer.status in (201, 503), answer
    daemon.wait(lambda: put(daemon, clip).status in (200, 201), "an upload after the catalogue is back")
    wait_no_staging(daemon)
    assert len(daemon.ls()) == 1 and set(originals(daemon.archive / "objects")) == {hashlib.sha256(DATA).hexdigest()}
    assert_fsck_clean(daemon)


def test_postgresql_down(make_daemon, clip, work):
    folder = work / "pg"
    up = subprocess.run([ROOT / "tests/pg-up", folder], capture_output=True, text=True, check=False,
                        env={**os.environ, "PG_FSYNC": "off"})
    if up.returncode == 69:
        pytest.skip(up.stderr.strip())
    assert up.returncode == 0, up.stderr
    try:
        daemon = make_daemon({"catalogue": {"dsn": up.stdout.strip()}}).start()
        assert put(daemon, clip).status == 201
        subprocess.run([ROOT / "tests/pg-up", "--stop", folder], check=True, capture_output=True)
        clip.write_bytes(DATA[1:])
        answer = put(daemon, clip)
        assert answer.status == 503 and int(answer.headers["retry-after"]) > 0, answer
        assert daemon.wait(lambda: refused_at_once(daemon), "a refusal before the body").status == 503
        time.sleep(5)  # twice as long as a pause lasts before somebody tries again
        assert refused_at_once(daemon).status == 503 and "intake resumed" not in daemon.log()
        subprocess.run([ROOT / "tests/pg-up", folder], check=True, capture_output=True, env={**os.environ, "PG_FSYNC": "off"})
        answer = daemon.wait(lambda: (a := put(daemon, clip)).status in (200, 201) and a, "an upload after PostgreSQL is back")
        wait_no_staging(daemon)
        daemon.wait(lambda: daemon.run("ls").returncode == 0, "readers that are connected again")
        assert len(daemon.ls()) == 2 and content(daemon, answer.json["recording"]) == DATA[1:]
        assert_fsck_clean(daemon, "--catalogue", daemon.config["catalogue"]["dsn"])
        daemon.stop()
    finally:
        subprocess.run([ROOT / "tests/pg-up", "--remove", folder], check=False)


# ---- the daemon is killed ----

@pytest.mark.parametrize("seed", range(4))
def test_daemon_killed_at_any_byte(make_daemon, clip, seed):
    """Staging is clean after the next start; what was acknowledged is there."""
    daemon, body = make_daemon().start(), form_body()
    first = put(daemon, clip)
    assert first.status == 201
    point = random.Random(seed).randrange(len(body))
    with Raw(daemon) as c:
        c.head("POST", "/upload", FORM, length=len(body)).send(body[:point])
        with Raw(daemon) as d:
            d.head("PUT", "/upload/b.bin", length=len(DATA)).send(DATA[: point // 2])
            daemon.wait(lambda: staging(daemon) or point < 1000, "bytes in staging")
            daemon.kill()
    daemon.start()
    assert staging(daemon) == [] and len(daemon.ls()) == 1
    assert_fsck_clean(daemon)
    answer = post_form(daemon, body)
    assert answer.status == 201 and [f["status"] for f in answer.json["files"]] == [201, 201]
    assert put(daemon, clip).json["recording"] == first.json["recording"]
    assert_fsck_clean(daemon)


@pytest.mark.parametrize("stop", ["upload.created", "upload.data", "seal.taken", "seal.staged", "seal.intent", "seal.synced",
                                  "seal.moved", "seal.stored", "seal.stored-synced", "seal.committed", "seal.published",
                                  "seal.source", "seal.done"])
@pytest.mark.parametrize("way", ["put", "form"])
def test_daemon_killed_at_each_step(make_daemon, clip, stop, way):
    """Sent again, each file is there once and has its receipt, wherever the daemon was killed."""
    daemon = make_daemon()
    daemon.start()
    put(daemon, ROOT / "COPYING")  # so that first acts are not counted
    daemon.wait_idle()
    daemon.stop()
    daemon.start(env={"LIUHEN_KILL_AT": stop})
    with Raw(daemon) as c:
        if way == "put":
            c.head("PUT", "/upload/clip.bin", length=len(DATA)).send(DATA)
        else:
            body = form_body()
            c.head("POST", "/upload", FORM, length=len(body)).send(body)
        daemon.wait_end()
    daemon.start()
    wait_no_staging(daemon)
    assert_fsck_clean(daemon)
    if way == "put":
        answer = put(daemon, clip)
        assert answer.status in (200, 201) and len(daemon.ls()) == 2
    else:
        answer = post_form(daemon, form_body())
        assert answer.status in (200, 201) and len(daemon.ls()) == 3
    wanted = {hashlib.sha256(d).hexdigest() for d in ([DATA] if way == "put" else [DATA[:200_000], DATA[200_000:]])}
    assert set(originals(daemon.archive / "objects")) == wanted | {sha256(ROOT / "COPYING")}
    assert_fsck_clean(daemon)
