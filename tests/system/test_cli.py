# SPDX-License-Identifier: GPL-3.0-or-later
"""liuhen against a real daemon: every command, every exit code, what a person reads and what a program reads."""
import http.client
import json
import os
import pathlib
import pty
import re
import select
import shutil
import socket
import subprocess
import time
import unicodedata

import pytest

from conftest import TIMEOUT

ROOT = pathlib.Path(__file__).resolve().parents[2]
NUMBER = "本溪卫医罚〔2026〕12号"
OTHERS = pytest.mark.skipif(os.geteuid() != 0, reason="needs another user")


def parts(done):
    return done.returncode, done.stdout, done.stderr


@pytest.fixture
def two(daemon):
    """A daemon that has sealed two small text files; (daemon, first id, second id)."""
    daemon.drop("a.txt", b"first\n")
    daemon.drop("执法记录.txt", "第二\n".encode())
    rows = daemon.wait_sealed(2)
    daemon.wait_idle()
    ids = {row["name"]: row["id"] for row in rows}
    return daemon, ids["a.txt"], ids["执法记录.txt"]


# Looking

def test_ls_show_and_their_json(two):
    daemon, first, second = two
    text = daemon.cli("ls", json=False)
    assert text.splitlines()[0].split()[:2] == ["ID", "RECORDED"]
    assert first in text and "执法记录.txt" in text
    assert [r["id"] for r in daemon.ls("--limit", "1")] == [r["id"] for r in daemon.ls()][:1]
    assert len(daemon.ls("--unlinked")) == 2
    assert daemon.ls("--held") == [] and daemon.ls("--damaged") == []
    today = time.strftime("%Y-%m-%d", time.gmtime(time.time() + 8 * 3600))
    assert len(daemon.ls("--from", today, "--to", today)) == 2
    assert daemon.ls("--to", "2001-01-01") == []
    row = daemon.cli("show", first)
    assert row["bytes"] == 6 and row["zone"] == "Asia/Shanghai"
    shown = daemon.cli("show", first, json=False)
    assert row["digest"] in shown and "a.txt" in shown
    assert daemon.cli("show", first[:-1] if first[:-1] != second[:-1] else first.lower())["id"] == first
    assert "\x1b" not in text + shown


def test_status_and_watch(two):
    daemon, _, _ = two
    status = daemon.cli("status")
    assert status["idle"] is True and status["counts"]["recordings"] == 2 and status["troubles"] == []
    assert "recordings:" in daemon.cli("status", json=False)
    with subprocess.Popen([daemon.build / "liuhen", "--socket", daemon.socket, "watch", "--json"], text=True,
                          stdout=subprocess.PIPE) as watch:
        # the stream is followed once an event that came after its start is seen
        for n in range(50):
            daemon.drop(f"later{n}.txt", f"{n}\n".encode())
            if select.select([watch.stdout], [], [], 0.3)[0]:
                break
        line = json.loads(watch.stdout.readline())
        watch.terminate()
        assert watch.wait(10) == 0
    assert line["event"] in ("sealed", "examined") and len(line["recording"]) == 26
    daemon.wait_idle()


def test_a_missing_folder_with_a_long_name_is_a_trouble_too(make_daemon):
    daemon = make_daemon()
    for blanks in ("", "a", "aa"):  # wherever a cut would fall
        path = daemon.work / "/".join([blanks + "执法记录仪" * 16] * 4)
        daemon.write_config(folders=[{"path": str(daemon.folder), "name": "drop"}, {"path": str(path), "name": "long"}])
        daemon.restart()
        daemon.wait(lambda: f"drop folder {path} is not there" in daemon.cli("status")["troubles"], "the folder among the troubles",
                    timeout=TIMEOUT)


