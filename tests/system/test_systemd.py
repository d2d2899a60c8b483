# SPDX-License-Identifier: GPL-3.0-or-later
"""The service under a real systemd: `make install`, sysusers, tmpfiles and the unit in a container that boots.

A container (systemd-nspawn, root only) has this machine's /usr read-only, a root folder of its own on the disk below build/tmp, and
no network but loopback; it boots to basic.target in about two seconds and is spoken to by nsenter. Nothing of the machine's own
systemd, if it has one, is touched. Without root, systemd-nspawn or the rights to boot a container these tests are skipped.
"""
import contextlib
import json
import os
import pathlib
import re
import shlex
import shutil
import signal
import subprocess
import tempfile
import time

import pytest
import yaml

from conftest import ROOT, TIMEOUT, make_media, remove_tree

PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin"
LANDLOCK = "landlock_create_ruleset landlock_add_rule landlock_restrict_self"
CONFIG = {
    "site": {"name": "test.example/log"},
    "folders": [
        {"path": "/srv/uploads", "name": "uploads"},
        {"path": "/srv/dock", "name": "dock"},
        {"path": "/srv/bound", "name": "bound"},
        {"path": "/srv/elsewhere", "name": "elsewhere"},
    ],
    "people": [{"user": "alice", "name": "Alice", "roles": ["records"]}],
}
# WatchdogSec is 30 s in the unit; its own value is checked, and then this one is waited for.
SHORT_WATCHDOG = "[Service]\nWatchdogSec=2s\nTimeoutAbortSec=2s\nLimitCORE=0\n"
SOCKET_UNIT = "[Socket]\nListenStream=/run/liuhend-test.sock\nSocketMode=0666\nService=liuhend.service\n"
USERS = """u dock - "Dock" /srv/dock
m dock liuhen-upload
u alice - "Alice"
m alice liuhen
u mallory - "Mallory"
m mallory liuhen
"""
FOLDERS = """d /srv/dock 2770 dock liuhen -
z /srv/bound 2770 dock liuhen -
z /srv/elsewhere 2770 dock liuhen -
"""


