"""Graphics cards: what the drivers show, the device that is chosen, and its sandbox."""

import asyncio
import json
import os
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import attrs
import click
import pytest

from rendertrust.cli.app import main
from rendertrust.cli.argv import split
from rendertrust.cli.node import run
from rendertrust.cli.node_options import settings_of, words_of
from rendertrust.device_class import are_comparable, is_kin
from rendertrust.node import devices
from rendertrust.node.agent_settings import AgentSettings
from rendertrust.node.blender import Blender, with_box
from rendertrust.node.blender_discovery import Renderer
from rendertrust.node.child_process import ProcessExit
from rendertrust.node.devices import Device, NoDevice
from rendertrust.node.hello import hello
from rendertrust.node.plugin import Failed
from rendertrust.node.plugins import PluginOffer
from rendertrust.node.plugins.render import RenderPlugin, result_of
from rendertrust.node.resource_monitor import GraphicsMemory, ResourceLimits, ResourceMonitor
from rendertrust.node.sandbox import Sandbox
from rendertrust.node.worker.ipc import MachineError
from rendertrust.node.worker.scene import device as worker_device
from tests.support.fake_cards import GIB, file, machine, takes_compute_memory, takes_drm_memory

ALL = ("nvidia", "amd", "intel")


def device(root: Path, name: str, *makers: str) -> Device:
    found = devices.find(name, machine(root, *makers or ALL))
    assert isinstance(found, Device), found
    return found


def test_cards_are_listed_with_architecture_driver_and_memory(tmp_path: Path) -> None:
    told = [
        (card.maker, card.number, card.pci, card.architecture, card.driver, card.memory_bytes)
        for card in machine(tmp_path, *ALL).cards()
    ]
    assert told == [
        ("nvidia", 0, "0000:01:00.0", "sm_86", "550.54.14", 16376 << 20),
        ("nvidia", 1, "0000:81:00.0", "sm_89", "550.54.14", 24564 << 20),
        ("amd", 0, "0000:03:00.0", "gfx1101", "6.7.0", 16 * GIB),
        ("intel", 0, "0000:05:00.0", "0x56a0", "6.8.0-45-generic", None),
    ]


def test_intels_newer_driver_tells_the_memory_of_each_tile(tmp_path: Path) -> None:
    cards = machine(tmp_path, "intel")
    for tile in (0, 1):
        place = tmp_path / f"sys/devices/pci0000:00/0000:05:00.0/tile{tile}"
        file(place / "physical_vram_size_bytes", f"{8 * GIB}\n")
    assert cards.cards()[0].memory_bytes == 16 * GIB


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("optix:1", "optix/sm_89/550/b1"),
        ("cuda:0", "cuda/sm_86/550/b1"),
        ("hip:0", "hip/gfx1101/6/b1"),
        ("oneapi:0", "oneapi/0x56a0/6/b1"),
    ],
)
def test_a_device_class_is_backend_architecture_driver_and_build(
    tmp_path: Path, name: str, expected: str
) -> None:
    named = device(tmp_path, name).device_class("b1")
    assert named == expected
    processor = "cpu/x86_64/avx2/b1"
    assert are_comparable(named, processor), "its results are compared with a processor's"
    assert not is_kin(named, processor), "as those of another kind of device"


@pytest.mark.parametrize(
    ("name", "makers", "words"),
    [
        ("optix:0", (), "no card for optix; it needs the driver of NVIDIA"),
        ("hip:0", ("nvidia",), "no card for hip"),
        ("cuda:2", ("nvidia",), "no cuda:2, but cuda:0, cuda:1"),
        ("metal:0", ALL, "a device is cpu, or cuda:N"),
        ("optix", ALL, "a device is cpu, or cuda:N"),
    ],
    ids=["none", "other-maker", "number", "backend", "form"],
)
def test_a_device_that_is_not_here_is_refused_in_words(
    tmp_path: Path, name: str, makers: tuple[str, ...], words: str
) -> None:
    found = devices.find(name, machine(tmp_path, *makers))
    assert isinstance(found, NoDevice)
    assert words in found.reason
    assert devices.find("cpu", machine(tmp_path / "other")) is None


# ── the command line ──────────────────────────────────────────────────────────────────────────────


