import itertools
import json
import tracemalloc
from collections.abc import Callable, Iterable
from typing import Any

import orjson
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from nymead_users.wire import framing
from nymead_users.wire.framing import MAX_DEPTH, BrokenText, Framing, JsonValue, parse

MAX_SIZE = 1 << 20

AUTHENTICATE = {
    "id": 4,
    "method": "JSONRPC.Authenticate",
    "params": {"username": "flüßchen 😀", "password": 'back\\slash "quoted"\n', "deviceName": "\x00"},
}
UNCLOSED_OBJECT = b'{"jsonrpc": "2.0", "method": "foobar, "params": "bar", "baz]'
UNCLOSED_BATCH = b'[{"jsonrpc": "2.0", "method": "sum", "params": [1,2,4]}, {"jsonrpc": "2.0", "method"]'


def new_framing(max_size: int = MAX_SIZE, max_depth: int = MAX_DEPTH) -> Framing:
    return Framing(max_size=max_size, max_depth=max_depth)


def feed(stream: Framing, pieces: Iterable[bytes]) -> list[JsonValue | BrokenText]:
    return [one for piece in pieces for one in stream.feed(piece)]


def pieces_of(data: bytes, size: int) -> list[bytes]:
    return [data[start : start + size] for start in range(0, len(data), size)]


def cut(data: bytes, places: Iterable[int]) -> list[bytes]:
    bounds = [0, *sorted(place % (len(data) + 1) for place in places), len(data)]
    return [data[start:end] for start, end in itertools.pairwise(bounds)]


def kinds(found: list[JsonValue | BrokenText]) -> list[str]:
    """Everything but `jsonrpc`, which may depend on how much of the line had arrived; 1, 1.0 and True differ."""
    return [f"{one.reason} {one.fatal}" if isinstance(one, BrokenText) else f"value {one!r}" for one in found]


def broken(found: list[JsonValue | BrokenText]) -> list[BrokenText]:
    return [one for one in found if isinstance(one, BrokenText)]


def compact(value: JsonValue) -> bytes:
    return orjson.dumps(value)


def escaped(value: JsonValue) -> bytes:
    return json.dumps(value).encode()


def indented(value: JsonValue) -> bytes:
    return json.dumps(value, indent=4, ensure_ascii=False).encode()


def indented_with_carriage_returns(value: JsonValue) -> bytes:
    return indented(value).replace(b"\n", b"\r\n")


values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)
writers = st.sampled_from([compact, escaped, indented, indented_with_carriage_returns])
separators = st.sampled_from([b"", b"\n", b"   ", b"\r\n", b"\t\n\n"])
places = st.lists(st.integers(0, 2**16), max_size=8)

fragments = st.sampled_from(
    [
        *rb'{ } [ ] , : " "id" "jsonrpc" {"a": [[[[ ]]]] {} "text" [{"id":98765432109876543210}]'.split(),
        *rb"\ \n \u \ud83d \ude00 true null fals e NaN 0 12 - + . 1e5 1e999".split(),
        *[b"\n", b"\n", b"\n", b" ", b"\r", b"\x00", b'{"id":1}\n'],
        *[b"\xc3", b"\xa9", b"\xf0\x9f", b"\x98\x80", b"\xed\xa0", b"\xef\xbb\xbf"],
    ]
)
soups = st.lists(fragments, max_size=20).map(b"".join) | st.binary(max_size=60)


# Texts in a stream.


@given(st.lists(st.tuples(values, writers, separators), max_size=6), places)
@settings(deadline=None)
def test_any_split_of_any_texts_gives_the_same_values(
    texts: list[tuple[JsonValue, Callable[[JsonValue], bytes], bytes]], places: list[int]
) -> None:
    """However texts are written, joined and split, their values come out one by one."""
    stream = b""
    for value, write, separator in texts:
        is_number = type(value) in (int, float)
        stream += write(value) + (b"\n" if is_number and not separator else separator)
    assert kinds(feed(new_framing(), cut(stream, places))) == kinds([value for value, _, _ in texts])


