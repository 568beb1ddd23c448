/** <run-table data-api="…/runs" data-compare="…/compare" data-experiment="name?">: the runs that a page lists.

Holds the selection (boxes, x, shift), does one thing to all selected runs, and keeps the rows true: it asks for its own
page again and replaces only the rows that say something else, so that focus, scroll and selection stay.
What is loaded later is lent the words and the wire: importing them would load this bundle a second time under its other
name, that of the file that was built. */
import { dialog as held, show } from "../dialogs.js";
import { ask, bytes } from "../wire.js";
import { page } from "../series/settings.js";
import { arrangeable } from "./arrange.js";
import { copy } from "./small.js";
import { Columns } from "./run-columns.js";
import { keepAddress } from "./run-address.js";
import * as order from "../series/order.js";
import * as eyes from "./run-eyes.js";
import { patch } from "./run-rows.js";

const SOON = 300; // many facts at once cost one look
const BETWEEN = 1500; // the pause after a look
const POLL = 5000; // while something on the page goes on, its numbers move without a fact
const AT_ONCE = 50; // runs of one call, so that its progress is seen
const IN_ADDRESS = 50;
const MOST_COMPARED = 200;
const FEW = 20;
/** Deeds after which a run is not in this list any more, and what takes some of them back. */
const LEAVES = ["delete", "archive", "unarchive"];
const UNDONE = { delete: "restore", archive: "unarchive", unarchive: "archive" };
const COUNTED = ["final", "not_final", "forbidden"];

const words = JSON.parse(document.getElementById("table-words")?.textContent || "{}");
const say = (key, facts = {}) => (words[key] || key).replace(/\{(\w+)\}/g, (whole, name) => facts[name] ?? whole);

const typing = (node) => node.closest?.("input:not([type=checkbox]),textarea,select,[contenteditable]");

class RunTable extends HTMLElement {
  connectedCallback() {
    this.api = this.dataset.api;
    this.store = `runs ${location.pathname}`;
    this.chosen = new Map(); // id to name
    this.whole = false;
    this.following = true;
    this.opened = new Set(); // rows whose runs below them are shown
    this.columns = new Columns(this);
    this.stop = new AbortController();
    const on = (target, type, work) => target.addEventListener(type, work, { signal: this.stop.signal });
    on(this, "click", (event) => this.click(event));
    on(this, "change", (event) => event.target.matches("td.pick input") && this.toggle(event.target.closest("tr")));
    on(this, "submit", (event) => this.submit(event));
    on(document, "keydown", (event) => this.key(event));
    on(this, "contextmenu", (event) => this.menu(event));
    on(this, "pointerdown", (event) => event.target.matches(".grip") && this.columns.drag(event));
    on(this, "dblclick", (event) => event.target.matches(".grip") && this.columns.fit(event.target.closest("th")));
    on(document.body, "zaffre-runs", () => this.soon(SOON));
    on(document, "visibilitychange", () => !document.hidden && this.soon(0));
    this.unsee = page.on((what) => what === "runs" && this.paint());
    keepAddress(this, this.stop.signal);
    this.remember();
    this.paint();
    this.poll();
    this.saw(new Date());
    // After the rows: what is above them is drawn when the browser has nothing else to do.
    if (this.querySelector("[data-strip]")) (window.requestIdleCallback || setTimeout)(() => import("./run-strip.js").then(({ strip }) => strip(this, say, { page, arrangeable, ask, recall: order.recall, remember: order.keep, governed: eyes.governed, drawable: eyes.drawable })));
  }

  disconnectedCallback() {
    this.stop.abort();
    this.columns.stop();
    this.unsee();
    clearTimeout(this.timer);
    clearTimeout(this.polled);
  }

  get rows() {
    return [...this.querySelectorAll("tbody[data-runs] > tr[id^=r-]")];
  }

  /** Select exactly these. */
  choose(runs) {
    this.chosen.clear();
    for (const id of runs) this.chosen.set(id, "");
    this.changed();
  }

  // The selection.

