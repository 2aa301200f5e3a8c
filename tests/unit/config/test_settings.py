"""Sources of settings, and settings that are refused."""

from pathlib import Path

import attrs
import pytest

from config.data_folder import FOR_ROOT, data_folder
from config.loader import SettingsError, load, refuse_exposed
from config.settings import SETTINGS

SECRET = "0123456789abcdefghijklmnopqrstuvwxyz"
STRIPE = {"secret_key": "sk_live_" + SECRET, "webhook_secret": "whsec_" + SECRET}


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "settings.toml"


def test_development_is_the_default_and_production_is_strict(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    development = load()
    assert development.environment == "development"
    assert not development.nodes.require_proof
    assert not development.results.require_object
    assert not development.results.require_evidence
    assert development.verification.enabled
    assert development.payloads.allows("any-bucket")
    assert development.credits.starter == "100"
    monkeypatch.setenv("RENDERTRUST_JWT_SECRET", SECRET)
    production = load(overrides={"environment": "production", "stripe": STRIPE})
    assert production.nodes.require_proof
    assert production.results.require_object
    assert production.results.require_evidence
    assert production.verification.enabled
    assert not production.payloads.allows("any-bucket")
    assert production.credits.starter == "0"


def test_a_later_source_wins(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file.write_text("[server]\nhost = 'file'\nport = 1\n[limits]\nlogin = 7\n")
    monkeypatch.setenv("RENDERTRUST_SERVER_PORT", "2")
    monkeypatch.setenv("RENDERTRUST_LIMITS_LOGIN", "8")
    read = load(file, {"limits": {"login": 9}})
    assert (read.server.host, read.server.port, read.limits.login) == ("file", 2, 9)


def test_the_file_may_name_the_environment(file: Path) -> None:
    file.write_text(f"environment = 'production'\n[jwt]\nsecret = '{SECRET}'\n")
    assert load(file, {"stripe": STRIPE}).production


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[server]\nprt = 1\n", "server.prt"),
        ("[sever]\nport = 1\n", "sever"),
        ("[server\n", "settings.toml"),
        ("environment = 'test'\n", "must be development or production"),
        ("[server]\nport = 70000\n", "server.port is 70000"),
        ("[limits]\nlogin = 0\n", "limits.login is 0"),
        ("[verification]\nmemory_gib = 1\n", "Blender needs at least 2"),
        ("[verification]\nthreads = -1\n", "verification.threads is -1"),
        (
            "[verification]\nplugins = 'a, b c'\n",
            "verification.plugins must name job types, which 'b c'",
        ),
        ("[verification]\nplugins = 'video'\n", "job types of plugins, which video is not"),
        ("[accounts]\nregistration = 'never'\n", "accounts.registration"),
        ("[nodes]\nrequire_proof = 'perhaps'\n", "nodes.require_proof"),
        ("[stripe]\nsecret_key = 'sk_test_x'\n", "stripe.webhook_secret must be set together"),
        ("[stripe]\nurl = 'http://stripe'\n", "stripe.url needs stripe.secret_key"),
    ],
)
def test_what_is_wrong_is_told_in_one_line(file: Path, text: str, said: str) -> None:
    file.write_text(text)
    with pytest.raises(SettingsError) as refused:
        load(file)
    assert said in str(refused.value)
    assert "\n" not in str(refused.value)


def test_every_number_has_bounds_that_its_defaults_keep() -> None:
    numbers = [one for one in SETTINGS if type(one.default) in {int, float}]
    assert [one.name for one in numbers if one.declared.bounds is None] == []
    for one in numbers:
        low, high = one.declared.bounds or (0, 0)
        for default in (one.default, *one.declared.by_environment.values()):
            assert low <= default <= high, one.name


def test_a_misspelt_variable_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RENDERTRUST_DATABASE_URI", "postgresql://x")
    with pytest.raises(SettingsError, match="RENDERTRUST_DATABASE_URI is not a setting"):
        load()


def test_a_missing_file_is_told(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="No such file"):
        load(tmp_path / "absent.toml")


@pytest.mark.parametrize(
    ("overrides", "said"),
    [
        ({}, "jwt.secret"),
        ({"jwt": {"secret": "short"}}, "jwt.secret"),
        ({"jwt": {"secret": "change-me-" * 5}}, "jwt.secret"),
        ({"jwt": {"secret": SECRET, "previous": "short"}}, "jwt.previous"),
        ({"jwt": {"secret": SECRET}, "objects": {"url": "http://s3"}}, "objects.access_key"),
        ({"jwt": {"secret": SECRET}, "nodes": {"require_proof": False}}, "nodes.require_proof"),
        ({"jwt": {"secret": SECRET}, "results": {"require_object": False}}, "require_object"),
        ({"jwt": {"secret": SECRET}, "results": {"require_evidence": False}}, "require_evidence"),
        ({"jwt": {"secret": SECRET}, "payloads": {"external_buckets": "*"}}, "external_buckets"),
        ({"jwt": {"secret": SECRET}}, "stripe.secret_key must be set"),
        ({"stripe": {**STRIPE, "secret_key": "pk_live_" + SECRET}}, "stripe.secret_key"),
        ({"stripe": {**STRIPE, "webhook_secret": "whsec_" + "x" * 40}}, "stripe.webhook_secret"),
    ],
)
def test_production_refuses_to_start(overrides: dict[str, dict[str, object]], said: str) -> None:
    with pytest.raises(SettingsError, match="production refuses to start") as refused:
        load(overrides={"environment": "production", **overrides})
    assert said in str(refused.value)


