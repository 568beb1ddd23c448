// What stands around the lines of a <series-chart>: its head, its menu, its legend, the values at the crosshair, keys.
import { shown } from "../charts.js";
import { place as placed } from "../series/axes.js";
import { colourOf, picture } from "../series/plot.js";
import * as saving from "../series/saving.js";
import { otherOf } from "../series/settings.js";
import { say } from "../wire.js";

/** Values that are listed at the crosshair, and runs in a closed legend. */
const MOST = 12;
/** Pixels around a line within which a click means it. */
const NEAR = 14;
/** Milliseconds in which a second click makes two. */
const TWICE = 280;

export function element(name, className, text) {
  const made = document.createElement(name);
  if (className) made.className = className;
  if (text) made.textContent = text;
  return made;
}
function button(text, act, className = "btn s") {
  const made = element("button", className, text);
  made.type = "button";
  made.addEventListener("click", act);
  return made;
}

export function build(chart) {
  const head = element("div", "chart-head");
  const name = element("b", "chart-name", chart.label || chart.metric);
  name.title = chart.getAttribute("description") || chart.metric;
  chart.last = element("em", "num");
  chart.less = element("em", "chart-less");
  chart.badge = button("", () => chart.reset(), "btn s chart-badge");
  chart.badge.hidden = true;
  chart.menu = menu(chart);
  head.append(name, chart.less, chart.last, chart.badge, chart.menu);
  if (!chart.hasAttribute("full")) {
    const full = button("⤢", () => chart.dispatchEvent(new CustomEvent("zaffre-full", { bubbles: true })), "chart-tool");
    full.title = say("chartfull");
    full.setAttribute("aria-label", `${say("chartfull")}: ${chart.metric}`);
    head.append(full);
  }
  chart.place = element("div", "chart-place");
  chart.place.tabIndex = 0;
  chart.place.setAttribute("role", "group");
  chart.place.setAttribute("aria-label", chart.metric);
  chart.place.title = "";
  chart.place.addEventListener("keydown", (event) => pressed(chart, event));
  chart.place.addEventListener("pointerdown", (event) => (chart.pressedAt = [event.clientX, event.clientY]));
  chart.place.addEventListener("click", (event) => clicked(chart, event));
  chart.place.addEventListener("pointerleave", () => chart.page.cross(null, chart));
  chart.tip = element("div", "chart-tip");
  chart.tip.hidden = true;
  chart.note = element("p", "chart-note");
  chart.note.hidden = true;
  chart.bars = element("div", "chart-bars");
  chart.bars.hidden = true;
  chart.bars.setAttribute("role", "group");
  chart.bars.setAttribute("aria-label", chart.metric);
  chart.keys = element("ul", "legend chart-legend");
  chart.spoken = element("p", "visually-hidden");
  chart.spoken.setAttribute("role", "status");
  const around = element("div", "chart-around");
  around.append(chart.place, chart.tip);
  chart.style.setProperty("--tall", `${chart.height}px`);
  chart.replaceChildren(head, around, chart.note, chart.bars, chart.keys, chart.spoken);
  return true;
}

// --- menu -------------------------------------------------------------------------------------------

