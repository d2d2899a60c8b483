# SPDX-License-Identifier: GPL-3.0-or-later
"""Body-worn camera systems when something is wrong: strangers, bad metadata and names, digests that differ, no room, no catalogue, a
daemon that is killed in the middle. 400 is said only of what can never be stored, because the system gives it up then."""
import concurrent.futures
import contextlib
import http.client
import json
import os
import socket
import sqlite3
import time
import urllib.parse

import pytest

from archive_view import assert_fsck_clean, locked
from bodyworn_client import (CAMERA, SERIAL, USER, CameraSystem, Session, api, md5, open_door, register,
                             stamp)
from conftest import TIMEOUT
from ports import free_port
from upload_client import content, staging, wait_no_staging

BOX = f"{USER}_{CAMERA}_20261123T010507Z"
CLIP = "20261123_010507_a1.mkv"


@pytest.fixture(name="door")
def door_of(make_daemon):
    return lambda config=None: open_door(make_daemon, config)


@pytest.fixture(name="system")
def signed_in(door):
    """(daemon, a camera system with the container of a recording)."""
    daemon, url = door()
    bws = CameraSystem(url, key=register(daemon)[1])
    assert bws.container(BOX).status == 201
    return daemon, bws


def assert_nothing_taken(daemon):
    wait_no_staging(daemon)
    assert daemon.ls() == []


# ---- who may ----

def test_wrong_keys(door):
    daemon, url = door()
    _, token = register(daemon)
    for user, key in ((SERIAL, "x"), (SERIAL, ""), ("nobody", token), ("", token), (SERIAL, token[:-1]), (SERIAL, token + "x"),
                      (SERIAL, "'; --"), ("\xe4", token), (SERIAL, "a" * 52)):
        answer = CameraSystem(url, user=user, key=key).sign_in()
        assert answer.status == 401 and "x-auth-token" not in answer.headers and "x-trans-id" in answer.headers, (user, answer)
    bws = CameraSystem(url)
    assert bws.raw("GET", "/auth/v1.0").status == 401
    assert bws.raw("GET", "/auth/v1.0", {"X-Storage-User": SERIAL, "X-Storage-Pass": token}).status == 200
    daemon.wait_log("sign-ins of device BWS-0001 were refused in a short time")
    assert any("BWS-0001" in json.dumps(alarm) for alarm in api(daemon, "GET", "/v1/status")["doors"]["alarms"])
    assert CameraSystem(url, key=token).sign_in().status == 200


def test_only_camera_systems(door):
    daemon, url = door()
    _, token = register(daemon, "CAM-1", "camera")
    answer = CameraSystem(url, user="CAM-1", key=token).sign_in()
    assert answer.status == 401 and "system" in answer.json["error"]["right"]
    device, _ = register(daemon)
    answer = CameraSystem(url).raw("PUT", f"/v1/AUTH_{device}/box", {"Authorization": f"Bearer {token}"})
    assert answer.status == 403


def test_other_accounts(door):
    daemon, url = door()
    mine, token = register(daemon)
    other, other_token = register(daemon, "BWS-0002")
    bws = CameraSystem(url, key=token)
    assert bws.sign_in().status == 200 and bws.storage.endswith(mine)
    theirs = CameraSystem(url, user="BWS-0002", key=other_token)
    assert theirs.container(BOX).status == 201 and theirs.put(BOX, CLIP, b"theirs").status == 201
    bws.storage = bws.storage.replace(mine, other)
    for method, path in (("GET", ""), ("HEAD", f"/{BOX}"), ("GET", f"/{BOX}"), ("PUT", f"/{BOX}"), ("POST", f"/{BOX}"),
                         ("GET", f"/{BOX}/{CLIP}"), ("HEAD", f"/{BOX}/{CLIP}"), ("PUT", f"/{BOX}/{CLIP}"), ("POST", f"/{BOX}/{CLIP}")):
        assert bws.call(method, path, body=b"x" if method == "PUT" else None).status == 403, (method, path)
    for account in ("AUTH_", "AUTH_x", "AUTH_01ARZ3NDEKTSV4RRFFQ69G5FAV", "AUTH_" + mine.lower(), "auth_" + mine):
        bws.storage = f"{url}/v1/{account}"
        assert bws.call("PUT", "/box").status in (403, 404), account
    bws.sign_in()
    assert bws.call("GET").status == 204  # its own account holds nothing
    assert len(daemon.ls()) == 1


