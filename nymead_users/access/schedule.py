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
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, time, timedelta
from typing import Any, Final, NamedTuple, Protocol
from zoneinfo import ZoneInfo

from nymead_users.access.windows import DAY, WEEK, in_utc, shown
from nymead_users.access.windows import InvalidSchedule as InvalidSchedule  # noqa: PLC0414 - part of what schedules raise

#: How far next_change looks and windows reaches.
HORIZON = timedelta(days=400)

#: The most windows of a weekly schedule.
MAX_WINDOWS = 50

WEEKDAYS: Final = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")

_DAY_MINUTES = 24 * 60

#: What is asked before and after is answered as for these: what is computed around them must stay within datetime.
_EARLIEST = datetime(1900, 1, 1)  # noqa: DTZ001 - UTC, as all moments in here
_LATEST = datetime(9000, 1, 1)  # noqa: DTZ001 - likewise

#: How much is computed at once: a little more than a week, so that a weekly schedule changes in it.
_NEAR = timedelta(days=8)

#: How much more than HORIZON is computed where nothing changes in _NEAR, so that it need not be done each time.
_SLACK = timedelta(days=30)

#: For how many zones is remembered what was computed.
_MAX_MEMOS = 8

_SHORT = reprlib.Repr()
_SHORT.maxlist = 1

_TIME = re.compile(r"(?:[01][0-9]|2[0-3]):[0-5][0-9]|24:00")


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
            raise InvalidSchedule(f"schedule: {shown(unknown[0])} is unknown")
        if len(members) != 1:
            raise InvalidSchedule("schedule: exactly one of weekly and ical is wanted")
        if "ical" in members:
            from nymead_users.access.calendars import read_event  # noqa: PLC0415 - its libraries are slow to import

            return cls(read_event(members["ical"]))
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

    def as_nuki(self) -> tuple[int, int, int] | None:
        """What ``from_nuki`` reads, with minutes below 1440; None for what it cannot express."""
        if not isinstance(self._pattern, _Weekly) or len(self._pattern.windows) != 1:
            return None
        days, begin, end = self._pattern.windows[0]
        return sum(64 >> day for day in days), begin, end % _DAY_MINUTES

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
                raise InvalidSchedule(f"recurrence: {shown(name)} is none of {', '.join(WEEKDAYS)}")
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

    def as_unloc(self) -> dict[str, dict[str, int]] | None:
        """The recurrence of an Unloc key, of which ``from_unloc`` makes an equal schedule.

        None for what it has no words for: a calendar, and several windows that begin on one day.
        """
        if not isinstance(self._pattern, _Weekly):
            return None
        begun = [(day, begin, end) for days, begin, end in self._pattern.windows for day in days]
        if len({day for day, _, _ in begun}) < len(begun):
            return None
        return {WEEKDAYS[day]: _period(begin, end) for day, begin, end in sorted(begun)}

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
        for start, stop in self._pattern.between(begin - self._pattern.longest - DAY, end + DAY, zone):
            if runs and start <= runs[-1][1]:
                runs[-1] = (runs[-1][0], max(runs[-1][1], stop))
            else:
                runs.append((start, stop))
        edges: list[datetime] = []
        for begins, ends in sorted((in_utc(start, zone), in_utc(stop, zone)) for start, stop in runs):
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
        return cls(tuple(windows), spans, longest, longest >= WEEK)

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
            monday += WEEK

    def as_json(self) -> dict[str, Any]:
        return {
            "weekly": [
                {
                    "weekdays": [WEEKDAYS[day] for day in days],
                    "from": _clock(begin),
                    "until": _clock(_time_of_day(end)),
                }
                for days, begin, end in self.windows
            ]
        }


def _time_of_day(end: int) -> int:
    """When a window ends, on its own day or the next one."""
    return end if end <= _DAY_MINUTES else end - _DAY_MINUTES


def _clock(minutes: int) -> str:
    return f"{minutes // 60:02}:{minutes % 60:02}"


def _period(begin: int, end: int) -> dict[str, int]:
    end = _time_of_day(end)
    return {"startHour": begin // 60, "startMinute": begin % 60, "endHour": end // 60, "endMinute": end % 60}


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
            raise InvalidSchedule(f"{place}[{index}]: {shown(name)} is none of {', '.join(WEEKDAYS)}")
        if WEEKDAYS.index(name) in days:
            raise InvalidSchedule(f"{place}[{index}]: {shown(name)} is there twice")
        days.append(WEEKDAYS.index(name))
    return days


def _read_time(value: Any, place: str) -> int:
    if not isinstance(value, str) or not _TIME.fullmatch(value):
        raise InvalidSchedule(f"{place}: {shown(value)} is no time of day from 00:00 to 24:00")
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
        raise InvalidSchedule(f"{place}: an object is wanted, got {shown(value)}")
    for name in value if names else ():
        if name not in names:
            raise InvalidSchedule(f"{place}: {shown(name)} is unknown")
    for name in names:
        if name not in value:
            raise InvalidSchedule(f"{place}.{name} is missing")
    return value


def _whole(value: Any, place: str, most: int) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= most:
        raise InvalidSchedule(f"{place}: {shown(value)} is no whole number from 0 to {most}")
    return value
