// One payment: what it is now, how it came to that, and whom it was told to.

import {h, replace} from "/dom.js";
import {clock, duration, number} from "/format.js";
import {table} from "/table.js";
import {money, when} from "/views/payments.js";

/** Show a payment with its story, ledger, notifications and webhooks. */
export async function paymentView(root, id, context) {
  const way = [h("a", {href: "#/payments", "data-back": true}, "← Payments"), h("h1", {class: "mono"}, id)];
  replace(root, h("div", {class: "row"}, way), h("p", {class: "none"}, "Reading …"));
  const {payment, notifications} = await context.get(`/api/payments/${encodeURIComponent(id)}`);
  const story = h("section", {class: "card"}, h("h2", {}, "Story"), h("p", {class: "none"}, "Reading …"));
  replace(root, h("div", {class: "row"}, way,
    h("span", {class: payment.status === "failed" ? "badge bad" : "badge"}, payment.status)),
  h("div", {class: "tiles"}, tiles(payment)), facts(payment), story, ledger(payment), notices(notifications));
  try {
    replace(story, h("h2", {}, "Story"), storyOf(await context.get(`/api/story/${encodeURIComponent(id)}`)));
  } catch (error) {
    if (error.status === undefined) throw error;
    replace(story, h("h2", {}, "Story"), h("p", {class: "none"}, `It cannot be told: ${error.message}.`));
  }
}

function tiles(payment) {
  return [
    [payment.amount, "amount, in minor units"], [payment.amount_captured ?? 0, "captured"], [payment.amount_refunded ?? 0, "refunded"],
    [payment.amount_held ?? 0, "held"],
  ].map(([value, label]) => h("div", {class: "tile"}, h("b", {}, money(value, payment.currency)), h("span", {}, label)));
}

function facts(payment) {
  const pairs = [
    ["tenant", payment.tenant],
    ["made", when(payment.created_ms)],
    ["customer", payment.customer],
    ["method", payment.payment_method],
    ["receipt to", payment.receipt_email],
    ["description", payment.description],
    ["charge", payment.charge_id],
    ...(payment.operations ?? []).map(each => [each.kind, [each.status, each.amount, each.id].filter(Boolean).join(" · ")]),
    ...(payment.disputes ?? []).map(each => ["dispute", [each.status ?? "needs_response", each.reason, each.amount, each.id,
      each.due_ms ? `evidence due ${when(each.due_ms)}` : ""].filter(Boolean).join(" · ")]),
    ["failure", payment.failure ? `${payment.failure.code}: ${payment.failure.message}` : null],
    ["still to be sent to", payment.waiting_messages.join(", ")],
    ...Object.entries(payment.metadata ?? {}).map(([name, value]) => [`metadata ${name}`, value]),
  ].filter(([, value]) => value);
  return h("section", {class: "card"}, h("dl", {class: "pairs"}, pairs.map(([name, value]) => [h("dt", {}, name), h("dd", {}, value)])));
}

function storyOf(story) {
  const lines = table({
    label: "Story",
    none: "Nothing is known of it.",
    key: each => each.key,
    columns: [
      {name: "at", of: each => h("span", {class: "mono"}, clock(Date.parse(each.at) / 1000, {millis: true}))},
      {name: "gap", of: each => each.gap_ms ? `+${duration(each.gap_ms)}` : ""},
      {name: "source", left: true, of: each => each.place ?? each.source},
      {name: "what", left: true, of: each => h("span", {class: "wrap"}, each.text)},
    ],
  });
  lines.update(story.lines.map((each, index) => ({...each, key: index})));
  return [
    (story.missing ?? []).map(each => h("p", {class: "bad"}, `A part is missing: ${each}.`)),
    lines.element,
    story.trace ? h("p", {}, h("a", {href: `#/traces/${encodeURIComponent(story.trace)}`}, "Its trace")) : null,
  ];
}

function ledger(payment) {
  const entries = table({
    label: "Ledger",
    none: "Nothing has been moved.",
    key: each => each.key,
    columns: [
      {name: "transfer", of: each => each.transfer},
      {name: "state", left: true, of: each => each.state},
      {name: "debit", left: true, of: each => each.debit},
      {name: "credit", left: true, of: each => each.credit},
      {name: "amount", of: each => money(each.amount, payment.currency)},
    ],
  });
  entries.update((payment.ledger ?? []).map((each, index) => ({...each, key: index})));
  return h("section", {class: "card"}, h("h2", {}, "Ledger"), entries.element);
}

function notices(notifications) {
  const rows = table({
    label: "Notifications and webhooks",
    none: "Nobody has been told of it.",
    key: each => each.id,
    columns: [
      {name: "id", of: each => h("span", {class: "mono"}, each.id)},
      {name: "channel", left: true, of: each => each.channel},
      {name: "to", wraps: true, of: each => each.to},
      {name: "what", wraps: true, of: each => each.subject || each.template},
      {name: "status", left: true, of: each => each.status, bad: each => each.status === "failed"},
      {name: "attempts", wraps: true, of: each => attempts(each.attempts ?? [])},
      {name: "made", of: each => when(each.created_ms)},
    ],
  });
  rows.update(notifications);
  return h("section", {class: "card"}, h("h2", {}, "Notifications and webhooks"), rows.element);
}

function attempts(list) {
  const last = list.at(-1)?.outcome;
  return last ? `${number(list.length)}, last ${[last.result, last.code, last.reason].filter(Boolean).join(" ")}` : number(list.length);
}
