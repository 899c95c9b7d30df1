from __future__ import annotations

import json
import logging
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal
from uuid import UUID

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from nymead_users import logs
from nymead_users.logs import JsonFormatter, TextFormatter

TEXT, JSON = TextFormatter(), JsonFormatter()

#: Any text that Python can hold, lone surrogates included: file names have them.
anything = st.text(st.characters(exclude_categories=()), max_size=60)

#: What ends a line, or is taken for its end, by one program or another, and what moves a terminal's cursor.
BREAKING = "\n\r\x0b\x0c\x1c\x1d\x1e\x85\u2028\u2029\x1b\x9b\x08\x7f\x00\u202e\u2066\ud800"


@dataclass(frozen=True)
class Connection:
    """What a line is about."""

    connection_id: str = "c7"
    address: str = "192.0.2.1:5000"
    username: str | None = None


@pytest.fixture
def about() -> Iterator[None]:
    """A line in the course of a connection of alice's."""
    token = logs.subject.set(Connection(username="alice"))
    yield
    logs.subject.reset(token)


def record(message: str = "something happened", *args: Any, **extra: Any) -> logging.LogRecord:
    made = logging.LogRecord("nymead_users.test", logging.WARNING, __file__, 1, message, args, None)
    made.created = datetime(2026, 7, 8, 9, 10, 11, 123_000, tzinfo=UTC).timestamp()
    made.__dict__.update(extra)
    return made


def fail(text: str) -> None:
    """Raise an exception with this text, from another with it."""
    nothing: dict[str, str] = {}
    try:
        nothing[text]
    except KeyError as error:
        raise ValueError(text) from error


def failure(text: str) -> logging.LogRecord:
    """A record of an exception with this text."""
    made = record("call failed", method="Users.GetUsers")
    try:
        fail(text)
    except ValueError:
        made.exc_info = sys.exc_info()
    return made


def test_a_line_of_text_is_time_level_message_and_fields() -> None:
    """A plain line reads as documented."""
    line = TEXT.format(record("login failed", account="alice", retry_after=1.5))
    assert line == "2026-07-08T09:10:11.123Z WARNING login failed account=alice retry_after=1.5"


def test_a_line_of_json_is_an_object_of_the_same(about: None) -> None:  # noqa: ARG001
    """A JSON line has time, level, logger, message, the connection, and the line's own fields."""
    line = json.loads(JSON.format(record("login failed", account="bob", retry_after=1.5)))
    assert line == {
        "time": "2026-07-08T09:10:11.123Z",
        "level": "warning",
        "logger": "nymead_users.test",
        "message": "login failed",
        "connection": "c7",
        "address": "192.0.2.1:5000",
        "user": "alice",
        "account": "bob",
        "retry_after": 1.5,
    }


def test_a_line_tells_what_connection_it_is_about(about: None) -> None:  # noqa: ARG001
    """In the course of a connection every line names it, its address and its user."""
    assert TEXT.format(record()).endswith(" something happened connection=c7 address=192.0.2.1:5000 user=alice")
    token = logs.subject.set(Connection())
    try:
        assert TEXT.format(record()).endswith(" something happened connection=c7 address=192.0.2.1:5000")
    finally:
        logs.subject.reset(token)


def test_the_user_of_the_button_has_a_name_in_the_log() -> None:
    """The empty name is shown as one, not left out."""
    token = logs.subject.set(Connection(username=""))
    try:
        assert TEXT.format(record()).endswith(' user=""')
        assert json.loads(JSON.format(record()))["user"] == ""
    finally:
        logs.subject.reset(token)


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("alice", "alice"),
        ("", '""'),
        ("two words", '"two words"'),
        ("a=b", '"a=b"'),
        ('"', '"\\""'),
        ("\\", '"\\\\"'),
        ("admin\nx", '"admin\\nx"'),
        ("admin\\nx", '"admin\\\\nx"'),
        ("\x1b[2J\u2028\u00e4", '"\\u001b[2J\\u2028\u00e4"'),
        (None, "None"),
        (7, "7"),
        (UUID(int=1), "00000000-0000-0000-0000-000000000001"),
        ("\u00e4\u00f6\u00fc", "\u00e4\u00f6\u00fc"),
    ],
)
def test_values_are_quoted_where_they_could_be_misread(value: object, shown: str) -> None:
    """A value with a space, a quote, an equals sign or a break cannot pass for further fields; it is escaped once."""
    assert TEXT.format(record(field=value)).endswith(f" something happened field={shown}")


def test_arguments_of_the_message_are_put_in() -> None:
    """Lines of libraries, with their arguments, read as they should."""
    assert " took 3 s" in TEXT.format(record("took %d s", 3))
    assert json.loads(JSON.format(record("took %d s", 3)))["message"] == "took 3 s"


def read(line: str) -> tuple[str, dict[str, str]]:
    """A text line taken apart as a program would: the message and the fields."""
    match = re.fullmatch(r'\S+Z WARNING (.*?)((?: \w+=(?:"(?:[^"\\]|\\.)*"|[^ "=\\]+))*)', line)
    assert match, line
    fields = re.findall(r' (\w+)=("(?:[^"\\]|\\.)*"|[^ "=\\]+)', match[2])
    return match[1], {key: json.loads(value) if value.startswith('"') else value for key, value in fields}