  remember() {
    const address = new URLSearchParams(location.search).get("selected");
    const kept = address === null ? JSON.parse(sessionStorage.getItem(this.store) || "[]") : address.split(",").filter(Boolean).map((id) => [id, ""]);
    for (const [id, name] of kept) this.chosen.set(id, name);
  }

  keep() {
    sessionStorage.setItem(this.store, JSON.stringify([...this.chosen]));
    const url = new URL(location);
    if (this.chosen.size && this.chosen.size <= IN_ADDRESS) url.searchParams.set("selected", [...this.chosen.keys()].join(","));
    else url.searchParams.delete("selected");
    if (url.href !== location.href) history.replaceState(history.state, "", url);
  }

  set(row, on) {
    const box = row.querySelector(".pick input");
    if (on) this.chosen.set(box.value, box.ariaLabel || "");
    else this.chosen.delete(box.value);
  }

  toggle(row, on = !this.chosen.has(row.id.slice(2))) {
    this.whole = false;
    this.set(row, on);
    this.last = row.id;
    this.changed();
  }

  range(row) {
    const all = this.rows;
    const [from, to] = [all.findIndex((one) => one.id === this.last), all.indexOf(row)];
    if (from < 0) return this.toggle(row);
    const on = this.chosen.has(this.last.slice(2));
    for (const one of all.slice(Math.min(from, to), Math.max(from, to) + 1)) this.set(one, on);
    return this.changed();
  }

  clear() {
    this.chosen.clear();
    this.whole = false;
    this.changed();
  }

  changed() {
    this.keep();
    this.paint();
    this.dispatchEvent(new CustomEvent("runs-selected", { bubbles: true, detail: { runs: [...this.chosen.keys()] } }));
  }

  /** Let the page show what is selected. */
  paint() {
    const rows = this.rows;
    let here = 0;
    for (const row of rows) {
      const on = this.chosen.has(row.id.slice(2));
      here += on;
      row.classList.toggle("sel", on);
      row.querySelector(".pick input").checked = on;
    }
    eyes.paint(this);
    const all = this.querySelector("input[data-all]");
    if (all) {
      all.checked = rows.length > 0 && here === rows.length;
      all.indeterminate = here > 0 && here < rows.length;
    }
    const count = this.chosen.size;
    const bar = this.querySelector("[data-bulk]");
    if (bar) bar.hidden = !count;
    const many = this.querySelector("[data-many]");
    if (many) many.textContent = this.whole ? say("whole") : say(count === here ? "many" : "elsewhere", { count, away: count - here });
    for (const one of this.querySelectorAll("a[data-compare]")) {
      const ready = count > 1 && count <= MOST_COMPARED && !this.whole;
      one.ariaDisabled = String(!ready);
      one.title = count > MOST_COMPARED ? say("toomany", { most: MOST_COMPARED }) : "";
      const n = one.querySelector("[data-n]");
      if (n) n.textContent = count || "";
      if (ready) one.href = `${this.dataset.compare}?${new URLSearchParams([...this.chosen.keys()].map((id) => ["run", id]))}`;
      else one.removeAttribute("href");
    }
  }

  click(event) {
    const at = event.target.closest("button,input[type=checkbox]");
    if (!at || !this.contains(at)) return;
    const { ask: asked, deed, mark, pick, expand } = at.dataset;
    if (at.matches("td.pick input") && event.shiftKey) {
      event.preventDefault();
      setTimeout(() => this.range(at.closest("tr"))); // the box is set back after this event
    } else if ("all" in at.dataset) this.page(at.checked);
    else if ("whole" in at.dataset) this.everything();
    else if ("clear" in at.dataset) this.clear();
    else if ("follow" in at.dataset) this.follow(at);
    else if ("undo" in at.dataset) this.undo();
    else if (asked) this.before(asked);
    else if (deed) this.deed(deed, at.closest("dialog"), at.dataset.colour ? { colour: JSON.parse(at.dataset.colour) } : {});
    else if (mark) this.mark(mark);
    else if (pick) import("./column-picker.js").then(({ open }) => open(held("pick"), this, pick, { ask, say }));
    else if ("eye" in at.dataset) eyes.see(this, at);
    else if ("head" in at.dataset) import("./head-menu.js").then(({ open }) => open(this, at, this.columns));
    else if ("below" in at.dataset) import("./run-nest.js").then(({ nest }) => nest(this, at));
    else if (expand) import("./run-groups.js").then(({ fold }) => fold(at, say));
  }

