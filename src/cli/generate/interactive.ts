/** `exit-rl generate --chat` at a terminal. Ctrl-C stops the answer; when there is none, it leaves. */
import { createInterface } from 'node:readline/promises';
import type { LocalPolicy } from '../../policy/local.js';
import { say } from '../output.js';
import { ChatSession, type ChatSettings, type ChatTerminal } from './chat.js';

/** Resolves to the exit code. */
export async function chatAtTerminal(policy: LocalPolicy, settings: ChatSettings): Promise<number> {
  const lines = createInterface({ input: process.stdin, output: process.stdout });
  const leaving = new AbortController();
  const terminal: ChatTerminal = {
    ask: () => lines.question('> ', { signal: leaving.signal }).catch(() => undefined),
    write: (text) => process.stdout.write(text),
  };
  const session = new ChatSession(policy, terminal, settings);
  const interrupt = (): void => {
    if (session.stopAnswer()) return;
    if (leaving.signal.aborted) process.exit(130);
    leaving.abort();
  };
  lines.on('SIGINT', interrupt);
  lines.on('close', () => leaving.abort());
  process.on('SIGINT', interrupt);
  say('/exit leaves, Ctrl-C stops an answer');
  try {
    await session.run();
    return leaving.signal.aborted ? 130 : 0;
  } finally {
    process.off('SIGINT', interrupt);
    lines.close();
  }
}
