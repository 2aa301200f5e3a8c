// A new job: hash the file, announce it, upload it to the store, complete the upload, submit the
// job.
import { marked, showLook } from "./look.js";
import { sha256 } from "./sha256.js";

const form = document.getElementById("new-job");
const part = (id) => document.getElementById(id);
const NUMBERS = ["width", "height", "samples"];
const PAUSE_MS = 300; // without typing, before the price is requested
const LOOK_MS = 1500; // between polls of a preflight

class Refused extends Error {
  constructor(words, faults = [], status = 0) {
    super(words);
    this.name = ""; // so that its text has no prefix
    this.faults = faults;
    this.status = status;
  }
}

async function ask(path, body, headers = {}) {
  let answer;
  try {
    answer = await fetch(`/console/api/${path}`, {
      method: "POST",
      headers: { "Content-Type": "application/json", ...headers },
      body: JSON.stringify(body),
    });
  } catch {
    throw new Refused("The gateway does not answer. Submit again.");
  }
  if (answer.status === 401) location.reload();
  const said = await answer.json();
  const refused = answer.ok ? +answer.headers.get("Refused") : answer.status;
  if (refused) throw new Refused(said.detail, said.errors, refused);
  return said;
}

function put(file, { url, headers }, told) {
  return new Promise((done, failed) => {
    const sending = new XMLHttpRequest();
    sending.open("PUT", url);
    for (const [name, value] of Object.entries(headers)) {
      if (!/^(content-length|host)$/i.test(name)) sending.setRequestHeader(name, value);
    }
    sending.upload.addEventListener("progress", (event) => {
      if (event.lengthComputable) told(event.loaded / event.total);
    });
    sending.onload = () => {
      if (sending.status >= 200 && sending.status < 300) done();
      else failed(new Refused(`The object store refused the file (${sending.status}). Submit again.`));
    };
    sending.onerror = () => failed(new Refused("The upload was interrupted. Submit again."));
    sending.send(file);
  });
}

function say(share, words) {
  part("sending").hidden = false;
  part("sent").value = share;
  part("sent-said").textContent = words;
}

// The chosen file, and its reference; '' until it is uploaded.
let sent = { file: null, reference: "" };
function reference() {
  const file = part("file").files[0] ?? null;
  const same = file === sent.file && (file || part("payload_ref").value.trim() === sent.reference);
  return same ? sent.reference : "";
}

const unread = () => { throw new Refused("The file changed. Choose it again."); };

// Returns the reference; uploads the file if necessary.
async function there() {
  const file = part("file").files[0];
  const named = part("payload_ref").value.trim();
  if (!file && !named) throw new Refused("Choose a file.");
  if (!file) sent = { file: null, reference: named };
  else if (file !== sent.file) sent = { file, reference: await upload(file) };
  else await file.slice(0, 1).arrayBuffer().catch(unread); // it may have been saved again
  return sent.reference;
}

async function upload(file) {
  if (file.size > Number(form.dataset.most)) {
    throw new Refused("The file is too large for a browser; use rendertrust submit.");
  }
  if (!file.size) throw new Refused("The file is empty.");
  const hash = await sha256(file, (share) => say(share, `reading ${Math.round(share * 100)} %`)).catch(unread);
  const found = await ask("uploads", { sha256: hash, size: file.size, filename: file.name });
  if (found.status !== "COMPLETED") {
    await put(file, found.put, (share) => say(share, `sending ${Math.round(share * 100)} %`));
    await ask(`uploads/${found.id}/complete`, {});
  }
  say(1, "sent");
  return found.payload_ref;
}

