// The overview: what the account has, as rows with what can be done about each.
import { call } from "./api.js";
import { byId, show } from "./parts.js";

const day = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "short" });

function when(text) {
  return text ? day.format(new Date(text)) : "never";
}

function row(template, list) {
  const item = byId(template).content.cloneNode(true).firstElementChild;
  byId(list).append(item);
  return item;
}

// `act` wraps what a button does: it tells of refusals, and asks for a fresh proof where one is wanted.
export async function showAccount(act) {
  const [me, factors] = await Promise.all([call("GET", "/auth/me"), call("GET", "/auth/me/factors")]);
  byId("who").textContent = `${me.email}${factors.required ? ", who has to have a second factor" : ""}`;
  byId("app-state").textContent = factors.totp
    ? `Added ${when(factors.totp.confirmed_at)}, last used ${when(factors.totp.last_used_at)}`
    : "None";
  byId("remove-app").hidden = !factors.totp;
  byId("add-app").textContent = factors.totp ? "Replace the app" : "Add an app";
  byId("codes-left").textContent = `${factors.recovery_codes_left} left`;
  byId("new-codes").hidden = !factors.totp && !factors.passkeys.length;
  byId("forget").hidden = !factors.remembered_devices.length;
  byId("passkeys").replaceChildren();
  factors.passkeys.forEach((passkey) => showPasskey(passkey, act));
  byId("remembered-state").textContent = factors.remembered_devices.length ? "" : "None";
  byId("remembered").replaceChildren();
  factors.remembered_devices.forEach((device) => showRemembered(device, act));
  show("account");
}

function showPasskey(passkey, act) {
  const item = row("passkey-row", "passkeys");
  const [form, name, remove] = [item.querySelector("form"), item.querySelector("input"), item.querySelector("[type=button]")];
  const kind = passkey.is_backup_eligible ? "may be shared by its owner's devices" : "stays on its device";
  item.querySelector("p").textContent =
    `Added ${when(passkey.created_at)}, last used ${when(passkey.last_used_at)}; ${kind}`;
  name.value = passkey.name;
  remove.setAttribute("aria-label", `Remove ${passkey.name}`);
  act(form, "submit", () => call("PATCH", `/auth/me/passkeys/${passkey.id}`, { name: name.value }), "Renamed.");
  act(remove, "click", () => call("DELETE", `/auth/me/passkeys/${passkey.id}`), "Removed.");
}

function showRemembered(device, act) {
  const item = row("remembered-row", "remembered");
  item.querySelector("span").textContent = `${device.device}, until ${when(device.expires_at)}`;
  act(
    item.querySelector("button"),
    "click",
    () => call("DELETE", `/auth/me/remembered-devices/${device.id}`),
    "That browser is asked again.",
  );
}