def test_token_ends(door):
    """Without a token, with a made-up one, and after the daemon was started anew: 401, and signing in again is all that is needed."""
    daemon, url = door()
    _, token = register(daemon)
    bws = CameraSystem(url, key=token)
    assert bws.container("box").status == 201
    path = urllib.parse.urlsplit(bws.storage).path + "/box"
    assert bws.raw("GET", path).status == 401
    assert bws.raw("GET", path, {"X-Auth-Token": "AUTH_tk0000"}).status == 401
    old = bws.token
    daemon.restart()
    assert bws.raw("GET", path, {"X-Auth-Token": old}).status == 401
    assert bws.put("box", "a.bin", b"x").status == 201 and bws.token != old
    key = api(daemon, "GET", f"/v1/devices/{SERIAL}")["keys"][0]["id"]
    api(daemon, "POST", f"/v1/devices/{SERIAL}/revoke", {"key": key})
    assert bws.raw("GET", path, {"X-Auth-Token": bws.token}).status in (401, 403)
    assert bws.sign_in().status == 401


@pytest.mark.parametrize("host", ["a b", "x/y", "u@h", "h:0", "h:99999", "[::1", "h\"", "%41"])
def test_bad_hosts(door, host):
    """What the client calls us goes into X-Storage-Url: nothing else may."""
    daemon, url = door()
    _, token = register(daemon)
    with socket.create_connection(("127.0.0.1", urllib.parse.urlsplit(url).port), timeout=TIMEOUT) as s:
        s.sendall(f"GET /auth/v1.0 HTTP/1.1\r\nHost: {host}\r\nX-Auth-User: {SERIAL}\r\nX-Auth-Key: {token}\r\n\r\n".encode())
        got = s.recv(65536)
    assert got.startswith(b"HTTP/1.1 400") and b"X-Auth-Token" not in got


def test_nobody_speaks_for_another(make_daemon):
    """The daemon is killed between seal and row, and another system says that these bytes are its own: whose they are stays as it was."""
    daemon, url = open_door(make_daemon)
    keys = [register(daemon, serial)[1] for serial in (SERIAL, "BWS-0002")]
    own, other = (CameraSystem(url, user, key) for user, key in zip((SERIAL, "BWS-0002"), keys))
    assert own.container(BOX).status == 201 and other.container(f"mallory_{CAMERA}9_20261123T010507Z").status == 201
    daemon.stop()
    daemon.start(env={"LIUHEN_FAIL_AT": "bodyworn.sealed=EIO"})
    assert own.put(BOX, CLIP, b"data").status == 503
    answer = other.put(f"mallory_{CAMERA}9_20261123T010507Z", CLIP, b"data")
    assert answer.status == 201
    daemon.wait_idle()
    recording = answer.headers["x-liuhen-recording"]
    assert daemon.cli("show", recording)["device"] == CAMERA
    assert own.put(BOX, CLIP, b"data").status == 201
    shown = daemon.cli("show", recording)
    assert shown["device"] == CAMERA and shown["officer"] == USER and shown["bodyworn"]["container"] == BOX
    assert_fsck_clean(daemon)


# ---- what cannot be stored ----

@pytest.mark.parametrize("headers", [
    {"X-Object-Meta-Name": "%"}, {"X-Object-Meta-Name": "%zz"}, {"X-Object-Meta-Name": "%00"}, {"X-Object-Meta-Name": "%ff"},
    {"X-Object-Meta-Name": "%0d%0aX: y"}, {"X-Object-Meta-Name": "n" * 257}, {"X-Object-Meta-" + "n" * 129: "x"},
    {"X-Object-Meta-": "x"}, {f"X-Object-Meta-K{i}": "x" for i in range(91)}, {"X-Object-Manifest": "a/b"}, {"X-Copy-From": "a/b"}])
