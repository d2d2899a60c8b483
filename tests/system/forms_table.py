#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""The table of forms in both READMEs: what each form of recording gives, as the real locked programs gave it just now.

  LIUHEN_BUILD=build/test tests/system/forms_table.py

makes a tiny medium of each form, runs the programs, and writes what came out between the markers. test_forms_table.py holds the table true.
"""
import json
import os
import pathlib
import struct
import subprocess
import sys
import tempfile

from media_worker import run
from test_media import exif_segment
from test_stills import DRAWING, pdf

ROOT = pathlib.Path(__file__).resolve().parents[2]
BEGIN, END = "<!-- forms: begin (written by tests/system/forms_table.py) -->\n", "<!-- forms: end -->\n"
MADE = ["proxy.mp4", "poster.jpg", "sprite.jpg", "sprite.vtt", "peaks.json"]
PLAN = {"files": MADE, "threads": 2, "proxy": {"height": 720, "crf": 23, "preset": "ultrafast", "keyframe_msec": 2000, "remux": True},
        "poster": {"width": 320}, "sprite": {"width": 160, "tiles": 100, "least_msec": 1000}, "peaks": {"points": 2000}}
PHOTO = {"files": ["photo-large.jpg", "photo-small.jpg"], "photo": {"large": 64, "small": 24}}
PAGES = {"files": ["page-1.jpg"], "pages": {"width": 120, "count": 1}}

WHEN = "2026-03-01T08:00:00Z"
FACTS = ["-metadata", f"creation_time={WHEN}", "-metadata", "location=+37.5002+127.0362/"]
QUICKTIME = ["-movflags", "use_metadata_tags", "-metadata", f"com.apple.quicktime.creationdate={WHEN}", "-metadata", "com.apple.quicktime.make=Apple",
             "-metadata", "com.apple.quicktime.model=iPhone", "-metadata", "com.apple.quicktime.location.ISO6709=+37.5002+127.0362/"]
H264, HEVC = ["-c:v", "libx264", "-preset", "ultrafast", "-g", "5"], ["-c:v", "libx265", "-preset", "ultrafast", "-x265-params", "keyint=5:log-level=none"]
AAC, FRONT = ["-c:a", "aac"], ["-movflags", "+faststart"]


def ffmpeg(*arguments):
    subprocess.run(["ffmpeg", "-v", "error", "-y", *map(str, arguments)], check=True, stdin=subprocess.DEVNULL)


def pictures(size="176x144", rate=10):
    return ["-f", "lavfi", "-i", f"testsrc2=s={size}:r={rate}:d=2"]


def sound(layout="stereo", rate=48000):
    return ["-f", "lavfi", "-i", f"sine=r={rate}:d=2,aformat=channel_layouts={layout}"]


def both(*codecs, rate=48000, layout="stereo"):
    """Two seconds of pictures and a tone, yuv420p unless the codecs say otherwise."""
    pixels = [] if "-pix_fmt" in codecs else ["-pix_fmt", "yuv420p"]
    return lambda path: ffmpeg(*pictures(), *sound(layout, rate), *pixels, *codecs, path)


def alone(*codecs, rate=48000, layout="stereo"):
    return lambda path: ffmpeg(*sound(layout, rate), *codecs, path)


def amr(path):
    """AMR that no encoder here writes: a hundred frames of 12.2 kbit/s (RFC 4867 §5.3), mostly zeros, which is some sound."""
    path.write_bytes(b"#!AMR\n" + b"".join(b"\x3c" + bytes([i, 255 - i]) + bytes(29) for i in range(100)))


def amr_wide(path):
    """The same of AMR-WB: 23.85 kbit/s, 60 bytes a frame."""
    path.write_bytes(b"#!AMR-WB\n" + b"".join(b"\x44" + bytes([i, 255 - i]) + bytes(58) for i in range(100)))


def phone(path):
    raw = path.with_suffix(".amr")
    amr(raw)
    ffmpeg(*pictures(), "-i", raw, "-c:v", "h263", "-c:a", "copy", *FACTS, path)


def dahua(path):
    """DHAV: a head, the picture, a tail with the length, for each frame; the date as the camera's clock has it."""
    raw = path.with_suffix(".h264")
    ffmpeg(*pictures(), "-pix_fmt", "yuv420p", *H264, "-bf", "0", "-x264-params", "repeat-headers=1:aud=1", raw)
    units, out = raw.read_bytes().split(b"\0\0\0\1\x09")[1:], b""
    for i, unit in enumerate(units):
        picture = b"\0\0\0\1\x09" + unit
        more = b"\x81\0\x08\x0a\x82\0\0\0" + struct.pack("<HH", 176, 144)  # H.264, 10 a second; 176 × 144
        length = 24 + len(more) + len(picture) + 8
        date = 26 << 26 | 3 << 22 | 1 << 17 | 8 << 12 | i // 10
        out += struct.pack("<4sBBBBIIIHBB", b"DHAV", 0xFC if i % 5 else 0xFD, 0, 0, 0, i, length, date, i % 10 * 100, len(more), 0)
        out += more + picture + struct.pack("<4sI", b"dhav", length)
    path.write_bytes(out)


