// The place of a problem: a rectangle that is drawn in the picture, or four numbers.
const figure = document.getElementById("marked");
const rect = document.getElementById("marked-place");
const fields = ["left", "top", "width", "height"].map((name) => document.getElementById(name));
const SIDES = ["x", "y", "width", "height"];
let from = null; // where the rectangle begins, in percent

function paint() {
  fields.forEach((field, at) => rect.setAttribute(SIDES[at], Math.max(0, Number(field.value) || 0)));
}

function spot(event) {
  const { left, top, width, height } = figure.querySelector("img").getBoundingClientRect();
  const part = (value) => Math.min(100, Math.max(0, Math.round(value * 10) / 10));
  return [part((event.clientX - left) / width * 100), part((event.clientY - top) / height * 100)];
}

figure.addEventListener("pointerdown", (event) => {
  if (event.button) return;
  event.preventDefault();
  figure.setPointerCapture(event.pointerId);
  from = spot(event);
});
figure.addEventListener("pointermove", (event) => {
  if (!from) return;
  const [x, y] = spot(event);
  const sizes = [Math.abs(x - from[0]), Math.abs(y - from[1])];
  const all = [Math.min(x, from[0]), Math.min(y, from[1]), ...sizes];
  all.forEach((value, at) => { fields[at].value = Math.round(value * 10) / 10; });
  paint();
});
figure.addEventListener("pointerup", (event) => {
  const [x, y] = spot(event);
  if (from && (x === from[0] || y === from[1])) for (const field of fields) field.value = ""; // a click: everywhere
  from = null;
  paint();
});
figure.addEventListener("pointercancel", () => { from = null; });
for (const field of fields) field.addEventListener("input", paint);
paint();
