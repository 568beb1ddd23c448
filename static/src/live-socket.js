// A socket that lasts: it comes back after a loss, and after a sleep in which nobody told it of the loss.
import { socketUrl } from "./wire.js";

// The studio says something at least every 20 s. Who heard nothing for longer has a socket that only looks open:
// the lid was closed, or a router forgot the connection.
const SILENCE = 45_000;
const LOOK = 5000;
const LONGEST = 15_000;
const REFUSED = [4401, 4403, 4404];

export class LiveSocket {
  /** `on` has opened(), frame(decoded), lost() and refused(): the last one ends it. */
  constructor(path, on) {
    this.path = path;
    this.on = on;
    this.pause = 1000;
    this.wake = () => document.hidden || this.look(true);
    document.addEventListener("visibilitychange", this.wake);
    window.addEventListener("online", this.wake);
    window.addEventListener("pageshow", this.wake);
    this.looking = setInterval(() => this.look(false), LOOK);
    this.open();
  }

  get isOpen() {
    return this.socket?.readyState === WebSocket.OPEN;
  }
  send(text) {
    if (this.isOpen) this.socket.send(text);
  }
  close() {
    this.over = true;
    clearInterval(this.looking);
    clearTimeout(this.again);
    document.removeEventListener("visibilitychange", this.wake);
    window.removeEventListener("online", this.wake);
    window.removeEventListener("pageshow", this.wake);
    this.socket?.close();
  }

  open() {
    clearTimeout(this.again);
    this.again = null;
    this.heard = Date.now();
    const socket = (this.socket = new WebSocket(socketUrl(this.path)));
    // What an abandoned socket still says is about the past: the new one starts where the page stands.
    const present = (act) => (event) => socket === this.socket && !this.over && act(event);
    socket.onopen = present(() => this.on.opened());
    socket.onmessage = present(({ data }) => {
      this.heard = Date.now();
      this.pause = 1000;
      this.on.frame(JSON.parse(data));
    });
    socket.onclose = present(({ code }) => {
      if (REFUSED.includes(code)) {
        this.close();
        this.on.refused();
      } else this.lose();
    });
  }
  lose() {
    this.socket = null;
    this.on.lost();
    if (this.over) return;
    this.again = setTimeout(() => this.open(), this.pause);
    this.pause = Math.min(this.pause * 2, LONGEST);
  }
  /** `now`: somebody is back at the page, so a pause that is under way ends. */
  look(now) {
    if (this.over) return;
    if (this.socket && Date.now() - this.heard > SILENCE) {
      const dead = this.socket;
      this.pause = 1000;
      this.lose();
      dead.close();
    }
    if (now && this.again) this.open();
  }
}
