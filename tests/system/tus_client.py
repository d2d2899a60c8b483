# SPDX-License-Identifier: GPL-3.0-or-later
"""Clients of tus: Tus does exactly what a test says, also what no good client would; Client runs tus-js-client. Both over the unix socket
as a person, or over loopback with a device's token."""
import array
import base64
import contextlib
import fcntl
import hashlib
import http.client
import json
import os
import random
import shutil
import socket
import subprocess
import termios

import pytest

from conftest import ROOT

OFFSET = "application/offset+octet-stream"


class UnixConnection(http.client.HTTPConnection):
    """http.client over a unix socket."""

    def __init__(self, path, timeout):
        super().__init__("localhost", timeout=timeout)
        self.path = str(path)

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self.path)


class Answer:
    """Status, headers (names without case) and body."""

    def __init__(self, answer):
        self.status, self.headers, self.body = answer.status, answer.headers, answer.read()

    def __getitem__(self, name):
        return self.headers[name]

    def __repr__(self):
        return f"{self.status} {dict(self.headers)} {self.body[:400]!r}"


def metadata(**pairs):
    """An Upload-Metadata header of texts, bytes and numbers."""
    def encode(value):
        return base64.b64encode(value if isinstance(value, bytes) else str(value).encode()).decode()
    return ",".join(f"{key} {encode(value)}" for key, value in pairs.items())


def checksum(algorithm, data):
    """An Upload-Checksum header."""
    return f"{algorithm} {base64.b64encode(hashlib.new(algorithm, data).digest()).decode()}"


class Tus:
    """Requests to one daemon. address: (host, port), or None for its unix socket; context: for TLS there."""

    def __init__(self, daemon, address=None, token=None, timeout=60, context=None):
        self.daemon, self.address, self.token, self.timeout, self.context = daemon, address, token, timeout, context

    def connection(self):
        if self.context:
            return http.client.HTTPSConnection(*self.address, timeout=self.timeout, context=self.context)
        if self.address:
            return http.client.HTTPConnection(*self.address, timeout=self.timeout)
        return UnixConnection(self.daemon.socket, self.timeout)

    def request(self, method, path, headers=None, body=None, version="1.0.0", **more):
        """One request on a connection of its own. headers: a dict, or pairs where a name comes twice. body: bytes, or a list of bytes,
        which is sent chunked. more: headers with '_' for '-'; those that are None are not sent."""
        pairs = list(headers.items() if isinstance(headers, dict) else headers or [])
        pairs += [(name.replace("_", "-"), value) for name, value in more.items()]
        if version is not None:
            pairs.append(("Tus-Resumable", version))
        if self.token:
            pairs.append(("Authorization", f"Bearer {self.token}"))
        with contextlib.closing(self.connection()) as connection:
            connection.putrequest(method, path, skip_accept_encoding=True)
            for name, value in pairs:
                if value is not None:
                    connection.putheader(name, str(value))
            if isinstance(body, list):
                connection.putheader("Transfer-Encoding", "chunked")
                connection.endheaders()
                with contextlib.suppress(ConnectionError):  # refused meanwhile: the answer says why
                    for piece in body:
                        connection.send(b"%x\r\n%s\r\n" % (len(piece), piece))
                    connection.send(b"0\r\n\r\n")
            else:
                connection.putheader("Content-Length", str(len(body or b"")))
                connection.endheaders()
                with contextlib.suppress(ConnectionError):
                    connection.send(body or b"")
            return Answer(connection.getresponse())

    def create(self, length=None, body=None, **more):
        """POST /tus; more: headers. Returns the answer."""
        if body is not None:
            more.setdefault("Content_Type", OFFSET)
        return self.request("POST", "/tus", body=body, Upload_Length=length, **more)

    def made(self, length=None, **more):
        """The Location of a new upload."""
        answer = self.create(length, **more)
        assert answer.status == 201, answer
        return answer["Location"]

    def patch(self, url, offset, body=b"", **more):
        more.setdefault("Content_Type", OFFSET)
        return self.request("PATCH", url, body=body, Upload_Offset=offset, **more)

    def head(self, url, **more):
        return self.request("HEAD", url, **more)

    def get(self, url, **more):
        return self.request("GET", url, version=None, **more)

    def delete(self, url, **more):
        return self.request("DELETE", url, **more)

    def offset(self, url):
        """Where the upload stands; None when it is not there. Waits while somebody writes to it."""
        answer = None
        def free():
            nonlocal answer
            answer = self.head(url)
            return answer.status != 423
        self.daemon.wait(free, "end of writing")
        assert answer.status in (200, 404), answer
        return int(answer["Upload-Offset"]) if answer.status == 200 else None

    def begin(self, method, path, headers, body=b""):
        """A raw socket with a request and the begin of its body sent: the rest is the caller's."""
        head = f"{method} {path} HTTP/1.1\r\nHost: localhost\r\nTus-Resumable: 1.0.0\r\n"
        if self.token:
            head += f"Authorization: Bearer {self.token}\r\n"
        for name, value in headers.items():
            head += f"{name}: {value}\r\n"
        if self.address:
            sock = socket.create_connection(self.address, self.timeout)
            if self.context:
                sock = self.context.wrap_socket(sock, server_hostname=self.address[0])
        else:
            sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            sock.settimeout(self.timeout)
            sock.connect(str(self.daemon.socket))
        sock.sendall(head.encode() + b"\r\n" + body)
        return sock


