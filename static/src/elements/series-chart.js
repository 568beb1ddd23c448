// <series-chart ws metric runs='[{"id","name","colour"}]'>: one metric of 1 to 200 runs over each other.
//
// It reads when it is on the screen, hears of new points through the page's one feed, and shares settings, zoom,
// crosshair and the choice of runs with every other chart of the page.
import { uPlot } from "../charts.js";
import { feed } from "../series/feed.js";
import { joined, less } from "../series/grouping.js";
import { Line } from "../series/line.js";
import * as drawing from "../series/plot.js";
import { read } from "../series/reading.js";
import { never, soon } from "../series/schedule.js";
import { axisOf, otherOf, pageOf } from "../series/settings.js";
import { ask, say } from "../wire.js";
import { instead } from "./series-bars.js";
import * as parts from "./series-parts.js";

const HEIGHT = 190;
/** Places of a line that are read: few lines have more of them. */
const pointsFor = (lines) => (lines <= 4 ? 800 : lines <= 12 ? 500 : Math.max(100, Math.floor(12_000 / lines)));

// A chart reads and is painted while it is on the screen, or nearly.
const sight = new IntersectionObserver((seen) => seen.forEach(({ target, isIntersecting }) => target.appear(isIntersecting)), { rootMargin: "160px" });

class SeriesChart extends HTMLElement {
  static observedAttributes = ["ws", "metric", "runs"];

  connectedCallback() {
    this.whole = new Map();
    this.late = [];
    this.own = {};
    this.page ||= pageOf(this); // of one in full size it is that of the chart below
    this.missed = 0;
    this.tools = parts.build(this);
    this.takeRuns();
    this.stop = this.page.on((what, facts) => this.told(what, facts));
    this.size = new ResizeObserver(() => this.fit());
    this.size.observe(this.place);
    this.themes = matchMedia("(prefers-color-scheme: dark)");
    this.repaint = () => {
      drawing.forget();
      this.rebuild();
    };
    this.themes.addEventListener("change", this.repaint);
    feed.join(this);
    sight.observe(this);
  }
  disconnectedCallback() {
    this.stop?.();
    this.size.disconnect();
    this.themes.removeEventListener("change", this.repaint);
    sight.unobserve(this);
    clearTimeout(this.again);
    this.visible = false;
    never(this);
    feed.leave(this);
    this.asked = null;
    this.plot?.destroy();
    this.plot = null;
    this.replaceChildren();
  }
  attributeChangedCallback(_name, before, after) {
    if (!this.isConnected || !this.tools || before === after) return;
    this.takeRuns();
    this.whole.clear();
    this.detail = null;
    this.refresh();
  }

  get metric() {
    return this.getAttribute("metric") || "";
  }
  get height() {
    return Number(this.getAttribute("height")) || HEIGHT;
  }
  get axis() {
    return axisOf(this.page.state);
  }
  get logy() {
    return this.own.logy ?? this.page.state.logy;
  }
  get window() {
    return this.page.window;
  }
  get overMetric() {
    return otherOf(this.page.state) !== null;
  }
  /** The step at which another metric, which is the axis, had about this value. */
  stepAt(x) {
    const { line } = this.lines[0];
    return line.steps[line.near(x)];
  }
  /** The lines of the log that were written at the crosshair, of a chart of one run. */
  log(at) {
    if (this.runs.length !== 1 || !this.lines.length) return;
    const x = this.crossedAt?.x ?? this.lines[0].line.x.at(-1);
    import("./chart-log.js").then(({ open }) => open(this, this.runs[0], x, at, { ask, say }));
  }

