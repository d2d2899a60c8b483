# SPDX-License-Identifier: GPL-3.0-or-later
"""When, where and with what a recording was made, beside what exiftool and ffprobe found in the shared samples (MANIFEST.tsv, metadata_seen);
and the same facts of files made here, where there are no samples."""
import csv
import datetime
import json
import re
import shutil
import subprocess
import zlib

import h264_ts
import pytest
from media_worker import run

TIMES = ("creation_time", "CreateDate", "DateTimeOriginal", "CreationDate", "GPSDateTime", "com.apple.quicktime.creationdate")

# What others find and we do not say, and why not. path: {field: reason}
EXCEPTIONS = {
    "audio/wav_gsm610.wav": {"DateTimeOriginal": "a year alone is no time"},
    "odd/duplicate_of_wav_gsm610.wav": {"DateTimeOriginal": "a year alone is no time"},
    "audio/bwf_bext_reaper_24bit.wav": {"creation_time": "a time of day: said together with its date"},
    "audio/bwf_protools_issue1163.bwf": {"creation_time": "a time of day: said together with its date"},
    "broken/heic_truncated_30pct.heic": {"*": "its EXIF lies beyond the cut; exiftool reads the item's bytes as they come"},
    "photo_jpeg/date_priority.jpg": {"CreationDate": "XMP (pdf), which is of documents"},
    "ts/camcorder_avchd_raw.mts": {"Make": "a number of AVCHD's own table of makers",
                                   "DateTimeOriginal": "+00:00 is what camcorders write that know no zone: said as a wall clock"},
}


def seconds(text):
    """("usec", s) of a time with a zone, ("local", s) of one without."""
    m = re.match(r"(\d{4})[:-](\d\d)[:-](\d\d)[ T](\d\d):(\d\d)(?::(\d\d))?(?:\.\d+)?(Z|[+-]\d\d:?\d\d)?$", text)
    if not m:
        return None
    whole = datetime.datetime(*(int(x or 0) for x in m.groups()[:6]), tzinfo=datetime.timezone.utc).timestamp()
    zone = m[7]
    if zone and zone != "Z":
        digits = zone[1:].replace(":", "")
        whole -= (1 if zone[0] == "+" else -1) * (int(digits[:2]) * 3600 + int(digits[2:]) * 60)
    return whole, bool(zone)