function menu(chart) {
  const whole = element("details", "chart-menu");
  const top = element("summary", "chart-tool", "⋯");
  top.setAttribute("aria-label", `${say("chartmenu")}: ${chart.metric}`);
  const list = element("div", "menu");
  const close = (act) => () => {
    whole.open = false;
    act();
  };
  const log = button(say("chartlogy"), () => {
    chart.own.logy = !chart.logy;
    log.setAttribute("aria-pressed", String(chart.logy));
    chart.rebuild();
  }, "");
  const legendToo = button(say("chartlegend"), () => {
    chart.own.legend = !keyed(chart);
    legendToo.setAttribute("aria-pressed", String(chart.own.legend));
    legend(chart);
  }, "");
  const save = async (kind) => {
    const axis = otherOf(chart.page.state) || chart.axis;
    if (kind === "png" && chart.plot) saving.save(saving.filed(chart.metric, "png"), await picture(chart.plot, titled(chart)));
    if (kind === "svg" && chart.plot) {
      const { vector } = await import("../series/vector.js");
      saving.save(saving.filed(chart.metric, "svg"), vector(chart.picture()));
    }
    if (kind === "csv") saving.save(saving.filed(chart.metric, "csv"), saving.csv(chart.lines, axis, chart.window));
    if (kind === "json") saving.save(saving.filed(chart.metric, "json"), saving.json(chart.metric, chart.lines, axis, chart.window));
  };
  const moment = button(`${say("momentlog")} (l)`, close(() => chart.log(top)), "");
  moment.title = say("momenthow");
  if (!onlyOne(chart)) moment.hidden = true;
  list.append(log, legendToo, moment, ...["png", "svg", "csv", "json"].map((kind) => button(say(`chart${kind}`), close(() => save(kind)), "")));
  whole.append(top, list);
  whole.addEventListener("toggle", () => {
    log.setAttribute("aria-pressed", String(chart.logy));
    legendToo.setAttribute("aria-pressed", String(keyed(chart)));
  });
  whole.addEventListener("keydown", (event) => {
    if (event.key !== "Escape" || !whole.open) return;
    event.stopPropagation();
    whole.open = false;
    top.focus();
  });
  whole.addEventListener("focusout", (event) => whole.contains(event.relatedTarget) || (whole.open = false));
  return whole;
}

/** Whether it is the chart of one run; its menu is made before its runs are read. */
function onlyOne(chart) {
  try {
    return JSON.parse(chart.getAttribute("runs") || "[]").length === 1;
  } catch {
    return false;
  }
}

// --- legend -----------------------------------------------------------------------------------------

/** Whether it shows its legend: as its menu says, else where there is something to tell apart and nothing else does (`plain`). */
const keyed = (chart) => chart.own.legend ?? (chart.keyed.length > 1 && !chart.hasAttribute("plain"));

export function legend(chart) {
  const wanted = keyed(chart);
  chart.keys.hidden = !wanted;
  if (!wanted) return chart.keys.replaceChildren();
  const drawn = chart.drawn;
  const listed = chart.allKeys || chart.keyed.length <= MOST ? chart.keyed : chart.keyed.filter((run) => chart.isDrawn(run));
  const items = listed.map((run) => {
    const key = button("", () => chart.page.choose(run.id, !chart.isDrawn(run)), "chart-key");
    key.dataset.run = run.id;
    key.setAttribute("aria-pressed", String(chart.isDrawn(run)));
    const mark = element("i");
    mark.style.background = `var(--s${(run.colour % 8) + 1})`;
    if (run.dash) mark.classList.add("dashed");
    key.append(mark, run.name);
    key.title = run.name;
    const stress = (on) => () => {
      chart.stressed = on ? run.id : null;
      if (chart.isDrawn(run)) chart.draw(true);
    };
    key.addEventListener("pointerenter", stress(true));
    key.addEventListener("pointerleave", stress(false));
    const item = element("li");
    item.append(key);
    return item;
  });
  if (chart.keyed.length > MOST) {
    const ids = chart.keyed.map((run) => run.id);
    const tools = element("li", "chart-keys");
    tools.append(
      button(chart.allKeys ? say("chartfewer") : say("chartmore", { count: chart.keyed.length - drawn.length, all: chart.keyed.length }), () => {
        chart.allKeys = !chart.allKeys;
        legend(chart);
        chart.keys.querySelector(".chart-keys button")?.focus();
      }),
      button(say("chartall"), () => chart.page.chooseAll(ids, true)),
      button(say("chartnone"), () => chart.page.chooseAll(ids, false)),
    );
    items.unshift(tools);
  }
  // What has the focus must not lose it because its list was drawn anew.
  const focused = chart.keys.contains(document.activeElement) ? document.activeElement.dataset.run : null;
  chart.keys.replaceChildren(...items);
  if (focused) [...chart.keys.querySelectorAll("button")].find((one) => one.dataset.run === focused)?.focus();
}

// --- what is said of it -------------------------------------------------------------------------------

/** What a picture of it is called. */
export const titled = (chart) => (chart.base ? `${chart.metric} − ${chart.base.name}` : chart.metric);
/** A value as it is read: of a difference with its sign. */
export const read = (chart, value) => `${chart.base && value > 0 ? "+" : ""}${shown(value)}`;

