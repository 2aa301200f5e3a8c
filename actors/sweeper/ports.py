"""Ports and settings of the Sweeper."""

from datetime import timedelta

import attrs

from actors.ports import Clock, Objects
from sql.tables import Tables


@attrs.frozen
class SweeperPorts:
    """Everything that the Sweeper uses."""

    clock: Clock
    objects: Objects
    tables: Tables


@attrs.frozen
class SweeperSettings:
    """Settings of the Sweeper: how long inputs, results and events are kept.

    ``bucket``: the gateway's bucket; results elsewhere are not deleted. ``require_proof``: delete
    nodes that never proved their key.
    """

    bucket: str
    inputs: timedelta
    results: timedelta
    events: timedelta
    require_proof: bool
