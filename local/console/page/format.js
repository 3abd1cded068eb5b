// Numbers and times as people read them.

const WHOLE = new Intl.NumberFormat("en-GB", {maximumFractionDigits: 0});

/** 0.42, 7.3, 128, 12,345 */
export function number(value) {
  if (value === null || value === undefined || Number.isNaN(value)) return "–";
  const size = Math.abs(value);
  if (size >= 100 || Number.isInteger(value)) return WHOLE.format(value);
  return value.toFixed(size >= 10 ? 1 : size >= 1 ? 1 : 2);
}

/** 3.2 ms, 840 ms, 12.4 s, 3 min */
export function duration(ms) {
  if (ms === null || ms === undefined || Number.isNaN(ms)) return "–";
  if (ms === 0) return "0 ms";
  if (ms < 1000) return `${ms.toFixed(ms < 1 ? 2 : ms < 10 ? 1 : 0)} ms`;
  if (ms < 120_000) return `${number(ms / 1000)} s`;
  if (ms < 7_200_000) return `${number(ms / 60_000)} min`;
  return `${number(ms / 3_600_000)} h`;
}

/** 512 B, 3.4 KB, 12 MB */
export function bytes(count) {
  if (count === null || count === undefined) return "–";
  if (count < 1024) return `${count} B`;
  if (count < 1024 ** 2) return `${number(count / 1024)} KB`;
  return `${number(count / 1024 ** 2)} MB`;
}

/** The time of day of a moment in seconds since 1970. */
export function clock(epochS, {millis = false} = {}) {
  if (!epochS) return "–";
  const moment = new Date(epochS * 1000);
  const text = moment.toLocaleTimeString("en-GB", {hour12: false});
  return millis ? `${text}.${String(moment.getMilliseconds()).padStart(3, "0")}` : text;
}

/** A text as JSON with line breaks where it is JSON, else as it is. */
export function pretty(value) {
  if (typeof value !== "string") return JSON.stringify(value, null, 2);
  try {
    return JSON.stringify(JSON.parse(value), null, 2);
  } catch {
    return value;
  }
}
