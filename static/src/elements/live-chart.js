// <live-chart key="…">: one series, at most MOST points held however long it is.
import { say } from "../wire.js";

export const MOST = 2000;
const HEIGHT = 168;

/** Ticks as they are, which uPlot has rounded: its own texts cut 0.0028 to 0.003. */
const ticks = (_plot, splits) =>
  splits.map((one) => {
    const value = Number(one.toPrecision(9));
    const size = Math.abs(value);
    return size && (size >= 1e6 || size < 1e-4) ? value.toExponential().replace("e+", "e") : String(value);
  });

/** As wide as the longest tick. */
const room = (_plot, texts) => Math.max(40, 16 + 6.5 * Math.max(0, ...(texts || []).map((one) => one.length)));

const number = (value) => (typeof value === "number" && Number.isFinite(value) ? value : null);

function colour(name) {
  // A custom property gives back its text; a painted colour is resolved for the theme.
  const probe = document.createElement("i");
  probe.style.color = `var(${name})`;
  document.body.append(probe);
  const found = getComputedStyle(probe).color;
  probe.remove();
  return found;
}

class LiveChart extends HTMLElement {
  connectedCallback() {
    this.x ||= [];
    this.y ||= [];
    this.size = new ResizeObserver(() => this.plot && this.plot.setSize({ width: this.clientWidth - 16, height: HEIGHT }));
    this.size.observe(this);
    this.themes = matchMedia("(prefers-color-scheme: dark)");
    this.repaint = () => this.rebuild();
    this.themes.addEventListener("change", this.repaint);
    this.draw();
  }
  disconnectedCallback() {
    this.size.disconnect();
    this.themes.removeEventListener("change", this.repaint);
    this.plot?.destroy();
    this.plot = null;
  }

  /** Replace what is shown by a series of the server, thinned there. */
  hold({ step, value }) {
    this.x = step.slice();
    this.y = value.map(number);
    this.draw();
  }

  /** Add points; false when the series must be read anew (too many, or out of order). */
  add(steps, values) {
    for (let at = 0; at < steps.length; at += 1) {
      if (this.x.length && steps[at] < this.x[this.x.length - 1]) return false;
      this.x.push(steps[at]);
      this.y.push(number(values[at]));
    }
    this.draw();
    return this.x.length <= MOST;
  }

  draw() {
    this.dataset.points = this.x?.length || 0;
    if (this.asked) return;
    this.asked = requestAnimationFrame(() => {
      this.asked = 0;
      if (this.isConnected) this.paint();
    });
  }

  async paint() {
    this.dataset.points = this.x.length;
    const last = this.y.findLast((value) => value !== null);
    const shown = this.closest(".card")?.querySelector("[data-last]");
    if (shown && last !== undefined) shown.textContent = Number(last.toPrecision(5)).toString();
    if (this.plot) {
      this.plot.setData([this.x, this.y]);
      return;
    }
    if (!this.x.length || this.building) return;
    this.building = true;
    const { default: uPlot } = await import("uplot");
    this.building = false;
    if (!this.isConnected || this.plot) return;
    const ink = colour("--ink-3");
    const line = colour("--line");
    const axis = { stroke: ink, grid: { stroke: line, width: 1 }, ticks: { show: false }, font: "11px Inter Variable, sans-serif" };
    const stroke = colour("--s1");
    this.replaceChildren();
    this.plot = new uPlot(
      {
        width: this.clientWidth - 16,
        height: HEIGHT,
        cursor: { sync: { key: "run" }, y: false },
        legend: { show: false },
        scales: { x: { time: false } },
        axes: [{ ...axis, size: 26, gap: 3 }, { ...axis, size: room, values: ticks }],
        padding: [8, 12, 0, 0],
        series: [{ label: say("step") }, { label: this.getAttribute("key"), stroke, width: 1.6, spanGaps: true, points: { show: () => this.x.length < 60, size: 4 } }],
      },
      [this.x, this.y],
      this,
    );
    this.plot.root.setAttribute("role", "img");
    this.plot.root.setAttribute("aria-label", this.getAttribute("key"));
  }

  rebuild() {
    this.plot?.destroy();
    this.plot = null;
    this.draw();
  }
}
customElements.define("live-chart", LiveChart);
