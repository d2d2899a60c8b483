# SPDX-License-Identifier: GPL-3.0-or-later
"""Copies by the real locked program: redacted (covered, silenced, nothing left of the original's metadata), released with a mark, and for
preservation (the same pictures and samples, bit by bit). Media are made with ffmpeg, and looked at with it."""
import hashlib
import json
import random
import shutil
import struct
import subprocess

import pytest

from media_worker import run

GIB = 1 << 30


@pytest.fixture(scope="session")
def worker(build):
    return build / "liuhen-media"


def ffmpeg(*words, stdin=None):
    return subprocess.run(["ffmpeg", "-nostdin" if stdin is None else "-hide_banner", "-v", "error", "-y", *map(str, words)],
                          check=True, input=stdin, capture_output=True).stdout


def ffprobe(path, *words):
    out = subprocess.run(["ffprobe", "-v", "error", "-of", "json", *words, str(path)], check=True, capture_output=True)
    return json.loads(out.stdout)


VIDEO = ["-f", "lavfi", "-i", "testsrc2=size=320x240:rate=10:duration=3"]
SOUND = ["-f", "lavfi", "-i", "sine=frequency=440:duration=3:sample_rate=48000"]
GREY = ["-f", "lavfi", "-i", "color=c=0xC0C0C0:size=320x240:rate=10:duration=3"]
H264 = ["-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p", "-g", "10"]
TAGS = ["-metadata", "creation_time=2026-03-01T08:00:00Z", "-metadata", "location=+31.2304+121.4737/", "-metadata",
        "title=SECRET-TITLE", "-metadata", "make=SECRET-MAKE", "-metadata:s:v", "handler_name=SECRET-HANDLER"]


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    """A clip with pictures, sound, a subtitle track, chapters and tags that must not go out."""
    folder = tmp_path_factory.mktemp("copies")
    (folder / "s.srt").write_text("1\n00:00:00,000 --> 00:00:02,000\nSECRET-WORDS\n")
    (folder / "c.txt").write_text(";FFMETADATA1\n[CHAPTER]\nTIMEBASE=1/1000\nSTART=0\nEND=1000\ntitle=SECRET-CHAPTER\n")
    ffmpeg(*VIDEO, *SOUND, "-i", folder / "s.srt", "-i", folder / "c.txt", "-map", 0, "-map", 1, "-map", 2, "-map_chapters", 3, *H264,
           "-c:a", "aac", "-c:s", "mov_text", *TAGS, folder / "clip.mp4")
    assert b"SECRET-WORDS" in (folder / "clip.mp4").read_bytes()
    return folder / "clip.mp4"


def grey_clip(folder, name="grey.mp4", *words):
    ffmpeg(*GREY, *SOUND, *H264, "-c:a", "aac", *words, folder / name)
    return folder / name


