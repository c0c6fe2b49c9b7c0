// What the page shows, and what it says. One part at a time; whoever cannot see it is told by focus and by live regions.
const parts = [...document.querySelectorAll("[data-part]")];
export const stepUp = document.getElementById("step-up");

export function byId(id) {
  return document.getElementById(id);
}

export function show(name) {
  for (const part of parts) {
    part.hidden = part.dataset.part !== name;
  }
  const shown = parts.find((part) => !part.hidden);
  shown.querySelector("h2").focus();
  for (const input of shown.querySelectorAll("input[autocomplete=one-time-code], input[type=password]")) {
    input.value = "";
  }
}

export function say(text) {
  document.querySelector("main > [role=status]").textContent = text;
  complain("");
}

export function complain(text) {
  const [behind, inDialog] = document.querySelectorAll("[role=alert]");
  behind.textContent = stepUp.open ? "" : text;
  inDialog.textContent = stepUp.open ? text : "";
}

// Leaves those ways to prove who one is that are open now.
export function offer(id, methods) {
  for (const form of document.querySelectorAll(`[data-proofs="${id}"] form`)) {
    form.hidden = !methods.includes(form.dataset.method);
  }
}
