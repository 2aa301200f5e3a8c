"""Tests of the architecture: which room may import which, and the other house rules."""

import ast
import importlib
import re
import sys
from functools import cache, lru_cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent

# room -> rooms that it may import, besides itself, the standard library and third parties
MAY_IMPORT: dict[str, set[str]] = {
    "rendertrust": set(),
    "config": set(),
    "sql": {"rendertrust"},
    "actors": {"rendertrust", "config", "sql"},
    "supervisors": {"rendertrust", "config", "sql", "actors"},
    "web": {"rendertrust", "config", "sql", "actors", "supervisors"},
    "extension": {"rendertrust"},
}
# The only import from the agent's package into the gateway.
DOORS: dict[str, set[str]] = {"rendertrust/__main__.py": {"web"}}
# The composition root may import what other modules of web may not.
COMPOSITION = ("web/app.py", "web/edge_children.py")
LINES_PER_FILE, LINES_PER_FUNCTION = 700, 50
SQL_TEXT = re.compile(
    r"^\s*(SELECT\s.+\sFROM\s|INSERT\s+INTO\s|UPDATE\s+\w+\s+SET\s|DELETE\s+FROM\s|TRUNCATE\s)",
    re.IGNORECASE | re.DOTALL,
)


@pytest.fixture(scope="module", params=MAY_IMPORT)
def room(request: pytest.FixtureRequest) -> str:
    """A room; all tests of one room run before those of the next, so that it is parsed once."""
    return str(request.param)


@lru_cache(maxsize=1)
def sources(room: str) -> list[tuple[str, ast.Module]]:
    paths = sorted((ROOT / room).rglob("*.py"))
    return [(path.relative_to(ROOT).as_posix(), ast.parse(path.read_text())) for path in paths]


def imported(tree: ast.Module) -> set[str]:
    """Return the dotted names of all imported modules, and of the names imported from them."""
    names: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            names |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
    return names


def rooms_of(names: set[str]) -> set[str]:
    return {name.split(".")[0] for name in names} & MAY_IMPORT.keys()


def test_room_imports_only_what_it_may(room: str) -> None:
    for name, tree in sources(room):
        stray = rooms_of(imported(tree)) - MAY_IMPORT[room] - {room} - DOORS.get(name, set())
        assert not stray, f"{name} imports {sorted(stray)}"


# What a commit can contain is declared apart from the messages of the Ledger, but belongs to them.
MESSAGES = ("messages", "effects")


def test_web_sees_of_actors_their_messages_only() -> None:
    allowed = re.compile(rf"actors(\.(kernel|ports|\w+\.({'|'.join(MESSAGES)}))(\..*)?)?$")
    for name, tree in sources("web"):
        if name in COMPOSITION:
            continue
        stray = {i for i in imported(tree) if i.startswith("actors.")}
        stray = {i for i in stray if not allowed.match(i) and not is_package(i)}
        assert not stray, f"{name} imports {sorted(stray)}"


def is_package(name: str) -> bool:
    """Return whether a name is a folder: ``from actors.ledger import messages`` also names one."""
    return (ROOT / name.replace(".", "/")).is_dir()


def test_web_sees_the_tree_in_the_composition_root_only() -> None:
    for name, tree in sources("web"):
        if name not in COMPOSITION:
            assert "supervisors.tree" not in imported(tree), name


# These actors run a part of their own room for a supervisor.
ACTORS_ELSEWHERE = {
    "supervisors/engines/engine_actor.py",
    "supervisors/schema_actor.py",
    "web/http/listener.py",
}


def test_actors_are_in_their_room() -> None:
    """Each folder has one actor, so that its class is found by the folder's name."""
    where = [
        name
        for room in MAY_IMPORT
        for name, tree in sources(room)
        for node in tree.body
        if isinstance(node, ast.ClassDef)
        and any(ast.unparse(base).startswith("Actor[") for base in node.bases)
    ]
    inside = [name for name in where if name.startswith("actors/")]
    assert set(where) - set(inside) == ACTORS_ELSEWHERE
    folders = [name.split("/")[1] for name in inside]
    assert sorted(set(folders)) == sorted(folders)
    assert all(name.endswith("/actor.py") for name in inside)


def test_an_actor_sees_of_another_its_messages_only() -> None:
    for name, tree in sources("actors"):
        own = ".".join(name.split("/")[:2])
        for module in imported(tree):
            parts = module.split(".")
            if parts[0] != "actors" or len(parts) < 3 or module.startswith(own + "."):
                continue
            assert parts[1] in {"kernel", "ports"} or parts[2] in MESSAGES, f"{name}: {module}"


def test_no_handler_waits_for_another_actor() -> None:
    """An actor that awaits an ask handles nothing else meanwhile, and its senders wait, too."""
    for name, tree in sources("actors"):
        if name.startswith("actors/kernel/"):
            continue
        for node in ast.walk(tree):
            if isinstance(node, ast.Await) and isinstance(node.value, ast.Call):
                called = node.value.func
                asks = isinstance(called, ast.Attribute) and called.attr == "ask"
                assert not asks, f"{name}:{node.lineno} awaits an ask"