export function head(chart, lines) {
  const alone = chart.runs.length === 1 ? lines[0]?.line : null;
  chart.less.textContent = chart.base ? `− ${chart.base.name}` : "";
  chart.less.title = chart.base ? say("chartless", { name: chart.base.name }) : "";
  if (!chart.crossedAt) chart.last.textContent = alone && alone.x.length > 1 && alone.last !== undefined ? shown(alone.tail ?? chart.known ?? alone.last) : "";
  chart.badge.hidden = !chart.window && !chart.yWindow && !chart.xWindow;
  chart.badge.textContent = chart.missed ? say("chartlate", { count: chart.missed }) : say("chartwhole");
}

// --- crosshair ------------------------------------------------------------------------------------------

/** The pointer moved over this chart, or a key moved its crosshair. */
export function pointed(chart, plot) {
  if (chart.follows) return;
  const { left, top } = plot.cursor;
  const gone = left === undefined || left < 0 || !chart.shown?.length;
  chart.page.cross(gone ? null : plot.posToVal(left, "x"), chart);
  chart.pointer = gone ? null : [left, top];
}

/** Show the values at a place of the axis; the list only where the pointer is. */
export function crossed(chart, { x, from }) {
  chart.crossedAt = x === null ? null : { x, own: from === chart };
  if (!chart.visible || !chart.plot) return;
  chart.crossing ||= requestAnimationFrame(() => {
    chart.crossing = 0;
    if (chart.plot) cross(chart);
  });
}

function cross(chart) {
  const at = chart.crossedAt;
  if (!at) {
    chart.tip.hidden = true;
    if (!chart.follows && chart.plot.cursor.left < 0) return head(chart, chart.shown || []);
    chart.plot.setCursor({ left: -10, top: -10 }, false);
    chart.follows = false;
    return head(chart, chart.shown || []);
  }
  if (!at.own) {
    chart.follows = true;
    chart.plot.setCursor({ left: chart.plot.valToPos(at.x, "x"), top: -10 }, false);
    chart.follows = false;
  }
  const found = values(chart, at.x);
  if (chart.runs.length === 1) chart.last.textContent = found[0] ? `${placed(found[0].x, chart.axis)} · ${shown(found[0].value)}` : "";
  if (at.own) list(chart, at.x, found);
  else chart.tip.hidden = true;
}

/** The value of each line nearest to a place, the highest first. */
function values(chart, x) {
  const found = [];
  for (const one of chart.shown || []) {
    const at = one.line.near(x);
    const value = at < 0 ? null : (chart.soft(one.line)?.[at] ?? one.line.y[at]);
    if (value === null) continue;
    found.push({ ...one, x: one.line.x[at], value, low: one.line.low?.[at], high: one.line.high?.[at] });
  }
  return found.sort((one, other) => other.value - one.value);
}

function nearest(chart, found) {
  if (!chart.pointer) return null;
  let best = null;
  for (const one of found) {
    const away = Math.hypot(chart.plot.valToPos(one.value, "y") - chart.pointer[1], (chart.plot.valToPos(one.x, "x") - chart.pointer[0]) / 4);
    if (!best || away < best.away) best = { one, away };
  }
  return best;
}

function list(chart, x, found) {
  const close = nearest(chart, found);
  const middle = close ? found.indexOf(close.one) : 0;
  const from = Math.max(0, Math.min(middle - MOST / 2, found.length - MOST));
  const rows = found.slice(from, from + MOST).map((one) => {
    const row = element("li", close?.one === one ? "near" : "");
    const mark = element("i");
    mark.style.background = colourOf(one.colour);
    const band = one.low !== undefined && one.low !== null && one.low !== one.high ? ` (${read(chart, one.low)} … ${read(chart, one.high)})` : "";
    row.append(mark, element("span", "", one.name), element("b", "num", `${read(chart, one.value)}${band}`));
    return row;
  });
  const listed = element("ul");
  listed.append(...rows);
  const top = element("p", "", placed(x, otherOf(chart.page.state) ? "metric" : chart.axis === "step" ? "metric" : chart.axis));
  if (chart.axis === "step" && !otherOf(chart.page.state)) top.textContent = `${say("step")} ${Math.round(x)}`;
  chart.tip.replaceChildren(top, listed);
  if (found.length > MOST) chart.tip.append(element("p", "", say("chartmorelines", { count: found.length - MOST })));
  chart.tip.hidden = !found.length;
  const left = chart.plot.valToPos(x, "x") + chart.plot.bbox.left / (window.devicePixelRatio || 1);
  const right = left > chart.place.clientWidth / 2;
  chart.tip.style.left = right ? "auto" : `${left + 14}px`;
  chart.tip.style.right = right ? `${chart.place.clientWidth - left + 14}px` : "auto";
}

