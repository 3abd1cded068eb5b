"""The answers that refuse a call of a service that nobody serves, in the protocol of the call."""

import json
from collections.abc import Mapping
from html import escape

STATUS = 501  # which SDKs do not ask again after
WAY_OUT = "--aws lets its calls through to AWS, by the service's name in boto3"

_CODE = "NotImplemented"


def refusal(fields: Mapping[str, str], service: str, sentence: str) -> tuple[dict[str, str], bytes]:
    """Return the header fields and the body of an answer with a sentence.

    `fields` are those of the call, by their names in lower case.
    """
    content_type = fields.get("content-type", "")
    if "cbor" in content_type:
        named = {"Smithy-Protocol": "rpc-v2-cbor", "Content-Type": "application/cbor"}
        return named, b"\xa2" + b"".join(map(_cbor, ("__type", _CODE, "message", sentence)))
    if service in ("s3", "s3express", "route53", "cloudfront", "ec2"):
        return {"Content-Type": "text/xml"}, _xml(sentence, service).encode()
    if "x-www-form-urlencoded" in content_type:
        body = f"<ErrorResponse>{_error(sentence)}</ErrorResponse>"
        return {"Content-Type": "text/xml"}, body.encode()
    named = {"x-amzn-ErrorType": _CODE, "Content-Type": "application/x-amz-json-1.0"}
    return named, json.dumps({"__type": _CODE, "message": sentence}).encode()


def _xml(sentence: str, service: str) -> str:
    """Return the XML of services that have their own; those of EC2 stand in a list."""
    error = _error(sentence)
    if service == "ec2":
        return f"<Response><Errors>{error}</Errors></Response>"
    return error if service.startswith("s3") else f"<ErrorResponse>{error}</ErrorResponse>"


def _error(sentence: str) -> str:
    message = f"<Message>{escape(sentence)}</Message>"
    return f"<Error><Type>Sender</Type><Code>{_CODE}</Code>{message}</Error>"


def _cbor(text: str) -> bytes:
    encoded = text.encode()
    return b"\x79" + len(encoded).to_bytes(2, "big") + encoded