@pytest.mark.parametrize("write", [compact, escaped, indented, indented_with_carriage_returns])
@pytest.mark.parametrize("separator", [b"", b"\n", b" ", b"\r\n"])
@pytest.mark.parametrize("size", [1, 2, 7, 2**20])
def test_requests_come_through_at_every_chunk_size(
    size: int, separator: bytes, write: Callable[[JsonValue], bytes]
) -> None:
    """Requests are found at chunks of 1, 2 and 7 bytes and all at once."""
    requests: list[JsonValue] = [AUTHENTICATE, [AUTHENTICATE, {"id": None}], {}, [], "text", True, None, {"id": 2}]
    stream = separator.join(write(request) for request in requests)
    assert feed(new_framing(), pieces_of(stream, size)) == requests


@pytest.mark.parametrize("text", [b'{"id": 1}', b"[]", b'""', b"true", b"false", b"null", b'{\n"id": [\n]\n}'])
def test_a_complete_text_is_delivered_without_a_newline(text: bytes) -> None:
    """The last byte of a text delivers it."""
    stream = new_framing()
    assert feed(stream, pieces_of(text[:-1], 1)) == []
    assert stream.feed(text[-1:]) == [json.loads(text)]


def test_a_number_waits_for_whitespace() -> None:
    """A number outside arrays and objects is delivered once whitespace shows that it is complete."""
    stream = new_framing()
    assert stream.feed(b"12") == []
    assert stream.feed(b"34") == []
    assert stream.feed(b"\n5 ") == [1234, 5]
    assert stream.feed(b"-0.5e+1") == []
    assert stream.feed(b"\r") == [-5.0]


def test_whitespace_gives_nothing() -> None:
    """Empty lines and whitespace are no texts."""
    stream = new_framing()
    assert feed(stream, [b"", b"\n", b"\r\n\r\n", b" \t\n", b"\n\n {}\n \n", b"\n"]) == [{}]


@given(soups, places)
@settings(deadline=None, max_examples=400)
@example(b"\xef\xbb\xbf{}\n", [1])
@example(b"[[[[[[[[[[[]]]]]]]]]]]\n", [6])
@example(b'"\xed\xa0"\n{}', [3])
def test_any_bytes_in_any_split_give_the_same_outcome(data: bytes, places: list[int]) -> None:
    """No bytes make feed raise, and how they are split changes neither values nor complaints."""
    whole = kinds(new_framing(max_size=24, max_depth=5).feed(data))
    assert kinds(feed(new_framing(max_size=24, max_depth=5), cut(data, places))) == whole
    assert kinds(feed(new_framing(max_size=24, max_depth=5), pieces_of(data, 1))) == whole


@given(values, writers, st.integers(0, 2**16))
@settings(deadline=None)
def test_the_beginning_of_a_text_is_not_broken(
    value: JsonValue, write: Callable[[JsonValue], bytes], place: int
) -> None:
    """A text cut short is waited for, not complained about."""
    text = write(value)
    assert broken(new_framing().feed(text[: place % (len(text) + 1)])) == []


# Broken texts.


@pytest.mark.parametrize("text", [UNCLOSED_OBJECT, UNCLOSED_BATCH])
@pytest.mark.parametrize("size", [1, 2, 7, 2**20])
def test_texts_whose_braces_never_close_break_promptly(text: bytes, size: int) -> None:
    """The broken texts of the JSON-RPC specification are told once, without waiting for a newline."""
    stream = new_framing()
    found = feed(stream, pieces_of(text, size))
    assert len(found) == 1
    assert isinstance(found[0], BrokenText)
    assert found[0].jsonrpc
    assert not found[0].fatal
    assert feed(stream, [b' "more"', b"}]\n", b'{"id":1}']) == [{"id": 1}]


