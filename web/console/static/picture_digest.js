// Hashes of pictures, equal to those of rendertrust/node/worker/formats/picture_digest.py: of a PNG,
// JPEG or OpenEXR file, or of a zip of such files.
import { Sha256 } from "./sha256.js";
import { NoPixels, Reader } from "./picture_reader.js";
import { isPng, pngDigest } from "./png.js";
import { isJpeg, jpegDigest } from "./jpeg.js";
import { exrDigest, isExr } from "./exr.js";

const FILES_MAX = 4096;
const [LOCAL, ENTRY, DIRECTORY_END] = [0x04034b50, 0x02014b50, 0x06054b50];
const [END_BYTES, COMMENT_MAX] = [22, 65_535];

// Compares texts by code points, as Python does.
export function byCodePoint(one, other) {
  const [left, right] = [[...one], [...other]];
  const place = left.findIndex((letter, at) => letter !== right[at]);
  if (place < 0) return left.length - right.length;
  return place < right.length ? left[place].codePointAt(0) - right[place].codePointAt(0) : 1;
}

// Returns the hash, and `showing`: the name of a part by which viewers change colors, turn, move or
// stretch the picture, or "". Throws NoPixels for an unsupported file.
export async function pictureDigest(bytes) {
  if (bytes.length >= 4 && new Reader(bytes).u32(true) === LOCAL) return zipDigest(bytes);
  return single(bytes);
}

async function single(bytes) {
  if (isPng(bytes)) return pngDigest(bytes);
  if (isJpeg(bytes)) return jpegDigest(bytes);
  if (isExr(bytes)) return exrDigest(bytes);
  throw new NoPixels("it is no PNG, JPEG or OpenEXR file, so only the file itself can be compared");
}

async function zipDigest(bytes) {
  const found = new Map();
  let showing = "";
  for (const [name, file] of filesIn(bytes)) {
    if (found.has(name)) throw new NoPixels("the file is not a zip of a chunk of frames");
    const picture = await single(file);
    found.set(name, picture.sha256);
    showing ||= picture.showing;
  }
  return { sha256: namedDigest(Object.fromEntries(found)), showing };
}

export function namedDigest(named) {
  const names = Object.keys(named).sort(byCodePoint);
  const text = [`rendertrust-pictures-v1 ${names.length}`, ...names.map((name) => `${name} ${named[name]}`), ""].join("\n");
  return new Sha256().update(new TextEncoder().encode(text)).hex();
}

// Yields names and contents of a zip whose files are stored, not compressed.
function* filesIn(bytes) {
  const broken = () => new NoPixels("the file is a zip that cannot be read");
  let end = bytes.length - END_BYTES;
  const first = Math.max(0, end - COMMENT_MAX);
  while (end >= first && new Reader(bytes, end).u32(true) !== DIRECTORY_END) end -= 1;
  if (end < first) throw broken();
  const reader = new Reader(bytes, end + 10);
  const count = reader.u16(true);
  reader.take(4);
  reader.at = reader.u32(true);
  if (count > FILES_MAX) throw new NoPixels(`over ${FILES_MAX} files in one zip`);
  for (let number = 0; number < count; number += 1) {
    if (reader.u32(true) !== ENTRY) throw broken();
    reader.take(6);
    const packing = reader.u16(true);
    reader.take(8);
    const [stored, size] = [reader.u32(true), reader.u32(true)];
    const [nameSize, extra, comment] = [reader.u16(true), reader.u16(true), reader.u16(true)];
    reader.take(8);
    const offset = reader.u32(true);
    const name = new TextDecoder().decode(reader.take(nameSize));
    reader.take(extra + comment);
    const head = new Reader(bytes, offset);
    if (packing || stored !== size) throw new NoPixels("the file is not a zip of a chunk of frames");
    if (head.u32(true) !== LOCAL) throw broken();
    head.take(22);
    head.take(head.u16(true) + head.u16(true));
    yield [name, head.take(size)];
  }
}
