# SPDX-License-Identifier: GPL-3.0-or-later
"""Drop folders: what is taken, when, how it is moved or copied, and what becomes of the source."""
import hashlib
import json
import os
import pathlib
import socket
import stat
import subprocess
import time
import unicodedata
import urllib.parse

import pytest

from conftest import remove_tree


def sha256(data):
    return hashlib.sha256(data).hexdigest()


def contents(daemon):
    """digest → path of every original in the store."""
    found = {}
    for path in daemon.archive.glob("objects/*/*/**/v1/content/*"):
        if path.name != "arrival.json":
            found[hashlib.sha256(path.read_bytes()).hexdigest()] = path
    return found


def folder(daemon, **settings):
    return {"folders": [{"path": str(daemon.folder), "name": "drop", **settings}]}


def test_same_file_system_is_moved_without_a_copy(daemon):
    part = daemon.folder / "x.part"
    part.write_bytes(b"footage" * 1000)
    inode = part.stat().st_ino
    part.rename(daemon.folder / "clip.mp4")
    row = daemon.wait_sealed(1)[0]
    path = contents(daemon)[row["digest"]]
    assert path.stat().st_ino == inode
    assert stat.S_IMODE(path.stat().st_mode) == 0o400
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o500
    daemon.wait(lambda: not list(daemon.folder.iterdir()), "empty drop folder")


def test_other_file_system_is_copied(make_daemon):
    elsewhere = pathlib.Path("/dev/shm") / f"liuhen-drop-{os.getpid()}"
    if not elsewhere.parent.is_dir():
        pytest.skip("no /dev/shm to be another file system")
    elsewhere.mkdir()
    try:
        daemon = make_daemon(config={"folders": [{"path": str(elsewhere), "name": "far"}]}).start()
        data = os.urandom(3_000_000)
        daemon.drop("clip.bin", data, folder=elsewhere)
        assert daemon.wait_sealed(1)[0]["digest"] == sha256(data)
        daemon.wait(lambda: not list(elsewhere.iterdir()), "source removed")
        daemon.wait_idle()
        daemon.assert_clean()
    finally:
        remove_tree(elsewhere)


def test_hard_linked_file_is_copied_and_the_other_name_stays(daemon):
    other = daemon.work / "other-name"
    other.write_bytes(b"linked twice")
    os.link(other, daemon.folder / "clip.bin")
    row = daemon.wait_sealed(1)[0]
    assert contents(daemon)[row["digest"]].stat().st_ino != other.stat().st_ino
    daemon.wait(lambda: not (daemon.folder / "clip.bin").exists(), "source removed")
    assert other.read_bytes() == b"linked twice"
    other.write_bytes(b"changed later")
    daemon.wait_idle()
    daemon.assert_clean()


def test_open_file_waits_until_it_is_closed(daemon):
    with open(daemon.folder / "growing.bin", "wb") as f:
        for _ in range(8):
            f.write(os.urandom(10000))
            f.flush()
            time.sleep(0.1)
        assert daemon.ls() == []
        size = f.tell()
    assert daemon.wait_sealed(1)[0]["bytes"] == size


def test_keep_stays_and_is_not_taken_twice(make_daemon):
    daemon = make_daemon()
    daemon.write_config(**folder(daemon, after="keep"))
    daemon.start()
    target = daemon.drop("kept.bin", b"one")
    daemon.wait_sealed(1)
    daemon.wait_idle()
    daemon.restart()
    daemon.wait_idle()
    time.sleep(0.5)
    assert target.read_bytes() == b"one"
    shown = daemon.cli("show", daemon.ls()[0]["id"])
    assert len(shown["arrivals"]) == 1
    target.write_bytes(b"another content")
    daemon.wait_sealed(2)
    daemon.assert_clean()


def test_keep_takes_sidecars_too_and_comes_to_rest(make_daemon):
    daemon = make_daemon()
    daemon.write_config(**folder(daemon, after="keep", settle="0 s"))
    daemon.start()
    daemon.drop("clip.bin.json", b'{"officer": "Li Wei"}')
    daemon.drop("clip.bin", b"footage")
    daemon.wait_sealed(2)
    daemon.wait_idle()
    assert sorted(p.name for p in daemon.folder.iterdir()) == ["clip.bin", "clip.bin.json"]


