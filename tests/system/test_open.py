# SPDX-License-Identifier: GPL-3.0-or-later
"""Looking: derivatives over the API, addresses for browsers, what each look leaves in the ledger."""
import datetime
import hashlib
import http.client
import json
import os
import pathlib
import re
import subprocess
import threading
import urllib.parse

import pytest
from ports import free_port


def ask(url, method="GET", **headers):
    """One request to an address; (status, headers, body)."""
    parts = urllib.parse.urlsplit(url)
    connection = http.client.HTTPConnection(parts.hostname, parts.port, timeout=60)
    connection.request(method, parts.path, headers=headers)
    answer = connection.getresponse()
    result = answer.status, answer.headers, answer.read()
    connection.close()
    return result


def views(daemon, recording):
    return [a for a in daemon.cli("history", recording)["acts"] if a["kind"] == "recording.viewed"]


@pytest.fixture
def house(make_daemon):
    return make_daemon({"http": {"loopback": f"127.0.0.1:{free_port()}"}, "media": {"derive": {"enabled": True, "load": 0}}}).start()


@pytest.fixture
def seen(house, media):
    """A daemon with one clip that can be looked at; (daemon, id)."""
    house.drop("现场 <img src=x onerror=alert(1)>.mp4", media("video"))
    recording = house.wait_sealed(1)[0]["id"]
    house.cli("open", recording, "--wait")
    house.wait(lambda: not any(house.cli("status")["derive"]["jobs"].values()), "everything that is made of it")
    return house, recording


def other(url, name):
    return url.rsplit("/", 1)[0] + "/" + name


def test_a_browser_sees_one_recording(seen):
    house, recording = seen
    assert views(house, recording) == []  # an address alone is no look
    url = house.cli("open", recording)["url"]
    assert re.fullmatch(r"http://127\.0\.0\.1:\d+/open/[0-9a-f]{40}/page", url)
    status, headers, page = ask(url)
    assert status == 200 and b'lang="en"' in page and b"\xe7\x8e\xb0\xe5\x9c\xba" not in page
    assert headers["Referrer-Policy"] == "no-referrer" and headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Cache-Control"].startswith("private") and "'unsafe" not in headers["Content-Security-Policy"]
    assert b'lang="zh-CN"' in ask(url, **{"Accept-Language": "zh-CN,zh;q=0.9,en;q=0.8"})[2]
    assert b'lang="en"' in ask(url, **{"Accept-Language": "en;q=0.9, zh;q=0.3"})[2]
    for name in ("page.js", "words.js", "page.css"):
        assert ask(other(url, name))[0] == 200
    about = json.loads(ask(other(url, "about.json"))[2])
    assert about["id"] == recording and about["derived"]["state"] == "ready"
    assert ask(other(url, "poster.jpg"))[0] == 200 and views(house, recording) == []  # that tells one from another
    assert ask(other(url, "proxy.mp4"), "HEAD")[0] == 200 and views(house, recording) == []
    status, headers, whole = ask(other(url, "proxy.mp4"))
    assert status == 200 and whole[4:8] == b"ftyp" and len(views(house, recording)) == 1
    assert headers["ETag"].strip('"') == hashlib.sha256(whole).hexdigest()
    original = ask(other(url, "original"))[2]
    assert hashlib.sha256(original).hexdigest() == about["digest"] and len(views(house, recording)) == 1
    assert url.split("/")[4] not in house.log()


