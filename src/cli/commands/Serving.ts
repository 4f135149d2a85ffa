/** What commands that stay do for those that pass: they serve their DHT node over the socket of the home. */
import { SecureRandom } from "effect/crypto/SecureRandom"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schedule from "effect/Schedule"
import { INFOHASH_BYTES, Infohash } from "../../protocol/core/Infohash.ts"
import { Dht } from "../../protocol/dht/Dht.ts"
import * as NameIndex from "../../protocol/registry/NameIndex.ts"
import * as DaemonServer from "../../runtime/daemon/DaemonServer.ts"
import * as DaemonPlace from "../../runtime/daemon/DaemonPlace.ts"
import * as DaemonSocket from "../../runtime/daemon/DaemonSocket.ts"
import * as DhtRpc from "../../runtime/daemon/DhtRpc.ts"
import { Entry } from "../../runtime/dht/entry/Entry.ts"
import * as NodeMetrics from "../../runtime/metrics/NodeMetrics.ts"
import * as Errands from "../Errands.ts"
import { Output } from "../Output.ts"
import { Session } from "../Session.ts"
import * as Settings from "../Settings.ts"
import { VERSION } from "../Version.ts"

/** Where metrics are to be served, if anywhere. Fails with `InvalidArgument`. */
export const pageAt = Effect.fnUntraced(function* (metrics: Option.Option<string>) {
  return Option.isSome(metrics) ? yield* Settings.parseAddress("--metrics", metrics.value) : undefined
})

/** What this process measures, as text; once for each process. Where a page is wanted it is served until the scope closes. */
export const serveMetrics = Effect.fnUntraced(function* (
  page: { readonly host: string; readonly port: number } | undefined
) {
  const text = NodeMetrics.text(NodeMetrics.make(yield* Entry))
  if (page === undefined) return { text, url: undefined }
  const { serve } = yield* Effect.promise(() => import("../../runtime/metrics/MetricsPage.ts"))
  return { text, url: `http://${page.host}:${yield* serve(page, text)}/metrics` }
})

/** Serves until the scope closes. `onStop` ends the command's work, where others may ask for that. */
export const serve = Effect.fnUntraced(function* (
  command: string,
  metrics: Effect.Effect<string>,
  onStop?: Effect.Effect<void>
) {
  const session = yield* Session
  const { report } = yield* Entry
  return yield* DaemonServer.serve({
    home: session.home,
    command,
    version: VERSION,
    network: DhtRpc.networkOf(session),
    standing: Effect.map(report, ({ bound, mode, role }) => ({
      mode,
      role,
      address: bound
    })),
    metrics,
    onStop,
    onErrand: yield* Errands.make
  })
})

/** How often who stands by looks whether a daemon is still there. */
const LOOK = Schedule.spaced("2 seconds")

/**
 * As {@link serve}, for commands whose work is another: where a daemon runs already they take over when that ends, and
 * where none can run they go on without.
 */
export const serveBeside = Effect.fnUntraced(function* (command: string, metrics: Effect.Effect<string>) {
  const output = yield* Output
  const { home } = yield* Session
  // A look asks nothing, so that it counts for nothing in what the daemon tells of itself.
  const free = Effect.repeat(DaemonSocket.isListening(DaemonPlace.placeOf(home).path), {
    schedule: LOOK,
    while: (isListening) => isListening
  })
  yield* serve(command, metrics).pipe(
    Effect.tapError(({ reason }) => (reason._tag === "DaemonRunning" ? free : Effect.void)),
    Effect.retry({ while: ({ reason }) => reason._tag === "DaemonRunning" }),
    Effect.catch((error) => output.note(`Other commands cannot use this node: ${error.message}`))
  )
})

/**
 * Gives what is held of each name to whoever asks under its topic, until the scope closes. Others reach it so where
 * somebody overwrites the shared record of a name; that it cannot be done is no reason to end.
 */
export const serveTopics = NameIndex.serveAll().pipe(
  Effect.catch((error) => Effect.logWarning(`Claims are not served: ${error.message}`))
)

/** A look-up of nothing in particular: it leads through the network, and fills the table on its way. */
export const warmUp = Effect.gen(function* () {
  const dht = yield* Dht
  const random = yield* SecureRandom
  return yield* dht.findPeers(Infohash.make(yield* random.randomBytes(INFOHASH_BYTES)))
})

/** What is said where the network is not to be had yet: whoever stays can wait for it. */
export const goesOn = ({ message }: { readonly message: string }): string => `It goes on trying: ${message}`
