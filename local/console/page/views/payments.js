import {field, outcome} from "/acting.js";
import {h, replace, say} from "/dom.js";
import {clock, number} from "/format.js";
import {table} from "/table.js";
import {balances, comparing} from "/views/payments/checking.js";
import {paymentView} from "/views/payments/one.js";

export const title = "Payments";

export async function show(root, {path, query}, context) {
  return path.length ? paymentView(root, path[0], context) : showAll(root, query, context);
}

/** An amount in minor units with its currency, as the API has it. */
export function money(amount, currency) {
  return amount === null || amount === undefined ? "–" : `${number(amount)} ${currency}`;
}

export function when(ms) {
  return `${new Date(ms).toLocaleDateString("en-CA")} ${clock(ms / 1000, {millis: true})}`;
}

async function showAll(root, query, context) {
  const remark = outcome(), more = h("button", {type: "button", hidden: true}, "Search further back");
  const inputs = {
    q: h("input", {type: "search", placeholder: "pay_…, another id, Idempotency-Key or mail", size: 34, "data-filter": true}),
    status: h("select", {}, h("option", {value: ""}, "any")),
    amount: h("input", {type: "number", min: 0, placeholder: "minor units"}),
    mail: h("input", {type: "search", placeholder: "part of an address"}),
  };
  const rows = new Map();
  const payments = table({
    label: "Payments",
    none: "No payment matches.",
    key: each => each.id,
    open: each => context.navigate(`#/payments/${encodeURIComponent(each.id)}`),
    columns: [
      {name: "payment", of: each => h("a", {href: `#/payments/${encodeURIComponent(each.id)}`, class: "mono"}, each.id)},
      {name: "status", left: true, of: each => each.failure ? `${each.status}: ${each.failure}` : each.status, bad: each => each.status === "failed"},
      {name: "minor units", of: each => money(each.amount, each.currency)},
      {name: "captured", of: each => number(each.amount_captured ?? 0)},
      {name: "refunded", of: each => number(each.amount_refunded ?? 0)},
      {name: "made", of: each => when(each.created_ms).slice(0, -4)},
      {name: "tenant", left: true, of: each => each.tenant},
      {name: "mail", wraps: true, of: each => each.receipt_email ?? ""},
    ],
  });

  async function search(beforeMs) {
    const filters = new URLSearchParams();
    for (const [name, input] of Object.entries(inputs)) if (input.value.trim()) filters.set(name, input.value.trim());
    if (!beforeMs) {
      rows.clear();
      history.replaceState(null, "", filters.size ? `#/payments?${filters}` : "#/payments");
    } else filters.set("before_ms", beforeMs);
    try {
      showFound(await context.get(`/api/payments?${filters}`), filters.size);
    } catch (error) {
      if (error.status === undefined) throw error;
      remark.className = "outcome bad";
      say(remark, `Not searched: ${error.message}.`);
    }
  }

  function showFound(answer, isFiltered) {
    if (inputs.status.children.length === 1) {
      inputs.status.append(...answer.statuses.map(each => h("option", {value: each}, each)));
      inputs.status.value = query.get("status") ?? "";
    }
    answer.payments.forEach(each => rows.set(each.id, each));
    payments.update([...rows.values()]);
    remark.className = "outcome faint";
    const limit = isFiltered && answer.before_ms
      ? ` The newest ${number(answer.searched)} of each tenant were searched, back to ${when(answer.before_ms)}.` : "";
    say(remark, `${number(rows.size)} shown.${limit}`);
    more.hidden = !answer.before_ms;
    more.onclick = () => search(answer.before_ms);
  }

  for (const [name, input] of Object.entries(inputs)) input.value = query.get(name) ?? "";
  const form = h("form", {class: "row", onsubmit: event => {
    event.preventDefault();
    search();
  }}, field("id, key or mail", inputs.q), field("status", inputs.status), field("amount", inputs.amount),
  field("mail", inputs.mail), h("button", {}, "Search"));
  replace(root, h("h1", {}, title), h("section", {class: "card"}, form, payments.element, h("div", {class: "row"}, more), remark),
    h("div", {class: "two"}, balances(context), comparing(context)));
  await search();
}
