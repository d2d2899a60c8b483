# SPDX-License-Identifier: GPL-3.0-or-later
"""What decoding shows (PLAN.md, "decoded"), by the real locked program: clips are made with ffmpeg, codes with qrencode; and the shared samples
where they are."""
import csv
import json
import re
import subprocess
import xml.etree.ElementTree as ET

import h264_ts
import pytest
from media_worker import run

ALL = {"qr_msec": 10000, "black": True, "silence": True}


@pytest.fixture(scope="module")
def worker(build):
    return build / "liuhen-media"


@pytest.fixture(scope="module")
def make(tmp_path_factory):
    """make("name.mp4", arguments of ffmpeg): the clip; made once."""
    folder = tmp_path_factory.mktemp("decoded")

    def clip(name, *arguments):
        if not (folder / name).exists():
            subprocess.run(["ffmpeg", "-v", "error", "-y", *map(str, arguments), folder / name], check=True)
        return folder / name

    clip.folder = folder
    return clip


def derive(worker, path, tmp_path, files=(), decoded=None):
    """The whole answer."""
    plan = {"files": list(files), "decoded": ALL if decoded is None else decoded}
    done = run(worker, path, "derive", plan, [tmp_path / f for f in files], file_bytes=1 << 24, threads=2)
    assert done.status == 0, f"{path}: {done.status}"
    return json.loads(done.answer)


def decoded(worker, path, tmp_path):
    return derive(worker, path, tmp_path)["decoded"]


def pattern(seconds, rate=25, size="320x240"):
    return ["-f", "lavfi", "-i", f"testsrc2=s={size}:r={rate}:d={seconds}"]


X264 = ["-c:v", "libx264", "-preset", "ultrafast"]

# ---- QR codes ----


def code(make, text, size):
    png = make.folder / f"code-{size}.png"
    subprocess.run(["qrencode", "-o", png, "-s", str(size), "-m", "4", text], check=True)
    return png


@pytest.mark.parametrize("name, text, size, look, picture", [
    ("small.mp4", "LIUHEN:case=2026-12;officer=li", 3, "null", "640x480"),
    ("large.mp4", "留痕:案件〔2026〕12号", 8, "null", "640x480"),
    ("turned.mp4", "LIUHEN:case=2026-12", 5, "rotate=0.5:ow=320:oh=320:c=white", "640x480"),
    ("upside-down.mp4", "LIUHEN:case=2026-12", 4, "hflip,vflip", "640x480"),
    ("mirrored.mp4", "LIUHEN:case=2026-12", 4, "hflip", "640x480"),
    ("wide.mp4", "LIUHEN:case=2026-12", 8, "null", "2560x1440"),
])
def test_qr(worker, make, tmp_path, name, text, size, look, picture):
    clip = make(name, *pattern(1, 10, picture), "-i", code(make, text, size), "-filter_complex",
                f"[1]{look}[q];[0][q]overlay=50:50:enable='gt(t,0.4)'", *X264)
    assert decoded(worker, clip, tmp_path)["qr"] == [text]


def test_qr_only_in_the_first_seconds(worker, make, tmp_path):
    clip = make("late.mp4", *pattern(3, 10, "640x480"), "-i", code(make, "2026-1", 4), "-filter_complex",
                "[0][1]overlay=50:50:enable='gt(t,2)'", *X264)
    assert "qr" not in derive(worker, clip, tmp_path, decoded={"qr_msec": 1500})["decoded"]
    assert derive(worker, clip, tmp_path, decoded={"qr_msec": 3000})["decoded"]["qr"] == ["2026-1"]


def test_qr_texts_steer_nothing(worker, make, tmp_path):
    """Neither a terminal (C0, C1) nor the order in which a line is read (marks of direction)."""
    clip = make("hostile.mp4", *pattern(1, 10, "640x480"), "-i", code(make, "A\x1b[2J\u009b2J\u202eB\u2066C\u200fD\u00a0é留", 4),
                "-filter_complex", "[0][1]overlay=50:50", *X264)
    assert decoded(worker, clip, tmp_path)["qr"] == ["A [2J 2J B C D\u00a0é留"]


