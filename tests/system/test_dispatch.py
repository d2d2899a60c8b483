# SPDX-License-Identifier: GPL-3.0-or-later
"""The table of routes at work over all listeners: what openapi.yaml says is what is there, who may what over which listener, content
with its ranges and views, receipts for bytes, socket activation, certificates.
"""
import base64
import contextlib
import hashlib
import http.client
import json
import os
import socket
import sqlite3
import ssl
import subprocess

import pytest
import yaml

from conftest import ROOT, TIMEOUT
from ports import free_port

jsonschema = pytest.importorskip("jsonschema", reason="python3-jsonschema is not installed (scripts/bootstrap --tests)")

METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]


# Asking

class UnixConnection(http.client.HTTPConnection):
    def __init__(self, path):
        super().__init__("localhost", timeout=TIMEOUT)
        self.path = str(path)

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self.path)


class Answer:
    def __init__(self, response):
        self.status, self.headers, self.body = response.status, response.headers, response.read()

    @property
    def json(self):
        return json.loads(self.body)


def ask(connection, method, target, body=None, headers=None):
    with contextlib.closing(connection):
        connection.request(method, target, body, headers or {})
        return Answer(connection.getresponse())


def unix(daemon, method, target, body=None, **headers):
    return ask(UnixConnection(daemon.socket), method, target, body, headers)


def unix_json(daemon, method, target, **body):
    return ask(UnixConnection(daemon.socket), method, target, json.dumps(body), {"Content-Type": "application/json"})


def tcp(daemon, method, target, body=None, **headers):
    port = int(daemon.config["http"]["loopback"].rsplit(":", 1)[1])
    return ask(http.client.HTTPConnection("127.0.0.1", port, timeout=TIMEOUT), method, target, body, headers)


@pytest.fixture
def house(make_daemon):
    """A daemon that also listens on loopback."""
    return make_daemon({"http": {"loopback": f"127.0.0.1:{free_port()}"}}).start()


def leaf_of(answer):
    """What the receipt is of; its proof is to the newest checkpoint, which later acts move on."""
    return {**answer, "receipt": answer["receipt"].splitlines()[:3]}


def token_of(daemon, serial, **more):
    """Registers a device; returns its token."""
    assert unix_json(daemon, "POST", "/v1/devices", serial=serial, **more).status == 201
    return unix_json(daemon, "POST", f"/v1/devices/{serial}/token").json["token"]


def bearer(token):
    return {"Authorization": f"Bearer {token}"}


# openapi.yaml

class OneOfEach(yaml.SafeLoader):
    """YAML whose keys stand once; PyYAML alone would take the last."""

    def construct_mapping(self, node, deep=False):
        keys = [key.value for key, _ in node.value]
        assert len(keys) == len(set(keys)), f"openapi.yaml:{node.start_mark.line + 1}: a key stands twice: {keys}"
        return super().construct_mapping(node, deep)


@pytest.fixture(scope="module")
def described():
    return yaml.load((ROOT / "openapi.yaml").read_text(encoding="utf-8"), OneOfEach)


def references(node):
    if isinstance(node, dict):
        if "$ref" in node:
            yield node["$ref"]
        for value in node.values():
            yield from references(value)
    elif isinstance(node, list):
        for value in node:
            yield from references(value)


def resolve(document, reference):
    assert reference.startswith("#/")
    for part in reference[2:].split("/"):
        document = document[part]
    return document


