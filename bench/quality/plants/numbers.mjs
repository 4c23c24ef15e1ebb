/**
 * Random numbers and functions that are the same on every machine: only +, −, × and ÷, whose results IEEE 754 fixes. Math.sin
 * and Math.exp are not used, since engines may round them differently.
 */

/** A stream of random numbers (mulberry32). Streams of different names are independent of each other. */
export function createRandom(seed, name = '') {
  let state = hash(`${seed} ${name}`);
  /** Below `high`, at least `low`. */
  const uniform = (low = 0, high = 1) => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return low + (((t ^ (t >>> 14)) >>> 0) / 2 ** 32) * (high - low);
  };
  /** Nearly Gaussian, with mean 0 and deviation 1: the sum of twelve uniform numbers has variance 1. */
  const normal = () => {
    let sum = -6;
    for (let i = 0; i < 12; i += 1) sum += uniform();
    return sum;
  };
  const whole = (low, high) => Math.floor(uniform(low, high + 1));
  return {
    uniform,
    normal,
    whole,
    chance: (probability) => uniform() < probability,
    pick: (list) => list[whole(0, list.length - 1)],
    shuffle: (list) => {
      const left = [...list];
      return list.map(() => left.splice(whole(0, left.length - 1), 1)[0]);
    },
    /** Another constant of the same kind: `value` times a factor within 1 ± `spread`. */
    near: (value, spread = 0.1) => value * uniform(1 - spread, 1 + spread),
    split: (part) => createRandom(seed, `${name} ${part}`),
  };
}

function hash(text) {
  let state = 2166136261;
  for (const letter of text) state = Math.imul(state ^ letter.codePointAt(0), 16777619);
  return state >>> 0;
}

/** Coloured noise of first order, with mean 0 and `deviation`; half of a value is left after `halfLife` calls. */
export function createWander(random, deviation, halfLife) {
  const keep = exponential(-Math.LN2 / halfLife);
  const gain = deviation * Math.sqrt(1 - keep * keep);
  let value = deviation * random.normal();
  return () => (value = keep * value + gain * random.normal());
}

/** First-order lag: the output moves towards the input with time constant `steps`, in calls. */
export function createLag(steps, first) {
  const share = 1 - exponential(-1 / steps);
  let value = first;
  return (input) => (value += share * (input - value));
}

/** sin(2π `turns`), to 1e-9. */
export function sine(turns) {
  let t = turns - Math.round(turns);
  if (t > 0.25) t = 0.5 - t;
  if (t < -0.25) t = -0.5 - t;
  const x = 2 * Math.PI * t;
  let term = x;
  let sum = x;
  for (let n = 2; n <= 14; n += 2) sum += term *= (-x * x) / (n * (n + 1));
  return sum;
}

/** eˣ, to 1e-13 of its value. */
export function exponential(x) {
  const k = Math.round(x / Math.LN2);
  const r = x - k * Math.LN2;
  let term = 1;
  let sum = 1;
  for (let n = 1; n <= 13; n += 1) sum += term *= r / n;
  const factor = k < 0 ? 0.5 : 2;
  for (let i = 0; i < Math.abs(k); i += 1) sum *= factor;
  return sum;
}

export const clamp = (value, low, high) => Math.max(low, Math.min(high, value));

/** Straight lines between `points`, which are pairs [x, y] in order of x; outside of them the nearest y. */
export function interpolate(points, x) {
  const next = points.findIndex(([at]) => at > x);
  if (next === 0) return points[0][1];
  if (next < 0) return points.at(-1)[1];
  const [[x0, y0], [x1, y1]] = points.slice(next - 1, next + 1);
  return y0 + ((x - x0) / (x1 - x0)) * (y1 - y0);
}

/** Root of a falling function between `low` and `high`, by halving. */
export function findRoot(falling, low, high) {
  for (let i = 0; i < 28; i += 1) {
    const middle = (low + high) / 2;
    if (falling(middle) > 0) low = middle;
    else high = middle;
  }
  return (low + high) / 2;
}
