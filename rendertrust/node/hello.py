"""The relay frame ``hello``, which a node sends first on each connection."""

from collections.abc import Iterable
from typing import Final

from rendertrust import __version__
from rendertrust.node import machine_facts
from rendertrust.node.agent_settings import AgentSettings
from rendertrust.node.plugins import PluginOffer
from rendertrust.protocol import Hello, Running

RUNNING_MAX: Final = 256
OWN: Final = ("mine", "trusted")


def pools_of(offer: PluginOffer) -> tuple[str, ...]:
    """Return the pools that a node serves. An empty tuple means all pools."""
    return () if offer.has_sandbox else OWN


def hello(offer: PluginOffer, settings: AgentSettings, here: Iterable[Running]) -> Hello:
    """Return the relay frame ``hello``.

    ``here``: running units, and units whose results await an ack.
    """
    blender = offer.render.found if offer.render else None
    return Hello(
        version=__version__,
        slots=settings.slots,
        device_class=f"cpu/{machine_facts.isa()}" + (f"/{blender.build}" if blender else ""),
        cores=settings.cores_given,
        ram=settings.ram_bytes or machine_facts.ram_bytes(),
        vram=settings.vram_bytes or 0,
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
