"""Addresses of mail servers, and those that are refused."""

import pytest

from config.loader import SettingsError, load
from config.mail_server import Encryption, MailServer, mail_server
from config.redaction import hide_settings, redact
from config.settings import Mail, Settings

SECRET = "0123456789abcdefghijklmnopqrstuvwxyz"
STRIPE = {"secret_key": "sk_live_" + SECRET, "webhook_secret": "whsec_" + SECRET}
SENDER = "farm@example.org"


@pytest.mark.parametrize(
    ("url", "server"),
    [
        ("smtp://mail.example.org", ("mail.example.org", 587, Encryption.STARTTLS)),
        ("smtp://mail.example.org:2525/", ("mail.example.org", 2525, Encryption.STARTTLS)),
        ("smtps://mail.example.org", ("mail.example.org", 465, Encryption.IMPLICIT)),
        ("smtp://localhost:25", ("localhost", 25, Encryption.OFF)),
        ("smtp://127.0.0.1:25", ("127.0.0.1", 25, Encryption.OFF)),
        ("smtp://[::1]:25", ("::1", 25, Encryption.OFF)),
        ("smtp://127.0.0.1:25?tls=starttls", ("127.0.0.1", 25, Encryption.STARTTLS)),
        ("smtp://mail:1025?tls=off", ("mail", 1025, Encryption.OFF)),
    ],
)
def test_the_encryption_follows_from_the_address(
    url: str, server: tuple[str, int, Encryption]
) -> None:
    assert mail_server(url) == MailServer(*server)


def test_user_and_password_are_unescaped_and_not_shown() -> None:
    found = mail_server("smtp://fa%40rm:p%40ss%3A%2F@mail.example.org")
    assert (found.user, found.password) == ("fa@rm", "p@ss:/")
    assert "p@ss" not in repr(found)
    assert "fa@rm" not in repr(found)


@pytest.mark.parametrize(
    "url",
    [
        "mail.example.org",
        "http://mail.example.org",
        "smtp://",
        "smtp://mail.example.org:port",
        "smtp://mail.example.org/path",
        "smtp://mail.example.org#x",
        "smtp://mail.example.org?starttls=1",
        "smtp://mail.example.org?tls=maybe",
        "smtps://mail.example.org?tls=off",
        "smtp://us er:hunter22@mail.example.org",
        "smtp://user:hunter22@mail.example.org?tls=off",
        "smtp://user@mail.example.org",
        "smtp://:hunter22@mail.example.org",
        "smtp://user:hunter22@[mail]:25",
        "smtp://user:hunter22@mail:99999",
    ],
)
def test_other_addresses_are_refused_without_repeating_the_password(url: str) -> None:
    with pytest.raises(SettingsError, match=r"mail\.url must") as refused:
        load(overrides={"mail": {"url": url, "sender": SENDER}})
    assert "hunter22" not in str(refused.value)


@pytest.mark.parametrize(
    ("mail", "said"),
    [
        ({"url": "smtp://mail"}, "mail.url and mail.sender must be set together"),
        ({"sender": SENDER}, "mail.url and mail.sender must be set together"),
        ({"url": "smtp://mail", "sender": "farm"}, "mail.sender must be an address"),
        ({"url": "smtp://mail", "sender": "a@b\nBcc: c@d"}, "mail.sender must be an address"),
        ({"url": "smtp://mail", "sender": "Farm <a@b>"}, "mail.sender must be an address"),
    ],
)
def test_server_and_sender_belong_together(mail: dict[str, str], said: str) -> None:
    with pytest.raises(SettingsError, match=said):
        load(overrides={"mail": mail})


def test_links_need_a_public_address_in_production() -> None:
    mail = {"url": "smtp://mail.example.org", "sender": SENDER}
    given = {"environment": "production", "jwt": {"secret": SECRET}, "stripe": STRIPE}
    with pytest.raises(SettingsError, match=r"mail\.url needs server\.public_url"):
        load(overrides={**given, "mail": mail})
    load(overrides={**given, "mail": mail, "server": {"public_url": "https://farm.example"}})


def test_the_password_is_in_no_representation_and_no_log() -> None:
    settings = Settings(mail=Mail("smtp://farm:hunter22%3F@mail.example.org", SENDER))
    assert "hunter22" not in repr(settings)
    hide_settings(settings)
    assert "hunter22" not in redact("the server said: hunter22? is wrong")
    assert "hunter22" not in redact("smtp://farm:hunter22%3F@mail.example.org")
