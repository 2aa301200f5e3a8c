"""Decoder of replies. Additional members are ignored, but documented members must be valid."""

import math
from datetime import UTC, datetime
from typing import Any, Final, TypeVar

import cattrs

from rendertrust.api.ledger import ReceiptFile
from rendertrust.client.errors import BadAnswer, NotProved
from rendertrust.receipt_check import WITHDRAWN, verify_receipt

Kind = TypeVar("Kind")


def _time(value: object, _: type[datetime]) -> datetime:
    if not isinstance(value, str):
        raise TypeError("no time")
    time = datetime.fromisoformat(value)
    return time if time.tzinfo else time.replace(tzinfo=UTC)


def _exactly(value: object, kind: type[Kind]) -> Kind:
    if type(value) is not kind:
        raise TypeError(f"no {kind.__name__}")
    return value


def _number(value: object, _: type[float]) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise TypeError("no number")
    return float(value)


def _converter() -> cattrs.Converter:
    converter = cattrs.Converter(detailed_validation=False)
    converter.register_structure_hook(datetime, _time)
    converter.register_structure_hook(float, _number)
    for kind in (str, int, bool):
        converter.register_structure_hook(kind, _exactly)
    return converter


_CONVERTER: Final = _converter()


def read(kind: type[Kind], body: Any) -> Kind:
    """Decode ``body`` into a ``kind``. Raises BadAnswer if ``body`` does not have this form."""
    try:
        return _CONVERTER.structure(body, kind)
    except Exception as error:  # a hostile answer may make the converter raise anything
        raise BadAnswer(f"The answer is not a {kind.__name__}: {error!r}"[:300]) from error


def read_receipt(document: Any, job_id: str) -> ReceiptFile:
    """Decode and verify a receipt of a job. Raises NotProved if the receipt is invalid.

    A receipt that the gateway has withdrawn passes here.
    """
    answer, verdict = read(ReceiptFile, document), verify_receipt(document)
    for step in verdict.steps:
        if not step.holds and step.name != WITHDRAWN:
            raise NotProved(f"The receipt is invalid: {step.name}: {step.said}")
    if answer.receipt["work"]["job"] != job_id:
        raise NotProved("The receipt is for another job")
    return answer
