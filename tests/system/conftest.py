# SPDX-License-Identifier: GPL-3.0-or-later
"""Fixtures of the system tests: a real liuhend on a real disk, driven through its real doors.

Every test gets a folder below build/tmp (not a tmpfs: leases, immutable flags, syncs and renames are those of a disk).
Daemons are started with LIUHEN_BUILD's programs (default build/test, made with INJECT=1), found ready by sd_notify on a socket
of the test's own, and ended by their process id. Sockets live in a short folder of their own: a UNIX address holds 107 bytes.
"""
import contextlib
import fcntl
import hashlib
import json
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import tempfile
import time

import pytest
import yaml

ROOT = pathlib.Path(__file__).resolve().parents[2]
TIMEOUT = float(os.environ.get("LIUHEN_TEST_TIMEOUT", "180"))
BUILD = ROOT / os.environ.get("LIUHEN_BUILD", "build/test")
SHARED = pathlib.Path(os.environ.get("LIUHEN_SHARED", ROOT.parent / "shared"))  # fixtures beside the project, perhaps
NO_SHARED = "no shared fixtures beside the project (LIUHEN_SHARED)"
parse_json = json.loads  # for where a parameter is called json


@pytest.fixture(scope="session")
def build():
    """The folder with liuhend, liuhen, liuhen-media and liuhen-stills."""
    if not (BUILD / "liuhend").exists():
        pytest.fail(f"{BUILD}/liuhend is not built; run `make BUILD={os.path.relpath(BUILD, ROOT)} INJECT=1` first")
    return BUILD


def built(name):
    """A test program or benchmark of the build under test; made when it is not there yet."""
    with open(BUILD / "built.lock", "w", encoding="ascii") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # one of the workers makes it, the others wait
        if not (BUILD / name).exists():
            inside = os.path.relpath(BUILD, ROOT)  # make cannot name a path with spaces
            subprocess.run(["make", "-s", "-C", ROOT, f"BUILD={inside}", "INJECT=1", f"{inside}/{name}"], check=True,
                           stdout=subprocess.DEVNULL)
    return BUILD / name


@pytest.fixture(scope="session")
def samples():
    """The folder of shared samples beside the project; tests that need it are skipped without."""
    if not (SHARED / "samples/MANIFEST.tsv").exists():
        pytest.skip(NO_SHARED)
    return SHARED / "samples"


def remove_tree(path):
    """Removes a test's folder with everything that protects an archive: immutable flags, 0500 folders."""
    subprocess.run(["chattr", "-R", "-i", str(path)], stderr=subprocess.DEVNULL, check=False)
    for folder, _, _ in os.walk(path):
        with contextlib.suppress(OSError):
            os.chmod(folder, 0o700)
    shutil.rmtree(path, ignore_errors=True)


@pytest.fixture(scope="session")
def postgres_server(tmp_path_factory):
    """DSN of a PostgreSQL of our own on a unix socket; skipped where its package is not installed."""
    folder = tmp_path_factory.mktemp("pg", numbered=True)
    up = subprocess.run([ROOT / "tests/pg-up", folder], capture_output=True, text=True, check=False, env={**os.environ, "PG_FSYNC": "off"})
    if up.returncode == 69:
        pytest.skip("no PostgreSQL server here (Debian package postgresql)")
    assert up.returncode == 0, up.stderr
    yield up.stdout.strip()
    subprocess.run([ROOT / "tests/pg-up", "--remove", folder], check=False)


@pytest.fixture
def postgres(postgres_server, request):
    """DSN of an empty database: a catalogue belongs to one archive, so no two tests share one."""
    name = "liuhen_" + hashlib.sha256(request.node.nodeid.encode()).hexdigest()[:16]
    subprocess.run(["psql", "-q", postgres_server, "-c", f"CREATE DATABASE {name} TEMPLATE template0"], check=True, capture_output=True)
    return postgres_server.replace("dbname=postgres", f"dbname={name}")


@pytest.fixture
def work(request):
    """A fresh folder on the disk; kept when LIUHEN_KEEP is set."""
    base = ROOT / "build/tmp"
    base.mkdir(parents=True, exist_ok=True)
    path = pathlib.Path(tempfile.mkdtemp(prefix=request.node.name[:40].replace("/", "_") + "-", dir=base))
    yield path
    if not os.environ.get("LIUHEN_KEEP"):
        remove_tree(path)


