# SPDX-License-Identifier: GPL-3.0-or-later
"""The real tus-js-client where docks and cameras of a site use it: over TLS with the client certificate that `liuhen device enrol` makes,
and against a catalogue on PostgreSQL."""
import json
import random
import sqlite3

import psycopg2
import pytest

from archive_view import assert_fsck_clean
from conftest import succeeded
from ports import free_port
from tus_client import Client, Tus, assert_sealed, digest, installed_client, make_file

SIZE = 24_000_000


@pytest.fixture(scope="session", name="modules")
def modules_of_the_client():
    return installed_client()


def path_of(url):
    return "/tus/" + url.rsplit("/", 1)[1]


# ---- TLS ----

class Station:
    """A dock with the bundle that enrolling gave it."""

    def __init__(self, daemon, address, modules, work, serial):
        daemon.cli("device", "add", serial, "--kind", "dock")
        self.daemon, self.serial, self.folder = daemon, serial, work / serial
        self.made = daemon.cli("device", "enrol", serial, "--out", self.folder)
        self.client = Client(daemon, modules, work, address, ca=self.folder / "ca.pem")

    def bundle(self, how):
        """What tls of upload.js is to be: the two PEM files, or the bundle that a station imports."""
        file = str(self.folder / self.serial)
        return {"cert": f"{file}.pem", "key": f"{file}.key"} if how == "pem" else {"pfx": f"{file}.p12", "passphrase": self.made["password"]}


@pytest.fixture(name="tls")
def daemon_with_tls(make_daemon, modules, work):
    """A daemon that is reached over TLS only; .station(serial) enrols one."""
    address = ("127.0.0.1", free_port())
    daemon = make_daemon({"http": {"tls": f"{address[0]}:{address[1]}"}}).start()
    daemon.station = lambda serial: Station(daemon, address, modules, work, serial)
    return daemon


@pytest.mark.parametrize("options", [{}, {"chunkSize": 5_000_000}, {"parallelUploads": 3}], ids=["whole", "chunks", "parallel"])
@pytest.mark.parametrize("how", ["pem", "p12"])
def test_client_certificate(tls, work, how, options):
    """No token anywhere: the certificate says which device it is."""
    station, file = tls.station("DOCK-1"), make_file(work, "现场.mp4", SIZE)
    last = station.client.upload(file, {**options, "metadata": {"filename": "现场.mp4"}}, tls=station.bundle(how))
    assert last["success"]["liuhen-sha256"] == digest(file)
    assert_sealed(tls, file)
    tls.wait_idle()
    shown = tls.cli("show", last["success"]["liuhen-recording"])
    assert (shown["device"], shown["arrival"]["door"], shown["name"]) == ("DOCK-1", "tus", "现场.mp4")
    tls.assert_clean()


def test_interrupted_and_resumed_with_a_certificate(tls, work):
    station, file = tls.station("DOCK-1"), make_file(work, "a.mp4", SIZE)
    storage = str(work / "urls.json")
    code, lines = station.client.run(file, storage=storage, abortAt=9_000_000, tls=station.bundle("pem"))
    assert code == 3, lines
    (known,) = json.loads((work / "urls.json").read_text(encoding="utf-8")).values()
    # another station has a certificate too, but not this upload: its client begins one of its own
    other = tls.station("DOCK-2")
    code, lines = other.client.run(file, storage=storage, resume=True, tls=other.bundle("pem"))
    assert path_of(lines[-1]["url"]) != path_of(known["uploadUrl"]), lines
    code, lines = station.client.run(file, {"uploadUrl": known["uploadUrl"]}, tls=station.bundle("p12"))
    assert code == 0, lines
    offsets = [line["chunk"] for line in lines if "chunk" in line]
    assert path_of(lines[-1]["url"]) == path_of(known["uploadUrl"]), lines
    assert offsets in ([SIZE], []), lines  # none: all bytes had left the first client before it was told that it had sent enough
    assert_sealed(tls, file)
    tls.assert_clean()


