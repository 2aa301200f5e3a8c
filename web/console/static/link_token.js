// Moves the secret from the link's fragment, which browsers send to no server, into the form. The
// field's id is the secret's name there, and its data-next is the id of the field to fill in then.
const field = document.querySelector("input[data-next]");
const given = field && new URLSearchParams(location.hash.slice(1)).get(field.id);
if (given) {
  field.value = given;
  history.replaceState(null, "", location.pathname + location.search);
  document.getElementById(field.dataset.next)?.focus();
}
