"""Schedules that are events of a calendar (RFC 5545).

Their lines and values are read by icalendar, their structure is not: Calendar.from_ical opens the file
that a text without line breaks names, keeps each VTIMEZONE for the whole process, and drops what it cannot read in
an event or a rule.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from itertools import islice
from typing import Any, Literal, NamedTuple
from zoneinfo import ZoneInfo

from dateutil.rrule import DAILY, MONTHLY, WEEKLY, YEARLY, rrule, weekday, weekdays
from icalendar.parser import Contentline
from icalendar.prop import vDate, vDatetime, vDuration

from nymead_users.access.windows import DAY, NOTHING, WEEK, InvalidSchedule, in_utc, shown

#: The longest calendar, in bytes of UTF-8.
MAX_ICAL_BYTES = 16 * 1024

#: The most dates that a calendar leaves out: a leap year's days.
MAX_EXDATES = 366

#: The longest event.
MAX_DURATION = timedelta(days=7)

#: The years in which an event may start first.
FIRST_YEAR, LAST_YEAR = 1970, 2200

#: No event recurs later: a rule is not followed for ever.
_END = datetime(LAST_YEAR + 100, 12, 31)  # noqa: DTZ001 - local time without a zone

_UTC = ZoneInfo("UTC")

#: Each part of a rule that says on which days it recurs, and with which frequencies it may stand.
_FREQUENCIES: dict[str, tuple[Literal[0, 1, 2, 3], tuple[str, ...]]] = {
    "DAILY": (DAILY, ("BYDAY",)),
    "WEEKLY": (WEEKLY, ("BYDAY",)),
    "MONTHLY": (MONTHLY, ("BYDAY", "BYMONTHDAY", "BYSETPOS")),
    "YEARLY": (YEARLY, ("BYMONTH", "BYDAY", "BYMONTHDAY", "BYSETPOS")),
}

#: The parts that may stand with every frequency. WKST changes nothing but weeks.
_COMMON_PARTS = ("FREQ", "INTERVAL", "COUNT", "UNTIL", "WKST")

_MAX_INTERVAL = 100
_MAX_COUNT = 1000

#: The most values of a part: all days of a month. dateutil tries each of them with each day.
_MAX_VALUES = 31

#: A number of months, and of years, after which no year has four digits: of such a rule dateutil looks at one period.
_ONCE = 12 * 10_000

_WEEKDAY_CODES = ("MO", "TU", "WE", "TH", "FR", "SA", "SU")
_NUMBER = re.compile(r"[+-]?[0-9]{1,3}")
_WEEKDAY = re.compile(r"([+-]?[0-9]{1,2})?(MO|TU|WE|TH|FR|SA|SU)")
_LINE_BREAK = re.compile(r"\r?\n")
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f\ud800-\udfff]")
_DATE = re.compile(r"[0-9]{8}")
_DATE_TIME = re.compile(r"[0-9]{8}T[0-9]{6}Z?")

#: How lines begin, and how those of interest do.
_ANY = re.compile(r"([A-Za-z0-9-]+)(?::|;[A-Za-z0-9-]+=)")
_KNOWN = re.compile(
    r"(?:BEGIN|END|CALSCALE|DTSTART|DTEND|DURATION|RRULE|EXDATE|RDATE|EXRULE|RECURRENCE-ID)[;:]", re.IGNORECASE
)

_PROPERTIES = ("DTSTART", "DTEND", "DURATION", "RRULE", "EXDATE")
_REFUSED_PROPERTIES = ("RDATE", "EXRULE", "RECURRENCE-ID")

# They have no types.
_content_line: Callable[[str], Any] = Contentline
_date_of: Callable[[str], date] = vDate.from_ical
_datetime_of: Callable[[str], datetime] = vDatetime.from_ical
_duration_of: Callable[[str], timedelta] = vDuration.from_ical


class _Line(NamedTuple):
    """A property, its name in upper case."""

    number: int
    name: str
    params: Mapping[str, Any]
    value: str


class _Moment(NamedTuple):
    """A date or a date-time of a calendar; None is the lock's zone. A date is its midnight."""

    local: datetime
    zone: ZoneInfo | None
    is_date: bool


