// What the drawings of a comparison share: data, settings in the address, hints, the same as a table, downloads.
import { ask, lend, say } from "./host.js";
import * as box from "./box.js";
import { only, read, title, told } from "./fields.js";
import * as parallel from "./parallel.js";
import * as scatter from "./scatter.js";
import { el, saveCsv, savePng, saveSvg } from "./svg.js";

const KINDS = { parallel, scatter, box };

/** Settings as words of an address: the page's own, or those of a report, which a reader's changes leave alone.

`own` may name one word of the address that holds all of them. */
class State {
  constructor(host, changed) {
    this.own = host.hasAttribute("own");
    this.word = host.getAttribute("own") || "";
    this.changed = changed;
    this.words = this.own ? this.read() : new URLSearchParams(new URL(host.getAttribute("src"), location).search);
  }
  read() {
    const asked = new URLSearchParams(location.search);
    return this.word ? new URLSearchParams(asked.get(this.word) || "") : asked;
  }
  keep() {
    const asked = new URLSearchParams(location.search);
    if (String(this.words)) asked.set(this.word, this.words);
    else asked.delete(this.word);
    history.replaceState(history.state, "", `?${this.word ? asked : this.words}`);
  }
  get(name) {
    return this.words.getAll(name).at(-1) || "";
  }
  all(name) {
    return this.words.getAll(name);
  }
  set(changes) {
    if (this.own) this.words = this.read();
    for (const [name, value] of Object.entries(changes)) {
      this.words.delete(name);
      for (const one of Array.isArray(value) ? value : value ? [value] : []) this.words.append(name, one);
    }
    if (this.own) this.keep();
    this.changed();
  }
}

export { lend };

export class Plot {
  /** `sees(run)` says which runs are drawn; `look` is to be called when that changed, `load` when they have more. */
  constructor(host, sees) {
    this.host = host;
    this.sees = sees;
    this.kind = host.getAttribute("kind");
    this.state = new State(host, () => this.draw());
    this.controls = made("div", "compare-tools");
    this.place = made("div", "plot-place");
    this.note = made("p", "quiet plot-note");
    this.note.setAttribute("role", "status");
    this.words = made("details", "as-table");
    this.hint = made("div", "plot-hint");
    this.hint.hidden = true;
    host.replaceChildren(this.controls, this.place, this.note, this.downloads(), this.words, this.hint);
    const summary = document.createElement("summary");
    summary.textContent = say("cmp_astable");
    this.words.append(summary);
    this.words.addEventListener("toggle", () => this.words.open && this.fill());
    this.size = new ResizeObserver(() => this.width !== this.drawnAt && this.draw());
    this.size.observe(this.place);
    this.themes = matchMedia("(prefers-color-scheme: dark)");
    this.repaint = () => this.draw();
    this.themes.addEventListener("change", this.repaint);
    this.rung = () => this.load();
    document.body.addEventListener("zaffre-runs", this.rung);
  }
  /** The runs that go on, as far as is known. */
  get going() {
    return (this.answer?.runs || []).filter((run) => !run.final).map((run) => run.id);
  }
  stop() {
    this.size.disconnect();
    this.themes.removeEventListener("change", this.repaint);
    document.body.removeEventListener("zaffre-runs", this.rung);
  }

  get width() {
    return Math.max(280, this.place.clientWidth);
  }

  async load() {
    const mine = (this.asked = (this.asked || 0) + 1);
    try {
      const answer = await ask("GET", this.host.getAttribute("src"));
      if (mine !== this.asked || !this.host.isConnected) return;
      const text = JSON.stringify(answer);
      if (text === this.known) return;
      this.known = text;
      this.answer = answer;
      this.look();
    } catch (error) {
      // What is drawn stays; there may be no more of it than this.
      this.note.textContent = error.message;
    }
  }

  /** Of what is known draw the runs that are to be seen. */
  look() {
    if (!this.answer) return;
    this.data = read(only(this.answer, this.sees));
    if (this.data.runs.length) return this.draw();
    this.rows = null;
    this.controls.replaceChildren();
    this.place.replaceChildren();
    this.words.querySelector(".scroll")?.remove();
    this.host.dataset.marks = 0;
    this.note.textContent = say("cmp_unseen");
  }
  draw() {
    // Nobody's hand is on it: what came meanwhile is drawn when the hand has gone.
    if (this.busy || !this.data?.runs.length) return;
    const focused = this.host.contains(document.activeElement) ? document.activeElement.getAttribute("aria-label") : null;
    const at = this.place.scrollLeft;
    this.drawnAt = this.width;
    this.hint.hidden = true;
    KINDS[this.kind].draw(this);
    this.place.scrollLeft = at;
    this.host.dataset.marks = this.place.querySelectorAll("[data-run]").length;
    if (this.focus) this.place.querySelector(`[data-axis="${CSS.escape(this.focus)}"]`)?.focus();
    else if (focused) this.host.querySelector(`[aria-label="${CSS.escape(focused)}"]`)?.focus();
    this.focus = null;
  }

