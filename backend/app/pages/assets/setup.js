// Takes the set-up code out of the link's fragment, which never reaches a server, into the form and out of the history.
const match = /^#code=([a-z0-9-]+)$/i.exec(window.location.hash);
if (match) {
  document.getElementById("code").value = match[1];
  window.history.replaceState(null, "", window.location.pathname);
  document.getElementById("email").focus();
}
