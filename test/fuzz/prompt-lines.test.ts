/** Fuzzes the input lines of `generate`, `score` and `embed`. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect } from 'vitest';
import { templateMessage } from '../../src/chat/template.js';
import { marksFor } from '../../src/chat/template-marks.js';
import { LineRequests } from '../../src/cli/generate/line-request.js';
import { lineMessages, lineToPrompt } from '../../src/cli/generate/read-prompts.js';
import { readJsonLines, readText, readTokens } from '../../src/cli/json-lines.js';
import { LabelReader } from '../../src/cli/line-keys.js';
import { ExitRlError } from '../../src/errors.js';
import type { Message } from '../../src/message.js';
import { defaultSampling } from '../../src/policy/sampling.js';
import { jsonBombs } from './support/bombs.js';
import { fuzz, readCorpus, replay } from './support/fuzz.js';
import { mutatedBytes, mutatedJson } from './support/mutations.js';

let file = '';
beforeAll(async () => {
  file = join(await mkdtemp(join(tmpdir(), 'exit-rl-fuzz-')), 'lines.jsonl');
});
afterAll(() => rm(join(file, '..'), { recursive: true, force: true }));

const asked = { chat: true, system: 'Be brief.' };
const settings = {
  n: 1,
  seed: 0,
  sampling: defaultSampling,
  form: asked,
  chat: {},
  addSpecialTokens: true,
  generationConfig: true,
};

/** Reads a line as every command does: one command may refuse a line that another accepts. */
function readAll(commands: readonly (() => unknown)[]): void {
  for (const command of commands) {
    try {
      command();
    } catch (error) {
      if (!ExitRlError.isInstance(error)) throw error;
    }
  }
}

/** Processes messages as the chat template does, and ids as the engine does. */
function take(prompt: ReturnType<typeof lineToPrompt>): void {
  if (prompt instanceof Int32Array) expect(prompt.every((id) => id >= 0)).toBe(true);
  else if (typeof prompt !== 'string') marksFor((prompt as readonly Message[]).map(templateMessage));
}

async function readFileOf(bytes: Buffer): Promise<void> {
  await writeFile(file, bytes);
  for await (const line of readJsonLines(file)) {
    readAll([
      () => take(lineToPrompt(line, asked)),
      () => lineMessages(line),
      () => new LineRequests(settings).next(line),
      () => new LabelReader().read(line),
      () => readText(line, 'completion'),
      () => readText(line, 'text'),
      () => readTokens(line, 'tokens'),
    ]);
  }
}

const files = readCorpus('prompt-lines');
replay('lines', [...files, ...jsonBombs], readFileOf);
fuzz('lines', mutatedBytes(files.map(({ bytes }) => bytes)), readFileOf);

const conversation = String(files.find(({ name }) => name === 'generate.jsonl')?.bytes).trim();
fuzz('line-values', mutatedJson(JSON.parse(conversation.split('\n').at(-1) ?? '')), (value) =>
  readFileOf(Buffer.from(JSON.stringify(value) ?? 'null')),
);
