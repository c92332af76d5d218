/** Templates and special tokens in every form that folders have them in. */
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { chooseTemplate, dateString, renderRequest } from '../../src/chat/template.js';
import { readChatFiles } from '../../src/chat/template-files.js';
import { ChatTemplateError, ModelFolderError } from '../../src/errors.js';

let folder = '';
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'exit-rl-files-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const write = (name: string, content: unknown): void =>
  writeFileSync(join(folder, name), typeof content === 'string' ? content : JSON.stringify(content));

describe('a hostile folder', () => {
  test('refuses a pipe at once, in place of any file', () => {
    mkdirSync(join(folder, 'additional_chat_templates'));
    execFileSync('mkfifo', [join(folder, 'additional_chat_templates/tool_use.jinja')]);
    expect(() => readChatFiles(folder)).toThrow(ModelFolderError);
    expect(() => readChatFiles(folder)).toThrow(/tool_use\.jinja.*not a regular file/);
  });

  test('does not read a template of gigabytes', () => {
    write('chat_template.jinja', '');
    truncateSync(join(folder, 'chat_template.jinja'), 8 * 2 ** 30);
    expect(() => readChatFiles(folder)).toThrow(/8589934592 bytes; at most 16777216 are read/);
  });

  test('does not read an unbounded number of templates', () => {
    mkdirSync(join(folder, 'additional_chat_templates'));
    for (let at = 0; at < 100; at++) write(`additional_chat_templates/${at}.jinja`, 'x');
    expect(() => readChatFiles(folder)).toThrow(/100 templates/);
  });
});

describe('templates', () => {
  test('reads a single text in tokenizer_config.json', () => {
    write('tokenizer_config.json', { chat_template: 'one' });
    expect(readChatFiles(folder).templates).toEqual({ default: 'one' });
  });

  test('chooses tool_use for tools among named templates', () => {
    const named = ['default', 'tool_use', 'rag'].map((name) => ({ name, template: `of ${name}` }));
    write('tokenizer_config.json', { chat_template: named });
    const files = readChatFiles(folder);
    expect(chooseTemplate(files, {})).toBe('of default');
    expect(chooseTemplate(files, { tools: [{}] })).toBe('of tool_use');
  });

  test('chooses a template by name, with or without tools', () => {
    const named = ['default', 'tool_use', 'rag'].map((name) => ({ name, template: `of ${name}` }));
    write('tokenizer_config.json', { chat_template: named });
    const files = readChatFiles(folder);
    expect(chooseTemplate(files, { template: 'rag' })).toBe('of rag');
    expect(chooseTemplate(files, { template: 'default', tools: [{}] })).toBe('of default');
    for (const template of ['rga', 'toString', '__proto__'])
      expect(() => chooseTemplate(files, { template })).toThrow(
        /no template.*only default, tool_use, rag; name another/,
      );
  });

  test('lets files override tokenizer_config.json', () => {
    write('tokenizer_config.json', { chat_template: 'config' });
    write('chat_template.jinja', 'file');
    mkdirSync(join(folder, 'additional_chat_templates'));
    write('additional_chat_templates/tool_use.jinja', 'tools');
    expect(readChatFiles(folder).templates).toEqual({ default: 'file', tool_use: 'tools' });
  });

  test('ignores tokenizer_config.json once there is any file', () => {
    const named = ['default', 'tool_use'].map((name) => ({ name, template: `of ${name}` }));
    write('tokenizer_config.json', { chat_template: named });
    write('chat_template.jinja', 'file');
    expect(chooseTemplate(readChatFiles(folder), { tools: [{}] })).toBe('file');
  });

  test('names the templates that exist when the one asked for does not', () => {
    expect(() => chooseTemplate(readChatFiles(folder), {})).toThrow(ChatTemplateError);
    write('tokenizer_config.json', { chat_template: [{ name: 'rag', template: 'x' }] });
    expect(() => chooseTemplate(readChatFiles(folder), {})).toThrow(/only rag/);
  });

  test.each(['{', '[]', '{"chat_template": 5}', '{"chat_template": [{"name": 1}]}'])(
    'refuses %s as unreadable',
    (content) => {
      write('tokenizer_config.json', content);
      expect(() => readChatFiles(folder)).toThrow(ModelFolderError);
    },
  );
});

test('reads special tokens as texts or objects; tokenizer_config.json overrides special_tokens_map.json', () => {
  write('special_tokens_map.json', { bos_token: '<old>', pad_token: { content: '<pad>' } });
  write('tokenizer_config.json', { bos_token: { content: '<s>', lstrip: false }, eos_token: '</s>', unk_token: null });
  expect(readChatFiles(folder).specialTokens).toEqual({ bos_token: '<s>', eos_token: '</s>', pad_token: '<pad>' });
});

test('uses a fixed date unless one is given', () => {
  write('tokenizer_config.json', { chat_template: 'x' });
  const files = readChatFiles(folder);
  expect(renderRequest(files, [], {}).variables).toMatchObject({ date_string: '26 Jul 2024', tools: null });
  expect(renderRequest(files, [], { date: '2026-01-02' })).toMatchObject({
    date: '2026-01-02',
    variables: { date_string: '02 Jan 2026' },
  });
  expect(renderRequest(files, [], { variables: { date_string: 'today' } }).variables.date_string).toBe('today');
  expect(() => dateString('yesterday')).toThrow(ChatTemplateError);
});
