# SPDX-License-Identifier: GPL-3.0-or-later
"""Body-worn camera systems: Debian's own Swift client, and whole sessions as camera systems hold them. What goes wrong stands in
test_bodyworn_trouble.py."""
import base64
import contextlib
import json
import os
import sqlite3
import subprocess
import time

import psycopg2
import pytest

from archive_view import assert_fsck_clean
from bodyworn_client import CAMERA, SERIAL, SYSTEM, USER, CameraSystem, Session, api, iso, md5, open_door, register, stamp
from conftest import ROOT, TIMEOUT, succeeded
from ports import free_port
from upload_client import content

swiftclient = pytest.importorskip("swiftclient", reason="python3-swiftclient is not installed")

@pytest.fixture(name="door")
def door_of(make_daemon):
    """A maker of running daemons with plain HTTP on loopback: (daemon, url)."""
    return lambda config=None: open_door(make_daemon, config)


def place(daemon, recording):
    return daemon.cli("show", recording)["place"]


def value(daemon, recording, key):
    fact = place(daemon, recording)[key]
    assert fact["source"] == "bodyworn" and fact["certainty"] == "certain", fact
    return fact["value"]


def swift(url, token, *args, user=SERIAL, code=0, cwd=None):
    done = subprocess.run(["swift", "-A", f"{url}/auth/v1.0", "-U", user, "-K", token, *map(str, args)], capture_output=True,
                          text=True, timeout=TIMEOUT, check=False, stdin=subprocess.DEVNULL, cwd=cwd,
                          env={**{k: v for k, v in os.environ.items() if not k.startswith(("OS_", "ST_"))}, "no_proxy": "*"})
    assert done.returncode == code, (done.stdout, done.stderr)
    return done.stdout


# ---- the Swift client of Debian ----

def test_swift_upload(door, media, work):
    daemon, url = door()
    _, token = register(daemon)
    (work / "in").mkdir()
    files = {f"in/{i}.mp4": media("video", seconds=1 + i).read_bytes() for i in range(2)}
    for name, data in files.items():
        (work / name).write_bytes(data)
    swift(url, token, "upload", "box", "in", cwd=work)
    rows = daemon.wait_sealed(2)
    assert {r["name"] for r in rows} == {"0.mp4", "1.mp4"} and {r["door"] for r in rows} == {"bodyworn"}
    assert {r["device"] for r in rows if r.get("device")} <= {SERIAL}
    for row in rows:
        assert content(daemon, row["id"]) == files[f"in/{row['name']}"]
    assert swift(url, token, "list").split() == ["box"]
    assert sorted(swift(url, token, "list", "box").split()) == sorted(files)
    said = swift(url, token, "stat", "box", "in/0.mp4")
    assert md5(files["in/0.mp4"]) in said and str(len(files["in/0.mp4"])) in said
    swift(url, token, "upload", "--changed", "box", "in", cwd=work)  # asks by HEAD, sends nothing
    assert len(daemon.ls()) == 2
    assert daemon.log().count("known already") == 0
    assert "403" in (subprocess.run(["swift", "-A", f"{url}/auth/v1.0", "-U", SERIAL, "-K", token, "delete", "box", "in/0.mp4"],
                                    capture_output=True, text=True, check=False, timeout=TIMEOUT).stderr)
    assert_fsck_clean(daemon)


