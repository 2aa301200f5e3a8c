"""State of the stand-in: sessions, charges, refunds, disputes and undelivered events."""

import secrets
import time
from collections.abc import Mapping
from typing import Any, Final, TypeAlias

Json: TypeAlias = dict[str, Any]
API_VERSION: Final = "2026-09-30.stand-in"
KEPT_MAX: Final = 1_000  # objects of each kind; the oldest are forgotten
OPEN_SECONDS: Final = 24 * 3600  # a session that is not paid expires, as Stripe's do
PARTS: Final = ("sessions", "keys", "charges", "refunds", "disputes", "events", "told")


class StripeRefusal(Exception):
    """A refusal with the code that Stripe would send; the text says why."""

    def __init__(self, text: str, code: str = "parameter_invalid", status: int = 400) -> None:
        super().__init__(text)
        self.code, self.status = code, status


class StripeState:
    """Objects in the format of Stripe's API, by id.

    ``events``: the events that are not delivered yet.

    Changes must be saved before a request is answered.
    """

    def __init__(self, kept: Mapping[str, Any] | None = None) -> None:
        self._kept: dict[str, dict[str, Json]] = {
            part: dict((kept or {}).get(part, {})) for part in PARTS
        }

    @property
    def sessions(self) -> dict[str, Json]:
        return self._kept["sessions"]

    @property
    def charges(self) -> dict[str, Json]:
        return self._kept["charges"]

    @property
    def refunds(self) -> dict[str, Json]:
        return self._kept["refunds"]

    @property
    def disputes(self) -> dict[str, Json]:
        return self._kept["disputes"]

    @property
    def events(self) -> dict[str, Json]:
        return self._kept["events"]

    def kept(self) -> Mapping[str, Any]:
        """Return the whole state for storage."""
        return self._kept

    # ── sessions ─────────────────────────────────────────────────────────────────────────────────

    def open(self, asked: Json, key: str, page: str) -> tuple[Json, bool]:
        """Return a session, and whether a request with the same idempotency key had opened it
        before.
        """
        before = self._kept["keys"].get(key) if key else None
        if before is not None and before["session"] in self.sessions:
            if before["asked"] != asked:
                raise StripeRefusal(
                    "The key was used for other parameters", "idempotency_key_in_use"
                )
            return self.sessions[before["session"]], True
        session = self._session(asked, page)
        self._expire_before(session["created"] - OPEN_SECONDS)
        self._put("sessions", session)
        if key:
            self._put("keys", {"id": key, "session": session["id"], "asked": asked})
        return session, False

    def _session(self, asked: Json, page: str) -> Json:
        try:
            (line,) = asked["line_items"].values()
            price, name = line["price_data"], line["price_data"]["product_data"]["name"]
            amount = int(price["unit_amount"]) * int(line["quantity"])
            currency, done, cancelled = price["currency"], asked["success_url"], asked["cancel_url"]
        except (KeyError, ValueError, AttributeError, TypeError) as error:
            raise StripeRefusal(
                f"A parameter is missing or wrong: {error}", "parameter_missing"
            ) from error
        if asked.get("mode") != "payment" or amount < 1:
            raise StripeRefusal("Only payments above 0 are supported")
        id_ = fresh("cs_test")
        return {
            "id": id_,
            "object": "checkout.session",
            "amount_subtotal": amount,
            "amount_total": amount,
            "cancel_url": cancelled,
            "client_reference_id": asked.get("client_reference_id"),
            "created": now(),
            "currency": currency.lower(),
            "description": name,
            "livemode": False,
            "metadata": asked.get("metadata", {}),
            "mode": "payment",
            "payment_intent": None,
            "payment_status": "unpaid",
            "status": "open",
            "success_url": done,
            "url": f"{page}/pay/{id_}",
        }

    def pay(self, id_: str, *, later: bool = False) -> Json:
        """Pay by card; with ``later``, by a bank transfer that has not arrived yet."""
        session = self._open_session(id_)
        session |= {"status": "complete", "payment_intent": fresh("pi")}
        if not later:
            self._charge(session)
        self.say("checkout.session.completed", session)
        return session

    def arrive(self, id_: str, *, paid: bool) -> Json:
        """Record that a session's bank transfer arrived, or failed."""
        session = self.session(id_)
        if session["status"] != "complete" or session["payment_status"] == "paid":
            raise StripeRefusal("This session does not wait for a payment")
        if paid:
            self._charge(session)
        self.say(f"checkout.session.async_payment_{'succeeded' if paid else 'failed'}", session)
        return session

    def expire(self, id_: str) -> Json:
        session = self._open_session(id_)
        session["status"] = "expired"
        self.say("checkout.session.expired", session)
        return session

    def _expire_before(self, created: int) -> None:
        for old in list(self.sessions.values()):
            if old["status"] == "open" and old["created"] < created:
                self.expire(old["id"])

    def session(self, id_: str) -> Json:
        return self._found("sessions", id_)

    def _open_session(self, id_: str) -> Json:
        session = self.session(id_)
        if session["status"] != "open":
            raise StripeRefusal(f"The session is {session['status']}")
        return session

    def _charge(self, session: Json) -> None:
        session["payment_status"] = "paid"
        charge = {
            "id": fresh("ch"),
            "object": "charge",
            "amount": session["amount_total"],
            "amount_refunded": 0,
            "created": now(),
            "currency": session["currency"],
            "description": session["description"],
            "disputed": False,
            "livemode": False,
            "metadata": session["metadata"],
            "paid": True,
            "payment_intent": session["payment_intent"],
            "refunded": False,
            "status": "succeeded",
        }
        self._put("charges", charge)
        self.say("charge.succeeded", charge)

    # ── refunds and disputes ─────────────────────────────────────────────────────────────────────

    def refund(self, charge_id: str, amount: int | None = None) -> Json:
        """Refund an amount of a charge; if ``amount`` is None, the part that is not refunded
        yet.
        """
        charge = self._found("charges", charge_id)
        left = charge["amount"] - charge["amount_refunded"]
        part = left if amount is None else amount
        if not 1 <= part <= left:
            raise StripeRefusal(
                f"Only {left} of this charge can be refunded", "charge_already_refunded"
            )
        refund = self._about(charge, "re", "refund", part, "succeeded")
        self._put("refunds", refund)
        self._refunded(charge, part)
        self.say("refund.created", refund)
        self.say("charge.refunded", charge)
        return refund

    def fail_refund(self, id_: str) -> Json:
        """Record that the buyer's bank returned the refund."""
        refund = self._found("refunds", id_)
        if refund["status"] != "succeeded":
            raise StripeRefusal("The refund has already failed")
        refund["status"] = "failed"
        self._refunded(self._found("charges", refund["charge"]), -refund["amount"])
        self.say("refund.failed", refund)
        return refund

    def dispute(self, charge_id: str) -> Json:
        """Record that the buyer's bank reversed the whole charge."""
        charge = self._found("charges", charge_id)
        if charge["disputed"]:
            raise StripeRefusal("The charge is already disputed")
        charge["disputed"] = True
        dispute = self._about(charge, "du", "dispute", charge["amount"], "needs_response")
        self._put("disputes", dispute)
        self.say("charge.dispute.created", dispute)
        self.say("charge.dispute.funds_withdrawn", dispute)
        return dispute

    def close_dispute(self, id_: str, *, won: bool) -> Json:
        dispute = self._found("disputes", id_)
        if dispute["status"] != "needs_response":
            raise StripeRefusal(f"The dispute is {dispute['status']}")
        dispute["status"] = "won" if won else "lost"
        self.say("charge.dispute.closed", dispute)
        if won:
            self.say("charge.dispute.funds_reinstated", dispute)
        return dispute

    def _about(self, charge: Json, prefix: str, kind: str, amount: int, status: str) -> Json:
        return {
            "id": fresh(prefix),
            "object": kind,
            "amount": amount,
            "charge": charge["id"],
            "created": now(),
            "currency": charge["currency"],
            "livemode": False,
            "metadata": {},
            "payment_intent": charge["payment_intent"],
            "status": status,
        }

    def _refunded(self, charge: Json, amount: int) -> None:
        charge["amount_refunded"] += amount
        charge["refunded"] = charge["amount_refunded"] == charge["amount"]

    # ── events ───────────────────────────────────────────────────────────────────────────────────

    def say(self, kind: str, about: Json) -> None:
        """Add an event about the object in its present state."""
        event: Json = {
            "id": fresh("evt"),
            "object": "event",
            "api_version": API_VERSION,
            "created": now(),
            "data": {"object": {**about}},
            "livemode": False,
            "pending_webhooks": 1,
            "request": {"id": None, "idempotency_key": None},
            "type": kind,
        }
        self.events[event["id"]] = event  # stored until delivered; KEPT_MAX does not apply

    def delivered(self, event: str) -> None:
        """Record that the event was delivered."""
        row = self.events.pop(event, None)
        if row is not None:
            self.remember(row)

    def remember(self, event: Json) -> None:
        """Keep an event for later retrieval."""
        self._put("told", event)

    def event(self, id_: str) -> Json:
        """Return an event, delivered or not."""
        return self.events.get(id_) or self._found("told", id_)

    def _found(self, part: str, id_: str) -> Json:
        row = self._kept[part].get(id_)
        if row is None:
            raise StripeRefusal(f"No such object: {id_}", "resource_missing", 404)
        return row

    def _put(self, part: str, row: Json) -> None:
        rows = self._kept[part]
        rows[row["id"]] = row
        while len(rows) > KEPT_MAX:
            del rows[next(iter(rows))]


def fresh(prefix: str) -> str:
    """Generate an id in Stripe's format."""
    return f"{prefix}_{secrets.token_hex(12)}"


def now() -> int:
    return int(time.time())
