# SPDX-License-Identifier: GPL-3.0-or-later
"""What deriving costs, beside ffmpeg on the same file: processor seconds (user and system) of each program alone, medians of alternating rounds.

Both use two threads for decoding and two for encoding, and make the same outputs: 720p H.264 (veryfast, crf 23, a key picture every two seconds) with AAC,
a poster, a sheet of small pictures, the sound as samples for peaks.
"""
import os
import subprocess
import sys

from benchlib import BUILD, HERE, ROOT, BenchFailed, fresh, median, say

sys.path.insert(0, str(ROOT / "tests/system"))
from media_worker import run  # noqa: E402

FILES = ["proxy.mp4", "poster.jpg", "sprite.jpg", "sprite.vtt", "peaks.json"]
SECONDS = 30
ROUNDS = int(os.environ.get("BENCH_ROUNDS", "3"))
PROBES = 40


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


def clip(size, codec, *arguments):
    """A moving picture with noise in it, as a sensor has, and sound; made once."""
    path = HERE / "media" / f"{codec}-{size}.mp4"
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        ffmpeg("-f", "lavfi", "-i", f"testsrc2=s={size}:r=30:d={SECONDS},noise=alls=6:allf=t", "-f", "lavfi", "-i",
               f"anoisesrc=r=48000:a=0.1:d={SECONDS},aformat=channel_layouts=stereo", "-c:v", codec, "-preset", "veryfast", *arguments, "-g", "60", "-c:a",
               "aac", "-pix_fmt", "yuv420p", path)
    return path


def derive(path, remux, files=None, threads=2):
    folder = fresh(HERE / "media-out")
    files = files or FILES
    plan = {"files": files, "threads": threads, "proxy": {"height": 720, "crf": 23, "preset": "veryfast", "keyframe_msec": 2000, "remux": remux},
            "poster": {"width": 1280}, "sprite": {"width": 160, "tiles": 100, "least_msec": 2000}, "peaks": {"points": 2000},
            "decoded": {"silence": True}}
    r = run(BUILD / "liuhen-media", path, "derive", plan, [folder / f for f in files], threads=8, file_bytes=1 << 32, cpu=3600, seconds=3600)
    if r.status or len(r.outputs) != len(files):
        raise BenchFailed(f"{path}: exit {r.status}, {len(r.outputs)} of {len(files)} files")
    return r


def peer_parts(path, folder):
    """(one command's filters and outputs, the same as separate commands)."""
    proxy = ["-c:v", "libx264", "-preset", "veryfast", "-crf", "23", "-threads", "2", "-force_key_frames", "expr:gte(t,n_forced*2)", "-c:a", "aac", "-b:a",
             "128k", "-movflags", "+faststart"]
    given = ["-threads", "2", "-i", path]
    sheet = "fps=1/2,scale=160:-2,tile=10x10"
    one = [*given, "-filter_complex", f"[0:v]split=3[a][b][c];[a]scale=-2:720[p];[b]select='eq(n,0)',scale=1280:-2[q];[c]{sheet}[s]", "-map", "[p]", "-map",
           "0:a", *proxy, folder / "p.mp4", "-map", "[q]", "-frames:v", "1", folder / "q.jpg", "-map", "[s]", "-frames:v", "1", folder / "s.jpg", "-map", "0:a",
           "-ac", "1", "-ar", "8000", "-f", "s16le", folder / "a.pcm"]
    separate = [[*given, "-vf", "scale=-2:720", *proxy, folder / "p.mp4"], [*given, "-frames:v", "1", "-vf", "scale=1280:-2", folder / "q.jpg"],
                [*given, "-an", "-vf", sheet, "-frames:v", "1", folder / "s.jpg"], [*given, "-vn", "-ac", "1", "-ar", "8000", "-f", "s16le", folder / "a.pcm"]]
    return one, separate


def probes(path):
    ours = sum(run(BUILD / "liuhen-media", path).cpu for _ in range(PROBES)) / PROBES
    theirs = sum(command("ffprobe", "-v", "quiet", "-show_format", "-show_streams", "-of", "json", str(path)) for _ in range(5)) / 5
    return ours, theirs


def media():
    full, tall = clip("1920x1080", "libx264", "-b:v", "8M"), clip("3840x2160", "libx265", "-x265-params", "log-level=error", "-crf", "30", "-t", "6")
    folder = fresh(HERE / "media-peer")
    one, separate = peer_parts(full, folder)
    rounds = {"liuhen": [], "one": [], "separate": [], "remux": [], "probe": [], "ffprobe": []}
    for i in range(ROUNDS):
        say(f"  round {i + 1} of {ROUNDS}")
        rounds["liuhen"].append(derive(full, False).cpu)
        rounds["one"].append(ffmpeg(*one))
        rounds["remux"].append(derive(full, True).cpu)
        rounds["separate"].append(sum(ffmpeg(*s) for s in separate))
        ours, theirs = probes(full)
        rounds["probe"].append(ours)
        rounds["ffprobe"].append(theirs)
    result = {name: median(values) for name, values in rounds.items()}
    big = derive(tall, True)
    return {**result, "rounds": rounds, "memory_mib": big.peak / 1048576, "seconds": SECONDS}


def media_table(r):
    rows = [("proxy, poster, sprite, peaks of 1080p H.264 : one ffmpeg command", r["liuhen"], r["one"], r["liuhen"] / r["one"], 0.95),
            ("the same : separate ffmpeg commands", r["liuhen"], r["separate"], r["liuhen"] / r["separate"], 0.70),
            ("the same, playable as it is (copied) : encoded", r["remux"], r["liuhen"], r["remux"] / r["liuhen"], 0.04),
            ("probe : ffprobe", r["probe"], r["ffprobe"], r["probe"] / r["ffprobe"], 0.10)]
    lines = ["| work | CPU s | peer, CPU s | ratio | wanted | met |", "|---|--:|--:|--:|--:|---|"]
    lines += [f"| {w} | {a:.3f} | {b:.3f} | {ratio:.3f} | ≤ {most} | {'yes' if ratio <= most else '**no**'} |" for w, a, b, ratio, most in rows]
    lines += [f"| probe, a file | {r['probe'] * 1000:.1f} ms | | | ≤ 10 ms | {'yes' if r['probe'] <= 0.010 else '**no**'} |",
              f"| memory, 4K HEVC | {r['memory_mib']:.0f} MiB | | | ≤ 600 MiB | {'yes' if r['memory_mib'] <= 600 else '**no**'} |"]
    return "\n".join(lines)
