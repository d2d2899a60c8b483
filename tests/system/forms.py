#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every form of recording that has to work, made here, given to the real locked programs, and what came of it as the table of the READMEs.

`make forms` writes the table between its markers in README.md and README.zh-CN.md; test_forms_table.py holds that it is true.
"""
import json
import os
import pathlib
import re
import shutil
import struct
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from typing import Callable

from media_worker import run

ROOT = pathlib.Path(__file__).resolve().parents[2]
READMES = {"en": ROOT / "README.md", "zh": ROOT / "README.zh-CN.md"}
BEGIN, END = "<!-- forms: made by `make forms` -->", "<!-- end of forms -->"
FILES = ["proxy.mp4", "poster.jpg", "sprite.jpg", "sprite.vtt", "peaks.json"]
PLAN = {"files": FILES, "threads": 2, "proxy": {"height": 480, "crf": 30, "preset": "ultrafast", "keyframe_msec": 2000, "remux": True},
        "poster": {"width": 320}, "sprite": {"width": 80, "tiles": 20, "least_msec": 1000}, "peaks": {"points": 200}}
PHOTO = {"files": ["photo-large.jpg", "photo-small.jpg"], "photo": {"large": 2048, "small": 320}}
PAGES = {"files": ["page-1.jpg", "page-2.jpg"], "pages": {"width": 400, "count": 2}}
SECONDS, CUT = 4, 0.6
SAID = ["-metadata", "creation_time=2026-03-02T01:02:03Z", "-metadata", "location=+41.2900+123.7600/", "-metadata", "make=Example",
        "-metadata", "model=DSJ-1"]


def ffmpeg(*arguments):
    subprocess.run(["ffmpeg", "-v", "error", "-y", *map(str, arguments)], check=True, stdin=subprocess.DEVNULL)


# ---- how each is made: a function of the path to write ----

def clip(video, audio, *more, size="160x120", rate=25, seconds=SECONDS, mono=True):
    """Pictures and sound by ffmpeg; video or audio None: without."""
    def write(path):
        given = ["-f", "lavfi", "-i", f"testsrc2=s={size}:r={rate}:d={seconds}"] if video else []
        if audio:
            given += ["-f", "lavfi", "-i", f"anoisesrc=r=16000:a=0.2:seed=7:d={seconds}"]
        coded = ["-c:v", *video.split(), "-pix_fmt", "yuv420p"] if video else []
        ffmpeg(*given, *coded, *(["-c:a", *audio.split(), *(["-ac", "1"] if mono else [])] if audio else []), *SAID, *more, path)
    return write


H264 = "libx264 -preset ultrafast -g 25"
HEVC = "libx265 -preset ultrafast -x265-params log-level=error:keyint=25"


def without_index(path):
    """MP4 whose moov was never written: the camera lost its power."""
    clip(H264 + " -x264-params repeat-headers=1", None)(path)
    data = bytearray(path.read_bytes())
    del data[data.index(b"moov") - 4:]
    path.write_bytes(data)


def turned(path):
    clip(H264, "aac")(path)
    whole = path.with_name("straight.mp4")
    path.rename(whole)
    ffmpeg("-i", whole, "-c", "copy", "-metadata:s:v", "rotate=90", *SAID, "-movflags", "use_metadata_tags", path)
    whole.unlink()


def uneven(path):
    """A picture a second, then 25."""
    ffmpeg("-f", "lavfi", "-i", f"testsrc2=s=160x120:r=25:d={SECONDS},select='gt(t,2)+not(mod(n,25))'", "-fps_mode", "vfr", "-c:v", *H264.split(), *SAID, path)


def dahua(path):
    """Frames of DHAV around H.264: header with the recorder's time, extension with coding and size at key pictures, length again at the end."""
    stream = path.with_name("dahua.h264")
    ffmpeg("-f", "lavfi", "-i", f"testsrc2=s=160x120:r=25:d={SECONDS}", "-c:v", *H264.split(), "-bsf:v", "h264_metadata=aud=insert", stream)
    data, out = stream.read_bytes(), b""
    stream.unlink()
    units = [b"\0\0\0\1\x09" + unit for unit in data.split(b"\0\0\0\1\x09")[1:]]
    for i, unit in enumerate(units):
        key = i % 25 == 0
        extension = struct.pack("<4B4xHH", 0x81, 0, 2, 25, 160, 120) if key else b""
        if key:
            extension = extension[:4] + struct.pack("<4BHH", 0x82, 0, 0, 0, 160, 120)
        date = 26 << 26 | 3 << 22 | 2 << 17 | 9 << 12 | 2 << 6 | 3 + i // 25
        length = 24 + len(extension) + len(unit) + 8
        header = struct.pack("<4s4BIIIH2B", b"DHAV", 0xFD if key else 0xFC, 0, 0, 0, i, length, date, i * 40 & 0xFFFF, len(extension), 0)
        out += header + extension + unit + struct.pack("<4sI", b"dhav", length)
    path.write_bytes(out)


