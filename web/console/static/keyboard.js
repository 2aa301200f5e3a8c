// Keyboard shortcuts: see the dialog in base.html. They are off while the user types. A live update
// removes the mark of the current row, so the row is remembered here and marked again.
const rows = () => [...document.querySelectorAll("[data-row]")];
let place = null; // {id, index} of the current row
let focused = null;

function mark(row, all) {
  for (const each of all) each.classList.toggle("at", each === row);
  row.tabIndex = -1;
  place = { id: row.id, index: all.indexOf(row) };
}

function here(all) {
  if (!place) return null;
  return (place.id && all.find((row) => row.id === place.id)) || all[Math.min(all.length - 1, place.index)] || null;
}

function move(step) {
  const all = rows();
  if (!all.length) return;
  const next = all[Math.min(all.length - 1, Math.max(0, all.indexOf(here(all)) + step))];
  mark(next, all);
  next.focus({ preventScroll: true });
  next.scrollIntoView({ block: "nearest" });
}

function again() {
  const all = rows();
  const row = here(all);
  if (!row) return;
  mark(row, all);
  if (focused?.matches("[data-row]") && document.activeElement === document.body) row.focus({ preventScroll: true });
}

const current = () => here(rows());

function open() {
  current()?.querySelector("a[href]")?.click();
}

function select() {
  current()?.querySelector("input[type=checkbox]")?.click();
}

// Retry the selected rows or, if there are none, the current row, after the button's confirmation.
// On pages without retry, reload the page, unless that would send a form again.
function retry() {
  const chosen = document.querySelector("form:has([data-retry-chosen]):has(tbody input[type=checkbox]:checked)");
  const form = chosen ?? current()?.closest("form:has([data-retry-chosen])");
  if (!form) {
    if (!document.querySelector("[data-sent]")) location.reload();
    return;
  }
  if (!chosen) select();
  let sent = false;
  const note = (event) => { sent = !event.defaultPrevented; };
  addEventListener("submit", note);
  form.querySelector("[data-retry-chosen]").click();
  removeEventListener("submit", note);
  if (!chosen && !sent) select(); // not confirmed: restore the selection
}

export function keyboard() {
  const help = document.getElementById("keys");
  document.getElementById("help")?.addEventListener("click", () => help.showModal());
  let going = 0;
  const keys = {
    "?": () => help?.showModal(),
    "/": () => document.getElementById("search")?.focus(),
    g: () => { going = Date.now(); },
    j: () => move(1),
    k: () => move(-1),
    Enter: open,
    x: select,
    r: retry,
    t: () => document.getElementById("times")?.click(),
    p: () => document.getElementById("pause")?.click(),
  };
  document.addEventListener("focusin", (event) => { focused = event.target; });
  document.addEventListener("pointerdown", (event) => { focused = event.target; });
  document.addEventListener("keydown", (event) => {
    const typing = event.target.closest("input:not([type=checkbox]), textarea, select, [contenteditable]");
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (typing) {
      if (event.key === "Escape") event.target.blur();
      return;
    }
    if (help?.open) return;
    if (Date.now() - going < 1500 && event.key !== "g") {
      going = 0;
      const target = document.querySelector(`.menu a[data-key="${CSS.escape(event.key)}"]`);
      if (target) {
        event.preventDefault();
        target.click();
        return;
      }
    }
    if (event.key === "Enter" && event.target.closest("a, button, summary")) return;
    const act = keys[event.key];
    if (act) {
      if (event.key !== "Enter" || current()) event.preventDefault();
      act();
    }
  });
  return again;
}
