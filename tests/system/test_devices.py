# SPDX-License-Identifier: GPL-3.0-or-later
"""Devices with the real command line and daemon: registering, assignments, tokens and certificates that real clients use, alarms,
gaps; and that all of it can be made again from the ledger."""
import contextlib
import json
import os
import pathlib
import pty
import socket
import stat
import subprocess
import time

import pytest

from conftest import TIMEOUT, succeeded
from ports import free_port

REFUSED, USAGE, MISSING = 6, 2, 3


def network(make_daemon, config=None):
    """A running daemon with TLS on loopback; .port is its port."""
    port = free_port()
    daemon = make_daemon({"http": {"tls": f"127.0.0.1:{port}", "names": ["evidence.test"]}, **(config or {})})
    daemon.port = port
    return daemon.start()


@pytest.fixture
def networked(make_daemon):
    return network(make_daemon)


def put(daemon, data, *curl, name="clip.bin", ca=None):
    """An upload by curl over TLS; (status, answer)."""
    (daemon.work / name).write_bytes(data)
    ca = ca or daemon.archive / "keys/ca.pem"
    done = subprocess.run(["curl", "-sS", "-o", "-", "-w", "\n%{http_code}", "--cacert", str(ca), "-T", str(daemon.work / name), *curl,
                           f"https://127.0.0.1:{daemon.port}/upload/{name}"], capture_output=True, text=True, check=False, timeout=TIMEOUT)
    assert done.returncode == 0, done.stderr
    body, _, status = done.stdout.rpartition("\n")
    return int(status), json.loads(body) if body else None


def enrolled(daemon, serial, *options):
    """Enrols; the answer, and the folder with the files."""
    folder = daemon.work / f"out-{serial}"
    return daemon.cli("device", "enrol", serial, "--out", folder, *options), folder


# Registering

def test_register_and_change(daemon):
    added = daemon.cli("device", "add", "CAM-1", "--name", "张三的记录仪", "--unit", "一大队", "--timezone", "Asia/Urumqi",
                       "--quota", "20 GiB", "--rate", "600")
    assert (added["serial"], added["kind"], added["timezone"], added["quota"], added["rate"], added["arrivals"]) == \
        ("CAM-1", "camera", "Asia/Urumqi", 20 << 30, 600, 0)
    assert added["alarms"] == [] and added["keys"] == [] and added["assignments"] == []
    changed = daemon.cli("device", "set", "CAM-1", "--kind", "phone", "--name", "李四")
    assert (changed["kind"], changed["name"], changed["unit"]) == ("phone", "李四", "一大队")
    assert daemon.cli("device", "show", added["id"][:8])["serial"] == "CAM-1"
    daemon.cli("device", "add", "dock 7", "--kind", "dock")
    assert [d["serial"] for d in daemon.cli("device", "list")["devices"]] == ["CAM-1", "dock 7"]
    daemon.cli("device", "assign", "CAM-1", "li", "--from", "2026-01-01")
    shown = daemon.cli("device", "assign", "CAM-1", "wang", "--from", "2026-02-01", "--until", "2026-02-28")
    assert [a["officer"] for a in shown["assignments"]] == ["wang", "li"]
    text = daemon.cli("device", "show", "CAM-1", json=False)
    assert "李四" in text and "wang" in text and "20 GiB a day" in text
    retired = daemon.cli("device", "retire", "dock 7", "--reason", "broken")
    assert retired["retired"]
    assert "dock 7" not in daemon.cli("device", "list", json=False)
    assert "out of use" in daemon.cli("device", "list", "--all", json=False)
    assert "retired" not in daemon.cli("device", "return", "dock 7")
    kinds = [act["kind"] for act in daemon.cli("history", added["id"])["acts"]]
    assert kinds == ["device.added", "device.set", "device.assigned", "device.assigned"]
    daemon.assert_clean()


