# SPDX-License-Identifier: GPL-3.0-or-later
"""PUT and POST /upload by devices, over loopback with tokens: who gets in, for whom a device may speak, quotas and rates."""
import json
import random

import pytest

from archive_view import assert_fsck_clean, originals
from conftest import TIMEOUT
from ports import free_port
from upload_client import FORM, Raw, curl, form, part, staging, wait_no_staging

DATA = random.Random(8).randbytes(300_000)


@pytest.fixture(name="clip")
def clip_file(work):
    path = work / "clip.bin"
    path.write_bytes(DATA)
    return path


class Site:
    """A daemon with a port on loopback, and devices that send to it."""

    def __init__(self, daemon, port):
        self.daemon, self.url = daemon, f"http://127.0.0.1:{port}"

    def ask(self, method, path, **members):
        """A request of a person."""
        answer = curl(self.daemon, "-X", method, "-H", "Content-Type: application/json", "-d", json.dumps(members), path)
        assert answer.status in (200, 201), answer
        return answer.json

    def device(self, serial, kind="camera", **more):
        """Registers one; its token."""
        self.ask("POST", "/v1/devices", serial=serial, kind=kind, **more)
        return self.ask("POST", f"/v1/devices/{serial}/token")["token"]

    def send(self, token, *words):
        """curl of a device; token None: it brings none."""
        auth = ["-H", f"Authorization: Bearer {token}"] if token is not None else []
        return curl(self.daemon, *auth, "--expect100-timeout", TIMEOUT, *words, url=self.url, over_socket=False)

    def put(self, token, file, *words, query=""):
        return self.send(token, "-T", file, f"/upload/clip.bin{query}", *words)

    def alarms(self):
        return self.daemon.cli("status")["doors"]["alarms"]


@pytest.fixture(name="site")
def site_on_loopback(make_daemon):
    port = free_port()
    return Site(make_daemon({"http": {"loopback": f"127.0.0.1:{port}"}}).start(), port)


def assert_nothing_taken(daemon):
    wait_no_staging(daemon)
    assert daemon.ls() == [] and not originals(daemon.archive / "objects")


def files_in(daemon):
    """The files of uploads in hand."""
    return [f for f in (daemon.archive / "staging").rglob("*") if f.is_file()]


EXPECT = ["-H", "Expect: 100-continue"]


def test_device_delivers(site, clip):
    """By token as Bearer and as Basic; what the register knows of it goes with the recording."""
    token = site.device("CAM-1", unit="本溪", timezone="Asia/Shanghai")
    answer = site.put(token, clip, query="?officer=li")
    assert answer.status == 201, answer
    assert site.send(None, "-u", f"CAM-1:{token}", "-F", f"f=@{clip}", "/upload").status == 200
    site.daemon.wait_idle()
    shown = site.daemon.cli("show", answer.json["recording"])
    assert (shown["place"]["device"]["value"], shown["place"]["unit"]["value"]) == ("CAM-1", "本溪")
    assert shown["place"]["officer"]["value"] == "li" and shown["arrival"]["peer"] == "127.0.0.1"
    assert_fsck_clean(site.daemon)


def test_who_does_not_get_in(site, clip):
    """401 and 403 before any body, and an alarm after repeats; what is right still works."""
    good, revoked, retired = site.device("CAM-1"), site.device("CAM-2"), site.device("CAM-3")
    site.ask("POST", "/v1/devices/CAM-3/retire")
    site.ask("POST", "/v1/devices/CAM-2/revoke", key=revoked.split("_")[1], reason="lost")
    for token, statuses in ((None, {401}), ("", {401}), ("lh_x", {401}), (good[:-1] + ("a" if good[-1] != "a" else "b"), {401}),
                            (revoked, {403}), (retired, {403})):
        for words in ([*EXPECT, "-T", clip, "/upload/clip.bin"], [*EXPECT, "-F", f"f=@{clip}", "/upload"]):
            answer = site.send(token, *words)
            assert answer.status in statuses and answer.sent == 0 and answer.error["right"], (token, answer)
    assert site.send(None, "-u", f"CAM-2:{good}", *EXPECT, "-T", clip, "/upload/clip.bin").status == 401
    assert_nothing_taken(site.daemon)
    alarms = site.alarms()
    assert any("127.0.0.1" in a["who"] and a["denials"] >= 5 for a in alarms), alarms
    assert site.put(good, clip).status == 201


def test_a_device_speaks_for_itself_only(site, clip):
    """Also where its field comes behind the file: then nothing of the form is sealed."""
    camera, dock = site.device("CAM-1"), site.device("DOCK-1", "dock")
    for words in ([*EXPECT, "-T", clip, "/upload/clip.bin?device=CAM-2"],
                  [*EXPECT, "-T", clip, "-H", "Liuhen-Device: CAM-2", "/upload/clip.bin"],
                  [*EXPECT, "-F", f"f=@{clip}", "/upload?device=CAM-2"]):
        answer = site.send(camera, *words)
        assert answer.status == 403 and answer.sent == 0 and answer.error["object"] == "device", answer
    for words in (["-F", "device=CAM-2", "-F", f"f=@{clip}"], ["-F", f"f=@{clip}", "-F", "device=CAM-2"]):
        answer = site.send(camera, *words, "/upload")
        assert answer.status == 403 and answer.error["object"] == "device", answer
    assert_nothing_taken(site.daemon)
    assert site.send(camera, "-F", f"f=@{clip}", "-F", "device=CAM-1", "/upload").status == 201
    clip.write_bytes(DATA[1:])
    docked = site.send(dock, "-T", clip, "/upload/clip.bin?device=CAM-9")
    assert docked.status == 201, docked
    site.daemon.wait_idle()
    assert sorted(r["device"] for r in site.daemon.ls()) == ["CAM-1", "CAM-9"]


