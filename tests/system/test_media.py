# SPDX-License-Identifier: GPL-3.0-or-later
"""liuhen-media by itself: files made with ffmpeg, the shared samples where they are, mutated files, attempts to break out.

The worker is started as the daemon starts it (media_worker.py).
"""
import csv
import json
import os
import random
import resource
import signal
import struct
import subprocess
import time

import pytest

from conftest import ROOT
from media_worker import run

SIGSYS_EXIT = -signal.SIGSYS


@pytest.fixture(scope="session")
def worker(build):
    return build / "liuhen-media"


@pytest.fixture(scope="module")
def media(tmp_path_factory):
    """A folder of small files made with ffmpeg."""
    folder = tmp_path_factory.mktemp("media")
    video = ["-f", "lavfi", "-i", "testsrc=size=320x240:rate=10:duration=3"]
    audio = ["-f", "lavfi", "-i", "sine=frequency=440:duration=3:sample_rate=16000"]
    h264 = ["-c:v", "libx264", "-preset", "ultrafast", "-g", "10", "-pix_fmt", "yuv420p"]
    about = ["-metadata", "creation_time=2026-03-01T08:00:00Z", "-metadata", "location=+31.2304+121.4737/"]

    def make(name, *arguments):
        subprocess.run(["ffmpeg", "-y", "-loglevel", "error", *arguments, str(folder / name)], check=True)

    make("clip.mp4", *video, *audio, *h264, "-c:a", "aac", *about)
    make("fast.mp4", "-i", str(folder / "clip.mp4"), "-c", "copy", "-movflags", "+faststart")
    # both turn counterclockwise; ffmpeg 6 replaced the one by the other
    known = subprocess.run(["ffmpeg", "-hide_banner", "-h", "full"], capture_output=True, text=True, check=True).stdout
    before, after = (["-display_rotation:v", "270"], []) if "display_rotation" in known else ([], ["-metadata:s:v", "rotate=270"])
    make("rotated.mp4", *before, "-i", str(folder / "clip.mp4"), "-c", "copy", *after)
    make("epoch.mp4", "-i", str(folder / "clip.mp4"), "-c", "copy", "-metadata", "creation_time=1970-01-02T00:00:00Z")
    make("future.mkv", "-i", str(folder / "clip.mp4"), "-c", "copy", "-metadata", "creation_time=2099-01-01T00:00:00Z")
    make("frag.mp4", "-i", str(folder / "clip.mp4"), "-c", "copy", "-movflags", "+frag_keyframe+empty_moov")
    make("clip.mkv", *video, *audio, *h264, "-c:a", "aac", "-metadata", "creation_time=2026-03-01T08:00:00Z")
    make("clip.ts", *video, *audio, *h264, "-c:a", "aac")
    make("clip.avi", *video, *audio, "-c:v", "mjpeg", "-c:a", "pcm_s16le")
    make("clip.mpg", *video, "-c:v", "mpeg2video", "-r", "25", "-f", "vob")
    make("voice.wav", *audio, "-write_bext", "1", "-metadata", "origination_date=2026-03-01",
         "-metadata", "origination_time=08:00:00")
    make("voice.mp3", *audio)
    make("voice.m4a", *audio, "-c:a", "aac")
    make("plain.jpg", *video, "-frames:v", "1")
    make("plain.png", *video, "-frames:v", "1")
    plain = (folder / "plain.jpg").read_bytes()
    (folder / "exif.jpg").write_bytes(plain[:2] + exif_segment() + plain[2:])
    return folder


def exif_segment():
    """An APP1 segment: Make, orientation, DateTimeOriginal without a zone, and a place south and west."""
    parts, extra = {}, b""

    def entry(tag, kind, count, value):
        nonlocal extra
        if len(value) <= 4:
            return struct.pack("<HHI", tag, kind, count) + value.ljust(4, b"\0")
        at = 400 + len(extra)
        extra += value + b"\0" * (len(value) % 2)
        return struct.pack("<HHII", tag, kind, count, at)

    def ifd(entries):
        return struct.pack("<H", len(entries)) + b"".join(entries) + struct.pack("<I", 0)

    def degrees(d, m, s):
        return struct.pack("<6I", d, 1, m, 1, s * 100, 100)

    parts["exif"] = ifd([entry(0x9003, 2, 20, b"2026:03:01 16:00:00\0")])
    parts["gps"] = ifd([entry(1, 2, 2, b"S\0"), entry(2, 5, 3, degrees(31, 30, 36)),
                        entry(3, 2, 2, b"W\0"), entry(4, 5, 3, degrees(121, 15, 0))])
    root = [entry(0x010F, 2, 8, b"Testcam\0"), entry(0x0112, 3, 1, struct.pack("<H", 6)),
            entry(0x8769, 4, 1, struct.pack("<I", 100)), entry(0x8825, 4, 1, struct.pack("<I", 200))]
    tiff = (b"II*\0" + struct.pack("<I", 8) + ifd(root)).ljust(100, b"\0") + parts["exif"]
    tiff = (tiff.ljust(200, b"\0") + parts["gps"]).ljust(400, b"\0") + extra
    body = b"Exif\0\0" + tiff
    return b"\xff\xe1" + struct.pack(">H", len(body) + 2) + body


