# SPDX-License-Identifier: GPL-3.0-or-later
"""Photos, HEIC, documents and lettering by the locked programs themselves: upright, in the right colours, bounded, and honest about what is
broken. Media are made here with ffmpeg, heif-enc and by hand; the shared samples are looked at where they are.
"""
import json
import shutil
import struct
import subprocess
import zlib

import pytest

from conftest import ROOT
from media_worker import run

RED, GREEN, BLUE, YELLOW, WHITE, GRAY = (255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 0), (255, 255, 255), (128, 128, 128)
W, H = 96, 64  # of the picture with a colour in each corner
SHARED = next((p for p in [ROOT.parent / "shared" / "samples"] if p.is_dir()), None)
# where the stored corners (top left, top right, bottom left, bottom right) are seen: CIPA DC-008 §4.6.4, Orientation
SEEN = {1: "0123", 2: "1032", 3: "3210", 4: "2301", 5: "0213", 6: "2031", 7: "3120", 8: "1302"}
CORNERS = [RED, GREEN, BLUE, YELLOW]
PHOTO = {"files": ["photo-large.jpg", "photo-small.jpg"], "photo": {"large": 64, "small": 24}}


def ffmpeg(*arguments):
    subprocess.run(["ffmpeg", "-y", "-loglevel", "error", *map(str, arguments)], check=True)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """corners.png and what ffmpeg makes of it."""
    where = tmp_path_factory.mktemp("stills")
    rows = []
    for y in range(H):
        left, right = (RED, GREEN) if y < H // 2 else (BLUE, YELLOW)
        rows.append(bytes(left) * (W // 2) + bytes(right) * (W // 2))
    (where / "corners.png").write_bytes(png(W, H, 8, 2, rows))
    ffmpeg("-i", where / "corners.png", "-q:v", 2, where / "corners.jpg")
    return where


def png(width, height, bits, colour, rows, extra=b""):
    def chunk(name, data):
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
    return (b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, bits, colour, 0, 0, 0)) + extra +
            chunk(b"IDAT", zlib.compress(b"".join(b"\0" + r for r in rows))) + chunk(b"IEND", b""))


def exif(orientation):
    return b"II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0" + struct.pack("<HH", orientation, 0) + b"\0\0\0\0"


def with_exif(jpeg, orientation):
    body = b"Exif\0\0" + exif(orientation)
    return jpeg[:2] + b"\xff\xe1" + struct.pack(">H", len(body) + 2) + body + jpeg[2:]


