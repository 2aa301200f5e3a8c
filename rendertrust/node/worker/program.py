"""The worker's program: limits its own resources, runs one or several orders, and exits."""

import contextlib
import json
import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from typing import Any

from .checks.evidence_check import check
from .checks.evidence_free_check import check_unit
from .checks.isolated_open import alone
from .checks.quick_look import look, open_batch
from .checks.rerender import rerender
from .checks.video_check import watch
from .ipc import (
    MachineError,
    MissingCapability,
    Say,
    SceneError,
    one_line,
    overheard,
    speaker,
    take_standard_output,
)
from .render import frames, tiles
from .render.evidence import prove
from .render.price_probe import probe
from .render.smoke_render import compile_kernels, draw, try_out, warm
from .render.video_encoder import encode
from .resource_limits import come_last, limit
from .scene.color_configuration import FAULT
from .scene.inspector import inspect


def render(bpy: Any, order: dict[str, Any], say: Say) -> None:
    """Render frames, or one tile."""
    if "tile" in order:
        tiles.render(bpy, order, say)
    else:
        frames.render(bpy, order, say)


ORDERS: dict[str, Callable[[Any, dict[str, Any], Say], None]] = {
    "render": render,
    "rerender": rerender,
    "check": check,
    "alone": alone,
    "look": look,
    "batch": open_batch,
    "check_unit": check_unit,
    "watch": watch,
    "prove": prove,
    "finish": tiles.finish,
    "inspect": inspect,
    "probe": probe,
    "try": try_out,
    "compile": compile_kernels,
    "draw": draw,
    "warm": warm,
    "video": encode,
}
# These orders write to a folder with a random name, so that no scene can read their files.
HIDDEN = ("check", "look", "batch", "check_unit", "watch", "rerender")


def loaded(say: Say) -> Any:
    """Load Blender, report its version and return its module.

    Raises SceneError if Blender cannot use the job's OpenColorIO configuration, instead of which it
    would silently use its own.
    """
    own = contextlib.nullcontext([""]) if not os.environ.get("OCIO") else overheard()
    with own as said:
        import bpy as module  # type: ignore[import-untyped,unused-ignore]  # noqa: PLC0415
    if (fault := FAULT.search(said[0])) is not None:
        raise SceneError(f"the OpenColorIO configuration cannot be used: {fault[1][:300]}")
    bpy: Any = module
    build = bpy.app.build_hash.decode("ascii", "replace")
    version = ".".join(str(part) for part in bpy.app.version)
    say("ready", blender=version, build=build)
    return bpy


def obey(bpy: Any, order: dict[str, Any], say: Say) -> None:
    """Run the order if it names an operation in ``do``."""
    if order.get("do") in HIDDEN:
        order = {**order, "out": tempfile.mkdtemp(dir=order["out"])}
    if "do" in order:
        ORDERS[order["do"]](bpy, order, say)


def following(bpy: Any, say: Say) -> Iterator[dict[str, Any]]:
    """Yield further orders from standard input.

    Before an order is read, the previous scene is closed. An empty order only requests a sign of
    life.
    """
    with open(0, encoding="utf-8", closefd=False) as orders:
        say("resting")
        while line := orders.readline():
            order = json.loads(line)
            if "do" in order:
                yield {**order, "began": time.monotonic()}
                bpy.ops.wm.read_homefile(use_empty=True, use_factory_startup=True)
            say("resting")


def main() -> None:
    """Run the order in the last argument. If the worker stays, run the orders from standard input.

    Ends the process without Python's clean-up, in which Blender may hang or crash.
    """
    say = speaker(take_standard_output())
    order: dict[str, Any] = {**json.loads(sys.argv[-1]), "began": time.monotonic()}
    os.nice(order.get("nice", 0))
    come_last()
    limit(order.get("limits", {}))
    code = 1
    try:
        bpy = loaded(say)
        obey(bpy, order, say)
        for another in following(bpy, say) if order.get("stays") else ():
            obey(bpy, another, say)
        code = 0
    except SceneError as fault:
        say("failed", failure="scene", error=str(fault))
    except MissingCapability as fault:
        say("failed", failure="node", lacks=fault.what, error=str(fault))
    except MachineError as fault:
        say("failed", failure="node", error=str(fault))
    except Exception as fault:
        say("failed", failure="node", error=f"{type(fault).__name__}: {one_line(fault)}")
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)
