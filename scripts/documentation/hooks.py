"""Hooks of MkDocs: adds the generated pages and pages of other folders, names pages by their titles
where links have the names of files, and moves scripts out of pages, because the gateway's policy
allows none in them.
"""

import hashlib
import posixpath
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File, Files

from scripts.documentation import included, reference

CHECKOUT = Path(__file__).resolve().parent.parent.parent
# Pages outside of docs/, by their path in the site.
ELSEWHERE = {
    "SECURITY.md": "SECURITY.md",
    "CONTRIBUTING.md": "CONTRIBUTING.md",
    "CHANGELOG.md": "CHANGELOG.md",
    "BENCHMARKS.md": "bench/README.md",
    "TESTS.md": "tests/README.md",
    "site.css": "scripts/documentation/site.css",
    "mark.svg": "web/console/static/mark.svg",
    "pictures/demo.png": "tests/acceptance/reference/demo.png",
}
_SITE_OF = {source: page for page, source in ELSEWHERE.items()}
# The weight of pages in the search: steps before explanations, and decisions last.
BOOSTS = {"how-to/": 4, "tutorials/": 2, "adr/": 0.2}
_LINK = re.compile(r"(\]\()([^)#\s]+)(#[^)\s]*)?(\))")
_FILE_NAME = re.compile(r"\[[\w/-]+\.md(\]\()([^)#\s]+)")
_SCRIPT = re.compile(r"<script>(.*?)</script>", re.DOTALL)


def on_files(files: Files, config: Any) -> Files:
    """Add the pages that are generated, and those of other folders."""
    for path, text in reference.pages().items():
        files.append(File.generated(config, path, content=text))
    for path, source in ELSEWHERE.items():
        whole = CHECKOUT / source
        files.append(File.generated(config, path, abs_src_path=str(whole)))
    return files


def on_page_markdown(markdown: str, *, page: Any, config: Any, files: Files) -> str:
    """Fill in included sections, let links lead to pages of the site, and weigh the page."""
    docs = Path(config.docs_dir)
    place = page.file.src_uri
    boost = next((boost for folder, boost in BOOSTS.items() if place.startswith(folder)), 1)
    page.meta["search"] = {"boost": boost}
    markdown = included.filled(markdown, place, docs)
    source = ELSEWHERE.get(place, f"docs/{place}")
    markdown = _LINK.sub(lambda found: _link(found, source, place, files), markdown)
    titles = dict(_titles(config.nav))
    return _FILE_NAME.sub(lambda found: _titled(found, place, titles), markdown)


def on_post_page(output: str, *, page: Any, config: Any) -> str:
    """Move each script of the page into a file, and name its search for screen readers."""
    output = output.replace('role="dialog"', 'role="dialog" aria-label="Search"')
    return _SCRIPT.sub(lambda found: _moved(found.group(1), page, Path(config.site_dir)), output)


def _link(found: re.Match[str], source: str, place: str, files: Files) -> str:
    """Return a link to a file of the repository as a link to the page that shows it.

    A link to a file that the site does not show becomes its text.
    """
    target, anchor = found.group(2), found.group(3) or ""
    if ":" in target or target.startswith("/"):
        return found.group()
    inside = posixpath.normpath(posixpath.join(posixpath.dirname(source), target))
    shown = _SITE_OF.get(inside, inside.removeprefix("docs/"))
    if inside.startswith("docs/") and files.get_file_from_path(shown) is None:
        shown = posixpath.normpath(posixpath.join(posixpath.dirname(place), target))
    if files.get_file_from_path(shown) is None:
        return found.group()
    relative = posixpath.relpath(shown, posixpath.dirname(place) or ".")
    return f"{found.group(1)}{relative}{anchor}{found.group(4)}"


def _titles(nav: list[dict[str, Any]]) -> Iterator[tuple[str, str]]:
    """Yield the path and the title of each page of the navigation."""
    for each in nav:
        for title, below in each.items():
            if isinstance(below, str):
                yield below, title
            else:
                yield from _titles(below)


def _titled(found: re.Match[str], place: str, titles: dict[str, str]) -> str:
    """Return a link whose text is a file's name with the title of the page instead."""
    target = posixpath.normpath(posixpath.join(posixpath.dirname(place), found.group(2)))
    title = titles.get(target)
    return found.group() if title is None else f"[{title}{found.group(1)}{found.group(2)}"


def _moved(script: str, page: Any, site: Path) -> str:
    name = f"assets/page-scripts/{hashlib.sha256(script.encode()).hexdigest()[:16]}.js"
    path = site / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(script)
    relative = posixpath.relpath(name, page.url or ".")
    return f'<script src="{relative}"></script>'
