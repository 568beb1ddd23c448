// How each kind of item is drawn into the body of its card.
import { colour, named, number, options, shown, stroke, uPlot } from "../charts.js";
import { say } from "../wire.js";

const TALL = 230;
/** Rows of a table that are put into the page: its ends. */
const MOST_ROWS = 200;
/** Classes whose curves are drawn, and whose names a matrix shows. */
const MOST_CURVES = 8;
const MOST_CELLS = 40;

// --- tables ---------------------------------------------------------------------------------------

/** Rows as a table; two columns of numbers, several times, are a line as well. */
export function table(card) {
  const names = Object.keys(card.columns);
  const numeric = names.filter((name) => card.columns[name].every((cell) => cell === null || typeof cell === "number" || ["NaN", "Infinity", "-Infinity"].includes(cell)));
  if (names.length === 2 && numeric.length === 2 && card.rows > 1) {
    const [x, y] = names.map((name) => card.columns[name].map(number));
    const order = [...x.keys()].filter((at) => x[at] !== null).sort((one, other) => x[one] - x[other]);
    curves(card, [[order.map((at) => x[at]), order.map((at) => y[at])]], [names[1]], { x: { label: names[0] }, y: { label: names[1] } });
  }
  const whole = document.createElement("table");
  const head = whole.createTHead().insertRow();
  for (const name of names) {
    const cell = document.createElement("th");
    cell.textContent = name;
    if (numeric.includes(name)) cell.className = "n";
    head.append(cell);
  }
  const body = whole.createTBody();
  const first = Math.max(0, card.rows - MOST_ROWS);
  for (let at = first; at < card.rows; at += 1) {
    const row = body.insertRow();
    for (const name of names) {
      const cell = row.insertCell();
      const value = card.columns[name][at];
      cell.textContent = value === null ? "" : shown(value);
      cell.title = value === null ? "" : String(value);
      if (numeric.includes(name)) cell.className = "n";
    }
  }
  const around = document.createElement("div");
  around.className = "scroll rows";
  around.tabIndex = 0;
  around.append(whole);
  card.body.append(around);
  around.scrollTop = around.scrollHeight;
  if (first) card.body.append(quiet(say("lastrows", { count: MOST_ROWS, all: card.rows })));
}

// --- charts ---------------------------------------------------------------------------------------

/** A heat map of counts: rows are what is true, columns what was predicted; raw, or each row as shares of it. */
export function matrix(card, data, redraw) {
  const labels = data.class_labels;
  const shares = Boolean(card.choice.shares);
  const counts = data.matrix.map((row) => row.map(number));
  const values = counts.map((row) => {
    const sum = row.reduce((all, one) => all + (one || 0), 0);
    return shares ? row.map((one) => (one === null || !sum ? null : one / sum)) : row;
  });
  const most = shares ? 1 : Math.max(...counts.flat().map((one) => one || 0), 1e-300);
  card.body.append(choice(card, "shares", [[false, say("counts")], [true, say("shares")]], redraw));
  const grid = document.createElement("table");
  grid.className = "heat";
  grid.setAttribute("aria-label", card.key);
  const small = labels.length <= MOST_CELLS;
  if (!small) grid.classList.add("tiny");
  const head = grid.createTHead().insertRow();
  head.append(th(say("truth")), ...(small ? labels.map((one) => th(one, one)) : [th("")]));
  const body = grid.createTBody();
  values.forEach((row, at) => {
    const line = body.insertRow();
    line.append(th(small ? labels[at] : "", labels[at]));
    row.forEach((value, to) => {
      const cell = line.insertCell();
      const share = value === null ? 0 : value / most;
      cell.title = say("ofmatrix", { count: counts[at][to] ?? "NaN", truth: labels[at], found: labels[to] });
      if (small) cell.textContent = value === null ? "" : shares ? value.toFixed(2) : shown(value);
      cell.style.setProperty("--heat", `color-mix(in oklab, var(--zaffre) ${Math.round(share * 100)}%, var(--paper))`);
    });
  });
  const around = document.createElement("div");
  around.className = "scroll";
  around.tabIndex = 0;
  around.append(grid);
  card.body.append(around, quiet(say("acrossmatrix")));
}

