// Suggestions for the filter's field: arrow keys choose, Tab or Enter accepts, Escape closes.
const form = document.querySelector("form.filter");
const field = form?.querySelector("#search");

function offered(known, text) {
  const word = text.slice(text.lastIndexOf(" ") + 1).toLowerCase();
  const [name, begun] = word.includes(":") ? [word.slice(0, word.indexOf(":")), word.slice(word.indexOf(":") + 1)] : [null, word];
  if (name === null) {
    return known.words.filter(([each]) => each.startsWith(begun)).map(([each, what]) => ({ take: each, show: each, what }));
  }
  const values = known.values[name] ?? [];
  const quoted = (each) => (/\s/.test(each) ? `"${each.replaceAll('"', "")}"` : each);
  return values
    .filter((each) => each.toLowerCase().includes(begun) && each.toLowerCase() !== begun)
    .slice(0, 12)
    .map((each) => ({ take: `${name}:${quoted(each)} `, show: each, what: "" }));
}

function begin() {
  const known = JSON.parse(form.dataset.words);
  const list = document.createElement("ul");
  list.className = "offer";
  list.id = "offer";
  list.setAttribute("role", "listbox");
  list.setAttribute("aria-label", "Suggestions");
  list.hidden = true;
  form.append(list);
  for (const [name, value] of [["role", "combobox"], ["aria-expanded", "false"], ["aria-controls", "offer"], ["aria-autocomplete", "list"]]) {
    field.setAttribute(name, value);
  }
  let found = [];
  let at = -1;

  const show = () => {
    list.replaceChildren(...found.map((each, number) => {
      const row = document.createElement("li");
      row.id = `offer-${number}`;
      row.setAttribute("role", "option");
      row.setAttribute("aria-selected", number === at);
      const code = document.createElement("code");
      code.textContent = each.show;
      row.append(code, each.what);
      row.addEventListener("mousedown", (event) => { event.preventDefault(); take(number); });
      return row;
    }));
    list.hidden = !found.length;
    field.setAttribute("aria-expanded", !list.hidden);
    if (at >= 0 && !list.hidden) field.setAttribute("aria-activedescendant", `offer-${at}`);
    else field.removeAttribute("aria-activedescendant");
  };
  const offer = () => { found = offered(known, field.value.slice(0, field.selectionStart)); at = -1; show(); };
  const close = () => { found = []; show(); };
  const take = (number) => {
    const end = field.selectionStart;
    const begun = field.value.slice(0, end);
    const start = begun.lastIndexOf(" ") + 1;
    field.value = begun.slice(0, start) + found[number].take + field.value.slice(end).trimStart();
    const place = start + found[number].take.length;
    field.setSelectionRange(place, place);
    offer();
  };
  field.addEventListener("input", offer);
  field.addEventListener("focus", offer);
  field.addEventListener("blur", close);
  field.addEventListener("keydown", (event) => {
    if (list.hidden) return;
    if (event.key === "ArrowDown" || event.key === "ArrowUp") {
      const step = event.key === "ArrowDown" ? 1 : -1;
      at = at < 0 && step < 0 ? found.length - 1 : (at + step + found.length) % found.length;
      show();
    } else if ((event.key === "Enter" || event.key === "Tab" && !event.shiftKey) && at >= 0) take(at);
    else if (event.key === "Escape") { close(); event.stopPropagation(); }
    else return;
    event.preventDefault();
  });
}

if (field) begin();
