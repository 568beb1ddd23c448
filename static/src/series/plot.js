// Drawing many lines over uPlot's axes. uPlot wants one column of x for all; lines of different runs share none.
import { colour, named, options, stroke } from "../charts.js";
import { of, round } from "./axes.js";
import { middle } from "./smooth.js";

/** Below so many points of a line each of them is shown. */
export const FEW = 60;
/** More lines than this are drawn a pixel wide and plain: browsers without a graphics card draw those ten times faster. */
const MANY = 20;
/** A wide line in pieces of so many points is drawn in half the time of a whole one. */
const PIECES = 12;
const DASHES = [[], [6, 3], [2, 3], [8, 3, 2, 3], [12, 4]];

let palette = null;
/** The colours of the theme, resolved once. */
function colours() {
  palette ||= { lines: Array.from({ length: 8 }, (_, at) => stroke(at)), line: colour("--line"), paper: colour("--paper"), ink: colour("--ink"), quiet: colour("--ink-3") };
  return palette;
}
export const inks = colours;
export const forget = () => (palette = null);
export const colourOf = (at) => colours().lines[((at % 8) + 8) % 8];

/** uPlot in `place`, empty: its axes and its cursor are used, and `draw` puts the lines on its canvas. */
export function made(Plot, place, { width, height, label, axis, logx, logy, on }) {
  const scale = (log) => (log ? { distr: 3, log: 10 } : {});
  // Without this a logarithmic axis has a line for each of 1 to 9, and odd numbers where it begins.
  const sparse = (log) => (log ? { filter: round, grid: { stroke: colours().line, width: 1, filter: round } } : {});
  const found = new Plot(
    options({
      width,
      height,
      x: { ...of(axis), ...sparse(logx) },
      y: sparse(logy),
      scales: { x: { time: false, ...scale(logx) }, y: { ...scale(logy) } },
      series: [{}, { paths: () => null, points: { show: false } }],
      cursor: { points: { show: false }, y: true, drag: { x: true, y: true, uni: 24, setScale: false }, bind: { dblclick: () => on.reset } },
      hooks: { draw: [on.draw], setSelect: [on.select], setCursor: [on.cursor] },
      legend: { show: false },
    }),
    [[1, 2], [1, 2]],
    place,
  );
  return named(found, label);
}

/** [lowest, highest] of both axes for these lines; null where there is nothing to show. */
export function ranges(lines, { window, yWindow, logx, logy, clip, soft }) {
  let [left, right] = [Infinity, -Infinity];
  for (const { line } of lines) {
    for (const x of logx ? line.x : [line.x[0], line.x[line.x.length - 1]]) {
      if (x === undefined || (logx && x <= 0)) continue;
      if (x < left) left = x;
      if (x > right) right = x;
    }
  }
  if (window) [left, right] = logx ? [Math.max(window[0], Number.MIN_VALUE), window[1]] : window;
  if (!(left <= right)) return null;
  if (left === right) [left, right] = logx ? [left / 1.5, right * 1.5] : [left - 0.5, right + 0.5];
  const y = yWindow || vertical(lines, { left, right, logy, clip, soft });
  return y && { x: [left, right], y };
}

function vertical(lines, { left, right, logy, clip, soft }) {
  let [low, high] = [Infinity, -Infinity];
  const all = [];
  for (const { line } of lines) {
    const smooth = soft(line);
    const [from, to] = within(line.x, left, right);
    for (let at = from; at < to; at += 1) {
      if (clip) {
        if (line.y[at] !== null && (!logy || line.y[at] > 0)) all.push(line.y[at]);
        continue;
      }
      for (const value of [line.y[at], line.low?.[at], line.high?.[at], smooth?.[at]]) {
        if (value === null || value === undefined || (logy && value <= 0)) continue;
        if (value < low) low = value;
        if (value > high) high = value;
      }
    }
  }
  if (clip && all.length) [low, high] = middle(all);
  if (!(low <= high)) return null;
  if (logy) return [low / 1.2, high * 1.2];
  const room = (high - low) * 0.06 || Math.abs(high) * 0.1 || 0.5;
  return [low - room, high + room];
}

/** [from, to) of the places inside, and one more on each side. */
function within(x, left, right) {
  let from = 0;
  let to = x.length;
  while (from < to && x[from] < left) from += 1;
  while (to > from && x[to - 1] > right) to -= 1;
  return [Math.max(0, from - 1), Math.min(x.length, to + 1)];
}

