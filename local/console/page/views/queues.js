import {lineChart} from "/charts.js";
import {h, replace, say} from "/dom.js";
import {duration, number} from "/format.js";
import {table} from "/table.js";
import {timeline} from "/timeline.js";
import {messageList} from "/views/queues/messages.js";
import {moving} from "/views/queues/moving.js";
import {sending, purging} from "/views/queues/changing.js";

export const title = "Queues";

const EVERY_MS = 2000;

export async function show(root, {path}, context) {
  return path.length ? showOne(root, path[0], context) : showAll(root, context);
}

function link(name, text = name) {
  return h("a", {href: `#/queues/${encodeURIComponent(name)}`}, text);
}

function showAll(root, context) {
  const depth = lineChart({title: "Messages by queue"});
  const age = lineChart({title: "Age of the oldest due message", format: seconds});
  const queues = table({
    label: "Queues",
    none: "The template has no queue.",
    key: each => each.name,
    open: each => context.navigate(`#/queues/${encodeURIComponent(each.name)}`),
    columns: [
      {name: "queue", of: each => link(each.name)},
      {name: "visible", of: each => number(each.visible)},
      {name: "in flight", of: each => number(each.in_flight)},
      {name: "retrying", of: each => number(each.retrying), bad: each => each.retrying > 0},
      {name: "delayed", of: each => number(each.delayed)},
      {name: "oldest", of: each => seconds(each.oldest_age_s), bad: each => each.oldest_age_s > 60},
      {
        name: "dead letters", bad: each => each.dlq > 0,
        of: each => each.dead_letter ? link(each.dead_letter, number(each.dlq)) : "–",
      },
    ],
  });
  replace(root, h("h1", {}, title), h("div", {class: "charts"}, depth.element, age.element),
    h("section", {class: "card"}, queues.element));
  const read = timeline(context.get);
  let names = [];
  context.every(EVERY_MS, async () => {
    const {queues: list} = await context.get("/api/queues");
    names = list.map(each => each.name);
    queues.update(list);
  });
  context.every(EVERY_MS, async () => {
    const {times, columns, marks} = await read();
    draw(depth, {times, marks, columns, names, of: "depth"});
    draw(age, {times, marks, columns, names, of: "age_s"});
  });
  return () => [depth, age].forEach(each => each.close());
}

function draw(chart, {times, marks, columns, names, of}) {
  const values = names.map(name => columns[`${of}:${name}`] ?? times.map(() => null));
  chart.update({times, marks, names, values});
}

function seconds(value) {
  return value === null || value === undefined ? "–" : duration(value * 1000);
}

async function showOne(root, name, context) {
  const way = [h("a", {href: "#/queues", "data-back": true}, "← Queues"), h("h1", {}, name)];
  replace(root, h("div", {class: "row"}, way), h("p", {class: "none"}, "Reading …"));
  const about = await context.get(`/api/queues/${encodeURIComponent(name)}`);
  const isDead = about.origins.length > 0;
  const counts = h("div", {class: "tiles"});
  const charts = isDead
    ? about.origins.map(origin => [lineChart({title: `Dead letters of ${origin}`}), `dead:${origin}`])
    : [
      [lineChart({title: "Messages"}), `depth:${name}`],
      [lineChart({title: "Age of the oldest due message", format: seconds}), `age_s:${name}`],
    ];
  const list = about.is_shown ? messageList(about, context) : null;
  const parts = about.is_shown ? [
    isDead ? moving(about, list, context) : null,
    list.element,
    sending(about, list, context),
    purging(about, list, context),
  ] : [h("p", {class: "none"}, "These queues are Amazon SQS's, which shows no message that is not received.")];
  replace(root, h("div", {class: "row"},
    way,
    about.is_fifo ? h("span", {class: "badge"}, "FIFO") : null,
    isDead ? h("span", {class: "badge bad"}, "dead letters") : null),
  counts, facts(about), h("div", {class: "charts"}, charts.map(([chart]) => chart.element)), parts);
  await list?.look();
  const read = timeline(context.get);
  context.every(EVERY_MS, async () => {
    showCounts(counts, await context.get(`/api/queues/${encodeURIComponent(name)}`));
  });
  context.every(EVERY_MS, async () => {
    const {times, columns, marks} = await read();
    charts.forEach(([chart, column]) =>
      chart.update({times, marks, values: [columns[column] ?? times.map(() => null)]}));
  });
  return () => charts.forEach(([chart]) => chart.close());
}

function showCounts(place, now) {
  const names = {visible: "visible", in_flight: "in flight", retrying: "retrying", delayed: "delayed"};
  if (!place.children.length) {
    replace(place, Object.values(names).map(label =>
      h("div", {class: "tile"}, h("b"), h("span", {}, label))));
  }
  Object.keys(names).forEach((key, index) => say(place.children[index].firstChild, number(now[key])));
}

function facts(about) {
  const pairs = [
    ["visibility timeout", duration(about.visibility_timeout_s * 1000)],
    ["kept for", duration(about.retention_s * 1000)],
    about.delay_s ? ["delay", duration(about.delay_s * 1000)] : null,
    about.dead_letter ? [`after ${about.max_receive_count} receives`, ["to ", link(about.dead_letter)]] : null,
    about.origins.length ? ["come from", about.origins.map((each, index) => [index ? ", " : "", link(each)])] : null,
  ];
  return h("section", {class: "card"},
    h("dl", {class: "pairs"}, pairs.filter(Boolean).map(([name, value]) => [h("dt", {}, name), h("dd", {}, value)])));
}
