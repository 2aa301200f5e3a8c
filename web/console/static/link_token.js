// Moves the token from the link's fragment, which browsers send to no server, into the form.
const field = document.getElementById("token");
const given = new URLSearchParams(location.hash.slice(1)).get("token");
if (field && given) {
  field.value = given;
  history.replaceState(null, "", location.pathname + location.search);
  document.getElementById("new_password")?.focus();
}