def test_missing_staging_folder_pauses_and_says_so(daemon):
    """A folder of the archive that is gone must not look like a source that has gone."""
    staging = daemon.archive / "staging"
    staging.rename(daemon.archive / "staging-away")
    subprocess.run(["rm", "-r", str(daemon.archive / "staging-away")], check=True)
    target = daemon.drop("clip.bin", b"footage")
    daemon.wait(lambda: daemon.cli("status")["intake"]["state"] == "paused", "paused intake")
    assert target.read_bytes() == b"footage"
    assert "archive is gone" in " ".join(daemon.cli("status")["troubles"])
    daemon.restart()
    daemon.wait_sealed(1)
    daemon.assert_clean()


def test_move_goes_to_done_with_its_folders(make_daemon):
    daemon = make_daemon()
    daemon.write_config(**folder(daemon, after="move"))
    daemon.start()
    daemon.drop("a/b/clip.bin", b"one")
    done = daemon.folder / "done/a/b/clip.bin"
    daemon.wait(done.exists, "file in done/")
    assert done.read_bytes() == b"one"
    daemon.drop("a/b/clip.bin", b"two")
    daemon.wait(lambda: len(list(done.parent.iterdir())) == 2, "second file in done/ beside the first")
    assert sorted(p.read_bytes() for p in done.parent.iterdir()) == [b"one", b"two"]
    daemon.wait_idle()
    assert len(daemon.ls()) == 2
    daemon.assert_clean()


def test_receipts_lie_beside_the_source(make_daemon):
    daemon = make_daemon()
    daemon.write_config(**folder(daemon, after="keep", receipts=True))
    daemon.start()
    daemon.drop("clip.bin", b"for the officer")
    proof = daemon.folder / "clip.bin.tlog-proof"
    daemon.wait(proof.exists, "receipt")
    done = daemon.run("verify", proof, daemon.folder / "clip.bin", "--key", daemon.archive / "ledger/ledger.pub")
    assert done.returncode == 0, done.stdout + done.stderr
    (daemon.folder / "clip.bin").write_bytes(b"for the 0fficer")
    done = daemon.run("verify", proof, daemon.folder / "clip.bin", "--key", daemon.archive / "ledger/ledger.pub")
    assert done.returncode == 1


def test_sentinel_suffix(make_daemon):
    daemon = make_daemon()
    daemon.write_config(**folder(daemon, complete=".done"))
    daemon.start()
    daemon.drop("clip.bin", b"waits")
    time.sleep(1)
    assert daemon.ls() == []
    daemon.drop("clip.bin.done", b"")
    assert daemon.wait_sealed(1)[0]["name"] == "clip.bin"
    daemon.wait(lambda: not list(daemon.folder.iterdir()), "sentinel gone too")


def test_sentinel_name_speaks_for_its_folder(make_daemon):
    daemon = make_daemon()
    daemon.write_config(**folder(daemon, complete="COMPLETE"))
    daemon.start()
    daemon.drop("case1/a.bin", b"a")
    daemon.drop("case1/b.bin", b"b")
    time.sleep(1)
    assert daemon.ls() == []
    daemon.drop("case1/COMPLETE", b"")
    daemon.wait_sealed(2)


def test_ignored_patterns(daemon):
    for name in ("x.part", "y.tmp", ".hidden", "~lock"):
        (daemon.folder / name).write_bytes(b"not yet")
    daemon.drop("real.bin", b"real")
    daemon.wait_sealed(1)
    time.sleep(0.5)
    assert [r["name"] for r in daemon.ls()] == ["real.bin"]
    assert (daemon.folder / "x.part").exists()


def test_start_up_sweep_and_new_folders(make_daemon):
    daemon = make_daemon()
    (daemon.folder / "old/deep").mkdir(parents=True)
    (daemon.folder / "old/deep/before.bin").write_bytes(b"before")
    daemon.start()
    daemon.wait_sealed(1)
    fresh = daemon.work / "fresh/x/y"
    fresh.mkdir(parents=True)
    (fresh / "inside.bin").write_bytes(b"came with its folder")
    os.rename(daemon.work / "fresh", daemon.folder / "fresh")
    daemon.wait_sealed(2)
    (daemon.folder / "fresh/x/y/later.bin").write_bytes(b"later")
    daemon.wait_sealed(3)


