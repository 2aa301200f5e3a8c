"""Make a release: version, changelog, files, checks, commit and tag; only the upload is left.

The files are built from a copy of the tracked files: the wheel, the source archive, the TypeScript
client, Blender's extension for each platform, lists of all packages (CycloneDX), and the hashes of
all. The wheel is the one that a gateway of this version hands out. The source archive, from which
gateways are installed, has the built documentation and the TypeScript client in it. Nothing is
committed unless all checks pass.
"""

import argparse
import hashlib
import json
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
import venv
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey as ReleaseKey

CHECKOUT = Path(__file__).resolve().parent.parent
LOCKS = CHECKOUT / "scripts" / "locks"
LISTED = {"client": "client-3.13", "gateway": "gateway-3.13", "node": "node-3.13"}
OWN = CHECKOUT / "rendertrust" / "__init__.py"
VERSION_LINE = re.compile(r'^__version__ = "([^"]+)"$', re.MULTILINE)
VERSION = re.compile(
    r"(?:0|[1-9][0-9]{0,5})(?:\.(?:0|[1-9][0-9]{0,5})){2}(?:rc[1-9][0-9]{0,3})?", re.ASCII
)
# The systems that people use the wheel on, by pip's names; nodes and tests are on Linux.
SYSTEMS = {
    "Linux, x86-64": ("manylinux_2_28_x86_64", "manylinux_2_17_x86_64", "manylinux2014_x86_64"),
    "Linux, ARM": ("manylinux_2_28_aarch64", "manylinux_2_17_aarch64", "manylinux2014_aarch64"),
    "macOS, Apple silicon": ("macosx_11_0_arm64",),
    "macOS, Intel": ("macosx_10_15_x86_64", "macosx_11_0_x86_64", "macosx_10_9_x86_64"),
    "Windows, x86-64": ("win_amd64",),
    "Windows, ARM": ("win_arm64",),
}
PYTHONS = ("3.11", "3.13")
# What pip says if nobody answers for the package index.
NO_INDEX = re.compile(r"NewConnectionError|ConnectTimeout|NameResolutionError|ProxyError")
UNSIGNED = "NOT SIGNED: nodes do not update themselves to this wheel; --key names a release key"


class ReleaseRefused(Exception):
    """The release cannot be made; the text says why, and what to do."""


def say(text: str) -> None:
    print(f"== {text}", flush=True)


def run(*command: str | Path, at: Path = CHECKOUT) -> None:
    """Run a program. Raises ReleaseRefused if it fails."""
    words = [str(word) for word in command]
    if subprocess.run(words, cwd=at, check=False).returncode:
        raise ReleaseRefused(f"this failed: {' '.join(words)}")


def tool(name: str, *words: str | Path, at: Path = CHECKOUT) -> None:
    """Run a program of this environment."""
    run(Path(sys.executable).with_name(name), *words, at=at)


def git(*words: str) -> str:
    return subprocess.run(
        ["git", *words], cwd=CHECKOUT, check=True, capture_output=True, text=True
    ).stdout


def present_version() -> str:
    """Return the version in the sources."""
    found = VERSION_LINE.search(OWN.read_text("utf-8"))
    assert found is not None, f"{OWN} has no __version__"
    return found[1]


def is_released(version: str) -> bool:
    return bool(git("tag", "--list", f"v{version}"))


def check_version(version: str) -> None:
    """Check that the version can be the next one. Raises ReleaseRefused.

    Before the present version is released, its release candidates may be.
    """
    from rendertrust.program_version import version_key  # noqa: PLC0415 - the help needs nothing

    before = present_version()
    if not VERSION.fullmatch(version):
        raise ReleaseRefused(f"{version} is not a version; write one like 1.2.3 or 1.2.3rc1")
    if is_released(version):
        raise ReleaseRefused(f"the tag v{version} exists: this version was released")
    final = version.partition("rc")[0]
    if is_released(final):
        raise ReleaseRefused(f"{version} comes before {final}, which was released")
    oldest = before if is_released(before) else before.partition("rc")[0] + "rc0"
    if version_key(version) < version_key(oldest):
        raise ReleaseRefused(f"{version} is older than {before}")


def begin(version: str) -> None:
    """Write version and changelog. Raises ReleaseRefused."""
    check_version(version)
    if git("status", "--porcelain"):
        raise ReleaseRefused("the checkout has changes: commit or remove them first")
    OWN.write_text(VERSION_LINE.sub(f'__version__ = "{version}"', OWN.read_text("utf-8")))
    tool("towncrier", "build", "--yes", "--version", version)
    changelog = CHECKOUT / "CHANGELOG.md"
    changelog.write_text(released(changelog.read_text("utf-8"), version), "utf-8")


