"""What an order costs, said before it is placed, and asked about where somebody can answer."""

from typing import TYPE_CHECKING, Final

import click

from rendertrust.cli import exit_codes, formatting
from rendertrust.cli.exits import CommandExit, Exit
from rendertrust.cli.output import Printer
from rendertrust.cli.session import is_interactive

if TYPE_CHECKING:
    from rendertrust.client import Quote


def said(quote: "Quote", what: str = "One picture") -> str:
    """``48 frames in 12 units: 480.0000 credits (10.0000 a frame); 990.0000 are available``.

    ``what`` it is where it is not several frames.
    """
    what = what if quote.frames < 2 else f"{quote.frames} frames"
    cut = f" in {quote.units} units" if quote.units not in (1, quote.frames) else ""
    each = f" ({_each(quote)} a frame)" if quote.frames > 1 else ""
    cap = f", paused before {quote.max_credits}" if quote.max_credits is not None else ""
    return f"{what}{cut}: {quote.held} credits{each}{cap}; {quote.available} are available."


def _each(quote: "Quote") -> str:
    least = quote.frame_price_least
    between = least is not None and least != quote.frame_price
    return f"{least} to {quote.frame_price}" if between else quote.frame_price


def how(quote: "Quote") -> str:
    """Return what the price follows, as the gateway says."""
    if quote.reference_seconds is None:
        return formatting.harmless(quote.priced_how)
    work = f"{formatting.duration(quote.reference_seconds)} of its own machine's work"
    return f"{work}. {formatting.harmless(quote.priced_how)}"


def told(output: Printer, quote: "Quote") -> None:
    """The quote, as the result of the command."""
    output.document(quote)
    output.say(said(quote))
    if reason := how(quote):
        output.note(reason)
    if quote.measurable:
        output.note("To know before it is submitted: rendertrust submit --estimate …")
    output.note("Nothing is held, and nothing was sent.")


UNASKED: Final = "Nobody can be asked here, so it is submitted."


def agreed(
    output: Printer, quote: "Quote", what: str = "One picture", question: str = "Submit?"
) -> None:
    """Go on only where the credits are there and nobody minds; else end the command."""
    if not quote.enough:
        hint = "See what is set aside for open jobs: rendertrust credits balance\n"
        hint += "Render less, or buy more: rendertrust credits buy"
        facts = {"available": quote.available, "requested": quote.held}
        code, name = exit_codes.INSUFFICIENT_CREDITS, "insufficient_credits"
        raise CommandExit(Exit(code, name, said(quote, what), hint, facts))
    if reason := how(quote):
        output.note(reason)
    if output.json or not is_interactive():  # a program, or nobody at a terminal
        output.note(f"{said(quote, what)} {UNASKED}")
        return
    if not click.confirm(f"{said(quote, what)} {question}", default=True, err=True):
        detail, hint = "Not submitted; nothing was sent", "Call it again when you like."
        raise CommandExit(Exit(exit_codes.FAILURE, "not_agreed", detail, hint))