  /** Marks that lead to their run and tell what it is under a pointer. The table has the same for the keyboard. */
  link(run, marks, facts) {
    const link = el("a", { href: `${this.host.getAttribute("runs")}/${encodeURIComponent(run.id)}`, tabindex: -1, class: "mark", "aria-label": [run.name, ...facts.map(([key, value]) => `${key} ${told(value)}`)].join(", ") }, ...marks);
    link.addEventListener("pointerenter", (event) => this.tell(run, facts, event));
    link.addEventListener("pointermove", (event) => this.tell(run, facts, event));
    link.addEventListener("pointerleave", () => (this.hint.hidden = true));
    return link;
  }

  tell(run, facts, event) {
    if (this.busy) return;
    const list = document.createElement("dl");
    for (const [key, value] of facts) {
      const [name, what] = [document.createElement("dt"), document.createElement("dd")];
      name.textContent = key;
      what.textContent = told(value);
      list.append(name, what);
    }
    const name = document.createElement("b");
    name.textContent = run.name;
    this.hint.replaceChildren(name, list);
    this.hint.hidden = false;
    const around = this.host.getBoundingClientRect();
    const left = Math.min(event.clientX - around.left + 14, around.width - this.hint.offsetWidth - 4);
    this.hint.style.left = `${Math.max(0, left)}px`;
    this.hint.style.top = `${event.clientY - around.top + 14}px`;
  }

  /** A sentence below the drawing; `chosen` are the places of runs that could be looked at alone. */
  said(words, chosen) {
    this.note.textContent = words;
    if (!chosen || chosen.length < 2 || !this.state.own) return;
    if (this.host.hasAttribute("selects")) {
      const button = Object.assign(made("button", "btn s"), { type: "button", textContent: say("cmp_select", { count: chosen.length }) });
      const runs = chosen.map((at) => this.data.runs[at].id);
      button.addEventListener("click", () => this.host.dispatchEvent(new CustomEvent("plot-chosen", { bubbles: true, detail: { runs } })));
      return void this.note.append(" ", button);
    }
    const link = document.createElement("a");
    link.className = "link";
    const kept = new URLSearchParams(location.search);
    kept.delete("run");
    kept.delete("brush");
    for (const at of chosen) kept.append("run", this.data.runs[at].id);
    link.href = `?${kept}`;
    link.textContent = say("cmp_onlythese", { count: chosen.length });
    this.note.append(" ", link);
  }

  table(fields, places) {
    this.rows = { fields, places };
    if (this.words.open) this.fill();
  }

  fill() {
    if (!this.rows) return;
    const { fields, places } = this.rows;
    const table = document.createElement("table");
    const head = table.createTHead().insertRow();
    for (const words of [say("cmp_run"), ...fields.map(title)]) {
      const cell = made("th", words === say("cmp_run") ? "" : "n");
      cell.scope = "col";
      cell.textContent = words;
      head.append(cell);
    }
    const body = table.createTBody();
    for (const at of places) {
      const run = this.data.runs[at];
      const row = body.insertRow();
      const link = document.createElement("a");
      link.className = "name";
      link.href = `${this.host.getAttribute("runs")}/${encodeURIComponent(run.id)}`;
      link.textContent = run.name;
      row.insertCell().append(made("i", `dot-${run.colour}`), link);
      for (const field of fields) {
        const cell = row.insertCell();
        cell.className = "n";
        cell.textContent = told(field.values[at]);
        cell.title = String(field.values[at] ?? "");
      }
    }
    const around = made("div", "scroll");
    around.append(table);
    this.words.querySelector(".scroll")?.remove();
    this.words.append(around);
  }

  downloads() {
    const row = made("div", "row plot-downloads");
    const name = `compare-${this.kind}`;
    const cells = () => [["run", "id", ...this.rows.fields.map((one) => one.id)], ...this.rows.places.map((at) => [this.data.runs[at].name, this.data.runs[at].id, ...this.rows.fields.map((one) => one.values[at])])];
    const offered = [["PNG", () => savePng(this.place.querySelector("svg"), name)], ["SVG", () => saveSvg(this.place.querySelector("svg"), name)], ["CSV", () => saveCsv(cells(), name)]];
    for (const [words, act] of offered) {
      const button = made("button", "btn s");
      Object.assign(button, { type: "button", textContent: words, title: say("cmp_download", { kind: words }) });
      button.addEventListener("click", () => this.rows && act());
      row.append(button);
    }
    return row;
  }

  labelled(words, control) {
    const label = made("label", "pick");
    const name = document.createElement("span");
    name.textContent = words;
    label.append(name, control);
    return label;
  }
  changing(select, name) {
    select.addEventListener("change", () => this.state.set({ [name]: select.value }));
    return select;
  }
  check(words, on, act, of) {
    const label = made("label", "check");
    const check = Object.assign(document.createElement("input"), { type: "checkbox", checked: on });
    check.setAttribute("aria-label", `${of}: ${words}`);
    check.addEventListener("change", () => act(check.checked));
    label.append(check, ` ${words}`);
    return label;
  }
}

function made(name, classes) {
  const element = document.createElement(name);
  if (classes) element.className = classes;
  return element;
}