# What OpenAPI 3.1.0 asks of the parts that we use (its sections 4.8.1 to 4.8.27).
SHAPE = {
    "type": "object",
    "required": ["openapi", "info", "paths", "components"],
    "additionalProperties": False,
    "properties": {
        "openapi": {"pattern": r"^3\.1\.\d+$"},
        "info": {"type": "object", "required": ["title", "version"]},
        "servers": {"type": "array", "items": {"type": "object", "required": ["url"]}},
        "paths": {"patternProperties": {"^/": {"$ref": "#/$defs/item"}}, "additionalProperties": False},
        "components": {"type": "object"},
    },
    "$defs": {
        "item": {"type": "object", "minProperties": 1, "additionalProperties": False, "properties": {
            "parameters": {"type": "array", "items": {"$ref": "#/$defs/parameter"}},
            **{m.lower(): {"$ref": "#/$defs/operation"} for m in METHODS}}},
        "operation": {"type": "object", "required": ["operationId", "summary", "responses", "security"],
                      "additionalProperties": False, "properties": {
            "operationId": {"type": "string", "pattern": "^[A-Za-z0-9]+$"}, "summary": {"type": "string", "minLength": 1},
            "description": {"type": "string"}, "security": {"type": "array"},
            "parameters": {"type": "array", "items": {"$ref": "#/$defs/parameter"}},
            "requestBody": {"type": "object", "required": ["content"], "properties": {"content": {"$ref": "#/$defs/content"}}},
            "responses": {"type": "object", "required": ["default"], "patternProperties": {
                "^([1-5][0-9][0-9]|default)$": {"anyOf": [{"required": ["$ref"]}, {
                    "required": ["description"], "properties": {"content": {"$ref": "#/$defs/content"}}}]}},
                "additionalProperties": False}}},
        "parameter": {"anyOf": [{"required": ["$ref"]}, {"required": ["name", "in", "schema"], "properties": {
            "in": {"enum": ["path", "query", "header"]}}}]},
        "content": {"type": "object", "minProperties": 1, "propertyNames": {"pattern": "^[a-z]+/[a-z0-9.+-]+$"}},
    },
}


def test_openapi_is_openapi(described):
    jsonschema.Draft202012Validator.check_schema(SHAPE)
    jsonschema.Draft202012Validator(SHAPE).validate(described)
    for reference in references(described):
        resolve(described, reference)
    for name, schema in described["components"]["schemas"].items():
        jsonschema.Draft202012Validator.check_schema(schema)
        assert schema.get("required") is None or set(schema["required"]) <= set(schema["properties"]), name
    ids = [o["operationId"] for item in described["paths"].values() for m, o in item.items() if m != "parameters"]
    assert len(ids) == len(set(ids))
    schemes = set(described["components"]["securitySchemes"])
    for path, item in described["paths"].items():
        in_path = {p["name"] for p in item.get("parameters", [])}
        assert in_path == {part.split("{")[1][:-1] for part in path.split("/") if "{" in part}, path
        for method, operation in item.items():
            if method != "parameters":
                assert {name for wanted in operation["security"] for name in wanted} <= schemes


def test_what_is_described_is_there(house, described):
    """Each path answers each of its methods, and all others with 405 and Allow; over both listeners, where people are asked to sign in."""
    for ask_over in (unix, tcp):
        for path, item in described["paths"].items():
            target = path.replace("{", "").replace("}", "").replace("/openapi.yaml", "/openapi.yaml")
            documented = {m.upper() for m in item if m != "parameters"}
            for method in METHODS:
                if target == "/v1/watch" and method == "GET":
                    continue  # never ends
                answer = ask_over(house, method, target)
                if method in documented:
                    assert answer.status != 405, (method, target)
                    if method != "HEAD" and answer.status == 404:
                        assert "nothing at this address" not in answer.body.decode(), (method, target)
                else:
                    assert answer.status == 405, (method, target, answer.status)
                    assert {m.strip() for m in answer.headers["Allow"].split(",")} == documented, target
                if ask_over is tcp and item.get(method.lower(), {}).get("security") == [{"unixSocket": []}]:
                    assert answer.status == 401 and "WWW-Authenticate" in answer.headers, (method, target)
    assert unix(house, "GET", "/v1/nothing").status == 404
    assert tcp(house, "PUT", "/v1/").status == 400


def test_openapi_is_served(house, build):
    text = (ROOT / "openapi.yaml").read_bytes()
    for answer in (unix(house, "GET", "/openapi.yaml"), tcp(house, "GET", "/openapi.yaml")):
        assert (answer.status, answer.body) == (200, text)
        assert answer.headers["Content-Type"].startswith("application/yaml")
    head = tcp(house, "HEAD", "/openapi.yaml")
    assert (head.status, head.body, int(head.headers["Content-Length"])) == (200, b"", len(text))
    assert subprocess.run([build / "liuhend", "--dump-openapi"], capture_output=True, check=True).stdout == text