def test_explain_can_be_read_aloud(two):
    daemon, first, _ = two
    daemon.cli("case", "add", NUMBER, "--procedure", "general")
    daemon.cli("link", first, NUMBER)
    text = daemon.cli("explain", first, json=False)
    for words in ("Why", "Art. 17(3)", "What is known, and from where", NUMBER, "What would change it", "were filed today",
                  "from the ledger"):
        assert words in text
    told = daemon.cli("explain", first)
    assert told["decision"]["class"] == "evidence" and told["today"]["stands"] is True
    changes = {change["class"] for change in told["would_change"]}
    assert "disputed" in changes
    # what it says would happen is what happens
    filed = next(c for c in told["would_change"] if "filed" in c["change"])
    daemon.cli("case", "end", NUMBER)
    daemon.cli("case", "file", NUMBER)
    after = daemon.cli("explain", first)["decision"]
    assert (after["class"], after["ending"]) == (filed["class"], filed["ending"])
    assert abs(after["until"] - filed["until"]) <= 86400 * 10**6


# Changing

def test_cases_links_and_holds(two):
    daemon, first, second = two
    case = daemon.cli("case", "add", NUMBER, "--title", "某诊所", "--opened", "2026-01-05")
    assert case["state"] == "open" and case["number"] == NUMBER
    assert daemon.cli("case", "show", "本溪卫医罚[2026] 12号")["id"] == case["id"]
    assert daemon.cli("case", "set", case["id"], "--procedure", "summary")["procedure"] == "summary"
    links = daemon.cli("link", first, second, NUMBER, "--role", "context", "--step", "送达")
    assert [link["recording"] for link in links] == [first, second]
    assert len(daemon.ls("--case", NUMBER)) == 2
    assert "2026-01-05" in daemon.cli("case", "show", NUMBER, json=False)
    assert first in daemon.cli("case", "show", NUMBER, json=False)
    daemon.cli("unlink", second, NUMBER)
    assert [r["id"] for r in daemon.ls("--case", NUMBER)] == [first]
    one = daemon.cli("hold", "add", first, "--ground", "complaint", "--matter", "信访-3")
    two_ = daemon.cli("hold", "add", "--case", NUMBER, "--ground", "other", "--reason", "asked for")
    assert {h["id"] for h in daemon.cli("hold", "ls")["holds"]} == {one["id"], two_["id"]}
    assert [r["id"] for r in daemon.ls("--held")] == [first]
    daemon.cli("hold", "lift", two_["id"], "--reason", "over")
    assert [h["id"] for h in daemon.cli("hold", "ls")["holds"]] == [one["id"]]
    assert len(daemon.cli("hold", "ls", "--all", "--recording", first)["holds"]) == 2
    assert daemon.cli("case", "end", NUMBER, "--date", "2026-02-01")["state"] == "ended"
    assert daemon.cli("case", "reopen", NUMBER)["state"] == "open"
    assert [c["number"] for c in daemon.cli("case", "ls", "--state", "open")["cases"]] == [NUMBER]
    assert daemon.cli("case", "ls", "--state", "filed")["cases"] == []
    daemon.cli("case", "set", NUMBER, "--opened", "2026-01-04")
    assert "opened 2026-01-04" in daemon.cli("history", case["id"])["acts"][-1]["text"]
    kinds = [act["kind"] for act in daemon.cli("history", case["id"])["acts"]]
    assert kinds[0] == "case.added" and "case.reopened" in kinds and "link.removed" in kinds
    daemon.assert_clean()


def test_held_by_a_case_is_shown_as_held(two):
    daemon, first, _ = two
    daemon.cli("case", "add", NUMBER)
    daemon.cli("link", first, NUMBER)
    daemon.cli("hold", "add", "--case", NUMBER, "--ground", "audit")
    row, = daemon.ls("--held")
    assert (row["id"], row["held"], row["holds"]) == (first, 1, 0)
    line = daemon.cli("ls", "--held", json=False).splitlines()[1]
    assert line.split()[6] == "?LH", line


def test_an_empty_value_is_not_a_filter(two):
    daemon, _, _ = two
    for name in ("case", "device", "officer", "unit", "class", "take", "from", "to"):
        done = daemon.run("ls", f"--{name}", "")
        assert (done.returncode, done.stdout) == (2, "") and f"--{name}" in done.stderr, parts(done)


