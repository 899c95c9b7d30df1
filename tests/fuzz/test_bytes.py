"""Any bytes at all, at every port of a server: by chance, and those that once were trouble, or could be."""

from __future__ import annotations

import asyncio
import json
import re
import signal
from concurrent.futures import ThreadPoolExecutor
from itertools import product
from pathlib import Path

import pytest
from conftest import PATIENCE, SpawnServer
from hypothesis import given
from hypothesis import strategies as st
from target import UPGRADE, Frames, Line, Target, replies, settings

from nymead_users.client import Client

#: One file for each thing to send; they are sent as they are.
CORPUS = {path.name: path.read_bytes() for path in sorted((Path(__file__).parent / "corpus").iterdir())}

#: What would be too large for a file here.
CORPUS |= {
    "three-megabyte-string": b'{"id":1,"method":"' + b"x" * 3_000_000 + b'"}\n',
    "three-megabytes-of-spaces": b" " * 3_000_000 + b'{"id":1,"method":"JSONRPC.Hello"}\n',
    "three-megabytes-of-digits": b'{"id":' + b"9" * 3_000_000 + b',"method":"JSONRPC.Hello"}\n',
    "depth-bomb": b"[" * 500_000,
    "depth-bomb-in-params": b'{"id":1,"method":"JSONRPC.Hello","params":' + b'{"a":' * 100_000,
    "half-a-million-digits-of-an-id": b'{"jsonrpc":"2.0","id":' + b"1" * 500_000 + b',"method":"JSONRPC.Hello"}\n',
    "every-byte": bytes(range(256)) * 16,
}

#: How the names begin of what has at least one answer on a stream.
ANSWERED = ("message-", "depth-bomb", "three-megabyte", "half-a-million")

#: How those begin that have one answer in a frame.
IN_FRAMES = ("message-", "depth-bomb", "half-a-million")

PLAIN = {"nymeas": "nymea", "wss": "ws"}

pieces = st.sampled_from([*(data for data in CORPUS.values() if len(data) < 1000), UPGRADE])


def mangled(data: bytes, cuts: list[int]) -> bytes:
    """Some bytes of it left out, doubled or changed."""
    for place in cuts:
        at = place % (len(data) + 1)
        data = [
            data[:at] + data[at + 1 :],
            data[:at] + data[at:][:9] + data[at:],
            data[:at] + b"\x00" + data[at + 1 :],
        ][place % 3]
    return data


soups = st.lists(
    pieces | st.builds(mangled, pieces, st.lists(st.integers(0, 10_000), max_size=3)) | st.binary(max_size=80),
    min_size=1,
    max_size=5,
).map(b"".join)


def thrown(url: str, *parts: bytes) -> bytes:
    """What a server answers to these bytes, and nothing else."""
    with Line(url) as line:
        for part in parts:
            line.send(part)
        line.hang_up()
        return line.rest()


@pytest.mark.parametrize("name", CORPUS)
def test_a_stream_of_what_could_be_trouble(target: Target, name: str) -> None:
    """Every answer of a TCP port is right in its dialect, what asks for one has it, and others are served meanwhile."""
    for url in (target.tcp, target.free):
        told = replies(thrown(url, CORPUS[name]))
        if name.startswith("message-"):
            assert len(told) == 1, told
        elif name.startswith(ANSWERED):
            assert told
    target.unharmed()


@pytest.mark.parametrize("name", CORPUS)
def test_a_frame_of_what_could_be_trouble(target: Target, name: str) -> None:
    """In one text frame it is answered once, and rightly, unless it is no text or too large; others are served."""
    for free in (False, True):
        with target.line("ws", free=free) as line:
            line.send(CORPUS[name])
            # Who closes gets no answer any more.
            begun = line.line() if name.startswith(IN_FRAMES) else b""
            line.hang_up()
            told = replies(begun + line.rest())
        assert len(told) == 1 if name.startswith(IN_FRAMES) else len(told) <= 1
    target.unharmed()


