"""The batches of pipes."""

import base64

from local.services.delivery import Delivery
from local.services.pipes import Pipe

FILTERS = {"Filters": [{"Pattern": '{"data": {"a": [1]}}'}]}
PROPERTIES = {
    "Target": "arn:aws:sqs:eu-west-1:000000000000:Jobs",
    "SourceParameters": {"FilterCriteria": FILTERS},
}


def test_data_nested_deeper_than_can_be_read_is_no_json():
    pipe = Pipe("P", PROPERTIES, Delivery("http://127.0.0.1:1"), "http://127.0.0.1:1")
    data = base64.b64encode(b"[" * 200_000).decode()

    pipe.move([{"data": data}])  # passes no filter, so nothing is sent
