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

type Files = Manifest.Manifest["files"]

/** Files that differ in content or mode from those that were signed, in words, by their paths. */
const differences = (found: Files, signed: Files): ReadonlyArray<readonly [path: string, problem: string]> =>
  [...new Set([...Object.keys(signed), ...Object.keys(found)])].toSorted().flatMap((path) => {
    const [is, should] = [found, signed].map((files) => (Object.hasOwn(files, path) ? files[path] : undefined))
    if (is === undefined) return [[path, "is missing"]]
    if (should === undefined) return [[path, "does not belong there"]]
    if (is.sha256 !== should.sha256 || is.size !== should.size) return [[path, "was changed"]]
    return is.mode === should.mode ? [] : [[path, "has another mode"]]
  })

/**
 * What is known without the manifest: the index remembers sizes and times. A time alone says little, since a copy has
 * others, unless it is the only one.
 */
const suspects = (
  directory: string,
  { files }: UnpackedIndex.UnpackedIndex
): ReadonlyArray<readonly [string, string]> => {
  const changed = files.flatMap(([path, size, mtimeMs, mode]) => {
    const info = Fs.lstatSync(Path.join(directory, path), { throwIfNoEntry: false })
    if (info === undefined) return [{ path, problem: "is missing", isSure: true }]
    const isSure = info.size !== size || (info.mode & EXECUTE_BITS) !== (mode & EXECUTE_BITS)
    return isSure || info.mtimeMs !== mtimeMs ? [{ path, problem: "was changed", isSure }] : []
  })
  const sure = changed.filter(({ isSure }) => isSure)
  return (sure.length > 0 ? sure : changed.length === 1 ? changed : []).map(({ path, problem }) => [path, problem])
}

/** Files of a release that are named, of however many are not as they should be. */
const NAMED_MAX = 3

const inWords = (found: ReadonlyArray<readonly [path: string, problem: string]>): Findings => {
  if (found.length === 0) return { problem: "its files are not those that were unpacked", file: undefined }
  const named = found.slice(0, NAMED_MAX).map(([path, problem]) => `${path} ${problem}`)
  const left = found.length - named.length
  return { problem: [...named, ...(left === 0 ? [] : [`${left} more differ`])].join(", "), file: found[0]![0] }
}

/** Reads everything. `signed` are the files of the release's manifest, where that is known. */
export const check = Effect.fnUntraced(function* (root: string, contentHash: string, signed?: Files) {
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
  if (signed !== undefined) return inWords(differences(files, signed))
  const index = UnpackedIndex.read(root, contentHash)
  const suspected = yield* attempt(() => (index === undefined ? [] : suspects(directory, index)))
  return inWords("problem" in suspected ? [] : suspected.value)
})

const attempt = <A>(look: () => A, file?: string): Effect.Effect<{ readonly value: A } | Findings> =>
  Effect.sync(() => {
    try {
      return { value: look() }
    } catch (cause) {
      return { problem: cause instanceof Error ? cause.message : String(cause), file }
    }
  })