@dataclass(frozen=True, slots=True)
class _Rule:
    """A recurrence from ``first`` on: local times of ``zone``, None is the lock's."""

    first: datetime
    freq: Literal[0, 1, 2, 3]
    interval: int
    wkst: int
    byweekday: tuple[weekday, ...] | None
    bymonth: tuple[int, ...] | None
    bymonthday: tuple[int, ...] | None
    bysetpos: tuple[int, ...] | None

    def starts(self, after: datetime) -> Iterator[datetime]:
        """All starts, rising, from one on that is not after ``after``, unless that is the first."""
        first = self._skipped(after) if after > self.first else self.first
        return iter(self._rrule(first, self.interval))

    def matches_first(self) -> bool:
        """Whether the first start is one by the rule."""
        if self.freq in (DAILY, WEEKLY):
            return self.byweekday is None or self.first.weekday() in [day.weekday for day in self.byweekday]
        return next(iter(self._rrule(self.first, _ONCE)), None) == self.first

    def _skipped(self, after: datetime) -> datetime:
        """Where the same starts follow from as from the first, without those of whole intervals before ``after``."""
        first = self.first
        if self.freq in (DAILY, WEEKLY):
            step = self.interval * (DAY if self.freq == DAILY else WEEK)
            return first + (after - first) // step * step
        each = self.interval * (12 if self.freq == YEARLY else 1)
        months = ((after.year - first.year) * 12 + after.month - first.month) // each * each
        if months == 0:
            return first
        year, month = divmod(first.year * 12 + first.month - 1 + months, 12)
        return first.replace(year=year, month=month + 1, day=1)

    def _rrule(self, first: datetime, interval: int) -> rrule:
        return rrule(
            self.freq,
            dtstart=first,
            interval=interval,
            wkst=self.wkst,
            byweekday=self.byweekday,
            bymonth=self.bymonth,
            bymonthday=self.bymonthday,
            bysetpos=self.bysetpos,
        )


@dataclass(frozen=True, slots=True)
class _Event:
    """One event, perhaps a recurring one, in local times of ``zone``, None is the lock's."""

    text: str
    first: datetime = field(compare=False)
    longest: timedelta = field(compare=False)
    zone: ZoneInfo | None = field(compare=False)
    rule: _Rule | None = field(compare=False)
    #: No start is later.
    last: datetime = field(compare=False)
    #: Nor is one later than this in UTC.
    until: datetime | None = field(compare=False)
    excluded: frozenset[datetime] = field(compare=False)

    @property
    def always(self) -> bool:
        return False

    def over(self, at: datetime) -> bool:
        return self.last + self.longest + DAY <= at

    def between(self, begin: datetime, end: datetime, zone: ZoneInfo) -> Iterator[tuple[datetime, datetime]]:
        if begin > self.last or end <= self.first:
            return
        for start in self.rule.starts(begin) if self.rule else (self.first,):
            if start >= end or start > self.last or (self.until is not None and in_utc(start, zone) > self.until):
                return
            if start >= begin and start not in self.excluded:
                yield start, start + self.longest

    def as_json(self) -> dict[str, Any]:
        return {"ical": self.text}


def read_event(text: Any) -> _Event:
    """The event in a calendar's text. Raises InvalidSchedule."""
    if not isinstance(text, str):
        raise InvalidSchedule(f"ical: a text is wanted, got {shown(text)}")
    if len(text) > MAX_ICAL_BYTES or len(text.encode(errors="surrogatepass")) > MAX_ICAL_BYTES:
        raise InvalidSchedule(f"ical: at most {MAX_ICAL_BYTES} bytes are allowed")
    lines: dict[str, list[_Line]] = {name: [] for name in _PROPERTIES}
    for line in _event_lines(text):
        if line.name in _REFUSED_PROPERTIES:
            raise InvalidSchedule(f"ical: line {line.number}: {line.name} is not allowed")
        if line.name in lines:
            if lines[line.name] and line.name != "EXDATE":
                raise InvalidSchedule(f"ical: line {line.number}: {line.name} is there twice")
            lines[line.name].append(line)
    if not lines["DTSTART"]:
        raise InvalidSchedule("ical: DTSTART is missing")
    start = _read_moment(lines["DTSTART"][0])
    if not FIRST_YEAR <= start.local.year <= LAST_YEAR:
        raise InvalidSchedule(f"ical: DTSTART: the year {start.local.year} is not from {FIRST_YEAR} to {LAST_YEAR}")
    duration = _read_duration(start, lines["DTEND"], lines["DURATION"])
    excluded = _read_exdates(start, lines["EXDATE"])
    if not lines["RRULE"]:
        return _Event(text, start.local, duration, start.zone, None, start.local, None, excluded)
    rule, last, until = _read_rule(start, lines["RRULE"][0].value)
    return _Event(text, start.local, duration, start.zone, rule, last, until, excluded)


