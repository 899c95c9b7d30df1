"""From bytes to JSON values: where one JSON text ends and the next begins. No I/O.

A TCP connection carries JSON texts (RFC 8259) one after the other, and nothing but the texts themselves
tells where one ends: nymea-app sends indented requests without a final newline, several texts can share a
segment, and a segment can end anywhere. So texts are read in two ways, which agree on every input:

- the common case, a whole text on a line of its own, goes to orjson at once;
- anything else is read by a small pushdown automaton (`_Place`, `_Scanner`) that can stop and go on at any
  byte and knows at the first wrong one that no JSON text can come of it.

The automaton only finds where a text ends. Its value is made by a JSON library in either case.
"""

import json
import re
from array import array
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import accumulate
from typing import Any, Final, TypeAlias

import orjson

__all__ = ["MAX_DEPTH", "BrokenText", "Framing", "JsonValue", "parse"]

JsonValue: TypeAlias = Any
"""What a JSON text stands for: None, bool, int, float, str, list of JsonValue, or dict of str to JsonValue.

`Any`, because whoever receives it looks at its type before its use.
"""

MAX_DEPTH: Final = 64
"""How deep arrays and objects may be nested: ample for a request, and far from exhausting a parser's stack.

Bounds of several hundred levels are not supported: the standard library's parser would give up before.
"""


_SCANNED: Final = 16 * 1024
"""The longest message, in bytes, whose fault the scanner is asked to find in one go: it takes milliseconds."""


@dataclass(frozen=True, slots=True)
class BrokenText:
    """A stretch of input that is no JSON text."""

    reason: str
    """What is wrong, for people. Bytes are counted from 0 at the first byte of the text."""
    jsonrpc: bool
    """Whether `"jsonrpc"` stands in the stretch or in what has already arrived of the line that it spoils."""
    fatal: bool = False
    """The connection is to be closed after the answer: nothing more is read from it."""


def parse(text: bytes | str, *, max_depth: int = MAX_DEPTH) -> JsonValue | BrokenText:
    """Read a whole message: exactly one JSON text, with or without whitespace around it. Never raises.

    What is wrong with a long text is told less exactly: finding it out would take too long.
    """
    raw = text.encode("utf-8", "surrogatepass") if isinstance(text, str) else text
    try:
        if _within(max_depth, raw):
            return _load(raw)
        if len(raw) > _SCANNED:
            return BrokenText(f"nested deeper than {max_depth} levels", _names_jsonrpc(raw))
    except ValueError as error:
        if len(raw) > _SCANNED:
            return BrokenText(str(error), _names_jsonrpc(raw))
    # The scanner says what is wrong, in the same words as for a stream.
    try:
        return _load_scanned(raw, max_depth)
    except ValueError as error:
        return BrokenText(str(error), _names_jsonrpc(raw))


