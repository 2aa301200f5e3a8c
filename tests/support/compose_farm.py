"""The farm of deploy/compose.yaml without containers: its engines' commands and its settings.

All of it runs in one network namespace, where the services' names and ports are as in the file.
"""

import asyncio
import hashlib
import os
import re
import shutil
import signal
import subprocess
from asyncio.subprocess import PIPE, STDOUT, Process
from collections.abc import AsyncGenerator, Generator, Mapping
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any, Final

import aiohttp
import attrs
import yaml
from yarl import URL

from supervisors.engines.engine_account import EngineAccount, engine_account
from supervisors.engines.engine_programs import (
    EnginePrograms,
    postgres_programs,
    valkey_programs,
    weed_programs,
)
from tests.support.api_clients import Creator
from tests.support.engines import engine_folder
from tests.support.gateway_process import ROOT
from tests.support.network_namespace import Host, another_host
from tests.support.until import until

DEPLOY: Final = ROOT / "deploy"
COMPOSE: Final[dict[str, Any]] = yaml.safe_load((DEPLOY / "compose.yaml").read_text())
SERVICES: Final[dict[str, dict[str, Any]]] = COMPOSE["services"]
NAMES: Final = "127.0.0.1 localhost postgres valkey store gateway\n"
FARM: Final = "farm.example"
STOP_SECONDS: Final = 60.0
READY_SECONDS: Final = 240.0
_VARIABLE: Final = re.compile(r"\$\{(\w+):([?-])([^}]*)\}")


def interpolated(text: str, **given: str) -> str:
    """Return a value as compose makes it from variables."""

    def value(found: re.Match[str]) -> str:
        name, kind, other = found.groups()
        assert kind == "-" or name in given, other
        return given.get(name, other)

    return _VARIABLE.sub(value, text)


def command_of(service: str, places: Mapping[str, Path]) -> list[str]:
    """Return the command of a service. ``places``: folders of this machine by the container's."""
    command = [str(word) for word in SERVICES[service]["command"]]
    for inside, outside in places.items():
        command = [word.replace(inside, str(outside)) for word in command]
    return command


def make_secrets(folder: Path) -> None:
    """Make the farm's secrets, as an admin makes them."""
    subprocess.run([DEPLOY / "compose/make-secrets", folder], check=True, capture_output=True)