class Machine:
    """One booted container. .root is its root folder, as seen from outside."""

    def __init__(self, work, build):
        self.work, self.root = work, work / "root"
        self.name, self.nspawn, self.leader = f"liuhen-{os.getpid()}-{time.monotonic_ns() % 10**6}", None, None
        self.groups = []
        self.make_root()
        self.install(build)

    def make_root(self):
        for folder in ("usr", "var", "run", "srv/bound", "srv/elsewhere", "proc", "sys", "dev", "tmp", "root", "home",
                       "etc/liuhen", "etc/sysusers.d", "etc/tmpfiles.d", "etc/systemd/system/liuhend.service.d"):
            (self.root / folder).mkdir(parents=True)
        for folder in ("bin", "sbin", "lib", "lib64"):
            (self.root / folder).symlink_to(f"usr/{folder}")
        (self.work / "bound").mkdir()
        os.chmod(self.root, 0o755)
        os.chmod(self.root / "tmp", 0o1777)
        etc = self.root / "etc"
        shutil.copyfile("/usr/lib/os-release", etc / "os-release")
        (etc / "machine-id").write_text("6c697568656e00000000000000007e57\n")  # without one it would be a first boot
        (etc / "sysusers.d/test.conf").write_text(USERS)
        (etc / "tmpfiles.d/test.conf").write_text(FOLDERS)

    def install(self, build):
        """make install of the programs as they are: -o keeps make from building them anew with other flags."""
        folder = os.path.relpath(build, ROOT)
        keep = [word for name in ("flags", "liuhend", "liuhen", "liuhen-media", "liuhen-stills") for word in ("-o", f"{folder}/{name}")]
        environment = {k: v for k, v in os.environ.items() if k not in ("MAKEFLAGS", "MFLAGS", "MAKELEVEL", "DESTDIR", "PREFIX")}
        done = subprocess.run(["make", "-s", "-C", str(ROOT), "install", *keep, f"BUILD={folder}", "PREFIX=/usr/local",
                               f"DESTDIR={self.work}/stage"], env=environment, capture_output=True, text=True, check=False,
                              stdin=subprocess.DEVNULL)
        assert done.returncode == 0, done.stdout + done.stderr

    def boot(self):
        """Returns None, or why no container can be booted here."""
        log = self.work / "console"
        command = ["systemd-nspawn", "-q", "-D", self.root, "--bind-ro=/usr", f"--bind-ro={self.work}/stage/usr/local:/usr/local",
                   f"--bind={self.work}/bound:/srv/bound", "--tmpfs=/srv/elsewhere:mode=2770", f"--machine={self.name}",
                   "--boot", "--register=no", "--private-network", "--console=pipe", f"--system-call-filter={LANDLOCK}",
                   "--link-journal=no", "--resolv-conf=off", "--timezone=off"]
        if not os.path.isdir("/run/systemd/system"):  # nobody to ask for a scope: a control group is made by hand
            command.append("--keep-unit")
            self.make_groups()
        enter = "".join(f"echo $$ >{shlex.quote(group)}/cgroup.procs; " for group in self.groups)
        with open(log, "wb") as out:
            self.nspawn = subprocess.Popen(["sh", "-c", enter + 'exec "$@"', "sh", *map(str, command), "--",
                                            "systemd.unit=basic.target"], stdin=subprocess.DEVNULL, stdout=out, stderr=out)
        end = time.monotonic() + 30
        while time.monotonic() < end and self.nspawn.poll() is None:
            children = pathlib.Path(f"/proc/{self.nspawn.pid}/task/{self.nspawn.pid}/children").read_text().split()
            if children and self.run("systemctl", "is-active", "--quiet", "basic.target", leader=children[0]).returncode == 0:
                self.leader = int(children[0])
                return None
            time.sleep(0.1)
        return log.read_text(errors="replace")[-500:].strip() or "it did not boot within 30 s"

    def make_groups(self):
        """Two containers in one control group would take each other's processes for their own."""
        for line in pathlib.Path("/proc/self/cgroup").read_text().splitlines():
            _, names, path = line.split(":", 2)
            roots = {"name=systemd": ["/sys/fs/cgroup/systemd"], "": ["/sys/fs/cgroup/unified", "/sys/fs/cgroup"]}.get(names, [])
            for root in roots:
                if os.path.exists(f"{root}/cgroup.procs"):
                    group = f"{root}/{path.strip('/')}".rstrip("/") + f"/{self.name}"
                    with contextlib.suppress(OSError):
                        os.mkdir(group)
                        self.groups.append(group)
                    break

    def off(self):
        if self.nspawn is not None and self.nspawn.poll() is None:
            if self.leader is not None:
                os.kill(self.leader, signal.SIGRTMIN + 4)
            else:
                self.nspawn.terminate()
            try:
                self.nspawn.wait(20)
            except subprocess.TimeoutExpired:
                if self.leader is not None:
                    os.kill(self.leader, signal.SIGKILL)
                self.nspawn.kill()
                self.nspawn.wait(10)
        for group in self.groups:
            for folder, _, _ in os.walk(group, topdown=False):
                with contextlib.suppress(OSError):
                    os.rmdir(folder)
        with contextlib.suppress(OSError):
            os.rmdir(f"/run/systemd/nspawn/propagate/{self.name}")

    def run(self, *args, leader=None, check=False):
        done = subprocess.run(["nsenter", "-t", str(leader or self.leader), "-a", "env", "-i", f"PATH={PATH}", "LC_ALL=C.UTF-8",
                               *map(str, args)], stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=TIMEOUT, check=False)
        assert done.returncode == 0 or not check, f"{args}: {done.returncode}\n{done.stdout}{done.stderr}"
        return done

    def ok(self, *args):
        return self.run(*args, check=True).stdout.strip()

    def as_user(self, user, *args):
        uid, gid = self.ok("id", "-u", user), self.ok("id", "-g", user)
        return self.run("setpriv", f"--reuid={uid}", f"--regid={gid}", "--init-groups", "--", *args)

    def property(self, name):
        return self.ok("systemctl", "show", "-P", name, "liuhend.service")

    def told(self, **fields):
        """The entries of what has happened; they may come a moment later than what the daemon answers."""
        return self.wait(lambda: self.journal(**fields), f"journal of {fields}")

    def journal(self, **fields):
        """What the daemon said since the boot, as tables of journal fields."""
        lines = self.ok("journalctl", "-q", "-b", "-o", "json", "_SYSTEMD_UNIT=liuhend.service",
                        *(f"{k}={v}" for k, v in fields.items())).splitlines()
        return [json.loads(line) for line in lines]

    def wait(self, condition, what, timeout=120):
        end = time.monotonic() + timeout
        while True:
            value = condition()
            if value:
                return value
            assert time.monotonic() < end, f"no {what}\n" + self.run("journalctl", "-q", "-b", "-o", "cat", "-n", "40").stdout
            time.sleep(0.1)

    def configure(self, text):
        (self.root / "etc/liuhen/retention.yaml").write_text(text, encoding="utf-8")

    def drop(self, source, folder, name, owner="dock"):
        """Puts a file there as its owner would who lets nobody else look at it. Returns its inode."""
        part = f"{folder}/{name}.part"
        with open(source, "rb") as data:
            subprocess.run(["nsenter", "-t", str(self.leader), "-a", "tee", part], stdin=data, stdout=subprocess.DEVNULL, check=True)
        self.ok("chown", f"{owner}:{owner}", part)
        self.ok("chmod", "0600", part)
        inode = int(self.ok("stat", "-c", "%i", part))
        self.ok("mv", part, f"{folder}/{name}")
        return inode

    def ls(self):
        return json.loads(self.ok("liuhen", "ls", "--json"))["recordings"]

    def sealed(self, name):
        """Waits until the file of this name is sealed and examined; returns what `liuhen show` says of it."""
        def found():
            rows = [row for row in self.ls() if row["name"] == name and row["status"] != "new"]
            return rows and json.loads(self.ok("liuhen", "show", rows[0]["id"], "--json"))
        return self.wait(found, f"sealed {name}")

    def content(self, name):
        """The stored original."""
        return next((self.root / "var/lib/liuhen/objects").glob(f"*/*/v1/content/{name}"))


