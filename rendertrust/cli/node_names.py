"""Names of nodes for people: the name where it is known, else the beginning of the id."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from rendertrust.cli import value_text

if TYPE_CHECKING:
    from rendertrust.client import AsyncClient, Job, Unit

NAME_SHOWN: Final = 24  # characters of a node's name
NODES_MOST: Final = 1_000  # nodes whose names are read


def node_of(job: "Job", *, whole: bool = False) -> str | None:
    """Return the node of a job: its name, and with ``whole`` also the id; None without a node."""
    if job.node_id is None:
        return None
    if job.node_name is None:
        return job.node_id if whole else value_text.short(job.node_id)
    name = value_text.cut(value_text.harmless(job.node_name), NAME_SHOWN)
    return f"{name} ({job.node_id})" if whole else name


def names_of(units: "Collection[Unit]") -> Mapping[str, str]:
    """Return the names of the nodes of some units by id.

    Nodes of the same name have the beginning of their id added. Nodes without a known name are not
    contained.
    """
    pairs = [(unit.node_id, unit.node_name) for unit in units]
    pairs += [(unit.copy_node_id, unit.copy_node_name) for unit in units]
    return labels_of(pairs)


async def own_names(client: "AsyncClient") -> Mapping[str, str]:
    """Return the names of the user's nodes by id, of at most ``NODES_MOST``.

    Return none with an API key that may not list them.
    """
    from rendertrust.client import Forbidden

    pairs = list[tuple[str | None, str | None]]()
    with suppress(Forbidden):
        async for node in client.each_node():
            pairs.append((node.id, node.name))
            if len(pairs) == NODES_MOST:
                break
    return labels_of(pairs)


def labels_of(pairs: Iterable[tuple[str | None, str | None]]) -> Mapping[str, str]:
    """Return labels by id for pairs of the id and name of a node."""
    known = {id_: value_text.harmless(name) for id_, name in pairs if id_ and name}
    ids = defaultdict[str, set[str]](set)
    for id_, name in known.items():
        ids[name].add(id_)
    return {
        id_: value_text.cut(name, NAME_SHOWN)
        if len(ids[name]) == 1
        else f"{value_text.cut(name, NAME_SHOWN)} ({value_text.short(id_)})"
        for id_, name in known.items()
    }


def label(names: Mapping[str, str], id_: str | None) -> str:
    """Return the name of a node, or the beginning of its id; ``-`` for None."""
    return names.get(id_ or "") or value_text.short(id_)
