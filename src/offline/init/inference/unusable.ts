/** A sample from which no detector can be proposed. The message has the reason, and what would help. */
export class UnusableSampleError extends Error {
  override readonly name = 'UnusableSampleError';
}
