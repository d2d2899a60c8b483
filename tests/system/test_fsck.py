# SPDX-License-Identifier: GPL-3.0-or-later
"""liuhen fsck: a clean archive has no fault; each of the eight invariants, broken by hand on a copy, is named."""
import hashlib
import json
import os
import shutil
import signal
import stat
import subprocess

import pytest

from archive_view import assert_fsck_clean, catalogue, copy_archive, faults_of, files_below
from conftest import Daemon

CASE = "本溪卫医罚〔2026〕12号"


@pytest.fixture(scope="module", name="whole")
def whole_archive(build, tmp_path_factory):
    """An archive with a little of everything: several files, one twice, a case with a link, a hold, more than 256 leaves."""
    daemon = Daemon(build, tmp_path_factory.mktemp("whole")).start()
    try:
        for i in range(8):
            daemon.drop(f"{i:03}.bin", os.urandom(200 + i))
        for i in range(3):
            daemon.drop(f"again-{i}.bin", b"the same bytes")
        daemon.wait_idle()
        ids = sorted(row["id"] for row in daemon.ls("--all"))
        daemon.cli("case", "add", CASE, "--procedure", "general", json=False)
        for _ in range(9):
            daemon.cli("link", *ids, CASE, json=False)
            daemon.cli("unlink", *ids, CASE, json=False)
        daemon.cli("link", ids[0], ids[1], CASE, json=False)
        daemon.cli("hold", "add", ids[2], "--ground", "complaint", json=False)
        daemon.wait_idle()
        daemon.stop()
        yield daemon.archive
    finally:
        daemon.close()


class Copy:
    """A copy of the archive that a test may break."""

    run, fsck = Daemon.run, Daemon.fsck

    def __init__(self, build, archive):
        self.archive = archive
        self.build, self.socket, self.work = build, archive / "no-socket", archive.parent

    def log(self):
        return ""

    def sql(self, text, *values):
        with catalogue(self.archive, write=True) as db:
            changed = db.execute(text, values).rowcount
        assert changed >= 1, f"nothing changed by {text}"

    def one(self, text, *values):
        with catalogue(self.archive) as db:
            return db.execute(text, values).fetchone()[0]

    def content(self, n=5):
        """The n-th original in the store."""
        return sorted(path for relative, path in files_below(self.archive / "objects")
                      if "/v1/content/" in relative and path.name != "arrival.json")[n]

    def assert_broken(self, invariant, *args, words=""):
        """fsck names this invariant (perhaps others too), says so in its exit code, and changes nothing."""
        done = self.fsck("--json", *args)
        faults = faults_of(done)
        assert done.returncode == 1, f"{done.returncode} {done.stdout}{done.stderr}"
        named = [f for f in faults if f["invariant"] == invariant]
        assert named, f"{invariant} is not named: {faults}"
        assert any(words in json.dumps(f, ensure_ascii=False) for f in named), named
        return faults


@pytest.fixture(name="broken")
def copy_to_break(build, whole, work):
    return Copy(build, copy_archive(whole, work / "archive"))


def writable(path):
    """Makes a protected file and its folder writable for a moment; returns a function that puts the modes back."""
    before = [(p, stat.S_IMODE(p.stat().st_mode)) for p in (path, path.parent)]
    for p, mode in before:
        p.chmod(mode | 0o700 if p.is_dir() else mode | 0o600)

    def back():
        for p, mode in before:
            if p.exists():
                p.chmod(mode)
    return back


def overwrite(path, change):
    """Changes a file's bytes, leaving size, modes and times as they were."""
    status, back = path.stat(), writable(path)
    data = bytearray(path.read_bytes())
    change(data)
    path.write_bytes(data)
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    back()


