// The frame's behaviour: drawer, menus, dialogs, forms that send when a choice changes.

const side = () => document.getElementById("side");

document.addEventListener("click", (event) => {
  const at = event.target.closest("[data-dialog],[data-close],[data-drawer],[data-fold]");
  if (at?.dataset.dialog) {
    event.preventDefault();
    document.getElementById(at.dataset.dialog)?.showModal();
  } else if (at && "close" in at.dataset) {
    at.closest("dialog")?.close();
  } else if (at && "drawer" in at.dataset) {
    const open = side().classList.toggle("open");
    at.setAttribute("aria-expanded", String(open));
  } else if (side()?.classList.contains("open") && !event.target.closest("#side")) {
    side().classList.remove("open");
    document.querySelector("[data-drawer]")?.setAttribute("aria-expanded", "false");
  }
  for (const menu of document.querySelectorAll("details.ws[open],details.avatar[open]"))
    if (!menu.contains(event.target)) menu.open = false;
  if (event.target.matches("dialog")) event.target.close(); // a click on the backdrop
});

document.addEventListener("keydown", (event) => {
  if (event.key !== "Escape") return;
  side()?.classList.remove("open");
  for (const menu of document.querySelectorAll("details.ws[open],details.avatar[open]")) menu.open = false;
});

document.addEventListener("change", (event) => {
  if (event.target.matches("[data-send]")) event.target.form.requestSubmit();
});

// A second click on a slow network must not send twice.
document.addEventListener("submit", (event) => {
  if (event.defaultPrevented || event.target.method === "dialog") return;
  const button = event.submitter;
  if (button && event.target.method === "post") setTimeout(() => (button.disabled = true));
});
window.addEventListener("pageshow", () => {
  for (const button of document.querySelectorAll("button[type=submit]:disabled")) button.disabled = false;
});

// A dialog whose form was refused opens again with what was wrong.
document.querySelector("dialog[data-open]")?.showModal();
