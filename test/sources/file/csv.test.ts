import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { createRecordDecoder } from '../../../src/pipeline/record-decoder';
import { readCsvFormat, readCsvTable, withoutColumn } from '../../../src/sources/file/csv';
import { createFileHistory, defaultColumns, readFileRecords } from '../../../src/sources/file/file';
import { fileSource } from '../../../src/sources/file/spec';
import { readLabels } from '../../../src/sources/file/fault-labels';
import type { SourceContext } from '../../../src/sources/spec';

let directory: string;
beforeEach(() => (directory = mkdtempSync(join(tmpdir(), 'vaemon-csv-'))));
afterEach(() => rmSync(directory, { recursive: true }));

function write(content: string | Buffer, name = 'a.csv'): string {
  const path = join(directory, name);
  writeFileSync(path, content);
  return path;
}

async function readValues(content: string | Buffer, name?: string) {
  const rows: unknown[] = [];
  for await (const row of readFileRecords(
    { path: write(content, name), columns: defaultColumns },
    { mayLackColumns: true },
  ))
    rows.push(row.problem ?? row.values);
  return rows;
}

describe('the separator', () => {
  test.each([
    ['commas', 'flow,temp\n1.5,2\n'],
    ['semicolons', 'flow;temp\n1.5;2\n'],
    ['tabs', 'flow\ttemp\n1.5\t2\n'],
    ['semicolons and a decimal comma', 'flow;temp\n1,5;2\n'],
    ['tabs and a decimal comma', 'flow\ttemp\n1,5\t2\n'],
    ['commas and quoted numbers with a decimal comma', 'flow,temp\n"1,5","2"\n'],
    ['everything in quotes', '"flow";"temp"\r\n"1,5";"2"\r\n'],
    ['spaces around names', 'flow ; temp\n1.5; 2\n'],
    ['a column without a name', ';flow;temp\n0;1.5;2\n'],
    ['separators at the end of the rows', 'flow;temp;\n1.5;2;\n'],
    ['comments and blank lines before the header', '# plant 3; tags, all\n\n# 2026\nflow;temp\n1,5;2\n'],
    ['a byte-order mark before a comment', '\ufeff# plant 3\nflow;temp\n1,5;2\n'],
  ])('is recognised in a file with %s', async (_, content) => {
    expect(await readValues(content)).toEqual([{ flow: 1.5, temp: 2 }]);
  });

  test('is the one that fits the rows if names of the header have others', async () => {
    expect(await readValues('"flow";temp, degrees\n1,5;2\n3,25;4\n')).toEqual([
      { flow: 1.5, 'temp, degrees': 2 },
      { flow: 3.25, 'temp, degrees': 4 },
    ]);
  });

  test.each([
    ['more than one fits', 'a,b;c\n1,2;3\n'],
    ['none of them fits', 'a,b;c\n1\n'],
  ])('is refused with the line of the header if %s', async (reason, rows) => {
    await expect(readValues(`# comment\n${rows}`)).rejects.toThrow(
      `cannot read ${join(directory, 'a.csv')}: line 2: the separator is ambiguous: the header has "," and ";", and ${reason} the first rows`,
    );
  });

  test('is recognised beyond the first block of a packed file', async () => {
    const rows = Array.from({ length: 12_000 }, (_, i) => `${i},5;2`);
    const values = await readValues(gzipSync(['flow;temp', ...rows].join('\n')), 'a.csv.gz');
    expect([values.length, values.at(-1)]).toEqual([12_000, { flow: 11_999.5, temp: 2 }]);
  });
});

test.each([
  ['the line of spreadsheets before the header', 'sep=;\r\nflow;temp\r\n1.5;2\r\n'],
  ['vertical bars', 'flow|temp\n1.5|2\n'],
  ['spaces around the separator', 'flow | temp\n1.5 | 2\n'],
  ['spaces around quotes', 'flow , temp\n"1.5" , 2\n'],
])('a file with %s is read', async (_, content) => {
  expect(await readValues(content)).toEqual([{ flow: 1.5, temp: 2 }]);
});

test('an empty cell between tabs, and spaces within quotes, are kept', async () => {
  expect(await readValues('flow\ttemp\tnote\n\t2\t" on "\n')).toEqual([
    { flow: null, temp: 2, note: ' on ' },
  ]);
});

