from __future__ import annotations

import asyncio
import json
import os
import shutil
import sys
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from browser import Visit, Visitor, address, stored_token
from caretaker import KEYPAD_CODE, Caretaker
from conftest import PASSWORD, PATIENCE, Server
from playwright.async_api import Page, expect


async def developer(visit: Visit, server: Server, *, signed_in: bool = True) -> Visitor:
    visitor = await visit(server)
    if signed_in:
        await visitor.sign_in()
    else:
        await visitor.sees("Sign in")
    await visitor.opens("Developer")
    return visitor


async def choose(visitor: Visitor, method: str) -> None:
    await visitor.page.locator(f'[data-name="{method}"]').click()
    await expect(visitor.page.get_by_role("heading", name=method)).to_be_visible()


async def own_name(server: Server) -> str:
    users = (await (await server.operator()).call("Users.GetUsers"))["users"]
    return str(users[0]["displayName"])


async def set_own_name(server: Server, name: str) -> None:
    params = {"username": "admin", "displayName": name}
    assert (await (await server.operator()).call("Users.SetUserInfo", params))["error"] == "UserErrorNoError"


async def raw_of(visitor: Visitor) -> str:
    return await visitor.page.locator("textarea.raw").input_value()


async def write(visitor: Visitor, text: str) -> None:
    await visitor.page.get_by_role("tab", name="Raw").click()
    await visitor.page.get_by_label("Request as it is sent").fill(text)


async def reply(visitor: Visitor) -> Any:
    """The reply to what was sent last."""
    shown = visitor.page.get_by_label("Reply", exact=True)
    await expect(shown).to_be_visible()
    return json.loads(await shown.inner_text())


async def exported(page: Page, folder: Path) -> list[dict[str, Any]]:
    async with page.expect_download() as download:
        await page.get_by_role("button", name="Export").click()
    path = folder / "log.jsonl"
    await (await download.value).save_as(path)
    return [json.loads(line) for line in path.read_text().splitlines()]


async def test_27_broken_json_is_told_and_still_sent(home: Server, visit: Visit) -> None:
    """A broken text is told with line, column and reason; it can be sent, and the server's answer is shown."""
    visitor = await developer(visit, home, signed_in=False)
    page = visitor.page
    for text, told in (
        ('{"id": 1,\n  "method": "JSONRPC.Hello",}', "Line 2, column 29: a comma must not stand before }."),
        ("{'id': 1}", "Line 1, column 2: names are in double quotes, not single ones."),
        ('{"id": 01}', "Line 1, column 8: a number must not begin with 0."),
        ('{\n"ä😀": "x\n"}', "Line 2, column 9: the string ends before the line does, or write \\n."),
        ('{"id": 1} x', "Line 1, column 11: nothing more can follow here, found x."),
        ('{"id": [1, 2}', "Line 1, column 13: expected a comma or ], found }."),
    ):
        await write(visitor, text)
        await expect(page.get_by_text(told, exact=True)).to_be_visible()
    await expect(page.get_by_text("It can be sent as it is.")).to_be_visible()
    await page.keyboard.press("Control+Enter")
    assert (await reply(visitor))["status"] == "error"
    assert '{"id": [1, 2}' in visitor.frames
    entry = page.locator(".log-entries details", has_text="error").first
    await entry.locator("summary").click()
    await expect(entry.locator("pre")).to_contain_text("Failed to parse JSON data")