def test_bad_headers(system, headers):
    """No footage: refused. Footage: what can be understood of its metadata is kept, and the clip in any case, but for what has no bytes."""
    daemon, bws = system
    assert bws.container("box").status == 201
    answer = bws.put("box", CLIP, b"data", headers=headers)
    assert answer.status == 400 and answer.json["error"]["right"], answer
    assert_nothing_taken(daemon)
    if not any(h.startswith("X-Object-Meta-K") for h in headers):
        assert bws.call("POST", "/box", {k.replace("Object", "Container"): v for k, v in headers.items()
                                         if k.startswith("X-Object-Meta")} or {"X-Container-Meta-A": "%"}).status == 400
    assert bws.put("box", CLIP, b"data").status == 201
    wanted = 201 if any("Meta" in h for h in headers) else 400
    assert bws.put(BOX, CLIP, b"data", headers=headers).status == wanted


def test_footage_with_bad_metadata(door):
    """A system gives up what is answered with 400: neither the recording nor its clips are refused for what is said of them."""
    daemon, url = door()
    bws = CameraSystem(url, key=register(daemon)[1])
    box = f"/{BOX}"
    bad = {"Bwcserialnumber": CAMERA, "Userid": "%zz", "Triggeron": "a%0ab", "Long": "%E9%95%BF" * 100, "n" * 129: "x",
           **{f"K{i}": "x" for i in range(91)}}
    assert bws.call("PUT", box, {f"X-Container-Meta-{k}": v for k, v in bad.items()}).status == 201
    answer = bws.call("PUT", f"{box}/{CLIP}", {"X-Object-Meta-Name": "%ff", "X-Object-Meta-Stoptime": "1795338357"}, b"data")
    assert answer.status == 201, answer
    daemon.wait_idle()
    shown = daemon.cli("show", answer.headers["x-liuhen-recording"])
    assert shown["device"] == CAMERA
    said = shown["bodyworn"]["metadata"]
    assert said["userid"] == "%25zz" and said["triggeron"] == "a%0Ab" and said["long"] == "长" * 85
    assert int(said["liuhen-left-out"]) == 96 - 90 and len(said) == 91
    assert shown["bodyworn"]["object_metadata"]["name"] == "%FF"
    assert any("could not be kept" in note for note in shown["place"]["notes"])
    assert bws.call("POST", box, {"X-Container-Meta-A": "%"}).status == 204
    assert bws.call("POST", f"{box}/{CLIP}", {"X-Object-Meta-A": "%"}).status == 202
    assert_fsck_clean(daemon)


@pytest.mark.parametrize("path", [
    "/" + "c" * 257, f"/{BOX}/" + "o" * 1025, f"/{BOX}/a%00b", f"/{BOX}/a%ffb", f"/{BOX}/../x", f"/{BOX}//x", f"/{BOX}/x/",
    f"/{BOX}/a%0ab", "/a%2Fb", f"/{BOX}/{CLIP}?multipart-manifest=put", f"/{BOX}/%2e%2e"])
def test_bad_names(system, path):
    daemon, bws = system
    answer = bws.call("PUT", path, body=b"data")
    assert answer.status in (400, 404, 414), answer
    assert_nothing_taken(daemon)


def test_names_of_any_kind(system):
    """Quotes, spaces, other scripts, what looks like SQL or a path: all names are names."""
    daemon, bws = system
    names = ["a'b\".mp4", "空格 中文.mkv", "x; DROP TABLE bodyworn_objects;--", "..hidden", "%2e%2e%2f", "CON", "-rf", "a/b/c/d/e/f.mp4"]
    for i, name in enumerate(names):
        assert bws.put(BOX, name, f"data {i}".encode()).status == 201, name
    listing = bws.call("GET", f"/{BOX}?format=json").json
    assert [x["name"] for x in listing] == sorted(names, key=str.encode)
    for i, name in enumerate(names):
        head = bws.get(BOX, name, "HEAD")
        assert head.status == 200 and head.headers["etag"] == md5(f"data {i}".encode())
    assert_fsck_clean(daemon)


