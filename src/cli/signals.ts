/** SIGINT and SIGTERM: the first asks the work to stop at a safe point, the second leaves at once. */
import { say } from './output.js';

const exitCodes = { SIGINT: 130, SIGTERM: 143 } as const;
type Stop = keyof typeof exitCodes;

export interface StopSignals {
  /** Aborts at the first signal. */
  readonly signal: AbortSignal;
  /** 130 or 143 after a signal, else undefined. */
  exitCode(): number | undefined;
  /** Aborts without a signal, for example when nobody reads the output any more. */
  stop(): void;
  dispose(): void;
}

/** Takes over both signals until disposed. */
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
