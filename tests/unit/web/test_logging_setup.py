"""Secrets that never reach a log, and the members of every log line."""

import json
import logging
import os
import sys
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import attrs
import pytest
import structlog

from config.redaction import hide, hide_settings, redact
from tests.support.http_gateway import settings_for_tests
from tests.support.log_file import Log, logged
from web.process.log_writer import LogWriter
from web.process.logging_setup import REQUEST, UNMADE, LogHandler

JWT = "eyJhbGciOiJIUzI1NiIs.eyJzdWIiOiIxMjM0NTY3ODkwIn0.dozjgNryP4J3jVmNHl0w5N_XgL0n3I9PlFUP0THsR8U"
# Secrets that do not look like secrets; the log recognises their values.
SIGNING = "plain words: nothing to see"
QUOTED = 'with "quotes" & umläuts/slash'
# Texts that show where a secret is, each with the part that must be hidden.
SHAPES = {
    f"GET /api/v1/relay/ws/1?token={JWT}&a=1": JWT,
    "GET /x?access_token=plainlooking&b=2": "plainlooking",
    "/b/k?X-Amz-Signature=abcdef0123&X-Amz-Credential=AKIA%2F2026%2Fs3&x=1": "abcdef0123",
    "/b/k?x=1&X-Amz-Security-Token=FwoGZXIvYXdz&y=2": "FwoGZXIvYXdz",
    "next=https%3A%2F%2Fh%2Fk%3Ftoken%3Dnestedone": "nestedone",
    f"refused {JWT} at last": JWT,
    "Authorization: Bearer opaque.value-1": "opaque.value-1",
    "authorization: Basic dXNlcjpwYXNzd29yZA==": "dXNlcjpwYXNzd29yZA",
    "bearer   lowercased~token/1=": "lowercased~token/1",
    "key rtk_9f8a7b6c5d4e_abcdef": "9f8a7b6c5d4e",
    "#invitation=rti_9f86d081884c7d659a2f": "9f86d081884c7d659a2f",
    "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw": "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
    "sk_live_51H8xyz and sk_test_51H8xyz": "51H8xyz",
    "postgresql://app:s3cr@t/x@db:5432/rendertrust": "s3cr@t/x",
    "redis://:onlyapassword@127.0.0.1:6379/0": "onlyapassword",
    "host=db password='with blank' dbname=x": "with blank",
    '{"password": "in \\"jzon\\" text", "a": 1}': "jzon",
    r'{"body": "{\\"password\\": \\"of \\\\\\"jmbedded\\\\\\" text\\", \\"a\\": 1}"}': "jmbedded",
    "{'secret': 'of a repr', 'b': 2}": "of a repr",
    "Person(name='Jane', api_key='abc123def')": "abc123def",
    "-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2VwBCIEIJ\n-----END PRIVATE KEY-----": "MC4CAQAw",
    "hash $argon2id$v=19$m=19456,t=2,p=1$c29tZXNhbHQ$aGFzaA": "c29tZXNhbHQ",
    f"jwt.secret is {SIGNING}!": SIGNING,
    f"so it was {QUOTED}.": "umläuts",
}


@attrs.frozen
class Order:
    """An object with secrets in every kind of member."""

    note: str
    password: str
    inner: Any = None
    silent: str = attrs.field(default="never shown at all", repr=False)


class Unshowable:
    def __repr__(self) -> str:
        raise RuntimeError(f"token={JWT}")


@pytest.fixture
def log(tmp_path: Path) -> Iterator[Log]:
    with logged(tmp_path) as log:
        hide(SIGNING, QUOTED)
        yield log


def raised(text: str) -> Exception:
    """Return an error with a cause in a group, as in a traceback."""
    try:
        try:
            raise ValueError(text)
        except ValueError as cause:
            raise ExceptionGroup(text, [KeyError(text)]) from cause
    except ExceptionGroup as error:
        return error


def in_every_way(text: str) -> None:
    """Log the text through every function and in every kind of argument."""
    ours, theirs = structlog.get_logger("ours"), logging.getLogger("theirs")
    ours.info(text)
    ours.info("kwargs", url=text, nested={"a": [{"b": (text,)}]}, at={text: 1}, some={text})
    ours.warning(
        "bytes", data=text.encode(), array=bytearray(text.encode()), error=ValueError(text)
    )
    ours.info("attrs", order=Order(text, "by its name", Order(text, "by its name")))
    ours.bind(bound=text).error("bound")
    ours.error("raised", exc_info=raised(text))
    ours.info("%s by position", text)
    theirs.info("args %s and %r", text, text)
    theirs.info("args %(a)s", {"a": text})
    theirs.info(Order(text, "by its name"))
    theirs.info("extra", extra={"order": {"deep": [text]}})
    theirs.error("raised", exc_info=raised(text))
    theirs.info("stack", stack_info=True)
    theirs.error("".join(traceback.format_exception(raised(text))))


@pytest.mark.parametrize(("text", "secret"), SHAPES.items())
def test_a_secret_is_not_logged_whatever_way_it_takes(log: Log, text: str, secret: str) -> None:
    in_every_way(text)
    written = log.text()
    lines = [json.loads(line) for line in written.splitlines()]
    assert len(lines) == 14
    seen = written + "".join(json.dumps(line, ensure_ascii=False) for line in lines)
    assert secret not in seen
    assert json.dumps(secret)[1:-1] not in seen
    assert "by its name" not in written
    assert "never shown at all" not in written
    assert "[hidden]" in written


