"""A second host on this machine: a network namespace, connected by a virtual cable."""

import itertools
import os
import subprocess
from collections.abc import Generator
from contextlib import contextmanager

import attrs

_numbers = itertools.count(1)


@attrs.frozen
class Host:
    """A host at the other end of the cable.

    ``here`` is this machine's address on the cable, ``there`` the other host's; ``command`` returns
    a command that runs on the other host.
    """

    name: str
    here: str
    there: str

    def command(self, *words: str) -> list[str]:
        return ["ip", "netns", "exec", self.name, *words]


def run_ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True, capture_output=True)


@contextmanager
def another_host() -> Generator[Host]:
    """Create a network namespace whose only connection is a cable to this machine; needs root."""
    number = next(_numbers)
    name = f"rt{os.getpid() % 10_000}n{number}"
    third = os.getpid() % 250 + 1
    here, there = f"10.213.{third}.{number * 2 + 1}", f"10.213.{third}.{number * 2 + 2}"
    run_ip("netns", "add", name)
    try:
        run_ip("link", "add", f"{name}a", "type", "veth", "peer", "name", f"{name}b", "netns", name)
        run_ip("addr", "add", f"{here}/24", "dev", f"{name}a")
        run_ip("link", "set", f"{name}a", "up")
        run_ip("-n", name, "addr", "add", f"{there}/24", "dev", f"{name}b")
        run_ip("-n", name, "link", "set", f"{name}b", "up")
        run_ip("-n", name, "link", "set", "lo", "up")
        yield Host(name, here, there)
    finally:
        run_ip("netns", "del", name)