def amr(path):
    """AMR narrow band, 12.2 kbit/s (RFC 4867, 5.3): ffmpeg of Debian can read but not write it."""
    path.write_bytes(b"#!AMR\n" + b"".join(b"\x3c" + bytes((i * 37 + k * 11) & 255 for k in range(31)) for i in range(50 * SECONDS)))


def exif_of(jpeg):
    """The JPEG with EXIF: make, model, a time with its zone, a place (CIPA DC-008)."""
    def entries(rows, at):
        head, rest = struct.pack(">H", len(rows)), b""
        at += 2 + 12 * len(rows) + 4
        for tag, kind, count, value in rows:
            if len(value) > 4:
                head += struct.pack(">HHII", tag, kind, count, at + len(rest))
                rest += value
            else:
                head += struct.pack(">HHI", tag, kind, count) + value.ljust(4, b"\0")
        return head + b"\0\0\0\0" + rest

    def text(tag, value):
        value = value.encode() + b"\0"
        return tag, 2, len(value), value

    def degrees(tag, d, m):
        return tag, 5, 3, struct.pack(">6I", d, 1, m, 1, 0, 1)

    detail = [text(0x9003, "2026:03:02 09:02:03"), text(0x9011, "+08:00")]
    place = [text(1, "N"), degrees(2, 41, 17), text(3, "E"), degrees(4, 123, 46)]
    top = [text(0x10F, "Example"), text(0x110, "DSJ-1")]
    size = len(entries(top + [(0x8769, 4, 1, b"\0" * 4), (0x8825, 4, 1, b"\0" * 4)], 8))
    second = entries(detail, 8 + size)
    links = [(0x8769, 4, 1, struct.pack(">I", 8 + size)), (0x8825, 4, 1, struct.pack(">I", 8 + size + len(second)))]
    body = b"Exif\0\0MM\0*\0\0\0\x08" + entries(top + links, 8) + second + entries(place, 8 + size + len(second))
    return jpeg[:2] + b"\xff\xe1" + struct.pack(">H", len(body) + 2) + body + jpeg[2:]


def photo(*arguments):
    def write(path):
        ffmpeg("-f", "lavfi", "-i", "testsrc2=s=640x480:d=1,noise=alls=40", "-frames:v", "1", *arguments, path)
        if path.suffix == ".jpg":
            path.write_bytes(exif_of(path.read_bytes()))
    return write


def heic(path):
    picture = path.with_suffix(".jpg")
    photo("-q:v", "3")(picture)
    subprocess.run(["heif-enc", "-q", "50", "-o", str(path), str(picture)], check=True, capture_output=True)
    picture.unlink()