@pytest.fixture(scope="module")
def machine(build):
    missing = [tool for tool in ("systemd-nspawn", "nsenter", "setpriv", "make") if shutil.which(tool) is None]
    if os.geteuid() != 0:
        pytest.skip("only root can boot a container")
    if missing:
        pytest.skip(f"not installed: {', '.join(missing)} (Debian: systemd-container)")
    base = ROOT / "build/tmp"
    base.mkdir(parents=True, exist_ok=True)
    work = pathlib.Path(tempfile.mkdtemp(prefix="systemd-", dir=base))
    it = None
    try:
        it = Machine(work, build)
        trouble = it.boot()
        if trouble:
            pytest.skip(f"no container can be booted here: {trouble}")
        yield it
    finally:
        if it is not None:
            it.off()
        if not os.environ.get("LIUHEN_KEEP"):
            remove_tree(work)


@pytest.fixture
def service(machine):
    """The machine with liuhend.service just started on CONFIG."""
    machine.run("systemctl", "stop", "liuhend-test.socket", "liuhend.service")
    for extra in (machine.root / "etc/systemd/system").rglob("*test*"):
        extra.unlink()
    machine.ok("systemctl", "daemon-reload")
    machine.run("systemctl", "reset-failed")
    machine.configure(yaml.safe_dump(CONFIG))
    machine.ok("systemctl", "start", "liuhend.service")
    return machine


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    """A maker of small videos, each another recording."""
    folder = tmp_path_factory.mktemp("clips")
    return lambda name: make_media(folder / name, "video", 1, {"title": f"{name} {time.monotonic_ns()}"})


def test_unit_starts_as_it_says(service):
    assert service.property("ActiveState") == "active" and service.property("Type") == "notify"
    assert service.property("StatusText") == "Sealing what arrives in 4 drop folders"
    assert service.property("WatchdogUSec") == "30s"
    assert service.ok("ps", "-o", "user=", "-p", service.property("MainPID")) == "liuhen"
    status = service.ok("cat", f"/proc/{service.property('MainPID')}/status")
    wanted = sum(1 << bit for bit in (0, 2, 3, 9, 28))  # chown, dac_read_search, fowner, linux_immutable, lease
    assert int(re.search(r"CapEff:\s*(\w+)", status)[1], 16) == wanted
    assert int(re.search(r"CapBnd:\s*(\w+)", status)[1], 16) == wanted
    assert re.search(r"NoNewPrivs:\s*1", status) and re.search(r"Seccomp:\s*2", status)
    ready = service.told(LIUHEN_EVENT="DAEMON_READY")[-1]
    assert ready["LIUHEN_ARCHIVE"] == "/var/lib/liuhen" and ready["PRIORITY"] == "5" and ready["_COMM"] == "liuhend"
    # unknown keys and bad values are only warnings to systemd, which then goes on without them
    complaints = [line for line in service.run("systemd-analyze", "verify", "liuhend.service").stderr.splitlines()
                  if "man " not in line and "liuhend.service" in line]
    assert complaints == []
    score = re.search(r"exposure level[^:]*: ([\d.]+)", service.ok("systemd-analyze", "security", "--no-pager", "liuhend.service"))
    assert float(score[1]) <= 2.5


