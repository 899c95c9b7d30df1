from __future__ import annotations

import itertools
import json
import re
from functools import reduce

import pytest
from browser import Visit, Visitor, asks_for_the_button, is_valid, press
from conftest import PASSWORD, Server, StartServer
from playwright.async_api import Page, WebSocketRoute, expect

from nymead_users.client import Unauthorized
from nymead_users.permissions import SCOPE_NAMES, Scope

MANY = 10_000
LAST = "This is the last administrator. Only the server's command line can make another."
SELF = "You are taking Administrator from yourself. You can't undo this."


async def user_of(server: Server, username: str) -> dict[str, object]:
    operator = await server.operator()
    users = (await operator.call("Users.GetUsers"))["users"]
    return next(user for user in users if user["username"] == username)


async def opened(visit: Visit, server: Server, username: str) -> Visitor:
    """A browser of the administrator that shows this user."""
    visitor = await visit(server)
    await visitor.sign_in()
    await visitor.opens_user(username)
    return visitor


async def test_09_searching_ten_thousand(home: Server, visit: Visit) -> None:
    """Among 10,000 users a search shows its result within 100 ms, and a hundred rows at a time."""
    crowd = [
        {"username": f"user{n:05}", "displayName": f"Person {n}", "email": "", "scopes": [], "allowedThingIds": []}
        for n in range(MANY)
    ]

    async def crowded(page: Page) -> None:
        def through(route: WebSocketRoute) -> None:
            server = route.connect_to_server()

            def more(message: str | bytes) -> None:
                reply = json.loads(message)
                if "users" in reply.get("result", {}):
                    reply["result"]["users"] += crowd
                route.send(json.dumps(reply))

            server.on_message(more)

        await page.route_web_socket(re.compile("^ws:"), through)

    visitor = await visit(home, before=crowded)
    await visitor.sign_in()
    page = visitor.page
    await expect(visitor.text(f"100 of {MANY + 1}")).to_be_visible()
    took = await page.evaluate("""async () => {
        const input = document.querySelector('input[type=search]');
        const times = [];
        for (const text of ['p', 'person 99', 'user09999', 'nobody', '']) {
            const start = performance.now();
            input.value = text;
            input.dispatchEvent(new Event('input', { bubbles: true }));
            document.body.getBoundingClientRect();
            times.push(performance.now() - start);
            await new Promise(requestAnimationFrame);
        }
        return times.sort((a, b) => a - b)[2];
    }""")
    assert took < 100
    await visitor.button("Show more").click()
    await expect(visitor.text(f"200 of {MANY + 1}")).to_be_visible()
    await page.get_by_label("Search").fill("user09999")
    await expect(page.locator(".people li")).to_have_count(1)
    await page.get_by_label("Search").fill("nobody")
    await expect(visitor.text("No user matches.")).to_be_visible()
    await visitor.button("Clear").click()
    await page.get_by_label("Role").select_option("Administrators")
    await expect(page.locator(".people li")).to_have_count(1)
    assert "nobody" not in page.url


async def test_10_new_user_leaves_the_hovered_row_in_place(home: Server, visit: Visit) -> None:
    """A user who comes meanwhile does not move the row under the pointer."""
    await home.add_user("zoe")
    visitor = await visit(home)
    await visitor.sign_in()
    row = visitor.page.locator('.people li[data-username="zoe"]')
    await row.hover()
    before = await row.bounding_box()
    await home.add_user("bob")
    await expect(visitor.text("1 new")).to_be_visible()
    people = visitor.page.locator(".people li")
    await expect(people).to_have_count(2)
    after = await row.bounding_box()
    assert before is not None
    assert after is not None
    # The news take the room that was kept for them above the list.
    assert (after["y"], after["height"]) == (before["y"], before["height"])
    await visitor.button("Show").click()
    await expect(people).to_have_count(3)
    await expect(visitor.text("1 new")).to_have_count(0)


