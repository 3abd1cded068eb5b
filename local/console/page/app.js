// The shell: navigation, one view at a time, its polling, and what is said while the system is down.

import {Refused, Unreachable, get, post} from "/api.js";
import {h, replace, say} from "/dom.js";

// A view is shown where the server has what it reads; `needs` is a path of its API.
const VIEWS = [
  {name: "overview", title: "Overview", needs: "/api/history"},
  {name: "functions", title: "Functions", needs: "/api/functions"},
  {name: "requests", title: "Requests", needs: "/api/recorded"},
  {name: "traces", title: "Traces", needs: "/api/traces"},
  {name: "queues", title: "Queues", needs: "/api/queues"},
  {name: "loads", title: "Load runs", needs: "/api/loads"},
  {name: "payments", title: "Payments", needs: "/api/payments"},
];
const RETRY_MS = 2000;
const HEARTBEAT_MS = 3000;  // of a view that reads once, so that it too says when the system is down
const THEMES = ["auto", "light", "dark"];
const KEYS = [
  ["1 – 7", "open a view"],
  ["/", "go to the view's filter"],
  ["↑ ↓", "go from row to row"],
  ["Enter", "open the row"],
  ["← →", "read a chart's values"],
  ["Esc", "back from what was opened"],
  ["?", "this list"],
];

const root = document.getElementById("view");
const banner = document.getElementById("banner");
const state = document.getElementById("state");
let shown = VIEWS;  // those that the server has
let paths = [];  // of the server's views
let current = null;  // {stop(), ended}