def test_qr_texts_are_bounded_and_clean(worker, make, tmp_path):
    """Control characters become blanks; what is longer than 300 bytes is no code of ours; at most eight are kept."""
    lines = code(make, "a\nb\x01c", 4)
    clip = make("control.mp4", *pattern(1, 10, "640x480"), "-i", lines, "-filter_complex", "[0][1]overlay=50:50", *X264)
    assert decoded(worker, clip, tmp_path)["qr"] == ["a b c"]
    clip = make("long.mp4", *pattern(1, 10, "640x480"), "-i", code(make, "x" * 301, 4), "-filter_complex", "[0][1]overlay=5:5", *X264)
    assert "qr" not in decoded(worker, clip, tmp_path)
    for i in range(9):
        subprocess.run(["qrencode", "-o", make.folder / f"n{i}.png", "-s", "4", "-m", "4", f"2026-{i}"], check=True)
    nine = make("nine.mp4", *pattern(1, 10, "640x480"), *(a for i in range(9) for a in ("-i", make.folder / f"n{i}.png")),
                "-filter_complex", "".join(
                    f"[{'0' if i == 0 else f'o{i - 1}'}][{i + 1}]overlay={10 + i % 3 * 150}:{10 + i // 3 * 150}"
                    + (f"[o{i}];" if i < 8 else "") for i in range(9)), *X264)
    found = decoded(worker, nine, tmp_path)["qr"]
    assert len(found) == 8 and set(found) < {f"2026-{i}" for i in range(9)}


# ---- black ----


def test_black(worker, make, tmp_path):
    clip = make("black.mp4", *pattern(6), "-vf", "drawbox=enable='between(t,2,4)':c=black:t=fill", *X264)
    d = decoded(worker, clip, tmp_path)
    assert len(d["black"]) == 1 and "key_pictures_only" not in d
    start, end = d["black"][0]
    assert abs(start - 2_000_000) < 50_000 and abs(end - 4_040_000) < 50_000
    short = make("blink.mp4", *pattern(3), "-vf", "drawbox=enable='between(t,1,1.5)':c=black:t=fill", *X264)
    assert "black" not in decoded(worker, short, tmp_path)
    whole = make("covered.mkv", "-f", "lavfi", "-i", "color=black:s=320x240:r=25:d=3", *X264, "-pix_fmt", "yuv420p10le")
    assert decoded(worker, whole, tmp_path)["black"] == [[0, 3_000_000]]


def test_black_by_key_pictures(worker, make, tmp_path):
    clip = make("keys.mp4", *pattern(8), "-vf", "drawbox=enable='between(t,2,5.5)':c=black:t=fill", *X264, "-g", "25")
    d = derive(worker, clip, tmp_path, decoded={"black": True})["decoded"]
    assert d["key_pictures_only"] is True and d["pictures"] <= 16
    assert d["black"] == [[2_000_000, 5_000_000]]  # the last one that was seen to be black
    alone = make("key-alone.mp4", *pattern(8), "-vf", "drawbox=enable='between(t,2,2.9)':c=black:t=fill", *X264, "-g", "25")
    assert "black" not in derive(worker, alone, tmp_path, decoded={"black": True})["decoded"]


def test_what_was_not_decoded_is_said(worker, make, tmp_path):
    """A proxy that is copied needs key pictures only: that no damage was seen between them means nothing."""
    clip = make("copied.mp4", *pattern(4), *X264, "-g", "25", "-pix_fmt", "yuv420p")
    copied = derive(worker, clip, tmp_path, files=["proxy.mp4", "poster.jpg"], decoded={})
    assert {"name": "proxy.mp4", "how": "remux"}.items() <= copied["files"][-1].items() and copied["decoded"]["key_pictures_only"] is True
    for name in ("proxy.mp4", "poster.jpg"):
        (tmp_path / name).unlink()
    clip = make("encoded.avi", *pattern(4), "-c:v", "mpeg4", "-g", "25")
    encoded = derive(worker, clip, tmp_path, files=["proxy.mp4", "poster.jpg"], decoded={})
    assert {"name": "proxy.mp4", "how": "encoded"}.items() <= encoded["files"][-1].items() and "key_pictures_only" not in encoded["decoded"]


# ---- cadence ----