  /** The runs in their order, each with a colour and with a dash where the colour was there before. */
  takeRuns() {
    let listed = [];
    try {
      listed = JSON.parse(this.getAttribute("runs") || "[]");
    } catch {
      // Whoever wrote the page meets it at once: the chart says that nothing is there.
    }
    const used = new Map();
    this.runs = listed.slice(0, 200).map((run, at) => {
      const colour = Number.isInteger(run.colour) ? run.colour : at;
      const dash = used.get(colour % 8) || 0;
      used.set(colour % 8, dash + 1);
      return { id: String(run.id), name: String(run.name ?? run.id), colour, dash, at, going: run.going, group: run.group, base: run.base };
    });
    this.groups = null;
    if (this.runs.some((run) => run.group)) {
      const names = [...new Set(this.runs.map((run) => run.group))];
      this.groups = names.map((name, at) => ({ id: `=${name}`, name, colour: at, dash: Math.floor(at / 8), at, runs: this.runs.filter((run) => run.group === name) }));
    }
    parts.legend(this);
  }
  /** What has a line of its own: groups of runs, or the runs. */
  get keyed() {
    return this.groups || this.runs;
  }
  isDrawn(run) {
    return this.page.sees(run);
  }
  /** The runs that are read. */
  get drawn() {
    const seen = this.keyed.filter((one) => this.isDrawn(one));
    return this.groups ? seen.flatMap((group) => group.runs) : seen;
  }
  /** The run whose line is taken from all others, null where lines are drawn as they are. */
  get base() {
    return (this.page.state.diff && this.runs.find((run) => run.base)) || null;
  }
  /** The runs that are read: those that are drawn, and what they are held to. */
  get needed() {
    const drawn = this.drawn;
    return !this.base || drawn.includes(this.base) ? drawn : [...drawn, this.base];
  }
  /** What is drawn, as [{id, name, colour, dash, line}]; over another metric when the axis is one. */
  get lines() {
    const held = this.detail || this.whole;
    const other = otherOf(this.page.state);
    const found = [];
    const lines = new Map();
    for (const run of this.needed) {
      let line = held.get(run.id);
      if (line && other) line = this.others?.get(run.id) ? line.over(this.others.get(run.id)) : null;
      if (line?.x.length) lines.set(run, line);
    }
    const base = this.base && lines.get(this.base);
    const add = (one, line) => line && found.push({ ...one, line: this.base ? less(line, base) : line, faint: this.stressed && this.stressed !== one.id });
    if (this.base && !base) return found;
    if (this.groups) for (const group of this.groups) add(group, this.together(group, lines));
    else for (const run of this.drawn) add(run, lines.get(run));
    return found;
  }

  /** The one line of a group, made once for each change of its runs' lines. */
  together(group, lines) {
    const own = group.runs.map((run) => lines.get(run)).filter(Boolean);
    const mark = own.map((line) => `${line.x.length} ${line.changed}`).join() + this.page.state.std + this.page.state.x;
    if (own.length && (group.mark !== mark || group.of !== own[0])) Object.assign(group, { mark, of: own[0], line: joined(own, this.page.state.std) });
    return own.length ? group.line : null;
  }