def test_other_peoples_files_are_moved_in(service, clip):
    here = {folder: service.drop(clip(folder), f"/srv/{folder}", f"{folder}.mp4") for folder in ("uploads", "dock")}
    for folder, inode in here.items():
        shown = service.sealed(f"{folder}.mp4")
        assert shown["status"] == "ok" and shown["media"]["lock"] == "full", "the worker does not work inside the unit's filter"
        assert shown["media"]["container"] == "mp4"
        stored = service.content(f"{folder}.mp4").stat()
        assert stored.st_ino == inode, f"{folder}: copied, not moved"
        assert stored.st_mode & 0o7777 == 0o400 and str(stored.st_uid) == service.ok("id", "-u", "liuhen")
        assert service.ok("ls", "-A", f"/srv/{folder}") == ""
        told = service.told(LIUHEN_EVENT="RECORDING_SEALED", LIUHEN_RECORDING=shown["id"])
        assert len(told) == 1 and told[0]["LIUHEN_FILE"] == f"{folder}.mp4" and told[0]["PRIORITY"] == "6"
        assert service.told(LIUHEN_EVENT="RECORDING_EXAMINED", LIUHEN_RECORDING=shown["id"])[0]["LIUHEN_STATUS"] == "ok"
    assert service.ok("liuhen", "fsck", "--archive", "/var/lib/liuhen")


def test_other_mounts_are_copied_from(service, clip):
    """Another file system, and a bind mount of the archive's own, across which a rename is refused all the same."""
    for folder in ("elsewhere", "bound"):
        inode = service.drop(clip(folder), f"/srv/{folder}", f"{folder}.mp4")
        assert service.sealed(f"{folder}.mp4")["status"] == "ok"
        assert service.content(f"{folder}.mp4").stat().st_ino != inode
        service.wait(lambda f=folder: service.ok("ls", "-A", f"/srv/{f}") == "", f"empty {folder}")


def test_strict_unit_copies(service, clip):
    """An administrator who shuts out more gets copies, and loses nothing."""
    (service.root / "etc/systemd/system/liuhend.service.d/test.conf").write_text(
        "[Service]\nProtectSystem=strict\nReadWritePaths=/var/lib/liuhen /srv/uploads\n")
    service.configure(yaml.safe_dump({**CONFIG, "folders": CONFIG["folders"][:1]}))
    service.ok("systemctl", "daemon-reload")
    service.ok("systemctl", "restart", "liuhend.service")
    inode = service.drop(clip("strict"), "/srv/uploads", "strict.mp4")
    assert service.sealed("strict.mp4")["status"] == "ok"
    assert service.content("strict.mp4").stat().st_ino != inode
    service.wait(lambda: service.ok("ls", "-A", "/srv/uploads") == "", "source removed")


def test_originals_are_immutable(service, clip):
    probe = service.root / "var/flag"
    probe.write_bytes(b"")
    if subprocess.run(["chattr", "+i", probe], stderr=subprocess.DEVNULL, check=False).returncode != 0:
        pytest.skip("the file system under build/ has no immutable flag")
    subprocess.run(["chattr", "-i", probe], check=True)
    service.drop(clip("fixed"), "/srv/uploads", "fixed.mp4")
    service.sealed("fixed.mp4")
    flags = subprocess.run(["lsattr", service.content("fixed.mp4")], capture_output=True, text=True, check=True).stdout.split()[0]
    assert "i" in flags


def test_reload(service):
    pid = service.property("MainPID")
    service.configure(yaml.safe_dump({**CONFIG, "folders": CONFIG["folders"][:1]}))
    service.ok("systemctl", "reload", "liuhend.service")
    service.wait(lambda: service.property("StatusText") == "Sealing what arrives in 1 drop folder", "new status")
    service.configure("folders:\n  - pat: /nowhere\n")
    service.ok("systemctl", "reload", "liuhend.service")
    service.wait(lambda: "refused, the old one is in force" in service.property("StatusText"), "refusal in the status")
    said = service.told(LIUHEN_EVENT="CONFIG_REFUSED")[-1]
    assert "retention.yaml:2:" in said["LIUHEN_REASON"] and said["PRIORITY"] == "3"
    service.configure(yaml.safe_dump(CONFIG))
    service.ok("systemctl", "reload", "liuhend.service")
    service.wait(lambda: service.property("StatusText") == "Sealing what arrives in 4 drop folders", "status as before")
    assert service.property("ActiveState") == "active" and service.property("MainPID") == pid


def test_watchdog(service):
    (service.root / "etc/systemd/system/liuhend.service.d/test.conf").write_text(SHORT_WATCHDOG)
    service.ok("systemctl", "daemon-reload")
    service.ok("systemctl", "restart", "liuhend.service")
    pid, before = service.property("MainPID"), int(service.property("NRestarts"))
    time.sleep(3)  # longer than the watchdog waits
    assert service.property("MainPID") == pid and int(service.property("NRestarts")) == before
    service.ok("kill", "-STOP", pid)
    service.wait(lambda: service.property("ActiveState") == "active" and service.property("MainPID") not in ("0", pid), "restart")
    assert int(service.property("NRestarts")) == before + 1
    assert "Watchdog timeout" in service.ok("journalctl", "-q", "-b", "-o", "cat", "-u", "liuhend.service")


