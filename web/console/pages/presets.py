"""Presets page: named sets of parameters, saved from jobs and chosen for new ones."""

from collections.abc import Mapping
from typing import Annotated, Final

import attrs
from msgspec import Meta

from sql.jobs import JobViews
from sql.presets import NAME_MAX, PRESETS_MOST
from web.console.curl import spec_of
from web.console.job_again import NEW_JOB, filled
from web.console.pages.new_job import FOLDED, MAILS, ORDERS, POOLS
from web.console.registry import Pages
from web.console.value_markup import address
from web.console.view import Redirect, Shown, View
from web.http.problem import Problem
from web.jobs.job_control import JOB_NOT_FOUND

pages = Pages()
PATH: Final = "/console/presets"
_OF_A_JOB: Final = ("payload_ref", "manifest", "frames", "what", "params")  # not of a preset
# Words for the fields of a preset, and for their values.
_WORDS: Final[Mapping[str, str]] = {
    "type": "job type {}",
    "samples": "{} samples",
    "format": "{}",
    "video": "{} video",
    "tiles": "{} tiles",
    "chunk": "{} frames per unit",
    "order": "{}",
    "pool": "{}",
    "priority": "{} priority",
    "max_credits": "at most {} in credits",
    "or_newer": "newer versions of Blender allowed",
    "notify": "mails: {}",
    "webhook": "webhook: {}",
}
_VALUES: Final[Mapping[str, Mapping[str, str]]] = {
    "format": {"OPEN_EXR": "OpenEXR"},
    "order": {str(value): words for value, words in ORDERS.items()},
    "pool": {str(value): words for value, words in POOLS.items()},
    "notify": {str(value): words for value, words in MAILS.items()},
}
NOT_FOUND: Final = Problem(404, "There is no preset of this name")
TOO_MANY: Final = Problem(
    409, f"You have {PRESETS_MOST} presets: remove one first, or save it under the name of one"
)
TAKEN: Final = Problem(409, "You have another preset of this name")
Name = Annotated[
    str,
    Meta(min_length=1, max_length=NAME_MAX, pattern=r"^.*\S.*$", description="a name on one line"),
]


@attrs.frozen
class PresetForm:
    name: Name


@attrs.frozen
class PresetNames:
    """The names of a preset: the present one, and the new one."""

    name: Name
    to: Name


@pages.page("/presets", "Presets", "presets.html", own=True)
async def presets(view: View) -> Shown:
    """Return the user's presets, each with its content in words, and the address of the form that
    it fills in.
    """
    found = await view.gateway.tables.presets.of(view.who.user)
    return {
        "presets": [(each, words_of(each.fields), address(NEW_JOB, each.fields)) for each in found]
    }


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


@pages.action("/presets/rename", absent=NOT_FOUND, on_own_account=True)
async def rename(view: View[PresetNames]) -> Redirect | Problem:
    """Rename a preset."""
    presets, user, to = view.gateway.tables.presets, view.who.user, view.query.to.strip()
    if await presets.rename(user, view.query.name, to):
        return Redirect(PATH, f"Renamed: {to}.")
    return NOT_FOUND if all(each.name != to for each in await presets.of(user)) else TAKEN


@pages.action("/presets/remove", absent=NOT_FOUND, on_own_account=True)
async def remove(view: View[PresetForm]) -> Redirect | Problem:
    """Remove a preset."""
    if not await view.gateway.tables.presets.remove(view.who.user, view.query.name):
        return NOT_FOUND
    return Redirect(PATH, "The preset is removed.")


def words_of(fields: Mapping[str, str]) -> str:
    """Return what a preset sets, in words: ``8 samples, MP4 video``."""
    given = {name: value for name, value in fields.items() if value}
    found = list[str]()
    if given.keys() >= {"width", "height"}:
        found.append(f"{given['width']} \N{MULTIPLICATION SIGN} {given['height']}")
    for name, words in _WORDS.items():
        value = given.get(name)
        if value is not None and value not in FOLDED.get(name, ()):
            found.append(words.format(_VALUES.get(name, {}).get(value, value)))
    return ", ".join(found) or "the scene's own settings"


def kept(fields: Mapping[str, str]) -> dict[str, str]:
    """Return the fields that a preset has: the parameters, without the scene and its frames."""
    return {name: value for name, value in fields.items() if name not in _OF_A_JOB}
