// Uploads through the API: a file is hashed and announced, its content or missing parts are sent to
// the object store, and the upload is completed. Content that the gateway has is not sent again.
import { sha256 } from "./sha256.js";

const TRIES = 6; // in a row without progress
const PAUSE_MS = 1000; // before the second try; each further pause is longer
const PAUSE_MOST_S = 30; // a longer Retry-After is an error for people

export class Refused extends Error {
  constructor(words, { faults = [], status = 0, code = "", passing = false } = {}) {
    super(words);
    this.name = ""; // so that its text has no prefix
    Object.assign(this, { faults, status, code, passing });
  }
}

const pause = (ms) => new Promise((done) => setTimeout(done, ms));

async function asked(path, body, headers) {
  let answer;
  try {
    answer = await fetch(`/console/api/${path}`, {
      method: "POST",
      headers: { "Content-Type": "application/json", ...headers },
      body: JSON.stringify(body),
    });
  } catch {
    throw new Refused("The gateway does not answer. Submit again.", { passing: true });
  }
  if (answer.status === 401) location.reload();
  const said = await answer.json();
  const status = answer.ok ? +answer.headers.get("Refused") : answer.status;
  if (!status) return said;
  const seconds = +(answer.headers.get("Retry-After") ?? 1);
  const passing = status === 503 || (status === 429 && seconds <= PAUSE_MOST_S);
  throw Object.assign(new Refused(said.detail, { faults: said.errors, status, code: said.code, passing }), { seconds });
}

// Calls the API; tries again while the gateway is busy or away.
export async function ask(path, body, headers = {}) {
  for (let tried = 1; ; tried += 1) {
    try {
      return await asked(path, body, headers);
    } catch (error) {
      if (tried === TRIES || !error.passing) throw error;
      await pause(Math.max(tried * PAUSE_MS, (error.seconds ?? 0) * 1000));
    }
  }
}

function put(content, { url, headers }, told, signal) {
  return new Promise((done, failed) => {
    const sending = new XMLHttpRequest();
    const refuse = (words, status = 0) => {
      const passing = !signal.aborted && (!status || [403, 404, 408, 429].includes(status) || status >= 500);
      failed(new Refused(words, { status, passing }));
    };
    sending.open("PUT", url);
    for (const [name, value] of Object.entries(headers)) {
      if (!/^(content-length|host)$/i.test(name)) sending.setRequestHeader(name, value);
    }
    sending.upload.onprogress = ({ loaded }) => told(loaded);
    sending.onload = () => {
      if (sending.status >= 200 && sending.status < 300) done();
      else refuse(`The object store refused the file (${sending.status}). Submit again.`, sending.status);
    };
    sending.onerror = sending.onabort = () => refuse("The upload was interrupted. Submit again.");
    signal.addEventListener("abort", () => sending.abort());
    sending.send(content);
  });
}

const changed = ({ name }) => () => { throw new Refused(`${name} changed, or cannot be read. Choose it again.`); };
const hashed = (file, told) => sha256(file, told).catch(changed(file));

// Sends the parts that have not arrived; returns the hash of each part. A part that was sent is
// progress, so the tries are counted for each part.
async function sendParts(file, { id, parts: { size, count, arrived } }, told, signal) {
  const digests = [];
  for (let number = 1; number <= count; number += 1) {
    const start = (number - 1) * size;
    const content = file.slice(start, start + size);
    const digest = await hashed(content);
    digests.push(digest);
    if (!arrived.some(({ first, last }) => first <= number && number <= last)) {
      await patiently(signal, async () => {
        const { parts: [where] } = await ask(`uploads/${id}/parts`, { parts: [{ number, sha256: digest }] });
        await put(content, where, (bytes) => told(start + bytes), signal);
      }, ({ status }) => status !== 404); // the store forgets parts: announce the file again
    }
    told(start + content.size);
  }
  return digests;
}

async function patiently(signal, act, passes = () => true) {
  for (let tried = 1; ; tried += 1) {
    try {
      return await act();
    } catch (error) {
      if (tried === TRIES || !error.passing || !passes(error) || signal.aborted) throw error;
      await pause(tried * PAUSE_MS);
    }
  }
}

async function attempt(file, hash, told, signal) {
  const found = await ask("uploads", { sha256: hash, size: file.size, filename: file.name });
  if (found.status !== "COMPLETED") {
    let parts = [];
    if (found.parts) parts = await sendParts(file, found, told, signal);
    else await put(file, found.put, told, signal);
    await ask(`uploads/${found.id}/complete`, { parts }).catch((error) => {
      error.passing ||= error.status === 409; // the content is not visible yet, or must be sent again
      throw error;
    });
  }
  told(file.size);
  return { id: found.id, reference: found.payload_ref, sha256: hash, size: file.size };
}

// Uploads a file; `told` gets the number of bytes that were read for the hash or sent, which is
// twice the file's size at the end.
export async function upload(file, told, signal) {
  if (!file.size) throw new Refused(`${file.name} is empty.`);
  const hash = await hashed(file, (share) => told(share * file.size));
  if (signal.aborted) throw new Refused("Other files were chosen.");
  return patiently(signal, () => attempt(file, hash, (bytes) => told(file.size + bytes), signal));
}
