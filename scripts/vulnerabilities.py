"""Known vulnerabilities of the locked packages, by pip-audit and the package index.

pip-audit asks the index about each version. Some mirrors of the index describe only the newest
version of each project, and whether it is vulnerable. What pip-audit did not find there is looked
up in these descriptions. The rest is named as not audited.
"""

import json
import re
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Callable, Collection, Iterator
from pathlib import Path
from typing import Any

LOCKS = Path(__file__).resolve().parent / "locks"
NAMES = ("client-3.13", "node-3.13", "gateway-3.13", "gateway-3.11", "render-3.13", "render-3.11")
AUDITED = [LOCKS / f"{name}.txt" for name in NAMES]
AUDIT_SECONDS = 900
ANSWER_SECONDS = 30.0
PIN = re.compile(r"^([A-Za-z0-9._-]+)==([^\s;\\]+)", re.MULTILINE)
# What pip-audit says if it cannot reach the index's list of vulnerabilities.
UNREACHED = re.compile(r"ConnectionError|Timeout|Max retries exceeded|may be blocking this service")


class AuditFailed(Exception):
    """There are vulnerabilities, or pip-audit failed; the text says what to do."""


class PackageIndex:
    """Descriptions of projects in the package index. ``url``: where they are; default: pip's."""

    def __init__(self, url: str | None = None) -> None:
        if url is None:
            from pip._internal.models.index import PyPI  # noqa: PLC0415 - only where it is needed

            url = PyPI.pypi_url
        self._url = url
        self._known = dict[str, dict[str, Any] | None]()

    def newest(self, name: str) -> dict[str, Any] | None:
        """Return what the index says about the newest version; None if it does not answer."""
        if name not in self._known:
            self._known[name] = self._ask(name)
        return self._known[name]

    def _ask(self, name: str) -> dict[str, Any] | None:
        try:
            with urllib.request.urlopen(f"{self._url}/{name}/json", timeout=ANSWER_SECONDS) as said:
                found = json.load(said)
        except (OSError, ValueError):
            return None
        has_both = isinstance(found, dict) and {"info", "vulnerabilities"} <= found.keys()
        return found if has_both else None


def run_pip_audit(lock: Path, ignored: Collection[str]) -> dict[str, Any] | str:
    """Return pip-audit's answer about a lock file, or why it reached no list.

    Raises AuditFailed.
    """
    left_out = [word for one in ignored for word in ("--ignore-vuln", one)]
    words = ("--require-hashes", "--disable-pip", "--progress-spinner", "off", "-f", "json")
    program = str(Path(sys.executable).with_name("pip-audit"))
    try:
        ran = subprocess.run(
            [program, *words, *left_out, "-r", str(lock)],
            capture_output=True,
            text=True,
            timeout=AUDIT_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired as late:
        raise AuditFailed(f"pip-audit took over {AUDIT_SECONDS} s for {lock.stem}") from late
    if ran.stdout.strip():
        answer: dict[str, Any] = json.loads(ran.stdout)
        return answer
    return unreached(lock.stem, ran.stderr)


def unreached(lock: str, output: str) -> str:
    """Return the last line that pip-audit printed, if it reached no list. Raises AuditFailed."""
    last = output.strip().rpartition("\n")[2][-300:]
    if UNREACHED.search(output) is None:
        raise AuditFailed(f"pip-audit failed for {lock}: {last}")
    return last


def pins(lock: str) -> dict[str, str]:
    """Return the version of each package of a lock file, by the package's normal name."""
    return {normal(name): version for name, version in PIN.findall(lock)}


def normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def looked_up(
    pinned: dict[str, str], answer: dict[str, Any] | str, index: PackageIndex, ignored: set[str]
) -> Iterator[dict[str, Any]]:
    """Yield each package of a lock, with its vulnerabilities in the form of pip-audit.

    A package that neither of them knows has no ``vulns``.
    """
    dependencies = [] if isinstance(answer, str) else answer["dependencies"]
    found = {normal(each["name"]): each for each in dependencies if "vulns" in each}
    for name, version in pinned.items():
        newest = None if name in found else index.newest(name)
        if name in found:
            yield found[name]
        elif newest is not None and newest["info"].get("version") == version:
            yield {"name": name, "version": version, "vulns": listed(newest, ignored)}
        else:
            yield {"name": name, "version": version}


def listed(newest: dict[str, Any], ignored: set[str]) -> list[dict[str, Any]]:
    """Return the vulnerabilities that the index lists, each once, in the form of pip-audit."""
    kept = list[dict[str, Any]]()
    known = set(ignored)
    for each in newest["vulnerabilities"]:
        names = {each["id"], *(each.get("aliases") or ())}
        if not each.get("withdrawn") and known.isdisjoint(names):
            kept.append({"id": each["id"], "fix_versions": each.get("fixed_in") or []})
            known |= names
    return kept


def findings(packages: list[dict[str, Any]]) -> tuple[str, list[str]]:
    """Return what an audit says in one line, and a line for each vulnerability."""
    known = [each for each in packages if "vulns" in each]
    unknown = [f"{each['name']} {each['version']}" for each in packages if "vulns" not in each]
    found = [
        f"{each['name']} {each['version']}: {fault['id']}, fixed in "
        f"{', '.join(fault['fix_versions']) or 'no version yet'}"
        for each in known
        for fault in each["vulns"]
    ]
    if not known:
        return f"NOT AUDITED: no answer about these {len(unknown)} packages", []
    left = f"; NOT AUDITED: {', '.join(unknown)}" if unknown else ""
    return f"{len(known)} packages audited, {len(found)} vulnerabilities{left}", found


def audit(
    ignored: Collection[str],
    *,
    locks: Collection[Path] = AUDITED,
    ask: Callable[[Path, Collection[str]], dict[str, Any] | str] = run_pip_audit,
    index: PackageIndex | None = None,
) -> None:
    """Look for known vulnerabilities of all locked packages, and print what was found.

    Raises AuditFailed if there are any.
    """
    asked = index or PackageIndex()
    faults = list[str]()
    for lock in locks:
        answer = ask(lock, ignored)
        if isinstance(answer, str):
            print(f"{lock.stem}: pip-audit reaches no list of vulnerabilities ({answer})")
        packages = looked_up(pins(lock.read_text("utf-8")), answer, asked, set(ignored))
        said, found = findings(list(packages))
        print(f"{lock.stem}: {said}", *found, sep="\n  ", flush=True)
        faults += found
    if faults:
        raise AuditFailed(
            "update the packages named above by scripts/lock, or leave out what does not concern "
            "us by --ignore-vuln ID"
        )
