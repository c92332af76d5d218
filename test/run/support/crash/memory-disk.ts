/** A disk in memory that records every change in order. */
import { createHash } from 'node:crypto';
import { basename, dirname, join } from 'node:path';
import type { Disk } from '../../../../src/disk/disk.js';
import { type Node, type Operation, systemError, type Tree } from './tree.js';

export interface MemoryDisk extends Disk {
  readonly tree: Tree;
}

export function createMemoryDisk(tree: Tree, note: (operation: Operation) => void = () => {}): MemoryDisk {
  let nodes = Math.max(0, ...tree.folders.keys(), ...tree.files.keys());
  const change = (operation: Operation): void => {
    tree.apply(operation);
    note(operation);
  };
  const enter = (path: string, isFolder: boolean, node: Node = ++nodes): Node => {
    change({ kind: 'enter', folder: tree.folderOf(path), name: basename(path), node, isFolder });
    return node;
  };
  const writeAt = (node: Node, offset: number, content: string | Uint8Array): void => {
    if (content.length > 0) change({ kind: 'write', node, offset, bytes: Buffer.from(content as Uint8Array) });
  };
  const makeFolder = (path: string): string[] => {
    if (tree.find(path) !== undefined) return [];
    const above = makeFolder(dirname(path));
    enter(path, true);
    return [...above, path];
  };
  const remove = (path: string): void => {
    const node = tree.find(path);
    if (node === undefined) return;
    for (const name of tree.names(path)) remove(join(path, name));
    change({ kind: 'leave', folder: tree.folderOf(path), name: basename(path), node });
  };
  const write = (path: string, content: string | Uint8Array): void => {
    const node = tree.find(path);
    if (node !== undefined) change({ kind: 'cut', node: tree.fileAt(path), size: 0 });
    writeAt(node ?? enter(path, false), 0, content);
  };
  return {
    tree,
    makeFolder: async (path) => makeFolder(path),
    write: async (path, content) => write(path, content),
    async create(path, content) {
      if (tree.find(path) !== undefined) throw systemError('EEXIST', path);
      write(path, content);
    },
    async append(path, content) {
      const node = tree.find(path) ?? enter(path, false);
      writeAt(node, tree.read(path).length, content);
    },
    truncate: async (path, size) => change({ kind: 'cut', node: tree.fileAt(path), size }),
    async flush(path) {
      const node = tree.find(path);
      if (node === undefined) throw systemError('ENOENT', path);
      change({ kind: 'sync', node });
    },
    async rename(from, to) {
      const node = tree.find(from);
      if (node === undefined) throw systemError('ENOENT', from);
      if (dirname(from) !== dirname(to)) throw new Error('a checkpoint never moves to another folder');
      change({ kind: 'move', folder: tree.folderOf(from), name: basename(from), to: basename(to), node });
    },
    async link(from, to) {
      if (tree.find(to) !== undefined) throw systemError('EEXIST', to);
      enter(to, false, tree.fileAt(from));
    },
    remove: async (path) => remove(path),
    adopt: async () => {},
    read: async (path) => tree.read(path),
    hash: async (path) => createHash('sha256').update(tree.read(path)).digest('hex'),
    list: async (path) => tree.names(path),
    async size(path) {
      const node = tree.find(path);
      return node === undefined ? undefined : tree.files.get(node)?.length;
    },
    exists: async (path) => tree.find(path) !== undefined,
  };
}
