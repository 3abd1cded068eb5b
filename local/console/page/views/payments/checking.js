// What all payments come to, and whether they agree with the provider's record.

import {actButton, outcome} from "/acting.js";
import {h, replace, say} from "/dom.js";
import {clock, number} from "/format.js";
import {table} from "/table.js";

const EVERY_MS = 2000;

/** Make the table of balances, read when it is asked for: the function adds them up. */
export function balances(context) {
  const remark = outcome();
  const rows = table({
    label: "Balances",
    none: "Not read yet.",
    key: each => `${each.tenant} ${each.account} ${each.currency}`,
    columns: [
      {name: "tenant", of: each => each.tenant},
      {name: "account", left: true, of: each => each.trouble ?? each.account, bad: each => each.trouble},
      {name: "currency", left: true, of: each => each.currency ?? ""},
      {name: "posted", of: each => each.trouble ? "" : number(each.posted)},
      {name: "pending", of: each => each.trouble ? "" : number(each.pending)},
    ],
  });
  const read = actButton("Read the balances", remark, async () => {
    const {tenants} = await context.get("/api/payments/balances");
    rows.update(tenants.flatMap(({tenant, balances: list, trouble}) =>
      trouble ? [{tenant, trouble}] : list.map(each => ({tenant, ...each}))));
    return `As of ${new Date().toLocaleTimeString("en-GB")}, in minor units.`;
  });
  return h("section", {class: "card"}, h("h2", {}, "Balances"), rows.element, h("div", {class: "row"}, read), remark);
}

/** Make the comparison of all payments with the provider's record, and its last result. */
export function comparing(context) {
  const remark = outcome(), result = h("div", {}, h("p", {class: "none"}, "Nothing has been compared since the console began."));
  const start = actButton("Compare now", remark, async () => {
    await context.post("/api/payments/compare");
    start.disabled = true;
    return "Every payment is compared with the provider's record …";
  });
  let shownAt = 0;
  context.every(EVERY_MS, async () => {
    const {is_running: isRunning, last} = await context.get("/api/payments/comparison");
    start.disabled = isRunning;
    if (last && last.ended_s !== shownAt) {
      shownAt = last.ended_s;
      say(remark, "");
      replace(result, shown(last));
    }
  });
  return h("section", {class: "card"}, h("h2", {}, "Mismatches"), result, h("div", {class: "row"}, start), remark);
}

function shown(last) {
  if (last.trouble) return h("p", {class: "bad"}, `${clock(last.ended_s)}: ${last.trouble}`);
  const {payments, effects, unsettled, stuck, dead_letters: dead} = last.counts;
  return [
    h("p", {class: last.number_of_differences ? "bad" : "good"}, `${clock(last.ended_s)}: ${number(last.number_of_differences)} differences`),
    h("p", {}, `${number(payments)} payments, ${number(effects)} effects of the provider, ${number(unsettled)} not settled yet, `
      + `${number(stuck)} stuck, ${number(dead)} dead letters`),
    h("ul", {}, last.differences.map(each => h("li", {}, each.payment_id
      ? [h("a", {href: `#/payments/${encodeURIComponent(each.payment_id)}`, class: "mono"}, each.payment_id), `: ${each.kind}`] : each.kind))),
  ];
}
