/** Files and folders as a disk stores them: numbered nodes, and names that point to them. */
import { createHash } from 'node:crypto';
import { dirname, join, relative } from 'node:path';

export type Node = number;
export const rootNode: Node = 0;

/** One change that reaches the disk completely or not at all (a write also by half). */
export type Operation =
  | {
      readonly kind: 'enter';
      readonly folder: Node;
      readonly name: string;
      readonly node: Node;
      readonly isFolder: boolean;
    }
  | { readonly kind: 'leave'; readonly folder: Node; readonly name: string; readonly node: Node }
  | { readonly kind: 'move'; readonly folder: Node; readonly name: string; readonly to: string; readonly node: Node }
  | { readonly kind: 'write'; readonly node: Node; readonly offset: number; readonly bytes: Buffer }
  | { readonly kind: 'cut'; readonly node: Node; readonly size: number }
  | { readonly kind: 'sync'; readonly node: Node };

const fingerprints = new WeakMap<Buffer, string>();

function fingerprint(content: Buffer): string {
  const known = fingerprints.get(content) ?? createHash('sha1').update(content).digest('base64');
  fingerprints.set(content, known);
  return known;
}

export const systemError = (code: string, path: string): Error =>
  Object.assign(new Error(`${code}: ${path}`), { code, syscall: 'open', path });

export class Tree {
  readonly folders = new Map<Node, Map<string, Node>>([[rootNode, new Map()]]);
  readonly files = new Map<Node, Buffer>();

  constructor(readonly root: string) {}

  /** Applies an operation whether or not the earlier ones were applied; skips it when a needed node is missing. */
  apply(operation: Operation): void {
    switch (operation.kind) {
      case 'enter':
        if (operation.isFolder) this.entriesOf(operation.node);
        else if (!this.files.has(operation.node)) this.files.set(operation.node, Buffer.alloc(0));
        this.entriesOf(operation.folder).set(operation.name, operation.node);
        return;
      case 'leave':
        if (this.entriesOf(operation.folder).get(operation.name) === operation.node)
          this.entriesOf(operation.folder).delete(operation.name);
        return;
      case 'move':
        this.apply({ ...operation, kind: 'leave' });
        this.entriesOf(operation.folder).set(operation.to, operation.node);
        return;
      case 'write':
        this.write(operation.node, operation.offset, operation.bytes);
        return;
      case 'cut':
        this.files.set(operation.node, this.contentOf(operation.node).subarray(0, operation.size));
        return;
      case 'sync':
        return;
      default:
        operation satisfies never;
    }
  }

  /** Names persist separately from their nodes: a node may be written before its entry, or without it. */
  private entriesOf(folder: Node): Map<string, Node> {
    const entries = this.folders.get(folder) ?? new Map<string, Node>();
    this.folders.set(folder, entries);
    return entries;
  }

  private contentOf(node: Node): Buffer {
    return this.files.get(node) ?? Buffer.alloc(0);
  }

  private write(node: Node, offset: number, bytes: Buffer): void {
    const before = this.contentOf(node);
    // Contents are never changed in place, so that equal states share them and their hashes.
    if (before.length === 0 && offset === 0) {
      this.files.set(node, bytes);
      return;
    }
    const after = Buffer.alloc(Math.max(before.length, offset + bytes.length));
    before.copy(after);
    bytes.copy(after, offset);
    this.files.set(node, after);
  }

  /** Finds the node at a path; undefined when there is none. */
  find(path: string): Node | undefined {
    let node: Node | undefined = rootNode;
    for (const name of relative(this.root, path).split('/').filter(Boolean)) {
      node = node === undefined ? undefined : this.folders.get(node)?.get(name);
    }
    return node;
  }

  folderOf(path: string): Node {
    const node = this.find(dirname(path));
    if (node === undefined || !this.folders.has(node)) throw systemError('ENOENT', path);
    return node;
  }

  fileAt(path: string): Node {
    const node = this.find(path);
    if (node === undefined || !this.files.has(node)) throw systemError('ENOENT', path);
    return node;
  }

  read(path: string): Buffer {
    return this.contentOf(this.fileAt(path));
  }

  names(path: string): string[] {
    const node = this.find(path);
    return node === undefined ? [] : [...(this.folders.get(node)?.keys() ?? [])];
  }

  /** Lists every path with its content, so that two trees can be compared. */
  listing(path = this.root): string[] {
    return this.names(path)
      .sort()
      .flatMap((name) => {
        const child = join(path, name);
        const content = this.files.get(this.find(child) ?? -1);
        return content === undefined ? [`${child}/`, ...this.listing(child)] : [`${child} ${fingerprint(content)}`];
      });
  }
}
