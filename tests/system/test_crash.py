# SPDX-License-Identifier: GPL-3.0-or-later
"""SIGKILL after every durable step of the seal, of the store, of the ledger and of recovery itself; and every one of these steps
made to fail once. Nothing may be lost at any moment, nothing may be there twice afterwards, fsck must find nothing."""
import hashlib
import os
import random
import threading
import time

import pytest

from archive_view import assert_fsck_clean, assert_sealed, catalogue, copy_archive, files_below, lost, originals, sha256
from conftest import Daemon

LARGE = random.Random(1).randbytes(20 << 20)


def make_small(count=40, seed=2):
    """name → bytes: small files in two folders, every eighth with the bytes of an earlier one."""
    source, files = random.Random(seed), {}
    for i in range(count):
        data = source.randbytes(source.randrange(1, 60000))
        if i % 8 == 7:
            data = files[f"{'' if (i - 3) % 3 else 'sub/'}{i - 3:02}.bin"]
        files[f"{'' if i % 3 else 'sub/'}{i:02}.bin"] = data
    return files


LOADS = {"single": {"clip.mp4": LARGE}, "group": make_small()}


@pytest.fixture(scope="session", name="fresh")
def fresh_archive(build, tmp_path_factory):
    """An archive after its first start, so that no first act is counted by the injected stops."""
    made = Daemon(build, tmp_path_factory.mktemp("fresh")).start()
    made.stop()
    made.close()
    return made.archive


@pytest.fixture(name="ready")
def ready_daemon(make_daemon, fresh):
    """A maker of daemons, not started, on a copy of the fresh archive."""
    def make(after="remove", **folder):
        daemon = make_daemon()
        daemon.write_config(folders=[{"path": str(daemon.folder), "name": "drop", "after": after, "settle": "1 s", **folder}])
        copy_archive(fresh, daemon.archive)
        return daemon
    return make


def drop_all(daemon, files):
    """Drops them; returns name → digest."""
    for name, data in files.items():
        daemon.drop(name, data)
    return {name: hashlib.sha256(data).hexdigest() for name, data in files.items()}


def sources_wanted(after, dropped):
    """What shall lie in the drop folder in the end: name → digest."""
    if after == "remove":
        return {}
    return dropped if after == "keep" else {f"done/{name}": digest for name, digest in dropped.items()}


def assert_sources(daemon, after, dropped):
    """The sources are gone, moved or kept as the folder says, and nothing else lies there."""
    assert {name: sha256(path) for name, path in files_below(daemon.folder)} == sources_wanted(after, dropped), daemon.log()


def wait_all_sealed(daemon, after, dropped):
    """Waits until all are sealed and their sources dealt with; examining may go on."""
    names = sorted(sources_wanted(after, dropped))

    def done():
        with catalogue(daemon.archive) as db:
            arrivals = db.execute("SELECT count(*) FROM arrivals").fetchone()[0]
        return (arrivals >= len(dropped) and sorted(name for name, _ in files_below(daemon.folder)) == names
                and not os.listdir(daemon.archive / "staging"))
    daemon.wait(done, "end of all seals")


def seal_begun(daemon):
    """Whether a stop was within a seal: something of one lies in staging, or an arrival is in the catalogue."""
    with catalogue(daemon.archive) as db:
        return bool(os.listdir(daemon.archive / "staging")) or db.execute("SELECT count(*) FROM arrivals").fetchone()[0] > 0


def die(daemon, stop):
    """Runs the daemon until the injected stop kills it."""
    daemon.start(ready=False, env={"LIUHEN_KILL_AT": stop})
    assert daemon.wait_end() == -9, daemon.log()


def finish(daemon, after, dropped):
    """Starts it again whole, and everything is as if nothing had happened."""
    daemon.start()
    wait_all_sealed(daemon, after, dropped)
    assert daemon.stop() == 0
    assert_sources(daemon, after, dropped)
    assert_sealed(daemon, dropped)


SEAL = ["taken", "staged", "intent", "synced", "stored", "stored-synced", "committed", "published", "source", "done"]
INSIDE = ["store.stage", "store.finish", "store.intent", "store.sync", "store.rename", "store.tuples", "store.harden",
          "store.commit-sync", "store.intent-remove", "ledger.bundles", "ledger.tiles", "ledger.checkpoint", "ledger.cleaned",
          "seal.taken>db.commit", "seal.taken>durable.rename", "fd.rename", "seal.taken>fd.sync"] # ">": not one of the start

