"""The plan of a job: the specification from its creator, and what the gateway derived from it.

The plan is stored with the job and passed on as one object, from the request to the node's session.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final, cast
from uuid import UUID

import attrs
from cattrs import Converter
from cattrs.gen import make_dict_unstructure_fn

from rendertrust import money
from rendertrust.frame_range import parse
from rendertrust.job_name import default_name, trimmed
from rendertrust.job_spec import JobSpec, NodeNeeds, Priority
from rendertrust.tiling import grid

# The numbers that are stored for priorities, and by which jobs are ordered.
PRIORITIES: Final[Mapping[Priority, int]] = {"low": -1, "normal": 0, "high": 1}
NO_NEEDS: Final = NodeNeeds()
# Parameters of a frame that its tiles do not get: a tile's file has a fixed intermediate format.
NOT_OF_TILES: Final = ("format",)


# A card's memory that a render needs: what was measured before, and a margin for other frames.
CARD_MARGIN_PERCENT: Final = 130
CARD_BASE: Final = 3 << 29  # bytes, for the driver and the kernels, which Cycles does not count


def with_margin(measured: int) -> int:
    """Return the graphics memory for a further unit, of one that was seen to take ``measured``."""
    return measured * CARD_MARGIN_PERCENT // 100


def card_bytes_of(peak: int) -> int:
    """Return the graphics memory for a unit, by the ``peak`` that Cycles itself counted."""
    return with_margin(peak) + CARD_BASE if peak else 0


@attrs.frozen
class NewUnit:
    """One unit of a new job: its price, its frames and its ``place`` within the job's order.

    ``tile``: the number of the tile within the frame. ``feeds``: the number of the unit that is
    assembled from this one and others; that unit costs nothing. ``missing``: how many units that
    this one is assembled from are not complete; it waits until there are none.
    """

    price: int
    place: int = 0
    frames: str | None = None
    tile: int | None = None
    feeds: int | None = None
    missing: int = 0


@attrs.frozen
class InputFile:
    """An upload that every unit of a job gets, and the path at which the node stores it."""

    key: str
    path: str
    sha256: str
    size: int


@attrs.frozen
class FileList:
    """A manifest (list of a job's files) in the object store."""

    key: str
    sha256: str
    size: int


@attrs.frozen
class Inputs:
    """The inputs of a job's units: one upload, or a list of files that contains the ``scene``.

    ``frames_of``: the job whose results are among the files. ``blender``: the version of Blender
    that saved the scene, if its first bytes say so.
    """

    file: InputFile | None = None
    files: FileList | None = None
    scene: str | None = None
    frames_of: UUID | None = None
    blender: str | None = None

    @property
    def content(self) -> bytes | None:
        """The SHA-256 of the upload or file list; None: the input is not in the gateway's store."""
        found = self.files or self.file
        return None if found is None else bytes.fromhex(found.sha256)


NO_INPUTS: Final = Inputs()


@attrs.frozen
class Pricing:
    """The basis of a price that depends on work.

    ``work``: of all frames, in microseconds. ``price``: the price from the price table, which pays
    for ``pays_for`` seconds of work. ``looked``: the preflight that measured the work; None if the
    work follows from the frames' size and samples. ``unlimited``: attempts may take longer than
    the price pays for, as no machine measures work here.
    """

    work: int
    price: int
    pays_for: int
    looked: UUID | None = None
    unlimited: bool = False

    def seconds_of(self, price: int) -> float | None:
        """Return the work that a unit's ``price`` pays for, in seconds of the measuring machine.

        None if the price sets no limit, or if it or the price from the price table is 0.
        """
        if self.unlimited or not price or not self.price:
            return None
        return price * self.pays_for / self.price


@attrs.frozen
class JobPlan:
    """All that decides how a job is run.

    ``needs``: what the spec and the scene require of nodes, with the device class to which the
    units are pinned. ``units``: only of a new job; they are stored in another table. ``again_of``:
    the job of which this one renders a frame again. ``card_bytes``: the estimate of the graphics
    memory that a unit needs where a card renders it; 0: unknown.
    """

    spec: JobSpec
    inputs: Inputs = NO_INPUTS
    needs: NodeNeeds = NO_NEEDS
    pricing: Pricing | None = None
    units: tuple[NewUnit, ...] = ()
    again_of: UUID | None = None
    card_bytes: int = 0

    @property
    def job_type(self) -> str:
        return self.spec.job_type

    @property
    def payload_ref(self) -> str:
        """The reference of the upload that the job works on, or ''."""
        return self.spec.payload_ref or ""

    @property
    def name(self) -> str:
        """The name of a new job; a stored job's name is in a column, as its owner may change it."""
        if self.spec.name is not None:
            return trimmed(self.spec.name)
        file = None if self.inputs.file is None else self.inputs.file.path
        return default_name(self.inputs.scene or file or self.payload_ref, self.job_type)

    @property
    def price(self) -> int:
        """The price of all units together, in 1/10,000 credits."""
        return sum(unit.price for unit in self.units)

    @property
    def priority(self) -> int:
        """The priority with which the job was submitted."""
        return PRIORITIES[self.spec.priority]

    @property
    def cap(self) -> int | None:
        """The most that the job may cost, in 1/10,000 credits, as it was submitted."""
        most = self.spec.max_credits
        return None if most is None else money.parse(most)

    @property
    def grid(self) -> tuple[int, int] | None:
        """The columns and rows of tiles into which each frame is cut; None: there are no tiles."""
        if self.spec.tiles is None:
            return None
        columns, _, rows = self.spec.tiles.partition("x")
        return int(columns), int(rows)

    @property
    def params(self) -> dict[str, Any]:
        """The parameters that are the same for all units of the job, as nodes get them."""
        scene = self.inputs.scene
        return self.spec.params if scene is None else {**self.spec.params, "scene": scene}

    def params_of(self, frames: str | None, tile: int | None) -> dict[str, Any]:
        """Return the parameters of a unit of the job, as its node gets them."""
        params = self.params
        if frames is None:
            return dict(params)
        numbers = parse(frames)
        own = params | ({"frame": numbers[0]} if len(numbers) == 1 else {"frames": [*numbers]})
        if self.grid is None:
            return own
        tiles = grid(params["width"], params["height"], *self.grid)
        if tile is None:
            return {**own, "tiles": [each.members for each in tiles]}
        own["tile"] = tiles[tile].members
        return {name: value for name, value in own.items() if name not in NOT_OF_TILES}

    def stored(self) -> dict[str, Any]:
        """Return the plan as JSON, without members that are stored in columns or other tables."""
        return cast("dict[str, Any]", _CONVERTER.unstructure(self))


# Members of the spec that are stored in columns.
_COLUMNS: Final = ("job_type", "payload_ref", "name")


def plan_of(row: Any) -> JobPlan:
    """Return the plan of a row with the columns ``plan``, ``job_type`` and ``payload_ref``."""
    return read_plan(row["plan"], row["job_type"], row["payload_ref"])


def read_plan(document: Mapping[str, Any], job_type: str, payload_ref: str) -> JobPlan:
    """Parse the stored plan of a job."""
    spec = {**document.get("spec", {}), "job_type": job_type, "payload_ref": payload_ref}
    return _CONVERTER.structure({**document, "spec": spec}, JobPlan)


def _converter() -> Converter:
    """Return the converter between plans and their JSON, which leaves out members with defaults."""
    converter = Converter(omit_if_default=True)
    converter.register_structure_hook(UUID, lambda text, _: UUID(text))
    converter.register_structure_hook(datetime, lambda text, _: datetime.fromisoformat(text))
    converter.register_unstructure_hook(UUID, str)
    converter.register_unstructure_hook(JobSpec, _stored_spec)
    whole = make_dict_unstructure_fn(JobPlan, converter, _cattrs_omit_if_default=True)

    def stored(plan: JobPlan) -> dict[str, Any]:
        found = whole(attrs.evolve(plan, units=()))
        return {name: value for name, value in found.items() if value}

    converter.register_unstructure_hook(JobPlan, stored)
    return converter


def _stored_spec(spec: JobSpec) -> dict[str, Any]:
    return {name: value for name, value in spec.body().items() if name not in _COLUMNS}


_CONVERTER: Final = _converter()
