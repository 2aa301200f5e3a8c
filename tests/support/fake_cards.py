"""Fake layer of devices: the files of a machine with graphics cards, and NVIDIA's tool."""

from collections.abc import Sequence
from pathlib import Path

from rendertrust.node.devices import SystemCards

GIB = 2**30
AMD_ID = 50123
TOOL = """#!/bin/sh
case "$1" in
  --query-gpu=*) cat {folder}/cards ;;
  --query-compute-apps=*) cat {folder}/used ;;
esac
"""
TWO_CARDS = """\
00000000:81:00.0, NVIDIA GeForce RTX 4090, 24564, 550.54.14, 8.9
00000000:01:00.0, NVIDIA RTX A4000, 16376, 550.54.14, 8.6
"""


def file(path: Path, text: str = "") -> Path:
    """Write a file below new folders."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def machine(root: Path, *makers: str, used: Sequence[tuple[int, int]] = ()) -> SystemCards:
    """Return the cards of a machine in the folder ``root``: two of NVIDIA, one of each other maker.

    ``used``: process and MiB of graphics memory that NVIDIA's tool reports.
    """
    if "nvidia" in makers:
        _nvidia(root)
    if "amd" in makers:
        _amd(root)
    if "intel" in makers:
        _intel(root)
    folder = root / "tool"
    file(folder / "cards", TWO_CARDS if "nvidia" in makers else "")
    file(folder / "used", "".join(f"{pid}, {mebibytes}\n" for pid, mebibytes in used))
    tool = file(folder / "nvidia-smi", TOOL.format(folder=folder))
    tool.chmod(0o755)
    return SystemCards(root, str(tool))


def takes_compute_memory(root: Path, pid: int, size: int) -> None:
    """Let AMD's compute driver count graphics memory of a process."""
    file(root / f"sys/class/kfd/kfd/proc/{pid}/vram_{AMD_ID}", f"{size}\n")


def takes_drm_memory(root: Path, pid: int, pci: str, *sizes: str, client: int = 1) -> None:
    """Let the kernel count graphics memory of an open file; each of ``sizes`` is a line."""
    facts = ("pos:\t0", f"drm-pdev:\t{pci}", f"drm-client-id:\t{client}", *sizes)
    files = root / f"proc/{pid}/fdinfo"
    file(files / "0", "pos:\t0\n")
    file(files / str(client + 10), "".join(f"{line}\n" for line in facts))


def _bus(root: Path, pci: str) -> Path:
    """Make a card's folder, and the link to it on its bus."""
    card = root / "sys/devices/pci0000:00" / pci
    card.mkdir(parents=True)
    link = root / "sys/bus/pci/devices" / pci
    link.parent.mkdir(parents=True, exist_ok=True)
    link.symlink_to(card)
    return card


def _nvidia(root: Path) -> None:
    # The numbers of the device files need not follow the bus.
    for pci, minor in (("0000:01:00.0", 1), ("0000:81:00.0", 0)):
        _bus(root, pci)
        facts = root / "proc/driver/nvidia/gpus" / pci / "information"
        file(facts, f"Model: \t NVIDIA\nDevice Minor: \t {minor}\n")
        file(root / f"dev/nvidia{minor}")
    for name in ("nvidiactl", "nvidia-uvm", "nvidia-modeset"):
        file(root / "dev" / name)
    file(root / "sys/module/nvidia/version", "550.54.14\n")
    file(root / "sys/module/nvidia_uvm/version")
    (root / "sys/devices/system/node").mkdir(parents=True)


def _drm(root: Path, card: Path, minor: int) -> Path:
    """Make a card's render node."""
    place = card / f"drm/renderD{minor}"
    place.mkdir(parents=True)
    (place / "device").symlink_to(card)
    link = root / f"sys/class/drm/renderD{minor}"
    link.parent.mkdir(parents=True, exist_ok=True)
    link.symlink_to(place)
    file(root / f"dev/dri/renderD{minor}")
    return place


def _amd(root: Path) -> None:
    _drm(root, _bus(root, "0000:03:00.0"), 128)
    nodes = root / "sys/devices/virtual/kfd/kfd/topology/nodes"
    link = root / "sys/class/kfd/kfd"
    link.parent.mkdir(parents=True)
    link.symlink_to(nodes.parents[1])
    file(nodes / "0/properties", "cpu_cores_count 16\ngfx_target_version 0\n")
    facts = "gfx_target_version 110001\ndrm_render_minor 128\nlocation_id 768\ndomain 0\n"
    file(nodes / "1/properties", facts)
    file(nodes / "1/name", "navi32\n")
    file(nodes / "1/gpu_id", f"{AMD_ID}\n")
    file(nodes / "1/mem_banks/0/properties", f"heap_type 1\nsize_in_bytes {16 * GIB}\n")
    file(root / "dev/kfd")
    file(root / "sys/module/amdgpu/version", "6.7.0\n")


def _intel(root: Path) -> None:
    card = _bus(root, "0000:05:00.0")
    _drm(root, card, 129)
    file(card / "device", "0x56a0\n")
    driver = root / "sys/bus/pci/drivers/xe"
    driver.mkdir(parents=True)
    (card / "driver").symlink_to(driver)
    file(root / "proc/sys/kernel/osrelease", "6.8.0-45-generic\n")
