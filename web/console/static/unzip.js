// Reader of zips that a person drops. A zip is read in the browser, and may come from a stranger:
// the number of its files, their sizes, and how much they unpack to are limited, and what the zip
// says about them is checked while they are unpacked.
const ENTRIES_MOST = 5000;
const LIST_MOST = 8 << 20;
const UNPACKED_MOST = 16 * 2 ** 30; // of all files together, unpacked
const RATIO_MOST = 200; // unpacked to packed; scenes and pictures stay far below
const SMALL_BYTES = 64 << 20; // what every zip may unpack to
const [END, END64, PLACE64, ENTRY, LOCAL] = [0x06054b50, 0x06064b50, 0x07064b50, 0x02014b50, 0x04034b50];
const [STORED, DEFLATED] = [0, 8];
const [WHOLE16, WHOLE32] = [0xffff, 0xffffffff]; // the number is in a 64-bit field elsewhere

class BadZip extends Error {
  constructor(words) {
    super(words);
    this.name = "";
  }
}

const gib = (bytes) => `${(bytes / 2 ** 30).toFixed(1)} GiB`;
const view = async (file, from, to) => new DataView(await file.slice(from, to).arrayBuffer());
const long = (data, at) => Number(data.getBigUint64(at, true));

// Returns where the list of files is.
async function listOf(file) {
  const start = Math.max(0, file.size - 22 - WHOLE16);
  const data = await view(file, start, file.size);
  let at = data.byteLength - 22;
  while (at >= 0 && data.getUint32(at, true) !== END) at -= 1;
  if (at < 0) throw new BadZip(`${file.name} is no zip, or only a part of one. Zip the folder again.`);
  const found = { count: data.getUint16(at + 10, true), size: data.getUint32(at + 12, true), from: data.getUint32(at + 16, true) };
  const place = at - 20;
  if (place < 0 || data.getUint32(place, true) !== PLACE64) return found;
  const end = await view(file, long(data, place + 8), long(data, place + 8) + 56);
  if (end.byteLength < 56 || end.getUint32(0, true) !== END64) throw new BadZip(`${file.name} is damaged. Zip the folder again.`);
  return { count: long(end, 32), size: long(end, 40), from: long(end, 48) };
}

// Reads the 64-bit fields of an entry, which are present where the short ones are full.
function widened(entry, extra) {
  for (let at = 0; at + 4 <= extra.byteLength; at += 4 + extra.getUint16(at + 2, true)) {
    if (extra.getUint16(at, true) !== 1) continue;
    let field = at + 4;
    for (const name of ["size", "packed", "from"]) {
      if (entry[name] !== WHOLE32 || field + 8 > extra.byteLength) continue;
      entry[name] = long(extra, field);
      field += 8;
    }
  }
  return entry;
}

function entriesOf(data, count, name) {
  const entries = [];
  let at = 0;
  const need = (bytes) => { if (at + bytes > data.byteLength) throw new BadZip(`${name} is damaged. Zip the folder again.`); };
  for (let n = 0; n < count; n += 1) {
    need(46);
    if (data.getUint32(at, true) !== ENTRY) throw new BadZip(`${name} is damaged. Zip the folder again.`);
    const [letters, extra, comment] = [28, 30, 32].map((place) => data.getUint16(at + place, true));
    need(46 + letters + extra + comment);
    const path = new TextDecoder().decode(new Uint8Array(data.buffer, at + 46, letters));
    const entry = { path: path.replaceAll("\\", "/"), secret: data.getUint16(at + 8, true) & 1, method: data.getUint16(at + 10, true), packed: data.getUint32(at + 20, true), size: data.getUint32(at + 24, true), from: data.getUint32(at + 42, true) };
    entries.push(widened(entry, new DataView(data.buffer, at + 46 + letters, extra)));
    at += 46 + letters + extra + comment;
  }
  return entries;
}

// Refuses zips that cannot be read, and zips that unpack to far more than they are.
function check(entries, { name, size }) {
  const unpacked = entries.reduce((sum, entry) => sum + entry.size, 0);
  if (unpacked > UNPACKED_MOST) throw new BadZip(`${name} unpacks to ${gib(unpacked)}; at most ${gib(UNPACKED_MOST)} are unpacked here. Drop the folder instead.`);
  if (unpacked > Math.max(SMALL_BYTES, RATIO_MOST * size)) throw new BadZip(`${name} unpacks to more than ${RATIO_MOST} times its size and was not opened: it may be a zip bomb. If it is yours, drop the folder instead.`);
  for (const { path, secret, method } of entries) {
    if (secret) throw new BadZip(`${name} has a password. Zip the folder without one, or drop the folder.`);
    if (method !== STORED && method !== DEFLATED) throw new BadZip(`${name}: ${path} is packed in a way that browsers cannot read. Zip it with Deflate, or drop the folder.`);
  }
  let end = 0;
  for (const { from, packed } of [...entries].sort((one, other) => one.from - other.from)) {
    if (from < end || from + packed > size) throw new BadZip(`${name} was not opened: its files overlap, as in a zip bomb. If it is yours, drop the folder instead.`);
    end = from + 30 + packed;
  }
}

// Stops as soon as an entry unpacks to more than the zip says, which the checks above rely on.
async function unpacked(file, { path, from, method, packed, size }) {
  const local = await view(file, from, from + 30);
  const broken = () => new BadZip(`${file.name}: ${path} is damaged. Zip the folder again.`);
  if (local.byteLength < 30 || local.getUint32(0, true) !== LOCAL) throw broken();
  const start = from + 30 + local.getUint16(26, true) + local.getUint16(28, true);
  const content = file.slice(start, start + packed);
  const name = path.split("/").pop();
  if (method === STORED) {
    if (size !== packed) throw broken();
    return new File([content], name);
  }
  let bytes = 0;
  const counted = new TransformStream({
    transform(piece, to) {
      bytes += piece.byteLength;
      if (bytes > size) to.error(broken());
      else to.enqueue(piece);
    },
  });
  const stream = content.stream().pipeThrough(new DecompressionStream("deflate-raw")).pipeThrough(counted);
  const whole = await new Response(stream).blob().catch(() => null);
  if (bytes > size) throw new BadZip(`${file.name} was not opened: ${path} unpacks to more than the zip says, as in a zip bomb.`);
  if (!whole || bytes !== size) throw broken();
  return new File([whole], name);
}

// Returns the files of a zip with their paths; only those whose path `wanted` accepts.
export async function unzip(file, wanted = () => true) {
  const { count, size, from } = await listOf(file);
  if (count > ENTRIES_MOST) throw new BadZip(`${file.name} has ${count} files; a job can have ${ENTRIES_MOST}.`);
  if (size > LIST_MOST) throw new BadZip(`${file.name} is damaged. Zip the folder again.`);
  const all = entriesOf(await view(file, from, from + size), count, file.name).filter(({ path }) => !path.endsWith("/"));
  check(all, file);
  const found = [];
  for (const entry of all.filter(({ path }) => wanted(path))) found.push({ path: entry.path, file: await unpacked(file, entry) });
  return found;
}
