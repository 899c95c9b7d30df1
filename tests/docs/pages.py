"""The site's pages as the tests read them: their code blocks, and the conversations in them."""

from __future__ import annotations

import re
import textwrap
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent.parent
DOCS = ROOT / "docs"

#: Pages written by hand, and the generated ones beside them.
PAGES = sorted(DOCS.rglob("*.md"))


def name(path: Path) -> str:
    """A page's path, for the names of tests."""
    return path.relative_to(DOCS).as_posix()


@dataclass(frozen=True)
class Block:
    """A code block: its language, its title ("" for none) and its text."""

    language: str
    title: str
    text: str

    @property
    def lines(self) -> list[str]:
        return self.text.splitlines()


def blocks(page: Path) -> list[Block]:
    """The code blocks of a page, those in tabs included."""
    found = re.findall(r'^( *)```(\w*)(?: title="([^"]*)")?\n(.*?)^\1```$', page.read_text(), re.DOTALL | re.MULTILINE)
    return [Block(language, title, textwrap.dedent(text)) for _, language, title, text in found]


#: What differs from run to run, and what stands for it.
_VOLATILE: dict[str, Any] = {
    "token": "",
    "creationTime": 0,
    "hash": "",
    "version": "",
    "uuid": "",
    "tokenId": "",
    "physicalLockId": "",
}

#: Times that say when something happened; null where it has not.
_HAPPENED = {
    "created",
    "revoked",
    "received",
    "time",
    "rclDate",
    "joinStartDate",
    "joinCompletedDate",
    "leaveStartDate",
    "leaveCompletedDate",
    "lastSeenRclUpdateDate",
    "creationDate",
    "updateDate",
    "lastActiveDate",
}

_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")
_UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")


def steady(message: Any) -> Any:
    """A message with what differs from run to run taken out."""
    if isinstance(message, dict):
        message = {
            key: "" if key in _HAPPENED and isinstance(value, str) and _TIME.fullmatch(value) else value
            for key, value in message.items()
        }
        kept = {key: _VOLATILE.get(key, steady(value)) for key, value in message.items()}
        if "creationTime" in kept:
            kept["id"] = ""
        return kept
    if isinstance(message, list):
        return [steady(item) for item in message]
    return message


class Ids:
    """The ids that a page prints, and those that a server gave in their place."""

    def __init__(self) -> None:
        self._real: dict[str, str] = {}

    def learn(self, printed: Any, received: Any) -> None:
        """Note the ids of a message, which must be the same wherever the page prints the same."""
        if isinstance(printed, dict) and isinstance(received, dict):
            for key in printed.keys() & received.keys():
                self.learn(printed[key], received[key])
        elif isinstance(printed, list) and isinstance(received, list):
            for one, other in zip(printed, received, strict=False):
                self.learn(one, other)
        elif isinstance(printed, str) and isinstance(received, str) and _UUID.fullmatch(printed):
            # One that stands for another already stays so: the comparison then says that it differs.
            self._real.setdefault(printed, printed if received in self._real.values() else received)

    def fill(self, text: str) -> str:
        """A page's text with the server's ids."""
        return _UUID.sub(lambda match: self._real.get(match[0], match[0]), text)
