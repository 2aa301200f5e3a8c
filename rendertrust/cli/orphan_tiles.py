"""Messages about orphan tiles: delivered tiles of frames that cannot be completed."""

from typing import TYPE_CHECKING

from rendertrust.cli.output import Printer
from rendertrust.money import credit_count

if TYPE_CHECKING:
    from rendertrust.client import Job


def words(job: "Job") -> str | None:
    """Return a text on the number and cost of orphan tiles.

    Return None without orphan tiles, or if the gateway is too old to report orphan tiles.
    """
    loose = job.loose_tiles
    if loose is None:
        return None
    one = loose.tiles == 1
    said = f"{loose.tiles} delivered tile{' is' if one else 's are'} of frames that cannot"
    said += f" be completed. {'It costs' if one else 'They cost'} {credit_count(loose.charged)}"
    if not loose.checking:
        return f"{said}."
    checking = "one of them is" if loose.checking == 1 else f"{loose.checking} of them are"
    return f"{said}; {checking} being verified, and charged if valid."


def hint(job: "Job") -> str | None:
    """Return a hint with the command to download orphan tiles; return None without orphan tiles."""
    if job.loose_tiles is None:
        return None
    return f"Download the tiles: rendertrust jobs download {job.id} --tiles --out ."


def tell(output: Printer, job: "Job") -> None:
    """Print the number and cost of orphan tiles, and how to download the tiles, if any."""
    if (said := words(job)) is not None:
        output.say(said)
    if (how := hint(job)) is not None:
        output.note(how)
