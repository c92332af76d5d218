/** A file of lines that knows its length, so that a resumed run can cut off what came after its checkpoint. */
import type { Disk } from './disk.js';
import { onDisk } from './disk-errors.js';

export interface LineFile {
  /** Bytes written so far. */
  readonly size: number;
  append(lines: readonly unknown[]): Promise<void>;
  /** After this, every line is on the disk. */
  flush(): Promise<void>;
}

export interface LineFileOptions {
  readonly disk: Disk;
  readonly path: string;
  /** What comes after this byte is cut off. */
  readonly keep: number;
  readonly warn: (message: string) => void;
}

/** Opens a file for appending after its first `keep` bytes, or makes an empty one. */
export async function openLines({ disk, path, keep, warn }: LineFileOptions): Promise<LineFile> {
  const found = await onDisk(path, () => disk.size(path));
  if ((found ?? 0) < keep) {
    warn(`${path} holds ${found ?? 0} of the ${keep} bytes that the checkpoint knows: the lines between are lost`);
  }
  if ((found ?? 0) > keep) await onDisk(path, () => disk.truncate(path, keep));
  if (found === undefined) await onDisk(path, () => disk.write(path, ''));
  let size = Math.min(found ?? 0, keep);
  /** A full disk may have taken half a line, which must not stand before the next one. */
  let torn = false;
  return {
    get size() {
      return size;
    },
    async append(lines) {
      const text = Buffer.from(lines.map((line) => `${JSON.stringify(line)}\n`).join(''));
      await onDisk(path, async () => {
        if (torn) await disk.truncate(path, size);
        torn = true;
        await disk.append(path, text);
        torn = false;
      });
      size += text.length;
    },
    flush: () => onDisk(path, () => disk.flush(path)),
  };
}
