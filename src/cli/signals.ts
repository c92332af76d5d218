/**
 * Requests to stop the process: signals, and the end of the program that started it. The first request aborts the work at
 * a safe point, the second ends the process at once.
 */
import { constants } from 'node:os';
import { outlivesTerminal } from './detached.js';
import { say } from './output.js';
import { watchStarter } from './starter.js';

/** SIGHUP comes from a closed terminal; Slurm and other schedulers send SIGUSR1 and SIGUSR2 before the time is up. */
const stopSignals = ['SIGINT', 'SIGTERM', 'SIGHUP', 'SIGQUIT', 'SIGUSR1', 'SIGUSR2'] as const;
type Stop = (typeof stopSignals)[number];

const exitCode = (signal: Stop): number => 128 + constants.signals[signal];

export interface StopSignals {
  /** Aborts at the first signal. */
  readonly signal: AbortSignal;
  /** Returns 130 after SIGINT, 143 after SIGTERM, 128 + its number after another signal; undefined without one. */
  exitCode(): number | undefined;
  /** Aborts without a signal, for example when the reader of the output has closed the pipe. */
  stop(): void;
  dispose(): void;
}

/** Handles the signals until `dispose`; prints `message` at the first. */
export function stopOnSignals(message: string): StopSignals {
  const controller = new AbortController();
  let received: Stop | undefined;
  const stop = (name: Stop, text = message): void => {
    if (received !== undefined) process.exit(exitCode(name));
    received = name;
    say(text);
    controller.abort();
  };
  const onSignal = (name: NodeJS.Signals): void => {
    if (name !== 'SIGHUP' || !outlivesTerminal()) stop(name as Stop);
  };
  for (const name of stopSignals) process.on(name, onSignal);
  const unwatch = watchStarter(
    () => received ?? stop('SIGTERM', `the program that started this one has ended: ${message}`),
  );
  return {
    signal: controller.signal,
    exitCode: () => received && exitCode(received),
    stop: () => controller.abort(),
    dispose: () => {
      unwatch();
      for (const name of stopSignals) process.off(name, onSignal);
    },
  };
}
