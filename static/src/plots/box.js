// Box by group: how a number is spread over the runs of each group, with every run as a dot.
import { say, stroke } from "./host.js";
import { choose, find, isNumeric, numeric, scale, title, usual } from "./fields.js";
import { frame } from "./scatter.js";
import { el, theme } from "./svg.js";

const HEIGHT = 440;
const EDGE = { left: 70, right: 24, top: 18, bottom: 50 };
const ROOM = 74;
/** Groups that are drawn; the smallest of more are left out, and said. */
const MOST = 40;

export function draw(plot) {
  const { data, state } = plot;
  const numbers = data.fields.filter(isNumeric);
  const usualY = usual(data, 0, 1)[0] || find(data, "run.duration") || numbers[0];
  const y = numbers.find((one) => one.id === state.get("sy")) || usualY;
  const parting = data.fields.filter((one) => one.group === "params" && one.differs);
  const by = find(data, state.get("group")) || parting[0] || find(data, "run.status");
  const log = state.get("slogy") === "1";

  plot.controls.replaceChildren(
    plot.labelled("y", plot.changing(choose(data, y.id, "y", isNumeric), "sy")),
    plot.check(say("cmp_log"), log, (on) => state.set({ slogy: on ? "1" : "" }), "y"),
    plot.labelled(say("cmp_group"), plot.changing(choose(data, by.id, say("cmp_group"), (one) => ["params", "tags", "run"].includes(one.group)), "group")),
  );

  const groups = new Map();
  data.runs.forEach((run, at) => {
    const value = numeric(y.values[at]);
    if (value === null || (log && value <= 0)) return;
    const name = by.values[at] === null || by.values[at] === undefined ? "–" : String(by.values[at]);
    if (!groups.has(name)) groups.set(name, []);
    groups.get(name).push({ run, at, value });
  });
  let names = [...groups.keys()];
  const left = Math.max(0, names.length - MOST);
  if (left) names = names.sort((one, other) => groups.get(other).length - groups.get(one).length).slice(0, MOST);
  names.sort((one, other) => one.localeCompare(other, undefined, { numeric: true }));

  const width = Math.max(plot.width, EDGE.left + EDGE.right + ROOM * names.length);
  const svg = el("svg", { viewBox: `0 0 ${width} ${HEIGHT}`, width, height: HEIGHT, role: "group", "aria-label": say("cmp_box_label", { y: title(y), group: title(by), groups: names.length }) });
  const sy = scale(y, { log });
  const middle = (at) => (at + 0.5) / Math.max(1, names.length);
  const sx = { ticks: names.map((name, at) => ({ at: middle(at), label: `${name} (${groups.get(name).length})` })) };
  const place = frame(svg, { x: by, y, sx, sy, width, height: HEIGHT, edge: EDGE });
  const wide = Math.min(46, ((width - EDGE.left - EDGE.right) / Math.max(1, names.length)) * 0.5);
  names.forEach((name, at) => box(svg, plot, groups.get(name), { x: place.x(middle(at)), y: (value) => place.y(sy.at(value)), wide, name, label: [title(by), title(y)] }));
  plot.place.replaceChildren(svg);
  plot.said(left ? say("cmp_groups_left", { count: left }) : "", null);
  plot.table([by, y], data.runs.map((_, at) => at));
}

export function quartiles(values) {
  const sorted = [...values].sort((one, other) => one - other);
  const at = (share) => {
    const place = share * (sorted.length - 1);
    const below = Math.floor(place);
    return sorted[below] + (place - below) * ((sorted[below + 1] ?? sorted[below]) - sorted[below]);
  };
  const [low, median, high] = [at(0.25), at(0.5), at(0.75)];
  const reach = 1.5 * (high - low);
  return { low, median, high, least: sorted.find((one) => one >= low - reach), most: sorted.findLast((one) => one <= high + reach) };
}

function box(svg, plot, members, { x, y, wide, name, label }) {
  const paint = theme();
  const found = quartiles(members.map((one) => one.value));
  const line = { stroke: paint.soft, "stroke-width": 1.3 };
  if (members.length > 1) {
    svg.append(
      el("line", { x1: x, x2: x, y1: y(found.least), y2: y(found.most), ...line }),
      ...["least", "most"].map((end) => el("line", { x1: x - wide / 4, x2: x + wide / 4, y1: y(found[end]), y2: y(found[end]), ...line })),
      el("rect", { x: x - wide / 2, width: wide, y: Math.min(y(found.high), y(found.low)), height: Math.max(1, Math.abs(y(found.low) - y(found.high))), fill: paint.strong, "fill-opacity": 0.1, ...line, "data-box": name }),
      el("line", { x1: x - wide / 2, x2: x + wide / 2, y1: y(found.median), y2: y(found.median), stroke: paint.strong, "stroke-width": 2 }),
    );
  }
  members.forEach(({ run, value }, at) => {
    // Beside each other in a fixed order, so that a drawing that is made again looks the same.
    const aside = members.length > 1 ? (((at * 0.618034) % 1) - 0.5) * wide * 0.8 : 0;
    const dot = el("circle", { cx: x + aside, cy: y(value), r: 4, fill: stroke(run.colour), "fill-opacity": 0.85, stroke: paint.paper, "data-run": run.id });
    svg.append(plot.link(run, [dot], [[label[0], name], [label[1], value]]));
  });
}
