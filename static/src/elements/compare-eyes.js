// Which of the compared runs are seen, by the eyes of their chips: their columns, rows and lines on every tab. Charts and
// drawings ask for themselves. <compare-live ws kinds slow?> reads the tables anew when one of the runs has logged more.
import htmx from "htmx.org";
import { Bell } from "../series/bell.js";
import { pageOf } from "../series/settings.js";
import { say } from "../wire.js";

const LISTS = "[data-compared]";
/** The part of a page that a list of chips is about: a block of a report, or all of it. */
const partOf = (list) => list.closest("[data-chart-scope]") || document;

/** The runs of a list, each with whether it is seen. Line charts draw the first few where nobody said which, all else draws all. */
function told(list) {
  const first = partOf(list).querySelector("compare-charts") ? undefined : Infinity;
  const page = pageOf(list);
  return [...list.querySelectorAll("li[data-run]")].map((chip, at) => {
    const run = { id: chip.dataset.run, at, going: "going" in chip.dataset };
    return { chip, id: run.id, seen: page.sees(run, first) };
  });
}

function paint(list) {
  const runs = told(list);
  const part = partOf(list);
  const unseen = new Set(runs.filter((run) => !run.seen).map((run) => run.id));
  for (const { chip, seen } of runs) {
    chip.classList.toggle("unseen", !seen);
    chip.querySelector("[data-eye]")?.setAttribute("aria-pressed", String(seen));
  }
  for (const row of part.querySelectorAll(".merged tr[data-run]")) row.classList.toggle("unseen", unseen.has(row.dataset.run));
  for (const table of part.querySelectorAll("table-steps.merged")) table.count();
  for (const head of part.querySelectorAll(".compare-table thead th[data-run]")) {
    const off = unseen.has(head.dataset.run);
    if (!off && !head.closest("table").querySelector(".unseen")) continue;
    for (const { cells } of head.closest("table").rows) if (cells.length > 1) cells[head.cellIndex]?.classList.toggle("unseen", off);
  }
  const note = part === document && document.querySelector("[data-unseen]");
  if (!note) return;
  note.hidden = !unseen.size;
  note.firstElementChild.textContent = unseen.size === 1 ? say("cmp_unseen1") : say("cmp_unseenmany", { count: unseen.size });
}

const all = () => document.querySelectorAll(LISTS);
for (const list of all()) {
  pageOf(list).on((what) => what === "runs" && paint(list.isConnected ? list : document.querySelector(LISTS)));
  paint(list);
}
const again = () => all().forEach(paint);
document.addEventListener("htmx:afterSettle", again);
document.addEventListener("htmx:oobAfterSwap", again);
document.addEventListener("click", (event) => {
  const eye = event.target.closest?.(`${LISTS} [data-eye]`);
  if (eye) pageOf(eye).choose(eye.closest("li").dataset.run, eye.ariaPressed !== "true");
  else if (event.target.closest?.("[data-unseen] button")) pageOf(event.target).look("all");
});

const LONGEST = 20_000;
/** What is read anew has come, or will not. */
const settled = () =>
  new Promise((done) => {
    // The list itself is another one by then.
    const heard = ({ detail }) => detail.requestConfig?.elt.id === "compared" && end();
    const wait = setTimeout(() => end(), LONGEST);
    function end() {
      clearTimeout(wait);
      document.removeEventListener("htmx:afterRequest", heard);
      done();
    }
    document.addEventListener("htmx:afterRequest", heard);
  });

class CompareLive extends HTMLElement {
  connectedCallback() {
    this.bell = new Bell(this.getAttribute("ws"), {
      kinds: this.getAttribute("kinds").split(" "),
      slow: this.hasAttribute("slow"),
      runs: () => [...document.querySelectorAll("#compared li[data-going]")].map((chip) => chip.dataset.run),
      act: () => {
        const over = settled();
        htmx.trigger(document.body, "zaffre-compared");
        return over;
      },
    });
  }
  disconnectedCallback() {
    this.bell.stop();
  }
}
customElements.define("compare-live", CompareLive);