def test_sql_text_is_in_its_room(room: str) -> None:
    for name, tree in sources(room):
        for node in ast.walk(tree):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                # The node's spool is a file of the node, not part of the gateway's database.
                own = room == "sql" or name.startswith("rendertrust/node/")
                assert own or not SQL_TEXT.match(node.value), f"{name}:{node.lineno} holds SQL"


# Nouns that end like participles.
NOUNS = frozenset(
    (
        *(
            "encoding",
            "forwarding",
            "keyring",
            "spending",
        ),
        *(
            "pricing",
            "rendering",
            "sampling",
            "signing",
            "standing",
            "stealing",
        ),
        *("testing", "tiling", "trusted", "tuning"),
    )
)


def test_modules_are_named_by_nouns(room: str) -> None:
    """A participle (``looked``, ``waiting``) does not name what a module holds."""
    for name, _ in sources(room):
        last = Path(name).stem.rpartition("_")[2]
        assert not re.search("(ed|ing)$", last) or last in NOUNS, name


# Words that the glossary replaced. ``DOCUMENTED`` names classes whose names the OpenAPI document
# has.
REPLACED = frozenset(
    (
        *("alike", "away", "board", "circle", "circles", "crowd", "desk", "doer", "fence", "floor"),
        *("kin", "kit", "larder", "lobby", "strays", "tills", "warden", "way"),
        *("wish", "wishes"),
    )
)
DOCUMENTED = {"HookWish", "JobWish"}


def test_names_use_the_words_of_the_glossary(room: str) -> None:
    for name, tree in sources(room):
        classes = {node.name for node in tree.body if isinstance(node, ast.ClassDef)}
        classes -= DOCUMENTED
        words = [re.sub("(?<!^)(?=[A-Z])", "_", one).lower() for one in classes]
        for said in (Path(name).stem, *words):
            assert not REPLACED & set(said.split("_")), f"{name}: {said}"


def test_a_class_name_is_used_once(room: str) -> None:
    where: dict[str, str] = {}
    for name, tree in sources(room):
        for node in tree.body:
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                assert node.name not in where, f"{node.name}: {name}, {where[node.name]}"
                where[node.name] = name


PROTOCOLS = "actors/ports/"  # a port may combine several ports


def test_no_class_is_made_of_mixins(room: str) -> None:
    """Reading a class that inherits from several of ours means reading as many files."""
    for name, tree in sources(room):
        ours = {node.name for node in tree.body if isinstance(node, ast.ClassDef)}
        for node in ast.walk(tree):
            if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] in MAY_IMPORT:
                ours |= {alias.asname or alias.name for alias in node.names}
        for node in ast.walk(tree):
            if isinstance(node, ast.ClassDef) and not name.startswith(PROTOCOLS):
                bases = {ast.unparse(base).partition("[")[0] for base in node.bases}
                assert len(bases & ours) <= 1, f"{name}:{node.lineno} {node.name}"


FRAGMENT_LINES = 60
# Parts of an actor, which have the same names in every actor's folder.
PARTS = ("__init__", "actor", "messages", "policy", "settings")
# Short modules with one importer in their folder that still are things of their own.
SMALL = {
    "actors/pulse/stuck_detector.py": "a thread of its own beside the event loop",
    "rendertrust/client/loop_thread.py": "its user is generated",
}


@cache
def importers() -> dict[str, set[str]]:
    """Return the files that import each module, by module name."""
    users: dict[str, set[str]] = {}
    for room in MAY_IMPORT:
        for name, tree in sources(room):
            for one in imported(tree):
                users.setdefault(one, set()).add(name)
    return users


def test_no_module_is_a_fragment_of_another(room: str) -> None:
    """A short module with one importer in its folder should be part of that importer."""
    users = importers()
    for name, _ in sources(room):
        path = Path(name)
        by = users.get(name.removesuffix(".py").replace("/", "."), set())
        is_short = (ROOT / name).read_text().count("\n") < FRAGMENT_LINES
        if path.stem in PARTS or name in SMALL or not is_short or len(by) != 1:
            continue
        user = Path(*by)
        assert user.parent != path.parent or user.stem == "__init__", (
            f"{name}: only {user} needs it"
        )


def test_files_and_functions_are_short(room: str) -> None:
    for name, tree in sources(room):
        lines = (ROOT / name).read_text().count("\n")
        assert lines <= LINES_PER_FILE, f"{name} has {lines} lines"
        for node in ast.walk(tree):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                size = (node.end_lineno or node.lineno) - node.lineno + 1
                assert size <= LINES_PER_FUNCTION, f"{name}:{node.lineno} {node.name}: {size} lines"


def test_room_is_this_checkout(room: str) -> None:
    """An installed package of the same name must not take the place of a room."""
    module = importlib.import_module(room)
    assert ROOT in Path(module.__file__ or "").resolve().parents
    assert room not in sys.stdlib_module_names


def test_docs_are_not_importable() -> None:
    assert not list((ROOT / "docs").rglob("*.py"))
