// The traces: a live list with filters, and one of them as a waterfall of its spans.

import {h, replace} from "/dom.js";
import {filters} from "/filters.js";
import {bytes, clock, duration, number} from "/format.js";
import {table} from "/table.js";

export const title = "Traces";

const EVERY_MS = 2000, LIMIT = 200, SPANS_MAX = 1000, COLOURS = 6;
const STATUSES = [["", "any end"], ["error", "errors"], ["2xx", "2xx"], ["4xx", "4xx"], ["5xx", "5xx"]];
const BEGINNINGS = [["no", "without schedules"], ["", "schedules, too"]];
const TIMES = [["", "any time"], ["50", "over 50 ms"], ["250", "over 250 ms"], ["1000", "over 1 s"]];

export async function show(root, {path, query}, context) {
  if (path.length) return showOne(root, path[0], context);
  return showAll(root, query, context);
}

function showAll(root, query, context) {
  const {choice, later, round} = filters(read);
  const status = choice("End", STATUSES, query.get("status"));
  const slow = choice("Time", TIMES, query.get("min_ms"));
  const schedules = choice("Schedules", BEGINNINGS, query.get("schedules") ?? "no");
  const route = h("input", {type: "search", placeholder: "Route", "aria-label": "Route", value: query.get("route") ?? "", oninput: later});
  const text = h("input", {type: "search", placeholder: "Name, id or service", "aria-label": "Name, id or service",
    "data-filter": true, value: query.get("text") ?? "", oninput: later});
  const counts = h("p", {class: "faint"});
  const list = table({
    label: "Traces",
    none: "No trace that the filters let through.",
    key: each => each.id,
    open: each => context.navigate(`#/traces/${each.id}`),
    columns: [
      {name: "time", of: each => h("a", {href: `#/traces/${each.id}`}, clock(each.start_ms / 1000, {millis: true}))},
      {name: "what", wraps: true, of: each => each.name},
      {name: "status", of: statusOf, bad: each => each.error},
      {name: "took", of: each => duration(each.duration_ms), bad: each => each.slow, title: each => each.slow ? "slow" : ""},
      {name: "spans", of: each => number(each.spans)},
      {name: "services", wraps: true, of: each => each.services.join(", ")},
    ],
  });
  replace(root, h("div", {class: "row"}, h("h1", {class: "grow"}, title), schedules, status, slow, route, text),
    h("section", {class: "card"}, list.element), counts);

  async function read() {
    const ours = round();
    const wishes = new URLSearchParams({limit: LIMIT});
    const wanted = {schedules: schedules.value, status: status.value, min_ms: slow.value, route: route.value.trim(), text: text.value.trim()};
    for (const [name, value] of Object.entries(wanted)) if (value) wishes.set(name, value);
    const answer = await context.get(`/api/traces?${wishes}`);
    if (ours !== round()) return;
    list.update(answer.traces);
    replace(counts, `${number(answer.kept.traces)} traces are kept in ${bytes(answer.kept.bytes)}.`,
      answer.kept.refused_spans ? ` ${number(answer.kept.refused_spans)} spans were refused.` : "");
  }
  context.every(EVERY_MS, read);
}

/** The status of a trace's answer; an error that it does not tell, too: a message may fail later. */
function statusOf(trace) {
  const tells = trace.status >= 400 || !trace.error;
  return [trace.status, tells ? "" : "error"].filter(Boolean).join(", ") || "–";
}