async def test_28_form_raw_and_dialects_lose_nothing(home: Server, visit: Visit) -> None:
    """Form and raw text are one request: what the form can't hold stays, and a dialect changes the envelope only."""
    visitor = await developer(visit, home)
    page = visitor.page
    await choose(visitor, "Users.CreateUser")
    form = page.get_by_role("tabpanel")
    await form.get_by_label("username", exact=True).fill("bob")
    await form.get_by_label("password", exact=True).fill(PASSWORD)
    email = form.get_by_label("email", exact=True)
    await form.get_by_label("Send email").check()
    await form.get_by_label("PermissionScopeControlThings").check()
    await form.get_by_label("allowedThingIds", exact=True).fill("a\nb")
    request = json.loads(await raw_of(visitor))
    assert request["params"] == {
        "username": "bob",
        "password": "$PASSWORD",
        "email": "",
        "scopes": ["PermissionScopeControlThings"],
        "allowedThingIds": ["a", "b"],
    }
    await form.get_by_label("Send email").uncheck()
    assert "email" not in json.loads(await raw_of(visitor))["params"]
    await expect(email).to_have_value("")

    jsonrpc2 = await raw_of(visitor)
    await page.get_by_label("nymea", exact=True).check()
    nymea = await raw_of(visitor)
    assert nymea == jsonrpc2.replace('"jsonrpc": "2.0",\n  ', "")
    await page.get_by_label("JSON-RPC 2.0").check()
    assert await raw_of(visitor) == jsonrpc2

    odd = (
        '{ "id" : 12345678901234567890,"method":"Users.CreateUser",\n'
        '\t"params":{"username":"\\u0062ob","more":1e400} , "x":[ ] }'
    )
    await write(visitor, odd)
    await page.get_by_label("JSON-RPC 2.0").check()
    assert await raw_of(visitor) == odd.replace("{ ", '{ "jsonrpc": "2.0", ', 1)
    await page.get_by_label("nymea", exact=True).check()
    assert await raw_of(visitor) == odd
    await page.get_by_role("tab", name="Form").click()
    await expect(page.get_by_text("The form can't hold this: there is no param more.")).to_be_visible()
    await expect(form.get_by_label("username", exact=True)).to_be_disabled()

    await write(visitor, odd.replace(',"more":1e400', ""))
    await page.get_by_role("tab", name="Form").click()
    await expect(form.get_by_label("username", exact=True)).to_have_value("bob")
    await form.get_by_label("Send displayName").check()
    assert await raw_of(visitor) == odd.replace(',"more":1e400', ',\n    "displayName": ""')

    batch = '[{"jsonrpc":"2.0","id":1,"method":"JSONRPC.Hello"}]'
    await write(visitor, batch)
    await page.get_by_label("nymea", exact=True).click()
    assert await raw_of(visitor) == batch
    await expect(page.get_by_label("JSON-RPC 2.0")).to_be_checked()


async def test_28b_calls_in_both_dialects(home: Server, visit: Visit) -> None:
    """A call made by the form works in either dialect, over a connection that the console does not share."""
    visitor = await developer(visit, home)
    page = visitor.page
    await choose(visitor, "Users.CreateUser")
    form = page.get_by_role("tabpanel")
    await form.get_by_label("username", exact=True).fill("bob")
    await form.get_by_label("password", exact=True).fill(PASSWORD)
    await visitor.button("Send").click()
    assert (await reply(visitor))["result"] == {"error": "UserErrorNoError"}
    await visitor.button("Disconnect").click()
    await page.get_by_label("nymea", exact=True).check()
    await visitor.button("Send").click()
    assert (await reply(visitor))["params"] == {"error": "UserErrorDuplicateUserId"}
    await write(visitor, '{"id": 9, "method": "Users.GetUsers", "token": "wrong"}')
    await visitor.button("Send").click()
    assert (await reply(visitor))["status"] == "unauthorized"
    await expect(page.locator("#connection-status")).to_have_text("Connected")
    await visitor.opens("Users")
    await expect(page.locator('.people li[data-username="bob"]')).to_be_visible()


async def test_28c_forms_take_codes_and_members(home: Server, visit: Visit, tmp_path: Path) -> None:
    """A code of a lock is hidden and named by its place; a param with members is written as JSON."""
    doors = await Caretaker.of(home)
    front, group = await doors.lock("Front door"), await doors.group("Office")
    visitor = await developer(visit, home)
    form = visitor.page.get_by_role("tabpanel")
    await choose(visitor, "SmartlockAuths.CreateAuth")
    for name, value in {"smartlockId": front, "name": "Cleaner", "type": "13", "code": KEYPAD_CODE}.items():
        await form.get_by_label(name, exact=True).fill(value)
    await form.get_by_label("remoteAllowed", exact=True).select_option("false")
    assert json.loads(await raw_of(visitor))["params"]["code"] == "$CODE"
    await visitor.button("Send").click()
    assert (await reply(visitor))["result"]["error"] == "SmartlockAuthErrorNoError"
    await choose(visitor, "AccessKeys.AddAccessKey")
    key = form.get_by_label("key", exact=True)
    await key.fill("{")
    await expect(form.get_by_text("This is no JSON.")).to_be_visible()
    await key.fill('{"identification": "4711", "type": "code"}')
    await form.get_by_label("accessLevels", exact=True).fill(group)
    await visitor.button("Send").click()
    await expect(visitor.page.get_by_label("Reply", exact=True)).to_contain_text('"accessKey"')
    (made,) = await doors.get("AccessKeys.GetAccessKeys")
    assert (made["key"]["identification"], made["accessLevels"]) == ("4711", [group])
    assert KEYPAD_CODE not in json.dumps(await exported(visitor.page, tmp_path))


