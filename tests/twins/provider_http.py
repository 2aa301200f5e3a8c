"""In-memory ProviderHttp: providers that answer what a test says."""

from actors.ports.provider_http import ProviderAnswer, ProviderRequest, ProviderUnreachable
from config.oidc_providers import is_web_address

BYTES_MAX = 256 << 10


class TwinProviders:
    """A ProviderHttp. ``answers``: by address; ``requests``: what was sent."""

    def __init__(self) -> None:
        self.answers: dict[str, ProviderAnswer] = {}
        self.requests: list[ProviderRequest] = []

    async def send(self, request: ProviderRequest) -> ProviderAnswer | ProviderUnreachable:
        if not is_web_address(request.url, loopback=True):
            return ProviderUnreachable("its address must begin with https://")
        self.requests.append(request)
        answer = self.answers.get(request.url)
        if answer is None:
            return ProviderUnreachable("there is no connection")
        if len(answer.body) > BYTES_MAX:
            return ProviderUnreachable("its answer is too large")
        return answer
