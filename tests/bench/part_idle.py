# SPDX-License-Identifier: GPL-3.0-or-later
"""The idle daemon: how much memory is resident, and how often any of its threads runs; and the ledger's own benchmark.

Wake-ups are voluntary context switches of all threads, counted over a minute with the watchdog on, as under systemd. sd-event wakes for the watchdog at
between a half and three quarters of its time; whatever is above that is a wake-up too many.
"""
import pathlib
import subprocess
import time

from benchlib import BUILD, HERE, BenchFailed, Daemon, discard, drop_all, fresh, give_back, memory, photos, say, settle

WATCHDOG_USEC = 20_000_000
SECONDS = 60


def switches(pid):
    """Voluntary context switches so far, by thread."""
    result = {}
    for task in pathlib.Path(f"/proc/{pid}/task").iterdir():
        text = (task / "status").read_text(encoding="utf-8")
        result[task.name] = next(int(line.split()[1]) for line in text.split("\n") if line.startswith("voluntary_ctxt_switches"))
    return result


def wakeups(pid, seconds):
    before = switches(pid)
    time.sleep(seconds)
    after = switches(pid)
    return {"total": sum(after[t] - before.get(t, 0) for t in after), "threads": len(after),
            "running": sum(after[t] != before.get(t, 0) for t in after)}


def idle():
    files = photos(HERE / "photos", 2000, 640, 480)
    folder = fresh(HERE / "idle")
    settle()
    with Daemon(folder, watchdog_usec=WATCHDOG_USEC) as daemon:
        pid = daemon.process.pid
        time.sleep(2)
        fresh_memory = memory(pid)
        say(f"  counting wake-ups for {SECONDS} s")
        quiet = wakeups(pid, SECONDS)
        drop_all(daemon, files)
        daemon.wait_idle()
        time.sleep(3)
        after = memory(pid)
        later = wakeups(pid, SECONDS // 2)
        archive = daemon.archive
    give_back(archive, files)
    discard(folder)
    return {"start": fresh_memory, "after_2000_photos": after, "wakeups": quiet, "seconds": SECONDS,
            "watchdog_seconds": WATCHDOG_USEC / 1e6, "wakeups_by_watchdog": round(SECONDS * 1e6 / (WATCHDOG_USEC / 2)),
            "wakeups_after_photos": later, "seconds_after_photos": SECONDS // 2, "wanted_rss_mib": 32}


def ledger():
    """bench-ledger: `name value unit` lines."""
    folder = HERE / "ledger"
    fresh(folder)
    done = subprocess.run([str(BUILD / "bench/bench-ledger"), str(folder)], stdin=subprocess.DEVNULL, capture_output=True, text=True,
                          check=False)
    if done.returncode != 0:
        raise BenchFailed(done.stderr)
    discard(folder)
    result = {line.split()[0]: float(line.split()[1]) for line in done.stdout.splitlines() if len(line.split()) == 3}
    result.update(wanted_publish=20000, wanted_proof_ms=1, wanted_verify_seconds=10)
    return result
