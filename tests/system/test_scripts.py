# SPDX-License-Identifier: GPL-3.0-or-later
"""The checks of the house fail when they should: each is shown a tree with one fault, and names it."""
import os
import pathlib
import re
import shutil
import subprocess

import pytest

from conftest import TIMEOUT

ROOT = pathlib.Path(__file__).resolve().parents[2]

HEADER = "/* SPDX-License-Identifier: GPL-3.0-or-later */\n"


@pytest.fixture
def tree(tmp_path):
    """A small good tree with the real ARCHITECTURE.md."""
    root = tmp_path / "a tree"
    for folder in ("base", "policy", "catalogue", "intake", "media", "cli"):
        (root / "daemon" / folder).mkdir(parents=True)
    shutil.copy(ROOT / "daemon/ARCHITECTURE.md", root / "daemon")
    put(root, "base/x.c", '#include "base/error.h"\n#include <string.h>\n\nint x(void)\n{\n    return 0;\n}\n')
    put(root, "policy/p.c", '#include "base/error.h"\n')
    put(root, "catalogue/c.c", '#include "ledger/ledger.h"\nstatic const char s[] = "SELECT a FROM b";\n')
    return root


def put(root, name, text):
    (root / "daemon" / name).write_text(HEADER + text, encoding="utf-8")


def check(script, root):
    return subprocess.run([ROOT / "scripts" / script, root], capture_output=True, text=True, check=False)


def assert_named(script, root, *words):
    done = check(script, root)
    assert done.returncode == 1, done.stdout + done.stderr
    for word in words:
        assert word in done.stdout, done.stdout


def test_good_tree_passes(tree):
    for script in ("check-layers", "check-size"):
        done = check(script, tree)
        assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("name, text, words", [
    ("policy/p.c", '#include "catalogue/db.h"\n', ["daemon/policy/p.c:2:", "policy may not include catalogue/"]),
    ("base/x.c", '#include "policy/policy.h"\n', ["base may not include policy/"]),
    ("intake/i.c", '#include "api/api.h"\n', ["intake may not include api/"]),
    ("cli/c.c", '#include "intake/seal.h"\n', ["cli may not include intake/"]),
    ("policy/p.c", '#include "policy.h"\n', ["must be named with its folder"]),
    ("intake/i.c", "#include <sqlite3.h>\n", ["<sqlite3.h> belongs to catalogue/db-sqlite.c only"]),
    ("catalogue/c.c", "#include <libpq-fe.h>\n", ["belongs to catalogue/db-pg.c only"]),
    ("media/probe.c", "#include <libavformat/avformat.h>\n", ["belongs to media/worker-*.[ch] only"]),
    ("policy/p.c", "#include <openssl/evp.h>\n", ["<openssl/evp.h> belongs to"]),
    ("base/x.c", "#include <bzlib.h>\n", ["is of no library"]),
    ("intake/i.c", 'static const char s[] =\n    "SELECT id "\n    "FROM recording";\n', ["daemon/intake/i.c:3: SQL"]),
    ("intake/i.c", 'static const char s[] = "DELETE FROM recording";\n', ["SQL belongs into catalogue/"]),
])
def test_layers_fault(tree, name, text, words):
    put(tree, name, text)
    assert_named("check-layers", tree, *words)


@pytest.mark.parametrize("name, text", [
    ("media/worker-a.c", "#include <libavformat/avformat.h>\n"),
    ("base/json.h", "#include <jansson.h>\n"),
    ("policy/p.c", '/* #include "catalogue/db.h" and "SELECT a FROM b" in a comment */\n'),
    ("liuhend.c", "#include <systemd/sd-event.h>\n"),
    ("intake/i.c", '#include <sys/inotify.h>\nstatic const char s[] = "select a folder";\n'),
])
def test_layers_allowed(tree, name, text):
    put(tree, name, text)
    done = check("check-layers", tree)
    assert done.returncode == 0, done.stdout


def test_layers_folder_without_row(tree):
    (tree / "daemon/extra").mkdir()
    put(tree, "extra/e.c", '#include "base/error.h"\n')
    assert_named("check-layers", tree, "folder extra has no row")


def test_layers_table_not_understood(tree):
    path = tree / "daemon/ARCHITECTURE.md"
    text = path.read_text(encoding="utf-8")
    path.write_text(text.replace("| base, ledger |", "| base, legder |", 1), encoding="utf-8")
    assert_named("check-layers", tree, "no such folder: legder")
    path.write_text("nothing\n", encoding="utf-8")
    assert_named("check-layers", tree, "table of folders is not there", "table of libraries is not there")


