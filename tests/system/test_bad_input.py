# SPDX-License-Identifier: GPL-3.0-or-later
"""Bad input: each ends in a plain message, a quarantine entry or a paused intake that resumes by itself. Never a lost byte, never a
dead daemon."""
import contextlib
import hashlib
import os
import pathlib
import random
import shutil
import subprocess
import threading
import time

import pytest

from archive_view import locked
from conftest import TIMEOUT, Daemon, remove_tree

ROOT_ONLY = pytest.mark.skipif(os.geteuid() != 0, reason="mounting a small file system needs root")


def sha256(data):
    return hashlib.sha256(data).hexdigest()


@contextlib.contextmanager
def small_tmpfs(work, options):
    mount = work / "small"
    mount.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(mount)], check=False).returncode != 0:
        pytest.skip("mounts are not allowed here")
    try:
        yield mount
    finally:
        subprocess.run(["umount", "-l", str(mount)], check=False)


@contextlib.contextmanager
def daemon_on_small_disk(build, work, options):
    """A running daemon whose archive and drop folder share a small file system, and that file system's folder."""
    with small_tmpfs(work, options) as mount:
        daemon = Daemon(build, mount, {"store": {"reserve": "1 MiB"}})
        try:
            yield daemon.start(), mount
        finally:
            daemon.close()


def fill(path, block, mode="wb"):
    """Writes zeros until the disk is full."""
    with contextlib.suppress(OSError), open(path, mode, buffering=0) as f:
        while True:
            f.write(bytes(block))


def intake_is(daemon, state):
    daemon.wait(lambda: daemon.cli("status")["intake"]["state"] == state, f"intake {state}")


def test_zero_bytes_go_to_quarantine(daemon):
    daemon.drop("empty.mp4", b"")
    daemon.drop("good.bin", b"good")
    daemon.wait_log("put into quarantine")
    daemon.wait_log("the file is empty")
    reasons = list(daemon.archive.glob("quarantine/*.reason.json"))
    assert len(reasons) == 1 and "empty.mp4" in reasons[0].read_text()
    daemon.wait_sealed(1)
    assert daemon.cli("status")["counts"]["quarantined"] == 1
    daemon.wait_idle()
    daemon.assert_clean()


def test_quarantine_from_a_folder_with_a_long_name(make_daemon):
    """The folder's name is part of the act's actor; cut in the middle of a character it would be no text any more."""
    daemon = make_daemon()
    daemon.write_config(folders=[{"path": str(daemon.folder), "name": "a" + "执法记录仪" * 6}])
    daemon.start()
    daemon.drop("empty.mp4", b"")
    daemon.wait_log("put into quarantine")
    daemon.wait(lambda: daemon.cli("status")["counts"]["quarantined"] == 1, "the act")
    daemon.wait_idle()
    daemon.assert_clean()


def test_100_gb_sparse(daemon):
    path = daemon.folder / "huge.part"
    with open(path, "wb") as f:
        f.truncate(100 << 30)
    path.rename(daemon.folder / "huge.mp4")
    daemon.drop("small.bin", b"is not held up")
    daemon.wait_sealed(1)
    time.sleep(1)
    assert daemon.stop(timeout=TIMEOUT) == 0, "stops within seconds while hashing"
    assert (daemon.folder / "huge.mp4").stat().st_size == 100 << 30, "rolled back to where it was"
    daemon.start()
    daemon.wait_sealed(2, timeout=600)
    row = next(r for r in daemon.ls() if r["bytes"] == 100 << 30)
    assert row["name"] == "huge.mp4"
    daemon.wait_idle(timeout=TIMEOUT)
    used = sum(p.stat().st_blocks for p in daemon.archive.rglob("huge.mp4")) * 512
    assert used < 1 << 20, "moved, so still sparse"


def test_growing_file_is_taken_whole(daemon):
    data = os.urandom(2_000_000)

    def write():
        with open(daemon.folder / "grow.bin", "wb") as f:
            for i in range(0, len(data), 100_000):
                f.write(data[i:i + 100_000])
                f.flush()
                time.sleep(0.05)

    thread = threading.Thread(target=write)
    thread.start()
    row = daemon.wait_sealed(1)[0]
    thread.join()
    assert row["digest"] == sha256(data)


def test_replaced_while_being_read(daemon):
    """New content under the same name, again and again: whatever is sealed is whole, and the last one is there."""
    wanted = [os.urandom(3_000_000 + i) for i in range(12)]
    for data in wanted:
        daemon.drop("same-name.bin", data)
        time.sleep(random.uniform(0, 0.03))
    daemon.wait(lambda: not list(daemon.folder.iterdir()), "all taken")
    daemon.wait_idle()
    sealed = {r["digest"] for r in daemon.ls()}
    assert sealed <= {sha256(d) for d in wanted}
    assert sha256(wanted[-1]) in sealed
    daemon.assert_clean()


