// What the page of a run does besides showing: questions in a dialog, tags and notes in place, a bell at the end.
import { leave, show } from "../dialogs.js";
import { ask, say, toast } from "../wire.js";

/** A link with `data-question` leads to a page that asks something; with scripts the question opens in a dialog. */
async function askHere(link) {
  const answer = await fetch(link.href, { headers: { Accept: "text/html" } });
  const found = answer.ok && new DOMParser().parseFromString(await answer.text(), "text/html").getElementById("ask");
  if (!found) {
    location.href = link.href;
    return;
  }
  const dialog = document.createElement("dialog");
  dialog.setAttribute("aria-label", found.dataset.title || "");
  dialog.className = "asking";
  dialog.append(document.adoptNode(found));
  const back = leave(link);
  dialog.addEventListener("close", () => {
    dialog.remove();
    back.focus();
  });
  document.body.append(dialog);
  show(dialog);
}

document.addEventListener("click", (event) => {
  if (event.ctrlKey || event.metaKey || event.shiftKey || event.button) return;
  const link = event.target.closest?.("a[data-question]");
  if (link) {
    event.preventDefault();
    askHere(link).catch(() => (location.href = link.href));
    return;
  }
  const keep = event.target.closest?.("dialog.asking [data-keep]");
  if (keep) {
    event.preventDefault();
    keep.closest("dialog").close();
  }
});

// --- the menu of further actions ---------------------------------------------------------------------
const closeMenus = (but) => {
  for (const menu of document.querySelectorAll("details.more[open]")) if (menu !== but) menu.open = false;
};
document.addEventListener("click", (event) => closeMenus(event.target.closest?.("details.more")));
document.addEventListener("keydown", (event) => {
  if (event.key !== "Escape" || document.querySelector("dialog[open]")) return;
  const menu = document.querySelector("details.more[open]");
  if (!menu) return;
  menu.open = false;
  menu.querySelector("summary").focus();
});

// --- what somebody types in is not replaced under their hands ------------------------------------------
function isHeld(part) {
  if (!part.closest?.("live-run")) return false;
  const at = document.activeElement;
  return (at !== part && part.contains(at) && at.matches("input, textarea, select")) || part.querySelector("[data-editing]") !== null;
}
document.addEventListener(
  "htmx:beforeRequest",
  (event) => {
    if (!isHeld(event.target)) return;
    event.preventDefault();
    event.stopPropagation(); // live-run counts what is on its way, and this is not
  },
  true,
);
// What was asked for before somebody began to write comes too late.
document.addEventListener("htmx:beforeSwap", (event) => isHeld(event.target) && event.preventDefault(), true);

/** <first-error api href>: its link goes to the line of the log that looks like the first error. */
class FirstError extends HTMLElement {
  connectedCallback() {
    this.addEventListener("click", async (event) => {
      if (event.ctrlKey || event.metaKey || event.shiftKey || !event.target.closest("a")) return;
      event.preventDefault();
      const there = this.getAttribute("href");
      const told = await ask("GET", `${this.getAttribute("api")}?preset=error&limit=1`).catch(() => null);
      const line = told?.hits?.[0]?.line;
      location.href = line ? `${there}#L${line}` : there;
    });
  }
}

// --- a bell when a run ends, for who asked for it --------------------------------------------------------
const FINAL = ["completed", "failed", "canceled"];
const BELLS = "zaffre-bells";
const wanted = () => JSON.parse(localStorage.getItem(BELLS) || "[]");
let before = null;

/** <run-bell status run name said>: asks the browser once whether it may tell, and tells when the run has ended. */
class RunBell extends HTMLElement {
  connectedCallback() {
    before = this.getAttribute("status");
    const button = this.querySelector("button");
    if (!("Notification" in window)) {
      this.hidden = true;
      return;
    }
    const show = () => button.setAttribute("aria-pressed", String(wanted().includes(this.run)));
    show();
    button.addEventListener("click", async () => {
      const others = wanted().filter((one) => one !== this.run);
      if (wanted().includes(this.run)) keep(others);
      else if ((await Notification.requestPermission()) === "granted") keep([...others, this.run].slice(-100));
      else toast(say("nobell"));
      show();
    });
  }
  get run() {
    return this.getAttribute("run");
  }
}
const keep = (runs) => localStorage.setItem(BELLS, JSON.stringify(runs));

/** Called with what the page knows of the run after each change of it. */
function ended(page) {
  const run = page.getAttribute("run");
  if (!before || !FINAL.includes(page.status) || !wanted().includes(run)) return;
  before = null;
  keep(wanted().filter((one) => one !== run));
  const name = document.querySelector("#run-head h1")?.textContent || "";
  const told = document.querySelector("#run-head .pill")?.textContent || page.status;
  const note = new Notification(name, { body: told, tag: run, icon: document.querySelector("link[rel=icon]")?.href });
  note.onclick = () => window.focus();
}
document.addEventListener("htmx:afterSettle", () => {
  const page = document.querySelector("live-run");
  if (page) ended(page);
});

customElements.define("first-error", FirstError);
customElements.define("run-bell", RunBell);
