"""What the site shows of conversations is what happens."""

from __future__ import annotations

import asyncio
import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from conftest import Raw, Server, StartServer, Transport
from pages import DOCS, PAGES, Block, blocks, name, steady

ALICE = {"username": "alice", "password": "Wonderland1"}

TALKING = [page for page in PAGES if any(_.title.startswith("You send") for _ in blocks(page))]


class Reader:
    """Somebody who does what a page says, block after block."""

    def __init__(self, server: Server, transport: Transport) -> None:
        self._server = server
        self._transport = transport
        self._connections: dict[str, Raw] = {}
        self._owed: dict[str, int] = {}
        self._known = {"TOKEN": "", "TOKEN-ID": ""}

    async def follow(self, block: Block) -> None:
        if block.language == "console":
            if any(line.startswith("$ nymead-users press-button") for line in block.lines[:1]):
                operator = await self._server.operator()
                await operator.call("Operator.PressButton")
            return
        speaker = "another" if block.title.startswith("Another") else "you"
        if "send" in block.title:
            if speaker not in self._connections or block.title.endswith("new connection"):
                await self._rest(speaker)
                self._connections[speaker] = await self._server.raw(self._transport)
            await self._rest(speaker)
            for line in block.lines:
                await self._connections[speaker].send(f"{self._fill(line)}\n")
            self._owed[speaker] = len(block.lines)
            if speaker == "another":
                await self._rest(speaker)
        elif block.title in ("You receive", "The notification"):
            received = [await self._receive("you") for _ in block.lines]
            printed = [json.loads(line) for line in block.lines]
            if block.title == "The notification":
                while "method" not in received[-1]:
                    received = [await self._receive("you")]
            assert [steady(message) for message in received] == [steady(message) for message in printed]
            # In the order of the server's own keys and in its own form.
            assert [json.dumps(line, separators=(",", ":")) for line in printed] == block.lines

    async def _rest(self, speaker: str) -> None:
        """Read the replies that the page does not show."""
        while self._owed.get(speaker, 0) > 0:
            await self._receive(speaker)

    async def _receive(self, speaker: str) -> Any:
        message = await self._connections[speaker].receive()
        if not isinstance(message, dict) or "id" in message:
            self._owed[speaker] = self._owed.get(speaker, 0) - 1
        self._learn(message)
        return message

    def _learn(self, message: Any) -> None:
        """Note the last token and the last token's id, which later lines of the page want filled in."""
        if isinstance(message, dict):
            if isinstance(message.get("token"), str):
                self._known["TOKEN"] = message["token"]
            if "tablet" in message.get("deviceName", ""):
                self._known["TOKEN-ID"] = message["id"]
            message = list(message.values())
        if isinstance(message, list):
            for item in message:
                self._learn(item)

    def _fill(self, line: str) -> str:
        return re.sub(r'"(TOKEN|TOKEN-ID)"', lambda match: json.dumps(self._known[match[1]]), line)


async def _home(start_server: StartServer, page: Path, **settings: Any) -> Server:
    """The server that a page speaks of: new for the first steps, else with its administrator."""
    server = await start_server(push_button=name(page) == "guides/push-button.md", **settings)
    if name(page) not in ("start/getting-started.md", "guides/push-button.md"):
        await server.set_up(**ALICE)
    return server


@pytest.mark.parametrize("page", TALKING, ids=name)
async def test_conversations_go_as_printed(start_server: StartServer, transport: Transport, page: Path) -> None:
    """What a page says to send is answered as it prints, on TCP and on WebSocket."""
    server = await _home(start_server, page)
    reader = Reader(server, transport)
    for block in blocks(page):
        await reader.follow(block)


async def test_the_notification_in_nymeas_dialect_is_as_printed(start_server: StartServer) -> None:
    """The page on notifications prints nymea's form of the same notification."""
    page = DOCS / "guides" / "notifications.md"
    (printed,) = [json.loads(block.text) for block in blocks(page) if block.language == "json" and not block.title]
    server = await _home(start_server, page)
    alice = await server.login("alice", password="Wonderland1")
    await alice.subscribe("Users")
    await server.add_user("bob")
    heard = await anext(alice.notifications())
    assert (heard.name, heard.params) == (printed["notification"], printed["params"])


SCRIPTS = [block for block in blocks(DOCS / "guides" / "connecting.md") if block.language == "python"]


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda script: script.title)
async def test_the_python_examples_run(start_server: StartServer, script: Block, tmp_path: Path) -> None:
    """Each program on the page about connecting runs by itself, against the server that it speaks of."""
    listeners = [f"{scheme}://127.0.0.1:0" for scheme in ("nymea", "ws", "nymeas")]
    server = await _home(start_server, DOCS / "guides" / "connecting.md", listeners=listeners)
    ports = dict(zip(("nymea", "ws", "nymeas"), (url.rpartition(":")[2] for url in server.urls), strict=True))
    code = script.text.replace("4444", ports["ws"])
    code = code.replace("2222", ports["nymeas" if "192.168.1.20" in code else "nymea"])
    code = code.replace("192.168.1.20", "127.0.0.1")
    if "FINGERPRINT" in code:
        code = re.sub('^FINGERPRINT = ".*"$', f'FINGERPRINT = "{_fingerprint(server)}"', code, flags=re.MULTILINE)
    file = tmp_path / script.title
    file.write_text(code)
    done = await asyncio.to_thread(_run, file)
    assert (done.returncode, done.stderr) == (0, "")
    assert "alice" in done.stdout or "protocol version" in done.stdout


async def test_a_wrong_fingerprint_is_noticed(start_server: StartServer, tmp_path: Path) -> None:
    """The program that compares the fingerprint refuses another server."""
    (script,) = [script for script in SCRIPTS if script.title == "tls.py"]
    server = await start_server(listeners=["nymeas://127.0.0.1:0"])
    file = tmp_path / script.title
    file.write_text(script.text.replace("2222", server.urls[0].rpartition(":")[2]).replace("192.168.1.20", "127.0.0.1"))
    done = await asyncio.to_thread(_run, file)
    assert done.returncode == 1
    assert "another server" in done.stderr


def _run(file: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, file], capture_output=True, text=True, timeout=20, check=False)


def _fingerprint(server: Server) -> str:
    from cryptography import x509  # noqa: PLC0415 - slow, and wanted here only
    from cryptography.hazmat.primitives import hashes  # noqa: PLC0415 - likewise

    certificate = x509.load_pem_x509_certificate((server.data_dir / "tls-cert.pem").read_bytes())
    return certificate.fingerprint(hashes.SHA256()).hex(":").upper()
