"""When a grant holds: windows in a lock's local time, weekly or as one event of a calendar (RFC 5545).

Windows are found in local time without a zone, and those that touch or overlap there are one. Only then the zone is
attached to each start and end. A local time that comes twice in autumn is the first of the two; one that is left out in
spring is as long after midnight as on other days (02:30 is what clocks show as 03:30). A window whose end does not come
after its start in UTC, which only happens there, is none.
"""

from __future__ import annotations

import re
import reprlib
from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from itertools import islice
from typing import Any, Final, Literal, NamedTuple, Protocol
from zoneinfo import ZoneInfo

from dateutil.rrule import DAILY, MONTHLY, WEEKLY, YEARLY, rrule, weekday, weekdays
from icalendar.parser import Contentline
from icalendar.prop import vDate, vDatetime, vDuration

#: How far next_change looks and windows reaches.
HORIZON = timedelta(days=400)

#: The most windows of a weekly schedule.
MAX_WINDOWS = 50

#: The longest calendar, in bytes of UTF-8.
MAX_ICAL_BYTES = 16 * 1024

#: The most dates that a calendar leaves out: a leap year's days.
MAX_EXDATES = 366

#: The longest event.
MAX_DURATION = timedelta(days=7)

#: The years in which an event may start first.
FIRST_YEAR, LAST_YEAR = 1970, 2200

WEEKDAYS: Final = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")

_NOTHING = timedelta(0)
_DAY = timedelta(days=1)
_DAY_MINUTES = 24 * 60
_WEEK = timedelta(days=7)

#: What is asked before and after is answered as for these: what is computed around them must stay within datetime.
_EARLIEST = datetime(1900, 1, 1)  # noqa: DTZ001 - UTC, as all moments in here
_LATEST = datetime(9000, 1, 1)  # noqa: DTZ001 - likewise

#: No event recurs later: a rule is not followed for ever.
_END = datetime(LAST_YEAR + 100, 12, 31)  # noqa: DTZ001 - local time without a zone

#: How much is computed at once: a little more than a week, so that a weekly schedule changes in it.
_NEAR = timedelta(days=8)

#: How much more than HORIZON is computed where nothing changes in _NEAR, so that it need not be done each time.
_SLACK = timedelta(days=30)

#: For how many zones is remembered what was computed.
_MAX_MEMOS = 8

_UTC = ZoneInfo("UTC")

_SHORT = reprlib.Repr()
_SHORT.maxlist = 1

_TIME = re.compile(r"(?:[01][0-9]|2[0-3]):[0-5][0-9]|24:00")


class InvalidSchedule(ValueError):
    """What is no schedule; the text names the place and the reason."""


class _Pattern(Protocol):
    """Windows in local time without a zone."""

    @property
    def always(self) -> bool:
        """Whether it is one window without begin and end."""

    @property
    def longest(self) -> timedelta:
        """No window is longer."""

    @property
    def zone(self) -> ZoneInfo | None:
        """The zone of its own."""

    def over(self, at: datetime) -> bool:
        """Whether all windows certainly end by ``at``."""

    def between(self, begin: datetime, end: datetime, zone: ZoneInfo) -> Iterator[tuple[datetime, datetime]]:
        """The windows that start from ``begin`` until before ``end``, in this order."""

    def as_json(self) -> dict[str, Any]:
        """The API's form."""


class _Memo(NamedTuple):
    """What was computed last for a zone: edges are right from ``begin`` until before ``end``.

    All are in UTC without saying so, as wherever it is not said otherwise: that is several times as fast.
    """

    begin: datetime
    end: datetime
    edges: list[datetime]


