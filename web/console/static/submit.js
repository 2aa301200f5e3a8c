// A new job. Files are dropped or chosen, then uploaded and checked by themselves; a card shows the
// picture, the price and the problems, and has one button. The page's address is the draft: it has
// the references of the uploads and the form's values.
import { amount, exact, isChecking, many, marked, showLook, time } from "./look.js";
import { blendHead, isBlend } from "./blend_head.js";
import { framesOf, isOneFrame, restOf, saidOf } from "./frames_choice.js";
import { ask, Refused, upload } from "./upload.js";

const form = document.getElementById("new-job");
const part = (id) => document.getElementById(id);
const NUMBERS = ["width", "height", "samples"];
const TYPING_MS = 300; // without typing, before the price is requested
const LOOK_MS = 1500; // between polls of a preflight
const CREDITS_MS = 5000; // between polls for credits that were bought
const CREDITS_POLLS = 240;
const AT_ONCE = 3; // uploads
const BACK_MOST = 2000; // characters of the address to which buyers return
const ROUNDS = 3; // of matching missing files
const NAME_BYTES_MOST = 255; // of a file, in UTF-8
const SIZES = ["B", "KiB", "MiB", "GiB", "TiB"];

// The dropped files, the scene among them, and the uploads by file. `head`: what the scene's file
// says itself. `paths` maps paths in the scene to files; `rounds` counts how often such paths were
// sent. `measured`: the frames whose measurement the price asked for. `stop` ends the uploads, `ready` waits
// for them.
const none = () => ({ files: [], scene: "", sent: new Map(), head: {}, paths: {}, rounds: 0, measured: null, stop: null, ready: null });
let own = none();
let drops = 0;
let looked = null; // the preflight
let told = null; // the shown quote
let unlooked = ""; // why there is no preflight

// Whether the cause of a refusal is gone, by its code.
const GONE = {
  frames_unknown: () => frames() !== null,
  insufficient_credits: () => Boolean(told?.enough),
  not_measured: () => told !== null && !told.measurable,
};
let refused = null; // the shown error

const folder = () => import("./folder.js");
const reference = () => part("payload_ref").value.trim();
const isRender = () => part("job_type").value === "render";
const tiles = () => part("tiles").value.trim();
const what = () => form.elements.what.value;
const typed = () => part("frames").value.trim();

function bytes(number) {
  const place = Math.min(SIZES.length - 1, Math.floor(Math.log2(Math.max(1, number)) / 10));
  return `${(number / 1024 ** place).toFixed(place ? 1 : 0)} ${SIZES[place]}`;
}

// ── files ───────────────────────────────────────────────────────────────────────────────────────

// Takes dropped files: a new scene, or files that the present scene lacks.
async function take(dropped) {
  const mine = (drops += 1);
  complain(null);
  fresh();
  try {
    say(0, "Reading …");
    const found = await gatheredFrom(dropped);
    const paths = own.files.length ? await lackedBy(found.files) : {};
    if (mine !== drops) return;
    // until the check says what the scene lacks, textures join it
    const isUnknown = own.files.length > 0 && !found.scenes.length && looked?.status !== "DONE";
    if (isUnknown || Object.keys(paths).length) add(found.files, paths);
    else await begin(found);
    await start();
  } catch (error) {
    if (mine !== drops) return;
    part("sending").hidden = true;
    complain(error);
  }
}

// Begins to upload, and ends the uploads of files that were chosen before.
function start() {
  own.stop?.abort();
  const mine = own;
  mine.stop = new AbortController();
  mine.ready = send(mine, mine.stop.signal);
  mine.ready.catch(() => { mine.stop.abort(); mine.ready = null; });
  return mine.ready;
}

// One scene needs no reader of folders and zips.
async function gatheredFrom(dropped) {
  const [{ path, file } = {}] = dropped;
  if (dropped.length === 1 && !/\.zip$/i.test(path)) {
    return { files: [{ path: file.name, file }], scenes: /\.blend$/i.test(path) || !isRender() ? [file.name] : [] };
  }
  return (await folder()).gathered(dropped);
}

