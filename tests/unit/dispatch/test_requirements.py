"""Requirements of jobs: nodes have a resource for each, and each lack is counted."""

import attrs

from actors.scheduler.messages import WaitCounts
from actors.scheduler.node import NodeResources, Requirements
from actors.scheduler.queries import LACKS

RESOURCE_OF = {"blender": "blenders"}  # of requirements that have another name than the resource
HOW = {"or_newer", "undeclared"}  # which other nodes meet the requirement of a version


def names_of(kind: type[attrs.AttrsInstance]) -> set[str]:
    return {field.name for field in attrs.fields(kind)}


def test_each_requirement_has_a_resource_and_a_count_of_nodes_that_lack_it() -> None:
    required = names_of(Requirements) - HOW
    assert {RESOURCE_OF.get(name, name) for name in required} == names_of(NodeResources)
    assert {name for asks_not in LACKS.values() for name in asks_not} == required
    assert set(LACKS) <= names_of(WaitCounts)
