# SPDX-License-Identifier: GPL-3.0-or-later
"""A docking station for the tests of `liuhen dock`: its settings and state, cards to plug in, and what must hold afterwards."""
import hashlib
import json
import os
import pathlib
import random
import subprocess

import pytest
import yaml

from conftest import TIMEOUT

SEED = int(os.environ.get("LIUHEN_SEED", "20261123"))
MIB = 1 << 20
SMALL_CHUNKS = {"chunk": "64 KiB"}


def bytes_of(size, seed):
    return random.Random(seed).randbytes(size)


def fill(folder, sizes, seed=0, name="DCIM/100/CLIP{:04}.MP4"):
    """Files of these sizes with unlike bytes; {path: bytes}."""
    made = {}
    for i, size in enumerate(sizes):
        path = pathlib.Path(folder) / name.format(i)
        path.parent.mkdir(parents=True, exist_ok=True)
        made[str(path.relative_to(folder))] = data = bytes_of(size, seed * 1000 + i)
        path.write_bytes(data)
    return made


class Station:
    """A docking station with a state folder and settings of its own."""

    def __init__(self, build, work, server, name="station"):
        self.build, self.work, self.server = build, pathlib.Path(work), str(server)
        self.state, self.config_path = self.work / f"{name}-state", self.work / f"{name}.yaml"
        self.write_config()

    def write_config(self, **keys):
        self.config_path.write_text(yaml.safe_dump({"server": self.server, "state": str(self.state), **keys}), encoding="utf-8")

    def command(self, *args):
        return [str(self.build / "liuhen"), "dock", "--config", str(self.config_path), *map(os.fspath, map(str, args))]

    def start(self, *args, env=None, **kwargs):
        return subprocess.Popen(self.command(*args), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                text=True, env={**os.environ, **(env or {})}, cwd=self.work, **kwargs)

    def run(self, *args, env=None, timeout=TIMEOUT * 2):
        """Runs to the end; .events: its JSON lines, .summary: the last one."""
        with self.start(*args, env=env) as process:
            try:
                out, err = process.communicate(timeout=timeout)
            finally:
                process.kill()
        return self.finished(process, out, err)

    @staticmethod
    def finished(process, out, err):
        done = subprocess.CompletedProcess(process.args, process.returncode, out, err)
        done.events = [json.loads(line) for line in out.splitlines()]
        done.summary = next((e for e in done.events if e["event"] == "summary"), None)
        return done

    def good(self, *args, **kwargs):
        done = self.run(*args, **kwargs)
        assert done.returncode == 0, done.stdout + done.stderr
        return done

    def receipts(self):
        return {p.name.removesuffix(".tlog-proof"): p for p in (self.state / "receipts").glob("*.tlog-proof")}

    def wiped(self):
        path = self.state / "wiped.log"
        return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()] if path.exists() else []


@pytest.fixture
def station(build, work, daemon):
    return Station(build, work, daemon.socket)


@pytest.fixture
def card(work):
    path = work / "card"
    (path / "DCIM").mkdir(parents=True)
    return path


def digests(files):
    return {hashlib.sha256(data).hexdigest() for data in files.values()}


def assert_arrived(daemon, station, files):
    """All of them are sealed with a receipt that verifies offline, none of them twice, and the archive is whole."""
    daemon.wait_idle()
    rows = daemon.ls("--all")
    sealed = []
    for row in rows:
        acts = daemon.cli("history", row["id"])["acts"]
        sealed += [a["facts"]["digest"] for a in acts if a["kind"] == "recording.sealed"]
        assert not [a for a in acts if a["kind"] == "recording.arrived-again"]
    assert sorted(sealed) == sorted(digests(files))
    assert set(station.receipts()) == digests(files)
    key = daemon.cli("key", json=False).strip()
    by_digest = {hashlib.sha256(d).hexdigest(): d for d in files.values()}
    for digest, receipt in station.receipts().items():
        original = station.work / "original"
        original.write_bytes(by_digest[digest])
        done = daemon.run("verify", receipt, original, "--key", key)
        assert done.returncode == 0, done.stdout + done.stderr
    daemon.assert_clean()


def events(done, kind):
    return [e for e in done.events if e["event"] == kind]


@pytest.fixture
def wiping(make_daemon, build, work):
    """A site that lets cards be wiped, and a station."""
    daemon = make_daemon(config={"devices": {"wipe": True}}).start()
    return daemon, Station(build, work, daemon.socket)