async def test_11_edit_conflict(home: Server, visit: Visit) -> None:
    """Where two edited the same, the person decides; either choice does what it says."""
    await home.add_user("bob")
    visitor = await opened(visit, home, "bob")
    operator = await home.operator()
    details = visitor.card("Details")
    name = details.get_by_label("Name")
    await name.fill("Mine")
    await operator.call("Users.SetUserInfo", {"username": "bob", "displayName": "Theirs"})
    await expect(details.get_by_text("Changed to Theirs meanwhile.")).to_be_visible()
    await expect(name).to_have_value("Mine")
    await visitor.button("Save", inside=details).click()
    await expect(visitor.button("Take theirs", inside=details)).to_be_focused()
    await visitor.button("Keep mine", inside=details).click()
    await visitor.button("Save", inside=details).click()
    await expect(details.get_by_text("Saved")).to_be_visible()
    assert (await user_of(home, "bob"))["displayName"] == "Mine"

    await name.fill("Mine again")
    await operator.call("Users.SetUserInfo", {"username": "bob", "displayName": "Theirs again"})
    await visitor.button("Take theirs", inside=details).click()
    await expect(name).to_have_value("Theirs again")
    assert (await user_of(home, "bob"))["displayName"] == "Theirs again"

    permissions = visitor.card("Permissions")
    await permissions.get_by_label("All", exact=True).check()
    await operator.call(
        "Users.SetUserScopes", {"username": "bob", "scopes": ["PermissionScopeControlThings"], "allowedThingIds": []}
    )
    await expect(permissions.get_by_text("Changed to Controls 0 things meanwhile.")).to_be_visible()


async def test_12_edits_of_other_fields_survive(home: Server, visit: Visit) -> None:
    """Only what was changed is sent, so that what others changed beside it stays."""
    await home.add_user("bob")
    visitor = await opened(visit, home, "bob")
    details = visitor.card("Details")
    await details.get_by_label("Name").fill("Bob")
    operator = await home.operator()
    await operator.call("Users.SetUserInfo", {"username": "bob", "email": "bob@example.org"})
    await expect(details.get_by_label("E-mail")).to_have_value("bob@example.org")
    await visitor.button("Save", inside=details).click()
    await expect(details.get_by_text("Saved")).to_be_visible()
    assert await visitor.sent("Users.SetUserInfo") == [{"username": "bob", "displayName": "Bob"}]
    bob = await user_of(home, "bob")
    assert (bob["displayName"], bob["email"]) == ("Bob", "bob@example.org")

    await visitor.button("Undo", inside=details).click()
    await expect(details.get_by_text("Undone")).to_be_visible()
    assert (await user_of(home, "bob"))["displayName"] == ""


@pytest.mark.parametrize(("arrives", "outcome"), [(True, "Saved"), (False, "Not saved")])
async def test_12b_a_connection_lost_while_saving(home: Server, visit: Visit, arrives: bool, outcome: str) -> None:
    """Where the connection ends between a change and its reply, what is stored is read again and said."""

    def lose(client: WebSocketRoute) -> None:
        server = client.connect_to_server()

        async def forward(message: str | bytes) -> None:
            is_change = json.loads(message)["method"] == "Users.SetUserInfo"
            if not is_change or arrives:
                server.send(message)
            if is_change and not arrives:
                await client.close()

        async def answer(message: str | bytes) -> None:
            if json.loads(message).get("method") == "Users.UserChanged":
                await client.close()
            else:
                client.send(message)

        client.on_message(forward)
        server.on_message(answer)

    async def lossy(page: Page) -> None:
        await page.route_web_socket(re.compile("^ws:"), lose)

    visitor = await visit(home, before=lossy)
    await visitor.sign_in()
    await visitor.opens_user("admin")
    details = visitor.card("Details")
    await details.get_by_label("Name").fill("Ada")
    await visitor.button("Save", inside=details).click()
    await expect(details.get_by_text(outcome, exact=True)).to_be_visible()
    await expect(details.get_by_label("Name")).to_have_value("Ada")


