// Several runs as one line: their mean at each place of the axis, and between which ends they lie.
import { Line } from "./line.js";

/** Places of a line of many. */
const MOST = 400;

/** The line of a group of lines; `std`: a deviation to both sides instead of the lowest and the highest. */
export function joined(lines, std) {
  if (lines.length === 1) return lines[0];
  const all = Float64Array.from(lines.flatMap((line) => line.x)).sort().filter((x, at, xs) => !at || x !== xs[at - 1]);
  const every = Math.max(1, Math.ceil(all.length / MOST));
  const places = [...all].filter((_, at) => at % every === 0 || at === all.length - 1);
  const told = { x: [], value: [], low: [], high: [], count: 0, odd: 0 };
  const at = lines.map(() => 0);
  for (const x of places) {
    const values = lines.map((line, which) => {
      while (at[which] + 1 < line.x.length && line.x[at[which] + 1] <= x) at[which] += 1;
      return between(line, at[which], x);
    }).filter((one) => one !== null);
    if (!values.length) continue;
    const mean = values.reduce((sum, one) => sum + one, 0) / values.length;
    const away = std ? Math.sqrt(values.reduce((sum, one) => sum + (one - mean) ** 2, 0) / Math.max(1, values.length - 1)) : 0;
    told.x.push(x);
    told.value.push(mean);
    told.low.push(std ? mean - away : Math.min(...values));
    told.high.push(std ? mean + away : Math.max(...values));
  }
  told.count = Math.max(...lines.map((line) => line.count));
  const made = new Line(told, { origin: 0, running: lines.some((line) => line.running), seq: 0 });
  return Object.assign(made, { ribbon: true });
}

/** A line as its difference from another at the same places of the axis; a gap where the other has none. Made once for each change. */
export function less(line, base) {
  const mark = `${line.x.length} ${line.changed} ${base.x.length} ${base.changed}`;
  if (line.less?.base === base && line.less.mark === mark) return line.less.line;
  let at = 0;
  const away = line.x.map((x) => {
    while (at + 1 < base.x.length && base.x[at + 1] <= x) at += 1;
    return between(base, at, x);
  });
  const from = (values) => values && values.map((value, where) => (value === null || away[where] === null ? null : value - away[where]));
  const told = { x: line.x, value: from(line.y), low: from(line.low), high: from(line.high), count: line.count, odd: line.odd };
  const made = Object.assign(new Line(told, line), { of: line, steps: line.steps });
  line.less = { base, mark, line: made };
  return made;
}

/** The value of a line at x, on the straight way between two of its places; null where it has none. */
function between(line, at, x) {
  const [x0, x1] = [line.x[at], line.x[at + 1]];
  if (x < x0 || (x1 === undefined && x > x0)) return null;
  const [y0, y1] = [line.y[at], line.y[at + 1]];
  if (x === x0 || y0 === null || y1 === null || y1 === undefined) return y0;
  return y0 + ((y1 - y0) * (x - x0)) / (x1 - x0);
}