def without_index(path):
    both(*H264, "-x264-params", "repeat-headers=1", *AAC)(path)
    data = path.read_bytes()
    path.write_bytes(data[:data.index(b"moov") - 4])


def hours(path):
    """Ten hours at a picture a second: one minute, ever again."""
    minute = path.with_name("minute.mp4")
    ffmpeg("-f", "lavfi", "-i", "testsrc2=s=64x48:r=1:d=60", "-pix_fmt", "yuv420p", "-c:v", "libx264", "-preset", "ultrafast", "-g", "2", "-bf", "0", minute)
    ffmpeg("-stream_loop", "599", "-i", minute, "-c", "copy", *FRONT, path)


def large(path):
    ffmpeg("-f", "lavfi", "-i", "color=gray:s=3840x2160:r=25:d=0.12", "-pix_fmt", "yuv420p10le", *HEVC, *FRONT, path)


def turned(path):
    flat = path.with_name("flat.mp4")
    both(*H264, *AAC)(flat)
    ffmpeg("-i", flat, "-c", "copy", "-metadata:s:v", "rotate=90", *FRONT, path)


def uneven(path):
    ffmpeg(*pictures(), *sound(), "-vf", "select='not(mod(n,3))+lt(n,7)'", "-fps_mode", "vfr", "-pix_fmt", "yuv420p", *H264, *AAC, *FRONT, path)


def photo(path):
    ffmpeg("-f", "lavfi", "-i", "testsrc2=s=96x64:d=1", "-frames:v", "1", path)


def camera_photo(path):
    photo(path)
    data = path.read_bytes()
    path.write_bytes(data[:2] + exif_segment() + data[2:])


def heic(path):
    source = path.with_suffix(".jpg")
    camera_photo(source)
    subprocess.run(["heif-enc", "-q", "90", "-o", path, source], check=True, capture_output=True)


def document(path):
    path.write_bytes(pdf([("0 0 200 100", "", DRAWING)], trailer="/Info<</CreationDate(D:20260301080000Z)>>"))


DATE = ["-metadata", "date=2026-03-01T08:00:00"]
BEXT = ["-write_bext", "1", "-metadata", "origination_date=2026-03-01", "-metadata", "origination_time=08:00:00", "-metadata", "originator=Recorder"]
FRAGMENTS = ["-movflags", "frag_keyframe+empty_moov+default_base_moof"]

