from __future__ import annotations

from browser import Visit
from conftest import PASSWORD, Server
from playwright.async_api import expect


async def test_from_set_up_to_removal(server: Server, visit: Visit) -> None:
    """A new server is set up and gets a user, who is changed, signs in in another browser and is removed."""
    one = await visit(server)
    await one.sees("Set up this server")
    await one.set_up()
    await expect(one.text("Only you so far.")).to_be_visible()

    await one.button("Add user").click()
    await one.dialog.get_by_label("Username").fill("Anna")
    await one.dialog.get_by_label("Password").fill(PASSWORD)
    await one.button("Add user", inside=one.dialog).click()
    await expect(one.page.get_by_role("dialog")).to_have_count(0)
    await one.opens_user("anna")

    two = await visit(server)
    await two.sign_in("anna", view="Account")
    await expect(two.text("This needs Administrator. You have: Control things, All things, Run rules.")).to_be_visible()

    details = one.card("Details")
    await details.get_by_label("Name").fill("Anna Ray")
    await one.button("Save", inside=details).click()
    await expect(details.get_by_text("Saved")).to_be_visible()
    await expect(one.page.locator('.people li[data-username="anna"]')).to_contain_text("Anna Ray")

    permissions = one.card("Permissions")
    await permissions.get_by_label("Administrator").check()
    await one.button("Save", inside=permissions).click()
    await expect(permissions.get_by_text("Saved")).to_be_visible()
    await expect(two.page.get_by_role("navigation").get_by_role("link", name="Users")).to_be_visible()

    await one.button("Remove user").click()
    await expect(one.dialog).to_contain_text("1 device is signed out. This can't be undone.")
    await one.button("Remove user", inside=one.dialog).click()
    await expect(one.page.locator('.people li[data-username="anna"]')).to_have_count(0)
    await two.page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
    await expect(two.text("Your sign-in was revoked. Sign in again.")).to_be_visible()


async def test_tables_follow_others(home: Server, visit: Visit) -> None:
    """What one browser changes the other one shows, without being asked."""
    one, two = await visit(home), await visit(home)
    await one.sign_in()
    await two.sign_in()
    await home.add_user("bob", "ControlThings", "AccessAllThings")
    for browser in (one, two):
        await expect(browser.page.locator('.people li[data-username="bob"]')).to_contain_text("Controls all things")
    await two.opens_user("bob")
    operator = await home.operator()
    await operator.call("Users.SetUserInfo", {"username": "bob", "displayName": "Robert"})
    await expect(one.page.locator('.people li[data-username="bob"]')).to_contain_text("Robert")
    name = two.card("Details").get_by_label("Name")
    await expect(name).to_have_value("Robert")
    await operator.call("Users.RemoveUser", {"username": "bob"})
    await expect(one.page.locator('.people li[data-username="bob"] a')).to_have_count(0)
    await expect(two.text("bob was removed by someone else.")).to_be_visible()
    await expect(name).to_have_value("Robert")
