/** The computed plants as series: a series each, KIND-SEED. */
import { makePlant, plantNames } from './plants/index.mjs';

/**
 * Writes the files of the plants.
 * @param isWanted which plants, by the name of the series
 * @returns faults by name: `kind`, `start` and `end` (Unix ms), `key` if there are devices
 */
export function preparePlants(folder, isWanted) {
  return new Map(
    plantNames.filter(isWanted).map((name) => {
      const [kind, seed] = name.split('-');
      return [name, makePlant(kind, Number(seed), folder)];
    }),
  );
}

/** For each plant, its faults in order of time, found or not: an event with an anomalous record during a fault finds it. */
export function judgePlants(faults, details) {
  return Object.fromEntries(
    details.map(({ series, events }) => {
      const texts = faults.get(series).map(({ kind, key, start, end }) => {
        const finds = (event) =>
          event.start <= end &&
          event.end >= start &&
          (key === undefined || (event.keys ?? [event.key]).includes(key));
        return `${kind}: ${events.some(finds) ? 'found' : 'not found'}`;
      });
      return [series, texts.join(', ')];
    }),
  );
}
