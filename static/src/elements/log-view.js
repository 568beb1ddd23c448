// <log-view lines="…/log/lines" search="…/log/search" attempt="2?" over? live>: a whole log by the numbers of its lines; with
// file="a/path" a file of the run, from="start" to open it at its beginning and language="…" for the colours of code.
//
// A window of lines is in the page; more is read from the studio while one scrolls, jumps or follows a link. The
// socket of the page (live-run) pushes what is written meanwhile, byte for byte, as it does for <log-tail>. Of a file,
// which is sent anew when it has grown, it only says that something happened.
import { say } from "../wire.js";
import { lastState } from "./log-ansi.js";
import { marker, Rows } from "./log-rows.js";
import { LogSearch } from "./log-search.js";
import { LogSift } from "./log-sift.js";
import { joined, LogWindow, MOST, PAGE } from "./log-window.js";

const BEFORE = 60; // lines above one that was jumped to
const AGAIN = 1000; // milliseconds between two fresh starts while a flood outruns the page
const FINAL = ["completed", "failed", "canceled"];
const LINK = /^#L(\d{1,15})(?:-L?(\d{1,15}))?$/;
const RANGE = /^(\d{1,15})(?:-(\d{1,15}))?$/;

class LogView extends LogWindow {
  connectedCallback() {
    if (this.pane) return;
    this.file = this.getAttribute("file");
    this.rows = new Rows(this);
    this.fresh();
    this.follow = this.getAttribute("from") !== "start";
    this.unseen = 0;
    this.build();
    this.sift = new LogSift(this);
    this.turned(this.newest);
    this.search = new LogSearch(this);
    this.picked = this.linked();
    addEventListener("hashchange", (this.onhash = () => this.open(this.linked())));
    this.run = this.closest("live-run");
    this.run?.addEventListener("zaffre-run", (this.onrun = () => this.heard()));
    if (!this.hasAttribute("live")) this.start();
  }
  disconnectedCallback() {
    removeEventListener("hashchange", this.onhash);
    this.run?.removeEventListener("zaffre-run", this.onrun);
    clearTimeout(this.asked);
  }
  /** The address speaks of this log or file, and not of another one that is open in its place. */
  get mine() {
    return new URLSearchParams(location.search).get("file") === this.file;
  }
  fresh() {
    this.end = -1; // offset after the last byte that is counted in; -1 = nothing read yet
    this.ended = 0; // lines that have ended up to there
    this.rest = ""; // the line that has not
    this.first = 1; // number of the first row in the page
    this.last = 0;
    this.gap = null;
    this.next = this.previous = null; // while lines are left out: where the window goes on, null = nowhere
    this.decoder = new TextDecoder();
    this.rows.colours.reset();
  }
  build() {
    this.pane = document.createElement("div");
    this.pane.className = "lines";
    this.pane.tabIndex = 0;
    this.pane.setAttribute("role", "log");
    this.pane.setAttribute("aria-label", this.file ?? say("log"));
    this.pane.setAttribute("aria-live", "off");
    this.button = document.createElement("button");
    Object.assign(this.button, { type: "button", className: "btn s to-end", hidden: true });
    this.append(this.pane, this.button);
    this.pane.addEventListener("scroll", () => this.scrolled());
    this.pane.addEventListener("click", (event) => this.clicked(event));
    this.button.addEventListener("click", () => this.toEnd());
    this.wrapped(localStorage.getItem("log-wrap") !== "off");
    // What is read from its beginning has its first line above.
    this.newest = this.follow && localStorage.getItem("log-newest") === "on";
  }

  // --- reading -------------------------------------------------------------------------------------
  /** Read the end, or the lines that the address names; returns the offset from which to be told more. */
  async start() {
    this.starting = true;
    try {
      const told = await this.read({ count: PAGE, ...(this.follow || this.opened ? {} : { line: 1 }) });
      this.fresh();
      this.know(told);
      this.replace(told);
      this.count();
      if (this.picked && !this.opened) await this.open(this.picked);
      else if (this.follow) this.bottom();
      else {
        this.offer();
        this.fill();
      }
      this.opened = true;
      this.dispatchEvent(new Event("ready"));
    } catch (error) {
      if (this.end < 0) this.pane.textContent = this.file === null ? say("away") : error.message;
    } finally {
      this.starting = false;
    }
    return this.end;
  }
  /** How much there is now. */
  know(told) {
    this.attempt = told.attempt;
    this.version = told.version;
    this.ended = told.ended ?? told.total - (told.open ? 1 : 0);
    this.end = told.resume;
    this.gap = told.gap;
    this.total = told.total;
    this.size = told.length;
    this.dispatchEvent(new Event("known"));
  }
  /** Other lines are wanted: read anew, and search anew. */
  async sifted() {
    this.follow = true;
    this.picked = null;
    await this.start();
    this.search.again();
  }

