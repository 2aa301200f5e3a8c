"""Release keys: make one, and sign the wheel of this checkout with it.

    python -m scripts.release_key make ~/release.pem      # once; keep the file off the gateway
    python -m scripts.release_key sign ~/release.pem …    # after each change, as scripts/release

Nodes update themselves only to wheels that the release key signed which their gateway showed them
when they joined. A new key is introduced by signing with the old and the new key for a while; the
first key named is the one that nodes then store.
"""

import argparse
import tempfile
from collections.abc import Sequence
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from rendertrust import node_key, release
from rendertrust.release import ReleaseStatement
from scripts.make_release import CHECKOUT, ReleaseRefused, present_version, tracked_files
from web.downloads.release_signature import KEY_FILE, STATEMENT_FILE
from web.downloads.wheel import Wheel, build


def make(path: Path) -> str:
    """Write a new key to ``path``; return its public half. Raises ReleaseRefused."""
    if path.exists():
        raise ReleaseRefused(f"{path} exists: name another file")
    key = node_key.generate_key()
    node_key.save_key(path, key)
    return release.key_text(key)


def read(path: Path) -> Ed25519PrivateKey:
    """Return the key in a file. Raises ReleaseRefused."""
    try:
        return node_key.load_key(path)
    except OSError as error:
        raise ReleaseRefused(f"{path}: {error.strerror}; make a key by: make {path}") from error
    except (TypeError, ValueError) as error:
        raise ReleaseRefused(f"{path} has no release key: {error}") from error


def sign(wheel: Wheel, version: str, keys: Sequence[Ed25519PrivateKey], *checkouts: Path) -> None:
    """Write the public half of the first key, and the wheel's signature, into checkouts.

    Raises ValueError if the version is not one of a release.
    """
    statement = ReleaseStatement(version, wheel.name, wheel.sha256, len(wheel.body))
    signed = release.sign(statement, *keys)
    for checkout in checkouts:
        (checkout / KEY_FILE).write_text(f"{release.key_text(keys[0])}\n", "utf-8")
        (checkout / STATEMENT_FILE).write_text(signed, "utf-8")


def main() -> None:
    """Make a key, or sign: ``release_key.py make FILE``, ``release_key.py sign FILE …``."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("verb", choices=("make", "sign"))
    parser.add_argument("files", nargs="+", type=Path, metavar="FILE")
    arguments = parser.parse_args()
    try:
        if arguments.verb == "make":
            for path in arguments.files:
                print(f"{make(path)}\nis the public half of the key in {path}: keep that secret.")
            return
        keys = [read(path) for path in arguments.files]
        with tempfile.TemporaryDirectory() as folder:
            tracked_files(Path(folder))
            wheel = build(Path(folder), present_version())
        sign(wheel, present_version(), keys, CHECKOUT)
        print(f"Signed {wheel.name}: restart the gateway, or commit {STATEMENT_FILE}.")
    except (ReleaseRefused, ValueError) as refused:
        raise SystemExit(f"release_key: {refused}") from refused


if __name__ == "__main__":
    main()
