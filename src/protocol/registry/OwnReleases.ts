/**
 * Puts versions back into a package's list that this machine has published and that are missing there.
 *
 * Where two machines with one key publish while they do not hear each other, the record with the lower
 * number is buried with what only it had listed, and keeping records alive without keys cannot mend
 * that. The release records are still here, and the next publication lists them again.
 */
import * as Bytes from "effect/Bytes"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Result from "effect/Result"
import type { PackageName } from "../core/PackageName.ts"
import * as PublicKey from "../core/PublicKey.ts"
import * as KeyString from "../dht/KeyString.ts"
import type * as Record from "../dht/Record.ts"
import { RecordStore } from "../dht/RecordStore.ts"
import * as Package from "./Package.ts"
import { toRegistryError } from "./RegistryError.ts"
import * as Release from "./Release.ts"

/** The release that a publisher's record is about; `None` for records of other kinds, and for what is in the wrong place. */
const releaseIn = ({ salt, seq, value }: Record.Record): Option.Option<Release.Release> =>
  Option.filter(
    Result.getSuccess(Release.decode(value)),
    ({ n, v }) => seq === Release.RELEASE_SEQ && Bytes.Equivalence(salt, KeyString.saltOf(KeyString.release(n, v)))
  )

const remembered = Effect.fnUntraced(function* (publisher: PublicKey.PublicKey, name: PackageName) {
  const records = yield* Effect.flatMap(RecordStore, (store) => Effect.mapError(store.all, toRegistryError))
  return records
    .filter(({ publicKey }) => PublicKey.equals(publicKey, publisher))
    .flatMap((record) => Option.toArray(releaseIn(record)))
    .filter(({ n }) => n === name)
})

/**
 * The package that is to be written, with every release of it that is remembered here, dated `now`. `None` where `draft` is and
 * nothing is missing. Of a package with a tree, whose versions are not all in the record, nothing is known to be missing.
 */
export const relist = Effect.fnUntraced(function* (
  publisher: PublicKey.PublicKey,
  current: Package.Package,
  draft: Option.Option<Package.Draft>,
  now: number
) {
  let relisted = draft
  for (const release of yield* remembered(publisher, current.n)) {
    const pkg = Option.match(relisted, { onNone: () => current, onSome: (made) => made.pkg })
    if (!Package.isWhole(pkg)) return relisted
    if (!Package.lists(pkg, release.v)) relisted = Option.some(yield* Package.add(pkg, release, now))
  }
  return relisted
})
