#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""An OCFL 1.1 checker that shares no code with the daemon: written from the text of the specification and its table of
validation codes, so that the store is held against the standard and not against itself.

  ocfl_check.py [--fixity NAME]... PATH...      PATH: an object or a whole storage root

Prints one line a finding (code, path, words); ends 0 without errors (warnings allowed), 1 with, 2 when used wrongly.
--fixity names an algorithm beyond the specification's that the site uses in fixity blocks (E056 otherwise).
"""
import argparse
import hashlib
import json
import os
import re
import stat
import sys

CONTENT_ALGORITHMS = ("sha512", "sha256")
FIXITY_ALGORITHMS = {  # section 2.3 and extensions 0001 and 0009
    "md5": lambda: hashlib.md5(usedforsecurity=False),
    "sha1": lambda: hashlib.sha1(usedforsecurity=False),
    "sha256": hashlib.sha256,
    "sha512": hashlib.sha512,
    "sha512/256": lambda: hashlib.new("sha512_256"),
    "blake2b-512": lambda: hashlib.blake2b(digest_size=64),
    "blake2b-384": lambda: hashlib.blake2b(digest_size=48),
    "blake2b-256": lambda: hashlib.blake2b(digest_size=32),
    "blake2b-160": lambda: hashlib.blake2b(digest_size=20),
}
REGISTERED_EXTENSION = re.compile(
    r"initial|0001-digest-algorithms|0002-flat-direct-storage-layout|0003-hash-and-id-n-tuple-storage-layout|"
    r"0004-hashed-n-tuple-storage-layout|0005-mutable-head|0006-flat-omit-prefix-storage-layout|"
    r"0007-n-tuple-omit-prefix-storage-layout|0008-schema-registry|0009-digest-algorithms|"
    r"0010-differential-n-tuple-omit-prefix-storage-layout|0011-direct-clean-path-layout")
VERSION = re.compile(r"v(0*)([1-9][0-9]*)")
URI = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:\S+")
# RFC 3339 section 5.6: seconds and an offset are not optional
CREATED = re.compile(r"\d{4}-(0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01])[Tt]([01]\d|2[0-3]):[0-5]\d:([0-5]\d|60)(\.\d+)?"
                     r"([Zz]|[+-]([01]\d|2[0-3]):[0-5]\d)")
INVENTORY_KEYS = {"id", "type", "digestAlgorithm", "head", "contentDirectory", "manifest", "versions", "fixity"}
SPECS = ("1.0", "1.1")
TYPE = "https://ocfl.io/%s/spec/#inventory"


class Report:
    """Findings: (code, path, words)."""

    def __init__(self):
        self.findings = []

    def add(self, code, path, words):
        self.findings.append((code, path, words))

    def codes(self, letter):
        return {code for code, _, _ in self.findings if code[0] == letter}

    @property
    def errors(self):
        return self.codes("E")

    @property
    def warnings(self):
        return self.codes("W")


def digest_file(path, algorithms, site=()):
    """Digests of one file, read once; an algorithm that this Python lacks is left out."""
    hashes = {}
    for name in algorithms:
        try:
            hashes[name] = FIXITY_ALGORITHMS[name]() if name in FIXITY_ALGORITHMS else hashlib.new(name)
        except ValueError:
            if name not in site:
                raise
    with open(path, "rb") as f:
        while block := f.read(1 << 20):
            for h in hashes.values():
                h.update(block)
    return {name: h.hexdigest() for name, h in hashes.items()}


def no_duplicates(pairs):
    out = {}
    for key, value in pairs:
        if key in out:
            raise ValueError(f"key {key!r} twice")
        out[key] = value
    return out


def is_folder(path):
    return stat.S_ISDIR(os.lstat(path).st_mode)


def check_path(report, where, path, code_slash, code_element):
    """A logical or content path: elements joined by '/', none of them empty, '.' or '..'."""
    good = True
    if path.startswith("/") or path.endswith("/"):
        report.add(code_slash, where, f"path {path!r} begins or ends with /")
        good = False
    if any(e in ("", ".", "..") for e in path.strip("/").split("/")) or "//" in path:
        report.add(code_element, where, f"path {path!r} has an element that is empty, . or ..")
        good = False
    return good


def check_conflicts(report, where, paths, code):
    """Each path once, and none the beginning of another."""
    known = set(paths)
    if len(known) != len(paths):
        report.add(code, where, "the same path twice")
    for path in known:
        parts = path.split("/")
        for i in range(1, len(parts)):
            if "/".join(parts[:i]) in known:
                report.add(code, where, f"path {path!r} lies below another path that is a file")


class Inventory:
    """One inventory.json: reads it and checks all that can be said without the other files."""

    def __init__(self, report, path, site):
        self.report, self.path, self.site = report, path, site
        self.usable = False
        with open(path, "rb") as f:
            self.raw = f.read()
        try:
            self.data = json.loads(self.raw.decode("utf-8"), object_pairs_hook=no_duplicates)
            if not isinstance(self.data, dict):
                raise ValueError("not an object")
        except ValueError as e:
            self.add("E033", f"not an inventory: {e}")
            return
        self.usable = True
        self.check_top()
        self.check_manifest()
        self.check_versions()
        self.check_fixity()

    def add(self, code, words):
        self.report.add(code, self.path, words)

    def check_top(self):
        d = self.data
        for key in ("id", "type", "digestAlgorithm", "head"):
            if key not in d:
                self.add("E036", f"key {key} is missing")
        for key in set(d) - INVENTORY_KEYS:
            self.add("E102", f"key {key!r} is not specified")
        self.id = d.get("id")
        if "id" in d and (not isinstance(self.id, str) or not self.id):
            self.add("E037", "id is not a text")
        elif "id" in d and not URI.fullmatch(self.id):
            self.add("W005", "id is not a URI")
        self.spec = next((v for v in SPECS if d.get("type") == TYPE % v), None)
        if "type" in d and not self.spec:
            self.add("E038", f"type {d['type']!r} is not a specification's")
        self.algorithm = d.get("digestAlgorithm", "sha512")
        if self.algorithm not in CONTENT_ALGORITHMS:
            self.add("E025", f"digestAlgorithm {self.algorithm!r}")
            self.usable = False
        elif self.algorithm == "sha256":
            self.add("W004", "digestAlgorithm is sha256, should be sha512")
        self.head = d.get("head")
        if "head" in d and (not isinstance(self.head, str) or not VERSION.fullmatch(self.head)):
            self.add("E040", f"head {self.head!r} is not a version name")
        self.content = d.get("contentDirectory", "content")
        if not isinstance(self.content, str) or "/" in self.content or not self.content:
            self.add("E017", "contentDirectory is not one folder name")
            self.usable = False
        elif self.content in (".", ".."):
            self.add("E018", "contentDirectory is . or ..")
            self.usable = False

    def read_block(self, block, code_twice, code_shape):
        """digest → paths; yields (digest, path) of what has the right shape."""
        seen = set()
        for digest, paths in block.items():
            if digest.lower() in seen:
                self.add(code_twice, f"digest {digest[:16]}… twice (in other case)")
            seen.add(digest.lower())
            if not isinstance(paths, list) or not paths or not all(isinstance(p, str) for p in paths):
                self.add(code_shape, f"digest {digest[:16]}… has no list of paths")
                continue
            for path in paths:
                yield digest, path

    def check_manifest(self):
        self.manifest, self.digests = {}, set()  # content path → digest; digests as written
        block = self.data.get("manifest")
        if block is None:
            self.add("E041", "no manifest")
        elif not isinstance(block, dict):
            self.add("E106", "manifest is not an object")
        else:
            self.digests = set(block)
            paths = []
            for digest, path in self.read_block(block, "E096", "E092"):
                if not check_path(self.report, self.path, path, "E100", "E099"):
                    continue
                parts = path.split("/")
                if len(parts) < 3 or not VERSION.fullmatch(parts[0]) or parts[1] != self.content:
                    self.add("E042", f"content path {path!r} is not in a version's content folder")
                paths.append(path)
                self.manifest[path] = digest
            check_conflicts(self.report, self.path, paths, "E101")

    def check_versions(self):
        self.versions = {}  # name → {logical path: digest}
        block = self.data.get("versions")
        if block is None:
            self.add("E041", "no versions")
            self.add("E043", "no versions")
            return
        if not isinstance(block, dict):
            self.add("E044", "versions is not an object")
            return
        if not block:
            self.add("E008", "no version at all")
        self.check_sequence(list(block))
        used = set()
        for name, version in block.items():
            if not isinstance(version, dict):
                self.add("E047", f"version {name} is not an object")
                continue
            self.versions[name] = self.check_version(name, version, used)
        if self.digests - used:
            self.add("E107", "a digest of the manifest is in no version's state")

    def check_sequence(self, names):
        found = {}
        for name in names:
            m = VERSION.fullmatch(name)
            if not m:
                self.add("E046", f"version {name!r} is not named v and a number")
                continue
            found[int(m[2])] = name
            if m[1]:
                self.add("W001", f"version {name} is zero-padded")
        if not found:
            return
        if 1 not in found:
            self.add("E009", "versions do not start at 1")
        if sorted(found) != list(range(1, len(found) + 1)):
            self.add("E010", "versions are not continuous")
        plain = [n for n in found.values() if not n.startswith("v0")]
        if len(plain) < len(found):
            if plain:
                self.add("E011", f"versions are zero-padded, but {plain[0]} does not begin with v0")
                self.add("E013", f"{plain[0]} does not follow the naming of the earlier versions")
            if len({len(n) for n in found.values()}) > 1:
                self.add("E012", "versions are padded to different lengths")
        last = found[max(found)]
        if isinstance(self.head, str) and self.head != last:
            self.add("E040", f"head is {self.head}, the last version {last}")

    def check_version(self, name, version, used):
        created = version.get("created")
        if "created" not in version or "state" not in version:
            self.add("E048", f"version {name} lacks created or state")
        if "created" in version and (not isinstance(created, str) or not CREATED.fullmatch(created)):
            self.add("E049", f"version {name}: created {created!r} is not a date and time of RFC 3339")
        if "message" not in version or "user" not in version:
            self.add("W007", f"version {name} has no message or no user")
        if "message" in version and not isinstance(version["message"], str):
            self.add("E094", f"version {name}: message is not a text")
        if "user" in version:
            self.check_user(name, version["user"])
        return self.check_state(name, version.get("state", {}), used)

    def check_user(self, name, user):
        if not isinstance(user, dict) or not isinstance(user.get("name"), str) or not user["name"]:
            self.add("E054", f"version {name}: user has no name")
        elif "address" not in user:
            self.add("W008", f"version {name}: user has no address")
        elif not isinstance(user["address"], str) or not URI.fullmatch(user["address"]):
            self.add("W009", f"version {name}: the user's address is not a URI")

    def check_state(self, name, state, used):
        logical = {}
        if not isinstance(state, dict):
            self.add("E050", f"version {name}: state is not an object")
            return logical
        paths = []
        for digest, path in self.read_block(state, "E050", "E051"):
            if digest not in self.digests:
                self.add("E050", f"version {name}: digest {digest[:16]}… is not in the manifest")
            used.add(digest)
            if check_path(self.report, self.path, path, "E053", "E052"):
                paths.append(path)
                logical[path] = digest
        check_conflicts(self.report, self.path, paths, "E095")
        return logical

    def check_fixity(self):
        self.fixity = {}  # algorithm → {content path: digest}
        block = self.data.get("fixity", {})
        if not isinstance(block, dict):
            self.add("E111", "fixity is not an object")
            return
        for algorithm, digests in block.items():
            if algorithm not in FIXITY_ALGORITHMS and algorithm not in self.site:
                self.add("E056", f"fixity algorithm {algorithm!r} is unknown")
                continue
            if not isinstance(digests, dict):
                self.add("E057", f"fixity {algorithm} is not an object")
                continue
            self.fixity[algorithm] = {}
            for digest, path in self.read_block(digests, "E097", "E057"):
                if not check_path(self.report, self.path, path, "E100", "E099"):
                    continue
                if path not in self.manifest:
                    self.add("E093", f"fixity names {path!r}, which the manifest does not")
                self.fixity[algorithm][path] = digest

    def content_of(self, name):
        """{logical path: content paths} of a version."""
        where = {}
        for path, digest in self.manifest.items():
            where.setdefault(digest.lower(), set()).add(path)
        return {p: where.get(d.lower(), set()) for p, d in self.versions.get(name, {}).items()}


class ObjectCheck:
    """One object: its folders and files against its inventories."""

    def __init__(self, path, site=(), report=None):
        self.path, self.site = path, site
        self.report = report or Report()
        self.spec = None
        self.root = None
        self.run()

    def add(self, code, words, below=""):
        self.report.add(code, os.path.join(self.path, below) if below else self.path, words)

    def at(self, below):
        return os.path.join(self.path, below)

    def run(self):
        names = sorted(os.listdir(self.path))
        self.check_declaration(names)
        if "inventory.json" not in names:
            self.add("E063", "no inventory.json")
            return
        self.root = self.read_inventory("")
        if not self.root.usable:
            return
        if self.spec and self.root.spec and self.spec != self.root.spec:
            self.add("E038", "the inventory's type is not the declaration's version")
        self.check_root_names(names)
        self.files = self.read_versions()
        inventories = self.check_version_inventories()
        self.check_content(inventories)

    def check_declaration(self, names):
        found = [n for n in names if n.startswith("0=")]
        if len(found) != 1:
            self.add("E003", "not exactly one version declaration")
        for name in found:
            m = re.fullmatch(r"0=(ocfl_object_([0-9]+\.[0-9]+))", name)
            if not m or m[2] not in SPECS:
                self.add("E006", f"declaration {name!r} is not of a version of the specification")
                continue
            self.spec = m[2]
            with open(self.at(name), "rb") as f:
                if f.read() != m[1].encode() + b"\n":
                    self.add("E007", "the declaration does not hold its name and a newline", name)

    def read_inventory(self, folder):
        inv = Inventory(self.report, self.at(os.path.join(folder, "inventory.json")), self.site)
        if not inv.usable:
            return inv
        sidecar = os.path.join(folder, "inventory.json." + inv.algorithm)
        if not os.path.isfile(self.at(sidecar)):
            self.add("E058", "the inventory has no sidecar", folder)
            return inv
        with open(self.at(sidecar), "rb") as f:
            text = f.read()
        m = re.fullmatch(rb"([0-9a-fA-F]+)[ \t]+inventory\.json\n?", text)
        if not m:
            self.add("E061", "must be: digest, white space, inventory.json", sidecar)
        elif m[1].decode().lower() != hashlib.new(inv.algorithm, inv.raw).hexdigest():
            self.add("E060", "is not the digest of the inventory", sidecar)
        return inv

    def check_root_names(self, names):
        allowed = {"inventory.json", "inventory.json." + self.root.algorithm}
        for name in names:
            folder = is_folder(self.at(name))
            if os.path.islink(self.at(name)):
                self.add("E090", "is a link", name)
            elif folder and name == "extensions":
                self.check_extensions()
            elif folder and name == "logs":
                continue
            elif folder and VERSION.fullmatch(name):
                if name not in self.root.versions:
                    self.add("E046", f"folder {name} is no version of the inventory")
                    self.add("E001", f"folder {name} is no version of the inventory")
            elif folder or not (name in allowed or name.startswith("0=")):
                self.add("E001", "does not belong in an object", name)
        for name in self.root.versions:
            if VERSION.fullmatch(name) and not os.path.isdir(self.at(name)):
                self.add("E010", f"folder of version {name} is missing")

    def check_extensions(self):
        for name in sorted(os.listdir(self.at("extensions"))):
            if not is_folder(self.at(os.path.join("extensions", name))):
                self.add("E067", f"extensions holds {name}, which is no folder")
            elif not REGISTERED_EXTENSION.fullmatch(name):
                self.add("W013", f"extension {name} is not registered")

    def read_versions(self):
        """All files in the content folders, as content paths."""
        files = set()
        for version in self.root.versions:
            if not os.path.isdir(self.at(version)):
                continue
            for name in sorted(os.listdir(self.at(version))):
                below = os.path.join(version, name)
                if not is_folder(self.at(below)):
                    if not re.fullmatch(r"inventory\.json(\.sha(256|512))?", name):
                        self.add("E015", "does not belong in a version folder", below)
                elif name != self.root.content:
                    self.add("W002", "folder in a version besides the content folder", below)
                else:
                    self.walk(below, files)
        return files

    def walk(self, below, files):
        names = sorted(os.listdir(self.at(below)))
        if not names:
            self.add("W003" if below.count("/") == 1 else "E024", "empty folder", below)
        for name in names:
            path = os.path.join(below, name)
            st = os.lstat(self.at(path))
            if stat.S_ISDIR(st.st_mode):
                self.walk(path, files)
            elif not stat.S_ISREG(st.st_mode) or st.st_nlink != 1:
                self.add("E090", "is a link or no plain file", path)
            else:
                files.add(path)

    def check_version_inventories(self):
        found = {}
        spec = None
        order = sorted((n for n in self.root.versions if VERSION.fullmatch(n)), key=lambda n: int(n[1:]))
        for version in order:
            below = os.path.join(version, "inventory.json")
            if not os.path.isfile(self.at(below)):
                if os.path.isdir(self.at(version)):
                    self.add("W010", f"version {version} has no inventory")
                continue
            if version == self.root.head:
                with open(self.at(below), "rb") as f:
                    if f.read() != self.root.raw:
                        self.add("E064", "differs from the inventory in the root", below)
            inv = self.read_inventory(version)
            if not inv.usable:
                continue
            found[version] = inv
            self.compare(version, inv)
            if spec and inv.spec and inv.spec < spec:
                self.add("E103", "is of an older specification than the version before", below)
            spec = inv.spec or spec
        return found

    def compare(self, version, inv):
        """An inventory in a version folder against the root's."""
        where = os.path.join(version, "inventory.json")
        if inv.head != version:
            self.add("E040", f"head is {inv.head!r} in the folder of {version}", where)
        if inv.id != self.root.id:
            self.add("E037", "has another id", where)
            self.add("E110", "has another id", where)
        if inv.content != self.root.content:
            self.add("E019", "has another contentDirectory", where)
            self.add("E020", "has another contentDirectory", where)
        if inv.spec and self.root.spec and inv.spec > self.root.spec:
            self.add("E103", "is of a later specification than the root", where)
        for name in inv.versions:
            if name not in self.root.versions or not self.same_state(name, inv):
                self.add("E066", f"state of {name} is not as in the root's inventory", where)
                continue
            ours, theirs = self.root.data["versions"][name], inv.data["versions"][name]
            if any(ours.get(k) != theirs.get(k) for k in ("created", "message", "user")):
                self.add("W011", f"created, message or user of {name} is not as in the root's inventory", where)

    def same_state(self, name, inv):
        old, new = inv.versions[name], self.root.versions[name]
        if old.keys() != new.keys():
            return False
        if inv.algorithm == self.root.algorithm:
            return all(old[p].lower() == new[p].lower() for p in old)
        # other algorithm: the same files must stand behind each path (a later version may have found more copies)
        was, now = inv.content_of(name), self.root.content_of(name)
        return all(was[p] and was[p] <= now[p] for p in was)

    def check_content(self, inventories):
        order = lambda path: int(VERSION.match(path)[2]) if VERSION.match(path) else 0
        every = [self.root] + [i for v, i in inventories.items() if v != self.root.head]
        wanted = {}  # content path → algorithms
        for inv in every:
            top = order(inv.head) if isinstance(inv.head, str) and VERSION.match(inv.head) else 0
            for path in sorted(p for p in self.files if order(p) <= top and p not in inv.manifest):
                self.add("E023", f"is not in the manifest of {os.path.relpath(inv.path, self.path)}", path)
            for path in sorted(p for p in inv.manifest if p not in self.files):
                self.add("E092", f"is in the manifest of {os.path.relpath(inv.path, self.path)} but not there", path)
            for path in inv.manifest:
                wanted.setdefault(path, set()).add(inv.algorithm)
            for algorithm, paths in inv.fixity.items():
                for path in paths:
                    wanted.setdefault(path, set()).add(algorithm)
                    if path in inv.manifest and path not in self.files:
                        self.add("E093", f"is in the fixity block ({algorithm}) but not there", path)
        for path, algorithms in wanted.items():
            if path in self.files:
                have = digest_file(self.at(path), algorithms, self.site)
                for inv in every:
                    self.check_digests(inv, path, have)

    def check_digests(self, inv, path, have):
        where = os.path.relpath(inv.path, self.path)
        if path in inv.manifest and inv.manifest[path].lower() != have[inv.algorithm]:
            self.add("E092", f"has not the digest that {where} gives", path)
        for algorithm, paths in inv.fixity.items():
            if path in paths and algorithm in have and paths[path].lower() != have[algorithm]:
                self.add("E093", f"has not the {algorithm} that {where} gives", path)