def _lines(text: str) -> Iterator[_Line]:
    """The lines of a text, unfolded."""
    unfolded: list[tuple[int, list[str]]] = []
    for number, piece in enumerate(_LINE_BREAK.split(text), 1):
        if _CONTROL.search(piece):
            raise InvalidSchedule(f"ical: line {number}: control characters and half characters are not allowed")
        if piece[:1] in (" ", "\t") and unfolded:
            unfolded[-1][1].append(piece[1:])
        elif piece:
            unfolded.append((number, [piece]))
    for number, pieces in unfolded:
        line = "".join(pieces)
        begins = _ANY.match(line)
        if begins and not _KNOWN.match(line):
            # Of no interest but that it is there: reading it may take its time.
            yield _Line(number, begins[1].upper(), {}, "")
            continue
        try:
            name, params, value = _content_line(line).parts()
        except ValueError:
            raise InvalidSchedule(f"ical: line {number}: {shown(line)} is not of the form NAME:value") from None
        yield _Line(number, name.upper(), params, value.strip())


def _event_lines(text: str) -> Iterator[_Line]:
    """The properties of the one event of the one calendar that a text is."""
    path: list[str] = []
    seen: set[str] = set()
    for line in _lines(text):
        if line.name == "BEGIN":
            name = line.value.upper()
            _check_component(path, name, seen, f"ical: line {line.number}")
            path.append(name)
            seen.add(name)
        elif line.name == "END":
            if not path or path[-1] != line.value.upper():
                raise InvalidSchedule(f"ical: line {line.number}: END:{shown(line.value)} ends nothing")
            path.pop()
        elif not path:
            raise InvalidSchedule(f"ical: line {line.number}: BEGIN:VCALENDAR is wanted")
        elif path == ["VCALENDAR"] and line.name == "CALSCALE" and line.value.upper() != "GREGORIAN":
            raise InvalidSchedule(f"ical: line {line.number}: CALSCALE {shown(line.value)} is not known")
        elif path == ["VCALENDAR", "VEVENT"]:
            yield line
    if path:
        raise InvalidSchedule(f"ical: END:{path[-1]} is missing")
    for name in ("VCALENDAR", "VEVENT"):
        if name not in seen:
            raise InvalidSchedule(f"ical: BEGIN:{name} is missing")


def _check_component(path: list[str], name: str, seen: set[str], place: str) -> None:
    """Refuse a component that may not begin here; what is in a time zone or an alarm is ignored."""
    allowed: tuple[str, ...]
    match path:
        case []:
            allowed = ("VCALENDAR",)
        case ["VCALENDAR"]:
            allowed = ("VEVENT", "VTIMEZONE")
        case ["VCALENDAR", "VEVENT"]:
            allowed = ("VALARM",)
        case _:
            return
    if name not in allowed:
        raise InvalidSchedule(f"{place}: {shown(name)} is not allowed here, only {' or '.join(allowed)}")
    if name in seen and name in ("VCALENDAR", "VEVENT"):
        raise InvalidSchedule(f"{place}: exactly one {name} is wanted")


def _read_moment(line: _Line) -> _Moment:
    """The date or date-time of a line."""
    place = f"ical: {line.name}"
    kind = line.params.get("VALUE")
    moment = _moment_of(line.value, place)
    if kind is not None and str(kind).upper() != ("DATE" if moment.is_date else "DATE-TIME"):
        raise InvalidSchedule(f"{place}: {shown(line.value)} is not of the kind that VALUE says")
    tzid = line.params.get("TZID")
    if tzid is None:
        return moment
    if moment.is_date or moment.zone is not None:
        raise InvalidSchedule(f"{place}: {shown(line.value)} has no TZID")
    try:
        return moment._replace(zone=ZoneInfo(tzid))
    except (LookupError, ValueError, OSError, TypeError):
        raise InvalidSchedule(
            f"{place}: the time zone {shown(tzid)} is not known, a name such as Europe/Vienna is wanted"
        ) from None


def _moment_of(text: str, place: str) -> _Moment:
    text = text.upper()
    try:
        if _DATE.fullmatch(text):
            return _Moment(datetime.combine(_date_of(text), time.min), None, is_date=True)
        if _DATE_TIME.fullmatch(text):
            zone = _UTC if text.endswith("Z") else None
            return _Moment(_datetime_of(text).replace(tzinfo=None), zone, is_date=False)
    except ValueError:
        pass
    raise InvalidSchedule(f"{place}: {shown(text)} is no date and no date-time")


