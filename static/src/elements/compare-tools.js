// Around the tables of a comparison: rows that fit, the next difference, one more run, the steps of pictures.
import { ask, say } from "../wire.js";

const here = () => new URLSearchParams(location.search);
function remember(changes) {
  const words = here();
  for (const [name, value] of Object.entries(changes)) {
    words.delete(name);
    if (value) words.set(name, value);
  }
  history.replaceState(history.state, "", `?${words}`);
}

/** <compare-tools table="id of the tbody">: a switch for differences, a search over rows, a way through differences. */
class CompareTools extends HTMLElement {
  connectedCallback() {
    this.only = this.querySelector("[data-only]");
    this.search = this.querySelector("[data-search]");
    this.only.addEventListener("change", () => {
      remember({ only: this.only.checked ? "1" : "" });
      this.apply();
    });
    this.search.addEventListener("input", () => {
      remember({ find: this.search.value });
      this.apply();
    });
    for (const button of this.querySelectorAll("[data-step]")) button.addEventListener("click", () => this.step(Number(button.dataset.step)));
    this.keys = (event) => {
      if (event.ctrlKey || event.metaKey || event.altKey || event.target.closest?.("input,textarea,select") || document.querySelector("dialog[open]")) return;
      if (event.key === "n") this.step(1);
      else if (event.key === "p") this.step(-1);
    };
    // What was read anew is shown as what was there before.
    this.swapped = () => this.apply();
    document.addEventListener("keydown", this.keys);
    document.addEventListener("htmx:afterSettle", this.swapped);
    document.addEventListener("htmx:oobAfterSwap", this.swapped);
    this.apply();
  }
  disconnectedCallback() {
    document.removeEventListener("keydown", this.keys);
    document.removeEventListener("htmx:afterSettle", this.swapped);
    document.removeEventListener("htmx:oobAfterSwap", this.swapped);
  }

  get rows() {
    return [...(document.getElementById(this.getAttribute("table"))?.rows || [])];
  }

  apply() {
    const fits = this.pattern();
    let [part, inPart, shown, differing] = [null, 0, 0, 0];
    for (const row of this.rows) {
      if (row.classList.contains("part")) {
        if (part) part.hidden = !inPart;
        [part, inPart] = [row, 0];
        continue;
      }
      const differs = row.classList.contains("differs");
      row.hidden = (this.only.checked && !differs) || !fits(row);
      if (row.dataset.key === this.at) row.dataset.at = "";
      if (row.hidden) continue;
      inPart += 1;
      shown += 1;
      differing += differs;
    }
    if (part) part.hidden = !inPart;
    this.querySelector("[data-count]").textContent = say("cmp_rows", { count: shown, differ: differing });
  }

  pattern() {
    const text = this.search.value.trim();
    this.search.removeAttribute("aria-invalid");
    if (!text) return () => true;
    const words = (row) => `${row.dataset.key} ${row.textContent}`;
    try {
      const wanted = new RegExp(text, "iu");
      return (row) => wanted.test(row.dataset.key) || wanted.test(words(row));
    } catch {
      // No expression, or not yet: the words themselves.
      this.search.setAttribute("aria-invalid", "true");
      return (row) => words(row).toLowerCase().includes(text.toLowerCase());
    }
  }

  step(by) {
    const all = this.rows.filter((row) => !row.hidden && row.classList.contains("differs"));
    if (!all.length) return;
    const now = all.findIndex((row) => row.dataset.key === this.at);
    const next = all[now < 0 ? (by > 0 ? 0 : all.length - 1) : (now + by + all.length) % all.length];
    for (const row of this.rows) delete row.dataset.at;
    this.at = next.dataset.key;
    next.dataset.at = "";
    next.scrollIntoView({ block: "center" });
  }
}

