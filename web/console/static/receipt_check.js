// Checks a receipt and a picture as `rendertrust verify` does (docs/PROOF-FORMATS.md), and whether
// both belong to this farm. Nothing is sent anywhere.
import { areSignatures, bytes, hash } from "./note.js";
import { checked } from "./proof_check.js";
import { sha256 } from "./sha256.js";
import { ForeignPart, NoPixels } from "./picture_reader.js";
import { byCodePoint, namedDigest, pictureDigest } from "./picture_digest.js";

const RECEIPT_BYTES_MAX = 1024 * 1024;
const PICTURE_BYTES_MAX = 1024 * 1024 * 1024;
const DEPTH_MAX = 64;
const [FILE_FORMAT, RECEIPT_FORMAT, WORK_FORMAT] = ["rendertrust-receipt-file-v1", "rendertrust-receipt-v1", "rendertrust-work-v1"];
const COMPARED = {
  exact: "A verifier rendered it again: equal to the last bit.",
  consistent: "A verifier rendered it again: equal within the noise of rendering.",
  "sampled-out": "A verifier opened it. It was not drawn for comparison with the scene.",
  unverified: "Nobody verified it.",
  unverifiable: "No verifier could compare it with its scene.",
};
const VERIFIED = ["exact", "consistent", "sampled-out"];
const PAYING_SIDE = { USAGE: "debit", EARNING: "credit" };
const UNITS = 10_000; // of a credit
const isHex = (text, digits) => typeof text === "string" && text.length === digits && /^[0-9a-f]*$/.test(text);
const fromHex = (text) => Uint8Array.from(text.match(/../g), (two) => parseInt(two, 16));
const membersOf = (value) => (value && typeof value === "object" && !Array.isArray(value) ? value : {});

// Returns the bytes that are hashed and signed; throws if the value has no such form.
export function canonical(value, depth = 0) {
  if (depth > DEPTH_MAX) throw Error("it is nested too deeply");
  const inner = (part) => canonical(part, depth + 1);
  if (typeof value === "number" && !Number.isSafeInteger(value)) throw Error("it has a number that is not whole");
  if (Array.isArray(value)) return `[${value.map(inner).join(",")}]`;
  if (value && typeof value === "object") {
    const names = Object.keys(value).sort(byCodePoint);
    return `{${names.map((name) => `${inner(name)}:${inner(value[name])}`).join(",")}}`;
  }
  return JSON.stringify(value).replace(/[\u007f-\uffff]/g, (letter) => `\\u${letter.charCodeAt(0).toString(16).padStart(4, "0")}`);
}

// Returns the receipt's file as an object; throws with a sentence if it is none.
export async function readReceipt(file) {
  if (file.size > RECEIPT_BYTES_MAX) throw Error("The receipt is too large: choose the JSON file of a receipt.");
  const refused = Error(`${file.name} is not a receipt: choose the JSON file that belongs to the picture.`);
  try {
    const document = JSON.parse(await file.text());
    const { receipt } = membersOf(document);
    const work = membersOf(membersOf(receipt).work);
    const isReceipt = document.format === FILE_FORMAT && receipt.format === RECEIPT_FORMAT && work.format === WORK_FORMAT;
    const hasKeys = isHex(receipt.gateway, 64) && isHex(membersOf(work.node).key, 64) && isHex(receipt.node_signature, 128) && isHex(document.signature, 128);
    if (!isReceipt || !hasKeys || !(receipt.verdict in COMPARED) || !Number.isSafeInteger(receipt.price) || receipt.price < 0) throw refused;
    canonical(receipt);
    return document;
  } catch {
    throw refused;
  }
}

async function signedBy(signature, format, document, key) {
  return areSignatures([fromHex(signature)], bytes(`${format}\n${canonical(document)}`), fromHex(key));
}

const signatureSaid = (valid, good, bad) => [valid, { true: good, false: bad, null: "This browser cannot check signatures (plain http, or too old): use rendertrust verify." }[valid]];

