// Parallel coordinates: an axis for each field, a line for each run, a brush on each axis.
import { say, stroke } from "./host.js";
import { choose, cut, find, scale, title, told, usual } from "./fields.js";
import { el, gradient, text, theme } from "./svg.js";

const HEIGHT = 420;
const TOP = 46;
const BOTTOM = 34;
const SIDE = 64;
const ROOM = 118;
const MOST_AXES = 14;
const STEP = 0.05;

/** The axes as the address has them: [{field, scale, log, flip, brush}]. */
function axes(data, state) {
  const asked = state.all("axis").map((id) => find(data, id)).filter(Boolean);
  const fields = (asked.length > 1 ? asked : usual(data, 5, 3).length > 1 ? usual(data, 5, 3) : data.fields.filter((one) => one.group === "run")).slice(0, MOST_AXES);
  const [logs, flips] = [new Set(state.all("log")), new Set(state.all("flip"))];
  const brushes = new Map();
  for (const one of state.all("brush")) {
    const [low, high, ...id] = one.split(",");
    const range = [Number(low), Number(high)];
    if (range.every(Number.isFinite)) brushes.set(id.join(","), range);
  }
  return fields.map((field) => ({ field, log: logs.has(field.id), flip: flips.has(field.id), scale: scale(field, { log: logs.has(field.id) }), brush: brushes.get(field.id) || null }));
}

export function draw(plot) {
  const { data, state } = plot;
  const all = axes(data, state);
  const names = all.map((one) => one.field.id);
  const keep = (changes) => state.set({ axis: names, ...changes });
  const byAxis = state.get("colour") === "axis" || (!state.get("colour") && data.runs.length > 10);

  plot.controls.replaceChildren();
  const colours = document.createElement("select");
  colours.setAttribute("aria-label", say("cmp_colour"));
  colours.append(new Option(say("cmp_byrun"), "run", false, !byAxis), new Option(say("cmp_byaxis"), "axis", false, byAxis));
  colours.addEventListener("change", () => state.set({ colour: colours.value }));
  const more = choose(data, "", say("cmp_addaxis"), (one) => !names.includes(one.id), say("cmp_addaxis"));
  more.addEventListener("change", () => more.value && state.set({ axis: [...names, more.value] }));
  plot.controls.append(plot.labelled(say("cmp_colour"), colours), more, chips(all, keep, names));

  const width = Math.max(plot.width, SIDE * 2 + ROOM * (all.length - 1));
  const inner = width - SIDE * 2;
  const x = (at) => SIDE + (all.length > 1 ? (inner * at) / (all.length - 1) : inner / 2);
  const bottom = HEIGHT - BOTTOM;
  const y = (axis, value) => {
    const place = axis.scale.at(value);
    if (place === null) return HEIGHT - 10;
    return axis.flip ? TOP + place * (bottom - TOP) : bottom - place * (bottom - TOP);
  };
  const paint = theme();
  const [shade, last] = [gradient(), all.at(-1)];
  const colourOf = (run, at) => {
    if (!byAxis) return stroke(run.colour);
    const place = last.scale.at(last.field.values[at]);
    return place === null ? paint.soft : shade(place);
  };
  const inside = (at) => all.every((axis) => {
    if (!axis.brush) return true;
    const value = axis.scale.at(axis.field.values[at]);
    return value !== null && value >= axis.brush[0] - 1e-9 && value <= axis.brush[1] + 1e-9;
  });

  const svg = el("svg", { viewBox: `0 0 ${width} ${HEIGHT}`, width, height: HEIGHT, role: "group", "aria-label": say("cmp_parallel_label", { runs: data.runs.length, axes: all.map((one) => title(one.field)).join(", ") }) });
  const lines = el("g", { fill: "none" });
  const chosen = [];
  data.runs.forEach((run, at) => {
    const on = inside(at);
    if (on) chosen.push(at);
    const points = all.map((axis, index) => `${x(index).toFixed(1)},${y(axis, axis.field.values[at]).toFixed(1)}`).join(" ");
    const line = el("polyline", { points, stroke: on ? colourOf(run, at) : paint.line, "stroke-width": on ? (data.runs.length > 60 ? 1.2 : 1.8) : 1, "stroke-opacity": on ? (data.runs.length > 60 ? 0.75 : 0.95) : 0.7, "data-run": run.id, "data-on": on ? "" : null });
    const wide = el("polyline", { points, stroke: "transparent", "stroke-width": 9, "pointer-events": on ? "stroke" : "none" });
    const link = plot.link(run, [line, wide], all.map((axis) => [title(axis.field), axis.field.values[at]]));
    if (on) lines.append(link);
    else lines.prepend(link);
  });
  svg.append(lines);
  all.forEach((axis, index) => svg.append(drawAxis(axis, { x: x(index), bottom, paint, names, all, keep, plot })));
  plot.place.replaceChildren(svg);
  plot.said(say("cmp_chosen", { count: chosen.length, all: data.runs.length }), chosen.length < data.runs.length ? chosen : null);
  plot.table(all.map((one) => one.field), chosen);
}

