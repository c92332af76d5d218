/** Fuzzes the files of a run folder and of an adapter: metrics, evaluations, manifests, states, the base of an adapter. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll } from 'vitest';
import { verifyCheckpoint } from '../../src/disk/manifest.js';
import { findModel } from '../../src/disk/model-source.js';
import { parseMetrics, readReportFolder } from '../../src/report/run-data.js';
import { lockFolder } from '../../src/run/lock.js';
import { readState } from '../../src/run/state.js';
import { jsonBombs } from './support/bombs.js';
import { fuzz, readCorpus, replay } from './support/fuzz.js';
import { mutatedBytes, mutatedJson } from './support/mutations.js';

let folder = '';
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'exit-rl-fuzz-'));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

/** Creates the parser of one file of a folder whose other files stay valid. */
const fileOf = (name: string, parse: (folder: string) => Promise<unknown>) => async (content: Buffer | string) => {
  await writeFile(join(folder, 'config.json'), '{"method":"exit","seed":1}');
  await writeFile(join(folder, name), content);
  try {
    return await parse(folder);
  } finally {
    await rm(join(folder, name), { force: true });
  }
};

const metrics = readCorpus('metrics');
const readMetrics = (bytes: Buffer) => parseMetrics(bytes.toString('utf8'), 'metrics.jsonl');
replay('metrics', metrics, readMetrics);
fuzz('metrics', mutatedBytes(metrics.map(({ bytes }) => bytes)), readMetrics);

const parsers = {
  evaluation: fileOf('evaluation.json', readReportFolder),
  comparison: fileOf('comparison.json', readReportFolder),
  state: fileOf('state.json', readState),
  manifest: fileOf('manifest.json', verifyCheckpoint),
  'adapter-config': fileOf('adapter_config.json', (adapter) => findModel(adapter)),
  lock: fileOf('run.lock', async (run) => (await lockFolder(run)).release()),
};
for (const [name, parse] of Object.entries(parsers)) {
  const files = readCorpus(name);
  const documents = files.map(({ bytes }) => bytes);
  replay(name, [...files, ...jsonBombs], parse);
  fuzz(`${name}-bytes`, mutatedBytes(documents), parse);
  fuzz(`${name}-values`, mutatedJson(JSON.parse(String(documents[0]))), (value) =>
    parse(JSON.stringify(value) ?? 'null'),
  );
}
