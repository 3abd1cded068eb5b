// The functions: a table of all; one with its counts, log, settings and a form that invokes it.

import {h, replace} from "/dom.js";
import {clock, duration, number, pretty} from "/format.js";
import {table} from "/table.js";

export const title = "Functions";

const EVERY_MS = 2000, LOG_MS = 2000, SHOWN_MAX = 200;
const LEVELS = ["", "INFO", "WARNING", "ERROR"];
const INVOKED_BY = {gateway: "requests", workers: "workers", streams: "streams", callers: "callers"};

export async function show(root, {path, query}, context) {
  if (path.length) return showOne(root, path[0], query, context);
  return showAll(root, context);
}

function showAll(root, context) {
  let bounds = [], filter = "";
  const filterField = h("input", {type: "search", placeholder: "Filter by name", "aria-label": "Filter by name",
    "data-filter": true, oninput: event => { filter = event.target.value.toLowerCase(); draw(); }});
  const list = table({
    label: "Functions",
    none: "No function.",
    key: each => each.name,
    open: each => context.navigate(`#/functions/${encodeURIComponent(each.name)}`),
    columns: [
      {name: "function", of: each => h("a", {href: `#/functions/${encodeURIComponent(each.name)}`}, each.name)},
      {name: "invoked by", left: true, of: each => INVOKED_BY[each.invoked_by]},
      {name: "invocations", of: each => number(each.invocations)},
      {name: "errors", of: each => number(failures(each)), bad: each => failures(each) > 0, title: errorsOf},
      {name: "p50", of: each => percentile(each.durations, bounds, .5)},
      {name: "p99", of: each => percentile(each.durations, bounds, .99)},
      {name: "cold starts", of: each => number(each.cold_starts)},
      {name: "time-outs", of: each => number(each.timed_out), bad: each => each.timed_out > 0},
      {name: "throttled", of: each => number(each.throttled), bad: each => each.throttled > 0},
      {name: "busy", of: each => `${each.busy} of ${each.environments}`},
      {name: "waiting", of: each => number(each.queued), bad: each => each.queued > 0},
      {name: "limit", of: each => number(each.concurrency)},
      {name: "memory MB", of: each => `${each.memory_used_mb || "–"} of ${each.memory_mb}`, bad: each => each.memory_used_mb > each.memory_mb * .9},
    ],
  });
  let functions = [];
  const failing = h("div");
  const draw = () => {
    list.update(functions.filter(each => each.name.toLowerCase().includes(filter)));
    replace(failing, functions.filter(each => each.import_error).map(each =>
      h("p", {class: "bad"}, `${each.name} cannot be imported: ${each.import_error}`)));
  };
  replace(root, h("div", {class: "row"}, h("h1", {class: "grow"}, title), filterField),
    failing, h("section", {class: "card"}, list.element),
    h("p", {class: "faint"}, "Counts are since the gateway started. A percentile is the upper bound of the range of durations that it falls into."));
  context.every(EVERY_MS, async () => {
    const answer = await context.get("/api/functions");
    bounds = answer.bounds_ms;
    functions = answer.functions;
    draw();
  });
}

async function showOne(root, name, query, context) {
  const address = `/api/functions/${encodeURIComponent(name)}`;
  const counts = h("div", {class: "tiles"});
  const about = h("section", {class: "card"});
  replace(root,
    h("div", {class: "row"}, h("a", {href: "#/functions", "data-back": true}, "Functions"), h("h1", {class: "grow"}, name)),
    counts,
    logCard(address, query, context),
    h("div", {class: "two"}, invokeCard(address, context), about));
  const {bounds_ms: bounds} = await context.get("/api/functions");
  let described = "";
  context.every(EVERY_MS, async () => {
    const one = await context.get(address);
    replace(counts, tilesOf(one, bounds));
    const now = JSON.stringify([one.variables, one.triggers, one.code, one.import_error]);
    if (now !== described) replace(about, aboutOf(one));
    described = now;
  });
}

function tilesOf(one, bounds) {
  const tile = (value, text, isBad) => h("div", {class: "tile"}, h("b", {class: isBad ? "bad" : null}, value), h("span", {}, text));
  const errors = failures(one);
  return [
    tile(number(one.invocations), "invocations"),
    tile(number(errors), errors ? errorsOf(one) : "errors", errors > 0),
    tile(percentile(one.durations, bounds, .5), "p50"),
    tile(percentile(one.durations, bounds, .99), "p99"),
    tile(number(one.cold_starts), "cold starts"),
    tile(number(one.timed_out), "time-outs", one.timed_out > 0),
    tile(`${one.busy} of ${one.environments}`, `environments busy, limit ${number(one.concurrency)}`),
    tile(`${one.memory_used_mb || "–"} of ${one.memory_mb}`, "MB used at most"),
  ];
}

