// The page where people begin, and where a redirect brings them back.

import { attempt, parameters, post, PUBLIC_API, refusal, welcome } from "/ostiary.js";

const VERIFIER = "code_verifier";

/** Begins a sign-in whose answer comes to auth/callback. The server has the state and the verifier, in a cookie. */
async function beginOnThisPage() {
  const { authorization_url } = await post("/auth/google/start");
  location.assign(authorization_url);
}

/** Begins a sign-in whose answer comes to the server. What proves that it was us stays in this tab (RFC 7636). */
async function beginByRedirect() {
  const verifier = base64url(crypto.getRandomValues(new Uint8Array(32)));
  const digest = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(verifier));
  sessionStorage.setItem(VERIFIER, verifier);
  const query = new URLSearchParams({
    return_to: location.origin + location.pathname,
    code_challenge: base64url(new Uint8Array(digest)),
  });
  location.assign(`${PUBLIC_API}/auth/google/login?${query}`);
}

/** Trades the code of a redirect for tokens. A code that this tab did not ask for is not even sent. */
async function arrive({ code, error }) {
  const code_verifier = sessionStorage.getItem(VERIFIER);
  sessionStorage.removeItem(VERIFIER);
  if (error) throw refusal(error);
  if (!code_verifier) throw refusal("FLOW_INVALID");
  await welcome(await post("/auth/exchange", { code, code_verifier }));
}

function base64url(bytes) {
  return btoa(String.fromCharCode(...bytes)).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
}

document.getElementById("page").addEventListener("click", () => attempt(beginOnThisPage));
document.getElementById("redirect").addEventListener("click", () => attempt(beginByRedirect));

if (parameters.code || parameters.error) attempt(() => arrive(parameters));
