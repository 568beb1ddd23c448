// <score-form url keys>: send JSON to an endpoint and see status, time and answer.
import { ask, say } from "../wire.js";

class ScoreForm extends HTMLElement {
  connectedCallback() {
    this.form = this.querySelector("form");
    this.box = this.querySelector("textarea");
    this.head = this.querySelector("[data-head]");
    this.body = this.querySelector("[data-body]");
    this.form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.send();
    });
    this.box.addEventListener("keydown", (event) => {
      if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) {
        event.preventDefault();
        this.send();
      }
    });
    this.offer();
  }
  /** Files of the deployed code that may be requests; the only one there is stands in the box from the start. */
  offer() {
    const all = [...this.querySelectorAll("[data-sample]")];
    for (const one of all) one.addEventListener("click", () => this.fill(one.dataset.sample));
    const first = this.box.value;
    if (all.length === 1) this.fill(all[0].dataset.sample, () => this.box.value === first);
  }
  async fill(url, still = () => true) {
    const answer = await fetch(url).catch(() => null);
    const text = answer?.ok ? await answer.text() : "";
    if (text && still()) this.box.value = text;
  }
  show(kind, head, text) {
    this.head.className = `pill ${kind}`;
    this.head.textContent = head;
    this.head.hidden = false;
    this.body.textContent = text;
  }
  async send() {
    try {
      JSON.parse(this.box.value);
    } catch (error) {
      return this.show("bad", say("notjson"), error.message);
    }
    const button = this.querySelector("button[type=submit]");
    button.disabled = true;
    try {
      // Asked for once and only here: showing a key leaves a line in the workspace's history.
      this.key ||= (await ask("GET", this.getAttribute("keys"))).primary;
      const begun = performance.now();
      const answer = await fetch(this.getAttribute("url"), {
        method: "POST",
        headers: { Authorization: `Bearer ${this.key}`, "Content-Type": "application/json" },
        body: this.box.value,
      });
      const text = await answer.text();
      const took = performance.now() - begun;
      if (answer.status === 401) this.key = "";
      this.show(answer.ok ? "ok" : "bad", `${answer.status} · ${took < 10 ? took.toFixed(1) : Math.round(took)} ms`, pretty(text));
    } catch (error) {
      this.show("bad", say("away"), error.message);
    } finally {
      button.disabled = false;
    }
  }
}
function pretty(text) {
  try {
    return JSON.stringify(JSON.parse(text), null, 2);
  } catch {
    return text;
  }
}
customElements.define("score-form", ScoreForm);
