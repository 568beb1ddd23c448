// Numbers of an axis as people read them: steps, lengths of time, times of day.
import { shown, ticks } from "../charts.js";

const SECOND = 1000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;
/** Steps between ticks of an axis of milliseconds. */
export const LENGTHS = [1, 2, 5, 10, 20, 50, 100, 200, 500, ...[1, 2, 5, 10, 15, 30].map((n) => n * SECOND), ...[1, 2, 5, 10, 15, 30].map((n) => n * MINUTE), ...[1, 2, 3, 6, 12].map((n) => n * HOUR), ...[1, 2, 5, 10, 20, 50, 100, 200, 500, 1000].map((n) => n * DAY)];

const language = document.documentElement.lang || "en";
const formats = new Map();
function written(at, options) {
  const name = JSON.stringify(options);
  if (!formats.has(name)) formats.set(name, new Intl.DateTimeFormat(language, options));
  return formats.get(name).format(at);
}

/** A length of time: 0, 250 ms, 1:05 min, 2 h 5 min, 3 d. */
export function length(ms) {
  const sign = ms < 0 ? "−" : "";
  const size = Math.abs(ms);
  if (size < SECOND) return size ? `${sign}${Math.round(size)} ms` : "0";
  if (size < MINUTE) return `${sign}${Number((size / SECOND).toFixed(1))} s`;
  if (size < HOUR) return `${sign}${Math.floor(size / MINUTE)}:${String(Math.round(size / SECOND) % 60).padStart(2, "0")} min`;
  if (size < DAY) return `${sign}${Math.floor(size / HOUR)}:${String(Math.floor(size / MINUTE) % 60).padStart(2, "0")} h`;
  return `${sign}${Number((size / DAY).toFixed(1))} d`;
}

/** A place of the axis in words. */
export function place(x, axis) {
  if (axis === "relative") return length(x);
  if (axis === "time") return written(x, { month: "short", day: "numeric", hour: "2-digit", minute: "2-digit", second: "2-digit" });
  return shown(x).length > 12 ? x.toExponential(4) : String(Number(x.toPrecision(12)));
}

/** What uPlot needs to draw the axis. */
export function of(axis) {
  if (axis === "relative") return { incrs: LENGTHS, values: (_plot, splits) => splits.map(length) };
  if (axis !== "time") return { values: axis === "step" ? short : ticks };
  const values = (_plot, splits, _axis, _space, apart) =>
    splits.map((at) => written(at, apart >= DAY ? { month: "short", day: "numeric" } : apart >= MINUTE ? { hour: "2-digit", minute: "2-digit" } : { minute: "2-digit", second: "2-digit" }));
  return { incrs: LENGTHS, values };
}

/** Steps as 20k and 3M where all ticks are round. */
function short(plot, splits) {
  for (const [size, letter] of [[1e9, "G"], [1e6, "M"], [1e3, "k"]]) {
    if (Math.max(...splits.map(Math.abs)) >= 10 * size && splits.every((one) => one === null || Number(((one / size) * 10).toFixed(6)) % 1 === 0)) return splits.map((one) => (one ? `${Number((one / size).toFixed(1))}${letter}` : "0"));
  }
  return ticks(plot, splits);
}
