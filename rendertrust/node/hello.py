"""The relay frame ``hello``, which a node sends first on each connection."""

from collections.abc import Iterable
from typing import Final

from rendertrust import __version__
from rendertrust.node import machine_facts
from rendertrust.node.agent_settings import AgentSettings
from rendertrust.node.blender import Blender
from rendertrust.node.devices import Device
from rendertrust.node.plugins import PluginOffer
from rendertrust.protocol import Hello, Running

RUNNING_MAX: Final = 256
OWN: Final = ("mine", "trusted")


def pools_of(offer: PluginOffer) -> tuple[str, ...]:
    """Return the pools that a node serves. An empty tuple means all pools."""
    return () if offer.serves_strangers else OWN


def hello(offer: PluginOffer, settings: AgentSettings, here: Iterable[Running]) -> Hello:
    """Return the relay frame ``hello``.

    ``here``: running units, and units whose results await an ack.
    """
    blender = offer.render.found if offer.render else None
    return Hello(
        version=__version__,
        slots=settings.slots,
        device_class=_device_class(blender, settings.device),
        cores=settings.cores_given,
        ram=settings.ram_bytes or machine_facts.ram_bytes(),
        vram=settings.card_bytes or 0,
        blender=blender.version if blender else None,
        build=(blender.build or None) if blender else None,
        builds=offer.render.builds() if offer.render else (),
        isa=machine_facts.isa(),
        capabilities=tuple(sorted(offer.plugins)),
        running=tuple(dict.fromkeys(here))[:RUNNING_MAX],
        pools=pools_of(offer),
        opengl=blender.opengl if blender else None,
        drawing=blender.drawing if blender else None,
    )


def _device_class(blender: Blender | None, device: Device | None) -> str:
    """Return the device class: the processor's instruction set or the card, and the build."""
    build = blender.build if blender else ""
    if device is not None:
        return device.device_class(build)
    return f"cpu/{machine_facts.isa()}" + (f"/{build}" if blender else "")
