"""The steps of an update: what fails or ends at any of them leaves the node with its program."""

import fcntl
import os
import shutil
from pathlib import Path

import pytest

from rendertrust.http_session import http_session
from rendertrust.node import enrolment, program_folder, service
from rendertrust.node.program_folder import CONFIGURATION, STARTS_MAX, ProgramFolder
from rendertrust.node.program_update import (
    NewRelease,
    PreparedUpdate,
    ProgramUpdate,
    UpdateRefused,
    decide,
)
from rendertrust.node.state_folder import StateFolder
from rendertrust.node.update_notice import handed_out, newer_program
from tests.integration.node.gateway import Gateway
from tests.support import releases
from tests.support.program_folders import QuickTools, environment, in_use
from tests.support.program_folders import program_folder as made_folder
from tests.support.releases import BODY, KEY, KEY_TEXT, NEWER, OTHER

NAME = NEWER.name


class Killed(BaseException):
    """The program ends here, as if it were killed."""


@pytest.fixture
def folder(tmp_path: Path) -> ProgramFolder:
    return made_folder(tmp_path / "program", "0.1.0")


@pytest.fixture
def signed(peer: Gateway) -> Gateway:
    """Return a gateway that hands out version 9.0.0."""
    peer.downloads, peer.files = releases.handed_out(NEWER, KEY), {NAME: BODY}
    return peer


def steps(folder: ProgramFolder, tools: QuickTools) -> ProgramUpdate:
    return ProgramUpdate(folder, tools, tools.before, extra="[render]")


async def updated(peer: Gateway, update: ProgramUpdate) -> UpdateRefused | None:
    """Update by what the gateway hands out; return why it was not done."""
    async with http_session() as session:
        found = decide(await handed_out(session, peer.url), KEY_TEXT)
        assert isinstance(found, NewRelease), found
        prepared = await update.prepare(session, peer.url, found.statement)
    return prepared if isinstance(prepared, UpdateRefused) else await update.activate(prepared)


async def test_the_new_program_is_used_and_the_old_one_stays_beside_it(
    signed: Gateway, folder: ProgramFolder
) -> None:
    tools, before = QuickTools(), folder.current()
    assert await updated(signed, steps(folder, tools)) is None
    assert (in_use(folder), tools.installed) == ("9.0.0", [BODY])
    assert (before / "bin" / "rendertrust").read_text() == "0.1.0"
    assert folder.link.is_symlink()
    assert (folder.path / "installed").read_text() == f"{NEWER.sha256}[render]"
    assert not list(folder.current().glob("*.whl"))


@pytest.mark.parametrize("tool", ["make", "install", "self_test"])
async def test_a_failure_keeps_the_old_program_and_says_why(
    signed: Gateway, folder: ProgramFolder, tool: str
) -> None:
    refused = await updated(signed, steps(folder, QuickTools(faults={tool: "the disk is old"})))
    assert isinstance(refused, UpdateRefused)
    assert "the disk is old" in refused.reason
    assert in_use(folder) == "0.1.0"
    assert (folder.failed == NEWER.sha256) is (tool == "self_test")
    assert await updated(signed, steps(folder, QuickTools())) is None, "the next one works"
    assert in_use(folder) == "9.0.0"


@pytest.mark.parametrize("point", range(10))
async def test_an_end_at_any_step_leaves_a_program_that_works(
    signed: Gateway, folder: ProgramFolder, point: int
) -> None:
    passed: list[str] = []

    def end(step: str) -> None:
        passed.append(step)
        if len(passed) == point + 1:
            raise Killed

    with pytest.raises(Killed):
        await updated(signed, steps(folder, QuickTools(before=end)))
    assert in_use(folder) == ("9.0.0" if point == 9 else "0.1.0"), passed
    assert await updated(signed, steps(folder, QuickTools())) is None
    assert in_use(folder) == "9.0.0"
    assert len(list(folder.versions.iterdir())) <= 2, "what was left half is removed"


