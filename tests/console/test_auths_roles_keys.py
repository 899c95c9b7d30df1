"""The stories of what the doors have beside grants: authorizations at a lock, sharing roles, access keys."""

from __future__ import annotations

import re

from browser import Visit
from caretaker import ANN_PHONE, BOB_PHONE, KEYPAD_CODE, Caretaker, chooses, exported, goes, opened, row
from conftest import Server
from playwright.async_api import expect

PIN = "2342"


async def test_the_life_of_a_code_at_a_lock(home: Server, visit: Visit) -> None:
    """A code is suggested, given to a person, heard of, used, disabled and removed; all of it shows at once."""
    doors = await Caretaker.of(home)
    front = await doors.lock("Front door", virtual=False)
    await doors.person("Ann", "Lee")
    visitor = await opened(visit, home, f"#/doors/locks/{front}", "Front door")
    card = visitor.card("Authorizations")
    await visitor.button("Add code").click()
    dialog = visitor.dialog
    await visitor.button("Add code", inside=dialog).click()
    await expect(dialog.get_by_label("Name")).to_be_focused()
    await dialog.get_by_label("Name").fill("Cleaner")
    await visitor.button("Suggest", inside=dialog).click()
    code = await dialog.get_by_label("Code").input_value()
    assert re.fullmatch("(?!12)[1-9]{6}", code)
    await chooses("Person (optional)", "Ann Lee", dialog)
    await visitor.button("Add code", inside=dialog).click()
    item = card.get_by_role("listitem")
    for words in ("Cleaner", "Keypad code", "Ann Lee", "For good", "Always", "Not used yet", "Under way"):
        await expect(item).to_contain_text(words)
    sent = {"smartlockId": front, "type": 13, "name": "Cleaner", "code": code, "accountUserId": 1}
    assert await visitor.sent("SmartlockAuths.CreateAuth") == [{**sent, "remoteAllowed": False}]
    await item.get_by_role("button", name="Disable").click()
    await visitor.button("Disable", inside=visitor.dialog).click()
    await expect(card.get_by_text("An operation is under way, of which the lock has not heard yet.")).to_be_visible()
    await doors.drain(front)
    await expect(item).to_contain_text("In effect")
    await doors.done("Access.ReportAccess", lockId=front, credential={"type": "code", "value": code})
    await expect(item).to_contain_text("Used 1 time, last on")
    await expect(item).not_to_contain_text(code)
    await item.get_by_role("button", name="Show code").click()
    await expect(item).to_contain_text(code)
    await item.get_by_role("button", name="Disable").click()
    await visitor.button("Disable", inside=visitor.dialog).click()
    await expect(item).to_contain_text("Disabled")
    await doors.drain(front)
    await item.get_by_role("button", name="Remove").click()
    await expect(visitor.dialog).to_contain_text("Remove Cleaner?")
    await visitor.button("Remove authorization", inside=visitor.dialog).click()
    await expect(card.locator(".actions .status")).to_have_text("Removed")
    await expect(item).to_contain_text("Under way")
    await doors.drain(front)
    await expect(card).to_contain_text("No authorization yet.")
    assert code not in await exported(visitor)


async def test_an_app_is_added_and_changed(home: Server, visit: Visit) -> None:
    """An app has its person's days and times; only what is changed of it is sent, and a lock's refusal is told."""
    doors = await Caretaker.of(home)
    front = await doors.lock("Front door", virtual=False)
    await doors.person("Ann", "Lee")
    visitor = await opened(visit, home, f"#/doors/locks/{front}", "Front door")
    item = visitor.card("Authorizations").get_by_role("listitem")
    await visitor.button("Add app").click()
    dialog = visitor.dialog
    await dialog.get_by_label("Name").fill("Ann's phone")
    await visitor.button("Add app", inside=dialog).click()
    await expect(dialog.get_by_label("Person")).to_be_focused()
    await chooses("Person", "Ann Lee", dialog)
    await dialog.get_by_label("Weekly hours").check()
    await visitor.button("Add app", inside=dialog).click()
    await expect(item).to_contain_text("Mon\u2013Fri 08:00\u201317:00")
    await doors.drain(front, "memory full")
    await expect(item).to_contain_text("The lock could not take it: memory full")
    await item.get_by_role("button", name="Change").click()
    await visitor.dialog.get_by_label("Name").fill("Ann's watch")
    await visitor.dialog.get_by_label("Until", exact=True).fill("00:00")
    await visitor.button("Save", inside=visitor.dialog).click()
    await expect(item).to_contain_text("Ann's watch")
    await expect(item).to_contain_text("Mon\u2013Fri 08:00\u201324:00")
    (sent,) = await visitor.sent("SmartlockAuths.UpdateAuth")
    assert {**sent, "id": ""} == {"smartlockId": front, "id": "", "name": "Ann's watch", "allowedUntilTime": 0}
    await doors.drain(front)
    await item.get_by_role("button", name="Change").click()
    await visitor.dialog.get_by_label("Always").check()
    await visitor.button("Save", inside=visitor.dialog).click()
    await expect(item).to_contain_text("For good · Always")


