/** Repeatable draws for tests. */

/** Uniform in [0, 1) (mulberry32). */
export function seededUniform(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let h = Math.imul(state ^ (state >>> 15), state | 1);
    h ^= h + Math.imul(h ^ (h >>> 7), h | 61);
    return ((h ^ (h >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** Standard normal (Box–Muller). */
export function seededNormal(seed: number): () => number {
  const uniform = seededUniform(seed);
  return () => Math.sqrt(-2 * Math.log(1 - uniform())) * Math.cos(2 * Math.PI * uniform());
}

/** Generalised Pareto, by its quantile function. */
export function paretoSample(shape: number, scale: number, n: number, seed: number): Float64Array {
  const uniform = seededUniform(seed);
  return Float64Array.from({ length: n }, () => {
    const survival = 1 - uniform();
    return shape === 0 ? -scale * Math.log(survival) : (scale * (survival ** -shape - 1)) / shape;
  });
}

/** Largest distance between the distribution of values in [0, 1] and the uniform one (Kolmogorov–Smirnov), at the values up to `limit`. */
export function distanceToUniform(values: readonly number[], limit = 1): number {
  const sorted = [...values].sort((a, b) => a - b);
  const distances = sorted.map((value, i) =>
    value > limit ? 0 : Math.max((i + 1) / sorted.length - value, value - i / sorted.length),
  );
  return Math.max(...distances);
}
