"""How many samples scenes say, so that each check of a stranger's tells a number, as trials do."""

from typing import Final

import attrs

from actors.verifier.case import Case
from actors.verifier.report import Report

SCENES_MOST: Final = 10_000
Scene = tuple[object, str]  # whose, and which


@attrs.define
class Scenes:
    """Of those that the gateway's own saw. A restart forgets them: they are looked at anew.

    Of a check by the gateway's own nothing is stated: what it renders is what the scene says.
    """

    _samples: dict[Scene, int] = attrs.field(factory=dict[Scene, int])

    def learn(self, case: Case, report: Report) -> None:
        """What one of the gateway's own says that the scene has; not where its job says it."""
        if report.samples is None or case.stated is not None:
            return
        self._samples[case.scene] = report.samples
        if len(self._samples) > SCENES_MOST:
            del self._samples[next(iter(self._samples))]

    def of(self, case: Case) -> int | None:
        """What a stranger's check states, of one frame; None: nobody knows it, or it has none."""
        if case.kind != "frame":
            return None
        return self._samples.get(case.scene) if case.stated is None else case.stated

    def lack(self, case: Case) -> bool:
        """Whether one of the gateway's own is to look first."""
        return case.kind == "frame" and not case.is_uncut and self.of(case) is None