/** ROC and precision-recall from counts [TP, FP, TN, FN] for each class and threshold. */
export function accuracy(card, data, redraw) {
  const curve = card.choice.curve || "roc";
  card.body.append(choice(card, "curve", [["roc", "ROC"], ["pr", say("precisionrecall")]], redraw));
  const tables = data.probability_tables.slice(0, MOST_CURVES);
  const lines = tables.map((rows) => (curve === "roc" ? roc(rows) : pr(rows)));
  const names = data.class_labels.slice(0, MOST_CURVES).map((name, at) => (curve === "roc" ? `${name} · AUC ${area(lines[at]).toFixed(3)}` : name));
  const chance = curve === "roc" ? [[0, 1], [0, 1]] : null;
  const axes = curve === "roc" ? { x: { label: say("fpr") }, y: { label: say("tpr") } } : { x: { label: say("recall") }, y: { label: say("precision") } };
  curves(card, lines, names, { ...axes, unit: true, chance });
  card.body.append(legend(names));
}

function roc(rows) {
  const points = rows.map(([tp, fp, tn, fn]) => [fp / (fp + tn), tp / (tp + fn)]).filter(finite);
  points.push([0, 0], [1, 1]);
  return sorted(points);
}
function pr(rows) {
  return sorted(rows.filter(([tp, fp]) => tp + fp > 0).map(([tp, fp, , fn]) => [tp / (tp + fn), tp / (tp + fp)]).filter(finite));
}
const finite = ([x, y]) => Number.isFinite(x) && Number.isFinite(y);
function sorted(points) {
  points.sort((one, other) => one[0] - other[0] || one[1] - other[1]);
  return [points.map(([x]) => x), points.map(([, y]) => y)];
}
const area = ([x, y]) => x.slice(1).reduce((sum, one, at) => sum + ((one - x[at]) * (y[at] + y[at + 1])) / 2, 0);

/** How many predictions miss by how much. */
export function residuals(card, data) {
  bars(card, data.bin_edges.map(number), data.bin_counts.map(number), say("residual"));
}

/** What was predicted for what is true, with the band of its error, and how often. */
export function predictions(card, data) {
  const edges = data.bin_edges.map(number);
  const middle = edges.slice(1).map((edge, at) => (edge + edges[at]) / 2);
  const [means, errors] = [data.bin_averages.map(number), data.bin_errors.map(number)];
  const band = (sign) => means.map((mean, at) => (mean === null || errors[at] === null ? mean : mean + sign * errors[at]));
  const ends = [edges[0], edges.at(-1)];
  draw(card, async (Plot, width) => {
    const [x, y, low, high, ideal] = joined([[middle, means], [middle, band(-1)], [middle, band(1)], [ends, ends]]);
    const faint = { stroke: "transparent", points: { show: false }, spanGaps: true };
    const line = stroke(0);
    return new Plot(
      options({
        width,
        height: TALL,
        x: { label: say("truth") },
        y: { label: say("predicted") },
        scales: { x: { time: false } },
        bands: [{ series: [3, 2], fill: line.replace("rgb(", "rgba(").replace(")", ", 0.16)") }],
        series: [{}, { stroke: line, width: 1.8, spanGaps: true, points: { show: true, size: 5 } }, faint, faint, { stroke: colour("--ink-3"), width: 1, dash: [4, 4], spanGaps: true, points: { show: false } }],
      }),
      [x, y, low, high, ideal],
      card.chart,
    );
  });
  card.body.append(legend([say("predicted"), say("ideal")], [stroke(0), colour("--ink-3")]));
}

