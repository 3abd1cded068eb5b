"""The one port of AWS's APIs: a request goes to the service that its signature or header names."""

import re
from urllib.parse import parse_qs

from local.http.request import Request
from local.http.same_origin import is_foreign
from local.lambda_service.invoke_api import InvokeApi
from local.server import absent_services
from local.sqs.api import TARGET, SqsApi
from local.sqs.query import TYPE

_SERVICE = re.compile(r"Credential=[^,/]*/\d{8}/[^,/]*/([a-z0-9-]+)/aws4_request")


class AwsApis:
    """The services of one template; `sqs` is None where there is no queue."""

    def __init__(self, invoke: InvokeApi, sqs: SqsApi | None) -> None:
        self._invoke = invoke
        self._sqs = sqs

    def handle(self, request: Request) -> None:
        if is_foreign(request):
            self._invoke.refuse(request, 403)
            return
        service, action = _named(request)
        if service == "sqs" and self._sqs:
            self._sqs.handle(request)
        elif service in ("", "lambda"):
            self._invoke.handle(request)
        elif (service, action) == ("sts", "GetCallerIdentity"):
            absent_services.tell_identity(request)
        else:
            absent_services.refuse(request, service, action)

    def refuse(self, request: Request, status: int) -> None:
        self._invoke.refuse(request, status)


def _named(request: Request) -> tuple[str, str]:
    """Return the service and the action that a request names, each empty where it names none.

    An unsigned request of the query protocol is for SQS, as those of older SDKs are, unless its
    action is one that STS alone has.
    """
    target = request.fields.get("x-amz-target", "")
    signature = _SERVICE.search(request.fields.get("authorization", ""))
    service = signature[1] if signature else ""
    if target:
        prefix, _, action = target.rpartition(".")
        return ("sqs" if target.startswith(TARGET) else service or prefix), action
    if request.fields.get("content-type", "").startswith(TYPE):
        action = parse_qs(request.body.decode("latin-1")).get("Action", [""])[0]
        return service or ("sts" if action == "GetCallerIdentity" else "sqs"), action
    return service, f"{request.method} {request.target.partition('?')[0]}"
