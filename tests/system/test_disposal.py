# SPDX-License-Identifier: GPL-3.0-or-later
"""Disposal: eligible, proposed, noticed, approved by two people, erased; what a hold keeps stays; a kill after each step is carried on."""
import os
import shutil
import subprocess
import time

import pytest

from archive_view import assert_fsck_clean, catalogue, files_below

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="other users are needed: run as root")

DAY = 86400
LATER, AFTER_NOTICE = 200 * DAY, 220 * DAY  # the shipped policy: six months, then fourteen days of notice
PEOPLE = [{"user": "root", "roles": ["records", "administrator"]}, {"user": "daemon", "roles": ["legal"]},
          {"user": "nobody", "roles": ["officer"]}]


def at(seconds):
    return {"LIUHEN_CLOCK_OFFSET_SEC": str(seconds)}


def by(daemon, user, *args):
    """liuhen as another person."""
    os.chmod(daemon.short, 0o755)
    program = daemon.short / "liuhen"
    if not program.exists():
        shutil.copy(daemon.build / "liuhen", program)
        program.chmod(0o755)
    return subprocess.run([str(program), "--socket", str(daemon.socket), *args], capture_output=True, text=True,
                          user=user, group="nogroup", extra_groups=[], cwd="/", check=False)


def refused(done, words):
    assert done.returncode != 0 and words in done.stderr, done


def originals(daemon):
    return [path for relative, path in files_below(daemon.archive / "objects")
            if "/v1/content/" in relative and path.name != "arrival.json"]


def wait_batch(daemon, batch, state):
    for _ in range(600):
        shown = daemon.cli("dispose", "show", batch)
        if shown["state"] == state:
            return shown
        time.sleep(0.1)
    raise AssertionError(f"{shown}\n{daemon.log()}")


def old_house(make_daemon, n=3):
    """Recordings whose six months are over; the first of them is held."""
    daemon = make_daemon({"socket": {"mode": "0666"}, "people": PEOPLE}).start()
    for i in range(n):
        daemon.drop(f"{i}.bin", f"bytes of {i}".encode())
    daemon.wait_idle()
    assert daemon.cli("dispose", "eligible")["recordings"] == []
    ids = sorted(row["id"] for row in daemon.ls("--all"))
    daemon.stop()
    daemon.start(env=at(LATER))
    return daemon, ids


def approved(daemon):
    """A batch of all that is eligible, noticed and approved by both, its notice over."""
    batch = daemon.cli("dispose", "propose", "--eligible", "--reason", "time is over")["id"]
    digest = daemon.cli("dispose", "notice", batch)["digest"]
    daemon.cli("dispose", "approve", batch, digest)
    assert by(daemon, "daemon", "dispose", "approve", batch, digest).returncode == 0
    daemon.stop()
    return batch


def test_the_way_of_a_batch(make_daemon):
    daemon, ids = old_house(make_daemon)
    daemon.cli("hold", "add", ids[0], "--ground", "complaint", json=False)
    eligible = [row["id"] for row in daemon.cli("dispose", "eligible")["recordings"]]
    assert eligible == ids[1:]
    refused(daemon.run("dispose", "propose", ids[0], "--reason", "x"), "not eligible")
    refused(by(daemon, "nobody", "dispose", "eligible"), "role")

    batch = daemon.cli("dispose", "propose", "--eligible", "--reason", "time is over")["id"]
    refused(daemon.run("dispose", "propose", ids[1], "--reason", "x"), "another batch")
    refused(daemon.run("dispose", "approve", batch, "0" * 64), "noticed")
    refused(daemon.run("dispose", "execute", batch), "noticed")
    digest = daemon.cli("dispose", "notice", batch)["digest"]
    refused(daemon.run("dispose", "approve", batch, "0" * 64), "digest")
    daemon.cli("dispose", "approve", batch, digest)
    refused(daemon.run("dispose", "approve", batch, digest), "approv")
    refused(daemon.run("dispose", "execute", batch), "legal")
    assert by(daemon, "daemon", "dispose", "approve", batch, digest).returncode == 0
    refused(daemon.run("dispose", "execute", batch), "notice is not over")
    daemon.cli("hold", "add", ids[1], "--ground", "petition", json=False)  # an objection while the notice stands
    daemon.stop()

    daemon.start(env=at(AFTER_NOTICE))
    assert len(originals(daemon)) == 3
    daemon.cli("dispose", "execute", batch)
    shown = wait_batch(daemon, batch, "ended")
    assert {row["recording"]: row["state"] for row in shown["recordings"]} == {ids[1]: "left-out", ids[2]: "erased"}
    assert len(originals(daemon)) == 2 and not list((daemon.archive / "cache/erasing").iterdir())
    with catalogue(daemon.archive) as db:
        assert db.execute("SELECT recording, approved_records, approved_legal FROM tombstones WHERE erased_leaf IS NOT NULL").fetchall() == [
            (ids[2], "user:daemon", "user:root")]
    daemon.drop("again.bin", b"bytes of 2")  # the same bytes once more are another recording
    daemon.wait_idle()
    assert len(originals(daemon)) == 3
    daemon.stop()
    assert_fsck_clean(daemon)


