# SPDX-License-Identifier: GPL-3.0-or-later
"""What liuhen-media derives from video and sound: made with ffmpeg in every form that cameras deliver, run through the locked program, and looked at with
ffprobe and ffmpeg. Pictures tell their time by their colour, so that a tile or a frame at the wrong place is seen."""
import csv
import json
import os
import pathlib
import re
import struct
import subprocess
import threading
import time

import pytest

from media_worker import run

FILES = ["proxy.mp4", "poster.jpg", "sprite.jpg", "sprite.vtt", "peaks.json"]
PLAN = {"files": FILES, "threads": 2, "proxy": {"height": 720, "crf": 23, "preset": "veryfast", "keyframe_msec": 2000, "remux": True},
        "poster": {"width": 1280}, "sprite": {"width": 160, "tiles": 100, "least_msec": 1000}, "peaks": {"points": 2000},
        "decoded": {"silence": True}}
# red, green, blue, white: a second each
COLOURS = ["red", "lime", "blue", "white"]
RGB = {"red": (255, 0, 0), "lime": (0, 255, 0), "blue": (0, 0, 255), "white": (255, 255, 255)}
SAMPLES = pathlib.Path(__file__).resolve().parents[3] / "shared/samples"


def ffmpeg(*arguments):
    subprocess.run(["ffmpeg", "-v", "error", "-y", *map(str, arguments)], check=True, stdin=subprocess.DEVNULL)


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    """4 s of colours at 320x240, lossless, with a tone."""
    folder = tmp_path_factory.mktemp("source")
    chain = "".join(f"color={c}:s=320x240:r=25:d=1[{i}];" for i, c in enumerate(COLOURS))
    chain += "[0][1][2][3]concat=n=4:v=1:a=0,format=yuv420p"
    ffmpeg("-filter_complex", chain + "[v];sine=f=440:r=48000:d=4,volume=4[a]", "-map", "[v]", "-map", "[a]", "-c:v", "ffv1", "-c:a", "pcm_s16le",
           folder / "source.mkv")
    return folder / "source.mkv"


class Derived:
    def __init__(self, build, path, folder, plan=None, status="ok", **limits):
        self.plan = {**PLAN, **(plan or {})}
        folder.mkdir()
        self.folder = folder
        limits = {"threads": 8, "file_bytes": 1 << 30, **limits}
        self.run = run(build / "liuhen-media", path, "derive", self.plan, [folder / f for f in self.plan["files"]], seconds=120, **limits)
        assert self.run.status == 0
        self.answer = json.loads(self.run.answer)
        assert self.answer["status"] == status, self.answer
        self.files = {f["name"]: f for f in self.answer["files"]}
        assert set(self.files) == set(self.plan["files"])
        self.made = {self.plan["files"][i] for i in self.run.outputs}
        for i, size in self.run.outputs.items():
            assert self[self.plan["files"][i]].stat().st_size == size
        for name, f in self.files.items():  # made, or why not
            assert ("how" in f) == (name in self.made)
            assert name in self.made or f["message"]

    def __getitem__(self, name):
        return self.folder / name


@pytest.fixture
def derive(build, tmp_path):
    count = iter(range(100))
    return lambda path, *a, **k: Derived(build, path, tmp_path / f"out{next(count)}", *a, **k)


def streams(path):
    text = subprocess.run(["ffprobe", "-v", "error", "-show_streams", "-of", "json", str(path)], check=True, capture_output=True).stdout
    return {s["codec_type"]: s for s in json.loads(text)["streams"]}


def packets(path, kind):
    text = subprocess.run(["ffprobe", "-v", "error", "-select_streams", kind, "-show_entries", "packet=pts_time,flags", "-of", "csv=p=0",
                           str(path)], check=True, capture_output=True, text=True).stdout
    rows = [line.split(",") for line in text.split()]
    return sorted((float(r[0]), "K" in r[1]) for r in rows)