@attrs.frozen
class Machine:
    """A host with the folders that compose mounts, and the account of its engines."""

    host: Host
    folder: Path
    account: EngineAccount

    @property
    def secrets(self) -> Path:
        return self.folder / "secrets"

    def data(self, name: str) -> Path:
        """Make a folder of the account's."""
        path = self.folder / name
        path.mkdir(exist_ok=True)
        os.chown(path, self.account.uid, self.account.gid)
        return path

    def as_account(self, *words: str) -> list[str]:
        """Return the command that runs a command as the account."""
        who = (f"--reuid={self.account.uid}", f"--regid={self.account.gid}", "--clear-groups")
        return ["setpriv", *who, *words]

    def program(self, programs: EnginePrograms) -> Path:
        """Return the path of an engine's program, which the account can run."""
        return programs.within_reach(self.account, self.folder) / programs.program

    def words(self, service: str, program: Path) -> list[str]:
        """Return the command of a service, with this machine's program and folders."""
        command = command_of(
            service, {"/run/secrets": self.secrets, "/data": self.folder / "store"}
        )
        if service == "valkey":
            command = command[1:]  # the program's name; that of the store is its entry point
        return [str(program), *command]

    @asynccontextmanager
    async def running(
        self, name: str, *words: str, environment: Mapping[str, str] | None = None
    ) -> AsyncGenerator[Process]:
        """Run a program on the host until the block ends."""
        with (self.folder / f"{name}.log").open("wb") as log:
            process = await asyncio.create_subprocess_exec(
                *self.host.command(*words),
                cwd=self.data(f"{name}-home") if environment is None else ROOT,
                env=environment,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        try:
            yield process
        finally:
            if process.returncode is None:
                process.send_signal(signal.SIGTERM)
            try:
                async with asyncio.timeout(STOP_SECONDS):
                    await process.wait()
            except TimeoutError:
                process.kill()
                await process.wait()

    async def call(self, *words: str, **environment: str) -> tuple[int, str]:
        """Run a command on the host; return its exit code and what it printed."""
        process = await asyncio.create_subprocess_exec(
            *self.host.command(*words),
            cwd="/",
            env=os.environ | environment,
            stdout=PIPE,
            stderr=STDOUT,
        )
        async with asyncio.timeout(STOP_SECONDS):
            printed, _ = await process.communicate()
        assert process.returncode is not None
        return process.returncode, printed.decode()

    async def serves(self, *words: str, **environment: str) -> bool:
        """Return True if the command succeeds."""
        return (await self.call(*words, **environment))[0] == 0


@contextmanager
def farm_machine() -> Generator[Machine]:
    """Make a host that knows the services' names, with the farm's secrets; needs root."""
    with engine_folder() as folder, another_host() as host:
        known = Path("/etc/netns") / host.name
        known.mkdir(parents=True)
        try:
            (known / "hosts").write_text(NAMES)
            make_secrets(folder / "made")
            shutil.copytree(folder / "made", folder / "secrets")
            (folder / "secrets").chmod(0o755)  # as each container sees its own files
            account = engine_account()
            assert account is not None, "root has one"
            yield Machine(host, folder, account)
        finally:
            shutil.rmtree(known)


@asynccontextmanager
async def engines(machine: Machine) -> AsyncGenerator[None]:
    """Run the engines of the farm."""
    async with postgres(machine), valkey(machine), store(machine):
        yield


@asynccontextmanager
async def postgres(machine: Machine) -> AsyncGenerator[None]:
    """Run PostgreSQL as its image does: a new cluster, in which the script makes the roles."""
    programs = machine.program(postgres_programs()).parent
    cluster, run = machine.data("cluster"), machine.data("run")
    making = [str(programs / "initdb"), f"--pgdata={cluster}", "--username=postgres", "--locale=C"]
    code, said = await machine.call(
        *machine.as_account(*making, "--auth-local=trust", "--auth-host=scram-sha-256")
    )
    assert code == 0, said
    server = machine.as_account(str(programs / "postgres"), "-D", str(cluster), "-k", str(run))
    async with machine.running("postgres", *server):
        at_socket = {"PGHOST": str(run), "PGUSER": "postgres"}
        path = os.pathsep.join([str(programs), os.environ["PATH"]])
        ready = (str(programs / "pg_isready"),)
        await until(lambda: machine.serves(*ready, **at_socket))
        entry = {"POSTGRES_USER": "postgres", "SECRETS": str(machine.secrets), "PATH": path}
        code, said = await machine.call(str(DEPLOY / "compose/roles.sh"), **at_socket, **entry)
        assert code == 0, said
        _, program, *options = SERVICES["postgres"]["healthcheck"]["test"]
        assert await machine.serves(str(programs / program), *options)
        yield


@asynccontextmanager
async def valkey(machine: Machine) -> AsyncGenerator[None]:
    words = machine.words("valkey", machine.program(valkey_programs()))
    async with machine.running("valkey", *machine.as_account(*words)):
        yield


@asynccontextmanager
async def store(machine: Machine) -> AsyncGenerator[None]:
    machine.data("store")
    words = machine.words("store", machine.program(weed_programs()))
    async with machine.running("store", *machine.as_account(*words)):
        url = SERVICES["store"]["healthcheck"]["test"][-1]
        await until(lambda: machine.serves("curl", "-fsS", "-o", "/dev/null", url))
        yield


def settings_folder(machine: Machine, owner: int) -> Path:
    """Make the folder of the gateway's settings and secrets."""
    folder = machine.folder / "settings"
    folder.mkdir()
    shutil.copy(DEPLOY / "compose/gateway.toml", folder)
    shutil.copy(machine.secrets / "secrets.toml", folder)
    os.chown(folder / "secrets.toml", owner, owner)
    return folder


def gateway_environment() -> dict[str, str]:
    """Return the variables of the gateway's container."""
    given = SERVICES["gateway"]["environment"].items()
    return {name: interpolated(value, FARM_HOST=FARM) for name, value in given}


@asynccontextmanager
async def gateway(
    machine: Machine, command: list[str], environment: Mapping[str, str]
) -> AsyncGenerator[str]:
    """Run the gateway by this command, and yield its address once it is ready."""
    url = f"http://{machine.host.there}:8000"
    async with (
        machine.running("gateway", *command, environment=environment) as process,
        aiohttp.ClientSession() as session,
    ):

        async def is_ready() -> bool:
            log = (machine.folder / "gateway.log").read_text()
            assert process.returncode is None, log[-4000:]
            try:
                async with session.get(f"{url}/api/v1/health/ready") as answer:
                    return bool((await answer.json())["status"] == "ready")
            except aiohttp.ClientError:
                return False

        await until(is_ready, within=READY_SECONDS)
        yield url


@asynccontextmanager
async def farm(
    machine: Machine, command: list[str], environment: Mapping[str, str]
) -> AsyncGenerator[None]:
    """Run the engines, and the gateway by this command.

    A scene has been uploaded through the gateway when the block begins.
    """
    async with engines(machine), gateway(machine, command, environment) as url:
        await upload(url)
        yield


async def upload(url: str) -> None:
    """Open an account, and upload a scene through the gateway into the store.

    The upload goes to the gateway as Caddy passes it on, for the name of the farm. On a busy
    machine, a new store may at first respond with 500; then, like clients, this tries again.
    """
    scene = b"a scene" * 1000
    announced = {
        "filename": "scene.blend",
        "size": len(scene),
        "sha256": hashlib.sha256(scene).hexdigest(),
    }
    async with aiohttp.ClientSession() as session:
        creator = Creator(session, url, "jane@example.org")
        await creator.register()
        status, made = await creator.call("POST", "/uploads", announced)
        assert status == 201, made
        put = made["put"]
        assert put["url"].startswith(f"https://{FARM}/rendertrust/"), put["url"]
        place = URL(put["url"].replace(f"https://{FARM}", url), encoded=True)
        headers = put["headers"] | {"Host": FARM}

        async def is_stored() -> bool:
            async with session.put(place, data=scene, headers=headers) as answer:
                assert answer.status in (200, 500), await answer.text()
                return answer.status == 200

        await until(is_stored)
        status, done = await creator.call("POST", f"/uploads/{made['id']}/complete")
        assert (status, done["status"]) == (200, "COMPLETED")
