# SPDX-License-Identifier: GPL-3.0-or-later
"""Files that are small and claim to be huge: each ends by itself, in bounded memory and processor time, with a reason. What is limited here is
the program's memory (the kernel holds it) and its processor seconds (likewise); nothing is measured by the clock."""
import json
import signal
import struct
import zlib

import pytest
from conftest import ROOT
from media_worker import run

MEMORY = 1 << 30
CPU = 20


def png(width, height, rows=b""):
    def chunk(kind, body):
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
    return (b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)) +
            chunk(b"IDAT", zlib.compress(rows or bytes(1 << 22), 9)) + chunk(b"IEND", b""))


def jpeg(width, height):
    """A baseline JPEG header of that size, all scan data zero."""
    def part(mark, body):
        return bytes([0xFF, mark]) + struct.pack(">H", len(body) + 2) + body
    table = bytes([0]) + bytes([0, 2] + [0] * 14) + bytes([0, 1])
    ac = bytes([0x10]) + bytes([0, 2] + [0] * 14) + bytes([0, 1])
    return (b"\xff\xd8" + part(0xE0, b"JFIF\0\1\1\0\0\1\0\1\0\0") + part(0xDB, bytes([0]) + bytes([1] * 64)) +
            part(0xC2, struct.pack(">BHHB", 8, height, width, 1) + bytes([1, 0x11, 0])) + part(0xC4, table) + part(0xC4, ac) +
            part(0xDA, bytes([1, 1, 0, 0, 0, 0])) + bytes(1 << 20) + b"\xff\xd9")


def box(kind, *parts):
    body = b"".join(parts)
    return struct.pack(">I", 8 + len(body)) + kind + body


def full(kind, *parts):
    return box(kind, bytes(4), *parts)


def track(number, samples, real=False):
    """A video track; its sample tables claim so many samples without having them (stsz with one size for all)."""
    matrix = struct.pack(">9i", 65536, 0, 0, 0, 65536, 0, 0, 0, 1 << 30)
    tkhd = box(b"tkhd", b"\0\0\0\7", struct.pack(">IIII", 0, 0, number, 0), struct.pack(">I", 1000), bytes(16), matrix,
               struct.pack(">II", 320 << 16, 240 << 16))
    entry = box(b"mjpg", bytes(6), struct.pack(">H", 1), bytes(16), struct.pack(">HH", 320, 240), struct.pack(">II", 72 << 16, 72 << 16),
                bytes(4), struct.pack(">H", 1), bytes(32), struct.pack(">Hh", 24, -1))
    stbl = box(b"stbl", full(b"stsd", struct.pack(">I", 1), entry), full(b"stts", struct.pack(">III", 1, samples, 1)),
               full(b"stsc", struct.pack(">IIII", 1, 1, samples, 1)), full(b"stsz", struct.pack(">II", 1, samples)),
               full(b"stco", struct.pack(">II", 1, 48)))
    minf = box(b"minf", full(b"vmhd", bytes(8)), box(b"dinf", full(b"dref", struct.pack(">I", 1), box(b"url ", b"\0\0\0\1"))), stbl)
    return box(b"trak", tkhd, box(b"mdia", full(b"mdhd", struct.pack(">IIIII", 0, 0, 1000, 1000, 0)),
                                  full(b"hdlr", bytes(4), b"vide", bytes(13)), minf))


def mp4(*tracks):
    mvhd = full(b"mvhd", struct.pack(">IIII", 0, 0, 1000, 1000), bytes(80))
    return box(b"ftyp", b"isom", bytes(4), b"isom") + box(b"mdat", bytes(1 << 16)) + box(b"moov", mvhd, *tracks)


