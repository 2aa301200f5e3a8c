"""Tests of ``rendertrust node`` as an operator runs it, in separate processes."""

import asyncio
import io
import json
import os
from asyncio.subprocess import PIPE
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import attrs
import pytest

from rendertrust.cli import exit_codes
from rendertrust.cli.command_exit import CommandExit
from rendertrust.cli.node_options import accept_no_sandbox
from rendertrust.cli.output import Printer
from rendertrust.cli.session import CliSession
from rendertrust.node import doctor, enrolment, self_test
from rendertrust.node.doctor import BAD, GOOD
from rendertrust.node.state_folder import NO_SANDBOX_WORDS, Enrolment, StateFolder
from rendertrust.protocol import Hello, JobStatus
from tests.integration.node.gateway import Gateway, ack_of
from tests.integration.node.test_owners_word import SHORT
from tests.support import programs
from tests.support.programs import Program

WITHIN = 240.0


@attrs.frozen
class Told:
    code: int
    out: str
    err: str

    @property
    def document(self) -> Any:
        return json.loads(self.out.splitlines()[0])


@attrs.frozen
class Operator:
    """An operator's shell on this machine; programs are found on ``path``."""

    state: Path
    path: str = os.environ["PATH"]

    @property
    def environment(self) -> Mapping[str, str]:
        home = str(self.state.parent)
        more = {"HOME": home, "XDG_CONFIG_HOME": f"{home}/config", "PATH": self.path}
        return {**os.environ, **more, "RENDERTRUST_STATE": str(self.state)}

    async def start(self, *words: str) -> Program:
        return await programs.start(
            "rendertrust", *words, env=self.environment, stdout=PIPE, stderr=PIPE
        )

    async def run(self, *words: str) -> Told:
        return Told(*await programs.call(*words, env=self.environment, within=WITHIN))


@pytest.fixture
def operator(tmp_path: Path) -> Operator:
    return Operator(tmp_path / "state")


def without_programs(operator: Operator, tmp_path: Path) -> Operator:
    """Return an operator whose machine has no bubblewrap."""
    (tmp_path / "bin").mkdir()
    return attrs.evolve(operator, path=str(tmp_path / "bin"))


@pytest.mark.render
async def test_one_command_joins_tries_out_and_measures(peer: Gateway, operator: Operator) -> None:
    told = await operator.run("--json", "node", "join", peer.url, "--unowned", "--name", "box")
    assert told.code == 0, told
    assert set(told.document["capabilities"]) >= {"cpu_benchmark", "echo", "render"}
    assert set(told.document["figures"]) == {"cpu_msteps", "render_samples"}
    assert all(value > 0 for value in told.document["figures"].values())
    assert peer.registrations[0]["metadata"]["benchmark"] == told.document["figures"]


