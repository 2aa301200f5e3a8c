"""Write ``web/documentation/site/``, the documentation site that the gateway serves.

The site is built beside its place and then moved there, so that a failed build keeps the old one.
"""

import gzip
import shutil
import subprocess
import sys
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parent.parent.parent
SITE = CHECKOUT / "web" / "documentation" / "site"
UNUSED = ("404.html", "objects.inv", "sitemap.xml", "sitemap.xml.gz")
SMALL = {".css", ".html", ".js", ".json", ".svg"}  # these shrink when they are compressed


def build(site: Path = SITE) -> None:
    """Build the site strictly, and compress what browsers take compressed."""
    new = site.with_name(f"{site.name}.new")
    shutil.rmtree(new, ignore_errors=True)
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir"]
    if subprocess.run([*command, str(new)], cwd=CHECKOUT, check=False).returncode:
        raise SystemExit("The documentation was not built. Correct what is named above.")
    for name in UNUSED:
        (new / name).unlink(missing_ok=True)
    for path in sorted(new.rglob("*")):
        if path.suffix == ".map":
            path.unlink()
        elif path.suffix in SMALL:
            packed = gzip.compress(path.read_bytes(), 9, mtime=0)
            path.with_name(f"{path.name}.gz").write_bytes(packed)
    shutil.rmtree(site, ignore_errors=True)
    new.rename(site)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--to"] and len(sys.argv) == 3:
        build(Path(sys.argv[2]).resolve())
    elif len(sys.argv) == 1:
        build()
        print(f"The documentation is in {SITE}; a gateway of this checkout serves it at /help.")
    else:
        raise SystemExit("usage: scripts/docs [--watch | --to FOLDER]")
