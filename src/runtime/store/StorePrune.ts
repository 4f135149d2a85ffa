/**
 * Makes room in the store: removes releases that nothing known needs, what lies unpacked of them, the places
 * from which programs import that, and what killed processes left. What this home has published stays in any case: it may be nowhere else.
 */
import * as Fs from "node:fs"
import * as NodePath from "node:path"
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Option from "effect/Option"
import * as Infohash from "../../protocol/core/Infohash.ts"
import { Keystore } from "../../protocol/core/Keystore.ts"
import * as PublicKey from "../../protocol/core/PublicKey.ts"
import { StorageFailed } from "../../protocol/swarm/Content.ts"
import { PackageStore } from "../../protocol/swarm/PackageStore.ts"
import { Home } from "./Home.ts"
import * as KnownProjects from "./KnownProjects.ts"
import * as ModulePlaces from "./ModulePlaces.ts"
import { isNotFound, problemOf } from "./PlatformProblem.ts"
import * as ReleaseDirectory from "./ReleaseDirectory.ts"
import type { Indexed } from "./StoreIndex.ts"
import * as UnpackedIndex from "./UnpackedIndex.ts"
import { UnpackedReleases } from "./UnpackedReleases.ts"

/** A download that was cut off is taken up again within that, or not at all. */
export const DOWNLOAD_KEPT = Duration.days(7)

/** What stays: `projects`, what their lock files name; `days`, what was of use within so many. */
export type Rule =
  | { readonly _tag: "Projects"; readonly projects: ReadonlyArray<KnownProjects.KnownProject> }
  | { readonly _tag: "Days"; readonly days: number }

export interface Plan {
  readonly releases: ReadonlyArray<Indexed>
  /** Content hashes. */
  readonly unpacked: ReadonlyArray<string>
  /** Infohashes, hex. */
  readonly downloads: ReadonlyArray<string>
  /** Names below `packages` of what earlier removals have left. */
  readonly leftovers: ReadonlyArray<string>
  /** Names below `modules` of what leads to unpacked files that go or are gone, and of what was left unfinished there. */
  readonly modules: ReadonlyArray<string>
  /** What comes free on the disk: files that a project shares do not. */
  readonly bytes: number
  /** Releases that stay. */
  readonly kept: number
}

/** Unpacking takes seconds: what is older and not finished was begun by a process that is gone. */
const UNPACKING_TAKES = Duration.hours(1)

/** What there is of an unpacked release by its name: the files, and what they are made in. */
const UNPACKED_FORMS = ["", ".new"] as const
const UNPACKED = /^([0-9a-f]{64})(?:\.new)?$/

const INFOHASH = /^[0-9a-f]{40}$/

/** Bytes that come free where all of it goes: those of files that have no name elsewhere. Links are not followed. */
const bytesIn = (locations: ReadonlyArray<string>): number => {
  /** By inode: bytes, and names that stay. */
  const files = new Map<string, { readonly size: number; left: number }>()
  const see = (location: string) => {
    const file = Fs.lstatSync(location, { throwIfNoEntry: false })
    if (file?.isFile() !== true) return
    const inode = `${file.dev} ${file.ino}`
    const known = files.get(inode) ?? { size: file.size, left: file.nlink }
    known.left--
    files.set(inode, known)
  }
  for (const location of locations) {
    if (Fs.lstatSync(location, { throwIfNoEntry: false })?.isDirectory() !== true) continue
    for (const name of Fs.readdirSync(location, { recursive: true, encoding: "utf8" })) {
      see(NodePath.join(location, name))
    }
  }
  return [...files.values()].reduce((sum, { left, size }) => (left === 0 ? sum + size : sum), 0)
}

/** Time of the last change to a directory or a file directly in it, in ms. */
const touchedAt = (directory: string): number =>
  Math.max(
    ...[".", ...Fs.readdirSync(directory)].map(
      (name) => Fs.statSync(NodePath.join(directory, name), { throwIfNoEntry: false })?.mtimeMs ?? 0
    )
  )

const names = Effect.fnUntraced(function* (directory: string) {
  const fs = yield* FileSystem.FileSystem
  return yield* fs.readDirectory(directory).pipe(
    Effect.catchIf(isNotFound, () => Effect.succeed<Array<string>>([])),
    Effect.mapError((error) => new StorageFailed({ location: directory, operation: "list", problem: problemOf(error) }))
  )
})

const looking = <A>(location: string, look: () => A): Effect.Effect<A, StorageFailed> =>
  Effect.try({
    try: look,
    catch: (cause) =>
      new StorageFailed({
        location,
        operation: "look at",
        problem: cause instanceof Error ? cause.message : String(cause)
      })
  })

/** Content hashes of what was being unpacked by processes that died on the way. */
const unfinished = Effect.fnUntraced(function* (root: string, now: number) {
  const hashes = (yield* names(root)).flatMap((name) => UNPACKED.exec(name)?.[1] ?? [])
  return yield* looking(root, () =>
    [...new Set(hashes)].filter((hash) => {
      if (UnpackedIndex.read(root, hash) !== undefined) return false
      const places = UNPACKED_FORMS.map((form) => UnpackedIndex.directoryOf(root, hash) + form)
      const latest = Math.max(...places.map((place) => Fs.statSync(place, { throwIfNoEntry: false })?.mtimeMs ?? 0))
      return now - latest > Duration.toMillis(UNPACKING_TAKES)
    })
  )
})