def test_without_a_certificate_that_counts(tls, work):
    """Nobody's, a revoked one, and a server that the client does not know: each is told, nothing is taken."""
    station, file = tls.station("DOCK-1"), make_file(work, "a.mp4", 1_000_000)
    code, lines = station.client.run(file)
    assert code == 1 and lines[-1]["status"] == 401, lines
    stranger = Client(tls, station.client.modules, work, station.client.address, ca=file)  # no authority is in there
    code, lines = stranger.run(file, {"retryDelays": []}, tls=station.bundle("pem"))
    assert code == 1 and lines[-1]["status"] == 0 and "certificate" in lines[-1]["error"], lines
    tls.cli("device", "revoke", "DOCK-1", station.made["key"])
    code, lines = station.client.run(file, tls=station.bundle("pem"))
    assert code == 1 and lines[-1]["status"] == 403 and "revoked" in lines[-1]["body"], lines
    assert tls.ls() == []


# ---- PostgreSQL ----

@pytest.fixture(name="pg")
def daemon_on_postgresql(make_daemon, postgres):
    """The rows of one test are alone: a database of its own."""
    name = f"tus{random.SystemRandom().randrange(1 << 40):x}"
    db = psycopg2.connect(postgres)
    db.autocommit = True
    with db.cursor() as cursor:
        cursor.execute(f'CREATE DATABASE "{name}" TEMPLATE template0 ENCODING \'UTF8\' LC_COLLATE \'C\' LC_CTYPE \'C\'')
    dsn = psycopg2.extensions.make_dsn(postgres, dbname=name)
    daemon = make_daemon({"catalogue": {"dsn": dsn}}).start()
    daemon.dsn = dsn
    yield daemon
    daemon.close()
    with db.cursor() as cursor:
        cursor.execute(f'DROP DATABASE "{name}" WITH (FORCE)')
    db.close()


def assert_clean(daemon):
    daemon.wait_idle()
    assert_fsck_clean(daemon, "--catalogue", daemon.dsn)


@pytest.mark.parametrize("options", [{}, {"chunkSize": 5_000_000, "uploadDataDuringCreation": True}, {"parallelUploads": 3}],
                         ids=["whole", "chunks", "parallel"])
def test_upload_on_postgresql(pg, modules, work, options):
    file, client = make_file(work, "现场.mp4", SIZE), Client(pg, modules, work)
    last = client.upload(file, {**options, "metadata": {"filename": "现场.mp4", "officer": "李"}})
    again = client.upload(file, options)
    assert last["success"]["liuhen-recording"] == again["success"]["liuhen-recording"]
    assert last["success"]["liuhen-sha256"] == digest(file)
    assert_sealed(pg, file)
    receipt = json.loads(Tus(pg).get(path_of(last["url"])).body)
    assert receipt["sha256"] == digest(file) and receipt["receipt"]
    pg.wait_idle()
    assert pg.cli("show", receipt["recording"])["place"]["officer"]["value"] == "李"
    assert_clean(pg)


def test_killed_on_postgresql(pg, modules, work):
    """The daemon is killed in the middle, and once more between the commit and its publishing; rebuilt into SQLite, the rows are there."""
    file, client = make_file(work, "a.mp4", SIZE), Client(pg, modules, work)
    running = client.start(file, {"retryDelays": [200] * 100})

    def staged():
        data = list((pg.archive / "staging").glob("*.upload/data"))
        return data and data[0].stat().st_size > SIZE // 3
    pg.wait(staged, "bytes in staging")
    pg.kill()
    pg.start(env={"LIUHEN_KILL_AT": "seal.committed"})
    assert pg.wait_end() == -9 and list((pg.archive / "staging").glob("*.intent")), "the rows are there, and nothing behind them"
    pg.start()
    out, _ = running.communicate(timeout=200)
    lines = [json.loads(line) for line in out.splitlines()]
    assert running.returncode == 0 and lines[-1]["success"]["liuhen-recording"], lines
    assert len({line["url"] for line in lines if "url" in line}) == 1 and {"retry": 0} in lines, lines
    assert_sealed(pg, file)
    assert_clean(pg)
    pg.stop()
    succeeded(pg.run("rebuild", "--archive", pg.archive, "--to", work / "new.db"))
    with sqlite3.connect(work / "new.db") as db:
        assert db.execute("SELECT count(*) FROM recordings").fetchone() == (1,)
    db.close()
