// sqs-consumer takes what AWS's SDK sends, one message a second time after it failed.

import {strict as assert} from "node:assert";
import {LambdaClient, InvokeCommand} from "@aws-sdk/client-lambda";
import {GetQueueAttributesCommand, GetQueueUrlCommand, SQSClient, SendMessageCommand} from "@aws-sdk/client-sqs";
import {Consumer} from "sqs-consumer";

const options = {endpoint: process.env.ENDPOINT, region: "eu-west-1", credentials: {accessKeyId: "any", secretAccessKey: "thing"}};
const sqs = new SQSClient(options);
const {QueueUrl} = await sqs.send(new GetQueueUrlCommand({QueueName: "consumed"}));
for (const text of ["first", "again"]) {
  await sqs.send(new SendMessageCommand({
    QueueUrl, MessageBody: text, MessageAttributes: {kind: {DataType: "String", StringValue: text}},
  }));
}
const came = [];
await new Promise((resolve, reject) => {
  const consumer = Consumer.create({
    queueUrl: QueueUrl, sqs, terminateVisibilityTimeout: true, waitTimeSeconds: 1, messageAttributeNames: ["All"],
    handleMessage: async message => {
      came.push(`${message.Body} ${message.MessageAttributes.kind.StringValue}`);
      if (message.Body === "again" && came.filter(each => each.startsWith("again")).length === 1) throw new Error("fails");
      return message;
    },
  });
  consumer.on("error", reject);
  consumer.on("message_processed", () => {
    if (came.length === 3) consumer.stop();
  });
  consumer.on("stopped", resolve);
  consumer.start();
});
assert.deepEqual(came.toSorted(), ["again again", "again again", "first first"]);
const {Attributes} = await sqs.send(new GetQueueAttributesCommand({QueueUrl, AttributeNames: ["All"]}));
assert.equal(Attributes.ApproximateNumberOfMessages, "0");

const lambda = new LambdaClient(options);
const answer = await lambda.send(new InvokeCommand({FunctionName: "Echo", Payload: JSON.stringify({n: 1}), LogType: "Tail"}));
assert.deepEqual(JSON.parse(Buffer.from(answer.Payload).toString()), {came: {n: 1}});
assert.match(Buffer.from(answer.LogResult, "base64").toString(), /echoed \{'n': 1\}/);