def ts_of_streams(count):
    """Programs upon programs, each with streams of its own."""
    out = []
    for p in range(count // 40):
        entries = b"".join(struct.pack(">HHI", p * 40 + i & 0xFFFF, 0, 0)[:0] + bytes([0x1B, 0xE0 | (i + p * 40 >> 8 & 0x1F), i + p * 40 & 0xFF,
                                                                                       0xF0, 0]) for i in range(32))
        body = bytes([2, 0xB0, len(entries) + 13]) + struct.pack(">H", p & 0xFFFF) + bytes([0xC1, 0, 0, 0xE1, 0, 0xF0, 0]) + entries
        crc = 0xFFFFFFFF
        for b in body:
            crc ^= b << 24
            for _ in range(8):
                crc = (crc << 1 ^ (0x04C11DB7 if crc & 0x80000000 else 0)) & 0xFFFFFFFF
        packet = bytes([0x47, 0x50, 0x20 + p % 200, 0x10, 0]) + body + struct.pack(">I", crc)
        out.append(packet[:188].ljust(188, b"\xff"))
    return b"".join(out)


def mkv_of_tracks(count):
    def element(ident, body):
        return ident + struct.pack(">Q", 1 << 56 | len(body)) + body
    one = b"".join([element(b"\xd7", b"\1"), element(b"\x73\xc5", b"\1"), element(b"\x83", b"\1"), element(b"\x86", b"V_MJPEG")])
    tracks = element(b"\xae", one) * count
    return (element(b"\x1a\x45\xdf\xa3", element(b"\x42\x82", b"matroska")) +
            element(b"\x18\x53\x80\x67", element(b"\x15\x49\xa9\x66", element(b"\x2a\xd7\xb1", b"\x0f\x42\x40")) + element(b"\x16\x54\xae\x6b", tracks)))


def pdf_of_pages(count):
    return (b"%PDF-1.4\n1 0 obj<</Type/Catalog/Pages 2 0 R>>endobj\n2 0 obj<</Type/Pages/Count " + str(count).encode() + b"/Kids[" +
            b"3 0 R " * min(count, 200000) + b"]>>endobj\n3 0 obj<</Type/Page/Parent 2 0 R/MediaBox[0 0 1e9 1e9]>>endobj\n"
            b"trailer<</Root 1 0 R>>\n%%EOF\n")


def png_of_texts(kind, head):
    """64 × 64 pixels, and texts of 7 MiB each that take 7 KiB: nobody wants them unfolded."""
    def chunk(name, body):
        return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))
    text = chunk(kind, head + zlib.compress(bytes(7 << 20), 9))
    return (b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", 64, 64, 8, 2, 0, 0, 0)) + text * 1500 +
            chunk(b"IDAT", zlib.compress(bytes(64 * 193))) + chunk(b"IEND", b""))


def avi_of_streams(count):
    def chunk(kind, body):
        return kind + struct.pack("<I", len(body)) + body
    one = chunk(b"LIST", b"strl" + chunk(b"strh", b"vidsMJPG" + bytes(48)) + chunk(b"strf", struct.pack("<IiiHH", 40, 320, 240, 1, 24) + bytes(24)))
    head = chunk(b"LIST", b"hdrl" + chunk(b"avih", struct.pack("<14I", 40000, 0, 0, 0, 10**9, 0, 9, 0, 320, 240, 0, 0, 0, 0)) + one * count)
    return chunk(b"RIFF", b"AVI " + head + chunk(b"LIST", b"movi" + bytes(1000)))


def pdf_without_table(page, *more):
    """No cross-reference and no startxref: poppler finds the objects itself."""
    objects = [b"<</Type/Catalog/Pages 2 0 R>>", b"<</Type/Pages/Count 1/Kids[3 0 R]>>", b"<</Type/Page/Parent 2 0 R" + page + b">>", *more]
    return (b"%PDF-1.5\n" + b"".join(b"%d 0 obj" % (i + 1) + o + b"endobj\n" for i, o in enumerate(objects)) +
            b"trailer<</Root 1 0 R>>\n%%EOF\n")


def stream(keys, data):
    return b"<</Length %d%s>>stream\n" % (len(data), keys) + data + b"\nendstream "


