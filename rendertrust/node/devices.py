"""Devices that Cycles can render on: this machine's processor, and its graphics cards.

The names are those of Cycles: ``cpu``, or a backend and a card's number, like ``optix:0``. The
cards of each maker are counted from 0, in the order of their PCI addresses.
"""

import re
import subprocess
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from typing import Final, Protocol

import attrs

from rendertrust.node.sandbox import CardAccess

CPU: Final = "cpu"
NVIDIA, AMD, INTEL = "nvidia", "amd", "intel"
BACKENDS: Final = {"cuda": NVIDIA, "optix": NVIDIA, "hip": AMD, "oneapi": INTEL}
DEVICE_NAME: Final = re.compile(r"(cuda|optix|hip|oneapi):([0-9]{1,2})")
DRIVERS: Final = {  # what shows the cards of a maker
    NVIDIA: "the driver of NVIDIA with nvidia-smi",
    AMD: "the kernel driver amdgpu with /dev/kfd",
    INTEL: "the kernel driver i915 or xe",
}
MIB: Final = 2**20
_LIBRARIES: Final = {AMD: (Path("/opt/rocm"),)}  # folders of drivers outside the system's
TOOL: Final = "nvidia-smi"
TOOL_SECONDS: Final = 10.0
_ASKED: Final = "pci.bus_id,name,memory.total,driver_version,compute_cap"
_INTEL_DRIVERS: Final = ("i915", "xe")
_COMPUTE: Final = "sys/class/kfd/kfd"
# A process's graphics memory in fdinfo: what is in the card now, by the names of the drivers
# amdgpu, xe and i915; and older names of the same.
_DRM_KEYS: Final = (
    ("drm-resident-vram", "drm-resident-vram0", "drm-resident-local0"),
    ("drm-memory-vram", "drm-total-vram0", "drm-total-local0"),
)
_DRM_UNITS: Final = {"": 1, "KiB": 2**10, "MiB": 2**20, "GiB": 2**30}
_NOT_SAFE: Final = re.compile(r"[^A-Za-z0-9_.-]+")


@attrs.frozen(kw_only=True)
class Card:
    """A graphics card.

    ``number``: its place among the maker's cards. ``pci``: its PCI address. ``driver``: the
    driver's version. ``memory_bytes``: None if unknown. ``nodes``: its device files. ``sysfs``:
    files below /sys that its driver's library reads. ``compute_id``: the name that AMD's compute
    driver gives it.
    """

    maker: str
    number: int
    name: str
    pci: str
    architecture: str
    driver: str
    memory_bytes: int | None = None
    nodes: tuple[Path, ...] = ()
    sysfs: tuple[Path, ...] = ()
    compute_id: str = ""


@attrs.frozen
class Device:
    """A card and the backend of Cycles that uses it, like ``optix``."""

    backend: str
    card: Card

    @property
    def name(self) -> str:
        """Return the name that ``--device`` takes, like ``optix:0``."""
        return f"{self.backend}:{self.card.number}"

    def device_class(self, build: str) -> str:
        """Return the device class: backend, architecture, driver's major version, build."""
        major = self.card.driver.partition(".")[0]
        parts = (_NOT_SAFE.sub("-", part) or "unknown" for part in (self.card.architecture, major))
        return "/".join((self.backend, *parts, *([build] if build else [])))

    @property
    def order(self) -> dict[str, str]:
        """Return the member ``device`` of the worker's orders.

        Cycles names a card by domain, bus and device of its PCI address, without the function.
        """
        return {"type": self.backend.upper(), "pci": self.card.pci.rpartition(".")[0]}


@attrs.frozen
class NoDevice:
    """The reason why there is no such device."""

    reason: str


class CardReader(Protocol):
    """Port to the graphics cards of a machine."""

    def cards(self) -> Sequence[Card]:
        """Return the cards of all makers."""
        ...

    def used_bytes(self, card: Card, pids: Collection[int]) -> int | None:
        """Return the card's memory that these processes use; None if unknown."""
        ...


def find(name: str, reader: CardReader) -> Device | NoDevice | None:
    """Return the device of this name; None for the processor."""
    if name == CPU:
        return None
    named = DEVICE_NAME.fullmatch(name)
    if named is None:
        return NoDevice("a device is cpu, or cuda:N, optix:N, hip:N or oneapi:N, like optix:0")
    maker, number = BACKENDS[named[1]], int(named[2])
    cards = [card for card in reader.cards() if card.maker == maker]
    for card in cards:
        if card.number == number:
            return Device(named[1], card)
    if not cards:
        return NoDevice(f"this machine has no card for {named[1]}; it needs {DRIVERS[maker]}")
    there = ", ".join(f"{named[1]}:{card.number}" for card in cards)
    return NoDevice(f"this machine has no {name}, but {there}")