function drawAxis(axis, { x, bottom, paint, all, keep, plot }) {
  const length = bottom - TOP;
  const to = (place) => (axis.flip ? TOP + place * length : bottom - place * length);
  const from = (place) => Math.min(1, Math.max(0, axis.flip ? (place - TOP) / length : (bottom - place) / length));
  const group = el("g", { class: "axis" });
  group.append(el("line", { x1: x, x2: x, y1: TOP, y2: bottom, stroke: paint.soft, "stroke-width": 1 }));
  const name = text(cut(title(axis.field), 18), { x, y: 16, fill: paint.ink, "text-anchor": "middle", "font-weight": 600 });
  name.append(el("title", {}, title(axis.field)));
  group.append(name, text(say(`cmp_group_${axis.field.group}`) + (axis.log ? " · log" : ""), { x, y: 30, fill: paint.soft, "text-anchor": "middle", "font-size": 10 }));
  for (const tick of axis.scale.ticks) {
    group.append(el("line", { x1: x - 3, x2: x + 3, y1: to(tick.at), y2: to(tick.at), stroke: paint.soft }));
    group.append(text(tick.label, { x: x + 6, y: to(tick.at) + 4, fill: paint.ink, stroke: paint.paper, "stroke-width": 3, "stroke-linejoin": "round", "paint-order": "stroke" }));
  }
  if (axis.field.values.some((value) => axis.scale.at(value) === null)) group.append(text("–", { x, y: HEIGHT - 6, fill: paint.soft, "text-anchor": "middle" }));
  if (axis.brush) {
    const [one, other] = axis.brush.map(to);
    group.append(el("rect", { x: x - 8, width: 16, y: Math.min(one, other), height: Math.max(3, Math.abs(one - other)), fill: paint.strong, "fill-opacity": 0.22, stroke: paint.strong, "data-brush": axis.field.id }));
  }
  const catcher = el("rect", { x: x - 14, width: 28, y: TOP - 8, height: length + 16, fill: "transparent", class: "brush", tabindex: 0, role: "slider", "aria-label": say("cmp_brush", { name: title(axis.field) }), "aria-valuemin": 0, "aria-valuemax": 100, "aria-valuenow": Math.round((axis.brush ? axis.brush[0] : 0) * 100), "aria-valuetext": axis.brush ? axis.brush.map((one) => told(axis.scale.kind === "words" ? one : axis.scale.value(one))).join(" – ") : say("cmp_all"), "data-axis": axis.field.id });
  group.append(catcher);
  const set = (range) => {
    const kept = all.filter((one) => one !== axis && one.brush).map((one) => [one.brush, one.field.id]);
    if (range) kept.push([range, axis.field.id]);
    plot.focus = axis.field.id;
    keep({ brush: kept.map(([[low, high], id]) => `${low.toFixed(4)},${high.toFixed(4)},${id}`) });
  };
  drag(catcher, plot, from, set);
  catcher.addEventListener("keydown", (event) => {
    const [low, high] = axis.brush || [0, 1];
    const up = { ArrowUp: 1, ArrowDown: -1 }[event.key];
    if (event.key === "Escape" && axis.brush) set(null);
    else if (up && event.shiftKey) set([low, Math.min(1, Math.max(low + STEP, high + up * STEP))]);
    else if (up) set([Math.min(high - STEP, Math.max(0, low + up * STEP)), high]);
    else return;
    event.preventDefault();
  });
  return group;
}

