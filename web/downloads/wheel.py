"""The wheel of client, node agent and verifier, built from this checkout.

Equal sources make an equal wheel on every machine, byte for byte: gateways behind one address hand
out the same file, and `scripts/release` makes it, too. Its members are stored uncompressed, because
compressors of different machines differ.
"""

import base64
import hashlib
import io
import tomllib
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

import attrs

import rendertrust

CHECKOUT: Final = Path(rendertrust.__file__).resolve().parent.parent
TYPED: Final = "py.typed"
WHEEL: Final = """\
Wheel-Version: 1.0
Generator: rendertrust
Root-Is-Purelib: true
Tag: py3-none-any
"""
LONG_AGO: Final = (2020, 1, 1, 0, 0, 0)  # the time of all members
UNIX: Final = 3
MODE: Final = 0o100644 << 16  # a file that everybody may read


@attrs.frozen
class Wheel:
    """A wheel as a file. ``sha256`` is in hexadecimal."""

    name: str
    sha256: str
    body: bytes = attrs.field(repr=False)

    @property
    def version(self) -> str:
        return self.name.split("-")[1]


@lru_cache(maxsize=1)
def built_wheel() -> Wheel:
    """Return the wheel of this checkout, which is built at the first call.

    Raises OSError if the checkout lacks a file.
    """
    return build(CHECKOUT, rendertrust.__version__)


def build(checkout: Path, version: str) -> Wheel:
    """Build the wheel from a checkout's ``rendertrust`` and its metadata. Raises OSError."""
    project = tomllib.loads((checkout / "pyproject.toml").read_text("utf-8"))["project"]
    about = f"{project['name']}-{version}.dist-info"
    readme = (checkout / project["readme"]).read_text("utf-8")
    members = [
        *sources(checkout),
        (f"{about}/METADATA", metadata(project, version, readme).encode()),
        (f"{about}/WHEEL", WHEEL.encode()),
        (f"{about}/entry_points.txt", entry_points(project).encode()),
        *(
            (f"{about}/licenses/{name}", (checkout / name).read_bytes())
            for name in project["license-files"]
        ),
    ]
    body = packed([*members, (f"{about}/RECORD", record(members, f"{about}/RECORD"))])
    name = f"{project['name']}-{version}-py3-none-any.whl"
    return Wheel(name, hashlib.sha256(body).hexdigest(), body)


def sources(checkout: Path) -> Iterator[tuple[str, bytes]]:
    """Yield the files of the package, in order of their names."""
    found = (checkout / "rendertrust").rglob("*")
    for path in sorted(one for one in found if one.suffix == ".py" or one.name == TYPED):
        yield path.relative_to(checkout).as_posix(), path.read_bytes()


def metadata(project: Mapping[str, Any], version: str, readme: str) -> str:
    """Return the core metadata, version 2.4, of a ``[project]`` table."""
    lines = [
        "Metadata-Version: 2.4",
        f"Name: {project['name']}",
        f"Version: {version}",
        f"Summary: {project['description']}",
        f"Author: {', '.join(author['name'] for author in project['authors'])}",
        f"License-Expression: {project['license']}",
        *(f"License-File: {name}" for name in project["license-files"]),
        *(f"Project-URL: {name}, {url}" for name, url in project.get("urls", {}).items()),
        f"Keywords: {','.join(project['keywords'])}",
        *(f"Classifier: {each}" for each in project["classifiers"]),
        f"Requires-Python: {project['requires-python']}",
        *(f"Requires-Dist: {each}" for each in project["dependencies"]),
        *extras(project["optional-dependencies"]),
        "Description-Content-Type: text/markdown",
    ]
    return "\n".join(lines) + f"\n\n{readme}"


def extras(optional: Mapping[str, Sequence[str]]) -> Iterator[str]:
    """Yield the lines of optional dependencies."""
    for extra, wanted in optional.items():
        yield f"Provides-Extra: {extra}"
        for each in wanted:
            requirement, _, marker = each.partition(";")
            only = f"({marker.strip()})" if " or " in marker else marker.strip()
            both = " and ".join(filter(None, (only, f'extra == "{extra}"')))
            yield f"Requires-Dist: {requirement.strip()}; {both}"


def entry_points(project: Mapping[str, Any]) -> str:
    """Return ``entry_points.txt``: the commands that the wheel installs."""
    commands = (f"{name} = {target}" for name, target in project["scripts"].items())
    return "\n".join(["[console_scripts]", *commands]) + "\n"


def record(members: Sequence[tuple[str, bytes]], own: str) -> bytes:
    """Return ``RECORD``: hash and size of each member but itself."""
    lines = [f"{name},sha256={_digest(content)},{len(content)}" for name, content in members]
    return ("\n".join([*lines, f"{own},,"]) + "\n").encode()


def packed(members: Sequence[tuple[str, bytes]]) -> bytes:
    """Return a zip of the members, without compression, owners and times."""
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_STORED) as whole:
        for name, content in members:
            member = zipfile.ZipInfo(name, LONG_AGO)
            member.create_system, member.external_attr = UNIX, MODE
            whole.writestr(member, content)
    return target.getvalue()


def _digest(content: bytes) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()
