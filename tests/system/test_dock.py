# SPDX-License-Identifier: GPL-3.0-or-later
"""`liuhen dock` against a real daemon: what arrives, what is interrupted, who it is, and what is shown.

What must hold whatever happens: everything arrives, nothing twice, every receipt verifies. Cards themselves: test_dock_cards.py.
"""
import fcntl
import json
import os
import pty
import random
import re
import select
import shutil
import signal
import socket
import struct
import subprocess
import termios
import time
import unicodedata

import pytest
import yaml

from conftest import ROOT, TIMEOUT
from dock_station import (MIB, SEED, SMALL_CHUNKS, Station, assert_arrived, bytes_of, card, events, fill, station,  # noqa: F401
                          wiping)
from ports import free_port

# pylint: disable=redefined-outer-name


# ---- arriving -------------------------------------------------------------------------------------------------------------


def test_all_arrive_and_none_twice(daemon, station, card):
    files = fill(card, [1, 5000, MIB, MIB + 1, 3 * MIB + 17, 9 * MIB])
    (card / "DCIM/empty.jpg").touch()
    (card / "DCIM/half.part").write_bytes(b"ignored")
    (card / "System Volume Information").mkdir()
    (card / "System Volume Information/x").write_bytes(b"ignored")
    (card / "link").symlink_to("/etc/passwd")
    done = station.good(card)
    assert done.summary["sealed"] == 6 and done.summary["left"] == 2 and done.summary["failed"] == 0
    assert done.summary["sent_bytes"] == sum(map(len, files.values()))
    assert {e["path"] for e in events(done, "left")} == {"DCIM/empty.jpg", "link"}
    assert_arrived(daemon, station, files)
    # plugged in again: nothing is sent
    done = station.good(card)
    assert done.summary["known"] == 6 and done.summary["sealed"] == 0 and done.summary["sent_bytes"] == 0
    # a station that has lost its memory asks the site
    shutil.rmtree(station.state)
    done = station.good(card)
    assert done.summary["known"] == 6 and done.summary["sent_bytes"] == 0
    assert_arrived(daemon, station, files)


def test_names_of_any_bytes(daemon, station, card):
    folder = os.fsencode(card / "DCIM")
    names = ["执法记录".encode("gbk") + b".mp4", "执法.mp4".encode(), b"100%.mp4", b"new\nline.mp4", b"\x1b[2J.mp4"]
    for i, name in enumerate(names):
        with open(os.path.join(folder, name), "wb") as f:
            f.write(b"%d" % i)
    done = station.good(card)
    assert done.summary["sealed"] == len(names)
    assert len(daemon.ls("--all")) == len(names)
    shown = {r["name"] for r in daemon.ls("--all")}
    assert "执法.mp4" in shown and any("%B7%A8%BC%C7" in n for n in shown), shown
    assert station.good(card).summary["known"] == len(names)


def test_what_is_told_of_a_file(daemon, station, card):
    fill(card, [100])
    os.utime(card / "DCIM/100/CLIP0000.MP4", (1_700_000_000, 1_700_000_000))
    station.write_config(cameras=[{"serial": "USB1", "device": "BWC0421"}])
    station.good(card, env={"ID_SERIAL_SHORT": "USB1"})
    act = next(a for a in daemon.cli("history", daemon.ls("--all")[0]["id"])["acts"] if a["kind"] == "recording.sealed")
    arrival = act["facts"]["arrival"]
    assert arrival["door"] == "tus" and arrival["path"] == "DCIM/100/CLIP0000.MP4"
    assert arrival["mtime"] == 1_700_000_000_000_000
    assert arrival["sidecar"]["device"] == "BWC0421"


def test_serial_from_the_card(station, card):
    fill(card, [10])
    (card / "ID.TXT").write_bytes(b" BWC0307 \r\nmore\r\n")
    station.write_config(card={"serial_file": "ID.TXT", "ignore": ["ID.TXT"]})
    done = station.good(card, env={"ID_SERIAL_SHORT": "USB1"})
    assert events(done, "card")[0]["text"] == "camera BWC0307"
    assert events(station.good(card, "--serial", "X9"), "card")[0]["text"] == "camera X9"


