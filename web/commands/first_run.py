"""The first run of ``rendertrust serve``: the address of the set-up, and a restart."""

import os
import signal
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import attrs
import click

if TYPE_CHECKING:
    from web.app import Application

PREFIX: Final = "rts_"  # begins the tokens
LOADED_SECONDS: Final = 10.0
POLL_SECONDS: Final = 0.2


@attrs.define
class FirstRun:
    """The first run of a process. ``file``: its settings file. ``load`` reads another file with the
    same command line.

    ``restarts``: the process executes itself again once it has stopped.
    """

    file: Path | None
    load: Callable[[Path], Any]
    restarts: bool = False

    async def offer(self, application: "Application") -> None:
        """Print the address of the set-up, unless the farm has an admin, or is in production.

        Its token is in no log, and ends with this process. Blank lines set it off from the log, of
        which the start's lines come first.
        """
        from config.redaction import hide
        from sql.database import Unavailable
        from supervisors.engines.secret import fresh_secret
        from web.app import RANDOM
        from web.console.setup.answers import SetupAnswers
        from web.console.setup.offer import TOKEN_BYTES, link_of

        gateway = application.gateway
        if application.settings.production:
            return
        try:
            if await gateway.tables.administration.has_admin():
                return
        except Unavailable:
            return  # the next start offers it
        token = PREFIX + RANDOM.token(TOKEN_BYTES).hex()
        hide(token)
        answers = SetupAnswers(fresh_secret() + fresh_secret())
        gateway.console.setup.open(token, answers, self._place(application))
        await _start_is_logged(application)
        click.echo(f"\nSet up this farm: {link_of(application.url, token)}\n")

    def _place(self, application: "Application") -> Any:
        """Return this process as the set-up sees it."""
        from web.console.setup.offer import SetupPlace

        elsewhere = application.settings.verification.own_nodes.strip()
        return SetupPlace(
            folder=application.data,
            file=self.file,
            port=application.place.port,
            load=self.load,
            unverifiable="" if elsewhere else application.embedding.why_not or "",
            restart=self._stop,
        )

    def _stop(self) -> None:
        """Stop the gateway in order, to start it again."""
        self.restarts = True
        os.kill(os.getpid(), signal.SIGTERM)


async def _start_is_logged(application: "Application") -> None:
    """Wait, at most 10 s, until the scheduler has loaded its units: its line ends a start's log."""
    import asyncio

    is_loaded, loaded = application.gateway.monitoring.probes["scheduler"], False
    with suppress(TimeoutError):
        async with asyncio.timeout(LOADED_SECONDS):
            while not loaded:
                loaded = await is_loaded()
                # After the last look, this gives the thread that writes the log its time.
                await asyncio.sleep(POLL_SECONDS)  # noqa: TID251 - no actor


def execute_again() -> None:
    """Replace this process by a new one with the same command line."""
    os.execv(sys.executable, [sys.executable, *sys.orig_argv[1:]])  # noqa: S606 - ourselves
