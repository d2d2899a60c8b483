# SPDX-License-Identifier: GPL-3.0-or-later
"""Hardware that is not there: each kind is tried, said to be missing, and everything is made in software. (That it works where it is
there can only be seen on such a machine: liuhen-media answers with media.hardware then.)"""
import json

import pytest

from media_worker import run


@pytest.fixture(scope="session")
def worker(build):
    return build / "liuhen-media"


@pytest.mark.parametrize("kind", ["vaapi", "cuda", "qsv"])
def test_each_kind_says_why_not(worker, kind):
    r = run(worker, None, "hardware", {"hardware": kind}, memory=4 << 30, threads=16)
    answer = json.loads(r.answer)
    if answer["media"].get("hardware") == kind:
        pytest.skip("this machine has it")
    assert r.status == 0
    assert kind in answer["message"]
    assert "MEDIA_LINK=shared" in answer["message"] or "can be opened" in answer["message"] or "does not work" in answer["message"]


@pytest.mark.parametrize("kind, words", [("none", "no hardware is asked for"), ("quantum", "is not known")])
def test_others(worker, kind, words):
    answer = json.loads(run(worker, None, "hardware", {"hardware": kind}).answer)
    assert words in answer["message"] and "hardware" not in answer["media"]


@pytest.mark.parametrize("kind", ["vaapi", "cuda", "qsv"])
def test_a_job_goes_on_in_software(worker, media, tmp_path, kind):
    """The verb with hardware on a machine without it makes the same."""
    to = tmp_path / "copy.mp4"
    plan = {"files": ["copy.mp4"], "copy": {"form": "redact", "plan": {"mute": [{"from_msec": 0, "until_msec": 500}]}}, "hardware": kind}
    r = run(worker, media("video"), "copy-hardware", plan, [to], memory=4 << 30, threads=16, file_bytes=1 << 30)
    assert r.status == 0 and r.outputs[0] == to.stat().st_size
