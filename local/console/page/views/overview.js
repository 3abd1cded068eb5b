import {h, replace} from "/dom.js";
import {number} from "/format.js";
import {table} from "/table.js";

export const title = "Overview";

export async function show(root, parameters, context) {
  const processes = table({
    label: "Processes",
    none: "These processes are not supervised.",
    key: each => each.name,
    columns: [
      {name: "process", of: each => each.name},
      {name: "pid", of: each => each.pid || "–"},
      {name: "state", of: each => each.state, bad: each => each.state !== "running"},
      {name: "restarts", of: each => each.restarts, bad: each => each.restarts > 0},
      {name: "CPU s", of: each => each.cpu_s.toFixed(1)},
      {name: "memory MB", of: each => number(Math.round(each.rss_mb))},
    ],
  });
  replace(root, h("h1", {}, title), h("section", {class: "card"}, h("h2", {}, "Processes"), processes.element));
  context.every(2000, async () => processes.update(await context.get("/api/processes")));
}
