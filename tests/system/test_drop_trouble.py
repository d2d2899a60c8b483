# SPDX-License-Identifier: GPL-3.0-or-later
"""Drop folders in trouble: what stays, what comes back, what goes wrong for one file, and that the watcher rests in between."""
import os
import pathlib
import subprocess
import time

import pytest


def folder(daemon, **settings):
    return {"folders": [{"path": str(daemon.folder), "name": "drop", **settings}]}


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
            daemon.wait_sealed(2 if data == b"first" else 3, timeout=20)
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
    daemon.wait_sealed(2, timeout=20)