def test_deleted_half_way(daemon):
    for i in range(10):
        target = daemon.drop(f"gone{i}.bin", os.urandom(5_000_000))
        time.sleep(0.002 * i)
        with contextlib.suppress(FileNotFoundError):
            target.unlink()
    daemon.drop("stays.bin", b"stays")
    daemon.wait(lambda: any(r["name"] == "stays.bin" for r in daemon.ls()), "the other file")
    daemon.wait_idle()
    daemon.assert_clean()


@ROOT_ONLY
def test_unreadable_file_is_left_and_named(build, work):
    """As an unprivileged user, as in production."""
    home = pathlib.Path(subprocess.run(["mktemp", "-d", "/var/tmp/liuhen-XXXXXX"], capture_output=True, text=True,
                                       check=True).stdout.strip())
    programs = home / "bin"
    programs.mkdir()
    for name in ("liuhend", "liuhen", "liuhen-media", "liuhen-stills"):
        shutil.copy(build / name, programs / name)
    shutil.copytree(pathlib.Path(__file__).resolve().parents[2] / "policies", home / "policies")

    class Unprivileged(Daemon):
        def command(self, *args):
            return ["setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups", *super().command(*args)]

    daemon = Unprivileged(programs, home, policies=home / "policies")
    try:
        subprocess.run(["chmod", "-R", "a+rX", str(home)], check=True)
        for path in (home, daemon.folder, daemon.short):
            shutil.chown(path, "nobody", "nogroup")
            os.chmod(path, 0o755)
        was = os.umask(0)  # the notification socket must be open to that user
        daemon.start()
        os.umask(was)
        secret = daemon.drop("secret.bin", b"not for us")
        os.chmod(secret, 0)
        daemon.wait_log("secret.bin left where it is")
        daemon.wait_log("cannot be read: Permission denied")
        mine = daemon.drop("theirs.bin", b"somebody else's, readable")
        os.chmod(mine, 0o644)
        daemon.wait_sealed(1)
        os.chmod(secret, 0o644)
        daemon.wait_sealed(2)
        daemon.wait_idle()
    finally:
        daemon.close()
        remove_tree(home)


def test_folder_vanishes_and_returns(daemon):
    daemon.drop("a.bin", b"a")
    daemon.wait_sealed(1)
    os.rename(daemon.folder, daemon.work / "away")
    daemon.wait_log("is not there")
    daemon.wait(lambda: not daemon.cli("status")["intake"]["folders"][0]["present"], "status says so")
    (daemon.work / "away/b.bin").write_bytes(b"b")
    os.rename(daemon.work / "away", daemon.folder)
    daemon.wait_sealed(2)
    shutil.rmtree(daemon.folder)
    time.sleep(0.2)
    daemon.folder.mkdir()
    daemon.drop("c.bin", b"c")
    daemon.wait_sealed(3)
    daemon.assert_clean()


@ROOT_ONLY
def test_disk_full_pauses_and_resumes(build, work):
    with daemon_on_small_disk(build, work, "size=24m") as (daemon, mount):
        ballast = mount / "ballast"
        for i in range(6):
            daemon.drop(f"{i}.bin", os.urandom(500_000))
        fill(ballast, 65536)
        with contextlib.suppress(OSError):
            daemon.drop("late.bin", b"late")
        intake_is(daemon, "paused")
        daemon.wait(lambda: "Nothing is erased to make space" in daemon.log() or "disk is full" in daemon.log(), "the reason in the log")
        ballast.unlink()
        daemon.drop("after.bin", b"after")
        intake_is(daemon, "running")
        daemon.wait(lambda: any(r["name"] == "after.bin" for r in daemon.ls()), "sealed after")
        daemon.wait(lambda: len(daemon.ls()) >= 7, "all sealed")
        daemon.wait_idle()
        daemon.assert_clean()


@ROOT_ONLY
def test_disk_fills_up_at_any_byte(build, work):
    """The archive's disk is filled to a different mark each time, so that another step finds it full."""
    with daemon_on_small_disk(build, work, "size=40m") as (daemon, mount):
        ballast, n = mount / "ballast", 0
        for left in (0, 4, 12, 40, 100, 300, 900):
            fill(ballast, 4096)
            os.truncate(ballast, max(0, ballast.stat().st_size - left * 1024 - 1_500_000))
            with contextlib.suppress(OSError):
                daemon.drop(f"f{left}.bin", os.urandom(200_000))
                n += 1
            fill(ballast, 4096, "ab")
            time.sleep(0.7)
            ballast.unlink()
            daemon.wait(lambda n=n: len(daemon.ls()) >= n, f"{n} recordings", 60)
        daemon.wait_idle()
        daemon.assert_clean()


