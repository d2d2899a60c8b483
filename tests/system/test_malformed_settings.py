# SPDX-License-Identifier: GPL-3.0-or-later
"""Malformed settings given to the real daemon: every fault at once as file:line:column, exit 78, nothing made on disk; the dump of the
values in force and the sample are themselves good settings."""
import pathlib
import subprocess

import pytest
import yaml

from conftest import TIMEOUT

ROOT = pathlib.Path(__file__).resolve().parents[2]
EX_CONFIG = 78

MALFORMED = {
    "tab": ("archive:\n\tpath: /x\n", [":2:1: a tab character in the indentation; indent with spaces"]),
    "anchor": ("log: &l { level: info }\nmedia: *l\n", [":1:6: anchor '&l'", ":2:8: alias '*l'"]),
    "duplicate": ("log: { level: info }\nlog: { level: debug }\n", [":2:1: key 'log' is given twice, first in line 1"]),
    "10 MB": (("# " + "x" * 80 + "\n") * 126000, [": is larger than 1048576 bytes"]),
    "deep": ("folders: " + "[" * 200000 + "]" * 200000, [":1:25: nested deeper than 16 levels; flatten it"]),
    "not UTF-8": (b"site:\n  name: \xb1\xbe\xcf\xaa\n", [":2:9: byte 0xB1 is not UTF-8"]),
    "NUL": (b"site:\n  name: a\0b\n", [":2:10: a NUL byte"]),
    "many": ("archiv: {}\nlog: { level: loud }\nintake: { threads: 0 }\nfolders: [{ name: a }]\n",
             [":1:1: unknown key 'archiv'; did you mean 'archive'?", ":2:15: log.level", ":3:20: intake.threads", ":4:11: folders[].path"]),
}


def run(build, *args):
    return subprocess.run([build / "liuhend", *map(str, args)], capture_output=True, timeout=TIMEOUT, check=False)


@pytest.mark.parametrize("name", MALFORMED)
def test_malformed(build, work, name):
    text, wanted = MALFORMED[name]
    path = work / "bad.yaml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    done = run(build, "--config", path, "--set", f"archive.path={work.resolve()}/archive")
    said = done.stderr.decode()
    assert done.returncode == EX_CONFIG, said
    for part in wanted:
        assert f"{path}{part}" in said
    assert not (work / "archive").exists()


def test_dump_is_settings(build, work):
    first = run(build, "--dump-config")
    assert first.returncode == 0, first.stderr
    path = work / "dump.yaml"
    path.write_bytes(first.stdout)
    second = run(build, "--config", path, "--dump-config")
    assert second.returncode == 0, second.stderr
    assert yaml.safe_load(second.stdout) == yaml.safe_load(first.stdout)
    sample = run(build, "--config", ROOT / "retention.yaml.sample", "--dump-config")
    assert yaml.safe_load(sample.stdout) == yaml.safe_load(first.stdout)


def test_bad_override(build):
    done = run(build, "--set", "media.nice=99", "--dump-config")
    assert done.returncode == EX_CONFIG
    assert b"media.nice: 99 is out of range; write a number from 0 to 19" in done.stderr


# ---- --check-config says the same without a start


def check(build, path, timeout=TIMEOUT):
    return subprocess.run([build / "liuhend", "--config", path, "--check-config"], capture_output=True, text=True, timeout=timeout,
                          check=False)


BAD_YAML = {
    "tab": ("archive:\n\tpath: /x\n", "2:1"),
    "anchor": ("archive: &a\n  path: /x\nstore: *a\n", "anchor"),
    "duplicate": ("log:\n  level: info\nlog:\n  level: debug\n", "3:1"),
    "deep": ("[" * 3000 + "]" * 3000, "nest"),
    "unknown key": ("archiv:\n  path: /x\n", "archive"),
    "not a mapping": ("- a\n- b\n", "1:1"),
    "bad value": ("intake:\n  threads: many\n", "2:12"),
    "invalid utf-8": (b"site:\n  name: \xff\xfe\n", "UTF-8"),
    "nothing but a NUL": (b"\x00", ""),
}


@pytest.mark.parametrize("name", BAD_YAML)
def test_malformed_yaml_is_refused_with_the_place(build, work, name):
    text, expected = BAD_YAML[name]
    path = work / "bad.yaml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    done = check(build, path)
    assert done.returncode == 78, done.stderr
    assert str(path) in done.stderr and expected in done.stderr, done.stderr


def test_all_faults_are_said_at_once(build, work):
    path = work / "bad.yaml"
    path.write_text("archiv:\n  path: /x\nintake:\n  threads: many\nfolders:\n  - name: no path\n")
    done = check(build, path)
    assert done.returncode == 78
    assert sum(line.startswith(str(path)) for line in done.stderr.splitlines()) >= 3, done.stderr


def test_ten_megabytes_of_yaml_are_refused_at_once(build, work):
    path = work / "big.yaml"
    path.write_text("log:\n  level: info\n" + "# padding\n" * 1_000_000)
    done = check(build, path, timeout=TIMEOUT)
    assert done.returncode == 78 and str(path) in done.stderr