class RootCheck:
    """A storage root: declaration, layout, hierarchy, and every object."""

    def __init__(self, path, site=()):
        self.path, self.site = path, site
        self.report = Report()
        self.objects = {}  # id → path below the root
        self.layout = None
        self.spec = None
        self.run()

    def add(self, code, words, below=""):
        self.report.add(code, os.path.join(self.path, below) if below else self.path, words)

    def run(self):
        names = sorted(os.listdir(self.path))
        declared = [n for n in names if n.startswith("0=ocfl_")]
        if not declared:
            self.add("E069", "no declaration of a storage root")
        if len(declared) > 1:
            self.add("E076", "more than one declaration")
        for name in declared:
            m = re.fullmatch(r"0=(ocfl_([0-9]+\.[0-9]+))", name)
            if not m or m[2] not in SPECS:
                self.add("E079", f"declaration {name!r} is not of a version of the specification")
                continue
            self.spec = m[2]
            with open(os.path.join(self.path, name), "rb") as f:
                if f.read() != m[1].encode() + b"\n":
                    self.add("E080", "does not hold its name and a newline", name)
        if "ocfl_layout.json" in names:
            self.read_layout()
        for name in names:
            if is_folder(os.path.join(self.path, name)):
                if name == "extensions":
                    self.check_extensions()
                else:
                    self.walk(name)

    def read_layout(self):
        with open(os.path.join(self.path, "ocfl_layout.json"), encoding="utf-8") as f:
            layout = json.load(f)
        if not isinstance(layout.get("extension"), str) or not isinstance(layout.get("description"), str):
            self.add("E070", "needs extension and description", "ocfl_layout.json")
            return
        if not REGISTERED_EXTENSION.fullmatch(layout["extension"]):
            self.add("E071", "names a layout that is not registered", "ocfl_layout.json")
        config = os.path.join(self.path, "extensions", layout["extension"], "config.json")
        if layout["extension"] == "0004-hashed-n-tuple-storage-layout" and os.path.exists(config):
            with open(config, encoding="utf-8") as f:
                self.layout = json.load(f)
            if self.layout.get("extensionName") != layout["extension"]:
                self.add("E071", "the layout's config.json is of another extension", "ocfl_layout.json")

    def check_extensions(self):
        for name in sorted(os.listdir(os.path.join(self.path, "extensions"))):
            if not is_folder(os.path.join(self.path, "extensions", name)):
                self.add("E112", f"extensions holds {name}, which is no folder")
            elif not REGISTERED_EXTENSION.fullmatch(name):
                self.add("W016", f"extension {name} is not registered")

    def place_of(self, object_id):
        """Extension 0004: where an object with this id lies."""
        digest = hashlib.new(self.layout.get("digestAlgorithm", "sha256"), object_id.encode()).hexdigest()
        size, count = self.layout.get("tupleSize", 3), self.layout.get("numberOfTuples", 3)
        parts = [digest[i * size:(i + 1) * size] for i in range(count)]
        return os.path.join(*parts, digest[size * count:] if self.layout.get("shortObjectRoot") else digest)

    def walk(self, below):
        path = os.path.join(self.path, below)
        names = sorted(os.listdir(path))
        if not names:
            self.add("E073", "empty folder", below)
        elif any(n.startswith("0=ocfl_object_") for n in names):
            self.check_object(below)
        else:
            for name in names:
                if is_folder(os.path.join(path, name)):
                    self.walk(os.path.join(below, name))
                else:
                    self.add("E072", "a file that is of no object", os.path.join(below, name))

    def check_object(self, below):
        found = ObjectCheck(os.path.join(self.path, below), self.site, self.report)
        object_id = found.root.id if found.root and found.root.usable else None
        if found.spec and self.spec and found.spec > self.spec:
            self.add("E081", "is of a later specification than the root", below)
        if object_id in self.objects:
            self.add("E037", f"has the id of {self.objects[object_id]}", below)
        if isinstance(object_id, str):
            self.objects[object_id] = below
            if self.layout and self.place_of(object_id) != below:
                self.add("E083", f"belongs in {self.place_of(object_id)}", below)


def check(path, site=()):
    """The report on an object or a storage root (by its declaration)."""
    if any(re.fullmatch(r"0=ocfl_[0-9.]+", n) for n in os.listdir(path)):
        return RootCheck(path, site).report
    return ObjectCheck(path, site).report


def main():
    parser = argparse.ArgumentParser(description="Checks OCFL 1.1 objects and storage roots.")
    parser.add_argument("--fixity", action="append", default=[], metavar="NAME", help="site's own fixity algorithm")
    parser.add_argument("path", nargs="+")
    args = parser.parse_args()
    bad = False
    for path in args.path:
        if not os.path.isdir(path):
            print(f"{path}: no such folder", file=sys.stderr)
            return 2
        report = check(path, tuple(args.fixity))
        for code, where, words in report.findings:
            print(f"{code} {where!r}: {words}")
        bad = bad or bool(report.errors)
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