@pytest.mark.parametrize("name, rate, arguments, kind, num, den", [
    ("pal.mp4", "25", X264, "constant", 25, 1),
    ("ntsc.mkv", "30000/1001", X264, "constant", 30000, 1001),       # ms: rounded times are no variable rate
    ("odd.flv", "12.5", X264, "constant", 25, 2),
    ("second.mp4", "1", [*X264, "-bf", "2"], "constant", 1, 1),
    ("film.ts", "24000/1001", X264, "constant", 24000, 1001),
    ("motion.avi", "15", ["-c:v", "mjpeg"], "constant", 15, 1),
    ("phone.mp4", "1000/33", ["-vf", "setpts='(N*33+floor(N/3))*0.001/TB'", "-fps_mode", "passthrough", "-video_track_timescale", "90000", *X264],
     "constant", None, None),                                         # 33, 33, 34 ms: rounded before it is counted in ticks
    ("drops.mkv", "30", ["-vf", "select='lt(mod(n,7),4)'", "-fps_mode", "passthrough", *X264], "variable", None, 1000),
    ("one-drop.mkv", "30", ["-vf", "select='not(eq(n,50))'", "-fps_mode", "passthrough", *X264], "constant", 30, 1),
    ("b-frames.ts", "30000/1001", ["-c:v", "libx264", "-bf", "4", "-b_strategy", "0", "-x264-params", "b-pyramid=normal"], "constant", 30000, 1001),
    ("decoding.mp4", "25", [*X264, "-bf", "0", "-bsf:v", "setts=dts=PTS-if(mod(N\\,2)\\,511\\,0)", "-video_track_timescale", "12800"],
     "constant", 25, 1),                                              # decoded two at a time, shown evenly
    ("motion.mkv", "30000/1001", ["-c:v", "mjpeg"], "constant", 30000, 1001),
    ("dark.mp4", "30", ["-vf", "select='lt(t,3)+not(mod(n,2))'", "-fps_mode", "passthrough", *X264], "variable", None, 1000),
    ("uneven.mp4", "30", ["-vf", "setpts='(N+0.3*mod(N*7,3))/30/TB'", "-fps_mode", "passthrough", "-video_track_timescale", "90000", *X264],
     "variable", None, 1000),                                         # phones whose exposure sets the pace
])
def test_rate(worker, make, tmp_path, name, rate, arguments, kind, num, den):
    d = decoded(worker, make(name, *pattern(6, rate), *arguments), tmp_path)
    assert d["rate"] == kind
    assert den is None or d["rate_den"] == den
    assert num is None or d["rate_num"] == num
    assert not {"gaps", "jumps", "restarts"} & set(d)


@pytest.mark.parametrize("name, units", [
    ("fields", h264_ts.fields(60)),
    ("fields-and-pictures", h264_ts.fields(60, whole=lambda n: n % 3 == 1)),
])
def test_rate_of_fields(worker, tmp_path, name, units):
    """AVCHD: fields come as packets of their own, also among whole pictures. A clock reference that is off by some ms says nothing."""
    clip = tmp_path / f"{name}.ts"
    clip.write_bytes(h264_ts.transport_stream([(9000 + t, u) for t, u in units], jitter=lambda n: -900 + n * 37 % 400))
    answer = derive(worker, clip, tmp_path)
    d = answer["decoded"]
    assert (d["rate"], d["rate_num"], d["rate_den"]) == ("constant", 25, 1)
    assert not {"gaps", "jumps", "restarts"} & set(d)
    stream = json.loads(run(worker, clip).answer)["media"]["streams"][0]
    assert (stream["rate"], stream["rate_hint"]) == ("25/1", "constant")


def test_rate_of_avi_counts_pictures(worker, make):
    """H.264 copied into AVI: libav gives ticks, two a picture, as its rate."""
    whole = make("whole.ts", *pattern(2), *X264)
    media = json.loads(run(worker, make("copied.avi", "-i", whole, "-c", "copy")).answer)["media"]
    assert (media["streams"][0]["rate"], media["streams"][0]["rate_hint"]) == ("25/1", "constant")


def test_gap(worker, make, tmp_path):
    clip = make("gap.mp4", *pattern(6, 30), "-f", "lavfi", "-i", "sine=d=6", "-vf", "select='lt(t,2)+gte(t,4)'", "-fps_mode",
                "passthrough", *X264, "-c:a", "aac")
    d = decoded(worker, clip, tmp_path)
    assert [[round(a / 1e5), round(n / 1e5)] for a, n in d["gaps"]] == [[20, 20]]
    assert (d["rate"], d["rate_num"]) == ("constant", 30) and "sound_gaps" not in d and "jumps" not in d


def test_many_gaps_are_counted(worker, make, tmp_path):
    clip = make("gaps.mp4", *pattern(300, 5, "64x64"), "-vf", "select='lt(mod(t,4),2)'", "-fps_mode", "passthrough", *X264)
    d = decoded(worker, clip, tmp_path)
    assert len(d["gaps"]) == 64 and 70 <= d["gaps_total"] <= 75


def ts(make, name, offset):
    return make(name, *pattern(2), "-f", "lavfi", "-i", "sine=d=2", *X264, "-c:a", "aac", "-muxdelay", "0", "-output_ts_offset", offset)