CASES = [(f"seal.{step}", "single", after) for step in SEAL for after in ("remove", "keep")]
CASES += [(f"seal.{step}", "group", after) for step in SEAL for after in ("remove", "move")]
CASES += [(f"seal.{step}:{n}", "group", "keep") for step, n in [("taken", 17), ("staged", 30), ("stored", 20), ("source", 25)]]
CASES += [(f"seal.{step}:{n}", "group", "remove") for step, n in [("moved", 1), ("moved", 18), ("stored", 21), ("source", 33)]]
CASES += [("seal.moved", "single", "remove"), ("store.adopt", "single", "remove"), ("store.own", "single", "remove"),
          ("source.finish", "single", "move"), ("source.finish:9", "group", "move")]
CASES += [(point, load, after) for i, point in enumerate(INSIDE) for load, after in
          [("single", "remove" if i % 2 else "move"), ("group", "move" if i % 2 else "remove")]]


@pytest.mark.parametrize("stop,load,after", CASES)
def test_killed_after_a_step(ready, stop, load, after):
    daemon = ready(after)
    dropped = drop_all(daemon, LOADS[load])
    die(daemon, stop)
    assert seal_begun(daemon) or stop == "store.stage", f"{stop} was passed outside of the seal\n{daemon.log()}"
    assert lost(daemon, dropped) == []
    assert_fsck_clean(daemon) # what recovery will finish is no fault
    finish(daemon, after, dropped)


RECOVERY = [("seal.synced", "store.rename"), ("seal.synced", "store.harden"), ("seal.stored", "store.harden"),
            ("seal.moved", "store.tuples"), ("seal.stored-synced", "store.harden>db.commit"), ("seal.stored-synced", "seal.committed"),
            ("seal.stored-synced", "ledger.bundles"), ("seal.stored-synced", "ledger.checkpoint"),
            ("seal.committed", "ledger.tiles"), ("seal.committed", "seal.published"), ("seal.published", "store.intent-remove"),
            ("seal.published", "source.finish"), ("seal.source", "fd.rename"), ("seal.staged", "store.abort"),
            ("seal.intent", "store.abort")]


@pytest.mark.parametrize("first,second", RECOVERY)
def test_killed_again_while_recovering(ready, first, second):
    after = "move" if second in ("source.finish", "fd.rename", "store.rename") else "remove"
    load = "single" if second == "store.abort" or first == "seal.moved" else "group"
    daemon = ready(after)
    dropped = drop_all(daemon, LOADS[load])
    die(daemon, first)
    die(daemon, second)
    assert lost(daemon, dropped) == []
    finish(daemon, after, dropped)


@pytest.mark.parametrize("stop", ["seal.moved", "store.own", "store.rename", "store.harden", "seal.stored-synced"])
def test_moved_in_and_then_another_file_takes_the_name(ready, stop):
    """After the move only we have the bytes: they are carried on with, and the newcomer is taken for itself."""
    daemon = ready("remove")
    dropped = drop_all(daemon, {"clip.mp4": LARGE})
    die(daemon, stop)
    newcomer = drop_all(daemon, {"clip.mp4": b"another clip"})
    assert lost(daemon, dropped) == []
    daemon.start()
    wait_all_sealed(daemon, "remove", {"first": None, "second": None})
    assert daemon.stop() == 0
    stored = originals(daemon.archive / "objects")
    assert dict(stored) == {dropped["clip.mp4"]: 1, newcomer["clip.mp4"]: 1}
    assert list((daemon.archive / "quarantine").iterdir()) == []
    assert_fsck_clean(daemon)


@pytest.mark.parametrize("stop", ["seal.committed", "ledger.checkpoint", "seal.published", "db.commit:2", "durable.rename:2"])
def test_killed_at_the_very_first_start(make_daemon, stop):
    daemon = make_daemon()
    dropped = drop_all(daemon, {"a.bin": b"first"})
    die(daemon, stop)
    finish(daemon, "remove", dropped)


@pytest.mark.parametrize("after", ["remove", "move"])
def test_killed_at_random_while_files_come(ready, after):
    """A quarter of a minute of kills at random moments, files coming all the time."""
    daemon, dropped, chance, stop = ready(after), {}, random.Random(), threading.Event()

    def deliver():
        number, data = 0, b""
        while not stop.is_set():
            if number % 10 != 9:
                data = chance.randbytes(chance.choice([100, 5000, 200000, 3000000]))
            name = f"{number % 4}/{number:04}.bin"
            dropped[name] = hashlib.sha256(data).hexdigest()
            daemon.drop(name, data)
            number += 1
            time.sleep(chance.uniform(0, 0.06))

    thread = threading.Thread(target=deliver)
    thread.start()
    try:
        end = time.monotonic() + 13
        while time.monotonic() < end:
            daemon.start(ready=False)
            time.sleep(chance.uniform(0.02, 1.2))
            daemon.kill()
    finally:
        stop.set()
        thread.join()
    assert lost(daemon, dropped) == []
    finish(daemon, after, dropped)


