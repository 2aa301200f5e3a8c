"""Values of ``traceparent``, by the examples of the standard."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from web.process.trace_context import TraceContext, trace_of

TRACE, PARENT = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
VALID = f"00-{TRACE}-{PARENT}-01"


@pytest.mark.parametrize(
    "value", [VALID, f"cc-{TRACE}-{PARENT}-00-what-comes"], ids=["version-0", "later-version"]
)
def test_a_valid_value_is_read(value: str) -> None:
    assert trace_of([value]) == TraceContext(TRACE, PARENT)


@pytest.mark.parametrize(
    "values",
    [
        pytest.param([], id="none"),
        pytest.param([VALID, VALID], id="two"),
        pytest.param([f"ff-{TRACE}-{PARENT}-01"], id="version"),
        pytest.param([f"00-{'0' * 32}-{PARENT}-01"], id="trace-of-zeros"),
        pytest.param([f"00-{TRACE}-{'0' * 16}-01"], id="parent-of-zeros"),
        pytest.param([VALID.upper()], id="upper-case"),
        pytest.param([f"{VALID}-more"], id="too-long"),
        pytest.param([f"cc-{TRACE}-{PARENT}-00."], id="no-dash"),
        pytest.param([VALID[:-1]], id="short"),
    ],
)
def test_any_other_is_ignored(values: list[str]) -> None:
    assert trace_of(values) is None


@given(st.lists(st.text(max_size=400), max_size=2))
def test_any_text_is_a_trace_or_none(values: list[str]) -> None:
    trace_of(values)
