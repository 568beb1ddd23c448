// <compare-plot kind="parallel|scatter|box" src="JSON of the comparison" page="…" runs="…" own?>: drawn by a chunk that
// is fetched when there is one on the page. `own`: its settings are those of the page's address.
import { colour, shown, stroke } from "../charts.js";
import { ask, say } from "../wire.js";

class ComparePlot extends HTMLElement {
  async connectedCallback() {
    const { Plot, lend } = await import("../plots/plot.js");
    lend({ ask, say, colour, stroke, shown });
    if (this.isConnected && !this.plot) this.plot = new Plot(this);
  }
  disconnectedCallback() {
    this.plot?.stop();
    this.plot = null;
  }
}
customElements.define("compare-plot", ComparePlot);
