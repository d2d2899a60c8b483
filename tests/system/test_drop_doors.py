# SPDX-License-Identifier: GPL-3.0-or-later
"""The recipes of contrib/ for what speaks only FTP, SFTP or SMB: real servers with these very files, real clients, a real daemon.

The servers need users, PAM services and files below /etc. They get an /etc of their own, an overlay in a mount namespace of the
test's, so that nothing of the machine changes; that takes root.
"""
import contextlib
import hashlib
import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import time

import pytest

from conftest import ROOT, TIMEOUT, remove_tree, succeeded
from ports import free_port

PASSWORD = "a password for tests"


class Machine:
    """A mount namespace with a writable copy of /etc, and uploads as /srv/uploads."""

    def __init__(self, folder, uploads):
        self.folder = folder
        for name in ("etc", "work"):
            (folder / name).mkdir()
        overlay = f"lowerdir=/etc,upperdir={folder}/etc,workdir={folder}/work"
        script = ('mount --make-rprivate / && mount -t overlay overlay -o "$1" /etc && mount -t tmpfs -o mode=755 tmpfs /srv && '
                  'mkdir /srv/uploads && mount --bind "$2" /srv/uploads && echo ready && exec sleep infinity')
        self.process = subprocess.Popen(["unshare", "-m", "sh", "-c", script, "sh", overlay, str(uploads)],
                                        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        self.servers = []
        line = self.process.stdout.readline()
        if line.strip() != "ready":
            self.close()
            pytest.skip(f"no overlay of /etc in a mount namespace here: {line.strip()}")

    def command(self, *args):
        return ["nsenter", "-t", str(self.process.pid), "-m", f"--wd={self.folder}", *map(str, args)]

    def run(self, *args, **kwargs):
        return succeeded(subprocess.run(self.command(*args), capture_output=True, text=True, timeout=TIMEOUT, check=False,
                                        **{"stdin": None if "input" in kwargs else subprocess.DEVNULL, **kwargs}))

    def start(self, *args, port, env=None):
        """A server in the foreground; returns when it answers on the port."""
        log = open(self.folder / "server.log", "ab")  # pylint: disable=consider-using-with
        server = subprocess.Popen(self.command(*args), stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                  env={**os.environ, **(env or {})}, start_new_session=True)
        log.close()
        self.servers.append(server)
        end = time.monotonic() + 30
        while True:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
                return server
            if server.poll() is not None or time.monotonic() > end:
                raise AssertionError(f"{args[0]} does not serve\n{(self.folder / 'server.log').read_text(errors='replace')}")
            time.sleep(0.1)

    def close(self):
        for server in self.servers:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(server.pid, signal.SIGTERM)  # the group that we started: the server and its children
            with contextlib.suppress(subprocess.TimeoutExpired):
                server.wait(10)
            with contextlib.suppress(ProcessLookupError):
                os.killpg(server.pid, signal.SIGKILL)
        self.process.kill()
        self.process.wait()


@pytest.fixture
def uploads(work):
    """What is /srv/uploads on that machine."""
    folder = work / "uploads"
    folder.mkdir()
    folder.chmod(0o755)  # of root and open to look through, as sshd asks of what a chroot lies in
    return folder


@pytest.fixture
def machine(work, uploads):
    if os.geteuid() != 0:
        pytest.skip("servers with users of their own take root")
    folder = work / "machine"
    folder.mkdir()
    made = Machine(folder, uploads)
    made.run("groupadd", "--system", "-f", "liuhen-upload")
    made.run("mkdir", "-p", "/etc/liuhen")
    yield made
    made.close()
    remove_tree(folder)


@pytest.fixture
def receiver(make_daemon, uploads):
    return make_daemon(config={"folders": [
        {"path": str(uploads), "name": "uploads", "per_device": True, "quiet": "3 s", "settle": "200 ms"}]}).start()


def recipe(name, machine, **changes):
    """A file of contrib/ with paths and ports of the test's, each of which must stand in it."""
    text = (ROOT / "contrib" / name).read_text(encoding="utf-8")
    for was, now in changes.pop("replace"):
        assert was in text, f"contrib/{name} has no {was!r}"
        text = text.replace(was, str(now))
    target = machine.folder / name.replace("/", "-")
    target.write_text(text, encoding="utf-8")
    return target


def files(folder, count=3, size=700_000):
    made = {}
    folder.mkdir()
    for i in range(count):
        data = os.urandom(size + i)
        (folder / f"clip-{i}.mp4").write_bytes(data)
        made[hashlib.sha256(data).hexdigest()] = f"clip-{i}.mp4"
    return made


def assert_arrived(daemon, sent, serial):
    rows = daemon.wait_sealed(len(sent))
    daemon.wait_idle()
    assert {r["digest"] for r in daemon.ls()} == set(sent)
    assert {r["name"] for r in daemon.ls()} <= set(sent.values()) | {"again.mp4"}  # the same bytes are known by the name that came first
    assert {r["device"] for r in daemon.ls()} == {serial}
    daemon.assert_clean()
    return rows


# FTP


@pytest.fixture
def ftp(machine):
    for program in ("vsftpd", "lftp"):
        if not shutil.which(program):
            pytest.skip(f"no {program}")
    port, low = free_port(), free_port()
    machine.run("useradd", "--system", "--no-create-home", "--home-dir", "/srv/uploads", "--gid", "liuhen-upload",
                "liuhen-ftp")
    pam = recipe("vsftpd/liuhen-ftp.pam", machine, replace=[])
    machine.run("install", "-m", "0644", pam, "/etc/pam.d/liuhen-ftp")
    machine.run(ROOT / "contrib/vsftpd/add-device", "C-0001", input=PASSWORD + "\n",
                env={**os.environ, "UPLOADS": "/srv/uploads"})
    machine.run("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=127.0.0.1",
                "-keyout", "/etc/liuhen/ftp.key", "-out", "/etc/liuhen/ftp.pem")
    conf = recipe("vsftpd/vsftpd.conf", machine, replace=[
        ("listen_port=21\n", f"listen_port={port}\nbackground=NO\nlisten_address=127.0.0.1\n"), ("/srv/uploads/ftp", "/srv/uploads"),
        ("pasv_min_port=40000", f"pasv_min_port={low}"), ("pasv_max_port=40200", f"pasv_max_port={low + 20}")])
    machine.start("vsftpd", conf, port=port, env={"OPENSSL_CONF": str(recipe("vsftpd/openssl.cnf", machine, replace=[]))})
    return port


def lftp(port, script, user="C-0001", password=PASSWORD, **kwargs):
    settings = ("set ssl:verify-certificate no; set ftp:ssl-force yes; set ftp:ssl-protect-data yes; set net:max-retries 3; "
                "set net:timeout 60; set cmd:fail-exit yes; ")
    environment = {**os.environ, "LFTP_PASSWORD": password, "HOME": "/nonexistent"}
    return subprocess.run(["lftp", "-c", f"{settings} open --env-password -u {user} -p {port} ftp://127.0.0.1; {script}"],
                          capture_output=True, text=True, timeout=TIMEOUT, check=False, env=environment, stdin=subprocess.DEVNULL,
                          **kwargs)


def test_ftps_uploads_are_sealed_for_their_device(ftp, receiver, work):
    sent = files(work / "card")
    succeeded(lftp(ftp, "mput card/*; mkdir -p 2026-11-23; put -O 2026-11-23 card/clip-0.mp4", cwd=work))
    assert_arrived(receiver, sent, "C-0001")


def test_ftps_goes_on_after_a_break(ftp, receiver, uploads, work):
    receiver.write_config(folders=[{**receiver.config["folders"][0], "quiet": "5 min"}])
    receiver.reload()
    data = os.urandom(3_000_000)
    (work / "clip.mp4").write_bytes(data[:1_000_000])
    succeeded(lftp(ftp, "put clip.mp4", cwd=work))  # all that came before the break
    (work / "clip.mp4").write_bytes(data)
    succeeded(lftp(ftp, "put -c clip.mp4", cwd=work))
    assert (uploads / "C-0001/clip.mp4").read_bytes() == data and receiver.ls() == []
    receiver.write_config(folders=[{**receiver.config["folders"][0], "quiet": "1 s"}])
    receiver.restart()
    assert_arrived(receiver, {hashlib.sha256(data).hexdigest(): "clip.mp4"}, "C-0001")


def test_ftp_devices_can_only_upload(ftp, uploads, work):
    (uploads / "C-0001/kept.mp4").write_bytes(b"evidence")
    os.chmod(uploads / "C-0001/kept.mp4", 0o666)
    assert lftp(ftp, "get kept.mp4 -o got.mp4", cwd=work).returncode != 0
    assert lftp(ftp, "rm kept.mp4", cwd=work).returncode != 0
    assert not (work / "got.mp4").exists() and (uploads / "C-0001/kept.mp4").read_bytes() == b"evidence"
    assert lftp(ftp, "ls", password="wrong password").returncode != 0
    assert lftp(ftp, "ls", user="C-0002").returncode != 0
    plain = subprocess.run(["lftp", "-c", f"set ftp:ssl-allow no; set net:max-retries 1; open --env-password -u C-0001 -p {ftp} "
                            "ftp://127.0.0.1; ls"], capture_output=True, text=True, timeout=TIMEOUT, check=False,
                           env={**os.environ, "LFTP_PASSWORD": PASSWORD, "HOME": "/nonexistent"}, stdin=subprocess.DEVNULL)
    assert plain.returncode != 0, "a password went over the wire in the clear"


# SFTP


@pytest.fixture
def sftp(machine):
    sshd = shutil.which("sshd", path=os.environ.get("PATH", "") + ":/usr/sbin")
    if not sshd or not shutil.which("sftp"):
        pytest.skip("no OpenSSH")
    port, key = free_port(), machine.folder / "id"
    for target in (key, machine.folder / "host"):
        succeeded(subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", target], capture_output=True, check=False))
    machine.run(ROOT / "contrib/sshd/add-device", "c-0001", f"{key}.pub", env={**os.environ, "UPLOADS": "/srv/uploads"})
    match = recipe("sshd/liuhen-sftp.conf", machine, replace=[("/srv/uploads/sftp", "/srv/uploads")])
    conf = machine.folder / "sshd_config"
    conf.write_text(f"Port {port}\nListenAddress 127.0.0.1\nHostKey \"{machine.folder}/host\"\nPidFile none\nUsePAM no\n"
                    f"Subsystem sftp internal-sftp\nInclude \"{match}\"\n")
    os.makedirs("/run/sshd", mode=0o755, exist_ok=True)  # sshd's own empty folder, as its package makes it
    machine.start(sshd, "-D", "-e", "-f", conf, port=port)
    return port, key


def sftp_batch(sftp, commands, cwd, user="c-0001"):
    port, key = sftp
    return subprocess.run(["sftp", "-q", "-b", "-", "-P", str(port), "-i", str(key), "-o", "IdentitiesOnly=yes", "-o",
                           "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null", "-F", "none",
                           f"{user}@127.0.0.1"], input=commands, capture_output=True, text=True, timeout=TIMEOUT, check=False,
                          cwd=cwd)


def test_sftp_uploads_are_sealed_for_their_device(sftp, receiver, work):
    sent = files(work / "card")
    succeeded(sftp_batch(sftp, "put card/*\nmkdir day\nput card/clip-1.mp4 day/again.part\nrename day/again.part day/again.mp4\n",
                         work))
    assert_arrived(receiver, sent, "c-0001")


def test_sftp_goes_on_after_a_break(sftp, receiver, uploads, work):
    receiver.write_config(folders=[{**receiver.config["folders"][0], "quiet": "5 min"}])
    receiver.reload()
    data = os.urandom(2_000_000)
    (work / "clip.mp4").write_bytes(data[:600_000])
    succeeded(sftp_batch(sftp, "put clip.mp4\n", work))
    (work / "clip.mp4").write_bytes(data)
    succeeded(sftp_batch(sftp, "reput clip.mp4\n", work))
    assert (uploads / "c-0001/upload/clip.mp4").read_bytes() == data and receiver.ls() == []
    receiver.write_config(folders=[{**receiver.config["folders"][0], "quiet": "1 s"}])
    receiver.restart()
    assert_arrived(receiver, {hashlib.sha256(data).hexdigest(): "clip.mp4"}, "c-0001")


def test_sftp_devices_can_only_upload(sftp, uploads, work):
    kept = uploads / "c-0001/upload/kept.mp4"
    kept.write_bytes(b"evidence")
    kept.chmod(0o666)
    (work / "clip.mp4").write_bytes(b"other")
    assert sftp_batch(sftp, "put clip.mp4 new.mp4\nrename new.mp4 kept.mp4\n", work).returncode != 0
    assert (kept.parent / "new.mp4").exists()  # it was the rename that failed
    for command in ("get kept.mp4 got.mp4", "rm kept.mp4", "ls /etc", "symlink /etc/passwd x", "chmod 777 kept.mp4"):
        assert sftp_batch(sftp, command + "\n", work).returncode != 0, command
    got = work / "got.mp4"
    assert not (got.exists() and got.read_bytes()) and kept.read_bytes() == b"evidence"
    port, key = sftp
    shell = subprocess.run(["ssh", "-q", "-p", str(port), "-i", str(key), "-o", "IdentitiesOnly=yes", "-o",
                            "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null", "-F", "none",
                            "c-0001@127.0.0.1", "id"], capture_output=True, text=True, timeout=TIMEOUT, check=False,
                           stdin=subprocess.DEVNULL)
    assert "uid=" not in shell.stdout


# SMB


@pytest.fixture(name="short")
def short_folder():
    """For the sockets of servers: a UNIX address holds 107 bytes."""
    with tempfile.TemporaryDirectory(prefix="lh-", ignore_cleanup_errors=True) as folder:
        os.chmod(folder, 0o755)
        yield pathlib.Path(folder)


@pytest.fixture
def smb(short, machine):
    for program in ("smbd", "smbclient", "smbpasswd"):
        if not shutil.which(program, path=os.environ.get("PATH", "") + ":/usr/sbin"):
            pytest.skip(f"no {program}")
    port, state = free_port(), short / "samba"
    state.mkdir(mode=0o755)
    own = "".join(f"    {key} = {state}\n" for key in (
        "private dir", "lock directory", "state directory", "cache directory", "pid directory", "ncalrpc dir"))
    conf = recipe("samba/smb.conf", machine, replace=[
        ("    smb ports = 445\n", f"    smb ports = {port}\n    interfaces = lo\n    bind interfaces only = yes\n{own}"),
        ("/srv/uploads/smb", "/srv/uploads")])
    machine.run(ROOT / "contrib/samba/add-device", "nvr-0001", input=PASSWORD + "\n",
                env={**os.environ, "UPLOADS": "/srv/uploads", "SMB_CONF": str(conf)})
    machine.start("smbd", "--foreground", "--no-process-group", "--debug-stdout", "-s", conf, port=port)
    return port, state


def smbclient(smb, commands, cwd, user="nvr-0001", password=PASSWORD):
    port, state = smb
    client = state / "client.conf"
    client.write_text("[global]\nclient min protocol = SMB3_00\n")
    return subprocess.run(["smbclient", "-s", client, "-p", str(port), "-U", f"{user}%{password}", "//127.0.0.1/uploads", "-c",
                           commands], capture_output=True, text=True, timeout=TIMEOUT, check=False, cwd=cwd,
                          stdin=subprocess.DEVNULL)


def test_smb_uploads_are_sealed_for_their_device(smb, receiver, work):
    sent = files(work / "card")
    succeeded(smbclient(smb, "prompt OFF; lcd card; mput *; mkdir day; cd day; put clip-2.mp4 again.mp4", work))
    assert_arrived(receiver, sent, "nvr-0001")


def test_smb_refuses_strangers(smb, work):
    (work / "clip.mp4").write_bytes(b"x" * 100)
    assert smbclient(smb, "put clip.mp4", work, password="wrong password").returncode != 0
    assert smbclient(smb, "put clip.mp4", work, user="nobody", password="").returncode != 0
    port, state = smb
    old = subprocess.run(["smbclient", "-s", state / "client.conf", "--option=client max protocol=SMB2", "-p", str(port), "-U",
                          f"nvr-0001%{PASSWORD}", "//127.0.0.1/uploads", "-c", "ls"], capture_output=True, text=True, timeout=TIMEOUT,
                         check=False, stdin=subprocess.DEVNULL)
    assert old.returncode != 0, "an unencrypted protocol was taken"


# The scripts


@pytest.mark.parametrize("script, good", [("vsftpd", "C-0001"), ("sshd", "c-0001"), ("samba", "nvr-0001")])
def test_add_device_refuses_names_that_are_paths(script, good, work):
    for name in ("", "..", "../x", "a/b", "-rf", ".hidden", "a b", "a:b", "a\nb", "é"):
        done = subprocess.run([ROOT / f"contrib/{script}/add-device", name], capture_output=True, text=True, check=False,
                              stdin=subprocess.DEVNULL, env={**os.environ, "UPLOADS": str(work), "DEVICES": str(work / "d")})
        assert done.returncode == 64 and "usage" in done.stderr, (name, done.stderr)
    assert not list(work.iterdir())
    assert re.search(rf"\b{good}\b", (ROOT / f"contrib/{script}/README.md").read_text(encoding="utf-8"))


@pytest.mark.parametrize("script, arguments", [("sshd", ["daemon", "id.pub"]), ("samba", ["daemon"])])
def test_add_device_leaves_users_of_the_machine_alone(machine, script, arguments):
    """A serial number that is the name of somebody else: neither a key nor a password for that one."""
    succeeded(subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", machine.folder / "id"], capture_output=True, check=False))
    done = subprocess.run(machine.command(ROOT / f"contrib/{script}/add-device", *arguments), input=PASSWORD + "\n", capture_output=True,
                          text=True, timeout=TIMEOUT, check=False, env={**os.environ, "UPLOADS": "/srv/uploads"})
    assert done.returncode == 65 and "user of this machine" in done.stderr, done.stderr
