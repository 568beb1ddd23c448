// Smoothing is drawn and never stored: each function makes a new line of the values, with gaps (null) where they were.

/** The smoothed values, or null when there is nothing to smooth. */
export function smoothed(x, y, kind, by) {
  if (!by || kind === "none" || y.length < 3) return null;
  if (kind === "ema") return weighted(x, y, by);
  return kind === "mean" ? averaged(y, Math.round(by)) : bell(y, by);
}

/** An exponential average whose memory is a share of the axis and not a number of points: gaps and thinning do not change it. */
function weighted(x, y, by) {
  const weight = Math.min(Math.sqrt(by), 0.999);
  const whole = x[x.length - 1] - x[0] || 1;
  let last = 0;
  let debt = 0;
  let before = 0;
  return y.map((value, at) => {
    if (value === null) return null;
    const kept = weight ** (((x[at] - x[before]) / whole) * 1000 || 0);
    before = at;
    last = last * kept + value;
    debt = debt * kept + 1;
    return last / debt;
  });
}

/** The mean of the `by` values up to each. */
function averaged(y, by) {
  let sum = 0;
  const held = [];
  return y.map((value) => {
    if (value === null) return null;
    held.push(value);
    sum += value;
    if (held.length > by) sum -= held[held.length - 1 - by];
    return sum / Math.min(held.length, by);
  });
}

/** A bell curve of `by` points as its deviation. */
function bell(y, by) {
  const reach = Math.ceil(by * 3);
  const weights = Array.from({ length: reach + 1 }, (_, at) => Math.exp(-(at * at) / (2 * by * by)));
  return y.map((value, at) => {
    if (value === null) return null;
    let sum = 0;
    let all = 0;
    for (let to = Math.max(0, at - reach); to <= Math.min(y.length - 1, at + reach); to += 1) {
      if (y[to] === null) continue;
      const weight = weights[Math.abs(to - at)];
      sum += weight * y[to];
      all += weight;
    }
    return sum / all;
  });
}

/** The values between which most are: 5 to 95 of a hundred. */
export function middle(values) {
  const sorted = Float64Array.from(values).sort();
  const at = (share) => sorted[Math.min(sorted.length - 1, Math.max(0, Math.round(share * (sorted.length - 1))))];
  return [at(0.05), at(0.95)];
}