@dataclass(frozen=True, slots=True, repr=False)
class Schedule:
    """When something holds. Schedules of the same canonical form (see ``as_json``) are equal.

    Every ``zone`` is the lock's; it counts unless a calendar has a zone of its own. Every moment is aware.
    """

    _pattern: _Pattern
    _memos: dict[ZoneInfo, _Memo] = field(default_factory=dict, compare=False)

    @classmethod
    def parse(cls, data: Mapping[str, Any]) -> Schedule:
        """The schedule of the API's form, which is one of two. Raises InvalidSchedule.

        ``{"weekly": [{"weekdays": ["mon", …], "from": "08:00", "until": "17:00"}, …]}``: local times of 1 to
        MAX_WINDOWS windows. ``until`` may be 24:00; where it is not after ``from``, it is the next day's, and the
        window belongs to the day on which it begins. From 00:00 until 00:00 is the whole day.

        ``{"ical": "BEGIN:VCALENDAR…"}``: one event of RFC 5545. It recurs in its own time zone if it has one.
        """
        members = _members(data, "schedule")
        unknown = [name for name in members if name not in ("weekly", "ical")]
        if unknown:
            raise InvalidSchedule(f"schedule: {_shown(unknown[0])} is unknown")
        if len(members) != 1:
            raise InvalidSchedule("schedule: exactly one of weekly and ical is wanted")
        if "ical" in members:
            return cls(_read_event(members["ical"]))
        return cls(_Weekly.of(_read_weekly(members["weekly"])))

    @classmethod
    def from_nuki(cls, weekdays: int | None, from_minute: int | None, until_minute: int | None) -> Schedule:
        """The schedule of a Nuki authorization. Raises InvalidSchedule.

        ``weekdays``: Monday 64 to Sunday 1, None and 0 are every day. Minutes are from local midnight, None is 0;
        a window whose end does not come after its begin ends on the next day, and 0 to 0 is the whole day.
        """
        mask = _whole(0 if weekdays is None else weekdays, "allowedWeekDays", 127) or 127
        begin = _whole(0 if from_minute is None else from_minute, "allowedFromTime", _DAY_MINUTES)
        until = _whole(0 if until_minute is None else until_minute, "allowedUntilTime", _DAY_MINUTES)
        window = _window("allowedFromTime", begin, until)
        return cls(_Weekly.of((day, *window) for day in range(7) if mask & 64 >> day))

    @classmethod
    def from_unloc(cls, periods: Mapping[str, Any]) -> Schedule:
        """The schedule of an Unloc key's recurrence, one period a day. Raises InvalidSchedule.

        ``{"sat": {"startHour": 14, "startMinute": 45, "endHour": 16, "endMinute": 30}, …}``, as
        https://developer.unloc.app/docs/recurring-keys has it: weekdays by their first three letters, hours 0 to 24
        of the lock's time. A day that is absent or None has no period; at least one has. Ours, where Unloc says
        nothing: a period that does not end after its begin ends on the next day, and 0:00 to 0:00 is the whole day.
        """
        triples = []
        for name, period in _members(periods, "recurrence").items():
            if name not in WEEKDAYS:
                raise InvalidSchedule(f"recurrence: {_shown(name)} is none of {', '.join(WEEKDAYS)}")
            if period is not None:
                window = _read_period(period, f"recurrence.{name}")
                triples.append((WEEKDAYS.index(name), *window))
        if not triples:
            raise InvalidSchedule("recurrence: at least one day is wanted")
        return cls(_Weekly.of(triples))

    def as_json(self) -> dict[str, Any]:
        """The canonical form: what ``parse`` makes an equal schedule of.

        Weekly windows of the same times are one, in order, with their weekdays in order; a window that ends at
        midnight ends at 24:00. A calendar's text is as it was.
        """
        return self._pattern.as_json()

    def holds(self, at: datetime, zone: ZoneInfo) -> bool:
        """Whether ``at`` is in a window: start <= at < end."""
        if self._pattern.always:
            return True
        moment = _within_reach(at)
        return bisect_right(self._near(moment, moment, zone).edges, moment) % 2 == 1

    def next_change(self, at: datetime, zone: ZoneInfo) -> datetime | None:
        """The first moment after ``at`` at which ``holds`` changes, in UTC: it is the same from ``at`` until there.

        ``at`` + HORIZON where it doesn't change before, but may do so later, and None where it never does.
        """
        moment = _within_reach(at)
        if self._pattern.always or moment >= _LATEST:
            return None
        horizon = moment + HORIZON
        for reach in (moment, moment + _NEAR, horizon + _SLACK):
            memo = self._near(moment, reach, zone)
            index = bisect_right(memo.edges, moment)
            if index < len(memo.edges) and memo.edges[index] < memo.end:
                return min(memo.edges[index], horizon).replace(tzinfo=UTC)
            if memo.end >= horizon:
                break
        return None if self._pattern.over(horizon) else horizon.replace(tzinfo=UTC)

    def windows(self, begin: datetime, end: datetime, zone: ZoneInfo) -> list[tuple[datetime, datetime]]:
        """The windows that overlap [``begin``, ``end``), in UTC and in order, none touching another.

        A window is whole, even if it reaches beyond. Of windows that go on touching one another beyond, some days are
        there; of one without begin and end, what is asked for. Raises ValueError where ``end`` is more than HORIZON
        after ``begin``.
        """
        if end - begin > HORIZON:
            raise ValueError(f"at most {HORIZON.days} days can be asked for at once")
        first, last = _within_reach(begin), _within_reach(end)
        if first >= last:
            return []
        edges = [first, last] if self._pattern.always else self._edges(first, last, self._pattern.zone or zone)
        return [
            (start.replace(tzinfo=UTC), stop.replace(tzinfo=UTC))
            for start, stop in zip(edges[::2], edges[1::2], strict=True)
            if start < last and first < stop
        ]

    def __repr__(self) -> str:
        return f"Schedule({_SHORT.repr(self.as_json())})"

    def _near(self, at: datetime, reach: datetime, zone: ZoneInfo) -> _Memo:
        """Edges that are right at ``at`` and until ``reach``."""
        zone = self._pattern.zone or zone
        memo = self._memos.get(zone)
        if memo is None or not memo.begin <= at < memo.end or memo.end < reach:
            begin, end = datetime.combine(at, time.min), max(reach, at + _NEAR)
            if len(self._memos) >= _MAX_MEMOS:
                self._memos.clear()
            memo = self._memos[zone] = _Memo(begin, end, self._edges(begin, end, zone))
        return memo

    def _edges(self, begin: datetime, end: datetime, zone: ZoneInfo) -> list[datetime]:
        """Start, end, start, end … of windows, rising, with all that are from ``begin`` until before ``end``."""
        runs: list[tuple[datetime, datetime]] = []
        # Local time is less than a day away from UTC.
        for start, stop in self._pattern.between(begin - self._pattern.longest - _DAY, end + _DAY, zone):
            if runs and start <= runs[-1][1]:
                runs[-1] = (runs[-1][0], max(runs[-1][1], stop))
            else:
                runs.append((start, stop))
        edges: list[datetime] = []
        for begins, ends in sorted((_in_utc(start, zone), _in_utc(stop, zone)) for start, stop in runs):
            if begins >= ends:
                continue
            if edges and begins <= edges[-1]:
                edges[-1] = max(edges[-1], ends)
            else:
                edges += (begins, ends)
        return edges


