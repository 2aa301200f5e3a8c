"""The console's static files: small and nothing inline; all vendored files as published."""

import gzip
import hashlib
import json
import re
import shutil
from pathlib import Path
from typing import Any

import pytest

from scripts.pack_console import is_shortened, short
from tests.support.examples import series
from web.console.assets import FOLDER, PACKED, assets, bundles, sources
from web.console.pages import every_page
from web.console.template_rendering import TEMPLATES, environment
from web.routes.documentation import FOLDER as DOCUMENTATION

ROOT = Path(__file__).resolve().parents[3]
CONSOLES, DOCUMENTATIONS = {"0BSD", "MIT", "MPL-2.0"}, {"Apache-2.0", "MIT"}  # licences
VENDORED = (
    (FOLDER / "vendored", CONSOLES),
    (ROOT / "tests" / "browser" / "console" / "vendored", CONSOLES),
    (DOCUMENTATION / "vendored", DOCUMENTATIONS),
)
EVERY_PAGE_KIB, ONE_PAGE_KIB, IN_ALL_KIB = 27.8, 10.8, 81.3
CHARTS_OVER_TLS_KIB, IN_ALL_OVER_TLS_KIB = 44.5, 72.5
IMPORT = re.compile(r'^import .* from "\./(\S+)";$', re.MULTILINE)
TOP = re.compile(r"^(?:export )?(?:async )?(?:const|let|function|class) (\w+)", re.MULTILINE)
IMPORTS = 'import { one } from "./one.js";\nimport { both } from "./both.js";\n'
CHARTS = "uPlot.iife.min.js"
PAGES = list(every_page())


@pytest.mark.parametrize(("folder", "licences"), VENDORED)
def test_every_vendored_file_is_as_its_package_has_it(folder: Path, licences: set[str]) -> None:
    manifest: dict[str, Any] = json.loads((folder / "manifest.json").read_text())
    listed: set[str] = set()
    for package in manifest["packages"]:
        assert package["version"]
        assert package["licence"] in licences
        assert package["source"].startswith("npm: ")
        for name, file in package["files"].items():
            listed.add(name)
            digest = hashlib.sha256((folder / name).read_bytes()).hexdigest()
            assert digest == file["sha256"], name
        assert f"{package['name']}.LICENSE" in package["files"]
    assert listed == {path.name for path in folder.iterdir()} - {"manifest.json"}


def test_the_console_is_small() -> None:
    """The limits in KiB are for gzip, and for what browsers get over TLS."""
    sizes = {name: len(asset.compressed) for name, asset in assets().files.items()}
    over_tls = {name: len(asset.brotli or b"") for name, asset in assets().files.items()}
    assert sum(sizes.values()) <= IN_ALL_KIB * 1024, sizes
    assert sum(over_tls.values()) <= IN_ALL_OVER_TLS_KIB * 1024, over_tls
    common = loaded(TEMPLATES / "base.html")
    assert sum(sizes[name] for name in common) <= EVERY_PAGE_KIB * 1024, sizes
    assert sum(over_tls[name] for name in common | {CHARTS}) <= CHARTS_OVER_TLS_KIB * 1024
    for path in TEMPLATES.glob("**/*.html"):
        own = sum(sizes[name] for name in loaded(path) - common)
        assert own <= ONE_PAGE_KIB * 1024, f"{path.name}: {own}"


def loaded(template: Path) -> set[str]:
    """Return the files that a template names and their imports, except the chart library."""
    named = re.findall(r"asset\(['\"]([^'\"]+)['\"]\)", template.read_text())
    new = {assets().url(name).rpartition("/")[2] for name in named} - {CHARTS}
    found = set[str]()
    while new:
        found |= new
        new = {part for name in new for part in IMPORT.findall(sources()[name].decode())} - found
    return found


def test_no_name_is_given_twice_in_what_has_one_scope() -> None:
    files = {path.name: path.read_text() for path in (FOLDER / "static").iterdir()}
    scopes = {name: TOP.findall(text) for name, text in bundles(files).items()}
    assert len(scopes["console.js"]) > 20
    assert [name for name, names in scopes.items() if len(names) > len(set(names))] == []


