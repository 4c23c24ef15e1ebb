/** Labels for a state that begins now and then: those of a new normal last, so that it knows them. */
import type { Label } from '../domain/label';

/**
 * The labels, in which a new normal of the time since the trial began lasts: it may begin with the device only afterwards, in another
 * stretch, process, or life of one. One that has another label since does not last.
 */
export function createLastingLabels(read: () => readonly Label[], since: number): () => readonly Label[] {
  let from: readonly Label[] | undefined;
  let lasting: readonly Label[] = [];
  return () => {
    const labels = read();
    if (labels === from) return lasting;
    from = labels;
    lasting = labels.map((one, i) => {
      const { label, key, to } = one;
      const isReplaced = (): boolean =>
        labels.some(
          (later, j) =>
            j > i && (later.key === key || later.key === '') && later.from <= to && later.to >= one.from,
        );
      return label === 'new normal' && to >= since && !isReplaced() ? { ...one, to: Infinity } : one;
    });
    return lasting;
  };
}