def document(path):
    """Two pages, with a table of objects at the end."""
    drawing, out, places = "1 0 0 rg 0 50 100 50 re f 0 0 1 rg 100 0 100 50 re f", b"%PDF-1.7\n", []
    objects = ["<</Type/Catalog/Pages 2 0 R>>", "<</Type/Pages/Count 2/Kids[3 0 R 4 0 R]>>"]
    objects += ["<</Type/Page/Parent 2 0 R/MediaBox[0 0 200 100]/Contents 5 0 R>>"] * 2
    objects += [f"<</Length {len(drawing)}>>stream\n{drawing}\nendstream"]
    for i, body in enumerate(objects):
        places.append(len(out))
        out += f"{i + 1} 0 obj{body}endobj\n".encode()
    at = len(out)
    out += f"xref\n0 {len(places) + 1}\n0000000000 65535 f \n".encode() + b"".join(b"%010d 00000 n \n" % p for p in places)
    path.write_bytes(out + f"trailer<</Size {len(places) + 1}/Root 1 0 R>>\nstartxref\n{at}\n%%EOF\n".encode())


@dataclass
class Form:
    en: str
    zh: str
    name: str
    write: Callable
    needs: str = ""


FORMS = [
    Form("MP4, H.264 and AAC", "MP4（H.264、AAC）", "a.mp4", clip(H264, "aac", "-movflags", "use_metadata_tags")),
    Form("the same, index in front", "同上，索引在前", "front.mp4", clip(H264, "aac", "-movflags", "faststart+use_metadata_tags")),
    Form("MP4, fragmented", "MP4（分段）", "fragments.mp4", clip(H264, "aac", "-movflags", "frag_keyframe+empty_moov+default_base_moof")),
    Form("MP4 without an index (power lost)", "MP4（断电，无索引）", "lost.mp4", without_index),
    Form("MP4, HEVC", "MP4（HEVC）", "hevc.mp4", clip(HEVC, "aac", "-movflags", "use_metadata_tags")),
    Form("MOV, HEVC 10 bit, PCM", "MOV（HEVC 10 位、PCM）", "ten.mov", clip(HEVC, "pcm_s16le", "-pix_fmt", "yuv420p10le")),
    Form("MP4, 4K HEVC", "MP4（4K HEVC）", "large.mp4", clip(HEVC, None, size="3840x2160", rate=5, seconds=2)),
    Form("MP4, turned by 90°", "MP4（旋转 90°）", "turned.mp4", turned),
    Form("MP4, pictures at uneven times", "MP4（可变帧率）", "uneven.mp4", uneven),
    Form("MP4 without sound", "MP4（无声）", "silent.mp4", clip(H264, None)),
    Form("CCTV, a picture a second", "监控（每秒 1 帧）", "slow.mp4", clip("libx264 -preset ultrafast -g 5", None, rate=1, seconds=30)),
    Form("CCTV, 10 hours, a picture a second", "监控（10 小时，每秒 1 帧）", "long.mp4", clip("libx264 -preset ultrafast -g 60", None, size="32x32", rate=1, seconds=36000)),
    Form("AVI, MJPEG and PCM", "AVI（MJPEG、PCM）", "mjpeg.avi", clip("mjpeg", "pcm_s16le")),
    Form("AVI, H.264 and MP3", "AVI（H.264、MP3）", "h264.avi", clip(H264 + " -bf 0", "libmp3lame")),
    Form("MPEG-TS", "MPEG-TS", "a.ts", clip(H264, "aac")),
    Form("M2TS, AC-3 5.1", "M2TS（AC-3 5.1）", "a.m2ts", clip(H264, "ac3 -ac 6 -ar 48000", "-mpegts_m2ts_mode", "1", mono=False)),
    Form("MPEG-PS, MPEG-2", "MPEG-PS（MPEG-2）", "a.mpg", clip("mpeg2video -g 12", "mp2")),
    Form("Dahua .dav", "大华 .dav", "a.dav", dahua),
    Form("3GP, MPEG-4", "3GP（MPEG-4）", "a.3gp", clip("mpeg4", "aac")),
    Form("Matroska, H.264 and G.711", "Matroska（H.264、G.711）", "a.mkv", clip(H264, "pcm_mulaw")),
    Form("WebM, VP8 and Opus", "WebM（VP8、Opus）", "a.webm", clip("libvpx -deadline realtime -cpu-used 8 -g 25", "libopus")),
    Form("FLV", "FLV", "a.flv", clip(H264, "aac -ar 44100")),
    Form("ASF, WMV", "ASF、WMV", "a.wmv", clip("wmv2", "wmav2")),
    Form("MXF, MPEG-2", "MXF（MPEG-2）", "a.mxf", clip("mpeg2video -g 12", "pcm_s16le -ar 48000", mono=False)),
    Form("WAV", "WAV", "a.wav", clip(None, "pcm_s16le")),
    Form("BWF", "BWF", "bwf.wav", clip(None, "pcm_s16le", "-write_bext", "1", "-metadata", "origination_date=2026-03-02", "-metadata",
                                       "origination_time=09:02:03")),
    Form("AMR", "AMR", "a.amr", amr),
    Form("MP3", "MP3", "a.mp3", clip(None, "libmp3lame")),
    Form("AAC", "AAC", "a.aac", clip(None, "aac")),
    Form("M4A, AAC", "M4A（AAC）", "a.m4a", clip(None, "aac")),
    Form("FLAC", "FLAC", "a.flac", clip(None, "flac")),
    Form("Ogg, Opus", "Ogg（Opus）", "a.ogg", clip(None, "libopus")),
    Form("JPEG", "JPEG", "a.jpg", photo("-q:v", "3")),
    Form("PNG", "PNG", "a.png", photo()),
    Form("HEIC", "HEIC", "a.heic", heic, needs="heif-enc"),
    Form("PDF", "PDF", "a.pdf", document),
]


