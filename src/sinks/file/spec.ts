/** Writes dead letters to a file. */
import { path, whole } from '../../schema/formats';
import type { Section } from '../../schema/key';
import type { SinkSpec } from '../spec';

const section = {
  deadLetters: path(
    {
      doc:
        'File to which rejected records are appended, one JSON object per line: reason, message, origin, key and value. ' +
        'Empty: none.',
      default: '',
    },
    { empty: true },
  ),
  maxBytes: whole({
    doc: 'Size at which the file becomes `<path>.1`, in place of an earlier one, and a new file begins.',
    default: 104_857_600,
  }),
} satisfies Section;

export const fileSink: SinkSpec<typeof section> = {
  section,
  rules: [],
  async create(settings) {
    if (settings.deadLetters === '') return undefined;
    const { createFileSink } = await import('./file');
    return { sink: await createFileSink(settings) };
  },
};