def test_empty_clips(system):
    """A clip without bytes can never be one; other objects may be empty."""
    daemon, bws = system
    for name in (CLIP, "a.mp4", "a.key"):
        assert bws.put(BOX, name, b"").status == 400
        assert bws.put(BOX, name, iter(()), chunked=True, headers={"Transfer-Encoding": "chunked"}).status == 400
    assert bws.put(BOX, "bookmark_1_2", b"").status == 201
    assert bws.put(BOX, "empty.txt", iter(()), chunked=True, headers={"Transfer-Encoding": "chunked"}).status == 201
    head = bws.get(BOX, "bookmark_1_2", "HEAD")
    assert head.headers["etag"] == md5(b"") and head.headers["content-length"] == "0"
    assert_nothing_taken(daemon)


def test_large_settings(system):
    daemon, bws = system
    assert bws.put("Users", USER, b"x" * (16 << 10)).status == 201
    assert bws.put("Users", USER, b"x" * ((16 << 10) + 1)).status == 400
    assert bws.put("Users", USER, iter([b"x" * 9000] * 2), chunked=True, headers={"Transfer-Encoding": "chunked"}).status == 400
    assert bws.get("Users", USER).body == b"x" * (16 << 10)
    assert_nothing_taken(daemon)


def test_nothing_is_deleted(system):
    daemon, bws = system
    assert bws.put(BOX, CLIP, b"data").status == 201 and bws.put("Users", USER, b"").status == 201
    for path in (f"/{BOX}/{CLIP}", f"/{BOX}", f"/Users/{USER}", "/Users"):
        assert bws.call("DELETE", path).status == 403, path
    assert bws.call("DELETE").status in (403, 405)
    assert bws.get(BOX, CLIP, "HEAD").status == 200 and len(daemon.ls()) == 1


# ---- bytes ----

def test_digest_that_differs(system):
    daemon, bws = system
    assert bws.put(BOX, CLIP, b"data", headers={"ETag": md5(b"other")}).status == 422
    assert bws.put(BOX, CLIP, b"data", headers={"ETag": "no digest"}).status == 422
    assert bws.put("Users", USER, b"data", headers={"ETag": md5(b"other")}).status == 422
    assert bws.get(BOX, CLIP, "HEAD").status == 404 and bws.get("Users", USER).status == 404
    assert_nothing_taken(daemon)
    for etag in (md5(b"data"), f'"{md5(b"data")}"', md5(b"data").upper()):
        answer = bws.put(BOX, CLIP, b"data", headers={"ETag": etag})
        assert answer.status == 201 and answer.headers["etag"] == md5(b"data")


def test_client_goes(system):
    """In the middle of a clip: nothing of it stays, and the object is not there."""
    daemon, bws = system
    bws.sign_in()
    path = urllib.parse.urlsplit(bws.storage).path
    with socket.create_connection(("127.0.0.1", bws.url.port), timeout=TIMEOUT) as s:
        s.sendall((f"PUT {path}/{BOX}/{CLIP} HTTP/1.1\r\nHost: x\r\nX-Auth-Token: {bws.token}\r\n"
                   f"Content-Length: 1000000\r\n\r\n").encode() + b"x" * 500_000)
        daemon.wait(lambda: staging(daemon), "bytes in staging")
    assert_nothing_taken(daemon)
    assert bws.get(BOX, CLIP, "HEAD").status == 404


def test_continue_is_said_or_refused(system):
    """A system that waits for 100 is asked for the body, or told why not without sending one."""
    daemon, bws = system
    bws.sign_in()
    path = urllib.parse.urlsplit(bws.storage).path
    for name, wanted in ((f"/{BOX}/{CLIP}", b"HTTP/1.1 100"), ("/none/a.mkv", b"HTTP/1.1 404"), (f"/{BOX}/{CLIP}?x=1", b"HTTP/1.1 400")):
        with socket.create_connection(("127.0.0.1", bws.url.port), timeout=TIMEOUT) as s:
            s.sendall((f"PUT {path}{name} HTTP/1.1\r\nHost: x\r\nX-Auth-Token: {bws.token}\r\nExpect: 100-continue\r\n"
                       f"Content-Length: 4\r\n\r\n").encode())
            assert s.recv(65536).startswith(wanted), name
            if wanted.endswith(b"100"):
                s.sendall(b"data")
                assert s.recv(65536).startswith(b"HTTP/1.1 201")
    assert len(daemon.ls()) == 1


