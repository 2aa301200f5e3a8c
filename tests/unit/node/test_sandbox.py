"""The sandbox's command line, and the message where no sandbox works."""

from pathlib import Path

import pytest

from rendertrust.node import blender, sandbox

READABLE = (Path("/home/u/venv"), Path("/home/u/venv/lib"), Path("/usr/lib/python3"))


def box(*, as_root: bool) -> sandbox.Sandbox:
    return sandbox.Sandbox(bwrap="bwrap", readable=(Path("/home/u/venv"),), as_root=as_root)


def _in_usr_bin(name: str) -> str | None:
    return f"/usr/bin/{name}"


def _nowhere(_: str) -> str | None:
    return None


def words(*, as_root: bool) -> str:
    return " ".join(box(as_root=as_root).command(["blender"], Path("/w"), Path("/inside")))


def test_user_becomes_nobody_in_a_namespace_that_allows_no_other() -> None:
    line = words(as_root=False)
    assert "--unshare-user --disable-userns --uid 65534" in line
    assert "setpriv" not in line
    assert line.endswith("-- blender")


def test_root_drops_to_a_stranger_before_the_program_starts() -> None:
    line = words(as_root=True)
    assert "--cap-drop ALL" in line
    guest = sandbox.guest_of(Path("/w"))
    assert guest > 1000
    assert f"--reuid {guest} --regid {guest}" in line
    assert line.index("--cap-drop ALL") < line.index("--cap-add") < line.index("setpriv")
    assert line.endswith("--bounding-set=-all --no-new-privs blender")


def test_each_work_folder_of_roots_has_a_stranger_of_its_own() -> None:
    guests = {sandbox.guest_of(Path(f"/w/{number}")) for number in range(20)}
    # in a container these user ids may not exist
    assert len(guests) > 10 or guests == {sandbox.NOBODY}


@pytest.mark.parametrize("as_root", [True, False])
def test_no_device_of_a_graphics_card_is_within_reach(as_root: bool) -> None:
    """The memory of a graphics card cannot be limited, so the sandbox has a /dev of its own."""
    command = box(as_root=as_root).command(["blender"], Path("/w"), Path("/inside"))
    assert command[command.index("--dev") + 1] == "/dev"
    assert not [word for word in command if word.startswith("--dev-bind")]
    assert not [word for word in command if word.startswith(("/dev/", "/sys"))]


@pytest.mark.parametrize("as_root", [True, False])
def test_everything_but_the_work_folder_is_read_only(as_root: bool) -> None:
    command = box(as_root=as_root).command(["blender"], Path("/w"), Path("/inside"))
    writable = [command[i + 1] for i, word in enumerate(command) if word == "--bind"]
    assert sorted(writable) == ["/w/home", "/w/out", "/w/tmp"]
    assert "--unshare-net" in command
    assert "--clearenv" in command
    assert "--die-with-parent" in command
    # the root is remounted read-only last
    assert command.index("/") > command.index("/worker/inside")


@pytest.mark.parametrize(
    ("worker", "mounted", "run"),
    [
        (Path("/p/inside"), "--ro-bind /p/inside /worker/inside", "/worker/inside/entry_point.py"),
        (Path("/p/one.py"), "--ro-bind /p/one.py /worker/one.py", "/worker/one.py"),
    ],
)
def test_a_program_is_a_file_or_a_folder(worker: Path, mounted: str, run: str) -> None:
    found = box(as_root=False)
    assert mounted in " ".join(found.command(["blender"], Path("/w"), worker))
    assert found.view(Path("/w"), worker).worker == run
    bare = sandbox.NoSandbox().view(Path("/w"), worker).worker
    assert bare == run.replace("/worker/", "/p/")


def test_parents_of_what_is_shown_are_open_to_nobody() -> None:
    line = words(as_root=True)
    assert "--dir /home --dir /home/u --ro-bind /home/u/venv /home/u/venv" in line


def test_folder_inside_another_or_the_system_is_shown_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shutil.which", _in_usr_bin)
    found = sandbox.find(READABLE)
    assert isinstance(found, sandbox.Sandbox)
    assert found.readable == (Path("/home/u/venv"),)


def test_missing_bubblewrap_is_told_with_its_command(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shutil.which", _nowhere)
    refused = sandbox.find(())
    assert isinstance(refused, sandbox.SandboxUnavailable)
    assert "apt-get install bubblewrap" in refused.reason


def test_root_never_renders_without_the_sandbox(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.getuid", lambda: 0)
    assert sandbox.find((), unsafe=True) == sandbox.SandboxUnavailable(sandbox.UNSAFE_AS_ROOT)
    monkeypatch.setattr("os.getuid", lambda: 1000)
    assert isinstance(sandbox.find((), unsafe=True), sandbox.NoSandbox)


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ("bwrap: setting up uid map: Permission denied", "sysctl"),
        ("bwrap: Creating new namespace failed: No space left on device", "sysctl"),
        ("bwrap: Can't find source path /x: No such file", "cannot start"),
        ("setpriv: failed to execute /v/bin/python: Permission denied", "chmod -R go+rX"),
    ],
)
def test_sandbox_that_does_not_start_is_explained(said: str, words: str) -> None:
    assert words in (sandbox.explain(said) or "")


def test_other_words_are_not_explained() -> None:
    assert sandbox.explain("Segmentation fault") is None


def test_missing_library_is_named_with_the_packages() -> None:
    said = "ImportError: libXrender.so.1: cannot open shared object file: No such file or directory"
    advice = blender.library_advice(said) or ""
    assert "libXrender.so.1" in advice
    assert "apt-get install" in advice
    assert blender.library_advice("ImportError: no such module") is None


def test_a_renderer_below_tmp_is_not_hidden_by_the_work_folders_own_tmp() -> None:
    line = words(as_root=False)
    assert line.index("/w/tmp /tmp") < line.index("--ro-bind /home/u/venv")
