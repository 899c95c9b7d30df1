from __future__ import annotations

from typing import Any

from browser import Visit, asks_for_the_button, is_valid, press, stored_token
from conftest import PASSWORD, Server, SpawnServer, StartServer
from playwright.async_api import expect

REVOKED = "Your sign-in was revoked. Sign in again."


async def revoke_all(server: Server, username: str) -> None:
    operator = await server.operator()
    for token in (await operator.call("Users.GetUserTokens", {"username": username}))["tokenInfoList"]:
        await operator.call("Users.RemoveToken", {"tokenId": token["id"]})


async def test_01_set_up_race_tells_the_loser(server: Server, visit: Visit) -> None:
    """Whoever is second with the first administrator reads that somebody else was quicker."""
    winner, loser = await visit(server), await visit(server)
    await loser.fill(username="mallory", password=PASSWORD)
    await winner.set_up()
    await loser.button("Set up and sign in").click()
    lost = "Somebody else has just set up this server. If you don't know who, stop it now."
    await expect(loser.text(lost)).to_be_visible()
    await loser.sees("Sign in")
    await expect(loser.page.locator("#assertive")).to_contain_text(lost)


async def test_02_sign_in_by_keyboard_and_password_manager(home: Server, visit: Visit) -> None:
    """Signing in needs no pointer, and the fields are what password managers look for."""
    visitor = await visit(home)
    page = visitor.page
    await visitor.sees("Sign in")
    await expect(page.get_by_role("heading", name="Sign in")).to_be_focused()
    username, password = page.get_by_label("Username"), page.get_by_label("Password")
    await page.keyboard.press("Tab")
    await expect(username).to_be_focused()
    await page.keyboard.type("admin")
    await page.keyboard.press("Tab")
    await expect(password).to_be_focused()
    await page.keyboard.type(PASSWORD)
    await expect(username).to_have_attribute("autocomplete", "username")
    await expect(password).to_have_attribute("autocomplete", "current-password")
    await expect(password).to_have_attribute("type", "password")
    assert await username.evaluate("(input) => input.form === document.querySelector('input[type=password]').form")
    await page.keyboard.press("Enter")
    await visitor.sees("Users")


async def test_03_wrong_passwords_count_down(home: Server, visit: Visit) -> None:
    """Wrong passwords are said; too many count down, and then the right one works."""
    visitor = await visit(home)
    await visitor.fill(username="admin")
    for _ in range(4):
        await visitor.fill(password="wrong")
        await visitor.button("Sign in").click()
        await expect(visitor.text("Wrong username or password.")).to_be_visible()
        await expect(visitor.page.get_by_label("Password")).to_have_value("")
    await visitor.fill(password=PASSWORD)
    await visitor.button("Sign in").click()
    counting = visitor.page.get_by_text("Too many attempts. Try again in 1 s.").locator("visible=true")
    await expect(counting.or_(visitor.page.locator("#assertive", has_text="Too many attempts."))).to_have_count(1)
    await expect(visitor.button("Sign in")).to_be_enabled()
    await visitor.fill(password=PASSWORD)
    await visitor.button("Sign in").click()
    await visitor.sees("Users")


async def test_04_reload_keeps_the_sign_in_and_the_tick_shares_it(home: Server, visit: Visit) -> None:
    """A reload keeps the sign-in; another tab has it only where it was asked for."""
    visitor = await visit(home)
    page = visitor.page
    await visitor.sign_in()
    await page.reload()
    await visitor.sees("Users")
    other = await visitor.tab()
    await other.goto(page.url)
    await expect(other.get_by_role("heading", name="Sign in")).to_be_visible()
    await other.get_by_label("Username").fill("admin")
    await other.get_by_label("Password").fill(PASSWORD)
    keep = other.get_by_label("Keep me signed in on this browser")
    await expect(keep).not_to_be_checked()
    await keep.check()
    await other.get_by_role("button", name="Sign in", exact=True).click()
    await expect(other.get_by_role("heading", name="Users")).to_be_visible()
    third = await visitor.tab()
    await third.goto(page.url)
    await expect(third.get_by_role("heading", name="Users")).to_be_visible()
    assert await visitor.context.cookies() == []


async def test_05_sign_out_revokes_the_token(home: Server, visit: Visit) -> None:
    """After signing out the token is worth nothing, and nothing is left of it."""
    visitor = await visit(home)
    await visitor.sign_in()
    token = await stored_token(visitor.page)
    assert await is_valid(home, token)
    await visitor.button("Sign out").click()
    await visitor.sees("Sign in")
    assert not await is_valid(home, token)
    kept = await visitor.page.evaluate("JSON.stringify([{...sessionStorage}, {...localStorage}])")
    assert token not in kept
    await expect(visitor.text(REVOKED)).to_have_count(0)


async def test_05b_a_token_that_stays_is_said(home: Server, visit: Visit) -> None:
    """Whoever may not remove their own token reads that signing out has left it valid."""
    await home.add_user("carol", "ControlThings", "AccessAllThings")
    visitor = await visit(home)
    await visitor.sign_in("carol", view="Account")
    token = await stored_token(visitor.page)
    await visitor.button("Sign out").click()
    await visitor.sees("Sign in")
    said = "Signed out here. The server could not be told, or you may not remove your own sign-in."
    await expect(visitor.text(said)).to_be_visible()
    assert await is_valid(home, token)
    await visitor.sign_in()
    await visitor.button("Sign out").click()
    await visitor.sees("Sign in")
    await expect(visitor.text(said)).to_have_count(0)


