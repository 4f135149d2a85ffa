/**
 * What this machine itself wrote last about a package of its publisher, kept beside the newest record:
 * another machine with the key, which had not heard of it, may bury it under a higher number, and then it
 * is forgotten everywhere else. With it the next writing here sees what was lost.
 *
 * It stands in the store as a record of a kind of its own, which no other host ever gets: it is never put.
 */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Result from "effect/Result"
import type { KeyPair } from "../core/KeyPair.ts"
import type { PackageName } from "../core/PackageName.ts"
import type { PublicKey } from "../core/PublicKey.ts"
import * as KeyString from "../dht/KeyString.ts"
import * as Record from "../dht/Record.ts"
import * as Lookup from "./Lookup.ts"
import * as Package from "./Package.ts"

/** Names the place in the store of the machine that signed it. */
export const keyString = (name: PackageName): string => `libreseed:own-package:${name}`

const saltOf = (name: PackageName): KeyString.Salt => KeyString.saltOf(keyString(name))

/** Remembers a package's record as the last word of this machine. */
export const keep = Effect.fnUntraced(function* (keyPair: KeyPair, name: PackageName, { seq, value }: Record.Record) {
  const salt = saltOf(name)
  const known = yield* Lookup.recall(keyPair.publicKey, salt)
  if (known !== undefined && known.seq >= seq) return
  yield* Lookup.remember(Record.sign(keyPair, { salt, seq, value }))
})

/** The last word of this machine; `None` where it wrote none yet. */
export const recall = Effect.fnUntraced(function* (publisher: PublicKey, name: PackageName) {
  const record = yield* Lookup.recall(publisher, saltOf(name))
  const pkg = record === undefined ? undefined : Result.getOrUndefined(Package.decode(record.value))
  return record === undefined || pkg === undefined
    ? Option.none<Package.Signed>()
    : Option.some<Package.Signed>({ record, value: pkg })
})
