// <chart-board ws run name colour> or <chart-board ws runs='[{"id","name","colour"}]'>: all metrics of runs, in sections by what stands before the slash in their names.
//
// `kept` is under what this browser keeps the order of its cards. The page tells it which metrics there are (`hold`); that of one run also hands the points of its socket to the charts' feed.
import { arrangeable } from "./arrange.js";
import { feed } from "../series/feed.js";
import { keep, recall } from "../series/order.js";
import { pageOf } from "../series/settings.js";
import { say } from "../wire.js";

// Series that are about the machine: the node samples them, and MLflow's client.
const SYSTEM = "system/";
/** Cards of a section that are in the page at first, and how many more at a time. */
const MOST = 24;
/** Sections that are open at first. */
const OPEN = 8;

const sectionOf = (key) => (key.startsWith(SYSTEM) ? SYSTEM : key.includes("/") ? key.slice(0, key.indexOf("/")) : "");
const inOrder = (one, other) => one.length - other.length || (one < other ? -1 : 1);
const decoded = (text) => {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
};
const natural = new Intl.Collator(undefined, { numeric: true }).compare;

class ChartBoard extends HTMLElement {
  connectedCallback() {
    if (this.sections) return;
    this.sections = new Map();
    this.metrics = new Map();
    this.run = this.getAttribute("run");
    if (this.run) feed.hold(this.run);
    this.find = this.querySelector("[data-charts-find]");
    this.box = this.find?.querySelector("input");
    if (pageOf(this).own) recall("order", this.getAttribute("kept"));
    this.usual = this.find && pageOf(this).own && this.button();
    this.body = document.createElement("div");
    this.append(this.body);
    if (!this.box) return;
    this.box.value = new URLSearchParams(this.words).get("charts") || "";
    this.box.addEventListener("input", () => {
      clearTimeout(this.typing);
      this.typing = setTimeout(() => this.arrange(), 120);
      if (!pageOf(this).own) return;
      const asked = new URLSearchParams(location.search);
      if (this.box.value) asked.set("charts", this.box.value);
      else asked.delete("charts");
      history.replaceState(history.state, "", `${location.pathname}${String(asked) ? `?${asked}` : ""}${location.hash}`);
    });
  }

  /** The run's summaries by key, and the number up to which they are; charts that have less read again. */
  hold(metrics, seq) {
    for (const [key, one] of Object.entries(metrics)) if (["scalar", "list"].includes(one.kind)) this.metrics.set(key, one);
    this.arrange();
    if (this.run) feed.numbers({ [this.run]: seq });
  }
  take(prev, seq, data) {
    const fresh = Object.keys(data).filter((key) => !this.metrics.has(key));
    for (const key of fresh) this.metrics.set(key, {});
    if (fresh.length) this.arrange();
    feed.take(this.run, prev, seq, data);
  }

  /** Which keys the box lets through; what is no expression yet is looked for as it stands. */
  fitting() {
    const text = this.box?.value || "";
    if (!text) return [...this.metrics.keys()];
    let test;
    try {
      const pattern = new RegExp(text, "iu");
      test = (key) => pattern.test(key);
    } catch {
      test = (key) => key.toLowerCase().includes(text.toLowerCase());
    }
    return [...this.metrics.keys()].filter(test);
  }
  /** The words that say how it is drawn: the address, or what a report keeps. */
  get words() {
    return this.closest("[data-chart-scope]")?.dataset.chartScope ?? location.search;
  }
  /** What was put first by hand, in its order: a word of the address. */
  order() {
    return (new URLSearchParams(this.words).get("order") || "").split(";").filter(Boolean).map(decoded);
  }
  /** A card was moved: all cards of its section up to the last that was ever moved stand in the address. */
  moved(section) {
    const keys = [...section.grid.children].map((card) => card.dataset.key);
    const rest = this.order().filter((key) => !keys.includes(key));
    section.keys = keys.concat(section.keys.filter((key) => !keys.includes(key)));
    keep("order", this.getAttribute("kept"), [...rest, ...keys.slice(0, MOST)].map(encodeURIComponent).join(";"));
    if (this.usual) this.usual.hidden = false;
  }
  /** Back to the order of the names. */
  button() {
    const button = document.createElement("button");
    Object.assign(button, { type: "button", className: "btn s", textContent: say("boardusual") });
    button.addEventListener("click", () => {
      keep("order", this.getAttribute("kept"), null);
      this.arrange();
      this.box.focus();
    });
    this.find.append(button);
    return button;
  }
  arrange() {
    const keys = this.fitting();
    if (this.metrics.size) this.closest("live-run")?.querySelector("[data-none]")?.remove();
    const by = new Map();
    const first = this.order();
    const place = (key) => (first.includes(key) ? first.indexOf(key) : first.length);
    for (const key of keys.sort((one, other) => place(one) - place(other) || inOrder(one, other))) {
      const name = sectionOf(key);
      if (!by.has(name)) by.set(name, []);
      by.get(name).push(key);
    }
    // What has no slash first, the machine last.
    const rank = (name) => (name === "" ? 0 : name === SYSTEM ? 2 : 1);
    const names = [...by.keys()].sort((one, other) => rank(one) - rank(other) || natural(one, other));
    for (const [name, section] of this.sections) if (!by.has(name)) section.place.remove();
    names.forEach((name, at) => {
      const section = this.section(name, at);
      section.keys = by.get(name);
      if (this.body.children[at] !== section.place) this.body.insertBefore(section.place, this.body.children[at] || null);
      this.fill(section);
    });
    const count = this.find?.querySelector("[data-count]");
    if (count) count.textContent = this.metrics.size ? say(this.metrics.size === 1 ? "boardone" : "boardmany", { count: keys.length, all: this.metrics.size }) : "";
    if (this.find) this.find.hidden = !this.metrics.size;
    if (this.usual) this.usual.hidden = !first.length;
    const settings = this.querySelector("chart-settings");
    if (settings) {
      settings.hidden = !this.metrics.size;
      settings.setAttribute("metrics", JSON.stringify([...this.metrics.keys()].filter((key) => !key.startsWith(SYSTEM)).sort(inOrder).slice(0, 300)));
    }
    this.dataset.cards = this.body.querySelectorAll("series-chart").length;
  }

