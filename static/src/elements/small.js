// Small elements that start by themselves wherever a page or htmx puts them.
import { say, toast } from "../wire.js";

const near = new Intl.RelativeTimeFormat(document.documentElement.lang, { numeric: "auto", style: "short" });
const exact = new Intl.DateTimeFormat(document.documentElement.lang, { dateStyle: "medium", timeStyle: "long" });
const UNITS = [["day", 86400], ["hour", 3600], ["minute", 60], ["second", 1]];

/** <time-ago at="ISO time">: relative, the exact time on hover. */
class TimeAgo extends HTMLElement {
  connectedCallback() {
    const at = new Date(this.getAttribute("at"));
    if (Number.isNaN(at.getTime())) return;
    this.title = exact.format(at);
    const show = () => {
      const seconds = (at - Date.now()) / 1000;
      const [unit, size] = UNITS.find(([, length]) => Math.abs(seconds) >= length) || UNITS[3];
      this.textContent = near.format(Math.round(seconds / size), unit);
    };
    show();
    this.timer = setInterval(show, 15000);
  }
  disconnectedCallback() {
    clearInterval(this.timer);
  }
}

/** <for-time since="ISO time" until="ISO time?">: a duration that counts while it has no end. */
class ForTime extends HTMLElement {
  connectedCallback() {
    const since = new Date(this.getAttribute("since"));
    const until = this.getAttribute("until");
    if (Number.isNaN(since.getTime())) return;
    const show = () => {
      const seconds = Math.max(0, ((until ? new Date(until) : Date.now()) - since) / 1000);
      const [hours, minutes] = [Math.floor(seconds / 3600), Math.floor(seconds / 60) % 60];
      const two = (number) => String(number).padStart(2, "0");
      if (seconds < 10) this.textContent = `${seconds.toFixed(1)} s`;
      else if (hours) this.textContent = `${hours}:${two(minutes)}:${two(Math.floor(seconds % 60))}`;
      else this.textContent = `${minutes}:${two(Math.floor(seconds % 60))}`;
    };
    show();
    if (!until) this.timer = setInterval(show, 1000);
  }
  disconnectedCallback() {
    clearInterval(this.timer);
  }
}

/** Put a text on the clipboard, and say so. */
export async function copy(text) {
  try {
    await navigator.clipboard.writeText(text);
  } catch {
    // Without a secure context there is no clipboard API; a selection still copies.
    const box = document.createElement("textarea");
    box.value = text;
    document.body.append(box);
    box.select();
    document.execCommand("copy");
    box.remove();
  }
  toast(say("copied"));
}

/** <copy-text value="…?">: copies its value, or the text of its <pre>. */
class CopyText extends HTMLElement {
  connectedCallback() {
    if (this.ready) return;
    this.ready = true;
    const text = () => this.getAttribute("value") || this.querySelector("pre,code")?.textContent.trim() || "";
    if (this.classList.contains("inline")) {
      this.tabIndex = 0;
      this.setAttribute("role", "button");
      this.title = say("copy");
      this.addEventListener("click", () => copy(text()));
      this.addEventListener("keydown", (event) => event.key === "Enter" && copy(text()));
      return;
    }
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = say("copy");
    button.addEventListener("click", () => copy(text()));
    this.append(button);
  }
}

/** <confirm-dialog name="…">: its form can be sent only after the name was typed. */
class ConfirmDialog extends HTMLElement {
  connectedCallback() {
    const box = this.querySelector("input[data-typed]");
    const button = this.querySelector("button[type=submit]");
    if (!box) return;
    const check = () => (button.disabled = box.value !== this.getAttribute("name"));
    box.addEventListener("input", check);
    check();
  }
}

/** <show-secret url="…" field="…">: asks for a secret only when somebody wants to see it. */
class ShowSecret extends HTMLElement {
  connectedCallback() {
    const button = this.querySelector("button");
    button?.addEventListener("click", async () => {
      const answer = await fetch(this.getAttribute("url"), { headers: { Accept: "application/json" } });
      const told = await answer.json();
      const code = document.createElement("code");
      code.textContent = answer.ok ? told[this.getAttribute("field")] : told.error?.message;
      const held = document.createElement("copy-text");
      held.className = "inline";
      held.append(code);
      this.replaceChildren(held);
    });
  }
}

/** <tab-choice>: its buttons show one of its panels. */
class TabChoice extends HTMLElement {
  connectedCallback() {
    const buttons = [...this.querySelectorAll("[data-panel]")];
    const choose = (name) => {
      for (const one of buttons) {
        one.setAttribute("aria-pressed", String(one.dataset.panel === name));
        this.querySelector(`[data-holds="${one.dataset.panel}"]`).hidden = one.dataset.panel !== name;
      }
    };
    for (const one of buttons) one.addEventListener("click", () => choose(one.dataset.panel));
    if (buttons.length) choose(buttons[0].dataset.panel);
  }
}

customElements.define("time-ago", TimeAgo);
customElements.define("for-time", ForTime);
customElements.define("copy-text", CopyText);
customElements.define("confirm-dialog", ConfirmDialog);
customElements.define("show-secret", ShowSecret);
customElements.define("tab-choice", TabChoice);
