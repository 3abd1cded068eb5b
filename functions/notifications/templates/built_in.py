"""The built-in templates: each with a version, a strict shape of its variables, text and HTML.

They are code of ours and know no logic; a tenant's words are only ever values in them. A tenant's
own have other names, so that a notification by one of these costs no look-up.
"""

import html
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Protocol

from msgspec import UNSET, Meta, Struct, UnsetType

from backend import strict_json
from backend.errors import Fault, InvalidRequest
from backend.shapes import END, Currency
from notifications.rendered import Rendered

# No control characters and line ends: in the subject one would begin a new header, and in the text
# a mail server that takes a lone CR for a line end could be made to see another mail.
ONE_LINE = r"^[^\x00-\x1f\x7f-\x9f\u2028\u2029]*" + END
Words = Annotated[
    str,
    Meta(
        min_length=1,
        max_length=200,
        pattern=ONE_LINE,
        extra={"expected": "1 to 200 characters in one line"},
    ),
]
Paragraph = Annotated[
    str,
    Meta(
        min_length=1,
        max_length=1_000,
        pattern=ONE_LINE,
        extra={"expected": "1 to 1,000 characters in one line"},
    ),
]

# What mail programs make a link of by themselves; a mail in our name must not lead to strangers.
# Hosts are known by their end: by one of these, or by a path behind it.
_ENDS = (
    "ai app biz br cc cn club co com de dev es eu fr gg icu in info io it link live ly me net nl "
    "online org pl ru shop site store tech top tv uk us vip xyz"
)
LINK = re.compile(
    r"[a-z][a-z0-9+.-]{0,30}:/|[/\\]{2}|\bwww\.|\b(?:mailto|javascript|data|tel|sms):"
    rf"|[a-z0-9]\.(?:{'|'.join(_ENDS.split())})(?![a-z0-9-])"
    r"|[a-z0-9]\.[a-z]{2,24}[/:?#]|@[a-z0-9-]{1,63}\.|\b[0-9]{1,3}(?:\.[0-9]{1,3}){3}\b",
    re.IGNORECASE,
)
NO_LINKS = "Mails hold no links but ours; leave out http://, www. and the like."

# ISO 4217: digits after the point, where they are not two.
_NO_DIGITS = "BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX VND VUV XAF XOF XPF"
_THREE_DIGITS = "BHD IQD JOD KWD LYD OMR TND"


class Variables(Protocol):
    """The variables that a request gives to a template."""

    def values(self) -> Mapping[str, str]:
        """Return the words to fill in, by name."""


