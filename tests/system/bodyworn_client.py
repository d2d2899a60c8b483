# SPDX-License-Identifier: GPL-3.0-or-later
"""A body-worn camera system in the system tests: signs in, and makes the calls of the content destination over plain HTTP or TLS."""
import contextlib
import hashlib
import http.client
import json
import random
import socket
import ssl
import urllib.parse

from conftest import TIMEOUT
from upload_client import curl

SERIAL = "BWS-0001"
CAMERA = "ACCC8EAA0001"
USER = "0b7c1f7e-9d0a-4a53-8d8e-3f2b6f7a1c55"


def free_port():
    """A TCP port of loopback that nobody uses now, below those that the kernel gives to clients."""
    for _ in range(100):
        with contextlib.suppress(OSError), socket.socket() as s:
            s.bind(("127.0.0.1", random.randrange(18000, 31000)))
            return s.getsockname()[1]
    raise AssertionError("no free port")


def api(daemon, method, path, body=None):
    """A JSON call over the unix socket, which must succeed."""
    args = ["-X", method, path]
    if body is not None:
        args += ["-H", "Content-Type: application/json", "-d", json.dumps(body)]
    answer = curl(daemon, *args)
    assert answer.status in (200, 201), answer
    return answer.json


def register(daemon, serial=SERIAL, kind="system", **more):
    """A device with a token; returns (its ULID, the token)."""
    device = api(daemon, "POST", "/v1/devices", {"serial": serial, "kind": kind, **more})
    return device["id"], api(daemon, "POST", f"/v1/devices/{serial}/token", {})["token"]


class Answer:
    def __init__(self, response, body):
        self.status, self.body = response.status, body
        self.headers = {k.lower(): v for k, v in response.getheaders()}

    @property
    def json(self):
        return json.loads(self.body)

    def __repr__(self):
        return f"{self.status} {self.headers} {self.body[:600]!r}"


def meta(prefix, values):
    return {f"X-{prefix}-Meta-{k}": urllib.parse.quote(v, safe=" :;,") for k, v in (values or {}).items()}


class CameraSystem:
    """url: of the daemon, "http://127.0.0.1:1" or https; cafile: what it trusts."""

    def __init__(self, url, user=SERIAL, key="", cafile=None):
        self.url, self.user, self.key = urllib.parse.urlsplit(url), user, key
        self.context = ssl.create_default_context(cafile=cafile) if self.url.scheme == "https" else None
        self.token, self.storage = None, None

    def connect(self):
        if self.context:
            return http.client.HTTPSConnection(self.url.hostname, self.url.port, timeout=TIMEOUT, context=self.context)
        return http.client.HTTPConnection(self.url.hostname, self.url.port, timeout=TIMEOUT)

    def raw(self, method, path, headers=None, body=None, chunked=False):
        with contextlib.closing(self.connect()) as c:
            c.request(method, path, body=body, headers=headers or {}, encode_chunked=chunked)
            response = c.getresponse()
            return Answer(response, response.read())

    def sign_in(self):
        answer = self.raw("GET", "/auth/v1.0", {"X-Auth-User": self.user, "X-Auth-Key": self.key})
        if answer.status == 200:
            self.token, self.storage = answer.headers["x-auth-token"], answer.headers["x-storage-url"]
        return answer

    def call(self, method, path="", headers=None, body=None, **kwargs):
        """path below the account, encoded already; signs in first, and again after a 401."""
        if not self.token:
            answer = self.sign_in()
            assert answer.status == 200, answer
        target = urllib.parse.urlsplit(self.storage).path + path
        answer = self.raw(method, target, {"X-Auth-Token": self.token, **(headers or {})}, body, **kwargs)
        if answer.status == 401 and self.sign_in().status == 200:
            answer = self.raw(method, target, {"X-Auth-Token": self.token, **(headers or {})}, body, **kwargs)
        return answer

    def container(self, name, values=None, method="PUT"):
        return self.call(method, f"/{urllib.parse.quote(name)}", meta("Container", values))

    def put(self, container, name, data=b"", values=None, headers=None, **kwargs):
        return self.call("PUT", f"/{urllib.parse.quote(container)}/{urllib.parse.quote(name)}",
                         {**meta("Object", values), **(headers or {})}, data, **kwargs)

    def post(self, container, name, values):
        return self.call("POST", f"/{urllib.parse.quote(container)}/{urllib.parse.quote(name)}", meta("Object", values))

    def get(self, container, name, method="GET"):
        return self.call(method, f"/{urllib.parse.quote(container)}/{urllib.parse.quote(name)}")


def md5(data):
    return hashlib.md5(data, usedforsecurity=False).hexdigest()
