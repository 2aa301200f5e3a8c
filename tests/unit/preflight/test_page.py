"""docs/RENDERING.md lists exactly the findings, and docs/PROTOCOL.md exactly the parameters."""

import ast
import re
from pathlib import Path

from rendertrust.job_spec import CHUNK_MAX
from rendertrust.node.plugins.render_order import KNOWN
from rendertrust.preflight import findings, unsendable_files

ROOT = Path(__file__).resolve().parents[3]
PAGE = (ROOT / "docs" / "RENDERING.md").read_text()
PROTOCOL = (ROOT / "docs" / "PROTOCOL.md").read_text()


def table(heading: str, page: str = PAGE) -> dict[str, list[str]]:
    """Return the rows of the first table after a heading, by the name in backticks."""
    lines = iter(page.partition(heading)[2].splitlines())
    rows: dict[str, list[str]] = {}
    for line in lines:
        if line.startswith("| `"):
            cells = [cell.strip() for cell in line.strip("|").split("|")]
            for name in re.findall(r"`([a-z_]+)`", cells[0]):
                rows[name] = cells
        elif rows:
            break
    return rows


def levels_of_codes() -> dict[str, str]:
    """Return code and highest level of each finding in the source."""
    found = {one.code: "error" for one in findings.MISSING_OUTPUT.values()} | dict.fromkeys(
        unsendable_codes(), "error"
    )
    for node in ast.walk(ast.parse(Path(findings.__file__).read_text())):
        if not isinstance(node, ast.Call) or getattr(node.func, "id", "") != "Finding":
            continue
        named = {word.arg: word.value for word in node.keywords}
        level = named["level"]
        code = named["code"]
        codes = [part.value for part in ast.walk(code) if isinstance(part, ast.Constant)]
        for value in codes:
            if isinstance(value, str) and value != "driver" and found.get(value) != "error":
                found[value] = level.value if isinstance(level, ast.Constant) else "error"  # type: ignore[assignment]
    return found


def unsendable_codes() -> list[str]:
    """Return the codes of findings about files that cannot be sent."""
    source = Path(unsendable_files.__file__).read_text()
    return re.findall(r'_error\(\s*"([a-z_]+)"', source)


def test_page_has_every_finding_with_its_level() -> None:
    rows = table("## Preflight")
    assert {code: cells[1] for code, cells in rows.items()} == levels_of_codes()


def test_pages_have_every_parameter() -> None:
    assert set(table("## Parameters and results", PROTOCOL)) - {"resolution"} == KNOWN
    assert set(table("## Videos")) == {"container", "fps", "fps_base"}
    assert f"up to {CHUNK_MAX} frames" in PROTOCOL