/** A click on a line opens its run; on the chart of one run it asks for the log of that moment. */
function clicked(chart, event) {
  const [x, y] = chart.pressedAt || [event.clientX, event.clientY];
  if (Math.hypot(event.clientX - x, event.clientY - y) > 4 || !chart.plot || !chart.crossedAt) return;
  // The first click of two asks for all of the axis.
  if (chart.runs.length < 2) {
    clearTimeout(chart.clicking);
    if (event.detail < 2) chart.clicking = setTimeout(() => chart.log({ x: event.clientX, y: event.clientY }), TWICE);
    return;
  }
  const close = nearest(chart, values(chart, chart.crossedAt.x));
  if (close && close.away <= NEAR && !chart.groups) location.href = `/w/${encodeURIComponent(chart.getAttribute("ws"))}/runs/${encodeURIComponent(close.one.id)}/metrics`;
}

/** Something was dragged: a part of one axis, or of both. */
export function selected(chart, plot) {
  const { left, top, width, height } = plot.select;
  if (width < 4 && height < 4) return;
  // Dragged along one axis only, all of the other is selected.
  const across = width < plot.over.clientWidth - 1;
  const up = height < plot.over.clientHeight - 1;
  const [first, last] = [plot.posToVal(left, "x"), plot.posToVal(left + width, "x")];
  const y = [plot.posToVal(top + height, "y"), plot.posToVal(top, "y")];
  plot.setSelect({ left: 0, top: 0, width: 0, height: 0 }, false);
  if (across && width >= 4) chart.zoom(first, last);
  if (up && height >= 4) {
    chart.yWindow = y;
    chart.draw(true);
  }
}

// --- keys -------------------------------------------------------------------------------------------------

function pressed(chart, event) {
  if (event.ctrlKey || event.metaKey || event.altKey || !chart.plot) return;
  const { min, max } = chart.plot.scales.x;
  const wide = max - min;
  const at = chart.crossedAt?.x ?? (min + max) / 2;
  const act = {
    "+": () => chart.zoom(at - wide / 4, at + wide / 4),
    "=": () => chart.zoom(at - wide / 4, at + wide / 4),
    "-": () => (chart.window ? chart.zoom(min - wide / 2, max + wide / 2) : null),
    0: () => chart.reset(),
    Escape: () => (chart.badge.hidden ? "pass" : chart.reset()),
    ArrowLeft: () => moved(chart, event.shiftKey, -1),
    ArrowRight: () => moved(chart, event.shiftKey, 1),
    l: () => chart.log(chart.place),
    f: () => chart.dispatchEvent(new CustomEvent("zaffre-full", { bubbles: true })),
  }[event.key];
  if (!act || (chart.hasAttribute("full") && event.key.startsWith("Arrow"))) return;
  if (act() === "pass") return;
  event.preventDefault();
  event.stopPropagation();
}

/** The crosshair by a fortieth of the width, or with shift what is zoomed by a quarter. */
function moved(chart, shift, way) {
  const { min, max } = chart.plot.scales.x;
  const wide = max - min;
  if (shift) return chart.window && chart.zoom(min + (way * wide) / 4, max + (way * wide) / 4);
  const x = Math.min(max, Math.max(min, (chart.crossedAt?.x ?? (way > 0 ? min : max)) + (way * wide) / 40));
  chart.pointer = null;
  chart.follows = true;
  chart.plot.setCursor({ left: chart.plot.valToPos(x, "x"), top: -10 }, false);
  chart.follows = false;
  chart.page.cross(x, chart);
  const found = values(chart, x).slice(0, 5);
  chart.spoken.textContent = `${placed(x, chart.axis)}: ${found.map((one) => `${chart.runs.length > 1 ? `${one.name} ` : ""}${read(chart, one.value)}`).join(", ")}`;
  return null;
}