async def test_06_restart_shows_a_banner_and_keeps_text(spawn_server: SpawnServer, visit: Visit) -> None:
    """A server that restarts is missed in words, comes back by itself, and costs nobody what was typed."""
    server = await spawn_server()
    visitor = await visit(server)
    page = visitor.page
    await visitor.set_up()
    await visitor.opens_user("admin")
    name = visitor.card("Details").get_by_label("Name")
    await name.fill("Ad")
    await server.kill()
    banner = page.locator(".banner", has_text="Connection lost.")
    await expect(banner).to_contain_text("Next try in")
    await expect(banner).to_contain_text("What you see is from")
    await name.press_sequentially("a")
    save = visitor.button("Save", inside=visitor.card("Details"))
    await expect(save).to_have_attribute("aria-disabled", "true")
    await save.dispatch_event("click")
    assert await visitor.sent("Users.SetUserInfo") == []

    await spawn_server("--listen", server.url("ws"), data_dir=server.data_dir)
    await visitor.button("Try now").or_(page.locator("#connection-status", has_text="Connected")).first.click()
    await expect(page.locator("#connection-status")).to_have_text("Connected", timeout=30_000)
    await expect(banner).to_have_count(0)
    await expect(name).to_have_value("Ada")
    await save.click()
    await expect(visitor.card("Details").get_by_text("Saved")).to_be_visible()


async def test_07_revoked_elsewhere_leads_to_sign_in(home: Server, visit: Visit) -> None:
    """A sign-in revoked elsewhere ends within 25 seconds, and what was typed is there after the next one."""
    visitor = await visit(home)
    await visitor.sign_in()
    await visitor.opens_user("admin")
    await visitor.card("Details").get_by_label("Name").fill("Unsaved")
    await visitor.card("Password").get_by_label("New password").fill("Unsaved1")
    await revoke_all(home, "admin")
    await expect(visitor.text(REVOKED)).to_be_visible(timeout=25_000)
    await visitor.fill(username="admin", password=PASSWORD)
    await visitor.button("Sign in").click()
    await expect(visitor.card("Details").get_by_label("Name")).to_have_value("Unsaved")
    await expect(visitor.card("Password").get_by_label("New password")).to_have_value("")


async def test_07b_coming_back_to_the_tab_tells_at_once(home: Server, visit: Visit) -> None:
    """Whoever looks at the page again need not wait for that, and a stale token at a reload says so too."""
    visitor = await visit(home)
    await visitor.sign_in()
    await revoke_all(home, "admin")
    await visitor.page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
    await expect(visitor.text(REVOKED)).to_be_visible()
    await visitor.sign_in()
    await revoke_all(home, "admin")
    await visitor.page.reload()
    await expect(visitor.text(REVOKED)).to_be_visible()


async def test_08_demoted_live(home: Server, visit: Visit) -> None:
    """Whoever loses permissions loses the views that need them, and reads why."""
    await home.add_user("carol", "Admin")
    visitor = await visit(home)
    await visitor.sign_in("carol")
    await visitor.opens_user("admin")
    operator = await home.operator()
    scopes = ["PermissionScopeControlThings", "PermissionScopeAccessAllThings"]
    await operator.call("Users.SetUserScopes", {"username": "carol", "scopes": scopes})
    await expect(visitor.text("This needs Administrator. You have: Control things, All things.")).to_be_visible()
    links = visitor.page.get_by_role("navigation").get_by_role("link")
    await expect(links).to_have_text(["Doors", "Account", "Developer"])
    await expect(visitor.page.locator("#assertive")).to_contain_text("Your permissions changed.")
    await operator.call("Users.SetUserScopes", {"username": "carol", "scopes": ["PermissionScopeAdmin"]})
    await expect(links).to_have_text(["Users", "Doors", "Account", "Developer"])


async def test_20_push_button(start_server: StartServer, visit: Visit) -> None:
    """The button signs in whoever asked last; the one before reads so, and who cancels gets nothing."""
    server = await start_server(push_button=True)
    await server.set_up()
    one, two = await visit(server), await visit(server)
    await asks_for_the_button(one)
    await asks_for_the_button(two)
    await expect(one.text("Another device asked after you.")).to_be_visible()
    assert await press(server)
    await two.sees("Users")
    await expect(two.page.locator("#who")).to_have_text("Push-button access")

    one.frames.clear()
    await asks_for_the_button(one)
    await one.button("Cancel").click()
    await expect(one.button("Sign in by the button on the device")).to_be_visible()
    await expect(one.page.locator("#connection-status")).to_have_text("Connected")
    await expect_nobody_waits(server)
    await one.sees("Sign in")


async def test_20b_the_button_sets_up(start_server: StartServer, visit: Visit) -> None:
    """A new server can be set up by its button; who stood before the form then reads that they were too late."""
    server = await start_server(push_button=True)
    one, other = await visit(server), await visit(server)
    await other.sees("Set up this server")
    await asks_for_the_button(one, "Set up by the button on the device")
    assert await press(server)
    await one.sees("Users")
    await expect(one.page.locator("#who")).to_have_text("Push-button access")
    await other.page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
    await expect(other.text("Somebody else has just set up this server.")).to_be_visible()


async def expect_nobody_waits(server: Server) -> None:
    assert not await press(server)


async def test_authentication_off(start_server: StartServer, visit: Visit) -> None:
    """Where no sign-in is asked for, the page says what that means and shows everything."""
    listener: dict[str, Any] = {"url": "ws://127.0.0.1:0", "authentication": False}
    server = await start_server(listeners=["nymea://127.0.0.1:0", listener])
    await server.set_up()
    visitor = await visit(server)
    await visitor.sees("Users")
    await expect(visitor.text("Authentication is off: anyone reaching this address can do everything.")).to_be_visible()
    await visitor.opens_user("admin")
    await visitor.opens("Account")
