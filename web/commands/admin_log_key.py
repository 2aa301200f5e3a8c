"""``rendertrust admin keys log``: the key that signs the log's checkpoints."""

from typing import TYPE_CHECKING, Any, Final

import click
import orjson

from web.commands.admin_command import act, common, with_database
from web.commands.options import settings_from

if TYPE_CHECKING:
    from config.settings import Settings
    from sql.database import Database
    from sql.log import LogKeys
    from web.log.log_keys import LogKeys as SigningKeys

GIVEN: Final = """\
The key that signs checkpoints comes from the settings. To rotate it:
  1. proof.previous_key (RENDERTRUST_PROOF_PREVIOUS_KEY): the present proof.key
  2. proof.key (RENDERTRUST_PROOF_KEY): a new one, e.g. from: openssl rand -hex 32
  3. restart every gateway; both keys sign until you empty proof.previous_key"""
NOT_BEGUN: Final = (
    "The log begins when a gateway first runs on this database: start it and try again"
)
NO_KEY: Final = "There is no key in {}: a gateway creates one when it starts"


@click.command("log")
@click.option(
    "--rotate",
    is_flag=True,
    help="Make a new key, which signs from now on together with the present one.",
)
@click.option(
    "--adopt",
    is_flag=True,
    help="Accept a new key that no earlier key vouches for, because the earlier key is lost.",
)
@common
def log_key(*, rotate: bool, adopt: bool, as_json: bool, reason: str, **where: Any) -> None:
    """Show, rotate or adopt the key that signs the log's checkpoints.

    A running gateway notices a rotation within a second. Use --adopt only if the key is lost:
    programs that know the lost key will warn their users.
    """
    settings = settings_from(None, None, where["data"], where["config"])
    if rotate:
        rotated(settings)

    async def work(database: "Database") -> "tuple[LogKeys, str, bool]":
        from sql.log import adopt_key, read_keys

        known = await read_keys(database)
        if known is None:
            raise click.ClickException(NOT_BEGUN)
        verifier = verifier_of(settings, known.origin)
        counts = verifier in known.verifiers
        if adopt and not counts:
            await adopt_key(database, verifier, act("log.adopt", f"log:{verifier}", reason))
        return known, verifier, counts or adopt

    known, verifier, counts = with_database(where, work)
    if as_json:
        shown = {"origin": known.origin, "verifier": verifier, "counts": counts}
        click.echo(orjson.dumps({**shown, "known": known.verifiers}))
        return
    click.echo(verifier)
    if not counts:
        click.echo(
            "The key is not accepted yet: no checkpoint is signed by it and by an accepted key.",
            err=True,
        )


def rotated(settings: "Settings") -> None:
    """Create a new key in the data folder."""
    from config.data_folder import data_folder
    from supervisors.engines.system_clock import SystemRandom
    from web.log.log_keys import key_file, rotate

    if settings.proof.key:
        raise click.ClickException(GIVEN)
    path = key_file(data_folder(settings))
    try:
        rotate(path, SystemRandom())
    except FileNotFoundError as error:
        raise click.UsageError(NO_KEY.format(path)) from error
    except (OSError, ValueError) as error:
        raise click.UsageError(f"{path} contains no valid key: {error}") from error


def verifier_of(settings: "Settings", origin: str) -> str:
    """Return the public part of the current key."""
    return str(keys_from(settings).verifiers(origin)[0])


def keys_from(settings: "Settings") -> "SigningKeys":
    """Return the log's keys, from the settings or the data folder."""
    from config.data_folder import data_folder
    from web.log.log_keys import given, key_file, keys_of

    if settings.proof.key:
        return given(settings.proof)
    path = key_file(data_folder(settings))
    try:
        return keys_of(path.read_text("ascii").split())
    except FileNotFoundError as error:
        raise click.UsageError(NO_KEY.format(path)) from error
    except (OSError, ValueError) as error:
        raise click.UsageError(f"{path} contains no valid key: {error}") from error