# file, English, Chinese, how it is made
FORMS = [
    ("h264.mp4", "MP4, H.264 and AAC", "MP4（H.264、AAC）", both(*H264, *AAC, *FACTS, *FRONT)),
    ("iphone.mov", "MOV, H.264 and AAC", "MOV（H.264、AAC）", both(*H264, *AAC, *QUICKTIME)),
    ("hevc.mp4", "MP4, HEVC 8 bit", "MP4（HEVC 8 位）", both(*HEVC, *AAC, *FACTS, *FRONT)),
    ("hevc10.mp4", "MP4, HEVC 10 bit", "MP4（HEVC 10 位）", both("-pix_fmt", "yuv420p10le", *HEVC, *AAC, *FACTS, *FRONT)),
    ("fragments.mp4", "MP4 in fragments", "分片 MP4", both(*H264, *AAC, *FACTS, *FRAGMENTS)),
    ("noindex.mp4", "MP4 without its index (moov)", "缺索引（moov）的 MP4", without_index),
    ("mjpeg.avi", "AVI, MJPEG and PCM", "AVI（MJPEG、PCM）", both("-c:v", "mjpeg", "-c:a", "pcm_s16le", *DATE)),
    ("h264.avi", "AVI, H.264 and PCM", "AVI（H.264、PCM）", both(*H264, "-bf", "0", "-c:a", "pcm_s16le", *DATE)),
    ("h264.ts", "MPEG-TS", "MPEG-TS", both(*H264, *AAC)),
    ("bluray.m2ts", "M2TS (AVCHD), AC-3", "M2TS（AVCHD、AC-3）", both(*H264, "-c:a", "ac3")),
    ("mpeg2.mpg", "MPEG-PS, MPEG-2", "MPEG-PS（MPEG-2）", lambda path: ffmpeg(*pictures(rate=25), *sound(), "-c:v", "mpeg2video", "-c:a", "mp2", path)),
    ("dahua.dav", "Dahua .dav", "大华 .dav", dahua),
    ("phone.3gp", "3GP, H.263 and AMR", "3GP（H.263、AMR）", phone),
    ("h264.mkv", "Matroska, H.264", "Matroska（H.264）", both(*H264, *AAC, *FACTS[:2])),
    ("vp8.webm", "WebM, VP8 and Opus", "WebM（VP8、Opus）", both("-c:v", "libvpx", "-deadline", "realtime", "-c:a", "libopus", *FACTS[:2])),
    ("h264.flv", "FLV", "FLV", both(*H264, *AAC)),
    ("windows.wmv", "ASF, WMV", "ASF、WMV", both("-c:v", "wmv2", "-c:a", "wmav2", *FACTS[:2])),
    ("mpeg2.mxf", "MXF, MPEG-2 and PCM", "MXF（MPEG-2、PCM）",
     lambda path: ffmpeg(*pictures(rate=25), *sound(), "-c:v", "mpeg2video", "-c:a", "pcm_s16le", *FACTS[:2], path)),
    ("bwf.wav", "WAV, BWF", "WAV、BWF", alone(*BEXT)),
    ("narrow.amr", "AMR-NB", "AMR-NB", amr),
    ("wide.amr", "AMR-WB", "AMR-WB", amr_wide),
    ("sound.mp3", "MP3", "MP3", alone(*DATE)),
    ("sound.aac", "AAC (ADTS)", "AAC（ADTS）", alone()),
    ("sound.flac", "FLAC", "FLAC", alone(*DATE)),
    ("sound.ogg", "OGG, Opus", "OGG（Opus）", alone("-c:a", "libopus", *DATE)),
    ("voice.m4a", "MP4 with sound only", "仅声音的 MP4", alone(*AAC, *FACTS, *FRONT)),
    ("camera.jpg", "JPEG", "JPEG", camera_photo),
    ("plain.png", "PNG", "PNG", photo),
    ("phone.heic", "HEIC", "HEIC", heic),
    ("paper.pdf", "PDF", "PDF", document),
    ("uneven.mp4", "uneven picture rate", "可变帧率", uneven),
    ("turned.mp4", "turned by 90°", "旋转 90°", turned),
    ("silent.mp4", "pictures only", "仅画面", lambda path: ffmpeg(*pictures(), "-pix_fmt", "yuv420p", *H264, *FRONT, path)),
    ("mono.mp4", "mono", "单声道", both(*H264, *AAC, *FRONT, layout="mono")),
    ("surround.mp4", "5.1", "5.1 声道", both(*H264, *AAC, *FRONT, layout="5.1")),
    ("hours.mp4", "10 hours at 1 picture a second", "每秒 1 帧、长 10 小时", hours),
    ("large.mp4", "4K, HEVC 10 bit", "4K（HEVC 10 位）", large),
]

WORDS = {
    "head": (["Form", "What is played or shown", "Poster, strip", "Sound curve", "Facts found in it", "Cut off at 60 %"],
             ["格式", "播放或显示", "封面、缩略图条", "声音曲线", "从中读出的事实", "截断到 60 %"]),
    "remux": ("copied into MP4", "直接改装为 MP4"), "encoded": ("converted", "转码"), "salvaged": ("pictures, salvaged", "抢救出的画面"),
    "photo": ("two sizes, upright", "两种尺寸，已转正"), "pages": ("first pages", "前几页"), "nothing": ("nothing", "无"),
    "yes": ("yes", "有"), "no": ("–", "–"), "time": ("time", "时间"), "place": ("place", "地点"), "device": ("device", "设备"),
    "part": ("what is there; said", "显示现有部分，并注明"), "unsaid": ("what is there; looks whole", "显示现有部分，无从察觉"),
    "short": ("less than half; said", "不足一半，并注明"), "rescued": ("pictures, salvaged; said", "抢救出画面，并注明"), "none": ("nothing; said", "无，并注明"),
}


