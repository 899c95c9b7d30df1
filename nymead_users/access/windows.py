"""What weekly schedules and those of a calendar share."""

from __future__ import annotations

import reprlib
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

NOTHING = timedelta(0)
DAY = timedelta(days=1)
WEEK = timedelta(days=7)


class InvalidSchedule(ValueError):
    """What is no schedule; the text names the place and the reason."""


def in_utc(local: datetime, zone: ZoneInfo) -> datetime:
    """A local time in UTC, without saying so."""
    return local - (zone.utcoffset(local) or NOTHING)


def shown(value: Any) -> str:
    """A value for people: short, and printable whatever it is."""
    if isinstance(value, str):
        value = f'"{value}"' if len(value) <= 40 else f'"{value[:40]}…"'
    else:
        value = reprlib.repr(value)
    return "".join(character if character.isprintable() else "\N{REPLACEMENT CHARACTER}" for character in value)
