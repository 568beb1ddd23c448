// <compare-plot kind="parallel|scatter|box" src="JSON of the comparison" page="…" runs="…" own?>: drawn by a chunk that
// is fetched when there is one on the page. `own`: its settings are those of the page's address.
import { colour, shown, stroke } from "../charts.js";
import { Bell } from "../series/bell.js";
import { pageOf } from "../series/settings.js";
import { ask, say } from "../wire.js";

class ComparePlot extends HTMLElement {
  async connectedCallback() {
    const { Plot, lend } = await import("../plots/plot.js");
    lend({ ask, say, colour, stroke, shown });
    if (!this.isConnected || this.plot) return;
    const page = pageOf(this);
    this.plot = new Plot(this, (run) => page.sees(run, Infinity));
    this.stop = page.on((what) => what === "runs" && this.plot.look());
    await this.plot.load();
    if (!this.plot) return;
    const ws = this.getAttribute("page").split("/")[2];
    this.bell = new Bell(ws, { runs: () => this.plot?.going || [], act: () => this.plot?.load() });
  }
  disconnectedCallback() {
    this.stop?.();
    this.bell?.stop();
    this.plot?.stop();
    this.plot = null;
  }
}
customElements.define("compare-plot", ComparePlot);
