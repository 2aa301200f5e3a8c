// Moves the invitation from the link's fragment, which browsers send to no server, into the form.
const field = document.getElementById("invitation");
const given = new URLSearchParams(location.hash.slice(1)).get("invitation");
if (field && given) {
  field.value = given;
  history.replaceState(null, "", location.pathname + location.search);
  document.getElementById("name").focus();
}