def pixel(path, seconds=0.0, at=(0.5, 0.5)):
    """The colour of one place of the picture that is shown at that time, turned as a player would."""
    done = subprocess.run(["ffmpeg", "-v", "error", *(["-ss", str(seconds)] if seconds else []), "-i", str(path), "-frames:v", "1", "-vf", "scale=64:64", "-pix_fmt", "rgb24",
                           "-f", "rawvideo", "-"], check=True, capture_output=True, stdin=subprocess.DEVNULL).stdout
    i = (int(at[1] * 63) * 64 + int(at[0] * 63)) * 3
    return tuple(done[i:i + 3])


def is_colour(rgb, name):
    return all(abs(a - b) < 60 for a, b in zip(rgb, RGB[name]))


def boxes(path):
    data, at, names = path.read_bytes(), 0, []
    while at + 8 <= len(data):
        size, name = struct.unpack_from(">I4s", data, at)
        if size == 1:
            size = struct.unpack_from(">Q", data, at + 8)[0]
        assert size >= 8
        names.append(name.decode("latin-1"))
        at += size
    assert at == len(data)
    return names


def check_playable(path, seconds, slack=0.15):
    """Whole, begins with its index, a profile that browsers have, decodes without a complaint, as long as it should be."""
    names = boxes(path)
    assert names[0] == "ftyp" and names.index("moov") < names.index("mdat")
    done = subprocess.run(["ffmpeg", "-v", "warning", "-xerror", "-i", str(path), "-f", "null", "-"], capture_output=True, text=True, check=True,
                          stdin=subprocess.DEVNULL)
    assert "rror" not in done.stderr, done.stderr
    s = streams(path)
    if "video" in s:
        v = s["video"]
        assert (v["codec_name"], v["pix_fmt"]) in {("h264", "yuv420p"), ("h264", "yuvj420p")}
        assert v["profile"] in {"High", "Main", "Baseline", "Constrained Baseline"}
        assert abs(float(v["duration"]) - seconds) <= slack
    if "audio" in s:
        assert s["audio"]["codec_name"] in {"aac", "mp3"} and int(s["audio"]["sample_rate"]) >= 16000
        assert abs(float(s["audio"]["duration"]) - seconds) <= max(slack, 0.2)
    return s


def check_keys(path, most=2.001):
    keys = [t for t, key in packets(path, "v") if key]
    assert keys[0] <= 0.1  # copied ones keep where they began beside the sound
    assert all(b - a <= most for a, b in zip(keys, keys[1:]))


def cues(path):
    text = path.read_text()
    assert text.startswith("WEBVTT\n\n")
    for a, b, xywh in re.findall(r"^([\d:.]+) --> ([\d:.]+)\nsprite\.jpg#xywh=([\d,]+)$", text, re.M):
        yield (*(sum(float(x) * 60 ** i for i, x in enumerate(reversed(t.split(":")))) for t in (a, b)), [int(v) for v in xywh.split(",")])


def check_sprite(d, colours=COLOURS, step=1.0):
    """Each tile has the colour of its time."""
    size = streams(d["sprite.jpg"])["video"]
    end = 0.0
    for begin, until, (x, y, w, h) in cues(d["sprite.vtt"]):
        assert begin == end and until > begin
        end = until
        assert x + w <= size["width"] and y + h <= size["height"]
        rgb = pixel(d["sprite.jpg"], at=((x + w / 2) / size["width"], (y + h / 2) / size["height"]))
        assert any(is_colour(rgb, colours[min(int(max(t, 0) / step), len(colours) - 1)]) for t in (begin + 0.02, begin - 0.1)), begin
    return end


