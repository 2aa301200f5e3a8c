"""Error codes of failed units: the closed set that the API, events and webhooks show."""

from typing import Final, Literal, TypeAlias

ErrorCode: TypeAlias = Literal[
    "underquoted",  # on nodes of three owners it took over three times the quoted work
    "every_node",  # it failed on several nodes
    "part_failed",  # one of its tiles failed, or another tile of its frame
    "parts_gone",  # the parts in which its result was uploaded no longer exist
    "invalid",  # a check found that it shows another picture
    "lost",  # its nodes disappeared
    "given_back",  # its nodes returned it unfinished
    "stalled",  # it made no progress
    "too_slow",  # it took far longer than permitted
    "no_node",  # no node finished it in time
    "unsendable",  # it cannot be sent to a node
    "too_much_memory",  # more memory than its node, or any node, has
    "reported",  # reported by its node, in the node's words
]
UNDERQUOTED: Final = "underquoted"
REPORTED: Final = "reported"