def test_what_is_refused(daemon):
    daemon.cli("device", "add", "CAM-1")
    daemon.cli("device", "assign", "CAM-1", "li", "--from", "2026-01-01", "--until", "2026-01-31")
    for words, code, said in (
            (["add", "CAM-1"], REFUSED, "registered already"),
            (["add", "../../etc/passwd"], REFUSED, "cannot be a serial"),
            (["add", "a\nb"], REFUSED, "control character"),
            (["add", "x" * 101], REFUSED, "at most 100"),
            (["add", ""], REFUSED, "missing"),
            (["add", "b", "--kind", "drone"], USAGE, "camera"),
            (["add", "b", "--timezone", "Mars/Olympus"], REFUSED, "IANA"),
            (["add", "b", "--quota", "lots"], REFUSED, "size"),
            (["add", "b", "--rate", "-1"], REFUSED, "rate"),
            (["set", "CAM-1"], REFUSED, "nothing to change"),
            (["set", "CAM-9", "--name", "x"], MISSING, "no such device"),
            (["show", "CAM-9"], MISSING, "no such device"),
            (["show", "'; DROP TABLE devices; --"], MISSING, "no such device"),
            (["assign", "CAM-1", "wang", "--from", "2026-01-15"], REFUSED, "li"),
            (["assign", "CAM-1", "wang", "--from", "yesterday"], REFUSED, "date"),
            (["assign", "CAM-1"], USAGE, "officer"),
            (["assign", "CAM-1", "wang", "--nobody"], USAGE, "officer"),
            (["assign", "CAM-1", "--remove"], USAGE, "--from"),
            (["token", "CAM-1", "--expires", "2001-01-01"], REFUSED, "passed"),
            (["revoke", "CAM-1", "01AAAA"], MISSING, "no such key"),
            (["enrol", "CAM-1"], USAGE, "--out"),
            (["enrol", "CAM-9", "--out", "x"], MISSING, "no such device"),
            (["enrol", "CAM-1", "--out", "x", "--days", "0"], REFUSED, "days"),
            (["enrol", "CAM-1", "--out", "x", "--days", "99999"], REFUSED, "days"),
            (["enrol", "CAM-1", "--fingerprint", "00"], REFUSED, "64 hex digits"),
            (["gaps", "CAM-9"], MISSING, "no such device"),
            (["gaps", "CAM-1", "--since", "soon"], REFUSED, "since"),
            (["return", "CAM-1"], REFUSED, "in use")):
        done = daemon.run("device", *words)
        assert (done.returncode, done.stdout) == (code, ""), (words, done.returncode, done.stdout, done.stderr)
        assert said in done.stderr, (words, done.stderr)
    assert not list((daemon.work / "x").iterdir()), "a key that nobody signed for stays nowhere"
    assert len(daemon.cli("device", "list")["devices"]) == 1
    daemon.assert_clean()


def test_assignment_taken_back(daemon):
    daemon.cli("device", "add", "CAM-1")
    daemon.cli("device", "assign", "CAM-1", "wrong", "--from", "2026-01-01 08:00")
    shown = daemon.cli("device", "assign", "CAM-1", "--remove", "--from", "2026-01-01 08:00")
    assert shown["assignments"] == []
    daemon.cli("device", "assign", "CAM-1", "li", "--from", "2026-01-01")
    shown = daemon.cli("device", "assign", "CAM-1", "--nobody", "--from", "2026-03-01")
    assert "officer" not in shown and shown["assignments"][0]["until"]


def test_completion_offers_serials(daemon):
    daemon.cli("device", "add", "CAM-1")
    for line, wanted in ((["device", "show", ""], ["CAM-1"]), (["device", "add", ""], []), (["device", "assign", "CAM"], ["CAM-1"])):
        assert daemon.run("complete-words", "--socket", daemon.socket, *line).stdout.split() == wanted, line


def test_names_reach_a_terminal_harmlessly(daemon):
    """A name cannot hold control characters; a right-to-left override is shown as something else, not done."""
    daemon.cli("device", "add", "CAM-1", "--name", "a\u202eb")
    for words in (["list"], ["show", "CAM-1"]):
        assert "\u202e" not in daemon.cli("device", *words, json=False)


def test_list_fits_a_terminal(daemon):
    daemon.cli("device", "add", "CAM-" + "9" * 20, "--name", "执法记录仪" * 12, "--unit", "一大队" * 5)
    master, slave = pty.openpty()
    subprocess.run(["stty", "cols", "80"], stdin=slave, check=True)
    done = subprocess.Popen([str(daemon.build / "liuhen"), "--socket", str(daemon.socket), "device", "list"], stdout=slave, stderr=slave)
    done.wait(30)
    os.close(slave)
    out = os.read(master, 65536).decode()
    os.close(master)
    lines = [line for line in out.splitlines() if "CAM-" in line]
    assert len(lines) == 1 and "CAM-99999999999999999999" in lines[0], out


# Keys