class Framing:
    """The texts of one stream.

    A text is delivered as soon as it is complete; no newline need follow it. Only a number outside arrays
    and objects has to be followed by whitespace, for it could go on.

    What can't become JSON any more is told once, at its first wrong byte. The rest of that line is discarded,
    its newline included, and the next line begins a new text. A text of more than `max_size` bytes is told as
    too large and is the end: whatever comes later is ignored.

    Whitespace between texts belongs to none of them. At most `max_size` bytes are kept from one call to the
    next, and every byte is looked at a bounded number of times, however the stream is cut into pieces.
    """

    def __init__(self, *, max_size: int, max_depth: int = MAX_DEPTH) -> None:
        self._max_size = max_size
        self._max_depth = max_depth
        self._short = min(max_size, 2 * max_depth)  # no text so short is too large or too deep
        self._scanner = _Scanner(max_depth)
        self._held = bytearray()  # what has arrived of a text that isn't complete
        self._discarding = False  # the line is spoilt, its newline is still to come
        self._closed = False

    def feed(self, data: bytes) -> list[JsonValue | BrokenText]:
        """Take the next bytes of the stream; return what they complete or break, in order. Never raises."""
        found: list[JsonValue | BrokenText] = []
        if self._closed:
            return found
        begins = self._is_between_texts()
        # A lone carriage return ends a piece too, which does no harm: a piece isn't taken for a line.
        for piece in data.splitlines(keepends=True):
            if begins and piece[0] in b"{[" and (len(piece) <= self._short or self._is_harmless(piece)):
                try:
                    found.append(_load(piece))
                    continue
                except ValueError:
                    pass  # the text is broken, or goes on after the piece, or others follow it
            self._read(piece, found)
            if self._closed:
                break
            begins = self._is_between_texts()
        return found

    @property
    def unfinished(self) -> bool:
        """Whether a text has begun and is not complete."""
        return bool(self._held)

    def give_up(self, reason: str) -> BrokenText:
        """Tell that the rest of a text that has begun is not waited for any more, and ignore whatever comes later."""
        self._closed = True
        return BrokenText(reason, _names_jsonrpc(self._held), fatal=True)

    def close(self) -> None:
        """Ignore whatever comes later."""
        self._closed = True

    def _is_between_texts(self) -> bool:
        return not self._held and not self._discarding

    def _is_harmless(self, piece: bytes) -> bool:
        """Tell that a text in this piece, if it is one, is neither too large nor too deep."""
        return len(piece) <= self._max_size and _within(self._max_depth, piece)

    def _read(self, piece: bytes, found: list[JsonValue | BrokenText]) -> None:
        """Read on in a piece of the stream that has no newline but at its end, if there."""
        if self._discarding:
            self._discarding = not piece.endswith(b"\n")
            return
        pos = 0
        while pos < len(piece):
            if not self._held and (pos := _after_space(piece, pos)) == len(piece):
                return
            pos = self._read_text(piece, pos, found)

    def _read_text(self, piece: bytes, start: int, found: list[JsonValue | BrokenText]) -> int:
        """Begin a text, or go on with the one that is held; return where in the piece to go on after that."""
        scanner = self._scanner
        # One byte more than is allowed tells a text that is too large from one that just fits.
        end = min(len(piece), start + self._max_size + 1 - scanner.length)
        try:
            stop = scanner.read(piece, start, end)
        except ValueError as error:
            return self._break_text(piece, start, str(error), found)
        if scanner.length > self._max_size:
            self._closed = True
            return self._break_text(piece, start, f"message larger than {self._max_size} bytes", found)
        if not scanner.complete:
            self._held += piece[start:stop]
            return stop
        try:
            found.append(_load(self._held + piece[start:stop]))
        except ValueError as error:
            return self._break_text(piece, start, str(error), found)
        self._begin_anew()
        return stop

    def _break_text(self, piece: bytes, start: int, reason: str, found: list[JsonValue | BrokenText]) -> int:
        """Give up the text that is held and goes on at `start`, and its line; return the end of the piece."""
        stretch = self._held + piece[start:]
        found.append(BrokenText(reason, _names_jsonrpc(stretch), fatal=self._closed))
        self._discarding = not piece.endswith(b"\n")
        self._begin_anew()
        return len(piece)

    def _begin_anew(self) -> None:
        self._held = bytearray()
        self._scanner = _Scanner(self._max_depth)


def _load(text: bytes | bytearray) -> JsonValue:
    """Return the value of a text, or raise ValueError. Ids of requests come out exactly, however large.

    orjson makes a float of an integer beyond 64 bits. An id is echoed, so it has to be the same afterwards.
    """
    value = orjson.loads(text)
    if type(value) is dict:
        inexact = type(value.get("id")) is float
    else:
        inexact = type(value) is list and any(type(v) is dict and type(v.get("id")) is float for v in value)
    return json.loads(text) if inexact else value


def _load_scanned(text: bytes, max_depth: int) -> JsonValue:
    """Return the value of a whole message, or raise ValueError, after a close look."""
    scanner = _Scanner(max_depth)
    end = scanner.read(text, _after_space(text, 0), len(text))
    if not scanner.could_end:
        raise ValueError(f"the text ends unfinished at byte {scanner.length}")
    if _after_space(text, end) < len(text):
        raise ValueError(f"expected nothing after the text, which ends at byte {scanner.length}")
    return _load(text)


def _within(max_depth: int, text: bytes) -> bool:
    """Tell whether a text that is JSON, if it is, is nested no deeper than allowed."""
    # Most texts have too few brackets to be, and a level takes two, so a short one needs no counting.
    if len(text) <= 2 * max_depth or text.count(b"{") + text.count(b"[") <= max_depth:
        return True
    steps = _STRING_LITERAL.sub(b"", text).translate(_STEPS, _NO_BRACKETS)
    return max(accumulate(array("b", steps)), default=0) <= max_depth


_STRING_LITERAL = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*"', re.DOTALL)
_NO_BRACKETS = bytes(byte for byte in range(256) if byte not in b"[]{}")
# One level in (1) or out (-1, as a signed byte) for each bracket.
_STEPS = bytes.maketrans(b"[{]}", b"\x01\x01\xff\xff")


