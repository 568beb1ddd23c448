// <log-tail url="…/log">: the end of a log that grows, earlier text on scroll, a window of lines in the page.
import { AnsiUp } from "ansi_up";
import { bytes, say } from "../wire.js";

const WHOLE = 1_000_000; // a log up to this long is read whole, so that its lines have numbers
const PIECE = 256_000;
const WINDOW = 400;
const MOST = 60_000;
const MARK = '<em class="left-out">';

class LogTail extends HTMLElement {
  constructor() {
    super();
    this.fresh();
  }
  fresh() {
    this.held = []; // HTML of each whole line
    this.first = 0; // byte offset of held[0]
    this.number = 1; // number of held[0]; 0 = unknown, the beginning was not read
    this.end = -1; // byte offset after what is held; -1 = nothing read yet
    this.rest = "";
    this.shown = 0; // index of the first line in the page
    this.gap = null; // [first, last): bytes that the studio did not keep
    this.decoder = new TextDecoder();
    this.ansi = this.colours();
  }
  colours() {
    const ansi = new AnsiUp();
    ansi.use_classes = true; // the page's policy allows no style attributes
    return ansi;
  }
  connectedCallback() {
    if (this.lines) return;
    this.replaceChildren();
    this.lines = document.createElement("div");
    this.lines.className = "lines";
    this.lines.tabIndex = 0;
    this.lines.setAttribute("role", "log");
    this.lines.setAttribute("aria-label", say("log"));
    this.button = document.createElement("button");
    this.button.type = "button";
    this.button.className = "btn s to-end";
    this.button.hidden = true;
    this.append(this.lines, this.button);
    this.follow = true;
    this.unseen = 0;
    this.lines.addEventListener("scroll", () => this.scrolled());
    // Beside charts that come later its lines are narrower, and take more of them.
    new ResizeObserver(() => this.follow && this.toEnd()).observe(this.lines);
    this.button.addEventListener("click", () => {
      this.follow = true;
      this.draw();
    });
  }

  /** Read what the log holds now; returns the offset from which to be told more. */
  async start() {
    const head = await fetch(`${this.getAttribute("url")}?tail=${WHOLE}`);
    if (!head.ok) return -1;
    const offset = Number(head.headers.get("X-Log-Offset") || 0);
    this.fresh();
    this.gap = gapOf(head);
    this.first = this.end = offset;
    this.number = offset ? 0 : 1;
    this.take(new Uint8Array(await head.arrayBuffer()));
    return this.end;
  }

  /**
   * Bytes from the socket or a poll. A frame that begins before our end is a repeat, one of another attempt begins
   * anew, and `elided` bytes before it were not kept.
   */
  push(offset, data, attempt, elided = 0) {
    if (this.attempt !== undefined && attempt !== undefined && attempt !== this.attempt) this.from(offset);
    if (attempt !== undefined) this.attempt = attempt;
    if (this.end < 0) this.from(offset);
    if (offset > this.end) {
      if (offset - elided > this.end) return false;
      this.skip(offset);
    }
    const known = this.end - offset;
    if (known < data.length) this.take(data.subarray(known));
    return true;
  }
  from(offset) {
    this.fresh();
    this.first = this.end = offset;
    this.number = offset ? 0 : 1;
  }
  skip(offset) {
    this.gap = [this.gap ? this.gap[0] : this.end, offset];
    if (this.rest) this.held.push(escape(visible(this.rest)));
    this.rest = "";
    this.decoder = new TextDecoder();
    this.ansi = this.colours();
    // A flood is skipped again and again: one line says all of it.
    if (this.held.at(-1)?.startsWith(MARK)) this.held.pop();
    this.held.push(this.missing());
    this.number = 0; // nobody counted the lines in between
    this.end = offset;
  }
  missing() {
    return `${MARK}${escape(say("leftout", { size: bytes(this.gap[1] - this.gap[0]) }))}</em>`;
  }

  take(data) {
    this.end += data.length;
    const pieces = (this.rest + this.decoder.decode(data, { stream: true })).split("\n");
    this.rest = pieces.pop();
    for (const text of pieces) this.held.push(this.ansi.ansi_to_html(visible(text)));
    if (!this.follow) this.unseen += pieces.length;
    if (this.held.length > MOST) {
      const cut = this.held.length - MOST;
      this.held.splice(0, cut);
      if (this.number) this.number += cut;
      this.first = -1; // no longer known to the byte: earlier text is in the download
      this.shown = Math.max(0, this.shown - cut);
    }
    this.draw();
  }