def test_one_person_alone_cannot(make_daemon):
    """Somebody with both roles approves once; a withdrawn approval counts no more."""
    daemon, _ = old_house(make_daemon, 1)
    daemon.write_config(socket={"mode": "0666"}, people=[{"user": "root", "roles": ["records", "legal"]},
                                                         {"user": "daemon", "roles": ["legal"]}])
    daemon.restart(env=at(LATER))
    batch = daemon.cli("dispose", "propose", "--eligible", "--reason", "time is over")["id"]
    digest = daemon.cli("dispose", "notice", batch)["digest"]
    daemon.cli("dispose", "approve", batch, digest)
    refused(daemon.run("dispose", "approve", batch, digest), "another person")
    assert by(daemon, "daemon", "dispose", "approve", batch, digest).returncode == 0
    assert by(daemon, "daemon", "dispose", "withdraw", batch, "--reason", "not sure").returncode == 0
    daemon.restart(env=at(AFTER_NOTICE))
    refused(daemon.run("dispose", "execute", batch), "legal")
    daemon.cli("dispose", "cancel", batch, "--reason", "not now")
    daemon.stop()
    assert len(originals(daemon)) == 1
    assert_fsck_clean(daemon)


@pytest.mark.parametrize("step", ["disposal.tombstone", "store.erase", "store.erase-moved", "store.erase-unlink", "disposal.bytes",
                                  "disposal.erased"])
def test_a_kill_is_carried_on(make_daemon, step):
    daemon, ids = old_house(make_daemon)
    batch = approved(daemon)
    daemon.start(env={**at(AFTER_NOTICE), "LIUHEN_KILL_AT": f"{step}:2"})
    daemon.run("dispose", "execute", batch)
    assert daemon.wait_end() == -9
    assert_fsck_clean(daemon)
    daemon.start(env=at(AFTER_NOTICE))
    shown = wait_batch(daemon, batch, "ended")
    assert [row["state"] for row in shown["recordings"]] == ["erased"] * len(ids)
    assert not originals(daemon)
    daemon.stop()
    assert_fsck_clean(daemon)


def test_what_cannot_be_unlinked_waits(make_daemon):
    """One recording's failure keeps no other; it is said, and done at the next start."""
    daemon, _ = old_house(make_daemon)
    batch = approved(daemon)
    daemon.start(env={**at(AFTER_NOTICE), "LIUHEN_FAIL_AT": "store.erase=EIO:2"})
    daemon.run("dispose", "execute", batch)
    for _ in range(600):
        if daemon.cli("status").get("disposal_trouble"):
            break
        time.sleep(0.1)
    assert "erased" in daemon.cli("status")["disposal_trouble"]
    daemon.restart(env=at(AFTER_NOTICE))
    wait_batch(daemon, batch, "ended")
    assert not originals(daemon)
    daemon.stop()
    assert_fsck_clean(daemon)
