"""A real provider of OpenID Connect for tests: npm's ``oidc-provider`` in a child process.

Its lock file has the hashes of all packages. They are installed once per environment.
"""

import asyncio
import fcntl
import hashlib
import json
import shutil
import sys
from asyncio.subprocess import DEVNULL, PIPE
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

import attrs

from scripts.nodejs import NODE, npm
from tests.support.free_ports import free_port

SOURCE: Final = Path(__file__).with_name("oidc_provider")
FILES: Final = ("package.json", "package-lock.json", "server.mjs")
CLIENT: Final = "rendertrust"
SECRET: Final = "the secret of/the farm: 7%+"
START_SECONDS: Final = 60.0


@attrs.define
class OidcServer:
    """A provider at ``issuer``, which runs while ``running`` is in use."""

    port: int = attrs.field(factory=free_port)
    id: str = "company"
    name: str = "Company"

    @property
    def issuer(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def table(self, **more: Any) -> dict[str, Any]:
        """Return the table of settings for a gateway."""
        scopes = "openid email profile groups"
        named = {"id": self.id, "name": self.name, "issuer": self.issuer, "scopes": scopes}
        return named | {"client_id": CLIENT, "client_secret": SECRET} | more

    @asynccontextmanager
    async def running(
        self,
        gateway: str,
        accounts: Mapping[str, Mapping[str, Any]],
        *,
        provider: Mapping[str, Any] | None = None,
        **client: Any,
    ) -> AsyncGenerator[None]:
        """Run the provider for the gateway at this address, with the claims of each login.

        ``provider`` and ``client``: further settings of ``oidc-provider``, and of the client.
        """
        folder = await asyncio.to_thread(installed)
        callback = f"{gateway}/console/sign-in/with/{self.id}/callback"
        given = {
            "port": self.port,
            "issuer": self.issuer,
            "client": {
                "client_id": CLIENT,
                "client_secret": SECRET,
                "redirect_uris": [callback],
                **client,
            },
            "accounts": accounts,
            "provider": provider or {},
        }
        process = await asyncio.create_subprocess_exec(
            *(str(NODE), "server.mjs"), cwd=folder, stdin=PIPE, stdout=PIPE, stderr=DEVNULL
        )
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            process.stdin.write(json.dumps(given).encode() + b"\n")
            async with asyncio.timeout(START_SECONDS):
                line = await process.stdout.readline()
            assert line == b"listening\n", line
            yield
        finally:
            process.stdin.close()
            if process.returncode is None:
                process.kill()
            await process.wait()


def installed() -> Path:
    """Return the folder with the provider and its packages."""
    content = b"".join((SOURCE / name).read_bytes() for name in FILES)
    home = Path(sys.prefix) / "programs"
    folder = home / f"oidc-provider-{hashlib.sha256(content).hexdigest()[:16]}"
    home.mkdir(exist_ok=True)
    with (home / "oidc-provider.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # another worker of the tests may be at it
        if not folder.exists():
            fresh = folder.with_suffix(".new")
            shutil.rmtree(fresh, ignore_errors=True)
            fresh.mkdir()
            for name in FILES:
                shutil.copy2(SOURCE / name, fresh / name)
            npm(fresh, "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error")
            fresh.rename(folder)
    return folder
