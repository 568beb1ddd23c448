// The widths of a table's columns: dragged at the edge of a head, or by keys; kept in the address.
//
// The rules lie in a style sheet of their own, so that rows that come later have them, too.

const [LEAST, MOST] = [48, 1200];
const STEP = 10;

export class Columns {
  constructor(table) {
    this.table = table;
    this.sheet = new CSSStyleSheet();
    document.adoptedStyleSheets = [...document.adoptedStyleSheets, this.sheet];
    this.show();
  }
  stop() {
    document.adoptedStyleSheets = document.adoptedStyleSheets.filter((one) => one !== this.sheet);
  }
  get heads() {
    return [...this.table.querySelectorAll("thead th")];
  }

  /** Let the columns have the widths that their heads name. */
  show() {
    const rules = this.heads.map((head, at) => {
      const width = Number(head.dataset.width);
      const cells = ["th", "td"].map((cell) => `run-table .runs tr:not(.whole) > ${cell}:nth-child(${at + 1})`).join(",");
      return width ? `${cells}{width:${width}px;min-width:${width}px;max-width:${width}px;overflow:hidden;text-overflow:ellipsis}` : "";
    });
    this.sheet.replaceSync(rules.join("\n"));
  }
  set(head, width, keep = true) {
    const wanted = Math.round(Math.min(MOST, Math.max(LEAST, width)));
    head.dataset.width = wanted;
    head.querySelector(".grip").ariaValueNow = wanted;
    this.show();
    if (keep) this.keep();
  }
  /** As wide as the widest of its cells. */
  fit(head) {
    head.dataset.width = "";
    this.show();
    // Nothing in a cell breaks its line: one that should be a pixel wide is as wide as what it holds.
    const at = this.heads.indexOf(head) + 1;
    this.sheet.insertRule(`run-table .runs tr:not(.whole) > :nth-child(${at}) { width: 1px; max-width: none }`, this.sheet.cssRules.length);
    this.set(head, head.offsetWidth);
  }
  keep() {
    const url = new URL(location);
    const said = this.heads.filter((head) => Number(head.dataset.width)).map((head) => `${head.dataset.width}:${head.dataset.column}`);
    if (said.length) url.searchParams.set("widths", said.join(","));
    else url.searchParams.delete("widths");
    history.replaceState(history.state, "", url);
  }

  drag(event) {
    const head = event.target.closest("th");
    const [from, start] = [event.clientX, head.offsetWidth];
    const move = (moved) => this.set(head, start + moved.clientX - from, false);
    const end = () => {
      event.target.removeEventListener("pointermove", move);
      if (head.dataset.width) this.keep();
    };
    event.target.setPointerCapture(event.pointerId);
    event.target.addEventListener("pointermove", move);
    event.target.addEventListener("lostpointercapture", end, { once: true });
    event.preventDefault();
  }
  /** Arrows on the edge of a head, or with Alt on anything in it. True when the key meant a width. */
  key(event) {
    const head = event.target.closest?.("thead th[data-column]");
    const grip = event.target.matches?.(".grip");
    if (!head || (!grip && !event.altKey)) return false;
    const by = { ArrowLeft: -STEP, ArrowRight: STEP }[event.key];
    if (by) this.set(head, head.offsetWidth + by * (event.shiftKey ? 5 : 1));
    else if (grip && event.key === "Enter") this.fit(head);
    else if (grip && event.key === "Escape") head.querySelector("[data-head]").focus();
    else return false;
    return true;
  }
}
