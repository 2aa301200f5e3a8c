"""``rendertrust webhooks``: URLs that receive events of your jobs, and their deliveries."""

from typing import TYPE_CHECKING, Final
from uuid import UUID

import click

from rendertrust.cli import value_text
from rendertrust.cli.command import Group
from rendertrust.cli.id_prefix import DELIVERY, HOOK
from rendertrust.cli.session import CliSession, pass_session

if TYPE_CHECKING:
    from rendertrust.client import Delivery, Hook, HookWithSecret

COLUMNS: Final = ("ID", "URL", "EVENTS", "STATE")
DELIVERY_COLUMNS: Final = ("ID", "EVENT", "JOB", "STATE", "TRIES", "ANSWER", "CREATED")
hook_argument: Final = click.argument("endpoint", type=HOOK)


@click.group(cls=Group)
def webhooks() -> None:
    """Manage URLs that receive the events of your jobs."""


@webhooks.command("list")
@pass_session
def list_(session: CliSession) -> None:
    """List your endpoints, oldest first."""
    found = session.fetch(lambda client: client.hooks())
    if not found.endpoints:
        session.output.note("No endpoints. Create one: rendertrust webhooks create https://…")
        return
    session.output.table(COLUMNS, [_row(hook) for hook in found.endpoints])


@webhooks.command()
@click.argument("url")
@click.option(
    "--event",
    "types",
    multiple=True,
    metavar="TYPE",
    help="An event type, like job.completed, job.* or unit.*; may be repeated (default: job.*).",
)
@pass_session
def create(session: CliSession, url: str, types: tuple[str, ...]) -> None:
    """Send events to a URL. The endpoint's secret is printed once and never shown again."""
    made = session.run(lambda client: client.create_hook(url, types or ("job.*",)))
    session.output.note(f"Endpoint {made.id} receives {' '.join(made.types)}.")
    _with_secret(session, made)


@webhooks.command()
@hook_argument
@pass_session
def rotate(session: CliSession, endpoint: UUID) -> None:
    """Create a new secret. For one day, deliveries are signed with the old secret, too."""
    _with_secret(session, session.run(lambda client: client.rotate_hook(endpoint)))


@webhooks.command()
@hook_argument
@pass_session
def enable(session: CliSession, endpoint: UUID) -> None:
    """Enable an endpoint again. Pending deliveries are sent at once."""
    _switch(session, endpoint, enabled=True)


@webhooks.command()
@hook_argument
@pass_session
def disable(session: CliSession, endpoint: UUID) -> None:
    """Stop sending to an endpoint until the endpoint is enabled again."""
    _switch(session, endpoint, enabled=False)


@webhooks.command()
@hook_argument
@pass_session
def delete(session: CliSession, endpoint: UUID) -> None:
    """Delete an endpoint. Its pending deliveries fail."""
    words = f"Deleted {endpoint}."
    session.do(lambda client: client.delete_hook(endpoint), words, id=endpoint, deleted=True)


@webhooks.command()
@hook_argument
@click.option(
    "--limit",
    type=click.IntRange(1, 100),
    default=20,
    show_default=True,
    help="Show at most this many deliveries.",
)
@click.option("--after", type=DELIVERY, help="Show deliveries that are older than this delivery.")
@pass_session
def deliveries(session: CliSession, endpoint: UUID, limit: int, after: UUID | None) -> None:
    """List the deliveries of an endpoint, newest first."""
    found = session.fetch(lambda client: client.deliveries(endpoint, limit=limit, after=after))
    session.output.table(DELIVERY_COLUMNS, [_delivery(one) for one in found.deliveries])
    if found.next is not None:
        session.output.note(f"More: --after {found.next}")


@webhooks.command()
@click.argument("delivery", type=DELIVERY)
@pass_session
def replay(session: CliSession, delivery: UUID) -> None:
    """Send a delivery again under the same id, whatever its state."""
    session.fetch(lambda client: client.replay(delivery))
    session.output.say(f"Delivery {delivery} is queued again.")


def _switch(session: CliSession, endpoint: UUID, *, enabled: bool) -> None:
    found = session.fetch(lambda client: client.change_hook(endpoint, enabled=enabled))
    session.output.say(f"Endpoint {endpoint} is {_state(found)}.")


def _with_secret(session: CliSession, made: "HookWithSecret") -> None:
    session.output.document(made)
    session.output.say(made.secret)
    session.output.note("Save the secret for the receiver: the secret cannot be shown again.")


def _row(hook: "Hook") -> tuple[str, ...]:
    return (hook.id, value_text.harmless(hook.url), " ".join(hook.types), _state(hook))


def _state(hook: "Hook") -> str:
    if not hook.enabled:
        return f"disabled: {value_text.harmless(hook.disabled_reason or '')}"
    return "enabled" if hook.failing_since is None else "failing"


def _delivery(one: "Delivery") -> tuple[str, ...]:
    said = [each.error or str(each.status) for each in one.answers[-3:]]
    answer = ", then ".join(said) or one.error or ("-" if one.status is None else str(one.status))
    return (
        one.id,
        f"{one.type} #{one.number}",
        value_text.short(one.job_id),
        one.state,
        str(one.tries),
        value_text.harmless(answer),
        value_text.ago(one.created_at),
    )