async def test_the_link_is_replaced_last(
    signed: Gateway, folder: ProgramFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    def end(*_: object) -> None:
        raise Killed

    monkeypatch.setattr("rendertrust.node.program_folder.os.sync", end)
    with pytest.raises(Killed):
        await updated(signed, steps(folder, QuickTools()))
    assert in_use(folder) == "0.1.0"
    monkeypatch.undo()
    assert await updated(signed, steps(folder, QuickTools())) is None
    assert [each.name for each in folder.path.glob(".venv*")] == []


@pytest.mark.parametrize(
    "body", [BODY + b"!", BODY[:-1], b"x" + BODY[1:], None], ids=["more", "less", "other", "none"]
)
async def test_a_file_that_was_not_signed_is_not_installed(
    signed: Gateway, folder: ProgramFolder, body: bytes | None
) -> None:
    signed.files = {} if body is None else {NAME: body}
    tools = QuickTools()
    refused = await updated(signed, steps(folder, tools))
    assert isinstance(refused, UpdateRefused)
    assert NAME in refused.reason
    assert (tools.installed, in_use(folder)) == ([], "0.1.0")


async def test_a_program_that_never_connects_gives_way_to_the_one_before(
    signed: Gateway, folder: ProgramFolder
) -> None:
    async with http_session() as session:
        update = steps(folder, QuickTools())
        prepared = await update.prepare(session, signed.url, releases.statement_of(NEWER))
    assert isinstance(prepared, PreparedUpdate)
    assert await update.activate(prepared, on_trial=True) is None
    starts = [folder.begin_start() for _ in range(STARTS_MAX)]
    assert (starts, in_use(folder)) == ([False] * STARTS_MAX, "9.0.0")
    assert folder.begin_start()
    assert (in_use(folder), folder.failed) == ("0.1.0", NEWER.sha256)
    assert not folder.begin_start(), "it goes back once"


async def test_a_trial_begins_before_the_link_is_replaced(
    folder: ProgramFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    def end(_: Path) -> None:
        raise Killed

    monkeypatch.setattr("rendertrust.node.program_folder._sync", end)
    with pytest.raises(Killed):
        folder.try_out(environment(folder.versions / "9.0.0", "9.0.0"), "ab", "ab")
    monkeypatch.undo()
    assert in_use(folder) == "9.0.0"
    assert [folder.begin_start() for _ in range(STARTS_MAX + 1)] == [False] * STARTS_MAX + [True]
    assert in_use(folder) == "0.1.0"


async def test_a_program_that_connected_stays(signed: Gateway, folder: ProgramFolder) -> None:
    before = folder.current()
    folder.try_out(environment(folder.versions / "9.0.0", "9.0.0"), "ab", "ab")
    assert not folder.begin_start()
    folder.pass_trial()
    assert [folder.begin_start() for _ in range(9)] == [False] * 9
    folder.trial.write_text("{")
    assert not folder.begin_start(), "a damaged file is no reason"
    folder.try_out(before, "ab", "ab")
    shutil.rmtree(folder.versions / "9.0.0")
    assert [folder.begin_start() for _ in range(9)] == [False] * 9, "there is nothing before"


async def test_two_updates_do_not_run_at_once(signed: Gateway, folder: ProgramFolder) -> None:
    with folder.changing() as is_mine:
        assert is_mine
        refused = await updated(signed, steps(folder, QuickTools()))
    assert isinstance(refused, UpdateRefused)
    assert "another update" in refused.reason


async def test_an_environment_from_which_a_node_runs_is_kept(
    signed: Gateway, folder: ProgramFolder
) -> None:
    running = environment(folder.versions / "0.0.8", "0.0.8")
    unused = environment(folder.versions / "0.0.9", "0.0.9")
    descriptor = os.open(running / CONFIGURATION, os.O_RDONLY)
    fcntl.flock(descriptor, fcntl.LOCK_SH)
    try:
        assert await updated(signed, steps(folder, QuickTools())) is None
    finally:
        os.close(descriptor)
    assert (running.exists(), unused.exists()) == (True, False)


async def test_what_another_program_has_installed_meanwhile_is_taken(
    signed: Gateway, folder: ProgramFolder
) -> None:
    tools = QuickTools()
    assert await updated(signed, steps(folder, tools)) is None
    assert await updated(signed, steps(folder, tools)) is None
    assert (len(tools.installed), in_use(folder)) == (1, "9.0.0")


def test_only_a_folder_of_the_script_is_updated(tmp_path: Path) -> None:
    folder = made_folder(tmp_path / "program", "0.1.0")
    assert program_folder.installed(folder.current()) == folder
    assert program_folder.installed(folder.link) == folder
    own = environment(tmp_path / "versions" / "own", "0.1.0")
    assert program_folder.installed(own) is None
    assert program_folder.installed() is None, "the tests run from a checkout"
    assert program_folder.hold() is None


async def test_a_service_and_the_notice_name_the_program_that_stays(
    signed: Gateway, folder: ProgramFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.prefix", str(folder.current()))
    assert f'ExecStart="{folder.program}" "node" "run"\n' in service.unit([])
    async with http_session() as session:
        found = await newer_program(session, signed.url)
        assert found is not None
        assert found.remedy == "run: rendertrust node update; then restart the node"
        signed.downloads = releases.handed_out(NEWER)
        found = await newer_program(session, signed.url)
    assert found is not None
    assert "pip install" in found.remedy, "what is not signed is installed by hand"


async def test_the_release_key_is_stored_once(signed: Gateway, tmp_path: Path) -> None:
    state = StateFolder(tmp_path / "state")

    async def joined() -> str | None:
        answer = await enrolment.join(signed.url, name="box", state=state.path)
        assert isinstance(answer, enrolment.Joined), answer
        assert state.release_key(signed.url) == answer.release_key
        return answer.release_key

    signed.downloads = None
    assert await joined() is None
    signed.downloads = {"release_key": "no key"}
    assert await joined() is None
    signed.downloads = releases.handed_out(NEWER, KEY)
    assert await joined() == KEY_TEXT
    signed.downloads = releases.handed_out(NEWER, OTHER)
    assert await joined() == KEY_TEXT, "another key is not taken unasked"
    assert state.release_key("https://other.example") is None, "each gateway has its own"