def flip(data):
    data[len(data) // 2] ^= 1


# ---- whole ----

def test_a_whole_archive_has_no_fault(broken):
    assert_fsck_clean(broken)


def test_fsck_changes_nothing(broken):
    def picture():
        return {relative: (path.stat().st_mode, path.stat().st_mtime_ns, path.stat().st_size)
                for relative, path in files_below(broken.archive) if not relative.startswith("catalogue.db-")}
    before = picture()
    assert_fsck_clean(broken)
    assert picture() == before


def test_a_killed_fsck_leaves_nothing_behind(broken, work):
    temporary = work / "temporary"
    temporary.mkdir()
    env = {**os.environ, "TMPDIR": str(temporary)}
    command = [broken.build / "liuhen", "fsck", "--archive", broken.archive]
    done = subprocess.run(command, env={**env, "LIUHEN_KILL_AT": "fsck.replayed"}, check=False)
    assert done.returncode == -signal.SIGKILL and list(temporary.iterdir()) == []
    done = subprocess.run(command, env=env, capture_output=True, check=False)
    assert done.returncode == 0 and list(temporary.iterdir()) == []


def test_fsck_of_a_busy_archive_has_no_fault(make_daemon):
    """Seals, examining and decisions go on while fsck looks: nothing of it is a fault."""
    daemon = make_daemon().start()
    for number in range(160):
        daemon.drop(f"{number}.bin", os.urandom(3000))
        if number % 10 == 9:
            assert_fsck_clean(daemon)
    daemon.wait_idle()
    assert_fsck_clean(daemon)


# ---- 1: what was acknowledged is durable ----

def test_an_empty_folder_is_no_fault_while_a_seal_in_hand_will_fill_it(make_daemon):
    daemon = make_daemon(env={"LIUHEN_KILL_AT": "seal.moved"})
    daemon.start()
    daemon.drop("a.bin", b"footage")
    daemon.wait_end()
    recording = next((daemon.archive / "staging").glob("*.move")).stem
    wanted = hashlib.sha256(f"urn:liuhen:{recording}".encode()).hexdigest()[:2]
    (daemon.archive / "objects" / wanted).mkdir()
    assert_fsck_clean(daemon)
    other = "00" if wanted != "00" else "01"
    (daemon.archive / "objects" / other).mkdir()
    done = daemon.run("fsck", "--archive", daemon.archive, "--json")
    assert done.returncode == 1 and f"objects/{other}" in done.stdout and f"objects/{wanted}" not in done.stdout


def test_1_an_object_removed(broken):
    version = broken.content().parents[2]
    for folder, _, _ in os.walk(version):
        os.chmod(folder, 0o700)
    version.parent.chmod(0o700)
    shutil.rmtree(version)
    broken.assert_broken(1, words="not in the store")


def test_1_a_content_removed(broken):
    path = broken.content()
    back = writable(path)
    path.unlink()
    back()
    broken.assert_broken(1)


def test_1_a_row_that_names_another_leaf(broken):
    rows = broken.one("SELECT MIN(id) FROM recordings")
    broken.sql("UPDATE recordings SET leaf = 0 WHERE id = ?", rows)
    broken.assert_broken(1, words="not the seal of these bytes")


# ---- 2: objects and rows name each other ----

def test_2_a_foreign_file_in_the_store(broken):
    (broken.archive / "objects" / "notes.txt").write_text("not ours")
    broken.assert_broken(2, words="notes.txt")


def test_2_a_foreign_file_in_an_object(broken):
    folder = broken.content().parent
    folder.chmod(0o700)
    (folder / "notes.txt").write_text("not ours")
    folder.chmod(0o500)
    broken.assert_broken(2, words="notes.txt")


def test_2_an_object_without_a_row(broken):
    id_ = broken.one("SELECT MIN(id) FROM recordings")
    for table, column in [("recordings", "id"), ("recording_facts", "recording"), ("arrivals", "recording"), ("links", "recording")]:
        broken.sql(f"DELETE FROM {table} WHERE {column} = ?", id_)
    broken.assert_broken(2, "--quick", words=id_)


def test_2_a_wrong_digest_in_a_row(broken):
    id_ = broken.one("SELECT MAX(id) FROM recordings")
    broken.sql("UPDATE recordings SET digest = ? WHERE id = ?", bytes(32), id_)
    broken.assert_broken(2, "--quick")


def test_2_an_inventory_changed(broken):
    path = broken.content().parents[1] / "inventory.json"
    overwrite(path, flip)
    broken.assert_broken(2)


# ---- 3: nobody can write an original ----

@pytest.mark.parametrize("mode", [0o600, 0o440, 0o444])
def test_3_an_original_with_other_rights(broken, mode):
    path = broken.content()
    path.chmod(mode)
    if mode & 0o222:
        broken.assert_broken(3)
    else:
        broken.assert_broken(3, words=path.name)


def test_3_a_folder_that_is_writable(broken):
    broken.content().parent.chmod(0o700)
    broken.assert_broken(3)


def test_3_a_byte_changed(broken):
    path = broken.content()
    overwrite(path, flip)
    assert_quick_sees_nothing(broken)
    broken.assert_broken(3, "--deep")


def assert_quick_sees_nothing(broken):
    """Only reading everything again finds a changed byte; without --deep nothing is claimed about it."""
    assert faults_of(broken.fsck("--json")) == []


def test_3_a_byte_added(broken):
    path = broken.content()
    overwrite(path, lambda data: data.extend(b"x"))
    broken.assert_broken(3)


def test_3_another_hard_link(broken):
    os.link(broken.content(), broken.archive.parent / "other-name")
    broken.assert_broken(3)


# ---- 4: erasure has one door ----

TOMBSTONE = ("INSERT INTO tombstones (recording, leaf, disposed_usec, noticed_usec, approved_records, approved_legal, policy) "
             "SELECT id, {leaf}, {when}, 1, 'user:li', 'user:wang', 'v' FROM recordings WHERE class IS {null} NULL AND until_usec IS "
             "NOT NULL ORDER BY id LIMIT 1")


def test_4_a_tombstone_without_an_act(broken):
    broken.sql(TOMBSTONE.format(leaf=3, when="until_usec + 1", null="NOT"))
    broken.assert_broken(4, words="no act")


def test_4_a_tombstone_too_early(broken):
    broken.sql(TOMBSTONE.format(leaf=3, when="until_usec - 1", null="NOT"))
    broken.assert_broken(4, words="before its time was over")


def test_4_disposed_of_without_a_tombstone(broken):
    broken.sql("UPDATE recordings SET disposed_leaf = 3 WHERE id = (SELECT MIN(id) FROM recordings)")
    broken.assert_broken(4, words="no tombstone")


# ---- 5: every act is one leaf, and the ledger is whole ----

def test_5_an_act_removed(broken):
    broken.sql("DELETE FROM acts WHERE idx = 7")
    broken.assert_broken(5)


def test_5_an_act_changed(broken):
    broken.sql("UPDATE acts SET actor = 'user:nobody' WHERE idx = 7")
    broken.assert_broken(5)


def test_5_the_last_acts_removed(broken):
    broken.sql("DELETE FROM acts WHERE idx >= (SELECT MAX(idx) - 2 FROM acts)")
    broken.assert_broken(5)


def ledger_files(broken, part):
    return sorted(path for relative, path in files_below(broken.archive / "ledger") if part in f"/{relative}")


@pytest.mark.parametrize("which", [0, -1])
def test_5_a_byte_of_an_entry_bundle_changed(broken, which):
    overwrite(ledger_files(broken, "/tile/entries/")[which], flip)
    broken.assert_broken(5)


@pytest.mark.parametrize("which", [0, -1])
def test_5_a_byte_of_a_tile_changed(broken, which):
    overwrite(ledger_files(broken, "/tile/0/")[which], flip)
    broken.assert_broken(5)


@pytest.mark.parametrize("part", ["/tile/0/", "/tile/entries/"])
def test_5_a_file_missing(broken, part):
    path = ledger_files(broken, part)[0]
    back = writable(path)
    path.unlink()
    back()
    broken.assert_broken(5)


def test_5_a_checkpoint_tampered_with(broken):
    def other_root(data):
        lines = data.split(b"\n")
        lines[2] = (b"A" if lines[2][:1] != b"A" else b"B") + lines[2][1:]
        data[:] = b"\n".join(lines)
    overwrite(broken.archive / "ledger/checkpoint", other_root)
    broken.assert_broken(5)


def test_5_a_checkpoint_set_back(broken):
    path = broken.archive / "ledger/checkpoint"
    size = int(path.read_bytes().split(b"\n")[1])

    def smaller(data):
        data[:] = data.replace(b"\n%d\n" % size, b"\n%d\n" % (size - 1))
    overwrite(path, smaller)
    broken.assert_broken(5)


def test_5_a_checkpoint_missing(broken):
    (broken.archive / "ledger/checkpoint").unlink()
    broken.assert_broken(5)


# ---- 6: the catalogue is what the ledger makes it ----

@pytest.mark.parametrize("edit", [
    "UPDATE cases SET state = 'filed', ended_usec = 1, filed_usec = 1",
    "UPDATE cases SET title = 'another'",
    "UPDATE links SET role = 'context' WHERE leaf = (SELECT MIN(leaf) FROM links)",
    "DELETE FROM links WHERE leaf = (SELECT MAX(leaf) FROM links)",
    "UPDATE recordings SET device = 'another camera' WHERE id = (SELECT MAX(id) FROM recordings)",
    "UPDATE recordings SET received_usec = received_usec + 1 WHERE id = (SELECT MAX(id) FROM recordings)",
    "UPDATE recordings SET class = 'minor' WHERE id = (SELECT MAX(id) FROM recordings)",
    "UPDATE recording_facts SET arrival = '{}' WHERE recording = (SELECT MAX(recording) FROM recording_facts)",
    "DELETE FROM arrivals WHERE leaf = (SELECT MAX(leaf) FROM arrivals)",
    "UPDATE holds SET lifted_usec = 5, lifted_by = 'user:li', lifted_leaf = 5",
    "DELETE FROM holds",
    "INSERT INTO quarantined VALUES ('01J00000000000000000000000', 1, 1, 'drop:x', 'y', 'z')",
])
def test_6_a_row_changed(broken, edit):
    broken.sql(edit)
    broken.assert_broken(6)


# ---- 7: nobody's keep-until was shortened ----

def test_7_a_keep_until_shortened(broken):
    id_ = broken.one("SELECT MIN(id) FROM recordings WHERE until_usec IS NOT NULL")
    broken.sql("UPDATE recordings SET until_usec = until_usec - 86400000000 WHERE id = ?", id_)
    broken.assert_broken(7, words=id_)


def test_7_a_permanent_one_given_an_end(broken):
    id_ = broken.one("SELECT recording FROM holds LIMIT 1")
    broken.sql("UPDATE recordings SET until_usec = 5, ending = 'date' WHERE id = ?", id_)
    broken.assert_broken(7, words=id_)


def test_7_the_policy_replaced(broken):
    text = broken.one("SELECT text FROM policies ORDER BY leaf DESC LIMIT 1")
    broken.sql("UPDATE policies SET text = ?", text + "\n# as if nothing had happened\n")
    broken.assert_broken(7, words="not the one with that version")


def test_7_a_policy_nobody_adopted(broken):
    broken.sql("INSERT INTO policies SELECT 'x', name, leaf + 1, text, adopted_usec, adopted_by FROM policies LIMIT 1")
    broken.assert_broken(7, words="no act in the ledger adopted it")


# ---- 8: what nobody decided is not erased ----

def test_8_an_undecided_recording_erased(broken):
    id_ = broken.one("SELECT MIN(id) FROM recordings")
    broken.sql("UPDATE recordings SET class = NULL, until_usec = NULL, ending = NULL WHERE id = ?", id_)
    broken.sql("INSERT INTO tombstones (recording, leaf, disposed_usec, noticed_usec, approved_records, approved_legal, policy) VALUES (?, 3, 9, 1, 'user:li', 'user:wang', 'v')", id_)
    broken.assert_broken(8, words=id_)


# ---- what is no archive ----

def test_a_folder_without_an_archive_is_refused(broken, work):
    (work / "empty").mkdir()
    broken.archive = work / "empty"
    done = broken.fsck("--json")
    assert done.returncode not in (0, 1) and "archive" in done.stderr


def test_an_archive_without_its_catalogue_is_refused_with_advice(broken):
    for path in broken.archive.glob("catalogue.db*"):
        path.unlink()
    done = broken.fsck("--json")
    assert done.returncode not in (0, 1) and "rebuild" in done.stderr, done.stderr
    assert not list(broken.archive.glob("catalogue.db*"))
