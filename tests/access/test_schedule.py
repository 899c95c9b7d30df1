"""Schedules: what can be read, what is refused and why, and when they hold across the changes of the clock."""

from __future__ import annotations

import calendar
import itertools
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from dateutil import rrule
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from nymead_users.access.calendars import MAX_ICAL_BYTES
from nymead_users.access.schedule import HORIZON, WEEKDAYS, InvalidSchedule, Schedule

VIENNA = ZoneInfo("Europe/Vienna")
NEW_YORK = ZoneInfo("America/New_York")

#: Half-hour changes, a day left out (2011-12-30), odd offsets, the ends of the world, and none of that.
ZONES = [
    VIENNA,
    NEW_YORK,
    ZoneInfo("Australia/Lord_Howe"),
    ZoneInfo("Pacific/Apia"),
    ZoneInfo("Asia/Kathmandu"),
    ZoneInfo("Pacific/Kiritimati"),
    ZoneInfo("UTC"),
]

SECOND = timedelta(seconds=1)
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)

MONDAY_TO_FRIDAY = {"weekdays": ["mon", "tue", "wed", "thu", "fri"], "from": "08:00", "until": "17:00"}
NIGHTS = {"weekdays": list(WEEKDAYS), "from": "22:00", "until": "06:00"}


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def local(text: str) -> datetime:
    return datetime.fromisoformat(text)


def weekly(*windows: Mapping[str, Any]) -> Schedule:
    return Schedule.parse({"weekly": [dict(window) for window in windows]})


def window(weekdays: str, begin: str, until: str) -> dict[str, Any]:
    return {"weekdays": weekdays.split(), "from": begin, "until": until}


def text_of(*lines: str) -> str:
    """A calendar of one event of these lines."""
    return "\r\n".join(["BEGIN:VCALENDAR", "VERSION:2.0", "BEGIN:VEVENT", *lines, "END:VEVENT", "END:VCALENDAR", ""])


def ical_of(lines: list[str]) -> Schedule:
    return Schedule.parse({"ical": text_of(*lines)})


def ical(*lines: str) -> Schedule:
    return ical_of(list(lines))


def hours(schedule: Schedule, begin: str, end: str, zone: ZoneInfo = VIENNA) -> list[str]:
    """The windows between two moments as texts, in UTC."""
    found = schedule.windows(utc(begin), utc(end), zone)
    return [f"{start:%m-%d %H:%M} {stop:%m-%d %H:%M}" for start, stop in found]


def read_or_reason(read: Callable[[Any], Schedule], data: Any) -> Schedule | str:
    """A schedule, or why it is none."""
    try:
        return read(data)
    except InvalidSchedule as refused:
        return str(refused)


def refusal(data: Any) -> str:
    with pytest.raises(InvalidSchedule) as refused:
        Schedule.parse(data)
    return str(refused.value)


# What was known before.

WORKING_HOURS = [
    weekly(MONDAY_TO_FRIDAY),
    Schedule.from_nuki(64 + 32 + 16 + 8 + 4, 8 * 60, 17 * 60),
    Schedule.from_unloc(
        {day: {"startHour": 8, "startMinute": 0, "endHour": 17, "endMinute": 0} for day in WEEKDAYS[:5]}
    ),
    ical("DTSTART:20260105T080000", "DTEND:20260105T170000", "RRULE:FREQ=WEEKLY;BYDAY=MO,TU,WE,TH,FR"),
    ical("DTSTART:19700101T080000", "DURATION:PT9H", "RRULE:FREQ=DAILY;BYDAY=MO,TU,WE,TH,FR"),
    ical(
        "DTSTART;TZID=Europe/Vienna:20260105T080000",
        "DTEND;TZID=Europe/Vienna:20260105T170000",
        "RRULE:FREQ=WEEKLY;BYDAY=MO,TU,WE,TH,FR",
    ),
]


@pytest.mark.parametrize("schedule", WORKING_HOURS, ids=range(len(WORKING_HOURS)))
@pytest.mark.parametrize(
    ("moment", "holds"),
    [
        ("2026-03-27T06:59:59", False),
        ("2026-03-27T07:00:00", True),
        ("2026-03-27T15:59:59", True),
        ("2026-03-27T16:00:00", False),
        ("2026-03-28T12:00:00", False),
        ("2026-03-30T05:59:59", False),
        ("2026-03-30T06:00:00", True),
        ("2026-03-30T14:59:59", True),
        ("2026-03-30T15:00:00", False),
        ("2026-10-23T06:00:00", True),
        ("2026-10-26T06:59:59", False),
        ("2026-10-26T07:00:00", True),
        ("2026-10-26T15:59:59", True),
        ("2026-10-26T16:00:00", False),
    ],
)
def test_working_hours_stay_where_they_are_on_the_wall(schedule: Schedule, moment: str, holds: bool) -> None:
    """Monday to Friday from 8 to 17 in Vienna is an hour earlier in UTC in summer, from the first Monday on."""
    assert schedule.holds(utc(moment), VIENNA) is holds


ALL_NIGHTS = [
    weekly(NIGHTS),
    Schedule.from_nuki(0, 22 * 60, 6 * 60),
    ical("DTSTART:20260101T220000", "DTEND:20260102T060000", "RRULE:FREQ=DAILY"),
    ical("DTSTART:20260101T220000", "DURATION:PT8H", "RRULE:FREQ=DAILY"),
]


@pytest.mark.parametrize("schedule", ALL_NIGHTS, ids=range(len(ALL_NIGHTS)))
def test_a_night_lasts_seven_eight_or_nine_hours(schedule: Schedule) -> None:
    """From 22 to 6 are 7 hours in the night in which summer begins, and 9 in the one in which it ends."""
    assert hours(schedule, "2026-03-28T00:00", "2026-03-30T00:00")[1:3] == [
        "03-28 21:00 03-29 04:00",
        "03-29 20:00 03-30 04:00",
    ]
    assert hours(schedule, "2026-10-24T12:00", "2026-10-26T00:00") == [
        "10-24 20:00 10-25 05:00",
        "10-25 21:00 10-26 05:00",
    ]


# The clock's changes.


@pytest.mark.parametrize(
    ("begin", "until", "hours_on_change"),
    [
        # 02:00 to 03:00 is left out: it is as long after midnight as on other days, and the clocks show an hour more.
        ("02:15", "02:45", ["03-29 01:15 03-29 01:45"]),
        ("01:00", "02:30", ["03-29 00:00 03-29 01:30"]),
        ("02:30", "05:00", ["03-29 01:30 03-29 03:00"]),
        ("02:00", "03:00", []),
        ("02:30", "03:15", []),
        ("01:59", "03:01", ["03-29 00:59 03-29 01:01"]),
    ],
)
def test_times_that_are_left_out(begin: str, until: str, hours_on_change: list[str]) -> None:
    """A time in the hour that spring leaves out is as long after midnight as ever; no window ends before it begins."""
    for schedule in (
        weekly(window("sun", begin, until)),
        ical(
            f"DTSTART:20260104T{begin.replace(':', '')}00",
            f"DTEND:20260104T{until.replace(':', '')}00",
            "RRULE:FREQ=WEEKLY",
        ),
    ):
        assert hours(schedule, "2026-03-28T23:00", "2026-03-29T22:00") == hours_on_change


@pytest.mark.parametrize(
    ("begin", "until", "hours_on_change"),
    [
        ("02:15", "02:45", ["10-25 00:15 10-25 00:45"]),
        ("01:00", "02:30", ["10-24 23:00 10-25 00:30"]),
        ("02:30", "05:00", ["10-25 00:30 10-25 04:00"]),
        ("02:00", "03:00", ["10-25 00:00 10-25 02:00"]),
    ],
)
def test_times_that_come_twice(begin: str, until: str, hours_on_change: list[str]) -> None:
    """A time in the hour that autumn repeats is the first of the two, for begins and for ends."""
    schedule = weekly(window("sun", begin, until))
    assert hours(schedule, "2026-10-24T22:00", "2026-10-25T23:00") == hours_on_change


def test_windows_that_overlap_are_one_before_the_clock_changes() -> None:
    """Where windows overlap on the wall there is no hole between them, even if one begins in the hour left out."""
    schedule = weekly(window("sun", "01:00", "03:15"), window("sun", "02:45", "04:00"))
    assert hours(schedule, "2026-03-28T23:00", "2026-03-29T22:00") == ["03-29 00:00 03-29 02:00"]


def test_windows_around_the_time_that_is_left_out_meet() -> None:
    """Where the hour between two windows is left out, they are one."""
    touching = weekly(window("sun", "00:00", "02:00"), window("sun", "03:00", "05:00"))
    assert hours(touching, "2026-03-29T00:00", "2026-03-29T22:00") == ["03-28 23:00 03-29 03:00"]
    assert touching.next_change(utc("2026-03-29T00:59"), VIENNA) == utc("2026-03-29T03:00")
    overlapping = weekly(window("sun", "00:00", "02:30"), window("sun", "03:00", "03:15"))
    assert hours(overlapping, "2026-03-29T00:00", "2026-03-29T22:00") == ["03-28 23:00 03-29 01:30"]


def test_a_day_that_is_left_out_is_left_out() -> None:
    """Samoa had no Friday, 30 December 2011: a window of that Friday is none there, and one in UTC is."""
    fridays = weekly(window("fri", "00:00", "24:00"))
    apia = ZoneInfo("Pacific/Apia")
    assert hours(fridays, "2011-12-26T00:00", "2012-01-05T00:00", apia) == []
    assert hours(fridays, "2011-12-26T00:00", "2012-01-05T00:00", ZoneInfo("UTC")) == ["12-30 00:00 12-31 00:00"]