def test_token_delivers_until_it_is_revoked(networked):
    daemon = networked
    daemon.cli("device", "add", "CAM-1", "--unit", "一大队")
    made = daemon.cli("device", "token", "CAM-1", "--label", "test")
    bearer = ["-H", f"Authorization: Bearer {made['token']}"]
    status, receipt = put(daemon, b"one" * 100, *bearer)
    assert status == 201, receipt
    daemon.wait_idle()
    row = daemon.cli("show", receipt["recording"])
    assert (row["device"], row["unit"]) == ("CAM-1", "一大队")
    shown = daemon.cli("device", "show", "CAM-1")
    assert shown["arrivals"] == 1 and shown["last_arrival"] == shown["keys"][0]["added"] + shown["last_arrival"] - shown["keys"][0]["added"]
    assert made["token"] not in json.dumps(shown)
    assert put(daemon, b"two", "-H", f"Authorization: Bearer {made['token'][:-1]}A")[0] == 401
    assert put(daemon, b"two")[0] == 401
    daemon.cli("device", "revoke", "CAM-1", made["key"], "--reason", "lost")
    assert put(daemon, b"two" * 100, *bearer)[0] == 403
    other = daemon.cli("device", "token", "CAM-1")
    bearer = ["-H", f"Authorization: Bearer {other['token']}"]
    daemon.cli("device", "retire", "CAM-1")
    assert put(daemon, b"two" * 100, *bearer)[0] == 403
    daemon.cli("device", "return", "CAM-1")
    daemon.restart()
    assert put(daemon, b"two" * 100, *bearer)[0] == 201
    daemon.wait_idle()
    assert daemon.cli("device", "show", "CAM-1")["arrivals"] == 2
    assert made["token"].encode() not in b"".join(p.read_bytes() for p in daemon.archive.rglob("*") if p.is_file())
    daemon.assert_clean()


def test_expired_token(networked):
    daemon = networked
    daemon.cli("device", "add", "CAM-1")
    made = daemon.cli("device", "token", "CAM-1", "--expires", "2100-01-01")
    bearer = ["-H", f"Authorization: Bearer {made['token']}"]
    assert put(daemon, b"one" * 100, *bearer)[0] == 201
    daemon.stop()
    daemon.start(env={"LIUHEN_CLOCK_OFFSET_SEC": str(100 * 366 * 86400)})
    status, answer = put(daemon, b"two" * 100, *bearer, "-k")
    assert status == 403 and "expired" in answer["error"]["what"], answer


def test_token_is_alone_on_standard_output(daemon):
    daemon.cli("device", "add", "CAM-1")
    out = daemon.cli("device", "token", "CAM-1", json=False)
    assert out.startswith("lh_") and len(out) == 3 + 26 + 1 + 52 + 1


def test_enrolled_certificate_delivers(networked):
    daemon = networked
    daemon.cli("device", "add", "CAM-1")
    answer, folder = enrolled(daemon, "CAM-1")
    assert sorted(p.name for p in folder.iterdir()) == ["CAM-1.key", "CAM-1.p12", "CAM-1.pem", "CAM-1.txt", "ca.pem"]
    assert stat.S_IMODE((folder / "CAM-1.key").stat().st_mode) == 0o600
    assert stat.S_IMODE((daemon.archive / "keys/ca.key").stat().st_mode) == 0o400
    assert (folder / "ca.pem").read_text() == (daemon.archive / "keys/ca.pem").read_text()
    succeeded(subprocess.run(["openssl", "verify", "-purpose", "sslclient", "-CAfile", folder / "ca.pem", folder / "CAM-1.pem"],
                             capture_output=True, text=True, check=False))
    succeeded(subprocess.run(["openssl", "pkcs12", "-in", folder / "CAM-1.p12", "-passin", f"pass:{answer['password']}", "-nodes"],
                             capture_output=True, text=True, check=False))
    assert answer["password"] not in "".join(p.read_text(errors="replace") for p in folder.iterdir())
    cert = ["--cert", str(folder / "CAM-1.pem"), "--key", str(folder / "CAM-1.key")]
    status, receipt = put(daemon, b"one" * 100, *cert, ca=folder / "ca.pem")
    assert status == 201, receipt
    daemon.wait_idle()
    assert daemon.cli("show", receipt["recording"])["device"] == "CAM-1"
    daemon.cli("device", "revoke", "CAM-1", answer["key"])
    status, said = put(daemon, b"two" * 100, *cert)
    assert status == 403 and "revoked" in said["error"]["what"], said
    again = daemon.run("device", "enrol", "CAM-1", "--out", folder)
    assert again.returncode == REFUSED and "is there already" in again.stderr
    daemon.assert_clean()


