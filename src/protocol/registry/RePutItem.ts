/**
 * What can be kept alive in the network without its key: signed records, the pages of the trees that
 * they refer to, and the shared records of names. An item says where it stands, not what it says:
 * its newest value is read from the stores when it is put.
 */
import * as Bytes from "effect/Bytes"
import * as Hex from "effect/encoding/Hex"
import * as Option from "effect/Option"
import * as Result from "effect/Result"
import * as Bencode from "../core/Bencode.ts"
import { SHA1_BYTES } from "../core/Digest.ts"
import * as PackageName from "../core/PackageName.ts"
import type { PublicKey } from "../core/PublicKey.ts"
import * as Version from "../core/Version.ts"
import * as KeyString from "../dht/KeyString.ts"
import * as Record from "../dht/Record.ts"
import * as OwnPackage from "./OwnPackage.ts"

/** What an item can be to people; `record` is signed by somebody but of no kind that is known here. */
export const KINDS = ["release", "package", "announce", "revocation", "record", "name-index", "page"] as const

export type Kind = (typeof KINDS)[number]

interface Place {
  readonly publicKey: PublicKey
  readonly salt: KeyString.Salt
}

interface Named {
  readonly kind: Kind
  /** Hex, 40 digits. */
  readonly target: string
  readonly keyString: string | undefined
}

/** A record under a key that others own. */
export interface RecordItem extends Named, Place {
  readonly _tag: "Record"
}

/** The shared record of a name. */
export interface NameItem extends Named, Place {
  readonly _tag: "Name"
  readonly name: PackageName.PackageName
}

/** A page of a tree, an immutable item. */
export interface PageItem extends Named {
  readonly _tag: "Page"
  readonly at: Record.Target
}

export type Item = RecordItem | NameItem | PageItem

const dictionaryOf = (value: Uint8Array): Bencode.Dictionary | undefined => {
  const decoded = Result.getOrUndefined(Bencode.decode(value))
  return typeof decoded === "object" && !Array.isArray(decoded) && !(decoded instanceof Uint8Array)
    ? (decoded as Bencode.Dictionary)
    : undefined
}

const textOf = (value: Bencode.Value | undefined): string | undefined =>
  value instanceof Uint8Array ? Option.getOrUndefined(Bencode.text(value)) : undefined

/** What a record turned out to be. Its kind is proved by its salt, which no other kind's key string gives. */
export interface Described {
  readonly item: RecordItem
  /** Of a package record. */
  readonly name: PackageName.PackageName | undefined
  /** The tree that has to be kept alive with it: `r`, 20 bytes, at the top of the value. */
  readonly root: Record.Target | undefined
  /**
   * Whether it may be put as it is. Not so a list of claims, which would replace the claims of others; nor what a
   * machine noted for itself (`OwnPackage`).
   */
  readonly isForAll: boolean
}

export const describe = (record: Record.Record): Described => {
  const { publicKey, salt } = record
  const value = dictionaryOf(record.value)
  const root = value?.["r"]
  const name = Option.getOrUndefined(PackageName.parse(textOf(value?.["n"]) ?? ""))
  const version = Option.getOrUndefined(Version.parse(textOf(value?.["v"]) ?? ""))
  const spellings: ReadonlyArray<readonly [Kind, string]> = [
    ...(name !== undefined && version !== undefined ? [["release", KeyString.release(name, version)] as const] : []),
    ...(name !== undefined && version === undefined ? [["package", KeyString.packageOf(name)] as const] : []),
    ["announce", KeyString.announce(publicKey)],
    ["revocation", KeyString.REVOCATION]
  ]
  const [kind, keyString] = spellings.find(([, text]) => Bytes.Equivalence(KeyString.saltOf(text), salt)) ?? [
    "record" as const,
    undefined
  ]
  const isClaims = kind === "record" && Array.isArray(value?.["c"]) && typeof value?.["k"] === "number"
  const isOwn = name !== undefined && Bytes.Equivalence(KeyString.saltOf(OwnPackage.keyString(name)), salt)
  return {
    item: { _tag: "Record", kind, target: targetOf(record), keyString, publicKey, salt },
    name: kind === "package" ? name : undefined,
    root: root instanceof Uint8Array && root.length === SHA1_BYTES ? (root as Record.Target) : undefined,
    isForAll: !isClaims && !isOwn
  }
}

/** Hex. */
export const targetOf = ({ publicKey, salt }: Place): string => Hex.encode(Record.targetOf(publicKey, salt))

export const page = (at: Record.Target): PageItem => ({
  _tag: "Page",
  kind: "page",
  target: Hex.encode(at),
  keyString: undefined,
  at
})

/** `publicKey` is that of the name key. */
export const ofName = (name: PackageName.PackageName, publicKey: PublicKey): NameItem => {
  const keyString = KeyString.nameIndex(name)
  const place = { publicKey, salt: KeyString.saltOf(keyString) }
  return { _tag: "Name", kind: "name-index", target: targetOf(place), keyString, name, ...place }
}
