// The last hour of the whole machine, as charts that share one moment.

import {lineChart} from "/charts.js";
import {h, replace, say} from "/dom.js";
import {duration, number} from "/format.js";
import {table} from "/table.js";

export const title = "Overview";

const EVERY_MS = 2000, HOUR_S = 3600, GAP_S = 10, POINTS_MAX = 600;
const RANGES = [["5 min", 300], ["15 min", 900], ["1 h", HOUR_S]];
const STATUSES = [["status:4xx", "4xx"], ["status:429", "429"], ["status:500", "500"],
  ["status:502", "502"], ["status:503", "503"], ["status:504", "504"]];
const READY_MS = 5000;
const SHOWN_MAX = 6;  // lines of one chart

export async function show(root, parameters, context) {
  const history = {times: [], columns: new Map(), marks: []};
  let rangeS = Number(sessionStorage.getItem("range")) || RANGES[1][1];
  const charts = makeCharts();
  const tiles = makeTiles();
  const marks = h("ul", {class: "marks"});
  const marksCard = h("section", {class: "card"}, h("h2", {}, "What happened"), marks);
  const processes = processTable();
  const trouble = h("p", {class: "bad", hidden: true});
  const ranges = RANGES.map(([text, seconds]) => h("button", {
    type: "button", class: "plain", "aria-pressed": seconds === rangeS, onclick: () => chooseRange(seconds),
  }, text));
  replace(root,
    h("div", {class: "row"}, h("h1", {class: "grow"}, title), h("span", {role: "group", "aria-label": "Range"}, ranges)),
    tiles.element, trouble,
    h("div", {class: "charts"}, charts.map(each => each.chart.element)),
    marksCard,
    h("section", {class: "card"}, h("h2", {}, "Processes"), processes.element));

  context.every(EVERY_MS, async () => {
    const last = history.times.at(-1);
    take(history, await context.get(`/api/history?${last ? `since=${last}` : `last=${rangeS}`}`));
    draw();
  });
  context.every(EVERY_MS, async () => processes.update(withCpu(await context.get("/api/processes"))));
  if (context.has("/api/readiness")) {
    context.every(READY_MS, async () => {
      const sentence = troubleOf(await context.get("/api/readiness"));
      say(trouble, sentence);
      trouble.hidden = !sentence;
    });
  }

  function chooseRange(seconds) {
    if (seconds > rangeS) Object.assign(history, {times: [], columns: new Map()});  // read anew
    rangeS = seconds;
    sessionStorage.setItem("range", seconds);
    ranges.forEach((each, index) => each.setAttribute("aria-pressed", RANGES[index][1] === seconds));
    draw();
  }

  function draw() {
    const part = lastPart(history, rangeS);
    for (const each of charts) {
      const lines = each.lines(part);
      each.chart.update({
        times: part.times, names: lines.map(line => line.name), values: lines.map(line => line.values), marks: part.marks,
      });
    }
    tiles.update(part);
    marksCard.hidden = !history.marks.length;
    replace(marks, history.marks.slice(-8).reverse().map(each =>
      h("li", {}, h("span", {class: "faint"}, new Date(each.at * 1000).toLocaleTimeString("en-GB")), " ", each.text)));
  }

  const before = new Map();
  function withCpu(list) {
    const now = performance.now();
    return list.map(each => {
      const last = before.get(each.name);
      before.set(each.name, {cpu_s: each.cpu_s, now});
      const seconds = last ? (now - last.now) / 1000 : 0;
      return {...each, cpu: seconds ? Math.max(0, each.cpu_s - last.cpu_s) / seconds * 100 : null};
    });
  }

  return () => charts.forEach(each => each.chart.close());
}

/** Say what is not ready, and what some function leaves alone because it failed too often. */
function troubleOf({status, answer}) {
  const failing = Object.entries(answer?.dependencies ?? {}).filter(([, state]) => state !== "ok").map(([name]) => name);
  const alone = answer?.left_alone ?? [];
  const sentences = [
    status === 200 ? "" : `Not ready (${status})${failing.length ? `: ${failing.join(", ")}` : ""}.`,
    alone.length ? `Left alone for a moment, after failures: ${alone.join(", ")}.` : "",
  ];
  return sentences.filter(Boolean).join(" ");
}

/** Add what came since the last time; another server's history replaces this one's. */
function take(history, answer) {
  if (answer.times.length && history.times.length && answer.times[0] <= history.times.at(-1)) return;
  const last = history.times.at(-1);
  if (answer.times.length && last && answer.times[0] - last > GAP_S) {
    history.times.push(last + 1);  // without a value: nothing was sampled meanwhile
    for (const values of history.columns.values()) values.push(null);
  }
  const before = history.times.length;
  history.times.push(...answer.times);
  for (const [name, values] of Object.entries(answer.columns)) {
    if (!history.columns.has(name)) history.columns.set(name, new Array(before).fill(null));
    history.columns.get(name).push(...values);
  }
  for (const values of history.columns.values()) while (values.length < history.times.length) values.push(null);
  history.marks = answer.marks;
  const first = history.times.findIndex(time => time > history.times.at(-1) - HOUR_S);
  if (first > 60) {
    history.times.splice(0, first);
    for (const values of history.columns.values()) values.splice(0, first);
  }
}

