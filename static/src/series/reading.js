// Reading lines of charts: what several charts ask in one moment, of the same runs and window, is one request.
import { ask } from "../wire.js";

/** The studio reads so many series at once, and an address has its length. */
const MOST = 400;
const LONGEST = 7000;

const waiting = new Map();

/** {runs, missing, lines: {run: {x, value, low?, high?, count, odd}}} of one metric. */
export function read({ ws, runs, key, axis, points, window }) {
  const place = JSON.stringify([ws, axis, points, window, runs]);
  let group = waiting.get(place);
  if (!group) {
    group = { ws, runs, axis, points, window, keys: new Map() };
    waiting.set(place, group);
    setTimeout(() => {
      waiting.delete(place);
      send(group);
    }, 15);
  }
  return new Promise((resolve, reject) => {
    if (!group.keys.has(key)) group.keys.set(key, []);
    group.keys.get(key).push({ resolve, reject });
  });
}

function send(group) {
  const fixed = group.runs.map((run) => `run=${encodeURIComponent(run)}`).join("&");
  let keys = [];
  let length = fixed.length;
  const flush = () => keys.length && one(group, fixed, keys.splice(0));
  for (const key of group.keys.keys()) {
    const size = encodeURIComponent(key).length + 5;
    if (keys.length && (length + size > LONGEST || (keys.length + 1) * group.runs.length > MOST)) {
      flush();
      keys = [];
      length = fixed.length;
    }
    keys.push(key);
    length += size;
  }
  flush();
}

async function one(group, fixed, keys) {
  const named = keys.map((key) => `key=${encodeURIComponent(key)}`).join("&");
  const ends = group.window ? `&first=${group.window[0]}&last=${group.window[1]}` : "";
  try {
    const told = await ask("GET", `/api/v1/workspaces/${group.ws}/chart?axis=${group.axis}&points=${group.points}${ends}&${fixed}&${named}`);
    for (const key of keys) for (const { resolve } of group.keys.get(key)) resolve({ runs: told.runs, missing: told.missing, lines: told.series[key] });
  } catch (error) {
    for (const key of keys) for (const { reject } of group.keys.get(key)) reject(error);
  }
}