async def test_13_the_twelve_sets_and_nothing_else(home: Server, visit: Visit) -> None:
    """Whatever one clicks, exactly the twelve sets that make sense come out."""
    await home.add_user("bob")
    visitor = await opened(visit, home, "bob")
    card = visitor.card("Permissions")
    things, level, rules = (card.get_by_role("group", name=name) for name in ("Things", "With them", "Rules"))
    seen: set[Scope] = set()

    async def save() -> None:
        count = len(await visitor.sent("Users.SetUserScopes"))
        await visitor.button("Save", inside=card).click()
        await expect(card.get_by_text("Saved", exact=True)).to_be_visible()
        sent = await visitor.sent("Users.SetUserScopes")
        assert len(sent) == count + 1
        assert "allowedThingIds" in sent[-1]
        seen.add(reduce(Scope.__or__, (SCOPE_NAMES[name] for name in sent[-1]["scopes"]), Scope.NONE))

    for reach, with_them, rule in itertools.product(
        ("All", "Only these"), ("Nothing", "Control", "Configure"), ("Nothing", "Run", "Change")
    ):
        await things.get_by_label(reach).check()
        choices = [level.get_by_label(with_them), rules.get_by_label(rule)]
        if not all([await choice.is_enabled() for choice in choices]):
            await expect(card.get_by_text("Needs all things.").first).to_be_visible()
            continue
        for choice in choices:
            await choice.check()
        await save()
    await card.get_by_label("Administrator").check()
    await save()

    every = [
        reduce(Scope.__or__, chosen, Scope.NONE)
        for count in range(len(SCOPE_NAMES) + 1)
        for chosen in itertools.combinations(SCOPE_NAMES.values(), count)
    ]
    assert seen == {scopes for scopes in every if scopes.consistent}
    assert len(seen) == 12


async def test_13b_narrowing_and_widening(home: Server, visit: Visit) -> None:
    """Only these things turns off what needs all of them; the way back is a button, and nothing widens by itself."""
    await home.add_user("bob", "ConfigureThings", "AccessAllThings", "ConfigureRules")
    visitor = await opened(visit, home, "bob")
    card = visitor.card("Permissions")
    await card.get_by_label("Only these").check()
    await expect(card.locator(".summary")).to_have_text("Controls 0 things")
    await expect(card.get_by_text("No thing chosen yet.")).to_be_visible()
    await expect(card.get_by_label("Configure")).to_be_disabled()
    await visitor.button("Allow all things", inside=card).first.click()
    await expect(card.get_by_label("All", exact=True)).to_be_focused()
    await expect(card.locator(".summary")).to_have_text("Controls all things")


async def test_14_empty_permissions_are_no_administrator(home: Server, visit: Visit) -> None:
    """Somebody who may do nothing is made as such: the empty set is sent, not left out."""
    visitor = await visit(home)
    await visitor.sign_in()
    await visitor.page.keyboard.press("n")
    dialog = visitor.dialog
    await dialog.get_by_label("Username").fill("nobody")
    await dialog.get_by_label("Password").fill(PASSWORD)
    await dialog.get_by_label("Only these").check()
    await dialog.get_by_role("group", name="With them").get_by_label("Nothing").check()
    await visitor.button("Add user", inside=dialog).click()
    await expect(visitor.page.locator('.people li[data-username="nobody"]')).to_contain_text("No permissions")
    sent = (await visitor.sent("Users.CreateUser"))[0]
    assert (sent["scopes"], sent["allowedThingIds"]) == ([], [])
    assert (await user_of(home, "nobody"))["scopes"] == []


async def test_15_pasted_uuids(home: Server, visit: Visit) -> None:
    """Ids of things come in any writing; what is none is named."""
    await home.add_user("bob", "ControlThings")
    visitor = await opened(visit, home, "bob")
    card = visitor.card("Permissions")
    one, two = "6ba7b810-9dad-11d1-80b4-00c04fd430c8", "6ba7b811-9dad-11d1-80b4-00c04fd430c8"
    paste = card.get_by_label("Add things by their ids")
    await paste.fill(f'{{{one.upper()}}}, lamp\n"{two}" {one}; 6ba7b810')
    await visitor.button("Add", inside=card).click()
    await expect(card.locator(".things code")).to_have_text([one, two])
    await expect(card.get_by_text("These are no ids of a thing: lamp, 6ba7b810")).to_be_visible()
    await expect(paste).to_have_value("lamp\n6ba7b810")
    await visitor.button("Save", inside=card).click()
    await expect(paste).to_be_focused()
    assert await visitor.sent("Users.SetUserScopes") == []
    await paste.fill("")
    await visitor.button("Save", inside=card).click()
    await expect(card.get_by_text("Saved")).to_be_visible()
    assert (await user_of(home, "bob"))["allowedThingIds"] == [one, two]
    await card.get_by_label("All", exact=True).check()
    await visitor.button("Save", inside=card).click()
    await expect(card.locator(".summary")).to_have_text("Controls all things")
    await expect(card.get_by_text("Saved")).to_be_visible()
    assert (await user_of(home, "bob"))["allowedThingIds"] == [one, two]


