/**
 * A sorted map of byte strings that outgrew one record: a Merkle tree of immutable BEP 44 items,
 * whose root stands in a signed record. Equal contents are equal trees (`docs/spec/trees.md`).
 *
 * {@link build} and {@link update} make pages, {@link publish} puts them into the network; {@link get},
 * {@link entries} and {@link collect} read them from there, believing nothing.
 */
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import { PageStore } from "./PageStore.ts"
import * as Quorum from "./Quorum.ts"
import type { PutReceipt } from "./Dht.ts"
import * as TreePage from "./TreePage.ts"

export { build, type Built, PAGE_FILL_MIN_BYTES } from "./TreeBuild.ts"
export { collect, type Collected, difference, reachable, type Reachable, READS_AT_ONCE } from "./TreeCollect.ts"
export { ENTRIES_MAX, type Entry, ENTRY_VALUE_MAX_BYTES, HEIGHT_MAX, KEY_MAX_BYTES } from "./TreePage.ts"
export { entries, get, type Range, READ_AHEAD } from "./TreeRead.ts"
export type { Change } from "./TreeLevel.ts"
export { update, type Updated } from "./TreeUpdate.ts"

/** Pages put at once. */
export const PUTS_AT_ONCE = 8

/**
 * Puts pages made by `build` or `update`: first into the own store, then into the DHT, children before
 * their parents, so that whoever reads a page finds what it refers to. Fails with `TooFewAcks` where
 * not enough nodes take one; calling again goes on with what is missing.
 */
export const publish = Effect.fn("Tree.publish")(function* (pages: ReadonlyArray<Uint8Array>) {
  const store = yield* PageStore
  yield* store.keep(pages)
  const byHeight = new Map<number, Array<Uint8Array>>()
  for (const page of pages) {
    const decoded = TreePage.decode(page)
    if (Result.isFailure(decoded)) throw new RangeError(`cannot publish a tree page: ${decoded.failure}`)
    const { height } = decoded.success
    byHeight.set(height, [...(byHeight.get(height) ?? []), page])
  }
  const receipts: Array<PutReceipt> = []
  for (const height of [...byHeight.keys()].toSorted((a, b) => a - b)) {
    receipts.push(...(yield* Effect.forEach(byHeight.get(height)!, Quorum.putImmutable, { concurrency: PUTS_AT_ONCE })))
  }
  return receipts as ReadonlyArray<PutReceipt>
})