class Welcome(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Variables of `welcome`."""

    name: Words

    def values(self) -> Mapping[str, str]:
        return {"name": self.name}


class PaymentReceipt(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Variables of `payment_receipt`; the amount is in the currency's minor unit."""

    amount: Annotated[int, Meta(ge=1, le=99_999_999)]
    currency: Currency
    payment_id: Words

    def values(self) -> Mapping[str, str]:
        amount = money(self.amount, self.currency)
        return {"amount": amount, "payment_id": self.payment_id}


def money(amount: int, currency: str) -> str:
    """Return an amount in minor units as people read it."""
    digits = 0 if currency in _NO_DIGITS else 3 if currency in _THREE_DIGITS else 2
    whole, part = divmod(abs(amount), 10**digits)
    sign = "-" if amount < 0 else ""
    return (
        f"{currency} {sign}{whole:,}.{part:0{digits}}" if digits else f"{currency} {sign}{whole:,}"
    )


class Newsletter(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Variables of `newsletter`."""

    headline: Words
    text: Paragraph

    def values(self) -> Mapping[str, str]:
        return {"headline": self.headline, "text": self.text}


class EndpointDisabled(Struct, frozen=True, kw_only=True):
    """Variables of `webhook_endpoint_disabled`; not the URL, which may be anybody's."""

    endpoint_id: Words
    reason: Words

    def values(self) -> Mapping[str, str]:
        return {"endpoint_id": self.endpoint_id, "reason": self.reason}


@dataclass(frozen=True, slots=True, kw_only=True)
class Template:
    """One version of a template; what was rendered from an older one stays as it was."""

    name: str
    version: int
    variables: type[Variables]
    subject: str
    text: str
    html: str
    is_subscription: bool = False  # its recipients may unsubscribe, by `{unsubscribe_url}`
    is_internal: bool = False  # sent by ourselves only
    category: UnsetType = UNSET  # which own templates have

    def render(self, variables: dict[str, Any], *, unsubscribe_url: str | None) -> Rendered:
        """Return the template filled in; raises InvalidRequest naming what does not fit."""
        values = self.values(variables)
        if self.is_subscription:
            if unsubscribe_url is None:
                raise InvalidRequest("This template needs a link to unsubscribe.", param="template")
            values["unsubscribe_url"] = unsubscribe_url
        escaped = {each: html.escape(value) for each, value in values.items()}
        return Rendered(
            template=self.name,
            version=self.version,
            subject=self.subject.format_map(values),
            text=self.text.format_map(values),
            html=self.html.format_map(escaped),
        )

    def values(self, variables: dict[str, Any]) -> dict[str, str]:
        """Return the words to fill in; raises InvalidRequest naming every one that is wrong."""
        try:
            values = dict(strict_json.convert(variables, self.variables).values())
        except InvalidRequest as error:
            raise InvalidRequest.of([of_variable(each) for each in error.faults]) from error
        linked = [name for name, value in values.items() if LINK.search(value)]
        if linked:
            raise InvalidRequest.of([of_variable(Fault(each, "", NO_LINKS)) for each in linked])
        return values


def of_variable(fault: Fault) -> Fault:
    """Return a fault of one of the variables as one of the request."""
    param = f"variables.{fault.param}" if fault.param else "variables"
    return Fault(param, "invalid_variables", fault.detail)


_ALL = (
    Template(
        name="welcome",
        version=1,
        variables=Welcome,
        subject="Welcome, {name}",
        text="Hello {name},\n\nyour account is ready.\n",
        html="<p>Hello {name},</p>\n<p>your account is ready.</p>\n",
    ),
    Template(
        name="payment_receipt",
        version=1,
        variables=PaymentReceipt,
        subject="Your receipt for {amount}",
        text="Thank you for your payment of {amount}.\n\nReference: {payment_id}\n",
        html="<p>Thank you for your payment of {amount}.</p>\n<p>Reference: {payment_id}</p>\n",
    ),
    Template(
        name="webhook_endpoint_disabled",
        version=2,
        variables=EndpointDisabled,
        subject="Your webhook endpoint {endpoint_id} is disabled",
        text="No more webhooks are sent to it.\n\n{reason}\n\n"
        "When it works again, enable it: POST /v1/webhook-endpoints/{endpoint_id}/enable\n",
        html="<p>No more webhooks are sent to it.</p>\n<p>{reason}</p>\n"
        "<p>When it works again, enable it: "
        "<code>POST /v1/webhook-endpoints/{endpoint_id}/enable</code></p>\n",
        is_internal=True,
    ),
    Template(
        name="newsletter",
        version=1,
        variables=Newsletter,
        subject="{headline}",
        text="{text}\n\nNo more of these: {unsubscribe_url}\n",
        html="<h1>{headline}</h1>\n<p>{text}</p>\n"
        '<p><a href="{unsubscribe_url}">No more of these</a></p>\n',
        is_subscription=True,
    ),
)
TEMPLATES = {each.name: each for each in _ALL}
PUBLIC = {name: each for name, each in TEMPLATES.items() if not each.is_internal}


def unknown() -> InvalidRequest:
    """Return the refusal of a name that no template has, naming those of everybody."""
    return InvalidRequest(
        f"There is no template of that name; there are {', '.join(sorted(PUBLIC))}, and your own.",
        code="unknown_template",
        param="template",
    )


def check(name: str, variables: dict[str, Any]) -> None:
    """Raise InvalidRequest where a template of this name is built in and these do not fit it."""
    if name in PUBLIC:
        PUBLIC[name].values(variables)
