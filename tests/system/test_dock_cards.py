# SPDX-License-Identifier: GPL-3.0-or-later
"""`liuhen dock` and its cards: wiping them, block devices, real FAT images, and cards that are pulled out in the middle.

Nothing leaves a card that is not proved to be sealed.
"""
import contextlib
import hashlib
import json
import os
import pathlib
import random
import shutil
import subprocess
import time

import pytest

from conftest import ROOT, TIMEOUT
from dock_station import (MIB, SEED, SMALL_CHUNKS, Station, assert_arrived, card, digests, events, fill, station,  # noqa: F401
                          wiping)

# pylint: disable=redefined-outer-name


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


def test_a_folder_with_a_name_twice(daemon, station, fat):
    """A damaged directory: by that name only one of the two files can be read, so neither counts as sent."""
    files = fat.make([1000, 2000, 3000])
    image = fat.image.read_bytes()
    assert image.count(b"CLIP0001MP4") == 1
    fat.image.write_bytes(image.replace(b"CLIP0001MP4", b"CLIP0000MP4"))
    fat.plug()
    if os.listdir(fat.top / "DCIM/100").count("CLIP0000.MP4") != 2:
        pytest.skip("this FAT in user space shows a name once")
    done = station.run(fat.top)
    assert done.returncode == 1 and done.summary["failed"] == 2 and done.summary["sealed"] == 1, done.stdout + done.stderr
    assert all("twice" in e["why"] for e in events(done, "failed"))
    assert_arrived(daemon, station, {"x": files["DCIM/100/CLIP0002.MP4"]})


# ---- wiping -----------------------------------------------------------------------------------------------------------------


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
    """Receipts changed for others, and entries that say 'sealed' of what never was, or lead elsewhere: nothing is believed."""
    daemon, station = wiping
    files = fill(card, [1000, 2000])
    station.good(card)
    one, two = station.receipts().values()
    text = one.read_bytes()
    one.write_bytes(two.read_bytes())
    two.write_bytes(text)
    (card / "DCIM/100/NEW.MP4").write_bytes(b"never sent" * 100)
    stat = (card / "DCIM/100/NEW.MP4").stat()
    forged = {"path": "DCIM/100/NEW.MP4", "bytes": stat.st_size, "mtime": stat.st_mtime_ns, "sealed": True, "sample": next(iter(digests(files))),
              "sha256": next(iter(digests(files))), "server": str(station.server), "url": "@192.0.2.1/tus/1"}
    name = hashlib.sha256(b"DCIM/100/NEW.MP4").hexdigest() + ".json"
    (next(station.state.glob("cards/*")) / name).write_text(json.dumps(forged), encoding="utf-8")
    done = station.good(card, "--wipe")
    assert done.summary["wiped"] == 3 and done.summary["sealed"] == 1
    assert_arrived(daemon, station, {**files, "new": b"never sent" * 100})


def test_site_set_back_to_a_backup(wiping, card, work):
    """What the site has lost is sent again and sealed again before it may go, whatever receipts the station has of it."""
    daemon, station = wiping
    old = fill(card, [1000])
    station.good(card)
    daemon.stop()
    backup = work / "backup"
    subprocess.run(["cp", "-a", daemon.archive, backup], check=True)
    daemon.start()
    new = fill(card, [2000, 3 * MIB], seed=3, name="DCIM/101/CLIP{:04}.MP4")
    assert station.good(card).summary["sealed"] == 2
    daemon.stop()
    shutil.rmtree(daemon.archive)
    subprocess.run(["cp", "-a", backup, daemon.archive], check=True)
    daemon.start()
    done = station.good(card, "--wipe")
    assert done.summary["sealed"] == 2 and done.summary["known"] == 1 and done.summary["wiped"] == 3, done.stdout
    assert_arrived(daemon, station, {**old, **new})


@pytest.mark.parametrize("harm", ["gone", "cut off"])
def test_site_that_has_lost_the_bytes(wiping, card, harm):
    """A recording whose content is not in the store any more: the card has the last copy, and keeps it."""
    daemon, station = wiping
    files = fill(card, [100_000, 2000])
    station.good(card)
    harmed = next(p for p in daemon.archive.rglob("*") if p.is_file() and p.stat().st_size == 100_000)
    subprocess.run(["chattr", "-i", harmed], check=False, stderr=subprocess.DEVNULL)
    if harm == "gone":
        harmed.unlink()
    else:
        os.truncate(harmed, 99_000)
    done = station.run(card, "--wipe", "--once")
    assert done.returncode == 1 and done.summary["wiped"] == 1 and done.summary["failed"] == 1, done.stdout + done.stderr
    assert [p for p in files if (card / p).exists()] == ["DCIM/100/CLIP0000.MP4"]


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


def assert_let_go(device):
    """Nobody has the device mounted, in whichever namespace: else it is busy. Other tests mount things of their own."""
    lines = pathlib.Path("/proc/mounts").read_text(encoding="utf-8").splitlines()
    assert [line for line in lines if line.split()[0] == device] == []
    os.close(os.open(device, os.O_RDONLY | os.O_EXCL))


def test_device(wiping, card, work):
    daemon, station = wiping
    files = fill(card, [1000, 3 * MIB])
    (card / "DCIM/half.part").write_bytes(b"x")
    station.write_config(card={"filesystems": ["vfat", "ext4"]})
    with loop_device(make_ext4(work, card)) as device:
        done = station.good(device, env={"ID_SERIAL_SHORT": "BWC0421"})
        assert done.summary["sealed"] == 2 and events(done, "card")[0]["text"] == "camera BWC0421"
        assert_let_go(device)
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
                            f"LIUHEN_BUILD={os.path.relpath(build, ROOT)}", "LIUHEN_TEST=tests/system/test_dock_cards.py::test_vfat_device"],
                           stdin=subprocess.DEVNULL, stdout=console, stderr=subprocess.STDOUT, check=False,
                           timeout=TIMEOUT * 5)
        said = out.read_text(encoding="utf-8") if out.exists() else (work / "console").read_text(errors="replace")
    finally:
        out.unlink(missing_ok=True)
    assert "1 passed" in said, said
