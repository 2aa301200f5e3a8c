// Signed notes (C2SP), read as rendertrust/note.py reads them, and the bytes that they are made of.
import { Sha256, hex } from "./sha256.js";

export const bytes = (text) => new TextEncoder().encode(text);
export const hash = (...parts) => parts.reduce((sum, part) => sum.update(part), new Sha256()).hex();

// One text, one value: what atob passes over is refused.
function base64(text) {
  const raw = atob(text);
  if (btoa(raw) !== text) throw Error(text);
  return Uint8Array.from(raw, (letter) => letter.charCodeAt(0));
}

// Whose signature is looked for. Throws for what is no verifier key.
export function verifierOf(text) {
  const [, name, id, encoded] = /^([^\s+]+)\+(\w{8})\+(\S{44})$/.exec(text);
  const key = base64(encoded);
  if (key[0] !== 1 || hash(bytes(`${name}\n`), key).slice(0, 8) !== id) throw Error(text);
  return { name, id, key: key.slice(1) };
}

// The text, and the signatures that are said to be of this key. Throws for what is no note.
export function noteOf(signed, { name, id }) {
  const [, text, lines] = /^([^]*\n)\n((?:— \S+ \S+\n)+)$/.exec(signed);
  const signatures = lines.split("\n").map((line) => line.split(" ")).filter(([, signer]) => signer === name)
    .map(([, , encoded]) => base64(encoded)).filter((data) => hex(data.slice(0, 4)) === id);
  return { text, signatures };
}

// Whether there is one, and each holds; null where this browser cannot tell.
export async function isSigned({ text, signatures }, { key }) {
  if (!signatures.length) return false;
  let made;
  try {
    made = await crypto.subtle.importKey("raw", key, { name: "Ed25519" }, false, ["verify"]);
  } catch (error) {
    return crypto.subtle && error.name !== "NotSupportedError" ? false : null;
  }
  const held = signatures.map((one) => crypto.subtle.verify("Ed25519", made, one.slice(4), bytes(text)));
  return (await Promise.all(held)).every(Boolean);
}
