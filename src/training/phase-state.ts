/** The weights and moments of traced training steps, as vectors that the engine reads from and writes to. */
import type { Phase } from '../models/model';
import { layoutOf, type Layout, type Piece } from '../models/train-step';
import type { tf } from '../tensor';

/** Two copies of a vector: the engine reads the current values from one and writes the next ones to the other. */
export interface Pair {
  now: Float32Array;
  next: Float32Array;
}

/** Variables that belong to the same phases, as one vector. */
export interface Group {
  layout: Layout;
  weights: Pair;
}

/** The state of a phase between steps. */
export interface PhaseState {
  phase: Phase;
  /** Groups of the phase's variables, with the moments of this phase for them. */
  groups: readonly { group: Group; first: Pair; second: Pair }[];
  /** Steps taken, without skipped ones. */
  taken: number;
}

/** Groups the variables of a model by the phases that change them. */
export function createStates(phases: readonly Phase[]): PhaseState[] {
  const variables = [...new Set(phases.flatMap((phase) => phase.variables))];
  const phasesOf = (variable: tf.Variable): string =>
    phases.map((phase) => phase.variables.includes(variable)).join();
  const groups = new Map<string, Group>();
  for (const key of new Set(variables.map(phasesOf))) {
    const layout = layoutOf(variables.filter((variable) => phasesOf(variable) === key));
    groups.set(key, { layout, weights: createPair(layout.size) });
  }
  return phases.map((phase) => ({
    phase,
    groups: [...new Set(phase.variables.map(phasesOf))].map((key) => {
      const group = groups.get(key)!;
      return { group, first: createPair(group.layout.size), second: createPair(group.layout.size) };
    }),
    taken: 0,
  }));
}

/** Sets moments to 0, and weights to the values of the variables. */
export function resetState(state: PhaseState): void {
  state.taken = 0;
  for (const { group, first, second } of state.groups) {
    first.now.fill(0);
    second.now.fill(0);
    for (const { variable, offset } of group.layout.placed)
      group.weights.now.set(variable.dataSync<'float32'>(), offset);
  }
}

/** Makes the values that a step has written the current ones. */
export function acceptStep(state: PhaseState): void {
  for (const { group, first, second } of state.groups)
    for (const pair of [group.weights, first, second]) [pair.now, pair.next] = [pair.next, pair.now];
  state.taken++;
}

/** A piece of a group's vectors. */
export interface PlacedPiece {
  piece: Piece;
  weights: Pair;
  first: Pair;
  second: Pair;
}

/** The pieces of a phase, group after group. */
export function piecesOf({ groups }: PhaseState): PlacedPiece[] {
  return groups.flatMap(({ group: { layout, weights }, first, second }) =>
    layout.pieces.map((piece) => ({ piece, weights, first, second })),
  );
}

function createPair(size: number): Pair {
  return { now: new Float32Array(size), next: new Float32Array(size) };
}