def test_production_refuses_to_start_without_a_verifier_unless_it_is_told_to() -> None:
    production = {"environment": "production", "jwt": {"secret": SECRET}, "stripe": STRIPE}
    with pytest.raises(SettingsError, match="verification needs a verifier"):
        load(overrides={**production, "verification": {"embedded": False}})
    for verification in (
        {"embedded": True},
        {"embedded": False, "own_nodes": "00000000-0000-4000-8000-000000000001"},
        {"embedded": False, "enabled": False},
    ):
        assert load(overrides={**production, "verification": verification}).production


def test_production_refuses_starter_credits() -> None:
    """Starter credits could be earned again and again by registering new users."""
    production = {"environment": "production", "jwt": {"secret": SECRET}, "stripe": STRIPE}
    with pytest.raises(SettingsError, match=r"credits\.starter must be 0"):
        load(overrides={**production, "credits": {"starter": "0.5"}})
    assert load(overrides={**production, "credits": {"starter": "0.00"}}).production


def test_production_without_payments_needs_no_stripe_and_is_as_strict_otherwise() -> None:
    """Credits are then worth no money, so new users may begin with some."""
    free: dict[str, object] = {"environment": "production", "payments": "none"}
    with pytest.raises(SettingsError, match=r"jwt\.secret must have") as refused:
        load(overrides={**free, "nodes": {"require_proof": False}})
    assert "nodes.require_proof must be on" in str(refused.value)
    assert "stripe" not in str(refused.value)
    read = load(overrides={**free, "jwt": {"secret": SECRET}, "credits": {"starter": "50"}})
    assert read.is_for_money, "results without evidence are invalid, and unverified ones unpaid"
    assert not read.takes_payments
    with pytest.raises(
        SettingsError, match=r"payments is none, so stripe\.secret_key must be empty"
    ):
        load(overrides={"payments": "none", "stripe": STRIPE})
    with pytest.raises(SettingsError, match="payments"):
        load(overrides={"payments": "paypal"})


@pytest.mark.parametrize("kind", ["sk", "rk"])
@pytest.mark.parametrize("insecure", [False, True])
def test_starter_credits_are_refused_in_development_too_where_stripe_takes_money(
    kind: str, insecure: bool
) -> None:
    """The default grant of development is refused, too."""
    live = {"secret_key": f"{kind}_live_{SECRET}", "webhook_secret": STRIPE["webhook_secret"]}
    development = {"stripe": live, "server": {"insecure_development": insecure}}
    for given in ({}, {"starter": "0.5"}):
        with pytest.raises(SettingsError, match=r"credits\.starter must be 0"):
            load(overrides={**development, "credits": given})
    assert not load(overrides={**development, "credits": {"starter": "0"}}).production
    test = {**live, "secret_key": f"{kind}_test_{SECRET}"}
    assert load(overrides={"stripe": test}).credits.starter == "100", "a test key takes no money"


@pytest.mark.parametrize(
    ("host", "open_to_others"),
    [
        ("127.0.0.1", False),
        ("127.1.2.3", False),
        ("::1", False),
        ("::ffff:127.0.0.1", False),
        ("localhost", False),
        ("0.0.0.0", True),
        ("::", True),
        ("::ffff:0.0.0.0", True),
        ("192.0.2.1", True),
        ("gateway.example", True),
        ("", True),
    ],
)
def test_development_serves_this_machine_alone(host: str, *, open_to_others: bool) -> None:
    settings = load(overrides={"server": {"host": host}})
    if open_to_others:
        with pytest.raises(SettingsError, match="development does not serve other machines"):
            refuse_exposed(settings)
    else:
        refuse_exposed(settings)
    refuse_exposed(load(overrides={"server": {"host": host, "insecure_development": True}}))


def test_settings_show_no_secrets() -> None:
    urls = {"database": {"url": "postgresql://a:hush@b/c"}, "redis": {"url": "redis://:hush@b"}}
    keys = {"jwt": {"secret": "hush" * 9}, "objects": {"secret_key": "hush", "access_key": "hush"}}
    stripe = {"stripe": {"secret_key": "sk_hush", "webhook_secret": "whsec_hush"}}
    assert "hush" not in repr(load(overrides={**urls, **keys, **stripe}))


def test_the_data_folder_is_outside_homes_for_root(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = load()
    monkeypatch.setattr("os.geteuid", lambda: 0)
    assert data_folder(settings) == FOR_ROOT
    assert data_folder(attrs.evolve(settings, data="/srv/x")) == Path("/srv/x")
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    monkeypatch.setenv("XDG_DATA_HOME", "/home/jane/data")
    assert data_folder(settings) == Path("/home/jane/data/rendertrust")


@pytest.mark.parametrize(
    "url",
    [
        *("https://", "ftp://rpc.example.org", "https://u:hush@[::1", "https://u:hush@rpc/ x"),
        *("https://u:hush@rpc:99999", "http://rpc:0", "https://rpc/#part", "rpc.example.org"),
    ],
)
def test_a_chain_address_needs_a_host(url: str) -> None:
    chain = {"url": url, "chain_id": 1, "key": "ab" * 32}
    with pytest.raises(SettingsError, match=r"chain\.url must be an http\(s\) URL") as refused:
        load(None, {"chain": chain})
    assert "hush" not in str(refused.value)


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1:8545", "https://:key@rpc/v3/x?y=z", "http://[::1]"]
)
def test_a_chain_address_may_have_a_user_a_path_and_a_query(url: str) -> None:
    chain = {"url": url, "chain_id": 1, "key": "ab" * 32}
    assert load(None, {"chain": chain}).chain.url == url
