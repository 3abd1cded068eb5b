// Line charts in SVG: the values under the pointer are shown in all charts of the page at once.

import {h, replace, say, svg} from "/dom.js";
import {clock, number} from "/format.js";

const HEIGHT = 120, TOP = 8, BOTTOM = 18, LEFT = 48, RIGHT = 8;
const SECONDS_BELOW_S = 600;  // a shorter axis tells the second of its ends
const COLOURS = 6;  // --series-1 … --series-6 in the style sheet
const charts = new Set();  // those that show one moment together
let moment = null;  // s since 1970, or null where nobody points

/**
 * Make a chart. `series` is [{name, format?}]; `format` writes a value of the axis.
 * `update({times, values, marks})` shows values[series][i] at times[i] (s since 1970, ascending;
 * null is a gap) and marks [{at, text}]. `element` is what to put into the page.
 */
export function lineChart({title, series = [{name: ""}], format = number, least = 0}) {
  const latest = h("span", {class: "latest"});
  const picture = svg("svg", {role: "img", tabindex: 0, height: HEIGHT, "aria-label": title});
  const readout = h("div", {class: "readout", hidden: true});
  const legend = h("ul", {class: "legend"});
  const element = h("figure", {class: "chart"},
    h("figcaption", {}, title, latest), h("div", {class: "plot"}, picture, readout), legend);
  const chart = {element, names: series.map(each => each.name), times: [], values: [], marks: [], width: 0};

  chart.update = ({times, values, marks = [], names}) => {
    if (names) chart.names = names;
    Object.assign(chart, {times, values, marks});
    draw();
  };
  chart.point = () => showMoment();
  chart.close = () => {
    charts.delete(chart);
    observer.disconnect();
  };
  const observer = new ResizeObserver(entries => {
    const width = Math.floor(entries[0].contentRect.width);
    if (width && width !== chart.width) {
      chart.width = width;
      draw();
    }
  });
  observer.observe(element);
  charts.add(chart);

  picture.addEventListener("pointermove", event => pointAt(timeAt(event)));
  picture.addEventListener("pointerleave", () => pointAt(null));
  picture.addEventListener("blur", () => pointAt(null));
  picture.addEventListener("keydown", event => {
    const step = {ArrowLeft: -1, ArrowRight: 1}[event.key];
    if (!step || !chart.times.length) return;
    event.preventDefault();
    const from = moment === null ? chart.times.length : nearest(chart.times, moment);
    pointAt(chart.times[Math.min(chart.times.length - 1, Math.max(0, from + step))]);
  });

  function timeAt(event) {
    const inside = chart.width - LEFT - RIGHT;
    const share = (event.clientX - picture.getBoundingClientRect().left - LEFT) / inside;
    const first = chart.times[0] ?? 0, last = chart.times.at(-1) ?? 0;
    return first + Math.min(1, Math.max(0, share)) * (last - first);
  }

  function x(time) {
    const first = chart.times[0], span = (chart.times.at(-1) - first) || 1;
    return LEFT + (time - first) / span * (chart.width - LEFT - RIGHT);
  }

  function y(value) {
    return HEIGHT - BOTTOM - value / chart.top * (HEIGHT - TOP - BOTTOM);
  }

  function draw() {
    if (!chart.width) return;
    picture.setAttribute("width", chart.width);
    picture.setAttribute("viewBox", `0 0 ${chart.width} ${HEIGHT}`);
    chart.top = niceTop(Math.max(least, ...chart.values.map(largest)));
    const isEmpty = !chart.times.length;
    replace(picture, isEmpty ? emptyText() : [grid(), axis(), chart.marks.map(mark), chart.values.map(line), cursor()]);
    legend.hidden = chart.names.length < 2;
    showMoment();
    const summary = chart.names.map((name, index) => `${name} ${format(lastOf(chart.values[index]))}`.trim());
    picture.setAttribute("aria-label", isEmpty ? `${title}: no values yet` : `${title}, now ${summary.join(", ")}`);
  }

  function emptyText() {
    return svg("text", {x: LEFT, y: HEIGHT / 2, class: "axis"}, "no values yet");
  }

  function grid() {
    return [0, 0.5, 1].map(share => {
      const at = y(chart.top * share);
      return svg("g", {},
        svg("line", {x1: LEFT, x2: chart.width - RIGHT, y1: at, y2: at, class: "grid"}),
        svg("text", {x: LEFT - 5, y: at + 3, class: "axis end"}, format(chart.top * share)));
    });
  }

  function axis() {
    const first = chart.times[0], last = chart.times.at(-1);
    return [[first, "axis"], [last, "axis end"]].map(([time, name], index) =>
      index && first === last ? null : svg("text", {x: x(time), y: HEIGHT - 4, class: name}, clock(time).slice(0, last - first < SECONDS_BELOW_S ? 8 : 5)));
  }

  function mark({at, text}) {
    if (at < chart.times[0] || at > chart.times.at(-1)) return null;
    return svg("g", {class: "mark"},
      svg("line", {x1: x(at), x2: x(at), y1: TOP, y2: HEIGHT - BOTTOM}), svg("circle", {cx: x(at), cy: TOP, r: 3}),
      svg("title", {}, `${clock(at)} ${text}`));
  }

  function line(values, index) {
    const colour = `line series-${index % COLOURS + 1}`;
    let path = "", lone = "";  // a value between two gaps is a dot: a line of no length
    values.forEach((value, place) => {
      if (isGap(value)) return;
      const point = `${x(chart.times[place]).toFixed(1)} ${y(value).toFixed(1)}`;
      const begins = isGap(values[place - 1]);
      if (begins && isGap(values[place + 1])) lone += `M${point}h0`;
      else path += `${begins ? "M" : "L"}${point}`;
    });
    return [
      svg("path", {d: path || "M0 0", class: colour}),
      lone ? svg("path", {d: lone, class: `${colour} lone`}) : null,
    ];
  }

  function cursor() {
    chart.cursor = svg("g", {class: "cursor", visibility: "hidden"},
      svg("line", {y1: TOP, y2: HEIGHT - BOTTOM}),
      chart.values.map((_, index) => svg("circle", {r: 3, class: `dot series-${index % COLOURS + 1}`})));
    return chart.cursor;
  }

  function showMoment() {
    const index = chart.times.length ? (moment === null ? chart.times.length - 1 : nearest(chart.times, moment)) : -1;
    const values = chart.values.map(each => each[index]);
    showLegend(values);
    readout.hidden = moment === null || index < 0;
    chart.cursor?.setAttribute("visibility", readout.hidden ? "hidden" : "visible");
    if (readout.hidden) return;
    const at = x(chart.times[index]);
    const [rule, ...dots] = chart.cursor.children;
    rule.setAttribute("x1", at);
    rule.setAttribute("x2", at);
    dots.forEach((dot, place) => {
      const value = values[place];
      dot.setAttribute("visibility", value === null || value === undefined ? "hidden" : "inherit");
      dot.setAttribute("cx", at);
      dot.setAttribute("cy", y(value ?? 0));
    });
    const near = chart.marks.filter(each => Math.abs(x(each.at) - at) < 5).map(each => each.text);
    say(readout, [clock(chart.times[index]), ...near].join(" · "));
    readout.style.left = `${Math.min(at, chart.width - 70)}px`;
  }

  function showLegend(values) {
    say(latest, chart.names.length === 1 && values.length ? format(values[0]) : "");
    if (chart.names.length < 2) return;
    if (legend.children.length !== chart.names.length) {
      replace(legend, chart.names.map((_, index) =>
        h("li", {}, h("i", {class: `swatch series-${index % COLOURS + 1}`}), h("span"), h("b"))));
    }
    chart.names.forEach((name, index) => {
      const [, label, value] = legend.children[index].children;
      say(label, name);
      say(value, format(values[index]));
    });
  }

  return chart;
}

function pointAt(time) {
  moment = time;
  charts.forEach(each => each.point());
}

function isGap(value) {
  return value === null || value === undefined;
}

function largest(values) {
  return values.reduce((most, value) => value > most ? value : most, 0);
}

function lastOf(values) {
  return values?.at(-1);
}

function nearest(times, time) {
  let low = 0, high = times.length - 1;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (times[middle] < time) low = middle + 1;
    else high = middle;
  }
  return low > 0 && time - times[low - 1] < times[low] - time ? low - 1 : low;
}

/** The next of 1, 2, 5, 10, 20, … that is not below a value. */
function niceTop(value) {
  if (!(value > 0)) return 1;
  const power = 10 ** Math.floor(Math.log10(value));
  return [1, 2, 5, 10].map(each => each * power).find(each => each >= value * 0.999);
}
