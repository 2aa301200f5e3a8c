"""The object store as a child of the gateway: SeaweedFS in one process, S3 on a loopback port.

SeaweedFS creates unix sockets in /tmp, and no option moves its sockets for gRPC. Two other sockets
can be placed elsewhere, unless the data folder's path is too long for a socket. All sockets have a
port in their names. Some sockets remain when SeaweedFS stops, and all remain when it is killed.
SeaweedFS would hang if another user had a socket whose name contains a chosen port.
"""

import asyncio
import contextlib
import json
import signal
from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

import aiohttp

from supervisors.engines.engine import Engine
from supervisors.engines.engine_account import EngineAccount
from supervisors.engines.engine_programs import weed_programs
from supervisors.engines.free_ports import (
    LOOPBACK,
    fits_unix_socket,
    is_free,
    keep_ports,
    read_ports,
)
from supervisors.engines.objects_endpoint import BUCKET, ObjectsEndpoint
from supervisors.engines.secret import keep_secret, write_private
from supervisors.engines.tethered_process import Command

if TYPE_CHECKING:
    from supervisors.engines.s3_signing import Presigner

# Each service has an HTTP port and a gRPC port.
SERVICES = ("master", "volume", "filer", "s3")
PORTS = tuple(port for service in SERVICES for port in (f"{service}.port", f"{service}.port.grpc"))
# SeaweedFS's worker looks for the admin service's gRPC port at this offset from its HTTP port.
ADMIN_GRPC_OFFSET = 10_000
READY_SECONDS = 2.0
PROBE_KEY, PROBE = ".ready", b"ready"
STOP = ((signal.SIGTERM, 15.0),)
SOCKETS = Path("/tmp")  # noqa: S108 - the program's choice, not ours
SOCKETS_OF = (*SERVICES, "admin")


class EmbeddedObjects(Engine[ObjectsEndpoint]):
    """A store in ``data/objects``.

    Objects survive a kill; a power failure may lose the newest objects.
    """

    name = "objects"
    # Sometimes SeaweedFS starts without ever offering volumes to write to; a restart helps.
    attempt_seconds = 8.0
    recovery_seconds = 90.0

    def __init__(self, data: Path, *, account: EngineAccount | None, bucket: str = BUCKET) -> None:
        super().__init__(data, account=account)
        self._bucket = bucket
        self._program = Path()
        self._ports: dict[str, int] = {}
        self._secrets: dict[str, str] = {}

    async def prepare(self, lock: int) -> None:
        root = weed_programs().within_reach(self.folder.account, self.folder.data)
        self._program = root / "weed"
        for name in ("access-key", "secret-key", "admin", "volume-jwt", "filer-jwt", "read-jwt"):
            self._secrets[name] = keep_secret(self.folder.secrets / name)

    async def command(self) -> Command:
        self._choose_ports()
        self._write_configuration()
        arguments = ("-logtostderr=true", f"-config_dir={self._configuration}")
        options = f"-options={self._configuration / 'options'}"
        run: list[str | Path] = [self._program, *arguments, "mini", options]
        return Command(run, STOP, leavings=possible_sockets(self._ports))

    def _choose_ports(self) -> None:
        kept, kept_admin = self.folder.path / "ports", self.folder.path / "admin-port"
        remove_sockets(with_admin_grpc({**read_ports(kept), **read_ports(kept_admin)}))
        ports = keep_ports(kept, PORTS, usable)
        admin = keep_ports(kept_admin, ("admin.port",), usable_for_admin)
        self._ports = with_admin_grpc({**ports, **admin})

    @property
    def _configuration(self) -> Path:
        return self.folder.path / "configuration"

    def _write_configuration(self) -> None:
        self.folder.give("configuration", anew=True)
        data = self.folder.give("store")
        # Options of the last run, which SeaweedFS would reuse.
        (data / "mini.options").unlink(missing_ok=True)
        for name, text in (
            ("options", self._options(data, self.folder.give("run", anew=True))),
            ("s3.json", self._identities()),
            ("security.toml", self._security()),
        ):
            write_private(self._configuration / name, text, self.folder.owned())

    def _options(self, data: Path, sockets: Path) -> str:
        """Return the options: every port and socket is set, everything unnecessary is off."""
        options = {
            "dir": data,
            "ip": LOOPBACK,
            "ip.bind": LOOPBACK,
            "bucket": self._bucket,
            "s3.config": self._configuration / "s3.json",
            "s3.port.iceberg": 0,
            "s3.port.lance": 0,
            "s3.iam": "false",
            "s3.autoCreateBucket": "false",
            "s3.allowDeleteBucketNotEmpty": "false",
            "webdav": "false",
            "admin.ui": "false",
            "admin.password": self._secrets["admin"],
            "master.telemetry": "false",
            # Resuming can leave the master without a leader for a while; the volumes have all the
            # data.
            "master.resumeState": "false",
            "volume.preStopSeconds": 0,
            **placed_sockets(sockets),
            **self._ports,
        }
        return "".join(f"{name}={value}\n" for name, value in options.items())

    def _identities(self) -> str:
        key = {
            "accessKey": self._secrets["access-key"],
            "secretKey": self._secrets["secret-key"],
        }
        actions = ["Admin", "Read", "Write", "List", "Tagging"]
        identity = {"name": "gateway", "credentials": [key], "actions": actions}
        return json.dumps({"identities": [identity]})

    def _security(self) -> str:
        """Return the keys of the internal services' tokens.

        Without tokens, other local users could use these services.
        """
        sections = {
            "jwt.signing": "volume-jwt",
            "jwt.filer_signing": "filer-jwt",
            "jwt.filer_signing.read": "read-jwt",
        }
        return "".join(
            f'[{section}]\nkey = "{self._secrets[name]}"\n' for section, name in sections.items()
        )

    async def ready(self, pid: int) -> ObjectsEndpoint | None:
        endpoint = ObjectsEndpoint(
            url=f"http://{LOOPBACK}:{self._ports['s3.port']}",
            access_key=self._secrets["access-key"],
            secret_key=self._secrets["secret-key"],
            bucket=self._bucket,
        )
        return endpoint if await works(endpoint) else None

    async def stop(self) -> None:
        await super().stop()
        remove_sockets(self._ports)


