"""Settings of the chain as the Anchor receives them."""

import attrs
import pytest

from config.loader import load
from supervisors.chain_audit import anchor_settings


@pytest.mark.parametrize(("between_anchors", "looks"), [(300.0, 5.0), (2.0, 2.0), (0.0, 0.5)])
def test_the_anchor_looks_at_least_as_often_as_it_may_anchor(
    between_anchors: float, looks: float
) -> None:
    given = attrs.evolve(load().chain, anchor_seconds=between_anchors)
    assert anchor_settings(given).every_seconds == looks