def released(changelog: str, version: str) -> str:
    """Return the changelog without the head of the same version as unreleased: what was below it
    is part of the release.
    """
    return changelog.replace(f"# RenderTrust {version} (unreleased)\n\n", "")


def tracked_files(target: Path) -> None:
    """Copy the tracked files, as they are now."""
    for name in filter(None, git("ls-files", "-z").split("\0")):
        source = CHECKOUT / name
        if source.is_file():
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(source, target / name)


def build(version: str, out: Path, keys: Sequence["ReleaseKey"], *, is_kept: bool) -> None:
    """Build all files. ``keys``: the release keys that sign the wheel.

    ``is_kept``: the signature stays in the checkout, as part of the release.
    """
    from web.downloads.wheel import build as build_wheel  # noqa: PLC0415 - the help needs nothing

    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder)
        tracked_files(copy)
        add_built(copy, out)
        say("The wheel")
        wheel = build_wheel(copy, version)
        (out / wheel.name).write_bytes(wheel.body)
        if keys:
            from scripts import release_key  # noqa: PLC0415 - it needs this module

            release_key.sign(wheel, version, keys, copy, *([CHECKOUT] if is_kept else []))
        say("The source archive")
        words = ("--sdist", "--no-isolation", "--quiet", "--outdir", out, copy)
        run(sys.executable, "-m", "build", *words)
        say("Blender's extension")
        run(sys.executable, copy / "scripts" / "blender_extension.py", "--out", out, at=copy)


def add_built(copy: Path, out: Path) -> None:
    """Build what a gateway serves if it was built: its documentation, and the TypeScript client."""
    say("The documentation")
    run(CHECKOUT / "scripts" / "docs", "--to", copy / "web" / "documentation" / "site")
    say("The TypeScript client")
    folder = copy / "web" / "downloads" / "built"
    run(CHECKOUT / "scripts" / "npm-package", "--into", folder)
    for package in folder.iterdir():
        shutil.copy(package, out)


def list_packages(version: str, out: Path) -> None:
    """Write the lists of all packages, as CycloneDX."""
    say("The lists of packages")
    for name, lock in LISTED.items():
        target = out / f"rendertrust-{version}-{name}.cdx.json"
        words = ("--pyproject", "pyproject.toml", "--output-reproducible", "-o", target)
        tool("cyclonedx-py", "requirements", *words, LOCKS / f"{lock}.txt")
        target.write_text(json.dumps(about_us(json.loads(target.read_text()), version), indent=1))


def about_us(listed: dict[str, Any], version: str) -> dict[str, Any]:
    """Return a list of packages that says which version of ours needs all of them."""
    ours = listed["metadata"]["component"]
    ours |= {"version": version, "purl": f"pkg:pypi/{ours['name']}@{version}"}
    needed = [each["bom-ref"] for each in listed["components"]]
    others = [each for each in listed["dependencies"] if each["ref"] != ours["bom-ref"]]
    own = {"ref": ours["bom-ref"], "dependsOn": needed}
    return listed | {"dependencies": [own, *others]}


def check(version: str, out: Path) -> None:
    """Check the files, and that the wheel starts where nothing else is installed."""
    say("Checks")
    wheel = out / f"rendertrust-{version}-py3-none-any.whl"
    tool("twine", "check", "--strict", wheel, out / f"rendertrust-{version}.tar.gz")
    tool("check-wheel-contents", wheel)
    check_archive(version, out)
    check_systems(wheel)
    with tempfile.TemporaryDirectory() as folder:
        venv.create(folder, with_pip=True)
        python = Path(folder) / "bin" / "python"
        run(python, "-m", "pip", "install", "-q", "--no-index", "--no-deps", wheel)
        program = [str(python.with_name("rendertrust")), "--version"]
        said = subprocess.run(program, check=True, capture_output=True, text=True).stdout.strip()
    if said != f"rendertrust {version}":
        raise ReleaseRefused(f"the wheel says that it is {said}")