def test_any_number_of_zones_can_be_asked_about() -> None:
    """Answers for more zones than are remembered are right, too."""
    schedule = weekly(MONDAY_TO_FRIDAY)
    for _ in range(2):
        for hours_west in range(-14, 13):
            zone = ZoneInfo(f"Etc/GMT{hours_west:+}")
            assert schedule.next_change(utc("2026-01-04T00:00"), zone) == utc("2026-01-05T08:00") + hours_west * HOUR


def test_the_zone_is_the_locks() -> None:
    """The same schedule holds at other moments at a lock elsewhere, whatever was asked before."""
    schedule = weekly(MONDAY_TO_FRIDAY)
    moment = utc("2026-01-05T08:00")
    for _ in range(2):
        assert schedule.holds(moment, VIENNA)
        assert not schedule.holds(moment, NEW_YORK)
        assert schedule.next_change(moment, VIENNA) == utc("2026-01-05T16:00")
        assert schedule.next_change(moment, NEW_YORK) == utc("2026-01-05T13:00")


# The weekly form.


@pytest.mark.parametrize(
    ("given_form", "canonical"),
    [
        ([window("fri mon", "08:00", "17:00")], [window("mon fri", "08:00", "17:00")]),
        ([window("mon", "00:00", "00:00")], [window("mon", "00:00", "24:00")]),
        ([window("mon", "08:00", "00:00")], [window("mon", "08:00", "24:00")]),
        ([window("mon", "22:00", "06:00")], [window("mon", "22:00", "06:00")]),
        ([window("mon", "00:01", "00:00")], [window("mon", "00:01", "24:00")]),
        (
            [window("tue", "08:00", "09:00"), window("mon", "08:00", "09:00"), window("tue", "08:00", "09:00")],
            [window("mon tue", "08:00", "09:00")],
        ),
        (
            [window("tue", "08:00", "09:00"), window("mon", "10:00", "11:00")],
            [window("mon", "10:00", "11:00"), window("tue", "08:00", "09:00")],
        ),
    ],
)
def test_weekly_schedules_have_one_form(given_form: list[dict[str, Any]], canonical: list[dict[str, Any]]) -> None:
    """Weekdays and windows are put in order, equal times together, and midnight at the end of a day is 24:00."""
    schedule = weekly(*given_form)
    assert schedule.as_json() == {"weekly": canonical}
    assert schedule == weekly(*canonical)
    assert hash(schedule) == hash(weekly(*canonical))


def test_other_windows_are_another_schedule() -> None:
    """Schedules of different forms differ, even if they hold at the same moments."""
    assert weekly(window("mon", "08:00", "12:00"), window("mon", "12:00", "17:00")) != weekly(
        window("mon", "08:00", "17:00")
    )
    assert weekly(MONDAY_TO_FRIDAY) != ical("DTSTART:20260105T080000", "DURATION:PT9H")


def test_a_window_belongs_to_the_day_on_which_it_begins() -> None:
    """A window of Sunday past midnight goes on on Monday."""
    schedule = weekly(window("sun", "22:00", "06:00"))
    assert hours(schedule, "2026-01-01T00:00", "2026-01-12T00:00") == [
        "01-04 21:00 01-05 05:00",
        "01-11 21:00 01-12 05:00",
    ]


def test_windows_that_touch_are_one() -> None:
    """Days that follow each other without a gap are one window, and so are windows that overlap."""
    night = weekly(window("sun", "20:00", "10:00"), window("mon", "00:00", "01:00"))
    assert hours(night, "2026-01-12T00:00", "2026-01-12T12:00") == ["01-11 19:00 01-12 09:00"]
    days = weekly(window("mon tue wed", "00:00", "24:00"))
    assert hours(days, "2026-01-05T12:00", "2026-01-06T12:00") == ["01-04 23:00 01-07 23:00"]
    weekend = weekly(
        window("fri", "17:00", "24:00"), window("sat sun", "00:00", "24:00"), window("mon", "00:00", "06:00")
    )
    assert hours(weekend, "2026-01-05T00:00", "2026-01-08T00:00") == ["01-02 16:00 01-05 05:00"]


@pytest.mark.parametrize(
    "schedule",
    [
        weekly(window("mon tue wed thu fri sat sun", "00:00", "24:00")),
        weekly(
            window("mon tue wed thu fri sat sun", "12:00", "11:00"),
            window("mon tue wed thu fri sat sun", "10:00", "13:00"),
        ),
        Schedule.from_nuki(None, None, None),
        Schedule.from_nuki(127, 0, 1440),
    ],
)
def test_what_always_holds_never_changes(schedule: Schedule) -> None:
    """Windows that fill the week hold always, and there is no next change."""
    begin, end = utc("2026-01-01T00:00"), utc("2027-01-01T00:00")
    assert schedule.windows(begin, end, VIENNA) == [(begin, end)]
    assert schedule.windows(begin, begin, VIENNA) == []
    assert schedule.holds(begin, VIENNA)
    assert schedule.next_change(begin, VIENNA) is None


# Nuki and Unloc.


@pytest.mark.parametrize(
    ("nuki", "canonical"),
    [
        ((None, None, None), window("mon tue wed thu fri sat sun", "00:00", "24:00")),
        ((0, 0, 0), window("mon tue wed thu fri sat sun", "00:00", "24:00")),
        ((64, 480, 1020), window("mon", "08:00", "17:00")),
        ((1, 480, 1020), window("sun", "08:00", "17:00")),
        ((32 + 2, None, 60), window("tue sat", "00:00", "01:00")),
        ((127, 1320, 360), window("mon tue wed thu fri sat sun", "22:00", "06:00")),
        ((16, 1320, 0), window("wed", "22:00", "24:00")),
        ((8, 1320, None), window("thu", "22:00", "24:00")),
        ((4, 0, 1440), window("fri", "00:00", "24:00")),
        ((4, 1439, 1440), window("fri", "23:59", "24:00")),
    ],
)
def test_nuki_schedules(nuki: tuple[int | None, int | None, int | None], canonical: dict[str, Any]) -> None:
    """Monday is 64, Sunday 1, nothing is every day, minutes are from midnight, and 0 to 0 is the whole day."""
    assert Schedule.from_nuki(*nuki) == weekly(canonical)


@pytest.mark.parametrize(
    ("nuki", "reason"),
    [
        ((128, 0, 0), "allowedWeekDays: 128 is no whole number from 0 to 127"),
        ((-1, 0, 0), "allowedWeekDays: -1 is no whole number from 0 to 127"),
        ((1, 1441, 0), "allowedFromTime: 1441 is no whole number from 0 to 1440"),
        ((1, 0, -5), "allowedUntilTime: -5 is no whole number from 0 to 1440"),
        ((1, 1440, 60), "allowedFromTime: 24:00 is the end of a day, nothing begins then"),
        ((1, 60, 60), "allowedFromTime: 01:00 until 01:00 is nothing or a whole day; a whole day is 00:00 until 24:00"),
    ],
)
def test_what_is_no_nuki_schedule(nuki: tuple[int, int, int], reason: str) -> None:
    """A number out of its range is refused with its name."""
    with pytest.raises(InvalidSchedule) as refused:
        Schedule.from_nuki(*nuki)
    assert str(refused.value) == reason


def period(start_hour: Any, start_minute: Any, end_hour: Any, end_minute: Any) -> dict[str, Any]:
    return {"startHour": start_hour, "startMinute": start_minute, "endHour": end_hour, "endMinute": end_minute}


def test_unloc_schedules() -> None:
    """Each day has its own period in hours and minutes; a day that is absent or null has none."""
    schedule = Schedule.from_unloc(
        {
            "sat": period(14, 45, 16, 30),
            "mon": period(0, 0, 24, 0),
            "tue": period(0, 0, 0, 0),
            "thu": period(22, 0, 6, 0),
            "fri": None,
        }
    )
    assert schedule == weekly(
        window("mon tue", "00:00", "24:00"), window("thu", "22:00", "06:00"), window("sat", "14:45", "16:30")
    )


def test_unloc_schedules_are_told_as_they_came() -> None:
    """A recurrence is told with its days in order, midnight at its end as 24:00; a calendar has none."""
    recurrence = {"sat": period(14, 45, 16, 30), "tue": period(0, 0, 0, 0), "thu": period(22, 0, 6, 0)}
    told = Schedule.from_unloc(recurrence).as_unloc()
    assert told == recurrence | {"tue": period(0, 0, 24, 0)}
    assert list(told) == ["tue", "thu", "sat"]
    assert weekly(window("mon", "08:00", "09:00"), window("mon", "10:00", "11:00")).as_unloc() is None
    assert ical("DTSTART:20260302T080000", "DTEND:20260302T170000", "RRULE:FREQ=WEEKLY;BYDAY=MO").as_unloc() is None