  section(name, at) {
    let section = this.sections.get(name);
    if (section) return section;
    const place = document.createElement("details");
    place.className = "chart-section";
    place.open = at < OPEN;
    place.dataset.section = name;
    const top = document.createElement("summary");
    const title = document.createElement("h2");
    title.textContent = name === "" ? say("boardplain") : name === SYSTEM ? say("boardsystem") : name;
    const count = document.createElement("em");
    top.append(title, count);
    const grid = document.createElement("div");
    grid.className = "grid g3";
    const more = document.createElement("button");
    Object.assign(more, { type: "button", className: "btn s", hidden: true });
    if (pageOf(this).own) arrangeable(grid, () => this.moved(section));
    section = { name, place, count, grid, more, most: MOST, keys: [], cards: new Map() };
    more.addEventListener("click", () => {
      section.most += MOST;
      this.fill(section);
    });
    place.addEventListener("toggle", () => place.open && this.fill(section));
    place.append(top);
    if (name === SYSTEM) {
      const note = document.createElement("p");
      note.className = "quiet";
      note.textContent = say("boardsystemnote");
      place.append(note);
    }
    place.append(grid, more);
    this.sections.set(name, section);
    return section;
  }
  /** The cards of a section that is open: those that stay are the same ones, so that nothing is read twice. */
  fill(section) {
    section.count.textContent = section.keys.length;
    const shown = section.keys.slice(0, section.most);
    section.more.hidden = shown.length >= section.keys.length;
    section.more.textContent = say("boardmore", { count: section.keys.length - shown.length });
    if (!section.place.open) return;
    const wanted = new Set(shown);
    for (const [key, card] of section.cards) {
      if (wanted.has(key)) continue;
      card.remove();
      section.cards.delete(key);
    }
    shown.forEach((key, at) => {
      const card = section.cards.get(key) || this.card(section, key);
      if (section.grid.children[at] !== card) section.grid.insertBefore(card, section.grid.children[at] || null);
    });
  }
  card(section, key) {
    const card = document.createElement("section");
    card.className = "card";
    card.dataset.key = key;
    const chart = document.createElement("series-chart");
    chart.label = section.name ? key.slice(section.name.length + (section.name === SYSTEM ? 0 : 1)) : key;
    if (section.name === SYSTEM) chart.label = chart.label.replaceAll("_", " ");
    chart.setAttribute("ws", this.getAttribute("ws"));
    chart.setAttribute("metric", key);
    const { description, last } = this.metrics.get(key);
    if (this.run) chart.known = last; // of a thinned line the last place stands for several points
    if (description) chart.setAttribute("description", description);
    chart.setAttribute("runs", this.getAttribute("runs") || JSON.stringify([{ id: this.run, name: this.getAttribute("name"), colour: Number(this.getAttribute("colour")) || 0 }]));
    card.append(chart);
    section.cards.set(key, card);
    return card;
  }
}
customElements.define("chart-board", ChartBoard);
