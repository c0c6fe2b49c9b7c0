// Drives every ceremony of second factors and passkeys, with a session cookie.
import { showAccount } from "./account.js";
import { call, Refused } from "./api.js";
import { byId, complain, offer, say, show, stepUp } from "./parts.js";
import * as passkeys from "./passkeys.js";

const COOKIE = "?transport=cookie";
const LACKING = "SECOND_FACTOR_REQUIRED";
let repeat = null;

// Does something when somebody asks for it, says so, and shows the account as it is then.
function act(element, event, action, done) {
  on(element, event, async () => {
    await action();
    await showAccount(act);
    say(done);
  });
}

function on(element, event, action) {
  element.addEventListener(event, async (happened) => {
    happened.preventDefault();
    await attempt(action);
  });
}

async function attempt(action) {
  say("");
  try {
    await action();
  } catch (error) {
    explain(error, action);
  }
}

function explain(error, action) {
  const { code, methods } = error instanceof Refused ? error.problem : {};
  if (code === LACKING) {
    goOn(error.problem);
  } else if (code === "INSUFFICIENT_USER_AUTHENTICATION" && !stepUp.open) {
    attempt(() => proveAgain(methods, action));
  } else if (code === "PENDING_SIGN_IN_INVALID" || error.problem?.status === 401 && byId("who").textContent && !stepUp.open) {
    beginAgain();
    complain(`${error.message}.`);
  } else if (error.name === "InvalidStateError") {
    complain("This device holds a passkey of this account already.");
  } else if (error.name === "NotAllowedError") {
    complain("No passkey was used.");
  } else {
    complain(`${error.message} (${code ?? error.name})`);
  }
}

// Signing in.

async function signIn(path, body) {
  await call("POST", `${path}${COOKIE}`, body);
  await signedIn();
}

async function signedIn() {
  passkeys.stopWaiting();
  await showAccount(act);
}

function password() {
  const { username, password } = byId("password").elements;
  return new URLSearchParams({ username: username.value, password: password.value });
}

function beginAgain() {
  byId("who").textContent = "";
  show("sign-in");
  waitForPasskey();
}

// A passkey out of the list of the form field.
async function waitForPasskey() {
  if (!byId("elsewhere")) {
    await attempt(async () => {
      const answer = await passkeys.choose("/auth/passkey/options");
      if (answer) {
        await signIn("/auth/passkey", answer);
      }
    });
  }
}

on(byId("password"), "submit", () => signIn("/auth/login", password()));
on(byId("register"), "click", async () => {
  const form = byId("password");
  if (form.reportValidity()) {
    const { username, password: chosen } = form.elements;
    await call("POST", "/auth/register", { email: username.value, password: chosen.value });
    await signIn("/auth/login", password());
  }
});
on(byId("passkey"), "click", async () => signIn("/auth/passkey", await passkeys.use("/auth/passkey/options")));

// Going on with a second factor. What has been proved so far is in a cookie; the server says what is lacking.

function goOn({ stage, factors }) {
  passkeys.stopWaiting();
  if (stage === "enrolment") {
    attempt(() => offerApp(`/auth/second-factor/totp${COOKIE}`, true));
  } else {
    offer("further", factors);
    show("second-factor");
  }
}

// A fresh proof, and then once more what wanted it.

// The server says what would do; only the account says which of that it has.
async function proveAgain(methods, action) {
  const { totp, passkeys: held, recovery_codes_left: left } = await call("GET", "/auth/me/factors");
  const has = { totp, passkey: held.length, recovery_code: left, pwd: true };
  const ways = methods.filter((method) => has[method]);
  if (!ways.length) {
    complain("Sign out and sign in again: nothing else proves anew who you are.");
    return;
  }
  repeat = action;
  offer("again", ways.map((method) => (method === "pwd" ? "password" : method)));
  stepUp.showModal();
}

const WAYS = {
  further: { path: "/auth/second-factor", query: COOKIE, finish: signedIn },
  again: {
    path: "/auth/reauthenticate",
    query: "",
    finish: async () => {
      stepUp.close();
      await attempt(repeat);
    },
  },
};

