// What the page asks the console's server, and what it says where that fails.

const TIMEOUT_MS = 12_000;

/** The server did not answer at all. */
export class Unreachable extends Error {}

/** The server refused; `message` is its sentence. */
export class Refused extends Error {
  constructor(message, status) {
    super(message);
    this.status = status;
  }
}

/** Return the JSON at a path. */
export function get(path, {timeoutMs = TIMEOUT_MS} = {}) {
  return ask(path, {signal: AbortSignal.timeout(timeoutMs)});
}

/** Have something done; the header tells the server that no other site sends this. */
export function post(path, body = {}, {timeoutMs = TIMEOUT_MS} = {}) {
  return ask(path, {
    method: "POST",
    headers: {"Content-Type": "application/json", "X-Console-Action": "yes"},
    body: typeof body === "string" ? body : JSON.stringify(body),
    signal: AbortSignal.timeout(timeoutMs),
  });
}

async function ask(path, options) {
  let answer, text;
  try {
    answer = await fetch(path, options);
    text = await answer.text();
  } catch (error) {
    if (error.name === "TimeoutError") throw new Unreachable("the system does not answer in time");
    throw new Unreachable("the system does not answer");
  }
  let value;
  try {
    value = JSON.parse(text);
  } catch {
    throw new Refused(`no JSON came from ${path} (status ${answer.status})`, answer.status);
  }
  if (!answer.ok && typeof value?.message === "string") throw new Refused(value.message, answer.status);
  if (!answer.ok && answer.status !== 503) throw new Refused(`status ${answer.status}`, answer.status);
  return value;
}