def _names_jsonrpc(stretch: bytes | bytearray) -> bool:
    return b'"jsonrpc"' in stretch


def _after_space(data: bytes, pos: int) -> int:
    return found.end() if (found := _SPACE.match(data, pos)) else pos


class _Place:
    """A place in the grammar of RFC 8259: what may come next there, and where that leads.

    `run` matches bytes that lead back here, to be passed over at once. `moves` gives, for each other byte
    that may come, the place it leads to, or None if a value or name is complete with it; and, if it begins a
    value or name inside an array or object, the place to go on at afterwards. At a place that `may_end`, a
    number is complete if any other byte comes.
    """

    __slots__ = ("expected", "may_end", "moves", "run")

    def __init__(self, expected: str, run: re.Pattern[bytes] | None = None, *, may_end: bool = False) -> None:
        self.expected = expected
        self.run = run
        self.may_end = may_end
        self.moves: dict[int, tuple[_Place | None, _Place | None]] = {}

    def on(self, these: Iterable[int], to: "_Place | None", *, then: "_Place | None" = None) -> None:
        """Let each of these bytes lead to a place."""
        for byte in these:
            self.moves[byte] = (to, then)


class _Scanner:
    """Finds the end of one JSON text, in as many pieces as it comes in."""

    def __init__(self, max_depth: int) -> None:
        self.length = 0
        """How many bytes of the text have been read."""
        self.complete = False
        """Whether they are the whole text."""
        self._max_depth = max_depth
        self._place = _VALUE
        # Where to go on after what is being read: one entry for each array and object around it, the
        # innermost last, and one more while a member's name is read.
        self._after: list[_Place] = []

    @property
    def could_end(self) -> bool:
        """Whether they are the whole text if nothing more comes."""
        return self.complete or (self._place.may_end and not self._after)

    def read(self, data: bytes, pos: int, end: int) -> int:
        """Read `data[pos:end]` or less: return where the text ends, or `end` if it isn't complete by then.

        Raises ValueError at the first byte with which no JSON text can go on.
        """
        origin = pos - self.length
        place, after = self._place, self._after
        while pos < end and not self.complete:
            if place.run is not None and (run := place.run.match(data, pos, end)):
                pos = run.end()
                if pos == end:
                    break
            move = place.moves.get(data[pos])
            if move is not None:
                to, then = move
                if then is not None:
                    after.append(then)
                if (to is _FIRST_NAME or to is _FIRST_ELEMENT) and len(after) >= self._max_depth:
                    raise ValueError(f"nested deeper than {self._max_depth} levels at byte {pos - origin}")
                pos += 1
            elif place.may_end and (after or data[pos] in _SPACE_BYTES):
                to = None
            else:
                raise ValueError(f"expected {place.expected} at byte {pos - origin}")
            if to is not None:
                place = to
            elif after:
                place = after.pop()
            else:
                self.complete = True
        self._place = place
        self.length = pos - origin
        return pos


# The grammar.

_SPACE_BYTES: Final = b" \t\n\r"
_DIGITS_BYTES: Final = b"0123456789"
_HEX_BYTES: Final = b"0123456789abcdefABCDEF"
_SPACE: Final = re.compile(rb"[ \t\n\r]*")
_DIGITS: Final = re.compile(rb"[0-9]*")
# Whole characters and escapes. The repetition is bounded because the regular expression engine keeps
# something of every round; the scanner comes back for more.
_CHARACTERS: Final = re.compile(
    rb"""(?: [\x20\x21\x23-\x5b\x5d-\x7f]+
        | \\ (?: ["\\/bfnrt] | u [0-9a-fA-F]{4} )
        | [\xc2-\xdf] [\x80-\xbf]
        | \xe0 [\xa0-\xbf] [\x80-\xbf]
        | \xed [\x80-\x9f] [\x80-\xbf]
        | [\xe1-\xec\xee\xef] [\x80-\xbf]{2}
        | \xf0 [\x90-\xbf] [\x80-\xbf]{2}
        | [\xf1-\xf3] [\x80-\xbf]{3}
        | \xf4 [\x80-\x8f] [\x80-\xbf]{2}
    ){0,500}""",
    re.VERBOSE,
)

_VALUE: Final = _Place("a value", _SPACE)
_FIRST_ELEMENT: Final = _Place("a value or ']'", _SPACE)
_AFTER_ELEMENT: Final = _Place("',' or ']'", _SPACE)
_FIRST_NAME: Final = _Place("a string or '}'", _SPACE)
_NAME: Final = _Place("a string", _SPACE)
_AFTER_NAME: Final = _Place("':'", _SPACE)
_AFTER_MEMBER: Final = _Place("',' or '}'", _SPACE)

