// The last hour, read in pieces: each reading asks only for what is new.

const SAMPLES_MAX = 1800;

/** Return a function that reads what is new and returns {times, columns, marks} of the whole hour. */
export function timeline(get) {
  const hour = {times: [], columns: {}, marks: []};
  return async function read() {
    const fresh = await get(`/api/history?since=${hour.times.at(-1) ?? 0}`);
    const before = hour.times.length, added = fresh.times.length;
    hour.times.push(...fresh.times);
    hour.marks = fresh.marks;
    for (const name of new Set([...Object.keys(hour.columns), ...Object.keys(fresh.columns)])) {
      const column = hour.columns[name] ??= Array(before).fill(null);
      column.push(...(fresh.columns[name] ?? Array(added).fill(null)));
    }
    const over = Math.max(0, hour.times.length - SAMPLES_MAX);
    if (over) [hour.times, ...Object.values(hour.columns)].forEach(each => each.splice(0, over));
    return hour;
  };
}
