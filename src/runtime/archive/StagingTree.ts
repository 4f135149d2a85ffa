/**
 * The tree that an extraction writes, below a directory that it makes. Directories are made one by one and
 * never reused when they were already there, and files are created exclusively, so that whatever collides
 * fails. Plain calls that throw `ArchiveError`.
 */
import { ArchiveError, fromThrown, StagingTampered } from "./ArchiveError.ts"
import type { FilePiece } from "./PackageListing.ts"
import type { StagingDisk } from "./StagingDisk.ts"

/** Subject to the umask, like everything npm unpacks. */
export const DIRECTORY_MODE = 0o755

export class StagingTree {
  private readonly disk: StagingDisk
  private readonly archive: string
  private readonly root: string
  private readonly made = new Set<string>()

  /** Makes `root`, which must not be there while its parent must. */
  constructor(disk: StagingDisk, archive: string, root: string, rootMode: number = DIRECTORY_MODE) {
    this.disk = disk
    this.archive = archive
    this.root = root
    this.makeDirectory(root, rootMode)
  }

  /** Writes the next piece. */
  write({ chunks, components, index, mode }: FilePiece): void {
    const path = `${this.parentOf(components)}/${components.at(-1)!}`
    this.attempt("write", path, () =>
      index === 0 ? this.disk.create(path, chunks, mode) : this.disk.append(path, chunks)
    )
  }

  /** The directory of a piece's file, made and looked at from the root down. */
  private parentOf(components: ReadonlyArray<string>): string {
    let path = this.root
    this.checkDirectory(path)
    for (const name of components.slice(0, -1)) {
      path = `${path}/${name}`
      if (!this.made.has(path)) this.makeDirectory(path, DIRECTORY_MODE)
      this.checkDirectory(path)
    }
    return path
  }

  private makeDirectory(path: string, mode: number): void {
    this.attempt("make", path, () => this.disk.makeDirectory(path, mode))
    this.made.add(path)
  }

  /** Node cannot open relative to a directory; looking right before writing leaves the narrowest gap there is. */
  private checkDirectory(path: string): void {
    const isThere = this.attempt("look at", path, () => this.disk.isDirectory(path))
    if (!isThere) throw new ArchiveError({ reason: new StagingTampered({ archive: this.archive, path }) })
  }

  private attempt<A>(operation: string, path: string, work: () => A): A {
    try {
      return work()
    } catch (cause) {
      throw fromThrown(this.archive, operation, path, cause)
    }
  }
}