  page(on) {
    this.whole = false;
    for (const row of this.rows) this.set(row, on);
    this.changed();
  }

  /** The right button, or the key for it; with Shift the browser's own menu. */
  menu(event) {
    const row = event.target.closest("tbody[data-runs] > tr[id^=r-]");
    if (!row || (event.button === 2 && event.shiftKey) || typing(event.target)) return;
    event.preventDefault();
    if (!this.chosen.has(row.id.slice(2))) {
      this.chosen.clear();
      this.toggle(row, true);
    }
    const byKey = event.button !== 2 && event.target.getBoundingClientRect;
    import("./row-menu.js").then(({ open }) => open(this, row, byKey ? event.target : { x: event.clientX, y: event.clientY }, say));
  }
  copy = copy;

  key(event) {
    if (this.columns.key(event)) return event.preventDefault();
    if (event.ctrlKey || event.metaKey || event.altKey || typing(event.target) || document.querySelector("dialog[open], :popover-open")) return;
    const row = this.querySelector("tbody[data-runs] > tr[id^=r-][data-at]") || document.activeElement?.closest?.("tbody[data-runs] > tr[id^=r-]");
    if (event.key === "x" && row) this.toggle(row);
    else if (event.key === "X" && row) this.range(row);
    else if (event.key === "Escape" && this.chosen.size && !document.querySelector("details.drop[open]")) this.clear();
    else return;
    event.preventDefault();
  }

  // One deed for all of them.

  query() {
    const asked = new URLSearchParams(location.search);
    for (const word of ["after", "before", "selected", "view"]) asked.delete(word);
    if (this.dataset.experiment) asked.set("experiment", this.dataset.experiment);
    return asked;
  }

  async everything() {
    try {
      const { runs } = await ask("GET", `${this.api}/matching?${this.query()}`);
      for (const id of runs) if (!this.chosen.has(id)) this.chosen.set(id, "");
      this.changed();
    } catch (error) {
      this.note(`${error.message} ${error.hint || ""}`);
    }
  }

  before(deed) {
    const dialog = held(`bulk-${deed}`);
    dialog.querySelector("[data-how]").textContent = say(`how_${deed}`, { count: this.chosen.size });
    show(dialog);
    if (deed === "delete") this.weigh(dialog.querySelector("[data-freed]"));
  }

  /** How many bytes the selected runs hold, where they are few enough to ask for each. */
  async weigh(place) {
    place.textContent = "";
    const ids = [...this.chosen.keys()];
    if (ids.length > FEW) return;
    const told = await Promise.all(ids.map((id) => ask("GET", `${this.api}/${id}/freed`).catch(() => null)));
    const size = told.reduce((sum, one) => sum + (one?.bytes || 0), 0);
    if (size) place.textContent = say("freed", { size: bytes(size) });
  }

  submit(event) {
    const form = event.target;
    if (form.matches("[data-tag]")) {
      event.preventDefault();
      const { value: key } = form.elements["tag-key"];
      const value = form.elements.remove.checked ? null : form.elements["tag-value"].value;
      this.deed("tag", form.closest("dialog"), { tags: { [key]: value } });
    } else if (form.matches("[data-file]")) {
      form.elements.runs.value = [...this.chosen.keys()].join(",");
      const button = event.submitter;
      setTimeout(() => (button.disabled = false), 1500); // the page stays, so the button has to come back
    }
  }

  async deed(deed, dialog, more = {}, ids = [...this.chosen.keys()]) {
    dialog?.close();
    const found = [];
    try {
      for (let at = 0; at < ids.length; at += AT_ONCE) {
        if (ids.length > AT_ONCE) this.note(say("working", { done: at, count: ids.length }), { stay: true });
        const told = await ask("POST", `${this.api}/bulk`, { action: deed, runs: ids.slice(at, at + AT_ONCE), ...more });
        found.push(...told.results);
      }
    } catch (error) {
      this.note(`${error.message} ${error.hint || ""}`);
    }
    if (found.length) this.told(deed, found);
    this.soon(0);
  }

