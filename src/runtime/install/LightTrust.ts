/**
 * Whether a user's trust book has nothing to say about the publishers of packages: every name is pinned
 * to the publisher that it comes from, and none of them is known to be revoked. Read without its schema,
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

const isRemembered = (records: string, publisher: string): boolean => {
  const target = revocationOf(publisher)
  try {
    return Fs.readdirSync(records).some((name) => name.startsWith(target))
  } catch (error) {
    return !(error instanceof Error && "code" in error && error.code === "ENOENT")
  }
}

/** `trust` is the book's file, `records` the directory of the records that are kept. `false` where it takes a closer look. */
export const isSettled = (trust: string, records: string, uses: ReadonlyArray<Use>): boolean => {
  let book: unknown
  try {
    book = JSON.parse(Fs.readFileSync(trust, "utf8"))
  } catch {
    return false
  }
  const pins = Predicate.hasProperty(book, "pins") && Array.isArray(book.pins) ? book.pins : []
  const byName = new Map(pins.map((pin: unknown) => [textOf(pin, "name"), textOf(pin, "publisher")]))
  if (byName.size !== pins.length) return false
  const revoked = Predicate.hasProperty(book, "revoked") ? book.revoked : []
  if (!Array.isArray(revoked)) return false
  const keys = new Set(revoked.map((each: unknown) => textOf(each, "publisher")))
  // A key in another spelling could be any of them.
  if ([...keys].some((key) => !BASE64_KEY.test(key))) return false
  const publishers = new Set(uses.map(({ publisher }) => publisher))
  return (
    uses.every(({ name, publisher }) => byName.get(name) === publisher) &&
    [...publishers].every((publisher) => !keys.has(publisher) && !isRemembered(records, publisher))
  )
}
