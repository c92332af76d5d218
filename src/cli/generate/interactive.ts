/** `exit-rl generate --chat` at a terminal. Ctrl-C stops the answer in progress, otherwise it ends the conversation. */
import { createInterface } from 'node:readline/promises';
import type { LocalPolicy } from '../../policy/local-policy.js';
import { say } from '../output.js';
import { ChatSession, type ChatSettings, type ChatTerminal } from './chat.js';

/** Resolves to the exit code: 130 when Ctrl-C ended the conversation, 0 when `/exit` or the end of the input did. */
export async function chatAtTerminal(policy: LocalPolicy, settings: ChatSettings): Promise<number> {
  const lines = createInterface({ input: process.stdin, output: process.stdout, prompt: '> ' });
  // Created before the first prompt, so that input typed or pasted during an answer is queued.
  const typed = lines[Symbol.asyncIterator]();
  const state = { closed: false, interrupted: false };
  const terminal: ChatTerminal = {
    ask: async () => {
      if (!state.closed) lines.prompt();
      const next = await typed.next();
      return next.done ? undefined : next.value;
    },
    write: (text) => process.stdout.write(text),
  };
  const session = new ChatSession(policy, terminal, settings);
  const interrupt = (): void => {
    if (session.stopAnswer()) return;
    if (state.interrupted) process.exit(130);
    state.interrupted = true;
    lines.close();
  };
  lines.on('SIGINT', interrupt);
  lines.on('close', () => {
    state.closed = true;
  });
  process.on('SIGINT', interrupt);
  say('/exit ends the conversation, Ctrl-C stops an answer');
  try {
    await session.run();
    return state.interrupted ? 130 : 0;
  } finally {
    process.off('SIGINT', interrupt);
    lines.close();
  }
}