@pytest.mark.parametrize(
    ("recurrence", "reason"),
    [
        ({}, "recurrence: at least one day is wanted"),
        ({"mon": None}, "recurrence: at least one day is wanted"),
        ([], "recurrence: an object is wanted, got []"),
        ({"monday": None}, 'recurrence: "monday" is none of mon, tue, wed, thu, fri, sat, sun'),
        ({"mon": 5}, "recurrence.mon: an object is wanted, got 5"),
        ({"mon": {"startHour": 1}}, "recurrence.mon.startMinute is missing"),
        ({"mon": period(1, 0, 2, 0) | {"x": 1}}, 'recurrence.mon: "x" is unknown'),
        ({"mon": period(25, 0, 2, 0)}, "recurrence.mon.startHour: 25 is no whole number from 0 to 24"),
        ({"mon": period(1, 60, 2, 0)}, "recurrence.mon.startMinute: 60 is no whole number from 0 to 59"),
        ({"mon": period(1, 0, 24, 1)}, "recurrence.mon.endMinute: 1 is no whole number from 0 to 0"),
        ({"mon": period(True, 0, 2, 0)}, "recurrence.mon.startHour: True is no whole number from 0 to 24"),
        ({"mon": period(1, 0, "2", 0)}, 'recurrence.mon.endHour: "2" is no whole number from 0 to 24'),
        ({"mon": period(1, 0.0, 2, 0)}, "recurrence.mon.startMinute: 0.0 is no whole number from 0 to 59"),
        ({"mon": period(24, 0, 2, 0)}, "recurrence.mon: 24:00 is the end of a day, nothing begins then"),
        (
            {"mon": period(2, 0, 2, 0)},
            "recurrence.mon: 02:00 until 02:00 is nothing or a whole day; a whole day is 00:00 until 24:00",
        ),
    ],
)
def test_what_is_no_unloc_schedule(recurrence: Any, reason: str) -> None:
    """What Unloc's form does not have is refused with its place."""
    with pytest.raises(InvalidSchedule) as refused:
        Schedule.from_unloc(recurrence)
    assert str(refused.value) == reason


# What is refused of the API's form.


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (None, "schedule: an object is wanted, got None"),
        ([], "schedule: an object is wanted, got []"),
        ({}, "schedule: exactly one of weekly and ical is wanted"),
        ({"weekly": [], "ical": ""}, "schedule: exactly one of weekly and ical is wanted"),
        ({"weekly": [MONDAY_TO_FRIDAY], "daily": 1}, 'schedule: "daily" is unknown'),
        ({"weekly": {}}, "weekly: a list of windows is wanted"),
        ({"weekly": "mon"}, "weekly: a list of windows is wanted"),
        ({"weekly": []}, "weekly: 1 to 50 windows are wanted, got 0"),
        ({"weekly": [MONDAY_TO_FRIDAY] * 51}, "weekly: 1 to 50 windows are wanted, got 51"),
        ({"weekly": ["mon"]}, 'weekly[0]: an object is wanted, got "mon"'),
        ({"weekly": [{"weekdays": ["mon"], "from": "08:00"}]}, "weekly[0].until is missing"),
        ({"weekly": [MONDAY_TO_FRIDAY, NIGHTS | {"zone": "UTC"}]}, 'weekly[1]: "zone" is unknown'),
        (
            {"weekly": [NIGHTS | {"weekdays": []}]},
            "weekly[0].weekdays: a list of one or more of mon, tue, wed, thu, fri, sat, sun is wanted",
        ),
        (
            {"weekly": [NIGHTS | {"weekdays": "mon"}]},
            "weekly[0].weekdays: a list of one or more of mon, tue, wed, thu, fri, sat, sun is wanted",
        ),
        (
            {"weekly": [NIGHTS | {"weekdays": ["mon", "Tue"]}]},
            'weekly[0].weekdays[1]: "Tue" is none of mon, tue, wed, thu, fri, sat, sun',
        ),
        (
            {"weekly": [NIGHTS | {"weekdays": [["mon"]]}]},
            "weekly[0].weekdays[0]: ['mon'] is none of mon, tue, wed, thu, fri, sat, sun",
        ),
        ({"weekly": [NIGHTS | {"weekdays": ["mon", "mon"]}]}, 'weekly[0].weekdays[1]: "mon" is there twice'),
        ({"weekly": [NIGHTS | {"from": "25:00"}]}, 'weekly[0].from: "25:00" is no time of day from 00:00 to 24:00'),
        ({"weekly": [NIGHTS | {"from": 8}]}, "weekly[0].from: 8 is no time of day from 00:00 to 24:00"),
        ({"weekly": [NIGHTS | {"until": "24:01"}]}, 'weekly[0].until: "24:01" is no time of day from 00:00 to 24:00'),
        ({"weekly": [NIGHTS | {"until": "8:00"}]}, 'weekly[0].until: "8:00" is no time of day from 00:00 to 24:00'),
        ({"weekly": [NIGHTS | {"until": "08:60"}]}, 'weekly[0].until: "08:60" is no time of day from 00:00 to 24:00'),
        (
            {"weekly": [NIGHTS | {"until": "08:00\n"}]},
            'weekly[0].until: "08:00\N{REPLACEMENT CHARACTER}" is no time of day from 00:00 to 24:00',
        ),
        (
            {"weekly": [NIGHTS | {"until": "\u0660\u0668:\u0660\u0660"}]},
            'weekly[0].until: "\u0660\u0668:\u0660\u0660" is no time of day from 00:00 to 24:00',
        ),
        ({"weekly": [NIGHTS | {"from": "24:00"}]}, "weekly[0]: 24:00 is the end of a day, nothing begins then"),
        (
            {"weekly": [NIGHTS | {"from": "06:00"}]},
            "weekly[0]: 06:00 until 06:00 is nothing or a whole day; a whole day is 00:00 until 24:00",
        ),
        ({"ical": None}, "ical: a text is wanted, got None"),
        ({"ical": b"BEGIN:VCALENDAR"}, "ical: a text is wanted, got b'BEGIN:VCALENDAR'"),
    ],
)
def test_what_is_no_schedule(data: Any, reason: str) -> None:
    """Whatever is not of the API's form is refused with its place and the reason."""
    assert refusal(data) == reason


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(exclude_categories=()), max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["weekly", "ical", "weekdays", "from", "until", "mon", "startHour"]) | st.text(max_size=3),
            inner,
            max_size=3,
        )
    ),
    max_leaves=8,
)


@given(JSON | st.builds(lambda inner: {"weekly": [inner]}, JSON))
@example({"weekly": [{"weekdays": ["\udc80\0"], "from": "", "until": ""}]})
@example({"\udc80": 1})
def test_any_json_is_a_schedule_or_refused(data: Any) -> None:
    """Any JSON is read or refused with a reason that can be shown, and by nothing else."""
    for read in (Schedule.parse, Schedule.from_unloc):
        result = read_or_reason(read, data)
        if isinstance(result, Schedule):
            assert Schedule.parse(result.as_json()) == result
        else:
            assert result.isprintable()
            assert len(result) < 300


# Calendars.


def test_a_calendar_is_kept_as_it_was() -> None:
    """A calendar's text comes back unchanged, with whatever else it says."""
    text = text_of("UID:1@example.org", "SUMMARY:Ärzte\\, Haus 2", "DTSTART:20260105T080000", "DTEND:20260105T170000")
    assert Schedule.parse({"ical": text}).as_json() == {"ical": text}
    assert Schedule.parse({"ical": text}) == Schedule.parse({"ical": text})
    assert len({Schedule.parse({"ical": text}), Schedule.parse({"ical": text})}) == 1


def test_one_event_holds_once() -> None:
    """An event without a rule is one window, and nothing changes after it."""
    schedule = ical("DTSTART:20260105T080000", "DTEND:20260106T170000")
    assert hours(schedule, "2025-06-01T00:00", "2026-06-01T00:00") == ["01-05 07:00 01-06 16:00"]
    assert schedule.next_change(utc("2026-01-01T00:00"), VIENNA) == utc("2026-01-05T07:00")
    assert schedule.next_change(utc("2026-01-05T07:00"), VIENNA) == utc("2026-01-06T16:00")
    assert schedule.next_change(utc("2026-01-06T16:00"), VIENNA) is None


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        (["DTSTART;VALUE=DATE:20260105"], "01-04 23:00 01-05 23:00"),
        (["DTSTART;VALUE=DATE:20260105", "DTEND;VALUE=DATE:20260107"], "01-04 23:00 01-06 23:00"),
        (["DTSTART;VALUE=DATE:20260105", "DURATION:P1W"], "01-04 23:00 01-11 23:00"),
        (["DTSTART:20260105"], "01-04 23:00 01-05 23:00"),
        (["DTSTART;VALUE=DATE-TIME:20260105T080000", "DURATION:P1DT2H"], "01-05 07:00 01-06 09:00"),
        (["DTSTART:20260105T080000Z", "DURATION:PT1H30M"], "01-05 08:00 01-05 09:30"),
        (["DTSTART;TZID=America/New_York:20260105T080000", "DURATION:PT1H"], "01-05 13:00 01-05 14:00"),
        (['DTSTART;TZID="America/New_York":20260105T080000', "DURATION:PT1H"], "01-05 13:00 01-05 14:00"),
        (["DTSTART;TZID=America/New_York:20260105T080000", "DTEND:20260105T140000Z"], "01-05 13:00 01-05 14:00"),
        (["DTSTART:20260105T130000Z", "DTEND;TZID=Europe/Vienna:20260105T150000"], "01-05 13:00 01-05 14:00"),
        (["dtstart:20260105t080000", "Duration:pt1h", "rrule:freq=yearly"], "01-05 07:00 01-05 08:00"),
        (["DTSTA", " RT:2026010", "\t5T080000", "DURATION:PT1H"], "01-05 07:00 01-05 08:00"),
        (
            [
                "DTSTART:20260105T080000",
                "DURATION:PT1H",
                "BEGIN:VALARM",
                "TRIGGER:-PT5M",
                "DURATION:PT5M",
                "END:VALARM",
            ],
            "01-05 07:00 01-05 08:00",
        ),
    ],
)
def test_events(lines: list[str], expected: str) -> None:
    """An event is in the lock's zone, one of its own or UTC; dates are whole days, and names may be in lower case."""
    assert hours(ical(*lines), "2026-01-01T00:00", "2026-02-01T00:00") == [expected]


