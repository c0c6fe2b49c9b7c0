// Takes the set-up code out of the link's fragment, which never reaches a server, into the form and out of the history.
// This tab remembers it, so that going back after a mistake does not lose it.
const match = /^#code=([a-z0-9-]+)$/i.exec(window.location.hash);
if (match) {
  window.sessionStorage.setItem("setup-code", match[1]);
  window.history.replaceState(null, "", window.location.pathname);
}
const code = window.sessionStorage.getItem("setup-code");
if (code) {
  document.getElementById("code").value = code;
  document.getElementById("email").focus();
}