def test_ranges(seen):
    house, recording = seen
    proxy = house.cli("open", recording, "--name", "proxy.mp4")["url"]
    whole = ask(proxy)[2]
    tag = ask(proxy, "HEAD")[1]["ETag"]
    status, headers, part = ask(proxy, Range="bytes=100-199")
    assert (status, part) == (206, whole[100:200]) and headers["Content-Range"] == f"bytes 100-199/{len(whole)}"
    assert ask(proxy, Range="bytes=-50")[2] == whole[-50:]
    assert ask(proxy, Range=f"bytes={len(whole)}-")[0] == 416
    assert ask(proxy, Range="bytes=0-9", **{"If-Range": tag})[0] == 206
    assert ask(proxy, Range="bytes=0-9", **{"If-Range": '"other"'})[0] == 200
    assert ask(proxy, **{"If-None-Match": tag})[0] == 304
    got = []
    readers = [threading.Thread(target=lambda n=n: got.append(ask(proxy, Range=f"bytes={n}-")[2] == whole[n:])) for n in range(0, 800, 100)]
    for reader in readers:
        reader.start()
    for reader in readers:
        reader.join()
    assert got == [True] * 8


def test_what_a_browser_has_kept_is_a_look_too(seen):
    house, recording = seen
    url = other(house.cli("open", recording)["url"], "original")
    assert ask(url, **{"If-None-Match": ask(url, "HEAD")[1]["ETag"]})[0] == 304
    assert len(views(house, recording)) == 1


def test_files_never_run_as_pages_of_ours(seen):
    house, recording = seen
    url = house.cli("open", recording)["url"]
    for name in ("original", "proxy.mp4", "poster.jpg"):
        headers = ask(other(url, name), "HEAD")[1]
        assert "sandbox" in headers["Content-Security-Policy"] and "script-src" not in headers["Content-Security-Policy"]
        assert headers["X-Content-Type-Options"] == "nosniff"
    assert ask(other(url, "original"), "HEAD")[1]["Content-Disposition"].startswith("attachment")


def test_no_address_leads_elsewhere(seen, media):
    house, recording = seen
    url = house.cli("open", recording)["url"]
    for name in ("..%2Fpage", "%2Fetc%2Fpasswd", "...", "proxy.mp4%2F..%2Fx", "copy.mkv", "PROXY.MP4", ".x", "a" * 300):
        assert ask(other(url, name))[0] in (400, 404), name
    ticket = url.split("/")[4]
    for guess in ("0" * 40, ticket[:-1] + ("0" if ticket[-1] != "0" else "1"), ticket[:-2], ticket + "00", "x"):
        status, headers, body = ask(url.replace(ticket, guess))
        assert status == 404 and b"leads nowhere" in body and b"liuhen open" in body and headers["Referrer-Policy"] == "no-referrer"
        assert ask(other(url.replace(ticket, guess), "proxy.mp4"))[0] == 404
    assert ask(url.split("/open/")[0] + f"/v1/recordings/{recording}/derivatives/proxy.mp4")[0] == 401
    assert ask(url, "POST")[0] == 405


