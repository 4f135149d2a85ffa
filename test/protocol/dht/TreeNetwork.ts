/** A network that holds tree pages and nothing else: it counts what is asked of it, loses pages and lies as told. */
import * as Effect from "effect/Effect"
import * as Hex from "effect/encoding/Hex"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import { Dht } from "../../../src/protocol/dht/Dht.ts"
import { PageStore } from "../../../src/protocol/dht/PageStore.ts"
import * as Record from "../../../src/protocol/dht/Record.ts"
import type * as Tree from "../../../src/protocol/dht/Tree.ts"

export interface TreeNetwork {
  /** By target in hex. A value whose hash is another one is a lie that the readers must see through. */
  readonly pages: Map<string, Uint8Array>
  /** Targets that were asked for, in order. */
  readonly asked: Array<string>
  readonly hold: (pages: ReadonlyArray<Uint8Array>) => void
  readonly run: <A, E>(work: Effect.Effect<A, E, Dht | PageStore>) => Promise<A>
  readonly layer: Layer.Layer<Dht | PageStore>
}

export const make = (initial: ReadonlyArray<Uint8Array> = []): TreeNetwork => {
  const pages = new Map<string, Uint8Array>()
  const asked: Array<string> = []
  const hold = (added: ReadonlyArray<Uint8Array>) => {
    for (const page of added) pages.set(Hex.encode(Record.immutableTargetOf(page)), page)
  }
  hold(initial)
  const layer = Layer.mergeAll(
    Layer.mock(Dht)({
      getImmutable: (target) =>
        Effect.sync(() => {
          const key = Hex.encode(target)
          asked.push(key)
          return Option.fromUndefinedOr(pages.get(key))
        }),
      putImmutable: (value) =>
        Effect.sync(() => {
          hold([value])
          const target = Record.immutableTargetOf(value)
          return { target, acks: 1, networks: 1, asked: 1, stored: ["10.0.0.1:6881"], refused: [], silent: [] }
        }),
      nodeCount: Effect.succeed(1)
    }),
    PageStore.layerMemory
  )
  const context = Effect.runSync(Effect.scoped(Layer.build(Layer.fresh(layer))))
  return { pages, asked, hold, layer, run: (work) => Effect.runPromise(Effect.provideContext(work, context)) }
}

const encoder = new TextEncoder()

export const bytes = (text: string): Uint8Array => encoder.encode(text)

export const entry = (key: string, value: string): Tree.Entry => ({ key: bytes(key), value: bytes(value) })

/** `count` packages as a catalogue has them: 24 bytes an entry. */
export const catalogue = (count: number): ReadonlyArray<Tree.Entry> =>
  Array.from({ length: count }, (_, i) => entry(`package-${String(i).padStart(6, "0")}`, "1.2.3"))
