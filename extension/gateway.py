"""Requests to the gateway, made in a thread without Blender's API.

Methods report results by calling ``tell``.
"""

from collections.abc import Callable, Sequence
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import attrs

from .background import Tell

if TYPE_CHECKING:
    from rendertrust import Client, JobSpec
    from rendertrust.cli.scene_dependencies import SceneBundle
    from rendertrust.client import Job, Quote

Verb = Literal["pause", "stop"]
# Factor by which a price may exceed the shown price, because measurements differ a little.
MORE = Decimal("1.1")
PICTURES_MAX = 6  # frames in the panel
LOOK_SECONDS = 300.0  # timeout of a node's measurement; a node may be busy with other work


@attrs.frozen
class Folder:
    """The folder of the frames, and the pattern of file names, with ``#`` for each digit."""

    path: Path
    stem: str


@attrs.frozen
class Gateway:
    """A gateway at the address ``url``; the login is shared with the command line."""

    url: str
    is_left: Callable[[], bool] = lambda: False

    def client(self, email: str | None = None) -> "Client":
        """Return a client for a ``with`` statement.

        Raise ValueError for an invalid address. ``email`` is set while a user logs in.
        """
        from rendertrust import Client
        from rendertrust.cli.credentials import CredentialsFile
        from rendertrust.cli.pins import PinFile
        from rendertrust.client import address

        url = address(self.url)
        return Client(url, keeper=CredentialsFile().keeper(url, email), pins=PinFile(url))

    def sign_in(self, email: str, password: str, tell: Tell) -> None:
        """Log in and get the balance."""
        with self.client(email) as client:
            client.login(email, password)
            tell(email=email, available=client.balance().available)

    def sign_out(self, tell: Tell) -> None:
        """Log out, also for the command line."""
        with self.client() as client:
            client.logout()
            tell(email="", available="")

    def quote(self, spec: "JobSpec", tell: Tell) -> None:
        """Get the price of a job; no credits are held and no files are sent."""
        with self.client() as client:
            tell(**priced(client.quote(spec)))

    def measure(self, spec: "JobSpec", packed: "SceneBundle", tell: Tell) -> None:
        """Get the price by measured work.

        The scene is uploaded, and a node measures the scene; no credits are held.
        """
        with self.client() as client:
            sent = self._sent(client, spec, packed, tell)
            tell(asking="A node measures the scene", progress=0.0)
            tell(**priced(self._measured(client, sent)))

    def _measured(self, client: "Client", spec: "JobSpec") -> "Quote":
        """Wait until a node has checked the uploaded scene, or ``LOOK_SECONDS``; return a quote.

        A scene that an operator's node has checked is checked again, as only the gateway's nodes
        set prices.
        """
        client.preflight(spec, within=LOOK_SECONDS)
        quote = client.quote(spec)
        if quote.measurable and quote.preflight is not None and quote.preflight.status == "DONE":
            client.preflight(spec, again=True, within=LOOK_SECONDS)
            quote = client.quote(spec)
        return quote

    def _agreed(self, quote: "Quote", shown_price: str, tell: Tell) -> str:
        tell(**priced(quote))
        if shown_price and Decimal(quote.price) > MORE * Decimal(shown_price):
            from rendertrust.money import credit_count, format_amount

            price, shown = credit_count(quote.price), format_amount(shown_price)
            said = f"The job costs {price}, but the price shown was {shown}"
            raise ValueError(f"{said}. No credits are held; press again to render at the new price")
        return quote.price

    def _sent(
        self, client: "Client", spec: "JobSpec", packed: "SceneBundle", tell: Tell
    ) -> "JobSpec":
        """Upload changed files, and return the job with references to them."""
        with packed.written() as files:
            bundle = client.upload_all(
                packed.scene,
                files,
                progress=lambda done, all_: tell(progress=done / (all_ or 1)),
            )
        return bundle.fill(packed.add_needs(spec))

    def submit(
        self, spec: "JobSpec", packed: "SceneBundle", out: Folder, tell: Tell, shown_price: str = ""
    ) -> None:
        """Upload changed files, submit, and download all frames.

        If frames are priced by work, a node measures the work first. Raise ValueError if the price
        is more than MORE times the price that was shown.
        """
        with self.client() as client:
            sent = self._sent(client, spec, packed, tell)
            if not spec.as_is and client.quote(spec).measurable:
                tell(busy="A node measures the scene", progress=0.0)
                quoted = self._agreed(self._measured(client, sent), shown_price, tell)
                sent = attrs.evolve(sent, quoted=quoted)
            placed = client.dispatch(sent)
            tell(job_id=placed.job_id, busy="Rendering", progress=0.0, saved=0, pictures=())
            self._follow(client, placed.job_id, out, tell)

    def follow(self, job_id: str, out: Folder, tell: Tell) -> None:
        """Follow a job that was submitted earlier."""
        with self.client() as client:
            self._follow(client, job_id, out, tell)

    def speak(self, verb: Verb, job_id: str, tell: Tell) -> None:
        """Pause or stop a job."""
        with self.client() as client:
            tell(**shown(getattr(client, verb)(job_id)))

    def resume(self, job_id: str, cap: str | None, tell: Tell) -> None:
        """Resume a job; if the job is paused at its cap, change the cap first.

        Raise ValueError if the next frame still costs more than is left under the cap.
        """
        with self.client() as client:
            job = client.job(job_id)
            if job.paused == "cap":
                job = client.change(job_id, max_credits=cap, uncapped=cap is None)
            if job.paused == "cap":
                raise ValueError(f"Too little is left under the cap of {cap}. Raise Cap")
            tell(**shown(client.resume(job_id)))

    def _follow(self, client: "Client", job_id: str, out: Folder, tell: Tell) -> None:
        tell(folder=str(out.path))
        done, pictures = -1, tuple[str, ...]()
        for job in client.watch(job_id):
            tell(**shown(job), progress=job.progress or 0.0)
            if job.done > done or job.ended:
                done = job.done
                pictures = self._fetch(client, job_id, out, pictures, tell)
            if self.is_left():
                return
        tell(available=client.balance().available)

    def _fetch(
        self, client: "Client", job_id: str, out: Folder, before: tuple[str, ...], tell: Tell
    ) -> tuple[str, ...]:
        """Download finished frames; return the frames for the panel, the newest last."""
        out.path.mkdir(parents=True, exist_ok=True)
        files = client.download_frames(job_id, out.path, stem=out.stem)
        pictures = newest(before, [*map(str, files.paths)], [*map(str, files.new)])
        tell(saved=len(files.paths), pictures=pictures)
        return pictures