// Returns the files that the check misses and that are among these, by their paths in the scene.
async function lackedBy(files) {
  const lacking = looked?.findings.some(({ code }) => code === "missing_file");
  return lacking ? (await folder()).matched(looked.findings, files) : {};
}

function add(files, paths) {
  const places = new Map([...own.files, ...files].map(({ path, file }) => [path, file]));
  Object.assign(own, { files: [...places].map(([path, file]) => ({ path, file })), rounds: 0 });
  Object.assign(own.paths, paths);
}

// Sends an add-on of the farm with the scene, which nodes enable before they open the scene.
async function bring({ addon, of }) {
  if (!own.files.length) throw new Refused("Choose the scene again, to send it with the add-on.");
  complain(null);
  const answer = await fetch(`/download/${addon}`);
  if (!answer.ok) throw new Refused("The add-on cannot be fetched now. Try again.");
  const name = `${of}.zip`;
  add([{ path: `rendertrust-addons/${name}`, file: new File([await answer.blob()], name) }], {});
  await start();
}

async function begin({ files, scenes }) {
  if (!files.length) throw new Refused("There are no files in it, or all of them are empty.");
  const long = files.map(({ path }) => path.split("/").pop()).find((name) => new TextEncoder().encode(name).length > NAME_BYTES_MOST);
  if (long) throw new Refused(`${long.slice(0, 40)}… has a name of more than ${NAME_BYTES_MOST} bytes. Rename the file.`);
  if (!scenes.length && own.files.length) throw new Refused("The scene lacks none of these files, and none of them is a .blend file.");
  if (!scenes.length) throw new Refused("There is no .blend file among these files. Drop the scene, or the folder that it is in.");
  const { file } = files.find(({ path }) => path === scenes[0]);
  if (isRender() && !(await isBlend(file).catch(() => true))) throw new Refused(`${file.name} was not saved by Blender. Choose a .blend file.`);
  own.stop?.abort();
  const choice = part("scene");
  choice.replaceChildren(...scenes.map((path) => new Option(path)));
  part("scenes").hidden = scenes.length < 2;
  own = { ...none(), files, scene: scenes[0] };
  await reset();
}

// Forgets the former scene's upload and shows what the file itself says.
async function reset() {
  part("payload_ref").value = part("manifest").value = "";
  looked = told = null;
  unlooked = "";
  const { file } = own.files.find(({ path }) => path === own.scene);
  part("scene_name").value = own.scene.split("/").pop().slice(-200);
  own.head = await blendHead(file).catch(() => ({}));
  part("scene_range").value = own.head.first === undefined ? "" : `${own.head.first}:${own.head.last}`;
  const drawn = part("own-picture");
  if (own.head.picture) {
    Object.assign(drawn, { width: own.head.picture.width, height: own.head.picture.height });
    drawn.getContext("2d").putImageData(own.head.picture, 0, 0);
  }
  keep();
  refresh();
}

// Uploads what is not there yet, and has the scene checked.
async function send(mine, signal) {
  const hasPaths = Object.keys(mine.paths).length > 0;
  const files = hasPaths ? [...mine.files, (await folder()).moved(mine.paths)] : mine.files;
  await sendAll(files, mine.sent, signal);
  const sent = mine.sent.get(files.find(({ path }) => path === mine.scene).file);
  let list = "";
  if (files.length > 1) {
    const byPath = new Map(files.map(({ path, file }) => [path, mine.sent.get(file)]));
    list = (await upload((await folder()).manifest(mine.scene, byPath), () => {}, signal)).reference;
  }
  if (signal.aborted) throw new Refused("Other files were chosen.");
  part("payload_ref").value = sent.reference;
  part("manifest").value = list;
  say(1, mine.files.length > 1 ? `${many(mine.files.length, "file")} are uploaded.` : "The scene is uploaded.");
  keep();
  await check(false);
}

