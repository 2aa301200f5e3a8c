// Hash of the coded picture of a JPEG file, equal to that of rendertrust/node/worker/formats/jpeg.py.
import { Sha256 } from "./sha256.js";
import { NoPixels, Reader, checkSize } from "./picture_reader.js";

const SEGMENTS_MAX = 256; // before the frame header
const [END, SCAN, COMMENT, ADOBE] = [0xd9, 0xda, 0xfe, 0xee];
const JPEG_SHOWING = { 0xe1: "Exif or XMP", 0xe2: "a color profile" };

export const isJpeg = (bytes) => bytes[0] === 0xff && bytes[1] === 0xd8;

export function jpegDigest(bytes) {
  const reader = new Reader(bytes, 2);
  const [hash, before] = [new Sha256(), []];
  let [found, showing] = [null, ""];
  for (let marker = markerAt(reader); marker !== END;) {
    const start = reader.at;
    const length = reader.u16();
    if (length < 2) throw new NoPixels("the file is damaged");
    reader.take(length - 2);
    const segment = bytes.subarray(start, reader.at);
    showing ||= JPEG_SHOWING[marker] ?? "";
    if (isFrame(marker) && !found) {
      found = frameOf(segment);
      hash.update(new TextEncoder().encode(`rendertrust-coded-v1 jpeg ${found.width} ${found.height}\n`));
      for (const part of before) hash.update(part);
    }
    const isMetadata = marker === COMMENT || (marker >= 0xe0 && marker <= 0xef && marker !== ADOBE);
    if (!isMetadata) {
      const part = Uint8Array.of(0xff, marker, ...segment);
      if (found) hash.update(part);
      else if (before.push(part) > SEGMENTS_MAX) throw new NoPixels("the file has too many segments before its picture");
    }
    marker = marker === SCAN ? afterScan(reader, hash) : markerAt(reader);
  }
  if (!found) throw new NoPixels("the file has no size");
  return { sha256: hash.hex(), showing };
}

const isFrame = (marker) => marker >= 0xc0 && marker <= 0xcf && ![0xc4, 0xc8, 0xcc].includes(marker);

function frameOf(segment) {
  if (segment.length < 8) throw new NoPixels("the file's header is truncated");
  const view = new Reader(segment, 3);
  const [height, width] = [view.u16(), view.u16()];
  checkSize(width, height);
  return { width, height };
}

function markerAt(reader) {
  if (reader.u8() !== 0xff) throw new NoPixels("the file is damaged");
  let marker = reader.u8();
  while (marker === 0xff) marker = reader.u8(); // fill bytes
  const hasNoLength = marker === 0x01 || (marker >= 0xd0 && marker <= 0xd8);
  if (hasNoLength || marker === 0) throw new NoPixels("the file is damaged");
  return marker;
}

// Hashes the coded data up to the next marker, and returns the marker.
function afterScan(reader, hash) {
  const { bytes, at: start } = reader;
  for (let place = bytes.indexOf(0xff, start); place >= 0 && place + 1 < bytes.length;) {
    const next = bytes[place + 1];
    if (next === 0xff) { // fill bytes
      place += 1;
      continue;
    }
    if (next !== 0 && !(next >= 0xd0 && next <= 0xd7)) {
      hash.update(bytes.subarray(start, place));
      reader.at = place + 2;
      return next;
    }
    place = bytes.indexOf(0xff, place + 2);
  }
  throw new NoPixels("the file is truncated");
}