def test_swift_library(door):
    daemon, url = door()
    device, token = register(daemon)
    c = swiftclient.Connection(authurl=f"{url}/auth/v1.0", user=SERIAL, key=token, retries=1)
    storage, _ = c.get_auth()
    assert storage == f"{url}/v1/AUTH_{device}"
    c.put_container("Users")
    c.put_object("Users", USER, b"x", headers={"X-Object-Meta-Name": "%E6%9D%8E"})
    headers, body = c.get_object("Users", USER)
    assert body == b"x" and headers["x-object-meta-name"] == "李" and headers["etag"] == md5(b"x")
    c.post_container("Users", {"X-Container-Meta-A": "1", "X-Container-Meta-B": "2"})
    c.post_container("Users", {"X-Container-Meta-A": "", "X-Remove-Container-Meta-B": "x", "X-Container-Meta-C": "3"})
    head = c.head_container("Users")
    assert head["x-container-object-count"] == "1" and head["x-container-bytes-used"] == "1"
    assert [k for k in head if k.startswith("x-container-meta-")] == ["x-container-meta-c"]
    assert c.head_account()["x-account-container-count"] == "1"
    for i in range(5):
        c.put_object("box" if c.put_container("box") is None else "", f"n{i}.txt", f"text {i}".encode())
    _, listing = c.get_container("box", marker="n0.txt", end_marker="n4.txt", limit=2)
    assert [(x["name"], x["bytes"], x["hash"]) for x in listing] == [
        (f"n{i}.txt", 6, md5(f"text {i}".encode())) for i in (1, 2)]
    _, listing = c.get_container("box", prefix="n3", full_listing=True)
    assert [x["name"] for x in listing] == ["n3.txt"]
    with pytest.raises(swiftclient.ClientException) as no:
        c.get_object("box", "n1.txt")  # evidence is not handed out by this door
    assert no.value.http_status == 403
    for wrong in (lambda: c.head_object("box", "none"), lambda: c.head_container("none"), lambda: c.put_object("none", "a.mp4", b"x")):
        with pytest.raises(swiftclient.ClientException) as no:
            wrong()
        assert no.value.http_status == 404


# ---- a camera system's session ----

def check_session(daemon, session, recordings):
    """Clips, bookmark and trail are one take, with the camera's own device, officer and times."""
    daemon.wait_idle()
    shown = {name: daemon.cli("show", r) for name, r in recordings.items()}
    takes = {s["take"] for s in shown.values()}
    assert len(takes) == 1
    for i, name in enumerate(sorted(session.clips)):
        s = shown[name]
        assert s["device"] == CAMERA and s["officer"] == "李 警官" and s["status"] == "ok"
        assert s["started"] == (session.start + 60 * i) * 10**6 and s["ended"] == (session.start + 60 * i + 1) * 10**6
        assert s["certainty"] == "certain" and s["place"]["seq"]["value"] == str(i + 1)
        assert s["place"]["officer"]["source"] == "bodyworn"
        assert s["arrival"]["zone"] == "Asia/Shanghai" and s["arrival"]["device"] == SERIAL
        assert [p["value"] for p in s["place"]["proposals"]] == ["hold-refusal"]
        assert s["place"]["proposals"][0]["source"] == "bodyworn:category"
        assert not s["hold_list"]  # a proposal holds nothing
        assert content(daemon, s["id"]) == session.clips[name]
        b = s["bodyworn"]
        assert b["container"] == session.name and b["status"] == "complete" and b["id"] == s["take"]
        assert b["trigger_on"] == {"why": "Button", "time": session.start * 10**6, "location": {
            "latitude": 412000000, "longitude": 1237000000, "accuracy_mm": 4500, "time": session.start * 10**6}}
        assert b["trigger_off"]["location"]["latitude"] == 412400000
        mark, = b["bookmarks"]
        assert mark["text"] == "当事人 拒绝签字" and mark["category"] == "refusal" and mark["category_id"] == "hold-refusal"
        assert mark["tags"] == {"TriggerOn": "Button", "Floor": "3"}
        assert mark["started"] == (session.start + 30) * 10**6 and mark["ended"] == (session.start + 40) * 10**6
        trail, = b["trails"]
        assert trail["points"] == 5 and trail["first"] == {"latitude": 412000000, "longitude": 1237000000, "time": session.start * 10**6}
        assert trail["last"]["latitude"] == 412400000
    text = daemon.cli("show", recordings[sorted(session.clips)[0]], json=False)
    assert "当事人 拒绝签字" in text and "5 points" in text and "refusal" in text and "complete" in text
    assert shown[session.trail_name]["ended"] == (session.start + 120) * 10**6
    return takes.pop()


def test_session(door, media):
    daemon, url = door()
    _, token = register(daemon)
    session = Session(media)
    recordings = session.play(CameraSystem(url, key=token))
    check_session(daemon, session, recordings)
    assert_fsck_clean(daemon)


def test_session_again(door, media):
    """The same once more: 201 for everything, the first recordings, no new act about objects."""
    daemon, url = door()
    _, token = register(daemon)
    session = Session(media)
    bws = CameraSystem(url, key=token)
    first = session.play(bws)
    take = check_session(daemon, session, first)
    again = session.play(bws)
    assert again == first
    assert check_session(daemon, session, again) == take
    for name, recording in first.items():
        acts = [a["kind"] for a in daemon.cli("history", recording)["acts"]]
        assert acts.count("bodyworn.object") == 1 and acts.count("recording.sealed") == 1, (name, acts)
    daemon.wait_log("called complete; taken")
    assert_fsck_clean(daemon)


