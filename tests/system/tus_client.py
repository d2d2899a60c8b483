# SPDX-License-Identifier: GPL-3.0-or-later
"""A tus client that does exactly what a test says, also what no good client would: over the unix socket as a person, or over loopback
with a device's token."""
import base64
import contextlib
import hashlib
import http.client
import socket

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
    """Requests to one daemon. address: (host, port), or None for its unix socket."""

    def __init__(self, daemon, address=None, token=None, timeout=60):
        self.daemon, self.address, self.token, self.timeout = daemon, address, token, timeout

    def connection(self):
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
        else:
            sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            sock.settimeout(self.timeout)
            sock.connect(str(self.daemon.socket))
        sock.sendall(head.encode() + b"\r\n" + body)
        return sock


def free_port():
    """A port on loopback that nobody has now."""
    with contextlib.closing(socket.socket()) as sock:
        sock.bind(("127.0.0.1", 0))
        return sock.getsockname()[1]