def test_a_time_zone_component_is_ignored() -> None:
    """A zone is the one of its IANA name, whatever the calendar says that it is."""
    text = (
        "BEGIN:VCALENDAR\nBEGIN:VTIMEZONE\nTZID:Europe/Vienna\nBEGIN:STANDARD\nDTSTART:19700101T000000\n"
        "TZOFFSETFROM:+0900\nTZOFFSETTO:+0900\nRRULE:FREQ=SECONDLY\nEND:STANDARD\nEND:VTIMEZONE\n"
        "BEGIN:VEVENT\nDTSTART;TZID=Europe/Vienna:20260105T080000\nDURATION:PT1H\nEND:VEVENT\nEND:VCALENDAR"
    )
    schedule = Schedule.parse({"ical": text})
    assert hours(schedule, "2026-01-01T00:00", "2026-02-01T00:00", NEW_YORK) == ["01-05 07:00 01-05 08:00"]


@pytest.mark.parametrize(
    ("lines", "days"),
    [
        (["RRULE:FREQ=DAILY;COUNT=3"], [5, 6, 7]),
        (["RRULE:FREQ=DAILY;INTERVAL=2;COUNT=3"], [5, 7, 9]),
        (["RRULE:FREQ=DAILY;BYDAY=MO,FR;COUNT=3"], [5, 9, 12]),
        (["RRULE:FREQ=DAILY;COUNT=5", "EXDATE:20260106T080000,20260108T080000", "EXDATE:20260109T080000"], [5, 7]),
        (["RRULE:FREQ=DAILY;COUNT=1", "EXDATE:20260105T080000"], []),
        (["RRULE:FREQ=DAILY;UNTIL=20260107"], [5, 6, 7]),
        (["RRULE:FREQ=DAILY;UNTIL=20260107T080000"], [5, 6, 7]),
        (["RRULE:FREQ=DAILY;UNTIL=20260107T075959"], [5, 6]),
        (["RRULE:FREQ=DAILY;UNTIL=20260107T070000Z"], [5, 6, 7]),
        (["RRULE:FREQ=DAILY;UNTIL=20260107T065959Z"], [5, 6]),
        (["RRULE:FREQ=WEEKLY;UNTIL=20260201;BYDAY=MO,WE"], [5, 7, 12, 14, 19, 21, 26, 28]),
        (["RRULE:FREQ=WEEKLY;INTERVAL=2;COUNT=4;BYDAY=MO,SU;WKST=MO"], [5, 11, 19, 25]),
        (["RRULE:FREQ=WEEKLY;INTERVAL=2;COUNT=4;BYDAY=MO,SU;WKST=SU"], [5, 18, 19]),
        (["RRULE:FREQ=MONTHLY;BYDAY=1MO,3WE,-1FR"], [5, 21, 30]),
        (["RRULE:FREQ=MONTHLY;BYMONTHDAY=5,-1"], [5, 31]),
        (["RRULE:FREQ=MONTHLY;BYDAY=MO,TU,WE,TH,FR;BYSETPOS=3,-1"], [5, 30]),
        (["RRULE:FREQ=YEARLY;BYMONTH=1;BYDAY=1MO,2TU"], [5, 13]),
        (["RRULE:FREQ=YEARLY"], [5]),
        (["RRULE:FREQ=YEARLY;BYDAY=1MO"], [5]),
    ],
)
def test_rules(lines: list[str], days: list[int]) -> None:
    """A rule recurs as RFC 5545 says, here in January, without the dates that are left out."""
    schedule = ical("DTSTART:20260105T080000", "DURATION:PT1H", *lines)
    found = schedule.windows(utc("2026-01-01T00:00"), utc("2026-02-01T00:00"), VIENNA)
    assert [start.day for start, _ in found] == days


def test_the_end_of_a_rule_is_known() -> None:
    """Where a rule has ended nothing will change, and where it may go on there is a moment to ask again."""
    counted = ical("DTSTART:20260105T080000", "DURATION:PT1H", "RRULE:FREQ=YEARLY;COUNT=2")
    assert counted.next_change(utc("2026-06-01T00:00"), VIENNA) == utc("2027-01-05T07:00")
    assert counted.next_change(utc("2027-06-01T00:00"), VIENNA) is None
    rare = ical("DTSTART:20240229T080000", "DURATION:PT1H", "RRULE:FREQ=YEARLY")
    assert rare.next_change(utc("2026-01-01T00:00"), VIENNA) == utc("2026-01-01T00:00") + HORIZON
    assert rare.next_change(utc("2028-01-01T00:00"), VIENNA) == utc("2028-02-29T07:00")
    future = ical("DTSTART:22000101T080000", "DURATION:PT1H")
    assert future.next_change(utc("2026-01-01T00:00"), VIENNA) == utc("2026-01-01T00:00") + HORIZON


def test_days_without_a_gap_are_one_window() -> None:
    """An event of every whole day holds from its first day on, with a moment to ask again."""
    schedule = ical("DTSTART;VALUE=DATE:20260105", "RRULE:FREQ=DAILY")
    assert schedule.next_change(utc("2026-01-01T00:00"), VIENNA) == utc("2026-01-04T23:00")
    for moment in (utc("2026-01-04T23:00"), utc("2030-03-31T01:00") + SECOND, utc("2030-04-09T00:00")):
        assert schedule.next_change(moment, VIENNA) == moment + HORIZON
        assert schedule.holds(moment, VIENNA)
    assert len(schedule.windows(utc("2026-03-01T00:00"), utc("2027-01-01T00:00"), VIENNA)) == 1


def test_a_window_that_outlasts_the_horizon_still_ends() -> None:
    """Where the last event has begun but ends only later than can be looked, there is a moment to ask again."""
    schedule = ical("DTSTART;VALUE=DATE:20260101", "DURATION:P7D", "RRULE:FREQ=DAILY;COUNT=429")
    begin = utc("2025-12-31T23:00")
    for days in (0, 15, 30, 34):
        assert schedule.next_change(begin + days * DAY, VIENNA) == begin + days * DAY + HORIZON
    assert schedule.next_change(begin + 36 * DAY, VIENNA) == begin + 435 * DAY
    assert schedule.next_change(begin + 435 * DAY, VIENNA) is None


def test_a_change_after_the_horizon_is_not_told() -> None:
    """The next change is at most 400 days away, whatever has been looked at."""
    schedule, start = ical(DTSTART, HOUR_LONG), utc("2026-01-05T07:00")
    assert schedule.next_change(start - 410 * DAY, VIENNA) == start - 10 * DAY
    assert schedule.next_change(start - 400 * DAY, VIENNA) == start
    assert schedule.next_change(start - 400 * DAY - SECOND, VIENNA) == start - SECOND


def test_events_may_overlap_themselves() -> None:
    """An event that lasts longer than its interval goes on."""
    schedule = ical("DTSTART:20260105T080000", "DURATION:P2D", "RRULE:FREQ=DAILY;COUNT=3")
    assert hours(schedule, "2026-01-08T00:00", "2026-01-08T01:00") == ["01-05 07:00 01-09 07:00"]


def test_until_in_utc_is_exact_at_a_lock_in_any_zone() -> None:
    """UNTIL in UTC counts with the start in the lock's zone, also where a local time comes twice."""
    schedule = ical("DTSTART:20261024T023000", "DURATION:PT1H", "RRULE:FREQ=DAILY;UNTIL=20261025T003000Z")
    assert len(schedule.windows(utc("2026-10-20T00:00"), utc("2026-11-01T00:00"), VIENNA)) == 2
    assert len(schedule.windows(utc("2026-10-20T00:00"), utc("2026-11-01T00:00"), NEW_YORK)) == 1


DTSTART, HOUR_LONG = "DTSTART:20260105T080000", "DURATION:PT1H"


