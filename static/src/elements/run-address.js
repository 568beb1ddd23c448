// Words of a table's address that scripts change in place: links and forms of the page were written before, and take them over.

const LIVE = ["widths", "eyes", "strip", "plots", "smooth", "x", "logx", "logy", "clip", "std", "zoom"];
/** What a saved view does not keep. */
const PASSING = ["after", "before", "selected", "view", "zoom"];

export function keepAddress(table, signal) {
  const now = () => new URLSearchParams(location.search);
  const take = (words) => {
    for (const name of LIVE) {
      if (now().has(name)) words.set(name, now().get(name));
      else words.delete(name);
    }
  };
  // Before the click is followed, by whatever key or button.
  const link = (event) => {
    const at = event.target.closest?.("a[href]");
    if (!at || at.origin !== location.origin || at.pathname !== location.pathname || at.closest(".menu")) return;
    const there = new URL(at.href);
    take(there.searchParams);
    at.href = there;
  };
  for (const type of ["click", "auxclick"]) document.addEventListener(type, link, { capture: true, signal });
  table.addEventListener("submit", ({ target }) => {
    const query = target.elements.query;
    if (query?.type === "hidden" && (target.closest("#view-save") || target.elements.update)) query.value = kept(now());
    if (target.matches("form.filter")) hold(target, now());
  }, { capture: true, signal });
  document.addEventListener("submit", ({ target }) => target.matches?.(".head-menu form") && hold(target, now()), { signal });
}

function hold(form, words) {
  for (const name of LIVE) {
    form.elements[name]?.remove?.();
    if (words.has(name)) form.append(Object.assign(document.createElement("input"), { type: "hidden", name, value: words.get(name) }));
  }
}

/** The words of an address that a view keeps. */
function kept(words) {
  for (const name of PASSING) words.delete(name);
  return String(words);
}
