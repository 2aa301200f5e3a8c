"""Requirements of jobs: nodes have a resource for each, and each lack is counted."""

import attrs

from actors.scheduler.messages import WaitCounts
from actors.scheduler.node import (
    GIB,
    Lacked,
    NodeResources,
    Requirements,
    raised_requirements,
    requirements_of,
    resources_of,
)
from actors.scheduler.queries import LACKS
from actors.scheduler.units import kind_of
from rendertrust.job_spec import NodeNeeds
from sql.job_plan import card_bytes_of
from tests.support.plans import planned

# Of requirements that have another name than the resource. Script shaders need a processor.
RESOURCE_OF = {"blender": "blenders", "card_memory": "vram", "scripts": "device"}
# Main memory, with which ``memory`` is compared where graphics memory is named; the classes of
# further builds, which matter for verifiers; versions that are not installed yet; and the
# class of each version.
ALSO = {"ram", "classes", "uninstalled", "built"}
HOW = {"or_newer", "undeclared"}  # which other nodes meet the requirement of a version


def names_of(kind: type[attrs.AttrsInstance]) -> set[str]:
    return {field.name for field in attrs.fields(kind)}


def test_each_requirement_has_a_resource_and_a_count_of_nodes_that_lack_it() -> None:
    required = names_of(Requirements) - HOW
    assert {RESOURCE_OF.get(name, name) for name in required} == names_of(NodeResources) - ALSO
    assert {name for asks_not in LACKS.values() for name in asks_not} == required
    assert set(LACKS) <= names_of(WaitCounts)


def card(ram: int, vram: int | None, slots: int = 1) -> NodeResources:
    """Return the resources of a node with a card; memory in GiB."""
    given = None if vram is None else vram * GIB
    return resources_of("optix/sm_89/550/b1", ("5.2.0",), ram * GIB, given, slots)


def test_graphics_memory_is_a_cards_and_main_memory_the_machines() -> None:
    needs = requirements_of(NodeNeeds(memory=32 * GIB, vram=11 * GIB + 1))
    assert (needs.device, needs.vram) == ("gpu", 12 * GIB * 93 // 100)
    assert card(ram=32, vram=12).has(needs)
    large = requirements_of(NodeNeeds(vram=24 * GIB))
    for mib, is_met in ((24564, True), (23028, True), (22528, False), (20480, False)):  # as sold
        given = resources_of("cuda/sm_89", (), 64 * GIB, mib << 20)
        assert given.has(large) == is_met, mib
    assert not resources_of("cuda/sm_89", (), 64 * GIB, 24564 << 20).has(
        raised_requirements(large, Lacked(vram=(24564 << 20) + 1))
    ), "a card that ran out of memory is not tried again"
    assert not card(ram=32, vram=11).has(needs)
    assert not card(ram=16, vram=24).has(needs)
    assert not card(ram=64, vram=16, slots=2).has(needs), "each slot has a half"
    assert not card(ram=64, vram=None).has(needs)
    processor = resources_of("cpu/x86_64/avx2/b1", ("5.2.0",), 64 * GIB, 24 * GIB)
    assert not processor.has(needs)
    assert processor.has(requirements_of(NodeNeeds(memory=32 * GIB)))


def test_what_ran_out_of_graphics_memory_goes_to_a_larger_card_or_a_processor() -> None:
    lacked = Lacked(vram=8 * GIB + 1)
    any_device = raised_requirements(requirements_of(NodeNeeds()), lacked)
    named = requirements_of(NodeNeeds(vram=8 * GIB))
    on_cards = raised_requirements(named, lacked)
    processor = resources_of("cpu/x86_64/avx2/b1", ("5.2.0",), 16 * GIB)
    for needs in (any_device, on_cards):
        assert not card(ram=64, vram=8).has(needs)
        assert card(ram=64, vram=24).has(needs)
    assert processor.has(any_device)
    assert not processor.has(on_cards)
    assert card(ram=8, vram=24).has(any_device), "main memory was not lacking"
    assert resources_of(None, (), None).has(any_device), "a node that does not say what it has"


def test_the_estimate_of_graphics_memory_counts_on_cards_alone() -> None:
    needs = requirements_of(NodeNeeds(), card_bytes=9 * GIB)
    assert not card(ram=64, vram=8).has(needs)
    assert card(ram=64, vram=12).has(needs)
    assert resources_of("cpu/x86_64/avx2/b1", (), 4 * GIB).has(needs)


def test_script_shaders_that_a_card_refused_go_to_processors() -> None:
    needs = raised_requirements(requirements_of(NodeNeeds()), Lacked(scripts=True))
    assert not card(ram=64, vram=24).has(needs)
    assert resources_of("cpu/x86_64/avx2/b1", (), 4 * GIB).has(needs)
    assert resources_of(None, (), None).has(needs)


def test_what_nodes_measured_replaces_the_estimate() -> None:
    plan = attrs.evolve(planned(), card_bytes=card_bytes_of(5 * GIB))
    assert kind_of(plan, many=True).needs.card_memory == 8 * GIB, "5 GiB x 1.3 + 1.5 GiB"
    measured = kind_of(plan, many=True, vram_used=10 * GIB).needs.card_memory
    assert measured == 13 * GIB, "10 GiB x 1.3"
    assert kind_of(planned(), many=True).needs.card_memory == 0, "unknown"
