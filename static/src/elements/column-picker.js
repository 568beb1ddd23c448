// The dialog that chooses the columns of a table of runs, or what they are grouped by: search, order, and which value.

let say = (key) => key;

const SYSTEM = /^system\//;
const KINDS = { metrics: "metric", params: "param", tags: "tag" };
const PLURALS = { metric: "metrics", param: "params", tag: "tags", property: "properties" };
const PARTS = ["last", "min", "max", "count", "at_min", "at_max"];

const same = (one, other) => one.kind === other.kind && one.key === other.key;
const quoted = (key) => (/^[\w./:-]+$/.test(key) ? key : key.includes("`") ? `"${key}"` : `\`${key}\``);

/** As an address names it. */
function text({ kind, key, part, of }) {
  if (kind === "attribute") return key;
  const plain = `${PLURALS[kind]}.${quoted(key)}`;
  if (part === "at_min" || part === "at_max") return `${part}(${plain}, metrics.${quoted(of)})`;
  return part === "last" ? plain : `${part}(${plain})`;
}

function make(tag, facts = {}, ...inside) {
  const node = Object.assign(document.createElement(tag), facts);
  node.append(...inside);
  return node;
}

/** Two ways in which a name may fit what was typed, the second for when the first finds nothing. `/…/` is an expression in
both; else all words are in the name, or all letters in their order. */
function sought(typed) {
  const wanted = typed.toLowerCase().trim();
  const asked = wanted.match(/^\/(.+)\/$/);
  try {
    const pattern = asked && new RegExp(typed.trim().slice(1, -1), "iu");
    if (pattern) return [(name) => pattern.test(name), () => false];
  } catch {
    // No expression, or not yet: the words themselves.
  }
  const words = wanted.split(/\s+/);
  const letters = [...wanted].filter((one) => one.trim());
  const inOrder = (name) => {
    let from = 0;
    return letters.every((one) => (from = name.indexOf(one, from) + 1) > 0);
  };
  return [(name) => words.every((word) => name.toLowerCase().includes(word)), (name) => inOrder(name.toLowerCase())];
}

/** Open it in a dialog for the `columns` or the `group` of a table, which lends its words and its wire. */
export async function open(dialog, table, what, lent) {
  say = lent.say;
  const told = JSON.parse(document.getElementById("table-columns").textContent);
  const experiment = table.dataset.experiment;
  dialog.querySelector("#pick-title").textContent = say(what);
  dialog.showModal();
  const asked = experiment ? `?${new URLSearchParams({ experiment })}` : "";
  const known = await lent.ask("GET", `${table.dataset.api}/keys${asked}`);
  new Picker(dialog.querySelector("[data-body]"), what, told, known).show();
}

class Picker {
  constructor(body, what, told, known) {
    this.body = body;
    this.what = what;
    this.chosen = told[what].map((one) => ({ ...one }));
    this.names = new Map(told.attributes);
    this.metrics = known.metrics;
    const attributes = told.attributes.map(([key]) => key).filter((key) => what === "columns" || told.grouped.includes(key));
    const of = (kind, keys) => keys.map((key) => ({ kind, key, part: "last", of: "" }));
    const metrics = of("metric", known.metrics);
    this.sections = [
      ["attributes", of("attribute", attributes)],
      ["metrics", what === "columns" ? metrics.filter((one) => !SYSTEM.test(one.key)) : []],
      ["params", of(KINDS.params, known.params)],
      ["tags", of(KINDS.tags, known.tags)],
      ["system", what === "columns" ? metrics.filter((one) => SYSTEM.test(one.key)) : []],
    ];
  }

  name(one) {
    return one.kind === "attribute" ? this.names.get(one.key) || one.key : one.key;
  }

  show() {
    this.box = make("input", { type: "search", placeholder: say("search"), ariaLabel: say("search") });
    this.box.addEventListener("input", () => this.list());
    this.offered = make("div", { className: "offered", tabIndex: -1 });
    this.order = make("ol", { className: "order" });
    const button = (key, work, className) => {
      const made = make("button", { type: "button", className, textContent: say(key) });
      made.addEventListener("click", work);
      return made;
    };
    const none = button(this.what === "columns" ? "reset" : "ungroup", () => this.go(""), "btn");
    const end = make("div", { className: "end" }, none, button("apply", () => this.go(this.chosen.map(text).join(",")), "btn p"));
    const left = make("div", {}, this.box, this.offered);
    const right = make("div", {}, make("h3", { textContent: say(this.what === "columns" ? "shown" : "levels") }), this.order, make("p", { className: "quiet", textContent: say("keys") }));
    this.body.replaceChildren(make("div", { className: "picker" }, left, right), end);
    this.list();
    this.sort();
    this.box.focus();
  }

