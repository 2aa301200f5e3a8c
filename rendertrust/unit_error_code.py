"""Error codes of failed units: the closed set that the API, events and webhooks show."""

from typing import Final, Literal, TypeAlias

ErrorCode: TypeAlias = Literal[
    "underquoted",  # the unit took over three times the quoted work on nodes of three owners
    "every_node",  # the unit failed on several nodes
    "part_failed",  # a tile of the frame failed
    "parts_gone",  # the uploaded parts of the unit's result no longer exist
    "invalid",  # a check found that the result is another picture
    "lost",  # the unit's nodes disappeared
    "given_back",  # the nodes returned the unit unfinished
    "stalled",  # the unit made no progress
    "too_slow",  # the unit ran for six hours, or far longer than its quote or its job's other units
    "no_node",  # no node finished the unit in time
    "unsendable",  # the unit cannot be sent to a node
    "too_much_memory",  # the unit needs more memory than its node, or any node, has
    "reported",  # the node reported the error, in its own words
]
UNDERQUOTED: Final = "underquoted"
GIVEN_BACK: Final = "given_back"
REPORTED: Final = "reported"
