"""How values are written: one spelling for one thing, or a refusal that names the value and the reason."""

from __future__ import annotations

import re
from datetime import datetime
from zoneinfo import ZoneInfo

from nymead_users.access.errors import InvalidScheduleGiven, InvalidValue
from nymead_users.access.model import CredentialType
from nymead_users.access.schedule import InvalidSchedule, Schedule

#: A proximity key is a number of 40 bits: ten hexadecimal digits, or up to thirteen decimal ones (seed 004).
_PROXIMITY_BITS = 40
_PROXIMITY_DIGITS = 13

#: Digits and what people set between them: the library would read letters as digits and drop extensions.
_PHONE = re.compile(r"\+?[0-9 ().\-/]{3,40}", re.ASCII)
_PIN = re.compile(r"[0-9]{4,8}", re.ASCII)
_CODE = re.compile(r"[0-9]{4,16}", re.ASCII)
_HEXADECIMAL = re.compile(r"0[xX][0-9a-fA-F]{1,10}", re.ASCII)
_DECIMAL = re.compile(r"[0-9]{1,13}", re.ASCII)


def canonical_phone(text: str, name: str = "phone") -> str:
    """A phone number in E.164; "" stays. Raises InvalidValue.

    ``4781549300``, ``0047 81549300`` and ``+47 81 54 93 00`` are one.
    """
    if not text:
        return ""
    import phonenumbers  # noqa: PLC0415 - its tables take their time, and few calls have a number in them

    stripped = text.strip()
    if not _PHONE.fullmatch(stripped):
        raise InvalidValue(f"{name}: not an international phone number such as +4781549300")
    try:
        number = phonenumbers.parse(f"+{stripped.removeprefix('+').removeprefix('00')}")
    except phonenumbers.NumberParseException as error:
        raise InvalidValue(f"{name}: not an international phone number such as +4781549300") from error
    if not phonenumbers.is_possible_number(number):
        raise InvalidValue(f"{name}: not an international phone number such as +4781549300")
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)


def canonical_credential(kind: CredentialType, value: str) -> str:
    """A credential's value. Raises InvalidValue."""
    if kind is CredentialType.PHONE:
        if not value:
            raise InvalidValue("value: a phone number is wanted")
        return canonical_phone(value, "value")
    if kind is CredentialType.CODE:
        if not _CODE.fullmatch(value):
            raise InvalidValue("value: a code has 4 to 16 decimal digits")
        return value
    if _HEXADECIMAL.fullmatch(value):
        number = int(value, 16)
    elif _DECIMAL.fullmatch(value):
        number = int(value)
    else:
        raise InvalidValue("value: a proximity key is up to 13 decimal digits, or 0x and up to 10 hexadecimal ones")
    if number >= 1 << _PROXIMITY_BITS:
        raise InvalidValue("value: a proximity key has at most 40 bits")
    return f"{number:0{_PROXIMITY_DIGITS}}"


def check_pin(pin: str) -> None:
    """Raise InvalidValue for what is no PIN."""
    if not _PIN.fullmatch(pin):
        raise InvalidValue("pin: a PIN has 4 to 8 decimal digits")


def check_zone(name: str) -> None:
    """Raise InvalidValue for what is no name of a time zone in the IANA database."""
    try:
        if name not in ("localtime", "posixrules", "Factory") and not name.startswith(("right/", "posix/")):
            ZoneInfo(name)
            return
    except (KeyError, ValueError, OSError):
        pass
    raise InvalidValue("timeZone: not a name of the IANA time zone database, such as Europe/Vienna")


def check_validity(
    begin: datetime | None, end: datetime | None, *, names: tuple[str, str] = ("validFrom", "validBefore")
) -> None:
    """Raise InvalidValue for a time that ends before it begins; ``names`` are what a client calls the two."""
    if begin is not None and end is not None and begin >= end:
        raise InvalidValue(f"{names[1]}: must be later than {names[0]}")


def read_schedule(form: dict[str, object] | None) -> dict[str, object] | None:
    """A schedule in the form that is kept. Raises InvalidScheduleGiven."""
    if form is None:
        return None
    try:
        return Schedule.parse(form).as_json()
    except InvalidSchedule as error:
        raise InvalidScheduleGiven(f"schedule: {str(error).removeprefix('schedule: ')}") from error