class Result:
    """What the programs made of a file: .answer, .how (of what is played or shown), .made (names), .seconds (of what is played)."""

    def __init__(self, build, path):
        self.still = path.suffix in (".heic", ".pdf")
        self.image = self.still or path.suffix in (".jpg", ".png")
        plan = PAGES if path.suffix == ".pdf" else PHOTO if self.image else PLAN
        self.verb = "pages" if path.suffix == ".pdf" else "photo" if self.still else "derive"
        self.go(build, path, plan)
        if not self.made and not self.image and self.answer["status"] == "damaged":
            self.go(build, path, plan, "salvage")

    def go(self, build, path, plan, verb=None):
        program = build / ("liuhen-stills" if self.still else "liuhen-media")
        with tempfile.TemporaryDirectory() as folder:
            outputs = [pathlib.Path(folder) / name for name in plan["files"]]
            done = run(program, path, verb or self.verb, plan, outputs, budget=20_000_000, threads=8, file_bytes=1 << 28, seconds=240)
            assert done.status == 0, f"{path.name}: ended with {done.status}"
            self.answer = json.loads(done.answer)
            self.made = {plan["files"][i] for i in done.outputs}
            how = {f["name"]: f.get("how") for f in self.answer.get("files", [])}
            self.how = ("pages" if path.suffix == ".pdf" else "photo") if self.image and self.made else how.get("proxy.mp4") or "nothing"
            self.seconds = length(outputs[0]) if "proxy.mp4" in self.made else 0


def length(path):
    out = subprocess.run(["ffprobe", "-v", "error", "-show_entries", "format=duration", "-of", "csv=p=0", path], capture_output=True, text=True, check=True)
    return float(out.stdout)


def facts(build, path):
    done = run(build / ("liuhen-stills" if path.suffix in (".heic", ".pdf") else "liuhen-media"), path)
    media = json.loads(done.answer)["media"]
    there = {"time": "started_usec" in media or "started_local" in media, "place": "gps" in media, "device": "device" in media}
    return [word for word, found in there.items() if found]


def cut(build, path, whole):
    data = path.read_bytes()
    part = path.with_name("cut-" + path.name)
    part.write_bytes(data[:len(data) * 3 // 5])
    result = Result(build, part)
    if not result.made:
        assert result.answer["status"] != "ok"
        return "none"
    if result.how == "salvaged":
        return "rescued"
    if result.answer["status"] == "ok":
        return "unsaid"
    return "part" if result.image or result.seconds >= 0.45 * whole.seconds else "short"


def row(build, folder, name, make):
    """Return: the words of each column but the first."""
    path = folder / name
    make(path)
    whole = Result(build, path)
    strip = "yes" if {"poster.jpg", "sprite.jpg", "sprite.vtt"} <= whole.made else "no"
    return [[whole.how], [strip], ["yes" if "peaks.json" in whole.made else "no"], facts(build, path) or ["no"], [cut(build, path, whole)]]


def tables(build, folder):
    """Return: the table in English and in Chinese."""
    rows = [(english, chinese, row(build, folder, name, make)) for name, english, chinese, make in FORMS]
    out = []
    for language, comma in ((0, ", "), (1, "、")):
        head = WORDS["head"][language]
        lines = [head, ["---"] * len(head)]
        lines += [[labels[language], *(comma.join(WORDS[w][language] for w in words) for words in labels[2])] for labels in rows]
        out.append("".join("| " + " | ".join(line) + " |\n" for line in lines))
    return out


def between(text):
    return text[text.index(BEGIN) + len(BEGIN):text.index(END)]


def main():
    build = pathlib.Path(os.environ.get("LIUHEN_BUILD", ROOT / "build/test")).resolve()
    with tempfile.TemporaryDirectory() as folder:
        for name, table in zip(("README.md", "README.zh-CN.md"), tables(build, pathlib.Path(folder))):
            path = ROOT / name
            text = path.read_text(encoding="utf-8")
            path.write_text(text.replace(BEGIN + between(text), BEGIN + table), encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