function params() {
  if (part("job_type").value !== "render") {
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
  if (named() && !isAnimation()) found.frame = Number(named());
  return found;
}

// One frame is a picture, several are an animation; a frame in tiles is sent like an animation.
const named = () => part("frames").value.trim();
const tiles = () => part("tiles").value.trim();
const isAnimation = () => part("job_type").value === "render" && (tiles() || isNaN(named()));

function cut() {
  if (!isAnimation()) return {};
  const found = { frames: named() || undefined, order: part("order").value };
  if (part("chunk").value) found.chunk = Number(part("chunk").value);
  return { ...found, tiles: tiles() || undefined };
}

// Returns the job without its file.
function idea() {
  const cap = part("max_credits").value.trim();
  const found = { job_type: part("job_type").value, params: params(), pool: part("pool").value, priority: part("priority").value };
  return { ...found, ...(cap ? { max_credits: cap } : {}), ...cut() };
}

// Requests a preflight; its findings come with the price.
async function look(again) {
  const { params: wanted, pool, frames } = idea();
  const body = { payload_ref: await there(), params: wanted, pool, ...(frames ? { frames } : {}), again };
  await ask("jobs/preflight", body);
  keep();
  await quote();
}

// Keeps the form's state in the address, for reloading, returning and sharing.
function keep() {
  const found = new URLSearchParams(new FormData(form));
  if (reference()) found.set("payload_ref", reference());
  history.replaceState(null, "", `?${found}`);
}

let waiting = 0;
let asked = 0;
let looked = null;
let told = null; // the shown quote
// Shows the price; only the answer to the latest request counts.
async function quote() {
  const mine = ++asked;
  clearTimeout(waiting);
  const lies = reference();
  let [found, said] = [null, ""];
  try {
    found = await ask("jobs/quote", { ...idea(), ...(lies ? { payload_ref: lies } : {}) });
    said = worded(found);
    if (found.frame_price_least !== found.frame_price) found.frame_price = `${found.frame_price_least} to ${found.frame_price}`;
  } catch (error) {
    said = String(error);
  }
  if (mine !== asked) return;
  told = found;
  part("cost").textContent = said;
  part("quote").hidden = !found;
  for (const each of part("quote").querySelectorAll("[data-of]")) each.textContent = found?.[each.dataset.of] ?? "";
  if (found || !lies) looked = found?.preflight ?? null;
  showLook(looked);
  if (looked?.status === "PENDING") waiting = setTimeout(quote, LOOK_MS);
}

function worded({ frames, units, price, enough, max_credits: cap }) {
  const what = frames ? `${frames} frame${frames > 1 ? "s" : ""}${units === frames ? "" : ` in ${units} units`} cost${frames > 1 ? "" : "s"}` : "It costs";
  if (!Number(price)) return frames ? `${what} nothing.` : "It is free.";
  const said = `${what} ${price} credits, held now and charged ${frames ? "frame by frame" : "when it completes"}.`;
  if (!enough) return `${said} You don't have enough.`;
  return cap && Number(cap) < Number(price) ? `${said} It pauses before it costs more than ${cap}.` : said;
}

// The idempotency key: pressing the button twice creates one job.
let key = "";
function fresh() {
  key = [...crypto.getRandomValues(new Uint8Array(16))].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}

async function submit() {
  const body = { ...idea(), queue: form.elements.queue.checked };
  body.payload_ref = await there();
  if (told) body.quoted = told.price;
  if (looked?.stops) body.as_is = form.elements.as_is.checked;
  const placed = await ask("jobs/dispatch", body, { "Idempotency-Key": key }).catch(async (error) => {
    if (error.status === 409) await quote(); // the price has changed
    throw error;
  });
  location.assign(`/console/jobs/${placed.job_id}`);
}

function shown() {
  const type = part("job_type").value;
  clearTimeout(waiting);
  waiting = setTimeout(quote, PAUSE_MS);
  part("render-fields").hidden = part("look").hidden = type !== "render";
  part("animation-fields").hidden = !isAnimation();
  part("other-fields").hidden = type === "render";
}

function complain(error) {
  const faults = error?.faults ?? [];
  for (const each of form.elements) each.ariaInvalid = faults.some(({ field }) => field === each.name) || null;
  part("problem").hidden = !error;
  part("faults").hidden = !faults.length;
  if (!error) return;
  part("problem").textContent = faults.length ? "Please correct:" : marked(error);
  part("faults").replaceChildren(...faults.map(({ field, message }) => {
    const line = document.createElement("li");
    line.textContent = marked(`${field} ${message}.`);
    return line;
  }));
}

// Runs one action at a time; an error is shown until something is changed.
async function doing(act) {
  complain(null);
  const buttons = form.querySelectorAll("button");
  const pressed = document.activeElement;
  for (const each of buttons) each.disabled = true;
  const failed = await act().then(() => null, (error) => error);
  for (const each of buttons) each.disabled = false;
  complain(failed);
  if (failed) part("sending").hidden = true;
  if (form.contains(pressed)) pressed.focus();
}

fresh();
sent.reference = part("payload_ref").value.trim();
shown();
form.addEventListener("input", () => { fresh(); shown(); complain(null); keep(); });
form.addEventListener("submit", (event) => { event.preventDefault(); doing(submit); });
part("look-now").addEventListener("click", () => doing(() => look(false)));
part("look-again").addEventListener("click", () => doing(() => look(true)));
part("all-frames").addEventListener("click", (event) => {
  part("frames").value = event.currentTarget.value;
  part("frames").dispatchEvent(new Event("input", { bubbles: true }));
});