def test_overflow_leads_to_a_rescan(make_daemon):
    limit = pathlib.Path("/proc/sys/fs/inotify/max_queued_events")
    if os.geteuid() != 0 or not os.access(limit, os.W_OK):
        pytest.skip("only root can make the event queue small")
    was = limit.read_text()
    daemon = make_daemon()
    try:
        limit.write_text("16")
        daemon.start()
        daemon.wait_log("is watched")  # ready says that it will be
        subprocess.run(["kill", "-STOP", str(daemon.pid)], check=True)
        for i in range(300):
            daemon.drop(f"f{i:03}.bin", b"%d" % i)
        subprocess.run(["kill", "-CONT", str(daemon.pid)], check=True)
        daemon.wait_log("too many changes at once")
        daemon.wait(lambda: daemon.cli("status")["counts"]["recordings"] >= 300, "all 300")
    finally:
        limit.write_text(was)
    daemon.wait_idle()
    daemon.assert_clean()


def test_links_pipes_and_devices_are_never_followed(daemon):
    secret = daemon.work / "secret"
    secret.write_bytes(b"outside of the folder")
    (daemon.work / "outside").mkdir()
    (daemon.work / "outside/file.bin").write_bytes(b"outside too")
    (daemon.folder / "link.bin").symlink_to(secret)
    (daemon.folder / "dirlink").symlink_to(daemon.work / "outside")
    os.mkfifo(daemon.folder / "pipe.bin")
    with socket.socket(socket.AF_UNIX) as s:
        s.bind(os.path.relpath(daemon.folder / "sock.bin"))
    if os.geteuid() == 0:
        os.mknod(daemon.folder / "null.bin", 0o600 | stat.S_IFCHR, os.makedev(1, 3))
    daemon.drop("real.bin", b"real")
    daemon.wait_sealed(1)
    daemon.restart()
    daemon.wait_idle()
    assert len(daemon.ls()) == 1
    assert secret.exists() and (daemon.folder / "link.bin").is_symlink()
    daemon.wait_log("never followed")


NAMES = [b"plain.mp4", "执法记录仪 2026〔12〕.mp4".encode(), b"new\nline.mp4", b"tab\tand\x1b[31mescape.mp4", b"\xff\xfe\x80.mp4",
         b"..mp4", b"...", b"-rf.mp4", b" lead and trail ", b"%41%percent.mp4", b"quote\"'`$(id).mp4", b"back\\slash:*?<>|.mp4",
         unicodedata.normalize("NFC", "é.mp4").encode(), unicodedata.normalize("NFD", "é.mp4").encode(),
         b"n" * 251 + b".mp4", ("长" * 83 + ".mp4").encode(), b"arrival.json", b"CON", b"inventory.json"]


def test_names_of_any_bytes_survive(make_daemon):
    daemon = make_daemon()
    daemon.write_config(**folder(daemon, ignore=["*.part"], sidecar=""))
    daemon.start()
    for i, name in enumerate(NAMES):
        daemon.drop(name, b"content %d" % i)
    rows = daemon.wait_sealed(len(NAMES))
    by_digest = {r["digest"]: r for r in rows}
    for i, name in enumerate(NAMES):
        row = by_digest[sha256(b"content %d" % i)]
        assert urllib.parse.unquote_to_bytes(row["name"]) == name
        disk = contents(daemon)[row["digest"]].name
        assert disk.isprintable() and "/" not in disk and disk not in (".", "..", "arrival.json") and len(disk.encode()) <= 255
    assert all(ord(c) >= 32 for c in daemon.run("ls", "--all").stdout.replace("\n", ""))
    daemon.wait_idle()
    daemon.assert_clean()