def test_size_long_function(tree):
    put(tree, "base/x.c", "int long_one(void)\n{\n" + "    x();\n" * 98 + "}\n")
    assert_named("check-size", tree, "daemon/base/x.c:2: long_one has 101 lines")
    put(tree, "base/x.c", "int long_one(void)\n{\n" + "    x();\n" * 97 + "}\n")
    done = check("check-size", tree)
    assert done.returncode == 0 and "note: daemon/base/x.c:2: long_one has 100 lines" in done.stdout


def test_size_long_file_and_python(tree):
    put(tree, "base/x.c", "\n" * 900)
    assert_named("check-size", tree, "daemon/base/x.c: 901 lines")
    put(tree, "base/x.c", "int x(void)\n{\n    return 0;\n}\n")
    (tree / "scripts").mkdir()
    (tree / "scripts/tool").write_text("#!/usr/bin/python3\ndef f():\n" + "    pass\n" * 100, encoding="utf-8")
    assert_named("check-size", tree, "scripts/tool:2: f has 101 lines")


def fake_tests(root, **programs):
    """A folder of programs that look like built cmocka tests, with their sources beside."""
    (root / "tests/unit").mkdir(parents=True)
    (root / "b").mkdir()
    for name, body in programs.items():
        (root / f"tests/unit/test-{name}.c").write_text("", encoding="utf-8")
        path = root / f"b/test-{name}"
        path.write_text("#!/bin/bash\n" + body, encoding="utf-8")
        path.chmod(0o755)
    return subprocess.run([ROOT / "scripts/unit-tests", "b"], cwd=root, capture_output=True, text=True, check=False,
                          env={**os.environ, "UNIT_TIMEOUT": "2"})


OK = "echo '[ RUN      ] a'; echo '[       OK ] a'; "


def test_unit_counts(tmp_path):
    done = fake_tests(tmp_path, good=OK + "echo '[  PASSED  ] 1 test(s).' >&2",
                      skip=OK + "echo '[  SKIPPED ] 2 test(s), listed below:'")
    assert done.returncode == 0, done.stdout
    assert done.stdout.endswith("unit: 2 passed, 0 failed, 2 skipped\n")


@pytest.mark.parametrize("body, failed", [
    (OK + "kill -SEGV $$", 1),
    (OK + "echo '[  FAILED  ] 3 test(s), listed below:'; exit 3", 3),
    ("exit 0", 1),
    (OK + "exit 1", 1),
    (OK + "sleep 30", 1),
])
def test_unit_faults_count(tmp_path, body, failed):
    done = fake_tests(tmp_path, bad=body, good=OK)
    assert done.returncode == 1
    assert f", {failed} failed, 0 skipped" in done.stdout, done.stdout
    assert "FAILED  test-bad" in done.stdout and "ok      test-good" in done.stdout


def test_unit_without_tests(tmp_path):
    done = fake_tests(tmp_path)
    assert done.returncode == 1 and "no unit test found" in done.stdout


def test_demo_from_a_path_of_odd_characters(build, work):
    """With the programs built already: the paths that the demo writes, prints and searches for are what is tried."""
    root = work / "a, b[c\\d] & 'e'"
    shutil.copytree(ROOT / "scripts", root / "scripts")
    shutil.copytree(ROOT / "policies", root / "policies")
    (root / "Makefile").write_text("all:\n", encoding="utf-8")
    (root / "build/release").mkdir(parents=True)
    for program in ("liuhend", "liuhen", "liuhen-media", "liuhen-stills"):
        shutil.copy(build / program, root / "build/release")
    (work / "my, files").mkdir()
    (work / "my, files/x.txt").write_text("x", encoding="utf-8")
    (work / "my, files/.DS_Store").write_text("of a file manager, ignored", encoding="utf-8")
    done = subprocess.run(["scripts/demo", work / "my, files"], cwd=root, stdin=subprocess.DEVNULL, capture_output=True,
                          text=True, timeout=TIMEOUT, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    looking = done.stdout.partition("\n9. ")[2].partition("\n10. ")[0]
    assert "nothing of it can be shown" in looking and "$ liuhen jobs" in looking, looking  # a text file
    network = done.stdout.partition("\n10. ")[2].partition("\n11. ")[0]
    assert network.count("/snapshot.jpg is that recording; not one bit differs") == 1, network
    assert '"sealed":1,' in network and "\nCAM-1   camera " in network and re.search(r"\nnetwork: .*https://127\.0\.0\.1:", done.stdout)
    assert "everything holds together" in done.stdout and "$ liuhen key --output site.pub\n" in done.stdout