def test_people_by_peer_credentials(service, clip):
    service.drop(clip("seen"), "/srv/uploads", "seen.mp4")
    service.sealed("seen.mp4")
    done = service.as_user("alice", "liuhen", "ls")
    assert done.returncode == 0 and "seen.mp4" in done.stdout, done.stderr
    done = service.as_user("mallory", "liuhen", "ls")
    assert done.returncode != 0 and "seen.mp4" not in done.stdout and "mallory" in done.stderr
    denied = service.told(LIUHEN_EVENT="API_DENIED")[-1]
    assert denied["PRIORITY"] == "4" and "mallory" in denied["LIUHEN_WHO"]
    # dock is not in the group liuhen: the socket's mode already keeps it out
    assert service.as_user("dock", "liuhen", "ls").returncode != 0
    assert service.as_user("dock", "ls", "/var/lib/liuhen").returncode != 0


def test_stop_is_quick_and_clean(service, clip):
    for i in range(8):
        service.drop(clip(f"late{i}"), "/srv/uploads", f"late{i}.mp4")
    started = time.monotonic()
    service.ok("systemctl", "stop", "liuhend.service")
    assert time.monotonic() - started < 60
    assert service.property("Result") == "success" and service.property("ExecMainStatus") == "0"
    assert service.told(LIUHEN_EVENT="DAEMON_STOPPING")[-1]["LIUHEN_REASON"] == "Terminated"
    service.ok("systemctl", "start", "liuhend.service")
    for i in range(8):
        assert service.sealed(f"late{i}.mp4")["status"] == "ok"


def test_wrong_configuration_is_not_tried_again(service):
    service.ok("systemctl", "stop", "liuhend.service")
    service.configure("folders:\n  - pat: /nowhere\n")
    assert service.run("systemctl", "start", "liuhend.service").returncode != 0
    assert service.property("ExecMainStatus") == "78"
    time.sleep(2.5)  # RestartSec and a little
    assert service.property("ActiveState") == "failed" and service.property("NRestarts") == "0"
    said = [line["MESSAGE"] for line in service.told(PRIORITY=3) if "retention.yaml:2:" in line["MESSAGE"]]
    assert said, "what is wrong is not said as an error"


def test_sockets_as_they_are_shipped(service):
    """People's socket and HTTPS on its usual port are there while the service is away, and stand again when it comes back."""
    service.ok("systemctl", "stop", "liuhend.service")
    sockets = ["liuhend.socket", "liuhend-tls.socket"]
    try:
        for name in sockets:
            shutil.copy(ROOT / "contrib/systemd" / name, service.root / "etc/systemd/system" / name)
        service.ok("systemctl", "daemon-reload")
        service.ok("systemctl", "start", *sockets)
        for _ in range(2):  # the second time it is the stop of the service that must have left the sockets alone
            assert service.property("ActiveState") == "inactive"
            answer = json.loads(service.ok("liuhen", "status", "--json"))
            assert answer["listens"] == ["/run/liuhen/liuhen.sock", "https://[::]:443"] or \
                answer["listens"] == ["https://[::]:443", "/run/liuhen/liuhen.sock"]
            assert "openapi: 3.1" in service.ok("curl", "-sS", "--cacert", "/var/lib/liuhen/keys/ca.pem", "https://localhost/openapi.yaml")
            service.ok("systemctl", "stop", "liuhend.service")
    finally:
        service.run("systemctl", "stop", *sockets, "liuhend.service")
        for name in sockets:
            (service.root / "etc/systemd/system" / name).unlink(missing_ok=True)
        service.ok("systemctl", "daemon-reload")


def test_socket_activation(service):
    """No .socket is installed, as intake must run anyway; a site that adds one is served through it."""
    service.ok("systemctl", "stop", "liuhend.service")
    (service.root / "etc/systemd/system/liuhend-test.socket").write_text(SOCKET_UNIT)
    service.ok("systemctl", "daemon-reload")
    service.ok("systemctl", "start", "liuhend-test.socket")
    assert service.property("ActiveState") == "inactive"
    answer = json.loads(service.ok("liuhen", "--socket", "/run/liuhend-test.sock", "status", "--json"))
    assert answer["site"] == "test.example/log" and service.property("ActiveState") == "active"