def test_clock_ahead_is_told(daemon, station, card):
    fill(card, [10])
    ahead = time.time() + 7200
    os.utime(card / "DCIM/100/CLIP0000.MP4", (ahead, ahead))
    done = station.good(card)
    assert "ahead by" in events(done, "clock")[0]["text"]
    act = next(a for a in daemon.cli("history", daemon.ls("--all")[0]["id"])["acts"] if a["kind"] == "recording.sealed")
    assert 7100e6 < act["facts"]["arrival"]["clock_offset"] <= 7200e6
    assert act["facts"]["arrival"]["sidecar"]["clock_method"] == "future-file"


def test_clock_by_the_file_written_when_plugged_in(daemon, station, card):
    station.write_config(card={"clock_file": "LOG/*.TXT"})
    (card / "LOG").mkdir()
    log = card / "LOG/SYS.TXT"
    log.write_bytes(b"plugged in\n")
    os.utime(log, (1_600_000_000, 1_600_000_000))
    fill(card, [10])
    assert not events(station.good(card), "clock")  # seen for the first time: it proves nothing
    fill(card, [20], seed=1, name="DCIM/101/CLIP{:04}.MP4")
    assert not events(station.good(card), "clock")  # as it was
    fill(card, [30], seed=2, name="DCIM/102/CLIP{:04}.MP4")
    behind = time.time() - 600
    os.utime(log, (behind, behind))
    done = station.good(card)
    assert "off by -6" in events(done, "clock")[0]["text"]
    newest = next(e for e in events(done, "sealed") if e["path"].startswith("DCIM/102"))
    act = next(a for a in daemon.cli("history", newest["recording"])["acts"] if a["kind"] == "recording.sealed")
    assert -660e6 < act["facts"]["arrival"]["clock_offset"] < -590e6
    assert act["facts"]["arrival"]["sidecar"]["clock_method"] == "plug-in-file"


def test_same_bytes_under_two_names(daemon, station, card):
    for name in ("a.mp4", "b.mp4", "c.mp4"):
        (card / "DCIM" / name).write_bytes(b"the same")
    done = station.good(card)
    assert done.summary["sealed"] + done.summary["known"] == 3
    assert len(daemon.ls("--all")) == 1


@pytest.mark.parametrize("change", ["all of it", "one byte"])
def test_a_name_used_again(daemon, station, card, change):
    """Other footage of the same name, size and time, as cameras with a dead clock and files allotted beforehand make it, is sent too."""
    path = card / "DCIM/CLIP.MP4"
    one, two = bytes_of(300000, 0), bytes_of(300000, 1)
    for data in (one, two if change == "all of it" else one[:5000] + b"!" + one[5001:]):
        path.write_bytes(data)
        os.utime(path, (946_684_800, 946_684_800))
        assert station.good(card).summary["sealed"] == 1
    assert len(daemon.ls("--all")) == 2


# ---- interrupted ----------------------------------------------------------------------------------------------------------


def test_station_killed_at_any_byte(daemon, station, card):
    files = fill(card, [2 * MIB, 3 * MIB, 700000, 12 * MIB, 5 * MIB])
    station.write_config(jobs=3, **SMALL_CHUNKS)
    rng = random.Random(SEED)
    for _ in range(10):
        with station.start(card) as process:
            time.sleep(rng.uniform(0.02, 0.5))
            process.kill()
            process.communicate()
        if len(station.receipts()) == len(files):
            break
    done = station.good(card)
    assert done.summary["sent_bytes"] < sum(map(len, files.values()))
    assert_arrived(daemon, station, files)


