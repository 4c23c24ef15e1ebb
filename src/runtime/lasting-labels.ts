/**
 * Labels for a state that may be created later than the label: those of a new normal stay in force, so that the state applies
 * them.
 */
import type { Label } from '../domain/label';

/**
 * The labels, with each new normal since the beginning of the trial in force indefinitely: in the shadow, the event may begin
 * only later, in another stretch or process, or after the device was dropped. A new normal that was labelled differently since
 * then is excluded.
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
