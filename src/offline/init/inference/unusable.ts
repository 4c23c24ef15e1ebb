/** The error for a sample from which no detector can be proposed. The message contains the reason and advice. */
export class UnusableSampleError extends Error {
  override readonly name = 'UnusableSampleError';
}