def test_station_killed_at_every_durable_step(wiping, card):
    """Each file that the station makes durable: killed before it stands, once for each; the next run goes on as if nothing was."""
    daemon, station = wiping
    files = fill(card, [1000, 2 * MIB, 300000])
    station.write_config(jobs=1, **SMALL_CHUNKS)
    killed = 0
    for n in range(1, 40):
        done = station.run(card, env={"LIUHEN_KILL_AT": f"durable.rename:{(n - 1) % 4 + 1}"})
        if done.returncode == 0:
            break
        assert done.returncode == -signal.SIGKILL, done.stdout + done.stderr
        killed += 1
    assert killed >= 4, killed
    assert station.good(card, "--wipe").summary["wiped"] == 3
    assert_arrived(daemon, station, files)


def test_full_disk_at_the_station(wiping, card):
    """What cannot be remembered is not done: it stops, says so, wipes nothing, and goes on when there is room."""
    daemon, station = wiping
    files = fill(card, [3 * MIB, 1000])
    station.write_config(jobs=1, **SMALL_CHUNKS)
    done = station.run(card, "--wipe", env={"LIUHEN_FAIL_AT": "durable.rename=ENOSPC:2+"})  # the first is the pinned key
    assert done.returncode == 7 and "station's folder cannot be written" in done.stderr, done.stdout + done.stderr
    assert all((card / path).exists() for path in files) and not station.wiped()
    assert station.good(card, "--wipe").summary["wiped"] == 2
    assert_arrived(daemon, station, files)


def test_daemon_killed_at_any_byte(daemon, station, card):
    files = fill(card, [2 * MIB, 6 * MIB, 12 * MIB, 900000])
    station.write_config(jobs=2, **SMALL_CHUNKS)
    rng = random.Random(SEED + 1)
    with station.start(card) as process:
        for _ in range(4):
            time.sleep(rng.uniform(0.05, 0.6))
            daemon.kill()
            daemon.start()
        out, err = process.communicate(timeout=TIMEOUT * 2)
    done = station.finished(process, out, err)
    assert done.returncode == 0, out + err
    assert_arrived(daemon, station, files)


def test_terminated_it_says_what_is_left(daemon, station, card):
    fill(card, [40 * MIB])
    station.write_config(**SMALL_CHUNKS)
    with station.start(card) as process:
        daemon.wait(lambda: list(daemon.archive.glob("staging/*.upload")), "upload")
        process.send_signal(signal.SIGTERM)
        out, err = process.communicate(timeout=TIMEOUT)
    done = station.finished(process, out, err)
    assert done.returncode == 7 and done.summary["waiting"] == 1, out + err
    sent = done.summary["sent_bytes"]
    assert station.good(card).summary["sent_bytes"] <= 40 * MIB - sent


@pytest.mark.parametrize("change", ["all of it", "one byte"])
def test_a_file_that_changed_is_begun_anew(daemon, station, card, change):
    path = card / "DCIM/CLIP.MP4"
    path.write_bytes(bytes_of(20 * MIB, 1))
    station.write_config(**SMALL_CHUNKS)
    with station.start(card) as process:
        daemon.wait(lambda: list(station.state.glob("cards/*/*.json")), "upload")
        process.kill()
        process.communicate()
    data = bytes_of(20 * MIB, 2)
    if change == "one byte":
        data = bytearray(bytes_of(20 * MIB, 1))
        data[5000] ^= 1
    stamp = path.stat().st_mtime_ns
    path.write_bytes(data)
    os.utime(path, ns=(stamp, stamp))
    done = station.good(card)
    assert done.summary["sent_bytes"] == len(data)
    assert_arrived(daemon, station, {"x": bytes(data)})


def test_waits_for_a_server_that_is_away(daemon, station, card):
    files = fill(card, [1000, 2 * MIB])
    daemon.stop()
    done = station.run(card, "--once")
    assert done.returncode == 5 and "not answer" in done.stderr, done.stderr
    with station.start(card) as process:
        time.sleep(0.5)
        assert process.poll() is None
        daemon.start()
        out, err = process.communicate(timeout=TIMEOUT)
    assert process.returncode == 0, out + err
    assert "waiting" in out
    assert_arrived(daemon, station, files)


