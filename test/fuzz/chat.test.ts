/** Fuzzes the chat files of a model folder: the template, and the files that hold it and the special tokens. */
import { cp, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect } from 'vitest';
import { createChat } from '../../src/chat/conversation.js';
import { TemplateRenderer } from '../../src/chat/renderer.js';
import { readChatFiles } from '../../src/chat/template-files.js';
import type { Message } from '../../src/message.js';
import { crossing, type NativeTokenizer, native } from '../../src/native.js';
import { jsonBombs } from './support/bombs.js';
import { fuzz, readCorpus, replay } from './support/fuzz.js';
import { mutatedBytes, mutatedJson } from './support/mutations.js';

const limits = { milliseconds: 300, characters: 1 << 18, mebibytes: 64 };
const renderer = new TemplateRenderer(limits);
let folder = '';
let tokenizer: NativeTokenizer;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'exit-rl-fuzz-'));
  await cp(fileURLToPath(new URL('../golden/tokenizers/llama3', import.meta.url)), folder, { recursive: true });
  await rm(join(folder, 'chat_template.jinja'), { force: true });
  tokenizer = await crossing(() => native('cpu').NativeTokenizer.load(folder));
});
afterAll(async () => {
  renderer.close();
  await rm(folder, { recursive: true, force: true });
});

const messages: readonly Message[] = [
  { role: 'system', content: 'Be brief.' },
  { role: 'user', content: 'Say <|eot_id|> twice.' },
  { role: 'assistant', content: '<think>hm</think>ab', tokens: [64, 65] },
  { role: 'tool', content: '{"a":1}', name: 'add' },
];
const tools = [{ type: 'function', function: { name: 'add', parameters: { type: 'object', properties: {} } } }];

async function converse(): Promise<void> {
  const chat = createChat({ files: readChatFiles(folder), tokenizer, endTokens: [2], renderer });
  const text = await chat.render(messages, { tools });
  expect(text.length).toBeLessThanOrEqual(limits.characters);
  await chat.encode(messages, { tools });
  // A template renders in another process, so it cannot affect this one.
  expect(Object.hasOwn(Object.prototype, 'polluted')).toBe(false);
}

const fileOf = (name: string) => async (content: Buffer | string) => {
  await writeFile(join(folder, name), content);
  try {
    await converse();
  } finally {
    await rm(join(folder, name), { force: true });
  }
};

const templates = readCorpus('chat-template');
replay('template', templates, fileOf('chat_template.jinja'));
// Each bomb takes its full time limit, so bombs are only replayed.
const honest = templates.filter(({ name }) => !name.startsWith('bomb-'));
fuzz('template', mutatedBytes(honest.map(({ bytes }) => bytes)), fileOf('chat_template.jinja'));

for (const [name, file] of [
  ['tokenizer-config', 'tokenizer_config.json'],
  ['special-tokens', 'special_tokens_map.json'],
] as const) {
  const files = readCorpus(name);
  const parse = fileOf(file);
  replay(name, [...files, ...jsonBombs], parse);
  fuzz(`${name}-bytes`, mutatedBytes(files.map(({ bytes }) => bytes)), parse);
  const good = files.find((one) => ['text.json', 'map.json'].includes(one.name));
  fuzz(`${name}-values`, mutatedJson(JSON.parse(String(good?.bytes))), (value) =>
    parse(JSON.stringify(value) ?? 'null'),
  );
}