@pytest.mark.parametrize(
    ("lines", "reason"),
    [
        ([], "DTSTART is missing"),
        ([DTSTART, DTSTART, HOUR_LONG], "line 5: DTSTART is there twice"),
        ([DTSTART], "DTEND or DURATION is missing"),
        (["DTSTART:yesterday", HOUR_LONG], 'DTSTART: "YESTERDAY" is no date and no date-time'),
        (["DTSTART:20260230T080000", HOUR_LONG], 'DTSTART: "20260230T080000" is no date and no date-time'),
        (["DTSTART:20260105T250000", HOUR_LONG], 'DTSTART: "20260105T250000" is no date and no date-time'),
        (["DTSTART:20260105T0800", HOUR_LONG], 'DTSTART: "20260105T0800" is no date and no date-time'),
        (["DTSTART;VALUE=DATE:20260105T080000", HOUR_LONG], 'DTSTART: "20260105T080000" is not of the kind that VALUE'),
        (["DTSTART;VALUE=PERIOD:20260105T080000", HOUR_LONG], "is not of the kind that VALUE says"),
        (["DTSTART:19691231T080000", HOUR_LONG], "DTSTART: the year 1969 is not from 1970 to 2200"),
        (["DTSTART:22010101T080000", HOUR_LONG], "DTSTART: the year 2201 is not from 1970 to 2200"),
        (["DTSTART;TZID=Mars/Base:20260105T080000", HOUR_LONG], 'DTSTART: the time zone "Mars/Base" is not known'),
        (["DTSTART;TZID=Europe:20260105T080000", HOUR_LONG], 'the time zone "Europe" is not known'),
        (["DTSTART;TZID=../../passwd:20260105T080000", HOUR_LONG], 'the time zone "../../passwd" is not known'),
        (["DTSTART;TZID=UTC,CET:20260105T080000", HOUR_LONG], "the time zone ['UTC', 'CET'] is not known"),
        ([f"DTSTART;TZID={'x' * 5000}:20260105T080000", HOUR_LONG], '…" is not known'),
        (["DTSTART;TZID=UTC:20260105T080000Z", HOUR_LONG], 'DTSTART: "20260105T080000Z" has no TZID'),
        (["DTSTART;TZID=UTC;VALUE=DATE:20260105"], 'DTSTART: "20260105" has no TZID'),
        ([DTSTART, HOUR_LONG, "DTEND:20260105T090000"], "only one of DTEND and DURATION is allowed"),
        ([DTSTART, "DTEND:20260105T080000"], "DTEND: the end is not after DTSTART"),
        ([DTSTART, "DTEND:20260112T080001"], "DTEND: the event is longer than 7 days"),
        ([DTSTART, "DTEND;VALUE=DATE:20260106"], "DTEND: a date-time is wanted, as DTSTART is"),
        ([DTSTART, "DTEND:20260105T090000Z"], "DTEND: a time zone is wanted if DTSTART has one, and only then"),
        (["DTSTART:20260105T080000Z", "DTEND:20260105T090000"], "DTEND: a time zone is wanted if DTSTART has one"),
        (["DTSTART;TZID=Asia/Tokyo:20260105T080000", "DTEND:99991231T235959Z"], "DTEND: the year 9999 is out of range"),
        (["DTSTART;VALUE=DATE:20260105", "DTEND:20260106T000000"], "DTEND: a date is wanted, as DTSTART is"),
        ([DTSTART, "DURATION:PT0S"], "DURATION: the end is not after DTSTART"),
        ([DTSTART, "DURATION:-PT1H"], "DURATION: the end is not after DTSTART"),
        ([DTSTART, "DURATION:P8D"], "DURATION: the event is longer than 7 days"),
        ([DTSTART, f"DURATION:P{'9' * 30}W"], "DURATION: "),
        ([DTSTART, f"DURATION:P{'9' * 5000}W"], "DURATION: "),
        ([DTSTART, "DURATION:1H"], 'DURATION: "1H" is no duration'),
        (["DTSTART;VALUE=DATE:20260105", HOUR_LONG], "DURATION: an event that starts with a date lasts whole days"),
        ([DTSTART, HOUR_LONG, "RDATE:20260106T080000"], "line 6: RDATE is not allowed"),
        ([DTSTART, HOUR_LONG, "EXRULE:FREQ=DAILY"], "line 6: EXRULE is not allowed"),
        ([DTSTART, HOUR_LONG, "RECURRENCE-ID:20260106T080000"], "line 6: RECURRENCE-ID is not allowed"),
        ([DTSTART, HOUR_LONG, "EXDATE:"], 'EXDATE: "" is no date and no date-time'),
        ([DTSTART, HOUR_LONG, "EXDATE:20260106"], "EXDATE: a date-time is wanted, as DTSTART is"),
        ([DTSTART, HOUR_LONG, "EXDATE:20260106T080000Z"], "EXDATE: a time zone is wanted if DTSTART has one"),
        (
            [DTSTART, HOUR_LONG, f"EXDATE:{','.join(['20260106T080000'] * 366)}", "EXDATE:20260106T080000"],
            "EXDATE: at most 366 are allowed, got 367",
        ),
        (
            [
                "DTSTART;TZID=Europe/Vienna:20260105T080000",
                HOUR_LONG,
                "RRULE:FREQ=DAILY;UNTIL=20260105T065959Z",
            ],
            "RRULE: UNTIL is before DTSTART",
        ),
        ([DTSTART, HOUR_LONG, "BEGIN:VTODO", "END:VTODO"], 'line 6: "VTODO" is not allowed here, only VALARM'),
        ([DTSTART, HOUR_LONG, "oops"], 'line 6: "oops" is not of the form NAME:value'),
        ([DTSTART, HOUR_LONG, "X-A;B:1"], 'line 6: "X-A;B:1" is not of the form NAME:value'),
        ([DTSTART, HOUR_LONG, "X-A:\0"], "line 6: control characters and half characters are not allowed"),
        ([DTSTART, HOUR_LONG, "X-A:\udc80"], "line 6: control characters and half characters are not allowed"),
        ([DTSTART, HOUR_LONG, "END:VCALENDAR"], 'line 6: END:"VCALENDAR" ends nothing'),
    ],
)
def test_what_is_no_event(lines: list[str], reason: str) -> None:
    """An event that cannot be read is refused with the property or the line, and the reason."""
    assert refusal({"ical": text_of(*lines)}).startswith("ical: ")
    assert reason in refusal({"ical": text_of(*lines)})


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "ical: BEGIN:VCALENDAR is missing"),
        ("\r\n", "ical: BEGIN:VCALENDAR is missing"),
        ("BEGIN:VCALENDAR\nEND:VCALENDAR", "ical: BEGIN:VEVENT is missing"),
        ("BEGIN:VEVENT\nEND:VEVENT", 'ical: line 1: "VEVENT" is not allowed here, only VCALENDAR'),
        ("DTSTART:20260105", "ical: line 1: BEGIN:VCALENDAR is wanted"),
        ("BEGIN:VCALENDAR\nBEGIN:VTODO", 'ical: line 2: "VTODO" is not allowed here, only VEVENT or VTIMEZONE'),
        ("BEGIN:VCALENDAR\nBEGIN:VEVENT\nDTSTART:20260105", "ical: END:VEVENT is missing"),
        ("BEGIN:VCALENDAR\nCALSCALE:HEBREW", 'ical: line 2: CALSCALE "HEBREW" is not known'),
        (
            "BEGIN:VCALENDAR\nBEGIN:VEVENT\nDTSTART:20260105\nEND:VEVENT\nBEGIN:VEVENT\nEND:VEVENT\nEND:VCALENDAR",
            "ical: line 5: exactly one VEVENT is wanted",
        ),
        (text_of("DTSTART:20260105") * 2, "ical: line 7: exactly one VCALENDAR is wanted"),
        (text_of("DTSTART:20260105") + "X:1", "ical: line 7: BEGIN:VCALENDAR is wanted"),
        (text_of("DTSTART:20260105").replace("\r\n", "\r"), "ical: line 1: control characters"),
        ("x" * (MAX_ICAL_BYTES + 1), "ical: at most 16384 bytes are allowed"),
        ("ä" * (MAX_ICAL_BYTES // 2 + 1), "ical: at most 16384 bytes are allowed"),
    ],
)
def test_what_is_no_calendar(text: str, reason: str) -> None:
    """A calendar is one VCALENDAR with one VEVENT, of a bounded size."""
    assert refusal({"ical": text}).startswith(reason)


def test_a_calendar_is_no_files_name(tmp_path: Path) -> None:
    """A text that names a file with a calendar is not that calendar."""
    file = tmp_path / "calendar.ics"
    file.write_text(text_of("DTSTART:20260105"), encoding="utf-8")
    assert "line 1" in refusal({"ical": str(file)})