def test_an_address_ends(seen):
    """A page in plain words says why; programs hear the same in JSON."""
    house, recording = seen
    url = house.cli("open", recording)["url"]
    assert ask(url)[0] == 200
    house.write_config(people=[{"user": "nobody", "name": "N", "roles": ["records"]}, {"user": "root", "name": "R", "roles": ["administrator"]}])
    house.reload()
    assert ask(url)[0] == 200  # administrators may look
    house.restart()
    assert ask(url)[0] == 404  # in memory only
    house.write_config(http={"open_time": "1 s"})
    house.reload()
    url = house.cli("open", recording)["url"]
    house.wait(lambda: ask(url)[0] == 410, "the address to end")
    status, headers, body = ask(url, **{"Accept-Language": "zh-CN,zh;q=0.9,en;q=0.8"})
    assert status == 410 and 'lang="zh-CN"' in body.decode() and "此链接已失效" in body.decode() and "@" not in body.decode()
    assert headers["Content-Type"].startswith("text/html") and headers["Cache-Control"] == "private, no-store"
    assert "has ended" in ask(url)[2].decode() and "失效" not in ask(url)[2].decode()
    assert ask(other(url, "page.css"))[0] == 200  # what the page itself needs, and nothing of the recording
    assert json.loads(ask(other(url, "proxy.mp4"))[2])["error"]["what"].startswith("this address has ended")
    assert ask(other(url, "proxy.mp4"), Accept="text/html,*/*")[1]["Content-Type"].startswith("text/html")
    assert ask(other(url, "about.json"))[0] == 410


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root to ask as somebody else")
def test_an_address_is_for_one_person(seen):
    house, recording = seen
    house.write_config(socket={"mode": "0666"}, people=[{"user": user, "name": user, "roles": ["records"]} for user in ("root", "nobody")])
    house.restart()
    house.short.chmod(0o755)
    url = house.cli("open", recording)["url"]

    def curl(user, path, *words):
        return subprocess.run(["curl", "-s", "-i", "--unix-socket", house.socket, *words, f"http://x{path}"], stdout=subprocess.PIPE,
                              check=True, user=user, cwd="/").stdout.decode()

    got = {user: curl(user, urllib.parse.urlsplit(url).path) for user in ("root", "nobody")}
    assert got["root"].startswith("HTTP/1.1 200")
    assert got["nobody"].startswith("HTTP/1.1 403") and "somebody else" in got["nobody"] and recording not in got["nobody"]
    # nobody's own, who may no longer look then: said once, then it has ended
    theirs = json.loads(curl("nobody", f"/v1/recordings/{recording}/open", "-X", "POST").rpartition("\r\n\r\n")[2])["url"]
    assert ask(theirs)[0] == 200
    house.write_config(people=[{"user": "root", "roles": ["records"]}])
    house.reload()
    status, _, body = ask(theirs)
    assert status == 403 and b"may not be seen" in body
    assert ask(theirs)[0] == 410


def test_without_a_listener_it_says_which_setting_helps(make_daemon):
    house = make_daemon().start()
    house.drop("a.txt", b"x")
    recording = house.wait_sealed(1)[0]["id"]
    done = house.run("open", recording)
    assert done.returncode == 6 and "http.loopback" in done.stderr


def test_copy(seen):
    house, recording = seen
    done = house.run("copy", recording, "--form", "preserve", "--reason", "法院调取", "--to", "out.mkv")
    assert done.returncode == 0, done.stderr
    data = (house.work / "out.mkv").read_bytes()
    assert data[:4] == b"\x1a\x45\xdf\xa3"
    acts = [a for a in house.cli("history", recording)["acts"] if a["kind"] == "recording.copied"]
    assert acts[0]["facts"]["digest"] == hashlib.sha256(data).hexdigest() and acts[0]["facts"]["reason"] == "法院调取"
    assert house.run("copy", recording, "--form", "preserve", "--reason", "x", "--to", "out.mkv").returncode == 6  # never over another
    assert house.run("copy", recording, "--form", "redact", "--reason", "x", "--to", "r.mp4").returncode == 6
    assert any(j.get("form") == "preserve" for j in house.cli("jobs")["jobs"])