@pytest.mark.parametrize(
    "name",
    ["password", "new_password", "token", "refreshToken", "api_key", "secret_key", "Authorization",
     "Set-Cookie", "X-Amz-Signature", "credentials", "owner_dsn"],
)  # fmt: skip
def test_what_is_called_a_secret_is_hidden_whatever_it_is(log: Log, name: str) -> None:
    structlog.get_logger().info(
        "x", **{name: "hunter2!", "deep": {name: ["hunter2!", b"hunter2!"]}}
    )
    logging.getLogger("x").info("y", extra={"headers": {name: "hunter2!"}})
    assert "hunter2!" not in log.text()


def test_the_secrets_of_the_settings_are_hidden_by_value(log: Log) -> None:
    settings = settings_for_tests(
        database={"url": "postgresql://app:word%2Fof%2Fmouth@db/x"},
        objects={"access_key": "AccessOne", "secret_key": "SecretTwo"},
    )
    hide_settings(settings)
    values = ["word/of/mouth", "AccessOne", "SecretTwo", settings.jwt.secret]
    for value in values:
        logging.getLogger("x").info("it is %s, or %s", value, [value.encode()])
    logging.getLogger("x").info("all: %r", settings)
    written = log.text()
    assert "environment='development'" in written
    for value in [*values, "word%2Fof%2Fmouth"]:
        assert value not in written


def test_what_is_no_secret_stays() -> None:
    for text in (
        "GET /api/v1/jobs/{job_id} 404",
        "node 0b6c1a3e-7d0a-4a43-9a57-6c0d8d6b9a11 #3: Disconnected",
        "token_type access, 20 tokens, task_id 5, risk_level",
        "https://[::1]:8000/health",
        '{"event":"stopping","signal":"SIGTERM"}',
    ):
        assert redact(text) == text


def test_hostile_text_costs_no_more_than_its_length() -> None:
    import time

    for text in ("eyJ" * 20_000, "a" * 60_000, "token" * 12_000, "a://" * 15_000, "'" * 60_000,
                 "token=\"" * 8_000, "secret:" * 8_000, "bearer " * 9_000):  # fmt: skip
        begun = time.process_time()
        redact(text)
        assert time.process_time() - begun < 1.0, text[:10]


def test_a_line_that_cannot_be_made_is_told_without_what_it_would_say(
    log: Log, capsys: pytest.CaptureFixture[str]
) -> None:
    root = logging.getLogger()
    root.handlers[:] = [each for each in root.handlers if isinstance(each, LogHandler)]
    logging.getLogger("x").error("%d", f"token={JWT}")
    logging.getLogger("x").error("%s", Unshowable())
    structlog.get_logger("y").error("z", value=Unshowable(), big=2**70, surrogate="\ud800")
    written = log.text()
    events = [json.loads(line) for line in written.splitlines()]
    assert [event["event"] for event in events] == [UNMADE, UNMADE, "z"]
    assert (events[2]["big"], events[2]["surrogate"]) == (str(2**70), "\ud800")
    assert JWT not in written
    out = capsys.readouterr()
    assert out.out + out.err == ""


def test_every_line_of_a_request_has_its_id_and_others_have_none(log: Log) -> None:
    reset = REQUEST.set("request-1")
    logging.getLogger("x").info("within")
    structlog.get_logger("y").info("within")
    REQUEST.reset(reset)
    logging.getLogger("x").info("after")
    lines = [json.loads(line) for line in log.text().splitlines()]
    assert [line.get("request_id") for line in lines] == ["request-1", "request-1", None]


def test_what_nobody_caught_is_logged_without_secrets(
    log: Log, capsys: pytest.CaptureFixture[str]
) -> None:
    error = raised(f"token={JWT}")
    sys.excepthook(type(error), error, error.__traceback__)
    (line,) = log.text().splitlines()
    assert json.loads(line)["event"] == "the process ends"
    assert JWT not in line + capsys.readouterr().err


MAKE: Callable[[bytes], Callable[[], bytes]] = lambda data: lambda: data  # noqa: E731


def test_a_reader_that_stands_still_holds_nobody_up_and_drops_are_told() -> None:
    read, write = os.pipe()
    lines = LogWriter(descriptor=write, lines_max=100)
    lines.start()
    for _ in range(1_000):
        lines.put(MAKE(b"x" * 999 + b"\n"))  # 1 MB into a pipe of 64 kB
    assert lines.dropped >= 500
    lines.close(within=0.05)  # stuck, and abandoned
    lines.put(MAKE(b"late\n"))
    dropped = lines.dropped
    os.set_blocking(read, True)
    written = b""
    while b"dropped" not in written:
        written += os.read(read, 1_000_000)
    assert b'"log lines were dropped","level":"warning","count":%d' % dropped in written
    lines.close(within=60)
    os.close(read)
    lines.put(MAKE(b"to nobody\n"))
    assert lines.dropped == dropped + 1
    os.close(write)


def test_lines_in_no_hurry_wait_for_one_that_is() -> None:
    read, write = os.pipe()
    lines = LogWriter(descriptor=write, gather_seconds=1_000.0)
    lines.start()
    lines.put(MAKE(b"a request\n"), hurry=False)
    lines.put(MAKE(b"another\n"), hurry=False)
    lines.put(MAKE(b"a fault\n"))
    written = os.read(read, 1_000)
    assert written.startswith(b"a request\nanother\n")
    lines.put(MAKE(b"the last\n"), hurry=False)
    lines.close(within=60)  # does not wait for the reader
    os.close(write)
    while more := os.read(read, 1_000):
        written += more
    assert written == b"a request\nanother\na fault\nthe last\n"
    os.close(read)


def test_lines_in_no_hurry_are_written_all_the_same() -> None:
    read, write = os.pipe()
    lines = LogWriter(descriptor=write, gather_seconds=0.001)
    lines.start()
    lines.put(MAKE(b"a request\n"), hurry=False)
    assert os.read(read, 1_000) == b"a request\n"
    lines.close(within=60)
    os.close(read)
    os.close(write)
