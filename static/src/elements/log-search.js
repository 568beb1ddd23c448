// The bar above a log or a file: search in the whole of it, jump to a line, the first error, wrapping.
import { say } from "../wire.js";
import { hitItem, tally, wordsOf } from "./log-hits.js";

const SHOWN = 200; // hits in the list, and of one answer
const LIGHT = "log-hit";

export class LogSearch {
  constructor(view) {
    this.view = view;
    this.bar = view.closest("[data-log]")?.querySelector("[data-log-bar]");
    if (!this.bar) return;
    this.form = this.bar.querySelector("[data-search]");
    this.note = this.bar.querySelector("[data-hits]");
    this.list = view.closest("[data-log]").querySelector("[data-found]");
    this.hits = [];
    this.more = null; // the line from which the search goes on
    this.at = -1;
    this.listen();
    const asked = new URLSearchParams(view.mine ? location.search : "");
    if (asked.get("find")) {
      this.form.find.value = asked.get("find");
      this.form.case.checked = asked.get("case") === "1";
      this.form.regex.checked = asked.get("regex") === "1";
      view.addEventListener("ready", () => this.run(!view.picked), { once: true });
    }
  }
  listen() {
    const on = (name, act) => this.bar.querySelector(`[data-${name}]`)?.addEventListener("click", act);
    this.form.addEventListener("submit", (event) => {
      event.preventDefault();
      if (this.key() === this.ran && (this.hits.length || this.more)) this.step(1);
      else this.run(true);
    });
    this.form.find.addEventListener("keydown", (event) => {
      if (event.key === "Enter" && event.shiftKey) {
        event.preventDefault();
        this.step(-1);
      } else if (event.key === "Escape") this.clear();
    });
    this.form.find.addEventListener("search", () => this.form.find.value || this.clear());
    for (const name of ["case", "regex"]) this.form[name].addEventListener("change", () => this.form.find.value && this.run(true));
    on("previous", () => this.step(-1));
    on("next", () => this.step(1));
    on("error", () => this.firstError());
    const wrap = this.bar.querySelector("[data-wrap]");
    const pressed = () => wrap.setAttribute("aria-pressed", String(!this.view.classList.contains("nowrap")));
    wrap.addEventListener("click", () => {
      this.view.wrapped(this.view.classList.contains("nowrap"));
      pressed();
    });
    pressed();
    const state = this.view.closest("[data-log]").querySelector("[data-following]");
    this.view.addEventListener("follow", () => (state.hidden = !this.view.follow || !this.view.goesOn));
    const jump = this.bar.querySelector("[data-jump]");
    jump.addEventListener("submit", (event) => {
      event.preventDefault();
      const line = Number(jump.line.value.replace(/\D/g, ""));
      if (line) this.show(line);
    });
    this.list.addEventListener("click", (event) => {
      const link = event.target.closest("a");
      if (!link || event.ctrlKey || event.metaKey) return;
      event.preventDefault();
      this.select(Number(link.dataset.at));
    });
  }

