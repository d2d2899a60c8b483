# SPDX-License-Identifier: GPL-3.0-or-later
"""Clients that vanish without a word, so that the server still waits for the rest of their PATCH (a NAT that forgot, a cable that was
pulled): who comes again for the upload gets it at once, and one whose bytes are flowing keeps it. The daemon's least rate is off, so
that nothing else here ever cuts anybody."""
import hashlib
import json
import random
import select
import socket
import ssl
import struct
import threading
import time

import pytest

from ports import free_port
from tus_client import OFFSET, Client, Tus, assert_sealed, checksum, digest, installed_client, make_file

DATA = random.Random(9).randbytes(3_000_000)
SENT = 1_000_000  # of DATA, before the first writer falls silent
SILENT = 2        # s: what the daemon takes for it by itself


class Site:
    """A daemon with loopback and TLS; .tus(kind) is a client of a device, .tus(kind, serial) of another one."""

    def __init__(self, make_daemon, **uploads):
        self.addresses = {kind: ("127.0.0.1", free_port()) for kind in ("loopback", "tls")}
        listeners = {kind: f"{host}:{port}" for kind, (host, port) in self.addresses.items()}
        self.daemon = make_daemon({"http": {**listeners, "least_rate": "0 B"}, "uploads": uploads}).start()
        self.ca = self.daemon.archive / "keys/ca.pem"
        self.tokens = {}

    def ask(self, path, **members):
        answer = Tus(self.daemon).request("POST", path, version=None, body=json.dumps(members).encode(), Content_Type="application/json")
        assert answer.status in (200, 201), answer
        return json.loads(answer.body)

    def token(self, serial):
        if serial not in self.tokens:
            self.ask("/v1/devices", serial=serial)
            self.tokens[serial] = self.ask(f"/v1/devices/{serial}/token")["token"]
        return self.tokens[serial]

    def tus(self, kind, serial="CAM-1"):
        if kind == "unix":
            return Tus(self.daemon)
        context = ssl.create_default_context(cafile=str(self.ca)) if kind == "tls" else None
        return Tus(self.daemon, self.addresses[kind], self.token(serial), context=context)


@pytest.fixture(name="site")
def site_with_all_listeners(make_daemon):
    return Site(make_daemon)


def begin(tus, url, body, offset=0, **more):
    """A PATCH of all the rest of DATA, of which only body is sent; when this returns it has the upload."""
    sock = tus.begin("PATCH", url, {"Upload-Offset": offset, "Content-Type": OFFSET, "Content-Length": len(DATA) - offset, **more}, body)
    wait_writer(tus, url)
    return sock


def wait_writer(tus, url):
    tus.daemon.wait(lambda: tus.head(url).status == 423, "a writer")


def has_ended(sock):
    """Waits for the end of a connection that nobody answers any more."""
    try:
        return sock.recv(1) == b""
    except ConnectionError:
        return True


def wait_free(tus, ask):
    """Asks until the answer is not 423 any more; returns it."""
    def free():
        answer = ask()
        return answer if answer.status != 423 else None
    return tus.daemon.wait(free, "an upload that is free")


def finish(tus, url, offset):
    answer = tus.patch(url, offset, DATA[offset:])
    assert answer.status == 204 and answer["Liuhen-Sha256"] == hashlib.sha256(DATA).hexdigest(), answer
    assert [r["digest"] for r in tus.daemon.ls()] == [hashlib.sha256(DATA).hexdigest()]
    tus.daemon.assert_clean()


# ---- silent ones ----

@pytest.mark.parametrize("kind", ["unix", "loopback", "tls"])
def test_silent_writer_gives_way(site, kind):
    """At the byte that it had brought; before it counts as silent the answer is 423. If it comes to life again, it is not heard."""
    tus = site.tus(kind)
    url = tus.made(len(DATA))
    with begin(tus, url, DATA[:SENT]) as first:
        answer = wait_free(tus, lambda: tus.head(url))
        assert answer.status == 200 and answer["Upload-Offset"] == str(SENT), answer
        try:
            first.sendall(DATA[:100_000])
        except OSError:
            pass
        assert has_ended(first)
        assert tus.offset(url) == SENT
        finish(tus, url, SENT)


def test_silent_writer_gives_way_to_a_patch(site):
    """A newcomer that asks nothing before but goes on; one that is wrong about the offset hears where it stands."""
    tus = site.tus("loopback")
    url = tus.made(len(DATA))
    with begin(tus, url, DATA[:SENT]) as first:
        answer = wait_free(tus, lambda: tus.patch(url, 0, DATA))
        assert answer.status == 409 and answer["Upload-Offset"] == str(SENT), answer
        assert has_ended(first)
    finish(tus, url, SENT)


def test_silent_writer_gives_way_to_the_end(site):
    tus = site.tus("loopback")
    url = tus.made(len(DATA))
    with begin(tus, url, DATA[:SENT]):
        answer = wait_free(tus, lambda: tus.delete(url))
        assert answer.status == 204, answer
    assert tus.head(url).status == 404 and tus.daemon.ls() == []