def test_session_over_tls(make_daemon, media):
    port = free_port()
    daemon = make_daemon(config={"http": {"tls": f"127.0.0.1:{port}", "names": ["127.0.0.1"]}}).start()
    device, token = register(daemon)
    bws = CameraSystem(f"https://127.0.0.1:{port}", key=token, cafile=daemon.archive / "keys/ca.pem")
    session = Session(media, "mp4")
    recordings = session.play(bws)
    assert bws.storage == f"https://127.0.0.1:{port}/v1/AUTH_{device}"
    check_session(daemon, session, recordings)


def test_rebuild_is_equal(door, media, work):
    daemon, url = door()
    _, token = register(daemon)
    session = Session(media)
    bws = CameraSystem(url, key=token)
    recordings = session.play(bws)
    assert bws.put(session.name, sorted(session.clips)[0], b"other bytes", {}).status == 201
    check = daemon.cli("show", recordings[session.mark])["bodyworn"]
    daemon.wait_idle()
    daemon.stop()
    before = dump(daemon.archive / "catalogue.db")
    assert before["bodyworn_objects"] and before["bodyworn_containers"]
    succeeded(daemon.run("rebuild", "--archive", daemon.archive, "--to", work / "new.db"))
    assert dump(work / "new.db") == before
    daemon.start()
    assert daemon.cli("show", recordings[session.mark])["bodyworn"] == check
    assert_fsck_clean(daemon)


def dump_of(cursor):
    """All rows of the tables of body-worn systems."""
    rows = {}
    for table in ("bodyworn_containers", "bodyworn_objects"):
        cursor.execute(f"SELECT * FROM {table} ORDER BY id")
        rows[table] = cursor.fetchall()
    return rows


def dump(path):
    with contextlib.closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as db:
        return dump_of(db.cursor())


# ---- what the system reads ----

def test_capabilities_and_categories(door):
    daemon, url = door()
    _, token = register(daemon)
    bws = CameraSystem(url, key=token)
    answer = bws.get("System", "Capabilities.json")
    assert answer.status == 200 and answer.headers["etag"] == md5(answer.body)
    assert answer.json == {
        "Read": {"ReadCategories": True},
        "Store": {"StoreBookmarks": True, "StoreGNSSTrackRecording": True, "StoreRejectedContent": True, "StoreSignedVideo": True,
                  "StoreUserIDKey": True},
        "StoreAndRead": {"StoreReadSystemID": True}}
    answer = bws.get("System", "Categories.json")
    assert answer.status == 200 and answer.headers["etag"] == md5(answer.body)
    names, ids = {c["Name"] for c in answer.json}, [c["Id"] for c in answer.json]
    assert {"routine", "disputed", "complaint", "mass-incident"} <= names
    assert len(set(ids)) == len(ids) and all(0 < len(i) <= 32 for i in ids)
    assert {"class-routine", "hold-complaint"} <= set(ids)
    assert bws.get("System", "Capabilities.json", "HEAD").headers["etag"] == md5(bws.get("System", "Capabilities.json").body)
    assert bws.put("System", "Capabilities.json", b"{}").status == 403
    assert bws.get("System", SYSTEM).status == 404
    assert bws.put("System", SYSTEM, b"{}", {"Systemname": "%"}).status == 201
    answer = bws.get("System", SYSTEM)
    assert answer.status == 200 and answer.body == b"{}" and answer.headers["etag"] == md5(b"{}")
    assert answer.headers["x-object-meta-systemname"] == "%25"
    assert bws.post("System", SYSTEM, {"Systemname": "新名"}).status == 202
    assert bws.get("System", SYSTEM).headers["x-object-meta-systemname"] == "%E6%96%B0%E5%90%8D"
    assert daemon.ls() == []  # settings are no footage


