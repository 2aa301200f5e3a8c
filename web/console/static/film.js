// The film strip of a job's page: choose a frame, scrub, play, and look at pictures large.
const at = (id) => document.getElementById(id);
const FRAME_MS = 1000 / 12; // while playing
const SETTLE_MS = 350; // without a choice, before the page is read for the chosen frame
const SCALES = [1, 2, 4, 8, 16, 32]; // pixels of the screen for each pixel of a picture
const strip = at("strip");
const scrub = at("scrub");
const reel = at("reel");
const light = at("light");
const slider = at("reel-at");
let chosen = null; // the link of the frame that the user chose last; null: the page decides
let settling = 0;
let playing = false;
let zoom = 0;

const links = () => [...strip.querySelectorAll("a[data-frame]")];
const pictureOf = ({ dataset }) => dataset.full || dataset.small;
const smallOf = ({ dataset }) => dataset.small || dataset.full;
const framed = () => at("stage").querySelector("[data-shown]")?.dataset.shown;
const frame = () => chosen ?? framed();
const here = () => links().find(({ dataset }) => dataset.frame === frame());

// Reads the page again for the chosen frame, which then has an address.
function settle() {
  const url = new URL(location);
  const live = at("live");
  url.searchParams.set("frame", chosen);
  url.hash = "";
  history.replaceState(null, "", url);
  if (!live) return;
  live.dataset.stream = `${url.pathname}${url.search}#${live.dataset.stream.split("#")[1]}`;
  document.dispatchEvent(new Event("moved"));
}

// Covers the stage until the page shows the chosen frame itself.
function cover() {
  const link = here();
  const stage = at("stage").querySelector("img");
  const isThere = !playing && (chosen === null || (chosen === framed() && (!stage || stage.complete)));
  scrub.hidden = !link || isThere;
  if (scrub.hidden) return;
  const source = smallOf(link);
  const image = scrub.querySelector("img");
  image.hidden = !source;
  if (source && image.getAttribute("src") !== source) image.src = source;
  scrub.querySelector("p").textContent = source ? "" : link.getAttribute("aria-label");
}

function show() {
  const all = links();
  const link = here();
  for (const each of all) each.toggleAttribute("data-here", each === link);
  reel.hidden = all.filter(smallOf).length < 2;
  slider.max = Math.max(0, all.length - 1);
  if (link) {
    slider.value = all.indexOf(link);
    at("reel-said").textContent = link.getAttribute("aria-label");
    const { offsetLeft, offsetWidth } = link.parentElement;
    const room = link.closest("ol");
    if (offsetLeft < room.scrollLeft || offsetLeft + offsetWidth > room.scrollLeft + room.clientWidth) {
      room.scrollLeft = offsetLeft - (room.clientWidth - offsetWidth) / 2;
    }
  }
  cover();
}

function choose(link) {
  chosen = link.dataset.frame;
  clearTimeout(settling);
  if (!playing) settling = setTimeout(settle, SETTLE_MS);
  show();
  if (light.open) enlarge();
}

// Chooses the next frame that has a picture, in either direction.
function step(by, isRound) {
  const all = links().filter(smallOf);
  const place = all.indexOf(here());
  const next = place < 0 ? all[0] : all[isRound ? (place + by + all.length) % all.length : place + by];
  if (next) choose(next);
  return next;
}

const wait = (ms) => new Promise((done) => { setTimeout(done, ms); });

function setPlaying(isOn) {
  playing = isOn;
  at("reel-play").setAttribute("aria-pressed", isOn);
}

async function play() {
  setPlaying(!playing);
  while (playing) {
    const next = step(1, true);
    if (!next) break;
    await Promise.all([scrub.querySelector("img").decode().catch(() => {}), wait(FRAME_MS)]);
  }
  if (chosen !== null && chosen !== framed()) settle();
  cover();
}

// The lightbox shows the chosen frame, or the only picture of the page.
function enlarge() {
  const link = here();
  const look = document.querySelector("a[data-look]");
  const image = light.querySelector("img");
  const source = link ? pictureOf(link) : look?.href;
  if (source && image.getAttribute("src") !== source) image.src = source;
  image.alt = link ? link.getAttribute("aria-label") : look?.querySelector("img").alt ?? "";
  at("light-name").textContent = image.alt;
  const all = scales();
  zoom = Math.min(zoom, all.length - 1);
  image.style.width = zoom ? `${image.naturalWidth * all[zoom]}px` : "100%";
  image.style.height = zoom ? `${image.naturalHeight * all[zoom]}px` : "100%";
  at("light-zoom").textContent = `${Math.round(all[zoom] * 100)} %`;
}

// Returns the scales of the lightbox: the first shows the whole picture.
function scales() {
  const { naturalWidth: width, naturalHeight: height } = light.querySelector("img");
  const room = light.querySelector(".room");
  const whole = width && height ? Math.min(room.clientWidth / width, room.clientHeight / height) : 1;
  return [whole, ...SCALES.filter((scale) => scale > whole * 1.01)];
}

function magnify(by, x = 0.5, y = 0.5) {
  const room = light.querySelector(".room");
  zoom = Math.max(0, by === 0 ? 0 : zoom + by);
  enlarge();
  room.scrollLeft = x * room.scrollWidth - room.clientWidth / 2;
  room.scrollTop = y * room.scrollHeight - room.clientHeight / 2;
}

const KEYS = {
  ArrowLeft: () => step(-1),
  ArrowRight: () => step(1),
  "+": () => magnify(1),
  "=": () => magnify(1),
  "-": () => magnify(-1),
  0: () => magnify(0),
};

document.addEventListener("click", (event) => {
  if (event.ctrlKey || event.metaKey || event.shiftKey) return;
  const link = event.target.closest("#strip a[data-frame]");
  if (!link && !event.target.closest("a[data-look]")) return;
  event.preventDefault();
  if (link) {
    setPlaying(false);
    choose(link);
  } else {
    zoom = 0;
    light.showModal();
    enlarge();
  }
});
light.addEventListener("keydown", (event) => {
  event.stopPropagation(); // not a key of the page
  if (!KEYS[event.key]) return;
  event.preventDefault();
  KEYS[event.key]();
});
light.addEventListener("click", (event) => {
  const { act } = event.target.closest("button")?.dataset ?? {};
  if (act === "close" || event.target === light) light.close();
  else if (act) KEYS[act]();
  else if (event.target.matches("img")) {
    const { left, top, width, height } = event.target.getBoundingClientRect();
    magnify(zoom === scales().length - 1 ? 0 : 1, (event.clientX - left) / width, (event.clientY - top) / height);
  }
});
light.querySelector("img").addEventListener("load", enlarge);
addEventListener("resize", () => { if (light.open) enlarge(); });
if (slider) {
  slider.addEventListener("input", () => {
    setPlaying(false);
    choose(links()[slider.value]);
  });
  at("reel-play").addEventListener("click", play);
  for (const each of reel.querySelectorAll("[data-by]")) each.addEventListener("click", () => step(+each.dataset.by));
  at("stage").addEventListener("load", cover, true);
  document.addEventListener("changed", show);
  show();
}
