# SPDX-License-Identifier: GPL-3.0-or-later
"""The store as others see it. The unit test leaves a store of many kinds of objects behind; the checker written from the OCFL 1.1
text and a reader that is not ours (npm @ocfl/ocfl-fs) read all of it. Then it is damaged, and both must say so. The checker itself
is tried on OCFL's own good, warn and bad objects where they lie beside the project."""

import hashlib
import json
import os
import re
import shutil
import subprocess

import pytest

import ocfl_check
from conftest import NO_SHARED, ROOT, SHARED, TIMEOUT, built

SITE = ("sm3",)  # ours, in the fixity block where it is configured
FIXTURES = SHARED / "fixtures/ocfl-1.1"


def fixtures(kind):
    folder = FIXTURES / f"{kind}-objects"
    names = sorted(os.listdir(folder)) if folder.is_dir() else []
    return names or [pytest.param("", marks=pytest.mark.skip(reason=NO_SHARED))]


@pytest.mark.parametrize("name", fixtures("bad"))
def test_bad_object(name):
    report = ocfl_check.check(FIXTURES / "bad-objects" / name)
    assert set(re.findall(r"E\d{3}", name)) <= report.errors, report.findings


@pytest.mark.parametrize("name", fixtures("warn"))
def test_warn_object(name):
    report = ocfl_check.check(FIXTURES / "warn-objects" / name)
    assert not report.errors, report.findings
    assert set(re.findall(r"W\d{3}", name)) <= report.warnings, report.findings


@pytest.mark.parametrize("name", fixtures("good"))
def test_good_object(name):
    report = ocfl_check.check(FIXTURES / "good-objects" / name)
    assert not report.errors, report.findings


# ---- our store