def test_categories_follow_the_policy(door, work):
    text = (ROOT / "policies/cn-health-enforcement.yaml").read_text(encoding="utf-8")
    policy = work / "own.yaml"
    policy.write_text(text, encoding="utf-8")
    daemon, url = door({"policy": str(policy)})
    _, token = register(daemon)
    bws = CameraSystem(url, key=token)
    before = {c["Id"] for c in bws.get("System", "Categories.json").json}
    policy.write_text(text.replace("classes:\n", "classes:\n  training: { cite: own, when: { device: T1 }, keep: 10 years }\n", 1),
                      encoding="utf-8")
    daemon.reload()
    daemon.wait(lambda: "class-training" in {c["Id"] for c in bws.get("System", "Categories.json").json}, "the new class")
    assert before < {c["Id"] for c in bws.get("System", "Categories.json").json}


# ---- what comes in another order ----

def test_facts_that_come_later(door, media):
    """Bytes before metadata: each thing that is said later places the clip again."""
    daemon, url = door()
    _, token = register(daemon)
    bws, session = CameraSystem(url, key=token), Session(media)
    name, data = sorted(session.clips.items())[0]
    assert bws.container(session.name).status == 201
    clip = bws.put(session.name, name, data).headers["x-liuhen-recording"]
    daemon.wait_idle()
    assert value(daemon, clip, "device") == CAMERA and value(daemon, clip, "officer") == USER  # from the name alone
    assert value(daemon, clip, "started") == session.start * 10**6
    assert place(daemon, clip)["ended"]["source"] == "started + duration"
    session.settings(bws)
    assert value(daemon, clip, "officer") == "李 警官"
    assert bws.post("Users", USER, {"Name": "王 警官"}).status == 202
    assert value(daemon, clip, "officer") == "李 警官"  # it was so when it was placed
    assert bws.container(session.name, session.metadata(Bwcserialnumber="ACCC8EAA0099"), "POST").status == 204
    assert value(daemon, clip, "device") == "ACCC8EAA0099" and value(daemon, clip, "officer") == "王 警官"
    assert bws.post(session.name, name, session.clip_times(name)).status == 202
    assert value(daemon, clip, "ended") == (session.start + 1) * 10**6
    assert bws.put(session.name, session.mark, b"", {"Categoryid": "gone-since", "Starttime": iso(session.start)}).status == 201
    assert [p["value"] for p in place(daemon, clip)["proposals"]] == ["gone-since"]
    count = len(daemon.cli("history", clip)["acts"])
    assert bws.container(session.name, session.metadata(Bwcserialnumber="ACCC8EAA0099"), "POST").status == 204
    assert len(daemon.cli("history", clip)["acts"]) == count  # the same said twice is no act
    assert_fsck_clean(daemon)


def test_takes_stay_apart(door, media):
    """Two recordings of one camera that follow each other at once are two takes: the camera system says so."""
    daemon, url = door()
    _, token = register(daemon)
    bws = CameraSystem(url, key=token)
    start, takes = int(time.time()) - 600, []
    for i in range(2):
        name, began = f"{USER}_{CAMERA}_{stamp(start + 2 * i)}", start + 2 * i
        assert bws.container(name, {"Bwcserialnumber": CAMERA}).status == 201
        clip = bws.put(name, f"{stamp(began, '%Y%m%d_%H%M%S')}_x.mp4", media("video", seconds=1 + i).read_bytes(),
                       {"Starttime": str(began), "Stoptime": str(began + 2)}).headers["x-liuhen-recording"]
        daemon.wait_idle()
        takes.append(daemon.cli("show", clip)["take"])
    assert takes[0] != takes[1]


def test_encrypted(door):
    """An encrypted clip is kept with its key: unknown, not damaged, and both say that they belong together."""
    daemon, url = door()
    _, token = register(daemon)
    bws = CameraSystem(url, key=token)
    start = int(time.time()) - 600
    name, stem = f"{USER}_{CAMERA}_{stamp(start)}", f"{stamp(start, '%Y%m%d_%H%M%S')}_x"
    assert bws.container(name, {"Status": "Transferring"}).status == 201
    clip = bws.put(name, f"{stem}.mkv", os.urandom(50_000), {"Starttime": str(start), "Stoptime": str(start + 9)})
    daemon.wait_idle()
    key = bws.put(name, f"{stem}.key", b'{"PublicKeyId":"k1","EncryptedKey":"AAAA"}')
    daemon.wait_idle()
    clip, key = (daemon.cli("show", a.headers["x-liuhen-recording"]) for a in (clip, key))
    assert clip["status"] == "unknown" and clip["take"] == key["take"]
    assert any("encrypted" in n for n in clip["place"]["notes"])
    assert any("key object" in n for n in key["place"]["notes"])
    assert (key["started"], key["ended"]) == (clip["started"], clip["ended"])
    assert [k["recording"] for k in clip["bodyworn"]["keys"]] == [key["id"]]