async def test_a_machine_that_computes_wrongly_does_not_offer_it(
    peer: Gateway, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(self_test, "CHECKSUM", 1)
    joined = await enrolment.join(peer.url, name="box", state=tmp_path)
    assert isinstance(joined, enrolment.Joined)
    assert "echo" in joined.capabilities
    assert "cpu_benchmark" not in joined.capabilities
    assert "computes wrongly" in joined.not_offered["cpu_benchmark"]
    assert peer.registrations[0]["capabilities"] == list(joined.capabilities)


async def test_who_joins_with_a_key_that_was_revoked_is_told_the_way(
    peer: Gateway, operator: Operator, tmp_path: Path
) -> None:
    bare = without_programs(operator, tmp_path)
    peer.refuses_registration = 403
    told = await bare.run("node", "join", peer.url, "--unowned")
    assert told.code == exit_codes.NOT_AUTHENTICATED
    assert f"rendertrust node join {peer.url} --new-key" in told.err
    assert "is the right gateway" not in told.err
    peer.refuses_registration = None
    told = await bare.run("node", "join", peer.url, "--unowned", "--new-key")
    assert told.code == 0, told


async def test_drained_from_this_machine_it_finishes_and_ends(
    peer: Gateway, operator: Operator, tmp_path: Path
) -> None:
    bare = without_programs(operator, tmp_path)
    told = await bare.run("node", "drain")
    assert (told.code, "node join" in told.err) == (exit_codes.NOT_FOUND, True)
    told = await bare.run("node", "join", peer.url, "--unowned")
    assert told.code == 0, told
    told = await bare.run("node", "drain")
    assert (told.code, "is not running" in told.err) == (exit_codes.FAILURE, True)
    peer.answer = ack_of
    process = await bare.start("node", "run", "--health-port", "-1", "--cores", "1")
    try:
        await peer.next(Hello, within=WITHIN)
        await peer.send(peer.dispatch("cpu_benchmark", params=SHORT))
        await peer.next(JobStatus)
        told = await bare.run("--json", "node", "status")
        assert told.document["running"] is True
        told = await bare.run("node", "drain", "--wait")
        assert told.code == 0, told
        assert (await peer.result("j1", within=WITHIN)).status == "completed"
        async with asyncio.timeout(WITHIN):
            out, _ = await process.communicate()
        assert (process.returncode, "Ended: drained." in out.decode()) == (0, True)
    finally:
        if process.returncode is None:
            process.kill()
            await process.communicate()


@pytest.mark.parametrize("accepted", [None, "yes"])
def test_no_sandbox_is_accepted_in_words_or_not_at_all(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, accepted: str | None
) -> None:
    monkeypatch.setattr("rendertrust.node.sandbox.is_root", lambda: False)
    said = io.StringIO()
    with pytest.raises(CommandExit) as stopped:
        accept_no_sandbox(CliSession(None, Printer(notes=said)), tmp_path, accepted)
    assert stopped.value.ending.code == exit_codes.USAGE
    assert NO_SANDBOX_WORDS in stopped.value.ending.hint
    for words in ("can read your files", "apt-get install bubblewrap"):
        assert words in said.getvalue()
    assert not StateFolder(tmp_path).accepts_no_sandbox


@pytest.mark.skipif(os.getuid() == 0, reason="root never renders without a sandbox")
@pytest.mark.render
async def test_accepted_in_words_it_renders_for_its_owner_alone(
    peer: Gateway, operator: Operator, tmp_path: Path
) -> None:
    bare = without_programs(operator, tmp_path)
    words = ("--unsafe-no-sandbox", "--accept", NO_SANDBOX_WORDS)
    told = await bare.run("--json", "node", "join", peer.url, "--unowned", *words)
    assert told.code == 0, told
    assert told.document["has_sandbox"] is False
    assert "render" in told.document["capabilities"]


@pytest.mark.skipif(os.getuid() != 0, reason="an ordinary user may")
async def test_root_never_renders_without_a_sandbox(
    peer: Gateway, operator: Operator, tmp_path: Path
) -> None:
    """The refusal comes before any question."""
    bare = without_programs(operator, tmp_path)
    words = ("--unsafe-no-sandbox", "--accept", NO_SANDBOX_WORDS)
    told = await bare.run("node", "join", peer.url, "--unowned", *words)
    assert told.code == exit_codes.USAGE, told
    assert "never allowed as root" in told.err
    assert NO_SANDBOX_WORDS not in told.err
    assert not peer.registrations


async def test_install_writes_a_unit_of_the_users_own(peer: Gateway, operator: Operator) -> None:
    StateFolder(operator.state).enrol(Enrolment(url=peer.url, node_id="n1", name="box", token="t"))
    told = await operator.run("--json", "node", "install", "--hours", "20-8", "--ram", "4G")
    assert told.code == 0, told
    path = Path(told.document["path"])
    assert f'"--state={operator.state}"' in path.read_text()
    assert "RestartPreventExitStatus=2 7 9\n" in path.read_text()
    assert path.parent == operator.state.parent / "config" / "systemd" / "user"
    assert '"--hours=20:00-08:00"' in path.read_text()
    printed = await operator.run("node", "install", "--hours", "20-8", "--ram", "4G", "--print")
    assert printed.out == path.read_text() + "\n"


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("--hours", "8"), "like 20-8"),
        (("--ram", "much"), "write a size like 20G"),
        (("--ram", "1G"), "the minimum is 2G"),
        (("--slots", "4", "--ram", "4G"), "each of 4 slots"),
    ],
)
async def test_what_cannot_be_meant_is_refused_with_what_can(
    operator: Operator, words: tuple[str, ...], told: str
) -> None:
    said = await operator.run("node", "install", "--print", *words)
    assert (said.code, told in said.err) == (exit_codes.USAGE, True), said


async def test_doctor_says_what_is_wrong_and_what_mends_it(
    peer: Gateway, operator: Operator, tmp_path: Path
) -> None:
    bare = without_programs(operator, tmp_path)
    told = await bare.run("node", "doctor")
    assert told.code == exit_codes.FAILURE
    assert "rendertrust node join URL" in told.out
    assert "bubblewrap is missing" in told.out or "no Blender here" in told.out
    told = await bare.run("--json", "node", "doctor")
    assert told.document["well"] is False


@pytest.mark.render
async def test_doctor_names_blender_and_its_sandbox(tmp_path: Path) -> None:
    found = {check.name: check async for check in doctor.examine(tmp_path)}
    assert (found["blender"].state, found["sandbox"].state) == (GOOD, GOOD), found
    assert found["blender"].said.startswith("5.")
    assert "system call filter" in found["sandbox"].said


async def test_doctor_knows_the_gateway_the_key_and_the_agent(
    peer: Gateway, tmp_path: Path
) -> None:
    joined = await enrolment.join(peer.url, name="box", state=tmp_path)
    assert isinstance(joined, enrolment.Joined)
    found = {check.name: check async for check in doctor.examine(tmp_path)}
    for name in ("system", "disk", "key", "gateway", "clock", "echo"):
        assert found[name].state == GOOD, found[name]
    assert "rendertrust node run" in found["agent"].remedy
    assert (found["blender"].state, "pip install" in found["blender"].remedy) == (BAD, True)
    assert "sandbox" in found
    (tmp_path / "key.pem").chmod(0o644)
    await peer.server.close()
    found = {check.name: check async for check in doctor.examine(tmp_path)}
    assert (found["key"].state, found["gateway"].state) == (BAD, BAD)
    assert "chmod 600" in found["key"].said
