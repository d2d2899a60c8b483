# SPDX-License-Identifier: GPL-3.0-or-later
"""liuhen rebuild: a catalogue lost, or lost with its engine, comes back from store and ledger alone and is equal."""
import hashlib
import os
import shutil
import subprocess

import pytest

from archive_view import assert_fsck_clean, assert_sealed, catalogue, lost
from conftest import succeeded

CASE = "本溪卫医罚〔2026〕12号"


def rebuild(daemon):
    succeeded(daemon.run("rebuild", "--archive", daemon.archive, "--to", daemon.archive / "catalogue.db"))


def live_a_little(daemon, media):
    """Media of every kind, the same bytes twice, an empty file, a case with its whole life, links, holds added and lifted."""
    for kind in ("video", "audio", "photo", "pdf"):
        path = media(kind)
        daemon.drop(path.name, path)
    daemon.drop("sub/again.mp4", media("video"))
    daemon.drop(b"bytes-\xff\n.bin", os.urandom(1000))
    daemon.drop("cut.mp4", media("video").read_bytes()[:3000])
    daemon.wait_idle()
    ids = sorted(row["id"] for row in daemon.ls())
    daemon.cli("case", "add", CASE, "--procedure", "general", "--title", "第一案", json=False)
    daemon.cli("link", *ids[:4], CASE, json=False)
    daemon.cli("unlink", ids[3], CASE, json=False)
    daemon.cli("hold", "add", ids[1], "--ground", "complaint", "--matter", "投诉 7", json=False)
    daemon.cli("hold", "add", "--case", CASE, "--ground", "audit", json=False)
    daemon.cli("case", "end", CASE, json=False)
    daemon.wait_idle()


def picture(daemon):
    """What people see: every recording, in full, every case and hold."""
    rows = daemon.ls()
    return {"ls": rows, "show": [daemon.cli("show", row["id"]) for row in rows], "cases": daemon.cli("case", "ls"),
            "holds": daemon.cli("hold", "ls", "--all")}


def without_now(picture_):
    """Without what tells only when it was asked."""
    if isinstance(picture_, dict):
        return {k: without_now(v) for k, v in picture_.items() if k != "now"}
    return [without_now(v) for v in picture_] if isinstance(picture_, list) else picture_


def forget_catalogue(daemon):
    for path in daemon.archive.glob("catalogue.db*"):
        path.unlink()


def test_a_lost_catalogue_comes_back_equal(daemon, media):
    live_a_little(daemon, media)
    before = picture(daemon)
    daemon.stop()
    with catalogue(daemon.archive) as db:
        rows = list(db.iterdump())
    forget_catalogue(daemon)
    rebuild(daemon)
    assert_fsck_clean(daemon)
    with catalogue(daemon.archive) as db:
        again = list(db.iterdump())
    changing = ("pending_leaves", "sqlite_")
    assert [r for r in again if not any(c in r for c in changing)] == [r for r in rows if not any(c in r for c in changing)]
    daemon.start()
    daemon.wait_idle()
    assert without_now(picture(daemon)) == without_now(before)
    daemon.drop("after.bin", b"life goes on")
    daemon.wait_sealed(len(before["ls"]) + 1)
    daemon.wait_idle()
    daemon.stop()
    assert_fsck_clean(daemon)


def test_a_daemon_without_its_catalogue_does_not_start(daemon):
    daemon.drop("a.bin", b"bytes")
    daemon.wait_sealed(1)
    daemon.stop()
    forget_catalogue(daemon)
    daemon.start(ready=False)
    assert daemon.wait_end() == 1
    daemon.wait_log("liuhen rebuild")
    rebuild(daemon)
    daemon.start()
    assert len(daemon.ls()) == 1


def test_an_old_copy_of_the_catalogue_is_refused(daemon):
    daemon.drop("a.bin", b"bytes")
    daemon.wait_sealed(1)
    daemon.wait_idle()
    daemon.stop()
    old = daemon.work / "old.db"
    with catalogue(daemon.archive) as db:
        db.execute("VACUUM INTO ?", (str(old),))
    daemon.start()
    daemon.drop("b.bin", b"other bytes")
    daemon.wait_sealed(2)
    daemon.wait_idle()
    daemon.stop()
    forget_catalogue(daemon)
    shutil.copy(old, daemon.archive / "catalogue.db")
    daemon.start(ready=False)
    assert daemon.wait_end() == 1
    daemon.wait_log("an old copy of the catalogue")
    forget_catalogue(daemon)
    rebuild(daemon)
    daemon.start()
    assert len(daemon.ls()) == 2


def test_rebuild_writes_over_nothing(daemon):
    daemon.drop("a.bin", b"bytes")
    daemon.wait_sealed(1)
    refused = daemon.run("rebuild", "--archive", daemon.archive, "--to", daemon.archive / "catalogue.db")
    assert refused.returncode != 0 and "in use" in refused.stderr, refused.stderr
    daemon.stop()
    refused = daemon.run("rebuild", "--archive", daemon.archive, "--to", daemon.archive / "catalogue.db")
    assert refused.returncode != 0 and "move it aside" in refused.stderr, refused.stderr
    assert_fsck_clean(daemon)


def test_postgres_rebuilt_into_sqlite_is_equal(make_daemon, media, postgres):
    daemon = make_daemon(config={"catalogue": {"dsn": postgres}})
    daemon.start()
    live_a_little(daemon, media)
    before = picture(daemon)
    daemon.stop()
    clean = daemon.fsck("--catalogue", postgres)
    assert clean.returncode == 0, f"{clean.stdout}{clean.stderr}"
    assert not (daemon.archive / "catalogue.db").exists()
    rebuild(daemon)
    assert_fsck_clean(daemon)
    daemon.write_config(catalogue={"dsn": ""})
    daemon.start()
    daemon.wait_idle()
    assert without_now(picture(daemon)) == without_now(before)


@pytest.mark.parametrize("stop", ["seal.stored", "seal.stored-synced", "seal.committed", "ledger.bundles", "ledger.tiles"])
@pytest.mark.parametrize("count", [1, 12])
def test_killed_before_publishing_and_the_catalogue_lost(daemon, stop, count):
    """The ledger never heard of these seals, the catalogue that did is gone: their intents bring them back."""
    daemon.drop("before.bin", b"sealed before")
    daemon.wait_idle()
    daemon.stop()
    dropped = {f"{i}.bin": os.urandom(3000) for i in range(count)}
    for name, data in dropped.items():
        daemon.drop(name, data)
    dropped = {name: hashlib.sha256(data).hexdigest() for name, data in dropped.items()}
    dropped["before.bin"] = hashlib.sha256(b"sealed before").hexdigest()
    daemon.start(ready=False, env={"LIUHEN_KILL_AT": stop})
    assert daemon.wait_end() == -9
    forget_catalogue(daemon)
    assert lost(daemon, dropped) == []
    rebuild(daemon)
    daemon.start()
    daemon.wait_idle()
    daemon.stop()
    assert_sealed(daemon, dropped)
