# SPDX-License-Identifier: GPL-3.0-or-later
"""Sealing: large files, many photos, one photo at a time; each round beside the tools that people use today.

All of a round run on the same bytes, warm in the page cache, after a sync. A daemon's round begins with an empty archive. The
sealed files are renamed out of its store again, so that the next one reads the same inodes.
"""
import os
import shutil
import subprocess
import time

from benchlib import (HERE, BenchFailed, Daemon, Watcher, discard, drop_all, fresh, give_back, measured, median, photos, quantile,
                      random_files, remove, say, settle, warm)

ROUNDS = int(os.environ.get("BENCH_ROUNDS", "3"))
SCRIPT = """set -e
for f in "$1"/*; do
    copy=$2/${f##*/}
    cp "$f" "$copy"
    sha256sum "$copy" >> "$2.sha256"
    ffprobe -v error -show_format "$copy" >> "$2.facts" 2>&1 || true
done"""


def seal_round(name, files, examine):
    """One round of ours: (seconds to the last seal, processor seconds to it, seconds until all is examined and decided or None)."""
    folder = fresh(HERE / name)
    settle()
    warm(files)
    with Daemon(folder) as daemon:
        seconds, cpu = drop_all(daemon, files)
        start = time.monotonic()
        if examine:
            daemon.wait_idle()
        examined = seconds + time.monotonic() - start if examine else None
        archive = daemon.archive
    give_back(archive, files)
    discard(folder)
    return seconds, cpu, examined


def side(rows, unit):
    """Medians of one contender's rounds."""
    return {"seconds": median([r[0] for r in rows]), "cpu": median([r[1] for r in rows]),
            "rate": unit / median([r[0] for r in rows]), "rounds": [round(r[0], 3) for r in rows]}


def peer_round(name, files, command):
    """One round of a command on the files: command(folder) gives what to run."""
    folder = fresh(HERE / name)
    settle()
    warm(files)
    result = measured(command(folder))
    remove(folder)
    return result


def intake(count=20, mib=256):
    """20 × 256 MiB: ours, openssl dgst, and the script."""
    files = random_files(HERE / "large", count, mib << 20)
    rows = {"liuhend": [], "openssl": [], "script": []}
    for n in range(ROUNDS):
        say(f"  round {n + 1} of {ROUNDS}")
        rows["liuhend"].append(seal_round("large-liuhen", files, n == ROUNDS - 1))
        rows["openssl"].append(peer_round("large-openssl", files, lambda _: ["openssl", "dgst", "-sha256", *map(str, files)]))
        rows["script"].append(peer_round("large-script", files,
                                         lambda f: ["bash", "-c", SCRIPT, "script", str(files[0].parent), str(f)]))
        for path in HERE.glob("large-script.*"):
            path.unlink()
    result = {name: side(r, count * mib / 1024) for name, r in rows.items()}
    result["examined_seconds"] = rows["liuhend"][-1][2]
    for name, wanted in (("openssl", 1.5), ("script", 4)):
        result[f"ratio_{name}"] = result[name]["seconds"] / result["liuhend"]["seconds"]
        result[f"wanted_{name}"] = wanted
    return result


def annex_round(files):
    """A fresh annex on the same file system with a copy of the files in it; only `git annex add` counts."""
    folder = fresh(HERE / "photos-annex")
    quiet = {"env": {**os.environ, "HOME": str(folder), "GIT_AUTHOR_NAME": "bench", "GIT_AUTHOR_EMAIL": "bench@localhost",
                     "GIT_COMMITTER_NAME": "bench", "GIT_COMMITTER_EMAIL": "bench@localhost", "GIT_CONFIG_NOSYSTEM": "1"},
             "cwd": folder / "repo"}
    os.mkdir(folder / "repo")
    for command in (["git", "init", "-q"], ["git", "annex", "init", "-q", "bench"]):
        subprocess.run(command, check=True, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, **quiet)
    copies = [shutil.copyfile(f, folder / "repo" / f.name) for f in files]
    settle()
    warm(copies)
    result = measured(["git", "annex", "add", "-q", "-J2", "."], **quiet)
    discard(folder)
    return result


