// The filters above a live list: a choice is read at once, what is typed after a pause.

import {h} from "/dom.js";

const PAUSE_MS = 250;

// `read` fetches the list; an answer whose round() is over is for filters that have changed.
export function filters(read) {
  let timer = null, round = 0;

  function changed() {
    round += 1;
    read().catch(() => {});  // the next poll says what is wrong
  }

  function later() {
    clearTimeout(timer);
    timer = setTimeout(changed, PAUSE_MS);
  }

  function choice(label, options, chosen) {
    return h("select", {"aria-label": label, onchange: changed},
      options.map(([value, name]) => h("option", {value, selected: value === (chosen ?? "")}, name)));
  }

  return {changed, choice, later, round: () => round};
}
