# SPDX-License-Identifier: GPL-3.0-or-later
"""Looking at an archive from outside, for tests of crashes, fsck and rebuild: what lies in the store, in the folders and in the
catalogue, by our own reading of the files and never by asking the daemon."""
import collections
import contextlib
import hashlib
import json
import os
import pathlib
import shutil
import sqlite3


def sha256(path):
    """Hex digest of a file, None when it went away meanwhile."""
    digest = hashlib.sha256()
    try:
        with open(path, "rb") as f:
            while block := f.read(1 << 20):
                digest.update(block)
    except FileNotFoundError:
        return None
    return digest.hexdigest()


def files_below(folder):
    """Every regular file below a folder as (relative path, path)."""
    for at, _, names in os.walk(folder):
        for name in names:
            path = pathlib.Path(at, name)
            if path.is_file() and not path.is_symlink():
                yield str(path.relative_to(folder)), path


def originals(folder):
    """digest → number of content files below objects/ or staging/."""
    return collections.Counter(
        sha256(path) for relative, path in files_below(folder)
        if "/v1/content/" in f"/{relative}" and path.name != "arrival.json")


def lost(daemon, dropped):
    """Names of dropped files whose bytes are neither in the drop folder, nor in the store, nor moved in and named by an intent."""
    there = {sha256(path) for _, path in files_below(daemon.folder)}
    there |= set(originals(daemon.archive / "objects"))
    if any((daemon.archive / "staging").glob("*.intent")):
        there |= set(originals(daemon.archive / "staging"))
    return sorted(name for name, digest in dropped.items() if digest not in there)


@contextlib.contextmanager
def catalogue(archive, write=False):
    """The SQLite catalogue of an archive; changes are committed at the end."""
    mode = "rw" if write else "ro"
    db = sqlite3.connect(f"file:{pathlib.Path(archive) / 'catalogue.db'}?mode={mode}", uri=True, timeout=20)
    try:
        if write:
            db.execute("PRAGMA foreign_keys = OFF")
        yield db
        db.commit()
    finally:
        db.close()


@contextlib.contextmanager
def locked(archive):
    """Somebody else's write transaction on the catalogue, which ends with the block."""
    with contextlib.closing(sqlite3.connect(pathlib.Path(archive) / "catalogue.db", isolation_level=None)) as db:
        db.execute("BEGIN IMMEDIATE")
        yield


def faults_of(done):
    """The faults that `liuhen fsck --json` named, as a list of tables with invariant, object and text."""
    return json.loads(done.stdout)["faults"]


def assert_fsck_clean(daemon, *args):
    """fsck --deep finds nothing at all."""
    done = daemon.fsck("--deep", "--json", *args)
    assert done.returncode == 0 and not faults_of(done), f"{done.stdout}{done.stderr}\n{daemon.log()}"


def assert_sealed(daemon, dropped):
    """Each distinct content is one recording and one object, each dropped file exactly one arrival, staging is empty, fsck is
    clean."""
    wanted = set(dropped.values())
    stored = originals(daemon.archive / "objects")
    assert set(stored) == wanted, daemon.log()
    assert set(stored.values()) <= {1}, f"stored twice\n{daemon.log()}"
    with catalogue(daemon.archive) as db:
        rows = [digest.hex() for (digest,) in db.execute("SELECT digest FROM recordings")]
        arrivals = collections.Counter(path for (path,) in db.execute("SELECT path FROM arrivals"))
    assert sorted(rows) == sorted(wanted), daemon.log()
    assert arrivals == collections.Counter({name: 1 for name in dropped}), daemon.log()
    assert os.listdir(daemon.archive / "staging") == [], daemon.log()
    assert_fsck_clean(daemon)


def copy_archive(source, target):
    """A copy with every mode and time kept (hard links are not, nor immutable flags)."""
    shutil.copytree(source, target, symlinks=True)
    return target