/** <compare-add search="JSON of runs">: its box finds runs by name; one that is chosen joins the comparison. */
class CompareAdd extends HTMLElement {
  connectedCallback() {
    this.box = this.querySelector("input");
    this.list = this.querySelector("[role=listbox]");
    this.box.addEventListener("input", () => {
      clearTimeout(this.wait);
      this.wait = setTimeout(() => this.find(), 150);
    });
    this.box.addEventListener("focus", () => this.find());
    this.box.addEventListener("keydown", (event) => this.key(event));
    this.box.addEventListener("blur", () => setTimeout(() => this.close(), 150));
    // The form was made with the page; switches that were moved since are in the address.
    this.closest("form")?.addEventListener("submit", (event) => {
      const form = event.target;
      for (const held of form.querySelectorAll("input[type=hidden]:not([name=run])")) held.remove();
      for (const [name, value] of here()) {
        if (["run", "add", "drop"].includes(name)) continue;
        const kept = Object.assign(document.createElement("input"), { type: "hidden", name, value });
        form.prepend(kept);
      }
    });
  }

  async find() {
    const mine = (this.asked = (this.asked || 0) + 1);
    const there = new Set(here().getAll("run"));
    try {
      const { runs } = await ask("GET", `${this.getAttribute("search")}?limit=20&q=${encodeURIComponent(this.box.value.trim())}`);
      if (mine === this.asked) this.show(runs.filter((run) => !there.has(run.id)).slice(0, 8));
    } catch {
      this.close();
    }
  }

  show(runs) {
    this.list.replaceChildren(
      ...runs.map((run, at) => {
        const item = document.createElement("li");
        item.id = `add-${at}`;
        item.setAttribute("role", "option");
        item.setAttribute("aria-selected", "false");
        const name = document.createElement("span");
        name.textContent = run.name;
        const where = document.createElement("span");
        where.className = "quiet";
        where.textContent = `${run.experiment} #${run.number}`;
        item.append(name, where);
        item.addEventListener("pointerdown", (event) => {
          event.preventDefault();
          this.take(run.id);
        });
        item.dataset.run = run.id;
        return item;
      }),
    );
    this.list.hidden = !runs.length || document.activeElement !== this.box;
    this.box.setAttribute("aria-expanded", String(!this.list.hidden));
    this.box.removeAttribute("aria-activedescendant");
  }

  key(event) {
    const all = [...this.list.children];
    const now = all.findIndex((one) => one.getAttribute("aria-selected") === "true");
    const by = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (by && all.length && !this.list.hidden) {
      event.preventDefault();
      const next = (now + by + all.length) % all.length;
      for (const [at, one] of all.entries()) one.setAttribute("aria-selected", String(at === next));
      this.box.setAttribute("aria-activedescendant", all[next].id);
    } else if (event.key === "Enter" && now >= 0 && !this.list.hidden) {
      event.preventDefault();
      this.take(all[now].dataset.run);
    } else if (event.key === "Escape" && !this.list.hidden) {
      event.stopPropagation();
      this.close();
    }
  }

  take(run) {
    this.box.value = run;
    this.close();
    this.closest("form").requestSubmit();
  }
  close() {
    this.list.hidden = true;
    this.box.setAttribute("aria-expanded", "false");
  }
}

/** Where sliders of steps were put, by their names: a part of the page that is read anew finds them so. */
const moved = new Map();

/** <compare-steps>: its slider shows the pictures of a row at a step, or the last before it. */
class CompareSteps extends HTMLElement {
  connectedCallback() {
    const slider = this.querySelector("input[type=range]");
    if (!slider) return;
    const steps = JSON.parse(slider.dataset.steps);
    const show = () => {
      const wanted = steps[slider.value];
      this.querySelector("output").textContent = `${say("step")} ${wanted}`;
      slider.setAttribute("aria-valuetext", `${say("step")} ${wanted}`);
      for (const link of this.closest("tr").querySelectorAll("a[data-all]")) {
        const all = JSON.parse(link.dataset.all);
        const [step, path] = all.findLast(([one]) => one === null || one <= wanted) || all[0];
        const source = link.dataset.root + path.split("/").map(encodeURIComponent).join("/");
        link.href = source;
        if (link.firstElementChild.getAttribute("src") !== source) link.firstElementChild.src = source;
        const told = link.parentElement.querySelector("[data-step]");
        if (told && step !== null) told.textContent = `${say("step")} ${step}`;
      }
    };
    this.querySelector("output").textContent = `${say("step")} ${steps.at(-1)}`;
    slidden(this.closest("tr"), slider, steps, show);
  }
}