def names_of(card: Card) -> list[str]:
    """Return the names by which ``--device`` takes a card."""
    return [f"{name}:{card.number}" for name, maker in BACKENDS.items() if maker == card.maker]


@attrs.frozen
class SystemCards:
    """The cards that this machine's drivers show.

    ``root``: the folder that has ``dev``, ``sys`` and ``proc``. ``tool``: NVIDIA's program, which
    comes with its driver.
    """

    root: Path = Path("/")
    tool: str = TOOL

    def cards(self) -> Sequence[Card]:
        """Return the cards of all makers."""
        return [*self._nvidia(), *self._amd(), *self._intel()]

    def used_bytes(self, card: Card, pids: Collection[int]) -> int | None:
        """Return the card's memory that these processes use; None if nothing here tells it.

        NVIDIA's tool tells it, and of the other makers' cards the kernel.
        """
        if card.maker == AMD and (self.root / _COMPUTE / "proc").is_dir():
            return self._used_of_compute(card, pids)
        if card.maker != NVIDIA:
            return self._used_of_drm(card, pids)
        rows = self._ask("--query-compute-apps=pid,used_memory", f"--id={card.pci}")
        if rows is None:
            return None
        used = [int(row[1]) for row in rows if _is_row(row) and int(row[0]) in pids]
        return sum(used) * MIB

    def _used_of_compute(self, card: Card, pids: Collection[int]) -> int:
        """Return what AMD's compute driver counts for these processes."""
        place = self.root / _COMPUTE / "proc"
        told = (_text(place / str(pid) / f"vram_{card.compute_id}").strip() for pid in pids)
        return sum(int(text) for text in told if text.isdecimal())

    def _used_of_drm(self, card: Card, pids: Collection[int]) -> int | None:
        """Return what the kernel counts for the card's open files of these processes.

        A file that several processes have open counts once. None if an older kernel counts nothing.
        """
        clients: dict[str, dict[str, str]] = {}
        for pid in pids:
            for file in (self.root / f"proc/{pid}/fdinfo").glob("*"):
                facts = _pairs(_text(file))
                if facts.get("drm-pdev", "").lower() == card.pci:
                    clients[facts.get("drm-client-id", str(file))] = facts
        used = [_drm_bytes(facts) for facts in clients.values()]
        counted = [each for each in used if each is not None]
        return None if used and not counted else sum(counted)

    def _ask(self, *words: str) -> list[list[str]] | None:
        """Return the rows that NVIDIA's tool prints; None if it fails."""
        command = [self.tool, *words, "--format=csv,noheader,nounits"]
        try:
            ran = subprocess.run(
                command, capture_output=True, text=True, timeout=TOOL_SECONDS, check=False
            )
        except (OSError, subprocess.TimeoutExpired):
            return None
        if ran.returncode != 0:
            return None
        return [[cell.strip() for cell in line.split(",")] for line in ran.stdout.splitlines()]

    def _nvidia(self) -> Iterator[Card]:
        told = [row for row in self._ask(f"--query-gpu={_ASKED}") or () if len(row) == 5]
        for number, row in enumerate(sorted(told, key=lambda row: _pci(row[0]))):
            pci, name, mebibytes, driver, capability = _pci(row[0]), *row[1:]
            minor = self._fact("proc/driver/nvidia/gpus", pci, "information", "Device Minor")
            card = self.root / "dev" / f"nvidia{minor or number}"
            shared = (self.root / "dev" / name for name in ("nvidiactl", "nvidia-uvm"))
            modules = sorted((self.root / "sys/module").glob("nvidia*"))
            yield Card(
                maker=NVIDIA,
                number=number,
                name=name,
                pci=pci,
                architecture=f"sm_{capability.replace('.', '')}",
                driver=driver,
                memory_bytes=int(mebibytes) * MIB if mebibytes.isdecimal() else None,
                nodes=(*shared, card),
                sysfs=(*modules, *self._of_bus(pci)),
            )

    def _amd(self) -> Iterator[Card]:
        """Yield AMD's cards, which the kernel's compute driver lists. Processors have no gfx."""
        found: list[tuple[str, dict[str, int], Path]] = []
        for place in (self.root / _COMPUTE / "topology/nodes").glob("*"):
            facts = _numbers(_text(place / "properties"))
            if facts.get("gfx_target_version"):
                found.append((_pci_of(facts), facts, place))
        # Beside it are the processes that use the cards, which a scene must not see.
        topology = self.root / _COMPUTE / "topology"
        for number, (pci, facts, place) in enumerate(sorted(found, key=lambda one: one[0])):
            banks = [_numbers(_text(bank)) for bank in place.glob("mem_banks/*/properties")]
            minor = facts.get("drm_render_minor", 0)
            yield Card(
                maker=AMD,
                number=number,
                name=_text(place / "name").strip() or "AMD",
                pci=pci,
                architecture=_gfx(facts["gfx_target_version"]),
                driver=self._module_version("amdgpu"),
                memory_bytes=sum(bank.get("size_in_bytes", 0) for bank in banks) or None,
                nodes=(self.root / "dev/kfd", self.root / f"dev/dri/renderD{minor}"),
                sysfs=(topology, self.root / "sys/module/amdgpu", *self._of_bus(pci, minor)),
                compute_id=_text(place / "gpu_id").strip(),
            )

    def _intel(self) -> Iterator[Card]:
        """Yield Intel's cards. Only the driver xe tells their memory, for each tile."""
        found: list[tuple[str, Path]] = []
        for place in (self.root / "sys/class/drm").glob("renderD*"):
            driver = (place / "device/driver").resolve().name
            if driver in _INTEL_DRIVERS:
                found.append(((place / "device").resolve().name.lower(), place))
        for number, (pci, place) in enumerate(sorted(found)):
            driver = (place / "device/driver").resolve().name
            tiles = (place / "device").glob("tile*/physical_vram_size_bytes")
            yield Card(
                maker=INTEL,
                number=number,
                name=f"Intel {_text(place / 'device/device').strip()}",
                pci=pci,
                architecture=_text(place / "device/device").strip(),
                driver=self._module_version(driver),
                memory_bytes=sum(int(_text(tile).strip() or 0) for tile in tiles) or None,
                nodes=(self.root / "dev/dri" / place.name,),
                sysfs=(
                    self.root / "sys/module" / driver,
                    *self._of_bus(pci, int(place.name.removeprefix("renderD"))),
                ),
            )

    def _of_bus(self, pci: str, minor: int | None = None) -> tuple[Path, ...]:
        """Return the folders of a card on its bus, of its render node, and of memory nodes."""
        system = self.root / "sys"
        drawn = (
            ()
            if minor is None
            else (
                system / f"class/drm/renderD{minor}",
                system / f"dev/char/226:{minor}",
            )
        )
        card = system / "bus/pci/devices" / pci
        wanted = (card, *drawn, system / "devices/system/node")
        return tuple(path for path in wanted if path.exists())

    def _module_version(self, module: str) -> str:
        """Return the version of a kernel's driver: its own, or the kernel's."""
        own = _text(self.root / "sys/module" / module / "version").strip()
        return own or _text(self.root / "proc/sys/kernel/osrelease").strip() or "unknown"

    def _fact(self, *path_and_name: str) -> str | None:
        *path, name = path_and_name
        return _pairs(_text(self.root.joinpath(*path))).get(name)