def succeeded(done):
    """A finished process that must have ended with 0; else what it printed is shown."""
    assert done.returncode == 0, f"{' '.join(map(str, done.args))}: exit {done.returncode}\n{done.stdout}{done.stderr}"
    return done


def merge(base, over):
    """base with over's values put in, tables merged key by key."""
    result = dict(base)
    for key, value in over.items():
        both = isinstance(value, dict) and isinstance(result.get(key), dict)
        result[key] = merge(result[key], value) if both else value
    return result


class Daemon:
    """One liuhend with an archive, a drop folder, a configuration and a log of its own.

    config is merged over the defaults (a table key by key, a list whole). Paths: .archive, .folder (the first drop folder),
    .config_path, .log_path, .socket. env is added to the daemon's environment at each start (LIUHEN_KILL_AT …).
    """

    def __init__(self, build, work, config=None, env=None, policies=ROOT / "policies"):
        self.build, self.work = build, pathlib.Path(work)
        self.archive, self.folder = self.work / "archive", self.work / "drop"
        self.config_path, self.log_path = self.work / "retention.yaml", self.work / "liuhend.log"
        self.short = pathlib.Path(tempfile.mkdtemp(prefix="lh-"))
        self.socket = self.short / "s"
        self.env, self.process, self.notified, self.notify_socket = dict(env or {}), None, {}, None
        self.folder.mkdir(exist_ok=True)
        self.config = merge({
            "archive": {"path": str(self.archive)},
            "socket": {"path": str(self.socket)},
            "media": {"worker": str(build / "liuhen-media"), "derive": {"enabled": False}},  # only where a test is about it
            "policies": str(policies),
            "policy": "cn-health-enforcement",
            "folders": [{"path": str(self.folder), "name": "drop", "after": "remove"}],
        }, config or {})
        self.write_config()

    # Configuration

    def write_config(self, **over):
        """Writes retention.yaml from .config with `over` merged in; takes effect at start, restart or reload."""
        self.config = merge(self.config, over)
        self.config_path.write_text(yaml.safe_dump(self.config, allow_unicode=True, sort_keys=False), encoding="utf-8")

    def command(self, *args):
        return [str(self.build / "liuhend"), "--config", str(self.config_path), *map(str, args)]

    # Life

    def start(self, *args, ready=True, timeout=TIMEOUT, env=None):
        """Starts the daemon and waits for READY=1; with ready=False returns at once. Fails with the log when it ends before."""
        assert self.process is None, "already running"
        self.notified = {}
        self.notify_socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC)
        path = self.short / f"notify-{time.monotonic_ns()}"
        self.notify_socket.bind(str(path))
        outside = {k: v for k, v in os.environ.items() if k not in ("JOURNAL_STREAM", "WATCHDOG_USEC", "WATCHDOG_PID")}
        environment = {**outside, **self.env, **(env or {}), "NOTIFY_SOCKET": str(path)}
        with open(self.log_path, "ab") as log:
            self.process = subprocess.Popen(self.command(*args), stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                            env=environment, cwd=self.work)
        if ready:
            self.wait_notified("READY", "1", timeout)
        return self

    def notifications(self, wait=0.05):
        """Takes what sd_notify said since the last call into .notified (newest value of each variable); True if anything."""
        self.notify_socket.settimeout(wait)
        try:
            text = self.notify_socket.recv(65536).decode()
        except (TimeoutError, socket.timeout):
            return False
        for line in text.splitlines():
            key, _, value = line.partition("=")
            self.notified[key] = value
        return True

    def wait_notified(self, key, value, timeout=TIMEOUT):
        """Waits until sd_notify has said key=value (READY=1, STATUS=…, RELOADING=1, STOPPING=1)."""
        end = time.monotonic() + timeout
        while self.notified.get(key) != value:
            said = self.notifications()
            if not said and self.process.poll() is not None:
                code, self.process = self.process.returncode, None
                raise AssertionError(f"liuhend ended with {code} before {key}={value}\n{self.log()}")
            if time.monotonic() > end:
                raise AssertionError(f"no {key}={value} within {timeout} s; notified {self.notified}\n{self.log()}")

    @property
    def pid(self):
        return self.process.pid

    def running(self):
        return self.process is not None and self.process.poll() is None

    def wait_end(self, timeout=TIMEOUT):
        """Waits for the daemon to end by itself (an injected kill, a refusal); returns its exit code (negative: signal)."""
        try:
            code = self.process.wait(timeout)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"liuhend still runs after {timeout} s\n{self.log()}") from None
        self.process = None
        self.notify_socket.close()
        return code

    def stop(self, timeout=TIMEOUT):
        """SIGTERM; returns the exit code."""
        self.process.send_signal(signal.SIGTERM)
        return self.wait_end(timeout)

    def kill(self):
        """SIGKILL, as a power cut for the process."""
        self.process.kill()
        return self.wait_end()

    def restart(self, **kwargs):
        if self.running():
            self.stop()
        elif self.process is not None:
            self.wait_end()
        return self.start(**kwargs)

    def reload(self, timeout=TIMEOUT):
        """SIGHUP; returns when the daemon says READY again, whether or not it took the new configuration."""
        while self.notifications(0.01):
            pass
        self.notified.pop("READY", None)
        self.process.send_signal(signal.SIGHUP)
        self.wait_notified("READY", "1", timeout)

    def close(self):
        """Ends the daemon by its process id, whatever state it is in, and removes the short folder."""
        if self.process is not None:
            if self.process.poll() is None:
                self.process.terminate()
                try:
                    self.process.wait(10)
                except subprocess.TimeoutExpired:
                    self.process.kill()
                    self.process.wait(10)
            self.process = None
        if self.notify_socket is not None:
            self.notify_socket.close()
        shutil.rmtree(self.short, ignore_errors=True)

    def log(self):
        """Everything that the daemon has written so far."""
        return self.log_path.read_text(encoding="utf-8", errors="replace") if self.log_path.exists() else ""

    def wait_log(self, text, timeout=TIMEOUT):
        """Waits until the log holds text."""
        self.wait(lambda: text in self.log(), f"log line {text!r}", timeout)

    # The command line

    def run(self, *args, timeout=TIMEOUT * 2, **kwargs):
        """liuhen with these arguments against this daemon; returns the finished process, whatever its exit code."""
        return subprocess.run([str(self.build / "liuhen"), "--socket", str(self.socket), *map(str, args)],
                              stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=timeout, check=False,
                              cwd=self.work, **kwargs)

    def cli(self, *args, json=True, **kwargs):  # pylint: disable=redefined-outer-name
        """liuhen, which must succeed: its --json answer parsed, or its text with json=False."""
        done = succeeded(self.run(*args, *(["--json"] if json else []), **kwargs))
        return parse_json(done.stdout) if json else done.stdout

    def ls(self, *args):
        """All recordings (every page) as a list of tables."""
        return self.cli("ls", *args)["recordings"]

    def fsck(self, *args):
        """liuhen fsck on the archive; returns the finished process (exit 0: nothing wrong)."""
        return self.run("fsck", "--archive", self.archive, *args)

    def assert_clean(self):
        """fsck finds nothing."""
        succeeded(self.fsck())

    # Drop folders and waiting

    def drop(self, name, data=b"", folder=None, stamp=None):
        """Puts a file into the drop folder as a good uploader does: under a .part name, then renamed; returns its path. name may be
        bytes."""
        folder = os.fsencode(folder or self.folder)
        target = os.path.join(folder, os.fsencode(name))
        os.makedirs(os.path.dirname(target), exist_ok=True)
        part = os.path.join(os.path.dirname(target), b".%d.part" % time.monotonic_ns())
        if isinstance(data, (str, pathlib.Path)):
            shutil.copyfile(data, part)
        else:
            with open(part, "wb") as f:
                f.write(data)
        if stamp is not None:
            os.utime(part, (stamp, stamp))
        os.rename(part, target)
        return pathlib.Path(os.fsdecode(target))

    def wait(self, condition, what, timeout=TIMEOUT):
        """Polls until condition() is true and returns its value."""
        end = time.monotonic() + timeout
        while True:
            value = condition()
            if value:
                return value
            if self.process is not None and self.process.poll() is not None:
                raise AssertionError(f"liuhend ended with {self.process.returncode} while waiting for {what}\n{self.log()}")
            if time.monotonic() > end:
                raise AssertionError(f"no {what} within {timeout} s\n{self.log()}")
            time.sleep(0.05)

    def wait_sealed(self, count, timeout=TIMEOUT):
        """Waits until at least count recordings are in the catalogue; returns them."""
        def enough():
            rows = self.ls()
            return rows if len(rows) >= count else None
        return self.wait(enough, f"{count} sealed recordings", timeout)

    def wait_idle(self, timeout=TIMEOUT * 2):
        """Waits until nothing is being sealed, examined or decided any more."""
        succeeded(self.run("watch", "--until-idle", timeout=timeout))


