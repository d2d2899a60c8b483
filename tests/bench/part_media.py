# SPDX-License-Identifier: GPL-3.0-or-later
"""What deriving costs, beside ffmpeg on the same file: processor seconds (user and system) of each program alone, medians of alternating rounds.

Both use two threads for decoding and two for encoding, and make the same outputs with the same quality: 720p H.264 (veryfast, crf 23, high, a key picture
every two seconds, scaled bilinear) with AAC, a poster (scaled by area), a sheet of small pictures (by area), the sound as samples for peaks. Liuhen also looks for
black, silence and QR codes meanwhile, as the daemon asks it to.
"""
import json
import os
import statistics
import subprocess
import sys
import time

from benchlib import BUILD, HERE, ROOT, BenchFailed, Daemon, Watcher, discard, fresh, median, say, settle
from part_files import wait_for_file

sys.path.insert(0, str(ROOT / "tests/system"))
from media_worker import run  # noqa: E402

FILES = ["proxy.mp4", "poster.jpg", "sprite.jpg", "sprite.vtt", "peaks.json"]
SECONDS = 30
ROUNDS = int(os.environ.get("BENCH_ROUNDS", "3"))
SAMPLES = ROOT.parent / "shared/samples"
DAEMON_SECONDS = 60


def ffmpeg(*arguments):
    """Processor seconds of one ffmpeg."""
    return command("ffmpeg", "-v", "error", "-nostdin", "-y", *map(str, arguments))


