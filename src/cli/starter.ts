/**
 * Watches the program that started this one where that program waits for it: `npx`, which cannot pass SIGKILL on, and a demo.
 * In any other case a process may outlive its parent on purpose (`nohup`, `disown`, a job of a script).
 */
import { readFileSync } from 'node:fs';

/** Set for the children of a demo. */
export const stopWithParent = 'EXIT_RL_STOP_WITH_PARENT';

const checkMilliseconds = 500;

/** Name and parent of a process, from the kernel; undefined when it is gone, or the system has no /proc. */
function statusOf(pid: number): { readonly name: string; readonly parent: number } | undefined {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, 'utf8');
    const end = text.lastIndexOf(')');
    return { name: text.slice(text.indexOf('(') + 1, end), parent: Number(text.slice(end + 2).split(' ')[1]) };
  } catch {
    return undefined;
  }
}

const shells = new Set(['sh', 'bash', 'dash', 'zsh', 'ash', 'busybox', 'ksh']);

/** Describes who started this process. npx starts a command through a shell, which stays when npx is killed. */
function starter(): string {
  const parent = statusOf(process.ppid);
  return `${process.ppid} ${parent !== undefined && shells.has(parent.name) ? parent.parent : ''}`;
}

const isWaitedFor = ({ npm_command, [stopWithParent]: ofDemo }: NodeJS.ProcessEnv): boolean =>
  npm_command === 'exec' || ofDemo === '1';

/** Calls `onEnd` when the program that waits for this one has ended; returns a function that stops watching. */
export function watchStarter(onEnd: () => void): () => void {
  if (!isWaitedFor(process.env)) return () => {};
  const begun = starter();
  const timer = setInterval(() => {
    if (starter() === begun) return;
    clearInterval(timer);
    onEnd();
  }, checkMilliseconds);
  // Watching must not keep the process alive.
  timer.unref();
  return () => clearInterval(timer);
}