def _read_duration(start: _Moment, ends: list[_Line], durations: list[_Line]) -> timedelta:
    """How long the event is by the clock on the wall, whatever happens to it meanwhile."""
    if ends and durations:
        raise InvalidSchedule("ical: only one of DTEND and DURATION is allowed")
    if ends:
        place = "ical: DTEND"
        duration = _like(_read_moment(ends[0]), start, place) - start.local
    elif durations:
        place = "ical: DURATION"
        try:
            duration = _duration_of(durations[0].value.upper())
        except (ValueError, OverflowError):
            raise InvalidSchedule(f"{place}: {shown(durations[0].value)} is no duration") from None
        if start.is_date and duration % DAY:
            raise InvalidSchedule(f"{place}: an event that starts with a date lasts whole days")
    elif start.is_date:
        return DAY
    else:
        raise InvalidSchedule("ical: DTEND or DURATION is missing")
    if duration <= NOTHING:
        raise InvalidSchedule(f"{place}: the end is not after DTSTART")
    if duration > MAX_DURATION:
        raise InvalidSchedule(f"{place}: the event is longer than {MAX_DURATION.days} days")
    return duration


def _read_exdates(start: _Moment, lines: list[_Line]) -> frozenset[datetime]:
    values = [line._replace(value=value) for line in lines for value in line.value.split(",")]
    if len(values) > MAX_EXDATES:
        raise InvalidSchedule(f"ical: EXDATE: at most {MAX_EXDATES} are allowed, got {len(values)}")
    return frozenset(_like(_read_moment(value), start, "ical: EXDATE") for value in values)


def _like(moment: _Moment, start: _Moment, place: str) -> datetime:
    """The local time of a moment that must be of DTSTART's kind: one that is not might silently miss every start."""
    if moment.is_date is not start.is_date:
        raise InvalidSchedule(f"{place}: a {'date' if start.is_date else 'date-time'} is wanted, as DTSTART is")
    if moment.zone is start.zone:
        return moment.local
    if moment.zone is None or start.zone is None:
        raise InvalidSchedule(f"{place}: a time zone is wanted if DTSTART has one, and only then")
    try:
        return moment.local.replace(tzinfo=moment.zone).astimezone(start.zone).replace(tzinfo=None)
    except OverflowError:
        raise InvalidSchedule(f"{place}: the year {moment.local.year} is out of range") from None


def _read_rule(start: _Moment, text: str) -> tuple[_Rule, datetime, datetime | None]:
    """A rule, the last start that is possible, and UNTIL if that is in UTC."""
    parts = _read_parts(text)
    freq, _ = _FREQUENCIES[parts["FREQ"]]
    byweekday = _read_byday(parts, freq)
    bymonth = _read_numbers(parts, "BYMONTH", 1, 12, signed=False)
    bymonthday = _read_numbers(parts, "BYMONTHDAY", 1, 31, signed=True)
    bysetpos = _read_numbers(parts, "BYSETPOS", 1, 366, signed=True)
    if bysetpos and not (byweekday or bymonth or bymonthday):
        raise InvalidSchedule("ical: RRULE: BYSETPOS needs another BY part")
    if freq in (MONTHLY, YEARLY) and not (byweekday or bymonthday):
        # What dateutil would take from its dtstart, which need not be ours.
        bymonthday = (start.local.day,)
        if freq == YEARLY and not bymonth:
            bymonth = (start.local.month,)
    interval = _read_number(parts.get("INTERVAL", "1"), "INTERVAL", 1, _MAX_INTERVAL)
    wkst = parts.get("WKST", "MO")
    if wkst not in _WEEKDAY_CODES:
        raise InvalidSchedule(f"ical: RRULE: WKST: {shown(wkst)} is none of {', '.join(_WEEKDAY_CODES)}")
    rule = _Rule(
        start.local, freq, interval, _WEEKDAY_CODES.index(wkst), byweekday, bymonth, bymonthday, bysetpos or None
    )
    if not rule.matches_first():
        raise InvalidSchedule("ical: RRULE: DTSTART is not one of its own recurrences")
    last, until = _read_end(start, parts, rule)
    return rule, last, until


