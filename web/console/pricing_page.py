"""The page of prices, for everybody: what a frame costs and why, with a table and examples.

The page is made from memory. A farm that is not open to everybody shows its prices only to users
who are signed in.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Final

import attrs
from aiohttp import web

from rendertrust.job_types import PREFLIGHT, RENDER, VIDEO
from rendertrust.preflight.frame_work import SECOND, FrameWork, ReferenceFrame, price_of
from sql.prices import EVERY_OTHER
from web.console.page_responses import frame_of, html
from web.console.registry import Pages
from web.console.session import is_known
from web.gateway import Gateway
from web.http.problem import Problem
from web.jobs.pricing import reference_frame

PRICING: Final = "/pricing"
SIZES: Final = ((640, 360), (1280, 720), (1920, 1080), (2560, 1440), (3840, 2160))
SAMPLES_FACTORS: Final = (0.25, 1, 4)  # columns of the table, in samples of the reference frame
FRAMES: Final = 250  # frames of the examples of animations
SECONDS: Final = (2, 15, 240)  # measured work of a frame of the examples
# The frames and the microseconds of work in the example of a measurement.
MEASURED: Final = FrameWork((1, FRAMES // 2 + 1, FRAMES), (8 * SECOND, 14 * SECOND, 11 * SECOND))


@attrs.frozen
class SizePrices:
    """A row of the table of prices by size; ``prices``: a price for each number of samples."""

    width: int
    height: int
    prices: Sequence[int]


@attrs.frozen
class PriceExample:
    """An example of a job, and its price."""

    words: str
    price: int


@attrs.frozen
class MeasuringExample:
    """An example of a measured scene: the ``probed`` frames with the seconds of each, and the
    ``seconds`` and the price of all ``frames``.
    """

    probed: Sequence[tuple[int, int]]
    frames: int
    seconds: float
    price: int


class PricingPage:
    def __init__(self, gateway: Gateway, pages: Pages) -> None:
        self._gateway, self._pages = gateway, pages

    async def show(self, request: web.Request) -> web.StreamResponse | Problem:
        gateway = self._gateway
        is_signed_in = await is_known(gateway, request)
        is_open = is_signed_in or gateway.settings.accounts.registration == "open"
        by_type = gateway.console.prices.by_type if is_open else None
        reference = reference_frame(gateway.settings.pricing)
        measures, rows, shown = bool(gateway.verifiers), list[SizePrices](), list[PriceExample]()
        price = 0 if by_type is None else by_type.get(RENDER, by_type.get(EVERY_OTHER, 0))
        samples = samples_of(reference) if reference else ()
        if reference is not None and price:
            rows = [row_of(reference, price, size, samples) for size in SIZES]
            shown = list(examples(reference, price, measures=measures))
        context = {
            "title": "Prices" if is_open else "Sign in",
            "frame": frame_of(request, self._pages, None, None),
            "is_open": is_open,
            "is_signed_in": is_signed_in,
            "price": None if by_type is None else price,
            "sold": gateway.console.prices.of_credits,
            "reference": reference,
            "measures": measures,
            "share_percent": gateway.settings.earnings.share_percent,
            "samples": samples,
            "rows": rows,
            "examples": shown,
            "measuring": measuring(reference, price) if reference and measures and price else None,
            "video": 0 if by_type is None else by_type.get(VIDEO, by_type.get(EVERY_OTHER, 0)),
            "others": [] if by_type is None else others(by_type),
        }
        return html(request, gateway, "pricing.html", context, 200)


def samples_of(reference: ReferenceFrame) -> Sequence[int]:
    """Return the numbers of samples in the table, ascending."""
    return sorted({max(int(reference.samples * factor), 1) for factor in SAMPLES_FACTORS})


def row_of(
    reference: ReferenceFrame, price: int, size: tuple[int, int], samples: Sequence[int]
) -> SizePrices:
    """Return the prices of a frame of one size."""
    return SizePrices(*size, [reference.price(price, *size, each) for each in samples])


def examples(reference: ReferenceFrame, price: int, *, measures: bool) -> Iterator[PriceExample]:
    """Yield jobs and their prices; of measured work only if the gateway measures scenes."""
    for seconds in SECONDS if measures else ():
        each = price_of(seconds * SECOND, price, reference.seconds)
        yield PriceExample(f"{FRAMES} frames that take {seconds} s each, measured", FRAMES * each)
    for width, height in (SIZES[0], SIZES[2]):
        pixels = f"{width} \N{MULTIPLICATION SIGN} {height}"
        words = f"{FRAMES} frames of {pixels} at {reference.samples} samples, by size"
        cost = reference.price(price, width, height, reference.samples, FRAMES)
        yield PriceExample(words, cost)


def measuring(reference: ReferenceFrame, price: int) -> MeasuringExample:
    """Return the example of a measured scene."""
    numbers = range(1, FRAMES + 1)
    cost = sum(price_of(MEASURED.of(number), price, reference.seconds) for number in numbers)
    seconds = [work // SECOND for work in MEASURED.microseconds]
    probed = [*zip(MEASURED.frames, seconds, strict=True)]
    return MeasuringExample(probed, FRAMES, MEASURED.seconds(numbers), cost)


def others(by_type: Mapping[str, int]) -> Sequence[tuple[str, int]]:
    """Return the fixed prices of other job types; that of all types without a price comes last."""
    named = (name for name in sorted(by_type) if name not in (RENDER, PREFLIGHT, EVERY_OTHER))
    found = [(name, by_type[name]) for name in named]
    return [*found, ("others", by_type[EVERY_OTHER])] if EVERY_OTHER in by_type else found
