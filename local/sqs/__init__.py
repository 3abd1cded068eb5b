"""SQS as AWS's SDKs speak to it, on the queues of the template that workers poll."""