# ---- every step fails once ----

def troubles(status):
    """What `status` says is wrong with taking in: the pause and its reason, or the catalogue's trouble."""
    found = [status["catalogue_trouble"]] if status.get("catalogue_trouble") else []
    if status["intake"]["state"] == "paused":
        found.append(status["intake"]["reason"])
    return found


class Watcher(threading.Thread):
    """Asks for status all the time and keeps what trouble it saw."""

    def __init__(self, daemon):
        super().__init__(daemon=True)
        self.target_daemon, self.seen, self.ended = daemon, [], threading.Event()

    def run(self):
        while not self.ended.is_set():
            self.seen += troubles(self.target_daemon.cli("status"))
            time.sleep(0.01)

    def end(self):
        self.ended.set()
        self.join()
        return self.seen


# Points that pause intake (or the catalogue's writer) when they fail once while a large file or a group is sealed.
PAUSING = ["seal.taken", "seal.staged", "store.stage", "store.finish", "seal.intent", "store.intent", "seal.synced", "store.sync",
           "store.rename", "store.tuples", "store.commit-sync", "seal.stored-synced"]
WRITING = ["db.begin", "db.commit", "ledger.bundles", "ledger.tiles", "ledger.checkpoint"]
FAILING = [(point, code, load, "move" if i % 2 else "remove") for i, point in enumerate(PAUSING + WRITING) for code, load in
           [("ENOSPC", "single"), ("EIO", "group")][:1 + i % 2]]
FAILING += [("store.adopt", "EIO", "single", "remove"), ("seal.moved", "ENOSPC", "single", "remove"),
            ("store.own", "EIO", "single", "remove"),
            ("fd.syncfs", "EIO", "group", "move"), ("seal.taken:20", "EIO", "group", "remove")]


@pytest.mark.parametrize("point,code,load,after", FAILING)
def test_a_step_that_fails_once_pauses_and_resumes(ready, point, code, load, after):
    daemon = ready(after)
    name, _, nth = point.partition(":")
    since = "seal.taken>" if name in WRITING else "" # not a round of the start
    daemon.start(env={"LIUHEN_FAIL_AT": f"{since}{name}={code}:{nth or 1}"})
    watcher = Watcher(daemon)
    watcher.start()
    dropped = drop_all(daemon, LOADS[load])
    wait_all_sealed(daemon, after, dropped)
    daemon.wait(lambda: not troubles(daemon.cli("status")), "end of the troubles")
    seen, words = watcher.end(), "No space left" if code == "ENOSPC" else "Input/output error"
    if name in WRITING:
        daemon.wait_log("the catalogue does not take writes")
        daemon.wait_log(words)
    else:
        if load == "single": # in a group the next file that goes well ends the pause, perhaps before anybody asks
            assert any(words in text for text in seen), f"status never said so: {seen}\n{daemon.log()}"
        daemon.wait_log("intake paused")
        daemon.wait_log(words)
        daemon.wait_log("intake resumed")
    assert daemon.stop() == 0
    assert_sources(daemon, after, dropped)
    assert_sealed(daemon, dropped)


@pytest.mark.parametrize("point", ["store.harden", "source.finish", "store.intent-remove", "ledger.cleaned", "seal.published", "seal.source"])
def test_a_step_after_the_rename_that_fails_once_is_tried_again(ready, point):
    daemon = ready("move")
    daemon.start(env={"LIUHEN_FAIL_AT": f"{point}=EIO"})
    dropped = drop_all(daemon, LOADS["group"])
    wait_all_sealed(daemon, "move", dropped)
    assert daemon.stop() == 0
    assert_sources(daemon, "move", dropped)
    assert_sealed(daemon, dropped)


@pytest.mark.parametrize("point", ["fd.write", "fd.sync", "fd.rename", "fd.open", "db.step", "durable.rename"])
@pytest.mark.parametrize("nth", [2, 11, 26])
def test_any_call_that_fails_once_loses_nothing(ready, point, nth):
    """Calls that everything uses; the nth may be one of the start, which then ends with a plain message."""
    daemon = ready("remove")
    dropped = drop_all(daemon, LOADS["group"])
    daemon.start(ready=False, env={"LIUHEN_FAIL_AT": f"{point}=EIO:{nth}"})
    try:
        daemon.wait_notified("READY", "1")
    except AssertionError:
        assert "cannot go on" in daemon.log() and "Input/output error" in daemon.log(), daemon.log()
        daemon.start()
    wait_all_sealed(daemon, "remove", dropped)
    assert lost(daemon, dropped) == []
    daemon.stop()
    finish(daemon, "remove", dropped)
