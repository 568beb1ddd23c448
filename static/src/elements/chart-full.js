// One chart over the whole window, asked for by any <series-chart>: ← → the next one, ↑ ↓ the next section, Esc back.
import { say } from "../wire.js";

let dialog = null;
let shown = null;

const charts = () => [...document.querySelectorAll("main series-chart")].filter((one) => !one.hasAttribute("full") && one.offsetParent);
const sectionOf = (chart) => chart.closest("details") || document.body;

function build() {
  dialog = document.createElement("dialog");
  dialog.className = "chart-full";
  dialog.setAttribute("aria-label", say("chartfull"));
  const head = document.createElement("header");
  const count = document.createElement("span");
  count.className = "quiet num";
  const tool = (text, name, act) => {
    const made = document.createElement("button");
    Object.assign(made, { type: "button", className: "btn s", textContent: text, title: name });
    made.setAttribute("aria-label", name);
    made.addEventListener("click", act);
    return made;
  };
  head.append(count, tool("←", say("chartbefore"), () => move(-1)), tool("→", say("chartnext"), () => move(1)), tool("×", say("chartclose"), () => dialog.close()));
  const body = document.createElement("div");
  dialog.append(head, body);
  Object.assign(dialog, { count, body });
  dialog.addEventListener("keydown", (event) => {
    if (event.target.closest("input, select, textarea") || event.ctrlKey || event.metaKey || event.altKey || event.shiftKey) return;
    const act = { ArrowLeft: () => move(-1), ArrowRight: () => move(1), ArrowUp: () => leap(-1), ArrowDown: () => leap(1) }[event.key];
    if (!act) return;
    event.preventDefault();
    act();
  });
  dialog.addEventListener("close", () => {
    body.replaceChildren();
    shown?.querySelector(".chart-place:not([hidden])")?.focus();
  });
  document.body.append(dialog);
}

function show(chart) {
  shown = chart;
  const all = charts();
  dialog.count.textContent = `${all.indexOf(chart) + 1} / ${all.length}`;
  const big = document.createElement("series-chart");
  for (const name of ["ws", "metric", "runs", "empty", "description"]) if (chart.hasAttribute(name)) big.setAttribute(name, chart.getAttribute(name));
  big.page = chart.page;
  big.setAttribute("full", "");
  big.setAttribute("height", Math.max(240, window.innerHeight - 220));
  dialog.body.replaceChildren(big);
  if (!dialog.open) dialog.showModal();
  big.querySelector(".chart-place")?.focus();
}
function move(way) {
  const all = charts();
  const next = all[(all.indexOf(shown) + way + all.length) % all.length];
  if (next) show(next);
}
/** To the first chart of the section before or after. */
function leap(way) {
  const all = charts();
  const sections = [...new Set(all.map(sectionOf))];
  const next = sections[(sections.indexOf(sectionOf(shown)) + way + sections.length) % sections.length];
  const first = all.find((one) => sectionOf(one) === next);
  if (first) show(first);
}

document.addEventListener("zaffre-full", (event) => {
  if (event.target.hasAttribute("full")) return dialog.close();
  if (!dialog) build();
  return show(event.target);
});