  // --- what is written meanwhile ---------------------------------------------------------------------
  /** Bytes from the socket or a poll. What is not the next byte is a repeat, or a reason to read anew. */
  push(offset, data, attempt, elided = 0, marks = []) {
    if (this.getAttribute("attempt")) return true;
    if (attempt !== undefined && this.attempt !== undefined && attempt !== this.attempt) this.again();
    else if (this.starting || offset > this.end || elided > 0) this.again();
    else if (this.end - offset < data.length) {
      const known = this.end - offset;
      this.take(data.subarray(known), marks.map(([at, time, stream]) => [at - known, time, stream]));
    }
    return true;
  }
  again() {
    this.asked ||= setTimeout(() => {
      this.asked = 0;
      if (this.follow || this.end < 0) this.start();
      else this.recount();
    }, AGAIN);
  }
  /** Somebody reads further up: only the numbers at the end are read anew. */
  async recount() {
    const told = await this.read({ count: 1 });
    this.unseen += Math.max(0, told.total - this.ended);
    if (this.file !== null && this.line(this.ended + 1)) {
      this.line(this.ended + 1).remove(); // it may have gone on, and is read again
      this.last = this.ended;
    }
    this.know(told);
    this.rest = "";
    this.count();
    this.settle();
  }
  /** Something happened to the run. */
  heard() {
    this.dispatchEvent(new Event("follow"));
    if (this.file !== null) this.look();
  }
  /** The run has ended, and all that it wrote has come. */
  conclude() {
    if (!this.total && !this.ended && !this.rest) this.pane.textContent = this.nothing;
  }
  /** The run still writes, as far as the page knows. */
  get goesOn() {
    return this.hasAttribute("following") && !FINAL.includes(this.run?.status);
  }
  /** The file may have been sent anew: asked once a second at most. */
  look() {
    this.asked ||= setTimeout(async () => {
      this.asked = 0;
      if (this.starting || this.reading) return this.look();
      const told = await this.read({ count: 1 }).catch(() => null);
      if (!told || told.version === this.version) return;
      if (told.total < this.last || this.end < 0) await this.start();
      else if (this.follow) await this.grow();
      else await this.recount();
    }, AGAIN);
  }
  /** Lines at the end of a file that changed; those that stand there stay, where it only grew. */
  async grow() {
    const told = await this.read({ count: PAGE });
    const ended = this.ended;
    const shown = new Map([...this.pane.querySelectorAll(".line")].map((row) => [Number(row.dataset.line), row]));
    const same = (text, at) => told.first + at > ended || !shown.has(told.first + at) || shown.get(told.first + at).said === text;
    const grew = shown.size && told.first <= ended + 1 && told.total >= ended && told.lines.every(same);
    this.know(told);
    if (grew) {
      shown.get(ended + 1)?.remove(); // what it said before it had ended
      this.last = Math.min(this.last, ended);
      this.append_(told);
      this.trim(false);
    } else this.replace(told);
    this.count();
    this.settle();
  }
  take(data, marks = []) {
    const near = this.atEnd;
    const told = marker(marks);
    let begun = this.rest ? this.begun : told(0);
    this.end += data.length;
    const pieces = (this.rest + this.decoder.decode(data, { stream: true })).split("\n");
    this.rest = pieces.pop();
    if (!this.ended && !this.last) this.pane.replaceChildren();
    this.openRow?.remove();
    const skip = Math.max(0, pieces.length - MOST);
    let at = -1;
    const rows = [];
    pieces.forEach((text, nth) => {
      this.ended += 1;
      const fact = { number: this.ended, text: lastState(text), ...begun };
      at = data.indexOf(10, at + 1);
      begun = told(at + 1);
      if (!near || nth < skip || !this.sift.keeps(fact)) return;
      if (!nth) this.line(this.ended)?.remove(); // what it said before it had ended
      rows.push(this.row(fact));
    });
    this.begun = begun;
    if (rows.length) this.empty();
    this.pane.append(...rows);
    if (near) this.last = Math.max(this.last, this.ended);
    if (skip && near) {
      this.pane.replaceChildren(...[...this.pane.children].slice(-MOST));
      this.first = Number(this.pane.querySelector(".line")?.dataset.line || 1);
    }
    if (!this.follow) this.unseen += this.sift.on ? rows.length : pieces.length;
    this.settle();
    this.trim(false);
    this.count();
  }
  /** The line without an end, below the others; scroll along. */
  settle() {
    this.openRow?.remove();
    this.openRow = null;
    const fact = { number: this.ended + 1, text: lastState(this.rest), ...this.begun };
    if (this.atEnd && this.rest && this.sift.keeps(fact)) {
      this.line(this.ended + 1)?.remove();
      this.openRow = this.rows.open(fact);
      this.empty();
      this.pane.append(this.openRow);
    }
    if (this.follow) this.bottom();
    else this.offer();
  }
  bottom() {
    this.unseen = 0;
    this.from = this.pane.scrollHeight;
    this.offer();
  }
  offer() {
    this.button.hidden = this.follow || (this.atEnd && !this.unseen && this.isLow());
    this.button.textContent = this.unseen ? say("toend", { count: this.unseen.toLocaleString() }) : say("toend0");
    this.dispatchEvent(new Event("follow"));
  }
  async toEnd() {
    this.follow = true;
    if (this.atEnd) this.bottom();
    else await this.start();
    this.pane.focus({ preventScroll: true });
  }
  count() {
    const count = this.file === null ? this.ended + (this.rest || this.line(this.ended + 1) ? 1 : 0) : this.total;
    this.note(say(count === 1 ? "line" : "lines", { count: count.toLocaleString() }));
  }

