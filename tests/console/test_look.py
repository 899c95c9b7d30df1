from __future__ import annotations

import asyncio
import os
from functools import partial
from importlib import resources
from pathlib import Path
from typing import Any, Literal

import pytest
from browser import Visit, Visitor
from caretaker import DoorsTour, furnished
from conftest import PASSWORD, PATIENCE, Server, SpawnServer, StartServer
from playwright.async_api import Page, expect

Theme = Literal["light", "dark"]

#: Rules of WCAG 2.2 A and AA and axe's best practices; all that run by themselves.
AXE = "async () => (await axe.run(document, { resultTypes: ['violations'] })).violations"

MUTE = """() => [...document.querySelectorAll(':is(.status, .note):is(.ok, .warn, .danger), .banner, .problem')]
    .filter((element) => element.checkVisibility() && element.textContent !== '')
    .filter((element) => !element.querySelector('svg') || element.textContent.trim() === '')
    .map((element) => element.outerHTML)"""

OVERFLOWING = """() => {
    const found = [];
    const { scrollWidth } = document.scrollingElement;
    if (scrollWidth > innerWidth) found.push(`page: ${scrollWidth}`);
    for (const element of document.querySelectorAll('body *')) {
        if (element.closest('pre, textarea, svg, .only-screen-reader, .skip') || !element.checkVisibility()) continue;
        const box = element.getBoundingClientRect();
        if (box.right > innerWidth + 1 || box.left < -1) found.push(element.outerHTML.slice(0, 200));
    }
    return found;
}"""


async def crowded(server: Server) -> None:
    """Users of every kind, some with more in their names than is good for a narrow page."""
    await server.add_user("bob", "ControlThings", allowedThingIds=["6ba7b810-9dad-11d1-80b4-00c04fd430c8"])
    await server.add_user(
        "carol", "ConfigureThings", "AccessAllThings", "ConfigureRules", displayName="Carol Ann " * 12
    )
    await server.add_user("a-very-long-username-without-any-place-to-break-it@example.org", email="x" * 120)
    await server.login("bob", device="A telephone with a name that goes on and on and on and on")


class Tour:
    """Every view, one after the other."""

    def __init__(self, visitor: Visitor) -> None:
        self.visitor = visitor

    async def views(self) -> Any:
        visitor, page = self.visitor, self.visitor.page
        await visitor.sees("Sign in")
        await visitor.fill(username="admin", password="wrong")
        await visitor.button("Sign in").click()
        await expect(visitor.text("Wrong username or password.")).to_be_visible()
        yield "sign-in"
        await visitor.sign_in()
        await expect(page.locator(".people li")).to_have_count(4)
        yield "users"
        await visitor.button("Add user").click()
        await visitor.button("Add user", inside=visitor.dialog).click()
        yield "add"
        await page.keyboard.press("Escape")
        await visitor.opens_user("bob")
        await expect(visitor.card("Devices").get_by_role("listitem")).to_have_count(1)
        await visitor.card("Permissions").get_by_label("Add things by their ids").fill("lamp")
        await visitor.button("Add", inside=visitor.card("Permissions")).click()
        yield "user"
        await visitor.button("Remove user").click()
        await expect(visitor.dialog).to_be_visible()
        yield "confirm"
        await page.keyboard.press("Escape")
        await visitor.opens("Account")
        await expect(visitor.card("Devices").get_by_role("listitem")).to_have_count(1)
        yield "account"
        await visitor.opens("Developer")
        await page.locator('[data-name="Users.CreateUser"]').click()
        yield "developer"
        await page.get_by_role("tab", name="Raw").click()
        await page.get_by_label("Request as it is sent").fill('{"id": 1,\n  "method" "x"}')
        await visitor.button("Send").click()
        await expect(page.get_by_label("Reply", exact=True)).to_contain_text("Failed to parse")
        await page.locator(".log-entries summary").first.click()
        yield "raw"
        await page.get_by_role("tab", name="Snippets").click()
        yield "snippets"
        await page.locator('[data-name="Users.UserAdded"]').click()
        yield "notification"
        await visitor.button("Keys and help").click()
        yield "help"


async def test_22_narrow_pages_scroll_code_only(home: Server, visit: Visit) -> None:
    """At 320 pixels nothing but code is wider than the page."""
    await crowded(home)
    visitor = await visit(home, width=320, height=640)
    async for view in Tour(visitor).views():
        assert (view, await visitor.page.evaluate(OVERFLOWING)) == (view, [])


