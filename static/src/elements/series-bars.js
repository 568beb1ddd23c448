// What a <series-chart> shows where there are no lines: why there is nothing, or single values as bars.
import { shown } from "../charts.js";
import { colourOf } from "../series/plot.js";
import { say } from "../wire.js";
import { element, read } from "./series-parts.js";

/** Show what is no line: why there is nothing, or single values as bars. True when there are no lines to draw. */
export function instead(chart, lines) {
  const ones = chart.needed.map((run) => chart.whole.get(run.id)).filter((line) => line?.count);
  const held = !chart.base || Boolean(chart.whole.get(chart.base.id)?.count);
  const single = held && ones.length > 0 && ones.every((line) => line.count === 1);
  const nothing = !lines.length && !chart.window;
  chart.place.hidden = single || nothing;
  chart.bars.hidden = !single;
  if (nothing) {
    chart.note.hidden = false;
    chart.note.textContent = chart.failed || (chart.asked || chart.stale ? "" : !chart.drawn.length ? say("chartunchosen") : chart.base && ones.length ? say("chartapart", { name: chart.base.name }) : chart.getAttribute("empty") || say("chartempty"));
  }
  if (single) {
    chart.note.hidden = true;
    const lineOf = (run) => chart.whole.get(run.id);
    const value = (run) => lineOf(run)?.y[0] ?? null;
    const from = chart.base ? value(chart.base) : 0;
    const own = (one) => (one.runs || [one]).filter((run) => lineOf(run)?.count).map(value);
    // Of a group the mean of what its runs have; a value that is no number makes the whole none.
    const mean = (values) => (values.includes(null) ? null : values.reduce((sum, one) => sum + one, 0) / values.length);
    const told = chart.keyed.filter((one) => chart.isDrawn(one)).map((one) => ({ ...one, own: own(one) })).filter((one) => one.own.length);
    const apart = (middle) => (middle === null || from === null ? null : middle - from);
    bars(chart, told.map((one) => ({ ...one, value: apart(mean(one.own)) })));
  }
  return single || nothing;
}

function bars(chart, lines) {
  if (chart.runs.length === 1) {
    const { value } = lines[0];
    const said = element("p", "said", value === null ? "NaN" : shown(value));
    said.title = String(value);
    return chart.bars.replaceChildren(said);
  }
  // Who scrolls by keys needs something to stand on.
  if (lines.length > 8) chart.bars.tabIndex = 0;
  const most = Math.max(...lines.map(({ value }) => Math.abs(value ?? 0))) || 1;
  chart.bars.replaceChildren(
    ...lines.map(({ name, colour, value, own }) => {
      const row = element("div", "chart-bar");
      const bar = element("i");
      bar.style.background = colourOf(colour);
      bar.style.width = `${(Math.abs(value ?? 0) / most) * 100}%`;
      const around = element("span");
      around.append(bar);
      row.append(element("span", "", name), around, element("b", "num", value === null ? "NaN" : read(chart, value)));
      row.title = own.length > 1 ? `${name}: ${shown(Math.min(...own))} – ${shown(Math.max(...own))}` : name;
      return row;
    }),
  );
}