def test_full_disk_at_the_site(make_daemon, build, work, card):
    daemon = make_daemon(config={"store": {"reserve": "900 TiB"}, "devices": {"wipe": True}}).start()
    station = Station(build, work, daemon.socket)
    files = fill(card, [1000, 2 * MIB])
    done = station.run(card, "--once", "--wipe")
    assert done.returncode == 7 and done.summary["waiting"] == 2, done.stdout + done.stderr
    assert re.search(r"status 50[37]", done.stderr), done.stderr
    assert all((card / path).exists() for path in files) and not station.wiped()


def test_one_run_at_a_card(daemon, station, card):
    fill(card, [30 * MIB])
    station.write_config(**SMALL_CHUNKS)
    with station.start(card) as process:
        daemon.wait(lambda: list(station.state.glob("cards/*/*.json")), "upload")
        done = station.run(card)
        assert done.returncode == 7 and "another run" in done.stderr, done.stderr
        process.kill()
        process.communicate()


# ---- who it is --------------------------------------------------------------------------------------------------------------


def test_wrong_token(make_daemon, build, work, card):
    port = free_port()
    daemon = make_daemon(config={"http": {"loopback": f"127.0.0.1:{port}"}}).start()
    fill(card, [1000])
    station = Station(build, work, f"http://127.0.0.1:{port}")
    token = work / "token"
    token.write_text("lh_01KARC4M000000000000000000_" + "a" * 52 + "\n", encoding="utf-8")
    token.chmod(0o600)
    done = station.run(card, "--token-file", token, "--wipe")
    assert done.returncode == 4 and "token" in done.stderr, done.stderr
    assert not daemon.ls("--all") and not station.receipts()
    done = station.run(card)
    assert done.returncode == 4, done.stderr
    token.chmod(0o644)
    done = station.run(card, "--token-file", token)
    assert done.returncode == 6 and "chmod 600" in done.stderr, done.stderr
    token.chmod(0o600)
    done = station.run(card, "--token-file", token, "--server", "http://192.0.2.1:80")
    assert done.returncode == 2 and "https://" in done.stderr, done.stderr


@pytest.fixture
def networked(make_daemon):
    """A site on the network, with TLS by its own authority."""
    port = free_port()
    daemon = make_daemon(config={"http": {"tls": f"127.0.0.1:{port}", "names": ["127.0.0.1"]}, "devices": {"wipe": True}}).start()
    daemon.server = f"https://127.0.0.1:{port}"
    return daemon


def token_file(daemon, work, serial):
    path = work / f"{serial}.token"
    path.write_text(daemon.cli("device", "token", serial)["token"] + "\n", encoding="utf-8")
    path.chmod(0o600)
    return path


def test_client_certificate(networked, build, work, card):
    daemon = networked
    daemon.cli("device", "add", "DOCK-1", "--kind", "dock")
    out = work / "dock-1"
    password = daemon.cli("device", "enrol", "DOCK-1", "--out", out)["password"]
    station = Station(build, work, daemon.server)
    files = fill(card, [1000, 3 * MIB])
    pem = ["--ca", out / "ca.pem", "--certificate", out / "DOCK-1.pem", "--key", out / "DOCK-1.key"]
    # a server that nobody has vouched for gets nothing
    done = station.run(card, *pem[2:])
    assert done.returncode == 4 and "not trusted" in done.stderr and not daemon.ls("--all"), done.stderr
    # nor does a station without a certificate get in
    done = station.run(card, "--ca", out / "ca.pem")
    assert done.returncode == 4 and "station" in done.stderr, done.stderr
    done = station.good(card, *pem, "--serial", "BWC0421")
    assert done.summary["sealed"] == 2
    act = next(a for a in daemon.cli("history", daemon.ls("--all")[0]["id"])["acts"] if a["kind"] == "recording.sealed")
    assert act["facts"]["arrival"]["sidecar"]["device"] == "BWC0421"
    assert_arrived(daemon, station, files)
    # the bundle that a station imports, with its password in a file; unattended, from the settings alone
    secret = work / "password"
    secret.write_text(password + "\n", encoding="utf-8")
    secret.chmod(0o600)
    station.write_config(ca=str(out / "ca.pem"), certificate=str(out / "DOCK-1.p12"), password_file=str(secret), wipe=True)
    done = station.good(card)
    assert done.summary["known"] == 2 and done.summary["wiped"] == 2
    # revoked: nothing more
    fill(card, [77], seed=9)
    daemon.cli("device", "revoke", "DOCK-1", daemon.cli("device", "show", "DOCK-1")["keys"][0]["id"])
    done = station.run(card)
    assert done.returncode == 4 and done.summary is None or done.summary["sealed"] == 0, done.stdout + done.stderr
    assert (card / "DCIM/100/CLIP0000.MP4").exists()


