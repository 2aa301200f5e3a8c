"""The gateway's embedded verifier: a node agent that gets its key and token from the gateway.

The gateway runs this module as ``python -I -m rendertrust.node.embedded_verifier GIVEN STATE
THREADS MEMORY RENDERERS``. ``GIVEN`` is a folder with the key and the enrolment, ``STATE`` the
agent's own folder. ``MEMORY``, and the space ``RENDERERS`` for further versions of Blender, are in
bytes.
"""

import asyncio
import os
import sys
import threading
from pathlib import Path
from typing import Final

from rendertrust.node import agent
from rendertrust.node.agent_settings import AgentSettings
from rendertrust.node.plugins.check import CheckPlugin
from rendertrust.node.state_folder import StateFolder, write_private

NOT_GIVEN: Final = "the gateway gave no key and token"


def settings_of(threads: int, memory: int, renderers: int = 0) -> AgentSettings:
    """Return settings for one unit at a time with ``threads`` and ``memory``."""
    return AgentSettings(
        cores=threads,
        threads=threads,
        ram_bytes=memory,
        health_port=None,
        renderers_bytes_max=renderers or None,
    )


def take(given: StateFolder, own: StateFolder) -> bool:
    """Copy the key and the enrolment to the agent's folder.

    Return False if there is no enrolment.
    """
    enrolment = given.enrolment()
    if enrolment is None:
        return False
    own.make()
    write_private(own.key, given.key.read_bytes())
    own.enrol(enrolment)
    return True


def end_with_gateway() -> None:
    """End this process when standard input ends, because the gateway has ended.

    Without this, a sandbox that is just being set up would survive a gateway that is killed.
    """
    while os.read(0, 1):
        pass
    os._exit(1)


def main(given: str, state: str, threads: str, memory: str, renderers: str = "0") -> int:
    """Run the agent until the gateway stops it. Return the exit code.

    The last printed line says why the agent ended.
    """
    own = StateFolder(Path(state))
    if not take(StateFolder(Path(given)), own):
        tell(NOT_GIVEN)
        return 1
    settings = settings_of(int(threads), int(memory), int(renderers))
    ended = asyncio.run(
        agent.run(own.path, settings=settings, narrator=tell, needs=CheckPlugin.job_type)
    )
    tell(ended.reason)
    return 0 if ended.ok else 1


def tell(text: str) -> None:
    """Write a line to standard error, which the gateway logs."""
    sys.stderr.write(f"{text}\n")


if __name__ == "__main__":
    threading.Thread(target=end_with_gateway, daemon=True).start()
    sys.exit(main(*sys.argv[1:]))