def test_a_script_comes_after_what_it_imports_and_styles_come_together() -> None:
    sources = {
        "page.js": IMPORTS + "one(both);\n",
        "one.js": "// why\nexport function one() {\n  return 1;\n}\n",
        "both.js": "export const both = 2;\n",
        "other.js": 'import { both } from "./both.js";\nboth();\n',
        "a.css": "b { color: red }\n",
        "console.css": "/* all */\na:hover { margin: 0; top: 1px }\n",
    }
    assert bundles(sources) == {
        "page.js": IMPORTS.partition("\n")[2]
        + sources["one.js"].replace("export ", "")
        + "one(both);\n",
        "both.js": sources["both.js"],
        "other.js": sources["other.js"],
        "console.css": sources["console.css"] + sources["a.css"],
    }


def test_files_are_what_they_were_before_they_were_compressed() -> None:
    for asset in assets().files.values():
        assert gzip.decompress(asset.compressed) == asset.plain


def test_each_file_was_packed_as_it_is_now() -> None:
    """A browser test shows that the packed files have the same content."""
    old = [asset.name for asset in assets().files.values() if asset.brotli is None]
    assert not old, "run python -m scripts.pack_console, and commit what it writes"
    ours = {name for name in assets().files if is_shortened(name)}
    there = {path.name for path in PACKED.iterdir()}
    assert there == {"manifest.json", *ours, *(f"{name}.br" for name in assets().files)}


@pytest.mark.parametrize(
    "name", series(sorted(name for name in sources() if is_shortened(name)), ["copy.js"])
)
def test_what_is_sent_is_made_of_what_people_read(name: str) -> None:
    assert short(name, sources()[name]) == assets().files[name].plain


def test_the_manifest_tells_what_is_sent_and_what_it_is_made_of() -> None:
    manifest = json.loads((PACKED / "manifest.json").read_text())
    assert manifest == {
        name: {"of": _hash(sources()[name]), "sent": _hash(assets().files[name].plain)}
        for name in sources()
    }
    others = {name for name, each in manifest.items() if each["of"] == each["sent"]}
    assert others == {"htmx.min.js", "mark.svg", CHARTS}, "only these files are sent as they are"


def _hash(text: bytes) -> str:
    return hashlib.sha256(text).hexdigest()


def test_what_was_changed_since_is_sent_as_it_is_written(tmp_path: Path) -> None:
    hashes = json.loads((PACKED / "manifest.json").read_text())
    written = {**hashes, "buy.js": hashes["copy.js"]}
    shutil.copytree(PACKED, tmp_path, dirs_exist_ok=True)
    (tmp_path / "manifest.json").write_text(json.dumps(written))
    found = assets(tmp_path).files
    assert found["buy.js"].taken("gzip, br")[1] == "gzip"
    assert found["buy.js"].plain == sources()["buy.js"]
    assert found["copy.js"].taken("gzip, br")[1] == "br"
    whole = assets(tmp_path / "none").files
    assert {name: each.plain for name, each in whole.items()} == sources()
    assert all(asset.brotli is None for asset in whole.values())


@pytest.mark.parametrize("path", sorted(TEMPLATES.glob("**/*.html")), ids=lambda path: path.name)
def test_a_template_has_nothing_inline_and_nothing_from_elsewhere(path: Path) -> None:
    text = path.read_text()
    environment().get_template(path.relative_to(TEMPLATES).as_posix())
    assert not re.search(r"<script(?![^>]*\ssrc=)", text)
    assert not re.search(r"\son\w+=|\sstyle=|<style|javascript:", text)
    assert not re.search(r"(src|href|action)=\"(https?:)?//", text)
    assert "|safe" not in text.replace(" ", ""), "what is shown is escaped"
    assert "hx-on" not in text


@pytest.mark.parametrize("page", [p for p in PAGES if p.live], ids=lambda page: page.path)
def test_a_live_block_is_alone_in_an_element_of_its_name(page: Any) -> None:
    text = (TEMPLATES / page.template).read_text()
    for name in page.live:
        assert re.search(rf'id="{name}"[^>]*>\s*{{% block {name} %}}', text), name


def test_menu_keys_are_each_for_one_page() -> None:
    keys = [page.nav.key for page in PAGES if page.nav is not None]
    assert len(keys) == len(set(keys))
    assert not set(keys) & set("g?/"), "these keys have a meaning of their own"


def test_pages_stand_under_the_console_and_once() -> None:
    paths = [page.path for page in PAGES]
    assert len(paths) == len(set(paths))
    assert all(path == "/console" or path.startswith("/console/") for path in paths)