async def test_16_password_rules_tick_singly(home: Server, visit: Visit) -> None:
    """Each rule is ticked as it is met, and a password that meets all of them is taken."""
    await home.add_user("bob")
    visitor = await opened(visit, home, "bob")
    card = visitor.card("Password")
    password = card.get_by_label("New password")
    met = card.locator(".rules li.met")
    for typed, rules in (
        ("a", ["lower"]),
        ("A", ["upper"]),
        ("1", ["digit"]),
        ("________", ["8 char"]),
        ("Abcdefg", ["lower", "upper"]),
        ("Abcdefg1", ["8 char", "lower", "upper", "digit"]),
    ):
        await password.fill(typed)
        await expect(met).to_have_count(len(rules))
        for index, rule in enumerate(rules):
            await expect(met.nth(index)).to_contain_text(rule)
    await password.fill("short")
    await visitor.button("Set password", inside=card).click()
    await expect(card.get_by_text("Not all rules are met yet.")).to_be_visible()
    await expect(password).to_be_focused()
    await password.fill("Abcdefg1")
    await expect(card.get_by_text("Not all rules are met yet.")).to_have_count(0)
    await visitor.button("Set password", inside=card).click()
    await expect(visitor.dialog).to_contain_text("Set a new password for bob?")
    await expect(visitor.dialog).to_contain_text("All their devices are signed out.")
    await visitor.button("Set password", inside=visitor.dialog).click()
    await expect(card.get_by_text("Changed. All their devices are signed out.")).to_be_visible()


async def test_17_last_administrator_types_the_name(home: Server, visit: Visit) -> None:
    """The last administrator goes only by typing the name, having read what that means."""
    visitor = await opened(visit, home, "admin")
    card = visitor.card("Permissions")
    await card.get_by_label("Administrator").uncheck()
    await card.get_by_label("Control", exact=True).check()
    await visitor.button("Save", inside=card).click()
    await expect(visitor.dialog).to_contain_text(SELF)
    await expect(visitor.dialog).to_contain_text(LAST)
    typed = visitor.dialog.get_by_label("Type admin to confirm")
    await expect(typed).to_be_focused()
    await typed.fill("admit")
    await visitor.button("Take Administrator", inside=visitor.dialog).click()
    await expect(visitor.dialog.get_by_text("This is not admin.")).to_be_visible()
    assert await visitor.sent("Users.SetUserScopes") == []
    await typed.fill("admin")
    await visitor.button("Take Administrator", inside=visitor.dialog).click()
    await expect(visitor.text("This needs Administrator.").first).to_be_visible()
    assert "PermissionScopeAdmin" not in str((await user_of(home, "admin"))["scopes"])


async def test_17b_last_administrator_is_not_removed_by_a_click(home: Server, visit: Visit) -> None:
    """Removing the last administrator asks for the name too; with a second one it does not."""
    visitor = await opened(visit, home, "admin")
    await visitor.button("Remove user").click()
    await expect(visitor.dialog).to_contain_text(LAST)
    await visitor.button("Cancel", inside=visitor.dialog).click()
    await home.add_user("carol", "Admin")
    await visitor.button("Remove user").click()
    await expect(visitor.dialog).to_contain_text("This can't be undone.")
    await expect(visitor.dialog.get_by_label("Type admin to confirm")).to_have_count(0)
    await expect(visitor.button("Cancel", inside=visitor.dialog)).to_be_focused()


async def test_18_all_others_keeps_this_browser(home: Server, visit: Visit) -> None:
    """Signing out all others leaves the browser that asks signed in."""
    phone, _ = await home.login(device="Phone"), await home.login(device="Tablet")
    visitor = await visit(home)
    await visitor.sign_in()
    await visitor.opens("Account")
    card = visitor.card("Devices")
    await expect(card.get_by_role("listitem")).to_have_count(3)
    await visitor.button("Sign out Phone", inside=card).click()
    await expect(visitor.dialog).to_contain_text("Sign out Phone?")
    await expect(visitor.dialog).to_contain_text("It stops working at once.")
    await visitor.button("Cancel", inside=visitor.dialog).click()
    await visitor.button("All others", inside=card).click()
    await expect(visitor.dialog).to_contain_text("Sign out 2 devices?")
    await expect(visitor.button("Cancel", inside=visitor.dialog)).to_be_focused()
    await visitor.button("Sign out 2 devices", inside=visitor.dialog).click()
    await expect(card.get_by_role("listitem")).to_have_count(1)
    await expect(card.get_by_text("This browser", exact=True)).to_be_visible()
    with pytest.raises(Unauthorized):
        await phone.call("JSONRPC.KeepAlive", {"sessionId": None})
    await visitor.opens("Users")


