"""Credits: integers inside, decimal strings outside.

One credit is 10,000 units. Every amount in the database, in memory and in the log is an ``int`` of
units; the API has strings with four decimals, and people read no zeros behind the last digit.
Prices in money are integers of the currency's smallest unit, as Stripe counts them.
"""

import re
from decimal import Decimal
from typing import Final

import attrs

UNITS_PER_CREDIT = 10_000
# Currencies whose smallest unit at Stripe is no hundredth.
_WITHOUT_DECIMALS: Final = frozenset(
    [
        "bif",
        "clp",
        "djf",
        "gnf",
        "jpy",
        "kmf",
        "krw",
        "mga",
        "pyg",
        "rwf",
        "vnd",
        "vuv",
        "xaf",
        "xof",
        "xpf",
    ]
)
_WITH_THREE: Final = frozenset(["bhd", "jod", "kwd", "omr", "tnd"])
_CODES: Final = """
    aed afn all amd aoa ars aud awg azn bam bbd bdt bgn bhd bif bmd bnd bob brl bsd btn
    bwp byn bzd cad cdf chf clp cny cop crc cup cve czk djf dkk dop dzd egp ern etb eur
    fjd fkp gbp gel ghs gip gmd gnf gtq gyd hkd hnl htg huf idr ils inr iqd irr isk jmd
    jod jpy kes kgs khr kmf kpw krw kwd kyd kzt lak lbp lkr lrd lsl lyd mad mdl mga mkd
    mmk mnt mop mru mur mvr mwk mxn myr mzn nad ngn nio nok npr nzd omr pab pen pgk php
    pkr pln pyg qar ron rsd rub rwf sar sbd scr sdg sek sgd shp sle sos srd ssp stn syp
    szl thb tjs tmt tnd top try ttd twd tzs uah ugx usd uyu uzs ved ves vnd vuv wst xaf
    xcd xcg xof xpf yer zar zmw zwg
"""
CURRENCIES: Final = frozenset(_CODES.split())  # those in use of ISO 4217
_AMOUNT = re.compile(r"[0-9]{1,14}(\.[0-9]{1,4})?")


def parse(text: str, *, zero: bool = False) -> int:
    """Parse an amount in the API's format, and return its units. Raises ValueError.

    The amount must be above 0; ``zero`` also allows 0.
    """
    if not _AMOUNT.fullmatch(text):
        raise ValueError(
            "must be a decimal string with at most 14 digits and 4 decimals, like 10.5"
        )
    whole, _, fraction = text.partition(".")
    units = int(whole) * UNITS_PER_CREDIT + int(fraction.ljust(4, "0"))
    if units == 0 and not zero:
        raise ValueError("must be above 0")
    return units


def render(units: int) -> str:
    """Return the amount in the API's format: ``990.0000``, ``-0.5000``."""
    whole, fraction = divmod(abs(units), UNITS_PER_CREDIT)
    return f"{'-' if units < 0 else ''}{whole}.{fraction:04d}"


def plain(units: int) -> str:
    """Return the amount without zeros behind the last digit: ``990``, ``10.5``, ``-0.25``."""
    return shortened(render(units))


def shortened(text: str) -> str:
    """Return an amount of the API without such zeros: ``990`` for ``990.0000``."""
    return text.rstrip("0").rstrip(".") if "." in text else text


def grouped(number: str) -> str:
    """Return a number with commas between its thousands: ``1,234.5`` for ``1234.5``.

    People read numbers so, in sentences, on pages and in documents. Programs read numbers without
    commas.
    """
    whole, point, fraction = number.partition(".")
    return f"{int(whole):,}{point}{fraction}" if whole not in ("", "-0") else number


def format_amount(amount: str | int) -> str:
    """Return an amount of the API, or in units, for a sentence: ``1,234.5`` for ``1234.5000``."""
    return grouped(shortened(amount) if isinstance(amount, str) else plain(amount))


def credit_count(amount: str | int) -> str:
    """Return an amount of the API, or in units, with its noun: ``1 credit``, ``10.5 credits``."""
    number = format_amount(amount)
    return f"{number} credit{'' if number.lstrip('-') == '1' else 's'}"


def in_currency(amount: int, currency: str) -> Decimal:
    """Return an amount of the currency's smallest unit in the currency: 10.00 for 1000 cents."""
    code = currency.lower()
    decimals = 0 if code in _WITHOUT_DECIMALS else 3 if code in _WITH_THREE else 2
    return Decimal(amount).scaleb(-decimals)


def price(amount: int, currency: str) -> str:
    """Return a price for tables: ``10.00 USD`` for 1000 cents, ``1000 JPY`` for 1000 yen."""
    return f"{in_currency(amount, currency):f} {currency.upper()}"


def format_price(amount: int, currency: str) -> str:
    """Return a price for people: ``1,000.00 USD`` for 100000 cents."""
    return f"{in_currency(amount, currency):,f} {currency.upper()}"


@attrs.frozen
class CreditPrice:
    """The price of credits: ``amount`` of the currency's smallest unit for ``units`` of 1/10,000
    credit.
    """

    amount: int
    units: int
    currency: str

    def of(self, units: int) -> int:
        """Return the price of some units in the currency's smallest unit, rounded half up."""
        return (2 * units * self.amount + self.units) // (2 * self.units)

    def is_below_smallest(self, units: int) -> bool:
        """Return whether some units cost less than the currency's smallest unit, but not 0."""
        return 0 < units * self.amount < self.units

    def text(self, units: int) -> str:
        """Return the price of some units for people: ``≈ 1,000.00 USD``, or ``under 0.01 USD``."""
        if not units:
            return format_price(0, self.currency)
        if self.is_below_smallest(abs(units)):
            return f"under {format_price(1, self.currency)}"
        sign = "-" if units < 0 else ""
        return f"≈ {sign}{format_price(self.of(abs(units)), self.currency)}"
