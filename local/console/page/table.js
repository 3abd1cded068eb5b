// A table that is brought up to date in place: focus, selection and scrolling stay where they are.
// Where there is too little room each row is a card, and each cell has its column's name beside it
// (style.css); the roles are written out because elements that are laid out otherwise lose their own.

import {h} from "/dom.js";

const COLUMN_PX = 84;  // what a column takes, all in all

/**
 * Make a table. A column is {name, of(row), left?, wraps?, bad?(row), title?(row)}; `of` returns a
 * text or a node. `key(row)` tells rows apart; `open(row)` makes them links that Enter opens, too.
 */
export function table({label, columns, key, open, none = "Nothing here."}) {
  const head = h("tr", {role: "row"}, columns.map(each =>
    h("th", {scope: "col", role: "columnheader", class: each.left || each.wraps ? "left" : null}, each.name)));
  const body = h("tbody", {role: "rowgroup"});
  // Before the first update neither is true: there is something, there is nothing.
  const made = h("table", {role: "table", "aria-label": label, hidden: true}, h("thead", {role: "rowgroup"}, head), body);
  const empty = h("p", {class: "none", hidden: true}, none);
  const element = h("div", {class: "wide"}, made, empty);
  const rows = new Map();
  new ResizeObserver(() => made.classList.toggle("cards", element.clientWidth < columns.length * COLUMN_PX)).observe(element);

  function update(list) {
    made.hidden = !list.length;
    empty.hidden = Boolean(list.length);
    const ids = new Set();
    let before = null;
    for (const row of list) {
      const id = String(key(row));
      if (ids.has(id)) continue;
      ids.add(id);
      const line = rows.get(id) ?? newLine(id);
      line.row = row;
      columns.forEach((column, index) => write(line.cells[index], column, row));
      const place = before ? before.nextSibling : body.firstChild;
      if (place !== line.element) body.insertBefore(line.element, place);
      before = line.element;
    }
    for (const [id, line] of rows) {
      if (ids.has(id)) continue;
      line.element.remove();
      rows.delete(id);
    }
  }

  function newLine(id) {
    const cells = columns.map(each =>
      h("td", {role: "cell", class: each.wraps ? "left text" : each.left ? "left" : null, "data-column": each.name}));
    const line = {element: h("tr", {role: "row"}, cells), cells, row: null};
    if (open) {
      line.element.className = "opens";
      line.element.tabIndex = 0;
      line.element.addEventListener("click", event => {
        if (!event.target.closest("a, button, input") && !String(getSelection())) open(line.row);
      });
      line.element.addEventListener("keydown", event => {
        if (event.key === "Enter" && event.target === line.element) open(line.row);
        const step = {ArrowDown: "nextSibling", ArrowUp: "previousSibling"}[event.key];
        if (step && event.target === line.element) {
          line.element[step]?.focus();
          event.preventDefault();
        }
      });
    }
    rows.set(id, line);
    return line;
  }

  return {element, update};
}

function write(cell, column, row) {
  const value = column.of(row) ?? "";
  if (value instanceof Node) {
    if (!cell.firstChild?.isEqualNode(value)) cell.replaceChildren(value);
  } else if (cell.textContent !== String(value) || cell.firstElementChild) {
    cell.textContent = String(value);
  }
  cell.classList.toggle("bad", Boolean(column.bad?.(row)));
  if (column.title) cell.title = column.title(row) ?? "";
}