def test_before_1970_is_a_time_like_others(two):
    daemon, _, _ = two
    assert daemon.ls("--to", "1970-01-01T00:00:00Z") == []
    assert len(daemon.ls("--from", "1970-01-01T00:00:00Z")) == 2


def test_link_of_several_tells_what_was_done_before_it_failed(two):
    daemon, first, second = two
    daemon.cli("case", "add", NUMBER)
    done = daemon.run("link", first, "01ZZZZ", second, NUMBER, "--json")
    assert done.returncode == 3 and "01ZZZZ" in done.stderr
    assert [link["recording"] for link in json.loads(done.stdout)] == [first]
    assert [r["id"] for r in daemon.ls("--case", NUMBER)] == [first]


def test_output_takes_json_too(two):
    daemon, first, _ = two
    for command, member in ((["receipt", first], "receipt"), (["key"], "key")):
        path = daemon.work / member
        done = daemon.run(*command, "--json", "--output", str(path))
        assert (done.returncode, done.stdout) == (0, ""), parts(done)
        assert json.loads(path.read_text()) == json.loads(daemon.run(*command, "--json").stdout)


class OverSocket(http.client.HTTPConnection):
    """HTTP to the daemon without a process for each request."""

    def __init__(self, path):
        super().__init__("liuhen")
        self.path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.connect(str(self.path))


def test_long_answers_are_whole_or_say_that_there_is_more(two):
    daemon, first, _ = two
    connection = OverSocket(daemon.socket)
    for i in range(1001):
        connection.request("POST", "/v1/holds", json.dumps({"recording": first, "ground": "audit", "matter": f"m{i}"}),
                           {"Content-Type": "application/json"})
        answer = connection.getresponse()
        assert (answer.status, bool(answer.read())) == (201, True)
    connection.close()
    lines = daemon.cli("hold", "ls", json=False).splitlines()
    assert len(lines) == 1002 and sum(line.startswith("ID ") for line in lines) == 1
    acts = daemon.cli("history", first)["acts"]
    assert len(acts) > 1001 and sum(act["kind"] == "hold.added" for act in acts) == 1001
    assert [act["index"] for act in acts] == sorted({act["index"] for act in acts})
    assert len(daemon.cli("history", first, json=False).splitlines()) == len(acts) + 1
    explained = daemon.cli("explain", first)
    assert len(explained["history"]) == 200 and explained["history_more"] is True
    assert "and more; `liuhen history`" in daemon.cli("explain", first, json=False)
    for i in range(1001):
        (daemon.archive / f"quarantine/01KB000000000000000000{i:04}-x").write_bytes(b"x")
    quarantined = daemon.cli("quarantine", "ls")
    assert len(quarantined["quarantine"]) == 1000 and quarantined["more"] is True
    assert "and more" in daemon.run("quarantine", "ls").stderr


# Receipts

def test_receipt_and_verify(two):
    daemon, first, _ = two
    work = daemon.work
    (work / "good.txt").write_bytes(b"first\n")
    (work / "changed.txt").write_bytes(b"First\n")
    daemon.cli("receipt", first, "-o", "r.tlog-proof", json=False)
    daemon.cli("key", "--output", "key.pub", json=False)
    assert (work / "r.tlog-proof").read_text() == daemon.cli("receipt", first)["receipt"]
    daemon.stop()  # from here on nobody helps
    code, out, err = parts(daemon.run("verify", "r.tlog-proof", "good.txt", "--key", "key.pub"))
    assert code == 0 and "Genuine" in out and "The same bytes" in out and err == ""
    code, out, _ = parts(daemon.run("verify", "r.tlog-proof", "good.txt", "changed.txt", "--key", "key.pub", "--json"))
    told = json.loads(out)
    assert code == 1 and told["verified"] is False and [f["match"] for f in told["files"]] == [True, False]
    assert told["act"]["subject"] == first
    text = (work / "key.pub").read_text().strip()
    assert daemon.run("verify", "r.tlog-proof", "--key", text).returncode == 0
    receipt = (work / "r.tlog-proof").read_text()
    (work / "bent").write_text(receipt.replace("index ", "index 1", 1))
    code, out, err = parts(daemon.run("verify", "bent", "--key", "key.pub"))
    assert code == 1 and "Genuine" not in out and "NOT verified" in err
    assert daemon.run("verify", "r.tlog-proof", "--key", "nowhere.pub").returncode == 3
    assert daemon.run("verify", "nowhere", "--key", "key.pub").returncode == 3
    assert daemon.run("verify", "r.tlog-proof", "nowhere", "--key", "key.pub").returncode == 3
    assert daemon.run("verify", "r.tlog-proof", "--key", "a+b+c").returncode == 6