@settings(deadline=None, max_examples=300)
@given(anything)
@example(BREAKING)
@example("x\n2026-01-01T00:00:00.000Z WARNING initial setup done account=evil")
@example('x" user=admin y="')
def test_a_text_line_is_one_line_whatever_is_in_it(text: str) -> None:
    """Whatever a peer made up, the line stays one of printable characters, and says of each field what it is."""
    line = TEXT.format(record("something happened", account=text, device=text))
    assert line.isprintable()
    message, fields = read(line)
    assert message == "something happened"
    assert list(fields) == ["account", "device"]
    if not any("\ud800" <= character <= "\udfff" for character in text):
        assert fields["account"] == text


@settings(deadline=None, max_examples=300)
@given(anything)
@example(BREAKING)
def test_a_message_or_an_exception_is_one_line_too(text: str) -> None:
    """Messages with breaks in them, and tracebacks, are written on one line."""
    assert TEXT.format(record("%s", text)).isprintable()
    line = TEXT.format(failure(text))
    assert line.isprintable()
    assert "ValueError" in line
    assert "KeyError" in line
    assert line.endswith(" method=Users.GetUsers")


@settings(deadline=None, max_examples=300)
@given(anything)
@example("\ud800")
@example("\udc80")
def test_a_json_line_holds_any_text(text: str) -> None:
    """Whatever is in a field, the line is written, and is one JSON object that tells it."""
    line = JSON.format(record("something happened", account=text))
    assert "\n" not in line
    told = json.loads(line)
    assert told["message"] == "something happened"
    assert isinstance(told["account"], str)
    if not any("\ud800" <= character <= "\udfff" for character in text):
        assert told["account"] == text


@settings(deadline=None, max_examples=300)
@given(anything)
@example("\x85\u2028\u2029")
@example("\x9b2J\x7f")
@example("\u202e")
def test_a_json_line_breaks_nowhere_and_moves_no_cursor(text: str) -> None:
    """A JSON line, too, is printable: no collector takes it for several, and no terminal obeys it."""
    cleaned = text.encode("utf-8", "replace").decode()
    line = JSON.format(record("something happened", account=cleaned))
    assert len(line.splitlines()) == 1
    assert line.isprintable()


@settings(deadline=None, max_examples=100)
@given(anything)
@example("\ud800")
def test_a_json_line_holds_any_exception(text: str) -> None:
    """A traceback is one field of one line."""
    line = JSON.format(failure(text))
    assert "\n" not in line
    told = json.loads(line)
    assert told["message"] == "call failed"
    assert told["exception"].startswith("Traceback")
    assert "The above exception was the direct cause" in told["exception"]


@pytest.mark.parametrize(
    "value",
    [
        float("nan"),
        float("inf"),
        2**80,
        {1: 2},
        {"a": {UUID(int=1)}},
        b"\xff",
        pytest.param(object(), id="object"),
        ["x", None],
        ValueError("x"),
    ],
    ids=str,
)
def test_values_of_any_type_can_be_logged(value: object) -> None:
    """No value, however odd, costs a line."""
    assert TEXT.format(record(field=value)).isprintable()
    assert "field" in json.loads(JSON.format(record(field=value)))


@pytest.fixture
def restored() -> Iterator[None]:
    """Logging as it was, after the test."""
    names = (None, "websockets", "asyncio", "aiosqlite")
    loggers = [logging.getLogger(name) for name in names]
    levels, handlers = [logger.level for logger in loggers], list(loggers[0].handlers)
    # Without closing them, as configuring does: they belong to others.
    loggers[0].handlers[:] = []
    yield
    loggers[0].handlers[:] = handlers
    for logger, level in zip(loggers, levels, strict=True):
        logger.setLevel(level)


@pytest.mark.usefixtures("restored")
@pytest.mark.parametrize("line_format", ["text", "json"])
def test_each_thing_logged_is_one_line_on_stderr(
    line_format: Literal["text", "json"], capsys: pytest.CaptureFixture[str]
) -> None:
    """What is logged at the chosen level or above, and nothing else, is a line on stderr."""
    logs.configure("info", line_format)
    log = logging.getLogger("nymead_users.test")
    log.debug("not worth a line")
    log.info("first", extra={"account": BREAKING.replace("\ud800", "")})
    try:
        fail("x\ny")
    except ValueError:
        log.exception("second")
    out, err = capsys.readouterr()
    assert out == ""
    first, second = err.removesuffix("\n").split("\n")
    assert "first" in first
    assert "second" in second
    assert "ValueError" in second


@pytest.mark.usefixtures("restored")
def test_a_line_is_written_even_if_it_holds_half_a_character(capsys: pytest.CaptureFixture[str]) -> None:
    """Text that cannot be encoded, as in the name of a file, costs no line and no traceback."""
    formats: tuple[Literal["text", "json"], ...] = ("text", "json")
    for line_format in formats:
        logs.configure("info", line_format)
        logging.getLogger("nymead_users.test").info("something happened", extra={"file": "caf\udce9"})
        err = capsys.readouterr().err
        assert len(err.splitlines()) == 1
        assert "something happened" in err
        assert "Traceback" not in err


@pytest.mark.usefixtures("restored")
def test_libraries_tell_no_secrets_at_debug(capsys: pytest.CaptureFixture[str]) -> None:
    """Even at the most talkative level the libraries that see headers, frames and statements stay silent."""
    logs.configure("debug", "text")
    for name in ("websockets.server", "websockets.client", "aiosqlite"):
        logging.getLogger(name).debug("> Authorization: Bearer %s", "hush")
        logging.getLogger(name).info("> Authorization: Bearer %s", "hush")
    for name in ("asyncio", "sqlalchemy.engine", "sqlalchemy.pool"):
        logging.getLogger(name).debug("%s", "hush")
    logging.getLogger("nymead_users.test").debug("worth a line")
    err = capsys.readouterr().err
    assert "hush" not in err
    assert "worth a line" in err
