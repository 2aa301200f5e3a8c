"""Templates of the console, whose live blocks are also rendered alone."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from jinja2 import nodes

from web.console.template_rendering import TEMPLATES, environment


def named_outside(tree: nodes.Template) -> set[str]:
    """Return what a template defines outside its blocks, where a block rendered alone sees none."""
    found = set[str]()
    for node in tree.body:
        if isinstance(node, nodes.Macro):
            found.add(node.name)
        elif isinstance(node, nodes.Import):
            found.add(node.target)
        elif isinstance(node, nodes.Assign):
            found |= {name.name for name in node.target.find_all(nodes.Name)}
    return found


def used_inside(tree: nodes.Template) -> Iterator[str]:
    """Yield the names that blocks within other blocks use."""
    for outer in tree.find_all(nodes.Block):
        for inner in outer.find_all(nodes.Block):
            yield from (name.name for name in inner.find_all(nodes.Name) if name.ctx == "load")


@pytest.mark.parametrize("path", sorted(TEMPLATES.glob("*.html")), ids=lambda path: path.stem)
def test_a_block_rendered_alone_has_all_that_it_uses(path: Path) -> None:
    tree = environment().parse(path.read_text())
    assert not named_outside(tree) & set(used_inside(tree))
