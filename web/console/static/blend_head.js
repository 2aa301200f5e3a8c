// Reader of the head of an uncompressed .blend file: the frames of its scene, and the small picture
// that Blender saves in it. Both are guesses until a node has opened the scene.
const HEAD_BYTES = 1 << 20;
const BLOCKS_MOST = 8; // both blocks are among the first
const SIDE_MOST = 512;
const FRAME_MOST = 1048574;

// Returns the length of the header, and the length and the fields of a block's head.
function layoutOf(text) {
  if (/^BLENDER17-01v\d{4}/.test(text)) return { start: 17, head: 32, length: 16, little: true };
  const [found, pointer, order] = /^BLENDER([_-])([vV])\d{3}/.exec(text) ?? [];
  return found ? { start: 12, head: pointer === "_" ? 20 : 24, length: 4, little: order === "v" } : null;
}

function framesAt(view, at, little) {
  const [first, last] = [view.getInt32(at, little), view.getInt32(at + 4, little)];
  return first <= last && Math.abs(first) <= FRAME_MOST && Math.abs(last) <= FRAME_MOST ? { first, last } : {};
}

// The rows of the saved picture begin at the bottom.
function pictureAt(view, at, length, little) {
  const [width, height] = [view.getInt32(at, little), view.getInt32(at + 4, little)];
  if (!(width > 0 && height > 0 && width <= SIDE_MOST && height <= SIDE_MOST) || length < 8 + 4 * width * height) return {};
  const picture = new ImageData(width, height);
  for (let row = 0; row < height; row += 1) {
    const from = view.byteOffset + at + 8 + 4 * width * (height - 1 - row);
    picture.data.set(new Uint8Array(view.buffer, from, 4 * width), 4 * width * row);
  }
  return { picture };
}

// Returns whether Blender can have saved the file: plain, or compressed by gzip or Zstandard.
export async function isBlend(file) {
  const head = new Uint8Array(await file.slice(0, 7).arrayBuffer());
  return ["BLENDER", "\x1f\x8b", "\x28\xb5\x2f\xfd"].some((mark) => [...mark].every((letter, at) => letter.charCodeAt() === head[at]));
}

// Returns what is known: the `first` and `last` frame, and the `picture`.
export async function blendHead(file) {
  const view = new DataView(await file.slice(0, HEAD_BYTES).arrayBuffer());
  const text = (at, size) => String.fromCharCode(...new Uint8Array(view.buffer, at, Math.min(size, view.byteLength - at)));
  const layout = layoutOf(text(0, 17));
  const found = {};
  if (!layout) return found;
  for (let at = layout.start, n = 0; n < BLOCKS_MOST && at + layout.head <= view.byteLength; n += 1) {
    const length = view.getInt32(at + layout.length, layout.little);
    const data = at + layout.head;
    if (length < 0 || data + length > view.byteLength) break;
    const code = text(at, 4);
    if (code === "REND" && length >= 8 && found.first === undefined) Object.assign(found, framesAt(view, data, layout.little));
    if (code === "TEST" && length >= 8) Object.assign(found, pictureAt(view, data, length, layout.little));
    at = data + length;
  }
  return found;
}