def forms(count):
    """Each drawing draws the next one twice."""
    return [stream(b"/Type/XObject/Subtype/Form/BBox[0 0 600 800]/Resources<</XObject<</A %d 0 R>>>>" % (6 + i), b"/A Do /A Do")
            for i in range(count)] + [stream(b"/Type/XObject/Subtype/Form/BBox[0 0 9 9]", b"0 0 9 9 re f")]


def bmp(width, height, rows=bytes(1 << 16)):
    return b"BM" + struct.pack("<IHHI", 62 + len(rows), 0, 0, 62) + struct.pack("<IiiHHIIiiII", 40, width, height, 1, 1, 0, 0, 0, 0, 2, 0) + bytes(8) + rows


def tiff(width, height):
    entries = [(256, 4, width), (257, 4, height), (258, 3, 8), (259, 3, 1), (262, 3, 1), (273, 4, 8), (278, 4, height), (279, 4, 100)]
    return b"II*\0\x08\0\0\0" + struct.pack("<H", len(entries)) + b"".join(struct.pack("<HHII", k, t, 1, v) for k, t, v in entries) + bytes(200)


def gif(width, height):
    return (b"GIF89a" + struct.pack("<HHBBB", width, height, 0x80, 0, 0) + bytes(6) + b"\x2c" + struct.pack("<HHHHB", 0, 0, width, height, 0) +
            b"\x02\x02\x4c\x01\x00\x3b")


def webp(width, height):
    """Lossless (RFC 9649 §3.4): one less than each side in 14 bits."""
    head = struct.pack("<BI", 0x2F, (width - 1) | (height - 1) << 14) + bytes(100)
    return b"RIFF" + struct.pack("<I", 12 + len(head) + (len(head) & 1)) + b"WEBPVP8L" + struct.pack("<I", len(head)) + head + bytes(len(head) & 1)


def heic(kind, side, said):
    """A grid or an overlay (ISO/IEC 23008-12 §6.6.2) of one picture, which is to be so large; ispe says something else."""
    whole = (ROOT / "tests/fuzz/corpus/heif/plain.heic").read_bytes()

    def of_whole(name):
        at = whole.index(name) - 4
        return whole[at:at + struct.unpack_from(">I", whole, at)[0]]
    data = of_whole(b"mdat")[8:]
    item = struct.pack(">BBBBII", 0, 1, 0, 0, side, side) if kind == b"grid" else struct.pack(">BB4HIIii", 0, 1, 0, 0, 0, 65535, side, side, 0, 0)
    ftyp = box(b"ftyp", b"heic", bytes(4), b"mif1heic")

    def entry(number, what, flags=0):
        return box(b"infe", struct.pack(">IHH", 2 << 24 | flags, number, 0), what, b"\0")

    def meta(at):
        places = b"".join(struct.pack(">HHIHII", n, 0, 0, 1, *where) for n, where in ((1, (at, len(item))), (2, (at + len(item), len(data)))))
        sizes = full(b"ispe", struct.pack(">II", 64, 64)), full(b"ispe", struct.pack(">II", said, said))
        return full(b"meta", full(b"hdlr", bytes(4), b"pict", bytes(13)), full(b"pitm", b"\0\1"), full(b"iloc", b"\x44\x40\0\2", places),
                    full(b"iinf", b"\0\2", entry(1, kind), entry(2, b"hvc1", 1)), full(b"iref", box(b"dimg", struct.pack(">HHH", 1, 1, 2))),
                    box(b"iprp", box(b"ipco", of_whole(b"hvcC"), *sizes), full(b"ipma", struct.pack(">I", 2), b"\0\1\1\3\0\2\2\x81\2")))
    return ftyp + meta(len(ftyp) + len(meta(0)) + 8) + box(b"mdat", item, data)