# Of each text the last byte is the first wrong one.
WRONG_LAST_BYTES: list[bytes] = [
    # no value
    *(bytes([byte]) for byte in range(256) if byte not in b' \t\r\n{["-0123456789tfn'),
    b"\xef",
    b"[,",
    b"[1,]",
    b"[1,,",
    b"[1 2",
    b"[1}",
    b"[}",
    b"{]",
    b'{"a":1]',
    b"{,",
    b"{1",
    b"{a",
    b"{'",
    b'{"a",',
    b'{"a"}',
    b'{"a" 1',
    b'{"a":,',
    b'{"a":}',
    b'{"a"::',
    b'{"a":1,}',
    b'{"a":1,,',
    b'{"a":1,2',
    b'{"a":1 "',
    # literals
    b"N",
    b"nuL",
    b"na",
    b"tru\n",
    b"[truE",
    b"falsy",
    b"[nulll",
    b"[truef",
    b"I",
    b"-I",
    # numbers
    b"01",
    b"-01",
    b"[00",
    b"[-00",
    b"+",
    b"[+",
    b".",
    b"[.",
    b"-\n",
    b"[--",
    b"[-a",
    b"1.\n",
    b"[1.]",
    b"[1.e",
    b"[1..",
    b"1.5.",
    b"[1e]",
    b"[1e+]",
    b"[1e1.",
    b"[1e1e",
    b"[1ee",
    b"0x",
    b"[1_",
    b"12a",
    b"1{",
    b'1"',
    # strings
    b'"\n',
    b'"a\t',
    b'["\x00',
    b'{"\x1f',
    b'"\r',
    b'"\\\n',
    b'"\\a',
    b'"\\x',
    b"'",
    b'"\\U',
    b'"\\ug',
    b'"\\u0g',
    b'"\\u00"',
    b'"\\u000"',
    b'"\\u00e9\\u+',
    # UTF-8
    b'"\x80',
    b'"\xbf',
    b'"\xc0',
    b'"\xc1',
    b'"\xc3"',
    b'"\xc3\xc3',
    b'"\xe0\x9f',
    b'"\xe4\xb8"',
    b'"\xed\xa0',
    b'"\xf0\x8f',
    b'"\xf0\x9f\x98"',
    b'"\xf4\x90',
    b'"\xf5',
    b'"\xff',
    b'{"\xff',
    b'["ok", "caf\xe9"',
]


@pytest.mark.parametrize("text", WRONG_LAST_BYTES, ids=repr)
def test_the_first_wrong_byte_breaks_a_text(text: bytes) -> None:
    """What RFC 8259 doesn't allow is told at the very byte where it begins, and once."""
    stream = new_framing()
    assert feed(stream, pieces_of(text[:-1], 1)) == []
    assert len(broken(stream.feed(text[-1:]))) == 1
    assert feed(stream, [b"" if text.endswith(b"\n") else b"} rest \n", b"{}"]) == [{}]
    assert kinds(new_framing().feed(text)) == kinds(feed(new_framing(), pieces_of(text, 1)))


@pytest.mark.parametrize(
    "text", [b'["\\ud800"]', b'"\\ude00"', b'{"a":"\\ud83d!"}', b"[1e999]", b"[" + b"9" * 400 + b"]"]
)
@pytest.mark.parametrize("size", [1, 2**20])
def test_a_text_without_a_value_is_broken(text: bytes, size: int) -> None:
    """A complete text of which no value can be made, such as half a surrogate pair, is told at its end."""
    stream = new_framing()
    assert feed(stream, pieces_of(text[:-1], size)) == []
    assert len(broken(stream.feed(text[-1:]))) == 1
    assert feed(stream, pieces_of(b'{"lost": 1}\n{"id": 1}\n', size)) == [{"id": 1}]


