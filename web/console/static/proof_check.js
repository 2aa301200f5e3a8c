// Recomputes a proof of the ledger, from the leaf up to the root that the checkpoint signs. The
// rules are in docs/PROOF-FORMATS.md (RFC 9162): whether a sibling is on the left or right follows
// from the leaf's index and the size of the tree. No requests are made.
import { bytes, hash, isSigned, noteOf, verifierOf } from "./note.js";

const LEAF = /^rendertrust-transfer-v1\ntransfer ([1-9]\d*)\ntime \S+\nkind \S+\namount ([1-9]\d*)\nreceipt \S+\ndebit \S+\ncredit \S+\n$/;
const ANCHOR = ["anchor_tx_hash", "contract", "anchor", "block_number", "chain_id"];
const raw = (hex) => Uint8Array.from(hex.match(/../g), (two) => parseInt(two, 16));
const isHash = (text) => /^[0-9a-f]{64}$/.test(text);
const node = (left, right) => hash(Uint8Array.of(1), raw(left), raw(right));

// Returns the hashes on the way up, or a fault.
export function climb(proof) {
  const { leaf_index: index, tree_size: size, proof_hashes: siblings, directions } = proof;
  const counts = [index, size].every(Number.isSafeInteger) && [siblings, directions].every(Array.isArray);
  if (!counts || index < 0 || index >= size || ![proof.leaf_hash, proof.merkle_root, ...siblings].every(isHash)) {
    return { fault: "the proof is malformed", steps: [] };
  }
  const steps = [];
  let [at, last, found] = [index, size - 1, proof.leaf_hash];
  for (const [place, sibling] of siblings.entries()) {
    if (last === 0) return { fault: "the number of hashes does not match the tree", steps };
    const side = at % 2 === 1 || at === last ? "left" : "right";
    if (side !== directions[place]) return { fault: "the directions do not match this leaf", steps };
    found = side === "left" ? node(sibling, found) : node(found, sibling);
    steps.push(found);
    if (side === "left") {
      while (at && at % 2 === 0) [at, last] = [at / 2, Math.floor(last / 2)];
    }
    [at, last] = [Math.floor(at / 2), Math.floor(last / 2)];
  }
  if (last !== 0 || directions.length !== siblings.length) return { fault: "the number of hashes does not match the tree", steps };
  return { fault: found === proof.merkle_root ? "" : "the hashes do not lead to the root", steps, root: found };
}

function leafOf(proof) {
  const found = LEAF.exec(proof.leaf);
  if (!found) return [false, "The leaf is malformed."];
  const { entry_id: entry, side } = proof;
  const [, transfer, amount] = found;
  if (!Number.isSafeInteger(entry) || transfer !== String(Math.ceil(entry / 2))) return [false, `The leaf is of transfer ${transfer}, not of this entry's.`];
  if (side !== (entry % 2 ? "debit" : "credit")) return [false, "The entry is the other side of its transfer."];
  const made = hash(Uint8Array.of(0), bytes(proof.leaf));
  if (made !== proof.leaf_hash) return [false, "The leaf was altered: its hash differs from the log's."];
  return [true, `The entry is the ${side} of transfer ${transfer}: ${side === "debit" ? "−" : ""}${amount} units. The hash of the leaf's text is ${made.slice(0, 16)}…, as in the log.`];
}

function pathOf(proof, path) {
  if (path.fault) return [false, `The path is invalid: ${path.fault}.`];
  return [true, `Leaf ${proof.leaf_index} of ${proof.tree_size} leads to the root ${path.root.slice(0, 16)}…, by ${path.steps.length} hashes.`];
}

async function checkpointOf(proof, key) {
  const note = noteOf(proof.checkpoint, key);
  const root = btoa(String.fromCharCode(...raw(proof.merkle_root)));
  const same = note.text.startsWith(`${key.name}\n${proof.tree_size}\n${root}\ntime `);
  const said = same ? `The checkpoint of ${key.name} states ${proof.tree_size} leaves and this root.` : "The checkpoint states something else.";
  return [[same, said], await signatureOf(note, key, "The signature by the gateway's log key is valid.")];
}

async function signatureOf(note, key, good) {
  const holds = await isSigned(note, key);
  return [holds, { true: good, false: "The signature is invalid or missing.", null: "This browser cannot check the signature (plain http, or too old); use rendertrust verify." }[holds]];
}

// Compares the anchor that the gateway signed with that in the proof, character by character.
async function anchorOf(proof, key) {
  const named = ANCHOR.map((name) => proof[name] ?? "");
  if (!named.join("")) return [null, "Not anchored yet."];
  const [transaction, contract, signed, block, chain] = named;
  const note = noteOf(signed, key);
  const text = `rendertrust-anchor-v1\norigin ${key.name}\nchain ${chain}\ncontract ${contract}\nsize ${proof.tree_size}\nroot ${proof.merkle_root}\ntransaction ${transaction}\nblock ${block}\n`;
  if (note.text !== text || ![block, chain].every(Number.isSafeInteger)) return [false, "The gateway signed another anchor."];
  return signatureOf(note, key, `The gateway signed that contract ${contract} on chain ${chain} has this root, since block ${block}.`);
}

// Compares the gateway's statement about the chain with the computed root and the signed anchor.
// The statement itself is not verified here.
function chainOf(chain, root, proof) {
  if (chain.state !== "confirmed") return [null, `No chain confirms it: ${chain.reason}.`];
  if (!proof.anchor) return [null, "The gateway signed no anchor, so its statement about a chain is not repeated here."];
  if (!chain.verified) return [false, `The gateway says: ${chain.reason}.`];
  if (chain.on_chain_root !== root) return [false, "The gateway reports a different root on the chain."];
  const word = { ...chain, anchor: proof.anchor, anchor_tx_hash: chain.tx_hash };
  if (ANCHOR.some((name) => word[name] !== proof[name])) return [false, "The gateway reports a different anchor than it signed."];
  return [null, `The gateway says that contract ${chain.contract} on chain ${chain.chain_id} has this root, since block ${chain.block_number}. The chain was not asked from here, and a chain that the gateway runs itself proves nothing more.`];
}

export async function checked(proof, chain) {
  const path = climb(proof);
  const unread = [false, "It is unreadable."];
  const steps = { leaf: leafOf(proof), path: pathOf(proof, path), checkpoint: unread, signature: unread, anchor: unread, chain: chainOf(chain, path.root, proof) };
  try {
    const key = verifierOf(proof.verifier);
    [steps.checkpoint, steps.signature] = await checkpointOf(proof, key);
    steps.anchor = await anchorOf(proof, key);
  } catch {
    // The remaining steps stay unreadable.
  }
  return { path, steps, holds: Object.values(steps).every(([holds]) => holds !== false) };
}
