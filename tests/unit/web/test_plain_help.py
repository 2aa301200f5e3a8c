"""Tests of the plain pages of the documentation."""

from pathlib import Path

from web.documentation import plain_help

TEXT = """\
# A page

<div class="grid cards" markdown>

See [there](folder/other.md#part), [the errors](errors.md#gone), [what is built](reference/x.md),
[a page elsewhere](../outside.md),
[a site](https://example.org) and [below](#the-end-of-it).

</div>

| a | b |
| --- | --- |
| 1 | 2 |

## The end, of it
"""


def test_links_to_what_is_not_served_become_text(tmp_path: Path) -> None:
    docs = tmp_path / "docs"
    (docs / "folder").mkdir(parents=True)
    (docs / "folder" / "other.md").write_text("# Other\n")
    (tmp_path / "outside.md").write_text("# Outside\n")
    (docs / "page.md").write_text(TEXT)
    shown = plain_help.page(docs, "page.md", 0)
    assert shown.title == "A page"
    assert '<a href="folder/other.md#part">there</a>' in shown.body
    assert '<a href="errors.md#gone">the errors</a>' in shown.body
    assert "<span>what is built</span>,\n<span>a page elsewhere</span>" in shown.body
    assert '<a href="https://example.org">' in shown.body
    assert '<a href="#the-end-of-it">below</a>' in shown.body
    assert '<h2 id="the-end-of-it">' in shown.body
    assert "markdown" not in shown.body
    assert '<div class="scroll" tabindex="0"><table>' in shown.body


def test_a_page_is_found_by_its_file_and_by_its_address_in_the_site(tmp_path: Path) -> None:
    for name in ("index.md", "folder/index.md", "folder/other.md"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("# Page\n")
    (tmp_path / "secret.txt").write_text("no page")
    asked = ("", "folder/", "folder/other/", "folder/other.md", "secret.txt", "none", "a\0")
    names = [plain_help.found(tmp_path, each) for each in asked]
    assert [one and one.relative_to(tmp_path).as_posix() for one in names] == [
        "index.md",
        "folder/index.md",
        "folder/other.md",
        "folder/other.md",
        None,
        None,
        None,
    ]
