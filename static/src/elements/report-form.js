// <report-form>: blocks of a report that come, go and change places. Without it the form still saves what it has.
class ReportForm extends HTMLElement {
  connectedCallback() {
    this.addEventListener("click", (event) => {
      const button = event.target.closest("button[data-do]");
      if (!button) return;
      const block = button.closest("fieldset");
      const act = button.dataset.do;
      if (act === "text" || act === "comparison") this.add(act);
      else if (act === "remove") {
        const next = block.nextElementSibling?.matches("fieldset") ? block.nextElementSibling : block.previousElementSibling;
        block.remove();
        (next?.querySelector("textarea,input:not([type=hidden])") || this.querySelector("[data-do=text]")).focus();
      } else this.move(block, act, button);
      this.number();
      this.changed = true;
    });
    this.addEventListener("input", () => (this.changed = true));
    this.addEventListener("submit", () => (this.changed = false));
    // Who leaves by mistake is asked.
    this.leaving = (event) => this.changed && event.preventDefault();
    window.addEventListener("beforeunload", this.leaving);
    this.number();
  }
  disconnectedCallback() {
    window.removeEventListener("beforeunload", this.leaving);
  }

  add(kind) {
    const made = this.querySelector(`template[data-kind="${kind}"]`).content.cloneNode(true).firstElementChild;
    this.querySelector("[data-blocks]").append(made);
    made.querySelector("textarea,input:not([type=hidden])").focus();
  }

  move(block, way, button) {
    const other = way === "up" ? block.previousElementSibling : block.nextElementSibling;
    if (!other) return;
    if (way === "up") other.before(block);
    else other.after(block);
    button.focus();
  }

  number() {
    for (const [at, block] of [...this.querySelectorAll("[data-blocks] > fieldset")].entries()) block.querySelector("[data-number]").textContent = at + 1;
  }
}
customElements.define("report-form", ReportForm);
