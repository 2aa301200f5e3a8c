"""What never reaches a log."""

import logging

import pytest

from web.logs import configure, redact

TOKEN = (
    "eyJhbGciOiJIUzI1NiIs.eyJzdWIiOiIxMjM0NTY3ODkwIn0.dozjgNryP4J3jVmNHl0w5N_XgL0n3I9PlFUP0THsR8U"
)


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        (f"GET /api/v1/relay/ws/1?token={TOKEN}&a=1", "a=1"),
        (f"Authorization: Bearer {TOKEN}", "Authorization"),
        (f"token {TOKEN} refused", "refused"),
        ("/b/k?X-Amz-Signature=abcdef0123&X-Amz-Credential=AK%2F1&x=1", "x=1"),
        ("whsec_abcdef and sk_live_abcdef", "and"),
        ("postgresql://app:s3cr3t@db/rendertrust", "@db/rendertrust"),
        ("redis://:s3cr3t@127.0.0.1:6379/0", "@127.0.0.1:6379/0"),
    ],
)
def test_secrets_are_hidden_and_the_rest_stays(text: str, kept: str) -> None:
    hidden = redact(text)
    assert kept in hidden
    assert "[hidden]" in hidden
    for secret in (TOKEN, "abcdef", "AK%2F1", "s3cr3t"):
        assert secret not in hidden


def test_what_others_log_is_one_json_line_without_secrets(
    capsys: pytest.CaptureFixture[str],
) -> None:
    root = logging.getLogger()
    kept, level = root.handlers[:], root.level
    try:
        configure("info")
        logging.getLogger("others").warning("no %s for token=%s", "way", TOKEN)
        try:
            raise ValueError(f"token={TOKEN}")
        except ValueError:
            logging.getLogger("others").exception("failed")
    finally:
        root.handlers[:] = kept
        root.setLevel(level)
    lines = capsys.readouterr().err.strip().splitlines()
    assert len(lines) == 2
    assert all(line.startswith("{") and TOKEN not in line for line in lines)
    assert "no way for token=[hidden]" in lines[0]
