/**
 * A directory to unpack hostile archives in. Takes snapshots of everything in it, so that a test can
 * say that nothing but the destination changed, and tells whether what came out is what was listed.
 */
import { assert } from "@effect/vitest"
import * as NodeFileSystem from "@effect/platform-node/NodeFileSystem"
import * as NodePath from "@effect/platform-node/NodePath"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Result from "effect/Result"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import * as Crypto from "node:crypto"
import * as Fs from "node:fs"
import * as Os from "node:os"
import * as Path from "node:path"
import { explain } from "../../../src/protocol/core/Errors.ts"
import { ArchiveError } from "../../../src/runtime/archive/ArchiveError.ts"
import * as ArchiveLimits from "../../../src/runtime/archive/ArchiveLimits.ts"
import type { ArchiveSource, Listing } from "../../../src/runtime/archive/Extract.ts"
import { readWhole } from "../../../src/runtime/archive/ReadWhole.ts"

export const layer = Layer.mergeAll(NodeFileSystem.layer, NodePath.layer)

export interface Sandbox {
  readonly root: string
  /** A directory that no archive may touch. */
  readonly outside: string
  /** Does not exist yet; its parent does. */
  readonly destination: string
}

/** A sandbox that is removed at the end of the test. */
export const make: Effect.Effect<Sandbox, never, Scope.Scope> = Effect.acquireRelease(
  Effect.sync(() => {
    const root = Fs.mkdtempSync(Path.join(Os.tmpdir(), "archive-"))
    const outside = Path.join(root, "outside")
    Fs.mkdirSync(outside)
    Fs.mkdirSync(Path.join(root, "store"))
    Fs.writeFileSync(Path.join(outside, "victim"), "untouched")
    return { root, outside, destination: Path.join(root, "store", "destination") }
  }),
  ({ root }) => Effect.sync(() => Fs.rmSync(root, { recursive: true, force: true }))
)

/** Every path below `root` with its type, mode and content. */
export const snapshot = (root: string): ReadonlyMap<string, string> => {
  const found = new Map<string, string>()
  for (const name of Fs.readdirSync(root, { recursive: true, encoding: "utf8" }).toSorted()) {
    const path = Path.join(root, name)
    const info = Fs.lstatSync(path)
    const mode = (info.mode & 0o7777).toString(8)
    found.set(
      name,
      info.isSymbolicLink()
        ? `link ${Fs.readlinkSync(path)}`
        : info.isDirectory()
          ? `directory ${mode}`
          : `${info.isFile() ? "file" : "special"} ${mode} ${sha256(Fs.readFileSync(path)).toString("hex")}`
    )
  }
  return found
}

export const sha256 = (bytes: Uint8Array): Buffer => Crypto.createHash("sha256").update(bytes).digest()

/** A source of these bytes, in chunks of the given size. */
export const source = (bytes: Uint8Array, chunkBytes = 64 * 1024): ArchiveSource => ({
  name: "hostile.tgz",
  stream: Stream.fromIterable(
    Array.from({ length: Math.ceil(bytes.length / chunkBytes) }, (_, i) =>
      bytes.subarray(i * chunkBytes, (i + 1) * chunkBytes)
    )
  )
})

/** What is read at once is what is read as it arrives: the same files, or the same refusal. */
export const assertSameWhole = (
  bytes: Uint8Array,
  limits: Partial<ArchiveLimits.ArchiveLimits> | undefined,
  streamed: Result.Result<Listing, ArchiveError>
): void => {
  const whole = readWhole("hostile.tgz", bytes, ArchiveLimits.withDefaults(limits))
  if (Result.isFailure(whole)) {
    assert.isTrue(Result.isFailure(streamed), whole.failure.message)
    assert.strictEqual(whole.failure._tag, Result.isFailure(streamed) ? streamed.failure.reason._tag : "")
    return
  }
  if (whole.success === undefined) return
  const { listing, pieces } = whole.success
  assert.deepStrictEqual(listing, Result.getOrThrow(streamed))
  for (const { chunks, components } of pieces) {
    const listed = listing.files.find(({ path }) => path === components.join("/"))
    assert.deepStrictEqual(new Uint8Array(sha256(Buffer.concat(chunks))), listed?.sha256)
  }
  assert.lengthOf(pieces, listing.files.length)
}

/** The error is typed, and safe to print whatever names the archive holds. */
export const assertExplained = (error: unknown): ArchiveError => {
  assert.instanceOf(error, ArchiveError)
  const reason = explain(error)
  assert.isDefined(reason)
  assert.notMatch(reason!.message, /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/u)
  assert.isAbove(reason!.hint.length, 0)
  assert.include([4, 6], reason!.exitCode)
  return error as ArchiveError
}

/** The directory holds what was listed and nothing else: same bytes, right modes, no links. */
export const assertUnpacked = (directory: string, listing: Listing): void => {
  const expected = new Map(
    listing.files.map(({ path, mode, sha256 }) => [
      path,
      `file ${mode.toString(8)} ${Buffer.from(sha256).toString("hex")}`
    ])
  )
  const files = [...snapshot(directory)].filter(([, what]) => !what.startsWith("directory"))
  assert.deepStrictEqual(new Map(files), new Map([...expected].toSorted(([a], [b]) => (a < b ? -1 : 1))))
  assert.isAbove(listing.packageJson.length, 0)
}