/** Publishers whose keys are in this home. */
const ownPublishers = Effect.gen(function* () {
  const entries = yield* (yield* Keystore).list
  return new Set(
    entries.flatMap(({ publicKey }) => Option.toArray(Option.map(Option.getSuccess(publicKey), PublicKey.toBase64)))
  )
})

const usedBy = (projects: ReadonlyArray<KnownProjects.KnownProject>): ReadonlySet<string> =>
  new Set(projects.flatMap(({ lock }) => KnownProjects.keysOf(lock)))

/** What would go. `releases` is all that is stored. Changes nothing. */
export const plan = Effect.fn("StorePrune.plan")(function* (releases: ReadonlyArray<Indexed>, rule: Rule) {
  const { directory, downloads, packages } = yield* Home
  const { list, root } = yield* UnpackedReleases
  const now = yield* Clock.currentTimeMillis
  const own = yield* ownPublishers
  const cutoff = rule._tag === "Days" ? now - Duration.toMillis(Duration.days(rule.days)) : Infinity
  const used = rule._tag === "Projects" ? usedBy(rule.projects) : new Set<string>()
  const stays = (each: Indexed) =>
    own.has(PublicKey.toBase64(each.publisher)) || used.has(each.key) || each.usedAt > cutoff
  const kept = releases.filter(stays)
  const going = releases.filter((each) => !stays(each))

  const needed = new Set(kept.flatMap(({ contentHash }) => contentHash ?? []))
  const isRecent = (contentHash: string) =>
    rule._tag === "Days" &&
    (Fs.statSync(UnpackedIndex.locationOf(root, contentHash), { throwIfNoEntry: false })?.mtimeMs ?? 0) > cutoff
  const lying = [...(yield* list).map(({ contentHash }) => contentHash), ...(yield* unfinished(root, now))]
  const goneContent = new Set(going.flatMap(({ contentHash }) => contentHash ?? []))
  const unpacked = yield* looking(root, () =>
    lying.filter((hash) => !needed.has(hash) && (goneContent.has(hash) || !isRecent(hash)))
  )

  const oldest = Math.min(now - Duration.toMillis(DOWNLOAD_KEPT), cutoff)
  const arriving = (yield* names(downloads)).filter((name) => INFOHASH.test(name))
  const stale = yield* looking(downloads, () =>
    arriving.filter((name) => touchedAt(NodePath.join(downloads, name)) < oldest)
  )
  const leftovers = (yield* names(packages)).filter(ReleaseDirectory.isGone)
  const places = NodePath.join(directory, ModulePlaces.DIRECTORY)
  const goes = new Set(unpacked)
  const stands = new Set(yield* names(root))
  const modules = yield* looking(places, () =>
    ModulePlaces.waste(places, (contentHash) => stands.has(contentHash) && !goes.has(contentHash), now)
  )
  const bytes = yield* looking(packages, () =>
    bytesIn([
      ...going.map(({ key }) => NodePath.join(packages, key)),
      ...leftovers.map((name) => NodePath.join(packages, name)),
      ...unpacked.flatMap((hash) => UNPACKED_FORMS.map((form) => UnpackedIndex.directoryOf(root, hash) + form)),
      ...modules.map((name) => NodePath.join(places, name)),
      ...stale.map((name) => NodePath.join(downloads, name))
    ])
  )
  return {
    releases: going,
    unpacked,
    downloads: stale,
    leftovers,
    modules,
    bytes,
    kept: kept.length
  } satisfies Plan as Plan
})

/** Removes what was planned; each thing wholly or not at all. What is gone by now is fine. */
export const carryOut = Effect.fn("StorePrune.carryOut")(function* (planned: Plan) {
  const { directory, downloads, packages } = yield* Home
  const fs = yield* FileSystem.FileSystem
  const store = yield* PackageStore
  const unpacked = yield* UnpackedReleases
  const remove = (location: string) =>
    fs
      .remove(location, { recursive: true, force: true })
      .pipe(Effect.mapError((error) => new StorageFailed({ location, operation: "remove", problem: problemOf(error) })))
  for (const name of planned.modules) yield* remove(NodePath.join(directory, ModulePlaces.DIRECTORY, name))
  for (const contentHash of planned.unpacked) yield* unpacked.remove(contentHash)
  for (const { key } of planned.releases) {
    const stored = yield* store.get(key)
    // Not while somebody fetches or repairs it.
    if (Option.isSome(stored)) {
      yield* Effect.scoped(Effect.andThen(store.reserve(stored.value.torrent.infohash), store.remove(stored.value)))
    }
  }
  for (const name of planned.downloads) {
    const infohash = Infohash.fromHex(name)
    if (Option.isNone(infohash)) continue
    yield* Effect.scoped(Effect.andThen(store.reserve(infohash.value), remove(NodePath.join(downloads, name))))
  }
  for (const name of planned.leftovers) yield* remove(NodePath.join(packages, name))
})