  told(deed, found) {
    const done = found.filter((one) => one.done);
    const refused = found.filter((one) => !one.done);
    const counts = new Map();
    for (const { code } of refused) {
      const key = COUNTED.includes(code) ? code : "other";
      counts.set(key, (counts.get(key) || 0) + 1);
    }
    const parts = [say(`done_${deed}`, { count: done.length }), ...[...counts].map(([key, count]) => say(key, { count }))];
    this.gone = UNDONE[deed] ? done.map((one) => one.run) : [];
    this.back = UNDONE[deed];
    if (LEAVES.includes(deed)) for (const { run } of done) this.chosen.delete(run);
    this.changed();
    this.note(parts.join(" · "), { undo: this.gone.length > 0 });
    if (refused.length) this.list(parts.join(" · "), refused);
  }

  list(text, refused) {
    const dialog = held("bulk-refused");
    dialog.querySelector("[data-how]").textContent = text;
    dialog.querySelector("[data-list]").replaceChildren(
      ...refused.map((one) => {
        const item = document.createElement("li");
        const name = document.createElement("b");
        name.textContent = one.name || one.run;
        item.append(name, ` ${one.message}`);
        return item;
      }),
    );
    dialog.showModal();
  }

  note(text, { undo = false, stay = false } = {}) {
    const note = this.querySelector("[data-note]");
    note.querySelector("span").textContent = text;
    note.querySelector("[data-undo]").hidden = !undo;
    note.hidden = false;
    clearTimeout(this.noted);
    if (!stay) this.noted = setTimeout(() => (note.hidden = true), undo ? 20000 : 8000);
  }

  undo() {
    this.deed(this.back, null, {}, this.gone);
  }

  async mark(kind) {
    const rows = new Map(this.rows.map((row) => [row.id.slice(2), row]));
    const ids = [...this.chosen.keys()].slice(0, kind === "baseline" ? 1 : AT_ONCE);
    const all = ids.every((id) => rows.get(id)?.hasAttribute(`data-${kind}`));
    try {
      for (const id of ids) await ask(all ? "DELETE" : "PUT", `${this.api}/${id}/marks/${kind}`);
    } catch (error) {
      this.note(`${error.message} ${error.hint || ""}`);
    }
    this.soon(0);
  }

  // Keeping the rows true.

  follow(button) {
    this.following = !this.following;
    button.ariaPressed = String(this.following);
    if (this.following) this.soon(0);
    else this.saw(null);
  }

  poll() {
    clearTimeout(this.polled);
    this.polled = setTimeout(() => {
      if (this.querySelector("tr[data-goes]")) this.soon(0);
      this.poll();
    }, POLL);
  }

  soon(pause) {
    if (!this.following || this.timer || document.hidden) return;
    this.timer = setTimeout(() => this.look(), Math.max(pause, (this.free || 0) - Date.now()));
  }

  async look() {
    try {
      const answer = await fetch(location.href, { headers: { "HX-Request": "true" } });
      if (answer.ok && !answer.redirected) {
        this.patch(new DOMParser().parseFromString(await answer.text(), "text/html"));
        this.saw(new Date());
      }
    } catch {
      this.saw(this.at, "behind");
    }
    this.free = Date.now() + BETWEEN;
    this.timer = 0;
  }

  saw(at, key = "updated") {
    const said = this.querySelector("[data-said]");
    if (at) this.at = at;
    if (said) said.textContent = at ? say(key, { time: this.at.toLocaleTimeString(document.documentElement.lang) }) : say("paused");
  }

  patch(fresh) {
    if (!patch(this, fresh, typing(document.activeElement))) return;
    this.columns.show();
    this.paint();
    if (this.opened.size) import("./run-nest.js").then(({ again }) => again(this));
    this.dispatchEvent(new CustomEvent("runs-read"));
  }
}

customElements.define("run-table", RunTable);
