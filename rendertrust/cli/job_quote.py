"""Show the price of an order before it is submitted, and ask for consent on a terminal."""

from typing import TYPE_CHECKING

import click

from rendertrust.cli import exit_codes, value_text
from rendertrust.cli.command_exit import CommandExit, Exit
from rendertrust.cli.output import Printer
from rendertrust.cli.session import is_interactive
from rendertrust.money import credit_count, format_amount

if TYPE_CHECKING:
    from rendertrust.client import Quote


def said(quote: "Quote", what: str = "") -> str:
    """Return the price for people, in credits and money.

    ``48 frames in 12 units: 480 credits, ≈ 33.60 USD (10 a frame); 990 are available``
    With a video, the price is that of both. ``what`` names the order if the order is no picture or
    frames.
    """
    noun = "unit" if what else "frame"
    cut = f" in {quote.units:,} units" if quote.units not in (1, quote.frames) else ""
    each = f" ({_each(quote)} a {noun})" if quote.frames > 1 else ""
    what = what or ("One picture" if quote.frames < 2 else f"{quote.frames:,} frames")
    money = "" if quote.money is None else f", {value_text.harmless(quote.money.text)}"
    film = quote.video_price
    video = "" if film is None else f", of which the video {format_amount(film)} at the end"
    cap = (
        f", pauses before {format_amount(quote.max_credits)}"
        if quote.max_credits is not None
        else ""
    )
    total = credit_count(quote.credits or quote.price)
    available = format_amount(quote.available)
    subject = "scene" if noun == "frame" else "model"
    until = f" until the {subject} is measured" if quote.measurable else ""
    return f"{what}{cut}: {total}{money}{each}{video}{until}{cap}; {available} are available."


def _each(quote: "Quote") -> str:
    least, most = format_amount(quote.frame_price_least), format_amount(quote.frame_price)
    return most if least == most else f"{least} to {most}"


def how(quote: "Quote") -> str:
    """Return the gateway's text on how the price was computed."""
    if quote.reference_seconds is None:
        return value_text.harmless(quote.priced_how)
    work = f"{value_text.duration(quote.reference_seconds)} of work on the reference machine"
    return f"{work}. {value_text.harmless(quote.priced_how)}"


def told(output: Printer, quote: "Quote", what: str = "", *, sent: bool = False) -> None:
    """Print the quote as the result of the command. ``sent``: the scene was uploaded."""
    output.document(quote)
    output.say(said(quote, what))
    if reason := how(quote):
        output.note(reason)
    if quote.measurable:
        output.note("The farm measures the scene, for free, before a job is submitted.")
        output.note("To have it measured now: rendertrust submit --estimate --quote …")
    output.note(f"{'No job was submitted' if sent else 'Nothing was sent'}; no credits are held.")


def agreed(
    output: Printer,
    quote: "Quote",
    what: str = "",
    question: str = "Submit?",
    *,
    yes: bool = False,
) -> None:
    """Return if the order is free, if --yes was given, or if the user agrees.

    Otherwise end the command. Only the first sentence on how the price was computed is printed.
    """
    if not yes:
        require_agreeable(output, quote, what)
    if quote.priced_how:
        output.note(value_text.harmless(quote.priced_how).partition(". ")[0].rstrip(".") + ".")
    if yes or _is_free(quote):
        output.note(said(quote, what))
        return
    if not click.confirm(f"{said(quote, what)} {question}", default=True, err=True):
        detail, hint = "Not submitted; nothing was sent", "Run the command again when you like."
        raise CommandExit(Exit(exit_codes.FAILURE, "not_agreed", detail, hint))


def require_agreeable(output: Printer, quote: "Quote", what: str = "") -> None:
    """End the command if the credits do not suffice, or if there is no terminal to ask at.

    A price that a node has yet to measure may still become lower.
    """
    facts = {"available": quote.available, "requested": quote.held}
    if not quote.enough and not quote.measurable:
        hint = "See how much is held for open jobs: rendertrust credits balance\n"
        hint += "Render less, or buy more: rendertrust credits buy --need CREDITS"
        code, name = exit_codes.INSUFFICIENT_CREDITS, "insufficient_credits"
        raise CommandExit(Exit(code, name, said(quote, what), hint, facts))
    if _is_free(quote) or (is_interactive() and not output.json):
        return
    why = "--json asks no questions" if output.json else "there is no terminal to ask at"
    detail = f"{said(quote, what)} Nothing was submitted, because {why}"
    hint = "To agree to the price, add --yes."
    if quote.measurable:
        hint += "\nFor a price by measured work: rendertrust preflight SCENE.blend --farm"
    raise CommandExit(Exit(exit_codes.USAGE, "yes_needed", detail, hint, facts))


def _is_free(quote: "Quote") -> bool:
    return not quote.held.strip("0.")
