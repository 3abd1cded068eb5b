import {actButton, outcome} from "/acting.js";
import {h, replace, say} from "/dom.js";
import {duration, number} from "/format.js";
import {table} from "/table.js";
import {comparison} from "/views/loads/comparing.js";
import {running} from "/views/loads/running.js";
import {reportView} from "/views/loads/report.js";

export const title = "Load runs";

const EVERY_MS = 5000;

export async function show(root, {path}, context) {
  return path.length ? reportView(root, path[0], context) : showAll(root, context);
}

async function showAll(root, context) {
  const chosen = [], remark = outcome(), result = h("div");
  const compare = actButton("Compare", remark, async () => {
    const [a, b] = [...chosen].sort();
    replace(result, comparison(a, b, await context.post("/api/loads/compare", {a, b})));
    return "";
  });
  const reports = table({
    label: "Kept reports",
    none: "No run has been kept yet.",
    key: each => each.name,
    open: each => each.trouble ? null : context.navigate(`#/loads/${encodeURIComponent(each.name)}`),
    columns: [
      {name: "report", of: each => h("a", {href: `#/loads/${encodeURIComponent(each.name)}`}, each.name)},
      {name: "verdict", left: true, of: each => each.trouble ?? each.verdict, bad: each => each.trouble || each.verdict !== "passed"},
      {name: "answered", of: each => each.trouble ? "" : `${number(each.ok)} of ${number(each.scheduled)}`},
      {name: "p50", of: each => latency(each.p50_ms)},
      {name: "p99", of: each => latency(each.p99_ms)},
      {name: "lost", of: each => each.lost ?? "", bad: each => each.lost > 0},
      {name: "doubled", of: each => each.doubled ?? "", bad: each => each.doubled > 0},
      {name: "oldest message", of: each => each.oldest_s ? duration(each.oldest_s * 1000) : ""},
      {name: "page", of: each => each.has_page ? h("a", {href: pageOf(each.name), target: "_blank", rel: "noopener"}, "report") : ""},
      {name: "compare", of: each => each.trouble ? "" : box(each.name)},
    ],
  });
  const boxes = new Map();

  function box(name) {
    if (!boxes.has(name)) {
      boxes.set(name, h("input", {type: "checkbox", "aria-label": `Compare ${name}`, onchange: event => choose(name, event.target)}));
    }
    return boxes.get(name);
  }

  function choose(name, input) {
    if (input.checked) chosen.push(name);
    else chosen.splice(chosen.indexOf(name), 1);
    if (chosen.length > 2) boxes.get(chosen.shift()).checked = false;
    compare.disabled = chosen.length !== 2;
    say(remark, chosen.length === 1 ? "Choose one more." : "");
  }

  const bounds = await context.get("/api/loads");
  compare.disabled = true;
  replace(root, h("h1", {}, title), running(bounds, context),
    h("section", {class: "card"}, h("h2", {}, "Kept reports"), reports.element,
      h("div", {class: "row"}, compare, h("span", {class: "faint"}, "Choose two reports.")), remark),
    result);
  context.every(EVERY_MS, async () => reports.update((await context.get("/api/loads")).reports));
}

function latency(ms) {
  return ms === undefined || ms === null ? "" : duration(ms);
}

export function pageOf(name) {
  return `/loads/${encodeURIComponent(name)}/report.html`;
}
