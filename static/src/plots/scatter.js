// Scatter: a dot for each run, where two of its fields say; between the dots contours of a third one.
import { say, stroke } from "./host.js";
import { choose, cut, find, scale, title, usual } from "./fields.js";
import { el, gradient, text, theme } from "./svg.js";

const HEIGHT = 440;
/** Cells of a map of contours, and its bands from low to high. */
const [ACROSS, DOWN, BANDS] = [64, 44, 8];
const EDGE = { left: 70, right: 24, top: 18, bottom: 50 };

export function draw(plot) {
  const { data, state } = plot;
  const first = usual(data, 1, 2);
  const spare = find(data, "run.number");
  const x = find(data, state.get("sx")) || first[0] || spare;
  const y = find(data, state.get("sy")) || first.find((one) => one.group === "metrics" && one !== x) || find(data, "run.duration") || spare;
  const tint = find(data, state.get("colour"));
  const [logx, logy] = [state.get("slogx") === "1", state.get("slogy") === "1"];

  const shade = tint && scale(tint);
  const mapped = shade && shade.kind !== "words" && state.get("surface") === "1";
  plot.controls.replaceChildren(
    plot.labelled("x", plot.changing(choose(data, x.id, "x"), "sx")),
    plot.check(say("cmp_log"), logx, (on) => state.set({ slogx: on ? "1" : "" }), "x"),
    plot.labelled("y", plot.changing(choose(data, y.id, "y"), "sy")),
    plot.check(say("cmp_log"), logy, (on) => state.set({ slogy: on ? "1" : "" }), "y"),
    plot.labelled(say("cmp_colour"), plot.changing(choose(data, tint?.id, say("cmp_colour"), () => true, say("cmp_byrun")), "colour")),
    ...(shade && shade.kind !== "words" ? [plot.check(say("cmp_contours"), mapped, (on) => state.set({ surface: on ? "1" : "" }))] : []),
  );

  const [sx, sy] = [scale(x, { log: logx }), scale(y, { log: logy })];
  const ramp = gradient();
  const width = Math.max(plot.width, 320);
  const svg = el("svg", { viewBox: `0 0 ${width} ${HEIGHT}`, width, height: HEIGHT, role: "group", "aria-label": say("cmp_scatter_label", { x: title(x), y: title(y), runs: data.runs.length }) });
  const place = frame(svg, { x, y, sx, sy, width, height: HEIGHT, edge: EDGE });
  const shown = [];
  if (mapped) {
    const dots = data.runs.map((_, at) => ({ x: sx.at(x.values[at]), y: sy.at(y.values[at]), value: shade.at(tint.values[at]) }));
    svg.append(contours(dots.filter((dot) => dot.x !== null && dot.y !== null && dot.value !== null), place, ramp));
  }
  data.runs.forEach((run, at) => {
    const [px, py] = [sx.at(x.values[at]), sy.at(y.values[at])];
    if (px === null || py === null) return;
    shown.push(at);
    const fill = shade ? tinted(shade, tint.values[at], ramp) : stroke(run.colour);
    const dot = el("circle", { cx: place.x(px), cy: place.y(py), r: 5, fill, "fill-opacity": 0.85, stroke: theme().paper, "stroke-width": 1, "data-run": run.id });
    const facts = [[title(x), x.values[at]], [title(y), y.values[at]]];
    if (tint) facts.push([title(tint), tint.values[at]]);
    svg.append(plot.link(run, [dot, el("circle", { cx: place.x(px), cy: place.y(py), r: 11, fill: "transparent" })], facts));
  });
  plot.place.replaceChildren(svg);
  plot.said(shown.length < data.runs.length ? say("cmp_without", { count: data.runs.length - shown.length }) : "", null);
  plot.table([x, y, ...(tint ? [tint] : [])], data.runs.map((_, at) => at));
}

/** What the runs around each place have, the nearer the more it counts, in bands as heights on a map. */
function contours(dots, place, ramp) {
  const band = (x, y) => {
    let [sum, weights] = [0, 0];
    for (const dot of dots) {
      const weight = 1 / ((dot.x - x) ** 2 + (dot.y - y) ** 2 + 1e-9);
      sum += dot.value * weight;
      weights += weight;
    }
    return Math.min(BANDS - 1, Math.floor((sum / weights) * BANDS));
  };
  const map = el("g", { "data-contours": "", "aria-hidden": "true", "fill-opacity": 0.28, "shape-rendering": "crispEdges" });
  for (let row = 0; dots.length && row < DOWN; row += 1) {
    const [top, bottom] = [place.y((row + 1) / DOWN), place.y(row / DOWN)];
    const bands = Array.from({ length: ACROSS }, (_, at) => band((at + 0.5) / ACROSS, (row + 0.5) / DOWN));
    let from = 0;
    for (let to = 1; to <= ACROSS; to += 1) {
      if (bands[to] === bands[from]) continue;
      const left = place.x(from / ACROSS);
      map.append(el("rect", { x: left, y: top, width: place.x(to / ACROSS) - left, height: bottom - top, fill: ramp(bands[from] / (BANDS - 1)) }));
      from = to;
    }
  }
  return map;
}

function tinted(shade, value, ramp) {
  const at = shade.at(value);
  if (at === null) return theme().soft;
  return shade.kind === "words" ? stroke(shade.words.indexOf(String(value))) : ramp(at);
}

/** Axes with their ticks and names; returns where a place between 0 and 1 is. */
export function frame(svg, { x, y, sx, sy, width, height, edge }) {
  const paint = theme();
  const inner = { width: width - edge.left - edge.right, height: height - edge.top - edge.bottom };
  // A dot on the edge stays whole.
  const place = { x: (at) => edge.left + 10 + at * (inner.width - 20), y: (at) => edge.top + inner.height - 10 - at * (inner.height - 20) };
  for (const tick of sy.ticks) {
    svg.append(el("line", { x1: edge.left, x2: width - edge.right, y1: place.y(tick.at), y2: place.y(tick.at), stroke: paint.line }));
    svg.append(text(cut(tick.label, 10), { x: edge.left - 8, y: place.y(tick.at) + 4, fill: paint.soft, "text-anchor": "end" }));
  }
  for (const tick of sx.ticks) {
    svg.append(el("line", { x1: place.x(tick.at), x2: place.x(tick.at), y1: edge.top, y2: height - edge.bottom, stroke: paint.line }));
    svg.append(text(cut(tick.label, Math.max(6, Math.floor(inner.width / sx.ticks.length / 7))), { x: place.x(tick.at), y: height - edge.bottom + 16, fill: paint.soft, "text-anchor": "middle" }));
  }
  svg.append(text(x ? title(x) : "", { x: edge.left + inner.width / 2, y: height - 10, fill: paint.ink, "text-anchor": "middle", "font-weight": 600 }));
  svg.append(text(title(y), { x: 0, y: 0, fill: paint.ink, "text-anchor": "middle", "font-weight": 600, transform: `translate(14 ${edge.top + inner.height / 2}) rotate(-90)` }));
  return place;
}