@pytest.fixture(scope="module")
def kept(tmp_path_factory):
    """A storage root as the store makes it: names of any bytes, SM3, equal bytes, an empty recording, 60 pictures."""
    archive = tmp_path_factory.mktemp("kept") / "archive"
    env = {**os.environ, "LIUHEN_STORE_KEEP": str(archive), "TMPDIR": str(archive.parent)}
    for name in ("LIUHEN_KILL_AT", "LIUHEN_FAIL_AT"):
        env.pop(name, None)
    done = subprocess.run([built("tests/test-store"), "--keep"], env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return archive / "objects"


def open_up(root):
    for folder, _, files in os.walk(root):
        os.chmod(folder, 0o700)
        for name in files:
            os.chmod(os.path.join(folder, name), 0o600)


@pytest.fixture
def copy(kept, tmp_path):
    shutil.copytree(kept, tmp_path / "objects", symlinks=True)
    open_up(tmp_path / "objects")
    yield tmp_path / "objects"
    open_up(tmp_path / "objects")


def objects_of(root):
    return sorted(p.parent for p in root.rglob("0=ocfl_object_1.1"))


def test_store_is_ocfl(kept):
    check = ocfl_check.RootCheck(kept, SITE)
    assert not check.report.errors, check.report.findings
    assert check.report.warnings == {"W004"}, check.report.findings  # SHA-256, as the design says
    assert len(check.objects) == len(objects_of(kept)) > 70
    assert all(re.fullmatch(r"urn:liuhen:[0-9A-HJKMNP-TV-Z]{26}", i) for i in check.objects)


def test_sm3_is_the_only_liberty(kept):
    """Without being told of SM3 the checker names exactly that: the specification's vocabulary does not have it."""
    assert ocfl_check.check(kept).errors == {"E056"}


def test_modes(kept):
    for obj in objects_of(kept):
        for folder, _, files in os.walk(obj):
            assert os.stat(folder).st_mode & 0o7777 == 0o500
            for name in files:
                assert os.stat(os.path.join(folder, name)).st_mode & 0o7777 == 0o400


def first(root):
    """An object with its inventory."""
    obj = objects_of(root)[0]
    return obj, json.loads((obj / "inventory.json").read_text(encoding="utf-8"))


def content_file(obj):
    return next(p for p in (obj / "v1/content").iterdir() if p.name != "arrival.json")


def rewrite_inventory(obj, inventory):
    """A changed inventory with sidecars that fit: only what it says is wrong."""
    text = json.dumps(inventory).encode()
    for folder in (obj, obj / "v1"):
        (folder / "inventory.json").write_bytes(text)
        (folder / "inventory.json.sha256").write_text(f"{hashlib.sha256(text).hexdigest()} inventory.json\n")


def damage_content(obj, _):
    path = content_file(obj)
    path.write_bytes(path.read_bytes() + b"!")


def damage_arrival(obj, _):
    (obj / "v1/content/arrival.json").write_text("{}")


def damage_gone(obj, _):
    content_file(obj).unlink()


def damage_inventory(obj, _):
    with open(obj / "inventory.json", "ab") as f:
        f.write(b"\n")


def damage_version_inventory(obj, _):
    with open(obj / "v1/inventory.json", "ab") as f:
        f.write(b"\n")


def damage_sidecar(obj, _):
    (obj / "inventory.json.sha256").write_text("0" * 64 + "  other.json\n")


def damage_declaration(obj, _):
    (obj / "0=ocfl_object_1.1").write_text("ocfl_object_1.1")


def damage_extra(obj, _):
    (obj / "notes.txt").write_text("x")


def damage_extra_content(obj, _):
    (obj / "v1/content/second.mp4").write_text("x")


def damage_link(obj, _):
    os.link(obj / "v1/content/arrival.json", obj.parent / "elsewhere")


def damage_place(obj, _):
    obj.rename(obj.with_name("0" * 64))


def damage_id(obj, inventory):
    rewrite_inventory(obj, {**inventory, "id": "urn:liuhen:01ARZ3NDEKTSV4RRFFQ69G5FAV"})


def damage_created(obj, inventory):
    inventory["versions"]["v1"]["created"] = "2026-11-23 10:00:00"
    rewrite_inventory(obj, inventory)


def damage_head(obj, inventory):
    rewrite_inventory(obj, {**inventory, "head": "v2"})


@pytest.mark.parametrize("damage, code", [
    (damage_content, "E092"), (damage_arrival, "E092"), (damage_gone, "E092"), (damage_inventory, "E060"),
    (damage_version_inventory, "E064"), (damage_sidecar, "E061"), (damage_declaration, "E007"), (damage_extra, "E001"),
    (damage_extra_content, "E023"), (damage_link, "E090"), (damage_place, "E083"), (damage_id, "E083"),
    (damage_created, "E049"), (damage_head, "E040"),
], ids=lambda v: v if isinstance(v, str) else v.__name__)
def test_checker_sees_damage(copy, damage, code):
    damage(*first(copy))
    assert code in ocfl_check.check(copy, SITE).errors


def test_checker_sees_damaged_root(copy):
    (copy / "000").mkdir()
    (copy / "111").mkdir()
    (copy / "111/stray.txt").write_text("x")
    (copy / "0=ocfl_1.1").write_text("ocfl_1.0\n")
    assert {"E072", "E073", "E080"} <= ocfl_check.check(copy, SITE).errors


# ---- a reader that is not ours


@pytest.fixture(scope="module")
def reader(tmp_path_factory):
    """ocfl-read with its one library, installed by its lock file into a folder of the test."""
    if not shutil.which("npm") or not shutil.which("node"):
        pytest.skip("node and npm are not installed: the store is not read with @ocfl/ocfl-fs")
    folder = tmp_path_factory.mktemp("npm") / "ocfl-read"
    shutil.copytree(ROOT / "tests/system/ocfl-read", folder, ignore=shutil.ignore_patterns("node_modules"))
    done = subprocess.run(["npm", "ci", "--no-audit", "--no-fund"], cwd=folder, capture_output=True, text=True,
                          stdin=subprocess.DEVNULL, timeout=180, check=False)
    if done.returncode != 0:
        pytest.skip(f"npm cannot install @ocfl/ocfl-fs here: {done.stderr.strip().splitlines()[-1:]}")
    return folder / "read.js"


def read(reader, root):
    return subprocess.run(["node", reader, root], capture_output=True, text=True, timeout=TIMEOUT, check=False)


def test_other_reader_reads_all(kept, reader):
    done = read(reader, kept)
    assert done.returncode == 0, done.stderr
    totals = json.loads(done.stdout)
    assert totals["objects"] == len(objects_of(kept))
    assert totals["files"] == 2 * totals["objects"]
    assert sorted(totals["ids"]) == sorted(ocfl_check.RootCheck(kept, SITE).objects)


@pytest.mark.parametrize("damage", [damage_content, damage_arrival, damage_gone, damage_inventory, damage_place],
                         ids=lambda v: v.__name__)
def test_other_reader_sees_damage(copy, reader, damage):
    damage(*first(copy))
    done = read(reader, copy)
    assert done.returncode == 1 and done.stderr.strip()


def test_archive_with_more_levels_of_folders_goes_on(make_daemon):
    """Roots of earlier versions have two levels of three digits: the layout is what the root says."""
    daemon = make_daemon().start()
    daemon.stop()
    root = daemon.archive / "objects"
    config = next(root.glob("extensions/*/config.json"))
    config.chmod(0o600)
    config.write_text(json.dumps({**json.loads(config.read_text(encoding="utf-8")), "tupleSize": 3, "numberOfTuples": 2}),
                      encoding="utf-8")
    daemon.start()
    for n in range(6):
        daemon.drop(f"{n}.bin", b"%d" % n)
    daemon.wait_sealed(6)
    daemon.restart()
    daemon.drop("6.bin", b"6")
    daemon.wait_sealed(7)
    daemon.wait_idle()
    assert len(list(root.glob("???/???/*/inventory.json"))) == 7
    daemon.assert_clean()