def test_sidecar_is_read_and_kept(daemon, media):
    daemon.drop("clip.mp4.json", json.dumps({"officer": "Li Wei", "case": "本溪卫医罚〔2026〕12号"}).encode())
    daemon.drop("clip.mp4", media("video"))
    daemon.wait_sealed(2)
    daemon.wait_idle()
    clip = next(r for r in daemon.ls() if r["name"] == "clip.mp4")
    assert clip["officer"] == "Li Wei"
    shown = daemon.cli("show", clip["id"])
    assert shown["place"]["officer"]["source"] == "sidecar"
    assert shown["place"]["case_number"]["value"] == "本溪卫医罚〔2026〕12号"


def test_sidecar_that_came_first_waits_for_its_clip(daemon, media):
    daemon.drop("late.json", b'{"officer": "Zhao"}')
    daemon.drop("late.mp4.json", b'{"unit": "x"}')
    time.sleep(4)
    assert daemon.ls() == [], "longer than the settle time"
    daemon.drop("late.mp4", media("video"))
    rows = {r["name"]: r for r in daemon.wait_sealed(3)}
    daemon.wait_idle()
    assert {r["name"]: r.get("unit") for r in daemon.ls()}["late.mp4"] == "x"
    assert set(rows) == {"late.mp4", "late.mp4.json", "late.json"}


def test_sidecar_with_a_sentinel_is_sealed_with_its_clip(make_daemon, media):
    daemon = make_daemon()
    daemon.write_config(**folder(daemon, complete=".done"))
    daemon.start()
    daemon.drop("clip.MP4.json", b'{"officer": "Sun"}')
    daemon.drop("clip.MP4", media("video"))
    daemon.drop("clip.MP4.done", b"")
    daemon.wait_sealed(2)
    daemon.wait_idle()
    assert {r["name"]: r.get("officer") for r in daemon.ls()}["clip.MP4"] == "Sun"
    daemon.wait(lambda: not list(daemon.folder.iterdir()), "all gone")


def test_sidecar_with_fractions_and_a_broken_one(daemon, media):
    daemon.drop("a.mp4.json", b'{"officer": "Li", "speed": 12.25}')
    daemon.drop("b.wav.json", b'{"officer": ')
    daemon.drop("a.mp4", media("video"))
    daemon.drop("b.wav", media("audio"))
    daemon.wait_sealed(4)
    daemon.wait_idle()
    rows = {r["name"]: r for r in daemon.ls()}
    assert rows["a.mp4"]["officer"] == "Li"
    assert daemon.cli("show", rows["a.mp4"]["id"])["arrival"]["sidecar"]["speed"] == "12.25"
    shown = daemon.cli("show", rows["b.wav"]["id"])
    assert "not JSON" in shown["arrival"]["sidecar_fault"]
    assert any("b.wav.json" in note for note in shown["place"]["notes"])
    daemon.assert_clean()


def test_same_bytes_twice_are_one_recording_with_two_arrivals(daemon):
    daemon.drop("first.bin", b"same")
    daemon.wait_sealed(1)
    daemon.drop("sub/second.bin", b"same")
    daemon.wait(lambda: not (daemon.folder / "sub/second.bin").exists(), "second taken")
    rows = daemon.ls()
    assert len(rows) == 1
    shown = daemon.wait(lambda: (lambda s: s if len(s["arrivals"]) == 2 else None)(daemon.cli("show", rows[0]["id"])), "arrival")
    assert [a["path"] for a in shown["arrivals"]] == ["first.bin", "sub/second.bin"]
    daemon.assert_clean()


def test_many_small_files_at_once(daemon):
    want = set()
    for i in range(400):
        data = b"small %d" % (i % 390)  # ten of them twice
        want.add(sha256(data))
        daemon.drop(f"s/{i % 7}/{i}.bin", data)
    daemon.wait(lambda: daemon.cli("status")["counts"]["recordings"] >= 390, "390 recordings")
    daemon.wait_idle(timeout=300)  # 390 workers at the lowest priority, on a machine that may be busy
    assert {r["digest"] for r in daemon.ls("--all")} == want
    daemon.wait(lambda: not [p for p in daemon.folder.rglob("*") if p.is_file()], "all sources gone")
    daemon.assert_clean()
