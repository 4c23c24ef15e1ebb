/**
 * The steps of the Dockerfile, one by one: each stage is an empty folder, in which its copies and commands are carried out. Base images,
 * users and volumes are left out.
 */
import { execFileSync, spawn, spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { until } from './kafka/broker';

jest.setTimeout(900_000);

const root = path.join(__dirname, '../..');
const read = (name: string) => readFileSync(path.join(root, name), 'utf8');

interface Instruction {
  name: string;
  text: string;
}

interface Stage {
  folder: string;
  /** In the image, such as /app. */
  workdir: string;
  env: Record<string, string>;
}

const instructions: Instruction[] = read('Dockerfile')
  .replaceAll(/^ *#.*\n/gm, '')
  .replaceAll(/\\\n/g, ' ')
  .split('\n')
  .filter((line) => line.trim() !== '')
  .map((line) => {
    const { name, text } = /^(?<name>[A-Z]+) +(?<text>.*)$/.exec(line)!.groups!;
    return { name: name!, text: text!.trim() };
  });
/** Without the exclusion of everything else. */
const context = read('.dockerignore')
  .split('\n')
  .filter((line) => line.startsWith('!'))
  .map((line) => line.slice(1));

let folder: string;
const stages = new Map<string, Stage>();

beforeAll(() => {
  folder = mkdtempSync(path.join(tmpdir(), 'vaemon-image-'));
});

afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** Absolute paths of the image as paths of the folder of its stage. */
function placed(text: string, { folder: place }: Stage): string {
  return text.replaceAll(/(?<![\w.])\/(app|var\/lib)\b/g, `${place}/$1`);
}

/** Variables of npm and of vaemon that the test was started with do not exist in a build. */
function environmentOf(stage: Stage): NodeJS.ProcessEnv {
  const own = Object.entries(process.env).filter(([name]) => !/^(npm|VAEMON|NODE)_/.test(name));
  const given = Object.entries(stage.env).map(([name, value]) => [name, placed(value, stage)]);
  return { ...Object.fromEntries(own), ...Object.fromEntries(given) } as NodeJS.ProcessEnv;
}

function inShell(command: string, stage: Stage): void {
  const cwd = placed(stage.workdir, stage);
  mkdirSync(cwd, { recursive: true });
  const env = environmentOf(stage);
  const { status, stdout, stderr } = spawnSync('bash', ['-ec', command], { cwd, env, encoding: 'utf8' });
  if (status !== 0) throw new Error(`${command}: exit ${status}\n${stdout}${stderr}`);
}

function copy(text: string, stage: Stage): void {
  const [, from, files] = /^(?:--from=(\S+) )?(.*)$/.exec(text)!;
  const names = files!.split(' ');
  const to = names.pop()!;
  if (from === undefined) for (const name of names) expect(context).toContain(name);
  const sources = names.map((name) =>
    from === undefined ? path.join(root, name) : placed(name, stages.get(from)!),
  );
  // A source that is a folder is copied as its contents.
  const target = to.endsWith('/') ? to : `${to}/`;
  const isFolder = names.length === 1 && !path.basename(names[0]!).includes('.');
  inShell(`mkdir -p '${target}' && cp -r ${sources.join(' ')}${isFolder ? '/.' : ''} '${target}'`, stage);
}

function variables(text: string): [string, string][] {
  return [...text.matchAll(/(\w+)=(\S*)/g)].map(([, name, value]) => [name!, value!]);
}

/** The stage that is the image, with what its start needs. */
function build() {
  let stage: Stage | undefined;
  const start: Record<string, string[]> = {};
  for (const { name, text } of instructions) {
    if (name === 'FROM') {
      const as = / AS (\w+)$/.exec(text)?.[1] ?? 'image';
      stage = { folder: path.join(folder, as), workdir: '/', env: {} };
      stages.set(as, stage);
    } else if (stage === undefined) {
      expect(name).toBe('ARG');
    } else if (name === 'ARG' || name === 'ENV') {
      Object.assign(stage.env, Object.fromEntries(variables(text)));
    } else if (name === 'WORKDIR') {
      stage.workdir = text;
    } else if (name === 'COPY') {
      copy(text, stage);
    } else if (name === 'RUN') {
      inShell(placed(text, stage), stage);
    } else if (name === 'HEALTHCHECK' || name === 'ENTRYPOINT' || name === 'CMD') {
      start[name] = JSON.parse(/\[.*\]$/.exec(text)![0]) as string[];
    } else {
      expect(['USER', 'VOLUME', 'EXPOSE']).toContain(name);
    }
  }
  return { stage: stage!, start };
}

test('the image runs the demo, answers its health check, and has no other packages than it needs', async () => {
  const { stage, start } = build();
  const cwd = placed(stage.workdir, stage);
  const [node, ...program] = start['ENTRYPOINT']!;
  const store = path.join(stage.folder, 'var/lib/vaemon');
  // The check finds the port that the program has chosen.
  const env = {
    ...environmentOf(stage),
    VAEMON_HTTP_PORT: '0',
    VAEMON_HTTP_PORT_FILE: path.join(stage.folder, 'vaemon-port'),
    VAEMON_STORE_PATH: store,
  };

  const settings = execFileSync(node!, [...program, 'config', 'print', 'config/kafka'], {
    cwd,
    env,
    encoding: 'utf8',
  });
  // config/kafka has a host, which takes precedence over that of the image.
  expect(settings).toContain('host: 127.0.0.1');
  const compose = execFileSync(node!, [...program, 'config', 'print', 'config/compose'], {
    cwd,
    env,
    encoding: 'utf8',
  });
  expect(compose).toContain('host: 0.0.0.0');
  expect(() => readFileSync(path.join(cwd, 'node_modules/typescript/package.json'))).toThrow('ENOENT');

  const demo = spawn(node!, [...program, ...start['CMD']!], { cwd, env });
  let output = '';
  demo.stdout.on('data', (text: Buffer) => (output += text.toString()));
  const ended = new Promise((resolve) => demo.once('close', resolve));
  try {
    const [check, ...args] = start['HEALTHCHECK']!;
    await until(
      `the health check; ${output}`,
      () =>
        spawnSync(check!, args, { cwd, env }).status === 0 &&
        output.includes('"message":"web server listens"'),
      300_000,
    );
  } finally {
    demo.kill('SIGTERM');
  }
  expect(await ended).toBe(0);
});
