// Buttons that change something: one click at a time, and a sentence about what came of it.

import {h, say} from "/dom.js";

/** Make a line that says what came of an action; a screen reader says it too. */
export function outcome() {
  return h("p", {class: "outcome", role: "status"});
}

/**
 * Make a button that does `act` and says in `place` what it returns, or why it was refused.
 * While it is at work it takes no second click.
 */
export function actButton(label, place, act, {danger = false} = {}) {
  const button = h("button", {type: "button", class: danger ? "danger" : null, onclick: click}, label);
  async function click() {
    button.disabled = true;
    place.className = "outcome";
    try {
      say(place, await act() ?? "");
    } catch (error) {
      place.className = "outcome bad";
      say(place, `Not done: ${error.message}.`);
    } finally {
      button.disabled = false;
    }
  }
  return button;
}

/** Make a labelled field of a form. */
export function field(label, input) {
  return h("label", {class: "over"}, h("span", {class: "faint"}, label), input);
}