def placed_sockets(folder: Path) -> dict[str, Path]:
    """Return options that place sockets into ``folder``; no options if the path is too long."""
    s3, filer = folder / "s3", folder / "filer"
    if not fits_unix_socket(filer):
        return {}
    return {"s3.localSocket": s3, "filer.localSocket": filer, "s3.localFilerSocket": filer}


def usable(port: int) -> bool:
    """Return True if the port is free, and no other store's socket is in the way."""
    return is_free(port) and not socket_paths(port)


def usable_for_admin(port: int) -> bool:
    grpc = port + ADMIN_GRPC_OFFSET
    return grpc < 65_536 and usable(port) and usable(grpc)


def with_admin_grpc(ports: dict[str, int]) -> dict[str, int]:
    if "admin.port" in ports:
        ports["admin.port.grpc"] = ports["admin.port"] + ADMIN_GRPC_OFFSET
    return ports


async def answers(endpoint: ObjectsEndpoint) -> bool:
    """Return True if a request signed with the store's key is served; another store would refuse
    the request.
    """
    signer = await presigner(endpoint)
    return await statuses(("GET", signer.bucket(within=60))) == [200]


async def works(endpoint: ObjectsEndpoint) -> bool:
    """Return True if objects can be read and written.

    A store can list objects before it can read and write them.
    """
    signer = await presigner(endpoint)
    read = signer.get(PROBE_KEY, within=60)
    write = signer.put(PROBE_KEY, within=60, size=None, sha256=None, once=False)
    old, *new = await statuses(("GET", read), ("PUT", write.url), ("GET", read))
    return old in (200, 404) and new == [200, 200]


async def presigner(endpoint: ObjectsEndpoint) -> "Presigner":
    """Return a signer for the endpoint. The signer's module is imported in a thread."""
    signing = await asyncio.to_thread(import_module, "supervisors.engines.s3_signing")
    made: Presigner = signing.Presigner(endpoint, endpoint.url)
    return made


async def statuses(*requests: tuple[str, str]) -> list[int]:
    """Return the status of each request; after a request without an answer, 0 for that and all
    further requests.
    """
    got = [0] * len(requests)
    timeout = aiohttp.ClientTimeout(total=READY_SECONDS)
    async with aiohttp.ClientSession(timeout=timeout) as session:
        for number, (method, url) in enumerate(requests):
            data = PROBE if method == "PUT" else None
            try:
                async with session.request(method, url, data=data) as response:
                    await response.read()
                    got[number] = response.status
            except (aiohttp.ClientError, TimeoutError, OSError):
                break
    return got


def socket_paths(port: int) -> list[Path]:
    """Return the existing sockets for a port, of any user."""
    names = (f"seaweedfs-{service}{kind}" for service in SOCKETS_OF for kind in ("", "-grpc"))
    paths = (SOCKETS / f"{name}-{port}.sock" for name in names)
    return [path for path in paths if path.is_socket()]


def possible_sockets(ports: Mapping[str, int]) -> list[Path]:
    """Return the sockets that a store with these ports may have."""
    names = [f"{service}-grpc-{ports[f'{service}.port.grpc']}" for service in SOCKETS_OF]
    names += [f"{service}-{ports[f'{service}.port']}" for service in ("filer", "s3")]
    return [SOCKETS / f"seaweedfs-{name}.sock" for name in names]


def remove_sockets(ports: Mapping[str, int]) -> None:
    """Remove sockets of a killed store.

    Sockets of another user stay, and their ports are not used.
    """
    for port in ports.values():
        for path in socket_paths(port):
            with contextlib.suppress(OSError):
                path.unlink()
