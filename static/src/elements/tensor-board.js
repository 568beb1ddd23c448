import { ask } from "../wire.js";

/** How often the studio hears that somebody looks, so that the board is not stopped under their eyes. */
const SEEN = 60_000;

/**
 * <tensor-board>: holds the frame of a board.
 *
 * Its head is read anew while it changes; the frame must not be, or TensorBoard would begin again each time. So the
 * head only names a board and its address, and a frame is made when that is another board, and taken away with it.
 */
class TensorBoard extends HTMLElement {
  connectedCallback() {
    this.look = this.look.bind(this);
    this.addEventListener("htmx:afterSettle", this.look);
    this.timer = setInterval(() => this.seen(), SEEN);
    this.look();
  }
  disconnectedCallback() {
    this.removeEventListener("htmx:afterSettle", this.look);
    clearInterval(this.timer);
  }
  get head() {
    return this.querySelector("[data-board]");
  }
  look() {
    const view = this.querySelector("[data-view]");
    const { board, src } = this.head?.dataset || {};
    const wanted = src ? board : "";
    if (!view || wanted === (this.shown || "")) return;
    this.shown = wanted;
    view.replaceChildren();
    if (!wanted) return;
    const frame = document.createElement("iframe");
    frame.setAttribute("sandbox", "allow-scripts allow-downloads");
    frame.referrerPolicy = "no-referrer";
    frame.title = view.dataset.title;
    frame.src = src;
    view.append(frame);
  }
  seen() {
    const url = this.head?.dataset.seen;
    if (url && document.visibilityState === "visible") ask("POST", url).catch(() => null);
  }
}
customElements.define("tensor-board", TensorBoard);
