/** Conversations with a model that has a chat template: one answer, a file of messages, and a chat at the terminal. */
import { cpSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { ChatSession, type ChatTerminal } from '../../src/cli/generate/chat.js';
import { shownText } from '../../src/cli/generate/terminal.js';
import { type Prompt, promptMessages } from '../../src/message.js';
import { LocalPolicy } from '../../src/policy/local-policy.js';
import type { GenerateRequest } from '../../src/policy/policy.js';
import { modelFolder } from '../golden/support.js';
import { runCli } from './support/cli.js';

const template =
  '{% for m in messages %}<bos>{{ m.role }}: {{ m.content }}<eos>{% endfor %}' +
  '{% if tools %}{{ tools | tojson }}{% endif %}{% if add_generation_prompt %}<bos>assistant: {% endif %}';

let folder = '';
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'exit-rl-chat-'));
  cpSync(modelFolder('qwen2'), folder, { recursive: true });
  writeFileSync(join(folder, 'chat_template.jinja'), template);
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const cli = (...args: string[]): Promise<{ code: number | null; stdout: string; stderr: string }> =>
  runCli(['generate', '--model', folder, '--threads', '1', '--max-new-tokens', '8', ...args]);

describe('generate --chat', () => {
  test('answers a prompt the same as its messages in a file', async () => {
    const asked = await cli('--chat', '--system', 'Be brief.', '--prompt', 'hi <eos>', '--json');
    expect(asked).toMatchObject({ code: 0, stderr: '' });
    const file = join(folder, 'lines.jsonl');
    const messages = [
      { role: 'system', content: 'Be brief.' },
      { role: 'user', content: 'hi <eos>' },
    ];
    writeFileSync(file, [{ messages }, { prompt: messages }].map((line) => JSON.stringify(line)).join('\n'));
    const [first, second] = (await cli('--input', file)).stdout.trim().split('\n');
    expect(JSON.parse(first ?? '')).toEqual(JSON.parse(asked.stdout));
    expect(JSON.parse(second ?? '').completions[0].tokens).toHaveLength(8);
    const streamed = await cli('--chat', '--system', 'Be brief.', '--prompt', 'hi <eos>');
    expect(streamed.stdout).toBe(`${JSON.parse(asked.stdout).completions[0].text}\n`);
  });

  test('continues the last message of a line where asked', async () => {
    const file = join(folder, 'open.jsonl');
    const messages = [
      { role: 'user', content: 'hi' },
      { role: 'assistant', content: 'ab' },
    ];
    writeFileSync(file, JSON.stringify({ messages }));
    const policy = await LocalPolicy.load(folder, { device: 'cpu', threads: 1 });
    const chat = { continueFinalMessage: true };
    const sampling = { maxNewTokens: 8, temperature: 0 };
    const { completions } = await policy.generate({ prompt: messages, chat, sampling });
    expect(await policy.renderMessages(messages, chat)).toBe('<bos>user: hi<eos><bos>assistant: ab');
    await policy.close();
    const { stdout } = await cli('--input', file, '--continue-final-message', '--temperature', '0');
    expect(JSON.parse(stdout).completions[0].tokens).toEqual(Array.from(completions[0]?.tokens ?? []));
    expect((await cli('--input', file, '--temperature', '0')).stdout).not.toBe(stdout);
  }, 30_000);

  test.each([
    [['--chat']],
    [['--system', 'x', '--prompt', 'y']],
    [['--prompt', 'x', '--date', 'tomorrow']],
    [['--prompt', 'x', '--tools', '/nowhere.json']],
    [['--prompt', 'x', '--template-variables', '[1]']],
  ])('%j is wrong usage', async (args) => {
    expect((await cli(...args)).code).toBe(2);
  });

  test('a line with an invalid message is an error with its place', async () => {
    const file = join(folder, 'bad.jsonl');
    writeFileSync(file, '{"messages":[{"content":"x"}]}');
    const { code, stderr } = await cli('--input', file);
    expect(code).toBe(2);
    expect(stderr).toMatch(/bad\.jsonl:1: .*role/);
  });

  test('a folder without a template is an error with a fix', async () => {
    const { code, stderr } = await runCli(['generate', '--model', modelFolder('qwen2'), '--chat', '--prompt', 'x']);
    expect(code).toBe(1);
    expect(stderr).toMatch(/no chat template.*chat_template\.jinja/);
  });
});

class Script implements ChatTerminal {
  written = '';
  constructor(private readonly lines: string[]) {}
  async ask(): Promise<string | undefined> {
    return this.lines.shift();
  }
  write(text: string): void {
    this.written += text;
  }
}

const settings = { system: undefined, seed: 1, sampling: { temperature: 1, maxNewTokens: 12 }, chat: {} };

describe('a chat session', () => {
  test('keeps the ids of earlier answers, and ends at /exit', async () => {
    const policy = await LocalPolicy.load(folder, { device: 'cpu', threads: 1 });
    const requests: GenerateRequest[] = [];
    const stream = (request: GenerateRequest) => {
      requests.push({ ...request, prompt: JSON.parse(JSON.stringify(request.prompt)) });
      return policy.stream(request);
    };
    const terminal = new Script(['first', '', 'second', '/exit', 'never']);
    await new ChatSession({ stream }, terminal, settings).run();
    const conversations = requests.map(({ prompt }) => promptMessages(prompt as Prompt));
    expect(conversations.map((messages) => messages?.length)).toEqual([1, 3]);
    const first = await policy.generate(requests[0] as GenerateRequest);
    expect(conversations[1]?.[1]).toMatchObject({ tokens: Array.from(first.completions[0]?.tokens ?? []) });
    expect(terminal.written).toContain(shownText(first.completions[0]?.text ?? ''));
    await policy.close();
  });

  test('continues after a stopped answer, and after a message that does not fit', async () => {
    const policy = await LocalPolicy.load(folder, { device: 'cpu', threads: 1 });
    const terminal = new Script(['first', 'x'.repeat(5_000), 'second']);
    const session = new ChatSession(policy, terminal, settings);
    expect(session.stopAnswer()).toBe(false);
    const write = terminal.write.bind(terminal);
    let stopped = 0;
    terminal.write = (text) => {
      if (stopped === 0 && session.stopAnswer()) stopped += 1;
      write(text);
    };
    await session.run();
    expect(terminal.written).toMatch(/the prompt has \d+ tokens/);
    await policy.close();
  });
});

test("a model's text cannot control the terminal", () => {
  expect(shownText('a\u001b[31mb\u0007\r\n\tc\u009b2J\u202ed')).toBe('a[31mb\n\tc2Jd');
});