def test_clip_after_its_key_and_after_the_end(door):
    """A key that came before its clip has the clip's times; a clip that comes after Complete moves the numbers of those behind it."""
    daemon, url = door()
    bws = CameraSystem(url, key=register(daemon)[1])
    start = int(time.time()) - 7200
    box, names = f"{USER}_{CAMERA}_{stamp(start)}", [f"{stamp(start + 60 * i, '%Y%m%d_%H%M%S')}_a1.mkv" for i in range(2)]
    times = [{"Starttime": str(start + 60 * i), "Stoptime": str(start + 60 * i + 50)} for i in range(2)]
    assert bws.container(box).status == 201
    key = bws.put(box, names[0].replace("mkv", "key"), b"key").headers["x-liuhen-recording"]
    second = bws.put(box, names[1], b"second", times[1]).headers["x-liuhen-recording"]
    assert bws.container(box, {"Status": "Complete"}, "POST").status == 204
    daemon.wait_idle()
    assert daemon.cli("show", second)["place"]["seq"]["value"] == "1"
    first = bws.put(box, names[0], b"first", times[0]).headers["x-liuhen-recording"]
    daemon.wait_idle()
    assert [daemon.cli("show", r)["place"]["seq"]["value"] for r in (first, second)] == ["1", "2"]
    assert daemon.cli("show", key)["ended"] == (start + 50) * 10**6
    assert_fsck_clean(daemon)


def test_key_before_its_clip(door):
    daemon, url = door()
    bws = CameraSystem(url, key=register(daemon)[1])
    start = int(time.time()) - 7200
    box, name = f"{USER}_{CAMERA}_{stamp(start)}", f"{stamp(start, '%Y%m%d_%H%M%S')}_a1.mkv"
    assert bws.container(box).status == 201
    key = bws.put(box, name.replace("mkv", "key"), b"key").headers["x-liuhen-recording"]
    daemon.wait_idle()
    assert bws.put(box, name, b"clip", {"Stoptime": str(start + 50)}).status == 201
    daemon.wait_idle()
    assert daemon.cli("show", key)["ended"] == (start + 50) * 10**6


def test_rejected_content(door):
    """What went wrong in the camera system itself is taken whatever it looks like, and says why it came so."""
    daemon, url = door()
    _, token = register(daemon)
    bws = CameraSystem(url, key=token)
    name = f"RejectedContent_{stamp(time.time())}_6f1d2c3b-4a5e-4f60-8a9b-0c1d2e3f4a5b"
    assert bws.call("PUT", f"/{name}", {"X-Container-Meta-Reason": "clip has no duration", "X-Container-Meta-Odd": "%zz%00",
                                        "X-Container-Meta-Long": "x" * 400}).status == 201
    for file, data in (("a.mkv", b"no matroska"), ("empty.mkv", b""), ("deep/er/x.key", b"k"), ("anything", b"1234")):
        assert bws.put(name, file, data).status == 201, file
    rows = daemon.wait_sealed(3)
    daemon.wait_idle()
    assert len(rows) == 3
    for row in rows:
        notes = place(daemon, row["id"])["notes"]
        assert any("rejected by the camera system" in n and "clip has no duration" in n for n in notes)
    head = bws.call("HEAD", f"/{name}").headers
    assert head["x-container-object-count"] == "4"
    assert_fsck_clean(daemon)


