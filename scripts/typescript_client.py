"""Build the TypeScript client: ``scripts/npm-package`` writes a package for npm.

The package ``rendertrust-VERSION.tgz`` is made from this checkout's OpenAPI document, in a new
folder; the same sources give the same bytes. Without ``--into`` a gateway of this checkout then
hands it out at ``/download``. npm, which comes with the environment ``dev``, installs the tools of
``scripts/typescript/package-lock.json``.
"""

import argparse
import json
import shutil
import sys
import tempfile
from pathlib import Path

import rendertrust
from scripts.nodejs import NpmFailed, npm
from web.downloads.npm_package import FOLDER
from web.openapi.served_document import Description
from web.routes import OPERATIONS

CHECKOUT = Path(__file__).resolve().parent.parent
SOURCES = CHECKOUT / "scripts" / "typescript"


def build(folder: Path, target: Path) -> Path:
    """Build the package in an empty folder, move it to ``target``, and return its path.

    ``folder`` keeps the built modules and what they depend on. Raises NpmFailed.
    """
    shutil.copytree(
        SOURCES, folder, dirs_exist_ok=True, ignore=shutil.ignore_patterns("node_modules")
    )
    shutil.copy(CHECKOUT / "LICENSE", folder)
    (folder / "openapi.json").write_bytes(Description(OPERATIONS).document().body)
    name_version(folder / "package.json")
    npm(folder, "ci", "--ignore-scripts", "--no-audit", "--no-fund")
    npm(folder, "run", "build")
    (packed,) = json.loads(npm(folder, "pack", "--json", "--ignore-scripts"))
    target.mkdir(parents=True, exist_ok=True)
    for old in target.glob("rendertrust-*.tgz"):
        old.unlink()
    return Path(shutil.copy(folder / packed["filename"], target))


def name_version(file: Path) -> None:
    """Write this checkout's version into the package's description."""
    described = json.loads(file.read_text())
    file.write_text(json.dumps(described | {"version": rendertrust.__version__}, indent=2) + "\n")


def main() -> int:
    parser = argparse.ArgumentParser(description="Build the TypeScript client for npm.")
    parser.add_argument(
        "--into",
        type=Path,
        default=FOLDER,
        help="folder of the package (default: where a gateway of this checkout finds it)",
    )
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="rendertrust-typescript-") as folder:
        try:
            print(build(Path(folder), given.into))
        except NpmFailed as error:
            print(error, file=sys.stderr)
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