def test_a_heic_says_how_large_it_would_be(build, tmp_path):
    """Where the boxes show it at once, and where only putting together does."""
    for kind in (b"grid", b"iovl"):
        for side, said in ((100000, 100000), (100000, 64), (30000, 30000), (30000, 64)):
            (tmp_path / "wide.heic").write_bytes(heic(kind, side, said))
            (tmp_path / "photo-small.jpg").unlink(missing_ok=True)
            done = run(build / "liuhen-stills", tmp_path / "wide.heic", "photo", {"files": ["photo-small.jpg"], "photo": {"small": 320}},
                       [tmp_path / "photo-small.jpg"], memory=MEMORY, cpu=CPU, file_bytes=1 << 26, threads=3, seconds=120)
            assert done.status == 0 and f"{side} × {side} pixels are more than is taken into memory" in json.loads(done.answer)["message"]


MEDIA_BOX = b"/MediaBox[0 0 600 800]/Contents 4 0 R"
BOMBS = {
    "texts.png": lambda: png_of_texts(b"zTXt", b"k\0\0"),
    "words.png": lambda: png_of_texts(b"iTXt", b"k\0\1\0\0\0"),
    "empty_tracks.mp4": lambda: mp4(box(b"trak") * 10**6),
    "streams.avi": lambda: avi_of_streams(100000),
    "points.pdf": lambda: pdf_without_table(b"/MediaBox[0 0 1000000 1000000]/Contents 4 0 R", stream(b"", b"0 0 9 9 re f")),
    "unfold.pdf": lambda: pdf_without_table(MEDIA_BOX, stream(b"/Filter/FlateDecode", zlib.compress(bytes(1 << 28), 9))),
    "image.pdf": lambda: pdf_without_table(
        MEDIA_BOX + b"/Resources<</XObject<</A 5 0 R>>>>", stream(b"", b"600 0 0 800 0 0 cm /A Do"),
        stream(b"/Type/XObject/Subtype/Image/Width 100000/Height 100000/BitsPerComponent 8/ColorSpace/DeviceGray/Filter/FlateDecode",
               zlib.compress(bytes(1 << 26), 9))),
    "objects.pdf": lambda: pdf_without_table(MEDIA_BOX, stream(b"/Type/ObjStm/N 1000000/First 4000000/Extends 4 0 R/Filter/FlateDecode",
                                                              zlib.compress(b"5 0 " * 1000000 + b" 1", 9))),
    "wide.bmp": lambda: bmp(60000, 60000),
    "wide.tif": lambda: tiff(100000, 100000),
    "wide.gif": lambda: gif(65535, 65535),
    "wide.webp": lambda: webp(16384, 16384),
    "wide.png": lambda: png(65535, 65535),
    "wide.jpg": lambda: jpeg(65500, 65500),
    "frames.mp4": lambda: mp4(track(1, 10**9)),
    "tables.mp4": lambda: mp4(track(1, 2**32 - 1)),
    "tracks.mp4": lambda: mp4(*[track(i + 1, 1) for i in range(20000)]),
    "streams.ts": lambda: ts_of_streams(20000),
    "tracks.mkv": lambda: mkv_of_tracks(200000),
    "pages.pdf": lambda: pdf_of_pages(1000000),
}


@pytest.fixture(scope="module")
def bombs(tmp_path_factory):
    folder = tmp_path_factory.mktemp("bombs")
    for name, make in BOMBS.items():
        (folder / name).write_bytes(make())
    return folder


def ended_well(done):
    """By itself: an answer, or the exit that says that memory or room ran out; never a signal but the one for too much processor time."""
    return done.status in (0, 71, 74)


# what is said of those that are refused: a part of it
REASONS = {
    "wide.bmp": "60000 × 60000 pixels are more than is taken into memory",
    "wide.tif": "100000 × 100000 pixels are more than is taken into memory",
    "wide.gif": "65535 × 65535 pixels are more than is taken into memory",
    "wide.webp": "16384 × 16384 pixels are more than is taken into memory",
    "tracks.mkv": "ends before any picture or sound",
    "streams.ts": "ends before any picture or sound",
    "frames.mp4": "speaks of 1000000000 pictures",
    "tables.mp4": "speaks of 4294967295 pictures",
    "tracks.mp4": "more than 256 streams",
    "empty_tracks.mp4": "more than 256 streams",
    "streams.avi": "more than 256 streams",
}


