"""AWS_IAM: a request has to carry a signature of version 4; whose, nobody asks here (row 1.66)."""

from local.gateway.authorizer import Callback, Subject
from local.gateway.events import query_pairs, split_target
from local.gateway.policy import Grant
from local.gateway.responses import Refusal

_GRANT = Grant({}, {})


class SignatureChecker:
    """Lets signed requests in; `refusal` is for all others."""

    def __init__(self, refusal: Refusal) -> None:
        self._refusal = refusal

    def authorize(self, subject: Subject, callback: Callback) -> None:
        request = subject.request
        header = request.fields.get("authorization", "")
        query = query_pairs(split_target(request.target)[1])
        is_signed = header.startswith("AWS4-") or any(
            name == "X-Amz-Signature" for name, _ in query
        )
        callback(_GRANT if is_signed else self._refusal)
