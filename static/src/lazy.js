// Elements of single pages: their code is loaded where they stand, and where htmx puts them.

const ELEMENTS = {
  "code-drop": () => import("./elements/code-drop.js"),
  "run-outputs": () => import("./elements/run-outputs.js"),
  "run-pictures": () => import("./elements/run-pictures.js"),
};

function load() {
  for (const [name, get] of Object.entries(ELEMENTS)) {
    if (!document.querySelector(name)) continue;
    delete ELEMENTS[name];
    get();
  }
}
load();
document.addEventListener("htmx:afterSettle", load);
