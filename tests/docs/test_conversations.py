"""What the site shows of conversations is what happens."""

from __future__ import annotations

import asyncio
import itertools
import json
import os
import re
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest
from conftest import PASSWORD, PATIENCE, Server, SpawnServer, StartServer
from pages import DOCS, PAGES, Block, Ids, blocks, name, steady
from terminal import TALKING, Talk, Terminal, typed

from nymead_users.client import Client

ALICE = {"username": "alice", "password": "Wonderland1"}

#: Each way to talk that a page prints.
TOOLS = sorted(
    {
        typed(line)
        for page in PAGES
        for block in blocks(page)
        for line in block.lines
        if typed(line).startswith(TALKING) and "TOKEN" not in line
    }
)

#: Pages that print commands or conversations, and what they are followed with.
FOLLOWED = [
    pytest.param(page, tool, id=f"{name(page)}-{tool}")
    for page in PAGES
    if any(block.language == "console" or "send" in block.title for block in blocks(page))
    for tool in (TOOLS if name(page) == "guides/connecting.md" else TOOLS[:1])
]

#: Pages whose server has no user yet.
NEW = (
    *("start/getting-started.md", "guides/push-button.md"),
    *("operate/index.md", "operate/moving-from-nymead.md"),
)


class Reader:
    """Somebody who does what a page says, block after block, with one tool for all conversations."""

    def __init__(self, terminal: Terminal, tool: str) -> None:
        self._terminal = terminal
        self._tool = tool
        self._talks: dict[str, Talk] = {}
        self._owed: dict[str, int] = {}
        self._ids = Ids()

    async def follow(self, block: Block) -> None:
        speaker = next((known for known in ("another", "bridge") if known in block.title.lower()), "you")
        if block.language == "console":
            await self._terminal.type(block)
            for line in block.lines:
                if typed(line).startswith(TALKING) and "TOKEN" in line:
                    await self._rest("you")
                    self._talks["you"] = await self._terminal.talk(typed(line))
        elif "send" in block.title:
            await self._rest(speaker)
            if speaker not in self._talks or block.title.endswith("new connection"):
                self._talks[speaker] = await self._terminal.talk(self._tool)
            for line in block.lines:
                await self._talks[speaker].send(self._ids.fill(self._terminal.fill(line)))
            self._owed[speaker] = len(block.lines)
            if speaker == "another":
                await self._rest(speaker)
        elif block.title in ("You receive", "The bridge receives", "The notification"):
            received = [await self._receive(speaker) for _ in block.lines]
            printed = [json.loads(line) for line in block.lines]
            if block.title == "The notification":
                while "method" not in received[-1]:
                    received = [await self._receive(speaker)]
            self._ids.learn(printed, received)
            known = [json.loads(self._ids.fill(line)) for line in block.lines]
            assert [steady(message) for message in received] == [steady(message) for message in known]
            # In the order of the server's own keys and in its own form.
            assert [json.dumps(line, separators=(",", ":")) for line in printed] == block.lines

    async def _rest(self, speaker: str) -> None:
        """Read the replies that the page does not show."""
        while self._owed.get(speaker, 0) > 0:
            await self._receive(speaker)

    async def _receive(self, speaker: str) -> Any:
        message = await self._talks[speaker].receive()
        if not isinstance(message, dict) or "id" in message:
            self._owed[speaker] = self._owed.get(speaker, 0) - 1
        self._learn(message)
        return message

    def _learn(self, message: Any) -> None:
        """Note the last token and the tablet's token's id, which later lines of the page want filled in."""
        content = message.get("result", message.get("params")) if isinstance(message, dict) else None
        if isinstance(content, dict):
            self._terminal.known["TOKEN"] = content.get("token", self._terminal.known["TOKEN"])
            for info in content.get("tokenInfoList", []):
                if "tablet" in info["deviceName"]:
                    self._terminal.known["TOKEN-ID"] = info["id"]


SitDown = Callable[[Path], Awaitable[Terminal]]


@pytest.fixture
async def sit_down(spawn_server: SpawnServer, tmp_path: Path) -> AsyncIterator[SitDown]:
    """A function that gives a terminal beside the server that a page speaks of.

    The server is new for the first steps, and has its administrator else.
    """
    async with AsyncExitStack() as stack:

        async def sit(page: Path) -> Terminal:
            options = ("--push-button",) if name(page) == "guides/push-button.md" else ()
            settings = next((block.text for block in blocks(page) if block.language == "toml"), "")
            terminal = Terminal(spawn_server, tmp_path, settings, options)
            stack.push_async_callback(terminal.close)
            await terminal.start()
            if name(page) not in NEW:
                async with await Client.connect(terminal.server.url()) as client:
                    await client.hello()
                    await client.call("JSONRPC.CreateUser", ALICE)
            return terminal

        yield sit


