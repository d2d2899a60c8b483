# SPDX-License-Identifier: GPL-3.0-or-later
"""contrib/nginx in front of the daemon: what a device sends streams through, and refusals come back as they are."""
import contextlib
import hashlib
import json
import os
import shutil
import socket
import ssl
import subprocess
import time

import pytest

from conftest import ROOT, TIMEOUT, succeeded
from ports import free_port

NGINX = shutil.which("nginx", path=os.environ.get("PATH", "") + ":/usr/sbin")


@pytest.fixture
def site(make_daemon):
    port = free_port()
    daemon = make_daemon(config={"http": {"loopback": f"127.0.0.1:{port}"}}).start()
    daemon.port = port
    daemon.cli("device", "add", "C-1", "--kind", "camera")
    daemon.token = daemon.cli("device", "token", "C-1")["token"]
    return daemon


@pytest.fixture
def proxy(site, work):
    """nginx with the recipe as it stands, but for its addresses; ends with the test."""
    if not NGINX:
        pytest.skip("no nginx")
    port, folder = free_port(), work / "nginx"
    folder.mkdir()
    folder.chmod(0o777)
    work.chmod(0o755)
    succeeded(subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost",
                              "-keyout", folder / "key.pem", "-out", folder / "cert.pem"], capture_output=True, text=True,
                             check=False))
    text = (ROOT / "contrib/nginx/liuhen.conf").read_text(encoding="utf-8")
    for was, now in (("127.0.0.1:8480", f"127.0.0.1:{site.port}"), ("listen 443 ssl", f"listen 127.0.0.1:{port} ssl"),
                     ("/etc/liuhen/server.pem", f'"{folder}/cert.pem"'), ("/etc/liuhen/server.key", f'"{folder}/key.pem"')):
        assert was in text
        text = text.replace(was, now)
    (folder / "site.conf").write_text(text, encoding="utf-8")
    user = "user root;" if os.geteuid() == 0 else ""
    temporary = "".join(f'{kind}_temp_path "{folder}/{kind}";' for kind in ("client_body", "proxy", "fastcgi", "scgi", "uwsgi"))
    (folder / "nginx.conf").write_text(
        f'{user} daemon off; pid "{folder}/pid"; error_log "{folder}/error.log"; events {{}} '
        f'http {{ access_log off; {temporary} include "{folder}/site.conf"; }}', encoding="utf-8")
    process = subprocess.Popen([NGINX, "-p", folder, "-c", folder / "nginx.conf", "-e", folder / "error.log"],
                               stdin=subprocess.DEVNULL)
    try:
        end = time.monotonic() + 30
        while True:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
                break
            assert process.poll() is None and time.monotonic() < end, (folder / "error.log").read_text()
            time.sleep(0.05)
        yield port, folder
    finally:
        process.terminate()
        process.wait(20)


def curl(proxy, *args):
    port, folder = proxy
    return subprocess.run(["curl", "-sS", "--cacert", folder / "cert.pem", "-w", "\n%{http_code}", *args],
                          capture_output=True, text=True, timeout=TIMEOUT, check=False, stdin=subprocess.DEVNULL)


def test_uploads_stream_through(site, proxy, work):
    data = os.urandom(5_000_000)
    (work / "clip.mp4").write_bytes(data)
    done = succeeded(curl(proxy, "-H", f"Authorization: Bearer {site.token}", "-T", work / "clip.mp4",
                          f"https://localhost:{proxy[0]}/upload/clip.mp4"))
    body, status = done.stdout.rsplit("\n", 1)
    assert status == "201" and json.loads(body)["sha256"] == hashlib.sha256(data).hexdigest()
    assert not [p for p in (proxy[1] / "client_body").rglob("*") if p.is_file()], "nginx kept the body on its way"
    site.wait_idle()
    site.assert_clean()


