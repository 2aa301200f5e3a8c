// Reads files of pictures within limits, as rendertrust/node/worker/formats/bounds.py does.
const PIXELS_MAX = 2 ** 28;
const SIDE_MAX = 2 ** 16;

// The pixels cannot be read; the message says why.
export class NoPixels extends Error {}

// The file has a part that Blender does not write, and viewers may show something else.
export class ForeignPart extends NoPixels {}

export function checkSize(width, height) {
  const fits = width > 0 && height > 0 && width <= SIDE_MAX && height <= SIDE_MAX && width * height <= PIXELS_MAX;
  if (!fits) throw new NoPixels("the picture has too many pixels, or none");
}

// A position in the bytes of a file; reading beyond their end throws.
export class Reader {
  constructor(bytes, at = 0) {
    this.bytes = bytes;
    this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.at = at;
  }

  take(size) {
    if (this.at + size > this.bytes.length) throw new NoPixels("the file is truncated");
    this.at += size;
    return this.bytes.subarray(this.at - size, this.at);
  }

  #number(size) {
    this.take(size);
    return this.at - size;
  }

  // Numbers: big-endian in PNG and JPEG, little-endian in OpenEXR and zip.
  u8() { return this.view.getUint8(this.#number(1)); }
  u16(little) { return this.view.getUint16(this.#number(2), little); }
  u32(little) { return this.view.getUint32(this.#number(4), little); }
  i32(little) { return this.view.getInt32(this.#number(4), little); }
  u64(little) { return Number(this.view.getBigUint64(this.#number(8), little)); }

  // Returns the text before the next zero byte.
  text(most) {
    const end = this.bytes.indexOf(0, this.at);
    if (end < 0) throw new NoPixels("the file is truncated");
    if (end - this.at > most) throw new NoPixels("one of the file's names is too long");
    const found = latin1(this.take(end - this.at));
    this.at += 1;
    return found;
  }
}

export const latin1 = (bytes) => String.fromCharCode(...bytes);

// Yields the inflated bytes of a zlib stream, piece by piece. `parts`: the stream's bytes.
export async function* inflated(parts) {
  const pieces = new Blob(parts).stream().pipeThrough(new DecompressionStream("deflate")).getReader();
  try {
    while (true) {
      const { done, value } = await pieces.read();
      if (done) return;
      yield value;
    }
  } catch (error) {
    throw error instanceof TypeError ? new NoPixels("the file's data cannot be unpacked") : error;
  } finally {
    await pieces.cancel().catch(() => {});
  }
}
