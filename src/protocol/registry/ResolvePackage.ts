/**
 * From a publisher's package to one verified release: which version, where its release is, whether the
 * publisher said one thing only about it, and what the user should know of it.
 *
 * The newest release is inlined in the package's record and costs no further look-up; any other costs
 * one, and a list of versions that outgrew the record one more for each level of its tree.
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Result from "effect/Result"
import type { PackageName } from "../core/PackageName.ts"
import * as PublicKey from "../core/PublicKey.ts"
import * as Version from "../core/Version.ts"
import { Dht } from "../dht/Dht.ts"
import type * as Evidence from "./Evidence.ts"
import * as Freshness from "./Freshness.ts"
import type { Asked, Inquiry } from "./Inquiry.ts"
import * as Package from "./Package.ts"
import * as PackageLookup from "./PackageLookup.ts"
import { NotHeld, PackageNotFound, RegistryError, VersionNotFound } from "./RegistryError.ts"
import * as Release from "./Release.ts"
import * as ReleaseLookup from "./ReleaseLookup.ts"
import * as VersionList from "./VersionList.ts"

/** Versions that an error tells one by one. */
const AVAILABLE_MAX = 50

/** What is asked of a publisher. */
export interface Wish {
  readonly name: PackageName
  readonly range: Version.Wanted
  /** Whether the range is one version, and no other will do. */
  readonly isExact: boolean
  readonly freshness: Freshness.Freshness
}

/** A publisher that was settled on, and what was asked of it. */
export interface Found {
  readonly looked: PackageLookup.Looked
  /** The release record, where it was asked for at the same time. */
  readonly release: ReleaseLookup.Looked | undefined
  /** Other publishers (base64), to name where this one has no such package. */
  readonly others: ReadonlyArray<string>
  readonly publishers: Evidence.Considered<Evidence.PublisherVerdict>
}

/** What was chosen of a publisher's package. */
export interface Chosen {
  readonly release: Release.Release
  /** {@link Package.Flag}s of the version. */
  readonly flags: number
  readonly versions: Evidence.Considered<Evidence.VersionVerdict>
}

const fail = (reason: RegistryError["reason"]) => Effect.fail(new RegistryError({ reason }))

/** What the publisher lists, or may list where the list is not held whole, is there even if it is not held here. */
const noVersion = (
  wish: Wish,
  publisher: PublicKey.PublicKey,
  list: VersionList.VersionList,
  version?: Version.Version
): Effect.Effect<never, RegistryError, Dht> =>
  Effect.flatMap(Dht, ({ isOffline = false }) => {
    const isListed = version !== undefined && VersionList.flagsOf(list, version) !== undefined
    if (!isOffline || (!isListed && list.unread === 0)) return noneFits(wish, publisher, list)
    const missing = isListed
      ? `The release record of ${wish.name}@${version}`
      : `The list of all versions of "${wish.name}"`
    return fail(new NotHeld({ package: wish.name, missing }))
  })

const noneFits = (
  { name, range }: Wish,
  publisher: PublicKey.PublicKey,
  list: VersionList.VersionList
): Effect.Effect<never, RegistryError> =>
  fail(
    new VersionNotFound({
      package: name,
      range,
      publisher: PublicKey.toBase64(publisher),
      available: VersionList.selectable(list).slice(0, AVAILABLE_MAX),
      unlisted: list.unread
    })
  )

const treeLook = (looked: PackageLookup.Looked, found: boolean): Asked => ({
  kind: "versions",
  keyString: looked.asked.keyString,
  publicKey: looked.publisher,
  seq: undefined,
  found,
  responders: [],
  source: found ? "network" : "none"
})

/** The list that settles the choice: the record's own, or all that can be read of the tree. */
const listFor = (inquiry: Inquiry, wish: Wish, looked: PackageLookup.Looked, pkg: Package.Package) => {
  const list = VersionList.inRecord(pkg)
  const chosen = VersionList.choose(list, wish.range, wish.isExact)
  const isSettled =
    VersionList.isSettled(list, wish.range, chosen) ||
    (chosen === undefined && Option.isSome(Version.exactOf(wish.range)))
  return isSettled ? Effect.succeed({ list, chosen }) : wholeList(inquiry, wish, looked, pkg)
}

const wholeList = Effect.fnUntraced(function* (
  inquiry: Inquiry,
  { isExact, range }: Wish,
  looked: PackageLookup.Looked,
  pkg: Package.Package
) {
  const list = yield* VersionList.whole(pkg)
  inquiry.step(list.depth, [treeLook(looked, list.unread === 0)])
  if (list.unread > 0) {
    inquiry.warn(
      "listIncomplete",
      `${list.unread} versions of ${pkg.n} could not be read; a better one may be among them.`
    )
  }
  return { list, chosen: VersionList.choose(list, range, isExact) }
})

