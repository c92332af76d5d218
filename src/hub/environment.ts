/**
 * The environment variables of huggingface_hub, read as version 2.4 reads them. docs/inputs.md has all of them, with what is
 * done with each. An empty variable counts as absent.
 */
import { readFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { HubError } from '../errors.js';

/** Environment variables by name. */
export type Environment = Readonly<Record<string, string | undefined>>;

/** Whether a switch is on, in huggingface_hub's spelling. */
export const isOn = (value: string | undefined): boolean => /^(1|on|yes|true)$/i.test(value ?? '');

/** The home folder of a user of this machine; undefined for an unknown one. */
function homeOfUser(name: string): string | undefined {
  try {
    const entry = readFileSync('/etc/passwd', 'utf8')
      .split('\n')
      .find((line) => line.startsWith(`${name}:`));
    return entry?.split(':')[5];
  } catch {
    return undefined;
  }
}

/** HOME, else the home folder of the user; undefined where the system knows no user of this id, as in some containers. */
function ownHome({ HOME }: Environment): string | undefined {
  if (HOME !== undefined) return HOME;
  try {
    return homedir();
  } catch {
    return undefined;
  }
}

/** Python's `os.path.expanduser`: `~` and `~name` at the beginning, where that home is known. */
function expandUser(path: string, environment: Environment): string {
  const [whole, name] = /^~([^/]*)/.exec(path) ?? [];
  if (whole === undefined) return path;
  const home = name === '' ? ownHome(environment) : homeOfUser(name ?? '');
  return home === undefined ? path : `${home.replace(/\/+$/, '')}${path.slice(whole.length)}` || '/';
}

/** Python's `os.path.expandvars`: `$NAME` and `${NAME}`, where that variable is set. */
const expandVariables = (path: string, environment: Environment): string =>
  path.replaceAll(/\$(?:([A-Za-z0-9_]+)|\{([^}]*)\})/g, (whole, plain?: string, braced?: string) => {
    return environment[plain ?? braced ?? ''] ?? whole;
  });

const expand = (path: string, environment: Environment): string =>
  expandVariables(expandUser(path, environment), environment);

const homeOf = (environment: Environment): string => {
  const cache = environment.XDG_CACHE_HOME || join(expandUser('~', environment), '.cache');
  return expand(environment.HF_HOME || join(cache, 'huggingface'), environment);
};

/** The folder of the cache: HF_HUB_CACHE, else HUGGINGFACE_HUB_CACHE, else `hub` in HF_HOME. */
export function cacheFolder(environment: Environment): string {
  const given = environment.HF_HUB_CACHE || environment.HUGGINGFACE_HUB_CACHE;
  return expand(given || join(homeOf(environment), 'hub'), environment);
}

/** True when HF_HUB_OFFLINE, or transformers' own variable, forbids the network. */
export const isOffline = ({ HF_HUB_OFFLINE, TRANSFORMERS_OFFLINE }: Environment): boolean =>
  isOn(HF_HUB_OFFLINE || TRANSFORMERS_OFFLINE);

/** The hub's address, without a slash at the end. */
export const hubEndpoint = ({ HF_ENDPOINT }: Environment): string =>
  (HF_ENDPOINT || 'https://huggingface.co').replace(/\/+$/, '');

/** The file that `hf auth login` writes. */
export const tokenFile = (environment: Environment): string =>
  expand(environment.HF_TOKEN_PATH || join(homeOf(environment), 'token'), environment);

const cleanToken = (text: string): string | undefined => text.replaceAll(/[\r\n]/g, '').trim() || undefined;

/** The token to send: HF_TOKEN, its old name, or the file of `hf auth login`; none where sending it is switched off. */
export function accessToken(environment: Environment): string | undefined {
  if (isOn(environment.HF_HUB_DISABLE_IMPLICIT_TOKEN)) return undefined;
  const given = cleanToken(environment.HF_TOKEN || environment.HUGGING_FACE_HUB_TOKEN || '');
  if (given !== undefined) return given;
  try {
    return cleanToken(readFileSync(tokenFile(environment), 'utf8'));
  } catch {
    // Public models need none.
    return undefined;
  }
}

function milliseconds(environment: Environment, variable: string): number | undefined {
  const text = environment[variable]?.trim();
  if (!text) return undefined;
  const seconds = Number(text);
  if (Number.isSafeInteger(seconds) && seconds >= 0) return seconds === 0 ? undefined : 1000 * seconds;
  throw new HubError(`${variable} is a whole number of seconds, not \`${text}\``, { variable, value: text });
}

/** How long the hub may take to list a model, and to send the next bytes of a file, where the variables say so. */
export const hubPatience = (environment: Environment): { readonly listing?: number; readonly download?: number } => {
  const listing = milliseconds(environment, 'HF_HUB_ETAG_TIMEOUT');
  const download = milliseconds(environment, 'HF_HUB_DOWNLOAD_TIMEOUT');
  return { ...(listing !== undefined && { listing }), ...(download !== undefined && { download }) };
};
