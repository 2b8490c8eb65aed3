"""Dates of ISO 8601: the days that a text may mean, be it a date of any precision or an interval."""

import re
from datetime import date, datetime, timedelta
from functools import lru_cache

YEARS = (1600, 2100)
"""A year outside of these is a typing slip: the oldest herbarium sheets in use are of the 17th century."""

_DATE = re.compile(r"(\d{4})(?:-(\d\d)(?:-(\d\d))?|(\d\d)(\d\d)|-?(\d{3})|-?W(\d\d)(?:-?([1-7]))?)?", re.ASCII)
_ZONE = r"\s?(?:[Zz]|[+-]\d\d(?::?\d\d)?)"
_TIME = re.compile(rf"(\d\d)(?::?(\d\d)(?::?(\d\d)(?:[.,]\d+)?)?)?(?:{_ZONE})?", re.ASCII)
_WITH_TIME = re.compile(r"(?P<date>[^T\s]+?)(?:[Tt\s](?P<time>\d\d.*)|[Zz]|[+-]\d\d:\d\d)?", re.ASCII)
_DURATION = re.compile(
    r"P(?=.)(?:(\d+)Y)?(?:(\d+)M)?(?:(\d+)W)?(?:(\d+)D)?(?:T(?=.)(?:(\d+)H)?(?:(\d+)M)?(?:(\d+)S)?)?", re.ASCII
)
_LONGEST = 100
"""Characters of a text that is looked at."""

Days = tuple[date, date]
"""The first and the last day of a time."""


@lru_cache(maxsize=1 << 16)
def days(text: str) -> Days | None:
    """The first and the last day that a text of ISO 8601 may mean; None if it is none, or no such day exists.

    text : a year, month, day, day of the year (2019-123), week (2019-W20) or day of a week (2019-W20-1), each with or
        without hyphens, with a time of the day and a zone or without, or an interval of two of these with a slash
        between; its end may leave out what is as in its start (2019-05-03/07), and either may be a duration (P5D)
    A day is that of the place: zones do not move it.
    """
    text = text.strip()
    if len(text) > _LONGEST:
        return None
    start, slash, end = (part.strip() for part in text.partition("/"))
    try:
        if not slash:
            return _point(start)
        if start.startswith("P"):
            return _before(end, start)
        if end.startswith("P"):
            return _after(start, end)
        first = _point(start)
        last = _end(start, end) if first else None
    except (ValueError, OverflowError):
        return None
    return (first[0], last[1]) if first and last and first[0] <= last[1] else None


def _point(text: str) -> Days | None:
    """The days of a date with or without a time."""
    parts = _WITH_TIME.fullmatch(text)
    match = _DATE.fullmatch(parts["date"]) if parts else None
    if parts is None or match is None or (parts["time"] and not _is_time(parts["time"])):
        return None
    year = int(match[1])
    month, day = match[2] or match[4], match[3] or match[5]
    if day:
        only = date(year, int(month), int(day))
    elif match[6]:
        only = date(year, 1, 1) + timedelta(int(match[6]) - 1)
        if only.year != year:
            return None
    elif match[8]:
        only = date.fromisocalendar(year, int(match[7]), int(match[8]))
    elif parts["time"]:  # a time of a month is none
        return None
    elif match[7]:
        monday = date.fromisocalendar(year, int(match[7]), 1)
        return monday, monday + timedelta(6)
    elif month:
        first = date(year, int(month), 1)
        return first, (first + timedelta(31)).replace(day=1) - timedelta(1)
    else:
        return date(year, 1, 1), date(year, 12, 31)
    return only, only


def _is_time(text: str) -> bool:
    match = _TIME.fullmatch(text)
    if not match:
        return False
    hour, minute, second = (int(part or 0) for part in match.groups())
    return (hour < 24 and minute < 60 and second <= 60) or (hour, minute, second) == (24, 0, 0)


def _end(start: str, end: str) -> Days | None:
    """The days of an interval's end, which may leave out the parts in which it is as its start."""
    date_, time = _split(start)
    written, end_time = _split(end)
    if time and (":" in end or end.startswith("T")) and _is_time(end.removeprefix("T")):
        return _point(date_)
    match = _DATE.fullmatch(date_)
    cuts = [match.start(part) for part in range(2, 9) if match[part]] if match else []
    cuts += [match.start(7) - 1] if match and match[7] else []
    for cut in cuts:
        completed = date_[:cut] + written
        if len(completed) == len(date_) and (not end_time or _is_time(end_time)):
            try:
                return _point(completed)
            except ValueError:  # 20190503/2020 ends with a year
                continue
    return _point(end)


def _split(text: str) -> tuple[str, str]:
    """The date and the time of a text, without the zone of a date alone."""
    parts = _WITH_TIME.fullmatch(text)
    return (parts["date"], parts["time"] or "") if parts else (text, "")


def _after(start: str, duration: str) -> Days | None:
    """The days of an interval by its start and how long it takes; one day from a date is that date."""
    first = _point(start)
    if first is None or (end := _shifted(_moment(start, first[0]), duration, 1)) is None:
        return None
    return first[0], max(first[0], (end - timedelta(microseconds=1)).date())


def _before(end: str, duration: str) -> Days | None:
    """The same by its end."""
    last = _point(end)
    if last is None:
        return None
    at = _moment(end, last[1]) if _split(end)[1] else _moment(end, last[1]) + timedelta(1)
    start = _shifted(at, duration, -1)
    return (min(start.date(), last[1]), last[1]) if start else None


def _moment(text: str, day: date) -> datetime:
    match = _TIME.fullmatch(_split(text)[1])
    hour, minute, second = (int(part or 0) for part in match.groups()) if match else (0, 0, 0)
    return datetime(day.year, day.month, day.day) + timedelta(hours=hour, minutes=minute, seconds=second)


def _shifted(moment: datetime, duration: str, sign: int) -> datetime | None:
    match = _DURATION.fullmatch(duration)
    if match is None:
        return None
    years, months, weeks, n_days, hours, minutes, seconds = (sign * int(part or 0) for part in match.groups())
    month = moment.year * 12 + moment.month - 1 + 12 * years + months
    # the 31st and a month is the last day of a shorter one
    for day in range(moment.day, moment.day - 4, -1):
        try:
            moved = moment.replace(year=month // 12, month=month % 12 + 1, day=day)
        except ValueError:
            continue
        return moved + timedelta(weeks=weeks, days=n_days, hours=hours, minutes=minutes, seconds=seconds)
    return None
