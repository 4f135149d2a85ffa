/**
 * Reads all that is stored and compares it with what was signed: torrents, manifests, tarballs, and the files that
 * lie unpacked for projects. Where it is wanted, what is damaged is repaired on the way: releases from the swarm,
 * unpacked files from their tarballs.
 */
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Option from "effect/Option"
import * as Path from "effect/Path"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import { explain } from "../../protocol/core/Errors.ts"
import { PackageName } from "../../protocol/core/PackageName.ts"
import * as PublicKey from "../../protocol/core/PublicKey.ts"
import { Version } from "../../protocol/core/Version.ts"
import type { Manifest } from "../../protocol/registry/Manifest.ts"
import * as ContentInspection from "../../protocol/swarm/ContentInspection.ts"
import { keyOf, PackageStore, type StoredRelease } from "../../protocol/swarm/PackageStore.ts"
import type { Outcome } from "../../protocol/swarm/RepairRelease.ts"
import { MANIFEST_FILE } from "../../protocol/swarm/Torrent.ts"
import { Home } from "./Home.ts"
import * as UnpackedCheck from "./UnpackedCheck.ts"
import { UnpackedReleases } from "./UnpackedReleases.ts"

/** Something that is not as it was signed. */
export interface Damage {
  /** `release`: manifest and tarball. `files`: what lies unpacked of it. `directory`: nothing that can be read as a release. */
  readonly kind: "release" | "files" | "directory"
  /** `name@version`, where it is known. */
  readonly package: string | undefined
  /** Base64. */
  readonly publisher: string | undefined
  /** Name of the directory below `packages` or `files`. */
  readonly directory: string
  readonly problem: string
  /** Damaged pieces of the torrent. */
  readonly pieces: ReadonlyArray<number>
  readonly repaired: boolean
  /** Why it could not be repaired, where that was tried. */
  readonly unrepaired: string | undefined
}

export interface Report {
  readonly releases: number
  readonly unpacked: number
  readonly bytes: number
  readonly damages: ReadonlyArray<Damage>
}

export interface Options<R> {
  /** Makes a damaged release whole; left out, nothing is changed. Fails with why it could not. */
  readonly repair?: ((stored: StoredRelease) => Effect.Effect<Outcome, { readonly message: string }, R>) | undefined
  /** Has a release again whose directory says no more than whose it is. */
  readonly recover?: ((identity: Identity) => Effect.Effect<unknown, { readonly message: string }, R>) | undefined
  /** Told of each thing that was looked at. */
  readonly onProgress?: ((done: number, of: number) => Effect.Effect<void>) | undefined
}

export interface Identity {
  readonly publisher: PublicKey.PublicKey
  readonly name: PackageName
  readonly version: Version
}

const decodeIdentity = Schema.decodeUnknownOption(
  Schema.fromJsonString(Schema.Struct({ name: PackageName, version: Version, publisher: PublicKey.Base64Text }))
)

/** What manifest.json says, where that is what the directory is called by. */
const identify = Effect.fnUntraced(function* (packages: string, key: string) {
  const fs = yield* FileSystem.FileSystem
  const path = yield* Path.Path
  const text = yield* Effect.option(fs.readFileString(path.join(packages, key, MANIFEST_FILE)))
  const said = Option.getOrUndefined(Option.flatMap(text, decodeIdentity))
  const publisher = said === undefined ? undefined : Option.getOrUndefined(PublicKey.parse(said.publisher))
  if (said === undefined || publisher === undefined) return undefined
  const identity: Identity = { publisher, name: said.name, version: said.version }
  return keyOf(publisher, said.name, said.version) === key ? identity : undefined
})

/** Releases read at a time: a disk has no more to give. */
const CONCURRENCY = 2

const labelOf = ({ release }: StoredRelease): string => `${release.n}@${release.v}`

const reasonOf = (error: { readonly message: string }): string => explain(error)?.message ?? error.message

