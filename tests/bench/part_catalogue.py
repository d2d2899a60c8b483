# SPDX-License-Identifier: GPL-3.0-or-later
"""A catalogue of 1,000,000 recordings: how soon the daemon is ready, and how long any page of a list takes.

The archive is made once by bench-catalogue and kept in build/bench/catalogue-N until the schema or the generator changes. Pages are asked for
through the API as `liuhen ls` does. Every filter, every pair and every triple of filters is asked, with busy and with rare values,
from the newest page and from deep inside.
"""
import hashlib
import itertools
import json
import os
import subprocess
import time
import urllib.parse

from benchlib import BUILD, HERE, ROOT, Client, Daemon, BenchFailed, fresh, median, memory, quantile, remove, say, settle, shuffled, warm

RECORDINGS = int(os.environ.get("BENCH_RECORDINGS", "1000000"))
PAGE = 50
DAY = 86400


def maker_digest():
    """Changes when the rows could: generator, schema, how acts are applied, the policy."""
    h = hashlib.sha256()
    for name in ("tests/bench/bench-catalogue.c", "daemon/catalogue/schema/001.sql", "daemon/catalogue/apply.c",
                 "policies/cn-health-enforcement.yaml"):
        h.update((ROOT / name).read_bytes())
    return h.hexdigest()


def make_archive(folder, dsn=None):
    """The archive of RECORDINGS; returns how long making it took (0 = it was there)."""
    stamp = folder / "made-from"
    if stamp.exists() and stamp.read_text(encoding="utf-8") == maker_digest():
        return 0
    say(f"  making a catalogue of {RECORDINGS:,} recordings (once; some minutes)")
    remove(folder)
    folder.parent.mkdir(parents=True, exist_ok=True)
    start = time.monotonic()
    command = [str(BUILD / "bench/bench-catalogue"), str(folder), str(ROOT / "policies/cn-health-enforcement.yaml"),
               str(RECORDINGS), *([dsn] if dsn else [])]
    if subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, check=False).returncode != 0:
        raise BenchFailed("bench-catalogue failed")
    stamp.write_text(maker_digest(), encoding="utf-8")
    settle()
    return time.monotonic() - start


def date(seconds_ago):
    return time.strftime("%Y-%m-%d", time.gmtime(time.time() - seconds_ago))


def dimensions(client):
    """Values of each filter, from the busiest to one that nothing has."""
    def first(path, member):
        return json.loads(client.get(path)[1])[member]
    cases = sorted(first("/v1/cases?limit=1000", "cases"), key=lambda c: c["recordings"])
    take = first("/v1/recordings?limit=1", "recordings")[0]["take"]
    return {
        "case": [cases[-1]["number"], cases[len(cases) // 2]["number"], "本溪卫医罚〔2024〕1号"],
        "take": [take],
        "device": ["DSJ-000", "DSJ-100", "DSJ-199", "none"],
        "officer": ["officer.00", "officer.79"],
        "unit": ["监督1科", "监督12科"],
        "kind": ["video", "document", "data"],
        "class": ["routine", "evidence", "disputed"],
        "time": [(date(30 * DAY), None), (None, date(900 * DAY)), (date(400 * DAY), date(399 * DAY))],
        "damaged": ["1"], "unlinked": ["1"], "held": ["1"], "undecided": ["1"],
    }


def queries(values):
    """(name, target without cursor) of every filter, pair and triple; names tell the values."""
    def one(dimension, value):
        if dimension != "time":
            return f"{dimension}={value}", {dimension: value}
        given = {k: v for k, v in (("from", value[0]), ("to", value[1])) if v}
        return "time=" + "…".join(v or "" for v in value), given
    options = [(d, one(d, v)) for d, vs in values.items() for v in vs]
    for size in range(4):
        for chosen in itertools.combinations(options, size):
            if len({d for d, _ in chosen}) < size:
                continue
            params = {k: v for _, (_, given) in chosen for k, v in given.items()}
            yield " ".join(name for _, (name, _) in chosen) or "(no filter)", params


def target(params, **more):
    return "/v1/recordings?" + urllib.parse.urlencode({**params, "limit": PAGE, **more})


def ask(client, times, name, path):
    status, body, seconds = client.get(path)
    if status != 200:
        raise BenchFailed(f"{path}: {status} {body[:300]!r}")
    times.append((seconds * 1000, name))
    return json.loads(body)


def middle():
    """The cursor of a page from the middle of the archive."""
    return f"{int((time.time() - 500 * DAY) * 1e6)}.{'0' * 26}"


def ask_all(client, asked):
    """The newest page, the one after it, and one from the middle of the archive, of every query; each when its turn comes by lot."""
    times = []
    for name, params in shuffled(asked.items()):
        answer = ask(client, times, name, target(params))
        if answer.get("next"):
            ask(client, times, name + " (page 2)", target(params, after=answer["next"]))
        ask(client, times, name + " (deep)", target(params, after=middle()))
    return times


def worst(times, client, asked):
    """The slowest queries, asked again five times: what counts is the median, so that a hiccup is not taken for a slow query."""
    seen, result = set(), []
    for _, name in sorted(times, reverse=True):
        if name in seen or name.endswith("(page 2)"):
            continue
        seen.add(name)
        params = asked[name.removesuffix(" (deep)")]
        path = target(params, after=middle()) if name.endswith("(deep)") else target(params)
        again = []
        for _ in range(5):
            ask(client, again, name, path)
        result.append((median([t for t, _ in again]), name))
        if len(result) == 12:
            break
    return [{"query": name, "ms": ms} for ms, name in sorted(result, reverse=True)]


def start_times(folder, archive, dsn, count=5):
    times = []
    for _ in range(count):
        daemon = Daemon(folder, archive, dsn)
        try:
            times.append(daemon.start())
        finally:
            daemon.stop()
    return times


def measure(archive, dsn=None):
    folder = fresh(HERE / "catalogue-run")
    starts = start_times(folder, archive, dsn)
    with Daemon(folder, archive, dsn) as daemon, Client(daemon.socket) as client:
        asked = dict(queries(dimensions(client)))
        ask_all(client, asked)  # so that every table has been read once
        times = ask_all(client, asked)
        slow = worst(times, client, asked)
        status = min(client.get("/v1/status")[2] for _ in range(3)) * 1000
        show = min(client.get("/v1/recordings?limit=1000")[2] for _ in range(3)) * 1000
        resident = memory(daemon.process.pid)["rss_mib"]
    values = [ms for ms, _ in times]
    return {"recordings": RECORDINGS, "ready_seconds": median(starts), "ready_max_seconds": max(starts), "pages": len(values),
            "p50_ms": median(values), "p99_ms": quantile(values, 0.99), "max_ms": max(values), "worst": slow, "status_ms": status,
            "page_of_1000_ms": show, "rss_mib": resident, "wanted_ready_seconds": 1, "wanted_p99_ms": 20}


def catalogue():
    archive = HERE / f"catalogue-{RECORDINGS}"
    made = make_archive(archive)
    warm([archive / "catalogue.db"])
    result = measure(archive)
    result["made_seconds"] = made
    result["bytes"] = (archive / "catalogue.db").stat().st_size
    return result