def restic_round(files):
    folder = fresh(HERE / "photos-restic")
    env = {**os.environ, "RESTIC_PASSWORD": "bench", "RESTIC_REPOSITORY": str(folder / "repo"),
           "RESTIC_CACHE_DIR": str(folder / "cache"), "HOME": str(folder)}
    subprocess.run(["restic", "init", "-q"], check=True, stdin=subprocess.DEVNULL, env=env)
    settle()
    warm(files)
    result = measured(["restic", "backup", "-q", str(files[0].parent)], env=env)
    discard(folder)
    return result


def many_photos(count=2000):
    """2,000 photos: ours, git-annex add -J2, restic backup."""
    files = photos(HERE / "photos", count, 640, 480)
    size = sum(f.stat().st_size for f in files) / len(files)
    rows = {"liuhend": [], "git-annex": [], "restic": []}
    for n in range(ROUNDS):
        say(f"  round {n + 1} of {ROUNDS}")
        rows["liuhend"].append(seal_round("photos-liuhen", files, n == ROUNDS - 1))
        rows["restic"].append(restic_round(files))
        rows["git-annex"].append(annex_round(files))
    result = {name: side(r, count) for name, r in rows.items()}
    result["bytes_each"] = int(size)
    result["examined_seconds"] = rows["liuhend"][-1][2]
    for name, wanted in (("git-annex", 10), ("restic", 3)):
        result[f"ratio_{name}"] = result[name]["seconds"] / result["liuhend"]["seconds"]
        result[f"wanted_{name}"] = wanted
    return result


def wait_for_file(watcher, name):
    """Until the seal of that file is told."""
    while True:
        for event in watcher.events():
            if event["event"] == "sealed" and event["file"] == name:
                return time.monotonic(), event["recording"]


def sync_times(folder, data, count):
    """For comparison: the same photo written and synced by the simplest program there is."""
    times = []
    for i in range(count):
        start = time.monotonic()
        fd = os.open(folder / f"plain-{i}", os.O_WRONLY | os.O_CREAT, 0o600)
        os.write(fd, data)
        os.fsync(fd)
        os.close(fd)
        times.append((time.monotonic() - start) * 1000)
    return times


def latency(count=200):
    """One 1 MB photo at a time, written into the drop folder: from close to the seal being told, when its receipt is there."""
    files = photos(HERE / "megabyte", count, 1600, 1088)
    times, receipts = [], []
    folder = fresh(HERE / "latency")
    settle()
    with Daemon(folder) as daemon, Watcher(daemon) as watcher:
        for i, path in enumerate(files):
            data = path.read_bytes()
            fd = os.open(daemon.drop / path.name, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644)
            os.write(fd, data)
            start = time.monotonic()
            os.close(fd)
            end, recording = wait_for_file(watcher, path.name)
            times.append((end - start) * 1000)
            if i % 10 == 0:
                receipt = daemon.get(f"/v1/recordings/{recording}/receipt")
                receipts.append((time.monotonic() - end) * 1000)
                if not receipt.startswith(b"c2sp.org/tlog-proof@"):
                    raise BenchFailed(f"not a receipt: {receipt[:200]!r}")
            time.sleep(0.1)
        plain = sync_times(folder, data, 50)
        daemon.wait_idle()
    discard(folder)
    return {"photos": count, "bytes_each": files[0].stat().st_size, "p50_ms": median(times), "p99_ms": quantile(times, 0.99),
            "max_ms": max(times), "receipt_p50_ms": median(receipts), "write_and_fsync_p50_ms": median(plain),
            "write_and_fsync_p99_ms": quantile(plain, 0.99), "wanted_p50_ms": 60, "wanted_p99_ms": 300}