@ROOT_ONLY
def test_inodes_run_out(build, work):
    with daemon_on_small_disk(build, work, "size=64m,nr_inodes=700") as (daemon, mount):
        ballast = mount / "ballast"
        ballast.mkdir()
        with contextlib.suppress(OSError):
            for i in range(2000):
                (ballast / str(i)).touch()
        for i in range(40):
            (ballast / str(i)).unlink()
        daemon.drop("one.bin", b"one")
        intake_is(daemon, "paused")
        daemon.wait(lambda: "inodes" in daemon.log() or "No space left" in daemon.log(), "the reason in the log")
        shutil.rmtree(ballast)
        daemon.wait_sealed(1)
        daemon.wait_idle()
        daemon.assert_clean()


def immutable(path, on):
    done = subprocess.run(["chattr", "+i" if on else "-i", str(path)], check=False, stderr=subprocess.DEVNULL)
    if on and done.returncode != 0:
        pytest.skip("files cannot be made immutable here")


@ROOT_ONLY
def test_catalogue_turns_read_only(daemon):
    """While running (the write-ahead log refuses writes) intake pauses and resumes by itself; at a start liuhend names the file."""
    wal, database = daemon.archive / "catalogue.db-wal", daemon.archive / "catalogue.db"
    immutable(wal, True)
    try:
        daemon.drop("a.bin", b"a")
        intake_is(daemon, "paused")
        assert daemon.cli("status")["troubles"]
        assert daemon.ls() == []
    finally:
        immutable(wal, False)
    daemon.wait_sealed(1)
    intake_is(daemon, "running")
    daemon.wait_idle()
    daemon.stop()
    immutable(database, True)
    try:
        daemon.start(ready=False)
        assert daemon.wait_end() == 1
        daemon.wait_log("catalogue.db: cannot be written")
    finally:
        immutable(database, False)
    daemon.start()
    assert len(daemon.ls()) == 1
    daemon.assert_clean()


def test_catalogue_locked_by_somebody_else(daemon):
    with locked(daemon.archive):
        daemon.drop("a.bin", b"a")
        daemon.wait_log("does not take writes")
        assert daemon.cli("status")["troubles"]
        assert daemon.ls() == []
    daemon.wait_sealed(1)
    daemon.wait_idle()
    daemon.assert_clean()


def test_same_bytes_while_the_first_wait_for_their_commit(daemon):
    with locked(daemon.archive):
        daemon.drop("first.bin", b"the same")
        daemon.wait(lambda: not list(daemon.folder.iterdir()), "moved in")  # before intake pauses
        daemon.drop("second.bin", b"the same")
        daemon.drop("else.bin", b"something else")
        time.sleep(1)
    daemon.wait_sealed(2)
    daemon.wait(lambda: not list(daemon.folder.iterdir()), "all taken")
    daemon.wait_idle()
    assert sorted(r["digest"] for r in daemon.ls()) == sorted((sha256(b"the same"), sha256(b"something else")))
    assert "left where it is" not in daemon.log()
    daemon.assert_clean()