def test_senders_are_known_through_the_proxy_and_not_by_their_own_word(site, proxy, work):
    url, auth = f"https://localhost:{proxy[0]}", f"Authorization: Bearer {site.token}"
    (work / "a.mp4").write_bytes(b"one")
    succeeded(curl(proxy, "-H", auth, "-H", "X-Forwarded-For: 203.0.113.9", "-T", work / "a.mp4", url + "/upload/a.mp4"))
    row = site.cli("show", site.wait_sealed(1)[0]["id"])
    assert row["arrival"]["peer"] == "127.0.0.1"  # curl's address, as nginx saw it
    done = succeeded(subprocess.run(["curl", "-sS", "-H", auth, "-H", "X-Forwarded-For: 203.0.113.9, 198.51.100.7", "-T", "-",
                                     f"http://127.0.0.1:{site.port}/upload/b.mp4"], input=b"two", capture_output=True,
                                    timeout=TIMEOUT, check=False))
    other = site.cli("show", json.loads(done.stdout)["recording"])
    assert other["arrival"]["peer"] == "198.51.100.7"
    for said in ("spoofed\\x", "", "1.2.3", "a" * 500, "::1 ::2"):
        subprocess.run(["curl", "-sS", "-H", "Authorization: Bearer lh_wrong", "-H", f"X-Forwarded-For: {said}", "-T", "-",
                        f"http://127.0.0.1:{site.port}/upload/c.mp4"], input=b"x", capture_output=True, timeout=TIMEOUT, check=False)
    assert "spoofed" not in site.log()
    assert [a["who"] for a in site.cli("status")["doors"]["alarms"]] == ["address 127.0.0.1"]


def test_body_worn_systems_are_sent_back_to_the_proxy(site, proxy):
    site.cli("device", "add", "SYSTEM-1", "--kind", "system")
    token = site.cli("device", "token", "SYSTEM-1")["token"]
    done = succeeded(curl(proxy, "-D", "-", "-H", "X-Auth-User: SYSTEM-1", "-H", f"X-Auth-Key: {token}",
                          f"https://localhost:{proxy[0]}/auth/v1.0"))
    assert f"X-Storage-Url: https://localhost:{proxy[0]}/v1/AUTH_".lower() in done.stdout.lower()


def test_refusals_come_back_as_they_are(site, proxy, work):
    (work / "clip.mp4").write_bytes(os.urandom(3_000_000))
    done = curl(proxy, "-H", "Authorization: Bearer lh_wrong", "-T", work / "clip.mp4",
                f"https://localhost:{proxy[0]}/upload/clip.mp4")
    assert done.stdout.rsplit("\n", 1)[1] == "401", done.stdout + done.stderr
    assert curl(proxy, f"https://localhost:{proxy[0]}/v1/recordings").stdout.rsplit("\n", 1)[1] == "404"
    assert site.ls() == []


@pytest.mark.parametrize("size", [100, 3_000_000])
def test_a_camera_that_closes_behind_its_last_byte(site, proxy, size):
    """It never looks at the answer; what it has sent whole is sealed all the same."""
    data, context = os.urandom(size), ssl.create_default_context(cafile=proxy[1] / "cert.pem")
    context.maximum_version = ssl.TLSVersion.TLSv1_2  # 1.3 sends tickets: closing with them unread resets the connection
    with socket.create_connection(("localhost", proxy[0])) as plain, context.wrap_socket(plain, server_hostname="localhost") as s:
        s.sendall(f"PUT /upload/a.mp4 HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {site.token}\r\n"
                  f"Content-Length: {size}\r\n\r\n".encode() + data)
    row, = site.wait_sealed(1)
    assert row["digest"] == hashlib.sha256(data).hexdigest()


def test_the_same_without_a_proxy(site):
    data = [os.urandom(size) for size in (1, 70_000, 3_000_000)]
    for one in data:
        with socket.create_connection(("127.0.0.1", site.port)) as s:
            s.sendall(f"PUT /upload/a.mp4 HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {site.token}\r\n"
                      f"Content-Length: {len(one)}\r\n\r\n".encode() + one)
    assert {row["digest"] for row in site.wait_sealed(3)} == {hashlib.sha256(one).hexdigest() for one in data}


def test_docking_stations_go_through(site, proxy, work):
    card, token = work / "card", work / "token"
    (card / "DCIM").mkdir(parents=True)
    (card / "DCIM/a.mp4").write_bytes(os.urandom(3_000_000))
    token.write_text(site.token + "\n", encoding="utf-8")
    token.chmod(0o600)
    done = succeeded(subprocess.run([site.build / "liuhen", "dock", "--server", f"https://localhost:{proxy[0]}", "--ca", proxy[1] / "cert.pem",
                                     "--token-file", token, "--state", work / "dock", "--once", "--serial", "C-1", card],
                                    capture_output=True, text=True, timeout=TIMEOUT, check=False, stdin=subprocess.DEVNULL))
    assert json.loads(done.stdout.splitlines()[-1])["sealed"] == 1
    site.wait_sealed(1)
