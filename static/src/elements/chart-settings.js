// <chart-settings metrics='["loss"]'>: how all charts of the page draw. What is set is in the address.
import { MOST, page } from "../series/settings.js";
import { say } from "../wire.js";

const STEPS = { ema: 0.001, mean: 1, gauss: 0.5, none: 1 };

class ChartSettings extends HTMLElement {
  static observedAttributes = ["metrics"];
  connectedCallback() {
    if (!this.made) this.build();
    this.stop = page.on((what) => what === "settings" && this.show());
    this.show();
  }
  disconnectedCallback() {
    this.stop?.();
  }
  attributeChangedCallback() {
    if (this.made) this.show();
  }

  build() {
    this.made = true;
    this.setAttribute("role", "group");
    this.setAttribute("aria-label", say("setcharts"));
    this.kind = this.choice("setsmooth", [["ema", say("setema")], ["mean", say("setmean")], ["gauss", say("setgauss")], ["none", say("setnone")]], (smooth) => {
      const share = page.state.by / (MOST[page.state.smooth] || 1);
      page.set({ smooth, by: this.whole(share * MOST[smooth], smooth) });
    });
    this.range = this.input("range", say("setsmooth"));
    this.number = this.input("number", say("setby"));
    for (const one of [this.range, this.number]) {
      one.addEventListener("input", () => {
        const { smooth } = page.state;
        const by = Math.min(MOST[smooth], Math.max(0, Number(one.value) || 0));
        page.set({ by: this.whole(by, smooth) });
      });
    }
    this.kind.parentElement.append(this.range, this.number);
    this.x = this.choice("setx", [], (x) => page.set({ x }));
    this.checks = [["logx", "setlogx"], ["logy", "setlogy"], ["clip", "setclip"]].map(([name, text]) => {
      const label = document.createElement("label");
      label.className = "check";
      const box = document.createElement("input");
      box.type = "checkbox";
      box.name = name;
      box.addEventListener("change", () => page.set({ [name]: box.checked }));
      label.append(box, say(text));
      this.append(label);
      return [name, box];
    });
  }
  whole(by, kind) {
    return kind === "mean" ? Math.round(by) : Number(by.toFixed(3));
  }
  choice(text, options, act) {
    const label = document.createElement("label");
    const select = document.createElement("select");
    select.name = text.slice(3);
    label.append(say(text), select);
    this.fill(select, options);
    select.addEventListener("change", () => act(select.value));
    this.append(label);
    return select;
  }
  fill(select, options) {
    select.replaceChildren(
      ...options.map(([value, text]) => {
        const option = document.createElement("option");
        Object.assign(option, { value, textContent: text });
        return option;
      }),
    );
  }
  input(type, name) {
    const made = document.createElement("input");
    made.type = type;
    made.name = type === "range" ? "slider" : "by";
    made.min = 0;
    made.setAttribute("aria-label", name);
    return made;
  }

  show() {
    const { state } = page;
    let metrics = [];
    try {
      metrics = JSON.parse(this.getAttribute("metrics") || "[]");
    } catch {
      // No list: the axes that always are.
    }
    const others = [...new Set([...metrics, ...(state.x.startsWith("metric:") ? [state.x.slice(7)] : [])])].slice(0, 300);
    const wanted = [["step", say("setstep")], ["relative", say("setrelative")], ["time", say("settime")], ...others.map((one) => [`metric:${one}`, one])];
    const mark = JSON.stringify(wanted);
    if (this.listed !== mark) this.fill(this.x, wanted);
    this.listed = mark;
    this.kind.value = state.smooth;
    this.x.value = state.x;
    for (const one of [this.range, this.number]) {
      one.max = MOST[state.smooth];
      one.step = STEPS[state.smooth];
      one.hidden = state.smooth === "none";
      if (document.activeElement !== one || Number(one.value) !== state.by) one.value = state.by;
    }
    for (const [name, box] of this.checks) box.checked = state[name];
  }
}
customElements.define("chart-settings", ChartSettings);
