// Something that opens where it was asked for, above everything: the browser closes it by Escape and by a click elsewhere.

const EDGE = 8;

/** Open `content` at an element, or at {x, y}; `back` gets the focus when it is closed by key. Returns the popover. */
export function pop(at, content, { label, role = "dialog", back, inside = document.querySelector("main") || document.body }) {
  const place = document.createElement("div");
  place.className = "pop";
  place.popover = "auto";
  place.setAttribute("role", role);
  place.setAttribute("aria-label", label);
  place.append(content);
  inside.append(place);
  place.addEventListener("toggle", (event) => {
    if (event.newState !== "closed") return;
    // Who went on elsewhere has the focus already.
    if (place.contains(document.activeElement) || document.activeElement === document.body) back?.focus({ preventScroll: true });
    place.remove();
  });
  place.showPopover();
  put(place, at);
  return place;
}

/** Where there is room: below and to the right, else as far as the window goes. */
export function put(place, at) {
  const box = at.getBoundingClientRect?.() || { left: at.x, right: at.x, top: at.y, bottom: at.y };
  const { offsetWidth: width, offsetHeight: height } = place;
  const left = Math.max(EDGE, Math.min(box.left, innerWidth - width - EDGE));
  const below = box.bottom + 4 + height <= innerHeight - EDGE;
  const top = below ? box.bottom + 4 : Math.max(EDGE, Math.min(box.top - height - 4, innerHeight - height - EDGE));
  place.style.left = `${left}px`;
  place.style.top = `${top}px`;
}