/** Return the name of the view, the path below it and the query of an address. */
function address() {
  const [path, query] = location.hash.replace(/^#\/?/, "").split("?");
  const [name, ...rest] = path.split("/").filter(Boolean).map(decoded);
  return {name: name || shown[0].name, path: rest, query: new URLSearchParams(query ?? "")};
}

function decoded(part) {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}

/** Go to an address of the page, such as `#/functions/NAME`. */
function navigate(hash) {
  location.hash = hash;
}

async function route() {
  if (location.hash === "#view") return;  // the link over the navigation
  current?.end();
  banner.hidden = true;
  const {name, path, query} = address();
  const view = VIEWS.find(each => each.name === name);
  markNavigation(name);
  const life = newLife();
  current = life;
  const place = h("div", {class: "view"});
  replace(root, place);
  if (!view || !shown.includes(view)) {
    const why = view ? "This system has nothing that this view would show." : `There is no view ${name}.`;
    replace(place, h("h1", {}, "Nothing here"), h("p", {}, why));
    return;
  }
  document.title = `${[view.title, ...path].join(" · ")} – Console`;
  try {
    const module = await import(`/views/${name}.js`);
    if (life.ended) return;
    const stop = await module.show(place, {path, query}, life.context);
    if (life.ended) stop?.();
    else {
      life.stop = stop;
      if (!life.polls) every(life, HEARTBEAT_MS, () => get("/api/system"));
    }
  } catch (error) {
    if (!life.ended) fail(life, error, {place});
  }
  if (!life.ended) root.focus({preventScroll: true});
}

/** The life of one view: what it polls ends with it. */
function newLife() {
  const life = {ended: false, stop: null, polls: false, timers: new Set(), failing: new Set()};
  life.end = () => {
    life.ended = true;
    life.timers.forEach(clearTimeout);
    life.stop?.();
  };
  function poll(ms, fn) {
    life.polls = true;
    return every(life, ms, fn);
  }
  life.context = {get, post, navigate, has: path => paths.includes(path), every: poll};
  return life;
}

/** Call `fn` now, and again `ms` after it is done, while the view is shown and can be seen. */
async function every(life, ms, fn) {
  if (life.ended) return;
  let pause = ms;
  if (!document.hidden) {
    try {
      await fn();
      answered(life, fn);
    } catch (error) {
      fail(life, error, {what: fn});
      pause = Math.max(ms, RETRY_MS);
    }
  }
  if (life.ended) return;
  const timer = setTimeout(() => {
    life.timers.delete(timer);
    every(life, ms, fn);
  }, pause);
  life.timers.add(timer);
}

/** Note that it works; the banner goes once all works that the view reads. */
function answered(life, what) {
  if (life.ended) return;
  life.failing.delete(what);
  if (life.failing.size) return;
  banner.hidden = true;
  say(state, `as of ${new Date().toLocaleTimeString("en-GB")}`);
}

/** Say what went wrong; where the system is down, try until it is back, and show the view anew. */
function fail(life, error, {what, place}) {
  if (life.ended) return;
  if (what) life.failing.add(what);
  if (error instanceof Unreachable) {
    warn("The system is down, or does not answer. Trying again …");
    if (place) reopenWhenBack(life);
    return;
  }
  warn(error instanceof Refused ? `That did not work: ${error.message}.` : `This view failed: ${error}`);
  if (!(error instanceof Refused)) console.error(error);
}

function warn(sentence) {
  say(banner, sentence);
  banner.hidden = false;
  say(state, "");
}

function reopenWhenBack(life) {
  const timer = setTimeout(async () => {
    try {
      await get("/api/system");
    } catch {
      reopenWhenBack(life);
      return;
    }
    if (life.ended) return;
    banner.hidden = true;
    await start();
  }, RETRY_MS);
  life.timers.add(timer);
}

function markNavigation(name) {
  for (const link of document.querySelectorAll("#navigation a")) {
    if (link.dataset.view === name) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  scrollNavigation();
}

/** Bring the name of the view that is open into sight. */
function scrollNavigation() {
  document.querySelector("#navigation [aria-current]")?.scrollIntoView({block: "nearest", inline: "nearest"});
}

function showNavigation() {
  replace(document.getElementById("navigation"), shown.map((each, index) =>
    h("a", {href: `#/${each.name}`, "data-view": each.name, title: `key ${index + 1}`}, each.title)));
}

function applyTheme(theme) {
  document.documentElement.dataset.theme = theme;
  const button = document.getElementById("theme");
  say(button, {auto: "◐", light: "○", dark: "●"}[theme]);
  button.setAttribute("aria-label", `Colours: ${theme}`);
  button.title = `Colours: ${theme}`;
}

function keptTheme() {
  const theme = localStorage.getItem("theme");
  return THEMES.includes(theme) ? theme : "auto";
}

function nextTheme() {
  const theme = THEMES[(THEMES.indexOf(keptTheme()) + 1) % THEMES.length];
  localStorage.setItem("theme", theme);
  applyTheme(theme);
}

function showKeys() {
  const dialog = document.getElementById("keys");
  replace(dialog, h("h2", {id: "keys-title"}, "Keys"),
    h("dl", {class: "pairs"}, KEYS.map(([key, what]) => [h("dt", {}, h("kbd", {}, key)), h("dd", {}, what)])),
    h("button", {type: "button", onclick: () => dialog.close()}, "Close"));
  if (!dialog.open) dialog.showModal();
}

function onKey(event) {
  const isTyping = event.target.closest("input, textarea, select, dialog");
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.key === "Escape" && !event.target.closest("dialog")) {
    if (isTyping) event.target.blur();
    else document.querySelector("[data-back]")?.click();
  }
  if (isTyping) return;
  const view = shown[Number(event.key) - 1];
  if (view) navigate(`#/${view.name}`);
  else if (event.key === "/") focusFilter(event);
  else if (event.key === "?") showKeys();
}

function focusFilter(event) {
  const filter = root.querySelector("[data-filter]");
  if (!filter) return;
  event.preventDefault();
  filter.focus();
}

async function start() {
  try {
    const system = await get("/api/system");
    paths = system.paths;
    shown = VIEWS.filter(each => paths.includes(each.needs));
    say(document.getElementById("brand"), system.name);
  } catch (error) {
    if (!(error instanceof Unreachable)) throw error;
  }
  showNavigation();
  await route();
}

applyTheme(keptTheme());
document.getElementById("theme").addEventListener("click", nextTheme);
document.getElementById("help").addEventListener("click", showKeys);
document.addEventListener("keydown", onKey);
addEventListener("hashchange", route);
addEventListener("resize", scrollNavigation);
start();
