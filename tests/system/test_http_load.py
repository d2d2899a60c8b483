# SPDX-License-Identifier: GPL-3.0-or-later
"""Many connections at the network listeners: half-open and slow ones while real uploads go on, and what idle ones cost."""
import contextlib
import hashlib
import http.client
import json
import os
import random
import resource
import select
import socket
import ssl
import threading
import time

import pytest

from archive_view import assert_fsck_clean
from conftest import TIMEOUT
from ports import free_port
from upload_client import curl

HALF_OPEN, SLOW_HEADERS, SLOW_BODIES = 400, 300, 300
IDLE = 500
UPLOADS, UPLOAD_BYTES = 8, 16 << 20


@pytest.fixture(name="room", autouse=True)
def room_for_sockets():
    """Thousands of file descriptors, for this process and the daemon that it starts."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < 4096:
        pytest.skip(f"at most {hard} file descriptors are allowed here")
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 20000) if hard != resource.RLIM_INFINITY else 20000, hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def serve(make_daemon, **settings):
    """A daemon with loopback and TLS listeners; .port, .tls_port, .token of a device."""
    port, tls_port = free_port(), free_port()
    daemon = make_daemon(config={"http": {"loopback": f"127.0.0.1:{port}", "tls": f"127.0.0.1:{tls_port}", "names": ["localhost"],
                                          **settings}}).start()
    daemon.port, daemon.tls_port = port, tls_port
    made = curl(daemon, "-X", "POST", "-H", "Content-Type: application/json", "-d", '{"serial":"LOAD-1"}', "/v1/devices")
    assert made.status == 201, made
    token = curl(daemon, "-X", "POST", "-H", "Content-Type: application/json", "-d", "{}", "/v1/devices/LOAD-1/token")
    assert token.status == 201, token
    daemon.token = token.json["token"]
    return daemon


@pytest.fixture(name="served")
def served_daemon(make_daemon):
    return serve(make_daemon, header_time="2 s")


def any_certificate():
    """A client's TLS settings; whom the server's certificate names is another test's."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context


def rss_kib(daemon):
    """What of the daemon is in memory; the kernel's exact sum, as VmRSS lags behind by pages a thread."""
    with open(f"/proc/{daemon.process.pid}/smaps_rollup", encoding="ascii") as f:
        return next(int(line.split()[1]) for line in f if line.startswith("Rss:"))


def is_instrumented(daemon):
    data = (daemon.build / "liuhend").read_bytes()
    return b"__asan_" in data or b"__tsan_" in data


def dial(daemon, source="127.0.0.1"):
    return socket.create_connection(("127.0.0.1", daemon.port), TIMEOUT, (source, 0))


class Drip:
    """Sends one byte on each of its sockets every half second; sockets that the daemon has cut go to .cut."""

    def __init__(self, sockets):
        self.sockets, self.cut, self.ends = list(sockets), [], threading.Event()
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def run(self):
        while not self.ends.wait(0.5):
            gone = select.poll()
            for s in self.sockets:
                gone.register(s, select.POLLIN | select.POLLRDHUP)
            ready = {fd for fd, _ in gone.poll(0)}
            for s in list(self.sockets):
                try:
                    if s.fileno() in ready:
                        raise OSError
                    s.send(b"a")
                except OSError:
                    self.sockets.remove(s)
                    self.cut.append(s)

    def stop(self):
        self.ends.set()
        self.thread.join()


def upload(daemon, number, results, context=None):
    data = random.Random(number).randbytes(UPLOAD_BYTES)
    connection = (http.client.HTTPSConnection("localhost", daemon.tls_port, timeout=TIMEOUT * 2, context=context) if context else
                  http.client.HTTPConnection("127.0.0.1", daemon.port, timeout=TIMEOUT * 2))
    with contextlib.closing(connection):
        connection.request("PUT", f"/upload/real-{number}.bin", data, {"Authorization": f"Bearer {daemon.token}"})
        answer = connection.getresponse()
        results[number] = (answer.status, json.loads(answer.read()), hashlib.sha256(data).hexdigest())


