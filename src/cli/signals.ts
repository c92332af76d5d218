/** Handles SIGINT and SIGTERM: the first signal aborts the work at a safe point, the second ends the process at once. */
import { say } from './output.js';

const exitCodes = { SIGINT: 130, SIGTERM: 143 } as const;
type Stop = keyof typeof exitCodes;

export interface StopSignals {
  /** Aborts at the first signal. */
  readonly signal: AbortSignal;
  /** Returns 130 or 143 after a signal, else undefined. */
  exitCode(): number | undefined;
  /** Aborts without a signal, for example when the reader of the output has closed the pipe. */
  stop(): void;
  dispose(): void;
}

/** Handles both signals until `dispose`; prints `message` at the first. */
export function stopOnSignals(message: string): StopSignals {
  const controller = new AbortController();
  let received: Stop | undefined;
  const onSignal = (name: NodeJS.Signals): void => {
    if (received !== undefined) process.exit(exitCodes[name as Stop]);
    received = name as Stop;
    say(message);
    controller.abort();
  };
  for (const name of Object.keys(exitCodes)) process.on(name, onSignal);
  return {
    signal: controller.signal,
    exitCode: () => received && exitCodes[received],
    stop: () => controller.abort(),
    dispose: () => {
      for (const name of Object.keys(exitCodes)) process.off(name, onSignal);
    },
  };
}