def test_silent_before_its_first_byte(site):
    tus = site.tus("tls")
    url = tus.made(len(DATA))
    with begin(tus, url, b""):
        assert wait_free(tus, lambda: tus.head(url))["Upload-Offset"] == "0"
    finish(tus, url, 0)


def test_nothing_is_kept_that_was_to_be_compared(site):
    tus = site.tus("loopback")
    url = tus.made(len(DATA))
    assert tus.patch(url, 0, DATA[:5000]).status == 204
    with begin(tus, url, DATA[5000:SENT], 5000, **{"Upload-Checksum": checksum("sha256", DATA[5000:])}):
        assert wait_free(tus, lambda: tus.head(url))["Upload-Offset"] == "5000"
    finish(tus, url, 5000)


def test_silence_alone_cuts_nobody(site):
    """Neither nobody's coming nor a stranger's: only the same owner may have it."""
    tus, other, person = site.tus("loopback"), site.tus("loopback", "CAM-2"), site.tus("unix")
    url = tus.made(len(DATA))
    with begin(tus, url, DATA[:SENT]) as first:
        time.sleep(2 * SILENT)
        for stranger in (other, person):
            for answer in (stranger.head(url), stranger.patch(url, SENT, DATA[SENT:]), stranger.delete(url)):
                assert answer.status in (403, 404), answer
        assert tus.get(url).status == 409  # to look for a receipt is no wish to write
        assert tus.patch(url, SENT, b"x", Content_Type="text/plain").status == 415
        first.sendall(DATA[SENT:])
        assert first.recv(4096).startswith(b"HTTP/1.1 204")
    assert tus.offset(url) == len(DATA)


