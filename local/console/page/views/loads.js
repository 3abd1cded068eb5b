import {h, replace} from "/dom.js";

export const title = "Load runs";

export async function show(root) {
  replace(root, h("h1", {}, title), h("p", {class: "none"}, "Not here yet."));
}