def check_systems(wheel: Path) -> None:
    """Check that pip finds wheels of all that our wheel needs, on each system.

    Raises ReleaseRefused if there are none. Nothing is downloaded but descriptions, where the index
    has these.
    """
    for system, tags in SYSTEMS.items():
        platforms = [word for tag in tags for word in ("--platform", tag)]
        for python in PYTHONS:
            with tempfile.TemporaryDirectory() as folder:
                words = ("--dry-run", "--quiet", "--ignore-installed", "--target", folder)
                chosen = ("--only-binary=:all:", "--python-version", python, *platforms)
                command = [sys.executable, "-m", "pip", "install", *words, *chosen, str(wheel)]
                ran = subprocess.run(command, capture_output=True, text=True, check=False)
            if NO_INDEX.search(ran.stderr):
                print("NOT CHECKED for other systems: the package index cannot be reached")
                return
            if ran.returncode:
                raise ReleaseRefused(
                    f"on {system} with Python {python}, pip cannot install the wheel: "
                    f"{ran.stderr.strip()[-600:]}"
                )
        print(f"pip finds all packages for {system}", flush=True)


def check_archive(version: str, out: Path) -> None:
    """Check that the source archive has what a gateway serves. Raises ReleaseRefused."""
    name = f"rendertrust-{version}"
    with tarfile.open(out / f"{name}.tar.gz") as archive:
        present = set(archive.getnames())
    needed = {
        f"{name}/deploy/container/gateway.Containerfile",
        f"{name}/web/documentation/site/index.html",
        f"{name}/web/downloads/built/{name}.tgz",
    }
    if missing := sorted(needed - present):
        raise ReleaseRefused(f"the source archive lacks {', '.join(missing)}")


def look_for_vulnerabilities(ignored: list[str]) -> None:
    """Audit the locked packages. Raises ReleaseRefused if there are vulnerabilities."""
    from scripts.vulnerabilities import AuditFailed, audit  # noqa: PLC0415 - the help needs nothing

    say("Known vulnerabilities")
    try:
        audit(ignored)
    except AuditFailed as failed:
        raise ReleaseRefused(str(failed)) from failed


def sum_up(out: Path) -> None:
    """Write the hashes of all files."""
    files = sorted(path for path in out.iterdir() if path.name != "SHA256SUMS")
    lines = [f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.name}" for path in files]
    (out / "SHA256SUMS").write_text("\n".join(lines) + "\n")
    print("\n".join(lines), flush=True)


def make(
    version: str, out: Path, ignored: list[str], keys: Sequence["ReleaseKey"], *, is_kept: bool
) -> None:
    """Build all files and check them. Raises ReleaseRefused."""
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir(parents=True)
    build(version, out, keys, is_kept=is_kept)
    list_packages(version, out)
    check(version, out)
    look_for_vulnerabilities(ignored)
    sum_up(out)


def read_keys(files: Sequence[Path]) -> list["ReleaseKey"]:
    """Return the release keys in files. Raises ReleaseRefused."""
    if not files:
        return []
    from scripts.release_key import read  # noqa: PLC0415 - it needs this module

    return [read(path) for path in files]


def release(version: str | None, out: Path, ignored: list[str], files: Sequence[Path]) -> None:
    """Make a release, or try it. ``files``: those with the release keys. Raises ReleaseRefused."""
    keys = read_keys(files)
    if not keys:
        print(UNSIGNED, flush=True)
    if version is None:
        make(present_version(), out, ignored, keys, is_kept=False)
        say(f"Tried {present_version()}: the files are in {out}")
        return
    begin(version)
    try:
        make(version, out, ignored, keys, is_kept=True)
    except ReleaseRefused as refused:
        raise ReleaseRefused(f"{refused}\nTo undo the rest: git reset --hard") from refused
    git("add", "--all")
    git("commit", "--quiet", "--message", f"Release {version}")
    git("tag", "--annotate", f"v{version}", "--message", f"RenderTrust {version}")
    say(f"Released {version}. To publish it: git push --follow-tags, and upload {out}")


def main() -> None:
    """Make a release: ``make_release.py [VERSION] [--key FILE …] [--out dist]``."""
    parser = argparse.ArgumentParser(
        "scripts/release", description=__doc__.splitlines()[0] if __doc__ else None
    )
    parser.add_argument("version", nargs="?", help="the new version; without it, only try")
    parser.add_argument("--out", type=Path, default=CHECKOUT / "dist")
    parser.add_argument("--ignore-vuln", action="append", default=[], metavar="ID")
    said = "a release key, made by scripts/release_key.py, that signs the wheel for nodes to update"
    parser.add_argument("--key", type=Path, action="append", default=[], metavar="FILE", help=said)
    arguments = parser.parse_args()
    files = [path.resolve() for path in arguments.key]
    try:
        release(arguments.version, arguments.out.resolve(), arguments.ignore_vuln, files)
    except ReleaseRefused as refused:
        raise SystemExit(f"scripts/release: {refused}") from refused


if __name__ == "__main__":
    main()