def no_floats(text):
    raise AssertionError(f"a floating-point number in the answer: {text}")


def run_either(worker, path):
    """A probe by liuhen-media, or by liuhen-stills where that says so."""
    done = run(worker, path)
    return run(worker.with_name("liuhen-stills"), path) if done.elsewhere else done


def probe(worker, path):
    done = run_either(worker, path)
    assert done.status == 0, f"{path}: exit {done.status}"
    assert len(done.answer) <= 65536
    result = json.loads(done.answer, parse_float=no_floats)
    assert set(result) == {"status", "kind", "message", "media"}
    assert result["status"] in ("ok", "damaged", "unknown")
    assert (result["status"] == "damaged") == bool(result["media"].get("damage"))
    return result


def stream(result, kind):
    return next(s for s in result["media"]["streams"] if s["type"] == kind)


def test_mp4(worker, media):
    r = probe(worker, media / "clip.mp4")
    m = r["media"]
    assert (r["status"], r["kind"], r["message"], m["container"], m["lock"]) == ("ok", "video", "", "mp4", "full")
    assert m["bytes"] == (media / "clip.mp4").stat().st_size
    assert abs(m["duration_usec"] - 3_000_000) < 200_000
    video, audio = stream(r, "video"), stream(r, "audio")
    assert (video["codec"], video["width"], video["height"], video["rate"]) == ("h264", 320, 240, "10/1")
    assert (audio["codec"], audio["channels"], audio["sample_rate"]) == ("aac", 1, 16000)
    assert m["started_usec"] == 1772352000_000000
    assert (m["started_source"], m["started_certainty"]) == ("container creation_time", "probable")
    assert m["gps"] == {"lat_e7": 312304000, "lon_e7": 1214737000}


@pytest.mark.parametrize("name", ["epoch.mp4", "future.mkv"])
def test_impossible_times_are_doubtful(worker, media, name):
    m = probe(worker, media / name)["media"]
    assert m["started_certainty"] == "doubtful"
    assert m["started_usec"] in (86400_000000, 4070908800_000000)


@pytest.mark.parametrize("name, container, kind, codecs", [
    ("frag.mp4", "mp4", "video", {"h264", "aac"}),
    ("clip.mkv", "matroska", "video", {"h264", "aac"}),
    ("clip.ts", "mpegts", "video", {"h264", "aac"}),
    ("clip.avi", "avi", "video", {"mjpeg", "pcm_s16le"}),
    ("clip.mpg", "mpegps", "video", {"mpeg2video"}),
    ("voice.wav", "wav", "audio", {"pcm_s16le"}),
    ("voice.mp3", "mp3", "audio", {"mp3"}),
    ("voice.m4a", "mp4", "audio", {"aac"}),
])
def test_forms(worker, media, name, container, kind, codecs):
    r = probe(worker, media / name)
    assert (r["status"], r["message"]) == ("ok", "")
    assert (r["kind"], r["media"]["container"]) == (kind, container)
    assert {s["codec"] for s in r["media"]["streams"] if "codec" in s} >= codecs
    assert abs(r["media"]["duration_usec"] - 3_000_000) < 300_000


def test_broadcast_wav_gives_a_local_time(worker, media):
    m = probe(worker, media / "voice.wav")["media"]
    assert (m["started_local"], m["started_source"]) == ("2026-03-01T08:00:00", "bext")
    assert "started_usec" not in m


def test_rotation(worker, media):
    assert stream(probe(worker, media / "rotated.mp4"), "video")["rotation"] == 90
    assert "rotation" not in stream(probe(worker, media / "clip.mp4"), "video")


