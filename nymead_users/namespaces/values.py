"""Values that the namespaces about access share: ids, moments, words of an enumeration, and schedules."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from enum import StrEnum
from typing import Annotated, Any, NotRequired

from pydantic import BeforeValidator, Field, WithJsonSchema
from typing_extensions import TypedDict

from nymead_users.access.schedule import MAX_WINDOWS
from nymead_users.instants import as_text
from nymead_users.namespaces.types import Uint, read_uuid
from nymead_users.rpc.namespace import wire_type
from nymead_users.rpc.types import UuidText

#: The longest text of a calendar, and then some for what surrounds it.
MAX_CALENDAR = 20_000

#: The greatest whole number that the store takes everywhere.
MAX_INT = 2**31 - 1

#: A whole number that the store takes.
Int = Annotated[int, Field(ge=-MAX_INT, le=MAX_INT)]

#: A person's number.
Number = Annotated[Uint, Field(le=MAX_INT)]

_CANONICAL = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}", re.ASCII)


def _id(value: Any) -> str:
    """A uuid as the domain of access has it; most come so already."""
    if isinstance(value, str) and _CANONICAL.fullmatch(value):
        return value
    return str(read_uuid(value))


#: A uuid as text, taken with and without braces, sent without.
Id = Annotated[str, BeforeValidator(_id), UuidText, WithJsonSchema({"type": "string", "format": "uuid"})]


def _moment(value: Any) -> datetime:
    """A moment as clients send it: ISO 8601 with an offset or Z."""
    if isinstance(value, datetime) and value.tzinfo is not None:
        return value
    if isinstance(value, str) and len(value) <= 40:
        try:
            at = datetime.fromisoformat(value)
            if at.tzinfo is not None:
                at = at.astimezone(UTC)
                if 1970 <= at.year <= 9000:
                    return at.replace(microsecond=at.microsecond // 1000 * 1000)
        except (ValueError, OverflowError):
            pass
    raise ValueError(
        "Expected a time of the years 1970 to 9000 in ISO 8601 with its offset, such as 2026-01-31T08:00:00Z"
    )


#: A moment, sent in UTC to the millisecond.
Time = Annotated[datetime, BeforeValidator(_moment)]


def shown_time(at: datetime | None) -> str | None:
    """A moment as it is sent, where there is one."""
    return None if at is None else as_text(at)


def word_of(enum: type[StrEnum]) -> BeforeValidator:
    """Takes one of an enumeration's words."""

    def read(value: Any) -> StrEnum:
        try:
            return enum(value)
        except ValueError:
            raise ValueError(f"Expected one of {', '.join(enum)}") from None

    return BeforeValidator(read)


class Weekday(StrEnum):
    """A day of the week."""

    MON = "mon"
    TUE = "tue"
    WED = "wed"
    THU = "thu"
    FRI = "fri"
    SAT = "sat"
    SUN = "sun"


WeeklyWindow = TypedDict(
    "WeeklyWindow",
    {
        "weekdays": Annotated[
            list[Annotated[Weekday, word_of(Weekday)]],
            Field(max_length=7, fail_fast=True, description="The days on which the window begins."),
        ],
        "from": Annotated[str, Field(description="When it begins in the lock's local time, such as 08:00.")],
        "until": Annotated[
            str, Field(description="When it ends, at most 24:00; not later than from: on the following day.")
        ],
    },
)
wire_type(WeeklyWindow)


@wire_type
class Schedule(TypedDict):
    """When a grant holds, beside its validity: one of the two."""

    weekly: NotRequired[
        Annotated[
            list[WeeklyWindow],
            Field(max_length=MAX_WINDOWS, fail_fast=True, description="Windows that come back every week."),
        ]
    ]
    ical: NotRequired[
        Annotated[
            str,
            Field(
                max_length=MAX_CALENDAR,
                description="An iCalendar (RFC 5545) with one event; a time without a zone is the lock's local time.",
            ),
        ]
    ]