async function sendAll(files, sent, signal) {
  const size = files.reduce((sum, { file }) => sum + file.size, 0);
  const done = new Map();
  const report = () => {
    if (signal.aborted) return;
    const share = [...done.values()].reduce((sum, each) => sum + each, 0) / (2 * size);
    say(share, `Uploading ${files.length > 1 ? `${many(files.length, "file")}, ` : ""}${bytes(size)}: ${Math.floor(share * 100)} %`);
  };
  const left = [...files];
  const work = async () => {
    for (let one = left.shift(); one && !signal.aborted; one = left.shift()) {
      const { file } = one;
      const heard = (number) => { done.set(file, number); report(); };
      if (sent.has(file)) heard(2 * file.size);
      else sent.set(file, await upload(file, heard, signal));
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, work));
  if (signal.aborted) throw new Refused("Other files were chosen.");
}

function say(share, words) {
  part("sending").hidden = false;
  part("sent").value = share;
  part("sent").hidden = share === 1;
  part("sent-said").textContent = words;
}

// Returns once the files are uploaded; tries again if that failed.
async function there() {
  if (own.files.length && !reference()) await (own.ready ?? start());
  if (!reference()) throw new Refused("Choose a file.");
  const scene = own.files.find(({ path }) => path === own.scene)?.file;
  await scene?.slice(0, 1).arrayBuffer().catch(() => { throw new Refused("The file changed. Choose it again."); });
}

// ── the job ─────────────────────────────────────────────────────────────────────────────────────

function range() {
  const scene = looked?.scene;
  if (scene) return { first: scene.frame_start, last: scene.frame_end, step: scene.frame_step ?? 1 };
  const [, first, last] = /^(-?\d+):(-?\d+)$/.exec(part("scene_range").value) ?? [];
  return first === undefined ? null : { first: Number(first), last: Number(last), step: 1 };
}

const frames = () => (isRender() ? framesOf(what(), typed(), range(), looked?.scene?.frame) : "");

function params() {
  if (!isRender()) {
    const text = part("params").value.trim();
    if (!text) return {};
    try {
      return JSON.parse(text);
    } catch {
      throw new Refused("The parameters are not valid JSON.");
    }
  }
  const found = {};
  for (const name of NUMBERS) if (part(name).value !== "") found[name] = Number(part(name).value);
  if (part("format").value) found.format = part("format").value;
  if (frames() && !isAnimation()) found.frame = Number(frames());
  return found;
}

// One frame is a picture, several are an animation; a frame in tiles is sent like an animation.
const isAnimation = () => isRender() && Boolean(tiles() || (frames() && !isOneFrame(frames())));

function cut() {
  if (!isAnimation()) return {};
  const found = { frames: frames() || undefined, order: part("order").value };
  if (part("chunk").value) found.chunk = Number(part("chunk").value);
  return { ...found, tiles: tiles() || undefined, video: part("video").value || undefined };
}

// Returns the job without its scene.
const newer = () => (isRender() && form.elements.or_newer.checked) || undefined;

function idea() {
  const start = part("start_after").value; // local time; JSON has it in UTC
  return {
    job_type: part("job_type").value,
    name: part("name").value.trim() || undefined,
    params: params(),
    pool: part("pool").value,
    priority: part("priority").value,
    max_credits: part("max_credits").value.trim() || undefined,
    start_after: start ? new Date(start) : undefined,
    notify: part("notify").value || undefined,
    webhook: part("webhook").value || undefined,
    or_newer: newer(),
    ...cut(),
  };
}

const scene = () => (reference() ? { payload_ref: reference(), manifest: part("manifest").value.trim() || undefined } : {});

// Returns the draft's address: the form's values, and the references of the uploads.
function draft() {
  const found = new URLSearchParams(new FormData(form));
  for (const [name, value] of [...found]) if (!value) found.delete(name);
  return `${location.pathname}?${found}`;
}

// Keeps the draft for reloading, returning and sharing.
function keep() {
  history.replaceState(null, "", draft());
}

// Requests a preflight; its findings come with the price.
async function check(again) {
  if (!isRender()) return quote();
  const { params: wanted, pool, frames: some } = idea();
  unlooked = "";
  await ask("jobs/preflight", { ...scene(), params: wanted, pool, or_newer: newer(), ...(some ? { frames: some } : {}), again })
    .catch((error) => { unlooked = `The scene was not checked: ${error.message}`; });
  return quote();
}

