// What all charts share: uPlot, fetched when the first one is drawn, and the colours of the theme.

export const HEIGHT = 168;

/** Ticks as they are, which uPlot has rounded: its own texts cut 0.0028 to 0.003. */
export const ticks = (_plot, splits) =>
  splits.map((one) => {
    if (one === null) return ""; // a place of a logarithmic axis that has no room for its number
    const value = Number(one.toPrecision(9));
    const size = Math.abs(value);
    return size && (size >= 1e6 || size < 1e-4) ? value.toExponential().replace("e+", "e") : String(value);
  });

/** As wide as the longest tick. */
export const room = (_plot, texts) => Math.max(40, 16 + 6.5 * Math.max(0, ...(texts || []).map((one) => one?.length || 0)));

/** A value that can be drawn; what JSON says by name (NaN, Infinity) leaves a gap. */
export const number = (value) => (typeof value === "number" && Number.isFinite(value) ? value : null);

/** A number with five significant digits, as tables of the server show it. */
export const shown = (value) => (typeof value === "number" ? Number(value.toPrecision(5)).toString() : String(value));

export function colour(name) {
  // A custom property gives back its text; a painted colour is resolved for the theme.
  const probe = document.createElement("i");
  probe.style.color = `var(${name})`;
  document.body.append(probe);
  const found = getComputedStyle(probe).color;
  probe.remove();
  return found;
}

/** The n-th colour of series, from 0. */
export const stroke = (at) => colour(`--s${(at % 8) + 1}`);

export const uPlot = async () => (await import("uplot")).default;

/** What every chart of ours has; `more` is added to it, and `x` and `y` to its axes. */
export function options({ width, height = HEIGHT, label, x = {}, y = {}, ...more }) {
  const axis = { stroke: colour("--ink-3"), grid: { stroke: colour("--line"), width: 1 }, ticks: { show: false }, font: "11px Inter Variable, sans-serif", labelFont: "11px Inter Variable, sans-serif", labelSize: 18 };
  return {
    width,
    height,
    legend: { show: false },
    axes: [{ ...axis, size: 26, gap: 3, values: ticks, ...x }, { ...axis, size: room, values: ticks, ...y }],
    padding: [8, 12, 0, 0],
    ...more,
    label,
  };
}

/** Say what a drawn chart is to who cannot see it. */
export function named(plot, label) {
  plot.root.setAttribute("role", "img");
  plot.root.setAttribute("aria-label", label);
  return plot;
}
