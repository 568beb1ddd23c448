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

/** The same for ticks that are `apart` from each other: as exact as they need. */
function clocked(ms, apart) {
  if (ms === null) return "";
  const size = Math.abs(ms);
  if (size < HOUR || apart >= HOUR) return apart < SECOND && size >= SECOND ? `${Number((ms / SECOND).toFixed(3))} s` : length(ms);
  const two = (value) => String(value).padStart(2, "0");
  const days = Math.floor(size / DAY);
  const clock = `${two(Math.floor(size / HOUR) % 24)}:${two(Math.floor(size / MINUTE) % 60)}${apart < MINUTE ? `:${two(Math.floor(size / SECOND) % 60)}` : ""}`;
  return `${ms < 0 ? "−" : ""}${days ? `${days} d ` : ""}${clock}`;
}

/** A place of the axis in words. */
export function place(x, axis) {
  if (axis === "relative") return length(x);
  if (axis === "time") return written(x, { month: "short", day: "numeric", hour: "2-digit", minute: "2-digit", second: "2-digit" });
  return shown(x).length > 12 ? x.toExponential(4) : String(Number(x.toPrecision(12)));
}

/** What uPlot needs to draw the axis. */
export function of(axis) {
  if (axis === "relative") return { incrs: LENGTHS, values: (_plot, splits, _axis, _space, apart) => splits.map((one) => clocked(one, apart)) };
  if (axis !== "time") return { values: axis === "step" ? short : ticks };
  const values = (_plot, splits, _axis, _space, apart) =>
    splits.map((at) => at === null ? "" : written(at, apart >= DAY ? { month: "short", day: "numeric" } : apart >= MINUTE ? { hour: "2-digit", minute: "2-digit" } : { minute: "2-digit", second: "2-digit" }));
  return { incrs: LENGTHS, values };
}

/** Of a logarithmic axis 1, 10, 100, and also 2 and 5 where there are few of these. */
export function round(_plot, splits) {
  const decades = Math.log10(splits[splits.length - 1] / splits[0]);
  const wanted = decades > 2.5 ? [1] : [1, 2, 5];
  return splits.map((one) => (wanted.includes(Number((one / 10 ** Math.floor(Math.log10(one) + 1e-9)).toPrecision(6))) ? one : null));
}

/** Steps as 20k and 3M where all ticks are round. */
function short(plot, splits) {
  for (const [size, letter] of [[1e9, "G"], [1e6, "M"], [1e3, "k"]]) {
    if (Math.max(...splits.map((one) => Math.abs(one))) >= 10 * size && splits.every((one) => one === null || Number(((one / size) * 10).toFixed(6)) % 1 === 0)) return splits.map((one) => (one ? `${Number((one / size).toFixed(1))}${letter}` : "0"));
  }
  return ticks(plot, splits);
}