// --- parts ----------------------------------------------------------------------------------------

function curves(card, lines, names, { x = {}, y = {}, unit = false, chance = null }) {
  draw(card, async (Plot, width) => {
    const all = chance ? [...lines, chance] : lines;
    const [first, ...rest] = joined(all);
    const series = names.map((label, at) => ({ label, stroke: stroke(at), width: 1.6, spanGaps: true, points: { show: first.length < 60 && !unit, size: 4 } }));
    if (chance) series.push({ stroke: colour("--ink-3"), width: 1, dash: [4, 4], spanGaps: true, points: { show: false } });
    const whole = unit ? { range: [0, 1] } : {};
    return new Plot(
      options({ width, height: unit ? TALL : undefined, x, y, scales: { x: { time: false, ...whole }, y: unit ? { range: [0, 1.02] } : {} }, series: [{}, ...series] }),
      [first, ...rest],
      card.chart,
    );
  });
}

function bars(card, edges, counts, label) {
  draw(card, async (Plot, width) => {
    const middle = counts.map((_, at) => (edges[at] + edges[at + 1]) / 2);
    const fill = stroke(0);
    return new Plot(
      options({
        width,
        height: TALL,
        x: { label },
        y: { label: say("count") },
        scales: { x: { time: false, range: [edges[0], edges.at(-1)] }, y: { range: (_plot, _least, most) => [0, most * 1.05 || 1] } },
        series: [{}, { stroke: fill, fill, width: 0, points: { show: false }, paths: Plot.paths.bars({ size: [0.96, 80] }) }],
      }),
      [middle, counts],
      card.chart,
    );
  });
}

/** Draw into the card when it is in the page, again when its width changes. */
async function draw(card, make) {
  const place = document.createElement("div");
  place.className = "drawn";
  card.chart = place;
  card.body.append(place);
  const Plot = await uPlot();
  if (!place.isConnected) return;
  card.chart = place;
  const plot = named(await make(Plot, place.clientWidth), card.key);
  card.plots.push(plot);
  new ResizeObserver(() => place.isConnected && plot.setSize({ width: place.clientWidth, height: plot.height })).observe(place);
}

/** Several lines, each with places of its own, over one list of places. */
function joined(lines) {
  const places = [...new Set(lines.flatMap(([x]) => x))].sort((one, other) => one - other);
  const at = new Map(places.map((place, index) => [place, index]));
  return [
    places,
    ...lines.map(([x, y]) => {
      const row = Array(places.length).fill(undefined);
      // Of several values at one place the last one, which is the highest where they were sorted.
      x.forEach((place, index) => (row[at.get(place)] = y[index]));
      return row;
    }),
  ];
}

function choice(card, name, offered, redraw) {
  const place = document.createElement("div");
  place.className = "switch";
  place.setAttribute("role", "group");
  for (const [value, words] of offered) {
    const button = document.createElement("button");
    Object.assign(button, { type: "button", className: "btn", textContent: words });
    button.setAttribute("aria-pressed", String((card.choice[name] ?? offered[0][0]) === value));
    button.addEventListener("click", () => {
      card.choice[name] = value;
      redraw();
      card.body.querySelector('[aria-pressed="true"]')?.focus();
    });
    place.append(button);
  }
  return place;
}

function legend(names, colours = names.map((_, at) => stroke(at))) {
  const list = document.createElement("ul");
  list.className = "legend";
  names.forEach((name, at) => {
    const item = document.createElement("li");
    const mark = document.createElement("i");
    mark.style.background = colours[at];
    item.append(mark, name);
    list.append(item);
  });
  return list;
}

function th(text, title = "") {
  const cell = document.createElement("th");
  Object.assign(cell, { textContent: text, title });
  return cell;
}

function quiet(words) {
  const place = document.createElement("p");
  place.className = "quiet under";
  place.textContent = words;
  return place;
}
