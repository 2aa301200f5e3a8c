"""Codes of refusals, one for each reason why the API does not answer with a success.

Programs branch on a code; ``detail`` is for people and may change. The OpenAPI document and
``docs/API.md`` list the codes.
"""

from collections.abc import Mapping
from enum import StrEnum
from typing import Final

_ABSENT: Final = "The object does not exist, or belongs to another user."
_AS_MANY: Final = "The user has as many objects of this kind as allowed."
_AWAY: Final = "The named service does not answer now; try again."


class RefusalCode(StrEnum):
    """The ``code`` of a refusal; ``meaning`` describes it."""

    meaning: str

    def __new__(cls, value: str, meaning: str) -> "RefusalCode":
        member = str.__new__(cls, value)
        member._value_ = value
        member.meaning = meaning
        return member

    INVALID_REQUEST = "invalid_request", "The request is invalid: `errors` lists the faults."
    BAD_REQUEST = "bad_request", "The request cannot be read, or is not possible now."
    HTTP_INVALID = "http_invalid", "The request is not valid HTTP."
    HOST_INVALID = "host_invalid", "The Host header is not a valid host and port."
    EXPECTATION_FAILED = "expectation_failed", "`Expect` may be `100-continue` only."
    HEADER_REPEATED = "header_repeated", "A header that may occur once is repeated."
    BODY_TOO_LARGE = "body_too_large", "The body is larger than the gateway accepts."
    BODY_TOO_SLOW = "body_too_slow", "The body did not arrive in time."
    BODY_INCOMPLETE = "body_incomplete", "The body ended early."
    CONTENT_TYPE_REFUSED = "content_type_refused", "The body must be `application/json` in UTF-8."
    CONTENT_ENCODING_REFUSED = (
        "content_encoding_refused",
        "The body must be sent without `Content-Encoding`.",
    )
    IDEMPOTENCY_CONFLICT = (
        "idempotency_conflict",
        "The `Idempotency-Key` was used for another request.",
    )
    NOT_AUTHENTICATED = "not_authenticated", "The request has no valid credentials."
    TOKEN_INVALID = "token_invalid", "The token is invalid or expired."
    FORBIDDEN = "forbidden", "The token does not allow this."
    ADMIN_ONLY = "admin_only", "Only admins may do this."
    LOGIN_NEEDED = "login_needed", "An API key may not do this: log in."
    SCOPE_MISSING = "scope_missing", "The API key lacks the scope."
    NOT_FOUND = "not_found", _ABSENT
    METHOD_NOT_ALLOWED = "method_not_allowed", "The path does not have this method."
    CONFLICT = "conflict", "The request conflicts with the present state."
    GONE = "gone", "The object has expired."
    RATE_LIMITED = "rate_limited", "Too many requests; `Retry-After` says when to try again."
    TOO_MANY_CONNECTIONS = "too_many_connections", "Too many connections from this address."
    TOO_MANY_AT_ONCE = (
        "too_many_at_once",
        "Too many requests of this kind at once from this address.",
    )
    RANGE_INVALID = "range_invalid", "The content is shorter than the range."
    INTERNAL_ERROR = "internal_error", "The gateway failed."
    UNAVAILABLE = "unavailable", "Not available now; try again."
    DATABASE_UNAVAILABLE = "database_unavailable", _AWAY
    OBJECTS_UNAVAILABLE = "objects_unavailable", _AWAY
    OBJECTS_FAILED = "objects_failed", "The object store answered with an error."
    RATES_UNAVAILABLE = "rates_unavailable", "The rate limit cannot be checked now; try again."
    GATEWAY_BUSY = "gateway_busy", "The gateway is busy."
    GATEWAY_FULL = "gateway_full", "The gateway has as many connections as allowed."
    GATEWAY_CLOSING = "gateway_closing", "The gateway is starting or closing."
    TIMED_OUT = "timed_out", "The gateway did not finish the request in time."
    LOG_HALTED = (
        "log_halted",
        "The gateway writes nothing until an admin has looked at its log; reading works.",
    )
    CHANGED_MEANWHILE = (
        "changed_meanwhile",
        "Another request changed the same thing just now; try again.",
    )
    CREDENTIALS_INVALID = (
        "credentials_invalid",
        "The email or the password is wrong, or the account is inactive.",
    )
    ACCOUNT_DEACTIVATED = (
        "account_deactivated",
        "The password is right, and an admin has deactivated the account.",
    )
    SECOND_FACTOR_REQUIRED = (
        "second_factor_required",
        "The password is right, and the account has a second factor: send its code as `otp`.",
    )
    SECOND_FACTOR_INVALID = (
        "second_factor_invalid",
        "The code is wrong or was used, or there were too many wrong codes.",
    )
    SECOND_FACTOR_MISSING = (
        "second_factor_missing",
        "The account needs a second factor: sign in to the console to set one up.",
    )
    RECENT_FACTOR_NEEDED = (
        "recent_factor_needed",
        "Give your second factor again, with `POST /auth/second-factor` or in the console.",
    )
    REFRESH_TOKEN_INVALID = (
        "refresh_token_invalid",
        "The refresh token is invalid, expired or used.",
    )
    AUTHORIZATION_PENDING = (
        "authorization_pending",
        "The user has not confirmed the login yet: ask again after `interval` seconds.",
    )
    SLOW_DOWN = "slow_down", "You poll too often: wait five seconds longer before each poll."
    ACCESS_DENIED = "access_denied", "The user has refused the login."
    EXPIRED_TOKEN = (
        "expired_token",
        "The `device_code` has expired or was used: start again.",
    )
    EMAIL_REGISTERED = "email_registered", "The email is already registered."
    REGISTRATION_CLOSED = "registration_closed", "New accounts cannot be opened here."
    INVITATION_NEEDED = "invitation_needed", "Opening an account needs an `invitation`."
    INVITATION_INVALID = (
        "invitation_invalid",
        "The invitation is invalid, used, expired, revoked, or for another address.",
    )
    INVITATION_NOT_FOUND = "invitation_not_found", _ABSENT
    TOO_MANY_INVITATIONS = "too_many_invitations", "There are as many open invitations as allowed."
    PASSWORD_INCORRECT = "password_incorrect", "The current password is incorrect."
    RESET_TOKEN_INVALID = (
        "reset_token_invalid",
        "The link for a new password is invalid, used or expired.",
    )
    VERIFICATION_TOKEN_INVALID = (
        "verification_token_invalid",
        "The link for your address is invalid, used or expired.",
    )
    ADDRESS_UNVERIFIED = (
        "address_unverified",
        "Verify your address first: open the link in the mail that the gateway sent to it.",
    )
    ACCOUNT_UNSETTLED = (
        "account_unsettled",
        "The account cannot be deleted before jobs, credits, earnings and disputes are settled.",
    )
    MAIL_OFF = "mail_off", "The gateway sends no mail: ask an admin for a link."
    MAIL_QUEUE_FULL = "mail_queue_full", "Too many mails wait to be sent."
    USER_NOT_FOUND = "user_not_found", _ABSENT
    USER_INACTIVE = "user_inactive", "The job's user is deactivated."
    SESSION_NOT_FOUND = "session_not_found", _ABSENT
    KEY_NOT_FOUND = "key_not_found", _ABSENT
    TOO_MANY_KEYS = "too_many_keys", _AS_MANY
    LAST_ADMIN = "last_admin", "The farm would have no active admin left."
    TOO_MANY_MAILS = "too_many_mails", "The user got as many such mails as allowed in an hour."
    OWN_MATTER = "own_matter", "An admin cannot do this in a matter of their own."
    INSUFFICIENT_CREDITS = (
        "insufficient_credits",
        "You have fewer credits `available` than `requested`.",
    )
    REFERENCE_USED = "reference_used", "The `reference_id` was used before with another amount."
    NOT_CHARGED = "not_charged", "Nothing was charged for the unit, so there is nothing to refund."
    REFUND_DIFFERS = "refund_differs", "The unit was refunded before, with another amount."
    PRICE_NOT_FOUND = "price_not_found", "No price is set for the job type."
    SKU_NOT_FOUND = "sku_not_found", _ABSENT
    PAYMENTS_OFF = "payments_off", "The farm takes no payments and pays out no money."
    PURCHASE_NOT_FOUND = "purchase_not_found", _ABSENT
    PURCHASE_UNPAID = "purchase_unpaid", "The purchase is not paid yet."
    CREDIT_NOTE_NOT_FOUND = "credit_note_not_found", "The purchase has no such credit note."
    INVOICES_OFF = "invoices_off", "The farm issues no invoices: `invoices.seller` is not set."
    PAYMENTS_UNAVAILABLE = "payments_unavailable", "Payments are not available now."
    NOTHING_PAYABLE = "nothing_payable", "No earnings are payable now."
    PAYOUT_BELOW_MINIMUM = (
        "payout_below_minimum",
        "Less is payable than a payout must have at least.",
    )
    PAYOUT_NOT_FOUND = "payout_not_found", _ABSENT
    PAYOUT_CHANGE_NOT_FOUND = (
        "payout_change_not_found",
        "No change of your payout account waits.",
    )
    PAYOUT_ACCOUNT_NOT_FOUND = "payout_account_not_found", "You have no payout account."
    PAYOUT_ACCOUNT_UNUSABLE = (
        "payout_account_unusable",
        "An operator has no payout account that can be used now.",
    )
    PAYOUT_APPROVED = "payout_approved", "The payout is approved, and its money may be on the way."
    PAYOUT_DECIDED = "payout_decided", "The payout was already decided."
    BATCH_NOT_FOUND = "batch_not_found", _ABSENT
    BATCH_REJECTED = "batch_rejected", "All payouts of the batch were rejected."
    BATCH_REFERENCE_DIFFERS = (
        "batch_reference_differs",
        "The batch was marked as sent before, with another reference.",
    )
    JOB_NOT_FOUND = "job_not_found", _ABSENT
    UNIT_NOT_FOUND = "unit_not_found", _ABSENT
    NO_NODE = "no_node", "No healthy node can do the job."
    NO_BLENDER_VERSION = (
        "no_blender_version",
        "No connected node has the version of Blender that the job needs.",
    )
    NODES_FULL = (
        "nodes_full",
        "All nodes that can do the job are busy or take no work now; try again.",
    )
    TOO_MANY_OPEN_JOBS = "too_many_open_jobs", _AS_MANY
    TOO_MANY_PREFLIGHTS = "too_many_preflights", "The user has used up the preflights of this hour."
    NOT_MEASURED = (
        "not_measured",
        "The scene has no measured price yet: `POST /jobs/preflight` has it measured.",
    )
    PRICE_CHANGED = (
        "price_changed",
        "The price is now higher than `quoted` or, if an admin retries a job, than before.",
    )
    UNDERQUOTED = (
        "underquoted",
        "The unit takes over three times its quoted work; `new_price` is its price now.",
    )
    AT_MAX_CREDITS = (
        "at_max_credits",
        "The job has reached its `max_credits`: raise it before you resume.",
    )
    MAX_CREDITS_COMMITTED = (
        "max_credits_committed",
        "The job has already committed more than the new `max_credits`.",
    )
    JOB_STOPPED = "job_stopped", "The job was stopped."
    JOB_CANCELLED = "job_cancelled", "The job was cancelled."
    JOB_ENDED = "job_ended", "The job has ended."
    JOB_NOT_ENDED = "job_not_ended", "The job has not ended."
    JOB_NOT_CANCELLABLE = "job_not_cancellable", "A node has begun the job, or it has ended."
    JOB_NOT_RETRYABLE = "job_not_retryable", "The job is not in a state in which it can be retried."
    JOB_NOT_COMPLETED = "job_not_completed", "The job is not COMPLETED."
    JOB_OF_ONE_UNIT = "job_of_one_unit", "The job has one unit: download its result instead."
    JOB_OF_UNITS = (
        "job_of_units",
        "A job of several units is not retried as a whole: submit it again.",
    )
    JOB_IS_PREFLIGHT = "job_is_preflight", "A preflight is not retried: request it again."
    INPUT_EXPIRED = "input_expired", "The job's input has expired: upload it again."
    UNIT_NOT_FAILED = "unit_not_failed", "Only FAILED units can be retried."
    NOTHING_FAILED = "nothing_failed", "No unit of the job failed."
    NOTHING_COMPLETE = "nothing_complete", "No unit of the job is complete and stored."
    RESULT_NOT_FOUND = "result_not_found", "The job has no result to download."
    SHARING_OFF = "sharing_off", "Pictures cannot be shared at this gateway."
    PICTURE_NOT_SHAREABLE = (
        "picture_not_shareable",
        "The picture is not verified, is not one whole frame, or is no longer kept.",
    )
    SHARE_LINK_NOT_FOUND = "share_link_not_found", _ABSENT
    TOO_MANY_SHARE_LINKS = "too_many_share_links", _AS_MANY
    TOO_MANY_JOIN_CODES = "too_many_join_codes", _AS_MANY
    RESULT_EXPIRED = "result_expired", "The result has expired."
    TOO_MANY_FILES = "too_many_files", "The job has more result files than a video can have."
    EVENT_NUMBER_UNKNOWN = "event_number_unknown", "The job has fewer events than the given number."
    TOO_MANY_STREAMS = "too_many_streams", _AS_MANY
    STREAMS_UNAVAILABLE = (
        "streams_unavailable",
        "Events cannot be streamed now; read them page by page.",
    )
    PICTURE_NOT_FOUND = "picture_not_found", "There is no picture, or not yet."
    EVIDENCE_NOT_FOUND = "evidence_not_found", "The unit has no stored evidence."
    RECEIPT_NOT_FOUND = "receipt_not_found", "The unit has no receipt."
    FILE_LIST_NOT_FOUND = "file_list_not_found", "The job has no list of files."
    UNIT_NOT_DISPUTABLE = (
        "unit_not_disputable",
        "The unit cannot be disputed: `detail` says why.",
    )
    DISPUTE_NOT_FOUND = "dispute_not_found", _ABSENT
    DISPUTE_ANSWERED = "dispute_answered", "The dispute was already answered by its operator."
    DISPUTE_DECIDED = "dispute_decided", "The dispute was already decided."
    LETTERS_NOT_FOUND = "letters_not_found", "This kind of dead letter does not exist."
    UPLOAD_NOT_FOUND = "upload_not_found", _ABSENT
    UPLOAD_NEEDED = (
        "upload_needed",
        "A job that is open, disputed or in its dispute window needs the upload.",
    )
    QUOTA_EXCEEDED = "quota_exceeded", "The content does not fit in the user's quota."
    CONTENT_MISSING = "content_missing", "The content is not in the store."
    CONTENT_DIFFERS = "content_differs", "The stored content differs from the announced content."
    CONTENT_COMPLETE = "content_complete", "The content is already stored."
    PARTS_MISSING = "parts_missing", "Some parts are not in the store."
    PARTS_DIFFER = "parts_differ", "Stored parts differ from the announced ones."
    TOO_SMALL_FOR_PARTS = (
        "too_small_for_parts",
        "The content is too small for parts: send it in one request.",
    )
    UPLOAD_IN_REMOVAL = "upload_in_removal", "The previous content is being removed; try again."
    ARCHIVE_NOT_FOUND = "archive_not_found", _ABSENT
    ADDRESS_EXPIRED = (
        "address_expired",
        "The signed URL has expired, or was not made by this gateway.",
    )
    ENTRY_NOT_FOUND = "entry_not_found", _ABSENT
    ENTRY_NOT_LOGGED = "entry_not_logged", "The entry is not in the log yet."
    LOG_NOT_BEGUN = "log_not_begun", "The log has no checkpoint yet."
    CHAIN_UNAVAILABLE = "chain_unavailable", _AWAY
    NODE_NOT_FOUND = "node_not_found", _ABSENT
    NODE_REVOKED = "node_revoked", "The node was revoked."
    NODE_STATUS_CONFLICT = "node_status_conflict", "The node's standing does not allow this."
    NODE_FLOODED = (
        "node_flooded",
        "The node sent too many frames; `Retry-After` says when it may reconnect.",
    )
    NODE_UNAVAILABLE = "node_unavailable", "No node can be asked now; try again."
    JOIN_CODE_NOT_FOUND = "join_code_not_found", _ABSENT
    JOIN_CODE_INVALID = (
        "join_code_invalid",
        "The join code is unknown, was used or revoked, has expired, or is for another gateway.",
    )
    CHALLENGE_NOT_FOUND = "challenge_not_found", "There is no such node or challenge."
    CHALLENGE_EXPIRED = "challenge_expired", "The challenge was used or has expired."
    CHALLENGE_USED = (
        "challenge_used",
        "The challenge was already used, or the key was proved for another node.",
    )
    AUTHORITY_WRONG = "authority_wrong", "The proof of the node's key was made for another gateway."
    SIGNATURE_MISSING = "signature_missing", "The signature header is missing."
    SIGNATURE_INVALID = "signature_invalid", "The signature is invalid."
    EVENT_INVALID = "event_invalid", "The body is not a Stripe event."
    ORGANISATION_NOT_FOUND = "organisation_not_found", _ABSENT
    OWNER_ONLY = "owner_only", "Only owners of the organisation may do this."
    LAST_OWNER = "last_owner", "An organisation must keep an owner."
    ALREADY_INVITED = "already_invited", "The address was already invited, or is a member's."
    ORGANISATION_FULL = (
        "organisation_full",
        "The organisation has as many members or invitations as allowed.",
    )
    TOO_MANY_ORGANISATIONS = "too_many_organisations", _AS_MANY
    NOT_TRUSTED = "not_trusted", "You do not trust this account."
    OWN_ACCOUNT = "own_account", "The account is your own."
    TOO_MANY_TRUSTED = "too_many_trusted", _AS_MANY
    ENDPOINT_NOT_FOUND = "endpoint_not_found", _ABSENT
    DELIVERY_NOT_FOUND = "delivery_not_found", _ABSENT
    TOO_MANY_ENDPOINTS = "too_many_endpoints", _AS_MANY