def test_answers_are_as_described(house, described, media):
    """Real answers fit the schemas that are described for them."""
    house.drop("a.mp4", media("video"))
    recording = house.wait_sealed(1)[0]["id"]
    house.wait_idle()
    token = token_of(house, "CAM-1")

    def check(method, path, answer):
        operation = described["paths"][path][method.lower()]
        response = operation["responses"].get(str(answer.status))
        if response is None:
            response = resolve(described, operation["responses"]["default"]["$ref"])
            assert answer.status >= 400, (method, path, answer.status, answer.body)
        schema = {"$ref": response["content"]["application/json"]["schema"]["$ref"], "components": described["components"]}
        jsonschema.Draft202012Validator(schema).validate(answer.json)
        return answer.json

    def got(path, target=None):
        answer = unix(house, "GET", target or path)
        assert answer.status == 200, (path, answer.body)
        return check("GET", path, answer)

    case = unix_json(house, "POST", "/v1/cases", number="1", procedure="general")
    assert case.status == 201
    check("POST", "/v1/cases", case)
    linked = unix_json(house, "POST", "/v1/links", recording=recording, case="1")
    assert linked.status == 200
    check("POST", "/v1/links", linked)
    hold = unix_json(house, "POST", "/v1/holds", recording=recording, ground="complaint")
    assert hold.status == 201
    check("POST", "/v1/holds", hold)
    for path in ("/v1/status", "/v1/recordings", "/v1/cases", "/v1/holds", "/v1/quarantine", "/v1/ledger/key", "/v1/devices"):
        got(path)
    for path in ("", "/explain", "/history"):
        got("/v1/recordings/{recording}" + path, f"/v1/recordings/{recording}{path}")
    got("/v1/cases/{case}", "/v1/cases/1")
    got("/v1/devices/{device}", "/v1/devices/CAM-1")
    put = tcp(house, "PUT", "/upload/b.bin", b"bytes", **bearer(token))
    assert put.status == 201
    receipt = check("PUT", "/upload/{name}", put)
    assert leaf_of(got("/v1/receipts/{sha256}", f"/v1/receipts/{receipt['sha256']}")) == leaf_of({**receipt, "again": True})
    for method, path, target in (("GET", "/v1/recordings/{recording}", "/v1/recordings/ZZZZ"),
                                 ("POST", "/v1/cases", "/v1/cases"), ("PUT", "/upload/{name}", "/upload/x")):
        check(method, path, tcp(house, method, target, b""))


# Who may what

def test_people_over_tcp(house):
    """Over TCP a person's requests are answered 401, also with a device's token; what is open to everybody is not."""
    token = token_of(house, "CAM-1")
    for headers in ({}, bearer(token), bearer("lh_nonsense")):
        answer = tcp(house, "GET", "/v1/status", **headers)
        assert answer.status == 401
        assert answer.json["error"]["right"] == "use the liuhen command there"
    assert tcp(house, "POST", "/v1/cases", b"not even JSON").status == 401
    assert tcp(house, "GET", "/v1/ledger/key").json == unix(house, "GET", "/v1/ledger/key").json


def test_devices_are_known_everywhere(house):
    """A token counts on loopback and, for a proxy in front, on the unix socket; for devices' routes only."""
    token = token_of(house, "CAM-1")
    basic = {"Authorization": "Basic " + base64.b64encode(f"CAM-1:{token}".encode()).decode()}
    for number, (ask_over, headers) in enumerate(((tcp, bearer(token)), (tcp, basic), (unix, bearer(token)), (unix, basic))):
        answer = ask_over(house, "PUT", f"/upload/{number}.bin", str(number).encode() * 100, **headers)
        assert answer.status == 201, answer.body
        house.wait_idle()
        shown = house.cli("show", answer.json["recording"])
        assert (shown["arrival"]["device"], shown["device"]) == ("CAM-1", "CAM-1")
        assert shown["arrival"]["peer"] == ("127.0.0.1" if ask_over is tcp else "unix socket")
    for ask_over in (tcp, unix):
        assert ask_over(house, "PUT", "/upload/x", b"x", **bearer("lh_no")).status == 401
    # a person over the unix socket, under their own name
    mine = unix(house, "PUT", "/upload/mine.bin", b"mine", **{"X-Forwarded-For": "192.0.2.7"})
    assert mine.status == 201
    assert house.cli("show", mine.json["recording"])["arrival"]["peer"].startswith("user:")
    assert tcp(house, "PUT", "/upload/nobody.bin", b"nobody").status == 401


