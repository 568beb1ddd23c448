// <live-run ws run status>: owns the one socket of a run's page and hands out what comes.
//
// It knows how far it is (sequence of points, offset of the log), so a lost connection costs time
// only: the next one begins exactly there. While there is none, it asks the JSON door.
import htmx from "htmx.org";
import { LiveSocket } from "../live-socket.js";
import { ask, say } from "../wire.js";

const FINAL = ["completed", "failed", "canceled"];
const AT_ONCE = 8_000_000; // bytes of log in one answer
const POLL = 4000;
// Series that are about the machine: the node samples them, and MLflow's client.
const SYSTEM = "system/";
// The studio reads so many series at once, and an address has its length.
const MOST_KEYS = 90;
const LONGEST = 6000;
// Milliseconds after an answer until htmx has wired up what it put in.
const SETTLED = 100;
const TOGETHER = 1000;

/** The order of charts, the same while points arrive and after a reload: short names first, as in tables of runs. */
const inOrder = (one, other) => one.length - other.length || (one < other ? -1 : 1);

/** Keys as parts of addresses. */
function grouped(keys) {
  const groups = [];
  for (const key of keys.map((one) => `key=${encodeURIComponent(one)}`)) {
    const last = groups.at(-1);
    if (!last || last.length >= MOST_KEYS || last.join("&").length + key.length > LONGEST) groups.push([key]);
    else last.push(key);
  }
  return groups.map((group) => group.join("&"));
}

class LiveRun extends HTMLElement {
  async connectedCallback() {
    if (this.begun) return;
    this.begun = true;
    this.api = `/api/v1/workspaces/${this.getAttribute("ws")}/runs/${this.getAttribute("run")}`;
    this.status = this.getAttribute("status");
    this.done = FINAL.includes(this.status); // it has ended, and what is read now is all of it
    this.seq = 0;
    this.known = new Set();
    this.rereading = new Map();
    this.pending = 0;
    this.addEventListener("htmx:beforeRequest", () => (this.pending += 1));
    this.addEventListener("htmx:afterRequest", () => this.answered());
    this.mark();
    await this.begin();
    if (!this.over && !FINAL.includes(this.status)) this.open();
  }
  disconnectedCallback() {
    this.over = true;
    clearTimeout(this.polling);
    this.socket?.close();
  }

  get board() {
    return this.querySelector("[data-charts], chart-board");
  }
  /** All metrics in sections, on the page of metrics: its charts read by themselves. */
  get sections() {
    return this.querySelector("chart-board");
  }
  /** Where the chart of a key belongs; null when this page shows none of its kind. */
  boardOf(key) {
    return this.querySelector(`[data-charts=${key.startsWith(SYSTEM) ? "system" : "model"}]`);
  }
  get tail() {
    return this.querySelector("log-tail, log-view[live]");
  }

  async begin() {
    if (this.tail) await customElements.whenDefined(this.tail.localName);
    const [log] = await Promise.all([this.tail ? this.tail.start() : -1, this.readAll().catch(() => null)]);
    this.logFrom = log;
  }

  // --- points ------------------------------------------------------------------------------------
  async readAll() {
    if (!this.board) return;
    const { metrics, seq } = await ask("GET", `${this.api}/metrics`);
    if (this.sections) {
      this.seq = Math.max(this.seq, seq);
      return this.sections.hold(metrics, seq);
    }
    const numbers = Object.keys(metrics).filter((key) => ["scalar", "list"].includes(metrics[key].kind)).sort(inOrder);
    this.known = new Set(numbers);
    const model = numbers.filter((key) => !key.startsWith(SYSTEM));
    const system = numbers.filter((key) => key.startsWith(SYSTEM));
    const wanted = [model, system].flatMap((keys) => (keys.length ? keys.slice(0, Number(this.boardOf(keys[0])?.dataset.most || 0)) : []));
    const told = await Promise.all(grouped(wanted).map((keys) => ask("GET", `${this.api}/series?points=1000&${keys}`)));
    // What came after the summary is told again by the socket; a chart that has it leaves it out.
    this.seq = seq;
    const found = Object.assign({}, ...told.map((one) => Object.fromEntries(Object.entries(one.series).map(([key, series]) => [key, { ...series, seq: one.seq }]))));
    for (const key of Object.keys(found).sort(inOrder)) {
      const chart = this.chart(key);
      if (!chart) continue;
      chart.seq = found[key].seq;
      chart.hold(found[key]);
      if (metrics[key].description) chart.closest(".card").querySelector("[data-key]").title = metrics[key].description;
    }
  }
  chart(key) {
    const board = this.boardOf(key);
    if (!board) return null;
    const all = [...board.querySelectorAll("live-chart")];
    const found = all.find((one) => one.getAttribute("key") === key);
    if (found) return found;
    if (all.length >= Number(board.dataset.most || 100)) {
      if (inOrder(all.at(-1).getAttribute("key"), key) < 0) return null;
      all.pop().closest(".card").remove(); // The first ones in order are shown, whichever came first.
    }
    const card = this.querySelector("template[data-chart]").content.cloneNode(true);
    const name = card.querySelector("[data-key]");
    name.textContent = key.startsWith(SYSTEM) ? key.slice(SYSTEM.length).replaceAll("_", " ") : key;
    name.title = key;
    const made = card.querySelector("live-chart");
    made.setAttribute("key", key);
    const next = all.find((one) => inOrder(one.getAttribute("key"), key) > 0);
    board.insertBefore(card, next ? next.closest(".card") : board.querySelector("[data-after]"));
    if (board.dataset.charts === "model") board.querySelector("[data-none]")?.remove();
    else board.closest("[data-system]")?.removeAttribute("hidden");
    return made;
  }
  points(seq, prev, data) {
    if (seq <= this.seq) return; // known
    this.seq = seq;
    if (this.sections) return this.sections.take(prev, seq, data);
    for (const [key, [steps, values]] of Object.entries(data)) {
      this.rereading.get(key)?.push([seq, steps, values]);
      const before = this.known.has(key);
      this.known.add(key);
      const chart = this.chart(key);
      if (!chart || seq <= (chart.seq || 0)) continue;
      const whole = chart.x?.length || !before; // else it had no place until now, and lacks what came first
      if (!whole || !chart.add(steps, values)) this.reread(key, chart);
    }
  }
  /** Read one series anew, thinned by the server; what arrives meanwhile is added after it. */
  async reread(key, chart) {
    if (this.rereading.has(key)) return;
    const late = [];
    this.rereading.set(key, late);
    try {
      const told = await ask("GET", `${this.api}/series?points=1000&key=${encodeURIComponent(key)}`);
      chart.hold(told.series[key] || { step: [], value: [] });
      for (const [seq, steps, values] of late) if (seq > told.seq) chart.add(steps, values);
    } catch {
      // The next points ask again.
    } finally {
      this.rereading.delete(key);
    }
  }

