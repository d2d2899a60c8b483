# SPDX-License-Identifier: GPL-3.0-or-later
"""Drop folders in trouble: what stays, what comes back, what goes wrong for one file, and that the watcher rests in between."""
import hashlib
import os
import pathlib
import subprocess
import time

import pytest

from archive_view import locked
from test_bad_input import daemon_on_small_disk, fill, intake_is
from test_drop import folder


def ticks(daemon):
    """Processor time of the daemon so far, in clock ticks."""
    fields = pathlib.Path(f"/proc/{daemon.pid}/stat").read_text(encoding="ascii").rsplit(")", 1)[1].split()
    return int(fields[11]) + int(fields[12])


def assert_rests(daemon):
    before = ticks(daemon)
    time.sleep(1.5)
    assert ticks(daemon) - before < 30, "the daemon is busy with nothing"


def test_sentinel_of_a_folder_that_keeps_its_files_comes_to_rest(make_daemon):
    daemon = make_daemon()
    daemon.write_config(**folder(daemon, complete="COMPLETE", after="keep"))
    daemon.start()
    for n in range(20):
        daemon.drop(f"case/{n}.bin", b"%d" % n)
    daemon.drop("case/COMPLETE", b"")
    daemon.wait_sealed(20)
    daemon.wait_idle()
    assert_rests(daemon)
    assert len(daemon.ls()) == 20


@pytest.mark.skipif(os.geteuid() != 0, reason="mounting takes root")
def test_disk_mounted_over_a_drop_folder_is_found(daemon):
    daemon.drop("before.bin", b"before")
    daemon.wait_sealed(1)
    for data in (b"first", b"second"):
        if subprocess.run(["mount", "-t", "tmpfs", "liuhen-test", str(daemon.folder)], check=False).returncode:
            pytest.skip("cannot mount here")
        try:
            daemon.drop("stick.bin", data)
            daemon.wait_sealed(2 if data == b"first" else 3)
            daemon.wait(lambda: not list(daemon.folder.iterdir()), "source removed")
        finally:
            subprocess.run(["umount", "-l", str(daemon.folder)], check=False)


def test_folder_whose_parent_was_away_is_swept_again(make_daemon, work):
    outer = work / "dock"
    (outer / "in").mkdir(parents=True)
    daemon = make_daemon()
    daemon.write_config(folders=[{"path": str(outer / "in"), "name": "dock"}])
    daemon.start()
    daemon.drop("a.bin", b"a", folder=outer / "in")
    daemon.wait_sealed(1)
    outer.rename(work / "away")
    daemon.drop("b.bin", b"b", folder=work / "away/in")
    time.sleep(1)
    (work / "away").rename(outer)
    daemon.wait_sealed(2)


def test_new_sentinel_of_an_old_name_is_not_taken_for_the_old_one(make_daemon):
    """The same name comes again before the first seal is over."""
    daemon = make_daemon()
    daemon.write_config(**folder(daemon, complete=".done"))
    daemon.start()
    with locked(daemon.archive):
        daemon.drop("clip.bin", b"one")
        daemon.drop("clip.bin.done")
        daemon.wait(lambda: not (daemon.folder / "clip.bin").exists(), "moved in")
        daemon.drop("clip.bin", b"two")
        daemon.drop("clip.bin.done")
        time.sleep(0.3)
    daemon.wait_sealed(2)
    daemon.wait(lambda: not list(daemon.folder.iterdir()), "sentinel gone too")


def test_sidecar_that_is_ignored_by_its_name_stays(make_daemon):
    daemon = make_daemon()
    daemon.write_config(**folder(daemon, ignore=["*.json"]))
    daemon.start()
    daemon.drop("clip.bin.json", b'{"officer": "Sun"}')
    daemon.drop("clip.bin", b"footage")
    daemon.wait_sealed(1)
    daemon.wait_idle()
    time.sleep(0.5)
    assert [p.name for p in daemon.folder.iterdir()] == ["clip.bin.json"]
    assert [r["name"] for r in daemon.ls()] == ["clip.bin"]