def _read_parts(text: str) -> dict[str, str]:
    """The parts of a rule, all of which may stand in it."""
    parts: dict[str, str] = {}
    for part in text.upper().split(";"):
        name, _, value = part.partition("=")
        if not name or not value:
            raise InvalidSchedule(f"ical: RRULE: {shown(part)} is not of the form NAME=value")
        if name in parts:
            raise InvalidSchedule(f"ical: RRULE: {shown(name)} is there twice")
        parts[name] = value
    freq = parts.get("FREQ")
    if freq is None:
        raise InvalidSchedule("ical: RRULE: FREQ is missing")
    if freq not in _FREQUENCIES:
        raise InvalidSchedule(f"ical: RRULE: FREQ: {shown(freq)} is none of {', '.join(_FREQUENCIES)}")
    for name in parts:
        if name not in _COMMON_PARTS and name not in _FREQUENCIES[freq][1]:
            raise InvalidSchedule(f"ical: RRULE: {shown(name)} is not allowed with FREQ={freq}")
    if "COUNT" in parts and "UNTIL" in parts:
        raise InvalidSchedule("ical: RRULE: only one of COUNT and UNTIL is allowed")
    return parts


def _read_end(start: _Moment, parts: Mapping[str, str], rule: _Rule) -> tuple[datetime, datetime | None]:
    """The last start that is possible, and UNTIL if that is in UTC."""
    if "COUNT" in parts:
        count = _read_number(parts["COUNT"], "COUNT", 1, _MAX_COUNT)
        last = start.local
        for occurrence in islice(rule.starts(start.local), count):
            if occurrence > _END:
                break
            last = occurrence
        return last, None
    if "UNTIL" not in parts:
        return _END, None
    moment = _moment_of(parts["UNTIL"], "ical: RRULE: UNTIL")
    last, until = moment.local, None
    if moment.is_date:
        # All of that day.
        last = datetime.combine(last.date(), time.max)
    elif moment.zone is not None:
        until = last
        last = min(last, _END) + DAY
    if last < start.local or (until and start.zone and until < in_utc(start.local, start.zone)):
        raise InvalidSchedule("ical: RRULE: UNTIL is before DTSTART")
    return min(last, _END), until


def _read_number(text: str, name: str, least: int, most: int) -> int:
    if not re.fullmatch(r"[0-9]{1,4}", text) or not least <= int(text) <= most:
        raise InvalidSchedule(f"ical: RRULE: {name}: {shown(text)} is no whole number from {least} to {most}")
    return int(text)


def _values(parts: Mapping[str, str], name: str) -> list[str]:
    """The values of a part, each once; none where it is absent."""
    values = list(dict.fromkeys(parts[name].split(","))) if name in parts else []
    if len(values) > _MAX_VALUES:
        raise InvalidSchedule(f"ical: RRULE: {name}: at most {_MAX_VALUES} values are allowed, got {len(values)}")
    return values


def _read_numbers(
    parts: Mapping[str, str], name: str, least: int, most: int, *, signed: bool
) -> tuple[int, ...] | None:
    """The numbers of a part; ``signed`` ones count from the end where they are negative."""
    numbers = []
    for value in _values(parts, name):
        number = int(value) if _NUMBER.fullmatch(value) else 0
        if not least <= (abs(number) if signed else number) <= most:
            suffix = " or from the end" if signed else ""
            raise InvalidSchedule(
                f"ical: RRULE: {name}: {shown(value)} is no whole number from {least} to {most}{suffix}"
            )
        numbers.append(number)
    return tuple(numbers) or None


def _read_byday(parts: Mapping[str, str], freq: int) -> tuple[weekday, ...] | None:
    """The weekdays of a rule: all plain, or, of months and years, all numbered."""
    #: The most of a weekday that are in a period.
    most = {DAILY: 0, WEEKLY: 0, MONTHLY: 5, YEARLY: 5 if "BYMONTH" in parts else 53}[freq]
    days: list[weekday] = []
    for value in _values(parts, "BYDAY"):
        match = _WEEKDAY.fullmatch(value)
        if not match:
            raise InvalidSchedule(f"ical: RRULE: BYDAY: {shown(value)} is no weekday such as MO or -1FR")
        ordinal, code = match.groups()
        day = weekdays[_WEEKDAY_CODES.index(code)]
        if ordinal is not None:
            if not 1 <= abs(int(ordinal)) <= most:
                raise InvalidSchedule(f"ical: RRULE: BYDAY: there is no {shown(value)} in FREQ={parts['FREQ']}")
            day = day(int(ordinal))
        if days and (days[0].n is None) is not (day.n is None):
            # dateutil would take only days that are both.
            raise InvalidSchedule("ical: RRULE: BYDAY: weekdays with and without numbers cannot be mixed")
        days.append(day)
    return tuple(days) or None
