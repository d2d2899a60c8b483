# SPDX-License-Identifier: GPL-3.0-or-later
"""tus for devices: who may see and go on with an upload, what a device may say, quotas and rates, over loopback with tokens."""
import hashlib
import json
import random

import pytest

from ports import free_port
from tus_client import Client, Tus, assert_sealed, installed_client, make_file, metadata

DATA = random.Random(6).randbytes(200_000)


@pytest.fixture(scope="session", name="modules")
def modules_of_the_client():
    return installed_client()


def people(daemon, method, path, **members):
    """A request of a person over the unix socket, with a JSON body; returns the answer's JSON."""
    answer = Tus(daemon).request(method, path, version=None, body=json.dumps(members).encode(), Content_Type="application/json")
    assert answer.status in (200, 201), answer
    return json.loads(answer.body)


@pytest.fixture(name="site")
def daemon_on_loopback(make_daemon):
    """A daemon with a port on loopback; .device(serial, **more) registers one and gives its client."""
    address = ("127.0.0.1", free_port())
    daemon = make_daemon({"http": {"loopback": f"{address[0]}:{address[1]}"}, "uploads": {"waiting": 4}}).start()

    def device(serial, kind="camera", **more):
        people(daemon, "POST", "/v1/devices", serial=serial, kind=kind, **more)
        token = people(daemon, "POST", f"/v1/devices/{serial}/token")["token"]
        return Tus(daemon, address, token)
    daemon.address, daemon.device = address, device
    return daemon


def test_nobody(site):
    """Who brings no token is asked for one, and a script in a browser may see that."""
    nobody = Tus(site, site.address)
    for answer in (nobody.create(5), nobody.head("/tus/01JD0000000000000000000001"), Tus(site, site.address, "lh_x_y").create(5)):
        assert answer.status == 401 and answer["WWW-Authenticate"], answer
    answer = nobody.create(5, Origin="https://console.example")
    assert answer["Access-Control-Allow-Origin"] == "*" and answer["Tus-Resumable"] == "1.0.0"
    assert nobody.request("OPTIONS", "/tus", version=None).status == 204


def test_uploads_belong_to_who_made_them(site):
    mine, other, person = site.device("CAM-1"), site.device("CAM-2"), Tus(site)
    url = mine.made(len(DATA))
    part = mine.create(100, DATA[:100], Upload_Concat="partial")["Location"]
    assert mine.patch(url, 0, DATA[:1000]).status == 204
    for stranger in (other, person):
        for answer in (stranger.head(url), stranger.get(url), stranger.patch(url, 1000, DATA[1000:]), stranger.delete(url),
                       stranger.create(Upload_Concat=f"final;{part}")):
            assert answer.status in (403, 404), answer
            assert answer["Upload-Offset"] is None and answer["Upload-Metadata"] is None
    answer = mine.patch(url, 1000, DATA[1000:])
    assert answer.status == 204 and answer["Liuhen-Sha256"] == hashlib.sha256(DATA).hexdigest()
    for stranger in (other, person):
        assert stranger.get(url).status in (403, 404) and stranger.head(url).status in (403, 404)
    assert mine.create(Upload_Concat=f"final;{part}").status == 201
    site.wait_idle()
    assert {r["device"] for r in site.ls()} == {"CAM-1"}
    site.assert_clean()


def test_a_device_speaks_for_itself_only(site):
    camera, dock = site.device("CAM-1"), site.device("DOCK-1", "dock")
    answer = camera.create(5, b"hello", Upload_Metadata=metadata(device="CAM-2"))
    assert answer.status == 403 and json.loads(answer.body)["error"]["object"] == "device", answer
    assert camera.create(5, b"hello", Upload_Metadata=metadata(device="CAM-1\0")).status == 403
    assert site.ls() == []
    own = camera.create(5, b"hello", Upload_Metadata=metadata(device="CAM-1"))
    docked = dock.create(6, b"hello2", Upload_Metadata=metadata(device="CAM-7"))
    assert own.status == docked.status == 201
    site.wait_idle()
    assert {r["id"]: r["device"] for r in site.ls()} == {own["Liuhen-Recording"]: "CAM-1", docked["Liuhen-Recording"]: "CAM-7"}


