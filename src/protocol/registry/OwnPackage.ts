/**
 * What this machine itself wrote last about a package of its publisher, kept beside the newest record:
 * another machine with the key, which had not heard of it, may bury it under a higher number, and then it
 * is forgotten everywhere else. With it the next writing here sees what was lost.
 *
 * It stands in the store under a salt of its own, in the shape of a list of claims: such are never put.
 */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Result from "effect/Result"
import * as Bencode from "../core/Bencode.ts"
import type { KeyPair } from "../core/KeyPair.ts"
import type { PackageName } from "../core/PackageName.ts"
import type { PublicKey } from "../core/PublicKey.ts"
import * as KeyString from "../dht/KeyString.ts"
import * as Record from "../dht/Record.ts"
import * as Lookup from "./Lookup.ts"
import * as Package from "./Package.ts"

const saltOf = (name: PackageName): KeyString.Salt => KeyString.saltOf(`libreseed:own-package:${name}`)

const dictionaryIn = (value: Uint8Array): Bencode.Dictionary | undefined => {
  const decoded = Result.getOrUndefined(Bencode.decode(value))
  return typeof decoded === "object" && !Array.isArray(decoded) && !(decoded instanceof Uint8Array)
    ? (decoded as Bencode.Dictionary)
    : undefined
}

/** A package's value, its list under `c` and their number under `k`, as claims have them. */
const hidden = (value: Uint8Array): Uint8Array | undefined => {
  const { c, vs, ...rest } = dictionaryIn(value) ?? {}
  return c === undefined || vs === undefined ? undefined : Bencode.encode({ ...rest, c: vs, k: c })
}

const shown = (value: Uint8Array): Uint8Array | undefined => {
  const { c, k, ...rest } = dictionaryIn(value) ?? {}
  return c === undefined || k === undefined ? undefined : Bencode.encode({ ...rest, c: k, vs: c })
}

/** Remembers a package's record as the last word of this machine. */
export const keep = Effect.fnUntraced(function* (keyPair: KeyPair, name: PackageName, { seq, value }: Record.Record) {
  const salt = saltOf(name)
  const known = yield* Lookup.recall(keyPair.publicKey, salt)
  const kept = hidden(value)
  if (kept === undefined || (known !== undefined && known.seq >= seq)) return
  yield* Lookup.remember(Record.sign(keyPair, { salt, seq, value: kept }))
})

/** The last word of this machine; `None` where it wrote none yet. */
export const recall = Effect.fnUntraced(function* (publisher: PublicKey, name: PackageName) {
  const record = yield* Lookup.recall(publisher, saltOf(name))
  const value = record === undefined ? undefined : shown(record.value)
  const pkg = value === undefined ? undefined : Result.getOrUndefined(Package.decode(value))
  return record === undefined || value === undefined || pkg === undefined
    ? Option.none<Package.Signed>()
    : Option.some<Package.Signed>({ record: { seq: record.seq, value }, value: pkg })
})