def test_photo_with_exif(worker, media):
    r = probe(worker, media / "exif.jpg")
    m = r["media"]
    assert (r["status"], r["kind"], m["width"], m["height"], m["rotation"]) == ("ok", "photo", 320, 240, 90)
    assert (m["started_local"], m["started_source"], m["started_certainty"]) == (
        "2026-03-01T16:00:00", "exif DateTimeOriginal", "probable")
    assert m["gps"] == {"lat_e7": -315100000, "lon_e7": -1212500000}
    assert m["device"] == {"make": "Testcam"}


def test_png(worker, media, tmp_path):
    data = (media / "plain.png").read_bytes()
    assert probe(worker, media / "plain.png")["media"]["width"] == 320
    spoiled = bytearray(data)
    spoiled[len(data) // 2] ^= 1
    (tmp_path / "spoiled.png").write_bytes(spoiled)
    assert "checksum" in probe(worker, tmp_path / "spoiled.png")["message"]
    (tmp_path / "cut.png").write_bytes(data[:-20])
    assert "cut off" in probe(worker, tmp_path / "cut.png")["message"]


@pytest.mark.parametrize("name, share, reason", [
    ("clip.mp4", 0.6, "no moov box"),
    ("fast.mp4", 0.6, "lie beyond the end of the file"),
    ("frag.mp4", 0.6, "cut off"),
    ("clip.mkv", 0.6, "cut off"),
    ("clip.avi", 0.6, "no index"),
    ("voice.wav", 0.6, "cut off"),
    ("exif.jpg", 0.8, "cut off"),
])
def test_truncated(worker, media, tmp_path, name, share, reason):
    data = (media / name).read_bytes()
    (tmp_path / name).write_bytes(data[:int(len(data) * share)])
    r = probe(worker, tmp_path / name)
    assert r["status"] == "damaged"
    assert reason in r["message"]


def test_how_much_of_a_cut_clip_plays(worker, media, tmp_path):
    data = (media / "fast.mp4").read_bytes()
    (tmp_path / "cut.mp4").write_bytes(data[:int(len(data) * 0.6)])
    assert 500_000 < probe(worker, tmp_path / "cut.mp4")["media"]["playable_usec"] < 2_700_000


def test_times_too_far_to_be_told(worker):
    """Samples beyond the end whose times do not fit in microseconds: those that fit say how far it plays."""
    r = probe(worker, ROOT / "tests/fuzz/corpus/probe/far.mp4")
    assert "5997 of 6000 samples lie beyond the end" in r["message"]
    assert r["media"]["playable_usec"] == 3 * 0x7FFFFFFF * 1000000


def test_space_never_written(worker, media, tmp_path):
    (tmp_path / "tail.mp4").write_bytes((media / "clip.mp4").read_bytes() + bytes(1 << 20))
    r = probe(worker, tmp_path / "tail.mp4")
    assert "1048576 zero bytes" in r["message"]
    assert stream(r, "video")["codec"] == "h264"


def test_a_hole_in_the_footage(worker, media, tmp_path):
    data = bytearray((media / "fast.mp4").read_bytes())
    at = len(data) // 2
    data[at:at + 16384] = bytes(16384)
    (tmp_path / "hole.mp4").write_bytes(data)
    assert "nothing but zeros" in probe(worker, tmp_path / "hole.mp4")["message"]


def test_packets_lost(worker, media, tmp_path):
    data = (media / "clip.ts").read_bytes()
    packets = [data[i:i + 188] for i in range(0, len(data), 188)]
    (tmp_path / "lossy.ts").write_bytes(b"".join(p for i, p in enumerate(packets) if i % 13 != 12))
    assert "packets are missing" in probe(worker, tmp_path / "lossy.ts")["message"]


def test_the_name_never_decides(worker, media, tmp_path):
    (tmp_path / "photo.mp4").write_bytes((media / "plain.jpg").read_bytes())
    assert probe(worker, tmp_path / "photo.mp4")["kind"] == "photo"
    (tmp_path / "page.mp4").write_bytes(b"<html>404</html>")
    r = probe(worker, tmp_path / "page.mp4")
    assert (r["status"], r["kind"]) == ("unknown", "data")


def test_what_must_not_be_followed(worker, tmp_path):
    """Playlists and reference files name other files; none is a form we know."""
    for name, text in (("a.m3u8", "#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\n/etc/passwd\n"),
                       ("a.txt", "ffconcat version 1.0\nfile /etc/passwd\n"), ("a.sdp", "v=0\no=- 0 0 IN IP4 127.0.0.1\n"),
                       ("a.mpd", "<?xml version=\"1.0\"?><MPD></MPD>")):
        (tmp_path / name).write_text(text)
        assert probe(worker, tmp_path / name)["status"] == "unknown"


def test_sparse_100_gb(worker, media, tmp_path):
    path = tmp_path / "sparse.mp4"
    path.write_bytes((media / "clip.mp4").read_bytes())
    os.truncate(path, 100 << 30)
    began = time.monotonic()
    assert probe(worker, path)["status"] == "damaged"
    assert time.monotonic() - began < 60


def test_garbage(worker, tmp_path):
    noise = random.Random(1)
    for i in range(20):
        (tmp_path / "noise").write_bytes(noise.randbytes(noise.randrange(1, 100000)))
        assert probe(worker, tmp_path / "noise")["kind"] in ("data", "audio", "video")


def test_mutated(worker, media, tmp_path):
    """Spoiled files of every form: always an answer, never a crash or a forbidden call."""
    noise = random.Random(2)
    path = tmp_path / "mutated"
    for name in sorted(p.name for p in media.iterdir()):
        data = (media / name).read_bytes()
        for _ in range(6):
            spoiled = bytearray(data)
            for _ in range(noise.randrange(1, 40)):
                spoiled[noise.randrange(min(len(spoiled), 1 << noise.randrange(4, 20)))] = noise.randrange(256)
            path.write_bytes(spoiled[:noise.randrange(len(spoiled) // 2, len(spoiled) + 1)])
            probe(worker, path)


def test_it_wants_a_regular_file(worker, tmp_path):
    assert run(worker, tmp_path).status == 64
    assert run(worker, "/dev/null").status == 64
    (tmp_path / "file").write_bytes(b"x")
    assert run(worker, tmp_path / "file", memory=-1).status == 64
    assert run(worker, tmp_path / "file", "parse").status == 64
    assert run(worker, tmp_path / "file").status == 0


def test_a_small_budget_still_gives_an_answer(worker, media):
    done = run(worker, media / "clip.mp4", budget=1)
    assert done.status == 0
    assert "took too long" in json.loads(done.answer)["message"]


@pytest.mark.parametrize("name", ["h264.mp4", "frag.mp4", "small.heic", "still.png", "still.jpg"])
def test_what_there_was_no_time_for_is_not_called_missing(worker, name):
    path = ROOT / "tests/fuzz/corpus/probe" / name
    done = run(worker.with_name("liuhen-stills") if name.endswith(".heic") else worker, path, budget=1)
    assert done.status == 0
    assert json.loads(done.answer)["media"]["damage"] == ["the examination took too long and was not finished"]


def test_memory_limit(worker, media):
    done = run(worker, media / "clip.mp4", memory=64 << 20)
    assert done.status != 0 or json.loads(done.answer)


def attempt(worker, tmp_path, what, **arguments):
    """Has the program try something (worker-escape.c). Return: how it ended."""
    path = tmp_path / "attempt"
    path.write_text(f"LIUHEN-TEST-ESCAPE {what}\n")
    return run(worker, path, **arguments).status


def is_injected(worker, tmp_path):
    return attempt(worker, tmp_path, "none") == 2


@pytest.mark.parametrize("what, expected", [
    ("open", 1), ("stat-empty-path", 1),
    *((w, SIGSYS_EXIT) for w in ("socket", "exec", "fork", "ptrace", "mprotect-exec", "mmap-exec", "mmap-file", "io_uring",
                                 "memfd", "write-input", "truncate-input", "kill-parent", "unlock")),
])
def test_no_way_out(worker, tmp_path, what, expected):
    if not is_injected(worker, tmp_path):
        pytest.skip("the attempts are only in an INJECT=1 build")
    assert attempt(worker, tmp_path, what) == expected


def test_without_landlock_it_says_so_without_seccomp_it_refuses(worker, media, tmp_path):
    if not is_injected(worker, tmp_path):
        pytest.skip("locks can only be made to fail in an INJECT=1 build")
    done = run(worker, media / "clip.mp4", environment={"LIUHEN_FAIL_AT": "lock.landlock=EOPNOTSUPP"})
    assert done.status == 0 and json.loads(done.answer)["media"]["lock"] == "no-landlock"
    assert done.messages[0] == ("locked", b"no-landlock")
    for step in ("lock.landlock=EIO", "lock.seccomp=EPERM"):
        done = run(worker, media / "clip.mp4", environment={"LIUHEN_FAIL_AT": step})
        assert (done.status, done.messages) == (70, [])


def manifest(folder):
    with open(folder / "MANIFEST.tsv", newline="", encoding="utf-8") as f:
        return list(csv.DictReader(f, delimiter="\t", quoting=csv.QUOTE_NONE))


CONTAINERS = {"mov,mp4,m4a,3gp,3g2,mj2": "mp4", "matroska,webm": "matroska", "mpeg": "mpegps", "image2": "jpeg",
              "jpeg_pipe": "jpeg", "amrnb": None, "pdf (not FFmpeg)": "pdf"}


def compare(row, r):
    """What the manifest says of the whole files must be what we say. Return: list of differences."""
    m, out = r["media"], []
    container = CONTAINERS.get(row["container"], row["container"]) or m.get("container")
    if container and m.get("container") != container:
        out.append(f"container {m.get('container')} is not {container}")
    if row["duration_s"] and container != "jpeg" and row["path"] != "audio/mp3_200kB_garbage_prefix.mp3":
        seconds = float(row["duration_s"])
        if abs(m.get("duration_usec", 0) / 1e6 - seconds) > 0.05 + seconds / 50:
            out.append(f"duration {m.get('duration_usec')} is not {seconds} s")
    if row["codecs"] and m.get("streams"):
        ours = {s["codec"] for s in m["streams"] if s["type"] in ("video", "audio") and "codec" in s}
        theirs = {c.split(":", 1)[1].split(" ")[0] for c in row["codecs"].split(" + ")
                  if c.startswith(("video:", "audio:"))}
        if ours != theirs:
            out.append(f"codecs {ours} are not {theirs}")
    return out


def test_shared_samples(worker, samples):
    """Each gives an answer, soon; facts as in the manifest; what is broken on purpose and seen cheaply is called damaged."""
    wrong, cpu = [], []
    for row in manifest(samples):
        path = samples / row["path"]
        done = run_either(worker, path)
        cpu.append(done.cpu)
        if done.status != 0:
            wrong.append(f"{row['path']}: exit {done.status}")
            continue
        r = json.loads(done.answer, parse_float=no_floats)
        wrong += [f"{row['path']}: {w}" for w in compare(row, r)]
        if row["path"].startswith("broken/") and r["status"] == "ok" and row["path"] != "broken/corrupted_frames.mp4":
            wrong.append(f"{row['path']}: passes as whole")
    assert not wrong, "\n".join(wrong)
    assert max(cpu) < 10 and len(cpu) > 100


def test_shared_samples_facts(worker, samples):
    def media_of(name):
        return probe(worker, samples / name)["media"]

    m = media_of("phone/iphonex_gps_mebx.mov")
    assert (m["started_usec"], m["started_certainty"]) == (1549956432_000000, "certain")
    assert {t["source"] for t in m["times"]} == {"quicktime creationdate", "container creation_time"}
    assert m["device"] == {"make": "Apple", "model": "iPhone X"}
    m = media_of("photo_heic/no_pets_sign_exif_at_eof.heic")
    assert (m["started_usec"], m["started_certainty"]) == (1588631951_000000, "certain")
    assert abs(m["gps"]["lat_e7"] - 472071240) < 10
    m = media_of("photo_jpeg/gps_southern_hemisphere.jpg")
    assert abs(m["gps"]["lat_e7"] + 373667027) < 10 and abs(m["gps"]["lon_e7"] - 1220333836) < 10
    assert "gps" not in media_of("phone/android_720p_nullisland_3gp5.mp4")
    assert "gps" not in media_of("photo_jpeg/gps_empty.jpg")
    assert media_of("phone/rotate180.mov")["streams"][0]["rotation"] == 180
    m = media_of("ps_dav/constructed_dahua_dhav.dav")
    assert (m["started_local"], m["started_source"]) == ("2024-03-10T01:59:58", "dhav frame time")
    assert probe(worker, samples / "odd/jpeg_named.mp4")["kind"] == "photo"
    assert probe(worker, samples / "broken/zero_byte.mp4")["message"] == "empty file"


def test_nothing_is_left_open_or_running(worker, media):
    before = len(os.listdir("/proc/self/fd"))
    for _ in range(5):
        probe(worker, media / "clip.mp4")
    assert len(os.listdir("/proc/self/fd")) == before
    assert resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss < 1 << 20
