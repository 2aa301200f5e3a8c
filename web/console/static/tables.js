// Selection of rows, with "select all" and a count; scrolls the open tab into view.
export function tables() {
  const boxes = (table) => [...table.querySelectorAll("tbody input[type=checkbox]")];
  const tell = (form) => {
    const chosen = form.querySelectorAll("tbody input[type=checkbox]:checked").length;
    for (const each of form.querySelectorAll("[data-chosen]")) each.textContent = chosen;
    for (const each of form.querySelectorAll("[data-needs-chosen]")) each.disabled = !chosen;
    for (const each of form.querySelectorAll("[data-needs-rows]")) each.disabled = !form.querySelector("tbody tr");
  };
  document.addEventListener("change", (event) => {
    const box = event.target.closest("table input[type=checkbox]");
    if (!box) return;
    const table = box.closest("table");
    const all = table.querySelector("[data-all]");
    if (box === all) for (const each of boxes(table)) each.checked = all.checked;
    else if (all) all.checked = boxes(table).every((each) => each.checked);
    const form = box.closest("form");
    if (form) tell(form);
  });
  document.addEventListener("submit", (event) => {
    const question = event.submitter?.dataset.confirm;
    if (question && !confirm(question)) event.preventDefault();
  });
  const tab = document.querySelector(".tabs [aria-current]");
  const row = tab?.closest(".tabs");
  if (row) row.scrollLeft += tab.getBoundingClientRect().right - row.getBoundingClientRect().right;
  const all = () => document.querySelectorAll("form:has([data-chosen])").forEach(tell);
  all();
  return all;
}
