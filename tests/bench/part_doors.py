# SPDX-License-Identifier: GPL-3.0-or-later
"""make bench-doors: uploads over the network, beside nginx's DAV module and @tus/server; memory; photos; docks on bad networks.

All servers run at once on ports of their own, on loopback, and store on the same file system; rounds alternate between them. A server's
processor time is user + system of all its processes. liuhend digests, syncs and seals before it answers; nginx and @tus/server do none
of that. What is sent is new in every round: the same bytes again would be known to liuhend and never stored.
"""
import base64
import concurrent.futures
import contextlib
import itertools
import json
import os
import pathlib
import re
import shutil
import signal
import socket
import ssl
import subprocess
import threading
import time

from benchlib import BUILD, HERE, ROOT, TICK, BenchFailed, Daemon, fresh, median, memory, random_files, say, settle, warm

ROUNDS = int(os.environ.get("BENCH_ROUNDS", "3"))
MANY, MANY_BYTES = 16, 64 << 20
ONE_BYTES = 256 << 20
WANTED = {"throughput": 0.95, "cpu_nginx": 1.5, "cpu_tus": 0.6, "rss_mib": 64, "connection_kib": 32, "photos": 400}
stamps = itertools.count(time.time_ns())


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def renew(files):
    """Makes each file's bytes new: a stamp over its first eight."""
    for path in files:
        with open(path, "r+b") as f:
            f.write(next(stamps).to_bytes(8, "big"))


def tree_cpu(pid):
    """Processor seconds so far of a process and all that descend from it."""
    parents, times = {}, {}
    for entry in pathlib.Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError):
                fields = (entry / "stat").read_text(encoding="utf-8").rsplit(")", 1)[1].split()
                parents[int(entry.name)], times[int(entry.name)] = int(fields[1]), sum(int(x) for x in fields[11:15]) / TICK
    total, todo = 0.0, [pid]
    while todo:
        p = todo.pop()
        total += times.get(p, 0)
        todo += [child for child, parent in parents.items() if parent == p]
    return total


# The servers


class Site(Daemon):
    """liuhend with both network listeners and one device that has a token and a certificate."""

    def __init__(self, folder):
        super().__init__(folder)
        self.port, self.tls_port = free_port(), free_port()
        path = folder / "retention.yaml"
        config = json.loads(path.read_text(encoding="utf-8"))
        config["http"] = {"loopback": f"127.0.0.1:{self.port}", "tls": f"127.0.0.1:{self.tls_port}", "names": ["localhost"],
                          "connections": 4000, "connections_per_address": 4000}
        path.write_text(json.dumps(config), encoding="utf-8")

    def cli(self, *args):
        done = subprocess.run([str(BUILD / "liuhen"), "--socket", str(self.socket), *args], stdin=subprocess.DEVNULL,
                              capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise BenchFailed(f"liuhen {' '.join(args)}: {done.stderr}")
        return done.stdout

    def register(self, serial):
        """A device with a token: the token."""
        self.cli("device", "add", serial, "--kind", "camera")
        return re.search(r"lh_\w+", self.cli("device", "token", serial)).group(0)

    def start(self):
        seconds = super().start()
        self.authorization = f"Bearer {self.register('BENCH-1')}"
        self.cli("device", "enrol", "BENCH-1", "--out", str(self.folder / "enrolled"))
        self.certificate, self.key, self.ca = (self.folder / "enrolled" / n for n in ("BENCH-1.pem", "BENCH-1.key", "ca.pem"))
        return seconds

    def used(self):
        return tree_cpu(self.process.pid)


class Peer:
    """Another server: a command whose tree of processes is ended by its id."""

    def __init__(self, command, port, **kwargs):
        self.port = port
        self.log = open(HERE / "peer.log", "ab")  # pylint: disable=consider-using-with
        self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log,
                                        start_new_session=True, **kwargs)
        end = time.monotonic() + 30
        while True:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
                return
            if self.process.poll() is not None or time.monotonic() > end:
                raise BenchFailed(f"{command[0]} does not serve: {(HERE / 'peer.log').read_text()[-800:]}")
            time.sleep(0.05)

    def used(self):
        return tree_cpu(self.process.pid)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(10)
        self.log.close()