class Made:
    """What came of a run: .answer, .files {name: its entry in the answer}, .path(name)."""

    def __init__(self, result, folder, names):
        assert result.status == 0, f"ended with {result.status}: {result.messages}"
        self.result, self.folder, self.names = result, folder, names
        self.answer = json.loads(result.answer)
        self.files = {f["name"]: f for f in self.answer.get("files", [])}

    def path(self, name):
        return self.folder / name

    def is_whole(self, name):
        return self.result.outputs.get(self.names.index(name), 0) == self.path(name).stat().st_size > 0

    def pixels(self, name):
        """Width, height and RGB of a picture that was made."""
        raw = subprocess.run(["ffmpeg", "-loglevel", "error", "-i", str(self.path(name)), "-f", "rawvideo", "-pix_fmt", "rgb24", "-"],
                             check=True, capture_output=True).stdout
        size = self.files[name]["width"], self.files[name]["height"]
        assert len(raw) == size[0] * size[1] * 3
        return (*size, raw)

    def corners(self, name):
        w, h, raw = self.pixels(name)
        return [tuple(raw[(y * w + x) * 3:][:3]) for y in (h // 8, h - 1 - h // 8) for x in (w // 8, w - 1 - w // 8)]


@pytest.fixture
def make(build, tmp_path):
    """make(program, verb, path, plan) → Made."""
    count = iter(range(1000))

    def go(program, verb, path, plan, **more):
        where = tmp_path / str(next(count))
        where.mkdir()
        names = plan.get("files", [])
        result = run(build / program, path, verb, plan, [where / n for n in names], threads=8, file_bytes=1 << 26, budget=20_000_000,
                     seconds=90, **more)
        return Made(result, where, names)
    return go


def near(one, other, by=40):
    return all(abs(a - b) <= by for a, b in zip(one, other))


def assert_corners(seen, wanted):
    assert all(near(a, b) for a, b in zip(seen, wanted)), f"{seen}, not {wanted}"


@pytest.mark.parametrize("orientation", range(1, 9))
def test_photo_is_upright(make, folder, tmp_path, orientation):
    path = tmp_path / "turned.jpg"
    path.write_bytes(with_exif((folder / "corners.jpg").read_bytes(), orientation))
    made = make("liuhen-media", "derive", path, PHOTO)
    assert made.answer["status"] == "ok"
    for name, side in (("photo-large.jpg", 64), ("photo-small.jpg", 24)):
        assert made.is_whole(name)
        assert_corners(made.corners(name), [CORNERS[int(i)] for i in SEEN[orientation]])
        w, h, _ = made.pixels(name)
        assert max(w, h) == side and (w > h) == (orientation < 5)
        assert b"Exif" not in made.path(name).read_bytes()


def test_photo_is_not_made_larger(make, folder):
    made = make("liuhen-media", "derive", folder / "corners.jpg", {**PHOTO, "photo": {"large": 2048, "small": 320}})
    assert made.pixels("photo-large.jpg")[:2] == made.pixels("photo-small.jpg")[:2] == (W, H)


@pytest.mark.parametrize("name,arguments", [
    ("plain.bmp", []), ("plain.gif", []), ("plain.tiff", []), ("deep.png", ["-pix_fmt", "rgb48be"]),
    ("alpha.png", ["-pix_fmt", "rgba"]), ("gray16.png", ["-pix_fmt", "gray16be"]), ("ya.png", ["-pix_fmt", "ya8"]),
    ("lace.png", ["-flags", "+ildct"]), ("pal.png", ["-pix_fmt", "pal8"]), ("plain.webp", ["-c:v", "libwebp"]),
    ("whole.webp", ["-c:v", "libwebp", "-lossless", "1"]),
    ("deep.tiff", ["-pix_fmt", "rgb48le"]), ("moving.gif", ["-loop", "0"]), ("moving.webp", ["-c:v", "libwebp_anim", "-loop", "0"]),
])
def test_forms_of_photos(make, folder, tmp_path, name, arguments):
    path = tmp_path / name
    repeat = ["-vf", "loop=2:1:0"] if name.startswith("moving") else ["-frames:v", "1"]
    ffmpeg("-i", folder / "corners.png", *arguments, *repeat, path)
    made = make("liuhen-media", "derive", path, PHOTO)
    assert made.is_whole("photo-large.jpg") and made.is_whole("photo-small.jpg"), made.answer
    assert made.answer["status"] == "ok", made.answer
    if "gray" in name or name == "ya.png":
        wanted = [(round(0.299 * r + 0.587 * g + 0.114 * b),) * 3 for r, g, b in CORNERS]
    else:
        wanted = CORNERS
    assert_corners(made.corners("photo-large.jpg"), wanted)


@pytest.mark.parametrize("arguments", [["-grayscale"], ["-progressive"], ["-arithmetic"], ["-restart", "1"], ["-sample", "1x1"],
                                       ["-rgb"], ["-grayscale", "-progressive"]])
def test_kinds_of_jpeg(make, folder, tmp_path, arguments):
    ffmpeg("-i", folder / "corners.png", tmp_path / "a.ppm")
    subprocess.run(["cjpeg", "-quality", "95", *arguments, "-outfile", str(tmp_path / "a.jpg"), str(tmp_path / "a.ppm")], check=True)
    made = make("liuhen-media", "derive", tmp_path / "a.jpg", PHOTO)
    wanted = [(round(0.299 * r + 0.587 * g + 0.114 * b),) * 3 for r, g, b in CORNERS] if "-grayscale" in arguments else CORNERS
    assert made.answer["status"] == "ok"
    assert_corners(made.corners("photo-large.jpg"), wanted)


def test_alpha_is_on_white(make, tmp_path):
    path = tmp_path / "clear.png"
    row = bytes((255, 0, 0, 0)) * 16 + bytes((255, 0, 0, 255)) * 16
    path.write_bytes(png(32, 32, 8, 6, [row] * 32))
    made = make("liuhen-media", "derive", path, PHOTO)
    assert_corners(made.corners("photo-large.jpg"), [WHITE, RED, WHITE, RED])


def test_orientation_of_png_tiff_and_webp(make, folder, tmp_path):
    body = exif(6)
    chunk = struct.pack(">I", len(body)) + b"eXIf" + body + struct.pack(">I", zlib.crc32(b"eXIf" + body))
    plain = (folder / "corners.png").read_bytes()
    (tmp_path / "turned.png").write_bytes(plain[:33] + chunk + plain[33:])
    ffmpeg("-i", folder / "corners.png", "-c:v", "libwebp", "-lossless", "1", tmp_path / "flat.webp")
    flat = (tmp_path / "flat.webp").read_bytes()[12:]
    extended = b"VP8X" + struct.pack("<I", 10) + b"\x08\0\0\0" + struct.pack("<I", W - 1)[:3] + struct.pack("<I", H - 1)[:3]
    whole = b"WEBP" + extended + flat + b"EXIF" + struct.pack("<I", len(body)) + body
    (tmp_path / "turned.webp").write_bytes(b"RIFF" + struct.pack("<I", len(whole)) + whole)
    pixels = b"".join(bytes(CORNERS[(y >= H // 2) * 2 + (x >= W // 2)]) for y in range(H) for x in range(W))
    tags = [(256, 3, 1, W), (257, 3, 1, H), (258, 3, 1, 8), (259, 3, 1, 1), (262, 3, 1, 2), (273, 4, 1, 8), (274, 3, 1, 6), (277, 3, 1, 3),
            (278, 3, 1, H), (279, 4, 1, len(pixels))]
    tags[2] = (258, 3, 3, 8 + len(pixels))
    ifd = struct.pack("<H", len(tags)) + b"".join(struct.pack("<HHII", *t) for t in tags) + b"\0\0\0\0"
    (tmp_path / "turned.tiff").write_bytes(b"II*\0" + struct.pack("<I", 8 + len(pixels) + 6) + pixels + struct.pack("<HHH", 8, 8, 8) + ifd)
    for name in ("turned.png", "turned.webp", "turned.tiff"):
        made = make("liuhen-media", "derive", tmp_path / name, PHOTO)
        assert_corners(made.corners("photo-large.jpg"), [CORNERS[int(i)] for i in SEEN[6]])


@pytest.mark.parametrize("name,kept", [("noise.jpg", 0.6), ("noise.png", 0.6), ("progressive.jpg", 0.9)])
def test_cut_photo_is_shown_as_far_as_it_goes(make, tmp_path, name, kept):
    path = tmp_path / name
    ffmpeg("-f", "lavfi", "-i", "testsrc2=size=320x240", "-frames:v", "1", tmp_path / name.replace("progressive", "noise"))
    if name.startswith("prog"):
        subprocess.run(["jpegtran", "-progressive", "-outfile", str(path), str(tmp_path / "noise.jpg")], check=True)
    whole = make("liuhen-media", "derive", path, PHOTO).pixels("photo-large.jpg")
    path.write_bytes(path.read_bytes()[:int(path.stat().st_size * kept)])
    made = make("liuhen-media", "derive", path, PHOTO)
    assert made.answer["status"] == "damaged" and made.is_whole("photo-small.jpg")
    w, h, seen = made.pixels("photo-large.jpg")
    assert (w, h) == whole[:2]
    assert all(abs(a - b) < 48 for a, b in zip(seen[:w * 3 * 8], whole[2][:w * 3 * 8]))
    if not name.startswith("prog"):
        assert near(seen[-3:], GRAY)


def test_what_is_no_picture_says_why(make, tmp_path):
    for name, data in (("head.jpg", b"\xff\xd8\xff\xe0\0\4ab"), ("head.png", b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR"), ("head.bmp", b"BM" + bytes(40)),
                       ("head.gif", b"GIF89a" + bytes(20)), ("head.webp", b"RIFF\x20\0\0\0WEBPVP8 " + bytes(20))):
        (tmp_path / name).write_bytes(data)
        made = make("liuhen-media", "derive", tmp_path / name, PHOTO)
        assert made.answer["status"] == "damaged", name
        assert made.files["photo-large.jpg"]["message"] and made.files["photo-small.jpg"]["message"]
        assert made.result.outputs == {}


def test_photo_bombs_stay_small(make, tmp_path):
    """65,500 × 65,500 pixels of nothing: a gray JPEG whose every block is two bits, and a PNG. The kernel holds the program to its memory: what it
    says of a peak begins with that of the process that started it (posix_spawn), which is pytest with all that it has done before."""
    limit = {"memory": 384 << 20}
    side = 65500
    table = b"\1" + bytes(15) + b"\0"  # one code of one bit for the value 0
    head = (b"\xff\xd8\xff\xdb\0\x43\0" + b"\1" * 64 + b"\xff\xc0\0\x0b\x08" + struct.pack(">HH", side, side) + b"\1\1\x11\0" +
            b"\xff\xc4\0\x14\0" + table + b"\xff\xc4\0\x14\x10" + table + b"\xff\xda\0\x08\1\1\0\0\x3f\0")
    blocks = ((side + 7) // 8) ** 2
    (tmp_path / "bomb.jpg").write_bytes(head + bytes((2 * blocks + 7) // 8) + b"\xff\xd9")
    made = make("liuhen-media", "derive", tmp_path / "bomb.jpg", PHOTO, **limit)
    assert made.files["photo-large.jpg"]["width"] == 64
    progressive = head.replace(b"\xff\xc0\0\x0b", b"\xff\xc2\0\x0b")
    (tmp_path / "many.jpg").write_bytes(progressive + b"\xff\xd9")
    made = make("liuhen-media", "derive", tmp_path / "many.jpg", PHOTO, **limit)
    assert "more than is taken into memory" in made.files["photo-large.jpg"]["message"]
    one = zlib.compressobj(9)
    row = bytes(1 + side // 8 + 1)
    data = b"".join(one.compress(row) for _ in range(side)) + one.flush()

    def chunk(name, body):
        return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))
    for lace in (0, 1):
        (tmp_path / "bomb.png").write_bytes(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", side, side, 1, 0, 0, 0, lace)) +
                                            chunk(b"IDAT", data) + chunk(b"IEND", b""))
        made = make("liuhen-media", "derive", tmp_path / "bomb.png", PHOTO, **limit)
        assert lace == 0 or "more than is taken into memory" in made.files["photo-large.jpg"]["message"]


# --- HEIC and AVIF


def heif(source, target, *arguments):
    if not shutil.which("heif-enc"):
        pytest.skip("no heif-enc (libheif-examples)")
    subprocess.run(["heif-enc", *arguments, "-q", "90", "-o", str(target), str(source)], check=True, capture_output=True)


@pytest.mark.parametrize("name,arguments", [("plain.heic", []), ("ten.heic", ["-b", "10"]), ("full.heic", ["-p", "chroma=444"]),
                                            ("thumb.heic", ["-t", "32"]), ("plain.avif", ["-A"])])
def test_heif(make, folder, tmp_path, name, arguments):
    source = tmp_path / "source.png"
    ffmpeg("-i", folder / "corners.png", "-pix_fmt", "rgb48be" if "-b" in arguments else "rgb24", source)
    heif(source, tmp_path / name, *arguments)
    made = make("liuhen-stills", "photo", tmp_path / name, PHOTO)
    assert made.answer["status"] == "ok" and made.is_whole("photo-large.jpg") and made.is_whole("photo-small.jpg"), made.answer
    assert_corners(made.corners("photo-large.jpg"), CORNERS)
    assert made.answer["media"]["container"] == "heif" and made.answer["media"]["width"] == W
    assert make("liuhen-stills", "probe", tmp_path / name, {}).answer["media"] == made.answer["media"]


def box_at(data, start, end, name):
    """Where a box with this name begins between start and end."""
    while start < end:
        size = struct.unpack_from(">I", data, start)[0]
        if data[start + 4:start + 8] == name:
            return start
        start += size
    raise AssertionError(f"no {name}")


def turned_by_boxes(data, boxes):
    """A HEIC file of heif-enc whose first picture also has these properties (irot, imir: ISO/IEC 23008-12 §6.5). What stands behind them moves:
    meta is remade, and the places in iloc with it."""
    data = bytearray(data)
    meta = box_at(data, 0, len(data), b"meta")
    end = meta + struct.unpack_from(">I", data, meta)[0]
    iprp, iloc = box_at(data, meta + 12, end, b"iprp"), box_at(data, meta + 12, end, b"iloc")
    ipco = box_at(data, iprp + 8, end, b"ipco")
    ipma = ipco + struct.unpack_from(">I", data, ipco)[0]
    assert data[ipma + 4:ipma + 8] == b"ipma" and data[ipma + 8:ipma + 12] == bytes(4)
    known, at = 0, ipco + 8
    while at < ipma:
        known, at = known + 1, at + struct.unpack_from(">I", data, at)[0]
    entry = ipma + 16 + 2  # version and flags, how many, the first's id
    extra, indices = b"".join(boxes), bytes(0x80 | known + 1 + i for i in range(len(boxes)))
    grown = len(extra) + len(indices)
    assert data[iloc + 8] == 0 and data[iloc + 12:iloc + 14] == b"\x44\x40"  # offset, length and base of 4 bytes each
    place = iloc + 16
    for _ in range(struct.unpack_from(">H", data, iloc + 14)[0]):
        struct.pack_into(">I", data, place + 4, struct.unpack_from(">I", data, place + 4)[0] + grown)
        place += 10 + 8 * struct.unpack_from(">H", data, place + 8)[0]
    for where, by in ((meta, grown), (iprp, grown), (ipco, len(extra)), (ipma, len(indices))):
        struct.pack_into(">I", data, where, struct.unpack_from(">I", data, where)[0] + by)
    count = data[entry]
    data[entry] += len(boxes)
    return bytes(data[:ipma] + extra + data[ipma:entry + 1 + count] + indices + data[entry + 1 + count:])


IROT, IMIR = b"\0\0\0\x09irot", b"\0\0\0\x09imir"


@pytest.mark.parametrize("boxes,seen", [([IROT + b"\3"], SEEN[6]), ([IROT + b"\1"], SEEN[8]), ([IROT + b"\2"], SEEN[3]), ([], SEEN[1])])
def test_heif_is_turned_once(make, folder, tmp_path, boxes, seen):
    """By its boxes; the EXIF beside them says orientation 6, and is not applied again."""
    source = tmp_path / "turned.jpg"
    source.write_bytes(with_exif((folder / "corners.jpg").read_bytes(), 6))
    heif(source, tmp_path / "turned.heic")
    (tmp_path / "turned.heic").write_bytes(turned_by_boxes((tmp_path / "turned.heic").read_bytes(), boxes))
    made = make("liuhen-stills", "photo", tmp_path / "turned.heic", PHOTO)
    assert made.answer["status"] == "ok"
    assert_corners(made.corners("photo-large.jpg"), [CORNERS[int(i)] for i in seen])


def test_heif_with_alpha_is_on_white(make, tmp_path):
    row = bytes((255, 0, 0, 0)) * 32 + bytes((255, 0, 0, 255)) * 32
    (tmp_path / "clear.png").write_bytes(png(64, 64, 8, 6, [row] * 64))
    heif(tmp_path / "clear.png", tmp_path / "clear.heic")
    made = make("liuhen-stills", "photo", tmp_path / "clear.heic", PHOTO)
    assert_corners(made.corners("photo-large.jpg"), [WHITE, RED, WHITE, RED])


def test_broken_heif(make, folder, tmp_path):
    heif(folder / "corners.png", tmp_path / "whole.heic")
    data = (tmp_path / "whole.heic").read_bytes()
    for n in (24, 60, len(data) // 2, len(data) - 40):
        (tmp_path / "cut.heic").write_bytes(data[:n])
        made = make("liuhen-stills", "photo", tmp_path / "cut.heic", PHOTO)
        assert made.answer["status"] == "damaged"
        assert made.is_whole("photo-large.jpg") or made.files["photo-large.jpg"]["message"] if "photo-large.jpg" in made.files else False


def test_heif_is_for_the_other_program(make, build, folder, tmp_path):
    heif(folder / "corners.png", tmp_path / "a.heic")
    result = run(build / "liuhen-media", tmp_path / "a.heic", "derive", PHOTO, [tmp_path / "l", tmp_path / "s"], file_bytes=1 << 20)
    assert result.status == 0 and result.elsewhere and not result.answer


# --- documents


def pdf(pages, extra="", catalog="", xref=True, trailer=""):
    """pages: (box, further keys, contents)."""
    objects = [f"<</Type/Catalog/Pages 2 0 R{catalog}>>",
               f"<</Type/Pages/Count {len(pages)}/Kids[{' '.join(f'{3 + 2 * i} 0 R' for i in range(len(pages)))}]>>"]
    for i, (box, keys, contents) in enumerate(pages):
        objects.append(f"<</Type/Page/Parent 2 0 R/MediaBox[{box}]/Contents {4 + 2 * i} 0 R{keys}>>")
        objects.append(f"<</Length {len(contents)}>>stream\n{contents}\nendstream")
    out, places = b"%PDF-1.7\n", []
    for i, text in enumerate(objects):
        places.append(len(out))
        out += f"{i + 1} 0 obj{text}endobj\n".encode()
    out += extra.encode()
    if not xref:
        return out + b"trailer<</Root 1 0 R>>\nstartxref\n99999\n%%EOF\n"
    at = len(out)
    out += f"xref\n0 {len(places) + 1}\n0000000000 65535 f \n".encode() + b"".join(b"%010d 00000 n \n" % p for p in places)
    return out + f"trailer<</Size {len(places) + 1}/Root 1 0 R{trailer}>>\nstartxref\n{at}\n%%EOF\n".encode()


# a colour in each corner of a page of 200 × 100; PDF counts from the bottom
DRAWING = "1 0 0 rg 0 50 100 50 re f 0 1 0 rg 100 50 100 50 re f 0 0 1 rg 0 0 100 50 re f 1 1 0 rg 100 0 100 50 re f"
PAGES = {"files": ["page-1.jpg", "page-2.jpg"], "pages": {"width": 120, "count": 2}}


def test_pages(make, tmp_path):
    path = tmp_path / "a.pdf"
    path.write_bytes(pdf([("0 0 200 100", "", DRAWING), ("0 0 200 100", "/Rotate 90", DRAWING), ("0 0 9 9", "", "")]))
    made = make("liuhen-stills", "pages", path, PAGES)
    assert made.answer["status"] == "ok" and made.answer["decoded"]["pages"] == 3 and made.answer["kind"] == "document"
    assert made.pixels("page-1.jpg")[:2] == (120, 60) and made.pixels("page-2.jpg")[:2] == (120, 240)
    assert_corners(made.corners("page-1.jpg"), CORNERS)
    assert_corners(made.corners("page-2.jpg"), [CORNERS[int(i)] for i in SEEN[6]])


def test_fewer_pages_than_files(make, tmp_path):
    path = tmp_path / "a.pdf"
    path.write_bytes(pdf([("0 0 200 100", "", DRAWING)]))
    made = make("liuhen-stills", "pages", path, PAGES)
    assert made.is_whole("page-1.jpg") and 1 not in made.result.outputs and made.answer["status"] == "ok"


@pytest.mark.parametrize("box", ["0 0 1e9 1", "0 0 1 1e9", "0 0 0 0", "0 0 14400000 14400000", "nonsense", "-1e30 -1e30 1e30 1e30"])
def test_page_boxes_are_bounded(make, tmp_path, box):
    path = tmp_path / "a.pdf"
    path.write_bytes(pdf([(box, "", DRAWING)]))
    made = make("liuhen-stills", "pages", path, PAGES)
    w, h, _ = made.pixels("page-1.jpg")
    assert 1 <= w <= 120 and 1 <= h <= 480


def test_document_with_broken_cross_reference(make, tmp_path):
    path = tmp_path / "a.pdf"
    path.write_bytes(pdf([("0 0 200 100", "", DRAWING)], xref=False))
    made = make("liuhen-stills", "pages", path, PAGES)
    assert_corners(made.corners("page-1.jpg"), CORNERS)


def test_encrypted_document_says_so(make, tmp_path):
    path = tmp_path / "a.pdf"
    path.write_bytes(pdf([("0 0 200 100", "", DRAWING)], trailer=f"/ID[<00><00>]/Encrypt<</Filter/Standard/V 1/R 2/P -4/O<{'11' * 32}>/U<{'22' * 32}>>>"))
    made = make("liuhen-stills", "pages", path, PAGES)
    assert made.answer["status"] == "ok" and "password" in made.answer["message"] and made.answer["decoded"]["encrypted"] == 1
    assert "password" in made.files["page-1.jpg"]["message"] and made.result.outputs == {}


def test_document_with_script_and_a_million_pages(make, tmp_path):
    path = tmp_path / "a.pdf"
    script = "/OpenAction<</S/JavaScript/JS(app.launchURL\\('http://127.0.0.1/'\\);while\\(1\\);)>>"
    data = pdf([("0 0 200 100", "", DRAWING)], catalog=script)
    path.write_bytes(data)
    assert_corners(make("liuhen-stills", "pages", path, PAGES).corners("page-1.jpg"), CORNERS)
    path.write_bytes(data.replace(b"/Count 1/", b"/Count 1000000/"))
    made = make("liuhen-stills", "pages", path, PAGES, memory=1 << 30)
    assert made.is_whole("page-1.jpg") or made.files["page-1.jpg"]["message"]


def test_document_that_names_its_fonts_only(make, tmp_path):
    """Fonts that are not in the file come from the machine, through the lock: Latin and Chinese."""
    path = tmp_path / "a.pdf"
    fonts = ("/Resources<</Font<</A<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>/B<</Type/Font/Subtype/Type0/BaseFont/STSong-Light/Encoding"
             "/UniGB-UCS2-H/DescendantFonts[<</Type/Font/Subtype/CIDFontType0/BaseFont/STSong-Light/CIDSystemInfo<</Registry(Adobe)/Ordering"
             "(GB1)/Supplement 2>>/FontDescriptor<</Type/FontDescriptor/FontName/STSong-Light/Flags 4/ItalicAngle 0/Ascent 880/Descent -120"
             "/CapHeight 700/StemV 80/FontBBox[0 -120 1000 880]>>>>]>>>>>>")
    path.write_bytes(pdf([("0 0 200 100", fonts, "BT /A 40 Tf 10 20 Td (Evidence) Tj ET"), ("0 0 200 100", fonts, "BT /B 40 Tf 10 20 Td <8BC1636E> Tj ET")]))
    made = make("liuhen-stills", "pages", path, PAGES)
    for name in ("page-1.jpg", "page-2.jpg"):
        w, h, raw = made.pixels(name)
        assert sum(1 for i in range(0, len(raw), 3) if raw[i] < 100) > w * h // 100, name


@pytest.mark.parametrize("data", [b"%PDF-1.4\n", b"%PDF-1.7\n%%EOF", pdf([])])
def test_document_without_a_page(make, tmp_path, data):
    path = tmp_path / "a.pdf"
    path.write_bytes(data)
    made = make("liuhen-stills", "pages", path, PAGES)
    assert made.answer["status"] == "damaged" and made.files["page-1.jpg"]["message"] and made.result.outputs == {}


# --- lettering


def letter(make, lines, height=32):
    return make("liuhen-stills", "letter", None, {"files": ["mark.gray"], "letter": {"lines": lines, "height": height}})


def test_lettering(make):
    one, two = letter(make, ["Li Wei"]), letter(make, ["Li Wei", "张伟 · 本溪市卫生健康委", ""])
    for made in (one, two):
        entry = made.files["mark.gray"]
        data = made.path("mark.gray").read_bytes()
        assert len(data) == entry["width"] * entry["height"] and max(data) == 255 and "message" not in entry
        assert not any(data[:entry["width"]]), "the first row is margin"
    assert two.files["mark.gray"]["height"] > 2 * one.files["mark.gray"]["height"] - 20
    assert two.files["mark.gray"]["width"] > one.files["mark.gray"]["width"] * 2
    assert letter(make, ["Li Wei"]).path("mark.gray").read_bytes() == one.path("mark.gray").read_bytes()


def test_lettering_without_a_font_for_it(make):
    made = letter(make, ["\U000123ff ok"])  # of a script that this machine has no font for
    if "message" not in made.files["mark.gray"]:
        pytest.skip("there is a font for everything here")
    assert "U+123FF" in made.files["mark.gray"]["message"]


def test_lettering_of_long_lines_wraps(make):
    made = letter(make, ["很长的一行" * 30], 64)
    assert made.files["mark.gray"]["width"] <= 4096 and made.files["mark.gray"]["height"] > 2 * 64


@pytest.mark.parametrize("plan", [{}, {"lines": [], "height": 32}, {"lines": ["x"], "height": 4000}, {"lines": [1], "height": 32},
                                  {"lines": ["x" * 600], "height": 32}, {"lines": ["x"] * 17, "height": 32}])
def test_lettering_refuses(build, tmp_path, plan):
    result = run(build / "liuhen-stills", None, "letter", {"files": ["mark.gray"], "letter": plan}, [tmp_path / "m"], threads=8, file_bytes=1 << 24)
    assert result.status == 64 and not result.answer


# --- real files


@pytest.mark.skipif(not SHARED, reason="no ../shared/samples")
def test_samples(make):
    wrong = []
    for kind in ("photo_jpeg", "photo_heic", "pdf", "broken"):
        for path in sorted((SHARED / kind).iterdir()):
            stills = path.suffix in (".heic", ".pdf")
            if kind == "broken" and path.suffix not in (".heic", ".jpg"):
                continue
            plan = {**PAGES, "pages": {"width": 400, "count": 2}} if path.suffix == ".pdf" else {**PHOTO, "photo": {"large": 2048, "small": 320}}
            verb = "pages" if path.suffix == ".pdf" else "photo" if stills else "derive"
            made = make("liuhen-stills" if stills else "liuhen-media", verb, path, plan)
            first = plan["files"][0]
            if not made.is_whole(first) and not made.files.get(first, {}).get("message"):
                wrong.append((path.name, made.answer))
            print(path.name, made.answer["status"], made.answer["message"], made.files.get(first), f"{made.result.cpu:.2f} s", made.result.peak >> 20)
    assert not wrong