def digest(plan):
    return hashlib.sha256(json.dumps(plan, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()).hexdigest()


def copy(worker, source, to, copy_plan, **more):
    files, paths = [to.name], [to]
    if "mark" in more:
        files.append("mark.gray")
        paths.append(more["mark"])
    r = run(worker, source, "copy", {"files": files, "copy": copy_plan, "threads": more.get("threads", 1)}, paths, threads=8,
            file_bytes=GIB, seconds=60)
    r.facts = json.loads(r.answer) if r.answer else {}
    r.file = next((f for f in r.facts.get("files", []) if f["name"] == to.name), {})
    return r


def redact(worker, source, folder, plan, **more):
    to = folder / "copy.mp4"
    to.unlink(missing_ok=True)
    r = copy(worker, source, to, {"form": "redact", "plan": plan, "plan_digest": digest(plan)}, **more)
    assert r.status == 0, r.messages
    assert 0 in r.outputs, r.facts
    assert r.outputs[0] == to.stat().st_size
    return to, r


def pictures(path, width=320, height=240):
    """Every picture of a file as it is shown: a list of gray pictures."""
    raw = ffmpeg("-i", path, "-fps_mode", "passthrough", "-f", "rawvideo", "-pix_fmt", "gray", "-")
    size = width * height
    assert len(raw) % size == 0
    return [raw[i:i + size] for i in range(0, len(raw), size)]


def times(path):
    return [float(f["pts_time"]) for f in ffprobe(path, "-select_streams", "v", "-show_entries", "frame=pts_time")["frames"]]


def at(picture, x, y, width=320):
    return picture[y * width + x]


def region(kind="black", shape="rectangle", keyframes=None, **more):
    return {"kind": kind, "shape": shape, "keyframes": keyframes or [{"at_msec": 0, "x": 250, "y": 250, "w": 250, "h": 250}], **more}


def is_black(picture, box, width=320):
    x0, y0, x1, y1 = box
    return all(at(picture, x, y, width) < 8 for y in range(y0, y1) for x in range(x0, x1))


def is_open(picture, points, width=320):
    return all(at(picture, x, y, width) > 150 for x, y in points)


def test_black_for_all_time_and_nothing_of_the_original_left(worker, clip, tmp_path):
    plan = {"regions": [region()]}
    out, r = redact(worker, clip, tmp_path, plan)
    shown, original = pictures(out), pictures(clip)
    assert len(shown) == len(original) == 30
    for picture, before in zip(shown, original):
        assert is_black(picture, (82, 62, 158, 118))
        # the rest is the picture as it was
        rest = [(x, y) for y in (10, 40, 150, 200) for x in (10, 60, 200, 300)]
        assert sum(abs(at(picture, x, y) - at(before, x, y)) for x, y in rest) / len(rest) < 12
    assert times(out) == pytest.approx(times(clip), abs=0.001)
    assert r.file["plan_digest"] == digest(plan) and r.file["how"] == "redacted" and r.file["covered"] == 30
    assert (r.file["width"], r.file["height"], r.file["pictures"]) == (320, 240, 30)
    about = ffprobe(out, "-show_format", "-show_streams", "-show_chapters")
    assert about["format"]["tags"]["comment"] == f"Liuhen redacted copy; plan sha256:{digest(plan)}"
    assert [s["codec_name"] for s in about["streams"]] == ["h264", "aac"] and not about["chapters"]
    data = out.read_bytes()
    assert b"SECRET" not in data and b"+31.2304" not in data
    assert data.index(b"moov") < data.index(b"mdat")
    tags = {**about["format"]["tags"], **{k: v for s in about["streams"] for k, v in s.get("tags", {}).items()}}
    assert set(tags) <= {"comment", "major_brand", "minor_version", "compatible_brands", "language", "handler_name", "vendor_id", "encoder"}
    if shutil.which("exiftool"):
        said = json.loads(subprocess.run(["exiftool", "-j", str(out)], capture_output=True, check=True).stdout)[0]
        assert not [k for k in said if "GPS" in k or k in ("Title", "Make", "Model")]
        assert said.get("CreateDate", "0000").startswith("0000")


def test_edges_of_time(worker, tmp_path):
    """A picture is covered when any of the time it is shown is in the region's time, and only then (but for a millisecond's grace)."""
    source = grey_clip(tmp_path)
    out, _ = redact(worker, source, tmp_path, {"regions": [region(from_msec=1050, until_msec=1450)]})
    for i, picture in enumerate(pictures(out)):  # shown from i/10 until (i+1)/10
        if 10 <= i <= 14:
            assert is_black(picture, (82, 62, 158, 118)), i
        else:
            assert is_open(picture, [(120, 90), (84, 64), (156, 116)]), i


def test_moving_between_keyframes(worker, tmp_path):
    source = grey_clip(tmp_path)
    plan = {"regions": [region(shape="ellipse", keyframes=[{"at_msec": 0, "x": 0, "y": 400, "w": 100, "h": 200},
                                                          {"at_msec": 3000, "x": 900, "y": 400, "w": 100, "h": 200}])]}
    out, _ = redact(worker, source, tmp_path, plan)
    shown = pictures(out)
    for i in (0, 1, 7, 15, 22, 28, 29):
        for t in (i / 10, i / 10 + 0.05, i / 10 + 0.099):  # wherever it is while the picture stands
            x = int(320 * (900 * t / 3 + 50) / 1000)
            assert at(shown[i], min(x, 319), 120) < 8, (i, t)
            assert at(shown[i], min(x, 319), 100) < 8 and at(shown[i], min(x, 319), 139) < 8, (i, t)
        far = (160 + int(320 * 0.9 * i / 30)) % 320
        assert at(shown[i], far, 120) > 150 or abs(far - int(320 * (900 * i / 30 + 50) / 1000)) < 40


def test_variable_rate(worker, tmp_path):
    """A picture that stands for a second is covered when the region begins in the middle of that second."""
    source = tmp_path / "vfr.mkv"
    ffmpeg(*GREY, "-vf", "select='lt(n,10)+eq(n,20)+gt(n,25)'", "-fps_mode", "vfr", *H264, source)
    assert len(times(source)) == 15
    out, _ = redact(worker, source, tmp_path, {"regions": [region(from_msec=1500, until_msec=1600)]})
    assert times(out) == pytest.approx(times(source), abs=0.002)
    covered = [i for i, p in enumerate(pictures(out)) if is_black(p, (82, 62, 158, 118))]
    assert covered == [9]  # at 0.9 s, until 2.0 s
    assert all(is_open(p, [(120, 90)]) for i, p in enumerate(pictures(out)) if i != 9)


@pytest.mark.parametrize("turn", [90, 180, 270])
def test_rotated(worker, tmp_path, turn):
    """Places are in the upright picture. The left upper quarter of what is shown is covered, and nothing else."""
    flat, source = grey_clip(tmp_path), tmp_path / "turned.mp4"
    known = subprocess.run(["ffmpeg", "-hide_banner", "-h", "full"], capture_output=True, text=True, check=True).stdout
    if "display_rotation" in known:
        ffmpeg("-display_rotation:v", turn, "-i", flat, "-c", "copy", source)
    else:
        ffmpeg("-i", flat, "-c", "copy", "-metadata:s:v", f"rotate={turn}", source)
    plan = {"regions": [region(keyframes=[{"at_msec": 0, "x": 0, "y": 0, "w": 500, "h": 250}])]}
    out, r = redact(worker, source, tmp_path, plan)
    width, height = (240, 320) if turn % 180 else (320, 240)
    assert (r.file["width"], r.file["height"]) == (width, height)
    for picture in pictures(out, width, height):
        assert is_black(picture, (0, 0, width // 2 - 2, height // 4 - 2), width)
        assert is_open(picture, [(width // 2 + 6, 5), (5, height // 4 + 6), (width - 5, height - 5), (width - 5, 5)], width)


@pytest.mark.parametrize("turn", [90, 270])
def test_rotated_as_players_turn_it(worker, clip, tmp_path, turn):
    """What is not covered lies where a player shows it."""
    source = tmp_path / "turned.mp4"
    known = subprocess.run(["ffmpeg", "-hide_banner", "-h", "full"], capture_output=True, text=True, check=True).stdout
    words = ["-display_rotation:v", turn, "-i", clip, "-c", "copy"] if "display_rotation" in known else \
        ["-i", clip, "-c", "copy", "-metadata:s:v", f"rotate={turn}"]
    ffmpeg(*words, "-map", "0:v", source)
    out, _ = redact(worker, source, tmp_path, {"mute": [{"from_msec": 0, "until_msec": 1}]})
    mine, players = pictures(out, 240, 320)[15], pictures(source, 240, 320)[15]
    assert sum(abs(a - b) for a, b in zip(mine, players)) / len(mine) < 6


def test_blur_and_pixelate_hide(worker, tmp_path):
    """Stripes of two pixels, as fine as letters, are gone, and every picture has at most 12 × 12 colours in the region."""
    source = tmp_path / "stripes.mp4"
    ffmpeg("-f", "lavfi", "-i", "nullsrc=size=320x240:rate=10:duration=1", "-vf", "geq=lum='if(mod(floor(X/4),2),235,16)':cb=128:cr=128",
           *H264, "-crf", "1", source)
    for kind in ("blur", "pixelate"):
        out, r = redact(worker, source, tmp_path, {"regions": [region(kind)]})
        assert r.file["covered"] == 10
        for picture in pictures(out):
            line = [at(picture, x, 90) for x in range(84, 156)]
            if kind == "blur":
                assert max(abs(a - b) for a, b in zip(line, line[1:])) < 24, line
            assert len({v // 12 for v in line}) <= 12
            assert not any(abs(line[i] - line[i + 4]) > 100 for i in range(len(line) - 4))
            outside = [at(picture, x, 30) for x in range(84, 156)]
            assert max(outside) - min(outside) > 150


@pytest.mark.parametrize("kind", ["black", "blur", "pixelate"])
def test_colours_are_covered(worker, tmp_path, kind):
    """Stripes that only their colours tell from each other; what brightness hides, colour must not show."""
    source = tmp_path / "colours.mp4"
    ffmpeg("-f", "lavfi", "-i", "nullsrc=size=320x240:rate=10:duration=1", "-vf",
           "geq=lum=128:cb='if(mod(floor(X/4),2),200,56)':cr='if(mod(floor(X/4),2),56,200)'", *H264, "-crf", "1", source)
    out, _ = redact(worker, source, tmp_path, {"regions": [region(kind)]})
    raw, size = ffmpeg("-i", out, "-f", "rawvideo", "-pix_fmt", "yuv420p", "-"), 320 * 240
    for start in range(0, len(raw), size * 3 // 2):
        for plane in (raw[start + size:start + size * 5 // 4], raw[start + size * 5 // 4:start + size * 3 // 2]):
            covered = [plane[y * 160 + x] for y in range(32, 58) for x in range(42, 78)]
            if kind == "black":
                assert all(abs(v - 128) < 6 for v in covered)
            else:
                assert not any(abs(plane[y * 160 + x] - plane[y * 160 + x + 2]) > 40 for y in range(32, 58) for x in range(42, 76))
            beside = [plane[15 * 160 + x] for x in range(42, 78)]
            assert max(beside) - min(beside) > 100


def test_colours_of_a_blur_stand_half_a_second(worker, tmp_path):
    """So that many pictures do not give more samples of what is covered than two a second."""
    source = tmp_path / "noise.mp4"
    ffmpeg("-f", "lavfi", "-i", "nullsrc=size=320x240:rate=10:duration=2", "-vf", "geq=random(1)*255:128:128", *H264, source)
    out, _ = redact(worker, source, tmp_path, {"regions": [region("pixelate")]})
    shown = [[at(p, x, y) for y in range(66, 116, 4) for x in range(86, 156, 4)] for p in pictures(out)]
    moved = [i for i in range(1, 20) if max(abs(a - b) for a, b in zip(shown[i], shown[i - 1])) > 10]
    assert set(moved) <= {5, 10, 15}


def test_whole_pictures_and_what_is_kept_open(worker, clip, tmp_path):
    keep = [{"x": 0, "y": 0, "w": 300, "h": 150}]
    plan = {"whole": [{"kind": "blur", "from_msec": 0, "until_msec": 1000}, {"kind": "black", "from_msec": 2000}], "keep": keep,
            "regions": [region(from_msec=500, until_msec=800, keyframes=[{"at_msec": 0, "x": 0, "y": 0, "w": 100, "h": 100}])]}
    out, _ = redact(worker, clip, tmp_path, plan)
    shown, before = pictures(out), pictures(clip)
    spots = [(x, y) for y in range(2, 34, 2) for x in range(40, 94, 2)]

    def difference(i, points):
        return sum(abs(at(shown[i], x, y) - at(before[i], x, y)) for x, y in points) / len(points)

    assert difference(2, spots) < 12                                   # the camera's time can be read
    assert difference(2, [(x, y) for y in range(60, 230, 5) for x in range(10, 310, 5)]) > 12
    assert is_black(shown[6], (0, 0, 30, 22))                         # a region covers it all the same
    assert difference(15, [(x, y) for y in range(60, 230, 5) for x in range(10, 310, 5)]) < 12
    assert is_black(shown[20], (0, 0, 320, 240)) and is_black(shown[29], (0, 0, 320, 240))


def loudness(path, start, end):
    """RMS of the sound between two times, of full scale, and the greatest sample."""
    raw = ffmpeg("-i", path, "-map", "0:a", "-af", f"atrim=start={start}:end={end}", "-ac", 1, "-f", "s16le", "-")
    samples = [int.from_bytes(raw[i:i + 2], "little", signed=True) for i in range(0, len(raw) - 1, 2)]
    return (sum(s * s for s in samples) / max(len(samples), 1)) ** 0.5, max(map(abs, samples), default=0)


@pytest.mark.parametrize("words", [["-c:a", "aac"], ["-c:a", "pcm_s16le", "-ar", "44100"], ["-c:a", "pcm_f32le", "-ar", "96000"],
                                   ["-c:a", "pcm_alaw", "-ar", "8000", "-ac", "1"]])
def test_mute(worker, tmp_path, words):
    source = tmp_path / "sound.mov"
    ffmpeg(*VIDEO, *SOUND, "-af", "volume=4", *H264, *words, source)
    out, r = redact(worker, source, tmp_path, {"mute": [{"from_msec": 1000, "until_msec": 1500}]})
    loud, _ = loudness(source, 0.2, 0.9)
    assert loud > 2000
    assert loudness(out, 0.2, 0.9)[0] == pytest.approx(loud, rel=0.2)
    assert loudness(out, 1.6, 2.8)[0] == pytest.approx(loud, rel=0.2)
    # AAC smears by a window: what it had to encode was silent to the sample (test-redaction.c), what comes out is nearly so
    assert loudness(out, 1.03, 1.47)[0] < loud / 200
    assert 595 <= r.file["muted_msec"] <= 605  # with 50 ms on each side


@pytest.mark.parametrize("suffix, words", [("ts", ["-c:a", "aac"]), ("avi", ["-c:a", "mp2"])])
def test_mute_hides_what_encoders_delay(worker, tmp_path, suffix, words):
    """A sound from 1.0 to 1.5 s comes out later where nothing tells of the encoder's delay."""
    source = tmp_path / f"late.{suffix}"
    ffmpeg(*VIDEO, "-f", "lavfi", "-i", "aevalsrc='0.8*sin(2*PI*1000*t)*between(t,1,1.49998)':s=48000:d=3", "-c:v", "mpeg4", *words, source)
    assert loudness(source, 1.502, 1.55)[1] > 10000
    out, _ = redact(worker, source, tmp_path, {"mute": [{"from_msec": 1000, "until_msec": 1500}]})
    assert loudness(out, 0, 3)[1] < 60


def test_mute_beside_lost_sound(worker, tmp_path):
    """What a demuxer counts on from what was lost comes too early, until the recording tells a time again."""
    source, whole = tmp_path / "lost.ts", tmp_path / "whole.ts"
    ffmpeg("-f", "lavfi", "-i", "aevalsrc='0.8*sin(2*PI*1000*t)*between(t,1.0,1.5)+0.02*random(0)':s=48000:d=3", "-c:a", "aac", "-b:a", "128k",
           "-pes_payload_size", 16000, whole)
    data = whole.read_bytes()
    packets = [data[i:i + 188] for i in range(0, len(data), 188)]
    sound = [i for i, p in enumerate(packets) if (p[1] & 31) << 8 | p[2] == 0x100]
    first = len(sound) * 72 // 270
    source.write_bytes(b"".join(p for i, p in enumerate(packets) if i not in sound[first:first + 12]))
    assert loudness(source, 0.86, 0.9)[1] > 10000  # 150 ms too early
    out, r = redact(worker, source, tmp_path, {"mute": [{"from_msec": 1000, "until_msec": 1530}]})
    assert r.facts["status"] == "damaged"
    assert loudness(out, 0, 3)[1] < 3000


def test_only_one_track_goes_along(worker, tmp_path):
    """A second microphone has the same voices: it is left out, and that is said."""
    source = tmp_path / "tracks.mkv"
    ffmpeg(*VIDEO, *SOUND, "-f", "lavfi", "-i", "sine=frequency=1000:duration=3:sample_rate=48000", "-map", 0, "-map", 1, "-map", 2, *H264,
           "-c:a", "aac", source)
    out, r = redact(worker, source, tmp_path, {"mute": [{"from_msec": 0}]})
    assert [s["codec_type"] for s in ffprobe(out, "-show_streams")["streams"]] == ["video", "audio"]
    assert loudness(out, 0, 3)[1] < 20
    assert "left out are 0 more tracks of pictures and 1 of sound" in r.file["message"]


def test_mute_without_pictures(worker, tmp_path):
    source = tmp_path / "voice.wav"
    ffmpeg(*SOUND, source)
    out, r = redact(worker, source, tmp_path, {"mute": [{"from_msec": 500, "until_msec": 2500}]})
    assert loudness(out, 0.55, 2.45)[0] < 20 < loudness(out, 0.1, 0.4)[0]
    assert "width" not in r.file


def test_damaged_original(worker, tmp_path):
    """What decodes is shown, covered by time; a broken picture is never shown uncovered."""
    source = tmp_path / "broken.ts"
    ffmpeg(*GREY, *H264, "-f", "mpegts", source)
    data = bytearray(source.read_bytes())
    for i in range(len(data) // 3, len(data) * 2 // 3, 188 * 3):
        data[i + 20:i + 120] = bytes(100)
    source.write_bytes(data)
    to = tmp_path / "copy.mp4"
    plan = {"regions": [region()]}
    r = copy(worker, source, to, {"form": "redact", "plan": plan})
    assert r.status == 0 and 0 in r.outputs, r.facts
    assert r.facts["status"] == "damaged"
    shown = pictures(to)
    assert len(shown) > 5
    assert all(is_black(p, (82, 62, 158, 118)) for p in shown)


def moving_secret(path, *words, shape=""):
    """A white square that moves from left to right over three seconds, and the plan that covers it and no more."""
    ffmpeg("-f", "lavfi", "-i", "nullsrc=size=320x240:rate=25:duration=3", "-vf",
           "geq=lum='if(between(X,16+T*80,56+T*80)*between(Y,100,140),235,60+20*sin(X/20+T))':cb=128:cr=128" + shape,
           "-c:v", "libx264", "-pix_fmt", "yuv420p", "-g", 75, "-bf", 2, *words, path)
    return {"regions": [region(keyframes=[{"at_msec": ms, "x": (8 + ms * 80 // 1000) * 1000 // 320, "y": 383, "w": 175, "h": 234}
                                          for ms in (0, 3000)])]}


def test_shape_of_pixels(worker, tmp_path):
    """Places are those of the proxy, which has square pixels: nothing is beside what covers it."""
    source = tmp_path / "sar.mkv"
    plan = moving_secret(source, shape=",setsar=16/11")
    out, r = redact(worker, source, tmp_path, plan)
    assert (r.file["width"], r.file["height"]) == (464, 240)
    assert max(max(p) for p in pictures(out, 464, 240)) < 170


@pytest.mark.parametrize("words", [["-flags", "+ilme+ildct", "-x264-params", "tff=1"],
                                   ["-output_ts_offset", "1.3", "-movflags", "+use_metadata_tags"], ["-x265-params", "log-level=none"]])
def test_fields_edits_and_hevc(worker, tmp_path, words):
    """Pictures in two fields; an edit list that begins late; HEVC: nothing is beside what covers it."""
    source = tmp_path / "source.mp4"
    plan = moving_secret(source, *(["-c:v", "libx265"] if "-x265-params" in words else []), *words)
    out, r = redact(worker, source, tmp_path, plan)
    shown = pictures(out)
    assert len(shown) == 75 and max(max(p) for p in shown) < 170
    assert r.file["covered"] == 75 and "message" not in r.file


def test_edit_list_that_skips(worker, tmp_path):
    """Players leave out what an edit list skips: times count from what they show first, and what is skipped is not in the copy either."""
    whole, source = tmp_path / "whole.mp4", tmp_path / "cut.mp4"
    moving_secret(whole)
    ffmpeg("-ss", "1", "-i", whole, "-c", "copy", source)  # one key picture: the edit list hides the first second
    data = source.read_bytes()
    assert b"elst" in data and len(ffprobe(source, "-select_streams", "v", "-show_packets")["packets"]) == 75
    plan = {"regions": [region(keyframes=[{"at_msec": ms, "x": (88 + ms * 80 // 1000) * 1000 // 320, "y": 383, "w": 175, "h": 234}
                                          for ms in (0, 2000)])]}
    out, _ = redact(worker, source, tmp_path, plan)
    shown = pictures(out)
    assert 48 <= len(shown) <= 52 and max(max(p) for p in shown) < 170


@pytest.mark.parametrize("seed", [2, 6, 7])
def test_lost_packets_show_nothing(worker, tmp_path, seed):
    """What a decoder fills gaps with are older pictures, with what was covered elsewhere then: they are black until the next key picture."""
    source = tmp_path / "lost.ts"
    plan, rnd = moving_secret(source, "-f", "mpegts"), random.Random(seed)
    data = source.read_bytes()
    source.write_bytes(b"".join(data[i:i + 188] for i in range(0, len(data), 188) if i <= 188 * 20 or rnd.random() >= 0.03))
    out, r = redact(worker, source, tmp_path, plan)
    assert r.facts["status"] == "damaged" and r.file["blackened"] > 0
    assert max(max(p) for p in pictures(out)) < 170


@pytest.mark.parametrize("seed", [1, 6, 7])
def test_flipped_bits_show_nothing(worker, tmp_path, seed):
    source = tmp_path / "bent.mkv"
    plan, rnd = moving_secret(source), random.Random(seed)
    data = bytearray(source.read_bytes())
    for _ in range(8):
        data[rnd.randrange(len(data) // 10, len(data) * 95 // 100)] ^= 1 << rnd.randrange(8)
    source.write_bytes(data)
    out, r = redact(worker, source, tmp_path, plan)
    assert r.file["blackened"] > 0
    assert max(max(p) for p in pictures(out)) < 170


MISSING = {  # what the recording is, and which of its packets a recorder never got
    "h264": ("mkv", [], "between(n,20,29)"),
    "h264 one": ("mkv", ["-bf", 0], "eq(n,30)"),
    "h264 whose numbers fit": ("mp4", ["-bf", 0], "between(n,20,35)"),
    "mpeg4": ("avi", ["-c:v", "mpeg4", "-q:v", 3, "-bf", 0], "between(n,20,29)"),
    "mpeg2": ("mkv", ["-c:v", "mpeg2video", "-q:v", 3], "between(n,20,29)"),
}


@pytest.mark.parametrize("what", MISSING)
def test_missing_pictures_show_nothing(worker, tmp_path, what):
    """Nothing in the data tells that packets are missing: what refers to them is made from older ones, with what was covered elsewhere."""
    suffix, words, drop = MISSING[what]
    whole, source = tmp_path / f"whole.{suffix}", tmp_path / f"missing.{suffix}"
    plan = moving_secret(whole, *words)
    out, r = redact(worker, whole, tmp_path, plan)
    assert "blackened" not in r.file and max(max(p) for p in pictures(out)) < 170
    ffmpeg("-i", whole, "-c", "copy", "-bsf:v", f"noise=amount=0:drop='{drop}'", source)
    out, r = redact(worker, source, tmp_path, plan)
    assert r.file["blackened"] > 20
    assert max(max(p) for p in pictures(out)) < 170


def test_holes_show_nothing(worker, tmp_path):
    """Half a picture was never written: its decoder reads zeros and says nothing."""
    source = tmp_path / "hole.mp4"
    plan, data = moving_secret(source, "-c:v", "libx265", "-x265-params", "log-level=none"), bytearray(source.read_bytes())
    packet = ffprobe(source, "-select_streams", "v", "-show_packets")["packets"][20]
    end = int(packet["pos"]) + int(packet["size"])
    data[end - int(packet["size"]) // 2:end] = bytes(int(packet["size"]) // 2)
    source.write_bytes(data)
    out, r = redact(worker, source, tmp_path, plan)
    assert r.file["blackened"] > 20
    assert max(max(p) for p in pictures(out)) < 170


def test_rates_that_change_are_no_damage(worker, tmp_path):
    """A camera that leaves out pictures of itself numbers those that it makes."""
    source = tmp_path / "vfr.mkv"
    ffmpeg("-f", "lavfi", "-i", "testsrc2=size=320x240:rate=25:duration=3", "-vf", "select='not(eq(n,40)+between(n,55,57))'", "-fps_mode", "vfr",
           *H264, "-g", 25, "-keyint_min", 25, "-sc_threshold", 0, source)
    _, r = redact(worker, source, tmp_path, {"regions": [region()]})
    assert r.file["pictures"] == 71 and "blackened" not in r.file


@pytest.mark.parametrize("codec", [[], ["-c:v", "libx265", "-x265-params", "log-level=none"]])
def test_salvaged(worker, tmp_path, codec):
    """What is dug out of an MP4 without an index has no times but its order, as in the proxy over which the plan was made."""
    whole, source = tmp_path / "whole.mp4", tmp_path / "cut.mp4"
    plan = moving_secret(whole, "-bf", 0, *codec, "-bsf:v", "dump_extra")
    data = whole.read_bytes()
    source.write_bytes(data[:data.rindex(b"moov") - 4])
    out, r = redact(worker, source, tmp_path, plan)
    assert "salvaged" in r.facts["message"] and r.facts["status"] == "damaged"
    shown = pictures(out)
    assert len(shown) >= 70 and max(max(p) for p in shown) < 170
    assert "blackened" not in r.file  # it is whole but for its index


def test_first_and_last_picture_stand(worker, tmp_path):
    """What players show before the first picture is that one; the last one stands for as long as nobody closes it."""
    source = tmp_path / "late.mkv"
    ffmpeg("-itsoffset", "1", *GREY, *SOUND, *H264, "-c:a", "aac", "-shortest", source)
    out, _ = redact(worker, source, tmp_path, {"regions": [region(until_msec=500), region(from_msec=60000)]})
    shown = pictures(out)
    assert is_black(shown[0], (82, 62, 158, 118)) and is_black(shown[-1], (82, 62, 158, 118))
    assert all(is_open(p, [(120, 90)]) for p in shown[1:-1])


def test_truncated_original(worker, clip, tmp_path):
    source = tmp_path / "cut.ts"
    ffmpeg("-i", clip, "-map", "0:v", "-c", "copy", "-f", "mpegts", source)
    source.write_bytes(source.read_bytes()[:-4000])
    out, _ = redact(worker, source, tmp_path, {"regions": [region()]})
    assert all(is_black(p, (82, 62, 158, 118)) for p in pictures(out))


def test_size_changes_in_the_middle(worker, tmp_path):
    one, two, source = tmp_path / "1.ts", tmp_path / "2.ts", tmp_path / "both.ts"
    ffmpeg(*GREY, *H264, "-f", "mpegts", one)
    ffmpeg(*GREY, "-vf", "scale=640:480", *H264, "-f", "mpegts", two)
    source.write_bytes(one.read_bytes() + two.read_bytes())
    out, _ = redact(worker, source, tmp_path, {"regions": [region()]})
    shown = pictures(out)
    assert len(shown) >= 58
    assert all(is_black(p, (82, 62, 158, 118)) for p in shown)
    assert sum(not is_open(p, [(200, 200)]) for p in shown) <= 5  # at the seam packets are missing: black until the next key picture


def test_odd_sizes(worker, tmp_path):
    source = tmp_path / "odd.mkv"
    ffmpeg("-f", "lavfi", "-i", "color=c=0xC0C0C0:size=321x241:rate=10:duration=1", "-c:v", "ffv1", "-pix_fmt", "yuv444p", source)
    out, r = redact(worker, source, tmp_path, {"regions": [region(keyframes=[{"at_msec": 0, "x": 900, "y": 900, "w": 100, "h": 100}])]})
    width, height = r.file["width"], r.file["height"]
    assert width % 2 == 0 and height % 2 == 0 and abs(width - 321) <= 1 and abs(height - 241) <= 1
    assert all(is_black(p, (width - 30, height - 22, width, height), width) for p in pictures(out, width, height))


@pytest.mark.parametrize("plan, words", [
    ({"regions": [region(kind="mosaic")]}, "regions[0].kind"),
    ({"cuts": [{"from_msec": 0, "until_msec": 5}]}, "cuts are refused"),
    ({}, "covers and silences nothing"),
    ({"regions": [region()], "speed": 2}, "another speed"),
])
def test_refused_plans(worker, clip, tmp_path, plan, words):
    """The daemon has refused them before; the program looks anew and makes nothing."""
    to = tmp_path / "copy.mp4"
    r = copy(worker, clip, to, {"form": "redact", "plan": plan})
    assert not r.outputs and words in r.file.get("message", ""), (r.status, r.facts)


def test_refused_when_the_digest_is_another(worker, clip, tmp_path):
    r = copy(worker, clip, tmp_path / "copy.mp4", {"form": "redact", "plan": {"regions": [region()]}, "plan_digest": "0" * 64})
    assert not r.outputs and "plan_digest" in r.file["message"]


def lettering(path, width=200, height=24):
    """Coverage as liuhen-stills makes it: bars instead of letters."""
    path.write_bytes(bytes(255 if (x // 6) % 2 and 4 <= y < height - 4 else 0 for y in range(height) for x in range(width)))
    return {"width": width, "height": height, "opacity_permille": 500}


@pytest.mark.parametrize("colour", ["white", "black", "0x808080"])
def test_release_is_marked_everywhere(worker, tmp_path, colour):
    source, mark = tmp_path / "flat.mp4", tmp_path / "mark.gray"
    ffmpeg("-f", "lavfi", "-i", f"color=c={colour}:size=320x240:rate=10:duration=3", *H264, *TAGS, source)
    about = lettering(mark)
    to = tmp_path / "copy.mp4"
    keep = [{"x": 0, "y": 900, "w": 250, "h": 100}]
    r = copy(worker, source, to, {"form": "release", "mark": about, "keep": keep}, mark=mark)
    assert r.status == 0 and r.outputs, r.facts
    assert r.file["how"] == "released" and "plan_digest" not in r.file
    assert b"SECRET" not in to.read_bytes()
    shown, before = pictures(to), pictures(source)
    for i in (0, 10, 20, 29):
        for x0 in (0, 160):
            for y0 in (0, 100):
                changed = sum(abs(at(shown[i], x, y) - at(before[i], x, y)) > 20
                              for y in range(y0, y0 + 110) for x in range(x0, x0 + 160))
                assert changed > 300, (colour, i, x0, y0, changed)
        assert all(abs(at(shown[i], x, y) - at(before[i], x, y)) < 12 for x in range(2, 76) for y in range(220, 238))
    # it moves: what is under a letter now is not always
    assert sum(abs(a - b) > 20 for a, b in zip(shown[0], shown[29])) > 1000


def test_mark_that_is_not_there(worker, clip, tmp_path):
    r = copy(worker, clip, tmp_path / "copy.mp4", {"form": "release", "mark": {"width": 10, "height": 10}})
    assert not r.outputs and "mark.gray" in r.file["message"]


def framemd5(path, stream, *words):
    out = ffmpeg("-noautorotate", "-i", path, "-map", f"0:{stream}", "-fps_mode", "passthrough", *words, "-f", "framemd5", "-").decode()
    return [line.split(",")[-1].strip() for line in out.splitlines() if line and not line.startswith("#")]


def sound_md5(path, form):
    return ffmpeg("-i", path, "-map", "0:a:0", "-c:a", form, "-f", "md5", "-")


PIXELS = ["yuv420p", "yuvj420p", "yuv422p", "yuv444p", "yuv420p10le", "yuv422p10le", "yuv444p12le", "gray", "rgb24", "bgra", "gbrp10le",
          "uyvy422", "yuv410p", "pal8"]


@pytest.mark.parametrize("form", PIXELS)
def test_preserved_pictures(worker, tmp_path, form):
    source, to = tmp_path / "source.avi", tmp_path / "copy.mkv"
    filters = ["-vf", "format=rgb8,format=pal8"] if form == "pal8" else ["-pix_fmt", form]
    codec = {"yuvj420p": "mjpeg", "pal8": "png", "rgb24": "png", "uyvy422": "rawvideo"}.get(form, "ffv1")
    source = source.with_suffix(".mkv" if codec in ("ffv1", "png") else ".avi")
    ffmpeg("-f", "lavfi", "-i", "testsrc2=size=322x242:rate=5:duration=1", *filters, "-c:v", codec, "-strict", "-1", source)
    r = copy(worker, source, to, {"form": "preserve"}, threads=2)
    assert r.status == 0 and r.outputs, r.facts
    assert r.file["how"] == "preserved" and r.file["pictures"] == 5
    about = ffprobe(to, "-show_streams", "-show_entries", "stream=codec_name,pix_fmt,extradata_size")["streams"][0]
    assert about["codec_name"] == "ffv1"
    plain = form.replace("yuvj", "yuv")
    words = ["-pix_fmt", {"rgb24": "rgb24", "uyvy422": "uyvy422", "pal8": "bgra"}.get(form, plain)]
    range_ = ["-vf", "scale=in_range=full:out_range=full"] if form == "yuvj420p" else []
    assert framemd5(to, "v", *words) == framemd5(source, "v", *range_, *words)


def test_ffv1_slices_have_checksums(worker, clip, tmp_path):
    to = tmp_path / "copy.mkv"
    copy(worker, clip, to, {"form": "preserve"})
    data = bytearray(to.read_bytes())
    data[len(data) // 2] ^= 0x10
    bent = tmp_path / "bent.mkv"
    bent.write_bytes(data)
    out = subprocess.run(["ffmpeg", "-v", "error", "-i", str(bent), "-map", "0:v", "-f", "null", "-"], capture_output=True, text=True)
    assert "CRC mismatch" in out.stderr or "slice" in out.stderr.lower()


SAMPLES = [("pcm_s16le", "flac", "pcm_s16le"), ("pcm_s24le", "flac", "pcm_s24le"), ("pcm_s32le", "pcm_s32le", "pcm_s32le"),
           ("pcm_f32le", "pcm_f32le", "pcm_f32le"), ("pcm_u8", "pcm_u8", "pcm_u8"), ("pcm_alaw", "flac", "pcm_s16le"),
           ("aac", "pcm_f32le", "pcm_f32le")]


@pytest.mark.parametrize("codec, kept, form", SAMPLES)
@pytest.mark.parametrize("channels", [1, 2])
def test_preserved_samples(worker, tmp_path, codec, kept, form, channels):
    source, to = tmp_path / "source.mka", tmp_path / "copy.mkv"
    if codec == "pcm_alaw":
        source = source.with_suffix(".wav")
    ffmpeg("-f", "lavfi", "-i", "anoisesrc=duration=1.3:sample_rate=44100:seed=7:amplitude=0.9", "-ac", channels, "-c:a", codec, source)
    r = copy(worker, source, to, {"form": "preserve"})
    assert r.status == 0 and r.outputs, r.facts
    assert r.file["sound"] == kept
    assert ffprobe(to, "-show_streams")["streams"][0]["codec_name"] == kept
    assert sound_md5(to, form) == sound_md5(source, form)


def test_preserved_with_all_else(worker, tmp_path):
    """Variable times, colours, shape of pixels, tags, other streams."""
    (tmp_path / "s.srt").write_text("1\n00:00:00,100 --> 00:00:02,000\nwords\n")
    source, to = tmp_path / "source.mkv", tmp_path / "copy.mkv"
    ffmpeg(*VIDEO, *SOUND, *SOUND, "-i", tmp_path / "s.srt", "-map", 0, "-map", 1, "-map", 2, "-map", 3, "-vf",
           "select='lt(n,10)+eq(n,20)+gt(n,25)',setsar=4/3", "-fps_mode", "vfr", *H264, "-color_range", "tv", "-colorspace", "bt709",
           "-color_primaries", "bt709", "-color_trc", "bt709", "-c:a:0", "pcm_s16le", "-c:a:1", "aac", "-c:s", "srt", "-metadata",
           "title=A night", source)
    r = copy(worker, source, to, {"form": "preserve"})
    assert r.outputs, r.facts
    about = ffprobe(to, "-show_format", "-show_streams")
    kinds = sorted((s["codec_type"], s["codec_name"]) for s in about["streams"])
    assert kinds == [("audio", "aac"), ("audio", "flac"), ("subtitle", "subrip"), ("video", "ffv1")]
    video = next(s for s in about["streams"] if s["codec_type"] == "video")
    assert (video["sample_aspect_ratio"], video["color_space"], video["color_range"]) == ("4:3", "bt709", "tv")
    assert about["format"]["tags"]["title"] == "A night"
    assert times(to) == pytest.approx(times(source), abs=0.0011)
    assert framemd5(to, "v") == framemd5(source, "v")
    assert b"words" in to.read_bytes()


def test_preserved_says_what_is_left_out(worker, clip, tmp_path):
    """Matroska has no place for the data streams of MP4; a rotation is said, as libavformat does not write it."""
    source, to = tmp_path / "turned.mp4", tmp_path / "copy.mkv"
    known = subprocess.run(["ffmpeg", "-hide_banner", "-h", "full"], capture_output=True, text=True, check=True).stdout
    words = ["-display_rotation:v", "270", "-i", clip, "-c", "copy"] if "display_rotation" in known else \
        ["-i", clip, "-c", "copy", "-metadata:s:v", "rotate=90"]
    ffmpeg(*words, "-map", "0", source)
    r = copy(worker, source, to, {"form": "preserve"})
    assert r.outputs and "mov_text" in r.file["message"] and "turned clockwise" in r.file["message"], r.file
    assert framemd5(to, "v") == framemd5(source, "v")


def test_preserve_refuses_another_size_in_the_middle(worker, tmp_path):
    one, two, source = tmp_path / "1.ts", tmp_path / "2.ts", tmp_path / "both.ts"
    ffmpeg(*GREY, *H264, "-f", "mpegts", one)
    ffmpeg(*GREY, "-vf", "scale=640:480", *H264, "-f", "mpegts", two)
    source.write_bytes(one.read_bytes() + two.read_bytes())
    r = copy(worker, source, tmp_path / "copy.mkv", {"form": "preserve"})
    assert not r.outputs and "change their size" in r.file["message"], r.facts


def test_garbage_gives_no_copy(worker, tmp_path):
    source = tmp_path / "x.mp4"
    source.write_bytes(b"\0\0\0\x18ftypmp42" + bytes(4000))
    for to, plan in ((tmp_path / "copy.mp4", {"form": "redact", "plan": {"regions": [region()]}}),
                     (tmp_path / "copy.mkv", {"form": "preserve"})):
        r = copy(worker, source, to, plan)
        assert r.status == 0 and not r.outputs, r.facts


@pytest.mark.parametrize("suffix", ["jpg", "png"])
def test_photos(worker, tmp_path, suffix):
    source, to, mark = tmp_path / f"p.{suffix}", tmp_path / "copy.jpg", tmp_path / "mark.gray"
    ffmpeg("-f", "lavfi", "-i", "color=c=0xC0C0C0:size=321x241", "-frames:v", 1, "-metadata", "comment=SECRET", source)
    plan = {"regions": [region(from_msec=5000)]}
    r = copy(worker, source, to, {"form": "redact", "plan": plan, "plan_digest": digest(plan)})
    assert r.status == 0 and r.outputs, (r.status, r.facts)
    assert (r.file["how"], r.file["plan_digest"]) == ("redacted", digest(plan))
    picture = pictures(to, r.file["width"], r.file["height"])[0]
    assert is_black(picture, (84, 64, 156, 116), r.file["width"])  # whenever a plan says it: a photo is for all time
    assert is_open(picture, [(20, 20), (300, 200), (120, 200)], r.file["width"])
    data = to.read_bytes()
    assert b"SECRET" not in data
    about = f"Liuhen redacted copy; plan sha256:{digest(plan)}".encode()
    assert b"\xff\xfe" + struct.pack(">H", len(about) + 2) + about in data
    to.unlink()
    r = copy(worker, source, to, {"form": "release", "mark": lettering(mark)}, mark=mark)
    assert r.outputs and r.file["how"] == "released", r.facts
    assert sum(abs(v - 192) > 20 for v in pictures(to, r.file["width"], r.file["height"])[0]) > 1000
    assert b"Liuhen" not in to.read_bytes()
    to.unlink()
    r = copy(worker, source, to, {"form": "redact", "plan": {"cuts": []}})
    assert not r.outputs and "cuts are refused" in r.file["message"]


def exif(orientation, thumbnail):
    """An APP1 segment (CIPA DC-008): how the picture is to be turned, a maker, a position's latitude, and a thumbnail that nobody covered."""
    def entry(tag, kind, count, value):
        return struct.pack(">HHI", tag, kind, count) + value

    ifd0 = struct.pack(">H", 3) + entry(0x10F, 2, 4, b"SEC\0") + entry(0x112, 3, 1, struct.pack(">HH", orientation, 0)) \
        + entry(0x8825, 4, 1, struct.pack(">I", 104)) + struct.pack(">I", 50)
    ifd1 = struct.pack(">H", 4) + entry(0x103, 3, 1, struct.pack(">HH", 6, 0)) + entry(0x201, 4, 1, struct.pack(">I", 122)) \
        + entry(0x202, 4, 1, struct.pack(">I", len(thumbnail))) + entry(0x112, 3, 1, struct.pack(">HH", orientation, 0)) + bytes(4)
    gps = struct.pack(">H", 1) + entry(0x1, 2, 2, b"N\0\0\0") + bytes(4)
    tiff = b"MM\0*" + struct.pack(">I", 8) + ifd0
    tiff = tiff.ljust(50, b"\0") + ifd1
    tiff = tiff.ljust(104, b"\0") + gps
    body = b"Exif\0\0" + tiff.ljust(122, b"\0") + thumbnail
    return b"\xff\xe1" + struct.pack(">H", len(body) + 2) + body


@pytest.mark.parametrize("orientation", [1, 3, 6, 8])
def test_photo_as_it_is_held(worker, tmp_path, orientation):
    """Places are in the upright photo. Neither its thumbnail nor anything else of EXIF goes along."""
    plain, small, source, to = tmp_path / "plain.jpg", tmp_path / "small.jpg", tmp_path / "p.jpg", tmp_path / "copy.jpg"
    # the corner that is white is where upright's upper left is, as the sensor saw it
    x, y = {1: (0, 0), 3: (240, 180), 6: (0, 180), 8: (240, 0)}[orientation]
    ffmpeg("-f", "lavfi", "-i", "color=c=0x606060:size=320x240", "-vf", f"drawbox=x={x}:y={y}:w=80:h=60:c=white:t=fill", "-frames:v", 1, plain)
    ffmpeg("-i", plain, "-vf", "scale=80:60", small)
    data = plain.read_bytes()
    source.write_bytes(data[:2] + exif(orientation, small.read_bytes()) + data[2:])
    plan = {"regions": [region(keyframes=[{"at_msec": 0, "x": 0, "y": 0, "w": 250, "h": 250}])]}
    r = copy(worker, source, to, {"form": "redact", "plan": plan})
    assert r.outputs, r.facts
    upright = (240, 320) if orientation in (6, 8) else (320, 240)
    assert (r.file["width"], r.file["height"]) == upright
    picture = pictures(to, *upright)[0]
    assert is_black(picture, (0, 0, upright[0] // 4, upright[1] // 4), upright[0])
    assert max(picture) < 120 and at(picture, upright[0] - 5, upright[1] - 5, upright[0]) > 80
    data = to.read_bytes()
    assert b"Exif" not in data and b"SEC" not in data and data.count(b"\xff\xd8") == 1
