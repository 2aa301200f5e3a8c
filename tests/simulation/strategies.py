"""Strategies of nodes that lie: a strategy is a list of accounts' lives, which repeat.

An account is abandoned when its life ends, or as soon as one of its lies is a strike. A new account
costs nothing. ``SHARE`` is the share of a usual unit.
"""

from typing import Any, Final, TypeAlias

import attrs

SHARE: Final = 1000
GATEWAYS_PART: Final = 0.3  # part of the price that an owner loses on the owner's own order
WINDOW: Final = 300  # number of the account's deliveries until a share matures


@attrs.frozen
class Step:
    """A delivery of an account, and how it differs from an honest delivery.

    ``part`` is the fraction of the unit that is a lie, and ``found`` the probability that a
    comparison finds the lie. ``is_seen``: the lie is refused without a comparison, or compared for
    certain. ``is_strike``: a refusal is a strike. ``is_covered``: shares pending at the draw are
    still pending at the verdict. ``at_once``: number of equal lies by different nodes, all drawn
    before the first verdict.
    """

    is_lie: bool = False
    share: int = SHARE
    part: float = 1.0
    found: float = 1.0
    is_seen: bool = False
    is_strike: bool = True
    is_covered: bool = True
    at_once: int = 1
    is_own: bool = False  # the owner ordered the unit through an accomplice
    is_overloaded: bool = False  # the oldest delivery waits far too long for its check
    matures_first: bool = False  # all pending shares mature before this delivery


Life: TypeAlias = tuple[Step, ...]
HONEST: Final = Step()
LIE: Final = Step(is_lie=True)


@attrs.frozen
class Strategy:
    """A strategy; its ``lives`` belong to accounts that work side by side.

    ``gains`` says why the strategy's gain is a known limit. ``rule`` is the rule that makes the
    strategy fail, and ``unruled`` are the same lives without that rule.
    """

    name: str
    lives: tuple[Life, ...]
    gains: str = ""
    rule: str = ""
    unruled: tuple[Life, ...] = ()


def _again(times: int, honest: int, lie: Step = LIE) -> Life:
    """Return ``honest`` honest results followed by a lie, ``times`` times."""
    return (*([HONEST] * honest), lie) * times


def _once(honest: int, **lie: Any) -> Life:
    """Return ``honest`` honest results, and then one lie."""
    return _again(1, honest, attrs.evolve(LIE, **lie))


def _seen(name: str) -> Strategy:
    return Strategy(name, (_once(9, is_seen=True),))


_SMALL: Final = Step(share=SHARE // 20, is_own=True)
_ORDERED: Final = Step(is_own=True)
_CHEAP: Final = Step(is_lie=True, share=SHARE // 10)
_BUSY: Final = Step(is_lie=True, is_overloaded=True)

# Lies about frames that only a random draw can find.
LISTED: Final = (
    Strategy("always", ((LIE,),)),
    Strategy("one result of twenty", (_again(30, 19),)),
    Strategy("ten honest results, one lie, and so on", (_again(50, 10),)),
    Strategy("ten honest results, one lie, new account", (_once(10),)),
    Strategy("new account every ten results, every second a lie", (_again(5, 1),)),
    Strategy("two owners: one orders of the other, who then lies", ((*([_ORDERED] * 40), LIE),)),
    Strategy("an honest account, and one that lies after ten", ((HONEST,) * 110, _again(10, 10))),
    Strategy("an honest account, and one that always lies", ((HONEST,) * 20, (LIE,) * 20)),
    Strategy("only in frames worth a tenth of the others", (_again(60, 2, _CHEAP),)),
    Strategy("only in frames worth fifty others", (_once(60, share=50 * SHARE),)),
    Strategy("a record of own orders, then lies", ((*([_SMALL] * 100), *([LIE] * 20)),)),
    Strategy("only while the verifiers are overloaded", (_again(20, 12, _BUSY),)),
    Strategy("evidence of another frame or unit", (_again(20, 12),)),
)
# Further strategies, for somebody who has read the code.
FURTHER: Final = (
    Strategy("one lie per dispute window", (_again(5, WINDOW - 1),)),
    Strategy(
        "nothing pending any more, then a lie",
        ((*([HONEST] * 50), attrs.evolve(LIE, matures_first=True)),),
    ),
    Strategy("ten nodes of one owner lie at once", (_once(40, at_once=10),)),
    Strategy("a hundred nodes of one owner lie at once", (_once(40, at_once=100),)),
    Strategy("leave at once after the lie", (_once(60),)),
    Strategy(
        "the stake matures before the verdict",
        (_once(60),),
        rule="shares stay pending while a drawn result of their owner waits",
        unruled=(_once(60, is_covered=False),),
    ),
    Strategy(
        "an accomplice disputes the stake before the verdict",
        ((*([_ORDERED] * 60), *([LIE] * 20)),),
        rule="a dispute keeps no share from a fine",
        unruled=((*([_ORDERED] * 60), *([attrs.evolve(LIE, is_covered=False)] * 20)),),
    ),
    Strategy(
        "an honest copy overtakes the drawn lie",
        (_once(60),),
        rule="the attempt that was delivered first is decided first",
        unruled=(_once(60, is_strike=False),),
    ),
    Strategy(
        "a build of Blender that no verifier has any more",
        (_once(60, is_seen=True, is_strike=False),),
        rule="all results of such a build are unverifiable",
        unruled=(_once(60, is_strike=False),),
    ),
    Strategy(
        "scenes that rounding changes or that are uncut, as another instruction set",
        (_once(60, is_seen=True, is_strike=False),),
        rule="all results are compared whose class no verifier has",
        unruled=(_once(60, is_strike=False),),
    ),
    Strategy(
        "one frame of a chunk of eight in such scenes",
        (_once(60, part=1 / 8, found=1 / 8, is_seen=True, is_strike=False),),
    ),
    Strategy(
        "two new accounts deliver the same after the lie, to excuse it",
        (_once(60),),
        rule="no fine is given back where a result was compared at odds of one",
        unruled=(_once(60, is_strike=False),),
    ),
    Strategy("one frame of a chunk of eight", (_once(60, part=1 / 8, found=1 / 8),)),
    Strategy("a third of the picture is not rendered", (_once(60, part=1 / 3, found=1 / 3),)),
)
# Lies that are refused without a draw or comparison, by the session or on opening the file.
SEEN: Final = (
    _seen("a Content-Encoding"),
    _seen("another sum, size, object, signature or unit than was delivered"),
    _seen("no, empty, huge or broken picture or evidence"),
    _seen("a picture of another size or format, or of one color"),
)
# Strategies that no rule prevents yet.
LIMITS: Final = (
    Strategy(
        "only in scenes that cannot be compared, or are too large for the verifiers",
        (_once(60, found=0.0),),
        gains="unverifiable for the scene: paid to known nodes",
    ),
    Strategy(
        "only in frames that no verifier renders whole in time",
        (_once(60, is_strike=False),),
        gains="invalid without the whole frame: no strike",
    ),
    Strategy(
        "a sixth of the samples saved, as another instruction set",
        (_once(60, part=0.15, found=0.0),),
        gains="within 0.3 of the noise",
    ),
)
STRATEGIES: Final = (*LISTED, *FURTHER, *SEEN, *LIMITS)
