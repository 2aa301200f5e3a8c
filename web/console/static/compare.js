// A wipe between two pictures, which lie over each other.
const pair = document.getElementById("compared");
const on = document.getElementById("wipe-on");
const place = document.getElementById("wipe-at");

function wipe() {
  pair.classList.toggle("over", on.checked);
  place.hidden = !on.checked;
  pair.style.setProperty("--at", `${place.value}%`);
}

if (pair && pair.querySelectorAll("img").length === 2) {
  on.addEventListener("change", wipe);
  place.addEventListener("input", wipe);
  pair.addEventListener("pointermove", ({ clientX }) => {
    if (!on.checked) return;
    const { left, width } = pair.getBoundingClientRect();
    place.value = (clientX - left) / width * 100;
    wipe();
  });
  wipe();
} else if (on) on.parentElement.hidden = true;