def test_methods_are_overridden_for_tus_only(house):
    token = token_of(house, "CAM-1")
    tus = {"Tus-Resumable": "1.0.0", "X-HTTP-Method-Override": "PATCH", **bearer(token)}
    answer = tcp(house, "POST", "/tus/01JA0000000000000000000001", **tus)
    assert answer.status != 405
    assert tcp(house, "GET", "/v1/ledger/key", **{"X-HTTP-Method-Override": "DELETE"}).status == 200
    assert tcp(house, "POST", "/upload/x", b"x", **{"X-HTTP-Method-Override": "PUT", **bearer(token)}).status == 405


def test_cors_on_every_answer_of_tus(house):
    """Errors of the dispatcher too: a browser's page cannot read them otherwise."""
    origin = {"Origin": "https://console.example"}
    for method, target, status in (("POST", "/tus", 401), ("PATCH", "/tus/x", 401), ("PUT", "/tus", 405), ("OPTIONS", "/tus", 204)):
        answer = tcp(house, method, target, **origin)
        assert answer.status == status
        assert answer.headers["Access-Control-Allow-Origin"], (method, target)
        assert method == "OPTIONS" or "Upload-Offset" in answer.headers["Access-Control-Expose-Headers"]
    assert "Access-Control-Allow-Origin" not in tcp(house, "GET", "/v1/ledger/key", **origin).headers


# Alarms and limits

def test_alarm_after_repeats(house):
    for _ in range(5):
        assert tcp(house, "PUT", "/upload/x", b"x", **bearer("lh_no")).status == 401
    status = house.cli("status")
    assert status["doors"]["denied"] == 5
    assert [a["who"] for a in status["doors"]["alarms"]] == ["address 127.0.0.1"]
    assert any("sign-ins of address 127.0.0.1" in t for t in status["troubles"])
    house.wait_log("5 sign-ins of address 127.0.0.1 were refused")
    house.wait(lambda: house.log().count("a device was refused") >= 5, "what is to be logged")
    assert house.log().count("a device was refused") == 5


def test_quota_holds_after_a_restart(house):
    token = token_of(house, "CAM-1", quota="1000 B")
    assert tcp(house, "PUT", "/upload/big.bin", b"b" * 1001, **bearer(token)).status == 413
    assert tcp(house, "PUT", "/upload/1.bin", b"1" * 600, **bearer(token)).status == 201
    for restart in (False, True):
        if restart:
            house.restart()
        answer = tcp(house, "PUT", "/upload/2.bin", b"2" * 500, **bearer(token))
        assert answer.status == 429
        assert 0 < int(answer.headers["Retry-After"]) <= 86401
    assert tcp(house, "PUT", "/upload/3.bin", b"3" * 400, **bearer(token)).status == 201
    assert len(house.ls()) == 2


# Content

@pytest.fixture
def kept(house):
    data = os.urandom(200_000)
    house.drop("clip 片段.mp4", data)
    recording = house.wait_sealed(1)[0]["id"]
    house.wait_idle()
    return house, recording, data


def views(daemon, recording):
    return [a for a in daemon.cli("history", recording)["acts"] if a["kind"] == "recording.viewed"]


def test_content(kept):
    house, recording, data = kept
    target = f"/v1/recordings/{recording}/content"
    tag = f'"{hashlib.sha256(data).hexdigest()}"'

    head = unix(house, "HEAD", target)
    assert (head.status, head.headers["ETag"], int(head.headers["Content-Length"])) == (200, tag, len(data))
    assert unix(house, "GET", target, Range="bytes=200000-").status == 416
    assert unix(house, "GET", target, **{"If-Match": '"other"'}).status == 412
    assert views(house, recording) == []  # nobody has seen anything yet

    part = unix(house, "GET", target, Range="bytes=1000-1999")
    assert (part.status, part.body) == (206, data[1000:2000])
    assert part.headers["Content-Range"] == f"bytes 1000-1999/{len(data)}"
    whole = unix(house, "GET", target)
    assert (whole.status, whole.body) == (200, data)
    assert whole.headers["ETag"] == tag
    assert whole.headers["Accept-Ranges"] == "bytes"
    assert whole.headers["Content-Type"] == "video/mp4"
    assert whole.headers["Content-Disposition"] == "attachment; filename*=UTF-8''clip%20%E7%89%87%E6%AE%B5.mp4"
    assert whole.headers["X-Content-Type-Options"] == "nosniff"
    assert unix(house, "GET", target, **{"If-None-Match": tag}).status == 304  # a look too: test_open.py

    seen = views(house, recording)  # one view, however many ranges
    assert len(seen) == 1
    assert seen[0]["facts"] == {"from": 1000}
    assert seen[0]["actor"].startswith("user:")
    house.assert_clean()


