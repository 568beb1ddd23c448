// From a moment of a run's chart to the lines of its log that were written then.
import { pop, put } from "./popover.js";

/** Lines before the moment and from it on. */
const [BEFORE, AFTER] = [4, 8];
/** Points that are asked for to know when a step was. */
const POINTS = 4000;
const LONGEST = 160;

/** Show them for a place of the axis; `lent`: ask and say of the bundle. */
export async function open(chart, run, x, at, { ask, say }) {
  const api = `/api/v1/workspaces/${encodeURIComponent(chart.getAttribute("ws"))}/runs/${encodeURIComponent(run.id)}`;
  const content = document.createElement("div");
  content.className = "moment";
  const place = pop(at, content, { label: say("momentlog"), back: chart.place });
  const say_ = (text) => content.replaceChildren(Object.assign(document.createElement("p"), { className: "quiet", textContent: text }));
  say_("…");
  try {
    const time = await moment(chart, run, x, api, ask);
    if (time === null) return say_(say("momentunknown"));
    const [before, after] = await Promise.all([ask("GET", `${api}/log/lines?until=${time - 1}&count=${BEFORE}`), ask("GET", `${api}/log/lines?since=${time}&line=1&count=${AFTER}`)]);
    show(content, time, [...rows(before), ...rows(after)], say, `/w/${encodeURIComponent(chart.getAttribute("ws"))}/runs/${encodeURIComponent(run.id)}/outputs`);
    put(place, at);
    content.querySelector("a")?.focus();
  } catch (error) {
    say_(error.message);
  }
}

/** When it was, in ms since 1970: what the axis says, else when the nearest point was logged. */
async function moment(chart, run, x, api, ask) {
  const line = (chart.detail || chart.whole).get(run.id);
  if (!chart.overMetric && chart.axis === "time") return Math.round(x);
  if (!chart.overMetric && chart.axis === "relative") return Math.round(x + line.origin);
  const told = (await ask("GET", `${api}/series?${new URLSearchParams({ key: chart.metric, points: POINTS })}`)).series[chart.metric];
  if (!told?.step.length) return null;
  const step = chart.overMetric ? chart.stepAt(x) : x;
  let best = 0;
  told.step.forEach((one, index) => Math.abs(one - step) < Math.abs(told.step[best] - step) && (best = index));
  return told.time[best];
}

const rows = (told) => told.lines.slice(0, BEFORE + AFTER).map((text, at) => ({ number: told.numbers[at], text, time: told.times[at], error: told.streams[at] === "e" }));

function show(content, time, lines, say, outputs) {
  const head = document.createElement("p");
  head.append(Object.assign(document.createElement("b"), { textContent: `${say("momentlog")} · ${new Date(time).toLocaleTimeString(document.documentElement.lang)}` }));
  if (!lines.length) {
    content.replaceChildren(head, Object.assign(document.createElement("p"), { className: "quiet", textContent: say("momentnone") }));
    return;
  }
  const first = lines.find((one) => one.time >= time) || lines.at(-1);
  const list = document.createElement("ol");
  list.className = "moment-lines mono";
  for (const one of lines) {
    const item = document.createElement("li");
    if (one === first) item.className = "now";
    if (one.error) item.classList.add("bad-text");
    const number = Object.assign(document.createElement("a"), { href: `${outputs}#L${one.number}`, textContent: one.number });
    number.setAttribute("aria-label", say("momentline", { number: one.number }));
    const plain = one.text.replace(/\x1b\[[0-9;]*[A-Za-z]/g, ""); // colours are of the log itself
    item.append(number, ` ${plain.length > LONGEST ? `${plain.slice(0, LONGEST)}…` : plain}`);
    list.append(item);
  }
  const link = Object.assign(document.createElement("a"), { className: "link", href: `${outputs}#L${first.number}`, textContent: say("momentopen", { number: first.number }) });
  content.replaceChildren(head, list, link);
}