@given(st.text().filter(lambda text: "\n" not in text), st.integers(1, 40))
@settings(deadline=None)
def test_framing_begins_anew_after_the_next_newline(rest: str, size: int) -> None:
    """The rest of a broken text's line is dropped, whatever it holds, and the next line is read."""
    line = b"]" + rest.encode() + b"\n"
    found = feed(new_framing(), pieces_of(line + compact(AUTHENTICATE) + b"\n" + line + b"[1]", size))
    assert [type(one) for one in found] == [BrokenText, dict, BrokenText, list]


def test_each_broken_line_is_told_once() -> None:
    """Lines of garbage give one broken text each, empty lines between them none."""
    garbage = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n  \nhello\n{]}}}\n" + UNCLOSED_BATCH + b"\n"
    for size in (1, 2, 7, 2**20):
        found = feed(new_framing(), pieces_of(garbage + b'{"id":1}', size))
        assert len(broken(found)) == 5
        assert found[5:] == [{"id": 1}]


def test_a_text_that_follows_on_the_same_line_is_read_first() -> None:
    """Texts before a broken one on its line are delivered, those after it are dropped."""
    found = new_framing().feed(b'{"id":1}{"id":2} oops {"id":3}\n{"id":4}\n')
    assert kinds(found) == ["value {'id': 1}", "value {'id': 2}", "expected a value at byte 0 False", "value {'id': 4}"]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (b'\n  {"a": 1 "b"', "expected ',' or '}' at byte 8"),
        (b'["a" "b"', "expected ',' or ']' at byte 5"),
        (b"{1", "expected a string or '}' at byte 1"),
        (b'{"a"1', "expected ':' at byte 4"),
        (b"nil\n", "expected the literal null at byte 1"),
        (b"012\n", "expected '.', 'e' or whitespace at byte 1"),
        (b'"\xff', "expected well-formed UTF-8 without control characters at byte 1"),
        (b'"\xc3(', "expected a UTF-8 continuation byte at byte 2"),
        (b'"\\u12x', "expected a hexadecimal digit at byte 5"),
        (b"[" * 65, "nested deeper than 64 levels at byte 64"),
    ],
)
def test_the_reason_says_what_is_wrong_and_where(text: bytes, reason: str) -> None:
    """The reason names what was expected and the byte, counted from the beginning of the text."""
    for size in (1, 3, 2**20):
        assert [one.reason for one in broken(feed(new_framing(), pieces_of(text, size)))] == [reason]


@pytest.mark.parametrize(
    ("pieces", "jsonrpc"),
    [
        ([b'{"jsonrpc": "2.0", oops\n'], True),
        ([b'{"json', b'rpc": "2.0", oops\n'], True),
        ([b'{id: 1, "jsonrpc": "2.0"}\n'], True),
        ([b'{"id": 1, oops\n', b'{"jsonrpc": "2.0"}\n'], False),
        ([b'{"id": 1, oops\n{"jsonrpc": "2.0"}\n'], False),
        ([b'{"jsonrpc": "2.0"}{"id": 1, oops\n'], False),
        ([b"{jsonrpc: 2.0}\n"], False),
        ([b'{"jsonrpc": "2.0", "id": "\\ud800"}'], True),
    ],
)
def test_a_broken_text_tells_its_dialect(pieces: list[bytes], jsonrpc: bool) -> None:
    """Whether `"jsonrpc"` stands in the broken text or its line is told, and other texts don't matter."""
    assert [one.jsonrpc for one in broken(feed(new_framing(), pieces))] == [jsonrpc]


# Bounds.


def nested(depth: int, opening: bytes, innermost: bytes, closing: bytes) -> bytes:
    return opening * depth + innermost + closing * depth


