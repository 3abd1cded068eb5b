// A message of one's own on a queue, and the end of all messages on it.

import {actButton, field, outcome} from "/acting.js";
import {h} from "/dom.js";

/** Make the form that sends a message; SQS's limits are the server's to check. */
export function sending(about, list, context) {
  const remark = outcome();
  const body = h("textarea", {rows: 5, spellcheck: "false", "aria-label": "Body of the message"});
  const attributes = h("textarea", {rows: 2, spellcheck: "false", placeholder: '{"shop": "berlin", "tries": {"type": "Number", "value": "3"}}'});
  const delay = h("input", {type: "number", min: 0, max: 900, placeholder: "the queue's"});
  const group = h("input"), deduplication = h("input");
  const send = actButton("Send", remark, async () => {
    const answer = await context.post(`/api/queues/${encodeURIComponent(about.name)}/send`, {
      body: body.value,
      attributes: attributesOf(attributes.value),
      delay_s: about.is_fifo || delay.value === "" ? null : delay.valueAsNumber,
      group: group.value || null,
      deduplication_id: deduplication.value || null,
    });
    await list.look();
    return `Sent as ${answer.MessageId}.`;
  });
  const timing = about.is_fifo
    ? [field("group", group), field("deduplication id", deduplication)]
    : [field("delay, s", delay), field("group (optional)", group)];
  return h("details", {class: "card"}, h("summary", {}, "Send a message"),
    field("body", body), field("attributes, as JSON (optional)", attributes), h("div", {class: "row"}, timing, send), remark);
}

/** Return attributes with their types; a plain text is of type String. */
function attributesOf(text) {
  if (!text.trim()) return {};
  let value;
  try {
    value = JSON.parse(text);
  } catch {
    throw new Error("the attributes are no JSON");
  }
  return Object.fromEntries(Object.entries(value).map(([name, each]) =>
    [name, typeof each === "string" ? {type: "String", value: each} : each]));
}

/** Make the form that deletes every message, once the queue's name is typed. */
export function purging(about, list, context) {
  const remark = outcome();
  const name = h("input", {autocomplete: "off", "aria-label": `Type ${about.name} to confirm`});
  const purge = actButton("Delete every message", remark, async () => {
    await context.post(`/api/queues/${encodeURIComponent(about.name)}/purge`, {confirm: name.value});
    name.value = "";
    await list.look();
    return "Every message is deleted.";
  }, {danger: true});
  return h("details", {class: "card"}, h("summary", {}, "Purge"),
    h("p", {}, "This deletes every message, also those in flight, for good. To confirm, type the queue's name: ",
      h("code", {}, about.name)),
    h("div", {class: "row"}, name, purge), remark);
}
