/** The real disk, which repeats every change on a tree in memory and records it in order. */
import { hostname } from 'node:os';
import { join } from 'node:path';
import { type Disk, realDisk } from '../../../../src/disk/disk.js';
import { createMemoryDisk, type MemoryDisk } from './memory-disk.js';
import { type Operation, Tree } from './tree.js';

export interface Recording {
  readonly disk: Disk;
  readonly memory: MemoryDisk;
  readonly operations: Operation[];
}

/** A pid that no process has. */
const dead = JSON.stringify({ pid: 2 ** 30, started: '1', host: hostname() });

/** The operations that change a disk; the others only read. */
const changes = ['makeFolder', 'write', 'append', 'truncate', 'flush', 'rename', 'link', 'remove'] as const;

export function recordDisk(root: string): Recording {
  const operations: Operation[] = [];
  const memory = createMemoryDisk(new Tree(root), (operation) => operations.push(operation));
  const disk: Record<string, unknown> = { ...realDisk };
  for (const name of changes) {
    disk[name] = async (...parameters: never[]) => {
      const [real, remember] = [realDisk[name], memory[name]] as ((...given: never[]) => Promise<unknown>)[];
      const result = await real?.(...parameters);
      await remember?.(...parameters);
      return result;
    };
  }
  // The recording process still runs; the one whose crash is simulated does not.
  disk.create = async (path: string) => {
    await realDisk.create(path, dead);
    await memory.create(path, dead);
  };
  // The engine creates, writes and flushes one file after another (crates/engine/src/io/new_file.rs).
  disk.adopt = async (folder: string, files: readonly { readonly name: string }[]) => {
    for (const { name } of files) {
      const path = join(folder, name);
      await memory.write(path, await realDisk.read(path));
      await memory.flush(path);
    }
  };
  return { disk: disk as unknown as Disk, memory, operations };
}
