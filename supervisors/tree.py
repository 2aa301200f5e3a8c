"""The whole tree, as data."""

from collections.abc import Callable, Sequence

import attrs

from supervisors.child import Child
from supervisors.dynamic import Dynamic
from supervisors.intensity import Intensity
from supervisors.registry import Registry
from supervisors.strategy import Strategy
from supervisors.supervisor import Supervisor


@attrs.frozen
class Tree:
    """The root to start and stop, and where sessions of nodes are started."""

    root: Supervisor
    nodes: Dynamic


def build_tree(
    engines: Sequence[Child],
    web: Child,
    registry: Registry,
    uniform: Callable[[], float],
) -> Tree:
    nodes = Dynamic("Nodes")
    edge = Supervisor("Edge", Strategy.REST_FOR_ONE, Intensity(3, 60), [web])
    root = Supervisor(
        "Root",
        Strategy.REST_FOR_ONE,
        Intensity(3, 60),
        [
            Supervisor("Engines", Strategy.ONE_FOR_ONE, Intensity(5, 30), engines),
            nodes,
            edge,
        ],
        uniform=uniform,
    )
    return Tree(root, nodes)
