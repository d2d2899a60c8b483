# SPDX-License-Identifier: GPL-3.0-or-later
"""Recordings that lost their index, by the real locked program: what can be shown is shown, marked, and the original is not touched."""
import hashlib
import json
import subprocess
import urllib.request

import pytest
from media_worker import run
from ports import free_port

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


def plain(codec, path):
    """As phones and body-worn cameras write it: parameter sets in the index (avcC, hvcC) alone, sound between, the index at the end."""
    sets = {"libx264": ["-x264-params", "keyint=25"], "libx265": ["-tag:v", "hvc1", "-x265-params", "keyint=25:log-level=none"]}
    subprocess.run(["ffmpeg", "-v", "error", "-y", "-f", "lavfi", "-i", "testsrc2=s=320x240:r=25:d=2", "-f", "lavfi", "-i", "sine=d=2",
                    "-c:v", codec, "-preset", "ultrafast", *sets[codec], "-c:a", "aac", path], check=True)
    return bytearray(path.read_bytes())


def index_cut(data):
    """Behind the description of the pictures' coding, where the tables of their places would come."""
    return data[:data.index(b"stts", data.index(b"avcC" if b"avcC" in data else b"hvcC")) + 10]


def index_broken(data):
    at = -1
    while (at := data.find(b"stsc", at + 1)) >= 0:
        data[at + 4:at + 12] = b"\xff" * 8
    return data


def index_swallowed(data):
    at = data.index(b"moov")
    data[at:at + 4] = b"free"
    return data


@pytest.mark.parametrize("codec", ["libx264", "libx265"])
@pytest.mark.parametrize("how", [index_cut, index_broken, index_swallowed])
def test_what_is_left_of_the_index_says_how_to_decode(build, tmp_path, codec, how):
    bad = tmp_path / "bad.mp4"
    bad.write_bytes(how(plain(codec, tmp_path / "good.mp4")))
    answer, files = salvage(build, bad, tmp_path)
    assert answer["status"] == "damaged" and any("salvaged" in d for d in answer["media"]["damage"]), answer
    assert files["proxy.mp4"]["how"] == "salvaged"
    assert pictures(tmp_path / "proxy.mp4") >= 48


def test_a_description_without_pictures(build, tmp_path):
    data = plain("libx264", tmp_path / "good.mp4")
    bad = tmp_path / "bad.mp4"
    bad.write_bytes(data[data.index(b"moov") - 4:])
    answer, files = salvage(build, bad, tmp_path)
    assert any("none of them are left" in d for d in answer["media"]["damage"]), answer
    assert "how" not in files["proxy.mp4"]


def fetch(url, name):
    with urllib.request.urlopen(url.rsplit("/", 1)[0] + "/" + name, timeout=60) as answer:
        return answer.read()


def test_a_salvaged_recording_says_that_it_is(make_daemon, tmp_path):
    """Through everything: the original as it came, what is shown marked as salvaged wherever it is told of."""
    house = make_daemon({"http": {"loopback": f"127.0.0.1:{free_port()}"}, "media": {"derive": {"enabled": True, "load": 0}}}).start()
    data = bytes(index_cut(plain("libx264", tmp_path / "good.mp4")))
    house.drop("cut.mp4", data)
    house.drop("lost.mp4", bytes(plain("libx264", tmp_path / "good.mp4"))[:9000])
    ids = {r["name"]: r["id"] for r in house.wait_sealed(2)}
    opened = house.cli("open", ids["cut.mp4"], "--wait")
    about = json.loads(fetch(opened["url"], "about.json"))
    files = {f["name"]: f for f in about["derived"]["files"]}
    assert files["proxy.mp4"]["how"] == "salvaged", about["derived"]
    shown = house.cli("show", ids["cut.mp4"], json=False)
    assert "salvaged" in shown and "cut off: box 'moov'" in shown, shown
    (tmp_path / "proxy.mp4").write_bytes(fetch(opened["url"], "proxy.mp4"))
    assert pictures(tmp_path / "proxy.mp4") >= 48
    done = house.run("get", ids["cut.mp4"], "--out", tmp_path / "back.mp4")
    assert done.returncode == 0 and (tmp_path / "back.mp4").read_bytes() == data, done
    done = house.run("open", ids["lost.mp4"], "--wait")
    assert done.returncode == 1 and "parameter sets" in done.stderr and "same camera" in done.stderr, done.stderr


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
