// The window of lines that a log view has in the page: read further while one scrolls, kept small, either end up.
import { ask, bytes, say } from "../wire.js";
import { facts } from "./log-rows.js";

export const PAGE = 500;
export const MOST = 3000; // lines in the page

/** For <log-view>, which has `rows`, `sift`, `gap`, `picked` and knows how many lines have `ended`. */
export class LogWindow extends HTMLElement {
  // --- reading -------------------------------------------------------------------------------------
  /** `name` is `lines` or `search`: attributes of the view, which say where to ask. */
  address(name, facts = {}) {
    const attempt = this.getAttribute("attempt");
    const words = new URLSearchParams({ ...facts, ...this.sift.words, ...(attempt ? { attempt } : {}) });
    return `${this.getAttribute(name)}?${words}`;
  }
  /** Lines; of a large file they are counted first, which takes several questions. */
  async read(facts) {
    for (;;) {
      const told = await ask("GET", this.address("lines", facts));
      if (!told.counting) return told;
      if (!this.isConnected) throw new Error(say("away"));
      this.note(say("counting", { done: bytes(told.counting.done), size: bytes(told.counting.size) }));
    }
  }
  note(text) {
    const place = this.closest(".card")?.querySelector("[data-lines]");
    if (place) place.textContent = text;
  }

  /** Why there is no line. */
  get nothing() {
    if (this.file !== null) return say("emptyfile");
    return say(this.run?.done || this.hasAttribute("over") ? "logended" : "nolog");
  }
  replace(told) {
    this.pane.replaceChildren();
    this.first = told.numbers ? (told.numbers[0] ?? 1) : told.first;
    this.last = this.first - 1;
    this.previous = told.previous ?? null;
    this.rows.colours.reset();
    this.append_(told);
    if (!told.total) this.pane.textContent = this.nothing;
    else if (told.numbers && !told.numbers.length && told.previous == null && told.next == null) this.pane.textContent = say("nosift");
  }
  append_(told) {
    const rows = this.made(told).filter((row) => Number(row.dataset.line) > this.last || row.className === "gap");
    if (rows.length && !this.line(this.last)) this.empty();
    this.pane.append(...rows);
    const last = told.numbers ? told.numbers.at(-1) ?? 0 : told.first + told.lines.length - 1;
    this.last = Math.max(this.last, last);
    this.next = told.next ?? null;
  }
  /** Take away the words that stand where there are no lines. */
  empty() {
    if (!this.pane.querySelector(".line")) this.pane.replaceChildren();
  }
  made(told) {
    const rows = facts(told).map((fact) => this.row(fact));
    if (told.numbers) return rows;
    this.gap = told.gap;
    if (told.gap && told.first + told.lines.length - 1 === told.gap.line && told.first <= told.gap.line) rows.push(this.hole());
    return rows;
  }
  hole() {
    const row = document.createElement("div");
    row.className = "gap";
    row.textContent = say(this.gap.counted ? "leftout" : "leftoutuncounted", { size: bytes(this.gap.size) });
    return row;
  }

  row(fact) {
    const row = this.rows.row(fact);
    if (this.picked && fact.number >= this.picked[0] && fact.number <= this.picked[1]) row.classList.add("picked");
    return row;
  }
  line(number) {
    return this.pane.querySelector(`[data-line="${number}"]`);
  }

  /** Lines of the page's window end where the log does. */
  get atEnd() {
    // A log's line without an end comes over the socket, that of a file is read like every other one.
    return this.sift.on ? this.next === null : this.last >= (this.file === null ? this.ended : this.total);
  }
  async later() {
    if (this.reading || this.atEnd) return;
    this.reading = true;
    try {
      const line = this.sift.on ? this.next : this.gap?.line === this.last ? this.gap.next : this.last + 1;
      const told = await this.read({ line, count: PAGE });
      this.append_(told);
      this.trim(false);
      this.settle();
    } finally {
      this.reading = false;
    }
    await this.fill();
  }
  /** A pane that is not full cannot be scrolled for more. */
  async fill() {
    if (!this.follow && this.pane.clientHeight && this.isLow()) await this.later();
  }
  async earlier() {
    if (this.reading || (this.sift.on ? this.previous === null : this.first <= 1)) return;
    this.reading = true;
    try {
      if (this.sift.on) return await this.earlierKept();
      const over = this.gap && this.first === this.gap.next && this.first > this.gap.line;
      const until = over ? this.gap.line : this.first - 1;
      const least = this.gap && !over && this.first > this.gap.next ? this.gap.next : 1;
      const from = Math.max(least, until - PAGE + 1);
      const rows = [];
      // Long lines come in several answers.
      for (let line = from; line <= until; ) {
        const told = await this.read({ line, count: Math.min(PAGE, until - line + 1) });
        if (!told.lines.length) break;
        this.rows.colours.reset();
        rows.push(...this.made(told));
        line = told.first + told.lines.length;
      }
      this.prepend_(rows);
      this.first = from;
      this.trim(true);
    } finally {
      this.reading = false;
    }
  }
  async earlierKept() {
    const told = await this.read({ before: this.previous, count: PAGE });
    this.previous = told.previous;
    this.rows.colours.reset();
    if (told.numbers.length) this.empty();
    this.prepend_(this.made(told));
    this.first = told.numbers[0] ?? this.first;
    this.trim(true);
  }
  prepend_(rows) {
    const before = this.pane.scrollHeight;
    const from = this.from;
    this.pane.prepend(...rows);
    this.from = from + this.pane.scrollHeight - before;
  }
  /** Keep the window small; `below` says at which end rows go. */
  trim(below) {
    const over = this.pane.childElementCount - MOST;
    if (over <= 0) return;
    const height = this.pane.scrollHeight;
    for (let at = 0; at < over; at += 1) (below ? this.pane.lastElementChild : this.pane.firstElementChild).remove();
    const numbers = [...this.pane.querySelectorAll(".line")];
    this.first = Number(numbers[0].dataset.line);
    this.last = Number(numbers.at(-1).dataset.line);
    if (this.sift.on && below) this.next = this.last + 1;
    else if (this.sift.on) this.previous = this.first;
    if (!below && !this.follow) this.from -= height - this.pane.scrollHeight;
  }

  // --- which way it runs: the newest line is below, or above ---------------------------------------
  turned(newest) {
    this.newest = newest;
    this.classList.toggle("newest", newest);
    if (this.follow) this.bottom();
  }
  /** How far the pane is from its oldest line; a column that runs upwards counts from below. */
  get from() {
    return Math.abs(this.pane.scrollTop);
  }
  set from(distance) {
    this.pane.scrollTop = this.newest ? -distance : distance;
  }
}

export const joined = (before, told) => ({
  ...told,
  first: before.first,
  lines: [...before.lines, ...told.lines],
  times: [...before.times, ...told.times],
  streams: before.streams + told.streams,
  cut: {
    ...before.cut,
    ...Object.fromEntries(Object.entries(told.cut).map(([at, size]) => [Number(at) + before.lines.length, size])),
  },
});
