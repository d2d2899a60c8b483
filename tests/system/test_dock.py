# SPDX-License-Identifier: GPL-3.0-or-later
"""`liuhen dock` against a real daemon: cards that are folders, loop devices, and FAT images that are pulled out in the middle.

What must hold whatever happens: everything arrives, nothing twice, every receipt verifies, and nothing leaves a card that is not
proved to be sealed.
"""
import contextlib
import fcntl
import hashlib
import json
import os
import pathlib
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

SEED = int(os.environ.get("LIUHEN_SEED", "20261123"))
MIB = 1 << 20
SMALL_CHUNKS = {"chunk": "64 KiB"}


def bytes_of(size, seed):
    return random.Random(seed).randbytes(size)


def fill(folder, sizes, seed=0, name="DCIM/100/CLIP{:04}.MP4"):
    """Files of these sizes with unlike bytes; {path: bytes}."""
    made = {}
    for i, size in enumerate(sizes):
        path = pathlib.Path(folder) / name.format(i)
        path.parent.mkdir(parents=True, exist_ok=True)
        made[str(path.relative_to(folder))] = data = bytes_of(size, seed * 1000 + i)
        path.write_bytes(data)
    return made


class Station:
    """A docking station with a state folder and settings of its own."""

    def __init__(self, build, work, server, name="station"):
        self.build, self.work, self.server = build, pathlib.Path(work), str(server)
        self.state, self.config_path = self.work / f"{name}-state", self.work / f"{name}.yaml"
        self.write_config()

    def write_config(self, **keys):
        self.config_path.write_text(yaml.safe_dump({"server": self.server, "state": str(self.state), **keys}), encoding="utf-8")

    def command(self, *args):
        return [str(self.build / "liuhen"), "dock", "--config", str(self.config_path), *map(os.fspath, map(str, args))]

    def start(self, *args, env=None, **kwargs):
        return subprocess.Popen(self.command(*args), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                text=True, env={**os.environ, **(env or {})}, cwd=self.work, **kwargs)

    def run(self, *args, env=None, timeout=TIMEOUT * 2):
        """Runs to the end; .events: its JSON lines, .summary: the last one."""
        with self.start(*args, env=env) as process:
            try:
                out, err = process.communicate(timeout=timeout)
            finally:
                process.kill()
        return self.finished(process, out, err)

    @staticmethod
    def finished(process, out, err):
        done = subprocess.CompletedProcess(process.args, process.returncode, out, err)
        done.events = [json.loads(line) for line in out.splitlines()]
        done.summary = next((e for e in done.events if e["event"] == "summary"), None)
        return done

    def good(self, *args, **kwargs):
        done = self.run(*args, **kwargs)
        assert done.returncode == 0, done.stdout + done.stderr
        return done

    def receipts(self):
        return {p.name.removesuffix(".tlog-proof"): p for p in (self.state / "receipts").glob("*.tlog-proof")}

    def wiped(self):
        path = self.state / "wiped.log"
        return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()] if path.exists() else []


@pytest.fixture
def station(build, work, daemon):
    return Station(build, work, daemon.socket)


@pytest.fixture
def card(work):
    path = work / "card"
    (path / "DCIM").mkdir(parents=True)
    return path


def digests(files):
    return {hashlib.sha256(data).hexdigest() for data in files.values()}


def assert_arrived(daemon, station, files):
    """All of them are sealed with a receipt that verifies offline, none of them twice, and the archive is whole."""
    daemon.wait_idle()
    rows = daemon.ls("--all")
    sealed = []
    for row in rows:
        acts = daemon.cli("history", row["id"])["acts"]
        sealed += [a["facts"]["digest"] for a in acts if a["kind"] == "recording.sealed"]
        assert not [a for a in acts if a["kind"] == "recording.arrived-again"]
    assert sorted(sealed) == sorted(digests(files))
    assert set(station.receipts()) == digests(files)
    key = daemon.cli("key", json=False).strip()
    by_digest = {hashlib.sha256(d).hexdigest(): d for d in files.values()}
    for digest, receipt in station.receipts().items():
        original = station.work / "original"
        original.write_bytes(by_digest[digest])
        done = daemon.run("verify", receipt, original, "--key", key)
        assert done.returncode == 0, done.stdout + done.stderr
    daemon.assert_clean()


