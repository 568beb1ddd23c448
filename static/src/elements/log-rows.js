// A line of a log as a row: its number, when it was written, by which stream, and what it says.
import { bytes, say } from "../wire.js";
import { coloured } from "./file-colours.js";
import { clean, Colours } from "./log-ansi.js";

export const CLOCK = "clock";
export const ELAPSED = "elapsed";
const two = (number) => String(number).padStart(2, "0");

/** Makes rows, and knows how times are written: `clock`, `elapsed` since the beginning, or not at all. */
export class Rows {
  constructor(view) {
    this.view = view;
    this.began = Number(view.getAttribute("began")) || 0;
    this.language = view.getAttribute("language");
    // Nobody knows when a file's lines were written.
    this.when = (!view.hasAttribute("file") && localStorage.getItem("log-when")) || "";
    this.colours = new Colours();
  }
  /** `fact` is {number, text, cut, time, stream}: time in ms since 1970 (0 = unknown), stream `o`, `e` or `-`. */
  row({ number, text, cut = 0, time = 0, stream = "-" }, colours = this.colours) {
    const row = document.createElement("div");
    row.className = "line";
    row.dataset.line = number;
    row.said = text;
    if (time) row.dataset.time = time;
    const mark = document.createElement("a");
    Object.assign(mark, { href: `#L${number}`, textContent: number, tabIndex: -1 });
    row.append(mark);
    if (stream === "e") {
      row.classList.add("err");
      const sign = document.createElement("i");
      Object.assign(sign, { textContent: "err", title: say("stderr") });
      row.append(sign);
    }
    const said = document.createElement("span");
    if (this.language) coloured(said, clean(text), this.language);
    else colours.paint(said, text);
    row.append(said);
    if (cut) {
      const more = document.createElement("em");
      more.textContent = say("linecut", { size: bytes(cut) });
      said.append(more);
    }
    if (this.when) this.stamp(row);
    return row;
  }
  /** A row without an end, painted apart from the colours of those before it. */
  open(fact) {
    return this.row(fact, new Colours());
  }

  stamp(row) {
    row.querySelector("time")?.remove();
    if (!this.when) return;
    const place = document.createElement("time");
    const time = Number(row.dataset.time || 0);
    if (time) {
      this.began ||= time;
      const moment = new Date(time);
      place.dateTime = moment.toISOString();
      place.title = moment.toLocaleString();
      place.textContent = this.when === CLOCK ? clock(moment) : elapsed(time - this.began);
    }
    row.querySelector("a").after(place);
  }
  /** Write times in another way, in all rows of the page. */
  show(when, pane) {
    this.when = when;
    if (when) localStorage.setItem("log-when", when);
    else localStorage.removeItem("log-when");
    for (const row of pane.querySelectorAll(".line")) this.stamp(row);
  }
}

const clock = (moment) => `${two(moment.getHours())}:${two(moment.getMinutes())}:${two(moment.getSeconds())}.${String(moment.getMilliseconds()).padStart(3, "0")}`;

function elapsed(ms) {
  const size = Math.abs(ms);
  const seconds = `${two(Math.floor(size / 1000) % 60)}.${String(size % 1000).padStart(3, "0")}`;
  const minutes = Math.floor(size / 60_000);
  const whole = minutes < 60 ? minutes : `${Math.floor(minutes / 60)}:${two(minutes % 60)}`;
  return `${ms < 0 ? "-" : "+"}${whole}:${seconds}`;
}

/** Lines of an answer as facts for rows. */
export function facts(told) {
  return told.lines.map((text, at) => ({
    number: told.numbers ? told.numbers[at] : told.first + at,
    text,
    cut: told.cut[at],
    time: told.times?.[at],
    stream: told.streams?.[at],
  }));
}

/** Says when and by which stream a byte of a frame was written; asked in the order of the bytes. */
export function marker(marks = []) {
  let at = -1;
  return (place) => {
    while (at + 1 < marks.length && marks[at + 1][0] <= place) at += 1;
    return at < 0 ? { time: 0, stream: "-" } : { time: marks[at][1], stream: "-oe"[marks[at][2]] };
  };
}
