"""AWS_IAM: a request has to carry a signature of version 4; it is the user local's then (row 1.66).

The signature is not checked: who has which secret, nobody knows here.
"""

import re
from urllib.parse import unquote

from local.gateway.authorizer import Callback, Subject
from local.gateway.events import query_pairs, split_target
from local.gateway.policy import Grant
from local.gateway.responses import Refusal
from local.template.intrinsics import ACCOUNT_ID

USER_ID = "AIDALOCAL00000000000"
USER_ARN = f"arn:aws:iam::{ACCOUNT_ID}:user/local"
_CREDENTIAL = re.compile(r"Credential=([^/,\s]+)")


class SignatureChecker:
    """Lets signed requests in; `refusal` is for all others."""

    def __init__(self, refusal: Refusal) -> None:
        self._refusal = refusal

    def authorize(self, subject: Subject, callback: Callback) -> None:
        request = subject.request
        header = request.fields.get("authorization", "")
        query = dict(query_pairs(split_target(request.target)[1]))
        if header.startswith("AWS4-"):
            credential = _CREDENTIAL.search(header)
            callback(_grant(credential[1] if credential else ""))
        elif "X-Amz-Signature" in query:
            callback(_grant(unquote(query.get("X-Amz-Credential", "")).partition("/")[0]))
        else:
            callback(self._refusal)


def _grant(access_key: str) -> Grant:
    """Return what the function gets to know of whoever has signed."""
    identity = {
        "accessKey": access_key,
        "accountId": ACCOUNT_ID,
        "caller": USER_ID,
        "user": USER_ID,
        "userArn": USER_ARN,
    }
    iam = {
        "accessKey": access_key,
        "accountId": ACCOUNT_ID,
        "callerId": USER_ID,
        "cognitoIdentity": None,
        "principalOrgId": None,
        "userArn": USER_ARN,
        "userId": USER_ID,
    }
    return Grant({}, {"iam": iam}, identity=identity)