# Refusals

def test_exit_codes_and_plain_words(two):
    daemon, first, second = two
    daemon.cli("case", "add", NUMBER)
    begun = os.path.commonprefix([first, second])
    for args, code, words in (
            (["ls", "--colour", "red"], 2, "not an option"),
            (["frobnicate"], 2, "not a command"),
            (["case"], 2, "add, set, end"),
            (["show"], 2, "missing"),
            (["show", "a", "b"], 2, "too many"),
            (["ls", "--kind", "film"], 2, "video|audio"),
            (["ls", "--limit", "many"], 2, "--limit"),
            (["hold", "add", first], 2, "--ground"),
            (["hold", "add", "--ground", "audit"], 2, "either"),
            (["verify", "x"], 2, "--key"),
            (["show", "01ZZZZ"], 3, "no such recording"),
            (["case", "show", "none"], 3, "no such case"),
            (["ls", "--case", "none"], 3, "no such case"),
            (["show", begun], 6, "more than one"),
            (["case", "add", NUMBER], 6, "another case"),
            (["case", "file", NUMBER], 6, "only an ended case"),
            (["ls", "--from", "gestern"], 6, "not a time"),
            (["hold", "add", first, "--ground", "other"], 6, "reason")):
        done = daemon.run(*args)
        assert (done.returncode, words in done.stderr) == (code, True), (args, parts(done))
        assert done.stderr.startswith("liuhen: ") and done.stdout == ""


def test_an_option_that_is_no_utf8_changes_nothing(two):
    daemon, first, _ = two
    daemon.cli("case", "add", NUMBER)
    bad = "\udcff"  # the byte 0xff
    for args, option in ((["case", "end", NUMBER, "--date", bad], "date"),
                         (["case", "set", NUMBER, "--title", bad], "title"),
                         (["case", "add", "13", "--title", bad], "title"),
                         (["link", first, NUMBER, "--step", bad], "step"),
                         (["hold", "add", "--case", bad, "--ground", "audit"], "case"),
                         (["hold", "lift", "01K", "--reason", bad], "reason")):
        done = daemon.run(*args)
        assert (done.returncode, done.stdout) == (2, ""), (args, parts(done))
        assert done.stderr.startswith(f"liuhen: {option}: is not UTF-8"), parts(done)
    assert [(c["number"], c["state"]) for c in daemon.cli("case", "ls")["cases"]] == [(NUMBER, "open")]


def test_no_daemon(build, work):
    done = subprocess.run([build / "liuhen", "--socket", work / "none", "status"], capture_output=True, text=True, check=False)
    assert done.returncode == 5
    assert str(work / "none") in done.stderr and "systemctl start liuhend" in done.stderr
    environment = {**os.environ, "LIUHEN_SOCKET": str(work / "other")}
    done = subprocess.run([build / "liuhen", "ls"], capture_output=True, text=True, check=False, env=environment)
    assert done.returncode == 5 and str(work / "other") in done.stderr


def test_stopped_daemon_leaves_no_socket_and_killed_one_is_replaced(daemon):
    daemon.kill()
    assert daemon.socket.exists()
    done = daemon.run("status")
    assert done.returncode == 5 and "nobody answers" in done.stderr
    daemon.start()
    daemon.cli("status")
    daemon.stop()
    assert not daemon.socket.exists()