def work(build, path, verb, files, **plan):
    for program in ("liuhen-media", "liuhen-stills"):
        done = run(build / program, path, verb, {"files": [f.name for f in files], **plan}, files, memory=MEMORY, cpu=CPU,
                   budget=15000000, file_bytes=1 << 26, threads=3 if files else 0, seconds=120)
        if not done.elsewhere:
            break
    print(path.name, verb, "status", done.status, "cpu", round(done.cpu, 2), "peak MiB", done.peak >> 20, done.answer[-200:])
    assert ended_well(done)
    assert done.cpu <= CPU
    return done


def assert_reason(name, done):
    assert done.status == 0
    answer = json.loads(done.answer)
    assert answer["status"] in ("ok", "damaged", "unknown") and (answer["status"] == "ok" or answer["message"])
    assert REASONS.get(name, "") in answer["message"]
    assert answer["status"] == "ok" or name not in ("texts.png", "words.png")  # good pictures, but for what nobody reads


@pytest.mark.parametrize("name", list(BOMBS))
def test_a_bomb_is_probed_in_bounds(build, bombs, name):
    done = work(build, bombs / name, "probe", [])
    assert_reason(name, done)


@pytest.mark.parametrize("name", list(BOMBS))
def test_a_bomb_is_derived_in_bounds(build, bombs, tmp_path, name):
    if name.endswith(".pdf"):
        pages(build, bombs / name, tmp_path)
        return
    photo = name.endswith((".png", ".jpg", ".bmp", ".tif", ".gif", ".webp"))
    files = [tmp_path / f for f in (["photo-large.jpg", "photo-small.jpg"] if photo else ["proxy.mp4", "poster.jpg"])]
    plan = {"photo": {"large": 2048, "small": 320}} if photo else {
        "proxy": {"height": 480, "crf": 23, "preset": "ultrafast", "keyframe_msec": 2000, "remux": True}, "poster": {"width": 320}, "threads": 1}
    assert_reason(name, work(build, bombs / name, "derive", files, **plan))


def test_a_large_photo_is_not_broken(build, tmp_path):
    """More than the first look decodes (67 Mi pixels), less than what is shown: nothing is wrong with it."""
    (tmp_path / "large.bmp").write_bytes(bmp(9600, 8192, bytes(1200 * 8192)))
    done = work(build, tmp_path / "large.bmp", "probe", [])
    assert json.loads(done.answer)["status"] == "ok"
    done = work(build, tmp_path / "large.bmp", "derive", [tmp_path / "photo-small.jpg"], photo={"small": 320})
    assert json.loads(done.answer)["status"] == "ok" and done.outputs


def pages(build, path, folder, cpu=CPU):
    done = run(build / "liuhen-stills", path, "pages", {"files": ["page-1.jpg"], "pages": {"width": 600, "count": 1}}, [folder / "page-1.jpg"],
               memory=MEMORY, cpu=cpu, file_bytes=1 << 26, threads=8, seconds=120)
    print(path.name, "status", done.status, "cpu", round(done.cpu, 2), done.answer[-200:])
    if cpu == CPU:
        assert_reason(path.name, done)
    return done


def test_a_page_that_never_ends_is_ended_with_a_reason(build, tmp_path):
    """The signal that says so, not the one that says nothing: it comes a second before."""
    (tmp_path / "forms.pdf").write_bytes(pdf_without_table(MEDIA_BOX + b"/Resources<</XObject<</A 5 0 R>>>>", stream(b"", b"/A Do"), *forms(40)))
    assert pages(build, tmp_path / "forms.pdf", tmp_path, cpu=1).status == -signal.SIGXCPU
