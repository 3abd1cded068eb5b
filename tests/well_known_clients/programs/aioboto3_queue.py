"""A queue by aioboto3: a batch is sent, received by a long poll and deleted."""

import asyncio
import os

import aioboto3


async def main() -> None:
    session = aioboto3.Session()
    async with session.client("sqs", endpoint_url=os.environ["ENDPOINT"]) as sqs:
        queue = await sqs.get_queue_url(QueueName="tasks")
        url = queue["QueueUrl"]
        await sqs.purge_queue(QueueUrl=url)
        entries = [{"Id": str(number), "MessageBody": f"text {number}"} for number in range(10)]
        sent = await sqs.send_message_batch(QueueUrl=url, Entries=entries)
        assert len(sent["Successful"]) == 10, sent
        bodies = set()
        while len(bodies) < 10:
            received = await sqs.receive_message(
                QueueUrl=url, MaxNumberOfMessages=10, WaitTimeSeconds=2
            )
            for message in received.get("Messages", []):
                bodies.add(message["Body"])
                await sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
        assert bodies == {f"text {number}" for number in range(10)}


asyncio.run(main())