/** The last seconds, thinned to what a chart can show: of each group the largest value. */
function lastPart(history, rangeS) {
  const last = history.times.at(-1) ?? 0;
  let first = history.times.findIndex(time => time > last - rangeS);
  if (first < 0) first = history.times.length;
  const step = Math.max(1, Math.ceil((history.times.length - first) / POINTS_MAX));
  const thin = values => {
    const thinned = [];
    for (let index = first; index < values.length; index += step) {
      thinned.push(values.slice(index, index + step).reduce(larger, null));
    }
    return thinned;
  };
  const columns = new Map();
  for (const [name, values] of history.columns) columns.set(name, thin(values));
  return {times: thin(history.times), columns, marks: history.marks};
}

function larger(most, value) {
  return value === null || (most !== null && most >= value) ? most : value;
}

function column(part, name) {
  return part.columns.get(name) ?? part.times.map(() => null);
}

function lines(...names) {
  return part => names.map(([name, text]) => ({name: text, values: column(part, name)}));
}

/** The lines of all columns that begin so; of many those that had the most. */
function linesOf(prefix) {
  return part => {
    const columns = [...part.columns].filter(([name]) => name.startsWith(prefix))
      .map(([name, values]) => ({name: name.slice(prefix.length), values, most: values.reduce(larger, null) ?? 0}));
    const largest = columns.sort((one, other) => other.most - one.most).slice(0, SHOWN_MAX);
    return largest.sort((one, other) => one.name.localeCompare(other.name));
  };
}

function makeCharts() {
  const ms = {format: duration};
  return [
    chart("Requests a second", lines(["requests", ""])),
    chart("Latency", lines(["p50_ms", "p50"], ["p99_ms", "p99"]), ms),
    chart("Refused and failed requests a second", part => lines(...STATUSES)(part)),
    chart("Environments", lines(["busy", "busy"], ["environments", "there"], ["waiting", "requests waiting"])),
    chart("Workers", lines(["worker_busy", "busy"], ["worker_environments", "environments"])),
    chart("Function errors and refusals a second", lines(["failed", "errors"], ["timeouts", "time-outs"],
      ["throttles", "throttles"], ["sheds", "refused for load"])),
    chart("Messages on the queues", linesOf("depth:")),
    chart("Age of the oldest message", linesOf("age_s:"), {format: value => duration(value === null || value === undefined ? value : value * 1000)}),
    chart("Dead letters", linesOf("dead:")),
    chart("Processor, % of one", linesOf("cpu:")),
    chart("Memory, MB", linesOf("rss_mb:")),
    chart("Invocations a second", lines(["invocations", "invocations"], ["cold_starts", "cold starts"])),
  ];
}

function chart(title, lines, more = {}) {
  return {chart: lineChart({title, series: [], ...more}), lines};
}

function makeTiles() {
  const tile = text => {
    const value = h("b", {}, "–");
    return {element: h("div", {class: "tile"}, value, h("span", {}, text)), value};
  };
  const all = {
    requests: tile("requests a second"), p50: tile("p50"), p99: tile("p99"), failed: tile("5xx in the range"),
    busy: tile("environments busy"), waiting: tile("messages waiting"), restarts: tile("restarts"),
  };
  const element = h("div", {class: "tiles", "aria-label": "Now"}, Object.values(all).map(each => each.element));
  function update(part) {
    const last = name => column(part, name).at(-1) ?? null;
    const step = part.times.length > 1 ? (part.times.at(-1) - part.times[0]) / (part.times.length - 1) : 0;
    const failures = ["500", "502", "503", "504"].flatMap(status => column(part, `status:${status}`));
    const failed = Math.round(failures.reduce((sum, value) => sum + (value ?? 0), 0) * step);
    const waiting = [...part.columns].filter(([name]) => name.startsWith("depth:"))
      .reduce((sum, [, values]) => sum + (values.at(-1) ?? 0), 0);
    say(all.requests.value, number(last("requests")));
    say(all.p50.value, duration(recent(part, "p50_ms")));
    say(all.p99.value, duration(recent(part, "p99_ms")));
    say(all.failed.value, number(failed));
    all.failed.value.className = failed ? "bad" : "";
    say(all.busy.value, `${number(last("busy"))} of ${number(last("environments"))}`);
    say(all.waiting.value, number(waiting));
    say(all.restarts.value, number(last("restarts") ?? 0));
    all.restarts.value.className = last("restarts") ? "bad" : "";
  }
  return {element, update};
}

/** The newest value there is: without requests there is no latency now. */
function recent(part, name) {
  return column(part, name).findLast(value => value !== null) ?? null;
}

function processTable() {
  return table({
    label: "Processes",
    none: "These processes are not supervised.",
    key: each => each.name,
    columns: [
      {name: "process", of: each => each.name},
      {name: "pid", of: each => each.pid || "–"},
      {name: "state", of: each => each.state, bad: each => each.state !== "running"},
      {name: "restarts", of: each => each.restarts, bad: each => each.restarts > 0},
      {name: "CPU %", of: each => number(each.cpu)},
      {name: "CPU s", of: each => each.cpu_s.toFixed(1)},
      {name: "memory MB", of: each => number(Math.round(each.rss_mb))},
      {name: "address", of: each => each.address, wraps: true},
    ],
  });
}
