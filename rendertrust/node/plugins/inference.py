"""Plugins for inference: ``inference``, its check, and the preflight that measures a model."""

from collections.abc import Iterator, Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

from rendertrust.inference.row_plan import is_needed
from rendertrust.job_types import INFERENCE, check_of, preflight_of
from rendertrust.node.agent_settings import AgentSettings
from rendertrust.node.plugins.plugin_check import PluginCheck
from rendertrust.node.plugins.sandboxed_plugin import PluginSandbox, SandboxedPlugin, own_source
from rendertrust.program_version import extra_command

PACKAGES: Final = ("onnxruntime", "numpy", "attrs", "attr", "orjson")


def why_no_runtime() -> str | None:
    """Return how to install ONNX Runtime if it is missing here."""
    if find_spec("onnxruntime") is not None:
        return None
    return f"no ONNX Runtime here: run `{extra_command('inference')}`"


def inference_plugins(
    scratch: Path, settings: AgentSettings
) -> Iterator[SandboxedPlugin | PluginCheck]:
    """Yield the plugins. Without ONNX Runtime, only ``inference`` says how to install it."""
    source = own_source("rendertrust.inference.runtime:InferenceProgram", *PACKAGES)
    place = PluginSandbox.of(source, scratch, settings)
    yield SandboxedPlugin(INFERENCE, place, why_no_runtime, is_needed)
    if why_no_runtime() is not None:
        return
    yield SandboxedPlugin(preflight_of(INFERENCE), place, why_no_runtime, _is_measured)
    yield PluginCheck(check_of(INFERENCE), INFERENCE, place, is_needed)


def _is_measured(params: Mapping[str, Any], path: str) -> bool:
    """Return True if a preflight needs an input: it measures the rows of the first unit."""
    return is_needed({"frame": 1}, path)
