// A new job: read the file, announce it, put it into the store, say that it is there, submit.
import { sha256 } from "./sha256.js";

const form = document.getElementById("new-job");
const part = (id) => document.getElementById(id);
const NUMBERS = ["width", "height", "samples"];
const PAUSE_MS = 300; // of typing, before the price is asked for

class Refused extends Error {
  constructor(words, faults = []) {
    super(words);
    this.faults = faults;
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
    throw new Refused("The gateway does not answer. What was sent is kept: submit again.");
  }
  if (answer.status === 401) location.reload();
  const said = await answer.json();
  if (!answer.ok) throw new Refused(said.detail, said.errors);
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
      else failed(new Refused(`The store does not take the file (${sending.status}). Submit again.`));
    };
    sending.onerror = () => failed(new Refused("The upload broke off. Submit again."));
    sending.send(file);
  });
}

function say(share, words) {
  part("sending").hidden = false;
  part("sent").value = share;
  part("sent-said").textContent = words;
}

async function upload(file) {
  if (file.size > Number(form.dataset.most)) {
    throw new Refused("The file is too large for a browser; use rendertrust submit.");
  }
  if (!file.size) throw new Refused("The file is empty.");
  const hash = await sha256(file, (share) => say(share, `reading ${Math.round(share * 100)} %`));
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
      throw new Refused("The parameters are no JSON.");
    }
  }
  const found = {};
  for (const name of NUMBERS) if (part(name).value !== "") found[name] = Number(part(name).value);
  if (part("format").value) found.format = part("format").value;
  if (isOne()) found.frame = Number(named());
  return found;
}

// One frame is a picture, several are an animation.
const named = () => part("frames").value.trim();
const isOne = () => /^[+-]?\d+$/.test(named());
const isAnimation = () => part("job_type").value === "render" && named() !== "" && !isOne();

function cut() {
  if (!isAnimation()) return {};
  const found = { frames: named(), order: part("order").value };
  if (part("chunk").value) found.chunk = Number(part("chunk").value);
  if (part("tiles").value.trim()) found.tiles = part("tiles").value.trim();
  return found;
}

// What is to be done, but for the file.
function idea() {
  const cap = part("max_credits").value.trim();
  const found = { job_type: part("job_type").value, params: params(), pool: part("pool").value, priority: part("priority").value };
  return { ...found, ...(cap ? { max_credits: cap } : {}), ...cut() };
}

let waiting = 0;
let asked = 0;
// What it would cost; the newest question's answer is shown, whichever comes first.
async function quote() {
  const mine = ++asked;
  let [found, said] = [null, ""];
  try {
    found = await ask("jobs/quote", idea());
    said = worded(found);
  } catch (error) {
    said = error instanceof Refused ? error.message : String(error);
  }
  if (mine !== asked) return;
  part("cost").textContent = said;
  part("quote").hidden = !found;
  for (const each of part("quote").querySelectorAll("[data-of]")) each.textContent = found?.[each.dataset.of] ?? "";
}

function worded({ frames, units, price, enough, max_credits: cap }) {
  const what = frames ? `${frames} frames${units === frames ? "" : ` in ${units} units`} cost` : "It costs";
  if (!Number(price)) return `${what} nothing.`;
  const said = `${what} ${price} credits, held now and charged ${frames ? "frame by frame" : "when it completes"}.`;
  if (!enough) return `${said} You have less.`;
  return cap && Number(cap) < Number(price) ? `${said} It pauses before it costs more than ${cap}.` : said;
}

// The same for the same submission: pressed twice, there is one job.
let key = "";
function fresh() {
  key = [...crypto.getRandomValues(new Uint8Array(16))].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}

async function submit() {
  const file = part("file").files[0];
  const named = part("payload_ref").value.trim();
  if (!file && !named) throw new Refused("Choose a file.");
  const body = { ...idea(), queue: form.elements.queue.checked };
  body.payload_ref = file ? await upload(file) : named;
  const placed = await ask("jobs/dispatch", body, { "Idempotency-Key": key });
  location.assign(`/console/jobs/${placed.job_id}`);
}

function shown() {
  const type = part("job_type").value;
  clearTimeout(waiting);
  waiting = setTimeout(quote, PAUSE_MS);
  part("render-fields").hidden = type !== "render";
  part("animation-fields").hidden = !isAnimation();
  part("other-fields").hidden = type === "render";
}

function complain(error) {
  part("problem").hidden = !error;
  part("faults").hidden = !error?.faults?.length;
  if (!error) return;
  part("problem").textContent = error instanceof Refused ? error.message : `This went wrong: ${error}`;
  part("faults").replaceChildren(...(error.faults ?? []).map(({ field, message }) => {
    const line = document.createElement("li");
    line.textContent = `${field}: ${message}`;
    return line;
  }));
}

fresh();
shown();
form.addEventListener("input", () => { fresh(); shown(); complain(null); });
form.addEventListener("submit", async (event) => {
  event.preventDefault();
  complain(null);
  part("submit").disabled = true;
  try {
    await submit();
  } catch (error) {
    complain(error);
    part("sending").hidden = true;
    part("submit").disabled = false;
    part("submit").focus();
  }
});
