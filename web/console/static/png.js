// Hash of the pixels of a PNG file, equal to that of rendertrust/node/worker/formats/png.py. A canvas
// would not do: it changes colors, and knows 8 bits only.
import { Sha256 } from "./sha256.js";
import { ForeignPart, NoPixels, Reader, checkSize, inflated, latin1 } from "./picture_reader.js";

const PNG_SIGNATURE = "\x89PNG\r\n\x1a\n";
const CHANNELS = { 0: 1, 2: 3, 4: 2, 6: 4 };
const CHUNKS = new Set("IHDR IDAT IEND cHRM cICP eXIf gAMA iCCP iTXt oFFs pHYs sBIT sRGB tEXt tIME zTXt".split(" "));
// Chunks by which viewers change colors, turn, move or stretch the picture.
const PNG_SHOWING = new Set("cHRM cICP eXIf gAMA iCCP oFFs pHYs sBIT".split(" "));
const CRC = Uint32Array.from({ length: 256 }, (_, byte) => {
  for (let bit = 0; bit < 8; bit += 1) byte = byte & 1 ? (byte >>> 1) ^ 0xedb88320 : byte >>> 1;
  return byte;
});

export const isPng = (bytes) => latin1(bytes.subarray(0, 8)) === PNG_SIGNATURE;

export async function pngDigest(bytes) {
  const reader = new Reader(bytes, PNG_SIGNATURE.length);
  const [kind, header] = chunk(reader);
  if (kind !== "IHDR" || header.length !== 13) throw new NoPixels("the file does not begin with a header");
  const view = new Reader(header);
  const [width, height, bits, color] = [view.u32(), view.u32(), view.u8(), view.u8()];
  const interlaced = header[12];
  if (!(color in CHANNELS) || ![8, 16].includes(bits) || interlaced) throw new NoPixels("the file is an unsupported PNG file");
  checkSize(width, height);
  const channels = CHANNELS[color];
  const hash = new Sha256().update(new TextEncoder().encode(`rendertrust-pixels-v1 ${width} ${height} ${channels} ${bits}\n`));
  const { parts, showing } = dataOf(reader);
  await hashRows(inflated(parts), height, width, (channels * bits) / 8, hash);
  return { sha256: hash.hex(), showing };
}

function chunk(reader) {
  const length = reader.u32();
  const start = reader.at;
  const kind = latin1(reader.take(4));
  const body = reader.take(length);
  let sum = 0xffffffff;
  for (let place = start; place < reader.at; place += 1) sum = CRC[(sum ^ reader.bytes[place]) & 255] ^ (sum >>> 8);
  if ((~sum >>> 0) !== reader.u32()) throw new NoPixels("the file is damaged");
  return [kind, body];
}

// Returns the parts of the compressed samples, and the name of a chunk that changes how they are shown.
function dataOf(reader) {
  const parts = [];
  let [showing, ended] = ["", false];
  while (true) {
    const [kind, body] = chunk(reader);
    if (kind === "IDAT" && ended) throw new NoPixels("another chunk divides the file's samples");
    ended = parts.length > 0 && kind !== "IDAT";
    if (PNG_SHOWING.has(kind)) showing = kind;
    if (!CHUNKS.has(kind)) throw new ForeignPart(`the file has a chunk (${/^[A-Za-z]{4}$/.test(kind) ? kind : "unnamed"}) that Blender does not write`);
    if (kind === "IDAT") parts.push(body);
    if (kind === "IEND") return { parts, showing };
  }
}

async function hashRows(pieces, height, width, step, hash) {
  const length = width * step;
  let [row, above] = [new Uint8Array(length + 1), new Uint8Array(length + 1)];
  let [filled, done] = [0, 0];
  for await (const piece of pieces) {
    for (let place = 0; place < piece.length;) {
      if (done === height) throw new NoPixels("the file has more rows than its header says");
      const more = piece.subarray(place, place + row.length - filled);
      row.set(more, filled);
      filled += more.length;
      place += more.length;
      if (filled < row.length) continue;
      unfilter(row, above, step);
      hash.update(row.subarray(1));
      [row, above, filled, done] = [above, row, 0, done + 1];
    }
  }
  if (done < height) throw new NoPixels("rows are missing");
}

// Undoes the filter of a row in place (PNG 1.2, 6). Both rows begin with the number of their filter.
function unfilter(row, above, step) {
  const filter = row[0];
  if (filter > 4) throw new NoPixels("the file has an unknown filter");
  for (let place = 1; place < row.length; place += 1) {
    const left = place > step ? row[place - step] : 0;
    const corner = place > step ? above[place - step] : 0;
    const over = above[place];
    if (filter === 1) row[place] += left;
    else if (filter === 2) row[place] += over;
    else if (filter === 3) row[place] += (left + over) >> 1;
    else if (filter === 4) row[place] += nearest(left, over, corner);
    else return;
  }
}

function nearest(left, over, corner) {
  const [far, near, both] = [Math.abs(over - corner), Math.abs(left - corner), Math.abs(left + over - 2 * corner)];
  if (far <= near && far <= both) return left;
  return near <= both ? over : corner;
}
