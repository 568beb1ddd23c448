// When charts are painted: inside animation frames, and so seldom that frames are not missed.
//
// Points of hundreds of runs may come many times a second. After a painting all charts rest for a multiple of what it
// took, so drawing takes a small share of the time however much arrives; what a person does is painted in the next
// frame. What a canvas was told is drawn after our code, so what a painting took is known in the next frame only.

/** Milliseconds of one frame that our code may take: what is left of 16.7 is the browser's. */
const BUDGET = 4;
/** All rest for so many times what the last painting took. */
const REST = 8;
const LONGEST = 1000;
const FRAME = 17;

const waiting = new Set();
let asked = 0;
let rest = 0;
let began = 0;
let took = 0;

/** Paint `chart` soon; `now`: in the next frame, whatever rests. */
export function soon(chart, now = false) {
  if (now) chart.urgent = true;
  // Who waits again goes to the end of the line.
  waiting.add(chart);
  asked ||= requestAnimationFrame(run);
}
export function never(chart) {
  waiting.delete(chart);
}

function run() {
  asked = 0;
  const begin = performance.now();
  if (took) {
    // A frame that came late was kept by what was painted in the one before.
    rest = begin + Math.min(LONGEST, Math.max(took, begin - began - FRAME) * REST);
    took = 0;
  }
  began = begin;
  try {
    for (const chart of [...waiting].sort((one, other) => Boolean(other.urgent) - Boolean(one.urgent))) {
      if (!chart.urgent && (begin < rest || took > BUDGET)) break;
      waiting.delete(chart);
      chart.urgent = false;
      took ||= 0.1;
      chart.paint();
      took = performance.now() - begin;
    }
  } finally {
    // A chart that breaks must not keep the others from being painted.
    if (waiting.size || took) asked ||= requestAnimationFrame(run);
  }
}
