// The charts above a table of runs: lines of the metrics that are chosen, scatter, parallel coordinates. Which they are, in
// which order, and which runs they draw is in the address, and so in saved views.

const KEPT = "runs strip";
const NARROW = 760;
const PLOTS = { "~scatter": "scatter", "~parallel": "parallel" };
const MOST = 12;
/** A comparison, which is where the plots read, takes so many runs. */
const [LEAST_COMPARED, MOST_COMPARED] = [2, 200];

/** Fill the strip when it is open; who folded it finds it folded. `lent`: page, arrangeable, ask, recall, remember of the bundle. */
export function strip(table, say, lent) {
  const fold = table.querySelector("details[data-strip]");
  if (fold) new Strip(table, fold, say, lent).begin();
}

class Strip {
  constructor(table, fold, say, lent) {
    Object.assign(this, { table, fold, say, ...lent });
    this.grid = fold.querySelector("[data-charts]");
    this.metrics = JSON.parse(fold.dataset.metrics);
    this.grouped = "grouped" in fold.dataset;
    this.recall("strip", fold.dataset.kept);
    this.cards = new Map();
  }

  begin() {
    this.fold.addEventListener("toggle", () => {
      localStorage.setItem(KEPT, this.fold.open ? "open" : "folded");
      this.draw();
    });
    const soon = () => {
      clearTimeout(this.waiting);
      this.waiting = setTimeout(() => this.draw(), 250);
    };
    for (const type of ["runs-selected", "runs-read"]) this.table.addEventListener(type, soon);
    this.page.on((what) => what === "runs" && soon());
    this.arrangeable(this.grid, () => this.keep([...this.grid.children].map((card) => card.dataset.key)), (card) => this.remove(card.dataset.key));
    this.grid.addEventListener("plot-chosen", (event) => this.table.choose(event.detail.runs));
    this.add = this.fold.querySelector("[data-add]");
    this.add.addEventListener("pointerdown", () => this.offer(), { once: true });
    this.add.addEventListener("focus", () => this.offer(), { once: true });
    this.add.addEventListener("change", () => {
      if (this.add.value === "~usual") this.keep(null);
      else if (this.add.value) this.keep([...this.wanted(), this.add.value]);
      this.draw();
      this.fill();
    });
    this.fill();
    const kept = localStorage.getItem(KEPT);
    this.fold.open = kept ? kept === "open" : innerWidth > NARROW;
    this.draw();
  }

  // Which charts.

  wanted() {
    const said = new URLSearchParams(location.search).get("strip");
    return said === null ? this.metrics : said.split(";").filter(Boolean).map(decoded).slice(0, MOST);
  }
  keep(keys) {
    const usual = keys === null || String(keys) === String(this.metrics);
    this.remember("strip", this.fold.dataset.kept, usual ? null : keys.map(encodeURIComponent).join(";"));
  }
  remove(key) {
    const cards = [...this.grid.children];
    const at = cards.findIndex((card) => card.dataset.key === key);
    this.keep(this.wanted().filter((one) => one !== key));
    this.draw();
    this.fill();
    (this.grid.children[Math.min(at, this.grid.children.length - 1)]?.querySelector(".chart-move") || this.add).focus();
  }
  /** All metrics of the newest runs may be added; they are asked for when somebody looks. */
  async offer() {
    const experiment = this.table.dataset.experiment;
    const asked = experiment ? `?${new URLSearchParams({ experiment })}` : "";
    this.known = (await this.ask("GET", `${this.table.dataset.api}/keys${asked}`).catch(() => ({ metrics: this.metrics }))).metrics;
    this.fill();
  }
  fill() {
    const there = new Set(this.wanted());
    const option = (value, text) => Object.assign(document.createElement("option"), { value, textContent: text });
    const plots = this.grouped ? [] : Object.keys(PLOTS).filter((key) => !there.has(key));
    const metrics = (this.known || this.metrics).filter((key) => !there.has(key));
    this.add.replaceChildren(option("", this.say("choose")), ...plots.map((key) => option(key, this.say(PLOTS[key]))), ...metrics.map((key) => option(key, key)), option("~usual", this.say("usual_charts")));
  }

  // Which runs.

  async runs() {
    if (!this.grouped) return this.drawable(this.table);
    const asked = new URLSearchParams(location.search);
    if (this.table.dataset.experiment) asked.set("experiment", this.table.dataset.experiment);
    const query = String(asked);
    if (this.asked !== query) {
      this.asked = query;
      this.groups = this.ask("GET", `${this.table.dataset.api}/grouped?${query}`).then(({ groups }) => groups.flatMap(({ value, runs }) => runs.map((run) => ({ ...run, group: value ?? this.say("none_of") }))), () => []);
    }
    return this.groups;
  }

  async draw() {
    if (!this.fold.open) return;
    const runs = await this.runs();
    const said = JSON.stringify(runs);
    const seen = runs.filter((run, at) => this.page.sees({ ...run, at })).map((run) => run.id);
    this.fold.querySelector("[data-whose]").textContent = !this.grouped && this.governed(this.table) ? this.say("many", { count: runs.length }) : "";
    const wanted = this.wanted().filter((key) => !(this.grouped && key in PLOTS));
    for (const [key, card] of this.cards) {
      if (wanted.includes(key)) continue;
      card.remove();
      this.cards.delete(key);
    }
    wanted.forEach((key, at) => {
      const card = this.cards.get(key) || this.card(key, said);
      if (this.grid.children[at] !== card) this.grid.insertBefore(card, this.grid.children[at] || null);
      const chart = card.querySelector("series-chart");
      if (chart && chart.getAttribute("runs") !== said) chart.setAttribute("runs", said);
      if (key in PLOTS) this.plot(card, key, seen.slice(0, MOST_COMPARED));
    });
  }
  card(key, said) {
    const card = document.createElement("section");
    card.className = key in PLOTS ? "card plot-card" : "card";
    card.dataset.key = key;
    this.cards.set(key, card);
    if (key in PLOTS) {
      const head = document.createElement("div");
      head.className = "plot-head";
      const name = document.createElement("b");
      name.className = "chart-name";
      name.textContent = this.say(PLOTS[key]);
      head.append(name);
      card.append(head);
      return card;
    }
    const chart = document.createElement("series-chart");
    for (const [name, value] of Object.entries({ ws: this.table.dataset.ws, metric: key, runs: said, height: 140, plain: "" })) chart.setAttribute(name, value);
    card.append(chart);
    return card;
  }
  plot(card, key, runs) {
    const source = `${new URL(this.table.dataset.compare, location.href).pathname.replace("/w/", "/api/v1/workspaces/")}?${new URLSearchParams(runs.map((id) => ["run", id]))}`;
    const now = card.querySelector("compare-plot");
    if (now?.getAttribute("src") === source) return;
    now?.remove();
    card.querySelector("p")?.remove();
    if (runs.length < LEAST_COMPARED) {
      card.append(Object.assign(document.createElement("p"), { className: "chart-note", textContent: this.say("two_runs") }));
      return;
    }
    const plot = document.createElement("compare-plot");
    const facts = { kind: PLOTS[key], src: source, page: this.table.dataset.compare, runs: this.fold.dataset.place, own: "plots", selects: "" };
    for (const [name, value] of Object.entries(facts)) plot.setAttribute(name, value);
    card.append(plot);
  }
}

function decoded(text) {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
