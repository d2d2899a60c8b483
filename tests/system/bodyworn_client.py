# SPDX-License-Identifier: GPL-3.0-or-later
"""A body-worn camera system in the system tests: signs in, and makes the calls of the content destination over plain HTTP or TLS."""
import contextlib
import hashlib
import http.client
import json
import socket
import ssl
import time
import urllib.parse

from conftest import TIMEOUT, merge
from ports import free_port
from upload_client import curl

SERIAL = "BWS-0001"
CAMERA = "ACCC8EAA0001"
SYSTEM = "5f0c3d52-6f0a-4d5f-9b8a-9f7f3c9d1e11"
USER = "0b7c1f7e-9d0a-4a53-8d8e-3f2b6f7a1c55"


def open_door(make_daemon, config=None, **kwargs):
    """A running daemon with plain HTTP on loopback, and its URL."""
    port = free_port()
    daemon = make_daemon(config=merge({"http": {"loopback": f"127.0.0.1:{port}"}}, config or {}), **kwargs).start()
    return daemon, f"http://127.0.0.1:{port}"


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


def stamp(t, form="%Y%m%dT%H%M%SZ"):
    return time.strftime(form, time.gmtime(t))


def iso(t):
    return stamp(t, "%Y-%m-%dT%H:%M:%SZ")


class Session:
    """What one camera brings home: two clips, a bookmark, a trail. Begun an hour ago."""

    def __init__(self, media, suffix="mkv"):
        self.start = int(time.time()) - 3600
        self.name = f"{USER}_{CAMERA}_{stamp(self.start)}"
        self.clips = {}
        for i in range(2):
            path = media("video", seconds=1 + i)
            self.clips[f"{stamp(self.start + 60 * i, '%Y%m%d_%H%M%S')}_a1b2.{suffix}"] = path.read_bytes()
        self.mark = f"bookmark_{stamp(self.start + 30)}_7"
        self.trail_name = f"{stamp(self.start, '%Y%m%d_%H%M%S')}_a1b2_{CAMERA}_gpstrail.json"
        self.trail = json.dumps({"CoordinateEntries": [
            {"LocationWKT": f"POINT(123.{70 + i} 41.{20 + i})", "SecondsFromStart": 10.0 * i, "Timestamp": iso(self.start + 10 * i)}
            for i in range(5)]}).encode()

    def metadata(self, **more):
        return {"Bwcserialnumber": CAMERA, "Scuserialnumber": "SCU7", "Firmwareversion": "11.5.20", "Userid": USER,
                "Triggeron": "Button", "Triggerontime": str(self.start), "Triggerontimeiso": iso(self.start),
                "Triggeronlocation": f"41.2 123.7 4.5 {self.start}", "Starttime": str(self.start), "Starttimeiso": iso(self.start),
                "Timezone": "Asia/Shanghai", "Bwcmodel": "W120", "Status": "Transferring", **more}

    def end(self):
        stop = self.start + 120
        return {"Triggeroff": "Button", "Triggerofftime": str(stop), "Triggerofftimeiso": iso(stop), "Triggerofflocation":
                f"41.24 123.74 5 {stop}", "Stoptime": str(stop), "Stoptimeiso": iso(stop), "Status": "Complete"}

    def clip_times(self, name):
        began = self.start + 60 * sorted(self.clips).index(name)
        return {"Starttime": str(began), "Starttimeiso": iso(began), "Stoptime": str(began + 1), "Stoptimeiso": iso(began + 1),
                "Containertype": name.rsplit(".", 1)[1]}

    def settings(self, bws):
        """System, Users, Devices."""
        for name in ("System", "Users", "Devices"):
            assert bws.container(name).status in (201, 202)
        assert bws.put("System", SYSTEM, b"", {"Connectionid": "c-1", "Systemname": "本溪 三楼"}).status == 201
        assert bws.put("Users", USER, b"", {"Name": "李 警官", "Userid": "0417", "Active": "True"}).status == 201
        assert bws.put("Devices", CAMERA, b"", {"Name": "胸前 7", "Model": "W120", "Active": "True"}).status == 201

    def play(self, bws):
        """All of it, in a camera system's order."""
        self.settings(bws)
        assert bws.container(self.name, self.metadata()).status in (201, 202)
        answers = {}
        for name, data in self.clips.items():
            answers[name] = bws.put(self.name, name, data, self.clip_times(name), {"ETag": md5(data), "Expect": "100-continue"})
        answers[self.mark] = bws.put(self.name, self.mark, "当事人 拒绝签字".encode(), {
            "Categoryid": "hold-refusal", "Categoryname": "refusal", "Tags": "TriggerOn:Button;Floor:3",
            "Starttime": iso(self.start + 30), "Endtime": iso(self.start + 40)})
        answers[self.trail_name] = bws.put(self.name, self.trail_name, self.trail, {"Filetype": "json"})
        for name, answer in answers.items():
            assert answer.status == 201, (name, answer)
        assert bws.container(self.name, self.end(), "POST").status == 204
        return {name: answer.headers["x-liuhen-recording"] for name, answer in answers.items()}
