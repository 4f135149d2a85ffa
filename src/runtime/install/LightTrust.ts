/**
 * Whether a user's trust book has nothing to say about the publishers of packages, or something against
 * them: to which publisher a name is pinned, and who is known to be revoked. Read without its schema,
 * for those who cannot wait for that; whatever is unusual is left to those who can.
 */
import * as Crypto from "node:crypto"
import * as Fs from "node:fs"
import * as Predicate from "effect/Predicate"

const BASE64_KEY = /^[A-Za-z0-9+/]{43}=$/

/** Salt of the record that revokes a key: SHA-256 of its key string. */
const REVOCATION_SALT = Crypto.createHash("sha256").update("libreseed:revocation").digest()

/** Begins the name of the file in which the revocation of a key would be remembered: its DHT target (BEP 44), in hex. */
const revocationOf = (publisher: string): string =>
  Crypto.createHash("sha1").update(Buffer.from(publisher, "base64")).update(REVOCATION_SALT).digest("hex")

const textOf = (value: unknown, field: "name" | "publisher"): string => {
  if (!Predicate.hasProperty(value, field)) return ""
  const text = value[field]
  return typeof text === "string" ? text : ""
}

interface Use {
  readonly name: string
  /** Base64. */
  readonly publisher: string
}

const TARGET_CHARS = 40

/** Whether the revocation of any of the publishers is among the records. */
const isAnyRemembered = (records: string, publishers: ReadonlySet<string>): boolean => {
  try {
    const targets = new Set(Fs.readdirSync(records).map((name) => name.slice(0, TARGET_CHARS)))
    return [...publishers].some((publisher) => targets.has(revocationOf(publisher)))
  } catch (error) {
    return !(error instanceof Error && "code" in error && error.code === "ENOENT")
  }
}

interface Book {
  /** Publishers by the name that is pinned to them. */
  readonly pins: ReadonlyMap<string, string>
  readonly revoked: ReadonlySet<string>
}

/** `undefined` where it takes a closer look. */
const read = (trust: string): Book | undefined => {
  let book: unknown
  try {
    book = JSON.parse(Fs.readFileSync(trust, "utf8"))
  } catch {
    return undefined
  }
  const list = Predicate.hasProperty(book, "pins") && Array.isArray(book.pins) ? book.pins : []
  const pins = new Map(list.map((pin: unknown) => [textOf(pin, "name"), textOf(pin, "publisher")]))
  if (pins.size !== list.length) return undefined
  const all = Predicate.hasProperty(book, "revoked") ? book.revoked : []
  if (!Array.isArray(all)) return undefined
  const revoked = new Set(all.map((each: unknown) => textOf(each, "publisher")))
  // A key in another spelling could be any of them.
  return [...revoked].every((key) => BASE64_KEY.test(key)) ? { pins, revoked } : undefined
}

const isAnyRevoked = ({ revoked }: Book, records: string, uses: ReadonlyArray<Use>): boolean => {
  const publishers = new Set(uses.map(({ publisher }) => publisher))
  return [...publishers].some((publisher) => revoked.has(publisher)) || isAnyRemembered(records, publishers)
}

/** `trust` is the book's file, `records` the directory of the records that are kept. `false` where it takes a closer look. */
export const isSettled = (trust: string, records: string, uses: ReadonlyArray<Use>): boolean => {
  const book = read(trust)
  if (book === undefined || !uses.every(({ name, publisher }) => book.pins.get(name) === publisher)) return false
  return !isAnyRevoked(book, records, uses)
}

/** Whether something speaks against a publisher: that it is revoked, or the name pinned to another. `true` where it takes a closer look. */
export const isContested = (trust: string, records: string, uses: ReadonlyArray<Use>): boolean => {
  const book = read(trust)
  if (book === undefined) return true
  return (
    uses.some(({ name, publisher }) => (book.pins.get(name) ?? publisher) !== publisher) ||
    isAnyRevoked(book, records, uses)
  )
}
