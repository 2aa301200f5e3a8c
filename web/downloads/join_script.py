"""The script that installs the program on a machine and joins it; it names the wheel's hash."""

import shlex
from functools import cache
from pathlib import Path
from typing import Final

from rendertrust import join_code
from web.downloads.wheel import Wheel

TEMPLATE: Final = Path(__file__).with_name("join.sh")


def join_script(url: str, wheel: Wheel) -> str:
    """Return the script of the gateway at ``url``, whose values are quoted for the shell."""
    values = {
        "@FARM@": url,
        "@VERSION@": wheel.version,
        "@WHEEL@": wheel.name,
        "@SHA256@": wheel.sha256,
        "@CHARACTERS@": str(join_code.CHARACTERS),
    }
    script = _template()
    for place, value in values.items():
        script = script.replace(place, shlex.quote(value), 1)
    return script


@cache
def _template() -> str:
    return TEMPLATE.read_text("utf-8")
