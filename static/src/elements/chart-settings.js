// <chart-settings metrics='["loss"]' eyes? base? grouped?>: how all charts of the page draw, and with `eyes` which runs;
// with `base` their lines may be differences from the baseline's. What is set is in the address.
import { MODES } from "../series/eyes.js";
import { MOST, pageOf } from "../series/settings.js";
import { say } from "../wire.js";

const STEPS = { ema: 0.001, mean: 1, gauss: 0.5, none: 1 };

class ChartSettings extends HTMLElement {
  static observedAttributes = ["metrics"];
  connectedCallback() {
    this.page = pageOf(this);
    if (!this.made) this.build();
    this.stop = this.page.on((what) => ["settings", "runs"].includes(what) && this.show());
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
      const share = this.page.state.by / (MOST[this.page.state.smooth] || 1);
      this.page.set({ smooth, by: this.whole(share * MOST[smooth], smooth) });
    });
    this.range = this.input("range", say("setsmooth"));
    this.number = this.input("number", say("setby"));
    for (const one of [this.range, this.number]) {
      one.addEventListener("input", () => {
        const { smooth } = this.page.state;
        const by = Math.min(MOST[smooth], Math.max(0, Number(one.value) || 0));
        this.page.set({ by: this.whole(by, smooth) });
      });
    }
    this.kind.parentElement.append(this.range, this.number);
    this.x = this.choice("setx", [], (x) => this.page.set({ x }));
    if (this.hasAttribute("eyes")) this.eyes = this.choice("setshown", MODES.map((mode) => [mode, say(`seteyes_${mode}`)]), (mode) => mode && this.page.look(mode));
    if (this.hasAttribute("grouped")) this.band = this.choice("setband", [["", say("setband_ends")], ["std", say("setband_std")]], (std) => this.page.set({ std: std === "std" }));
    const differ = this.hasAttribute("base") ? [["diff", "setdiff"]] : [];
    this.checks = [["logx", "setlogx"], ["logy", "setlogy"], ["clip", "setclip"], ...differ].map(([name, text]) => {
      const label = document.createElement("label");
      label.className = "check";
      const box = document.createElement("input");
      box.type = "checkbox";
      box.name = name;
      box.addEventListener("change", () => this.page.set({ [name]: box.checked }));
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
    const { state } = this.page;
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
    if (this.band) this.band.value = state.std ? "std" : "";
    if (this.eyes) {
      const { mode, on, off } = this.page.eyes;
      const custom = on.size || off.size;
      if (custom !== this.custom) this.fill(this.eyes, [...(custom ? [["", say("seteyes_custom")]] : []), ...MODES.map((one) => [one, say(`seteyes_${one}`)])]);
      this.custom = custom;
      this.eyes.value = custom ? "" : mode || "10";
    }
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