def events(done, kind):
    return [e for e in done.events if e["event"] == kind]


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
    # plugged in again: nothing is sent, nothing is read but samples
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


def test_same_bytes_under_two_names(daemon, station, card):
    for name in ("a.mp4", "b.mp4", "c.mp4"):
        (card / "DCIM" / name).write_bytes(b"the same")
    done = station.good(card)
    assert done.summary["sealed"] + done.summary["known"] == 3
    assert len(daemon.ls("--all")) == 1


def test_a_name_used_again(daemon, station, card):
    """Other footage of the same name, size and time, as cameras with a dead clock make it, is sent too."""
    path = card / "DCIM/CLIP.MP4"
    for i in range(2):
        path.write_bytes(bytes_of(300000, i))
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
    if change == "one byte":  # where no sample is taken
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


# ---- pulled out -------------------------------------------------------------------------------------------------------------


@pytest.fixture
def fat(work):
    """A FAT image in user space (fusefat): mounted with .plug(), pulled out with .unplug(), as if by hand."""
    for tool in ("fusefat", "mkfs.vfat", "mcopy", "fusermount"):
        if not shutil.which(tool):
            pytest.skip(f"{tool} is not installed")
    if not os.access("/dev/fuse", os.W_OK):
        pytest.skip("FUSE is not allowed here")

    class Fat:
        def __init__(self):
            self.image, self.top, self.server = work / "card.img", work / "fat", None
            self.top.mkdir()

        def make(self, sizes):
            source = work / "source"
            files = fill(source, sizes)
            with open(self.image, "wb") as f:
                f.truncate(100 * MIB)
            subprocess.run(["mkfs.vfat", "-F", "32", str(self.image)], check=True, stdout=subprocess.DEVNULL)
            subprocess.run(["mcopy", "-s", "-m", "-i", str(self.image), str(source / "DCIM"), "::"], check=True)
            return files

        def plug(self):
            self.server = subprocess.Popen(["fusefat", "-f", "-o", "ro", str(self.image), str(self.top)],
                                           stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            end = time.monotonic() + TIMEOUT
            while not os.path.ismount(self.top):
                if self.server.poll() is not None:
                    pytest.skip("fusefat does not run here")
                assert time.monotonic() < end
                time.sleep(0.02)

        def unplug(self):
            if self.server:
                self.server.kill()
                self.server.wait()
                subprocess.run(["fusermount", "-u", "-z", str(self.top)], check=False, stderr=subprocess.DEVNULL)
                self.server = None

    card = Fat()
    yield card
    card.unplug()


def test_pulled_out_at_any_byte(daemon, station, fat):
    files = fat.make([9 * MIB, 300000, 14 * MIB, 2 * MIB])
    station.write_config(jobs=2, **SMALL_CHUNKS)
    rng = random.Random(SEED + 2)
    gone = 0
    for _ in range(6):
        fat.plug()
        with station.start(fat.top) as process:
            time.sleep(rng.uniform(0.05, 0.8))
            fat.unplug()
            out, err = process.communicate(timeout=TIMEOUT)
        done = station.finished(process, out, err)
        assert done.returncode in (0, 3), out + err
        gone += done.returncode == 3 and "unplugged" in err
    assert gone > 0
    fat.plug()
    done = station.good(fat.top)
    assert_arrived(daemon, station, files)


# ---- wiping -----------------------------------------------------------------------------------------------------------------


@pytest.fixture
def wiping(make_daemon, build, work):
    """A site that lets cards be wiped, and a station."""
    daemon = make_daemon(config={"devices": {"wipe": True}}).start()
    return daemon, Station(build, work, daemon.socket)


def test_wipe_needs_the_policy(daemon, station, card):
    files = fill(card, [1000, 2 * MIB])
    done = station.run(card, "--wipe")
    assert done.returncode == 4 and "devices.wipe" in done.stderr, done.stderr
    assert done.summary["sealed"] == 2 and done.summary["wiped"] == 0
    assert all((card / path).exists() for path in files) and not station.wiped()
    daemon.write_config(devices={"wipe": True})
    daemon.reload()
    assert station.good(card, "--wipe").summary["wiped"] == 2


def test_wipe_removes_exactly_what_is_sealed(wiping, card):
    daemon, station = wiping
    files = fill(card, [1, 70000, MIB, 4 * MIB])
    others = {"DCIM/empty.jpg": b"", "DCIM/half.part": b"x", ".hidden/f": b"y"}
    for path, data in others.items():
        (card / path).parent.mkdir(exist_ok=True)
        (card / path).write_bytes(data)
    (card / "DCIM/link.mp4").symlink_to("100/CLIP0000.MP4")
    done = station.good(card, "--wipe")
    assert done.summary["wiped"] == 4 and {e["path"] for e in events(done, "wiped")} == set(files)
    left = {str(p.relative_to(card)) for p in card.rglob("*") if p.is_symlink() or not p.is_dir()}
    assert left == set(others) | {"DCIM/link.mp4"}
    assert (card / "DCIM/100").is_dir()
    assert {line["path"] for line in station.wiped()} == set(files) and {line["sha256"] for line in station.wiped()} == digests(files)
    assert_arrived(daemon, station, files)
    assert station.good(card, "--wipe").summary["wiped"] == 0


def test_wipe_of_what_was_sealed_before(wiping, card):
    daemon, station = wiping
    files = fill(card, [1000, MIB])
    assert station.good(card).summary["wiped"] == 0
    new = fill(card, [5000], seed=7, name="DCIM/101/CLIP{:04}.MP4")
    assert station.good(card, "--wipe").summary["wiped"] == 3
    assert_arrived(daemon, station, {**files, **new})


def test_state_that_was_meddled_with(wiping, card):
    """Receipts changed for others, and entries that say 'sealed' of what never was: nothing is believed."""
    daemon, station = wiping
    files = fill(card, [1000, 2000])
    station.good(card)
    one, two = station.receipts().values()
    text = one.read_bytes()
    one.write_bytes(two.read_bytes())
    two.write_bytes(text)
    (card / "DCIM/100/NEW.MP4").write_bytes(b"never sent" * 100)
    entry = next(station.state.glob("cards/*/*.json"))
    stat = (card / "DCIM/100/NEW.MP4").stat()
    forged = {**json.loads(entry.read_text(encoding="utf-8")), "path": "DCIM/100/NEW.MP4", "bytes": stat.st_size,
              "mtime": stat.st_mtime_ns}
    name = hashlib.sha256(b"DCIM/100/NEW.MP4").hexdigest() + ".json"
    (entry.parent / name).write_text(json.dumps(forged), encoding="utf-8")
    done = station.good(card, "--wipe")
    assert done.summary["wiped"] == 3 and done.summary["sealed"] == 1
    assert_arrived(daemon, station, {**files, "new": b"never sent" * 100})


def test_key_that_changed(wiping, make_daemon, build, work, card):
    daemon, station = wiping
    fill(card, [1000])
    station.good(card)
    other = make_daemon(name="other", config={"devices": {"wipe": True}}).start()
    station.server = str(other.socket)
    station.write_config()
    done = station.run(card, "--wipe")
    assert done.returncode == 1 and "another ledger key" in done.stderr, done.stderr
    assert done.summary is None and not other.ls("--all")
    assert (card / "DCIM/100/CLIP0000.MP4").exists() and not station.wiped()
    # the same with the key given by hand
    key = work / "site.pub"
    key.write_text(daemon.cli("key", json=False), encoding="utf-8")
    fresh = Station(build, work, other.socket, "fresh")
    done = fresh.run(card, "--wipe", "--key-file", key)
    assert done.returncode == 1 and "another ledger key" in done.stderr, done.stderr
    fresh.server = str(daemon.socket)
    fresh.write_config()
    assert fresh.good(card, "--wipe", "--key-file", key).summary["wiped"] == 1


def test_wipe_of_a_card_that_is_locked(wiping, card):
    """Where nothing can be removed, nothing is lost and it is said."""
    daemon, station = wiping
    fill(card, [1000])
    if os.geteuid() == 0:
        if subprocess.run(["chattr", "+i", str(card / "DCIM/100")], check=False, stderr=subprocess.DEVNULL).returncode:
            pytest.skip("no immutable flag on this file system")
    else:
        (card / "DCIM/100").chmod(0o500)
    try:
        done = station.run(card, "--wipe")
    finally:
        subprocess.run(["chattr", "-i", str(card / "DCIM/100")], check=False, stderr=subprocess.DEVNULL)
        (card / "DCIM/100").chmod(0o700)
    assert done.returncode == 1 and done.summary["sealed"] == 1 and done.summary["wiped"] == 0, done.stdout + done.stderr
    assert "cannot be removed" in events(done, "kept")[0]["why"]
    assert [line["event"] for line in station.wiped()] == ["wipe", "not-wiped"]


# ---- devices ----------------------------------------------------------------------------------------------------------------


@contextlib.contextmanager
def loop_device(image):
    done = subprocess.run(["losetup", "--show", "-f", str(image)], capture_output=True, text=True, check=False) \
        if shutil.which("losetup") else None
    if os.geteuid() != 0 or done is None or done.returncode:
        pytest.skip("loop devices are not allowed here")
    try:
        yield done.stdout.strip()
    finally:
        subprocess.run(["losetup", "-d", done.stdout.strip()], check=False)


def make_ext4(work, source):
    image = work / "card.img"
    with open(image, "wb") as f:
        f.truncate(64 * MIB)
    subprocess.run(["mke2fs", "-q", "-t", "ext4", "-d", str(source), str(image)], check=True)
    return image


def listing(work, device, kind):
    """What is on the device: {path: bytes}."""
    top = work / "look"
    top.mkdir(exist_ok=True)
    subprocess.run(["mount", "-t", kind, "-o", "ro", device, str(top)], check=True)
    try:
        return {str(p.relative_to(top)): p.read_bytes() for p in top.rglob("*") if p.is_file()}
    finally:
        subprocess.run(["umount", str(top)], check=True)


def test_device(wiping, card, work):
    daemon, station = wiping
    files = fill(card, [1000, 3 * MIB])
    (card / "DCIM/half.part").write_bytes(b"x")
    station.write_config(card={"filesystems": ["vfat", "ext4"]})
    with loop_device(make_ext4(work, card)) as device:
        before = pathlib.Path("/proc/mounts").read_text(encoding="utf-8")
        done = station.good(device, env={"ID_SERIAL_SHORT": "BWC0421"})
        assert done.summary["sealed"] == 2 and events(done, "card")[0]["text"] == "camera BWC0421"
        assert pathlib.Path("/proc/mounts").read_text(encoding="utf-8") == before
        assert station.good(device).summary["known"] == 2
        assert station.good(device, "--wipe").summary["wiped"] == 2
        assert listing(work, device, "ext4") == {"DCIM/half.part": b"x"}
    assert_arrived(daemon, station, files)


def test_device_that_is_no_card(station, work):
    source = work / "stick"
    fill(source, [1000], name="private/letter{}.txt")
    station.write_config(card={"filesystems": ["ext4"]})
    with loop_device(make_ext4(work, source)) as device:
        done = station.run(device)
        assert done.returncode == 3 and "no camera's card" in done.stderr, done.stderr
        station.write_config(card={"filesystems": ["xfs"]})
        done = station.run(device)
        assert done.returncode == 3 and "none of the file systems" in done.stderr, done.stderr


def has_vfat():
    if "vfat" not in pathlib.Path("/proc/filesystems").read_text(encoding="utf-8"):
        subprocess.run(["modprobe", "vfat"], check=False, stderr=subprocess.DEVNULL) if shutil.which("modprobe") else None
    return "vfat" in pathlib.Path("/proc/filesystems").read_text(encoding="utf-8")


def test_vfat_device(wiping, work):
    """A real FAT card: names in Unicode, the camera's wall clock, removal that lasts."""
    daemon, station = wiping
    if not has_vfat():
        pytest.skip("this kernel has no vfat")
    source, image = work / "source", work / "card.img"
    files = fill(source, [1000, 3 * MIB, 70000], name="DCIM/100/执法{:04}.MP4")
    with open(image, "wb") as f:
        f.truncate(64 * MIB)
    subprocess.run(["mkfs.vfat", "-F", "32", "-n", "CAM", str(image)], check=True, stdout=subprocess.DEVNULL)
    station.write_config(card={"timezone": "Asia/Shanghai"})
    with loop_device(image) as device:
        top = work / "top"
        top.mkdir()
        subprocess.run(["mount", "-t", "vfat", "-o", "utf8=1,tz=UTC", device, str(top)], check=True)
        shutil.copytree(source / "DCIM", top / "DCIM")
        for path in files:
            os.utime(top / path, (1_700_000_000, 1_700_000_000))
        (top / "DCIM/empty.jpg").touch()
        subprocess.run(["umount", str(top)], check=True)
        done = station.good(device)
        assert done.summary["sealed"] == 3 and done.summary["left"] == 1
        act = next(a for a in daemon.cli("history", daemon.ls("--all")[0]["id"])["acts"] if a["kind"] == "recording.sealed")
        assert act["facts"]["arrival"]["mtime"] == (1_700_000_000 - 8 * 3600) * 10**6  # 8 hours: the camera writes Shanghai's time
        assert station.good(device).summary["known"] == 3
        assert station.good(device, "--wipe").summary["wiped"] == 3
        assert listing(work, device, "vfat") == {"DCIM/empty.jpg": b""}
        checked = subprocess.run(["fsck.vfat", "-n", device], capture_output=True, text=True, check=False)
        assert checked.returncode == 0, checked.stdout
    assert_arrived(daemon, station, files)


def test_vfat_device_on_another_kernel(build, work):
    """Where this kernel has no vfat, one in user space may have it: the test above runs there."""
    if has_vfat():
        pytest.skip("this kernel has vfat itself: test_vfat_device")
    if not shutil.which("linux.uml") or " " in str(ROOT):
        pytest.skip("this kernel has no vfat, and user-mode-linux is not installed")
    if b"__asan_init" in (build / "liuhen").read_bytes():
        pytest.skip("programs with sanitizers do not find their memory in user-mode-linux")
    out = ROOT / f"build/uml-{os.getpid()}.out"  # build/tmp is another one there
    try:
        with open(work / "console", "wb") as console:
            subprocess.run(["timeout", "-s", "KILL", f"{TIMEOUT * 5:.0f}", "linux.uml", "rootfstype=hostfs", "rootflags=/", "rw",
                            f"init={ROOT}/tests/system/uml-init", "mem=1024M",
                            "con=null", "con0=null,fd:1", f"umid=liuhen-{os.getpid()}", f"LIUHEN_ROOT={ROOT}", f"LIUHEN_OUT={out}",
                            f"LIUHEN_BUILD={os.path.relpath(build, ROOT)}", "LIUHEN_TEST=tests/system/test_dock.py::test_vfat_device"],
                           stdin=subprocess.DEVNULL, stdout=console, stderr=subprocess.STDOUT, check=False,
                           timeout=TIMEOUT * 5)
        said = out.read_text(encoding="utf-8") if out.exists() else (work / "console").read_text(errors="replace")
    finally:
        out.unlink(missing_ok=True)
    assert "1 passed" in said, said


# ---- who it is --------------------------------------------------------------------------------------------------------------


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


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
    assert done.returncode == 2 and "carry the token" in done.stderr, done.stderr


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
    shown = yaml.safe_load(station.run_text("--show-config") if hasattr(station, "run_text") else subprocess.run(
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


def test_unit_is_well_formed(tmp_path, build):
    text = (ROOT / "contrib/systemd/liuhen-dock@.service").read_text(encoding="utf-8")
    if not shutil.which("systemd-analyze"):
        pytest.skip("systemd-analyze is not installed")
    (tmp_path / "liuhen-dock@.service").write_text(text.replace("@BINDIR@", str(build)), encoding="utf-8")
    done = subprocess.run(["systemd-analyze", "verify", "--man=no", str(tmp_path / "liuhen-dock@sdb1.service")],
                          capture_output=True, text=True, check=False)
    assert "liuhen-dock" not in done.stderr, done.stderr