async def test_18b_old_sign_ins_of_this_browser(home: Server, visit: Visit) -> None:
    """A browser knows its earlier sign-ins again; the password change offers to sign the others out."""
    visitor = await visit(home)
    await visitor.sign_in()
    await visitor.page.evaluate("sessionStorage.clear()")
    await visitor.page.reload()
    await visitor.sign_in()
    await visitor.opens("Account")
    devices = visitor.card("Devices")
    await expect(devices.get_by_text("This browser, earlier")).to_be_visible()
    await expect(devices.get_by_text("This browser", exact=True)).to_be_visible()
    await expect(devices.get_by_text(re.compile(r"^Console, Chrome on Linux, [a-z2-9]{6}-2"))).to_be_visible()
    card = visitor.card("Password")
    await card.get_by_label("New password").fill("Hijklmn2")
    await visitor.button("Change password", inside=card).click()
    await expect(card.get_by_text("Changed. Your other devices stay signed in.")).to_be_visible()
    await visitor.button("Sign them out", inside=card).click()
    await visitor.button("Sign out", inside=visitor.dialog).click()
    await expect(devices.get_by_role("listitem")).to_have_count(1)


async def test_19_new_token_is_shown_once_and_copied_over_http(start_server: StartServer, visit: Visit) -> None:
    """A script's token shows once and can be copied, also where the page is no secure context."""
    server = await start_server(allowed_hosts=["console.test"])
    await server.set_up()
    visitor = await visit(server, host="console.test")
    page = visitor.page
    assert not await page.evaluate("isSecureContext")
    await expect(visitor.text("Not encrypted: others on this network can read passwords.")).to_be_visible()
    await visitor.sign_in()
    await visitor.opens("Account")
    await visitor.button("New token for a script").click()
    await visitor.dialog.get_by_label("What it is for").fill("Backup")
    await visitor.dialog.get_by_label("Your password").fill("wrong")
    await visitor.button("Make token", inside=visitor.dialog).click()
    await expect(visitor.dialog.get_by_text("This is not your password.")).to_be_visible()
    await visitor.dialog.get_by_label("Your password").fill(PASSWORD)
    await visitor.button("Make token", inside=visitor.dialog).click()
    await expect(visitor.dialog).to_contain_text("Copy this token now. It is not shown again.")
    token = (await visitor.dialog.get_by_label("Token", exact=True).inner_text()).strip()
    assert await is_valid(server, token)
    await visitor.button("Copy", inside=visitor.dialog).click()
    await expect(visitor.button("Copied", inside=visitor.dialog)).to_be_visible()
    await visitor.button("Done", inside=visitor.dialog).click()
    await expect(visitor.card("Devices").get_by_text("Backup")).to_be_visible()
    assert token not in await page.content()
    name = visitor.card("Details").get_by_label("Name")
    await name.focus()
    await page.keyboard.press("Control+V")
    await expect(name).to_have_value(token)


async def test_21_empty_named_user_has_no_password(start_server: StartServer, visit: Visit) -> None:
    """The user whom the button makes has a name for people, and no password to set."""
    server = await start_server(push_button=True)
    await server.set_up()
    visitor = await visit(server)
    await asks_for_the_button(visitor)
    assert await press(server)
    await visitor.sees("Users")
    await visitor.opens_user("")
    await expect(visitor.page.locator(".detail h1")).to_have_text("Push-button access")
    await expect(visitor.card("Details")).to_be_visible()
    await expect(visitor.card("Devices")).to_be_visible()
    await expect(visitor.card("Password")).to_have_count(0)
    await visitor.opens("Account")
    await expect(visitor.card("Password")).to_have_count(0)
    await expect(visitor.card("Scripts")).to_have_count(0)
    details = visitor.card("Details")
    await details.get_by_label("Name").fill("Hallway")
    await visitor.button("Save", inside=details).click()
    await expect(details.get_by_text("Saved")).to_be_visible()
    assert (await user_of(server, ""))["displayName"] == "Hallway"
