// <merged-log url="…/log/merged" ws>: the logs of a run and of those below it as one, ordered by time.
//
// Where it stands is an offset in each log, which the studio tells and takes back: what is written meanwhile is asked for
// every second and a half, from there on.
import { ask, say } from "../wire.js";
import { Colours } from "./log-ansi.js";
import { hitItem, tally, wordsOf } from "./log-hits.js";
import { CLOCK, Rows } from "./log-rows.js";

const PAGE = 300;
const MOST = 3000;
const PAUSE = 1500;
const INKS = ["blue", "magenta", "cyan", "yellow", "green", "red", "white"];

class MergedLog extends HTMLElement {
  connectedCallback() {
    if (this.pane) return;
    this.hidden_ = new Set();
    this.rows = new Rows(this);
    this.rows.when ||= CLOCK;
    this.card = this.closest("[data-merged]");
    this.list = this.card.querySelector("[data-sources]");
    this.form = this.card.querySelector("[data-search]");
    this.note = this.card.querySelector("[data-hits]");
    this.found = this.card.querySelector("[data-found]");
    this.pane = document.createElement("div");
    Object.assign(this.pane, { className: "lines", tabIndex: 0 });
    this.pane.setAttribute("role", "log");
    this.pane.setAttribute("aria-live", "off");
    this.pane.setAttribute("aria-label", say("log"));
    this.button = document.createElement("button");
    Object.assign(this.button, { type: "button", className: "btn s to-end", hidden: true, textContent: say("toend0") });
    this.append(this.pane, this.button);
    this.follow = true;
    this.pane.addEventListener("scroll", () => this.scrolled());
    this.button.addEventListener("click", () => this.start());
    this.list.addEventListener("change", ({ target }) => {
      if (target.checked) this.hidden_.delete(target.value);
      else this.hidden_.add(target.value);
      this.start();
    });
    this.form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.search();
    });
    this.start();
  }
  disconnectedCallback() {
    clearTimeout(this.asking);
  }

  /** The runs that are shown, as the studio wants them; empty = all. */
  get only() {
    if (!this.hidden_.size) return {};
    const shown = this.sources.filter((one) => !this.hidden_.has(one.run)).map((one) => one.run);
    return { only: shown.join(",") || "none" };
  }
  read(words = {}) {
    return ask("GET", `${this.getAttribute("url")}?${new URLSearchParams({ count: PAGE, ...this.only, ...words })}`);
  }
  async start() {
    clearTimeout(this.asking);
    this.turn = (this.turn || 0) + 1;
    this.follow = true;
    const told = await this.read().catch(() => null);
    if (!told) return void (this.pane.textContent = say("away"));
    if (!this.hidden_.size) this.name(told.sources);
    Object.assign(this, { next: told.next, previous: told.previous });
    this.pane.replaceChildren(...this.made(told));
    if (!told.lines.length) this.pane.textContent = say(told.live ? "nolog" : "logended");
    this.bottom();
    this.ask_(told.live);
  }
  /** What is written meanwhile. */
  ask_(live) {
    const turn = this.turn;
    if (!live) return;
    this.asking = setTimeout(async () => {
      const told = document.hidden ? null : await this.read({ after: this.next || "0:0" }).catch(() => null);
      if (turn !== this.turn) return;
      if (told) {
        this.next = told.next;
        if (!this.hidden_.size) this.name(told.sources);
        if (told.lines.length && !this.pane.querySelector(".line")) this.pane.replaceChildren();
        this.pane.append(...this.made(told));
        if (this.follow) {
          for (let over = this.pane.childElementCount - MOST; over > 0; over -= 1) this.pane.firstElementChild.remove();
          this.bottom();
        } else this.button.hidden = !told.lines.length && this.button.hidden;
      }
      this.ask_(told ? told.live : true);
    }, PAUSE);
  }
  async earlier() {
    if (this.reading || !this.previous) return;
    this.reading = true;
    const turn = this.turn;
    const told = await this.read({ before: this.previous }).catch(() => null);
    this.reading = false;
    if (!told || turn !== this.turn) return;
    this.previous = told.previous;
    const before = this.pane.scrollHeight;
    this.pane.prepend(...this.made(told));
    this.pane.scrollTop += this.pane.scrollHeight - before;
  }

  // --- the runs ------------------------------------------------------------------------------------
  /** A box for each run, which shows and hides its lines. */
  name(sources) {
    if (this.sources?.length === sources.length) return;
    this.sources = sources;
    this.inks = new Map(sources.map((one, at) => [one.run, INKS[at % INKS.length]]));
    this.list.replaceChildren(
      ...sources.map((one) => {
        const label = document.createElement("label");
        const box = document.createElement("input");
        Object.assign(box, { type: "checkbox", checked: !this.hidden_.has(one.run), value: one.run });
        label.append(box, this.prefix(one));
        return label;
      }),
    );
  }
  prefix(source) {
    const mark = document.createElement("b");
    Object.assign(mark, { textContent: source.name, title: source.name, className: `ink-${this.inks.get(source.run)}` });
    return mark;
  }
  place(source, line) {
    return `/w/${this.getAttribute("ws")}/runs/${source.run}/outputs?attempt=${source.attempt}#L${line}`;
  }
  made(told) {
    return told.lines.map((line) => {
      const source = told.sources[line.source];
      const row = this.rows.row({ ...line, number: line.line }, new Colours());
      row.querySelector("a").href = this.place(source, line.line);
      row.prepend(this.prefix(source));
      return row;
    });
  }

  bottom() {
    this.pane.scrollTop = this.pane.scrollHeight;
    this.button.hidden = true;
  }
  scrolled() {
    const { scrollTop, scrollHeight, clientHeight } = this.pane;
    this.follow = scrollHeight - scrollTop - clientHeight < 24;
    if (this.follow) this.button.hidden = true;
    else if (scrollTop < 200) this.earlier();
  }

  // --- search --------------------------------------------------------------------------------------
  async search() {
    const words = wordsOf(this.form);
    this.found.replaceChildren();
    this.found.hidden = true;
    if (!words.q) return void (this.note.textContent = "");
    this.note.textContent = say("searching");
    try {
      const told = await ask("GET", `${this.getAttribute("url")}/search?${new URLSearchParams({ ...words, ...this.only })}`);
      this.note.textContent = tally(told);
      this.found.append(...told.hits.map((hit) => this.hit(hit, told.sources[hit.source])));
      this.found.hidden = !told.hits.length;
    } catch (error) {
      this.note.textContent = error.message;
    }
  }
  /** A hit is a link to the line in its own log. */
  hit(hit, source) {
    return hitItem(hit, this.place(source, hit.line), Object.assign(document.createElement("i"), { textContent: source.name }));
  }
}
customElements.define("merged-log", MergedLog);