  // --- moving ----------------------------------------------------------------------------------------
  isLow() {
    return this.pane.scrollHeight - this.from - this.pane.clientHeight < 24;
  }
  scrolled() {
    const low = this.isLow();
    if (low && !this.atEnd) this.later();
    else if (low !== this.follow && !this.starting && !this.moving) {
      this.follow = low;
      if (low) this.unseen = 0;
      this.offer();
    }
    if (this.from < 200 && !this.follow) this.earlier();
  }
  /** Bring a line into view, from wherever it lies; returns the number of the line that is there. */
  async go(number) {
    this.follow = false;
    this.moving = true;
    try {
      const wanted = Math.max(1, number);
      if (!this.line(wanted) && this.sift.on) number = await this.goKept(wanted);
      else if (!this.line(wanted)) {
        let told = await this.read({ line: wanted, count: PAGE });
        const found = told.first;
        if (told.first > 1) {
          const from = Math.max(this.gapBefore(told), told.first - BEFORE);
          const before = from < told.first ? await this.read({ line: from, count: told.first - from }) : null;
          if (before && before.first + before.lines.length === told.first)
            told = joined(before, told);
        }
        this.replace(told);
        number = found;
      }
      const row = this.line(number) || this.pane.querySelector(".line");
      if (row) this.pane.scrollTop += row.getBoundingClientRect().top - this.pane.getBoundingClientRect().top - this.pane.clientHeight / 3;
      this.settle();
      return Number(row?.dataset.line || 0);
    } finally {
      // The scroll that this made is told in a moment.
      setTimeout(() => (this.moving = false), 100);
    }
  }
  /** Lines around a number of which some are left out; returns the number of the first one from there on. */
  async goKept(wanted) {
    const [before, told] = await Promise.all([this.read({ before: wanted, count: BEFORE }), this.read({ line: wanted, count: PAGE })]);
    this.replace(before);
    this.append_(told);
    return told.numbers[0] ?? before.numbers.at(-1) ?? wanted;
  }
  gapBefore(told) {
    return told.gap && told.first >= told.gap.next ? told.gap.next : 1;
  }
  /** Go to lines and mark them, as a link to them does. */
  async open(range) {
    if (!range) return;
    this.picked = range;
    const at = await this.go(range[0]);
    if (at && at !== range[0]) this.picked = [at, Math.max(at, range[1])];
    this.mark();
  }
  mark() {
    for (const row of this.pane.querySelectorAll(".picked")) row.classList.remove("picked");
    if (!this.picked) return;
    for (const row of this.pane.querySelectorAll(".line")) {
      const number = Number(row.dataset.line);
      if (number >= this.picked[0] && number <= this.picked[1]) row.classList.add("picked");
    }
  }
  clicked(event) {
    const link = event.target.closest(".line > a");
    if (!link || event.ctrlKey || event.metaKey) return;
    event.preventDefault();
    const number = Number(link.parentElement.dataset.line);
    const from = event.shiftKey && this.picked ? this.picked[0] : number;
    this.pick(Math.min(from, number), Math.max(from, number));
  }
  /** Mark lines and put them into the address. */
  pick(from, to = from) {
    this.picked = [from, to];
    const place = new URL(location);
    place.searchParams.delete("line");
    place.hash = to > from ? `L${from}-L${to}` : `L${from}`;
    history.replaceState(history.state, "", place);
    this.mark();
  }
  /** The lines that the address names: `#L120`, `#L120-L140`, `?line=120` or `?line=120-140`. */
  linked() {
    const found = this.mine && (LINK.exec(location.hash) || RANGE.exec(new URLSearchParams(location.search).get("line") || ""));
    if (!found || !Number(found[1])) return null;
    const [from, to] = [Number(found[1]), Number(found[2] || found[1])];
    return [Math.min(from, to), Math.max(from, to)];
  }
  wrapped(on) {
    this.classList.toggle("nowrap", !on);
    localStorage.setItem("log-wrap", on ? "on" : "off");
  }
}
customElements.define("log-view", LogView);
