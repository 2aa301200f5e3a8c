"""Write ``web/console/packed/``: the console's files as they are sent to browsers.

Run this module as ``python -m scripts.pack_console`` after a change of the console's scripts or
styles, in the environment ``dev``. The environment's minifier shortens the console's own scripts
and styles. The environment's Node.js compresses every file with brotli, which Python's standard
library lacks. Files whose source has not changed are skipped, so that a change of one script
changes one packed script.
"""

import hashlib
import json
import subprocess
from pathlib import Path

import minify

from scripts.nodejs import NODE
from web.console.assets import MEDIA, PACKED, VENDORED, fits, sources

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
    """Shorten a script or a style sheet of the console."""
    return str(minify.string(MEDIA[Path(name).suffix], text.decode())).encode()


def is_shortened(name: str) -> bool:
    """Return True for the console's own scripts and styles. Vendored files are sent as they are."""
    return Path(name).suffix in (".js", ".css") and not (VENDORED / name).exists()


def pack(folder: Path = PACKED) -> None:
    """Update the folder of packed files."""
    folder.mkdir(exist_ok=True)
    texts, fitting = sources(), fits(folder)
    for path in folder.iterdir():
        if path.name.removesuffix(".br") not in texts:
            path.unlink()
    for name in texts.keys() - fitting:
        _pack(folder, name, texts[name])
    hashes = {name: _hashes(folder, name, texts[name]) for name in sorted(texts)}
    (folder / "manifest.json").write_text(json.dumps(hashes, indent=2) + "\n")


def _hashes(folder: Path, name: str, text: bytes) -> dict[str, str]:
    """Return the hashes of the source and of the sent file."""
    sent = (folder / name).read_bytes() if is_shortened(name) else text
    return {"of": hashlib.sha256(text).hexdigest(), "sent": hashlib.sha256(sent).hexdigest()}


def _pack(folder: Path, name: str, text: bytes) -> None:
    if is_shortened(name):
        text = short(name, text)
        (folder / name).write_bytes(text)
    made = subprocess.run([NODE, "-e", PACK], input=text, capture_output=True, check=True)
    (folder / f"{name}.br").write_bytes(made.stdout)


if __name__ == "__main__":
    pack()