_STRING: Final = _Place("well-formed UTF-8 without control characters", _CHARACTERS)
_ESCAPE: Final = _Place("one of \"\\/bfnrtu after '\\'")

_MINUS: Final = _Place("a digit")
_ZERO: Final = _Place("'.', 'e' or whitespace", may_end=True)
_INTEGER: Final = _Place("a digit, '.', 'e' or whitespace", _DIGITS, may_end=True)
_POINT: Final = _Place("a digit")
_FRACTION: Final = _Place("a digit, 'e' or whitespace", _DIGITS, may_end=True)
_EXPONENT: Final = _Place("a digit or a sign")
_EXPONENT_SIGN: Final = _Place("a digit")
_EXPONENT_DIGITS: Final = _Place("a digit or whitespace", _DIGITS, may_end=True)


def _chain(steps: Iterable[tuple[str, Iterable[int]]], to: _Place | None) -> _Place | None:
    """Make places that follow one another from what each expects and takes; return the first."""
    for expected, these in reversed(list(steps)):
        place = _Place(expected)
        place.on(these, to)
        to = place
    return to


def _literal(word: str) -> _Place | None:
    return _chain(((f"the literal {word}", letter.encode()) for letter in word[1:]), None)


def _tail(count: int, first: Iterable[int] = range(0x80, 0xC0)) -> _Place | None:
    """Return the place after the first byte of a character, of which `count` more bytes are to come."""
    expected = "a UTF-8 continuation byte"
    return _chain([(expected, first), *[(expected, range(0x80, 0xC0))] * (count - 1)], _STRING)


def _lay_out() -> None:
    """Connect the places."""
    _FIRST_ELEMENT.on(b"]", None)
    for place, then in ((_VALUE, None), (_FIRST_ELEMENT, _AFTER_ELEMENT)):
        place.on(b"{", _FIRST_NAME, then=then)
        place.on(b"[", _FIRST_ELEMENT, then=then)
        place.on(b'"', _STRING, then=then)
        place.on(b"-", _MINUS, then=then)
        place.on(b"0", _ZERO, then=then)
        place.on(b"123456789", _INTEGER, then=then)
        place.on(b"t", _literal("true"), then=then)
        place.on(b"f", _literal("false"), then=then)
        place.on(b"n", _literal("null"), then=then)
    _AFTER_ELEMENT.on(b",", _VALUE, then=_AFTER_ELEMENT)
    _AFTER_ELEMENT.on(b"]", None)

    _FIRST_NAME.on(b"}", None)
    for place in (_FIRST_NAME, _NAME):
        place.on(b'"', _STRING, then=_AFTER_NAME)
    _AFTER_NAME.on(b":", _VALUE, then=_AFTER_MEMBER)
    _AFTER_MEMBER.on(b",", _NAME)
    _AFTER_MEMBER.on(b"}", None)

    _STRING.on(b'"', None)
    _STRING.on(b"\\", _ESCAPE)
    _ESCAPE.on(b'"\\/bfnrt', _STRING)
    _ESCAPE.on(b"u", _chain([("a hexadecimal digit", _HEX_BYTES)] * 4, _STRING))
    # The well-formed sequences of UTF-8 (RFC 3629): nothing overlong, no surrogates, nothing beyond U+10FFFF.
    _STRING.on(range(0xC2, 0xE0), _tail(1))
    _STRING.on([*range(0xE1, 0xED), 0xEE, 0xEF], _tail(2))
    _STRING.on([0xE0], _tail(2, range(0xA0, 0xC0)))
    _STRING.on([0xED], _tail(2, range(0x80, 0xA0)))
    _STRING.on(range(0xF1, 0xF4), _tail(3))
    _STRING.on([0xF0], _tail(3, range(0x90, 0xC0)))
    _STRING.on([0xF4], _tail(3, range(0x80, 0x90)))

    _MINUS.on(b"0", _ZERO)
    _MINUS.on(b"123456789", _INTEGER)
    for place in (_ZERO, _INTEGER):
        place.on(b".", _POINT)
    _POINT.on(_DIGITS_BYTES, _FRACTION)
    for place in (_ZERO, _INTEGER, _FRACTION):
        place.on(b"eE", _EXPONENT)
    _EXPONENT.on(b"+-", _EXPONENT_SIGN)
    for place in (_EXPONENT, _EXPONENT_SIGN):
        place.on(_DIGITS_BYTES, _EXPONENT_DIGITS)


_lay_out()
