// Parser of signed notes (C2SP), equivalent to rendertrust/note.py.
import { Sha256, hex } from "./sha256.js";

export const bytes = (text) => new TextEncoder().encode(text);
export const hash = (...parts) => parts.reduce((sum, part) => sum.update(part), new Sha256()).hex();

// Decodes strictly: refuses input that atob would tolerate.
function base64(text) {
  const raw = atob(text);
  if (btoa(raw) !== text) throw Error(text);
  return Uint8Array.from(raw, (letter) => letter.charCodeAt(0));
}

// Parses a verifier key; throws if it is invalid.
export function verifierOf(text) {
  const [, name, id, encoded] = /^([^\s+]+)\+(\w{8})\+(\S{44})$/.exec(text);
  const key = base64(encoded);
  if (key[0] !== 1 || hash(bytes(`${name}\n`), key).slice(0, 8) !== id) throw Error(text);
  return { name, id, key: key.slice(1) };
}

// Returns the text, and the signatures that claim this key; throws if it is not a note.
export function noteOf(signed, { name, id }) {
  const [, text, lines] = /^([^]*\n)\n((?:— \S+ \S+\n)+)$/.exec(signed);
  const signatures = lines.split("\n").map((line) => line.split(" ")).filter(([, signer]) => signer === name)
    .map(([, , encoded]) => base64(encoded)).filter((data) => hex(data.slice(0, 4)) === id);
  return { text, signatures };
}

// Returns whether there is a signature and all of them are valid; null if this browser cannot
// check.
export async function isSigned({ text, signatures }, { key }) {
  return areSignatures(signatures.map((one) => one.slice(4)), bytes(text), key);
}

// Returns whether all of at least one Ed25519 signature are valid; null if this browser cannot check.
export async function areSignatures(signatures, message, key) {
  if (!signatures.length) return false;
  let made;
  try {
    made = await crypto.subtle.importKey("raw", key, { name: "Ed25519" }, false, ["verify"]);
  } catch (error) {
    return crypto.subtle && error.name !== "NotSupportedError" ? false : null;
  }
  const held = signatures.map((one) => crypto.subtle.verify("Ed25519", made, one, message));
  return (await Promise.all(held)).every(Boolean);
}