# ---- room and catalogue ----

def test_full_disk(door):
    daemon, url = door({"store": {"reserve": "900 TiB"}})
    bws = CameraSystem(url, key=register(daemon)[1])
    assert bws.container(BOX).status == 201
    assert bws.put(BOX, CLIP, b"data").status == 507
    assert bws.put("Users", USER, b"", {"Name": "x"}).status == 201  # no footage, no room needed
    assert_nothing_taken(daemon)
    daemon.write_config(store={"reserve": "1 GiB"})
    daemon.reload()
    assert daemon.wait(lambda: bws.put(BOX, CLIP, b"data").status == 201, "room again")


def test_quota_and_size(door):
    """A quota is a full disk to a camera system, and too many requests are a busy one; what is too large can never be stored... but a
    quota can be raised."""
    daemon, url = door({"uploads": {"max": "1 MiB"}})
    bws = CameraSystem(url, key=register(daemon, quota="1 KiB")[1])
    assert bws.container(BOX).status == 201
    assert bws.put(BOX, CLIP, b"x" * 2000).status == 507
    assert bws.put(BOX, CLIP, b"x" * 1000).status == 201
    answer = bws.put(BOX, "20261123_010508_a1.mkv", b"y" * 1000)
    assert answer.status == 503 and int(answer.headers["retry-after"]) > 0
    assert len(daemon.ls()) == 1


def test_limits_never_say_400(door):
    """A clip that grows beyond uploads.max without having said so: the setting can be raised, so the system must keep the clip."""
    daemon, url = door({"uploads": {"max": "1 MiB"}})
    bws = CameraSystem(url, key=register(daemon)[1])
    assert bws.container(BOX).status == 201
    chunks, chunked = [b"x" * 65536] * 17, {"Transfer-Encoding": "chunked"}
    assert bws.put(BOX, CLIP, iter(chunks), chunked=True, headers=chunked).status == 507
    assert_nothing_taken(daemon)
    daemon.write_config(uploads={"max": "2 MiB"})
    daemon.reload()
    assert daemon.wait(lambda: bws.put(BOX, CLIP, iter(chunks), chunked=True, headers=chunked).status == 201, "room for it")


def test_quota_counts_what_is_under_way(door):
    """Clips side by side do not slip past the quota together, nor does one that does not say how long it is."""
    daemon, url = door()
    bws = CameraSystem(url, key=register(daemon, quota="3 MiB")[1])
    assert bws.container(BOX).status == 201
    bws.sign_in()
    path = urllib.parse.urlsplit(bws.storage).path
    with socket.create_connection(("127.0.0.1", bws.url.port), timeout=TIMEOUT) as s:
        s.sendall((f"PUT {path}/{BOX}/{CLIP} HTTP/1.1\r\nHost: x\r\nX-Auth-Token: {bws.token}\r\n"
                   f"Content-Length: {2 << 20}\r\n\r\n").encode() + b"x" * 500_000)
        daemon.wait(lambda: staging(daemon), "bytes in staging")
        assert bws.put(BOX, "20261123_010508_a1.mkv", b"y" * (2 << 20)).status == 503
        chunked = bws.put(BOX, "20261123_010508_a1.mkv", iter([b"y" * 65536] * 20), chunked=True,
                          headers={"Transfer-Encoding": "chunked"})
        assert chunked.status == 503
    assert_nothing_taken(daemon)
    assert bws.put(BOX, "20261123_010508_a1.mkv", b"y" * (2 << 20)).status == 201  # what it held was given back


def test_rate_counts_words_too(door):
    """Each change of metadata is an act in the ledger for ever: whoever says too much waits; a quota that is used up is no reason to."""
    daemon, url = door()
    bws = CameraSystem(url, key=register(daemon, rate="9", quota="1 KiB")[1])
    assert bws.container(BOX).status == 201 and bws.put(BOX, CLIP, b"x" * 1024).status == 201
    answers = [bws.container(BOX, {"A": str(i)}, "POST") for i in range(4)]
    answers += [bws.post(BOX, CLIP, {"A": str(i)}) for i in range(8)]
    assert [a.status for a in answers[:4]] == [204] * 4 and answers[4].status == 202
    assert answers[-1].status == 503 and int(answers[-1].headers["retry-after"]) > 0