def nginx(folder, site):
    """nginx with its DAV module, plain and over TLS with client certificates (signed by the same authority as liuhend's)."""
    fresh(folder)
    for name in ("dav", "temp"):
        (folder / name).mkdir()
        (folder / name).chmod(0o777)
    port, tls_port = free_port(), free_port()
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
                    "-subj", "/CN=localhost", "-keyout", folder / "key.pem", "-out", folder / "cert.pem"], check=True,
                   stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    server = """
  server {{
    listen 127.0.0.1:{port}{ssl};
    {tls}
    root {folder}/dav;
    location / {{ dav_methods PUT; create_full_put_path on; }}
  }}"""
    tls = (f"ssl_certificate {folder}/cert.pem; ssl_certificate_key {folder}/key.pem; ssl_client_certificate {site.ca}; "
           "ssl_verify_client on; ssl_protocols TLSv1.2 TLSv1.3;")
    user = "user root;" if os.geteuid() == 0 else ""
    (folder / "nginx.conf").write_text(f"""
{user} worker_processes auto; daemon off; pid {folder}/pid; error_log {folder}/error.log warn;
events {{ worker_connections 4096; }}
http {{
  access_log off; client_max_body_size 0; client_body_temp_path {folder}/temp;
  fastcgi_temp_path {folder}/temp; proxy_temp_path {folder}/temp; scgi_temp_path {folder}/temp; uwsgi_temp_path {folder}/temp;
{server.format(port=port, ssl="", tls="", folder=folder)}
{server.format(port=tls_port, ssl=" ssl", tls=tls, folder=folder)}
}}
""", encoding="utf-8")
    peer = Peer([shutil.which("nginx", path=os.environ["PATH"] + ":/usr/sbin"), "-p", str(folder), "-c",
                 str(folder / "nginx.conf"), "-e", str(folder / "error.log")], port)
    peer.tls_port = tls_port
    return peer