def test_each_view_is_recorded(kept):
    """Another recording, and the same one ten minutes later, are other views."""
    house, recording, data = kept
    house.drop("b.bin", b"b")
    other = next(r["id"] for r in house.wait_sealed(2) if r["id"] != recording)
    house.wait_idle()
    for one in (recording, other, recording):
        assert unix(house, "GET", f"/v1/recordings/{one}/content").status == 200
    assert (len(views(house, recording)), len(views(house, other))) == (1, 1)
    house.stop()
    house.start(env={"LIUHEN_CLOCK_OFFSET_SEC": "700"})
    assert unix(house, "GET", f"/v1/recordings/{recording}/content").body == data
    assert len(views(house, recording)) == 2


def test_content_is_for_people_on_the_unix_socket(kept):
    house, recording, _ = kept
    token = token_of(house, "CAM-1")
    assert tcp(house, "GET", f"/v1/recordings/{recording}/content").status == 401
    assert tcp(house, "GET", f"/v1/recordings/{recording}/content", **bearer(token)).status == 401
    assert unix(house, "GET", "/v1/recordings/01ZZZZZZZZZZZZZZZZZZZZZZZZ/content").status == 404
    assert unix(house, "PUT", f"/v1/recordings/{recording}/content", b"x").status == 405
    assert views(house, recording) == []


@pytest.mark.skipif(os.geteuid() != 0, reason="other users are needed: run as root")
def test_people_by_their_roles(make_daemon):
    """An officer delivers and sees what is theirs; the legal office sees all and delivers nothing; others do neither."""
    house = make_daemon({"socket": {"mode": "0666"}, "people": [
        {"user": "root", "roles": ["records"]}, {"user": "nobody", "name": "Li Wei", "roles": ["officer"]},
        {"user": "daemon", "roles": ["legal"]}]}).start()
    os.chmod(house.short, 0o755)
    assert unix(house, "PUT", "/upload/theirs.bin", b"theirs").status == 201

    def curl(user, *args):
        done = subprocess.run(["curl", "-sS", "--unix-socket", house.socket, "-w", "%{stderr}%{http_code}", *args], check=True,
                              capture_output=True, user=user, group="nogroup", extra_groups=[], cwd="/")
        return int(done.stderr), done.stdout

    def upload(user):
        return curl(user, "-X", "PUT", "--data-binary", f"of {user}", f"http://x/upload/{user}.bin")

    status, receipt = upload("nobody")
    assert status == 201
    mine = json.loads(receipt)
    assert upload("daemon")[0] == 403
    assert upload("bin")[0] == 401  # may be a proxy, whose clients wait to be asked
    house.wait_idle()
    shown = house.cli("show", mine["recording"])
    assert (shown["officer"], shown["arrival"]["peer"]) == ("Li Wei", "user:nobody")
    theirs = next(r["id"] for r in house.ls() if r["id"] != mine["recording"])
    content = "http://x/v1/recordings/%s/content"
    assert curl("nobody", content % mine["recording"]) == (200, b"of nobody")
    assert curl("nobody", content % theirs)[0] == 403
    assert curl("nobody", f"http://x/v1/receipts/{mine['sha256']}")[0] == 200
    assert curl("nobody", f"http://x/v1/receipts/{hashlib.sha256(b'theirs').hexdigest()}")[0] == 404
    assert curl("daemon", content % theirs) == (200, b"theirs")
    assert curl("bin", content % theirs)[0] == 403
    assert [a["actor"] for a in views(house, mine["recording"])] == ["user:nobody"]
    assert [a["actor"] for a in views(house, theirs)] == ["user:daemon"]


