// Takes the token out of a mail's link: it stands in the fragment, which never reaches a server. This tab remembers it, so
// that going back after a mistake does not lose it. Nothing is sent until a person presses the button: programs that look
// at the links of mails run this too.
const place = `mailed ${window.location.pathname}`;
const form = document.querySelector("form[data-mailed]");

function token() {
  return window.sessionStorage.getItem(place);
}

function take() {
  const match = /^#token=([\w.~-]+)$/.exec(window.location.hash);
  if (match) {
    window.sessionStorage.setItem(place, match[1]);
    window.history.replaceState(null, "", window.location.pathname);
  }
  show();
}

function forget() {
  window.sessionStorage.removeItem(place);
  show();
}

// With a token nothing has to be typed that only stands in for it.
function show() {
  for (const part of document.querySelectorAll("[data-without-token]")) {
    part.hidden = Boolean(token());
    for (const input of part.querySelectorAll("input")) {
      input.disabled = part.hidden;
    }
  }
  for (const part of document.querySelectorAll("[data-with-token]")) {
    part.hidden = !token();
  }
}

if (form) {
  form.addEventListener("submit", (event) => {
    if (!token()) {
      return;
    }
    if (navigator.userActivation && !navigator.userActivation.isActive) {
      event.preventDefault();
      return;
    }
    form.elements.token.value = token();
    form.elements.token.disabled = false;
  });
  document.querySelector("button[data-forget]")?.addEventListener("click", forget);
  window.addEventListener("hashchange", take);
  take();
} else {
  // What the page tells of has been done: the token is worth nothing any more.
  window.sessionStorage.removeItem(place);
}
