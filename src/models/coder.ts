/** The networks that encode and decode x, of the kind in the spec. */
import type { Random } from '../tensor';
import { createConvolution, createTransposedConvolution, type ConvolutionSpec } from './convolution';
import { inputDim, type ModelSpec } from './model';
import { createMlp, type Network } from './network';

interface Part {
  name: string;
  random: Random;
}

/** Encoder: x [batch, dim] and, if `givenDim` > 0, `given` [batch, givenDim] → [batch, outputs]. */
export function createEncoder(
  spec: ModelSpec,
  { name, givenDim, outputs, random }: Part & { givenDim: number; outputs: number },
): Network {
  const dim = inputDim(spec);
  if (spec.network === 'mlp')
    return createMlp({ name, sizes: [dim + givenDim, ...spec.hidden, outputs], random });
  return createConvolution({ ...convolutionOf(spec), name, random, vectorDim: outputs }, givenDim);
}

/** Decoder: [batch, inputs] → [batch, dim]. An MLP has the widths of the encoder in reverse. */
export function createDecoder(spec: ModelSpec, { name, inputs, random }: Part & { inputs: number }): Network {
  if (spec.network === 'mlp')
    return createMlp({ name, sizes: [inputs, ...[...spec.hidden].reverse(), inputDim(spec)], random });
  return createTransposedConvolution({ ...convolutionOf(spec), name, random, vectorDim: inputs });
}

function convolutionOf(spec: ModelSpec): Pick<ConvolutionSpec, 'height' | 'width' | 'channels' | 'filters'> {
  const { length, width, channels, hidden } = spec;
  return { height: length / width, width, channels, filters: hidden };
}
