# SPDX-License-Identifier: GPL-3.0-or-later
"""What the parts of the benchmark share: a daemon of one's own, commands with their processor time, files, medians.

Everything happens below build/bench on one file system, that of the checkout: renames, syncs and page cache are real. Nothing is
looked up on the network. Processes are ended by their own id.
"""
import contextlib
import json
import os
import pathlib
import random
import shutil
import signal
import socket
import statistics
import subprocess
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ.get("LIUHEN_BUILD", "build/release"))
BUILD = BUILD if BUILD.is_absolute() else ROOT / BUILD
HERE = ROOT / "build/bench"
TICK = os.sysconf("SC_CLK_TCK")


class BenchFailed(Exception):
    """A part of the benchmark could not be done; the message says why."""


def say(text):
    """Progress, to stderr: stdout is the table."""
    print(text, file=os.sys.stderr, flush=True)


def median(values):
    return statistics.median(values)


def quantile(values, q):
    """The value that a share q of all does not exceed."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(q * len(ordered)))]


def fresh(path):
    """An empty folder, whatever was there before."""
    discard(path)
    path.mkdir(parents=True)
    return path


def discard(path):
    """Puts a folder away to be removed after all is measured: ext4 is slow to give new inodes for minutes after many were freed."""
    if path.exists():
        (HERE / "trash").mkdir(parents=True, exist_ok=True)
        os.rename(path, HERE / "trash" / f"{path.name}-{time.monotonic_ns()}")


def remove(path):
    """Removes a folder with all that protects an archive or an annex: immutable flags, folders without w."""
    if not path.exists():
        return
    subprocess.run(["chattr", "-R", "-f", "-i", str(path)], stderr=subprocess.DEVNULL, check=False)
    for folder, _, _ in os.walk(path):
        with contextlib.suppress(OSError):
            os.chmod(folder, 0o700)
    shutil.rmtree(path)


def settle():
    """All written out, so that nobody pays for what another one wrote."""
    os.sync()


def warm(files):
    """Reads the files, so that they are in the page cache."""
    buffer = bytearray(1 << 20)
    for path in files:
        with open(path, "rb", buffering=0) as f:
            while f.readinto(buffer):
                pass


def measured(command, **kwargs):
    """Runs a command that must succeed; returns (seconds, processor seconds of it and its children)."""
    start = time.monotonic()
    with tempfile.TemporaryFile() as errors, subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                                              stderr=errors, **kwargs) as process:
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.monotonic() - start
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode != 0:
            errors.seek(0)
            raise BenchFailed(f"{command[0]} ended with {process.returncode}: {errors.read()[-800:].decode(errors='replace')}")
    return seconds, usage.ru_utime + usage.ru_stime


# Files


def random_files(folder, count, size):
    """count files of size random bytes, made once and kept."""
    files = [folder / f"{i:04d}.bin" for i in range(count)]
    if not all(f.exists() and f.stat().st_size == size for f in files):
        say(f"  making {count} files of {size >> 20} MiB")
        fresh(folder)
        for path in files:
            with open(path, "wb") as f:
                for _ in range(size >> 20):
                    f.write(os.urandom(1 << 20))
    return files


def base_photo(folder, width, height):
    """One JPEG of noise, as large as a camera's."""
    path = folder / f"base-{width}.jpg"
    subprocess.run(["ffmpeg", "-nostdin", "-v", "error", "-y", "-f", "lavfi", "-i",
                    f"nullsrc=s={width}x{height},geq=random(1)*255:128:128", "-frames:v", "1", "-q:v", "4", str(path)],
                   check=True, stdin=subprocess.DEVNULL)
    return path.read_bytes()


def photos(folder, count, width, height):
    """count valid JPEGs that differ by a comment segment of random bytes, made once and kept."""
    files = [folder / f"IMG_{i:05d}.jpg" for i in range(count)]
    if not all(f.exists() for f in files):
        say(f"  making {count} photos")
        fresh(folder)
        base = base_photo(folder.parent, width, height)
        for path in files:
            comment = os.urandom(8192)
            path.write_bytes(base[:2] + b"\xff\xfe" + (len(comment) + 2).to_bytes(2, "big") + comment + base[2:])
    return files


