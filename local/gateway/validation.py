"""The validation of a request before it comes to a function or an integration (row 1.67)."""

import dataclasses
import json
from typing import TYPE_CHECKING, Any

from local.gateway.responses import Refusal
from local.template import Validation
from local.template.validation import JSON, compiled

if TYPE_CHECKING:
    from local.gateway.exchange import Exchange

INVALID_BODY = Refusal("BAD_REQUEST_BODY", 400, "Invalid request body", "BadRequestException")
_MISSING = "Missing required request parameters: [{}]"
_MEMBERS = {
    "header": "headers",
    "path": "pathParameters",
    "querystring": "queryStringParameters",
}


class Validator:
    """The required parameters of one route, and its models, compiled once."""

    def __init__(self, validation: Validation) -> None:
        self._parameters = [
            (name.split(".", 3)[2], name.split(".", 3)[3]) for name in validation.parameters
        ]
        self._models = {kind: compiled(schema) for kind, schema in validation.schemas.items()}

    def refusal(self, exchange: "Exchange") -> Refusal | None:
        """Return why a request is refused, None where it is valid."""
        if self._parameters and (missing := self._missing(exchange.event("1.0"))):
            message = _MISSING.format(", ".join(missing))
            return Refusal("BAD_REQUEST_PARAMETERS", 400, message, "BadRequestException")
        kind = exchange.request.fields.get("content-type") or JSON
        of_kind = self._models.get(kind.partition(";")[0].strip().lower())
        model = of_kind or self._models.get("$default")
        reason = _reason(model, exchange.request.body) if model else ""
        return dataclasses.replace(INVALID_BODY, reason=reason) if reason else None

    def _missing(self, event: dict[str, Any]) -> list[str]:
        """Return the names of parameters that are not there, or blank."""
        missing = []
        for place, name in self._parameters:
            values = event.get(_MEMBERS[place]) or {}
            if place == "header":
                values = {key.lower(): value for key, value in values.items()}
            if not values.get(name.lower() if place == "header" else name):
                missing.append(name)
        return missing


def _reason(model: Any, body: bytes) -> str:
    """Return why a body does not fit its model, empty where it does."""
    from fastjsonschema import JsonSchemaValueException  # noqa: PLC0415 - few APIs validate

    try:
        model(json.loads(body))
    except JsonSchemaValueException as error:
        return str(error).replace("data", "body", 1)
    except (ValueError, RecursionError):
        return "Can not parse JSON body"
    return ""