async function showOne(root, id, context) {
  let trace = null;
  try {
    trace = await context.get(`/api/traces/${encodeURIComponent(id)}`);
  } catch (error) {
    if (error.status !== 404) throw error;
    replace(root, back(), h("h1", {}, "No such trace"), h("p", {}, `${error.message}. It may not be complete yet, may not have been sampled, or be no longer kept.`));
    return;
  }
  const detail = h("section", {class: "card", "aria-live": "polite"}, h("p", {class: "none"}, "It has no span."));
  const spans = trace.trace_spans.slice(0, SPANS_MAX);
  const services = [...new Set(spans.map(each => each.service))];
  const total = Math.max(trace.duration_ms, ...spans.map(each => each.start_ms + each.duration_ms), 0.001);
  const rows = spans.map(each => row(each, services, total, () => choose(each)));
  replace(root,
    h("div", {class: "row"}, back(), h("h1", {class: "grow"}, trace.name)),
    h("div", {class: "row"},
      h("span", {class: trace.error ? "badge bad" : "badge"}, trace.status ?? (trace.error ? "error" : "done")),
      h("span", {}, duration(trace.duration_ms)), h("span", {class: "faint"}, clock(trace.start_ms / 1000, {millis: true})),
      h("span", {class: "faint"}, `${number(trace.spans)} spans`),
      trace.request_id ? h("a", {href: `#/requests/${encodeURIComponent(trace.request_id)}`}, "its request") : null,
      h("code", {class: "faint"}, trace.id)),
    trace.linked?.length ? h("p", {}, "Linked: ", trace.linked.map(each => [h("a", {href: `#/traces/${each}`}, each.slice(0, 8)), " "])) : null,
    h("section", {class: "card"},
      h("ul", {class: "legend"}, services.map((each, index) => h("li", {}, h("i", {class: `swatch series-${index % COLOURS + 1}`}), each))),
      h("div", {class: "spans waterfall", role: "list", "aria-label": "Spans"}, scale(total), rows),
      trace.trace_spans.length > SPANS_MAX ? h("p", {class: "faint"}, `The first ${number(SPANS_MAX)} of ${number(trace.trace_spans.length)} spans.`) : null),
    detail);
  if (spans.length) choose(spans[0]);

  function choose(span) {
    rows.forEach((each, index) => each.classList.toggle("chosen", spans[index] === span));
    replace(detail, aboutOf(span));
  }
}

function back() {
  return h("a", {href: "#/traces", "data-back": true}, "Traces");
}

function scale(total) {
  return h("div", {class: "span scale", "aria-hidden": "true"}, h("span", {class: "name"}),
    h("span", {class: "ticks"}, [0, 0.25, 0.5, 0.75].map(share => h("span", {}, duration(total * share)))), h("span", {class: "number"}, duration(total)));
}

function row(span, services, total, choose) {
  const colour = services.indexOf(span.service) % COLOURS + 1;
  return h("div", {class: "span opens", role: "listitem", tabindex: 0, onclick: choose,
    onkeydown: event => {
      if (event.key === "Enter" || event.key === " ") {
        event.preventDefault();
        choose();
      }
      const step = {ArrowDown: "nextElementSibling", ArrowUp: "previousElementSibling"}[event.key];
      if (step) {
        event.preventDefault();
        event.currentTarget[step]?.focus();
      }
    }},
  h("span", {class: span.error ? "name bad" : "name", title: `${span.service}: ${span.name}`, style: {paddingLeft: `${Math.min(span.depth, 12) * .8}rem`}}, span.name),
  h("span", {class: "track"}, h("i", {class: span.error ? "bar failed" : `bar series-${colour}`,
    style: {marginLeft: `${Math.min(span.start_ms / total * 100, 99.5)}%`, width: `${Math.max(span.duration_ms / total * 100, .2)}%`}})),
  h("span", {class: "number"}, duration(span.duration_ms)));
}

function aboutOf(span) {
  const pair = (name, value) => [h("dt", {}, name), h("dd", {}, value)];
  const invocation = span.attributes["faas.invocation_id"];
  const text = value => typeof value === "string" ? value : JSON.stringify(value);
  return [
    h("h2", {class: span.error ? "bad" : null}, span.name),
    invocation ? h("p", {}, h("a", {href: `#/functions/${encodeURIComponent(span.service)}?text=${encodeURIComponent(invocation)}`}, "its log")) : null,
    h("dl", {class: "pairs"}, pair("service", span.service), pair("kind", span.kind),
      pair("begins after", duration(span.start_ms)), pair("takes", duration(span.duration_ms)),
      span.message ? pair("message", span.message) : null,
      Object.entries(span.attributes).map(([name, value]) => pair(name, text(value)))),
    span.events.length ? [h("h3", {}, "Events"), h("dl", {class: "pairs"}, span.events.map(each =>
      pair(duration(each.at_ms), [each.name, " ", Object.keys(each.attributes).length ? h("pre", {}, Object.entries(each.attributes).map(([name, value]) => `${name}: ${text(value)}\n`)) : null])))] : null,
    span.links.length ? [h("h3", {}, "Links"), h("p", {}, span.links.map(each => [h("a", {href: `#/traces/${each.trace_id}`}, each.trace_id), " "]))] : null,
  ];
}