def test_certificate_of_another_authority_is_nobody(networked):
    """Signed by somebody else, though with the same name: the handshake or the request fails, nothing is taken."""
    daemon = networked
    daemon.cli("device", "add", "CAM-1")
    enrolled(daemon, "CAM-1")
    subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=CAM-1", "-keyout", "x.key", "-out", "x.pem"],
                   cwd=daemon.work, check=True, capture_output=True)
    (daemon.work / "f").write_bytes(b"x" * 100)
    done = subprocess.run(["curl", "-sS", "-o", "-", "-w", "%{http_code}", "--cacert", str(daemon.archive / "keys/ca.pem"), "--cert", "x.pem",
                           "--key", "x.key", "-T", "f", f"https://127.0.0.1:{daemon.port}/upload/f"], cwd=daemon.work, capture_output=True,
                          text=True, check=False, timeout=TIMEOUT)
    assert done.returncode != 0 or done.stdout[-3:] in ("401", "403"), done.stdout
    assert daemon.ls() == []


def test_server_certificate_outlives_a_restart(networked):
    daemon = networked
    first = (daemon.archive / "keys/server.pem").read_text()
    authority = (daemon.archive / "keys/ca.pem").read_text()
    done = subprocess.run(["openssl", "verify", "-verify_hostname", "evidence.test", "-CAfile", daemon.archive / "keys/ca.pem",
                           daemon.archive / "keys/server.pem"], capture_output=True, text=True, check=False)
    succeeded(done)
    daemon.restart()
    assert (daemon.archive / "keys/server.pem").read_text() == first
    assert (daemon.archive / "keys/ca.pem").read_text() == authority
    daemon.stop()
    daemon.write_config(http={"names": ["other.test"]})
    daemon.start()
    assert (daemon.archive / "keys/server.pem").read_text() != first
    assert (daemon.archive / "keys/ca.pem").read_text() == authority


# Rebuilding

def live_a_little(daemon):
    """Every act of devices, and files that arrive."""
    daemon.cli("device", "add", "CAM-1", "--unit", "u")
    daemon.cli("device", "add", "CAM-2")
    daemon.cli("device", "assign", "CAM-1", "li", "--from", "2026-01-01")
    daemon.cli("device", "assign", "CAM-1", "wang", "--from", "2026-02-01")
    token = daemon.cli("device", "token", "CAM-1", "--expires", "2099-01-01")["token"]
    key = daemon.cli("device", "token", "CAM-2")["key"]
    daemon.cli("device", "revoke", "CAM-2", key)
    daemon.cli("device", "retire", "CAM-2")
    daemon.cli("device", "set", "CAM-1", "--unit", "")
    enrolled(daemon, "CAM-1")
    for n in range(3):
        assert put(daemon, b"%d" % (n % 2) * 1000, "-H", f"Authorization: Bearer {token}", name=f"clip{n}.bin")[0] in (200, 201)
    daemon.wait_idle()
    assert daemon.cli("device", "show", "CAM-1")["arrivals"] == 3
    return token


def devices(daemon):
    """All that is said of devices, without what only this run of the daemon knows."""
    shown = [daemon.cli("device", "show", d["id"]) for d in daemon.cli("device", "list")["devices"]]
    for device in shown:
        device.pop("last_seen", None)
    return shown


def rebuild(daemon):
    for suffix in ("", "-wal", "-shm"):
        (daemon.archive / f"catalogue.db{suffix}").unlink(missing_ok=True)
    succeeded(daemon.run("rebuild", "--archive", daemon.archive, "--to", daemon.archive / "catalogue.db"))


def test_everything_is_in_the_ledger(networked):
    daemon = networked
    token = live_a_little(daemon)
    before = devices(daemon)
    daemon.stop()
    succeeded(daemon.fsck("--deep"))
    rebuild(daemon)
    daemon.start()
    assert devices(daemon) == before
    assert put(daemon, b"new" * 100, "-H", f"Authorization: Bearer {token}")[0] == 201
    daemon.assert_clean()


