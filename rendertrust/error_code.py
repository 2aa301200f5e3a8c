"""Codes of failed units: the closed set that the API, events and webhooks show."""

from typing import Final, Literal, TypeAlias

ErrorCode: TypeAlias = Literal[
    "underquoted",  # nodes of three owners took over three times the quote
    "every_node",  # nodes failed one after the other
    "part_failed",  # one of its tiles failed, or another tile of its frame
    "parts_gone",  # its delivered parts no longer exist
    "invalid",  # a check found another picture
    "lost",  # its nodes went away
    "given_back",  # its nodes returned it
    "stalled",  # no progress
    "too_slow",  # it took far longer than permitted
    "no_node",  # no node finished it in time
    "unsendable",  # it cannot be sent to a node
    "too_much_memory",  # more than its node, or any node, has
    "reported",  # by its node, in its own words
]
UNDERQUOTED: Final = "underquoted"
REPORTED: Final = "reported"
