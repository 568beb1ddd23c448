// One run's line in a chart: its values as the studio told them, and what came since.
import { number } from "../charts.js";
import { smoothed } from "./smooth.js";

export class Line {
  /** `told` as the chart's door answers, `run` as it says the run is. */
  constructor(told, run) {
    this.x = told.x.slice();
    this.y = told.value.map(number);
    this.low = told.low?.map(number) || null;
    this.high = told.high?.map(number) || null;
    this.count = told.count;
    this.odd = told.odd;
    this.origin = run.origin;
    this.running = run.running;
    this.seq = run.seq;
    this.changed = 0;
  }
  get last() {
    return this.y.findLast((value) => value !== null);
  }
  /** Add points; false when they do not follow what is there, so that the line must be read again. */
  add(places, values, within) {
    for (let at = 0; at < places.length; at += 1) {
      const x = places[at];
      if (this.x.length && x < this.x[this.x.length - 1]) return false;
      this.count += 1;
      this.tail = values[at];
      if (within && (x < within[0] || x > within[1])) continue;
      const value = number(values[at]);
      this.x.push(x);
      this.y.push(value);
      if (value === null) this.odd += 1;
      if (this.low) {
        this.low.push(value);
        this.high.push(value);
      }
    }
    this.changed += 1;
    return true;
  }
  /** The smoothed values, null for none; made once for each change. */
  smooth({ smooth, by }) {
    const mark = `${smooth} ${by} ${this.changed}`;
    if (this.mark !== mark) {
      this.mark = mark;
      this.soft = smoothed(this.x, this.y, smooth, by);
    }
    return this.soft;
  }
  /** The index of the place nearest to `x`, -1 for none. */
  near(x) {
    let low = 0;
    let high = this.x.length - 1;
    if (high < 0) return -1;
    while (high - low > 1) {
      const half = (low + high) >> 1;
      if (this.x[half] < x) low = half;
      else high = half;
    }
    return Math.abs(this.x[low] - x) <= Math.abs(this.x[high] - x) ? low : high;
  }
  /** This line over the values of another metric at the same steps (`steps`): the last that was known there. */
  over(other) {
    const places = [];
    let at = -1;
    for (const step of this.x) {
      while (at + 1 < other.x.length && other.x[at + 1] <= step) at += 1;
      places.push(at < 0 ? null : other.y[at]);
    }
    const order = [...places.keys()].filter((one) => places[one] !== null).sort((one, another) => places[one] - places[another]);
    const pick = (values) => values && order.map((one) => values[one]);
    const told = { x: pick(places), value: pick(this.y), count: this.count, odd: this.odd };
    if (this.low) Object.assign(told, { low: pick(this.low), high: pick(this.high) });
    return Object.assign(new Line(told, this), { steps: pick(this.x) });
  }
}