def test_catalogue_down(system):
    """503, and afterwards the same session goes through; nothing half-taken."""
    daemon, bws = system
    assert bws.sign_in().status == 200
    with locked(daemon.archive):
        answer = bws.container("other", {"Status": "Transferring"})
        assert answer.status == 503 and int(answer.headers["retry-after"]) > 0, answer
        assert bws.put(BOX, CLIP, b"data").status == 503
        assert bws.post("Users", USER, {"Name": "x"}).status in (404, 503)
    daemon.wait(lambda: bws.put(BOX, CLIP, b"data").status == 201, "the catalogue takes writes again")
    assert bws.container("other").status == 201
    wait_no_staging(daemon)
    assert len(daemon.ls()) == 1
    assert_fsck_clean(daemon)


def test_fault_of_ours_is_no_fault_of_theirs(make_daemon):
    """What fails inside with a code that would be the sender's fault elsewhere: neither 400 nor 403, which a system takes for final."""
    daemon, url = open_door(make_daemon)
    bws = CameraSystem(url, key=register(daemon)[1])
    assert bws.container(BOX).status == 201
    daemon.stop()
    daemon.start(env={"LIUHEN_FAIL_AT": "upload.open=EACCES"})
    assert bws.put(BOX, CLIP, b"data").status == 500
    assert bws.put(BOX, CLIP, b"data").status == 201
    daemon.stop()
    with contextlib.closing(sqlite3.connect(daemon.archive / "catalogue.db")) as db, db:
        db.execute("UPDATE bodyworn_containers SET metadata = 'no JSON'")
    daemon.start()
    assert bws.put(BOX, "20261123_010508_a1.mkv", b"more").status == 500
    assert bws.container(BOX, {"A": "b"}, "POST").status == 500


def test_metadata_that_pile_up(system):
    """Each POST adds to what a container says of itself; an act has an end, and the recording's own must still be said."""
    daemon, bws = system
    for i in range(12):
        assert bws.container(BOX, {f"K{i}-{j}": "v" * 80 for j in range(80)}, "POST").status == 204, i
    assert bws.container(BOX, {"K0-0": "changed", "Status": "Complete"}, "POST").status == 204
    head = bws.call("HEAD", f"/{BOX}").headers
    assert head["x-container-meta-status"] == "Complete" and head["x-container-meta-k0-0"] == "changed"
    assert head["x-container-meta-liuhen-left-out"]
    assert_fsck_clean(daemon)


def test_words_that_swell(system):
    """A bookmark of control characters beside long metadata, which take more room in the ledger than on the wire."""
    daemon, bws = system
    answer = bws.put(BOX, "bookmark_1_1", b"\x01" * 8192, {f"K{i}": '"' * 180 for i in range(44)})
    assert answer.status == 201, answer
    mark, = daemon.cli("show", answer.headers["x-liuhen-recording"])["bodyworn"]["bookmarks"]
    assert mark["text"] == "?" * 8192
    assert_fsck_clean(daemon)


@pytest.mark.parametrize("fault, status", [("bodyworn.sealed=ENOSPC", 507), ("bodyworn.sealed=EIO", 503), ("bodyworn.sealed=EAGAIN", 503)])
def test_fault_between_seal_and_row(make_daemon, fault, status):
    """The bytes are sealed, the object could not be noted: never 400, and sent again it is the same recording."""
    daemon, url = open_door(make_daemon)
    bws = CameraSystem(url, key=register(daemon)[1])
    assert bws.container(BOX).status == 201
    daemon.stop()
    daemon.start(env={"LIUHEN_FAIL_AT": fault})
    answer = bws.put(BOX, CLIP, b"data")
    assert answer.status == status, answer
    row, = daemon.ls()
    answer = bws.put(BOX, CLIP, b"data")
    assert answer.status == 201 and answer.headers["x-liuhen-recording"] == row["id"]
    assert daemon.cli("show", row["id"])["bodyworn"]["object"] == CLIP
    assert_fsck_clean(daemon)


