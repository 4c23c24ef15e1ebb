/** File types of recordings, by name. */

/** Grey images of one size in the format of MNIST: `train.idx3`, `train.idx3.gz`, `train-images-idx3-ubyte.gz`. */
export function isIdxPath(path: string): boolean {
  return /[.-]idx3(-ubyte)?(\.gz)?$/.test(path);
}