@pytest.mark.parametrize(
    ("rule", "reason"),
    [
        ("INTERVAL=1", "FREQ is missing"),
        ("FREQ=", '"FREQ=" is not of the form NAME=value'),
        ("FREQ=DAILY;", '"" is not of the form NAME=value'),
        ("FREQ=DAILY;COUNT", '"COUNT" is not of the form NAME=value'),
        ("FREQ=DAILY;FREQ=DAILY", '"FREQ" is there twice'),
        ("FREQ=SECONDLY", 'FREQ: "SECONDLY" is none of DAILY, WEEKLY, MONTHLY, YEARLY'),
        ("FREQ=HOURLY", 'FREQ: "HOURLY" is none of DAILY, WEEKLY, MONTHLY, YEARLY'),
        ("FREQ=DAILY;FOO=1", '"FOO" is not allowed with FREQ=DAILY'),
        ("FREQ=DAILY;BYEASTER=1", '"BYEASTER" is not allowed with FREQ=DAILY'),
        *(
            (f"FREQ={freq};{part}=1", f'"{part}" is not allowed with FREQ={freq}')
            for freq in ("DAILY", "WEEKLY", "MONTHLY", "YEARLY")
            for part in ("BYHOUR", "BYMINUTE", "BYSECOND", "BYWEEKNO", "BYYEARDAY", "RSCALE", "SKIP")
        ),
        ("FREQ=DAILY;BYMONTHDAY=5", '"BYMONTHDAY" is not allowed with FREQ=DAILY'),
        ("FREQ=WEEKLY;BYSETPOS=1", '"BYSETPOS" is not allowed with FREQ=WEEKLY'),
        ("FREQ=MONTHLY;BYMONTH=1", '"BYMONTH" is not allowed with FREQ=MONTHLY'),
        ("FREQ=DAILY;INTERVAL=0", 'INTERVAL: "0" is no whole number from 1 to 100'),
        ("FREQ=DAILY;INTERVAL=101", 'INTERVAL: "101" is no whole number from 1 to 100'),
        ("FREQ=DAILY;INTERVAL=1.5", 'INTERVAL: "1.5" is no whole number from 1 to 100'),
        ("FREQ=DAILY;COUNT=0", 'COUNT: "0" is no whole number from 1 to 1000'),
        ("FREQ=DAILY;COUNT=1001", 'COUNT: "1001" is no whole number from 1 to 1000'),
        ("FREQ=DAILY;COUNT=-1", 'COUNT: "-1" is no whole number from 1 to 1000'),
        (f"FREQ=DAILY;COUNT={'9' * 5000}", "is no whole number from 1 to 1000"),
        ("FREQ=DAILY;COUNT=2;UNTIL=20270101", "only one of COUNT and UNTIL is allowed"),
        ("FREQ=DAILY;UNTIL=tomorrow", 'UNTIL: "TOMORROW" is no date and no date-time'),
        ("FREQ=DAILY;UNTIL=20260104", "UNTIL is before DTSTART"),
        ("FREQ=DAILY;UNTIL=20260105T075959", "UNTIL is before DTSTART"),
        ("FREQ=DAILY;UNTIL=20260101T000000Z", "UNTIL is before DTSTART"),
        ("FREQ=DAILY;WKST=1", 'WKST: "1" is none of MO, TU, WE, TH, FR, SA, SU'),
        ("FREQ=DAILY;BYDAY=MON", 'BYDAY: "MON" is no weekday such as MO or -1FR'),
        ("FREQ=DAILY;BYDAY=MO,", 'BYDAY: "" is no weekday such as MO or -1FR'),
        ("FREQ=DAILY;BYDAY=1MO", 'BYDAY: there is no "1MO" in FREQ=DAILY'),
        ("FREQ=WEEKLY;BYDAY=-1MO", 'BYDAY: there is no "-1MO" in FREQ=WEEKLY'),
        ("FREQ=MONTHLY;BYDAY=0MO", 'BYDAY: there is no "0MO" in FREQ=MONTHLY'),
        ("FREQ=MONTHLY;BYDAY=6MO", 'BYDAY: there is no "6MO" in FREQ=MONTHLY'),
        ("FREQ=YEARLY;BYDAY=54MO", 'BYDAY: there is no "54MO" in FREQ=YEARLY'),
        ("FREQ=YEARLY;BYMONTH=1;BYDAY=-6MO", 'BYDAY: there is no "-6MO" in FREQ=YEARLY'),
        ("FREQ=MONTHLY;BYDAY=1MO,TU", "BYDAY: weekdays with and without numbers cannot be mixed"),
        ("FREQ=MONTHLY;BYMONTHDAY=0", 'BYMONTHDAY: "0" is no whole number from 1 to 31 or from the end'),
        ("FREQ=MONTHLY;BYMONTHDAY=-32", 'BYMONTHDAY: "-32" is no whole number from 1 to 31 or from the end'),
        ("FREQ=YEARLY;BYMONTH=-1", 'BYMONTH: "-1" is no whole number from 1 to 12'),
        ("FREQ=YEARLY;BYMONTH=13", 'BYMONTH: "13" is no whole number from 1 to 12'),
        ("FREQ=YEARLY;BYDAY=MO;BYSETPOS=367", 'BYSETPOS: "367" is no whole number from 1 to 366 or from the end'),
        (
            f"FREQ=YEARLY;BYDAY=MO;BYSETPOS={','.join(map(str, range(1, 33)))}",
            "BYSETPOS: at most 31 values are allowed, got 32",
        ),
        ("FREQ=MONTHLY;BYSETPOS=1", "BYSETPOS needs another BY part"),
        ("FREQ=DAILY;BYDAY=TU", "DTSTART is not one of its own recurrences"),
        ("FREQ=WEEKLY;BYDAY=TU", "DTSTART is not one of its own recurrences"),
        ("FREQ=MONTHLY;BYDAY=2MO", "DTSTART is not one of its own recurrences"),
        ("FREQ=MONTHLY;BYMONTHDAY=6", "DTSTART is not one of its own recurrences"),
        ("FREQ=MONTHLY;BYDAY=MO;BYSETPOS=2", "DTSTART is not one of its own recurrences"),
        ("FREQ=YEARLY;BYMONTH=2", "DTSTART is not one of its own recurrences"),
        ("FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=30", "DTSTART is not one of its own recurrences"),
        ("FREQ=YEARLY;BYMONTHDAY=5;BYDAY=TU", "DTSTART is not one of its own recurrences"),
    ],
)
def test_what_is_no_rule(rule: str, reason: str) -> None:
    """A rule that cannot be read, might cost too much or does not begin with DTSTART is refused with the reason."""
    with work() as periods:
        assert refusal({"ical": text_of(DTSTART, HOUR_LONG, f"RRULE:{rule}")}).startswith("ical: RRULE: ")
        assert reason in refusal({"ical": text_of(DTSTART, HOUR_LONG, f"RRULE:{rule}")})
    assert next(periods) <= 2


# Whatever it may be.


def odd_text(max_size: int) -> st.SearchStrategy[str]:
    return st.text(st.characters(exclude_categories=()) | st.sampled_from(';:=,\r\n\0\udc80 "\\'), max_size=max_size)


VALID = [
    text_of("DTSTART:20260105T080000", "DTEND:20260105T170000", "RRULE:FREQ=WEEKLY;BYDAY=MO,TU;UNTIL=20270101T000000Z"),
    text_of(
        "DTSTART;VALUE=DATE:20260105", "RRULE:FREQ=MONTHLY;BYDAY=1MO;INTERVAL=2;COUNT=7", "EXDATE;VALUE=DATE:20260302"
    ),
    text_of("DTSTART;TZID=Europe/Vienna:20260105T080000", "DURATION:PT2H", "RRULE:FREQ=YEARLY;BYMONTH=1;BYMONTHDAY=5"),
    text_of("DTSTART:20260105T080000Z", "DURATION:P1D", "RRULE:FREQ=DAILY;WKST=SU", "EXDATE:20260106T080000Z"),
]

PIECES = st.sampled_from(
    sorted(
        {piece for text in VALID for line in text.split("\r\n") for piece in (line, *line.replace("=", ":").split(":"))}
    )
)


@st.composite
def mutated(draw: st.DrawFn) -> str:
    """A valid calendar with some pieces cut out, put in or repeated."""
    text = draw(st.sampled_from(VALID))
    for _ in range(draw(st.integers(1, 4))):
        start = draw(st.integers(0, len(text)))
        stop = draw(st.integers(start, min(len(text), start + draw(st.sampled_from([0, 1, 2, 20])))))
        text = text[:start] + draw(st.just("") | PIECES | odd_text(3)) + text[stop:]
    return text


