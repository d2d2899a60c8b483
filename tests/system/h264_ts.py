# SPDX-License-Identifier: GPL-3.0-or-later
"""What ffmpeg does not make: transport streams with any timestamps, and H.264 whose pictures are two fields (as AVCHD camcorders code them)."""


class Bits:
    """Syntax elements of H.264 (§7.2): u(n) and ue(v)."""

    def __init__(self):
        self.text = ""

    def u(self, bits, value):
        self.text += format(value, f"0{bits}b")
        return self

    def ue(self, *values):
        for v in values:
            digits = format(v + 1, "b")
            self.text += "0" * (len(digits) - 1) + digits
        return self

    def nal(self, head):
        text = self.text + "1"
        text += "0" * (-len(text) % 8)
        out, zeros = bytearray(), 0
        for byte in int(text, 2).to_bytes(len(text) // 8, "big"):
            if zeros >= 2 and byte <= 3:
                out.append(3)
                zeros = 0
            out.append(byte)
            zeros = 0 if byte else zeros + 1
        return b"\0\0\0\1" + bytes([head]) + bytes(out)


def parameter_sets():
    """16 × 32 pixels, Main profile, interlaced, 25 pictures a second; coded by CAVLC."""
    sps = Bits().u(8, 77).u(8, 0).u(8, 30).ue(0, 0, 2, 1).u(1, 0).ue(0, 0).u(5, 0b00101)
    sps.u(5, 0b00001).u(32, 1).u(32, 50).u(1, 1).u(4, 0)
    pps = Bits().ue(0, 0).u(2, 0).ue(0, 0, 0).u(3, 0).ue(0, 0, 0).u(3, 0)
    return sps.nal(0x67) + pps.nal(0x68)


def picture(number, field, sei=b""):
    """A whole picture (field None), its top (0) or its bottom field (1), as an access unit: gray, not compressed."""
    first = number == 0 and field != 1
    b = Bits().ue(0, 7, 0).u(4, number % 16).u(1, field is not None)
    if field is not None:
        b.u(1, field)
    if first:
        b.ue(0).u(2, 0)
    else:
        b.u(1, 0)
    b.ue(0)
    for _ in range(2 if field is None else 1):
        b.ue(25)
        b.text += "0" * (-len(b.text) % 8) + format(100, "08b") * 256 + "10000000" * 128
    sets = parameter_sets() if number % 10 == 0 and field != 1 else b""
    return b"\0\0\0\1\x09\xf0" + sets + sei + b.nal(0x65 if first else 0x41)


def fields(count, whole=lambda n: False, sei=lambda n: b""):
    """count pictures as (time in ticks of 90 kHz, access unit), each two fields but for those that are whole."""
    units = []
    for n in range(count):
        units += [(n * 3600, picture(n, None, sei(n)))] if whole(n) else \
                 [(n * 3600, picture(n, 0, sei(n))), (n * 3600 + 1800, picture(n, 1))]
    return units


def crc32(data):
    """Of tables (ISO/IEC 13818-1 annex A)."""
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte << 24
        for _ in range(8):
            crc = (crc << 1 ^ 0x04C11DB7 if crc & 0x80000000 else crc << 1) & 0xFFFFFFFF
    return crc.to_bytes(4, "big")


def table(data):
    return b"\0" + data + crc32(data)


PAT = table(bytes.fromhex("00b00d0001c100000001f000"))
PMT = table(bytes.fromhex("02b0120001c10000e100f0001be100f000"))


def time_field(mark, ticks):
    """A PTS, DTS (§2.4.3.7)."""
    t = ticks % (1 << 33)
    return bytes([mark << 4 | t >> 29 & 14 | 1]) + (t >> 14 & 0xFFFE | 1).to_bytes(2, "big") + (t << 1 & 0xFFFE | 1).to_bytes(2, "big")


def transport_stream(units, jitter=lambda n: 0):
    """One H.264 stream of (ticks, access unit), each a PES packet with its PTS and, jitter ticks off, its PCR."""
    out, counters = [], {0: 0, 0x1000: 0, 0x100: 0}

    def packet(pid, start, payload, field=None):
        room = 184 - (len(field) + 1 if field is not None else 0)
        if len(payload) < room:
            field = (b"\0" if field is None else field) + b"\xff" * (room - len(payload) - (2 if field is None else 0))
            field = b"" if room - len(payload) == 1 and field == b"\0" else field
        head = bytes([0x47, start << 6 | pid >> 8, pid & 255, (0x30 if field is not None else 0x10) | counters[pid]])
        counters[pid] = counters[pid] + 1 & 15
        body = (bytes([len(field)]) + field if field is not None else b"") + payload[:room]
        out.append(head + body)
        assert len(out[-1]) == 188
        return payload[room:]

    for n, (ticks, unit) in enumerate(units):
        if n % 40 == 0:
            packet(0, 1, PAT + b"\xff" * (184 - len(PAT)))
            packet(0x1000, 1, PMT + b"\xff" * (184 - len(PMT)))
        pcr = (ticks + jitter(n)) % (1 << 33)
        clock = b"\x10" + (pcr << 15 | 0x7E00).to_bytes(6, "big")
        rest = b"\0\0\1\xe0\0\0\x80\x80\x05" + time_field(2, ticks) + unit
        rest = packet(0x100, 1, rest, clock)
        while rest:
            rest = packet(0x100, 0, rest)
    return b"".join(out)
