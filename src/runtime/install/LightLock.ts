/**
 * A lock file read without its schema, for those who cannot wait for that. Accepts less than
 * `LockFile.parse` does, never more: whatever is unusual is left to it, and so is saying what is wrong.
 */
import * as Predicate from "effect/Predicate"
import * as LockConsistency from "../../protocol/registry/LockConsistency.ts"
import type { LockFile } from "../../protocol/registry/LockFile.ts"
import * as LightRange from "./LightRange.ts"

/** Names that are a place in `node_modules` and nothing else. */
const NAME = /^(?:@[a-z0-9][a-z0-9._-]{0,99}\/)?[a-z0-9][a-z0-9._-]{0,99}$/
const VERSION = /^(?:0|[1-9]\d{0,14})\.(?:0|[1-9]\d{0,14})\.(?:0|[1-9]\d{0,14})(?:-[0-9A-Za-z.-]{1,99})?$/
const BASE64_KEY = /^[A-Za-z0-9+/]{43}=$/
const INTEGRITY = /^sha512-[A-Za-z0-9+/]{86}==$/
const SHA1 = /^[0-9a-f]{40}$/
const SHA256 = /^[0-9a-f]{64}$/

/** Names that npm and Node keep for themselves, and that a plain pattern would let pass. */
const RESERVED = new Set(["node_modules", "favicon.ico"])

type Fields = ReadonlyMap<string, unknown>

const fieldsOf = (value: unknown): Fields =>
  Predicate.isObject(value) && !Array.isArray(value) ? new Map(Object.entries(value)) : new Map()

const isText = (value: unknown, pattern: RegExp): boolean => typeof value === "string" && pattern.test(value)

const isName = (value: unknown): boolean => isText(value, NAME) && !RESERVED.has(String(value))

const isTexts = (value: unknown): boolean =>
  value === undefined ||
  (Predicate.isObject(value) && !Array.isArray(value) && Object.values(value).every((each) => typeof each === "string"))

const WISHES = new Set(["dependencies", "optionalDependencies", "peerDependencies"])

/** Which peers are optional: `{ "name": { "optional": true } }`. */
const isPeersMeta = (value: unknown): boolean =>
  value === undefined ||
  (Predicate.isObject(value) &&
    !Array.isArray(value) &&
    Object.values(value).every((each) => {
      const fields = fieldsOf(each)
      return fields.size === 1 && fields.get("optional") === true
    }))

const isWishes = (value: unknown): boolean =>
  Predicate.isObject(value) &&
  !Array.isArray(value) &&
  Object.entries(value).every(([key, each]) =>
    key === "peerDependenciesMeta" ? isPeersMeta(each) : WISHES.has(key) && isTexts(each)
  )

const isList = (value: unknown): boolean =>
  value === undefined || (Array.isArray(value) && value.every((each) => typeof each === "string"))

/** Whether every name leads somewhere; to what, `LockConsistency` judges. */
const leadsTo = (links: unknown, packages: ReadonlyMap<string, Fields>): boolean =>
  Predicate.isObject(links) &&
  !Array.isArray(links) &&
  Object.entries(links).every(([name, id]) => isName(name) && packages.has(String(id)))

const KEYS = new Set([
  "name",
  "version",
  "publisher",
  "infohash",
  "integrity",
  "contentHash",
  "dependencies",
  "optionalDependencies",
  "optional",
  "os",
  "cpu"
])

const isPackage = (id: string, fields: Fields, packages: ReadonlyMap<string, Fields>): boolean => {
  const label = `${String(fields.get("name"))}@${String(fields.get("version"))}`
  return (
    isName(fields.get("name")) &&
    isText(fields.get("version"), VERSION) &&
    (id === label || id.startsWith(`${label}(`)) &&
    isText(fields.get("publisher"), BASE64_KEY) &&
    isText(fields.get("infohash"), SHA1) &&
    isText(fields.get("integrity"), INTEGRITY) &&
    isText(fields.get("contentHash"), SHA256) &&
    leadsTo(fields.get("dependencies"), packages) &&
    isList(fields.get("optionalDependencies")) &&
    isList(fields.get("os")) &&
    isList(fields.get("cpu")) &&
    (fields.get("optional") === undefined || fields.get("optional") === true) &&
    [...fields.keys()].every((key) => KEYS.has(key))
  )
}

const isLock = (value: unknown): value is LockFile => {
  const lock = fieldsOf(value)
  const packages = new Map([...fieldsOf(lock.get("packages"))].map(([id, each]) => [id, fieldsOf(each)]))
  return (
    lock.size === 5 &&
    lock.get("lockfileVersion") === 1 &&
    isWishes(lock.get("wishes")) &&
    isTexts(lock.get("answers")) &&
    leadsTo(lock.get("project"), packages) &&
    [...packages].every(([id, fields]) => isPackage(id, fields, packages))
  )
}

/** The lock, or `undefined` where it takes a closer look: one of `admits`, where a range is not plain. */
export const parse = (text: string, admits: LockConsistency.Admits = LightRange.isPlainlyIn): LockFile | undefined => {
  try {
    const value: unknown = JSON.parse(text)
    return isLock(value) && LockConsistency.contradictionOf(value, admits) === undefined ? value : undefined
  } catch {
    return undefined
  }
}
