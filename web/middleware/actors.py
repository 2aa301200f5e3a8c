"""What is shown of the actors: how many there are, what waits for them, how often they restarted.

It is read when somebody asks: nothing is counted twice, and nothing while messages are handled.
"""

from collections import Counter

from prometheus_client import Gauge

from supervisors.snapshot import Snapshot

LIVING = Gauge("rendertrust_actors", "Actors by kind.", ["actor"])
DEPTH = Gauge("rendertrust_mailbox_depth", "Messages queued for all actors of a kind.", ["actor"])
RESTARTS = Gauge("rendertrust_restarts", "Restarts of actors and supervisors.", ["actor"])


def show_actors(tree: Snapshot) -> None:
    """Take over a reading of the tree."""
    living, depth, restarts = Counter[str](), Counter[str](), Counter[str]()
    ahead = [tree]
    while ahead:
        part = ahead.pop()
        ahead += part.children
        if part.statistics is None:
            restarts[part.name] += part.restarts
            continue
        kind = part.kind.removesuffix("Actor")
        living[kind] += 1
        depth[kind] += part.statistics.depth
        restarts[kind] += part.restarts
    for gauge, figures in ((LIVING, living), (DEPTH, depth), (RESTARTS, restarts)):
        gauge.clear()  # kinds of which there are none any more
        for kind, figure in figures.items():
            gauge.labels(kind).set(figure)
