"""Tiles that were charged, and that no frame is made of: what is said of them."""

from typing import TYPE_CHECKING

from rendertrust.cli.output import Printer

if TYPE_CHECKING:
    from rendertrust.client import Job


def words(job: "Job") -> str | None:
    """How many there are and what they cost; None: there are none, or the gateway is older."""
    loose = job.loose_tiles
    if loose is None:
        return None
    one = loose.tiles == 1
    said = f"{loose.tiles} delivered tile{' is' if one else 's are'} of frames that will not come"
    said += f" to be. {'It costs' if one else 'They cost'} {loose.charged} credits"
    if not loose.checking:
        return f"{said}."
    checking = "one of them is" if loose.checking == 1 else f"{loose.checking} of them are"
    return f"{said}; {checking} being checked, and charged if it is right."


def hint(job: "Job") -> str | None:
    """How to have them."""
    if job.loose_tiles is None:
        return None
    return f"Fetch them: rendertrust jobs download {job.id} --tiles --out ."


def tell(output: Printer, job: "Job") -> None:
    """Both, where there is anything to say."""
    if (said := words(job)) is not None:
        output.say(said)
    if (how := hint(job)) is not None:
        output.note(how)
