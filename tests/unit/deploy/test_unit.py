"""Tests that the systemd unit and the files beside it match the runbook."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from actors.auditor.messages import BROKEN_EXIT_CODE
from actors.pulse.actor import LOOK_SECONDS
from config.loader import SettingsError, load
from web.composition_root import LISTENER_STOP_SECONDS
from web.nodes.embedded_verifier import EmbeddedVerifierState, embedding_of

ROOT = Path(__file__).resolve().parents[3]
DEPLOY = ROOT / "deploy/systemd"
EXPOSURE_MAX = 2.0  # on the scale of systemd-analyze, from 0 to 10


def directives() -> dict[str, list[str]]:
    """Return all assignments of the unit, by name."""
    found: dict[str, list[str]] = {}
    for line in (DEPLOY / "rendertrust.service").read_text().splitlines():
        if matched := re.match(r"(\w+)=(.*)", line):
            found.setdefault(matched[1], []).append(matched[2])
    return found


def test_the_unit_waits_for_the_gateway_and_feeds_on_its_watchdog() -> None:
    unit = directives()
    assert unit["Type"] == ["notify"]
    assert float(unit["WatchdogSec"][0]) >= 2 * LOOK_SECONDS
    # the times to drain, to stop the web server and to stop the engines
    assert float(unit["TimeoutStopSec"][0]) > 60 + LISTENER_STOP_SECONDS + 40
    assert unit["TimeoutStartSec"] == ["infinity"]  # a migration may take any time
    assert unit["Restart"] == ["on-failure"]
    assert unit["RestartPreventExitStatus"] == [f"2 {BROKEN_EXIT_CODE}"]
    assert unit["KillMode"] == ["mixed"]


def test_the_unit_takes_away_what_the_gateway_does_not_need() -> None:
    unit = directives()
    assert unit["User"] == ["rendertrust"]
    assert unit["StateDirectory"] == ["rendertrust"]
    assert unit["CapabilityBoundingSet"] == [""]
    for name in ("NoNewPrivileges", "PrivateTmp", "PrivateDevices", "ProtectHome",
                 "ProtectKernelTunables", "ProtectControlGroups", "RestrictSUIDSGID"):  # fmt: skip
        assert unit[name] == ["yes"], name
    assert unit["ProtectSystem"] == ["strict"]


def test_systemd_itself_accepts_the_unit(tmp_path: Path) -> None:
    """The check needs ``systemd-analyze``; without it the test passes."""
    program = shutil.which("systemd-analyze")
    text = (DEPLOY / "rendertrust.service").read_text()
    assert text.count("/opt/rendertrust/.venv/gateway/bin/python") == 1
    if program is None:
        return
    unit = tmp_path / "rendertrust.service"
    # The check needs an existing program.
    unit.write_text(text.replace("/opt/rendertrust/.venv/gateway/bin/python", sys.executable))
    done = subprocess.run(
        [program, "verify", "--man=no", unit], capture_output=True, text=True, check=False
    )
    complaints = [line for line in done.stderr.splitlines() if "rendertrust.service" in line]
    assert (done.returncode, complaints) == (0, [])
    done = subprocess.run(
        [program, "security", "--offline=true", unit], capture_output=True, text=True, check=True
    )
    found = re.search(r"Overall exposure level for \S+: ([\d.]+)", done.stdout)
    assert found is not None
    assert float(found[1]) <= EXPOSURE_MAX


def test_the_sample_of_settings_is_refused_until_it_has_secrets_of_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With secrets the sample is accepted; it switches verification off, as the unit has no
    sandbox.
    """
    own = "dGhpcyBpcyBhIHNlY3JldCBvZiBvbmVzIG93bg-48-characters"
    secrets = {"jwt.secret": own, "stripe.secret_key": "sk_live_" + own}
    secrets["stripe.webhook_secret"] = "whsec_" + own
    lines = (DEPLOY / "secrets.env").read_text().splitlines()
    pairs = [line.split("=", 1) for line in lines if line and not line.startswith("#")]
    named = {setting: "RENDERTRUST_" + setting.replace(".", "_").upper() for setting in secrets}
    assert dict(pairs) == dict.fromkeys(named.values(), "")
    for name, value in pairs:
        monkeypatch.setenv(name, value)
    for setting, value in secrets.items():
        with pytest.raises(SettingsError, match=setting):
            load(DEPLOY / "gateway.toml")
        monkeypatch.setenv(named[setting], value)
    settings = load(DEPLOY / "gateway.toml")
    assert settings.production
    assert settings.server.host == "127.0.0.1"
    assert not settings.verification.enabled
    assert embedding_of(settings, tmp_path) == (EmbeddedVerifierState(), settings)