def test_no_file_name_makes_it_another_devices(make_daemon, clip):
    """A rule that is certain of its names does not count against the device that signed in; what a dock brings is named by it."""
    port = free_port()
    rule = {"name": "names", "match": "^(?<device>CAM-\\d+)_", "on": "name", "certainty": "certain"}
    site = Site(make_daemon({"http": {"loopback": f"127.0.0.1:{port}"}, "place": [rule]}).start(), port)
    camera, dock = site.device("CAM-1"), site.device("DOCK-1", "dock")
    own = site.send(camera, "-T", clip, "/upload/CAM-2_a.bin").json["recording"]
    clip.write_bytes(DATA[1:])
    docked = site.send(dock, "-T", clip, "/upload/CAM-3_a.bin").json["recording"]
    site.daemon.wait_idle()
    assert {r["id"]: r["device"] for r in site.daemon.ls()} == {own: "CAM-1", docked: "CAM-3"}


def test_quota(site, clip):
    """413 where one is more than a whole day's, 429 with Retry-After where the day is used up; chunked bodies count as they come."""
    token = site.device("CAM-1", quota="1 MiB")
    clip.write_bytes(DATA * 4)
    answer = site.put(token, clip, *EXPECT)
    assert answer.status == 413 and answer.sent == 0, answer
    chunked = ["-H", "Transfer-Encoding: chunked", "-H", "Expect:"]
    assert site.put(token, clip, *chunked).status == 413
    assert site.send(token, *chunked, "-F", f"f=@{clip}", "/upload").status == 413
    assert_nothing_taken(site.daemon)
    for i in range(3):
        clip.write_bytes(DATA + bytes([i]))
        answer = site.put(token, clip) if i else site.send(token, "-F", f"f=@{clip}", "/upload")
        assert answer.status == 201, answer
    for words in (EXPECT, chunked):
        answer = site.put(token, clip, *words)
        assert answer.status == 429 and 0 < int(answer.headers["retry-after"]) <= 25 * 3600, answer
    answer = site.send(token, *chunked, "-F", f"f=@{clip}", "/upload")
    assert answer.status == 429 and int(answer.headers["retry-after"]) > 0, answer
    assert len(site.daemon.ls()) == 3 and staging(site.daemon) == []
    clip.write_bytes(DATA[:1000])
    assert site.put(token, clip).status == 201
    assert site.put(site.device("CAM-2"), clip).status == 200


def test_quota_holds_for_uploads_side_by_side(site, clip):
    """Two that fit one by one; the first is in hand while the second asks. When it goes there is room again."""
    token = site.device("CAM-1", quota="500 KiB")
    for headers in ([f"Content-Length: {len(DATA)}"], ["Transfer-Encoding: chunked"]):
        with Raw(site.daemon) as c:
            c.head("PUT", "/upload/first.bin", f"Authorization: Bearer {token}", *headers)
            c.send(b"%x\r\n" % len(DATA) if "chunked" in headers[0] else b"").send(DATA[:290_000])
            site.daemon.wait(lambda: sum(f.stat().st_size for f in files_in(site.daemon)) == 290_000, "bytes of the first")
            answer = site.put(token, clip, *EXPECT)
            assert answer.status == 429 and answer.sent == 0, answer
        wait_no_staging(site.daemon)
    assert site.put(token, clip).status == 201


def test_rate(site, clip):
    token = site.device("CAM-1", rate="3")
    answers = []
    for i in range(5):
        clip.write_bytes(DATA[:100 + i])
        answers.append(site.put(token, clip))
    assert [a.status for a in answers[:3]] == [201] * 3
    assert answers[4].status == 429 and int(answers[4].headers["retry-after"]) > 0, answers[4]


def test_devices_see_nothing_else(site, clip):
    """A token opens the doors and no route of people."""
    token = site.device("CAM-1")
    for method, path in (("GET", "/v1/recordings"), ("GET", "/v1/devices"), ("POST", "/v1/devices"), ("GET", "/v1/status")):
        assert site.send(token, "-X", method, path).status in (401, 403), path
    assert site.put(token, clip).status == 201


def test_field_of_a_device_in_its_zone(site, clip):
    """Times without an offset are of the camera's own clock."""
    token = site.device("CAM-1", timezone="Europe/Berlin")
    answer = site.put(token, clip, query="?started=2026-11-23T09:05:07&mtime=2026-11-23T09:05:07")
    site.daemon.wait_idle()
    shown = site.daemon.cli("show", answer.json["recording"])
    assert shown["place"]["started"]["value"] == 1795421107000000 == shown["arrival"]["mtime"]


def test_form_body_is_read_only_after_the_token(site):
    """A form without a token gets its answer whether or not the sender waits for it."""
    body = form(part(DATA, "f", "a.bin"))
    with Raw(site.daemon) as c:
        answer = c.head("POST", "/upload", FORM, "Authorization: Bearer lh_no", length=len(body)).send(body).answer()
    assert answer.status == 401, answer
    assert_nothing_taken(site.daemon)