  // --- reading ------------------------------------------------------------------------------------
  appear(visible) {
    this.visible = visible;
    if (visible && this.stale !== false) this.refresh();
    else if (visible) soon(this, true);
    feed.look();
  }
  /** Read again now if the chart is on the screen, else when it will be. */
  refresh() {
    this.stale = true;
    if (this.visible) this.load();
  }
  /** Where what is zoomed of another metric's values lies in steps: from the first to the last of all lines. */
  steps() {
    if (!this.xWindow) return null;
    const found = [];
    for (const [run, line] of this.whole) {
      const other = this.wholeOthers?.get(run);
      if (!other) continue;
      const over = line.over(other);
      over.x.forEach((x, at) => x >= this.xWindow[0] && x <= this.xWindow[1] && found.push(over.steps[at]));
    }
    return found.length ? [found.reduce((one, two) => Math.min(one, two)), found.reduce((one, two) => Math.max(one, two))] : null;
  }
  refreshSoon(pause) {
    this.again ||= setTimeout(() => {
      this.again = 0;
      this.refresh();
    }, pause + Math.random() * 300);
  }
  async load() {
    this.stale = false;
    clearTimeout(this.again);
    this.again = 0;
    const runs = this.needed.map((run) => run.id);
    const mine = (this.asked = {});
    if (!runs.length) return this.draw();
    const window = otherOf(this.page.state) ? this.steps() : this.window;
    const asked = { ws: this.getAttribute("ws"), runs, axis: this.axis, points: pointsFor(runs.length), window };
    const other = otherOf(this.page.state);
    try {
      const [told, others] = await Promise.all([read({ ...asked, key: this.metric }), other ? read({ ...asked, key: other }) : null]);
      if (this.asked !== mine) return;
      const held = new Map(Object.entries(told.lines).map(([run, line]) => [run, new Line(line, told.runs[run])]));
      this.others = others && new Map(Object.entries(others.lines).map(([run, line]) => [run, new Line(line, others.runs[run])]));
      if (window) this.detail = held;
      else [this.whole, this.detail, this.missed, this.wholeOthers] = [held, null, 0, this.others];
      this.asked = null;
      this.failed = "";
      for (const piece of this.late.splice(0)) this.take(...piece);
    } catch (error) {
      if (this.asked !== mine) return;
      this.asked = null;
      this.failed = error.message;
      this.refreshSoon(10_000);
    }
    feed.look();
    this.dataset.read = Number(this.dataset.read || 0) + 1;
    this.draw(true);
  }

  // --- live -----------------------------------------------------------------------------------------
  wanted() {
    const held = this.visible ? this.detail || this.whole : new Map();
    const other = otherOf(this.page.state);
    return { ws: this.getAttribute("ws"), runs: [...held].filter(([, line]) => line.running).map(([run]) => run), keys: other ? [this.metric, other] : [this.metric] };
  }
  take(run, prev, seq, data) {
    const held = this.detail || this.whole;
    if (!held.has(run) && !this.asked) return;
    if (this.asked) return void (this.late.push([run, prev, seq, data]) > 2000 && this.late.shift());
    const line = held.get(run);
    if (seq <= line.seq) return;
    if (prev > line.seq || !this.visible) return this.lag(line, seq);
    line.seq = seq;
    const other = otherOf(this.page.state);
    if (other && this.xWindow) this.missed += data[this.metric]?.[0].length || 0;
    if (other && (data[this.metric] || data[other])) return this.refreshSoon(1000);
    const points = data[this.metric];
    if (!points) return;
    const [steps, values, times] = points;
    const places = this.axis === "step" ? steps : this.axis === "time" ? times : times.map((at) => at - line.origin);
    const window = this.detail && this.window;
    if (window) this.missed += places.filter((x) => x > window[1]).length;
    if (!line.add(places, values, window)) return this.refreshSoon(1000);
    if (line.x.length > 2 * pointsFor(this.drawn.length) + 100) this.refreshSoon(2000);
    this.draw();
  }
  /** Points were not told: what is missing is read. */
  lag(line, seq) {
    line.behind = seq;
    if (this.visible) this.refreshSoon(400);
    else this.stale = true;
  }
  compare(seqs) {
    for (const [run, line] of this.detail || this.whole) if (seqs[run] > line.seq) this.lag(line, seqs[run]);
  }

  // --- what the page tells -----------------------------------------------------------------------------
  told(what, facts) {
    if (what === "cross") return parts.crossed(this, facts);
    if (what === "zoom") {
      this.yWindow = null;
      if (!this.page.window) [this.detail, this.missed] = [null, 0];
      this.draw(true);
      this.refresh();
    } else if (what === "runs") {
      parts.legend(this);
      this.complete();
    } else if (facts.includes("diff")) {
      this.yWindow = null;
      this.complete();
    } else if (facts.includes("x")) {
      this.whole.clear();
      this.detail = null;
      this.yWindow = this.xWindow = null;
      this.drop();
      this.refresh();
    } else if (facts.some((name) => name.startsWith("log"))) this.rebuild();
    else this.draw(true);
  }

