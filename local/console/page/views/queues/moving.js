// Dead letters go back: all or the chosen ones, at a rate, with the task as it stands.

import {actButton, field, outcome} from "/acting.js";
import {h, say} from "/dom.js";
import {clock, number} from "/format.js";

const EVERY_MS = 1000;

/** Make the form that moves the dead letters of a queue back, and shows its last task. */
export function moving(about, list, context) {
  const path = `/api/queues/${encodeURIComponent(about.name)}`;
  const remark = outcome(), status = h("p", {role: "status"}), bar = h("progress", {max: 1, value: 0, hidden: true});
  const rate = h("input", {type: "number", min: 1, max: about.rate_max_per_s, value: about.rate_max_per_s, required: true});
  const to = h("select", {}, h("option", {value: ""}, "where each came from"),
    about.destinations.map(each => h("option", {value: each}, each)));
  const begin = ids => async () => {
    const body = {rate_per_s: rate.valueAsNumber || 0, ...(to.value ? {to: to.value} : {}), ...(ids ? {ids: ids()} : {})};
    showTask((await context.post(`${path}/redrive`, body)).move_task);
    return "It has begun.";
  };
  const all = actButton("Move all back", remark, begin(null));
  const some = actButton("Move the chosen back", remark, begin(() => [...list.chosen]));
  const cancel = actButton("Stop", remark, async () => {
    showTask((await context.post(`${path}/cancel`)).move_task);
    return "";
  });
  let wasRunning = false;

  function showTask(task) {
    const isRunning = task?.status === "RUNNING";
    cancel.hidden = bar.hidden = !isRunning;
    if (task) {
      bar.max = Math.max(1, task.to_move, task.moved);
      bar.value = task.moved;
    }
    say(status, task ? sentence(task, about.name) : "No task has moved messages of this queue yet.");
    if (wasRunning && !isRunning) list.look().catch(() => {});  // the next poll says what is wrong
    wasRunning = isRunning;
  }

  list.onchoose = () => {
    some.disabled = !list.chosen.size;
    say(some, list.chosen.size ? `Move ${list.chosen.size} chosen back` : "Move the chosen back");
  };
  list.onchoose();
  showTask(about.move_task);
  context.every(EVERY_MS, async () => {
    const {move_tasks: tasks} = await context.get("/api/move_tasks");
    showTask(tasks.find(each => each.source === about.name));
  });
  const choice = about.is_fifo ? h("p", {class: "faint"}, "Messages of a FIFO queue go back all together, in their order.") : some;
  return h("section", {class: "card"}, h("h2", {}, "Move back"),
    h("div", {class: "row"}, field("messages a second", rate), field("to", to), all, choice, cancel), bar, status, remark);
}

/** Say how a task stands, or how it ended: what was moved is moved, and the rest stayed. */
function sentence(task, queue) {
  const left = Math.max(0, task.to_move - task.moved);
  const moved = `${number(task.moved)} of ${number(task.to_move)} moved`;
  const began = `The task of ${clock(task.started_ms / 1000)}`;
  if (task.status === "RUNNING") return `${moved}, at most ${number(task.rate_per_s)} a second.`;
  if (task.status === "COMPLETED") {
    return left ? `${began} is done: ${moved}; the others were in flight, or not there any more.` : `${began} is done: ${moved}.`;
  }
  const how = task.status === "CANCELLED" ? "was stopped" : "was interrupted";
  const why = task.failure ? ` (${task.failure})` : "";
  return `${began} ${how}${why}: ${moved}. What was moved is moved; the rest stayed on ${queue}, and another task takes it.`;
}
