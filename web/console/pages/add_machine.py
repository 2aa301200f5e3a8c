"""The page that adds a machine: it makes a join code, and shows the machine arrive."""

from typing import Final, Literal
from uuid import UUID

import attrs

from sql.join_codes import JoinCodeRow
from web.console.registry import Pages
from web.console.view import Redirect, Shown, View
from web.http.problem import Problem
from web.routes.join_codes import (
    JOIN_CODE_NOT_FOUND,
    codes_of,
    make_code,
    revoke_code,
)

pages = Pages()
PATH: Final = "/console/fleet/add"
MADE: Final = (
    "Paste this line into a terminal of the machine. It is not shown again, and works once."
)
FLAGS: Final = {"service": "--service", "terminal": "--run"}


@attrs.frozen
class NewCodeForm:
    """A form about the machine: whether the program is on it, and how it will run the node."""

    program: Literal["missing", "installed"] = "missing"
    way: Literal["service", "terminal"] = "service"


@attrs.frozen
class RevokedCodeForm:
    which: UUID


@pages.page("/fleet/add", "Add a machine", "add_machine.html", own=True, live=("codes",), every=2.0)
async def add(view: View) -> Shown:
    """Return the user's codes: those that wait for a machine, and the last that each has used."""
    codes, nodes = list[JoinCodeRow](), set[UUID | None]()
    for code in await codes_of(view.gateway, view.who.user):
        codes += [code] if code.is_open or code.node_id not in nodes else []
        nodes.add(code.node_id)
    return {
        "codes": codes,
        "gateway_url": (view.base or view.gateway.url()).rstrip("/"),
    }


@pages.action("/fleet/add", form_on="/fleet/add")
async def make(view: View[NewCodeForm]) -> Redirect | Problem:
    """Make a code, whose line the next page shows once."""
    made = await make_code(view.gateway, view.who.user, view.base)
    if isinstance(made, Problem):
        return made
    line = made.command if view.query.program == "installed" else made.install_command
    return Redirect(PATH, MADE, once=f"{line} {FLAGS[view.query.way]}")


@pages.action("/fleet/add/revoke", absent=JOIN_CODE_NOT_FOUND, form_on="/fleet/add")
async def revoke(view: View[RevokedCodeForm]) -> Redirect | Problem:
    """Revoke a code that no machine has used."""
    done = await revoke_code(view.gateway, view.who.user, view.query.which)
    return done if isinstance(done, Problem) else Redirect(PATH, "The code is revoked.")
