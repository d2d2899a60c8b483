# SPDX-License-Identifier: GPL-3.0-or-later
"""The GPS trail that a body-worn system sends beside its clips becomes trail.gpx of each of them, whichever comes first."""
import contextlib
import sqlite3
import xml.etree.ElementTree as ElementTree

import pytest
from bodyworn_client import CameraSystem, Session, api, open_door, register

MAKES = {"media": {"derive": {"enabled": True, "load": 0}}}
GPX = "{http://www.topografix.com/GPX/1/1}"


def trails(daemon):
    """{recording: trail.gpx's bytes} by the rows of now."""
    for _ in range(20):
        with contextlib.suppress(FileNotFoundError):  # replaced after its row was read
            return trails_once(daemon)
    return trails_once(daemon)


def trails_once(daemon):
    db = sqlite3.connect(f"file:{daemon.archive}/catalogue.db?mode=ro", uri=True, timeout=20)
    try:
        rows = db.execute("SELECT recording, file, how FROM derivatives WHERE name = 'trail.gpx'").fetchall()
    finally:
        db.close()
    assert all(how == "bodyworn" for _, _, how in rows)
    return {r: (daemon.archive / "cache/derivatives" / r[-2:] / r / file).read_bytes() for r, file, _ in rows}


def idle(daemon, clips):
    """Each clip's job has ended."""
    def ended():
        db = sqlite3.connect(f"file:{daemon.archive}/catalogue.db?mode=ro", uri=True, timeout=20)
        try:
            states = dict(db.execute("SELECT recording, state FROM jobs").fetchall())
        finally:
            db.close()
        return all(states.get(c) == "done" for c in clips)
    daemon.wait(ended, "ended jobs", timeout=120)


def points(gpx):
    return [(p.get("lat"), p.get("lon"), p.findtext(f"{GPX}time")) for p in ElementTree.fromstring(gpx).iter(f"{GPX}trkpt")]


def begin(make_daemon, media):
    daemon, url = open_door(make_daemon, MAKES)
    bws, session = CameraSystem(url, key=register(daemon)[1]), Session(media, "mp4")
    assert bws.container(session.name, session.metadata()).status == 201
    return daemon, bws, session


def send_clips(bws, session):
    return [bws.put(session.name, n, d, session.clip_times(n)).headers["x-liuhen-recording"] for n, d in session.clips.items()]


@pytest.mark.parametrize("order", ["trail first", "trail later"])
def test_trail_of_each_clip(make_daemon, media, order):
    daemon, bws, session = begin(make_daemon, media)
    if order == "trail first":
        assert bws.put(session.name, session.trail_name, session.trail).status == 201
    clips = send_clips(bws, session)
    idle(daemon, clips)
    if order == "trail later":
        assert trails(daemon) == {}
        assert bws.put(session.name, session.trail_name, session.trail).status == 201
    daemon.wait(lambda: set(trails(daemon)) == set(clips), "a trail of each clip", timeout=120)
    for gpx in trails(daemon).values():
        found = points(gpx)
        assert len(found) == 5 and [float(x) for x in found[0][:2]] == [41.2, 123.7] and [float(x) for x in found[-1][:2]] == [41.24, 123.74]
    assert "trail.gpx" in {f["name"] for f in api(daemon, "GET", f"/v1/recordings/{clips[0]}/derivatives")["files"]}
    daemon.assert_clean()


def test_another_trail_comes(make_daemon, media):
    """A newer one of the same name takes the place of the one before; the same once more changes nothing."""
    daemon, bws, session = begin(make_daemon, media)
    clips = send_clips(bws, session)
    assert bws.put(session.name, session.trail_name, session.trail).status == 201
    daemon.wait(lambda: set(trails(daemon)) == set(clips), "a trail of each clip", timeout=120)
    idle(daemon, clips)
    before = trails(daemon)
    assert bws.put(session.name, session.trail_name, session.trail).status == 201
    idle(daemon, clips)
    assert trails(daemon) == before
    assert bws.put(session.name, session.trail_name, session.trail.replace(b"123.70", b"123.60")).status == 201
    daemon.wait(lambda: all(float(points(g)[0][1]) == 123.6 for g in trails(daemon).values()), "the other trail", timeout=120)


def test_a_trail_that_is_none(make_daemon, media):
    """Encrypted, or without a position: the clip has its other derivatives, and why there is no trail is said."""
    daemon, bws, session = begin(make_daemon, media)
    assert bws.put(session.name, session.trail_name, b"\x93no JSON").status == 201
    clips = send_clips(bws, session)
    idle(daemon, clips)
    assert trails(daemon) == {}
    shown = api(daemon, "GET", f"/v1/recordings/{clips[0]}/derivatives")
    assert "proxy.mp4" in {f["name"] for f in shown["files"]}
    assert any(m["name"] == "trail.gpx" and "no JSON" in m["message"] for m in shown["missing"])
