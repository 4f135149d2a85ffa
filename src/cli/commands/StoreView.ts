/** `ls-cli store path` and `ls-cli store stats`: what is stored, and where. Neither asks the network, nor changes anything. */
import * as NodePath from "node:path"
import * as Fs from "node:fs"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import { ExitCode } from "../../protocol/core/Errors.ts"
import * as PackageSpec from "../../protocol/core/PackageSpec.ts"
import * as PublicKey from "../../protocol/core/PublicKey.ts"
import * as Version from "../../protocol/core/Version.ts"
import { TrustBook } from "../../protocol/trust/TrustBook.ts"
import { Home } from "../../runtime/store/Home.ts"
import * as ModulePlaces from "../../runtime/store/ModulePlaces.ts"
import type { Indexed } from "../../runtime/store/StoreIndex.ts"
import { UnpackedReleases } from "../../runtime/store/UnpackedReleases.ts"
import { Output } from "../Output.ts"
import { size } from "../Progress.ts"
import { InvalidArgument } from "../Settings.ts"
import * as Select from "./Select.ts"
import { provideStores, withIndex } from "./StoreIndexed.ts"

/** Nothing in the store answers a spec. */
export class NotStored extends Schema.TaggedError<NotStored>()("NotStored", { spec: Schema.String }) {
  readonly exitCode = ExitCode.notFound
  get hint() {
    return `Fetch it with: ls-cli install ${this.spec}; what is there shows: ls-cli store stats`
  }
  override get message() {
    return `The store has no release of ${this.spec}`
  }
}

export const counted = (count: number, noun: string): string => `${count} ${noun}${count === 1 ? "" : "s"}`

/** Of several publishers the one that is pinned; else the user has to say. */
const publisherOf = Effect.fnUntraced(function* (spec: PackageSpec.PackageSpec, found: ReadonlyArray<Indexed>) {
  const [first, ...others] = new Set(found.map(({ publisher }) => PublicKey.toBase64(publisher)))
  if (others.length === 0) return first
  const { pins } = yield* (yield* TrustBook).read
  const pin = pins.get(spec.name)
  if (pin !== undefined) return PublicKey.toBase64(pin.publisher)
  return yield* new InvalidArgument({
    argument: spec.name,
    problem: `is stored of ${others.length + 1} publishers, and none of them is pinned`,
    hint: `Say which one with --publisher: ${[first, ...others].join(", ")}`
  })
})

const releaseOf = Effect.fnUntraced(function* (text: string, publisher: Option.Option<string>) {
  const spec = yield* Select.specOf(text)
  const { publisher: given } = yield* Select.chooserOf({ publisher, policy: "firstSeen" })
  return yield* withIndex(({ index }) =>
    Effect.gen(function* () {
      const found = yield* index.of(spec.name)
      const wanted = Option.isSome(given) ? PublicKey.toBase64(given.value) : yield* publisherOf(spec, found)
      const mine = found.filter((each) => PublicKey.toBase64(each.publisher) === wanted)
      const version = Version.pick(
        mine.map((each) => each.version),
        spec.range
      )
      const release = mine.find((each) => Option.isSome(version) && each.version === version.value)
      return release === undefined
        ? yield* new NotStored({ spec: spec.range === "latest" ? spec.name : PackageSpec.format(spec) })
        : release
    })
  )
})

/** Prints one line, for `cd $(…)`. */
export const path = (spec: Option.Option<string>, publisher: Option.Option<string>) =>
  provideStores(
    Effect.gen(function* () {
      const output = yield* Output
      const home = yield* Home
      if (Option.isNone(spec)) {
        const { directory, files, packages, store } = home
        return yield* output.result({ home: directory, packages, files, index: store }, [directory])
      }
      const release = yield* releaseOf(spec.value, publisher)
      const { directoryOf, find } = yield* UnpackedReleases
      const { contentHash } = release
      const unpacked = contentHash === undefined ? Option.none() : yield* find(contentHash)
      const directory = NodePath.join(home.packages, release.key)
      const document = {
        name: release.name,
        version: release.version,
        publisher: PublicKey.toBase64(release.publisher),
        path: directory,
        files: Option.isSome(unpacked) && contentHash !== undefined ? directoryOf(contentHash) : null
      }
      yield* output.result(document, [directory])
    })
  )

