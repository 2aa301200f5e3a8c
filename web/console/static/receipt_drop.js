// Checks a picture with its receipt on the farm's first page. The files stay in the browser; what
// checks them is loaded when both are there.
const form = document.getElementById("check-picture");
const [picture, receipt] = [form.elements.picture, form.elements.receipt];
const [status, seal, steps] = ["check-status", "seal", "check-steps"].map((name) => document.getElementById(name));
const farm = JSON.parse(form.dataset.farm);
const MARKS = { true: ["done", "✓"], false: ["bad", "✗"], null: ["next", "–"] };
let turn = 0;

const isReceipt = (file) => /\.json$/i.test(file.name) || file.type === "application/json";

function put(field, file) {
  const files = new DataTransfer();
  files.items.add(file);
  field.files = files.files;
}

function line([name, [holds, said]]) {
  const [kind, mark] = MARKS[holds];
  const item = document.createElement("li");
  item.className = kind;
  const parts = [["span", mark, "mark"], ["span", "", ""]].map(([tag, text, style]) => Object.assign(document.createElement(tag), { textContent: text, className: style }));
  parts[0].ariaHidden = "true";
  parts[1].append(Object.assign(document.createElement("strong"), { textContent: name }), " ", Object.assign(document.createElement("small"), { textContent: said }));
  item.append(...parts);
  return item;
}

function show(said, found = { steps: [], seal: null }) {
  status.textContent = said;
  steps.replaceChildren(...found.steps.map(line));
  seal.hidden = !found.seal;
  for (const [name, value] of Object.entries(found.seal || {})) {
    const cell = seal.querySelector(`[data-of="${name}"]`);
    if (cell) cell.textContent = typeof value === "number" ? value.toLocaleString("en") : value;
  }
  if (found.seal) seal.querySelector("a").href = `/console/receipts/${found.seal.job}/${found.seal.unit}/page`;
}

async function check() {
  const mine = (turn += 1);
  const [file, proof] = [picture.files[0], receipt.files[0]];
  if (!file || !proof) return show(file ? "Now the receipt of the picture." : proof ? "Now the picture of the receipt." : "");
  show("Checking …");
  let [said, found] = ["", undefined];
  try {
    const { checkPicture, readReceipt } = await import("./receipt_check.js");
    found = await checkPicture(await readReceipt(proof), file, farm);
    said = found.seal ? "" : found.failed ? "No seal: a step failed." : "No seal: not every step could be checked.";
  } catch (error) {
    said = error.message;
  }
  if (mine === turn) show(said, found);
}

form.addEventListener("change", check);
form.addEventListener("submit", (event) => event.preventDefault());
for (const kind of ["dragenter", "dragover"]) {
  form.addEventListener(kind, (event) => {
    event.preventDefault();
    form.classList.add("over");
  });
}
for (const kind of ["dragleave", "drop"]) form.addEventListener(kind, () => form.classList.remove("over"));
form.addEventListener("drop", (event) => {
  event.preventDefault();
  for (const file of event.dataTransfer.files) put(isReceipt(file) ? receipt : picture, file);
  check();
});
