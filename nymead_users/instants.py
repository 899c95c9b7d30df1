"""Moments as aware datetimes, as whole milliseconds since the epoch (UTC), and as text."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)


def milliseconds(at: datetime) -> int:
    """Whole milliseconds since the epoch, rounded down."""
    return (at - _EPOCH) // _MILLISECOND


def moment(value: int) -> datetime:
    """The moment so many milliseconds after the epoch, in UTC."""
    return _EPOCH + timedelta(milliseconds=value)


def as_text(at: datetime) -> str:
    """A moment in UTC as it is sent: ISO 8601, to the millisecond."""
    return f"{at.isoformat(timespec='milliseconds').removesuffix('+00:00')}Z"
