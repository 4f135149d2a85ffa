/** Items, and a clock that stands still until a test moves it. */
import { createHash } from "node:crypto"
import { type ItemStore, make, type Options } from "../../../../src/runtime/dht/items/ItemStore.ts"
import type { StoredItem } from "../../../../src/runtime/dht/items/StoredItem.ts"
import { keyPair, loose, type Loose, signedBytes, text, verify } from "../LiveNode.ts"

export const HOUR_MS = 3_600_000

export class TestTime {
  ms = 1_700_000_000_000
  readonly now = (): number => this.ms
  pass(ms: number): void {
    this.ms += ms
  }
}

/** A byte string as value, whose text is `label`, padded to `bytes`. */
export const immutable = (label: string, bytes = label.length): StoredItem => ({
  value: loose(text(label.padEnd(bytes, "."))),
  mutable: undefined
})

const pairs = new Map<number, ReturnType<typeof keyPair>>()

/** Key pair of a seed byte. */
export const pairOf = (seedByte: number): ReturnType<typeof keyPair> => {
  const pair = pairs.get(seedByte) ?? keyPair(seedByte)
  pairs.set(seedByte, pair)
  return pair
}

export interface MutableParts {
  readonly seedByte?: number
  readonly seq?: number
  readonly salt?: string
  readonly v?: Loose
}

export const mutable = ({ salt = "", seedByte = 1, seq = 1, v = text("value") }: MutableParts = {}): StoredItem => {
  const { publicKey, sign } = pairOf(seedByte)
  const value = loose(v)
  const message = signedBytes(seq, value, text(salt))
  return { value, mutable: { publicKey, signature: sign(message), salt: text(salt), seq } }
}

/** 40 hex digits that begin as many bits like `near` as asked, and go on by the label. */
export const targetNear = (near: string, digits: number, label: string): string =>
  near.slice(0, digits) + createHash("sha1").update(label).digest("hex").slice(digits)

export const storeOf = (options: Partial<Options> = {}, time = new TestTime()): ItemStore =>
  make({ now: time.now, verify, ...options })

/** Everything that a store must never be. */
export const brokenCaps = (store: ItemStore, itemsMax: number, bytesMax: number): ReadonlyArray<string> => [
  ...(store.size > itemsMax ? [`${store.size} items`] : []),
  ...(store.bytes > bytesMax ? [`${store.bytes} bytes`] : []),
  ...(store.bytes < 0 ? ["less than no bytes"] : [])
]
