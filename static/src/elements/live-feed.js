// <live-feed ws="…">: hears what changes in the workspace and rings `zaffre-<topic>` on the page.
import htmx from "htmx.org";
import { LiveSocket } from "../live-socket.js";

const TOPICS = ["runs", "endpoints", "compute", "models", "reports", "environments"];
const QUIET = 700; // many facts at once cost one look

class LiveFeed extends HTMLElement {
  connectedCallback() {
    this.waiting = new Map();
    this.socket = new LiveSocket(`/ws/w/${this.getAttribute("ws")}/feed`, {
      opened: () => {
        // What happened while nobody listened is in the page's own address.
        if (this.lost) this.ringAll();
        this.lost = false;
      },
      frame: (frame) => {
        if (frame.t === "fact") this.ring(frame.topic);
        if (frame.t === "behind") this.ringAll();
      },
      lost: () => (this.lost = true),
      refused: () => null,
    });
  }
  disconnectedCallback() {
    this.socket?.close();
  }
  ringAll() {
    for (const topic of TOPICS) this.ring(topic);
  }
  ring(topic) {
    if (this.waiting.has(topic)) return;
    this.waiting.set(topic, setTimeout(() => {
      this.waiting.delete(topic);
      htmx.trigger(document.body, `zaffre-${topic}`);
    }, QUIET));
  }
}
customElements.define("live-feed", LiveFeed);
