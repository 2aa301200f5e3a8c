// Incremental SHA-256 (FIPS 180-4). The browser's own implementation needs https and the whole
// input in memory, so it fails over plain http on a LAN, and for scenes of some gigabytes.
const K = new Uint32Array(64);
const START = new Uint32Array(8);
for (let n = 2, found = 0; found < 64; n += 1) {
  let prime = true;
  for (let d = 2; d * d <= n; d += 1) if (n % d === 0) { prime = false; break; }
  if (!prime) continue;
  const bits = (root) => Math.floor((root - Math.floor(root)) * 2 ** 32);
  if (found < 8) START[found] = bits(Math.sqrt(n));
  K[found] = bits(Math.cbrt(n));
  found += 1;
}

export const hex = (bytes) => [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("");

export class Sha256 {
  #state = START.slice();
  #words = new Uint32Array(64);
  #rest = new Uint8Array(64);
  #filled = 0;
  #length = 0;

  update(bytes) {
    this.#length += bytes.length;
    let place = 0;
    if (this.#filled) {
      place = Math.min(64 - this.#filled, bytes.length);
      this.#rest.set(bytes.subarray(0, place), this.#filled);
      this.#filled += place;
      if (this.#filled < 64) return this;
      this.#block(this.#rest, 0);
      this.#filled = 0;
    }
    for (; place + 64 <= bytes.length; place += 64) this.#block(bytes, place);
    this.#rest.set(bytes.subarray(place));
    this.#filled = bytes.length - place;
    return this;
  }

  hex() {
    const end = new Uint8Array(this.#filled < 56 ? 64 : 128);
    end.set(this.#rest.subarray(0, this.#filled));
    end[this.#filled] = 0x80;
    const view = new DataView(end.buffer);
    view.setUint32(end.length - 8, Math.floor(this.#length / 2 ** 29));
    view.setUint32(end.length - 4, (this.#length * 8) >>> 0);
    for (let place = 0; place < end.length; place += 64) this.#block(end, place);
    return [...this.#state].map((word) => word.toString(16).padStart(8, "0")).join("");
  }

  #block(bytes, place) {
    const w = this.#words;
    for (let i = 0, p = place; i < 16; i += 1, p += 4) {
      w[i] = (bytes[p] << 24) | (bytes[p + 1] << 16) | (bytes[p + 2] << 8) | bytes[p + 3];
    }
    for (let i = 16; i < 64; i += 1) {
      const x = w[i - 15];
      const y = w[i - 2];
      const s0 = ((x >>> 7) | (x << 25)) ^ ((x >>> 18) | (x << 14)) ^ (x >>> 3);
      const s1 = ((y >>> 17) | (y << 15)) ^ ((y >>> 19) | (y << 13)) ^ (y >>> 10);
      w[i] = (w[i - 16] + s0 + w[i - 7] + s1) | 0;
    }
    let [a, b, c, d, e, f, g, h] = this.#state;
    for (let i = 0; i < 64; i += 1) {
      const s1 = ((e >>> 6) | (e << 26)) ^ ((e >>> 11) | (e << 21)) ^ ((e >>> 25) | (e << 7));
      const one = (h + s1 + ((e & f) ^ (~e & g)) + K[i] + w[i]) | 0;
      const s0 = ((a >>> 2) | (a << 30)) ^ ((a >>> 13) | (a << 19)) ^ ((a >>> 22) | (a << 10));
      const two = (s0 + ((a & b) ^ (a & c) ^ (b & c))) | 0;
      h = g; g = f; f = e; e = (d + one) | 0; d = c; c = b; b = a; a = (one + two) | 0;
    }
    const s = this.#state;
    s[0] += a; s[1] += b; s[2] += c; s[3] += d; s[4] += e; s[5] += f; s[6] += g; s[7] += h;
  }
}

const AT_ONCE = 64 * 1024 * 1024; // bytes that the browser's own implementation may load into memory

// Returns the hash of a file; reports the progress (0 to 1).
export async function sha256(file, told = () => {}) {
  if (isSecureContext && crypto.subtle && file.size <= AT_ONCE) {
    const hash = await crypto.subtle.digest("SHA-256", await file.arrayBuffer());
    return hex(new Uint8Array(hash));
  }
  const hash = new Sha256();
  const piece = 4 * 1024 * 1024;
  for (let place = 0; place < file.size; place += piece) {
    hash.update(new Uint8Array(await file.slice(place, place + piece).arrayBuffer()));
    told(Math.min(1, (place + piece) / file.size));
  }
  return hash.hex();
}