def _within_reach(at: datetime) -> datetime:
    """An aware moment in UTC, without saying so."""
    offset = at.utcoffset()
    if offset is None:
        raise ValueError("a moment needs a time zone")
    moment = at.replace(tzinfo=None)
    return moment - offset if _EARLIEST < moment < _LATEST else min(max(moment, _EARLIEST), _LATEST)


def _in_utc(local: datetime, zone: ZoneInfo) -> datetime:
    return local - (zone.utcoffset(local) or _NOTHING)


# Weekly windows.


@dataclass(frozen=True, slots=True)
class _Weekly:
    """Windows as (weekdays, begin, end) in minutes from midnight, the end at most a day after the begin."""

    windows: tuple[tuple[tuple[int, ...], int, int], ...]
    #: Begins and ends from Monday's midnight, none touching another of the week; the last may reach into the next one.
    spans: tuple[tuple[timedelta, timedelta], ...] = field(compare=False)
    longest: timedelta = field(compare=False)
    always: bool = field(compare=False)

    @classmethod
    def of(cls, triples: Iterable[tuple[int, int, int]]) -> _Weekly:
        """Of windows as (weekday, begin, end)."""
        days: dict[tuple[int, int], set[int]] = {}
        for day, begin, end in triples:
            days.setdefault((begin, end), set()).add(day)
        windows = sorted((tuple(sorted(group)), begin, end) for (begin, end), group in days.items())
        merged: list[tuple[int, int]] = []
        for begin, end in sorted(
            (day * _DAY_MINUTES + begin, day * _DAY_MINUTES + end) for group, begin, end in windows for day in group
        ):
            if merged and begin <= merged[-1][1]:
                merged[-1] = (merged[-1][0], max(merged[-1][1], end))
            else:
                merged.append((begin, end))
        spans = tuple((timedelta(minutes=begin), timedelta(minutes=end)) for begin, end in merged)
        longest = max(end - begin for begin, end in spans)
        return cls(tuple(windows), spans, longest, longest >= _WEEK)

    @property
    def zone(self) -> None:
        return None

    def over(self, at: datetime) -> bool:  # noqa: ARG002 - it never is
        return False

    def between(self, begin: datetime, end: datetime, zone: ZoneInfo) -> Iterator[tuple[datetime, datetime]]:  # noqa: ARG002 - of the protocol
        monday = datetime.combine(begin.date() - timedelta(days=begin.weekday()), time.min)
        while monday < end:
            for opens, closes in self.spans:
                start = monday + opens
                if begin <= start < end:
                    yield start, monday + closes
            monday += _WEEK

    def as_json(self) -> dict[str, Any]:
        return {
            "weekly": [
                {
                    "weekdays": [WEEKDAYS[day] for day in days],
                    "from": _clock(begin),
                    "until": _clock(end if end <= _DAY_MINUTES else end - _DAY_MINUTES),
                }
                for days, begin, end in self.windows
            ]
        }


