/** The devices that are signed in. The server tells no news of them, so the list is read anew at every occasion. */

import { isThisBrowser } from "../signin.js";
import { dateOf, nameOf, outcomeWords } from "../words.js";
import { alertUser, say } from "../ui/announce.js";
import { confirmDialog } from "../ui/dialog.js";
import { fill, h, sender } from "../ui/dom.js";
import { setStatus } from "../ui/form.js";
import { refusalWords } from "../ui/saving.js";
import { failedNote } from "./frame.js";

/** @typedef {{id: string, username: string, creationTime: number, deviceName: string}} Device */

/** @param {import("./frame.js").Context} context @param {string} username @param {boolean} own @param {AbortSignal} signal */
export function devicesCard({ session }, username, own, signal) {
  const status = h("span", { class: "status" });
  const list = h("ul", { class: "devices" });
  const state = h("div");
  const some = sender({ class: "destructive", onclick: () => signOut(selected()) }, "Sign out selected");
  const others = sender({ class: "destructive", onclick: () => signOut(devices.filter((device) => !isCurrent(device))) }, own ? "All others" : "All");
  const refresh = sender({ onclick: () => load(true) }, "Refresh");
  const element = h("section", { class: "card", "aria-label": "Devices" }, h("h2", { tabindex: "-1" }, "Devices"),
    h("p", { class: "muted" }, own ? "Where you are signed in. When each was used last is not known." : `Where ${nameOf(username)} is signed in. When each was used last is not known.`),
    state, list, h("div", { class: "actions" }, some, others, refresh, status));
  /** @type {Device[]} */
  let devices = [];
  /** @type {Set<string>} */
  const ticked = new Set();

  /** @param {Device} device */
  const isCurrent = (device) => own && device.deviceName === session.signIn?.deviceName;
  const selected = () => devices.filter((device) => ticked.has(device.id));

  async function load(told = false) {
    try {
      const result = own ? await session.call("Users.GetTokens") : await session.call("Users.GetUserTokens", { username });
      if (signal.aborted) return;
      devices = (result.tokenInfoList ?? []).toReversed();
      for (const id of ticked) if (!devices.some((device) => device.id === id)) ticked.delete(id);
      fill(state);
      render();
      if (told) say(devices.length === 1 ? "1 device" : `${devices.length} devices`);
    } catch (error) {
      if (!signal.aborted && session.connection.state === "online") fill(state, failedNote("the devices", error, () => load()));
    }
  }

  function render() {
    const focused = /** @type {HTMLElement | null} */ (list.contains(document.activeElement) ? document.activeElement : null)?.dataset;
    const place = focused?.device ? [...list.children].findIndex((item) => item.contains(document.activeElement)) : -1;
    fill(list, devices.map((device) => {
      const box = h("input", { type: "checkbox", checked: ticked.has(device.id), "data-device": device.id, "data-part": "tick", onchange: () => {
        if (box.checked) ticked.add(device.id);
        else ticked.delete(device.id);
        update();
      } });
      const mark = isCurrent(device) ? h("span", { class: "badge ok" }, "This browser")
        : isThisBrowser(device.deviceName) ? h("span", { class: "badge" }, "This browser, earlier") : null;
      return h("li", {},
        h("label", { class: "choice" }, box, h("span", {}, device.deviceName || "Unnamed device", h("span", { class: "muted small" }, `Signed in ${dateOf(device.creationTime)}`))),
        mark, sender({ class: "plain", "aria-label": `Sign out ${device.deviceName}`, "data-device": device.id, "data-part": "out", onclick: () => signOut([device]) }, "Sign out"));
    }));
    if (!devices.length) fill(state, h("p", { class: "muted" }, "No device is signed in."));
    if (focused?.device) {
      const same = list.querySelector(`[data-device="${CSS.escape(focused.device)}"][data-part="${focused.part}"]`);
      const next = list.children[Math.min(place, list.children.length - 1)]?.querySelector(`[data-part="${focused.part}"]`);
      /** @type {HTMLElement | null} */ (same ?? next ?? refresh)?.focus();
    }
    update();
  }

  function update() {
    some.disabled = ticked.size === 0;
    others.disabled = !devices.some((device) => !isCurrent(device));
  }

  /** @param {Device[]} chosen */
  async function signOut(chosen) {
    if (!chosen.length) return;
    const current = chosen.some(isCurrent);
    const one = chosen.length === 1;
    const sure = await confirmDialog({
      title: one ? `Sign out ${chosen[0].deviceName || "this device"}?` : `Sign out ${chosen.length} devices?`,
      text: [one ? "It stops working at once." : "They stop working at once.", ...(current ? ["This browser is among them: you are signed out here."] : [])],
      verb: one ? "Sign out" : `Sign out ${chosen.length} devices`,
    });
    if (!sure) return;
    setStatus(status, "wait", "Signing out…");
    let failure = "";
    // This browser goes last: after that it may sign out nobody.
    for (const device of [...chosen].sort((a, b) => Number(isCurrent(a)) - Number(isCurrent(b)))) {
      try {
        const { error } = await session.call("Users.RemoveToken", { tokenId: device.id });
        if (error !== "UserErrorNoError" && error !== "UserErrorTokenNotFound") failure = outcomeWords(error);
      } catch (error) {
        failure = refusalWords(session, error);
        break;
      }
    }
    setStatus(status, failure ? "danger" : "ok", failure || (one ? "Signed out" : `${chosen.length} signed out`));
    if (failure) alertUser(failure);
    else say(status.textContent ?? "");
    await load();
    const focus = list.querySelector('[data-part="out"]') ?? refresh;
    if (!failure && (document.activeElement === document.body || !document.activeElement?.isConnected)) focus.focus();
  }

  load();
  addEventListener("focus", () => load(), { signal });
  session.addEventListener("synced", () => load(), { signal });
  // The cards beside it know when it changed, and ask for what it can do.
  queueMicrotask(() => {
    element.parentElement?.addEventListener("devices-changed", () => load(), { signal });
    element.parentElement?.addEventListener("sign-out-others", () => signOut(devices.filter((device) => !isCurrent(device))), { signal });
  });
  update();
  return element;
}