async def test_a_taken_code_is_explained_at_its_field(home: Server, visit: Visit) -> None:
    """What the server refuses of a new code stands at the field that it is about."""
    doors = await Caretaker.of(home)
    front = await doors.lock("Front door")
    await doors.auth(front)
    visitor = await opened(visit, home, f"#/doors/locks/{front}", "Front door")
    await visitor.button("Add code").click()
    dialog = visitor.dialog
    await dialog.get_by_label("Name").fill("Gardener")
    await dialog.get_by_label("Code").fill(KEYPAD_CODE)
    await visitor.button("Add code", inside=dialog).click()
    field = dialog.locator(".field").filter(has=visitor.page.get_by_label("Code"))
    await expect(field.locator(".problem")).to_contain_text("The lock knows it already.")
    await expect(dialog.get_by_label("Code")).to_be_focused()


async def test_guests_read_authorizations(home: Server, visit: Visit) -> None:
    """Who controls a lock reads who is authorized there, and neither sees a code nor changes anything."""
    doors = await Caretaker.of(home)
    front = await doors.lock("Front door")
    await doors.auth(front)
    await home.add_user("carol", "ControlThings", allowedThingIds=[front])
    visitor = await visit(home)
    await visitor.sign_in("carol", view="Account")
    await goes(visitor, f"#/doors/locks/{front}", "Front door")
    card = visitor.card("Authorizations")
    await expect(card).to_contain_text("Keypad code")
    await expect(card.get_by_role("button")).to_have_count(0)
    await expect(visitor.card("Who may share it")).to_contain_text("Nobody has a role yet.")
    await expect(visitor.card("Who may share it").get_by_role("button")).to_have_count(0)
    assert not any(KEYPAD_CODE in frame for frame in visitor.frames)


async def test_sharing_roles_and_shared_keys(home: Server, visit: Visit) -> None:
    """A role lets its person share keys, which are counted, revoked, and stay when the right is taken away."""
    doors = await Caretaker.of(home)
    front = await doors.lock("Front door", virtual=False)
    ann = await doors.person("Ann", "Lee", phone=ANN_PHONE)
    await doors.grant(personId=ann, lockId=front)
    visitor = await opened(visit, home, f"#/doors/locks/{front}", "Front door")
    roles, keys = visitor.card("Who may share it"), visitor.card("Shared keys")
    await visitor.button("Add role").click()
    await visitor.dialog.get_by_label("Person").fill("nobody")
    await visitor.button("Add role", inside=visitor.dialog).click()
    await expect(visitor.dialog.get_by_label("Person")).to_be_focused()
    await chooses("Person", f"Ann Lee, {ANN_PHONE}", visitor.dialog)
    await visitor.button("Add role", inside=visitor.dialog).click()
    role = roles.get_by_role("listitem")
    await expect(role).to_contain_text("Ann Lee")
    await expect(role).to_contain_text("No key shared yet")
    await role.get_by_role("button", name="Share key").click()
    await visitor.dialog.get_by_label("For whom").fill(ANN_PHONE)
    await visitor.button("Share key", inside=visitor.dialog).click()
    await expect(visitor.dialog.locator(".problem")).to_contain_text(["Is the number of who shares."])
    await visitor.dialog.get_by_label("For whom").fill(BOB_PHONE)
    await visitor.dialog.get_by_label("Name (optional)").fill("For the cleaning")
    await visitor.dialog.get_by_label("Weekly hours").check()
    await visitor.button("Share key", inside=visitor.dialog).click()
    key = keys.get_by_role("listitem")
    for words in ("For the cleaning", BOB_PHONE, "by Ann Lee", "Mon\u2013Fri 08:00\u201317:00", "Pending"):
        await expect(key).to_contain_text(words)
    await doors.drain(front)
    await expect(key).to_contain_text("Active")
    await expect(role).to_contain_text("1 key shared so far")
    await role.get_by_role("button", name="Stop sharing").click()
    await expect(visitor.dialog).to_contain_text("Stop Ann Lee from sharing Front door?")
    await visitor.button("Stop sharing", inside=visitor.dialog).click()
    await expect(role).to_contain_text("May not share")
    await expect(key).to_contain_text("Active")
    await key.get_by_role("button", name="Revoke").click()
    await visitor.button("Revoke key", inside=visitor.dialog).click()
    await expect(key).to_contain_text("Revoking")
    await doors.drain(front)
    await expect(key).to_contain_text("Revoked")


async def test_the_roles_of_a_person(home: Server, visit: Visit) -> None:
    """A person's view has the locks that they may share, live; who is that user may share a key there themselves."""
    doors = await Caretaker.of(home)
    front = await doors.lock("Front door")
    await home.add_user("carol", "ControlThings", allowedThingIds=[front])
    ann = await doors.person("Ann", "Lee", phone=ANN_PHONE, username="carol")
    await doors.grant(personId=ann, lockId=front)
    visitor = await visit(home)
    await visitor.sign_in("carol", view="Account")
    await goes(visitor, f"#/doors/persons/{ann}", "Ann Lee")
    card = visitor.card("What they may share")
    await expect(card).to_contain_text("They may share no lock.")
    await doors.role(front, ANN_PHONE)
    await expect(card.get_by_role("link", name="Front door")).to_be_visible()
    await expect(card.get_by_role("button", name="Remove")).to_have_count(0)
    await card.get_by_role("button", name="Share key").click()
    await visitor.dialog.get_by_label("For whom").fill(BOB_PHONE)
    await visitor.button("Share key", inside=visitor.dialog).click()
    await expect(card).to_contain_text("1 key shared so far")
    await card.get_by_role("link", name="Front door").click()
    await expect(visitor.card("Shared keys").get_by_role("button", name="Revoke")).to_be_visible()