def _clock(minutes: int) -> str:
    return f"{minutes // 60:02}:{minutes % 60:02}"


def _read_weekly(value: Any) -> Iterator[tuple[int, int, int]]:
    if not isinstance(value, list | tuple):
        raise InvalidSchedule("weekly: a list of windows is wanted")
    if not 1 <= len(value) <= MAX_WINDOWS:
        raise InvalidSchedule(f"weekly: 1 to {MAX_WINDOWS} windows are wanted, got {len(value)}")
    for index, item in enumerate(value):
        place = f"weekly[{index}]"
        members = _members(item, place, "weekdays", "from", "until")
        days = _read_weekdays(members["weekdays"], f"{place}.weekdays")
        times = (_read_time(members[name], f"{place}.{name}") for name in ("from", "until"))
        window = _window(place, *times)
        yield from ((day, *window) for day in days)


def _read_weekdays(value: Any, place: str) -> list[int]:
    if not isinstance(value, list | tuple) or not value:
        raise InvalidSchedule(f"{place}: a list of one or more of {', '.join(WEEKDAYS)} is wanted")
    days: list[int] = []
    for index, name in enumerate(value):
        if name not in WEEKDAYS:
            raise InvalidSchedule(f"{place}[{index}]: {_shown(name)} is none of {', '.join(WEEKDAYS)}")
        if WEEKDAYS.index(name) in days:
            raise InvalidSchedule(f"{place}[{index}]: {_shown(name)} is there twice")
        days.append(WEEKDAYS.index(name))
    return days


def _read_time(value: Any, place: str) -> int:
    if not isinstance(value, str) or not _TIME.fullmatch(value):
        raise InvalidSchedule(f"{place}: {_shown(value)} is no time of day from 00:00 to 24:00")
    return int(value[:2]) * 60 + int(value[3:])


