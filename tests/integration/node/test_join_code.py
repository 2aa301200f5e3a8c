"""``rendertrust node join`` with a code, without an owner, and with a service."""

import shlex
from pathlib import Path

import attrs
import pytest

from rendertrust import join_code, node_key
from rendertrust.cli import exit_codes
from rendertrust.node.state_folder import StateFolder
from tests.integration.client.conftest import Finished, Program
from tests.integration.client.test_terminal import run_on_terminal
from tests.integration.node.gateway import CODE_OWNER, Gateway
from tests.support.releases import KEY as RELEASE
from tests.support.releases import KEY_TEXT, NEWER, handed_out
from tests.support.releases import OTHER as OTHER_RELEASE

KEY, OTHER = (node_key.generate_key() for _ in range(2))
CODE = join_code.make(bytes(16), KEY.public_key().public_bytes_raw(), None)
PINNED = join_code.make(bytes(16), KEY.public_key().public_bytes_raw(), KEY_TEXT)
SYSTEMCTL = """#!/bin/sh
echo "$@" >> {log}
exit {code}
"""


@pytest.fixture
def machine(peer: Gateway, tmp_path: Path) -> Program:
    """Return the program on a machine whose PATH has no sandbox, so nothing is probed."""
    peer.log_keys, peer.owner = [KEY], CODE_OWNER
    (tmp_path / "bin").mkdir()
    return Program(peer.url, tmp_path, {"RENDERTRUST_STATE": str(tmp_path / "node")})


async def run(machine: Program, *words: str) -> Finished:
    return await machine.run("node", *words, PATH=str(machine.home / "bin"))


def systemctl(machine: Program, code: int) -> Path:
    """Put a stand-in for systemctl on the machine, and return its log."""
    log, path = machine.home / "systemctl.log", machine.home / "bin" / "systemctl"
    path.write_text(SYSTEMCTL.format(log=shlex.quote(str(log)), code=code))
    path.chmod(0o755)
    return log


async def test_a_code_makes_the_machine_its_users(peer: Gateway, machine: Program) -> None:
    told = await run(machine, "join", peer.url, "--code", CODE.text.lower())
    assert told.code == 0, told
    assert "the node is yours" in told.out
    reasons = [line.rpartition(": ")[2] for line in told.err.splitlines() if "Not off" in line]
    assert len(reasons) == len(set(reasons)) > 0, told.err
    [sent] = peer.registrations
    assert (sent["code"], sent["authorization"]) == (CODE.text, None)
    joined = StateFolder(machine.home / "node").enrolment()
    assert joined is not None
    assert joined.owned
    assert joined.gateway_key
    everything = b"".join(
        path.read_bytes() for path in (machine.home / "node").rglob("*") if path.is_file()
    )
    assert CODE.text.encode() not in everything


async def test_a_code_that_was_used_is_refused_before_the_machine_is_tested(
    peer: Gateway, machine: Program
) -> None:
    peer.refuses_code = True
    told = await run(machine, "join", peer.url, "--code", CODE.text)
    assert (told.code, "The code was used" in told.err) == (exit_codes.NOT_AUTHENTICATED, True)
    assert f"Copy a new line from {peer.url}/console/fleet/add" in told.err
    assert peer.asked[-1] == "/api/v1/nodes/join/check"
    assert not (machine.home / "node").exists(), "no key was made and no plugin tried"


async def test_another_users_node_is_not_called_yours(peer: Gateway, machine: Program) -> None:
    peer.owner = "0d3c2b1a-5b1c-4f0e-9d59-0e6a4b2c8d7f"
    told = await run(machine, "join", peer.url, "--code", CODE.text)
    assert "already owned by another user" in told.out


async def test_another_gateway_does_not_get_the_code(peer: Gateway, machine: Program) -> None:
    for peer.log_keys, words in (([OTHER], "for another gateway"), ([], "does not show its key")):
        told = await run(machine, "join", peer.url, "--code", CODE.text)
        assert told.code != 0
        assert words in told.err
    assert peer.registrations == []


async def test_the_code_names_the_release_key(peer: Gateway, machine: Program) -> None:
    for key in ((OTHER_RELEASE,), ()):
        peer.downloads = handed_out(NEWER, *key)
        told = await run(machine, "join", peer.url, "--code", PINNED.text)
        assert "for another gateway" in told.err
    assert peer.registrations == []
    peer.downloads = handed_out(NEWER, RELEASE)
    told = await run(machine, "join", peer.url, "--code", PINNED.text)
    assert told.code == 0, told
    assert StateFolder(machine.home / "node").release_key(peer.url) == KEY_TEXT


@pytest.mark.parametrize("code", ["", "ABC", CODE.text + "A"], ids=["empty", "short", "long"])
async def test_what_is_no_code_is_not_sent(peer: Gateway, machine: Program, code: str) -> None:
    told = await run(machine, "join", peer.url, "--code", code)
    assert told.code == exit_codes.USAGE
    assert f"{peer.url}/console/fleet/add" in told.err
    assert peer.asked == []


async def test_a_machine_without_code_and_login_becomes_nobodys_only_if_told(
    peer: Gateway, machine: Program
) -> None:
    told = await run(machine, "join", peer.url)
    assert told.code == exit_codes.NOT_AUTHENTICATED
    assert f"{peer.url}/console/fleet/add" in told.err
    assert "--unowned" in told.err
    assert peer.registrations == []
    told = await run(machine, "join", peer.url, "--unowned", "--code", CODE.text)
    assert told.code == exit_codes.USAGE
    peer.owner = ""
    told = await run(machine, "join", peer.url, "--unowned")
    assert (told.code, "the node is unowned" in told.out) == (0, True)


async def test_a_terminal_is_asked_for_the_code(peer: Gateway, machine: Program) -> None:
    variables = {**machine.variables, "PATH": str(machine.home / "bin")}
    shell = attrs.evolve(machine, variables=variables)
    code, text = await run_on_terminal(shell, "node", "join", peer.url, typed=f"{CODE.text}\n")
    assert code == 0, text
    assert f"Join code from {peer.url}/console/fleet/add:" in text
    assert CODE.text not in text, "what is typed is hidden"
    assert peer.registrations[0]["code"] == CODE.text


async def test_a_node_that_has_an_owner_joins_again_without_a_code(
    peer: Gateway, machine: Program
) -> None:
    assert (await run(machine, "join", peer.url, "--code", CODE.text)).code == 0
    told = await run(machine, "join", peer.url)
    assert (told.code, "the node is owned as before" in told.out) == (0, True)
    assert (await run(machine, "join", peer.url, "--new-key")).code != 0


async def test_service_installs_and_starts_the_node(peer: Gateway, machine: Program) -> None:
    log = systemctl(machine, 0)
    told = await run(machine, "join", peer.url, "--code", CODE.text, "--service")
    assert told.code == 0, told
    assert "The node runs as a service." in told.out
    assert log.read_text().splitlines()[-2:] == [
        "--user daemon-reload",
        "--user enable --now rendertrust-node.service",
    ]
    unit = machine.home / ".config" / "systemd" / "user" / "rendertrust-node.service"
    assert str(machine.home / "node") in unit.read_text()


@pytest.mark.parametrize("has_systemctl", [False, True])
async def test_a_machine_without_services_keeps_its_code(
    peer: Gateway, machine: Program, *, has_systemctl: bool
) -> None:
    if has_systemctl:
        systemctl(machine, 1)
    told = await run(machine, "join", peer.url, "--code", CODE.text, "--service")
    assert told.code == exit_codes.FAILURE
    assert "--run" in told.err
    assert peer.asked == []