def prove(house, recording, plan, to):
    """What somebody can do who has a copy, the plan and the ledger."""
    canonical = json.dumps(plan, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
    digest, data = hashlib.sha256(canonical).hexdigest(), (house.work / to).read_bytes()
    assert f"plan sha256:{digest}".encode() in data
    acts = [a["facts"] for a in house.cli("history", recording)["acts"] if a["kind"] == "recording.copied"]
    assert [a["form"] for a in acts if a["plan"] == digest and a["digest"] == hashlib.sha256(data).hexdigest()] == ["redact"]
    assert acts[-1]["bytes"] == len(data)


def test_a_copy_proves_its_plan(seen, media):
    """The plan's digest is in the file and, with the file's own, in the ledger; for a clip and for a photo."""
    house, clip = seen
    house.drop("p.jpg", media("photo"))
    photo = next(r["id"] for r in house.wait_sealed(2) if r["id"] != clip)
    plan = {"label": "脸", "regions": [{"kind": "blur", "keyframes": [{"w": 100, "h": 100, "at_msec": 0, "x": 0, "y": 0}]}]}
    (house.work / "plan.json").write_text(json.dumps(plan, indent=1))
    for recording, to in ((clip, "r.mp4"), (photo, "r.jpg")):
        house.cli("open", recording, "--wait")
        done = house.run("copy", recording, "--form", "redact", "--plan", "plan.json", "--reason", "x", "--to", to)
        assert done.returncode == 0, done.stderr
        prove(house, recording, plan, to)


def plan_of_the_readme():
    """The plan that README shows to people."""
    text = (pathlib.Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")
    return next(json.loads(block) for block in re.findall(r"```json\n(.*?)```", text, re.S) if '"regions"' in block)


def luma(path):
    """Every picture of a file as brightness, 320 × 180."""
    raw = subprocess.run(["ffmpeg", "-nostdin", "-v", "error", "-i", path, "-fps_mode", "passthrough", "-f", "rawvideo", "-pix_fmt", "gray", "-"],
                         check=True, capture_output=True).stdout
    return [raw[i:i + 320 * 180] for i in range(0, len(raw), 320 * 180)]


def test_the_plan_of_the_readme_and_a_mark(seen, media):
    """What README shows works as it stands; a mark of real letters is seen; the ledger has its words."""
    house, recording = seen
    plan = plan_of_the_readme()
    (house.work / "plan.json").write_text(json.dumps(plan))
    done = house.run("copy", recording, "--form", "redact", "--plan", "plan.json", "--reason", "x", "--mark", "for the court|给法院", "--to", "m.mp4")
    assert done.returncode == 0, done.stderr
    prove(house, recording, plan, "m.mp4")
    acts = [a["facts"] for a in house.cli("history", recording)["acts"] if a["kind"] == "recording.copied"]
    assert acts[-1]["mark"] == ["for the court", "给法院"]
    first = next(k for k in plan["regions"][0]["keyframes"])
    x0, y0 = first["x"] * 320 // 1000, first["y"] * 180 // 1000
    inside = [(x, y) for x in range(x0 + 12, x0 + first["w"] * 320 // 1000 - 12) for y in range(y0 + 9, y0 + first["h"] * 180 // 1000 - 9)]
    done = house.run("copy", recording, "--form", "redact", "--plan", "plan.json", "--reason", "x", "--to", "n.mp4")
    assert done.returncode == 0, done.stderr
    plain, marked, before = luma(house.work / "n.mp4"), luma(house.work / "m.mp4"), luma(media("video"))
    assert len(plain) == len(marked) == len(before) == 50
    assert sum(abs(a - b) > 12 for a, b in zip(plain[0], marked[0])) > 500
    changed = [sum(abs(plain[i][y * 320 + x] - before[i][y * 320 + x]) for x, y in inside) / len(inside) for i in (10, 26)]
    assert changed[0] < 6 < changed[1]  # before it begins, and while it is there


def test_what_a_copy_lacks_is_said(house, work):
    subprocess.run(["ffmpeg", "-nostdin", "-v", "error", "-f", "lavfi", "-i", "color=size=64x64:rate=10:duration=1", "-f", "lavfi", "-i",
                    "sine=duration=1", "-map", "0", "-map", "1", "-map", "1", "-c:v", "libx264", "-c:a", "aac", work / "two.mkv"], check=True)
    house.drop("two.mkv", work / "two.mkv")
    recording = house.wait_sealed(1)[0]["id"]
    house.cli("open", recording, "--wait")
    done = house.run("copy", recording, "--form", "release", "--reason", "x", "--to", "o.mp4")
    assert done.returncode == 0 and "left out are 0 more tracks of pictures and 1 of sound" in done.stdout, done


def test_copies_over_the_api(seen):
    """Refused in words, and nothing is asked for then; asked, waited for, fetched; given up."""
    house, recording = seen
    region = {"kind": "black", "keyframes": [{"at_msec": 0, "x": 0, "y": 0, "w": 100, "h": 100}]}
    target = f"/v1/recordings/{recording}/copies"

    def request(method, path, body=None):
        raw = subprocess.run(["curl", "-s", "-w", "\n%{http_code}", "--unix-socket", house.socket, "-X", method, f"http://x{path}", "-H",
                              "Content-Type: application/json", *(["-d", json.dumps(body)] if body else [])], check=True, capture_output=True).stdout
        content, _, status = raw.rpartition(b"\n")
        return int(status), content

    for words, more in (("cuts are refused", {"plan": {"regions": [region], "cuts": []}}), ("use release for a copy as it is", {}),
                        ("covers and silences nothing", {"plan": {}}), ("regions[0].kind", {"plan": {"regions": [{**region, "kind": "fog"}]}}),
                        ("takes no plan and no mark", {"form": "preserve", "mark": ["x"]}), ("has a control character", {"mark": ["a\nb"]}),
                        ("is not preserve", {"form": "edit"})):
        status, content = request("POST", target, {"form": "redact", "reason": "x", **more})
        assert 400 <= status < 500 and words in content.decode(), (status, content)
    (house.work / "cuts.json").write_text(json.dumps({"regions": [region], "cuts": []}))
    done = house.run("copy", recording, "--form", "redact", "--plan", "cuts.json", "--reason", "x", "--to", "c.mp4")
    assert done.returncode == 6 and "cuts are refused" in done.stderr and not (house.work / "c.mp4").exists()
    assert [job for job in house.cli("jobs")["jobs"] if job["kind"] == "copy"] == []
    status, content = request("POST", target, {"form": "redact", "reason": "x", "plan": {"regions": [region]}})
    job = json.loads(content)["id"]
    assert status == 202
    state = house.wait(lambda: (s := json.loads(request("GET", f"/v1/copies/{job}")[1]))["state"] == "done" and s, "the copy")
    status, content = request("GET", f"/v1/copies/{job}/content")
    assert status == 200 and hashlib.sha256(content).hexdigest() == state["file"]["sha256"]
    later = (datetime.datetime.now(datetime.timezone.utc).hour + 12) % 24
    house.write_config(site={"timezone": "UTC"}, media={"derive": {"hours": f"{later:02}:00-{later:02}:01"}})  # so that the next one waits
    house.restart()
    job = json.loads(request("POST", target, {"form": "release", "reason": "x"})[1])["id"]
    assert request("GET", f"/v1/copies/{job}/content")[0] == 503
    house.cli("jobs", "cancel", job)
    assert json.loads(request("GET", f"/v1/copies/{job}")[1])["state"] == "cancelled"
    status, content = request("GET", f"/v1/copies/{job}/content")
    assert status == 404 and b"there is no copy" in content
    assert len([a for a in house.cli("history", recording)["acts"] if a["kind"] == "recording.copied"]) == 1


def test_jobs_and_again(seen):
    house, recording = seen
    assert recording in house.cli("jobs", "--state", "done", json=False)
    assert house.run("jobs", "--state", "flying").returncode in (2, 6)
    assert house.cli("jobs", "again", recording)["recording"] == recording
    house.cli("open", recording, "--wait")
    assert house.run("jobs", "cancel", "01ARZ3NDEKTSV4RRFFQ69G5FAV").returncode == 3
    assert "proxy.mp4" in house.cli("show", recording, json=False)


def test_what_is_replaced_goes_on_being_read_and_what_vanishes_is_made_again(seen):
    house, recording = seen
    proxy = house.cli("open", recording, "--name", "proxy.mp4")["url"]
    whole = ask(proxy)[2]
    parts = urllib.parse.urlsplit(proxy)
    connection = http.client.HTTPConnection(parts.hostname, parts.port, timeout=60)
    connection.request("GET", parts.path)
    answer = connection.getresponse()
    start = answer.read(100)
    gone = [p for p in (house.archive / "cache").rglob("*") if p.is_file() and p.stat().st_size == len(whole)]
    assert gone
    for path in gone:
        path.unlink()
    assert start + answer.read() == whole
    connection.close()
    status, headers, _ = ask(proxy)
    assert status in (200, 503) and (status == 200 or headers["Retry-After"])
    house.wait(lambda: ask(proxy)[0] == 200, "the derivative to be made again")


def test_nothing_can_be_shown(make_daemon, media):
    """Damaged beyond showing, no medium, a job that failed, none made here: said in words, never success with an empty page."""
    house = make_daemon({"http": {"loopback": f"127.0.0.1:{free_port()}"}, "media": {"derive": {"enabled": True, "load": 0}}}).start()
    house.drop("cut.mp4", b"\0\0\0\x18ftypmp42" + bytes(16) + b"\0\0\1\0mdat" + bytes(range(1, 200)))
    house.drop("words.txt", b"words")
    house.drop("locked.pdf", b"%PDF-1.4\nnothing of it\n")
    house.drop("good.mp4", media("video"))
    ids = {r["name"]: r["id"] for r in house.wait_sealed(4)}
    for name, why in (("cut.mp4", "salvage"), ("words.txt", "no medium"), ("locked.pdf", "cannot be opened")):
        done = house.run("open", ids[name], "--wait")
        assert done.returncode == 1 and done.stdout == "", (name, done)
        assert "nothing of it can be shown, because" in done.stderr and why in done.stderr and "liuhen get" in done.stderr, done.stderr
        about = json.loads(ask(other(house.cli("open", ids[name])["url"], "about.json"))[2])
        assert why in about["derived"]["nothing"] and about["derived"]["files"] == []
        assert "nothing, because" in house.cli("show", ids[name], json=False)
    assert house.run("open", ids["good.mp4"], "--wait", "--name", "proxy.mp4").returncode == 0
    done = house.run("open", ids["good.mp4"], "--wait", "--name", "trail.gpx")
    assert done.returncode == 1 and "no positions" in done.stderr
    assert "nothing" not in house.cli("open", ids["good.mp4"], "--wait")
    house.write_config(media={"derive": {"enabled": False}})
    house.reload()
    house.drop("late.mp4", media("video", seconds=1))
    late = next(r["id"] for r in house.wait_sealed(5) if r["name"] == "late.mp4")
    house.wait_idle()
    done = house.run("open", late, "--wait")
    assert done.returncode == 1 and "media.derive.enabled" in done.stderr


def test_what_was_given_up_says_so(house, media):
    later = (datetime.datetime.now(datetime.timezone.utc).hour + 12) % 24
    house.write_config(site={"timezone": "UTC"}, media={"derive": {"hours": f"{later:02}:00-{later:02}:01"}})  # so that it waits
    house.restart()
    house.drop("good.mp4", media("video"))
    recording = house.wait_sealed(1)[0]["id"]
    house.cli("jobs", "cancel", house.wait(lambda: house.cli("jobs")["jobs"], "a job")[0]["id"])
    done = house.run("open", recording, "--wait")
    assert done.returncode == 1 and "because making it was given up" in done.stderr, done


def test_lengths_beyond_an_hour(make_daemon, work):
    """Ten hours of one picture a minute."""
    house = make_daemon().start()
    subprocess.run(["ffmpeg", "-nostdin", "-v", "error", "-f", "lavfi", "-i", "color=size=64x64:rate=1/60:duration=36000", "-c:v", "libx264",
                    "-preset", "ultrafast", work / "long.mp4"], check=True)
    house.drop("long.mp4", work / "long.mp4")
    recording = house.wait_sealed(1)[0]["id"]
    house.wait_idle()
    assert re.search(r"duration:\s+10:00:00\.0$", house.cli("show", recording, json=False), re.M)