/** Fails only where the store cannot be listed. */
export const run = Effect.fn("StoreCheck.run")(function* <R = never>(options: Options<R> = {}) {
  const store = yield* PackageStore
  const unpacked = yield* UnpackedReleases
  const { packages } = yield* Home
  const keys = yield* store.keys
  const lying = new Set((yield* unpacked.list).map(({ contentHash }) => contentHash))
  const of = keys.length + lying.size
  const damages: Array<Damage> = []
  let done = 0
  let bytes = 0
  const step = Effect.suspend(() => options.onProgress?.(++done, of) ?? Effect.void)

  const inspect = (stored: StoredRelease) =>
    Effect.scoped(Effect.flatMap(store.open(stored), (content) => ContentInspection.inspect(content, stored)))

  /** Also damaged where it cannot even be opened. */
  const inspected = (stored: StoredRelease) =>
    inspect(stored).pipe(
      Effect.catch(({ message }) =>
        Effect.succeed<ContentInspection.Inspection>({ damagedPieces: [], problem: message, manifest: undefined })
      )
    )

  const checkFiles = Effect.fnUntraced(function* (
    contentHash: string,
    fetched: (StoredRelease & { readonly manifest: Manifest }) | undefined
  ) {
    lying.delete(contentHash)
    const found = yield* UnpackedCheck.check(unpacked.root, contentHash, fetched?.manifest.files)
    yield* step
    if (found === undefined) return
    const damage = {
      kind: "files" as const,
      package: fetched === undefined ? undefined : labelOf(fetched),
      publisher: fetched === undefined ? undefined : PublicKey.toBase64(fetched.publisher),
      directory: contentHash,
      problem: found.problem,
      pieces: []
    }
    if (options.repair === undefined) {
      damages.push({ ...damage, repaired: false, unrepaired: undefined })
      return
    }
    // What is not there is unpacked by whoever needs it next.
    const again = Effect.andThen(
      unpacked.remove(contentHash),
      fetched === undefined ? Effect.void : unpacked.ensure(fetched)
    )
    const outcome = yield* Effect.result(again)
    const unrepaired = Result.isFailure(outcome) ? reasonOf(outcome.failure) : undefined
    damages.push({ ...damage, repaired: unrepaired === undefined, unrepaired })
  })

  /** Whose it was can still be known; then it can be had again. */
  const tellIllegible = Effect.fnUntraced(function* (key: string) {
    const identity = yield* identify(packages, key)
    const outcome =
      options.recover === undefined || identity === undefined
        ? undefined
        : yield* Effect.result(options.recover(identity))
    damages.push({
      kind: "directory",
      package: identity === undefined ? undefined : `${identity.name}@${identity.version}`,
      publisher: identity === undefined ? undefined : PublicKey.toBase64(identity.publisher),
      directory: key,
      problem: "it cannot be read as a release",
      pieces: [],
      repaired: outcome !== undefined && Result.isSuccess(outcome),
      unrepaired: outcome !== undefined && Result.isFailure(outcome) ? reasonOf(outcome.failure) : undefined
    })
  })

  const checkRelease = Effect.fnUntraced(function* (key: string) {
    const stored = Option.getOrUndefined(yield* store.get(key))
    if (stored === undefined) {
      yield* step
      return yield* tellIllegible(key)
    }
    bytes += stored.torrent.totalLength
    const inspection = yield* inspected(stored)
    yield* step
    let { manifest } = inspection
    if (inspection.problem !== undefined) {
      const outcome = options.repair === undefined ? undefined : yield* Effect.result(options.repair(stored))
      if (outcome !== undefined && Result.isSuccess(outcome)) manifest ??= (yield* inspected(stored)).manifest
      damages.push({
        kind: "release",
        package: labelOf(stored),
        publisher: PublicKey.toBase64(stored.publisher),
        directory: key,
        problem: inspection.problem,
        pieces: inspection.damagedPieces,
        repaired: outcome !== undefined && Result.isSuccess(outcome),
        unrepaired: outcome !== undefined && Result.isFailure(outcome) ? reasonOf(outcome.failure) : undefined
      })
    }
    if (manifest === undefined || !lying.has(manifest.contentHash)) return
    yield* checkFiles(manifest.contentHash, { ...stored, manifest })
  })

  const unpackedCount = lying.size
  yield* Effect.forEach(keys, checkRelease, { concurrency: CONCURRENCY, discard: true })
  // What is left belongs to no release that is stored.
  for (const contentHash of lying) yield* checkFiles(contentHash, undefined)
  return { releases: keys.length, unpacked: unpackedCount, bytes, damages } satisfies Report as Report
})