def _read_period(value: Any, place: str) -> tuple[int, int]:
    members = _members(value, place, "startHour", "startMinute", "endHour", "endMinute")
    minutes = []
    for name in ("start", "end"):
        hour = _whole(members[f"{name}Hour"], f"{place}.{name}Hour", 24)
        minute = _whole(members[f"{name}Minute"], f"{place}.{name}Minute", 0 if hour == 24 else 59)
        minutes.append(hour * 60 + minute)
    return _window(place, *minutes)


def _window(place: str, begin: int, until: int) -> tuple[int, int]:
    """Begin and end in minutes from midnight, of two times of a day."""
    if begin == _DAY_MINUTES:
        raise InvalidSchedule(f"{place}: 24:00 is the end of a day, nothing begins then")
    if begin == until != 0:
        same = f"{_clock(begin)} until {_clock(until)}"
        raise InvalidSchedule(f"{place}: {same} is nothing or a whole day; a whole day is 00:00 until 24:00")
    return begin, until if until > begin else until + _DAY_MINUTES


def _members(value: Any, place: str, *names: str) -> Mapping[str, Any]:
    """An object's members, with these names and no others if any are given."""
    if not isinstance(value, Mapping):
        raise InvalidSchedule(f"{place}: an object is wanted, got {_shown(value)}")
    for name in value if names else ():
        if name not in names:
            raise InvalidSchedule(f"{place}: {_shown(name)} is unknown")
    for name in names:
        if name not in value:
            raise InvalidSchedule(f"{place}.{name} is missing")
    return value


def _whole(value: Any, place: str, most: int) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= most:
        raise InvalidSchedule(f"{place}: {_shown(value)} is no whole number from 0 to {most}")
    return value


def _shown(value: Any) -> str:
    """A value for people: short, and printable whatever it is."""
    if isinstance(value, str):
        value = f'"{value}"' if len(value) <= 40 else f'"{value[:40]}…"'
    else:
        value = reprlib.repr(value)
    return "".join(character if character.isprintable() else "\N{REPLACEMENT CHARACTER}" for character in value)


# Calendars. Their lines and values are read by icalendar, their structure is not: Calendar.from_ical opens the file
# that a text without line breaks names, keeps each VTIMEZONE for the whole process, and drops what it cannot read in
# an event or a rule.

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
            step = self.interval * (_DAY if self.freq == DAILY else _WEEK)
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
        return self.last + self.longest + _DAY <= at

    def between(self, begin: datetime, end: datetime, zone: ZoneInfo) -> Iterator[tuple[datetime, datetime]]:
        if begin > self.last or end <= self.first:
            return
        for start in self.rule.starts(begin) if self.rule else (self.first,):
            if start >= end or start > self.last or (self.until is not None and _in_utc(start, zone) > self.until):
                return
            if start >= begin and start not in self.excluded:
                yield start, start + self.longest

    def as_json(self) -> dict[str, Any]:
        return {"ical": self.text}


def _read_event(text: Any) -> _Event:
    if not isinstance(text, str):
        raise InvalidSchedule(f"ical: a text is wanted, got {_shown(text)}")
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
        try:
            name, params, value = _content_line(line).parts()
        except ValueError:
            raise InvalidSchedule(f"ical: line {number}: {_shown(line)} is not of the form NAME:value") from None
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
                raise InvalidSchedule(f"ical: line {line.number}: END:{_shown(line.value)} ends nothing")
            path.pop()
        elif not path:
            raise InvalidSchedule(f"ical: line {line.number}: BEGIN:VCALENDAR is wanted")
        elif path == ["VCALENDAR"] and line.name == "CALSCALE" and line.value.upper() != "GREGORIAN":
            raise InvalidSchedule(f"ical: line {line.number}: CALSCALE {_shown(line.value)} is not known")
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
        raise InvalidSchedule(f"{place}: {_shown(name)} is not allowed here, only {' or '.join(allowed)}")
    if name in seen and name in ("VCALENDAR", "VEVENT"):
        raise InvalidSchedule(f"{place}: exactly one {name} is wanted")