let waiting = 0;
let turn = 0;
let polls = 0;
// Shows the price; only the answer to the latest request counts.
async function quote() {
  const mine = ++turn;
  clearTimeout(waiting);
  let [found, fault, before] = [null, null, null];
  try {
    before = frames();
    found = await ask("jobs/quote", { ...idea(), ...scene() });
  } catch (error) {
    fault = error;
  }
  if (mine !== turn) return;
  if (found || !reference()) looked = found?.preflight ?? null;
  if (found && isRender() && frames() !== before) return quote(); // the check says which frames there are
  told = found && before !== null ? found : null;
  show(found, fault);
  if (looked?.status === "PENDING") waiting = setTimeout(quote, LOOK_MS);
  else if (found && !found.enough && (polls += 1) < CREDITS_POLLS) waiting = setTimeout(quote, CREDITS_MS);
  if (looked?.status === "DONE") await improve(found);
}

// Sends the paths of files that the check misses but that are there, and has frames measured whose
// price can depend on their work.
async function improve(found) {
  if (own.files.length > 1 && own.rounds < ROUNDS) {
    const paths = await lackedBy(own.files);
    const news = Object.keys(paths).filter((path) => !(path in own.paths));
    own.rounds += 1;
    Object.assign(own.paths, paths);
    if (news.length) return void start().catch(complain);
  }
  if (found?.measurable && own.measured !== `${frames()}`) {
    own.measured = `${frames()}`;
    await check(true);
  }
}

// ── the card ────────────────────────────────────────────────────────────────────────────────────

// Returns what must be known before the job can be submitted: its "frames" or its "price"; "" if nothing.
function unknown() {
  if (!isRender()) return "";
  return frames() === null ? "frames" : told?.measurable ? "price" : "";
}

// Lets the job be submitted unless a running check is about to find out what is unknown.
function enable() {
  part("submit").disabled = isChecking(looked) && unknown() !== "";
}

function showPlan() {
  part("animation-fields").hidden = part("video-field").hidden = !isAnimation();
  showLook(looked, unlooked, unknown());
  enable();
  part("own-picture").hidden = !own.head.picture || !part("look-picture").hidden;
  part("empty-picture").hidden = !part("own-picture").hidden || !part("look-picture").hidden;
  part("look-again").hidden = !isRender() || !reference() || looked?.status === "PENDING";
  part("plan").textContent = isRender() && (reference() || own.files.length) ? marked(saidOf(what(), typed(), range(), looked?.scene?.frame)) : "";
  part("scene-title").textContent = marked(part("scene_name").value || (reference() ? "An uploaded scene" : "No scene yet"));
}

function show(found, fault) {
  showPlan();
  const faults = fault?.faults ?? [];
  const isCapTooLow = faults.length > 0 && faults.every(({ field }) => field === "max_credits");
  part("cost").textContent = faults.length ? marked(faults.map(sentence).join(" ")) : fault ? marked(fault) : worded(found);
  part("cap-said").textContent = [capped(found), short(found)].filter(Boolean).join(" ");
  if (GONE[refused?.code]?.()) complain(null);
  if (part("faults").hidden) point(faults);
  if (!isCapTooLow) { // a cap changes no price
    part("quote").hidden = !found || (!told && isChecking(looked));
    const values = found && { ...found, frame_price: priceOfOne(found), price: exact(found.price), video_price: exact(found.video_price ?? ""), held: exact(found.held), available: exact(found.available) };
    part("video-price").hidden = !found?.video_price;
    for (const each of part("quote").querySelectorAll("[data-of]")) each.textContent = values?.[each.dataset.of] ?? "";
  }
  // A price that a check may still lower is no reason to buy.
  const lacks = found && told && !found.enough && !found.measurable ? Number(found.credits) - Number(found.available) : 0;
  part("too-few").hidden = !lacks;
  part("lacks").textContent = Math.ceil(lacks).toLocaleString("en");
  const back = draft();
  part("buy").href = `/console/credits?${new URLSearchParams({ need: Math.ceil(lacks), ...(back.length <= BACK_MOST ? { back } : {}) })}`;
  part("submit").hidden = lacks > 0 && part("buy").dataset.sells === "1";
}

