"""Test of the real sandbox with the files of a fake graphics card."""

import subprocess
from pathlib import Path

import attrs

from rendertrust.node import sandbox
from rendertrust.node.devices import access_of
from tests.support.fake_cards import machine

LOOK = """
cd {root}
cat sys/bus/pci/devices/0000:01:00.0/vendor
ls dev
echo x > /proc/self/comm && echo named
touch sys/module/nvidia/new 2>/dev/null || echo shut
"""


def test_a_unit_reaches_its_own_card_and_names_its_threads(tmp_path: Path) -> None:
    root, folder = tmp_path / "machine", tmp_path / "work"
    card = machine(root, "nvidia", "amd").cards()[0]
    (root / "sys/devices/pci0000:00/0000:01:00.0/vendor").write_text("0x10de\n")
    worker = tmp_path / "worker.py"
    worker.touch()
    found = sandbox.find(())
    assert isinstance(found, sandbox.Sandbox), found
    box = attrs.evolve(found, card=access_of(card), forbids_namespaces=False)
    box.prepare(folder)
    command = box.command(["/bin/sh", "-c", LOOK.format(root=root)], folder, worker)
    ran = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False, env={})
    seen = ["0x10de", "nvidia-uvm", "nvidia1", "nvidiactl", "named", "shut"]
    assert (ran.stdout.split(), ran.returncode) == (seen, 0), ran.stderr