def give_back(archive, files):
    """Takes the sealed bytes out of an archive again, under the names they had: the same inodes, still in the page cache."""
    known = {f.name: f for f in files}
    subprocess.run(["chattr", "-R", "-f", "-i", str(archive / "objects")], stderr=subprocess.DEVNULL, check=False)
    found = 0
    for content in (p for n in (2, 3) for p in archive.glob("objects/" + "*/" * n + "v1/content")):
        os.chmod(content, 0o700)
        for entry in os.scandir(content):
            if entry.name in known:
                os.chmod(entry.path, 0o644)
                os.rename(entry.path, known[entry.name])
                found += 1
    if found != len(files):
        raise BenchFailed(f"{found} of {len(files)} files came back out of {archive}/objects")


# The daemon


class Daemon:
    """One liuhend with an archive, a drop folder and a socket of its own below folder."""

    def __init__(self, folder, archive=None, dsn=None, watchdog_usec=0, derive=None):
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self.archive, self.drop = archive or folder / "archive", folder / "drop"
        self.drop.mkdir(exist_ok=True)
        self.short = pathlib.Path(tempfile.mkdtemp(prefix="lhb-"))  # a UNIX address holds 107 bytes
        self.socket, self.log_path = self.short / "s", folder / "liuhend.log"
        self.watchdog_usec, self.process = watchdog_usec, None
        config = {"archive": {"path": str(self.archive)}, "socket": {"path": str(self.socket)},
                  "media": {"worker": str(BUILD / "liuhen-media"), "derive": derive or {"enabled": False}}, "policies": str(ROOT / "policies"),
                  "folders": [{"path": str(self.drop), "name": "drop"}]}
        if dsn:
            config["catalogue"] = {"dsn": dsn}
        (folder / "retention.yaml").write_text(json.dumps(config), encoding="utf-8")  # JSON is YAML

    def start(self):
        """Returns the seconds from exec to READY=1."""
        notify = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC)
        notify.bind(str(self.short / "n"))
        notify.settimeout(120)
        outside = {k: v for k, v in os.environ.items() if k not in ("JOURNAL_STREAM", "WATCHDOG_USEC", "WATCHDOG_PID")}
        if self.watchdog_usec:
            outside["WATCHDOG_USEC"] = str(self.watchdog_usec)
        with open(self.log_path, "ab") as log:
            start = time.monotonic()
            self.process = subprocess.Popen([str(BUILD / "liuhend"), "--config", str(self.folder / "retention.yaml")],
                                            stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                            env={**outside, "NOTIFY_SOCKET": str(self.short / "n")})
        self.notify = notify  # kept open: the watchdog goes on writing to it
        while b"READY=1" not in self.heard(120):
            pass
        return time.monotonic() - start

    def heard(self, seconds):
        """The next datagram of sd_notify; fails when the daemon has ended."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            self.notify.settimeout(0.2)
            with contextlib.suppress(TimeoutError, socket.timeout):
                return self.notify.recv(65536)
            if self.process.poll() is not None:
                raise BenchFailed(f"liuhend ended with {self.process.returncode}:\n{self.log_path.read_text()[-2000:]}")
        raise BenchFailed(f"liuhend said nothing in {seconds} s:\n{self.log_path.read_text()[-2000:]}")

    def stop(self):
        if self.process and self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(30)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        self.process = None
        shutil.rmtree(self.short, ignore_errors=True)

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self.stop()

    def cpu_seconds(self):
        """Processor time so far, of the daemon and of those of its workers that have ended."""
        fields = pathlib.Path(f"/proc/{self.process.pid}/stat").read_text(encoding="utf-8").rsplit(")", 1)[1].split()
        return sum(int(x) for x in fields[11:15]) / TICK

    def get(self, path):
        with Client(self.socket) as client:
            status, body, _ = client.get(path)
        if status != 200:
            raise BenchFailed(f"GET {path}: {status} {body[:500]!r}")
        return body

    def wait_idle(self, timeout=600):
        """Until everything is sealed, examined, placed and decided."""
        end = time.monotonic() + timeout
        while not json.loads(self.get("/v1/status"))["idle"]:
            if time.monotonic() > end:
                raise BenchFailed(f"liuhend is not idle after {timeout} s:\n{self.log_path.read_text()[-2000:]}")
            time.sleep(0.25)


class Client:
    """Plain HTTP/1.1 over the unix socket, one connection kept."""

    def __init__(self, path):
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.socket.connect(str(path))
        self.buffer = b""

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()

    def more(self):
        data = self.socket.recv(1 << 18)
        if not data:
            raise BenchFailed("the daemon closed the connection")
        self.buffer += data

    def get(self, target):
        """(status, body, seconds from asking to having all of the answer)."""
        start = time.monotonic()
        self.socket.sendall(f"GET {target} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
        while b"\r\n\r\n" not in self.buffer:
            self.more()
        head, self.buffer = self.buffer.split(b"\r\n\r\n", 1)
        lines = head.decode("latin-1").split("\r\n")
        headers = {k.lower(): v.strip() for k, v in (line.split(":", 1) for line in lines[1:])}
        size = int(headers["content-length"])
        while len(self.buffer) < size:
            self.more()
        body, self.buffer = self.buffer[:size], self.buffer[size:]
        return int(lines[0].split()[1]), body, time.monotonic() - start


class Watcher(Client):
    """`GET /v1/watch`: events as they happen."""

    def __init__(self, daemon):
        super().__init__(daemon.socket)
        self.daemon = daemon
        self.socket.sendall(b"GET /v1/watch HTTP/1.1\r\nHost: localhost\r\n\r\n")
        self.socket.settimeout(120)
        while b'{"event":"watching"}\n' not in self.buffer:
            self.more()
        self.buffer = self.buffer.split(b'{"event":"watching"}\n', 1)[1]

    def events(self):
        """Those that have come, after waiting for at least one; chunk marks are no JSON objects and are left out."""
        while b"\n" not in self.buffer:
            self.more()
        lines, self.buffer = self.buffer.rsplit(b"\n", 1)
        return [json.loads(line) for line in lines.split(b"\n") if line.startswith(b"{") and line.endswith(b"}")]

    def wait_sealed(self, count):
        """Until count recordings were sealed since the watcher began; returns when the last one was seen (monotonic)."""
        seen = 0
        while seen < count:
            for event in self.events():
                if event["event"] == "sealed":
                    seen += 1
                elif event["event"] == "missed":
                    raise BenchFailed(f"the watcher missed {event['lines']} lines")
        return time.monotonic()


def drop_all(daemon, files):
    """Renames all files into the drop folder and waits for the last seal: (seconds, processor seconds)."""
    with Watcher(daemon) as watcher:
        cpu, start = daemon.cpu_seconds(), time.monotonic()
        for path in files:
            os.rename(path, daemon.drop / path.name)
        seconds = watcher.wait_sealed(len(files)) - start
        return seconds, daemon.cpu_seconds() - cpu


def memory(pid):
    """Resident and proportional set sizes in MiB."""
    status = pathlib.Path(f"/proc/{pid}/status").read_text(encoding="utf-8")
    rollup = pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="utf-8")

    def field(text, name):
        return next(int(line.split()[1]) for line in text.split("\n") if line.startswith(name + ":")) / 1024
    return {"rss_mib": field(status, "VmRSS"), "anonymous_mib": field(status, "RssAnon"), "pss_mib": field(rollup, "Pss")}


# The machine


def first_line(*command):
    try:
        done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        return "not installed"
    return (done.stdout or done.stderr).strip().split("\n")[0]


def machine():
    """What the numbers were taken on."""
    cpuinfo = pathlib.Path("/proc/cpuinfo").read_text(encoding="utf-8")
    fields = dict(line.split(":", 1) for line in cpuinfo.split("\n\n")[0].split("\n") if ":" in line)
    fields = {k.strip(): v.strip() for k, v in fields.items()}
    memory = int(pathlib.Path("/proc/meminfo").read_text(encoding="utf-8").split()[1])
    mount = first_line("findmnt", "-no", "FSTYPE,SOURCE,OPTIONS", "-T", str(HERE))
    return {"processor": fields.get("model name", "unknown"), "cores": os.cpu_count(),
            "sha_extensions": "sha_ni" in fields.get("flags", "").split() or "sha2" in fields.get("Features", "").split(),
            "memory_gib": round(memory / 1048576, 1), "kernel": os.uname().release, "file_system": " ".join(mount.split()),
            "system": first_line("sh", "-c", '. /etc/os-release; echo "$PRETTY_NAME"'),
            "load_before": os.getloadavg()[0], "date": time.strftime("%Y-%m-%d")}


def peers():
    return {"openssl": first_line("openssl", "version"), "git-annex": first_line("git-annex", "version"),
            "restic": first_line("restic", "version"), "ffprobe": first_line("ffprobe", "-version"),
            "nginx": first_line("/usr/sbin/nginx", "-v"), "node": "node " + first_line("node", "--version"),
            "coreutils": first_line("cp", "--version"), "SQLite": first_line("sqlite3", "--version").split(" ")[0],
            "liuhend": first_line(str(BUILD / "liuhend"), "--version"),
            "commit": first_line("git", "-C", str(ROOT), "rev-parse", "--short", "HEAD")}


def shuffled(values, seed=1):
    values = list(values)
    random.Random(seed).shuffle(values)
    return values
