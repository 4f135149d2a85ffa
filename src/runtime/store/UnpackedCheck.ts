/**
 * Whether the files of an unpacked release are still those of its content hash: all of them are read and hashed,
 * and the directory's name is what they must come to. No manifest is needed for that.
 */
import * as Crypto from "node:crypto"
import * as Fs from "node:fs"
import * as Path from "node:path"
import * as Effect from "effect/Effect"
import * as Manifest from "../../protocol/registry/Manifest.ts"
import * as UnpackedIndex from "./UnpackedIndex.ts"

const EXECUTE_BITS = 0o111
/** Bytes read before others get their turn. */
const SLICE_BYTES = 4 * 1024 * 1024
const CHUNK_BYTES = 256 * 1024

/** What is not as it should be in one; `undefined` where all is. */
export interface Findings {
  /** For people. */
  readonly problem: string
  /** The file that the problem is about, where it is known. */
  readonly file: string | undefined
}

const hashOf = (location: string, chunk: Uint8Array): { readonly sha256: string; readonly size: number } => {
  const descriptor = Fs.openSync(location, Fs.constants.O_RDONLY | Fs.constants.O_NOFOLLOW)
  try {
    const hash = Crypto.createHash("sha256")
    let size = 0
    while (true) {
      const count = Fs.readSync(descriptor, chunk)
      if (count === 0) return { sha256: hash.digest("hex"), size }
      hash.update(chunk.subarray(0, count))
      size += count
    }
  } finally {
    Fs.closeSync(descriptor)
  }
}

/** Files and what is none, by paths with `/`. */
const walk = (directory: string): ReadonlyArray<readonly [path: string, info: Fs.Stats]> =>
  Fs.readdirSync(directory, { recursive: true, encoding: "utf8" })
    .map((name): readonly [string, Fs.Stats] => [
      name.split(Path.sep).join("/"),
      Fs.lstatSync(Path.join(directory, name))
    ])
    .filter(([, info]) => !info.isDirectory())

/** Reads everything. What was changed is told by the index where that knows it: it remembers sizes and times. */
export const check = Effect.fnUntraced(function* (root: string, contentHash: string) {
  const directory = UnpackedIndex.directoryOf(root, contentHash)
  const chunk = new Uint8Array(CHUNK_BYTES)
  const files: Record<string, Manifest.File> = {}
  const found = yield* attempt(() => walk(directory))
  if ("problem" in found) return found
  let sinceYield = 0
  for (const [path, info] of found.value) {
    if (!info.isFile()) return { problem: `${path} is no file`, file: path } satisfies Findings as Findings
    const read = yield* attempt(() => hashOf(Path.join(directory, path), chunk), path)
    if ("problem" in read) return read
    const mode = (info.mode & EXECUTE_BITS) === 0 ? "0644" : "0755"
    Object.defineProperty(files, path, { value: { ...read.value, mode }, enumerable: true })
    sinceYield += read.value.size
    if (sinceYield > SLICE_BYTES) {
      sinceYield = 0
      yield* Effect.yieldNow
    }
  }
  if (Manifest.contentHash(files) === contentHash) return undefined
  const index = UnpackedIndex.read(root, contentHash)
  const suspect =
    index === undefined ? { value: undefined } : yield* attempt(() => UnpackedIndex.changed(directory, index))
  const file = "problem" in suspect ? undefined : suspect.value
  return {
    problem: file === undefined ? "its files are not those that were unpacked" : `${file} was changed`,
    file
  } satisfies Findings as Findings
})

const attempt = <A>(look: () => A, file?: string): Effect.Effect<{ readonly value: A } | Findings> =>
  Effect.sync(() => {
    try {
      return { value: look() }
    } catch (cause) {
      return { problem: cause instanceof Error ? cause.message : String(cause), file }
    }
  })