def program_for_others(daemon):
    """liuhen where everybody can reach it, and a socket that everybody can open."""
    os.chmod(daemon.short, 0o755)
    os.chmod(daemon.socket, 0o666)
    program = daemon.short / "liuhen"
    shutil.copy(daemon.build / "liuhen", program)
    program.chmod(0o755)
    return program


@OTHERS
def test_others_may_not(make_daemon):
    daemon = make_daemon(config={"people": [{"user": "daemon", "name": "李档案", "roles": ["records"]},
                                            {"user": "bin", "name": "王警官", "roles": ["officer"]}],
                                 "socket": {"mode": "0666"}}).start()
    program = program_for_others(daemon)

    def run(user, *args):
        return subprocess.run([program, "--socket", daemon.socket, *args], user=user, group="nogroup", cwd="/",
                              extra_groups=[], capture_output=True, text=True, check=False)

    daemon.drop("x.txt", b"x")
    row = daemon.wait_sealed(1)[0]
    assert run("daemon", "case", "add", "1").returncode == 0
    done = run("nobody", "status")
    assert done.returncode == 4 and "people" in done.stderr
    done = run("bin", "case", "add", "2")
    assert done.returncode == 4 and "records" in done.stderr
    assert run("bin", "ls").returncode == 0 and "no recording" in run("bin", "ls").stdout
    assert run("bin", "show", row["id"]).returncode == 4
    assert run("bin", "ls", "--officer", "李四").returncode == 4
    assert run("root", "case", "add", "3").returncode == 4  # root keeps the system and decides about no evidence
    assert daemon.cli("history", "1")["acts"][0]["actor"] == "user:daemon"
    daemon.wait_log("nobody (uid")
    os.chmod(daemon.socket, 0o600)
    done = run("nobody", "status")
    assert done.returncode == 4 and "may not open" in done.stderr


@OTHERS
def test_who_may_no_longer_watch_sees_no_more(make_daemon):
    daemon = make_daemon(config={"people": [{"user": "root", "roles": ["administrator"]},
                                            {"user": "daemon", "roles": ["records"]}]}).start()
    program = program_for_others(daemon)
    with subprocess.Popen([program, "--socket", daemon.socket, "watch"], user="daemon", group="nogroup", cwd="/",
                          extra_groups=[], stdout=subprocess.PIPE, text=True) as watching:
        try:
            for number in range(100):  # until the watcher has come
                daemon.drop(f"before-{number}.txt", b"before %d" % number)
                if select.select([watching.stdout], [], [], 0.3)[0]:
                    break
            assert watching.stdout.readline()
            daemon.write_config(people=[{"user": "root", "roles": ["administrator"]}])
            daemon.reload()
            daemon.drop("after.txt", b"after")
            daemon.wait_sealed(number + 2)
            assert "after.txt" not in watching.communicate(timeout=TIMEOUT)[0]
        finally:
            watching.kill()


# What a terminal gets

def on_terminal(argv, columns, environment=None):
    """The bytes that a program writes to a terminal of that width."""
    leader, follower = pty.openpty()
    import fcntl
    import struct
    import termios
    fcntl.ioctl(follower, termios.TIOCSWINSZ, struct.pack("HHHH", 40, columns, 0, 0))
    with subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=follower, stderr=follower,
                          env={**os.environ, "TERM": "xterm", "LC_ALL": "C", **(environment or {})}) as process:
        os.close(follower)
        out = b""
        while True:
            try:
                block = os.read(leader, 65536)
            except OSError:
                break
            if not block:
                break
            out += block
        process.wait()
    os.close(leader)
    return out.decode("utf-8")


def width(text):
    return sum(2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in text)


