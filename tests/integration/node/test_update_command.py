"""What ``rendertrust node update`` and ``--update`` say to an operator."""

import json
import os
from pathlib import Path
from typing import Any

import attrs
import pytest

import rendertrust
from rendertrust import release
from rendertrust.cli import exit_codes
from rendertrust.node.state_folder import Enrolment, StateFolder
from tests.integration.node.gateway import Gateway
from tests.support import programs, releases
from tests.support.releases import KEY, KEY_TEXT, NEWER, OTHER

OWN = attrs.evolve(NEWER, name=f"rendertrust-{rendertrust.__version__}-py3-none-any.whl")


@attrs.frozen
class Operator:
    state: StateFolder

    async def run(self, *words: str) -> tuple[int, Any]:
        """Run a command of ``rendertrust node``; return its exit code and document."""
        home = str(self.state.path.parent)
        env = {**os.environ, "HOME": home, "RENDERTRUST_STATE": str(self.state.path)}
        code, out, err = await programs.call("--json", "node", *words, env=env)
        assert out, err
        return code, json.loads(out.splitlines()[0])

    async def refused(self, *words: str) -> tuple[int, str]:
        """Run a command that fails; return its exit code, what it says, and its hint."""
        code, document = await self.run(*words)
        return code, f"{document['error']['detail']} {document['error']['hint']}"


@pytest.fixture
def operator(tmp_path: Path, peer: Gateway) -> Operator:
    """Return an operator whose node joined and knows a release key."""
    state = StateFolder(tmp_path / "state")
    state.enrol(Enrolment(url=peer.url, node_id="n1", name="test", token="first-token"))
    state.store_release_key(peer.url, KEY_TEXT)
    return Operator(state)


async def test_the_command_says_what_is_there(operator: Operator, peer: Gateway) -> None:
    said = {"version": rendertrust.__version__}
    peer.downloads = releases.handed_out(OWN)
    current = {**said, "offered": rendertrust.__version__, "state": "current"}
    assert await operator.run("update") == (0, current)
    peer.downloads = releases.handed_out(NEWER, KEY)
    available = {**said, "offered": "9.0.0", "state": "available"}
    assert await operator.run("update", "--check") == (0, available)


async def test_a_refusal_says_what_to_do(operator: Operator, peer: Gateway) -> None:
    code, said = await operator.refused("update")
    assert (code, "does not say which program" in said) == (exit_codes.UNAVAILABLE, True)
    peer.downloads = releases.handed_out(NEWER)
    code, said = await operator.refused("update", "--check")
    assert (code, "9.0.0 is not signed" in said) == (exit_codes.FAILURE, True), said
    assert "admins to sign" in said
    peer.downloads = releases.handed_out(NEWER, OTHER)
    code, said = await operator.refused("update", "--check")
    assert (code, "--release-key KEY" in said) == (exit_codes.FAILURE, True), said
    peer.downloads = releases.handed_out(NEWER, KEY)
    code, said = await operator.refused("update")
    assert (code, f"{peer.url}/join.sh" in said) == (exit_codes.USAGE, True), said
    code, said = await operator.refused("update", "--gateway", "ftp://farm.example")
    assert (code, "not an http" in said) == (exit_codes.USAGE, True), said


async def test_another_release_key_is_trusted_if_the_operator_names_it(
    operator: Operator, peer: Gateway
) -> None:
    peer.downloads = releases.handed_out(NEWER, OTHER)
    code, said = await operator.refused("update", "--check", "--release-key", KEY_TEXT[:-2])
    assert (code, "--release-key" in said) == (exit_codes.USAGE, True), said
    assert operator.state.release_key(peer.url) == KEY_TEXT
    code, _ = await operator.run("update", "--check", "--release-key", release.key_text(OTHER))
    assert code == 0
    assert operator.state.release_key(peer.url) == release.key_text(OTHER)


@pytest.mark.parametrize("command", ["run", "install"])
async def test_a_program_that_cannot_update_does_not_start_with_update(
    operator: Operator, peer: Gateway, command: str
) -> None:
    code, said = await operator.refused(command, "--update", "--health-port=-1")
    assert (code, f"{peer.url}/join.sh" in said) == (exit_codes.USAGE, True), said
    assert peer.connects == 0


async def test_the_self_test_says_which_work_is_impossible(operator: Operator) -> None:
    code, document = await operator.run("self-test", "--kind", "echo")
    assert (code, document["version"]) == (0, rendertrust.__version__)
    assert "echo" in document["offers"]
    code, said = await operator.refused("self-test", "--kind", "echo", "--kind", "knitting")
    assert (code, "knitting: this program does not know it" in said) == (exit_codes.FAILURE, True)


async def test_a_machine_that_has_not_joined_is_told_to_join(tmp_path: Path) -> None:
    operator = Operator(StateFolder(tmp_path / "state"))
    code, said = await operator.refused("update")
    assert (code, "rendertrust node join" in said) == (exit_codes.NOT_FOUND, True), said
    started = {"version": rendertrust.__version__, "offers": []}
    assert await operator.run("self-test") == (0, started)
