// Hash of the coded pictures of an OpenEXR file, equal to that of rendertrust/node/worker/formats/exr.py.
import { Sha256 } from "./sha256.js";
import { NoPixels, Reader, checkSize, inflated, latin1 } from "./picture_reader.js";

const EXR_MAGIC = "\x76\x2f\x31\x01";
const [OTHER_KINDS, SEVERAL_PARTS] = [0x0a00, 0x1000]; // flags: tiled or deep; several parts
const [PARTS_MAX, NAME_MAX, ATTRIBUTES_MAX, VALUE_MAX, EXR_CHANNELS_MAX] = [256, 255, 256, 2 ** 16, 512];
const [STORED_MAX, INFLATED_MAX] = [2 ** 30, 2 ** 27];
const DEFLATED = [2, 3]; // compressions ZIPS and ZIP
const LINES = { 0: 1, 1: 1, 2: 1, 3: 16, 4: 32, 5: 16, 6: 32, 7: 32, 8: 32, 9: 256 };
const SAMPLE_BYTES = { 0: 4, 1: 2, 2: 4 };
const NONE = new Uint8Array(0);

export const isExr = (bytes) => latin1(bytes.subarray(0, 4)) === EXR_MAGIC;

export async function exrDigest(bytes) {
  const reader = new Reader(bytes, 4);
  const [several, heads] = headsOf(reader);
  const parts = heads.map(partOf);
  const [first] = parts;
  if (!first || parts.some((part) => part.width !== first.width || part.height !== first.height)) throw new NoPixels("the file's parts are not all of one size");
  for (const part of parts) part.offsets = Array.from({ length: part.blocks }, () => reader.u64(true));
  const [hash, encode] = [new Sha256(), (text) => new TextEncoder().encode(text)];
  if (several) hash.update(encode(`rendertrust-coded-v1 exr-parts ${parts.length}\n`));
  let left = bytes.length; // of all blocks together, because blocks could overlap
  for (const [number, part] of parts.entries()) {
    if (several) hash.update(part.name).update(encode("\n"));
    hash.update(encode(`rendertrust-coded-v1 exr ${part.width} ${part.height} ${part.packing}\n`)).update(part.channels);
    for (const [place, offset] of part.offsets.entries()) {
      const rows = Math.min(part.lines, part.height - place * part.lines);
      const size = rows * part.width * part.bytes;
      const content = blockAt(bytes, offset, size, several ? number : null);
      left -= content.length;
      if (left < 0) throw new NoPixels("the file's blocks overlap");
      const block = DEFLATED.includes(part.packing) ? await unpacked(content, size) : content;
      const length = new DataView(new ArrayBuffer(4));
      length.setUint32(0, block.length, true);
      hash.update(new Uint8Array(length.buffer)).update(block);
    }
  }
  return { sha256: hash.hex(), showing: heads.map(showingOf).find(Boolean) ?? "" };
}

function headsOf(reader) {
  const version = reader.u32(true);
  if (version & OTHER_KINDS) throw new NoPixels("the file is a tiled or deep OpenEXR file");
  if (!(version & SEVERAL_PARTS)) return [false, [attributesOf(reader)]];
  const found = [];
  for (let head = attributesOf(reader); head.size; head = attributesOf(reader)) {
    if (latin1(head.get("type") ?? NONE) !== "scanlineimage") throw new NoPixels("one of the file's parts is tiled or deep");
    if (found.push(head) > PARTS_MAX) throw new NoPixels("the file has too many parts");
  }
  return [true, found];
}

// Returns the name of an attribute that changes how the picture is shown.
function showingOf(head) {
  const [data, display, ratio] = ["dataWindow", "displayWindow", "pixelAspectRatio"].map((name) => latin1(head.get(name) ?? NONE));
  if (head.has("chromaticities")) return "chromaticities";
  if (display && display !== data) return "displayWindow";
  return ratio && ratio !== "\0\0\x80\x3f" ? "pixelAspectRatio" : ""; // 1 as a float
}

