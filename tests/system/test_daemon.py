# SPDX-License-Identifier: GPL-3.0-or-later
"""The daemon as a service: readiness, reload, stopping, watchdog, configuration on the command line."""
import os
import subprocess
import time

import yaml


def test_ready_status_and_stop(daemon):
    assert daemon.notified["READY"] == "1"

    def status_said():
        daemon.notifications()
        return "STATUS" in daemon.notified

    daemon.wait(status_said, "STATUS")
    started = time.monotonic()
    assert daemon.stop() == 0
    assert time.monotonic() - started < 60


def test_reload_takes_new_folders(daemon):
    extra = daemon.work / "extra"
    extra.mkdir()
    daemon.write_config(folders=[{"path": str(daemon.folder), "name": "drop"}, {"path": str(extra), "name": "extra", "device": "CAM-7"}])
    daemon.reload()
    assert daemon.notified.get("RELOADING") == "1"
    daemon.drop("x.bin", b"x", folder=extra)
    daemon.wait_sealed(1)
    daemon.wait_idle()
    assert daemon.ls()[0]["device"] == "CAM-7"


def test_bad_reload_leaves_the_old_configuration_in_force(daemon):
    daemon.config_path.write_text("folders:\n  - pat: /nowhere\n")
    daemon.reload()
    daemon.wait_log("refused, the old one stays in force")
    daemon.wait_log("retention.yaml:2:")
    daemon.drop("still.bin", b"still")
    daemon.wait_sealed(1)


def test_restart_only_key_is_named(daemon):
    daemon.write_config(archive={"path": str(daemon.work / "elsewhere")})
    daemon.reload()
    daemon.wait_log("archive.path changed in the configuration")
    assert not (daemon.work / "elsewhere").exists()


def test_watchdog_is_fed(make_daemon):
    daemon = make_daemon().start(env={"WATCHDOG_USEC": "1000000"})
    daemon.notified.pop("WATCHDOG", None)
    daemon.wait(lambda: daemon.notifications(0.5) and "WATCHDOG" in daemon.notified, "WATCHDOG=1", 5)


def test_two_daemons_cannot_share_an_archive(make_daemon):
    first = make_daemon().start()
    second = make_daemon(name="second")
    second.write_config(archive={"path": str(first.archive)})
    second.start(ready=False)
    assert second.wait_end() == 1
    second.wait_log("has this archive; stop it first")


def test_dump_config_loads_back(build, work):
    done = subprocess.run([build / "liuhend", "--dump-config", "--set", "log.level=debug"], capture_output=True, text=True, check=True)
    path = work / "dumped.yaml"
    path.write_text(done.stdout)
    assert yaml.safe_load(done.stdout)["log"]["level"] == "debug"
    again = subprocess.run([build / "liuhend", "--dump-config", "--config", path], capture_output=True, text=True, check=True)
    assert yaml.safe_load(again.stdout) == yaml.safe_load(done.stdout)


def test_wrong_use(build):
    assert subprocess.run([build / "liuhend", "--frobnicate"], capture_output=True, check=False).returncode == 64
    done = subprocess.run([build / "liuhend", "--set", "log.level=loud", "--check-config"], capture_output=True, text=True, check=False)
    assert done.returncode == 78 and "log.level" in done.stderr
    assert "Usage" in subprocess.run([build / "liuhend", "--help"], capture_output=True, text=True, check=True).stdout


def test_key_is_private(daemon):
    key = daemon.archive / "keys/ledger.key"
    assert key.stat().st_mode & 0o777 == 0o400
    assert (daemon.archive / "ledger/ledger.pub").exists()
    assert os.stat(daemon.archive / "objects").st_mode & 0o022 == 0


def test_policy_that_shortens_is_refused(daemon):
    daemon.drop("a.bin", b"a")
    daemon.wait_sealed(1)
    daemon.wait_idle()
    before = daemon.ls()[0]["until"]
    text = open(daemon.config["policies"] + "/cn-health-enforcement.yaml", encoding="utf-8").read()
    longer, shorter = text.replace("keep: 6 months", "keep: 9 months", 1), text
    assert longer != text
    path = daemon.work / "site.yaml"
    path.write_text(longer, encoding="utf-8")
    daemon.write_config(policy=str(path))
    daemon.reload()
    daemon.wait(lambda: daemon.ls()[0]["until"] > before, "longer keeping")
    after = daemon.ls()[0]["until"]
    path.write_text(shorter, encoding="utf-8")
    daemon.reload()
    daemon.wait_log("not adopted")
    assert daemon.ls()[0]["until"] == after
    assert daemon.cli("status")["troubles"]
    daemon.restart()
    assert daemon.ls()[0]["until"] == after
    daemon.assert_clean()
