// The messages of one queue, looked at without receiving them.

import {actButton, outcome} from "/acting.js";
import {h, replace, say} from "/dom.js";
import {bytes, clock, number, pretty} from "/format.js";

const COUNT = 20;
const LINE_CHARS = 160;

/** Make the list of a queue's messages; `look()` reads it anew, `chosen` are the ids picked. */
export function messageList(about, context) {
  const path = `/api/queues/${encodeURIComponent(about.name)}`;
  const isDead = about.origins.length > 0, mayChoose = isDead && !about.is_fifo;
  const place = h("div"), pages = h("div", {class: "row"}), remark = outcome();
  const list = {chosen: new Set(), onchoose: () => {}, look};
  let first = 0;

  async function look() {
    const {messages, next, has_more: hasMore} = await context.get(`${path}/messages?first=${first}&count=${COUNT}`);
    if (!messages.length && first) {
      first = 0;
      await look();
      return;
    }
    list.chosen.clear();
    list.onchoose();
    replace(place, messages.length ? messages.map(item) : h("p", {class: "none"}, "No message is here now."));
    replace(pages,
      actButton("Look again", remark, look),
      first ? actButton("← Before", remark, () => turn(first - COUNT)) : null,
      hasMore ? actButton("More →", remark, () => turn(next)) : null,
      messages.length ? h("span", {class: "faint"},
        `${number(first + 1)} to ${number(first + messages.length)}, as of ${new Date().toLocaleTimeString("en-GB")}`) : null);
  }

  async function turn(to) {
    first = Math.max(0, to);
    await look();
  }

  function item(message) {
    const box = mayChoose ? h("input", {
      type: "checkbox", "aria-label": `Choose message ${message.id}`,
      onchange: () => {
        if (box.checked) list.chosen.add(message.id);
        else list.chosen.delete(message.id);
        list.onchoose();
      },
    }) : null;
    const details = h("details", {class: "grow"}, h("summary", {}, h("span", {class: "mono"}, clock(message.sent_at_ms / 1000)),
      " ", h("span", {class: "badge"}, isDead ? `received ${message.receive_count}×` : message.state), " ",
      h("span", {class: "mono"}, message.body.slice(0, LINE_CHARS), message.body.length > LINE_CHARS ? " …" : "")));
    details.addEventListener("toggle", () => {
      if (details.open && details.children.length === 1) details.append(opened(message, details));
    });
    return h("div", {class: "row message"}, box, details);
  }

  function opened(message, details) {
    const came = outcome(), body = h("pre", {tabindex: 0}, pretty(message.body));
    const whole = message.is_whole ? null : actButton(`Show all ${bytes(message.body_bytes)}`, came, async () => {
      const answer = await context.get(`${path}/messages/${encodeURIComponent(message.id)}`);
      say(body, pretty(answer.body));
      return "";
    });
    const remove = actButton("Delete this message", came, async () => {
      const answer = await context.post(`${path}/delete`, {id: message.id, receive_count: message.receive_count});
      details.open = false;
      await look();
      say(remark, answer.deleted ? "The message is deleted." : "The message was not there any more.");
    }, {danger: true});
    const traceId = traceOf(message);
    return h("div", {},
      h("dl", {class: "pairs"}, pairs(message, isDead).map(([name, value]) => [h("dt", {}, name), h("dd", {}, value)])),
      body, h("div", {class: "row"}, whole, remove,
        traceId ? h("a", {href: `#/traces/${traceId}`}, "Trace") : null), came);
  }

  list.element = h("section", {class: "card"}, h("h2", {}, "Messages"),
    h("p", {class: "faint"}, "Shown without being received: their receive count stays as it is."), place, pages, remark);
  return list;
}

function moment(ms) {
  const at = new Date(ms);
  return ms ? `${at.toLocaleDateString("en-CA")} ${clock(ms / 1000, {millis: true})}` : "–";
}

function pairs(message, isDead) {
  const attributes = Object.entries(message.attributes).map(([name, each]) => [`attribute ${name}`, `${each.value} (${each.type})`]);
  return [
    ["id", message.id],
    message.reason ? ["reason", message.reason] : null,
    ["sent", moment(message.sent_at_ms)],
    ["receives", number(message.receive_count)],
    [isDead ? "first try that failed" : "first received", moment(message.first_received_at_ms)],
    [isDead ? "last failure, dead since" : "visible from", moment(message.visible_at_ms)],
    ...attributes,
    ...Object.entries(message.system).filter(([name]) => !name.startsWith("DeadLetter")),
    ["size", bytes(message.body_bytes)],
  ].filter(Boolean);
}

/** The id of the trace that a message was sent in, 32 hexadecimal digits, or nothing. */
function traceOf(message) {
  const parent = message.attributes.traceparent?.value ?? "";
  const [, id] = /^[0-9a-f]{2}-([0-9a-f]{32})-/.exec(parent) ?? [];
  if (id) return id;
  const [, time, rest] = /Root=1-([0-9a-f]{8})-([0-9a-f]{24})/.exec(message.system.AWSTraceHeader ?? "") ?? [];
  return time ? time + rest : "";
}
