# SPDX-License-Identifier: GPL-3.0-or-later
"""A QR code held in front of the camera places the recording, by the real daemon: by itself (LIUHEN:…), by a rule, and never over people."""
import json
import subprocess

import pytest

MAKES = {"media": {"derive": {"enabled": True, "load": 0}}}  # also while the machine is busy


@pytest.fixture
def seeing(make_daemon):
    """A daemon that makes derivatives, and so sees what decoding shows."""
    d = make_daemon(MAKES)
    d.start()
    return d


def clip(folder, name, code, seconds=1):
    subprocess.run(["qrencode", "-o", folder / "code.png", "-s", "5", "-m", "4", code], check=True)
    subprocess.run(["ffmpeg", "-v", "error", "-y", "-f", "lavfi", "-i", f"testsrc2=s=640x480:r=10:d={seconds}", "-i", folder / "code.png",
                    "-filter_complex", "[0][1]overlay=50:50", "-c:v", "libx264", "-preset", "ultrafast", folder / name], check=True)
    return (folder / name).read_bytes()


def fact(daemon, recording, key):
    return daemon.cli("show", recording).get("place", {}).get(key, {})


def wait_placed(daemon, key, value):
    """The one recording whose place says so."""
    found = []

    def placed():
        found[:] = [r["id"] for r in daemon.ls() if fact(daemon, r["id"], key).get("value") == value]
        return found

    daemon.wait(placed, f"{key} {value}", timeout=60)
    return found[0]


def test_a_code_links_the_recording_to_its_case(seeing, tmp_path):
    daemon = seeing
    daemon.cli("case", "add", "2026-12", "--procedure", "general")
    daemon.drop("a.mp4", clip(tmp_path, "a.mp4", "LIUHEN:case=2026-12;officer=li"))
    recording = wait_placed(daemon, "case_number", "2026-12")
    assert fact(daemon, recording, "case_number")["source"] == "qr"
    assert fact(daemon, recording, "case_number")["certainty"] == "probable"
    assert fact(daemon, recording, "officer")["value"] == "li"
    shown = daemon.cli("show", recording)
    assert shown["decoded"]["qr"] == ["LIUHEN:case=2026-12;officer=li"]
    assert shown["links"] == 1
    daemon.wait_idle()
    daemon.assert_clean()


def test_rules_and_sidecars(make_daemon, tmp_path):
    daemon = make_daemon({**MAKES, "place": [{"name": "plain", "on": "qr", "match": "^(?<case>20[0-9]{2}-[0-9]+)$"}]})
    daemon.start()
    daemon.drop("said.mp4.json", json.dumps({"case": "2026-1"}).encode())
    daemon.drop("said.mp4", clip(tmp_path, "said.mp4", "LIUHEN:case=2026-99;unit=second"))
    daemon.drop("ruled.mp4", clip(tmp_path, "ruled.mp4", "2026-77", 2))
    ruled = wait_placed(daemon, "case_number", "2026-77")
    assert fact(daemon, ruled, "case_number") == {"value": "2026-77", "source": "qr:plain", "certainty": "probable"}
    said = wait_placed(daemon, "unit", "second")
    assert fact(daemon, said, "case_number")["value"] == "2026-1"
    assert any("another case: 2026-99" in n for n in daemon.cli("show", said)["place"]["notes"])
