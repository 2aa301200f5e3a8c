"""Tests of ``rendertrust nodes`` in a separate process, at a whole gateway."""

from pathlib import Path

import aiohttp

from rendertrust.cli import exit_codes
from rendertrust.testing import FakeNode
from tests.integration.client.conftest import Program
from tests.support.whole_gateway import Whole

PERSON = {"email": "jane@example.com", "name": "Jane", "password": "correct horse"}


async def test_an_owner_lists_drains_releases_and_revokes(
    site: Whole, tmp_path: Path, http: aiohttp.ClientSession
) -> None:
    async with http.post(f"{site.url}/api/v1/auth/register", json=PERSON) as answer:
        token = (await answer.json())["tokens"]["access_token"]
    program = Program(site.url, tmp_path)
    await program.log_in()
    told = await program.run("nodes", "list")
    assert "rendertrust node join" in told.err
    async with FakeNode(site.url, name="box", user_token=token) as node:
        rows = (await program.run("nodes", "list")).out.splitlines()
        assert rows[0].split("\t")[:3] == ["ID", "STATUS", "STANDING"]
        assert rows[1].split("\t")[:3] == [node.node_id, "HEALTHY", "ACTIVE"]
        told = await program.run("nodes", "drain", node.node_id, "--reason", "a new card")
        assert told.out == "box is stopped by its owner.\n"
        shown = (await program.run("nodes", "show", node.node_id)).out
        assert "a new card" in shown
        told = await program.run("nodes", "quarantine", node.node_id)
        assert told.code == exit_codes.USAGE
        assert "--reason 'the frames are black'" in told.err
        words = ("quarantine", node.node_id, "--reason", "its frames are black")
        told = await program.run("nodes", *words)
        assert (told.code, "Traceback" in told.err) == (exit_codes.FAILURE, False)
        told = await program.run("nodes", "release", node.node_id, "--json")
        assert told.document["standing"] == "ACTIVE"
        told = await program.run("nodes", "revoke", node.node_id)
        assert (told.code, "--yes" in told.err) == (exit_codes.USAGE, True)
        told = await program.run("nodes", "revoke", node.node_id, "--yes")
        assert told.out == "box is revoked.\n"
        assert await node.closed(within=60) == 4001
        told = await program.run("nodes", "history", node.node_id, "--json")
        [connection] = told.document["connections"]
        assert (connection["code"], connection["by_us"]) == (4001, True)
        rows = (await program.run("nodes", "history", node.node_id)).out.splitlines()
        assert rows[0].split("\t") == ["FROM", "UNTIL", "CODE", "WHY", "ADDRESS"]
        assert "4001" in rows[1].split("\t")
        told = await program.run("nodes", "drain", node.node_id)
        assert told.code not in (0, exit_codes.USAGE)
        assert "REVOKED" in told.err