const credits = (text) => `${amount(text)} credit${Number(text) === 1 ? "" : "s"}`;
const priceOfOne = ({ frame_price_least: least, frame_price: most }) => (least === most ? amount(most) : `${amount(least)} to ${amount(most)}`);

function worded(found) {
  if (!found) return "";
  if (frames() === null && isRender()) return unpriced(found);
  const number = found.frames || (isRender() ? 1 : 0);
  const said = [number && (found.frames ? many(number, "frame") : "1 picture") + (found.video_price ? " and a video" : ""), spent(found), priced(found)];
  return said.filter(Boolean).join(" · ");
}

function priced(found) {
  if (!Number(found.credits)) return "free";
  if (found.measurable && isChecking(looked)) return "the price is being measured";
  return `${credits(found.credits)}${found.money ? ` (${found.money.text})` : ""}${found.measurable ? " until it is measured" : ""}`;
}

// Words for the price of an animation whose frames are not known.
function unpriced(found) {
  if (!Number(found.price)) return "free";
  if (!reference() && !own.files.length) return "You see the price before you submit.";
  return isChecking(looked) || (!looked && !unlooked) ? "The check shows the price." : `${priceOfOne(found)}${found.frame_price === "1.0000" ? " credit" : " credits"} a frame`;
}

function spent({ units, preflight }) {
  const { elapsed, likely, slots } = preflight?.estimate ?? {};
  if (likely === undefined) return "";
  if (elapsed === null) return `about ${time(likely)} of rendering`;
  return `about ${time(elapsed)} on ${many(Math.max(1, Math.min(preflight.nodes, slots, units)), "node")}`;
}

function short(found) {
  const lacks = told && found?.video_price && found.enough ? Number(found.credits) - Number(found.available) : 0;
  return lacks > 0 ? `The video needs ${credits(lacks.toFixed(4))} more once the frames are complete.` : "";
}

function capped(found) {
  const most = Number(found?.max_credits ?? Infinity);
  if (most < Number(found?.price)) return `It pauses before it costs more than ${credits(found.max_credits)}.`;
  return most < Number(found?.credits) ? "No video is made: with it, the job costs more than its cap." : "";
}

// ── submitting ──────────────────────────────────────────────────────────────────────────────────

// The idempotency key: pressing the button twice creates one job.
let key = "";
function fresh() {
  key = [...crypto.getRandomValues(new Uint8Array(16))].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}

async function submit() {
  await there();
  if (isRender() && what() === "some" && !typed()) throw new Refused("Type the frames, or choose the whole animation.");
  if (isRender() && frames() === null) throw new Refused("Which frames the animation has is not known yet. Wait for the check, or choose One picture or Only these frames.", { code: "frames_unknown" });
  if (isChecking(looked) && told?.measurable) throw new Refused("The scene is being measured. Submit again once the price is known.", { code: "not_measured" });
  const body = { ...idea(), ...scene(), queue: form.elements.queue.checked };
  if (told) body.quoted = told.price;
  if (looked?.stops) body.as_is = form.elements.as_is.checked;
  const placed = await ask("jobs/dispatch", body, { "Idempotency-Key": key }).catch(async (error) => {
    if (error.status === 409) await quote(); // the price has changed
    throw error;
  });
  if (what() === "test" && range() && restOf(range())) { // going back offers the rest
    form.elements.what.value = "some";
    part("frames").value = restOf(range());
    keep();
  }
  location.assign(`/console/jobs/${placed.job_id}`);
  return true; // the page is left
}

// Shows the fields that the job has, and requests its price.
function refresh() {
  clearTimeout(waiting);
  waiting = setTimeout(quote, TYPING_MS);
  for (const each of form.querySelectorAll("[data-render]")) each.hidden = !isRender();
  part("other-fields").hidden = isRender();
  showPlan();
}

