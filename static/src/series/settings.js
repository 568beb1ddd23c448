// How all charts of a page draw, and where they are zoomed: one state for the page, its settings in the address.

const AXES = ["step", "relative", "time"];
const KINDS = ["ema", "mean", "gauss", "none"];
/** What the slider of each kind goes to: a weight, or a number of points. */
export const MOST = { ema: 0.999, mean: 100, gauss: 50, none: 0 };
const FIRST = { smooth: "ema", by: 0, x: "step", logx: false, logy: false, clip: false };

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
  for (const name of ["logx", "logy", "clip"]) found[name] = asked.get(name) === "1";
  return found;
}

/** The parameters of an address that say so; what is as at first is left out. */
export function written(state, search) {
  const asked = new URLSearchParams(search);
  for (const name of ["smooth", "x", "logx", "logy", "clip"]) asked.delete(name);
  if (state.smooth !== FIRST.smooth || state.by) asked.set("smooth", state.smooth === "none" ? "none" : `${state.smooth}:${state.by}`);
  if (state.x !== FIRST.x) asked.set("x", state.x);
  for (const name of ["logx", "logy", "clip"]) if (state[name]) asked.set(name, "1");
  return String(asked);
}

class Page {
  constructor() {
    this.state = parsed(location.search);
    this.window = null;
    this.chosen = new Map();
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
  set(changes) {
    const names = Object.keys(changes).filter((name) => this.state[name] !== changes[name]);
    if (!names.length) return;
    Object.assign(this.state, changes);
    const query = written(this.state, location.search);
    history.replaceState(history.state, "", `${location.pathname}${query ? `?${query}` : ""}${location.hash}`);
    if (names.includes("x")) this.window = null;
    this.tell("settings", names);
  }
  /** Show [first, last] of the axis in all charts, or all of it (null). */
  zoom(window) {
    this.window = window;
    this.tell("zoom");
  }
  choose(run, on) {
    this.chosen.set(run, on);
    this.tell("runs");
  }
  chooseAll(runs, on) {
    for (const run of runs) this.chosen.set(run, on);
    this.tell("runs");
  }
  /** The crosshair of all charts: a place of the axis, null for none; `from` is the chart where it is. */
  cross(x, from) {
    this.tell("cross", { x, from });
  }
}
export const page = new Page();

/** What the server calls the axis; values of another metric are put over steps. */
export const axisOf = (state) => (state.x.startsWith("metric:") ? "step" : state.x);
export const otherOf = (state) => (state.x.startsWith("metric:") ? state.x.slice(7) : null);
