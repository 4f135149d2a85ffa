/** A live node for the length of a command, from the session's settings. */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as LiveNode from "../../runtime/LiveNode.ts"
import { isIpv4 } from "../../protocol/core/PeerAddress.ts"
import { reachOf } from "../../runtime/swarm/DialRule.ts"
import { Session } from "../Session.ts"

const isPrivate = (host: string): boolean => host === "localhost" || (isIpv4(host) && reachOf(host) !== "public")

const layer = Layer.unwrap(
  Effect.map(Session, ({ bootstrap, home, host, isPublic, port }) =>
    LiveNode.layer({
      home,
      host,
      port,
      bootstrap,
      remembersNodes: isPublic,
      // Whoever starts from nodes of a private network is in it, and so are the peers to be found there.
      allowPrivatePeers: bootstrap.every((node) => isPrivate(node.slice(0, node.lastIndexOf(":"))))
    })
  )
)

/** Opens the sockets, runs the work, and closes them whatever came of it. */
export const provide = Effect.provide(layer)
