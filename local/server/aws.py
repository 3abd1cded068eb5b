"""The one port of AWS's APIs: SDKs name the service they mean in a header, but for Lambda."""

from local.http.request import Request
from local.http.same_origin import is_foreign
from local.lambda_service.invoke_api import InvokeApi
from local.sqs.api import SqsApi


class AwsApis:
    """Passes each request on to its service; `sqs` is None where there is no queue."""

    def __init__(self, invoke: InvokeApi, sqs: SqsApi | None) -> None:
        self._invoke = invoke
        self._sqs = sqs

    def handle(self, request: Request) -> None:
        if is_foreign(request):
            self._invoke.refuse(request, 403)
        elif self._sqs and self._sqs.is_meant(request):
            self._sqs.handle(request)
        else:
            self._invoke.handle(request)

    def refuse(self, request: Request, status: int) -> None:
        self._invoke.refuse(request, status)
