/**
 * Releases whose content was fetched and refused: for a while they are refused at once, instead of
 * being downloaded and thrown away at each try.
 *
 * An entry is about one infohash *as signed by one publisher*. Pieces are checked against the
 * infohash, so content that fails was signed wrongly; and whoever signs another's infohash wrongly on
 * purpose must not have the other's release refused. It spares work and protects nobody: everything
 * that is fetched is verified anyway.
 */
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Ref from "effect/Ref"
import * as Schema from "effect/Schema"
import { ExitCode } from "../core/Errors.ts"
import * as Infohash from "../core/Infohash.ts"
import * as PublicKey from "../core/PublicKey.ts"

/** How long an entry stands, in ms: a day, since a fault may have been this machine's own. */
export const BLACKLIST_TTL_MS = 24 * 60 * 60 * 1000

/** Entries kept; past it the oldest are dropped. About 500 bytes each on disk. */
export const BLACKLIST_MAX = 1_000

/** UTF-16 units of a reason; longer ones are cut. */
export const REASON_MAX_CHARS = 400

export interface Entry {
  readonly infohash: Infohash.Infohash
  readonly publisher: PublicKey.PublicKey
  /** What was wrong, for people. */
  readonly reason: string
  /** When the entry ends, Unix ms. */
  readonly until: number
}

/** The content was refused a while ago, and is the same now. */
export class Blacklisted extends Schema.TaggedError<Blacklisted>()("Blacklisted", {
  package: Schema.String,
  reason: Schema.String,
  until: Schema.Finite
}) {
  readonly exitCode = ExitCode.untrusted
  readonly hint = "Choose another version or publisher, or try it again all the same with --retry-refused."
  override get message() {
    const until = DateTime.formatIso(DateTime.makeUnsafe(this.until))
    return `${this.package} was fetched and refused before, and is not fetched again until ${until}: ${this.reason}`
  }
}

export class BlacklistError extends Schema.TaggedError<BlacklistError>()("BlacklistError", {
  location: Schema.String,
  problem: Schema.String
}) {
  readonly exitCode = ExitCode.storage
  readonly hint = "Check that the file can be read and written. If it is damaged, remove it: it only spares downloads."
  override get message() {
    return `The list of refused releases in ${this.location} cannot be used: ${this.problem}`
  }
}

/** Expired entries are never given; they are gone from the list with the next change. */
export class Blacklist extends Context.Service<
  Blacklist,
  {
    /** The entry takes the place of an earlier one of its infohash and publisher. */
    readonly add: (entry: Entry) => Effect.Effect<void, BlacklistError>
    readonly find: (
      infohash: Infohash.Infohash,
      publisher: PublicKey.PublicKey
    ) => Effect.Effect<Option.Option<Entry>, BlacklistError>
    /** One that is not there is passed over. */
    readonly remove: (
      infohash: Infohash.Infohash,
      publisher: PublicKey.PublicKey
    ) => Effect.Effect<void, BlacklistError>
    /** Oldest first. */
    readonly all: Effect.Effect<ReadonlyArray<Entry>, BlacklistError>
  }
>()("@libreseed/protocol/swarm/Blacklist") {
  static readonly layerMemory: Layer.Layer<Blacklist> = Layer.effect(
    Blacklist,
    Effect.gen(function* () {
      const entries = yield* Ref.make<ReadonlyArray<Entry>>([])
      const update = (f: (entries: ReadonlyArray<Entry>) => ReadonlyArray<Entry>) => Ref.update(entries, f)
      return make({ read: Ref.get(entries), update })
    })
  )
}

/** Where the entries are kept. `update` leaves nothing to be lost between its reading and its writing. */
export interface Store {
  readonly read: Effect.Effect<ReadonlyArray<Entry>, BlacklistError>
  readonly update: (f: (entries: ReadonlyArray<Entry>) => ReadonlyArray<Entry>) => Effect.Effect<void, BlacklistError>
}

/** The service over a store of entries. */
export const make = ({ read, update }: Store): Blacklist["Service"] => {
  const live = Effect.zipWith(read, Clock.currentTimeMillis, (entries, now) =>
    entries.filter(({ until }) => until > now)
  )
  return Blacklist.of({
    add: Effect.fnUntraced(function* (entry) {
      const now = yield* Clock.currentTimeMillis
      const kept = { ...entry, reason: entry.reason.slice(0, REASON_MAX_CHARS) }
      yield* update((entries) =>
        [
          ...entries.filter((other) => other.until > now && !isAbout(other, entry.infohash, entry.publisher)),
          kept
        ].slice(-BLACKLIST_MAX)
      )
    }),
    find: (infohash, publisher) =>
      Effect.map(live, (entries) =>
        Option.fromUndefinedOr(entries.find((entry) => isAbout(entry, infohash, publisher)))
      ),
    remove: (infohash, publisher) =>
      update((entries) =>
        entries.some((entry) => isAbout(entry, infohash, publisher))
          ? entries.filter((entry) => !isAbout(entry, infohash, publisher))
          : entries
      ),
    all: live
  })
}

const isAbout = (entry: Entry, infohash: Infohash.Infohash, publisher: PublicKey.PublicKey): boolean =>
  Infohash.equals(entry.infohash, infohash) && PublicKey.equals(entry.publisher, publisher)