def test_jumps_and_gaps_in_transport_streams(worker, make, tmp_path):
    early, late, much_later = (ts(make, f"at-{s}.ts", s) for s in (5, 1000, 9000))
    joined = tmp_path / "joined.ts"

    joined.write_bytes(late.read_bytes() + early.read_bytes())
    d = decoded(worker, joined, tmp_path)
    assert [round(by / 1e6) for _, by in d["jumps"]] == [-997] and "gaps" not in d
    assert [round(by / 1e6) for _, by in d["sound_jumps"]] == [-997]
    assert abs(d["jumps"][0][0] - 2_000_000) < 100_000

    joined.write_bytes(early.read_bytes() + late.read_bytes())
    d = decoded(worker, joined, tmp_path)
    assert [round(by / 1e6) for _, by in d["gaps"]] == [993] and "jumps" not in d

    joined.write_bytes(early.read_bytes() + much_later.read_bytes())
    d = decoded(worker, joined, tmp_path)
    assert [round(by / 1e6) for _, by in d["jumps"]] == [8993] and "gaps" not in d


def test_announced_restarts_are_no_jumps(worker, make, tmp_path):
    """The same step, with discontinuity_indicator set in the first packet that has an adaptation field behind it."""
    late, early = bytearray(ts(make, "at-1000.ts", 1000).read_bytes()), bytearray(ts(make, "at-5.ts", 5).read_bytes())
    for at in range(0, len(early), 188):
        if early[at + 3] & 0x20 and early[at + 4] > 0:
            early[at + 5] |= 0x80
            break
    joined = tmp_path / "announced.ts"
    joined.write_bytes(late + early)
    d = decoded(worker, joined, tmp_path)
    assert [round(by / 1e6) for _, by in d["restarts"]] == [-997] and "jumps" not in d and "gaps" not in d


def test_a_clock_that_runs_over_is_no_jump(worker, make, tmp_path):
    """33 bits at 90 kHz: 95443.7 s. Once within libav's own reckoning, and once in the middle of a long file, where it has none."""
    clip = make("wrap.ts", *pattern(4), "-f", "lavfi", "-i", "sine=d=4", *X264, "-c:a", "aac", "-muxdelay", "0", "-output_ts_offset", "95441.7")
    d = decoded(worker, clip, tmp_path)
    assert d["rate"] == "constant" and not {"gaps", "jumps", "restarts", "sound_jumps", "sound_gaps"} & set(d)


# ---- signatures ----

ONVIF = bytes.fromhex("005bc93f2d715e95ada4796f90877a6f")


@pytest.mark.parametrize("codec, head, uuid, expected", [
    ("h264", b"\x06", ONVIF, "onvif"), ("h264", b"\x06", b"Signed Video...0", "axis"), ("h264", b"\x06", b"Signed Video...x", None),
    ("hevc", b"\x4e\x01", ONVIF, "onvif"), ("hevc", b"\x50\x01", b"Signed Video...0", "axis")])
@pytest.mark.parametrize("suffix", ["mp4", "ts"])
def test_signed(worker, make, tmp_path, codec, head, uuid, expected, suffix):
    """An SEI before the second access unit's first slice, as cameras put it; both ways of framing NAL units."""
    encoder = ["libx264", "-preset", "ultrafast"] if codec == "h264" else ["libx265", "-preset", "ultrafast", "-x265-params", "log-level=none"]
    raw = make(f"raw.{codec}", *pattern(1), "-c:v", *encoder, "-g", "10", "-f", codec).read_bytes()
    payload = uuid + b"\x01" * 8
    escaped = payload.replace(b"\0\0\1", b"\0\0\3\1")
    sei = b"\0\0\0\1" + head + bytes([5, len(payload)]) + escaped + b"\x80"
    slices = [m.start() for m in re.finditer(b"\0\0\1", raw)
              if (raw[m.end()] & 31 == 1 if codec == "h264" else raw[m.end()] >> 1 & 63 == 1)]
    at = slices[1] - (raw[slices[1] - 1] == 0)
    (tmp_path / f"signed.{codec}").write_bytes(raw[:at] + sei + raw[at:])
    clip = tmp_path / "signed.mp4"
    subprocess.run(["ffmpeg", "-v", "error", "-r", "25", "-f", codec, "-i", tmp_path / f"signed.{codec}", "-c", "copy", clip], check=True)
    if suffix == "ts":
        subprocess.run(["ffmpeg", "-v", "error", "-i", clip, "-c", "copy", tmp_path / "signed.ts"], check=True)
    assert decoded(worker, tmp_path / f"signed.{suffix}", tmp_path).get("signed") == expected


