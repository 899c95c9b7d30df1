"""What the console's tests share: Chromium, and the words a person goes by."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from conftest import PASSWORD, Process, Server
from playwright.async_api import BrowserContext, Locator, Page, WebSocket, async_playwright, expect

CHROMIUM = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser")

OPTIONS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    # A name that is neither an address nor this machine: what comes from it over http is no secure context.
    "--host-resolver-rules=MAP console.test 127.0.0.1",
]

#: Milliseconds for what must happen at once, with room for a busy machine.
SOON = 10_000

expect.set_options(timeout=SOON)


class Visitor:
    """One browser with its own storage, and the page it shows."""

    def __init__(self, context: BrowserContext, page: Page) -> None:
        self.context = context
        self.page = page
        self.complaints: list[str] = []
        self.requests: list[str] = []
        self.frames: list[str] = []
        self.watch(page)

    def watch(self, page: Page) -> None:
        """Keep what goes wrong and what goes over the network."""
        page.on("pageerror", lambda error: self.complaints.append(f"uncaught: {error.stack or error}"))
        page.on("console", lambda message: self.complaints.append(f"console {message.type}: {message.text}"))
        page.on("request", lambda request: self.requests.append(request.url))
        page.on("websocket", self._hear)

    def _hear(self, websocket: WebSocket) -> None:
        self.requests.append(websocket.url)
        websocket.on("framesent", lambda frame: self.frames.append(str(frame)))
        websocket.on("framereceived", lambda frame: self.frames.append(str(frame)))

    async def tab(self) -> Page:
        """Another tab of the same browser."""
        page = await self.context.new_page()
        self.watch(page)
        return page

    async def fill(self, **fields: str) -> None:
        for label, value in fields.items():
            await self.page.get_by_label(label.capitalize(), exact=True).fill(value)

    async def set_up(self, username: str = "admin") -> None:
        await self.fill(username=username, password=PASSWORD)
        await self.page.get_by_role("button", name="Set up and sign in").click()
        await self.sees("Users")

    async def sign_in(self, username: str = "admin", password: str = PASSWORD, *, view: str = "Users") -> None:
        await self.sees("Sign in")
        await self.fill(username=username, password=password)
        await self.button("Sign in").click()
        await self.sees(view)

    async def sees(self, heading: str) -> None:
        """The view with this heading is shown."""
        await expect(self.page.locator("main h1").filter(has_text=heading).first).to_be_visible()

    async def opens(self, view: str) -> None:
        await self.page.get_by_role("navigation").get_by_role("link", name=view).click()
        await self.sees(view)

    async def opens_user(self, name: str) -> None:
        await self.page.locator(f'.people li[data-username="{name}"] a').click()
        await expect(self.page.locator(".detail h1")).to_be_visible()

    def button(self, name: str, *, inside: Locator | None = None) -> Locator:
        return (inside or self.page).get_by_role("button", name=name, exact=True)

    def card(self, name: str) -> Locator:
        return self.page.get_by_role("region", name=name, exact=True)

    @property
    def dialog(self) -> Locator:
        return self.page.get_by_role("dialog").last

    def text(self, text: str) -> Locator:
        return self.page.locator("main, dialog, .banners").get_by_text(text)

    async def sent(self, method: str) -> list[dict[str, Any]]:
        """The params of all calls of a method so far."""
        calls = [json.loads(frame) for frame in self.frames if frame.startswith('{"jsonrpc":"2.0","id"')]
        return [call["params"] for call in calls if call.get("method") == method]


Visit = Callable[..., Awaitable[Visitor]]


def address(server: Server | Process, host: str = "127.0.0.1") -> str:
    """Where the console is."""
    url = server.url("ws").replace("ws://", "http://")
    return url.replace("127.0.0.1", host) + "/"


async def stored_token(page: Page) -> str:
    text = await page.evaluate("sessionStorage.getItem('nymead-users.sign-in')")
    return str(json.loads(text)["token"])


async def is_valid(server: Server, token: str) -> bool:
    client = await server.client("ws", "jsonrpc2", token=token)
    hello = await client.call("JSONRPC.Hello", {"token": token})
    return bool(hello["authenticated"])


async def press(server: Server) -> bool:
    """Press the button on the machine."""
    operator = await server.operator()
    return bool((await operator.call("Operator.PressButton"))["success"])


async def asks_for_the_button(visitor: Visitor, words: str = "Sign in by the button on the device") -> None:
    await visitor.button(words).click()
    await expect(visitor.text("Press the button on the device.")).to_be_visible()
    await asyncio.wait_for(_requested(visitor), 10)


async def _requested(visitor: Visitor) -> None:
    while not any("transactionId" in frame for frame in visitor.frames):
        await visitor.page.wait_for_timeout(20)


@asynccontextmanager
async def visiting() -> AsyncIterator[Visit]:
    """A function that opens a console in a browser of its own; all end with the block.

    Whatever a page complained about fails the test, but for what it was told to expect.
    """
    if CHROMIUM is None:
        pytest.skip("Chromium is not installed (Debian: apt-get install chromium)")
    async with async_playwright() as playwright:
        chromium = await playwright.chromium.launch(executable_path=CHROMIUM, args=OPTIONS)
        visitors: list[Visitor] = []

        async def open_console(
            server: Server | Process,
            *,
            width: int = 1280,
            height: int = 900,
            path: str = "",
            host: str = "127.0.0.1",
            before: Callable[[Page], Awaitable[None]] | None = None,
            **options: Any,
        ) -> Visitor:
            context = await chromium.new_context(viewport={"width": width, "height": height}, **options)
            context.set_default_timeout(SOON)
            visitor = Visitor(context, await context.new_page())
            visitors.append(visitor)
            if before is not None:
                await before(visitor.page)
            await visitor.page.goto(address(server, host) + path)
            return visitor

        yield open_console
        # The server goes with the test; its absence is no complaint.
        await chromium.close()
        expected = (
            "ERR_CONNECTION_REFUSED",
            "Connection closed before receiving a handshake response",
            # Chromium says so of every plain http page that is not on this machine.
            "The Cross-Origin-Opener-Policy header has been ignored, because the URL's origin was untrustworthy",
        )
        complaints = [
            complaint
            for visitor in visitors
            for complaint in visitor.complaints
            if not any(known in complaint for known in expected)
        ]
        assert complaints == [], complaints
