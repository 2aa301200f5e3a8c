"""Providers of OpenID Connect: how long their metadata and keys are used."""

import asyncio
import time
from datetime import UTC, datetime
from typing import Any

import attrs
import orjson
import pytest

from actors.ports import ProviderAnswer, ProviderRequest, ProviderUnreachable
from config.oidc_providers import OidcProviders, providers_of
from tests.support.scripted_provider import KEY, NEW_KEY, PUBLIC, signed
from tests.twins.provider_http import TwinProviders
from web.identity.id_tokens import KeyUnknown, TokenRefused
from web.identity.providers import (
    Provider,
    Providers,
    ProviderUnavailable,
    SignInSecrets,
    basic,
    role_of_groups,
)

ISSUER = "https://login.example"
DISCOVERY = f"{ISSUER}/.well-known/openid-configuration"
KEYS, TOKEN = f"{ISSUER}/keys", f"{ISSUER}/token"
SETTINGS = providers_of(
    [
        {
            "id": "company",
            "issuer": ISSUER,
            "client_id": "farm",
            "client_secret": "secret",
            "roles": {"a": "admin", "w": "auditor", "o": "operator", "u": "user"},
        }
    ]
)
SECRETS = SignInSecrets("00" * 32)


class HandClock:
    """A Clock that a test moves. Tokens need the real time."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def monotonic(self) -> float:
        return self.seconds

    def now(self) -> Any:

        return datetime.fromtimestamp(time.time(), UTC)


@attrs.define
class Bench:
    """A provider over an in-memory port."""

    clock: HandClock
    http: TwinProviders
    provider: Provider

    def answer(self, url: str, document: Any, status: int = 200) -> None:
        self.http.answers[url] = ProviderAnswer(status, orjson.dumps(document))

    def publish(self, *keys: Any) -> None:
        """Let the provider publish these keys, and sign with the last one."""
        public = [
            {name: each for name, each in key.as_dict(private=False).items() if name in PUBLIC}
            for key in keys
        ]
        self.answer(KEYS, {"keys": public})
        now = int(time.time())
        claims: dict[str, Any] = {"iss": ISSUER, "aud": "farm", "sub": "1", "name": "N"}
        claims |= {"nonce": SECRETS.nonce, "iat": now, "exp": now + 60}
        claims |= {"email": "n@example.org", "groups": []}
        algorithm = "RS256" if keys[-1] is KEY else "ES256"
        self.answer(TOKEN, {"id_token": signed(claims, keys[-1], algorithm)})

    def asked(self, url: str) -> int:
        return [request.url for request in self.http.requests].count(url)

    async def sign_in(self) -> str:
        return (await self.provider.identity("code", "https://farm.example", SECRETS)).subject


@pytest.fixture
def bench() -> Bench:
    clock, http = HandClock(), TwinProviders()
    providers = Providers(SETTINGS, http, clock, loopback=False)
    provider = providers.get("company")
    assert provider is not None
    found = Bench(clock, http, provider)
    metadata = {"issuer": ISSUER, "jwks_uri": KEYS, "token_endpoint": TOKEN}
    found.answer(DISCOVERY, {**metadata, "authorization_endpoint": f"{ISSUER}/authorize?a=1"})
    found.publish(KEY)
    return found


async def test_metadata_and_keys_are_used_for_an_hour(bench: Bench) -> None:
    for _ in range(3):
        assert await bench.sign_in() == "1"
    assert (bench.asked(DISCOVERY), bench.asked(KEYS)) == (1, 1)
    bench.clock.seconds = 3601
    assert await bench.sign_in() == "1"
    assert (bench.asked(DISCOVERY), bench.asked(KEYS)) == (2, 2)


async def test_many_sign_ins_at_once_ask_once(bench: Bench) -> None:
    await asyncio.gather(*(bench.sign_in() for _ in range(10)))
    assert (bench.asked(DISCOVERY), bench.asked(KEYS)) == (1, 1)


async def test_waits_for_a_provider_that_is_away_do_not_add_up(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent = list[str]()

    async def hang(request: ProviderRequest) -> ProviderUnreachable:
        sent.append(request.url)
        await asyncio.sleep(0)
        bench.clock.seconds += 5
        return ProviderUnreachable("no answer")

    monkeypatch.setattr(bench.http, "send", hang)
    made = (bench.sign_in() for _ in range(10))
    failures = await asyncio.gather(*made, return_exceptions=True)
    assert [type(each) for each in failures] == [ProviderUnavailable] * 10
    assert sent == [DISCOVERY]
    with pytest.raises(ProviderUnavailable):
        await bench.sign_in()
    assert sent == [DISCOVERY] * 2, "asked again"


async def test_an_unknown_key_is_asked_for_once_a_minute(bench: Bench) -> None:
    await bench.sign_in()
    bench.publish(KEY, NEW_KEY)
    for _ in range(3):
        with pytest.raises(KeyUnknown):
            await bench.sign_in()
    assert bench.asked(KEYS) == 1
    bench.clock.seconds = 61
    assert await bench.sign_in() == "1"
    assert bench.asked(KEYS) == 2


async def test_a_key_on_an_unknown_curve_is_passed_over(bench: Bench) -> None:
    bench.publish(KEY, NEW_KEY)
    document = orjson.loads(bench.http.answers[KEYS].body)
    of_future = {**document["keys"][1], "crv": "P-999"}
    bench.answer(KEYS, {"keys": [of_future, *document["keys"]]})
    assert await bench.sign_in() == "1"
    bench.clock.seconds = 3601
    bench.answer(KEYS, {"keys": [of_future]})
    with pytest.raises(TokenRefused):
        await bench.sign_in()


async def test_old_metadata_are_used_while_the_provider_is_away(bench: Bench) -> None:
    await bench.sign_in()
    del bench.http.answers[DISCOVERY]
    bench.clock.seconds = 3601
    url = await bench.provider.authorization_url(SECRETS, "https://farm.example")
    assert url.startswith(f"{ISSUER}/authorize?a=1&response_type=code&")
    fresh = Providers(SETTINGS, bench.http, bench.clock, loopback=False).get("company")
    assert fresh is not None
    with pytest.raises(ProviderUnavailable):
        await fresh.metadata()


def test_secrets_of_a_sign_in_differ_and_derive_from_its_token() -> None:
    found = {SECRETS.state, SECRETS.nonce, SECRETS.verifier, SECRETS.token}
    assert len(found) == 4
    assert all(len(each) == 43 for each in found - {SECRETS.token})
    assert SignInSecrets("00" * 32).state == SECRETS.state
    assert SignInSecrets("01" + "00" * 31).state != SECRETS.state
    assert SECRETS.is_state(SECRETS.state)
    assert not SECRETS.is_state("\ud800")
    assert SECRETS.token not in repr(SECRETS)


def test_a_client_and_its_secret_are_escaped() -> None:
    assert basic("a:b", "c d/%") == "Basic YSUzQWI6YytkJTJGJTI1"


@pytest.mark.parametrize(
    ("groups", "role", "then"),
    [
        (set(), "admin", "user"),
        (set(), "user", "user"),
        ({"x"}, "operator", "user"),
        ({"u"}, "admin", "user"),
        ({"o", "w"}, "user", "auditor"),
        ({"a", "u"}, "auditor", "admin"),
    ],
)
def test_the_highest_role_of_the_groups_counts(groups: set[str], role: str, then: str) -> None:
    assert role_of_groups(SETTINGS[0], frozenset(groups), role) == then


def test_without_a_mapping_roles_stay() -> None:
    plain = OidcProviders([attrs.evolve(SETTINGS[0], roles={})])
    assert role_of_groups(plain[0], frozenset({"a"}), "admin") == "admin"
