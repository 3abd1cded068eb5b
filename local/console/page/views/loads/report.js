// One kept report: its verdict, its seconds as charts, and the way to its page.

import {lineChart} from "/charts.js";
import {h, replace} from "/dom.js";
import {duration, number} from "/format.js";
import {table} from "/table.js";
import {pageOf} from "/views/loads.js";

/** Show a report. */
export async function reportView(root, name, context) {
  const way = [h("a", {href: "#/loads", "data-back": true}, "← Load runs"), h("h1", {}, name)];
  replace(root, h("div", {class: "row"}, way), h("p", {class: "none"}, "Reading …"));
  const report = await context.get(`/api/loads/reports/${encodeURIComponent(name)}`);
  const began = Date.parse(report.started_at) / 1000;
  const times = report.seconds.map(each => began + each.at_s);
  const column = key => report.seconds.map(each => each[key] ?? null);
  const charts = [
    [lineChart({title: "Arrivals a second", series: [{name: "offered"}, {name: "answered"}, {name: "failed"}]}), ["offered", "ok", "failed"]],
    [lineChart({title: "Latency", series: [{name: "p50"}, {name: "p99"}], format: duration}), ["p50_ms", "p99_ms"]],
  ];
  const scenarios = table({
    label: "Scenarios",
    key: each => each.name,
    columns: [
      {name: "scenario", of: each => each.name},
      {name: "answered", of: each => `${number(each.ok)} of ${number(each.scheduled)}`},
      {name: "failed", of: each => number(each.failed), bad: each => each.failed > 0},
      {name: "p50", of: each => duration(each.latency_ms.p50)},
      {name: "p99", of: each => duration(each.latency_ms.p99)},
    ],
  });
  replace(root, h("div", {class: "row"}, way,
    h("span", {class: report.verdict === "passed" ? "badge" : "badge bad"}, report.verdict),
    h("a", {href: pageOf(name), target: "_blank", rel: "noopener"}, "whole report")),
  report.reasons.length ? h("ul", {}, report.reasons.map(each => h("li", {}, each))) : null,
  h("div", {class: "tiles"}, tiles(report).map(([value, label]) => h("div", {class: "tile"}, h("b", {}, value), h("span", {}, label)))),
  h("div", {class: "charts"}, charts.map(([chart]) => chart.element)),
  h("section", {class: "card"}, h("h2", {}, "Scenarios"), scenarios.element));
  scenarios.update(report.scenarios);
  charts.forEach(([chart, keys]) => chart.update({times, values: keys.map(column)}));
  return () => charts.forEach(([chart]) => chart.close());
}

function tiles(report) {
  return [
    [number(report.ok), `of ${number(report.scheduled)} answered`],
    [number(report.failed), "failed"],
    [duration(report.p50_ms), "p50 in the judged phase"],
    [duration(report.p99_ms), "p99 in the judged phase"],
    [number(report.lost), "payments lost"],
    [number(report.doubled), "payments doubled"],
  ];
}