def test_no_content_without_the_act(kept):
    """When the ledger cannot say who looked, nobody looks."""
    house, recording, data = kept
    with contextlib.closing(sqlite3.connect(house.archive / "catalogue.db", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")  # the writer does not get in
        answer = unix(house, "GET", f"/v1/recordings/{recording}/content")
    assert answer.status == 503
    assert data[:100] not in answer.body
    assert views(house, recording) == []
    assert unix(house, "GET", f"/v1/recordings/{recording}/content").status == 200
    assert len(views(house, recording)) == 1


def test_content_that_is_not_what_was_sealed(kept):
    house, recording, data = kept
    path = next(p for p in (house.archive / "objects").rglob("clip*") if p.is_file())
    subprocess.run(["chattr", "-R", "-i", path], stderr=subprocess.DEVNULL, check=False)
    os.chmod(path, 0o600)
    path.write_bytes(data[:-1])
    assert unix(house, "GET", f"/v1/recordings/{recording}/content").status == 500
    assert views(house, recording) == []


def test_get(kept, work):
    house, recording, data = kept
    done = house.run("get", recording, "--out", work / "copy.mp4")
    assert done.returncode == 0, done.stderr
    assert (work / "copy.mp4").read_bytes() == data
    assert len(views(house, recording)) == 1
    # under its own name in the current folder, and never over another file
    assert house.run("get", recording[:12]).returncode == 0
    assert (work / "clip 片段.mp4").read_bytes() == data
    again = house.run("get", recording)
    assert again.returncode == 6
    assert "is there already" in again.stderr
    assert house.run("get", "01ZZZZZZ").returncode == 3
    assert sorted(p.name for p in work.glob("*.mp4*")) == ["clip 片段.mp4", "copy.mp4"]
    shown = subprocess.run([house.build / "liuhen", "--socket", house.socket, "get", recording, "--out", "-"],
                           capture_output=True, check=True)
    assert shown.stdout == data


def test_get_verifies(kept, work):
    """Bytes that rotted on the disk are noticed, and no file that looks whole is left."""
    house, recording, data = kept
    path = next(p for p in (house.archive / "objects").rglob("clip*") if p.is_file())
    subprocess.run(["chattr", "-R", "-i", path], stderr=subprocess.DEVNULL, check=False)
    os.chmod(path, 0o600)
    path.write_bytes(b"X" + data[1:])
    done = house.run("get", recording, "--out", work / "copy.mp4")
    assert done.returncode == 1
    assert "SHA-256" in done.stderr
    assert not list(work.glob("copy*"))


# Receipts for bytes

def test_receipts_of_bytes(house):
    mine, other = token_of(house, "CAM-1"), token_of(house, "CAM-2")
    receipt = tcp(house, "PUT", "/upload/a.bin", b"bytes", **bearer(mine)).json
    target = f"/v1/receipts/{hashlib.sha256(b'bytes').hexdigest()}"
    assert leaf_of(tcp(house, "GET", target, **bearer(mine)).json) == leaf_of({**receipt, "again": True})
    assert tcp(house, "HEAD", target, **bearer(mine)).status == 200
    unknown = tcp(house, "GET", "/v1/receipts/" + "0" * 64, **bearer(mine))
    foreign = tcp(house, "GET", target, **bearer(other))
    assert (unknown.status, foreign.status) == (404, 404)
    assert foreign.json["error"]["what"] == unknown.json["error"]["what"]  # nothing is given away
    assert tcp(house, "GET", target).status == 401
    assert tcp(house, "GET", "/v1/receipts/abc", **bearer(mine)).status == 400
    assert leaf_of(unix(house, "GET", target).json) == leaf_of({**receipt, "again": True})
    # who has delivered it too may ask as well
    assert tcp(house, "PUT", "/upload/b.bin", b"bytes", **bearer(other)).status == 200
    assert tcp(house, "GET", target, **bearer(other)).status == 200


# Listeners

def test_tls_with_the_sites_own_authority(make_daemon, work):
    port = free_port()
    house = make_daemon({"http": {"tls": f"127.0.0.1:{port}", "names": ["liuhen.example"]}}).start()
    token = token_of(house, "CAM-1")
    ca = house.archive / "keys/ca.pem"
    context = ssl.create_default_context(cafile=str(ca))
    connection = http.client.HTTPSConnection("127.0.0.1", port, context=context, timeout=TIMEOUT)
    assert ask(connection, "PUT", "/upload/a.bin", b"a", bearer(token)).status == 201
    with pytest.raises(ssl.SSLError):
        ask(http.client.HTTPSConnection("127.0.0.1", port, context=ssl.create_default_context(), timeout=TIMEOUT), "GET", "/")
    house.restart()  # with the same certificate
    assert ask(http.client.HTTPSConnection("127.0.0.1", port, context=context, timeout=TIMEOUT), "GET", "/openapi.yaml").status == 200


def certificate_of(daemon, serial, work, *options):
    """Registers a device with a client certificate; returns a TLS context that shows it, and what enrolling said."""
    assert unix_json(daemon, "POST", "/v1/devices", serial=serial).status == 201
    folder = work / serial
    folder.mkdir()
    made = daemon.cli("device", "enrol", serial, "--out", folder, *options)
    context = ssl.create_default_context(cafile=str(folder / "ca.pem"))
    context.load_cert_chain(folder / f"{serial}.pem", folder / f"{serial}.key")
    return context, made


def test_client_certificates(make_daemon, work):
    """Good, revoked, of a device out of use, of another authority, and over: all are told apart, and all but the first are denials."""
    port = free_port()
    house = make_daemon({"http": {"tls": f"127.0.0.1:{port}"}, "devices": {"denials": 100}}).start()
    good, _ = certificate_of(house, "DOCK-1", work)
    revoked, _ = certificate_of(house, "DOCK-2", work)
    retired, _ = certificate_of(house, "DOCK-3", work)
    keys = house.cli("device", "show", "DOCK-2")["keys"]
    house.cli("device", "revoke", "DOCK-2", keys[0]["id"], "--reason", "lost")
    house.cli("device", "retire", "DOCK-3", "--reason", "old")

    def put(context, name, **headers):
        connection = http.client.HTTPSConnection("127.0.0.1", port, context=context, timeout=TIMEOUT)
        return ask(connection, "PUT", f"/upload/{name}", name.encode(), headers)

    answer = put(good, "a.bin")
    assert answer.status == 201
    house.wait_idle()
    assert house.cli("show", answer.json["recording"])["device"] == "DOCK-1"
    assert put(revoked, "b.bin").status == 403
    assert put(retired, "c.bin").status == 403

    # somebody else's authority, and one of ours that is over
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "9",
                    "-subj", "/CN=DOCK-1", "-keyout", work / "x.key", "-out", work / "x.pem"], check=True, capture_output=True)
    foreign = ssl.create_default_context(cafile=str(work / "DOCK-1/ca.pem"))
    foreign.load_cert_chain(work / "x.pem", work / "x.key")
    answer = put(foreign, "d.bin")
    assert answer.status == 403
    assert "client certificate" in answer.json["error"]["object"]
    house.restart(env={"LIUHEN_CLOCK_OFFSET_SEC": str(900 * 86400)})
    good.check_hostname, good.verify_mode = False, ssl.CERT_NONE
    assert put(good, "e.bin").status == 403
    assert house.cli("status")["doors"]["denied"] == 1  # counted since the restart
    # a token beside it counts for itself
    token = unix_json(house, "POST", "/v1/devices/DOCK-1/token").json["token"]
    assert put(good, "f.bin", **bearer(token)).status == 201