def test_cards_of_others_take_a_dock(networked, build, work, card):
    """A camera's own token delivers its own recordings only; the server says so, and the station repeats it."""
    daemon = networked
    daemon.cli("device", "add", "CAM-1")
    fill(card, [1000])
    station = Station(build, work, daemon.server)
    args = [card, "--ca", daemon.archive / "keys/ca.pem", "--token-file", token_file(daemon, work, "CAM-1")]
    done = station.run(*args, "--serial", "CAM-2", "--once")
    assert done.returncode in (1, 4) and not daemon.ls("--all"), done.stdout + done.stderr
    assert station.good(*args, "--serial", "CAM-1").summary["sealed"] == 1


def test_quota_of_a_station(networked, build, work, card):
    """A quota that is used up holds files back, and wipes nothing that was not sent."""
    daemon = networked
    daemon.cli("device", "add", "DOCK-1", "--kind", "dock", "--quota", "3 MiB")
    files = fill(card, [2 * MIB, 2 * MIB])
    station = Station(build, work, daemon.server)
    station.write_config(jobs=1)
    args = [card, "--ca", daemon.archive / "keys/ca.pem", "--token-file", token_file(daemon, work, "DOCK-1"), "--once", "--wipe"]
    done = station.run(*args)
    assert done.returncode in (1, 7) and done.summary["sealed"] == 1, done.stdout + done.stderr
    assert "quota" in done.stdout + done.stderr
    assert sum((card / path).exists() for path in files) >= 1
    daemon.cli("device", "set", "DOCK-1", "--quota", "1 GiB")
    assert station.good(*args).summary["sealed"] == 1
    assert not any((card / path).exists() for path in files)
    assert_arrived(daemon, station, files)


def test_rate_of_a_station(networked, build, work, card):
    """429 with Retry-After: it waits as long as it is told, and everything arrives."""
    daemon = networked
    daemon.cli("device", "add", "DOCK-1", "--kind", "dock", "--rate", "10")
    files = fill(card, [1000] * 20)
    station = Station(build, work, daemon.server)
    args = [card, "--ca", daemon.archive / "keys/ca.pem", "--token-file", token_file(daemon, work, "DOCK-1")]
    with station.start(*args) as process:
        seen = ""
        while "status 429" not in seen and (line := process.stdout.readline()):
            seen += line
        assert "status 429" in seen and "waiting" in seen, seen + process.stderr.read()
        daemon.cli("device", "set", "DOCK-1", "--rate", "100000")
        out, err = process.communicate(timeout=TIMEOUT * 2)
    done = station.finished(process, seen + out, err)
    assert done.returncode == 0, done.stdout + err
    assert_arrived(daemon, station, files)


# ---- what is shown ------------------------------------------------------------------------------------------------------------


def width(text):
    return sum(0 if unicodedata.combining(c) else 2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in text)


