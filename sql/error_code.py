"""Codes of failed units: the closed set that the API, events and webhooks show."""

from typing import Final, Literal, TypeAlias

ErrorCode: TypeAlias = Literal[
    "underquoted",  # nodes of three owners took over three times its quote
    "every_node",  # nodes failed one after the other
    "part_failed",  # a tile that it is made of, or another tile of its frame
    "parts_gone",  # what was delivered of it is not there any more
    "invalid",  # a check found another picture
    "lost",  # its nodes went away
    "given_back",  # its nodes did not want it
    "stalled",  # no progress
    "too_slow",  # it took far longer than it may
    "no_node",  # nobody finished it within its time
    "unsendable",  # it cannot be told to a node
    "too_much_memory",  # more than its node gives, or than any there does
    "reported",  # by its node, in its own words
]
UNDERQUOTED: Final = "underquoted"
REPORTED: Final = "reported"
