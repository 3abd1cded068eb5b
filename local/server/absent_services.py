"""The answers to calls of AWS's services that are not here, each in its own protocol."""

import uuid

from local.aws_models.refusals import STATUS, WAY_OUT, refusal
from local.http.request import Request
from local.template.intrinsics import ACCOUNT_ID

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
        f"{action} of the AWS service {service} is not emulated: this port answers Invoke of"
        f" lambda, and sqs where the template has a queue; --services on starts others, {WAY_OUT}"
    )
    named, body = refusal(request.fields, service, sentence)
    lines = "".join(f"{name}: {value}\r\n" for name, value in named.items())
    request.reply(STATUS, lines, body)
