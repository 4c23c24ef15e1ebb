/** What a recorded file holds, as its name says. */

/** Grey images of one size, as MNIST has them: `train.idx3`, `train.idx3.gz`, `train-images-idx3-ubyte.gz`. */
export function isIdxPath(path: string): boolean {
  return /[.-]idx3(-ubyte)?(\.gz)?$/.test(path);
}