def test_many_newcomers(site):
    """One of them gets it."""
    tus = site.tus("loopback")
    url = tus.made(len(DATA))
    with begin(tus, url, DATA[:SENT]):
        time.sleep(2 * SILENT)
        answers = []

        def come():
            answers.append(tus.patch(url, SENT, DATA[SENT:]))
        threads = [threading.Thread(target=come) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        statuses = [answer.status for answer in answers]
        assert statuses.count(204) == 1 and set(statuses) <= {204, 409, 413, 423}, answers
    assert tus.offset(url) == len(DATA)
    assert [r["digest"] for r in tus.daemon.ls()] == [hashlib.sha256(DATA).hexdigest()]


# ---- flowing ones ----

class Drip:
    """Sends data in little pieces, beside the test; .sent is what it has sent, .failure why it could not go on."""

    def __init__(self, sock, data, size):
        self.sock, self.pieces = sock, [data[at:at + size] for at in range(0, len(data), size)]
        self.sent, self.failure = 0, None
        self.thread = threading.Thread(target=self.run)
        self.thread.start()

    def run(self):
        for piece in self.pieces:
            try:
                self.sock.sendall(piece)
            except OSError as failure:
                self.failure = failure
                return
            self.sent += len(piece)
            time.sleep(0.1)


def assert_keeps_it(tus, url, drip):
    """While it drips, everybody else hears 423."""
    asked = 0
    while drip.thread.is_alive():
        for answer in (tus.head(url), tus.patch(url, SENT, DATA[SENT:]), tus.delete(url)):
            if drip.thread.is_alive():
                assert answer.status == 423, (answer, drip.sent)
                asked += 1
        time.sleep(0.3)
    assert drip.failure is None and asked > 3


@pytest.mark.parametrize("kind", ["unix", "loopback", "tls"])
def test_slow_writer_keeps_it(make_daemon, kind):
    """Three times as long as silence would have been allowed; then it finishes."""
    tus = Site(make_daemon, silent="3 s").tus(kind)
    url = tus.made(len(DATA))
    with begin(tus, url, DATA[:SENT]) as first:
        assert_keeps_it(tus, url, Drip(first, DATA[SENT:SENT + 90], 1))
        first.sendall(DATA[SENT + 90:])
        assert first.recv(4096).startswith(b"HTTP/1.1 204")
    assert tus.offset(url) == len(DATA)
    assert [r["digest"] for r in tus.daemon.ls()] == [hashlib.sha256(DATA).hexdigest()]


class Records:
    """TLS whose records the test sends itself, so that it can stop in the middle of one."""

    def __init__(self, tus):
        self.incoming, self.outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.tls = tus.context.wrap_bio(self.incoming, self.outgoing, server_hostname=tus.address[0])
        self.sock = socket.create_connection(tus.address, tus.timeout)
        self.until(self.tls.do_handshake)

    def until(self, call):
        while True:
            try:
                result = call()
                self.sock.sendall(self.outgoing.read())
                return result
            except ssl.SSLWantReadError:
                self.sock.sendall(self.outgoing.read())
                self.incoming.write(self.sock.recv(65536))

    def sealed(self, data):
        """What goes over the wire for data."""
        self.tls.write(data)
        return self.outgoing.read()

    def begin(self, tus, url, body):
        head = (f"PATCH {url} HTTP/1.1\r\nHost: x\r\nTus-Resumable: 1.0.0\r\nAuthorization: Bearer {tus.token}\r\nUpload-Offset: 0\r\n"
                f"Content-Type: {OFFSET}\r\nContent-Length: {len(DATA)}\r\n\r\n")
        self.sock.sendall(self.sealed(head.encode()) + b"".join(self.sealed(body[at:at + 16384]) for at in range(0, len(body), 16384)))
        wait_writer(tus, url)


def test_silent_in_the_middle_of_a_record(site):
    tus = site.tus("tls")
    url, first = tus.made(len(DATA)), Records(tus)
    with first.sock:
        first.begin(tus, url, DATA[:SENT])
        first.sock.sendall(first.sealed(DATA[SENT:SENT + 16384])[:9000])
        answer = wait_free(tus, lambda: tus.head(url))
        assert answer["Upload-Offset"] == str(SENT), answer
    finish(tus, url, SENT)


def test_record_that_comes_slowly(make_daemon):
    """The service hears nothing until the record is whole; its bytes flow all the same."""
    tus = Site(make_daemon, silent="3 s").tus("tls")
    url, first = tus.made(len(DATA)), Records(tus)
    with first.sock:
        first.begin(tus, url, DATA[:SENT])
        record = first.sealed(DATA[SENT:SENT + 16384])
        assert_keeps_it(tus, url, Drip(first.sock, record, len(record) // 90))
        for at in range(SENT + 16384, len(DATA), 16384):
            first.sock.sendall(first.sealed(DATA[at:at + 16384]))
        assert first.until(lambda: first.tls.read(4096)).startswith(b"HTTP/1.1 204")
    assert tus.offset(url) == len(DATA)


# ---- the real client over a network that dies ----

@pytest.fixture(scope="session", name="modules")
def modules_of_the_client():
    return installed_client()


class Network:
    """A TCP proxy that dies without a word once clients have brought so many bytes: nothing of that connection is forwarded any more in
    either direction, and the server's side stays open. told: the client's side is reset. Later connections are good."""

    def __init__(self, target, dies_at, told):
        self.target, self.dies_at, self.told = target, dies_at, told
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.address = self.listener.getsockname()
        self.dead, self.clients, self.brought = threading.Event(), set(), 0
        self.ended, self.end = socket.socketpair()
        self.thread = threading.Thread(target=self.run)
        self.thread.start()

    def run(self):
        others = {}  # of each socket; None: dead
        while True:
            ready, _, _ = select.select([self.listener, self.ended, *(s for s, other in others.items() if other)], [], [])
            if self.ended in ready:
                break
            for sock in ready:
                if sock is self.listener:
                    client, _ = self.listener.accept()
                    server = socket.create_connection(self.target)
                    others[client], others[server] = server, client
                    self.clients.add(client)
                elif others.get(sock):
                    self.forward(sock, others)
        for sock in others:
            sock.close()

    def forward(self, sock, others):
        other = others[sock]
        try:
            data = sock.recv(65536)
            other.sendall(data)
        except OSError:
            data = b""
        if not data:
            for s in (sock, other):
                del others[s]
                s.close()
        elif sock in self.clients:
            self.brought += len(data)
            if self.brought >= self.dies_at and not self.dead.is_set():
                self.die(sock, other, others)

    def die(self, client, server, others):
        others[client] = others[server] = None
        self.dead.set()
        if self.told:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            del others[client]
            client.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.end.send(b"x")
        self.thread.join()
        self.listener.close()
        self.ended.close()
        self.end.close()


@pytest.mark.parametrize("kind", ["loopback", "tls"])
@pytest.mark.parametrize("how", ["reset", "silent", "silent-chunks"])
def test_real_client(site, modules, work, kind, how):
    """tus-js-client with its own retryDelays ([0, 1000, 3000, 5000]) finishes, in the same upload. Either it hears of the end (reset), or it
    gives up by itself what has been silent for a second: for the server both are the same."""
    file = make_file(work, "a.mp4", 24_000_000)
    with Network(site.addresses[kind], 9_000_000, told=how == "reset") as network:
        client = Client(site.daemon, modules, work, network.address, site.token("CAM-1"), ca=site.ca if kind == "tls" else None)
        options = {"retryDelays": "default", **({"chunkSize": 6_000_000} if how == "silent-chunks" else {})}
        code, lines = client.run(file, options, patience=0 if how == "reset" else 1000)
        assert code == 0, (lines, site.daemon.log()[-3000:])
        assert network.dead.is_set()
    assert len([line for line in lines if "retry" in line]) > 0, lines
    assert len({line["url"] for line in lines if "url" in line}) == 1, lines  # it went on and did not begin again
    assert lines[-1]["success"]["liuhen-sha256"] == digest(file)
    assert_sealed(site.daemon, file)
    site.daemon.wait_idle()
    site.daemon.assert_clean()
