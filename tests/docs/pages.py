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
_VOLATILE: dict[str, Any] = {"token": "", "creationTime": 0, "hash": "", "version": "", "uuid": "", "tokenId": ""}


def steady(message: Any) -> Any:
    """A message with what differs from run to run taken out."""
    if isinstance(message, dict):
        kept = {key: _VOLATILE.get(key, steady(value)) for key, value in message.items()}
        if "creationTime" in kept:
            kept["id"] = ""
        return kept
    if isinstance(message, list):
        return [steady(item) for item in message]
    return message