def tus_server(folder):
    """@tus/server of npm, pinned by the lock file beside its start script; installed once below build/."""
    source, made = ROOT / "tests/bench/tus-server", HERE / "tus-server"
    lock = (source / "package-lock.json").read_bytes()
    if not (made / "installed").exists() or (made / "installed").read_bytes() != lock:
        fresh(made)
        for name in ("package.json", "package-lock.json", "serve.mjs"):
            shutil.copy(source / name, made / name)
        done = subprocess.run(["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"], cwd=made, stdin=subprocess.DEVNULL,
                              capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise BenchFailed(f"npm ci: {done.stderr[-800:]}")
        (made / "installed").write_bytes(lock)
    port = free_port()
    return Peer(["node", str(made / "serve.mjs"), str(fresh(folder)), str(port)], port)


# The client: plain sockets, file bytes by sendfile


class Connection:
    """HTTP/1.1 to one server; requests one after the other."""

    def __init__(self, port, tls=None):
        plain = socket.create_connection(("127.0.0.1", port), 60)
        plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.socket = tls.wrap_socket(plain, server_hostname="localhost") if tls else plain
        self.buffer = b""

    def send(self, method, target, headers, path=None):
        """Status and headers of the answer; its body is read and thrown away."""
        size = path.stat().st_size if path else 0
        lines = [f"{method} {target} HTTP/1.1", "Host: localhost", f"Content-Length: {size}", *(f"{k}: {v}" for k, v in headers.items())]
        self.socket.sendall(("\r\n".join(lines) + "\r\n\r\n").encode())
        if path:
            with open(path, "rb") as f:
                self.socket.sendfile(f)
        while b"\r\n\r\n" not in self.buffer:
            self.more()
        head, self.buffer = self.buffer.split(b"\r\n\r\n", 1)
        first, *rest = head.decode("latin-1").split("\r\n")
        answer = {k.lower(): v.strip() for k, v in (line.split(":", 1) for line in rest)}
        while len(self.buffer) < int(answer.get("content-length", 0)):
            self.more()
        self.body, self.buffer = self.buffer[:int(answer.get("content-length", 0))], b""
        return int(first.split()[1]), answer

    def more(self):
        data = self.socket.recv(1 << 16)
        if not data:
            raise BenchFailed("a server closed the connection")
        self.buffer += data

    def close(self):
        self.socket.close()


def expect(status, wanted, connection):
    if status not in wanted:
        raise BenchFailed(f"a server answered {status}: {connection.body[:300]!r}")


def put(port, path, name, headers, tls=None):
    connection = Connection(port, tls)
    try:
        expect(connection.send("PUT", name, headers, path)[0], (200, 201, 204), connection)
    finally:
        connection.close()


def tus(port, path, _name, headers, tls=None):
    """One upload by tus: creation, then one PATCH with all of it."""
    connection = Connection(port, tls)
    try:
        name = base64.b64encode(path.name.encode()).decode()
        status, answer = connection.send("POST", "/tus", {**headers, "Tus-Resumable": "1.0.0", "Upload-Length": path.stat().st_size,
                                                          "Upload-Metadata": f"filename {name}"})
        expect(status, (201,), connection)
        target = re.sub(r"^https?://[^/]+", "", answer["location"])
        status, answer = connection.send("PATCH", target, {**headers, "Tus-Resumable": "1.0.0", "Upload-Offset": 0, "Content-Type":
                                                           "application/offset+octet-stream"}, path)
        expect(status, (204,), connection)
        if int(answer["upload-offset"]) != path.stat().st_size:
            raise BenchFailed(f"{answer['upload-offset']} bytes came of {path.stat().st_size}")
    finally:
        connection.close()


def uploads(server, how, port, files, names, headers, tls, parallel):
    """All files to a server: (seconds, its processor seconds)."""
    renew(files)
    settle()
    cpu, start = server.used(), time.monotonic()
    with concurrent.futures.ThreadPoolExecutor(parallel) as pool:
        for future in [pool.submit(how, port, f, n, headers, tls) for f, n in zip(files, names)]:
            future.result()
    return time.monotonic() - start, server.used() - cpu


def compare(runs, files, parallel):
    """Alternating rounds of runs {name: (server, how, port, prefix, headers, tls)}: medians of rate and processor time per GiB."""
    gib = sum(f.stat().st_size for f in files) / 2**30
    kept = {name: {"seconds": [], "cpu": []} for name in runs}
    for turn in range(-1, ROUNDS):  # the first one warms up
        for name, (server, how, port, prefix, headers, tls) in runs.items():
            targets = [f"{prefix}{turn}-{f.name}" for f in files]
            seconds, cpu = uploads(server, how, port, files, targets, headers, tls, parallel)
            if isinstance(server, Site):
                server.wait_idle()  # what liuhend does after its answers must not slow down the others
            if turn >= 0:
                kept[name]["seconds"].append(seconds)
                kept[name]["cpu"].append(cpu)
    return {name: {"gib_per_second": round(gib / median(k["seconds"]), 3), "cpu_per_gib": round(median(k["cpu"]) / gib, 3),
                   "rounds_seconds": [round(s, 2) for s in k["seconds"]], "rounds_cpu": [round(s, 2) for s in k["cpu"]]}
            for name, k in kept.items()}


def client_tls(site, authority):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_verify_locations(authority)
    context.load_cert_chain(site.certificate, site.key)
    return context


def doors():
    """16 parallel uploads of 64 MiB and single ones of 256 MiB: PUT, PUT over TLS with client certificates, tus."""
    many = random_files(HERE / "door-64", MANY, MANY_BYTES)
    one = random_files(HERE / "door-256", 2, ONE_BYTES)
    warm(many + one)
    result = {}
    with Site(fresh(HERE / "doors-site")) as site, nginx(HERE / "doors-nginx", site) as dav, \
            tus_server(HERE / "doors-tus") as node:
        token = {"Authorization": site.authorization}
        plain = {"liuhend": (site, put, site.port, "/upload/", token, None), "nginx": (dav, put, dav.port, "/", {}, None)}
        ours, theirs = client_tls(site, site.ca), client_tls(site, HERE / "doors-nginx/cert.pem")
        secure = {"liuhend": (site, put, site.tls_port, "/upload/", {}, ours), "nginx": (dav, put, dav.tls_port, "/", {}, theirs)}
        resumable = {"liuhend": (site, tus, site.port, "", token, None), "tus-server": (node, tus, node.port, "", {}, None)}
        for name, runs in (("put", plain), ("tls", secure), ("tus", resumable)):
            for size, files, parallel in (("16 × 64 MiB", many, MANY), ("1 × 256 MiB", one[:1], 1)):
                say(f"  {name}, {size}")
                result[f"{name} {size}"] = compare(runs, files, parallel)
    return {"runs": result, "wanted": WANTED}


def door_memory():
    """Resident set with 500 open connections, half of them in the middle of a request, and how much each adds."""
    result = {"wanted": WANTED}
    with Site(fresh(HERE / "memory-site")) as site:
        for kind, port in (("plain", site.port), ("tls", site.tls_port)):
            tls = client_tls(site, site.ca) if kind == "tls" else None
            for _ in range(20):  # what the first few need is not what each one adds
                Connection(port, tls).close()
            time.sleep(1)
            before = memory(site.process.pid)
            held = [Connection(port, tls) for _ in range(500)]
            for connection in held[::2]:
                connection.socket.sendall(b"GET /v1/ledger/key HTTP/1.1\r\nHost: loc")
            time.sleep(1)
            after = memory(site.process.pid)
            for connection in held:
                connection.close()
            result[kind] = {"before": before, "after": after,
                            "connection_kib": round((after["rss_mib"] - before["rss_mib"]) * 1024 / 500, 1)}
    return result


def door_photos():
    """2,000 photos of 200 kB over 32 kept connections, each answered with its receipt."""
    files = random_photos(HERE / "door-photos", 2000, 200_000)
    warm(files)
    rates = []
    with Site(fresh(HERE / "photos-site")) as site:
        for _ in range(ROUNDS):
            renew(files)
            settle()
            queue, lock = iter(files), threading.Lock()
            start = time.monotonic()
            with concurrent.futures.ThreadPoolExecutor(32) as pool:
                for future in [pool.submit(send_photos, site, queue, lock) for _ in range(32)]:
                    future.result()
            rates.append(len(files) / (time.monotonic() - start))
            site.wait_idle()
    return {"per_second": round(median(rates), 1), "rounds": [round(r) for r in rates], "wanted": WANTED["photos"]}


def random_photos(folder, count, size):
    """Files of random bytes between a JPEG's marks: what is measured is the door."""
    files = [folder / f"IMG_{i:05d}.jpg" for i in range(count)]
    if not all(f.exists() for f in files):
        fresh(folder)
        for path in files:
            path.write_bytes(os.urandom(size))
    return files


def send_photos(site, queue, lock):
    connection = Connection(site.port)
    try:
        while True:
            with lock:
                path = next(queue, None)
            if path is None:
                return
            status, _ = connection.send("PUT", f"/upload/{path.name}", {"Authorization": site.authorization}, path)
            expect(status, (201,), connection)
            if "receipt" not in json.loads(connection.body):
                raise BenchFailed("an answer without a receipt")
    finally:
        connection.close()
