"""The stand-in as an engine: a small server on a loopback port, in the gateway's process.

The stand-in contains no foreign code, so it needs no separate process and starts at once. The
stand-in's state is in ``data/stripe``: payments and undelivered events survive a kill.
"""

import asyncio
from collections.abc import Callable
from pathlib import Path

import orjson
from aiohttp import web

from supervisors.engines.engine_folder import EngineFolder
from supervisors.engines.errors import EngineError
from supervisors.engines.free_ports import LOOPBACK, keep_ports
from supervisors.engines.secret import keep_secret, write_private
from supervisors.engines.stripe_payments import StripeEndpoint
from supervisors.engines.stripe_stand_in.deliveries import Deliveries
from supervisors.engines.stripe_stand_in.stripe_api import StripeApi
from supervisors.engines.stripe_stand_in.stripe_state import StripeState

WEBHOOK = "/api/v1/webhooks/stripe"


class EmbeddedStripe:
    """The stand-in.

    ``gateway_url`` returns the gateway's address once the gateway listens; webhooks go there.
    """

    name = "stripe"
    pid = 0

    def __init__(self, data: Path, gateway_url: Callable[[], str]) -> None:
        self._folder = EngineFolder(data, self.name, None)
        self._gateway_url = gateway_url
        self._stripe = StripeState()
        self._saving = asyncio.Lock()
        self._runner: web.AppRunner | None = None
        self._deliveries: Deliveries | None = None

    async def start(self, *, within: float = 10.0) -> StripeEndpoint:
        endpoint = await self._listen(within)
        self._deliveries = Deliveries(
            lambda: self._gateway_url() + WEBHOOK,
            endpoint.webhook_secret,
            self._delivered,
        )
        self._send()
        return endpoint

    async def _listen(self, within: float) -> StripeEndpoint:
        """Serve the API and the pages; on another port if the stored port is taken."""
        deadline = asyncio.get_running_loop().time() + within
        while True:
            endpoint, port = await asyncio.to_thread(self._prepare)
            desk = StripeApi(self._stripe, endpoint.secret_key, endpoint.url, self._save)
            runner = web.AppRunner(desk.site(), access_log=None, shutdown_timeout=1.0)
            await runner.setup()
            try:
                await web.TCPSite(runner, LOOPBACK, port).start()
            except OSError as error:
                await runner.cleanup()
                if asyncio.get_running_loop().time() >= deadline:
                    raise EngineError(f"{self.name} cannot listen: {error.strerror}") from error
                continue
            self._runner = runner
            return endpoint

    def remember(self, event: dict[str, object]) -> None:
        """Make the event available for retrieval."""
        self._stripe.events.pop(str(event["id"]), None)
        self._stripe.remember(event)

    async def exited(self) -> int:
        never: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        return await never

    async def stop(self) -> None:
        deliveries, self._deliveries = self._deliveries, None
        if deliveries is not None:
            await deliveries.close()
        runner, self._runner = self._runner, None
        if runner is not None:
            await runner.cleanup()

    def _prepare(self) -> tuple[StripeEndpoint, int]:
        """Read keys, port and stored state; blocks."""
        self._folder.make()
        key = "sk_test_" + keep_secret(self._folder.secrets / "key")
        secret = "whsec_" + keep_secret(self._folder.secrets / "webhook")
        port = keep_ports(self._folder.path / "ports", ("stripe",))["stripe"]
        if self._file.exists():
            self._stripe = StripeState(orjson.loads(self._file.read_bytes()))
        return StripeEndpoint(key, secret, f"http://{LOOPBACK}:{port}"), port

    @property
    def _file(self) -> Path:
        return self._folder.path / "till.json"

    async def _save(self) -> None:
        """Store the state, then send undelivered events."""
        async with self._saving:
            text = orjson.dumps(self._stripe.kept()).decode()
            await asyncio.to_thread(write_private, self._file, text)
        self._send()

    def _send(self) -> None:
        if self._deliveries is not None:
            for event in self._stripe.events.values():
                self._deliveries.add(event)

    async def _delivered(self, event: str) -> None:
        self._stripe.delivered(event)
        await self._save()