def newest(before: Sequence[str], paths: Sequence[str], new: Sequence[str]) -> tuple[str, ...]:
    """Return the frames for the panel: those shown ``before``, then ``new`` ones.

    If nothing was shown or downloaded, return the last of all ``paths``.
    """
    shown = [*(path for path in before if path not in new), *new] or paths
    return (*shown[-PICTURES_MAX:],)


def end_of(job: "Job") -> str:
    """Return when the job will end, in words; '' if that is unknown, or it has ended."""
    if job.eta_seconds is None or job.ended:
        return ""
    from rendertrust.cli.job_grid import LATER
    from rendertrust.cli.value_text import clock

    later = LATER.get(job.eta_reason or "")
    return f"done about {clock(job.eta_seconds)}" + (f", {later}" if later else "")


def priced(quote: "Quote") -> dict[str, Any]:
    """Return the parts of a quote that the panel shows."""
    total = quote.credits or quote.price  # with the video
    money = "" if quote.money is None else quote.money.text
    told = {"price": quote.price, "total": total, "money": money, "available": quote.available}
    return {
        **told,
        "units": quote.units,
        "priced_how": quote.priced_how,
        "measurable": quote.measurable,
    }


def shown(job: "Job") -> dict[str, Any]:
    """Return the parts of a job that the panel shows."""
    error = job.error_message or ""
    if job.paused == "cap":
        error = "The job is paused at its cap. Raise Cap above and choose Resume."
    counts = {"units": job.units, "done": job.done, "failed": job.failed}
    money = {"charged": job.charged or "", "held": job.price or ""}
    return {"status": job.status, "ends": end_of(job), "error": error, **money, **counts}
