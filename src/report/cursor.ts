/** Hides the terminal's cursor and restores it however the process ends. */

/** The part of a stream that the live table uses; a terminal has `columns` and `rows`. */
export interface Terminal {
  write(text: string): unknown;
  readonly columns?: number;
  readonly rows?: number;
}

/** The narrowest screen on which a table is redrawn. */
const fewestColumns = 20;

/** The columns of a terminal; undefined where it reports none, as some in containers do, or hardly any. */
export function knownColumns({ columns }: Pick<Terminal, 'columns'>): number | undefined {
  return columns !== undefined && Number.isFinite(columns) && columns >= fewestColumns ? columns : undefined;
}

/** Whether lines on this terminal can be redrawn in place: it moves its cursor, knows its width, and keeps no log. */
export function canRedraw(terminal: Pick<Terminal, 'columns'>, environment: NodeJS.ProcessEnv = process.env): boolean {
  const { TERM, CI = '' } = environment;
  const isLogged = !['', '0', 'false'].includes(CI.toLowerCase());
  return TERM !== 'dumb' && !isLogged && knownColumns(terminal) !== undefined;
}

/** The part of `process` that reports its end. */
export interface Host {
  on(event: string, listener: () => void): unknown;
  removeListener(event: string, listener: () => void): unknown;
  listenerCount(event: string): number;
  kill(pid: number, signal: string): unknown;
  readonly pid: number;
}

/** Control Sequence Introducer. */
export const csi = `${String.fromCharCode(0x1b)}[`;

const signals = ['SIGINT', 'SIGTERM', 'SIGHUP', 'SIGQUIT', 'SIGUSR1', 'SIGUSR2'] as const;

/** Hides the cursor; the returned function shows it and removes the listeners. */
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
  // Our listener must not keep a signal from ending the process: without another listener the signal is sent again.
  const leave = (signal: string) => {
    show();
    if (host.listenerCount(signal) === 0) host.kill(host.pid, signal);
  };
  terminal.write(`${csi}?25l`);
  host.on('exit', show);
  for (const { signal, listener } of onSignal) host.on(signal, listener);
  return show;
}
