# SPDX-License-Identifier: GPL-3.0-or-later
"""Hardware. Where there is none: each kind is tried, said to be missing, and everything is made in software. In the shared build a driver for
libva without a device (tests/hardware/va-driver.c) stands in for one that encodes. No real device was ever driven by these tests."""
import json
import os
import pathlib
import subprocess
import tempfile

import pytest

from media_worker import run

DERIVE = {"enabled": True, "load": 0, "nice": 0, "make": ["proxy"], "hardware": "vaapi", "device": "/dev/null"}
LIMITS = {"memory": 4 << 30, "threads": 17, "file_bytes": 1 << 30}


@pytest.fixture(scope="session")
def worker(build):
    return build / "liuhen-media"


@pytest.fixture(scope="session")
def shared(worker):
    said = subprocess.run([worker, "--version"], capture_output=True, text=True, check=True).stdout
    return said.strip().endswith("linked shared")


@pytest.fixture(scope="session")
def driver(build, shared):
    """The environment in which libva finds the driver, behaving in a manner."""
    if not shared or not (build / "va" / "driver.so").exists():
        pytest.skip("only in the build with MEDIA_LINK=shared, with its va/driver.so")
    with tempfile.TemporaryDirectory(dir="/tmp") as folder:  # LD_PRELOAD is split at spaces, and the project's path may have some
        path = pathlib.Path(folder) / "va"
        path.symlink_to((build / "va").resolve())
        yield lambda manner: {"LIBVA_DRIVERS_PATH": str(path), "LIBVA_DRIVER_NAME": manner, "LD_PRELOAD": f"{path}/driver.so"}


def asked(kind="vaapi", **more):
    return {"hardware": {"kind": kind, "decode": True, "encode": True, **more}}


def tried(worker, manner):
    r = run(worker, None, "hardware", asked(device="/dev/null"), environment=manner, **LIMITS)
    assert r.status == 0
    answer = json.loads(r.answer)
    return answer["media"].get("hardware_encodes"), answer["message"]


@pytest.mark.parametrize("kind", ["vaapi", "cuda", "qsv"])
def test_each_kind_says_why_not(worker, kind):
    r = run(worker, None, "hardware", asked(kind), **LIMITS)
    answer = json.loads(r.answer)
    if answer["media"].get("hardware") == kind:
        pytest.skip("this machine has it")
    assert r.status == 0
    assert kind in answer["message"]
    assert "MEDIA_LINK=shared" in answer["message"] or "can be opened" in answer["message"]


@pytest.mark.parametrize("plan, words", [({}, "no hardware is asked for"), (asked("quantum"), "is not known")])
def test_others(worker, plan, words):
    answer = json.loads(run(worker, None, "hardware", plan).answer)
    assert words in answer["message"] and "hardware" not in answer["media"]


def test_a_static_program_is_refused_at_the_start(make_daemon, shared):
    if shared:
        pytest.skip("this one is shared")
    daemon = make_daemon({"media": {"derive": {"hardware": "vaapi"}}}).start(ready=False)
    assert daemon.wait_end() == 78
    assert "set it to none, or install one that was built with MEDIA_LINK=shared" in daemon.log()
    done = subprocess.run(daemon.command("--check-config"), capture_output=True, text=True, check=False)
    assert done.returncode == 78 and "MEDIA_LINK=shared" in done.stderr


def test_the_trial_looks_at_the_pictures(worker, driver):
    assert tried(worker, driver("good"))[0] is True
    encodes, message = tried(worker, driver("wrong"))
    assert encodes is False and "its pictures are not those that it was given" in message


def test_threads_of_a_driver_are_locked_in_too(worker, driver):
    assert tried(worker, driver("thread"))[0] is True


def wrapped(worker, work, environment):
    """liuhen-media as the daemon starts it, which gives it no environment."""
    folder = work / "programs"
    folder.mkdir()
    words = " ".join(f"{k}='{v}'" for k, v in environment.items())
    path = folder / "liuhen-media"
    path.write_text(f"#!/bin/sh\n[ \"$1\" = --version ] && exec '{worker}' --version\nexec env {words} '{worker}' \"$@\"\n", encoding="utf-8")
    path.chmod(0o755)
    os.symlink(worker.with_name("liuhen-stills"), folder / "liuhen-stills")
    return str(path)


def make_proxy(daemon, media):
    clip = media("video").with_suffix(".avi")
    if not clip.exists():
        subprocess.run(["ffmpeg", "-nostdin", "-v", "error", "-i", media("video"), "-c:v", "mjpeg", "-an", clip], check=True)
    daemon.drop("clip.avi", clip)
    row, = daemon.wait_sealed(1)
    daemon.wait(lambda: [f for f in daemon.cli("show", row["id"]).get("derivatives", {}).get("files", []) if f["name"] == "proxy.mp4"]
                or list((daemon.archive / "cache/derivatives").rglob("*-proxy.mp4")), "a proxy")
    path, = (daemon.archive / "cache/derivatives").rglob("*-proxy.mp4")
    return path.read_bytes()


def test_without_a_device_software_does_it(make_daemon, media, shared):
    if not shared:
        pytest.skip("refused at the start")
    daemon = make_daemon({"media": {"derive": {**DERIVE, "device": "/nowhere"}}}).start()
    daemon.wait_log("vaapi is not used, software is: no vaapi device can be opened at /nowhere")
    hardware = daemon.cli("status")["derive"]["hardware"]
    assert hardware["kind"] == "none" and not hardware["encodes"]
    assert hardware["message"] in daemon.cli("status")["troubles"]
    assert b"x264" in make_proxy(daemon, media)


@pytest.mark.parametrize("manner, software", [("good", False), ("fails", True)])
def test_a_device_encodes_and_when_it_fails_software_does(make_daemon, media, worker, driver, work, manner, software):
    daemon = make_daemon({"media": {"worker": wrapped(worker, work, driver(manner)), "derive": DERIVE}}).start()
    assert daemon.cli("status")["derive"]["hardware"]["encodes"] is True
    assert "vaapi encodes" in daemon.cli("status", json=False)
    assert (b"x264" in make_proxy(daemon, media)) == software
    assert ("which is done in software" in daemon.log()) == software


def test_status_tells_of_derivatives(make_daemon):
    daemon = make_daemon({"media": {"derive": {"enabled": True, "load": 0}}}).start()
    derive = daemon.cli("status")["derive"]
    assert derive["state"] == "running" and derive["hardware"]["message"] == "none"
    assert "running · 0 waiting · 0 being made · 0 failed · in software" in daemon.cli("status", json=False)
    daemon.write_config(media={"derive": {"enabled": False}})
    daemon.reload()
    assert "off: media.derive.enabled is false" in daemon.cli("status", json=False)