/** <table-steps>: its slider shows the rows of a step, of each run those of the last step up to it; at its end all rows. */
class TableSteps extends HTMLElement {
  connectedCallback() {
    const slider = this.querySelector("input[type=range]");
    if (!slider) return;
    const steps = JSON.parse(slider.dataset.steps);
    const output = this.querySelector("output");
    const rows = [...this.querySelectorAll("tbody tr")];
    const show = () => {
      const wanted = steps[slider.value];
      output.textContent = wanted === undefined ? output.dataset.all : `${say("step")} ${wanted}`;
      slider.setAttribute("aria-valuetext", output.textContent);
      const last = new Map();
      for (const { dataset } of rows) if (dataset.step !== "" && Number(dataset.step) <= wanted) last.set(dataset.run, Math.max(last.get(dataset.run) ?? -Infinity, Number(dataset.step)));
      for (const row of rows) row.hidden = wanted !== undefined && (row.dataset.step === "" || Number(row.dataset.step) !== last.get(row.dataset.run));
      this.count();
    };
    slidden(this, slider, steps, show);
  }
  /** Say how many rows are seen: those of the step, of runs that are not hidden (compare-eyes.js). */
  count() {
    const count = this.querySelectorAll("tbody tr:not([hidden], .unseen)").length;
    this.querySelector("h2 em").textContent = count === 1 ? say("cmp_seenrow") : say("cmp_seenrows", { count });
  }
}

/** `show` what a slider says when it is moved, and where it was left before this part of the page was read anew. */
function slidden(part, slider, steps, show) {
  const keep = () => {
    const end = slider.value === slider.max;
    if (end) moved.delete(slider.dataset.name);
    else moved.set(slider.dataset.name, steps[slider.value]);
    show();
  };
  slider.addEventListener("input", keep);
  byKeys(part, slider, keep);
  const at = steps.indexOf(moved.get(slider.dataset.name));
  if (at < 0) return;
  slider.value = at;
  show();
}

/** Ctrl or ⌘ with the arrows moves a slider of steps, wherever the focus is in its part of the page. */
function byKeys(part, slider, show) {
  part.addEventListener("keydown", (event) => {
    const by = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (!by || !(event.ctrlKey || event.metaKey)) return;
    event.preventDefault();
    slider.value = Number(slider.value) + by;
    show();
  });
}

/** <compare-charts>: gives its <chart-board> the metrics that are there, and those that come while the page is open. */
class CompareCharts extends HTMLElement {
  connectedCallback() {
    this.take = () => {
      const keys = JSON.parse(this.querySelector("[data-keys]")?.dataset.keys || "[]");
      this.querySelector("chart-board").hold(Object.fromEntries(keys.map((key) => [key, { kind: "list" }])), 0);
    };
    document.addEventListener("htmx:oobAfterSwap", this.take);
    this.take();
  }
  disconnectedCallback() {
    document.removeEventListener("htmx:oobAfterSwap", this.take);
  }
}

// Nobody looks at a page that is hidden: it asks again when it is shown.
document.addEventListener("htmx:beforeRequest", (event) => {
  if (event.target.id === "compared" && document.hidden) event.preventDefault();
});

// Tabs keep the switches that were moved since the page came, and a report is saved of what is seen now.
document.addEventListener("click", (event) => {
  const tab = event.target.closest?.("nav.tabs[data-here] a");
  if (!tab) return;
  const words = here();
  words.set("tab", new URL(tab.href).searchParams.get("tab"));
  words.delete("from");
  tab.href = `?${words}`;
});
document.addEventListener("submit", (event) => {
  const now = event.target.querySelector?.("input[data-here]");
  if (now) now.value = location.search.slice(1);
});

customElements.define("compare-tools", CompareTools);
customElements.define("compare-add", CompareAdd);
customElements.define("compare-steps", CompareSteps);
customElements.define("table-steps", TableSteps);
customElements.define("compare-charts", CompareCharts);
