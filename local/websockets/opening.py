"""A handshake as an authorizer sees it."""

import asyncio
from collections.abc import Mapping
from time import monotonic
from typing import Any

from local.gateway import responses
from local.gateway.authorizer import LambdaAuthorizer, RequestAuthorizer
from local.gateway.events import Context
from local.gateway.identity import identity_of
from local.gateway.policy import Grant, read_policy
from local.gateway.responses import Refusal
from local.gateway.signature_authorizer import SignatureChecker
from local.gateway.variables import Situation
from local.http.request import Request
from local.lambda_service.dispatch import Invocation, Pool
from local.template import Api, Authorizer, Function, SignatureAuthorizer
from local.websockets.events import Caller, method_arn


def judge_of(api: Api, pools: Mapping[str, Pool]) -> RequestAuthorizer | None:
    """Return what decides on the handshakes of an API, None where nothing does."""
    for each in api.authorizers.values():
        if isinstance(each, SignatureAuthorizer):
            return SignatureChecker(responses.NO_ROUTE)
        if isinstance(each, Authorizer):
            return LambdaAuthorizer(
                each,
                pools[each.function],
                monotonic,
                identify=identity_of(each, api.variables, is_required=True),
                event=lambda subject, _identity: subject.event(""),
                read=read_policy,
            )
    return None


class Opening:
    """The subject of an authorizer: a handshake with the question about it."""

    def __init__(
        self, request: Request, context: Context, question: dict[str, Any], caller: Caller
    ) -> None:
        self.request = request
        self.context = context
        self.method_arn = method_arn(caller.stage)
        self.is_traced = False
        self.question: tuple[Invocation, Function] | None = None
        self._event = question
        self._caller = caller

    @property
    def scopes(self) -> tuple[str, ...]:
        """Return the scopes of tokens, of which WebSocket APIs know none."""
        return ()

    def event(self, payload: str) -> dict[str, Any]:
        """Return the question, which has one format."""
        return self._event

    def situation(self) -> Situation:
        """Return the values that variables can name."""
        return Situation(request=self.request, context=self.context, stage=self._caller.stage)

    async def judged(self, judge: RequestAuthorizer) -> Grant | Refusal:
        """Return what the authorizer says."""
        answers: asyncio.Future[Grant | Refusal] = asyncio.get_running_loop().create_future()
        judge.authorize(self, answers.set_result)
        return await answers