@settings(deadline=None, max_examples=400)
@given(odd_text(200) | mutated() | st.builds(text_of, odd_text(60)))
@example("\udc80")
@example("BEGIN:VCALENDAR\0")
@example(";" * MAX_ICAL_BYTES)
@example("A;" * (MAX_ICAL_BYTES // 2))
@example("A\n " * (MAX_ICAL_BYTES // 3))
@example("BEGIN:VCALENDAR\n" * (MAX_ICAL_BYTES // 16))
@example('X;Y="' * (MAX_ICAL_BYTES // 5))
@example(text_of(DTSTART, HOUR_LONG, "RRULE:FREQ=DAILY;UNTIL=99991231T235959Z"))
@example(text_of(DTSTART, HOUR_LONG, "RRULE:FREQ=DAILY;UNTIL=99991231"))
@example(text_of("DTSTART:20260105T080000Z", HOUR_LONG, "EXDATE;TZID=Asia/Tokyo:00010101T000000"))
def test_any_text_is_a_schedule_or_refused(text: str) -> None:
    """Any text is read or refused with a reason that can be shown; what is read can be asked."""
    result = read_or_reason(Schedule.parse, {"ical": text})
    if isinstance(result, Schedule):
        assert Schedule.parse(result.as_json()) == result
        moment = utc("2026-03-29T00:30")
        assert result.holds(moment, VIENNA) in (True, False)
        result.next_change(moment, VIENNA)
    else:
        assert result.startswith("ical: ")
        assert result.isprintable()
        assert len(result) < 300


# What holds of every schedule.


#: Two different times of a day, in minutes.
TIMES = (
    st.tuples(st.integers(0, 47), st.integers(0, 48))
    .filter(lambda times: times[0] != times[1])
    .map(lambda times: (times[0] * 30, times[1] * 30))
)


@st.composite
def weekly_schedules(draw: st.DrawFn) -> Schedule:
    windows = []
    for _ in range(draw(st.integers(1, 4))):
        begin, until = draw(TIMES)
        days = draw(st.sets(st.sampled_from(WEEKDAYS), min_size=1))
        windows.append(
            {
                "weekdays": sorted(days),
                "from": f"{begin // 60:02}:{begin % 60:02}",
                "until": f"{until // 60:02}:{until % 60:02}",
            }
        )
    return weekly(*windows)


@st.composite
def events(draw: st.DrawFn, first: int = 2005, last: int = 2030) -> tuple[datetime, str]:
    """DTSTART and a rule within the limits that it mostly matches, rare ones among them."""
    start = draw(st.datetimes(local(f"{first}-01-01"), local(f"{last}-12-31")))
    if draw(st.booleans()):
        assume(calendar.isleap(start.year))
        start = start.replace(month=2, day=29)
    start = start.replace(minute=draw(st.sampled_from([0, 30])), second=0, microsecond=0)
    weekday = ("MO", "TU", "WE", "TH", "FR", "SA", "SU")[start.weekday()]
    weekdays = st.sets(st.sampled_from(["MO", "TU", "WE", "TH", "FR", "SA", "SU"])).map(lambda days: days | {weekday})
    length = calendar.monthrange(start.year, start.month)[1]
    freq = draw(st.sampled_from(["DAILY", "WEEKLY", "MONTHLY", "YEARLY"]))
    parts = {"FREQ": freq}
    if draw(st.booleans()):
        parts["INTERVAL"] = str(draw(st.sampled_from([1, 2, 3, 7, 12, 97, 100]) | st.integers(1, 100)))
    end = draw(st.sampled_from(["", "COUNT", "UNTIL", "UNTIL in UTC"]))
    if end == "COUNT":
        parts["COUNT"] = str(draw(st.sampled_from([1, 2, 1000]) | st.integers(1, 1000)))
    elif end:
        until = start + timedelta(days=draw(st.integers(1, 5000)))
        parts["UNTIL"] = f"{until:%Y%m%dT%H%M%S}{'Z' if end == 'UNTIL in UTC' else ''}"
    if freq == "YEARLY" and draw(st.booleans()):
        months = draw(st.sets(st.integers(1, 12), max_size=3)) | {start.month}
        parts["BYMONTH"] = ",".join(map(str, sorted(months)))
    if freq in ("MONTHLY", "YEARLY"):
        if draw(st.booleans()):
            days = draw(st.sets(st.integers(-31, 31).filter(lambda number: number != 0), max_size=4))
            days.add(draw(st.sampled_from([start.day, start.day - length - 1])))
            parts["BYMONTHDAY"] = ",".join(map(str, sorted(days)))
        nth = draw(st.sampled_from(["", "plain", "from the begin", "from the end"]))
        if nth == "plain":
            parts["BYDAY"] = ",".join(sorted(draw(weekdays)))
        elif nth and (freq == "MONTHLY" or "BYMONTH" in parts):
            ordinal = (start.day + 6) // 7 if nth == "from the begin" else -((length - start.day) // 7 + 1)
            parts["BYDAY"] = f"{ordinal}{weekday}"
        if draw(st.booleans()) and parts.keys() & {"BYDAY", "BYMONTHDAY"}:
            positions = draw(
                st.sets(
                    st.integers(-6, 6).filter(lambda number: number != 0)
                    | st.integers(-366, 366).filter(lambda number: number != 0),
                    max_size=31,
                )
            )
            parts["BYSETPOS"] = ",".join(map(str, sorted(positions | {draw(st.sampled_from([1, -1]))})))
    elif draw(st.booleans()):
        parts["BYDAY"] = ",".join(sorted(draw(weekdays)))
    if freq == "WEEKLY":
        parts["WKST"] = draw(st.sampled_from(["MO", "SU", "WE"]))
    return start, ";".join(f"{name}={value}" for name, value in parts.items())


@st.composite
def calendar_schedules(draw: st.DrawFn) -> Schedule:
    start, rule = draw(events())
    if draw(st.integers(0, 4)) == 0:
        lines = [f"DTSTART;VALUE=DATE:{start:%Y%m%d}", f"DURATION:P{draw(st.integers(1, 7))}D", f"RRULE:{rule}"]
    else:
        kind = draw(st.sampled_from([":{}", ":{}Z", ";TZID=America/New_York:{}", ";TZID=Australia/Lord_Howe:{}"]))
        minutes = draw(st.sampled_from([1, 30, 60, 480, 1440, 1470, 10080]) | st.integers(1, 10080))
        left_out = [start + timedelta(days=days) for days in draw(st.sets(st.integers(0, 30), max_size=3))]
        lines = [
            "DTSTART" + kind.format(f"{start:%Y%m%dT%H%M%S}"),
            f"DURATION:PT{minutes}M",
            f"RRULE:{rule}",
            *("EXDATE" + kind.format(f"{moment:%Y%m%dT%H%M%S}") for moment in left_out),
        ]
    try:
        return ical(*lines)
    except InvalidSchedule as refused:
        assume("not one of its own" not in str(refused) and "UNTIL is before" not in str(refused))
        raise


SCHEDULES = weekly_schedules() | calendar_schedules()

#: Around changes of the clock, and anywhere.
MOMENTS = st.builds(
    lambda change, hours: utc(change) + timedelta(hours=hours),
    st.sampled_from(
        ["2011-12-30T10:00", "2026-03-29T01:00", "2026-10-25T01:00", "2026-03-08T07:00", "2026-04-04T15:00"]
    ),
    st.floats(-30, 30),
) | st.datetimes(local("2004-01-01"), local("2033-01-01"), timezones=st.just(UTC))


@settings(deadline=None)
@given(SCHEDULES, MOMENTS, st.sampled_from(ZONES), st.lists(st.floats(0, 1), max_size=20))
def test_holding_is_being_in_a_window(schedule: Schedule, begin: datetime, zone: ZoneInfo, places: list[float]) -> None:
    """A schedule holds at a moment exactly if one of its windows has the moment; they are in order and apart."""
    end = begin + timedelta(days=60)
    windows = schedule.windows(begin, end, zone)
    flat = list(itertools.chain.from_iterable(windows))
    assert all(earlier < later for earlier, later in itertools.pairwise(flat))
    assert all(start < end and stop > begin for start, stop in windows)
    moments = [begin + place * (end - begin) for place in places]
    moments += [moment + step for moment in flat for step in (-SECOND, timedelta(0), SECOND)]
    for moment in moments:
        if begin <= moment < end:
            assert schedule.holds(moment, zone) is any(start <= moment < stop for start, stop in windows)
            # Nor does it depend on what was asked before.
            assert Schedule.parse(schedule.as_json()).holds(moment, zone) is schedule.holds(moment, zone)


@settings(deadline=None)
@given(SCHEDULES, MOMENTS, st.sampled_from(ZONES), st.lists(st.floats(0, 1), max_size=20))
def test_nothing_changes_before_the_next_change(
    schedule: Schedule, moment: datetime, zone: ZoneInfo, places: list[float]
) -> None:
    """Until its next change a schedule holds or does not hold all the time, and then it changes."""
    for _ in range(3):
        holds = schedule.holds(moment, zone)
        change = schedule.next_change(moment, zone)
        assert Schedule.parse(schedule.as_json()).next_change(moment, zone) == change
        until = moment + HORIZON if change is None else change
        assert moment < until <= moment + HORIZON
        assert until.tzinfo is UTC
        for between in (moment + place * (until - moment) for place in places):
            if between < until:
                assert schedule.holds(between, zone) is holds
        covered = sum(
            (min(stop, until) - max(start, moment) for start, stop in schedule.windows(moment, until, zone)),
            timedelta(0),
        )
        assert covered == (until - moment if holds else timedelta(0))
        if change is None:
            return
        if change < moment + HORIZON:
            assert schedule.holds(change, zone) is not holds
        moment = change


@given(weekly_schedules())
def test_weekly_schedules_survive_the_round_trip(schedule: Schedule) -> None:
    """What as_json gives is read as an equal schedule with the same hash, and the same form."""
    again = Schedule.parse(schedule.as_json())
    assert again == schedule
    assert hash(again) == hash(schedule)
    assert again.as_json() == schedule.as_json()


@given(weekly_schedules())
def test_what_unloc_can_say_survives_the_round_trip(schedule: Schedule) -> None:
    """Exactly weekly schedules with one window a day have Unloc's form, of which an equal schedule is read."""
    days = [day for each in schedule.as_json()["weekly"] for day in each["weekdays"]]
    recurrence = schedule.as_unloc()
    assert (recurrence is None) is (len(days) > len(set(days)))
    if recurrence is not None:
        assert Schedule.from_unloc(recurrence) == schedule
        assert list(recurrence) == [day for day in WEEKDAYS if day in days]


def on_the_wall(form: dict[str, Any], local: datetime) -> bool:
    """Whether a local time is in a window, by looking at the wall."""
    for item in form["weekly"]:
        begin, until = (int(item[name][:2]) * 60 + int(item[name][3:]) for name in ("from", "until"))
        minutes = local.hour * 60 + local.minute
        today, yesterday = WEEKDAYS[local.weekday()], WEEKDAYS[local.weekday() - 1]
        if today in item["weekdays"] and begin <= minutes < (until if until > begin else 24 * 60):
            return True
        if until < begin and yesterday in item["weekdays"] and minutes < until:
            return True
    return False


@settings(deadline=None)
@given(weekly_schedules(), MOMENTS, st.sampled_from(ZONES))
def test_a_weekly_schedule_holds_by_the_clock_on_the_wall(schedule: Schedule, moment: datetime, zone: ZoneInfo) -> None:
    """Where the clock has not changed for two days and will not, a weekly schedule is what the clock shows."""
    offsets = {(moment + hours * HOUR).astimezone(zone).utcoffset() for hours in range(-48, 49)}
    assume(len(offsets) == 1)
    assert schedule.holds(moment, zone) is on_the_wall(schedule.as_json(), moment.astimezone(zone))


@settings(deadline=None, max_examples=200)
@given(events(), st.integers(0, 60), st.integers(0, 390))
def test_a_rule_recurs_as_dateutil_has_it_from_the_first_start_on(
    event: tuple[datetime, str], nth: int, days_before: int
) -> None:
    """An old rule is not counted from its begin, yet it recurs as if it were."""
    start, rule = event
    result = read_or_reason(ical_of, [f"DTSTART:{start:%Y%m%dT%H%M%S}Z", "DURATION:PT1M", f"RRULE:{rule}"])
    assume(isinstance(result, Schedule))
    assert isinstance(result, Schedule)
    # It wants UNTIL in UTC, too.
    parts = [part if part[-1] == "Z" or not part.startswith("UNTIL") else f"{part}Z" for part in rule.split(";")]
    plain = rrule.rrulestr(";".join(parts), dtstart=start.replace(tzinfo=UTC))
    begin = [moment for moment in itertools.islice(plain, nth + 1) if moment.year < 2250][-1] - days_before * DAY
    upcoming = itertools.takewhile(lambda moment: moment < begin + HORIZON, plain)
    expected = [moment for moment in upcoming if moment >= begin]
    assert [moment for moment, _ in result.windows(begin, begin + HORIZON, VIENNA)] == expected
    assert expected


# What it may cost.


@contextmanager
def work() -> Iterator[Iterator[int]]:
    """How many days, weeks, months and years dateutil looks at meanwhile: next() tells it."""
    count = itertools.count()
    told = count

    def counted(look: Callable[..., Any]) -> Callable[..., Any]:
        def looked(*arguments: Any) -> Any:
            next(count)
            return look(*arguments)

        return looked

    with pytest.MonkeyPatch.context() as patch:
        for name in ("ydayset", "mdayset", "wdayset", "ddayset"):
            patch.setattr(rrule._iterinfo, name, counted(getattr(rrule._iterinfo, name)))
        yield told


NASTY = [
    # Never again after the first, or hardly.
    (local("2096-02-29"), "FREQ=YEARLY;INTERVAL=100"),
    (local("1972-02-29"), "FREQ=YEARLY;INTERVAL=97;BYMONTH=2;BYMONTHDAY=29;BYDAY=TU"),
    (local("1972-02-29"), "FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=29;BYDAY=TU;COUNT=1000"),
    (local("1972-02-29"), "FREQ=MONTHLY;INTERVAL=12;BYMONTHDAY=29;BYDAY=TU;COUNT=1000"),
    (local("1972-02-29"), "FREQ=MONTHLY;INTERVAL=97;BYDAY=5TU;BYMONTHDAY=-1;COUNT=1000"),
    (local("1972-12-31"), "FREQ=YEARLY;BYDAY=MO,TU,WE,TH,FR,SA,SU;BYSETPOS=366;COUNT=1000"),
    (local("1972-12-31"), "FREQ=YEARLY;BYDAY=53SU;BYSETPOS=1"),
    # Many for each that counts.
    (local("1970-01-01"), "FREQ=DAILY;BYDAY=TH;COUNT=1000"),
    (local("1970-01-01"), "FREQ=DAILY;INTERVAL=100;BYDAY=TH;COUNT=1000"),
    (local("1970-01-01"), "FREQ=WEEKLY;INTERVAL=100;COUNT=1000"),
    (local("1970-01-01"), "FREQ=MONTHLY;BYDAY=1TH;BYMONTHDAY=1;COUNT=1000"),
    (local("2200-01-01"), "FREQ=MONTHLY;BYDAY=-5WE;BYMONTHDAY=1;COUNT=1000"),
    (local("1972-10-31"), "FREQ=MONTHLY;BYDAY=5TU;BYMONTHDAY=31;COUNT=1000"),
    # Long lists.
    (
        local("1970-01-01"),
        "FREQ=YEARLY;BYMONTHDAY=" + ",".join(map(str, range(1, 32))) + ";BYSETPOS=" + ",".join(map(str, range(1, 32))),
    ),
]


@settings(deadline=None, max_examples=200)
@given(events(1970, 2200), st.datetimes(local("1970-01-01"), local("2290-01-01"), timezones=st.just(UTC)))
@example(NASTY[0], utc("2100-01-01T00:00"))
def test_a_rule_costs_little(event: tuple[datetime, str], moment: datetime) -> None:
    """No rule makes the server look at more than some thousand days, weeks, months or years."""
    cost_is_bounded(event, moment)


@pytest.mark.parametrize("event", NASTY, ids=[rule for _, rule in NASTY])
@pytest.mark.parametrize("moment", ["1960-01-01T00:00", "2026-01-01T00:00", "2199-12-01T00:00", "2299-06-01T00:00"])
def test_a_nasty_rule_costs_little(event: tuple[datetime, str], moment: str) -> None:
    """Nor do rules that were made for it."""
    cost_is_bounded(event, utc(moment))


def cost_is_bounded(event: tuple[datetime, str], moment: datetime) -> None:
    start, rule = event
    with work() as periods:
        try:
            schedule = ical(f"DTSTART:{start:%Y%m%dT%H%M%S}", "DURATION:PT1H", f"RRULE:{rule}")
        except InvalidSchedule:
            assert next(periods) <= 2
            return
        reading = next(periods)
        # A thousand times a week in search of a weekday, or each month of 330 years, and the next thousands without.
        assert reading <= (9000 if "COUNT" in rule else 2)
        schedule.holds(moment, VIENNA)
        schedule.next_change(moment, VIENNA)
        schedule.windows(moment, moment + HORIZON, VIENNA)
        assert next(periods) - reading <= 6000


@pytest.mark.parametrize(
    "rule", ["FREQ=DAILY", "FREQ=DAILY;INTERVAL=3", "FREQ=WEEKLY", "FREQ=MONTHLY", "FREQ=YEARLY", "FREQ=DAILY;COUNT=2"]
)
def test_an_old_rule_costs_no_more_than_a_new_one(rule: str) -> None:
    """What lies between DTSTART and the question is not looked at."""
    schedule = ical("DTSTART:19700101T080000", "DURATION:PT1H", f"RRULE:{rule}")
    with work() as periods:
        schedule.holds(utc("2199-07-07T06:30"), VIENNA)
        assert next(periods) <= 13


def test_what_was_computed_is_used_again() -> None:
    """Questions about the same days are answered without looking at the rule again."""
    for schedule in (ical(DTSTART, HOUR_LONG, "RRULE:FREQ=DAILY"), ical("DTSTART:20260105", "RRULE:FREQ=DAILY")):
        moment = utc("2026-06-01T00:00")
        for zone in ZONES:
            schedule.next_change(moment, zone)
        with work() as periods:
            for minutes, zone in itertools.product(range(0, 24 * 60, 10), ZONES):
                schedule.holds(moment + timedelta(minutes=minutes), zone)
                schedule.next_change(moment + timedelta(minutes=minutes), zone)
            assert next(periods) == 0


# Odds and ends.


def test_too_many_days_cannot_be_asked_for() -> None:
    """Windows are found for up to 400 days at once."""
    begin = utc("2026-01-01T00:00")
    assert len(weekly(NIGHTS).windows(begin, begin + HORIZON, VIENNA)) == 401
    with pytest.raises(ValueError, match="at most 400 days"):
        weekly(NIGHTS).windows(begin, begin + HORIZON + SECOND, VIENNA)


@pytest.mark.parametrize("schedule", [weekly(MONDAY_TO_FRIDAY), ical(DTSTART, HOUR_LONG, "RRULE:FREQ=DAILY")])
def test_moments_at_the_ends_of_time(schedule: Schedule) -> None:
    """The first and the last moment there is can be asked for, in any zone, and nothing changes after the last."""
    far_east, far_west = timezone(timedelta(hours=14)), timezone(timedelta(hours=-12))
    for zone in ZONES:
        for tz in (UTC, far_east, far_west):
            first, last = datetime.min.replace(tzinfo=tz), datetime.max.replace(tzinfo=tz)
            assert schedule.holds(first, zone) in (True, False)
            assert schedule.holds(last, zone) in (True, False)
            assert schedule.next_change(first, zone) is not None
            assert schedule.next_change(last, zone) is None
            assert schedule.windows(first, first + DAY, zone) == []
            assert schedule.windows(last - DAY, last, zone) == []


def test_moments_of_other_zones_are_the_same_moments() -> None:
    """A moment may come in any time zone; answers are in UTC."""
    moment = datetime(2026, 3, 27, 8, 30, tzinfo=VIENNA)
    schedule = weekly(MONDAY_TO_FRIDAY)
    assert schedule.holds(moment, VIENNA)
    assert schedule.next_change(moment, VIENNA) == utc("2026-03-27T16:00")
    assert schedule.windows(moment, moment + HOUR, VIENNA) == [(utc("2026-03-27T07:00"), utc("2026-03-27T16:00"))]


def test_a_moment_without_a_zone_is_refused() -> None:
    """A local time is no moment."""
    with pytest.raises(ValueError, match="needs a time zone"):
        weekly(MONDAY_TO_FRIDAY).holds(local("2026-01-01"), VIENNA)


def test_a_schedule_cannot_be_changed() -> None:
    """Schedules are immutable, and show themselves in short."""
    schedule = weekly(MONDAY_TO_FRIDAY, NIGHTS)
    with pytest.raises(AttributeError):
        schedule._pattern = None  # type: ignore[misc,assignment]
    assert len(repr(schedule)) < 120
    assert len(repr(ical(DTSTART, HOUR_LONG))) < 120