describe('the decimal comma', () => {
  test('has three digits after it in a file with semicolons', async () => {
    expect(await readValues('flow;temp\n1,250;2\n')).toEqual([{ flow: 1.25, temp: 2 }]);
  });

  test.each(['flow,temp\n"1,250",7\n', 'flow;temp\n1,250;7.5\n'])(
    'is refused where it may separate thousands: %j',
    async (content) => {
      expect(await readValues(content)).toEqual([
        'line 2, column "flow": "1,250" may have a decimal comma or a thousands separator',
      ]);
    },
  );

  test('is taken with three digits if another number of the file proves it', async () => {
    expect(await readValues('flow,temp\n"59,975","10,0966"\n')).toEqual([{ flow: 59.975, temp: 10.0966 }]);
  });

  test('is refused beside a decimal point in the same column', async () => {
    expect(await readValues('flow;temp\n1,5;2\n1.5;2\n')).toEqual([
      { flow: 1.5, temp: 2 },
      'line 3, column "flow": "1,5" and "1.5" have different decimal signs in the same column',
    ]);
  });
});

describe('a row with another number of cells than the header is rejected with its line:', () => {
  test.each([
    [
      'numbers with a decimal comma between commas',
      'flow,temp\n10,0966,5,0562\n',
      'line 2 has 4 cells, the header has 2: a number with a decimal comma must be quoted, or the separator must be ";"',
    ],
    ['too few', 'a;b;c\n1;2\n', 'line 2 has 2 cells, the header has 3'],
    [
      'another separator',
      'a,b,c\n1;2;3\n',
      'line 2 has 1 cell, the header has 3: the separator of this row seems to be ";"',
    ],
    ['a comment after the header', 'a,b\n# stopped\n', 'line 2 has 1 cell, the header has 2'],
  ])('%s', async (_, content, problem) => {
    expect(await readValues(content)).toEqual([problem]);
  });

  test('the file source goes on, and the decoder rejects the record', async () => {
    const time = '2026-03-01T12:00:00Z';
    const path = write(`timestamp,key,x,y\n${time},h,1\n${time},h,1,2\n${time},h,1,2,3\n`);
    const history = createFileHistory({ path, columns: defaultColumns }, Infinity);
    const { decode } = createRecordDecoder({
      record: {
        kind: 'sensor',
        format: 'json',
        channels: ['x', 'y'],
        conditions: [],
        missingChannels: 'mask',
      },
      fields: { key: 'key', timestamp: 'timestamp', values: 'values', conditions: 'conditions' },
      window: { length: 2 },
    } as unknown as Parameters<typeof createRecordDecoder>[0]);
    for await (const messages of history({ from: undefined, to: undefined, maxRecords: 10 })) {
      const { rows } = await decode(messages, Infinity);
      expect(rows).toEqual([
        expect.objectContaining({
          reason: 'damaged_record',
          message: 'line 2 has 3 cells, the header has 4',
        }),
        0,
        expect.objectContaining({ message: expect.stringContaining('line 4 has 5 cells') as string }),
      ]);
    }
  });
});

describe('a header is refused', () => {
  test.each([
    ['with two equal names', 'flow,pressure,pressure\n1,2,5\n', 'more than one column is called "pressure"'],
    [
      'with a name that no object can have',
      '__proto__,b\n1,2\n',
      '"__proto__" cannot be the name of a column',
    ],
    ['that is the first row', '1.5,2\n1.6,2\n', 'the file has no header: its first row has only numbers'],
    [
      'that is the first row, with a time',
      '2026-03-01 12:00:00,2\n',
      'the file has no header: its first row has only numbers and times',
    ],
    ['of a spreadsheet', Buffer.from('PK\x03\x04\0\0'), 'the file is a spreadsheet or another packed file'],
    ['of Parquet', Buffer.from('PAR1\x15\0'), 'the file is in the format Parquet: export it as CSV'],
    ['of a PNG', Buffer.from('\x89PNG\r\n\x1a\n\0\0\0\rIHDR', 'latin1'), 'the file is an image: '],
    ['of a JPEG', Buffer.from('\xff\xd8\xff\xe0\0\x10JFIF\0', 'latin1'), 'the file is an image: '],
    ['of a file in UTF-16', Buffer.from('\ufeffa,b\n1,2\n', 'utf16le'), 'the file is not UTF-8 text'],
  ])('%s', async (_, content, message) => {
    await expect(readValues(content)).rejects.toThrow(`line 1: ${message}`);
  });

  test('unless its names are the numbers of the columns', async () => {
    expect(await readValues('0,1\n1.5,2\n')).toEqual([{ 0: 1.5, 1: 2 }]);
  });
});