def was_read(sock):
    """Whether the daemon has read all that was sent on a unix socket: what is still in the kernel when a client goes is lost with it."""
    left = array.array("i", [0])
    fcntl.ioctl(sock, termios.TIOCOUTQ, left)
    return left[0] == 0


UNREACHABLE = ("ENOTFOUND", "EAI_AGAIN", "ECONNREFUSED", "ECONNRESET", "ETIMEDOUT", "ENETUNREACH", "EHOSTUNREACH", "ERR_SOCKET_TIMEOUT")


def installed_client():
    """build/tus with the client that the lockfile pins; made once."""
    source, folder = ROOT / "tests/tus", ROOT / "build/tus"
    folder.mkdir(parents=True, exist_ok=True)
    with open(folder / "lock", "w", encoding="utf-8") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # tests run side by side
        wanted, stamp = (source / "package-lock.json").read_text(encoding="utf-8"), folder / "installed"
        if not stamp.exists() or stamp.read_text(encoding="utf-8") != wanted:
            for name in ("package.json", "package-lock.json"):
                shutil.copyfile(source / name, folder / name)
            done = subprocess.run(["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"], cwd=folder, check=False,
                                  stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=300)
            if done.returncode != 0 and any(word in done.stderr for word in UNREACHABLE):
                pytest.skip("npm reaches no registry: " + next(word for word in UNREACHABLE if word in done.stderr))
            assert done.returncode == 0, done.stderr
            stamp.write_text(wanted, encoding="utf-8")
    return folder


class Client:
    """Runs tests/tus/upload.js against a daemon."""

    def __init__(self, daemon, modules, work, address=None, token=None, ca=None):
        """ca: a file with the authority of the server's certificate; it speaks TLS then."""
        self.daemon, self.modules, self.work, self.address, self.token, self.ca = daemon, modules, work, address, token, ca

    def command(self, file, options=None, **job):
        host = f"{self.address[0]}:{self.address[1]}" if self.address else "localhost"
        options = {"endpoint": f"{'https' if self.ca else 'http'}://{host}/tus", **(options or {})}
        if self.token:
            options["headers"] = {"Authorization": f"Bearer {self.token}"}
        job.update(modules=str(self.modules), file=str(file), options=options)
        if not self.address:
            job["socket"] = str(self.daemon.socket)
        return ["node", str(ROOT / "tests/tus/upload.js"), json.dumps(job)]

    def environment(self):
        return {**os.environ, **({"NODE_EXTRA_CA_CERTS": str(self.ca)} if self.ca else {})}

    def start(self, file, options=None, **job):
        return subprocess.Popen(self.command(file, options, **job), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True,
                                cwd=self.work, env=self.environment())

    def run(self, file, options=None, stdin=None, **job):
        """Uploads; returns (exit code, the lines that were said). stdin: a file to send as a stream instead."""
        job["stdin"] = stdin is not None
        with open(stdin or os.devnull, "rb") as source:
            done = subprocess.run(self.command(file, options, **job), stdin=source, capture_output=True, text=True, cwd=self.work,
                                  env=self.environment(), timeout=300, check=False)
        lines = [json.loads(line) for line in done.stdout.splitlines()]
        assert done.returncode != 0 or "success" in lines[-1], done
        return done.returncode, lines

    def upload(self, file, options=None, **job):
        """Uploads, which must work; returns the last line."""
        code, lines = self.run(file, options, **job)
        assert code == 0, (lines, self.daemon.log()[-3000:])
        return lines[-1]


def digest(path):
    with open(path, "rb") as f:
        return hashlib.file_digest(f, "sha256").hexdigest() if hasattr(hashlib, "file_digest") else \
            hashlib.sha256(f.read()).hexdigest()


def make_file(folder, name, size, seed=1):
    """A file of random bytes."""
    source = random.Random(seed)
    with open(folder / name, "wb") as f:
        for at in range(0, size, 1 << 20):
            f.write(source.randbytes(min(1 << 20, size - at)))
    return folder / name


def assert_sealed(daemon, *files):
    """Exactly these are in the archive."""
    assert sorted(r["digest"] for r in daemon.ls()) == sorted({digest(f) for f in files}), daemon.log()[-3000:]
