"""Reports of exceptions on the command line: exit code, name and hint."""

import pytest

from rendertrust.cli import exit_codes, remote_preflight
from rendertrust.cli.command_exit import CommandExit, Exit
from rendertrust.cli.error_exits import ending_of
from rendertrust.client import errors

URL = "http://localhost:8000"
CODES = {
    400: exit_codes.FAILURE,
    401: exit_codes.NOT_AUTHENTICATED,
    402: exit_codes.INSUFFICIENT_CREDITS,
    403: exit_codes.FAILURE,
    404: exit_codes.NOT_FOUND,
    409: exit_codes.FAILURE,
    410: exit_codes.FAILURE,
    422: exit_codes.USAGE,
    429: exit_codes.UNAVAILABLE,
    500: exit_codes.FAILURE,
    503: exit_codes.UNAVAILABLE,
}


@pytest.mark.parametrize(("status", "code"), CODES.items())
def test_each_refusal_has_its_code_and_says_what_to_do(status: int, code: int) -> None:
    ending = ending_of(errors.refusal(status, {"detail": "no"}), URL)
    assert ending is not None
    assert ending.code == code
    assert ending.detail == "no"
    assert ending.hint


def test_who_keeps_too_much_is_told_how_to_remove_it() -> None:
    ending = ending_of(errors.refusal(413, {"detail": "no"}), URL)
    assert ending is not None
    assert "rendertrust uploads delete ID" in ending.hint


@pytest.mark.parametrize(
    ("code", "listed"),
    [
        ("job_not_found", "jobs list"),
        (None, "jobs list"),
        ("entry_not_found", "credits history"),
        ("not_trusted", "trusted list"),
    ],
)
def test_what_is_not_found_is_looked_for_where_it_is_listed(code: str | None, listed: str) -> None:
    ending = ending_of(errors.refusal(404, {"detail": "no", "code": code}), URL)
    assert ending is not None
    assert ending.hint.partition(": ")[2] == f"rendertrust {listed}"


def test_a_farm_without_payments_pays_earnings_as_credits() -> None:
    ending = ending_of(errors.refusal(404, {"detail": "no", "code": "payments_off"}), URL)
    assert ending is not None
    assert "rendertrust earnings payout --to credits" in ending.hint


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (errors.NoAnswer("nobody", delivered=False), exit_codes.UNAVAILABLE),
        (errors.StillRunning("j", "RUNNING", 5), exit_codes.STILL_RUNNING),
        (errors.FileChanged("changed"), exit_codes.FAILURE),
        (errors.TransferFailed("refused", 503), exit_codes.UNAVAILABLE),
        (errors.TransferFailed("refused", 400), exit_codes.FAILURE),
        (errors.BadAnswer("html"), exit_codes.FAILURE),
        (PermissionError(13, "Permission denied", "frame.png"), exit_codes.FAILURE),
    ],
)
def test_each_other_failure_too(error: Exception, code: int) -> None:
    ending = ending_of(error, URL)
    assert ending is not None
    assert ending.code == code
    assert ending.hint


@pytest.mark.parametrize("is_wrapped", [False, True], ids=["refusal", "of a command"])
def test_a_refusal_leads_to_the_page_of_its_code_once(is_wrapped: bool) -> None:
    error: Exception = errors.refusal(403, {"detail": "no", "code": "scope_missing"})
    if is_wrapped:
        wrapped = CommandExit(Exit(1, "name", "detail", "hint"))
        wrapped.__cause__ = error
        error = wrapped
    ending = ending_of(error, f"{URL}/")
    assert ending is not None
    page = f"{URL}/help/errors/#scope_missing"
    assert ending.text().count(page) == 1
    assert ending.text().endswith(f"\n  More: {page}")
    assert ending.document()["error"]["more"] == page


def test_a_refusal_without_a_code_leads_to_no_page() -> None:
    for code in (None, "no\ncode"):
        ending = ending_of(errors.refusal(403, {"detail": "no", "code": code}), URL)
        assert ending is not None
        assert "/help" not in ending.text()
        assert "more" not in ending.document()["error"]


def test_a_bug_stays_a_bug() -> None:
    assert ending_of(ZeroDivisionError(), URL) is None


def test_a_commands_own_end_is_taken_as_it_is() -> None:
    ending = Exit(6, "job_failed", "detail", "hint")
    assert ending_of(CommandExit(ending), URL) is ending


def test_the_request_id_of_a_gateways_fault_is_told() -> None:
    fault = errors.refusal(500, {"detail": "no", "request_id": "req-7"})
    ending = ending_of(fault, URL)
    assert ending is not None
    assert "req-7" in ending.text()
    assert ending.document()["error"]["request_id"] == "req-7"


@pytest.mark.parametrize(
    ("status", "code", "wanted"),
    [
        (404, "organisation_not_found", "rendertrust organisations list"),
        (404, "organisation_not_found", "rendertrust nodes list"),
        (409, "nothing_payable", "rendertrust earnings list"),
        (404, "payout_account_not_found", "rendertrust earnings account set"),
        (404, "payout_change_not_found", "rendertrust earnings account"),
        (404, "credit_note_not_found", "rendertrust credits purchases"),
        (404, "node_not_found", "rendertrust nodes list"),
        (404, "key_not_found", "rendertrust keys list"),
        (404, "session_not_found", "rendertrust account sessions"),
        (409, "own_account", "rendertrust trusted list"),
        (409, "too_many_trusted", "rendertrust trusted list"),
        (409, "too_many_organisations", "rendertrust organisations list"),
    ],
)
def test_what_is_about_no_job_leads_to_no_list_of_jobs(status: int, code: str, wanted: str) -> None:
    ending = ending_of(errors.refusal(status, {"detail": "no", "code": code}), URL)
    assert ending is not None
    assert wanted in ending.hint
    assert "jobs list" not in ending.hint


def test_a_certificate_that_is_not_trusted_leads_to_the_file_of_authorities() -> None:
    refused = errors.NoAnswer("not trusted", delivered=False, untrusted=True)
    ending = ending_of(refused, URL)
    assert ending is not None
    assert "SSL_CERT_FILE" in ending.hint
    plain = ending_of(errors.NoAnswer("refused", delivered=False), URL)
    assert plain is not None
    assert "SSL_CERT_FILE" not in plain.hint


def test_a_key_of_another_submission_is_no_fault_of_the_scene() -> None:
    conflict = errors.Fault("Idempotency-Key", "conflict", "was used for another request")
    assert remote_preflight.refused(errors.Invalid(422, "no", errors=(conflict,))) is None


def test_a_wrong_quote_is_named_for_programs() -> None:
    body = {"detail": "no", "code": "underquoted", "new_price": "3.5000"}
    ending = ending_of(errors.refusal(409, body), URL)
    assert ending is not None
    told = ending.document()["error"]
    assert (told["code"], told["new_price"], told["exit_code"]) == ("underquoted", "3.5000", 1)


@pytest.mark.parametrize(("code", "status"), [("job_not_found", 404), ("job_ended", 409)])
def test_the_code_of_the_gateway_does_not_replace_the_name_of_the_ending(
    code: str, status: int
) -> None:
    ending = ending_of(errors.refusal(status, {"detail": "no", "code": code}), URL)
    assert ending is not None
    assert ending.document()["error"]["code"] == ending.name != code
