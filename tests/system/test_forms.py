# SPDX-License-Identifier: GPL-3.0-or-later
"""Forms of recordings that are rare, and what changes in the middle of one, by the real locked program. Media are made with ffmpeg and by hand."""
import struct

import pytest

from test_derive_media import Derived, check_playable, ffmpeg, is_colour, pixel


@pytest.fixture
def derive(build, tmp_path):
    count = iter(range(100))
    return lambda path, *a, **k: Derived(build, path, tmp_path / f"out{next(count)}", *a, **k)


# ---- parameters that change in the middle ----

def part(folder, name, colour, size="320x240", at=0, *, more=()):
    """A second of one colour with a tone: its pictures say which part they are of."""
    path = folder / f"{colour}-{name}"
    ffmpeg("-f", "lavfi", "-i", f"color={colour}:s={size}:r=10:d=1", "-f", "lavfi", "-i", "sine=r=16000:d=1", "-pix_fmt", "yuv420p", "-c:v", "libx264", "-preset",
           "ultrafast", "-g", "5", "-c:a", "aac", "-muxdelay", "0", "-output_ts_offset", at, *more, path)
    return path


def join_ts(paths, to):
    """One behind the other with counters that go on, as a recorder writes whose camera was set to something else."""
    counters, joined = {}, bytearray()
    for path in paths:
        data = bytearray(path.read_bytes())
        for at in range(0, len(data), 188):
            pid = (data[at + 1] & 31) << 8 | data[at + 2]
            if data[at + 3] & 0x10:
                counters[pid] = (counters.get(pid, -1) + 1) & 15
            data[at + 3] = (data[at + 3] & 0xF0) | counters.get(pid, 0)
        joined += data
    to.write_bytes(joined)
    return to


@pytest.mark.parametrize("what, how", [
    ((), "remux"), (("-s", "640x480"), "encoded"), (("-coder", "ac"), "encoded")], ids=["nothing", "size", "coding"])
def test_transport_stream_whose_parameters_change(derive, tmp_path, what, how):
    """MP4 has the parameters once: players go by them, so what has others later cannot be copied."""
    both = join_ts([part(tmp_path, "a.ts", "lime"), part(tmp_path, "b.ts", "blue", at=1.2, more=what)], tmp_path / "both.ts")
    d = derive(both)
    assert d.files["proxy.mp4"]["how"] == how and "damage" not in d.answer["media"]
    check_playable(d["proxy.mp4"], 2.2)
    for t, colour in ((0.5, "lime"), (1.7, "blue")):
        assert is_colour(pixel(d["proxy.mp4"], t), colour)


def test_flv_with_a_second_header(derive, tmp_path):
    first, second = part(tmp_path, "a.flv", "lime"), part(tmp_path, "b.flv", "blue", "640x480", 1)
    (tmp_path / "both.flv").write_bytes(first.read_bytes() + second.read_bytes()[13:])
    d = derive(tmp_path / "both.flv")
    assert d.files["proxy.mp4"]["how"] == "encoded"
    check_playable(d["proxy.mp4"], 2)
    for t, colour in ((0.5, "lime"), (1.5, "blue")):
        assert is_colour(pixel(d["proxy.mp4"], t), colour)


def test_sound_whose_rate_changes(derive, tmp_path):
    for i, rate in enumerate((48000, 24000)):
        ffmpeg("-f", "lavfi", "-i", f"sine=r={rate}:d=1", "-c:a", "aac", tmp_path / f"{i}.aac")
    (tmp_path / "both.aac").write_bytes(b"".join((tmp_path / f"{i}.aac").read_bytes() for i in range(2)))
    d = derive(tmp_path / "both.aac")
    assert d.files["proxy.mp4"]["how"] == "encoded"
    check_playable(d["proxy.mp4"], 2)
    assert derive(tmp_path / "0.aac").files["proxy.mp4"]["how"] == "remux"


def boxes_of(data):
    at, found = 0, []
    while at < len(data):
        size, name = struct.unpack_from(">I4s", data, at)
        found.append((name.decode("latin-1"), data[at:at + size]))
        at += size
    return found


FRAGMENTS = ["-movflags", "frag_keyframe+empty_moov+default_base_moof"]


@pytest.mark.parametrize("name, more", [("a.mp4", FRAGMENTS), ("a.mkv", []), ("a.mov", [])])
@pytest.mark.parametrize("size", ["320x240", "640x480"])
def test_another_recording_behind_the_first_is_said(derive, tmp_path, name, more, size):
    """libav would decode what follows by the first header, or leave it out without a word."""
    first, second = part(tmp_path, name, "lime", more=more), part(tmp_path, name, "blue", size, more=more)
    (tmp_path / name).write_bytes(first.read_bytes() + second.read_bytes())
    plays_on = name == "a.mkv" and size == "320x240"
    d = derive(tmp_path / name, status="ok" if plays_on else "damaged")
    if plays_on:
        assert is_colour(pixel(d["proxy.mp4"], 1.5), "blue")
        return
    at = len(first.read_bytes())
    assert d.answer["message"] == f"another recording begins at byte {at}: only the first is shown"
    check_playable(d["proxy.mp4"], 1)
    assert d.answer["decoded"]["pictures"] == 10 and "picture_errors" not in d.answer["decoded"]


def test_fragments_that_bring_their_header_again(derive, tmp_path):
    """As live streams are kept: the same header before each fragment."""
    boxes = boxes_of(part(tmp_path, "a.mp4", "lime", more=FRAGMENTS).read_bytes())
    header = b"".join(data for name, data in boxes if name in {"ftyp", "moov"})
    assert sum(name == "moof" for name, _ in boxes) > 1
    (tmp_path / "again.mp4").write_bytes(b"".join((header if name == "moof" else b"") + data for name, data in boxes if name in {"moof", "mdat"}))
    d = derive(tmp_path / "again.mp4")
    check_playable(d["proxy.mp4"], 1)
