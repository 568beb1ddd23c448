// A line chart as SVG: what is on its canvas, in lines that stay sharp at any size, with the names of the lines.

const SPACE = "http://www.w3.org/2000/svg";
const [HEAD, ROW, DOT] = [30, 16, 8];
const DASHES = ["", "6 3", "2 3", "8 3 2 3", "12 4"];

function el(name, attributes, ...children) {
  const made = document.createElementNS(SPACE, name);
  for (const [key, value] of Object.entries(attributes)) if (value !== "" && value !== undefined) made.setAttribute(key, value);
  made.append(...children);
  return made;
}

/** The picture as a blob; `facts` as a chart tells them: its plot, lines, ranges, colours. */
export function vector(facts) {
  const { plot, lines, colours } = facts;
  const thick = window.devicePixelRatio || 1;
  const box = Object.fromEntries(Object.entries(plot.bbox).map(([name, value]) => [name, value / thick]));
  const names = lines.length > 1 ? lines : [];
  const [width, height] = [plot.width, HEAD + plot.height + names.length * ROW + 6];
  const svg = el("svg", { xmlns: SPACE, width, height, viewBox: `0 0 ${width} ${height}`, "font-family": "Inter Variable, Inter, system-ui, sans-serif", "font-size": 11 });
  const text = (words, attributes) => svg.append(el("text", { fill: colours.quiet, ...attributes }, String(words)));
  svg.append(el("rect", { width, height, fill: colours.paper }));
  text(facts.title, { x: 10, y: 19, fill: colours.ink, "font-weight": 600, "font-size": 13 });
  const across = place(facts.x, facts.logx, box.left, box.width);
  const up = place(facts.y, facts.logy, HEAD + box.top + box.height, -box.height);
  const [bottom, right] = [HEAD + box.top + box.height, box.left + box.width];
  ticks(plot.axes[0], (at, words) => {
    svg.append(el("line", { x1: across(at), x2: across(at), y1: HEAD + box.top, y2: bottom, stroke: colours.line }));
    text(words, { x: across(at), y: bottom + 15, "text-anchor": "middle" });
  });
  ticks(plot.axes[1], (at, words) => {
    svg.append(el("line", { x1: box.left, x2: right, y1: up(at), y2: up(at), stroke: colours.line }));
    text(words, { x: box.left - 8, y: up(at) + 4, "text-anchor": "end" });
  });
  const clip = el("clipPath", { id: "inside" }, el("rect", { x: box.left, y: HEAD + box.top, width: box.width, height: box.height }));
  const drawn = el("g", { "clip-path": "url(#inside)", fill: "none", "stroke-linejoin": "round" });
  for (const one of lines) {
    const hue = colours.lines[((one.colour % 8) + 8) % 8];
    const { line } = one;
    const soft = facts.soft(line);
    if (line.low && facts.bands) drawn.append(el("path", { d: around(line, across, up), fill: hue, "fill-opacity": line.ribbon ? 0.13 : 0.25, stroke: "none" }));
    if (soft) drawn.append(el("path", { d: path(line.x, line.y, across, up), stroke: hue, "stroke-opacity": 0.28 }));
    drawn.append(el("path", { d: path(line.x, soft || line.y, across, up), stroke: hue, "stroke-width": 1.6, "stroke-dasharray": DASHES[one.dash % DASHES.length], "data-run": one.id }, el("title", {}, one.name)));
  }
  svg.append(clip, drawn);
  names.forEach((one, at) => {
    const y = HEAD + plot.height + at * ROW + 8;
    svg.append(el("rect", { x: 12, y: y - DOT, width: DOT, height: DOT, rx: 2, fill: colours.lines[((one.colour % 8) + 8) % 8] }));
    text(one.name, { x: 26, y, fill: colours.ink });
  });
  return new Blob([new XMLSerializer().serializeToString(svg)], { type: "image/svg+xml" });
}

function place([least, most], log, start, size) {
  const to = log ? Math.log10 : (value) => value;
  const [low, high] = [to(least), to(most)];
  return (value) => Number((start + ((to(value) - low) / (high - low || 1)) * size).toFixed(2));
}

/** What uPlot has put on an axis. */
function ticks(axis, draw) {
  (axis._splits || []).forEach((at, index) => at !== null && axis._values?.[index] && draw(at, axis._values[index]));
}

const whole = (value) => value !== null && value !== undefined && Number.isFinite(value);

/** Lines between the places, broken where there is no value. */
function path(xs, ys, across, up) {
  let open = false;
  const parts = [];
  xs.forEach((x, at) => {
    const [left, top] = [across(x), whole(ys[at]) ? up(ys[at]) : NaN];
    if (!whole(left) || !whole(top)) return void (open = false);
    parts.push(`${open ? "L" : "M"}${left} ${top}`);
    open = true;
  });
  return parts.join("");
}

/** From the lowest to the highest of all places, as one shape. */
function around(line, across, up) {
  const kept = [...line.x.keys()].filter((at) => whole(line.low[at]) && whole(line.high[at]) && whole(up(line.low[at])) && whole(up(line.high[at])));
  const there = kept.map((at) => `${across(line.x[at])} ${up(line.high[at])}`);
  const back = kept.reverse().map((at) => `${across(line.x[at])} ${up(line.low[at])}`);
  return there.length ? `M${[...there, ...back].join("L")}Z` : "";
}