@pytest.mark.parametrize("ending", [b"", b"\n"])
@pytest.mark.parametrize(
    ("opening", "innermost", "closing"),
    [
        (b"[", b"", b"]"),
        (b'{"a":', b"0", b"}"),
        (b'[{"a":', b"0", b"}]"),
        (b"[[],{},", b'"[[[{{{"', b"]"),
        (b" [\n", b"1", b" ]\n"),
    ],
)
def test_nesting_is_bounded(opening: bytes, innermost: bytes, closing: bytes, ending: bytes) -> None:
    """As many levels as are allowed are read, and one more is a broken text, in a stream and in a message."""
    levels = 2 if opening == b'[{"a":' else 1
    extra = 1 if opening == b"[[],{}," else 0
    allowed = nested(10 // levels - extra, opening, innermost, closing) + ending
    too_deep = nested(10 // levels - extra + 1, opening, innermost, closing) + ending
    for size in (1, 2, 7, 2**20):
        assert feed(new_framing(max_depth=10), pieces_of(allowed, size)) == [json.loads(allowed)]
        first = feed(new_framing(max_depth=10), pieces_of(too_deep, size))[0]
        assert isinstance(first, BrokenText)
        assert first.reason.startswith("nested deeper than 10 levels")
    assert parse(allowed, max_depth=10) == json.loads(allowed)
    assert isinstance(parse(too_deep, max_depth=10), BrokenText)


@pytest.mark.parametrize("text", [b"[" * 100_000, b'{"a":' * 100_000, nested(100_000, b"[", b"", b"]")])
def test_a_very_deep_text_is_only_broken(text: bytes) -> None:
    """A text as deep as it is long is one broken text, never a crash."""
    for ending in (b"", b"\n"):
        for size in (4096, 2**20):
            assert len(broken(feed(new_framing(), pieces_of(text + ending, size)))) == 1
    assert isinstance(parse(text), BrokenText)


def test_brackets_in_strings_are_not_nesting() -> None:
    """Any number of brackets may stand in a string."""
    text = compact({"id": 1, "params": ["[{" * 500]})
    for data in (text, text + b"\n"):
        for size in (1, 7, 2**20):
            assert feed(new_framing(), pieces_of(data, size)) == [json.loads(text)]
    assert parse(text) == json.loads(text)


SIZED_TEXTS = [
    b'"' + b"a" * 98 + b'"',
    b"[" + b" " * 98 + b"]",
    b'{"a":[' + b"\n1," * 30 + b"12]}",
    b"0." + b"1" * 98,
    b'"' + "é".encode() * 49 + b'"',
]


@pytest.mark.parametrize("text", SIZED_TEXTS, ids=repr)
@pytest.mark.parametrize("size", [1, 2, 7, 2**20])
def test_a_text_may_be_as_large_as_allowed(text: bytes, size: int) -> None:
    """A text of exactly the allowed size is read, whatever whitespace surrounds it."""
    assert len(text) == 100
    stream = b" " * 200 + text + b"\r\n" + text + b"   \n" + b"\n" * 200
    assert feed(new_framing(max_size=100), pieces_of(stream, size)) == [json.loads(text)] * 2


@pytest.mark.parametrize("text", SIZED_TEXTS, ids=repr)
@pytest.mark.parametrize("size", [1, 2, 7, 2**20])
def test_a_text_fatal_is_the_end(text: bytes, size: int) -> None:
    """A text of one byte too many is told as too large, and nothing is read or kept after it."""
    stream = new_framing(max_size=99)
    found = feed(stream, pieces_of(b"[1]\n" + text + b"\n{}\n", size))
    assert found == [[1], BrokenText("message larger than 99 bytes", jsonrpc=False, fatal=True)]
    assert feed(stream, [b"\n", b'{"id":1}\n', b"garbage\n", text]) == []
    assert not stream._held


def test_a_text_fatal_is_told_before_its_end() -> None:
    """The first byte too many is enough, and the dialect is still told."""
    stream = new_framing(max_size=50)
    start = b'{"jsonrpc": "2.0", "method": "'
    assert stream.feed(start + b"a" * (50 - len(start))) == []
    assert stream.feed(b"a") == [BrokenText("message larger than 50 bytes", jsonrpc=True, fatal=True)]


def kept_after(stream: Framing, chunk: bytes, times: int) -> int:
    """Return how much more memory is in use after a chunk has been fed many times."""
    stream.feed(chunk)
    tracemalloc.start()
    try:
        before, _ = tracemalloc.get_traced_memory()
        for _ in range(times):
            stream.feed(chunk)
        after, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    return after - before


@pytest.mark.parametrize("beginning", [b"", b"garbage", b'{"id":1}'])
@pytest.mark.parametrize("flood", [b" ", b"\n", b"x", b"x\n", b"{]\n", b"{}"])
def test_a_flood_of_garbage_keeps_no_memory(beginning: bytes, flood: bytes) -> None:
    """Garbage, whitespace and texts already delivered leave nothing behind."""
    stream = new_framing()
    stream.feed(beginning)
    assert kept_after(stream, flood * (300 // len(flood)), 50) < 8_000


def test_what_is_kept_of_a_text_is_bounded() -> None:
    """Before and after a text turns out too large no more than the allowed size is kept."""
    stream = new_framing(max_size=100_000)
    stream.feed(b'["')
    assert kept_after(stream, b"a" * 1000, 90) < 150_000
    assert kept_after(stream, b"a" * 1000, 1000) < 10_000


@pytest.mark.parametrize(
    "text",
    [
        b'"' + b"a" * 10_000 + b'"',
        b'"' + "漢😀é".encode() * 1_000 + b'"',
        b'"' + b"\\u00e9\\n" * 1_200 + b'"',
        b"[" + b"1, " * 3_000 + b"1]",
        b"1" * 10_000 + b"\n",
        b" " * 10_000,
        b"{}" * 5_000,
        b"{} " * 3_000,
        b"{}\n" * 3_000,
        b"[1]x\n" * 2_000,
        b"[\n" * 5_000,
        b"x" * 10_000,
        b"[\n" + b"1,\n" * 3_000 + b"1]\n",
    ],
    ids=lambda text: repr(text[:12]),
)
@pytest.mark.parametrize("size", [1, 7, 1000, 2**20])
def test_the_work_grows_with_the_bytes_only(text: bytes, size: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each byte is scanned once and given to a parser twice at most, however the stream is split."""
    scanned = loaded = 0
    read = framing._Scanner.read
    load = framing._load

    def counting_read(scanner: Any, data: bytes, pos: int, end: int) -> int:
        nonlocal scanned
        before = scanner.length
        stop = read(scanner, data, pos, end)
        scanned += scanner.length - before
        return stop

    def counting_load(text: bytes | bytearray) -> JsonValue:
        nonlocal loaded
        loaded += len(text)
        return load(text)

    monkeypatch.setattr(framing._Scanner, "read", counting_read)
    monkeypatch.setattr(framing, "_load", counting_load)
    feed(new_framing(), pieces_of(text, size))
    assert scanned <= len(text)
    assert loaded <= 2 * len(text)


# Identifiers.


@pytest.mark.parametrize("number", [2**63, 2**64, -(2**63) - 1, 98765432109876543210, 10**300 + 7])
@pytest.mark.parametrize("write", [lambda value: json.dumps(value).encode(), indented])
def test_large_identifiers_stay_exact(number: int, write: Callable[[JsonValue], bytes]) -> None:
    """An integer id comes out as it went in, alone and in a batch, however large."""
    alone, batch = {"id": number, "params": [1.5]}, [1, {"id": number}, {"id": 2}]
    for request in (alone, batch):
        for data in (write(request), write(request) + b"\n"):
            for size in (1, 7, 2**20):
                assert kinds(feed(new_framing(), pieces_of(data, size))) == kinds([request])
            assert kinds([parse(data)]) == kinds([request])


def test_fractional_identifiers_stay_as_they_are() -> None:
    """An id that is written with a fraction is a float."""
    assert kinds(new_framing().feed(b'{"id":1.0}\n[{"id":2.5}]\n')) == kinds([{"id": 1.0}, [{"id": 2.5}]])


# Whole messages.


@given(values, writers, separators, separators)
@settings(deadline=None)
def test_a_message_is_one_text(
    value: JsonValue, write: Callable[[JsonValue], bytes], before: bytes, after: bytes
) -> None:
    """A message holds exactly one text, with whitespace around it, as bytes or as a string."""
    message = before + write(value) + after
    assert kinds([parse(message)]) == kinds([value])
    assert kinds([parse(message.decode())]) == kinds([value])


@given(soups)
@settings(deadline=None, max_examples=300)
def test_any_message_is_a_value_or_broken(message: bytes) -> None:
    """No bytes make parse raise, and what it reads a stream reads in the same way, byte by byte."""
    parsed = parse(message, max_depth=5)
    if isinstance(parsed, BrokenText):
        assert not parsed.fatal
        assert parsed.jsonrpc == (b'"jsonrpc"' in message)
    else:
        assert kinds(feed(new_framing(max_depth=5), pieces_of(message + b"\n", 1))) == kinds([parsed])


def test_an_unfinished_text_may_be_given_up() -> None:
    """A text that has begun is unfinished until its last byte; given up, it is the stream's last."""
    stream = new_framing()
    for piece, unfinished in ((b" \n", False), (b'{"id"', True), (b": 1", True), (b"}", False), (b"nonsense", False)):
        stream.feed(piece)
        assert stream.unfinished is unfinished
    stream.feed(b'\n{"jsonrpc": "2.0", "id"')
    assert stream.unfinished
    assert stream.give_up("too slow") == BrokenText("too slow", jsonrpc=True, fatal=True)
    assert stream.feed(b': 1}\n{"id": 2}\n') == []


@given(st.text(st.characters(categories=["L", "P", "N", "Cs", "Cc", "Zs"])))
@settings(deadline=None)
def test_any_string_is_a_value_or_broken(message: str) -> None:
    """No string makes parse raise, half surrogate pairs included."""
    parse(message)
    parse(f'["{message}"]')


@pytest.mark.parametrize(
    ("message", "reason"),
    [
        (b"", "the text ends unfinished at byte 0"),
        (b" \n ", "the text ends unfinished at byte 0"),
        (b' {"id": 1', "the text ends unfinished at byte 8"),
        (b'"abc', "the text ends unfinished at byte 4"),
        (b"-", "the text ends unfinished at byte 1"),
        (b"{} {}", "expected nothing after the text, which ends at byte 2"),
        (b"1 2", "expected nothing after the text, which ends at byte 1"),
        (b"[1,]", "expected a value at byte 3"),
        (b"\xef\xbb\xbf{}", "expected a value at byte 0"),
        ('["\ud800"]', "expected a UTF-8 continuation byte at byte 3"),
        (b"[" * 65 + b"]" * 65, "nested deeper than 64 levels at byte 64"),
        (b'["\\ud800"]', "no low surrogate in string: line 1 column 3 (char 2)"),
    ],
)
def test_a_broken_message_says_why(message: bytes | str, reason: str) -> None:
    """Of a message that isn't exactly one text the reason is given."""
    assert parse(message) == BrokenText(reason, jsonrpc=False)


@pytest.mark.parametrize("message", [UNCLOSED_OBJECT, UNCLOSED_BATCH, UNCLOSED_BATCH.decode()])
def test_a_broken_message_tells_its_dialect(message: bytes | str) -> None:
    """A broken message tells whether `"jsonrpc"` stands in it."""
    assert isinstance(found := parse(message), BrokenText)
    assert found.jsonrpc