function attributesOf(reader) {
  const found = new Map();
  for (let number = 0; number < ATTRIBUTES_MAX; number += 1) {
    const name = reader.text(NAME_MAX);
    if (!name) return found;
    reader.text(NAME_MAX);
    const size = reader.u32(true);
    if (size > VALUE_MAX) throw new NoPixels("one of the file's attributes is too long");
    found.set(name, reader.take(size));
  }
  throw new NoPixels("the file has too many attributes");
}

// Returns the layout of a part's blocks, from its header.
function partOf(head) {
  const [box, channels] = [head.get("dataWindow") ?? NONE, head.get("channels") ?? NONE];
  if (box.length !== 16 || !channels.length) throw new NoPixels("the file has no window or no channels");
  const window = new Reader(box);
  const [leftmost, top, right, bottom] = [0, 1, 2, 3].map(() => window.i32(true));
  const widths = widthsOf(channels);
  const [width, height] = [right - leftmost + 1, bottom - top + 1];
  checkSize(width, height);
  const packing = head.get("compression")?.[0] ?? 255;
  if (!(packing in LINES)) throw new NoPixels("the file's OpenEXR compression is not supported");
  const lines = LINES[packing];
  const blocks = Math.ceil(height / lines);
  const told = head.get("chunkCount");
  if (told && (told.length !== 4 || new Reader(told).u32(true) !== blocks)) throw new NoPixels("the file's number of blocks does not match its size");
  return { name: head.get("name") ?? NONE, width, height, packing, lines, blocks, channels, count: widths.length, bytes: widths.reduce((sum, one) => sum + one, 0) };
}

// Returns the bytes per sample of each channel. A channel is a name, a zero and 16 bytes.
function widthsOf(channels) {
  const [reader, found] = [new Reader(channels), []];
  while (reader.at < channels.length && channels[reader.at]) {
    reader.text(VALUE_MAX);
    const [kind, , across, down] = [0, 1, 2, 3].map(() => reader.i32(true));
    if (!(kind in SAMPLE_BYTES) || across !== 1 || down !== 1) throw new NoPixels("the file has unsupported channels");
    if (found.push(SAMPLE_BYTES[kind]) > EXR_CHANNELS_MAX) throw new NoPixels("the file's window or channels are invalid");
  }
  return found;
}

// Returns the stored bytes of a block. `part`: the number before it in a file of several parts.
function blockAt(bytes, offset, size, part) {
  const reader = new Reader(bytes, offset);
  if (part !== null && reader.u32(true) !== part) throw new NoPixels("one of the file's blocks belongs to another part");
  reader.take(4);
  const stored = reader.u32(true);
  if (stored > Math.min(size, STORED_MAX)) throw new NoPixels("one of the file's blocks is too long");
  return reader.take(stored);
}

async function unpacked(content, size) {
  if (content.length === size) return sorted(content);
  if (size > INFLATED_MAX) throw new NoPixels("one of the file's blocks is too long");
  const found = new Uint8Array(size);
  let filled = 0;
  for await (const piece of inflated([content])) {
    if (filled + piece.length > size) throw new NoPixels("one of the file's blocks has a wrong length");
    found.set(piece, filled);
    filled += piece.length;
  }
  if (filled !== size) throw new NoPixels("one of the file's blocks has a wrong length");
  return found;
}

// Undoes the byte order and differences that OpenEXR applies to a block before deflation.
function sorted(content) {
  const found = new Uint8Array(content.length);
  const half = Math.ceil(content.length / 2);
  const apart = (place) => content[place < half ? 2 * place : 2 * (place - half) + 1];
  for (let place = 0; place < found.length; place += 1) found[place] = place ? apart(place) - apart(place - 1) + 128 : apart(0);
  return found;
}
