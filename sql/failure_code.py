"""What kind of failure the words of a unit tell: a name of a closed set, for programs.

The words are ours where a gateway gave up; what a node said of its own is ``reported``.
"""

import re
from typing import Final, Literal, TypeAlias

UNDERQUOTED: Final = "underquoted"
Code: TypeAlias = Literal[
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
_BEGINS: Final[tuple[tuple[str, Code], ...]] = (
    ("underquoted: ", "underquoted"),
    ("failed on [0-9]+ nodes, last by: ", "every_node"),
    ("too much memory: ", "too_much_memory"),
    ("unit [0-9]+, which it is made of, failed|another tile of its frame failed", "part_failed"),
    ("parts of the result are not there any more", "parts_gone"),
    ("the check found something else: ", "invalid"),
    ("its nodes were lost [0-9]+ times|lost by its node [0-9]+ times", "lost"),
    ("its node gave it back", "given_back"),
    ("no progress for [0-9]+ minutes", "stalled"),
    ("at work for [0-9]+ s, |it ran longer than an attempt may", "too_slow"),
    ("no node finished it within ", "no_node"),
    ("cannot be sent to a node: ", "unsendable"),
)
_CODES: Final[tuple[tuple[re.Pattern[str], Code], ...]] = tuple(
    (re.compile(begin, re.ASCII), code) for begin, code in _BEGINS
)


def code_of(error_class: str | None, words: str | None) -> Code | None:
    """The code of a failure; None: nothing failed."""
    if error_class is None or words is None:
        return None
    for begin, code in _CODES:
        if begin.match(words):
            return code
    return "reported"
