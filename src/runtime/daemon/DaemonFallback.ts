/**
 * What a command does when the daemon that it relied on dies, hangs or lies in the middle of its
 * work: it goes on with a node of its own, and its user sees nothing but the time that takes.
 */
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import { Dht, type PutOptions } from "../../protocol/dht/Dht.ts"
import type { DhtError } from "../../protocol/dht/DhtError.ts"
import * as Record from "../../protocol/dht/Record.ts"

/** Whether the network itself answered so, rather than the daemon failing to ask it. */
const isWordOfTheNetwork = (cause: Cause.Cause<DhtError>): boolean =>
  Option.exists(Cause.findErrorOption(cause), ({ reason }) => reason._tag !== "SocketFailed")

/**
 * Puts what the daemon was to put, which may have come to that before it died: a record that is there already is
 * no conflict with itself, and is only spread to those that it had not reached.
 */
const putAgain = (dht: Dht["Service"], record: Record.Record, options: PutOptions | undefined) => {
  const { cas, ...rest } = options ?? {}
  if (cas === undefined) return dht.put(record, rest)
  return dht.get(record.publicKey, record.salt).pipe(
    Effect.map(Option.exists((there) => Record.isSame(there, record))),
    // Whom nobody answers, the put tells so.
    Effect.catch(() => Effect.succeed(false)),
    Effect.flatMap((isThere) => dht.put(record, isThere ? rest : { ...rest, cas }))
  )
}

/**
 * The daemon's node as long as that answers, then one's own for good. What the daemon owed is asked again there,
 * once: reading twice does no harm, and neither does putting, since what is there already counts as stored.
 */
export const make = (daemon: Dht["Service"], own: Effect.Effect<Dht["Service"], DhtError>): Dht["Service"] => {
  let isGone = false
  const either = <A>(
    ask: (dht: Dht["Service"]) => Effect.Effect<A, DhtError>,
    again: (dht: Dht["Service"]) => Effect.Effect<A, DhtError> = ask
  ): Effect.Effect<A, DhtError> =>
    Effect.suspend(() => {
      if (isGone) return Effect.flatMap(own, ask)
      return Effect.catchCause(ask(daemon), (cause) => {
        if (isWordOfTheNetwork(cause)) return Effect.failCause(cause)
        isGone = true
        return Effect.andThen(
          Effect.logDebug("The daemon failed; going on with a node of its own", cause),
          Effect.flatMap(own, again)
        )
      })
    })
  return Dht.of({
    lookup: (publicKey, salt, options) => either((dht) => dht.lookup(publicKey, salt, options)),
    get: (publicKey, salt, options) => either((dht) => dht.get(publicKey, salt, options)),
    holders: (publicKey, salt) => either((dht) => dht.holders(publicKey, salt)),
    put: (record, options) =>
      either(
        (dht) => dht.put(record, options),
        (dht) => putAgain(dht, record, options)
      ),
    lookupImmutable: (target, options) => either((dht) => dht.lookupImmutable(target, options)),
    getImmutable: (target, options) => either((dht) => dht.getImmutable(target, options)),
    holdersImmutable: (target) => either((dht) => dht.holdersImmutable(target)),
    putImmutable: (value, options) => either((dht) => dht.putImmutable(value, options)),
    announcePeer: (infohash, port) => either((dht) => dht.announcePeer(infohash, port)),
    findPeers: (infohash) => either((dht) => dht.findPeers(infohash)),
    nodeCount: either((dht) => dht.nodeCount).pipe(Effect.catch(() => Effect.succeed(0)))
  })
}
