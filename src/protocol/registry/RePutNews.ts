/**
 * What becomes of another record that the network turns out to have in the place of one that is held
 * here. Mostly the newer one is remembered instead. But a release never changes, and a package may
 * contradict what it said of a version: both are proofs against the publisher, to be kept and not lost.
 */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Result from "effect/Result"
import type * as Record from "../dht/Record.ts"
import { RecordStore } from "../dht/RecordStore.ts"
import * as Package from "./Package.ts"
import * as Release from "./Release.ts"
import * as ReleaseLookup from "./ReleaseLookup.ts"
import type { RecordItem } from "./RePutItem.ts"

const keepProof = Effect.fnUntraced(function* (held: Record.Record, found: Record.Record) {
  const names = ({ value }: Record.Record) =>
    Result.match(Release.decode(value), {
      onSuccess: (release) => Option.some({ name: release.n, release: release as Release.Inlined }),
      onFailure: () => Option.map(Result.getSuccess(Package.decode(value)), ({ l, n }) => ({ name: n, release: l }))
    })
  const [before, after] = [Option.getOrUndefined(names(held)), Option.getOrUndefined(names(found))]
  if (before === undefined || after === undefined || before.release.v !== after.release.v) return
  yield* ReleaseLookup.keepProof({ publisher: held.publicKey, name: before.name, version: before.release.v }, [
    { record: held, release: before.release },
    { record: found, release: after.release }
  ])
})

/** Whether `found` may take the place of what is held, once it is newer. A release that was seen first stays. */
export const mayReplace = ({ kind }: RecordItem): boolean => kind !== "release"

/** Takes note of `found`, which differs from `held`: as a proof where it contradicts it, and in its place where it may. */
export const note = Effect.fnUntraced(function* (item: RecordItem, held: Record.Record, found: Record.Record) {
  yield* keepProof(held, found)
  if (mayReplace(item)) yield* Effect.flatMap(RecordStore, (store) => store.remember(found))
})