async def axe(page: Page) -> list[Any]:
    if not await page.evaluate("'axe' in window"):
        await page.evaluate((resources.files("axe_playwright_python") / "axe.min.js").read_text())
    found = await page.evaluate(AXE)
    return [(violation["id"], [node["html"] for node in violation["nodes"]]) for violation in found]


@pytest.mark.parametrize("theme", ["light", "dark"])
async def test_23_axe_finds_nothing(home: Server, visit: Visit, theme: Theme) -> None:
    """axe-core's rules find nothing in any view, in either theme."""
    await crowded(home)
    visitor = await visit(home, color_scheme=theme, reduced_motion="reduce", bypass_csp=True)
    async for view in Tour(visitor).views():
        assert (view, await axe(visitor.page)) == (view, [])


async def test_23b_axe_finds_nothing_on_a_phone(home: Server, visit: Visit) -> None:
    """Nor on a phone, nor at set-up."""
    await crowded(home)
    visitor = await visit(home, width=390, height=844, reduced_motion="reduce", bypass_csp=True)
    async for view in Tour(visitor).views():
        assert (view, await axe(visitor.page)) == (view, [])


async def test_23c_axe_finds_nothing_at_set_up(server: Server, visit: Visit) -> None:
    """Set-up is for everybody too."""
    visitor = await visit(server, bypass_csp=True)
    await visitor.sees("Set up this server")
    await visitor.button("Set up and sign in").click()
    assert await axe(visitor.page) == []


async def test_24_status_needs_no_colour(home: Server, visit: Visit) -> None:
    """Every status has an icon and a word beside its colour."""
    await crowded(home)
    visitor = await visit(home)
    async for view in Tour(visitor).views():
        mute = await visitor.page.evaluate(MUTE)
        assert (view, mute) == (view, [])
        if view == "add":
            await expect(visitor.dialog.locator(".problem svg").first).to_be_visible()
        await expect(visitor.page.locator("#connection-status svg")).to_be_attached()
        await expect(visitor.page.locator("#connection-status")).to_have_text("Connected")


async def test_25_screen_readers_hear_what_happens(spawn_server: SpawnServer, visit: Visit) -> None:
    """Saved, failed and lost are said, not only shown."""
    server = await spawn_server()
    visitor = await visit(server)
    polite, assertive = visitor.page.locator("#polite"), visitor.page.locator("#assertive")
    await visitor.set_up()
    await visitor.opens_user("admin")
    details = visitor.card("Details")
    await details.get_by_label("Name").fill("Ada")
    await visitor.button("Save", inside=details).click()
    await expect(polite).to_have_text("Saved")
    await expect(polite).to_have_attribute("aria-live", "polite")
    await visitor.button("Sign out").click()
    await visitor.fill(username="admin", password="wrong")
    await visitor.button("Sign in").click()
    await expect(assertive).to_have_text("Wrong username or password.")
    await expect(assertive).to_have_attribute("aria-live", "assertive")
    await server.kill()
    await expect(assertive).to_have_text("Connection lost.")
    await expect(visitor.page.locator("#connection-status")).to_have_text("Not connected")


async def test_26_focus_stays_visible(home: Server, visit: Visit) -> None:
    """After dialogs and removals the focus is somewhere sensible, and shows."""
    for name in ("bob", "carol", "dora"):
        await home.add_user(name)
    visitor = await visit(home)
    await visitor.sign_in()
    page = visitor.page

    async def shows(locator: Any) -> None:
        await expect(locator).to_be_focused()
        assert await page.evaluate(
            "document.activeElement.matches(':focus-visible')"
            " && getComputedStyle(document.activeElement).outlineStyle !== 'none'"
        )

    add = visitor.button("Add user")
    await add.focus()
    await page.keyboard.press("Enter")
    await shows(visitor.dialog.get_by_label("Username"))
    await page.keyboard.press("Escape")
    await shows(add)

    await page.keyboard.press("Enter")
    await page.keyboard.type("someone")
    await page.keyboard.press("Escape")
    await expect(visitor.text("Discard what you typed?")).to_be_visible()
    await page.keyboard.press("Enter")
    await shows(visitor.dialog.get_by_label("Username"))
    await expect(visitor.dialog.get_by_label("Username")).to_have_value("someone")
    await page.keyboard.press("Escape")
    await visitor.button("Discard").click()
    await expect(add).to_be_focused()

    row = page.locator('.people li[data-username="bob"] a')
    await row.focus()
    await page.keyboard.press("Enter")
    await expect(page.locator(".detail h1")).to_be_focused()
    await visitor.button("Remove user").focus()
    await page.keyboard.press("Enter")
    await shows(visitor.button("Cancel", inside=visitor.dialog))
    await page.keyboard.press("Tab")
    await page.keyboard.press("Enter")
    await shows(page.locator('.people li[data-username="carol"] a'))

    operator = await home.operator()
    await operator.call("Users.RemoveUser", {"username": "carol"})
    await shows(page.locator('.people li[data-username="dora"] a'))