def test_postgres_and_from_there_to_sqlite(make_daemon, postgres):
    subprocess.run(["psql", "-q", postgres, "-c", "CREATE SCHEMA devices"], check=True, capture_output=True)
    dsn = f"{postgres} options='-csearch_path=devices'"
    daemon = network(make_daemon, {"catalogue": {"dsn": dsn}})
    live_a_little(daemon)
    before = devices(daemon)
    daemon.stop()
    succeeded(daemon.fsck("--catalogue", dsn))
    rebuild(daemon)
    daemon.write_config(catalogue={"dsn": ""})
    daemon.start()
    assert devices(daemon) == before
    daemon.assert_clean()


# Placing

PLACE = [{"name": "clip", "match": r"^(?<datetime>20[0-9]{12})_(?<seq>[0-9]+)\."}]


def test_officer_by_assignment_and_zone(make_daemon):
    daemon = network(make_daemon, {"place": PLACE, "site": {"timezone": "Asia/Shanghai"}})
    daemon.cli("device", "add", "CAM-1", "--timezone", "UTC")
    token = daemon.cli("device", "token", "CAM-1")["token"]
    daemon.cli("device", "assign", "CAM-1", "li", "--from", "2026-01-01")
    daemon.cli("device", "assign", "CAM-1", "wang", "--from", "2026-02-01")
    rows = []
    for n, name in enumerate(("20260131120000_1.bin", "20260201120000_2.bin")):
        status, receipt = put(daemon, b"%d" % n * 100, "-H", f"Authorization: Bearer {token}", name=name)
        assert status == 201
        daemon.wait_idle()
        rows.append(daemon.cli("show", receipt["recording"]))
    assert [row["officer"] for row in rows] == ["li", "wang"]
    assert rows[0]["place"]["officer"]["source"] == "assignment"
    assert rows[0]["started"] == 1769860800 * 10**6  # 2026-01-31T12:00:00Z: the camera's own zone
    assert "officer" in daemon.cli("show", rows[0]["id"], json=False)
    daemon.assert_clean()


def test_assignment_said_late(make_daemon):
    """What was delivered before anybody said who had the device gets its officer then; a mistake taken back, loses it."""
    daemon = network(make_daemon, {"place": PLACE})
    daemon.cli("device", "add", "CAM-1")
    token = daemon.cli("device", "token", "CAM-1")["token"]
    for n in range(3):
        assert put(daemon, b"%d" % n * 100, "-H", f"Authorization: Bearer {token}", name=f"2026010{n + 1}120000_1.bin")[0] == 201
    daemon.wait_idle()
    assert [row.get("officer") for row in daemon.ls()] == [None] * 3
    daemon.cli("device", "assign", "CAM-1", "li", "--from", "2026-01-02")
    officers = {row["name"]: row.get("officer") for row in daemon.ls()}
    assert list(officers[name] for name in sorted(officers)) == [None, "li", "li"]
    leaves = daemon.cli("status")["leaves"]
    daemon.cli("device", "assign", "CAM-1", "--remove", "--from", "2026-01-02")
    assert [row.get("officer") for row in daemon.ls()] == [None] * 3
    assert daemon.cli("status")["leaves"] >= leaves + 3
    daemon.assert_clean()


def test_gaps_are_found_and_told(make_daemon):
    daemon = network(make_daemon, {"place": PLACE})
    daemon.cli("device", "add", "CAM-1")
    token = daemon.cli("device", "token", "CAM-1")["token"]
    now = time.time()
    for n in (1, 2, 5, 6):
        name = time.strftime("%Y%m%d%H%M%S", time.gmtime(now - 3600 + n)) + f"_{n:04}.bin"
        assert put(daemon, b"%d" % n * 100, "-H", f"Authorization: Bearer {token}", name=name)[0] == 201
    daemon.wait_idle()
    found = daemon.cli("device", "gaps", "CAM-1")
    assert [(g["from"], g["to"], g["missing"]) for g in found["gaps"]] == [(3, 4, 2)] and found["missing"] == 2
    assert daemon.cli("device", "gaps", "CAM-1", "--since", "2099-01-01")["gaps"] == []
    text = daemon.cli("device", "gaps", "CAM-1", json=False)
    assert text.split()[:3] == ["FROM", "TO", "MISSING"] and "3   4" in text
    status = daemon.cli("status")
    assert status["devices"]["gaps"] == [{"device": "CAM-1", "missing": 2}]
    assert "2 numbers are missing" in daemon.cli("status", json=False)


# Alarms

