// Elements made of text and attributes alone: what a name or a log line says is never markup.

const SVG = "http://www.w3.org/2000/svg";

/** Make an HTML element; a child is a node, a text, a list of those, or nothing (null, false). */
export function h(tag, attributes, ...children) {
  return fill(document.createElement(tag), attributes, children);
}

/** Make an SVG element. */
export function svg(tag, attributes, ...children) {
  return fill(document.createElementNS(SVG, tag), attributes, children);
}

function fill(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes ?? {})) {
    const isState = name.startsWith("aria-");  // which is written out, "false" too
    if (value === null || value === undefined || (value === false && !isState)) continue;
    if (typeof value === "function") element.addEventListener(name.replace(/^on/, ""), value);
    else if (name === "style") Object.assign(element.style, value);
    else if (name === "value") element.value = value;
    else if (isAddress(name) && !isHarmless(value)) continue;
    else element.setAttribute(name, value === true && !isState ? "" : String(value));
  }
  element.append(...flat(children));
  return element;
}

function isAddress(name) {
  return name === "href" || name === "src";
}

/** Tell whether an address leads to a page and runs nothing: `javascript:` does. */
function isHarmless(value) {
  return /^(#|\/(?!\/)|https?:)/.test(String(value));
}

function flat(children) {
  return children.flat(Infinity).filter(each => each !== null && each !== undefined && each !== false)
    .map(each => each instanceof Node ? each : String(each));
}

/** Replace what stands in an element. */
export function replace(element, ...children) {
  element.replaceChildren(...flat(children));
  return element;
}

/** Set an element's text, and leave it alone where it is the same: what is selected stays so. */
export function say(element, text) {
  if (element.textContent !== text) element.textContent = text;
}
