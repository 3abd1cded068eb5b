// Two reports side by side, and which figures differ by more than noise.

import {h} from "/dom.js";
import {number} from "/format.js";
import {table} from "/table.js";

/** Make the comparison of the reports `a` and `b`, as the server has compared them. */
export function comparison(a, b, {notes, rows}) {
  const figures = table({
    label: "Comparison",
    key: each => `${each.group} ${each.name}`,
    columns: [
      {name: "figure", of: each => each.name},
      {name: "", left: true, of: each => each.group},
      {name: "A", of: each => value(each.a, each.unit)},
      {name: "B", of: each => value(each.b, each.unit)},
      {name: "change", of: each => each.change},
      {name: "beyond noise", left: true, of: each => each.mark, bad: each => each.mark === "worse"},
    ],
  });
  figures.update(rows);
  return h("section", {class: "card"}, h("h2", {}, "Comparison"),
    h("p", {}, "A: ", h("b", {}, a)), h("p", {}, "B: ", h("b", {}, b)),
    notes.length ? h("ul", {}, notes.map(each => h("li", {}, each))) : null, figures.element);
}

function value(figure, unit) {
  return figure === null ? "–" : `${number(figure)} ${unit}`.trim();
}