/** Drag along an axis to choose a range; a click without a drag takes the choice back. */
function drag(catcher, plot, from, set) {
  catcher.addEventListener("pointerdown", (event) => {
    const place = (moved) => {
      const box = catcher.ownerSVGElement.getBoundingClientRect();
      return ((moved.clientY - box.top) * HEIGHT) / box.height;
    };
    const start = place(event);
    plot.busy = true;
    const mark = el("rect", { x: catcher.getAttribute("x"), width: 28, y: start, height: 0, fill: theme().strong, "fill-opacity": 0.2, "pointer-events": "none" });
    catcher.after(mark);
    catcher.setPointerCapture(event.pointerId);
    const move = (moved) => {
      const now = place(moved);
      mark.setAttribute("y", Math.min(start, now));
      mark.setAttribute("height", Math.abs(now - start));
    };
    const end = (moved) => {
      catcher.removeEventListener("pointermove", move);
      plot.busy = false;
      const now = place(moved);
      const range = [from(start), from(now)].sort((one, other) => one - other);
      set(Math.abs(now - start) < 4 ? null : range);
    };
    catcher.addEventListener("pointermove", move);
    catcher.addEventListener("pointerup", end, { once: true });
    catcher.addEventListener("pointercancel", () => {
      plot.busy = false;
      mark.remove();
    }, { once: true });
    event.preventDefault();
    catcher.focus();
  });
}

/** The axes as a list of buttons: what a pointer does in the drawing, the keyboard does here. */
function chips(all, keep, names) {
  const list = document.createElement("ul");
  list.className = "chips axes";
  const swap = (at, to) => {
    const order = [...names];
    [order[at], order[to]] = [order[to], order[at]];
    keep({ axis: order });
  };
  const toggled = (kind, id) => {
    const held = all.filter((one) => one[kind]).map((one) => one.field.id);
    return held.includes(id) ? held.filter((one) => one !== id) : [...held, id];
  };
  all.forEach((axis, at) => {
    const item = document.createElement("li");
    const name = document.createElement("span");
    name.textContent = cut(title(axis.field), 20);
    name.title = title(axis.field);
    const offered = [
      ["←", say("cmp_left"), at > 0, () => swap(at, at - 1)],
      ["→", say("cmp_right"), at < all.length - 1, () => swap(at, at + 1)],
      ["⇅", say("cmp_flip"), true, () => keep({ flip: toggled("flip", axis.field.id) }), axis.flip],
      ["log", say("cmp_log"), axis.scale.kind !== "words", () => keep({ log: toggled("log", axis.field.id), brush: [] }), axis.log],
      ["×", say("cmp_remove"), all.length > 2, () => keep({ axis: names.filter((one) => one !== axis.field.id) })],
    ];
    item.append(name);
    for (const [sign, words, on, act, pressed] of offered) {
      if (!on) continue;
      const button = document.createElement("button");
      Object.assign(button, { type: "button", textContent: sign, title: words });
      button.setAttribute("aria-label", `${title(axis.field)}: ${words}`);
      if (pressed !== undefined) button.setAttribute("aria-pressed", String(pressed));
      button.addEventListener("click", act);
      item.append(button);
    }
    list.append(item);
  });
  return list;
}