def test_certificate_files_that_are_no_good(make_daemon, work):
    """Said at the start, with the file's name."""
    (work / "empty.pem").write_text("")
    for certificate, words in ((work / "none.pem", "cannot be read"), (work / "empty.pem", "is no PEM text")):
        house = make_daemon({"http": {"tls": f"127.0.0.1:{free_port()}", "certificate": str(certificate),
                                      "key": str(work / "none.key")}})
        house.start(ready=False)
        assert house.wait_end() in (1, 78)
        assert str(certificate) in house.log() and words in house.log()
        house.log_path.unlink()


def test_a_reload_leaves_listeners_alone(house):
    old = house.config["http"]["loopback"]
    house.write_config(http={"loopback": f"127.0.0.1:{free_port()}"})
    house.reload()
    house.wait_log("http.loopback changed in the configuration")
    with pytest.raises(ConnectionRefusedError):
        tcp(house, "GET", "/v1/ledger/key")
    house.config["http"]["loopback"] = old
    assert tcp(house, "GET", "/v1/ledger/key").status == 200


def activate(house, sockets, names, **kwargs):
    """Starts the daemon with listening sockets as systemd hands them over (sd_listen_fds(3))."""
    plain = house.command
    words = "; ".join([f"os.dup2({s.fileno()}, {3 + i})" for i, s in enumerate(sockets)])
    script = (f"import os, sys; {words}; [os.set_inheritable(3 + i, True) for i in range({len(sockets)})]; "
              f"os.environ.update(LISTEN_PID=str(os.getpid()), LISTEN_FDS='{len(sockets)}', LISTEN_FDNAMES='{names}'); "
              "os.execv(sys.argv[1], sys.argv[1:])")
    popen = subprocess.Popen

    def start(command, **options):
        return popen(["/usr/bin/python3", "-c", script, *command], pass_fds=[s.fileno() for s in sockets], **options)

    house.command = lambda *args: plain(*args)
    try:
        subprocess.Popen = start
        house.start(**kwargs)
    finally:
        subprocess.Popen = popen
    return house


