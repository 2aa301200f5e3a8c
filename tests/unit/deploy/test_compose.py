"""Tests of deploy/compose.yaml without containers: its form, its files, secrets and settings."""

import hashlib
import json
import os
import re
import stat
import subprocess
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest
import yaml

from config.loader import load
from config.settings import Settings
from supervisors.engines.engine_programs import postgres_programs, valkey_programs, weed_programs
from tests.support.compose_farm import COMPOSE, DEPLOY, SERVICES, interpolated, make_secrets

VENDORED = Path(__file__).parent / "vendored"
OURS = {"gateway", "node"}
SCHEMA = json.loads((VENDORED / "compose-spec.json").read_text())


@pytest.fixture(scope="module")
def secrets(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder of secrets, as an admin makes them."""
    folder = tmp_path_factory.mktemp("farm") / "secrets"
    make_secrets(folder)
    return folder


def test_the_schema_is_as_its_package_has_it() -> None:
    manifest = json.loads((VENDORED / "manifest.json").read_text())
    for name, file in manifest["files"].items():
        assert hashlib.sha256((VENDORED / name).read_bytes()).hexdigest() == file["sha256"]
    assert set(manifest["files"]) == {path.name for path in VENDORED.iterdir()} - {"manifest.json"}


def test_it_has_the_form_of_a_compose_file() -> None:
    jsonschema_rs.validator_for(SCHEMA).validate(COMPOSE)


@pytest.mark.parametrize(
    ("service", "value"),
    [("gateway", {"imag": "x"}), ("caddy", {"ports": 80}), ("store", {"healthcheck": {"test": 1}})],
    ids=["a typing mistake", "no list", "no command"],
)
def test_a_mistake_is_found(service: str, value: dict[str, Any]) -> None:
    wrong = COMPOSE | {"services": {service: SERVICES[service] | value}}
    assert not jsonschema_rs.validator_for(SCHEMA).is_valid(wrong)


def test_every_file_that_it_names_exists() -> None:
    mounted = [each for one in SERVICES.values() for each in one.get("volumes", ())]
    sources = [each.partition(":")[0] for each in mounted]
    files = {each for each in sources if each.startswith("./")}
    assert {each for each in sources if not each.startswith("./")} == set(COMPOSE["volumes"])
    assert [each for each in files if not (DEPLOY / each).is_file()] == []
    assert len(files) == 5
    for name in OURS:
        build = SERVICES[name]["build"]
        assert (DEPLOY / build["context"] / build["dockerfile"]).is_file()
    assert os.access(DEPLOY / "compose/roles.sh", os.X_OK)


def test_services_of_others_have_a_version_a_health_check_and_a_restart() -> None:
    for name, service in SERVICES.items():
        assert service["restart"] in ("unless-stopped", "on-failure"), name
        if name not in OURS:
            assert re.fullmatch(r"docker\.io/[a-z/]+:v?[0-9]+(\.[0-9]+)*", service["image"]), name
            assert service["healthcheck"]["test"][0] in ("CMD", "CMD-SHELL"), name


def test_its_engines_are_those_of_the_tests() -> None:
    """The embedded engines, with which all tests run, have the same versions."""
    found = {name: SERVICES[name]["image"].rpartition(":")[2] for name in SERVICES}
    assert weed_programs().version == found["store"]
    assert postgres_programs().version.partition(".")[0] == found["postgres"]
    assert valkey_programs().version.partition(".")[0] == found["valkey"]


def test_only_the_proxy_and_prometheus_have_ports_and_the_engines_have_no_way_out() -> None:
    assert COMPOSE["networks"]["data"] == {"internal": True}
    for name in ("postgres", "valkey", "store"):
        assert SERVICES[name]["networks"] == ["data"]
    ports = {name: service["ports"] for name, service in SERVICES.items() if "ports" in service}
    assert ports.keys() == {"caddy", "prometheus"}
    assert all(each.startswith("127.0.0.1:") for each in ports["prometheus"])


def test_each_secret_is_a_file_that_the_script_makes_for_those_who_need_it(secrets: Path) -> None:
    named = {each["file"].rpartition("/")[2]: each["file"] for each in COMPOSE["secrets"].values()}
    assert set(named) == {path.name for path in secrets.iterdir()} == set(COMPOSE["secrets"])
    assert {Path(file).parent for file in named.values()} == {Path("compose/secrets")}
    assert stat.S_IMODE(secrets.stat().st_mode) == 0o700
    assert stat.S_IMODE((secrets / "secrets.toml").stat().st_mode) == 0o400
    if os.geteuid() == 0:
        assert (secrets / "secrets.toml").stat().st_uid == 10001
    text = "".join(path.read_text() for path in secrets.iterdir())
    words = set(re.findall("[0-9a-f]{64}", text))
    assert len(words) == 7
    assert not [word for word in words if word in json.dumps(COMPOSE)]


def test_secrets_are_never_overwritten(secrets: Path) -> None:
    before = (secrets / "secrets.toml").read_text()
    ran = subprocess.run(
        [DEPLOY / "compose/make-secrets", secrets], capture_output=True, text=True, check=False
    )
    assert (ran.returncode, "nothing was changed" in ran.stderr) == (1, True)
    assert (secrets / "secrets.toml").read_text() == before


def settings(folder: Path, secrets: Path, patch: pytest.MonkeyPatch, **given: str) -> Settings:
    """Return the settings of the gateway's container."""
    for name in ("gateway.toml", "secrets.toml"):
        source = secrets if name.startswith("secrets") else DEPLOY / "compose"
        (folder / name).write_bytes((source / name).read_bytes())
        (folder / name).chmod(0o400)
    for name, value in SERVICES["gateway"]["environment"].items():
        patch.setenv(name, interpolated(value, FARM_HOST="farm.example", **given))
    return load(folder / "gateway.toml")


def test_the_gateway_takes_its_settings_and_secrets(
    tmp_path: Path, secrets: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = settings(tmp_path, secrets, monkeypatch)
    assert (found.production, found.verification.enabled) == (True, False)
    assert found.server.public_url == "https://farm.example"
    assert found.server.host == "0.0.0.0"
    proxy = SERVICES["caddy"]["networks"]["front"]["ipv4_address"]
    assert [str(each) for each in found.server.proxies()] == [f"{proxy}/32"]
    store = json.loads((secrets / "store.json").read_text())["identities"][0]["credentials"][0]
    assert (found.objects.access_key, found.objects.secret_key) == tuple(store.values())
    assert f"-bucket={found.objects.bucket}" in SERVICES["store"]["command"]
    assert (secrets / "postgres_app").read_text() in found.database.url
    assert (secrets / "postgres_owner").read_text() in found.database.owner_url
    assert (secrets / "valkey.conf").read_text().split()[1] in found.redis.url


def test_two_variables_switch_verification_on(
    tmp_path: Path, secrets: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    node = "00000000-0000-4000-8000-000000000001"
    on = {"FARM_VERIFICATION": "true", "FARM_VERIFIERS": node}
    found = settings(tmp_path, secrets, monkeypatch, **on).verification
    assert (found.enabled, found.embedded, found.own_nodes) == (True, False, node)


def test_prometheus_asks_the_gateway_and_has_its_rules() -> None:
    asked = yaml.safe_load((DEPLOY / "compose/prometheus.yml").read_text())
    assert asked["scrape_configs"][0]["static_configs"] == [{"targets": ["gateway:8000"]}]
    assert f"./prometheus/{asked['rule_files'][0]}:" in "".join(SERVICES["prometheus"]["volumes"])