/** A release with a record of its own, and the flags of its version. `asked` is what round 1 brought already. */
const separate = Effect.fnUntraced(function* (
  inquiry: Inquiry,
  looked: PackageLookup.Looked,
  pkg: Package.Package,
  version: Version.Version,
  listed: number | undefined,
  asked: ReleaseLookup.Looked | undefined
) {
  const { name, publisher } = looked
  const askRelease = asked === undefined ? ReleaseLookup.look({ publisher, name, version }) : Effect.succeed(asked)
  const isInTree = listed === undefined && Package.isTooOld(pkg, version)
  const [release, tree] = yield* Effect.all(
    [askRelease, isInTree ? VersionList.flagsInTree(pkg, version) : Effect.undefined],
    { concurrency: "unbounded" }
  )
  inquiry.step(Math.max(asked === undefined ? 1 : 0, tree?.depth ?? 0), [
    asked === undefined ? release.asked : undefined,
    tree === undefined ? undefined : treeLook(looked, Result.isSuccess(tree.flags) && Option.isSome(tree.flags.success))
  ])
  const found = yield* ReleaseLookup.settle(release, PackageLookup.statementsOf(looked, version))
  if (tree !== undefined && Result.isFailure(tree.flags)) {
    inquiry.warn("flagsUnknown", `Whether ${name}@${version} was yanked could not be read.`)
  }
  const inTree = tree === undefined ? undefined : Option.getOrUndefined(Option.flatten(Result.getSuccess(tree.flags)))
  const flags = listed ?? inTree
  if (flags === undefined && Option.isSome(found) && (tree === undefined || Result.isSuccess(tree.flags))) {
    inquiry.warn("unlisted", `${name}@${version} is not among the versions that its publisher lists.`)
  }
  return Option.map(found, ({ value }) => ({ release: value, flags: flags ?? 0 }))
})

const inlined = Effect.fnUntraced(function* (
  looked: PackageLookup.Looked,
  pkg: Package.Package,
  asked: ReleaseLookup.Looked | undefined
) {
  const { name, publisher } = looked
  const subject = { publisher, name, version: pkg.l.v }
  const own = PackageLookup.statementsOf(looked, pkg.l.v)
  if (asked === undefined) {
    yield* ReleaseLookup.requireOne(subject, [...(yield* ReleaseLookup.recall(subject)), ...own])
  } else {
    yield* ReleaseLookup.settle(asked, own)
  }
  return Release.withName(name, pkg.l)
})

const warnOfFlags = (inquiry: Inquiry, { flags, release }: Pick<Chosen, "flags" | "release">): void => {
  const version = `${release.n}@${release.v}`
  if ((flags & Package.Flag.yanked) !== 0) inquiry.warn("yanked", `${version} was yanked by its publisher.`)
  if ((flags & Package.Flag.deprecated) !== 0) inquiry.warn("deprecated", `${version} is deprecated by its publisher.`)
}

/** The release alone, where the publisher's package is not to be had: its own record says enough to use it. */
const withoutPackage = Effect.fnUntraced(function* (
  inquiry: Inquiry,
  wish: Wish,
  { looked, others, release: asked }: Found
) {
  const publisher = PublicKey.toBase64(looked.publisher)
  const missing = fail(new PackageNotFound({ package: wish.name, publisher, others }))
  if (asked === undefined) return yield* missing
  const found = yield* ReleaseLookup.settle(asked)
  if (Option.isNone(found)) return yield* missing
  const release = found.value.value
  inquiry.warn("packageMissing", `The publisher's list of versions of ${wish.name} is not to be had; ${release.v} is.`)
  const list: VersionList.VersionList = { entries: [], unread: 0, depth: 0 }
  return { release, flags: 0, versions: VersionList.considered(list, wish.range, release.v, 0) } satisfies Chosen
})

/** The version that is wanted, of the package that was looked up. */
export const choose = Effect.fnUntraced(function* (inquiry: Inquiry, wish: Wish, found: Found) {
  const { looked, release: asked } = found
  const adopted = yield* PackageLookup.adopt(inquiry, looked)
  if (adopted === undefined) return yield* withoutPackage(inquiry, wish, found)
  const pkg = adopted.value
  const dated = { package: pkg.n, publisher: looked.publisher, timestamp: pkg.t }
  const stale = Freshness.problem(inquiry, wish.freshness, dated, yield* Clock.currentTimeMillis)
  if (stale !== undefined) return yield* fail(stale)
  const { chosen, list } = yield* listFor(inquiry, wish, looked, pkg)
  const version = chosen ?? Option.getOrUndefined(Version.exactOf(wish.range))
  if (version === undefined) return yield* noVersion(wish, looked.publisher, list)
  const relevant = asked?.subject.version === version ? asked : undefined
  const listed = VersionList.flagsOf(list, version)
  const chosenRelease =
    pkg.l.v === version
      ? Option.some({ release: yield* inlined(looked, pkg, relevant), flags: listed ?? 0 })
      : yield* separate(inquiry, looked, pkg, version, listed, relevant)
  if (Option.isNone(chosenRelease)) return yield* noVersion(wish, looked.publisher, list, version)
  warnOfFlags(inquiry, chosenRelease.value)
  const { flags } = chosenRelease.value
  const versions = VersionList.considered(list, wish.range, version, flags)
  return { ...chosenRelease.value, versions } satisfies Chosen
})
