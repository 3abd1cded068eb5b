// The last hour, read in pieces: each reading asks only for what is new.

const SAMPLES_MAX = 1800;

/** Return a function that reads what is new and returns {times, columns, marks} of the whole hour. */
export function timeline(get) {
  const kept = {times: [], columns: {}, marks: []};
  return async function read() {
    const fresh = await get(`/api/history?since=${kept.times.at(-1) ?? 0}`);
    const before = kept.times.length, added = fresh.times.length;
    kept.times.push(...fresh.times);
    kept.marks = fresh.marks;
    for (const name of new Set([...Object.keys(kept.columns), ...Object.keys(fresh.columns)])) {
      const column = kept.columns[name] ??= Array(before).fill(null);
      column.push(...(fresh.columns[name] ?? Array(added).fill(null)));
    }
    const over = Math.max(0, kept.times.length - SAMPLES_MAX);
    if (over) [kept.times, ...Object.values(kept.columns)].forEach(each => each.splice(0, over));
    return kept;
  };
}
