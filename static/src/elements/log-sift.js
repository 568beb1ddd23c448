// What of a log is shown, and how: one stream, a part of the time, times of lines, the newest line first.

const NAMES = ["stream", "since", "until"];
const LETTER = { out: "o", err: "e", other: "-" };

export class LogSift {
  constructor(view) {
    this.view = view;
    // Of a file nobody knows streams and times.
    const asked = new URLSearchParams(view.file === null ? location.search : "");
    this.words = Object.fromEntries(NAMES.map((name) => [name, asked.get(name)]).filter(([, value]) => value));
    this.bar = view.closest("[data-log]")?.querySelector("[data-log-bar]");
    const part = (name) => this.bar?.querySelector(`[data-${name}]`);
    this.parts = { stream: part("stream"), when: part("when"), newest: part("newest"), range: part("range"), all: part("all") };
    this.listen();
    this.show();
  }
  /** Something is left out. */
  get on() {
    return Object.keys(this.words).length > 0;
  }
  keeps({ time, stream }) {
    const { stream: wanted, since, until } = this.words;
    if (wanted && LETTER[wanted] !== stream) return false;
    if ((since || until) && !time) return false;
    return (!since || time >= Number(since)) && (!until || time <= Number(until));
  }

  listen() {
    const { stream, when, newest, range, all } = this.parts;
    stream?.addEventListener("change", () => this.set({ stream: stream.value }));
    when?.addEventListener("change", () => this.view.rows.show(when.value, this.view.pane));
    newest?.addEventListener("click", () => {
      this.view.turned(!this.view.newest);
      if (this.view.newest) localStorage.setItem("log-newest", "on");
      else localStorage.removeItem("log-newest");
      newest.setAttribute("aria-pressed", String(this.view.newest));
    });
    all?.addEventListener("click", () => this.set({ stream: "", since: "", until: "" }));
    const form = range?.querySelector("form");
    form?.addEventListener("submit", (event) => {
      event.preventDefault();
      const moment = (name, more) => (form[name].value ? String(new Date(form[name].value).getTime() + more) : "");
      // Somebody who names a second means all of it.
      this.set({ since: moment("from", 0), until: moment("to", 999) });
      range.open = false;
      range.querySelector("summary").focus();
    });
    range?.addEventListener("keydown", (event) => {
      if (event.key !== "Escape" || !range.open) return;
      range.open = false;
      range.querySelector("summary").focus();
    });
    range?.addEventListener("toggle", () => range.open && this.fill(form));
  }
  /** The times of the log's ends, where somebody has not chosen any. */
  fill(form) {
    const known = [...this.view.pane.querySelectorAll("[data-time]")].map((row) => Number(row.dataset.time));
    if (!form.from.value && known.length) form.from.value = local(Math.min(...known));
    if (!form.to.value && known.length) form.to.value = local(Math.max(...known));
  }
  set(words) {
    const now = { ...this.words, ...words };
    this.words = Object.fromEntries(NAMES.map((name) => [name, now[name]]).filter(([, value]) => value));
    const place = new URL(location);
    for (const name of NAMES) {
      if (this.words[name]) place.searchParams.set(name, this.words[name]);
      else place.searchParams.delete(name);
    }
    history.replaceState(history.state, "", place);
    this.show();
    this.view.sifted();
  }
  show() {
    const { stream, when, newest, range, all } = this.parts;
    const { stream: wanted = "", since, until } = this.words;
    if (stream) stream.value = wanted;
    if (when) when.value = localStorage.getItem("log-when") || "";
    newest?.setAttribute("aria-pressed", String(this.view.newest));
    if (all) all.hidden = !this.on;
    if (!range) return;
    range.querySelector("summary").setAttribute("aria-current", String(Boolean(since || until)));
    const form = range.querySelector("form");
    form.from.value = since ? local(Number(since)) : "";
    form.to.value = until ? local(Number(until)) : "";
  }
}

/** A moment as a field of date and time takes it, in the time zone of who looks. */
function local(ms) {
  const moment = new Date(Math.floor(ms / 1000) * 1000);
  return new Date(moment.getTime() - moment.getTimezoneOffset() * 60_000).toISOString().slice(0, 19);
}