def test_other_bytes_under_the_same_name(door):
    """A further recording, never an overwrite; the newest is the one that is listed."""
    daemon, url = door()
    _, token = register(daemon)
    bws = CameraSystem(url, key=token)
    name = f"{USER}_{CAMERA}_{stamp(time.time() - 60)}"
    assert bws.container(name).status == 201
    first, second = (bws.put(name, "20261123_010203_a.mkv", data) for data in (b"one", b"two!"))
    assert first.headers["x-liuhen-recording"] != second.headers["x-liuhen-recording"]
    head = bws.get(name, "20261123_010203_a.mkv", "HEAD")
    assert head.headers["etag"] == md5(b"two!") and head.headers["content-length"] == "4"
    assert [content(daemon, a.headers["x-liuhen-recording"]) for a in (first, second)] == [b"one", b"two!"]
    third = bws.put(name, "20261123_010203_a.mkv", b"one")
    assert third.headers["x-liuhen-recording"] == first.headers["x-liuhen-recording"]
    assert bws.get(name, "20261123_010203_a.mkv", "HEAD").headers["etag"] == md5(b"one")
    assert len(daemon.wait_sealed(2)) == 2
    assert_fsck_clean(daemon)


def test_receipt_for_who_asks(door):
    """Swift has no words for receipts; who accepts JSON gets one that verifies offline."""
    daemon, url = door()
    _, token = register(daemon)
    bws = CameraSystem(url, key=token)
    assert bws.container("box").status == 201
    assert bws.put("box", "a.bin", b"data").body == b""
    answer = bws.put("box", "a.bin", b"data", headers={"Accept": "application/json"})
    assert answer.status == 201 and answer.json["again"] is True and answer.headers["etag"] == md5(b"data")
    proof, copy = daemon.work / "r.tlog-proof", daemon.work / "copy"
    proof.write_text(answer.json["receipt"], encoding="utf-8")
    copy.write_bytes(b"data")
    succeeded(subprocess.run([daemon.build / "liuhen", "verify", proof, copy, "--key", daemon.archive / "ledger/ledger.pub"],
                             capture_output=True, text=True, check=False))


def test_short_key(door):
    """Camera systems take no keys of more than 64 bytes: the last part of a token is enough to sign in."""
    daemon, url = door()
    _, token = register(daemon)
    short = token.rsplit("_", 1)[1]
    assert len(short) <= 64 < len(token)
    assert CameraSystem(url, key=short).call("GET").status == 204
    api(daemon, "POST", f"/v1/devices/{SERIAL}/token", {})  # a second one
    assert CameraSystem(url, key=short).sign_in().status == 200
    wrong = ("a" if short[0] != "a" else "b") + short[1:]
    assert CameraSystem(url, key=wrong).sign_in().status == 401
    assert CameraSystem(url, user="other", key=short).sign_in().status == 401


# ---- connection files ----

def connection_file(daemon, *args, out="c.json"):
    succeeded(daemon.run("device", "connection-file", SERIAL, "--out", out, *args))
    return json.loads((daemon.work / out).read_text(encoding="utf-8"))


def test_connection_file(make_daemon, media):
    """What the command writes is all that a system needs to get in over TLS: address, certificate, name and key."""
    port = free_port()
    daemon = make_daemon(config={"http": {"tls": f"127.0.0.1:{port}", "names": ["127.0.0.1", "::1"]}}).start()
    api(daemon, "POST", "/v1/devices", {"serial": SERIAL, "kind": "system"})
    file = connection_file(daemon)
    path = daemon.work / "c.json"
    assert path.stat().st_mode & 0o777 == 0o600 and path.stat().st_size <= 64 << 10
    assert file.pop("HTTPSCertificate") == [base64.b64encode((daemon.archive / "keys/ca.pem").read_bytes()).decode()]
    key = file.pop("BlobAPIKey")
    version = daemon.cli("status")["version"]
    assert file == {"ConnectionFileVersion": "1.0", "SiteName": file["SiteName"], "ApplicationName": "Liuhen",
                    "ApplicationVersion": version, "ContentDestinationAsNTPServer": False, "BlobAPIUserName": SERIAL,
                    "AuthenticationTokenURI": [f"https://127.0.0.1:{port}/auth/v1.0", f"https://[::1]:{port}/auth/v1.0"],
                    "ContainerType": "mkv", "FullStoreAndReadSupport": False, "WantEncryption": False}
    assert 0 < len(file["SiteName"]) <= 64 and len(key) <= 64
    bws = CameraSystem(f"https://127.0.0.1:{port}", key=key, cafile=daemon.archive / "keys/ca.pem")
    session = Session(media)
    check_session(daemon, session, session.play(bws))
    assert key not in daemon.log()
    label, = (k["label"] for k in api(daemon, "GET", f"/v1/devices/{SERIAL}")["keys"])
    assert label == "connection file"
    done = daemon.run("device", "connection-file", SERIAL, "--out", "c.json")
    assert done.returncode == 6 and "is there already" in done.stderr
    assert len(api(daemon, "GET", f"/v1/devices/{SERIAL}")["keys"]) == 1  # no key that nobody got


