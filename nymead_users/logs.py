"""Log lines: one each, in text or JSON, with the connection, the address and the user they are about."""

from __future__ import annotations

import json
import logging
import sys
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import Any, Literal, Protocol


class Subject(Protocol):
    """What a log line is about: the connection being served."""

    @property
    def connection_id(self) -> str:
        """The connection's id, unique within a run of the server."""

    @property
    def address(self) -> str:
        """The peer's address."""

    @property
    def username(self) -> str | None:
        """The user's name, where one is known."""


#: The connection on whose behalf the running task works; log lines carry it by themselves.
subject: ContextVar[Subject | None] = ContextVar("subject", default=None)

#: The longest text of a field that is logged, in characters.
MAX_FIELD = 200

_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}


def _fields(record: logging.LogRecord) -> dict[str, Any]:
    """The fields of a line beside its text: the subject's, then those given as ``extra``."""
    fields: dict[str, Any] = {}
    about = subject.get()
    if about is not None:
        fields["connection"] = about.connection_id
        fields["address"] = about.address
        if about.username is not None:
            fields["user"] = about.username
    fields.update((key, value) for key, value in vars(record).items() if key not in _STANDARD)
    return {key: _short(value) for key, value in fields.items()}


def _short(value: Any) -> Any:
    """A peer may send a long text, but not fill the log with it."""
    return f"{value[:MAX_FIELD]}…" if isinstance(value, str) and len(value) > MAX_FIELD else value


def _when(record: logging.LogRecord) -> str:
    return datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


class TextFormatter(logging.Formatter):
    """``TIME LEVEL message key=value …`` on one line: values that could break it are quoted and escaped."""

    def format(self, record: logging.LogRecord) -> str:
        """Write the line."""
        message = record.getMessage()
        if record.exc_info:
            message = f"{message}\n{self.formatException(record.exc_info)}"
        parts = [_when(record), record.levelname, _escaped(message)]
        parts += [f"{key}={_quoted(value)}" for key, value in _fields(record).items()]
        return " ".join(parts)


class JsonFormatter(logging.Formatter):
    """One JSON object a line: time, level, logger, message and the line's fields."""

    def format(self, record: logging.LogRecord) -> str:
        """Write the line."""
        line: dict[str, Any] = {
            "time": _when(record),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
            **_fields(record),
        }
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return json.dumps(line, default=str)


def _escaped(text: str) -> str:
    """Control characters, line breaks among them, made visible."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def _quoted(value: object) -> str:
    text = str(value)
    if text and text.isprintable() and not any(c in text for c in ' "=\\'):
        return text
    # A JSON string, in which other languages' letters stay as they are.
    return "".join(c if c.isprintable() else json.dumps(c)[1:-1] for c in json.dumps(text, ensure_ascii=False))


def configure(level: str, line_format: Literal["text", "json"]) -> None:
    """Send all log lines of ``level`` and above to stderr in the given format."""
    stream = logging.StreamHandler(sys.stderr)
    stream.setFormatter(JsonFormatter() if line_format == "json" else TextFormatter())
    logging.basicConfig(level=level.upper(), handlers=[stream], force=True)
    # websockets tells of every handshake and close itself; the session's own lines say it once.
    logging.getLogger("websockets").setLevel(logging.CRITICAL)
    logging.getLogger("asyncio").setLevel(max(logging.WARNING, logging.getLevelName(level.upper())))
    logging.getLogger("aiosqlite").setLevel(logging.WARNING)
