// Rings when runs of the page logged something: heard over the one socket of its charts. While that is away it rings by the
// clock, so that a page goes on without it, only later.
import { feed } from "./feed.js";

/** Between two rings at least, and by the clock; of more than MANY runs longer, because what is read then is large. */
const MANY = 20;
const PAUSE = { few: 1500, many: 6000 };
const CLOCK = { few: 4000, many: 15_000 };
/** How many times as long as its answer took a page rests. */
const REST = 4;

export class Bell {
  /** `runs()` are the ids of those that go on. `act()` reads anew, and is waited for. `kinds` is what rings: "points",
  "items" (tables, pictures), "run" (its parameters, tags, state). `slow`: it need not be soon. */
  constructor(ws, { runs, act, kinds = ["points", "run"], slow = false }) {
    Object.assign(this, { ws, runs, act, kinds, slow });
    this.seqs = new Map();
    this.rest = 0;
    this.last = 0;
    feed.join(this);
    feed.look();
    this.clock = setInterval(() => feed.look(), CLOCK.few); // which runs go on may be known by now
    this.shown = () => !document.hidden && this.owed && this.ring();
    document.addEventListener("visibilitychange", this.shown);
    this.byClock();
  }
  stop() {
    feed.leave(this);
    clearInterval(this.clock);
    clearTimeout(this.asking);
    clearTimeout(this.timer);
    this.again = false;
    document.removeEventListener("visibilitychange", this.shown);
  }
  byClock() {
    this.asking = setTimeout(() => {
      if (!feed.open && this.runs().length) this.ring();
      this.byClock();
    }, CLOCK[this.size]);
  }
  get size() {
    return this.slow || this.runs().length > MANY ? "many" : "few";
  }

  // What the feed asks and tells.

  wanted() {
    return { ws: this.ws, runs: this.runs(), keys: [], bells: true };
  }
  take(run, _prev, seq) {
    this.compare({ [run]: seq });
  }
  compare(seqs) {
    const going = new Set(this.runs());
    let more = false;
    for (const [run, seq] of Object.entries(seqs)) {
      if (!going.has(run) || seq <= this.seqs.get(run)) continue;
      this.seqs.set(run, seq);
      more = true;
    }
    if (more && this.kinds.includes("points")) this.ring();
  }
  /** It hears from now on: what came since the page was made, or since the last connection, was not heard. */
  joined(connection) {
    if (connection === this.connection) return;
    this.connection = connection;
    this.ring();
  }
  rang(what, runs) {
    const going = new Set(this.runs());
    if (this.kinds.includes(what) && runs.some((run) => going.has(run))) this.ring();
  }

  ring() {
    // Nobody looks at a page that is hidden: it reads when it is shown.
    this.owed = document.hidden;
    if (this.owed) return;
    if (this.acting) this.again = true;
    else this.timer ||= setTimeout(() => this.run(), Math.max(100, this.last + Math.max(PAUSE[this.size], this.rest) - Date.now()));
  }
  async run() {
    this.timer = 0;
    this.acting = true;
    this.last = Date.now();
    try {
      await this.act();
    } finally {
      this.rest = REST * (Date.now() - this.last);
      this.acting = false;
      if (this.again) this.ring();
      this.again = false;
    }
  }
}
