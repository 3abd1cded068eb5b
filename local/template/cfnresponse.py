"""The module `cfnresponse` that Lambda adds to inline code: it answers a custom resource's request.

https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/cfn-lambda-function-code-cfnresponsemodule.html
"""

import json
import urllib.request

SUCCESS = "SUCCESS"
FAILED = "FAILED"
ANSWER_MAX_S = 10


def send(  # noqa: PLR0913 - as AWS's own has it
    event,  # type: ignore[no-untyped-def]
    context,
    responseStatus,  # noqa: N803
    responseData,  # noqa: N803
    physicalResourceId=None,  # noqa: N803
    noEcho=False,  # noqa: N803
    reason=None,
):
    """Put the outcome where the request says."""
    answer = {
        "Status": responseStatus,
        "Reason": reason or f"See the details in CloudWatch Log Stream: {context.log_stream_name}",
        "PhysicalResourceId": physicalResourceId or context.log_stream_name,
        "StackId": event["StackId"],
        "RequestId": event["RequestId"],
        "LogicalResourceId": event["LogicalResourceId"],
        "NoEcho": noEcho,
        "Data": responseData,
    }
    request = urllib.request.Request(
        event["ResponseURL"],
        data=json.dumps(answer).encode(),
        headers={"Content-Type": ""},
        method="PUT",
    )
    urllib.request.urlopen(request, timeout=ANSWER_MAX_S).close()
