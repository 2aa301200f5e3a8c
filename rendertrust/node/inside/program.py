"""The worker's program: bounds for itself, one order, one end."""

import json
import os
import sys
import tempfile
import time
from collections.abc import Callable
from typing import Any

from .alone import alone
from .bounds import come_last, limit
from .checking import check
from .encoding import encode
from .finishing import finish
from .inspecting import inspect
from .looking import look
from .pieces import hold
from .probing import probe
from .proving import prove
from .rendering import render
from .speech import MachineError, Say, SceneError, one_line, speaker, take_standard_output
from .trying import try_out
from .watching import watch

ORDERS: dict[str, Callable[[Any, dict[str, Any], Say], None]] = {
    "render": render,
    "check": check,
    "alone": alone,
    "look": look,
    "hold": hold,
    "watch": watch,
    "prove": prove,
    "finish": finish,
    "inspect": inspect,
    "probe": probe,
    "try": try_out,
    "video": encode,
}
# What these write no scene may show: while its parts are rendered it lies under a name of chance.
HIDDEN = ("check", "look", "hold", "watch")


def obey(order: dict[str, Any], say: Say) -> None:
    """Load Blender, say which it is, and do what the order names, if it names anything."""
    import bpy as module  # type: ignore[import-untyped,unused-ignore]  # noqa: PLC0415

    bpy: Any = module
    build = bpy.app.build_hash.decode("ascii", "replace")
    version = ".".join(str(part) for part in bpy.app.version)
    say("ready", blender=version, build=build)
    if order.get("do") in HIDDEN:
        order = {**order, "out": tempfile.mkdtemp(dir=order["out"])}
    if "do" in order:
        ORDERS[order["do"]](bpy, order, say)


def main() -> None:
    """Obey the last argument; always ends the process, because Blender may hang or crash in its
    own clean-up after the picture is written."""
    say = speaker(take_standard_output())
    order: dict[str, Any] = {**json.loads(sys.argv[-1]), "began": time.monotonic()}
    os.nice(order.get("nice", 0))
    come_last()
    limit(order.get("limits", {}))
    code = 1
    try:
        obey(order, say)
        code = 0
    except SceneError as fault:
        say("failed", failure="scene", error=str(fault))
    except MachineError as fault:
        say("failed", failure="node", error=str(fault))
    except Exception as fault:
        say("failed", failure="node", error=f"{type(fault).__name__}: {one_line(fault)}")
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)
