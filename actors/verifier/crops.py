"""Which parts of a picture are rendered again: by secret, half of them where much is to be seen.

Where that is says a coarse picture that the verifier makes himself. The node's own would be no use:
who cheats makes dull what he did not render. So numbers are drawn here, and placed there
(``rendertrust.node.inside.placing``).
"""

from typing import Final

from actors.verifier.odds import draw
from rendertrust.node.inside.placing import Drawn

COUNT: Final = 3


def draws(secret: bytes, unit: bytes, result: bytes) -> list[Drawn]:
    """The numbers of three crops: x, y, and the cell.

    The first is anywhere, the second where much varies, the third one or the other.
    """

    def drawn(purpose: bytes, number: int) -> float:
        return draw(secret, purpose, unit, result, number)

    found: list[Drawn] = []
    for number in range(COUNT):
        varied = number == 1 or (number == 2 and drawn(b"kind", number) < 0.5)
        cell = drawn(b"cell", number) if varied else None
        found.append((drawn(b"x", number), drawn(b"y", number), cell))
    return found