def test_uploads_go_on_among_half_open_and_slow_connections(served):
    """A thousand connections that never become anything, some from the uploaders' own address; every real upload is sealed, the slow
    ones are cut, and the daemon is none the worse."""
    half_open = [dial(served) for _ in range(HALF_OPEN)]
    slow_headers = [dial(served, f"127.0.0.{2 + i % 3}") for i in range(SLOW_HEADERS)]
    slow_bodies = [dial(served, f"127.0.0.{5 + i % 3}") for i in range(SLOW_BODIES)]
    for s in slow_headers:
        s.sendall(b"PUT /upload/slow HTTP/1.1\r\nHost: x\r\nX-Slow: ")
    for s in slow_bodies:
        s.sendall(f"PUT /upload/slow HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {served.token}\r\nContent-Length: 1000\r\n\r\n".encode())
    headers, bodies = Drip(slow_headers), Drip(slow_bodies)
    results = {}
    tls = any_certificate()
    threads = [threading.Thread(target=upload, args=(served, n, results, tls if n % 2 else None)) for n in range(UPLOADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(results) == list(range(UPLOADS))
    for status, receipt, digest in results.values():
        assert status == 201 and receipt["sha256"] == digest, (status, receipt)
    # each byte starts an idle time-out anew; the time for headers does not
    end = time.monotonic() + TIMEOUT
    while headers.sockets and time.monotonic() < end:
        time.sleep(0.2)
    assert not headers.sockets, f"{len(headers.sockets)} connections still send headers"
    headers.stop()
    bodies.stop()
    assert served.process.poll() is None
    for s in half_open + slow_headers + slow_bodies:
        s.close()
    assert_fsck_clean(served)


def test_more_than_may_be_from_one_address(served):
    """Half-open connections from one address make room for each other and for real requests."""
    mine = [socket.create_connection(("127.0.0.1", served.tls_port), TIMEOUT) for _ in range(700)]  # http.connections_per_address: 500
    results = {}
    upload(served, 0, results, any_certificate())
    assert results[0][0] == 201
    with open(f"/proc/{served.process.pid}/status", encoding="ascii") as f:
        threads = next(int(line.split()[1]) for line in f if line.startswith("Threads:"))
    assert threads < 600
    for s in mine:
        s.close()


def growth_of(daemon, make):
    """KiB a connection; make() makes one."""
    warm = [make() for _ in range(32)]  # arenas, tables
    before = rss_kib(daemon)
    made = [make() for _ in range(IDLE - len(warm))]
    time.sleep(1)
    after = rss_kib(daemon)
    print(f"RSS {before} KiB → {after} KiB with {IDLE} connections: {(after - before) / len(made):.1f} KiB each")
    for s in warm + made:
        s.close()
    return (after - before) / len(made), after


def one_request(connection):
    """A connection over which one request has gone; the daemon may end it then."""
    connection.sendall(b"GET /v1/status HTTP/1.1\r\nHost: x\r\n\r\n")
    assert connection.recv(65536).startswith(b"HTTP/1.1 ")
    return connection


@pytest.mark.parametrize("kind", ["silent", "half a header"])
def test_memory_of_idle_connections(served, kind):
    def make():
        s = dial(served)
        if kind == "half a header":
            s.sendall(b"GET /v1/status HTTP/1.1\r\nHost: x\r\nX-Half: ")
        return s

    if is_instrumented(served):
        pytest.skip("sanitizers have memory of their own")
    each, total = growth_of(served, make)
    assert each <= 32 and total <= 64 * 1024


def test_memory_of_kept_connections(served):
    """A connection that is kept after an answer costs the library's whole buffer: few are, and not for long."""
    if is_instrumented(served):
        pytest.skip("sanitizers have memory of their own")
    made = [dial(served) for _ in range(IDLE)]
    for s in made[:100]:
        one_request(s)
    before = rss_kib(served)
    for s in made[100:]:
        s.close()
    kept = [one_request(dial(served)) for _ in range(100)]
    with_kept = rss_kib(served)
    end = time.monotonic() + TIMEOUT
    while rss_kib(served) > with_kept - 10 * 1024 and time.monotonic() < end:
        time.sleep(0.5)
    print(f"RSS {before} KiB among {IDLE}, {with_kept} KiB with kept ones, {rss_kib(served)} KiB later")
    assert before <= 64 * 1024 and with_kept <= 64 * 1024 and rss_kib(served) <= with_kept - 10 * 1024
    for s in made[:100] + kept:
        s.close()


def test_memory_of_idle_tls_connections(make_daemon):
    daemon, context = serve(make_daemon, header_time="10 min"), any_certificate()  # the handshake counts as the header's beginning

    if is_instrumented(daemon):
        pytest.skip("sanitizers have memory of their own")
    each, total = growth_of(daemon, lambda: context.wrap_socket(socket.create_connection(("127.0.0.1", daemon.tls_port), TIMEOUT)))
    assert each <= 64 and total <= 64 * 1024


def test_nothing_wakes_up_without_a_connection(served):
    """With all listeners open and nobody there, the threads of the HTTP server sleep."""
    def switches():
        total = 0
        for task in os.listdir(f"/proc/{served.process.pid}/task"):
            with contextlib.suppress(FileNotFoundError), open(f"/proc/{served.process.pid}/task/{task}/status", encoding="ascii") as f:
                total += sum(int(line.split()[1]) for line in f if line.startswith("voluntary_ctxt_switches"))
        return total

    one_request(dial(served)).close()
    served.wait_idle()
    time.sleep(3)
    woken = []
    while not woken or (woken[-1] > 2 and len(woken) < 6):  # what ends late disturbs once; a thread that polls does in every window
        before = switches()
        time.sleep(5)
        woken.append(switches() - before)
    assert woken[-1] <= 2, woken