// A fault names a parameter by its path, like params.width.
const isAbout = (path, element) => element.id !== "" && path.split(".").at(-1) === element.id && !element.closest("[hidden]");

function point(faults) {
  for (const each of form.elements) each.ariaInvalid = faults.some(({ field }) => isAbout(field, each)) || null;
  if (form.querySelector("#more [aria-invalid]")) part("more").open = true;
}

// Names the field of a fault by its label.
function sentence({ field, message }) {
  const found = [...form.elements].find((each) => isAbout(field, each));
  const label = found?.labels?.[0]?.firstChild.textContent.trim() || (field === "params" ? "Picture" : field);
  return `${label}: ${message.replace("a decimal string", "an amount")}.`;
}

function complain(error) {
  const faults = error?.faults ?? [];
  refused = error;
  point(faults);
  part("problem").hidden = !error;
  part("faults").hidden = !faults.length;
  if (!error) return;
  part("problem").textContent = faults.length ? "Please correct:" : marked(error);
  part("faults").replaceChildren(...faults.map((fault) => {
    const line = document.createElement("li");
    line.textContent = marked(sentence(fault));
    return line;
  }));
}

const allow = (may) => { for (const each of form.querySelectorAll("button")) each.disabled = !may; };

// Runs one action at a time; an error is shown until something is changed. After an action that
// leaves the page, the buttons stay disabled.
async function doing(act) {
  complain(null);
  const pressed = document.activeElement;
  allow(false);
  let failed = null;
  if (await act().catch((error) => { failed = error; })) return;
  allow(true);
  enable();
  complain(failed);
  if (form.contains(pressed)) pressed.focus();
}

const chosen = (input) => [...input.files].map((file) => ({ path: file.webkitRelativePath || file.name, file }));

fresh();
for (const id of ["file", "folder"]) part(id).addEventListener("change", ({ target }) => { if (target.files.length) take(chosen(target)); });
part("scene").addEventListener("change", ({ target }) => {
  own.scene = target.value;
  own.paths = {};
  own.rounds = 0;
  doing(async () => { await reset(); await start(); });
});
for (const id of ["payload_ref", "manifest"]) part(id).addEventListener("input", () => { part("scene_name").value = part("scene_range").value = ""; });
part("frames").addEventListener("input", () => { if (typed()) form.elements.what.value = "some"; });
form.addEventListener("input", ({ target }) => {
  if (target.type === "file" || target.id === "scene") return;
  fresh();
  polls = 0;
  refresh();
  complain(null);
  keep();
});
// The browser shows the page again as it was left: another press makes another job. If the page was
// loaded anew, only its files are left, and an interrupted upload goes on.
addEventListener("pageshow", ({ persisted }) => {
  const left = ["file", "folder"].map(part).find(({ files }) => files.length);
  if (left && !own.files.length) part("sending").hidden ? (left.value = "") : take(chosen(left));
  if (!persisted) return;
  fresh();
  allow(true);
  refresh();
});
if (document.querySelector("[data-preset]")) import("./preset.js");
form.addEventListener("submit", (event) => { event.preventDefault(); doing(submit); });
part("look-again").addEventListener("click", () => doing(() => check(true)));
form.addEventListener("click", ({ target }) => {
  const addon = target.closest("[data-addon]");
  if (addon) doing(() => bring(addon.dataset));
  if (target.closest("[data-newer]")) form.elements.or_newer.click();
  const wanted = target.closest("[data-format]")?.dataset.format;
  if (!wanted) return;
  part("format").value = wanted;
  part("format").dispatchEvent(new Event("input", { bubbles: true }));
});
// Files that were dropped here, or on another page that led here (drop.js).
form.addEventListener("files", () => take(form.files));
addEventListener("beforeunload", (event) => { if (own.ready && !reference()) event.preventDefault(); });
refresh();
if (form.files) take(form.files);
const again = () => { if (location.hash === "#again") complain(new Refused("The dropped files could not be read or kept. Drop them here once more.")); };
addEventListener("hashchange", again);
again();