def listening(address):
    s = socket.socket(socket.AF_UNIX if isinstance(address, str) else socket.AF_INET)
    s.bind(address)
    s.listen()
    # above the numbers that it will have in the daemon
    high = socket.socket(fileno=os.dup(os.dup(os.dup(os.dup(s.detach())))))
    return high


def test_socket_activation(make_daemon, work):
    """Unix socket and loopback by name; the daemon makes neither, and leaves the unix socket where it is."""
    house = make_daemon({"http": {"loopback": "127.0.0.1:1"}})  # would fail: not for us to bind
    with contextlib.closing(listening(str(house.socket))) as first, contextlib.closing(listening(("127.0.0.1", 0))) as second:
        activate(house, [first, second], "unix:loopback")
        house.config["http"]["loopback"] = "127.0.0.1:%d" % second.getsockname()[1]
        assert unix(house, "GET", "/v1/status").status == 200
        assert tcp(house, "GET", "/v1/status").status == 401
        house.stop()
        assert house.socket.exists()


def test_socket_activation_by_address(make_daemon, work):
    house = make_daemon({})
    with contextlib.closing(listening(("127.0.0.1", 0))) as second:
        activate(house, [second], "liuhend.socket")
        house.config["http"] = {"loopback": "127.0.0.1:%d" % second.getsockname()[1]}
        assert tcp(house, "GET", "/v1/status").status == 401
        assert unix(house, "GET", "/v1/status").status == 200  # made by ourselves


def test_socket_activation_gone_wrong(make_daemon, work):
    """A plain listener that is reached from elsewhere, and a socket that does not listen."""
    for address, name, words in ((("0.0.0.0", 0), "loopback", "its address is not for that"), (("127.0.0.1", 0), "unix", "not for that")):
        house = make_daemon({})
        with contextlib.closing(listening(address)) as s:
            activate(house, [s], name, ready=False)
            assert house.wait_end() == 78
            house.wait_log(words)
        house.log_path.unlink()
    house = make_daemon({})
    with contextlib.closing(socket.socket()) as s:
        with contextlib.closing(socket.socket(fileno=os.dup(os.dup(os.dup(s.fileno()))))) as high:
            activate(house, [high], "tls", ready=False)
            assert house.wait_end() == 78
            house.wait_log("does not listen")


def test_contrib_sockets():
    """The example units name what the daemon understands."""
    names = {}
    for unit in (ROOT / "contrib/systemd").glob("liuhend*.socket"):
        words = dict(line.split("=", 1) for line in unit.read_text(encoding="utf-8").splitlines() if "=" in line and line[0] != "#")
        assert words["Service"] == "liuhend.service" and "Accept" not in words
        names[words["FileDescriptorName"]] = words["ListenStream"]
    assert names == {"unix": "/run/liuhen/liuhen.sock", "tls": "443"}
