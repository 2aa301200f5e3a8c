"""In-memory multipart uploads: the parts that have arrived, and their completion."""

import hashlib
from collections.abc import Sequence
from itertools import count

from attrs import field, frozen

from actors.ports import ObjectMissing, Part, PartsRefused

PART_BYTES_LEAST = 5 << 20  # smallest size of all parts but the last


@frozen
class _Body:
    data: bytes = field(repr=False)
    sha256: bytes

    @property
    def tag(self) -> str:
        return f'"{self.sha256.hex()[:32]}"'


@frozen
class _Multipart:
    key: str
    bodies: dict[int, _Body] = field(factory=dict[int, _Body], repr=False)


class Multiparts:
    """Multipart uploads by name; ``open`` has the uploads that were neither completed nor
    aborted.
    """

    def __init__(self) -> None:
        self._numbers = count(1)
        self._multiparts: dict[str, _Multipart] = {}
        # parts that are listed twice, as object stores may list them after two PUTs
        self.twice: set[int] = set()

    @property
    def open(self) -> set[str]:
        return set(self._multiparts)

    def begin(self, key: str) -> str:
        name = f"multipart-{next(self._numbers)}"
        self._multiparts[name] = _Multipart(key)
        return name

    def put(self, key: str, name: str, number: int, body: bytes) -> bool:
        """Store a part; return False if there is no such multipart upload."""
        found = self._multiparts.get(name)
        if found is None or found.key != key:
            return False
        found.bodies[number] = _Body(body, _sha256(body))
        return True

    def parts_of(self, key: str, name: str) -> list[Part]:
        bodies = self._found(key, name).bodies
        numbers = sorted([*bodies, *(self.twice & bodies.keys())])
        return [Part(number, len(bodies[number].data), bodies[number].tag) for number in numbers]

    def complete(self, key: str, name: str, parts: Sequence[Part]) -> tuple[bytes, bytes]:
        """Return the object's content and the SHA-256 of its parts' SHA-256s."""
        bodies = self._found(key, name).bodies
        for part in parts:
            body = bodies.get(part.number)
            if body is None or (body.tag, body.sha256) != (part.tag, part.sha256):
                raise PartsRefused(f"part {part.number}")
        whole = [bodies[part.number] for part in parts]
        if any(len(body.data) < PART_BYTES_LEAST for body in whole[:-1]):
            raise PartsRefused("too small")
        del self._multiparts[name]
        content = b"".join(body.data for body in whole)
        return content, _sha256(b"".join(body.sha256 for body in whole))

    def abort(self, key: str, name: str) -> None:
        if name in self._multiparts and self._multiparts[name].key == key:
            del self._multiparts[name]

    def _found(self, key: str, name: str) -> _Multipart:
        found = self._multiparts.get(name)
        if found is None or found.key != key:
            raise ObjectMissing(name)
        return found


def _sha256(body: bytes) -> bytes:
    return hashlib.sha256(body).digest()
