// Passkeys with what browsers bring themselves (WebAuthn Level 3): the server's options in, the server's answer out.
import { call } from "./api.js";

export const areSupported = Boolean(window.PublicKeyCredential?.parseCreationOptionsFromJSON);

// A ceremony lasts five minutes: what waits in the list of a form field is begun anew before that.
const RENEWED_AFTER = 4 * 60_000;
let waiting = null;

// Makes a passkey, and returns what POST /auth/me/passkeys takes.
export async function make(optionsPath) {
  const { publicKey, ceremony } = await call("POST", optionsPath);
  const options = PublicKeyCredential.parseCreationOptionsFromJSON(publicKey);
  const credential = await navigator.credentials.create({ publicKey: options });
  return { ceremony, credential: credential.toJSON() };
}

// Asks for a passkey, and returns what the server takes as its answer. A browser asks one question at a time.
export async function use(optionsPath, body) {
  stopWaiting();
  return answer(await call("POST", optionsPath, body), {});
}

// Offers passkeys in the list of the field with autocomplete="username webauthn", until one is chosen (conditional UI).
// Returns null when that is not possible, or when somebody signs in otherwise.
export async function choose(optionsPath) {
  if (!areSupported || !(await PublicKeyCredential.isConditionalMediationAvailable?.())) {
    return null;
  }
  for (;;) {
    const mine = new AbortController();
    waiting?.abort();
    waiting = mine;
    const renewal = setTimeout(() => mine.abort("renew"), RENEWED_AFTER);
    try {
      return await answer(await call("POST", optionsPath), { mediation: "conditional", signal: mine.signal });
    } catch (error) {
      if (!mine.signal.aborted) {
        throw error;
      }
      if (mine.signal.reason !== "renew") {
        return null;
      }
    } finally {
      clearTimeout(renewal);
    }
  }
}

export function stopWaiting() {
  waiting?.abort("stopped");
  waiting = null;
}

async function answer({ publicKey, ceremony }, how) {
  const options = PublicKeyCredential.parseRequestOptionsFromJSON(publicKey);
  const credential = await navigator.credentials.get({ publicKey: options, ...how });
  return { ceremony, credential: credential.toJSON() };
}
