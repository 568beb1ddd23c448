// The answer of the comparison as fields that can be axes: numbers, or words in an order.
import { say, shown } from "./host.js";

const GROUPS = ["params", "metrics", "min", "max", "run", "tags"];

/** {runs, fields: [{id, key, group, values, differs}]}; a field has one value for each run, null for none. */
export function read(answer) {
  const fields = [];
  const add = (group, key, values) => {
    if (values.some((one) => one !== null && one !== undefined)) fields.push({ id: `${group}.${key}`, group, key, values, differs: values.some((one) => one !== values[0]) });
  };
  const rows = (name) => answer.sections[name] || [];
  for (const { key, values } of rows("params")) add("params", key, values);
  for (const one of answer.metrics) add("metrics", one.key, one.last);
  for (const one of answer.metrics) add("min", one.key, one.min);
  for (const one of answer.metrics) add("max", one.key, one.max);
  const attributes = Object.fromEntries(rows("attributes").map(({ key, values }) => [key, values]));
  if (attributes.duration) add("run", "duration", attributes.duration);
  add("run", "number", answer.runs.map((run) => run.number));
  for (const key of ["experiment", "status", "compute", "submitted_by"]) if (attributes[key]) add("run", key, attributes[key]);
  for (const { key, values } of rows("tags")) add("tags", key, values);
  const system = new Set(answer.metrics.filter((one) => one.system).map((one) => one.key));
  return { runs: answer.runs, fields, system };
}

/** The answer as if it had been asked for the runs only that `sees` lets through: {id, at, going} of each is asked. */
export function only(answer, sees) {
  const places = [...answer.runs.keys()].filter((at) => sees({ id: answer.runs[at].id, at, going: !answer.runs[at].final }));
  if (places.length === answer.runs.length) return answer;
  const of = (values) => values && places.map((at) => values[at]);
  const sections = Object.entries(answer.sections).map(([name, rows]) => [name, rows.map((row) => ({ ...row, values: of(row.values) }))]);
  const metrics = answer.metrics.map((one) => ({ ...one, last: of(one.last), min: of(one.min), max: of(one.max) }));
  return { ...answer, runs: of(answer.runs), sections: Object.fromEntries(sections), metrics };
}

export const find = (data, id) => data.fields.find((one) => one.id === id);

/** Params that differ, then metrics of the model: what is drawn when nobody chose. */
export function usual(data, params, metrics) {
  const of = (group) => data.fields.filter((one) => one.group === group && !data.system.has(one.key));
  const differing = of("params").filter((one) => one.differs);
  return [...(differing.length ? differing : of("params")).slice(0, params), ...of("metrics").slice(0, metrics)];
}

export const numeric = (value) => {
  if (typeof value === "number") return Number.isFinite(value) ? value : null;
  if (typeof value !== "string" || !/^\s*[+-]?(\d|\.\d)/.test(value)) return null;
  const found = Number(value);
  return Number.isFinite(found) ? found : null;
};
const present = (field) => field.values.filter((one) => one !== null && one !== undefined && one !== "");
export const isNumeric = (field) => present(field).length > 0 && present(field).every((one) => numeric(one) !== null || ["NaN", "Infinity", "-Infinity"].includes(one));

export const title = (field) => (field.group === "min" || field.group === "max" ? `${field.key} (${say(`cmp_${field.group}`)})` : field.key);

/** A <select> of the fields that fit, in groups. */
export function choose(data, chosen, label, fits = () => true, none = "") {
  const select = document.createElement("select");
  select.setAttribute("aria-label", label);
  if (none) select.append(new Option(none, ""));
  for (const group of GROUPS) {
    const some = data.fields.filter((one) => one.group === group && fits(one));
    if (!some.length) continue;
    const part = document.createElement("optgroup");
    part.label = say(`cmp_group_${group}`);
    part.append(...some.map((one) => new Option(title(one), one.id, false, one.id === chosen)));
    select.append(part);
  }
  return select;
}

/** Where values lie between 0 and 1: {kind, at(value), ticks: [{at, label}], value(at)}. */
export function scale(field, { log = false } = {}) {
  if (!isNumeric(field)) return words(field);
  const values = field.values.map(numeric).filter((one) => one !== null && (!log || one > 0));
  if (!values.length) return words(field);
  let [least, most] = [Math.min(...values), Math.max(...values)];
  if (least === most) [least, most] = log ? [least / 2, most * 2] : [least - (Math.abs(least) || 1) / 2, most + (Math.abs(most) || 1) / 2];
  const [to, back] = log ? [Math.log10, (one) => 10 ** one] : [(one) => one, (one) => one];
  const [low, high] = [to(least), to(most)];
  return {
    kind: log ? "log" : "linear",
    at: (value) => {
      const one = numeric(value);
      return one === null || (log && one <= 0) ? null : (to(one) - low) / (high - low);
    },
    value: (at) => back(low + at * (high - low)),
    ticks: (log ? decades(low, high) : steps(least, most)).map((one) => ({ at: (to(one) - low) / (high - low), label: short(one) })),
  };
}

function words(field) {
  const known = [...new Set(present(field).map(String))].sort((one, other) => one.localeCompare(other, undefined, { numeric: true }));
  const place = new Map(known.map((one, at) => [one, known.length > 1 ? at / (known.length - 1) : 0.5]));
  const every = Math.ceil(known.length / 16);
  return {
    kind: "words",
    words: known,
    at: (value) => (value === null || value === undefined ? null : (place.get(String(value)) ?? null)),
    value: (at) => at,
    ticks: known.filter((_, at) => at % every === 0).map((one) => ({ at: place.get(one), label: cut(one, 18) })),
  };
}

function steps(least, most, wanted = 7) {
  const rough = (most - least) / wanted;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((one) => one * power).find((one) => one >= rough) || power * 10;
  const found = [];
  for (let one = Math.ceil(least / step - 1e-9) * step; one <= most + step * 1e-9 && found.length < 12; one += step) found.push(Number(one.toPrecision(12)));
  return found;
}
function decades(low, high) {
  const found = [];
  const every = Math.max(1, Math.ceil((high - low) / 6));
  for (let one = Math.ceil(low - 1e-9); one <= high + 1e-9; one += every) found.push(10 ** one);
  // Within one decade its ends say more than a single power of ten.
  return found.length > 1 ? found : [10 ** low, 10 ** high];
}
const short = (value) => {
  const size = Math.abs(value);
  const one = Number(value.toPrecision(4));
  return size && (size >= 1e5 || size < 1e-3) ? one.toExponential().replace("e+", "e") : String(one);
};
export const cut = (text, most) => (text.length <= most ? text : `${text.slice(0, (most - 1) >> 1)}…${text.slice(-(most >> 1))}`);
export const told = (value) => (value === null || value === undefined ? "–" : shown(value));