def test_silent_device(make_daemon):
    daemon = network(make_daemon, {"devices": {"silent": "2 s"}})
    daemon.cli("device", "add", "CAM-1")
    daemon.cli("device", "add", "CAM-2")  # has never delivered: not missed
    bearer = ["-H", f"Authorization: Bearer {daemon.cli('device', 'token', 'CAM-1')['token']}"]
    assert put(daemon, b"one" * 100, *bearer)[0] == 201
    daemon.wait_log("nothing has been heard of device CAM-1")
    assert daemon.cli("status")["devices"]["silent"] == ["CAM-1"]
    assert "CAM-1" in daemon.cli("status", json=False)
    line, = [line for line in daemon.cli("device", "list", json=False).splitlines() if "CAM-1" in line]
    assert "silent" in line
    assert put(daemon, b"two" * 100, *bearer)[0] == 201
    daemon.wait_log("device CAM-1 is back")
    daemon.wait(lambda: daemon.log().count("nothing has been heard of device CAM-1") == 2, "the second alarm")
    assert "heard of device CAM-2" not in daemon.log()
    daemon.cli("device", "retire", "CAM-1")
    assert daemon.cli("status")["devices"]["silent"] == []
    daemon.stop()
    daemon.wait(lambda: daemon.log().count("nothing has been heard of device CAM-1") >= 2, "what is to be logged")
    assert daemon.log().count("nothing has been heard of device CAM-1") == 2


def test_clock_that_is_off(make_daemon):
    """Said once a day; the recorded times are corrected by it, what the camera said stays beside; the next measurement counts."""
    daemon = network(make_daemon, {"place": PLACE, "site": {"timezone": "UTC"}})
    daemon.cli("device", "add", "CAM-1")
    bearer = ["-H", f"Authorization: Bearer {daemon.cli('device', 'token', 'CAM-1')['token']}"]

    def deliver(n, seconds):
        name = time.strftime("%Y%m%d%H%M%S", time.gmtime(time.time() - 3600 + seconds)) + f"_{n}.bin"
        date = time.strftime("%a, %d %b %Y %H:%M:%S GMT", time.gmtime(time.time() + seconds))
        status, receipt = put(daemon, b"%d" % n * 100, *bearer, "-H", f"Date: {date}", name=name)
        assert status == 201
        daemon.wait_idle()
        return daemon.cli("show", receipt["recording"])

    row = deliver(1, 7200)
    assert abs(row["started"] - (time.time() - 3600) * 10**6) < 60 * 10**6
    assert abs(row["place"]["started"]["raw"] - row["started"] - 7200 * 10**6) < 60 * 10**6
    assert row["place"]["started"]["certainty"] == "probable" and "off by +7" in row["place"]["notes"][0]
    shown = daemon.cli("device", "show", "CAM-1")
    assert shown["alarms"] == ["clock"] and abs(shown["clock_offset"] - 7200 * 10**6) < 60 * 10**6
    assert daemon.cli("status")["devices"]["clock"] == ["CAM-1"]
    assert "the clock of device CAM-1 is off" in daemon.cli("status", json=False)
    daemon.cli("device", "add", "CAM-2")  # the watch looks again
    daemon.wait_log("the clock of device CAM-1 is off")
    deliver(2, 7200)
    daemon.cli("device", "add", "CAM-3")
    row = deliver(3, 0)
    assert "raw" not in row["place"]["started"]
    assert daemon.cli("device", "show", "CAM-1")["alarms"] == []
    daemon.cli("device", "add", "CAM-4")
    daemon.stop()
    daemon.wait(lambda: daemon.log().count("the clock of device CAM-1 is off") >= 1, "what is to be logged")
    assert daemon.log().count("the clock of device CAM-1 is off") == 1


def test_idle_daemon_sleeps(daemon):
    """Without devices the watch waits for good; with one it sleeps for an hour: no thread of ours runs meanwhile."""
    daemon.cli("device", "add", "CAM-1")
    daemon.wait_idle()

    def switches():
        total = 0
        for task in pathlib.Path(f"/proc/{daemon.pid}/task").iterdir():
            with contextlib.suppress(FileNotFoundError, ProcessLookupError):  # a connection's thread that has just ended
                total += sum(int(line.split()[1]) for line in (task / "status").read_text().splitlines()
                             if line.startswith("voluntary_ctxt_switches"))
        return total
    woken = []
    while not woken or (woken[-1] > 2 and len(woken) < 10):  # what ends late disturbs once; a thread that polls does in every window
        before = switches()
        time.sleep(1)
        woken.append(switches() - before)
    assert woken[-1] <= 2, woken