def test_catalogue_read_only_or_damaged_is_said_at_start(daemon):
    daemon.drop("a.bin", b"a")
    daemon.wait_sealed(1)
    daemon.wait_idle()
    daemon.stop()
    database = daemon.archive / "catalogue.db"
    good = database.read_bytes()
    database.write_bytes(b"this is no database" * 1000)
    for extra in ("-wal", "-shm"):
        database.with_name(database.name + extra).unlink(missing_ok=True)
    daemon.start(ready=False)
    assert daemon.wait_end() == 1
    daemon.wait_log("catalogue")
    daemon.wait_log("rebuild")
    database.unlink()
    database.write_bytes(good[:len(good) // 2])
    daemon.start(ready=False)
    assert daemon.wait_end() == 1
    database.unlink()
    database.write_bytes(good)
    daemon.start()
    assert len(daemon.ls()) == 1
    daemon.assert_clean()


def test_old_copy_of_the_catalogue_is_refused(daemon):
    daemon.drop("a.bin", b"a")
    daemon.wait_sealed(1)
    daemon.wait_idle()
    daemon.stop()
    database = daemon.archive / "catalogue.db"
    old = database.read_bytes()
    daemon.start()
    daemon.drop("b.bin", b"b")
    daemon.wait_sealed(2)
    daemon.wait_idle()
    daemon.stop()
    database.write_bytes(old)
    daemon.start(ready=False)
    assert daemon.wait_end() == 1
    daemon.wait_log("an old copy of the catalogue")


def test_clock_set_back_a_year(daemon):
    daemon.drop("a.bin", b"a")
    daemon.wait_sealed(1)
    daemon.wait_idle()
    daemon.stop()
    daemon.start(env={"LIUHEN_CLOCK_OFFSET_SEC": str(-365 * 86400)})
    daemon.drop("b.bin", b"b")
    daemon.wait_sealed(2)
    daemon.wait_idle()
    daemon.wait_log("the clock is doubtful")
    rows = {r["name"]: r for r in daemon.ls()}
    assert rows["b.bin"]["until"] >= rows["a.bin"]["received"], "nobody is kept shorter by a wrong clock"
    daemon.assert_clean()


@pytest.mark.parametrize("year", [1970, 2099])
def test_recorded_date_far_off_is_doubtful(daemon, media, year):
    daemon.drop(f"clip{year}.mp4", media("video", creation_time=f"{year}-01-02T03:04:05Z"))
    daemon.wait_sealed(1)
    daemon.wait_idle()
    row = daemon.ls()[0]
    assert row["sort"] == row["received"], "sorted by receipt"
    assert row.get("certainty") in (None, "doubtful")
    assert row["until"] > row["received"]
    assert row["until"] < row["received"] + 200 * 86400 * 10**6


def test_two_files_at_once_with_one_name(daemon):
    for i in range(10):
        daemon.drop(f"dir{i}/IMG_0001.jpg", b"picture %d" % i)
    rows = daemon.wait_sealed(10)
    assert {r["digest"] for r in rows} == {sha256(b"picture %d" % i) for i in range(10)}
    assert {r["name"] for r in rows} == {"IMG_0001.jpg"}
    daemon.wait_idle()
    daemon.assert_clean()


def test_broken_and_fuzzed_media(daemon, media):
    seeds = [pathlib.Path(media(kind)).read_bytes() for kind in ("video", "photo", "audio", "pdf")]
    dice, want = random.Random(1), set()
    for i in range(24):
        data = bytearray(seeds[i % 4])
        for _ in range(dice.randrange(1, 60)):
            data[dice.randrange(len(data))] = dice.randrange(256)
        data = bytes(data[:dice.randrange(1, len(data))] if i % 3 == 0 else data)
        want.add(sha256(data))
        daemon.drop(f"fuzz{i}.{['mp4', 'jpg', 'wav', 'pdf'][i % 4]}", data)
    daemon.wait_sealed(len(want))
    daemon.wait_idle(timeout=TIMEOUT)
    rows = daemon.ls("--all")
    assert {r["digest"] for r in rows} == want
    assert all(r["status"] in ("ok", "damaged", "unknown") for r in rows)
    assert any(r["status"] == "damaged" for r in rows)
    daemon.assert_clean()


def test_real_samples(daemon, samples):
    want = {}
    for path in (p for p in samples.rglob("*") if p.is_file() and p.parent != samples):
        data = path.read_bytes()
        if data:
            want[sha256(data)] = path
        daemon.drop(str(path.relative_to(samples)), data)
    daemon.wait(lambda: daemon.cli("status")["counts"]["recordings"] >= len(want), "all sealed", 120)
    daemon.wait_idle(timeout=300)
    rows = {r["digest"]: r for r in daemon.ls("--all")}
    assert set(rows) == set(want)
    damaged = {want[d].relative_to(samples).as_posix() for d, r in rows.items() if r["status"] == "damaged"}
    for name in ("broken/truncated_nomoov_60pct.mp4", "broken/jpeg_truncated_40pct.jpg", "broken/faststart_cut_50pct.mp4"):
        assert name in damaged
    assert not [d for d in damaged if d.startswith(("avi/compact", "phone/android_gps", "hevc/tiny"))]
    daemon.assert_clean()


def test_second_source_stays_when_the_stored_copy_has_rotted(daemon):
    data = os.urandom(300_000)
    daemon.drop("first.bin", data)
    daemon.wait_sealed(1)
    daemon.wait_idle()
    stored = next(p for p in daemon.archive.rglob("v1/content/first.bin"))
    os.chmod(stored, 0o600)
    with open(stored, "r+b") as f:
        f.seek(1000)
        f.write(bytes([data[1000] ^ 1]))
    os.chmod(stored, 0o400)
    target = daemon.drop("second.bin", data)
    daemon.wait_log("second.bin left where it is")
    assert target.read_bytes() == data, "the last good copy"
    assert len(daemon.cli("show", daemon.ls()[0]["id"])["arrivals"]) == 1


def test_quarantine_without_its_act_gets_one_at_the_next_start(daemon):
    daemon.stop()
    (daemon.archive / "quarantine/01KB0000000000000000000000-odd.bin").write_bytes(b"moved, then killed")
    (daemon.archive / "quarantine/01KB0000000000000000000000-odd.bin.reason.json").write_text(
        '{"door":"drop:drop","path":"odd.bin","reason":"for the test"}')
    daemon.start()
    assert daemon.cli("status")["counts"]["quarantined"] == 1
    daemon.restart()
    assert daemon.cli("status")["counts"]["quarantined"] == 1, "only once"
    daemon.assert_clean()
