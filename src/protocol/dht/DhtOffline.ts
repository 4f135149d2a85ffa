/**
 * A `Dht` that asks nobody, for work that goes by the own stores alone. Records and pages are held in
 * `RecordStore` and `PageStore`, where every reader looks too: so nothing is found here, and nothing
 * can be written.
 */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import { type Answer, Dht } from "./Dht.ts"
import { DhtError, NetworkForbidden } from "./DhtError.ts"

const forbidden = (purpose: string) => Effect.fail(new DhtError({ reason: new NetworkForbidden({ purpose }) }))

/** Zero nodes were asked: that is how it differs from a network that has nothing. */
const unasked: Answer<never> = { value: Option.none(), responders: [], asked: 0, answered: 0 }

const nobody = { holders: [], asked: 0, answered: 0 }

export const layer: Layer.Layer<Dht> = Layer.succeed(
  Dht,
  Dht.of({
    lookup: () => Effect.succeed(unasked),
    get: () => Effect.succeedNone,
    holders: () => Effect.succeed(nobody),
    put: () => forbidden("put a record"),
    lookupImmutable: () => Effect.succeed(unasked),
    getImmutable: () => Effect.succeedNone,
    holdersImmutable: () => Effect.succeed(nobody),
    putImmutable: () => forbidden("put a page"),
    announcePeer: () => forbidden("announce what is served here"),
    findPeers: () => Effect.succeed([]),
    nodeCount: Effect.succeed(0),
    isOffline: true
  })
)
