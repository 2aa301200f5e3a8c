"""The audit of locked packages, with recorded answers of pip-audit and of the package index."""

import asyncio
from collections.abc import Collection
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from scripts.make_release import LISTED
from scripts.vulnerabilities import NAMES, AuditFailed, PackageIndex, audit, unreached

# Recorded, without the texts: the newest version of PyCrypto, which is vulnerable.
PYCRYPTO = {
    "info": {"name": "pycrypto", "version": "2.6.1"},
    "vulnerabilities": [
        {
            "aliases": ["CVE-2013-7459", "GHSA-cq27-v7xp-c356"],
            "fixed_in": [],
            "id": "PYSEC-2017-94",
            "withdrawn": None,
        },
        {
            "aliases": ["CVE-2013-7459", "PYSEC-2017-94"],
            "fixed_in": [],
            "id": "GHSA-cq27-v7xp-c356",
            "withdrawn": None,
        },
    ],
}
ATTRS = {"info": {"name": "attrs", "version": "26.1.0"}, "vulnerabilities": []}
JINJA = {"info": {"name": "Jinja2", "version": "3.1.6"}, "vulnerabilities": []}
INDEX = {"pycrypto": PYCRYPTO, "attrs": ATTRS, "jinja2": JINJA}
GOOD = "attrs==26.1.0 \\\n    --hash=sha256:00\nJinja2==3.1.6 ; python_version > '3' \\\n"
SKIPPED = {"skip_reason": "Dependency not found on PyPI and could not be audited"}
FAULT = {"id": "PYSEC-2019-217", "fix_versions": ["2.10.1"], "aliases": [], "description": "bad"}
LEFT_OUT = "by --ignore-vuln ID"


def test_all_packages_that_a_release_lists_are_audited() -> None:
    assert set(LISTED.values()) <= set(NAMES)


async def audited(
    folder: Path, lock: str, answer: dict[str, Any] | str, *ignored: str, is_up: bool = True
) -> str:
    """Audit a lock against an index with the recorded answers; return why it failed, or ""."""

    async def describe(request: web.Request) -> web.Response:
        found = INDEX.get(request.match_info["name"])
        return web.json_response(found) if found and is_up else web.Response(status=404)

    def pip_audit(_: Path, __: Collection[str]) -> dict[str, Any] | str:
        return answer

    def run(url: str) -> str:
        try:
            audit(ignored, locks=[path], ask=pip_audit, index=PackageIndex(url))
        except AuditFailed as failed:
            return str(failed)
        return ""

    (path := folder / "client.txt").write_text(lock)
    site = web.Application()
    site.router.add_get("/pypi/{name}/json", describe)
    async with TestServer(site) as server:
        return await asyncio.to_thread(run, f"http://127.0.0.1:{server.port}/pypi")


async def test_a_vulnerable_version_that_pip_audit_does_not_find_stops_the_release(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lock = GOOD + "pycrypto==2.6.1 \\\n    --hash=sha256:00\n"
    answer = {"dependencies": [{"name": name, **SKIPPED} for name in INDEX]}
    assert (await audited(tmp_path, lock, answer)).endswith(LEFT_OUT)
    assert capsys.readouterr().out == (
        "client: 3 packages audited, 1 vulnerabilities\n"
        "  pycrypto 2.6.1: PYSEC-2017-94, fixed in no version yet\n"
    )
    assert await audited(tmp_path, lock, answer, "CVE-2013-7459") == ""


async def test_what_pip_audit_finds_stops_the_release(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    found = {"name": "jinja2", "version": "2.10", "vulns": [FAULT]}
    answer = {"dependencies": [found, {"name": "attrs", **SKIPPED}]}
    lock = "attrs==26.1.0\njinja2==2.10\n"
    assert (await audited(tmp_path, lock, answer)).endswith(LEFT_OUT)
    said = capsys.readouterr().out
    assert said.splitlines()[1] == "  jinja2 2.10: PYSEC-2019-217, fixed in 2.10.1"


async def test_an_audit_names_what_nobody_knows(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The index describes only newest versions, and not every package."""
    older = GOOD.replace("3.1.6", "2.10") + "unheard.of==1.0\n"
    assert await audited(tmp_path, older, {"dependencies": []}) == ""
    assert capsys.readouterr().out == (
        "client: 1 packages audited, 0 vulnerabilities; NOT AUDITED: jinja2 2.10, unheard-of 1.0\n"
    )


async def test_if_nobody_answers_nothing_is_audited_and_it_says_so(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert await audited(tmp_path, GOOD, "ConnectionError: no route", is_up=False) == ""
    assert capsys.readouterr().out == (
        "client: pip-audit reaches no list of vulnerabilities (ConnectionError: no route)\n"
        "client: NOT AUDITED: no answer about these 2 packages\n"
    )


@pytest.mark.parametrize(
    "said",
    [
        "requests.exceptions.ConnectionError: HTTPSConnectionPool: Max retries exceeded",
        "ERROR:pip_audit._cli:Tip: your network may be blocking this service. Try another one",
        "requests.exceptions.ReadTimeout: Read timed out.",
    ],
    ids=["refused", "blocked", "slow"],
)
def test_a_missing_network_is_recognised(said: str) -> None:
    assert unreached("client-3.13", f"Traceback\n{said}\n") == said


def test_an_audit_that_fails_for_another_reason_stops_the_release() -> None:
    with pytest.raises(AuditFailed, match=r"failed for client-3\.13: ERROR: invalid requirement"):
        unreached("client-3.13", "a warning\nERROR: invalid requirement\n")
