// What was typed into a dialog and refused is there again; secrets are not kept. There, and on a page that is a form, the
// sentence that says what is wrong stands beside the field that it is about.
import { dialog, show } from "./dialogs.js";

const KEPT = "typed";
const SKIPPED = ["hidden", "password", "file", "submit", "button"];
const fields = (form) => [...form.elements].filter((one) => one.name && !SKIPPED.includes(one.type) && !one.matches(".masked"));
const ticked = (one) => one.type === "checkbox" || one.type === "radio";
const action = (form) => form.getAttribute("action");

document.addEventListener("submit", (event) => {
  const form = event.target;
  const around = form.closest("dialog");
  if (event.defaultPrevented || !around || form.getAttribute("method") !== "post") return;
  const typed = fields(form).map((one) => [one.name, ticked(one) ? one.checked : one.value]);
  sessionStorage.setItem(KEPT, JSON.stringify({ id: around.id, action: action(form), typed }));
});

const sent = JSON.parse(sessionStorage.getItem(KEPT) || "null");
const refusal = document.querySelector("[data-refused]");
sessionStorage.removeItem(KEPT);
const around = sent && refusal && dialog(sent.id);
const form = around && [...around.querySelectorAll("form")].find((one) => action(one) === sent.action);
if (form) {
  for (const [at, one] of fields(form).entries()) {
    const [name, value] = sent.typed[at] || [];
    if (name !== one.name) continue;
    one[ticked(one) ? "checked" : "value"] = value;
    one.dispatchEvent(new Event("input", { bubbles: true }));
  }
  around.querySelector(".body").prepend(refusal);
  mark([form]);
  show(around);
} else if (refusal?.matches("[data-here]")) {
  mark(refusal.parentElement.querySelectorAll("form[method=post]"))?.focus();
}

/** Say it beside the field of these forms that is wrong. Returns that field. */
function mark(forms) {
  const wrong = refusal.dataset.refused.split(".").pop(); // of config.script it is script
  const all = [...forms].flatMap((one) => [...one.elements]);
  const found = all.find((one) => wrong && one.name === wrong && one.type !== "hidden");
  if (!found) return null;
  found.setAttribute("aria-invalid", "true");
  const beside = found.closest(".field");
  if (!beside) return found;
  refusal.id = "refused";
  refusal.className = "bad-text";
  found.setAttribute("aria-describedby", refusal.id);
  beside.append(refusal);
  return found;
}