for (const form of document.querySelectorAll("[data-proofs] form")) {
  const id = form.closest("[data-proofs]").dataset.proofs;
  const { path, query, finish } = WAYS[id];
  const { method } = form.dataset;
  on(form, "submit", async () => {
    const proof = method === "passkey" ? await passkeys.use(`${path}/passkey/options${query}`, id === "further" ? {} : undefined) : Object.fromEntries(new FormData(form));
    const further = id === "further" ? { remember_device: Boolean(byId("remember")?.checked) } : {};
    const named = id === "again" && method === "password" ? {} : { method };
    await call("POST", `${path}${query}`, { ...named, ...proof, ...further });
    form.reset();
    await finish();
  });
}

// The account.

async function offerApp(path, isForced = false) {
  const { secret, uri, qr_svg: picture } = await call("POST", path, isForced ? {} : undefined);
  byId("must").hidden = !isForced;
  byId("qr").src = `data:image/svg+xml,${encodeURIComponent(picture)}`;
  byId("typed").textContent = secret;
  byId("uri").href = uri;
  byId("confirm").dataset.path = `${path.replace(COOKIE, "")}/confirm${isForced ? COOKIE : ""}`;
  show("app");
}

async function showCodes(codes) {
  byId("qr").removeAttribute("src");
  byId("uri").removeAttribute("href");
  byId("typed").textContent = "";
  if (!codes) {
    await showAccount(act);
    return;
  }
  byId("codes").replaceChildren(
    ...codes.map((code) => {
      const item = document.createElement("li");
      item.append(Object.assign(document.createElement("code"), { textContent: code }));
      return item;
    }),
  );
  show("codes");
}

on(byId("add-app"), "click", () => offerApp("/auth/me/totp"));
on(byId("confirm"), "submit", async () => {
  const { recovery_codes: codes } = await call("POST", byId("confirm").dataset.path, { code: byId("shown").value });
  await showCodes(codes);
});
on(byId("kept"), "click", async () => {
  byId("codes").replaceChildren();
  await showAccount(act);
});
on(byId("add-passkey"), "submit", async () => {
  const made = await passkeys.make("/auth/me/passkeys/options");
  const { recovery_codes: codes } = await call("POST", "/auth/me/passkeys", { name: byId("new-name").value, ...made });
  await showCodes(codes);
  say("The passkey is added.");
});
on(byId("new-codes"), "click", async () => {
  await showCodes((await call("POST", "/auth/me/recovery-codes")).recovery_codes);
});
act(byId("remove-app"), "click", () => call("DELETE", "/auth/me/totp"), "The app is removed.");
act(byId("forget"), "click", () => call("DELETE", "/auth/me/remembered-devices"), "Every browser is asked again.");
on(byId("prove"), "click", async () => {
  const { totp, passkeys: held } = await call("GET", "/auth/me/factors");
  const methods = totp || held.length ? ["totp", "passkey", "recovery_code"] : ["pwd"];
  await proveAgain(methods, async () => say("That is proved."));
});
on(byId("sign-out"), "click", async () => {
  await call("POST", "/auth/logout");
  beginAgain();
});
for (const button of document.querySelectorAll("[data-again]")) {
  on(button, "click", async () => (byId("who").textContent ? showAccount(act) : beginAgain()));
}

// How far this browser has come.

for (const element of document.querySelectorAll("[data-needs-passkeys]")) {
  element.hidden = !passkeys.areSupported || Boolean(byId("elsewhere"));
}
const { hasSession, hasPending } = document.querySelector("main > [role=status]").dataset;
history.replaceState(null, "", location.pathname);
if (hasPending !== undefined) {
  await attempt(async () => goOn(await call("POST", `/auth/second-factor/status${COOKIE}`, {})));
} else if (hasSession !== undefined) {
  await attempt(() => showAccount(act));
} else {
  beginAgain();
}