function aboutOf(one) {
  const pair = (name, value) => [h("dt", {}, name), h("dd", {}, value)];
  return [
    h("h2", {}, "What it is"),
    one.import_error ? h("p", {class: "bad"}, `It cannot be imported: ${one.import_error}`) : null,
    h("dl", {class: "pairs"},
      pair("code", h("code", {}, one.code)), pair("handler", h("code", {}, one.handler)),
      pair("runtime", one.runtime || "–"), pair("time-out", `${one.timeout_s} s`),
      pair("memory", `${one.memory_mb} MB`),
      pair("reserved", one.reserved_concurrency ?? "none"),
      pair("layers", one.layers.join(", ") || "none"), pair("ARN", h("code", {}, one.arn))),
    h("h3", {}, "Triggers"),
    one.triggers.length ? h("dl", {class: "pairs"}, one.triggers.map(each => pair(each.kind, each.name)))
      : h("p", {class: "none"}, "Nothing in the template invokes it."),
    h("h3", {}, "Environment variables"),
    h("dl", {class: "pairs mono"}, Object.entries(one.variables).map(([name, value]) => pair(name, value || h("span", {class: "none"}, "empty")))),
  ];
}

function invokeCard(address, context) {
  const choice = h("select", {"aria-label": "Event", onchange: () => fillIn()});
  const field = h("textarea", {rows: 10, spellcheck: "false", "aria-label": "Event, JSON"});
  const button = h("button", {type: "button", onclick: invoke}, "Invoke");
  const outcome = h("div", {role: "status"});
  const nameField = h("input", {placeholder: "name to keep it under", "aria-label": "Name to keep the event under", maxlength: 60});
  let events = {samples: {}, kept: {}};

  async function load(selected) {
    events = await context.get(`${address}/events`);
    const group = (label, prefix, names) => names.length
      ? h("optgroup", {label}, names.map(each => h("option", {value: `${prefix}${each}`}, each))) : null;
    replace(choice, group("kept", "kept/", Object.keys(events.kept)), group("samples", "samples/", Object.keys(events.samples)));
    choice.value = selected ?? `samples/${Object.keys(events.samples)[0]}`;
    fillIn();
  }

  function fillIn() {
    const [group, ...name] = choice.value.split("/");
    field.value = JSON.stringify(events[group]?.[name.join("/")] ?? {}, null, 2);
    removeButton.hidden = group !== "kept";
  }

  /** Return the event, or undefined with the reason on the page. */
  function event() {
    try {
      return JSON.parse(field.value);
    } catch (error) {
      replace(outcome, h("p", {class: "bad"}, `This is no JSON: ${error.message}.`));
      return undefined;
    }
  }

  async function does(work) {
    button.disabled = true;
    try {
      await work();
    } catch (error) {
      replace(outcome, h("p", {class: "bad"}, `${error.message}.`));
    } finally {
      button.disabled = false;
    }
  }

  function invoke() {
    const value = event();
    if (value === undefined) return;
    does(async () => {
      replace(outcome, h("p", {class: "faint"}, "It runs …"));
      const result = await context.post(`${address}/invoke`, {event: value}, {timeoutMs: 930_000});
      replace(outcome,
        h("p", {}, h("span", {class: result.failed ? "badge bad" : "badge"}, result.failed ? "failed" : "done"),
          ` after ${duration(result.ms)} `,
          result.trace_id && context.has("/api/traces") ? h("a", {href: `#/traces/${result.trace_id}`}, "trace") : null),
        h("h3", {}, "Result"), h("pre", {tabindex: 0}, pretty(result.result)),
        h("h3", {}, "Log"), h("pre", {tabindex: 0}, result.log || "nothing"));
    });
  }

  function keep() {
    const value = event(), name = nameField.value.trim();
    if (value === undefined) return;
    does(async () => {
      await context.post(`${address}/events`, {name, event: value});
      await load(`kept/${name}`);
      replace(outcome, h("p", {}, `Kept as ${name}.`));
    });
  }

  const removeButton = h("button", {type: "button", class: "danger", hidden: true, onclick: () => does(async () => {
    await context.post(`${address}/events/remove`, {name: choice.value.slice("kept/".length)});
    await load();
    replace(outcome, h("p", {}, "Removed."));
  })}, "Remove");
  load().catch(error => replace(outcome, h("p", {class: "bad"}, `${error.message}.`)));
  return h("section", {class: "card"}, h("h2", {}, "Invoke it"),
    h("div", {class: "row"}, h("label", {}, "Event ", choice), removeButton), field,
    h("div", {class: "row"}, button, h("span", {class: "grow"}), nameField, h("button", {type: "button", onclick: keep}, "Keep the event")),
    outcome);
}