def said(media):
    """Our times: seconds of UTC, seconds of wall clocks."""
    all_times = [*media.get("times", []), {"usec": media.get("started_usec"), "local": media.get("started_local")}]
    utc = {t["usec"] // 10**6 for t in all_times if t.get("usec") is not None}
    return utc, {seconds(t["local"])[0] for t in all_times if t.get("local")}


def fields(text):
    return [tuple(x.strip().split("=", 1)) for part in text.split(" | ") for x in part.removeprefix("exiftool: ").split("; ") if "=" in x]


def differs(media, key, value):
    """What is wrong about one field; None: nothing. Times of MP4 are called local by exiftool, and are UTC by the standard."""
    gps, device, (utc, local) = media.get("gps", {}), media.get("device", {}), said(media)
    if key in TIMES:
        t = seconds(value)
        return None if t and (t[0] in utc or (not t[1] and t[0] in local) or
                              (key == "GPSDateTime" and int(t[0]) in utc)) else f"not among {sorted(utc)} {sorted(local)}"
    if key in ("GPSLatitude", "GPSLongitude"):
        ours = gps.get("lat_e7" if key == "GPSLatitude" else "lon_e7")
        if ours is None:
            return None if float(value) == 0 else "no place"
        return None if abs(ours - float(value) * 1e7) < 150 else f"is {ours}"
    ours = {"Make": device.get("make"), "Model": device.get("model"), "SerialNumber": device.get("serial")}
    return f"is {ours[key]}" if key in ours and ours[key] != value else None


def test_samples_as_others_see_them(build, samples):
    """Every time, place, make, model and serial number, but for exceptions with a reason; and no exception that is none any more."""
    wrong, needless, compared = [], [], 0
    with open(samples / "MANIFEST.tsv", newline="", encoding="utf-8") as f:
        rows = [r for r in csv.DictReader(f, delimiter="\t", quoting=csv.QUOTE_NONE) if r["metadata_seen"]]
    for row in rows:
        path, excused, used = row["path"], EXCEPTIONS.get(row["path"], {}), set()
        done = run(build / "liuhen-media", samples / path)
        done = run(build / "liuhen-stills", samples / path) if done.elsewhere else done
        media = json.loads(done.answer)["media"]
        found = fields(row["metadata_seen"])
        zone = dict(found).get("OffsetTimeOriginal", "")
        for key, value in found:
            compared += 1
            if key in ("DateTimeOriginal", "CreateDate"):
                value += zone  # told apart from it by exiftool
            fault = differs(media, key, value)
            if fault and (key in excused or "*" in excused):
                used.add(key if key in excused else "*")
            elif fault:
                wrong.append(f"{path}: {key} {value}: {fault}")
        needless += [f"{path}: {key}" for key in excused if key not in used]
    assert not wrong, "\n".join(wrong)
    assert not needless, needless
    assert compared > 150


# ---- without samples ----

@pytest.fixture(name="made")
def fixture_made(build, tmp_path):
    """made("x.mp4", ffmpeg's arguments): what probing finds."""
    def make(name, *arguments, picture=True):
        source = ["-f", "lavfi", "-i", "testsrc2=s=64x64:r=10:d=1" if picture else "sine=d=1"]
        subprocess.run(["ffmpeg", "-v", "error", "-y", *source, *arguments, tmp_path / name], check=True)
        return json.loads(run(build / "liuhen-media", tmp_path / name).answer)["media"]
    return make


def test_time_and_place_of_mp4(made):
    m = made("a.mp4", "-metadata", "creation_time=2026-11-23T01:02:03Z", "-metadata", "location=+41.2000+123.7000/")
    assert (m["started_usec"], m["started_certainty"]) == (1795395723_000000, "probable")
    assert m["started_source"] == "container creation_time"
    assert (m["gps"]["lat_e7"], m["gps"]["lon_e7"]) == (412000000, 1237000000)


def test_time_place_and_device_of_quicktime(made):
    m = made("a.mov", "-movflags", "use_metadata_tags", "-metadata", "creation_time=2026-11-24T00:00:00Z", "-metadata",
             "com.apple.quicktime.creationdate=2026-11-23T09:02:03+0800", "-metadata", "com.apple.quicktime.make=Apple", "-metadata",
             "com.apple.quicktime.model=iPhone X", "-metadata", "com.apple.quicktime.location.ISO6709=-41.2000-123.7000+010.500/")
    assert (m["started_usec"], m["started_certainty"], m["started_source"]) == (1795395723_000000, "certain", "quicktime creationdate")
    assert m["device"] == {"make": "Apple", "model": "iPhone X"}
    assert m["gps"] == {"lat_e7": -412000000, "lon_e7": -1237000000, "alt_mm": 10500}


def test_null_island_is_no_place(made):
    assert "gps" not in made("a.mp4", "-metadata", "location=+00.0000+000.0000/")


def test_kinesis_time(made):
    m = made("a.mkv", "-metadata", "AWS_KINESISVIDEO_PRODUCER_TIMESTAMP=1511852108.513")
    assert (m["started_usec"], m["started_source"]) == (1511852108_513000, "kinesis producer timestamp")


def test_bext_time_is_a_wall_clock(made):
    m = made("a.wav", "-write_bext", "1", "-metadata", "origination_date=2026-11-23", "-metadata", "origination_time=09:02:03", picture=False)
    assert (m["started_local"], m["started_source"]) == ("2026-11-23T09:02:03", "bext")


def test_android_date_in_udta(made, tmp_path, build):
    """A "date" box in udta, put in behind the others: what Android phones write with their zone."""
    made("a.mp4", "-metadata", "creation_time=2026-11-23T01:02:05Z", "-metadata", "location=+41.2000+123.7000/")
    data = (tmp_path / "a.mp4").read_bytes()
    box = b"2026-11-23T09:02:03+0800"
    box = (8 + len(box)).to_bytes(4, "big") + b"date" + box
    moov, udta = data.rindex(b"moov") - 4, data.rindex(b"udta") - 4
    assert moov < udta and udta + int.from_bytes(data[udta:udta + 4], "big") == len(data)  # both reach the end
    for at in (moov, udta):
        data = data[:at] + (int.from_bytes(data[at:at + 4], "big") + len(box)).to_bytes(4, "big") + data[at + 4:]
    (tmp_path / "b.mp4").write_bytes(data + box)
    m = json.loads(run(build / "liuhen-media", tmp_path / "b.mp4").answer)["media"]
    assert (m["started_usec"], m["started_source"], m["started_certainty"]) == (1795395723_000000, "udta date", "certain")


MDPM = bytes.fromhex("17ee8c60f84d11d98cd60800200c9a66") + b"MDPM"
TIME = [b"\x18\x10\x20\x26\x11", b"\x19\x23\x09\x02\x03"]  # zone + 8 h, 20 26-11 · 23 09:02:03
PLACE = [b"\xb1S\0\0\0", b"\xb2\0\x29\0\1", b"\xb3\0\x0c\0\1", b"\xb4\0\0\0\1", b"\xb5E\0\0\0", b"\xb6\0\x7b\0\1", b"\xb7\0\x2a\0\1",
         b"\xb8\0\0\0\1", b"\xb9\0\0\0\1", b"\xba\0\x15\0\2"]
SONY = [b"\xe0\x01\x08\x30\x01", b"\xe4HDR-", b"\xe5CX\x1b5", b"\xe650\0\0"]


@pytest.mark.parametrize("packs, count, expected", [
    ([*TIME, *PLACE, *SONY], None, {"started_usec": 1795395723_000000, "started_source": "avchd recording time", "started_certainty": "certain",
                                    "gps": {"lat_e7": -412000000, "lon_e7": 1237000000, "alt_mm": -10500},
                                    "device": {"make": "Sony", "model": "HDR-CX 550"}}),
    ([b"\x18\x00" + TIME[0][2:], TIME[1]], None, {"started_local": "2026-11-23T09:02:03", "started_certainty": "probable"}),     # no zone
    ([b"\x18\x50" + TIME[0][2:], TIME[1]], None, {"started_local": "2026-11-23T09:02:03", "started_certainty": "probable"}),     # summer time
    ([b"\x18\x27" + TIME[0][2:], TIME[1]], None, {"started_usec": 1795395723_000000 + 41400_000000}),                            # - 3:30
    ([b"\x18\x10\xff\xff\xff", b"\x19\xff\xff\xff\xff", *PLACE, b"\xbeV\0\0\0"], None, {}),                               # nothing known
    ([b"\x18\x10\x20\x26\x1a", TIME[1], *PLACE[:3], b"\xb4\0\0\0\0", *PLACE[4:], b"\xe0\xff\xff\0\0", *SONY[1:]], None, {}),    # none of these is true
    ([b"\xb1N\0\0\0", b"\xb2\0\x5b\0\1", *PLACE[2:]], None, {}),                                                          # 91° north
    (TIME, 255, {"started_usec": 1795395723_000000}),                                                                      # more than there are
    (TIME, 1, {}),
])
def test_avchd_says_when_and_where(build, tmp_path, packs, count, expected):
    """In an SEI message of the first picture, with emulation prevention as everything between pictures."""
    payload = MDPM + bytes([len(packs) if count is None else count]) + b"".join(packs)
    escaped = re.sub(b"\0\0(?=[\0-\3])", b"\0\0\3", payload)
    sei = b"\0\0\0\1\x06\x05" + bytes([len(payload)]) + escaped + b"\x80"
    clip = tmp_path / "camcorder.ts"
    clip.write_bytes(h264_ts.transport_stream([(9000 + t, u) for t, u in h264_ts.fields(20, sei=lambda n: sei if n < 10 else b"")]))
    media = json.loads(run(build / "liuhen-media", clip).answer)["media"]
    found = {k: v for k, v in media.items() if k.startswith("started") or k in ("gps", "device")}
    assert {k: found.get(k) for k in expected} == expected
    assert expected or not found


XMP_HEAD, PHOTOSHOP = b"http://ns.adobe.com/xap/1.0/\0", b"Photoshop 3.0\0"
ELEMENTS = """<x:xmpmeta><rdf:Description><exif:DateTimeOriginal> 2026-11-23T09:02:03+08:00\n</exif:DateTimeOriginal>
<exif:GPSLatitude>41,12,36N</exif:GPSLatitude><exif:GPSLongitude>123,42.6W</exif:GPSLongitude><exif:GPSAltitude>21/2</exif:GPSAltitude>
<exif:GPSAltitudeRef>1</exif:GPSAltitudeRef></rdf:Description></x:xmpmeta>"""
ATTRIBUTES = """<rdf:Description xmp:CreateDate="2026-11-23T09:02:03+08:00" tiff:Make='Canon' tiff:Model = "EOS" aux:SerialNumber="17"/>"""
SAID = {"started_usec": 1795395723_000000, "started_source": "xmp exif:DateTimeOriginal", "started_certainty": "probable",
        "gps": {"lat_e7": 412100000, "lon_e7": -1237100000, "alt_mm": -10500}}


def iptc(date, clock, before=b""):
    sets = before + b"\x1c\x02\x37" + len(date).to_bytes(2, "big") + date + b"\x1c\x02\x3c" + len(clock).to_bytes(2, "big") + clock
    return PHOTOSHOP + b"8BIM\x04\x25\x03odd" + b"\0\0\0\x01x\0" + b"8BIM\x04\x04\0\0" + len(sets).to_bytes(4, "big") + sets


def segments(*parts):
    return b"".join(b"\xff" + bytes([marker]) + (len(data) + 2).to_bytes(2, "big") + data for marker, data in parts)


def tiff(when):
    """EXIF with a DateTimeOriginal alone."""
    text = when.encode() + b"\0"
    return (b"Exif\0\0MM\0*\0\0\0\x08" + b"\0\x01" + b"\x87\x69\0\x04\0\0\0\x01\0\0\0\x1a" + b"\0\0\0\0"
            + b"\0\x01" + b"\x90\x03\0\x02" + len(text).to_bytes(4, "big") + b"\0\0\0\x2c" + b"\0\0\0\0" + text)


@pytest.mark.parametrize("parts, expected", [
    ([(0xE1, XMP_HEAD + ELEMENTS.encode())], SAID),
    ([(0xE1, XMP_HEAD + ATTRIBUTES.encode())], {"started_usec": 1795395723_000000, "started_certainty": "doubtful",
                                                "device": {"make": "Canon", "model": "EOS", "serial": "17"}}),
    ([(0xED, iptc(b"20261123", b"090203+0800"))], {"started_usec": 1795395723_000000, "started_source": "iptc DateCreated"}),
    ([(0xED, iptc(b"20261123", b"090203", b"\x1c\x02\x05\0\x04name"))], {"started_local": "2026-11-23T09:02:03"}),
    ([(0xE1, XMP_HEAD + ELEMENTS.encode()), (0xE1, tiff("2026:11:22 08:00:00"))], {"started_local": "2026-11-22T08:00:00", "gps": SAID["gps"]}),
    ([(0xED, iptc(b"20261123", b"\xff\xff\xff\xff\xff\xff"))], {}),
    ([(0xED, iptc(b"20261123", b"090203")[:-12])], {}),                                           # its length reaches beyond it
    ([(0xED, PHOTOSHOP + b"8BIM\x04\x04\xff\0\0\0\0\0\0\0")], {}),
    ([(0xE1, XMP_HEAD + b'<a exif:DateTimeOriginal="2026-11-23T09:02:03')], {}),                # no end
    ([(0xE1, XMP_HEAD + b'<a xexif:DateTimeOriginal="2026-11-23T09:02:03"/>')], {}),            # another name
    ([(0xE1, XMP_HEAD + b'<exif:GPSLatitude>95,0,0N</exif:GPSLatitude><exif:GPSLongitude>1,0,0E<')], {}),
    ([(0xE1, XMP_HEAD + b'<exif:GPSLatitude>NaN,0,0N</exif:GPSLatitude><exif:GPSLongitude>1,0,0E<')], {}),
    ([(0xE1, XMP_HEAD + b'<exif:GPSLatitude>0,0,0N</exif:GPSLatitude><exif:GPSLongitude>0,0,0E<')], {}),
    ([(0xE1, XMP_HEAD + b'<a tiff:Make="&#27;[2J" tiff:Model="' + b"x" * 5000 + b'"/>')], {}),
])
def test_photos_whose_exif_lacks_it(build, tmp_path, parts, expected):
    """XMP and IPTC, which say less surely than EXIF, wherever they stand."""
    photo = tmp_path / "a.jpg"
    subprocess.run(["ffmpeg", "-v", "error", "-f", "lavfi", "-i", "testsrc2=s=64x64", "-frames:v", "1", photo], check=True)
    photo.write_bytes(photo.read_bytes()[:2] + segments(*parts) + photo.read_bytes()[2:])
    answer = json.loads(run(build / "liuhen-media", photo).answer)
    media = answer["media"]
    found = {k: v for k, v in media.items() if k.startswith("started") or k in ("gps", "device")}
    assert {k: found.get(k) for k in expected} == expected
    assert answer["status"] == "ok" and (expected or not found)


def test_xmp_of_png(build, tmp_path):
    photo = tmp_path / "a.png"
    subprocess.run(["ffmpeg", "-v", "error", "-f", "lavfi", "-i", "testsrc2=s=64x64", "-frames:v", "1", photo], check=True)
    chunk = b"iTXtXML:com.adobe.xmp\0\0\0\0\0" + ELEMENTS.encode()
    data = photo.read_bytes()
    photo.write_bytes(data[:33] + (len(chunk) - 4).to_bytes(4, "big") + chunk + zlib.crc32(chunk).to_bytes(4, "big") + data[33:])
    media = json.loads(run(build / "liuhen-media", photo).answer)["media"]
    assert {k: media.get(k) for k in SAID} == SAID and "damage" not in media


def test_xmp_of_heic(build, tmp_path):
    if not shutil.which("heif-enc"):
        pytest.skip("no heif-enc (libheif-examples)")
    photo = tmp_path / "a.jpg"
    subprocess.run(["ffmpeg", "-v", "error", "-f", "lavfi", "-i", "testsrc2=s=64x64", "-frames:v", "1", photo], check=True)
    data = photo.read_bytes()
    photo.write_bytes(data[:2] + segments((0xE1, XMP_HEAD + ELEMENTS.encode())) + data[2:])
    subprocess.run(["heif-enc", "-o", tmp_path / "a.heic", photo], check=True, capture_output=True)  # takes XMP along
    media = json.loads(run(build / "liuhen-stills", tmp_path / "a.heic").answer)["media"]
    assert {k: media.get(k) for k in SAID} == SAID