/** Bytes of the files directly in the directories below. */
const sizeOfDownloads = (downloads: string) => {
  let count = 0
  let bytes = 0
  for (const entry of Fs.existsSync(downloads) ? Fs.readdirSync(downloads, { withFileTypes: true }) : []) {
    if (!entry.isDirectory()) continue
    count++
    const directory = NodePath.join(downloads, entry.name)
    for (const name of Fs.readdirSync(directory)) {
      // Sparse where it has not arrived yet: what counts is what is on the disk.
      bytes += (Fs.statSync(NodePath.join(directory, name), { throwIfNoEntry: false })?.blocks ?? 0) * 512
    }
  }
  return { count, bytes }
}

const sum = (numbers: ReadonlyArray<number>): number => numbers.reduce((total, each) => total + each, 0)

/** Names of which several versions, or publishers, are stored. */
const sideBySide = (all: ReadonlyArray<Indexed>) => {
  const byName = new Map<string, Array<Indexed>>()
  for (const each of all) byName.set(each.name, [...(byName.get(each.name) ?? []), each])
  return [...byName]
    .filter(([, several]) => several.length > 1)
    .map(([name, several]) => ({
      name,
      versions: several.map(({ version }) => version).toSorted((self, that) => Version.compare(self, that)),
      publishers: new Set(several.map(({ publisher }) => PublicKey.toBase64(publisher))).size,
      bytes: sum(several.map(({ bytes }) => bytes))
    }))
    .toSorted((self, that) => that.versions.length - self.versions.length || (self.name < that.name ? -1 : 1))
}

/** Names that are listed for people; `--json` has all. */
const LISTED_MAX = 20

export const stats = provideStores(
  Effect.gen(function* () {
    const output = yield* Output
    const { directory, downloads } = yield* Home
    const { all, refreshed } = yield* withIndex(({ index, refreshed }) =>
      Effect.map(index.all, (all) => ({ all, refreshed }))
    )
    const unpacked = yield* (yield* UnpackedReleases).list
    const places = yield* Effect.sync(() => ModulePlaces.count(NodePath.join(directory, ModulePlaces.DIRECTORY)))
    const arriving = yield* Effect.sync(() => sizeOfDownloads(downloads))
    const several = sideBySide(all)
    const document = {
      home: directory,
      releases: all.length,
      names: new Set(all.map(({ name }) => name)).size,
      publishers: new Set(all.map(({ publisher }) => PublicKey.toBase64(publisher))).size,
      bytes: sum(all.map(({ bytes }) => bytes)),
      unpacked: {
        count: unpacked.length,
        files: sum(unpacked.map(({ index }) => index.files.length)),
        bytes: sum(unpacked.flatMap(({ index }) => index.files.map(([, bytes]) => bytes)))
      },
      places,
      downloads: arriving,
      illegible: refreshed.illegible.length,
      sideBySide: several
    }
    yield* output.result(document, [
      directory,
      `  releases  ${counted(document.releases, "release")} of ${counted(document.names, "name")} by ${counted(document.publishers, "publisher")}, ${size(document.bytes)}`,
      `  unpacked  ${document.unpacked.count}, ${counted(document.unpacked.files, "file")}, ${size(document.unpacked.bytes)}`,
      ...(places === 0 ? [] : [`  imported  from ${counted(places, "place")}`]),
      `  arriving  ${arriving.count}, ${size(arriving.bytes)}`,
      ...(document.illegible === 0
        ? []
        : [`  damaged   ${counted(document.illegible, "directory")}, which ls-cli store verify can tell more about`]),
      ...(several.length === 0 ? [] : ["  several versions of one name:"]),
      ...several.slice(0, LISTED_MAX).map(({ name, versions }) => `    ${name}  ${versions.join(", ")}`),
      ...(several.length > LISTED_MAX ? [`    and ${several.length - LISTED_MAX} more`] : [])
    ])
  })
)
