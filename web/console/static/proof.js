// A proof of the ledger, recomputed here: from the leaf up to the root, which the checkpoint signs.
// The rules are those of docs/PROOF.md (RFC 9162): where a sibling stands follows from the leaf's
// place and the size of the tree. Nothing is asked of anybody.
import { Sha256 } from "./sha256.js";

const LEAF = /^rendertrust-entry-v1\nentry ([1-9]\d*)\ntime \S+\nkind [A-Z_]+\namount -?[1-9]\d*\nreceipt (?:-|[0-9a-f]{64})\nprivate [0-9a-f]{64}\n$/;
const TEXT = /^(\S+)\n(\d+)\n([A-Za-z0-9+/]{43}=)\ntime \S+\n$/;
const bytes = (text) => new TextEncoder().encode(text);
const raw = (hex) => Uint8Array.from(hex.match(/../g) ?? [], (two) => parseInt(two, 16));
const base64 = (text) => Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
const hex = (data) => [...data].map((byte) => byte.toString(16).padStart(2, "0")).join("");
const hash = (...parts) => parts.reduce((sum, part) => sum.update(part), new Sha256()).hex();
const isHash = (text) => /^[0-9a-f]{64}$/.test(text);
const node = (left, right) => hash(Uint8Array.of(1), raw(left), raw(right));

// Every hash on the way up, each with the sibling's side; or what is wrong.
export function climb(proof) {
  const { leaf_index: index, tree_size: size, proof_hashes: siblings, directions } = proof;
  const counts = Number.isSafeInteger(index) && Number.isSafeInteger(size) && index >= 0 && index < size;
  if (!counts || ![proof.leaf_hash, proof.merkle_root, ...siblings].every(isHash)) {
    return { fault: "its numbers and hashes are not written as they must be", steps: [] };
  }
  const steps = [];
  let [at, last, found] = [index, size - 1, proof.leaf_hash];
  for (const [place, sibling] of siblings.entries()) {
    if (last === 0) return { fault: "there are more hashes than levels", steps };
    const side = at % 2 === 1 || at === last ? "left" : "right";
    if (side !== directions[place]) return { fault: "the directions are not those of this leaf", steps };
    found = side === "left" ? node(sibling, found) : node(found, sibling);
    steps.push({ side, sibling, found });
    if (side === "left") {
      while (at && at % 2 === 0) [at, last] = [at / 2, Math.floor(last / 2)];
    }
    [at, last] = [Math.floor(at / 2), Math.floor(last / 2)];
  }
  if (last !== 0 || directions.length !== siblings.length) return { fault: "there are fewer hashes than levels", steps };
  return { fault: found === proof.merkle_root ? "" : "the hashes do not lead to the root", steps, root: found };
}

function leafOf(proof) {
  const found = LEAF.exec(proof.leaf);
  if (!found) return [false, "The leaf is not written as it must be."];
  if (found[1] !== String(proof.entry_id)) return [false, `The leaf is of entry ${found[1]}.`];
  const made = hash(Uint8Array.of(0), bytes(proof.leaf));
  if (made !== proof.leaf_hash) return [false, "The leaf does not have the hash that stands in the log: it was altered."];
  return [true, `SHA-256 of the leaf's text is ${made.slice(0, 16)}…, as it stands in the log.`];
}

function pathOf(proof, path) {
  if (path.fault) return [false, `It does not hold: ${path.fault}.`];
  return [true, `${path.steps.length} ${path.steps.length === 1 ? "hash leads" : "hashes lead"} from leaf ${proof.leaf_index} of ${proof.tree_size} to the root ${path.root.slice(0, 16)}…`];
}

function noteOf(proof) {
  const cut = proof.checkpoint.lastIndexOf("\n\n") + 1;
  const [name, , key] = proof.verifier.split(/\+(.{8})\+/);
  return { text: proof.checkpoint.slice(0, cut), signatures: proof.checkpoint.slice(cut + 1), name, key: base64(key) };
}

