"""The registry maps an actor's marker to its address.

A marker is an empty class, such as ``Ledger``, that stands for the actor in ``Ref[Ledger]``.
"""

from typing import Any, TypeVar, cast

from actors.kernel import Ref

To = TypeVar("To")


class Registry:
    """Addresses of actors, by marker.

    The registry is filled while the tree is built, before the actors start, so that they can refer
    to each other.
    """

    def __init__(self) -> None:
        self._refs: dict[type, Ref[Any]] = {}

    def register(self, marker: type[To], ref: Ref[To]) -> Ref[To]:
        """Register the address of the actor marked ``marker``.

        Raises LookupError if the marker has an address already.
        """
        if marker in self._refs:
            raise LookupError(f"an address is already registered for {marker.__name__}")
        self._refs[marker] = ref
        return ref

    def ref(self, marker: type[To]) -> Ref[To]:
        """Return the address of the actor marked ``marker``.

        Raises LookupError if the marker has no address.
        """
        if marker not in self._refs:
            known = ", ".join(sorted(known.__name__ for known in self._refs)) or "none"
            raise LookupError(f"no address is registered for {marker.__name__} (known: {known})")
        return cast("Ref[To]", self._refs[marker])
