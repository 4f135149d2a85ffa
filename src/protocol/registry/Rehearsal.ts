/**
 * Runs work that writes to the network and to the own stores without any of it being written: reads
 * go through, writes stay in here and are read back from here. So what a publication would write is
 * found out by the very code that writes it.
 */
import * as Effect from "effect/Effect"
import * as Hex from "effect/encoding/Hex"
import * as Option from "effect/Option"
import type { PublicKey } from "../core/PublicKey.ts"
import { type Answer, Dht, type PutReceipt } from "../dht/Dht.ts"
import type { Salt } from "../dht/KeyString.ts"
import { PageStore } from "../dht/PageStore.ts"
import * as Record from "../dht/Record.ts"
import { RecordStore } from "../dht/RecordStore.ts"
import { TopicPeers } from "../dht/TopicPeers.ts"
import { Proofs } from "./Proofs.ts"
import * as PublicationLog from "./PublicationLog.ts"

/** What would become of a record. `bytes` are those of its value, `pages` the tree pages to be put with it. */
export interface Planned {
  readonly seq: number
  readonly bytes: number
  readonly state: "new" | "changed" | "unchanged"
  readonly pages: number
}

/** Put receipts here come from no node, and are enough for every quorum. */
const ENOUGH = Number.MAX_SAFE_INTEGER

const receipt = (target: Record.Target): PutReceipt => ({
  target,
  acks: ENOUGH,
  networks: ENOUGH,
  asked: 0,
  stored: [],
  refused: [],
  silent: []
})

const hexTarget = (publicKey: Uint8Array, salt: Uint8Array): string => Hex.encode(Record.targetOf(publicKey, salt))

/** What is written in here: records and pages by target (hex). */
class Sandbox {
  /** What the network has: the first answer to each look-up. */
  readonly inNetwork = new Map<string, Answer<Record.Record>>()
  readonly put = new Map<string, Record.Record>()
  readonly remembered = new Map<string, Record.Record>()
  readonly pages = new Map<string, { readonly target: Record.Target; readonly page: Uint8Array }>()
  readonly pagesOf = new Map<string, number>()
  /** Pages put since the last record; the record that they belong to comes after them. */
  pagesWaiting = 0

  dht(base: Dht["Service"]): Dht["Service"] {
    const lookup = Effect.fnUntraced({ self: this }, function* (publicKey: PublicKey, salt: Salt) {
      const key = hexTarget(publicKey, salt)
      const written = this.put.get(key)
      if (written !== undefined) return { value: Option.some(written), responders: [] } satisfies Answer<Record.Record>
      const answer = this.inNetwork.get(key) ?? (yield* base.lookup(publicKey, salt))
      this.inNetwork.set(key, answer)
      return answer
    })
    const lookupImmutable = (target: Record.Target) =>
      Effect.suspend(() => {
        const kept = this.pages.get(Hex.encode(target))
        return kept === undefined
          ? base.lookupImmutable(target)
          : Effect.succeed<Answer<Uint8Array>>({ value: Option.some(kept.page), responders: [] })
      })
    return {
      lookup,
      get: (publicKey, salt) => Effect.map(lookup(publicKey, salt), ({ value }) => value),
      put: (record) =>
        Effect.sync(() => {
          const key = hexTarget(record.publicKey, record.salt)
          this.put.set(key, record)
          this.pagesOf.set(key, (this.pagesOf.get(key) ?? 0) + this.pagesWaiting)
          this.pagesWaiting = 0
          return receipt(Record.targetOf(record.publicKey, record.salt))
        }),
      lookupImmutable,
      getImmutable: (target) => Effect.map(lookupImmutable(target), ({ value }) => value),
      putImmutable: (page) =>
        Effect.sync(() => {
          const target = Record.immutableTargetOf(page)
          this.pages.set(Hex.encode(target), { target, page })
          this.pagesWaiting += 1
          return receipt(target)
        }),
      holders: base.holders,
      holdersImmutable: base.holdersImmutable,
      announcePeer: () => Effect.succeed(0),
      findPeers: base.findPeers,
      nodeCount: base.nodeCount
    }
  }

  recordStore(base: RecordStore["Service"]): RecordStore["Service"] {
    const newest = (known: Record.Record | undefined, record: Record.Record) =>
      known === undefined ? record : Record.newer(known, record)
    return {
      remember: (record) =>
        Effect.sync(() => {
          const key = hexTarget(record.publicKey, record.salt)
          this.remembered.set(key, newest(this.remembered.get(key), record))
        }),
      find: (publicKey, salt) =>
        Effect.map(base.find(publicKey, salt), (kept) => {
          const own = this.remembered.get(hexTarget(publicKey, salt))
          return own === undefined ? kept : Option.some(newest(Option.getOrUndefined(kept), own))
        }),
      all: Effect.map(base.all, (kept) => {
        const records = new Map(this.remembered)
        for (const record of kept) {
          const key = hexTarget(record.publicKey, record.salt)
          records.set(key, newest(records.get(key), record))
        }
        return [...records.values()]
      })
    }
  }

  pageStore(base: PageStore["Service"]): PageStore["Service"] {
    return {
      keep: (pages) =>
        Effect.sync(() => {
          for (const page of pages) {
            const target = Record.immutableTargetOf(page)
            this.pages.set(Hex.encode(target), { target, page })
          }
        }),
      find: (target) =>
        Effect.suspend(() => {
          const kept = this.pages.get(Hex.encode(target))
          return kept === undefined ? base.find(target) : Effect.succeedSome(kept.page)
        }),
      targets: Effect.map(base.targets, (kept) => [...kept, ...[...this.pages.values()].map(({ target }) => target)]),
      drop: () => Effect.void
    }
  }

  /** What would become of a record that the work ended with. */
  plan(record: Record.Record): Planned {
    const key = hexTarget(record.publicKey, record.salt)
    const before = Option.getOrUndefined(this.inNetwork.get(key)?.value ?? Option.none())
    const isSame = before !== undefined && Record.isSame(before, record)
    return {
      seq: record.seq,
      bytes: record.value.length,
      state: before === undefined ? "new" : isSame ? "unchanged" : "changed",
      pages: this.pagesOf.get(key) ?? 0
    }
  }
}

/** Runs `work`; gives its result, and what would have become of a record that it wrote. */
export const run = Effect.fn("Rehearsal.run")(function* <A, E, R>(work: Effect.Effect<A, E, R>) {
  const sandbox = new Sandbox()
  const log = yield* PublicationLog.current
  const proofs = yield* Proofs
  const peers = yield* TopicPeers
  const result = yield* work.pipe(
    Effect.provideService(Dht, sandbox.dht(yield* Dht)),
    Effect.provideService(RecordStore, sandbox.recordStore(yield* RecordStore)),
    Effect.provideService(PageStore, sandbox.pageStore(yield* PageStore)),
    Effect.provideService(PublicationLog.PublicationLog, {
      ...log,
      note: () => Effect.void,
      finish: () => Effect.void
    }),
    Effect.provideService(Proofs, { ...proofs, keep: () => Effect.void }),
    Effect.provideService(TopicPeers, { ...peers, serve: () => Effect.void })
  )
  return { result, plan: (record: Record.Record): Planned => sandbox.plan(record) }
})
