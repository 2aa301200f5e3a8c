"""The form of a new job offers each choice that a job has, and keeps what the link gives."""

import html
import re
from typing import get_args

from rendertrust.job_spec import FORMATS, Order, Pool, Priority
from tests.integration.console.people import Visitor


async def test_the_form_offers_each_choice(jane: Visitor) -> None:
    status, text = await jane.get("/console/jobs/new?priority=high&order=every_nth&pool=mine")
    assert status == 200
    for name, choices in (("order", Order), ("pool", Pool)):
        [field] = re.findall(rf'<select id="{name}".*?</select>', text)
        assert set(re.findall(r'<option value="(\w+)"', field)) == set(get_args(choices))
    [field] = re.findall(r'<select id="priority".*?</select>', text)
    assert re.findall(r"<option[^>]*>(\w+)", field) == list(get_args(Priority))
    [field] = re.findall(r'<select id="format".*?</select>', text)
    assert re.findall(r'value="(\w+)"', field) == list(FORMATS)
    assert re.findall(r"<option[^>]* selected>([^<]+)", html.unescape(text)) == [
        *("my nodes and my organisations': free", "high", "every tenth, then the others")
    ]


async def test_the_whole_animation_is_chosen_unless_the_draft_says_otherwise(jane: Visitor) -> None:
    drafts = {"": "all", "?frames=7": "some", "?what=test": "test", "?what=nonsense": "all"}
    for draft, what in drafts.items():
        _, text = await jane.get(f"/console/jobs/new{draft}")
        assert re.findall(r'name="what" value="(\w+)" checked', text) == [what]


async def test_settings_that_a_draft_changes_are_unfolded(jane: Visitor) -> None:
    drafts = {"": False, "?pool=any&priority=normal&chunk=1": False, "?tiles=2x2": True}
    for draft, is_open in drafts.items():
        _, text = await jane.get(f"/console/jobs/new{draft}")
        assert ('id="more" open' in text) is is_open