@pytest.fixture
def make_daemon(build, work):
    """A maker of daemons that end with the test: make_daemon(config={…}, env={…}, name="b"). Not started yet."""
    made = []

    def make(config=None, env=None, name=None, **kwargs):
        folder = work / name if name else work
        folder.mkdir(exist_ok=True)
        made.append(Daemon(build, folder, config, env, **kwargs))
        return made[-1]

    yield make
    for daemon in made:
        daemon.close()


@pytest.fixture
def daemon(make_daemon):
    """A running daemon with one drop folder."""
    return make_daemon().start()


@pytest.fixture(scope="session")
def media(tmp_path_factory):
    """A maker of small real media files: media("video"|"audio"|"photo"|"pdf", seconds=2, **metadata) → path (made once)."""
    folder = tmp_path_factory.mktemp("media")
    known = {}

    def make(kind, seconds=2, **metadata):
        key = (kind, seconds, tuple(sorted(metadata.items())))
        if key not in known:
            known[key] = make_media(folder / f"{len(known)}", kind, seconds, metadata)
        return known[key]

    return make


def make_media(stem, kind, seconds, metadata):
    tags = [word for k, v in metadata.items() for word in ("-metadata", f"{k}={v}")]
    ffmpeg = ["ffmpeg", "-nostdin", "-v", "error", "-y", "-f", "lavfi"]
    if kind == "video":
        path = stem.with_suffix(".mp4")
        words = ["-i", f"testsrc2=size=320x180:rate=25:duration={seconds}", "-f", "lavfi", "-i",
                 f"sine=frequency=440:duration={seconds}", "-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p",
                 "-c:a", "aac", "-shortest", *tags]
    elif kind == "audio":
        path = stem.with_suffix(".wav")
        words = ["-i", f"sine=frequency=440:duration={seconds}", *tags]
    elif kind == "photo":
        path = stem.with_suffix(".jpg")
        words = ["-i", "testsrc2=size=640x360", "-frames:v", "1", *tags]
    elif kind == "pdf":
        path = stem.with_suffix(".pdf")
        path.write_bytes(make_pdf("Liuhen"))
        return path
    else:
        raise ValueError(kind)
    subprocess.run([*ffmpeg, *words, str(path)], check=True, stdin=subprocess.DEVNULL)
    return path


def make_pdf(text):
    """The smallest whole PDF with one page and one line of text."""
    stream = f"BT /F1 24 Tf 72 720 Td ({text}) Tj ET".encode()
    objects = [b"<</Type/Catalog/Pages 2 0 R>>", b"<</Type/Pages/Kids[3 0 R]/Count 1>>",
               b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 595 842]/Contents 4 0 R/Resources<</Font<</F1 5 0 R>>>>>>",
               b"<</Length %d>>stream\n%s\nendstream" % (len(stream), stream),
               b"<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>"]
    out, offsets = b"%PDF-1.4\n", []
    for number, body in enumerate(objects, 1):
        offsets.append(len(out))
        out += b"%d 0 obj%s endobj\n" % (number, body)
    xref = len(out)
    out += b"xref\n0 %d\n0000000000 65535 f \n" % (len(objects) + 1)
    out += b"".join(b"%010d 00000 n \n" % o for o in offsets)
    return out + b"trailer<</Size %d/Root 1 0 R>>\nstartxref\n%d\n%%%%EOF\n" % (len(objects) + 1, xref)