# ---- trails ----

GPX = "{http://www.topografix.com/GPX/1/1}"


def check_gpx(path, trail):
    """Well-formed, one track, everything within its range; as many points as the facts say. Return: the points."""
    root = ET.parse(path).getroot()
    assert root.tag == GPX + "gpx" and root.get("version") == "1.1" and root.get("creator")
    points = root.findall(f"{GPX}trk/{GPX}trkseg/{GPX}trkpt")
    assert len(points) == trail["points"] > 0
    for p in points:
        assert -90 <= float(p.get("lat")) <= 90 and -180 <= float(p.get("lon")) < 180
        assert {c.tag for c in p} <= {GPX + "ele", GPX + "time"}
        for t in p.findall(GPX + "time"):
            assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", t.text)
    assert points[0].get("lat") == f"{trail['first']['lat_e7'] / 1e7:.7f}"
    assert points[-1].get("lon") == f"{trail['last']['lon_e7'] / 1e7:.7f}"
    return points


def checksum(sentence):
    value = 0
    for c in sentence:
        value ^= ord(c)
    return f"${sentence}*{value:02X}"


@pytest.mark.parametrize("suffix, codec", [("mp4", "mov_text"), ("mkv", "srt")])
def test_trail_of_subtitles(worker, make, tmp_path, suffix, codec):
    text = "".join(
        f"{i + 1}\n00:00:0{i},000 --> 00:00:0{i + 1},000\n"
        + checksum(f"GPRMC,01051{i}.000,A,3954.2{i}00,N,11624.4440,E,0.0,0.0,231126,,,A") + "\n\n" for i in range(4))
    (tmp_path / "gps.srt").write_text(text)
    clip = tmp_path / f"nmea.{suffix}"
    subprocess.run(["ffmpeg", "-v", "error", *pattern(4), "-i", tmp_path / "gps.srt", *X264, "-c:s", codec, clip], check=True)
    answer = derive(worker, clip, tmp_path, ["trail.gpx"])
    points = check_gpx(tmp_path / "trail.gpx", answer["decoded"]["trail"])
    assert answer["files"] == [{"name": "trail.gpx", "how": "positions"}]
    assert [p.find(GPX + "time").text for p in points] == [f"2026-11-23T01:05:1{i}.000Z" for i in range(4)]
    trail = answer["decoded"]["trail"]
    assert trail["to_usec"] - trail["from_usec"] == 3_000_000


def test_no_trail(worker, make, tmp_path):
    answer = derive(worker, make("pal.mp4", *pattern(6, "25"), *X264), tmp_path, ["trail.gpx"])
    assert "trail" not in answer["decoded"]
    assert answer["files"] == [{"name": "trail.gpx", "message": "no positions are in it"}]


@pytest.mark.parametrize("name, points, first", [
    ("gopro/hero5_karma_gpmf.mp4", 12, (331253688, -1173310668)),
    ("dashcam/novatek_hevc_ts_gps.ts", 10, (500000000, 300000000)),
    ("dashcam/70mai_fuzz_NO20191130-120156-000121.MP4", 61, (521905833, 207894833)),
    ("gopro/hero8_trimmed_gpmf.mp4", 0, None),      # its receiver had no fix
    ("dashcam/juscar_h264_ts_gps.ts", 0, None),     # 0, 0
])
def test_trails_of_samples(worker, samples, tmp_path, name, points, first):
    answer = derive(worker, samples / name, tmp_path, ["trail.gpx"])
    trail = answer["decoded"].get("trail")
    assert (trail["points"] if trail else 0) == points
    if trail:
        check_gpx(tmp_path / "trail.gpx", trail)
        assert (trail["first"]["lat_e7"], trail["first"]["lon_e7"]) == first


def test_samples_give_an_answer(worker, samples, tmp_path):
    """Each of the shared samples, also the broken ones: an end without a crash, and lists within their bounds."""
    with open(samples / "MANIFEST.tsv", newline="", encoding="utf-8") as f:
        rows = list(csv.DictReader(f, delimiter="\t", quoting=csv.QUOTE_NONE))
    for row in rows:
        if row["path"].endswith((".heic", ".pdf")):
            continue
        d = derive(worker, samples / row["path"], tmp_path).get("decoded", {})
        assert all(len(v) <= 64 for v in d.values() if isinstance(v, list)), row["path"]
        assert len(json.dumps(d)) < 16384
