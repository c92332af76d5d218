/** `exit-rl fetch owner/name`: downloads a model; no other command does. */
import type { CAC } from 'cac';
import { CancelledError, UsageError } from '../errors.js';
import { cacheFolder, isOn } from '../hub/environment.js';
import type { FetchProgress } from '../hub/fetch.js';
import { type HubModel, hubModel } from '../hub/model-cache.js';
import { canRedraw, knownColumns } from '../report/cursor.js';
import { truncate } from '../report/text.js';
import { type Flags, listFlag, textFlag } from './flags.js';
import { printJson, printLine, say } from './output.js';
import { stopOnSignals } from './signals.js';

function parseModel(text: string | undefined): HubModel {
  const model = text === undefined ? undefined : hubModel(text);
  if (model === undefined) throw new UsageError(`fetch takes a model on the hub, owner/name, not ${text ?? 'nothing'}`);
  const revision = textFlag(process.argv, 'revision');
  if (revision === undefined) return model;
  const named = hubModel(`${model.name}@${revision}`);
  if (named === undefined) throw new UsageError(`--revision is a branch, tag or commit, not ${revision}`);
  return named;
}

const megabytes = (bytes: number): string => (bytes / 1e6).toFixed(1);

function timeLeft(seconds: number): string {
  if (!Number.isFinite(seconds)) return '';
  const whole = Math.ceil(seconds);
  return whole < 60 ? `, ${whole} s left` : `, ${Math.floor(whole / 60)} min ${whole % 60} s left`;
}

const redrawsLine = (): boolean => process.stderr.isTTY === true && canRedraw(process.stderr);

/** Creates a progress line that is rewritten on a terminal; prints one line per file elsewhere. */
function progressLine(): (progress: FetchProgress) => void {
  const started = performance.now();
  const isRedrawn = redrawsLine();
  let file = '';
  let shownAt = 0;
  return (progress) => {
    const now = performance.now();
    if (!isRedrawn) {
      if (progress.file !== file) say(progress.file);
      file = progress.file;
      return;
    }
    if (now - shownAt < 200 && progress.bytes < progress.totalBytes) return;
    shownAt = now;
    const speed = progress.received / ((now - started) / 1000);
    const left = timeLeft((progress.totalBytes - progress.bytes) / speed);
    const counts = `${megabytes(progress.bytes)} of ${megabytes(progress.totalBytes)} MB, ${megabytes(speed)} MB/s${left}`;
    const columns = knownColumns(process.stderr) ?? 80;
    process.stderr.write(`\r\u001b[K${truncate(`${counts} · ${progress.file.slice(-50)}`, columns - 1)}`);
  };
}

async function runFetch(name: string | undefined, flags: Flags): Promise<void> {
  const model = parseModel(name);
  const { fetchModel } = await import('../hub/fetch.js');
  const stop = stopOnSignals('stopping; the same command resumes the download');
  try {
    const isQuiet = flags.json === true || isOn(process.env.HF_HUB_DISABLE_PROGRESS_BARS);
    const onProgress = isQuiet ? () => {} : progressLine();
    const fetched = await fetchModel(model, { include: listFlag(flags, 'include'), signal: stop.signal, onProgress });
    if (redrawsLine() && !isQuiet) say('');
    if (fetched.offline !== undefined) say(`from the cache: ${fetched.offline}`);
    if (flags.json) await printJson({ model: model.name, revision: model.revision, ...fetched });
    else await printLine(fetched.folder);
  } catch (error) {
    if (!stop.signal.aborted) throw error;
    process.exitCode = stop.exitCode() ?? 1;
    if (!CancelledError.isInstance(error)) say('stopped');
  } finally {
    stop.dispose();
  }
}

export function registerFetch(cli: CAC): void {
  cli
    .command('fetch [model]', `Download owner/name from the hub into ${cacheFolder(process.env)}`)
    .option('--revision <revision>', 'Branch, tag or commit (default: main)')
    .option('--include <glob>', 'Files to fetch, repeatable (default: safetensors, configuration, tokenizer, texts)')
    .option('--json', 'Print {"folder","commit","files","bytes"}')
    .action(runFetch);
}