@pytest.mark.parametrize(("page", "tool"), FOLLOWED)
async def test_pages_do_as_printed(sit_down: SitDown, page: Path, tool: str) -> None:
    """Commands that a page prints succeed, and what it says to send with them is answered as it prints."""
    reader = Reader(await sit_down(page), tool)
    for block in blocks(page):
        await reader.follow(block)


async def test_openssl_shows_the_fingerprint_that_the_server_prints(sit_down: SitDown) -> None:
    """The command that the page on TLS prints shows what the server has said at its start."""
    page = DOCS / "operate" / "tls.md"
    terminal = await sit_down(page)
    (command,) = [typed(line) for block in blocks(page) for line in block.lines if "-fingerprint" in line]
    shown = await terminal.run(command)
    (printed,) = [line for line in terminal.server.output if "fingerprint" in line]
    assert shown.strip().rpartition("=")[2] == printed.rpartition(" ")[2]


async def test_the_program_that_waits_for_notifications_prints_them(start_server: StartServer, tmp_path: Path) -> None:
    """The program on the page about notifications prints each that comes once it has asked for them."""
    (script,) = [block for block in blocks(DOCS / "guides" / "notifications.md") if block.language == "python"]
    server = await start_server()
    await server.set_up(**ALICE)
    file = tmp_path / "display.py"
    file.write_text(script.text.replace("4444", server.url("ws").rpartition(":")[2]))
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(sys.executable, "-u", file, stdout=pipe)
    assert process.stdout is not None
    try:
        heard = asyncio.ensure_future(process.stdout.readline())
        async with asyncio.timeout(PATIENCE):
            for number in itertools.count():
                # It does not say when it has asked.
                await server.add_user(f"guest{number}")
                if (await asyncio.wait([heard], timeout=0.2))[0]:
                    break
        assert heard.result().startswith(b"Users.UserAdded {'userInfo': {'username': 'guest")
    finally:
        process.kill()
        await process.communicate()


async def test_the_bridge_hands_on_what_is_due(start_server: StartServer, tmp_path: Path) -> None:
    """The bridge on the page about bridges has its lock hear of what was due before and of what comes while it runs."""
    (script,) = [block for block in blocks(DOCS / "guides" / "bridges.md") if block.language == "python"]
    (lock_id,) = re.findall(r'^LOCKS = \["([0-9a-f-]+)"\]$', script.text, re.MULTILINE)
    server = await start_server()
    await server.set_up(**ALICE)
    alice = await server.login("alice", password="Wonderland1")
    await server.add_user("bridge", "ControlThings", allowedThingIds=[lock_id])
    login = await (await server.client()).authenticate("bridge", PASSWORD, "the bridge")
    assert login is not None

    async def grant() -> str:
        person = await alice.call("Access.AddPerson", {"firstName": "Carol"})
        await alice.call("Access.AddGrant", {"personId": person["person"]["id"], "lockId": lock_id})
        return str(person["person"]["id"])

    await alice.call("Access.AddLock", {"title": "Front door", "lockId": lock_id, "virtual": False, "bridge": "bridge"})
    await alice.subscribe("Access")
    persons = [await grant()]
    file = tmp_path / script.title
    file.write_text(script.text.replace("2222", server.url().rpartition(":")[2]))
    environ = {**os.environ, "BRIDGE_TOKEN": login.token}
    process = await asyncio.create_subprocess_exec(sys.executable, file, stdout=asyncio.subprocess.PIPE, env=environ)
    try:
        assert process.stdout is not None
        async with asyncio.timeout(PATIENCE):
            for _ in range(2):
                assert (await process.stdout.readline()).startswith(f"{lock_id} add grant ".encode())
                async for heard in alice.notifications():
                    if heard.name == "Access.LockChanged" and heard.params["lock"]["pendingSyncCount"] == 0:
                        break
                asked = {"personId": persons[-1], "lockId": lock_id}
                assert (await alice.call("Access.Evaluate", asked))["decision"]["onLock"] is True
                if len(persons) == 1:
                    persons.append(await grant())
        assert process.returncode is None
    finally:
        process.kill()
        await process.communicate()


async def test_the_notification_in_nymeas_dialect_is_as_printed(start_server: StartServer) -> None:
    """The page on notifications prints nymea's form of the same notification."""
    page = DOCS / "guides" / "notifications.md"
    (printed,) = [json.loads(block.text) for block in blocks(page) if block.language == "json" and not block.title]
    server = await start_server()
    await server.set_up(**ALICE)
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
    server = await start_server(listeners=listeners)
    await server.set_up(**ALICE)
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