def test_the_list_says_that_there_is_no_card(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    bare, full = machine(tmp_path / "bare"), machine(tmp_path / "full", *ALL)
    monkeypatch.setattr(devices, "installed", lambda: bare)
    assert main(split(["node", "devices"])) == 0
    told = capsys.readouterr()
    assert len(told.out.splitlines()) == 2
    assert "only the processor renders here" in told.err
    monkeypatch.setattr(devices, "installed", lambda: full)
    assert main(split(["node", "devices"])) == 0
    told = capsys.readouterr()
    assert "cuda:1, optix:1\tNVIDIA GeForce RTX 4090\t25.8 GB\t550.54.14" in told.out
    assert "oneapi:0\tIntel 0x56a0\tunknown" in told.out
    assert "experimental" in told.err
    assert main(split(["--json", "node", "devices"])) == 0
    assert len(json.loads(capsys.readouterr().out)["cards"]) == 4


def test_options_of_a_card_are_kept_and_refused_without_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cards = machine(tmp_path, "nvidia", "intel")
    monkeypatch.setattr(devices, "installed", lambda: cards)
    words = ["--device=optix:1", "--vram=8G", "--any-user"]
    settings = settings_of(run.make_context("run", words).params)
    assert settings.device is not None
    assert (settings.device.name, settings.card_bytes) == ("optix:1", 8 * GIB)
    assert {"--device=optix:1", f"--vram={8 * GIB}", "--any-user"} <= {*words_of(settings, None)}
    for wrong, why in (
        (["--vram=8G"], "for a graphics card"),
        (["--any-user"], "for a graphics card"),
        (["--device=hip:0"], "no card for hip"),
        (["--device=cuda:1", "--vram=64G"], "less memory"),
        (["--device=oneapi:0"], "oneapi:0 needs --vram"),
    ):
        with pytest.raises(click.UsageError, match=why):
            settings_of(run.make_context("run", wrong).params)


# ── what the gateway is told ──────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(("any_user", "pools"), [(False, ("mine", "trusted")), (True, ())])
def test_a_card_serves_strangers_only_by_its_owners_word(
    tmp_path: Path, any_user: bool, pools: tuple[str, ...]
) -> None:
    card = device(tmp_path, "optix:0")
    found = blender(card, version="5.2.0", build="b1", opengl=False)
    render = RenderPlugin(scratch=tmp_path, device=card, any_user=any_user, found=found)
    offer = PluginOffer(plugins={"render": render}, not_offered={})
    said = hello(offer, AgentSettings(device=card), ())
    assert (said.device_class, said.vram, said.opengl) == (
        *("optix/sm_86/550/b1", 16376 << 20),
        False,
    )
    assert said.pools == pools


# ── the sandbox ───────────────────────────────────────────────────────────────────────────────────


def blender(card: Device | None, **more: Any) -> Blender:
    box = Sandbox(bwrap="bwrap", readable=(Path("/home/u/venv"),), as_root=False)
    program = Renderer(kind="bpy", before=("python",), after=(), readable=())
    return with_box(Blender(renderer=program, box=box, device=card, **more), box)


def command(card: Device, *, as_root: bool = False) -> list[str]:
    box = blender(card).box
    assert isinstance(box, Sandbox)
    return attrs.evolve(box, as_root=as_root).command(["blender"], Path("/w"), Path("/inside"))


def bound(words: list[str], option: str) -> list[str]:
    return [words[at + 1] for at, word in enumerate(words) if word == option]


@pytest.mark.parametrize(
    ("name", "nodes"),
    [
        ("optix:0", ["dev/nvidiactl", "dev/nvidia-uvm", "dev/nvidia1"]),
        ("cuda:1", ["dev/nvidiactl", "dev/nvidia-uvm", "dev/nvidia0"]),
        ("hip:0", ["dev/kfd", "dev/dri/renderD128"]),
        ("oneapi:0", ["dev/dri/renderD129"]),
    ],
)
def test_the_sandbox_has_the_device_files_of_this_card_alone(
    tmp_path: Path, name: str, nodes: list[str]
) -> None:
    words = command(device(tmp_path, name))
    assert bound(words, "--dev-bind") == [str(tmp_path / node) for node in nodes]
    assert words.index("--dev-bind") > words.index("--dev")


def test_of_sys_the_sandbox_has_what_the_driver_reads_and_nothing_can_be_written(
    tmp_path: Path,
) -> None:
    words = command(device(tmp_path, "optix:0"))
    shown = {path for path in bound(words, "--ro-bind") if path.startswith(f"{tmp_path}/sys")}
    parts = ("module/nvidia", "module/nvidia_uvm", "devices/pci0000:00/0000:01:00.0")
    assert shown == {str(tmp_path / "sys" / part) for part in (*parts, "devices/system/node")}
    line = " ".join(words)
    card = f"{tmp_path}/sys/devices/pci0000:00/0000:01:00.0"
    assert f"--symlink {card} {tmp_path}/sys/bus/pci/devices/0000:01:00.0" in line
    assert bound(words, "--bind") == ["/w/tmp", "/w/out", "/w/home"]
    assert bound(words, "--remount-ro") == ["/dev", "/"], "drivers write to /proc"


def test_the_sandbox_does_not_show_which_processes_use_amds_cards(tmp_path: Path) -> None:
    card = device(tmp_path, "hip:0")
    takes_compute_memory(tmp_path, 71, GIB)
    words = command(card)
    shown = [path for path in bound(words, "--ro-bind") if "kfd" in path]
    assert shown == [f"{tmp_path}/sys/devices/virtual/kfd/kfd/topology"]


def test_root_gives_the_unit_the_group_of_the_device_files(tmp_path: Path) -> None:
    card = device(tmp_path, "hip:0")
    box = blender(card).box
    assert isinstance(box, Sandbox)
    assert box.card is not None
    group = {path.stat().st_gid for path in card.card.nodes} - {0}
    assert {*box.card.groups} == group
    owned = attrs.evolve(box.card, groups=(44, 109))
    words = attrs.evolve(box, as_root=True, card=owned).command(["b"], Path("/w"), Path("/inside"))
    assert words[words.index("--groups") + 1] == "44,109"
    assert "--clear-groups" not in words


def test_an_order_names_the_card_and_sets_no_limit_on_address_space(tmp_path: Path) -> None:
    card, processor = blender(device(tmp_path, "optix:0")), blender(None)
    assert card.said({}, Path("/w"), 1)["device"] == {"type": "OPTIX", "pci": "0000:01:00"}
    assert "device" not in processor.said({}, Path("/w"), 1)
    assert "address_bytes" not in card.limits(60, 1)
    assert "address_bytes" in processor.limits(60, 1)


# ── graphics memory ───────────────────────────────────────────────────────────────────────────────


def test_a_unit_that_takes_more_graphics_memory_than_its_slot_lacks_it(tmp_path: Path) -> None:
    cards = machine(tmp_path, "nvidia", used=[(os.getpid(), 3000), (1, 9000)])
    card = cards.cards()[0]
    limits = ResourceLimits(memory_bytes=2**62, memory_left=0, disk_left=0)
    processes = [os.getpid()]
    assert GraphicsMemory(card, 4 * GIB, cards).excess(processes) is None
    found = GraphicsMemory(card, 2 * GIB, cards).excess(processes)
    assert found is not None
    assert (found.failure, found.lacks) == ("node", "vram")
    assert "the 2048 MiB that this node gives it" in found.reason
    monitor = ResourceMonitor(tmp_path, limits, GraphicsMemory(card, 2 * GIB, cards))
    assert asyncio.run(monitor.until_excess(os.getpid())) == found
    no_tool = attrs.evolve(cards, tool=str(tmp_path / "missing"))
    assert GraphicsMemory(card, 2 * GIB, no_tool).excess(processes) is None, "it is not watched"


def test_amds_compute_driver_counts_the_memory_of_each_process(tmp_path: Path) -> None:
    cards = machine(tmp_path, "amd")
    card = cards.cards()[0]
    takes_compute_memory(tmp_path, 71, 3 * GIB)
    takes_compute_memory(tmp_path, 72, GIB)
    takes_compute_memory(tmp_path, 99, 9 * GIB)  # another program
    assert cards.used_bytes(card, [71, 72, 73]) == 4 * GIB


@pytest.mark.parametrize(
    ("maker", "pci", "line"),
    [
        ("amd", "0000:03:00.0", "drm-memory-vram:\t3145728 KiB"),
        ("intel", "0000:05:00.0", "drm-resident-vram0:\t3072 MiB"),
        ("intel", "0000:05:00.0", "drm-total-local0:\t3145728 KiB"),
    ],
    ids=["amdgpu", "xe", "i915"],
)
def test_the_kernel_counts_the_memory_of_each_open_card(
    tmp_path: Path, maker: str, pci: str, line: str
) -> None:
    cards = machine(tmp_path, maker)
    card = cards.cards()[0]
    assert cards.used_bytes(card, [71]) == 0, "no process has opened the card"
    takes_drm_memory(tmp_path, 71, pci, line)
    takes_drm_memory(tmp_path, 72, pci, line)  # the same file, inherited
    takes_drm_memory(tmp_path, 71, "0000:99:00.0", "drm-memory-vram:\t9 GiB", client=2)
    assert cards.used_bytes(card, [71, 72]) == 3 * GIB
    takes_drm_memory(tmp_path, 71, pci, "drm-engine-render:\t5 ns")
    assert cards.used_bytes(card, [71]) is None, "an older kernel counts nothing"


@pytest.mark.parametrize(
    "error",
    [
        "System is out of GPU and shared host memory",
        "Out of memory in cuMemAlloc(&device_pointer, size)",
        "Failed to allocate: CUDA_ERROR_OUT_OF_MEMORY",
    ],
    ids=["cycles", "cuda", "code"],
)
def test_a_card_that_runs_out_of_memory_is_nobodys_fault(tmp_path: Path, error: str) -> None:
    last = {"event": "failed", "failure": "node", "error": error}
    result = result_of(ProcessExit(code=1, last=last, tail=""), tmp_path)
    assert isinstance(result, Failed)
    assert (result.failure, result.lacks) == ("node", "vram")


# ── the worker ────────────────────────────────────────────────────────────────────────────────────

CARDS = [
    ("NVIDIA RTX A4000", "OPTIX", "CUDA_NVIDIA RTX A4000_0000:01:00_OptiX"),
    ("NVIDIA RTX A4000", "OPTIX", "CUDA_NVIDIA RTX A4000_0000:81:00_OptiX"),
    ("AMD EPYC", "CPU", "CPU"),
]


class Preferences:
    """Preferences of Cycles: lists the devices of a backend as Blender does."""

    def __init__(self, found: list[tuple[str, str, str]]) -> None:
        self.found = found
        self.compute_device_type = "NONE"
        self.devices = [SimpleNamespace(type=kind, id=id_, use=True) for _, kind, id_ in found]

    def get_device_list(self, backend: str) -> list[tuple[str, str, str]]:
        return [one for one in self.found if one[1] in (backend, "CPU")]


@pytest.fixture
def cycles(monkeypatch: pytest.MonkeyPatch) -> Preferences:
    """Return the preferences of a Blender with two cards; its only scene is ``scene()``."""
    preferences = Preferences(list(CARDS))
    addons = {"cycles": SimpleNamespace(preferences=preferences)}
    context = SimpleNamespace(preferences=SimpleNamespace(addons=addons))
    fake = SimpleNamespace(context=context, data=SimpleNamespace(scenes=[]))
    monkeypatch.setitem(sys.modules, "bpy", fake)
    return preferences


def scene() -> Any:
    made = SimpleNamespace(
        render=SimpleNamespace(engine="CYCLES"), cycles=SimpleNamespace(device="CPU")
    )
    sys.modules["bpy"].data.scenes.append(made)
    return made


WANTED = {"type": "OPTIX", "pci": "0000:81:00"}


def test_the_worker_renders_on_exactly_one_card(cycles: Preferences) -> None:
    shown = scene()
    worker_device.choose(shown, WANTED)
    assert (cycles.compute_device_type, shown.cycles.device) == ("OPTIX", "GPU")
    assert [one.id for one in cycles.devices if one.use] == [CARDS[1][2]]
    worker_device.choose(shown, None)
    assert shown.cycles.device == "CPU"


def test_the_worker_fails_in_words_where_cycles_does_not_find_the_card(cycles: Preferences) -> None:
    shown = scene()
    del cycles.found[1]
    with pytest.raises(MachineError, match="does not find the card 0000:81:00 with OPTIX"):
        worker_device.choose(shown, WANTED)


@pytest.mark.parametrize("lost", ["card", "setting", "backend", "processor"])
def test_a_render_that_would_be_the_processors_fails_in_words(
    cycles: Preferences, lost: str
) -> None:
    shown = scene()
    worker_device.choose(shown, WANTED)
    worker_device.check(shown)
    if lost == "card":
        del cycles.found[1]
    elif lost == "setting":
        shown.cycles.device = "CPU"
    elif lost == "backend":
        cycles.compute_device_type = "NONE"
    else:
        cycles.devices[2].use = True
    with pytest.raises(MachineError, match="would render on the processor"):
        worker_device.check(shown)