async def test_29_messages_while_paused_appear_and_the_export_parses(
    home: Server, visit: Visit, tmp_path: Path
) -> None:
    """Pausing stops the view and not the log; the export is JSON, line by line."""
    visitor = await developer(visit, home)
    page = visitor.page
    await page.get_by_label("Show", exact=True).select_option("Notifications")
    await choose(visitor, "Users.UserAdded")
    await visitor.button("Listen").click()
    entries = page.locator(".log-entries details")
    await expect(page.get_by_text("Own connection open")).to_be_attached()
    await visitor.button("Pause").click()
    await home.add_user("bob")
    await expect(page.get_by_text("paused; ")).to_be_visible()
    await expect(page.get_by_label("Received").get_by_role("listitem")).to_have_count(2)
    await expect(entries).to_have_count(0)
    await visitor.button("Go on").click()
    await expect(entries).to_have_count(2)
    await expect(entries.first).to_contain_text("Users.UserAdded")
    lines = await exported(page, tmp_path)
    assert {line["connection"] for line in lines} == {"console", "developer"}
    assert [line["method"] for line in lines].count("Users.UserAdded") == 2
    replies = [line for line in lines if line["kind"] == "reply"]
    assert replies
    assert all(line["ms"] >= 0 and line["id"] for line in replies)


async def test_29b_large_messages_are_collapsed_and_copied_whole(home: Server, visit: Visit) -> None:
    """A message of more than 16 KB shows its beginning; copied it is whole."""
    visitor = await developer(visit, home)
    page = visitor.page
    await visitor.context.grant_permissions(["clipboard-read", "clipboard-write"])
    await page.get_by_label("Search the log").fill("rpc.discover")
    await page.get_by_label("Show", exact=True).select_option("Replies")
    entry = page.locator(".log-entries details").first
    await entry.locator("summary").click()
    code = entry.locator("pre")
    assert len(await code.inner_text()) < 17_000
    await entry.get_by_role("button", name="Copy").click()
    await expect(entry.get_by_role("button", name="Copied")).to_be_visible()
    copied = await page.evaluate("navigator.clipboard.readText()")
    assert json.loads(copied)["result"]["openrpc"]
    await entry.get_by_role("button", name="Show all").click()
    assert len(await code.inner_text()) > 17_000


async def test_30_no_secret_anywhere(home: Server, visit: Visit, tmp_path: Path) -> None:
    """Neither the log nor its export, the history, the address, a snippet or the network's list shows a secret."""
    await home.add_user("bob")
    visitor = await developer(visit, home)
    page = visitor.page
    own = await stored_token(page)
    other = "Sup3rSecret"
    await choose(visitor, "JSONRPC.Authenticate")
    form = page.get_by_role("tabpanel")
    await form.get_by_label("username", exact=True).fill("bob")
    await form.get_by_label("password", exact=True).fill(PASSWORD)
    await form.get_by_label("deviceName", exact=True).fill("me")
    await visitor.button("Send").click()
    assert (await reply(visitor))["result"]["token"] == "•••"
    positional = {"jsonrpc": "2.0", "id": 7, "method": "Users.Authenticate", "params": ["bob", other, "x"]}
    texts = [
        json.dumps(positional),
        json.dumps(
            [
                positional,
                {"jsonrpc": "2.0", "id": 8, "method": "Users.GetUsers", "params": {"deep": [{"password": other}]}},
            ]
        ),
        '{"id": 9, "method": "Users.ChangePassword", "params": {"newPassword": "' + other + '", }',
        "{'password': '" + other + "'}",
        '{"jsonrpc": "2.0", "params": ["bob", "' + other + '"',
        '{"pass\\u0077ord": "' + other + '"}',
        f'{{"note": "{own}"}}',
        f'{{"note": "{own}"',
    ]
    for text in texts:
        await write(visitor, text)
        await visitor.button("Send").click()
        await expect(page.get_by_label("Reply", exact=True)).to_be_visible()
    # A request's own text is its writer's; everything else hides what is secret.
    await write(visitor, "{}")
    await page.get_by_role("tab", name="Snippets").click()
    for summary in await page.locator(".log-entries summary").all():
        await summary.click()
    shown = await page.evaluate("document.body.innerText")
    export = json.dumps(await exported(page, tmp_path), ensure_ascii=False)
    kept = await page.evaluate("sessionStorage.getItem('nymead-users.history')")
    bobs = [
        json.loads(frame)["result"]["token"] for frame in visitor.frames if '"result":{"success":true,"token"' in frame
    ]
    assert len(bobs) >= 2
    for place in (shown, export, kept, page.url, await page.title(), *visitor.requests):
        for secret in (own, other, PASSWORD, *bobs):
            assert secret not in place
    assert "•••" in shown
    assert "•••" in export
    assert "$PASSWORD" in kept
    origin = urlsplit(address(home)).netloc
    assert {urlsplit(url).netloc for url in visitor.requests} <= {origin, ""}
    assert visitor.complaints == []

    await page.reload()
    await visitor.sees("Developer")
    await page.get_by_text("History", exact=True).click()
    await page.get_by_role("button", name="JSONRPC.Authenticate").click()
    assert json.loads(await raw_of(visitor))["params"]["password"] == "$PASSWORD"