  // --- the run itself ----------------------------------------------------------------------------
  changed(run) {
    const before = this.status;
    this.status = run.status;
    if (before !== run.status) this.mark();
    this.refresh();
    if (FINAL.includes(run.status) && !FINAL.includes(before)) this.finish();
  }
  /** Files came: many of them in a second are one reason to look. */
  files() {
    this.filesLater = 0;
    if (!this.over) this.refresh();
  }
  /** Have the parts of the page read themselves anew: once more afterwards for what comes meanwhile. */
  refresh() {
    // A part that is being replaced hears nothing, so the last word could be lost on it.
    if (this.pending) {
      this.again = true;
      return;
    }
    this.again = false;
    htmx.trigger(this, "zaffre-run");
  }
  answered() {
    this.pending -= 1;
    if (!this.pending && this.again) setTimeout(() => !this.over && this.refresh(), SETTLED);
  }
  mark() {
    const icon = document.querySelector("link[rel=icon]");
    const at = FINAL.includes(this.status) ? this.status : "running";
    if (icon?.dataset[at]) icon.href = icon.dataset[at];
    const plain = document.title.replace(/^[●✓✕○] /u, "");
    document.title = `${{ completed: "✓", failed: "✕", canceled: "○" }[this.status] || "●"} ${plain}`;
  }
  async finish() {
    // The end of the log and of the series may still be on its way through the group commits.
    await this.poll();
    setTimeout(() => !this.over && this.poll().then(() => this.conclude()), 2500);
  }

  conclude() {
    this.done = true;
    this.tail?.conclude();
  }

  // --- the socket ----------------------------------------------------------------------------------
  open() {
    const path = `/ws/w/${this.getAttribute("ws")}/runs/${this.getAttribute("run")}`;
    this.socket = new LiveSocket(path, {
      opened: () => {
        const log = this.tail && this.tail.end >= 0 ? this.tail.end : -1;
        this.socket.send(JSON.stringify({ t: "hello", seq: this.board ? this.seq : Number.MAX_SAFE_INTEGER, log }));
      },
      frame: (frame) => this.frame(frame),
      lost: () => {
        if (FINAL.includes(this.status)) {
          this.socket.close();
          return this.banner(false);
        }
        this.banner(true);
        this.poll().catch(() => null);
      },
      refused: () => FINAL.includes(this.status) || location.reload(),
    });
  }
  frame(frame) {
    this.banner(false);
    if (frame.t === "run") this.changed(frame.run);
    else if (frame.t === "points") this.points(frame.seq, frame.prev, frame.data);
    else if (frame.t === "children") this.refresh();
    else if (frame.t === "files") this.filesLater ||= setTimeout(() => this.files(), TOGETHER);
    else if (frame.t === "items") htmx.trigger(this, "zaffre-items");
    else if (frame.t === "behind") this.readAll().catch(() => null);
    else if (frame.t === "log") {
      const data = Uint8Array.from(atob(frame.text), (one) => one.charCodeAt(0));
      if (this.tail && !this.tail.push(frame.offset, data, frame.attempt, frame.elided, frame.marks)) this.tail.start();
      this.socket.send('{"t":"ack"}');
    }
  }
  banner(lost) {
    const note = this.querySelector("[data-lost]");
    if (!note || note.hidden === !lost) return;
    note.hidden = !lost;
    note.textContent = lost ? say("lost") : "";
  }

  /** One look through the JSON door, with the same places in points and log. */
  async poll() {
    clearTimeout(this.polling);
    const run = await ask("GET", this.api);
    if (this.board) await this.readAll();
    if (this.tail) {
      const from = Math.max(0, this.tail.end);
      const answer = await fetch(`${this.api}/log?offset=${from}&limit=${AT_ONCE}`);
      const offset = Number(answer.headers.get("X-Log-Offset"));
      const data = new Uint8Array(await answer.arrayBuffer());
      if (answer.ok) this.tail.push(offset, data, undefined, offset - from);
    }
    const changed = run.status !== this.status;
    if (changed) this.changed(run);
    if (this.socket?.isOpen || this.over || FINAL.includes(this.status)) return;
    if (!changed) this.refresh(); // nobody rings for files, items and the runs below it
    this.polling = setTimeout(() => this.poll().catch(() => null), POLL);
  }
}
customElements.define("live-run", LiveRun);
