// The run that is started here: a smoke test or a steady rate, watched line by line.

import {actButton, field, outcome} from "/acting.js";
import {h, say} from "/dom.js";
import {clock, number} from "/format.js";
import {pageOf} from "/views/loads.js";

const EVERY_MS = 1000;
const LINES_MAX = 1000;
const ENDS = {0: "passed", 1: "failed", 3: "is invalid: generator or machine was the bottleneck"};

/** Make the form that starts a run, and the place where it is watched. */
export function running(bounds, context) {
  const remark = outcome(), status = h("p", {role: "status"}, "No run has been started here.");
  const output = h("pre", {tabindex: 0, hidden: true, "aria-label": "What the run prints"});
  const link = h("a", {hidden: true, target: "_blank", rel: "noopener"}, "Open its report");
  const rate = h("input", {type: "number", min: 1, max: bounds.rate_max_per_s, value: 50});
  const length = h("input", {type: "number", min: 1, max: bounds.duration_max_s, value: 30});
  const smoke = actButton("Start a smoke run", remark, () => start({}));
  const steady = actButton("Start a steady run", remark, () => start({rate: rate.valueAsNumber, duration_s: length.valueAsNumber}));
  const stop = actButton("Stop", remark, async () => {
    showRun((await context.post("/api/loads/stop")).run);
    return "";
  });
  let next = 0, started = 0;
  const lines = [];

  async function start(body) {
    showRun((await context.post("/api/loads/start", body)).run);
    return "";
  }

  function showRun(run) {
    if (run && run.started_s !== started) {
      started = run.started_s;
      next = lines.length = 0;
    }
    const isRunning = Boolean(run?.is_running);
    smoke.disabled = steady.disabled = isRunning;
    stop.hidden = !isRunning;
    say(stop, run?.is_stopped ? "End it at once" : "Stop");
    if (run) say(status, sentence(run));
    output.hidden = !run;
    link.hidden = isRunning || !run?.report;
    if (run?.report) link.href = pageOf(run.report);
  }

  async function watch() {
    const answer = await context.get(`/api/loads/run?after=${next}`);
    const isNew = answer.run && answer.run.started_s !== started;
    showRun(answer.run);
    if (isNew && answer.lines.length !== answer.next) return;  // lines of this run are asked for next
    next = answer.next;
    if (!answer.lines.length) return;
    lines.push(...answer.lines);
    lines.splice(0, Math.max(0, lines.length - LINES_MAX));
    say(output, lines.join("\n"));
    output.scrollTop = output.scrollHeight;
  }

  context.every(EVERY_MS, watch);
  return h("section", {class: "card"}, h("h2", {}, "Run one"),
    h("p", {class: "faint"}, "The generator runs on this machine, ends with the system, and audits every payment afterwards."),
    h("div", {class: "row"}, smoke, h("span", {class: "faint"}, "or"), field("arrivals a second", rate), field("for, s", length), steady, stop),
    remark, status, output, link);
}

function sentence(run) {
  const began = `${run.title}, since ${clock(run.started_s)}`;
  if (run.is_running) return run.is_stopped ? `${began}: no more arrivals; what was sent is audited …` : `${began} …`;
  if (run.exit_code < 0) return `${run.title}: it was ended before its audit.`;
  if (!run.report) return `${run.title}: it ended with ${number(run.exit_code)}, without a report; it says why below.`;
  return `${run.title}: it ${ENDS[run.exit_code] ?? `ended with ${number(run.exit_code)}`}.`;
}
