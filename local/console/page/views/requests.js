// The requests that were recorded: a live list with filters, and one of them with all its parts.

import {h, replace} from "/dom.js";
import {filters} from "/filters.js";
import {bytes, clock, duration, pretty} from "/format.js";
import {table} from "/table.js";

export const title = "Requests";

const EVERY_MS = 2000;
const STATUSES = [["", "any status"], ["errors", "4xx and 5xx"], ["2xx", "2xx"], ["3xx", "3xx"], ["4xx", "4xx"], ["5xx", "5xx"], ["429", "429"]];
const SLOW = [["", "any time"], ["50", "over 50 ms"], ["250", "over 250 ms"], ["1000", "over 1 s"]];
// What curl sets itself.
const NOT_FOR_CURL = ["host", "content-length", "connection", "user-agent", "accept-encoding"];

export async function show(root, {path, query}, context) {
  if (path.length) return showOne(root, path[0], context);
  return showAll(root, query, context);
}

function showAll(root, query, context) {
  const {changed, choice, later, round} = filters(read);
  const routes = h("select", {"aria-label": "Route", onchange: changed}, h("option", {value: ""}, "every route"));
  const status = choice("Status", STATUSES, query.get("status"));
  const slow = choice("Time", SLOW, query.get("slow_ms"));
  const text = h("input", {type: "search", placeholder: "Text in path, body, answer or log", "aria-label": "Text",
    "data-filter": true, value: query.get("text") ?? "", oninput: later});
  const known = new Set();
  const list = table({
    label: "Requests",
    none: "No request that the filters let through.",
    key: each => `${each.id} ${each.at_s}`,
    open: each => context.navigate(`#/requests/${each.id}`),
    columns: [
      {name: "time", of: each => h("a", {href: `#/requests/${each.id}`}, clock(each.at_s, {millis: true}))},
      {name: "method", left: true, of: each => each.method},
      {name: "path", wraps: true, of: each => each.path.length > 80 ? `${each.path.slice(0, 80)}…` : each.path, title: each => each.path},
      {name: "status", of: each => each.status, bad: each => each.status >= 500},
      {name: "took", of: each => duration(each.ms)},
      {name: "answer", of: each => bytes(each.bytes)},
      {name: "function", left: true, of: each => each.function},
    ],
  });
  replace(root, h("div", {class: "row"}, h("h1", {class: "grow"}, title), routes, status, slow, text),
    h("section", {class: "card"}, list.element),
    h("p", {class: "faint"}, "The last 200 that were recorded: up to twenty a second all, above that one in a hundred, and each that failed or was slow."));

  async function read() {
    const ours = round();
    const wishes = new URLSearchParams({route: routes.value, status: status.value, slow_ms: slow.value, text: text.value.trim()});
    const {requests} = await context.get(`/api/recorded?${wishes}`);
    if (ours !== round()) return;
    for (const {route} of requests) {
      if (!route || known.has(route)) continue;
      known.add(route);
      routes.append(h("option", {value: route}, route));
    }
    list.update(requests);
  }
  context.every(EVERY_MS, read);
}