def access_of(card: Card) -> CardAccess:
    """Return the files that a sandbox shows for this card, and for no other."""
    nodes = tuple(path for path in card.nodes if path.exists())
    libraries = (path for path in _LIBRARIES.get(card.maker, ()) if path.is_dir())
    groups = {path.stat().st_gid for path in nodes} - {0}
    return CardAccess(
        nodes=nodes,
        readable=(*(path for path in card.sysfs if path.exists()), *libraries),
        groups=tuple(sorted(groups)),
    )


def installed() -> CardReader:
    """Return the port to this machine's cards."""
    return SystemCards()


def _is_row(row: list[str]) -> bool:
    return len(row) == 2 and all(cell.isdecimal() for cell in row)


def _pairs(text: str) -> dict[str, str]:
    """Return the lines of the form ``name: value``."""
    parts = (line.partition(":") for line in text.splitlines())
    return {name.strip(): value.strip() for name, colon, value in parts if colon}


def _drm_bytes(facts: dict[str, str]) -> int | None:
    """Return the graphics memory of an open file of a card; None if it does not say."""
    for names in _DRM_KEYS:
        for name in names:
            size, _, unit = facts.get(name, "").partition(" ")
            if size.isdecimal() and unit in _DRM_UNITS:
                return int(size) * _DRM_UNITS[unit]
    return None


def _pci(address: str) -> str:
    """Return a PCI address in Linux's form; NVIDIA's tool prints a domain of eight digits."""
    domain, _, rest = address.lower().partition(":")
    return f"{domain[-4:]}:{rest}"


def _pci_of(facts: dict[str, int]) -> str:
    place = facts.get("location_id", 0)
    bus, device, function = place >> 8 & 0xFF, place >> 3 & 0x1F, place & 7
    return f"{facts.get('domain', 0):04x}:{bus:02x}:{device:02x}.{function:x}"


def _gfx(version: int) -> str:
    """Return AMD's name of an architecture: 110001 is gfx1101, 90010 is gfx90a."""
    return f"gfx{version // 10_000}{version // 100 % 100:x}{version % 100:x}"


def _numbers(text: str) -> dict[str, int]:
    words = (line.split() for line in text.splitlines())
    return {word[0]: int(word[1]) for word in words if len(word) == 2 and word[1].isdecimal()}


def _text(path: Path) -> str:
    try:
        return path.read_text("utf-8", "replace")
    except OSError:
        return ""