async def test_the_life_of_an_access_key(home: Server, visit: Visit) -> None:
    """A key is added with its levels, followed into each system, changed, given a PIN and removed."""
    doors = await Caretaker.of(home)
    front = await doors.lock("Front door", systemId="North", virtual=False)
    back = await doors.lock("Back door", systemId="South", virtual=False)
    office, cellar = await doors.group("Office"), await doors.group("Cellar")
    await doors.join(office, front)
    await doors.join(cellar, back)
    for lock in (front, back):
        await doors.drain(lock)
    visitor = await opened(visit, home, "#/doors/keys", "Keys")
    await visitor.button("Add key").click()
    dialog = visitor.dialog
    await dialog.get_by_label("Value").fill("12")
    await dialog.get_by_label("Office").check()
    await dialog.get_by_label("First name (optional)").fill("Ann")
    await dialog.get_by_label("Last name (optional)").fill("Lee")
    await visitor.button("Add key", inside=dialog).click()
    await expect(dialog.get_by_label("Value")).to_be_focused()
    await expect(dialog.locator(".problem svg")).to_have_count(1)
    await dialog.get_by_label("Value").fill(KEYPAD_CODE)
    await dialog.get_by_label("PIN (optional)").fill(PIN)
    await visitor.button("Add key", inside=dialog).click()
    item = visitor.page.locator(".people li")
    for words in ("Ann Lee", "Code with 6 digits", "For good", "Office"):
        await expect(item).to_contain_text(words)
    await item.get_by_role("link").click()
    facts, status, details = visitor.card("Key"), visitor.card("On its way to the locks"), visitor.card("Details")
    await expect(status.get_by_role("listitem")).to_contain_text(["NorthPending"])
    await details.get_by_label("Cellar").check()
    await details.get_by_label("Valid until").fill("2099-01-01T12:00")
    await visitor.button("Save", inside=details).click()
    await expect(status.get_by_role("listitem")).to_contain_text(["NorthPending", "SouthPending"])
    await doors.drain(front)
    await doors.drain(back, "memory full")
    await expect(status).to_contain_text("Partially applied")
    await expect(status.get_by_role("listitem")).to_contain_text(["NorthApplied", "SouthFailed"])
    await expect(status).to_contain_text("A lock could not take it: memory full")
    await expect(facts).not_to_contain_text(KEYPAD_CODE)
    await visitor.button("Show code: Code with 6 digits").click()
    await expect(facts).to_contain_text(KEYPAD_CODE)
    await visitor.button("Set PIN").click()
    await visitor.dialog.get_by_label("New PIN").fill(PIN[::-1])
    await visitor.button("Set PIN", inside=visitor.dialog).click()
    await expect(visitor.page.get_by_role("dialog")).to_have_count(0)
    (_, _, changed, _) = await visitor.sent("AccessKeys.AddAccessKey")
    assert sorted(changed) == ["accessLevels", "id", "validToDate"]
    await visitor.button("Remove key").click()
    await expect(visitor.dialog).to_contain_text("Remove Ann Lee, Code with 6 digits?")
    await visitor.button("Remove key", inside=visitor.dialog).click()
    await expect(visitor.text("No key yet.")).to_be_visible()
    text = await exported(visitor)
    for secret in (KEYPAD_CODE, PIN, PIN[::-1]):
        assert secret not in text


async def test_access_keys_are_live_and_never_changed_by_adding(home: Server, visit: Visit) -> None:
    """A key that somebody else adds appears; one that is there already, in whatever spelling, is not added again."""
    doors = await Caretaker.of(home)
    ann = await doors.person("Ann", "Lee")
    visitor = await opened(visit, home, "#/doors/keys", "Keys")
    await expect(visitor.text("No key yet.")).to_be_visible()
    key = await doors.key("1234567890", "proximity", person={"id": ann})
    await expect(row(visitor, key)).to_contain_text("Proximity key 0001234567890")
    await expect(row(visitor, key)).to_contain_text("No level")
    await visitor.button("Add key").click()
    dialog = visitor.dialog
    await dialog.get_by_label("What it is").select_option("Proximity key")
    await dialog.get_by_label("Value").fill("0x00499602d2")
    await visitor.button("Add key", inside=dialog).click()
    await expect(dialog).to_contain_text("There is such a key already: change that one.")
    assert await visitor.sent("AccessKeys.AddAccessKey") == []
    await doors.done("AccessKeys.RemoveAccessKey", id=key)
    await expect(visitor.text("No key yet.")).to_be_attached()
