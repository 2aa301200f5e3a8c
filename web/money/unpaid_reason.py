"""Reasons why an operator was not paid for a result, as codes and in sentences (pure)."""

from typing import Final, Literal, TypeAlias

from rendertrust.verdict_reason import IS_PAID, explain
from sql.earning_figures import UnpaidResult

FINED: Final = "It was taken as a fine: another result of your nodes was invalid."
REFUNDED: Final = "Its creator got the charge back: a dispute was upheld."
INVALID: Final = "The result is invalid"
UNPROVED: Final = "The node had not proved its key."
UNVERIFIED: Final = "It was not verified, and this farm pays for verified results only."
NOT_COMPARED: Final = "There is no comparison picture: it was not compared with a render."
NO_PICTURE: Final = {
    "regions": "There is no comparison picture: only regions of the frame were rendered again.",
    "plugin": "There is no comparison picture: the check of a plugin decided.",
}
MORE_VALID: Final = "Nodes with more valid results are paid for such results."


UnpaidCode: TypeAlias = Literal["fined", "invalid", "refunded", "unproved", "unverified"]


def unpaid_code(result: UnpaidResult) -> UnpaidCode:
    """Return the reason as a code."""
    if result.state == "FORFEITED":
        return "fined"
    if result.state == "REVERSED":
        return "refunded"
    if result.verdict == "invalid":
        return "invalid"
    return "unverified" if result.verified else "unproved"


def why_unpaid(result: UnpaidResult) -> str:
    """Return the reason as one or two sentences."""
    if result.state == "FORFEITED":
        return FINED
    if result.state == "REVERSED":
        return _sentence(result.decision) if result.decision else REFUNDED
    if result.verdict == "invalid":
        return _sentence(
            f"The result is invalid: {result.said}" if result.said else "the result is invalid"
        )
    if not result.verified:
        return UNPROVED
    if result.reason is not None:
        is_paid_to_others = IS_PAID.get(result.reason, False)
        told = _sentence(f"It could not be verified: {explain(result.reason)}")
        return f"{told} {MORE_VALID}" if is_paid_to_others else told
    return _sentence(result.said) if result.said else UNVERIFIED


def has_comparison(result: UnpaidResult) -> bool:
    """Return True if a verifier rendered the whole frame, found it invalid, and drew both."""
    return result.state is None and result.verdict == "invalid" and result.compared == "whole"


def why_no_comparison(result: UnpaidResult) -> str:
    """Return the reason why an invalid result has no comparison picture; empty for others."""
    if result.state is not None or result.verdict != "invalid" or has_comparison(result):
        return ""
    return NO_PICTURE.get(result.compared or "", NOT_COMPARED)


def _sentence(text: str) -> str:
    """Return the text with a capital letter and a full stop."""
    text = text.strip()
    return text[:1].upper() + text[1:] + ("" if text.endswith((".", "!", "?")) else ".")