# ---- what comes of one ----

def words(lang, en, zh):
    return en if lang == "en" else zh


WORDS = {
    "remux": ("as it is", "原样播放"), "encoded": ("converted", "转换后播放"), "salvaged": ("salvaged, without sound", "抢救后播放，无声"),
    "photo": ("in two sizes", "两种尺寸"), "pages": ("pages as pictures", "页面图像"), "poster": ("poster", "封面"), "strip": ("strip", "缩略条"),
    "yes": ("yes", "有"), "none": ("–", "–"), "time": ("time", "时间"), "place": ("place", "地点"), "device": ("device", "设备"),
    "to the cut": ("shown up to the cut", "可看至截断处"), "part": ("its beginning is shown", "可看开头部分"), "nothing": ("nothing; says why", "不可看，说明原因"),
    "unsaid": (", not known to be cut", "，无法得知被截断"),
}


class Result:
    """What the programs make of a file: .status, .how (of what is played, or photo, pages, None), .files made, .facts, .seconds played."""

    def __init__(self, build, path, folder):
        probed = run(build / "liuhen-media", path)
        elsewhere = probed.elsewhere
        if elsewhere:
            probed = run(build / "liuhen-stills", path)
        answer = json.loads(probed.answer)
        media, kind = answer.get("media", {}), answer.get("kind")
        self.facts = [w for w, known in (("time", "started_source" in media), ("place", "gps" in media), ("device", "device" in media)) if known]
        program, verb, plan = "liuhen-media", "derive", PLAN
        if kind == "photo":
            program, verb, plan = ("liuhen-stills", "photo", PHOTO) if elsewhere else ("liuhen-media", "derive", PHOTO)
        elif kind == "document":
            program, verb, plan = "liuhen-stills", "pages", PAGES
        names = plan["files"]
        for verb in [verb, "salvage"] if kind == "video" else [verb]:  # as the daemon does
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir()
            r = run(build / program, path, verb, plan, [folder / n for n in names], threads=8, file_bytes=1 << 30, seconds=240, cpu=240, memory=3 << 30)
            if r.status != 0:
                raise AssertionError(f"{path.name}: {program} ended with {r.status}")
            answer = json.loads(r.answer)
            if r.outputs or answer["status"] == "ok":
                break
        self.status = "damaged" if "damaged" in (answer["status"], json.loads(probed.answer)["status"]) else answer["status"]
        self.message = answer.get("message", "")
        self.made = {names[i] for i in r.outputs}
        hows = {f["name"]: f.get("how") for f in answer.get("files", [])}
        self.how = {"photo": "photo", "document": "pages"}.get(kind) if self.made else None
        self.seconds = 0.0
        if "proxy.mp4" in self.made:
            self.how = hows["proxy.mp4"]
            said = subprocess.run(["ffprobe", "-v", "error", "-show_entries", "format=duration", "-of", "csv=p=0", str(folder / "proxy.mp4")],
                                  capture_output=True, text=True, check=True).stdout
            self.seconds = float(said)
        self.pixels = sum((folder / n).stat().st_size for n in self.made)


