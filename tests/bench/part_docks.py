# SPDX-License-Identifier: GPL-3.0-or-later
"""24 docking stations at once on a network that loses or delays packets (tests/badlink): all arrives, nothing twice."""
import json
import os
import pathlib
import subprocess
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from benchlib import BUILD, HERE, ROOT, BenchFailed, fresh, say  # noqa: E402

DOCKS, FILES, BYTES = 24, 4, 500_000
BADLINK = ROOT / "tests/badlink"
NETWORKS = {"20 % packet loss": (0.2, 0), "200 ms delay": (0, 100)}  # 100 ms each way


def docks():
    """Runs the stations on each bad network, in namespaces of their own."""
    runs = {}
    for what, (loss, delay) in NETWORKS.items():
        say(f"  {what}")
        answer = HERE / "docks.json"
        answer.unlink(missing_ok=True)
        done = subprocess.run([str(BADLINK), str(loss), str(delay), "--", sys.executable, __file__, str(answer)],
                              stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
        if done.returncode == 77:
            return {"skipped": done.stderr.strip()}
        if done.returncode != 0 or not answer.exists():
            raise BenchFailed(f"docks on {what}: {done.stderr[-1500:]}")
        runs[what] = json.loads(answer.read_text(encoding="utf-8"))
    return {"runs": runs}


def stations(site, folder):
    """Starts one `liuhen dock` for each device, on the far side of the network."""
    started = []
    for i in range(DOCKS):
        serial, card = f"DOCK-{i:02d}", folder / f"card-{i:02d}"
        (card / "DCIM").mkdir(parents=True)
        for n in range(FILES):
            (card / "DCIM" / f"CLIP{n:04d}.MP4").write_bytes(os.urandom(BYTES))
        token = folder / f"token-{i:02d}"
        token.write_text(site.register(serial), encoding="utf-8")
        token.chmod(0o600)
        with open(folder / f"dock-{i:02d}.log", "wb") as log:
            started.append(subprocess.Popen(
                [str(BADLINK), "--far", os.environ["BADLINK_FAR"], str(BUILD / "liuhen"), "dock", "--server",
                 f"https://10.77.0.1:{site.tls_port}", "--ca", str(site.ca), "--token-file", str(token), "--state",
                 str(folder / f"state-{i:02d}"), "--json", str(card)], stdin=subprocess.DEVNULL, stdout=log, stderr=log))
    return started


def near_side(answer):
    """In the namespace of the site: liuhend, and the docks beyond the bad network."""
    from part_doors import Site  # pylint: disable=import-outside-toplevel

    folder = fresh(HERE / "docks")
    site = Site(folder / "site")
    path = site.folder / "retention.yaml"
    config = json.loads(path.read_text(encoding="utf-8"))
    config["http"].update(tls=f"10.77.0.1:{site.tls_port}", names=["10.77.0.1"])
    path.write_text(json.dumps(config), encoding="utf-8")
    with site:
        start = time.monotonic()
        started = stations(site, folder)
        try:
            for i, station in enumerate(started):
                if station.wait(600) != 0:
                    raise BenchFailed(f"dock {i}: " + (folder / f"dock-{i:02d}.log").read_text(errors="replace")[-800:])
        finally:
            for station in started:
                station.kill()
        seconds = time.monotonic() - start
        site.wait_idle()
        ids = [r["id"] for r in json.loads(site.cli("ls", "--json"))["recordings"]]
        twice = sum(len(json.loads(site.cli("show", i, "--json"))["arrivals"]) > 1 for i in ids)
    pathlib.Path(answer).write_text(json.dumps({
        "files": DOCKS * FILES, "mib": round(DOCKS * FILES * BYTES / 2**20), "arrived": len(ids), "twice": twice,
        "seconds": round(seconds, 1)}), encoding="utf-8")


if __name__ == "__main__":
    near_side(sys.argv[1])