FORMS = {  # name: (arguments, how)
    "h264.mp4": (["-c:v", "libx264", "-g", "25", "-c:a", "aac"], "remux"),
    "fragmented.mp4": (["-c:v", "libx264", "-g", "25", "-c:a", "aac", "-movflags", "frag_keyframe+empty_moov"], "remux"),
    "h264.mkv": (["-c:v", "libx264", "-g", "25", "-c:a", "aac"], "remux"),
    "g711.mkv": (["-c:v", "libx264", "-g", "25", "-c:a", "pcm_mulaw", "-ar", "8000", "-ac", "1"], "remux"),
    "h264.ts": (["-c:v", "libx264", "-g", "25", "-c:a", "aac"], "remux"),
    "m2ts.m2ts": (["-c:v", "libx264", "-g", "25", "-c:a", "ac3", "-mpegts_m2ts_mode", "1"], "remux"),
    "h264.flv": (["-c:v", "libx264", "-g", "25", "-c:a", "aac", "-ar", "44100"], "remux"),
    "hevc.mp4": (["-c:v", "libx265", "-x265-params", "log-level=error", "-c:a", "aac"], "encoded"),
    "hevc10.mov": (["-c:v", "libx265", "-x265-params", "log-level=error", "-pix_fmt", "yuv420p10le", "-c:a", "pcm_s16le"], "encoded"),
    "mjpeg.avi": (["-c:v", "mjpeg", "-q:v", "3", "-c:a", "pcm_s16le"], "encoded"),
    "h264.avi": (["-c:v", "libx264", "-bf", "0", "-c:a", "libmp3lame"], "encoded"),
    "mpeg2.mpg": (["-c:v", "mpeg2video", "-c:a", "mp2"], "encoded"),
    "mpeg2.mxf": (["-c:v", "mpeg2video", "-c:a", "pcm_s16le", "-ar", "48000"], "encoded"),
    "wmv.wmv": (["-c:v", "wmv2", "-c:a", "wmav2"], "encoded"),
    "mpeg4.3gp": (["-c:v", "mpeg4", "-c:a", "aac", "-ac", "1"], "encoded"),
    "vp8.webm": (["-c:v", "libvpx", "-deadline", "realtime", "-c:a", "libopus"], "encoded"),
    "surround.mkv": (["-c:v", "mpeg4", "-c:a", "ac3", "-ac", "6"], "encoded"),
}


