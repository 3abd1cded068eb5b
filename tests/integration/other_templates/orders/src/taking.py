import os

import boto3

sqs = boto3.client("sqs")


def take(event, context):
    sent = sqs.send_message(QueueUrl=os.environ["QUEUE_URL"], MessageBody=event["body"])
    return {"statusCode": 202, "body": sent["MessageId"]}
