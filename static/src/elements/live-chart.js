// <live-chart key="…">: one series, at most MOST points held however long it is.
import { HEIGHT, named, number, options, shown, stroke, uPlot } from "../charts.js";
import { say } from "../wire.js";

export const MOST = 2000;

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
    this.said = value[0];
    this.draw();
  }

  /** Add points; false when the series must be read anew (too many, or out of order). */
  add(steps, values) {
    for (let at = 0; at < steps.length; at += 1) {
      if (this.x.length && steps[at] < this.x[this.x.length - 1]) return false;
      if (!this.x.length) this.said = values[at];
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
    const head = this.closest(".card")?.querySelector("[data-last]");
    if (head && last !== undefined) head.textContent = this.x.length > 1 ? shown(last) : "";
    if (this.x.length === 1) {
      this.alone();
      return;
    }
    if (this.plot) {
      this.plot.setData([this.x, this.y]);
      return;
    }
    if (!this.x.length || this.building) return;
    this.building = true;
    const Plot = await uPlot();
    this.building = false;
    if (!this.isConnected || this.plot || this.x.length < 2) return;
    this.replaceChildren();
    this.plot = named(
      new Plot(
        options({
          width: this.clientWidth - 16,
          cursor: { sync: { key: "run" }, y: false },
          scales: { x: { time: false } },
          series: [{ label: say("step") }, { label: this.getAttribute("key"), stroke: stroke(Number(this.closest("live-run")?.getAttribute("colour")) || 0), width: 1.6, spanGaps: true, points: { show: () => this.x.length < 60, size: 4 } }],
        }),
        [this.x, this.y],
        this,
      ),
      this.getAttribute("key"),
    );
  }

  /** A single value is no line: the number itself, large. */
  alone() {
    const place = document.createElement("p");
    place.className = "said";
    place.textContent = this.said ?? "";
    place.title = this.said ?? "";
    if (typeof this.said === "number") place.textContent = shown(this.said);
    this.plot?.destroy();
    this.plot = null;
    this.replaceChildren(place);
  }

  rebuild() {
    this.plot?.destroy();
    this.plot = null;
    this.draw();
  }
}
customElements.define("live-chart", LiveChart);
