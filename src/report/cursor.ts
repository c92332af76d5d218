/** Hides the terminal's cursor and brings it back however the process ends. */

/** The part of a stream that is written to; `columns` and `rows` where it is a terminal. */
export interface Terminal {
  write(text: string): unknown;
  readonly columns?: number;
  readonly rows?: number;
}

/** The part of `process` that tells when it ends. */
export interface Host {
  on(event: string, listener: () => void): unknown;
  removeListener(event: string, listener: () => void): unknown;
  listenerCount(event: string): number;
  kill(pid: number, signal: string): unknown;
  readonly pid: number;
}

/** Control Sequence Introducer. */
export const csi = `${String.fromCharCode(0x1b)}[`;

const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

/** Hides the cursor; the returned function shows it again and forgets the process's events. */
export function hideCursor(terminal: Terminal, host: Host): () => void {
  let hidden = true;
  const onSignal = signals.map((signal) => ({ signal, listener: () => leave(signal) }));
  const show = () => {
    if (!hidden) return;
    hidden = false;
    terminal.write(`${csi}?25h`);
    host.removeListener('exit', show);
    for (const { signal, listener } of onSignal) host.removeListener(signal, listener);
  };
  // A listener of ours must not keep a signal from ending the process: with no other one it is sent again.
  const leave = (signal: string) => {
    show();
    if (host.listenerCount(signal) === 0) host.kill(host.pid, signal);
  };
  terminal.write(`${csi}?25l`);
  host.on('exit', show);
  for (const { signal, listener } of onSignal) host.on(signal, listener);
  return show;
}
