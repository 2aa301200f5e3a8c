"""Show the price of an order before it is submitted, and ask for consent on a terminal."""

from typing import TYPE_CHECKING, Final

import click

from rendertrust.cli import exit_codes, value_text
from rendertrust.cli.command_exit import CommandExit, Exit
from rendertrust.cli.output import Printer
from rendertrust.cli.session import is_interactive

if TYPE_CHECKING:
    from rendertrust.client import Quote


def said(quote: "Quote", what: str = "One picture") -> str:
    """Return ``48 frames in 12 units: 480.0000 credits (10.0000 a frame); 990.0000 are available``.

    ``what`` names the order if the order is not several frames.
    """
    what = what if quote.frames < 2 else f"{quote.frames} frames"
    cut = f" in {quote.units} units" if quote.units not in (1, quote.frames) else ""
    each = f" ({_each(quote)} a frame)" if quote.frames > 1 else ""
    cap = f", pauses before {quote.max_credits}" if quote.max_credits is not None else ""
    return f"{what}{cut}: {quote.held} credits{each}{cap}; {quote.available} are available."


def _each(quote: "Quote") -> str:
    least, most = quote.frame_price_least, quote.frame_price
    return most if least == most else f"{least} to {most}"


def how(quote: "Quote") -> str:
    """Return the gateway's text on how the price was computed."""
    if quote.reference_seconds is None:
        return value_text.harmless(quote.priced_how)
    work = f"{value_text.duration(quote.reference_seconds)} of work on the reference machine"
    return f"{work}. {value_text.harmless(quote.priced_how)}"


def told(output: Printer, quote: "Quote") -> None:
    """Print the quote as the result of the command."""
    output.document(quote)
    output.say(said(quote))
    if reason := how(quote):
        output.note(reason)
    if quote.measurable:
        output.note("For a price by measured work: rendertrust submit --estimate …")
    output.note("Nothing was sent and no credits are held.")


UNASKED: Final = "No terminal to ask at: submitted without asking."


def agreed(
    output: Printer, quote: "Quote", what: str = "One picture", question: str = "Submit?"
) -> None:
    """Return if the credits suffice and the user agrees; otherwise end the command."""
    if not quote.enough:
        hint = "See how much is held for open jobs: rendertrust credits balance\n"
        hint += "Render less, or buy more: rendertrust credits buy"
        facts = {"available": quote.available, "requested": quote.held}
        code, name = exit_codes.INSUFFICIENT_CREDITS, "insufficient_credits"
        raise CommandExit(Exit(code, name, said(quote, what), hint, facts))
    if reason := how(quote):
        output.note(reason)
    if output.json or not is_interactive():  # a program, or no terminal
        output.note(f"{said(quote, what)} {UNASKED}")
        return
    if not click.confirm(f"{said(quote, what)} {question}", default=True, err=True):
        detail, hint = "Not submitted; nothing was sent", "Run the command again when you like."
        raise CommandExit(Exit(exit_codes.FAILURE, "not_agreed", detail, hint))
