# SPDX-License-Identifier: GPL-3.0-or-later
"""Recordings that lost their index, by the real locked program: what can be shown is shown, marked, and the original is not touched."""
import hashlib
import json
import subprocess

import pytest
from media_worker import run

FILES = ["proxy.mp4", "poster.jpg"]
PLAN = {"files": FILES, "proxy": {"height": 720, "crf": 23, "preset": "veryfast", "keyframe_msec": 2000, "remux": True},
        "poster": {"width": 320}}


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    """clip(codec): an MP4 of 2 s, 50 pictures, with sound between them and its parameter sets in the data."""
    folder = tmp_path_factory.mktemp("salvage")

    def make(codec, container="mp4"):
        path = folder / f"{codec}.{container}"
        if not path.exists():
            sets = ["-x264-params", "repeat-headers=1:keyint=25"] if codec == "libx264" else \
                ["-x265-params", "repeat-headers=1:keyint=25:log-level=none"]
            subprocess.run(["ffmpeg", "-v", "error", "-y", "-f", "lavfi", "-i", "testsrc2=s=320x240:r=25:d=2", "-f", "lavfi", "-i",
                            "sine=d=2", "-c:v", codec, "-preset", "ultrafast", *sets, "-c:a", "aac", path], check=True)
        return path

    return make


def without_index(path, to):
    """As a recorder leaves it that lost power: the index at the end was never written."""
    data = path.read_bytes()
    at = data.index(b"moov") - 4
    assert at > data.index(b"mdat")
    to.write_bytes(data[:at])
    return to


def salvage(build, path, tmp_path, verb="salvage"):
    before = hashlib.sha256(path.read_bytes()).digest()
    done = run(build / "liuhen-media", path, verb, PLAN, [tmp_path / f for f in FILES], file_bytes=1 << 24, threads=3)
    assert hashlib.sha256(path.read_bytes()).digest() == before
    assert done.status == 0
    answer = json.loads(done.answer)
    return answer, {f["name"]: f for f in answer["files"]}


def pictures(path):
    out = subprocess.run(["ffprobe", "-v", "error", "-count_frames", "-select_streams", "v", "-show_entries", "stream=nb_read_frames",
                          "-of", "csv=p=0", path], capture_output=True, text=True, check=True).stdout
    return int(out.strip().strip(","))


@pytest.mark.parametrize("codec", ["libx264", "libx265"])
def test_an_mp4_without_moov_is_shown(build, clip, tmp_path, codec):
    bad = without_index(clip(codec), tmp_path / "bad.mp4")
    answer, files = salvage(build, bad, tmp_path)
    assert answer["status"] == "damaged"
    assert any("salvaged" in d for d in answer["media"]["damage"]), answer
    assert files["proxy.mp4"]["how"] == "salvaged"
    assert pictures(tmp_path / "proxy.mp4") >= 48
    assert (tmp_path / "poster.jpg").stat().st_size > 1000


def test_what_was_cut_off_in_a_picture_is_shown_to_there(build, clip, tmp_path):
    bad = without_index(clip("libx264"), tmp_path / "bad.mp4")
    data = bad.read_bytes()
    bad.write_bytes(data[:len(data) * 3 // 5])
    _, files = salvage(build, bad, tmp_path)
    assert files["proxy.mp4"]["how"] == "salvaged"
    assert 20 <= pictures(tmp_path / "proxy.mp4") <= 35


def test_without_parameter_sets_it_says_so(build, clip, tmp_path):
    data = without_index(clip("libx264"), tmp_path / "bad.mp4").read_bytes()
    bad = tmp_path / "none.mp4"
    at = 0
    while (at := data.find(b"\x67\x42", at)) >= 0: # every SPS (Baseline) is made a unit of a reserved type
        data = data[:at] + b"\x7f" + data[at + 1:]
    bad.write_bytes(data)
    answer, files = salvage(build, bad, tmp_path)
    assert any("parameter sets" in d for d in answer["media"]["damage"]), answer
    assert "how" not in files["proxy.mp4"]


@pytest.mark.parametrize("container", ["avi", "ts", "mkv", "flv", "asf"])
def test_a_cut_file_of_another_form_is_shown_as_far_as_it_goes(build, clip, tmp_path, container):
    """An AVI without idx1, a TS that begins in the middle of a packet, a cut MKV, FLV, ASF: libav's own demuxers get along."""
    data = clip("libx264", container).read_bytes()
    bad = tmp_path / f"bad.{container}"
    bad.write_bytes(data[100:] if container == "ts" else data[:len(data) * 3 // 4])
    _, files = salvage(build, bad, tmp_path, "derive")
    assert "how" in files["proxy.mp4"], files
    assert pictures(tmp_path / "proxy.mp4") >= 20


def test_the_program_says_what_it_was_linked_with(build):
    out = subprocess.run([build / "liuhen-media", "--version"], capture_output=True, text=True, check=True).stdout
    assert out.startswith("liuhen-media ") and "FFmpeg " in out and out.rstrip().endswith(("linked static", "linked shared"))
