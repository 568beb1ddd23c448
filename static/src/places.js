// Where a reader was: who comes back to a page, or reads it anew, finds the parts that scroll by themselves as they were.
// The browser remembers the window alone.

const KEPT = "places";
const MOST = 50; // pages
const here = () => `${location.pathname}${location.search}`;
const parts = () => [...document.querySelectorAll("main .scroll")];
const known = () => JSON.parse(sessionStorage.getItem(KEPT) || "[]");

addEventListener("pagehide", () => {
  const places = parts().map((part) => [part.scrollLeft, part.scrollTop]);
  const others = known().filter(([page]) => page !== here());
  const moved = places.flat().some(Boolean);
  sessionStorage.setItem(KEPT, JSON.stringify([...(moved ? [[here(), places]] : []), ...others].slice(0, MOST)));
});

if (performance.getEntriesByType("navigation")[0]?.type !== "navigate") {
  const places = known().find(([page]) => page === here())?.[1] || [];
  const now = parts();
  for (const [at, [left, top]] of places.entries()) now[at]?.scrollTo({ left, top, behavior: "instant" });
}