def test_quota(site):
    small = site.device("CAM-1", quota="1 MiB")
    answer = small.create(2 << 20)
    assert answer.status == 413, answer
    for i in range(5):
        assert small.create(200_000, bytes([i]) * 200_000).status == 201
    answer = small.create(200_000)
    assert answer.status == 429 and int(answer["Retry-After"]) > 0, answer
    assert small.create(10_000, b"x" * 10_000).status == 201


def test_quota_counts_what_is_announced(site):
    """Two uploads that each would fit do not slip in side by side."""
    small = site.device("CAM-1", quota="1 MiB")
    url = small.made(700_000)
    assert small.create(700_000).status == 429
    deferred = small.made(Upload_Defer_Length="1")
    assert small.patch(deferred, 0, b"x", Upload_Length=700_000).status == 429
    assert small.delete(url).status == 204
    assert small.patch(deferred, 0, b"x", Upload_Length=700_000).status == 204


def test_quota_holds_where_no_length_is_said(site):
    """Bytes of an upload without a length count as they come, not when it ends."""
    tus = site.device("CAM-1", quota="100000 B")
    url = tus.create(Upload_Defer_Length="1")["Location"]
    assert tus.patch(url, 0, DATA[:60_000]).status == 204
    answer = tus.patch(url, 60_000, DATA[60_000:150_000])
    assert answer.status == 429 and answer["Retry-After"], answer
    assert tus.offset(url) <= 100_000
    assert tus.delete(url).status == 204
    url = tus.create(Upload_Defer_Length="1")["Location"]
    assert tus.patch(url, 0, DATA[:100_000], Upload_Length="100000").status == 204


def test_rate(site):
    slow = site.device("CAM-1", rate="3")
    answers = [slow.create(5, bytes([65 + i]) * 5) for i in range(5)]
    assert [a.status for a in answers[:3]] == [201] * 3
    assert answers[-1].status == 429 and int(answers[-1]["Retry-After"]) > 0


def test_too_many_unfinished(site):
    """uploads.waiting is 4 here, for each device."""
    one, other = site.device("CAM-1"), site.device("CAM-2")
    urls = [one.made(5) for _ in range(4)]
    answer = one.create(5)
    assert answer.status == 429 and int(answer["Retry-After"]) > 0, answer
    assert other.create(5).status == 201
    assert one.patch(urls[0], 0, b"hello").status == 204
    assert one.create(5).status == 201


def test_revoked_in_the_middle(site):
    camera = site.device("CAM-1")
    url = camera.made(len(DATA))
    assert camera.patch(url, 0, DATA[:1000]).status == 204
    people(site, "POST", "/v1/devices/CAM-1/retire")
    assert camera.patch(url, 1000, DATA[1000:]).status == 403
    people(site, "POST", "/v1/devices/CAM-1/return")
    assert camera.patch(url, 1000, DATA[1000:]).status == 204


@pytest.mark.parametrize("options", [{}, {"parallelUploads": 3}], ids=["whole", "parallel"])
def test_real_client_with_a_token(site, modules, work, options):
    camera = site.device("CAM-1")
    client = Client(site, modules, work, site.address, camera.token)
    file = make_file(work, "a.mp4", 5_000_000)
    client.upload(file, {**options, "metadata": {"filename": "a.mp4", "device": "CAM-1"}})
    assert_sealed(site, file)
    wrong = camera.token[:40] + ("b" if camera.token[40] == "a" else "a") + camera.token[41:]
    code, lines = Client(site, modules, work, site.address, wrong).run(file, options)
    assert code == 1 and [line["status"] for line in lines if "error" in line][0] == 401, lines
