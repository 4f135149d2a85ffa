/**
 * The network for the length of a command, from the session's settings: through the daemon of this
 * home where one answers, else through a node of the command's own. What is needed for neither is not
 * even loaded: a look-up through a daemon takes about as long as the program takes to start. Offline it
 * is a network of nobody, and the command goes by the stores.
 */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { isIpv4 } from "../../protocol/core/PeerAddress.ts"
import { Dht } from "../../protocol/dht/Dht.ts"
import { DhtError, NetworkForbidden } from "../../protocol/dht/DhtError.ts"
import * as DhtOffline from "../../protocol/dht/DhtOffline.ts"
import { TopicPeers } from "../../protocol/dht/TopicPeers.ts"
import { Seeders } from "../../protocol/registry/Seeders.ts"
import * as SwarmOffline from "../../protocol/swarm/SwarmOffline.ts"
import * as Trust from "../../protocol/trust/Trust.ts"
import * as DaemonPlace from "../../runtime/daemon/DaemonPlace.ts"
import type * as LiveNode from "../../runtime/LiveNode.ts"
import * as Stores from "../../runtime/Stores.ts"
import { reachOf } from "../../runtime/swarm/DialRule.ts"
import * as TopicAsking from "../../runtime/swarm/topic/TopicAsking.ts"
import { Session } from "../Session.ts"

const isPrivate = (host: string): boolean => host === "localhost" || (isIpv4(host) && reachOf(host) !== "public")

const optionsOf = ({ bootstrap, home, host, isPublic, port, sources }: Session["Service"]): LiveNode.Options => ({
  home,
  host,
  port,
  bootstrap,
  sources,
  remembersNodes: isPublic,
  // Whoever starts from nodes of a private network is in it, and so are the peers to be found there.
  allowPrivatePeers: bootstrap.every((node) => isPrivate(node.slice(0, node.lastIndexOf(":"))))
})

/** Loaded when it is built. */
const lazily = <A, E, R>(load: () => Promise<Layer.Layer<A, E, R>>) => Layer.unwrap(Effect.promise(load))

const dht = (session: Session["Service"]) => {
  if (session.offline) return DhtOffline.layer
  if (session.hostedBy !== undefined) return Layer.succeed(Dht, session.hostedBy.dht)
  const own = lazily(() => import("../../runtime/LiveNode.ts").then(({ dht }) => dht(optionsOf(session))))
  if (!session.usesDaemon || !DaemonPlace.isOurs(DaemonPlace.placeOf(session.home))) return own
  return lazily(() => import("./ThroughDaemon.ts").then(({ dht }) => dht(session, own)))
}

/** Who asks, and is gone in a moment. */
const topics = (session: Session["Service"]) =>
  session.offline ? TopicPeers.layerNone : TopicAsking.layer(optionsOf(session))

/** All that is not the swarm. */
const records = (session: Session["Service"]) =>
  Layer.mergeAll(Trust.layer, Seeders.layerDht, topics(session)).pipe(
    Layer.provideMerge(dht(session)),
    Layer.provideMerge(Stores.layer({ home: session.home, serves: session.hostedBy !== undefined }))
  )

const swarm = (session: Session["Service"]) =>
  session.offline
    ? SwarmOffline.layer
    : lazily(() =>
        import("../../runtime/swarm/BitTorrentSwarm.ts").then(({ layer }) => {
          const { allowPrivatePeers = false, host, port } = optionsOf(session)
          return layer({ host, port, allowPrivatePeers })
        })
      )

const ofSession = <A, E, R>(layer: (session: Session["Service"]) => Layer.Layer<A, E, R>) =>
  Layer.unwrap(Effect.map(Session, layer))

/** What the command was given as bundles comes into the stores first. */
const withBundles = <A, E, R>(work: Effect.Effect<A, E, R>) =>
  Effect.flatMap(Session, ({ bundles }) =>
    bundles.length === 0
      ? work
      : Effect.promise(() => import("./GivenBundles.ts")).pipe(
          Effect.flatMap(({ importAll }) => importAll(bundles)),
          Effect.andThen(work)
        )
  )

/** For what reads and writes records, and transfers nothing: opens no socket for peers. */
export const provideRecords = <A, E, R>(work: Effect.Effect<A, E, R>) =>
  Effect.provide(withBundles(work), ofSession(records))

/** Opens what sockets are needed, runs the work, and closes them whatever came of it. */
export const provide = <A, E, R>(work: Effect.Effect<A, E, R>) =>
  Effect.provide(
    withBundles(work),
    ofSession((session) => swarm(session).pipe(Layer.provideMerge(records(session))))
  )

/** Without a network there is nobody to stay for. */
const ofStaying = <A, E, R>(layer: (session: Session["Service"]) => Layer.Layer<A, E, R>) =>
  Layer.unwrap(
    Effect.flatMap(Session, (session) =>
      session.offline
        ? Effect.fail(new DhtError({ reason: new NetworkForbidden({ purpose: "serve others" }) }))
        : Effect.succeed(layer(session))
    )
  )

/** For commands that stay: a node of their own, which others may come to count on (BEP 43). */
export const provideStaying = Effect.provide(
  ofStaying((session) =>
    lazily(() =>
      import("../../runtime/LiveNode.ts").then(({ layer }) => layer({ ...optionsOf(session), mode: "adaptive" }))
    )
  )
)

/** As {@link provideStaying}, without a swarm: peers are let in for what is held of a name, and for nothing else. */
export const provideStayingRecords = Effect.provide(
  ofStaying((session) =>
    Layer.mergeAll(
      Trust.layer,
      Seeders.layerDht,
      lazily(() => import("../../runtime/swarm/topic/TopicPeersLive.ts").then(({ layer }) => layer(optionsOf(session))))
    ).pipe(
      Layer.provideMerge(
        lazily(() =>
          import("../../runtime/LiveNode.ts").then(({ dht }) => dht({ ...optionsOf(session), mode: "adaptive" }))
        )
      ),
      Layer.provideMerge(Stores.layer({ home: session.home, serves: true }))
    )
  )
)
