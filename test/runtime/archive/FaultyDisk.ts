/** The disk of an extraction, failing at will: see `FaultyFileSystem`, which fails what is not done through this. */
import { node, type StagingDisk } from "../../../src/runtime/archive/StagingDisk.ts"

export interface Faults {
  /** How many changing operations succeed before the first fails. */
  readonly failAfterWrites: number
  readonly code: "ENOSPC" | "EIO"
  /** Called with each changing operation before it runs. */
  readonly onWrite?: (method: string, path: string) => void
}

/** A write that fails has written half of its bytes. */
export const make = ({ code, failAfterWrites, onWrite }: Faults, disk: StagingDisk = node): StagingDisk => {
  let writes = 0
  const guard = (method: string, path: string, work: () => void, torn: () => void): void => {
    const fails = writes++ >= failAfterWrites
    onWrite?.(method, path)
    if (!fails) return work()
    torn()
    throw Object.assign(new Error(`${code}: injected fault, ${method} '${path}'`), { code })
  }
  const half = (chunks: ReadonlyArray<Uint8Array>) => chunks.map((chunk) => chunk.subarray(0, chunk.length >> 1))
  return {
    isDirectory: disk.isDirectory,
    makeDirectory: (path, mode) =>
      guard(
        "makeDirectory",
        path,
        () => disk.makeDirectory(path, mode),
        () => {}
      ),
    create: (path, chunks, mode) =>
      guard(
        "create",
        path,
        () => disk.create(path, chunks, mode),
        () => disk.create(path, half(chunks), mode)
      ),
    append: (path, chunks) =>
      guard(
        "append",
        path,
        () => disk.append(path, chunks),
        () => disk.append(path, half(chunks))
      )
  }
}
