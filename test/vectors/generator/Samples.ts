/** Records, claims, releases, trees and info dictionaries as `docs/spec` has them, to be used whole or spoilt. */
import {
  type Field,
  type Fields,
  type Key,
  bencode,
  bytes,
  key,
  keyOfSeed,
  NOW,
  sha1,
  sha256,
  some1,
  some256,
  text
} from "./Cast.ts"

export const publisher = key("publisher")
export const other = key("another publisher")
/** As many publishers as are asked for. */
export const crowd = (count: number): ReadonlyArray<Key> =>
  Array.from({ length: count }, (_, i) => key(`publisher ${i}`))

export const releaseKey = (name: string, version: string): string => `libreseed:manifest:${name}@${version}`
export const packageKey = (name: string): string => `libreseed:package:${name}`
export const announceKey = (by: Key): string => `libreseed:announce:${Buffer.from(by.publicKey).toString("base64")}`
export const nameIndexKey = (name: string): string => `libreseed:name-index:${name}`
export const REVOCATION = "libreseed:revocation"

export const saltOf = (keyString: string): Uint8Array => sha256(text(keyString))

export const nameKeyOf = (name: string): Key => keyOfSeed(saltOf(nameIndexKey(name)))

/** A record's fields, as its envelope has them. */
export interface Record {
  readonly k: Uint8Array
  readonly salt: Uint8Array
  readonly seq: number | bigint
  readonly sig: Uint8Array
  readonly v: Uint8Array
}

export const signedBytes = ({ salt, seq, v }: Pick<Record, "salt" | "seq" | "v">): Uint8Array =>
  bytes(`4:salt${salt.length}:`, salt, `3:seqi${seq}e1:v${v.length}:`, v)

/** Signed, whatever it says. */
export const record = (by: Key, keyString: string, seq: number | bigint, value: Field): Record => {
  const v = value instanceof Uint8Array ? value : bencode(value)
  const unsigned = { salt: saltOf(keyString), seq, v }
  return { k: by.publicKey, ...unsigned, sig: by.sign(signedBytes(unsigned)) }
}

export const envelope = ({ k, salt, seq, sig, v }: Record): Uint8Array => bencode({ k, salt, seq, sig, v })

export const targetOf = ({ k, salt }: Pick<Record, "k" | "salt">): Uint8Array => sha1(bytes(k, salt))

const KIB = 1024

/** The smallest power of two from 16 KiB to 1 MiB with which there are at most 16 pieces. */
export const pieceLengthOf = (total: number): number => {
  let length = 16 * KIB
  while (length < KIB * KIB && Math.ceil(total / length) > 16) length *= 2
  return length
}

/** Hashes of pieces that do not matter. */
export const piecesOf = (total: number): Uint8Array =>
  bytes(...Array.from({ length: Math.ceil(total / pieceLengthOf(total)) }, (_, i) => some1(`piece ${i}`)))

export interface Lengths {
  readonly manifest: number
  readonly tarball: number
}

export const infoOf = (name: string, version: string, { manifest, tarball }: Lengths): Fields => {
  const directory = `${name.startsWith("@") ? name.slice(1).replace("/", "__") : name}-${version}`
  const total = manifest + tarball
  return {
    files: [
      { length: manifest, path: ["manifest.json"] },
      { length: tarball, path: [`${directory}.tgz`] }
    ],
    name: directory,
    "piece length": pieceLengthOf(total),
    pieces: piecesOf(total)
  }
}

export const smallLengths: Lengths = { manifest: 734, tarball: 31 }

/** The value of a release, with piece hashes where there are at most 16. */
export const release = (name: string, version: string, lengths: Lengths = smallLengths): Fields => {
  const pieces = piecesOf(lengths.manifest + lengths.tarball)
  return {
    h: some256(`tarball of ${name}@${version}`),
    ih: sha1(bencode(infoOf(name, version, lengths))),
    m: some256(`manifest of ${name}@${version}`),
    n: name,
    ...(pieces.length <= 16 * 20 ? { p: pieces } : {}),
    s: [lengths.manifest, lengths.tarball],
    t: NOW,
    v: version
  }
}

