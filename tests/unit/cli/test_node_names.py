"""Names of nodes on the command line."""

from rendertrust.cli.node_names import label, labels_of

FIRST, SECOND, THIRD = (f"{n}e9f7a1c-0000-4000-8000-000000000000" for n in "123")


def test_a_name_stands_for_a_node_and_the_id_is_added_if_two_have_it() -> None:
    names = labels_of([(FIRST, "studio"), (SECOND, "farm"), (THIRD, "farm"), (FIRST, "studio")])
    assert label(names, FIRST) == "studio"
    assert [label(names, id_) for id_ in (SECOND, THIRD)] == ["farm (2e9f7a1c)", "farm (3e9f7a1c)"]


def test_without_a_name_the_beginning_of_the_id_is_shown() -> None:
    names = labels_of([(FIRST, None), (None, None)])
    assert [label(names, id_) for id_ in (FIRST, None)] == ["1e9f7a1c", "-"]


def test_a_name_is_harmless_and_short() -> None:
    names = labels_of([(FIRST, "a\x1b[2J" + "b" * 100)])
    assert "\x1b" not in label(names, FIRST)
    assert len(label(names, FIRST)) == 24
