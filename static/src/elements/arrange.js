// Cards that change places: dragged by their handle, or moved by the arrow keys on it.
import { say } from "../wire.js";

/** Give each card that stands or comes into `grid` a handle; `changed` is called when one was moved.

With `remove` each has a button, too, that calls it with the card. */
export function arrangeable(grid, changed, remove) {
  const equip = () => {
    for (const card of grid.children) {
      const head = card.querySelector(".chart-head, .plot-head");
      if (!head || head.querySelector(".chart-move")) continue;
      const handle = document.createElement("button");
      Object.assign(handle, { type: "button", className: "chart-move chart-tool", textContent: "⠿", title: say("chartmovehow") });
      handle.setAttribute("aria-label", `${say("chartmove")}: ${head.querySelector(".chart-name")?.textContent || ""}`);
      head.prepend(handle);
      if (!remove) continue;
      const gone = document.createElement("button");
      Object.assign(gone, { type: "button", className: "chart-tool", textContent: "×", title: say("chartremove") });
      gone.setAttribute("aria-label", `${say("chartremove")}: ${head.querySelector(".chart-name")?.textContent || ""}`);
      gone.addEventListener("click", () => remove(card));
      head.append(gone);
    }
  };
  const put = (card, before) => {
    if (card === before || card.nextElementSibling === before) return;
    grid.insertBefore(card, before);
    changed();
  };
  const cardOf = (node) => [...grid.children].find((card) => card.contains(node));
  // A chart that is put elsewhere is built anew, and its handle with it.
  new MutationObserver(equip).observe(grid, { childList: true, subtree: true });
  grid.addEventListener("keydown", (event) => {
    const by = { ArrowLeft: -1, ArrowUp: -1, ArrowRight: 1, ArrowDown: 1 }[event.key];
    if (!by || !event.target.matches(".chart-move")) return;
    event.preventDefault();
    event.stopPropagation();
    const card = cardOf(event.target);
    const other = by < 0 ? card.previousElementSibling : card.nextElementSibling;
    if (!other) return;
    put(card, by < 0 ? other : other.nextElementSibling);
    equip();
    card.querySelector(".chart-move")?.focus();
  });
  grid.addEventListener("pointerdown", (event) => {
    if (!event.target.matches(".chart-move") || event.button) return;
    const handle = event.target;
    const card = cardOf(handle);
    let over = null;
    const mark = (next) => {
      over?.classList.remove("over");
      over = next && next !== card ? next : null;
      over?.classList.add("over");
    };
    const move = (moved) => {
      card.classList.add("dragged");
      mark(cardOf(document.elementFromPoint(moved.clientX, moved.clientY)));
    };
    const end = (ended) => {
      handle.removeEventListener("pointermove", move);
      card.classList.remove("dragged");
      const onto = ended.type === "pointerup" ? over : null;
      mark(null);
      const all = [...grid.children];
      if (onto) put(card, all.indexOf(card) < all.indexOf(onto) ? onto.nextElementSibling : onto);
    };
    handle.setPointerCapture(event.pointerId);
    handle.addEventListener("pointermove", move);
    handle.addEventListener("pointerup", end, { once: true });
    handle.addEventListener("pointercancel", end, { once: true });
  });
  equip();
}