// Compares the file with the delivered one, by its bytes, and by its pixels.
async function pictureStep(file, work) {
  if (file.size > PICTURE_BYTES_MAX) return [null, `${file.name} is larger than this page can check: use rendertrust verify.`];
  const [delivered, pixels] = [membersOf(work.object), membersOf(work.pixels)];
  const same = delivered.size === file.size && delivered.sha256 === (await sha256(file));
  if (!isHex(pixels.sha256, 64)) return same ? [true, `${file.name} is the delivered file.`] : [false, `${file.name} is not the delivered file, and the receipt has no hash of its pixels.`];
  let [found, showing] = ["", ""];
  try {
    ({ sha256: found, showing } = await pictureDigest(new Uint8Array(await file.arrayBuffer())));
  } catch (error) {
    if (!(error instanceof NoPixels)) throw error;
    if (same && !(error instanceof ForeignPart)) return [true, `${file.name} is the delivered file.`];
    return [false, `${file.name} cannot be compared with the delivered picture: ${error.message}.`];
  }
  if (found === pixels.sha256 && same) return [true, `${file.name} is the delivered file.`];
  const named = membersOf(pixels.pictures);
  const name = namedDigest(named) === pixels.sha256 && Object.keys(named).find((each) => named[each] === found);
  if (found !== pixels.sha256 && !name) return [false, `${file.name} is not the picture of this receipt.`];
  if (showing) return [null, `${file.name} has the pixels of the receipt, but also ${showing}, by which viewers may show them in other colors, turned or stretched. Take the delivered file.`];
  return [true, name ? `${file.name} has the pixels of ${name} in the receipt.` : `${file.name} has the pixels of the delivered picture, in another file.`];
}

// Checks that the transfer in the log pays for this receipt.
function paymentStep(document, proof) {
  const lines = Object.fromEntries(String(proof.leaf).split("\n").map((line) => line.split(" ", 2)));
  const { price } = document.receipt;
  const amount = Number(lines.amount);
  if (document.entry_id !== proof.entry_id || lines.receipt !== hash(bytes(canonical(document.receipt)))) return [false, "The transfer in the log pays for another receipt."];
  const paysAll = lines.kind === "USAGE" && amount === price;
  const paysShare = lines.kind === "EARNING" && amount > 0 && amount <= price;
  if (PAYING_SIDE[lines.kind] !== proof.side || !(paysAll || paysShare)) return [false, "The transfer in the log does not pay the receipt's price."];
  return [true, `Transfer ${lines.transfer} of the log pays for this receipt.`];
}

async function proofStep(proof) {
  const { steps } = await checked(proof, { state: "", reason: "" });
  const failed = ["leaf", "path", "checkpoint", "signature", "anchor"].map((name) => steps[name]).find(([holds]) => holds === false);
  if (failed) return failed;
  if (steps.signature[0] === null) return steps.signature;
  return [true, "The transfer is in the log, and the log's key signed it."];
}

// Tells whether the log's key and the anchor are this farm's.
function farmStep(proof, farm) {
  if (!farm.keys.includes(proof.verifier)) return [false, `It is a receipt of another farm, ${String(proof.verifier).split("+")[0]}, or of a former key of this one.`];
  if (!proof.anchor && !farm.contract) return [null, "Its transfer is not anchored: this farm has anchored nothing on a blockchain."];
  if (!proof.anchor) return [null, "Its transfer is not anchored on the blockchain yet. Download the receipt again later."];
  if (proof.chain_id !== farm.chain || String(proof.contract).toLowerCase() !== farm.contract.toLowerCase()) return [false, "It is anchored by another contract than this farm's."];
  return [true, `The key is this farm's, and contract ${proof.contract} on chain ${proof.chain_id} is its own.`];
}

// Returns all steps as [name, [holds, sentence]], and the seal if every step holds.
export async function checkPicture(document, file, farm) {
  const { receipt } = document;
  const { work } = receipt;
  const steps = [
    ["Picture", await pictureStep(file, work)],
    ["Node", signatureSaid(await signedBy(receipt.node_signature, WORK_FORMAT, work, work.node.key), `Node ${work.node.id} signed the work.`, "The node's signature is invalid.")],
    ["Gateway", signatureSaid(await signedBy(document.signature, RECEIPT_FORMAT, receipt, receipt.gateway), "The gateway signed the receipt.", "The gateway's signature is invalid.")],
    ["Verdict", [VERIFIED.includes(receipt.verdict) || null, COMPARED[receipt.verdict]]],
  ];
  if (document.withdrawn) steps.push(["Withdrawn", [false, "The receipt was withdrawn, and the creator was refunded."]]);
  const proof = document.proof;
  if (proof) steps.push(["Payment", paymentStep(document, proof)], ["Log", await proofStep(proof)], ["Farm", farmStep(proof, farm)]);
  else steps.push(["Log", [null, receipt.price ? "The receipt has no proof yet. Download it again later." : "The work cost nothing, so no transfer in the log pays for it."]]);
  const holds = steps.every(([, [held]]) => held === true);
  const seal = holds && {
    node: work.node.id,
    verdict: COMPARED[receipt.verdict],
    credits: receipt.price / UNITS,
    block: proof.block_number,
    job: work.job,
    unit: work.unit,
  };
  return { steps, seal, failed: steps.some(([, [held]]) => held === false) };
}