  /** The run has ended, and all that it wrote has come. */
  conclude() {
    this.draw();
  }
  draw() {
    if (this.asked || !this.lines) return;
    this.asked = requestAnimationFrame(() => {
      this.asked = 0;
      this.paint();
    });
  }
  toEnd() {
    this.lines.scrollTop = this.lines.scrollHeight;
  }
  paint() {
    if (this.follow) {
      this.shown = Math.max(0, this.held.length - WINDOW);
      this.unseen = 0;
    }
    const until = Math.min(this.held.length, this.shown + WINDOW);
    const parts = [];
    for (let at = this.shown; at < until; at += 1) parts.push(this.line(at, this.held[at]));
    if (until === this.held.length && this.rest) parts.push(this.line(until, escape(visible(this.rest))));
    const top = this.lines.scrollTop;
    this.lines.replaceChildren(...parts);
    if (!parts.length) this.lines.textContent = say(this.closest("live-run")?.done ? "logended" : "nolog");
    if (this.follow) this.toEnd();
    else this.lines.scrollTop = top;
    this.button.hidden = this.follow;
    this.button.textContent = this.unseen ? say("toend", { count: this.unseen }) : say("toend0");
    const note = this.closest(".card")?.querySelector("[data-lines]");
    const count = this.number - 1 + this.held.length;
    if (note && this.number) note.textContent = say(count === 1 ? "line" : "lines", { count });
  }
  line(at, html) {
    const row = document.createElement("div");
    row.className = "line";
    const mark = document.createElement("b");
    mark.textContent = this.number ? this.number + at : "·";
    const text = document.createElement("span");
    text.innerHTML = html; // escaped by ansi_up or by us
    row.append(mark, text);
    return row;
  }

  scrolled() {
    const { scrollTop, scrollHeight, clientHeight } = this.lines;
    const atEnd = scrollHeight - scrollTop - clientHeight < 24;
    if (atEnd && this.shown + WINDOW < this.held.length) {
      this.shown = Math.min(this.held.length - WINDOW, this.shown + WINDOW / 2);
      this.draw();
    } else if (atEnd !== this.follow) {
      this.follow = atEnd;
      this.draw();
    }
    if (scrollTop < 40 && !this.follow) this.earlier();
  }
  async earlier() {
    if (this.reading) return;
    if (this.shown > 0) {
      const before = this.shown;
      this.shown = Math.max(0, this.shown - WINDOW / 2);
      this.paint();
      this.lines.children[before - this.shown]?.scrollIntoView({ block: "start" });
      return;
    }
    if (this.first <= 0) return;
    this.reading = true;
    const crossed = this.gap && this.first === this.gap[1];
    if (crossed) this.first = this.gap[0]; // over the gap, which has a line of its own
    const from = Math.max(0, this.first - PIECE, this.gap && this.first > this.gap[1] ? this.gap[1] : 0);
    const answer = await fetch(`${this.getAttribute("url")}?offset=${from}&limit=${this.first - from}`);
    if (answer.ok && Number(answer.headers.get("X-Log-Offset")) === from) {
      const lines = new TextDecoder().decode(await answer.arrayBuffer()).split("\n");
      if (lines.at(-1) === "") lines.pop();
      const ansi = this.colours();
      const found = lines.map((text) => ansi.ansi_to_html(visible(text)));
      if (crossed) found.push(this.missing());
      this.held.unshift(...found);
      this.first = from;
      if (from === 0 && !this.gap) this.number = 1;
      this.shown = found.length;
      this.paint();
      this.earlierShown();
    } else if (answer.ok) {
      this.first = -1; // a flood pushed these bytes out meanwhile
    }
    this.reading = false;
  }
  earlierShown() {
    const before = this.shown;
    this.shown = Math.max(0, before - WINDOW / 2);
    this.paint();
    this.lines.children[before - this.shown]?.scrollIntoView({ block: "start" });
  }
}

/** The bytes that the log does not hold, null when it holds all. */
function gapOf(answer) {
  const size = Number(answer.headers.get("X-Log-Elided"));
  const first = Number(answer.headers.get("X-Log-Head"));
  return size ? [first, first + size] : null;
}
/** A progress bar overwrites its line: what it said last counts. */
function visible(text) {
  const plain = text.endsWith("\r") ? text.slice(0, -1) : text;
  return plain.slice(plain.lastIndexOf("\r") + 1);
}
function escape(text) {
  return text.replace(/[&<>]/g, (one) => ({ "&": "&amp;", "<": "&lt;", ">": "&gt;" })[one]);
}
customElements.define("log-tail", LogTail);
