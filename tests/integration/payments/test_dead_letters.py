"""Messages of payments that cannot be settled say why."""

import json

from tests.integration.function_process import receive_all, sqs_event


def test_a_message_for_a_payment_that_does_not_exist_is_reported_with_its_reason(function, queue):
    message_id = queue("payments").send(json.dumps({"payment_id": "pay_unknown"}))
    worker = function("payments.app.worker")
    answer = worker.invoke(sqs_event(receive_all(queue("payments"))))

    assert answer["batchItemFailures"] == [{"itemIdentifier": message_id}]
    assert answer["failureReasons"] == {message_id: "NotFound: There is no payment pay_unknown."}
