// What runs log while a page draws them: one socket for all of its charts, told only of what is on the screen.
import { LiveSocket } from "../live-socket.js";

/** Charts come and go many at once while somebody scrolls. */
const SETTLE = 200;

class Feed {
  constructor() {
    this.charts = new Set();
    this.own = new Set();
    this.sent = "";
    this.opens = 0;
  }
  join(chart) {
    this.charts.add(chart);
  }
  leave(chart) {
    this.charts.delete(chart);
    this.look();
  }
  /** Another part of the page holds the socket of this run and hands its points in (`take`). */
  hold(run) {
    this.own.add(run);
  }

  /** Look again which runs and metrics are to be heard of. */
  look() {
    this.looking ||= setTimeout(() => {
      this.looking = 0;
      this.watch();
    }, SETTLE);
  }
  watch() {
    const runs = new Set();
    const keys = new Set();
    let ws = "";
    let bells = false;
    for (const chart of this.charts) {
      const wanted = chart.wanted();
      if (!wanted.runs.length) continue;
      ws = wanted.ws;
      for (const run of wanted.runs) if (!this.own.has(run)) runs.add(run);
      for (const key of wanted.keys) keys.add(key);
      bells ||= Boolean(wanted.bells);
    }
    if (!runs.size) return; // what is heard of runs that nobody draws any more costs little, and scrolling back is likely
    const text = JSON.stringify({ t: "watch", runs: [...runs].slice(0, 200), keys: [...keys].slice(0, 400), ...(bells && { bells }) });
    if (!this.socket) {
      this.sent = text;
      this.socket = new LiveSocket(`/ws/w/${ws}/chart`, {
        opened: () => {
          this.opens += 1;
          this.socket.send(this.sent);
        },
        frame: (frame) => this.frame(frame),
        lost: () => null, // the numbers that come first over the next one say what was missed
        refused: () => null,
      });
    } else if (text !== this.sent) {
      this.sent = text;
      this.socket.send(text);
    }
  }
  frame(frame) {
    if (frame.t === "points") for (const [run, prev, seq, data] of frame.pieces) this.take(run, prev, seq, data);
    else if (frame.t === "seqs") this.numbers(frame.seqs);
    else if (frame.t === "rang") for (const chart of this.charts) chart.rang?.(frame.what, frame.runs);
  }
  /** Whether something would be heard now. */
  get open() {
    return Boolean(this.socket?.isOpen);
  }
  take(run, prev, seq, data) {
    for (const chart of this.charts) chart.take(run, prev, seq, data);
  }
  /** Where runs stand: a chart that has less reads again. */
  numbers(seqs) {
    for (const chart of this.charts) {
      chart.compare(seqs);
      chart.joined?.(this.opens);
    }
  }
}
export const feed = new Feed();
