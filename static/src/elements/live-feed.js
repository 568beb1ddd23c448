// <live-feed ws="…">: hears what changes in the workspace and rings `zaffre-<topic>` on the page.
import htmx from "htmx.org";
import { socketUrl } from "../wire.js";

const TOPICS = ["runs", "endpoints", "compute", "models"];
const QUIET = 700; // many facts at once cost one look

class LiveFeed extends HTMLElement {
  connectedCallback() {
    this.pause = 1000;
    this.waiting = new Map();
    this.open();
  }
  disconnectedCallback() {
    this.over = true;
    this.socket?.close();
  }
  ring(topic) {
    if (this.waiting.has(topic)) return;
    this.waiting.set(topic, setTimeout(() => {
      this.waiting.delete(topic);
      htmx.trigger(document.body, `zaffre-${topic}`);
    }, QUIET));
  }
  open() {
    this.socket = new WebSocket(socketUrl(`/ws/w/${this.getAttribute("ws")}/feed`));
    this.socket.onopen = () => {
      this.pause = 1000;
      // What happened while nobody listened is in the page's own address.
      if (this.lost) for (const topic of TOPICS) this.ring(topic);
      this.lost = false;
    };
    this.socket.onmessage = ({ data }) => {
      const frame = JSON.parse(data);
      if (frame.t === "fact") this.ring(frame.topic);
      if (frame.t === "behind") for (const topic of TOPICS) this.ring(topic);
    };
    this.socket.onclose = ({ code }) => {
      this.lost = true;
      if (this.over || [4401, 4403, 4404].includes(code)) return;
      setTimeout(() => !this.over && this.open(), this.pause);
      this.pause = Math.min(this.pause * 2, 20000);
    };
  }
}
customElements.define("live-feed", LiveFeed);
