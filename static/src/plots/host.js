// What the page lends to this chunk. A chunk imports nothing of the page's own bundle: that has another address once it
// was collected, and would start a second time.
let held = null;

/** `tools`: ask, say of wire.js; colour, stroke, shown of charts.js. */
export function lend(tools) {
  held = tools;
}
export const ask = (...words) => held.ask(...words);
export const say = (...words) => held.say(...words);
export const colour = (name) => held.colour(name);
export const stroke = (at) => held.stroke(at);
export const shown = (value) => held.shown(value);