export const without = (fields: Fields, ...names: ReadonlyArray<string>): Fields =>
  Object.fromEntries(Object.entries(fields).filter(([name]) => !names.includes(name)))

export interface ClaimFields {
  readonly lv: string
  readonly fs: number | bigint
  readonly t: number | bigint
}

export const claimFields: ClaimFields = { lv: "1.3.0", fs: NOW - 86_400_000, t: NOW }

/** What a claim's signature is over. */
export const claimSigned = (name: string, k: Uint8Array, fields: ClaimFields): Uint8Array =>
  bytes("libreseed-v1:name-claim:", bencode({ ...fields, k, n: name }))

/** A signed claim, whatever it says. */
export const claim = (by: Key, name: string, fields: ClaimFields = claimFields): Fields => ({
  ...fields,
  k: by.publicKey,
  s: by.sign(claimSigned(name, by.publicKey, fields))
})

/** `[key, value]`. */
export type Entry = readonly [Uint8Array, Uint8Array]

export interface Tree {
  readonly root: Uint8Array
  /** Children before their parents, the root last. */
  readonly pages: ReadonlyArray<Uint8Array>
}

export const pageOf = (height: number, entries: ReadonlyArray<Entry>): Uint8Array =>
  bencode({ e: entries.flat(), h: height })

/** Of an immutable item (BEP 44). */
export const pageTarget = (page: Uint8Array): Uint8Array => sha1(bencode(page))

const compare = (self: Uint8Array, that: Uint8Array): number => Buffer.compare(self, that)

/** Where the page that begins with the first of `entries` ends, as `docs/spec/trees.md` words it. */
const endOfPage = (height: number, entries: ReadonlyArray<Entry>): number => {
  const sizeOf = (count: number) => pageOf(height, entries.slice(0, count)).length
  if (sizeOf(entries.length) <= 996) return entries.length
  const fitting = entries.findIndex((_, at) => sizeOf(at + 1) > 996)
  const candidates = entries
    .slice(0, fitting + 1)
    .flatMap(([name], at) => (sizeOf(at) >= 400 ? [{ at, lot: sha1(name) }] : []))
  candidates.sort((self, that) => compare(self.lot, that.lot))
  return candidates[0]?.at ?? fitting
}

const cut = (height: number, entries: ReadonlyArray<Entry>): ReadonlyArray<ReadonlyArray<Entry>> => {
  if (entries.length === 0) return []
  const end = endOfPage(height, entries)
  return [entries.slice(0, end), ...cut(height, entries.slice(end))]
}

/** The tree over pages that are cut like this at the lowest height. */
export const treeOver = (leaves: ReadonlyArray<ReadonlyArray<Entry>>): Tree => {
  const pages: Array<Uint8Array> = []
  let level = leaves
  for (let height = 0; ; height++) {
    const made = level.map((entries) => pageOf(height, entries))
    pages.push(...made)
    if (made.length === 1) return { root: pageTarget(made[0]!), pages }
    const above = made.map((page, at): Entry => [level[at]![0]![0], pageTarget(page)])
    level = cut(height + 1, above)
  }
}

export const tree = (entries: ReadonlyArray<Entry>): Tree =>
  treeOver(
    cut(
      0,
      entries.toSorted(([self], [that]) => compare(self, that))
    )
  )

/** The value of a name's index with these claims, and its pages. */
export const nameIndex = (
  claims: ReadonlyArray<Fields>
): { readonly value: Fields; readonly pages: ReadonlyArray<Uint8Array> } => {
  const sorted = claims.toSorted((self, that) => compare(bencode(self["k"]!), bencode(that["k"]!)))
  const whole = { c: sorted, k: sorted.length }
  if (bencode(whole).length <= 996) return { value: whole, pages: [] }
  let inline = sorted.length
  const withRoot = (r: Uint8Array) => ({ c: sorted.slice(0, inline), k: sorted.length, r })
  while (bencode(withRoot(new Uint8Array(20))).length > 996) inline--
  const { pages, root } = tree(
    sorted.slice(inline).map((each): Entry => [each["k"] as Uint8Array, bencode(without(each, "k"))])
  )
  return { value: withRoot(root), pages }
}