  /** What may be chosen and fits the search. */
  list() {
    const fitting = (fits) => this.sections.map(([head, all]) => [head, all.filter((one) => fits(this.name(one)) || fits(one.key))]);
    const [strict, loose] = sought(this.box.value);
    let sections = fitting(strict);
    if (!sections.some(([, found]) => found.length)) sections = fitting(loose);
    const shown = sections.flatMap(([head, found]) => {
      if (!found.length) return [];
      return [make("h3", { textContent: say(head) }), ...found.map((one) => this.offer(one))];
    });
    this.offered.replaceChildren(...(shown.length ? shown : [make("p", { className: "quiet", textContent: say("nothing") })]));
  }

  offer(one) {
    const box = make("input", { type: "checkbox", checked: this.chosen.some((other) => same(one, other)) });
    box.addEventListener("change", () => {
      if (box.checked) this.chosen.push({ ...one });
      else this.chosen = this.chosen.filter((other) => !same(one, other));
      this.sort();
    });
    return make("label", { className: "check" }, box, make("span", { textContent: this.name(one), title: one.key }));
  }

  /** What is chosen, in its order. */
  sort() {
    const items = this.chosen.map((one, at) => this.item(one, at));
    this.order.replaceChildren(...(items.length ? items : [make("li", { className: "quiet", textContent: say("none") })]));
  }

  item(one, at) {
    const act = (key, sign, work, disabled = false) => {
      const made = make("button", { type: "button", className: "btn s", ariaLabel: `${say(key)}: ${this.name(one)}`, textContent: sign, disabled });
      made.addEventListener("click", work);
      return made;
    };
    const line = make("li", { draggable: true, tabIndex: 0 }, make("span", { textContent: this.name(one), title: one.key }));
    if (one.kind === "metric") line.append(...this.which(one));
    line.append(
      act("up", "↑", () => this.move(at, at - 1), at === 0),
      act("down", "↓", () => this.move(at, at + 1), at === this.chosen.length - 1),
      act("away", "×", () => this.drop(at)),
    );
    line.addEventListener("keydown", (event) => {
      const by = { ArrowUp: -1, ArrowDown: 1 }[event.key];
      if (!event.altKey || !by) return;
      event.preventDefault();
      this.move(at, at + by);
    });
    line.addEventListener("dragstart", (event) => {
      this.dragged = at;
      event.dataTransfer.effectAllowed = "move";
    });
    line.addEventListener("dragover", (event) => this.dragged !== undefined && event.preventDefault());
    line.addEventListener("drop", (event) => {
      event.preventDefault();
      this.move(this.dragged, at);
      this.dragged = undefined;
    });
    return line;
  }

  /** Which value of a metric, and for one at the best of another: of which. */
  which(one) {
    const part = make("select", { ariaLabel: `${say("value")}: ${one.key}` }, ...PARTS.map((key) => make("option", { value: key, textContent: say(key), selected: key === one.part })));
    const metrics = one.of && !this.metrics.includes(one.of) ? [one.of, ...this.metrics] : this.metrics;
    const of = make("select", { ariaLabel: `${say("of")}: ${one.key}`, hidden: !one.part.startsWith("at_") }, ...metrics.map((key) => make("option", { value: key, textContent: key, selected: key === one.of })));
    part.addEventListener("change", () => {
      one.part = part.value;
      of.hidden = !one.part.startsWith("at_");
      one.of = of.hidden ? "" : of.value;
    });
    of.addEventListener("change", () => (one.of = of.value));
    return [part, of];
  }

  move(from, to) {
    if (to < 0 || to >= this.chosen.length) return;
    this.chosen.splice(to, 0, ...this.chosen.splice(from, 1));
    this.sort();
    this.order.children[to].focus();
  }

  drop(at) {
    this.chosen.splice(at, 1);
    this.sort();
    this.list();
    this.order.children[Math.min(at, this.chosen.length - 1)]?.focus();
  }

  go(value) {
    const url = new URL(location);
    if (value) url.searchParams.set(this.what, value);
    else url.searchParams.delete(this.what);
    for (const word of ["after", "before"]) url.searchParams.delete(word);
    // An address that says nothing would be the experiment's own view.
    if (![...url.searchParams].length) url.searchParams.set("view", "");
    location.assign(url);
  }
}