@pytest.mark.parametrize("offset", [-3600, 3600])
def test_growing_file_without_leases_is_taken_whole_whatever_the_clocks_say(make_daemon, offset):
    """The clock of a file server is never quite ours."""
    daemon = make_daemon(env={"LIUHEN_FAIL_AT": "take.lease=EACCES:1+", "LIUHEN_CLOCK_OFFSET_SEC": str(offset)}).start()
    data = b""
    with open(daemon.folder / "slow.bin", "wb", buffering=0) as f:
        for n in range(8):
            data += b"block %d" % n
            f.write(b"block %d" % n)
            time.sleep(0.7)
    assert daemon.wait_sealed(1)[0]["digest"] == hashlib.sha256(data).hexdigest()
    daemon.wait_idle()
    assert len(daemon.ls()) == 1


@pytest.mark.skipif(os.geteuid() != 0, reason="mounting takes root")
def test_pause_ends_though_many_files_cannot_be_taken(build, work):
    with daemon_on_small_disk(build, work, "size=24m") as (daemon, mount):
        (daemon.folder / "clip.part").write_bytes(b"footage")
        fill(mount / "ballast", 65536)
        for n in range(20):
            (daemon.folder / f"link{n}").symlink_to("elsewhere")
        time.sleep(1)
        (daemon.folder / "clip.part").rename(daemon.folder / "clip.bin")  # tried again after the links are tried
        intake_is(daemon, "paused")
        time.sleep(3)
        (mount / "ballast").unlink()
        daemon.wait_sealed(1)
        intake_is(daemon, "running")


@pytest.mark.parametrize("text", [b'{"officer": "Sun", "speed": 1.5}', b"{torn"])
def test_sidecar_is_taken_though_the_daemon_stopped_after_its_clip(make_daemon, text):
    """The clip's sentinel is the sidecar's too, also when the clip is gone by the time."""
    daemon = make_daemon()
    daemon.write_config(**folder(daemon, complete=".done", settle="200 ms"))
    daemon.start()
    with locked(daemon.archive):
        daemon.drop("a/clip.bin.json", text)
        daemon.drop("a/clip.bin", b"footage")
        daemon.drop("a/clip.bin.done")
        daemon.wait(lambda: not (daemon.folder / "a/clip.bin").exists(), "moved in")
        daemon.kill()
    daemon.drop("a/next.json", b"{}")  # its clip is still to come
    daemon.start()
    daemon.wait_sealed(2)
    daemon.wait(lambda: not (daemon.folder / "a/clip.bin.json").exists(), "sidecar gone too")
    time.sleep(4)
    assert sorted(r["name"] for r in daemon.ls()) == ["clip.bin", "clip.bin.json"]
    assert (daemon.folder / "a/next.json").exists()


def test_file_of_a_far_date_is_taken(daemon):
    """Nanoseconds since 1970 end in 2262; said by a build with the sanitizer."""
    daemon.drop("far.bin", b"footage", stamp=10413792000)  # 2300
    daemon.wait_sealed(1)
    daemon.wait(lambda: not list(daemon.folder.iterdir()), "moved in")
    daemon.drop("again.bin", b"footage", stamp=10413792000)
    daemon.wait(lambda: not list(daemon.folder.iterdir()), "source removed")


def test_source_that_cannot_be_read_pauses_nobody(make_daemon):
    """A bad sector under one file is that file's trouble: it is named, the others go on, and it is tried again."""
    daemon = make_daemon(env={"LIUHEN_FAIL_AT": "digest.read=EIO"})
    daemon.start()
    daemon.drop("bad.bin", b"on a bad sector, this once")
    daemon.wait_log("bad.bin left where it is: cannot be read: Input/output error")
    daemon.drop("good.bin", b"good")
    daemon.wait_sealed(2)
    assert "intake paused" not in daemon.log()
    daemon.wait_idle()
    daemon.assert_clean()