def test_lines_fit_the_terminal_and_columns_align(two):
    daemon, first, _ = two
    daemon.cli("case", "add", NUMBER, "--title", "一个很长的标题" * 12, "--procedure", "general")
    daemon.cli("link", first, NUMBER)
    daemon.drop("很长的文件名" * 12 + ".txt", b"z")
    daemon.drop(b"bad\x1b[31m\xff\n.txt", b"w")
    daemon.wait_sealed(4)
    daemon.wait_idle()
    for columns in (60, 80, 120):
        for command in (["ls"], ["case", "ls"], ["show", first], ["explain", first], ["history", first], ["status"]):
            out = on_terminal([daemon.build / "liuhen", "--socket", daemon.socket, *command], columns)
            plain = re.sub(r"\x1b\[[0-9;]*[mK]", "", out).replace("\r", "")
            assert "\x1b" not in plain
            for line in plain.splitlines():
                assert width(line) <= columns, (columns, command, line)
            if command == ["ls"]:
                lines = plain.splitlines()
                at = lines[0].index("NAME")  # only ASCII before it
                assert all(width(line[:at]) == at and line[at - 1] == " " and line[at] != " " for line in lines[1:5])
    colourless = on_terminal([daemon.build / "liuhen", "--socket", daemon.socket, "ls"], 80, {"NO_COLOR": "1"})
    assert "\x1b" not in colourless


# One table

def test_help_names_every_command_and_exit_code(build):
    text = subprocess.run([build / "liuhen", "--help"], capture_output=True, text=True, check=True).stdout
    for command in ("status", "ls", "show", "explain", "case add", "case end", "link", "unlink", "hold add", "hold lift", "receipt",
                    "verify", "fsck", "rebuild", "watch", "quarantine ls", "key"):
        assert f"\n  {command} " in text
        done = subprocess.run([build / "liuhen", *command.split(), "--help"], capture_output=True, text=True, check=True)
        assert done.stdout.startswith(f"liuhen {command}")
    assert [int(n) for n in re.findall(r"^  (\d)  ", text, re.M)] == list(range(8))


def test_help_of_commands_that_begin_alike(build):
    done = subprocess.run([build / "liuhen", "device", "--help"], capture_output=True, text=True, check=True)
    assert done.stdout.startswith("  device list ") and "\n  device token DEVICE " in done.stdout and "  case" not in done.stdout
    assert subprocess.run([build / "liuhen", "devic", "--help"], capture_output=True, check=False).returncode == 2


def test_manual_page_is_that_of_the_program(build):
    page = subprocess.run([build / "liuhen", "man-page"], capture_output=True, text=True, check=True).stdout
    kept = (ROOT / "contrib/man/liuhen.1").read_text(encoding="utf-8")
    assert page == kept, "run `liuhen man-page > contrib/man/liuhen.1`"


def words(build, *line, env=None):
    done = subprocess.run([build / "liuhen", "complete-words", *line], capture_output=True, text=True, check=True, env=env)
    return done.stdout.splitlines()


def test_completion_words(two):
    daemon, first, second = two
    build = daemon.build
    environment = {**os.environ, "LIUHEN_SOCKET": str(daemon.socket)}
    assert {"status", "ls", "case", "hold", "verify"} <= set(words(build, ""))
    assert words(build, "sh") == ["show"]
    assert words(build, "case", "a") == ["add"]
    assert "--damaged" in words(build, "ls", "--") and "--socket" in words(build, "ls", "--")
    assert words(build, "ls", "--kind", "v") == ["video"]
    assert words(build, "verify", "") == ["@file"]
    assert words(build, "receipt", "x", "--output", "") == ["@file"]
    assert set(words(build, "show", "", env=environment)) == {first, second}
    assert set(words(build, "--socket", str(daemon.socket), "link", first, "")) >= {first, second}
    daemon.cli("case", "add", NUMBER)
    assert NUMBER in words(build, "link", first, "", env=environment)
    assert words(build, "case", "show", "本", env=environment) == [NUMBER]
    assert words(build, "show", "", env={**os.environ, "LIUHEN_SOCKET": "/nowhere"}) == []