def test_many_at_once(system):
    """Clips side by side, some of them twice: each is there once, numbered in the order of their names."""
    daemon, bws = system
    bws.sign_in()
    names = [f"20261110_01{i:02}07_a1.mkv" for i in range(40)]
    with concurrent.futures.ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(lambda name: bws.put(BOX, name, name.encode() * 1000), [*names, *names[:10]]))
    assert {a.status for a in answers} == {201}, answers
    assert bws.container(BOX, {"Status": "Complete"}, "POST").status == 204
    daemon.wait_idle()
    rows = daemon.ls()
    assert len(rows) == 40 and len({r["take"] for r in rows}) == 1
    head = bws.call("HEAD", f"/{BOX}").headers
    assert head["x-container-object-count"] == "40"
    numbers = {r["name"]: int(daemon.cli("show", r["id"])["place"]["seq"]["value"]) for r in rows[::8]}
    assert numbers == {name: names.index(name) + 1 for name in numbers}
    assert_fsck_clean(daemon)


# ---- the daemon is killed ----

@pytest.mark.parametrize("stop", ["upload.data", "seal.synced", "seal.committed:2", "bodyworn.sealed", "seal.done"])
def test_killed_in_a_session(make_daemon, media, stop):
    """The session is played again after the next start: each thing is there once, in one take."""
    daemon, url = open_door(make_daemon)
    bws, session = CameraSystem(url, key=register(daemon)[1]), Session(media)
    session.settings(bws)
    assert bws.container(session.name, session.metadata()).status == 201
    first, *_ = sorted(session.clips)
    assert bws.put(session.name, first, session.clips[first], session.clip_times(first)).status == 201
    daemon.wait_idle()
    daemon.stop()
    daemon.start(env={"LIUHEN_KILL_AT": stop})
    with pytest.raises((OSError, http.client.HTTPException)):
        session.play(bws)
    assert daemon.wait_end() < 0
    daemon.start()
    recordings = session.play(bws)
    daemon.wait_idle()
    assert len(daemon.ls()) == 4 == len(set(recordings.values()))
    assert len({r["take"] for r in daemon.ls()}) == 1
    for name, data in session.clips.items():
        assert content(daemon, recordings[name]) == data
    head = bws.call("HEAD", f"/{session.name}").headers
    assert head["x-container-object-count"] == "4" and head["x-container-meta-status"] == "Complete"
    assert_fsck_clean(daemon)


def test_killed_between_seal_and_row(make_daemon):
    """The bytes are sealed, the object is not in the catalogue, and the system never comes back: the clip is placed by what it was
    brought with all the same."""
    daemon, url = open_door(make_daemon)
    bws, start = CameraSystem(url, key=register(daemon)[1]), int(time.time()) - 600
    name = f"{USER}_{CAMERA}_{stamp(start)}"
    assert bws.container(name, {"Bwcserialnumber": CAMERA}).status == 201
    daemon.stop()
    daemon.start(env={"LIUHEN_KILL_AT": "bodyworn.sealed"})
    bws.sign_in()
    with pytest.raises(OSError):
        bws.put(name, f"{stamp(start, '%Y%m%d_%H%M%S')}_x.mkv", os.urandom(1000), {"Stoptime": str(start + 9)})
    assert daemon.wait_end() < 0
    daemon.start()
    daemon.wait_idle()
    row, = daemon.ls()
    shown = daemon.cli("show", row["id"])
    assert shown["device"] == CAMERA and shown["started"] == start * 10**6 and shown["ended"] == (start + 9) * 10**6
    assert shown["place"]["device"]["source"] == "bodyworn" and shown["take"] and "bodyworn" not in shown
    assert_fsck_clean(daemon)


def test_client_certificates_count_too(make_daemon):
    """Over TLS nothing changes: the key in the file is what lets a system in."""
    port = free_port()
    daemon = make_daemon(config={"http": {"tls": f"127.0.0.1:{port}", "names": ["127.0.0.1"]}}).start()
    bws = CameraSystem(f"https://127.0.0.1:{port}", key="wrong", cafile=daemon.archive / "keys/ca.pem")
    register(daemon)
    assert bws.sign_in().status == 401