  /** Draw what is there, and read what is not. */
  complete() {
    if (this.needed.some((run) => !(this.detail || this.whole).has(run.id))) this.refresh();
    this.draw(true);
  }

  // --- drawing -------------------------------------------------------------------------------------------
  draw(now = false) {
    this.dataset.points = Math.max(0, ...[...this.whole.values()].map((line) => line.count));
    if (this.visible) soon(this, now);
  }
  fit() {
    const width = this.place.clientWidth;
    if (this.plot && width && (width !== this.plot.width || this.height !== this.plot.height)) {
      this.plot.setSize({ width, height: this.height });
      this.draw(true);
    }
  }
  rebuild() {
    this.drop();
    this.draw(true);
  }
  drop() {
    this.plot?.destroy();
    this.plot = null;
  }
  soft = (line) => line.smooth(this.page.state);
  async build() {
    if (this.building) return;
    this.building = true;
    const Plot = await uPlot();
    this.building = false;
    if (!this.isConnected || this.plot || !this.place.clientWidth) return;
    const on = { draw: () => this.onDraw(), select: (plot) => parts.selected(this, plot), cursor: (plot) => parts.pointed(this, plot), reset: () => this.reset() };
    const { logx } = this.page.state;
    this.plot = drawing.made(Plot, this.place, { width: this.place.clientWidth, height: this.height, label: this.metric, axis: otherOf(this.page.state) ? "metric" : this.axis, logx, logy: this.logy, on });
    this.paint();
  }
  /** Called by the page's one scheduler, in an animation frame. */
  paint() {
    if (!this.isConnected) return;
    const lines = this.lines;
    parts.head(this, lines);
    if (instead(this, lines)) return this.drop();
    if (!this.plot) return void this.build();
    const state = { ...this.page.state, logy: this.logy, window: otherOf(this.page.state) ? this.xWindow : this.window, yWindow: this.yWindow, soft: this.soft };
    const found = drawing.ranges(lines, state);
    this.note.hidden = Boolean(found);
    this.place.hidden = !found;
    if (!found) this.note.textContent = this.logy || state.logx ? say("chartlog") : this.base ? say("chartapart", { name: this.base.name }) : say("charthere");
    this.shown = found ? lines : [];
    const [x, y] = found ? [found.x, found.y] : [state.window || [1, 2], [1, 2]];
    this.plot.batch(() => {
      this.plot.setData([x, y], false);
      this.plot.setScale("x", { min: x[0], max: x[1] });
      this.plot.setScale("y", { min: y[0], max: y[1] });
    });
    this.dataset.painted = Number(this.dataset.painted || 0) + 1;
  }
  onDraw() {
    if (this.shown?.length) drawing.draw(this.plot, this.shown, { logx: this.page.state.logx, logy: this.logy, soft: this.soft, bands: !otherOf(this.page.state) });
  }
  /** What a picture in lines is made of. */
  picture() {
    const { x, y } = this.plot.scales;
    const { logx } = this.page.state;
    return { title: parts.titled(this), axis: otherOf(this.page.state) || this.axis, plot: this.plot, lines: this.shown, x: [x.min, x.max], y: [y.min, y.max], logx, logy: this.logy, soft: this.soft, bands: !otherOf(this.page.state), colours: drawing.inks() };
  }
  reset() {
    this.yWindow = null;
    if (this.xWindow) [this.xWindow, this.detail, this.others] = [null, null, this.wholeOthers];
    if (this.page.window) this.page.zoom(null);
    else this.draw(true);
  }
  /** Zoom all charts to [first, last] of the axis. */
  zoom(first, last) {
    if (!(first < last)) return;
    if (otherOf(this.page.state)) {
      this.xWindow = [first, last];
      this.draw(true);
      this.refresh();
    } else this.page.zoom([Math.floor(first), Math.ceil(last)]);
  }
}
customElements.define("series-chart", SeriesChart);

