"""Drawing class of this machine: the properties that EEVEE's frames depend on."""

from typing import Any

EEVEE = "BLENDER_EEVEE"
WORDS_MAX = 200


def is_drawn(scene: Any) -> bool:
    """Return True if EEVEE draws the scene."""
    return bool(scene.render.engine.startswith(EEVEE))


def drawing_class() -> str | None:
    """Return the driver and its version, plus the processor's maker for software drivers.

    Frames of one class are equal. None: nothing was drawn in this process.
    """
    import gpu  # type: ignore[import-not-found,unused-ignore]  # noqa: PLC0415

    platform: Any = gpu.platform  # pyright: ignore[reportUnknownMemberType,reportUnknownVariableType]
    try:
        names = ("backend_type_get", "vendor_get", "renderer_get", "version_get")
        told = [str(getattr(platform, name)()) for name in names]
        is_software = platform.device_type_get() == "SOFTWARE"
    except SystemError:
        return None
    return "; ".join([*told, *([_processor()] if is_software else [])])[:WORDS_MAX]


def _processor() -> str:
    """Return the processor's maker, for which software drivers compile."""
    try:
        with open("/proc/cpuinfo", encoding="ascii", errors="replace") as file:
            found = next((line for line in file if line.startswith("vendor_id")), "")
    except OSError:
        found = ""
    return found.partition(":")[2].strip() or "unknown processor"
