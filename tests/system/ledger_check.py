#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""An independent checker of the ledger's files, written from the published formats alone (C2SP tlog-tiles, tlog-checkpoint,
signed-note, tlog-proof; RFC 6962 hashing) and sharing nothing with the daemon. It reads a ledger folder, computes every
leaf, tile and root again, makes and checks inclusion and consistency proofs, and checks receipts with the public key.

    ledger_check.py LEDGERDIR                      checks a whole ledger with the key in LEDGERDIR/ledger.pub
    ledger_check.py --receipt FILE --pub KEYFILE   checks one receipt; prints its entry

Exit code 0: all is well. 1: something is wrong (each thing on a line of its own). Also imported by tests.
"""

import argparse
import base64
import binascii
import hashlib
import re
import sys
from pathlib import Path

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

WIDTH = 256
HASH = 32


class Wrong(Exception):
    """Something does not hold; the text says what."""


# ---- hashing (RFC 6962, 2.1) ----

def leaf_hash(entry):
    return hashlib.sha256(b"\x00" + entry).digest()


def node_hash(left, right):
    return hashlib.sha256(b"\x01" + left + right).digest()


def split(n):
    """The largest power of two smaller than n."""
    return 1 << (n - 1).bit_length() - 1


class Tree:
    """The tree over a list of leaf hashes; remembers the hashes of full subtrees."""

    def __init__(self, leaves):
        self.leaves = leaves
        self.known = {}

    def root(self, start=0, end=None):
        end = len(self.leaves) if end is None else end
        n = end - start
        if n == 0:
            return hashlib.sha256(b"").digest()
        if n == 1:
            return self.leaves[start]
        if (start, end) in self.known:
            return self.known[start, end]
        k = split(n)
        value = node_hash(self.root(start, start + k), self.root(start + k, end))
        if n & (n - 1) == 0:
            self.known[start, end] = value
        return value

    def inclusion(self, index, size):
        """PATH of RFC 6962, 2.1.1: the sibling of the leaf first."""
        def path(m, start, end):
            if end - start == 1:
                return []
            k = split(end - start)
            if m < k:
                return path(m, start, start + k) + [self.root(start + k, end)]
            return path(m - k, start + k, end) + [self.root(start, start + k)]
        return path(index, 0, size)

    def consistency(self, size1, size2):
        """PROOF of RFC 6962, 2.1.2."""
        def sub(m, start, end, whole):
            if m == end - start:
                return [] if whole else [self.root(start, end)]
            k = split(end - start)
            if m <= k:
                return sub(m, start, start + k, whole) + [self.root(start + k, end)]
            return sub(m - k, start + k, end, False) + [self.root(start, start + k)]
        return sub(size1, 0, size2, True)


def root_from_inclusion(index, size, leaf, proof):
    """Works from the top down: each step splits the tree as its definition says."""
    if not 0 <= index < size:
        raise Wrong(f"leaf {index} is not in a tree of {size}")

    def climb(m, n, rest):
        if n == 1:
            if rest:
                raise Wrong("the inclusion proof is too long")
            return leaf
        if not rest:
            raise Wrong("the inclusion proof is too short")
        k = split(n)
        if m < k:
            return node_hash(climb(m, k, rest[:-1]), rest[-1])
        return node_hash(rest[-1], climb(m - k, n - k, rest[:-1]))
    return climb(index, size, list(proof))


def roots_from_consistency(size1, size2, root1, proof):
    """The two roots that the proof leads to; root1 is needed where the older tree is itself a subtree of the newer."""
    if not 0 < size1 <= size2:
        raise Wrong(f"no consistency proof leads from {size1} to {size2}")

    def climb(m, n, rest, whole):
        if m == n:
            if whole:
                if rest:
                    raise Wrong("the consistency proof is too long")
                return root1, root1
            if len(rest) != 1:
                raise Wrong("the consistency proof has the wrong length")
            return rest[0], rest[0]
        if not rest:
            raise Wrong("the consistency proof is too short")
        k = split(n)
        if m <= k:
            old, new = climb(m, k, rest[:-1], whole)
            return old, node_hash(new, rest[-1])
        old, new = climb(m - k, n - k, rest[:-1], False)
        return node_hash(rest[-1], old), node_hash(rest[-1], new)
    return climb(size1, size2, list(proof), True)


# ---- keys, notes, checkpoints ----

def from_base64(text, what):
    try:
        raw = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise Wrong(f"{what} is not base64") from None
    if base64.b64encode(raw).decode() != text:
        raise Wrong(f"{what} is not canonical base64")
    return raw


class Key:
    def __init__(self, text):
        parts = text.rstrip("\n").split("+", 2)
        if len(parts) != 3:
            raise Wrong("the key is not name+id+base64")
        self.name = parts[0]
        tagged = from_base64(parts[2], "the key")
        if len(tagged) != 33 or tagged[0] != 1:
            raise Wrong("the key is not an Ed25519 key")
        self.id = hashlib.sha256(self.name.encode() + b"\n" + tagged).digest()[:4]
        if self.id.hex() != parts[1]:
            raise Wrong("the key id does not belong to the key")
        self.public = Ed25519PublicKey.from_public_bytes(tagged[1:])


def number(text, what):
    if not re.fullmatch(r"0|[1-9][0-9]{0,18}", text):
        raise Wrong(f"{what} is not a decimal number: {text!r}")
    return int(text)


def check_checkpoint(text, key):
    """Checks the signature; returns (origin, size, root)."""
    body, gap, signatures = text.rpartition("\n\n")
    if not gap or not signatures.endswith("\n"):
        raise Wrong("the checkpoint has no signatures after an empty line")
    body += "\n"
    good = 0
    for line in signatures[:-1].split("\n"):
        match = re.fullmatch("\u2014 ([^ +]+) (\\S+)", line)
        if not match:
            raise Wrong(f"not a signature line: {line!r}")
        raw = from_base64(match[2], "a signature")
        if match[1] == key.name and raw[:4] == key.id:
            try:
                key.public.verify(raw[4:], body.encode())
            except InvalidSignature:
                raise Wrong("the checkpoint's signature is wrong") from None
            good += 1
    if not good:
        raise Wrong("the checkpoint is not signed by this key")
    lines = body.split("\n")
    if len(lines) != 4 or lines[3] != "":
        raise Wrong("the checkpoint does not have exactly three lines")
    root = from_base64(lines[2], "the root")
    if lines[0] != key.name or len(root) != HASH:
        raise Wrong("the checkpoint's origin or root is wrong")
    return lines[0], number(lines[1], "the size"), root


# ---- receipts (tlog-proof) ----

def check_receipt(text, key):
    """Returns (entry, index, size)."""
    head, gap, checkpoint = text.partition("\n\n")
    lines = head.split("\n")
    if not gap or lines[0] != "c2sp.org/tlog-proof@v1":
        raise Wrong("not a tlog-proof file")
    if len(lines) < 3 or not lines[1].startswith("extra ") or not lines[2].startswith("index "):
        raise Wrong("the receipt lacks its entry or its index")
    entry = from_base64(lines[1][6:], "the entry")
    index = number(lines[2][6:], "the index")
    proof = [from_base64(line, "a hash of the proof") for line in lines[3:]]
    if any(len(h) != HASH for h in proof):
        raise Wrong("a hash of the proof is not 32 bytes")
    _, size, root = check_checkpoint(checkpoint, key)
    if root_from_inclusion(index, size, leaf_hash(entry), proof) != root:
        raise Wrong("the receipt does not prove its entry")
    return entry, index, size


# ---- files ----

def tile_name(kind, index, width=WIDTH):
    parts = [f"{index % 1000:03}"]
    while index >= 1000:
        index //= 1000
        parts.insert(0, f"x{index % 1000:03}")
    return f"tile/{kind}/{'/'.join(parts)}" + ("" if width == WIDTH else f".p/{width}")


def tiles(count):
    """(index, width) of the tiles that hold count hashes."""
    for index in range(count // WIDTH):
        yield index, WIDTH
    if count % WIDTH:
        yield count // WIDTH, count % WIDTH


def split_bundle(data, width):
    entries, at = [], 0
    for _ in range(width):
        length = int.from_bytes(data[at:at + 2], "big")
        if at + 2 + length > len(data) or at + 2 > len(data):
            raise Wrong("ends in the middle of an entry")
        entries.append(data[at + 2:at + 2 + length])
        at += 2 + length
    if at != len(data):
        raise Wrong("has bytes after its last entry")
    return entries


class Ledger:
    def __init__(self, folder, key=None):
        self.folder = Path(folder)
        self.key = key or Key((self.folder / "ledger.pub").read_text())
        self.faults = []
        self.entries = []

    def fault(self, name, words):
        self.faults.append(f"{name}: {words}")

    def read(self, name):
        try:
            return (self.folder / name).read_bytes()
        except OSError as e:
            self.fault(name, e.strerror)
            return None

    def read_entries(self, size):
        for index, width in tiles(size):
            name = tile_name("entries", index, width)
            data = self.read(name)
            try:
                if data is not None:
                    self.entries += split_bundle(data, width)
                    continue
            except Wrong as e:
                self.fault(name, str(e))
            return False
        return True

    def check_tiles(self, hashes):
        """Every level against what the entries give; the tree hash of each full tile is a hash of the level above."""
        level = 0
        while hashes:
            for index, width in tiles(len(hashes)):
                name = tile_name(level, index, width)
                data = self.read(name)
                if data is not None and data != b"".join(hashes[index * WIDTH:index * WIDTH + width]):
                    self.fault(name, "does not hold the hashes that the entries give")
            hashes = [Tree(hashes[i * WIDTH:(i + 1) * WIDTH]).root() for i in range(len(hashes) // WIDTH)]
            level += 1

    def check_proofs(self, tree, size, root):
        for index in sorted({0, 1, size // 3, size // 2, size - 2, size - 1} & set(range(size))):
            proof = tree.inclusion(index, size)
            if root_from_inclusion(index, size, tree.leaves[index], proof) != root:
                self.fault("checkpoint", f"leaf {index} cannot be proved")
        for old in sorted({1, 2, 255, 256, 257, size // 2, size - 1, size} & set(range(1, size + 1))):
            before = tree.root(0, old)
            proof = tree.consistency(old, size)
            if roots_from_consistency(old, size, before, proof) != (before, root):
                self.fault("checkpoint", f"does not continue the log of {old} leaves")

    def check(self):
        """Returns the list of faults, empty when all is well."""
        data = self.read("checkpoint")
        if data is None:
            return self.faults
        try:
            _, size, root = check_checkpoint(data.decode(), self.key)
        except (Wrong, UnicodeDecodeError) as e:
            self.fault("checkpoint", str(e))
            return self.faults
        if not self.read_entries(size):
            return self.faults
        tree = Tree([leaf_hash(e) for e in self.entries])
        self.check_tiles(tree.leaves)
        if tree.root() != root:
            self.fault("checkpoint", f"its root is not that of the {size} entries")
        elif size:
            self.check_proofs(tree, size, root)
        return self.faults


def main():
    parser = argparse.ArgumentParser(description="checks a ledger folder or a receipt")
    parser.add_argument("folder", nargs="?")
    parser.add_argument("--receipt")
    parser.add_argument("--pub", help="file with the verifier key (default: LEDGERDIR/ledger.pub)")
    args = parser.parse_args()
    if not args.folder and not (args.receipt and args.pub):
        parser.error("give LEDGERDIR, or --receipt FILE with --pub KEYFILE")
    try:
        key = Key(Path(args.pub).read_text()) if args.pub else None
        if args.folder:
            ledger = Ledger(args.folder, key)
            for fault in ledger.check():
                print(fault)
            if ledger.faults:
                return 1
            print(f"{len(ledger.entries)} entries, all well")
            key = ledger.key
        if args.receipt:
            entry, index, size = check_receipt(Path(args.receipt).read_bytes().decode(), key)
            print(f"leaf {index} of {size}: {entry.decode(errors='backslashreplace')}")
    except (Wrong, OSError, UnicodeDecodeError) as e:
        print(e)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
