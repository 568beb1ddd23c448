// When charts are painted: inside animation frames, and never for so long that a frame is missed.
//
// Points of hundreds of runs may come many times a second. A chart that takes long is painted less often, so drawing
// takes a small share of the time however much arrives; what a person does is painted in the next frame.

/** Milliseconds of one frame that painting may take: what is left of 16.7 is the browser's. */
const BUDGET = 6;
/** A chart rests for so many times what its last painting took. */
const REST = 10;
const LONGEST = 1000;

const waiting = new Set();
let asked = 0;

/** Paint `chart` soon; `now`: before all others, and without its rest. */
export function soon(chart, now = false) {
  if (now) chart.restUntil = 0;
  waiting.add(chart);
  asked ||= requestAnimationFrame(run);
}
export function never(chart) {
  waiting.delete(chart);
}

function run() {
  asked = 0;
  const begin = performance.now();
  for (const chart of [...waiting].sort((one, other) => (one.restUntil || 0) - (other.restUntil || 0))) {
    const start = performance.now();
    if ((chart.restUntil || 0) > start) continue;
    waiting.delete(chart);
    // A chart that breaks must not keep the others from being painted.
    asked ||= requestAnimationFrame(run);
    chart.paint();
    const end = performance.now();
    chart.restUntil = end + Math.min(LONGEST, (end - start) * REST);
    if (end - begin > BUDGET) break;
  }
  if (waiting.size) asked ||= requestAnimationFrame(run);
  else if (asked) {
    cancelAnimationFrame(asked);
    asked = 0;
  }
}
