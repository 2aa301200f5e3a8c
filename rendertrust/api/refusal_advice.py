"""Advice for each code of a refusal: what the reader of the page ``/help/errors`` can do."""

from collections.abc import Mapping
from typing import Final

from rendertrust.api.refusal_code import RefusalCode as Code

_AGAIN: Final = "Send the request again in a moment. If it goes on, look at the gateway's log."
_NEW_URL: Final = (
    "Ask the gateway for a new URL. Each is valid for a limited time, usually an hour."
)
_NEW_LINK: Final = "Ask for another link: each works once, and for a limited time."

ADVICE: Final[Mapping[Code, str]] = {
    Code.INVALID_REQUEST: (
        "Correct each field that `errors` names. `/docs` shows what the operation takes."
    ),
    Code.BAD_REQUEST: "`detail` says what is wrong. Correct the request before you send it again.",
    Code.HTTP_INVALID: (
        "Use an HTTP client instead of writing requests by hand. If you use https, check that the"
        " address has the port of the proxy, and not that of the gateway."
    ),
    Code.HOST_INVALID: (
        "Let the proxy pass the Host header on unchanged, with a name and perhaps a port."
    ),
    Code.EXPECTATION_FAILED: "Leave out the header `Expect`, or send `Expect: 100-continue`.",
    Code.HEADER_REPEATED: (
        "Send `Authorization` and `Idempotency-Key` at most once. A proxy may add a second one."
    ),
    Code.BODY_TOO_LARGE: (
        "Send files with `POST /api/v1/uploads`, and not in the body of another request."
    ),
    Code.BODY_TOO_SLOW: "Send the whole body at once, over a connection that is fast enough.",
    Code.BODY_INCOMPLETE: "Send the request again. The connection broke before its end.",
    Code.CONTENT_TYPE_REFUSED: "Send JSON in UTF-8, with `Content-Type: application/json`.",
    Code.CONTENT_ENCODING_REFUSED: "Send the body uncompressed.",
    Code.IDEMPOTENCY_CONFLICT: (
        "Use a new key for a new request. Keep the key only to repeat the same request."
    ),
    Code.NOT_AUTHENTICATED: (
        "Send `Authorization: Bearer …` with an API key or an access token, or log in."
    ),
    Code.TOKEN_INVALID: (
        "Renew the access token with `POST /api/v1/auth/refresh`, or log in again. An API key may"
        " have expired or been revoked: make another one."
    ),
    Code.FORBIDDEN: "Use an account that may do this, or ask an admin of the farm.",
    Code.ADMIN_ONLY: "Ask an admin of the farm to do it.",
    Code.LOGIN_NEEDED: (
        "Log in with your password, and use that session. Keys can be revoked and may leak, so they"
        " cannot change the account."
    ),
    Code.SCOPE_MISSING: "Make another API key with the scope that `detail` names.",
    Code.NOT_FOUND: "Check the address and the id, and that you are logged in as the owner.",
    Code.METHOD_NOT_ALLOWED: "Use a method that the header `Allow` of the answer lists.",
    Code.CONFLICT: "Read the present state, and decide again.",
    Code.GONE: "Begin again: what you name was deleted because its time was over.",
    Code.RATE_LIMITED: (
        "Wait as long as `Retry-After` says. Programs should follow events instead of polling."
    ),
    Code.TOO_MANY_CONNECTIONS: (
        "Close connections that you do not need, and reuse the others. Users behind one address"
        " share the limit; an admin can raise it (`server.connections_per_address`)."
    ),
    Code.TOO_MANY_AT_ONCE: "Wait for an answer before you send the next request of this kind.",
    Code.RANGE_INVALID: "Download the content from its beginning: it changed, or is shorter.",
    Code.INTERNAL_ERROR: (
        "Report it to the people who run the gateway, with the `request_id`. The gateway's log has"
        " the cause under this id."
    ),
    Code.UNAVAILABLE: "Try again after the seconds that `Retry-After` names.",
    Code.DATABASE_UNAVAILABLE: (
        "Try again in a moment. If you run the gateway, check that PostgreSQL runs:"
        " `/api/v1/health/ready` names what is missing."
    ),
    Code.OBJECTS_UNAVAILABLE: (
        "Try again in a moment. If you run the gateway, check that the object store runs:"
        " `/api/v1/health/ready` names what is missing."
    ),
    Code.OBJECTS_FAILED: (
        "Try again. If you run the gateway, look for `objects_forward_failed` in its log, and for"
        " a full disk at the object store."
    ),
    Code.RATES_UNAVAILABLE: (
        "Try again in a moment. If you run the gateway, check that Redis answers: logins wait for"
        " it, so that guessing passwords gets no easier."
    ),
    Code.GATEWAY_BUSY: _AGAIN,
    Code.GATEWAY_FULL: (
        "Try again in a few seconds. If it happens often, start another gateway or raise"
        " `server.connections`."
    ),
    Code.GATEWAY_CLOSING: "Try again in a few seconds: the gateway restarts. Reading works.",
    Code.TIMED_OUT: (
        "Check whether the request took effect, then send it again. With the same"
        " `Idempotency-Key`, it takes effect once only."
    ),
    Code.LOG_HALTED: (
        "Wait for an admin. Admins read [After a restore](OPERATIONS.md#after-a-restore)."
    ),
    Code.CHANGED_MEANWHILE: "Send the request again.",
    Code.CREDENTIALS_INVALID: (
        "Check the email and the password. The sign-in page has a link for a new password."
    ),
    Code.ACCOUNT_DEACTIVATED: "Ask an admin of the farm to activate the account.",
    Code.SECOND_FACTOR_REQUIRED: (
        "Log in with `otp` as well: the code of your authenticator app, or a recovery code."
    ),
    Code.SECOND_FACTOR_INVALID: (
        "Wait for the next code of your app, as each works once. Check the clock of your phone, or"
        " use a recovery code."
    ),
    Code.SECOND_FACTOR_MISSING: "Sign in to the console, which asks you to set one up.",
    Code.RECENT_FACTOR_NEEDED: (
        "Send a code to `POST /api/v1/auth/second-factor`, then repeat the request within ten"
        " minutes."
    ),
    Code.REFRESH_TOKEN_INVALID: (
        "Log in again. Each refresh token works once: store the new one before you use it."
    ),
    Code.AUTHORIZATION_PENDING: (
        "Go on polling. The user still has to confirm the code in the console."
    ),
    Code.SLOW_DOWN: "Add five seconds to your polling interval.",
    Code.ACCESS_DENIED: "Begin the login again if the user refused it by mistake.",
    Code.EXPIRED_TOKEN: "Begin the login again, and confirm the new code in time.",
    Code.EMAIL_REGISTERED: (
        "Log in with this email. If you forgot the password, the sign-in page has a link."
    ),
    Code.REGISTRATION_CLOSED: "Ask an admin of the farm for an account.",
    Code.INVITATION_NEEDED: "Open the whole link of your invitation, or ask an admin for one.",
    Code.INVITATION_INVALID: (
        "Ask an admin for a new invitation, and give the address that it was made for."
    ),
    Code.INVITATION_NOT_FOUND: (
        "List the open ones with `rendertrust admin invitations list`. Used ones cannot be revoked."
    ),
    Code.TOO_MANY_INVITATIONS: (
        "Revoke invitations that are no longer needed: `rendertrust admin invitations revoke ID`."
    ),
    Code.PASSWORD_INCORRECT: "Enter the password with which you log in now, not the new one.",
    Code.RESET_TOKEN_INVALID: _NEW_LINK,
    Code.VERIFICATION_TOKEN_INVALID: _NEW_LINK,
    Code.ADDRESS_UNVERIFIED: (
        "Open the link in the mail. For another mail, choose **Verify your address** in the"
        " console, or call `POST /api/v1/auth/verify/send`."
    ),
    Code.ACCOUNT_UNSETTLED: (
        "End your jobs, take your earnings and use up your credits, or ask an admin about them."
        " `detail` names what is open."
    ),
    Code.MAIL_OFF: (
        "Ask an admin for a link. Admins make one with `rendertrust admin reset-link`, or set up"
        " [mail](OPERATIONS.md#mail)."
    ),
    Code.MAIL_QUEUE_FULL: (
        "Try again in some minutes. If you run the gateway, check that its mail server takes mails."
    ),
    Code.USER_NOT_FOUND: "Check the id on the console's page **Users**.",
    Code.USER_INACTIVE: "Activate the user on the page **Users** before you retry their job.",
    Code.SESSION_NOT_FOUND: "List your sessions again: this one has ended.",
    Code.KEY_NOT_FOUND: "List your API keys again: this one may be revoked.",
    Code.TOO_MANY_KEYS: "Revoke keys that no program uses: `rendertrust keys revoke KEY`.",
    Code.LAST_ADMIN: "Make another user an admin first: `rendertrust admin role`.",
    Code.TOO_MANY_MAILS: (
        "Wait an hour, or make a link yourself with `rendertrust admin reset-link` and hand it to"
        " the user."
    ),
    Code.OWN_MATTER: "Ask another admin to do it.",
    Code.INSUFFICIENT_CREDITS: (
        "Buy credits, ask for fewer frames, or render on your own nodes for free (`pool`: `mine`)."
        " Credits that are held for open jobs are not available."
    ),
    Code.REFERENCE_USED: (
        "Use a new `reference_id` for a new deduction. The same id repeats the first one."
    ),
    Code.NOT_CHARGED: "There is nothing to do: the unit was free, or it has not been charged.",
    Code.REFUND_DIFFERS: (
        "Look at the refund in the history of the user. A unit is refunded once, with one amount."
    ),
    Code.PRICE_NOT_FOUND: (
        "There is nothing to remove: the job type costs the default price. See all prices with"
        " `rendertrust admin prices list`."
    ),
    Code.SKU_NOT_FOUND: "Use a name as in `rendertrust admin skus list`.",
    Code.PAYMENTS_OFF: (
        "Take your earnings as credits, and ask an admin for credits. People who run a farm turn on"
        " [payments](OPERATIONS.md#payments)."
    ),
    Code.PURCHASE_NOT_FOUND: "List your purchases with `rendertrust credits purchases`.",
    Code.PURCHASE_UNPAID: "Pay on the page of the checkout, or wait until the payment arrived.",
    Code.CREDIT_NOTE_NOT_FOUND: "A purchase has a credit note for each refund, counted from 1.",
    Code.INVOICES_OFF: (
        "Ask an admin, who sets the farm's name and address in"
        " [`invoices.seller`](reference/settings.md)."
    ),
    Code.PAYMENTS_UNAVAILABLE: (
        "Try again in a moment; you were not charged. If it goes on, an admin finds the cause in"
        " the gateway's log."
    ),
    Code.NOTHING_PAYABLE: (
        "Wait until the dispute window of your results is over. [Get paid](how-to/get-paid.md) says"
        " how earnings become payable."
    ),
    Code.PAYOUT_BELOW_MINIMUM: "Wait until more is payable, or lower your own minimum.",
    Code.PAYOUT_NOT_FOUND: "List payouts with `rendertrust admin payouts list`.",
    Code.PAYOUT_CHANGE_NOT_FOUND: (
        "The change was made, stopped or replaced before. Look at the account that is set now."
    ),
    Code.PAYOUT_ACCOUNT_NOT_FOUND: (
        "Enter a bank account in the console under **Your account**, **Your payouts**."
    ),
    Code.PAYOUT_ACCOUNT_UNUSABLE: (
        "Wait until the account that `detail` names is set or confirmed, or approve the other"
        " payouts without it."
    ),
    Code.PAYOUT_APPROVED: (
        "Mark the payout as paid. If the money was not sent or came back, run `rendertrust admin"
        " payouts reject PAYOUT --not-paid`."
    ),
    Code.PAYOUT_DECIDED: "There is nothing to do: it was paid or rejected. Load the list again.",
    Code.BATCH_NOT_FOUND: "Take the batch's id from `rendertrust admin payouts list`.",
    Code.BATCH_REJECTED: "Send no money for this batch. Operators can request their payouts again.",
    Code.BATCH_REFERENCE_DIFFERS: (
        "Compare both references with your bank statement: the money may have been sent twice."
    ),
    Code.JOB_NOT_FOUND: "Compare the id with `rendertrust jobs list`, and check who is logged in.",
    Code.UNIT_NOT_FOUND: "List the units with `rendertrust jobs units JOB`. Numbers begin at 0.",
    Code.NO_NODE: (
        "Send the job with `queue` to let it wait for a node, ask for less (`needs`), or choose"
        " another pool."
    ),
    Code.NO_BLENDER_VERSION: (
        "`detail` names the versions that the nodes have. Allow newer ones with `or_newer`"
        " (`--or-newer` of `rendertrust submit`), save the scene in one of these versions, or send"
        " the job with `queue` to let it wait for a node."
    ),
    Code.NODES_FULL: "Send the job with `queue` to let it wait, or try again in some seconds.",
    Code.TOO_MANY_OPEN_JOBS: ("Wait until a job ends, or cancel one. Send many frames as one job."),
    Code.TOO_MANY_PREFLIGHTS: (
        "Wait until the hour is over. `rendertrust preflight scene.blend` without `--farm` checks"
        " the scene on your machine."
    ),
    Code.NOT_MEASURED: (
        "Have the scene measured, for free, with `POST /api/v1/jobs/preflight`; then submit it."
        " `rendertrust submit` does both."
    ),
    Code.PRICE_CHANGED: (
        "Get a new quote with `POST /api/v1/jobs/quote`, and submit the job with that price if"
        " you accept it. Nothing was held."
    ),
    Code.UNDERQUOTED: (
        "Submit the frames that `detail` names as a separate job at the new price, or lower their"
        " samples or size."
    ),
    Code.AT_MAX_CREDITS: (
        "Raise the cap with `rendertrust jobs cap JOB CREDITS`, then resume the job."
    ),
    Code.MAX_CREDITS_COMMITTED: (
        "Choose a higher cap, or stop the job. The cap cannot be below what is spent or at work."
    ),
    Code.JOB_STOPPED: "Wait for the last results. To render the rest, submit a new job.",
    Code.JOB_CANCELLED: "Submit a new job.",
    Code.JOB_ENDED: "There is nothing to change. To render more, submit a new job.",
    Code.JOB_NOT_ENDED: "Wait until the job ends: `rendertrust jobs watch JOB`.",
    Code.JOB_NOT_CANCELLABLE: (
        "Stop the job instead: `rendertrust jobs stop JOB` keeps the frames that are complete."
    ),
    Code.JOB_NOT_RETRYABLE: "Wait until the job has failed, or submit it as a new job.",
    Code.JOB_NOT_COMPLETED: (
        "Wait until the job is complete. Frames that are complete can be downloaded before."
    ),
    Code.JOB_OF_ONE_UNIT: "Download the result: `rendertrust jobs download JOB`.",
    Code.JOB_OF_UNITS: (
        "Render its failed frames again with `rendertrust jobs retry JOB`, or submit a new job."
    ),
    Code.JOB_IS_PREFLIGHT: "Start another one with `POST /api/v1/jobs/preflight`.",
    Code.INPUT_EXPIRED: "Upload the scene again, and submit a new job.",
    Code.UNIT_NOT_FAILED: "See the state of each unit with `rendertrust jobs units JOB`.",
    Code.NOTHING_FAILED: "There is nothing to render again. A wrong frame can be disputed.",
    Code.NOTHING_COMPLETE: (
        "Wait for the first frame, or look why none came: `rendertrust jobs units JOB`. Results are"
        " deleted after the farm's retention time."
    ),
    Code.RESULT_NOT_FOUND: (
        "Look at the job's type: some work has no file. Files outside of the gateway's store cannot"
        " be downloaded here."
    ),
    Code.SHARING_OFF: "Download the picture, and send it yourself.",
    Code.PICTURE_NOT_SHAREABLE: (
        "Share a frame whose verdict is `exact` or `consistent`, before its results expire."
    ),
    Code.SHARE_LINK_NOT_FOUND: "List your share links: this one was revoked or has expired.",
    Code.TOO_MANY_SHARE_LINKS: "Revoke links that nobody needs: `rendertrust share revoke ID`.",
    Code.TOO_MANY_JOIN_CODES: (
        "Use a code that is open, or revoke one: `rendertrust nodes codes list`. Codes expire after"
        " 15 minutes."
    ),
    Code.RESULT_EXPIRED: "Submit the job again, and download its frames before they expire.",
    Code.TOO_MANY_FILES: "Render the film in several jobs, and join their videos.",
    Code.EVENT_NUMBER_UNKNOWN: (
        "Read the events from the beginning, without a number. The gateway may have been restored"
        " from a backup."
    ),
    Code.TOO_MANY_STREAMS: (
        "Close streams that you do not need, or read events page by page: `GET"
        " /api/v1/jobs/{job_id}/events`."
    ),
    Code.STREAMS_UNAVAILABLE: "Read events page by page, or connect again in some seconds.",
    Code.PICTURE_NOT_FOUND: "Wait until the frame is complete, and look again.",
    Code.EVIDENCE_NOT_FOUND: (
        "There is nothing to download: nodes deliver evidence only of frames that were to be"
        " verified, and it expires."
    ),
    Code.RECEIPT_NOT_FOUND: (
        "Wait until the unit is verified and charged: then it gets its receipt. A job of several"
        " units has one receipt for each."
    ),
    Code.FILE_LIST_NOT_FOUND: (
        "There is nothing to compare: the job has a single file, or its list was deleted."
    ),
    Code.UNIT_NOT_DISPUTABLE: (
        "`detail` says why. Only complete, charged frames can be disputed, within the dispute"
        " window."
    ),
    Code.DISPUTE_NOT_FOUND: "List disputes with `rendertrust disputes list`.",
    Code.DISPUTE_ANSWERED: "Wait for the decision. An answer cannot be changed.",
    Code.DISPUTE_DECIDED: "Read the decision with `rendertrust disputes list`. It is final.",
    Code.LETTERS_NOT_FOUND: "Choose a kind on the console's page **Dead letters**.",
    Code.UPLOAD_NOT_FOUND: "List your files with `rendertrust uploads list`; upload it again.",
    Code.UPLOAD_NEEDED: "Wait until its jobs have ended and their dispute windows are over.",
    Code.QUOTA_EXCEEDED: (
        "Delete files that you no longer need: `rendertrust uploads list` and `rendertrust uploads"
        " delete ID`."
    ),
    Code.CONTENT_MISSING: "Send the content to its signed URL, then complete the upload again.",
    Code.CONTENT_DIFFERS: (
        "Announce the file again with its present size and SHA-256. It was changed during the"
        " upload."
    ),
    Code.CONTENT_COMPLETE: "Use the `payload_ref` of the upload: nothing has to be sent.",
    Code.PARTS_MISSING: "Send the parts that `detail` names, then complete the upload again.",
    Code.PARTS_DIFFER: "Send all parts again, from a file that does not change during the upload.",
    Code.TOO_SMALL_FOR_PARTS: "Send the content in one request, to the URL in `put`.",
    Code.UPLOAD_IN_REMOVAL: "Announce the upload again in a moment.",
    Code.ARCHIVE_NOT_FOUND: "Get a new link: `rendertrust jobs result JOB`.",
    Code.ADDRESS_EXPIRED: _NEW_URL,
    Code.ENTRY_NOT_FOUND: (
        "Compare the id with `rendertrust credits history`. If `given_up` is there, the entry may"
        " have been lost in a restore."
    ),
    Code.ENTRY_NOT_LOGGED: (
        "Try again in a minute. If it goes on, an admin looks for `sequencer` in the gateway's log."
    ),
    Code.LOG_NOT_BEGUN: "Try again in a moment: the log begins when the gateway first runs.",
    Code.CHAIN_UNAVAILABLE: (
        "Try again in a moment. Until then, the gateway's signature can be checked without the"
        " chain: `rendertrust ledger proof`."
    ),
    Code.NODE_NOT_FOUND: "Compare the id with `rendertrust nodes list`.",
    Code.NODE_REVOKED: (
        "Join with a new key: `rendertrust node join URL --new-key`. If you did not revoke it, ask"
        " an admin."
    ),
    Code.NODE_STATUS_CONFLICT: (
        "Look at the node's standing with `rendertrust nodes show NODE`. A revoked node does not"
        " come back."
    ),
    Code.NODE_FLOODED: (
        "The node connects again by itself. If it goes on, update it; a node of your own must send"
        " fewer frames."
    ),
    Code.NODE_UNAVAILABLE: (
        "Try again in a moment. Without the preflight, a queued job waits for a node."
    ),
    Code.JOIN_CODE_NOT_FOUND: "List the open ones with `rendertrust nodes codes list`.",
    Code.JOIN_CODE_INVALID: (
        "Make another code on the console's page **Add a machine**. Each works once, for 15"
        " minutes, at the farm that made it."
    ),
    Code.CHALLENGE_NOT_FOUND: "Register the node again: `rendertrust node join`.",
    Code.CHALLENGE_EXPIRED: (
        "Register the node again, and answer the new challenge within five minutes."
    ),
    Code.CHALLENGE_USED: (
        "Register again if this was a race. Two nodes cannot have the same key: do not copy a"
        " node's state folder."
    ),
    Code.AUTHORITY_WRONG: (
        "Let the node join by the address of this gateway. If you run it, `server.public_url` must"
        " be the address that nodes use."
    ),
    Code.SIGNATURE_MISSING: "Only Stripe calls this address, which is set as an endpoint there.",
    Code.SIGNATURE_INVALID: (
        "At a node: check that its state folder has the key it registered. At Stripe's webhook:"
        " set `stripe.webhook_secret` to the endpoint's secret."
    ),
    Code.EVENT_INVALID: "Only Stripe calls this address, with its own events.",
    Code.ORGANISATION_NOT_FOUND: "Check that you are a member, or were invited.",
    Code.OWNER_ONLY: "Ask an owner of the organisation: `rendertrust organisations show ID`.",
    Code.LAST_OWNER: (
        "Make another member an owner first, or end the organisation: `rendertrust organisations"
        " end ID`."
    ),
    Code.ALREADY_INVITED: (
        "Wait for the answer. If the user registered after the invitation, remove it and invite"
        " them again."
    ),
    Code.ORGANISATION_FULL: "Remove members or invitations that are no longer needed.",
    Code.TOO_MANY_ORGANISATIONS: "Leave or end an organisation that you no longer need.",
    Code.NOT_TRUSTED: "There is nothing to remove.",
    Code.OWN_ACCOUNT: "There is nothing to add: you always trust your own nodes.",
    Code.TOO_MANY_TRUSTED: "Remove users that you no longer trust: `rendertrust trusted remove`.",
    Code.ENDPOINT_NOT_FOUND: "List your endpoints with `rendertrust webhooks list`.",
    Code.DELIVERY_NOT_FOUND: (
        "List deliveries with `rendertrust webhooks deliveries ENDPOINT`. Old ones are deleted."
    ),
    Code.TOO_MANY_ENDPOINTS: "Delete one that you do not need: `rendertrust webhooks delete ID`.",
}