async def test_30b_snippets_work_and_name_the_token(home: Server, visit: Visit) -> None:
    """Commands for elsewhere do what they say, take the token from the environment, and quote what a shell would."""
    visitor = await developer(visit, home)
    page = visitor.page
    token = await stored_token(page)
    await choose(visitor, "Users.SetUserInfo")
    await page.get_by_role("tabpanel").get_by_label("displayName", exact=True).fill("O'Neil $HOME `x`")
    await page.get_by_role("tab", name="Snippets").click()
    folder = Path(sys.executable).parent
    for name, tool in (("nc", "nc"), ("websocat", "websocat"), ("Python", sys.executable)):
        code = await page.get_by_label(name, exact=True).inner_text()
        assert token not in code
        assert ("$TOKEN" in code) == (name != "Python")
        if shutil.which(tool, path=f"{folder}{os.pathsep}{os.environ['PATH']}") is None:
            continue
        command = [sys.executable, "-c", code] if name == "Python" else ["sh", "-c", code]
        # The page takes nymea's own port for the TCP listener's.
        command[2] = command[2].replace("127.0.0.1 2222", f"127.0.0.1 {urlsplit(home.url('tcp')).port}")
        process = await asyncio.create_subprocess_exec(
            *command,
            stdout=asyncio.subprocess.PIPE,
            env={**os.environ, "TOKEN": token, "PATH": f"{folder}{os.pathsep}{os.environ['PATH']}"},
        )
        async with asyncio.timeout(PATIENCE):
            output, _ = await process.communicate()
        assert "UserErrorNoError" in output.decode(), name
        assert (await own_name(home)) == "O'Neil $HOME `x`"
        await set_own_name(home, "")


async def test_works_signed_out(server: Server, visit: Visit) -> None:
    """The contract is public: it can be read and tried before there is a user."""
    visitor = await visit(server, path="#/developer")
    await visitor.sees("Developer")
    await choose(visitor, "JSONRPC.Hello")
    await visitor.button("Send").click()
    assert (await reply(visitor))["result"]["initialSetupRequired"] is True
    await visitor.page.get_by_label("Search methods").fill("authent")
    await expect(visitor.page.locator(".method-list li")).to_have_count(2)


async def test_signing_out_leaves_nothing(home: Server, visit: Visit) -> None:
    """Whoever signs in next in this tab finds neither requests nor traffic of the one before."""
    visitor = await developer(visit, home)
    page = visitor.page
    await choose(visitor, "Users.SetUserInfo")
    await page.get_by_role("tabpanel").get_by_label("email", exact=True).fill("me@example.org")
    await visitor.button("Send").click()
    assert (await reply(visitor))["result"] == {"error": "UserErrorNoError"}
    await visitor.button("Sign out").click()
    await expect(page.locator("#sign-out")).to_be_hidden()
    assert "me@example.org" not in await raw_of(visitor)
    await page.get_by_label("Search the log").fill("me@example.org")
    await expect(page.locator(".log-entries details")).to_have_count(0)


async def test_scanner_agrees_with_the_browser(home: Server, visit: Visit) -> None:
    """What the scanner takes for JSON is what the browser takes for it, whatever is done to a text."""
    visitor = await visit(home)
    await visitor.sees("Sign in")
    folder = await visitor.page.evaluate("document.querySelector('script').src.replace(/main.js$/, '')")
    different = await visitor.page.evaluate(
        r"""async (folder) => {
            const { scan, compact } = await import(`${folder}scanner.js`);
            const seed = '{"a": [1, -0.5e+3, true, null, "x\\u00e9\\n"], "b": {"": false}, "c": []}';
            const bits = ['', ...`"'{}[],:0-.e é\\\n\u0001`, 'tru'];
            const different = [];
            const check = (text) => {
                let value;
                try { value = JSON.parse(text); } catch { value = undefined; }
                const { node, problem } = scan(text);
                if ((node === null) !== (value === undefined)) different.push(text);
                const same = () => JSON.stringify(JSON.parse(compact(text, node))) === JSON.stringify(value);
                if (node && !same()) different.push(text);
                if (problem && !(problem.line >= 1 && problem.column >= 1 && problem.reason)) different.push(text);
            };
            for (let at = 0; at <= seed.length; at += 1) {
                for (const bit of bits) {
                    for (const cut of [0, 1, 2]) check(seed.slice(0, at) + bit + seed.slice(at + cut));
                }
                check(seed.slice(0, at));
            }
            return different;
        }""",
        folder,
    )
    assert different == []
