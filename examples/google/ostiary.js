// What both pages share: calling Ostiary, and telling people what came of it. It runs before every other script, and a
// page of your own should load none of others' before it: whatever runs while a code is in the address can read it.

// Called by the same name as this page (localhost, or 127.0.0.1): of another site the browser would keep no cookie.
const API = `http://${location.hostname}:8000/api/v1`;

// The PUBLIC_URL of the server. A redirect ends there, so it begins there.
export const PUBLIC_API = "http://127.0.0.1:8000/api/v1";

// What brought somebody here. Taken before anything else runs on the page, and gone from the address and the history.
export const parameters = takeParameters();

const TEXTS = {
  PROVIDER_REFUSED: "Google did not sign you in. Nothing has changed.",
  LINK_REQUIRED: "You have an account with this address. Sign in as before, and add Google in your settings.",
  IDENTITY_REFUSED: "This Google account cannot be used here.",
  INVALID_CREDENTIALS: "This account is closed.",
  PROVIDER_UNAVAILABLE: "Google does not answer. Try again in a moment.",
  NOTHING_CAME: "There is no answer of Google's in this address. Please begin again.",
};
const AGAIN = "That did not work. Please begin again.";
// A page is not told more: the browser keeps from it what the server does not mean for its address.
const NO_ANSWER = "The server does not answer this page. Is it running, and is this address its FRONTEND_URL?";

/** Reads query and fragment: a code of ours stands in the fragment, which no browser sends to any server. */
function takeParameters() {
  const query = new URLSearchParams(location.search);
  const fragment = new URLSearchParams(location.hash.slice(1));
  history.replaceState(null, "", location.pathname);
  return { ...Object.fromEntries(query), ...Object.fromEntries(fragment) };
}

/** Posts JSON with cookies, as signing in needs it. Returns the answer, or throws an error with a `code`. */
export async function post(path, body) {
  return read(
    await fetch(API + path, {
      method: "POST",
      credentials: "include",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify(body),
    }),
  );
}

/** Tells who has signed in. The tokens stay in memory: they are gone with the page. */
export async function welcome(tokens) {
  const headers = { Authorization: `Bearer ${tokens.access_token}` };
  // Without cookies: a request that brings both a token and a session cookie is refused.
  const me = await read(await fetch(`${API}/auth/me`, { headers, credentials: "omit" }));
  say(`You are ${me.full_name ?? me.email} (${me.email}).`);
}

/** Does something, and tells people when it fails. */
export async function attempt(action) {
  try {
    await action();
  } catch (error) {
    say(error.code ? (TEXTS[error.code] ?? AGAIN) : NO_ANSWER);
  }
}

/** Makes the error of a code that came in an address. */
export function refusal(code) {
  return Object.assign(new Error(code), { code });
}

async function read(response) {
  const answer = await response.json();
  if (!response.ok) throw refusal(answer.code);
  return answer;
}

function say(text) {
  document.getElementById("outcome").textContent = text;
}