def command(*arguments):
    process = subprocess.Popen(arguments, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise BenchFailed(f"{' '.join(arguments)}: exit {process.returncode}")
    return usage.ru_utime + usage.ru_stime


def clip(size, codec, *arguments, pixels="yuv420p"):
    """A moving picture with noise in it, as a sensor has, and sound; made once."""
    path = HERE / "media" / f"{codec}-{size}-{pixels}.mp4"
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        ffmpeg("-f", "lavfi", "-i", f"testsrc2=s={size}:r=30:d={SECONDS},noise=alls=6:allf=t", "-f", "lavfi", "-i",
               f"anoisesrc=r=48000:a=0.1:d={SECONDS},aformat=channel_layouts=stereo", "-c:v", codec, "-preset", "veryfast", *arguments, "-g", "60", "-c:a",
               "aac", "-pix_fmt", pixels, path)
    return path


LOOKS = {"silence": True, "black": True, "qr_msec": 10000}  # as the daemon asks


def derive(path, remux, looks, files=None, threads=2):
    folder = fresh(HERE / "media-out")
    files = files or FILES
    plan = {"files": files, "threads": threads, "proxy": {"height": 720, "crf": 23, "preset": "veryfast", "keyframe_msec": 2000, "remux": remux},
            "poster": {"width": 1280}, "sprite": {"width": 160, "tiles": 100, "least_msec": 2000}, "peaks": {"points": 2000},
            "decoded": looks}
    r = run(BUILD / "liuhen-media", path, "derive", plan, [folder / f for f in files], threads=8, file_bytes=1 << 32, cpu=3600, seconds=3600)
    if r.status or len(r.outputs) != len(files):
        raise BenchFailed(f"{path}: exit {r.status}, {len(r.outputs)} of {len(files)} files")
    return r


def peer_parts(path, folder):
    """(one command's filters and outputs, the same as separate commands)."""
    proxy = ["-c:v", "libx264", "-preset", "veryfast", "-crf", "23", "-profile:v", "high", "-threads", "2", "-force_key_frames", "expr:gte(t,n_forced*2)", "-c:a", "aac", "-b:a",
             "128k", "-movflags", "+faststart"]
    given = ["-threads", "2", "-i", path]
    sheet = "fps=1/2,scale=160:-2:flags=area,tile=10x10"
    one = [*given, "-filter_complex", f"[0:v]split=3[a][b][c];[a]scale=-2:720:flags=bilinear[p];[b]select='eq(n,0)',scale=1280:-2:flags=area[q];[c]{sheet}[s]", "-map", "[p]", "-map",
           "0:a", *proxy, folder / "p.mp4", "-map", "[q]", "-frames:v", "1", folder / "q.jpg", "-map", "[s]", "-frames:v", "1", folder / "s.jpg", "-map", "0:a",
           "-ac", "1", "-ar", "8000", "-f", "s16le", folder / "a.pcm"]
    separate = [[*given, "-vf", "scale=-2:720:flags=bilinear", *proxy, folder / "p.mp4"], [*given, "-frames:v", "1", "-vf", "scale=1280:-2:flags=area", folder / "q.jpg"],
                [*given, "-an", "-vf", sheet, "-frames:v", "1", folder / "s.jpg"], [*given, "-vn", "-ac", "1", "-ar", "8000", "-f", "s16le", folder / "a.pcm"]]
    return one, separate


def probed(fallback):
    """The samples, or without them the clips made here."""
    found = [p for p in sorted(SAMPLES.rglob("*")) if p.is_file() and p.name not in ("MANIFEST.tsv", "README.md")]
    return found or fallback


def probe(path):
    """Of both programs, where the first passes the file on."""
    r = run(BUILD / "liuhen-media", path)
    return r.cpu + (run(BUILD / "liuhen-stills", path).cpu if r.elsewhere else 0)


def ffprobe(path):
    """Processor seconds, whether or not it can read the file."""
    process = subprocess.Popen(["ffprobe", "-v", "quiet", "-show_format", "-show_streams", "-of", "json", str(path)], stdin=subprocess.DEVNULL,
                               stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    return usage.ru_utime + usage.ru_stime


def made(daemon, recording):
    return {d["name"] for d in json.loads(daemon.get(f"/v1/recordings/{recording}/derivatives"))["files"]}


def arrival(short):
    """Seconds until a clip of five minutes that was renamed into the drop folder is sealed, and has its poster and what a browser plays."""
    long = HERE / "media/long.mp4"
    ffmpeg("-stream_loop", 300 // SECONDS - 1, "-i", short, "-c", "copy", "-movflags", "+faststart", long)
    folder = fresh(HERE / "media-daemon")
    settle()
    with Daemon(folder, derive={"enabled": True, "load": 0}) as daemon:
        with Watcher(daemon) as watcher:
            start = time.monotonic()
            os.rename(long, daemon.drop / long.name)
            sealed, recording = wait_for_file(watcher, long.name)
        while not {"poster.jpg", "proxy.mp4"} <= made(daemon, recording):
            if time.monotonic() > start + DAEMON_SECONDS:
                raise BenchFailed(f"no poster and proxy within {DAEMON_SECONDS} s:\n{daemon.log_path.read_text()[-2000:]}")
            time.sleep(0.02)
        seconds = time.monotonic() - start
        daemon.wait_idle()
    discard(folder)
    return {"sealed": sealed - start, "ready": seconds}


def deriving(full):
    """{name: [processor seconds of each round]}."""
    one, separate = peer_parts(full, fresh(HERE / "media-peer"))
    rounds = {name: [] for name in ("liuhen", "one", "separate", "remux", "looking", "remux_looking")}
    for i in range(ROUNDS):
        say(f"  deriving, round {i + 1} of {ROUNDS}")
        rounds["liuhen"].append(derive(full, False, {}).cpu)
        rounds["one"].append(ffmpeg(*one))
        rounds["looking"].append(derive(full, False, LOOKS).cpu)
        rounds["remux"].append(derive(full, True, {}).cpu)
        rounds["remux_looking"].append(derive(full, True, LOOKS).cpu)
        rounds["separate"].append(sum(ffmpeg(*s) for s in separate))
    return rounds


def probing(files):
    rounds = {"probe": [], "ffprobe": []}
    for i in range(ROUNDS):
        say(f"  probing {len(files)} files, round {i + 1} of {ROUNDS}")
        both = [(probe(f), ffprobe(f)) for f in files]
        rounds["probe"].append(statistics.mean(b[0] for b in both))
        rounds["ffprobe"].append(statistics.mean(b[1] for b in both))
    return rounds


def media():
    full = clip("1920x1080", "libx264", "-b:v", "8M")
    tall = {p: clip("3840x2160", "libx265", "-x265-params", "log-level=error", "-crf", "30", "-t", "4", pixels=p) for p in ("yuv420p", "yuv420p10le")}
    files = probed([full, *tall.values()])
    rounds = {**deriving(full), **probing(files)}
    say("  memory for 4K, and a clip through a daemon")
    memory = {p: derive(path, False, LOOKS).peak / 1048576 for p, path in tall.items()}
    return {**{name: median(values) for name, values in rounds.items()}, "rounds": rounds, "memory_mib": memory, "seconds": SECONDS,
            "probed": len(files), "arrival": [arrival(full) for _ in range(ROUNDS)]}


def fixed(work, value, unit, most, digits=1):
    return f"| {work} | {value:.{digits}f} {unit} | | | ≤ {most} {unit} | {'yes' if value <= most else '**no**'} |"


def media_table(r):
    rows = [("proxy, poster, sprite, peaks of 1080p H.264 : one ffmpeg command", "liuhen", "one", 0.95),
            ("the same : separate ffmpeg commands", "liuhen", "separate", 0.70),
            ("playable as it is (copied), with poster, sprite, peaks : one ffmpeg command", "remux", "one", 0.04),
            ("the first, with black, silence and QR codes looked for : the same ffmpeg command", "looking", "one", None),
            ("the third, with these", "remux_looking", "one", None),
            (f"probe, mean of {r['probed']} files : ffprobe", "probe", "ffprobe", 0.10)]
    lines = [f"{r['seconds']} s of 1080p; both sides: two threads, x264 veryfast crf 23 high, scaling bilinear (proxy) and by area (poster, sprite).", "",
             "| work | CPU s | peer, CPU s | ratio (median of rounds; least – most) | wanted | met |", "|---|--:|--:|--:|--:|---|"]
    for work, ours, peer, most in rows:
        ratios = [a / b for a, b in zip(r["rounds"][ours], r["rounds"][peer])]  # of one round: the machine is faster at some times than at others
        met = "" if most is None else "yes" if median(ratios) <= most else "**no**"
        lines.append(f"| {work} | {r[ours]:.3f} | {r[peer]:.3f} | {median(ratios):.3f} ({min(ratios):.3f} – {max(ratios):.3f}) | "
                     f"{'' if most is None else f'≤ {most}'} | {met} |")
    ready, sealed = (median(a[k] for a in r["arrival"]) for k in ("ready", "sealed"))
    return "\n".join([*lines, fixed("probe, a file", r["probe"] * 1000, "ms", 10),
                      fixed(f"arrival to poster and playable, 5 min 1080p (sealed after {sealed:.1f} s)", ready, "s", 3, 2),
                      fixed("memory, 4K HEVC", r["memory_mib"]["yuv420p"], "MiB", 600, 0),
                      fixed("memory, 4K HEVC, 10 bit", r["memory_mib"]["yuv420p10le"], "MiB", 600, 0)])
