# SPDX-License-Identifier: GPL-3.0-or-later
"""Expected results for test-calendar.c, worked out by Python's zoneinfo and dateutil, which share no code with GLib.

Prints "zone start months end midnight" (µs since 1970): start + months keeping the wall clock, the later instant where a zone
change makes it doubtful; and the first instant of the day after `end`. Every day of 2020 to 2060 at a time of day that changes.
"""
import datetime
import zoneinfo

from dateutil.relativedelta import relativedelta

EPOCH = datetime.datetime(1970, 1, 1, tzinfo=datetime.timezone.utc)


def usec(naive, zone):
    """The later of the instants that the wall-clock time may mean."""
    both = (naive.replace(tzinfo=zone, fold=fold) for fold in (0, 1))
    return max((b - EPOCH) // datetime.timedelta(microseconds=1) for b in both)


def lines(name, first, last, months_of):
    zone = zoneinfo.ZoneInfo(name)
    day = datetime.datetime(first, 1, 1)
    n = 0
    while day.year <= last:
        start = day + datetime.timedelta(seconds=(n * 7919) % 86400, microseconds=n % 7)
        # a wall-clock time that does not exist is no start
        instant = usec(start, zone)
        seen = (EPOCH + datetime.timedelta(microseconds=instant)).astimezone(zone).replace(tzinfo=None)
        for months in months_of(n):
            end = seen + relativedelta(months=months)
            # the instant may show another wall clock (a time that is skipped): the day after is that of what it shows
            at = usec(end, zone)
            shown = (EPOCH + datetime.timedelta(microseconds=at)).astimezone(zone).replace(tzinfo=None)
            midnight = shown.replace(hour=0, minute=0, second=0, microsecond=0) + datetime.timedelta(days=1)
            print(name, instant, months, at, usec(midnight, zone))
        day += datetime.timedelta(days=1)
        n += 1


lines("Asia/Shanghai", 2020, 2060, lambda n: (1, 6, 12, 360, 1 + n % 37))
lines("UTC", 2020, 2060, lambda n: (6,))
lines("Europe/Berlin", 2020, 2035, lambda n: (6, 1 + n % 13))
lines("America/St_Johns", 2020, 2035, lambda n: (6, 11))
lines("Asia/Shanghai", 1985, 1992, lambda n: (6,))  # summer time then