@pytest.mark.parametrize("name", FORMS)
def test_video_forms(derive, source, tmp_path, name):
    arguments, how = FORMS[name]
    ffmpeg("-i", source, *arguments, tmp_path / name)
    d = derive(tmp_path / name)
    assert d.files["proxy.mp4"]["how"] == how
    s = check_playable(d["proxy.mp4"], 4)
    check_keys(d["proxy.mp4"])
    assert (s["video"]["width"], s["video"]["height"]) == (320, 240)
    assert (d.files["proxy.mp4"]["width"], d.files["proxy.mp4"]["height"]) == (320, 240)
    assert "audio" in s
    for i, colour in enumerate(COLOURS):
        assert is_colour(pixel(d["proxy.mp4"], i + 0.5), colour)
    assert is_colour(pixel(d["poster.jpg"]), "red")
    assert check_sprite(d) >= 3.9
    peaks = json.loads(d["peaks.json"].read_text())
    assert peaks["version"] == 1 and len(peaks["data"]) == 2 * peaks["points"]
    assert abs(peaks["duration_usec"] - 4_000_000) < 200_000
    middle = peaks["data"][peaks["points"] // 2 // 2 * 2:][:200]
    assert min(middle) < -20 and max(middle) > 20


@pytest.mark.parametrize("name, arguments, how", [
    ("voice.wav", ["-ar", "8000", "-ac", "1"], "encoded"), ("g726.wav", ["-c:a", "adpcm_ima_wav"], "encoded"), ("voice.mp3", [], "encoded"),
    ("voice.m4a", [], "remux"), ("voice.flac", [], "encoded"), ("voice.ogg", ["-c:a", "libopus"], "encoded"),
    ("voice.aac", [], "remux")])
def test_sound_alone(derive, source, tmp_path, name, arguments, how):
    ffmpeg("-i", source, "-vn", *arguments, tmp_path / name)
    d = derive(tmp_path / name)
    assert d.files["proxy.mp4"]["how"] == how
    assert d.made == {"proxy.mp4", "peaks.json"}
    assert d.files["poster.jpg"]["message"] == "there are no pictures"
    assert set(check_playable(d["proxy.mp4"], 4)) == {"audio"}


def test_peaks_of_a_tone_and_silence(derive, tmp_path):
    ffmpeg("-f", "lavfi", "-i", "sine=f=1000:r=16000:d=2,volume=8dB", "-f", "lavfi", "-i", "anullsrc=r=16000:cl=mono:d=3", "-filter_complex",
           "[0][1]concat=n=2:v=0:a=1", tmp_path / "tone.wav")
    d = derive(tmp_path / "tone.wav", {"files": ["peaks.json"]})
    peaks = json.loads(d["peaks.json"].read_text())
    points = list(zip(peaks["data"][::2], peaks["data"][1::2]))
    at = [p for i, p in enumerate(points) if i * peaks["point_usec"] < 1_900_000]
    level = 127 * 0.125 * 10 ** (8 / 20)  # ffmpeg's sine has an amplitude of 1/8
    assert all(abs(-low - level) <= 4 and abs(high - level) <= 4 for low, high in at)
    assert all(p == (0, 0) for i, p in enumerate(points) if i * peaks["point_usec"] > 2_100_000)
    (begin, end), = d.answer["decoded"]["silence"]
    assert abs(begin - 2_000_000) < 100_000 and abs(end - 5_000_000) < 100_000


@pytest.mark.parametrize("turn", [90, 180, 270])
@pytest.mark.parametrize("codec", ["libx264", "mpeg4"])
def test_rotation(derive, source, tmp_path, turn, codec):
    """The upper left corner is white; clockwise it comes to the upper right, lower right, lower left. ffmpeg turns the copied one by its matrix."""
    ffmpeg("-i", source, "-vf", "drawbox=c=black:t=fill,drawbox=w=iw/2:h=ih/2:c=white:t=fill", "-t", "1", "-an", "-c:v", codec, tmp_path / "a.mp4")
    ffmpeg("-i", tmp_path / "a.mp4", "-c", "copy", "-metadata:s:v", f"rotate={360 - turn}", tmp_path / "b.mp4")
    rotation = streams(tmp_path / "b.mp4")["video"]["side_data_list"][0]["rotation"]
    clockwise = -rotation % 360
    d = derive(tmp_path / "b.mp4")
    corner = {90: (0.75, 0.25), 180: (0.75, 0.75), 270: (0.25, 0.75)}[clockwise]
    for name in ("proxy.mp4", "poster.jpg", "sprite.jpg"):
        for at in [(0.25, 0.25), (0.75, 0.25), (0.25, 0.75), (0.75, 0.75)]:
            assert (sum(pixel(d[name], at=at)) > 500) == (at == corner), (name, at)
    size = (d.files["proxy.mp4"]["width"], d.files["proxy.mp4"]["height"])
    assert size == ((240, 320) if turn != 180 else (320, 240))


def test_variable_rate_and_late_sound(derive, tmp_path):
    """A picture a second, then 25; the sound comes 1.5 s late. Times stay what they were."""
    ffmpeg("-f", "lavfi", "-i", "testsrc2=s=320x240:r=25:d=4,select='gt(t,2)+not(mod(n,25))'", "-itsoffset", "1.5", "-f", "lavfi", "-i", "sine=d=2.5",
           "-fps_mode", "vfr", "-c:v", "mpeg4", "-c:a", "pcm_s16le", tmp_path / "vfr.mkv")
    d = derive(tmp_path / "vfr.mkv")
    check_playable(d["proxy.mp4"], 4)
    check_keys(d["proxy.mp4"])
    wanted = [t for t, _ in packets(tmp_path / "vfr.mkv", "v")]
    got = [t for t, _ in packets(d["proxy.mp4"], "v")]
    assert len(got) == len(wanted) and all(abs(a - b) < 0.002 for a, b in zip(wanted, got))
    peaks = json.loads(d["peaks.json"].read_text())
    first = next(i for i, v in enumerate(peaks["data"][1::2]) if v > 3) * peaks["point_usec"]
    assert abs(first - 1_500_000) < 60_000
    volume = subprocess.run(["ffmpeg", "-v", "info", "-t", "1.4", "-i", str(d["proxy.mp4"]), "-af", "volumedetect", "-f", "null", "-"],
                            capture_output=True, text=True, check=True, stdin=subprocess.DEVNULL).stderr
    assert float(re.search(r"max_volume: (\S+) dB", volume).group(1)) < -60


def test_slow_cctv_has_a_key_picture_every_two_seconds(derive, tmp_path):
    ffmpeg("-f", "lavfi", "-i", "testsrc2=s=320x240:r=1:d=30", "-c:v", "mjpeg", tmp_path / "slow.avi")
    d = derive(tmp_path / "slow.avi")
    check_playable(d["proxy.mp4"], 30, slack=1.01)
    check_keys(d["proxy.mp4"])


def test_large_and_odd_sizes_are_fitted_never_upscaled(derive, tmp_path):
    for size, wanted in (("1920x1080", (1280, 720)), ("1080x1920", (720, 1280)), ("334x112,scale=333:111", (330, 110)), ("720x576,setsar=16/11", (1046, 576))):
        name, _, sar = size.partition(",")
        ffmpeg("-f", "lavfi", "-i", f"testsrc2=s={name}:r=5:d=0.6" + ("," + sar if sar else ""), "-c:v", "mjpeg", "-q:v", "5", tmp_path / "a.mkv")
        d = derive(tmp_path / "a.mkv")
        v = streams(d["proxy.mp4"])["video"]
        assert (v["width"], v["height"]) == wanted
        assert v.get("sample_aspect_ratio", "1:1") == "1:1"


def test_pictures_that_change_their_size(derive, tmp_path):
    parts = []
    for i, size in enumerate(("320x240", "640x480", "320x180")):
        ffmpeg("-f", "lavfi", "-i", f"color=lime:s={size}:r=25:d=1", "-c:v", "libx264", "-g", "25", "-bsf:v", "h264_mp4toannexb", tmp_path / f"{i}.h264")
        parts.append((tmp_path / f"{i}.h264").read_bytes())
    (tmp_path / "all.h264").write_bytes(b"".join(parts))
    d = derive(tmp_path / "all.h264")
    check_playable(d["proxy.mp4"], 3)
    for t in (0.5, 1.5, 2.5):
        assert is_colour(pixel(d["proxy.mp4"], t), "lime")


def test_interlaced_and_full_range(derive, tmp_path):
    ffmpeg("-f", "lavfi", "-i", "testsrc2=s=720x576:r=50:d=1,tinterlace=4", "-c:v", "mpeg2video", "-flags", "+ilme+ildct", "-b:v", "4M", tmp_path / "i.mpg")
    check_playable(derive(tmp_path / "i.mpg")["proxy.mp4"], 1)
    ffmpeg("-f", "lavfi", "-i", "color=0x808080:s=320x240:r=25:d=1,scale=out_range=full", "-pix_fmt", "yuvj420p", "-c:v", "mjpeg", tmp_path / "f.avi")
    d = derive(tmp_path / "f.avi")
    assert streams(d["proxy.mp4"])["video"].get("color_range", "tv") == "tv"
    for name in ("proxy.mp4", "poster.jpg"):
        assert all(abs(c - 128) < 6 for c in pixel(d[name]))


def test_poster_is_not_black(derive, tmp_path):
    ffmpeg("-f", "lavfi", "-i", "color=black:s=320x240:r=25:d=2", "-f", "lavfi", "-i", "testsrc2=s=320x240:r=25:d=2", "-filter_complex",
           "[0][1]concat", "-c:v", "libx264", "-g", "25", tmp_path / "cap.mp4")
    for remux in (True, False):
        d = derive(tmp_path / "cap.mp4", {"proxy": {"remux": remux}})
        assert streams(d["poster.jpg"])["video"]["width"] == 320
        assert max(pixel(d["poster.jpg"], at=(x, 0.4))[c] for x in (0.1, 0.4, 0.7) for c in range(3)) > 100


def test_cut_off_recordings_give_what_there_is(derive, source, tmp_path):
    for name, arguments in (("a.mp4", ["-c:v", "libx264", "-g", "25", "-c:a", "aac", "-movflags", "+faststart"]),
                            ("a.avi", ["-c:v", "mjpeg", "-c:a", "pcm_s16le"])):
        ffmpeg("-i", source, *arguments, tmp_path / name)
        data = (tmp_path / name).read_bytes()
        (tmp_path / name).write_bytes(data[:len(data) * 6 // 10])
        d = derive(tmp_path / name, status="damaged")
        assert d.files["proxy.mp4"]["how"] == "encoded"
        duration = float(streams(d["proxy.mp4"])["video"]["duration"])
        assert 1.0 < duration < 3.5
        check_playable(d["proxy.mp4"], duration, slack=1.5)
        assert is_colour(pixel(d["proxy.mp4"], 0.5), "red")


def test_clock_that_jumps(derive, source, tmp_path):
    """Two transport streams put together, the second with an earlier clock: shown one behind the other, and no longer than both."""
    for i, offset in enumerate((50000, 3)):
        ffmpeg("-i", source, "-t", "2", "-c:v", "libx264", "-g", "25", "-c:a", "aac", "-output_ts_offset", str(offset), tmp_path / f"{i}.ts")
    (tmp_path / "both.ts").write_bytes(b"".join((tmp_path / f"{i}.ts").read_bytes() for i in range(2)))
    d = derive(tmp_path / "both.ts", status="damaged")  # the packets' counter jumps as well
    check_playable(d["proxy.mp4"], 4, slack=0.5)
    for t, colour in ((0.5, "red"), (1.5, "lime"), (2.6, "red"), (3.6, "lime")):
        assert is_colour(pixel(d["proxy.mp4"], t), colour)


def test_no_room_is_said_and_nothing_half_is_named(build, source, tmp_path):
    ffmpeg("-i", source, "-c:v", "libx264", "-c:a", "aac", tmp_path / "a.mp4")
    r = run(build / "liuhen-media", tmp_path / "a.mp4", "derive", PLAN, [tmp_path / f for f in FILES], threads=8, file_bytes=4096, seconds=60)
    assert 0 not in r.outputs
    assert r.status != 0 or "how" not in next(f for f in json.loads(r.answer)["files"] if f["name"] == "proxy.mp4")


def most_threads(monkeypatch):
    """Counts the threads of what is started from now on. Return: a list whose first is the most that were seen at once."""
    seen, start = [0], os.posix_spawn

    def watched(*arguments, **keywords):
        pid = start(*arguments, **keywords)

        def watch():
            while True:
                try:
                    text = pathlib.Path(f"/proc/{pid}/status").read_text()
                except OSError:
                    return
                if "Threads:" not in text:
                    return
                seen[0] = max(seen[0], int(text.split("Threads:")[1].split()[0]))
                time.sleep(0.001)

        threading.Thread(target=watch, daemon=True).start()
        return pid

    monkeypatch.setattr(os, "posix_spawn", watched)
    return seen


@pytest.mark.parametrize("threads", [2, 6])
def test_no_more_threads_than_the_daemon_allows(derive, tmp_path, monkeypatch, threads):
    """A bad block in the middle: first copied, then encoded; all the time with the pictures of the first seconds decoded for QR codes, as key pictures are
    rare."""
    ffmpeg("-f", "lavfi", "-i", "testsrc2=s=1280x720:r=25:d=4", "-c:v", "libx264", "-preset", "ultrafast", "-g", "100", "-keyint_min", "100", tmp_path / "a.mp4")
    data = bytearray((tmp_path / "a.mp4").read_bytes())
    at = len(data) * 6 // 10
    data[at:at + 4096] = bytes(4096)
    (tmp_path / "a.mp4").write_bytes(data)
    seen = most_threads(monkeypatch)
    d = derive(tmp_path / "a.mp4", {"threads": threads, "decoded": {"silence": True, "qr_msec": 10000}}, status="damaged", threads=2 * threads + 1)
    assert d.files["proxy.mp4"]["how"] == "encoded"
    assert threads < seen[0] <= 2 * threads + 2  # as derive-run.c allows, beside the first
    assert d.answer["message"].count("decoded pictures") == 1
    assert d.answer["decoded"]["pictures"] >= 90  # all of them, not only those that were looked at while it was copied


def manifest():
    """Real footage beside the repository, row by row; what other programs are for (documents, photos) is not among it."""
    if not (SAMPLES / "MANIFEST.tsv").exists():
        return []
    with open(SAMPLES / "MANIFEST.tsv", newline="") as f:
        rows = list(csv.DictReader(f, delimiter="\t", quoting=csv.QUOTE_NONE))
    return [r for r in rows if r["path"].split("/")[0] not in {"pdf", "photo_heic", "photo_jpeg"}
            and pathlib.Path(r["path"]).suffix not in {".heic", ".jpg"} and r["path"] != "odd/jpeg_named.mp4" and (SAMPLES / r["path"]).stat().st_size < 12_000_000]


UNKNOWN = {"audio/mp3_200kB_garbage_prefix.mp3", "broken/ps_postscript.ps", "gopro/hero6_payload.gpmf", "gopro/karma_payload.gpmf",
           "odd/html_error_page.mp4"}
NOTHING = {  # damaged: no footage is in it, or only salvage finds it
    "broken/0x00_first_byte.mkv", "broken/chunk_out_of_range.mp4", "broken/free_box_swallows_moov.mp4", "broken/ftyp_only.mp4",
    "broken/init_truncated.mp4", "broken/invalid_userdata.mp4", "broken/moov_at_end_cut.mp4", "broken/moov_body_zeroed.mp4",
    "broken/moov_header_only.mov", "broken/truncated_nomoov_60pct.mp4", "broken/zero_byte.mov", "broken/zero_byte.mp4",
    "broken/zero_empty_stsc.mp4", "broken/zeros_256k.mp4", "fmp4/cmaf_init_video.mp4", "fmp4/cmaf_video_1.m4s", "fmp4/cmaf_video_2.m4s",
    "mkv_webm/kvs_empty_with_tags.mkv", "phone/sony_a7_xavc_rtmd.mp4", "phone/udta_location_only.mp4",
    "ps_dav/gb28181_ps_g711_audio.mpg"}  # the last: G.711 that the stream declares as another codec
DAMAGED = {"audio/bwf_protools_issue1163.bwf"}
SECONDS = {  # where the manifest has what the header says, or nothing
    "ps_dav/constructed_dahua_dhav.dav": 4.0, "mkv_webm/no_duration_live.webm": 25.5, "broken/faststart_cut_50pct.mp4": 3.76,
    "broken/fmp4_cut_mid_fragment.mp4": 5.16, "phone/iphone14pro_dolbyvision_gps.mov": 0.133, "audio/chirp.mp3": 0.1}


@pytest.mark.skipif(not manifest(), reason="no shared samples beside the repository")
@pytest.mark.parametrize("row", manifest(), ids=lambda r: r["path"])
def test_samples(derive, row):
    """Whole footage is done whole, damaged is called so; what is made decodes and is as long as the footage."""
    path, codecs = row["path"], row["codecs"]
    if path in UNKNOWN or path in NOTHING:
        d = derive(SAMPLES / path, status="unknown" if path in UNKNOWN else "damaged")
        assert not d.made and d.answer["message"]
        return
    damaged = path.startswith("broken/") or path in DAMAGED
    d = derive(SAMPLES / path, status="damaged" if damaged else "ok")
    assert bool(d.answer["message"]) == damaged
    assert "proxy.mp4" in d.made
    video, sound = "video:" in codecs and path != "ts/zero_frame.ts", "audio:" in codecs
    assert ("poster.jpg" in d.made) == ("sprite.jpg" in d.made) == ("sprite.vtt" in d.made) == video
    assert ("peaks.json" in d.made) == sound
    check_boxes_and_decoding(d["proxy.mp4"], again=row["decode_errors"] == "0" or d.files["proxy.mp4"]["how"] == "encoded")
    wanted = SECONDS.get(path, float(row["duration_s"] or 0))
    made = streams(d["proxy.mp4"])
    assert set(made) == {k for k, there in (("video", video), ("audio", sound)) if there}
    longest = max(float(s["start_time"]) + float(s["duration"]) for s in made.values())
    assert abs(longest - wanted) <= max(0.17, 0.02 * wanted)


def check_boxes_and_decoding(path, again=True):
    names = boxes(path)
    assert names[0] == "ftyp" and names.index("moov") < names.index("mdat")
    done = subprocess.run(["ffmpeg", "-v", "error", "-i", str(path), "-fps_mode", "passthrough", "-f", "null", "-"], check=True, capture_output=True, text=True,
                          stdin=subprocess.DEVNULL)
    said = [line for line in done.stderr.splitlines() if "non monotonically" not in line]  # the null muxer's own clock is coarse
    assert not again or not said
