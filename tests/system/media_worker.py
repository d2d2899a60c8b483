# SPDX-License-Identifier: GPL-3.0-or-later
"""Starts liuhen-media or liuhen-stills by hand, as the daemon does (daemon/media/messages.h), and reads its messages."""
import fcntl
import json
import os
import select
import signal
import struct
import time

import pytest

DEADLINE = 30.0
TYPES = {1: "locked", 2: "beat", 3: "progress", 4: "output", 5: "answer", 6: "elsewhere"}


class Run:
    """What came of a run: .status as subprocess gives it, .messages [(type, payload)], .answer (bytes, b"" when there is none),
    .elsewhere, .cpu (seconds), .peak (bytes; never less than that of this process, so to be shown and not judged by: limit memory)."""

    def __init__(self, status, stream, usage):
        self.status, self.cpu, self.peak = status, usage.ru_utime + usage.ru_stime, usage.ru_maxrss << 10
        self.messages = []
        while stream:
            kind, length = struct.unpack_from("<II", stream)
            self.messages.append((TYPES[kind], stream[8:8 + length]))
            stream = stream[8 + length:]
        self.answer = next((p for t, p in self.messages if t == "answer"), b"")
        self.elsewhere = any(t == "elsewhere" for t, _ in self.messages)
        self.outputs = dict(struct.unpack("<IQ", p) for t, p in self.messages if t == "output")


def move_up(fd):
    """Out of the way of the program's own descriptors, which would otherwise be overwritten on the way."""
    high = fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, 60)
    os.close(fd)
    return high


def read_all(pid, reader, what, seconds):
    stream, end = b"", time.monotonic() + seconds
    while True:
        ready, _, _ = select.select([reader], [], [], max(0, end - time.monotonic()))
        if not ready:
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
            pytest.fail(f"{what}: no answer within {seconds} s")
        data = os.read(reader, 65536)
        if not data:
            return stream
        stream += data


def run(program, path, verb="probe", plan=None, files=(), memory=3 << 29, cpu=60, budget=0, threads=0, file_bytes=0,
        seconds=DEADLINE, environment=None):
    """path: the recording (None: none); files: paths in the order of the plan's "files", made anew unless they are there (then read-only).
    Return: Run. The program is killed at the deadline."""
    made = [os.open(f, os.O_RDONLY) if os.path.exists(f) else os.open(f, os.O_RDWR | os.O_CREAT, 0o600) for f in files]
    reader, writer = os.pipe()
    sheet = os.memfd_create("plan")
    os.write(sheet, json.dumps(plan or {}).encode())
    given = [] if path is None else [(os.open(path, os.O_RDONLY), 3)]
    given = [(move_up(fd), place) for fd, place in [*given, (writer, 4), (sheet, 5), *((fd, 6 + i) for i, fd in enumerate(made))]]
    numbers = [memory, cpu, budget, len(files), threads, file_bytes]
    try:
        pid = os.posix_spawn(str(program), [str(program), verb, *map(str, numbers)], environment or {},
                             file_actions=[(os.POSIX_SPAWN_DUP2, fd, place) for fd, place in given])
    finally:
        for fd, _ in given:
            os.close(fd)
    try:
        stream = read_all(pid, reader, path, seconds)
    finally:
        os.close(reader)
    _, status, usage = os.wait4(pid, 0)
    return Run(os.waitstatus_to_exitcode(status), stream, usage)
