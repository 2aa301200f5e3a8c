"""Presets page: named sets of parameters, saved from jobs and chosen for new ones."""

from collections.abc import Mapping
from typing import Annotated, Final

import attrs
from msgspec import Meta

from sql.jobs import JobViews
from sql.presets import NAME_MAX, PRESETS_MOST
from web.console.curl import spec_of
from web.console.job_again import NEW_JOB, filled
from web.console.registry import Pages
from web.console.value_markup import address
from web.console.view import Redirect, Shown, View
from web.http.problem import Problem
from web.jobs.job_control import JOB_NOT_FOUND

pages = Pages()
PATH: Final = "/console/presets"
_OF_A_JOB: Final = ("payload_ref", "manifest", "frames", "what", "params")  # not of a preset
NOT_FOUND: Final = Problem(404, "There is no preset of this name")
TOO_MANY: Final = Problem(
    409, f"You have {PRESETS_MOST} presets: remove one first, or save it under the name of one"
)
Name = Annotated[
    str,
    Meta(min_length=1, max_length=NAME_MAX, pattern=r"^.*\S.*$", description="a name on one line"),
]


@attrs.frozen
class PresetForm:
    name: Name


@pages.page("/presets", "Presets", "presets.html", own=True)
async def presets(view: View) -> Shown:
    """Return the user's presets, each with the address of the form that it fills in."""
    found = await view.gateway.tables.presets.of(view.who.user)
    return {"presets": [(each, address(NEW_JOB, each.fields)) for each in found]}


@pages.action("/jobs/{id}/preset", absent=JOB_NOT_FOUND)
async def save(view: View[PresetForm]) -> Redirect | Problem:
    """Save the parameters of one's own job under a name."""
    row = await JobViews(view.gateway.database).job(view.who.user, view.ids["id"])
    if row is None:
        return JOB_NOT_FOUND
    name = view.query.name.strip()
    fields = kept(filled(spec_of(row)))
    if not await view.gateway.tables.presets.save(view.who.user, name, fields, view.now):
        return TOO_MANY
    return Redirect(PATH, f"Saved: {name}.")


@pages.action("/presets/remove", absent=NOT_FOUND, on_own_account=True)
async def remove(view: View[PresetForm]) -> Redirect | Problem:
    """Remove a preset."""
    if not await view.gateway.tables.presets.remove(view.who.user, view.query.name):
        return NOT_FOUND
    return Redirect(PATH, "The preset is removed.")


def kept(fields: Mapping[str, str]) -> dict[str, str]:
    """Return the fields that a preset has: the parameters, without the scene and its frames."""
    return {name: value for name, value in fields.items() if name not in _OF_A_JOB}
