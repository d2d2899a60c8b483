# SPDX-License-Identifier: GPL-3.0-or-later
"""Delivering over HTTP in the system tests: real curl, and raw sockets for what curl does not send."""
import contextlib
import hashlib
import json
import os
import pathlib
import socket
import subprocess
import tempfile
import time

from conftest import TIMEOUT


class Answer:
    """status, headers (names in lower case), body, .json; .sent: how many bytes of the body curl sent."""

    def __init__(self, status, headers, body, sent=None):
        self.status, self.headers, self.body, self.sent = status, headers, body, sent

    @property
    def json(self):
        return json.loads(self.body)

    @property
    def error(self):
        """The error's text, for messages of tests and for searching."""
        return self.json["error"]

    def __repr__(self):
        return f"{self.status} {self.headers} {self.body[:600]!r}"


def parse_answer(raw):
    """The first final answer in what came over a socket; None when there is none."""
    while raw:
        head, found, body = raw.partition(b"\r\n\r\n")
        if not found:
            return None
        lines = head.decode("latin-1").split("\r\n")
        status = int(lines[0].split()[1])
        if status >= 200:
            headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines[1:])}
            return Answer(status, headers, body[:int(headers.get("content-length", len(body)))])
        raw = body
    return None


def curl(daemon, *args, url="http://liuhen", over_socket=True, timeout=TIMEOUT * 2):
    """curl with these arguments against the daemon; the argument that begins with '/' is the path. What cannot be an answer (a
    connection that ended) has status 0."""
    words = [f"{url}{a}" if isinstance(a, str) and a.startswith("/") and not os.path.exists(a) else str(a) for a in args]
    way = ["--unix-socket", str(daemon.socket)] if over_socket else []
    with tempfile.TemporaryDirectory(prefix="lh-curl-") as folder:
        head, body = pathlib.Path(folder, "head"), pathlib.Path(folder, "body")
        done = subprocess.run(["curl", "-sS", "-g", "--path-as-is", "-D", head, "-o", body, "-w", "%{http_code} %{size_upload}", *way, *words],
                              stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=timeout, check=False)
        status, _, sent = done.stdout.partition(" ")
        lines = head.read_bytes().decode("latin-1").split("\r\n") if head.exists() else []
        headers = {n.lower(): v.strip() for n, _, v in (line.partition(":") for line in lines if not line.startswith("HTTP/"))}
        return Answer(int(status or 0), headers, body.read_bytes() if body.exists() else done.stderr.encode(), int(sent or 0))


def put(daemon, file, name="clip.bin", *args, query=""):
    """PUT of a file by curl -T."""
    return curl(daemon, "-T", file, f"/upload/{name}{query}", *args)


class Raw:
    """A connection to the daemon's socket that sends what it is told and reads what comes."""

    def __init__(self, daemon):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(TIMEOUT)
        self.socket.connect(str(daemon.socket))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()

    def send(self, data):
        """Sends; a daemon that has answered and closed already is no fault."""
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            self.socket.sendall(data)
        return self

    def head(self, method, path, *headers, length=None):
        lines = [f"{method} {path} HTTP/1.1", "Host: x", *headers, *([f"Content-Length: {length}"] if length is not None else [])]
        return self.send("\r\n".join([*lines, "", ""]).encode("utf-8", "surrogateescape"))

    def answer(self, raw=b""):
        """Reads on from raw until an answer is whole or the connection ends; None: it ended without one."""
        while True:
            found = parse_answer(raw)
            if found and len(found.body) >= int(found.headers.get("content-length", 0)):
                return found
            try:
                more = self.socket.recv(65536)
            except ConnectionResetError:
                more = b""
            if not more:
                return found
            raw += more

    def until(self, text):
        """Reads until text has come (an interim answer)."""
        raw = b""
        while text not in raw:
            more = self.socket.recv(65536)
            assert more, f"the connection ended after {raw!r}"
            raw += more


def part(data, name="file", filename=None, *headers):
    """One part of a form."""
    shown = f'; filename="{filename}"' if filename is not None else ""
    lines = [f'Content-Disposition: form-data; name="{name}"{shown}', *headers, "", ""]
    return "\r\n".join(lines).encode("utf-8", "surrogateescape") + data


def form(*parts, boundary="XX"):
    mark = f"--{boundary}".encode()
    return b"".join(mark + b"\r\n" + p + b"\r\n" for p in parts) + mark + b"--\r\n"


FORM = "Content-Type: multipart/form-data; boundary=XX"


def post_form(daemon, body, *headers):
    """POST /upload of a form as these bytes."""
    with Raw(daemon) as c:
        return c.head("POST", "/upload", FORM, *headers, length=len(body)).send(body).answer()


def staging(daemon):
    """What lies in staging."""
    return sorted(p.name for p in (daemon.archive / "staging").iterdir())


def wait_no_staging(daemon):
    """Waits until staging is empty: what was thrown away goes when the daemon sees that its sender has."""
    end = time.monotonic() + TIMEOUT
    while staging(daemon):
        assert time.monotonic() < end, f"left in staging: {staging(daemon)}\n{daemon.log()}"
        time.sleep(0.02)


def content(daemon, recording):
    """The bytes of a recording in the store."""
    name = hashlib.sha256(f"urn:liuhen:{recording}".encode()).hexdigest()
    found = [p for p in (daemon.archive / "objects" / name[:2] / name / "v1/content").iterdir() if p.name != "arrival.json"]
    assert len(found) == 1, f"{recording}: {found}"
    return found[0].read_bytes()