def _read_moment(line: _Line) -> _Moment:
    """The date or date-time of a line."""
    place = f"ical: {line.name}"
    kind = line.params.get("VALUE")
    moment = _moment_of(line.value, place)
    if kind is not None and str(kind).upper() != ("DATE" if moment.is_date else "DATE-TIME"):
        raise InvalidSchedule(f"{place}: {_shown(line.value)} is not of the kind that VALUE says")
    tzid = line.params.get("TZID")
    if tzid is None:
        return moment
    if moment.is_date or moment.zone is not None:
        raise InvalidSchedule(f"{place}: {_shown(line.value)} has no TZID")
    try:
        return moment._replace(zone=ZoneInfo(tzid))
    except (LookupError, ValueError, OSError, TypeError):
        raise InvalidSchedule(
            f"{place}: the time zone {_shown(tzid)} is not known, a name such as Europe/Vienna is wanted"
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
    raise InvalidSchedule(f"{place}: {_shown(text)} is no date and no date-time")


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
            raise InvalidSchedule(f"{place}: {_shown(durations[0].value)} is no duration") from None
        if start.is_date and duration % _DAY:
            raise InvalidSchedule(f"{place}: an event that starts with a date lasts whole days")
    elif start.is_date:
        return _DAY
    else:
        raise InvalidSchedule("ical: DTEND or DURATION is missing")
    if duration <= _NOTHING:
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
        raise InvalidSchedule(f"ical: RRULE: WKST: {_shown(wkst)} is none of {', '.join(_WEEKDAY_CODES)}")
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
            raise InvalidSchedule(f"ical: RRULE: {_shown(part)} is not of the form NAME=value")
        if name in parts:
            raise InvalidSchedule(f"ical: RRULE: {_shown(name)} is there twice")
        parts[name] = value
    freq = parts.get("FREQ")
    if freq is None:
        raise InvalidSchedule("ical: RRULE: FREQ is missing")
    if freq not in _FREQUENCIES:
        raise InvalidSchedule(f"ical: RRULE: FREQ: {_shown(freq)} is none of {', '.join(_FREQUENCIES)}")
    for name in parts:
        if name not in _COMMON_PARTS and name not in _FREQUENCIES[freq][1]:
            raise InvalidSchedule(f"ical: RRULE: {_shown(name)} is not allowed with FREQ={freq}")
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
        last = min(last, _END) + _DAY
    if last < start.local or (until and start.zone and until < _in_utc(start.local, start.zone)):
        raise InvalidSchedule("ical: RRULE: UNTIL is before DTSTART")
    return min(last, _END), until


def _read_number(text: str, name: str, least: int, most: int) -> int:
    if not re.fullmatch(r"[0-9]{1,4}", text) or not least <= int(text) <= most:
        raise InvalidSchedule(f"ical: RRULE: {name}: {_shown(text)} is no whole number from {least} to {most}")
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
                f"ical: RRULE: {name}: {_shown(value)} is no whole number from {least} to {most}{suffix}"
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
            raise InvalidSchedule(f"ical: RRULE: BYDAY: {_shown(value)} is no weekday such as MO or -1FR")
        ordinal, code = match.groups()
        day = weekdays[_WEEKDAY_CODES.index(code)]
        if ordinal is not None:
            if not 1 <= abs(int(ordinal)) <= most:
                raise InvalidSchedule(f"ical: RRULE: BYDAY: there is no {_shown(value)} in FREQ={parts['FREQ']}")
            day = day(int(ordinal))
        if days and (days[0].n is None) is not (day.n is None):
            # dateutil would take only days that are both.
            raise InvalidSchedule("ical: RRULE: BYDAY: weekdays with and without numbers cannot be mixed")
        days.append(day)
    return tuple(days) or None