def test_connection_file_with_encryption(daemon, work):
    api(daemon, "POST", "/v1/devices", {"serial": SERIAL, "kind": "system"})
    for name, bits in (("good", 2048), ("weak", 1024)):
        subprocess.run(["openssl", "genrsa", "-out", work / f"{name}.key", str(bits)], check=True, capture_output=True)
        subprocess.run(["openssl", "pkey", "-in", work / f"{name}.key", "-pubout", "-out", work / f"{name}.public.pem"], check=True,
                       capture_output=True)
    url = ("--url", "https://a.example:8443/,https://b.example/auth/v1.0")
    file = connection_file(daemon, *url, "--public-key", work / "good.public.pem", "--container", "mp4")
    assert file["WantEncryption"] is True and file["PublicKeyId"] == "good.public" and file["ContainerType"] == "mp4"
    assert base64.b64decode(file["PublicKey"]) == (work / "good.public.pem").read_bytes() and len(file["PublicKey"]) <= 2048
    assert file["AuthenticationTokenURI"] == ["https://a.example:8443/auth/v1.0", "https://b.example/auth/v1.0"]
    plain = connection_file(daemon, "--url", "http://127.0.0.1:8480", out="plain.json")
    assert "HTTPSCertificate" not in plain
    for args in ((*url, "--public-key", work / "weak.public.pem"), (*url, "--public-key", work / "good.key"), (),
                 ("--url", "ftp://x"), ("--url", "https://"), ("--url", "https://a b"), ("--url", ","),
                 ("--url", ",".join(f"https://h{i}" for i in range(11))), (*url, "--container", "avi"),
                 (*url, "--public-key-id", "k")):
        done = daemon.run("device", "connection-file", SERIAL, "--out", "bad.json", *args)
        assert done.returncode in (2, 6) and done.stderr, args
        assert not (work / "bad.json").exists()
    assert len(api(daemon, "GET", f"/v1/devices/{SERIAL}")["keys"]) == 2


def test_connection_file_is_for_systems(daemon):
    api(daemon, "POST", "/v1/devices", {"serial": "CAM-1", "kind": "camera"})
    api(daemon, "POST", "/v1/devices", {"serial": "B" * 65, "kind": "system"})
    for serial, code in (("CAM-1", 6), ("B" * 65, 6), ("nobody", 3)):
        done = daemon.run("device", "connection-file", serial, "--url", "https://a", "--out", "x.json")
        assert done.returncode == code and done.stderr, done
        assert not (daemon.work / "x.json").exists()


# ---- PostgreSQL ----

def test_session_on_postgresql(make_daemon, media, work):
    """The same session with its rows in PostgreSQL; fsck proves them against the ledger, and rebuilt into SQLite they are equal."""
    up = subprocess.run([ROOT / "tests/pg-up", work / "pg"], capture_output=True, text=True, check=False,
                        env={**os.environ, "PG_FSYNC": "off"})
    if up.returncode == 69:
        pytest.skip("no PostgreSQL server here (Debian package postgresql)")
    assert up.returncode == 0, up.stderr
    dsn = up.stdout.strip()
    try:
        daemon, url = open_door(make_daemon, {"catalogue": {"dsn": dsn}})
        session = Session(media)
        bws = CameraSystem(url, key=register(daemon)[1])
        check_session(daemon, session, session.play(bws))
        assert bws.put(session.name, sorted(session.clips)[0], b"other bytes").status == 201
        assert [x["name"] for x in bws.call("GET", f"/{session.name}?format=json").json] == sorted(
            [*session.clips, session.mark, session.trail_name], key=str.encode)
        daemon.wait_idle()
        daemon.stop()
        assert_fsck_clean(daemon, "--catalogue", dsn)
        with contextlib.closing(psycopg2.connect(dsn)) as db:
            before = dump_of(db.cursor())
        succeeded(daemon.run("rebuild", "--archive", daemon.archive, "--to", work / "new.db"))
        assert dump(work / "new.db") == before
    finally:
        subprocess.run([ROOT / "tests/pg-up", "--remove", work / "pg"], check=False)
