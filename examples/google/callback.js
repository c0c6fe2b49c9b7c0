// The page that Google sends people to: FRONTEND_URL/auth/callback. It hands the answer over, and judges nothing itself.

import { attempt, parameters, post, refusal, welcome } from "/ostiary.js";

// Google adds further parameters; these count. The server compares the state with its cookie.
const { state, code, iss, error } = parameters;

attempt(async () => {
  if (!state) throw refusal("NOTHING_CAME"); // Opened by hand, or again after the answer was taken out of the address.
  await welcome(await post("/auth/google/code", { state, code, iss, error }));
});
