# SPDX-License-Identifier: GPL-3.0-or-later
"""Ports of loopback for the servers that tests start."""
import contextlib
import itertools
import os
import re
import socket

FIRST, LAST = 18000, 31999  # below those that the kernel gives to clients (32768 and up), which come and go meanwhile
EACH = 700                  # of each of the processes that run tests side by side, so that none takes another's
_mine = int((re.findall(r"\d+", os.environ.get("PYTEST_XDIST_WORKER", "")) or ["0"])[0]) % ((LAST + 1 - FIRST) // EACH)
_next = itertools.cycle(range(FIRST + _mine * EACH, FIRST + (_mine + 1) * EACH))


def free_port():
    """A TCP port of 127.0.0.1 that nobody has now, and that no other test is given soon."""
    for _ in range(EACH):
        with contextlib.suppress(OSError), socket.socket() as s:
            port = next(_next)
            s.bind(("127.0.0.1", port))
            return port
    raise AssertionError("no free port")