  key() {
    return JSON.stringify([this.form.find.value, this.form.case.checked, this.form.regex.checked]);
  }
  get words() {
    return wordsOf(this.form);
  }
  /** What is searched changed. */
  again() {
    if (this.form?.find.value) this.run(false);
  }
  /** Search the whole log; `move` goes to the first hit. */
  async run(move) {
    if (!this.form.find.value) return this.clear();
    this.ran = this.key();
    this.remember();
    const told = await this.ask({ ...this.words, limit: SHOWN });
    if (!told) return;
    this.hits = told.hits;
    this.more = told.next;
    this.total = told;
    this.at = -1;
    this.draw();
    if (this.hits.length && move) await this.select(0);
    else this.tell();
  }
  async ask(words) {
    this.going?.abort();
    const going = (this.going = new AbortController());
    this.say(say("searching"));
    this.form.setAttribute("aria-busy", "true");
    try {
      const answer = await fetch(this.view.address("search", words), { signal: going.signal, headers: { Accept: "application/json" } });
      const told = await answer.json();
      if (answer.ok) return told;
      this.say(told.error?.message || say("refused", { status: answer.status }), told.error?.hint);
    } catch (error) {
      if (error.name !== "AbortError") this.say(say("away"));
    } finally {
      if (this.going === going) this.form.removeAttribute("aria-busy");
    }
    return null;
  }
  remember() {
    const place = new URL(location);
    const { q, case: exact, regex } = this.words;
    place.searchParams.set("find", q);
    for (const [name, value] of Object.entries({ case: exact, regex })) {
      if (value === "1") place.searchParams.set(name, "1");
      else place.searchParams.delete(name);
    }
    if (!q) place.searchParams.delete("find");
    history.replaceState(history.state, "", place);
  }
  clear() {
    this.going?.abort();
    this.form.removeAttribute("aria-busy");
    this.form.find.value = "";
    this.form.case.checked = this.form.regex.checked = false;
    this.ran = "";
    this.hits = [];
    this.more = null;
    this.at = -1;
    this.list.hidden = true;
    this.say("");
    this.remember();
    CSS.highlights?.delete(LIGHT);
  }

  async step(by) {
    if (!this.hits.length && !this.more) return this.run(true);
    if (this.at + by >= this.hits.length && this.more) {
      const told = await this.ask({ ...this.words, limit: SHOWN, line: this.more });
      if (!told) return null;
      this.total = { ...told, count: this.hits.length + told.count };
      this.hits.push(...told.hits);
      this.more = told.next;
      this.draw();
      if (!told.hits.length) return this.tell();
    }
    if (!this.hits.length) return null;
    return this.select((this.at + by + this.hits.length) % this.hits.length);
  }
  async select(at) {
    this.at = at;
    const hit = this.hits[at];
    await this.show(hit.line);
    this.light(hit);
    this.tell();
    for (const one of this.list.querySelectorAll("[aria-current]")) one.removeAttribute("aria-current");
    const link = this.list.querySelector(`[data-at="${at}"]`);
    link?.setAttribute("aria-current", "true");
    if (link) this.list.scrollTop = link.offsetTop - this.list.clientHeight / 2;
  }
  async show(line) {
    const at = await this.view.go(line);
    if (at) this.view.pick(at);
  }
  async firstError() {
    const told = await this.ask({ preset: "error", limit: 1 });
    if (!told) return;
    if (!told.hits.length) return this.say(say("noerror"));
    this.say("");
    await this.show(told.hits[0].line);
    this.light(told.hits[0]);
  }

  /** Mark what was found in its row, across the colours that it may have. */
  light(hit) {
    const row = this.view.line(hit.line)?.querySelector("span");
    if (!row || !CSS.highlights) return;
    const wanted = hit.text.slice(hit.start, hit.end);
    const start = wanted ? row.textContent.indexOf(wanted) : -1;
    CSS.highlights.delete(LIGHT);
    if (start < 0) return;
    const range = new Range();
    const walk = document.createTreeWalker(row, NodeFilter.SHOW_TEXT);
    let seen = 0;
    while (walk.nextNode()) {
      const length = walk.currentNode.length;
      if (start >= seen && start < seen + length) range.setStart(walk.currentNode, start - seen);
      if (start + wanted.length <= seen + length) {
        range.setEnd(walk.currentNode, start + wanted.length - seen);
        break;
      }
      seen += length;
    }
    CSS.highlights.set(LIGHT, new Highlight(range));
  }
  draw() {
    this.list.hidden = this.hits.length < 2;
    this.list.replaceChildren(
      ...this.hits.map((hit, at) => {
        const item = hitItem(hit, `#L${hit.line}`);
        item.firstChild.dataset.at = at;
        return item;
      }),
    );
  }
  tell() {
    this.say(tally(this.total, this.at));
  }
  say(words, hint = "") {
    this.note.textContent = words;
    this.note.title = hint;
  }
}