/** Put the lines on the plot's canvas: bands behind, what is smoothed faint, lines, points. */
export function draw(plot, lines, { logx, logy, soft, bands }) {
  const { ctx, bbox } = plot;
  const { left, top, width, height } = bbox;
  const thick = window.devicePixelRatio || 1;
  const across = scaled(plot.scales.x, logx, left, width);
  const up = scaled(plot.scales.y, logy, top + height, -height);
  ctx.save();
  ctx.beginPath();
  ctx.rect(left, top, width, height);
  ctx.clip();
  ctx.lineJoin = "bevel";
  const many = lines.length > MANY;
  for (const { line, colour: at, dash, faint } of lines) {
    const hue = colourOf(at);
    const [from, to] = within(line.x, plot.scales.x.min, plot.scales.x.max);
    const xs = line.x.slice(from, to).map(across);
    const raw = line.y.slice(from, to).map((value) => (value === null ? null : up(value)));
    const smooth = soft(line)?.slice(from, to).map((value) => (value === null ? null : up(value)));
    const strength = faint ? 0.25 : 1;
    ctx.setLineDash([]);
    if (line.low && bands && !many) {
      ctx.fillStyle = hue;
      ctx.globalAlpha = (line.ribbon ? 0.13 : 0.3) * strength;
      const ends = [line.low, line.high].map((side) => side.slice(from, to).map((one) => (one === null ? null : up(one))));
      (line.ribbon ? ribbon : band)(ctx, xs, ...ends, thick);
    }
    ctx.strokeStyle = hue;
    if (smooth) {
      ctx.globalAlpha = 0.28 * strength;
      ctx.lineWidth = 1;
      path(ctx, xs, raw, Infinity);
    }
    ctx.globalAlpha = strength;
    const dashes = many ? [] : DASHES[dash % DASHES.length];
    ctx.lineWidth = many ? 1 : 1.6 * thick;
    ctx.setLineDash(dashes.map((one) => one * thick));
    path(ctx, xs, smooth || raw, many || dashes.length ? Infinity : PIECES);
    if (to - from < FEW && !many) {
      ctx.setLineDash([]);
      ctx.fillStyle = hue;
      dots(ctx, xs, raw, 2 * thick);
    }
  }
  ctx.restore();
}

function scaled(scale, log, start, size) {
  const through = log ? Math.log10 : (value) => value;
  const low = through(scale.min);
  const rate = size / (through(scale.max) - low || 1);
  return (value) => start + (through(value) - low) * rate;
}

function path(ctx, xs, ys, pieces) {
  let open = 0;
  ctx.beginPath();
  for (let at = 0; at < xs.length; at += 1) {
    const y = ys[at];
    if (y === null || !Number.isFinite(y) || !Number.isFinite(xs[at])) {
      open = 0;
      continue;
    }
    if (open && open % pieces === 0) {
      ctx.stroke();
      ctx.beginPath();
      ctx.moveTo(xs[at - 1], ys[at - 1]);
    }
    if (open) ctx.lineTo(xs[at], y);
    else ctx.moveTo(xs[at], y);
    open += 1;
  }
  ctx.stroke();
}

/** From the lowest to the highest of each place, at least a hair thick, so that a spike is seen. */
function band(ctx, xs, low, high, thick) {
  ctx.beginPath();
  // Not over a gap: a place there would look as if it stood for all of it.
  const widest = (4 * (xs[xs.length - 1] - xs[0])) / xs.length;
  for (let at = 0; at < xs.length; at += 1) {
    if (low[at] === null || high[at] === null) continue;
    const next = at + 1 < xs.length ? xs[at + 1] : xs[at];
    const wide = Math.max(Math.min(next - xs[at], widest), thick);
    if (Number.isFinite(low[at]) && Number.isFinite(high[at])) ctx.rect(xs[at] - wide / 2, high[at], wide, Math.max(low[at] - high[at], thick / 2));
  }
  ctx.fill();
}

/** Between the ends of a group's runs from place to place. A group lies over others, and those are seen through it. */
function ribbon(ctx, xs, low, high) {
  const kept = [...xs.keys()].filter((at) => [xs[at], low[at], high[at]].every((one) => one !== null && Number.isFinite(one)));
  ctx.beginPath();
  for (const at of kept) ctx.lineTo(xs[at], high[at]);
  for (const at of kept.reverse()) ctx.lineTo(xs[at], low[at]);
  ctx.fill();
}

function dots(ctx, xs, ys, size) {
  ctx.beginPath();
  for (let at = 0; at < xs.length; at += 1) {
    if (ys[at] === null || !Number.isFinite(ys[at])) continue;
    ctx.moveTo(xs[at] + size, ys[at]);
    ctx.arc(xs[at], ys[at], size, 0, 7);
  }
  ctx.fill();
}

/** The chart as a picture with its name, on paper. */
export function picture(plot, name) {
  const from = plot.ctx.canvas;
  const thick = window.devicePixelRatio || 1;
  const head = 26 * thick;
  const sheet = document.createElement("canvas");
  [sheet.width, sheet.height] = [from.width, from.height + head];
  const ctx = sheet.getContext("2d");
  ctx.fillStyle = colours().paper;
  ctx.fillRect(0, 0, sheet.width, sheet.height);
  ctx.fillStyle = colours().ink;
  ctx.font = `600 ${13 * thick}px Inter Variable, sans-serif`;
  ctx.fillText(name, 10 * thick, 18 * thick, sheet.width - 20 * thick);
  ctx.drawImage(from, 0, head);
  return new Promise((resolve) => sheet.toBlob(resolve, "image/png"));
}
