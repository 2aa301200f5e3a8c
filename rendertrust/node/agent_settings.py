"""Settings of the node agent."""

from pathlib import Path
from typing import Final

import attrs

from rendertrust.node import machine_facts
from rendertrust.node.devices import Device
from rendertrust.node.state_folder import StateFolder
from rendertrust.node.working_hours import WorkingHours

GIB: Final = 2**30
NICENESS: Final = 10  # workers have this niceness, so that the agent renews leases on time


@attrs.frozen(kw_only=True)
class AgentSettings:
    """Settings of one run; times in seconds, sizes in bytes.

    ``threads``: threads per slot; None divides ``cores`` evenly. ``cores``: None means all
    processors. ``ram_bytes``: memory for all slots together; None means all memory. ``vram_bytes``:
    graphics memory for all slots together; None means all memory of the card. ``device``: the
    graphics card that renders; None means the processor. ``any_user``: with a card, also take the
    work of users whom the owner does not trust. ``health_port``: None
    turns the health page off, 0 takes a free port. ``nice``: the niceness of the workers, 0 to 19.
    When the agent is stopped, running units get ``finish_seconds`` to finish.
    ``unsafe_no_sandbox``: the machine's owner accepts rendering without a sandbox if the machine
    has no sandbox. ``renderers_bytes_max``: disk space for further versions of Blender, which the
    node installs when work needs them; None means that it installs none. ``blenders``: further
    ``blender`` binaries. ``update``: the node updates its program itself.
    """

    slots: int = attrs.field(default=1, validator=attrs.validators.in_(range(1, 65)))
    threads: int | None = None
    cores: int | None = None
    ram_bytes: int | None = None
    vram_bytes: int | None = None
    device: Device | None = None
    any_user: bool = False
    hours: WorkingHours | None = None
    nice: int = attrs.field(default=NICENESS, validator=attrs.validators.in_(range(20)))
    idle_only: bool = False
    idle_share: float = 0.25
    idle_looks: int = 12
    look_seconds: float = 5.0
    health_port: int | None = 8081
    unsafe_no_sandbox: bool = False
    update: bool = False
    cache_bytes_max: int = 10 * GIB
    renderers_bytes_max: int | None = None
    blenders: tuple[Path, ...] = ()
    disk_bytes_least: int = GIB  # the node rests with less free disk space
    queued_units_max: int = 64
    runtime_seconds_max: float = 6 * 3600.0
    heartbeat_seconds: float = 30.0
    # An open connection is shown as disconnected after this long without a sign of life. The
    # gateway pings, and answers heartbeats, every 30 s.
    silent_seconds: float = 50.0
    lease_seconds: float = 15.0
    progress_seconds_least: float = 0.25
    resend_seconds: float = 30.0
    backoff_seconds_least: float = 0.5
    backoff_seconds_most: float = 30.0
    stop_seconds: float = 3.0
    finish_seconds: float = 0.0
    upload_seconds_max: float = 86_400.0
    spool_seconds_max: float = 7 * 86_400.0

    @classmethod
    def for_test(cls, folder: StateFolder) -> "AgentSettings":
        """Return the settings for tests of the node: its sandbox and its Blenders are as chosen."""
        chosen = folder.chosen_blenders
        return cls(
            unsafe_no_sandbox=folder.accepts_no_sandbox,
            renderers_bytes_max=chosen.renderers_bytes_max,
            blenders=chosen.blenders,
        )

    @property
    def cores_given(self) -> int:
        """Return the number of processors for all slots together."""
        return min(self.cores or machine_facts.cores(), machine_facts.cores())

    @property
    def threads_each(self) -> int:
        """Return the number of threads per slot."""
        return self.threads or max(self.cores_given // self.slots, 1)

    @property
    def memory_each(self) -> int | None:
        """Return the bytes of memory per slot; return None without a limit."""
        return None if self.ram_bytes is None else self.ram_bytes // self.slots

    @property
    def card_bytes(self) -> int | None:
        """Return the bytes of graphics memory for all slots; None without a card, or if unknown."""
        if self.device is None:
            return None
        return self.vram_bytes or self.device.card.memory_bytes

    @property
    def card_bytes_each(self) -> int | None:
        """Return the bytes of graphics memory per slot; None without a card, or if unknown."""
        return None if self.card_bytes is None else self.card_bytes // self.slots