def test_completion_of_looking(make_daemon, media):
    far = (time.gmtime().tm_hour + 12) % 24  # so that the job waits
    daemon = make_daemon({"site": {"timezone": "UTC"}, "media": {"derive": {"enabled": True, "hours": f"{far:02}:00-{far:02}:01", "load": 0}}}).start()
    build, environment = daemon.build, {**os.environ, "LIUHEN_SOCKET": str(daemon.socket)}
    daemon.drop("a.jpg", media("photo"))
    recording = daemon.wait_sealed(1)[0]["id"]
    assert words(build, "jobs", "") == ["show", "cancel", "again"]
    assert words(build, "jobs", "c") == ["cancel"]
    assert "--state" in words(build, "jobs", "--") and words(build, "jobs", "--state", "w") == ["waiting"]
    assert words(build, "jobs", "again", "", env=environment) == [recording]
    for line in (["copy", ""], ["open", ""], ["open", "--wait", ""], ["copy", "--form", "release", ""]):
        assert words(build, *line, env=environment) == [recording], line
    assert "--wait" in words(build, "open", "--w") and words(build, "copy", "--form", "re") == ["release", "redact"]
    assert words(build, "copy", "x", "--to", "") == ["@file"] and words(build, "copy", "x", "--plan", "") == ["@file"]
    daemon.wait(lambda: daemon.cli("jobs", "--state", "waiting")["jobs"], "the job")
    job = daemon.cli("jobs")["jobs"][0]["id"]
    assert words(build, "jobs", "cancel", "", env=environment) == [job]
    assert words(build, "jobs", "show", "", env=environment) == [job]
    assert daemon.cli("jobs", "show", job)["recording"] == recording
    shown = daemon.run("jobs", "show", job).stdout
    assert re.search(rf"recording: +{recording}\nwork: +derive\nstate: +waiting\nasked: ", shown), shown
    missing = daemon.run("jobs", "show", recording)
    assert missing.returncode == 3 and "no such job; `liuhen jobs` lists them" in missing.stderr
    daemon.cli("jobs", "cancel", job)
    assert words(build, "jobs", "cancel", "", env=environment) == []


def test_a_copy_that_cannot_be_written_is_not_asked_for(two, tmp_path):
    daemon, recording, _ = two
    for to, why in ((tmp_path / "none" / "x.mp4", "No such file or directory; name a file in a folder that is there"),
                    (tmp_path, "is there already"), (f"{tmp_path}/", "is a folder; name the file in it")):
        done = daemon.run("copy", recording, "--form", "release", "--reason", "for a test", "--to", to)
        assert done.returncode != 0 and str(to) in done.stderr and why in done.stderr, done.stderr
    for missing, rest in (("form", ["--reason", "x", "--to", "y"]), ("reason", ["--form", "release", "--to", "y"]), ("to", ["--form", "release", "--reason", "x"])):
        done = daemon.run("copy", recording, *rest)
        assert done.returncode == 2 and f"write --{missing}" in done.stderr, done.stderr
    assert [job for job in daemon.cli("jobs")["jobs"] if job["kind"] == "copy"] == []


def test_bash_completion(build, work):
    (work / "some.proof").write_text("")
    script = f"""
        PATH={build.as_posix()!r}:$PATH; . {(ROOT / 'contrib/completions/liuhen.bash').as_posix()!r}; cd {work.as_posix()!r}
        try() {{ COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); COMP_LINE="$*"; COMP_POINT=${{#COMP_LINE}}; _liuhen; echo "${{COMPREPLY[*]}}"; }}
        try liuhen qua; try liuhen hold ''; try liuhen ls --kind au; try liuhen verify some
        try liuhen jobs c; try liuhen copy --form pre; try liuhen open --wa
    """
    done = subprocess.run(["bash", "-c", script], capture_output=True, text=True, check=True)
    lines = done.stdout.splitlines()
    assert lines[0].strip() == "quarantine"
    assert lines[1].split() == ["add", "lift", "ls"]
    assert lines[2].strip() == "audio" and lines[3].strip() == "some.proof"
    assert [line.strip() for line in lines[4:]] == ["cancel", "preserve", "--wait"]
