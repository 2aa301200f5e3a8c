"""Programs that tests fork behave as programs that are executed."""

import asyncio
import os
import signal
import sys
from asyncio.subprocess import PIPE
from pathlib import Path

import pytest

from tests.support import programs

SCRIPT = """
import os, sys
print(sys.argv[1:], os.environ["NAMED"], os.getcwd(), sys.stdin.read(), __name__)
print("a complaint", file=sys.stderr)
sys.exit({"two": 2, "words": "in words"}[sys.argv[1]])
"""


async def run_executed(
    *words: str, env: dict[str, str], cwd: Path
) -> tuple[bytes, bytes, int | None]:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "a_script", *words),
        env=env,
        cwd=cwd,
        stdin=PIPE,
        stdout=PIPE,
        stderr=PIPE,
    )
    out, err = await process.communicate(b"told")
    return out, err, process.returncode


@pytest.mark.parametrize("word", ["two", "words"])
async def test_a_program_gets_and_says_the_same(tmp_path: Path, word: str) -> None:
    (tmp_path / "a_script.py").write_text(SCRIPT)
    env = {**os.environ, "NAMED": "so", "PYTHONPATH": str(tmp_path)}
    forked = await programs.start(
        "a_script", word, env=env, cwd=tmp_path, told=b"told", stdout=PIPE, stderr=PIPE
    )
    out, err = await forked.communicate()
    assert (out, err, forked.returncode) == await run_executed(word, env=env, cwd=tmp_path)


async def test_a_program_is_killed_by_its_id_and_alone(tmp_path: Path) -> None:
    script = "import signal; print('here', flush=True); signal.pause()"
    (tmp_path / "a_script.py").write_text(script)
    env = {**os.environ, "PYTHONPATH": str(tmp_path)}
    one, other = [await programs.start("a_script", env=env, stdout=PIPE) for _ in range(2)]
    for each in (one, other):
        assert each.stdout is not None
        assert await each.stdout.readline() == b"here\n"
    one.send_signal(signal.SIGKILL)
    assert await one.wait() == -signal.SIGKILL
    assert other.returncode is None
    other.send_signal(signal.SIGTERM)
    assert await other.wait() == -signal.SIGTERM


async def test_a_module_is_not_there_for_who_goes_without() -> None:
    words = ("node", "doctor", "--json")
    forked = await programs.start(
        "rendertrust", *words, env=os.environ, without=["bpy"], stdout=PIPE, stderr=PIPE
    )
    out, _ = await forked.communicate()
    assert b"no Blender here" in out