def on_terminal(command, columns, rows=24, env=None):
    """Runs on a terminal of its own; everything it wrote, and its exit code."""
    pid, fd = pty.fork()
    if pid == 0:
        os.environ.update({"TERM": "xterm", "LC_ALL": "C.UTF-8", **(env or {})})
        fcntl.ioctl(0, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
        os.execv(command[0], command)
    out, end = b"", time.monotonic() + TIMEOUT
    while time.monotonic() < end:
        if select.select([fd], [], [], 0.1)[0]:
            try:
                data = os.read(fd, 65536)
            except OSError:
                break
            if not data:
                break
            out += data
    _, status = os.waitpid(pid, 0)
    os.close(fd)
    return out.decode(), os.waitstatus_to_exitcode(status)


@pytest.mark.parametrize("columns", [80, 40])
def test_bars_on_a_terminal(daemon, station, card, columns):
    fill(card, [6 * MIB, 9 * MIB], name="DCIM/本溪市卫生健康委员会执法记录/现场检查录像{:04}.MP4")
    fill(card, [4 * MIB], seed=5)
    (card / "DCIM/bad.jpg").touch()
    station.write_config(jobs=2, **SMALL_CHUNKS)
    out, code = on_terminal(station.command(card), columns)
    assert code == 0, out
    plain = re.sub(r"\x1b\[[0-9;]*[A-Za-z]", "", out)
    bars = [line for line in re.split(r"[\r\n]+", plain) if re.search(r" +\d+% (sending|reading|sealing|asking)", line)]
    assert bars and any("sending" in b for b in bars)
    assert columns < 80 or all(re.search(r"\[[#.]{20}\] ", b) for b in bars)
    assert all(width(line) <= columns - 1 for line in bars)
    assert "of 3 files" in plain and "3 sealed" in plain and "{" not in plain
    assert "\x1b[" in out


def test_json_lines_elsewhere(station, card):
    fill(card, [MIB])
    done = station.good(card)  # a pipe
    assert [e["event"] for e in done.events if e["event"] != "pinned"] == ["card", "sealed", "summary"]
    out, code = on_terminal(station.command("--json", card), 80)
    assert code == 0 and "\x1b[" not in out
    assert all(json.loads(line) for line in out.split("\r\n") if line)


# ---- settings and mistakes ------------------------------------------------------------------------------------------------------


def test_settings(build, work, station):
    station.write_config(jobz=3)
    done = station.run(work)
    assert done.returncode == 6 and "jobs" in done.stderr and f"{station.config_path}:" in done.stderr
    station.write_config(jobs=7)
    shown = yaml.safe_load(subprocess.run(
        station.command("--show-config"), capture_output=True, text=True, check=True).stdout)
    assert shown["jobs"] == 7 and shown["card"]["folder"] == "DCIM" and shown["wipe"] is False


@pytest.mark.parametrize("args, code, words", [
    ([], 2, "which card"),
    (["/nonexistent"], 3, "no such"),
    (["/etc/passwd"], 6, "neither a folder nor a device"),
    (["--jobs", "many", "/tmp"], 2, "jobs: "),
    (["--server", "records", "/tmp"], 2, "https://"),
    (["--config", "/nonexistent.yaml", "/tmp"], 6, "cannot be read"),
])
def test_mistakes(station, args, code, words):
    done = subprocess.run([*station.command(), *args], capture_output=True, text=True, check=False, timeout=TIMEOUT)
    assert done.returncode == code and words in done.stderr + done.stdout, done.stderr


def test_one_missing_card_does_not_hold_up_the_others(daemon, station, card):
    files = fill(card, [1000])
    done = station.run("/nonexistent", card)
    assert done.returncode == 3 and done.summary["sealed"] == 1
    assert_arrived(daemon, station, files)


def test_unit_is_well_formed(tmp_path):
    text = (ROOT / "contrib/systemd/liuhen-dock@.service").read_text(encoding="utf-8")
    if not shutil.which("systemd-analyze"):
        pytest.skip("systemd-analyze is not installed")
    (tmp_path / "liuhen-dock@.service").write_text(text.replace("@BINDIR@", "/usr/bin").replace("/usr/bin/liuhen ", "/usr/bin/true "), encoding="utf-8")
    done = subprocess.run(["systemd-analyze", "verify", "--man=no", str(tmp_path / "liuhen-dock@sdb1.service")],
                          capture_output=True, text=True, check=False)
    assert "liuhen-dock" not in done.stderr, done.stderr