HELP: Final = "/help/errors/"  # the gateway's page of all codes


def help_path(code: str) -> str:
    """Return the address at the gateway that explains the code."""
    return f"{HELP}#{code}"


def unit_help_path(code: str) -> str:
    """Return the address at the gateway that explains a failed unit's code."""
    return f"{HELP}#unit-{code}"


_KNOWN: Final[Mapping[str, RefusalCode]] = {str(code): code for code in RefusalCode}


def refusal_code(code: str | None) -> RefusalCode | None:
    """Return the member for a code that a client received; None for one of a later gateway."""
    return _KNOWN.get(code or "")


# The default code of a status, for aiohttp's own refusals and for pages.
OF_STATUS: Final[Mapping[int, RefusalCode]] = {
    400: RefusalCode.BAD_REQUEST,
    401: RefusalCode.NOT_AUTHENTICATED,
    402: RefusalCode.INSUFFICIENT_CREDITS,
    403: RefusalCode.FORBIDDEN,
    404: RefusalCode.NOT_FOUND,
    405: RefusalCode.METHOD_NOT_ALLOWED,
    408: RefusalCode.BODY_TOO_SLOW,
    409: RefusalCode.CONFLICT,
    410: RefusalCode.GONE,
    413: RefusalCode.BODY_TOO_LARGE,
    415: RefusalCode.CONTENT_TYPE_REFUSED,
    416: RefusalCode.RANGE_INVALID,
    417: RefusalCode.EXPECTATION_FAILED,
    422: RefusalCode.INVALID_REQUEST,
    429: RefusalCode.RATE_LIMITED,
    500: RefusalCode.INTERNAL_ERROR,
    502: RefusalCode.OBJECTS_FAILED,
    503: RefusalCode.UNAVAILABLE,
}


def of_status(status: int) -> RefusalCode:
    """Return the code of refusals with this HTTP status that have no code of their own."""
    return OF_STATUS.get(
        status, RefusalCode.INTERNAL_ERROR if status >= 500 else RefusalCode.BAD_REQUEST
    )


def table() -> str:
    """Return a Markdown table for ``docs/API.md``: each meaning with the codes that have it."""
    codes_of: dict[str, list[str]] = {}
    for code in RefusalCode:
        codes_of.setdefault(code.meaning, []).append(f"`{code}`")
    return "".join(f"| {', '.join(codes)} | {meaning} |\n" for meaning, codes in codes_of.items())