def cut_says(whole, cut):
    """How far a cut file is shown, and whether it is known to be cut."""
    unsaid = cut.status == "ok"
    if not cut.how:
        return ["nothing"]
    if cut.how == "salvaged" or not whole.seconds:
        far = ["salvaged"] if cut.how == "salvaged" else ["part"]
    else:
        far = ["to the cut" if cut.seconds >= 0.8 * CUT * whole.seconds else "part"]
    return far + (["unsaid"] if unsaid else [])


def cells(build, form, folder):
    path = folder / form.name
    form.write(path)
    whole = Result(build, path, folder / "out")
    if not whole.how or (whole.status != "ok" and whole.how != "salvaged"):
        raise AssertionError(f"{form.en}: {whole.status}, {whole.message or 'nothing was made of it'}")
    data = path.read_bytes()
    at = int(len(data) * CUT)
    path.write_bytes(data[:at - (at % 188 == 0)])  # never between two packets of a transport stream by chance
    cut = Result(build, path, folder / "out")
    path.unlink()
    seen = [w for w, file in (("poster", "poster.jpg"), ("strip", "sprite.vtt")) if file in whole.made]
    return [[whole.how], seen, ["yes"] if "peaks.json" in whole.made else [], whole.facts, cut_says(whole, cut)]


def cell(lang, parts):
    text = ""
    for p in parts or ["none"]:
        said = words(lang, *WORDS[p])
        text += said if p == "unsaid" or not text else words(lang, ", ", "、") + said
    return text


HEAD = {"en": ["form", "is played", "seen", "sound curve", "read from the file¹", f"cut off at {CUT * 100:.0f} %"],
        "zh": ["形式", "播放", "画面", "声音曲线", "从文件读出¹", f"截断于 {CUT * 100:.0f} %"]}


def tables(build, forms=None):
    """{"en", "zh": the table's lines}."""
    with tempfile.TemporaryDirectory() as folder:
        rows = [(f, cells(build, f, pathlib.Path(folder))) for f in forms or FORMS]
    return {lang: [f"| {' | '.join(HEAD[lang])} |", "|---" * len(HEAD[lang]) + "|"] +
                  [f"| {words(lang, f.en, f.zh)} | {' | '.join(cell(lang, c) for c in found)} |" for f, found in rows] for lang in READMES}


def between(lang):
    """The lines of the table as they stand in a README."""
    text = READMES[lang].read_text(encoding="utf-8")
    return re.search(re.escape(BEGIN) + r"\n(.*?)\n" + re.escape(END), text, re.S).group(1).strip().splitlines()


def main():
    build = ROOT / os.environ.get("LIUHEN_BUILD", "build/release")
    for lang, lines in tables(build.resolve()).items():
        text = READMES[lang].read_text(encoding="utf-8")
        head, rest = text.split(BEGIN, 1)
        READMES[lang].write_text(f"{head}{BEGIN}\n\n" + "\n".join(lines) + f"\n\n{END}{rest.split(END, 1)[1]}", encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
