# SPDX-License-Identifier: GPL-3.0-or-later
"""tus-js-client, the real one, as browsers and docks use it: whole, in chunks, in parallel, resumed after it or the daemon was ended."""
import json
import random

import pytest

from tus_client import Client, Tus, assert_sealed, digest, installed_client, make_file

@pytest.fixture(scope="session", name="modules")
def modules_of_the_client():
    return installed_client()


@pytest.fixture(name="client")
def client_of_a_daemon(daemon, modules, work):
    return Client(daemon, modules, work)


def path_of(url):
    return "/tus/" + url.rsplit("/", 1)[1]


OPTIONS = {
    "whole": {},
    "with-creation": {"uploadDataDuringCreation": True},
    "chunks": {"chunkSize": 700_000},
    "chunks-with-creation": {"chunkSize": 700_000, "uploadDataDuringCreation": True},
    "post-for-patch": {"chunkSize": 700_000, "overridePatchMethod": True},
    "parallel": {"parallelUploads": 4},
    "parallel-chunks": {"parallelUploads": 3, "chunkSize": 300_000},
}


@pytest.mark.parametrize("how", OPTIONS)
@pytest.mark.parametrize("size", [7, 3_000_001])
def test_upload(client, how, size):
    file = make_file(client.work, "现场.mp4", size)
    last = client.upload(file, {**OPTIONS[how], "metadata": {"filename": "现场.mp4", "filetype": "video/mp4"}})
    assert_sealed(client.daemon, file)
    assert client.daemon.ls()[0]["name"] == "现场.mp4"
    assert last["success"]["liuhen-sha256"] == digest(file)
    receipt = json.loads(Tus(client.daemon).get(path_of(last["url"])).body)
    assert receipt["sha256"] == digest(file) and receipt["recording"] == last["success"]["liuhen-recording"]


def test_stream_of_unknown_length(client):
    file = make_file(client.work, "stream", 2_500_000)
    client.upload(file, {"uploadLengthDeferred": True, "chunkSize": 1_000_000}, stdin=file)
    assert_sealed(client.daemon, file)


def test_same_bytes_again(client):
    file = make_file(client.work, "a.mp4", 2_000_000)
    first, again = client.upload(file), client.upload(file)
    assert first["url"] != again["url"]
    assert first["success"]["liuhen-recording"] == again["success"]["liuhen-recording"]
    assert_sealed(client.daemon, file)


@pytest.mark.parametrize("options", [{}, {"chunkSize": 500_000}, {"parallelUploads": 3}], ids=["whole", "chunks", "parallel"])
def test_interrupted_and_resumed(client, options):
    """The client is closed in the middle; the next one goes on and does not begin again."""
    file = make_file(client.work, "a.mp4", 24_000_000)
    storage = str(client.work / "urls.json")
    code, lines = client.run(file, options, storage=storage, abortAt=9_000_000)
    assert code == 3, lines
    tus = Tus(client.daemon)
    urls = json.loads((client.work / "urls.json").read_text(encoding="utf-8"))
    known = next(iter(urls.values()))
    urls = [path_of(u) for u in known.get("parallelUploadUrls") or [known["uploadUrl"]]]
    stood = sum(tus.offset(u) for u in urls)
    assert stood > 0
    code, lines = client.run(file, options, storage=storage, resume=True)
    assert code == 0 and {"known": 1} in lines, lines
    if "parallelUploads" not in options:
        assert path_of(lines[-1]["url"]) == urls[0]
    assert_sealed(client.daemon, file)


@pytest.mark.parametrize("options", [{}, {"chunkSize": 1_500_000}, {"parallelUploads": 3}], ids=["whole", "chunks", "parallel"])
@pytest.mark.parametrize("seed", [1, 2])
def test_daemon_killed(client, options, seed):
    """SIGKILL at some byte: the client goes on by itself when the daemon is there again."""
    size = 40_000_000
    file = make_file(client.work, "a.mp4", size, seed)
    daemon, chance = client.daemon, random.Random(seed)
    running = client.start(file, {**options, "retryDelays": [200] * 100}, storage=str(client.work / "urls.json"))
    for _ in range(2):
        least = chance.randrange(1, size // 3)

        def staged():
            there = 0
            for path in (daemon.archive / "staging").glob("*.upload/data"):
                try:
                    there += path.stat().st_size
                except FileNotFoundError:
                    pass
            return there >= least or running.poll() is not None  # pylint: disable=cell-var-from-loop
        daemon.wait(staged, "bytes in staging")
        daemon.kill()
        daemon.start()
    out, _ = running.communicate(timeout=200)
    lines = [json.loads(line) for line in out.splitlines()]
    assert running.returncode == 0 and "success" in lines[-1], (lines, daemon.log()[-3000:])
    assert {"retry": 0} in lines, "it was over before the daemon was killed"
    assert_sealed(daemon, file)
    daemon.wait_idle()
    daemon.assert_clean()


def test_large(client):
    """256 MiB, in two chunks, digest right."""
    file = make_file(client.work, "large.mp4", 256 << 20)
    last = client.upload(file, {"chunkSize": 200 << 20})
    assert last["success"]["liuhen-sha256"] == digest(file)
    assert_sealed(client.daemon, file)


def test_final_errors_are_not_retried(client):
    """What would never go better is told at once: too large."""
    client.daemon.write_config(uploads={"max": "1 MiB"})
    client.daemon.restart()
    file = make_file(client.work, "a.mp4", 2_000_000)
    code, lines = client.run(file)
    assert code == 1 and lines[-1]["status"] == 413 and [line for line in lines if "retry" in line] == [{"retry": 413}], lines
    assert "uploads.max" in lines[-1]["body"]
    assert client.daemon.ls() == []