async function showOne(root, id, context) {
  const one = await context.get(`/api/recorded/${encodeURIComponent(id)}`);
  const outcome = h("span", {role: "status", class: "faint"});
  const again = h("button", {type: "button", disabled: !one.is_whole, onclick: sendAgain}, "Send again");
  replace(root,
    h("div", {class: "row"}, h("a", {href: "#/requests", "data-back": true}, "Requests"),
      h("h1", {class: "grow"}, `${one.method} ${one.path}`)),
    h("div", {class: "row"},
      h("span", {class: one.status >= 500 ? "badge bad" : "badge"}, one.status), h("span", {}, duration(one.ms)),
      h("span", {class: "faint"}, `${clock(one.at_s, {millis: true})} from ${one.peer || "nowhere"}`),
      one.trace_id && context.has("/api/traces") ? h("a", {href: `#/traces/${one.trace_id}`}, "trace") : null,
      one.function ? h("a", {href: `#/functions/${encodeURIComponent(one.function)}?text=${one.invocation_id}`}, "its function's log") : null,
      again, h("button", {type: "button", onclick: copy}, "Copy as curl"), outcome),
    timesCard(one),
    h("div", {class: "two"},
      part("Request", headersOf(one.headers), bodyOf(one.body, one.body_bytes)),
      part("Answer", one.refusal ? h("p", {class: "bad"}, `The gateway answered itself: ${one.refusal.kind} ${one.refusal.message}`) : null,
        headersOf(one.answer_headers), bodyOf(one.answer, one.answer_bytes)),
      authorizerCard(one),
      part("Log of the function", h("pre", {tabindex: 0}, one.log || "nothing"))),
    part("Event", one.event ? bodyOf(one.event, one.event_bytes) : h("p", {class: "none"}, "No function was invoked.")));

  async function sendAgain() {
    again.disabled = true;
    replace(outcome, "It is sent …");
    try {
      const answer = await context.post(`/api/recorded/${encodeURIComponent(id)}/again`, {}, {timeoutMs: 60_000});
      replace(outcome, `It was answered with ${answer.status}. `, answer.id ? h("a", {href: `#/requests/${answer.id}`}, "Open it") : null);
    } catch (error) {
      replace(outcome, `${error.message}.`);
    }
    again.disabled = false;
  }

  async function copy() {
    const command = curlOf(one);
    try {
      await navigator.clipboard.writeText(command);
      replace(outcome, one.is_whole ? "Copied. Put in what is hidden." : "Copied, without the body: it was not kept whole.");
    } catch {
      replace(outcome, "The browser does not let the page copy: ", h("pre", {}, command));
    }
  }
}

/** The command that sends a request again; hidden headers stay hidden. */
function curlOf(one) {
  const quoted = text => `'${text.replaceAll("'", "'\\''")}'`;
  const host = one.headers.find(([name]) => name.toLowerCase() === "host")?.[1] ?? "127.0.0.1:5002";
  const lines = [`curl -X ${one.method} ${quoted(`http://${host}${one.path}`)}`];
  for (const [name, value] of one.headers) {
    if (!NOT_FOR_CURL.includes(name.toLowerCase())) lines.push(`-H ${quoted(`${name}: ${value}`)}`);
  }
  if (one.body && one.is_whole) lines.push(`--data-raw ${quoted(one.body)}`);
  return lines.join(" \\\n  ");
}

function part(name, ...children) {
  return h("section", {class: "card"}, h("h2", {}, name), children);
}

function headersOf(headers) {
  if (!headers.length) return null;
  return h("details", {open: headers.length < 8}, h("summary", {}, `${headers.length} headers`),
    h("dl", {class: "pairs mono"}, headers.map(([name, value]) => [h("dt", {}, name), h("dd", {}, value)])));
}

function bodyOf(text, length) {
  if (!length) return h("p", {class: "none"}, "No body.");
  return [h("pre", {tabindex: 0}, pretty(text)),
    new Blob([text]).size < length && length > 16_000 ? h("p", {class: "faint"}, `cut: it has ${bytes(length)}`) : null];
}

function authorizerCard(one) {
  if (!one.authorizer) return part("Authorizer", h("p", {class: "none"}, "The route has none."));
  const {decision, context} = one.authorizer;
  return part("Authorizer",
    h("p", {}, h("span", {class: decision === "allowed" ? "badge" : "badge bad"}, decision)),
    Object.keys(context).length ? h("dl", {class: "pairs"}, Object.entries(context).map(([name, value]) =>
      [h("dt", {}, name), h("dd", {}, typeof value === "string" ? value : JSON.stringify(value))])) : null);
}

function timesCard(one) {
  const total = Math.max(one.ms, 0.001);
  return part("Times", h("div", {class: "spans", role: "list"}, one.times.map((each, index) =>
    h("div", {class: "span", role: "listitem"}, h("span", {class: "name"}, each.part),
      h("span", {class: "track"}, each.ms > 0 && h("i", {class: `bar series-${index + 1}`,
        style: {marginLeft: `${each.from_ms / total * 100}%`, width: `${Math.max(each.ms / total * 100, .3)}%`}})),
      h("span", {class: "number"}, duration(each.ms))))));
}