function checkpointOf(proof, note) {
  const found = TEXT.exec(note.text);
  if (!found || found[1] !== note.name) return [false, "The checkpoint is not written as it must be."];
  const [size, root] = [Number(found[2]), hex(base64(found[3]))];
  if (size !== proof.tree_size || root !== proof.merkle_root) return [false, `The checkpoint is of ${size} leaves with another root.`];
  return [true, `The checkpoint of ${note.name} says ${size} leaves and this root.`];
}

async function signatureOf(note) {
  const id = hash(bytes(`${note.name}\n`), note.key).slice(0, 8);
  const signed = note.signatures.split("\n").filter((line) => line.startsWith(`— ${note.name} `))
    .map((line) => base64(line.slice(note.name.length + 3))).find((data) => hex(data.slice(0, 4)) === id);
  if (!signed) return [false, "The checkpoint is not signed by this key."];
  let key;
  try {
    key = await crypto.subtle.importKey("raw", note.key.slice(1), { name: "Ed25519" }, false, ["verify"]);
  } catch {
    return [null, "This browser cannot check Ed25519 here (over plain http, or it is too old): rendertrust verify does."];
  }
  const holds = await crypto.subtle.verify("Ed25519", key, signed.slice(4), bytes(note.text));
  return holds ? [true, "The signature of the gateway's log key holds."] : [false, "The signature does not hold."];
}

// What the gateway says of the chain is held against what was computed; that it says so is all there is.
function chainOf(chain, root) {
  if (chain.state === "disabled") return [null, "This gateway anchors nothing: no chain vouches for it."];
  if (chain.state !== "confirmed") return [null, `Nothing yet: ${chain.reason}.`];
  if (!chain.verified) return [false, `The gateway says: ${chain.reason}.`];
  if (chain.on_chain_root !== root) return [false, "The gateway names another root on the chain than this."];
  const whose = chain.private ? " The chain runs beside the gateway: its word is no other than the gateway's." : "";
  return [null, `The gateway says that contract ${chain.contract} on chain ${chain.chain_id} has this root, since block ${chain.block_number}. It was not asked from here.${whose}`];
}

export async function checked(proof, chain) {
  const path = climb(proof);
  const steps = { leaf: leafOf(proof), path: pathOf(proof, path) };
  try {
    const note = noteOf(proof);
    steps.checkpoint = checkpointOf(proof, note);
    steps.signature = await signatureOf(note);
  } catch {
    steps.checkpoint ??= [false, "The checkpoint cannot be read."];
    steps.signature ??= [false, "The signature cannot be read."];
  }
  steps.chain = chainOf(chain, path.root);
  return { path, steps, holds: Object.values(steps).every(([holds]) => holds !== false) };
}

const WORDS = new Map([[true, ["done", "✓"]], [false, ["bad", "✗"]], [null, ["next", "–"]]]);

function show(viewer, { path, steps, holds }) {
  for (const [name, [state, said]] of Object.entries(steps)) {
    const line = viewer.querySelector(`[data-step="${name}"]`);
    const [kind, mark] = WORDS.get(state);
    line.className = kind;
    line.querySelector(".mark").textContent = mark;
    line.querySelector(".what-said").textContent = said;
  }
  viewer.querySelectorAll("[data-found]").forEach((cell, place) => {
    const found = path.steps[place]?.found;
    cell.textContent = found ? `${found.slice(0, 16)}…` : "–";
    if (found) cell.title = found;
  });
  const verdict = viewer.querySelector("[data-verdict]");
  verdict.dataset.verdict = holds ? "holds" : "fails";
  const root = steps.signature[0] ? "the root that the gateway signed" : "the root of its checkpoint, whose signature was not checked here";
  verdict.textContent = holds
    ? `It holds: recomputed in this browser, the entry leads to ${root}.`
    : "It does not hold. See below which step failed.";
}

// Once it is there, and again when a live change took away what was found, or brought the chain's word.
async function recompute() {
  const viewer = document.querySelector("[data-proof]");
  if (!viewer || viewer.querySelector("[data-verdict]").dataset.verdict) return;
  show(viewer, await checked(JSON.parse(viewer.dataset.proof), JSON.parse(viewer.dataset.chain)));
}

recompute();
document.addEventListener("changed", recompute);