@pytest.mark.parametrize("name", CORPUS)
def test_bytes_of_other_protocols_on_a_websocket_port(target: Target, name: str) -> None:
    """What is no HTTP, or no WebSocket frame after an upgrade, ends the connection and nothing else."""
    thrown(target.ws, CORPUS[name])
    thrown(target.ws, UPGRADE, CORPUS[name])
    target.unharmed()


@given(soups)
@settings(150)
def test_a_stream_of_anything(target: Target, data: bytes) -> None:
    """Whatever is sent to a TCP port, each answer is right in its dialect."""
    replies(thrown(target.tcp, data))
    target.unharmed()


@given(soups)
@settings(60)
def test_anything_in_place_of_an_upgrade(target: Target, data: bytes) -> None:
    """Whatever is sent to a WebSocket port, what comes back is an HTTP response, if anything."""
    answer = thrown(target.ws, data)
    assert not answer or re.match(rb"HTTP/1\.1 [1-5]\d\d ", answer), answer[:100]
    target.unharmed()


@given(soups)
@settings(60)
def test_anything_in_place_of_frames(target: Target, data: bytes) -> None:
    """Whatever follows the upgrade, the server says what it has to say in frames, and others are served."""
    answer = thrown(target.ws, UPGRADE, data)
    head, _, frames = answer.partition(b"\r\n\r\n")
    assert not answer or head.startswith(b"HTTP/1.1 101 ")
    assert not frames or frames[0] in (0x81, 0x88, 0x89, 0x8A), frames[:100]
    target.unharmed()


@given(st.lists(st.text() | soups.map(lambda data: data.decode("utf-8", "replace")), min_size=1, max_size=4))
@settings(60)
def test_any_text_in_frames(target: Target, texts: list[str]) -> None:
    """Whatever the frames hold, each answer is right in its dialect."""
    with Frames(target.ws) as line:
        for text in texts:
            line.send(text.encode())
        line.hang_up()
        assert len(replies(line.rest())) <= len(texts)
    target.unharmed()


async def test_a_server_in_its_own_process_outlives_all_of_it(spawn_server: SpawnServer) -> None:
    """After every example at every port, plain or behind TLS, the process is up, its answers right, its log empty."""
    schemes = ("nymea", "nymeas", "ws", "wss")
    server = await spawn_server(
        *(argument for scheme in schemes for argument in ("--listen", f"{scheme}://127.0.0.1:0")),
        *("--log-level", "error"),
        environ={"NYMEAD_USERS_LIMITS__HANDSHAKE_TIME": "5"},
    )
    urls = [server.url(scheme) for scheme in schemes]
    # Plaintext where TLS is expected; the corpus has TLS where plaintext is.
    urls += [server.url(tls).replace(tls, plain) for tls, plain in PLAIN.items()]

    def answers(case: tuple[str, str]) -> None:
        url, name = case
        if not url.startswith("nymea"):
            thrown(url, CORPUS[name])
            return
        speaks = url in urls[: len(schemes)]  # a port with TLS says nothing to whoever speaks without
        with Line(url) as line:
            line.send(CORPUS[name])
            begun = line.line() if speaks and name.startswith(ANSWERED) else b""
            line.hang_up()
            # Who hangs up on TLS reads nothing more.
            told = begun if url.startswith("nymeas") else begun + line.rest()
        if speaks:
            assert begun or not name.startswith(ANSWERED)
            replies(told)

    with ThreadPoolExecutor(32) as pool:
        await asyncio.to_thread(list, pool.map(answers, product(urls, CORPUS)))
    async with await Client.connect(server.url(), timeout=PATIENCE) as client:
        assert (await client.hello())["initialSetupRequired"] is True
    server.signal(signal.SIGTERM)
    assert await server.ended() == 0
    assert await server.log() == ""


def test_the_corpus_is_what_it_seems() -> None:
    """An example that is a message as a whole is read as one: it fails for its content, not by a slip in its file."""
    messages = [name for name in CORPUS if name.startswith("message-")]
    assert messages
    for name in messages:
        json.loads(CORPUS[name])
