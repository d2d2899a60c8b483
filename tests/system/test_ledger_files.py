# SPDX-License-Identifier: GPL-3.0-or-later
"""The ledger's files as another program sees them: bench-ledger writes a ledger, ledger_check.py (which knows only the published
formats) reads it. Then each kind of file is damaged, and the checker must say so and name the file."""

import base64
import os
import shutil
import subprocess
import sys

import pytest

import ledger_check
from conftest import ROOT, built


def write(folder, leaves, group):
    out = subprocess.run([built("bench/bench-ledger"), folder, str(leaves), str(group)], check=True, capture_output=True, text=True).stdout
    assert "ledger_publish " in out and "ledger_proof_p99 " in out and "ledger_verify " in out
    return folder / "ledger"


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """70,000 leaves: the sizes that the format text gives as its example."""
    folder = tmp_path_factory.mktemp("ledger")
    write(folder, 70000, 999)
    return folder


@pytest.fixture
def copy(made, tmp_path):
    shutil.copytree(made, tmp_path / "copy")
    return tmp_path / "copy"


def flip(path, offset):
    os.chmod(path, 0o644)
    data = bytearray(path.read_bytes())
    data[offset] ^= 1
    path.write_bytes(data)


def test_rfc_vector():
    entries = ["", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f"]
    root = ledger_check.Tree([ledger_check.leaf_hash(bytes.fromhex(e)) for e in entries]).root()
    assert root.hex() == "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328"


def test_tile_names():
    assert ledger_check.tile_name(0, 1234067) == "tile/0/x001/x234/067"
    assert ledger_check.tile_name("entries", 273, 112) == "tile/entries/273.p/112"


def test_whole_ledger(made):
    ledger = ledger_check.Ledger(made / "ledger")
    assert ledger.check() == []
    assert len(ledger.entries) == 70000
    for name in ("tile/0/272", "tile/0/273.p/112", "tile/1/000", "tile/1/001.p/17", "tile/2/000.p/1",
                 "tile/entries/273.p/112"):
        assert (made / "ledger" / name).is_file(), name
    assert not (made / "ledger/tile/3").exists()


def test_files_are_read_only(made):
    files = [p for p in (made / "ledger").rglob("*") if p.is_file()]
    assert len(files) > 500
    assert {p.stat().st_mode & 0o7777 for p in files} == {0o444}
    assert (made / "ledger.key").stat().st_mode & 0o7777 == 0o400


@pytest.mark.parametrize("leaves, group", [(1, 1), (2, 1), (255, 100), (256, 256), (257, 300), (600, 7)])
def test_sizes(tmp_path, leaves, group):
    ledger = ledger_check.Ledger(write(tmp_path, leaves, group))
    assert ledger.check() == []
    assert len(ledger.entries) == leaves


def test_growing(tmp_path):
    """The checkpoints of one ledger at several sizes, each the continuation of the one before."""
    seen = []
    for more in (5, 250, 1, 700):
        folder = write(tmp_path, more, 64)
        ledger = ledger_check.Ledger(folder)
        assert ledger.check() == []
        _, size, root = ledger_check.check_checkpoint((folder / "checkpoint").read_text(), ledger.key)
        seen.append((size, root))
    assert [size for size, _ in seen] == [5, 255, 256, 956]
    tree = ledger_check.Tree([ledger_check.leaf_hash(e) for e in ledger.entries])
    for (size1, root1), (size2, root2) in zip(seen, seen[1:]):
        proof = tree.consistency(size1, size2)
        assert ledger_check.roots_from_consistency(size1, size2, root1, proof) == (root1, root2)


@pytest.mark.parametrize("name, offset", [
    ("checkpoint", 30), ("tile/entries/000", 0), ("tile/entries/100", 300), ("tile/entries/273.p/112", -1),
    ("tile/0/000", 0), ("tile/0/273.p/112", 5), ("tile/1/000", 8191), ("tile/1/001.p/17", 0), ("tile/2/000.p/1", 31),
])
def test_damage_is_reported(copy, name, offset):
    flip(copy / "ledger" / name, offset)
    faults = ledger_check.Ledger(copy / "ledger").check()
    # a changed entry shows where it does not agree with its tile
    expected = name.replace("entries", "0") if name.startswith("tile/entries") and offset not in (0,) else name
    assert any(fault.startswith(expected + ":") for fault in faults), faults


def test_missing_and_cut_files_are_reported(copy):
    (copy / "ledger/tile/0/005").unlink()
    path = copy / "ledger/tile/entries/273.p/112"
    os.chmod(path, 0o644)
    path.write_bytes(path.read_bytes()[:-1])
    faults = ledger_check.Ledger(copy / "ledger").check()
    assert any(fault.startswith("tile/entries/273.p/112:") for fault in faults)
    shutil.rmtree(copy / "ledger/tile/entries/273.p")
    assert any("No such file" in fault for fault in ledger_check.Ledger(copy / "ledger").check())


def checker(*args):
    return subprocess.run([sys.executable, ROOT / "tests/system/ledger_check.py", *map(str, args)], capture_output=True,
                          text=True)


def test_command_line(made, copy):
    good = checker(made / "ledger")
    assert (good.returncode, good.stdout) == (0, "70000 entries, all well\n")
    flip(copy / "ledger/tile/1/000", 0)
    bad = checker(copy / "ledger")
    assert bad.returncode == 1 and bad.stdout.startswith("tile/1/000: ")


def test_receipt(made):
    result = checker("--receipt", made / "receipt.tlog-proof", "--pub", made / "ledger/ledger.pub")
    assert result.returncode == 0, result.stdout
    assert result.stdout.startswith("leaf 35000 of 70000: {") and "recording.sealed" in result.stdout


def test_damaged_receipts(made):
    key = ledger_check.Key((made / "ledger/ledger.pub").read_text())
    text = (made / "receipt.tlog-proof").read_text()
    lines = text.split("\n")
    entry = base64.b64decode(lines[1][6:])
    other = base64.b64encode(entry.replace(b"sealed", b"sEaled")).decode()
    swapped = lines[:3] + [lines[4], lines[3]] + lines[5:]
    for bad in (text.replace("index 35000", "index 35001"), text.replace(lines[1][6:], other), "\n".join(swapped),
                text.replace("\n70000\n", "\n70001\n"), text.replace(lines[3] + "\n", ""), text[:-1], text + "\n"):
        assert bad != text
        with pytest.raises(ledger_check.Wrong):
            ledger_check.check_receipt(bad, key)


def test_receipt_of_another_ledger(made, tmp_path):
    write(tmp_path, 3, 3)
    result = checker("--receipt", made / "receipt.tlog-proof", "--pub", tmp_path / "ledger/ledger.pub")
    assert result.returncode == 1 and "not signed by this key" in result.stdout