test('an error of the parser contains its own line', async () => {
  await expect(readValues('a,b\n5" pipe,2\n')).rejects.toThrow(
    `cannot read ${join(directory, 'a.csv')}: Invalid Opening Quote: a quote is found on field 0 at line 2`,
  );
});

describe('labels are read by the same rules', () => {
  test('with semicolons between the cells, and between channels in quotes', async () => {
    const path = write(
      'start;end;kind;channels\n2026-03-01T12:00:00Z;2026-03-01T12:01:00Z;hog;"load1;load5"\n',
    );
    expect(await readLabels(path)).toMatchObject([{ kind: 'hog', channels: ['load1', 'load5'] }]);
  });

  test('an unequal row is an error with file and line', async () => {
    const path = write('index,label\n0,0\n1\n');
    await expect(readCsvTable(path)).rejects.toThrow(`${path}:3: line 3 has 1 cell, the header has 2`);
  });

  test('an empty file has no rows and no columns', async () => {
    const path = write('');
    expect(await readCsvTable(path)).toEqual([]);
    expect(await readCsvFormat(path)).toMatchObject({ columns: [] });
  });
});

test('a channel without a column is named with the nearest column that is no channel', () => {
  expect(withoutColumn(['flow', 'pressure_bar', 'tmep'], ['flow', 'pressure', 'temp', 'level'])).toEqual([
    '"pressure"; did you mean "pressure_bar"?',
    '"temp"; did you mean "tmep"?',
    '"level"',
  ]);
});

test('the file source logs its channels at the start, and warns of those without a column', async () => {
  const path = write('timestamp;key;flow;pressure_bar;mode\n');
  const lines: unknown[] = [];
  const log = {
    info: (message: string, fields: object) => lines.push({ message, ...fields }),
    warn: (message: string, fields: object) => lines.push({ message, ...fields }),
  };
  const settings = {
    path,
    rate: 0,
    loop: false,
    historyRecords: 0,
    columns: { ...defaultColumns, conditions: ['mode'] },
  };
  await fileSource.create(
    settings as unknown as Parameters<typeof fileSource.create>[0],
    { log, channels: ['flow', 'pressure'] } as unknown as SourceContext,
  );
  expect(lines).toEqual([
    {
      message: 'reading a CSV file',
      path,
      separator: ';',
      channels: ['flow', 'pressure'],
      otherColumns: ['pressure_bar'],
    },
    {
      message: 'channels have no column in the file',
      path,
      channels: ['"pressure"; did you mean "pressure_bar"?'],
    },
  ]);
});

test('the file source warns of conditions without a column, and of a file that is history alone', async () => {
  const path = write('timestamp;key;flow;Mode\n2026-01-31T12:00:00Z;a;1;x\n2026-01-31T12:00:01Z;a;2;x\n');
  const warned: unknown[] = [];
  const log = {
    info: () => undefined,
    warn: (message: string, fields: object) => warned.push({ message, ...fields }),
  };
  const onPassEnd = jest.fn();
  const run = async (historyRecords: number): Promise<void> => {
    const settings = { path, rate: 0, loop: false, historyRecords };
    const columns = { ...defaultColumns, conditions: ['mode'] };
    const source = await fileSource.create(
      { ...settings, columns } as unknown as Parameters<typeof fileSource.create>[0],
      { log, channels: ['flow'], onPassEnd } as unknown as SourceContext,
    );
    await source.run(() => Promise.resolve());
  };
  await run(1);
  const conditions = {
    message: 'conditions have no column in the file',
    path,
    conditions: ['"mode"; did you mean "Mode"?'],
  };
  expect(warned).toEqual([conditions]);
  await run(2);
  expect(warned.slice(2)).toEqual([
    expect.objectContaining({ path, historyRecords: 2, setting: 'source.file.historyRecords' }),
  ]);
  expect(onPassEnd).toHaveBeenCalledTimes(2);
});