async def test_keys(home: Server, visit: Visit) -> None:
    """Letters lead to the views, and can be switched off."""
    visitor = await visit(home)
    await visitor.sign_in()
    page = visitor.page
    await page.keyboard.type("ga")
    await visitor.sees("Account")
    await page.keyboard.type("gd")
    await visitor.sees("Developer")
    await page.keyboard.type("/")
    await expect(page.get_by_label("Search methods")).to_be_focused()
    await page.keyboard.type("gu")
    await expect(page.get_by_label("Search methods")).to_have_value("gu")
    await page.get_by_role("heading", name="Developer").focus()
    await page.keyboard.type("gu")
    await visitor.sees("Users")
    await page.keyboard.type("?")
    await visitor.dialog.get_by_label("Single letters are keys").uncheck()
    await page.keyboard.press("Escape")
    await page.keyboard.type("ga")
    await visitor.sees("Users")
    await expect(page.get_by_role("navigation").get_by_role("link", name="Users")).to_have_attribute(
        "aria-current", "page"
    )


async def scrolled(page: Page, to: int) -> None:
    """Wait until the page is scrolled there."""
    async with asyncio.timeout(PATIENCE):
        while await page.evaluate("Math.round(scrollY)") != to:
            await page.wait_for_timeout(20)


async def test_back_restores_search_and_scroll(home: Server, visit: Visit) -> None:
    """Coming back to the list one finds it as one left it."""
    for number in range(30):
        await home.add_user(f"user{number:02}")
    visitor = await visit(home, width=390, height=700)
    await visitor.sign_in()
    page = visitor.page
    await page.get_by_label("Search").fill("user")
    await page.evaluate("scrollTo(0, 600)")
    await scrolled(page, 600)
    await page.locator('.people li[data-username="user15"] a').click()
    await expect(page.locator(".detail h1")).to_have_text("user15")
    await page.go_back()
    await expect(page.get_by_label("Search")).to_have_value("user")
    await scrolled(page, 600)


async def test_theme_is_remembered(home: Server, visit: Visit) -> None:
    """The theme goes from the system's to light to dark, and stays over a reload."""
    visitor = await visit(home, color_scheme="light")
    page = visitor.page
    await visitor.sees("Sign in")
    colour = "getComputedStyle(document.documentElement).backgroundColor"
    assert await page.evaluate(colour) == "rgb(255, 255, 255)"
    for _ in range(2):
        await page.locator("#theme").click()
    assert await page.evaluate(colour) == "rgb(18, 22, 28)"
    await page.reload()
    assert await page.evaluate(colour) == "rgb(18, 22, 28)"


@pytest.fixture
def screenshots() -> Path | None:
    """Where screenshots go; None where nobody asked for them."""
    folder = os.environ.get("SCREENSHOTS")
    return Path(folder) if folder else None


@pytest.mark.parametrize("width", [390, 1280])
@pytest.mark.parametrize("theme", ["light", "dark"])
async def test_screenshots(
    home: Server,
    start_server: StartServer,
    tmp_path: Path,
    visit: Visit,
    screenshots: Path | None,
    theme: Theme,
    width: int,
) -> None:
    """Pictures of every view, for people to look at: SCREENSHOTS=folder."""
    if screenshots is None:
        pytest.skip("nobody asked for screenshots (SCREENSHOTS=folder)")
    await crowded(home)
    things = await furnished(home)
    size = {"width": width, "height": 844 if width < 720 else 800}
    for tour in (Tour, partial(DoorsTour, things=things)):
        visitor = await visit(home, **size, color_scheme=theme, reduced_motion="reduce")
        async for view in tour(visitor).views():
            dialog = await visitor.page.get_by_role("dialog").count()
            await visitor.page.screenshot(path=screenshots / f"{view}-{theme}-{width}.png", full_page=not dialog)
    fresh = await visit(await start_server(data_dir=tmp_path / "fresh"), width=width, color_scheme=theme)
    await fresh.sees("Set up this server")
    await fresh.fill(username="ab", password=PASSWORD[:-1])
    await fresh.page.get_by_label("E-mail").focus()
    await fresh.page.screenshot(path=screenshots / f"setup-{theme}-{width}.png", full_page=True)