function logCard(address, query, context) {
  const level = h("select", {"aria-label": "Level", onchange: anew},
    LEVELS.map(each => h("option", {value: each}, each ? `${each} and above` : "every level")));
  const text = h("input", {type: "search", placeholder: "Text or request id", "aria-label": "Text or request id",
    "data-filter": true, value: query.get("text") ?? "", oninput: later});
  const follow = h("input", {type: "checkbox", checked: true});
  const list = h("div", {class: "invocations"});
  const none = h("p", {class: "none"}, "No invocation in the log, or none that the filters let through.");
  let end = 0, timer = null, round = 0;

  function later() {
    clearTimeout(timer);
    timer = setTimeout(anew, 250);
  }

  function anew() {
    end = 0;
    round += 1;
    read().catch(() => {});  // the next poll says what is wrong
  }

  async function read() {
    const ours = round;
    const filters = new URLSearchParams({after: end, level: level.value, text: text.value.trim()});
    const answer = await context.get(`${address}/log?${filters}`);
    if (ours !== round) return;
    if (!end || answer.end < end) replace(list);
    end = answer.end;
    list.prepend(...answer.invocations.map(each => invocationOf(each, context.has("/api/traces"))));
    while (list.children.length > SHOWN_MAX) list.lastChild.remove();
    none.hidden = Boolean(list.children.length);
  }

  context.every(LOG_MS, async () => {
    if (follow.checked || !end) await read();
  });
  return h("section", {class: "card"},
    h("div", {class: "row"}, h("h2", {class: "grow"}, "Log"), level, text, h("label", {}, follow, "follow")), list, none, hostLog(address, context));
}

/** What stands elsewhere: an environment that is ended cannot hand over what its handler printed. */
function hostLog(address, context) {
  const place = h("pre", {tabindex: 0}, "Reading …");
  async function read() {
    try {
      const {lines} = await context.get(`${address}/host_log`);
      replace(place, lines.join("\n") || "nothing");
      place.scrollTop = place.scrollHeight;  // the last lines
    } catch (error) {
      replace(place, `${error.message}.`);
    }
  }
  return h("details", {ontoggle: event => event.target.open && read()},
    h("summary", {}, "Log of its hosts: what was printed before a time-out or a crash, and how environments ended"), place);
}

/** One invocation of the log, its lines folded away. */
function invocationOf(one, hasTraces) {
  const isBad = one.status === "error" || one.status === "timeout";
  const worst = one.lines.find(each => each.level === "ERROR") ?? one.lines.find(each => each.text.trim());
  return h("details", {class: isBad ? "invocation failed" : "invocation"},
    h("summary", {},
      h("span", {class: isBad ? "badge bad" : "badge"}, one.status || "…"),
      h("span", {class: "number faint"}, timeOf(one.at)),
      h("span", {class: "number"}, one.duration_ms === undefined ? "" : duration(one.duration_ms)),
      one.init_ms === undefined ? null : h("span", {class: "warn"}, `cold, init ${duration(one.init_ms)}`),
      h("span", {class: `${worst?.level === "ERROR" ? "bad" : "faint"} mono first`}, messageOf(worst?.text ?? ""))),
    h("p", {class: "faint"}, [one.request_id || "outside an invocation", one.at, one.memory_used_mb === undefined ? "" : `${one.memory_used_mb} of ${one.memory_mb} MB`].filter(Boolean).join(" · "),
      one.request_id && hasTraces ? [" · ", h("a", {href: `#/traces/${encodeURIComponent(one.request_id)}`}, "trace")] : null),
    isBad && !one.lines.length ? h("p", {}, "It handed over nothing that it printed; see the log of its hosts, below.") : null,
    h("pre", {tabindex: 0}, one.lines.map(each =>
      h("span", {class: {ERROR: "bad", WARNING: "warn"}[each.level] ?? null}, `${each.text}\n`)),
    one.left_out ? `${one.left_out} more lines stand in the log\n` : null));
}

/** The time of day in a line's own time, in the clock of whoever reads; empty where it is none. */
function timeOf(at) {
  const [, day, time, zone] = /^(\d{4}-\d\d-\d\d)[ T](\d\d:\d\d:\d\d)[.,]?\d*(Z|[+-]\d\d:?\d\d)?$/.exec(at) ?? [];
  return day ? clock(Date.parse(`${day}T${time}${(zone ?? "Z").replace(/(\d\d):?(\d\d)$/, "$1:$2")}`) / 1000) : "";
}

/** What a line says: of a line of JSON its message. */
function messageOf(text) {
  if (!text.startsWith("{")) return text;
  try {
    const {errorType, errorMessage, message = errorMessage, ...others} = JSON.parse(text);
    if (typeof message !== "string") return text;
    const more = Object.entries(others).filter(([name, value]) => name.endsWith("_id") && typeof value === "string");
    return [errorType ? `${errorType}: ${message}` : message, ...more.map(([, value]) => value)].join(" · ");
  } catch {
    return text;
  }
}

function failures(one) {
  return Object.values(one.failed).reduce((sum, count) => sum + count, 0);
}

function errorsOf(one) {
  return Object.entries(one.failed).map(([kind, count]) => `${kind} ${number(count)}`).join(", ");
}

/** A percentile of counts by bounds, as the bound that it is not over. */
function percentile(counts, bounds, share) {
  const total = counts.reduce((sum, count) => sum + count, 0);
  if (!total) return "–";
  let seen = 0;
  for (let index = 0; index < counts.length; index++) {
    seen += counts[index];
    if (seen >= total * share) return index < bounds.length ? `≤ ${duration(bounds[index])}` : `> ${duration(bounds.at(-1))}`;
  }
  return "–";
}
