/**
 * From a resolved release to verified bytes in the package store.
 *
 * Pieces are checked as they arrive; then manifest.json and the tarball against the hashes that the
 * publisher signed. Only then is the release committed. What fails a check is thrown away, and not
 * fetched again for a while.
 */
import * as Clock from "effect/Clock"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Hex from "effect/encoding/Hex"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import { ExitCode, explain } from "../core/Errors.ts"
import { Hasher } from "../core/Hasher.ts"
import * as PublicKey from "../core/PublicKey.ts"
import type { Choice } from "../registry/DependencyGraph.ts"
import * as Manifest from "../registry/Manifest.ts"
import { Equivocation, RegistryError } from "../registry/RegistryError.ts"
import { sameContent } from "../registry/Release.ts"
import { Blacklist, BLACKLIST_TTL_MS, Blacklisted } from "./Blacklist.ts"
import type { Content, StorageFailed } from "./Content.ts"
import { PackageStore, type StoredRelease } from "./PackageStore.ts"
import { type Progress, Swarm } from "./Swarm.ts"
import { NoPeers, SwarmError } from "./SwarmError.ts"
import * as Torrent from "./Torrent.ts"

/** How much of a tarball is hashed at a time, in bytes. */
const HASH_CHUNK_BYTES = 1024 * 1024

/** The tarball is not the one that the publisher signed. */
export class TamperedTarball extends Schema.TaggedError<TamperedTarball>()("TamperedTarball", {
  package: Schema.String,
  expected: Schema.String,
  actual: Schema.String
}) {
  readonly exitCode = ExitCode.untrusted
  readonly hint = "It was thrown away and nothing was installed. Tell the publisher, or choose another version."
  override get message() {
    return `The tarball of ${this.package} has SHA-256 ${this.actual}, but ${this.expected} was signed`
  }
}

export interface Options {
  /** Overall limit for the download. */
  readonly timeout: Duration.Input
  readonly onProgress?: ((progress: Progress) => Effect.Effect<void>) | undefined
  /** Whether to fetch what was refused a while ago, too. */
  readonly ignoreBlacklist?: boolean | undefined
}

/** What the publisher answers for: the same bytes would fail again, whoever sends them. */
const REFUSALS: ReadonlySet<string | undefined> = new Set(["TamperedTarball", "InvalidManifest", "InvalidTorrent"])

const isRefusal = (error: unknown): boolean => REFUSALS.has(explain(error)?._tag)

export interface Fetched extends StoredRelease {
  readonly manifest: Manifest.Manifest
}

const readManifest = Effect.fnUntraced(function* (content: Content, { publisher, release, torrent }: StoredRelease) {
  const refuse = (problem: string) => new Manifest.InvalidManifest({ package: `${release.n}@${release.v}`, problem })
  if (torrent.manifest.length !== release.s[0] || torrent.tarball.length !== release.s[1]) {
    return yield* refuse("the torrent's files have other lengths than those signed by the publisher")
  }
  const bytes = yield* content.read(torrent.manifest.offset, torrent.manifest.length)
  return yield* Manifest.verify(bytes, release, publisher)
})

const verifyTarball = Effect.fnUntraced(function* (content: Content, { release, torrent }: StoredRelease) {
  const hasher = yield* Hasher
  const hash = hasher.start("sha256")
  const { length, offset } = torrent.tarball
  for (let at = 0; at < length; at += HASH_CHUNK_BYTES) {
    hash.update(yield* content.read(offset + at, Math.min(HASH_CHUNK_BYTES, length - at)))
  }
  const actual = Hex.encode(hash.digest())
  const expected = Hex.encode(release.h)
  if (actual !== expected) {
    return yield* new TamperedTarball({ package: `${release.n}@${release.v}`, expected, actual })
  }
})

/** Checks manifest and tarball of stored or staged content against what the publisher signed. */
export const verifyContent = Effect.fnUntraced(function* (content: Content, stored: StoredRelease) {
  const manifest = yield* readManifest(content, stored)
  yield* verifyTarball(content, stored)
  return manifest
})

const failIfBlacklisted = Effect.fnUntraced(function* ({ publisher, release }: Choice) {
  const blacklist = yield* Blacklist
  // Without the list a bad release is only downloaded once more.
  const entry = Option.getOrUndefined(
    yield* blacklist.find(release.ih, publisher).pipe(Effect.orElseSucceed(() => Option.none()))
  )
  if (entry === undefined) return
  const { reason, until } = entry
  return yield* new Blacklisted({ package: `${release.n}@${release.v}`, reason, until })
})

/** Blacklists a release whose content its publisher signed wrongly. */
const blacklistRefused = Effect.fnUntraced(function* ({ publisher, release }: Choice, error: unknown) {
  const explained = explain(error)
  if (explained === undefined || !isRefusal(error)) return
  const blacklist = yield* Blacklist
  const until = (yield* Clock.currentTimeMillis) + BLACKLIST_TTL_MS
  yield* Effect.ignore(blacklist.add({ infohash: release.ih, publisher, reason: explained.message, until }))
})

/** People know packages, not infohashes. */
const named = (error: SwarmError, label: string): SwarmError =>
  error.reason._tag === "NoPeers" ? new SwarmError({ reason: new NoPeers({ ...error.reason, package: label }) }) : error

/**
 * The stored release, downloaded if need be. Where another release of that version by the same
 * publisher is stored already, neither is to be trusted: `Equivocation`, and the first one stays.
 * What was refused within the last {@link BLACKLIST_TTL_MS} is refused at once: `Blacklisted`.
 */
export const fetchRelease = Effect.fn("FetchRelease.fetchRelease")(function* (choice: Choice, options: Options) {
  const { publisher, release } = choice
  const store = yield* PackageStore
  const swarm = yield* Swarm
  yield* store.reserve(release.ih)

  const verified = Effect.fnUntraced(function* (
    stored: StoredRelease,
    open: Effect.Effect<Content, StorageFailed, Scope.Scope>
  ) {
    const manifest = yield* Effect.scoped(Effect.flatMap(open, (content) => verifyContent(content, stored)))
    return { ...stored, manifest } satisfies Fetched
  })

  const known = Option.getOrUndefined(yield* store.find(publisher, release.n, release.v))
  if (known !== undefined) {
    if (!sameContent(known.release, release)) {
      const names = { package: release.n, version: release.v, publisher: PublicKey.toBase64(publisher) }
      return yield* new RegistryError({ reason: new Equivocation(names) })
    }
    const intact = yield* Effect.option(verified(known, store.open(known)))
    if (Option.isSome(intact)) return intact.value
  }

  if (options.ignoreBlacklist !== true) yield* failIfBlacklisted(choice)
  const result = yield* Effect.gen(function* () {
    const torrent = yield* swarm
      .download({
        infohash: release.ih,
        torrent: yield* Torrent.fromRelease(release),
        hints: release.x,
        open: store.stage,
        timeout: options.timeout,
        onProgress: options.onProgress
      })
      .pipe(Effect.mapError((error) => named(error, `${release.n}@${release.v}`)))
    return yield* verified({ publisher, release, torrent }, store.stage(torrent)).pipe(
      // What only could not be read is of use to the next try.
      Effect.tapError((error) => (isRefusal(error) ? Effect.ignore(store.discard(torrent)) : Effect.void))
    )
  }).pipe(Effect.tapError((error) => blacklistRefused(choice, error)))
  yield* store.commit(result)
  if (options.ignoreBlacklist === true) {
    yield* Effect.ignore((yield* Blacklist).remove(release.ih, publisher))
  }
  return result
}, Effect.scoped)
