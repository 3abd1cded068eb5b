"""The answers to calls of AWS's services that are not here, each in its own protocol."""

import uuid
from html import escape

import orjson

from local.http.request import Request
from local.template.intrinsics import ACCOUNT_ID

CODE = "NotImplemented"
STATUS = 501  # which SDKs do not ask again after

_XML = "Content-Type: text/xml\r\n"
_IDENTITY = f"""<GetCallerIdentityResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/">
<GetCallerIdentityResult><Arn>arn:aws:iam::{ACCOUNT_ID}:root</Arn><UserId>{ACCOUNT_ID}</UserId>
<Account>{ACCOUNT_ID}</Account></GetCallerIdentityResult>
<ResponseMetadata><RequestId>%s</RequestId></ResponseMetadata></GetCallerIdentityResponse>"""


def tell_identity(request: Request) -> None:
    """Answer STS's GetCallerIdentity: whoever calls is the account's root."""
    request.reply(200, _XML, (_IDENTITY % uuid.uuid4()).encode())


def refuse(request: Request, service: str, action: str) -> None:
    """Name the service and the action that were called, and what there is."""
    sentence = (
        f"{action} of the AWS service {service} is not emulated:"
        " this port answers Invoke of lambda, and sqs where the template has a queue"
    )
    content_type = request.fields.get("content-type", "")
    if "cbor" in content_type:
        lines = "Smithy-Protocol: rpc-v2-cbor\r\nContent-Type: application/cbor\r\n"
        body = b"\xa2" + b"".join(map(_cbor, ("__type", CODE, "message", sentence)))
    elif service in ("s3", "s3express", "route53", "cloudfront", "ec2"):
        lines, body = _XML, _xml(sentence, service).encode()
    elif "x-www-form-urlencoded" in content_type:
        lines = _XML
        body = f"<ErrorResponse>{_error(sentence)}</ErrorResponse>".encode()
    else:
        lines = f"x-amzn-ErrorType: {CODE}\r\nContent-Type: application/x-amz-json-1.0\r\n"
        body = orjson.dumps({"__type": CODE, "message": sentence})
    request.reply(STATUS, lines, body)


def _xml(sentence: str, service: str) -> str:
    """Return the XML of services that have their own; those of EC2 stand in a list."""
    error = _error(sentence)
    if service == "ec2":
        return f"<Response><Errors>{error}</Errors></Response>"
    return error if service.startswith("s3") else f"<ErrorResponse>{error}</ErrorResponse>"


def _error(sentence: str) -> str:
    message = f"<Message>{escape(sentence)}</Message>"
    return f"<Error><Type>Sender</Type><Code>{CODE}</Code>{message}</Error>"


def _cbor(text: str) -> bytes:
    encoded = text.encode()
    return b"\x79" + len(encoded).to_bytes(2, "big") + encoded
