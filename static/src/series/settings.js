// How all charts of a page draw, and where they are zoomed: one state for the page, its settings in the address.

import * as eyes from "./eyes.js";

const AXES = ["step", "relative", "time"];
const KINDS = ["ema", "mean", "gauss", "none"];
/** What the slider of each kind goes to: a weight, or a number of points. */
export const MOST = { ema: 0.999, mean: 100, gauss: 50, none: 0 };
/** What is on or off. */
const FLAGS = ["logx", "logy", "clip", "std", "diff"];
const FIRST = { smooth: "ema", by: 0, x: "step", ...Object.fromEntries(FLAGS.map((name) => [name, false])) };

/** Read an address; what it says and cannot be meant counts as not said. */
export function parsed(search) {
  const asked = new URLSearchParams(search);
  const found = { ...FIRST };
  const [kind, by] = (asked.get("smooth") || "").split(":");
  if (KINDS.includes(kind)) {
    found.smooth = kind;
    found.by = Math.min(MOST[kind], Math.max(0, Number(by) || 0));
  }
  const x = asked.get("x") || "";
  if (AXES.includes(x) || (x.startsWith("metric:") && x.length > 7)) found.x = x;
  for (const name of FLAGS) found[name] = asked.get(name) === "1";
  return found;
}

/** The parameters of an address that say so; what is as at first is left out. */
export function written(state, search) {
  const asked = new URLSearchParams(search);
  for (const name of ["smooth", "x", ...FLAGS]) asked.delete(name);
  if (state.smooth !== FIRST.smooth || state.by) asked.set("smooth", state.smooth === "none" ? "none" : `${state.smooth}:${state.by}`);
  if (state.x !== FIRST.x) asked.set("x", state.x);
  for (const name of FLAGS) if (state[name]) asked.set(name, "1");
  return String(asked);
}

class Page {
  /** `words`: a query string whose settings are looked at and not written back, as those of a report are; else the address. */
  constructor(words = null) {
    this.own = words === null;
    const search = words ?? location.search;
    this.state = parsed(search);
    const asked = new URLSearchParams(search);
    this.eyes = eyes.read(asked.get("eyes"));
    const ends = (asked.get("zoom") || "").split(",").map(Number);
    this.window = ends.length === 2 && ends[0] < ends[1] && !this.state.x.startsWith("metric:") ? ends : null;
    this.listeners = new Set();
  }
  /** `act(what)`: "settings" with the names that changed, "zoom", "runs" or "cross". Returns how to stop. */
  on(act) {
    this.listeners.add(act);
    return () => this.listeners.delete(act);
  }
  tell(what, facts) {
    for (const act of [...this.listeners]) act(what, facts);
  }
  /** Let the address say what is set. */
  keep() {
    if (!this.own) return;
    const asked = new URLSearchParams(written(this.state, location.search));
    for (const [name, value] of [["eyes", eyes.write(this.eyes)], ["zoom", this.window?.join(",")]]) {
      if (value) asked.set(name, value);
      else asked.delete(name);
    }
    const query = String(asked);
    history.replaceState(history.state, "", `${location.pathname}${query ? `?${query}` : ""}${location.hash}`);
  }
  set(changes) {
    const names = Object.keys(changes).filter((name) => this.state[name] !== changes[name]);
    if (!names.length) return;
    Object.assign(this.state, changes);
    if (names.includes("x")) this.window = null;
    this.keep();
    this.tell("settings", names);
  }
  /** Show [first, last] of the axis in all charts, or all of it (null). */
  zoom(window) {
    this.window = window;
    this.keep();
    this.tell("zoom");
  }
  /** Whether a run is drawn: {id, at: its place among the runs, going}; the `first` few where nobody said which. */
  sees(run, first) {
    return eyes.open(this.eyes, run, first);
  }
  choose(run, on) {
    this.chooseAll([run], on);
  }
  chooseAll(runs, on) {
    for (const run of runs) {
      this.eyes[on ? "on" : "off"].add(run);
      this.eyes[on ? "off" : "on"].delete(run);
    }
    this.keep();
    this.tell("runs");
  }
  /** All, none, the first few, those that go on: what somebody chose run by run is forgotten. */
  look(mode) {
    this.eyes = { mode, on: new Set(), off: new Set() };
    this.keep();
    this.tell("runs");
  }
  /** The crosshair of all charts: a place of the axis, null for none; `from` is the chart where it is. */
  cross(x, from) {
    this.tell("cross", { x, from });
  }
}
export const page = new Page();

const scopes = new WeakMap();
/** The settings of what an element is in: the page's, or of a part of it that has its own (`data-chart-scope`). */
export function pageOf(element) {
  const part = element.closest("[data-chart-scope]");
  if (!part) return page;
  if (!scopes.has(part)) scopes.set(part, new Page(part.dataset.chartScope));
  return scopes.get(part);
}

/** What the server calls the axis; values of another metric are put over steps. */
export const axisOf = (state) => (state.x.startsWith("metric:") ? "step" : state.x);
export const otherOf = (state) => (state.x.startsWith("metric:") ? state.x.slice(7) : null);
